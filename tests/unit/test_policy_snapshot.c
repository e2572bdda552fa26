/* Snapshot files: damage, publication to readers in other processes, and what happens when a writer dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/policy/snapshot.h"

static const uint8_t secret[32] = { 9, 9, 9 };

struct place {
    char folder[64], path[96], word[96];
};

static void setup(struct place *p)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/btz-snapshot-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/snapshot", p->folder);
    snprintf(p->word, sizeof p->word, "%s/generation", p->folder);
}

static void teardown(struct place *p)
{
    unlink(p->path);
    unlink(p->word);
    assert_int_equal(rmdir(p->folder), 0);
}

/* Alice may invoke models, or may not; two keys, the second only when `keys` is 2. */
static void model_of(struct btz_arena *arena, bool allowed, size_t keys, struct btz_policy_model *m)
{
    static const struct btz_principal_model people[] = { { "usr_a", "alice", 0, false } };
    static const char *const actions[] = { "model.invoke", NULL };
    static const char *const resources[] = { "model/*", NULL };
    static const char *const scopes[] = { "model.invoke model/a", NULL };
    static const struct btz_binding_model binding = { .id = "b", .role = "r", .subject = "usr_a" };
    struct btz_rule_model *rule = btz_arena_alloc(arena, sizeof *rule);
    struct btz_role_model *role = btz_arena_alloc(arena, sizeof *role);
    struct btz_key_model *key = btz_arena_array(arena, 2, sizeof *key);

    *rule = (struct btz_rule_model){ .id = "p/x", .actions = actions, .resources = resources };
    rule->when.cost_max = NAN;
    *role = (struct btz_role_model){ .name = "r", .rules = rule, .rule_count = 1, .file = "f" };
    for (size_t i = 0; i < 2; i++) {
        key[i] = (struct btz_key_model){ .id = i ? "key_2" : "key_1", .principal = "usr_a" };
        key[i].scopes = i ? scopes : NULL;
        memset(key[i].hash, (int)i + 1, sizeof key[i].hash);
    }
    *m = (struct btz_policy_model){ .roles = role,
                                    .role_count = 1,
                                    .principals = people,
                                    .principal_count = 1,
                                    .bindings = &binding,
                                    .binding_count = allowed,
                                    .keys = key,
                                    .key_count = keys };
}

static void publish(const struct place *p, bool allowed, size_t keys, uint64_t generation)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model m;

    btz_arena_init(&arena, 1 << 20);
    model_of(&arena, allowed, keys, &m);
    if (btz_snapshot_write(&m, generation, secret, p->path) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static struct btz_decision ask(const struct btz_snapshot *s)
{
    struct btz_request r = { .principal = btz_snapshot_principal(s, "alice"),
                             .key = BTZ_NOBODY,
                             .action = btz_action_find("model.invoke"),
                             .resource = btz_str("model/a"),
                             .cost = NAN,
                             .mfa_age_s = UINT32_MAX };
    struct btz_decision d;

    btz_decide(s, &r, &d);
    return d;
}

static void test_keys(void **state)
{
    struct place p;
    struct btz_snapshot *s;
    uint8_t hash[32];
    uint32_t who, key;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 1);
    assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_OK);
    for (int i = 1; i <= 2; i++) {
        memset(hash, i, sizeof hash);
        key = btz_snapshot_key(s, hash, &who);
        assert_string_equal(btz_snapshot_key_id(s, key), i == 1 ? "key_1" : "key_2");
        assert_string_equal(btz_snapshot_principal_name(s, who), "alice");
        hash[31] ^= 1;
        assert_int_equal(btz_snapshot_key(s, hash, &who), BTZ_NOBODY);
        assert_int_equal(who, BTZ_NOBODY);
    }
    assert_int_equal(btz_snapshot_principal(s, "usr_a"), 0);
    assert_int_equal(btz_snapshot_principal(s, "usr_"), BTZ_NOBODY);
    assert_int_equal(btz_snapshot_generation(s), 1);
    btz_snapshot_close(s);
    teardown(&p);
}

