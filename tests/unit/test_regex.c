/* Patterns of schemas: what they match, what is refused, and that time is linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "text/regex.h"

static bool matches(const char *pattern, const char *text)
{
    struct btz_regex *r;
    uint64_t steps = 1000000;
    bool found = false;

    if (btz_regex_new(btz_str(pattern), &r) != BTZ_OK)
        fail_msg("%s: %s", pattern, btz_error_detail());
    assert_int_equal(btz_regex_find(r, btz_str(text), &steps, &found), BTZ_OK);
    btz_regex_free(r);
    return found;
}

/* What ECMA-262 says of them; checked once with `new RegExp(pattern, "u").test(text)`. */
static const struct {
    const char *pattern, *text;
    bool found;
} vectors[] = {
    { "", "", true },
    { "", "abc", true },
    { "b", "abc", true },
    { "^b", "abc", false },
    { "^a.c$", "abc", true },
    { "^a.c$", "a\nc", false },
    { "^$", "\n", false },
    { "^(?:ab|cd)+$", "abcdab", true },
    { "^(?:ab|cd)+$", "abcda", false },
    { "^(|a)b$", "b", true },
    { "^a|b$", "xb", true },
    { "^(a*)*$", "aaaa", true },
    { "^(a*)*$", "aaab", false },
    { "^(a|b|)+c$", "abac", true },
    { "^a{2}$", "aa", true },
    { "^a{2}$", "aaa", false },
    { "^a{2,}$", "aaaaa", true },
    { "^a{2,3}$", "aaaa", false },
    { "^(ab){0,2}$", "abab", true },
    { "^a{0}b$", "b", true },
    { "^a+?b??$", "aa", true },
    { "^[a-c]+$", "abcabc", true },
    { "^[^a-c]+$", "xyzb", false },
    { "^[-a]+$", "a-a", true },
    { "^[a-]+$", "a-a", true },
    { "^[]$", "", false },
    { "[^]", "x", true },
    { "^[\\]\\-\\\\]+$", "]-\\", true },
    { "^\\d{4}-\\d{2}-\\d{2}$", "2026-11-28", true },
    { "^\\d+$", "\u0664", false },
    { "^\\w+$", "a_9Z", true },
    { "^\\w+$", "\u00e9", false },
    { "^\\W$", "\u00e9", true },
    { "^\\s+$", " \t\u00a0\u2003\ufeff\u2028", true },
    { "^\\S+$", "a\u00a0", false },
    { "^[\\d\\s]+$", "1 2", true },
    { "^[^\\D]+$", "12", true },
    { "\\bcat\\b", "a cat sat", true },
    { "\\bcat\\b", "concat", false },
    { "\\Bcat", "concat", true },
    { "^\\u0041\\x42\\u{1F600}$", "AB\U0001F600", true },
    { "^\\uD83D\\uDE00$", "\U0001F600", true },
    { "^.$", "\U0001F600", true },
    { "^[\U0001F600-\U0001F64F]$", "\U0001F610", true },
    { "^\\p{L}+$", "\u00e9t\u00e9", true },
    { "^\\p{Lu}\\p{Ll}+$", "\u00c9t\u00e9", true },
    { "^\\P{L}+$", "12-", true },
    { "^\\p{Letter}$", "\u05d0", true },
    { "^[\\p{Nd}.]+$", "\u0664.1", true },
    { "^\\p{Script=Greek}+$", "\u03b1\u03b2", true },
    { "^\\p{Script=Greek}+$", "ab", false },
    { "^\\p{Alphabetic}+$", "ab", true },
    { "^\\cC\\t\\n$", "\003\t\n", true },
    { "^(?<year>\\d{4})$", "2026", true },
    { "^a/b\\/c\\.d$", "a/b/c.d", true },
    { "^\\$\\{x\\}$", "${x}", true },
    { "a$b", "a$b", false },
    { "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$", "a.b+c@example.co", true },
    { "^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}$", "a.b+c@example", false },
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(vectors); i++)
        if (matches(vectors[i].pattern, vectors[i].text) != vectors[i].found)
            fail_msg("%s on %s: not %d", vectors[i].pattern, vectors[i].text, vectors[i].found);
}

/* The pattern is refused, and the words say why. */
static void refused(const char *pattern, enum btz_err err, const char *words)
{
    struct btz_regex *r = NULL;

    if (btz_regex_new(btz_str(pattern), &r) != err || !strstr(btz_error_detail(), words))
        fail_msg("%s: %s", pattern, r ? "taken" : btz_error_detail());
}

static void test_refused(void **state)
{
    (void)state;
    refused("(?=a)b", BTZ_UNSUPPORTED, "looking ahead");
    refused("(?!a)b", BTZ_UNSUPPORTED, "looking ahead");
    refused("(?<=a)b", BTZ_UNSUPPORTED, "looking behind");
    refused("(?<!a)b", BTZ_UNSUPPORTED, "looking behind");
    refused("(a)\\1", BTZ_UNSUPPORTED, "reference back");
    refused("(?<n>a)\\k<n>", BTZ_UNSUPPORTED, "reference back");
    refused("(?i)a", BTZ_UNSUPPORTED, "(?i");
    refused("(a", BTZ_INPUT, "not closed");
    refused("a)", BTZ_INPUT, "not opened");
    refused("[a", BTZ_INPUT, "not closed");
    refused("[b-a]", BTZ_INPUT, "backwards");
    refused("*a", BTZ_INPUT, "nothing to repeat");
    refused("a**", BTZ_INPUT, "repetition of a repetition");
    refused("a{3,2}", BTZ_INPUT, "out of order");
    refused("\\", BTZ_INPUT, "nothing follows");
    refused("\\Z", BTZ_INPUT, "unknown escape");
    refused("\\p{Nothing}", BTZ_INPUT, "unknown property");
    refused("\\p{Script=Nothing}", BTZ_INPUT, "unknown script");
    refused("\\u12", BTZ_INPUT, "hexadecimal");
    refused("\\u{110000}", BTZ_INPUT, "code point");
    refused("\xff", BTZ_INPUT, "UTF-8");
    refused("((a{1,100}){1,100}){1,100}", BTZ_LIMIT, "states");
    refused("((()"
            "{60000}){60000}){60000}",
            BTZ_LIMIT, "too much");
    refused("a{70000}", BTZ_LIMIT, "repetitions");
}

