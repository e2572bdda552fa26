#include <stdlib.h>

#include "base/json.h"
#include "gate/guard/train.h"

enum { SET_BYTES = 256 << 20, FILE_BYTES = 64 << 20, TEXT_BYTES = 1 << 20 };

enum btz_err btz_train_init(struct btz_train_set *s)
{
    memset(s, 0, sizeof *s);
    btz_arena_init(&s->arena, SET_BYTES);
    return btz_class_lexicon_new(&s->lexicon);
}

void btz_train_release(struct btz_train_set *s)
{
    btz_class_lexicon_free(s->lexicon);
    free(s->texts);
    free(s->sentences);
    free(s->slots);
    btz_arena_release(&s->arena);
    memset(s, 0, sizeof *s);
}

/* Room for `more` items; *array may move. */
static enum btz_err grow(void **array, size_t count, size_t more, size_t *cap, size_t size)
{
    size_t want = *cap ? *cap : 1024;
    void *grown;

    while (want < count + more)
        want *= 2;
    if (want == *cap)
        return BTZ_OK;
    grown = realloc(*array, want * size);
    if (!grown)
        return btz_fail(BTZ_LIMIT, "out of memory for %zu items of training", want);
    *array = grown;
    *cap = want;
    return BTZ_OK;
}

struct filler {
    struct btz_train_set *set;
    enum btz_err err;
};

static enum btz_err add_sentence(struct btz_train_set *s, const struct btz_class_sentence *in)
{
    void *sentences = s->sentences, *slots = s->slots;
    enum btz_err err =
        grow(&sentences, s->sentence_count, 1, &s->sentence_cap, sizeof *s->sentences);

    s->sentences = sentences;
    BTZ_TRY(err);
    err = grow(&slots, s->slot_count, in->count, &s->slot_cap, sizeof *s->slots);
    s->slots = slots;
    BTZ_TRY(err);
    s->sentences[s->sentence_count++] = (struct btz_train_sentence){
        .from = (uint32_t)in->from,
        .to = (uint32_t)in->to,
        .slots = (uint32_t)s->slot_count,
        .count = (uint16_t)in->count,
    };
    memcpy(s->slots + s->slot_count, in->slot, in->count * sizeof *in->slot);
    s->slot_count += in->count;
    return BTZ_OK;
}

static void take_sentence(void *user, const struct btz_class_sentence *in)
{
    struct filler *f = user;

    if (f->err == BTZ_OK)
        f->err = add_sentence(f->set, in);
}

/* Sets of one origin: halves of one collection, translations, contrasts. Leaving out one alone would leave its twin. */
static const struct {
    const char *start, *family;
} families[] = {
    { "bipia-", "bipia" },           { "mt-bench", "lmsys" }, { "vicuna-bench", "lmsys" },
    { "self-instruct-", "self-in" }, { "wmt16-", "wmt16" },   { "xstest-", "xstest" },
};

static const char *family_of(const char *source)
{
    for (size_t i = 0; i < BTZ_COUNT(families); i++)
        if (strncmp(source, families[i].start, strlen(families[i].start)) == 0)
            return families[i].family;
    return source;
}

static enum btz_err find_source(struct btz_train_set *s, const char *name, enum btz_train_kind kind,
                                uint16_t *out)
{
    size_t i = 0;

    while (i < s->sources && strcmp(s->source[i].name, name) != 0)
        i++;
    if (i == s->sources) {
        if (i == BTZ_TRAIN_SOURCES)
            return btz_fail(BTZ_LIMIT, "more than %d sources", BTZ_TRAIN_SOURCES);
        snprintf(s->source[i].name, sizeof s->source[i].name, "%s", name);
        s->source[i].kind = kind;
        while (strcmp(family_of(s->source[s->source[i].group].name), family_of(name)) != 0)
            s->source[i].group++;
        s->sources++;
    }
    *out = (uint16_t)i;
    return BTZ_OK;
}

