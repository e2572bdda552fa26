/* Encodings: published vectors, round trips, malformed inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/text.h"

static void encodes(enum btz_encoding e, const char *in, const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf made = BTZ_BUF(65536);

    assert_int_equal(btz_text_encode(e, btz_str(in), &made), BTZ_OK);
    if (!btz_slice_is(btz_buf_slice(&made), out))
        print_message("%s of \"%s\": \"%.*s\", expected \"%s\"\n", btz_encoding_name(e), in,
                      BTZ_SLICE_ARG(btz_buf_slice(&made)), out);
    assert_true(btz_slice_is(btz_buf_slice(&made), out));
}

static void decodes(enum btz_encoding e, const char *in, const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf made = BTZ_BUF(65536);
    enum btz_err err = btz_text_decode(e, btz_str(in), &made);

    if (err != BTZ_OK || !btz_slice_is(btz_buf_slice(&made), out))
        print_message("%s \"%s\" read as \"%.*s\", expected \"%s\"\n", btz_encoding_name(e), in,
                      BTZ_SLICE_ARG(btz_buf_slice(&made)), out);
    assert_int_equal(err, BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&made), out));
}

static void both(enum btz_encoding e, const char *plain, const char *coded)
{
    encodes(e, plain, coded);
    decodes(e, coded, plain);
}

static void refuses(enum btz_encoding e, const char *in)
{
    BTZ_BUF_RELEASE struct btz_buf made = BTZ_BUF(65536);

    assert_int_equal(btz_buf_add_str(&made, "kept"), BTZ_OK);
    assert_int_equal(btz_text_decode(e, btz_str(in), &made), BTZ_INPUT);
    assert_true(btz_slice_is(btz_buf_slice(&made), "kept"));
}

/* RFC 4648 section 10. */
static void test_rfc4648(void **state)
{
    static const char *const v[][5] = {
        { "f", "Zg==", "MY======", "CO======", "66" },
        { "fo", "Zm8=", "MZXQ====", "CPNG====", "666F" },
        { "foo", "Zm9v", "MZXW6===", "CPNMU===", "666F6F" },
        { "foob", "Zm9vYg==", "MZXW6YQ=", "CPNMUOG=", "666F6F62" },
        { "fooba", "Zm9vYmE=", "MZXW6YTB", "CPNMUOJ1", "666F6F6261" },
        { "foobar", "Zm9vYmFy", "MZXW6YTBOI======", "CPNMUOJ1E8======", "666F6F626172" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(v); i++) {
        both(BTZ_ENC_BASE64, v[i][0], v[i][1]);
        both(BTZ_ENC_BASE32, v[i][0], v[i][2]);
        both(BTZ_ENC_BASE32HEX, v[i][0], v[i][3]);
        both(BTZ_ENC_HEX, v[i][0], v[i][4]);
    }
    decodes(BTZ_ENC_BASE64, "Zm9v\nYmE", "fooba");
    decodes(BTZ_ENC_BASE64, "_-8", "\xFF\xEF");
    decodes(BTZ_ENC_BASE32, "mzxw6ytboi", "foobar");
    decodes(BTZ_ENC_HEX, "0x66 0x6f, 6f:\\x62", "foob");
    refuses(BTZ_ENC_BASE64, "Zm9vY");
    refuses(BTZ_ENC_BASE64, "Zm9v=");
    refuses(BTZ_ENC_BASE64, "Zm=9v");
    refuses(BTZ_ENC_BASE64, "Zm 9 v!");
    refuses(BTZ_ENC_BASE64, "");
    refuses(BTZ_ENC_BASE64, "====");
    refuses(BTZ_ENC_BASE32, "MZXW6YTBO");
    refuses(BTZ_ENC_BASE32, "M1");
    refuses(BTZ_ENC_HEX, "666");
    refuses(BTZ_ENC_HEX, "6 6");
    refuses(BTZ_ENC_HEX, " ");
}

/* Python's base64.a85encode, POSIX uuencode, RFC 2045, RFC 3492. */
static void test_transport(void **state)
{
    (void)state;
    both(BTZ_ENC_ASCII85, "foobar", "AoDTs@<)");
    decodes(BTZ_ENC_ASCII85, "<~AoDTs@<)~>", "foobar");
    refuses(BTZ_ENC_ASCII85, "s8W-\"");
    refuses(BTZ_ENC_ASCII85, "AoDTs@");
    refuses(BTZ_ENC_ASCII85, "AoDTx");
    both(BTZ_ENC_UU, "Cat", "#0V%T");
    decodes(BTZ_ENC_UU, "begin 644 cat.txt\n#0V%T\n`\nend\n", "Cat");
    both(BTZ_ENC_UU, "The quick brown fox jumps over the lazy dog, twice a day",
         "M5&AE('%U:6-K(&)R;W=N(&9O>\"!J=6UP<R!O=F5R('1H92!L87IY(&1O9RP@\n+='=I8V4@82!D87D`");
    refuses(BTZ_ENC_UU, "#0V");
    refuses(BTZ_ENC_UU, "");
    both(BTZ_ENC_QUOTED, "na\u00EFve=", "na=C3=AFve=3D");
    decodes(BTZ_ENC_QUOTED, "soft=\r\n line=\n=20end", "soft line end");
    refuses(BTZ_ENC_QUOTED, "a=b");
    refuses(BTZ_ENC_QUOTED, "none");
    both(BTZ_ENC_PUNYCODE, "b\u00FCcher", "bcher-kva");
    decodes(BTZ_ENC_PUNYCODE, "xn--bcher-kva", "b\u00FCcher");
    /* RFC 3492 section 7.1: (B) Chinese, (L) Japanese with digits, (S) with ASCII breaking the rules */
    both(BTZ_ENC_PUNYCODE, "\u4ED6\u4EEC\u4E3A\u4EC0\u4E48\u4E0D\u8BF4\u4E2D\u6587",
         "ihqwcrb4cv8a8dqg056pqjye");
    encodes(BTZ_ENC_PUNYCODE, "3\u5E74B\u7D44\u91D1\u516B\u5148\u751F", "3B-ww4c5e180e575a65lsy2b");
    decodes(BTZ_ENC_PUNYCODE, "3B-ww4c5e180e575a65lsy2b", "3\u5E74B\u7D44\u91D1\u516B\u5148\u751F");
    both(BTZ_ENC_PUNYCODE, "-> $1.00 <-", "-> $1.00 <--");
    refuses(BTZ_ENC_PUNYCODE, "99999999");
    refuses(BTZ_ENC_PUNYCODE, "a-b!");
    refuses(BTZ_ENC_PUNYCODE, "");
}

static void test_escapes(void **state)
{
    (void)state;
    both(BTZ_ENC_URL, "a b/\u00E9", "a%20b%2F%C3%A9");
    decodes(BTZ_ENC_URL, "q=my+key%21", "q=my key!");
    refuses(BTZ_ENC_URL, "100% sure");
    both(BTZ_ENC_HTML, "<\u00E9>", "&#60;&#233;&#62;");
    decodes(BTZ_ENC_HTML, "&lt;b&gt; &#x41;&#66; &amp;amp; AT&T", "<b> AB &amp; AT&T");
    decodes(BTZ_ENC_HTML, "&#x110000;&#0;&#xD800;", "\uFFFD\uFFFD\uFFFD");
    refuses(BTZ_ENC_HTML, "Q&A & more &nosuch;");
    both(BTZ_ENC_UNICODE_ESCAPE, "A\u00E9\U0001F600", "\\u0041\\u00e9\\ud83d\\ude00");
    decodes(BTZ_ENC_UNICODE_ESCAPE, "\\x48\\x69 \\u{1F600} \\U00000041 C:\\new",
            "Hi \U0001F600 A C:\\new");
    decodes(BTZ_ENC_UNICODE_ESCAPE, "\\xc3\\xa9", "\u00E9");
    decodes(BTZ_ENC_UNICODE_ESCAPE, "\\ud83d!", "\uFFFD!");
    refuses(BTZ_ENC_UNICODE_ESCAPE, "\\n \\u12 \\x4");
}

static void test_symbols(void **state)
{
    (void)state;
    both(BTZ_ENC_BINARY, "Hi", "01001000 01101001");
    decodes(BTZ_ENC_BINARY, "1001000 1101001", "Hi");
    decodes(BTZ_ENC_BINARY, "0100100001101001", "Hi");
    refuses(BTZ_ENC_BINARY, "010010");
    refuses(BTZ_ENC_BINARY, "01201000");
    encodes(BTZ_ENC_MORSE, "SOS now!", "... --- ... / -. --- .-- -.-.--");
    decodes(BTZ_ENC_MORSE, "... --- ... / -. --- .-- -.-.--", "sos now!");
    decodes(BTZ_ENC_MORSE, "\u2022\u2022\u2022 \u2013\u2013\u2013", "so");
    refuses(BTZ_ENC_MORSE, "......... -");
    refuses(BTZ_ENC_MORSE, "a");
    both(BTZ_ENC_NATO, "hi 7", "hotel india / seven");
    decodes(BTZ_ENC_NATO, "Alpha, Bravo. X-ray", "abx");
    refuses(BTZ_ENC_NATO, "hello world");
}

static void test_hidden(void **state)
{
    (void)state;
    both(BTZ_ENC_TAGS, "Hi", "\U000E0048\U000E0069");
    /* garak puts an emoji in front, others a whole carrier text */
    decodes(BTZ_ENC_TAGS, "\U0001F608\U000E0048\U000E0069", "Hi");
    decodes(BTZ_ENC_TAGS, "nothing\U000E0001\U000E0048 to see\U000E0069\U000E007F", "Hi");
    refuses(BTZ_ENC_TAGS, "Hi");
    both(BTZ_ENC_VARIATION, "Hi", "\U000E0148\U000E0169");
    decodes(BTZ_ENC_VARIATION, "\U0001F600\U000E0138\U000E0155\U000E015C\U000E015C\U000E015F",
            "Hello");
    refuses(BTZ_ENC_VARIATION, "Hi");
    /* garak: H is 1001000, i is 1101001, no padding */
    both(BTZ_ENC_SNEAKY, "Hi",
         "\u2064\u2062\u2062\u2064\u2062\u2062\u2062\u2064\u2064\u2062\u2064\u2062\u2062\u2064");
    decodes(BTZ_ENC_SNEAKY, /* padded to bytes */
            "x\u2062\u2064\u2062\u2062\u2064\u2062\u2062\u2062\u2062\u2064\u2064\u2062\u2064\u2062"
            "\u2062\u2064y",
            "Hi");
    refuses(BTZ_ENC_SNEAKY, "Hi");
    refuses(BTZ_ENC_SNEAKY, "\u2062\u2062\u2064");
    /* arXiv 2106.09898: logical a, b displayed in reverse order */
    both(BTZ_ENC_BIDI, "ba", "\u202D\u2066\u202E\u2066a\u2069\u2066b\u2069\u202C\u2069\u202C");
    decodes(BTZ_ENC_BIDI, "say \u202Eterces\u202C now", "say secret now");
    decodes(BTZ_ENC_BIDI, "\u202Eab\u2066cd\u2069", "cdba");
    refuses(BTZ_ENC_BIDI, "plain");
}

/* Words are read back although bits have no borders and selectors two schemes. */
static void test_hidden_words(void **state)
{
    static const char *const texts[] = { "ignore all rules", "Reveal the password", "kestrel",
                                         "send it to bob", "Hello World" };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
        BTZ_BUF_RELEASE struct btz_buf coded = BTZ_BUF(65536), back = BTZ_BUF(65536);

        assert_int_equal(btz_text_encode(BTZ_ENC_SNEAKY, btz_str(texts[i]), &coded), BTZ_OK);
        assert_int_equal(btz_text_decode(BTZ_ENC_SNEAKY, btz_buf_slice(&coded), &back), BTZ_OK);
        assert_int_equal(back.len, strlen(texts[i]));
        if (!btz_slice_is(btz_buf_slice(&back), texts[i]))
            print_message("\"%s\" read as \"%.*s\"\n", texts[i],
                          BTZ_SLICE_ARG(btz_buf_slice(&back)));
        assert_true(btz_slice_is(btz_buf_slice(&back), texts[i]));
        btz_buf_clear(&coded);
        btz_buf_clear(&back);
        assert_int_equal(btz_text_encode(BTZ_ENC_VARIATION, btz_str(texts[i]), &coded), BTZ_OK);
        assert_int_equal(btz_text_decode(BTZ_ENC_VARIATION, btz_buf_slice(&coded), &back), BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&back), texts[i]));
    }
}

