/* The first half of an exchange: who asks, and whether he may use the route. */
#include "gate/exchange.h"

#include <math.h>
#include <stdlib.h>

#include "access/identity.h"

#define NOT_EVALUATED_OFF "the guard is switched off"

enum btz_err btz_exchange_new(struct btz_gate *g, const struct btz_incoming *in,
                              struct btz_exchange **out)
{
    struct btz_exchange *x = calloc(1, sizeof *x);

    if (!x)
        return btz_fail(BTZ_LIMIT, "no memory");
    x->gate = g;
    x->in = in;
    x->now_ms = btz_gate_now_ms(g);
    x->principal = x->key = BTZ_NOBODY;
    x->mfa_age_s = UINT32_MAX;
    x->verdict = "allow";
    x->out_body = BTZ_BUF(BTZ_EXCHANGE_CAP);
    x->collected = BTZ_BUF((size_t)g->conf->response_max);
    x->finished = BTZ_BUF(BTZ_EXCHANGE_CAP);
    x->kept = BTZ_BUF((size_t)16 << 20);
    x->answer_body = BTZ_BUF((size_t)1 << 20);
    btz_arena_init(&x->arena, BTZ_EXCHANGE_CAP);
    if (in->address_text && btz_address_parse(in->address_text, &x->address) != BTZ_OK)
        x->address.known = false;
    x->traced = in->traceparent.len > 0 && btz_trace_parse(in->traceparent, &x->trace);
    btz_sha256_init(&x->response_hash);
    btz_metrics_begin(g->metrics);
    *out = x;
    return BTZ_OK;
}

bool btz_exchange_traceparent(const struct btz_exchange *x, char out[BTZ_TRACE_TEXT + 1])
{
    char trace[BTZ_TRACE_ID + 1], span[BTZ_TRACE_SPAN + 1];
    const char *otlp = x->gate->conf->otlp;

    if (!otlp || !otlp[0] || !x->in->request_id ||
        !btz_trace_of_request(btz_str(x->in->request_id), trace, span)) {
        if (x->traced)
            btz_trace_write(x->trace.id, x->trace.parent, x->trace.sampled, out);
        return x->traced;
    }
    btz_trace_write(x->traced ? x->trace.id : trace, span, !x->traced || x->trace.sampled, out);
    return true;
}

enum btz_dialect btz_exchange_dialect(const struct btz_exchange *x)
{
    return x->route ? btz_protocol_dialect(x->route->protocol) : BTZ_DIALECT_OPENAI;
}

enum btz_step btz_exchange_refuse(struct btz_exchange *x, unsigned status, const char *code,
                                  const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(x->reason, sizeof x->reason, fmt, args);
    va_end(args);
    x->verdict = status >= 500 ? "error" : "deny";
    x->code = code;
    x->answer.status = status;
    x->answer.content_type = "application/json";
    btz_buf_clear(&x->answer_body);
    if (btz_problem_write(btz_exchange_dialect(x), status, code, x->reason, x->in->request_id,
                          &x->answer_body) != BTZ_OK)
        btz_buf_clear(&x->answer_body);
    x->answer.body = btz_buf_slice(&x->answer_body);
    return BTZ_STEP_REFUSE;
}

enum btz_step btz_exchange_unavailable(struct btz_exchange *x, const char *code,
                                       const char *to_client)
{
    char detail[sizeof x->reason];
    enum btz_step step;

    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    step = btz_exchange_refuse(x, 503, code, "%s", to_client);
    snprintf(x->reason, sizeof x->reason, "%s", detail);
    return step;
}

enum btz_step btz_exchange_deny(struct btz_exchange *x, unsigned status, const char *code,
                                const char *message)
{
    if (!x->route) /* the words of the caller's protocol, and the name of the route in the entry */
        x->route = btz_route_find(x->gate->conf, x->in->method, x->in->path, &x->arena);
    return btz_exchange_refuse(x, status, code, "%s", message);
}

const struct btz_answer *btz_exchange_answer(const struct btz_exchange *x)
{
    return &x->answer;
}

/* ---- who ------------------------------------------------------------------------------------------------------------ */

/* RFC 6750 section 2.1; the word in any case. */
static struct btz_slice bearer(struct btz_slice authorization)
{
    static const char word[] = "bearer ";

    for (size_t i = 0; i < sizeof word - 1; i++) {
        uint8_t c = i < authorization.len ? authorization.ptr[i] : 0;

        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)word[i])
            return (struct btz_slice){ 0 };
    }
    return btz_slice_trim(btz_slice_sub(authorization, sizeof word - 1, authorization.len));
}

