/* Targets and routes: what is read from an address, and where it leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watch/api/api.h"

static enum btz_err parse(const char *text, struct btz_arena *arena, struct btz_api_target *out)
{
    return btz_api_target_parse(btz_str(text), arena, out);
}

static void test_targets(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_api_target t;

    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(parse("/", &arena, &t), BTZ_OK);
    assert_int_equal(t.segment_count, 0);
    assert_int_equal(parse("/v1/users/a%2Fb%20c?x=1&y=a+b%2B&z&&=q", &arena, &t), BTZ_OK);
    assert_string_equal(t.path, "/v1/users/a%2Fb%20c");
    assert_int_equal(t.segment_count, 3);
    assert_string_equal(t.segments[2], "a/b c");
    assert_int_equal(t.query_count, 4);
    assert_string_equal(t.query[0].name, "x");
    assert_string_equal(t.query[0].value, "1");
    assert_string_equal(t.query[1].value, "a b+");
    assert_string_equal(t.query[2].name, "z");
    assert_string_equal(t.query[2].value, "");
    assert_string_equal(t.query[3].name, "");
    assert_string_equal(t.query[3].value, "q");
    assert_int_equal(parse("/a//b/", &arena, &t), BTZ_OK);
    assert_int_equal(t.segment_count, 4);
    assert_string_equal(t.segments[1], "");
    assert_string_equal(t.segments[3], "");
    assert_int_equal(parse("/%C3%A9?q=%3F", &arena, &t), BTZ_OK);
    assert_string_equal(t.segments[0], "\xC3\xA9");
    assert_string_equal(t.query[0].value, "?");
}

static void test_hostile_targets(void **state)
{
    static const char *const bad[] = {
        "",          "v1",       "*",      "http://host/v1", "/a#b",   "/a b",     "/%",
        "/%4",       "/%zz",     "/a%00b", "/%ff",           "/..",    "/a/../b",  "/a/%2e%2E/b",
        "/.",        "/%2e",     "/a\\b",  "/a?x=%",         "/a?%zz", "/a?x=%00", "/a?x=\x7f",
        "/\xC3\xA9", "/a?x=%C3", "/<a>",   "/a|b",           "/\"",    "/%C0%AF",  "/%ED%A0%80",
    };
    char text[BTZ_API_TARGET_MAX + 2];

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_api_target t;

        btz_arena_init(&arena, 1 << 20);
        if (parse(bad[i], &arena, &t) != BTZ_INPUT)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    for (int round = 0; round < 3; round++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_api_target t;

        btz_arena_init(&arena, 1 << 20);
        memset(text, round == 0 ? 'a' : round == 1 ? '/' : '&', sizeof text);
        text[0] = '/';
        text[1] = round == 2 ? '?' : text[1];
        text[round ? 2 * BTZ_API_PAIRS + 4 : BTZ_API_TARGET_MAX + 1] = '\0';
        if (round == 2)
            for (size_t i = 2; text[i]; i += 2)
                text[i] = 'x';
        assert_int_equal(parse(text, &arena, &t), BTZ_LIMIT);
    }
}

static void test_encode(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(100);

    (void)state;
    assert_int_equal(btz_api_encode(btz_str("a-b._~Z9 /?&=\xC3\xA9"), &out), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&out), "a-b._~Z9%20%2F%3F%26%3D%C3%A9"));
}

static const struct btz_field user[] = { { .name = "user", .place = BTZ_IN_PATH } };
static const struct btz_field policy[] = { { .name = "policy", .place = BTZ_IN_PATH } };
static const struct btz_field member[] = { { .name = "group", .place = BTZ_IN_PATH },
                                           { .name = "principal", .place = BTZ_IN_PATH } };
#define ROUTE(name, how, where, list)                                                              \
    static const struct btz_operation name = {                                                     \
        .id = #name, .method = how, .path = where, .fields = list, .field_count = BTZ_COUNT(list)  \
    }
ROUTE(list, "GET", "/v1/users", user);
ROUTE(create, "POST", "/v1/users", user);
ROUTE(show, "GET", "/v1/users/{user}", user);
ROUTE(change, "PATCH", "/v1/users/{user}", user);
ROUTE(check, "POST", "/v1/policies/check", policy);
ROUTE(get_policy, "GET", "/v1/policies/{policy}", policy);
ROUTE(put_policy, "PUT", "/v1/policies/{policy}", policy);
ROUTE(join, "PUT", "/v1/groups/{group}/members/{principal}", member);
static const struct btz_operation hidden = { .id = "hidden", .method = "POST" };
static const struct btz_operation *const table[] = { &put_policy, &hidden, &show,   &list,   &join,
                                                     &get_policy, &check,  &create, &change, NULL };

static void test_routes(void **state)
{
    static const struct {
        const char *method, *target, *op, *allow;
    } cases[] = {
        { "GET", "/v1/users", "list", "GET, HEAD, POST" },
        { "HEAD", "/v1/users", "list", "GET, HEAD, POST" },
        { "POST", "/v1/users?x=1", "create", "GET, HEAD, POST" },
        { "GET", "/v1/users/alice", "show", "GET, HEAD, PATCH" },
        { "DELETE", "/v1/users/alice", "", "GET, HEAD, PATCH" },
        { "get", "/v1/users", "", "GET, HEAD, POST" },
        { "GET", "/v1/users/", NULL, "" },
        { "GET", "/v1//users", NULL, "" },
        { "GET", "/V1/users", NULL, "" },
        { "GET", "/v1", NULL, "" },
        { "GET", "/v1/users/a/b", NULL, "" },
        { "GET", "/v1/users/a%2Fb", "show", "GET, HEAD, PATCH" },
        { "GET", "/v1/%75sers", "list", "GET, HEAD, POST" },
        { "POST", "/v1/policies/check", "check", NULL },
        /* A policy of that name stays within reach. */
        { "GET", "/v1/policies/check", "get_policy", NULL },
        { "PUT", "/v1/policies/check", "put_policy", NULL },
        { "POST", "/v1/policies/other", "", NULL },
        { "PUT", "/v1/groups/g/members/m", "join", "PUT" },
    };
    struct btz_api_router *r;

    (void)state;
    assert_int_equal(btz_api_router_new(table, &r), BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_api_target t;
        struct btz_api_match m;
        enum btz_api_route found;

        btz_arena_init(&arena, 1 << 16);
        assert_int_equal(parse(cases[i].target, &arena, &t), BTZ_OK);
        found = btz_api_router_find(r, cases[i].method, &t, &m);
        if (!cases[i].op) {
            assert_int_equal(found, BTZ_API_ROUTE_NONE);
        } else if (!*cases[i].op) {
            assert_int_equal(found, BTZ_API_ROUTE_METHOD);
        } else {
            assert_int_equal(found, BTZ_API_ROUTE_FOUND);
            assert_string_equal(m.op->id, cases[i].op);
        }
        if (cases[i].allow)
            assert_string_equal(m.allow, cases[i].allow);
        if (found == BTZ_API_ROUTE_FOUND && m.op == &join) {
            assert_int_equal(m.param_count, 2);
            assert_string_equal(m.params[0].name, "group");
            assert_string_equal(m.params[0].value, "g");
            assert_string_equal(m.params[1].name, "principal");
            assert_string_equal(m.params[1].value, "m");
        }
    }
    btz_api_router_free(r);
}

static void test_wrong_tables(void **state)
{
    static const struct btz_operation twin = { .id = "twin",
                                               .method = "GET",
                                               .path = "/v1/policies/{user}",
                                               .fields = user,
                                               .field_count = 1 };
    static const struct btz_operation stray = { .id = "stray",
                                                .method = "GET",
                                                .path = "/v1/x/{y}" };
    static const struct btz_operation open = { .id = "open", .method = "GET", .path = "/v1/{x" };
    const struct btz_operation *const twins[] = { &get_policy, &twin, NULL };
    const struct btz_operation *const strays[] = { &stray, NULL };
    const struct btz_operation *const opens[] = { &open, NULL };
    struct btz_api_router *r;

    (void)state;
    assert_int_equal(btz_api_router_new(twins, &r), BTZ_INTERNAL);
    assert_int_equal(btz_api_router_new(strays, &r), BTZ_INTERNAL);
    assert_int_equal(btz_api_router_new(opens, &r), BTZ_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),      cmocka_unit_test(test_hostile_targets),
        cmocka_unit_test(test_encode),       cmocka_unit_test(test_routes),
        cmocka_unit_test(test_wrong_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
