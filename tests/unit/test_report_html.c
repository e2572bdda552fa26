/* The HTML report: safe whatever the target said, readable by people and machines, bounded in size, honest in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "finding/html.h"
#include "html_check.h"
#include "report_sample.h"

#define PAGE_MAX ((size_t)5000000)

static void write_html(const struct btz_run *run, struct btz_buf *out)
{
    if (btz_report_format_find("html")->write(run, out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static void check(struct btz_buf *page, struct html_check *c)
{
    if (!html_check(btz_buf_slice(page), c))
        fail_msg("%s", c->why);
}

static bool has(const struct btz_buf *page, const char *text)
{
    return btz_slice_has(btz_buf_slice(page), text);
}

static void send_one(struct btz_results *r, const struct btz_finding *f)
{
    if (btz_results_sink(r)->finding(btz_results_sink(r), f) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

/* ---- what a reader finds ---- */

/* BTZ_SAMPLE=FILE writes the page for a look at it in a browser. */
static void test_sample(void **state)
{
    struct btz_results *r = sample_results();
    struct btz_run run = sample_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    struct html_check c;
    (void)state;
    write_html(&run, &out);
    check(&out, &c);
    if (getenv("BTZ_SAMPLE"))
        assert_int_equal(btz_file_write(getenv("BTZ_SAMPLE"), btz_buf_slice(&out), 0644), BTZ_OK);
    /* Ten seconds: what is wrong, where, and how sure. */
    assert_true(has(&out, "13 of 14 rules failed on <bdi>shop-assistant</bdi>. 2 more could not be "
                          "evaluated. The worst first:"));
    assert_true(has(&out, "<span class=\"pill critical\">critical</span> <a "
                          "href=\"#rule-redteam.leak.secret\">A secret from the system prompt is "
                          "disclosed</a>"));
    assert_true(has(&out, "14 of 20 <b>70%</b> <span class=\"soft\">[46&ndash;88]</span>"));
    assert_true(has(&out, "aria-label=\"14 of 20, 95 percent interval 46 to 88 percent\""));
    assert_true(has(&out, "aria-label=\"Risk of 7 runs, first 99.6, now 99.9 of 100"));
    /* Three of five checks, 18 of 100 tries. */
    assert_true(has(&out, "data-t=\"Checks failed\">3 of 5</td><td class=\"n\" data-t=\"All "
                          "tries\">18 of 100</td>"));
    /* The proof is marked, the letter an attack put into invisible tags is visible. */
    assert_true(has(&out, "<mark>S0lXSS03NzQxLUxBTVA=</mark>"));
    assert_true(has(&out, "Hello!\\U000e004a\\U000e006f"));
    assert_true(has(&out, "<mark>&lt;img src=x onerror=alert(1)&gt;</mark>"));
    /* Remedies stay numbered, and what is suppressed is in no card of findings. */
    assert_true(has(&out, "<h4>What to do</h4><ol><li>Treat it as an incident"));
    assert_false(has(&out, "rule-redteam.output.ansi"));
    assert_true(has(&out, "suppressed until 2030-01-01: replies never reach a terminal"));
    assert_true(c.tables >= 10 && c.drawings > 60);
    btz_results_free(r);
}

static void test_hostile_fixture(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    struct html_check c;
    (void)state;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(has(&out, "<strong>This run did not finish.</strong>"));
    assert_false(has(&out, " rules failed on ")); /* there are several assets */
    btz_results_free(r);
}

static void test_nothing(void **state)
{
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct html_check c;
    (void)state;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    run.results = r;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(has(&out, "Nothing was evaluated: this report says nothing about the system."));
    assert_true(has(&out, "there is no risk score"));
    assert_false(has(&out, "No check failed.</p><p>That is no proof"));
    btz_results_free(r);
}

