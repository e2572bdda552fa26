/* Whole responses: their texts, calls and usage; and errors as the official clients take them apart. */
#include "protocol_fixture.h"

struct response_case {
    const char *name;
    enum btz_protocol protocol;
    const char *in, *parts, *calls, *finish;
    uint64_t input, output, cached;
};

static const struct response_case cases[] = {
    { "chat", BTZ_PROTOCOL_CHAT,
      "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"gpt-4o-2024-"
      "08-06\",\"choices\":[{\"index\":0,"
      "\"message\":{\"role\":\"assistant\",\"content\":\"Hello there\",\"refusal\":\"No "
      "way\",\"reasoning_content\":\"hm hm\","
      "\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"start_index\":0,\"end_"
      "index\":5,\"url\":\"https://x.test\","
      "\"title\":\"A "
      "title\"}}],\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
      "\"f\",\"arguments\":"
      "\"{\\\"a\\\":1}\"}}]},\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{"
      "\"prompt_tokens\":19,"
      "\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":3}"
      "},\"service_tier\":\"default\"}",
      "output=Hello there;output=No way;reasoning=hm hm;output=https://x.test;output=A "
      "title;tool-arguments={\"a\":1};",
      "f={\"a\":1};", "tool_calls", 19, 10, 3 },
    { "completions", BTZ_PROTOCOL_COMPLETIONS,
      "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"one "
      "text\",\"index\":0,\"logprobs\":null,"
      "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,"
      "\"total_tokens\":12}}",
      "output=one text;", "", "length", 5, 7, 0 },
    { "responses", BTZ_PROTOCOL_RESPONSES,
      "{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt-4.1\","
      "\"instructions\":\"Be kind\","
      "\"output\":[{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\","
      "\"text\":\"hm hm\"}]},{\"type\":"
      "\"message\",\"id\":\"msg_1\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[{"
      "\"type\":\"output_text\",\"text\":"
      "\"Hello "
      "there\",\"annotations\":[{\"type\":\"file_citation\",\"index\":1,\"file_id\":\"file-1\","
      "\"filename\":\"a b.txt\"}]}]},"
      "{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":"
      "\"{}\",\"status\":\"completed\"},"
      "{\"type\":\"code_interpreter_call\",\"id\":\"ci_1\",\"code\":\"print(1)\",\"outputs\":[{"
      "\"type\":\"logs\",\"logs\":\"out put\"}]}],"
      "\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":2},\"output_"
      "tokens\":87,\"total_tokens\":123}}",
      "system=Be kind;reasoning=hm hm;output=Hello there;output=a b.txt;tool-arguments={};"
      "output={\"type\":\"logs\",\"logs\":\"out put\"};tool-arguments=print(1);",
      "f={};", "completed", 36, 87, 2 },
    { "messages", BTZ_PROTOCOL_MESSAGES,
      "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\","
      "\"content\":[{\"type\":\"thinking\","
      "\"thinking\":\"hm hm\",\"signature\":\"EqQB\"},{\"type\":\"text\",\"text\":\"Hello "
      "there\",\"citations\":[{\"type\":"
      "\"char_location\",\"cited_text\":\"cited\",\"document_index\":0,\"document_title\":\"A "
      "title\"}]},{\"type\":\"tool_use\","
      "\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}},{\"type\":\"web_search_tool_result\","
      "\"tool_use_id\":\"s1\",\"content\":[{"
      "\"type\":\"web_search_result\",\"url\":\"https://x.test\",\"title\":\"Found "
      "it\",\"encrypted_content\":\"EqgA\","
      "\"page_age\":\"April 30, "
      "2025\"}]}],\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":"
      "10,"
      "\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":7,"
      "\"service_tier\":\"standard\"}}",
      "reasoning=hm hm;output=Hello there;output=cited;output=A "
      "title;tool-arguments={\"a\":1};output=https://x.test;"
      "output=Found it;output=April 30, 2025;",
      "f={\"a\":1};", "tool_use", 15, 7, 2 },
    { "ollama", BTZ_PROTOCOL_OLLAMA_CHAT,
      "{\"model\":\"m\",\"created_at\":\"2023-12-12T14:13:43.416799Z\",\"message\":{\"role\":"
      "\"assistant\",\"content\":\"Hello there\","
      "\"thinking\":\"hm "
      "hm\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done_"
      "reason\":\"stop\","
      "\"done\":true,\"prompt_eval_count\":26,\"eval_count\":298}",
      "output=Hello there;reasoning=hm hm;tool-arguments={\"a\":1};", "f={\"a\":1};", "stop", 26,
      298, 0 },
    { "transcribe", BTZ_PROTOCOL_TRANSCRIBE,
      "{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":8.47,\"text\":\"The "
      "beach\",\"segments\":[{\"id\":0,"
      "\"text\":\" The beach\",\"tokens\":[50364,440]}]}",
      "output=The beach;output= The beach;", "", "", 0, 0, 0 },
    { "transcribe, subtitles", BTZ_PROTOCOL_TRANSCRIBE,
      "1\n00:00:00,000 --> 00:00:01,000\nThe beach\n",
      "raw=1\n00:00:00,000 --> 00:00:01,000\nThe beach\n;", "", "", 0, 0, 0 },
    { "images", BTZ_PROTOCOL_IMAGES,
      "{\"created\":1,\"data\":[{\"b64_json\":\"AAAA\",\"revised_prompt\":\"A fine cat\"}]}",
      "output=A fine cat;", "", "", 0, 0, 0 },
    { "an error", BTZ_PROTOCOL_CHAT,
      "{\"error\":{\"message\":\"No such "
      "model\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}",
      "output=No such model;", "", "", 0, 0, 0 },
    { "mcp tools", BTZ_PROTOCOL_MCP,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"f\",\"title\":\"Title\","
      "\"description\":\"D d\",\"inputSchema\":"
      "{\"type\":\"object\"}}]}}",
      "tool-description=f;tool-description=Title;tool-description=D "
      "d;tool-description={\"type\":\"object\"};",
      "", "", 0, 0, 0 },
    { "mcp result", BTZ_PROTOCOL_MCP,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"T "
      "t\"},{\"type\":\"resource\",\"resource\":{"
      "\"uri\":\"file:///a b\",\"mimeType\":\"text/plain\",\"text\":\"R "
      "r\"}}],\"structuredContent\":{\"k\":\"v\"}}}",
      "tool-result=T t;document=file:///a b;document=R r;tool-result={\"k\":\"v\"};", "", "", 0, 0,
      0 },
    { "mcp resource", BTZ_PROTOCOL_MCP,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"contents\":[{\"uri\":\"file:///a\",\"text\":\"R "
      "r\"}]}}",
      "document=file:///a;document=R r;", "", "", 0, 0, 0 },
    { "pass, text", BTZ_PROTOCOL_PASS, "just words", "raw=just words;", "", "", 0, 0, 0 },
    { "pass, lines of JSON", BTZ_PROTOCOL_PASS, "{\"a\":1}\n{\"b\":2}\n",
      "raw={\"a\":1}\n{\"b\":2}\n;", "", "", 0, 0, 0 },
};

