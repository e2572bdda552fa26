/* What attackers try on sign-in: guessing, spraying, fixation, enumeration, timing, replay, clocks, SQL, kill -9. */
#include "signin_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>

#define WRONG "wrong horse battery"

static unsigned waits_s(const struct reply *r)
{
    const char *in = strstr(r->detail, "try again in ");

    assert_int_equal(r->err, BTZ_LIMIT);
    assert_non_null(in);
    return (unsigned)strtoul(in + 13, NULL, 10);
}

/* ---- guessing ---- */

static void test_schedule(void **state)
{
    static const uint64_t seconds[] = { 0,  0,  0,  0,   0,   1,   2,   4,   8,
                                        16, 32, 64, 128, 256, 512, 900, 900, 900 };
    const struct btz_backoff b = { 4, 900000 };
    (void)state;
    for (uint64_t n = 0; n < BTZ_COUNT(seconds); n++)
        assert_int_equal(btz_backoff_ms(&b, n), seconds[n] * 1000);
    assert_int_equal(btz_backoff_ms(&b, UINT64_MAX), BTZ_BACKOFF_MAX_MS);
}

/* A stored hash of the same password that costs nothing to compare: for those who guess wrong a hundred times, where what it
 * costs is not the point (test_timing and test_password look at that). The first right one replaces it. */
static void cheap_password(struct site *s, const char *name)
{
    char hash[crypto_pwhash_STRBYTES];

    assert_int_equal(crypto_pwhash_str_alg(hash, PASSWORD, strlen(PASSWORD), 1, 8192,
                                           crypto_pwhash_ALG_ARGON2ID13),
                     0);
    change(s,
           "UPDATE credentials SET password_hash = ? WHERE principal = (SELECT id FROM principals "
           "WHERE name = ?)",
           hash, name);
}

/* Whoever knows the name guesses as fast as he is let, for a day; then its owner comes back. */
static void test_password_guessing(void **state)
{
    struct site *s = site_new("{}");
    uint64_t begin = s->now_ms;
    unsigned guesses = 0, free_ones = 0, longest = 0;
    struct reply r;
    (void)state;
    person(s, "alice");
    cheap_password(s, "alice");
    while (s->now_ms < begin + DAY) {
        r = sign_in(s, "alice", WRONG);
        if (r.err == BTZ_DENIED) {
            guesses++;
            free_ones += s->now_ms == begin;
            continue;
        }
        longest = waits_s(&r) > longest ? waits_s(&r) : longest;
        s->now_ms += waits_s(&r) * UINT64_C(1000);
    }
    print_message("# %u guesses at one password in 24 h\n", guesses);
    assert_int_equal(free_ones, 5); /* the fifth is the first that costs a second */
    assert_int_equal(longest, 900);
    assert_true(guesses < 130);
    /* Never locked for good: at most a quarter of an hour. */
    s->now_ms += 15 * MINUTE;
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    /* And a success forgets the failures of this account. */
    for (int i = 0; i < 5; i++)
        assert_int_equal(sign_in(s, "alice", WRONG).err, BTZ_DENIED);
    site_free(s);
}

struct guess {
    struct site *s;
    enum btz_err err;
};

static void *guess_once(void *arg)
{
    struct guess *g = arg;
    struct btz_caller caller = nobody();
    struct btz_arena arena;
    json_t *in = json_pack("{s:s,s:s}", "user", "alice", "password", WRONG);
    struct btz_call call = { .access = g->s->access,
                             .op = btz_operation_find("sign-in"),
                             .caller = &caller,
                             .arena = &arena,
                             .in = in };

    btz_arena_init(&arena, 1u << 24);
    g->err = btz_access_call(&call);
    btz_call_release(&call);
    btz_arena_release(&arena);
    json_decref(in);
    return NULL;
}