/* A newer snapshot may take the place of this one while a body arrives: what is kept of it is copied. */
static bool take_names(struct btz_exchange *x)
{
    const struct btz_snapshot *s = x->gate->snapshot;
    struct btz_slice groups[BTZ_GROUPS];
    size_t count = btz_snapshot_groups(s, x->principal, groups, BTZ_GROUPS);

    x->generation = btz_snapshot_generation(s);
    x->too_many_groups = count > BTZ_GROUPS;
    x->group_count = count < BTZ_GROUPS ? count : BTZ_GROUPS;
    x->groups = btz_arena_array(&x->arena, x->group_count, sizeof *x->groups);
    for (size_t i = 0; i < x->group_count; i++)
        if (!x->groups || btz_arena_copy(&x->arena, groups[i], &x->groups[i]) != BTZ_OK)
            return false;
    x->id = btz_arena_str(&x->arena, btz_str(btz_snapshot_principal_id(s, x->principal)));
    x->name = btz_arena_str(&x->arena, btz_str(btz_snapshot_principal_name(s, x->principal)));
    if (x->key != BTZ_NOBODY)
        x->key_id = btz_arena_str(&x->arena, btz_str(btz_snapshot_key_id(s, x->key)));
    return x->id && x->name && (x->key == BTZ_NOBODY || x->key_id);
}

/* Indices are of one generation. Who is not in the newest one any more is nobody. */
static void renew(struct btz_exchange *x)
{
    const struct btz_snapshot *s;

    if (!x->id || !btz_gate_refresh(x->gate))
        return;
    s = x->gate->snapshot;
    if (btz_snapshot_generation(s) == x->generation)
        return;
    x->generation = btz_snapshot_generation(s);
    x->principal = btz_snapshot_principal(s, x->id);
    if (!x->key_id)
        return;
    x->key = btz_snapshot_key_named(s, x->key_id);
    if (x->key == BTZ_NOBODY)
        x->principal = BTZ_NOBODY; /* revoked */
}

static enum btz_step no_memory(struct btz_exchange *x)
{
    return btz_exchange_refuse(x, 503, "out_of_memory", "the gateway has no memory left for this");
}

static enum btz_step unknown(struct btz_exchange *x)
{
    return btz_exchange_refuse(x, 401, "invalid_api_key",
                               "no valid key: send one as `Authorization: Bearer btz_...` or "
                               "`x-api-key`");
}

/* Several keys in one request would let each reader take another one. */
static enum btz_step take_key(struct btz_exchange *x, struct btz_slice key)
{
    uint8_t hash[BTZ_SHA256_LEN];

    btz_key_hash(key, x->gate->pepper, hash);
    x->key = btz_snapshot_key(x->gate->snapshot, hash, &x->principal);
    btz_wipe(hash, sizeof hash);
    if (x->key == BTZ_NOBODY) {
        x->principal = BTZ_NOBODY;
        return unknown(x);
    }
    snprintf(x->method, sizeof x->method, "key");
    return take_names(x) ? BTZ_STEP_GO : no_memory(x);
}

static enum btz_step identify(struct btz_exchange *x)
{
    const struct btz_slice given[] = { bearer(x->in->authorization), x->in->x_api_key,
                                       x->in->api_key };
    struct btz_slice one = { 0 };

    for (size_t i = 0; i < BTZ_COUNT(given); i++) {
        struct btz_slice k = btz_slice_trim(given[i]);

        if (k.len == 0)
            continue;
        if (one.len && !btz_slice_equal(one, k))
            return btz_exchange_refuse(x, 401, "invalid_api_key",
                                       "several different keys in one request");
        one = k;
    }
    if (one.len == 0 && x->in->authorization.len > 0)
        return unknown(x);
    if (one.len && btz_is_key(one))
        return take_key(x, one);
    if (one.len > 16 && btz_slice_has_prefix(one, btz_str("ey")) && one.len < 8192)
        return BTZ_STEP_IDENTIFY;
    if (one.len)
        return unknown(x);
    if (x->in->client_cert.len || btz_slice_has(x->in->cookie, "__Host-bartizan="))
        return BTZ_STEP_IDENTIFY;
    return unknown(x);
}

/* ---- may he at all -------------------------------------------------------------------------------------------------- */

void btz_exchange_decide(struct btz_exchange *x, int action, const char *resource,
                         struct btz_slice tool, double cost, struct btz_decision *out)
{
    struct btz_request r;

    renew(x);
    r = (struct btz_request){ .principal = x->principal,
                              .key = x->key,
                              .action = action,
                              .resource = btz_str(resource),
                              .model = btz_str(x->model),
                              .endpoint = btz_str(x->route->name),
                              .tool = tool,
                              .cost = cost,
                              .now_s = x->now_ms / 1000,
                              .address = x->address,
                              .mfa_age_s = x->mfa_age_s,
                              .client_cert = x->in->client_cert.len > 0 };

