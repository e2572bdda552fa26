/* Both engines through one table of tests: what holds for one holds for the other. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_engines.h"

static const struct btz_migration people[] = {
    { 1, "-- who may come in; a ';' in a comment and in a literal separates nothing\n"
         "CREATE TABLE people (id {id}, name {text} NOT NULL UNIQUE, age {int}, weight {real}, "
         "picture {blob}, note {text} NOT NULL DEFAULT 'a;b -- {int} ? ''c''');\n"
         "/* second; */ CREATE INDEX people_age ON people (age);" },
    { 2,
      "CREATE TABLE visits (person {int} NOT NULL REFERENCES people (id), place {text} NOT NULL, "
      "PRIMARY KEY (person, place))" },
};

static struct btz_store *open_people(const char *where)
{
    struct btz_store *s;

    assert_ok(btz_store_open(where, &s));
    assert_ok(btz_store_migrate(s, "people", people, BTZ_COUNT(people)));
    return s;
}

static enum btz_err add(struct btz_store *s, const char *name, int64_t age)
{
    const struct btz_value values[] = { btz_value_str(name), btz_value_int(age) };

    return btz_store_run(s, "INSERT INTO people (name, age) VALUES (?, ?)", values, 2, NULL);
}

/* ---- values ---- */

static void assert_value(const struct btz_value *got, const struct btz_value *want)
{
    assert_int_equal(got->kind, want->kind);
    if (want->kind == BTZ_VALUE_INT)
        assert_true(got->i == want->i);
    if (want->kind == BTZ_VALUE_REAL)
        assert_memory_equal(&got->real, &want->real, sizeof want->real);
    if (want->kind == BTZ_VALUE_TEXT || want->kind == BTZ_VALUE_BLOB)
        assert_true(btz_slice_equal(got->bytes, want->bytes));
}

static void assert_kept(struct btz_store *s, const char *column, const struct btz_value *v)
{
    BTZ_FREE char *write = NULL;
    BTZ_FREE char *read = NULL;
    struct btz_arena arena;
    const struct btz_value *row;

    btz_arena_init(&arena, 4 << 20);
    assert_true(asprintf(&write, "UPDATE people SET %s = ? WHERE name = 'x'", column) > 0);
    assert_true(asprintf(&read, "SELECT %s FROM people WHERE name = 'x'", column) > 0);
    assert_ok(btz_store_run(s, write, v, 1, NULL));
    assert_ok(btz_store_one(s, read, NULL, 0, &arena, 1, &row));
    assert_non_null(row);
    assert_value(&row[0], v);
    btz_arena_release(&arena);
}

static void test_values(void **state)
{
    static const int64_t ints[] = { 0, 1, -1, 255, INT32_MAX, INT64_MAX, INT64_MIN };
    static const double reals[] = { 0.0, 0.1, 1e300, 5e-324, 3.141592653589793, -1e-5, 7.0 };
    static const char bytes[] = "\0\1\377'\"\\\0";
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    uint8_t *large = malloc(1 << 20);
    struct btz_value v;

    assert_ok(add(s, "x", 1));
    for (size_t i = 0; i < BTZ_COUNT(ints); i++) {
        v = btz_value_int(ints[i]);
        assert_kept(s, "age", &v);
    }
    for (size_t i = 0; i < BTZ_COUNT(reals); i++) {
        v = btz_value_real(reals[i]);
        assert_kept(s, "weight", &v);
    }
    v = btz_value_null();
    assert_kept(s, "age", &v);
    assert_kept(s, "weight", &v);
    assert_kept(s, "picture", &v);
    v = btz_value_blob(NULL, 0);
    assert_kept(s, "picture", &v);
    v = btz_value_blob(bytes, sizeof bytes);
    assert_kept(s, "picture", &v);
    assert_non_null(large);
    for (size_t i = 0; i < 1 << 20; i++)
        large[i] = (uint8_t)(i * 2654435761u >> 13);
    v = btz_value_blob(large, 1 << 20);
    assert_kept(s, "picture", &v);
    free(large);
    btz_store_close(s);
}

