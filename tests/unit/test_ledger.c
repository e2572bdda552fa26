/* The log: layout, appending, reading, proofs, many threads, full disks, read-only folders, evidence. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "ledger_fixture.h"

static void test_paths(void **state)
{
    static const struct {
        int level;
        uint64_t n;
        unsigned width;
        const char *path;
    } cases[] = {
        { 0, 0, 256, "tile/0/000" },
        { 0, 1234067, 256, "tile/0/x001/x234/067" }, /* C2SP tlog-tiles.md */
        { 2, 0, 1, "tile/2/000.p/1" },
        { BTZ_TILE_ENTRIES, 999, 256, "tile/entries/999" },
        { BTZ_TILE_ENTRIES, 1000, 255, "tile/entries/x001/000.p/255" },
        { 7, UINT64_MAX, 112, "tile/7/x018/x446/x744/x073/x709/x551/615.p/112" },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        char path[BTZ_TILE_PATH];

        btz_tile_path(cases[i].level, cases[i].n, cases[i].width, path);
        assert_string_equal(path, cases[i].path);
    }
}

static void assert_only(const char *dir, const char *sub, const char *const *names, size_t count)
{
    struct files *f = calloc(1, sizeof *f);
    char *path = join(dir, sub);

    if (access(path, F_OK) == 0)
        list_files(path, f);
    assert_int_equal(f->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(f->name[i], names[i]);
    free_files(f);
    free(f);
    free(path);
}

static uint64_t file_size(const char *dir, const char *name)
{
    char *path = join(dir, name);
    struct stat st;

    if (stat(path, &st) < 0)
        fail_msg("%s is missing", path);
    free(path);
    return (uint64_t)st.st_size;
}

/* The worked example of the specification: 70,000 entries. */
static void test_size_70000(void **state)
{
    char *dir = make_folder(), *path;
    struct files *f = calloc(1, sizeof *f);
    struct btz_ledger *l;
    size_t full = 0;
    (void)state;
    remove_tree(dir);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 30000);
    append_range(l, 30000, 70000);
    path = join(dir, "tile/0");
    list_files(path, f);
    for (size_t i = 0; i < f->count; i++) {
        full += strstr(f->name[i], ".p/") == NULL;
        if (strstr(f->name[i], ".p/"))
            assert_string_equal(f->name[i], "273.p/112");
    }
    assert_int_equal(full, 273);
    assert_int_equal(f->count, 274);
    assert_int_equal(file_size(dir, "tile/0/000"), 8192);
    assert_int_equal(file_size(dir, "tile/0/272"), 8192);
    assert_int_equal(file_size(dir, "tile/0/273.p/112"), 112 * 32);
    assert_only(dir, "tile/1", (const char *const[]){ "000", "001.p/17" }, 2);
    assert_int_equal(file_size(dir, "tile/1/000"), 8192);
    assert_only(dir, "tile/2", (const char *const[]){ "000.p/1" }, 1);
    assert_only(dir, "tile/3", NULL, 0);
    for (uint64_t i = 0; i < 70000; i += i < 600 || i > 69400 ? 1 : 4999)
        assert_entry(l, i);
    btz_ledger_close(l);
    assert_intact(dir, 70000);
    free_files(f);
    free(f);
    free(path);
    remove_tree(dir);
    free(dir);
}

static void test_size_256(void **state)
{
    char *dir = make_folder();
    struct btz_ledger *l;
    (void)state;
    remove_tree(dir);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    for (uint64_t i = 0; i < 255; i += 5)
        append_range(l, i, i + 5);
    assert_intact(dir, 255);
    assert_int_equal(file_size(dir, "tile/0/000.p/5"), 5 * 32); /* served for every checkpoint */
    append_range(l, 255, 256);
    assert_only(dir, "tile/0", (const char *const[]){ "000" }, 1);
    assert_only(dir, "tile/1", (const char *const[]){ "000.p/1" }, 1);
    assert_only(dir, "tile/entries", (const char *const[]){ "000" }, 1);
    btz_ledger_close(l);
    assert_intact(dir, 256);
    remove_tree(dir);
    free(dir);
}

