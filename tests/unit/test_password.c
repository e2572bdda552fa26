/* Passwords: hashes of the reference implementation, equal work for unknown people, bounded memory, stolen lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include <openssl/sha.h>

#include "access/identity.h"

#define PASSWORD "correct horse battery"

static struct btz_hasher *hasher(unsigned concurrent, unsigned waiting, unsigned wait_ms)
{
    struct btz_hasher *h;

    assert_int_equal(btz_hasher_new(concurrent, waiting, wait_ms, &h), BTZ_OK);
    return h;
}

/* Made by argon2(1) of the authors of Argon2: echo -n PASSWORD | argon2 somesalt12345678 -id -k M -t T -p P -e */
static void test_reference(void **state)
{
    static const struct {
        const char *password, *phc;
        enum btz_err expected;
        bool stale;
    } rows[] = {
        { PASSWORD,
          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
          "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
          BTZ_OK, false },
        { PASSWORD,
          "$argon2id$v=19$m=32768,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$Zz9pADK9Lx+"
          "XUoL+kHS9SOntrFwUz8tHeyJWEPQiVhE",
          BTZ_OK, true },
        { PASSWORD,
          "$argon2id$v=19$m=47104,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$"
          "lvLpmNEit9iHigxPQJPvReamHzEPQPRG+kFM06zmBOk",
          BTZ_OK, true },
        { PASSWORD,
          "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQxMjM0NTY3OA$"
          "YxDZn0Rz2v+YgICurg1RsGNYwM34Ji+3JE/AJ9upt+8",
          BTZ_INPUT, false }, /* four lanes: not ours */
        { "p\xC3\xA4ssw\xC3\xB6rd l\xC3\xA4nger",
          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$"
          "CKdHWkDykWRGI2+IIdDdGbOBzW3JdLm/bQCDbhdeSMc",
          BTZ_OK, false },
        /* The same letters as another system composes them. */
        { "pa\xCC\x88sswo\xCC\x88rd la\xCC\x88nger",
          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$"
          "CKdHWkDykWRGI2+IIdDdGbOBzW3JdLm/bQCDbhdeSMc",
          BTZ_OK, false },
        { PASSWORD "!",
          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
          "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
          BTZ_DENIED, false },
    };
    struct btz_hasher *h = hasher(1, 0, 0);
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(rows); i++) {
        bool stale = false;

        assert_int_equal(btz_password_verify(h, rows[i].phc, btz_str(rows[i].password), &stale),
                         rows[i].expected);
        assert_int_equal(stale, rows[i].stale);
    }
    btz_hasher_free(h);
}

