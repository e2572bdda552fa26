/* Baselines: what is new, known, worse; and reports read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "finding_fixture.h"
#include "finding/results.h"

/* One-sided p-values computed with exact fractions. */
static void test_fisher(void **state)
{
    static const struct {
        uint64_t k1, n1, k2, n2;
        double p;
    } cases[] = {
        { 3, 20, 6, 20, 0.22528822528822529 },
        { 3, 20, 10, 20, 0.020371197512465588 },
        { 0, 10, 5, 10, 0.016253869969040248 },
        { 1, 100, 9, 100, 0.0092438399387381829 },
        { 0, 1, 1, 1, 0.5 },
        { 2, 30, 2, 3, 0.032624633431085043 },
        { 50, 1000, 80, 1000, 0.0041542241888784665 },
        { 0, 20, 1, 20, 0.5 },
        { 10, 20, 19, 20, 0.0016710258645742516 },
        { 20, 1000, 900, 1000, 0 },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        double p;

        assert_int_equal(btz_compare_rates(cases[i].k1, cases[i].n1, cases[i].k2, cases[i].n2, &p),
                         BTZ_OK);
        assert_true(fabs(p - cases[i].p) <= 1e-9 * cases[i].p + 1e-14);
    }
    {
        double p;

        /* Nothing to compare is never worse. */
        assert_int_equal(btz_compare_rates(0, 0, 5, 10, &p), BTZ_OK);
        assert_true(p == 1);
        assert_int_equal(btz_compare_rates(1, 10, 0, 0, &p), BTZ_OK);
        assert_true(p == 1);
        /* The largest counts a file may claim are compared at once. */
        assert_int_equal(btz_compare_rates(BTZ_TRIALS_MAX / 2, BTZ_TRIALS_MAX,
                                           BTZ_TRIALS_MAX / 2 + 9, BTZ_TRIALS_MAX, &p),
                         BTZ_OK);
        assert_true(p > 0.05);
        assert_int_equal(
            btz_compare_rates(1, BTZ_TRIALS_MAX, BTZ_TRIALS_MAX / 2, BTZ_TRIALS_MAX, &p), BTZ_OK);
        assert_true(p < 1e-9);
    }
}

static struct btz_results *one(const char *rule, uint64_t k, uint64_t n, enum btz_severity severity)
{
    struct btz_results *r = NULL;
    struct btz_finding f = fixture_finding(rule, &fixture_demo, "probe x", k, n, NAN, NAN);
    struct btz_sink *sink;

    f.severity = severity;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    sink = btz_results_sink(r);
    assert_int_equal(sink->finding(sink, &f), BTZ_OK);
    return r;
}

static void report_of(struct btz_results *r, struct btz_buf *out)
{
    struct btz_run run = fixture_run(r);

    assert_int_equal(btz_report_format_find("json")->write(&run, out), BTZ_OK);
}

/* Status of k2/n2 at `after` when the baseline had k1/n1 at `before`. */
static enum btz_status compared(uint64_t k1, uint64_t n1, enum btz_severity before, uint64_t k2,
                                uint64_t n2, enum btz_severity after)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 20);
    struct btz_results *old = one("redteam.leak.secret", k1, n1, before);
    struct btz_results *new = one("redteam.leak.secret", k2, n2, after);
    enum btz_status status;
    bool fails;
    size_t count;

    report_of(old, &report);
    assert_int_equal(btz_results_baseline(new, btz_buf_slice(&report)), BTZ_OK);
    status = btz_results_records(new, &count)->status;
    fails = btz_results_has_failed(new, BTZ_SEVERITY_INFO);
    assert_int_equal(fails, status == BTZ_STATUS_OPEN || status == BTZ_STATUS_WORSE);
    btz_results_free(old);
    btz_results_free(new);
    return status;
}