static void list_message(const struct btz_message *m, struct btz_buf *parts, struct btz_buf *calls)
{
    for (size_t i = 0; i < m->part_count; i++)
        assert_int_equal(btz_buf_printf(parts, "%s=%.*s;", btz_channel_name(m->parts[i].channel),
                                        BTZ_SLICE_ARG(m->parts[i].text)),
                         BTZ_OK);
    for (size_t i = 0; i < m->call_count; i++)
        assert_int_equal(btz_buf_printf(calls, "%.*s=%.*s;", BTZ_SLICE_ARG(m->calls[i].name),
                                        BTZ_SLICE_ARG(m->calls[i].arguments)),
                         BTZ_OK);
}

static void test_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_buf parts = BTZ_BUF(1 << 16), calls = BTZ_BUF(1 << 16), text = BTZ_BUF(1 << 16);
        struct btz_message m;

        btz_arena_init(&arena, 1 << 20);
        if (btz_response_read(cases[i].protocol, btz_str(cases[i].in), &arena, &m) != BTZ_OK)
            fail_msg("%s: %s", cases[i].name, btz_error_detail());
        list_message(&m, &parts, &calls);
        if (!btz_slice_is(btz_buf_slice(&parts), cases[i].parts) ||
            !btz_slice_is(btz_buf_slice(&calls), cases[i].calls) ||
            !btz_slice_is(m.finish, cases[i].finish))
            fail_msg("%s: %.*s\n%.*s %.*s", cases[i].name, BTZ_SLICE_ARG(btz_buf_slice(&parts)),
                     BTZ_SLICE_ARG(btz_buf_slice(&calls)), BTZ_SLICE_ARG(m.finish));
        assert_int_equal(m.usage.input_tokens, cases[i].input);
        assert_int_equal(m.usage.output_tokens, cases[i].output);
        assert_int_equal(m.usage.cached_tokens, cases[i].cached);
        assert_false(m.changed);
        for (size_t k = 0; k < m.part_count; k++)
            assert_int_equal(
                btz_part_replace(&m, &m.parts[k],
                                 btz_str(m.parts[k].form == BTZ_PART_JSON ? "{}" : "[x]")),
                BTZ_OK);
        assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
        /* The signature was of the text before. */
        assert_false(btz_slice_has(btz_buf_slice(&text), "EqQB"));
        btz_message_release(&m);
        btz_buf_release(&parts);
        btz_buf_release(&calls);
        btz_buf_release(&text);
    }
}

