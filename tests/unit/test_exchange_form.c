/* Exchanges: answers and arguments of tools that have to be of a form, in every protocol, whole and in streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exchange_talk.h"
#include "gate/exchange.h"

#define BLOCK "  guard: {rules: [{detector: schema, action: block}]}\n"
#define WATCH "  guard: {mode: observe, rules: [{detector: schema, action: block}]}\n"
#define FORM                                                                                       \
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"],"     \
    "\"additionalProperties\":false}"
#define GOOD "{\\\"n\\\":7}"
#define BAD  "{\\\"n\\\":\\\"x\\\"}"
#define ASK  "\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

/* How each protocol asks for a form, and how its answers hold a text or the arguments of a tool; "%s" is the text. */
struct way {
    const char *path, *ask, *whole, *type, *stream;
    bool args, plain; /* plain: the text stands in the JSON as it is */
};
#define CHAT_FORM                                                                                  \
    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"f\",\"schema\":"    \
    "" FORM "}}"
#define CHAT_TOOLS                                                                                 \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\",\"parameters\":" FORM "}}]"
#define CHUNK(delta, end)                                                                          \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"small\",\"choices\":["   \
    "{\"index\":0,\"delta\":" delta ",\"finish_reason\":" end "}]}\n\n"
#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"," rest "}\n\n"
static const struct way ways[] = {
    { .path = "/v1/chat/completions",
      .ask = "{" ASK "," CHAT_FORM "}",
      .whole = SAID("%s"),
      .type = "text/event-stream",
      .stream = CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null")
          CHUNK("{\"content\":\"%s\"}", "null") CHUNK("{}", "\"stop\"") "data: [DONE]\n\n" },
    { .path = "/v1/chat/completions",
      .ask = "{" ASK "," CHAT_TOOLS "}",
      .whole = "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"small\",\"choices\":[{"
               "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
               "\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"add\",\"arguments\":"
               "\"%s\"}}]},\"finish_reason\":\"tool_calls\"}]}",
      .type = "text/event-stream",
      .stream = CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\","
                      "\"function\":{\"name\":\"add\",\"arguments\":\"\"}}]}",
                      "null")
          CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"%s\"}}]}", "null")
              CHUNK("{}", "\"tool_calls\"") "data: [DONE]\n\n",
      .args = true },
    { .path = "/v1/responses",
      .ask = "{\"model\":\"small\",\"input\":\"hi\",\"text\":{\"format\":{\"type\":\"json_schema\","
             "\"name\":\"f\",\"schema\":" FORM "}}}",
      .whole = "{\"id\":\"r\",\"object\":\"response\",\"model\":\"small\",\"output\":[{\"type\":"
               "\"message\",\"id\":\"m\",\"role\":\"assistant\",\"status\":\"completed\","
               "\"content\":[{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[]}]}]}",
      .type = "text/event-stream",
      .stream = EVENT("response.output_text.delta",
                      "\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"")
          EVENT("response.output_text.done",
                "\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"text\":\"%s\"")
              EVENT("response.completed", "\"response\":{\"id\":\"r\",\"object\":\"response\","
                                          "\"status\":\"completed\",\"output\":[]}") },
    { .path = "/v1/responses",
      .ask = "{\"model\":\"small\",\"input\":\"hi\",\"tools\":[{\"type\":\"function\",\"name\":"
             "\"add\",\"parameters\":" FORM "}]}",
      .whole = "{\"id\":\"r\",\"object\":\"response\",\"model\":\"small\",\"output\":[{\"type\":"
               "\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"add\",\"arguments\":"
               "\"%s\",\"status\":\"completed\"}]}",
      .type = "text/event-stream",
      .stream = EVENT("response.output_item.added",
                      "\"output_index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"f\","
                      "\"call_id\":\"c\",\"name\":\"add\",\"arguments\":\"\"}")
          EVENT("response.function_call_arguments.delta",
                "\"item_id\":\"f\",\"output_index\":0,\"delta\":\"%s\"")
              EVENT("response.function_call_arguments.done",
                    "\"item_id\":\"f\",\"output_index\":0,\"arguments\":\"%s\"")
                  EVENT("response.completed", "\"response\":{\"id\":\"r\",\"object\":\"response\","
                                              "\"status\":\"completed\",\"output\":[]}"),
      .args = true },
    { .path = "/v1/messages",
      .ask = "{\"max_tokens\":9," ASK ",\"output_format\":{\"type\":\"json_schema\",\"schema\":"
             "" FORM "}}",
      .whole = "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"small\","
               "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\"}",
      .type = "text/event-stream",
      .stream = EVENT("message_start", "\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":"
                                       "\"assistant\",\"model\":\"small\",\"content\":[]}")
          EVENT("content_block_start",
                "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":"
                "\"\"}") EVENT("content_block_delta",
                               "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}")
              EVENT("content_block_stop", "\"index\":0") EVENT(
                  "message_delta",
                  "\"delta\":{\"stop_reason\":\"end_turn\"}") "event: message_stop\ndata: "
                                                              "{\"type\":\"message_stop\"}\n\n" },
    { .path = "/v1/messages",
      .ask = "{\"max_tokens\":9," ASK ",\"tools\":[{\"name\":\"add\",\"input_schema\":" FORM "}]}",
      .whole = "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"small\","
               "\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"add\",\"input\":%s}],"
               "\"stop_reason\":\"tool_use\"}",
      .type = "text/event-stream",
      .stream = EVENT("message_start", "\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":"
                                       "\"assistant\",\"model\":\"small\",\"content\":[]}")
          EVENT("content_block_start",
                "\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":"
                "\"t\",\"name\":\"add\",\"input\":{}}")
              EVENT("content_block_delta",
                    "\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"%s\"}")
                  EVENT("content_block_stop", "\"index\":0") EVENT(
                      "message_delta",
                      "\"delta\":{\"stop_reason\":\"tool_use\"}") "event: message_stop\ndata: "
                                                                  "{\"type\":\"message_stop\"}\n\n",
      .args = true,
      .plain = true },
    { .path = "/api/chat",
      .ask = "{" ASK ",\"format\":" FORM "}",
      .whole = "{\"model\":\"small\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
               "\"done\":true}",
      .type = "application/x-ndjson",
      .stream = "{\"model\":\"small\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
                "\"done\":false}\n{\"model\":\"small\",\"message\":{\"role\":\"assistant\","
                "\"content\":\"\"},\"done\":true}\n" },
    { .path = "/api/generate",
      .ask = "{\"model\":\"small\",\"prompt\":\"hi\",\"format\":" FORM "}",
      .whole = "{\"model\":\"small\",\"response\":\"%s\",\"done\":true}",
      .type = "application/x-ndjson",
      .stream = "{\"model\":\"small\",\"response\":\"%s\",\"done\":false}\n{\"model\":\"small\","
                "\"response\":\"\",\"done\":true}\n" },
    { .path = "/api/chat",
      .ask = "{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"add\","
             "\"parameters\":" FORM "}}]}",
      .whole =
          "{\"model\":\"small\",\"message\":{\"role\":\"assistant\",\"content\":\"\","
          "\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":%s}}]},\"done\":true}",
      .type = "application/x-ndjson",
      .stream = "{\"model\":\"small\",\"message\":{\"role\":\"assistant\",\"content\":\"\","
                "\"tool_calls\":[{\"function\":{\"name\":\"add\",\"arguments\":%s}}]},"
                "\"done\":false}\n{\"model\":\"small\",\"message\":{\"role\":\"assistant\","
                "\"content\":\"\"},\"done\":true}\n",
      .args = true,
      .plain = true },
};

