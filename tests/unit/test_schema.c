/* Schemas against the official JSON-Schema-Test-Suite, and what the suite does not ask: limits, refusals, what faults say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "text/schema.h"

static struct btz_schema *schema_of(const char *text)
{
    struct btz_schema *s = NULL;

    if (btz_schema_parse(btz_str(text), "schema", &s) != BTZ_OK)
        fail_msg("%s: %s", text, btz_error_detail());
    return s;
}

/* ---- the official suite ------------------------------------------------------------------------------------------------- */

/* Groups whose schemas are refused by name, and how many of the file; every other case has to come out right. */
static const struct {
    const char *file;
    unsigned refused;
} refusals[] = {
    { "anchor", 4 },
    { "defs", 1 },
    { "draft7/definitions", 1 },
    { "draft7/ref", 11 },
    { "id", 4 },
    { "not", 1 },
    { "optional/ecmascript-regex", 1 },
    { "ref", 13 },
    { "unknownKeyword", 1 },
};

struct suite {
    unsigned groups, refused, cases, wrong;
    unsigned by_file[BTZ_COUNT(refusals)];
};

static void run_case(struct suite *t, const struct btz_schema *s, const char *file,
                     const char *group, const json_t *one)
{
    struct btz_schema_fault fault;
    bool expected = json_is_true(json_array_get(one, 2)), conforms = !expected;
    enum btz_err err = btz_schema_check(s, json_array_get(one, 1), &conforms, &fault);

    t->cases++;
    if (err == BTZ_OK && conforms == expected)
        return;
    t->wrong++;
    print_error("%s, %s, %s: %s\n", file, group, json_string_value(json_array_get(one, 0)),
                err != BTZ_OK ? btz_error_detail()
                : conforms    ? "conforms"
                              : fault.expected);
}

static void run_group(struct suite *t, const json_t *line)
{
    const char *file = json_string_value(json_object_get(line, "file"));
    const char *group = json_string_value(json_object_get(line, "group"));
    const json_t *cases = json_object_get(line, "tests"), *one;
    struct btz_schema *s;
    enum btz_err err = btz_schema_new(json_object_get(line, "schema"), &s);
    size_t i;

    t->groups++;
    if (err == BTZ_OK) {
        json_array_foreach(cases, i, one) run_case(t, s, file, group, one);
        btz_schema_free(s);
        return;
    }
    if (err != BTZ_UNSUPPORTED)
        fail_msg("%s, %s: %s", file, group, btz_error_detail());
    if (!strstr(btz_error_detail(), "another document") &&
        !strstr(btz_error_detail(), "unevaluatedProperties") &&
        !strstr(btz_error_detail(), "below the root"))
        fail_msg("%s, %s: %s", file, group, btz_error_detail());
    t->refused++;
    for (i = 0; i < BTZ_COUNT(refusals); i++)
        t->by_file[i] += strcmp(refusals[i].file, file) == 0;
}

static void test_suite(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 22);
    const char *source = getenv("BTZ_SOURCE");
    struct suite t = { 0 };
    struct btz_reader lines = { .what = "suite.jsonl" };
    struct btz_slice line;
    unsigned refused = 0;
    char path[4096];

    (void)state;
    snprintf(path, sizeof path, "%s/tests/golden/json-schema/suite.jsonl", source ? source : ".");
    assert_int_equal(btz_file_read(path, text.max, &text), BTZ_OK);
    lines.in = btz_buf_slice(&text);
    while (btz_read_line(&lines, &line)) {
        BTZ_JSON json_t *root = NULL;

        if (btz_json_parse(line, text.max, "line", &root) != BTZ_OK)
            fail_msg("%s: %.*s", btz_error_detail(), BTZ_SLICE_ARG(btz_slice_sub(line, 0, 80)));
        run_group(&t, root);
    }
    print_message("%u groups, %u refused, %u cases, %u wrong\n", t.groups, t.refused, t.cases,
                  t.wrong);
    assert_int_equal(t.wrong, 0);
    for (size_t i = 0; i < BTZ_COUNT(refusals); i++) {
        if (t.by_file[i] != refusals[i].refused)
            fail_msg("%s: %u refused", refusals[i].file, t.by_file[i]);
        refused += refusals[i].refused;
    }
    assert_int_equal(t.refused, refused);
    assert_int_equal(t.cases, 1117);
}

