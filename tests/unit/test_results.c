/* The keeping sink: copies, order, replacement, coverage, suppressions, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "finding_fixture.h"

static struct btz_results *fresh(void)
{
    struct btz_results *r = NULL;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    return r;
}

static void send(struct btz_results *r, const struct btz_finding *f)
{
    struct btz_sink *sink = btz_results_sink(r);
    assert_int_equal(sink->finding(sink, f), BTZ_OK);
}

static void test_copies(void **state)
{
    struct btz_results *r = fresh();
    char location[] = "probe x", name[] = "demo", bytes[] = "evidence", reason[] = "because";
    char address[] = "https://alice:s3cret@host.example/p@th", label[] = "transcript";
    struct btz_asset asset = { "endpoint", name, address };
    struct btz_evidence e;
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &asset, location, 1, 2, 0.0126, 0.9874);
    const struct btz_record *record;
    size_t count;
    (void)state;
    btz_evidence_set(&e, label, "text/plain", btz_str(bytes));
    f.reason = reason;
    f.evidence = &e;
    f.evidence_count = 1;
    send(r, &f);
    memset(location, 'X', 7);
    memset(name, 'X', 4);
    memset(bytes, 'X', 8);
    memset(reason, 'X', 7);
    memset(label, 'X', 10);
    memset(address, 'X', 30);
    memset(&e, 0, sizeof e);
    record = btz_results_records(r, &count);
    assert_int_equal(count, 1);
    assert_string_equal(record->finding.location, "probe x");
    assert_string_equal(record->finding.asset.name, "demo");
    assert_string_equal(record->finding.asset.address, "https://***@host.example/p@th");
    assert_string_equal(record->finding.reason, "because");
    assert_string_equal(record->finding.evidence[0].label, "transcript");
    assert_true(btz_slice_is(record->finding.evidence[0].bytes, "evidence"));
    assert_int_equal(record->status, BTZ_STATUS_OPEN);
    assert_null(record->status_reason);
    btz_results_free(r);
}

static void test_cleaned(void **state)
{
    struct btz_results *r = fresh();
    struct btz_asset asset = { NULL, "d\xff", "user@host" };
    struct btz_finding f = fixture_finding("redteam.leak.secret", &asset, NULL, 1, 2, NAN, NAN);
    char before[BTZ_FINGERPRINT_TEXT];
    const struct btz_record *record;
    size_t count;
    (void)state;
    btz_finding_fingerprint(&f, before);
    send(r, &f);
    record = btz_results_records(r, &count);
    assert_string_equal(record->finding.asset.name, "d\xEF\xBF\xBD");
    assert_string_equal(record->finding.asset.kind, "");
    assert_string_equal(record->finding.asset.address, "user@host");
    assert_string_equal(record->finding.location, "");
    assert_string_equal(record->fingerprint, before);
    btz_results_free(r);
}

static void test_refused(void **state)
{
    struct btz_results *r = fresh();
    struct btz_sink *sink = btz_results_sink(r);
    struct btz_finding good =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 2, 0.0126, 0.9874);
    struct btz_finding bad[8];
    size_t count;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        bad[i] = good;
    bad[0].rule = NULL;
    bad[1].k = 3;
    bad[2].n = UINT64_MAX;
    bad[3].ci_low = 0.99;
    bad[4].ci_high = NAN;
    bad[5].value = INFINITY;
    bad[6].ci_high = 1.5;
    bad[7].severity = (enum btz_severity)17;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(sink->finding(sink, &bad[i]), BTZ_INTERNAL);
    (void)btz_results_records(r, &count);
    assert_int_equal(count, 0);
    btz_results_free(r);
}

/* Every permutation of arrival gives the same order. */
static void test_order(void **state)
{
    static const char *const expected[] = {
        "redteam.leak.secret", "redteam.injection.override", "redteam.leak.canary",
        "redteam.exfil.link",  "redteam.jailbreak.persona",  "redteam.output.sql",
    };
    struct btz_finding f[6];
    (void)state;
    f[0] = fixture_finding("redteam.output.sql", &fixture_demo, "p", 0, 9, 0, 0.3363);
    f[1] = fixture_finding("redteam.jailbreak.persona", &fixture_demo, "p", 0, 0, NAN, NAN);
    f[1].outcome = BTZ_OUTCOME_NOT_EVALUATED;
    f[2] = fixture_finding("redteam.exfil.link", &fixture_demo, "p", 9, 9, 0.6637, 1);
    f[3] = fixture_finding("redteam.leak.canary", &fixture_demo, "p", 1, 9, 0.0028, 0.4825);
    f[4] = fixture_finding("redteam.injection.override", &fixture_demo, "p", 8, 9, 0.5175, 0.9972);
    f[5] = fixture_finding("redteam.leak.secret", &fixture_demo, "p", 1, 9, 0.0028, 0.4825);
    for (uint32_t seed = 0; seed < 50; seed++) {
        struct btz_results *r = fresh();
        const struct btz_record *records;
        struct btz_rng rng;
        size_t count;

        btz_rng_init(&rng, seed, 0);
        for (uint32_t left = 6; left > 0; left--) {
            uint32_t at = btz_rng_below(&rng, left);
            struct btz_finding picked = f[at];

            f[at] = f[left - 1];
            f[left - 1] = picked;
            send(r, &picked);
        }
        records = btz_results_records(r, &count);
        assert_int_equal(count, 6);
        for (size_t i = 0; i < 6; i++)
            assert_string_equal(records[i].finding.rule->id, expected[i]);
        btz_results_free(r);
    }
}

