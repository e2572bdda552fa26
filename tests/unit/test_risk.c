/* The risk score as docs/risk.md states it: worked examples and properties. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "finding_fixture.h"
#include "finding/results.h"

#define assert_near(a, b, slack) assert_true(fabs((double)(a) - (double)(b)) <= (slack))

/* Clopper-Pearson by bisection on the binomial tail: slow, and nothing to do with the code under test. */
static double tail(uint64_t k, uint64_t n, double p) /* P(X >= k) */
{
    double sum = 0;

    for (uint64_t i = k; i <= n; i++)
        sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
                   (i ? (double)i * log(p) : 0) + (n - i ? (double)(n - i) * log1p(-p) : 0));
    return sum;
}

static void exact(uint64_t k, uint64_t n, double *low, double *high)
{
    double a = 0, b = 1;

    *low = 0;
    *high = 1;
    if (k > 0) {
        for (int i = 0; i < 60; i++)
            *(tail(k, n, (a + b) / 2) < 0.025 ? &a : &b) = (a + b) / 2;
        *low = a;
    }
    if (k < n) {
        a = 0;
        b = 1;
        for (int i = 0; i < 60; i++)
            *(1 - tail(k + 1, n, (a + b) / 2) > 0.025 ? &a : &b) = (a + b) / 2;
        *high = b;
    }
}

static struct btz_finding rated(const char *rule, const char *location, uint64_t k, uint64_t n)
{
    double low, high;

    exact(k, n, &low, &high);
    return fixture_finding(rule, &fixture_demo, location, k, n, low, high);
}

static double points(const struct btz_finding *f)
{
    double value, low, high;

    btz_finding_risk(f, &value, &low, &high);
    assert_true(low >= 0 && low <= value && value <= high && high <= 100);
    return value;
}

static struct btz_risk risk_of(const struct btz_finding *list, size_t count)
{
    struct btz_results *r = NULL;
    struct btz_sink *sink;
    struct btz_risk risk;

    assert_int_equal(btz_results_new(&r), BTZ_OK);
    sink = btz_results_sink(r);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sink->finding(sink, &list[i]), BTZ_OK);
    btz_results_risk(r, -1, NULL, &risk);
    assert_true(0 <= risk.low && risk.low <= risk.score && risk.score <= risk.high &&
                risk.high <= 100);
    btz_results_free(r);
    return risk;
}

/* The examples of docs/risk.md. */
static void test_examples(void **state)
{
    struct btz_finding one = rated("redteam.leak.secret", "a", 1, 1);
    struct btz_finding hundred = rated("redteam.leak.secret", "a", 100, 100);
    struct btz_finding some = rated("redteam.injection.override", "b", 7, 20);
    struct btz_finding both[2];
    struct btz_risk risk;
    (void)state;
    assert_near(points(&one), 61.18, 0.01);
    assert_near(points(&hundred), 100.00, 0.01);
    assert_near(points(&some), 63.41, 0.01);
    both[0] = hundred;
    both[1] = some;
    risk = risk_of(both, 2);
    /* 100 (1 - (1 - 1.0000)(1 - 0.6341 / 2)) */
    assert_near(risk.score, 100.0, 0.01);
    both[0] = one;
    risk = risk_of(both, 2);
    /* 63.41 is the worse: 100 (1 - (1 - 0.6341)(1 - 0.6118 / 2)) */
    assert_near(risk.score, 100 * (1 - (1 - 0.6341) * (1 - 0.6118 / 2)), 0.01);
}

static void test_monotone(void **state)
{
    static const uint64_t sizes[] = { 1, 2, 5, 20, 100 };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(sizes); i++) {
        double before = -1;

        for (uint64_t k = 0; k <= sizes[i]; k += sizes[i] > 20 ? 5 : 1) {
            struct btz_finding f = rated("redteam.leak.secret", "x", k, sizes[i]);
            double by_severity = -1;

            assert_true(points(&f) > before);
            before = points(&f);
            for (int s = 0; s < BTZ_SEVERITY_COUNT && k > 0; s++) {
                f.severity = (enum btz_severity)s;
                assert_true(points(&f) > by_severity);
                by_severity = points(&f);
            }
        }
    }
    /* More evidence of the same certain rate counts more. */
    for (size_t i = 1; i < BTZ_COUNT(sizes); i++) {
        struct btz_finding few = rated("redteam.leak.secret", "x", sizes[i - 1], sizes[i - 1]);
        struct btz_finding many = rated("redteam.leak.secret", "x", sizes[i], sizes[i]);
        assert_true(points(&many) > points(&few));
    }
}

static void test_only_failures(void **state)
{
    struct btz_finding f = rated("redteam.leak.secret", "x", 9, 9);
    struct btz_risk risk;
    (void)state;
    f.outcome = BTZ_OUTCOME_PASS;
    assert_true(points(&f) == 0);
    risk = risk_of(&f, 1);
    assert_true(risk.score == 0 && risk.passed == 1 && risk.failed == 0);
    f.outcome = BTZ_OUTCOME_NOT_EVALUATED;
    assert_true(points(&f) == 0);
    /* A fact rather than a rate has the full weight. */
    f.outcome = BTZ_OUTCOME_FAIL;
    f.k = f.n = 0;
    f.ci_low = f.ci_high = NAN;
    assert_near(points(&f), 100, 1e-12);
    /* Without an interval: the exact one, here 5/10 from 0.187086 to 0.812914. */
    f.k = 5;
    f.n = 10;
    assert_near(points(&f), 50 * (1 - pow(1 - 0.187086, 10) + 1 - pow(1 - 0.812914, 10)), 1e-3);
}

