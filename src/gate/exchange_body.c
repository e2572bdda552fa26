/* The body: read, guarded, permitted. */
#include "gate/exchange.h"

#include <math.h>

enum btz_step btz_exchange_refuse_decision(struct btz_exchange *x, const char *what)
{
    const struct btz_decision *d = &x->decision;

    x->rule = btz_exchange_rule(x, d);
    if (d->verdict == BTZ_VERDICT_STEP_UP)
        return btz_exchange_refuse(x, 403, "step_up_required",
                                   "%s needs a second factor shown within %" PRIu32 " s", what,
                                   d->mfa_within_s);
    return btz_exchange_refuse(x, 403, "forbidden", "%s: %s", what, btz_why_text(d->why));
}

/* "model/{model}" and "model/{id}" */
const char *btz_exchange_resource(struct btz_exchange *x)
{
    const char *shape = x->route->resource, *brace = strchr(shape, '{');

    if (!brace)
        return shape;
    if (strcmp(brace, "{id}") == 0) {
        size_t from = x->in->path.len;

        while (from > 0 && x->in->path.ptr[from - 1] != '/')
            from--;
        return btz_arena_printf(&x->arena, "%.*s%.*s", (int)(brace - shape), shape,
                                BTZ_SLICE_ARG(btz_slice_sub(x->in->path, from, x->in->path.len)));
    }
    return btz_arena_printf(&x->arena, "%.*s%s", (int)(brace - shape), shape, x->model);
}

/* ---- permission ------------------------------------------------------------------------------------------------------ */

static void bound_cost(struct btz_exchange *x)
{
    const struct btz_model_conf *m = x->model_conf;
    uint64_t in = x->tokens_in;
    uint64_t choices = x->request.choices ? x->request.choices : 1;
    uint64_t out = x->request.max_tokens ? x->request.max_tokens
                                         : (m ? (uint64_t)m->max_tokens : 4096) * choices;

    if (strcmp(x->route->action, "model.invoke") != 0)
        in = out = 0;
    else if (x->route->protocol == BTZ_PROTOCOL_EMBEDDINGS ||
             x->route->protocol == BTZ_PROTOCOL_COUNT_TOKENS ||
             x->route->protocol == BTZ_PROTOCOL_OLLAMA_EMBED ||
             x->route->protocol == BTZ_PROTOCOL_MODERATIONS)
        out = 0;
    if (out > UINT64_MAX / 4)
        out = UINT64_MAX / 4;
    x->input_bound = in;
    x->token_bound = in + out;
    x->cost_bound = m ? ((double)in * m->input_price + (double)out * m->output_price) / 1e6 : 0;
}

/*
 * What a batch asks for runs later, without us: it may name any model and cost anything. So it is for those who may use all
 * models, and for nobody where tokens or money are limited.
 */
static enum btz_step permit_batch(struct btz_exchange *x)
{
    const struct btz_limit_conf *limits = x->gate->conf->limits.items;

    if (strcmp(x->route->name, "batch-create") != 0)
        return BTZ_STEP_GO;
    for (size_t i = 0; i < x->gate->conf->limits.count; i++)
        if (limits[i].tokens_per_minute >= 0 || limits[i].budget >= 0)
            return btz_exchange_refuse(x, 403, "forbidden",
                                       "batches cannot be counted against limits of tokens or "
                                       "money, so there are none here");
    btz_exchange_decide(x, x->gate->invoke, "model/*", (struct btz_slice){ 0 }, NAN, &x->decision);
    return x->decision.verdict == BTZ_VERDICT_ALLOW
               ? BTZ_STEP_GO
               : btz_exchange_refuse_decision(x, "a batch of any model");
}

static enum btz_step permit(struct btz_exchange *x)
{
    enum btz_step step = permit_batch(x);

