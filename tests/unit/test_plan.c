/* Planning, without a target: what is selected, how disguises are spread, what a budget cuts, what a digest covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "redteam/campaign.h"

struct stage {
    struct btz_arena arena;
    struct btz_redteam_options options;
    struct btz_target_conf target;
};

static int stage_open(void **state)
{
    static const char *secrets[] = { "zx81-quartz-4471" };
    static const char *canaries[] = { "heron-9917-delta" };
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    btz_arena_init(&s->arena, (size_t)1 << 30);
    s->options.effort = BTZ_EFFORT_STANDARD;
    s->target = (struct btz_target_conf){ .name = "planned",
                                          .preset = "echo",
                                          .known_system_prompt = "You are a librarian.",
                                          .known_secrets = { secrets, 1 },
                                          .known_canaries = { canaries, 1 } };
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

static enum btz_err try_plan(struct stage *s, uint64_t seed, struct btz_campaign_plan *out)
{
    return btz_campaign_plan(&s->options, &s->target, seed, &s->arena, out);
}

static struct btz_campaign_plan planned(struct stage *s, uint64_t seed)
{
    struct btz_campaign_plan plan;

    if (try_plan(s, seed, &plan) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return plan;
}

/* Cells are contiguous, in order, and hold every unit once. */
static void test_cells_cover_units(void **state)
{
    struct stage *s = *state;
    struct btz_campaign_plan plan;
    size_t next = 0;

    s->options.effort = BTZ_EFFORT_THOROUGH;
    plan = planned(s, 1);
    for (size_t c = 0; c < plan.cell_count; c++) {
        assert_int_equal(plan.cells[c].first, next);
        assert_true(plan.cells[c].count > 0);
        for (size_t i = next; i < next + plan.cells[c].count; i++) {
            assert_ptr_equal(plan.units[i].probe, plan.cells[c].probe);
            assert_ptr_equal(plan.units[i].transform, plan.cells[c].transform);
            assert_true(plan.units[i].prompt < plan.units[i].probe->prompt_count);
            assert_true(plan.units[i].generation < 3);
        }
        next += plan.cells[c].count;
    }
    assert_int_equal(next, plan.unit_count);
    assert_int_equal(plan.left_out_count, 0);
    assert_int_equal(plan.cut, 0);
}

static size_t uses(const struct btz_campaign_plan *plan, const struct btz_transform *t)
{
    size_t n = 0;

    for (size_t c = 0; c < plan->cell_count; c++)
        n += plan->cells[c].transform == t;
    return n;
}

/* No disguise is favoured, wherever the seed starts. */
static void test_rotation_is_fair(void **state)
{
    struct stage *s = *state;

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct btz_campaign_plan plan = planned(s, seed);
        size_t least = SIZE_MAX, most = 0;

        for (size_t t = 0; btz_transforms[t]; t++) {
            size_t n = uses(&plan, btz_transforms[t]);

            least = n < least ? n : least;
            most = n > most ? n : most;
        }
        assert_true(least > 0);
        assert_true(most - least <= 1);
    }
}

static bool has_cell(const struct btz_campaign_plan *plan, const struct btz_cell *cell)
{
    for (size_t c = 0; c < plan->cell_count; c++)
        if (plan->cells[c].probe == cell->probe && plan->cells[c].transform == cell->transform)
            return true;
    return false;
}

/* A run over one family asks what the run over all asked of it: baselines stay comparable. */
static void test_selection_keeps_disguises(void **state)
{
    static const char *family[] = { "override" };
    struct stage *s = *state;
    struct btz_campaign_plan all = planned(s, 5), some;

    s->options.families = (struct btz_conf_list){ family, 1 };
    some = planned(s, 5);
    assert_true(some.cell_count > 0 && some.cell_count < all.cell_count);
    for (size_t c = 0; c < some.cell_count; c++)
        assert_true(has_cell(&all, &some.cells[c]));
}

static void test_transforms_named_twice_count_once(void **state)
{
    static const char *names[] = { "base64", "rot13", "base64" };
    static const char *wrong[] = { "base46" };
    struct stage *s = *state;
    struct btz_campaign_plan plan;

    s->options.transforms = (struct btz_conf_list){ names, 3 };
    plan = planned(s, 1);
    for (size_t a = 0; a < plan.cell_count; a++)
        for (size_t b = a + 1; b < plan.cell_count; b++)
            assert_false(plan.cells[a].probe == plan.cells[b].probe &&
                         plan.cells[a].transform == plan.cells[b].transform);
    assert_true(uses(&plan, btz_transform_find("rot13")) > 0);
    s->options.transforms = (struct btz_conf_list){ wrong, 1 };
    assert_int_equal(try_plan(s, 1, &plan), BTZ_USAGE);
    assert_true(strstr(btz_error_detail(), "did you mean \"base64\"") != NULL);
}

