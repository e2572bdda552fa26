/* From a request to an answer. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "watch/api/scim.h"

#define OPENAPI_MAX ((size_t)4 << 20)

/* ---- life ------------------------------------------------------------------------------------------------------------ */

/* "https://Host:443" becomes "https://host". */
static enum btz_err take_origin(struct btz_api *api, const char *origin)
{
    size_t scheme = strncasecmp(origin, "https://", 8) == 0  ? 8
                    : strncasecmp(origin, "http://", 7) == 0 ? 7
                                                             : 0;
    const char *port;
    size_t n;

    api->https = scheme == 8;
    port = api->https ? ":443" : ":80";
    if (!scheme || !origin[scheme] || strpbrk(origin + scheme, "/?#@ "))
        return btz_fail(BTZ_USAGE,
                        "origin: expected https://HOST or https://HOST:PORT, found \"%.80s\"",
                        origin);
    api->origin = strdup(origin);
    if (!api->origin)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (char *p = api->origin; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    n = strlen(api->origin);
    if (n > strlen(port) && strcmp(api->origin + n - strlen(port), port) == 0)
        api->origin[n - strlen(port)] = '\0';
    api->authority = api->origin + scheme;
    /* For names alone: on localhost it would bind every other port of the machine to TLS. */
    api->hsts = api->https && strncmp(api->authority, "localhost", 9) != 0 &&
                api->authority[0] != '[' && !isdigit((unsigned char)api->authority[0]);
    return BTZ_OK;
}

static enum btz_err take_files(struct btz_api *api)
{
    for (size_t i = 0; api->o.files && api->o.files[i].path; i++) {
        uint8_t digest[BTZ_SHA256_LEN];

        if (i == BTZ_API_FILES_MAX)
            return btz_fail(BTZ_INTERNAL, "more than %d embedded files", BTZ_API_FILES_MAX);
        btz_sha256(btz_slice_of(api->o.files[i].bytes, api->o.files[i].len), digest);
        api->etags[i][0] = '"';
        btz_hex(digest, 16, api->etags[i] + 1);
        memcpy(api->etags[i] + 33, "\"", 2);
    }
    return BTZ_OK;
}

static enum btz_err fill(struct btz_api *api)
{
    BTZ_JSON json_t *document = NULL;

    BTZ_TRY(take_origin(api, api->o.origin));
    BTZ_TRY(take_files(api));
    BTZ_TRY(btz_api_router_new(api->o.operations, &api->router));
    BTZ_TRY(btz_openapi(api->o.operations, api->o.backend->schema, &document));
    return btz_json_write(document, true, &api->openapi);
}

enum btz_err btz_api_new(const struct btz_api_options *o, struct btz_api **out)
{
    struct btz_api *api = calloc(1, sizeof *api);
    enum btz_err err;

    if (!api)
        return btz_fail(BTZ_LIMIT, "out of memory");
    api->o = *o;
    api->openapi.max = OPENAPI_MAX;
    err = fill(api);
    if (err != BTZ_OK) {
        btz_api_free(api);
        return err;
    }
    *out = api;
    return BTZ_OK;
}

void btz_api_free(struct btz_api *api)
{
    if (!api)
        return;
    btz_api_router_free(api->router);
    btz_buf_release(&api->openapi);
    free(api->origin);
    free(api);
}

/* ---- routes of the server itself --------------------------------------------------------------------------------------- */

static enum btz_err answer_health(struct btz_api_exchange *x)
{
    BTZ_JSON json_t *value = json_pack("{s:s}", "status", "ok");

    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return btz_api_json(x->answer, 200, value);
}

/* To route requests here or not. It says which part, never why: nobody need be known to ask. */
static enum btz_err answer_ready(struct btz_api_exchange *x)
{
    struct btz_access *a = x->api->o.backend->access;
    const struct btz_access_live *live = a ? btz_access_get_live(a) : NULL;
    BTZ_JSON json_t *parts = NULL;
    BTZ_JSON json_t *value = NULL;
    bool ready = true;

    if (live)
        BTZ_TRY(live->ready(live->user, &ready, &parts));
    value = json_pack("{s:s, s:O*}", "status", ready ? "ready" : "not-ready", "parts", parts);
    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return btz_api_json(x->answer, ready ? 200 : 503, value);
}

static enum btz_err answer_openapi(struct btz_api_exchange *x)
{
    x->answer->status = 200;
    x->answer->media_type = "application/json";
    x->answer->buf.max = OPENAPI_MAX;
    return btz_buf_add_slice(&x->answer->buf, btz_buf_slice(&x->api->openapi));
}

/* For the gateway's nginx alone, which asks with a header that it takes away from everybody else. */
static enum btz_err answer_who(struct btz_api_exchange *x)
{
    const char *gate = btz_api_header(x->request, "X-Bartizan-Gate", NULL);
    uint64_t now_ms = x->api->o.backend->now_ms(x->api->o.backend->access);
    char age[24] = "";

