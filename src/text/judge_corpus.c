#include <stdlib.h>

#include "base/json.h"
#include "text/judge_train.h"

enum {
    CORPUS_BYTES = 64 << 20,
    FILE_BYTES = 8 << 20,
    CSV_FIELDS = 16,
    CSV_PROMPT = 2, /* columns of model_completions */
    CSV_RESPONSE = 3,
    CSV_LABEL = 7,
};

const char *const btz_judge_model_names[BTZ_JUDGE_MODELS] = {
    "gpt4", "llama2new", "llama2orig", "mistralguard", "mistralinstruct",
};

/* ---- RFC 4180 ---- */

static enum btz_err quoted_field(struct btz_reader *r, struct btz_buf *out)
{
    size_t from = r->at++;

    for (; r->at < r->in.len; r->at++) {
        uint8_t c = r->in.ptr[r->at];

        if (c == '"' && r->at + 1 < r->in.len && r->in.ptr[r->at + 1] == '"') {
            r->at++;
        } else if (c == '"') {
            r->at++;
            return BTZ_OK;
        }
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return btz_fail(BTZ_INPUT, "%s: the quote at byte %zu does not end", r->what, from);
}

enum btz_err btz_csv_record(struct btz_reader *r, struct btz_arena *arena, struct btz_slice *fields,
                            size_t max, size_t *count, bool *more)
{
    BTZ_BUF_RELEASE struct btz_buf field = BTZ_BUF(FILE_BYTES);
    size_t n = 0;

    if (r->at >= r->in.len) {
        *more = false;
        *count = 0;
        return BTZ_OK;
    }
    for (;;) {
        uint8_t c;

        if (n == max)
            return btz_fail(BTZ_LIMIT, "%s: more than %zu fields before byte %zu", r->what, max,
                            r->at);
        btz_buf_clear(&field);
        if (r->at < r->in.len && r->in.ptr[r->at] == '"')
            BTZ_TRY(quoted_field(r, &field));
        else
            while (r->at < r->in.len && !strchr(",\r\n", r->in.ptr[r->at] ? r->in.ptr[r->at] : 1))
                BTZ_TRY(btz_buf_add_byte(&field, r->in.ptr[r->at++]));
        BTZ_TRY(btz_arena_copy(arena, btz_buf_slice(&field), &fields[n++]));
        if (r->at < r->in.len && r->in.ptr[r->at] == '\r')
            r->at++;
        c = r->at < r->in.len ? r->in.ptr[r->at] : '\n';
        if (c != ',' && c != '\n')
            return btz_fail(BTZ_INPUT, "%s: byte %zu: expected a comma or the end of the line",
                            r->what, r->at);
        r->at++;
        if (c == '\n')
            break;
    }
    *count = n;
    *more = true;
    return BTZ_OK;
}

/* ---- corpus ---- */

static enum btz_err add(struct btz_judge_corpus *c, struct btz_judge_example *e)
{
    BTZ_TRY(btz_features_of(e->prompt, e->response, c->cues, &e->features));
    if (c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 1024;
        struct btz_judge_example *grown = realloc(c->items, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu examples", cap);
        c->items = grown;
        c->cap = cap;
    }
    c->items[c->count++] = *e;
    return BTZ_OK;
}

static enum btz_err read_file(struct btz_judge_corpus *c, const char *folder, const char *name,
                              struct btz_reader *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(FILE_BYTES);
    const char *path = btz_arena_printf(&c->arena, "%s/%s", folder, name);

    if (!path)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_read(path, FILE_BYTES, &bytes));
    *out = (struct btz_reader){ .what = path };
    return btz_arena_copy(&c->arena, btz_buf_slice(&bytes), &out->in);
}

static enum btz_err load_cues(struct btz_judge_corpus *c, const char *source)
{
    struct btz_reader r;
    struct btz_slice line;
    unsigned number = 0;

