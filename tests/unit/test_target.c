/* Targets over a wire that breaks in all the usual ways, programs, documents, ping. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "redteam/target.h"

#include "test_server.c"

#define KEY "sk-test-0123456789abcdef"

struct heard {
    unsigned count, kinds[4];
    struct btz_reply last;
    char text[8192], detail[1024];
};

static void on_reply(void *user, const struct btz_reply *reply)
{
    struct heard *h = user;

    h->count++;
    h->kinds[reply->kind]++;
    h->last = *reply;
    snprintf(h->text, sizeof h->text, "%.*s", BTZ_SLICE_ARG(reply->text));
    snprintf(h->detail, sizeof h->detail, "%s", reply->detail ? reply->detail : "");
}

static const struct btz_message hello[] = { { BTZ_ROLE_USER, { (const uint8_t *)"hello", 5 } } };

static struct btz_target_conf conf_for(const char *preset, const char *url)
{
    return (struct btz_target_conf){ .name = "t",
                                     .preset = preset,
                                     .url = url,
                                     .model = "m",
                                     .key = KEY,
                                     .temperature = -1,
                                     .timeout = 20000,
                                     .concurrency = 4 };
}

static const char *url_of(const struct test_server *s, const char *path)
{
    static char url[4][128];
    static unsigned turn;
    char *out = url[turn++ % 4];

    snprintf(out, sizeof url[0], "http://127.0.0.1:%u%s", test_server_port(s), path);
    return out;
}

static void ask(const struct btz_target_conf *conf, struct heard *h)
{
    struct btz_target *t;

    memset(h, 0, sizeof *h);
    if (btz_target_open(conf, 1, NULL, &t) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_int_equal(btz_target_submit(t, hello, 1, on_reply, h), BTZ_OK);
    assert_int_equal(btz_target_run(t, -1, NULL), BTZ_OK);
    assert_int_equal(btz_target_pending(t), 0);
    btz_target_close(t);
    assert_int_equal(h->count, 1);
    assert_null(strstr(h->detail, KEY));
    assert_null(strstr(h->text, KEY));
}

/* ---- HTTP ---- */

static void chat(struct test_conn *c, const struct test_request *r, void *user)
{
    static char block[65536];
    const char *p = r->path;

    (void)user;
    if (strncmp(p, "/ok", 3) == 0) {
        test_reply(c, 200, "Content-Type: application/json\r\n",
                   "{\"model\":\"m-7\",\"choices\":[{\"message\":{\"content\":\"Hi there\"}}],"
                   "\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2}}");
    } else if (strncmp(p, "/stream", 7) == 0) {
        const char *reply =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            "data: {\"model\":\"m-8\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"content\":\" you\"}}]}\n\n"
            "data: [DONE]\n\n";

        test_send(c, reply, strlen(reply));
        test_hang_up(c);
    } else if (strncmp(p, "/key", 4) == 0) {
        char body[4096];

        snprintf(body, sizeof body, "{\"error\":{\"message\":\"bad key %s\"}}", r->headers);
        for (char *q = body; *q; q++)
            if (*q == '\r' || *q == '\n')
                *q = ' ';
        test_reply(c, 401, NULL, body);
    } else if (strncmp(p, "/filter", 7) == 0) {
        test_reply(c, 400, NULL, "{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}");
    } else if (strncmp(p, "/huge", 5) == 0) {
        const char *head = "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";

        memset(block, 'x', sizeof block);
        test_send(c, head, strlen(head));
        for (int i = 0; i < 1600 && test_send(c, block, sizeof block); i++)
            ;
        test_hang_up(c);
    } else if (strncmp(p, "/endless", 8) == 0) {
        const char *head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

        test_send(c, head, strlen(head));
        while (test_send(c, "data: {\"choices\":[{\"delta\":{\"content\":\"ha\"}}]}\n\n", 48))
            ;
        test_hang_up(c);
    } else if (strncmp(p, "/bytes", 6) == 0) {
        test_reply(c, 200, NULL, "{\"choices\":[{\"message\":{\"content\":\"\xC3(\xFF\"}}]}");
    } else if (strncmp(p, "/silent", 7) == 0) {
        test_wait_gone(c);
    } else {
        test_hang_up(c);
    }
}