static void test_own(void **state)
{
    struct btz_hasher *h = hasher(2, 0, 0);
    char phc[BTZ_PASSWORD_HASH_TEXT], other[BTZ_PASSWORD_HASH_TEXT];
    struct btz_password_params params;
    char *longest = calloc(1, BTZ_PASSWORD_MAX + 2);
    bool stale = true;
    (void)state;
    assert_int_equal(btz_password_hash(h, btz_str(PASSWORD), phc), BTZ_OK);
    assert_int_equal(btz_password_hash(h, btz_str(PASSWORD), other), BTZ_OK);
    assert_string_not_equal(phc, other); /* salted */
    assert_memory_equal(phc, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_int_equal(btz_password_params(phc, &params), BTZ_OK);
    assert_int_equal(params.memory_kib, 19456);
    assert_int_equal(params.passes, 2);
    assert_int_equal(btz_password_verify(h, phc, btz_str(PASSWORD), &stale), BTZ_OK);
    assert_false(stale);
    assert_int_equal(btz_password_verify(h, phc, btz_str("Correct horse battery"), &stale),
                     BTZ_DENIED);
    assert_int_equal(btz_password_verify(h, phc, btz_str(""), NULL), BTZ_DENIED);
    /* Nothing is cut off: the last letter counts. */
    memset(longest, 'x', BTZ_PASSWORD_MAX + 1);
    assert_int_equal(btz_password_hash(h, btz_slice_of(longest, BTZ_PASSWORD_MAX), phc), BTZ_OK);
    assert_int_equal(btz_password_verify(h, phc, btz_slice_of(longest, BTZ_PASSWORD_MAX), NULL),
                     BTZ_OK);
    assert_int_equal(btz_password_verify(h, phc, btz_slice_of(longest, BTZ_PASSWORD_MAX - 1), NULL),
                     BTZ_DENIED);
    assert_int_equal(btz_password_verify(h, phc, btz_slice_of(longest, BTZ_PASSWORD_MAX + 1), NULL),
                     BTZ_DENIED);
    assert_int_equal(btz_password_hash(h, btz_slice_of(longest, BTZ_PASSWORD_MAX + 1), phc),
                     BTZ_LIMIT);
    /* Zero bytes and ill-formed UTF-8 are bytes like others. */
    assert_int_equal(btz_password_hash(h, btz_slice_of("a\0b\xFF", 4), phc), BTZ_OK);
    assert_int_equal(btz_password_verify(h, phc, btz_slice_of("a\0b\xFF", 4), NULL), BTZ_OK);
    assert_int_equal(btz_password_verify(h, phc, btz_slice_of("a\0c\xFF", 4), NULL), BTZ_DENIED);
    free(longest);
    btz_hasher_free(h);
}

static void test_damaged(void **state)
{
    static const char *const wrong[] = {
        "x",
        "$",
        "$argon2id$",
        "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        /* 4 TiB of memory; 4 billion passes */
        "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        "$argon2id$v=19$m=19456,t=4294967295,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        "$argon2id$v=19$m=019456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$",
        "$argon2id$v=19$m=19456,t=2,p=1$$TF2s+BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g$",
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQxMjM0NTY3OA$TF2s+"
        "BxXXkq+AjpBEgc5wHOhZK9bDkPqMKd49TXum2g=",
    };
    struct btz_hasher *h = hasher(1, 0, 0);
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++)
        assert_int_equal(btz_password_verify(h, wrong[i], btz_str(PASSWORD), NULL), BTZ_INPUT);
    assert_int_equal(btz_hasher_count(h), 0);
    btz_hasher_free(h);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/*
 * Somebody unknown costs what somebody known costs: one hash each, and medians of interleaved times that lie together
 * (a forgotten dummy hash would be a factor of ten thousand; the threshold is 2 because machines are noisy). The rank
 * sum is computed as in Mann-Whitney: with equal work it lies near its middle whatever the noise, since both kinds
 * alternate; without the dummy every time of one kind is below every time of the other.
 */
static void test_unknown_and_known_cost_the_same(void **state)
{
    enum { N = 30 };
    struct btz_hasher *h = hasher(1, 0, 0);
    char phc[BTZ_PASSWORD_HASH_TEXT];
    uint64_t known[N], unknown[N], begun, wins = 0;
    (void)state;
    assert_int_equal(btz_password_hash(h, btz_str(PASSWORD), phc), BTZ_OK);
    for (int i = 0; i < N; i++) {
        uint64_t t0 = btz_clock_ns(), t1, t2;

        begun = btz_hasher_count(h);
        assert_int_equal(btz_password_verify(h, phc, btz_str("wrong horse battery"), NULL),
                         BTZ_DENIED);
        assert_int_equal(btz_hasher_count(h), begun + 1);
        t1 = btz_clock_ns();
        assert_int_equal(
            btz_password_verify(h, i % 2 ? NULL : "", btz_str("wrong horse battery"), NULL),
            BTZ_DENIED);
        assert_int_equal(btz_hasher_count(h), begun + 2);
        t2 = btz_clock_ns();
        known[i] = t1 - t0;
        unknown[i] = t2 - t1;
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            wins += known[i] > unknown[j];
    qsort(known, N, sizeof known[0], by_value);
    qsort(unknown, N, sizeof unknown[0], by_value);
    assert_true(known[N / 2] < 2 * unknown[N / 2]);
    assert_true(unknown[N / 2] < 2 * known[N / 2]);
    assert_true(wins > N * N / 100 && wins < N * N - N * N / 100);
    /* The detail is the same as well. */
    assert_int_equal(btz_password_verify(h, phc, btz_str("wrong horse battery"), NULL), BTZ_DENIED);
    snprintf(phc, sizeof phc, "%s", btz_error_detail());
    assert_int_equal(btz_password_verify(h, NULL, btz_str("wrong horse battery"), NULL),
                     BTZ_DENIED);
    assert_string_equal(phc, btz_error_detail());
    btz_hasher_free(h);
}

/* ---- ten thousand at once ---------------------------------------------------------------------------------------- */

enum { CROWD = 10000, CONCURRENT = 2, WAITING = 60 };
struct crowd {
    struct btz_hasher *h;
    const char *phc;
    pthread_mutex_t gate;
    atomic_uint ok, denied, limit, other, ready;
};

static void *ask(void *arg)
{
    struct crowd *c = arg;
    unsigned number = atomic_fetch_add(&c->ready, 1);
    enum btz_err err;

    pthread_mutex_lock(&c->gate); /* held until all are there */
    pthread_mutex_unlock(&c->gate);
    err = btz_password_verify(c->h, number % 3 ? c->phc : NULL,
                              btz_str(number % 3 == 1 ? PASSWORD : "no"), NULL);
    atomic_fetch_add(err == BTZ_OK       ? &c->ok
                     : err == BTZ_DENIED ? &c->denied
                     : err == BTZ_LIMIT  ? &c->limit
                                         : &c->other,
                     1);
    return NULL;
}

static long peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void test_crowd(void **state)
{
    struct crowd c = { .h = hasher(CONCURRENT, WAITING, 60000), .gate = PTHREAD_MUTEX_INITIALIZER };
    char phc[BTZ_PASSWORD_HASH_TEXT];
    pthread_t *threads = calloc(CROWD, sizeof *threads);
    unsigned started = 0, begun;
    pthread_attr_t small;
    long before;
    (void)state;
    assert_int_equal(btz_password_hash(c.h, btz_str(PASSWORD), phc), BTZ_OK);
    c.phc = phc;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 128 * 1024);
    pthread_mutex_lock(&c.gate);
    while (started < CROWD && pthread_create(&threads[started], &small, ask, &c) == 0)
        started++;
    while (atomic_load(&c.ready) < started)
        usleep(1000);
    before = peak_kib();
    pthread_mutex_unlock(&c.gate);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&small);
    begun = (unsigned)btz_hasher_count(c.h) - 1;
    assert_true(started >= 1000); /* as many as the system allows */
    assert_int_equal(c.ok + c.denied + c.limit, started);
    assert_int_equal(c.other, 0);
    assert_int_equal(c.ok + c.denied, begun);
    assert_true(begun >= CONCURRENT + WAITING || started < CROWD);
    /* Each hash holds 19 MiB, the threads' own stacks some pages more: without the cap this would be 190 GiB. */
    assert_true(peak_kib() - before < CONCURRENT * 19456 + (long)started * 24 + 32 * 1024);
    print_message("# %u callers: %u hashed, %u turned away, peak grew by %ld KiB\n", started, begun,
                  c.limit, peak_kib() - before);
    free(threads);
    btz_hasher_free(c.h);
}

