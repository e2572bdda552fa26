/* Limits among threads and processes: exact, and whole after kill -9 at whatever instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "limits_place.h"

#define START 1800000000000ULL

static void wait_for(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void *shared_memory(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

static struct btz_limit_conf all_kinds(void)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");

    c.requests_per_minute = c.tokens_per_minute = 1000000000;
    c.concurrency = 1000;
    c.budget = 1e6;
    return c;
}

/* ---- exactly as many as fit ---- */

static struct btz_limit_conf ten_of(int kind)
{
    struct btz_limit_conf c = no_limit(BTZ_LIMIT_PRINCIPAL, "*");

    if (kind == 0)
        c.requests_per_minute = 10;
    else if (kind == 1)
        c.tokens_per_minute = 109;
    else if (kind == 2)
        c.concurrency = 10;
    else
        c.budget = 0.000109;
    return c;
}

struct crowd {
    struct btz_limits *l;
    _Atomic size_t *passed;
    _Atomic bool *go;
    size_t each;
};

static void *ask_all(void *user)
{
    const struct crowd *c = user;

    while (!*c->go)
        usleep(50);
    for (size_t i = 0; i < c->each; i++) {
        struct btz_lease lease;
        struct btz_refusal why;
        enum btz_err err = ask(c->l, "admin", 10, 10, START + i, &lease, &why);

        if (err != BTZ_OK && err != BTZ_LIMIT)
            *c->passed += 1000;
        *c->passed += err == BTZ_OK;
    }
    return NULL;
}

static void test_threads(void **state)
{
    _Atomic size_t passed;
    _Atomic bool go;
    (void)state;

    for (int kind = 0; kind < 4; kind++) {
        struct btz_limit_conf conf = ten_of(kind);
        struct crowd crowd = { .passed = &passed, .go = &go, .each = 125 };
        pthread_t thread[8];
        struct place p;

        place_new(&p);
        crowd.l = open_limits(&p, &conf, 1);
        passed = 0;
        go = false;
        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, ask_all, &crowd), 0);
        go = true;
        for (int i = 0; i < 8; i++)
            pthread_join(thread[i], NULL);
        assert_int_equal(passed, 10);
        btz_limits_close(crowd.l);
        place_remove(&p);
    }
}

/* 1, 4 and 8 processes; each opens the file itself, all at once, and it is not there yet. */
static void test_processes(void **state)
{
    struct {
        _Atomic size_t passed;
        _Atomic int done;
        _Atomic bool go;
    } *shared = shared_memory();
    static const int workers[] = { 1, 4, 8 };
    (void)state;

    for (int n = 0; n < 12; n++) {
        struct btz_limit_conf conf = ten_of(n % 4);
        int count = workers[n / 4];
        struct place p;
        pid_t child[8];

        place_new(&p);
        shared->passed = 0;
        shared->done = 0;
        shared->go = false;
        for (int i = 0; i < count; i++) {
            child[i] = fork();
            if (child[i] == 0) {
                struct crowd c = { .passed = &shared->passed, .go = &shared->go };

                c.each = 1000 / (size_t)count;
                while (!shared->go)
                    usleep(50);
                if (btz_limits_open_sized(p.path, &conf, 1, 256, 64, &c.l) != BTZ_OK)
                    _exit(1);
                ask_all(&c);
                shared->done++;
                while (shared->done < count) /* one that ends gives its share back */
                    usleep(100);
                _exit(0);
            }
        }
        shared->go = true;
        for (int i = 0; i < count; i++)
            wait_for(child[i]);
        assert_int_equal(shared->passed, 10);
        place_remove(&p);
    }
    munmap(shared, 4096);
}

/* ---- kill -9 at every instruction ---- */

struct sums {
    uint64_t requests, tokens, concurrency, budget;
};

static struct sums sums_of(struct btz_limits *l)
{
    return (struct sums){ used(l, BTZ_LIMIT_REQUESTS_PER_MINUTE, "al", START),
                          used(l, BTZ_LIMIT_TOKENS_PER_MINUTE, "al", START),
                          used(l, BTZ_LIMIT_CONCURRENCY, "al", START),
                          used(l, BTZ_LIMIT_BUDGET, "al", START) };
}

