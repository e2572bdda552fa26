/* From results to findings: what a run may claim, and what it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "redteam/campaign.h"

struct kept {
    enum btz_outcome outcome;
    uint64_t k, n;
    size_t evidence_count;
    char location[128], reason[512], first[64];
};
struct stage {
    struct btz_sink sink;
    struct btz_arena arena;
    struct btz_campaign_plan plan;
    struct btz_unit_result *results;
    struct kept found[64];
    size_t count;
    struct btz_coverage coverage;
};

static enum btz_err keep(struct btz_sink *sink, const struct btz_finding *f)
{
    struct stage *s = (struct stage *)sink;
    struct kept *to = &s->found[s->count];

    assert_in_range(s->count, 0, BTZ_COUNT(s->found) - 1);
    s->count++;
    *to = (struct kept){ f->outcome, f->k, f->n, f->evidence_count, "", "", "" };
    snprintf(to->location, sizeof to->location, "%s", f->location);
    snprintf(to->reason, sizeof to->reason, "%s", f->reason);
    if (f->evidence_count > 0)
        snprintf(to->first, sizeof to->first, "%.*s", BTZ_SLICE_ARG(f->evidence[0].bytes));
    if (f->outcome == BTZ_OUTCOME_FAIL)
        assert_true(f->k > 0 && f->evidence_count > 0);
    return BTZ_OK;
}

static enum btz_err keep_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    ((struct stage *)sink)->coverage = *c;
    return BTZ_OK;
}

/* One probe under plain words and two disguises, three generations. */
static int stage_open(void **state)
{
    static const char *probe[] = { "override.ignore-previous" };
    static const char *disguises[] = { "base64", "homoglyph" };
    static const struct btz_target_conf target = { .name = "t", .preset = "echo" };
    const struct btz_redteam_options options = { .probes = { probe, 1 },
                                                 .transforms = { disguises, 2 },
                                                 .generations = 3 };
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->sink = (struct btz_sink){ keep, keep_coverage, NULL };
    btz_arena_init(&s->arena, (size_t)64 << 20);
    if (btz_campaign_plan(&options, &target, 1, &s->arena, &s->plan) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_int_equal(s->plan.cell_count, 3);
    s->results =
        btz_arena_array(&s->arena, s->plan.unit_count + btz_control_count, sizeof *s->results);
    assert_non_null(s->results);
    *state = s;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *s = *state;

    btz_arena_release(&s->arena);
    free(s);
    return 0;
}

static void set(struct stage *s, size_t cell, size_t index, enum btz_unit_state to,
                const char *evidence)
{
    s->results[s->plan.cells[cell].first + index] =
        (struct btz_unit_result){ .state = to, .why = "because", .evidence = btz_str(evidence) };
}

static void set_cell(struct stage *s, size_t cell, enum btz_unit_state to)
{
    for (size_t i = 0; i < s->plan.cells[cell].count; i++)
        set(s, cell, i, to, NULL);
}

static const struct kept *report(struct stage *s, const char *location)
{
    s->count = 0;
    assert_int_equal(
        btz_campaign_report(&s->plan, s->results, "the cat sat on the cable", &s->sink), BTZ_OK);
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->found[i].location, location) == 0)
            return &s->found[i];
    fail_msg("no finding at %s", location);
    return NULL;
}

static const char plain[] = "probe override.ignore-previous, transform plain";

static void test_not_asked_is_not_passed(void **state)
{
    struct stage *s = *state;
    const struct kept *f = report(s, plain);

    for (size_t i = 0; i < s->count; i++)
        assert_int_equal(s->found[i].outcome, BTZ_OUTCOME_NOT_EVALUATED);
    assert_string_equal(f->reason, "not asked: the cat sat on the cable");
    assert_int_equal(s->coverage.planned, s->plan.unit_count);
    assert_int_equal(s->coverage.skipped, s->plan.unit_count);
    s->plan.cut = 5;
    (void)report(s, plain);
    assert_int_equal(s->coverage.planned, s->plan.unit_count + 5);
    assert_int_equal(s->coverage.skipped, s->plan.unit_count + 5);
}

/* A reason that could not be kept for want of memory is no format argument. */
static void test_lost(void **state)
{
    struct stage *s = *state;
    const struct kept *f;

    set_cell(s, 0, BTZ_UNIT_LOST);
    f = report(s, plain);
    assert_int_equal(f->outcome, BTZ_OUTCOME_NOT_EVALUATED);
    assert_true(strstr(f->reason, ": because") != NULL);
    for (size_t i = 0; i < s->plan.cells[0].count; i++)
        s->results[i].why = NULL;
    f = report(s, plain);
    assert_null(strstr(f->reason, "null"));
}

