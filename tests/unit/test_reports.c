/* Every report format but HTML, which has its own tests: golden bytes, schemas, and hostile text that stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "finding/report.h"
#include "finding_fixture.h"

extern char **environ;

static const char *const formats[] = { "text", "json", "jsonl", "sarif", "junit", "html", "md" };

static void write_report(const char *format, const struct btz_run *run, struct btz_buf *out)
{
    const struct btz_report_format *f = btz_report_format_find(format);

    assert_non_null(f);
    if (f->write(run, out) != BTZ_OK)
        fail_msg("%s: %s", format, btz_error_detail());
}

static const char *golden_path(const char *format, struct btz_buf *path)
{
    const char *source = getenv("BTZ_SOURCE"), *text;

    assert_int_equal(btz_buf_printf(path, "%s/tests/golden/reports/hostile.%s",
                                    source ? source : ".",
                                    btz_report_format_find(format)->extension),
                     BTZ_OK);
    assert_int_equal(btz_buf_cstr(path, &text), BTZ_OK);
    return text;
}

/* The same results give the same bytes. BTZ_GOLDEN_UPDATE=1 writes the files anew, for a look at the difference. */
static void test_golden(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(formats); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)4 << 20), path = BTZ_BUF(4096);
        BTZ_BUF_RELEASE struct btz_buf golden = BTZ_BUF((size_t)4 << 20);
        const char *name = golden_path(formats[i], &path);

        write_report(formats[i], &run, &out);
        if (getenv("BTZ_GOLDEN_UPDATE"))
            assert_int_equal(btz_file_write(name, btz_buf_slice(&out), 0644), BTZ_OK);
        if (btz_file_read(name, (size_t)4 << 20, &golden) != BTZ_OK)
            fail_msg("%s", btz_error_detail());
        if (!btz_slice_equal(btz_buf_slice(&out), btz_buf_slice(&golden)))
            fail_msg("%s: the report is not the golden one", name);
    }
    btz_results_free(r);
}

static void test_order_of_arrival(void **state)
{
    struct btz_results *r = fixture_results(), *turned = NULL;
    struct btz_run run = fixture_run(r), other;
    const struct btz_suppression list[] = {
        { "redteam.exfil.*", "demo", "link", "our client shows no links " HOSTILE, 1893456000000 },
        { "redteam.output.ansi", NULL, NULL, "no terminal reads it", 1767225600000 },
    };
    const struct btz_record *records;
    const struct btz_coverage *coverage;
    struct btz_sink *sink;
    size_t count, expired;
    (void)state;
    assert_int_equal(btz_results_new(&turned), BTZ_OK);
    sink = btz_results_sink(turned);
    records = btz_results_records(r, &count);
    for (size_t i = count; i > 0; i--)
        assert_int_equal(sink->finding(sink, &records[i - 1].finding), BTZ_OK);
    coverage = btz_results_coverage(r, &count);
    for (size_t i = count; i > 0; i--)
        assert_int_equal(sink->coverage(sink, &coverage[i - 1]), BTZ_OK);
    assert_int_equal(btz_results_suppress(turned, list, 2, 1780000000000, &expired), BTZ_OK);
    other = run;
    other.results = turned;
    for (size_t i = 0; i < BTZ_COUNT(formats); i++) {
        BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF((size_t)4 << 20), b = BTZ_BUF((size_t)4 << 20);

        write_report(formats[i], &run, &a);
        write_report(formats[i], &other, &b);
        assert_true(btz_slice_equal(btz_buf_slice(&a), btz_buf_slice(&b)));
    }
    btz_results_free(r);
    btz_results_free(turned);
}

/* Nothing a terminal, an editor or a parser acts on: no control bytes, no bidi controls, well-formed UTF-8. */
static void test_no_raw_controls(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(formats); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)4 << 20);
        size_t at = 0;
        uint32_t c;

        write_report(formats[i], &run, &out);
        assert_true(btz_is_utf8(btz_buf_slice(&out)));
        while (btz_utf8_next(btz_buf_slice(&out), &at, &c))
            if ((c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0) ||
                (c >= 0x202a && c <= 0x202e) || (c == 0xffff && strcmp(formats[i], "junit") == 0))
                fail_msg("%s: U+%04X at byte %zu", formats[i], c, at);
        assert_false(btz_slice_has(btz_buf_slice(&out), "user:pw"));
    }
    btz_results_free(r);
}