/* ---- refusals ----------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *schema;
    enum btz_err err;
    const char *words;
} no_schemas[] = {
    { "{\"unevaluatedProperties\":false}", BTZ_UNSUPPORTED, "`unevaluatedProperties`" },
    { "{\"unevaluatedItems\":{\"type\":\"null\"}}", BTZ_UNSUPPORTED, "`unevaluatedItems`" },
    { "{\"properties\":{\"a\":{\"$dynamicRef\":\"#a\"}}}", BTZ_UNSUPPORTED, "`$dynamicRef`" },
    { "{\"$recursiveRef\":\"#\"}", BTZ_UNSUPPORTED, "`$recursiveRef`" },
    { "{\"additionalItems\":false}", BTZ_UNSUPPORTED, "`additionalItems`" },
    { "{\"dependencies\":{}}", BTZ_UNSUPPORTED, "`dependencies`" },
    { "{\"$ref\":\"https://example.com/a.json\"}", BTZ_UNSUPPORTED, "https://example.com/a.json" },
    { "{\"$ref\":\"other.json#/a\"}", BTZ_UNSUPPORTED, "other.json#/a" },
    { "{\"items\":{\"$id\":\"b\"}}", BTZ_UNSUPPORTED, "`$id` below the root" },
    { "{\"$ref\":\"#/$defs/a/items\",\"$defs\":{\"a\":{\"$id\":\"b\",\"items\":{}}}}",
      BTZ_UNSUPPORTED, "`$id` below the root" },
    { "{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", BTZ_UNSUPPORTED, "draft-04" },
    { "{\"pattern\":\"(?=a)\"}", BTZ_UNSUPPORTED, "looking ahead" },
    { "{\"patternProperties\":{\"(a)\\\\1\":{}}}", BTZ_UNSUPPORTED, "reference back" },
    { "{\"pattern\":\"((a{1,99}){1,99}){1,99}\"}", BTZ_LIMIT, "states" },
    { "{\"pattern\":\"(\"}", BTZ_INPUT, "`pattern`" },
    { "{\"$ref\":\"#/$defs/none\"}", BTZ_INPUT, "there is nothing" },
    { "{\"$ref\":\"#none\"}", BTZ_INPUT, "there is nothing" },
    { "{\"$ref\":\"#/enum/0\",\"enum\":[7]}", BTZ_INPUT, "`$ref`" },
    { "{\"$ref\":7}", BTZ_INPUT, "`$ref`" },
    { "{\"type\":\"text\"}", BTZ_INPUT, "`type`" },
    { "{\"type\":[]}", BTZ_INPUT, "`type`" },
    { "{\"required\":\"a\"}", BTZ_INPUT, "`required`" },
    { "{\"required\":[1]}", BTZ_INPUT, "`required`" },
    { "{\"properties\":[]}", BTZ_INPUT, "`properties`" },
    { "{\"properties\":{\"a\":1}}", BTZ_INPUT, "`properties`" },
    { "{\"items\":[{}]}", BTZ_INPUT, "`prefixItems`" },
    { "{\"anyOf\":[]}", BTZ_INPUT, "`anyOf`" },
    { "{\"oneOf\":{}}", BTZ_INPUT, "`oneOf`" },
    { "{\"minLength\":-1}", BTZ_INPUT, "`minLength`" },
    { "{\"maxItems\":1.5}", BTZ_INPUT, "`maxItems`" },
    { "{\"multipleOf\":0}", BTZ_INPUT, "`multipleOf`" },
    { "{\"minimum\":\"1\"}", BTZ_INPUT, "`minimum`" },
    { "{\"exclusiveMinimum\":true}", BTZ_INPUT, "`exclusiveMinimum`" },
    { "{\"uniqueItems\":1}", BTZ_INPUT, "`uniqueItems`" },
    { "{\"enum\":1}", BTZ_INPUT, "`enum`" },
    { "{\"dependentRequired\":{\"a\":1}}", BTZ_INPUT, "`dependentRequired`" },
    { "7", BTZ_INPUT, "a schema" },
    { "{", BTZ_INPUT, "not JSON" },
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(no_schemas); i++) {
        struct btz_schema *s = NULL;

        if (btz_schema_parse(btz_str(no_schemas[i].schema), "schema", &s) != no_schemas[i].err ||
            !strstr(btz_error_detail(), no_schemas[i].words))
            fail_msg("%s: %s", no_schemas[i].schema, s ? "taken" : btz_error_detail());
    }
}

/* What no draft knows, annotations, and keywords where no reference leads, are nothing to stumble over. */
static void test_ignored(void **state)
{
    static const char *const schemas[] = {
        "{\"x-anything\":[1],\"strict\":true,\"nullable\":3}",
        "{\"format\":\"no-such-format\",\"default\":{\"$ref\":\"x\"},\"examples\":[1]}",
        "{\"contentMediaType\":\"application/json\",\"contentEncoding\":\"base64\"}",
        "{\"$defs\":{\"unused\":{\"unevaluatedItems\":false}}}",
        "{\"unevaluatedProperties\":true}",
        "{\"$schema\":\"http://json-schema.org/draft-07/schema\",\"additionalItems\":false}",
        "{\"const\":\"{\\\"a\\\":1}\"}",
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(schemas); i++) {
        struct btz_schema *s = schema_of(schemas[i]);
        struct btz_schema_fault fault;
        bool conforms = false;

        assert_int_equal(
            btz_schema_check_text(s, btz_str("\"{\\\"a\\\":1}\""), 1 << 20, &conforms, &fault),
            BTZ_OK);
        assert_true(conforms);
        btz_schema_free(s);
    }
}

