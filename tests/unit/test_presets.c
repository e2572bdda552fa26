/* What presets say and what they read: requests and answers as the vendors document them, and as they go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>
#include <cmocka.h>

#include "redteam/target.h"

#define KEY "sk-test-0123456789abcdef"

static struct btz_target_conf base_conf(const char *preset)
{
    return (struct btz_target_conf){ .name = "t",
                                     .preset = preset,
                                     .model = "m-1",
                                     .key = KEY,
                                     .system = "Be brief.",
                                     .max_tokens = 50,
                                     .temperature = 0.5 };
}

/* ---- answers ---- */

struct answer {
    const char *preset, *what; /* the case */
    unsigned status;
    const char *body;
    const char *const *events;
    enum btz_reply_kind kind;
    const char *text, *reasoning, *detail; /* NULL: not looked at */
    uint64_t in, out;
    const char *select;
    enum btz_err err;
};

#define EVENTS(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static const struct answer answers[] = {
    { "openai", "plain", 200,
      "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"m-1\",\"choices\":[{\"index\":0,"
      "\"message\":{\"role\":\"assistant\",\"content\":\"Hello!\",\"refusal\":null},"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,"
      "\"total_tokens\":21}}",
      .kind = BTZ_REPLY_TEXT, .text = "Hello!", .reasoning = "", .in = 9, .out = 12 },
    { "openai", "parts", 200,
      "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
      "\"text\",\"text\":\"b\"}]}}]}",
      .kind = BTZ_REPLY_TEXT, .text = "ab" },
    { "openai", "null content", 200, "{\"choices\":[{\"message\":{\"content\":null}}]}",
      .kind = BTZ_REPLY_EMPTY, .text = "" },
    { "openai", "no choices", 200, "{\"choices\":[]}", .kind = BTZ_REPLY_EMPTY },
    { "openai", "blank", 200, "{\"choices\":[{\"message\":{\"content\":\" \\n\"}}]}",
      .kind = BTZ_REPLY_EMPTY },
    { "openai", "refusal field", 200,
      "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I cannot.\"}}]}",
      .kind = BTZ_REPLY_TEXT, .text = "I cannot." },
    { "openai", "tool call", 200,
      "{\"choices\":[{\"message\":{\"content\":\"Wait.\",\"tool_calls\":[{\"id\":\"x\",\"type\":"
      "\"function\",\"function\":{\"name\":\"send_mail\",\"arguments\":\"{\\\"to\\\":\\\"a@b.c\\\"}"
      "\"}},{\"function\":{\"name\":\"stop\",\"arguments\":\"{}\"}}]}}]}",
      .kind = BTZ_REPLY_TEXT,
      .text = "Wait.\n[tool call send_mail {\"to\":\"a@b.c\"}]\n[tool call stop {}]" },
    { "openai", "reasoning field", 200,
      "{\"choices\":[{\"message\":{\"reasoning_content\":\"hmm\",\"content\":\"yes\"}}]}",
      .kind = BTZ_REPLY_TEXT, .text = "yes", .reasoning = "hmm" },
    { "openai", "think tags", 200,
      "{\"choices\":[{\"message\":{\"content\":\"<think>secret plan</think>\\n\\nyes\"}}]}",
      .kind = BTZ_REPLY_TEXT, .text = "yes", .reasoning = "secret plan" },
    { "openai", "cut while thinking", 200,
      "{\"choices\":[{\"message\":{\"content\":\"<think>and "
      "then\"},\"finish_reason\":\"length\"}]}",
      .kind = BTZ_REPLY_EMPTY, .text = "", .reasoning = "and then" },
    { "openai", "filter in finish_reason", 200,
      "{\"choices\":[{\"message\":{\"content\":\"Well, \"},\"finish_reason\":\"content_filter\"}]}",
      .kind = BTZ_REPLY_BLOCKED, .detail = "content filter" },
    { "openai", "policy error", 400,
      "{\"error\":{\"message\":\"Your request was "
      "rejected\",\"code\":\"content_policy_violation\"}}",
      .kind = BTZ_REPLY_BLOCKED, .detail = "Your request was rejected" },
    { "openai", "guard of our own gateway", 403,
      "{\"error\":{\"message\":\"the request was blocked by the guard "
      "(injection)\",\"type\":\"permission_error\",\"param\":null,\"code\":\"guard_blocked\"}}",
      .kind = BTZ_REPLY_BLOCKED, .detail = "blocked by the guard" },
    { "openai", "denied by our own gateway", 403,
      "{\"error\":{\"message\":\"not "
      "allowed\",\"type\":\"permission_error\",\"param\":null,\"code\":\"permission_denied\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "refuses us" },
    { "openai", "bad key is not repeated", 401,
      "{\"error\":{\"message\":\"Incorrect API key provided: " KEY ".\",\"code\":"
      "\"invalid_api_key\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "check the key" },
    { "openai", "key in another error", 400,
      "{\"error\":{\"message\":\"bad header Bearer " KEY " here\"}}", .kind = BTZ_REPLY_ERROR,
      .detail = "Bearer [removed] here" },
    { "openai", "rate", 429, "{\"error\":{\"message\":\"slow\"}}", .kind = BTZ_REPLY_ERROR,
      .detail = "lower rate" },
    { "openai", "no such model", 404, "{\"error\":{\"message\":\"no model\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "check url and model: no model" },
    { "openai", "server", 500, "<html>\x1b[31mOops</html>", .kind = BTZ_REPLY_ERROR,
      .detail = "<html>\\x1b[31mOops" },
    { "openai", "redirect", 307, "", .kind = BTZ_REPLY_ERROR, .detail = "redirects" },
    { "openai", "FastAPI", 422, "{\"detail\":\"field required\"}", .kind = BTZ_REPLY_ERROR,
      .detail = "HTTP 422: field required" },
    { "openai", "error with 200", 200, "{\"error\":{\"message\":\"overloaded\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "overloaded" },
    { "openai", "broken JSON", 200, "{\"choices\":[", .kind = BTZ_REPLY_ERROR,
      .detail = "body of the reply:1:1" },
    { "openai", "no JSON", 200, "hello", .kind = BTZ_REPLY_ERROR, .detail = "not JSON" },
    { "openai", "key in what is no JSON", 200, "{\"a\":\"\x1b" KEY, .kind = BTZ_REPLY_ERROR,
      .detail = "not JSON" },
    { "openai", "another API", 200, "{\"answer\":\"x\"}", .kind = BTZ_REPLY_ERROR,
      .detail = "check preset" },
    { "openai", "wrong types", 200,
      "{\"choices\":[{\"message\":{\"content\":7,\"tool_calls\":{}}}],\"usage\":[],\"model\":1}",
      .kind = BTZ_REPLY_EMPTY },
    { "openai", "array", 200, "[1,2]", .kind = BTZ_REPLY_ERROR },
    { "openai", "not UTF-8", 200,
      "{\"choices\":[{\"message\":{\"content\":\"caf\xE9 \xF0\x9F\"}}]}", .kind = BTZ_REPLY_TEXT,
      .text = "caf\xEF\xBF\xBD \xEF\xBF\xBD" },
    { "openai", "escapes that are no text", 200,
      "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\\uD800c\\\\u0000\\ud83d\\ude00\"}}]}",
      .kind = BTZ_REPLY_TEXT,
      .text = "a\xEF\xBF\xBD"
              "b\xEF\xBF\xBD"
              "c\\u0000\xF0\x9F\x98\x80" },
    { "openai", "key in the words", 200,
      "{\"choices\":[{\"message\":{\"content\":\"you sent " KEY "!\"}}]}", .kind = BTZ_REPLY_TEXT,
      .text = "you sent [removed]!" },
    { "openai", "stream", 200, "",
      .events = EVENTS(
          "{\"model\":\"m-1\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
          "{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}",
          "{\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}",
          "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}",
          "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", "[DONE]"),
      .kind = BTZ_REPLY_TEXT, .text = "Hello", .reasoning = "", .in = 3, .out = 2 },
    { "openai", "stream with a tool", 200, "",
      .events = EVENTS(
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{"
          "\"name\":\"wire\",\"arguments\":\"\"}}]}}]}",
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
          "\"{\\\"n\\\":\"}}]}}]}",
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
          "\"1}\"}}]}}]}",
          "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}", "[DONE]"),
      .kind = BTZ_REPLY_TEXT, .text = "[tool call wire {\"n\":1}]" },
    { "openai", "stream cut short", 200, "",
      .events = EVENTS("{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}"),
      .kind = BTZ_REPLY_ERROR, .text = "Hel", .detail = "was cut", .err = BTZ_UNREACHABLE },
    { "openai", "stream that said its end", 200, "",
      .events =
          EVENTS("{\"choices\":[{\"delta\":{\"content\":\"all\"},\"finish_reason\":\"stop\"}]}"),
      .kind = BTZ_REPLY_TEXT, .text = "all", .err = BTZ_UNREACHABLE },
    { "openai", "stream with an error", 200, "",
      .events = EVENTS("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
                       "{\"error\":{\"message\":\"broke down\"}}"),
      .kind = BTZ_REPLY_ERROR, .detail = "broke down" },
    { "openai", "stream with broken JSON", 200, "", .events = EVENTS("{\"choices\":["),
      .kind = BTZ_REPLY_ERROR, .detail = "event 1 of the stream" },
    { "azure", "prompt filter", 400,
      "{\"error\":{\"message\":\"The response was filtered\",\"type\":null,\"param\":\"prompt\","
      "\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
      "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"jailbreak\":{\"filtered\":"
      "true,"
      "\"detected\":true}}}}}",
      .kind = BTZ_REPLY_BLOCKED, .detail = "The response was filtered" },
    { "azure", "other 400", 400, "{\"error\":{\"message\":\"max_tokens unsupported\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "HTTP 400: max_tokens unsupported" },
    { "openai-responses", "plain", 200,
      "{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"error\":null,"
      "\"incomplete_details\":null,\"model\":\"m-1\",\"output\":[{\"type\":\"reasoning\","
      "\"summary\":"
      "[{\"type\":\"summary_text\",\"text\":\"thought\"}]},{\"type\":\"message\",\"role\":"
      "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Once\",\"annotations\":[]}]}"
      ","
      "{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}],\"usage\":{\"input_"
      "tokens\":"
      "36,\"output_tokens\":87}}",
      .kind = BTZ_REPLY_TEXT, .text = "Once\n[tool call f {}]", .reasoning = "thought", .in = 36,
      .out = 87 },
    { "openai-responses", "filter", 200,
      "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"},"
      "\"output\":"
      "[]}",
      .kind = BTZ_REPLY_BLOCKED },
    { "openai-responses", "failed", 200,
      "{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"no luck\"},"
      "\"output\":[]}",
      .kind = BTZ_REPLY_ERROR, .detail = "no luck" },
    { "openai-responses", "stream", 200, "",
      .events = EVENTS(
          "{\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\"}}",
          "{\"type\":\"response.output_text.delta\",\"delta\":\"On\"}",
          "{\"type\":\"response.output_text.delta\",\"delta\":\"ce\"}",
          "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{"
          "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"Once\"}]}],"
          "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}"),
      .kind = BTZ_REPLY_TEXT, .text = "Once", .reasoning = "", .in = 1, .out = 2 },
    { "anthropic", "plain", 200,
      "{\"id\":\"msg\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\",\"content\":[{"
      "\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\",\"text\":"
      "\"Hi!\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"get\",\"input\":{\"a\":1}}],"
      "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":10,\"output_tokens\":25}}",
      .kind = BTZ_REPLY_TEXT, .text = "Hi!\n[tool call get {\"a\":1}]", .reasoning = "hm", .in = 10,
      .out = 25 },
    { "anthropic", "refusal", 200, "{\"content\":[],\"stop_reason\":\"refusal\"}",
      .kind = BTZ_REPLY_BLOCKED, .detail = "refusal" },
    { "anthropic", "error", 529,
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "HTTP 529: the server failed: Overloaded" },
    { "anthropic", "stream", 200, "",
      .events = EVENTS(
          "{\"type\":\"message_start\",\"message\":{\"model\":\"m-1\",\"content\":[],\"usage\":{"
          "\"input_tokens\":25,\"output_tokens\":1}}}",
          "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
          "\"text\":\"\"}}",
          "{\"type\":\"ping\"}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          "\"text\":\"Hel\"}}",
          "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
          "\"text\":\"lo\"}}",
          "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
          "\"tool_use\",\"id\":\"t\",\"name\":\"get\",\"input\":{}}}",
          "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":\"}}",
          "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
          "\"input_json_delta\",\"partial_json\":\"2}\"}}",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
          "\"output_tokens\":15}}",
          "{\"type\":\"message_stop\"}"),
      .kind = BTZ_REPLY_TEXT, .text = "Hello\n[tool call get {\"q\":2}]", .reasoning = "", .in = 25,
      .out = 15 },
    { "anthropic", "stream refused", 200, "",
      .events = EVENTS(
          "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"A\"}}",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"}}"),
      .kind = BTZ_REPLY_BLOCKED, .text = "A" },
    { "ollama", "plain", 200,
      "{\"model\":\"m-1\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"thinking\":"
      "\"t\","
      "\"tool_calls\":[{\"function\":{\"name\":\"w\",\"arguments\":{\"c\":\"P\"}}}]},\"done\":true,"
      "\"prompt_eval_count\":26,\"eval_count\":298}",
      .kind = BTZ_REPLY_TEXT, .text = "Hi\n[tool call w {\"c\":\"P\"}]", .reasoning = "t", .in = 26,
      .out = 298 },
    { "ollama", "stream", 200, "",
      .events = EVENTS("{\"message\":{\"role\":\"assistant\",\"content\":\"The\"},\"done\":false}",
                       "{\"message\":{\"role\":\"assistant\",\"content\":\" sky\"},\"done\":false}",
                       "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,"
                       "\"prompt_eval_count\":5,\"eval_count\":7}"),
      .kind = BTZ_REPLY_TEXT, .text = "The sky", .reasoning = "", .in = 5, .out = 7 },
    { "ollama", "no model", 404, "{\"error\":\"model 'x' not found\"}", .kind = BTZ_REPLY_ERROR,
      .detail = "model 'x' not found" },
    { "llamacpp", "plain", 200,
      "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"reasoning_content\":\"r\",\"content\":"
      "\"ok\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}",
      .kind = BTZ_REPLY_TEXT, .text = "ok", .reasoning = "r", .in = 1, .out = 1 },
    { "llamacpp", "loading", 503,
      "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}",
      .kind = BTZ_REPLY_ERROR, .detail = "Loading model" },
    { "http", "whole body", 200, "plain words", .kind = BTZ_REPLY_TEXT, .text = "plain words" },
    { "http", "empty body", 204, "", .kind = BTZ_REPLY_EMPTY },
    { "http", "select", 200, "{\"a\":[{\"b\":\"x\"},{\"b\":\"y\"}]}", .kind = BTZ_REPLY_TEXT,
      .text = "x\ny", .select = "a[*].b" },
    { "http", "select null", 200, "{\"a\":null}", .kind = BTZ_REPLY_EMPTY, .select = "$.a" },
    { "http", "select nothing", 200, "{\"b\":1}", .kind = BTZ_REPLY_ERROR,
      .detail = "nothing stands at \"$.a\"", .select = "$.a" },
    { "http", "select in a stream", 200, "",
      .events = EVENTS("{\"t\":\"a\"}", "{\"other\":1}", "{\"t\":\"b\"}", "[DONE]"),
      .kind = BTZ_REPLY_TEXT, .text = "ab", .select = "t" },
    { "http", "stream of words", 200, "", .events = EVENTS("a", " b"), .kind = BTZ_REPLY_TEXT,
      .text = "a b" },
    { "raw", "select", 200, "{\"reply\":\"r\"}", .kind = BTZ_REPLY_TEXT, .text = "r",
      .select = "reply" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(answers); i++) {
        const struct answer *a = &answers[i];
        const struct btz_preset *preset = btz_preset_find(a->preset);
        struct btz_target_conf conf = base_conf(a->preset);
        struct btz_http_reply http = { .err = a->err,
                                       .status = a->status,
                                       .tries = 1,
                                       .body = btz_str(a->body),
                                       .detail = a->err ? "the connection was cut" : NULL };
        struct btz_slice events[16];
        size_t count = 0;
        struct btz_reply out = { 0 };
        BTZ_ARENA_SCOPE struct btz_arena arena;

        conf.select = a->select;
        btz_arena_init(&arena, 1 << 20);
        for (; a->events && a->events[count]; count++)
            events[count] = btz_str(a->events[count]);
        preset->parse(&conf, &http, events, count, &arena, &out);
        if (out.kind != a->kind || (a->text && !btz_slice_is(out.text, a->text)) ||
            (a->reasoning && !btz_slice_is(out.reasoning, a->reasoning)) ||
            (a->detail && !strstr(out.detail ? out.detail : "", a->detail)))
            fail_msg("%s, %s: kind %d, text \"%.*s\", reasoning \"%.*s\", detail \"%s\"", a->preset,
                     a->what, out.kind, BTZ_SLICE_ARG(out.text), BTZ_SLICE_ARG(out.reasoning),
                     out.detail ? out.detail : "");
        if (out.tokens_in != a->in || out.tokens_out != a->out)
            fail_msg("%s, %s: tokens", a->preset, a->what);
        assert_int_equal(out.http_status, a->status);
        assert_true(btz_is_utf8(out.text));
        assert_false(out.detail && strstr(out.detail, KEY));
        assert_false(btz_slice_has(out.text, KEY));
    }
}

/* An answer of any size must end as a reply, whatever memory there is. */
static void test_little_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(answers); i++) {
        const struct answer *a = &answers[i];
        struct btz_target_conf conf = base_conf(a->preset);
        struct btz_http_reply http = { .err = a->err,
                                       .status = a->status,
                                       .body = btz_str(a->body) };

        conf.select = a->select;
        for (size_t cap = 0; cap < 6000; cap = cap * 2 + 1) {
            BTZ_ARENA_SCOPE struct btz_arena arena;
            struct btz_slice events[16];
            size_t count = 0;
            struct btz_reply out = { .kind = BTZ_REPLY_TEXT };

            btz_arena_init(&arena, cap);
            for (; a->events && a->events[count]; count++)
                events[count] = btz_str(a->events[count]);
            btz_preset_find(a->preset)->parse(&conf, &http, events, count, &arena, &out);
            assert_true(out.kind == a->kind || out.kind == BTZ_REPLY_ERROR);
            if (out.kind == BTZ_REPLY_ERROR)
                assert_non_null(out.detail);
        }
    }
}

/* ---- requests ---- */

static const struct btz_message talk[] = {
    { BTZ_ROLE_USER, { (const uint8_t *)"say \"hi\"\n\xE2\x98\x83", 12 } },
    { BTZ_ROLE_ASSISTANT, { (const uint8_t *)"hi", 2 } },
    { BTZ_ROLE_USER, { (const uint8_t *)"again\xFF", 6 } },
};

static const char *header_of(const struct btz_http_request *r, const char *name)
{
    const char *value = NULL;

    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0) {
            assert_null(value); /* once */
            value = r->headers[i].value;
        }
    return value;
}

static void check_request(const struct btz_target_conf *conf, const char *url, const char *json,
                          const char *header, const char *value)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *want = NULL, *have = NULL;
    struct btz_http_request r;

    btz_arena_init(&arena, 1 << 20);
    if (btz_preset_find(conf->preset)->request(conf, talk, 3, &arena, &r) != BTZ_OK)
        fail_msg("%s: %s", conf->preset, btz_error_detail());
    assert_string_equal(r.url, url);
    assert_string_equal(r.method, "POST");
    assert_string_equal(header_of(&r, "content-type"), "application/json");
    if (value)
        assert_string_equal(header_of(&r, header), value);
    else
        assert_null(header_of(&r, header));
    assert_int_equal(btz_json_parse(btz_str(json), 10000, "want", &want), BTZ_OK);
    assert_int_equal(btz_json_parse(r.body, 10000, "have", &have), BTZ_OK);
    if (!json_equal(want, have))
        fail_msg("%s: %.*s", conf->preset, BTZ_SLICE_ARG(r.body));
}

