/* Browsers: pages of our own origin may ask with a cookie, others only with a key. */
#include <strings.h>

#include "gate/exchange.h"

bool btz_page_is_own(struct btz_slice own, struct btz_slice origin)
{
    return own.len > 0 && btz_slice_equal(own, origin);
}

/* A page of elsewhere makes the browser ask: it says so, one way or the other. */
static bool is_from_elsewhere(const struct btz_page *page, struct btz_slice origin)
{
    struct btz_slice said = page->fetch_site;

    return (origin.len && !btz_page_is_own(page->own, origin)) ||
           (said.len && !btz_slice_is(said, "same-origin") && !btz_slice_is(said, "none"));
}

static bool is_type(struct btz_slice type, const char *name)
{
    size_t end = btz_slice_find(type, btz_str(";"), 0), n = strlen(name);

    type = btz_slice_trim(btz_slice_sub(type, 0, end));
    return type.len == n && strncasecmp((const char *)type.ptr, name, n) == 0;
}

/* A form of any page can send these without asking first. Who carries a key cannot be such a form. */
static bool is_form(struct btz_exchange *x, const struct btz_page *page)
{
    struct btz_slice type = x->in->content_type;
    const struct btz_route *route;

    if (type.len == 0)
        return x->in->content_length > 0 || page->chunked;
    if (is_type(type, "application/x-www-form-urlencoded") || is_type(type, "text/plain"))
        return true;
    if (!is_type(type, "multipart/form-data"))
        return false;
    route = btz_route_find(x->gate->conf, x->in->method, x->in->path, &x->arena);
    return route && route->protocol != BTZ_PROTOCOL_IMAGES &&
           route->protocol != BTZ_PROTOCOL_TRANSCRIBE && route->protocol != BTZ_PROTOCOL_FILES &&
           route->protocol != BTZ_PROTOCOL_PASS;
}

enum btz_step btz_exchange_page(struct btz_exchange *x, const struct btz_page *page)
{
    const struct btz_incoming *in = x->in;
    bool own = btz_page_is_own(page->own, in->origin);
    bool has_key = in->authorization.len || in->x_api_key.len || in->api_key.len;
    bool by_cookie = in->cookie.len && !has_key;
    bool by_browser = by_cookie || (in->client_cert.len && !has_key);
    bool reads = btz_slice_is(in->method, "GET") || btz_slice_is(in->method, "HEAD");

    if (btz_slice_is(in->method, "OPTIONS"))
        return btz_exchange_deny(x, in->origin.len ? 403 : 405, "forbidden",
                                 in->origin.len ? "pages of this origin may not ask here"
                                                : "OPTIONS is for browsers");
    /* A cookie goes along whoever makes the browser ask: the page must be ours. */
    if (by_cookie && ((in->origin.len && !own) || ((!reads || in->upgrade) && !own) ||
                      (!reads && !btz_slice_is(page->csrf, "1"))))
        return btz_exchange_deny(x, 403, "forbidden",
                                 "with a cookie, Origin and X-Bartizan-CSRF: 1 are needed");
    /* So does a client certificate. */
    if (by_browser && is_from_elsewhere(page, in->origin))
        return btz_exchange_deny(x, 403, "forbidden", "pages of this origin may not ask here");
    if (by_browser && !reads && is_form(x, page))
        return btz_exchange_deny(x, 415, "unsupported_media_type",
                                 "without a key, bodies are application/json");
    return BTZ_STEP_GO;
}