/* Texts that would be something else if they were ever pasted into SQL, a URL, or a C string. */
static const char *const hostile[] = {
    "",
    "'",
    "''",
    "\"",
    "\\",
    "\\'; --",
    "'; DROP TABLE people; --",
    "x' OR '1'='1",
    "1) UNION SELECT 1,2,3 --",
    "/* */ -- \n;",
    "? $1 $2 :name @name {int} %s%n",
    "$$ $tag$ E'\\047' U&'\\0027'",
    "\xef\xbb\xbf"
    "bom",
    "\xe2\x80\xae"
    "right to left",
    "\xf0\x9f\x94\x91 four bytes",
    "\x01\x02\x1b[31m\x7f",
    "tab\tnew\nline\r\n",
    "NULL",
};

static void test_hostile_text(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    struct btz_value v;

    assert_ok(add(s, "x", 1));
    for (size_t i = 0; i < BTZ_COUNT(hostile); i++) {
        v = btz_value_str(hostile[i]);
        assert_kept(s, "note", &v);
    }
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), 1);
    btz_store_close(s);
}

static void test_bad_text(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = { { "a\0b", 3 },      { "\0", 1 },           { "\xff", 1 },
                { "\xc0\x80", 2 },  { "\xed\xa0\x80", 3 }, { "\xf4\x90\x80\x80", 4 },
                { "ab\xe2\x82", 4 } };
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);

    assert_ok(add(s, "x", 1));
    assert_ok(btz_store_begin(s));
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        const struct btz_value v = btz_value_text(btz_slice_of(bad[i].bytes, bad[i].len));

        assert_err(btz_store_run(s, "UPDATE people SET note = ?", &v, 1, NULL), BTZ_INPUT);
    }
    /* Refused before the engine saw it, so the transaction is whole. */
    assert_ok(btz_store_commit(s));
    assert_int_equal(store_int(s, "SELECT count(*) FROM people WHERE note LIKE 'a;b%'"), 1);
    btz_store_close(s);
}

static void test_limits(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    const size_t size = (64u << 20) + 1;
    uint8_t *big = calloc(1, size);
    struct btz_value v = btz_value_blob(big, size);

    assert_non_null(big);
    assert_err(btz_store_run(s, "UPDATE people SET picture = ?", &v, 1, NULL), BTZ_LIMIT);
    free(big);
    v = btz_value_int(1);
    /* Too few values, too many, two statements, a numbered value, nonsense. */
    assert_err(btz_store_run(s, "UPDATE people SET age = ?", NULL, 0, NULL), BTZ_INTERNAL);
    assert_err(btz_store_run(s, "UPDATE people SET age = 1", &v, 1, NULL), BTZ_INTERNAL);
    assert_err(btz_store_run(s, "DELETE FROM people; DELETE FROM people", NULL, 0, NULL),
               BTZ_INTERNAL);
    assert_err(btz_store_run(s, "UPDATE people SET age = ?1", &v, 1, NULL), BTZ_INTERNAL);
    assert_err(btz_store_run(s, "SELEKT 1", NULL, 0, NULL), BTZ_INTERNAL);
    /* Not a name, not a string: the same in both engines. */
    assert_err(btz_store_run(s, "UPDATE people SET note = \"a\"", NULL, 0, NULL), BTZ_INTERNAL);
    btz_store_close(s);
}

/* ---- statements ---- */

static void test_changed(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    uint64_t changed = 99;

    assert_ok(add(s, "a", 1));
    assert_ok(add(s, "b", 1));
    assert_ok(btz_store_run(s, "UPDATE people SET age = 2", NULL, 0, &changed));
    assert_int_equal(changed, 2);
    assert_ok(btz_store_run(s, "UPDATE people SET age = 2 WHERE name = 'c'", NULL, 0, &changed));
    assert_int_equal(changed, 0);
    assert_ok(btz_store_run(s, "INSERT INTO people (name) VALUES ('a') ON CONFLICT DO NOTHING",
                            NULL, 0, &changed));
    assert_int_equal(changed, 0);
    assert_ok(btz_store_run(s, "DELETE FROM people WHERE name = 'a'", NULL, 0, &changed));
    assert_int_equal(changed, 1);
    btz_store_close(s);
}

