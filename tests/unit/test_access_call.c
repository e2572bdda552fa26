/* The one way: admission, transaction, trail, publication; many threads, other processes, refusals in numbers. */
#include "access_fixture.h"

#include "access/directory/directory.h"

#include <pthread.h>
#include <sys/wait.h>

static void test_files_are_private(void **state)
{
    static const char *const files[] = { "access/access.db", "access/seal.key", "access/snapshot" };
    struct access_fixture f;
    struct stat st;
    char path[256];

    (void)state;
    access_start(&f);
    for (size_t i = 0; i < BTZ_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", f.dir, files[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    snprintf(path, sizeof path, "%s/access", f.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    access_stop(&f);
}

static void test_users_by_local(void **state)
{
    struct access_fixture f;
    json_t *user, *list;

    (void)state;
    access_start(&f);
    user = access_ok(&f, &f.local, "user.create",
                     json_pack("{s:s, s:s, s:s}", "name", "Alice", "display_name", "Alice Müller",
                               "email", "alice@example.com"));
    assert_string_equal(json_string_value(json_object_get(user, "name")), "alice");
    assert_string_equal(json_string_value(json_object_get(user, "status")), "active");
    assert_true(btz_is_id(json_string_value(json_object_get(user, "id")), "usr_"));
    assert_string_equal(f.etag, "1");
    json_decref(user);
    access_refused(&f, &f.local, "user.create", json_pack("{s:s}", "name", "alice"), BTZ_CONFLICT);
    list = access_ok(&f, &f.local, "user.list", json_object());
    assert_int_equal(json_array_size(json_object_get(list, "items")), 1);
    assert_true(json_is_null(json_object_get(list, "next")));
    json_decref(list);
    access_stop(&f);
}

static void test_permission_decides(void **state)
{
    struct access_fixture f;
    struct btz_caller admin, viewer, nobody = { .kind = BTZ_CALLER_NOBODY };

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    access_do(&f, &admin, "user.create", json_pack("{s:s}", "name", "carol"));
    access_refused(&f, &viewer, "user.create", json_pack("{s:s}", "name", "dave"), BTZ_DENIED);
    access_refused(&f, &nobody, "user.list", json_object(), BTZ_DENIED);
    /* A second factor that is too old, or none. */
    f.now_ms += (uint64_t)f.conf.step_up_ms + 1000;
    access_refused(&f, &admin, "user.create", json_pack("{s:s}", "name", "dave"), BTZ_DENIED);
    assert_true(f.needs_step_up);
    access_do(&f, &admin, "user.get", json_pack("{s:s}", "user", "carol"));
    /* Disabled: nothing at all. */
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s}", "user", "bob", "status", "disabled"));
    access_refused(&f, &viewer, "me.approval.list", json_object(), BTZ_DENIED);
    access_stop(&f);
}

/* ---- the trail ---- */

struct seen {
    const char *operation, *event;
    json_t *last; /* entry */
    size_t count;
    char reason[256];
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    struct seen *s = user;
    const char *operation = json_string_value(json_object_get(r->entry, "operation"));
    const char *event = json_string_value(json_object_get(r->entry, "event"));

    if ((s->operation && (!operation || strcmp(operation, s->operation) != 0)) ||
        (s->event && strcmp(event, s->event) != 0))
        return BTZ_OK;
    s->count++;
    json_decref(s->last);
    s->last = json_deep_copy(r->entry);
    return BTZ_OK;
}

static struct seen trail(struct access_fixture *f, const char *operation, const char *event)
{
    const struct btz_trail_filter all = { .limit = SIZE_MAX };
    struct seen seen = { .operation = operation, .event = event };
    struct btz_store *s;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &all, each, &seen, NULL));
    btz_access_store_back(f->access, s);
    return seen;
}

static const char *member(const json_t *o, const char *a, const char *b)
{
    return json_string_value(b ? json_object_get(json_object_get(o, a), b) : json_object_get(o, a));
}

