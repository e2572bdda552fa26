/*
 * Questions to an address: rows into a JSON text, scores or labels out of the reply.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "http/jsonpath.h"
#include "robust/oracles.h"

#define REQUEST_MAX ((size_t)64 << 20)
#define REPLY_MAX   ((size_t)16 << 20)
#define DEPTH_MAX   16

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
    struct btz_arena arena;
    struct btz_http *http;
    const char *url;
    struct btz_http_header *headers;
    size_t header_count;
    struct btz_slice request;
    const char *name;
    struct btz_jsonpath path;
    bool labels;
    uint32_t rows;
    const volatile int *stop;
};

/* ---- what is sent ------------------------------------------------------------------------------------------------------ */

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

static enum btz_err put_mark(const struct of_http *o, enum mark mark, const float *x, size_t n,
                             struct btz_buf *out)
{
    const struct btz_shape *s = &o->oracle.shape;
    size_t f = o->oracle.features;
    BTZ_JSON json_t *name = NULL;

    switch (mark) {
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

static enum btz_err fill(const struct of_http *o, const float *x, size_t n, struct btz_buf *out)
{
    struct btz_slice in = o->request;

    for (size_t at = 0; at < in.len;) {
        size_t first = in.len;
        int found = MARKS;

        for (int m = 0; m < MARKS; m++) {
            size_t where = btz_slice_find(in, btz_str(marks[m]), at);

            if (where < first) {
                first = where;
                found = m;
            }
        }
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(in, at, first - at)));
        if (found == MARKS)
            break;
        BTZ_TRY(put_mark(o, (enum mark)found, x, n, out));
        at = first + strlen(marks[found]);
    }
    return BTZ_OK;
}

/* ---- what comes back --------------------------------------------------------------------------------------------------- */

struct part {
    struct of_http *o;
    size_t n, got;
    float *scores;
    enum btz_err err;
    char detail[512]; /* callbacks run one after the other: the thread's detail may be another's */
};

static enum btz_err number(struct part *p, double v)
{
    size_t classes = p->o->oracle.classes;

    if (p->got == p->n * (p->o->labels ? 1 : classes))
        return btz_fail(BTZ_INPUT, "the reply has more numbers than %zu samples need", p->n);
    if (!p->o->labels)
        p->scores[p->got] = (float)v;
    else {
        if (!(v >= 0 && v < (double)classes) || v > floor(v))
            return btz_fail(BTZ_INPUT, "the reply's label %g is none of 0 to %zu", v, classes - 1);
        for (size_t k = 0; k < classes; k++)
            p->scores[p->got * classes + k] = k == (size_t)v;
    }
    p->got++;
    return BTZ_OK;
}

static enum btz_err flatten(struct part *p, const json_t *v, int depth)
{
    if (json_is_number(v))
        return number(p, json_number_value(v));
    if (!json_is_array(v) || depth > DEPTH_MAX)
        return btz_fail(BTZ_INPUT, "the path leads to something else than numbers");
    for (size_t k = 0; k < json_array_size(v); k++)
        BTZ_TRY(flatten(p, json_array_get(v, k), depth + 1));
    return BTZ_OK;
}

static enum btz_err visit(void *user, const json_t *value)
{
    return flatten(user, value, 0);
}

static enum btz_err read_reply(struct part *p, const struct btz_http_reply *r)
{
    BTZ_JSON json_t *root = NULL;
    size_t found = 0, wanted = p->n * (p->o->labels ? 1 : p->o->oracle.classes);

    if (r->err)
        return btz_fail(r->err, "%s: %s", p->o->url, r->detail);
    if (r->status == 401 || r->status == 403)
        return btz_fail(BTZ_DENIED, "%s answers %u: check the key", p->o->url, r->status);
    if (r->status < 200 || r->status > 299)
        return btz_fail(BTZ_UNREACHABLE, "%s answers %u", p->o->url, r->status);
    BTZ_TRY(btz_json_parse(r->body, REPLY_MAX, "the reply", &root));
    BTZ_TRY(btz_jsonpath_visit(&p->o->path, root, visit, p, &found));
    if (p->got != wanted)
        return btz_fail(BTZ_INPUT,
                        "%s: %zu numbers came where %zu samples need %zu: are path and number of "
                        "classes right?",
                        p->o->url, p->got, p->n, wanted);
    return BTZ_OK;
}

static void on_done(void *user, const struct btz_http_reply *r)
{
    struct part *p = user;

    p->err = read_reply(p, r);
    if (p->err)
        snprintf(p->detail, sizeof p->detail, "%s", btz_error_detail());
}

static enum btz_err submit(struct of_http *o, struct part *p, const float *x)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(REQUEST_MAX);

    BTZ_TRY(fill(o, x, p->n, &body));
    return btz_http_submit(o->http, &(struct btz_http_request){
                                        .method = "POST",
                                        .url = o->url,
                                        .headers = o->headers,
                                        .header_count = o->header_count,
                                        .body = btz_buf_slice(&body),
                                        .user = p,
                                        .on_done = on_done,
                                    });
}

static enum btz_err ask(struct btz_oracle *oracle, const float *x, size_t n, float *scores)
{
    struct of_http *o = (struct of_http *)oracle;
    size_t count = (n + o->rows - 1) / o->rows, sent = 0;
    BTZ_FREE struct part *parts = calloc(count ? count : 1, sizeof *parts);
    enum btz_err err = BTZ_OK, ran;