/* An interrupted run that had passes and questions never asked: no score of 0 for what nobody measured. */
static void test_all_passed(void **state)
{
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    struct btz_finding f[3];
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct html_check c;
    (void)state;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    f[0] = fixture_finding("redteam.leak.secret", &fixture_demo, "a", 0, 60, 0, 0.0596);
    f[1] = fixture_finding("redteam.leak.secret", &fixture_demo, "b", 0, 20, 0, 0.1684);
    f[2] = fixture_finding("redteam.leak.canary", &fixture_demo, "c", 0, 0, NAN, NAN);
    f[2].outcome = BTZ_OUTCOME_NOT_EVALUATED;
    f[2].reason = "no canaries are configured";
    for (size_t i = 0; i < BTZ_COUNT(f); i++)
        send_one(r, &f[i]);
    run.results = r;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(has(&out, "No check failed."));
    assert_true(has(&out, "still allows a success rate of up to 17%."));
    assert_true(has(&out, "no failure found"));
    assert_true(has(&out, "not evaluated</td>"));
    assert_true(has(&out, "no canaries are configured"));
    assert_true(has(&out, "<strong>This run did not finish.</strong>"));
    assert_true(has(&out, "0 of 20 <b>0%</b> <span class=\"soft\">[0&ndash;17]</span>"));
    btz_results_free(r);
}

/* A finding that is no rate, one with a value, one of a baseline, one that got worse. */
static void test_other_measures(void **state)
{
    static const char baseline[] =
        "{\"version\":1,\"findings\":[{\"fingerprint\":\"%s\",\"outcome\":\"fail\",\"severity\":"
        "\"high\",\"k\":1,\"n\":100}]}";
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20), old = BTZ_BUF(1000);
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    struct btz_finding f[3];
    char fingerprint[BTZ_FINGERPRINT_TEXT], *at;
    struct html_check c;
    (void)state;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    f[0] = fixture_finding("redteam.output.shell", &fixture_demo, "fact", 0, 0, NAN, NAN);
    f[0].outcome = BTZ_OUTCOME_FAIL;
    f[1] = fixture_finding("redteam.output.sql", &fixture_demo, "value", 0, 0, 0.8, 0.86);
    f[1].outcome = BTZ_OUTCOME_FAIL;
    f[1].value = 0.83;
    f[2] =
        fixture_finding("redteam.injection.override", &fixture_demo, "worse", 90, 100, 0.82, 0.96);
    for (size_t i = 0; i < BTZ_COUNT(f); i++)
        send_one(r, &f[i]);
    btz_finding_fingerprint(&f[2], fingerprint);
    assert_int_equal(btz_buf_add_str(&old, baseline), BTZ_OK);
    at = memmem(old.ptr, old.len, "%s", 2);
    assert_non_null(at);
    assert_int_equal(btz_buf_reserve(&old, 64), BTZ_OK);
    at = memmem(old.ptr, old.len, "%s", 2);
    memmove(at + 32, at + 2, old.len - (size_t)((uint8_t *)at - old.ptr) - 2);
    memcpy(at, fingerprint, 32);
    old.len += 30;
    assert_int_equal(btz_results_baseline(r, btz_buf_slice(&old)), BTZ_OK);
    run.results = r;
    run.complete = true;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(has(&out, "value 0.83 [0.8 to 0.86]"));
    assert_true(has(&out, "2 more rules measure no rate: see the findings."));
    assert_true(has(&out, "<span class=\"pill worse\">worse</span>"));
    assert_true(has(&out, "Against the baseline: 0 known, 1 significantly worse."));
    btz_results_free(r);
}

/* A run that counts nothing speaks of no rates and no intervals. */
static void test_facts_alone(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    struct btz_finding f;
    struct html_check c;

    (void)state;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    f = fixture_finding("redteam.output.shell", &fixture_demo, "fact", 0, 0, NAN, NAN);
    f.outcome = BTZ_OUTCOME_FAIL;
    send_one(r, &f);
    run.results = r;
    run.complete = true;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(has(&out, "Checks: one rule, in one place."));
    assert_false(has(&out, "The measured intervals allow"));
    assert_false(has(&out, "in one disguise"));
    btz_results_free(r);
}

