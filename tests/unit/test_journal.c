/* Rings: wrap-around, full ones, dead owners, several writers at once, hostile files, durable mode, refusal, marks. */
#include "journal_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static bool is_text(const struct btz_journal_record *r, const char *text)
{
    return btz_slice_is(r->bytes, text);
}

static void test_in_order(void **state)
{
    struct journal_fixture f;
    struct btz_journal_counts c;

    (void)state;
    journal_start(&f);
    journal_fetch(&f);
    assert_int_equal(f.count, 0);
    assert_int_equal(journal_add(&f, "one"), 1);
    assert_int_equal(journal_add(&f, ""), 2);
    assert_int_equal(journal_add(&f, "three"), 3);
    btz_journal_count(f.reader, &c);
    assert_int_equal(c.waiting, 3);
    journal_fetch(&f);
    assert_int_equal(f.count, 3);
    assert_true(is_text(&f.got[0], "one") && is_text(&f.got[1], "") && is_text(&f.got[2], "three"));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(f.got[i].sequence, i + 1);
        assert_int_equal(f.got[i].writer, 0);
        assert_int_equal(f.got[i].epoch, f.got[0].epoch);
    }
    journal_fetch(&f);
    assert_int_equal(f.count, 0);
    btz_journal_done(f.reader);
    btz_journal_count(f.reader, &c);
    assert_int_equal(c.written, 3);
    assert_int_equal(c.waiting + c.lost + c.damaged, 0);
    journal_stop(&f);
}

/* What was fetched and not done comes again to the next reader, what was done does not. */
static void test_reader_dies(void **state)
{
    struct journal_fixture f;

    (void)state;
    journal_start(&f);
    journal_add(&f, "done");
    journal_fetch(&f);
    btz_journal_done(f.reader);
    journal_add(&f, "fetched");
    journal_add(&f, "and this");
    journal_fetch(&f);
    assert_int_equal(f.count, 2);
    btz_journal_reader_close(f.reader);
    assert_ok(btz_journal_reader_open(f.folder, &f.reader));
    journal_fetch(&f);
    assert_int_equal(f.count, 2);
    assert_true(is_text(&f.got[0], "fetched"));
    /* The ledger has the first of them. */
    btz_journal_reader_close(f.reader);
    assert_ok(btz_journal_reader_open(f.folder, &f.reader));
    btz_journal_skip(f.reader, 0, f.got[0].epoch, 2);
    btz_journal_skip(f.reader, 0, f.got[0].epoch, 1);
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    assert_true(is_text(&f.got[0], "and this"));
    btz_journal_done(f.reader);
    assert_int_equal(btz_journal_mark(f.reader), 0);
    assert_ok(btz_journal_set_mark(f.reader, 77));
    btz_journal_reader_close(f.reader);
    assert_ok(btz_journal_reader_open(f.folder, &f.reader));
    assert_int_equal(btz_journal_mark(f.reader), 77);
    journal_stop(&f);
}

static void fill(uint8_t *to, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(seed * 31 + i * 7);
}

/* Every length, across the end of the ring many times. */
static void test_wraps(void **state)
{
    static uint8_t bytes[300000], wanted[300000];
    struct journal_fixture f;
    uint64_t total = 0, sequence, expected = 0;
    struct btz_rng rng;

    (void)state;
    journal_start(&f);
    btz_rng_init(&rng, 4, 2);
    while (total < 6 * (uint64_t)BTZ_JOURNAL_BYTES) {
        size_t n = 1 + btz_rng_below(&rng, 8);

        for (size_t i = 0; i < n; i++) {
            size_t len = (total / 8 + i) % 4 == 0 ? btz_rng_below(&rng, sizeof bytes)
                                                  : btz_rng_below(&rng, 40);

            fill(bytes, len, expected + 1 + i);
            assert_ok(btz_journal_add(f.writer, btz_slice_of(bytes, len), &sequence));
            total += len;
        }
        journal_fetch(&f);
        assert_int_equal(f.count, n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(f.got[i].sequence, ++expected);
            fill(wanted, f.got[i].bytes.len, expected);
            assert_memory_equal(f.got[i].bytes.ptr, wanted, f.got[i].bytes.len);
        }
        btz_journal_done(f.reader);
    }
    journal_stop(&f);
}