    if (step != BTZ_STEP_GO)
        return step;
    bound_cost(x);
    x->resource = btz_exchange_resource(x);
    if (!x->resource)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    btz_exchange_decide(x, btz_action_find(x->route->action), x->resource, (struct btz_slice){ 0 },
                        x->model_conf ? x->cost_bound : NAN, &x->decision);
    if (x->decision.verdict != BTZ_VERDICT_ALLOW)
        return btz_exchange_refuse_decision(x, x->resource);
    x->rule = btz_exchange_rule(x, &x->decision);
    for (size_t i = 0; i < x->request.tool_count; i++)
        if (btz_exchange_tool(x, x->request.tools[i].name, true) != BTZ_OK)
            return btz_exchange_refuse(x, 403, "tool_forbidden", "%s", btz_error_detail());
    if (json_object_get(x->request.root, "web_search_options") &&
        btz_exchange_tool(x, btz_str("web_search"), true) != BTZ_OK)
        return btz_exchange_refuse(x, 403, "tool_forbidden", "%s", btz_error_detail());
    for (size_t i = 0; x->route->mcp && i < x->request.call_count; i++) {
        if (btz_exchange_tool(x, x->request.calls[i].name, true) != BTZ_OK)
            return btz_exchange_refuse(x, 403, "tool_forbidden", "%s", btz_error_detail());
        if (!btz_exchange_may_call(x, x->request.calls[i].name))
            return btz_exchange_refuse(x, 403, "tool_not_pinned", "the tool is not pinned");
    }
    return BTZ_STEP_GO;
}

/* ---- the guard ------------------------------------------------------------------------------------------------------- */

static enum btz_step blocked(struct btz_exchange *x)
{
    size_t count = 0;
    const struct btz_guard_record *records = btz_guard_records(x->session, &count);
    const char *by = "guard";

    for (size_t i = 0; i < count; i++)
        if (records[i].hit.action >= BTZ_GUARD_STEP_UP)
            by = records[i].hit.detector->id;
    return btz_exchange_refuse(x, 403, "guard_blocked", "the request was blocked by the guard (%s)",
                               by);
}

static enum btz_step unread(struct btz_exchange *x)
{
    x->not_evaluated = "the guard could not read the request";
    return btz_exchange_refuse(x, 413, "guard_not_evaluated", "%s: %s", x->not_evaluated,
                               btz_error_detail());
}

static enum btz_step guard_part(struct btz_exchange *x, struct btz_part *part)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_EXCHANGE_CAP);
    bool changed;
    enum btz_err err = btz_exchange_text(x, part->channel, part->text, &changed, &out);

    if (err == BTZ_DENIED) {
        x->scanned_in += part->text.len;
        return blocked(x);
    }
    if (err != BTZ_OK) {
        x->skipped_in += part->text.len;
        return unread(x);
    }
    x->scanned_in += part->text.len;
    if (!changed)
        return BTZ_STEP_GO;
    /* What cannot be written back must not go on as it was. */
    if (!part->holder || btz_part_replace(&x->request, part, btz_buf_slice(&out)) != BTZ_OK)
        return blocked(x);
    x->changed_in = true;
    return BTZ_STEP_GO;
}

/* What the address says beside the route: nothing in it can be changed, so what would be is blocked. */
static enum btz_step guard_address(struct btz_exchange *x)
{
    struct btz_part part = { .channel = BTZ_CHANNEL_RAW };

    if (x->in->query.len == 0 && !x->route->declared)
        return BTZ_STEP_GO;
    part.text = btz_str(btz_arena_printf(&x->arena, "%.*s?%.*s", BTZ_SLICE_ARG(x->in->path),
                                         BTZ_SLICE_ARG(x->in->query)));
    return part.text.len ? guard_part(x, &part)
                         : btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
}

static enum btz_step guard_request(struct btz_exchange *x)
{
    enum btz_step address;

    if (!btz_exchange_guards(x)) {
        for (size_t i = 0; i < x->request.part_count; i++)
            x->skipped_in += x->request.parts[i].text.len;
        return BTZ_STEP_GO;
    }
    for (size_t i = 0; i < x->request.part_count; i++) {
        enum btz_step step = guard_part(x, &x->request.parts[i]);

        if (step != BTZ_STEP_GO)
            return step;
    }
    address = guard_address(x);
    if (address != BTZ_STEP_GO)
        return address;
    if (x->request.images || x->request.files)
        x->not_evaluated = "parts that are no text";
    if (x->session && btz_guard_verdict(x->session) == BTZ_GUARD_STEP_UP &&
        x->mfa_age_s > BTZ_FRESH_S)
        return btz_exchange_refuse(x, 403, "step_up_required",
                                   "the guard asks for a second factor shown within %d s",
                                   BTZ_FRESH_S);
    return BTZ_STEP_GO;
}

/* The guard sends it to another model: then that one has to be allowed. */
static enum btz_step reroute(struct btz_exchange *x)
{
    const char *route = x->session ? btz_guard_route(x->session) : NULL;