/* What each rule adds sums to the score; the column of what is left agrees with a run without the rule. */
static void test_score_once_fixed(void **state)
{
    static const char *const rules[] = { "redteam.leak.secret", "redteam.output.xss",
                                         "redteam.exfil.link" };
    static const uint64_t k[] = { 2, 4, 9 };
    struct btz_risk left;
    (void)state;
    for (size_t fixed = 0; fixed < BTZ_COUNT(rules); fixed++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20), cell = BTZ_BUF(200);
        struct btz_results *all = NULL, *without = NULL;
        struct btz_run run = { .complete = true };
        const char *text;

        assert_int_equal(btz_results_new(&all), BTZ_OK);
        assert_int_equal(btz_results_new(&without), BTZ_OK);
        for (size_t i = 0; i < BTZ_COUNT(rules); i++) {
            struct btz_finding f = fixture_finding(rules[i], &fixture_demo, "x", k[i], 100,
                                                   (double)k[i] / 300, (double)k[i] / 50);

            send_one(all, &f);
            if (i != fixed)
                send_one(without, &f);
        }
        btz_results_risk(without, -1, NULL, &left);
        run.results = all;
        write_html(&run, &out);
        assert_int_equal(btz_buf_add_str(&cell, "data-t=\"Score once fixed\">"), BTZ_OK);
        assert_int_equal(btz_report_percent(left.score / 100, false, &cell), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&cell, "</td>"), BTZ_OK);
        assert_int_equal(btz_buf_cstr(&cell, &text), BTZ_OK);
        if (!has(&out, text))
            fail_msg("no %s", text);
        btz_results_free(all);
        btz_results_free(without);
    }
}

/* ---- hostile text ---- */

/* Every way out of text, attribute, comment, style and drawing that browsers know. */
static const char *const attacks[] = {
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' onfocus='alert(1)' autofocus='",
    "</style><style>*{background:url(http://e.example)}</style>",
    "<!-- --!><svg/onload=alert(1)>",
    "]]><a href=\"javascript:alert(1)\">x</a>",
    "&lt;script&gt; &#60;img&#62; &amp &NotEqualTilde;",
    "</details></div></main></body></html><p>after",
    "</li></ol></td></tr></table><section><h2 id=\"findings\">no",
    "<title><textarea><plaintext><xmp><noscript><template>",
    "\x1b]8;;http://e.example\x07\x1b[2J\x7f\x9b",
    "a\xe2\x80\xae"
    "b\xe2\x81\xa6"
    "c\xe2\x80\x8f"
    "d\xd8\x9c"
    "e\xef\xbb\xbf\xe2\x80\x8b\xe2\x80\xa8",
    "\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
    "\xf3\xa0\x81\x81\xf3\xa0\x84\x80\xef\xbf\xbf\xef\xb7\x90\xf4\x8f\xbf\xbe",
    "`${alert(1)}` {{7*7}} <%= x %> javascript:alert(1)",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "line\r\nbreak\tand\vmore\f<\n/script>",
    "<<<<<&&&&&",
};

static struct btz_results *results_of(const char *text, const char *role)
{
    const struct btz_asset asset = { text, text, text };
    const struct btz_coverage coverage = { BTZ_PRACTICE_DATA, asset, text, 1, 1, 0, 0 };
    const struct btz_suppression list[] = {
        { "redteam.output.ansi", NULL, NULL, text, 1893456000000 },
    };
    BTZ_BUF_RELEASE struct btz_buf json = BTZ_BUF((size_t)1 << 20);
    BTZ_JSON json_t *talk = NULL;
    struct btz_results *r = NULL;
    struct btz_evidence e[3];
    struct btz_finding f[4];
    size_t expired;

