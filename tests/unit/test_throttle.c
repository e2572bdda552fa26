/* Strangers by address and second, in one process and in several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/throttle.h"

#define NOW    UINT64_C(1800000000)
#define FORKED 4
#define EACH   5000
#define OWN    100

static struct btz_strangers *table(void)
{
    struct btz_strangers *s;

    assert_int_equal(btz_strangers_new(&s), BTZ_OK);
    return s;
}

/* The address's bytes, in `room`. */
static struct btz_slice bytes(const char *text, uint8_t room[16])
{
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;

    assert_int_equal(inet_pton(family, text, room), 1);
    return btz_slice_of(room, family == AF_INET ? 4 : 16);
}

static unsigned add(struct btz_strangers *s, const char *address, uint64_t second)
{
    uint8_t room[16];

    return btz_strangers_add(s, bytes(address, room), second);
}

static void undo(struct btz_strangers *s, const char *address, uint64_t second)
{
    uint8_t room[16];

    btz_strangers_undo(s, bytes(address, room), second);
}

static void test_counts(void **state)
{
    struct btz_strangers *s = table();

    (void)state;
    for (unsigned i = 0; i < BTZ_STRANGERS_MOST + 50; i++)
        assert_int_equal(add(s, "192.0.2.1", NOW), i);
    assert_int_equal(add(s, "192.0.2.2", NOW), 0);
    assert_int_equal(add(s, "192.0.2.1", NOW + 1), 0);
    assert_int_equal(add(s, "192.0.2.1", NOW + 1), 1);
    assert_int_equal(add(s, "192.0.2.2", NOW), 1);
    btz_strangers_free(s);
    btz_strangers_free(NULL);
}

static void test_undo(void **state)
{
    struct btz_strangers *s = table();

    (void)state;
    assert_int_equal(add(s, "192.0.2.1", NOW), 0);
    assert_int_equal(add(s, "192.0.2.1", NOW), 1);
    undo(s, "192.0.2.1", NOW);
    assert_int_equal(add(s, "192.0.2.1", NOW), 1);
    undo(s, "192.0.2.1", NOW);
    undo(s, "192.0.2.1", NOW);
    undo(s, "192.0.2.1", NOW); /* nothing is left: never below */
    undo(s, "192.0.2.9", NOW);
    undo(s, "192.0.2.1", NOW + 1); /* another second */
    assert_int_equal(add(s, "192.0.2.1", NOW), 0);
    assert_int_equal(add(s, "192.0.2.9", NOW), 0);
    btz_strangers_free(s);
}

static void test_families(void **state)
{
    struct btz_strangers *s = table();
    uint8_t room[16];
    struct btz_slice any[] = { btz_str(""), btz_str("abc"), btz_str("0123456789abcdefg") };

    (void)state;
    assert_int_equal(add(s, "2001:db8:1:2::1", NOW), 0);
    assert_int_equal(add(s, "2001:db8:1:2:ffff:ffff:ffff:ffff", NOW), 1);
    assert_int_equal(add(s, "2001:db8:1:3::1", NOW), 0);
    assert_int_equal(add(s, "2001:db8:1:2::3", NOW), 2);
    assert_int_equal(add(s, "192.0.2.1", NOW), 0);
    assert_int_equal(add(s, "::ffff:192.0.2.1", NOW), 1);
    assert_int_equal(add(s, "::ffff:192.0.2.2", NOW), 0);
    assert_int_equal(add(s, "192.0.2.2", NOW), 1);
    undo(s, "::ffff:192.0.2.2", NOW);
    assert_int_equal(add(s, "192.0.2.2", NOW), 1);
    /* The same bytes in front. */
    assert_int_equal(add(s, "c000:201::", NOW), 0);
    /* What is no address: a Unix socket, bytes too few or too many. */
    for (unsigned i = 0; i < BTZ_COUNT(any); i++)
        assert_int_equal(btz_strangers_add(s, any[i], NOW), i);
    assert_int_equal(btz_strangers_add(s, bytes("0.0.0.0", room), NOW), 0);
    btz_strangers_free(s);
}

/* More than there is room for: some are forgotten, the rest counts on. */
static void test_many(void **state)
{
    struct btz_strangers *s = table();
    unsigned kept = 0;

    (void)state;
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 8000; i++)
            kept += btz_strangers_add(s, btz_slice_of(&i, sizeof i), NOW) == 1;
    assert_in_range(kept, 7000, 8000);
    for (uint32_t i = 0; i < 200000; i++)
        assert_in_range(btz_strangers_add(s, btz_slice_of(&i, sizeof i), NOW), 0, 2);
    for (uint32_t i = 0; i < 70000; i++)
        assert_in_range(add(s, "192.0.2.1", NOW + 1), i < 0xffff ? i : 0xffff, 0xffff);
    btz_strangers_free(s);
}

/* One address of all, and some of each process's own that want places meanwhile. */
static void count_up(struct btz_strangers *s, uint32_t process)
{
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t own = process << 16 | i % OWN;

        add(s, "192.0.2.1", NOW);
        btz_strangers_add(s, btz_slice_of(&own, sizeof own), NOW);
    }
    for (uint32_t i = 0; i < EACH / 2; i++)
        undo(s, "192.0.2.1", NOW);
}

static void test_processes(void **state)
{
    struct btz_strangers *s = table();
    pid_t children[FORKED];
    unsigned exact = 0;

    (void)state;
    for (uint32_t i = 0; i < FORKED; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            count_up(s, i + 1);
            _exit(0);
        }
    }
    for (size_t i = 0; i < FORKED; i++) {
        int status;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(add(s, "192.0.2.1", NOW), FORKED * (EACH - EACH / 2));
    for (uint32_t process = 1; process <= FORKED; process++)
        for (uint32_t i = 0; i < OWN; i++) {
            uint32_t own = process << 16 | i;

            exact += btz_strangers_add(s, btz_slice_of(&own, sizeof own), NOW) == EACH / OWN;
        }
    assert_in_range(exact, FORKED * OWN - 5, FORKED * OWN); /* five of one place are seldom */
    btz_strangers_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),    cmocka_unit_test(test_undo),
        cmocka_unit_test(test_families),  cmocka_unit_test(test_many),
        cmocka_unit_test(test_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
