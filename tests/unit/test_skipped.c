/* A skipped test is no failure to who reads the TAP, and a failed one still is; the program runs itself to see both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/base.h"

static const char *self;

static void skipped(void **state)
{
    (void)state;
    skip();
}

static void failed(void **state)
{
    (void)state;
    fail();
}

static void passed(void **state)
{
    (void)state;
    assert_int_equal(1, 1);
}

static int report(const char *which)
{
    const struct CMUnitTest skips[] = { cmocka_unit_test(skipped), cmocka_unit_test(passed) };
    const struct CMUnitTest fails[] = { cmocka_unit_test(failed), cmocka_unit_test(skipped) };

    return strcmp(which, "skips") == 0 ? cmocka_run_group_tests(skips, NULL, NULL)
                                       : cmocka_run_group_tests(fails, NULL, NULL);
}

static int output_of(const char *which, char *out, size_t size)
{
    char command[4200];
    size_t n;
    FILE *pipe;

    snprintf(command, sizeof command, "CMOCKA_MESSAGE_OUTPUT=TAP '%s' %s 2>/dev/null", self, which);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    n = fread(out, 1, size - 1, pipe);
    out[n] = '\0';
    return WEXITSTATUS(pclose(pipe));
}

static void test_skipped(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(output_of("skips", out, sizeof out), 0);
    assert_non_null(strstr(out, "ok 1 - skipped # SKIP\n"));
    assert_non_null(strstr(out, "ok 2 - passed\n"));
    assert_null(strstr(out, "not ok"));
}

static void test_failed(void **state)
{
    char out[4096];

    (void)state;
    assert_int_equal(output_of("fails", out, sizeof out), 1);
    assert_non_null(strstr(out, "not ok 1 - failed\n"));
    assert_non_null(strstr(out, "\nok 2 - skipped # SKIP\n"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_failed),
    };

    if (argc > 1)
        return report(argv[1]);
    self = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
