/* The same on PostgreSQL: people, roles, keys, approvals, threads, killed processes. */
#include "access_fixture.h"
#include "postgres_fixture.h"

#include <signal.h>
#include <sys/wait.h>

static struct postgres server;

static int start(void **state)
{
    (void)state;
    if (!postgres_start(&server))
        print_message("# skipped: %s\n", server.why);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    postgres_stop(&server);
    return 0;
}

static void open_on_postgres(struct access_fixture *f)
{
    char *url;

    if (server.why[0])
        skip();
    url = postgres_fresh(&server);
    assert_non_null(url);
    access_prepare(f);
    f->conf.concurrent_hashes = 1; /* few connections: the server of the tests has 30 */
    f->conf.store = btz_arena_str(&f->arena, btz_str(url));
    free(url);
    access_open(f);
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void test_the_ordinary_day(void **state)
{
    static const char *const actions[] = { "policy.write" };
    static const char policy[] = "policy: p\nroles:\n  lister:\n    about: x\n    rules:\n"
                                 "      - id: a\n        effect: allow\n"
                                 "        actions: [user.read]\n        resources: [\"*\"]\n";
    struct btz_caller alice, bob, carol, robot;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];
    const char *secret;
    json_t *out;

    (void)state;
    open_on_postgres(&f);
    alice = access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "admin");
    f.conf.four_eyes =
        (struct btz_conf_list){ .items = (void *)(uintptr_t)actions, .count = BTZ_COUNT(actions) };
    access_do(&f, &alice, "policy.put", json_pack("{s:s, s:s}", "policy", "p", "text", policy));
    snprintf(id, sizeof id, "%s", f.approval);
    access_refused(&f, &alice, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_DENIED);
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    carol = access_person(&f, "carol", "lister");
    access_do(&f, &carol, "user.list", json_object());
    access_refused(&f, &carol, "group.list", json_object(), BTZ_DENIED);
    access_do(&f, &alice, "group.create", json_pack("{s:s}", "name", "crowd"));
    access_refused(&f, &alice, "group.create", json_pack("{s:s}", "name", "Crowd"), BTZ_CONFLICT);
    access_do(&f, &alice, "group.member.add",
              json_pack("{s:s, s:s}", "group", "crowd", "principal", "carol"));
    out = access_ok(&f, &alice, "user.list", json_pack("{s:s, s:i}", "group", "crowd", "limit", 1));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 1);
    json_decref(out);
    access_service(&f, "robot", "user");
    robot = access_key(&f, "robot", "model.invoke model/a", &secret);
    access_do(&f, &robot, "me.key.list", json_object());
    access_do(&f, &alice, "key.delete", json_pack("{s:s}", "key", robot.key));
    access_refused(&f, &robot, "me.key.list", json_object(), BTZ_DENIED);
    access_refused(&f, &f.local, "user.create", json_pack("{s:s}", "name", "' OR 1=1 --"),
                   BTZ_USAGE);
    access_refused(&f, &f.local, "user.get", json_pack("{s:s}", "user", "' OR '1'='1"), BTZ_INPUT);
    access_do(&f, &alice, "user.delete", json_pack("{s:s}", "user", "carol"));
    access_refused(&f, &alice, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_CONFLICT);
    access_reopen(&f);
    out = access_ok(&f, &bob, "user.get", json_pack("{s:s}", "user", "alice"));
    assert_string_equal(text(out, "id"), alice.principal);
    json_decref(out);
    access_stop(&f);
}

/* ---- killed ---- */

struct seen {
    size_t made, deleted;
    json_t *ids;
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    const char *op = text(r->entry, "operation"), *id = text(r->entry, "id");
    struct seen *s = user;

    assert_null(json_object_get(s->ids, id));
    json_object_set_new(s->ids, id, json_true());
    s->made += op && strcmp(op, "user.create") == 0;
    s->deleted += op && strcmp(op, "user.delete") == 0;
    return BTZ_OK;
}