static void *hold(void *arg)
{
    char phc[BTZ_PASSWORD_HASH_TEXT];

    for (int i = 0; i < 20; i++)
        if (btz_password_hash(arg, btz_str(PASSWORD), phc) != BTZ_OK)
            return arg;
    return NULL;
}

/* Whoever waits gets the place in time; whoever may not wait is told at once; times out after `wait_ms`. */
static void test_waiting(void **state)
{
    struct btz_hasher *h = hasher(1, 1, 60000);
    char phc[BTZ_PASSWORD_HASH_TEXT];
    pthread_t thread;
    void *result = h;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, hold, h), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(btz_password_hash(h, btz_str(PASSWORD), phc), BTZ_OK);
    pthread_join(thread, &result);
    assert_null(result);
    btz_hasher_free(h);
    assert_int_equal(btz_hasher_new(0, 1, 1, &h), BTZ_USAGE);
}

/* ---- in order ---------------------------------------------------------------------------------------------------- */

enum { RUNNERS = 4, TURNS = 80 };
struct runner {
    struct btz_hasher *h;
    atomic_uint *turns;
    unsigned mine;
};

static void *take_turns(void *arg)
{
    struct runner *r = arg;
    char phc[BTZ_PASSWORD_HASH_TEXT];

    while (atomic_fetch_add(r->turns, 1) < TURNS)
        if (btz_password_hash(r->h, btz_str(PASSWORD), phc) == BTZ_OK)
            r->mine++;
    return NULL;
}

