/*
 * Writers that are killed at any instant, servers that crash or go away, disks that are full. What was acknowledged is
 * there; what was not is there whole or not at all.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "store_engines.h"

#define PARTS 7 /* rows of one transaction */

static const struct btz_migration book[] = {
    { 1, "CREATE TABLE entries (n {int} NOT NULL, part {int} NOT NULL, body {text} NOT NULL, "
         "PRIMARY KEY (n, part)); CREATE TABLE counter (one {int} PRIMARY KEY, n {int} NOT NULL)" },
};

static struct btz_store *open_book(const char *where)
{
    struct btz_store *s;

    assert_ok(btz_store_open(where, &s));
    assert_ok(btz_store_migrate(s, "book", book, 1));
    return s;
}

/* Entry n in seven rows, and the counter, in one transaction. */
static enum btz_err write_entry(struct btz_store *s, int64_t n)
{
    char body[400];

    memset(body, 'a' + (int)(n % 26), sizeof body);
    BTZ_TRY(btz_store_begin(s));
    for (int part = 0; part < PARTS; part++) {
        const struct btz_value values[] = { btz_value_int(n), btz_value_int(part),
                                            btz_value_text(btz_slice_of(body, sizeof body)) };

        BTZ_TRY(btz_store_run(s, "INSERT INTO entries (n, part, body) VALUES (?, ?, ?)", values, 3,
                              NULL));
    }
    {
        const struct btz_value v = btz_value_int(n);

        BTZ_TRY(
            btz_store_run(s,
                          "INSERT INTO counter (one, n) VALUES (1, ?) ON CONFLICT (one) DO UPDATE "
                          "SET n = excluded.n",
                          &v, 1, NULL));
    }
    return btz_store_commit(s);
}

/* Writes on until it is killed, telling each acknowledged entry. */
static void write_on(const char *where, int tell)
{
    struct btz_store *s;
    int64_t n;

    if (btz_store_open(where, &s) != BTZ_OK)
        _exit(1);
    n = store_int(s, "SELECT coalesce(max(n), 0) FROM counter");
    for (;;) {
        n++;
        if (write_entry(s, n) != BTZ_OK || write(tell, &n, sizeof n) != sizeof n)
            _exit(2);
    }
}

static int64_t last_told(int from)
{
    int64_t n, last = 0;

    while (read(from, &n, sizeof n) == sizeof n)
        last = n;
    return last;
}

static void assert_whole(struct btz_store *s, int64_t acknowledged)
{
    int64_t n = store_int(s, "SELECT coalesce(max(n), 0) FROM counter");

    assert_true(n >= acknowledged);
    assert_int_equal(store_int(s, "SELECT count(*) FROM entries"), n * PARTS);
    assert_int_equal(store_int(s, "SELECT coalesce(max(n), 0) FROM entries"), n);
    assert_int_equal(store_int(s, "SELECT count(*) FROM entries WHERE length(body) <> 400"), 0);
}

static void test_killed_writers(void **state)
{
    enum { KILLS = 25 };
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_book(where);
    int64_t last = 0;
    unsigned seed = 1;

    btz_store_close(s);
    for (int i = 0; i < KILLS; i++) {
        struct timespec wait;
        int pipes[2], status;
        int64_t told;
        pid_t child;

        seed = seed * 1103515245u + 12345u;
        wait = (struct timespec){ 0, 1000000 + (long)(seed >> 8) % 60000000 };
        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipes[0]);
            write_on(where, pipes[1]);
        }
        close(pipes[1]);
        /* Most are killed at work, some while they open. */
        if (i % 5 != 0)
            assert_int_equal(poll(&(struct pollfd){ pipes[0], POLLIN, 0 }, 1, 60000), 1);
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        told = last_told(pipes[0]);
        close(pipes[0]);
        last = told > last ? told : last;
        s = open_book(where);
        /* Nobody holds a lock of the dead. */
        assert_ok(btz_store_begin(s));
        btz_store_rollback(s);
        assert_whole(s, last);
        btz_store_close(s);
    }
    assert_true(last > 0);
}

/* ---- full disks ---- */

