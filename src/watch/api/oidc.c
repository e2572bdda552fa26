/*
 * Sign-in with an issuer: two addresses that a browser visits, around the operations oidc.start and oidc.finish. The
 * ticket of a sign-in under way is in a cookie, so that the answer counts only in the browser that asked.
 */
#include "watch/api/exchange.h"

#define COOKIE   "__Host-bartizan-oidc"
#define FLAGS    "; Path=/; Secure; HttpOnly; SameSite=Lax"
#define FORGET   COOKIE "=; Max-Age=0" FLAGS
#define LIFE     "; Max-Age=600"
#define NEXT_MAX 512

static const struct btz_operation *find(const struct btz_api_exchange *x, const char *id)
{
    for (size_t i = 0; x->api->o.operations[i]; i++)
        if (strcmp(x->api->o.operations[i]->id, id) == 0)
            return x->api->o.operations[i];
    return NULL;
}

static enum btz_err lead_to(struct btz_api_exchange *x, const char *where)
{
    x->answer->status = 303;
    return btz_api_add_header(x->answer, x->arena, "Location", where);
}

/* Where to go afterwards; the operation looks whether that is a page of ours. */
static const char *next_of(const struct btz_api_exchange *x)
{
    const char *next = NULL;

    for (size_t i = 0; i < x->target.query_count; i++)
        if (strcmp(x->target.query[i].name, "next") == 0)
            next = x->target.query[i].value;
    /* What the field would refuse is no page either. */
    for (const char *p = next; p && *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return NULL;
    return next && strlen(next) <= NEXT_MAX ? next : NULL;
}

static enum btz_err start(struct btz_api_exchange *x, const struct btz_operation *op,
                          const char *issuer)
{
    BTZ_JSON json_t *in = json_pack("{s:s, s:s?}", "issuer", issuer, "next", next_of(x));
    const char *url, *ticket;
    char cookie[160];
    struct btz_call call;
    enum btz_err err = in ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");

    BTZ_TRY(err);
    err = btz_api_call(x, op, in, NULL, &call);
    if (err != BTZ_OK) {
        err = btz_api_answer_error(x, &call, err);
    } else {
        url = json_string_value(json_object_get(call.out, "url"));
        ticket = json_string_value(json_object_get(call.out, "ticket"));
        snprintf(cookie, sizeof cookie, COOKIE "=%.60s" LIFE FLAGS, ticket ? ticket : "");
        err = btz_api_add_header(x->answer, x->arena, "Set-Cookie", cookie);
        if (err == BTZ_OK)
            err = lead_to(x, url ? url : "/sign-in");
    }
    btz_api_call_end(x, &call);
    return err;
}

/* A cookie with SameSite=Strict is not sent on the way from another site: a page of our own breaks the chain. */
static enum btz_err signed_in(struct btz_api_exchange *x, const struct btz_call *call)
{
    const char *state = json_string_value(json_object_get(call->out, "state"));
    const char *next = json_string_value(json_object_get(call->out, "next"));
    char cookie[160], where[5 * NEXT_MAX + 16] = "";
    size_t n = 0;

    /* Whoever must add a second factor first does that. */
    if (state && strcmp(state, "enrol") == 0)
        next = "/enrol";
    for (const char *p = next ? next : "/account"; *p && n < 5 * NEXT_MAX; p++)
        n += (size_t)snprintf(where + n, sizeof where - n, *p == '&' ? "&amp;" : "%c", *p);

    snprintf(cookie, sizeof cookie, BTZ_API_COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict",
             call->set_session);
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Set-Cookie", cookie));
    x->answer->status = 200;
    x->answer->media_type = "text/html; charset=utf-8";
    return btz_buf_printf(&x->answer->buf,
                          "<!doctype html><meta charset=\"utf-8\"><title>bartizan</title>"
                          "<meta http-equiv=\"refresh\" content=\"0; url=%s\">"
                          "<p><a href=\"%s\">Continue</a>",
                          where, where);
}

/* The page asks for the second factor; a fragment stays in the browser. */
static enum btz_err go_on(struct btz_api_exchange *x, const struct btz_call *call)
{
    const char *ticket = json_string_value(json_object_get(call->out, "ticket"));
    const char *next = json_string_value(json_object_get(call->out, "next")), *escaped = "";
    const json_t *methods = json_object_get(call->out, "methods");
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4 * NEXT_MAX);
    char where[3 * NEXT_MAX + 512];
    size_t n;

    if (next) {
        BTZ_TRY(btz_buf_add_str(&text, "?next="));
        BTZ_TRY(btz_api_encode(btz_str(next), &text));
        BTZ_TRY(btz_buf_cstr(&text, &escaped));
    }
    snprintf(where, sizeof where, "/sign-in%s#ticket=%.60s&methods=", escaped,
             ticket ? ticket : "");
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const char *name = json_string_value(json_array_get(methods, i));

        n = strlen(where);
        snprintf(where + n, sizeof where - n, "%s%.20s", i ? "," : "", name ? name : "");
    }
    return lead_to(x, where);
}