static void test_replaced(void **state)
{
    struct btz_results *r = fresh();
    const struct btz_record *records;
    size_t count;
    (void)state;
    /* More than the first allocation, twice over, with a sort in between. */
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            char location[32];
            struct btz_finding f;

            snprintf(location, sizeof location, "probe %u", i);
            f = fixture_finding("redteam.leak.secret", &fixture_demo, location, (uint64_t)round + 1,
                                10, 0.0025, 0.5561);
            send(r, &f);
        }
        records = btz_results_records(r, &count);
        assert_int_equal(count, 1000);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(records[i].finding.k, round + 1);
    }
    btz_results_free(r);
}

static void test_coverage(void **state)
{
    struct btz_results *r = fresh();
    struct btz_sink *sink = btz_results_sink(r);
    struct btz_coverage c = { BTZ_PRACTICE_REDTEAM, fixture_demo, "requests", 10, 7, 2, 1 };
    const struct btz_coverage *list;
    size_t count;
    (void)state;
    assert_int_equal(sink->coverage(sink, &c), BTZ_OK);
    assert_int_equal(sink->coverage(sink, &c), BTZ_OK);
    c.unit = "bytes";
    c.planned = UINT64_MAX;
    assert_int_equal(sink->coverage(sink, &c), BTZ_OK);
    assert_int_equal(sink->coverage(sink, &c), BTZ_OK);
    c.practice = BTZ_PRACTICE_COUNT;
    assert_int_equal(sink->coverage(sink, &c), BTZ_INTERNAL);
    list = btz_results_coverage(r, &count);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].unit, "bytes");
    assert_true(list[0].planned == UINT64_MAX);
    assert_int_equal(list[1].planned, 20);
    assert_int_equal(list[1].done, 14);
    assert_int_equal(list[1].skipped, 4);
    assert_int_equal(list[1].failed, 2);
    btz_results_free(r);
}

static void test_memory(void **state)
{
    struct btz_results *r = NULL;
    struct btz_sink *sink;
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "p", 1, 2, 0.0126, 0.9874);
    struct btz_evidence e;
    static char big[40000];
    enum btz_err err = BTZ_OK;
    const struct btz_record *records;
    size_t count, sent = 0;
    (void)state;
    memset(big, 'e', sizeof big);
    btz_evidence_set(&e, "transcript", "text/plain", btz_slice_of(big, sizeof big));
    f.evidence = &e;
    f.evidence_count = 1;
    assert_int_equal(btz_results_new_within(65536, &r), BTZ_OK);
    sink = btz_results_sink(r);
    /* Too large to be kept: the finding is, with the digest alone. */
    assert_int_equal(sink->finding(sink, &f), BTZ_OK);
    records = btz_results_records(r, &count);
    assert_int_equal(records[0].finding.evidence[0].bytes.len, 0);
    assert_memory_equal(records[0].finding.evidence[0].sha256, e.sha256, BTZ_SHA256_LEN);
    for (unsigned i = 0; i < 10000 && err == BTZ_OK; i++) {
        char location[32];

        snprintf(location, sizeof location, "probe %u", i);
        f.location = location;
        err = sink->finding(sink, &f);
        sent += err == BTZ_OK;
    }
    assert_int_equal(err, BTZ_LIMIT);
    (void)btz_results_records(r, &count);
    assert_int_equal(count, sent + 1);
    btz_results_free(r);
}