static void child(struct access_fixture *f, int round)
{
    char name[32];

    f->access = NULL; /* the parent's, closed there */
    access_open(f);
    for (int n = 0;; n++) {
        snprintf(name, sizeof name, "u%d-%d", round, n);
        if (access_call(f, &f->local, "user.create", NULL, json_pack("{s:s}", "name", name),
                        NULL) != BTZ_OK)
            _exit(1);
        if (n % 2 && access_call(f, &f->local, "user.delete", NULL,
                                 json_pack("{s:s}", "user", name), NULL) != BTZ_OK)
            _exit(1);
    }
}

static void test_killed(void **state)
{
    const struct btz_trail_filter all = { .limit = SIZE_MAX };
    struct seen seen = { .ids = json_object() };
    struct access_fixture f;
    struct btz_store *s;
    struct btz_rng rng;
    json_t *page;
    int status;

    (void)state;
    open_on_postgres(&f);
    btz_access_close(f.access);
    f.access = NULL;
    btz_rng_init(&rng, 11, 1);
    for (int round = 0; round < 8; round++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            child(&f, round);
        usleep(200000 + btz_rng_below(&rng, 400000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
    }
    access_open(&f);
    page = access_ok(&f, &f.local, "user.list", json_pack("{s:i}", "limit", 500));
    access_must(btz_access_store(f.access, &s));
    access_must(btz_trail_read(btz_access_trail(f.access), s, &all, each, &seen, NULL));
    btz_access_store_back(f.access, s);
    print_message("%zu made, %zu deleted\n", seen.made, seen.deleted);
    assert_int_equal(seen.made - seen.deleted, json_array_size(json_object_get(page, "items")));
    assert_true(seen.made > 0);
    json_decref(page);
    json_decref(seen.ids);
    access_stop(&f);
}

/* The statements of the vault, in the other engine: versions, states, damage of a shared file. */
static void test_the_vault(void **state)
{
    struct access_fixture f;
    char path[128], file[200];
    json_t *out;

    (void)state;
    open_on_postgres(&f);
    snprintf(path, sizeof path, "%s/upload", f.dir);
    access_must(btz_file_write(path, btz_str("weights"), 0600));
    for (int i = 1; i <= 2; i++) {
        const char *version = i == 1 ? "1" : "2";

        out = access_ok(&f, &f.local, "artifact.import",
                        json_pack("{s:s, s:s}", "artifact", "net", "file", path));
        assert_int_equal(json_integer_value(json_object_get(out, "version")), i);
        snprintf(file, sizeof file, "%s/vault/%s", f.dir, text(out, "digest") + 7);
        json_decref(out);
        access_do(&f, &f.local, "artifact.release",
                  json_pack("{s:s, s:s}", "artifact", "net", "version", version));
        if (i == 1)
            access_do(&f, &f.local, "artifact.delete",
                      json_pack("{s:s, s:s}", "artifact", "net", "version", "1"));
    }
    out = access_ok(&f, &f.local, "artifact.import",
                    json_pack("{s:s, s:s}", "artifact", "twin", "file", path));
    json_decref(out);
    assert_int_equal(chmod(file, 0600), 0);
    access_must(btz_file_write(file, btz_str("WEIGHTS"), 0600));
    access_refused(&f, &f.local, "artifact.fetch",
                   json_pack("{s:s, s:s}", "artifact", "net", "version", "latest"), BTZ_CONFLICT);
    out = access_ok(&f, &f.local, "artifact.list", json_pack("{s:s}", "status", "damaged"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 2);
    json_decref(out);
    access_must(btz_file_write(file, btz_str("weights"), 0600));
    out = access_ok(&f, &f.local, "artifact.verify",
                    json_pack("{s:s, s:s}", "artifact", "net", "version", "2"));
    assert_string_equal(text(out, "state"), "quarantined");
    json_decref(out);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_ordinary_day),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_the_vault),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
