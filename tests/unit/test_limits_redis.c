/* The script in a real server: step by step against the table of a file, and exact when several processes ask at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "limits_place.h"
#include "redis_server.h"

#define START 1800000000000ULL /* 2027-01-15 08:00 UTC */
#define TIME  "redis.call('TIME')"

/* The same script with a clock that tests can set. */
static const char *test_script(struct btz_arena *arena)
{
    const char *at = strstr(btz_redis_script, TIME), *text;

    assert_non_null(at);
    text = btz_arena_printf(arena, "%.*sredis.call('HMGET', '{btz}:clock', 's', 'us')%s",
                            (int)(at - btz_redis_script), btz_redis_script, at + strlen(TIME));
    assert_non_null(text);
    return text;
}

static void set_clock(struct redis_client *c, uint64_t ms)
{
    char words[128];

    snprintf(words, sizeof words, "HSET {btz}:clock s %" PRIu64 " us %" PRIu64, ms / 1000,
             ms % 1000 * 1000);
    assert_true(redis_say(c, words));
}

/* `script` NULL: the real one by its digest. */
static enum btz_err call(struct redis_client *c, const struct btz_limits *l,
                         struct btz_redis_command *k, const char *script, struct btz_refusal *why)
{
    if (script) {
        k->argv[0] = "EVAL";
        k->argv_len[0] = 4;
        k->argv[1] = script;
        k->argv_len[1] = strlen(script);
    }
    if (!redis_call(c, k))
        return btz_fail(BTZ_UNREACHABLE, "no answer");
    if (c->type != '$')
        return btz_fail(BTZ_IO, "%s", c->text);
    return btz_redis_answer(l, btz_slice_of(c->text, c->len), why);
}

static enum btz_err reserve(struct redis_client *c, const struct btz_limits *l, const char *name,
                            const char *id, uint64_t tokens, uint64_t cost, const char *script,
                            struct btz_refusal *why)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_limit_subject who = { .principal = btz_str(name) };
    struct btz_redis_command k;

    btz_arena_init(&arena, 1 << 20);
    BTZ_TRY(btz_redis_reserve(l, &who, tokens, cost, 0, id, 0, &arena, &k));
    return call(c, l, &k, script, why);
}

static enum btz_err settle(struct redis_client *c, const struct btz_limits *l, const char *id,
                           bool release, uint64_t tokens, uint64_t cost, const char *script)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_limit_subject who = { .principal = btz_str("x") };
    struct btz_redis_command k;
    struct btz_refusal why;

    btz_arena_init(&arena, 1 << 20);
    BTZ_TRY(btz_redis_settle(l, &who, id, release, tokens, cost, 0, &arena, &k));
    return call(c, l, &k, script, &why);
}

static void load(struct redis_client *c)
{
    struct btz_redis_command k;

    btz_redis_load(&k);
    assert_true(redis_call(c, &k));
    assert_string_equal(c->text, btz_redis_script_sha()); /* what the server says it is */
}

/* ---- against the table of a file ---- */

struct held {
    struct btz_lease lease;
    char id[32];
    bool open;
};

static struct btz_limit_conf random_limit(struct btz_rng *r)
{
    static const char *const names[] = { "*", "a*", "al", "bob" };
    struct btz_limit_conf c =
        no_limit(btz_rng_below(r, 3) ? BTZ_LIMIT_PRINCIPAL : BTZ_LIMIT_EVERYTHING, "*");

    if (c.scope == BTZ_LIMIT_PRINCIPAL)
        c.name = names[btz_rng_below(r, BTZ_COUNT(names))];
    if (btz_rng_below(r, 2))
        c.requests_per_minute = btz_rng_below(r, 9);
    if (btz_rng_below(r, 2))
        c.tokens_per_minute = btz_rng_below(r, 300);
    if (btz_rng_below(r, 2))
        c.concurrency = btz_rng_below(r, 6);
    if (btz_rng_below(r, 2))
        c.budget = btz_rng_below(r, 300) / 1e3;
    if (btz_rng_below(r, 6) == 0)
        c.request_bytes = btz_rng_below(r, 1000);
    if (btz_rng_below(r, 2))
        c.budget_window_ms = 3600000;
    c.budget_calendar_month = btz_rng_below(r, 3) == 0;
    return c;
}

