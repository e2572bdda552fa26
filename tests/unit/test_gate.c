/* Routes, settings that fit no table, circuits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/circuit.h"
#include "gate/gate.h"

static enum btz_err load(const char *yaml, struct btz_arena *arena, struct btz_gate_conf **out)
{
    char path[] = "/tmp/btz-gate-XXXXXX";
    int fd = mkstemp(path);
    const char *state = NULL;
    enum btz_err err;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    err = btz_gate_conf_load(path, NULL, arena, out, &state);
    if (err == BTZ_OK)
        assert_string_equal(state, "/tmp/.bartizan");
    unlink(path);
    return err;
}

#define TWO                                                                                        \
    "gate:\n"                                                                                      \
    "  upstreams:\n"                                                                               \
    "    - {name: a, url: 'https://a.example'}\n"                                                  \
    "    - {name: b, url: 'http://127.0.0.1:1/base'}\n"

static void test_settings(void **state)
{
    static const struct {
        const char *yaml, *word; /* NULL: it loads */
    } cases[] = {
        { "{}", NULL },
        { "gate: {upstreams: [{name: a, url: 'http://[::1]:8080/v1/'}]}", NULL },
        { TWO "  models: [{name: m, upstreams: [{upstream: b}]}]\n", NULL },
        { TWO, "models" },
        { TWO "  models: [{name: m}]\n", "which of the upstreams" },
        { TWO "  models: [{name: m, upstreams: [{upstream: xyz}]}]\n", "\"xyz\"" },
        { "gate: {upstreams: [{name: local, url: 'http://x'}], models: [{name: m, upstreams: "
          "[{upstream: lokal}]}]}",
          "model m names the upstream \"lokal\", which is not among `upstreams`; did you mean "
          "`local`?" },
        { TWO "  models: [{name: m, upstreams: [{upstream: a, weight: 1001}]}]\n", "weight" },
        { TWO "  models: [{name: m, upstream: a}]\n", "did you mean" },
        { "gate: {upstreams: [{name: A, url: 'http://x'}]}", "a-z" },
        { "gate: {upstreams: [{name: a, url: 'ftp://x'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://user@x'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://x; evil'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://x/$y'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://x/?q'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://x/../y'}]}", "url" },
        { "gate: {upstreams: [{name: a, url: 'http://x', credential: \"k\\ny\"}]}", "line end" },
        { "gate: {upstreams: [{name: a, url: 'http://x', headers: {'a b': c}}]}", "header" },
        { "gate: {upstreams: [{name: a, url: 'http://x'}, {name: a, url: 'http://y'}]}",
          "second upstream" },
        { TWO "  models: [{name: m, upstreams: [{upstream: a}]}]\n"
              "  routes: [{path: /score, upstream: a, resource: endpoint/score}]\n",
          NULL },
        { "gate: {upstreams: [{name: a, url: 'http://x', root: v1}]}", "root" },
        { "gate: {upstreams: [{name: a, url: 'http://x', root: /v1/}]}", "root" },
        { "gate: {upstreams: [{name: a, url: 'http://x', root: '/v1/../x'}]}", "root" },
        { "gate: {upstreams: [{name: a, url: 'http://x', root: ''}]}", NULL },
        { "gate: {upstreams: [{name: a, url: 'http://x'}], routes: [{path: score, upstream: a, "
          "resource: r}]}",
          "plain path" },
        { "gate: {upstreams: [{name: a, url: 'http://x'}], routes: [{path: /s, upstream: a, "
          "resource: r, action: endpoint.us}]}",
          "action" },
        { "gate: {upstreams: [{name: a, url: 'http://x'}], routes: [{path: /s, upstream: a, "
          "resource: r, methods: [TRACE]}]}",
          "TRACE" },
        { "gate: {upstreams: [{name: a, url: 'http://x'}], routes: [{path: /s, upstream: a, "
          "resource: r, texts: [/a/*, choices.text]}]}",
          "choices.text" },
        { "gate: {upstreams: [{name: a, url: 'http://x'}], routes: [{path: /s, upstream: a, "
          "resource: r, texts: [/a/*, /b~1c/0]}]}",
          NULL },
        { "gate: {mcp: [{name: f, upstream: a}]}", "\"a\"" },
        { "gate: {guard: {rules: [{detector: pii, action: route}]}}", "route" },
        { "gate: {guard: {rules: [{detector: pii, action: mask, route: m}]}}", "route" },
        { "gate: {guard: {mode: windows}}", "window" },
        { "gate: {guard: {topics: [{name: merger, words: []}]}}", "topic merger has no `words`" },
        { "gate: {otlp: 'collector:4318'}", "otlp: expected http:// or https://" },
        { "gate: {limits: [{each: person}]}", "person" },
        { "gate: {shared_limits: ''}", NULL },
        { "gate: {shared_limits: null}", NULL },
        { "gate: {shared_limits: 'redis://[::1]:6379/1'}", NULL },
        { "gate: {shared_limits: 'unix:/run/redis.sock'}", NULL },
        { "gate: {shared_limits: 'redis://cache:0'}", "`shared_limits`: expected a port" },
        { "gate: {shared_limits: '127.0.0.1:6379'}", "`shared_limits`: expected redis://" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_gate_conf *conf = NULL;
        enum btz_err err;

        btz_arena_init(&arena, 4 << 20);
        err = load(cases[i].yaml, &arena, &conf);
        if (!cases[i].word && err != BTZ_OK)
            fail_msg("%s: %s", cases[i].yaml, btz_error_detail());
        if (cases[i].word && (err != BTZ_USAGE || !strstr(btz_error_detail(), cases[i].word)))
            fail_msg("%s: expected \"%s\", found %d %s", cases[i].yaml, cases[i].word, err,
                     err ? btz_error_detail() : "");
    }
}

