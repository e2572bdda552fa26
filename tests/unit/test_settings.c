/* bartizan.yaml as a whole, with a practice of the test behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "access/access.h"
#include "watch/watch.h"

struct probe_conf {
    int64_t effort;
};
struct fake_target {
    const char *name, *url;
};
struct fake_conf {
    struct btz_conf_list targets;
    struct probe_conf fake;
};

static const struct btz_conf_key target_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct fake_target, name),
      .required = true },
    { .name = "url", .kind = BTZ_CONF_STRING, .offset = offsetof(struct fake_target, url) },
};
static const struct btz_conf_struct target_conf = { "target", sizeof(struct fake_target),
                                                    target_keys, 2 };
static const struct btz_conf_key probe_keys[] = {
    { .name = "effort",
      .kind = BTZ_CONF_INT,
      .offset = offsetof(struct probe_conf, effort),
      .fallback = "3" },
};
static const struct btz_conf_struct probe_conf = { "fake", sizeof(struct probe_conf), probe_keys,
                                                   1 };
static const struct btz_conf_key fake_keys[] = {
    { .name = "targets",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct fake_conf, targets),
      .of = &target_conf },
    { .name = "fake",
      .kind = BTZ_CONF_STRUCT,
      .offset = offsetof(struct fake_conf, fake),
      .of = &probe_conf },
};
static const struct btz_practice_ops fake = { .name = "fake",
                                              .practice = BTZ_PRACTICE_REDTEAM,
                                              .keys = fake_keys,
                                              .key_count = BTZ_COUNT(fake_keys),
                                              .conf_size = sizeof(struct fake_conf) };
static const struct btz_practice_ops *const practices[] = { &fake, NULL };
static const struct btz_practice_ops *const no_practices[] = { NULL };

static struct btz_arena arena;

static int setup(void **state)
{
    (void)state;
    btz_arena_init(&arena, 4 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    btz_arena_release(&arena);
    return 0;
}

static enum btz_err parse_with(const struct btz_practice_ops *const *with, const char *file,
                               const char *text, struct btz_settings *out)
{
    const struct btz_yaml *root;

    if (btz_yaml_parse(btz_str(text), file, &arena, &root) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return btz_settings_parse(root, file, with, NULL, NULL, &arena, out);
}

static void parse(const char *text, struct btz_settings *out)
{
    if (parse_with(practices, "f", text, out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static void refused(const char *text, enum btz_err err, const char *detail)
{
    struct btz_settings s;

    assert_int_equal(parse_with(practices, "f", text, &s), err);
    assert_string_equal(btz_error_detail(), detail);
}

static void test_defaults(void **state)
{
    struct btz_settings s;

    (void)state;
    parse("", &s);
    assert_string_equal(s.title, "AI system");
    assert_string_equal(s.state, ".bartizan");
    assert_int_equal(s.seed, 1);
    assert_in_range(s.threads, 1, 1024);
    assert_int_equal(s.fail_on, BTZ_SEVERITY_HIGH);
    assert_true(s.risk_threshold < 0);
    assert_int_equal(s.reports.count + s.suppressions.count + s.uncovered_count, 0);
    assert_null(btz_settings_practice(&s, &fake));
}

static void test_values(void **state)
{
    const struct fake_conf *conf;
    const struct btz_report_conf *reports;
    const struct btz_suppression *suppression;
    struct btz_settings s;

    (void)state;
    parse("version: 1\ntitle: Bot\nstate: /var/lib/b\nseed: 9007199254740992\nthreads: 3\n"
          "fail_on: never\nrisk_threshold: 12.5\n"
          "reports: [{format: html, path: r.html}, {format: json}]\n"
          "suppressions:\n  - {rule: redteam.leak.*, reason: known, expires: 2027-01-31}\n"
          "targets: [{name: a}, {name: b, url: http://x}]\n"
          "fake: {effort: 5}\n",
          &s);
    assert_string_equal(s.title, "Bot");
    assert_string_equal(s.state, "/var/lib/b");
    assert_int_equal(s.seed, UINT64_C(9007199254740992));
    assert_int_equal(s.threads, 3);
    assert_int_equal(s.fail_on, BTZ_SEVERITY_COUNT);
    assert_true(s.risk_threshold == 12.5);
    reports = s.reports.items;
    assert_int_equal(s.reports.count, 2);
    assert_string_equal(reports[0].format, "html");
    assert_string_equal(reports[0].path, "r.html");
    assert_string_equal(reports[1].format, "json");
    assert_null(reports[1].path);
    suppression = s.suppressions.items;
    assert_string_equal(suppression->rule, "redteam.leak.*");
    assert_int_equal(suppression->expires, UINT64_C(1801353600000));
    conf = btz_settings_practice(&s, &fake);
    assert_non_null(conf);
    assert_int_equal(conf->fake.effort, 5);
    assert_int_equal(conf->targets.count, 2);
    assert_string_equal(((const struct fake_target *)conf->targets.items)[1].url, "http://x");
    assert_int_equal(s.uncovered_count, 0);
    parse("fake:\n", &s);
    conf = btz_settings_practice(&s, &fake);
    assert_non_null(conf);
    assert_int_equal(conf->fake.effort, 3);
}

static void test_severities(void **state)
{
    static const struct {
        const char *text;
        enum btz_severity severity;
    } cases[] = { { "fail_on: info", BTZ_SEVERITY_INFO },
                  { "fail_on: low", BTZ_SEVERITY_LOW },
                  { "fail_on: medium", BTZ_SEVERITY_MEDIUM },
                  { "fail_on: high", BTZ_SEVERITY_HIGH },
                  { "fail_on: critical", BTZ_SEVERITY_CRITICAL } };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_settings s;

        parse(cases[i].text, &s);
        assert_int_equal(s.fail_on, cases[i].severity);
    }
}

static void test_state_beside_file(void **state)
{
    struct btz_settings s;
    const struct btz_yaml *root;
    const char *dir;

    (void)state;
    assert_int_equal(parse_with(practices, "conf/a.yaml", "state: st", &s), BTZ_OK);
    assert_string_equal(s.state, "conf/st");
    assert_int_equal(parse_with(practices, "/a.yaml", "", &s), BTZ_OK);
    assert_string_equal(s.state, "/.bartizan");
    /* The folder alone is found although nothing else loads. */
    assert_int_equal(btz_yaml_parse(btz_str("state: st\ntargts: ${UNSET}\n"), "c/f", &arena, &root),
                     BTZ_OK);
    assert_int_equal(btz_settings_state(root, "c/f", NULL, &arena, &dir), BTZ_OK);
    assert_string_equal(dir, "c/st");
}

