/*
 * Posture of the gateway: for each rule settings that must be named and settings that must not, through the reader of
 * bartizan.yaml; fronts as btz_front_write() writes them, and folders on a disk.
 */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/yaml.h"
#include "gate/front.h"
#include "gate/posture.h"

/* ---- what a rule said ---- */

struct said {
    struct btz_sink sink;
    const char *word;
    unsigned failed, passed, skipped, findings;
    int severity;
    char location[300], reason[600];
    uint64_t covered;
};

static enum btz_err hear(struct btz_sink *sink, const struct btz_finding *f)
{
    struct said *s = (struct said *)sink;

    s->findings++;
    assert_memory_equal(f->rule->id, "access.gate.", 12);
    assert_true(f->reason && f->reason[0] && f->location);
    if (strcmp(f->rule->id + 12, s->word) != 0)
        return BTZ_OK;
    s->failed += f->outcome == BTZ_OUTCOME_FAIL;
    s->passed += f->outcome == BTZ_OUTCOME_PASS;
    s->skipped += f->outcome == BTZ_OUTCOME_NOT_EVALUATED;
    s->severity = (int)f->severity;
    snprintf(s->location, sizeof s->location, "%s", f->location);
    snprintf(s->reason, sizeof s->reason, "%s", f->reason);
    return BTZ_OK;
}

static enum btz_err cover(struct btz_sink *sink, const struct btz_coverage *c)
{
    ((struct said *)sink)->covered += c->done;
    return BTZ_OK;
}

static struct said ask(const struct btz_posture *p, const char *word)
{
    struct said s = { .sink = { .finding = hear, .coverage = cover }, .word = word };

    assert_int_equal(btz_posture_run(p, &s.sink), BTZ_OK);
    return s;
}

static const char *env(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "KEY") == 0 ? "sk-from-the-environment" : NULL;
}

/* `yaml` is what stands below `gate:`, in flow style. */
static void settings(const char *yaml, struct btz_arena *arena, struct btz_posture *out)
{
    static const struct btz_conf_env environment = { .get = env };
    struct btz_gate_conf *conf = btz_arena_alloc(arena, sizeof *conf);
    const struct btz_yaml *root;
    char *text = btz_arena_printf(arena, "gate: %s\n", yaml);
    enum btz_err err;

    *out = (struct btz_posture){ .conf = conf };
    assert_int_equal(btz_posture_read_settings(btz_str(text), out), BTZ_OK);
    assert_int_equal(btz_yaml_parse(btz_str(text), "t.yaml", arena, &root), BTZ_OK);
    err = btz_conf_load(btz_yaml_get(root, "gate"), &btz_gate_conf_struct, "t.yaml", &environment,
                        arena, conf);
    if (err == BTZ_OK)
        err = btz_gate_conf_check(conf);
    if (err != BTZ_OK)
        fail_msg("%s: %s", yaml, btz_error_detail());
}

#define UP  "{name: a, url: 'https://api.example.com'"
#define ONE "upstreams: [" UP "}]"

/* ---- settings ---- */

