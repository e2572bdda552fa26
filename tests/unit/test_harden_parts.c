/* Parts of training by themselves: optimisers, learning rates, losses, weight perturbation, augmentations, checkpoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "robust/harden/inside.h"

/* ---- optimisers ---------------------------------------------------------------------------------------------------------- */

/* What the rules of torch.optim give for w = 1 and these gradients, worked out in double precision: lr 0.1, momentum or beta1
 * 0.9, decay 0.01. */
static const float gradients[] = { 0.5F, -1, 0.25F, 2 };
static const double after[3][4] = {
    { 0.949, 1.002151, 1.02398475, 0.842611138 },
    { 0.900000002, 0.935523642, 0.947781223, 0.902233595 },
    { 0.899000002, 0.934711354, 0.947445709, 0.901620055 },
};

static void test_optimisers(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        const struct btz_harden_options o = { .optimiser = (enum btz_harden_optimiser)k,
                                              .momentum = 0.9,
                                              .decay = 0.01 };
        float w[2] = { 1, 1 }, first[2] = { 0 }, second[2] = { 0 };

        for (uint64_t t = 0; t < 4; t++) {
            const float g[2] = { gradients[t], gradients[t] };

            btz_harden_step(&o, 0.1, t + 1, 2, g, w, first, second);
            assert_true(fabs((double)w[0] - after[k][t]) < 2e-6);
            assert_true(w[0] == w[1]); /* each number by itself */
        }
    }
}

/* A constant is its own mean; the first step counts for 9/11 of what the mean then is, whatever the average; after many
 * steps the mean of a ramp w(t) = t lags by average / (1 - average). */
static void test_average(void **state)
{
    float w[2] = { 3, -5 }, mean[2] = { 3, 0 };

    (void)state;
    btz_harden_average(0.999, 1, 2, w, mean);
    assert_true(mean[0] == 3 && fabs((double)mean[1] + 5 * 9.0 / 11) < 1e-6);
    mean[0] = 0;
    for (uint64_t t = 1; t <= 2000; t++) {
        w[0] = (float)t;
        btz_harden_average(0.98, t, 1, w, mean);
    }
    assert_true(fabs((double)mean[0] - (2000 - 49)) < 0.05);
}

/* ---- learning rates ------------------------------------------------------------------------------------------------------ */

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-12)
        print_message("# %.15g, expected %.15g\n", a, b);
    assert_true(fabs(a - b) <= 1e-12);
}

static void test_schedules(void **state)
{
    struct btz_harden_options o = { .lr = 5e-3, .epochs = 10, .peak = 4 };

    (void)state;
    /* numpy.interp(t, [0, 4, 10], [0, 5e-3, 0]) at t = epoch + (i + 1) / 600. */
    o.schedule = BTZ_HARDEN_CYCLIC;
    near(btz_harden_rate(&o, 0, 0, 600), 5e-3 / 4 / 600);
    near(btz_harden_rate(&o, 1, 599, 600), 2.5e-3);
    near(btz_harden_rate(&o, 3, 599, 600), 5e-3);
    near(btz_harden_rate(&o, 6, 599, 600), 2.5e-3);
    near(btz_harden_rate(&o, 9, 599, 600), 0);
    o.schedule = BTZ_HARDEN_STEP;
    o.drops[0] = 3, o.drops[1] = 7, o.drop_count = 2, o.drop = 0.1;
    near(btz_harden_rate(&o, 1, 599, 600), 5e-3);
    near(btz_harden_rate(&o, 2, 0, 600), 5e-4);
    near(btz_harden_rate(&o, 6, 0, 600), 5e-5);
    o.schedule = BTZ_HARDEN_COSINE;
    near(btz_harden_rate(&o, 0, 0, 600), 5e-3);
    near(btz_harden_rate(&o, 5, 0, 600), 2.5e-3);
    near(btz_harden_rate(&o, 2, 300, 600), 5e-3 / 2 * (1 + sqrt(0.5)));
    o.schedule = BTZ_HARDEN_FLAT;
    near(btz_harden_rate(&o, 9, 599, 600), 5e-3);
}

/* Eps grows evenly and stays: 2 of 4 epochs, 10 batches each. */
static void test_reach(void **state)
{
    struct btz_harden_options o;

    (void)state;
    btz_harden_defaults(BTZ_HARDEN_PGD, &o);
    o.epochs = 4;
    near(btz_harden_reach(&o, 0, 0, 10), 1);
    o.eps_warmup = 2;
    near(btz_harden_reach(&o, 0, 0, 10), 0.05);
    near(btz_harden_reach(&o, 0, 9, 10), 0.5);
    near(btz_harden_reach(&o, 1, 8, 10), 0.95);
    near(btz_harden_reach(&o, 1, 9, 10), 1);
    near(btz_harden_reach(&o, 3, 9, 10), 1);
    o.eps_warmup = 5;
    assert_int_equal(btz_harden_settle(&o), BTZ_USAGE);
    assert_non_null(strstr(btz_error_detail(), "eps grows"));
}

