/* The catalogue and the reference tables, against the published taxonomies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/json.h"
#include "finding/finding.h"
#include "finding_fixture.h"

static void test_rules(void **state)
{
    static const char *const first_cut[] = {
        "redteam.injection.override",
        "redteam.injection.indirect-document",
        "redteam.injection.tool-result",
        "redteam.jailbreak.persona",
        "redteam.obfuscation.encoding",
        "redteam.obfuscation.unicode",
        "redteam.leak.system-prompt",
        "redteam.leak.secret",
        "redteam.leak.canary",
        "redteam.exfil.markdown-image",
        "redteam.exfil.link",
        "redteam.output.xss",
        "redteam.output.sql",
        "redteam.output.shell",
        "redteam.output.template",
        "redteam.output.ansi",
        "redteam.utility.over-refusal",
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(first_cut); i++)
        assert_non_null(btz_rule_find(first_cut[i]));
    for (size_t i = 0; btz_rules[i]; i++) {
        const struct btz_rule *rule = btz_rules[i];
        BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096), page = BTZ_BUF(200000);
        const char *source = getenv("BTZ_SOURCE"), *name;
        bool nist = false, owasp = false;

        assert_true(i == 0 || strcmp(btz_rules[i - 1]->id, rule->id) < 0);
        assert_ptr_equal(btz_rule_find(rule->id), rule);
        assert_true(strncmp(rule->id, btz_practice_name(rule->practice),
                            strlen(btz_practice_name(rule->practice))) == 0);
        /* Every reference is known, and the page names its address. */
        for (size_t k = 0; rule->refs[k]; k++) {
            struct btz_reference ref;

            assert_true(btz_reference_find(rule->refs[k], &ref));
            if (!strstr(rule->page, ref.url) || !strstr(rule->page, ref.title))
                fail_msg("%s: the page does not name title and address of %s", rule->id, ref.id);
            nist |= strcmp(ref.framework, "NIST AI RMF") == 0;
            owasp |= strncmp(ref.framework, "OWASP", 5) == 0;
        }
        assert_true(nist &&
                    (owasp || strstr(rule->id, ".utility.") || strstr(rule->id, ".evasion.")));
        /* The text in the program is the page on disk. */
        assert_non_null(source);
        assert_int_equal(btz_buf_printf(&path, "%s/docs/rules/%s.md", source, rule->id), BTZ_OK);
        assert_int_equal(btz_buf_cstr(&path, &name), BTZ_OK);
        assert_int_equal(btz_file_read(name, 65536, &page), BTZ_OK);
        assert_true(page.len > strlen(rule->page));
        assert_memory_equal(page.ptr + page.len - strlen(rule->page), rule->page,
                            strlen(rule->page));
    }
    assert_null(btz_rule_find("redteam.leak"));
    assert_null(btz_rule_find(""));
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(btz_rule_nearest("redteam.leak.secrets"), "redteam.leak.secret");
    assert_string_equal(btz_rule_nearest("redteam.exfil.markdown_image"),
                        "redteam.exfil.markdown-image");
    assert_string_equal(btz_rule_nearest("over-refusal"), "redteam.utility.over-refusal");
    assert_null(btz_rule_nearest("zz"));
}

/* OWASP Top 10 for LLM Applications 2025 and for Agentic Applications 2026. */
static void test_owasp(void **state)
{
    static const char *const llm[] = {
        "Prompt Injection",         "Sensitive Information Disclosure", "Supply Chain",
        "Data and Model Poisoning", "Improper Output Handling",         "Excessive Agency",
        "System Prompt Leakage",    "Vector and Embedding Weaknesses",  "Misinformation",
        "Unbounded Consumption",
    };
    static const char *const asi[] = {
        "Agent Goal Hijack",
        "Tool Misuse & Exploitation",
        "Identity & Privilege Abuse",
        "Agentic Supply Chain Compromise",
        "Unexpected Code Execution",
        "Memory & Context Poisoning",
        "Insecure Inter-Agent Communication",
        "Cascading Agent Failures",
        "Human-Agent Trust Exploitation",
        "Rogue Agents",
    };
    struct btz_reference ref;
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        char id[32];

        snprintf(id, sizeof id, "OWASP-LLM%02u:2025", i + 1);
        assert_true(btz_reference_find(id, &ref));
        assert_string_equal(ref.title, llm[i]);
        assert_string_equal(ref.framework, "OWASP LLM 2025");
        snprintf(id, sizeof id, "OWASP-ASI%02u:2026", i + 1);
        assert_true(btz_reference_find(id, &ref));
        assert_string_equal(ref.title, asi[i]);
        assert_string_equal(ref.framework, "OWASP ASI 2026");
    }
    for (unsigned i = 1; i <= 13; i++) {
        char id[32];

        snprintf(id, sizeof id, "NIST-MEASURE-2.%u", i);
        assert_true(btz_reference_find(id, &ref));
    }
    assert_false(btz_reference_find("OWASP-LLM01", &ref));
    for (size_t i = 0; i < btz_reference_count(); i++) {
        assert_true(strncmp(btz_reference_at(i)->url, "https://", 8) == 0);
        assert_true(btz_reference_at(i)->title[0] != '\0');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(btz_reference_at(i)->id, btz_reference_at(k)->id);
    }
    assert_null(btz_reference_at(btz_reference_count()));
}