static void test_outcomes(void **state)
{
    static const struct {
        const char *path;
        enum btz_reply_kind kind;
        const char *text, *detail;
        int64_t timeout;
    } cases[] = {
        { "/ok", BTZ_REPLY_TEXT, "Hi there", "", 0 },
        { "/stream", BTZ_REPLY_TEXT, "Hi you", "", 0 },
        { "/key", BTZ_REPLY_ERROR, "", "check the key", 0 },
        { "/filter", BTZ_REPLY_BLOCKED, "", "content filter", 0 },
        { "/huge", BTZ_REPLY_ERROR, NULL, "larger than the limit of 100000 bytes", 0 },
        { "/endless", BTZ_REPLY_ERROR, NULL, "larger than", 0 },
        { "/bytes", BTZ_REPLY_TEXT, "\xEF\xBF\xBD(\xEF\xBF\xBD", "", 0 },
        { "/silent", BTZ_REPLY_ERROR, "", "imed out", 200 },
        { "/gone", BTZ_REPLY_ERROR, "", "mpty reply", 0 },
    };
    struct test_server *s = test_server_start(chat, NULL, NULL);
    struct heard h;
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_target_conf conf = conf_for("openai", url_of(s, cases[i].path));

        conf.max_reply = 100000;
        if (cases[i].timeout)
            conf.timeout = cases[i].timeout;
        ask(&conf, &h);
        if (h.last.kind != cases[i].kind || !strstr(h.detail, cases[i].detail) ||
            (cases[i].text && strcmp(h.text, cases[i].text) != 0))
            fail_msg("%s: kind %d, \"%s\", \"%s\"", cases[i].path, h.last.kind, h.text, h.detail);
    }
    test_server_stop(s);
}

static void test_refused(void **state)
{
    struct btz_target_conf conf;
    struct heard h;
    char url[64];
    (void)state;

    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", test_free_port());
    conf = conf_for("openai", url);
    ask(&conf, &h);
    assert_int_equal(h.last.kind, BTZ_REPLY_ERROR);
    assert_non_null(strstr(h.detail, "check that the server runs"));
    assert_int_equal(h.last.http_status, 0);
}

/* Good and bad requests among each other, more than run at once; each is answered once. */
static void test_counts(void **state)
{
    static const char *const paths[] = { "/ok", "/filter", "/gone", "/stream", "/key" };
    struct test_server *s = test_server_start(chat, NULL, NULL);
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(paths); i++) {
        struct btz_target_conf conf = conf_for("openai", url_of(s, paths[i]));
        struct btz_target *t;
        struct heard h = { 0 };

        assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
        for (int k = 0; k < 40; k++)
            assert_int_equal(btz_target_submit(t, hello, 1, on_reply, &h), BTZ_OK);
        assert_int_equal(btz_target_pending(t), 40);
        assert_int_equal(btz_target_run(t, -1, NULL), BTZ_OK);
        assert_int_equal(h.count, 40);
        assert_int_equal(h.kinds[i == 0 || i == 3 ? BTZ_REPLY_TEXT
                                 : i == 1         ? BTZ_REPLY_BLOCKED
                                                  : BTZ_REPLY_ERROR],
                         40);
        /* What is under way at the end is answered, too. */
        assert_int_equal(btz_target_submit(t, hello, 1, on_reply, &h), BTZ_OK);
        btz_target_close(t);
        assert_int_equal(h.count, 41);
        assert_string_equal(h.detail, "cancelled");
    }
    test_server_stop(s);
}

static void test_tls_mismatch(void **state)
{
    struct test_pki pki;
    struct test_server_opts opts = { 0 };
    struct test_server *s;
    struct btz_target_conf conf;
    struct heard h;
    char url[64];
    (void)state;

    test_pki_make(&pki);
    opts.cert = pki.server_cert;
    opts.key = pki.server_key;
    opts.client_ca = pki.ca;
    s = test_server_start(chat, NULL, &opts);
    snprintf(url, sizeof url, "https://localhost:%u/ok", test_server_port(s));
    conf = conf_for("openai", url);
    ask(&conf, &h);
    assert_int_equal(h.last.kind, BTZ_REPLY_ERROR);
    assert_non_null(strstr(h.detail, "ca_file"));
    conf.ca_file = pki.ca;
    ask(&conf, &h);
    assert_int_equal(h.last.kind, BTZ_REPLY_ERROR);
    conf.client_cert = pki.client_cert;
    conf.client_key = pki.client_key;
    ask(&conf, &h);
    assert_string_equal(h.text, "Hi there");
    test_server_stop(s);
    test_pki_remove(&pki);
}

