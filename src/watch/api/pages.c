/* Pages and their files, and the headers that keep a browser in its place. */
#include "watch/api/exchange.h"

#define API_CSP "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
#define PAGE_CSP                                                                                   \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "              \
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "            \
    "require-trusted-types-for 'script'; trusted-types 'none'"

static bool is_page(const struct btz_api_answer *a)
{
    return a->bytes.ptr != NULL;
}

static bool has(const struct btz_api_answer *a, const char *name)
{
    for (size_t i = 0; i < a->header_count; i++)
        if (strcmp(a->headers[i].name, name) == 0)
            return true;
    return false;
}

enum btz_err btz_api_secure(struct btz_api_exchange *x)
{
    struct btz_api_answer *a = x->answer;
    const struct btz_api_pair fixed[] = {
        { "Content-Security-Policy", is_page(a) ? PAGE_CSP : API_CSP },
        { "X-Content-Type-Options", "nosniff" },
        { "X-Frame-Options", "DENY" },
        { "Referrer-Policy", "same-origin" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Cache-Control", is_page(a) ? "no-cache" : "no-store" },
    };

    for (size_t i = 0; i < BTZ_COUNT(fixed); i++)
        if (!has(a, fixed[i].name))
            BTZ_TRY(btz_api_add_header(a, x->arena, fixed[i].name, fixed[i].value));
    if (x->api->hsts)
        BTZ_TRY(btz_api_add_header(a, x->arena, "Strict-Transport-Security", "max-age=31536000"));
    return BTZ_OK;
}

bool btz_api_etag_listed(const char *header, const char *etag)
{
    struct btz_slice all = btz_str(header ? header : "");
    size_t at = 0;

    while (at < all.len) {
        size_t end = btz_slice_find(all, btz_str(","), at);
        struct btz_slice one;

        if (end == SIZE_MAX)
            end = all.len;
        one = btz_slice_trim(btz_slice_sub(all, at, end - at));
        at = end + 1;
        /* If-None-Match compares weakly: RFC 9110 s.13.1.2. */
        if (one.len > 2 && one.ptr[0] == 'W' && one.ptr[1] == '/')
            one = btz_slice_sub(one, 2, one.len);
        if (btz_slice_is(one, "*") || btz_slice_is(one, etag))
            return true;
    }
    return false;
}

static enum btz_err give_file(struct btz_api_exchange *x, const struct btz_web_file *f,
                              const char *etag)
{
    struct btz_api_answer *a = x->answer;
    static const uint8_t empty[1];

    a->status = 200;
    a->media_type = f->media_type;
    a->bytes = btz_slice_of(f->len ? f->bytes : empty, f->len);
    BTZ_TRY(btz_api_add_header(a, x->arena, "ETag", etag));
    if (btz_api_etag_listed(btz_api_header(x->request, "If-None-Match", NULL), etag)) {
        a->status = 304;
        a->no_body = true;
    }
    return BTZ_OK;
}

enum btz_err btz_api_page(struct btz_api_exchange *x)
{
    const struct btz_web_file *files = x->api->o.files;
    const char *path = x->target.path;
    bool safe = strcmp(x->request->method, "GET") == 0 || strcmp(x->request->method, "HEAD") == 0;

    if (strcmp(path, "/") == 0 && safe) {
        x->answer->status = 307;
        return btz_api_add_header(x->answer, x->arena, "Location", "/account");
    }
    for (size_t i = 0; files && files[i].path && i < BTZ_API_FILES_MAX; i++) {
        if (strcmp(files[i].path, path) != 0)
            continue;
        if (!safe) {
            BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Allow", "GET, HEAD"));
            return btz_api_refuse(x->answer, x->arena, 405, NULL);
        }
        return give_file(x, &files[i], x->api->etags[i]);
    }
    return btz_api_refuse(x->answer, x->arena, 404, NULL);
}