/* Table rows keep their columns, the only tags are ours, fences close where they should, nothing becomes a link. */
static void test_markdown(void **state)
{
    static const char *const tags[] = { "<details>", "<summary>", "</summary>", "</details>",
                                        "<!-- -->" };
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)4 << 20);
    struct btz_reader reader = { .what = "md" };
    struct btz_slice line;
    size_t fence = 0, pipes = 0, rows = 0, fences = 0;
    (void)state;
    write_report("md", &run, &out);
    reader.in = btz_buf_slice(&out);
    while (btz_read_line(&reader, &line)) {
        size_t ticks = 0, bars = 0;

        while (ticks < line.len && line.ptr[ticks] == '`')
            ticks++;
        if (fence > 0) {
            /* Inside: only our closing fence may be that long. */
            fence = ticks >= fence && ticks == line.len ? 0 : fence;
            continue;
        }
        if (ticks >= 3) {
            fence = ticks;
            fences++;
            continue;
        }
        for (size_t i = 0; i < line.len; i++)
            bars += line.ptr[i] == '|';
        if (line.len > 0 && line.ptr[0] == '|') {
            assert_true(pipes == 0 || bars == pipes);
            pipes = bars;
            rows++;
        } else {
            assert_int_equal(bars, 0);
            pipes = 0;
        }
        for (size_t i = 0; i < line.len; i++) {
            bool ours = line.ptr[i] != '<';

            for (size_t t = 0; t < BTZ_COUNT(tags) && !ours; t++)
                ours = btz_slice_has_prefix(btz_slice_sub(line, i, line.len), btz_str(tags[t]));
            assert_true(ours);
        }
        assert_false(btz_slice_has(line, "://"));
        assert_false(btz_slice_has(line, "www."));
        assert_false(btz_slice_has(line, "@user"));
        assert_false(btz_slice_has(line, "]("));
    }
    assert_int_equal(fence, 0);
    assert_int_equal(fences, 1);
    assert_true(rows >= 12);
    /* The transcript has a run of four backticks: the fence must be longer. */
    assert_true(btz_slice_has(btz_buf_slice(&out), "\n`````text\n"));
    btz_results_free(r);
}

static void test_text_width(void **state)
{
    static const unsigned widths[] = { 40, 60, 80, 100, 160 };
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(widths); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20),
                                       color = BTZ_BUF((size_t)1 << 20);
        struct btz_reader reader = { .what = "text" };
        struct btz_slice line;

        run.width = widths[i];
        run.color = false;
        write_report("text", &run, &out);
        reader.in = btz_buf_slice(&out);
        while (btz_read_line(&reader, &line))
            if (btz_report_columns(line) > widths[i])
                fail_msg("width %u: \"%.*s\"", widths[i], BTZ_SLICE_ARG(line));
        assert_true(btz_slice_has(btz_buf_slice(&out), "7/20 35% [15-59]"));
        run.color = true;
        write_report("text", &run, &color);
        assert_true(btz_slice_has(btz_buf_slice(&color), "\x1b[1;35mcritical\x1b[0m"));
    }
    btz_results_free(r);
}

/* East Asian text takes two columns a character, and combining marks none. */
static void test_wrap(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1000), long_word = BTZ_BUF(1000);
    (void)state;
    assert_int_equal(btz_report_columns(btz_str("a\xE6\x97\xA5\xE6\x9C\xAC")), 5);
    assert_int_equal(btz_report_columns(btz_str("e\xCC\x81")), 1);
    assert_int_equal(btz_report_wrap(btz_str("one two three four five six"), 24, 4, &out), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&out), "one two three four\n    five six"));
    btz_buf_clear(&out);
    for (int i = 0; i < 15; i++)
        assert_int_equal(btz_buf_add_str(&long_word, "\xE6\x97\xA5"), BTZ_OK);
    assert_int_equal(btz_report_wrap(btz_buf_slice(&long_word), 20, 0, &out), BTZ_OK);
    assert_int_equal(out.len, 15 * 3 + 1);
    assert_int_equal(out.ptr[30], '\n');
}