static enum btz_err mth(void *user, unsigned height, uint64_t index, struct btz_hash *out)
{
    struct btz_hash *leaf = user, work[1024];
    size_t count = (size_t)1 << height;

    memcpy(work, leaf + index * count, count * sizeof *leaf);
    for (; count > 1; count /= 2)
        for (size_t i = 0; i < count / 2; i++)
            btz_merkle_node(&work[2 * i], &work[2 * i + 1], &work[i]);
    *out = work[0];
    return BTZ_OK;
}

/* Sizes around every border, appended in groups of all kinds; roots and proofs against leaves in memory. */
static void test_growth(void **state)
{
    static const uint64_t sizes[] = { 0,   1,   2,   3,   7,   8,   254, 255, 256,
                                      257, 300, 511, 512, 513, 514, 767, 768, 1000 };
    static struct btz_hash leaf[1024];
    struct btz_merkle_source source = { .subtree = mth, .user = leaf };
    char *dir = make_folder();
    struct btz_hash old_root = { { 0 } };
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        char text[600];

        btz_merkle_leaf(entry_text(i, text), &leaf[i]);
    }
    remove_tree(dir);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    for (size_t k = 0; k < BTZ_COUNT(sizes); k++) {
        struct btz_ledger *l;
        struct btz_hash root, expected;
        struct btz_proof proof;
        uint64_t n = sizes[k];

        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        if (k > 0)
            append_range(l, sizes[k - 1], n);
        assert_int_equal(btz_ledger_size(l), n);
        assert_string_equal(btz_ledger_origin(l), ORIGIN);
        btz_ledger_root(l, &root);
        assert_ok(btz_merkle_root(&source, n, &expected));
        assert_memory_equal(&root, &expected, sizeof root);
        for (uint64_t i = 0; i < n; i++) {
            assert_entry(l, i);
            assert_ok(btz_ledger_prove_inclusion(l, i, n, &proof));
            assert_ok(btz_merkle_verify_inclusion(i, n, &leaf[i], proof.hash, proof.count, &root));
        }
        if (k > 1) {
            assert_ok(btz_ledger_prove_consistency(l, sizes[k - 1], n, &proof));
            assert_ok(btz_merkle_verify_consistency(sizes[k - 1], n, proof.hash, proof.count,
                                                    &old_root, &root));
        }
        for (uint64_t m = 0; m <= n; m += 101) {
            assert_ok(btz_ledger_root_at(l, m, &root));
            assert_ok(btz_merkle_root(&source, m, &expected));
            assert_memory_equal(&root, &expected, sizeof root);
        }
        btz_ledger_root(l, &old_root);
        {
            struct btz_buf nothing = BTZ_BUF(10);

            assert_int_equal(btz_ledger_entry(l, n, &nothing), BTZ_INPUT);
            assert_int_equal(btz_ledger_prove_inclusion(l, n, n, &proof), BTZ_INPUT);
            assert_int_equal(btz_ledger_prove_inclusion(l, 0, n + 1, &proof), BTZ_INPUT);
        }
        btz_ledger_close(l);
        assert_intact(dir, n);
    }
    remove_tree(dir);
    free(dir);
}