enum doing { RESERVE, SETTLE, RELEASE };

/* A child that stops before it begins, holding a lease where it is to end one. */
static pid_t traced(struct btz_limits *l, enum doing what)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct btz_lease lease = { 0 };
        struct btz_refusal why;

        if (what != RESERVE && ask(l, "al", 7, 9, START, &lease, &why) != BTZ_OK)
            _exit(1);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(99);
        raise(SIGSTOP);
        if (what == RESERVE && ask(l, "al", 7, 9, START, &lease, &why) != BTZ_OK)
            _exit(1);
        if (what == SETTLE)
            btz_limits_settle(l, &lease, 70, 90, START);
        if (what == RELEASE)
            btz_limits_release(l, &lease, START);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSTOPPED(status) ? child : -1;
}

static bool step(pid_t child)
{
    int status;

    return ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0 &&
           waitpid(child, &status, 0) == child && WIFSTOPPED(status);
}

static bool is_locked(const struct btz_limits *l)
{
    return l->head->lock.__data.__lock != 0;
}

/* The steps between which the lock is held. */
static bool find_section(struct btz_limits *l, enum doing what, size_t *from, size_t *to)
{
    pid_t child = traced(l, what);
    size_t n = 0;

    *from = *to = 0;
    if (child < 0)
        return false;
    while (step(child)) {
        n++;
        if (is_locked(l)) {
            *from = *from ? *from : n;
            *to = n;
        } else if (*to) {
            break; /* the rest is of no interest */
        }
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    btz_limits_reap(l);
    return *to > 0;
}

/* Whole or not at all, whatever was half done; and what was held at once is given back. */
static void check_killed(struct btz_limits *l, enum doing what, const struct sums *before,
                         bool *done)
{
    struct sums now;

    btz_limits_reap(l);
    now = sums_of(l);
    assert_int_equal(now.concurrency, before->concurrency);
    if (what == RESERVE) {
        *done = now.requests != before->requests;
        assert_int_equal(now.requests, before->requests + *done);
        assert_int_equal(now.tokens, before->tokens + 7 * *done);
        assert_int_equal(now.budget, before->budget + 9 * *done);
        return;
    }
    /* The child had reserved before. */
    *done = now.tokens != before->tokens + 7;
    assert_int_equal(now.requests, before->requests + !(*done && what == RELEASE));
    assert_int_equal(now.tokens, before->tokens + (!*done ? 7 : what == SETTLE ? 70 : 0));
    assert_int_equal(now.budget, before->budget + (!*done ? 9 : what == SETTLE ? 90 : 0));
}

static void kill_at(struct btz_limits *l, enum doing what, size_t at, size_t counts[2],
                    size_t *halves)
{
    struct sums before = sums_of(l);
    pid_t child = traced(l, what);
    struct btz_lease lease;
    struct btz_refusal why;
    bool done;

    assert_true(child > 0);
    while (at-- > 0 && step(child))
        ;
    *halves += l->head->old_count > 0;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    /* Somebody else is next, and finds it in order. */
    assert_int_equal(ask(l, "other", 1, 1, START, &lease, &why), BTZ_OK);
    btz_limits_release(l, &lease, START);
    check_killed(l, what, &before, &done);
    counts[done]++;
}

static void test_killed_inside(void **state)
{
    struct btz_limit_conf conf = all_kinds();
    size_t counts[2] = { 0 }, halves = 0;
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct btz_rng r;
    struct place p;
    (void)state;

    place_new(&p);
    btz_rng_init(&r, 5, 0);
    l = open_limits(&p, &conf, 1);
    assert_int_equal(ask(l, "al", 7, 9, START, &lease, &why), BTZ_OK);
    for (int what = RESERVE; what <= RELEASE; what++) {
        size_t from, to;

        if (!find_section(l, (enum doing)what, &from, &to)) {
            btz_limits_close(l);
            place_remove(&p);
            skip(); /* no ptrace here */
        }
        for (int i = 0; i < 20; i++) {
            /* The first one after it was done. */
            size_t at = i == 0 ? to + 400 : from - 2 + btz_rng_below(&r, (uint32_t)(to - from + 6));

            kill_at(l, (enum doing)what, at, counts, &halves);
        }
    }
    print_message("# killed before %zu, in the middle %zu, after %zu\n", counts[0] - halves, halves,
                  counts[1]);
    assert_true(counts[0] > halves && counts[1] >= 3 && halves > 5);
    btz_limits_close(l);
    place_remove(&p);
}

/* ---- kill -9 at whatever moment ---- */

struct tally {
    _Atomic uint64_t confirmed, begun;
};

static void work(struct btz_limits *l, struct tally *t)
{
    for (;;) {
        struct btz_lease lease;
        struct btz_refusal why;

        t->begun++;
        if (ask(l, "al", 100, 100, START, &lease, &why) != BTZ_OK)
            _exit(1);
        btz_limits_settle(l, &lease, 40, 40, START);
        t->confirmed++;
    }
}

static void test_killed_anytime(void **state)
{
    struct btz_limit_conf conf = all_kinds();
    struct tally *tally = shared_memory();
    uint64_t least = 0, open = 0;
    struct btz_limits *l;
    struct btz_rng r;
    struct sums now;
    struct place p;
    (void)state;

    place_new(&p);
    btz_rng_init(&r, 6, 0);
    l = open_limits(&p, &conf, 1);
    for (int round = 0; round < 20; round++) {
        pid_t child[4];

        memset((void *)tally, 0, 4 * sizeof *tally);
        for (int i = 0; i < 4; i++) {
            child[i] = fork();
            if (child[i] == 0)
                work(l, &tally[i]);
        }
        usleep(btz_rng_below(&r, 6000));
        for (int i = 0; i < 4; i++) {
            int status;

            kill(child[i], SIGKILL);
            assert_int_equal(waitpid(child[i], &status, 0), child[i]);
            assert_true(WIFSIGNALED(status));
            least += tally[i].confirmed;
            open += tally[i].begun - tally[i].confirmed;
        }
        btz_limits_reap(l);
        now = sums_of(l);
        /* Nothing that was done is lost; of each that was killed at most what it had in flight is there. */
        assert_int_equal(now.concurrency, 0);
        assert_true(now.requests >= least && now.requests <= least + open);
        assert_true(now.tokens >= 40 * least && now.tokens <= 40 * least + 100 * open);
        assert_int_equal(now.tokens, now.budget);
    }
    print_message("# %" PRIu64 " requests, %" PRIu64 " in flight when their process was killed\n",
                  least, open);
    assert_true(least > 0 && open > 0);
    btz_limits_close(l);
    place_remove(&p);
    munmap(tally, 4096);
}

/* ---- who is dead ---- */

static pid_t hold_and_die(struct btz_limits *l, int how)
{
    pid_t child = fork();

    if (child == 0) {
        struct btz_lease lease;
        struct btz_refusal why;

        if (ask(l, "al", 1, 1, START, &lease, &why) != BTZ_OK)
            _exit(1);
        if (how == SIGKILL)
            raise(SIGKILL);
        _exit(0);
    }
    return child;
}

static void test_dead(void **state)
{
    struct btz_limit_conf conf = all_kinds();
    struct btz_lease mine;
    struct btz_refusal why;
    struct btz_limits *l;
    siginfo_t info;
    struct place p;
    pid_t child;
    (void)state;

    place_new(&p);
    l = open_limits(&p, &conf, 1);
    assert_int_equal(ask(l, "al", 1, 1, START, &mine, &why), BTZ_OK);
    /* Dead and waited for; dead and not yet waited for. */
    wait_for(hold_and_die(l, 0));
    assert_int_equal(sums_of(l).concurrency, 2);
    btz_limits_reap(l);
    assert_int_equal(sums_of(l).concurrency, 1);
    child = hold_and_die(l, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(sums_of(l).concurrency, 2);
    btz_limits_reap(l);
    assert_int_equal(sums_of(l).concurrency, 1);
    waitpid(child, NULL, 0);
    /* Another process with the number of a dead one. */
    l->leases[mine.entry].started++;
    btz_limits_reap(l);
    assert_int_equal(sums_of(l).concurrency, 0);
    /* What was given back for somebody is not given back again by him. */
    assert_int_equal(ask(l, "al", 1, 1, START, &mine, &why), BTZ_OK);
    l->owners[mine.entry] = 0;
    btz_limits_settle(l, &mine, 1, 1, START);
    assert_int_equal(sums_of(l).concurrency, 1);
    btz_limits_close(l);
    /* Nobody has it open: whatever was held is free. */
    l = open_limits(&p, &conf, 1);
    assert_int_equal(sums_of(l).concurrency, 0);
    assert_int_equal(sums_of(l).requests, 4);
    btz_limits_close(l);
    place_remove(&p);
}

/* The only one that has it open dies with the lock, half done: the next one that opens it does not wait for ever. */
static void test_dead_alone(void **state)
{
    struct btz_limit_conf conf = all_kinds();
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    pid_t child;
    (void)state;

    place_new(&p);
    child = fork();
    if (child == 0) {
        l = open_limits(&p, &conf, 1);
        if (ask(l, "al", 7, 9, START, &lease, &why) != BTZ_OK || btz_table_lock(l) != BTZ_OK)
            _exit(1);
        for (uint32_t i = 0; i < l->slot_count; i++)
            if (l->tags[i])
                btz_table_set64(l, &l->slots[i].used, 12345);
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    l = open_limits(&p, &conf, 1);
    assert_int_equal(sums_of(l).budget, 9);
    assert_int_equal(sums_of(l).tokens, 7);
    assert_int_equal(sums_of(l).concurrency, 0);
    assert_int_equal(ask(l, "al", 7, 9, START, &lease, &why), BTZ_OK);
    btz_limits_close(l);
    place_remove(&p);
}

/* Nobody looks for the dead: whoever would be refused because of them does, once a second. */
static void test_dead_in_the_way(void **state)
{
    struct btz_limit_conf conf = no_limit(BTZ_LIMIT_PRINCIPAL, "*");
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;
    struct place p;
    (void)state;

    conf.concurrency = 1;
    place_new(&p);
    l = open_limits(&p, &conf, 1);
    wait_for(hold_and_die(l, 0));
    assert_int_equal(ask(l, "al", 0, 0, START, &lease, &why), BTZ_OK);
    assert_int_equal(ask(l, "al", 0, 0, START, &lease, &why), BTZ_LIMIT);
    btz_limits_close(l);
    place_remove(&p);
}

/* No room for another lease: refused, and it says so; given back, there is room. */
static void test_leases_full(void **state)
{
    struct btz_limit_conf conf = all_kinds();
    struct btz_lease lease[65];
    struct btz_refusal why;
    struct btz_limits *l;
    struct sums before;
    struct place p;
    (void)state;

    place_new(&p);
    l = open_limits(&p, &conf, 1);
    for (int i = 0; i < 64; i++)
        assert_int_equal(ask(l, "al", 1, 1, START, &lease[i], &why), BTZ_OK);
    before = sums_of(l);
    assert_int_equal(ask(l, "al", 1, 1, START, &lease[64], &why), BTZ_LIMIT);
    assert_int_equal(why.scope, BTZ_LIMIT_EVERYTHING);
    assert_int_equal(why.limit, 64);
    assert_int_equal(sums_of(l).requests, before.requests);
    btz_limits_settle(l, &lease[20], 1, 1, START);
    assert_int_equal(ask(l, "al", 1, 1, START, &lease[20], &why), BTZ_OK);
    for (int i = 0; i < 64; i++)
        btz_limits_release(l, &lease[i], START);
    assert_int_equal(sums_of(l).concurrency, 0);
    assert_int_equal(sums_of(l).requests, 1); /* the one that was settled */
    btz_limits_close(l);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_processes),
        cmocka_unit_test(test_killed_inside), cmocka_unit_test(test_killed_anytime),
        cmocka_unit_test(test_dead),          cmocka_unit_test(test_dead_alone),
        cmocka_unit_test(test_leases_full),   cmocka_unit_test(test_dead_in_the_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
