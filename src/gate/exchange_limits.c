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

/* How much of it: money as people write it. */
static const char *amount(enum btz_limit_kind kind, uint64_t n, char out[48])
{
    size_t len;

    if (kind != BTZ_LIMIT_BUDGET) {
        snprintf(out, 48, "%" PRIu64, n);
        return out;
    }
    len = (size_t)snprintf(out, 48, "%" PRIu64 ".%06" PRIu64, n / 1000000, n % 1000000);
    while (out[len - 1] == '0')
        out[--len] = '\0';
    if (out[len - 1] == '.')
        out[len - 1] = '\0';
    return out;
}

static const char *whose(const struct btz_refusal *why, char out[160])
{
    static const char *const words[] = { [BTZ_LIMIT_PRINCIPAL] = "",
                                         [BTZ_LIMIT_GROUP] = "the group ",
                                         [BTZ_LIMIT_KEY] = "the key ",
                                         [BTZ_LIMIT_MODEL] = "the model " };

    if (why->scope == BTZ_LIMIT_EVERYTHING)
        return "everybody together";
    snprintf(out, 160, "%s%s", words[why->scope], why->name);
    return out;
}

static enum btz_step refuse_limit(struct btz_exchange *x, const struct btz_refusal *why)
{
    static const struct {
        const char *code, *of;
    } kinds[] = {
        [BTZ_LIMIT_REQUESTS_PER_MINUTE] = { "rate_limited", "requests a minute" },
        [BTZ_LIMIT_TOKENS_PER_MINUTE] = { "rate_limited", "tokens a minute" },
        [BTZ_LIMIT_CONCURRENCY] = { "rate_limited", "requests at a time" },
        [BTZ_LIMIT_BUDGET] = { "budget_exceeded", "of the budget" },
        [BTZ_LIMIT_REQUEST_BYTES] = { "request_too_large", "bytes of a request" },
        [BTZ_LIMIT_RESPONSE_BYTES] = { "response_too_large", "bytes of an answer" },
    };
    enum btz_limit_kind kind = why->kind;
    bool large = kind == BTZ_LIMIT_REQUEST_BYTES;
    bool tokens = kind == BTZ_LIMIT_TOKENS_PER_MINUTE || kind == BTZ_LIMIT_BUDGET;
    uint64_t asked = kind == BTZ_LIMIT_BUDGET ? millionths(x->cost_bound) : x->token_bound;
    char limit[48], may[48], name[160];

    /* Waiting does not help: it is larger than all that there is. */
    if (tokens && why->retry_after_s == 0 && why->limit > 0 && asked > why->limit)
        btz_exchange_refuse(x, 429, kinds[kind].code,
                            "this request may take up to %s %s, and the limit for %s is %s: "
                            "lower its maximum of tokens",
                            amount(kind, asked, may), kinds[kind].of, whose(why, name),
                            amount(kind, why->limit, limit));
    else
        btz_exchange_refuse(x, large ? 413 : 429, kinds[kind].code,
                            kind == BTZ_LIMIT_BUDGET ? "the budget of %s%s for %s is reached"
                                                     : "the limit of %s %s for %s is reached",
                            amount(kind, why->limit, limit),
                            kind == BTZ_LIMIT_BUDGET ? "" : kinds[kind].of, whose(why, name));
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
        return btz_exchange_unavailable(x, "limits_unavailable",
                                        "the limits cannot be counted now");
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