static void test_create(void **state)
{
    char *dir = make_folder(), *key = join(dir, "key"), *vkey = join(dir, "vkey");
    char *checkpoint = join(dir, "checkpoint"), *aside = join(dir, "aside");
    struct btz_ledger *l;
    struct btz_slice entry = btz_str("x");
    struct stat st;
    uint64_t first;
    (void)state;
    assert_int_equal(btz_ledger_open(dir, BTZ_LEDGER_READ, &l), BTZ_INPUT);
    assert_int_equal(btz_ledger_open("/nonexistent/ledger", BTZ_LEDGER_READ, &l), BTZ_IO);
    assert_int_equal(btz_ledger_create(dir, "with space"), BTZ_USAGE);
    assert_int_equal(btz_ledger_create(dir, "with+plus"), BTZ_USAGE);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_int_equal(btz_ledger_create(dir, ORIGIN), BTZ_CONFLICT);
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* Died before its checkpoint: finished with the same key, never under another name. */
    {
        struct btz_buf before, after;

        read_whole(vkey, &before);
        assert_int_equal(unlink(checkpoint), 0);
        assert_int_equal(btz_ledger_create(dir, "another.example"), BTZ_CONFLICT);
        assert_ok(btz_ledger_create(dir, ORIGIN));
        read_whole(vkey, &after);
        assert_true(btz_slice_equal(btz_buf_slice(&before), btz_buf_slice(&after)));
        btz_buf_release(&before);
        btz_buf_release(&after);
    }
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    assert_ok(btz_ledger_append(l, &entry, 1, &first));
    btz_ledger_close(l);
    /* With entries a missing checkpoint is damage, not an invitation. */
    assert_int_equal(rename(checkpoint, aside), 0);
    assert_int_equal(btz_ledger_create(dir, ORIGIN), BTZ_CONFLICT);
    assert_int_equal(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l), BTZ_INPUT);
    assert_int_equal(rename(aside, checkpoint), 0);
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l), BTZ_DENIED);
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
    assert_int_equal(btz_ledger_append(l, &entry, 1, &first), BTZ_USAGE);
    btz_ledger_close(l);
    remove_tree(dir);
    free(dir);
    free(key);
    free(vkey);
    free(checkpoint);
    free(aside);
}

/* One's own log: created when there is none, completed under its name when it was killed anywhere on the way. */
static void test_own(void **state)
{
    static const char *const made[] = { "checkpoint", "pending", "vkey", "key", "lock" };
    char *home = make_folder(), *dir = join(home, "ledger"), *checkpoint = join(dir, "checkpoint");
    struct btz_slice entry = btz_str("x");
    char name[256];
    struct btz_ledger *l;
    uint64_t first;

    (void)state;
    assert_ok(btz_ledger_open_own(dir, &l));
    assert_int_equal(btz_ledger_size(l), 0);
    snprintf(name, sizeof name, "%s", btz_ledger_origin(l));
    assert_int_equal(strncmp(name, "bartizan.", 9), 0);
    btz_ledger_close(l);
    /* Backwards through what `create` makes. Without its key it is a new log. */
    for (size_t left = 1; left <= BTZ_COUNT(made); left++) {
        for (size_t i = 0; i < left; i++) {
            char *path = join(dir, made[i]);

            assert_int_equal(unlink(path), 0);
            free(path);
        }
        assert_int_equal(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l), BTZ_INPUT);
        assert_ok(btz_ledger_open_own(dir, &l));
        assert_int_equal(strcmp(btz_ledger_origin(l), name) == 0, left < 4);
        snprintf(name, sizeof name, "%s", btz_ledger_origin(l));
        btz_ledger_close(l);
    }
    assert_ok(btz_ledger_open_own(dir, &l));
    assert_string_equal(btz_ledger_origin(l), name);
    assert_ok(btz_ledger_append(l, &entry, 1, &first));
    btz_ledger_close(l);
    assert_int_equal(unlink(checkpoint), 0);
    assert_int_equal(btz_ledger_open_own(dir, &l), BTZ_INPUT);
    remove_tree(home);
    free(home);
    free(dir);
    free(checkpoint);
}

