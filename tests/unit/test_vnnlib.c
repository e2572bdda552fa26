/* Properties of networks: read, weighed, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "robust/vnnlib.h"

#define DECLARED                                                                                   \
    "; two inputs, three outputs\n(declare-const X_0 Real)\n(declare-fun X_1 () Real)\n"           \
    "(declare-const Y_0 Real)(declare-const Y_1 Real)\n(declare-const Y_2 Real)\n"
#define BOX                                                                                        \
    "(assert (<= X_0 0.5))\n(assert (>= X_0 -1e-1))\n(assert (and (>= 2 X_1) (<= (- 1) X_1)))\n"

static void test_read(void **state)
{
    static const char text[] = DECLARED BOX
        "(assert (or\n (and (>= Y_0 Y_2) (<= (+ Y_1 (* 2.0 Y_0) 1) 3))\n (>= Y_1 Y_2)))\n"
        "(assert (<= (- Y_0 Y_1 0.5) (* Y_2 3)))";
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_property p;

    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_vnnlib_parse(btz_str(text), "p", &arena, &p), BTZ_OK);
    assert_int_equal(p.inputs, 2);
    assert_int_equal(p.outputs, 3);
    assert_true(p.low[0] == -0.1 && p.high[0] == 0.5 && p.low[1] == -1 && p.high[1] == 2);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.cases[0].count, 3);
    assert_int_equal(p.cases[1].count, 2);
    /* By hand: y2 - y0, y1 + 2 y0 - 2, y0 - y1 - 3 y2 - 0.5 and y2 - y1, the same. */
    for (int i = 0; i < 27; i++) {
        double y[] = { i % 3 - 1, i / 3 % 3 - 1.25, i / 9 - 0.75 };
        double all = y[0] - y[1] - 3 * y[2] - 0.5;
        double first = fmax(fmax(y[2] - y[0], y[1] + 2 * y[0] - 2), all);
        double second = fmax(y[2] - y[1], all);

        assert_true(fabs(btz_property_margin(&p, 0, y) - first) < 1e-12);
        assert_true(fabs(btz_property_margin(&p, 1, y) - second) < 1e-12);
    }
}

static void test_wrong(void **state)
{
    static const struct {
        const char *text, *word;
        enum btz_err err;
    } tries[] = {
        { "", "no inputs", BTZ_INPUT },
        { DECLARED "(assert (>= Y_0 Y_1))", "X_0 has no two bounds", BTZ_INPUT },
        { DECLARED BOX "(assert (<= X_0 -2))", "no value between", BTZ_INPUT },
        { DECLARED BOX "(assert (or (<= X_0 0) (>= Y_0 0)))", "a choice between inputs",
          BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (<= X_0 Y_0))", "inputs and outputs at once", BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (<= X_0 X_1))", "several inputs", BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (<= (* Y_0 Y_1) 0))", "product of variables", BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (not (<= Y_1 0)))", "\"not\"", BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (<= (exp Y_1) 0))", "\"exp\"", BTZ_UNSUPPORTED },
        { DECLARED BOX "(assert (<= Y_3 0))", "declared variable, found \"Y_3\"", BTZ_INPUT },
        { DECLARED BOX "(assert (<= Y_0 nan))", "found \"nan\"", BTZ_INPUT },
        { DECLARED BOX "(assert (<= Y_0 0)", "p:9", BTZ_INPUT },
        { DECLARED BOX "(assert (or))", "of nothing", BTZ_INPUT },
        { DECLARED BOX "(check-sat)", "\"check-sat\"", BTZ_UNSUPPORTED },
        { "(declare-const X_1 Real)", "out of order", BTZ_INPUT },
        { "(declare-const X_0 Int)", "expected \"Real\"", BTZ_INPUT },
        { "(declare-const Z_0 Real)", "X_i or Y_i", BTZ_INPUT },
        { "x", "expected \"(\"", BTZ_INPUT },
    };
    char deep[4096], *at = deep;
    struct btz_property p;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        enum btz_err err;

        btz_arena_init(&arena, 1 << 20);
        err = btz_vnnlib_parse(btz_str(tries[i].text), "p", &arena, &p);
        if (err != tries[i].err || !strstr(btz_error_detail(), tries[i].word))
            print_message("# %d %s, wanted %s\n", (int)err, btz_error_detail(), tries[i].word);
        assert_int_equal(err, tries[i].err);
        assert_non_null(strstr(btz_error_detail(), tries[i].word));
    }
    at += snprintf(at, 1000, "%s(assert ", DECLARED BOX);
    for (int i = 0; i < 400; i++)
        at += snprintf(at, 8, "(and ");
    {
        BTZ_ARENA_SCOPE struct btz_arena arena;

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(btz_vnnlib_parse(btz_str(deep), "p", &arena, &p), BTZ_LIMIT);
    }
}

/* 2^20 cases out of twenty lines are refused, not made. */
static void test_many(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 16);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_property p;

    (void)state;
    assert_int_equal(btz_buf_add_str(&text, DECLARED BOX), BTZ_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(btz_buf_add_str(&text, "(assert (or (<= Y_0 0) (<= Y_1 0)))\n"), BTZ_OK);
    btz_arena_init(&arena, 64 << 20);
    assert_int_equal(btz_vnnlib_parse(btz_buf_slice(&text), "p", &arena, &p), BTZ_LIMIT);
}

/* A file of the 2021 competition: 784 inputs, nine ways to be another digit. */
static void test_competition(void **state)
{
    const char *root = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 24);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    double y[10] = { 0 };
    struct btz_property p;
    char path[1024];

    (void)state;
    btz_arena_init(&arena, 1 << 24);
    snprintf(path, sizeof path, "%s%s/model/vnncomp/mnistfc/prop_0_0.03.vnnlib",
             root     ? root
             : source ? source
                      : ".",
             root ? "" : "/../shared/data");
    if (access(path, R_OK) != 0)
        skip();
    assert_int_equal(btz_file_read(path, 1 << 24, &text), BTZ_OK);
    assert_int_equal(btz_vnnlib_parse(btz_buf_slice(&text), path, &arena, &p), BTZ_OK);
    assert_int_equal(p.inputs, 784);
    assert_int_equal(p.outputs, 10);
    assert_int_equal(p.count, 9);
    assert_true(p.high[783] == 0.029999999329447746 && p.low[783] == 0);
    y[8] = 1, y[4] = 0.75; /* the label is 8; case 4 is "4 at least as likely" */
    assert_true(fabs(btz_property_margin(&p, 4, y) - 0.25) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_competition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
