/*
 * Writers that are killed: at each step of a commit, and at any instant. Every acknowledged entry must be there,
 * every checkpoint ever published must be continued by the next, and no group may appear in part.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "ledger_fixture.h"

/* ---- one step at a time ---- */

struct stop {
    unsigned left;
};

static void stop_here(void *user, const char *what)
{
    struct stop *s = user;

    (void)what;
    if (s->left-- == 0)
        kill(getpid(), SIGKILL);
}

/* Appends a group in a process that dies at step k; false when it got to the end. */
static bool append_and_die(const char *dir, uint64_t from, uint64_t to, unsigned k)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct stop s = { k };
        struct btz_ledger *l;

        if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_OK)
            _exit(1);
        l->step = stop_here;
        l->step_user = &s;
        append_range(l, from, to);
        btz_ledger_close(l);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void assert_continues(struct btz_ledger *l, uint64_t old_size, const struct btz_hash *old)
{
    struct btz_hash now;
    struct btz_proof proof;
    uint64_t size = btz_ledger_size(l);

    assert_true(size >= old_size);
    if (old_size == 0)
        return;
    btz_ledger_root(l, &now);
    assert_ok(btz_ledger_prove_consistency(l, old_size, size, &proof));
    assert_ok(btz_merkle_verify_consistency(old_size, size, proof.hash, proof.count, old, &now));
}

static void test_every_step(void **state)
{
    /* Within a tile, over a border, onto a border, whole tiles, from nothing. */
    static const struct {
        uint64_t from, to;
    } groups[] = { { 3, 10 }, { 250, 260 }, { 250, 256 }, { 10, 600 }, { 0, 1 }, { 256, 257 } };
    unsigned kills = 0, completed = 0;
    (void)state;
    for (size_t g = 0; g < BTZ_COUNT(groups); g++) {
        uint64_t from = groups[g].from, to = groups[g].to;
        char *base = make_folder();
        struct btz_ledger *l;

        assert_ok(btz_ledger_create(base, ORIGIN));
        assert_ok(btz_ledger_open(base, BTZ_LEDGER_WRITE, &l));
        if (from > 0)
            append_range(l, 0, from);
        btz_ledger_close(l);
        for (unsigned k = 0;; k++, kills++) {
            char *dir = make_folder();
            struct btz_hash before;
            struct btz_ledger_check c;
            uint64_t size;
            bool died;

            copy_tree(base, dir);
            assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
            btz_ledger_root(l, &before);
            btz_ledger_close(l);
            died = append_and_die(dir, from, to, k);
            /* A reader and the verifier cope with what the dead left, before any repair. */
            verify_folder(dir, btz_str(NULL), &c);
            if (!c.intact)
                fail_msg("group %zu, step %u: %s", g, k, c.what);
            assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
            assert_continues(l, from, &before);
            btz_ledger_close(l);
            assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
            size = btz_ledger_size(l);
            assert_true(size == to || (died && size == from));
            completed += died && size == to;
            assert_continues(l, from, &before);
            for (uint64_t i = 0; i < size; i++)
                assert_entry(l, i);
            /* Other entries than the dead wanted; then over the next borders. */
            append_range(l, size, size + 3);
            append_range(l, size + 3, size + 300);
            btz_ledger_close(l);
            assert_intact(dir, size + 300);
            remove_tree(dir);
            free(dir);
            if (!died)
                break;
        }
        remove_tree(base);
        free(base);
    }
    print_message("# %u kills at steps; %u groups completed by the next writer\n", kills,
                  completed);
    assert_true(kills >= 60);
    assert_true(completed >= 2 * BTZ_COUNT(groups));
}

/* The dead writer's unpublished group and one with other entries must never both be signed for one size. */
static void test_no_second_root(void **state)
{
    unsigned recorded = 0;
    (void)state;
    for (unsigned k = 0;; k++) {
        char *dir = make_folder();
        BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(8192);
        struct btz_checkpoint pending;
        struct btz_hash now;
        struct btz_ledger *l;
        bool died;
        int fd;

        assert_ok(btz_ledger_create(dir, ORIGIN));
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        append_range(l, 0, 5);
        btz_ledger_close(l);
        died = append_and_die(dir, 5, 9, k);
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_ok(btz_ledger_read_pending(fd, dir, NULL, &bytes, &pending));
        close(fd);
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        append_range(l, btz_ledger_size(l), 100);
        if (pending.size == 9) {
            recorded++;
            assert_ok(btz_ledger_root_at(l, 9, &now));
            assert_memory_equal(&now, &pending.root, sizeof now);
        }
        btz_ledger_close(l);
        remove_tree(dir);
        free(dir);
        if (!died)
            break;
    }
    assert_true(recorded >= 4);
}