static void test_entry_sizes(void **state)
{
    char *dir = make_folder();
    struct btz_buf got = BTZ_BUF(70000);
    struct btz_ledger *l;
    uint8_t *big = calloc(1, BTZ_LEDGER_ENTRY_MAX + 1);
    struct btz_slice e[3];
    uint64_t first;
    (void)state;
    assert_non_null(big);
    memset(big, 0xA5, BTZ_LEDGER_ENTRY_MAX + 1);
    e[0] = btz_slice_of(big, BTZ_LEDGER_ENTRY_MAX);
    e[1] = btz_str("");
    e[2] = btz_slice_of(big, BTZ_LEDGER_ENTRY_MAX + 1);
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    assert_int_equal(btz_ledger_append(l, e, 3, &first), BTZ_LIMIT);
    assert_int_equal(btz_ledger_append_shared(l, e[2], &first), BTZ_LIMIT);
    assert_int_equal(btz_ledger_size(l), 0);
    assert_ok(btz_ledger_append(l, e, 2, &first));
    assert_ok(btz_ledger_append(l, e, 0, &first));
    assert_int_equal(first, 2);
    assert_ok(btz_ledger_entry(l, 0, &got));
    assert_true(btz_slice_equal(btz_buf_slice(&got), e[0]));
    btz_ledger_close(l);
    assert_intact(dir, 2);
    btz_buf_release(&got);
    free(big);
    remove_tree(dir);
    free(dir);
}

/* ---- threads ---- */

#define THREADS    8
#define PER_THREAD 60

static struct btz_ledger *shared;

static void *append_some(void *user)
{
    uint64_t *index = user;

    for (unsigned i = 0; i < PER_THREAD; i++) {
        char text[64];

        snprintf(text, sizeof text, "thread %p entry %u", user, i);
        if (btz_ledger_append_shared(shared, btz_str(text), &index[i]) != BTZ_OK)
            index[i] = UINT64_MAX;
    }
    return NULL;
}

static void test_threads(void **state)
{
    static uint64_t index[THREADS][PER_THREAD];
    static bool taken[THREADS * PER_THREAD];
    char *dir = make_folder();
    pthread_t thread[THREADS];
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &shared));
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&thread[t], NULL, append_some, index[t]), 0);
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    assert_int_equal(btz_ledger_size(shared), THREADS * PER_THREAD);
    for (size_t t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < PER_THREAD; i++) {
            BTZ_BUF_RELEASE struct btz_buf got = BTZ_BUF(1000);
            char text[64];

            assert_true(index[t][i] < THREADS * PER_THREAD);
            assert_false(taken[index[t][i]]);
            taken[index[t][i]] = true;
            assert_true(i == 0 || index[t][i] > index[t][i - 1]);
            snprintf(text, sizeof text, "thread %p entry %u", (void *)index[t], i);
            assert_ok(btz_ledger_entry(shared, index[t][i], &got));
            assert_true(btz_slice_is(btz_buf_slice(&got), text));
        }
    btz_ledger_close(shared);
    assert_intact(dir, THREADS * PER_THREAD);
    remove_tree(dir);
    free(dir);
}

/* A reader beside a writer sees growing, always provable states. */
static void test_reader(void **state)
{
    char *dir = make_folder();
    struct btz_ledger *w, *r;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &w));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_READ, &r));
    for (uint64_t n = 0; n < 600; n += 40) {
        append_range(w, n, n + 40);
        assert_int_equal(btz_ledger_size(r), n);
        if (n > 0)
            assert_entry(r,
                         n - 1); /* of the state it knows, whatever became of its partial files */
        assert_ok(btz_ledger_refresh(r));
        assert_int_equal(btz_ledger_size(r), n + 40);
        assert_entry(r, n + 39);
    }
    btz_ledger_close(r);
    btz_ledger_close(w);
    remove_tree(dir);
    free(dir);
}

/* ---- what the system refuses ---- */