static void test_types_of_answers(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    const struct btz_value arguments[] = { btz_value_null(), btz_value_str("b") };
    struct btz_arena arena;
    const struct btz_value *row;

    btz_arena_init(&arena, 1 << 20);
    assert_ok(add(s, "b", 3));
    assert_ok(add(s, "a", 4));
    assert_int_equal(store_int(s, "SELECT sum(age) FROM people"), 7);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people WHERE age > 3"), 1);
    assert_int_equal(store_int(s, "SELECT EXISTS (SELECT 1 FROM people WHERE age = 9)"), 0);
    assert_int_equal(store_int(s, "SELECT max(age) = 4 FROM people"), 1);
    /* A filter that is absent: the usual way of optional conditions. */
    assert_ok(btz_store_one(s,
                            "SELECT name FROM people WHERE (? IS NULL OR name = 'q') AND name = ?",
                            arguments, 2, &arena, 1, &row));
    assert_non_null(row);
    assert_true(btz_slice_is(row[0].bytes, "b"));
    assert_int_equal(row[0].bytes.ptr[1], 0);
    assert_ok(btz_store_one(s, "INSERT INTO people (name) VALUES ('z') RETURNING id, name", NULL, 0,
                            &arena, 2, &row));
    assert_int_equal(row[0].kind, BTZ_VALUE_INT);
    assert_int_equal(row[0].i, 3);
    assert_ok(btz_store_one(s, "SELECT name FROM people WHERE name = 'nobody'", NULL, 0, &arena, 1,
                            &row));
    assert_null(row);
    assert_err(btz_store_one(s, "SELECT name FROM people", NULL, 0, &arena, 1, &row), BTZ_INTERNAL);
    btz_arena_release(&arena);
    btz_store_close(s);
}

static enum btz_err join_names(void *user, const struct btz_value *columns, size_t count)
{
    assert_int_equal(count, 1);
    return btz_buf_add_slice(user, columns[0].bytes);
}

static void test_order_is_by_bytes(void **state)
{
    static const char *const names[] = { "b", "B", "a", "_", "\xc3\xa4", "A", "-", "~" };
    BTZ_FREE char *where = engine_fresh(*state);
    BTZ_BUF_RELEASE struct btz_buf joined = BTZ_BUF(1000);
    struct btz_store *s = open_people(where);

    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        assert_ok(add(s, names[i], 1));
    assert_ok(
        btz_store_query(s, "SELECT name FROM people ORDER BY name", NULL, 0, join_names, &joined));
    assert_true(btz_slice_is(btz_buf_slice(&joined), "-AB_ab~\xc3\xa4"));
    btz_store_close(s);
}

static enum btz_err stop_at_first(void *user, const struct btz_value *columns, size_t count)
{
    (void)columns, (void)count;
    ++*(int *)user;
    return btz_fail(BTZ_DENIED, "enough");
}

struct nested {
    struct btz_store *s;
    int64_t sum;
};

static enum btz_err ask_inside(void *user, const struct btz_value *columns, size_t count)
{
    struct nested *n = user;

    (void)columns, (void)count;
    n->sum += store_int(n->s, "SELECT count(*) FROM people");
    return BTZ_OK;
}

static void test_rows(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    struct nested n = { s, 0 };
    int calls = 0;

    for (char name[2] = "a"; name[0] <= 'e'; name[0]++)
        assert_ok(add(s, name, 1));
    assert_ok(btz_store_begin(s));
    assert_err(btz_store_query(s, "SELECT name FROM people", NULL, 0, stop_at_first, &calls),
               BTZ_DENIED);
    assert_string_equal(btz_error_detail(), "enough");
    assert_int_equal(calls, 1);
    /* Not the store's error: the transaction goes on. */
    assert_ok(add(s, "f", 1));
    assert_ok(btz_store_commit(s));
    /* The same statement inside itself, five levels of it would be the same. */
    assert_ok(btz_store_query(s, "SELECT name FROM people", NULL, 0, ask_inside, &n));
    assert_int_equal(n.sum, 36);
    btz_store_close(s);
}

/* ---- transactions ---- */

