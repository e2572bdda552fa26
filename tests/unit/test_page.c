/* The parser of docs/rules/ pages: what the build accepts, and every way it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "finding/page.h"

#define FRONT                                                                                      \
    "---\nid: redteam.leak.secret\ntitle: A secret\npractice: redteam\nseverity: high\n"           \
    "references: [CWE-200, AML.T0057]\n---\n"
#define BODY                                                                                       \
    "\n## What it proves\n\na\n\n## Why it matters\n\nb\n\n## How bartizan decides\n\nc\n\n"       \
    "## False positives\n\nd\n\n## Remedy\n\ne\n\n## References\n\n- CWE-200\n- AML.T0057\n"

static void test_good(void **state)
{
    struct btz_page page;
    char why[BTZ_PAGE_WHY];
    unsigned line = 0;
    (void)state;
    assert_true(btz_page_parse(btz_str(FRONT BODY), &page, &line, why));
    assert_true(btz_slice_is(page.id, "redteam.leak.secret"));
    assert_true(btz_slice_is(page.title, "A secret"));
    assert_int_equal(page.practice, BTZ_PRACTICE_REDTEAM);
    assert_int_equal(page.severity, BTZ_SEVERITY_HIGH);
    assert_int_equal(page.reference_count, 2);
    assert_true(btz_slice_is(page.references[1], "AML.T0057"));
    assert_true(btz_slice_is(page.body, BODY));
}

/* The good page with one text replaced; the result must be refused in that line with that word. */
static void test_bad(void **state)
{
    static const struct {
        const char *from, *to, *word;
        unsigned line;
    } cases[] = {
        { "---\nid", "id", "front matter", 1 },
        { "id: redteam.leak.secret\n", "", "no \"id\"", 6 },
        { "title: A secret\n", "titel: A secret\n", "unknown key \"titel\"", 3 },
        { "title: A secret\n", "title:\n", "empty", 3 },
        { "title: A secret\n", "title: A\ntitle: B\n", "twice", 4 },
        { "title: A secret\n", "title A secret\n", "key: value", 3 },
        { "practice: redteam", "practice: blueteam", "unknown practice", 4 },
        { "practice: redteam", "practice: audit", "must begin with \"audit.\"", 7 },
        { "severity: high", "severity: High", "unknown severity", 5 },
        { "severity: high",
          "severity: dreadful-and-much-longer-than-any-word-of-a-severity-can-be-"
          "in-here",
          "unknown severity", 5 },
        { "[CWE-200, ", "[CWE-99999, ", "unknown reference \"CWE-99999\"", 6 },
        { "[CWE-200, ", "[, ", "unknown reference", 6 },
        { "[CWE-200, ", "[CWE-200, CWE-200, ", "named twice", 6 },
        { "[CWE-200, AML.T0057]", "CWE-200", "list", 6 },
        { "[CWE-200, AML.T0057]", "[]", "list", 6 },
        { "redteam.leak.secret", "redteam.leak.Secret", "a-z", 2 },
        { "redteam.leak.secret", "redteam..secret", "empty part", 2 },
        { "redteam.leak.secret", "redteam", "two parts", 2 },
        { "redteam.leak.secret", "redteam.leak-", "empty part", 2 },
        { "]\n---\n", "]\n", "key: value", 7 },
        { "## Why it matters", "## Why this matters", "\"## Why it matters\"", 13 },
        { "## What it proves\n\na\n\n", "## What it proves\n\n", "empty", 11 },
        { "## Remedy\n\ne\n\n", "", "\"## Remedy\"", 25 },
        { "## References\n\n- CWE-200\n- AML.T0057\n", "", "missing", 28 },
        { "- CWE-200\n- AML.T0057\n", "", "empty", 30 },
        { "- AML.T0057\n", "## More\n", "after the last", 32 },
        { "- CWE-200\n", "", "CWE-200 is not explained", 31 },
        { "\n## What", "\ntext\n\n## What", "before the first", 9 },
        { "\nb\n", "\nb\tb\n", "0x09", 15 },
        { "\nb\n", "\n\xc3\xa4\n", "0xc3", 15 },
        { "- AML.T0057\n", "- AML.T0057", "no end", 32 },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(65536);
        struct btz_slice good = btz_str(FRONT BODY);
        size_t at = btz_slice_find(good, btz_str(cases[i].from), 0);
        struct btz_page page;
        char why[BTZ_PAGE_WHY];
        unsigned line = 0;

        assert_true(at != SIZE_MAX);
        assert_int_equal(btz_buf_add(&text, good.ptr, at), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&text, cases[i].to), BTZ_OK);
        at += strlen(cases[i].from);
        assert_int_equal(btz_buf_add(&text, good.ptr + at, good.len - at), BTZ_OK);
        assert_false(btz_page_parse(btz_buf_slice(&text), &page, &line, why));
        if (!strstr(why, cases[i].word) || line != cases[i].line)
            fail_msg("case %zu: line %u \"%s\", expected line %u with \"%s\"", i, line, why,
                     cases[i].line, cases[i].word);
    }
}

static void test_limits(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(200000);
    struct btz_page page;
    char why[BTZ_PAGE_WHY];
    unsigned line = 0;
    (void)state;
    assert_false(btz_page_parse(btz_str(""), &page, &line, why));
    assert_int_equal(btz_buf_add_str(&text, FRONT BODY), BTZ_OK);
    for (int i = 0; i < BTZ_PAGE_LINE_MAX + 1; i++)
        assert_int_equal(btz_buf_add_byte(&text, 'x'), BTZ_OK);
    assert_int_equal(btz_buf_add_byte(&text, '\n'), BTZ_OK);
    assert_false(btz_page_parse(btz_buf_slice(&text), &page, &line, why));
    assert_non_null(strstr(why, "longer than"));
    for (int i = 0; i < BTZ_PAGE_MAX; i++)
        assert_int_equal(btz_buf_add_byte(&text, '\n'), BTZ_OK);
    assert_false(btz_page_parse(btz_buf_slice(&text), &page, &line, why));
    assert_non_null(strstr(why, "larger than"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