static enum btz_err take_fields(struct btz_api_exchange *x, const char *issuer, const char *ticket,
                                json_t **out)
{
    static const char *const names[] = { "state", "code", "iss", "error" };
    BTZ_JSON json_t *in = json_pack("{s:s, s:s}", "issuer", issuer, "ticket", ticket);

    if (!in)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < x->target.query_count; i++)
        for (size_t k = 0; k < BTZ_COUNT(names); k++) {
            if (strcmp(x->target.query[i].name, names[k]) != 0)
                continue;
            if (json_object_get(in, names[k]))
                return btz_fail(BTZ_USAGE, "%s is given twice", names[k]);
            if (json_object_set_new(in, names[k], json_string(x->target.query[i].value)) != 0)
                return btz_fail(BTZ_LIMIT, "out of memory");
        }
    *out = json_incref(in);
    return BTZ_OK;
}

static enum btz_err finish(struct btz_api_exchange *x, const struct btz_operation *op,
                           const char *issuer)
{
    BTZ_JSON json_t *in = NULL;
    const char *ticket;
    bool twice = false;
    struct btz_call call;
    enum btz_err err;

    BTZ_TRY(btz_api_cookie(x->request, COOKIE, x->arena, &ticket, &twice));
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Set-Cookie", FORGET));
    if (!ticket || twice)
        return lead_to(x, "/sign-in?error=issuer");
    BTZ_TRY(take_fields(x, issuer, ticket, &in));
    err = btz_api_call(x, op, in, NULL, &call);
    /* Why is in the trail; who is refused learns no more than that. */
    if (err != BTZ_OK)
        err = lead_to(x, "/sign-in?error=issuer");
    else if (call.set_session[0])
        err = signed_in(x, &call);
    else
        err = go_on(x, &call);
    btz_api_call_end(x, &call);
    return err;
}

enum btz_err btz_api_oidc(struct btz_api_exchange *x)
{
    const struct btz_api_target *t = &x->target;
    bool is_start = t->segment_count == 4 && strcmp(t->segments[3], "start") == 0;
    bool is_end = t->segment_count == 4 && strcmp(t->segments[3], "callback") == 0;
    const struct btz_operation *op = find(x, is_start ? "oidc.start" : "oidc.finish");

    if (!op || (!is_start && !is_end))
        return btz_api_refuse(x->answer, x->arena, 404, NULL);
    if (strcmp(x->request->method, "GET") != 0) {
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Allow", "GET"));
        return btz_api_refuse(x->answer, x->arena, 405, NULL);
    }
    BTZ_TRY(btz_api_identify(x, true));
    if (x->answer->status)
        return BTZ_OK;
    return is_start ? start(x, op, t->segments[2]) : finish(x, op, t->segments[2]);
}