/* A full ring loses what comes, and says how much; with room again it goes on without a gap in the numbers. */
static void test_full(void **state)
{
    static uint8_t bytes[100000];
    struct btz_journal_counts c;
    struct journal_fixture f;
    uint64_t sequence = 0, kept, got = 0;
    enum btz_err err;

    (void)state;
    journal_start(&f);
    while ((err = btz_journal_add(f.writer, btz_slice_of(bytes, sizeof bytes), &sequence)) ==
           BTZ_OK)
        ;
    assert_int_equal(err, BTZ_LIMIT);
    kept = sequence;
    assert_int_equal(kept, BTZ_JOURNAL_BYTES / btz_frame_size(sizeof bytes));
    assert_int_equal(btz_journal_add(f.writer, btz_slice_of(bytes, sizeof bytes), &sequence),
                     BTZ_LIMIT);
    btz_journal_count(f.reader, &c);
    assert_int_equal(c.lost, 2);
    do {
        journal_fetch(&f);
        btz_journal_done(f.reader);
        got += f.count;
    } while (f.count > 0);
    assert_int_equal(got, kept);
    assert_int_equal(journal_add(&f, "after"), kept + 1);
    assert_int_equal(btz_journal_add(f.writer, btz_slice_of(bytes, BTZ_FRAME_MAX), &sequence),
                     BTZ_LIMIT);
    btz_journal_count(f.reader, &c);
    assert_int_equal(c.lost, 3);
    assert_int_equal(c.damaged, 0);
    journal_stop(&f);
}

/* ---- owners ---- */

/* A process that takes a ring, writes and is killed: its ring is read, then taken anew under another epoch. */
static void test_dead_owner(void **state)
{
    struct journal_fixture f;
    struct btz_journal *other;
    uint64_t sequence, epoch;
    int status;
    pid_t pid;

    (void)state;
    journal_start(&f);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (btz_journal_open(f.folder, &other) != BTZ_OK ||
            btz_journal_add(other, btz_str("last words"), &sequence) != BTZ_OK)
            _exit(1);
        raise(SIGKILL);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    /* Not read yet: somebody new takes a ring of his own. */
    assert_ok(btz_journal_open(f.folder, &other));
    assert_ok(btz_journal_add(other, btz_str("mine"), &sequence));
    btz_journal_close(other);
    journal_fetch(&f);
    assert_int_equal(f.count, 2);
    assert_true(is_text(&f.got[0], "last words"));
    assert_int_equal(f.got[0].writer, 1);
    assert_int_equal(f.got[1].writer, 2);
    epoch = f.got[0].epoch;
    btz_journal_done(f.reader);
    assert_ok(btz_journal_open(f.folder, &other));
    assert_ok(btz_journal_add(other, btz_str("new"), &sequence));
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.got[0].writer, 1);
    assert_true(f.got[0].epoch > epoch);
    btz_journal_close(other);
    journal_stop(&f);
}

static void test_all_in_use(void **state)
{
    struct btz_journal *all[BTZ_JOURNAL_WRITERS], *one;
    char *folder = make_folder();
    uint64_t sequence;

    (void)state;
    for (size_t i = 0; i < BTZ_JOURNAL_WRITERS; i++)
        assert_ok(btz_journal_open(folder, &all[i]));
    assert_int_equal(btz_journal_open(folder, &one), BTZ_LIMIT);
    /* Unread ones of the dead are taken rather than that there is none. */
    assert_ok(btz_journal_add(all[5], btz_str("x"), &sequence));
    btz_journal_close(all[5]);
    assert_ok(btz_journal_open(folder, &all[5]));
    assert_ok(btz_journal_add(all[5], btz_str("y"), &sequence));
    assert_int_equal(sequence, 2);
    for (size_t i = 0; i < BTZ_JOURNAL_WRITERS; i++)
        btz_journal_close(all[i]);
    remove_tree(folder);
    free(folder);
}

#define THREADS 4
#define EACH    20000

static void *write_many(void *user)
{
    struct btz_journal *j;
    uint64_t sequence;

    if (btz_journal_open(user, &j) != BTZ_OK)
        abort();
    for (uint32_t i = 0; i < EACH;) {
        uint8_t bytes[64];

        memcpy(bytes, &i, sizeof i);
        memset(bytes + sizeof i, (int)i, sizeof bytes - sizeof i);
        if (btz_journal_add(j, btz_slice_of(bytes, sizeof i + i % 60), &sequence) == BTZ_OK)
            i++;
    }
    btz_journal_close(j);
    return NULL;
}