enum btz_err btz_train_add(struct btz_train_set *s, const char *source, enum btz_train_kind kind,
                           enum btz_channel channel, bool injection, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf normal = BTZ_BUF(TEXT_BYTES);
    struct btz_train_text t = { .channel = channel, .injection = injection };
    struct filler f = { .set = s };
    void *texts = s->texts;
    enum btz_err err;

    if (s->slot_count > UINT32_MAX / 2)
        return btz_fail(BTZ_LIMIT, "more text than a training takes");
    BTZ_TRY(find_source(s, source, kind, &t.source));
    BTZ_TRY(btz_class_normalise(text, &normal));
    BTZ_TRY(btz_arena_copy(&s->arena, btz_buf_slice(&normal), &t.text));
    BTZ_TRY(btz_arena_copy(&s->arena, text, &t.raw));
    t.first = (uint32_t)s->sentence_count;
    btz_class_read(s->lexicon, t.text, take_sentence, &f);
    BTZ_TRY(f.err);
    t.sentences = (uint32_t)(s->sentence_count - t.first);
    if (t.sentences == 0)
        return btz_fail(BTZ_INPUT, "the text has no words");
    err = grow(&texts, s->count, 1, &s->cap, sizeof *s->texts);
    s->texts = texts;
    BTZ_TRY(err);
    s->texts[s->count++] = t;
    if (injection)
        s->source[t.source].injections++;
    else
        s->source[t.source].benign++;
    return BTZ_OK;
}

static enum btz_err add_line(struct btz_train_set *s, struct btz_slice line, const char *fallback)
{
    BTZ_JSON json_t *item = NULL;
    struct btz_slice text, word;
    char source[BTZ_TRAIN_SOURCE_NAME];
    enum btz_train_kind kind = BTZ_TRAIN_PLAIN;
    enum btz_channel channel = BTZ_CHANNEL_USER;
    bool injection;

    BTZ_TRY(btz_json_parse(line, TEXT_BYTES, "the line", &item));
    if (!json_is_object(item) || !btz_json_get_text(item, "text", &text))
        return btz_fail(BTZ_INPUT, "expected an object with `text` and `label`");
    if (!btz_json_get_text(item, "label", &word))
        return btz_fail(BTZ_INPUT, "no `label`: expected \"injection\" or \"benign\"");
    injection = btz_slice_is(word, "injection");
    if (!injection && !btz_slice_is(word, "benign"))
        return btz_fail(BTZ_INPUT, "label %.*s: expected \"injection\" or \"benign\"",
                        BTZ_SLICE_ARG(btz_slice_sub(word, 0, 40)));
    if (btz_json_get_text(item, "channel", &word) && !btz_channel_find(word, &channel))
        return btz_fail(BTZ_INPUT, "unknown channel %.*s",
                        BTZ_SLICE_ARG(btz_slice_sub(word, 0, 40)));
    if (btz_json_get_text(item, "kind", &word))
        kind = btz_slice_is(word, "trigger") ? BTZ_TRAIN_TRIGGER
               : btz_slice_is(word, "made")  ? BTZ_TRAIN_MADE
                                             : BTZ_TRAIN_PLAIN;
    if (btz_json_get_text(item, "source", &word)) {
        if (word.len == 0 || word.len >= sizeof source)
            return btz_fail(BTZ_INPUT, "`source` has 1 to %zu bytes", sizeof source - 1);
        memcpy(source, word.ptr, word.len);
        source[word.len] = 0;
        fallback = source;
    }
    return btz_train_add(s, fallback, kind, channel, injection, text);
}

struct btz_slice btz_train_lines(struct btz_slice file)
{
    struct btz_slice mark = btz_str("\xEF\xBB\xBF");

    return btz_slice_has_prefix(file, mark) ? btz_slice_sub(file, mark.len, file.len) : file;
}

enum btz_err btz_train_add_file(struct btz_train_set *s, const char *path)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    const char *slash = strrchr(path, '/');
    char name[BTZ_TRAIN_SOURCE_NAME];
    struct btz_reader r = { .what = path };
    struct btz_slice line;
    size_t number = 0, before = s->count;

    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (strlen(name) > 6 && strcmp(name + strlen(name) - 6, ".jsonl") == 0)
        name[strlen(name) - 6] = 0;
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    r.in = btz_train_lines(btz_buf_slice(&bytes));
    while (btz_read_line(&r, &line)) {
        enum btz_err err;

        number++;
        if (btz_slice_trim(line).len == 0)
            continue;
        err = add_line(s, line, name);
        if (err != BTZ_OK)
            return btz_fail_context(err, "%s:%zu", path, number);
    }
    if (s->count == before)
        return btz_fail(BTZ_INPUT, "%s: no texts: expected one JSON object a line", path);
    return BTZ_OK;
}