/* Runs `body` in a process of its own: 0 passed, 77 cannot be done here, else failed. */
static int in_child(int (*body)(const char *dir), const char *dir)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(body(dir));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool add(struct btz_ledger *l, uint64_t from, uint64_t to, enum btz_err *err)
{
    for (uint64_t i = from; i < to; i++) {
        char text[600];
        struct btz_slice e = entry_text(i, text);
        uint64_t first;

        *err = btz_ledger_append(l, &e, 1, &first);
        if (*err != BTZ_OK || first != i)
            return false;
    }
    *err = BTZ_OK;
    return true;
}

/* Writes until it is refused, makes room with `more`, goes on; nothing acknowledged is lost, nothing doubled. */
static int fill_up(const char *dir, void (*more)(void))
{
    struct btz_ledger *l;
    struct btz_ledger_check c;
    enum btz_err err;
    uint64_t size;

    if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_OK)
        return 10;
    if (add(l, btz_ledger_size(l), 5000, &err))
        return 11; /* never full */
    if (err != BTZ_IO || !strstr(btz_error_detail(), dir))
        return 12;
    size = btz_ledger_size(l);
    if (size < 10)
        return 13;
    if (btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c) != BTZ_OK || !c.intact ||
        c.size != size)
        return 14;
    for (uint64_t i = 0; i < size; i++) {
        BTZ_BUF_RELEASE struct btz_buf got = BTZ_BUF(1000);
        char text[600];

        if (btz_ledger_entry(l, i, &got) != BTZ_OK ||
            !btz_slice_equal(btz_buf_slice(&got), entry_text(i, text)))
            return 15;
    }
    if (add(l, size, size + 1, &err) || err != BTZ_IO)
        return 16; /* still full */
    more();
    if (!add(l, size, size + 20, &err))
        return 17;
    btz_ledger_close(l);
    if (btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c) != BTZ_OK || !c.intact ||
        c.size != size + 20)
        return 18;
    return 0;
}

static void raise_limit(void)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static int limited_files(const char *dir)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 3000;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 77;
    return fill_up(dir, raise_limit);
}

static void test_file_limit(void **state)
{
    char *dir = make_folder();
    int result;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    result = in_child(limited_files, dir);
    remove_tree(dir);
    free(dir);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

static const char *small_disk;

static void grow_disk(void)
{
    mount(NULL, small_disk, NULL, MS_REMOUNT, "size=8m");
}

static int full_disk(const char *dir)
{
    char *ledger = join(dir, "ledger");
    int result;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", dir, "tmpfs", 0, "size=256k") < 0) {
        print_message("# skipped: no disk of its own can be mounted here: %s\n", strerror(errno));
        return 77;
    }
    small_disk = dir;
    result = btz_ledger_create(ledger, ORIGIN) == BTZ_OK ? fill_up(ledger, grow_disk) : 9;
    free(ledger);
    return result;
}

static void test_full_disk(void **state)
{
    char *dir = make_folder();
    int result = in_child(full_disk, dir);
    (void)state;
    remove_tree(dir);
    free(dir);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

/* As a user who may read but not write. */
static int read_only(const char *dir)
{
    struct btz_ledger *l;
    struct btz_ledger_check c;

    if (geteuid() == 0 &&
        (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
        return 77;
    if (btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l) != BTZ_IO)
        return 10;
    if (!strstr(btz_error_detail(), dir))
        return 11;
    if (btz_ledger_open(dir, BTZ_LEDGER_READ, &l) != BTZ_OK)
        return 12;
    if (btz_ledger_size(l) != 5)
        return 13;
    btz_ledger_close(l);
    if (btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c) != BTZ_OK || !c.intact)
        return 14;
    return 0;
}

static void test_read_only(void **state)
{
    char *dir = make_folder();
    struct btz_ledger *l;
    int result;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 5);
    btz_ledger_close(l);
    assert_int_equal(chmod(dir, 0555), 0);
    result = in_child(read_only, dir);
    assert_int_equal(chmod(dir, 0755), 0);
    remove_tree(dir);
    free(dir);
    if (result == 77)
        skip();
    assert_int_equal(result, 0);
}

