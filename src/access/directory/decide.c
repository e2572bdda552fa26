#include <math.h>

#include "access/directory/directory.h"

/* "What may I do, and why?", of oneself or, with decision.ask, of others. Every answer is in the trail; those beyond so
 * many a minute of one principal are counted there together. */

struct question {
    struct btz_request request;
    struct btz_principal who;
    const char *action, *resource;
};

static enum btz_err find_action(const char *name, int *out)
{
    const char *names[256], *near;

    *out = btz_action_find(name);
    if (*out >= 0)
        return BTZ_OK;
    for (size_t i = 0; i < btz_action_count; i++)
        names[i] = btz_actions[i].name;
    near = strlen(name) <= 63 ? btz_nearest(name, names, btz_action_count) : NULL;
    if (near)
        return btz_fail(BTZ_USAGE, "`action`: there is no %.80s; did you mean %s?", name, near);
    return btz_fail(BTZ_USAGE,
                    "`action`: there is no %.80s; `bartizan access action list` names "
                    "them all",
                    name);
}

static enum btz_err find_who(struct btz_call *c, struct question *q)
{
    const char *name = btz_call_text(c, "principal");
    bool may;

    if (!name && c->caller->kind == BTZ_CALLER_LOCAL)
        return btz_fail(BTZ_USAGE, "decide: `principal` is needed on the command line");
    if (!name)
        name = c->caller->principal;
    /* Before anybody is told whether there is such a one. */
    if (strcmp(name, c->caller->principal) != 0) {
        BTZ_TRY(btz_call_may(c, "decision.ask", "decision/*", &may));
        if (!may)
            return btz_call_refuse(c, "decisions of others need decision.ask");
    }
    return btz_principal_find(c, name, &q->who);
}

static enum btz_err context(struct btz_call *c, struct question *q)
{
    const char *address = btz_call_text(c, "address");
    const json_t *cost = json_object_get(c->in, "cost");
    uint64_t age = btz_call_ms(c, "second_factor_age", UINT64_MAX);
    struct btz_request *r = &q->request;
    bool own = strcmp(q->who.id, c->caller->principal) == 0;

    r->resource = btz_str(q->resource);
    r->model = btz_str(btz_call_text(c, "model"));
    r->endpoint = btz_str(btz_call_text(c, "endpoint"));
    r->tool = btz_str(btz_call_text(c, "tool"));
    if (cost && !json_is_number(cost))
        return btz_fail(BTZ_USAGE, "`cost`: expected a number");
    r->cost = cost ? json_number_value(cost) : NAN;
    r->address = own ? c->caller->address : (struct btz_address){ .known = false };
    if (address)
        BTZ_TRY(btz_address_parse(address, &r->address));
    r->now_s = btz_call_ms(c, "at", c->now_ms) / 1000;
    r->client_cert = btz_call_bool(c, "client_cert", own && c->caller->client_cert);
    r->mfa_age_s = age == UINT64_MAX          ? UINT32_MAX
                   : age / 1000 >= UINT32_MAX ? UINT32_MAX - 1
                                              : (uint32_t)(age / 1000);
    return BTZ_OK;
}

static enum btz_err ask(struct btz_call *c, struct question *q, struct btz_decision *d)
{
    struct btz_snapshot *s;