/* ---- any instant ---- */

struct ack {
    uint64_t first, count;
};

/* Appends groups of 1 to 40 until killed, and reports each acknowledged one in a single write to the pipe. */
static void write_until_killed(const char *dir, int pipe, uint64_t seed)
{
    struct btz_rng r;
    struct btz_ledger *l;

    btz_rng_init(&r, seed, 1);
    if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_OK)
        _exit(1);
    for (;;) {
        uint64_t size = btz_ledger_size(l);
        struct ack a = { size, 1 + btz_rng_below(&r, 40) };

        append_range(l, size, size + a.count);
        if (write(pipe, &a, sizeof a) != sizeof a)
            _exit(2);
    }
}

static void test_any_instant(void **state)
{
    enum { KILLS = 220, OLD = 8 };
    char *dir = make_folder();
    struct btz_rng r;
    struct {
        uint64_t size;
        struct btz_hash root;
    } old[OLD] = { { 0 } };
    uint64_t acknowledged = 0, checked = 0;
    (void)state;
    btz_rng_init(&r, 20261123, 0);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    for (unsigned k = 0; k < KILLS; k++) {
        struct btz_ledger *l;
        struct ack a;
        int ends[2], status;
        pid_t child;
        uint64_t size;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(ends[0]);
            write_until_killed(dir, ends[1], k);
        }
        close(ends[1]);
        usleep(1000 + btz_rng_below(&r, 25000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(ends[0], &a, sizeof a) == sizeof a) {
            assert_true(a.first >= acknowledged);
            acknowledged = a.first + a.count;
        }
        close(ends[0]);
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        size = btz_ledger_size(l);
        assert_true(size >= acknowledged);
        for (size_t i = 0; i < OLD; i++)
            assert_continues(l, old[i].size, &old[i].root);
        /* What is new in this round, and a few of before. */
        for (uint64_t i = old[(k + OLD - 1) % OLD].size; i < size; i++, checked++)
            assert_entry(l, i);
        for (int i = 0; i < 5 && size > 0; i++)
            assert_entry(l, btz_rng_u64(&r) % size);
        acknowledged = size; /* complete groups of a dead writer are part of the log from here on */
        old[k % OLD].size = size;
        btz_ledger_root(l, &old[k % OLD].root);
        btz_ledger_close(l);
        if (k % 20 == 0)
            assert_intact(dir, size);
    }
    print_message("# %d kills, %" PRIu64 " entries acknowledged and found\n", KILLS, checked);
    assert_int_equal(checked, acknowledged);
    assert_intact(dir, acknowledged);
    remove_tree(dir);
    free(dir);
}

/* ---- several writers ---- */

static void append_mine(const char *dir, int pipe, unsigned who, unsigned count)
{
    struct btz_ledger *l;

    if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_OK)
        _exit(1);
    for (unsigned i = 0; i < count; i++) {
        char text[3][64];
        struct btz_slice e[3];
        uint64_t report[2];

        for (unsigned j = 0; j < 3; j++) {
            snprintf(text[j], sizeof text[j], "writer %u group %u entry %u", who, i, j);
            e[j] = btz_str(text[j]);
        }
        report[0] = (uint64_t)who << 32 | i;
        if (btz_ledger_append(l, e, 3, &report[1]) != BTZ_OK ||
            write(pipe, report, sizeof report) != sizeof report)
            _exit(2);
    }
    btz_ledger_close(l);
    _exit(0);
}

