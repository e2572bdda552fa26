/* Exchanges: who may ask for what, and what of somebody else he gets to see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exchange_talk.h"

/* What the guard has looked at. */
static bool was_guarded(struct talk *t)
{
    return strncmp(btz_exchange_guard_header(t->x), "evaluated", 9) == 0;
}

/* Who may not ask is told so without the guard reading a word, and where the path says enough, or nothing could help, before
 * his body is taken. */
static void test_forbidden_first(void **state)
{
    static const struct {
        const char *path;
        unsigned key;
        int64_t length;
        unsigned status;
    } heads[] = {
        { "/v1/files", KEY_NO_ROLE, 10, 403 },
        { "/v1/batches", KEY_SCOPED, 10, 403 },
        { "/mcp/words", KEY_NO_ROLE, 10, 403 },
        { "/v1/chat/completions", KEY_NO_ROLE, 1 << 20, 403 },
        { "/v1/chat/completions", KEY_NO_ROLE, -1, 403 },
        { "/score", KEY_SCOPED, -1, 403 },
        { "/v1/chat/completions", KEY_SCOPED, 1 << 20, 0 },
        { "/v1/chat/completions", KEY_NO_ROLE, 10, 0 }, /* read, then refused */
        { "/v1/files", KEY_ALICE, 1 << 20, 0 },
        { "/score", KEY_ALICE, 1 << 20, 0 },
        { "/mcp/words", KEY_ALICE, 10, 0 },
    };
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE "  mcp: [{name: words, upstream: up}]\n"
                      "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n"
                      "  guard:\n    canaries: [" CANARY "]\n    rules: [{detector: canary, "
                      "channels: [user], action: block}]\n");
    for (size_t i = 0; i < BTZ_COUNT(heads); i++) {
        start(&t, &p, heads[i].path, gate_key(heads[i].key));
        t.in.content_length = heads[i].length;
        t.step = btz_exchange_head(t.x);
        if (heads[i].status) {
            refused(&t, heads[i].status, "forbidden");
        } else {
            assert_int_equal(t.step, BTZ_STEP_GO);
            finish(&t, BTZ_END_DONE);
        }
    }
    ask(&t, &p, "/v1/chat/completions", KEY_SCOPED,
        "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"" CANARY "\"}]}");
    assert_false(was_guarded(&t));
    refused(&t, 403, "forbidden");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT(CANARY));
    assert_true(was_guarded(&t));
    refused(&t, 403, "guard_blocked");
    gate_close(&p);
}

/* Bob, who had no role, may do the same as alice. */
static void publish_with_bob(struct gate_place *p)
{
    char policy[2048];

    snprintf(policy, sizeof policy, "%s%s", gate_policy, GATE_SECOND);
    gate_publish(p, policy, false);
}

/* ---- sessions of MCP servers ---- */

#define WORDS    "  mcp: [{name: words, upstream: up}, {name: more, upstream: up}]\n"
#define ASK_MCP  "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"
#define GIVE_MCP "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"

/* One call within `session`, as far as the upstream. */
static void call(struct talk *t, struct gate_place *p, const char *path, unsigned key,
                 const char *session)
{
    start(t, p, path, gate_key(key));
    t->in.mcp_session = btz_str(session);
    t->step = btz_exchange_head(t->x);
    if (t->step == BTZ_STEP_GO)
        t->step = gate_body(t->x, btz_str(ASK_MCP));
}

/* The server answers within a session of its own. */
static void answer_within(struct talk *t, const char *session)
{
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str("application/json"),
                                      .mcp_session = btz_str(session),
                                      .content_length = -1 };
    enum btz_response_mode mode;

    (void)forward(t);
    t->step = btz_exchange_response(t->x, &head, &mode);
    if (t->step == BTZ_STEP_GO)
        t->step = btz_exchange_pieces(t->x, btz_str(GIVE_MCP), true, &t->out);
}