static void test_entry_of_a_change(void **state)
{
    struct access_fixture f;
    struct btz_caller admin;
    struct seen seen;
    char want[64];

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    access_do(&f, &admin, "user.create",
              json_pack("{s:s, s:s}", "name", "bob", "display_name", "B"));
    access_do(&f, &admin, "user.update",
              json_pack("{s:s, s:s}", "user", "bob", "display_name", "Bob"));
    seen = trail(&f, "user.update", "change");
    assert_int_equal(seen.count, 1);
    assert_string_equal(member(seen.last, "before", "display_name"), "B");
    assert_string_equal(member(seen.last, "after", "display_name"), "Bob");
    assert_string_equal(member(seen.last, "principal", NULL), admin.principal);
    assert_string_equal(member(seen.last, "name", NULL), "alice");
    assert_string_equal(member(seen.last, "method", NULL), "password+totp");
    assert_string_equal(member(seen.last, "session", NULL), admin.session);
    assert_string_equal(member(seen.last, "address", NULL), "192.0.2.7");
    assert_string_equal(member(seen.last, "action", NULL), "user.write");
    assert_string_equal(member(seen.last, "verdict", NULL), "allow");
    assert_string_equal(member(seen.last, "rule", NULL), "ready/admin-access");
    snprintf(want, sizeof want, "user/%s", member(seen.last, "after", "id"));
    assert_string_equal(member(seen.last, "resource", NULL), want);
    json_decref(seen.last);
    /* Reading leaves no entry; what failed by itself neither. */
    access_do(&f, &admin, "user.list", json_object());
    access_refused(&f, &admin, "user.create", json_pack("{s:s}", "name", "bob"), BTZ_CONFLICT);
    assert_int_equal(trail(&f, "user.list", NULL).count, 0);
    seen = trail(&f, "user.create", NULL);
    assert_int_equal(seen.count, 2);
    json_decref(seen.last);
    access_stop(&f);
}

/* total[0]: refusals, whether they have an entry of their own or not; total[1]: entries. */
static enum btz_err add_up(void *user, const struct btz_trail_record *r)
{
    const char *reason = member(r->entry, "reason", NULL);
    size_t *total = user;
    uint64_t more;

    if (strcmp(member(r->entry, "event", NULL), "refusal") != 0)
        return BTZ_OK;
    total[1]++;
    if (reason && strstr(reason, " more refusals")) {
        access_must(btz_parse_u64(btz_slice_of(reason, strcspn(reason, " ")), &more));
        total[0] += more;
    } else {
        total[0]++;
    }
    return BTZ_OK;
}

static void test_refusals_are_counted(void **state)
{
    struct btz_caller nobody = { .kind = BTZ_CALLER_NOBODY }, viewer, admin;
    struct access_fixture f;
    struct seen seen;
    char address[32];

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    access_refused(&f, &viewer, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 1);
    assert_string_equal(member(seen.last, "operation", NULL), "user.delete");
    assert_string_equal(member(seen.last, "verdict", NULL), "deny");
    assert_string_equal(member(seen.last, "principal", NULL), viewer.principal);
    json_decref(seen.last);
    /* A thousand more of his: ten entries, and one that tells how many. */
    for (int i = 0; i < 1000; i++)
        access_refused(&f, &viewer, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 10);
    json_decref(seen.last);
    /* Another one is not lost among them. */
    access_must(btz_address_parse("198.51.100.1", &nobody.address));
    nobody.address_text = "198.51.100.1";
    access_refused(&f, &nobody, "user.list", json_object(), BTZ_DENIED);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 11);
    assert_string_equal(member(seen.last, "address", NULL), "198.51.100.1");
    json_decref(seen.last);
    f.now_ms += 60000;
    access_do(&f, &admin, "user.list", json_object());
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 12);
    assert_string_equal(member(seen.last, "principal", NULL), viewer.principal);
    assert_non_null(strstr(member(seen.last, "reason", NULL), "991 more refusals"));
    json_decref(seen.last);
    /* From many addresses: bounded as well, and every one is counted. */
    for (int i = 0; i < 600; i++) {
        snprintf(address, sizeof address, "10.%d.%d.1", i / 250, i % 250);
        access_must(btz_address_parse(address, &nobody.address));
        nobody.address_text = address;
        access_refused(&f, &nobody, "user.list", json_object(), BTZ_DENIED);
    }
    f.now_ms += 60000;
    access_do(&f, &admin, "user.list", json_object());
    {
        const struct btz_trail_filter all = { .limit = SIZE_MAX };
        struct btz_store *s;
        size_t total[2] = { 0, 0 };

        access_must(btz_access_store(f.access, &s));
        access_must(btz_trail_read(btz_access_trail(f.access), s, &all, add_up, total, NULL));
        btz_access_store_back(f.access, s);
        assert_int_equal(total[0], 1001 + 1 + 600);
        assert_true(total[1] < 200);
    }
    access_stop(&f);
}