static void overwrite(const char *path, const uint8_t *bytes, size_t len)
{
    assert_int_equal(btz_file_write(path, btz_slice_of(bytes, len), 0600), BTZ_OK);
}

/* Every bit that could be turned, every length it could be cut to, another installation's secret: refused. */
static void test_damage(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf good = BTZ_BUF(1 << 20);
    uint8_t other[32] = { 1 };
    struct btz_snapshot *s;
    struct place p;
    FILE *f;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 1);
    assert_int_equal(btz_file_read(p.path, 1 << 20, &good), BTZ_OK);
    assert_int_equal(btz_snapshot_open(p.path, other, &s), BTZ_INPUT);
    for (size_t i = 0; i < good.len; i++) {
        f = fopen(p.path, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, (long)i, SEEK_SET), 0);
        fputc(good.ptr[i] ^ 1 << i % 8, f);
        fclose(f);
        assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_INPUT);
        f = fopen(p.path, "r+b");
        assert_int_equal(fseek(f, (long)i, SEEK_SET), 0);
        fputc(good.ptr[i], f);
        fclose(f);
    }
    for (size_t n = 0; n < good.len; n += n < 64 ? 1 : 97) {
        overwrite(p.path, good.ptr, n);
        assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_INPUT);
    }
    overwrite(p.path, good.ptr, good.len);
    assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_OK);
    btz_snapshot_close(s);
    teardown(&p);
}

/* Old permissions are not used past a change that cannot be read. */
static void test_broken(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf good = BTZ_BUF(1 << 20);
    struct btz_snapshot *s;
    struct place p;
    uint8_t hash[32];
    uint32_t who;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 1);
    assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_OK);
    assert_int_equal(ask(s).verdict, BTZ_VERDICT_ALLOW);
    publish(&p, true, 2, 2);
    assert_int_equal(btz_file_read(p.path, 1 << 20, &good), BTZ_OK);
    overwrite(p.path, good.ptr, good.len / 2);
    assert_int_equal(btz_snapshot_refresh(s), BTZ_INPUT);
    assert_int_equal(btz_snapshot_refresh(s), BTZ_INPUT);
    assert_int_equal(ask(s).verdict, BTZ_VERDICT_DENY);
    assert_int_equal(ask(s).why, BTZ_WHY_SNAPSHOT);
    memset(hash, 1, sizeof hash);
    assert_int_equal(btz_snapshot_key(s, hash, &who), BTZ_NOBODY);
    overwrite(p.path, good.ptr, good.len);
    assert_int_equal(btz_snapshot_refresh(s), BTZ_OK);
    assert_int_equal(ask(s).verdict, BTZ_VERDICT_ALLOW);
    assert_int_equal(btz_snapshot_generation(s), 2);
    btz_snapshot_close(s);
    teardown(&p);
}

static void test_older(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model m;
    struct btz_snapshot *s;
    struct place p;
    (void)state;

    setup(&p);
    btz_arena_init(&arena, 1 << 20);
    publish(&p, false, 2, 7);
    model_of(&arena, true, 2, &m);
    assert_int_equal(btz_snapshot_write(&m, 6, secret, p.path), BTZ_CONFLICT);
    assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_OK);
    assert_int_equal(ask(s).verdict, BTZ_VERDICT_DENY);
    btz_snapshot_close(s);
    teardown(&p);
}

/* Follows the file as a server's worker would; the moment of the first refusal goes to the parent. */
static void follow(const char *path, _Atomic uint64_t *shared)
{
    struct btz_snapshot *s;
    uint64_t last = UINT64_MAX;

    if (btz_snapshot_open(path, secret, &s) != BTZ_OK)
        _exit(2);
    for (;;) {
        if (btz_snapshot_refresh(s) != BTZ_OK)
            _exit(3);
        if (btz_snapshot_generation(s) != last) {
            last = btz_snapshot_generation(s);
            /* Even generations allow, odd ones do not: never a mixture. */
            if ((ask(s).verdict == BTZ_VERDICT_ALLOW) != (last % 2 == 0))
                _exit(4);
            shared[1] = btz_clock_ns();
            shared[0] = last;
        }
    }
}

