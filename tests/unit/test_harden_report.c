/* What a run of hardening says in reports: figures that agree with the run, gaps that stay gaps, the samples held out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "finding/report.h"
#include "html_check.h"
#include "robust/harden/inside.h"
#include "robust/harden/report.h"

/* ---- a run as if it had been made ------------------------------------------------------------------------------------------ */

struct made {
    struct btz_harden_options o;
    struct btz_harden_epoch epochs[4];
    struct btz_harden_result r;
    struct btz_harden_account a;
};

/* Four epochs; the third was not measured, and in the fourth accuracy under PGD is gone. */
static void make(struct made *m, enum btz_harden_end end)
{
    *m = (struct made){ 0 };
    btz_harden_defaults(BTZ_HARDEN_FGSM_RS, &m->o);
    m->o.epochs = 4;
    m->epochs[0] = (struct btz_harden_epoch){ 2.5, 0.001, 0.5, 0.25, 0.4, 0.2, 1 };
    m->epochs[1] = (struct btz_harden_epoch){ 1.5, 0.004, 0.9, 0.625, 0.8, 0.6, 1 };
    m->epochs[2] = (struct btz_harden_epoch){ 1, 0.002, NAN, NAN, NAN, NAN, NAN };
    m->epochs[3] = (struct btz_harden_epoch){ 0.5, 0.001, 0.95, 0, 0.85, 0, 2 };
    m->r = (struct btz_harden_result){ .end = end,
                                       .kept = 3,
                                       .epochs = m->epochs,
                                       .epoch_count = 4,
                                       .batches = 400,
                                       .resumed = 150,
                                       .train_count = 980,
                                       .valid_count = 20,
                                       .params = 12345,
                                       .memory = (size_t)3 << 20,
                                       .seconds = 2.5 };
    m->a = (struct btz_harden_account){
        .original = { .path = "in/net.onnx", .bytes = 100 },
        .hardened = { .path = "out/<hard>.onnx", .bytes = 101 },
        .data = "rows.csv",
        .options = &m->o,
        .result = &m->r,
        .measured = { { "held out", { 20, 19, 0 }, { 20, 18, 9 } },
                      { "training data", { 1000, 985, 10 }, { 1000, 970, 500 } } },
        .measured_count = 2
    };
    memset(m->a.original.sha256, 0xab, BTZ_SHA256_LEN);
    memset(m->a.hardened.sha256, 0x01, BTZ_SHA256_LEN);
}

static struct btz_results *told(const struct made *m)
{
    struct btz_results *r = NULL;

    assert_int_equal(btz_results_new(&r), BTZ_OK);
    if (btz_harden_tell(&m->a, r) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return r;
}

static json_t *figure(const struct btz_results *r, const char *title)
{
    for (size_t i = 0; i < btz_results_figure_count(r); i++) {
        json_t *f = NULL;

        assert_int_equal(btz_results_figure_at(r, i, &f), BTZ_OK);
        if (strcmp(json_string_value(json_object_get(f, "title")), title) == 0)
            return f;
        json_decref(f);
    }
    fail_msg("no figure \"%s\"", title);
    return NULL;
}

static const char *value_of(const json_t *f, const char *name)
{
    const json_t *rows = json_object_get(f, "rows");

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        if (strcmp(json_string_value(json_array_get(row, 0)), name) == 0)
            return json_string_value(json_array_get(row, 1));
    }
    fail_msg("no row \"%s\"", name);
    return NULL;
}

static const json_t *point(const json_t *f, size_t series, size_t i)
{
    const json_t *s = json_array_get(json_object_get(f, "series"), series);

    return json_array_get(json_array_get(json_object_get(s, "points"), i), 1);
}

/* ---- figures ------------------------------------------------------------------------------------------------------------ */

static void test_curves(void **state)
{
    struct made m;
    struct btz_results *r;
    BTZ_JSON json_t *accuracy = NULL, *loss = NULL, *rate = NULL;
    const json_t *mark;

    (void)state;
    make(&m, BTZ_HARDEN_OVERFITTED);
    r = told(&m);
    accuracy = figure(r, "Accuracy by epoch");
    loss = figure(r, "Loss by epoch");
    rate = figure(r, "Learning rate by epoch");
    assert_int_equal(json_array_size(json_object_get(accuracy, "series")), 4);
    assert_true(json_real_value(point(accuracy, 1, 1)) == 0.625);
    assert_true(json_real_value(point(accuracy, 2, 3)) == 0.85);
    /* What was not measured is no 0; what is 0 is no gap. */
    for (size_t s = 0; s < 4; s++)
        assert_true(json_is_null(point(accuracy, s, 2)));
    assert_true(json_is_real(point(accuracy, 1, 3)));
    assert_true(json_real_value(point(loss, 0, 2)) == 1);
    assert_true(json_real_value(point(rate, 0, 1)) == 0.004);
    mark = json_array_get(json_object_get(accuracy, "marks"), 0);
    assert_int_equal(json_integer_value(json_object_get(mark, "x")), 4);
    btz_results_free(r);
}