/* Thirty at the same instant are not thirty guesses. */
static void test_parallel_guessing(void **state)
{
    enum { N = 30 };
    struct site *s = site_new("{}");
    struct guess g[N];
    pthread_t threads[N];
    uint64_t before;
    unsigned denied = 0, limited = 0;
    (void)state;
    person(s, "alice");
    before = btz_hasher_count(btz_access_hasher(s->access));
    for (int i = 0; i < N; i++) {
        g[i].s = s;
        assert_int_equal(pthread_create(&threads[i], NULL, guess_once, &g[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        denied += g[i].err == BTZ_DENIED;
        limited += g[i].err == BTZ_LIMIT;
    }
    assert_int_equal(denied + limited, N);
    assert_int_equal(denied, 5);
    assert_int_equal(btz_hasher_count(btz_access_hasher(s->access)) - before, 5);
    site_free(s);
}

/*
 * The password is stolen; six digits are left. Each guess is right with a chance of at most 3 in 1,000,000 (three steps
 * are accepted). Simulated: the attacker tries as soon as he may, takes a new ticket when one is used up, and the owner
 * signs in every hour, which must not give the attacker a fresh start. Over every window of 24 hours n guesses give a
 * chance below 3n / 1,000,000, which must be below 1/1,000: n < 333.
 */
static void test_totp_guessing(void **state)
{
    enum { MANY = 2000 };
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT];
    uint64_t at[MANY], begin, owner;
    unsigned n = 0, worst = 0, first = 0;
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    begin = owner = s->now_ms;
    r.ticket[0] = '\0';
    while (s->now_ms < begin + 36 * HOUR && n < MANY) {
        struct reply try;

        if (s->now_ms >=
            owner + HOUR) { /* from elsewhere; she waits like everybody when she must */
            struct reply hers = sign_in_at(s, "198.51.100.9", "alice", PASSWORD);

            assert_string_equal(hers.state, "second-factor");
            hers = with_code(s, "sign-in.totp", hers.ticket, app_code(&app, s->now_ms));
            assert_true(hers.err == BTZ_OK || hers.err == BTZ_LIMIT);
            owner = s->now_ms;
        }
        if (!r.ticket[0])
            r = sign_in_at(s, "203.0.113.5", "alice", PASSWORD);
        assert_string_equal(r.state, "second-factor");
        try = with_code(s, "sign-in.totp", r.ticket, wrong_code(&app, s->now_ms));
        if (try.err == BTZ_LIMIT)
            s->now_ms += waits_s(&try) * UINT64_C(1000);
        else if (strstr(try.detail, "wrong code"))
            at[n++] = s->now_ms;
        else
            r.ticket[0] = '\0'; /* used up */
    }
    assert_true(n < MANY);
    for (unsigned i = 0; i < n; i++) {
        while (at[i] - at[first] >= DAY)
            first++;
        worst = i - first + 1 > worst ? i - first + 1 : worst;
    }
    print_message("# %u guesses in the worst 24 h: chance below %.1e\n", worst, 3e-6 * worst);
    assert_true(worst > 50); /* the simulation did guess */
    assert_true(3e-6 * worst < 1e-3);
    site_free(s);
}

/* While others guess, the owner gets in with a recovery code, and an administrator can unlock. */
static void test_ways_around_back_off(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], code[16];
    struct app app;
    struct reply r, other;
    (void)state;
    person_with_app(s, "alice", &app, token);
    r = ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    snprintf(code, sizeof code, "%s",
             json_string_value(json_array_get(json_object_get(r.out, "codes"), 3)));
    for (int i = 0; i < 5; i++)
        assert_int_equal(sign_in_at(s, "203.0.113.5", "alice", WRONG).err, BTZ_DENIED);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_LIMIT);
    /* A wrong password or a wrong code: the same answer, so that this tells nothing about either. */
    r = ask_as(s, nobody(), "sign-in.recovery",
               json_pack("{s:s,s:s,s:s}", "user", "alice", "password", WRONG, "code", code));
    other = ask_as(
        s, nobody(), "sign-in.recovery",
        json_pack("{s:s,s:s,s:s}", "user", "alice", "password", PASSWORD, "code", "00000-00000"));
    assert_int_equal(r.err, BTZ_DENIED);
    assert_int_equal(other.err, BTZ_DENIED);
    assert_string_equal(r.detail, other.detail);
    r = ask_ok(s, nobody(), "sign-in.recovery",
               json_pack("{s:s,s:s,s:s}", "user", "alice", "password", PASSWORD, "code", code));
    assert_true(is_session(s, r.token));
    for (int i = 0; i < 5; i++)
        assert_int_equal(sign_in_at(s, "203.0.113.5", "alice", WRONG).err, BTZ_DENIED);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_LIMIT);
    ask_ok(s, local(s), "user.unlock", json_pack("{s:s}", "user", "alice"));
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    site_free(s);
}