static void test_section_access(void **state)
{
    const struct btz_access_conf *conf;
    struct btz_settings s;

    (void)state;
    /* Not in the file: the defaults hold. */
    parse("title: x", &s);
    conf = btz_settings_of(&s, &btz_section_access);
    assert_non_null(conf);
    assert_int_equal(conf->session_idle_ms, 30 * 60000);
    assert_int_equal(conf->session_absolute_ms, 12 * 3600000);
    assert_int_equal(conf->concurrent_hashes, 4);
    assert_int_equal(conf->four_eyes.count, 0);
    parse(
        "access: {session_idle: 5m, four_eyes: [role.bind, key.write], store: 'postgresql://h/d'}",
        &s);
    conf = btz_settings_of(&s, &btz_section_access);
    assert_int_equal(conf->session_idle_ms, 5 * 60000);
    assert_int_equal(conf->session_absolute_ms, 12 * 3600000);
    assert_int_equal(conf->four_eyes.count, 2);
    assert_string_equal(((const char *const *)conf->four_eyes.items)[1], "key.write");
    assert_string_equal(conf->store, "postgresql://h/d");
    refused("access: {sesion_idle: 5m}\n", BTZ_USAGE,
            "f:1: unknown key `sesion_idle` in access; did you mean `session_idle`?");
}

static void test_refusals(void **state)
{
    (void)state;
    /* The nearest of all keys: common ones and those of practices. */
    refused("a: 1\n", BTZ_USAGE,
            "f:1: unknown key `a`; expected one of: version, title, targets, fake, access, gate, "
            "state, "
            "seed, threads, fail_on, risk_threshold, suppressions, reports, datasets, audits");
    refused("version: 1\n\ntargts: []\n", BTZ_USAGE,
            "f:3: unknown key `targts`; did you mean `targets`?");
    refused("supressions: []\n", BTZ_USAGE,
            "f:1: unknown key `supressions`; did you mean `suppressions`?");
    refused("version: 2\n", BTZ_UNSUPPORTED,
            "f:1: `version`: this bartizan reads version 1, found 2; use a newer bartizan");
    refused("version: 0\n", BTZ_USAGE, "f:1: `version`: this bartizan reads version 1, found 0");
    refused("datasets:\n  - name: m\n    path: x\n  - name: n\n", BTZ_USAGE,
            "f:4: `n` in datasets needs a `path` or a `url`");
    refused("suppressions:\n  - rule: x\n    reason: y\n", BTZ_USAGE,
            "f:2: suppression: `expires` is missing: The day from which the finding counts again.");
    refused("reports: [{format: pdf}]\n", BTZ_USAGE,
            "f:1: `format` in report: expected one of text, json, jsonl, sarif, junit, html, md, "
            "found `pdf`");
    refused("fake: {efort: 1}\n", BTZ_USAGE,
            "f:1: unknown key `efort` in fake; did you mean `effort`?");
}