static void test_recipes(void **state)
{
    struct btz_harden_options o;

    (void)state;
    btz_harden_defaults(BTZ_HARDEN_FGSM_RS, &o);
    assert_int_equal(btz_harden_settle(&o), BTZ_OK);
    near(o.step, 0.375);
    near(o.peak, 5.6);
    near(o.eps_warmup, 3);
    assert_true(o.awp);
    assert_int_equal(o.part, 25);
    o.awp_gamma = 0;
    assert_int_equal(btz_harden_settle(&o), BTZ_OK);
    assert_false(o.awp);
    btz_harden_defaults(BTZ_HARDEN_FREE, &o);
    assert_int_equal(btz_harden_settle(&o), BTZ_OK);
    near(o.step, 0.3);
    near(o.eps_warmup, 2);
    near(o.peak, 3);
    btz_harden_defaults(BTZ_HARDEN_MART, &o);
    o.epochs = 3;
    assert_int_equal(btz_harden_settle(&o), BTZ_OK);
    near(o.step, 0.09);
    near(o.eps_warmup, 1);
    near(o.peak, 0.5);
    btz_harden_defaults(BTZ_HARDEN_TRADES, &o);
    assert_int_equal(btz_harden_settle(&o), BTZ_OK);
    near(o.step, 0.01);
    assert_int_equal(o.part, 32);
    for (int m = 0; m < BTZ_HARDEN_METHODS; m++) {
        btz_harden_defaults((enum btz_harden_method)m, &o);
        assert_int_equal(btz_harden_settle(&o), BTZ_OK);
        o.norm = BTZ_NORM_L1;
        assert_int_equal(btz_harden_settle(&o), BTZ_USAGE);
        assert_non_null(strstr(btz_error_detail(), "l1"));
    }
    btz_harden_defaults(BTZ_HARDEN_MART, &o);
    o.clean_ratio = 0.5;
    assert_int_equal(btz_harden_settle(&o), BTZ_USAGE);
    btz_harden_defaults(BTZ_HARDEN_FREE, &o);
    o.awp = true;
    assert_int_equal(btz_harden_settle(&o), BTZ_USAGE);
    btz_harden_defaults(BTZ_HARDEN_PGD, &o);
    o.lr = NAN;
    assert_int_equal(btz_harden_settle(&o), BTZ_USAGE);
}

/* ---- losses --------------------------------------------------------------------------------------------------------------- */

#define CLASSES 4

/* The losses once more, as the papers write them. */
static double plain_loss(bool mart, const double *z, const double *za, uint32_t y, double beta)
{
    double p[CLASSES], q[CLASSES], sp = 0, sq = 0, kl = 0;
    uint32_t other = y == 0;

    for (int k = 0; k < CLASSES; k++) {
        sp += p[k] = exp(z[k]);
        sq += q[k] = exp(za[k]);
    }
    for (uint32_t k = 0; k < CLASSES; k++) {
        p[k] /= sp, q[k] /= sq;
        kl += p[k] * log(p[k] / (q[k] + (mart ? 1e-12 : 0)));
        if (k != y && za[k] > za[other])
            other = k;
    }
    if (!mart)
        return -log(p[y]) + beta * kl;
    return -log(q[y]) - log(1.0001 - q[other] + 1e-12) + beta * kl * (1.0000001 - p[y]);
}

static void check_loss(bool mart, struct btz_rng *r, double spread)
{
    float z[CLASSES], za[CLASSES];
    double a[2 * CLASSES], grad[2 * CLASSES], loss;
    uint32_t y = btz_rng_below(r, CLASSES);

    for (int k = 0; k < CLASSES; k++) {
        a[k] = z[k] = (float)(spread * (2 * btz_rng_unit(r) - 1));
        a[CLASSES + k] = za[k] = (float)(spread * (2 * btz_rng_unit(r) - 1));
    }
    loss = (mart ? btz_loss_mart_row : btz_loss_trades_row)(z, za, CLASSES, y, 6, grad,
                                                            grad + CLASSES);
    assert_true(fabs(loss - plain_loss(mart, a, a + CLASSES, y, 6)) < 1e-9 * (1 + fabs(loss)));
    for (int k = 0; k < 2 * CLASSES; k++) {
        double h = 1e-5, old = a[k], up, down;

        a[k] = old + h;
        up = plain_loss(mart, a, a + CLASSES, y, 6);
        a[k] = old - h;
        down = plain_loss(mart, a, a + CLASSES, y, 6);
        a[k] = old;
        if (fabs((up - down) / (2 * h) - grad[k]) > 1e-6 * (1 + fabs(grad[k])))
            print_message("# %s: derivative %d is %g, differences give %g\n",
                          mart ? "mart" : "trades", k, grad[k], (up - down) / (2 * h));
        assert_true(fabs((up - down) / (2 * h) - grad[k]) <= 1e-6 * (1 + fabs(grad[k])));
    }
}

