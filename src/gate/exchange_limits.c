/* Reserving before, and in durable mode the entry before, a request goes on. */
#include "gate/exchange.h"

#define DURABLE_WAIT_MS 2000

/* Of models with a star all names count together, or each new name would begin anew. */
struct btz_limit_subject btz_exchange_subject(const struct btz_exchange *x)
{
    return (struct btz_limit_subject){ .principal = btz_str(x->name),
                                       .key = btz_str(x->key_id),
                                       .model =
                                           btz_str(x->model_conf ? x->model_conf->name : x->model),
                                       .groups = x->groups,
                                       .group_count = x->group_count };
}

static uint64_t millionths(double cost)
{
    if (!(cost > 0))
        return 0;
    return cost >= 1e12 ? (uint64_t)1e18 : (uint64_t)(cost * 1e6 + 0.999999);
}

static enum btz_step refuse_limit(struct btz_exchange *x, const struct btz_refusal *why)
{
    static const char *const codes[] = {
        [BTZ_LIMIT_REQUESTS_PER_MINUTE] = "rate_limited",
        [BTZ_LIMIT_TOKENS_PER_MINUTE] = "rate_limited",
        [BTZ_LIMIT_CONCURRENCY] = "rate_limited",
        [BTZ_LIMIT_BUDGET] = "budget_exceeded",
        [BTZ_LIMIT_REQUEST_BYTES] = "request_too_large",
        [BTZ_LIMIT_RESPONSE_BYTES] = "response_too_large",
    };
    static const char *const words[] = {
        [BTZ_LIMIT_REQUESTS_PER_MINUTE] = "requests a minute",
        [BTZ_LIMIT_TOKENS_PER_MINUTE] = "tokens a minute",
        [BTZ_LIMIT_CONCURRENCY] = "requests at a time",
        [BTZ_LIMIT_BUDGET] = "millionths of the budget",
        [BTZ_LIMIT_REQUEST_BYTES] = "bytes of a request",
        [BTZ_LIMIT_RESPONSE_BYTES] = "bytes of an answer",
    };
    bool large = why->kind == BTZ_LIMIT_REQUEST_BYTES;

    btz_exchange_refuse(x, large ? 413 : 429, codes[why->kind],
                        "the limit of %" PRIu64 " %s for %s is reached", why->limit,
                        words[why->kind], why->name[0] ? why->name : "everything");
    x->answer.retry_after_s = large ? 0 : why->retry_after_s;
    return BTZ_STEP_REFUSE;
}

enum btz_step btz_exchange_reserve(struct btz_exchange *x)
{
    struct btz_limit_subject who = btz_exchange_subject(x);
    struct btz_refusal why = { 0 };
    struct btz_lease lease;
    enum btz_err err;

    if (x->gate->conf->limits.count == 0)
        return BTZ_STEP_GO;
    if (x->too_many_groups)
        return btz_exchange_refuse(x, 403, "forbidden",
                                   "limits are counted for at most %zu groups of one caller",
                                   (size_t)BTZ_GROUPS);
    if (x->gate->conf->shared_limits[0]) {
        x->shared = true;
        x->redis = btz_arena_alloc(&x->arena, sizeof *x->redis);
        if (!x->redis)
            return btz_exchange_refuse(x, 503, "limits_unavailable", "%s", btz_error_detail());
        err = btz_redis_reserve(x->gate->limits, &who, x->token_bound, millionths(x->cost_bound),
                                x->body.len, x->in->request_id, x->now_ms, &x->arena, x->redis);
        if (err != BTZ_OK)
            return btz_exchange_refuse(x, 503, "limits_unavailable", "%s", btz_error_detail());
        x->asked = true;
        return BTZ_STEP_LIMITS;
    }
    err = btz_limits_reserve(x->gate->limits, &who, x->token_bound, millionths(x->cost_bound),
                             x->body.len, x->now_ms, &lease, &why);
    if (err == BTZ_LIMIT)
        return refuse_limit(x, &why);
    if (err != BTZ_OK)
        return btz_exchange_refuse(x, 503, "limits_unavailable", "%s", btz_error_detail());
    x->lease = btz_arena_alloc(&x->arena, BTZ_LEASE_SIZE(lease.count));
    if (!x->lease) {
        btz_limits_release(x->gate->limits, &lease, x->now_ms);
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    }
    memcpy(x->lease, &lease, BTZ_LEASE_SIZE(lease.count));
    x->reserved = true;
    return BTZ_STEP_GO;
}