static void compare_reserve(struct redis_client *c, struct btz_limits *l, struct held *h,
                            struct btz_rng *r, uint64_t now, const char *script, size_t counts[2])
{
    static const char *const names[] = { "al", "ali", "bob", "x:y {z} \xc3\xa9" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_limit_subject who = { .principal = btz_str(names[btz_rng_below(r, 4)]) };
    uint64_t tokens = btz_rng_below(r, 60), cost = btz_rng_below(r, 60000),
             bytes = btz_rng_below(r, 1200);
    struct btz_refusal here = { 0 }, there = { 0 };
    struct btz_redis_command k;
    enum btz_err err, wanted;

    btz_arena_init(&arena, 1 << 20);
    wanted = btz_limits_reserve(l, &who, tokens, cost, bytes, now, &h->lease, &here);
    assert_int_equal(btz_redis_reserve(l, &who, tokens, cost, bytes, h->id, now, &arena, &k),
                     BTZ_OK);
    err = call(c, l, &k, script, &there);
    if (err != wanted || there.kind != here.kind || there.scope != here.scope ||
        strcmp(there.name, here.name) != 0 || there.limit != here.limit ||
        there.used != here.used || there.retry_after_s != here.retry_after_s)
        fail_msg("Redis: %d %s, %u s; file: %d %d/%d %s %" PRIu64 "/%" PRIu64 ", %u s", err,
                 err == BTZ_OK ? "" : btz_error_detail(), there.retry_after_s, wanted, here.kind,
                 here.scope, here.name, here.used, here.limit, here.retry_after_s);
    h->open = err == BTZ_OK;
    counts[h->open]++;
}

static void compare_sequence(struct redis_client *c, struct btz_limits *l, struct btz_rng *r,
                             const char *script, size_t counts[2])
{
    struct held held[8] = { 0 };
    uint64_t now = START;

    for (int i = 0; i < 120; i++) {
        struct held *h = &held[btz_rng_below(r, 8)];

        now += btz_rng_below(r, 10) ? btz_rng_below(r, 9000) : btz_rng_below(r, 90000000);
        set_clock(c, now);
        if (!h->open) {
            snprintf(h->id, sizeof h->id, "request-%d", i);
            compare_reserve(c, l, h, r, now, script, counts);
        } else {
            bool release = btz_rng_below(r, 3) == 0;
            uint64_t tokens = btz_rng_below(r, 120), cost = btz_rng_below(r, 120000);

            if (release)
                btz_limits_release(l, &h->lease, now);
            else
                btz_limits_settle(l, &h->lease, tokens, cost, now);
            assert_int_equal(settle(c, l, h->id, release, tokens, cost, script), BTZ_OK);
            h->open = false;
        }
    }
}

/* Requests that hold longer than the lease would differ: nothing here lasts that long between two looks. */
static const char *without_expiry(struct btz_arena *arena, const char *script)
{
    static const char line[] = "redis.call('ZREMRANGEBYSCORE'";
    const char *at = strstr(script, line), *text;

    assert_non_null(at);
    text = btz_arena_printf(arena, "%.*s--%s", (int)(at - script), script, at);
    assert_non_null(text);
    return text;
}

static void test_like_file(void **state)
{
    struct redis_server *s = *state;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct redis_client c;
    size_t counts[2] = { 0 };
    const char *script;

    btz_arena_init(&arena, 1 << 20);
    script = without_expiry(&arena, test_script(&arena));
    assert_true(redis_connect(s, &c));
    for (uint64_t n = 0; n < 40; n++) {
        struct btz_limit_conf conf[4];
        struct btz_limits *l = NULL;
        struct btz_rng r;
        struct place p;

        btz_rng_init(&r, 21, n);
        place_new(&p);
        while (!l) {
            for (size_t i = 0; i < 4; i++)
                conf[i] = random_limit(&r);
            if (btz_limits_open_sized(p.path, conf, 1 + n % 4, 256, 64, &l) != BTZ_OK)
                l = NULL;
        }
        assert_true(redis_say(&c, "FLUSHALL"));
        compare_sequence(&c, l, &r, script, counts);
        btz_limits_close(l);
        place_remove(&p);
    }
    redis_disconnect(&c);
    print_message("# refused %zu, passed %zu, alike\n", counts[0], counts[1]);
    assert_true(counts[0] > 500 && counts[1] > 500);
}

/* ---- what is promised ---- */

static struct btz_limits *rules_only(struct place *p, const struct btz_limit_conf *c, size_t count)
{
    struct btz_limits *l;

