/* Translation: requests, answers and streams of one side as the documents of the other side write them. */
#include "protocol_fixture.h"

struct pair {
    const char *name;
    enum btz_protocol from, to;
    const char *in, *out; /* out NULL: refused, and `in_error` is named */
    const char *in_error;
};

#define CHAT     BTZ_PROTOCOL_CHAT
#define MESSAGES BTZ_PROTOCOL_MESSAGES

static const struct pair requests[] = {
    { "plain", CHAT, MESSAGES,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be "
      "kind.\"},{\"role\":\"user\",\"content\":\"Hi\"}],"
      "\"temperature\":0.5,\"stop\":\"END\",\"user\":\"u1\",\"stream\":true}",
      "{\"system\":[{\"type\":\"text\",\"text\":\"Be "
      "kind.\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
      "\"text\":\"Hi\"}]}],\"model\":\"m\",\"max_tokens\":1000,\"temperature\":0.5,\"stream\":true,"
      "\"stop_sequences\":[\"END\"],\"metadata\":{\"user_id\":\"u1\"}}",
      NULL },
    { "tools", CHAT, MESSAGES,
      "{\"model\":\"m\",\"max_completion_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":"
      "\"Weather?\"},"
      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":"
      "\"function\",\"function\":{"
      "\"name\":\"get\",\"arguments\":\"{\\\"city\\\":\\\"Oslo\\\"}\"}},{\"id\":\"c2\",\"type\":"
      "\"function\",\"function\":{"
      "\"name\":\"now\",\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
      "\"content\":\"rain\"},"
      "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"noon\"},{\"role\":\"user\","
      "\"content\":\"Thanks\"}],"
      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get\",\"description\":\"d\","
      "\"parameters\":{\"type\":"
      "\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}}},{\"type\":\"function\","
      "\"function\":{\"name\":\"now\"}}],"
      "\"tool_choice\":\"required\",\"parallel_tool_calls\":false}",
      "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
      "\"text\",\"text\":\"Weather?\"}]},"
      "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"get\","
      "\"input\":{\"city\":\"Oslo\"}},"
      "{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"now\",\"input\":{}}]},"
      "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\","
      "\"content\":[{\"type\":\"text\",\"text\":"
      "\"rain\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"c2\",\"content\":[{\"type\":"
      "\"text\",\"text\":\"noon\"}]},"
      "{\"type\":\"text\",\"text\":\"Thanks\"}]}],"
      "\"tools\":[{\"name\":\"get\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\","
      "\"properties\":{\"city\":{"
      "\"type\":\"string\"}}}},{\"name\":\"now\",\"input_schema\":{\"type\":\"object\","
      "\"properties\":{}}}],"
      "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}}",
      NULL },
    { "images", CHAT, MESSAGES,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
      "\"What?\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/a.png\"}}]}]}",
      "{\"model\":\"m\",\"max_tokens\":1000,\"messages\":[{\"role\":\"user\",\"content\":[{"
      "\"type\":\"text\",\"text\":\"What?\"},"
      "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
      "png\",\"data\":\"iVBORw0KGgo=\"}},"
      "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://example.com/"
      "a.png\"}}]}]}",
      NULL },
    { "log probabilities", CHAT, MESSAGES,
      "{\"model\":\"m\",\"logprobs\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
      NULL, "\"logprobs\"" },
    { "choices", CHAT, MESSAGES,
      "{\"model\":\"m\",\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", NULL,
      "\"n\"" },
    { "an unknown member", CHAT, MESSAGES,
      "{\"model\":\"m\",\"seed\":7,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", NULL,
      "\"seed\"" },
    { "sound", CHAT, MESSAGES,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\","
      "\"input_audio\":{"
      "\"data\":\"AAAA\",\"format\":\"wav\"}}]}]}",
      NULL, "\"input_audio\"" },
    { "arguments that are no JSON", CHAT, MESSAGES,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\","
      "\"type\":\"function\","
      "\"function\":{\"name\":\"f\",\"arguments\":\"{oops\"}}]}]}",
      NULL, "arguments" },
    { "plain back", MESSAGES, CHAT,
      "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"Be "
      "kind.\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
      "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Yes?\"}]}],\"stop_"
      "sequences\":[\"END\"],"
      "\"stream\":true,\"metadata\":{\"user_id\":\"u1\"},\"top_p\":0.9}",
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"system\",\"content\":\"Be "
      "kind.\"},{\"role\":\"user\","
      "\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":\"Yes?\"}],\"stop\":[\"END\"],"
      "\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true},\"user\":\"u1\",\"top_p\":0.9}",
      NULL },
    { "tools back", MESSAGES, CHAT,
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"}"
      ",{\"role\":\"assistant\","
      "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"EqQB\"},{\"type\":"
      "\"text\",\"text\":\"I look.\"},"
      "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"get\",\"input\":{\"city\":\"Oslo\"}}]},{"
      "\"role\":\"user\",\"content\":[{"
      "\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"is_error\":true,\"content\":\"no\"},{"
      "\"type\":\"text\",\"text\":"
      "\"Again\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
      "png\",\"data\":\"iVBO\"}}]}],"
      "\"tools\":[{\"name\":\"get\",\"input_schema\":{\"type\":\"object\"},\"cache_control\":{"
      "\"type\":\"ephemeral\"}}],"
      "\"tool_choice\":{\"type\":\"tool\",\"name\":\"get\",\"disable_parallel_tool_use\":true}}",
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"}"
      ",{\"role\":\"assistant\","
      "\"content\":\"I "
      "look.\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","
      "\"function\":{"
      "\"name\":\"get\",\"arguments\":\"{\\\"city\\\":\\\"Oslo\\\"}\"}}]},{\"role\":\"tool\","
      "\"tool_call_id\":\"t1\",\"content\":["
      "{\"type\":\"text\",\"text\":\"The tool failed: "
      "\"},{\"type\":\"text\",\"text\":\"no\"}]},{\"role\":\"user\",\"content\":[{"
      "\"type\":\"text\",\"text\":\"Again\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:"
      "image/png;base64,iVBO\"}}]}],"
      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get\",\"parameters\":{\"type\":"
      "\"object\"}}}],"
      "\"parallel_tool_calls\":false,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
      "\"get\"}}}",
      NULL },
    { "thinking", MESSAGES, CHAT,
      "{\"model\":\"m\",\"max_tokens\":9,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"
      ",\"messages\":[{\"role\":"
      "\"user\",\"content\":\"Hi\"}]}",
      NULL, "\"thinking\"" },
    { "top_k", MESSAGES, CHAT,
      "{\"model\":\"m\",\"max_tokens\":9,\"top_k\":5,\"messages\":[{\"role\":\"user\",\"content\":"
      "\"Hi\"}]}",
      NULL, "\"top_k\"" },
    { "a server's tool", MESSAGES, CHAT,
      "{\"model\":\"m\",\"max_tokens\":9,\"tools\":[{\"type\":\"web_search_20250305\",\"name\":"
      "\"web_search\"}],"
      "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
      NULL, "\"type\" in tools" },
};