/* Keeps what was put, and gives it back as the answer. */
struct shelf {
    char path[2048], body[256], auth[128];
};

static void library(struct test_conn *c, const struct test_request *r, void *user)
{
    struct shelf *s = user;

    if (strcmp(r->method, "PUT") != 0) {
        test_reply(c, 200, NULL, r->body);
        return;
    }
    snprintf(s->path, sizeof s->path, "%s", r->path);
    snprintf(s->body, sizeof s->body, "%s", r->body);
    s->auth[0] = '\0';
    test_header(r, "authorization", s->auth, sizeof s->auth);
    test_reply(c, strstr(r->path, "denied") ? 403 : strstr(r->path, "full") ? 507 : 201, NULL, "");
}

static void put_inside(void *user, const struct btz_reply *reply)
{
    struct btz_target *t = user;

    (void)reply;
    assert_int_equal(btz_target_put_document(t, "inside", btz_str("w")), BTZ_OK);
}

static void test_documents(void **state)
{
    struct shelf shelf = { 0 };
    struct test_server *s = test_server_start(library, &shelf, NULL);
    struct test_server *other = test_server_start(library, &shelf, NULL);
    struct btz_target_conf conf = conf_for("http", url_of(s, "/ask"));
    struct btz_target *t;
    (void)state;

    conf.body = "\"{{prompt}}\"";
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
    assert_int_equal(btz_target_put_document(t, "a", btz_str("x")), BTZ_UNSUPPORTED);
    btz_target_close(t);

    conf.document_url = url_of(s, "/docs/{{name}}.txt");
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
    assert_int_equal(btz_target_put_document(t, "a#1/b ?", btz_str("some words")), BTZ_OK);
    assert_string_equal(shelf.path, "/docs/a%231%2Fb%20%3F.txt");
    assert_string_equal(shelf.body, "some words");
    assert_string_equal(shelf.auth, "Bearer " KEY);
    assert_int_equal(btz_target_put_document(t, "denied", btz_str("x")), BTZ_DENIED);
    assert_int_equal(btz_target_put_document(t, "full", btz_str("x")), BTZ_UNREACHABLE);
    /* From inside a callback. */
    assert_int_equal(btz_target_submit(t, hello, 1, put_inside, t), BTZ_OK);
    assert_int_equal(btz_target_run(t, -1, NULL), BTZ_OK);
    assert_string_equal(shelf.path, "/docs/inside.txt");
    btz_target_close(t);

    /* Another origin gets the document, and not the key. */
    conf.document_url = url_of(other, "/docs/{{name}}");
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
    assert_int_equal(btz_target_put_document(t, "b", btz_str("y")), BTZ_OK);
    assert_string_equal(shelf.path, "/docs/b");
    assert_string_equal(shelf.auth, "");
    btz_target_close(t);
    test_server_stop(s);
    test_server_stop(other);
}

static void test_raw_file(void **state)
{
    char path[] = "/tmp/btz-raw-XXXXXX";
    BTZ_CLOSE_FD int fd = mkstemp(path);
    static const char text[] =
        "POST /chat HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        "Cookie: session=abcdefgh12345678\r\n\r\n{\"q\":\"{{prompt}}\"}\n";
    struct test_server *s = test_server_start(library, NULL, NULL);
    struct btz_target_conf conf = conf_for("raw", url_of(s, ""));
    struct btz_target *t;
    struct heard h;
    (void)state;

    assert_true(fd >= 0);
    assert_int_equal(btz_file_write(path, btz_str(text), 0600), BTZ_OK);
    conf.request_file = path;
    conf.select = "$.q";
    ask(&conf, &h);
    assert_int_equal(h.last.kind, BTZ_REPLY_TEXT);
    assert_string_equal(h.text, "hello");
    assert_int_equal(btz_file_write(path, btz_str("POST /x HTTP/1.1\r\n\r\nno place"), 0600),
                     BTZ_OK);
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_USAGE);
    assert_non_null(strstr(btz_error_detail(), "{{prompt}}"));
    unlink(path);
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_IO);
    test_server_stop(s);
}