    if (!gate || strcmp(gate, "1") != 0)
        return btz_api_refuse(x->answer, x->arena, 404, NULL);
    BTZ_TRY(btz_api_identify(x, false));
    if (x->answer->status)
        return BTZ_OK;
    if (x->caller.kind == BTZ_CALLER_NOBODY || x->caller.enrolling)
        return btz_api_refuse(x->answer, x->arena, 401, NULL);
    if (x->caller.second_factor_ms && now_ms >= x->caller.second_factor_ms)
        snprintf(age, sizeof age, "%" PRIu64, (now_ms - x->caller.second_factor_ms) / 1000);
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "X-Bartizan-Principal", x->caller.principal));
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "X-Bartizan-Method", x->caller.method));
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "X-Bartizan-Mfa-Age", age));
    return answer_health(x);
}

static enum btz_err answer_own(struct btz_api_exchange *x, bool *done)
{
    static const struct {
        const char *path;
        enum btz_err (*answer)(struct btz_api_exchange *);
    } own[] = { { "/v1/health", answer_health },
                { "/v1/ready", answer_ready },
                { "/v1/openapi.json", answer_openapi },
                { "/v1/gate/who", answer_who } };
    const char *method = x->request->method;

    for (size_t i = 0; i < BTZ_COUNT(own); i++) {
        if (strcmp(own[i].path, x->target.path) != 0)
            continue;
        *done = true;
        if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
            return own[i].answer(x);
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Allow", "GET, HEAD"));
        return btz_api_refuse(x->answer, x->arena, 405, NULL);
    }
    return BTZ_OK;
}

/* ---- the way --------------------------------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static enum btz_err answer_operation(struct btz_api_exchange *x)
{
    struct btz_api_match match;
    bool done = false;

    BTZ_TRY(answer_own(x, &done));
    if (done)
        return BTZ_OK;
    if (is_below(x->target.path, "/v1/oidc"))
        return btz_api_oidc(x);
    switch (btz_api_router_find(x->api->router, x->request->method, &x->target, &match)) {
    case BTZ_API_ROUTE_FOUND:
        return btz_api_operate(x, &match);
    case BTZ_API_ROUTE_METHOD:
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Allow", match.allow));
        return btz_api_refuse(x->answer, x->arena, 405, NULL);
    default:
        return btz_api_refuse(x->answer, x->arena, 404, NULL);
    }
}

static enum btz_err answer(struct btz_api_exchange *x)
{
    enum btz_err err = btz_api_target_parse(x->request->target, x->arena, &x->target);
    bool page;

    if (err == BTZ_INPUT || err == BTZ_LIMIT) {
        x->target.path = "";
        return btz_api_refuse(x->answer, x->arena, err == BTZ_LIMIT ? 414 : 400,
                              btz_error_detail());
    }
    BTZ_TRY(err);
    if (x->request->body.len > BTZ_API_BODY_MAX)
        return btz_api_refuse(x->answer, x->arena, 413, NULL);
    page = !is_below(x->target.path, "/v1") && !is_below(x->target.path, "/scim") &&
           strcmp(x->target.path, "/metrics") != 0;
    BTZ_TRY(btz_api_check_headers(x));
    if (!x->answer->status)
        BTZ_TRY(btz_api_check_host(x, page));
    if (x->answer->status)
        return BTZ_OK;
    if (is_below(x->target.path, "/scim"))
        return btz_scim_answer(x);
    return page ? btz_api_page(x) : answer_operation(x);
}

void btz_api_answer(const struct btz_api *api, const struct btz_api_request *request,
                    struct btz_arena *arena, struct btz_api_answer *out)
{
    struct btz_api_exchange x = { .api = api, .request = request, .arena = arena, .answer = out };
    enum btz_err err;

    *out = (struct btz_api_answer){ .buf = BTZ_BUF(BTZ_API_ANSWER_MAX) };
    err = answer(&x);
    if (err != BTZ_OK) {
        out->header_count = 0;
        out->no_body = false;
        out->bytes = (struct btz_slice){ 0 };
        err = btz_api_answer_error(&x, NULL, err);
    }
    if (err != BTZ_OK || btz_api_secure(&x) != BTZ_OK) {
        out->status = 500;
        out->media_type = NULL;
        out->no_body = true;
    }
    if (strcmp(request->method, "HEAD") == 0)
        out->no_body = true;
}