static const struct pair responses[] = {
    { "text", CHAT, MESSAGES,
      "{\"id\":\"x\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"up\",\"choices\":[{"
      "\"index\":0,\"message\":{"
      "\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null},\"logprobs\":null,\"finish_"
      "reason\":\"length\"}],"
      "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,\"prompt_"
      "tokens_details\":{"
      "\"cached_tokens\":4}}}",
      "{\"id\":\"msg_x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"named\","
      "\"content\":[{\"type\":\"text\",\"text\":"
      "\"Hello\"}],\"stop_reason\":\"max_tokens\",\"stop_sequence\":null,\"usage\":{\"input_"
      "tokens\":15,"
      "\"cache_read_input_tokens\":4,\"output_tokens\":10}}",
      NULL },
    { "call", CHAT, MESSAGES,
      "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
      "null,\"reasoning_content\":\"hm\","
      "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{\\\"a\\\":1}\"}}]},"
      "\"finish_reason\":\"tool_calls\"}]}",
      "{\"id\":\"msg_x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"named\","
      "\"content\":[{\"type\":\"thinking\","
      "\"thinking\":\"hm\",\"signature\":\"\"},{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\","
      "\"input\":{\"a\":1}}],"
      "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"cache_"
      "read_input_tokens\":0,"
      "\"output_tokens\":0}}",
      NULL },
    { "call back", MESSAGES, CHAT,
      "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"up\",\"content\":["
      "{\"type\":\"text\",\"text\":"
      "\"I "
      "look.\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}}],\"stop_"
      "reason\":\"tool_use\","
      "\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":5,"
      "\"output_tokens\":7}}",
      "{\"id\":\"chatcmpl-msg_1\",\"object\":\"chat.completion\",\"created\":0,\"model\":\"named\","
      "\"choices\":[{\"index\":0,"
      "\"message\":{\"role\":\"assistant\",\"content\":\"I "
      "look.\",\"refusal\":null,\"tool_calls\":[{\"id\":\"t1\",\"type\":"
      "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]},\"logprobs\":"
      "null,\"finish_reason\":"
      "\"tool_calls\"}],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":7,\"total_tokens\":"
      "22,"
      "\"prompt_tokens_details\":{\"cached_tokens\":5}}}",
      NULL },
    { "a call without input back", MESSAGES, CHAT,
      "{\"id\":\"1\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\"},{\"type\":"
      "\"tool_"
      "use\",\"id\":\"t2\",\"name\":\"g\",\"input\":null}],\"stop_reason\":\"tool_use\"}",
      "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":0,\"model\":\"named\","
      "\"choices\":[{"
      "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,\"tool_"
      "calls\":["
      "{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{"
      "\"id\":\"t2\","
      "\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},\"logprobs\":"
      "null,"
      "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
      "\"total_tokens\":0,\"prompt_tokens_details\":{\"cached_tokens\":0}}}",
      NULL },
    { "an error back", MESSAGES, CHAT,
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
      "{\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", NULL },
    { "an unknown block", MESSAGES, CHAT,
      "{\"id\":\"msg_1\",\"content\":[{\"type\":\"hologram\",\"data\":\"x\"}]}", NULL, "block" },
};