static void wait_for(_Atomic uint64_t *shared, uint64_t generation)
{
    uint64_t start = btz_clock_ns();

    while (shared[0] != generation) {
        usleep(200);
        if (btz_clock_ns() - start > 20000000000ULL)
            fail_msg("the reader never saw generation %" PRIu64, generation);
    }
}

static pid_t start_reader(const struct place *p, _Atomic uint64_t **shared)
{
    pid_t child;

    *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(*shared != MAP_FAILED);
    (*shared)[0] = UINT64_MAX;
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        follow(p->path, *shared);
    wait_for(*shared, 2);
    return child;
}

static void stop_reader(pid_t child, _Atomic uint64_t *shared)
{
    int status;

    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it did not give up by itself */
    munmap((void *)(uintptr_t)shared, 4096);
}

/* The promise is a second; the figure is printed. */
static void test_running_reader(void **state)
{
    _Atomic uint64_t *shared;
    uint64_t worst = 0;
    struct place p;
    pid_t child;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 2);
    child = start_reader(&p, &shared);
    for (uint64_t g = 3; g < 60; g++) {
        uint64_t done;

        publish(&p, g % 2 == 0, 2, g);
        done = btz_clock_ns();
        wait_for(shared, g);
        if (shared[1] > done && shared[1] - done > worst)
            worst = shared[1] - done;
    }
    stop_reader(child, shared);
    print_message(
        "# a running reader saw each of 57 changes, the latest %.3f ms after it was published\n",
        (double)worst / 1e6);
    assert_true(worst < 1000000000ULL);
    teardown(&p);
}

/* A writer killed after the file and before the number; a folder put back from a copy: seen by name all the same. */
static void test_lost_number(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model m;
    _Atomic uint64_t *shared;
    struct place p;
    pid_t child;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 2);
    child = start_reader(&p, &shared);
    btz_arena_init(&arena, 1 << 20);
    model_of(&arena, false, 2, &m);
    assert_int_equal(btz_snapshot_compile(&m, 3, secret, &bytes), BTZ_OK);
    overwrite(p.path, bytes.ptr, bytes.len);
    wait_for(shared, 3);
    /* The page of the number is lost and made anew by the next writer. */
    assert_int_equal(unlink(p.word), 0);
    publish(&p, true, 2, 4);
    wait_for(shared, 4);
    publish(&p, false, 2, 5);
    wait_for(shared, 5);
    stop_reader(child, shared);
    teardown(&p);
}

/* Writers in several processes: whatever the order, the highest generation stays. */
static void test_writers(void **state)
{
    struct btz_snapshot *s;
    pid_t child[3];
    struct place p;
    (void)state;

    setup(&p);
    publish(&p, true, 2, 2);
    for (uint64_t i = 0; i < 3; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            BTZ_ARENA_SCOPE struct btz_arena arena;
            struct btz_policy_model m;

            btz_arena_init(&arena, 1 << 20);
            for (uint64_t g = 3 + i; g < 60; g += 3) {
                model_of(&arena, g % 2 == 0, 2, &m);
                if (btz_snapshot_write(&m, g, secret, p.path) != BTZ_OK && g == 59)
                    _exit(1);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;

        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(btz_snapshot_open(p.path, secret, &s), BTZ_OK);
    assert_int_equal(btz_snapshot_generation(s), 59);
    assert_int_equal(ask(s).verdict, BTZ_VERDICT_DENY);
    btz_snapshot_close(s);
    teardown(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),           cmocka_unit_test(test_damage),
        cmocka_unit_test(test_broken),         cmocka_unit_test(test_older),
        cmocka_unit_test(test_running_reader), cmocka_unit_test(test_lost_number),
        cmocka_unit_test(test_writers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