    talk = json_pack("{s:[{s:o,s:o},{s:o,s:o}],s:o,s:o,s:o,s:o,s:o,s:o,s:i,s:i}", "messages",
                     "role", btz_json_text(btz_str(role)), "text", btz_json_text(btz_str(text)),
                     "role", btz_json_text(btz_str("user")), "text", btz_json_text(btz_str(text)),
                     "reply", btz_json_text(btz_str(text)), "outcome", btz_json_text(btz_str(text)),
                     "detector", btz_json_text(btz_str(text)), "reason",
                     btz_json_text(btz_str(text)), "probe", btz_json_text(btz_str(text)),
                     "transform", btz_json_text(btz_str(text)), "at", 2, "len", 3);
    assert_non_null(talk);
    assert_int_equal(btz_json_write(talk, false, &json), BTZ_OK);
    btz_evidence_set(&e[0], text, "application/json", btz_buf_slice(&json));
    btz_evidence_set(&e[1], text, text, btz_str(text));
    btz_evidence_set(&e[2], text, text, btz_slice_of("\0<b>\xff", 5));
    f[0] = fixture_finding("redteam.leak.secret", &asset, text, 7, 20, 0.15, 0.6);
    f[0].evidence = e;
    f[0].evidence_count = BTZ_COUNT(e);
    f[1] = fixture_finding("redteam.output.ansi", &asset, text, 1, 20, 0.001, 0.25);
    f[2] = fixture_finding("redteam.output.xss", &asset, text, 0, 20, 0, 0.17);
    f[3] = fixture_finding("redteam.leak.canary", &asset, text, 0, 0, NAN, NAN);
    f[3].outcome = BTZ_OUTCOME_NOT_EVALUATED;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(f); i++) {
        f[i].reason = text;
        send_one(r, &f[i]);
    }
    assert_int_equal(btz_results_sink(r)->coverage(btz_results_sink(r), &coverage), BTZ_OK);
    if (text[0])
        assert_int_equal(btz_results_suppress(r, list, 1, 1780000000000, &expired), BTZ_OK);
    return r;
}

static uint64_t shape_of(const char *text, const char *role)
{
    struct btz_results *r = results_of(text, role);
    struct btz_run run = { .id = text,
                           .title = text,
                           .version = text,
                           .complete = true,
                           .results = r,
                           .ledger_origin = text,
                           .ledger_root = text };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    struct html_check c;

    write_html(&run, &out);
    check(&out, &c);
    btz_results_free(r);
    return c.shape;
}

/* The same tags in the same order, whatever the text in every field: data makes no markup. */
static void test_attacks(void **state)
{
    uint64_t plain = shape_of("plain", "tester");
    (void)state;
    assert_true(plain != shape_of("", "tester"));
    for (size_t i = 0; i < BTZ_COUNT(attacks); i++)
        if (shape_of(attacks[i], attacks[i]) != plain)
            fail_msg("\"%s\" changes the tags of the page", attacks[i]);
}

/* A rule is ours, but so was every other thing that turned out to be hostile. */
static void test_hostile_rule(void **state)
{
    static const char *const refs[] = { "\"><script>", "CWE-79", NULL };
    const struct btz_rule rule = {
        "x\"><script>",    "<b>title</b>", BTZ_PRACTICE_AUDIT,
        BTZ_SEVERITY_HIGH, refs,           "## Remedy\n\n- <b> `</code>` **<i>**\n"
    };
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 2, 0.01, 0.99);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct html_check c;
    (void)state;
    f.rule = &rule;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    send_one(r, &f);
    run.results = r;
    write_html(&run, &out);
    check(&out, &c);
    assert_true(
        has(&out, "<li>&lt;b&gt; <code>&lt;/code&gt;</code> <strong>&lt;i&gt;</strong></li>"));
    btz_results_free(r);
}

/* ---- evidence of every kind ---- */

static void show_evidence(const struct btz_evidence *e, bool gone, struct btz_buf *out)
{
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 2, 0.01, 0.99);
    struct btz_evidence copy = *e;
    struct btz_results *r = NULL;
    struct btz_run run = { 0 };
    struct html_check c;

    if (gone)
        copy.bytes = btz_str("");
    f.evidence = &copy;
    f.evidence_count = 1;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    send_one(r, &f);
    run.results = r;
    btz_buf_clear(out);
    write_html(&run, out);
    check(out, &c);
    btz_results_free(r);
}

