/* The JSONPath subset against the examples of RFC 9535. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/jsonpath.h"

static const char bookstore[] =
    "{\"store\":{\"book\":[{\"category\":\"reference\",\"author\":\"Nigel Rees\",\"title\":"
    "\"Sayings of the Century\",\"price\":8.95},{\"category\":\"fiction\",\"author\":\"Evelyn "
    "Waugh\",\"title\":\"Sword of Honour\",\"price\":12.99},{\"category\":\"fiction\",\"author\":"
    "\"Herman Melville\",\"title\":\"Moby Dick\",\"isbn\":\"0-553-21311-3\",\"price\":8.99},{"
    "\"category\":\"fiction\",\"author\":\"J. R. R. Tolkien\",\"title\":\"The Lord of the "
    "Rings\",\"isbn\":\"0-395-19395-8\",\"price\":22.99}],\"bicycle\":{\"color\":\"red\","
    "\"price\":399}}}";

static const struct {
    const char *json, *path, *text;
    size_t found;
} cases[] = {
    /* RFC 9535 s.1.5 */
    { bookstore, "$.store.book[*].author",
      "Nigel Rees\nEvelyn Waugh\nHerman Melville\nJ. R. R. Tolkien", 4 },
    { bookstore, "$.store.book[2].author", "Herman Melville", 1 },
    { bookstore, "$.store.book[2].publisher", "", 0 },
    { bookstore, "$.store.book[-1].title", "The Lord of the Rings", 1 },
    { bookstore, "$.store.bicycle.*", "red\n399", 2 },
    { bookstore, "$.store.bicycle", "{\"color\":\"red\",\"price\":399}", 1 },
    /* s.2.3.1.3 */
    { "{\"o\":{\"j j\":{\"k.k\":3}},\"'\":{\"@\":2}}", "$.o['j j']", "{\"k.k\":3}", 1 },
    { "{\"o\":{\"j j\":{\"k.k\":3}},\"'\":{\"@\":2}}", "$.o['j j']['k.k']", "3", 1 },
    { "{\"o\":{\"j j\":{\"k.k\":3}},\"'\":{\"@\":2}}", "$.o[\"j j\"][\"k.k\"]", "3", 1 },
    { "{\"o\":{\"j j\":{\"k.k\":3}},\"'\":{\"@\":2}}", "$[\"'\"][\"@\"]", "2", 1 },
    /* s.2.3.2.3 */
    { "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3]}", "$[*]", "{\"j\":1,\"k\":2}\n[5,3]", 2 },
    { "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3]}", "$.o[*]", "1\n2", 2 },
    { "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3]}", "$.a[*]", "5\n3", 2 },
    /* s.2.3.3.3 */
    { "[\"a\",\"b\"]", "$[1]", "b", 1 },
    { "[\"a\",\"b\"]", "$[-2]", "a", 1 },
    { "[\"a\",\"b\"]", "$[2]", "", 0 },
    { "[\"a\",\"b\"]", "$[-3]", "", 0 },
    /* s.2.6.1: null is a value */
    { "{\"a\":null,\"b\":[null]}", "$.a", "", 1 },
    { "{\"a\":null,\"b\":[null]}", "$.a[0]", "", 0 },
    { "{\"a\":null,\"b\":[null]}", "$.b[*]", "", 1 },
    /* Spellings of other tools. */
    { "{\"choices\":[{\"message\":{\"content\":\"hi\"}}]}", "choices[0].message.content", "hi", 1 },
    { "{\"answer\":\"yes\"}", "answer", "yes", 1 },
    { "{\"answer\":\"yes\"}", " $.answer ", "yes", 1 },
    { "{\"x-y\":{\"0\":true}}", "x-y.0", "true", 1 },
    { "[[7]]", "[0][0]", "7", 1 },
    { "{\"a\":1}", "$", "{\"a\":1}", 1 },
    { "\"plain\"", "$", "plain", 1 },
    { "{\"\\u2603\\ud83d\\ude00\":1}", "$['\\u2603\\uD83D\\uDE00']", "1", 1 },
    { "{\"\xE2\x98\x83\":1}", "$.\xE2\x98\x83", "1", 1 },
    { "{\"a'b\\n\":1}", "$['a\\'b\\n']", "1", 1 },
    { "{\"\":1}", "$['']", "1", 1 },
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(10000);
        BTZ_JSON json_t *root = NULL;
        struct btz_jsonpath path;
        size_t found = 99;

        btz_arena_init(&arena, 65536);
        assert_int_equal(btz_json_parse(btz_str(cases[i].json), 10000, "x", &root), BTZ_OK);
        if (btz_jsonpath_parse(btz_str(cases[i].path), &arena, &path) != BTZ_OK)
            fail_msg("%s: %s", cases[i].path, btz_error_detail());
        assert_int_equal(btz_jsonpath_text(&path, root, &out, &found), BTZ_OK);
        assert_int_equal(found, cases[i].found);
        if (!btz_slice_is(btz_buf_slice(&out), cases[i].text))
            fail_msg("%s: %.*s", cases[i].path, BTZ_SLICE_ARG(btz_buf_slice(&out)));
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *path, *says;
    } bad[] = {
        { "$..a", "position 3: recursive descent" },
        { "$.a[?@.b]", "position 5: filters" },
        { "$.a[0:2]", "position 6: slices" },
        { "$.a[:2]", "position 5: slices" },
        { "$[0,1]", "position 4: unions" },
        { "$['a','b']", "position 6: unions" },
        { "$.", "position 3: expected a name" },
        { "$[", "position 3: expected an index" },
        { "$['a", "never closed" },
        { "$[01]", "expected an index" },
        { "$[-0]", "expected an index" },
        { "$[99999999999]", "expected an index" },
        { "$[1", "position 4: expected ]" },
        { "a b", "position 2: expected . or [" },
        { "$a", "position 2: expected . or [" },
        { "$.a()", "position 4: expected . or [" },
        { "$['\\x']", "unknown escape" },
        { "$['\\uD800']", "surrogate" },
        { "$['\\uDC00']", "surrogate" },
        { "$['\\u12']", "four hex digits" },
        { "", "found nothing" },
        { "   ", "found nothing" },
        { "{a}", "expected a name" },
    };
    BTZ_BUF_RELEASE struct btz_buf deep = BTZ_BUF(10000);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_jsonpath path;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        assert_int_equal(btz_jsonpath_parse(btz_str(bad[i].path), &arena, &path), BTZ_USAGE);
        if (!strstr(btz_error_detail(), bad[i].says))
            fail_msg("%s: %s", bad[i].path, btz_error_detail());
    }
    for (int i = 0; i < 64; i++)
        assert_int_equal(btz_buf_add_str(&deep, "[0]"), BTZ_OK);
    assert_int_equal(btz_jsonpath_parse(btz_buf_slice(&deep), &arena, &path), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&deep, "[0]"), BTZ_OK);
    assert_int_equal(btz_jsonpath_parse(btz_buf_slice(&deep), &arena, &path), BTZ_LIMIT);
}

static void test_value_limit(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    BTZ_JSON json_t *root = json_array();
    struct btz_jsonpath path;
    size_t found = 0;
    (void)state;

    btz_arena_init(&arena, 65536);
    for (int i = 0; i < 101; i++) {
        json_t *row = json_array();

        for (int k = 0; k < 100; k++)
            json_array_append_new(row, json_integer(k));
        json_array_append_new(root, row);
    }
    assert_int_equal(btz_jsonpath_parse(btz_str("[*][*]"), &arena, &path), BTZ_OK);
    assert_int_equal(btz_jsonpath_text(&path, root, &out, &found), BTZ_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_value_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
