/*
 * Limits in Redis or Valkey: the words of one EVALSHA, and what its answer says. No socket here. All keys share the hash tag
 * {btz}: a cluster keeps them in one place, so that a script may touch them together.
 *
 *   {btz}:KIND:IDENTITY:NAME   rates: second -> amount; budgets: window, used, ends; concurrency: request -> end of lease
 *   {btz}:lease:REQUEST        what the request holds: counter -> kind, window, amount
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "gate/limits/table.h"

#define KEPT_S "86400"
#define AMOUNT_MAX                                                                                 \
    UINT64_C(2000000000000000) /* above every limit, and doubles of Lua hold it exactly */
#define WORDS  8
#define EACH   6
#define ID_MAX 256

_Static_assert(BTZ_COUNT(((struct btz_redis_command *)0)->argv) ==
                   WORDS + EACH * BTZ_LEASE_COUNTERS,
               "a command has room for every counter");

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char sha[41];

static void make_sha(void)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (EVP_Digest(btz_redis_script, strlen(btz_redis_script), digest, &len, EVP_sha1(), NULL) ==
            1 &&
        len == 20)
        btz_hex(digest, len, sha);
}

const char *btz_redis_script_sha(void)
{
    pthread_once(&once, make_sha);
    return sha;
}

/* ---- words ---- */

static void add(struct btz_redis_command *c, const char *word, size_t len)
{
    c->argv[c->argc] = word;
    c->argv_len[c->argc++] = len;
}

static void add_text(struct btz_redis_command *c, const char *word)
{
    add(c, word, strlen(word));
}

static enum btz_err add_number(struct btz_redis_command *c, struct btz_arena *arena, uint64_t n)
{
    const char *word = btz_arena_printf(arena, "%" PRIu64, n < AMOUNT_MAX ? n : AMOUNT_MAX);

    if (!word)
        return BTZ_LIMIT;
    add_text(c, word);
    return BTZ_OK;
}

static enum btz_err begin(const char *request_id, size_t keys, struct btz_arena *arena,
                          struct btz_redis_command *c)
{
    const char *lease, *count;

    if (!request_id || !request_id[0] || strlen(request_id) > ID_MAX)
        return btz_fail(BTZ_USAGE, "a request needs an id of 1 to %d bytes", ID_MAX);
    lease = btz_arena_printf(arena, "{btz}:lease:%s", request_id);
    count = btz_arena_printf(arena, "%zu", keys);
    if (!lease || !count)
        return BTZ_LIMIT;
    c->argc = 0;
    add_text(c, "EVALSHA");
    add_text(c, btz_redis_script_sha());
    add_text(c, count);
    add_text(c, lease);
    return BTZ_OK;
}

static enum btz_err go_on(const struct btz_limits *l, const char *op, const char *request_id,
                          struct btz_arena *arena, struct btz_redis_command *c)
{
    const char *id = btz_arena_str(arena, btz_str(request_id));

    if (!id)
        return BTZ_LIMIT;
    add_text(c, op);
    add_text(c, id);
    BTZ_TRY(add_number(c, arena, l->lease_ms));
    add_text(c, KEPT_S);
    return BTZ_OK;
}

static enum btz_err add_key(struct btz_redis_command *c, struct btz_arena *arena,
                            const struct btz_limit_target *t)
{
    char identity[2 * BTZ_LIMIT_IDENTITY + 1];
    struct btz_buf key = BTZ_BUF(1 << 16);
    struct btz_slice kept;
    enum btz_err err;

    btz_hex(t->rule->identity, BTZ_LIMIT_IDENTITY, identity);
    err = btz_buf_printf(&key, "{btz}:%d:%s:", (int)t->rule->kind, identity);
    if (err == BTZ_OK)
        err = btz_buf_add_slice(&key, t->name);
    if (err == BTZ_OK)
        err = btz_arena_copy(arena, btz_buf_slice(&key), &kept);
    btz_buf_release(&key);
    BTZ_TRY(err);
    add(c, (const char *)kept.ptr, kept.len);
    return BTZ_OK;
}