/* `shape` with the text in each "%s". */
static const char *filled(const char *shape, const char *text, char out[8192])
{
    size_t n = 0;

    for (const char *p = shape; *p && n < 8000; p++) {
        if (p[0] == '%' && p[1] == 's') {
            n += (size_t)snprintf(out + n, 8192 - n, "%s", text);
            p++;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = 0;
    return out;
}

/* The text as JSON itself: without the backslashes of a string. */
static const char *bare(const char *text)
{
    static char out[1024];
    size_t n = 0;

    for (const char *p = text; *p; p++)
        if (*p != '\\')
            out[n++] = *p;
    out[n] = 0;
    return out;
}

static const char *dialects(const char *path)
{
    return strncmp(path, "/api", 4) == 0       ? ", dialect: ollama"
           : strcmp(path, "/v1/messages") == 0 ? ", dialect: anthropic"
                                               : "";
}

static void open_for(struct gate_place *p, const struct way *w, const char *guard)
{
    char yaml[1024];

    snprintf(yaml, sizeof yaml, "gate:\n  upstreams: [{name: up, url: 'http://127.0.0.1:1'%s}]\n%s",
             dialects(w->path), guard);
    gate_open(p, yaml);
}

static void ask_way(struct talk *t, struct gate_place *p, const struct way *w)
{
    char body[8192];

    ask(t, p, w->path, KEY_ALICE, filled(w->ask, "true", body));
    (void)forward(t);
}

static void answer_whole(struct talk *t, const struct way *w, const char *text)
{
    char body[8192];

    answer(t, 200, "application/json", filled(w->whole, w->plain ? bare(text) : text, body));
}

/* In pieces of `step` bytes. */
static void answer_stream(struct talk *t, const struct way *w, const char *text, size_t step)
{
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str(w->type),
                                      .content_length = -1 };
    enum btz_response_mode mode;
    char body[8192];
    struct btz_slice all = btz_str(
        filled(w->stream, w->plain && strncmp(w->path, "/api", 4) == 0 ? bare(text) : text, body));

    t->step = btz_exchange_response(t->x, &head, &mode);
    assert_int_equal(mode, BTZ_RESPONSE_PIECES);
    for (size_t at = 0; t->step == BTZ_STEP_GO && at < all.len; at += step)
        t->step =
            btz_exchange_pieces(t->x, btz_slice_sub(all, at, step), at + step >= all.len, &t->out);
}

static size_t hits(const struct talk *t, const char *kind)
{
    size_t count = 0, found = 0;
    const struct btz_guard_record *r =
        t->x->session ? btz_guard_records(t->x->session, &count) : NULL;

    for (size_t i = 0; i < count; i++)
        found += strcmp(r[i].hit.detector->id, "schema") == 0 && strcmp(r[i].hit.kind, kind) == 0;
    return found;
}

/* What conforms passes, what does not is refused, and of a stream nothing of it went out before. */
static void test_block(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(ways); i++) {
        const struct way *w = &ways[i];
        struct gate_place p;
        struct talk t;

        open_for(&p, w, BLOCK);
        ask_way(&t, &p, w);
        answer_whole(&t, w, GOOD);
        if (t.step != BTZ_STEP_GO || !t.out.len)
            fail_msg("%s %zu: %.*s", w->path, i, BTZ_SLICE_ARG(btz_exchange_answer(t.x)->body));
        finish(&t, BTZ_END_DONE);
        ask_way(&t, &p, w);
        answer_whole(&t, w, BAD);
        assert_int_equal(hits(&t, "type"), 1);
        assert_true(holds(btz_exchange_answer(t.x)->body, "/n: type: integer"));
        refused(&t, 403, "guard_blocked");
        for (size_t step = 1; step < 4000; step = step * 3 + 1) {
            ask_way(&t, &p, w);
            answer_stream(&t, w, GOOD, step);
            if (t.step != BTZ_STEP_GO || !holds(btz_buf_slice(&t.out), w->plain ? "n" : GOOD))
                fail_msg("%s %zu, %zu: %.*s", w->path, i, step,
                         BTZ_SLICE_ARG(btz_buf_slice(&t.out)));
            finish(&t, BTZ_END_DONE);
            ask_way(&t, &p, w);
            answer_stream(&t, w, BAD, step);
            assert_int_equal(t.step, BTZ_STEP_REFUSE);
            assert_int_equal(hits(&t, "type"), 1);
            assert_false(holds(btz_buf_slice(&t.out), "\\\"x"));
            assert_false(holds(btz_buf_slice(&t.out), ":\"x\""));
            assert_true(holds(btz_buf_slice(&t.out), "guard"));
            finish(&t, BTZ_END_DONE);
        }
        gate_close(&p);
    }
}