static void check_logprobs(const char *in, bool kept, bool kept_changed)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_message m;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_response_read(BTZ_PROTOCOL_CHAT, btz_str(in), &arena, &m), BTZ_OK);
    assert_int_equal(m.changed, !kept);
    assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
    assert_int_equal(btz_slice_has(btz_buf_slice(&text), "\"token\""), kept);
    btz_buf_clear(&text);
    assert_int_equal(btz_part_replace(&m, &m.parts[0], btz_str("[x]")), BTZ_OK);
    assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
    assert_int_equal(btz_slice_has(btz_buf_slice(&text), "\"token\""), kept_changed);
    btz_message_release(&m);
    btz_buf_release(&text);
}

#define LOGPROBS(content, tokens)                                                                  \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" content        \
    "\"},\"logprobs\":{\"content\":[" tokens "],\"refusal\":null},\"finish_reason\":\"stop\"}]}"
#define TOKEN(text, more)                                                                          \
    "{\"token\":\"" text "\",\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[" more "]}"

/* Log probabilities say the text again: only with a text that stays as it is, and nothing else. */
static void test_logprobs(void **state)
{
    (void)state;
    check_logprobs(
        LOGPROBS(
            "Hello",
            TOKEN("Hel", "{\"token\":\"Hal\",\"logprob\":-2,\"bytes\":null}") "," TOKEN("lo", "")),
        true, false);
    check_logprobs(LOGPROBS("Hello", TOKEN("Hel", "") "," TOKEN("p", "")), false, false);
    check_logprobs(LOGPROBS("Hello", TOKEN("Hello", "") "," TOKEN(" and more", "")), false, false);
    check_logprobs(
        LOGPROBS("Hello", "{\"token\":\"Hello\",\"logprob\":-1,\"note\":\"other words\"}"), false,
        false);
    check_logprobs(LOGPROBS("Hi", "{\"token\":\"Hi\",\"logprob\":-1,\"bytes\":[72,105]}"), true,
                   false);
    check_logprobs(LOGPROBS("Hi", "{\"token\":\"Hi\",\"logprob\":-1,\"bytes\":[72,106]}"), false,
                   false);
    check_logprobs(LOGPROBS("Hi", "{\"token\":\"Hi\",\"logprob\":\"-1\"}"), false, false);
    check_logprobs(LOGPROBS("Hi", "{\"token\":\"Hi\",\"top_logprobs\":\"words\"}"), false, false);
    check_logprobs(
        "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},"
        "\"logprobs\":{\"token\":\"words\"},\"finish_reason\":\"stop\"}]}",
        false, false);
}

/* What a response says beside its texts; usual names of members and what is read as text are not there. */
static void test_words(void **state)
{
    static const struct {
        enum btz_protocol protocol;
        const char *in, *words;
    } said[] = {
        { BTZ_PROTOCOL_CHAT,
          "{\"id\":\"c-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"m\","
          "\"choices\":[{"
          "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"mood\":\"happy\"},"
          "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":2,\"odd\":"
          "3}}",
          "c-1\nchat.completion\nm\nassistant\nhappy\nstop\nmood\nodd\n" },
        { BTZ_PROTOCOL_CHAT,
          LOGPROBS("Hi", "{\"token\":\"H\",\"top_logprobs\":[{\"token\":\"A\"},{\"token\":\"x\"}]},"
                         "{\"token\":\"i\",\"top_logprobs\":[{\"token\":\"b\"},{\"token\":\"?\","
                         "\"bytes\":[121]}]}"),
          "assistant\nAb\nx?y\nstop\n" },
        { BTZ_PROTOCOL_COMPLETIONS,
          "{\"choices\":[{\"text\":\"Hi\",\"logprobs\":{\"tokens\":[\"H\",\"i\"],\"token_"
          "logprobs\":[-1,"
          "null],\"text_offset\":[0,1],\"top_logprobs\":[{\"A\":-1,\"x\":-2},{\"b\":-1}]}}]}",
          "Ab\nx\n" },
        { BTZ_PROTOCOL_MESSAGES,
          "{\"id\":\"m\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"T\",\"signature\":"
          "\"EqQB\"}]}",
          "m\nthinking\nEqQB\n" },
        { BTZ_PROTOCOL_IMAGES,
          "{\"data\":[{\"b64_json\":\"aGVyb24=\"},{\"url\":\"data:image/"
          "png;base64,aGVy\"}]}",
          "aGVyb24=\ndata:image/png;base64\naGVy\n" },
        { BTZ_PROTOCOL_PASS, "{\"a\":{\"b\":\"text\"}}", "a\nb\n" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(said); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_message m;

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(btz_response_read(said[i].protocol, btz_str(said[i].in), &arena, &m),
                         BTZ_OK);
        if (!btz_slice_is(m.words, said[i].words))
            fail_msg("%s: %.*s", said[i].in, BTZ_SLICE_ARG(m.words));
        assert_false(m.changed);
        btz_message_release(&m);
    }
}

/* ---- errors ---- */

static json_t *written(enum btz_dialect d, unsigned status)
{
    struct btz_buf text = BTZ_BUF(1 << 16);
    json_t *root;

    assert_int_equal(
        btz_problem_write(d, status, "guard_blocked", "No \"way\".\xff", "req_1", &text), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_buf_slice(&text), SIZE_MAX, "problem", &root), BTZ_OK);
    btz_buf_release(&text);
    return root;
}

