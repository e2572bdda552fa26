/* Rows of tables: constraints from the configuration, and attacks that never ask about a row that could not exist. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/tabular.h"

#define FEATURES 8

static const char section[] =
    "columns:\n"
    "- {name: age, column: 0, kind: integer, moves: up, low: 18, high: 99}\n"
    "- {name: sex, column: 1, immutable: true}\n"
    "- {name: debt, column: 2, moves: down, low: 0}\n"
    "- {name: loans, column: 3, kind: integer, low: 0.5, high: 7.5}\n"
    "groups:\n"
    "- {name: job, first: 4, last: 6}\n";

static enum btz_err load(const char *text, struct btz_arena *arena, struct btz_constraint *out)
{
    static const struct btz_box box = { -1000, 1000 };
    struct btz_constraint_conf conf;
    const struct btz_yaml *yaml;

    BTZ_TRY(btz_yaml_parse(btz_str(text), "test", arena, &yaml));
    BTZ_TRY(btz_conf_load(yaml, &btz_constraint_struct, "test", NULL, arena, &conf));
    return btz_constraint_load(&conf, FEATURES, box, arena, out);
}

static const float row[FEATURES] = { 40, 1, 100, 3, 0, 1, 0, 0.25F };

static bool holds(const struct btz_constraint *c, size_t k, float v)
{
    float x[FEATURES];

    memcpy(x, row, sizeof x);
    x[k] = v;
    return btz_constraint_holds(c, row, x);
}

static void test_holds(void **state)
{
    struct btz_arena arena;
    struct btz_constraint c;
    float x[FEATURES];

    (void)state;
    btz_arena_init(&arena, 1U << 20);
    assert_int_equal(load(section, &arena, &c), BTZ_OK);
    assert_true(btz_constraint_holds(&c, row, row));
    assert_true(holds(&c, 0, 41) && holds(&c, 0, 99));
    assert_false(holds(&c, 0, 39) || holds(&c, 0, 40.5F) || holds(&c, 0, 100));
    assert_false(holds(&c, 1, 0));
    assert_true(holds(&c, 2, 99.5F) && holds(&c, 2, 0));
    assert_false(holds(&c, 2, 101) || holds(&c, 2, -1) || holds(&c, 2, NAN));
    assert_true(holds(&c, 3, 1) && holds(&c, 3, 7));
    assert_false(holds(&c, 3, 0) || holds(&c, 3, 8));
    assert_false(holds(&c, 4, 1) || holds(&c, 5, 0) || holds(&c, 5, 0.5F));
    memcpy(x, row, sizeof x);
    x[4] = 1;
    x[5] = 0;
    assert_true(btz_constraint_holds(&c, row, x));
    /* The nearest value that is allowed. */
    assert_true(btz_constraint_value(&c, row, 0, 40.4) == 40);
    assert_true(btz_constraint_value(&c, row, 0, 1e9) == 99);
    assert_true(btz_constraint_value(&c, row, 0, 3) == 40);
    assert_true(btz_constraint_value(&c, row, 1, 0) == 1);
    assert_true(btz_constraint_value(&c, row, 2, 500) == 100);
    assert_true(btz_constraint_value(&c, row, 7, 1e9) == 1000);
    btz_arena_release(&arena);
}

static void test_configuration(void **state)
{
    static const char *const bad[] = {
        "columns:\n- {name: a, column: 8}\n",
        "columns:\n- {name: a, column: 1}\n- {name: b, column: 1}\n",
        "columns:\n- {name: a, column: 1, kind: integer, low: 0.2, high: 0.8}\n",
        "columns:\n- {name: a, column: 1, low: 2, high: 1}\n",
        "columns:\n- {name: a, column: 1, kind: whole}\n",
        "groups:\n- {name: a, first: 3, last: 3}\n",
        "groups:\n- {name: a, first: 3, last: 8}\n",
        "groups:\n- {name: a, first: 1, last: 3}\n- {name: b, first: 3, last: 4}\n",
    };
    struct btz_arena arena;
    struct btz_constraint c;

    (void)state;
    for (size_t k = 0; k < BTZ_COUNT(bad); k++) {
        btz_arena_init(&arena, 1U << 20);
        assert_int_equal(load(bad[k], &arena, &c), BTZ_USAGE);
        btz_arena_release(&arena);
    }
}