    if (!parts)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (; sent < count && !err; sent++) {
        size_t first = sent * o->rows;

        parts[sent] = (struct part){ .o = o,
                                     .n = n - first < o->rows ? n - first : o->rows,
                                     .scores = scores + first * oracle->classes,
                                     .err = BTZ_UNREACHABLE,
                                     .detail = "stopped before the reply came" };
        err = submit(o, &parts[sent], x + first * oracle->features);
    }
    /* Whatever was sent must have ended before `parts` goes. */
    ran = btz_http_run(o->http, -1, o->stop);
    if (btz_http_pending(o->http)) {
        btz_http_free(o->http);
        o->http = NULL;
        return btz_fail(BTZ_UNREACHABLE, "%s: stopped", o->url);
    }
    if (err || ran)
        return err ? err : ran;
    for (size_t k = 0; k < count; k++)
        if (parts[k].err)
            return btz_fail(parts[k].err, "%s", parts[k].detail);
    return BTZ_OK;
}

static enum btz_err ask_open(struct btz_oracle *oracle, const float *x, size_t n, float *scores)
{
    if (!((struct of_http *)oracle)->http)
        return btz_fail(BTZ_UNREACHABLE, "%s: stopped", ((struct of_http *)oracle)->url);
    return ask(oracle, x, n, scores);
}

static void release(struct btz_oracle *oracle)
{
    struct of_http *o = (struct of_http *)oracle;

    btz_http_free(o->http);
    btz_arena_release(&o->arena);
    free(o);
}

/* ---- set-up ------------------------------------------------------------------------------------------------------------ */

static enum btz_err copy_headers(struct of_http *o, const struct btz_oracle_http *conf)
{
    o->headers = btz_arena_array(&o->arena, conf->header_count + 1, sizeof *o->headers);
    if (!o->headers)
        return BTZ_LIMIT;
    for (size_t k = 0; k < conf->header_count; k++) {
        o->headers[k].name = btz_arena_str(&o->arena, btz_str(conf->headers[k].name));
        o->headers[k].value = btz_arena_str(&o->arena, btz_str(conf->headers[k].value));
        if (!o->headers[k].name || !o->headers[k].value)
            return BTZ_LIMIT;
    }
    o->headers[conf->header_count] = (struct btz_http_header){ "Content-Type", "application/json" };
    o->header_count = conf->header_count + 1;
    return BTZ_OK;
}

static enum btz_err copy_conf(struct of_http *o, const struct btz_oracle_http *conf)
{
    const char *request = conf->request, *scores = conf->labels ? NULL : conf->scores;
    BTZ_JSON json_t *root = NULL;

    for (size_t k = 0; conf->protocol && k < BTZ_COUNT(protocols); k++)
        if (strcmp(conf->protocol, protocols[k].name) == 0) {
            request = request ? request : protocols[k].request;
            scores = scores || conf->labels ? scores : protocols[k].scores;
        }
    if (!conf->url || !request || !(scores || conf->labels) || conf->classes < 2)
        return btz_fail(BTZ_USAGE, "a model behind an address needs a URL, a protocol (kserve, "
                                   "instances) or request and path, and at least two classes");
    if (btz_json_parse(btz_str(request), REQUEST_MAX, "the request", &root))
        return btz_fail_context(BTZ_USAGE, "the request is no JSON");
    if (!strstr(request, marks[MARK_ROWS]) && !strstr(request, marks[MARK_FLAT]))
        return btz_fail(BTZ_USAGE,
                        "the request has neither %s nor %s: where are the samples to go?",
                        marks[MARK_ROWS], marks[MARK_FLAT]);
    o->labels = conf->labels;
    o->url = btz_arena_str(&o->arena, btz_str(conf->url));
    o->name = btz_arena_str(&o->arena, btz_str(conf->input ? conf->input : "input"));
    BTZ_TRY(btz_arena_copy(&o->arena, btz_str(request), &o->request));
    if (!o->url || !o->name)
        return BTZ_LIMIT;
    BTZ_TRY(copy_headers(o, conf));
    return btz_jsonpath_parse(btz_str(conf->labels ? conf->labels : scores), &o->arena, &o->path);
}

enum btz_err btz_oracle_of_http(const struct btz_oracle_http *conf, struct btz_oracle **out)
{
    static const struct btz_http_opts defaults = { .max_in_flight = 8, .max_retries = 3 };
    struct of_http *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&o->arena, 1U << 20);
    o->oracle = (struct btz_oracle){ .shape = conf->sample,
                                     .classes = conf->classes,
                                     .has_scores = !conf->labels,
                                     .ask = ask_open,
                                     .free = release };
    o->rows = conf->rows ? conf->rows : 32;
    o->stop = conf->stop;
    err = btz_shape_count(&conf->sample, &o->oracle.features);
    if (!err && !o->oracle.features)
        err = btz_fail(BTZ_USAGE, "a sample has no features");
    if (!err)
        err = copy_conf(o, conf);
    if (!err)
        err = btz_http_new(conf->http ? conf->http : &defaults, &o->http);
    if (err) {
        release(&o->oracle);
        return err;
    }
    *out = &o->oracle;
    return BTZ_OK;
}