static enum btz_err translate(const struct pair *p, bool response, struct btz_arena *arena,
                              struct btz_message *out)
{
    struct btz_message in;
    enum btz_err err;

    if (response) {
        assert_int_equal(btz_response_read(p->from, btz_str(p->in), arena, &in), BTZ_OK);
        err = btz_translate_response(&in, p->to, "named", arena, out);
    } else {
        assert_int_equal(
            btz_request_read(p->from, btz_str("application/json"), btz_str(p->in), arena, &in),
            BTZ_OK);
        err = btz_translate_request(&in, p->to, 1000, arena, out);
    }
    btz_message_release(&in);
    return err;
}

static void check_pair(const struct pair *p, bool response)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_message m;
    struct btz_buf text = BTZ_BUF(1 << 20);
    json_t *want, *got;
    enum btz_err err;

    btz_arena_init(&arena, 1 << 20);
    err = translate(p, response, &arena, &m);
    if (!p->out) {
        assert_int_equal(err, BTZ_INPUT);
        if (!strstr(btz_error_detail(), p->in_error))
            fail_msg("%s: %s", p->name, btz_error_detail());
        return;
    }
    if (err != BTZ_OK)
        fail_msg("%s: %s", p->name, btz_error_detail());
    assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_buf_slice(&text), SIZE_MAX, "out", &got), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_str(p->out), SIZE_MAX, "want", &want), BTZ_OK);
    if (json_object_get(got, "created"))
        json_object_set_new(got, "created", json_integer(0));
    if (!json_equal(want, got))
        fail_msg("%s: %.*s", p->name, BTZ_SLICE_ARG(btz_buf_slice(&text)));
    json_decref(want);
    json_decref(got);
    btz_buf_release(&text);
    btz_message_release(&m);
}

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(requests); i++)
        check_pair(&requests[i], false);
}

static void test_responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(responses); i++)
        check_pair(&responses[i], true);
}