static void test_transactions(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where), *other = open_people(where);

    assert_ok(btz_store_begin(s));
    assert_err(btz_store_begin(s), BTZ_INTERNAL);
    assert_ok(add(s, "a", 1));
    assert_int_equal(store_int(other, "SELECT count(*) FROM people"), 0);
    assert_ok(btz_store_commit(s));
    assert_int_equal(store_int(other, "SELECT count(*) FROM people"), 1);
    assert_ok(btz_store_begin(s));
    assert_ok(add(s, "b", 1));
    btz_store_rollback(s);
    btz_store_rollback(s);
    assert_err(btz_store_commit(s), BTZ_INTERNAL);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), 1);
    /* A view does not move. */
    assert_ok(btz_store_begin_read(other));
    assert_ok(add(s, "c", 1));
    assert_int_equal(store_int(other, "SELECT count(*) FROM people"), 1);
    assert_err(add(other, "d", 1), BTZ_INTERNAL);
    btz_store_rollback(other);
    assert_int_equal(store_int(other, "SELECT count(*) FROM people"), 2);
    /* Closing in the middle takes back. */
    assert_ok(btz_store_begin(other));
    assert_ok(add(other, "e", 1));
    btz_store_close(other);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), 2);
    btz_store_close(s);
}

static void test_constraints(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);

    assert_ok(add(s, "a", 1));
    assert_err(add(s, "a", 1), BTZ_CONFLICT);
    assert_err(btz_store_run(s, "INSERT INTO people (age) VALUES (1)", NULL, 0, NULL),
               BTZ_CONFLICT);
    assert_err(
        btz_store_run(s, "INSERT INTO visits (person, place) VALUES (77, 'x')", NULL, 0, NULL),
        BTZ_CONFLICT);
    assert_ok(btz_store_begin(s));
    assert_ok(add(s, "b", 1));
    assert_err(add(s, "secret-name", 1) == BTZ_OK ? add(s, "secret-name", 1) : BTZ_INTERNAL,
               BTZ_CONFLICT);
    assert_null(strstr(btz_error_detail(), "secret-name"));
    /* Broken in both engines, whatever they would do by themselves. */
    assert_err(add(s, "c", 1), BTZ_CONFLICT);
    assert_err(btz_store_commit(s), BTZ_CONFLICT);
    btz_store_rollback(s);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), 1);
    btz_store_close(s);
}

static void test_writers_wait(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where), *other = open_people(where);

    btz_store_set_busy(other, 50);
    assert_ok(btz_store_begin(s));
    assert_err(btz_store_begin(other), BTZ_CONFLICT);
    assert_err(add(other, "b", 1), BTZ_CONFLICT);
    /* Readers do not wait. */
    assert_int_equal(store_int(other, "SELECT count(*) FROM people"), 0);
    assert_ok(btz_store_commit(s));
    assert_ok(add(other, "b", 1));
    btz_store_close(other);
    btz_store_close(s);
}

/* Read, add one, write: a lost update would show. */
static void count_up(const char *where, int times)
{
    struct btz_store *s;
    struct btz_arena arena;

    btz_arena_init(&arena, 1 << 20);
    if (btz_store_open(where, &s) != BTZ_OK)
        _exit(2);
    for (int i = 0; i < times; i++) {
        const struct btz_value *row;
        struct btz_value next;

        if (btz_store_begin(s) != BTZ_OK ||
            btz_store_one(s, "SELECT age FROM people WHERE name = 'n'", NULL, 0, &arena, 1, &row) !=
                BTZ_OK)
            _exit(3);
        next = btz_value_int(row[0].i + 1);
        if (btz_store_run(s, "UPDATE people SET age = ? WHERE name = 'n'", &next, 1, NULL) !=
                BTZ_OK ||
            btz_store_commit(s) != BTZ_OK)
            _exit(4);
    }
    btz_store_close(s);
    _exit(0);
}

static void test_processes_at_once(void **state)
{
    enum { PROCESSES = 3, TIMES = 60 };
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    pid_t child[PROCESSES];
    int status;

    assert_ok(add(s, "n", 0));
    btz_store_close(s);
    for (int i = 0; i < PROCESSES; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0)
            count_up(where, TIMES);
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    s = open_people(where);
    assert_int_equal(store_int(s, "SELECT age FROM people"), PROCESSES * TIMES);
    btz_store_close(s);
}