/* ---- programs ---- */

static struct btz_target_conf command(const char *const *argv)
{
    struct btz_target_conf conf = conf_for("command", NULL);
    void *items;
    size_t count = 0;

    memcpy(&items, &argv, sizeof items);
    while (argv[count])
        count++;
    conf.command = (struct btz_conf_list){ items, count };
    return conf;
}

#define ARGV(...)                                                                                  \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void test_programs(void **state)
{
    const struct {
        const char *const *argv;
        enum btz_reply_kind kind;
        const char *text, *detail;
        int64_t timeout, max_reply;
    } cases[] = {
        { ARGV("cat"), BTZ_REPLY_TEXT, "hello", "", 0, 0 },
        { ARGV("tr", "a-z", "A-Z"), BTZ_REPLY_TEXT, "HELLO", "", 0, 0 },
        { ARGV("true"), BTZ_REPLY_EMPTY, "", "", 0, 0 },
        /* No shell: these are words, not syntax. */
        { ARGV("echo", "$HOME; `id` | x"), BTZ_REPLY_TEXT, "$HOME; `id` | x\n", "", 0, 0 },
        { ARGV("printf", "\\377\\303("), BTZ_REPLY_TEXT, "\xEF\xBF\xBD\xEF\xBF\xBD(", "", 0, 0 },
        { ARGV("sh", "-c", "echo part; echo broken " KEY " >&2; exit 3"), BTZ_REPLY_ERROR, "part\n",
          "ended with status 3: broken [removed]", 0, 0 },
        { ARGV("sh", "-c", "kill -SEGV $$"), BTZ_REPLY_ERROR, "", "died of signal 11", 0, 0 },
        { ARGV("/nonexistent/program"), BTZ_REPLY_ERROR, "", "No such file", 0, 0 },
        { ARGV("sleep", "600"), BTZ_REPLY_ERROR, "", "longer than the timeout", 100, 0 },
        /* It closed its output and lives on; it left a child behind that holds it open. */
        { ARGV("sh", "-c", "echo x; exec >&- 2>&-; sleep 600"), BTZ_REPLY_ERROR, "x\n",
          "longer than the timeout", 300, 0 },
        { ARGV("sh", "-c", "sleep 600 & echo x"), BTZ_REPLY_ERROR, "x\n", "longer than the timeout",
          300, 0 },
        { ARGV("yes"), BTZ_REPLY_ERROR, NULL, "larger than max_reply", 0, 5000 },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_target_conf conf = command(cases[i].argv);
        struct heard h;

        if (cases[i].timeout)
            conf.timeout = cases[i].timeout;
        conf.max_reply = cases[i].max_reply;
        ask(&conf, &h);
        if (h.last.kind != cases[i].kind || !strstr(h.detail, cases[i].detail) ||
            (cases[i].text && strcmp(h.text, cases[i].text) != 0))
            fail_msg("case %zu: kind %d, \"%s\", \"%s\"", i, h.last.kind, h.text, h.detail);
    }
}

static void test_many_programs(void **state)
{
    struct btz_target_conf conf = command(ARGV("cat"));
    struct btz_target *t;
    struct heard h = { 0 };
    (void)state;

    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
    for (int i = 0; i < 30; i++)
        assert_int_equal(btz_target_submit(t, hello, 1, on_reply, &h), BTZ_OK);
    assert_int_equal(btz_target_pending(t), 30);
    assert_int_equal(btz_target_run(t, -1, NULL), BTZ_OK);
    assert_int_equal(h.kinds[BTZ_REPLY_TEXT], 30);
    btz_target_close(t);
}

