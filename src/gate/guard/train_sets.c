/* The public sets of ../shared/data as sources of training and evaluation. Which is which: docs/gateway-classifier.md. */
#include <dirent.h>
#include <stdlib.h>

#include "base/json.h"
#include "gate/guard/train.h"
#include "text/judge_train.h"

enum { FILE_BYTES = 16 << 20, DOCUMENT_BYTES = 6000 };

static enum btz_err path_of(struct btz_train_set *s, const char *data, const char *name,
                            const char **out)
{
    *out = btz_arena_printf(&s->arena, "%s/%s", data, name);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err load_json(struct btz_train_set *s, const char *data, const char *name,
                              json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    const char *path;

    BTZ_TRY(path_of(s, data, name, &path));
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    return btz_json_parse(btz_buf_slice(&bytes), FILE_BYTES, path, out);
}

/* ---- sets of one JSON object a line ---- */

struct lines {
    const char *file, *source;
    enum btz_channel channel;
    enum btz_train_kind kind;
    size_t every; /* takes every n-th line */
    const char *fields[2];
    const char *list; /* of strings; each is a text */
};

static const struct lines line_sets[] = {
    { "guard/benign/self_instruct_seed_tasks.jsonl",
      "self-instruct-seed",
      BTZ_CHANNEL_USER,
      BTZ_TRAIN_PLAIN,
      1,
      { "instruction" },
      NULL },
    { "guard/benign/self_instruct_user_oriented_instructions.jsonl",
      "self-instruct-user",
      BTZ_CHANNEL_USER,
      BTZ_TRAIN_PLAIN,
      1,
      { "instruction" },
      NULL },
    { "guard/benign/mt_bench_question.jsonl",
      "mt-bench",
      BTZ_CHANNEL_USER,
      BTZ_TRAIN_PLAIN,
      1,
      { NULL },
      "turns" },
    { "guard/benign/vicuna_bench_question.jsonl",
      "vicuna-bench",
      BTZ_CHANNEL_USER,
      BTZ_TRAIN_PLAIN,
      1,
      { NULL },
      "turns" },
    { "guard/benign/cnn_dailymail_test.jsonl",
      "cnn-dailymail",
      BTZ_CHANNEL_DOCUMENT,
      BTZ_TRAIN_PLAIN,
      1,
      { "article" },
      NULL },
    { "guard/bipia/email/train.jsonl",
      "bipia-email",
      BTZ_CHANNEL_DOCUMENT,
      BTZ_TRAIN_PLAIN,
      1,
      { "context" },
      NULL },
    { "guard/bipia/table/train.jsonl",
      "bipia-table",
      BTZ_CHANNEL_DOCUMENT,
      BTZ_TRAIN_PLAIN,
      5,
      { "context" },
      NULL },
    { "mark/text/wmt16_de_en_validation.jsonl",
      "wmt16-en",
      BTZ_CHANNEL_DOCUMENT,
      BTZ_TRAIN_PLAIN,
      4,
      { "en" },
      NULL },
    { "mark/text/wmt16_de_en_validation.jsonl",
      "wmt16-de",
      BTZ_CHANNEL_DOCUMENT,
      BTZ_TRAIN_PLAIN,
      4,
      { "de" },
      NULL },
};

static enum btz_err add_text(struct btz_train_set *s, const struct lines *l, struct btz_slice text)
{
    text = btz_slice_sub(text, 0, DOCUMENT_BYTES);
    return btz_slice_trim(text).len < 2
               ? BTZ_OK
               : btz_train_add(s, l->source, l->kind, l->channel, false, text);
}

static enum btz_err add_object(struct btz_train_set *s, const struct lines *l, const json_t *item)
{
    const json_t *list = l->list ? json_object_get(item, l->list) : NULL;
    struct btz_slice text;

    for (size_t f = 0; f < BTZ_COUNT(l->fields) && l->fields[f]; f++)
        if (btz_json_get_text(item, l->fields[f], &text))
            BTZ_TRY(add_text(s, l, text));
    for (size_t i = 0; i < json_array_size(list); i++)
        BTZ_TRY(add_text(s, l, btz_str(json_string_value(json_array_get(list, i)))));
    return BTZ_OK;
}

static enum btz_err add_lines(struct btz_train_set *s, const char *data, const struct lines *l)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    struct btz_reader r = { .what = l->file };
    struct btz_slice line;
    const char *path;

    BTZ_TRY(path_of(s, data, l->file, &path));
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    r.in = btz_buf_slice(&bytes);
    for (size_t n = 0; btz_read_line(&r, &line); n++) {
        BTZ_JSON json_t *item = NULL;

        if (n % l->every != 0 || btz_slice_trim(line).len == 0)
            continue;
        BTZ_TRY(btz_json_parse(line, FILE_BYTES, path, &item));
        BTZ_TRY(add_object(s, l, item));
    }
    return BTZ_OK;
}

/* ---- the others ---- */

static enum btz_err add_inthewild(struct btz_train_set *s, const char *data)
{
    BTZ_JSON json_t *list = NULL;

