/*
 * A process that changes the directory is killed (SIGKILL) at a random instant, again and again. Then directory and audit
 * trail are compared one to one: no change without its entry, no entry without its change, none twice, nothing half made,
 * and everything that was acknowledged is there.
 */
#include "access_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "ledger/ledger.h"

#define ROUNDS 50

/* ---- the process that is killed ---- */

static void acknowledge(int fd, const char *what, const char *id)
{
    char line[128];
    int n = snprintf(line, sizeof line, "%s %s\n", what, id);

    if (write(fd, line, (size_t)n) != n)
        _exit(3);
}

static json_t *must(struct access_fixture *f, const char *op, json_t *in)
{
    json_t *out = NULL;

    if (access_call(f, &f->local, op, NULL, in, &out) != BTZ_OK) {
        dprintf(2, "%s: %s\n", op, f->detail);
        _exit(2);
    }
    return out ? out : json_object();
}

static const char *id_of(json_t *o)
{
    return json_string_value(json_object_get(o, "id"));
}

/* One round of changes of every kind; each is acknowledged once it is durable. */
static void change(struct access_fixture *f, int fd, unsigned round, unsigned n)
{
    char name[64], policy[512];
    json_t *user, *other;

    snprintf(name, sizeof name, "u%u-%u", round, n);
    user = must(f, "user.create", json_pack("{s:s}", "name", name));
    acknowledge(fd, "user.create", id_of(user));
    other = must(f, "binding.create",
                 json_pack("{s:s, s:s}", "role", "viewer", "subject", id_of(user)));
    acknowledge(fd, "binding.create", id_of(other));
    json_decref(other);
    other = must(f, "key.create", json_pack("{s:s, s:s}", "principal", id_of(user), "name", "k"));
    acknowledge(fd, "key.create", id_of(other));
    json_decref(other);
    other = must(f, "group.member.add",
                 json_pack("{s:s, s:s}", "group", "crowd", "principal", id_of(user)));
    acknowledge(fd, "group.member.add", id_of(user));
    json_decref(other);
    snprintf(policy, sizeof policy,
             "policy: p\nroles:\n  r%u-%u:\n    about: x\n    rules:\n      - id: a%u\n        "
             "effect: allow\n        actions: [model.list]\n        resources: [\"*\"]\n",
             round, n, n);
    json_decref(must(f, "policy.put", json_pack("{s:s, s:s}", "policy", "p", "text", policy)));
    if (n % 2 == 0) {
        json_decref(must(f, "user.delete", json_pack("{s:s}", "user", id_of(user))));
        acknowledge(fd, "user.delete", id_of(user));
    }
    json_decref(user);
}

static void child(struct access_fixture *f, int fd, unsigned round)
{
    access_open(f);
    acknowledge(fd, "open", "-");
    for (unsigned n = 0; n < 10000; n++)
        change(f, fd, round, n);
    _exit(4);
}

/* ---- what was acknowledged, what is in the trail, what is in the store ---- */

struct facts {
    json_t *acknowledged; /* object of "operation id": count */
    json_t *entries;      /* the same, of the trail */
    json_t *ids;          /* entry ids */
    size_t count;
};

static void add(json_t *o, const char *key)
{
    json_object_set_new(o, key, json_integer(json_integer_value(json_object_get(o, key)) + 1));
}

static enum btz_err each_entry(void *user, const struct btz_trail_record *r)
{
    const char *op = json_string_value(json_object_get(r->entry, "operation"));
    const char *id = json_string_value(json_object_get(r->entry, "id"));
    const json_t *after = json_object_get(r->entry, "after");
    const json_t *before = json_object_get(r->entry, "before");
    const char *what = json_string_value(json_object_get(after ? after : before, "id"));
    struct facts *facts = user;
    char key[160];

    add(facts->ids, id);
    facts->count++;
    if (!op || !what)
        return BTZ_OK;
    snprintf(key, sizeof key, "%s %s", op, what);
    /* Joining is about the member, not about the group. */
    if (strcmp(op, "group.member.add") == 0)
        snprintf(key, sizeof key, "joins %zu", facts->count);
    add(facts->entries, key);
    return BTZ_OK;
}

static bool in_trail(const struct facts *facts, const char *op, const char *id)
{
    char key[160];

    snprintf(key, sizeof key, "%s %s", op, id);
    return json_integer_value(json_object_get(facts->entries, key)) == 1;
}

struct rows {
    const struct facts *facts;
    const char *made;
    size_t count;
};

static enum btz_err each_row(void *user, const struct btz_value *v, size_t count)
{
    struct rows *rows = user;
    char id[64];

    (void)count;
    snprintf(id, sizeof id, "%.*s", BTZ_SLICE_ARG(v[0].bytes));
    if (!in_trail(rows->facts, rows->made, id))
        fail_msg("%s is there without its %s in the trail", id, rows->made);
    if (in_trail(rows->facts, "user.delete", id))
        fail_msg("%s is there although the trail says that it was deleted", id);
    rows->count++;
    return BTZ_OK;
}

static size_t check_table(struct btz_store *s, const struct facts *facts, const char *sql,
                          const char *made)
{
    struct rows rows = { .facts = facts, .made = made };

    access_must(btz_store_query(s, sql, NULL, 0, each_row, &rows));
    return rows.count;
}

