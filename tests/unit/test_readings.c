/* Readings: disguised text is found, plain text stays quiet, work and memory are bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "text/codecs.h"

/* How the reading that holds `needle` came about, NULL when none does. */
static const char *found(struct btz_arena *arena, struct btz_slice in, unsigned depth,
                         const char *needle)
{
    const struct btz_reading *r = NULL;

    assert_int_equal(btz_text_readings(in, depth, arena, &r), BTZ_OK);
    assert_non_null(r);
    assert_string_equal(r->how, "plain");
    assert_true(btz_slice_equal(r->text, in));
    for (; r; r = r->next)
        if (btz_slice_has(r->text, needle))
            return r->how;
    return NULL;
}

/* Every encoding that has a way back, inside an ordinary sentence. */
static void test_each_encoding(void **state)
{
    static const struct {
        enum btz_encoding e;
        const char *needle, *how;
    } cases[] = {
        { BTZ_ENC_BASE64, "kestrelmarble code", "base64" },
        { BTZ_ENC_BASE32, "kestrelmarble code", "base32" },
        { BTZ_ENC_HEX, "kestrelmarble code", "hex" },
        { BTZ_ENC_ASCII85, "kestrelmarble code", "ascii85" },
        { BTZ_ENC_ROT13, "kestrelmarble code", "rot13" },
        { BTZ_ENC_ATBASH, "kestrelmarble code", "atbash" },
        { BTZ_ENC_REVERSE, "kestrelmarble code", "reverse" },
        { BTZ_ENC_URL, "kestrelmarble code", "url" },
        { BTZ_ENC_HTML, "kestrelmarble code", "html" },
        { BTZ_ENC_BINARY, "kestrelmarble code", "binary" },
        { BTZ_ENC_MORSE, "kestrelmarble code", "morse" },
        { BTZ_ENC_TAGS, "kestrelmarble code", "tags" },
        { BTZ_ENC_VARIATION, "kestrelmarble code", "variation" },
        { BTZ_ENC_SNEAKY, "kestrelmarble code", "sneaky" },
        { BTZ_ENC_SPACED, "kestrelmarble code", "spaced" },
        { BTZ_ENC_LEET, "kestrelmarble code", "leet" },
        { BTZ_ENC_UNICODE_ESCAPE, "kestrelmarble code", "unicode-escape" },
        { BTZ_ENC_NATO, "kestrelmarble", "nato" },
        { BTZ_ENC_PIGLATIN, "kestrelmarble code", "piglatin" },
        { BTZ_ENC_BIDI, "kestrelmarble code", "bidi" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(65536);
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const char *how;
        /* Whole-text ciphers stand alone, the others inside a sentence. */
        bool whole = cases[i].e == BTZ_ENC_PIGLATIN;

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(btz_buf_add_str(&text, whole ? "" : "Here it is: "), BTZ_OK);
        assert_int_equal(btz_text_encode(cases[i].e,
                                         btz_str(cases[i].e == BTZ_ENC_NATO ? "kestrelmarble"
                                                                            : "kestrelmarble code"),
                                         &text),
                         BTZ_OK);
        assert_int_equal(btz_buf_add_str(&text, whole ? "" : " - good luck."), BTZ_OK);
        how = found(&arena, btz_buf_slice(&text), 1, cases[i].needle);
        if (!how)
            print_message("not found: %.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&text)));
        assert_non_null(how);
        assert_string_equal(how, cases[i].how);
    }
}

static void test_more_forms(void **state)
{
    static const char *const texts[] = {
        "token=a2VzdHJlbG1hcmJsZQ&x=1",
        "the bytes are 6b 65 73 74 72 65 6c 6d 61 72 62 6c 65, as asked",
        "\\x6b\\x65\\x73\\x74\\x72\\x65\\x6c\\x6d\\x61\\x72\\x62\\x6c\\x65",
        "k-e-s-t-r-e-l-m-a-r-b-l-e",
        "k.e.s.t.r.e.l.m.a.r.b.l.e is it",
        "begin 644 x\n-:V5S=')E;&UA<F)L90``\n`\nend",
        "see =6Bestrelmarb=6Ce",
        "http://x.example/?q=%6Bestrelmarble",
        "elbramlertsek",
        "Keep\nEvery\nStone\nTurned\nRight\nEven\nLeft\nMany\nAre\nRound\nBut\nLate\nEvenings",
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        const char *how;

        btz_arena_init(&arena, 1 << 20);
        how = found(&arena, btz_str(texts[i]), 1,
                    i + 1 < BTZ_COUNT(texts) ? "kestrelmarble" : "KESTRELMARBLE");
        if (!how)
            print_message("not found: %s\n", texts[i]);
        assert_non_null(how);
    }
}

static void test_layers(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf one = BTZ_BUF(4096), two = BTZ_BUF(4096), three = BTZ_BUF(4096);
    BTZ_ARENA_SCOPE struct btz_arena arena;

    (void)state;
    btz_arena_init(&arena, 1 << 22);
    assert_int_equal(btz_text_encode(BTZ_ENC_ROT13, btz_str("kestrelmarble is the code"), &one),
                     BTZ_OK);
    assert_int_equal(btz_text_encode(BTZ_ENC_BASE64, btz_buf_slice(&one), &two), BTZ_OK);
    assert_int_equal(btz_text_encode(BTZ_ENC_HEX, btz_buf_slice(&two), &three), BTZ_OK);
    assert_null(found(&arena, btz_buf_slice(&two), 0, "kestrelmarble"));
    assert_null(found(&arena, btz_buf_slice(&two), 1, "kestrelmarble"));
    assert_string_equal(found(&arena, btz_buf_slice(&two), 2, "kestrelmarble"), "base64 > rot13");
    assert_null(found(&arena, btz_buf_slice(&three), 2, "kestrelmarble"));
    assert_string_equal(found(&arena, btz_buf_slice(&three), 3, "kestrelmarble"),
                        "hex > base64 > rot13");
    btz_buf_clear(&one);
    btz_buf_clear(&two);
    assert_int_equal(btz_text_encode(BTZ_ENC_REVERSE, btz_str("kestrelmarble"), &one), BTZ_OK);
    assert_int_equal(btz_text_encode(BTZ_ENC_LEET, btz_buf_slice(&one), &two), BTZ_OK);
    assert_non_null(found(&arena, btz_buf_slice(&two), 2, "kestrelmarble"));
}

/* Wrapped Base64, as mail programs write it. */
static void test_wrapped(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;

    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_string_equal(
        found(
            &arena,
            btz_str("Attached:\nVGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZyBhbmQg\n"
                    "dGhlIGtlc3RyZWxtYXJibGUgZmxpZXM=\nBye"),
            1, "lazy dog and the kestrelmarble flies"),
        "base64");
}

/* Prose has no decoded readings, only those of ciphers that fit everything. */
static void test_prose(void **state)
{
    static const char prose[] = "The committee met on Tuesday to discuss the budget for 2025. "
                                "Costs rose by 12 % to 4,300 euros -- "
                                "more than planned... Anna asked: \"Can we wait?\" and nobody "
                                "answered; see https://example.org/minutes "
                                "for the record. Instructions, responsibilities and deadlines "
                                "follow in a separate message.";
    const struct btz_reading *r = NULL;
    BTZ_ARENA_SCOPE struct btz_arena arena;

    (void)state;
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_text_readings(btz_str(prose), 1, &arena, &r), BTZ_OK);
    for (; r; r = r->next) {
        static const char *const fits[] = { "plain",   "rot13", "atbash",
                                            "reverse", "leet",  "acrostic" };
        bool expected = false;

        for (size_t i = 0; i < BTZ_COUNT(fits); i++)
            expected = expected || strcmp(r->how, fits[i]) == 0;
        if (!expected)
            print_message("%s: %.*s\n", r->how, BTZ_SLICE_ARG(r->text));
        assert_true(expected);
    }
}

static void check_bounds(struct btz_slice in, const char *what, uint64_t *work)
{
    const struct btz_reading *r = NULL;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    size_t count = 0, bytes = 0, most = 17 * (in.len < 256 ? 256 : in.len);

    btz_arena_init(&arena, 64 << 20);
    assert_int_equal(btz_text_readings_counted(in, 3, &arena, &r, work), BTZ_OK);
    for (; r; r = r->next) {
        count++;
        bytes += r->text.len;
    }
    if (count > 64 || bytes > most)
        print_message("%s: %zu readings, %zu bytes\n", what, count, bytes);
    assert_true(count <= 64);
    assert_true(bytes <= most);
}

/* Work is counted in bytes looked at: it may grow with the input, not with its square. */
static void test_bounded_work(void **state)
{
    static const char *const units[] = {
        "A",          "=",
        "0x",         "\\x",
        "%",          "%41",
        "&",          "&#",
        "-",          ". ",
        "- ",         "0 ",
        "01",         "        ",
        "xn--",       "a ",
        "a.",         "alfa ",
        "alfa,,,, ",  "a/",
        "aB+/",       "\n",
        "M\n",        "!",
        "~",          "\u202E\u2066",
        "\u2064",     "\u200B",
        "\U000E0041", "\uFE00",
        "6 ",         "AAAAAAAA ",
        "ay ",        "QUFBQUFBQUE9 ",
        "=41",        "1\t",
        "a-a-a-a ",   "-\x80",
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(units); i++) {
        uint64_t work[2] = { 0, 0 };

        for (int large = 0; large < 2; large++) {
            BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);

            while (text.len < (large ? 32768u : 2048u))
                assert_int_equal(btz_buf_add_str(&text, units[i]), BTZ_OK);
            check_bounds(btz_buf_slice(&text), units[i], &work[large]);
        }
        if (work[1] > 24 * work[0] || work[1] > 32768u * 2000u)
            print_message("\"%s\": %llu, then %llu\n", units[i], (unsigned long long)work[0],
                          (unsigned long long)work[1]);
        /* 16 times the input */
        assert_true(work[1] <= 24 * work[0]);
        assert_true(work[1] <= 32768u * 2000u);
    }
}

static void test_arena_limit(void **state)
{
    const struct btz_reading *r = NULL;
    BTZ_ARENA_SCOPE struct btz_arena arena;

    (void)state;
    btz_arena_init(&arena, 64);
    assert_int_equal(btz_text_readings(btz_str("the readings of this sentence take more than that"),
                                       2, &arena, &r),
                     BTZ_LIMIT);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_encoding), cmocka_unit_test(test_more_forms),
        cmocka_unit_test(test_layers),        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_prose),         cmocka_unit_test(test_bounded_work),
        cmocka_unit_test(test_arena_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