/* ---- put back while open ---- */

static void test_put_back_while_open(void **state)
{
    char *dir = make_folder(), *old = make_folder();
    struct btz_ledger *l;
    struct btz_slice e = btz_str("next");
    uint64_t first;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 10);
    copy_tree(dir, old);
    append_range(l, 10, 20);
    copy_tree(old, dir); /* checkpoint and pending of ten entries are back */
    assert_int_equal(btz_ledger_append(l, &e, 1, &first), BTZ_CONFLICT);
    assert_int_equal(btz_ledger_append(l, &e, 1, &first), BTZ_CONFLICT);
    assert_int_equal(btz_ledger_size(l), 20);
    btz_ledger_close(l);
    remove_tree(dir);
    remove_tree(old);
    free(dir);
    free(old);
}

/* Only the checkpoint is put back: the writer's own record shows what was signed, nothing is lost. */
static void test_checkpoint_put_back(void **state)
{
    char *dir = make_folder(), *checkpoint = join(dir, "checkpoint");
    struct btz_buf old;
    struct btz_ledger *l;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    append_range(l, 0, 10);
    read_whole(checkpoint, &old);
    append_range(l, 10, 600);
    btz_ledger_close(l);
    write_whole(checkpoint, btz_buf_slice(&old));
    btz_buf_release(&old);
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    assert_int_equal(btz_ledger_size(l), 600);
    append_range(l, 600, 610);
    btz_ledger_close(l);
    assert_intact(dir, 610);
    remove_tree(dir);
    free(dir);
    free(checkpoint);
}

/* ---- evidence ---- */

static void test_evidence(void **state)
{
    char *dir = make_folder();
    struct btz_ledger *l;
    struct btz_buf got = BTZ_BUF(1000);
    uint8_t digest[32], again[32], commitment[32], same[32], expected[32];
    char hex[65], entry[200], salt_path[200];
    struct btz_buf salt;
    struct btz_ledger_check c;
    struct btz_slice e;
    uint64_t first;
    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    assert_ok(btz_ledger_put_evidence(l, btz_str("what was said"), digest, commitment));
    btz_sha256(btz_str("what was said"), expected);
    assert_memory_equal(digest, expected, 32);
    assert_ok(btz_ledger_put_evidence(l, btz_str("what was said"), again, same));
    assert_memory_equal(commitment, same, 32);
    assert_ok(btz_ledger_get_evidence(l, digest, &got));
    assert_true(btz_slice_is(btz_buf_slice(&got), "what was said"));
    /* The commitment by its definition, from the salt on disk. */
    btz_hex(digest, 32, hex);
    snprintf(salt_path, sizeof salt_path, "%s/evidence/%.2s/%s.salt", dir, hex, hex);
    read_whole(salt_path, &salt);
    assert_int_equal(salt.len, 64);
    {
        BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(1000);

        assert_ok(btz_buf_add_str(&all, "bartizan/evidence/v1\n"));
        assert_ok(btz_buf_add(&all, salt.ptr, 32));
        assert_ok(btz_buf_add(&all, digest, 32));
        btz_sha256(btz_buf_slice(&all), expected);
        assert_memory_equal(commitment, expected, 32);
    }
    btz_buf_release(&salt);
    btz_hex(commitment, 32, hex);
    snprintf(entry, sizeof entry, "{\"finding\":1,\"evidence\":[{\"commitment\":\"%s\"}]}", hex);
    e = btz_str(entry);
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 1);
    assert_int_equal(c.evidence_deleted, 0);
    /* A list of two, the second of bytes long gone; then text that only looks like a mention. */
    snprintf(entry, sizeof entry, "{\"evidence\":[\"%s\",\"%064d\"]}", hex, 7);
    e = btz_str(entry);
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    e = btz_str("{\"reason\":\"\\\"commitment\\\":\\\""
                "0000000000000000000000000000000000000000000000000000000000000009\\\"\"}");
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 1);
    assert_int_equal(c.evidence_deleted, 1);
    /* Deleting it leaves the log whole. */
    assert_ok(btz_ledger_drop_evidence(l, digest));
    assert_ok(btz_ledger_drop_evidence(l, digest));
    btz_buf_clear(&got);
    assert_int_equal(btz_ledger_get_evidence(l, digest, &got), BTZ_IO);
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 0);
    assert_int_equal(c.evidence_deleted, 3);
    /* The same bytes later get another salt. */
    assert_ok(btz_ledger_put_evidence(l, btz_str("what was said"), again, same));
    assert_memory_not_equal(commitment, same, 32);
    btz_ledger_close(l);
    btz_buf_release(&got);
    remove_tree(dir);
    free(dir);
}