/* ---- what faults say ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *schema, *text, *where, *keyword, *expected;
} faults[] = {
    { "{\"type\":[\"string\",\"null\"]}", "7", "", "type", "null or string" },
    { "{\"type\":\"integer\"}", "7.5", "", "type", "integer" },
    { "{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "", "required", "member `b`" },
    { "{\"properties\":{\"a/b\":{\"items\":{\"type\":\"string\"}}}}", "{\"a/b\":[\"x\",7]}",
      "/a~1b/1", "type", "string" },
    { "{\"additionalProperties\":false,\"properties\":{\"a\":true}}", "{\"b\":1}", "",
      "additionalProperties", "no members but" },
    { "{\"additionalProperties\":{\"maximum\":3}}", "{\"~\":5}", "/~0", "maximum", "at most 3" },
    { "{\"enum\":[1,2,3]}", "4", "", "enum", "one of 3 values" },
    { "{\"const\":1}", "2", "", "const", "the one value" },
    { "{\"minLength\":3}", "\"\u00e9\u00e9\"", "", "minLength", "at least 3 characters" },
    { "{\"maxLength\":1}", "\"\u00e9\u00e9\"", "", "maxLength", "at most 1 characters" },
    { "{\"pattern\":\"^a$\"}", "\"b\"", "", "pattern", "`^a$`" },
    { "{\"minimum\":1.5}", "1", "", "minimum", "at least 1.5" },
    { "{\"exclusiveMaximum\":1}", "1", "", "exclusiveMaximum", "less than 1" },
    { "{\"multipleOf\":0.1}", "0.35", "", "multipleOf", "a multiple of 0.1" },
    { "{\"uniqueItems\":true}", "[1,2,1.0]", "", "uniqueItems", "items 0 and 2" },
    { "{\"contains\":{\"type\":\"null\"}}", "[1]", "", "contains", "at least 1" },
    { "{\"minItems\":1}", "[]", "", "minItems", "at least 1" },
    { "{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", "1", "", "anyOf",
      "one of 2 forms" },
    { "{\"oneOf\":[true,true]}", "1", "", "oneOf", "several fit" },
    { "{\"not\":{\"type\":\"number\"}}", "1", "", "not", "another form" },
    { "{\"if\":{\"type\":\"number\"},\"then\":{\"minimum\":5}}", "1", "", "minimum", "at least 5" },
    { "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "", "dependentRequired",
      "member `b`" },
    { "{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}", "", "propertyNames", "names" },
    { "{\"properties\":{\"a\":false}}", "{\"a\":1}", "/a", "false", "nothing" },
    { "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}}}",
      "[[],[[1]]]", "/1/0/0", "type", "array" },
    { "true", "{", "", "json", "line 1" },
    { "true", "", "", "json", "one JSON text" },
    { "true", "{} {}", "", "json", "one JSON text" },
    { "true", "{\"a\":1,\"a\":2}", "", "json", "one JSON text" },
    { "true", "```json\n{}\n```", "", "json", "line 1" },
};

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(faults); i++) {
        struct btz_schema *s = schema_of(faults[i].schema);
        struct btz_schema_fault fault = { .keyword = NULL };
        bool conforms = true;

        assert_int_equal(
            btz_schema_check_text(s, btz_str(faults[i].text), 1 << 20, &conforms, &fault), BTZ_OK);
        if (conforms || strcmp(fault.where, faults[i].where) != 0 ||
            strcmp(fault.keyword, faults[i].keyword) != 0 ||
            !strstr(fault.expected, faults[i].expected))
            fail_msg("%s, %s: \"%s\" %s: %s", faults[i].schema, faults[i].text, fault.where,
                     conforms ? "conforms" : fault.keyword, fault.expected);
        btz_schema_free(s);
    }
}

static void test_long_faults(void **state)
{
    struct btz_schema *s = schema_of("{\"additionalProperties\":{\"type\":\"null\"}}");
    struct btz_schema_fault fault;
    char text[1200] = "{\"";
    bool conforms = true;

    (void)state;
    for (size_t i = 2; i < 1000; i += 2)
        memcpy(text + i, "\u00e9", 2);
    memcpy(text + 1000, "\":1}", 5);
    assert_int_equal(btz_schema_check_text(s, btz_str(text), 1 << 20, &conforms, &fault), BTZ_OK);
    assert_false(conforms);
    assert_true(btz_is_utf8(btz_str(fault.where)));
    assert_string_equal(fault.where + strlen(fault.where) - 3, "...");
    btz_schema_free(s);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *schema, *text;
    bool conforms;
} numbers[] = {
    { "{\"multipleOf\":0.1}", "0.3", true },
    { "{\"multipleOf\":0.01}", "4.35", true },
    { "{\"multipleOf\":0.01}", "1.005", false },
    { "{\"multipleOf\":1e-300}", "1e300", true },
    { "{\"multipleOf\":3}", "9223372036854775807", false },
    { "{\"multipleOf\":7}", "9223372036854775807", true },
    { "{\"multipleOf\":7}", "-9223372036854775807", true },
    { "{\"multipleOf\":7e18}", "7", false },
    { "{\"multipleOf\":0.5}", "0", true },
    { "{\"maximum\":9007199254740992}", "9007199254740993", false },
    { "{\"maximum\":9007199254740992.0}", "9007199254740993", false },
    { "{\"minimum\":-1e400}", "0", false },
    { "{\"maximum\":1e30}", "9223372036854775807", true },
    { "{\"minimum\":-1e30}", "-9223372036854775808", true },
    { "{\"exclusiveMinimum\":9223372036854775807}", "9223372036854775808.0", true },
    { "{\"type\":\"integer\"}", "1e3", true },
    { "{\"type\":\"integer\"}", "1e300", true },
    { "{\"const\":1}", "1.0", true },
    { "{\"const\":9007199254740993}", "9007199254740992.0", false },
    { "{\"enum\":[{\"a\":[1.0]}]}", "{\"a\":[1]}", true },
    { "{\"uniqueItems\":true}", "[0,-0.0]", false },
    { "{\"uniqueItems\":true}", "[1e30,1e31]", true },
    { "{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", false },
    { "{\"uniqueItems\":true}", "[[1,2],[2,1],\"1\",1,true,null,false,{}]", true },
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(numbers); i++) {
        struct btz_schema *s = NULL;
        struct btz_schema_fault fault;
        bool conforms = !numbers[i].conforms;

        /* What cannot be held is no schema. */
        if (btz_schema_parse(btz_str(numbers[i].schema), "schema", &s) != BTZ_OK) {
            assert_non_null(strstr(numbers[i].schema, "e400"));
            continue;
        }
        assert_int_equal(
            btz_schema_check_text(s, btz_str(numbers[i].text), 1 << 20, &conforms, &fault), BTZ_OK);
        if (conforms != numbers[i].conforms)
            fail_msg("%s, %s: not %d", numbers[i].schema, numbers[i].text, numbers[i].conforms);
        btz_schema_free(s);
    }
}