/* Closing does not wait for programs that take their time, and answers for all of them. */
static void test_stop_programs(void **state)
{
    struct btz_target_conf conf = command(ARGV("sleep", "600"));
    volatile int stop = 1;
    struct btz_target *t;
    struct heard h = { 0 };
    uint64_t start = btz_clock_ns();
    (void)state;

    conf.timeout = 600000;
    assert_int_equal(btz_target_open(&conf, 1, NULL, &t), BTZ_OK);
    for (int i = 0; i < 12; i++)
        assert_int_equal(btz_target_submit(t, hello, 1, on_reply, &h), BTZ_OK);
    assert_int_equal(btz_target_run(t, 20, NULL), BTZ_OK);
    assert_int_equal(btz_target_run(t, -1, &stop), BTZ_OK);
    assert_int_equal(h.count, 0);
    btz_target_close(t);
    assert_int_equal(h.count, 12);
    assert_int_equal(h.kinds[BTZ_REPLY_ERROR], 12);
    assert_true(btz_clock_ns() - start < UINT64_C(60000000000));
}

static void test_echo(void **state)
{
    struct btz_target_conf conf = conf_for("echo", NULL);
    struct heard h;
    (void)state;

    ask(&conf, &h);
    assert_string_equal(h.text, "hello");
}

/* ---- configuration ---- */

static void test_checks(void **state)
{
    static const struct btz_conf_pair cookie[] = { { "Cookie", "a=b" } };
    struct btz_target_conf bad[14], good;
    static const char *const says[14] = {
        "did you mean \"openai\"",
        "needs model",
        "needs key",
        "needs url",
        "needs a body",
        "needs command",
        "needs request_file",
        "http:// or https://",
        "select: path \"$..a\"",
        "{{name}}",
        "not JSON",
        "not JSON",
        "list --kind presets",
        "needs key",
    };
    struct btz_target *t;
    (void)state;

    for (size_t i = 0; i < 14; i++)
        bad[i] = conf_for("openai", NULL);
    bad[0].preset = "opnai";
    bad[1].model = NULL;
    bad[2].key = "";
    bad[3].preset = "http";
    bad[4] = conf_for("http", "http://h/");
    bad[4].body = "{}";
    bad[5].preset = "command";
    bad[6].preset = "raw";
    bad[7].url = "api.example/v1";
    bad[8] = conf_for("http", "http://h/");
    bad[8].body = "\"{{prompt}}\"";
    bad[8].select = "$..a";
    bad[9].document_url = "http://h/docs";
    bad[10] = conf_for("http", "http://h/");
    bad[10].body = "{\"q\":{{prompt}}}";
    bad[11] = conf_for("http", "http://h/");
    bad[11].body = "{\"m\":\"{{messages}}\"}";
    bad[12].preset = "gopher-protocol";
    bad[13].preset = "azure";
    bad[13].url = "https://r.example";
    bad[13].key = NULL;
    for (size_t i = 0; i < 14; i++) {
        assert_int_equal(btz_target_open(&bad[i], 1, NULL, &t), BTZ_USAGE);
        if (!strstr(btz_error_detail(), says[i]) || !strstr(btz_error_detail(), "target t"))
            fail_msg("case %zu: %s", i, btz_error_detail());
    }
    bad[13].headers = (struct btz_conf_list){ (void *)(uintptr_t)cookie, 1 };
    assert_int_equal(btz_target_open(&bad[13], 1, NULL, &t), BTZ_OK);
    btz_target_close(t);
    /* A server of one's own needs no key. */
    good = conf_for("openai", "http://127.0.0.1:1/v1");
    good.key = NULL;
    assert_int_equal(btz_target_open(&good, 1, NULL, &t), BTZ_OK);
    assert_string_equal(btz_target_config(t)->model, "m");
    btz_target_close(t);
}