static void test_defaults(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_gate_conf *conf;
    const struct btz_upstream_conf *u;

    (void)state;
    btz_arena_init(&arena, 4 << 20);
    assert_int_equal(load("gate: {upstreams: [{name: a, url: 'https://x'}]}", &arena, &conf),
                     BTZ_OK);
    u = conf->upstreams.items;
    assert_true(u->tls_verify && conf->guard.enabled);
    assert_int_equal(conf->guard.mode, BTZ_GUARD_MODE_WINDOW);
    assert_int_equal(conf->audit.bodies, BTZ_BODIES_NONE);
    assert_string_equal(conf->http, "");
}

static void test_routes(void **state)
{
    static const struct {
        const char *method, *path, *name;
    } cases[] = {
        { "POST", "/v1/chat/completions", "chat" },
        { "GET", "/v1/chat/completions", NULL },
        { "post", "/v1/chat/completions", NULL },
        { "POST", "/v1/chat/completions/", NULL },
        { "POST", "/v1//chat/completions", NULL },
        { "POST", "/v1/./chat/completions", NULL },
        { "POST", "/x/../v1/chat/completions", NULL },
        { "POST", "/v1/chat%2fcompletions", NULL },
        { "POST", "/v1/chat/completions\x00x", "chat" }, /* the length below stops before */
        { "POST", "/V1/chat/completions", NULL },
        { "POST", "v1/chat/completions", NULL },
        { "POST", "", NULL },
        { "POST", "/v1/messages", "messages" },
        { "POST", "/v1/messages/count_tokens", "count-tokens" },
        { "GET", "/v1/models", "models" },
        { "GET", "/v1/models/gpt-4o:latest", "model" },
        { "GET", "/v1/models/", NULL },
        { "GET", "/v1/models/a/b", NULL },
        { "GET", "/v1/files/file-1/content", "file-content" },
        { "DELETE", "/v1/files/file-1", "file-delete" },
        { "DELETE", "/v1/files", NULL },
        { "POST", "/api/chat", "ollama-chat" },
        { "POST", "/api/pull", NULL },
        { "DELETE", "/api/delete", NULL },
        { "POST", "/mcp/files", "mcp" },
        { "GET", "/mcp/files", "mcp" },
        { "PUT", "/mcp/files", NULL },
        { "POST", "/mcp/other", NULL },
        { "POST", "/mcp/files/x", NULL },
        { "POST", "/score", "/score" },
        { "GET", "/score", NULL },
        { "POST", "/score/x", NULL },
        { "GET", "/below/x/y", "/below/" },
        { "GET", "/below/", "/below/" },
        { "GET", "/below", NULL },
        { "GET", "/belowx", NULL },
        { "GET", "/below/.env", NULL },
        { "GET", "/", NULL },
        { "GET", "/v1/me", NULL },
        { "POST", "/v1/fine_tuning/jobs", NULL },
        { "POST", "/v1/assistants", NULL },
    };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_gate_conf *conf;

    (void)state;
    btz_arena_init(&arena, 4 << 20);
    assert_int_equal(
        load("gate:\n"
             "  upstreams: [{name: a, url: 'https://x'}]\n"
             "  mcp: [{name: files, upstream: a}]\n"
             "  routes:\n"
             "    - {path: /score, upstream: a, resource: endpoint/score}\n"
             "    - {path: /below/, upstream: a, resource: endpoint/b, methods: [GET]}\n",
             &arena, &conf),
        BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        const struct btz_route *r =
            btz_route_find(conf, btz_str(cases[i].method), btz_str(cases[i].path), &arena);

        if (!r != !cases[i].name || (r && strcmp(r->name, cases[i].name) != 0))
            fail_msg("%s %s: %s", cases[i].method, cases[i].path, r ? r->name : "none");
    }
    assert_null(btz_route_find(conf, btz_str("POST"), btz_slice_of("/v1/messages\0", 13), &arena));
}