/* ---- spraying ---- */

static void test_spraying(void **state)
{
    struct site *s = site_new("{}");
    unsigned tried = 0;
    char name[32];
    struct reply r;
    (void)state;
    person(s, "mallory");
    do {
        /* One guess for each name, with a success of his own now and then. */
        if (tried % 10 == 9)
            assert_int_equal(sign_in_at(s, "203.0.113.5", "mallory", PASSWORD).err, BTZ_OK);
        snprintf(name, sizeof name, "person%u", tried++);
        r = sign_in_at(s, "203.0.113.5", name, WRONG);
    } while (r.err == BTZ_DENIED && tried < 100);
    assert_int_equal(r.err, BTZ_LIMIT);
    assert_int_equal(tried, 32); /* 30 free, one that costs a second, one refused */
    /* Others are not held up. */
    assert_int_equal(sign_in(s, "mallory", PASSWORD).err, BTZ_OK);
    /* Whoever has one IPv6 address has 2^64 of them. */
    for (tried = 0, r.err = BTZ_DENIED; r.err == BTZ_DENIED && tried < 100; tried++) {
        char address[64];

        snprintf(address, sizeof address, "2001:db8:1:2::%x", tried);
        snprintf(name, sizeof name, "human%u", tried);
        r = sign_in_at(s, address, name, WRONG);
    }
    assert_int_equal(tried, 32);
    assert_int_equal(sign_in_at(s, "2001:db8:1:3::1", "human", WRONG).err, BTZ_DENIED);
    site_free(s);
}

/* ---- who is there? ---- */

static void test_enumeration(void **state)
{
    static const char *const names[] = { "alice", "nobody-is-called-so", "disabled", "invited",
                                         "robot" };
    struct site *s = site_new("{}");
    char id[BTZ_ID_TEXT], address[32];
    struct reply first[12] = { 0 };
    (void)state;
    person(s, "alice");
    person(s, "disabled");
    id_of(s, "disabled", id);
    change(s, "UPDATE principals SET status = 'disabled' WHERE id = ?", id, NULL);
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "invited"));
    ask_ok(s, local(s), "service.create", json_pack("{s:s}", "name", "robot"));
    for (size_t n = 0; n < BTZ_COUNT(names); n++)
        for (size_t i = 0; i < BTZ_COUNT(first); i++) {
            struct btz_hasher *h = btz_access_hasher(s->access);
            uint64_t before = btz_hasher_count(h);
            struct reply r;

            snprintf(address, sizeof address, "192.0.2.%zu", 10 + n);
            /* The password of whoever is disabled is right, and says no more than a wrong one. */
            r = i < 8 ? sign_in_at(s, address, names[n], n == 2 ? PASSWORD : WRONG)
                      : ask_as(s, nobody_at(address), "sign-in.recovery",
                               json_pack("{s:s,s:s,s:s}", "user", names[n], "password",
                                         n == 2 ? PASSWORD : WRONG, "code", "00000-00000"));
            assert_int_equal(btz_hasher_count(h) - before, r.err == BTZ_DENIED);
            assert_string_equal(r.token, "");
            assert_null(r.out);
            if (n == 0)
                first[i] = r;
            assert_int_equal(r.err, first[i].err);
            assert_string_equal(r.detail, first[i].detail);
            assert_int_equal(r.step_up, first[i].step_up);
        }
    assert_int_equal(first[0].err, BTZ_DENIED);
    assert_int_equal(first[7].err, BTZ_LIMIT);
    assert_int_equal(first[8].err, BTZ_DENIED);
    site_free(s);
}