static void test_rates(void **state)
{
    static const struct {
        uint64_t k, n;
        double low, high;
        const char *text;
    } cases[] = {
        { 7, 20, 0.153909, 0.592189, "7/20 35% [15-59]" },
        { 0, 10, 0, 0.308497, "0/10 0% [0-31]" },
        { 10, 10, 0.691503, 1, "10/10 100% [69-100]" },
        { 1, 100, 0.000253, 0.054459, "1/100 1% [0-5.4]" },
        { 999, 1000, 0.994441, 0.999975, "999/1000 99.9% [99.4-100]" },
        { 1, 3, NAN, NAN, "1/3 33%" },
        { 1, 40, 0.000633, 0.131586, "1/40 2.5% [0.1-13]" },
    };
    struct btz_finding f = { 0 };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(200);

        f = fixture_finding("redteam.leak.secret", &fixture_demo, "x", cases[i].k, cases[i].n,
                            cases[i].low, cases[i].high);
        assert_int_equal(btz_report_rate(&f, &out), BTZ_OK);
        if (!btz_slice_is(btz_buf_slice(&out), cases[i].text))
            fail_msg("\"%.*s\", expected \"%s\"", BTZ_SLICE_ARG(btz_buf_slice(&out)),
                     cases[i].text);
    }
    {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(200);

        f.n = f.k = 0;
        f.value = 0.83;
        f.ci_low = 0.8;
        f.ci_high = 0.86;
        assert_int_equal(btz_report_rate(&f, &out), BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&out), "value 0.83 [0.8 to 0.86]"));
    }
}

/* ---- other people's parsers ---- */

/* Exit status of a program, its output on stderr; -1 when it is not installed. */
static int run_program(const char *const argv[])
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = -1, failed;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    /* posix_spawnp takes char *const[] and changes nothing. */
    failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

static void temporary(const struct btz_buf *content, char path[32])
{
    int fd;

    strncpy(path, "/tmp/btz-report-XXXXXX", 32);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(btz_fd_write_all(fd, btz_buf_slice(content), path), BTZ_OK);
    close(fd);
}

/* A run full of everything, one with nothing, one that was interrupted before it began. */
static void write_runs(const char *format, char paths[2][32])
{
    struct btz_results *full = fixture_results(), *empty = NULL;
    struct btz_run run = fixture_run(full);
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF((size_t)4 << 20), b = BTZ_BUF((size_t)4 << 20);

    assert_int_equal(btz_results_new(&empty), BTZ_OK);
    write_report(format, &run, &a);
    temporary(&a, paths[0]);
    run = (struct btz_run){ .results = empty, .complete = true };
    write_report(format, &run, &b);
    temporary(&b, paths[1]);
    btz_results_free(full);
    btz_results_free(empty);
}