static void test_evidence(void **state)
{
    static const struct {
        const char *json, *expected;
    } cases[] = {
        { "{\"messages\":[],\"reply\":\"abc\",\"at\":1,\"len\":1}", "a<mark>b</mark>c" },
        { "{\"messages\":[],\"reply\":\"abc\",\"at\":-1,\"len\":-5}",
          "<div dir=\"auto\">abc</div>" },
        { "{\"messages\":[],\"reply\":\"abc\",\"at\":2,\"len\":9223372036854775807}",
          "<div dir=\"auto\">abc</div>" },
        { "{\"messages\":[],\"reply\":\"a\\u00fcb\",\"at\":2,\"len\":2}", "a<mark>\xc3\xbc"
                                                                          "b</mark>" },
        { "{\"messages\":[1,null,\"x\",[],{}],\"reply\":7}", "<span class=\"cut\">(empty)</span>" },
        { "{\"messages\":[{\"role\":\"system\",\"text\":\"s\"}]}",
          "<li class=\"system\"><b>system</b>" },
        { "{\"messages\":[{\"role\":\"Chair\",\"text\":\"s\"}]}",
          "<li class=\"other\"><b>Chair</b>" },
        { "{\"messages\":[],\"reply\":\"a\\u0000b\"}",
          "<pre>{&quot;messages&quot;:[],&quot;reply&quot;:&quot;a\\u0000b&quot;}</pre>" },
        { "{\"messages\":{}}", "<pre>{&quot;messages&quot;:{}}</pre>" },
        { "{\"messages\":[],\"http_status\":502,\"seconds\":1e400}", "<pre>" },
        { "{\"messages\":[],\"http_status\":502,\"seconds\":1.25}",
          "<dd>HTTP 502 after 1.2 s</dd>" },
        { "[[[[", "<pre>[[[[</pre>" },
        { "", "<pre></pre>" },
    };
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct btz_evidence e;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        btz_evidence_set(&e, "conversation", "application/json", btz_str(cases[i].json));
        show_evidence(&e, false, &out);
        if (!has(&out, cases[i].expected))
            fail_msg("%s: no %s", cases[i].json, cases[i].expected);
    }
    btz_evidence_set(&e, "conversation", "application/json", btz_str("[1]"));
    show_evidence(&e, true, &out);
    assert_true(has(&out, "is not at hand: it was deleted, or left out to save room."));
}