/* Every built-in route asks for an action that there is, about its kind of resource. */
static void test_route_actions(void **state)
{
    (void)state;
    for (const struct btz_route *r = btz_routes; r->path; r++) {
        int action = btz_action_find(r->action);
        size_t kind;

        assert_true(action >= 0);
        kind = strlen(btz_actions[action].resource);
        assert_int_equal(strncmp(r->resource, btz_actions[action].resource, kind), 0);
        assert_int_equal(r->resource[kind], '/');
    }
}

static void test_circuit(void **state)
{
    static const char *const names[] = { "a", "b" }, *const others[] = { "a", "c" };
    char path[] = "/tmp/btz-circuit-XXXXXX";
    struct btz_circuits *c, *second;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(btz_circuits_open(path, names, 2, &c), BTZ_OK);
    assert_int_equal(btz_circuits_open(path, names, 2, &second), BTZ_OK);
    btz_circuit_failed(c, 0, 2, 1000, 5000);
    assert_true(btz_circuit_may(c, 0, 5000));
    btz_circuit_failed(second, 0, 2, 1000, 5000);
    /* Seen by all who map it, for its time. */
    assert_false(btz_circuit_may(c, 0, 5999));
    assert_true(btz_circuit_is_open(second, 0, 5999));
    assert_true(btz_circuit_may(c, 1, 5999));
    /* Then one may try, the others wait for how it went. */
    assert_true(btz_circuit_may(c, 0, 6000));
    assert_false(btz_circuit_may(second, 0, 6000));
    btz_circuit_failed(c, 0, 2, 1000, 6001);
    assert_false(btz_circuit_may(c, 0, 7000));
    assert_true(btz_circuit_may(c, 0, 7001));
    btz_circuit_ok(c, 0);
    assert_true(btz_circuit_may(second, 0, 7001) && btz_circuit_may(c, 0, 7001));
    /* A success in between: not in a row. */
    btz_circuit_failed(c, 1, 2, 1000, 8000);
    btz_circuit_ok(c, 1);
    btz_circuit_failed(c, 1, 2, 1000, 8000);
    assert_true(btz_circuit_may(c, 1, 8000));
    assert_false(btz_circuit_may(c, 2, 8000));
    /* The clock was set back by days: nobody is left alone until it has caught up. */
    btz_circuit_failed(c, 1, 2, 1000, (uint64_t)1 << 40);
    assert_true(btz_circuit_may(c, 1, 8000));
    btz_circuits_close(second);
    btz_circuits_close(c);
    /* Of other upstreams: begins anew. */
    assert_int_equal(btz_circuits_open(path, others, 2, &c), BTZ_OK);
    assert_true(btz_circuit_may(c, 0, 8000) && btz_circuit_may(c, 0, 8000));
    btz_circuits_close(c);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_routes),   cmocka_unit_test(test_route_actions),
        cmocka_unit_test(test_circuit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