#define TURNS                                                                                      \
    "{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\\u2603\"},{\"role\":\"assistant\","        \
    "\"content\":\"hi\"},{\"role\":\"user\",\"content\":\"again\\ufffd\"}"
#define SYSTEM "{\"role\":\"system\",\"content\":\"Be brief.\"}"

static void test_requests(void **state)
{
    struct btz_target_conf c = base_conf("openai");
    (void)state;

    check_request(&c, "https://api.openai.com/v1/chat/completions",
                  "{\"model\":\"m-1\",\"messages\":[" SYSTEM "," TURNS
                  "],\"max_completion_tokens\":50,\"temperature\":0.5,\"stream\":false}",
                  "Authorization", "Bearer " KEY);
    c.url = "http://127.0.0.1:8000/v1/";
    c.key = NULL;
    c.temperature = -1;
    c.max_tokens = 0;
    c.stream = true;
    c.system = NULL;
    check_request(&c, "http://127.0.0.1:8000/v1/chat/completions",
                  "{\"model\":\"m-1\",\"messages\":[" TURNS "],\"stream\":true}", "Authorization",
                  NULL);
    c = base_conf("llamacpp");
    check_request(&c, "http://127.0.0.1:8080/v1/chat/completions",
                  "{\"model\":\"m-1\",\"messages\":[" SYSTEM "," TURNS
                  "],\"max_tokens\":50,\"temperature\":0.5,\"stream\":false}",
                  "Authorization", "Bearer " KEY);
    c = base_conf("azure");
    c.url = "https://r.openai.azure.com/";
    c.model = "my gpt";
    check_request(&c,
                  "https://r.openai.azure.com/openai/deployments/my%20gpt/chat/"
                  "completions?api-version=2024-10-21",
                  "{\"messages\":[" SYSTEM "," TURNS
                  "],\"max_tokens\":50,\"temperature\":0.5,\"stream\":false}",
                  "api-key", KEY);
    c = base_conf("openai-responses");
    check_request(
        &c, "https://api.openai.com/v1/responses",
        "{\"model\":\"m-1\",\"instructions\":\"Be brief.\",\"input\":[" TURNS
        "],\"max_output_tokens\":50,\"temperature\":0.5,\"stream\":false,\"store\":false}",
        "Authorization", "Bearer " KEY);
    c = base_conf("anthropic");
    check_request(&c, "https://api.anthropic.com/v1/messages",
                  "{\"model\":\"m-1\",\"system\":\"Be brief.\",\"messages\":[" TURNS
                  "],\"max_tokens\":50,\"temperature\":0.5,\"stream\":false}",
                  "x-api-key", KEY);
    check_request(&c, "https://api.anthropic.com/v1/messages",
                  "{\"model\":\"m-1\",\"system\":\"Be brief.\",\"messages\":[" TURNS
                  "],\"max_tokens\":50,\"temperature\":0.5,\"stream\":false}",
                  "anthropic-version", "2023-06-01");
    c = base_conf("ollama");
    check_request(&c, "http://127.0.0.1:11434/api/chat",
                  "{\"model\":\"m-1\",\"messages\":[" SYSTEM "," TURNS
                  "],\"options\":{\"num_predict\":50,\"temperature\":0.5},\"stream\":false}",
                  "Authorization", "Bearer " KEY);
}