    BTZ_TRY(load_json(s, data, "guard/inthewild_jailbreak_llms.json", &list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct btz_slice text = btz_str(json_string_value(json_array_get(list, i)));

        if (btz_slice_trim(text).len > 2)
            BTZ_TRY(btz_train_add(s, "inthewild-jailbreaks", BTZ_TRAIN_PLAIN, BTZ_CHANNEL_USER,
                                  true, btz_slice_sub(text, 0, DOCUMENT_BYTES)));
    }
    return BTZ_OK;
}

/* Goals of indirect injections, as they stand in a document: the order alone. */
static enum btz_err add_goals(struct btz_train_set *s, const char *data, const char *file,
                              const char *source)
{
    BTZ_JSON json_t *groups = NULL;
    const char *name;
    json_t *list;

    BTZ_TRY(load_json(s, data, file, &groups));
    json_object_foreach(groups, name, list) for (size_t i = 0; i < json_array_size(list); i++)
        BTZ_TRY(btz_train_add(s, source, BTZ_TRAIN_PLAIN, BTZ_CHANNEL_DOCUMENT, true,
                              btz_str(json_string_value(json_array_get(list, i)))));
    return BTZ_OK;
}

/* A program, what people said of it, and its error: arrays of lines. */
static enum btz_err add_code(struct btz_train_set *s, const char *data)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    static const char *const parts[] = { "error", "code", "context" };
    struct btz_reader r = { .what = "bipia-code" };
    struct btz_slice line;
    const char *path;

    BTZ_TRY(path_of(s, data, "guard/bipia/code/train.jsonl", &path));
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    r.in = btz_buf_slice(&bytes);
    while (btz_read_line(&r, &line)) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FILE_BYTES);
        BTZ_JSON json_t *item = NULL;

        BTZ_TRY(btz_json_parse(line, FILE_BYTES, path, &item));
        for (size_t p = 0; p < BTZ_COUNT(parts); p++) {
            const json_t *list = json_object_get(item, parts[p]);

            for (size_t i = 0; i < json_array_size(list); i++) {
                const char *row = json_string_value(json_array_get(list, i));

                BTZ_TRY(btz_buf_printf(&text, "%s\n", row ? row : ""));
            }
        }
        if (text.len > 2)
            BTZ_TRY(btz_train_add(s, "bipia-code", BTZ_TRAIN_PLAIN, BTZ_CHANNEL_TOOL_RESULT, false,
                                  btz_slice_sub(btz_buf_slice(&text), 0, DOCUMENT_BYTES)));
    }
    return BTZ_OK;
}

/* id,prompt,type,label,focus,note: requests that sound dangerous and are not, and contrasts that are. Neither is an
 * injection; only the safe ones are counted as benign trigger words. */
static enum btz_err add_xstest(struct btz_train_set *s, const char *data)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    struct btz_reader r = { .what = "xstest_prompts.csv" };
    struct btz_slice fields[8];
    const char *path;
    size_t n;
    bool more, head = true;

    BTZ_TRY(path_of(s, data, "redteam/xstest/xstest_prompts.csv", &path));
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    r.in = btz_buf_slice(&bytes);
    for (;;) {
        BTZ_TRY(btz_csv_record(&r, &s->arena, fields, BTZ_COUNT(fields), &n, &more));
        if (!more)
            return BTZ_OK;
        if (head || n < 4) {
            head = false;
            continue;
        }
        BTZ_TRY(btz_train_add(s, btz_slice_is(fields[3], "safe") ? "xstest-safe" : "xstest-unsafe",
                              btz_slice_is(fields[3], "safe") ? BTZ_TRAIN_TRIGGER : BTZ_TRAIN_PLAIN,
                              BTZ_CHANNEL_USER, false, fields[1]));
    }
}

static enum btz_err add_pii(struct btz_train_set *s, const char *data)
{
    BTZ_JSON json_t *list = NULL;
    struct btz_slice text;

    BTZ_TRY(load_json(s, data, "data/pii/synth_dataset_v2.json", &list));
    for (size_t i = 0; i < json_array_size(list); i += 5)
        if (btz_json_get_text(json_array_get(list, i), "full_text", &text))
            BTZ_TRY(btz_train_add(s, "presidio-sentences", BTZ_TRAIN_PLAIN, BTZ_CHANNEL_DOCUMENT,
                                  false, text));
    return BTZ_OK;
}

enum btz_err btz_train_add_shared(struct btz_train_set *s, const char *data)
{
    BTZ_TRY(add_inthewild(s, data));
    BTZ_TRY(add_goals(s, data, "guard/bipia/text_attack_train.json", "bipia-text-goals"));
    BTZ_TRY(add_goals(s, data, "guard/bipia/code_attack_train.json", "bipia-code-goals"));
    for (size_t i = 0; i < BTZ_COUNT(line_sets); i++)
        BTZ_TRY(add_lines(s, data, &line_sets[i]));
    BTZ_TRY(add_code(s, data));
    BTZ_TRY(add_xstest(s, data));
    return add_pii(s, data);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their names, whatever the folder says. */
enum btz_err btz_train_add_own(struct btz_train_set *s, const char *source)
{
    const char *folder = btz_arena_printf(&s->arena, "%s/tools/guard_corpus", source);
    const char *names[BTZ_TRAIN_SOURCES];
    size_t count = 0;
    DIR *d = folder ? opendir(folder) : NULL;
    struct dirent *e;

    if (!d)
        return btz_fail_errno(BTZ_IO, "open %s", folder ? folder : source);
    while (count < BTZ_TRAIN_SOURCES && (e = readdir(d))) {
        size_t len = strlen(e->d_name);

        if (len > 6 && strcmp(e->d_name + len - 6, ".jsonl") == 0) {
            names[count] = btz_arena_printf(&s->arena, "%s/%s", folder, e->d_name);
            if (names[count])
                count++;
        }
    }
    closedir(d);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_train_add_file(s, names[i]));
    return BTZ_OK;
}