/* A data base that others could read is not used as if nothing had happened. */
static void test_open_data_base_is_refused(void **state)
{
    struct access_fixture f;
    struct btz_access_options o;
    char path[128];

    (void)state;
    access_start(&f);
    o = (struct btz_access_options){
        .state_dir = f.dir, .conf = &f.conf, .now_ms = access_clock, .clock_user = &f
    };
    btz_access_close(f.access);
    f.access = NULL;
    snprintf(path, sizeof path, "%s/access/access.db", f.dir);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(btz_access_open(&o, &f.access), BTZ_DENIED);
    assert_non_null(strstr(btz_error_detail(), "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    access_open(&f);
    access_stop(&f);
}

/* Questions of one principal: sixty entries a minute, and one that tells how many more; the answers go on. */
static void test_decisions_are_counted(void **state)
{
    struct btz_caller viewer, admin;
    struct access_fixture f;
    struct seen seen;

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    for (int i = 0; i < 500; i++)
        access_do(&f, &viewer, "decide",
                  json_pack("{s:s, s:s}", "action", "model.invoke", "resource", "model/m"));
    seen = trail(&f, NULL, "decision");
    assert_int_equal(seen.count, 60);
    json_decref(seen.last);
    /* Others are not counted with him, and refusals are another matter. */
    access_do(&f, &admin, "decide",
              json_pack("{s:s, s:s}", "action", "model.invoke", "resource", "model/m"));
    access_refused(&f, &viewer, "user.delete", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    seen = trail(&f, NULL, "decision");
    assert_int_equal(seen.count, 61);
    json_decref(seen.last);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 1);
    json_decref(seen.last);
    f.now_ms += 60000;
    access_do(&f, &admin, "user.list", json_object());
    seen = trail(&f, NULL, "decision");
    assert_int_equal(seen.count, 62);
    assert_string_equal(member(seen.last, "principal", NULL), viewer.principal);
    assert_non_null(strstr(member(seen.last, "reason", NULL), "440 more decisions asked for"));
    json_decref(seen.last);
    access_stop(&f);
}

#define LISTER                                                                                     \
    "policy: p\nroles:\n  lister:\n    about: test\n    rules:\n      - id: r1\n        effect: "  \
    "allow\n        actions: [user.read]\n        resources: [\"*\"]\n"

static json_t *question(void)
{
    return json_pack("{s:s, s:s}", "action", "model.invoke", "resource", "model/m");
}

/* Answers that read the whole model: one at a time, thirty a minute for one principal. */
static void test_explanations_are_rationed(void **state)
{
    struct btz_caller viewer, admin;
    struct access_fixture f;

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    for (int i = 0; i < 30; i++)
        access_do(&f, &viewer, "explain", question());
    access_refused(&f, &viewer, "explain", question(), BTZ_LIMIT);
    access_do(&f, &viewer, "decide", question());
    access_do(&f, &admin, "explain", question());
    for (int i = 0; i < 40; i++)
        access_do(&f, &f.local, "policy.check", json_pack("{s:s}", "text", LISTER));
    f.now_ms += 60000;
    access_do(&f, &viewer, "explain", question());
    f.access->heavy_busy = true;
    access_refused(&f, &admin, "explain", question(), BTZ_LIMIT);
    access_refused(&f, &admin, "policy.check", json_pack("{s:s}", "text", LISTER), BTZ_LIMIT);
    access_do(&f, &admin, "decide", question());
    f.access->heavy_busy = false;
    access_do(&f, &admin, "explain", question());
    access_stop(&f);
}

/* Whoever may not do it learns that, not which field is wrong, and leaves an entry. */
static void test_wrong_fields_of_strangers(void **state)
{
    struct btz_caller nobody = { .kind = BTZ_CALLER_NOBODY }, viewer, admin, stale;
    struct access_fixture f;
    struct seen seen;

    (void)state;
    access_start(&f);
    admin = access_person(&f, "alice", "admin");
    viewer = access_person(&f, "bob", "viewer");
    stale = admin;
    stale.second_factor_ms = 0;
    access_refused(&f, &nobody, "user.create", json_pack("{s:i}", "nmae", 1), BTZ_DENIED);
    access_refused(&f, &viewer, "user.create", json_pack("{s:i}", "nmae", 1), BTZ_DENIED);
    access_refused(&f, &viewer, "user.update",
                   json_pack("{s:s, s:i}", "user", "alice", "status", 7), BTZ_DENIED);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 3);
    assert_string_equal(member(seen.last, "operation", NULL), "user.update");
    json_decref(seen.last);
    /* Who may is told which field. */
    access_refused(&f, &admin, "user.create", json_pack("{s:i}", "nmae", 1), BTZ_USAGE);
    assert_non_null(strstr(f.detail, "nmae"));
    access_refused(&f, &stale, "user.create", json_pack("{s:i}", "nmae", 1), BTZ_USAGE);
    access_refused(&f, &nobody, "sign-in", json_pack("{s:i}", "user", 1), BTZ_USAGE);
    seen = trail(&f, NULL, "refusal");
    assert_int_equal(seen.count, 3);
    json_decref(seen.last);
    access_stop(&f);
}

/* ---- many at once ---- */

#define THREADS 8
#define EACH    6

struct worker {
    struct access_fixture *f;
    unsigned number, done;
};

static void *work(void *user)
{
    struct worker *w = user;

    for (unsigned i = 0; i < EACH; i++) {
        struct btz_caller who = w->f->local;
        struct btz_arena arena;
        char name[32];
        json_t *in;
        struct btz_call call;

        snprintf(name, sizeof name, "w%u-%u", w->number, i);
        in = json_pack("{s:s}", "name", name);
        btz_arena_init(&arena, 64u << 20);
        call = (struct btz_call){ .access = w->f->access,
                                  .op = btz_operation_find("user.create"),
                                  .caller = &who,
                                  .arena = &arena,
                                  .in = in };
        if (btz_access_call(&call) == BTZ_OK)
            w->done++;
        btz_call_release(&call);
        btz_arena_release(&arena);
        json_decref(in);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct access_fixture f;
    struct seen seen;
    json_t *page;

    (void)state;
    access_start(&f);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .f = &f, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].done, EACH);
    }
    page = access_ok(&f, &f.local, "user.list", json_pack("{s:i}", "limit", 500));
    assert_int_equal(json_array_size(json_object_get(page, "items")), THREADS * EACH);
    json_decref(page);
    seen = trail(&f, "user.create", "change");
    assert_int_equal(seen.count, THREADS * EACH);
    json_decref(seen.last);
    /* Everybody is in the snapshot: each change was published, also those that came at the same time. */
    for (unsigned i = 0; i < THREADS; i++) {
        struct btz_decision d;
        struct btz_caller who = { .kind = BTZ_CALLER_SESSION };

        snprintf(who.principal, sizeof who.principal, "w%u-%u", i, EACH - 1);
        access_must(btz_access_decide(f.access, &who, "model.list", "model/x", &d));
        assert_int_equal(d.why, BTZ_WHY_DEFAULT);
    }
    access_stop(&f);
}

