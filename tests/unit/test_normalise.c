/* Normal forms: UAX #15 and UTS #39 samples, the short cut against libunistring, idempotence, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <unicase.h>
#include <uninorm.h>

#include "text/text.h"
#include "text/unicode.h"

static void expect(unsigned what, const char *in, const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf made = BTZ_BUF(1 << 20);

    assert_int_equal(btz_text_normalise(btz_str(in), what, &made), BTZ_OK);
    if (!btz_slice_is(btz_buf_slice(&made), out))
        print_message("\"%s\" became \"%.*s\", expected \"%s\"\n", in,
                      BTZ_SLICE_ARG(btz_buf_slice(&made)), out);
    assert_true(btz_slice_is(btz_buf_slice(&made), out));
}

/* Figures 4 to 6 of UAX #15 and CaseFolding.txt. */
static void test_standards(void **state)
{
    (void)state;
    expect(BTZ_NORM_NFKC, "\uFB01", "fi");
    expect(BTZ_NORM_NFKC, "2\u2075", "25");
    expect(BTZ_NORM_NFKC, "\u1E9B\u0323", "\u1E69");
    expect(BTZ_NORM_NFKC, "A\u030A", "\u00C5");
    expect(BTZ_NORM_NFKC, "\u212B", "\u00C5");
    expect(BTZ_NORM_NFKC, "\u1100\u1161\u11A8", "\uAC01");
    expect(BTZ_NORM_NFKC, "\uFF33\uFF45\uFF43", "Sec");
    expect(BTZ_NORM_NFKC, "\U0001D4E2\U0001D556\u24D2", "Sec");
    expect(BTZ_NORM_CASEFOLD, "Stra\u00DFe \u1E9E \u0130", "strasse ss i\u0307");
    expect(BTZ_NORM_CASEFOLD, "\u03A3\u03C2", "\u03C3\u03C3");
    expect(BTZ_NORM_NFKC, "plain ASCII stays\n", "plain ASCII stays\n");
    /* Ill-formed bytes, maximal subparts (Unicode 15, table 3-8). */
    expect(0, "a\xF1\x80\x80z\xE1\x80z\xC2z", "a\uFFFDz\uFFFDz\uFFFDz");
}

static void test_disguises(void **state)
{
    (void)state;
    expect(BTZ_NORM_MATCH, "I\u2019m \u201Csorry\u201D \u2013 no\u2026", "i'm \"sorry\" - no...");
    expect(BTZ_NORM_MATCH, "s\u200Be\u00ADc\u2060r\uFEFFe\U000E0041t\uFE0F", "secret");
    expect(BTZ_NORM_MATCH, "\u0455\u0435\u0441\u0433\u0435\u0442", "secret"); /* Cyrillic */
    expect(BTZ_NORM_MATCH, "\u0405\u0415\u0421R\u0395\u03A4", "secret"); /* and Greek capitals */
    expect(BTZ_NORM_MATCH, "\U0001F182\U0001F174\U0001F172\U0001F161\U0001F174\U0001F183",
           "secret");
    expect(BTZ_NORM_MATCH, "\U0001D42C\u1D07\u1D04\u0280\u1D07\u1D1B",
           "secret"); /* bold, small capitals */
    expect(BTZ_NORM_MATCH, "\uA4E2\uA4F0\uA4DA\uA4E3\uA4F0\uA4D4", "secret"); /* Lisu */
    expect(BTZ_NORM_MATCH, "\u0661\u0662\u09EA \u2460\u278A", "124 11");
    expect(BTZ_NORM_MATCH, "  a\t\n b \u00A0\u3000c ", "a b c");
    expect(BTZ_NORM_MATCH | BTZ_NORM_ALNUM, "s-e c.r.e-t\u200D!", "secret");
    expect(BTZ_NORM_MATCH | BTZ_NORM_ALNUM, "\u1100-\u1161", "\uAC00");
    expect(BTZ_NORM_ALNUM, "\u4F60\u597D, Stra\u00DFe 7!", "\u4F60\u597DStra\u00DFe7");
    expect(BTZ_NORM_MATCH | BTZ_NORM_MARKS, "s\u0337\u0335e\u0301\u0316c\u0489r\u00E9t\u0338",
           "secret");
    expect(BTZ_NORM_MARKS, "\u00E9\u00FC\u00F1", "eun");
    expect(BTZ_NORM_INVISIBLE, "\u202Eevil\u202C \u2066x\u2069", "evil x");
    expect(BTZ_NORM_MATCH, "", "");
    expect(BTZ_NORM_MATCH, " \u3000 ", "");
    assert_true(btz_unicode_twins_sorted());
    assert_int_equal(btz_unicode_ascii_twin('a'), 'a');
    assert_int_equal(btz_unicode_ascii_twin(0x4E00), 0x4E00);
}