    place_new(p);
    l = open_limits(p, c, count);
    return l;
}

/* 4 processes of 250 requests each against limits of 10: 10 pass, whichever kind. */
static void test_exact(void **state)
{
    struct redis_server *s = *state;
    _Atomic size_t *passed =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct redis_client c;

    assert_true(passed != MAP_FAILED);
    for (int kind = 0; kind < 4; kind++) {
        struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
        struct btz_limits *l;
        struct place p;
        pid_t child[4];

        conf.requests_per_minute = kind == 0 ? 10 : -1;
        conf.tokens_per_minute = kind == 1 ? 109 : -1;
        conf.concurrency = kind == 2 ? 10 : -1;
        conf.budget = kind == 3 ? 0.000109 : -1;
        l = rules_only(&p, &conf, 1);
        assert_true(redis_connect(s, &c));
        assert_true(redis_say(&c, "FLUSHALL"));
        load(&c);
        redis_disconnect(&c);
        *passed = 0;
        for (int i = 0; i < 4; i++) {
            child[i] = fork();
            if (child[i] == 0) {
                struct btz_refusal why;
                char id[32];

                if (!redis_connect(s, &c))
                    _exit(1);
                for (int k = 0; k < 250; k++) {
                    enum btz_err err;

                    snprintf(id, sizeof id, "%d-%d-%d", kind, i, k);
                    err = reserve(&c, l, "al", id, 10, 10, NULL, &why);
                    if (err != BTZ_OK && err != BTZ_LIMIT)
                        _exit(2);
                    *passed += err == BTZ_OK;
                }
                _exit(0);
            }
        }
        for (int i = 0; i < 4; i++) {
            int status;

            assert_int_equal(waitpid(child[i], &status, 0), child[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(*passed, 10);
        btz_limits_close(l);
        place_remove(&p);
    }
    munmap((void *)(uintptr_t)passed, 4096);
}

/* A gateway that died: its concurrency comes back after the lease, not before; who renews keeps it. */
static void test_lease(void **state)
{
    struct redis_server *s = *state;
    struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_redis_command k;
    struct btz_refusal why;
    struct redis_client c;
    struct btz_limits *l;
    const char *script;
    struct place p;

    conf.concurrency = 2;
    btz_arena_init(&arena, 1 << 20);
    script = test_script(&arena);
    l = rules_only(&p, &conf, 1);
    assert_true(redis_connect(s, &c));
    assert_true(redis_say(&c, "FLUSHALL"));
    set_clock(&c, START);
    assert_int_equal(reserve(&c, l, "al", "dies", 0, 0, script, &why), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "lasts", 0, 0, script, &why), BTZ_OK);
    set_clock(&c, START + BTZ_REDIS_LEASE_MS / 2);
    assert_int_equal(btz_redis_renew(l, "lasts", &arena, &k), BTZ_OK);
    assert_int_equal(call(&c, l, &k, script, &why), BTZ_OK);
    assert_int_equal(btz_redis_renew(l, "never was", &arena, &k), BTZ_OK);
    assert_int_equal(call(&c, l, &k, script, &why), BTZ_OK);
    set_clock(&c, START + BTZ_REDIS_LEASE_MS - 1);
    assert_int_equal(reserve(&c, l, "al", "third", 0, 0, script, &why), BTZ_LIMIT);
    assert_int_equal(why.used, 2);
    set_clock(&c, START + BTZ_REDIS_LEASE_MS);
    assert_int_equal(reserve(&c, l, "al", "third", 0, 0, script, &why), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "fourth", 0, 0, script, &why), BTZ_LIMIT);
    /* The dead one's settlement comes after all: nothing is given back twice. */
    assert_int_equal(settle(&c, l, "dies", false, 0, 0, script), BTZ_OK);
    assert_int_equal(settle(&c, l, "dies", false, 0, 0, script), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "fourth", 0, 0, script, &why), BTZ_LIMIT);
    assert_int_equal(settle(&c, l, "lasts", false, 0, 0, script), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "fourth", 0, 0, script, &why), BTZ_OK);
    redis_disconnect(&c);
    btz_limits_close(l);
    place_remove(&p);
}