/* In a process of its own, because a limit of files stays. Fills until it fails; then reads, and goes on when there is room. */
static int fill_up(const char *where)
{
    struct rlimit limit = { 300000, RLIM_INFINITY };
    struct btz_store *s;
    enum btz_err err = BTZ_OK;
    int64_t n = 0;

    signal(SIGXFSZ, SIG_IGN);
    if (btz_store_open(where, &s) != BTZ_OK || setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 1;
    while (err == BTZ_OK && n < 100000)
        err = write_entry(s, ++n);
    if (err != BTZ_IO || !strstr(btz_error_detail(), "disk is full")) {
        print_error("%s: %s\n", btz_err_name(err), btz_error_detail());
        return 2;
    }
    btz_store_rollback(s);
    /* Reads go on, and show nothing of what failed. */
    if (store_int(s, "SELECT count(*) FROM entries") != (n - 1) * PARTS)
        return 3;
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || write_entry(s, n) != BTZ_OK)
        return 4;
    if (store_int(s, "SELECT count(*) FROM entries") != n * PARTS)
        return 5;
    btz_store_close(s);
    return 0;
}

static void test_full_sqlite(void **state)
{
    BTZ_FREE char *where = engine_fresh(SQLITE);
    struct btz_store *s = open_book(where);
    int status;
    pid_t child;
    (void)state;

    btz_store_close(s);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_up(where));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    s = open_book(where);
    assert_whole(s, 1);
    btz_store_close(s);
}

/* SQLite's own limit says it in another way. */
static void test_full_pages(void **state)
{
    BTZ_FREE char *where = engine_fresh(SQLITE);
    struct btz_store *s = open_book(where);
    enum btz_err err = BTZ_OK;
    int64_t n = 0;
    (void)state;

    assert_int_equal(store_int(s, "PRAGMA max_page_count = 60"), 60);
    while (err == BTZ_OK && n < 100000)
        err = write_entry(s, ++n);
    assert_int_equal(err, BTZ_IO);
    assert_non_null(strstr(btz_error_detail(), "disk is full"));
    /* Until it is rolled back everything else is refused the same way, although SQLite has rolled back already. */
    assert_err(btz_store_run(s, "DELETE FROM entries", NULL, 0, NULL), BTZ_IO);
    btz_store_rollback(s);
    assert_whole(s, n - 1);
    assert_ok(btz_store_run(s, "UPDATE entries SET body = 'short' WHERE n = 1", NULL, 0, NULL));
    btz_store_close(s);
}

/* ---- files ---- */