static void test_suppress(void **state)
{
    struct btz_results *r = fresh();
    const uint64_t now = 1780000000000;
    struct btz_finding f[4];
    struct btz_suppression list[] = {
        { "redteam.leak.*", "demo", "base64", "accepted", now + 1 },
        { "redteam.exfil.link", NULL, NULL, "old", now },
        { "redteam.injection.override", "other", NULL, "elsewhere", now + 1 },
    };
    const struct btz_record *records;
    size_t expired, count;
    (void)state;
    f[0] = fixture_finding("redteam.leak.secret", &fixture_demo, "transform base64", 9, 9, 0.66, 1);
    f[1] = fixture_finding("redteam.leak.secret", &fixture_demo, "transform hex", 9, 9, 0.66, 1);
    f[2] = fixture_finding("redteam.exfil.link", &fixture_demo, "p", 9, 9, 0.66, 1);
    f[3] = fixture_finding("redteam.leak.canary", &fixture_demo, "base64", 0, 9, 0, 0.3363);
    for (size_t i = 0; i < 4; i++)
        send(r, &f[i]);
    assert_int_equal(btz_results_suppress(r, list, 3, now, &expired), BTZ_OK);
    assert_int_equal(expired, 1);
    records = btz_results_records(r, &count);
    /* Open ones first, then the suppressed one, then what passed and is never suppressed. */
    assert_string_equal(records[0].finding.location, "transform hex");
    assert_int_equal(records[0].status, BTZ_STATUS_OPEN);
    assert_null(records[0].status_reason);
    assert_string_equal(records[1].finding.rule->id, "redteam.exfil.link");
    assert_int_equal(records[1].status, BTZ_STATUS_OPEN);
    assert_non_null(strstr(records[1].status_reason, "suppression expired 2026-05-28: old"));
    assert_string_equal(records[2].finding.location, "transform base64");
    assert_int_equal(records[2].status, BTZ_STATUS_SUPPRESSED);
    assert_string_equal(records[2].status_reason, "until 2026-05-28: accepted");
    assert_int_equal(records[3].status, BTZ_STATUS_OPEN);
    assert_true(btz_results_has_failed(r, BTZ_SEVERITY_CRITICAL));
    btz_results_free(r);
}

static void test_suppress_checked(void **state)
{
    const struct btz_suppression bad[] = {
        { "redteam.leak.secrets", NULL, NULL, "r", 1 },
        { "redteam.nothing.*", NULL, NULL, "r", 1 },
        { "redteam.leak.secret", NULL, NULL, " ", 1 },
        { "redteam.leak.secret", NULL, NULL, NULL, 1 },
        { "redteam.leak.secret", NULL, NULL, "r", 0 },
        { NULL, NULL, NULL, "r", 1 },
        { ".*", NULL, NULL, "r", 1 },
    };
    const struct btz_suppression good = { "redteam.*", NULL, NULL, "r", 1 };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_suppressions_check(&bad[i], 1), BTZ_USAGE);
    assert_int_equal(btz_suppressions_check(&bad[0], 1), BTZ_USAGE);
    assert_non_null(strstr(btz_error_detail(), "did you mean `redteam.leak.secret`"));
    assert_int_equal(btz_suppressions_check(&good, 1), BTZ_OK);
    /* The table of bartizan.yaml demands what the check demands. */
    for (size_t i = 0; i < btz_suppression_conf.count; i++) {
        const struct btz_conf_key *key = &btz_suppression_conf.keys[i];
        bool needed = strcmp(key->name, "rule") == 0 || strcmp(key->name, "reason") == 0 ||
                      strcmp(key->name, "expires") == 0;
        assert_int_equal(key->required, needed);
        assert_non_null(key->help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),           cmocka_unit_test(test_cleaned),
        cmocka_unit_test(test_refused),          cmocka_unit_test(test_order),
        cmocka_unit_test(test_replaced),         cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_memory),           cmocka_unit_test(test_suppress),
        cmocka_unit_test(test_suppress_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
