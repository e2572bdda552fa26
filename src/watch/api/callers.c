/* Who is asking: hosts, origins, credentials. A refusal never says which part was wrong. */
#include <ctype.h>
#include <strings.h>

#include "watch/api/exchange.h"

#define PEM_MAX 32768

static enum btz_err refuse(struct btz_api_exchange *x, unsigned status, const char *detail)
{
    return btz_api_refuse(x->answer, x->arena, status, detail);
}

static bool is_safe(const struct btz_api_request *r)
{
    return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

/* ---- headers ------------------------------------------------------------------------------------------------------ */

enum btz_err btz_api_check_headers(struct btz_api_exchange *x)
{
    static const char *const single[] = {
        "Host",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "Origin",
        "Sec-Fetch-Site",
        "If-Match",
        "If-None-Match",
        "Idempotency-Key",
        "X-Bartizan-CSRF",
        "X-Bartizan-Local",
        "X-Bartizan-Gate",
        "X-Bartizan-Address",
        "X-Bartizan-Request-Id",
        "X-Bartizan-Client-Cert",
        "X-Bartizan-Body-File",
    };
    bool twice = false;

    for (size_t i = 0; i < BTZ_COUNT(single); i++)
        (void)btz_api_header(x->request, single[i], &twice);
    if (twice)
        return refuse(x, 400, "a header that may come once came twice");
    if (btz_api_header(x->request, "Content-Length", NULL) &&
        btz_api_header(x->request, "Transfer-Encoding", NULL))
        return refuse(x, 400, "both Content-Length and Transfer-Encoding");
    return BTZ_OK;
}

/* Host, in lower case and without the port that goes without saying. */
static bool is_our_host(const struct btz_api *api, const char *host)
{
    char text[280];
    size_t n = strlen(host);
    const char *port = api->https ? ":443" : ":80";

    if (n == 0 || n >= sizeof text)
        return false;
    for (size_t i = 0; i <= n; i++)
        text[i] = (char)tolower((unsigned char)host[i]);
    if (n > strlen(port) && strcmp(text + n - strlen(port), port) == 0)
        text[n - strlen(port)] = '\0';
    return strcmp(text, api->authority) == 0;
}

enum btz_err btz_api_check_host(struct btz_api_exchange *x, bool page)
{
    const char *host = btz_api_header(x->request, "Host", NULL);
    char text[700];

    if (x->request->local || (host && is_our_host(x->api, host)))
        return BTZ_OK;
    /* A person who typed another name of this machine is led to the right one. */
    if (page && is_safe(x->request)) {
        snprintf(text, sizeof text, "%s%s", x->api->origin, x->target.path);
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Location", text));
        x->answer->status = 307;
        return BTZ_OK;
    }
    snprintf(text, sizeof text, "use %s", x->api->origin);
    return refuse(x, 421, text);
}

/* ---- refusals before any operation was called ---------------------------------------------------------------------- */

enum btz_err btz_api_note_refusal(struct btz_api_exchange *x, const char *reason)
{
    const struct btz_trail_entry e = { .event = "refusal", .verdict = "deny", .reason = reason };

    return x->api->o.backend->note(x->api->o.backend->access, &x->caller, &e);
}

static enum btz_err forbid(struct btz_api_exchange *x, const char *reason)
{
    BTZ_TRY(btz_api_note_refusal(x, reason));
    return refuse(x, 403, reason);
}

/* ---- cross-site requests ------------------------------------------------------------------------------------------ */

/* Cross-site requests carry an Origin of elsewhere; what carries a cookie and changes things must prove that a script
 * of ours sent it. */
static enum btz_err check_origin(struct btz_api_exchange *x, bool cookie)
{
    const char *origin = btz_api_header(x->request, "Origin", NULL);
    const char *site = btz_api_header(x->request, "Sec-Fetch-Site", NULL);
    const char *csrf = btz_api_header(x->request, "X-Bartizan-CSRF", NULL);
    bool same_site = !site || strcmp(site, "same-origin") == 0;

    if (is_safe(x->request)) {
        /* A link may lead here, but other sites' scripts and pictures read nothing with our cookie. */
        if (cookie && site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
            return forbid(x, "the request comes from another site");
        return BTZ_OK;
    }
    if ((origin && strcmp(origin, x->api->origin) != 0) || !same_site)
        return forbid(x, "the request comes from another site");
    if (cookie && (!origin || !csrf || strcmp(csrf, "1") != 0))
        return forbid(x, "with a cookie, Origin and X-Bartizan-CSRF: 1 are needed");
    return BTZ_OK;
}

/* ---- credentials -------------------------------------------------------------------------------------------------- */

enum btz_err btz_api_cookie(const struct btz_api_request *r, const char *name,
                            struct btz_arena *arena, const char **out, bool *twice)
{
    const char *header = btz_api_header(r, "Cookie", twice);
    struct btz_slice all = btz_str(header ? header : "");
    size_t at = 0, name_len = strlen(name);

    *out = NULL;
    while (at < all.len) {
        size_t end = btz_slice_find(all, btz_str(";"), at);
        struct btz_slice pair;

        if (end == SIZE_MAX)
            end = all.len;
        pair = btz_slice_trim(btz_slice_sub(all, at, end - at));
        at = end + 1;
        if (pair.len <= name_len || memcmp(pair.ptr, name, name_len) != 0 ||
            pair.ptr[name_len] != '=')
            continue;
        if (*out)
            *twice = true;
        *out = btz_arena_str(arena, btz_slice_sub(pair, name_len + 1, pair.len));
        if (!*out)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

static enum btz_err nobody(struct btz_api_exchange *x)
{
    BTZ_TRY(
        btz_api_add_header(x->answer, x->arena, "WWW-Authenticate", "Bearer realm=\"bartizan\""));
    if (x->by_cookie)
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Set-Cookie",
                                   BTZ_API_COOKIE
                                   "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict"));
    return refuse(x, 401, NULL);
}

/* Only what the program itself put in front may say where a request comes from. */
static void note_peer(struct btz_api_exchange *x)
{
    struct btz_caller *c = &x->caller;
    const char *address = NULL;

    c->user_agent = btz_api_header(x->request, "User-Agent", NULL);
    if (!x->request->local) {
        address = btz_api_header(x->request, "X-Bartizan-Address", NULL);
        c->request = btz_api_header(x->request, "X-Bartizan-Request-Id", NULL);
    }
    if (address && x->api->o.backend->address(address, &c->address) == BTZ_OK)
        c->address_text = address;
}

static enum btz_err certificate(struct btz_api_exchange *x, struct btz_slice *pem)
{
    const char *escaped =
        x->request->local ? NULL : btz_api_header(x->request, "X-Bartizan-Client-Cert", NULL);
    char *text;
    size_t n = 0;

    *pem = btz_str("");
    if (!escaped || !*escaped)
        return BTZ_OK;
    text = strlen(escaped) > PEM_MAX ? NULL : btz_arena_str(x->arena, btz_str(escaped));
    if (!text)
        return btz_fail(BTZ_LIMIT, "client certificate: too large");
    for (const char *p = escaped; *p; p++) {
        uint8_t byte = (uint8_t)*p;

        if (*p == '%') {
            if (!p[1] || !p[2] || btz_unhex(btz_slice_of(p + 1, 2), &byte, 1) != BTZ_OK)
                return btz_fail(BTZ_INPUT, "client certificate: bad escape");
            p += 2;
        }
        text[n++] = (char)byte;
    }
    *pem = btz_slice_of(text, n);
    return BTZ_OK;
}

/* One of: bearer, cookie, certificate, the owner at the local socket; `bearer` and `cookie` are not both given. */
static enum btz_err authenticate(struct btz_api_exchange *x, const char *bearer, const char *cookie,
                                 struct btz_slice pem)
{
    const struct btz_api_backend *b = x->api->o.backend;
    const char *local = btz_api_header(x->request, "X-Bartizan-Local", NULL);

    if (bearer || cookie) {
        BTZ_TRY(cookie ? b->session(b->access, btz_str(cookie), &x->caller)
                : strncmp(bearer, "btz_", 4) == 0
                    ? b->key(b->access, btz_str(bearer), &x->caller)
                    : b->token(b->access, btz_str(bearer), &x->caller));
        return pem.len > 0 ? b->own_cert(b->access, pem, &x->caller) : BTZ_OK;
    }
    if (pem.len > 0)
        return b->cert(b->access, pem, &x->caller);
    if (x->request->local && x->request->unix_name && local && strcmp(local, "1") == 0)
        return b->local(b->access, x->request->unix_name, &x->caller);
    return BTZ_OK;
}

enum btz_err btz_api_identify(struct btz_api_exchange *x, bool is_public)
{
    const char *authorization = btz_api_header(x->request, "Authorization", NULL);
    const char *bearer = NULL, *cookie = NULL;
    struct btz_slice pem;
    bool twice = false;
    enum btz_err err;

    memset(&x->caller, 0, sizeof x->caller);
    note_peer(x);
    BTZ_TRY(btz_api_cookie(x->request, BTZ_API_COOKIE, x->arena, &cookie, &twice));
    if (twice)
        return refuse(x, 400, "a cookie that may come once came twice");
    BTZ_TRY(check_origin(x, cookie != NULL && !is_public));
    if (x->answer->status || is_public)
        return BTZ_OK;
    if (authorization && cookie)
        return refuse(x, 400, "two credentials at once");
    if (authorization) {
        bearer = strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : "";
        while (*bearer == ' ')
            bearer++;
        if (!*bearer) {
            BTZ_TRY(btz_api_note_refusal(x, "an Authorization without a token"));
            return nobody(x);
        }
    }
    x->by_cookie = cookie != NULL;
    err = certificate(x, &pem);
    if (err == BTZ_OK)
        err = authenticate(x, bearer, cookie, pem);
    else if (err == BTZ_INPUT)
        BTZ_TRY(btz_api_note_refusal(x, "a client certificate that cannot be read"));
    if (err == BTZ_DENIED || err == BTZ_INPUT || err == BTZ_USAGE)
        return nobody(x);
    return err;
}