/* What practices draw: curves, tables and pictures; whatever else stands in such evidence stays text. */
static void test_figures(void **state)
{
    static const struct {
        const char *json, *expected;
    } cases[] = {
        { "{\"kind\":\"curve\",\"title\":\"T\",\"x\":\"eps\",\"y\":\"a\",\"percent\":true,"
          "\"series\":[{\"name\":"
          "\"PGD\",\"points\":[[0,1],[0.5,0.5],[1,0]]}]}",
          "<path class=\"curve s0\" d=\"M52.0 12.0L246.0 101.0L440.0 190.0\"/>" },
        { "{\"kind\":\"curve\",\"title\":\"T\",\"log\":true,\"series\":[{\"name\":\"q\",\"points\":"
          "[[10,0],"
          "[100,1],[1000,2]]}]}",
          "d=\"M52.0 190.0L246.0 101.0L440.0 12.0\"" },
        { "{\"kind\":\"curve\",\"series\":[{\"points\":[[\"x\",1],[],7,[1e999,0]]},4,null]}",
          "<pre>" },
        { "{\"kind\":\"curve\",\"series\":[{\"points\":[[\"x\",1],[],7]},4,null]}",
          "<path class=\"curve s2\" d=\"\"/>" },
        { "{\"kind\":\"curve\",\"series\":7}", "<svg class=\"plot\"" },
        { "{\"kind\":\"table\",\"title\":\"<b>\",\"columns\":[\"a\",\"<i>\"],\"rows\":[[\"x\",5],["
          "\"y\",0.25],"
          "[7,null],3]}",
          "<caption>&lt;b&gt;</caption>" },
        { "{\"kind\":\"table\",\"columns\":[\"a\"],\"rows\":[[\"x\",5],[\"y\",0.25]]}",
          "<td class=\"n\">0.25</td>" },
        { "{\"kind\":\"counts\",\"columns\":[\"\",\"0\",\"1\"],\"rows\":[[\"0\",30,10],[\"1\",0,0]]"
          "}",
          "<td class=\"n heat7\">30</td><td class=\"n heat2\">10</td>" },
        /* A gap is a gap; a point between two gaps is a dot, however many others there are. */
        { "{\"kind\":\"curve\",\"percent\":true,\"whole\":true,\"series\":[{\"name\":\"g\","
          "\"points\":"
          "[[1,1],[2,0.5],[3,null],[4,0.5],[5,null]]}]}",
          "d=\"M52.0 12.0L149.0 101.0M343.0 101.0\"/>" },
        { "{\"kind\":\"curve\",\"percent\":true,\"series\":[{\"name\":\"g\",\"points\":[[1,1],[3,"
          "null],"
          "[5,0.5]]}]}",
          "<tr><th scope=\"row\">3</th><td class=\"n\" data-t=\"g\">&ndash;</td></tr>" },
        { "{\"kind\":\"curve\",\"whole\":true,\"series\":[{\"points\":[[1,1],[3,1]]}]}",
          "y=\"207\">1</text><path class=\"axis\" d=\"M246.0 190v4\"/><text x=\"246.0\" "
          "y=\"207\">2</text>" },
        { "{\"kind\":\"curve\",\"series\":[{\"points\":[[1,1],[3,1]]}],\"marks\":[{\"x\":2,"
          "\"text\":\"<b>\"},"
          "{\"x\":7},{\"x\":\"y\"},4]}",
          "<path class=\"mark\" d=\"M246.0 12V190\"/><text class=\"start\" x=\"250.0\" "
          "y=\"184\">&lt;b&gt;</text><path" },
        /* A drawing holds no elements of text: long names end with dots, the table has them whole. */
        { "{\"kind\":\"curve\",\"series\":[{\"name\":\"a name that is longer than the room for "
          "it\","
          "\"points\":[[1,1],[3,1]]}]}",
          ">a name that is longer than t&hellip;</text>" },
        { "{\"kind\":\"curve\",\"series\":[{\"name\":\"a name that is longer than the room for "
          "it\","
          "\"points\":[[1,1],[3,1]]}]}",
          "<th scope=\"col\" class=\"n\">a name that is longer than the room for it</th>" },
        { "{\"kind\":\"curve\",\"x\":"
          "\"0123456789012345678901234567890123456789012345678901234567890123\","
          "\"series\":[{\"points\":[[1,1],[3,1]]}]}",
          "01234567890123456789&hellip;</text></svg>" },
        { "{\"kind\":\"table\",\"columns\":[\"a\",\"b\"],\"rows\":[[\"x\",5],[\"y\",\"no\"]]}",
          "<td data-t=\"b\">5</td>" },
        { "{\"kind\":\"pie\"}", "<pre>{&quot;kind&quot;:&quot;pie&quot;}</pre>" },
        { "nonsense", "<pre>nonsense</pre>" },
    };
    static const char png[] = "\x89PNG\r\n\x1a\n1234";
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct btz_evidence e;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        btz_evidence_set(&e, "figure <1>", BTZ_FIGURE_TYPE, btz_str(cases[i].json));
        show_evidence(&e, false, &out);
        if (!has(&out, cases[i].expected))
            fail_msg("%s: no %s in %.*s", cases[i].json, cases[i].expected,
                     BTZ_SLICE_ARG(btz_buf_slice(&out)));
        assert_true(has(&out, "<h4>figure &lt;1&gt;</h4>"));
    }
    btz_evidence_set(&e, "examples \"1\"", "image/png", btz_slice_of(png, sizeof png - 1));
    show_evidence(&e, false, &out);
    assert_true(has(&out, "alt=\"examples &quot;1&quot;\" src=\"data:image/png;base64,"
                          "iVBORw0KGgoxMjM0\""));
    btz_evidence_set(&e, "examples", "image/png", btz_str("<svg onload=alert(1)>"));
    show_evidence(&e, false, &out);
    assert_true(has(&out, "A picture of 21 bytes, not shown."));
}

static bool give(void *user, const uint8_t sha256[BTZ_SHA256_LEN], struct btz_buf *out)
{
    const struct btz_evidence *e = user;

    return memcmp(sha256, e->sha256, BTZ_SHA256_LEN) == 0 &&
           btz_buf_add_slice(out, e->bytes) == BTZ_OK;
}