    btz_decide(x->gate->snapshot, &r, out);
}

static bool may_ever(struct btz_exchange *x)
{
    struct btz_request r = { .principal = x->principal,
                             .key = x->key,
                             .action = btz_action_find(x->route->action),
                             .now_s = x->now_ms / 1000 };

    return btz_may_ever(x->gate->snapshot, &r);
}

const char *btz_exchange_rule(struct btz_exchange *x, const struct btz_decision *d)
{
    return btz_arena_str(&x->arena, btz_str(btz_snapshot_rule_id(x->gate->snapshot, d->rule)));
}

/* Does the body say more about what is asked for than the path does? */
static bool body_decides(const struct btz_exchange *x)
{
    return strstr(x->route->resource, "{model}") || x->route->protocol == BTZ_PROTOCOL_PASS;
}

/* "model/{id}": the path says which. */
static const char *resource_at_head(struct btz_exchange *x)
{
    const char *shape = x->route->resource;

    return strstr(shape, "{model}") ? "model/" : btz_exchange_resource(x);
}

/*
 * What no answer about the model could mend: nobody, disabled, expired; and for the rest what the path alone decides.
 * Where the body decides, a large one is not taken from who may not send any.
 */
static enum btz_step check_standing(struct btz_exchange *x)
{
    const char *resource = resource_at_head(x);
    bool large = x->in->content_length < 0 || x->in->content_length > (int64_t)BTZ_WORK_MIN;
    struct btz_decision d;

    if (!resource)
        return no_memory(x);
    btz_exchange_decide(x, btz_action_find(x->route->action), resource, (struct btz_slice){ 0 },
                        NAN, &d);
    x->decision = d;
    switch (d.why) {
    case BTZ_WHY_NO_PRINCIPAL:
    case BTZ_WHY_KEY_EXPIRED:
        return btz_exchange_refuse(x, 401, "invalid_api_key", "%s", btz_why_text(d.why));
    case BTZ_WHY_DISABLED:
        return btz_exchange_refuse(x, 403, "forbidden", "%s", btz_why_text(d.why));
    case BTZ_WHY_SNAPSHOT:
        return btz_exchange_refuse(x, 503, "policy_unavailable",
                                   "the permissions cannot be read; ask the operator");
    default:
        break;
    }
    if (d.verdict == BTZ_VERDICT_ALLOW || (body_decides(x) && !large) ||
        (body_decides(x) && may_ever(x)))
        return BTZ_STEP_GO;
    x->resource = x->route->resource;
    return btz_exchange_refuse_decision(x, resource);
}

static enum btz_step check_size(struct btz_exchange *x)
{
    if (x->in->content_length > x->gate->conf->body_max)
        return btz_exchange_refuse(x, 413, "request_too_large",
                                   "the body has %" PRId64 " bytes, %" PRId64 " are allowed",
                                   x->in->content_length, x->gate->conf->body_max);
    return BTZ_STEP_GO;
}

static enum btz_step check_upgrade(struct btz_exchange *x)
{
    if (x->in->upgrade && !(x->route->declared && x->route->declared->websocket))
        return btz_exchange_refuse(x, 400, "upgrade_refused",
                                   "this route does not become a WebSocket");
    return BTZ_STEP_GO;
}

static enum btz_step known(struct btz_exchange *x)
{
    enum btz_step step = check_standing(x);

    if (step == BTZ_STEP_GO)
        step = check_upgrade(x);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_check_session(x);
    if (step == BTZ_STEP_GO)
        step = check_size(x);
    if (step == BTZ_STEP_GO && x->gate->conf->audit.mode == BTZ_AUDIT_DURABLE &&
        btz_journal_ready(x->gate->journal) != BTZ_OK)
        step = btz_exchange_refuse(x, 503, "audit_unavailable",
                                   "requests cannot be written down: %s", btz_error_detail());
    return step;
}

enum btz_step btz_exchange_head(struct btz_exchange *x)
{
    enum btz_step step;

    x->route = btz_route_find(x->gate->conf, x->in->method, x->in->path, &x->arena);
    if (!btz_gate_refresh(x->gate))
        return btz_exchange_refuse(x, 503, "policy_unavailable",
                                   "the permissions cannot be read; ask the operator");
    step = identify(x);
    if (step == BTZ_STEP_REFUSE)
        return step;
    if (!x->route)
        return btz_exchange_refuse(x, 404, "unknown_route", "there is no such route");
    return step == BTZ_STEP_GO ? known(x) : step;
}