enum btz_err btz_redis_reserve(const struct btz_limits *l, const struct btz_limit_subject *who,
                               uint64_t tokens, uint64_t cost, uint64_t request_bytes,
                               const char *request_id, uint64_t now_ms, struct btz_arena *arena,
                               struct btz_redis_command *out)
{
    struct btz_limit_amounts amounts = { tokens, cost, request_bytes };
    struct btz_limit_target target[BTZ_LEASE_COUNTERS];
    size_t count;

    (void)now_ms; /* the server's clock counts, which is the same for all gateways */
    BTZ_TRY(btz_limit_targets(l, who, &amounts, target, &count));
    BTZ_TRY(begin(request_id, count + 1, arena, out));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(add_key(out, arena, &target[i]));
    BTZ_TRY(go_on(l, "reserve", request_id, arena, out));
    for (size_t i = 0; i < count; i++) {
        BTZ_TRY(add_number(out, arena, target[i].rule->scope));
        BTZ_TRY(add_number(out, arena, target[i].rule->kind));
        BTZ_TRY(add_number(out, arena, target[i].rule->limit));
        BTZ_TRY(add_number(out, arena, target[i].amount));
        BTZ_TRY(add_number(out, arena, target[i].rule->window_ms));
    }
    return BTZ_OK;
}

enum btz_err btz_redis_settle(const struct btz_limits *l, const struct btz_limit_subject *who,
                              const char *request_id, bool release, uint64_t tokens, uint64_t cost,
                              uint64_t now_ms, struct btz_arena *arena,
                              struct btz_redis_command *out)
{
    (void)who; /* the server remembers what was reserved, whatever the configuration says now */
    (void)now_ms;
    BTZ_TRY(begin(request_id, 1, arena, out));
    BTZ_TRY(go_on(l, release ? "release" : "settle", request_id, arena, out));
    BTZ_TRY(add_number(out, arena, tokens));
    return add_number(out, arena, cost);
}

enum btz_err btz_redis_renew(const struct btz_limits *l, const char *request_id,
                             struct btz_arena *arena, struct btz_redis_command *out)
{
    BTZ_TRY(begin(request_id, 1, arena, out));
    return go_on(l, "renew", request_id, arena, out);
}

void btz_redis_load(struct btz_redis_command *out)
{
    out->argc = 0;
    add_text(out, "SCRIPT");
    add_text(out, "LOAD");
    add_text(out, btz_redis_script);
}

/* ---- answers ---- */

static bool next_number(struct btz_slice *rest, uint64_t max, uint64_t *out)
{
    size_t space = btz_slice_find(*rest, btz_str(" "), 0);

    if (space == SIZE_MAX || btz_parse_u64(btz_slice_sub(*rest, 0, space), out) != BTZ_OK ||
        *out > max)
        return false;
    *rest = btz_slice_sub(*rest, space + 1, SIZE_MAX);
    return true;
}

enum btz_err btz_redis_answer(const struct btz_limits *l, struct btz_slice answer,
                              struct btz_refusal *why)
{
    uint64_t scope, kind, limit, used, retry;
    struct btz_slice rest = answer;
    struct btz_limit_rule rule = { 0 };

    (void)l;
    if (btz_slice_is(answer, "OK"))
        return BTZ_OK;
    if (btz_slice_is(answer, "TWICE"))
        return btz_fail(BTZ_CONFLICT, "a request of this id is being served already");
    if (btz_slice_has_prefix(answer, btz_str("LIMIT "))) {
        rest = btz_slice_sub(answer, 6, SIZE_MAX);
        if (next_number(&rest, BTZ_LIMIT_EVERYTHING, &scope) &&
            next_number(&rest, BTZ_LIMIT_REQUEST_BYTES, &kind) &&
            next_number(&rest, UINT64_MAX / 2, &limit) &&
            next_number(&rest, UINT64_MAX / 2, &used) && next_number(&rest, UINT32_MAX, &retry)) {
            rule.scope = (enum btz_limit_scope)scope;
            rule.kind = (enum btz_limit_kind)kind;
            rule.limit = limit;
            return btz_limit_refuse(&rule, rest, used, (uint32_t)retry, why);
        }
    }
    return btz_fail(BTZ_INPUT, "the server of shared limits gave an answer that is none: %.*s",
                    (int)(answer.len < 80 ? answer.len : 80), (const char *)answer.ptr);
}