/* Names and kinds of what is in an answer, without what is random in it. */
static void shape(const json_t *value, struct btz_buf *out)
{
    const char *key;
    json_t *member;
    size_t i;

    assert_ok(btz_buf_printf(out, "%d", value ? (int)json_typeof(value) : -1));
    if (json_is_string(value))
        assert_ok(btz_buf_printf(out, ":%zu", json_string_length(value)));
    json_array_foreach(value, i, member)
    {
        assert_ok(btz_buf_add_str(out, "["));
        shape(member, out);
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        assert_ok(btz_buf_printf(out, "{%s=", key));
        /* Real and invented, they differ by name in number and length (test_federation). */
        if (strcmp(key, "allowCredentials") != 0)
            shape(member, out);
        else
            assert_in_range(json_array_size(member), 1, 3);
    }
}

/* Whatever asks for a name before anybody is known, also what other folders add. */
static void test_enumeration_everywhere(void **state)
{
    static const char *const names[] = { "alice", "alicf" };
    struct site *s = site_new("{}");
    unsigned asked = 0;
    (void)state;
    person(s, "alice");
    for (size_t o = 0; btz_operations[o]; o++) {
        struct btz_buf shapes[2] = { BTZ_BUF(100000), BTZ_BUF(100000) };
        const struct btz_operation *op = btz_operations[o];
        struct reply r[2];
        bool named = false;

        for (size_t f = 0; f < op->field_count; f++)
            named = named || strcmp(op->fields[f].name, "user") == 0;
        if (!(op->needs & BTZ_PUBLIC) || !named)
            continue;
        for (int i = 0; i < 2; i++) {
            json_t *in = json_pack("{s:s}", "user", names[i]);

            for (size_t f = 0; f < op->field_count; f++)
                if (op->fields[f].required && strcmp(op->fields[f].name, "user") != 0)
                    json_object_set_new(in, op->fields[f].name, json_string(WRONG));
            r[i] = ask_as(s, nobody(), op->id, in);
            shape(r[i].out, &shapes[i]);
        }
        assert_int_equal(r[0].err, r[1].err);
        assert_string_equal(r[0].detail, r[1].detail);
        assert_true(btz_slice_equal(btz_buf_slice(&shapes[0]), btz_buf_slice(&shapes[1])));
        btz_buf_release(&shapes[0]);
        btz_buf_release(&shapes[1]);
        asked++;
    }
    assert_true(asked >= 2);
    site_free(s);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Interleaved, through the whole way of a call; one hash for each, medians within a factor of 2 (without the dummy hash
 * it would be 10 and more). */
static void test_timing(void **state)
{
    enum { N = 15 };
    struct site *s = site_new("{}");
    struct btz_hasher *h = btz_access_hasher(s->access);
    uint64_t known[N], unknown[N];
    (void)state;
    person(s, "alice");
    for (int i = 0; i < N; i++) {
        uint64_t count = btz_hasher_count(h), t0, t1, t2;

        s->now_ms += HOUR; /* no back-off */
        t0 = btz_clock_ns();
        assert_int_equal(sign_in(s, "alice", WRONG).err, BTZ_DENIED);
        t1 = btz_clock_ns();
        assert_int_equal(sign_in(s, "alicf", WRONG).err, BTZ_DENIED);
        t2 = btz_clock_ns();
        assert_int_equal(btz_hasher_count(h), count + 2);
        known[i] = t1 - t0;
        unknown[i] = t2 - t1;
    }
    qsort(known, N, sizeof known[0], by_value);
    qsort(unknown, N, sizeof unknown[0], by_value);
    assert_true(known[N / 2] < 2 * unknown[N / 2]);
    assert_true(unknown[N / 2] < 2 * known[N / 2]);
    site_free(s);
}

/* ---- fixation, tickets, links ---- */

static void test_fixation(void **state)
{
    struct site *s = site_new("{}");
    char planted[BTZ_TOKEN_TEXT], theirs[BTZ_TOKEN_TEXT], token[BTZ_TOKEN_TEXT];
    struct btz_caller c;
    struct app app;
    struct reply r;
    (void)state;
    person(s, "mallory");
    person_with_app(s, "alice", &app, token);
    /* A token that the server never made opens nothing, before and after. */
    btz_token_new(planted);
    assert_false(is_session(s, planted));
    r = sign_in_both(s, "alice", &app);
    assert_false(is_session(s, planted));
    /* Mallory puts her own session into Alice's browser; Alice signs in there. */
    r = sign_in(s, "mallory", PASSWORD);
    memcpy(theirs, r.token, sizeof theirs);
    c = session_of(s, theirs);
    s->now_ms += 30000;
    r = ask_ok(s, c, "sign-in", json_pack("{s:s,s:s}", "user", "alice", "password", PASSWORD));
    r = ask_ok(s, c, "sign-in.totp",
               json_pack("{s:s,s:s}", "ticket", r.ticket, "code", app_code(&app, s->now_ms)));
    assert_string_not_equal(r.token, theirs);
    assert_string_not_equal(session_of(s, r.token).session, c.session);
    assert_string_equal(session_of(s, r.token).name, "alice");
    assert_false(is_session(s, theirs)); /* the planted one ended */
    /* The same id may stay at a step-up, the token may not. */
    memcpy(token, r.token, sizeof token);
    s->now_ms += 30000;
    r = ask_ok(s, session_of(s, token), "step-up.totp",
               json_pack("{s:s}", "code", app_code(&app, s->now_ms)));
    assert_false(is_session(s, token));
    assert_true(is_session(s, r.token));
    site_free(s);
}

static void test_tickets(void **state)
{
    struct site *s = site_new("{}");
    char link[BTZ_TOKEN_TEXT], token[BTZ_TOKEN_TEXT], cut[BTZ_TOKEN_TEXT];
    struct app alices, bobs;
    struct reply a, b, r;
    (void)state;
    person_with_app(s, "alice", &alices, token);
    person_with_app(s, "bob", &bobs, token);
    invite(s, "bob", link);
    s->now_ms += 30000;
    a = sign_in(s, "alice", PASSWORD);
    b = sign_in(s, "bob", PASSWORD);
    /* Bound to its person, its purpose and its spelling. */
    assert_int_equal(with_code(s, "sign-in.totp", a.ticket, app_code(&bobs, s->now_ms)).err,
                     BTZ_DENIED);
    assert_int_equal(with_code(s, "sign-in.totp", link, app_code(&bobs, s->now_ms)).err,
                     BTZ_DENIED);
    assert_int_equal(enrol(s, b.ticket, "another horse battery").err, BTZ_DENIED);
    snprintf(cut, sizeof cut, "%.42s", b.ticket);
    assert_int_equal(with_code(s, "sign-in.totp", cut, app_code(&bobs, s->now_ms)).err, BTZ_DENIED);
    assert_int_not_equal(with_code(s, "sign-in.totp", "", app_code(&bobs, s->now_ms)).err, BTZ_OK);
    /* Five wrong codes use it up, whoever sends them. */
    for (int i = 0; i < 5; i++) {
        s->now_ms += 2000;
        r = with_code(s, "sign-in.totp", b.ticket, wrong_code(&bobs, s->now_ms));
        assert_int_equal(r.err, BTZ_DENIED);
    }
    s->now_ms += 2000;
    r = with_code(s, "sign-in.totp", b.ticket, app_code(&bobs, s->now_ms));
    assert_int_equal(r.err, BTZ_DENIED);
    b = sign_in(s, "bob", PASSWORD);
    r = with_code(s, "sign-in.totp", b.ticket, app_code(&bobs, s->now_ms));
    assert_int_equal(r.err, BTZ_OK);
    /* A ticket from before the reset is worth nothing after it. */
    a = sign_in(s, "alice", PASSWORD);
    ask_ok(s, local(s), "user.sign-out", json_pack("{s:s}", "user", "alice"));
    assert_int_equal(with_code(s, "sign-in.totp", a.ticket, app_code(&alices, s->now_ms)).err,
                     BTZ_DENIED);
    site_free(s);
}

/* Whoever was disabled between the two steps does not get in by the second. */
static void test_disabled_between(void **state)
{
    struct site *s = site_new("{}");
    char id[BTZ_ID_TEXT], token[BTZ_TOKEN_TEXT], link[BTZ_TOKEN_TEXT];
    struct app app;
    struct reply r, done;
    (void)state;
    person_with_app(s, "alice", &app, token);
    invite(s, "alice", link);
    s->now_ms += 30000;
    r = sign_in(s, "alice", PASSWORD);
    id_of(s, "alice", id);
    change(s, "UPDATE principals SET status = 'disabled' WHERE id = ?", id, NULL);
    done = with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms));
    assert_int_equal(done.err, BTZ_DENIED);
    assert_string_equal(done.token, "");
    assert_int_equal(enrol(s, link, "another horse battery").err, BTZ_DENIED);
    site_free(s);
}

