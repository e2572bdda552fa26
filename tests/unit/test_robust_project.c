/* Balls, boxes and planes against solvers that work otherwise; losses against differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/rows.h"

#define N 6
static const struct btz_box unit_box = { 0, 1 };

static double unit(struct btz_rng *r)
{
    return btz_rng_unit(r);
}

/* ---- the L1 ball and the box: Dykstra's alternating projections, which converge to the projection on both -------------- */

/* Duchi et al. 2008, by sorting. */
static void l1_ball(double eps, const double x[N], double p[N])
{
    double y[N], sorted[N], sum = 0, theta = 0;

    for (int i = 0; i < N; i++) {
        y[i] = p[i] - x[i];
        sorted[i] = fabs(y[i]);
        sum += sorted[i];
    }
    if (sum <= eps)
        return;
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++)
            if (sorted[j] > sorted[i]) {
                double t = sorted[i];

                sorted[i] = sorted[j];
                sorted[j] = t;
            }
    sum = 0;
    for (int k = 0; k < N; k++) {
        sum += sorted[k];
        if (sorted[k] - (sum - eps) / (k + 1) > 0)
            theta = (sum - eps) / (k + 1);
    }
    for (int i = 0; i < N; i++)
        p[i] = x[i] + copysign(fmax(fabs(y[i]) - theta, 0), y[i]);
}

static void dykstra(double eps, const double x[N], double p[N])
{
    double a[N] = { 0 }, b[N] = { 0 }, was[N];

    for (int step = 0; step < 20000; step++) {
        for (int i = 0; i < N; i++)
            was[i] = p[i] += a[i];
        l1_ball(eps, x, p);
        for (int i = 0; i < N; i++) {
            a[i] = was[i] - p[i];
            was[i] = p[i] + b[i];
            p[i] = fmin(fmax(was[i], 0), 1);
            b[i] = was[i] - p[i];
        }
    }
}

static void test_ball_l1(void **state)
{
    struct btz_rng r;
    (void)state;

    btz_rng_init(&r, 1, 1);
    for (int t = 0; t < 100; t++) {
        double eps = 0.05 + 2 * unit(&r), x[N], want[N];
        float fx[N], p[N];

        for (int i = 0; i < N; i++) {
            fx[i] = (float)(unit(&r) < 0.3 ? unit(&r) < 0.5 : unit(&r));
            p[i] = fx[i] + (float)(3 * (unit(&r) - 0.5));
            x[i] = (double)fx[i];
            want[i] = (double)p[i];
        }
        dykstra(eps, x, want);
        btz_project_ball(BTZ_NORM_L1, eps, unit_box, fx, N, p);
        assert_true(btz_norm_of(BTZ_NORM_L1, p, fx, N) <= eps);
        for (int i = 0; i < N; i++)
            assert_true(fabs((double)p[i] - want[i]) < 2e-5);
    }
}

static void test_ball_others(void **state)
{
    struct btz_rng r;
    (void)state;

    btz_rng_init(&r, 2, 1);
    for (int t = 0; t < 100; t++) {
        float x[N], p[N], q[N];

        for (int i = 0; i < N; i++) {
            x[i] = (float)unit(&r);
            p[i] = q[i] = x[i] + (float)(unit(&r) - 0.5);
        }
        btz_project_ball(BTZ_NORM_LINF, 0.1, unit_box, x, N, p);
        for (int i = 0; i < N; i++) {
            float want = fmaxf(x[i] - 0.1F, fminf(x[i] + 0.1F, q[i]));

            assert_true(fabsf(p[i] - fminf(fmaxf(want, 0), 1)) < 1e-7F);
        }
        memcpy(p, q, sizeof p);
        btz_project_ball(BTZ_NORM_L2, 0.2, unit_box, x, N, p);
        assert_true(btz_norm_of(BTZ_NORM_L2, p, x, N) <= 0.2 + 1e-6);
        for (int i = 0; i < N; i++)
            assert_true(p[i] >= 0 && p[i] <= 1);
        for (int n = BTZ_NORM_LINF; n <= BTZ_NORM_L1; n++)
            assert_true(fabs(btz_distance((enum btz_norm)n, x, q, N) -
                             btz_norm_of((enum btz_norm)n, x, q, N)) < 1e-6);
    }
}

/* ---- planes ------------------------------------------------------------------------------------------------------------ */

struct plane {
    double w[N], room[N], c; /* step downhill along w by sum of |w| d = c, 0 <= d <= room */
};