enum btz_step btz_exchange_identified(struct btz_exchange *x, const char *principal,
                                      const char *method, uint32_t mfa_age_s)
{
    if (!principal || !btz_gate_refresh(x->gate))
        return unknown(x);
    x->principal = btz_snapshot_principal(x->gate->snapshot, principal);
    if (x->principal == BTZ_NOBODY)
        return unknown(x);
    snprintf(x->method, sizeof x->method, "%s", method ? method : "");
    x->mfa_age_s = mfa_age_s;
    return take_names(x) ? known(x) : no_memory(x);
}

/* ---- small things that both halves need ------------------------------------------------------------------------------ */

bool btz_exchange_guards(struct btz_exchange *x)
{
    if (x->gate->conf->guard.enabled)
        return true;
    x->not_evaluated = NOT_EVALUATED_OFF;
    return false;
}

enum btz_err btz_exchange_guarding(struct btz_exchange *x)
{
    if (x->session)
        return BTZ_OK;
    if (x->too_many_groups && btz_guard_asks_groups(x->gate->guard))
        return btz_fail(BTZ_LIMIT, "the guard has rules for groups, of which a caller may be in %d",
                        BTZ_GROUPS);
    BTZ_TRY(btz_guard_session_new(x->gate->guard, &x->session));
    btz_guard_session_groups(x->session, x->groups, x->group_count);
    return BTZ_OK;
}

enum btz_err btz_exchange_text(struct btz_exchange *x, enum btz_channel channel,
                               struct btz_slice text, bool *changed, struct btz_buf *out)
{
    *changed = false;
    BTZ_TRY(btz_exchange_guarding(x));
    BTZ_TRY(btz_guard_text(x->session, channel, text, changed, out));
    return btz_guard_verdict(x->session) == BTZ_GUARD_BLOCK ? BTZ_DENIED : BTZ_OK;
}

enum btz_err btz_exchange_tool(struct btz_exchange *x, struct btz_slice tool, bool offered)
{
    struct btz_decision d;
    char resource[320];

    if (tool.len == 0)
        return offered ? btz_fail(BTZ_DENIED, "a tool without a name") : BTZ_OK;
    if (tool.len > 256)
        return btz_fail(BTZ_DENIED, "the name of a tool has more than 256 bytes");
    if (x->has_request && !offered && x->request.tool_count > 0) {
        bool found = false;

        for (size_t i = 0; i < x->request.tool_count && !found; i++)
            found = btz_slice_equal(x->request.tools[i].name, tool);
        if (!found)
            return btz_fail(BTZ_DENIED, "the model wants a tool called that was not offered");
    }
    if (x->has_request && !offered && x->request.tool_count == 0 && !x->route->mcp &&
        x->gate->conf->guard.enabled) {
        BTZ_TRY(btz_exchange_guarding(x));
        if (!btz_guard_offered_none(x->session))
            return btz_fail(BTZ_DENIED, "the model wants a tool called, and none was offered");
    }
    if ((!offered || x->route->mcp) && x->gate->conf->guard.enabled &&
        x->gate->conf->guard.tools.count > 0) {
        BTZ_TRY(btz_exchange_guarding(x));
        if (!btz_guard_tool(x->session, tool))
            return btz_fail(BTZ_DENIED, "the tool %.*s is not among guard.tools",
                            BTZ_SLICE_ARG(tool));
    }
    if (x->route->mcp)
        snprintf(resource, sizeof resource, "tool/%s/%.*s", x->route->mcp->name,
                 BTZ_SLICE_ARG(tool));
    else
        snprintf(resource, sizeof resource, "tool/%.*s", BTZ_SLICE_ARG(tool));
    btz_exchange_decide(x, x->gate->tool_call, resource, tool, NAN, &d);
    if (d.verdict == BTZ_VERDICT_ALLOW)
        return BTZ_OK;
    x->decision = d;
    x->rule = btz_exchange_rule(x, &d);
    return btz_fail(BTZ_DENIED, "the tool %.80s is not allowed: %s", resource + 5,
                    btz_why_text(d.why));
}

void btz_exchange_free(struct btz_exchange *x)
{
    if (!x)
        return;
    btz_protocol_stream_free(x->stream);
    btz_protocol_stream_free(x->messages);
    btz_guard_stream_free(x->raw);
    btz_guard_session_free(x->session);
    btz_exchange_forms_release(x);
    if (x->has_translated)
        btz_message_release(&x->translated);
    if (x->has_request)
        btz_message_release(&x->request);
    btz_buf_release(&x->out_body);
    btz_buf_release(&x->collected);
    btz_buf_release(&x->finished);
    btz_buf_release(&x->kept);
    btz_buf_release(&x->answer_body);
    btz_arena_release(&x->arena);
    free(x);
}