/* Who leaves and comes back at once does not overtake who waits: each gets about his share. */
static void test_fair(void **state)
{
    struct btz_hasher *h = hasher(1, RUNNERS, 60000);
    struct runner runners[RUNNERS];
    pthread_t threads[RUNNERS];
    atomic_uint turns = 0;
    (void)state;
    for (size_t i = 0; i < RUNNERS; i++) {
        runners[i] = (struct runner){ .h = h, .turns = &turns };
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &runners[i]), 0);
    }
    for (size_t i = 0; i < RUNNERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < RUNNERS; i++)
        assert_true(runners[i].mine >= TURNS / RUNNERS / 2);
    btz_hasher_free(h);
}

/* ---- which passwords may be chosen ------------------------------------------------------------------------------- */

static void test_choice(void **state)
{
    static const struct {
        const char *password, *user;
        enum btz_err expected;
    } rows[] = {
        { "correct horse", "alice", BTZ_OK },
        { "elevenchars", "alice", BTZ_USAGE },
        { "twelve chars", "alice", BTZ_OK },
        { "\xC3\xA4\xC3\xA4\xC3\xB6\xC3\xB6\xC3\xBC\xC3\xBC", "alice",
          BTZ_USAGE }, /* six letters */
        { "aaaaaaaaaaaaaaaa", "alice", BTZ_USAGE },
        { "abababababababab", "alice", BTZ_USAGE },
        { "Bartizan2026!", "alice", BTZ_USAGE },
        { "bartizanbartizan", "alice", BTZ_USAGE },
        { "bartizan is my home", "alice", BTZ_OK },
        { "Alice.Cooper1", "alice.cooper", BTZ_USAGE },
        { "alice.cooperALICE.COOPER12", "alice.cooper", BTZ_USAGE },
        { "alice.cooper likes tea", "alice.cooper", BTZ_OK },
        { "a cat on a mat", "at", BTZ_OK }, /* short names are everywhere */
        { "correct\xFFhorse", "alice", BTZ_USAGE },
        { "correct horse", NULL, BTZ_OK },
    };
    char longest[BTZ_PASSWORD_MAX + 2];
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(rows); i++)
        assert_int_equal(btz_password_check(btz_str(rows[i].password), rows[i].user, NULL),
                         rows[i].expected);
    assert_int_equal(btz_password_check(btz_slice_of("correct\0horse", 13), "alice", ""),
                     BTZ_USAGE);
    assert_int_equal(btz_password_check(btz_str(NULL), "alice", NULL), BTZ_USAGE);
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = (char)('a' + i % 26);
    assert_int_equal(btz_password_check(btz_slice_of(longest, BTZ_PASSWORD_MAX), "alice", NULL),
                     BTZ_OK);
    assert_int_equal(btz_password_check(btz_slice_of(longest, BTZ_PASSWORD_MAX + 1), "alice", NULL),
                     BTZ_USAGE);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