/* Without a rule, and in mode observe: written down, nothing is held back or changed. */
static void test_observe(void **state)
{
    static const char *const guards[] = { "", WATCH };

    (void)state;
    for (size_t i = 0; i < 2 * BTZ_COUNT(ways); i++) {
        const struct way *w = &ways[i / 2];
        char expected[8192];
        struct gate_place p;
        struct talk t;

        open_for(&p, w, guards[i % 2]);
        ask_way(&t, &p, w);
        answer_whole(&t, w, BAD);
        assert_int_equal(t.step, BTZ_STEP_GO);
        assert_int_equal(hits(&t, "type"), 1);
        assert_string_equal(t.x->form_why, w->args ? "a tool's arguments did not conform to the "
                                                     "schema: /n: type: integer"
                                                   : "the answer did not conform to the schema: "
                                                     "/n: type: integer");
        finish(&t, BTZ_END_DONE);
        ask_way(&t, &p, w);
        answer_stream(&t, w, BAD, 9);
        assert_int_equal(t.step, BTZ_STEP_GO);
        assert_int_equal(hits(&t, "type"), 1);
        if (i % 2 == 1 && !w->plain)
            assert_true(holds(btz_buf_slice(&t.out), filled("%s", BAD, expected)));
        finish(&t, BTZ_END_DONE);
        ask_way(&t, &p, w);
        answer_stream(&t, w, GOOD, 9);
        assert_int_equal(hits(&t, "type"), 0);
        assert_null(t.x->form_why);
        finish(&t, BTZ_END_DONE);
        gate_close(&p);
    }
}