/* ---- clocks ---- */

static void test_clock_forward_and_back(void **state)
{
    struct site *s = site_new("session_idle: 30m\nsession_absolute: 12h\n");
    char shown[BTZ_TOKEN_TEXT], silent[BTZ_TOKEN_TEXT], later[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(shown, r.token, sizeof shown);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(silent, r.token, sizeof silent);
    s->now_ms += 365 * DAY;
    assert_false(is_session(s, shown));
    r = sign_in(s, "alice", PASSWORD); /* nobody is locked out */
    assert_int_equal(r.err, BTZ_OK);
    memcpy(later, r.token, sizeof later);
    s->now_ms -= 365 * DAY;
    /* What was over is over, whether it was shown at that time or not; what was begun then goes on. */
    assert_false(is_session(s, shown));
    assert_false(is_session(s, silent));
    assert_true(is_session(s, later));
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    s->now_ms += 31 * MINUTE;
    assert_false(is_session(s, later)); /* and ends in its time */
    site_free(s);
}

static void test_clock_back(void **state)
{
    struct site *s = site_new("session_idle: 30m\nsession_absolute: 12h\n");
    char idle[BTZ_TOKEN_TEXT], busy[BTZ_TOKEN_TEXT], link[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "bob"));
    invite(s, "bob", link);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(idle, r.token, sizeof idle);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(busy, r.token, sizeof busy);
    for (int i = 0; i < 2; i++) {
        s->now_ms += 20 * MINUTE;
        assert_true(is_session(s, busy));
    }
    for (int i = 0; i < 20; i++)
        (void)sign_in(s, "alice", WRONG);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_LIMIT);
    s->now_ms -= 10 * 365 * DAY;
    assert_false(is_session(s, idle)); /* had been over for ten minutes */
    assert_true(is_session(s, busy));
    /* The wait is what it was, not ten years more. */
    r = sign_in(s, "alice", PASSWORD);
    assert_true(waits_s(&r) <= 900);
    s->now_ms += waits_s(&r) * UINT64_C(1000);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    assert_int_equal(enrol(s, link, PASSWORD).err, BTZ_OK);
    s->now_ms += 12 * HOUR;
    assert_false(is_session(s, busy));
    site_free(s);
}