static void test_sessions(void **state)
{
    static const char *const foreign[] = { "abc-1", "x", ".abc-1",
                                           "00000000000000000000000000000000.abc-1" };
    struct gate_place p;
    struct talk t;
    char mine[128], other[160];

    (void)state;
    gate_open(&p, ONE WORDS);
    publish_with_bob(&p);
    call(&t, &p, "/mcp/words", KEY_ALICE, "");
    answer_within(&t, "abc-1");
    assert_int_equal(t.step, BTZ_STEP_GO);
    snprintf(mine, sizeof mine, "%s", btz_exchange_session(t.x));
    assert_null(strstr(btz_exchange_session(t.x), " "));
    finish(&t, BTZ_END_DONE);
    /* Within it: the server gets its own id, and may say it again. */
    call(&t, &p, "/mcp/words", KEY_ALICE, mine);
    assert_true(btz_slice_is(forward(&t).mcp_session, "abc-1"));
    answer_within(&t, "abc-1");
    assert_string_equal(btz_exchange_session(t.x), mine);
    finish(&t, BTZ_END_DONE);
    /* Another caller, another server, and ids that nobody got from here. */
    call(&t, &p, "/mcp/words", KEY_NO_ROLE, mine);
    refused(&t, 404, "unknown_session");
    call(&t, &p, "/mcp/more", KEY_ALICE, mine);
    refused(&t, 404, "unknown_session");
    for (size_t i = 0; i < BTZ_COUNT(foreign); i++) {
        call(&t, &p, "/mcp/words", KEY_ALICE, foreign[i]);
        refused(&t, 404, "unknown_session");
    }
    for (size_t i = 0; i < 3; i++) { /* a letter less, one more, another one */
        snprintf(other, sizeof other, i == 1 ? "%sx" : "%s", mine);
        if (i == 0)
            other[strlen(other) - 1] = 0;
        if (i == 2)
            other[3] = other[3] == '0' ? '1' : '0';
        call(&t, &p, "/mcp/words", KEY_ALICE, other);
        refused(&t, 404, "unknown_session");
    }
    call(&t, &p, "/mcp/words", KEY_ALICE, "");
    answer_within(&t, "two words");
    refused(&t, 502, "upstream_answer");
    /* Who may call a model gains nothing by the header. */
    call(&t, &p, "/v1/chat/completions", KEY_ALICE, "abc-1");
    assert_int_equal(t.step, BTZ_STEP_REFUSE); /* no request of that protocol */
    finish(&t, BTZ_END_REFUSED);
    gate_close(&p);
}

/* ---- files and batches ---- */

static void ask_files(struct talk *t, struct gate_place *p, const char *method, const char *path,
                      unsigned key, const char *body)
{
    start(t, p, path, gate_key(key));
    t->in.method = btz_str(method);
    t->step = btz_exchange_head(t->x);
    if (t->step == BTZ_STEP_GO)
        t->step = gate_body(t->x, btz_str(body));
}

/* What the upstream answers comes to `wanted`. */
static void gets(struct talk *t, const char *body, const char *wanted)
{
    (void)forward(t);
    answer(t, 200, "application/json", body);
    assert_int_equal(t->step, BTZ_STEP_GO);
    if (!btz_slice_is(btz_buf_slice(&t->out), wanted))
        fail_msg("found %.*s", BTZ_SLICE_ARG(btz_buf_slice(&t->out)));
    finish(t, BTZ_END_DONE);
}

#define FILE_OF(id) "{\"id\":\"" id "\",\"object\":\"file\"}"
#define FILES(list, first, last)                                                                   \
    "{\"object\":\"list\",\"data\":[" list "],\"first_id\":" first ",\"last_id\":" last            \
    ",\"has_more\":false}"
#define BATCH                                                                                      \
    "{\"id\":\"batch_1\",\"object\":\"batch\",\"input_file_id\":\"file-a\",\"output_file_id\":"    \
    "\"file-out\",\"status\":\"completed\"}"
#define WITH_FILE(name)                                                                            \
    "{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\","       \
    "\"file\":{"                                                                                   \
    "\"" name "\":\"file-a\"}}]}]}"