static const struct {
    const char *word, *yaml;
    char wanted;  /* f: named, p: passed, s: not evaluated */
    int severity; /* of f; -1: the rule's */
    const char *location;
} cases[] = {
    { "guard-off", "{guard: {enabled: false}}", 'f', BTZ_SEVERITY_HIGH, "gate.guard.enabled" },
    { "guard-off", "{guard: {enabled: false, mode: hold}}", 'f', -1, NULL },
    { "guard-off", "{}", 'p', -1, NULL },
    { "guard-off", "{guard: {enabled: true, mode: observe}}", 'p', -1, NULL },

    { "guard-observes", "{guard: {mode: observe}}", 'f', -1, "gate.guard.mode" },
    { "guard-observes", "{guard: {rules: [{detector: '*', action: observe}]}}", 'f', -1,
      "gate.guard.rules" },
    { "guard-observes", "{guard: {mode: hold}}", 'p', -1, NULL },
    { "guard-observes", "{guard: {rules: [{detector: secret, action: observe}]}}", 'p', -1, NULL },
    { "guard-observes",
      "{guard: {rules: [{detector: '*', channels: [document], action: observe}]}}", 'p', -1, NULL },
    { "guard-observes", "{guard: {rules: [{detector: '*', action: block}]}}", 'p', -1, NULL },
    { "guard-observes", "{guard: {enabled: false, mode: observe}}", 's', -1, NULL },

    { "uncalibrated", "{}", 'f', -1, "gate.guard.calibration" },
    { "uncalibrated", "{guard: {classifier: own.json}}", 'f', -1, NULL },
    { "uncalibrated", "{guard: {calibration: own.json}}", 'p', -1, NULL },
    { "uncalibrated", "{guard: {calibration: a, classifier: b}}", 'p', -1, NULL },
    { "uncalibrated", "{guard: {enabled: false}}", 's', -1, NULL },

    { "audit-async", "{}", 'f', -1, "gate.audit.mode" },
    { "audit-async", "{audit: {mode: async, bodies: none}}", 'f', -1, NULL },
    { "audit-async", "{audit: {mode: durable}}", 'p', -1, NULL },
    { "audit-async", "{audit: {mode: durable, bodies: all}}", 'p', -1, NULL },

    { "audit-bodies", "{audit: {bodies: all}}", 'f', -1, "gate.audit.bodies" },
    { "audit-bodies", "{audit: {mode: durable, bodies: all}}", 'f', -1, NULL },
    { "audit-bodies", "{audit: {bodies: blocked}}", 'p', -1, NULL },
    { "audit-bodies", "{}", 'p', -1, NULL },

    { "tls-unverified", "{upstreams: [" UP ", tls_verify: false}]}", 'f', -1, "a" },
    { "tls-unverified",
      "{upstreams: [{name: x, url: 'http://127.0.0.1:1'}, " UP
      ", tls_verify: false}], models: [{name: m, upstreams: [{upstream: a}]}]}",
      'f', -1, "a" },
    { "tls-unverified", "{" ONE "}", 'p', -1, NULL },
    { "tls-unverified", "{upstreams: [{name: a, url: 'http://127.0.0.1:1', tls_verify: false}]}",
      'p', -1, NULL },

    { "upstream-plain", "{upstreams: [{name: a, url: 'http://10.1.2.3:8000'}]}", 'f',
      BTZ_SEVERITY_MEDIUM, "a" },
    { "upstream-plain",
      "{upstreams: [{name: a, url: 'http://models.internal', credential: '${KEY}'}]}", 'f',
      BTZ_SEVERITY_HIGH, "a" },
    { "upstream-plain", "{upstreams: [{name: a, url: 'http://127.0.0.1.example.com'}]}", 'f', -1,
      "a" },
    { "upstream-plain", "{upstreams: [{name: a, url: 'http://localhost.example.com'}]}", 'f', -1,
      "a" },
    { "upstream-plain", "{upstreams: [{name: a, url: 'http://localhost:11434'}]}", 'p', -1, NULL },
    { "upstream-plain", "{upstreams: [{name: a, url: 'http://[::1]:11434/v0'}]}", 'p', -1, NULL },
    { "upstream-plain", "{upstreams: [{name: a, url: 'http://127.8.9.10'}]}", 'p', -1, NULL },
    { "upstream-plain", "{" ONE "}", 'p', -1, NULL },

    { "shared-limits-plain", "{shared_limits: 'redis://10.0.0.1:6379/0'}", 'f', -1,
      "gate.shared_limits" },
    { "shared-limits-plain", "{shared_limits: 'redis://cache.internal:6379/0'}", 'f', -1, NULL },
    { "shared-limits-plain", "{shared_limits: 'redis://127.0.0.1:6379/0'}", 'p', -1, NULL },
    { "shared-limits-plain", "{shared_limits: 'unix:/run/redis.sock'}", 'p', -1, NULL },
    { "shared-limits-plain", "{}", 'p', -1, NULL },

    { "telemetry-plain", "{otlp: 'http://collector:4318'}", 'f', -1, "gate.otlp" },
    { "telemetry-plain", "{otlp: 'http://10.0.0.2:4318'}", 'f', -1, NULL },
    { "telemetry-plain", "{otlp: 'http://127.0.0.1:4318'}", 'p', -1, NULL },
    { "telemetry-plain", "{}", 'p', -1, NULL },

    { "credential-clear", "{upstreams: [" UP ", credential: sk-abc}]}", 'f', BTZ_SEVERITY_MEDIUM,
      "upstream a, credential" },
    { "credential-clear", "{upstreams: [" UP ", headers: {X-Api-Key: abc}}]}", 'f', -1,
      "upstream a, header X-Api-Key" },
    { "credential-clear", "{upstreams: [" UP ", credential: '${KEY}'}]}", 'p', -1, NULL },
    { "credential-clear", "{upstreams: [" UP ", credential: ''}]}", 'p', -1, NULL },
    { "credential-clear", "{upstreams: [" UP ", headers: {anthropic-version: '2023-06-01'}}]}", 'p',
      -1, NULL },

    { "no-limits", "{}", 'f', -1, "gate.limits" },
    { "no-limits", "{limits: [{each: group, name: '*', requests_per_minute: 5}]}", 'f', -1, NULL },
    { "no-limits", "{limits: [{each: principal, name: 'a*', requests_per_minute: 5}]}", 'f', -1,
      NULL },
    { "no-limits", "{limits: [{each: principal, name: '*', request_bytes: 5}]}", 'f', -1, NULL },
    { "no-limits", "{limits: [{each: principal, name: '*', requests_per_minute: 5}]}", 'p', -1,
      NULL },
    { "no-limits", "{limits: [{each: principal, name: '*', concurrency: 5}]}", 'p', -1, NULL },

    { "no-budget", "{upstreams: [" UP ", credential: '${KEY}'}]}", 'f', -1, "gate.limits" },
    { "no-budget", "{" ONE ", models: [{name: m, input_price: 1}]}", 'f', -1, NULL },
    { "no-budget",
      "{" ONE ", models: [{name: m, output_price: 1}], limits: [{each: principal, name: '*', "
      "budget: 5}]}",
      'p', -1, NULL },
    { "no-budget",
      "{upstreams: [" UP ", credential: '${KEY}'}], limits: [{each: key, name: '*', budget: 0}]}",
      'p', -1, NULL },
    { "no-budget", "{upstreams: [{name: a, url: 'http://localhost:1', credential: '${KEY}'}]}", 's',
      -1, NULL },

    { "model-wildcard", "{" ONE "}", 'f', -1, "gate.models" },
    { "model-wildcard", "{" ONE ", models: [{name: '*'}]}", 'f', -1, "gate.models" },
    { "model-wildcard", "{" ONE ", models: [{name: small-1}]}", 'p', -1, NULL },
    { "model-wildcard", "{" ONE ", models: [{name: 'gpt-*'}]}", 'p', -1, NULL },
    { "model-wildcard", "{upstreams: [{name: t, url: 'http://localhost:1', dialect: mcp}]}", 'p',
      -1, NULL },

    { "mcp-unpinned",
      "{upstreams: [{name: t, url: 'http://localhost:1', dialect: mcp}], mcp: [{name: files, "
      "upstream: t}]}",
      'f', -1, "files" },
    { "mcp-unpinned",
      "{upstreams: [{name: t, url: 'http://localhost:1', dialect: mcp}], mcp: [{name: one, "
      "upstream: t, pinned: true}, {name: two, upstream: t}]}",
      'f', -1, "two" },
    { "mcp-unpinned",
      "{upstreams: [{name: t, url: 'http://localhost:1', dialect: mcp}], mcp: [{name: one, "
      "upstream: t, pinned: true}]}",
      'p', -1, NULL },
    { "mcp-unpinned", "{}", 'p', -1, NULL },
};