static size_t count_entries(const struct facts *facts, const char *op)
{
    size_t n = strlen(op), count = 0;
    const char *key;
    json_t *value;

    json_object_foreach(facts->entries, key, value) if (strncmp(key, op, n) == 0 && key[n] == ' ')
    {
        if (json_integer_value(value) != 1)
            fail_msg("%s is in the trail %d times", key, (int)json_integer_value(value));
        count++;
    }
    return count;
}

static enum btz_err one_number(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(size_t *)user = (size_t)v[0].i;
    return BTZ_OK;
}

static size_t number(struct btz_store *s, const char *sql)
{
    size_t out = 0;

    access_must(btz_store_query(s, sql, NULL, 0, one_number, &out));
    return out;
}

static void compare(struct access_fixture *f, struct facts *facts)
{
    const struct btz_trail_filter all = { .limit = SIZE_MAX };
    size_t users, deleted;
    struct btz_store *s;
    const char *key;
    json_t *value;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &all, each_entry, facts, NULL));
    /* No entry twice, none lost that was acknowledged. */
    json_object_foreach(facts->ids, key, value) assert_int_equal(json_integer_value(value), 1);
    json_object_foreach(facts->acknowledged, key, value)
    {
        if (strncmp(key, "group.member.add", 16) == 0 || strncmp(key, "open", 4) == 0)
            continue;
        if (json_integer_value(json_object_get(facts->entries, key)) != 1)
            fail_msg("acknowledged, and not in the trail once: %s", key);
    }
    /* Rows and entries one to one. */
    users = check_table(s, facts, "SELECT id FROM principals", "user.create");
    deleted = count_entries(facts, "user.delete");
    assert_int_equal(users + deleted, count_entries(facts, "user.create"));
    check_table(s, facts, "SELECT id FROM bindings", "binding.create");
    check_table(s, facts, "SELECT id FROM keys", "key.create");
    assert_int_equal(number(s, "SELECT COUNT(*) FROM trail_outbox"), 0);
    /* Nothing half made: whatever belongs to somebody belongs to somebody who is there. */
    assert_int_equal(number(s, "SELECT COUNT(*) FROM keys WHERE principal NOT IN (SELECT id FROM "
                               "principals)"),
                     0);
    assert_int_equal(number(s, "SELECT COUNT(*) FROM bindings WHERE subject NOT IN (SELECT id FROM "
                               "principals)"),
                     0);
    /* Those whose round got so far: each change of an undeleted person is in its table. */
    assert_true(count_entries(facts, "binding.create") <= count_entries(facts, "user.create"));
    btz_access_store_back(f->access, s);
    print_message("%zu people, %zu deleted, %zu entries\n", users, deleted, facts->count);
}

/* The snapshot is that of the data base: it knows exactly those who are there. */
static void compare_snapshot(struct access_fixture *f)
{
    uint8_t secret[32];
    struct btz_snapshot *snapshot;
    struct btz_store *s;
    size_t generation;

    btz_seal_derive(btz_access_seal(f->access), "snapshot", secret);
    access_must(btz_snapshot_open(btz_access_snapshot_path(f->access), secret, &snapshot));
    access_must(btz_access_store(f->access, &s));
    generation = number(s, "SELECT value FROM meta WHERE name = 'generation'");
    assert_int_equal(btz_snapshot_generation(snapshot), generation);
    btz_access_store_back(f->access, s);
    btz_snapshot_close(snapshot);
}

/* ---- the rounds ---- */

static void read_acknowledged(FILE *in, struct facts *facts)
{
    char line[256];

    while (fgets(line, sizeof line, in)) {
        size_t len = strlen(line);

        /* The last line may be cut. */
        if (len && line[len - 1] == '\n') {
            line[len - 1] = '\0';
            add(facts->acknowledged, line);
        }
    }
}

static void one_round(struct access_fixture *f, struct facts *facts, struct btz_rng *rng,
                      unsigned round)
{
    int ends[2], status;
    char first[64];
    FILE *in;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        child(f, ends[1], round);
    }
    close(ends[1]);
    in = fdopen(ends[0], "r");
    assert_non_null(in);
    /* Every fourth is killed while it opens and completes what the one before left. */
    if (round % 4 != 3)
        assert_non_null(fgets(first, sizeof first, in));
    usleep(btz_rng_below(rng, 400000));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    read_acknowledged(in, facts);
    fclose(in);
}

static void test_killed_at_any_instant(void **state)
{
    struct facts facts = { json_object(), json_object(), json_object(), 0 };
    struct btz_ledger_check check;
    struct access_fixture f;
    struct btz_rng rng;
    char ledger[128];

    (void)state;
    btz_rng_init(&rng, 7, 1);
    access_start(&f);
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "crowd"));
    btz_access_close(f.access);
    f.access = NULL;
    for (unsigned round = 0; round < ROUNDS; round++)
        one_round(&f, &facts, &rng, round);
    access_open(&f);
    compare(&f, &facts);
    compare_snapshot(&f);
    snprintf(ledger, sizeof ledger, "%s/ledger", f.dir);
    access_must(btz_ledger_verify(ledger, btz_str(""), btz_str(""), &check));
    assert_true(check.intact);
    assert_int_equal(check.waiting, 0);
    json_decref(facts.acknowledged);
    json_decref(facts.entries);
    json_decref(facts.ids);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_killed_at_any_instant) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