static void test_depth(void **state)
{
    char pattern[1024];
    struct btz_regex *r;

    (void)state;
    memset(pattern, '(', 200);
    memset(pattern + 200, ')', 200);
    pattern[400] = 0;
    assert_int_equal(btz_regex_new(btz_str(pattern), &r), BTZ_LIMIT);
}

/* What takes backtracking matchers for ever: as many steps as states times characters, at most. */
static void test_linear(void **state)
{
    static const char *const evil[] = { "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(x+x+)+y",
                                        "^(.*)*$x" };
    static char text[100001];

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 2] = '!';
    for (size_t i = 0; i < BTZ_COUNT(evil); i++) {
        struct btz_regex *r;
        uint64_t steps = 20 * sizeof text;
        bool found;

        assert_int_equal(btz_regex_new(btz_str(evil[i]), &r), BTZ_OK);
        assert_int_equal(btz_regex_find(r, btz_str(text), &steps, &found), BTZ_OK);
        assert_false(found);
        steps = 1000;
        assert_int_equal(btz_regex_find(r, btz_str(text), &steps, &found), BTZ_LIMIT);
        btz_regex_free(r);
    }
}

/* ---- against brute force: all texts over "ab" that a pattern derives ----------------------------------------------------- */

/* Does pattern[0, n) derive all of `text`? Patterns of single characters, ".", "*" and "|" in groups, by trying everything. */
static bool derives(const char *p, const char *end, const char *t, const char *t_end);

static const char *unit_end(const char *p)
{
    int depth = 0;

    if (*p != '(')
        return p + 1;
    do
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
    while (p++, depth > 0);
    return p;
}

static bool unit(const char *p, const char *end, const char *t, const char *t_end)
{
    if (*p != '(')
        return t_end - t == 1 && (*p == '.' || *p == *t);
    return derives(p + 1, end - 1, t, t_end);
}

static bool sequence(const char *p, const char *end, const char *t, const char *t_end)
{
    const char *u;

    if (p == end)
        return t == t_end;
    u = unit_end(p);
    if (u < end && *u == '*') {
        if (sequence(u + 1, end, t, t_end))
            return true;
        for (const char *cut = t + 1; cut <= t_end; cut++)
            if (unit(p, u, t, cut) && sequence(p, end, cut, t_end))
                return true;
        return false;
    }
    for (const char *cut = t; cut <= t_end; cut++)
        if (unit(p, u, t, cut) && sequence(u, end, cut, t_end))
            return true;
    return false;
}

static bool derives(const char *p, const char *end, const char *t, const char *t_end)
{
    const char *from = p;
    int depth = 0;

    for (; p < end; p++) {
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        if (*p == '|' && depth == 0) {
            if (sequence(from, p, t, t_end))
                return true;
            from = p + 1;
        }
    }
    return sequence(from, end, t, t_end);
}

static size_t random_pattern(struct btz_rng *rng, unsigned depth, char *out)
{
    size_t n = 0;
    unsigned parts = 1 + btz_rng_below(rng, 3);

    for (unsigned i = 0; i < parts; i++) {
        unsigned what = btz_rng_below(rng, depth > 0 ? 5 : 3);

        if (what < 3) {
            out[n++] = "ab."[what];
        } else {
            out[n++] = '(';
            n += random_pattern(rng, depth - 1, out + n);
            out[n++] = '|';
            n += random_pattern(rng, depth - 1, out + n);
            out[n++] = ')';
        }
        if (btz_rng_below(rng, 3) == 0)
            out[n++] = '*';
    }
    return n;
}

static void test_brute_force(void **state)
{
    struct btz_rng rng;
    unsigned found = 0;

    (void)state;
    btz_rng_init(&rng, 7, 1);
    for (unsigned round = 0; round < 400; round++) {
        char inner[4096], whole[4200], text[8];
        size_t n = random_pattern(&rng, 2, inner);

        inner[n] = 0;
        snprintf(whole, sizeof whole, "^(%s)$", inner);
        for (unsigned bits = 1; bits < 64; bits++) { /* all texts of up to five characters */
            size_t len = 0;
            bool expected;

            for (unsigned b = bits; b > 1; b >>= 1)
                text[len++] = "ab"[b & 1];
            text[len] = 0;
            expected = derives(inner, inner + n, text, text + len);
            if (matches(whole, text) != expected)
                fail_msg("%s on %s: not %d", whole, text, expected);
            found += expected;
        }
    }
    assert_true(found > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),       cmocka_unit_test(test_linear),
        cmocka_unit_test(test_brute_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