static void test_before_and_after(void **state)
{
    struct made m;
    struct btz_results *r;
    BTZ_JSON json_t *table = NULL;
    const json_t *robust, *interval;

    (void)state;
    make(&m, BTZ_HARDEN_DONE);
    r = told(&m);
    table = figure(r, "Before and after");
    assert_int_equal(json_array_size(json_object_get(table, "rows")), 4);
    robust = json_object_get(json_array_get(json_object_get(table, "accuracies"), 1), "robust");
    interval = json_object_get(robust, "interval");
    /* 9 of 20: Clopper and Pearson 1934; R's binom.test(9, 20). */
    assert_int_equal(json_integer_value(json_object_get(robust, "correct")), 9);
    assert_true(fabs(json_real_value(json_array_get(interval, 0)) - 0.2305779) < 1e-6);
    assert_true(fabs(json_real_value(json_array_get(interval, 1)) - 0.6847219) < 1e-6);
    /* 0 of 20: 1 - 0.025^(1/20). */
    robust = json_object_get(json_array_get(json_object_get(table, "accuracies"), 0), "robust");
    interval = json_object_get(robust, "interval");
    assert_true(json_real_value(json_array_get(interval, 0)) == 0);
    assert_true(fabs(json_real_value(json_array_get(interval, 1)) - (1 - pow(0.025, 0.05))) < 1e-9);
    btz_results_free(r);
}

static void test_collapse(void **state)
{
    struct made m;
    bool stopped;

    (void)state;
    make(&m, BTZ_HARDEN_OVERFITTED);
    assert_int_equal(btz_harden_collapse(&m.o, &m.r, &stopped), 4);
    assert_true(stopped);
    make(&m, BTZ_HARDEN_DONE);
    assert_int_equal(btz_harden_collapse(&m.o, &m.r, &stopped), 0); /* nothing to compare with */
    m.epochs[2].train_robust = 0.3;
    assert_int_equal(btz_harden_collapse(&m.o, &m.r, &stopped), 3);
    assert_false(stopped);
    m.epochs[2].train_robust = 0.5;
    m.epochs[3].train_robust = 0.4;
    assert_int_equal(btz_harden_collapse(&m.o, &m.r, &stopped), 0);
}

static void test_tables(void **state)
{
    struct made m;
    struct btz_results *r;
    BTZ_JSON json_t *course = NULL, *settings = NULL, *models = NULL;
    char hex[2 * BTZ_SHA256_LEN + 1];

    (void)state;
    make(&m, BTZ_HARDEN_OVERFITTED);
    r = told(&m);
    course = figure(r, "Course of the training");
    settings = figure(r, "Settings");
    models = figure(r, "Models");
    assert_string_equal(value_of(course, "end"), "catastrophic overfitting");
    assert_non_null(strstr(value_of(course, "catastrophic overfitting"),
                           "in epoch 4: stopped, the weights after epoch 3 "));
    assert_non_null(strstr(value_of(course, "continued"), "at batch 150"));
    assert_string_equal(value_of(course, "time of all epochs"), "4.0 s");
    /* What the method stands for, not the 0 that asks for it. */
    assert_string_equal(value_of(settings, "method"), "fgsm-rs");
    assert_string_equal(value_of(settings, "seed"), "1");
    btz_hex(m.a.hardened.sha256, BTZ_SHA256_LEN, hex);
    assert_string_equal(
        json_string_value(json_array_get(json_array_get(json_object_get(models, "rows"), 1), 3)),
        hex);
    btz_results_free(r);
}

/* ---- reports ---------------------------------------------------------------------------------------------------------------- */