    BTZ_TRY(read_file(c, source, "tools/judge_cues.txt", &r));
    while (btz_read_line(&r, &line)) {
        size_t tab = btz_slice_find(line, btz_str("\t"), 0);
        unsigned kind = BTZ_CUE_APOLOGY;
        enum btz_err err;

        number++;
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        while (kind < BTZ_CUE_KINDS &&
               !btz_slice_is(btz_slice_sub(line, 0, tab), btz_cue_kind_names[kind]))
            kind++;
        if (tab == SIZE_MAX || kind == BTZ_CUE_KINDS)
            return btz_fail(BTZ_INPUT, "%s:%u: expected a kind, a tab and a phrase", r.what,
                            number);
        err = btz_cue_add(c->cues, btz_slice_sub(line, tab + 1, line.len), kind);
        if (err != BTZ_OK)
            return btz_fail_context(err, "%s:%u", r.what, number);
    }
    return BTZ_OK;
}

static enum btz_err load_supplement(struct btz_judge_corpus *c, const char *source)
{
    struct btz_reader r;
    struct btz_slice line;

    BTZ_TRY(read_file(c, source, "tools/judge_supplement.jsonl", &r));
    while (btz_read_line(&r, &line)) {
        BTZ_JSON json_t *item = NULL;
        struct btz_judge_example e = { .model = -1 };
        struct btz_slice label, prompt, response;

        BTZ_TRY(btz_json_parse(line, FILE_BYTES, r.what, &item));
        if (!btz_json_get_text(item, "prompt", &prompt) ||
            !btz_json_get_text(item, "response", &response) ||
            !btz_json_get_text(item, "label", &label))
            return btz_fail(BTZ_INPUT, "%s: a line lacks prompt, response or label", r.what);
        BTZ_TRY(btz_arena_copy(&c->arena, prompt, &e.prompt));
        BTZ_TRY(btz_arena_copy(&c->arena, response, &e.response));
        e.refused = btz_slice_is(label, "refused");
        BTZ_TRY(add(c, &e));
    }
    return BTZ_OK;
}

static enum btz_err load_completions(struct btz_judge_corpus *c, const char *xstest, int model)
{
    struct btz_slice fields[CSV_FIELDS];
    struct btz_reader r;
    const char *name = btz_arena_printf(&c->arena, "model_completions/xstest_v2_completions_%s.csv",
                                        btz_judge_model_names[model]);
    size_t n;
    unsigned row = 0;
    bool more;

    if (!name)
        return BTZ_LIMIT;
    BTZ_TRY(read_file(c, xstest, name, &r));
    for (;; row++) {
        struct btz_judge_example e = { .model = model };

        BTZ_TRY(btz_csv_record(&r, &c->arena, fields, CSV_FIELDS, &n, &more));
        if (!more)
            return BTZ_OK;
        if (n <= CSV_LABEL)
            return btz_fail(BTZ_INPUT, "%s: row %u has %zu fields, expected %d", r.what, row, n,
                            CSV_LABEL + 1);
        if (row == 0) {
            if (!btz_slice_is(fields[CSV_LABEL], "final_label"))
                return btz_fail(BTZ_INPUT, "%s: column %d is not final_label", r.what,
                                CSV_LABEL + 1);
            continue;
        }
        e.prompt = fields[CSV_PROMPT];
        e.response = fields[CSV_RESPONSE];
        e.refused = !btz_slice_is(fields[CSV_LABEL], "1_full_compliance");
        /* The same prompts in the same order in every file; neighbours are of one kind and stay together. */
        e.fold = (row - 1) / 5 % BTZ_JUDGE_FOLDS;
        BTZ_TRY(add(c, &e));
    }
}

static enum btz_err load_all(struct btz_judge_corpus *c, const char *source, const char *xstest)
{
    BTZ_TRY(load_cues(c, source));
    for (int m = 0; m < BTZ_JUDGE_MODELS; m++)
        BTZ_TRY(load_completions(c, xstest, m));
    return load_supplement(c, source);
}

enum btz_err btz_judge_corpus_load(const char *source, const char *xstest,
                                   struct btz_judge_corpus *out)
{
    enum btz_err err;

    memset(out, 0, sizeof *out);
    btz_arena_init(&out->arena, CORPUS_BYTES);
    err = load_all(out, source, xstest);
    if (err != BTZ_OK)
        btz_judge_corpus_release(out);
    return err;
}

void btz_judge_corpus_release(struct btz_judge_corpus *c)
{
    free(c->items);
    c->items = NULL;
    c->count = c->cap = 0;
    btz_arena_release(&c->arena);
}