/* An id that is in use is refused, whoever made it up. */
static void test_twice(void **state)
{
    struct redis_server *s = *state;
    struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_refusal why;
    struct redis_client c;
    struct btz_limits *l;
    struct place p;

    conf.requests_per_minute = 100;
    l = rules_only(&p, &conf, 1);
    assert_true(redis_connect(s, &c));
    assert_true(redis_say(&c, "FLUSHALL"));
    load(&c);
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_CONFLICT);
    assert_int_equal(settle(&c, l, "one", true, 0, 0, NULL), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "", 0, 0, NULL, &why), BTZ_USAGE);
    redis_disconnect(&c);
    btz_limits_close(l);
    place_remove(&p);
}

/* Every key goes by itself some day; an amount beyond every limit stays a number. */
static void test_keys(void **state)
{
    struct redis_server *s = *state;
    struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_refusal why;
    struct redis_client c;
    struct btz_limits *l;
    struct place p;

    conf.requests_per_minute = conf.tokens_per_minute = conf.concurrency = 5;
    conf.budget = 1;
    l = rules_only(&p, &conf, 1);
    assert_true(redis_connect(s, &c));
    assert_true(redis_say(&c, "FLUSHALL"));
    load(&c);
    assert_int_equal(reserve(&c, l, "al", "one", 1, 1, NULL, &why), BTZ_OK);
    assert_true(redis_say(&c, "DBSIZE"));
    assert_string_equal(c.text, "5");
    assert_int_equal(settle(&c, l, "one", false, UINT64_MAX, UINT64_MAX, NULL), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "two", 1, 1, NULL, &why), BTZ_LIMIT);
    assert_int_equal(why.kind, BTZ_LIMIT_BUDGET);
    assert_true(why.used >= 1000000000000000);
    assert_true(redis_say(&c, "DBSIZE"));
    assert_string_equal(c.text, "3"); /* the lease and who was in flight are gone */
    for (int i = 0; i < 20; i++) {
        char words[256];

        assert_true(redis_say(&c, "RANDOMKEY"));
        snprintf(words, sizeof words, "TTL %.200s", c.text);
        assert_true(redis_say(&c, words));
        assert_true(strtol(c.text, NULL, 10) > 0);
    }
    redis_disconnect(&c);
    btz_limits_close(l);
    place_remove(&p);
}

/* Killed: no answer. Back again: it does not know the script, says so, and after it is told everything works. */
static void test_restart(void **state)
{
    struct redis_server *s = *state;
    struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_refusal why;
    struct redis_client c;
    struct btz_limits *l;
    struct place p;

    conf.requests_per_minute = 1;
    l = rules_only(&p, &conf, 1);
    assert_true(redis_connect(s, &c));
    assert_true(redis_say(&c, "FLUSHALL"));
    load(&c);
    redis_kill(s);
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_UNREACHABLE);
    redis_disconnect(&c);
    assert_false(redis_connect(s, &c));
    redis_start(s);
    assert_true(redis_connect(s, &c));
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_IO);
    assert_true(strncmp(btz_error_detail(), "NOSCRIPT", 8) == 0);
    load(&c);
    assert_int_equal(reserve(&c, l, "al", "one", 0, 0, NULL, &why), BTZ_OK);
    assert_int_equal(reserve(&c, l, "al", "two", 0, 0, NULL, &why), BTZ_LIMIT);
    redis_disconnect(&c);
    btz_limits_close(l);
    place_remove(&p);
}