/* A scan that asks nothing must not pass. */
static void test_nothing_selected(void **state)
{
    static const char *family[] = { "override" }, *probe[] = { "secret.*" };
    struct stage *s = *state;
    struct btz_campaign_plan plan;

    s->options.families = (struct btz_conf_list){ family, 1 };
    s->options.probes = (struct btz_conf_list){ probe, 1 };
    assert_int_equal(try_plan(s, 1, &plan), BTZ_USAGE);
    assert_true(strstr(btz_error_detail(), "no probe") != NULL);
}

static void test_budget(void **state)
{
    struct stage *s = *state;
    struct btz_campaign_plan all = planned(s, 1), plan;
    int64_t floor = (int64_t)btz_control_count;

    for (int64_t budget = 0; budget <= floor; budget++) {
        s->options.max_requests = budget;
        assert_int_equal(try_plan(s, 1, &plan), budget == 0 ? BTZ_OK : BTZ_USAGE);
    }
    for (int64_t budget = floor + 1; budget < (int64_t)all.requests + 10; budget += 37) {
        s->options.max_requests = budget;
        plan = planned(s, 1);
        assert_true(plan.requests <= (uint64_t)budget);
        assert_int_equal(plan.unit_count + plan.cut, all.unit_count);
        assert_true(plan.cut > 0 || plan.requests == all.requests);
        /* Plain words first: a disguise is asked only when every plain prompt is. */
        if (plan.unit_count > 0 && plan.units[plan.unit_count - 1].transform)
            assert_int_equal(plan.left_out_count, 0);
    }
}

static void test_unmet_needs_are_left_out(void **state)
{
    struct stage *s = *state;
    struct btz_campaign_plan all = planned(s, 1), plan;

    s->target.known_secrets.count = 0;
    s->target.known_canaries.count = 0;
    s->target.known_system_prompt = NULL;
    plan = planned(s, 1);
    assert_true(plan.left_out_count > 10 && plan.unit_count < all.unit_count);
    for (size_t i = 0; i < plan.left_out_count; i++) {
        assert_non_null(plan.left_out[i].reason);
        for (size_t c = 0; c < plan.cell_count; c++)
            assert_ptr_not_equal(plan.cells[c].probe, plan.left_out[i].probe);
    }
}

/* Nothing that opens a door stands in what is printed and kept. */
static void test_address(void **state)
{
    static const char *const cases[][2] = {
        { "https://api.example/v1", "https://api.example/v1" },
        { "https://me:pass@api.example:8443/v1?key=abc#x", "https://api.example:8443/v1" },
        { "https://me:p@ss@api.example", "https://api.example" },
        { "https://api.example?key=a@b", "https://api.example" },
        { "https://api.example/@me/chat", "https://api.example/@me/chat" },
        { NULL, "echo" },
        { "", "echo" },
    };
    struct stage *s = *state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        s->target.url = cases[i][0];
        assert_string_equal(planned(s, 1).address, cases[i][1]);
    }
}

static bool is_same(const struct btz_campaign_plan *a, const struct btz_campaign_plan *b)
{
    return memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

static void test_digest(void **state)
{
    struct stage *s = *state;
    struct btz_target_conf base = s->target, changed[9];
    struct btz_campaign_plan first, other;

    base.command = (struct btz_conf_list){ (const char *[]){ "ab", "c" }, 2 };
    s->target = base;
    first = planned(s, 1);
    other = planned(s, 2);
    assert_false(is_same(&first, &other));
    for (size_t i = 0; i < BTZ_COUNT(changed); i++)
        changed[i] = base;
    changed[0].model = "other";
    changed[1].body = "{\"q\":{{prompt}}}";
    changed[2].document_url = "http://127.0.0.1/{{name}}";
    changed[3].select = "$.text";
    changed[4].request_file = "request.txt";
    changed[5].command = (struct btz_conf_list){ (const char *[]){ "a", "bc" }, 2 };
    changed[6].temperature = 0.5;
    changed[7].max_tokens = 77;
    changed[8].api_version = "2030-01-01";
    for (size_t i = 0; i < BTZ_COUNT(changed); i++) {
        s->target = changed[i];
        other = planned(s, 1);
        if (is_same(&first, &other))
            fail_msg("change %zu of the target leaves the plan the same", i);
    }
    /* A renewed key and more knowledge of the target do not make a half-finished run worthless. */
    s->target = base;
    s->target.key = "renewed";
    s->target.known_secrets = (struct btz_conf_list){ (const char *[]){ "another secret" }, 1 };
    other = planned(s, 1);
    assert_true(is_same(&first, &other));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)
    const struct CMUnitTest tests[] = {
        TEST(test_cells_cover_units),
        TEST(test_rotation_is_fair),
        TEST(test_selection_keeps_disguises),
        TEST(test_transforms_named_twice_count_once),
        TEST(test_nothing_selected),
        TEST(test_budget),
        TEST(test_unmet_needs_are_left_out),
        TEST(test_digest),
        TEST(test_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