/* One that is cut short is no JSON; a refusal, reasoning and an empty text are no answers of a form. */
static void test_other_texts(void **state)
{
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE BLOCK);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, "{" ASK "," CHAT_FORM "}");
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID("{\\\"n\\\":"));
    assert_int_equal(hits(&t, "json"), 1);
    refused(&t, 403, "guard_blocked");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, "{" ASK "," CHAT_FORM "}");
    (void)forward(&t);
    answer(&t, 200, "application/json",
           "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{"
           "\"role\":\"assistant\",\"content\":\"\",\"refusal\":\"No.\",\"reasoning_content\":"
           "\"Hm.\"},\"finish_reason\":\"stop\"}]}");
    assert_int_equal(t.step, BTZ_STEP_GO);
    finish(&t, BTZ_END_DONE);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, "{\"stream\":true," ASK "," CHAT_FORM "}");
    (void)forward(&t);
    answer(&t, 200, "text/event-stream",
           CHUNK("{\"reasoning_content\":\"Hm.\"}", "null") CHUNK("{\"refusal\":\"No.\"}", "null")
               CHUNK("{}", "\"stop\"") "data: [DONE]\n\n");
    assert_int_equal(t.step, BTZ_STEP_GO);
    assert_true(holds(btz_buf_slice(&t.out), "{\"refusal\":\"No"));
    finish(&t, BTZ_END_DONE);
    gate_close(&p);
}