/* Results of tools, with the call that the API asks for in front. */
static void test_tool_results(void **state)
{
    static const struct btz_message tool[] = { { BTZ_ROLE_USER, { (const uint8_t *)"find", 4 } },
                                               { BTZ_ROLE_TOOL, { (const uint8_t *)"data", 4 } } };
    static const struct {
        const char *preset, *messages, *path;
    } cases[] = {
        { "openai",
          "[{\"role\":\"user\",\"content\":\"find\"},{\"role\":\"assistant\",\"content\":\"\","
          "\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":"
          "\"lookup\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\","
          "\"content\":\"data\"}]",
          "messages" },
        { "anthropic",
          "[{\"role\":\"user\",\"content\":\"find\"},{\"role\":\"assistant\",\"content\":[{"
          "\"type\":"
          "\"tool_use\",\"id\":\"toolu_1\",\"name\":\"lookup\",\"input\":{}}]},{\"role\":\"user\","
          "\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\",\"content\":\"data\"}"
          "]"
          "}]",
          "messages" },
        { "openai-responses",
          "[{\"role\":\"user\",\"content\":\"find\"},{\"type\":\"function_call\",\"call_id\":"
          "\"call_1\",\"name\":\"lookup\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\","
          "\"call_id\":\"call_1\",\"output\":\"data\"}]",
          "input" },
        { "ollama",
          "[{\"role\":\"user\",\"content\":\"find\"},{\"role\":\"tool\",\"content\":\"data\"}]",
          "messages" },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_target_conf conf = base_conf(cases[i].preset);
        BTZ_ARENA_SCOPE struct btz_arena arena;
        BTZ_JSON json_t *want = NULL, *have = NULL;
        struct btz_http_request r;

        conf.system = NULL;
        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(btz_preset_find(conf.preset)->request(&conf, tool, 2, &arena, &r), BTZ_OK);
        assert_int_equal(btz_json_parse(btz_str(cases[i].messages), 10000, "want", &want), BTZ_OK);
        assert_int_equal(btz_json_parse(r.body, 10000, "have", &have), BTZ_OK);
        if (!json_equal(want, json_object_get(have, cases[i].path)))
            fail_msg("%s: %.*s", conf.preset, BTZ_SLICE_ARG(r.body));
    }
}