static void test_at_once(void **state)
{
    uint32_t next[BTZ_JOURNAL_WRITERS] = { 0 };
    pthread_t thread[THREADS];
    struct journal_fixture f;
    uint64_t total = 0;

    (void)state;
    journal_start(&f);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, write_many, f.folder), 0);
    while (total < THREADS * EACH) {
        assert_ok(btz_journal_fetch(f.reader, 5, f.got, MANY, &f.count));
        for (size_t i = 0; i < f.count; i++) {
            uint32_t n;

            memcpy(&n, f.got[i].bytes.ptr, sizeof n);
            /* A ring may have two owners one after the other. */
            assert_int_equal(n, next[f.got[i].writer]);
            next[f.got[i].writer] = n + 1 == EACH ? 0 : n + 1;
            assert_int_equal(f.got[i].bytes.len, sizeof n + n % 60);
        }
        total += f.count;
        btz_journal_done(f.reader);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(total, THREADS * EACH);
    journal_stop(&f);
}

/* ---- durable mode ---- */

static void test_durable(void **state)
{
    struct journal_fixture f;
    uint64_t sequence;

    (void)state;
    journal_start(&f);
    assert_ok(btz_journal_ready(f.writer));
    sequence = journal_add(&f, "x");
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_CONFLICT);
    /* Asked for: the reader does not wait. */
    assert_ok(btz_journal_fetch(f.reader, 600000, f.got, MANY, &f.count));
    assert_int_equal(f.count, 1);
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_CONFLICT);
    btz_journal_refuse(f.reader, "disk full: no space left on device");
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_IO);
    assert_true(btz_slice_has(btz_str(btz_error_detail()), "disk full"));
    assert_int_equal(btz_journal_ready(f.writer), BTZ_IO);
    btz_journal_done(f.reader);
    assert_ok(btz_journal_durable(f.writer, sequence));
    assert_ok(btz_journal_ready(f.writer));
    journal_stop(&f);
}

static void test_no_daemon(void **state)
{
    struct journal_fixture f;
    uint64_t sequence;

    (void)state;
    journal_start(&f);
    btz_journal_reader_close(f.reader);
    f.reader = NULL;
    assert_int_equal(btz_journal_ready(f.writer), BTZ_UNREACHABLE);
    sequence = journal_add(&f, "x");
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_UNREACHABLE);
    assert_ok(btz_journal_reader_open(f.folder, &f.reader));
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_CONFLICT);
    journal_stop(&f);
}

static void *ask_later(void *user)
{
    struct btz_journal *j = user;
    uint64_t sequence;

    usleep(20000);
    if (btz_journal_add(j, btz_str("wake"), &sequence) != BTZ_OK)
        abort();
    (void)!btz_journal_durable(j, sequence);
    return NULL;
}

/* A sleeping reader is woken by one who waits. */
static void test_wakes(void **state)
{
    uint64_t start = btz_clock_ns();
    struct journal_fixture f;
    pthread_t thread;

    (void)state;
    journal_start(&f);
    assert_int_equal(pthread_create(&thread, NULL, ask_later, f.writer), 0);
    assert_ok(btz_journal_fetch(f.reader, 120000, f.got, MANY, &f.count));
    assert_int_equal(f.count, 1);
    assert_true(btz_clock_ns() - start < UINT64_C(60000000000));
    pthread_join(thread, NULL);
    journal_stop(&f);
}

/* ---- hostile files ---- */

static uint64_t damaged(struct journal_fixture *f)
{
    struct btz_journal_counts c;

    btz_journal_count(f->reader, &c);
    return c.damaged;
}

