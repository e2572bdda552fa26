/*
 * Batches of samples to an address: marks into a JSON text, scores or labels out of the reply.
 */
#include "robust/asking.h"

#include <math.h>
#include <stdlib.h>

#define REQUEST_MAX ((size_t)64 << 20)
#define REPLY_MAX   ((size_t)16 << 20)
#define DEPTH_MAX   16

/* ---- what is sent ------------------------------------------------------------------------------------------------------ */

enum btz_err btz_asking_fill(const struct btz_asking *a, size_t first_sample, size_t n,
                             struct btz_buf *out)
{
    const struct btz_asking_conf *c = &a->conf;
    struct btz_slice in = a->request;

    for (size_t at = 0; at < in.len;) {
        size_t first = in.len, found = c->mark_count;

        for (size_t m = 0; m < c->mark_count; m++) {
            size_t where = btz_slice_find(in, btz_str(c->marks[m]), at);

            if (where < first) {
                first = where;
                found = m;
            }
        }
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(in, at, first - at)));
        if (found == c->mark_count)
            break;
        BTZ_TRY(c->put(c->user, found, first_sample, n, out));
        at = first + strlen(c->marks[found]);
    }
    return BTZ_OK;
}

/* ---- what comes back --------------------------------------------------------------------------------------------------- */

struct part {
    const struct btz_asking *a;
    size_t n, got;
    float *scores;
    enum btz_err err;
    char detail[512]; /* callbacks run one after the other: the thread's detail may be another's */
};

static enum btz_err number(struct part *p, double v)
{
    size_t classes = p->a->conf.classes;

    if (p->got == p->n * (p->a->conf.labels ? 1 : classes))
        return btz_fail(BTZ_INPUT, "the reply has more numbers than %zu samples need", p->n);
    if (!p->a->conf.labels)
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

static enum btz_err name(struct part *p, const char *text)
{
    const struct btz_asking_conf *c = &p->a->conf;

    for (size_t k = 0; k < c->classes; k++)
        if (strcmp(c->names[k], text) == 0)
            return number(p, (double)k);
    return btz_fail(BTZ_INPUT, "the reply's label \"%.40s\" is none of the classes", text);
}

static enum btz_err flatten(struct part *p, const json_t *v, int depth)
{
    if (json_is_number(v))
        return number(p, json_number_value(v));
    if (json_is_string(v) && p->a->conf.labels && p->a->conf.names)
        return name(p, json_string_value(v));
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

static enum btz_err read_body(struct part *p, struct btz_slice body)
{
    const struct btz_asking_conf *c = &p->a->conf;
    BTZ_JSON json_t *root = NULL;
    size_t found = 0, wanted = p->n * (c->labels ? 1 : c->classes);

    BTZ_TRY(btz_json_parse(body, REPLY_MAX, "the reply", &root));
    BTZ_TRY(btz_jsonpath_visit(&p->a->path, root, visit, p, &found));
    if (p->got != wanted)
        return btz_fail(BTZ_INPUT,
                        "%s: %zu numbers came where %zu samples need %zu: are path and number of "
                        "classes right?",
                        c->url, p->got, p->n, wanted);
    return BTZ_OK;
}

enum btz_err btz_asking_read(const struct btz_asking *a, struct btz_slice body, size_t n,
                             float *scores)
{
    struct part p = { .a = a, .n = n, .scores = scores };

    return read_body(&p, body);
}

static enum btz_err read_reply(struct part *p, const struct btz_http_reply *r)
{
    const char *url = p->a->conf.url;

    if (r->err)
        return btz_fail(r->err, "%s: %s", url, r->detail);
    if (r->status == 401 || r->status == 403)
        return btz_fail(BTZ_DENIED, "%s answers %u: check the key", url, r->status);
    if (r->status < 200 || r->status > 299)
        return btz_fail(BTZ_UNREACHABLE, "%s answers %u", url, r->status);
    return read_body(p, r->body);
}

static void on_done(void *user, const struct btz_http_reply *r)
{
    struct part *p = user;

    p->err = read_reply(p, r);
    if (p->err)
        snprintf(p->detail, sizeof p->detail, "%s", btz_error_detail());
}

static enum btz_err submit(struct btz_asking *a, struct part *p, size_t first)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(REQUEST_MAX);