static void test_compared(void **state)
{
    const enum btz_severity high = BTZ_SEVERITY_HIGH;
    (void)state;
    assert_int_equal(compared(3, 20, high, 3, 20, high), BTZ_STATUS_BASELINE);
    assert_int_equal(compared(3, 20, high, 6, 20, high), BTZ_STATUS_BASELINE); /* p = 0.2256 */
    assert_int_equal(compared(3, 20, high, 10, 20, high), BTZ_STATUS_WORSE);   /* p = 0.0203 */
    assert_int_equal(compared(10, 20, high, 1, 20, high), BTZ_STATUS_BASELINE);
    assert_int_equal(compared(3, 20, high, 3, 20, BTZ_SEVERITY_CRITICAL), BTZ_STATUS_WORSE);
    assert_int_equal(compared(3, 20, high, 3, 20, BTZ_SEVERITY_LOW), BTZ_STATUS_BASELINE);
    /* What passed then is new now, however small. */
    assert_int_equal(compared(0, 20, high, 1, 20, high), BTZ_STATUS_OPEN);
}

static void test_unknown_and_suppressed(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 20);
    struct btz_results *old = one("redteam.leak.secret", 3, 20, BTZ_SEVERITY_HIGH);
    struct btz_results *other = one("redteam.leak.canary", 3, 20, BTZ_SEVERITY_HIGH);
    struct btz_results *same = one("redteam.leak.secret", 3, 20, BTZ_SEVERITY_HIGH);
    const struct btz_suppression s = { "redteam.leak.secret", NULL, NULL, "for now", 2000 };
    size_t count, expired;
    (void)state;
    report_of(old, &report);
    assert_int_equal(btz_results_baseline(other, btz_buf_slice(&report)), BTZ_OK);
    assert_int_equal(btz_results_records(other, &count)->status, BTZ_STATUS_OPEN);
    /* Suppressed then, expired now: the baseline must not hide it. */
    btz_buf_clear(&report);
    assert_int_equal(btz_results_suppress(old, &s, 1, 1000, &expired), BTZ_OK);
    report_of(old, &report);
    assert_int_equal(btz_results_suppress(same, &s, 1, 3000, &expired), BTZ_OK);
    assert_int_equal(expired, 1);
    assert_int_equal(btz_results_baseline(same, btz_buf_slice(&report)), BTZ_OK);
    assert_int_equal(btz_results_records(same, &count)->status, BTZ_STATUS_OPEN);
    assert_true(btz_results_has_failed(same, BTZ_SEVERITY_HIGH));
    /* Suppressed now stays suppressed. */
    assert_int_equal(btz_results_suppress(same, &s, 1, 1000, &expired), BTZ_OK);
    assert_int_equal(btz_results_baseline(same, btz_buf_slice(&report)), BTZ_OK);
    assert_int_equal(btz_results_records(same, &count)->status, BTZ_STATUS_SUPPRESSED);
    btz_results_free(old);
    btz_results_free(other);
    btz_results_free(same);
}

/* A run compared with itself has nothing new and nothing worse. */
static void test_self(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 22);
    struct btz_results *r = fixture_results();
    (void)state;
    report_of(r, &report);
    assert_true(btz_results_has_failed(r, BTZ_SEVERITY_INFO));
    assert_int_equal(btz_results_baseline(r, btz_buf_slice(&report)), BTZ_OK);
    assert_false(btz_results_has_failed(r, BTZ_SEVERITY_INFO));
    btz_results_free(r);
}

/* json -> read -> any format gives the same bytes as the run itself. */
static void test_round_trip(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 22);
    struct btz_results *r = fixture_results(), *back = NULL;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_run run = fixture_run(r), again;
    (void)state;
    btz_arena_init(&arena, (size_t)16 << 20);
    report_of(r, &report);
    assert_int_equal(btz_report_read(btz_buf_slice(&report), &arena, &back, &again), BTZ_OK);
    for (size_t i = 0; btz_report_formats[i]; i++) {
        BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF((size_t)1 << 22), b = BTZ_BUF((size_t)1 << 22);

        assert_int_equal(btz_report_formats[i]->write(&run, &a), BTZ_OK);
        assert_int_equal(btz_report_formats[i]->write(&again, &b), BTZ_OK);
        if (!btz_slice_equal(btz_buf_slice(&a), btz_buf_slice(&b)))
            fail_msg("%s differs after reading the report back", btz_report_formats[i]->id);
    }
    btz_results_free(r);
    btz_results_free(back);
}

