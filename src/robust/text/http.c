/* Texts to an address. */
#include <stdlib.h>

#include "robust/asking.h"
#include "robust/text.h"

enum mark { MARK_TEXTS, MARK_TEXT, MARKS };
static const char *const marks[MARKS] = { "\"{{texts}}\"", "\"{{text}}\"" };

struct of_http {
    struct btz_text_oracle oracle;
    struct btz_asking asking;
    const struct btz_slice *texts; /* of the call */
};

static enum btz_err put_text(struct btz_slice text, struct btz_buf *out)
{
    BTZ_JSON json_t *value = btz_json_text(text);

    return value ? btz_json_write(value, false, out) : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err put(void *user, size_t mark, size_t first, size_t n, struct btz_buf *out)
{
    const struct of_http *o = user;

    if (mark == MARK_TEXT)
        return put_text(o->texts[first], out);
    BTZ_TRY(btz_buf_add_byte(out, '['));
    for (size_t i = 0; i < n; i++) {
        if (i)
            BTZ_TRY(btz_buf_add_byte(out, ','));
        BTZ_TRY(put_text(o->texts[first + i], out));
    }
    return btz_buf_add_byte(out, ']');
}

static enum btz_err ask(struct btz_text_oracle *oracle, const struct btz_slice *texts, size_t n,
                        float *scores)
{
    struct of_http *o = (struct of_http *)oracle;

    o->texts = texts;
    return btz_asking_run(&o->asking, n, scores);
}

static void release(struct btz_text_oracle *oracle)
{
    btz_asking_release(&((struct of_http *)oracle)->asking);
    free(oracle);
}

static enum btz_err open(struct of_http *o, const struct btz_text_http *c)
{
    bool list = c->request && strstr(c->request, marks[MARK_TEXTS]);
    bool one = c->request && strstr(c->request, marks[MARK_TEXT]);

    if (!c->url || list == one || !c->scores == !c->labels || c->classes < 2)
        return btz_fail(BTZ_USAGE,
                        "a text classifier behind an address needs a request with either "
                        "\"{{texts}}\" or \"{{text}}\" in it, a path to either scores or labels, "
                        "and at least two classes");
    return btz_asking_open(&(struct btz_asking_conf){ .url = c->url,
                                                      .headers = c->headers,
                                                      .header_count = c->header_count,
                                                      .request = c->request,
                                                      .scores = c->scores,
                                                      .labels = c->labels,
                                                      .names = c->names,
                                                      .classes = c->classes,
                                                      .rows = one       ? 1
                                                              : c->rows ? c->rows
                                                                        : 32,
                                                      .http = c->http,
                                                      .stop = c->stop,
                                                      .marks = marks,
                                                      .mark_count = MARKS,
                                                      .put = put,
                                                      .user = o },
                           &o->asking);
}

enum btz_err btz_text_oracle_of_http(const struct btz_text_http *conf, struct btz_text_oracle **out)
{
    struct of_http *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    o->oracle = (struct btz_text_oracle){
        .classes = conf->classes, .has_scores = !conf->labels, .ask = ask, .free = release
    };
    err = open(o, conf);
    if (err) {
        free(o);
        return err;
    }
    *out = &o->oracle;
    return BTZ_OK;
}