/* Stages 20 pieces (more than are synced one by one) and the entry that mentions the last of them. */
static void stage_many(struct btz_ledger *l, uint8_t last[32], char entry[200])
{
    uint8_t commitment[32];
    char text[32], hex[65];

    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "piece %d", i);
        assert_ok(btz_ledger_stage_evidence(l, btz_str(text), last, commitment));
    }
    btz_hex(commitment, 32, hex);
    snprintf(entry, 200, "{\"evidence\":[\"%s\"]}", hex);
}

static void test_staged_evidence(void **state)
{
    char *dir = make_folder(), entry[200];
    struct btz_ledger *l, *other;
    BTZ_BUF_RELEASE struct btz_buf got = BTZ_BUF(1000);
    uint8_t digest[32], again[32], commitment[32], same[32];
    struct btz_ledger_check c;
    struct btz_slice e;
    uint64_t first;

    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    /* Not there before the append, there with it; one salt for equal bytes, whoever staged them. */
    stage_many(l, digest, entry);
    assert_int_equal(btz_ledger_get_evidence(l, digest, &got), BTZ_IO);
    assert_ok(btz_ledger_stage_evidence(l, btz_str("twice"), again, commitment));
    assert_ok(btz_ledger_stage_evidence(l, btz_str("twice"), again, same));
    assert_memory_equal(commitment, same, 32);
    assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &other));
    assert_ok(btz_ledger_stage_evidence(other, btz_str("twice"), again, same));
    assert_memory_equal(commitment, same, 32);
    e = btz_str(entry);
    assert_ok(btz_ledger_append(l, &e, 1, &first));
    assert_ok(btz_ledger_get_evidence(l, digest, &got));
    assert_true(btz_slice_is(btz_buf_slice(&got), "piece 19"));
    assert_ok(btz_ledger_publish_evidence(other));
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.evidence_present, 21);
    /* Closing without an append drops what is staged. */
    assert_ok(btz_ledger_stage_evidence(other, btz_str("never mentioned"), again, same));
    btz_ledger_close(other);
    assert_int_equal(btz_ledger_get_evidence(l, again, &got), BTZ_IO);
    /* Deleted and stored anew by another while it was staged here: its salt is not ours, nothing is appended. */
    assert_ok(btz_ledger_stage_evidence(l, btz_str("contested"), again, commitment));
    {
        char *staged = join(dir, "evidence/staged"), *hidden = join(dir, "hidden");

        assert_int_equal(rename(staged, hidden), 0);
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &other));
        assert_ok(btz_ledger_put_evidence(other, btz_str("contested"), again, same));
        btz_ledger_close(other);
        assert_memory_not_equal(commitment, same, 32);
        remove_tree(staged);
        assert_int_equal(rename(hidden, staged), 0);
        free(staged);
        free(hidden);
    }
    first = btz_ledger_size(l);
    assert_int_equal(btz_ledger_append(l, &e, 1, &first), BTZ_CONFLICT);
    btz_ledger_close(l);
    verify_folder(dir, btz_str(NULL), &c);
    assert_true(c.intact);
    assert_int_equal(c.size, 1);
    remove_tree(dir);
    free(dir);
}