/* The first start of several processes on an empty place. */
static void test_made_at_once(void **state)
{
    enum { PROCESSES = 6 };
    BTZ_FREE char *where = engine_fresh(*state);
    pid_t child[PROCESSES];
    struct btz_store *s;
    int status;

    for (int i = 0; i < PROCESSES; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] == 0) {
            char name[] = { (char)('a' + i), 0 };

            if (btz_store_open(where, &s) != BTZ_OK ||
                btz_store_migrate(s, "people", people, BTZ_COUNT(people)) != BTZ_OK ||
                add(s, name, 1) != BTZ_OK) {
                fprintf(stderr, "# %s\n", btz_error_detail());
                _exit(1);
            }
            btz_store_close(s);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    s = open_people(where);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), PROCESSES);
    assert_int_equal(store_int(s, "SELECT count(*) FROM migrations"), 2);
    btz_store_close(s);
}

/* ---- migrations ---- */

static void test_migrations(void **state)
{
    static const struct btz_migration changed[] = {
        { 1, "CREATE TABLE people (id {id})" },
        { 2, "CREATE TABLE visits (person {int})" },
    };
    static const struct btz_migration broken[] = {
        { 1, "CREATE TABLE one (id {id}); INSERT INTO one (id) VALUES (5)" },
        { 2, "CREATE TABLE two (id {id}); CREATE TABLE one (id {id})" },
    };
    static const struct btz_migration unknown_type[] = { { 1, "CREATE TABLE u (a {date})" } };
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s;

    assert_ok(btz_store_open(where, &s));
    assert_ok(btz_store_migrate(s, "people", people, 1));
    assert_int_equal(store_int(s, "SELECT max(version) FROM migrations"), 1);
    assert_ok(add(s, "kept", 1));
    assert_ok(btz_store_migrate(s, "people", people, 2));
    assert_ok(btz_store_migrate(s, "people", people, 2));
    assert_int_equal(store_int(s, "SELECT max(version) FROM migrations"), 2);
    assert_int_equal(store_int(s, "SELECT count(*) FROM people"), 1);
    assert_err(btz_store_migrate(s, "people", people, 1), BTZ_UNSUPPORTED);
    assert_err(btz_store_migrate(s, "people", changed, 2), BTZ_CONFLICT);
    /* All of a part or nothing. */
    assert_err(btz_store_migrate(s, "broken", broken, 2), BTZ_INTERNAL);
    assert_non_null(strstr(btz_error_detail(), "broken/2"));
    assert_err(btz_store_run(s, "DELETE FROM one", NULL, 0, NULL), BTZ_INTERNAL);
    assert_ok(btz_store_migrate(s, "broken", broken, 1));
    assert_int_equal(store_int(s, "SELECT id FROM one"), 5);
    assert_err(btz_store_migrate(s, "unknown", unknown_type, 1), BTZ_INTERNAL);
    btz_store_close(s);
}

/* A number in a column of text and the reverse: SQLite by itself would keep both. */
static void test_columns_are_strict(void **state)
{
    BTZ_FREE char *where = engine_fresh(*state);
    struct btz_store *s = open_people(where);
    const struct btz_value text = btz_value_str("seven"), blob = btz_value_blob("x", 1);

    assert_ok(add(s, "a", 1));
    assert_err(btz_store_run(s, "UPDATE people SET age = ?", &text, 1, NULL), BTZ_INTERNAL);
    assert_err(btz_store_run(s, "UPDATE people SET weight = ?", &text, 1, NULL), BTZ_INTERNAL);
    assert_err(btz_store_run(s, "UPDATE people SET age = ?", &blob, 1, NULL), BTZ_INTERNAL);
    btz_store_close(s);
}

static const struct engine_test tests[] = {
    ENGINE_TEST(test_values),
    ENGINE_TEST(test_hostile_text),
    ENGINE_TEST(test_bad_text),
    ENGINE_TEST(test_limits),
    ENGINE_TEST(test_changed),
    ENGINE_TEST(test_types_of_answers),
    ENGINE_TEST(test_order_is_by_bytes),
    ENGINE_TEST(test_rows),
    ENGINE_TEST(test_transactions),
    ENGINE_TEST(test_constraints),
    ENGINE_TEST(test_writers_wait),
    ENGINE_TEST(test_processes_at_once),
    ENGINE_TEST(test_made_at_once),
    ENGINE_TEST(test_migrations),
    ENGINE_TEST(test_columns_are_strict),
};

int main(void)
{
    return engines_run("store", tests, BTZ_COUNT(tests));
}