enum { LISTED = 3000 };
static char listed[LISTED][41];

static void sha1_hex(const char *text, char out[41])
{
    uint8_t digest[20];

    SHA1((const uint8_t *)text, strlen(text), digest);
    for (int i = 0; i < 20; i++)
        snprintf(out + 2 * i, 3, "%02X", digest[i]);
}

/* `form` as for printf, with the digest and a number. */
static void write_list(const char *path, size_t count, const char *end, bool counts, bool last_end)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (size_t i = 0; i < count; i++) {
        fputs(listed[i], f);
        if (counts)
            fprintf(f, ":%zu", i % 5 ? i : i * 1000000);
        if (i + 1 < count || last_end)
            fputs(end, f);
    }
    assert_int_equal(fclose(f), 0);
}

static void test_breached(void **state)
{
    char path[] = "/tmp/btz-breached-XXXXXX", word[40];
    int fd = mkstemp(path);
    bool found;
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < LISTED; i++) {
        snprintf(word, sizeof word, "stolen password %d", i);
        sha1_hex(word, listed[i]);
    }
    qsort(listed, LISTED, sizeof listed[0], by_text);
    for (unsigned form = 0; form < 8; form++) {
        static const size_t sizes[] = { 0, 1, 2, 3, LISTED };

        for (size_t s = 0; s < BTZ_COUNT(sizes); s++) {
            unsigned hits = 0, expected = 0;

            write_list(path, sizes[s], form & 1 ? "\r\n" : "\n", form & 2, form & 4);
            for (int i = -300; i < LISTED; i += sizes[s] == LISTED ? 1 : 7) {
                char hex[41];

                snprintf(word, sizeof word, "stolen password %d", i);
                sha1_hex(word, hex);
                expected += bsearch(hex, listed, sizes[s], sizeof listed[0], by_text) != NULL;
                assert_int_equal(btz_breached_has(path, btz_str(word), &found), BTZ_OK);
                hits += found;
            }
            assert_int_equal(hits, expected);
        }
    }
    assert_int_equal(btz_password_check(btz_str("stolen password 77"), "alice", path), BTZ_USAGE);
    assert_int_equal(btz_password_check(btz_str("own password 77"), "alice", path), BTZ_OK);
    unlink(path);
    /* A list that was configured and is not there must not pass for "not stolen". */
    assert_int_equal(btz_password_check(btz_str("own password 77"), "alice", path), BTZ_IO);
    assert_int_equal(btz_breached_has("/tmp", btz_str("x"), &found), BTZ_IO);
    assert_int_equal(btz_breached_has("/dev/zero", btz_str("x"), &found), BTZ_IO);
}

static void test_no_list(void **state)
{
    static const char *const wrong[] = { "\n",
                                         "hello\n",
                                         "password\npassword1\n",
                                         "000000000000000000000000000000000000000\n",
                                         "00000000000000000000000000000000000000000\n",
                                         "0000000000000000000000000000000000000000 1\n" };
    char path[] = "/tmp/btz-breached-XXXXXX", *endless = malloc(100000);
    int fd = mkstemp(path);
    bool found;
    (void)state;
    close(fd);
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++) {
        assert_int_equal(btz_file_write(path, btz_str(wrong[i]), 0600), BTZ_OK);
        assert_int_equal(btz_breached_has(path, btz_str("x"), &found), BTZ_INPUT);
    }
    memset(endless, '0', 100000);
    assert_int_equal(btz_file_write(path, btz_slice_of(endless, 100000), 0600), BTZ_OK);
    assert_int_equal(btz_breached_has(path, btz_str("x"), &found), BTZ_INPUT);
    free(endless);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_own),
        cmocka_unit_test(test_damaged),   cmocka_unit_test(test_unknown_and_known_cost_the_same),
        cmocka_unit_test(test_crowd),     cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_fair),      cmocka_unit_test(test_choice),
        cmocka_unit_test(test_breached),  cmocka_unit_test(test_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