static void expect_uncovered(const struct btz_uncovered *u, enum btz_practice practice,
                             const char *kind, const char *name, const char *reason)
{
    assert_int_equal(u->practice, practice);
    assert_string_equal(u->asset.kind, kind);
    assert_string_equal(u->asset.name, name);
    assert_string_equal(u->reason, reason);
}

static void test_uncovered(void **state)
{
    static const char text[] = "title: t\n"
                               "datasets: [{name: d, path: d.csv}]\n"
                               "audits: [{name: h, path: /etc}]\n"
                               "targets: [{name: t, url: http://t}]\n";
    const char *nobody = "no practice of this build looks at it";
    char with_section[512];
    struct btz_settings s;

    (void)state;
    parse(text, &s);
    assert_int_equal(s.uncovered_count, 3);
    expect_uncovered(&s.uncovered[0], BTZ_PRACTICE_DATA, "dataset", "d", nobody);
    assert_string_equal(s.uncovered[0].asset.address, "d.csv");
    assert_int_equal(s.uncovered[0].line, 2);
    expect_uncovered(&s.uncovered[1], BTZ_PRACTICE_AUDIT, "configuration", "h", nobody);
    expect_uncovered(&s.uncovered[2], BTZ_PRACTICE_REDTEAM, "endpoint", "t",
                     "the section `fake` is not in f");
    snprintf(with_section, sizeof with_section, "%sfake:\n", text);
    parse(with_section, &s);
    assert_int_equal(s.uncovered_count, 2);
    /* Without the practice its keys are unknown, as in a build without it. */
    assert_int_equal(parse_with(no_practices, "f", text, &s), BTZ_USAGE);
}

static void test_same_key_twice(void **state)
{
    static const struct btz_conf_key keys[] = { { .name = "state", .kind = BTZ_CONF_STRING } };
    static const struct btz_practice_ops clash = {
        .name = "clash", .keys = keys, .key_count = 1, .conf_size = sizeof(char *)
    };
    static const struct btz_practice_ops *const clashing[] = { &clash, NULL };
    const struct btz_conf_struct *table;

    (void)state;
    assert_int_equal(btz_settings_table(clashing, &arena, &table), BTZ_INTERNAL);
    assert_string_equal(btz_error_detail(), "the key `state` is in two tables");
    /* The practices of this build do not clash. */
    assert_int_equal(btz_settings_table(btz_practices, &arena, &table), BTZ_OK);
}

static void test_file(void **state)
{
    char dir[] = "/tmp/btz-settings-XXXXXX", path[64], missing[64], expected[160];
    struct btz_settings s;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/b.yaml", dir);
    snprintf(missing, sizeof missing, "%s/none.yaml", dir);
    assert_int_equal(btz_file_write(path, btz_str("title: T\n"), 0600), BTZ_OK);
    assert_int_equal(btz_settings_load(path, practices, NULL, NULL, &arena, &s), BTZ_OK);
    assert_string_equal(s.title, "T");
    assert_int_equal(btz_settings_load(missing, practices, NULL, NULL, &arena, &s), BTZ_USAGE);
    snprintf(expected, sizeof expected, "%s: there is no such file; `bartizan init` writes one",
             missing);
    assert_string_equal(btz_error_detail(), expected);
    assert_int_equal(btz_settings_load(dir, practices, NULL, NULL, &arena, &s), BTZ_IO);
    unlink(path);
    rmdir(dir);
}

/* The commented file of the whole table loads, as it is and with every mark removed. */
static void test_example(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    const struct btz_conf_struct *table;
    struct btz_settings s;
    const char *text;

    (void)state;
    assert_int_equal(btz_settings_table(practices, &arena, &table), BTZ_OK);
    assert_int_equal(btz_conf_example(table, NULL, &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
    parse(text, &s);
    assert_null(btz_settings_practice(&s, &fake));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),          TEST(test_values),         TEST(test_severities),
        TEST(test_state_beside_file), TEST(test_refusals),       TEST(test_uncovered),
        TEST(test_section_access),    TEST(test_same_key_twice), TEST(test_file),
        TEST(test_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