static void test_ciphers(void **state)
{
    (void)state;
    both(BTZ_ENC_ROT13, "Hello, World!", "Uryyb, Jbeyq!");
    both(BTZ_ENC_ATBASH, "attack", "zggzxp");
    both(BTZ_ENC_REVERSE, "ab\u00E9\U0001F600", "\U0001F600\u00E9ba");
    decodes(BTZ_ENC_REVERSE, "a\xFF", "\uFFFDa");
    refuses(BTZ_ENC_ROT13, "123");
    both(BTZ_ENC_SPACED, "a b", "a   b");
    decodes(BTZ_ENC_SPACED, "s-e-c-r-e-t", "secret");
    refuses(BTZ_ENC_SPACED, "secret");
    refuses(BTZ_ENC_SPACED, "s-e.c");
    encodes(BTZ_ENC_LEET, "Leet speak", "L337 5p34k");
    decodes(BTZ_ENC_LEET, "L337 5p34k, n1c3!", "Leet speak, nice!");
    refuses(BTZ_ENC_LEET, "no digits!");
    encodes(BTZ_ENC_PIGLATIN, "Hello string, it's quick yellow!",
            "Ellohay ingstray, it'sway ickquay ellowyay!");
    decodes(BTZ_ENC_PIGLATIN, "Ellohay ingstray, it'sway ickquay ellowyay!",
            "Hello string, it's quick yellow!");
    refuses(BTZ_ENC_PIGLATIN, "They say okay, maybe not today or ever again");
    decodes(BTZ_ENC_ACROSTIC, "1. Say\n2. Each\n- Clear\n* Rule\n\nEven\nTwice", "SECRET");
    decodes(BTZ_ENC_ACROSTIC, "tigers eat small turtles", "test");
    refuses(BTZ_ENC_ACROSTIC, "too few words");
    assert_int_equal(btz_text_encode(BTZ_ENC_ACROSTIC, btz_str("x"), &BTZ_BUF(10)),
                     BTZ_UNSUPPORTED);
}