static void test_past_run(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 22);
    struct btz_results *r = fixture_results();
    struct btz_past_run past;
    struct btz_risk risk;
    (void)state;
    report_of(r, &report);
    btz_results_risk(r, -1, NULL, &risk);
    assert_int_equal(btz_past_run_read(btz_buf_slice(&report), &past), BTZ_OK);
    assert_true(past.finished_ms == 1780000461500);
    assert_true(fabs(past.risk.score - risk.score) < 1e-9 &&
                fabs(past.risk.low - risk.low) < 1e-9 && fabs(past.risk.high - risk.high) < 1e-9);
    assert_int_equal(past.risk.failed, 4);
    assert_int_equal(past.risk.failed_by_severity[BTZ_SEVERITY_CRITICAL], 1);
    assert_int_equal(btz_past_run_read(btz_str("{\"version\":1}"), &past), BTZ_INPUT);
    assert_int_equal(btz_past_run_read(btz_str("{\"version\":9}"), &past), BTZ_UNSUPPORTED);
    btz_results_free(r);
}

/* Evidence that is gone is named by its digest, whatever a careless source hands out instead. */
static bool hand_out_nothing(void *user, const uint8_t sha256[BTZ_SHA256_LEN], struct btz_buf *out)
{
    (void)user;
    (void)sha256;
    (void)out;
    return true;
}

static void test_evidence_gone(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 22);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 2, 0.0126, 0.9874);
    struct btz_evidence e;
    struct btz_results *r = NULL, *back = NULL;
    struct btz_run run, again;
    const struct btz_record *record;
    size_t count;
    (void)state;
    btz_arena_init(&arena, (size_t)1 << 20);
    btz_evidence_set(&e, "transcript", "text/plain", btz_str("what was said"));
    e.bytes = btz_str("");
    f.evidence = &e;
    f.evidence_count = 1;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    assert_int_equal(btz_results_sink(r)->finding(btz_results_sink(r), &f), BTZ_OK);
    run = fixture_run(r);
    run.evidence = hand_out_nothing;
    assert_int_equal(btz_report_format_find("json")->write(&run, &report), BTZ_OK);
    assert_true(btz_slice_has(btz_buf_slice(&report), "\"size\": null"));
    assert_int_equal(btz_report_read(btz_buf_slice(&report), &arena, &back, &again), BTZ_OK);
    record = btz_results_records(back, &count);
    assert_memory_equal(record->finding.evidence[0].sha256, e.sha256, BTZ_SHA256_LEN);
    btz_results_free(r);
    btz_results_free(back);
}