/* Text that takes the short cut and text that does not, mixed at random. */
static void random_text(struct btz_rng *rng, struct btz_buf *out)
{
    static const uint32_t from[][2] = {
        { ' ', '~' },       { 0xC0, 0xFF },     { 0x391, 0x3C9 },   { 0x400, 0x45F },
        { 0x5D0, 0x5EA },   { 0x621, 0x64A },   { 0x3001, 0x30FA }, { 0x4E00, 0x4E80 },
        { 0xAC00, 0xAC40 }, { 0xFF01, 0xFF5E }, { 0x300, 0x330 },   { 0x1100, 0x11A8 },
        { 0x1E00, 0x1EFF }, { 0x100, 0x17F },   { 0x370, 0x1FFF },  { 0x1D400, 0x1D7FF },
    };
    unsigned n = btz_rng_below(rng, 24), simple = btz_rng_below(rng, 2);

    btz_buf_clear(out);
    for (unsigned i = 0; i < n; i++) {
        const uint32_t *r = from[btz_rng_below(rng, simple ? 10 : BTZ_COUNT(from))];

        assert_int_equal(btz_buf_add_utf8(out, r[0] + btz_rng_below(rng, r[1] - r[0] + 1)), BTZ_OK);
    }
}

/* The reference: libunistring over the whole text at once. */
static void test_against_libunistring(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096), made = BTZ_BUF(65536);
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 11, 1);
    for (int round = 0; round < 20000; round++) {
        size_t n1, n2, n3;
        uint8_t *one, *two, *three;

        random_text(&rng, &text);
        one = u8_normalize(UNINORM_NFKC, text.ptr, text.len, NULL, &n1);
        btz_buf_clear(&made);
        assert_int_equal(btz_text_normalise(btz_buf_slice(&text), BTZ_NORM_NFKC, &made), BTZ_OK);
        assert_true(btz_slice_equal(btz_buf_slice(&made), btz_slice_of(one, n1)));
        two = u8_casefold(one, n1, NULL, NULL, NULL, &n2);
        three = u8_normalize(UNINORM_NFKC, two, n2, NULL, &n3);
        btz_buf_clear(&made);
        assert_int_equal(
            btz_text_normalise(btz_buf_slice(&text), BTZ_NORM_NFKC | BTZ_NORM_CASEFOLD, &made),
            BTZ_OK);
        assert_true(btz_slice_equal(btz_buf_slice(&made), btz_slice_of(three, n3)));
        free(one);
        free(two);
        free(three);
    }
}

static void test_idempotent(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096), once = BTZ_BUF(65536),
                                   twice = BTZ_BUF(65536);
    static const unsigned forms[] = { BTZ_NORM_NFKC, BTZ_NORM_MATCH,
                                      BTZ_NORM_MATCH | BTZ_NORM_ALNUM,
                                      BTZ_NORM_MATCH | BTZ_NORM_MARKS };
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 12, 1);
    for (int round = 0; round < 20000; round++) {
        unsigned what = forms[round % 4];

        random_text(&rng, &text);
        btz_buf_clear(&once);
        btz_buf_clear(&twice);
        assert_int_equal(btz_text_normalise(btz_buf_slice(&text), what, &once), BTZ_OK);
        assert_int_equal(btz_text_normalise(btz_buf_slice(&once), what, &twice), BTZ_OK);
        if (!btz_slice_equal(btz_buf_slice(&once), btz_buf_slice(&twice)))
            print_message("form %x of \"%.*s\": \"%.*s\", then \"%.*s\"\n", what,
                          BTZ_SLICE_ARG(btz_buf_slice(&text)), BTZ_SLICE_ARG(btz_buf_slice(&once)),
                          BTZ_SLICE_ARG(btz_buf_slice(&twice)));
        assert_true(btz_slice_equal(btz_buf_slice(&once), btz_buf_slice(&twice)));
        assert_true(btz_is_utf8(btz_buf_slice(&once)));
    }
}

static void test_limits(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf small = BTZ_BUF(8), marks = BTZ_BUF(1 << 20),
                                   out = BTZ_BUF(1 << 22);

    (void)state;
    assert_int_equal(btz_text_normalise(btz_str("123456789"), BTZ_NORM_MATCH, &small), BTZ_LIMIT);
    assert_int_equal(btz_text_normalise(btz_str("\uFDFA\uFDFA"), BTZ_NORM_NFKC, &small), BTZ_LIMIT);
    assert_int_equal(small.len, 0);
    /* A letter under 100,000 marks in falling order, which have to be sorted. */
    assert_int_equal(btz_buf_add_byte(&marks, 'a'), BTZ_OK);
    for (int i = 0; i < 50000; i++)
        assert_int_equal(btz_buf_add_str(&marks, i % 2 ? "\u0301" : "\u0327"), BTZ_OK);
    assert_int_equal(btz_text_normalise(btz_buf_slice(&marks), BTZ_NORM_MATCH, &out), BTZ_OK);
    assert_int_equal(out.len, 2 * 50000); /* one acute joined the letter: U+00E1 has two bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standards),
        cmocka_unit_test(test_disguises),
        cmocka_unit_test(test_against_libunistring),
        cmocka_unit_test(test_idempotent),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