/* Each technique with its name as MITRE publishes it: "- id: X" and in the next line "name: Y". */
static void test_atlas(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096), atlas = BTZ_BUF((size_t)8 << 20);
    const char *data = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE"), *name;
    size_t checked = 0;
    (void)state;
    assert_int_equal(data ? btz_buf_printf(&path, "%s", data)
                          : btz_buf_printf(&path, "%s/../shared/data", source ? source : "."),
                     BTZ_OK);
    assert_int_equal(btz_buf_add_str(&path, "/redteam/atlas.yaml"), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&path, &name), BTZ_OK);
    if (btz_file_read(name, (size_t)8 << 20, &atlas) != BTZ_OK) {
        print_message("# skipped: the ATLAS data (redteam/atlas.yaml) is not here\n");
        skip();
    }
    assert_true(btz_slice_has(btz_buf_slice(&atlas), "version: 5.6.0"));
    for (size_t i = 0; i < btz_reference_count(); i++) {
        const struct btz_reference *ref = btz_reference_at(i);
        BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(4096);
        const char *text;

        if (strcmp(ref->framework, "MITRE ATLAS") != 0)
            continue;
        assert_int_equal(btz_buf_printf(&entry, "  - id: %s\n    name: %s\n", ref->id, ref->title),
                         BTZ_OK);
        assert_int_equal(btz_buf_cstr(&entry, &text), BTZ_OK);
        if (!btz_slice_has(btz_buf_slice(&atlas), text))
            fail_msg("%s is not called \"%s\"", ref->id, ref->title);
        checked++;
    }
    assert_in_range(checked, 10, 1000);
}

static void test_list(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(65536), json = BTZ_BUF(65536);
    BTZ_BUF_RELEASE struct btz_buf none = BTZ_BUF(65536);
    BTZ_JSON json_t *list = NULL;
    size_t rules = 0, lines = 0;
    (void)state;
    while (btz_rules[rules])
        rules++;
    assert_int_equal(btz_rules_list_text(-1, 200, &text), BTZ_OK);
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    assert_int_equal(lines, rules);
    assert_int_equal(btz_rules_list_json(-1, &json), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_buf_slice(&json), 65536, "rules", &list), BTZ_OK);
    assert_int_equal(json_array_size(list), rules);
    for (size_t i = 0; i < rules; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "id")),
                            btz_rules[i]->id);
    assert_int_equal(btz_rules_list_text(BTZ_PRACTICE_WATERMARK, 80, &none), BTZ_OK);
    assert_int_equal(none.len, 0);
}

/* No line of an explanation is wider than asked for, addresses apart, and no word is lost. */
static void test_explain(void **state)
{
    static const unsigned widths[] = { 40, 80, 120 };
    (void)state;
    for (size_t i = 0; btz_rules[i]; i++)
        for (size_t w = 0; w < BTZ_COUNT(widths); w++) {
            BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(65536);
            struct btz_reader r = { .what = "page" }, page = { .in = btz_str(btz_rules[i]->page) };
            struct btz_slice line;
            size_t shown = 0, written = 0;

            assert_int_equal(btz_rule_explain(btz_rules[i], widths[w], false, &out), BTZ_OK);
            assert_false(btz_slice_has(btz_buf_slice(&out), "\x1b"));
            r.in = btz_buf_slice(&out);
            for (unsigned head = 0; btz_read_line(&r, &line); head++) {
                assert_true(head < 3 || line.len <= widths[w]);
                for (size_t k = 0; k < line.len && head >= 3; k++)
                    shown += line.ptr[k] != ' ';
            }
            while (btz_read_line(&page, &line)) {
                if (btz_slice_has_prefix(line, btz_str("## ")))
                    written -= 2;
                for (size_t k = 0; k < line.len; k++)
                    written += line.ptr[k] != ' ';
            }
            assert_int_equal(shown, written);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules), cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_owasp), cmocka_unit_test(test_atlas),
        cmocka_unit_test(test_list),  cmocka_unit_test(test_explain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