#define CALL(name, arguments)                                                                      \
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{"         \
    "\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":"              \
    "\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments "\"}}]},"        \
    "\"finish_reason\":\"tool_calls\"}]}"

/* Tools nobody offered; tools that declare no form; no arguments at all. */
static void test_tools(void **state)
{
    static const char loose[] = "{" ASK ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                                "\"now\"}}]}";
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
    (void)forward(&t);
    answer(&t, 200, "application/json", CALL("add", GOOD));
    assert_int_equal(t.step, BTZ_STEP_GO);
    assert_int_equal(hits(&t, "tool-not-offered"), 1);
    finish(&t, BTZ_END_DONE);
    gate_close(&p);
    gate_open(&p, ONE BLOCK);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
    (void)forward(&t);
    answer(&t, 200, "application/json", CALL("add", GOOD));
    refused(&t, 403, "none was offered");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, "{" ASK "," CHAT_TOOLS "}");
    (void)forward(&t);
    answer(&t, 200, "application/json", CALL("sub", GOOD));
    refused(&t, 403, "not offered");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, "{" ASK "," CHAT_TOOLS "}");
    (void)forward(&t);
    answer(&t, 200, "application/json", CALL("add", ""));
    assert_int_equal(hits(&t, "required"), 1);
    refused(&t, 403, "member `n`");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, loose);
    (void)forward(&t);
    answer(&t, 200, "application/json", CALL("now", "whatever"));
    assert_int_equal(t.step, BTZ_STEP_GO);
    finish(&t, BTZ_END_DONE);
    gate_close(&p);
}

#define ASK_SCHEMA(schema)                                                                         \
    "{" ASK ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"f\","      \
    "\"schema\":" schema "}}}"

/* What cannot be held against its schema is never said to conform: written down, and stopped where faults are. */
static void test_not_evaluated(void **state)
{
    static const struct {
        const char *ask, *why;
    } schemas[] = {
        { ASK_SCHEMA("{\"unevaluatedProperties\":false}"), "`unevaluatedProperties`" },
        { ASK_SCHEMA("{\"$ref\":\"https://example.com/\\r\\nSet-Cookie: a\\\"\"}"),
          "https://example.com/??Set-Cookie: a?" },
        { ASK_SCHEMA("{\"pattern\":\"(?=a)\"}"), "looking ahead" },
        { ASK_SCHEMA("{\"$ref\":\"#\"}"), "deeper" },
        { ASK_SCHEMA("{\"type\":7}"), "`type`" },
    };
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE);
    for (size_t i = 0; i < BTZ_COUNT(schemas); i++) {
        ask(&t, &p, "/v1/chat/completions", KEY_ALICE, schemas[i].ask);
        (void)forward(&t);
        answer(&t, 200, "application/json", SAID(GOOD));
        assert_int_equal(t.step, BTZ_STEP_GO);
        if (!strstr(btz_exchange_guard_header(t.x), schemas[i].why) ||
            strchr(btz_exchange_guard_header(t.x), '\r') ||
            strchr(btz_exchange_guard_header(t.x), '\n'))
            fail_msg("%s: %s", schemas[i].why, btz_exchange_guard_header(t.x));
        assert_int_equal(strncmp(btz_exchange_guard_header(t.x), "partial", 7), 0);
        finish(&t, BTZ_END_DONE);
    }
    gate_close(&p);
    gate_open(&p, ONE BLOCK);
    for (size_t i = 0; i < BTZ_COUNT(schemas); i++) {
        ask(&t, &p, "/v1/chat/completions", KEY_ALICE, schemas[i].ask);
        (void)forward(&t);
        answer(&t, 200, "application/json", SAID(GOOD));
        refused(&t, 403, "could not be held against the schema");
    }
    gate_close(&p);
}

/* Clients get masked text, and that is what has to conform. */
static void test_after_masks(void **state)
{
    struct gate_place p;
    struct talk t;

    (void)state;
    gate_open(&p, ONE "  guard:\n    rules:\n      - {detector: schema, action: block}\n"
                      "      - {detector: pii-contact, channels: [output], action: mask}\n");
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE,
        ASK_SCHEMA("{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"@\"}}}"));
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID("{\\\"a\\\":\\\"jane.doe@example.com\\\"}"));
    assert_int_equal(hits(&t, "pattern"), 1);
    refused(&t, 403, "guard_blocked");
    gate_close(&p);
}

