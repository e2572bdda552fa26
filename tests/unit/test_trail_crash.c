/*
 * Processes that are killed while they change the store and log it: at each step of a flush and of the ledger below,
 * and at any instant, several at once. Whatever was committed has its entry, once; what was not has none.
 */
#include <signal.h>
#include <sys/wait.h>

#include "trail_fixture.h"

/* ---- a change and its entry ---- */

static enum btz_err change(struct fixture *f, const char *what, size_t large)
{
    char id[BTZ_ID_TEXT], *text = calloc(1, large + 1);
    struct btz_trail_entry e = { .event = "change", .verdict = "allow", .reason = what };
    struct btz_value value;
    json_t *before;
    enum btz_err err;

    memset(text, 'l', large);
    before = json_pack("{s:s}", "text", text);
    e.before = large ? before : NULL;
    e.secret = large ? btz_str(what) : btz_str(NULL);
    err = btz_store_begin(f->store);
    if (err == BTZ_OK)
        err = btz_trail_add(f->trail, f->store, &e, id);
    value = btz_value_str(id);
    if (err == BTZ_OK)
        err = btz_store_run(f->store, "INSERT INTO things (id) VALUES (?)", &value, 1, NULL);
    if (err == BTZ_OK)
        err = btz_store_commit(f->store);
    if (err == BTZ_OK)
        err = btz_trail_flush(f->trail, f->store);
    json_decref(before);
    free(text);
    return err;
}

static const struct btz_migration things[] = { { 1,
                                                 "CREATE TABLE things (id {text} PRIMARY KEY)" } };

/* ---- the check ---- */

struct ids {
    char (*id)[BTZ_ID_TEXT];
    size_t count, room;
};