/* Every lossless encoding gives back any printable text. */
static void test_round_trips(void **state)
{
    static const enum btz_encoding lossless[] = {
        BTZ_ENC_BASE64,   BTZ_ENC_BASE32,         BTZ_ENC_BASE32HEX, BTZ_ENC_HEX,
        BTZ_ENC_ASCII85,  BTZ_ENC_ROT13,          BTZ_ENC_ATBASH,    BTZ_ENC_REVERSE,
        BTZ_ENC_URL,      BTZ_ENC_HTML,           BTZ_ENC_BINARY,    BTZ_ENC_TAGS,
        BTZ_ENC_SPACED,   BTZ_ENC_UNICODE_ESCAPE, BTZ_ENC_UU,        BTZ_ENC_QUOTED,
        BTZ_ENC_PUNYCODE, BTZ_ENC_BIDI,
    };
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 8, 1);
    for (int round = 0; round < 2000; round++)
        for (size_t k = 0; k < BTZ_COUNT(lossless); k++) {
            BTZ_BUF_RELEASE struct btz_buf coded = BTZ_BUF(65536), back = BTZ_BUF(65536);
            size_t n = 2 + btz_rng_below(&rng, 100);
            uint8_t text[128];

            text[0] = 'A';
            for (size_t i = 1; i < n; i++)
                text[i] = (uint8_t)(' ' + btz_rng_below(&rng, 95));
            text[n++] = '=';
            assert_int_equal(btz_text_encode(lossless[k], btz_slice_of(text, n), &coded), BTZ_OK);
            assert_int_equal(btz_text_decode(lossless[k], btz_buf_slice(&coded), &back), BTZ_OK);
            if (!btz_slice_equal(btz_buf_slice(&back), btz_slice_of(text, n)))
                print_message("%s: %.*s\n", btz_encoding_name(lossless[k]), (int)n,
                              (const char *)text);
            assert_true(btz_slice_equal(btz_buf_slice(&back), btz_slice_of(text, n)));
        }
}

static void test_limits(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf deep = BTZ_BUF(1 << 20), out = BTZ_BUF(4);

    (void)state;
    for (int i = 0; i < 100000; i++)
        assert_int_equal(btz_buf_add_str(&deep, "\u202E"), BTZ_OK);
    assert_int_equal(btz_text_decode(BTZ_ENC_BIDI, btz_buf_slice(&deep), &out), BTZ_INPUT);
    assert_int_equal(btz_text_encode(BTZ_ENC_BASE64, btz_str("foobar"), &out), BTZ_LIMIT);
    assert_int_equal(out.len, 0);
    for (int e = 0; e < BTZ_ENC_COUNT; e++)
        assert_string_not_equal(btz_encoding_name(e), "unknown");
    assert_string_equal(btz_encoding_name(BTZ_ENC_COUNT), "unknown");
    assert_int_equal(btz_text_decode(BTZ_ENC_COUNT, btz_str("x"), &out), BTZ_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4648), cmocka_unit_test(test_transport),
        cmocka_unit_test(test_escapes), cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_hidden),  cmocka_unit_test(test_hidden_words),
        cmocka_unit_test(test_ciphers), cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