    BTZ_TRY(btz_asking_fill(a, first, p->n, &body));
    return btz_http_submit(a->http, &(struct btz_http_request){
                                        .method = "POST",
                                        .url = a->conf.url,
                                        .headers = a->conf.headers,
                                        .header_count = a->conf.header_count,
                                        .body = btz_buf_slice(&body),
                                        .user = p,
                                        .on_done = on_done,
                                    });
}

enum btz_err btz_asking_run(struct btz_asking *a, size_t n, float *scores)
{
    size_t rows = a->conf.rows, count = (n + rows - 1) / rows, sent = 0;
    BTZ_FREE struct part *parts = NULL;
    enum btz_err err = BTZ_OK, ran;

    if (!a->http)
        return btz_fail(BTZ_UNREACHABLE, "%s: stopped", a->conf.url);
    parts = calloc(count ? count : 1, sizeof *parts);
    if (!parts)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (; sent < count && !err; sent++) {
        size_t first = sent * rows;

        parts[sent] = (struct part){ .a = a,
                                     .n = n - first < rows ? n - first : rows,
                                     .scores = scores + first * a->conf.classes,
                                     .err = BTZ_UNREACHABLE,
                                     .detail = "stopped before the reply came" };
        err = submit(a, &parts[sent], first);
    }
    /* Whatever was sent must have ended before `parts` goes. */
    ran = btz_http_run(a->http, -1, a->conf.stop);
    if (btz_http_pending(a->http)) {
        btz_http_free(a->http);
        a->http = NULL;
        return btz_fail(BTZ_UNREACHABLE, "%s: stopped", a->conf.url);
    }
    if (err || ran)
        return err ? err : ran;
    for (size_t k = 0; k < count; k++)
        if (parts[k].err)
            return btz_fail(parts[k].err, "%s", parts[k].detail);
    return BTZ_OK;
}

/* ---- set-up ------------------------------------------------------------------------------------------------------------ */

static enum btz_err copy_headers(struct btz_asking *a, const struct btz_asking_conf *conf)
{
    struct btz_http_header *to = btz_arena_array(&a->arena, conf->header_count + 1, sizeof *to);

    if (!to)
        return BTZ_LIMIT;
    for (size_t k = 0; k < conf->header_count; k++) {
        to[k].name = btz_arena_str(&a->arena, btz_str(conf->headers[k].name));
        to[k].value = btz_arena_str(&a->arena, btz_str(conf->headers[k].value));
        if (!to[k].name || !to[k].value)
            return BTZ_LIMIT;
    }
    to[conf->header_count] = (struct btz_http_header){ "Content-Type", "application/json" };
    a->conf.headers = to;
    a->conf.header_count = conf->header_count + 1;
    return BTZ_OK;
}

static enum btz_err open(struct btz_asking *a, const struct btz_asking_conf *conf)
{
    static const struct btz_http_opts defaults = { .max_in_flight = 8, .max_retries = 3 };
    BTZ_JSON json_t *root = NULL;

    if (btz_json_parse(btz_str(conf->request), REQUEST_MAX, "the request", &root))
        return btz_fail_context(BTZ_USAGE, "the request is no JSON");
    a->conf.url = btz_arena_str(&a->arena, btz_str(conf->url));
    if (!a->conf.url)
        return BTZ_LIMIT;
    BTZ_TRY(btz_arena_copy(&a->arena, btz_str(conf->request), &a->request));
    BTZ_TRY(copy_headers(a, conf));
    BTZ_TRY(btz_jsonpath_parse(btz_str(conf->labels ? conf->labels : conf->scores), &a->arena,
                               &a->path));
    return btz_http_new(conf->http ? conf->http : &defaults, &a->http);
}

enum btz_err btz_asking_open(const struct btz_asking_conf *conf, struct btz_asking *out)
{
    enum btz_err err;

    *out = (struct btz_asking){ .conf = *conf };
    btz_arena_init(&out->arena, 1U << 20);
    err = open(out, conf);
    if (err)
        btz_asking_release(out);
    return err;
}

void btz_asking_release(struct btz_asking *a)
{
    btz_http_free(a->http);
    a->http = NULL;
    btz_arena_release(&a->arena);
}