static void test_settings(void **state)
{
    struct btz_posture *p = malloc(sizeof *p);

    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_arena arena;
        struct said s;

        btz_arena_init(&arena, 16u << 20);
        settings(cases[i].yaml, &arena, p);
        s = ask(p, cases[i].word);
        if ((s.failed > 0) != (cases[i].wanted == 'f') ||
            (s.passed > 0) != (cases[i].wanted == 'p') ||
            (s.skipped > 0) != (cases[i].wanted == 's'))
            fail_msg("%s %s: failed %u, passed %u, skipped %u: %s", cases[i].word, cases[i].yaml,
                     s.failed, s.passed, s.skipped, s.reason);
        if (cases[i].severity >= 0)
            assert_int_equal(s.severity, cases[i].severity);
        if (cases[i].location)
            assert_string_equal(s.location, cases[i].location);
        btz_arena_release(&arena);
    }
    free(p);
}

/* Every rule has its page, at least two states that are named and two that are not, and speaks in every run. */
static void test_every_rule(void **state)
{
    static const char *const places[] = { "listener-plain", "self-signed", "client-ca-missing",
                                          "root-workers", "state-open" };
    struct btz_arena arena;
    struct btz_posture *p = malloc(sizeof *p);
    size_t count = 0;
    struct said s;

    (void)state;
    assert_non_null(p);
    btz_arena_init(&arena, 16u << 20);
    for (const struct btz_posture_rule *r = btz_posture_settings_rules; r->word; r++, count++) {
        unsigned named = 0, passed = 0;

        for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
            named += strcmp(cases[i].word, r->word) == 0 && cases[i].wanted == 'f';
            passed += strcmp(cases[i].word, r->word) == 0 && cases[i].wanted == 'p';
        }
        if (named < 2 || passed < 2)
            fail_msg("%s: %u named, %u passed", r->word, named, passed);
    }
    for (const struct btz_posture_rule *r = btz_posture_place_rules; r->word; r++, count++)
        assert_string_equal(r->word, places[r - btz_posture_place_rules]);
    for (size_t i = 0; btz_rules[i]; i++)
        if (strncmp(btz_rules[i]->id, "access.gate.", 12) == 0)
            count--;
    assert_int_equal(count, 0);
    settings("{" ONE "}", &arena, p);
    s = ask(p, "none");
    assert_int_equal(s.covered, 19);
    assert_true(s.findings >= 19);
    btz_arena_release(&arena);
    free(p);
}