static void test_owners(void **state)
{
    static const char *const foreign[][2] = {
        { "GET", "/v1/files/file-a" },          { "GET", "/v1/files/file-a/content" },
        { "DELETE", "/v1/files/file-a" },       { "GET", "/v1/files/file-unknown" },
        { "GET", "/v1/batches/batch_1" },       { "POST", "/v1/batches/batch_1/cancel" },
        { "GET", "/v1/files/file-out/content" }
    };
    static const char both[] =
        FILES(FILE_OF("file-a") "," FILE_OF("file-b"), "\"file-a\"", "\"file-b\"");
    char policy[2048];
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE);
    publish_with_bob(&p);
    ask_files(&t, &p, "POST", "/v1/files", KEY_ALICE, "");
    gets(&t, FILE_OF("file-a"), FILE_OF("file-a"));
    ask_files(&t, &p, "POST", "/v1/files", KEY_NO_ROLE, "");
    gets(&t, FILE_OF("file-b"), FILE_OF("file-b"));
    /* An upstream that says an id again takes it from nobody. */
    ask_files(&t, &p, "POST", "/v1/files", KEY_NO_ROLE, "");
    gets(&t, FILE_OF("file-a"), FILE_OF("file-a"));
    ask_files(&t, &p, "POST", "/v1/batches", KEY_ALICE, "{\"input_file_id\":\"file-a\"}");
    gets(&t, BATCH, BATCH);
    for (size_t i = 0; i < BTZ_COUNT(foreign); i++) {
        ask_files(&t, &p, foreign[i][0], foreign[i][1], KEY_NO_ROLE, "");
        refused(&t, 404, "not_found");
        if (strstr(foreign[i][1], "unknown"))
            continue;
        ask_files(&t, &p, foreign[i][0], foreign[i][1], KEY_ALICE, "");
        (void)forward(&t);
        finish(&t, BTZ_END_CLIENT_GONE);
    }
    ask_files(&t, &p, "GET", "/v1/files", KEY_ALICE, "");
    gets(&t, both, FILES(FILE_OF("file-a"), "\"file-a\"", "\"file-a\""));
    ask_files(&t, &p, "GET", "/v1/batches", KEY_NO_ROLE, "");
    gets(&t, FILES(BATCH, "\"batch_1\"", "\"batch_1\""), FILES("", "null", "null"));
    /* In requests, wherever they stand and however they are written. */
    ask_files(&t, &p, "POST", "/v1/batches", KEY_NO_ROLE, "{\"input_file_id\":\"file-a\"}");
    refused(&t, 404, "not_found");
    for (unsigned i = 0; i < 2; i++) {
        const char *body = i ? WITH_FILE("file_id") : WITH_FILE("fil\\u0065_id");

        ask_files(&t, &p, "POST", "/v1/chat/completions", KEY_NO_ROLE, body);
        refused(&t, 404, "not_found");
        ask_files(&t, &p, "POST", "/v1/chat/completions", KEY_ALICE, body);
        (void)forward(&t);
        finish(&t, BTZ_END_CLIENT_GONE);
    }
    /* Deleted: whoever gets the id next has it. */
    ask_files(&t, &p, "DELETE", "/v1/files/file-a", KEY_ALICE, "");
    gets(&t, "{\"id\":\"file-a\",\"deleted\":true}", "{\"id\":\"file-a\",\"deleted\":true}");
    ask_files(&t, &p, "GET", "/v1/files/file-a", KEY_ALICE, "");
    refused(&t, 404, "not_found");
    /* Whoever may change the endpoint sees all. */
    snprintf(policy, sizeof policy,
             "%s%s    rules: [{id: sees, effect: allow, actions: [endpoint.write], resources: "
             "[endpoint/files]}]\n",
             gate_policy, GATE_SECOND);
    gate_publish(&p, policy, false);
    ask_files(&t, &p, "GET", "/v1/files", KEY_NO_ROLE, "");
    gets(&t, both, both);
    gate_close(&p);
}

/* ---- bytes of answers ---- */

/* What is passed as it is counts against `response_bytes` too. */
static void test_passed_bytes(void **state)
{
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str("application/pdf"),
                                      .content_length = -1 };
    enum btz_response_mode mode;
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n"
                      "  limits: [{each: principal, response_bytes: 1000}]\n");
    for (int64_t length = -1; length <= 1001; length += 1001) {
        ask(&t, &p, "/score", KEY_ALICE, "{}");
        (void)forward(&t);
        head.content_length = length;
        assert_int_equal(btz_exchange_response(t.x, &head, &mode), BTZ_STEP_GO);
        assert_int_equal(mode, BTZ_RESPONSE_PASS);
        assert_int_equal(btz_exchange_passed(t.x, 600), BTZ_OK);
        assert_int_equal(btz_exchange_passed(t.x, 400), BTZ_OK);
        assert_int_equal(btz_exchange_passed(t.x, 1), BTZ_LIMIT);
        finish(&t, BTZ_END_REFUSED);
    }
    /* Said before: there is still time for an answer. */
    ask(&t, &p, "/score", KEY_ALICE, "{}");
    (void)forward(&t);
    head.content_length = 1001;
    t.step = btz_exchange_response(t.x, &head, &mode);
    refused(&t, 502, "response_too_large");
    /* Messages of a WebSocket. */
    ask(&t, &p, "/score", KEY_ALICE, "{}");
    (void)forward(&t);
    head = (struct btz_response_head){ .status = 101, .content_length = -1 };
    assert_int_equal(btz_exchange_response(t.x, &head, &mode), BTZ_STEP_GO);
    assert_int_equal(btz_exchange_passed(t.x, 990), BTZ_OK);
    assert_int_equal(btz_exchange_message(t.x, btz_str("ten letter")), BTZ_OK);
    assert_int_equal(btz_exchange_message(t.x, btz_str("one more")), BTZ_DENIED);
    finish(&t, BTZ_END_REFUSED);
    gate_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden_first),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_passed_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