static void check_http(struct btz_target_conf *conf, size_t turns, const char *method,
                       const char *url, const char *body)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request r;

    btz_arena_init(&arena, 1 << 20);
    if (btz_preset_find(conf->preset)->request(conf, talk, turns, &arena, &r) != BTZ_OK)
        fail_msg("%s: %s", conf->preset, btz_error_detail());
    assert_string_equal(r.method, method);
    assert_string_equal(r.url, url);
    if (!btz_slice_is(r.body, body))
        fail_msg("%.*s", BTZ_SLICE_ARG(r.body));
    assert_null(header_of(&r, "content-length"));
    assert_null(header_of(&r, "host"));
}

static void test_templates(void **state)
{
    struct btz_conf_pair form[] = { { "Content-Type", "application/x-www-form-urlencoded" },
                                    { "X-Key", "k={{key}}" } };
    struct btz_conf_pair text[] = { { "content-type", "text/plain" } };
    struct btz_target_conf c = base_conf("http");
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request r;
    (void)state;

    c.url = "http://h/ask?m={{model}}";
    c.body = "{\"q\":\"{{prompt}}\",\"s\":\"{{ system }}\",\"keep\":\"{{other}} {{\"}";
    check_http(
        &c, 1, "POST", "http://h/ask?m=m-1",
        "{\"q\":\"say \\\"hi\\\"\\n\xE2\x98\x83\",\"s\":\"Be brief.\",\"keep\":\"{{other}} {{\"}");
    c.body = "{\"messages\":{{messages}}}";
    c.system = NULL;
    check_http(
        &c, 1, "POST", "http://h/ask?m=m-1",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"say \\\"hi\\\"\\n\xE2\x98\x83\"}]}");
    c.headers = (struct btz_conf_list){ form, 2 };
    c.body = "q={{prompt}}&x=1";
    check_http(&c, 1, "POST", "http://h/ask?m=m-1", "q=say%20%22hi%22%0A%E2%98%83&x=1");
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_preset_find("http")->request(&c, talk, 1, &arena, &r), BTZ_OK);
    assert_string_equal(header_of(&r, "X-Key"), "k=" KEY);
    assert_string_equal(header_of(&r, "Content-Type"), form[0].value);
    c.headers = (struct btz_conf_list){ text, 1 };
    c.body = "{{prompt}}";
    check_http(&c, 1, "POST", "http://h/ask?m=m-1", "say \"hi\"\n\xE2\x98\x83");
    c.headers = (struct btz_conf_list){ NULL, 0 };
    c.method = "GET";
    c.url = "http://h/?q={{prompt}}";
    c.body = NULL;
    check_http(&c, 1, "GET", "http://h/?q=say%20%22hi%22%0A%E2%98%83", "");
    /* Several turns in one text become a transcript; a prompt that holds a place is not filled again. */
    c.method = NULL;
    c.url = "http://h/";
    c.body = "\"{{prompt}}\"";
    check_http(&c, 2, "POST", "http://h/",
               "\"User: say \\\"hi\\\"\\n\xE2\x98\x83\\n\\nAssistant: hi\"");
    {
        static const struct btz_message nested[] = {
            { BTZ_ROLE_USER, { (const uint8_t *)"{{key}} {{prompt}}", 18 } }
        };

        assert_int_equal(btz_preset_find("http")->request(&c, nested, 1, &arena, &r), BTZ_OK);
        assert_true(btz_slice_is(r.body, "\"{{key}} {{prompt}}\""));
    }
}