/* ---- limits: nothing runs for ever, and what was not read is never said to conform --------------------------------------- */

static void ends_with_limit(const char *schema, struct btz_slice text)
{
    struct btz_schema *s = schema_of(schema);
    struct btz_schema_fault fault;
    bool conforms = true;

    if (btz_schema_check_text(s, text, 1 << 20, &conforms, &fault) != BTZ_LIMIT)
        fail_msg("%s: %s", schema, conforms ? "conforms" : fault.expected);
    btz_schema_free(s);
}

static void test_limits(void **state)
{
    static char deep[400], many[300000];

    (void)state;
    ends_with_limit("{\"$ref\":\"#\"}", btz_str("1"));
    ends_with_limit("{\"allOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", btz_str("1"));
    /* Two ways at each level: 2^40 of them. */
    ends_with_limit(
        "{\"anyOf\":[{\"items\":{\"$ref\":\"#\"},\"minItems\":1,\"type\":\"array\"},"
        "{\"items\":{\"$ref\":\"#\"},\"maxItems\":1,\"type\":\"array\"}]}",
        btz_str("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                "]]]]"));
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    ends_with_limit("true", btz_slice_of(deep, sizeof deep));
    memset(many, '1', sizeof many);
    for (size_t i = 0; i < sizeof many; i += 2)
        many[i] = i ? ',' : '[';
    many[sizeof many - 1] = ']';
    many[sizeof many - 2] = ' ';
    ends_with_limit("{\"items\":{\"allOf\":[true,true,true,{\"enum\":[7,8,9,1]}]}}",
                    btz_slice_of(many, sizeof many));
    ends_with_limit("true", btz_str("12345678901234567890123"));
    ends_with_limit("true", btz_str("1e999"));
    ends_with_limit("true", btz_str("\"\\u0000\""));
    ends_with_limit("true", btz_str("{\"\\u0000\":1}"));
    memset(many, 'x', 2000);
    many[0] = many[1999] = '"';
    ends_with_limit("{\"pattern\":\"(x?){2000}y\"}", btz_slice_of(many, 2000));
}