/* A request there and back says the same. */
static void test_there_and_back(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_message chat, messages, again;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(translate(&requests[1], false, &arena, &messages), BTZ_OK);
    assert_int_equal(btz_translate_request(&messages, CHAT, 0, &arena, &again), BTZ_OK);
    assert_int_equal(
        btz_request_read(CHAT, btz_str("application/json"), btz_str(requests[1].in), &arena, &chat),
        BTZ_OK);
    assert_int_equal(again.max_tokens, chat.max_tokens);
    assert_int_equal(again.tool_count, chat.tool_count);
    assert_true(json_equal(json_object_get(again.root, "tool_choice"),
                           json_object_get(chat.root, "tool_choice")));
    assert_int_equal(json_array_size(json_object_get(again.root, "messages")), 5);
    btz_message_release(&chat);
    btz_message_release(&messages);
    btz_message_release(&again);
}

/* ---- streams ---- */

#define CHUNK(delta, finish)                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\","           \
    "\"choices\":[{\"index\":0,"                                                                   \
    "\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define CALL(index, id, name, arguments)                                                           \
    "\"tool_calls\":[{\"index\":" index ",\"id\":\"" id                                            \
    "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments      \
    "\"}}]"
#define MORE(index, arguments)                                                                     \
    "\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" arguments "\"}}]"
#define USAGE                                                                                      \
    "data: "                                                                                       \
    "{\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\","           \
    "\"choices\":[],\"usage\":{"                                                                   \
    "\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}\n\n"
#define DONE "data: [DONE]\n\n"

/* Two calls that grow at once, with held beginnings of the masked word everywhere. */
/* clang-format off: its layout of strings in macros is not stable */
static const char chat_stream[] = CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")
    CHUNK("\"reasoning_content\":\"hm s\"", "null") CHUNK("\"content\":\"a sec\"", "null")
        CHUNK("\"content\":\"ret s\"", "null") CHUNK(CALL("0", "c0", "f", ""), "null")
            CHUNK(MORE("0", "{\\\"q\\\":\\\"sec"), "null")
                CHUNK(CALL("1", "c1", "g", "{\\\"r"), "null") CHUNK(MORE("0", "ret\\\"}"), "null")
                    CHUNK(MORE("1", "\\\":2}"), "null") CHUNK("", "\"tool_calls\"") USAGE DONE;

/* clang-format on */ static const char chat_read[] = "message_start model=named\n"
                                                      "0 thinking: hm s\n"
                                                      "1 text: a [x] s\n"
                                                      "2 tool_use c0 f: {\"q\":\"[x]\"}\n"
                                                      "3 tool_use c1 g: {\"r\":2}\n"
                                                      "stop tool_use 9 12\n"
                                                      "message_stop\n";