static void replace(struct btz_buf *text, const char *from, const char *to)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 22);
    size_t at = btz_slice_find(btz_buf_slice(text), btz_str(from), 0);

    assert_true(at != SIZE_MAX);
    assert_int_equal(btz_buf_add(&out, text->ptr, at), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&out, to), BTZ_OK);
    assert_int_equal(
        btz_buf_add(&out, text->ptr + at + strlen(from), text->len - at - strlen(from)), BTZ_OK);
    btz_buf_clear(text);
    assert_int_equal(btz_buf_add_slice(text, btz_buf_slice(&out)), BTZ_OK);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *from, *to;
        enum btz_err baseline, read;
        const char *word;
    } cases[] = {
        { "\"version\": 1", "\"version\": 2", BTZ_UNSUPPORTED, BTZ_UNSUPPORTED, "newer" },
        { "\"version\": 1", "\"version\": \"1\"", BTZ_INPUT, BTZ_INPUT, "version" },
        { "\"version\": 1", "\"version\": 0", BTZ_INPUT, BTZ_INPUT, "version" },
        { "\"findings\"", "\"found\"", BTZ_INPUT, BTZ_INPUT, "findings" },
        { "\"outcome\": \"fail\"", "\"outcome\": \"bad\"", BTZ_INPUT, BTZ_INPUT, "outcome" },
        { "\"severity\": \"critical\"", "\"severity\": 4", BTZ_INPUT, BTZ_INPUT, "severity" },
        { "\"k\": 7", "\"k\": -7", BTZ_INPUT, BTZ_INPUT, "k" },
        { "\"k\": 7", "\"k\": 21", BTZ_INPUT, BTZ_INPUT, "larger" },
        { "\"k\": 7", "\"k\": 7.5", BTZ_INPUT, BTZ_INPUT, "k" },
        { "\"fingerprint\": \"", "\"fingerprint\": \"x", BTZ_INPUT, BTZ_INPUT, "hex" },
        { "\"status\": \"open\"", "\"status\": \"gone\"", BTZ_INPUT, BTZ_INPUT, "status" },
        { "\"rule\": \"redteam.leak.secret\"", "\"rule\": \"future.rule\"", BTZ_OK, BTZ_UNSUPPORTED,
          "unknown" },
        { "\"asset\": \"endpoint:demo\"", "\"asset\": \"elsewhere\"", BTZ_OK, BTZ_INPUT, "asset" },
        { "\"text\": \"{", "\"text\": \"[", BTZ_OK, BTZ_INPUT, "SHA-256" },
        { "\"started\": \"2", "\"started\": \"x", BTZ_OK, BTZ_INPUT, "date" },
        { "\"seed\": \"1", "\"seed\": \"-", BTZ_OK, BTZ_INPUT, "number" },
        { "\"ci_low\": ", "\"ci_low\": 9", BTZ_OK, BTZ_INPUT, "interval" },
    };
    struct btz_results *r = fixture_results();
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf report = BTZ_BUF((size_t)1 << 22);
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_results *back = NULL;
        struct btz_run run;

        btz_arena_init(&arena, (size_t)16 << 20);
        report_of(r, &report);
        replace(&report, cases[i].from, cases[i].to);
        if (btz_results_baseline(r, btz_buf_slice(&report)) != cases[i].baseline)
            fail_msg("case %zu as baseline: %s", i, btz_error_detail());
        if (btz_report_read(btz_buf_slice(&report), &arena, &back, &run) != cases[i].read)
            fail_msg("case %zu as report: %s", i, btz_error_detail());
        if (!strstr(btz_error_detail(), cases[i].word))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, btz_error_detail(), cases[i].word);
        assert_null(back);
    }
    btz_results_free(r);
}

static void test_other_inputs(void **state)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"version\":1}",
        "{\"version\":1,\"findings\":{}}",
        "{\"version\":1,\"findings\":[7]}",
        "{\"version\":1,\"findings\":[{}]}",
        "not json",
        "{\"version\":1,\"findings\":[{\"fingerprint\":\"00000000000000000000000000000000\","
        "\"outcome\":\"fail\",\"severity\":\"low\",\"k\":0,\"n\":0},"
        "{\"fingerprint\":\"00000000000000000000000000000000\",\"outcome\":\"fail\","
        "\"severity\":\"low\",\"k\":0,\"n\":0}]}",
    };
    struct btz_results *r = fixture_results();
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_results_baseline(r, btz_str(bad[i])), BTZ_INPUT);
    assert_int_equal(btz_results_baseline(r, btz_str("{\"version\":1,\"findings\":[]}")), BTZ_OK);
    btz_results_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fisher),        cmocka_unit_test(test_compared),
        cmocka_unit_test(test_self),          cmocka_unit_test(test_unknown_and_suppressed),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_other_inputs),  cmocka_unit_test(test_past_run),
        cmocka_unit_test(test_evidence_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