/* A cluster refuses scripts whose keys are in different places. */
static void test_cluster(void **state)
{
    struct btz_limit_conf conf[2] = { no_limit(BTZ_LIMIT_PRINCIPAL, "*"),
                                      no_limit(BTZ_LIMIT_EVERYTHING, "*") };
    struct redis_server s;
    struct btz_refusal why;
    struct redis_client c;
    struct btz_limits *l;
    bool is_up = false;
    struct place p;
    (void)state;

    for (int i = 0; i < 2; i++)
        conf[i].requests_per_minute = conf[i].concurrency = 3;
    redis_new(&s, true);
    l = rules_only(&p, conf, 2);
    assert_true(redis_connect(&s, &c));
    assert_true(redis_say(&c, "CLUSTER ADDSLOTSRANGE 0 16383"));
    for (int i = 0; i < 2000 && !is_up; i++) {
        assert_true(redis_say(&c, "CLUSTER INFO"));
        is_up = strstr(c.text, "cluster_state:ok") != NULL;
        usleep(is_up ? 0 : 5000);
    }
    assert_true(is_up);
    load(&c);
    assert_int_equal(reserve(&c, l, "a}{b", "{x}", 0, 0, NULL, &why), BTZ_OK);
    assert_int_equal(settle(&c, l, "{x}", false, 0, 0, NULL), BTZ_OK);
    redis_disconnect(&c);
    btz_limits_close(l);
    place_remove(&p);
    redis_remove(&s);
}

static void test_answers(void **state)
{
    static const char *const bad[] = { "",
                                       "ok",
                                       "OK ",
                                       "LIMIT",
                                       "LIMIT ",
                                       "LIMIT 0",
                                       "LIMIT 0 0 1 1 1",
                                       "LIMIT 5 0 1 1 1 x",
                                       "LIMIT 0 5 1 1 1 x",
                                       "LIMIT -1 0 1 1 1 x",
                                       "LIMIT 0 0 1 1 4294967296 x",
                                       "LIMIT 0 0 1.5 1 1 x",
                                       "LIMIT  0 0 1 1 1 x",
                                       "ERR" };
    struct btz_refusal why;
    char name[400];
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_redis_answer(NULL, btz_str(bad[i]), &why), BTZ_INPUT);
    assert_int_equal(btz_redis_answer(NULL, btz_str("OK"), &why), BTZ_OK);
    assert_int_equal(btz_redis_answer(NULL, btz_str("LIMIT 1 3 1000000 1500000 60 a b"), &why),
                     BTZ_LIMIT);
    assert_int_equal(why.scope, BTZ_LIMIT_GROUP);
    assert_int_equal(why.kind, BTZ_LIMIT_BUDGET);
    assert_string_equal(why.name, "a b");
    assert_int_equal(why.retry_after_s, 60);
    snprintf(name, sizeof name, "LIMIT 0 0 1 1 1 %0300d", 7);
    assert_int_equal(btz_redis_answer(NULL, btz_str(name), &why), BTZ_LIMIT);
    assert_int_equal(strlen(why.name), sizeof why.name - 1);
}

static int start(void **state)
{
    static struct redis_server server;

    redis_new(&server, false);
    *state = &server;
    return 0;
}

static int stop(void **state)
{
    redis_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_file), cmocka_unit_test(test_exact),
        cmocka_unit_test(test_lease),     cmocka_unit_test(test_twice),
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_restart),
        cmocka_unit_test(test_cluster),   cmocka_unit_test(test_answers),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