/* ---- fronts ---- */

static void test_fronts(void **state)
{
    static const struct {
        const char *word, *front;
        bool root;
        char wanted;
    } fronts[] = {
        { "listener-plain", "listen 0.0.0.0:80;\n", false, 'f' },
        { "listener-plain", "listen [2001:db8::1]:80;\n listen 127.0.0.1:8443 ssl http2;\n", false,
          'f' },
        { "listener-plain", "listen 0.0.0.0:443 ssl http2;\n", false, 'p' },
        { "listener-plain", "listen 127.0.0.1:8080;\n listen [::1]:8080;\n", false, 'p' },
        { "self-signed", "listen 0.0.0.0:443 ssl;\nssl_certificate \"/s/gate/self-signed.pem\";\n",
          false, 'f' },
        { "self-signed", "ssl_certificate \"/s/gate/self-signed.pem\";\nlisten 10.0.0.1:1 ssl;\n",
          false, 'f' },
        { "self-signed", "listen 127.0.0.1:443 ssl;\nssl_certificate \"/g/self-signed.pem\";\n",
          false, 'p' },
        { "self-signed", "listen 0.0.0.0:443 ssl;\nssl_certificate \"/etc/ssl/fullchain.pem\";\n",
          false, 'p' },
        { "client-ca-missing", "listen 0.0.0.0:443 ssl;\n", false, 'f' },
        { "client-ca-missing", "listen 192.0.2.1:443 ssl http2;\n", false, 'f' },
        { "client-ca-missing", "listen 0.0.0.0:443 ssl;\nssl_client_certificate \"/ca.pem\";\n",
          false, 'p' },
        { "client-ca-missing", "listen [::1]:443 ssl;\n", false, 'p' },
        { "root-workers", "daemon off;\n", true, 'f' },
        { "root-workers", "user root;\n", true, 'f' },
        { "root-workers", "user bartizan;\n", true, 'p' },
        { "root-workers", "daemon off;\n", false, 'p' },
    };
    struct btz_gate_conf conf = { .http = "" };
    struct btz_posture *p = malloc(sizeof *p);
    struct btz_arena arena;

    (void)state;
    assert_non_null(p);
    btz_arena_init(&arena, 16u << 20);
    (void)conf;
    for (size_t i = 0; i < BTZ_COUNT(fronts); i++) {
        struct said s;

        settings("{}", &arena, p);
        s = ask(p, fronts[i].word);
        assert_int_equal(s.skipped, 1);
        btz_posture_read_front(btz_str(fronts[i].front), fronts[i].root, p);
        s = ask(p, fronts[i].word);
        if ((s.failed > 0) != (fronts[i].wanted == 'f') || s.failed + s.passed == 0)
            fail_msg("%s %s: failed %u: %s", fronts[i].word, fronts[i].front, s.failed, s.reason);
    }
    btz_arena_release(&arena);
    free(p);
}