static void test_moves(void **state)
{
    struct btz_arena arena;
    struct btz_constraint c;
    struct btz_rng r;
    size_t moved[FEATURES + 1] = { 0 };

    (void)state;
    btz_arena_init(&arena, 1U << 20);
    assert_int_equal(load(section, &arena, &c), BTZ_OK);
    btz_rng_init(&r, 41, 0);
    for (int t = 0; t < 3000; t++) {
        float x[FEATURES];

        memcpy(x, row, sizeof x);
        for (size_t unit = 0; unit <= FEATURES; unit++) {
            if (btz_constraint_move(&c, row, unit, &r, x))
                moved[unit]++;
            assert_true(btz_constraint_holds(&c, row, x));
        }
        for (size_t unit = 0; unit <= FEATURES; unit++) {
            btz_constraint_revert(&c, row, unit, x);
            assert_true(btz_constraint_holds(&c, row, x));
            assert_false(btz_constraint_is_changed(&c, row, unit, x));
        }
        assert_memory_equal(x, row, sizeof row);
    }
    for (size_t unit = 0; unit <= FEATURES; unit++)
        assert_true((moved[unit] > 0) == (unit != 1 && (unit < 4 || unit > 6)));
    btz_arena_release(&arena);
}

/* A forest of sorts: steps, so that no gradient helps. Refuses rows that could not exist. */
struct forest {
    struct btz_oracle oracle;
    const struct btz_constraint *c;
    bool labels;
    uint64_t asked;
};

static float vote(const float *x)
{
    return (float)((x[0] > 60) + (x[2] < 50) + (x[3] >= 5) + (x[6] > 0.5F)) - 2.5F;
}

static enum btz_err ask(struct btz_oracle *o, const float *x, size_t n, float *scores)
{
    struct forest *f = (struct forest *)o;

    f->asked += n;
    for (size_t i = 0; i < n; i++) {
        float v = vote(x + i * FEATURES);

        assert_true(btz_constraint_holds(f->c, row, x + i * FEATURES));
        scores[2 * i] = f->labels ? v < 0 : -v;
        scores[2 * i + 1] = f->labels ? v > 0 : v;
    }
    return BTZ_OK;
}

static void test_black_box(void **state)
{
    const struct btz_attack *attack = btz_attack_find("tabular");
    const uint32_t y = 0;
    const uint64_t index = 9;
    struct btz_arena arena;
    struct btz_constraint c;

    (void)state;
    btz_arena_init(&arena, 1U << 20);
    assert_int_equal(load(section, &arena, &c), BTZ_OK);
    for (int labels = 0; labels < 2; labels++) {
        struct forest f = { .oracle = { .shape = { 1, { FEATURES } },
                                        .features = FEATURES,
                                        .classes = 2,
                                        .has_scores = !labels,
                                        .ask = ask },
                            .c = &c,
                            .labels = labels };
        float adv[FEATURES];
        bool broken = false;
        uint64_t queries = 0;

        memcpy(adv, row, sizeof adv);
        struct btz_attack_job job = { .attack = attack,
                                      .oracle = &f.oracle,
                                      .shape = f.oracle.shape,
                                      .n = 1,
                                      .features = FEATURES,
                                      .classes = 2,
                                      .x = row,
                                      .y = &y,
                                      .index = &index,
                                      .norm = BTZ_NORM_L0,
                                      .eps = 4,
                                      .box = { -1000, 1000 },
                                      .seed = 1,
                                      .constraint = &c,
                                      .adv = adv,
                                      .broken = &broken,
                                      .queries = &queries };
        btz_attack_defaults(attack, job.param);
        assert_int_equal(attack->run(&job), BTZ_OK);
        assert_true(broken);
        assert_true(vote(adv) > 0);
        assert_true(btz_constraint_holds(&c, row, adv));
        /* Three of four are enough; the category counts for two columns. Nothing useless is left. */
        assert_true(btz_norm_of(BTZ_NORM_L0, adv, row, FEATURES) <= 4);
        assert_true(adv[7] == row[7]);
        assert_true(queries <= 1000 && f.asked <= 1000);
        assert_int_equal(f.asked, f.oracle.queries);
    }
    btz_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_black_box),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
