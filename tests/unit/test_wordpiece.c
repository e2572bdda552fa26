/*
 * WordPiece against the cases BERT was published with, and against a search of the whole vocabulary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "robust/text.h"

#define SPECIAL "[UNK]\n[CLS]\n[SEP]\n"

static void must(enum btz_err err)
{
    if (err)
        fail_msg("%s", btz_error_detail());
}

static struct btz_wordpiece *vocabulary(const char *text, enum btz_letter_case letters)
{
    struct btz_wordpiece *w = NULL;

    must(btz_wordpiece_parse(btz_str(text), letters, "vocab.txt", &w));
    return w;
}

/* Tokens with spaces between. */
static void tokens(const struct btz_wordpiece *w, struct btz_slice text, size_t max,
                   struct btz_buf *out)
{
    uint32_t ids[64];
    size_t n;

    assert_true(max <= BTZ_COUNT(ids));
    must(btz_wordpiece_encode(w, text, max, ids, &n));
    btz_buf_clear(out);
    for (size_t i = 0; i < n; i++)
        must(btz_buf_printf(out, "%s%.*s", i ? " " : "",
                            BTZ_SLICE_ARG(btz_wordpiece_token(w, ids[i]))));
}

/* google-research/bert, tokenization_test.py: the pieces; words there are tokens of the vocabulary here. What is behind the line
 * follows from tokenization.py and the character database. */
static void test_published(void **state)
{
    static const char pieces[] = SPECIAL "want\n##want\n##ed\nwa\nun\nrunn\n##ing\n,\n";
    static const char words[] = SPECIAL
        "ah\n\xe5\x8d\x9a\n\xe6\x8e\xa8\nzz\nhello\n!\nhow\nare\nyou\n?\na\nb\nab\n-\n$\n`\n"
        ".\n\xf0\x9f\x92\xa9\ne\ni\n\xcf\x83\xce\xb1\xcf\x82\n\xe1\x84\x80\xe1\x85\xa1\n"
        "\xe8\xb1\x88\n[\n]\ncls\n\xe2\x80\xa6\n##a\n";
    static const char cased[] = SPECIAL "HeLLo\n!\nhow\nAre\nyoU\n?\n\xc3\x89\n";
    static const struct {
        const char *vocab;
        enum btz_letter_case letters;
        const char *text, *tokens;
    } cases[] = {
        { pieces, BTZ_CASE_LOWER,
          "UNwant\xc3\xa9"
          "d,running",
          "un ##want ##ed , runn ##ing" },
        { pieces, BTZ_CASE_KEEP, "", "" },
        { pieces, BTZ_CASE_KEEP, "unwanted running", "un ##want ##ed runn ##ing" },
        { pieces, BTZ_CASE_KEEP, "unwantedX running", "[UNK] runn ##ing" },
        { words, BTZ_CASE_LOWER, "ah\xe5\x8d\x9a\xe6\x8e\xa8zz",
          "ah \xe5\x8d\x9a \xe6\x8e\xa8 zz" },
        { words, BTZ_CASE_LOWER, " \tHeLLo!how  \n Are yoU?  ", "hello ! how are you ?" },
        { words, BTZ_CASE_LOWER, "H\xc3\xa9llo", "hello" },
        { cased, BTZ_CASE_KEEP, " \tHeLLo!how  \n Are yoU?  ", "HeLLo ! how Are yoU ?" },
        { words, BTZ_CASE_KEEP,
          "a \t\r\n\xc2\xa0"
          "b",
          "a b" },
        { words, BTZ_CASE_KEEP,
          "a\x05"
          "b",
          "ab" },
        { words, BTZ_CASE_KEEP, "\xf0\x9f\x92\xa9", "\xf0\x9f\x92\xa9" },
        { words, BTZ_CASE_KEEP, "-$`.a-b", "- $ ` . a - b" },
        /* ---- */
        { words, BTZ_CASE_LOWER, "\xc3\x89 E\xcc\x81", "e e" },
        { cased, BTZ_CASE_KEEP, "\xc3\x89 E\xcc\x81", "\xc3\x89 [UNK]" },
        { words, BTZ_CASE_LOWER, "\xc4\xb0", "i" }, /* I with a dot */
        { words, BTZ_CASE_LOWER, "\xce\xa3\xce\x91\xce\xa3",
          "\xcf\x83\xce\xb1\xcf\x82" },                                        /* sigma */
        { words, BTZ_CASE_LOWER, "\xea\xb0\x80", "\xe1\x84\x80\xe1\x85\xa1" }, /* Hangul */
        { words, BTZ_CASE_LOWER, "a\xef\xa4\x80", "a \xe8\xb1\x88" }, /* an ideograph for another */
        { words, BTZ_CASE_KEEP,
          "a\xe2\x80\xa8"
          "b\xe3\x80\x80"
          "a",
          "a b a" }, /* line separator, ideographic space */
        { words, BTZ_CASE_KEEP,
          "a\xe2\x80\x8b"
          "b a\xef\xbf\xbd"
          "b a\xff"
          "b",
          "ab ab ab" },
        { words, BTZ_CASE_LOWER, "[CLS]\xe2\x80\xa6", "[ cls ] \xe2\x80\xa6" },
        { words, BTZ_CASE_KEEP, "##a", "[UNK] [UNK] a" },
    };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_wordpiece *w = vocabulary(cases[i].vocab, cases[i].letters);

        tokens(w, btz_str(cases[i].text), 64, &out);
        if (!btz_slice_is(btz_buf_slice(&out), cases[i].tokens))
            fail_msg("case %zu: %.*s", i, BTZ_SLICE_ARG(btz_buf_slice(&out)));
        btz_wordpiece_free(w);
    }
}

