/* Names, evidence, fingerprints and the tee. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "finding_fixture.h"

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BTZ_SEVERITY_COUNT; i++) {
        enum btz_severity back;
        assert_true(btz_severity_parse(btz_severity_name((enum btz_severity)i), &back));
        assert_int_equal(back, i);
    }
    for (unsigned i = 0; i < BTZ_OUTCOME_COUNT; i++) {
        enum btz_outcome back;
        assert_true(btz_outcome_parse(btz_outcome_name((enum btz_outcome)i), &back));
        assert_int_equal(back, i);
    }
    for (unsigned i = 0; i < BTZ_STATUS_COUNT; i++) {
        enum btz_status back;
        assert_true(btz_status_parse(btz_status_name((enum btz_status)i), &back));
        assert_int_equal(back, i);
    }
    for (unsigned i = 0; i < BTZ_PRACTICE_COUNT; i++) {
        enum btz_practice back;
        assert_true(btz_practice_parse(btz_practice_name((enum btz_practice)i), &back));
        assert_int_equal(back, i);
        assert_true(strlen(btz_practice_title((enum btz_practice)i)) > 3);
    }
    {
        enum btz_severity s;
        assert_false(btz_severity_parse("High", &s));
        assert_false(btz_severity_parse("", &s));
    }
    assert_string_equal(btz_outcome_name(BTZ_OUTCOME_NOT_EVALUATED), "not-evaluated");
    assert_string_equal(btz_severity_name((enum btz_severity)99), "unknown");
}

static void test_evidence(void **state)
{
    struct btz_evidence e;
    char hex[65];
    (void)state;
    btz_evidence_set(&e, "transcript", "text/plain", btz_str("abc"));
    btz_hex(e.sha256, sizeof e.sha256, hex);
    /* FIPS 180-4 example. */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(btz_slice_is(e.bytes, "abc"));
}

static void print_of(const char *kind, const char *name, const char *location, uint64_t k,
                     char out[BTZ_FINGERPRINT_TEXT])
{
    struct btz_asset asset = { kind, name, "https://somewhere.example/" };
    struct btz_finding f = fixture_finding("redteam.leak.secret", &asset, location, k, 10, 0, 1);

    btz_finding_fingerprint(&f, out);
}

static void test_fingerprint(void **state)
{
    /* printf '\0\0\0\0\0\0\0\x13redteam.leak.secret\0\0\0\0\0\0\0\x08endpoint\0\0\0\0\0\0\0\x04demo\0\0\0\0\0\0\0\x07probe
     * x' | sha256sum | cut -c1-32 */
    static const char expected[] = "c83a7351b9fe89b49481d9e380a5d68d";
    char a[BTZ_FINGERPRINT_TEXT], b[BTZ_FINGERPRINT_TEXT];
    (void)state;
    print_of("endpoint", "demo", "probe x", 1, a);
    assert_string_equal(a, expected);
    print_of("endpoint", "demo", "probe x", 9, b);
    assert_string_equal(a, b);
    print_of("model", "demo", "probe x", 1, b);
    assert_string_not_equal(a, b);
    /* Lengths keep neighbours apart. */
    print_of("endpoint", "demop", "robe x", 1, b);
    assert_string_not_equal(a, b);
    print_of("endpoint", "demo", NULL, 1, a);
    print_of("endpoint", "demo", "", 1, b);
    assert_string_equal(a, b);
    /* Ill-formed bytes have the identity of what a report shows in their place. */
    print_of("endpoint", "demo", "x\xff", 1, a);
    print_of("endpoint", "demo", "x\xEF\xBF\xBD", 1, b);
    assert_string_equal(a, b);
}

struct counter {
    struct btz_sink sink;
    int findings, coverages, progresses;
    enum btz_err answer;
};

static enum btz_err count_finding(struct btz_sink *s, const struct btz_finding *f)
{
    struct counter *c = (struct counter *)s;
    (void)f;
    c->findings++;
    return c->answer;
}

static enum btz_err count_coverage(struct btz_sink *s, const struct btz_coverage *v)
{
    struct counter *c = (struct counter *)s;
    (void)v;
    c->coverages++;
    return c->answer;
}

static void count_progress(struct btz_sink *s, const struct btz_progress *p)
{
    (void)p;
    ((struct counter *)s)->progresses++;
}

static void test_tee(void **state)
{
    struct counter a = { { count_finding, count_coverage, count_progress }, 0, 0, 0, BTZ_OK };
    struct counter b = { { count_finding, count_coverage, NULL }, 0, 0, 0, BTZ_OK };
    struct counter c = { { count_finding, count_coverage, count_progress }, 0, 0, 0, BTZ_OK };
    struct btz_sink *const to[] = { &a.sink, &b.sink, &c.sink };
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 1, 0.025, 1);
    struct btz_coverage v = { .practice = BTZ_PRACTICE_REDTEAM };
    struct btz_progress p = { .stage = "probing" };
    struct btz_tee tee;
    (void)state;
    btz_tee_init(&tee, to, 3);
    assert_int_equal(tee.sink.finding(&tee.sink, &f), BTZ_OK);
    assert_int_equal(tee.sink.coverage(&tee.sink, &v), BTZ_OK);
    tee.sink.progress(&tee.sink, &p);
    assert_int_equal(a.findings + b.findings + c.findings, 3);
    assert_int_equal(a.coverages + b.coverages + c.coverages, 3);
    assert_int_equal(a.progresses + c.progresses, 2);
    b.answer = BTZ_IO;
    assert_int_equal(tee.sink.finding(&tee.sink, &f), BTZ_IO);
    assert_int_equal(tee.sink.coverage(&tee.sink, &v), BTZ_IO);
    assert_int_equal(a.findings, 2);
    assert_int_equal(c.findings, 1);
    assert_int_equal(c.coverages, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_tee),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
