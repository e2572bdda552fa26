/* Answers of operations as people see them: what stands there was written by hand from the rules of operation.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/operation.h"

static void expect_of(const char *json, const char *columns, const char *wanted)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    BTZ_JSON json_t *answer = NULL;
    const char *text;

    assert_int_equal(btz_json_parse(btz_str(json), 1 << 20, "answer", &answer), BTZ_OK);
    assert_int_equal(btz_cli_operation_print(answer, columns, &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
    assert_string_equal(text, wanted);
}

static void expect(const char *json, const char *wanted)
{
    expect_of(json, NULL, wanted);
}

static void test_objects(void **state)
{
    (void)state;
    expect("{}", "");
    expect("{\"name\":\"alice\",\"mail\":null,\"groups\":[],\"version\":3,\"active\":true}",
           "name: alice\nmail: -\ngroups: -\nversion: 3\nactive: yes\n");
    expect("{\"text\":\"a\\nb\",\"name\":\"p\"}", "name: p\ntext:\na\nb\n");
    expect("{\"in\":{\"a\":1,\"b\":[\"x\",\"y\"]}}", "in: \n  a: 1\n  b: x, y\n");
}

static void test_tables(void **state)
{
    (void)state;
    expect("{\"items\":[],\"next\":null}", "(none)\n");
    /* Columns that nobody fills are left out; a later item may bring a new one. */
    expect("{\"items\":[{\"name\":\"a\",\"mail\":null},{\"name\":\"bob\",\"mail\":null,\"n\":5}],"
           "\"next\":null}",
           "name  n\na     -\nbob   5\n");
    expect("{\"items\":[{\"n\":1}],\"next\":\"c\"}", "n\n1\nnext: c\n");
    expect("{\"codes\":[\"x\",\"y\"]}", "codes: x, y\n");
    expect("{\"members\":[{\"n\":\"a\"}],\"z\":1}", "z: 1\nmembers:\nn\na\n");
    /* Only what an operation chose; "na" is no part of "name". */
    expect_of("{\"items\":[{\"name\":\"a\",\"na\":1,\"x\":2}],\"next\":null}", "x name",
              "name  x\na     2\n");
    /* 60 letters in a column of 44; the last column is not padded. */
    expect("{\"items\":[{\"a\":\"123456789012345678901234567890123456789012345678901234567890\","
           "\"b\":\"x\"}],\"next\":null}",
           "a                                             b\n"
           "12345678901234567890123456789012345678901...  x\n");
}

/* Names and texts are a stranger's: nothing of them steers the terminal or breaks the table. */
static void test_hostile(void **state)
{
    (void)state;
    expect("{\"name\":\"a\\u001b[2Jb\"}", "name: a\\x1b[2Jb\n");
    expect("{\"items\":[{\"name\":\"a\\nb\",\"x\":\"\\u202e\"}],\"next\":null}",
           "name  x\na\\nb  \\u202e\n");
    expect("{\"text\":\"a\\n\\u001b]0;b\\u0007\"}", "text:\na\n\\x1b]0;b\\x07\n");
}

/* Every command of an operation has its operands and options from the table of fields, and each field once. */
static void test_commands(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        const struct btz_command *c = NULL;
        size_t operands = 0;

        if (!op->command)
            continue;
        for (size_t k = 0; btz_cli_operation_commands()[k]; k++)
            if (btz_cli_operation_commands()[k]->data == op)
                c = btz_cli_operation_commands()[k];
        assert_non_null(c);
        assert_string_equal(c->verb, op->command);
        for (size_t k = 0; k < op->field_count; k++)
            operands += op->fields[k].place == BTZ_IN_PATH || op->fields[k].operand;
        assert_int_equal(c->max_operands, operands);
        assert_true(c->option_count >= op->field_count - operands);
        for (size_t k = 0; k < c->option_count; k++)
            for (size_t m = 0; m < k; m++)
                assert_string_not_equal(c->options[k].name, c->options[m].name);
        seen++;
    }
    assert_true(seen > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_commands),
    };

    return cmocka_run_group_tests_name("operation_print", tests, NULL, NULL);
}