/* Least of the norms of all solutions that are corners (L1), or stationary (L2); by bisection (Linf). */
static double shortest(const struct plane *p, enum btz_norm norm)
{
    double best = INFINITY;

    if (norm == BTZ_NORM_LINF) {
        double low = 0, high = 1;

        for (int k = 0; k < 60; k++) {
            double by = (low + high) / 2, sum = 0;

            for (int i = 0; i < N; i++)
                sum += fabs(p->w[i]) * fmin(by, p->room[i]);
            *(sum < p->c ? &low : &high) = by;
        }
        return high;
    }
    for (int set = 0; set < 1 << 2 * N; set++) { /* each at 0, at its bound, or free */
        double left = p->c, square = 0, length = 0, alpha;
        int free = 0, one = -1;
        bool fits = true;

        for (int i = 0; i < N; i++) {
            int at = set >> 2 * i & 3;

            fits = fits && at < 3;
            free += at == 2;
            one = at == 2 ? i : one;
            square += at == 2 ? p->w[i] * p->w[i] : 0;
            left -= at == 1 ? fabs(p->w[i]) * p->room[i] : 0;
            length += at != 1 ? 0 : norm == BTZ_NORM_L1 ? p->room[i] : p->room[i] * p->room[i];
        }
        if (!fits || free < 1 || (norm == BTZ_NORM_L1 && free > 1))
            continue;
        alpha = norm == BTZ_NORM_L1 ? left / fabs(p->w[one]) : left / square;
        for (int i = 0; i < N; i++) {
            double d = norm == BTZ_NORM_L1 ? alpha : alpha * fabs(p->w[i]);

            if ((set >> 2 * i & 3) != 2)
                continue;
            fits = fits && d >= -1e-12 && d <= p->room[i] + 1e-12;
            length += norm == BTZ_NORM_L1 ? d : d * d;
        }
        if (fits)
            best = fmin(best, length);
    }
    return norm == BTZ_NORM_L2 ? sqrt(best) : best;
}

static void check_plane(enum btz_norm norm, struct btz_rng *r)
{
    float t[N], w[N], d[N], scratch[2 * N], at[N];
    struct plane p;
    double reach = 0, c, moved = 0, want, got;
    double sign = unit(r) < 0.5 ? 1 : -1;

    for (int i = 0; i < N; i++) {
        t[i] = (float)(unit(r) < 0.3 ? unit(r) < 0.5 : unit(r));
        w[i] = (float)(2 * unit(r) - 1);
        p.w[i] = (double)w[i];
        p.room[i] = -sign * p.w[i] > 0 ? 1 - (double)t[i] : (double)t[i];
        reach += fabs(p.w[i]) * p.room[i];
    }
    c = reach * (0.02 + 1.1 * unit(r));
    p.c = c;
    btz_project_plane(norm, unit_box, t, w, sign * c, N, d, scratch);
    for (int i = 0; i < N; i++) {
        moved += p.w[i] * (double)d[i];
        at[i] = t[i] + d[i];
        assert_true(at[i] > -1e-6F && at[i] < 1 + 1e-6F);
    }
    got = btz_norm_of(norm, at, t, N);
    if (c >= reach) { /* as far as the box goes */
        assert_true(fabs(-sign * moved - reach) < 1e-5 * (1 + reach));
        return;
    }
    want = shortest(&p, norm);
    assert_true(fabs(-sign * moved - c) < 2e-5 * (1 + c));
    assert_true(fabs(got - want) < 5e-5 * (1 + want));
}

static void test_planes(void **state)
{
    struct btz_rng r;
    (void)state;

    btz_rng_init(&r, 3, 1);
    for (int t = 0; t < 400; t++)
        check_plane(BTZ_NORM_LINF, &r);
    for (int t = 0; t < 100; t++) {
        check_plane(BTZ_NORM_L2, &r);
        check_plane(BTZ_NORM_L1, &r);
    }
}

/* A plane without slope, and one that is met already. */
static void test_flat_planes(void **state)
{
    float t[N] = { 0.5F, 0.5F, 0.5F, 0.5F, 0.5F, 0.5F }, w[N] = { 0 }, d[N], scratch[2 * N];
    (void)state;

    for (int norm = BTZ_NORM_LINF; norm <= BTZ_NORM_L1; norm++)
        for (int k = 0; k < 2; k++) {
            w[0] = k ? 1.0F : 0.0F;
            btz_project_plane((enum btz_norm)norm, unit_box, t, w, k ? 0 : 0.3, N, d, scratch);
            for (int i = 0; i < N; i++)
                assert_true(fabsf(d[i]) < 1e-7F);
        }
}

/* ---- starts, ranks, losses --------------------------------------------------------------------------------------------- */