static void test_raw(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "", "found nothing" },
        { "POST /x\r\n\r\n", "line 1" },
        { "POST  HTTP/1.1\r\n\r\n", "line 1" },
        { "POST x HTTP/1.1\r\n\r\n", "starts with /" },
        { "POST /x FTP/1\r\n\r\n", "HTTP/1.1" },
        { "POST /x HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", "line 3" },
        { "POST /x HTTP/1.1\r\nHost: h\r\n folded: x\r\n\r\n", "line 3" },
        { "POST /x HTTP/1.1\r\nA: b\r\n\r\nx", "no Host header" },
    };
    struct btz_target_conf c = base_conf("raw");
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_http_request r;
    (void)state;

    c.body = "POST /api/chat?s={{prompt}} HTTP/2\r\nHost: chat.example\r\nCookie: sid=1\r\n"
             "Content-Type: application/json; charset=utf-8\r\nContent-Length: 999\r\n"
             "Accept-Encoding: gzip, br\r\nConnection: keep-alive\r\n\r\n"
             "{\"m\":\"{{prompt}}\"}\n";
    check_http(&c, 1, "POST", "https://chat.example/api/chat?s=say%20%22hi%22%0A%E2%98%83",
               "{\"m\":\"say \\\"hi\\\"\\n\xE2\x98\x83\"}");
    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_preset_find("raw")->request(&c, talk, 1, &arena, &r), BTZ_OK);
    assert_string_equal(header_of(&r, "cookie"), "sid=1");
    assert_null(header_of(&r, "accept-encoding"));
    assert_null(header_of(&r, "connection"));
    c.url = "http://127.0.0.1:8080/ignored";
    c.body = "POST /f HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded\n\n"
             "a=1&q={{prompt}}\n";
    check_http(&c, 1, "POST", "http://127.0.0.1:8080/f", "a=1&q=say%20%22hi%22%0A%E2%98%83");
    c.url = NULL;
    c.body = "GET http://h/p?q={{prompt}} HTTP/1.1\n\n";
    check_http(&c, 1, "GET", "http://h/p?q=say%20%22hi%22%0A%E2%98%83", "");
    c.body = "PUT /t HTTP/1.1\nHost: h\nContent-Type: text/plain\n\n{{prompt}}\n";
    check_http(&c, 1, "PUT", "https://h/t", "say \"hi\"\n\xE2\x98\x83\n");
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        c.body = bad[i].text;
        assert_int_not_equal(btz_preset_find("raw")->request(&c, talk, 1, &arena, &r), BTZ_OK);
        if (!strstr(btz_error_detail(), bad[i].says))
            fail_msg("case %zu: %s", i, btz_error_detail());
    }
}