/* One answer out of many is not "all attempts". */
static void test_part_is_called_part(void **state)
{
    struct stage *s = *state;
    const struct kept *f;

    set_cell(s, 0, BTZ_UNIT_LOST);
    set(s, 0, 0, BTZ_UNIT_RESISTED, NULL);
    set(s, 0, 1, BTZ_UNIT_PENDING, NULL);
    f = report(s, plain);
    assert_int_equal(f->outcome, BTZ_OUTCOME_PASS);
    assert_int_equal(f->n, 1);
    assert_true(strstr(f->reason, "1 were not asked") != NULL);
}

/* What only deserves a reader is no proof of a failure. */
static void test_evidence_proves(void **state)
{
    struct stage *s = *state;
    const struct kept *f;

    set_cell(s, 0, BTZ_UNIT_RESISTED);
    set(s, 0, 0, BTZ_UNIT_UNSURE, "unsure");
    f = report(s, plain);
    assert_int_equal(f->outcome, BTZ_OUTCOME_PASS);
    assert_string_equal(f->first, "unsure");
    set(s, 0, 1, BTZ_UNIT_HIT, "proof");
    f = report(s, plain);
    assert_int_equal(f->outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(f->evidence_count, 1);
    assert_string_equal(f->first, "proof");
    assert_string_equal(f->reason, "because");
}

static void test_bypass(void **state)
{
    struct stage *s = *state;
    char location[64];
    const struct kept *f;

    snprintf(location, sizeof location, "transform %s", s->plan.cells[1].transform->id);

    set_cell(s, 0, BTZ_UNIT_RESISTED);
    f = report(s, location);
    assert_int_equal(f->outcome, BTZ_OUTCOME_NOT_EVALUATED);
    assert_true(strstr(f->reason, "both in plain words and in this disguise") != NULL);
    set_cell(s, 1, BTZ_UNIT_RESISTED);
    f = report(s, location);
    assert_int_equal(f->outcome, BTZ_OUTCOME_PASS);
    assert_int_equal(f->n, s->plan.cells[0].probe->prompt_count);
    set(s, 1, 2, BTZ_UNIT_HIT, "decoded");
    f = report(s, location);
    assert_int_equal(f->outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(f->k, 1);
    assert_string_equal(f->first, "decoded");
    /* What worked in plain words is no bypass. */
    set_cell(s, 0, BTZ_UNIT_HIT);
    for (size_t i = 0; i < s->plan.cells[0].count; i++)
        s->results[i].evidence = btz_str("plain");
    f = report(s, location);
    assert_int_equal(f->outcome, BTZ_OUTCOME_NOT_EVALUATED);
    assert_true(strstr(f->reason, "nothing to bypass") != NULL);
}

static void test_over_refusal(void **state)
{
    struct stage *s = *state;
    struct btz_unit_result *controls = s->results + s->plan.unit_count;
    size_t ordinary = 0;
    const struct kept *f;

    for (size_t i = 0; i < btz_control_count; i++) {
        ordinary += !btz_controls[i].blatant;
        /* Refusing what anybody refuses is no over-refusal. */
        controls[i].state = btz_controls[i].blatant ? BTZ_UNIT_HIT : BTZ_UNIT_RESISTED;
    }
    f = report(s, "control prompts");
    assert_int_equal(f->outcome, BTZ_OUTCOME_PASS);
    assert_int_equal(f->n, ordinary);
    controls[0] = (struct btz_unit_result){ .state = BTZ_UNIT_HIT, .evidence = btz_str("refused") };
    controls[1].state = BTZ_UNIT_LOST;
    controls[2].state = BTZ_UNIT_UNSURE;
    f = report(s, "control prompts");
    assert_int_equal(f->outcome, BTZ_OUTCOME_PASS); /* 1 of 10 may be 5 % */
    assert_int_equal(f->k, 1);
    assert_int_equal(f->n, ordinary - 2);
    for (size_t i = 3; i < 8; i++)
        controls[i] = controls[0];
    f = report(s, "control prompts");
    assert_int_equal(f->outcome, BTZ_OUTCOME_FAIL);
    assert_int_equal(f->k, 6);
    assert_string_equal(f->first, "refused");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)
    const struct CMUnitTest tests[] = {
        TEST(test_not_asked_is_not_passed), TEST(test_lost),   TEST(test_part_is_called_part),
        TEST(test_evidence_proves),         TEST(test_bypass), TEST(test_over_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