/* One bit of what was written is turned over, anywhere: the record does not come, and it is counted. */
static void test_damaged_record(void **state)
{
    struct btz_ring_map map;
    struct journal_fixture f;
    int dir;

    (void)state;
    journal_start(&f);
    dir = open(f.folder, O_RDONLY | O_DIRECTORY);
    assert_ok(btz_ring_map(dir, f.folder, 0, false, &map));
    for (unsigned bit = 0; bit < (sizeof(struct btz_frame) + 4) * 8; bit++) {
        uint64_t at = atomic_load(&map.ring->head) % BTZ_JOURNAL_BYTES, before = damaged(&f);

        journal_add(&f, "abcd");
        map.data[at + bit / 8] ^= (uint8_t)(1u << bit % 8);
        journal_fetch(&f);
        assert_int_equal(f.count, 0);
        assert_int_equal(damaged(&f), before + 1);
        btz_journal_done(f.reader);
        journal_add(&f, "good");
        journal_fetch(&f);
        assert_int_equal(f.count, 1);
        assert_true(is_text(&f.got[0], "good"));
        btz_journal_done(f.reader);
    }
    btz_ring_unmap(&map);
    close(dir);
    journal_stop(&f);
}

/* Impossible positions: nothing is read outside, nothing loops, the next honest record comes. */
static void test_hostile_positions(void **state)
{
    static const uint64_t heads[] = {
        1, 7, BTZ_JOURNAL_BYTES + 8, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63
    };
    struct btz_ring_map map;
    struct journal_fixture f;
    int dir;

    (void)state;
    journal_start(&f);
    dir = open(f.folder, O_RDONLY | O_DIRECTORY);
    assert_ok(btz_ring_map(dir, f.folder, 0, false, &map));
    for (size_t i = 0; i < BTZ_COUNT(heads); i++) {
        uint64_t honest = atomic_load(&map.ring->head);

        journal_fetch(&f);
        atomic_store(&map.ring->head, honest + heads[i]);
        atomic_store(&map.ring->wanted, UINT64_MAX);
        assert_ok(btz_journal_fetch(f.reader, 1, f.got, MANY, &f.count));
        assert_int_equal(f.count, 0);
        btz_journal_done(f.reader);
        assert_true(damaged(&f) > 0);
        /* A ring whose owner is that far off is no use to the next owner either, until it was set right. */
        atomic_store(&map.ring->head, atomic_load(&map.ring->tail));
        btz_journal_close(f.writer);
        assert_ok(btz_journal_open(f.folder, &f.writer));
        journal_add(&f, "honest");
        journal_fetch(&f);
        assert_int_equal(f.count, 1);
        assert_true(is_text(&f.got[0], "honest"));
        btz_journal_done(f.reader);
    }
    btz_ring_unmap(&map);
    close(dir);
    journal_stop(&f);
}

static void write_file(const char *folder, const char *name, const void *bytes, size_t len)
{
    char *path = join(folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    free(path);
}

/* Files that are no rings: passed over by writers, counted by the reader. */
static void test_no_ring(void **state)
{
    struct journal_fixture f;
    struct btz_control *c = NULL;
    struct btz_cover *cover = NULL;
    struct btz_journal *j;
    char *folder = make_folder(), *path;
    int dir;

    (void)state;
    write_file(folder, "control", "short", 5);
    assert_int_equal(btz_journal_open(folder, &j), BTZ_INPUT);
    remove_tree(folder);
    free(folder);
    journal_start(&f);
    write_file(f.folder, "ring-01", "not a ring", 10);
    path = join(f.folder, "ring-02");
    assert_int_equal(symlink("/dev/zero", path), 0);
    free(path);
    assert_ok(btz_control_map(f.folder, &dir, &c, &cover));
    atomic_fetch_or(&c->rings, 6);
    btz_control_unmap(c, cover);
    close(dir);
    journal_add(&f, "x");
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    assert_int_equal(damaged(&f), 1);
    assert_ok(btz_journal_open(f.folder, &j));
    btz_journal_close(j);
    journal_stop(&f);
}

/* The shared page is lost: what lies in the rings is read all the same. */
static void test_lost_page(void **state)
{
    struct journal_fixture f;
    char *path;

    (void)state;
    journal_start(&f);
    path = join(f.folder, "control");
    journal_add(&f, "one");
    journal_add(&f, "two");
    btz_journal_close(f.writer);
    btz_journal_reader_close(f.reader);
    assert_int_equal(truncate(path, 0), 0);
    free(path);
    assert_ok(btz_journal_open(f.folder, &f.writer));
    assert_ok(btz_journal_reader_open(f.folder, &f.reader));
    journal_add(&f, "three");
    journal_fetch(&f);
    assert_int_equal(f.count, 3);
    assert_int_equal(damaged(&f), 0);
    journal_stop(&f);
}

static void map_ring(struct journal_fixture *f, struct btz_ring_map *map)
{
    int dir = open(f->folder, O_RDONLY | O_DIRECTORY);

    assert_true(dir >= 0);
    assert_ok(btz_ring_map(dir, f->folder, 0, false, map));
    close(dir);
}

/* Numbers of a ring that are not what they were: no new record passes for one that is in the ledger, each is read. */
static void test_hostile_numbers(void **state)
{
    static const uint64_t wild[] = { 0, 1, 1000, UINT64_C(1) << 40, UINT64_MAX - 1, UINT64_MAX };
    _Atomic uint64_t *number[4];
    struct btz_ring_map map;

    (void)state;
    for (size_t n = 0; n < BTZ_COUNT(number); n++)
        for (size_t i = 0; i < BTZ_COUNT(wild); i++) {
            struct journal_fixture f;
            uint64_t sequence;

            journal_start(&f);
            for (int k = 0; k < 5; k++)
                journal_add(&f, "before");
            journal_fetch(&f);
            btz_journal_done(f.reader);
            btz_journal_close(f.writer);
            map_ring(&f, &map);
            number[0] = &map.ring->sequence;
            number[1] = &map.ring->done;
            number[2] = &map.ring->epoch;
            number[3] = &map.ring->wanted;
            atomic_store(number[n], wild[i]);
            btz_ring_unmap(&map);
            assert_ok(btz_journal_open(f.folder, &f.writer));
            sequence = journal_add(&f, "after");
            assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_CONFLICT);
            journal_fetch(&f);
            assert_int_equal(f.count, 1);
            btz_journal_done(f.reader);
            journal_stop(&f);
        }
}

