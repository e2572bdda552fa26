/* Names of upstreams whose addresses change, by a resolver that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate/names.h"

static const char
    *answer; /* last numbers of the addresses, a letter each: "ab"; empty: the resolver fails */
static unsigned asked;
static char last_name[256];

static size_t lookup(const char *name, struct btz_name_address *out)
{
    size_t n = strlen(answer);

    asked++;
    snprintf(last_name, sizeof last_name, "%s", name);
    for (size_t i = 0; i < n; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].family = 4;
        out[i].b[3] = (uint8_t)answer[i];
    }
    return n;
}

static struct btz_names *names_of(struct btz_upstream_conf *u, size_t count)
{
    struct btz_gate_conf conf = { .upstreams = { u, count } }; /* no thread: it looks never */
    struct btz_names *n;

    assert_int_equal(btz_names_start(lookup, &n), BTZ_OK);
    assert_int_equal(btz_names_set(n, &conf), BTZ_OK);
    asked = 0;
    return n;
}

/* Rounds, a word each; which of them says that a name moved ('+')? */
static void check(const char *const *rounds, const char *wanted)
{
    struct btz_upstream_conf u[] = { { .name = "a", .url = "https://models.example:8443/v1" } };
    struct btz_names *n = names_of(u, 1);
    char name[256] = "", found[64] = "";

    for (size_t i = 0; rounds[i]; i++) {
        answer = rounds[i];
        btz_names_look(n);
        found[i] = btz_names_moved(n, name, sizeof name) ? '+' : '-';
        assert_true(found[i] == '-' || strcmp(name, "models.example") == 0);
    }
    assert_string_equal(found, wanted);
    assert_string_equal(last_name, "models.example");
    btz_names_stop(n);
}

static void test_rounds(void **state)
{
    (void)state;
    check((const char *const[]){ "a", "a", "a", NULL }, "---");
    check((const char *const[]){ "a", "b", "b", NULL }, "--+");
    /* Once is chance. */
    check((const char *const[]){ "a", "b", "a", "b", "a", NULL }, "-----");
    /* A few of many in turns, one of the first among them now and then. */
    check((const char *const[]){ "abc", "cde", "def", "efa", "bx", "yz", "zab", NULL }, "-------");
    check((const char *const[]){ "abc", "def", "ghi", "jkl", NULL }, "--+-");
    /* Failures neither count nor end a row. */
    check((const char *const[]){ "a", "", "", "", NULL }, "----");
    check((const char *const[]){ "a", "b", "", "b", NULL }, "---+");
    check((const char *const[]){ "", "", "a", "b", "c", NULL }, "----+");
    /* Told again after ten rounds, where nobody did anything about it. */
    check((const char *const[]){ "a", "b", "b", "b", "b", "b", "b", "b", "b", "b", "b", "b", "b",
                                 "b", NULL },
          "--+---------+-");
}

static void test_set_again(void **state)
{
    struct btz_upstream_conf u[] = { { .name = "a", .url = "http://one.example" },
                                     { .name = "b", .url = "http://two.example/x" } };
    struct btz_gate_conf conf = { .upstreams = { u, 2 } };
    struct btz_names *n = names_of(u, 2);
    char name[256];

    (void)state;
    for (int i = 0; i < 3; i++) {
        answer = i ? "b" : "a";
        btz_names_look(n);
    }
    assert_int_equal(asked, 6);
    assert_true(btz_names_moved(n, name, sizeof name));
    assert_int_equal(btz_names_set(n, &conf), BTZ_OK);
    btz_names_look(n); /* "b" is what nginx got to know */
    btz_names_look(n);
    assert_false(btz_names_moved(n, name, sizeof name));
    answer = "a";
    btz_names_look(n);
    btz_names_look(n);
    assert_true(btz_names_moved(n, name, sizeof name));
    btz_names_stop(n);
}

static void test_addresses_are_no_names(void **state)
{
    struct btz_upstream_conf u[] = { { .name = "a", .url = "http://127.0.0.1:1/v1" },
                                     { .name = "b", .url = "https://[::1]:2" },
                                     { .name = "c", .url = "https://[fe80::1]" } };
    struct btz_names *n = names_of(u, 3);

    (void)state;
    answer = "a";
    btz_names_look(n);
    assert_int_equal(asked, 0);
    btz_names_stop(n);
    btz_names_stop(NULL);
}

/* With the thread and the system's resolver: it looks, and it ends. */
static void test_thread(void **state)
{
    struct btz_upstream_conf u[] = { { .name = "a", .url = "http://localhost:1" } };
    struct btz_gate_conf conf = { .upstreams = { u, 1 }, .lookup_ms = 1 };
    struct btz_names *n;
    char name[256];

    (void)state;
    assert_int_equal(btz_names_start(NULL, &n), BTZ_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(btz_names_set(n, &conf), BTZ_OK);
        btz_names_look(n);
        assert_false(btz_names_moved(n, name, sizeof name));
    }
    conf.lookup_ms = 0;
    assert_int_equal(btz_names_set(n, &conf), BTZ_OK);
    btz_names_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_set_again),
        cmocka_unit_test(test_addresses_are_no_names),
        cmocka_unit_test(test_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
