/* Putting a document where the target retrieves from. */
#include <stdlib.h>
#include <strings.h>

#include "redteam/target_open.h"

struct put {
    enum btz_err err;
    unsigned status;
    char detail[512];
};

static void on_put(void *user, const struct btz_http_reply *reply)
{
    struct put *p = user;

    p->err = reply->err;
    p->status = reply->status;
    snprintf(p->detail, sizeof p->detail, "%s", reply->detail ? reply->detail : "");
}

static struct btz_slice origin_of(const char *url)
{
    struct btz_slice s = btz_str(url);
    size_t scheme = btz_slice_find(s, btz_str("://"), 0), end;

    if (scheme == SIZE_MAX)
        return btz_str("");
    end = scheme + 3;
    while (end < s.len && !memchr("/?#", s.ptr[end], 3))
        end++;
    return btz_slice_sub(s, 0, end);
}

/* Credentials go where the configuration says that they belong, and nowhere else. */
static bool is_same_origin(const struct btz_target *t)
{
    const char *url = t->conf.url ? t->conf.url : t->preset->default_url;
    struct btz_slice a = origin_of(t->conf.document_url), b = origin_of(url);

    return a.len > 0 && a.len == b.len &&
           strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0;
}

static enum btz_err document_url(const struct btz_target *t, const char *name,
                                 struct btz_arena *arena, const char **out)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(65536);
    struct btz_slice template = btz_str(t->conf.document_url);
    size_t at = 0, place;

    while ((place = btz_slice_find(template, btz_str("{{name}}"), at)) != SIZE_MAX) {
        BTZ_TRY(btz_buf_add_slice(&url, btz_slice_sub(template, at, place - at)));
        BTZ_TRY(btz_percent_encode(btz_str(name), &url));
        at = place + 8;
    }
    BTZ_TRY(btz_buf_add_slice(&url, btz_slice_sub(template, at, template.len)));
    *out = btz_arena_str(arena, btz_buf_slice(&url));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err outcome(const struct btz_target *t, const struct put *p)
{
    const char *name = t->conf.name ? t->conf.name : "?";

    if (p->err != BTZ_OK)
        return btz_fail(p->err, "target %s: put a document: %s", name, p->detail);
    if (p->status == 401 || p->status == 403)
        return btz_fail(BTZ_DENIED, "target %s: put a document: HTTP %u; check the key", name,
                        p->status);
    if (p->status < 200 || p->status > 299)
        return btz_fail(BTZ_UNREACHABLE, "target %s: put a document: HTTP %u; check document_url",
                        name, p->status);
    return BTZ_OK;
}

enum btz_err btz_target_put_document(struct btz_target *t, const char *name, struct btz_slice text)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request request = { .method = "PUT", .body = text, .on_done = on_put };
    struct btz_http_header own[2] = { { "Content-Type", "text/plain; charset=utf-8" } };
    struct put put = { .err = BTZ_UNREACHABLE };

    btz_arena_init(&arena, (size_t)8 << 20);
    if (!t->conf.document_url || !*t->conf.document_url)
        return btz_fail(BTZ_UNSUPPORTED, "target %s has no document channel (document_url)",
                        t->conf.name ? t->conf.name : "?");
    if (!t->documents) {
        struct btz_http_opts opts = t->http_opts;

        opts.max_in_flight = 1;
        opts.rate_per_second = 0;
        BTZ_TRY(btz_http_new(&opts, &t->documents));
    }
    BTZ_TRY(document_url(t, name, &arena, &request.url));
    if (is_same_origin(t)) {
        struct btz_target_conf conf = t->conf;
        struct btz_http_request with_headers = { 0 };

        BTZ_TRY(btz_bearer(&conf, &arena, &own[1]));
        BTZ_TRY(btz_target_headers(&conf, own, 2, &arena, &with_headers));
        request.headers = with_headers.headers;
        request.header_count = with_headers.header_count;
    } else {
        request.headers = own;
        request.header_count = 1;
    }
    request.user = &put;
    BTZ_TRY(btz_http_submit(t->documents, &request));
    BTZ_TRY(btz_http_run(t->documents, -1, NULL));
    return outcome(t, &put);
}