const struct btz_redis_command *btz_exchange_redis(struct btz_exchange *x)
{
    return x->redis;
}

enum btz_step btz_exchange_limited(struct btz_exchange *x, bool reached, struct btz_slice answer)
{
    struct btz_refusal why = { 0 };
    enum btz_err err;

    if (!reached)
        return btz_exchange_refuse(x, 503, "limits_unavailable",
                                   "the shared limits cannot be reached");
    err = btz_redis_answer(x->gate->limits, answer, &why);
    x->asked = err == BTZ_INPUT;
    if (err == BTZ_LIMIT)
        return refuse_limit(x, &why);
    if (err != BTZ_OK)
        return btz_exchange_refuse(x, 503, "limits_unavailable", "%s", btz_error_detail());
    x->reserved = true;
    return btz_exchange_begin_record(x);
}

const struct btz_redis_command *btz_exchange_renew(struct btz_exchange *x)
{
    if (!x->shared || !x->reserved ||
        btz_redis_renew(x->gate->limits, x->in->request_id, &x->arena, x->redis) != BTZ_OK)
        return NULL;
    return x->redis;
}

/* What it cost takes the place of what it might have cost; nothing reached an upstream: it is given back. */
void btz_exchange_settle(struct btz_exchange *x, bool release, uint64_t tokens, double cost,
                         const struct btz_redis_command **redis)
{
    struct btz_limit_subject who = btz_exchange_subject(x);
    uint64_t now_ms = btz_gate_now_ms(x->gate);

    /* What was asked for in vain is given back too: the answer may have come late, or not at all. */
    if (!x->reserved && !x->asked)
        return;
    x->reserved = x->asked = false;
    if (!x->shared) {
        if (release)
            btz_limits_release(x->gate->limits, x->lease, now_ms);
        else
            btz_limits_settle(x->gate->limits, x->lease, tokens, millionths(cost), now_ms);
        return;
    }
    if (redis && btz_redis_settle(x->gate->limits, &who, x->in->request_id, release, tokens,
                                  millionths(cost), now_ms, &x->arena, x->redis) == BTZ_OK)
        *redis = x->redis;
}

/* ---- the entry before --------------------------------------------------------------------------------------------------- */

enum btz_step btz_exchange_begin_record(struct btz_exchange *x)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_end_facts facts = { .request_bytes = x->body.len };
    struct btz_call_record r;

    if (x->gate->conf->audit.mode != BTZ_AUDIT_DURABLE)
        return BTZ_STEP_GO;
    btz_exchange_record(x, "begin", &facts, &r);
    r.request_body = (struct btz_slice){ 0 }; /* bodies stand in the entry of the end */
    if (btz_record_write(&r, &text) != BTZ_OK ||
        btz_journal_add(x->gate->journal, btz_buf_slice(&text), &x->sequence) != BTZ_OK)
        return btz_exchange_refuse(x, 503, "audit_unavailable",
                                   "the request cannot be written down: %s", btz_error_detail());
    x->begun = true;
    x->wait_from_ms = btz_clock_ns() / 1000000;
    return btz_exchange_durable(x);
}

enum btz_step btz_exchange_durable(struct btz_exchange *x)
{
    enum btz_err err = btz_journal_durable(x->gate->journal, x->sequence);

    if (err == BTZ_OK)
        return BTZ_STEP_GO;
    if (err == BTZ_CONFLICT && btz_clock_ns() / 1000000 - x->wait_from_ms < DURABLE_WAIT_MS)
        return BTZ_STEP_WAIT;
    return btz_exchange_refuse(x, 503, "audit_unavailable",
                               "the request cannot be written down: %s",
                               err == BTZ_CONFLICT ? "the ledger is too slow" : btz_error_detail());
}
