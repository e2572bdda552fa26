/*
 * Questions to an address: rows into a JSON text, scores or labels out of the reply.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "robust/asking.h"
#include "robust/oracles.h"

static const struct {
    const char *name, *request, *scores;
} protocols[] = {
    { "kserve",
      "{\"inputs\":[{\"name\":\"{{name}}\",\"shape\":\"{{shape}}\",\"datatype\":\"FP32\","
      "\"data\":\"{{flat}}\"}]}",
      "$.outputs[0].data" },
    { "instances", "{\"instances\":\"{{rows}}\"}", "$.predictions" },
};

struct of_http {
    struct btz_oracle oracle;
    struct btz_asking asking;
    char name[128]; /* of the input */
    const float *x; /* of the call */
};

enum mark { MARK_ROWS, MARK_FLAT, MARK_SHAPE, MARK_COUNT, MARK_NAME, MARKS };
static const char *const marks[MARKS] = { "\"{{rows}}\"", "\"{{flat}}\"", "\"{{shape}}\"",
                                          "\"{{n}}\"", "\"{{name}}\"" };

static enum btz_err put_numbers(struct btz_buf *out, const float *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        BTZ_TRY(btz_buf_printf(out, k ? ",%.9g" : "%.9g", (double)x[k]));
    return BTZ_OK;
}

/* Numbers within the arrays of a shape. */
static enum btz_err put_nested(struct btz_buf *out, const struct btz_shape *s, uint32_t axis,
                               const float *x, size_t count)
{
    size_t dim, part;

    if (axis == s->rank)
        return put_numbers(out, x, 1);
    dim = (size_t)s->dim[axis];
    part = count / dim;
    BTZ_TRY(btz_buf_add_byte(out, '['));
    if (axis + 1 == s->rank)
        BTZ_TRY(put_numbers(out, x, dim));
    for (size_t k = 0; axis + 1 < s->rank && k < dim; k++) {
        if (k)
            BTZ_TRY(btz_buf_add_byte(out, ','));
        BTZ_TRY(put_nested(out, s, axis + 1, x + k * part, part));
    }
    return btz_buf_add_byte(out, ']');
}

static enum btz_err put_mark(void *user, size_t mark, size_t first, size_t n, struct btz_buf *out)
{
    const struct of_http *o = user;
    const struct btz_shape *s = &o->oracle.shape;
    size_t f = o->oracle.features;
    const float *x = o->x + first * f;
    BTZ_JSON json_t *name = NULL;

    switch ((enum mark)mark) {
    case MARK_COUNT:
        return btz_buf_printf(out, "%zu", n);
    case MARK_NAME:
        name = btz_json_text(btz_str(o->name));
        return name ? btz_json_write(name, false, out) : btz_fail(BTZ_LIMIT, "out of memory");
    case MARK_SHAPE:
        BTZ_TRY(btz_buf_printf(out, "[%zu", n));
        for (uint32_t k = 0; k < s->rank; k++)
            BTZ_TRY(btz_buf_printf(out, ",%" PRId64, s->dim[k]));
        return btz_buf_add_byte(out, ']');
    case MARK_FLAT:
        BTZ_TRY(btz_buf_add_byte(out, '['));
        BTZ_TRY(put_numbers(out, x, n * f));
        return btz_buf_add_byte(out, ']');
    default:
        BTZ_TRY(btz_buf_add_byte(out, '['));
        for (size_t i = 0; i < n; i++) {
            if (i)
                BTZ_TRY(btz_buf_add_byte(out, ','));
            BTZ_TRY(put_nested(out, s, 0, x + i * f, f));
        }
        return btz_buf_add_byte(out, ']');
    }
}

static enum btz_err ask(struct btz_oracle *oracle, const float *x, size_t n, float *scores)
{
    struct of_http *o = (struct of_http *)oracle;

    o->x = x;
    return btz_asking_run(&o->asking, n, scores);
}

static void release(struct btz_oracle *oracle)
{
    btz_asking_release(&((struct of_http *)oracle)->asking);
    free(oracle);
}

static enum btz_err open(struct of_http *o, const struct btz_oracle_http *conf)
{
    const char *request = conf->request, *scores = conf->labels ? NULL : conf->scores;
    const char *input = conf->input ? conf->input : "input";

    for (size_t k = 0; conf->protocol && k < BTZ_COUNT(protocols); k++)
        if (strcmp(conf->protocol, protocols[k].name) == 0) {
            request = request ? request : protocols[k].request;
            scores = scores || conf->labels ? scores : protocols[k].scores;
        }
    if (!conf->url || !request || !(scores || conf->labels) || conf->classes < 2)
        return btz_fail(BTZ_USAGE, "a model behind an address needs a URL, a protocol (kserve, "
                                   "instances) or request and path, and at least two classes");
    if (!strstr(request, marks[MARK_ROWS]) && !strstr(request, marks[MARK_FLAT]))
        return btz_fail(BTZ_USAGE,
                        "the request has neither %s nor %s: where are the samples to go?",
                        marks[MARK_ROWS], marks[MARK_FLAT]);
    if (snprintf(o->name, sizeof o->name, "%s", input) >= (int)sizeof o->name)
        return btz_fail(BTZ_USAGE, "the name of the input has more than %zu bytes",
                        sizeof o->name - 1);
    return btz_asking_open(&(struct btz_asking_conf){ .url = conf->url,
                                                      .headers = conf->headers,
                                                      .header_count = conf->header_count,
                                                      .request = request,
                                                      .scores = scores,
                                                      .labels = conf->labels,
                                                      .classes = conf->classes,
                                                      .rows = conf->rows ? conf->rows : 32,
                                                      .http = conf->http,
                                                      .stop = conf->stop,
                                                      .marks = marks,
                                                      .mark_count = MARKS,
                                                      .put = put_mark,
                                                      .user = o },
                           &o->asking);
}

enum btz_err btz_oracle_of_http(const struct btz_oracle_http *conf, struct btz_oracle **out)
{
    struct of_http *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    o->oracle = (struct btz_oracle){ .shape = conf->sample,
                                     .classes = conf->classes,
                                     .has_scores = !conf->labels,
                                     .ask = ask,
                                     .free = release };
    err = btz_shape_count(&conf->sample, &o->oracle.features);
    if (!err && !o->oracle.features)
        err = btz_fail(BTZ_USAGE, "a sample has no features");
    if (!err)
        err = open(o, conf);
    if (err) {
        free(o);
        return err;
    }
    *out = &o->oracle;
    return BTZ_OK;
}