/* ---- folders, and a front that was really written ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void put(const char *dir, const char *name, mode_t mode)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(btz_file_write(path, btz_str("x"), 0600), BTZ_OK);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_folders(void **state)
{
    char dir[] = "/tmp/btz_posture_XXXXXX", path[300], yaml[300];
    struct btz_front_options o = { .listen = "localhost:0", .socket = "/tmp/none.sock" };
    struct btz_posture *p = malloc(sizeof *p);
    struct btz_gate_conf conf = { .http = "" };
    struct btz_front front;
    struct said s;

    (void)state;
    assert_non_null(p);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/access", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    put(dir, "access/seal.key", 0600);
    snprintf(yaml, sizeof yaml, "%s/bartizan.yaml", dir);
    assert_int_equal(
        btz_file_write(yaml,
                       btz_str("gate: {upstreams: [{name: a, url: 'https://x.example', "
                               "credential: sk-1}]}\n"),
                       0600),
        BTZ_OK);
    assert_int_equal(btz_posture_gather(&conf, yaml, dir, p), BTZ_OK);
    assert_true(p->state_known && !p->front_known && p->file_known);
    assert_int_equal(p->loose_count, 0);
    assert_int_equal(p->clear_count, 1);
    s = ask(p, "credential-clear");
    assert_int_equal(s.severity, BTZ_SEVERITY_MEDIUM);
    /* Others can read the settings, the key, and list the folder. */
    assert_int_equal(chmod(yaml, 0644), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    put(dir, "access/seal.key", 0640);
    snprintf(path, sizeof path, "%s/gate", dir);
    o.folder = path;
    assert_int_equal(btz_front_write(&o, &front), BTZ_OK);
    assert_int_equal(btz_posture_gather(&conf, yaml, dir, p), BTZ_OK);
    s = ask(p, "credential-clear");
    assert_int_equal(s.severity, BTZ_SEVERITY_HIGH);
    s = ask(p, "state-open");
    assert_int_equal(s.failed, 2);
    assert_string_equal(s.location, "access/seal.key");
    assert_true(p->front_known && p->self_signed && !p->beyond_loopback && !p->plain_count);
    assert_int_equal(p->works_as_root, geteuid() == 0);
    /* The same front for other machines. */
    o.listen = "0.0.0.0:0";
    assert_int_equal(btz_front_write(&o, &front), BTZ_OK);
    assert_int_equal(btz_posture_gather(&conf, yaml, dir, p), BTZ_OK);
    assert_true(p->beyond_loopback && p->self_signed && !p->asks_certificates && !p->plain_count);
    /* A folder that is not there is not known, and no pass. */
    assert_int_equal(btz_posture_gather(&conf, NULL, "/nonexistent", p), BTZ_OK);
    s = ask(p, "state-open");
    assert_int_equal(s.skipped, 1);
    s = ask(p, "credential-clear");
    assert_int_equal(s.skipped, 1);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_every_rule),
        cmocka_unit_test(test_fronts),
        cmocka_unit_test(test_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