/* Bytes that the results dropped are asked for. */
static void test_evidence_asked_for(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    struct btz_finding f =
        fixture_finding("redteam.leak.secret", &fixture_demo, "x", 1, 2, 0.01, 0.99);
    struct btz_evidence e, empty;
    struct btz_results *r = NULL;
    struct btz_run run = { .evidence = give, .evidence_user = &e };
    (void)state;
    btz_evidence_set(&e, "conversation", "application/json",
                     btz_str("{\"messages\":[],\"reply\":\"from the store\"}"));
    empty = e;
    empty.bytes = btz_str("");
    f.evidence = &empty;
    f.evidence_count = 1;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    send_one(r, &f);
    run.results = r;
    write_html(&run, &out);
    assert_true(has(&out, "from the store"));
    btz_results_free(r);
}

/* A proof a megabyte down is shown with what is around it; what was left out is said. */
static void test_huge_reply(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20), json = BTZ_BUF((size_t)8 << 20);
    struct btz_evidence e;
    (void)state;
    assert_int_equal(btz_buf_add_str(&json, "{\"messages\":[],\"reply\":\""), BTZ_OK);
    for (size_t i = 0; i < 500000; i++)
        assert_int_equal(btz_buf_add_str(&json, "\xc3\xa4"), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&json, "PROOF"), BTZ_OK);
    for (size_t i = 0; i < 500000; i++)
        assert_int_equal(btz_buf_add_str(&json, "\xc3\xa4"), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&json, "\",\"at\":1000000,\"len\":5}"), BTZ_OK);
    btz_evidence_set(&e, "conversation", "application/json", btz_buf_slice(&json));
    show_evidence(&e, false, &out);
    assert_true(has(&out, "\xc3\xa4<mark>PROOF</mark>\xc3\xa4"));
    assert_true(has(&out, "998500 bytes left out"));
    assert_false(has(&out, "\xef\xbf\xbd"));
    assert_true(out.len < 100000);
    /* Ten thousand messages. */
    btz_buf_clear(&json);
    assert_int_equal(btz_buf_add_str(&json, "{\"messages\":["), BTZ_OK);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(btz_buf_add_str(&json, i ? ",{\"role\":\"user\"}" : "{}"), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&json, "]}"), BTZ_OK);
    btz_evidence_set(&e, "conversation", "application/json", btz_buf_slice(&json));
    show_evidence(&e, false, &out);
    assert_true(has(&out, "9976 messages left out"));
}

/* ---- size ---- */

/* Five thousand findings of the worst kind, each with evidence as large as it gets, and as many passes. */
static void test_many(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)64 << 20), big = BTZ_BUF(65536);
    struct btz_results *r = NULL;
    struct btz_run run = { .complete = true };
    struct btz_evidence e;
    struct html_check c;
    size_t rules = 0;
    const char *text;
    (void)state;
    while (big.len < 20000)
        assert_int_equal(btz_buf_add_str(&big, "\"'<&>\x1b\xe2\x80\xae"), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&big, &text), BTZ_OK);
    btz_evidence_set(&e, text, text, btz_buf_slice(&big));
    while (btz_rules[rules])
        rules++;
    assert_int_equal(btz_results_new(&r), BTZ_OK);
    for (size_t i = 0; i < 10000; i++) {
        char location[2048];
        struct btz_finding f;

        snprintf(location, sizeof location, "%zu %.1900s", i, text);
        f = fixture_finding(btz_rules[i / 2 % rules]->id, &fixture_demo, location,
                            i % 2 ? 0 : 1 + i % 20, 20, 0.001, 0.99);
        f.reason = text;
        f.evidence = &e;
        f.evidence_count = i % 2 ? 0 : 1;
        if (i % 2 == 0)
            f.outcome = BTZ_OUTCOME_FAIL;
        send_one(r, &f);
    }
    run.results = r;
    run.title = text;
    write_html(&run, &out);
    check(&out, &c);
    if (out.len > PAGE_MAX)
        fail_msg("%zu bytes", out.len);
    /* Every rule is there, and every check that is not shown is counted. */
    for (size_t i = 0; i < rules; i++) {
        char id[80];

        snprintf(id, sizeof id, "id=\"rule-%s\"", btz_rules[i]->id);
        assert_true(has(&out, id));
    }
    assert_true(has(&out, "more failed checks</summary>"));
    assert_true(has(&out, "more failed checks of this rule are in the JSON report."));
    assert_true(has(&out, "more are in the JSON report."));
    assert_true(has(&out, "<b>5000</b> passed"));
    btz_results_free(r);
}