static void test_losses(void **state)
{
    const float far[CLASSES] = { 300, -300, 0, 20 }, back[CLASSES] = { -300, 300, 0, 20 };
    double a[CLASSES], b[CLASSES];
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 3, 0);
    for (int i = 0; i < 50; i++) {
        check_loss(false, &r, i < 25 ? 2 : 5);
        check_loss(true, &r, i < 25 ? 2 : 5);
    }
    /* Equal rows diverge by nothing; logits far apart stay finite. */
    assert_true(fabs(btz_loss_kl_row(far, far, CLASSES, a, b)) < 1e-12);
    assert_true(isfinite(btz_loss_trades_row(far, back, CLASSES, 0, 1, a, b)));
    assert_true(isfinite(btz_loss_mart_row(far, back, CLASSES, 0, 6, a, b)));
    for (int k = 0; k < CLASSES; k++)
        assert_true(isfinite(a[k]) && isfinite(b[k]));
}

/* ---- weight perturbation -------------------------------------------------------------------------------------------------- */

static void test_awp(void **state)
{
    float w[4] = { 3, 4, 1, 2 }, g[4] = { 0, 2, 5, 5 }, lift[4];
    struct btz_harden_param list[2] = { { 0, w, 2, 0, 2 }, { 1, w + 2, 2, 2, 1 } };
    struct btz_harden_run r = { .sum = g, .lift = lift };

    (void)state;
    r.o.awp_gamma = 0.1;
    r.params.list = list;
    r.params.count = 2;
    btz_harden_awp_lift(&r);
    /* |w| = 5, so 0.1 x 5 along the gradient; the vector stays. */
    assert_true(w[0] == 3 && fabsf(w[1] - 4.5F) < 1e-6F && w[2] == 1 && w[3] == 2);
    assert_int_equal(r.version, 1);
    btz_harden_awp_drop(&r);
    assert_true(w[0] == 3 && fabsf(w[1] - 4) < 1e-6F && w[2] == 1 && w[3] == 2);
}

/* ---- augmentations -------------------------------------------------------------------------------------------------------- */

static void test_augment(void **state)
{
    static const struct btz_shape shape = { 3, { 1, 8, 8 } }, row = { 1, { 5 } };
    const struct btz_box box = { 0, 1 };
    size_t kinds = 0, corrupted = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        float x[64], old[64], again[64], line[5] = { 0.1F, 0.2F, 0.3F, 0.4F, 0.9F };
        struct btz_rng r, twin;
        size_t moved = 0, ends = 0;

        btz_rng_init(&r, seed, 0);
        for (int i = 0; i < 64; i++)
            old[i] = x[i] = (float)btz_rng_unit(&r);
        assert_int_equal(btz_harden_edge(NULL, &shape, box, 0, &r, x), BTZ_OK);
        for (int i = 0; i < 64; i++) {
            assert_true(x[i] >= 0 && x[i] <= 1);
            moved += x[i] != old[i];
            ends += x[i] <= 0 || x[i] >= 1;
        }
        assert_true(moved > 0);
        kinds |= (size_t)1 << (ends == 64    ? 0
                               : moved == 64 ? 1
                               : moved == 9  ? 2
                               : moved == 16 ? 3
                                             : 4);
        assert_int_equal(btz_harden_edge(NULL, &row, box, 0, &r, line), BTZ_OK);
        /* Shifts by one at most here: what was at (3, 3) is near (3, 3). */
        memcpy(x, old, sizeof x);
        assert_int_equal(btz_harden_shift(NULL, &shape, box, 0, &r, x), BTZ_OK);
        moved = 0;
        for (int i = 2; i < 5; i++)
            for (int k = 2; k < 5; k++)
                moved += x[8 * i + k] == old[8 * 3 + 3];
        assert_int_equal(moved, 1);
        memcpy(x, old, sizeof x);
        assert_int_equal(btz_harden_mirror(NULL, &shape, box, 0, &r, x), BTZ_OK);
        assert_true((x[0] == old[0] && x[9] == old[9]) || (x[0] == old[7] && x[9] == old[14]));
        /* A corruption is one of a picture, inside the box, and the same for the same draws. */
        memcpy(x, old, sizeof x);
        memcpy(again, old, sizeof again);
        twin = r;
        assert_int_equal(btz_harden_corrupt(NULL, &shape, box, 0, &r, x), BTZ_OK);
        assert_int_equal(btz_harden_corrupt(NULL, &shape, box, 0, &twin, again), BTZ_OK);
        assert_memory_equal(x, again, sizeof x);
        corrupted += memcmp(x, old, sizeof x) != 0;
        for (int i = 0; i < 64; i++)
            assert_true(x[i] >= 0 && x[i] <= 1);
        assert_int_equal(btz_harden_corrupt(NULL, &row, box, 0, &r, line), BTZ_UNSUPPORTED);
    }
    assert_int_equal(kinds, 31);
    assert_true(corrupted > 150);
}