static void validate(const char *format, const char *schema)
{
    BTZ_BUF_RELEASE struct btz_buf script = BTZ_BUF(4096);
    const char *source = getenv("BTZ_SOURCE"), *js;
    char paths[2][32];
    int status;

    assert_int_equal(btz_buf_printf(&script, "%s/tests/tools/validate.js", source ? source : "."),
                     BTZ_OK);
    assert_int_equal(btz_buf_cstr(&script, &js), BTZ_OK);
    /* Debian keeps its modules here; elsewhere the variable does no harm. */
    setenv("NODE_PATH", "/usr/share/nodejs", 0);
    write_runs(format, paths);
    {
        const char *const argv[] = { "node", js, schema, paths[0], paths[1], NULL };
        status = run_program(argv);
    }
    unlink(paths[0]);
    unlink(paths[1]);
    if (status == -1 || status == 77) {
        print_message("# skipped: node with ajv is not installed\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void test_json_schema(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096);
    const char *source = getenv("BTZ_SOURCE"), *schema;
    (void)state;
    assert_int_equal(
        btz_buf_printf(&path, "%s/docs/schema/report-1.schema.json", source ? source : "."),
        BTZ_OK);
    assert_int_equal(btz_buf_cstr(&path, &schema), BTZ_OK);
    validate("json", schema);
}

static void test_sarif_schema(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf path = BTZ_BUF(4096);
    const char *data = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE"), *schema;
    (void)state;
    assert_int_equal(data ? btz_buf_printf(&path, "%s", data)
                          : btz_buf_printf(&path, "%s/../shared/data", source ? source : "."),
                     BTZ_OK);
    assert_int_equal(btz_buf_add_str(&path, "/schemas/sarif-schema-2.1.0.json"), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&path, &schema), BTZ_OK);
    if (access(schema, R_OK) != 0) {
        print_message(
            "# skipped: the SARIF schema (schemas/sarif-schema-2.1.0.json) is not here\n");
        skip();
    }
    validate("sarif", schema);
}

/* What the schema cannot say: indexes point where they should, kinds and levels agree, all or none has suppressions. */
static void test_sarif_meaning(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)4 << 20);
    BTZ_JSON json_t *log = NULL;
    const json_t *sarif_run, *results, *rules, *taxonomies;
    size_t suppressed = 0;
    (void)state;
    write_report("sarif", &run, &out);
    assert_int_equal(btz_json_parse(btz_buf_slice(&out), (size_t)4 << 20, "sarif", &log), BTZ_OK);
    sarif_run = json_array_get(json_object_get(log, "runs"), 0);
    results = json_object_get(sarif_run, "results");
    taxonomies = json_object_get(sarif_run, "taxonomies");
    rules = json_object_get(json_object_get(json_object_get(sarif_run, "tool"), "driver"), "rules");
    assert_int_equal(json_array_size(results), 7);
    assert_int_equal(json_array_size(rules), 7);
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);
        const json_t *rule =
            json_array_get(rules, (size_t)json_integer_value(json_object_get(result, "ruleIndex")));
        const char *kind = json_string_value(json_object_get(result, "kind"));
        const char *level = json_string_value(json_object_get(result, "level"));
        const json_t *list = json_object_get(result, "suppressions");

        assert_string_equal(json_string_value(json_object_get(rule, "id")),
                            json_string_value(json_object_get(result, "ruleId")));
        assert_int_equal(strcmp(kind, "fail") == 0, strcmp(level, "none") != 0);
        assert_true(json_is_array(list));
        suppressed += json_array_size(list);
        if (strcmp(json_string_value(json_object_get(result, "ruleId")), "redteam.leak.canary") ==
            0) {
            const json_t *message = json_object_get(result, "message");

            assert_string_equal(kind, "open");
            assert_non_null(strstr(json_string_value(json_object_get(message, "text")),
                                   "not evaluated. no canaries are configured"));
        }
    }
    assert_int_equal(suppressed, 1);
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *list = json_object_get(json_array_get(rules, i), "relationships");

        assert_true(json_array_size(list) > 0);
        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *target = json_object_get(json_array_get(list, k), "target");
            const json_t *component = json_object_get(target, "toolComponent");
            const json_t *taxonomy = json_array_get(
                taxonomies, (size_t)json_integer_value(json_object_get(component, "index")));
            const json_t *taxon =
                json_array_get(json_object_get(taxonomy, "taxa"),
                               (size_t)json_integer_value(json_object_get(target, "index")));

            assert_string_equal(json_string_value(json_object_get(taxonomy, "name")),
                                json_string_value(json_object_get(component, "name")));
            assert_string_equal(json_string_value(json_object_get(taxon, "id")),
                                json_string_value(json_object_get(target, "id")));
        }
    }
    btz_results_free(r);
}