static void test_trend(void **state)
{
    struct btz_past_run past[60];
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    struct html_check c;
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(past); i++)
        past[i] = (struct btz_past_run){ 1700000000000 + i * 86400000,
                                         { .score = (double)i, .low = -5, .high = 1e9 } };
    past[58].risk.score = NAN;
    past[59].risk.low = past[59].risk.high = NAN;
    run.past = past;
    for (size_t count = 0; count <= BTZ_COUNT(past); count++) {
        run.past_count = count;
        btz_buf_clear(&out);
        write_html(&run, &out);
        check(&out, &c);
        assert_true(has(&out, "id=\"trend\"") == (count > 0));
        assert_false(has(&out, "nan") || has(&out, "inf\""));
    }
    assert_true(has(&out, "Risk of 24 runs, first 36, now "));
    btz_results_free(r);
}

/* ---- contrast, WCAG 2.2, 1.4.3 and 1.4.11 ---- */

static double channel(const char *hex)
{
    uint8_t value;
    double c;

    assert_int_equal(btz_unhex(btz_slice_of(hex, 2), &value, 1), BTZ_OK);
    c = value / 255.0;
    return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

static double luminance(const char *style, const char *name)
{
    const char *at = strstr(style, name);

    assert_non_null(at);
    at = strchr(at, '#');
    return 0.2126 * channel(at + 1) + 0.7152 * channel(at + 3) + 0.0722 * channel(at + 5);
}

static double contrast(double a, double b)
{
    return (fmax(a, b) + 0.05) / (fmin(a, b) + 0.05);
}

static void test_contrast(void **state)
{
    static const char *const texts[] = { "--ink:",    "--soft:", "--accent:",
                                         "--none:",   "--info:", "--low:",
                                         "--medium:", "--high:", "--critical:" };
    static const char *const grounds[] = { "--page:", "--card:" };
    static const char *const pills[] = { ".pill.critical {", ".pill.high, .pill.worse {",
                                         ".pill.medium {",   ".pill.low {",
                                         ".pill.pass {",     "; background: #4b5563" };
    const char *dark = strstr(btz_html_style, "prefers-color-scheme: dark");
    (void)state;
    assert_non_null(dark);
    for (int mode = 0; mode < 2; mode++) {
        const char *style = mode ? dark : btz_html_style;

        for (size_t i = 0; i < BTZ_COUNT(texts); i++)
            for (size_t k = 0; k < BTZ_COUNT(grounds); k++)
                if (contrast(luminance(style, texts[i]), luminance(style, grounds[k])) < 4.5)
                    fail_msg("%s on %s, %s", texts[i], grounds[k], mode ? "dark" : "light");
        /* Text in bubbles and in a mark. */
        assert_true(contrast(luminance(style, "--ink:"), luminance(style, "--you:")) >= 4.5);
        assert_true(contrast(luminance(style, "--ink:"), luminance(style, "--it:")) >= 4.5);
        assert_true(contrast(luminance(style, "--ink:"), luminance(style, "--mark:")) >= 4.5);
        assert_true(contrast(luminance(style, "--soft:"), luminance(style, "--you:")) >= 4.5);
        assert_true(contrast(luminance(style, "--soft:"), luminance(style, "--it:")) >= 4.5);
    }
    for (size_t i = 0; i < BTZ_COUNT(pills); i++)
        if (contrast(1, luminance(btz_html_style, pills[i])) < 4.5)
            fail_msg("white on %s", pills[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_hostile_fixture),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_all_passed),
        cmocka_unit_test(test_other_measures),
        cmocka_unit_test(test_facts_alone),
        cmocka_unit_test(test_score_once_fixed),
        cmocka_unit_test(test_attacks),
        cmocka_unit_test(test_hostile_rule),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_evidence_asked_for),
        cmocka_unit_test(test_huge_reply),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_trend),
        cmocka_unit_test(test_contrast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