static void add_id(struct ids *ids, struct btz_slice text)
{
    if (ids->count == ids->room) {
        ids->room = ids->room ? 2 * ids->room : 256;
        ids->id = realloc(ids->id, ids->room * sizeof *ids->id);
        assert_non_null(ids->id);
    }
    assert_true(text.len < BTZ_ID_TEXT);
    snprintf(ids->id[ids->count++], BTZ_ID_TEXT, "%.*s", BTZ_SLICE_ARG(text));
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum btz_err on_thing(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    add_id(user, columns[0].bytes);
    return BTZ_OK;
}

/* Entries with content that opens, in whole. */
static enum btz_err on_entry(void *user, const struct btz_trail_record *r)
{
    const json_t *large = json_object_get(r->entry, "large");

    assert_non_null(json_object_get(r->entry, "reason"));
    if (large)
        assert_non_null(json_object_get(r->entry, "before"));
    add_id(user, btz_str(json_string_value(json_object_get(r->entry, "id"))));
    return BTZ_OK;
}

/* Opens the state as whoever comes next, and compares; how many there are. */
static size_t assert_exactly_once(struct fixture *f)
{
    struct btz_trail_filter all = { 0 };
    struct ids changed = { 0 }, logged = { 0 };
    size_t count;
    uint64_t waiting;

    open_trail(f);
    assert_ok(btz_trail_flush(f->trail, f->store));
    assert_ok(btz_trail_waiting(f->trail, f->store, &waiting));
    assert_int_equal(waiting, 0);
    assert_ok(btz_store_query(f->store, "SELECT id FROM things ORDER BY id", NULL, 0, on_thing,
                              &changed));
    assert_ok(btz_trail_read(f->trail, f->store, &all, on_entry, &logged, NULL));
    if (logged.count > 0)
        qsort(logged.id, logged.count, sizeof *logged.id, by_id);
    if (changed.count > 0)
        qsort(changed.id, changed.count, sizeof *changed.id, by_id);
    if (logged.count != changed.count)
        fail_msg("%zu changes, %zu entries", changed.count, logged.count);
    for (size_t i = 0; i < logged.count; i++)
        if (strcmp(logged.id[i], changed.id[i]) != 0)
            fail_msg("entry %s against change %s", logged.id[i], changed.id[i]);
    count = changed.count;
    free(changed.id);
    free(logged.id);
    close_trail(f);
    return count;
}

static struct fixture *new_state(void)
{
    struct fixture *f = new_fixture();

    open_trail(f);
    assert_ok(btz_store_migrate(f->store, "things", things, 1));
    close_trail(f);
    return f;
}

static void free_state(struct fixture *f)
{
    assert_int_equal(assert_exactly_once(f) > 0, 1);
    open_trail(f);
    free_fixture(f);
}

/* ---- one step at a time ---- */

static unsigned steps_left;

static void stop_here(void *user, const char *what)
{
    (void)user, (void)what;
    if (steps_left-- == 0)
        kill(getpid(), SIGKILL);
}

static void arm(struct fixture *f)
{
    f->trail->step = stop_here;
    f->trail->ledger->step = stop_here;
}

/* Three changes in a process that dies at step k; false when it got to the end. */
static bool change_and_die(struct fixture *f, unsigned k)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        steps_left = k;
        open_trail(f);
        arm(f);
        for (int i = 0; i < 3; i++)
            if (change(f, "step by step", i == 1 ? 40000 : 0) != BTZ_OK)
                _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void test_every_step(void **state)
{
    unsigned k = 0;
    (void)state;
    for (bool died = true; died; k++) {
        struct fixture *f = new_state();
        struct btz_ledger_check c;

        died = change_and_die(f, k);
        assert_exactly_once(f);
        assert_false(died && change_and_die(f, 1000000)); /* and on it goes */
        assert_exactly_once(f);
        verify_folder(f->ledger, btz_str(NULL), &c);
        if (!c.intact)
            fail_msg("step %u: %s", k, c.what);
        free_state(f);
    }
    print_message("# killed at %u steps\n", k - 1);
    assert_true(k > 40);
}

/* ---- any instant, several processes ---- */

/* Says on the pipe when the first change is done, so that each round has one whatever the machine's speed. */
static void change_until_killed(struct fixture *f, uint64_t seed, int pipe)
{
    struct btz_rng r;

    btz_rng_init(&r, seed, 3);
    open_trail(f);
    for (unsigned n = 0;; n++) {
        if (change(f, "any instant", btz_rng_below(&r, 8) == 0 ? 30000 : 0) != BTZ_OK)
            _exit(1);
        if (n == 0 && write(pipe, "1", 1) != 1)
            _exit(2);
    }
}

static void test_any_instant(void **state)
{
    enum { ROUNDS = 80, WRITERS = 3 };
    struct fixture *f = new_state();
    struct btz_rng r;
    size_t count = 0;
    int ends[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    btz_rng_init(&r, 20261128, 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pid_t child[WRITERS];

        for (unsigned w = 0; w < WRITERS; w++) {
            child[w] = fork();
            assert_true(child[w] >= 0);
            if (child[w] == 0)
                change_until_killed(f, round * WRITERS + w, ends[1]);
        }
        assert_int_equal(read(ends[0], &byte, 1), 1);
        /* One after the other: those that are left go on beside the dead one's remains. */
        for (unsigned w = 0; w < WRITERS; w++) {
            int status;

            usleep(2000 + btz_rng_below(&r, 30000));
            kill(child[w], SIGKILL);
            assert_int_equal(waitpid(child[w], &status, 0), child[w]);
            if (!WIFSIGNALED(status))
                fail_msg("round %u: a writer ended with %d", round, WEXITSTATUS(status));
        }
        if (round % 10 == 9) {
            size_t now = assert_exactly_once(f);

            assert_true(now >= count);
            count = now;
        }
    }
    print_message("# %d kills, %zu changes, each with one entry\n", ROUNDS * WRITERS, count);
    assert_true(count >= ROUNDS);
    close(ends[0]);
    close(ends[1]);
    assert_intact(f->ledger, count);
    free_state(f);
}

/* Several processes that all get to their end. */
static void test_many_writers(void **state)
{
    enum { WRITERS = 4, EACH = 40 };
    struct fixture *f = new_state();
    pid_t child[WRITERS];
    (void)state;
    for (unsigned w = 0; w < WRITERS; w++) {
        child[w] = fork();
        assert_true(child[w] >= 0);
        if (child[w] == 0) {
            open_trail(f);
            for (unsigned i = 0; i < EACH; i++)
                if (change(f, "many writers", 0) != BTZ_OK)
                    _exit(1);
            _exit(0);
        }
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        int status;

        assert_int_equal(waitpid(child[w], &status, 0), child[w]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(assert_exactly_once(f), WRITERS * EACH);
    free_state(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step),
        cmocka_unit_test(test_any_instant),
        cmocka_unit_test(test_many_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