/* The rings were deleted, and the ledger knows of later times and higher numbers of them than the new ones have. */
static void test_made_anew(void **state)
{
    uint64_t later = btz_clock_unix_ms() + UINT64_C(86400000);
    struct journal_fixture f;
    uint64_t sequence;

    (void)state;
    journal_start(&f);
    btz_journal_skip(f.reader, 0, later, 1000);
    sequence = journal_add(&f, "too early for this ring");
    btz_journal_done(f.reader);
    assert_int_equal(btz_journal_durable(f.writer, sequence), BTZ_CONFLICT);
    btz_journal_close(f.writer);
    assert_ok(btz_journal_open(f.folder, &f.writer));
    sequence = journal_add(&f, "of the next owner");
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    assert_true(is_text(&f.got[0], "of the next owner"));
    btz_journal_done(f.reader);
    assert_ok(btz_journal_durable(f.writer, sequence));
    journal_stop(&f);
}

/* What was no ring was deleted, and a worker made one of that name: it is read. */
static void test_bad_ring_replaced(void **state)
{
    struct journal_fixture f;
    struct btz_control *c = NULL;
    struct btz_cover *cover = NULL;
    struct btz_journal *second;
    uint64_t sequence;
    char *path;
    int dir;

    (void)state;
    journal_start(&f);
    write_file(f.folder, "ring-01", "not a ring", 10);
    assert_ok(btz_control_map(f.folder, &dir, &c, &cover));
    atomic_fetch_or(&c->rings, 2);
    btz_control_unmap(c, cover);
    close(dir);
    journal_fetch(&f);
    journal_fetch(&f);
    assert_int_equal(damaged(&f), 1);
    path = join(f.folder, "ring-01");
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_ok(btz_journal_open(f.folder, &second));
    assert_ok(btz_journal_add(second, btz_str("x"), &sequence));
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.got[0].writer, 1);
    btz_journal_done(f.reader);
    assert_ok(btz_journal_durable(second, sequence));
    btz_journal_close(second);
    journal_stop(&f);
}

static void cut(const struct journal_fixture *f, const char *name, off_t len)
{
    char *path = join(f->folder, name);

    assert_int_equal(truncate(path, len), 0);
    free(path);
}

