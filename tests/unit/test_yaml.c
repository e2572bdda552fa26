/* YAML into a tree: content, lines, limits, and the text of every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"

static struct btz_arena arena;

static int setup(void **state)
{
    (void)state;
    btz_arena_init(&arena, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    btz_arena_release(&arena);
    return 0;
}

static const struct btz_yaml *parsed(const char *text)
{
    const struct btz_yaml *root = NULL;

    if (btz_yaml_parse(btz_str(text), "f", &arena, &root) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return root;
}

static void refused(const char *text, enum btz_err err, const char *detail)
{
    const struct btz_yaml *root = NULL;

    assert_int_equal(btz_yaml_parse(btz_str(text), "f", &arena, &root), err);
    assert_null(root);
    assert_string_equal(btz_error_detail(), detail);
}

static void test_tree(void **state)
{
    const struct btz_yaml *root = parsed("# a file\n"
                                         "name: bot\n"
                                         "list:\n"
                                         "  - one\n"
                                         "  - \"two\\ttabs\"\n"
                                         "  - k: v\n"
                                         "text: |\n"
                                         "  first\n"
                                         "  second\n"
                                         "none:\n"
                                         "flow: {a: [1, 2], 'b': ~}\n");
    const struct btz_yaml *node;

    (void)state;
    assert_int_equal(root->kind, BTZ_YAML_MAP);
    node = root->first;
    assert_string_equal(node->key, "name");
    assert_string_equal(node->text, "bot");
    assert_true(node->plain);
    assert_int_equal(node->line, 2);
    assert_int_equal(node->key_line, 2);
    node = btz_yaml_get(root, "list");
    assert_int_equal(node->kind, BTZ_YAML_LIST);
    assert_int_equal(node->key_line, 3);
    assert_int_equal(node->line, 4);
    assert_string_equal(node->first->text, "one");
    assert_null(node->first->key);
    node = node->first->next;
    assert_string_equal(node->text, "two\ttabs");
    assert_false(node->plain);
    assert_string_equal(btz_yaml_get(node->next, "k")->text, "v");
    assert_null(node->next->next);
    assert_string_equal(btz_yaml_get(root, "text")->text, "first\nsecond\n");
    assert_false(btz_yaml_get(root, "text")->plain);
    assert_string_equal(btz_yaml_get(root, "none")->text, "");
    node = btz_yaml_get(root, "flow");
    assert_int_equal(node->kind, BTZ_YAML_MAP);
    assert_string_equal(btz_yaml_get(node, "a")->first->next->text, "2");
    assert_string_equal(btz_yaml_get(node, "b")->text, "~");
    assert_int_equal(btz_yaml_get(node, "b")->key_line, 11);
    assert_null(btz_yaml_get(root, "absent"));
    assert_null(btz_yaml_get(node->first, "a list has no keys"));
}

static void test_empty(void **state)
{
    static const char *const empty[] = { "",      "\n",         "# only words\n",
                                         "---\n", "---\n...\n", "\xEF\xBB\xBF" };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(empty); i++) {
        assert_int_equal(parsed(empty[i])->kind, BTZ_YAML_MAP);
        assert_null(parsed(empty[i])->first);
    }
    assert_string_equal(parsed("\xEF\xBB\xBF"
                               "a: 1")
                            ->first->text,
                        "1");
    assert_int_equal(parsed("\"\"")->kind, BTZ_YAML_SCALAR);
    assert_int_equal(parsed("word")->kind, BTZ_YAML_SCALAR);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("a: 1\nb: [1, 2\nc: 3\n", BTZ_INPUT,
            "f:3:2: not YAML: did not find expected ',' or ']', while parsing a flow sequence that "
            "begins on line 2");
    refused("a: b: c\n", BTZ_INPUT,
            "f:1:5: not YAML: mapping values are not allowed in this context");
    refused("a: \"open\n", BTZ_INPUT,
            "f:2:1: not YAML: found unexpected end of stream, while scanning a quoted scalar that "
            "begins on line 1");
    refused("a:\n\tb: 1\n", BTZ_INPUT,
            "f:2:1: found a tab where only spaces may indent; replace it by spaces");
    refused("\xC3\xA4: 1\n\xC3\xA4:\n\tb: 1\n", BTZ_INPUT,
            "f:3:1: found a tab where only spaces may indent; replace it by spaces");
    refused("a: &x 1\n", BTZ_INPUT, "f:1:4: anchors (&name) are not supported; repeat the text");
    refused("a: &x {b: 1}\n", BTZ_INPUT,
            "f:1:4: anchors (&name) are not supported; repeat the text");
    refused("a: 1\nb: *a\n", BTZ_INPUT,
            "f:2:4: aliases (*name) are not supported; repeat the text, or quote a value that "
            "begins with *");
    refused("a: !!int 1\n", BTZ_INPUT, "f:1:4: tags (!name) are not supported; remove it");
    refused("a: !x [1]\n", BTZ_INPUT, "f:1:4: tags (!name) are not supported; remove it");
    refused("a: 1\nb: 2\n\na: 3\n", BTZ_INPUT, "f:4: key `a` stands twice, first on line 1");
    refused("x:\n  - {k: 1, l: 2, k: 3}\n", BTZ_INPUT,
            "f:2: key `k` stands twice, first on line 2");
    refused("a: 1\n---\nb: 2\n", BTZ_INPUT, "f:2:1: a second document begins; one file holds one");
    refused("a: \"x\\0y\"\n", BTZ_INPUT, "f:1:4: text with a NUL character");
    refused("\"x\\0y\": 1\n", BTZ_INPUT, "f:1:1: text with a NUL character");
    refused("? [a, b]\n: 1\n", BTZ_INPUT, "f:1:3: a key must be plain text, not a list or a map");
    refused("a: 1\nb: \xFF\n", BTZ_INPUT, "f:2:4: not text in UTF-8: invalid leading UTF-8 octet");
    refused("a: 1\nb: \x01\n", BTZ_INPUT,
            "f:2:4: not text in UTF-8: control characters are not allowed");
}

static void add_repeated(struct btz_buf *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        assert_int_equal(btz_buf_add_str(b, text), BTZ_OK);
}

static void test_limits(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(20 << 20);
    const struct btz_yaml *root;

    (void)state;
    add_repeated(&b, "[", 64);
    add_repeated(&b, "]", 64);
    assert_int_equal(btz_yaml_parse(btz_buf_slice(&b), "f", &arena, &root), BTZ_OK);
    btz_buf_clear(&b);
    add_repeated(&b, "[", 100000);
    assert_int_equal(btz_yaml_parse(btz_buf_slice(&b), "f", &arena, &root), BTZ_LIMIT);
    assert_string_equal(btz_error_detail(), "f:1:65: nested deeper than 64 levels");
    btz_buf_clear(&b);
    add_repeated(&b, "- x\n", 199999);
    assert_int_equal(btz_yaml_parse(btz_buf_slice(&b), "f", &arena, &root), BTZ_OK);
    add_repeated(&b, "- x\n", 1);
    assert_int_equal(btz_yaml_parse(btz_buf_slice(&b), "f", &arena, &root), BTZ_LIMIT);
    assert_string_equal(btz_error_detail(), "f:200000:3: more than 200000 values");
    btz_buf_clear(&b);
    add_repeated(&b, "#                              \n", (16 << 20) / 32 + 1);
    assert_int_equal(btz_yaml_parse(btz_buf_slice(&b), "f", &arena, &root), BTZ_LIMIT);
    assert_string_equal(btz_error_detail(), "f: larger than 16777216 bytes");
}

static void test_arena_full(void **state)
{
    const struct btz_yaml *root = NULL;

    (void)state;
    for (size_t cap = 0; cap < 4096; cap += 64) {
        BTZ_ARENA_SCOPE struct btz_arena small;

        btz_arena_init(&small, cap);
        if (btz_yaml_parse(btz_str("a: [1, {b: c}, d]\ne: f\n"), "f", &small, &root) == BTZ_OK)
            assert_int_equal(root->kind, BTZ_YAML_MAP);
        else
            assert_non_null(strstr(btz_error_detail(), "out of memory"));
    }
    assert_non_null(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arena_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