static const char *at(const json_t *root, const char *a, const char *b)
{
    return json_string_value(b ? json_object_get(json_object_get(root, a), b)
                               : json_object_get(root, a));
}

static void test_problems(void **state)
{
    static const char message[] = "No \"way\".\xef\xbf\xbd";
    json_t *root = written(BTZ_DIALECT_OPENAI, 429);
    (void)state;

    /* openai-node: error = body.error; error.message, type, code, param. */
    assert_string_equal(at(root, "error", "message"), message);
    assert_string_equal(at(root, "error", "type"), "rate_limit_error");
    assert_string_equal(at(root, "error", "code"), "guard_blocked");
    assert_true(json_is_null(json_object_get(json_object_get(root, "error"), "param")));
    json_decref(root);
    root = written(BTZ_DIALECT_ANTHROPIC, 403);
    assert_string_equal(at(root, "type", NULL), "error");
    assert_string_equal(at(root, "error", "type"), "permission_error");
    assert_string_equal(at(root, "error", "message"), message);
    assert_string_equal(at(root, "request_id", NULL), "req_1");
    json_decref(root);
    root = written(BTZ_DIALECT_OLLAMA, 403);
    assert_string_equal(at(root, "error", NULL), message);
    json_decref(root);
    root = written(BTZ_DIALECT_MCP, 403);
    assert_string_equal(at(root, "jsonrpc", NULL), "2.0");
    assert_string_equal(at(root, "error", "message"), message);
    assert_true(json_is_integer(json_object_get(json_object_get(root, "error"), "code")));
    assert_true(json_is_null(json_object_get(root, "id")));
    json_decref(root);
    root = written(BTZ_DIALECT_PLAIN, 403);
    assert_int_equal(json_integer_value(json_object_get(root, "status")), 403);
    assert_string_equal(at(root, "detail", NULL), message);
    json_decref(root);
}

static void test_events(void **state)
{
    static const struct {
        enum btz_dialect dialect;
        const char *begin, *end;
    } events[] = {
        { BTZ_DIALECT_OPENAI, "data: {\"error\":{", "\n\ndata: [DONE]\n\n" },
        { BTZ_DIALECT_ANTHROPIC, "event: error\ndata: {\"type\":\"error\"",
          "{\"type\":\"message_stop\"}\n\n" },
        { BTZ_DIALECT_OLLAMA, "{\"error\":\"no\"", "\"done\":true,\"done_reason\":\"error\"}\n" },
        { BTZ_DIALECT_MCP, "event: message\ndata: {\"jsonrpc\":\"2.0\"", "}}}\n\n" },
        { BTZ_DIALECT_PLAIN, "event: error\ndata: {", "}\n\n" },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(events); i++) {
        struct btz_buf text = BTZ_BUF(1 << 16);
        struct btz_slice s, end = btz_str(events[i].end);

        assert_int_equal(btz_problem_event(events[i].dialect, "guard_blocked", "no", NULL, &text),
                         BTZ_OK);
        s = btz_buf_slice(&text);
        if (!btz_slice_has_prefix(s, btz_str(events[i].begin)) || s.len < end.len ||
            !btz_slice_equal(btz_slice_sub(s, s.len - end.len, end.len), end))
            fail_msg("%zu: %.*s", i, BTZ_SLICE_ARG(s));
        btz_buf_release(&text);
    }
}

static void test_names(void **state)
{
    (void)state;
    for (int p = 0; p < BTZ_PROTOCOL_COUNT; p++) {
        assert_non_null(btz_protocol_name((enum btz_protocol)p));
        for (int q = 0; q < p; q++)
            assert_string_not_equal(btz_protocol_name((enum btz_protocol)p),
                                    btz_protocol_name((enum btz_protocol)q));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_events),
        cmocka_unit_test(test_names),    cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