/* Both have it mapped. What lies in it is lost, and never said to be in the ledger; what comes goes into another one. */
static void test_ring_cut(void **state)
{
    const off_t to[] = { BTZ_RING_PAGE, 0, BTZ_RING_FILE / 2, BTZ_RING_FILE - 4096 };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(to); i++)
        for (int again = 0; again < 2; again++) { /* at its full size again before anybody looks */
            struct journal_fixture f;
            uint64_t before, lost, next;

            journal_start(&f);
            before = journal_add(&f, "before");
            journal_fetch(&f);
            btz_journal_done(f.reader);
            assert_ok(btz_journal_durable(f.writer, before));
            lost = journal_add(&f, "lost");
            cut(&f, "ring-00", to[i]);
            if (again)
                cut(&f, "ring-00", BTZ_RING_FILE);
            next = journal_add(&f, "next");
            journal_fetch(&f);
            journal_fetch(&f);
            btz_journal_done(f.reader);
            if (to[i] <= BTZ_RING_PAGE)
                assert_true(damaged(&f) >= 1);
            /* It lay in what was kept. Where the ring was left, nobody knows that any more. */
            if (again && to[i] > BTZ_RING_PAGE)
                assert_ok(btz_journal_durable(f.writer, lost));
            else
                assert_int_equal(btz_journal_durable(f.writer, lost), BTZ_IO);
            for (int turn = 0; turn < 3 && btz_journal_durable(f.writer, next) != BTZ_OK; turn++) {
                next = journal_add(&f, "once more");
                journal_fetch(&f);
                btz_journal_done(f.reader);
            }
            assert_ok(btz_journal_durable(f.writer, next));
            journal_stop(&f);
        }
}

/* Bytes of one record are zeros before it is read; those behind it are whole. */
static void test_passed_over(void **state)
{
    struct journal_fixture f;
    struct btz_ring_map map;
    uint64_t lost, behind, next;

    (void)state;
    journal_start(&f);
    map_ring(&f, &map);
    lost = journal_add(&f, "lost");
    memset(map.data, 0, 4096);
    journal_fetch(&f);
    behind = journal_add(&f, "behind");
    journal_fetch(&f);
    assert_int_equal(f.count, 1);
    btz_journal_done(f.reader);
    assert_int_equal(damaged(&f), 1);
    assert_int_equal(btz_journal_durable(f.writer, lost), BTZ_IO);
    assert_ok(btz_journal_durable(f.writer, behind));
    next = journal_add(&f, "next");
    journal_fetch(&f);
    btz_journal_done(f.reader);
    assert_ok(btz_journal_durable(f.writer, next));
    btz_ring_unmap(&map);
    journal_stop(&f);
}

/* Made anew by whoever finds it, and what the reader wrote there is put back. */
static void test_page_cut(void **state)
{
    (void)state;
    for (int writer_first = 0; writer_first < 2; writer_first++) {
        struct btz_journal_counts c;
        struct journal_fixture f;
        uint64_t sequence;

        journal_start(&f);
        assert_ok(btz_journal_set_mark(f.reader, 77));
        btz_journal_told(f.reader, 3, 4);
        btz_journal_alive(f.reader);
        cut(&f, "control", 0);
        if (writer_first)
            assert_int_equal(btz_journal_ready(f.writer), BTZ_UNREACHABLE);
        btz_journal_alive(f.reader);
        assert_ok(btz_journal_ready(f.writer));
        assert_int_equal(btz_journal_mark(f.reader), 77);
        btz_journal_count(f.reader, &c);
        assert_true(c.told_lost == 3 && c.told_damaged == 4);
        sequence = journal_add(&f, "x");
        journal_fetch(&f);
        assert_int_equal(f.count, 1);
        btz_journal_done(f.reader);
        assert_ok(btz_journal_durable(f.writer, sequence));
        btz_journal_refuse(f.reader, "full");
        assert_int_equal(btz_journal_ready(f.writer), BTZ_IO); /* they share it */
        journal_stop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_reader_dies),
        cmocka_unit_test(test_wraps),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_dead_owner),
        cmocka_unit_test(test_all_in_use),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_no_daemon),
        cmocka_unit_test(test_wakes),
        cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_hostile_positions),
        cmocka_unit_test(test_no_ring),
        cmocka_unit_test(test_lost_page),
        cmocka_unit_test(test_hostile_numbers),
        cmocka_unit_test(test_made_anew),
        cmocka_unit_test(test_bad_ring_replaced),
        cmocka_unit_test(test_ring_cut),
        cmocka_unit_test(test_passed_over),
        cmocka_unit_test(test_page_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