static void test_junit_parsed(void **state)
{
    char paths[2][32];
    int status, counts;
    (void)state;
    write_runs("junit", paths);
    {
        const char *const argv[] = { "xmllint", "--noout", paths[0], paths[1], NULL };
        status = run_program(argv);
    }
    {
        /* Seven findings: three count, the link is suppressed, the canary was not evaluated, one passed, and the
         * over-refusal counts too; the interrupted run is the error. */
        const char *const argv[] = {
            "xmllint",
            "--noout",
            "--xpath",
            "/testsuites[@tests=8 and @failures=4 and @errors=1 and @skipped=2 and "
            "count(//testcase)=8 and count(//failure)=4 and count(//skipped)=2 and "
            "count(//error)=1 and "
            "sum(testsuite/@tests)=8 and sum(testsuite/@failures)=4 and sum(testsuite/@skipped)=2 "
            "and "
            "//skipped[@message='not evaluated: no canaries are configured']]/@tests",
            paths[0],
            NULL
        };
        counts = run_program(argv);
    }
    unlink(paths[0]);
    unlink(paths[1]);
    if (status == -1) {
        print_message("# skipped: xmllint is not installed\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(counts, 0);
}

/* Each line of jsonl is an object with a type, and holds what the JSON report holds. */
static void test_jsonl(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)4 << 20), json = BTZ_BUF((size_t)4 << 20);
    BTZ_JSON json_t *report = NULL;
    struct btz_reader reader = { .what = "jsonl" };
    struct btz_slice line;
    size_t findings = 0, lines = 0;
    (void)state;
    write_report("jsonl", &run, &out);
    write_report("json", &run, &json);
    assert_int_equal(btz_json_parse(btz_buf_slice(&json), (size_t)4 << 20, "json", &report),
                     BTZ_OK);
    reader.in = btz_buf_slice(&out);
    while (btz_read_line(&reader, &line)) {
        BTZ_JSON json_t *value = NULL;
        struct btz_slice type;

        assert_int_equal(btz_json_parse(line, (size_t)4 << 20, "line", &value), BTZ_OK);
        assert_true(btz_json_get_text(value, "type", &type));
        lines++;
        if (!btz_slice_is(type, "finding"))
            continue;
        json_object_del(value, "type");
        assert_true(
            json_equal(value, json_array_get(json_object_get(report, "findings"), findings)));
        findings++;
    }
    assert_int_equal(findings, 7);
    assert_int_equal(lines, 1 + 3 + 7 + 1 + 1);
    btz_results_free(r);
}

static void test_limit(void **state)
{
    struct btz_results *r = fixture_results();
    struct btz_run run = fixture_run(r);
    (void)state;
    /* A report that does not fit says so, whatever the format and wherever it is cut. */
    for (size_t i = 0; i < BTZ_COUNT(formats); i++) {
        BTZ_BUF_RELEASE struct btz_buf whole = BTZ_BUF((size_t)4 << 20);

        write_report(formats[i], &run, &whole);
        for (size_t max = 0; max < whole.len; max += 97) {
            BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(max);

            assert_int_equal(btz_report_format_find(formats[i])->write(&run, &out), BTZ_LIMIT);
        }
    }
    btz_results_free(r);
}

static void test_formats(void **state)
{
    (void)state;
    for (size_t i = 0; btz_report_formats[i]; i++) {
        const struct btz_report_format *f = btz_report_formats[i];

        assert_ptr_equal(btz_report_format_find(f->id), f);
        assert_non_null(f->title);
        assert_non_null(f->extension);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f->id, btz_report_formats[k]->id);
    }
    for (size_t i = 0; i < BTZ_COUNT(formats); i++)
        assert_non_null(btz_report_format_find(formats[i]));
    assert_null(btz_report_format_find("pdf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_order_of_arrival),
        cmocka_unit_test(test_no_raw_controls),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_text_width),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_json_schema),
        cmocka_unit_test(test_sarif_schema),
        cmocka_unit_test(test_sarif_meaning),
        cmocka_unit_test(test_junit_parsed),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
