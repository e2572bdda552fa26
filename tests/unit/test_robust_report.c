/* What an evaluation becomes: findings with rates, figures that parse, a picture of what was broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <spng.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "robust/practice.h"

#define SIDE     8
#define FEATURES (SIDE * SIDE)
#define N        40
#define CLASSES  3

/* ---- an evaluation as if it had been made: 36 of 40 right, the first attack breaks 12, the second 6 more ---------------- */

struct made {
    struct btz_evaluation e;
    struct btz_sample_verdict verdicts[N];
    struct btz_rate clean[CLASSES], robust[CLASSES];
    uint64_t confusion[CLASSES * CLASSES];
    struct btz_evaluate_attacked attacks[2];
};

static struct btz_rate rate(uint64_t k, uint64_t n)
{
    struct btz_rate r = { .k = k, .n = n, .value = n ? (double)k / (double)n : 0 };

    assert_int_equal(btz_exact_interval(k, n, 0.95, BTZ_SIDE_TWO, &r.interval), BTZ_OK);
    return r;
}

static void make(struct made *m, size_t attacks)
{
    *m = (struct made){ .e = { .n = N, .features = FEATURES, .classes = CLASSES } };
    m->e.shape = (struct btz_shape){ 3, { 1, SIDE, SIDE } };
    m->e.verdicts = m->verdicts;
    m->e.clean_by_class = m->clean;
    m->e.robust_by_class = m->robust;
    m->e.confusion = m->confusion;
    m->e.attacks = m->attacks;
    m->e.attack_count = attacks;
    m->e.clean = rate(36, N);
    m->e.robust = rate(attacks == 2 ? 18 : 24, N);
    for (size_t k = 0; k < CLASSES; k++) {
        m->clean[k] = rate(12, 13);
        m->robust[k] = rate(6, 13);
        m->confusion[k * CLASSES + k] = 6;
        m->confusion[k * CLASSES + (k + 1) % CLASSES] = 7;
    }
    for (size_t i = 0; i < attacks; i++) {
        struct btz_evaluate_attacked *a = &m->attacks[i];

        a->given.attack = btz_attack_find("fgsm");
        a->tried = i ? 24 : 36;
        a->broken = i ? 6 : 12;
        a->alone = i == 0;
        a->robust = rate(i ? 18 : 24, N);
        if (a->alone)
            a->robust_alone = rate(24, N);
    }
    for (size_t i = 0; i < N; i++)
        m->verdicts[i] =
            (struct btz_sample_verdict){ .attack = i < 12 ? 0 : BTZ_NOT_BROKEN, .queries = 1 + i };
    for (int i = 0; i < BTZ_CHECK_COUNT; i++) {
        m->e.checks[i].outcome = i == BTZ_CHECK_SQUARE   ? BTZ_OUTCOME_FAIL
                                 : i == BTZ_CHECK_RANDOM ? BTZ_OUTCOME_PASS
                                                         : BTZ_OUTCOME_NOT_EVALUATED;
        m->e.checks[i].value = NAN;
        snprintf(m->e.checks[i].text, sizeof m->e.checks[i].text, "said of check %d", i);
    }
    m->e.curve_count = 2;
    m->e.curve[0] = (struct btz_sign_point){ 0, rate(9, 10) };
    m->e.curve[1] = (struct btz_sign_point){ 0.5, rate(0, 10) };
}

/* ---- a sink that remembers ---------------------------------------------------------------------------------------------- */

struct heard {
    struct btz_sink sink;
    size_t count, failed, passed, evidence;
    uint64_t k[32], n[32];
    char rule[32][64], location[32][128];
    enum btz_outcome outcome[32];
    enum btz_severity severity[32];
};

static enum btz_err hear(struct btz_sink *sink, const struct btz_finding *f)
{
    struct heard *h = (struct heard *)sink;
    size_t i = h->count++;

    assert_true(i < 32);
    assert_non_null(f->rule);
    h->k[i] = f->k;
    h->n[i] = f->n;
    h->outcome[i] = f->outcome;
    h->severity[i] = f->severity;
    h->failed += f->outcome == BTZ_OUTCOME_FAIL;
    h->passed += f->outcome == BTZ_OUTCOME_PASS;
    h->evidence += f->evidence_count;
    snprintf(h->rule[i], sizeof h->rule[i], "%s", f->rule->id);
    snprintf(h->location[i], sizeof h->location[i], "%s", f->location);
    if (f->n) {
        assert_true(f->ci_low <= f->value && f->value <= f->ci_high);
        assert_non_null(strstr(f->reason, "90.00 %"));
    }
    return BTZ_OK;
}