/* Reads messages as Anthropic describes them; what is out of order fails. */
static void read_messages(struct btz_slice out, struct btz_buf *read)
{
    struct btz_buf list = BTZ_BUF(1 << 20);
    struct btz_reader r;
    struct btz_slice line;
    json_int_t next = 0;
    bool open = false, stopped = false;

    list_events(out, &list);
    r = (struct btz_reader){ .in = btz_buf_slice(&list) };
    while (btz_read_line(&r, &line)) {
        size_t bar = btz_slice_find(line, btz_str("|"), 0);
        json_t *root, *block, *delta;
        const char *type;

        assert_int_equal(
            btz_json_parse(btz_slice_sub(line, bar + 1, line.len), SIZE_MAX, "event", &root),
            BTZ_OK);
        type = json_string_value(json_object_get(root, "type"));
        assert_true(btz_slice_is(btz_slice_sub(line, 0, bar), type));
        assert_false(stopped);
        block = json_object_get(root, "content_block");
        delta = json_object_get(root, "delta");
        if (strcmp(type, "message_start") == 0) {
            assert_int_equal(btz_buf_printf(read, "message_start model=%s\n",
                                            json_string_value(json_object_get(
                                                json_object_get(root, "message"), "model"))),
                             BTZ_OK);
        } else if (strcmp(type, "content_block_start") == 0) {
            const char *id = json_string_value(json_object_get(block, "id"));

            assert_false(open);
            open = true;
            assert_int_equal(json_integer_value(json_object_get(root, "index")), next);
            assert_int_equal(btz_buf_printf(read, "%d %s", (int)next,
                                            json_string_value(json_object_get(block, "type"))),
                             BTZ_OK);
            if (id)
                assert_int_equal(btz_buf_printf(read, " %s %s", id,
                                                json_string_value(json_object_get(block, "name"))),
                                 BTZ_OK);
            assert_int_equal(btz_buf_add_str(read, ": "), BTZ_OK);
        } else if (strcmp(type, "content_block_delta") == 0) {
            static const char *const members[] = { "text", "thinking", "partial_json" };

            assert_true(open);
            assert_int_equal(json_integer_value(json_object_get(root, "index")), next);
            for (size_t i = 0; i < 3; i++)
                if (json_object_get(delta, members[i]))
                    assert_int_equal(btz_buf_add_str(read, json_string_value(
                                                               json_object_get(delta, members[i]))),
                                     BTZ_OK);
        } else if (strcmp(type, "content_block_stop") == 0) {
            assert_true(open);
            open = false;
            next++;
            assert_int_equal(btz_buf_add_str(read, "\n"), BTZ_OK);
        } else if (strcmp(type, "message_delta") == 0) {
            json_t *usage = json_object_get(root, "usage");

            assert_false(open);
            assert_int_equal(
                btz_buf_printf(read, "stop %s %d %d\n",
                               json_string_value(json_object_get(delta, "stop_reason")),
                               (int)json_integer_value(json_object_get(usage, "input_tokens")),
                               (int)json_integer_value(json_object_get(usage, "output_tokens"))),
                BTZ_OK);
        } else if (strcmp(type, "message_stop") == 0) {
            stopped = true;
            assert_int_equal(btz_buf_add_str(read, "message_stop\n"), BTZ_OK);
        } else {
            assert_int_equal(btz_buf_printf(read, "%s\n", type), BTZ_OK);
        }
        json_decref(root);
    }
    btz_buf_release(&list);
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
/* clang-format off: its layout of strings in macros is not stable */
static const char messages_stream[] = EVENT(
    "message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","
                     "\"content\":[],\"model\":\"up\",\"stop_reason\":null,"
                     "\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}")
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":"
                                 "\"text\",\"text\":\"\"}") EVENT("ping", "")
        EVENT("content_block_delta",
              ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a "
              "sec\"}") EVENT("content_block_delta",
                              ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ret s\"}")
            EVENT("content_block_stop", ",\"index\":0") EVENT(
                "content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"tool_use\","
                                       "\"id\":\"t1\",\"name\":\"f\",\"input\":{}}")
                EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"input_json_"
                                             "delta\",\"partial_json\":\"{\\\"q\\\":\"}")
                    EVENT("content_block_delta",
                          ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
                          "\"\\\"secret\\\"}\"}") EVENT("content_block_stop", ",\"index\":1")
                        EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_"
                                               "sequence\":null},\"usage\":{\"output_tokens\":15}")
                            EVENT("message_stop", "");

static const char empty_call[] =
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"content\":[],\"model\":\"up\"}")
        EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":"
                                     "\"t1\",\"name\":\"f\",\"input\":{}}")
            EVENT("content_block_stop", ",\"index\":0")
                EVENT("message_delta",
                      ",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":1}")
                    EVENT("message_stop", "");