/* A minute's difference between two machines changes nothing. */
static void test_clock_skew(void **state)
{
    struct site *s = site_new("session_idle: 2m\n");
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    for (int i = 0; i < 20; i++) {
        s->now_ms += 90000;
        assert_true(is_session(s, r.token));
        s->now_ms -= 50000;
        assert_true(is_session(s, r.token));
    }
    site_free(s);
}

/* ---- SQL ---- */

static json_t *plain_value(const struct btz_field *f)
{
    switch (f->kind) {
    case BTZ_FIELD_INT:
        return json_integer(1);
    case BTZ_FIELD_BOOL:
        return json_true();
    case BTZ_FIELD_DURATION:
        return json_string("5m");
    default:
        return json_string("alice");
    }
}

static bool is_ours(const struct btz_operation *op)
{
    static const char *const families[] = {
        "sign-in", "sign-out",    "step-up",       "enrol",       "me",
        "session", "user.invite", "user.sign-out", "user.unlock", "user.reset-mfa"
    };

    for (size_t i = 0; i < BTZ_COUNT(families); i++)
        if (strncmp(op->id, families[i], strlen(families[i])) == 0)
            return true;
    return false;
}

static void test_sql_in_every_field(void **state)
{
    static const char *const texts[] = {
        "' OR '1'='1",
        "'; DROP TABLE sessions; --",
        "\" OR \"\"=\"",
        "alice'--",
        "%",
        "_",
        "?",
        "$1",
        "\\",
        "\\'",
        "alice\\",
        "%' OR 1=1 --",
        "1) OR (1=1",
        "NULL",
        "\xF0\x9F\x94\x91",
        "A\xCC\x80",
        "alice/**/",
        "0x61",
        ";",
        "''",
        "alice'||'",
    };
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], people[32], sessions[32];
    unsigned calls = 0;
    struct app app;
    (void)state;
    person_with_app(s, "alice", &app, token);
    person(s, "bob");
    snprintf(people, sizeof people, "%s",
             value_of(s, "SELECT COUNT(*) FROM principals", NULL, NULL));
    snprintf(sessions, sizeof sessions, "%s",
             value_of(s, "SELECT COUNT(*) FROM sessions WHERE ended_ms = 0", NULL, NULL));
    for (size_t o = 0; btz_operations[o]; o++) {
        const struct btz_operation *op = btz_operations[o];

        if (!is_ours(op))
            continue;
        for (size_t f = 0; f < op->field_count; f++)
            for (size_t t = 0; t < BTZ_COUNT(texts); t++) {
                struct reply r;
                json_t *in;

                if (op->fields[f].kind != BTZ_FIELD_TEXT && op->fields[f].kind != BTZ_FIELD_SECRET)
                    continue;
                /* Hashing each is not the point here. */
                if (strcmp(op->fields[f].name, "password") == 0 && t > 2)
                    continue;
                in = json_object();
                for (size_t i = 0; i < op->field_count; i++)
                    if (i == f || op->fields[i].required)
                        json_object_set_new(in, op->fields[i].name,
                                            i == f ? json_string(texts[t])
                                                   : plain_value(&op->fields[i]));
                s->now_ms += 1000;
                r = ask_as(s,
                           op->needs & BTZ_PUBLIC          ? nobody()
                           : op->needs & BTZ_NEEDS_SESSION ? session_of(s, token)
                                                           : local(s),
                           op->id, in);
                if (r.err == BTZ_INTERNAL || r.err == BTZ_IO || r.err == BTZ_UNREACHABLE ||
                    (r.token[0] && op->needs & BTZ_PUBLIC))
                    fail_msg("%s: %s = %s: %s: %s", op->id, op->fields[f].name, texts[t],
                             btz_err_name(r.err), r.detail);
                calls++;
            }
    }
    assert_true(calls > 300);
    assert_string_equal(value_of(s, "SELECT COUNT(*) FROM principals", NULL, NULL), people);
    assert_string_equal(value_of(s, "SELECT COUNT(*) FROM sessions WHERE ended_ms = 0", NULL, NULL),
                        sessions);
    s->now_ms += 15 * MINUTE;
    assert_int_equal(sign_in_at(s, "198.51.100.1", "bob", PASSWORD).err, BTZ_OK);
    site_free(s);
}