static void test_files(void **state)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    BTZ_FREE char *where = engine_fresh(SQLITE);
    struct btz_store *s;
    mode_t before = umask(0);
    (void)state;

    s = open_book(where);
    assert_ok(write_entry(s, 1));
    umask(before);
    for (size_t i = 0; i < BTZ_COUNT(suffixes); i++) {
        BTZ_FREE char *path = NULL;
        struct stat st;

        assert_true(asprintf(&path, "%s%s", where, suffixes[i]) > 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(store_int(s, "PRAGMA synchronous"), 2);
    assert_int_equal(store_int(s, "PRAGMA foreign_keys"), 1);
    assert_int_equal(store_int(s, "PRAGMA secure_delete"), 1);
    assert_int_equal(store_int(s, "PRAGMA trusted_schema"), 0);
    btz_store_close(s);
}

/* Not a data base, one of another program, one that is damaged, no folder, a folder. */
static void test_wrong_files(void **state)
{
    BTZ_FREE char *text = engine_fresh(SQLITE), *foreign = engine_fresh(SQLITE);
    BTZ_FREE char *damaged = engine_fresh(SQLITE), *prefixed = NULL;
    struct btz_store *s;
    uint8_t junk[3000];
    int fd, status;
    pid_t child;
    (void)state;

    memset(junk, 'x', sizeof junk);
    assert_ok(btz_file_write(text, btz_slice_of(junk, sizeof junk), 0600));
    assert_err(btz_store_open(text, &s), BTZ_INPUT);
    assert_err(btz_store_open("/nowhere/at/all.db", &s), BTZ_IO);
    assert_err(btz_store_open(SQLITE->folder, &s), BTZ_IO);
    assert_err(btz_store_open("sqlite:", &s), BTZ_USAGE);
    assert_err(btz_store_open(":memory:", &s), BTZ_USAGE);
    assert_err(btz_store_open("mysql://root@localhost/x", &s), BTZ_USAGE);
    assert_true(asprintf(&prefixed, "sqlite:%s", foreign) > 0);
    /* Its tables, without our mark in the header (byte 68). */
    s = open_book(prefixed);
    assert_string_equal(btz_store_kind(s), "sqlite");
    btz_store_close(s);
    fd = open(foreign, O_WRONLY);
    assert_int_equal(pwrite(fd, "\1\2\3\4", 4, 68), 4);
    close(fd);
    assert_err(btz_store_open(foreign, &s), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "another program"));
    /* Pages of nonsense behind a good header: an error, never a crash, in a process of its own. */
    s = open_book(damaged);
    for (int n = 1; n < 60; n++)
        assert_ok(write_entry(s, n));
    btz_store_close(s);
    fd = open(damaged, O_WRONLY);
    for (off_t at = 4096 * 2; at < 4096 * 12; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        enum btz_err err = btz_store_open(damaged, &s);

        if (err == BTZ_OK)
            err = btz_store_migrate(s, "book", book, 1);
        if (err == BTZ_OK)
            err = btz_store_run(s, "DELETE FROM entries", NULL, 0, NULL);
        _exit(err == BTZ_INPUT ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- servers ---- */

static bool there(void)
{
    if (POSTGRES->postgres.pid > 0)
        return true;
    print_message("# skipped: %s\n", POSTGRES->postgres.why);
    skip();
    return false;
}

static void test_credentials(void **state)
{
    struct postgres *p = &POSTGRES->postgres;
    static const char *const bad[] = {
        "postgresql://bartizan:s3cret-of-the-tests@[::1/x",
        "postgresql://bartizan:s3cret-of-the-tests@h:99999999/x?nonsense=1",
        "postgresql://bartizan:s3cret-of-the-tests%zz@localhost/x",
    };
    BTZ_FREE char *url = NULL, *nobody = NULL, *missing = NULL, *silent = NULL;
    struct btz_store *s;
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        enum btz_err err = btz_store_open(bad[i], &s);

        assert_true(err == BTZ_USAGE || err == BTZ_UNREACHABLE);
        assert_null(strstr(btz_error_detail(), "s3cret"));
    }
    assert_err(btz_store_open("postgresql://u:s3cret@127.0.0.1:1/x", &s), BTZ_UNREACHABLE);
    assert_null(strstr(btz_error_detail(), "s3cret"));
    if (!there())
        return;
    assert_true(asprintf(&url, "postgresql://bartizan:wrong-s3cret@/postgres?host=%s", p->folder) >
                0);
    assert_err(btz_store_open(url, &s), BTZ_DENIED);
    assert_null(strstr(btz_error_detail(), "s3cret"));
    assert_true(asprintf(&nobody, "postgresql://nobody:wrong@/postgres?host=%s", p->folder) > 0);
    assert_err(btz_store_open(nobody, &s), BTZ_DENIED);
    assert_true(asprintf(&silent, "postgresql://bartizan@/postgres?host=%s", p->folder) > 0);
    assert_err(btz_store_open(silent, &s), BTZ_DENIED);
    missing = postgres_url(p, "absent", "");
    assert_err(btz_store_open(missing, &s), BTZ_USAGE);
    assert_null(strstr(btz_error_detail(), "s3cret"));
}

/* The server crashes and comes back: committed is there, open is gone, the handle goes on by itself. */
static void test_server_crash(void **state)
{
    struct postgres *p = &POSTGRES->postgres;
    BTZ_FREE char *where = NULL;
    struct btz_store *s;
    (void)state;

    if (!there())
        return;
    where = engine_fresh(POSTGRES);
    s = open_book(where);
    assert_ok(write_entry(s, 1));
    assert_ok(btz_store_begin(s));
    assert_ok(btz_store_run(s, "DELETE FROM entries", NULL, 0, NULL));
    postgres_end(p, SIGQUIT);
    assert_err(btz_store_run(s, "DELETE FROM counter", NULL, 0, NULL), BTZ_UNREACHABLE);
    assert_err(btz_store_commit(s), BTZ_UNREACHABLE);
    btz_store_rollback(s);
    assert_err(btz_store_begin(s), BTZ_UNREACHABLE);
    assert_err(btz_store_run(s, "DELETE FROM entries", NULL, 0, NULL), BTZ_UNREACHABLE);
    assert_true(postgres_run(p));
    assert_whole(s, 1);
    assert_ok(write_entry(s, 2));
    /* Restarted while nobody was looking: no error at all. */
    postgres_end(p, SIGINT);
    assert_true(postgres_run(p));
    assert_ok(write_entry(s, 3));
    postgres_end(p, SIGINT);
    assert_true(postgres_run(p));
    assert_whole(s, 3);
    btz_store_close(s);
}

/* Killed and crashed at any instant while a writer is at work: what the writer was told is there. */
static void test_server_crash_at_work(void **state)
{
    enum { CRASHES = 3 };
    struct postgres *p = &POSTGRES->postgres;
    BTZ_FREE char *where = NULL;
    struct btz_store *s;
    int64_t last = 0;
    (void)state;

    if (!there())
        return;
    where = engine_fresh(POSTGRES);
    btz_store_close(open_book(where));
    for (int i = 0; i < CRASHES; i++) {
        struct timespec wait = { 0, 3000000 + 17000000 * i };
        int pipes[2], status;
        int64_t told;
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            close(pipes[0]);
            write_on(where, pipes[1]);
        }
        close(pipes[1]);
        assert_int_equal(poll(&(struct pollfd){ pipes[0], POLLIN, 0 }, 1, 60000), 1);
        nanosleep(&wait, NULL);
        postgres_end(p, SIGQUIT);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        told = last_told(pipes[0]);
        close(pipes[0]);
        last = told > last ? told : last;
        assert_true(postgres_run(p));
        s = open_book(where);
        assert_whole(s, last);
        btz_store_close(s);
    }
}

/* ---- a connection that breaks in the middle of COMMIT: a proxy that cuts it before or after the server heard it ---- */

enum cut { CUT_BEFORE, CUT_AFTER };

/* "COMMIT" with its NUL: not "READ COMMITTED". */
static void pass_on(int from, int to, enum cut cut, bool *armed, bool *cut_now)
{
    char block[65536];
    ssize_t n = read(from, block, sizeof block);

    *cut_now = n <= 0;
    if (n > 0 && *armed && memmem(block, (size_t)n, "COMMIT", 7)) {
        *armed = false;
        *cut_now = true;
        if (cut == CUT_BEFORE)
            return;
    }
    if (n > 0 && write(to, block, (size_t)n) != n)
        *cut_now = true;
    /* Heard and done, but the answer never arrives. */
    if (n > 0 && *cut_now && cut == CUT_AFTER)
        n = read(to, block, sizeof block);
}

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* One connection at a time; the first COMMIT it sees is cut. */
static void run_proxy(int listener, const char *server, enum cut cut)
{
    bool armed = true;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int client = accept(listener, NULL, NULL), up = dial(server);
        bool done = client < 0 || up < 0;

        while (!done) {
            fd_set set;

            FD_ZERO(&set);
            FD_SET(client, &set);
            FD_SET(up, &set);
            if (select((client > up ? client : up) + 1, &set, NULL, NULL, NULL) < 0)
                break;
            if (FD_ISSET(client, &set))
                pass_on(client, up, cut, &armed, &done);
            else
                pass_on(up, client, cut, &(bool){ false }, &done);
        }
        close(client);
        close(up);
    }
}