    q->action = btz_call_text(c, "action");
    q->resource = btz_call_text(c, "resource");
    BTZ_TRY(find_action(q->action, &q->request.action));
    BTZ_TRY(find_who(c, q));
    BTZ_TRY(context(c, q));
    BTZ_TRY(btz_lane_snapshot(c->access, c->state->lane));
    s = c->state->lane->snapshot;
    q->request.principal = btz_snapshot_principal(s, q->who.id);
    q->request.key = BTZ_NOBODY;
    if (c->caller->kind == BTZ_CALLER_KEY && strcmp(q->who.id, c->caller->principal) == 0) {
        uint32_t owner;

        q->request.key = btz_snapshot_key(s, c->caller->key_hash, &owner);
    }
    btz_decide(s, &q->request, d);
    c->note.action = q->action;
    c->note.resource = q->resource;
    c->note.verdict = d->verdict == BTZ_VERDICT_ALLOW ? "allow" : "deny";
    c->note.rule = btz_arena_str(c->arena, btz_str(btz_snapshot_rule_id(s, d->rule)));
    c->note.reason =
        btz_arena_printf(c->arena, "asked about %s: %s", q->who.name, btz_why_text(d->why));
    return c->note.rule && c->note.reason ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err decide(struct btz_call *c)
{
    struct question q = { .action = NULL };
    struct btz_decision d;

    BTZ_TRY(ask(c, &q, &d));
    c->out = json_object();
    if (!c->out)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(btz_json_set_text(c->out, "principal", q.who.id));
    BTZ_TRY(btz_json_set_text(c->out, "name", q.who.name));
    BTZ_TRY(btz_json_set_text(c->out, "action", q.action));
    BTZ_TRY(btz_json_set_text(c->out, "resource", q.resource));
    BTZ_TRY(btz_json_set_text(c->out, "verdict", btz_verdict_name(d.verdict)));
    BTZ_TRY(btz_json_set_text(c->out, "why", btz_why_text(d.why)));
    BTZ_TRY(btz_json_set_text(c->out, "rule", c->note.rule[0] ? c->note.rule : NULL));
    return btz_json_set(c->out, "second_factor_within_s",
                        d.verdict == BTZ_VERDICT_STEP_UP ? json_integer(d.mfa_within_s)
                                                         : json_null());
}

static enum btz_err explain_by_model(struct btz_call *c, const struct question *q)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4u << 20);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model model;

    btz_arena_init(&arena, MODEL_MAX);
    BTZ_TRY(btz_store_begin_read(c->store));
    BTZ_TRY(btz_access_model(c->access, c->store, &arena, &model));
    btz_store_rollback(c->store);
    BTZ_TRY(btz_explain(&model, c->state->lane->snapshot, &q->request, &text));
    return btz_json_parse(btz_buf_slice(&text), 4u << 20, "explanation", &c->out);
}

/* The whole model is read: others write meanwhile. */
static enum btz_err explain_prepare(struct btz_call *c)
{
    struct question q = { .action = NULL };
    struct btz_decision d;
    enum btz_err err;

    BTZ_TRY(ask(c, &q, &d));
    BTZ_TRY(btz_heavy_begin(c));
    err = explain_by_model(c, &q);
    btz_heavy_end(c->access);
    return err;
}

static enum btz_err explain(struct btz_call *c)
{
    (void)c;
    return BTZ_OK;
}

static const struct btz_field fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .operand = true,
      .help = "Who: name or id; oneself when not given.",
      .names = BTZ_NAMES_PRINCIPAL },
    { .name = "action",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Such as model.invoke." },
    { .name = "resource",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Such as model/gpt-4o.",
      .max = 512 },
    { .name = "model", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .help = "Model asked for." },
    { .name = "endpoint",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Endpoint asked for." },
    { .name = "tool", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .help = "Tool called." },
    { .name = "cost",
      .kind = BTZ_FIELD_OBJECT,
      .place = BTZ_IN_BODY,
      .help = "Cost of the request, a number.",
      .max = 64 },
    { .name = "address",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Where the request comes from.",
      .max = 64 },
    { .name = "second_factor_age",
      .kind = BTZ_FIELD_DURATION,
      .place = BTZ_IN_BODY,
      .help = "How long ago a second factor was shown; never when not given." },
    { .name = "client_cert",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_BODY,
      .help = "With a client certificate." },
    { .name = "at",
      .kind = BTZ_FIELD_TIME,
      .place = BTZ_IN_BODY,
      .help = "When; now if not given." },
};

const struct btz_operation btz_operation_decide = {
    .id = "decide",
    .method = "POST",
    .path = "/v1/decide",
    .command = "decide",
    .summary = "Ask for a decision.",
    .tag = "decisions",
    .needs = BTZ_NEEDS_CALLER,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "decision",
    .event = "decision",
    .run = decide,
};
const struct btz_operation btz_operation_explain = {
    .id = "explain",
    .method = "POST",
    .path = "/v1/explain",
    .command = "explain",
    .summary =
        "Ask for a decision and what it came from: rule, role, binding, and what was missing.",
    .tag = "decisions",
    .needs = BTZ_NEEDS_CALLER,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "explanation",
    .event = "decision",
    .prepare = explain_prepare,
    .run = explain,
};