static const struct btz_model_conf digits = {
    .name = "digits", .path = "d.onnx", .eps = 0.25, .low = 0, .high = 1, .robust_min = -1
};

static void test_findings(void **state)
{
    struct heard h = { .sink.finding = hear };
    struct btz_figures none;
    struct made m;

    (void)state;
    btz_figures_init(&none);
    make(&m, 2);
    assert_int_equal(btz_robust_findings(&digits, &m.e, &none, &h.sink), BTZ_OK);
    /* The attack that saw everything, the worst case, the checks; no rate of survivors. */
    assert_int_equal(h.count, 2 + BTZ_CHECK_COUNT);
    assert_int_equal(h.k[0], 12);
    assert_int_equal(h.n[0], 36);
    assert_string_equal(h.location[0], "fgsm, linf 0.25");
    assert_int_equal(h.severity[0], BTZ_SEVERITY_MEDIUM);
    assert_int_equal(h.k[1], 18);
    assert_int_equal(h.n[1], 36);
    assert_int_equal(h.severity[1], BTZ_SEVERITY_HIGH);
    assert_string_equal(h.location[1], "worst case of all attacks, linf 0.25");
    assert_int_equal(h.failed, 3);
    assert_int_equal(h.passed, 1);
    assert_string_equal(h.rule[2 + BTZ_CHECK_SQUARE], "redteam.evasion.masked-gradients");
    assert_string_equal(h.location[2 + BTZ_CHECK_SQUARE], "check square");
}

/* A bound that is kept passes with the counts it has; one that is not fails as severely as the rule says. */
static void test_bound(void **state)
{
    struct btz_model_conf conf = digits;
    struct heard kept = { .sink.finding = hear }, broken = { .sink.finding = hear };
    struct btz_figures none;
    struct made m;

    (void)state;
    btz_figures_init(&none);
    make(&m, 1);
    conf.robust_min = 0.6; /* 24 of 40 */
    assert_int_equal(btz_robust_findings(&conf, &m.e, &none, &kept.sink), BTZ_OK);
    assert_int_equal(kept.outcome[0], BTZ_OUTCOME_PASS);
    assert_int_equal(kept.k[0], 12);
    conf.robust_min = 0.61;
    assert_int_equal(btz_robust_findings(&conf, &m.e, &none, &broken.sink), BTZ_OK);
    assert_int_equal(broken.outcome[0], BTZ_OUTCOME_FAIL);
    assert_int_equal(broken.severity[0], BTZ_SEVERITY_HIGH);
}

/* ---- figures ------------------------------------------------------------------------------------------------------------ */

static void fill(struct btz_gallery *g, uint32_t first_class, size_t count)
{
    float x[FEATURES], adv[FEATURES];

    for (size_t k = 0; k < count; k++) {
        const struct btz_evaluate_broken b = { .index = k,
                                               .y = (uint32_t)(first_class + k % 10),
                                               .predicted = 1,
                                               .distance = 0.25,
                                               .x = x,
                                               .adv = adv };

        for (size_t i = 0; i < FEATURES; i++) {
            x[i] = (float)i / FEATURES;
            adv[i] = x[i] + (i % 2 ? 0.25F : -0.25F);
        }
        assert_int_equal(btz_gallery_add(g, &b), BTZ_OK);
    }
}

static void test_figures(void **state)
{
    struct btz_gallery g = { .shape = { 3, { 1, SIDE, SIDE } }, .features = FEATURES };
    const char *const names[] = { "zero", "<one>", "two" };
    struct btz_figures f;
    struct made m;
    size_t pictures = 0;

    (void)state;
    btz_figures_init(&f);
    make(&m, 2);
    m.e.memory = 12500000;
    m.e.peak = 20000000;
    fill(&g, 0, 3);
    assert_int_equal(btz_figures_of(&m.e, &g, (struct btz_box){ 0, 1 }, names, &f), BTZ_OK);
    assert_true(f.count >= 7 && f.count <= BTZ_FIGURES_MAX);
    assert_string_equal(f.list[f.count - 1].label, "What it took");
    assert_non_null(strstr((const char *)f.list[f.count - 1].bytes.ptr, "\"12.5 MB\""));
    assert_non_null(strstr((const char *)f.list[f.count - 1].bytes.ptr, "\"20.0 MB\""));
    for (size_t i = 0; i < f.count; i++) {
        BTZ_JSON json_t *figure = NULL;

        if (strcmp(f.list[i].media_type, "image/png") == 0) {
            pictures++;
            continue;
        }
        assert_string_equal(f.list[i].media_type, BTZ_FIGURE_TYPE);
        assert_int_equal(btz_json_parse(f.list[i].bytes, 1 << 20, "figure", &figure), BTZ_OK);
        assert_true(json_is_string(json_object_get(figure, "kind")));
        assert_string_equal(json_string_value(json_object_get(figure, "title")), f.list[i].label);
        if (strcmp(json_string_value(json_object_get(figure, "kind")), "counts") == 0) {
            const json_t *row = json_array_get(json_object_get(figure, "rows"), 1);

            assert_string_equal(json_string_value(json_array_get(row, 0)), "<one>");
            assert_int_equal(json_integer_value(json_array_get(row, 2)), 6);
            assert_int_equal(json_integer_value(json_array_get(row, 3)), 7);
        }
    }
    assert_int_equal(pictures, 1);
    btz_figures_release(&f);
    btz_gallery_release(&g);
}