/* ---- other processes ---- */

/* A reader that has nothing but the snapshot, as a worker of the gateway. Tells how long a revocation took, in ms. */
static void reader(const char *path, const uint8_t secret[32], const char *principal, int in,
                   int out)
{
    struct btz_request r = { .key = BTZ_NOBODY,
                             .action = btz_action_find("model.invoke"),
                             .resource = btz_str("model/m"),
                             .cost = __builtin_nan(""),
                             .now_s = ACCESS_START_MS / 1000,
                             .mfa_age_s = UINT32_MAX };
    struct btz_snapshot *s;
    struct btz_decision d;
    uint64_t began, took;
    char byte;

    if (btz_snapshot_open(path, secret, &s) != BTZ_OK)
        _exit(2);
    r.principal = btz_snapshot_principal(s, principal);
    btz_decide(s, &r, &d);
    if (d.verdict != BTZ_VERDICT_ALLOW || write(out, "r", 1) != 1 || read(in, &byte, 1) != 1)
        _exit(3);
    began = btz_clock_ns();
    do {
        if (btz_snapshot_refresh(s) != BTZ_OK)
            _exit(4);
        r.principal = btz_snapshot_principal(s, principal);
        btz_decide(s, &r, &d);
        took = (btz_clock_ns() - began) / 1000000;
    } while (d.verdict == BTZ_VERDICT_ALLOW && took < 20000);
    btz_snapshot_close(s);
    _exit(write(out, &took, sizeof took) == sizeof took ? 0 : 5);
}

static void revoked_within(struct access_fixture *f, const char *principal, const char *operation,
                           json_t *in)
{
    int to[2], from[2], status;
    uint8_t secret[32];
    uint64_t took = 0, acknowledged;
    char byte;
    pid_t pid;

    btz_seal_derive(btz_access_seal(f->access), "snapshot", secret);
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        reader(btz_access_snapshot_path(f->access), secret, principal, to[0], from[1]);
    assert_int_equal(read(from[0], &byte, 1), 1);
    assert_int_equal(write(to[1], "g", 1), 1);
    acknowledged = btz_clock_ns();
    access_do(f, &f->local, operation, in);
    acknowledged = (btz_clock_ns() - acknowledged) / 1000000;
    assert_int_equal(read(from[0], &took, sizeof took), sizeof took);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* From the request on; it is answered only when the new snapshot is there. */
    print_message("%s: seen after %d ms, answered after %d ms\n", operation, (int)took,
                  (int)acknowledged);
    assert_true(took <= acknowledged + 1000);
    close(to[0]), close(to[1]), close(from[0]), close(from[1]);
}