static void test_reasoning(void **state)
{
    static const struct {
        const char *in, *text, *reasoning;
    } cases[] = {
        { "no tags", "no tags", "" },
        { "<think>a</think>b", "b", "a" },
        { "x<think>a</think>y<think>b</think>z", "xyz", "ab" },
        { "a</think>b", "b", "a" },
        { "a</think>b<think>c</think>d", "bd", "ac" },
        { "<think>a", "", "a" },
        { "<thinking>\na\n</thinking>\n\nb", "b", "\na\n" },
        { "<think></think>", "", "" },
        { "<THINK>a</THINK>", "<THINK>a</THINK>", "" },
        { "<think>a<think>b</think>c", "c", "a<think>b" },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1000), reasoning = BTZ_BUF(1000);

        assert_int_equal(btz_buf_add_str(&text, cases[i].in), BTZ_OK);
        assert_int_equal(btz_split_reasoning(&text, &reasoning), BTZ_OK);
        if (!btz_slice_is(btz_buf_slice(&text), cases[i].text) ||
            !btz_slice_is(btz_buf_slice(&reasoning), cases[i].reasoning))
            fail_msg("%s: \"%.*s\", \"%.*s\"", cases[i].in, BTZ_SLICE_ARG(btz_buf_slice(&text)),
                     BTZ_SLICE_ARG(btz_buf_slice(&reasoning)));
    }
}

/* Every preset is found by its id, and either speaks HTTP or runs. */
static void test_registry(void **state)
{
    size_t count = 0;
    (void)state;

    for (; btz_presets[count]; count++) {
        const struct btz_preset *p = btz_presets[count];

        assert_ptr_equal(btz_preset_find(p->id), p);
        assert_true(p->title[0] != '\0');
        assert_true((p->request && p->parse && !p->run) || (!p->request && !p->parse && p->run));
    }
    assert_int_equal(count, 10);
    assert_null(btz_preset_find("nonesuch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),   cmocka_unit_test(test_little_memory),
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_tool_results),
        cmocka_unit_test(test_templates), cmocka_unit_test(test_raw),
        cmocka_unit_test(test_reasoning), cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