static uint8_t *decode(const struct btz_buf *png, struct spng_ihdr *head)
{
    spng_ctx *ctx = spng_ctx_new(0);
    size_t size = 0;
    uint8_t *pixels;

    assert_int_equal(spng_set_png_buffer(ctx, png->ptr, png->len), 0);
    assert_int_equal(spng_get_ihdr(ctx, head), 0);
    assert_int_equal(spng_decoded_image_size(ctx, SPNG_FMT_G8, &size), 0);
    pixels = malloc(size);
    assert_non_null(pixels);
    assert_int_equal(spng_decode_image(ctx, pixels, size, SPNG_FMT_G8, 0), 0);
    spng_ctx_free(ctx);
    return pixels;
}

/* Pixels are where they belong: the original, the change around half grey, what came of it. */
static void test_picture(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf png = BTZ_BUF(1 << 20);
    struct btz_gallery g = { .shape = { 3, { 1, SIDE, SIDE } }, .features = FEATURES };
    struct spng_ihdr head;
    uint8_t *pixels;

    (void)state;
    fill(&g, 0, 2);
    assert_int_equal(btz_gallery_draw(&g, (struct btz_box){ 0, 1 }, &png), BTZ_OK);
    pixels = decode(&png, &head);
    assert_int_equal(head.width, (2 * (SIDE + 2) + 2) * 8);
    assert_int_equal(head.height, (3 * (SIDE + 2) + 2) * 8);
    for (uint32_t i = 0; i < FEATURES; i++)
        for (uint32_t row = 0; row < 3; row++) {
            uint32_t y = (row * (SIDE + 2) + 2 + i / SIDE) * 8, x = (2 + i % SIDE) * 8;
            double v = (double)i / FEATURES, adv = v + (i % 2 ? 0.25 : -0.25);
            double expected = row == 0 ? v : row == 1 ? (i % 2 ? 1 : 0) : fmin(fmax(adv, 0), 1);

            assert_true(fabs(pixels[y * head.width + x] - 255 * expected) <= 1);
            assert_int_equal(pixels[y * head.width + x], pixels[(y + 7) * head.width + x + 7]);
        }
    free(pixels);
    btz_gallery_release(&g);
}

/* Ten are kept, and a class that is not there yet takes the place of one that is there twice. */
static void test_choice(void **state)
{
    struct btz_gallery g = { .shape = { 1, { FEATURES } }, .features = FEATURES };
    BTZ_BUF_RELEASE struct btz_buf png = BTZ_BUF(1 << 20);
    const struct btz_evaluate_broken late = { .y = 77,
                                              .x = (float[FEATURES]){ 0 },
                                              .adv = (float[FEATURES]){ 0 } };
    size_t found = 0, late_found = 0;

    (void)state;
    fill(&g, 0, 1);
    fill(&g, 0, 30);
    assert_int_equal(g.count, BTZ_GALLERY);
    assert_int_equal(btz_gallery_add(&g, &late), BTZ_OK);
    for (size_t i = 0; i < g.count; i++)
        found += g.items[i].y == 9, late_found += g.items[i].y == 77;
    assert_int_equal(found, 1);
    assert_int_equal(late_found, 0); /* ten classes are there, each once */
    /* A row of a table is no picture. */
    assert_int_equal(btz_gallery_draw(&g, (struct btz_box){ 0, 1 }, &png), BTZ_OK);
    assert_int_equal(png.len, 0);
    btz_gallery_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings), cmocka_unit_test(test_bound),
        cmocka_unit_test(test_figures),  cmocka_unit_test(test_picture),
        cmocka_unit_test(test_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