    if (!route || !x->request.model.len)
        return BTZ_STEP_GO;
    x->model = route;
    x->model_conf = btz_gate_model(x->gate->conf, btz_str(route));
    return permit(x);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static bool needs_model(const struct btz_exchange *x)
{
    return strcmp(x->route->action, "model.invoke") == 0;
}

static enum btz_step read_body(struct btz_exchange *x)
{
    enum btz_err err;

    btz_sha256(x->body, x->request_digest);
    if (x->body.len == 0 && !needs_model(x))
        return BTZ_STEP_GO;
    err =
        btz_request_read(x->route->protocol, x->in->content_type, x->body, &x->arena, &x->request);
    if (err == BTZ_LIMIT)
        return btz_exchange_refuse(x, 413, "request_too_large", "%s", btz_error_detail());
    if (err != BTZ_OK)
        return btz_exchange_refuse(x, 400, "invalid_request", "%s", btz_error_detail());
    x->has_request = true;
    x->tokens_in = btz_message_tokens(&x->request);
    if (needs_model(x) && x->request.model.len == 0)
        return btz_exchange_refuse(x, 400, "invalid_request", "`model` is missing");
    if (x->request.model.len > 256)
        return btz_exchange_refuse(x, 400, "invalid_request", "`model` has more than 256 bytes");
    /* Names outlive masks that are written over them. */
    for (size_t i = 0; i < x->request.tool_count; i++)
        if (btz_arena_copy(&x->arena, x->request.tools[i].name, &x->request.tools[i].name) !=
            BTZ_OK)
            return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    for (size_t i = 0; i < x->request.call_count; i++)
        if (btz_arena_copy(&x->arena, x->request.calls[i].name, &x->request.calls[i].name) !=
            BTZ_OK)
            return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    if (x->request.model.len) {
        x->model = btz_arena_str(&x->arena, x->request.model);
        if (!x->model)
            return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
        x->model_conf = btz_gate_model(x->gate->conf, x->request.model);
    }
    return BTZ_STEP_GO;
}

/* Touches nothing that other exchanges touch: see gate.h. */
void btz_exchange_work(struct btz_exchange *x)
{
    if (x->responded) {
        btz_exchange_work_answer(x);
        return;
    }
    if (!x->was_read) {
        x->work = read_body(x);
        x->was_read = x->work == BTZ_STEP_GO;
        return;
    }
    x->work = guard_request(x);
    x->guarded = true;
}

/* It may be asked, and the guard has read it. */
static enum btz_step send_on(struct btz_exchange *x)
{
    enum btz_step step = reroute(x);

    if (step == BTZ_STEP_GO && x->route->protocol == BTZ_PROTOCOL_MODELS &&
        x->gate->conf->models.count > 0)
        return btz_exchange_models(x);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_target(x);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_owns(x);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_reserve(x);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_begin_record(x);
    return step;
}

/* Who may not ask at all is told so before the guard spends time on what he says, and after it too: that may have taken
 * long enough for a permission to be taken away. */
enum btz_step btz_exchange_worked(struct btz_exchange *x)
{
    enum btz_step step;

    x->now_ms = btz_gate_now_ms(x->gate); /* a body may take its time */
    if (!x->was_read)
        return x->work;
    step = permit(x);
    if (step != BTZ_STEP_GO)
        return step;
    if (!x->guarded)
        return BTZ_STEP_WORK;
    return x->work == BTZ_STEP_GO ? send_on(x) : x->work;
}

enum btz_step btz_exchange_body(struct btz_exchange *x, struct btz_slice body)
{
    if ((int64_t)body.len > x->gate->conf->body_max)
        return btz_exchange_refuse(x, 413, "request_too_large",
                                   "the body has %zu bytes, %" PRId64 " are allowed", body.len,
                                   x->gate->conf->body_max);
    x->body = body;
    if (body.len > BTZ_WORK_MIN)
        return BTZ_STEP_WORK;
    x->now_ms = btz_gate_now_ms(x->gate);
    btz_exchange_work(x);
    if (x->work == BTZ_STEP_GO)
        x->work = permit(x);
    if (x->work == BTZ_STEP_GO)
        btz_exchange_work(x);
    return x->work == BTZ_STEP_GO ? send_on(x) : x->work;
}