static void test_starts(void **state)
{
    float x[64], p[64];
    struct btz_rng r;
    (void)state;

    for (int i = 0; i < 64; i++)
        x[i] = 0.5F;
    btz_rng_init(&r, 4, 1);
    for (int norm = BTZ_NORM_LINF; norm <= BTZ_NORM_L1; norm++) {
        btz_random_start((enum btz_norm)norm, 0.25, unit_box, x, 64, &r, p);
        /* All three begin on the surface. */
        assert_true(fabs(btz_norm_of((enum btz_norm)norm, p, x, 64) - 0.25) < 1e-5);
    }
}

static void test_ranks(void **state)
{
    static const float v[] = { -3, 0, 1, -2, 2, 7 }, z[] = { 1, 5, 5, -2 };
    (void)state;

    assert_true(btz_rank_of_abs(v, 6, 0) == 0.0F);
    assert_true(btz_rank_of_abs(v, 6, 1) == 1.0F);
    assert_true(btz_rank_of_abs(v, 6, 2) == 2.0F);
    assert_true(btz_rank_of_abs(v, 6, 3) == 2.0F);
    assert_true(btz_rank_of_abs(v, 6, 5) == 7.0F);
    assert_int_equal(btz_class_of_rank(z, 4, 1), 1);
    assert_int_equal(btz_class_of_rank(z, 4, 2), 2);
    assert_int_equal(btz_class_of_rank(z, 4, 3), 0);
    assert_int_equal(btz_class_of_rank(z, 4, 4), 3);
}

typedef void (*loss_fn)(const void *, size_t, size_t, size_t, const float *, float *, float *);

static double loss_of(loss_fn f, const struct btz_labels *l, size_t classes, const float *z)
{
    float loss;

    f(l, 0, 1, classes, z, &loss, NULL);
    return (double)loss;
}

static void test_losses(void **state)
{
    static const loss_fn all[] = { btz_loss_dlr, btz_loss_dlr_targeted, btz_loss_difference };
    struct btz_rng r;
    (void)state;

    btz_rng_init(&r, 5, 1);
    for (int t = 0; t < 200; t++) {
        size_t classes = 2 + (size_t)t % 6;
        uint32_t y = btz_rng_below(&r, (uint32_t)classes), target = (y + 1) % (uint32_t)classes;
        struct btz_labels labels = { &y, &target };
        float z[8], grad[8], value;

        for (size_t k = 0; k < classes; k++)
            z[k] = (float)(k * 3 % 7) + (float)unit(&r) * 0.4F;
        for (size_t f = 0; f < BTZ_COUNT(all); f++) {
            all[f](&labels, 0, 1, classes, z, &value, grad);
            for (size_t k = 0; k < classes; k++) {
                const float h = 1e-2F;
                double up, down;

                z[k] += h;
                up = loss_of(all[f], &labels, classes, z);
                z[k] -= 2 * h;
                down = loss_of(all[f], &labels, classes, z);
                z[k] += h;
                assert_true(fabs((up - down) / (2 * (double)h) - (double)grad[k]) < 2e-3);
            }
        }
    }
}

/* Worked out by hand: -(3 - 2) / (3 - 1) and -(3 - 1) / (3 - (1 + 0) / 2). */
static void test_loss_values(void **state)
{
    static const float z[] = { 3, 2, 1, 0 };
    const uint32_t y = 0, target = 2;
    const struct btz_labels labels = { &y, &target };
    (void)state;

    assert_true(fabs(loss_of(btz_loss_dlr, &labels, 4, z) + 0.5) < 1e-6);
    assert_true(fabs(loss_of(btz_loss_dlr_targeted, &labels, 4, z) + 0.8) < 1e-6);
    assert_true(fabs(loss_of(btz_loss_difference, &labels, 4, z) + 2) < 1e-6);
}

static void test_images(void **state)
{
    struct btz_image m = btz_image_of(&(struct btz_shape){ 3, { 3, 32, 24 } });
    (void)state;

    assert_true(m.c == 3 && m.h == 32 && m.w == 24 && m.step_c == 768 && m.step_h == 24 &&
                m.step_w == 1);
    m = btz_image_of(&(struct btz_shape){ 3, { 32, 24, 3 } });
    assert_true(m.c == 3 && m.h == 32 && m.w == 24 && m.step_c == 1 && m.step_h == 72 &&
                m.step_w == 3);
    m = btz_image_of(&(struct btz_shape){ 1, { 30 } });
    assert_true(m.c == 1 && m.h == 1 && m.w == 30 && m.step_w == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ball_l1), cmocka_unit_test(test_ball_others),
        cmocka_unit_test(test_planes),  cmocka_unit_test(test_flat_planes),
        cmocka_unit_test(test_starts),  cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_losses),  cmocka_unit_test(test_loss_values),
        cmocka_unit_test(test_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