/* A process that dies at any step between staging and the acknowledgement leaves a ledger that verifies, in which every
 * acknowledged entry has its evidence; the next writer removes what was staged. */
struct dying {
    int left;
};

static void die_at(void *user, const char *what)
{
    struct dying *d = user;

    (void)what;
    if (d->left-- == 0)
        raise(SIGKILL);
}

static void test_staged_killed(void **state)
{
    char *dir = make_folder(), entry[200];
    uint64_t acknowledged = 0, first;
    bool died = true;

    (void)state;
    assert_ok(btz_ledger_create(dir, ORIGIN));
    for (int step = 0; died; step += 3) {
        struct btz_ledger_check c;
        struct btz_ledger *l;
        pid_t child = fork();
        int status;

        if (child == 0) {
            struct dying d = { step };
            uint8_t digest[32];
            struct btz_slice e;

            assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
            l->step = die_at;
            l->step_user = &d;
            stage_many(l, digest, entry);
            e = btz_str(entry);
            _exit(btz_ledger_append(l, &e, 1, &first) == BTZ_OK ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        died = WIFSIGNALED(status);
        if (!died) {
            assert_int_equal(WEXITSTATUS(status), 0);
            acknowledged++;
        }
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l)); /* cleans up */
        assert_true(btz_ledger_size(l) >= acknowledged);
        btz_ledger_close(l);
        verify_folder(dir, btz_str(NULL), &c);
        if (!c.intact)
            fail_msg("killed at step %d: %s", step, c.what);
        /* In place all together, before the entry. */
        assert_true(c.evidence_present == 20 || (c.size == 0 && c.evidence_present < 20));
        assert_int_equal(c.evidence_deleted, 0);
    }
    remove_tree(dir);
    free(dir);
}

static void test_evidence_damage(void **state)
{
    static const char *const what[] = { "flip", "flip salt", "remove", "remove salt" };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(what); i++) {
        char *dir = make_folder(), path[300], hex[65], entry[200];
        uint8_t digest[32], commitment[32];
        struct btz_ledger_check c;
        struct btz_ledger *l;
        struct btz_buf bytes;
        struct btz_slice e;
        uint64_t first;

        assert_ok(btz_ledger_create(dir, ORIGIN));
        assert_ok(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
        assert_ok(btz_ledger_put_evidence(l, btz_str("proof"), digest, commitment));
        btz_hex(commitment, 32, hex);
        snprintf(entry, sizeof entry, "{\"commitment\":\"%s\"}", hex);
        e = btz_str(entry);
        assert_ok(btz_ledger_append(l, &e, 1, &first));
        btz_ledger_close(l);
        btz_hex(digest, 32, hex);
        snprintf(path, sizeof path, "%s/evidence/%.2s/%s%s", dir, hex, hex, i % 2 ? ".salt" : "");
        if (i < 2) {
            read_whole(path, &bytes);
            bytes.ptr[2] ^= 4;
            write_whole(path, btz_buf_slice(&bytes));
            btz_buf_release(&bytes);
        } else {
            assert_int_equal(unlink(path), 0);
        }
        verify_folder(dir, btz_str(NULL), &c);
        if (c.intact || !strstr(c.what, hex))
            fail_msg("%s: %s", what[i], c.what);
        assert_int_equal(c.first_bad, 1); /* the entry itself is proven */
        remove_tree(dir);
        free(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_size_256),
        cmocka_unit_test(test_size_70000),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_entry_sizes),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_file_limit),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_put_back_while_open),
        cmocka_unit_test(test_checkpoint_put_back),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_staged_evidence),
        cmocka_unit_test(test_staged_killed),
        cmocka_unit_test(test_evidence_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