static void test_many_writers(void **state)
{
    enum { WRITERS = 4, GROUPS = 50 };
    char *dir = make_folder();
    struct btz_ledger *l;
    uint64_t report[2];
    static bool taken[WRITERS * GROUPS * 3];
    unsigned reports = 0;
    int ends[2];
    pid_t child[WRITERS];
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_int_equal(pipe(ends), 0);
    for (unsigned w = 0; w < WRITERS; w++) {
        child[w] = fork();
        assert_true(child[w] >= 0);
        if (child[w] == 0)
            append_mine(dir, ends[1], w, GROUPS);
    }
    close(ends[1]);
    for (unsigned w = 0; w < WRITERS; w++) {
        int status;

        assert_int_equal(waitpid(child[w], &status, 0), child[w]);
        assert_int_equal(status, 0);
    }
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
    assert_int_equal(btz_ledger_size(l), WRITERS * GROUPS * 3);
    for (; read(ends[0], report, sizeof report) == sizeof report; reports++)
        for (unsigned j = 0; j < 3; j++) {
            BTZ_BUF_RELEASE struct btz_buf got = BTZ_BUF(100);
            char text[64];

            assert_true(report[1] + j < BTZ_COUNT(taken) && !taken[report[1] + j]);
            taken[report[1] + j] = true;
            snprintf(text, sizeof text, "writer %u group %u entry %u", (unsigned)(report[0] >> 32),
                     (unsigned)report[0], j);
            assert_ok(btz_ledger_entry(l, report[1] + j, &got));
            assert_true(btz_slice_is(btz_buf_slice(&got), text));
        }
    assert_int_equal(reports, WRITERS * GROUPS);
    close(ends[0]);
    btz_ledger_close(l);
    assert_intact(dir, WRITERS * GROUPS * 3);
    remove_tree(dir);
    free(dir);
}

/* One dies in the middle while another has the ledger open: the other repairs before it goes on. */
static void test_death_beside_a_writer(void **state)
{
    (void)state;
    for (unsigned k = 0;; k++) {
        char *dir = make_folder();
        struct btz_ledger *l;
        uint64_t size;
        bool died;

        assert_ok(btz_ledger_create(dir, ORIGIN));
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        append_range(l, 0, 4);
        died = append_and_die(dir, 4, 9, k);
        size = 4;
        {
            struct btz_slice e;
            char text[600];
            uint64_t first = 0;

            e = entry_text(9, text); /* whichever place it gets */
            assert_ok(btz_ledger_append(l, &e, 1, &first));
            assert_true(first == 4 || first == 9);
            size = first + 1;
        }
        assert_int_equal(btz_ledger_size(l), size);
        append_range(l, size, 300);
        btz_ledger_close(l);
        assert_intact(dir, 300);
        remove_tree(dir);
        free(dir);
        if (!died)
            break;
    }
}

/* Remains far past the end, as a power cut can leave them: they are gone when the log gets there. */
static void test_remains_ahead(void **state)
{
    static const char *const planted[] = { "tile/entries/002.p/9", "tile/0/002.p/9",
                                           "tile/entries/003.p/200" };
    char *dir = make_folder();
    struct btz_ledger *l;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 10);
    for (size_t i = 0; i < BTZ_COUNT(planted); i++) {
        char *path = join(dir, planted[i]), *slash = strrchr(path, '/');

        *slash = '\0';
        assert_ok(btz_file_mkdirs(path, 0755));
        *slash = '/';
        write_whole(path, btz_str("remains"));
        free(path);
    }
    for (uint64_t n = 10; n < 1500; n += 149) {
        append_range(l, n, n + 149);
        assert_intact(dir, n + 149);
    }
    btz_ledger_close(l);
    remove_tree(dir);
    free(dir);
}

/* Verifying and reading while another process appends: never a false alarm. */
static void test_verify_beside_a_writer(void **state)
{
    enum { ROUNDS = 150 };
    char *dir = make_folder();
    uint64_t last = 0;
    int status;
    pid_t child;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct btz_ledger *l;

        if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_OK)
            _exit(1);
        for (;;)
            append_range(l, btz_ledger_size(l), btz_ledger_size(l) + 7);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct btz_ledger_check c;
        struct btz_ledger *l;

        verify_folder(dir, btz_str(NULL), &c);
        if (!c.intact)
            fail_msg("round %u: %s", i, c.what);
        assert_true(c.size >= last);
        last = c.size;
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
        assert_true(btz_ledger_size(l) >= last);
        if (last > 0)
            assert_entry(l, last - 1);
        btz_ledger_close(l);
    }
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* still at work */
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    print_message("# %u verifications while %" PRIu64 " entries were appended\n", ROUNDS, last);
    assert_true(last > 0);
    remove_tree(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step),
        cmocka_unit_test(test_no_second_root),
        cmocka_unit_test(test_any_instant),
        cmocka_unit_test(test_many_writers),
        cmocka_unit_test(test_death_beside_a_writer),
        cmocka_unit_test(test_remains_ahead),
        cmocka_unit_test(test_verify_beside_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