static void cut_commit(enum cut cut, enum btz_err want, int64_t entries)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    BTZ_FREE char *direct = engine_fresh(POSTGRES), *schema = strdup(strstr(direct, "&options"));
    BTZ_FREE char *through = NULL, *folder = store_new_folder(), *server = NULL;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct btz_store *s;
    pid_t proxy;

    btz_store_close(open_book(direct));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", folder);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_true(asprintf(&server, "%s/.s.PGSQL.5432", POSTGRES->postgres.folder) > 0);
    assert_true(asprintf(&through, "postgresql://bartizan:%s@/postgres?host=%s%s",
                         POSTGRES_PASSWORD, folder, schema) > 0);
    proxy = fork();
    assert_true(proxy >= 0);
    if (proxy == 0)
        run_proxy(listener, server, cut);
    close(listener);
    assert_ok(btz_store_open(through, &s));
    assert_err(write_entry(s, 1), want);
    btz_store_rollback(s);
    assert_int_equal(store_int(s, "SELECT count(*) FROM entries"), entries);
    /* And the handle goes on. */
    assert_ok(write_entry(s, entries ? 2 : 1));
    btz_store_close(s);
    kill(proxy, SIGKILL);
    waitpid(proxy, NULL, 0);
    unlink(address.sun_path);
    rmdir(folder);
}