static void test_shuffle(void **state)
{
    size_t index[50], seen = 0;
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 1, 0);
    btz_harden_shuffle(index, 50, &r);
    for (size_t v = 0; v < 50; v++)
        for (size_t i = 0; i < 50; i++)
            seen += index[i] == v;
    assert_int_equal(seen, 50);
    seen = 0;
    for (size_t i = 0; i < 50; i++)
        seen += index[i] == i;
    assert_true(seen < 10);
}

/* ---- checkpoints ----------------------------------------------------------------------------------------------------------- */

#define NUMBERS 5
struct vectors {
    float weights[NUMBERS], stats[2], first[NUMBERS], second[NUMBERS], best[NUMBERS], best_stats[2];
    float delta[3], mean[NUMBERS], mean_stats[2], kept[NUMBERS], kept_stats[2];
    struct btz_harden_epoch curves[4];
};

static void lay_out(struct btz_harden_state *s, struct vectors *v, float value)
{
    float *all = v->weights;

    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < NUMBERS * 6 + 11; i++)
        all[i] = value != 0 ? value + (float)i : 0;
    *s = (struct btz_harden_state){ .curves = v->curves,
                                    .weights = v->weights,
                                    .stats = v->stats,
                                    .first = v->first,
                                    .second = v->second,
                                    .best = v->best,
                                    .best_stats = v->best_stats,
                                    .delta = v->delta,
                                    .mean = v->mean,
                                    .mean_stats = v->mean_stats,
                                    .kept = v->kept,
                                    .kept_stats = v->kept_stats,
                                    .numbers = NUMBERS,
                                    .stat_numbers = 2,
                                    .second_numbers = NUMBERS,
                                    .best_numbers = NUMBERS,
                                    .delta_numbers = 3,
                                    .mean_numbers = NUMBERS,
                                    .kept_numbers = NUMBERS };
}

static void test_checkpoint(void **state)
{
    const uint8_t mine[BTZ_SHA256_LEN] = { 1 }, other[BTZ_SHA256_LEN] = { 2 };
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 16);
    struct btz_harden_state s, t;
    struct vectors v, w;

    (void)state;
    lay_out(&s, &v, 0.5F);
    s.epoch = 2, s.batch = 7, s.step = 99, s.samples = 1234, s.guard = 0.75, s.has_best = true;
    s.kept_epoch = 1;
    s.sums.loss = 3.25, s.sums.rate = 0.5;
    s.curve_count = 2;
    v.curves[1] = (struct btz_harden_epoch){ 1, 2, 3, 4, NAN, 6, 7 };
    assert_int_equal(btz_harden_checkpoint_encode(&s, mine, &b), BTZ_OK);
    assert_int_equal(b.len, btz_harden_checkpoint_size(&s, 2));
    lay_out(&t, &w, 0);
    assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 4, 8, mine, &t), BTZ_OK);
    assert_memory_equal(&v, &w, sizeof v);
    assert_true(t.epoch == 2 && t.batch == 7 && t.step == 99 && t.samples == 1234 &&
                t.guard == 0.75 && t.has_best && !t.over && t.sums.loss == 3.25 &&
                t.sums.rate == 0.5 && t.curve_count == 2 && t.kept_epoch == 1);
    /* Of another run, for fewer epochs, for fewer batches. */
    assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 4, 8, other, &t), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "another run"));
    assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 1, 8, mine, &t), BTZ_INPUT);
    assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 4, 7, mine, &t), BTZ_INPUT);
    /* For a run that keeps the last weights. */
    t.kept_numbers = 0;
    assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 4, 8, mine, &t), BTZ_INPUT);
    t.kept_numbers = NUMBERS;
    /* Any byte changed, any length. */
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] ^= 0x10;
        assert_int_equal(btz_harden_checkpoint_decode(btz_buf_slice(&b), 4, 8, mine, &t),
                         BTZ_INPUT);
        b.ptr[i] ^= 0x10;
        assert_int_equal(btz_harden_checkpoint_decode(btz_slice_of(b.ptr, i), 4, 8, mine, &t),
                         BTZ_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_optimisers), cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_reach),      cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_losses),     cmocka_unit_test(test_awp),
        cmocka_unit_test(test_augment),    cmocka_unit_test(test_average),
        cmocka_unit_test(test_shuffle),    cmocka_unit_test(test_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