static void write_report(const struct btz_run *run, const char *format, struct btz_buf *out)
{
    if (btz_report_format_find(format)->write(run, out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

/* The page is well-formed and holds the curve with its gap; JSON comes back with its figures and gives the same page. */
static void test_pages(void **state)
{
    struct made m;
    struct btz_results *r, *back = NULL;
    struct btz_run run = { .title = "Hardening", .complete = true }, again;
    BTZ_BUF_RELEASE struct btz_buf page = BTZ_BUF((size_t)4 << 20), json = BTZ_BUF((size_t)4 << 20);
    BTZ_BUF_RELEASE struct btz_buf other = BTZ_BUF((size_t)4 << 20);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct html_check c;

    (void)state;
    btz_arena_init(&arena, (size_t)8 << 20);
    make(&m, BTZ_HARDEN_OVERFITTED);
    run.results = r = told(&m);
    write_report(&run, "html", &page);
    if (!html_check(btz_buf_slice(&page), &c))
        fail_msg("%s", c.why);
    /* Epochs 1 and 2, a gap, epoch 4 at 0. */
    assert_true(btz_slice_has(btz_buf_slice(&page),
                              "<path class=\"curve s1\" d=\"M52.0 145.5L181.3 "
                              "78.8M440.0 190.0\"/>"));
    assert_true(btz_slice_has(btz_buf_slice(&page), "overfitting: stopped</text>"));
    assert_true(btz_slice_has(btz_buf_slice(&page), "1 of 1 rule failed"));
    write_report(&run, "json", &json);
    assert_int_equal(btz_report_read(btz_buf_slice(&json), &arena, &back, &again), BTZ_OK);
    write_report(&again, "html", &other);
    assert_true(btz_slice_equal(btz_buf_slice(&page), btz_buf_slice(&other)));
    btz_results_free(back);
    btz_results_free(r);
}

/* Figures of others: what is none is refused, with the place. */
static void test_refused(void **state)
{
    static const char *const bad[] = { "7", "[7]", "[{\"kind\":\"curve\"}]", "[{\"title\":\"t\"}]",
                                       "[{\"kind\":\"curve\",\"title\":null}]" };
    struct btz_results *r, *back = NULL;
    struct btz_run run = { .complete = true }, again;
    BTZ_ARENA_SCOPE struct btz_arena arena;

    (void)state;
    btz_arena_init(&arena, (size_t)8 << 20);
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    run.results = r;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_BUF_RELEASE struct btz_buf json = BTZ_BUF(1 << 20), text = BTZ_BUF(1 << 20);
        size_t end;

        write_report(&run, "json", &json);
        end = json.len;
        while (json.ptr[end - 1] != '}')
            end--;
        assert_int_equal(btz_buf_printf(&text, "%.*s,\"figures\":%s}", (int)(end - 1),
                                        (const char *)json.ptr, bad[i]),
                         BTZ_OK);
        assert_int_equal(btz_report_read(btz_buf_slice(&text), &arena, &back, &again), BTZ_INPUT);
    }
    for (size_t i = 0; i <= BTZ_RUN_FIGURES; i++)
        assert_int_equal(
            btz_results_figure(r, json_pack("{s:s, s:s}", "kind", "table", "title", "t")),
            i < BTZ_RUN_FIGURES ? BTZ_OK : BTZ_LIMIT);
    btz_results_free(r);
}

/* ---- samples held out -------------------------------------------------------------------------------------------------- */

#define SAMPLES 200

static enum btz_err take(const void *user, const size_t *index, size_t count, float *x, uint32_t *y)
{
    (void)user;
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)index[i];
        y[i] = 0;
    }
    return BTZ_OK;
}

/* The split is the one of the training: its first part, every sample in one part alone. */
static void test_held(void **state)
{
    const struct btz_harden_data data = { .count = SAMPLES, .features = 1, .take = take };
    struct btz_harden_options o;
    struct btz_harden_held held = { 0 };
    size_t *all, kept, first[3] = { 0, 5, 19 };
    bool seen[SAMPLES] = { 0 };
    float x[3];
    uint32_t y[3];

    (void)state;
    btz_harden_defaults(BTZ_HARDEN_PGD, &o);
    o.validation = 0.1;
    assert_int_equal(btz_harden_split(SAMPLES, &o, &all, &kept), BTZ_OK);
    assert_int_equal(btz_harden_held_open(&data, &o, &held), BTZ_OK);
    assert_int_equal(kept, 20);
    assert_int_equal(held.data.count, 20);
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_false(seen[all[i]]);
        seen[all[i]] = true;
    }
    assert_int_equal(held.data.take(held.data.user, first, 3, x, y), BTZ_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal((size_t)x[i], all[first[i]]);
    btz_harden_held_release(&held);
    free(all);
    o.validation = 0;
    assert_int_equal(btz_harden_held_open(&data, &o, &held), BTZ_OK);
    assert_int_equal(held.data.count, 0);
    btz_harden_held_release(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_curves),   cmocka_unit_test(test_before_and_after),
        cmocka_unit_test(test_collapse), cmocka_unit_test(test_tables),
        cmocka_unit_test(test_pages),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