static void test_revocation_reaches_other_processes(void **state)
{
    struct access_fixture f;
    json_t *bindings;
    char id[64];

    (void)state;
    access_start(&f);
    access_person(&f, "alice", "user");
    access_person(&f, "bob", "user");
    bindings = access_ok(&f, &f.local, "binding.list", json_pack("{s:s}", "subject", "alice"));
    snprintf(id, sizeof id, "%s",
             member(json_array_get(json_object_get(bindings, "items"), 0), "id", NULL));
    json_decref(bindings);
    revoked_within(&f, "alice", "binding.delete", json_pack("{s:s}", "binding", id));
    revoked_within(&f, "bob", "user.update",
                   json_pack("{s:s, s:s}", "user", "bob", "status", "disabled"));
    access_stop(&f);
}

/* Killed between commit and publication, by the number in the data base: whoever comes next publishes. */
static void test_publication_is_completed(void **state)
{
    struct access_fixture f;
    struct btz_caller bob;
    struct btz_decision d;
    struct btz_store *s;

    (void)state;
    access_start(&f);
    access_person(&f, "alice", "admin");
    bob = access_person(&f, "bob", "user");
    access_must(btz_access_store(f.access, &s));
    access_must(btz_store_run(s, "DELETE FROM bindings WHERE role = 'user'", NULL, 0, NULL));
    access_must(btz_store_run(s, "UPDATE meta SET value = value + 1 WHERE name = 'generation'",
                              NULL, 0, NULL));
    btz_access_store_back(f.access, s);
    access_must(btz_access_decide(f.access, &bob, "model.invoke", "model/m", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    /* A running one notices with its next call ... */
    access_do(&f, &f.local, "user.list", json_object());
    access_must(btz_access_decide(f.access, &bob, "model.invoke", "model/m", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_DENY);
    /* ... and one that opens does it first; also when the data base was put back to an older state. */
    access_must(btz_access_store(f.access, &s));
    access_must(btz_store_run(s,
                              "INSERT INTO bindings (id, role, subject, created_ms, created_by, "
                              "kind) SELECT 'bnd_x', 'user', id, 0, 'test', 'normal' FROM "
                              "principals WHERE name = 'bob'",
                              NULL, 0, NULL));
    access_must(
        btz_store_run(s, "UPDATE meta SET value = 2 WHERE name = 'generation'", NULL, 0, NULL));
    btz_access_store_back(f.access, s);
    access_reopen(&f);
    access_must(btz_access_decide(f.access, &bob, "model.invoke", "model/m", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    access_stop(&f);
}

/* A snapshot that was tampered with is not used. */
static void test_damaged_snapshot_allows_nothing(void **state)
{
    struct access_fixture f;
    struct btz_caller bob;
    struct btz_decision d;
    FILE *file;

    (void)state;
    access_start(&f);
    bob = access_person(&f, "bob", "admin");
    file = fopen(btz_access_snapshot_path(f.access), "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 200, SEEK_SET), 0);
    assert_int_equal(fputc(0x5a, file), 0x5a);
    assert_int_equal(fputc(0xa5, file), 0xa5);
    fclose(file);
    /* Opened anew, it is made anew from the data base. */
    access_reopen(&f);
    access_must(btz_access_decide(f.access, &bob, "user.read", "user/*", &d));
    assert_int_equal(d.verdict, BTZ_VERDICT_ALLOW);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_private),
        cmocka_unit_test(test_users_by_local),
        cmocka_unit_test(test_permission_decides),
        cmocka_unit_test(test_entry_of_a_change),
        cmocka_unit_test(test_refusals_are_counted),
        cmocka_unit_test(test_open_data_base_is_refused),
        cmocka_unit_test(test_decisions_are_counted),
        cmocka_unit_test(test_explanations_are_rationed),
        cmocka_unit_test(test_wrong_fields_of_strangers),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_revocation_reaches_other_processes),
        cmocka_unit_test(test_publication_is_completed),
        cmocka_unit_test(test_damaged_snapshot_allows_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