static void test_cut_commit(void **state)
{
    (void)state;
    if (!there())
        return;
    cut_commit(CUT_BEFORE, BTZ_UNREACHABLE, 0);
    cut_commit(CUT_AFTER, BTZ_OK, PARTS);
}

/* A disk of 2 MiB under the tables; needs the right to mount. */
static void test_full_postgres(void **state)
{
    struct postgres *p = &POSTGRES->postgres;
    const struct passwd *user = getpwnam("postgres");
    BTZ_FREE char *where = NULL, *disk = NULL, *sql = NULL, *url = NULL;
    struct btz_store *s;
    enum btz_err err = BTZ_OK;
    int64_t n = 0;
    (void)state;

    if (!there())
        return;
    assert_true(asprintf(&disk, "%s/disk", p->folder) > 0);
    assert_int_equal(mkdir(disk, 0700), 0);
    if (mount("tmpfs", disk, "tmpfs", 0, "size=2m,mode=0700") < 0) {
        print_message("# skipped: no right to mount a small disk\n");
        skip();
    }
    if (user && geteuid() == 0)
        assert_int_equal(chown(disk, user->pw_uid, user->pw_gid), 0);
    assert_true(asprintf(&sql, "CREATE TABLESPACE small LOCATION '%s'", disk) > 0);
    assert_true(postgres_admin(p, sql));
    where = engine_fresh(POSTGRES);
    assert_true(asprintf(&url, "%s%%20-cdefault_tablespace%%3Dsmall", where) > 0);
    s = open_book(url);
    while (err == BTZ_OK && n < 100000)
        err = write_entry(s, ++n);
    assert_int_equal(err, BTZ_IO);
    assert_non_null(strstr(btz_error_detail(), "disk is full"));
    btz_store_rollback(s);
    assert_whole(s, n - 1);
    assert_ok(btz_store_run(s, "DROP TABLE entries", NULL, 0, NULL));
    assert_ok(btz_store_run(s, "DROP TABLE counter", NULL, 0, NULL));
    assert_ok(btz_store_run(s, "DROP TABLE migrations", NULL, 0, NULL));
    btz_store_close(s);
    assert_true(postgres_admin(p, "DROP TABLESPACE small"));
    assert_int_equal(umount(disk), 0);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        { "test_killed_writers (sqlite)", test_killed_writers, NULL, NULL, SQLITE },
        { "test_killed_writers (postgresql)", test_killed_writers, NULL, NULL, POSTGRES },
        cmocka_unit_test(test_full_sqlite),
        cmocka_unit_test(test_full_pages),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_wrong_files),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_server_crash),
        cmocka_unit_test(test_server_crash_at_work),
        cmocka_unit_test(test_cut_commit),
        cmocka_unit_test(test_full_postgres),
    };
    int failed;

    signal(SIGPIPE, SIG_IGN);
    SQLITE->start(SQLITE);
    if (!POSTGRES->start(POSTGRES))
        tests[1].test_func = engine_missing;
    failed = cmocka_run_group_tests_name("store crash", tests, NULL, NULL);
    POSTGRES->stop(POSTGRES);
    SQLITE->stop(SQLITE);
    return failed;
}