/* 100 characters are a word that is looked up, 101 are not; the first tokens are those of the whole. */
static void test_bounds(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 16);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);
    struct btz_wordpiece *w = vocabulary(SPECIAL "\xc3\xa9\n##\xc3\xa9\n", BTZ_CASE_KEEP);
    uint32_t ids[256];
    size_t n;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        must(btz_buf_add_str(&text, "\xc3\xa9"));
    must(btz_wordpiece_encode(w, btz_buf_slice(&text), 256, ids, &n));
    assert_int_equal(n, 100);
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[99], 4);
    must(btz_wordpiece_encode(w, btz_buf_slice(&text), 7, ids, &n));
    assert_int_equal(n, 7);
    must(btz_buf_add_str(&text, "\xc3\xa9 \xc3\xa9"));
    tokens(w, btz_buf_slice(&text), 64, &out);
    assert_true(btz_slice_is(btz_buf_slice(&out), "[UNK] \xc3\xa9"));
    tokens(w, btz_buf_slice(&text), 0, &out);
    assert_int_equal(out.len, 0);
    assert_false(btz_wordpiece_lowers(w));
    btz_wordpiece_free(w);
}

static void test_vocabularies(void **state)
{
    static char long_token[600];
    static const struct {
        const char *text;
        enum btz_err err;
        const char *says;
    } cases[] = {
        { SPECIAL "a", BTZ_OK, "" },
        { "[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n", BTZ_OK, "" },
        { "", BTZ_INPUT, "no line \"[UNK]\"" },
        { "[UNK]\n[CLS]\n", BTZ_INPUT, "no line \"[SEP]\"" },
        { SPECIAL "a\nb\na\n", BTZ_INPUT, "vocab.txt:6: the same token as in line 4" },
        { SPECIAL "\na\n", BTZ_INPUT, "vocab.txt:4: " },
        { SPECIAL "a\xff\n", BTZ_INPUT, "vocab.txt:4: " },
        { long_token, BTZ_INPUT, "vocab.txt:4: " },
    };
    struct btz_wordpiece *w;

    (void)state;
    snprintf(long_token, sizeof long_token, SPECIAL "%0*d", 513, 0);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        enum btz_err err;

        w = NULL;
        err = btz_wordpiece_parse(btz_str(cases[i].text), BTZ_CASE_AUTO, "vocab.txt", &w);
        assert_int_equal(err, cases[i].err);
        assert_true(!err || strstr(btz_error_detail(), cases[i].says));
        assert_true(err || btz_wordpiece_special(w)->pad == BTZ_WORDPIECE_NONE);
        btz_wordpiece_free(w);
    }
    w = vocabulary(SPECIAL "[PAD]\nthe\n", BTZ_CASE_AUTO);
    assert_true(btz_wordpiece_lowers(w));
    assert_int_equal(btz_wordpiece_special(w)->pad, 3);
    btz_wordpiece_free(w);
    w = vocabulary(SPECIAL "The\n", BTZ_CASE_AUTO);
    assert_false(btz_wordpiece_lowers(w));
    btz_wordpiece_free(w);
    assert_int_equal(btz_wordpiece_read("none/vocab.txt", BTZ_CASE_AUTO, &w), BTZ_IO);
}