static void test_duplicates(void **state)
{
    struct btz_finding f[60];
    static char names[60][16];
    struct btz_risk one, many;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(f); i++) {
        snprintf(names[i], sizeof names[i], "probe %zu", i);
        f[i] = rated("redteam.exfil.link", names[i], 3, 20);
    }
    one = risk_of(f, 1);
    many = risk_of(f, BTZ_COUNT(f));
    assert_near(one.score, many.score, 1e-12);
    assert_int_equal(many.failed, 60);
    assert_int_equal(many.failed_by_severity[BTZ_SEVERITY_MEDIUM], 60);
}

/* Random sets: bounded, never lower for one finding more or one that got worse, and the parts add up. */
static void test_properties(void **state)
{
    struct btz_rng rng;
    size_t rules = 0;
    (void)state;
    while (btz_rules[rules])
        rules++;
    btz_rng_init(&rng, 4, 2);
    for (int round = 0; round < 200; round++) {
        struct btz_finding f[12];
        static char names[12][16];
        size_t count = 1 + btz_rng_below(&rng, 11), pick = btz_rng_below(&rng, (uint32_t)count);
        struct btz_risk before = { 0 }, now;

        for (size_t i = 0; i < count; i++) {
            uint64_t n = 1 + btz_rng_below(&rng, 30), k = 1 + btz_rng_below(&rng, (uint32_t)n);

            snprintf(names[i], sizeof names[i], "p%zu", i);
            f[i] = rated(btz_rules[btz_rng_below(&rng, (uint32_t)rules)]->id, names[i], k, n);
            now = risk_of(f, i + 1);
            assert_true(now.score >= before.score - 1e-9 && now.low >= before.low - 1e-9 &&
                        now.high >= before.high - 1e-9);
            before = now;
        }
        f[pick].severity = BTZ_SEVERITY_CRITICAL;
        now = risk_of(f, count);
        assert_true(now.score >= before.score - 1e-9);
    }
}

static void test_parts(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_risk_part parts[BTZ_RISK_PARTS];
    struct btz_risk all, some;
    double sum = 0;
    size_t count;
    (void)state;
    btz_results_risk(r, -1, NULL, &all);
    count = btz_results_risk_parts(r, -1, NULL, parts);
    assert_int_equal(count, 4); /* secret, override, ansi, over-refusal; the link is suppressed */
    for (size_t i = 0; i < count; i++) {
        sum += parts[i].adds;
        assert_near(parts[i].points,
                    parts[i].weight * (parts[i].chance_low + parts[i].chance_high) / 2, 1e-9);
        assert_true(i == 0 || parts[i - 1].points >= parts[i].points);
    }
    assert_near(sum, all.score, 1e-9);
    assert_int_equal(all.failed, 4);
    assert_int_equal(all.suppressed, 1);
    assert_int_equal(all.not_evaluated, 1);
    assert_int_equal(all.passed, 1);
    btz_results_risk(r, BTZ_PRACTICE_AUDIT, NULL, &some);
    assert_true(some.score == 0 && some.failed == 0);
    btz_results_risk(r, BTZ_PRACTICE_REDTEAM, "OWASP LLM 2025", &some);
    assert_int_equal(some.failed, 3);
    assert_true(some.score < all.score && some.score > 0);
    btz_results_risk(r, -1, "OWASP-LLM05", &some);
    assert_int_equal(some.failed, 1); /* ansi; the link is suppressed */
    /* A prefix ends where a number does: 2.1 is another measure than 2.10. */
    btz_results_risk(r, -1, "AML.T0051", &some);
    assert_int_equal(some.failed, 1); /* override, AML.T0051.000 */
    btz_results_risk(r, -1, "NIST-MEASURE-2.10", &some);
    assert_int_equal(some.failed, 1); /* secret */
    btz_results_risk(r, -1, "NIST-MEASURE-2.1", &some);
    assert_true(some.failed == 0 && some.passed == 0 && some.score == 0);
    btz_results_free(r);
}

/* Sixty rules of the lowest kind never outweigh one of the highest: halving bounds them at twice the worst. */
static void test_many_small(void **state)
{
    struct btz_rule rules[60];
    static char ids[60][24];
    static const char *const none[] = { NULL };
    struct btz_finding f[60];
    struct btz_risk risk;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(f); i++) {
        snprintf(ids[i], sizeof ids[i], "audit.small.%zu", i);
        rules[i] = (struct btz_rule){ ids[i], "t", BTZ_PRACTICE_AUDIT, BTZ_SEVERITY_LOW, none, "" };
        f[i] = (struct btz_finding){ .rule = &rules[i],
                                     .asset = fixture_demo,
                                     .severity = BTZ_SEVERITY_LOW,
                                     .value = NAN,
                                     .ci_low = NAN,
                                     .ci_high = NAN };
    }
    risk = risk_of(f, BTZ_COUNT(f));
    assert_true(risk.score > 10 && risk.score < 20);
}

static void test_has_failed(void **state)
{
    struct btz_results *r = fixture_results();
    (void)state;
    assert_true(btz_results_has_failed(r, BTZ_SEVERITY_CRITICAL));
    assert_true(btz_results_has_failed(r, BTZ_SEVERITY_INFO));
    btz_results_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),      cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_only_failures), cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_properties),    cmocka_unit_test(test_parts),
        cmocka_unit_test(test_many_small),    cmocka_unit_test(test_has_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