/* ---- what lies on the disk ---- */

static const char *secrets[8];
static size_t secret_count;

static int look_for_secrets(const char *path, const struct stat *st, int type, struct FTW *at)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1u << 28);
    (void)at;
    if (type != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    assert_ok(btz_file_read(path, 1u << 28, &bytes));
    for (size_t i = 0; i < secret_count; i++)
        if (btz_slice_has(btz_buf_slice(&bytes), secrets[i]))
            fail_msg("%s holds a secret (%zu) in clear", path, i);
    return 0;
}

static void test_nothing_in_clear(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], link[BTZ_TOKEN_TEXT], code[16], ticket[BTZ_TOKEN_TEXT];
    BTZ_BUF_RELEASE struct btz_buf base32 = BTZ_BUF(100);
    const char *base32_text;
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    r = ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    snprintf(code, sizeof code, "%s",
             json_string_value(json_array_get(json_object_get(r.out, "codes"), 0)));
    invite(s, "alice", link);
    assert_int_equal(sign_in(s, "alice", "a password that is wrong").err, BTZ_DENIED);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(ticket, r.ticket, sizeof ticket);
    assert_ok(btz_base32(btz_slice_of(app.secret, app.len), &base32));
    assert_ok(btz_buf_cstr(&base32, &base32_text));
    secrets[0] = PASSWORD;
    secrets[1] = "a password that is wrong";
    secrets[2] = token;
    secrets[3] = link;
    secrets[4] = code;
    secrets[5] = ticket;
    secrets[6] = base32_text;
    secret_count = 7;
    site_reopen(s);
    nftw(s->dir, look_for_secrets, 16, FTW_PHYS);
    site_free(s);
}