static void test_conf_table(void **state)
{
    static const char yaml[] = "name: chat\nurl: http://h/v1\nmodel: m\nkey: ${KEY}\n"
                               "headers: {X-A: b}\ncommand: [a, b]\ntimeout: 3s\nrate: 2.5\n";
    const struct btz_conf_env env = { 0 };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_yaml *root;
    struct btz_target_conf conf;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_yaml_parse(btz_str(yaml), "f", &arena, &root), BTZ_OK);
    assert_int_equal(btz_conf_load(root, &btz_target_conf_struct, "f", &env, &arena, &conf),
                     BTZ_USAGE); /* KEY is not set */
    assert_int_equal(btz_yaml_parse(btz_str("preset: echo\n"), "f", &arena, &root), BTZ_OK);
    assert_int_equal(btz_conf_load(root, &btz_target_conf_struct, "f", &env, &arena, &conf),
                     BTZ_USAGE); /* no name */
    assert_int_equal(btz_yaml_parse(btz_str("name: a\nheaders: {X-A: b}\ncommand: [a, b]\n"
                                            "timeout: 3s\nrate: 2.5\nstream: true\n"),
                                    "f", &arena, &root),
                     BTZ_OK);
    if (btz_conf_load(root, &btz_target_conf_struct, "f", &env, &arena, &conf) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    assert_string_equal(conf.preset, "openai");
    assert_string_equal(conf.method, "POST");
    assert_int_equal(conf.timeout, 3000);
    assert_true(conf.rate == 2.5 && conf.temperature == -1 && conf.stream && !conf.insecure);
    assert_int_equal(conf.concurrency, 8);
    assert_int_equal(conf.retries, 4);
    assert_int_equal(conf.max_reply, BTZ_TARGET_MAX_REPLY);
    assert_int_equal(conf.max_tokens, 1024);
    assert_int_equal(conf.command.count, 2);
    assert_string_equal(((const struct btz_conf_pair *)conf.headers.items)[0].value, "b");
    assert_null(conf.document_url);
}

/* ---- ping ---- */

static void test_ping(void **state)
{
    struct test_server *s = test_server_start(chat, NULL, NULL);
    struct btz_target_conf conf = conf_for("openai", url_of(s, "/ok"));
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_ping ping;
    char url[128];
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_int_equal(ping.reply.kind, BTZ_REPLY_TEXT);
    assert_true(btz_slice_is(ping.reply.text, "Hi there"));
    assert_string_equal(ping.model, "m-7");
    assert_string_equal(ping.url, url_of(s, "/ok/chat/completions"));
    assert_int_equal(ping.http_version, 11);
    assert_int_equal(ping.reply.http_status, 200);
    assert_int_equal(ping.reply.tokens_in, 4);
    assert_false(ping.streamed);
    assert_null(ping.advice);
    conf.stream = true;
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_non_null(strstr(ping.advice, "does not stream"));
    conf.url = url_of(s, "/stream");
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_true(ping.streamed && ping.events == 3);
    assert_string_equal(ping.model, "m-8");
    conf.url = url_of(s, "/key");
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_int_equal(ping.reply.kind, BTZ_REPLY_ERROR);
    assert_non_null(strstr(ping.advice, "key"));
    /* What may be a credential in the URL is not shown. */
    snprintf(url, sizeof url, "http://user:pass@127.0.0.1:%u/ok?k=v", test_server_port(s));
    conf = conf_for("http", url);
    conf.body = "\"{{prompt}}\"";
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_string_equal(ping.url, url_of(s, "/ok"));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", test_free_port());
    conf = conf_for("ollama", url);
    conf.retries = 0;
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_non_null(strstr(ping.advice, "nothing answered"));
    conf.model = NULL;
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_USAGE);
    /* Targets that speak no HTTP have no URL. */
    conf = conf_for("echo", NULL);
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_int_equal(ping.reply.kind, BTZ_REPLY_TEXT);
    assert_null(ping.url);
    conf = command(ARGV("false"));
    assert_int_equal(btz_target_ping(&conf, NULL, &arena, NULL, &ping), BTZ_OK);
    assert_int_equal(ping.reply.kind, BTZ_REPLY_ERROR);
    assert_non_null(ping.advice);
    test_server_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_tls_mismatch),
        cmocka_unit_test(test_documents),     cmocka_unit_test(test_raw_file),
        cmocka_unit_test(test_programs),      cmocka_unit_test(test_many_programs),
        cmocka_unit_test(test_stop_programs), cmocka_unit_test(test_echo),
        cmocka_unit_test(test_checks),        cmocka_unit_test(test_conf_table),
        cmocka_unit_test(test_ping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