/* clang-format on */
static void read_chat(struct btz_slice out, struct btz_buf *read)
{
    struct btz_buf list = BTZ_BUF(1 << 20), text = BTZ_BUF(1 << 16), call = BTZ_BUF(1 << 16);
    struct btz_reader r;
    struct btz_slice line;

    list_events(out, &list);
    r = (struct btz_reader){ .in = btz_buf_slice(&list) };
    while (btz_read_line(&r, &line)) {
        json_t *root, *choice, *delta, *f;
        const char *finish;

        if (btz_slice_is(line, "|[DONE]")) {
            assert_int_equal(btz_buf_add_str(read, "done\n"), BTZ_OK);
            continue;
        }
        assert_int_equal(btz_json_parse(btz_slice_sub(line, 1, line.len), SIZE_MAX, "event", &root),
                         BTZ_OK);
        choice = json_array_get(json_object_get(root, "choices"), 0);
        delta = json_object_get(choice, "delta");
        f = json_object_get(json_array_get(json_object_get(delta, "tool_calls"), 0), "function");
        finish = json_string_value(json_object_get(choice, "finish_reason"));
        assert_string_equal(json_string_value(json_object_get(root, "model")), "named");
        if (json_object_get(delta, "content"))
            assert_int_equal(
                btz_buf_add_str(&text, json_string_value(json_object_get(delta, "content"))),
                BTZ_OK);
        if (json_object_get(f, "name"))
            assert_int_equal(
                btz_buf_printf(&call, "%s: ", json_string_value(json_object_get(f, "name"))),
                BTZ_OK);
        if (f)
            assert_int_equal(
                btz_buf_add_str(&call, json_string_value(json_object_get(f, "arguments"))), BTZ_OK);
        if (finish)
            assert_int_equal(btz_buf_printf(read, "%.*s\n%.*s\n%s\n",
                                            BTZ_SLICE_ARG(btz_buf_slice(&text)),
                                            BTZ_SLICE_ARG(btz_buf_slice(&call)), finish),
                             BTZ_OK);
        if (json_is_object(json_object_get(root, "usage")))
            assert_int_equal(btz_buf_printf(read, "usage %d\n",
                                            (int)json_integer_value(json_object_get(
                                                json_object_get(root, "usage"), "total_tokens"))),
                             BTZ_OK);
        json_decref(root);
    }
    btz_buf_release(&list);
    btz_buf_release(&text);
    btz_buf_release(&call);
}

static void check_stream(enum btz_protocol from, const char *in, bool hide, const char *want)
{
    struct btz_stream_options o = {
        .from = from, .to = from == CHAT ? MESSAGES : CHAT, .model = "named", .hide_usage = hide
    };

    for (size_t cut = 0; cut <= strlen(in); cut += cut < 40 ? 1 : 13) {
        struct watcher w = { .plain = false };
        struct run r = run_stream(&o, btz_str(in), cut, &w);
        struct btz_buf read = BTZ_BUF(1 << 16);

        watcher_release(&w);
        assert_int_equal(r.err, BTZ_OK);
        assert_true(r.ended);
        if (from == CHAT)
            read_messages(btz_buf_slice(&r.out), &read);
        else
            read_chat(btz_buf_slice(&r.out), &read);
        if (!btz_slice_is(btz_buf_slice(&read), want))
            fail_msg("cut at %zu: %.*s\n%.*s", cut, BTZ_SLICE_ARG(btz_buf_slice(&read)),
                     BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
        btz_buf_release(&read);
        btz_buf_release(&r.out);
    }
}

static void test_streams(void **state)
{
    (void)state;
    check_stream(CHAT, chat_stream, false, chat_read);
    check_stream(MESSAGES, messages_stream, false,
                 "a [x] s\nf: {\"q\":\"[x]\"}\ntool_calls\nusage 40\ndone\n");
    check_stream(MESSAGES, messages_stream, true,
                 "a [x] s\nf: {\"q\":\"[x]\"}\ntool_calls\ndone\n");
    check_stream(MESSAGES, empty_call, true, "\nf: {}\ntool_calls\ndone\n");
}

static void test_cut(void **state)
{
    static const char in[] = CHUNK("\"content\":\"a stop! b\"", "null") DONE;
    struct btz_stream_options o = { .from = CHAT, .to = MESSAGES, .model = "named" };
    struct watcher w = { .plain = false };
    struct run r = run_stream(&o, btz_str(in), 5, &w);
    (void)state;

    watcher_release(&w);
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(btz_slice_has(btz_buf_slice(&r.out), "event: error\n"));
    assert_true(btz_slice_has(btz_buf_slice(&r.out), "message_stop"));
    assert_false(btz_slice_has(btz_buf_slice(&r.out), "stop!"));
    btz_buf_release(&r.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