/* ---- kill -9 ---- */

/* A child enrols, then changes its password again and again, and is killed at some moment. */
static void child(struct site *s, const char *link)
{
    char password[64] = PASSWORD, next[64], token[BTZ_TOKEN_TEXT];
    struct reply r;

    site_open(s);
    r = enrol(s, link, password);
    if (r.err != BTZ_OK)
        _exit(3);
    memcpy(token, r.token, sizeof token);
    for (unsigned i = 0;; i++) {
        snprintf(next, sizeof next, "horse battery number %u", i);
        r = ask_as(s, session_of(s, token), "me.password",
                   json_pack("{s:s,s:s}", "current", password, "new", next));
        if (r.err != BTZ_OK)
            _exit(3);
        memcpy(token, r.token, sizeof token);
        memcpy(password, next, sizeof password);
    }
}

static void assert_whole(struct site *s, const char *link)
{
    char password[64] = PASSWORD;
    bool found = false;

    site_open(s);
    if (enrol(s, link, "given after the fall").err == BTZ_OK) {
        /* Nothing had happened: no password was there, and the link was good. */
        found = sign_in(s, "alice", "given after the fall").err == BTZ_OK;
    } else {
        for (unsigned i = 0; i < 200 && !found; i++) {
            s->now_ms += 20 * MINUTE; /* no back-off */
            found = sign_in(s, "alice", password).err == BTZ_OK;
            snprintf(password, sizeof password, "horse battery number %u", i);
        }
    }
    assert_true(found);
    assert_string_equal(value_of(s, "SELECT COUNT(*) FROM credentials", NULL, NULL), "1");
}

static void test_kill(void **state)
{
    struct btz_rng rng;
    (void)state;
    btz_rng_init(&rng, 11, 0);
    for (int round = 0; round < 12; round++) {
        struct site *s = site_new("{}");
        char link[BTZ_TOKEN_TEXT];
        pid_t pid;
        int status;

        ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "alice"));
        invite(s, "alice", link);
        btz_access_close(s->access);
        s->access = NULL;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child(s, link);
        usleep(btz_rng_below(&rng, 600000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_whole(s, link);
        site_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_password_guessing),
        cmocka_unit_test(test_parallel_guessing),
        cmocka_unit_test(test_totp_guessing),
        cmocka_unit_test(test_ways_around_back_off),
        cmocka_unit_test(test_spraying),
        cmocka_unit_test(test_enumeration),
        cmocka_unit_test(test_enumeration_everywhere),
        cmocka_unit_test(test_timing),
        cmocka_unit_test(test_fixation),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_disabled_between),
        cmocka_unit_test(test_clock_forward_and_back),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_clock_skew),
        cmocka_unit_test(test_sql_in_every_field),
        cmocka_unit_test(test_nothing_in_clear),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