/* The same by looking at every token at every place. `list` ends with NULL. */
static void slow_word(const char *const *list, const char *word, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(1 << 16);

    for (size_t at = 0; word[at];) {
        const char *best = NULL;
        size_t taken = 0;

        for (size_t i = 0; list[i]; i++) {
            const char *piece = list[i] + (at ? 2 : 0);
            size_t n = strlen(piece);

            if ((at && strncmp(list[i], "##", 2) != 0) || n <= taken ||
                strncmp(word + at, piece, n) != 0)
                continue;
            taken = n;
            best = list[i];
        }
        if (!best) {
            btz_buf_clear(&all);
            must(btz_buf_add_str(&all, "[UNK] "));
            break;
        }
        must(btz_buf_printf(&all, "%s ", best));
        at += taken;
    }
    must(btz_buf_add_slice(out, btz_buf_slice(&all)));
}

static void test_longest(void **state)
{
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 4, 4);
    for (unsigned turn = 0; turn < 40; turn++) {
        BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 16);
        BTZ_BUF_RELEASE struct btz_buf found = BTZ_BUF(1 << 16);
        char pieces[60][8];
        const char *list[61] = { NULL }, *text;
        struct btz_wordpiece *w;
        size_t n = 0;

        must(btz_buf_add_str(&file, SPECIAL));
        while (n < 60 - turn) {
            size_t length = 1 + btz_rng_below(&r, 4), at = 0;
            bool same = false;

            if (btz_rng_below(&r, 2))
                at = (size_t)snprintf(pieces[n], 3, "##");
            for (length += at; at < length; at++)
                pieces[n][at] = (char)('a' + btz_rng_below(&r, 3));
            pieces[n][at] = '\0';
            for (size_t i = 0; i < n; i++)
                same = same || strcmp(list[i], pieces[n]) == 0;
            if (same)
                continue;
            list[n] = pieces[n];
            must(btz_buf_printf(&file, "%s\n", pieces[n++]));
        }
        must(btz_buf_cstr(&file, &text));
        w = vocabulary(text, BTZ_CASE_KEEP);
        for (unsigned i = 0; i < 50; i++) {
            BTZ_BUF_RELEASE struct btz_buf expected = BTZ_BUF(1 << 16);
            char word[13] = "";

            for (size_t k = 0, length = 1 + btz_rng_below(&r, 12); k < length; k++)
                word[k] = (char)('a' + btz_rng_below(&r, 3));
            slow_word(list, word, &expected);
            tokens(w, btz_str(word), 64, &found);
            assert_true(
                btz_slice_equal(btz_slice_trim(btz_buf_slice(&expected)), btz_buf_slice(&found)));
        }
        btz_wordpiece_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_vocabularies),
        cmocka_unit_test(test_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