/* A long answer that conforms is read to its end. */
static void test_large(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_schema *s =
        schema_of("{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{"
                  "\"type\":\"integer\"},"
                  "\"name\":{\"type\":\"string\",\"minLength\":1}},\"required\":[\"id\",\"name\"],"
                  "\"additionalProperties\":false},\"uniqueItems\":true}");
    struct btz_schema_fault fault;
    bool conforms = false;

    (void)state;
    assert_int_equal(btz_buf_add_byte(&text, '['), BTZ_OK);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(
            btz_buf_printf(&text, "%s{\"id\":%d,\"name\":\"number %d\"}", i ? "," : "", i, i),
            BTZ_OK);
    assert_int_equal(btz_buf_add_byte(&text, ']'), BTZ_OK);
    assert_int_equal(btz_schema_check_text(s, btz_buf_slice(&text), text.max, &conforms, &fault),
                     BTZ_OK);
    assert_true(conforms);
    btz_schema_free(s);
}

static void test_too_many_nodes(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_schema *s = NULL;

    (void)state;
    assert_int_equal(btz_buf_add_str(&text, "{\"anyOf\":[{}"), BTZ_OK);
    for (int i = 0; i < BTZ_SCHEMA_NODES_MAX; i++)
        assert_int_equal(btz_buf_add_str(&text, ",{}"), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&text, "]}"), BTZ_OK);
    assert_int_equal(btz_schema_parse(btz_buf_slice(&text), "schema", &s), BTZ_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ignored),        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_long_faults),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_large),
        cmocka_unit_test(test_too_many_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