/* ---- the settings' own ----------------------------------------------------------------------------------------------------- */

static void write_file(const struct gate_place *p, const char *name, const char *text)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    assert_int_equal(btz_file_write(path, btz_str(text), 0600), BTZ_OK);
}

#define SCHEMAS                                                                                    \
    "  guard:\n    rules: [{detector: schema, action: block}]\n"                                   \
    "    schemas: [{file: answer.json, model: 'sm*', route: chat}]\n"

/* A gate whose settings name a schema beside them. */
static enum btz_err open_with(struct gate_place *p, const char *schema)
{
    struct btz_gate_options o = {
        .snapshot_secret = gate_secret, .pepper = gate_pepper, .now_ms = gate_clock, .clock_user = p
    };
    const char *state;

    gate_open(p, ONE);
    btz_gate_close(p->gate);
    p->gate = NULL;
    write_file(p, "answer.json", schema);
    write_file(p, "bartizan.yaml", ONE SCHEMAS);
    if (btz_gate_conf_load(p->yaml, NULL, &p->arena, &p->conf, &state) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    o.conf = p->conf;
    o.state_dir = p->folder;
    return btz_gate_open(&o, &p->gate);
}

static void test_settings(void **state)
{
    struct gate_place p;
    struct talk t;

    (void)state;
    assert_int_equal(open_with(&p, FORM), BTZ_OK);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID(GOOD));
    assert_int_equal(t.step, BTZ_STEP_GO);
    finish(&t, BTZ_END_DONE);
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID(BAD));
    refused(&t, 403, "guard_blocked");
    /* Whatever the request asks for besides. */
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, ASK_SCHEMA("{\"type\":\"object\"}"));
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID(BAD));
    refused(&t, 403, "guard_blocked");
    /* Another model. */
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE,
        "{\"model\":\"large\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    (void)forward(&t);
    answer(&t, 200, "application/json", SAID(BAD));
    assert_int_equal(t.step, BTZ_STEP_GO);
    finish(&t, BTZ_END_DONE);
    gate_close(&p);
    assert_int_equal(open_with(&p, "{\"unevaluatedItems\":false}"), BTZ_UNSUPPORTED);
    assert_non_null(strstr(btz_error_detail(), "answer.json"));
    gate_close(&p);
}

static void bad_settings(const char *guard, const char *words)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_gate_conf *conf;
    struct btz_guard *g = NULL;
    struct gate_place p;
    const char *state;
    enum btz_err err;
    char yaml[512];

    btz_arena_init(&arena, 4 << 20);
    gate_open(&p, ONE);
    snprintf(yaml, sizeof yaml, ONE "%s", guard);
    write_file(&p, "bartizan.yaml", yaml);
    err = btz_gate_conf_load(p.yaml, NULL, &arena, &conf, &state);
    if (err == BTZ_OK)
        err = btz_guard_new(&conf->guard, &g);
    btz_guard_free(g);
    gate_close(&p);
    if (err == BTZ_OK || !strstr(btz_error_detail(), words))
        fail_msg("%s: %s", guard, err == BTZ_OK ? "taken" : btz_error_detail());
}

static void test_bad_settings(void **state)
{
    (void)state;
    bad_settings("  guard: {rules: [{detector: schema, action: mask}]}\n", "observe or block");
    bad_settings("  guard: {rules: [{detector: schema, action: pseudonymise}]}\n",
                 "observe or block");
    bad_settings("  guard: {schemas: [{file: none.json}]}\n", "none.json");
    bad_settings("  guard: {schemas: [{file: a.json, route: chats}]}\n", "known are chat");
    bad_settings("  guard: {schemas: [{model: a}]}\n", "file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block),         cmocka_unit_test(test_observe),
        cmocka_unit_test(test_other_texts),   cmocka_unit_test(test_tools),
        cmocka_unit_test(test_not_evaluated), cmocka_unit_test(test_after_masks),
        cmocka_unit_test(test_settings),      cmocka_unit_test(test_bad_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
