/* Streams: every way of cutting them gives the same, what is held comes out before its end, what is cut stays cut. */
#include "protocol_fixture.h"

#define CHUNK(delta, finish)                                                                       \
    "data: "                                                                                       \
    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-"   \
    "4o\","                                                                                        \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"logprobs\":null,\"finish_reason\":" finish  \
    "}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define DELTA(index, delta)                                                                        \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" index         \
    ",\"delta\":{" delta "}}\n\n"
#define START(index, block)                                                                        \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" index         \
    ",\"content_block\":{" block "}}\n\n"
#define STOP(index)                                                                                \
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" index "}\n\n"
#define MESSAGE_START                                                                              \
    "event: message_start\ndata: "                                                                 \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","              \
    "\"role\":\"assistant\",\"content\":[],\"model\":\"claude\",\"stop_reason\":null,\"stop_"      \
    "sequence\":null,"                                                                             \
    "\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n"
#define MESSAGE_END                                                                                \
    "event: message_delta\ndata: "                                                                 \
    "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","                         \
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n"                                \
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

#define OLD(text, finish)                                                                          \
    "data: "                                                                                       \
    "{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\"choices\":[{\"text\":"      \
    "\"" text "\",\"index\":0,\"logprobs\":null,\"finish_reason\":" finish                         \
    "}],\"model\":\"instruct\"}\n\n"
#define EVENT(type, n, rest)                                                                       \
    "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" n "," rest "}\n\n"
#define ITEM(text, status)                                                                         \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"" status                                  \
    "\",\"role\":\"assistant\",\"content\":" text "}"
#define PART(text)                                                                                 \
    "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define RESPONSE(status, output)                                                                   \
    "\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"" status                 \
    "\",\"model\":\"gpt-4o\","                                                                     \
    "\"output\":" output                                                                           \
    ",\"usage\":{\"input_tokens\":9,\"output_tokens\":4,\"total_tokens\":13}}"
#define LINE(rest)                                                                                 \
    "{\"model\":\"llama3.2\",\"created_at\":\"2023-08-04T19:22:45.499127Z\"," rest "}\n"

struct stream_case {
    const char *name;
    enum btz_protocol protocol;
    const char *in;
    /* Texts of the deltas put together, by a reader of our own: "lane=text;" in order of first appearance. */
    const char *texts;
    enum btz_err err;
};

/* clang-format off: its layout of strings in macros is not stable */
static const struct stream_case cases[] = {
    { "chat text", BTZ_PROTOCOL_CHAT,
      CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null") CHUNK("\"content\":\"a se\"", "null")
          CHUNK("\"content\":\"cr\"", "null") CHUNK("\"content\":\"et b sec\"", "null")
              CHUNK("", "\"stop\"") DONE,
      "content=a [x] b sec;", BTZ_OK },
    { "chat text in the last chunk", BTZ_PROTOCOL_CHAT,
      CHUNK("\"content\":\"a se\"", "null") CHUNK("\"content\":\"cret\"", "\"stop\"") DONE,
      "content=a [x];", BTZ_OK },
    { "chat reasoning and refusal", BTZ_PROTOCOL_CHAT,
      CHUNK("\"reasoning_content\":\"sec\"", "null") CHUNK(
          "\"reasoning_content\":\"ret s\"", "null") CHUNK("\"refusal\":\"no secret\"", "null")
          CHUNK("\"content\":\"s\"", "null") CHUNK("", "\"stop\"") DONE,
      "reasoning_content=[x] s;refusal=no [x];content=s;", BTZ_OK },
    { "chat tools", BTZ_PROTOCOL_CHAT,
      CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\","
            "\"arguments\":\"\"}}]",
            "null")
          CHUNK(
              "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"q\\\":\\\"sec\"}}]",
              "null") CHUNK("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"type\":\"function\","
                            "\"function\":{\"name\":\"g\","
                            "\"arguments\":\"{s\"}}]",
                            "null")
              CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"ret\\\"}\"}}]",
                    "null") CHUNK("", "\"tool_calls\"") DONE,
      "f={\"q\":\"[x]\"};g={s;", BTZ_OK },
    { "chat whole call in the last chunk", BTZ_PROTOCOL_CHAT,
      CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\","
            "\"arguments\":\"{} s\"}}]",
            "\"tool_calls\"") DONE,
      "f={} s;", BTZ_OK },
    { "chat cut", BTZ_PROTOCOL_CHAT,
      CHUNK("\"content\":\"a st\"", "null") CHUNK("\"content\":\"op\"", "null")
          CHUNK("\"content\":\"! b\"", "null") CHUNK("", "\"stop\"") DONE,
      "content=a ;", BTZ_DENIED },
    { "messages", BTZ_PROTOCOL_MESSAGES,
      MESSAGE_START START(
          "0", "\"type\":\"text\",\"text\":\"\"") "event: ping\ndata: {\"type\": "
                                                  "\"ping\"}\n\n" DELTA("0",
                                                                        "\"type\":\"text_delta\","
                                                                        "\"text\":\"a sec\"")
                                                      DELTA("0", "\"type\":\"text_delta\",\"text\":"
                                                                 "\"ret s\"") STOP("0") MESSAGE_END,
      "0=a [x] s;", BTZ_OK },
    { "messages thinking and tool", BTZ_PROTOCOL_MESSAGES,
      MESSAGE_START START("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
          DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"hm s\"")
              DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"EqQBCg==\"") STOP("0") START(
                  "1", "\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}")
                  DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"\"") DELTA(
                      "1", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"q\\\":\\\"se\"")
                      DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"cret\\\"}\"")
                          STOP("1") MESSAGE_END,
      "0=hm s;signature;f={\"q\":\"[x]\"};", BTZ_OK },
    { "messages changed thinking loses its signature", BTZ_PROTOCOL_MESSAGES,
      MESSAGE_START START("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
          DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"secret\"") DELTA(
              "0", "\"type\":\"signature_delta\",\"signature\":\"EqQBCg==\"") STOP("0") MESSAGE_END,
      "0=[x];", BTZ_OK },
    { "messages cut", BTZ_PROTOCOL_MESSAGES,
      MESSAGE_START START("0", "\"type\":\"text\",\"text\":\"stop\"")
          DELTA("0", "\"type\":\"text_delta\",\"text\":\"! b\"") STOP("0") MESSAGE_END,
      "", BTZ_DENIED },
    { "completions", BTZ_PROTOCOL_COMPLETIONS,
      OLD("a sec", "null") OLD("ret s", "null") OLD("", "\"stop\"") DONE, "text=a [x] s;", BTZ_OK },
    { "completions cut", BTZ_PROTOCOL_COMPLETIONS,
      OLD("a st", "null") OLD("op!", "null") OLD("", "\"stop\"") DONE, "text=a ;", BTZ_DENIED },
    { "responses", BTZ_PROTOCOL_RESPONSES,
      EVENT("response.created", "0", RESPONSE("in_progress", "[]")) EVENT(
          "response.output_item.added", "1",
          "\"output_index\":0,\"item\":" ITEM("[]", "in_progress"))
          EVENT("response.content_part.added", "2",
                "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"part\":" PART(
                    "")) EVENT("response.output_text.delta", "3",
                               "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
                               "\"delta\":\"a sec\"")
              EVENT("response.output_text.delta", "4",
                    "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"ret "
                    "s\"") EVENT("response.output_text.done", "5",
                                 "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,"
                                 "\"text\":\"a secret s\"")
                  EVENT(
                      "response.content_part.done", "6",
                      "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"part\":" PART(
                          "a secret s")) EVENT("response.output_item.done", "7",
                                               "\"output_index\":0,\"item\":" ITEM(
                                                   "[" PART("a secret s") "]", "completed"))
                      EVENT("response.completed", "8",
                            RESPONSE("completed",
                                     "[" ITEM("[" PART("a secret s") "]", "completed") "]")),
      "deltas=a [x] s;whole=a [x] s|a [x] s|a [x] s|a [x] s|;", BTZ_OK },
    { "responses tool", BTZ_PROTOCOL_RESPONSES,
      EVENT("response.output_item.added", "0",
            "\"output_index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":"
            "\"c1\",\"name\":\"f\","
            "\"arguments\":\"\"}")
          EVENT("response.function_call_arguments.delta", "1",
                "\"item_id\":\"fc_1\",\"output_index\":0,\"delta\":\"{sec\"")
              EVENT("response.function_call_arguments.delta", "2",
                    "\"item_id\":\"fc_1\",\"output_index\":0,\"delta\":\"ret}s\"")
                  EVENT("response.function_call_arguments.done", "3",
                        "\"item_id\":\"fc_1\",\"output_index\":0,\"arguments\":\"{secret}s\"")
                      EVENT("response.completed", "4",
                            RESPONSE("completed", "[{\"type\":\"function_call\",\"id\":\"fc_1\","
                                                  "\"call_id\":\"c1\",\"name\":\"f\","
                                                  "\"arguments\":\"{secret}s\"}]")),
      "deltas={[x]}s;whole={[x]}s|{[x]}s|;", BTZ_OK },
    { "responses cut", BTZ_PROTOCOL_RESPONSES,
      EVENT("response.output_text.delta", "0",
            "\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"a stop! b\""),
      "", BTZ_DENIED },
    { "ollama chat", BTZ_PROTOCOL_OLLAMA_CHAT,
      LINE("\"message\":{\"role\":\"assistant\",\"content\":\"a sec\"},\"done\":false")
          LINE("\"message\":{\"role\":\"assistant\",\"content\":\"ret s\"},\"done\":false")
              LINE("\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"prompt_"
                   "eval_count\":26,"
                   "\"eval_count\":298"),
      "content=a [x] s;", BTZ_OK },
    { "ollama generate", BTZ_PROTOCOL_OLLAMA_GENERATE,
      LINE("\"response\":\"a sec\",\"done\":false") LINE("\"response\":\"ret s\",\"done\":false")
          LINE("\"done\":true,\"context\":[1,2,3]"),
      "response=a [x] s;", BTZ_OK },
    { "ollama cut", BTZ_PROTOCOL_OLLAMA_CHAT,
      LINE("\"message\":{\"role\":\"assistant\",\"content\":\"a st\"},\"done\":false")
          LINE("\"message\":{\"role\":\"assistant\",\"content\":\"op!\"},\"done\":false"),
      "content=a ;", BTZ_DENIED },
    { "pass text", BTZ_PROTOCOL_PASS, "data: a sec\n\ndata: ret s\n\n" DONE, "raw=a [x] s;",
      BTZ_OK },
    { "pass JSON", BTZ_PROTOCOL_PASS, "data: {\"t\":\"a secret\"}\n\n", "raw={\"t\":\"a [x]\"};",
      BTZ_OK },
    { "mcp", BTZ_PROTOCOL_MCP,
      "id: 1_2\ndata: \n\nevent: message\ndata: "
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\","
      "\"text\":\"a secret\"}],\"isError\":false}}\n\n",
      "mcp=a [x];", BTZ_OK },
};
/* clang-format on */

/* ---- a reader of our own: what a client would put together ---- */

struct texts {
    char name[32][40];
    struct btz_buf text[32];
    size_t count;
};

static void gather(struct texts *t, const char *name, const char *text)
{
    size_t i = 0;

    if (!text || (!*text && strcmp(name, "signature") != 0))
        return;
    while (i < t->count && strcmp(t->name[i], name) != 0)
        i++;
    if (i == t->count) {
        assert_true(t->count < 32);
        t->text[i] = BTZ_BUF(1 << 20);
        snprintf(t->name[i], sizeof t->name[i], "%s", name);
        t->count++;
    }
    assert_int_equal(btz_buf_add_str(&t->text[i], text), BTZ_OK);
}

static void gather_chat(struct texts *t, const json_t *root)
{
    static char calls[8][40];
    const json_t *delta =
        json_object_get(json_array_get(json_object_get(root, "choices"), 0), "delta");
    static const char *const members[] = { "content", "refusal", "reasoning_content", "reasoning" };
    const json_t *call;
    size_t i;

    for (i = 0; i < BTZ_COUNT(members); i++)
        gather(t, members[i], json_string_value(json_object_get(delta, members[i])));
    gather(t, "text",
           json_string_value(
               json_object_get(json_array_get(json_object_get(root, "choices"), 0), "text")));
    json_array_foreach(json_object_get(delta, "tool_calls"), i, call)
    {
        size_t at = (size_t)json_integer_value(json_object_get(call, "index"));
        const json_t *f = json_object_get(call, "function");

        assert_true(at < 8);
        if (json_object_get(f, "name"))
            snprintf(calls[at], sizeof calls[at], "%s",
                     json_string_value(json_object_get(f, "name")));
        gather(t, calls[at], json_string_value(json_object_get(f, "arguments")));
    }
}

static void gather_messages(struct texts *t, const json_t *root)
{
    static char blocks[8][40];
    const json_t *block = json_object_get(root, "content_block"),
                 *delta = json_object_get(root, "delta");
    size_t at = (size_t)json_integer_value(json_object_get(root, "index"));

    assert_true(at < 8);
    if (block) {
        const char *name = json_string_value(json_object_get(block, "name"));

        snprintf(blocks[at], sizeof blocks[at], "%s", name ? name : "");
        if (!name)
            snprintf(blocks[at], sizeof blocks[at], "%zu", at);
        gather(t, blocks[at], json_string_value(json_object_get(block, "text")));
        gather(t, blocks[at], json_string_value(json_object_get(block, "thinking")));
    }
    gather(t, blocks[at], json_string_value(json_object_get(delta, "text")));
    gather(t, blocks[at], json_string_value(json_object_get(delta, "thinking")));
    gather(t, blocks[at], json_string_value(json_object_get(delta, "partial_json")));
    if (json_object_get(delta, "signature"))
        gather(t, "signature", "");
}

static void gather_responses(struct texts *t, const json_t *root)
{
    static const char *const members[] = { "text", "arguments" };
    const json_t *response = json_object_get(root, "response"),
                 *item = json_object_get(root, "item");
    const json_t *part = json_object_get(root, "part");
    const json_t *places[] = {
        root,
        part,
        item,
        json_array_get(json_object_get(item, "content"), 0),
        json_array_get(json_object_get(response, "output"), 0),
        json_array_get(
            json_object_get(json_array_get(json_object_get(response, "output"), 0), "content"), 0)
    };
    static json_int_t number;

    gather(t, "deltas", json_string_value(json_object_get(root, "delta")));
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        for (size_t k = 0; k < 2; k++)
            if (json_string_length(json_object_get(places[i], members[k])) > 0) {
                gather(t, "whole", json_string_value(json_object_get(places[i], members[k])));
                gather(t, "whole", "|");
            }
    /* Numbers go up by one, also where an event was put in. */
    if (json_object_get(root, "sequence_number")) {
        json_int_t now = json_integer_value(json_object_get(root, "sequence_number"));

        assert_true(now == 0 || now == number + 1);
        number = now;
    }
}

static void gather_line(struct texts *t, const json_t *root)
{
    gather(t, "content",
           json_string_value(json_object_get(json_object_get(root, "message"), "content")));
    gather(t, "response", json_string_value(json_object_get(root, "response")));
    /* The numbers of the old text went with it. */
    assert_null(json_object_get(root, "context"));
}

static void gather_mcp(struct texts *t, const json_t *root)
{
    const json_t *content = json_object_get(json_object_get(root, "result"), "content");

    gather(t, "mcp", json_string_value(json_object_get(json_array_get(content, 0), "text")));
}

static void gather_event(struct texts *t, enum btz_protocol p, struct btz_slice data)
{
    json_t *root;

    if (btz_slice_is(data, "[DONE]") || data.len == 0)
        return;
    if (p == BTZ_PROTOCOL_PASS) {
        char text[200];

        snprintf(text, sizeof text, "%.*s", BTZ_SLICE_ARG(data));
        gather(t, "raw", text);
        return;
    }
    assert_int_equal(btz_json_parse(data, SIZE_MAX, "event", &root), BTZ_OK);
    if (p == BTZ_PROTOCOL_MESSAGES)
        gather_messages(t, root);
    else if (p == BTZ_PROTOCOL_CHAT || p == BTZ_PROTOCOL_COMPLETIONS)
        gather_chat(t, root);
    else if (p == BTZ_PROTOCOL_RESPONSES)
        gather_responses(t, root);
    else if (p == BTZ_PROTOCOL_MCP)
        gather_mcp(t, root);
    else
        gather_line(t, root);
    json_decref(root);
}

static void check_texts(const struct stream_case *c, struct btz_slice out)
{
    struct texts t = { .count = 0 };
    struct btz_buf list = BTZ_BUF(1 << 22), found = BTZ_BUF(1 << 20);
    struct btz_reader r;
    struct btz_slice line;

    list_events(out, &list);
    r = (struct btz_reader){ .in = btz_buf_slice(&list) };
    while (btz_read_line(&r, &line)) {
        size_t bar = btz_slice_find(line, btz_str("|"), 0);
        struct btz_slice data = btz_slice_sub(line, bar + 1, line.len);

        gather_event(&t, c->protocol, data);
    }
    for (size_t i = 0; i < t.count; i++) {
        assert_int_equal(btz_buf_printf(&found, "%s%s%.*s;", t.name[i], t.text[i].len ? "=" : "",
                                        BTZ_SLICE_ARG(btz_buf_slice(&t.text[i]))),
                         BTZ_OK);
        btz_buf_release(&t.text[i]);
    }
    if (!btz_slice_is(btz_buf_slice(&found), c->texts))
        fail_msg("%s: %.*s\n%.*s", c->name, BTZ_SLICE_ARG(btz_buf_slice(&found)),
                 BTZ_SLICE_ARG(out));
    btz_buf_release(&list);
    btz_buf_release(&found);
}

static void check_last(const struct stream_case *c, struct btz_slice out, const char *last)
{
    size_t first = btz_slice_find(out, btz_str(last), 0);
    size_t events_after = 0;

    if (first == SIZE_MAX || btz_slice_find(out, btz_str(last), first + 1) != SIZE_MAX)
        if (strcmp(last, "\n") != 0)
            fail_msg("%s: does not end once: %.*s", c->name, BTZ_SLICE_ARG(out));
    for (size_t at = first; strcmp(last, "\n") != 0 && at != SIZE_MAX; events_after++)
        at = btz_slice_find(out, btz_str(c->protocol == BTZ_PROTOCOL_OLLAMA_CHAT ? "\n" : "\n\n"),
                            at + 1);
    if (strcmp(last, "\n") != 0 && events_after != 2)
        fail_msg("%s: something after the end: %.*s", c->name, BTZ_SLICE_ARG(out));
    assert_int_equal(btz_slice_has(out, "guard_blocked"), c->err == BTZ_DENIED);
}

static void check_end(const struct stream_case *c, struct btz_slice out)
{
    const char *last = "\n";

    if (c->protocol == BTZ_PROTOCOL_MESSAGES)
        last = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    else if (c->protocol == BTZ_PROTOCOL_CHAT || c->protocol == BTZ_PROTOCOL_COMPLETIONS)
        last = DONE;
    else if (c->protocol == BTZ_PROTOCOL_RESPONSES)
        last = c->err == BTZ_OK ? "event: response.completed\n" : "event: response.failed\n";
    else if (c->protocol == BTZ_PROTOCOL_OLLAMA_CHAT)
        last = "\"done\":true";
    check_last(c, out, last);
}
static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_stream_options o = { .from = cases[i].protocol, .to = cases[i].protocol };
        struct btz_slice in = btz_str(cases[i].in);
        struct watcher w = { .plain = false };
        struct run r = run_stream(&o, in, SIZE_MAX, &w);

        watcher_release(&w);
        assert_int_equal(r.err, cases[i].err);
        check_texts(&cases[i], btz_buf_slice(&r.out));
        check_end(&cases[i], btz_buf_slice(&r.out));
        for (size_t cut = 0; cut <= in.len; cut++) {
            struct watcher again = { .plain = false };
            struct run other = run_stream(&o, in, cut, &again);

            watcher_release(&again);
            if (!btz_slice_equal(btz_buf_slice(&r.out), btz_buf_slice(&other.out)))
                fail_msg("%s: cut at %zu:\n%.*s\n--\n%.*s", cases[i].name, cut,
                         BTZ_SLICE_ARG(btz_buf_slice(&other.out)),
                         BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
            btz_buf_release(&other.out);
        }
        btz_buf_release(&r.out);
    }
}

static void test_unchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct btz_stream_options o = { .from = cases[i].protocol, .to = cases[i].protocol };
        struct watcher w = { .plain = true };
        struct run r = run_stream(&o, btz_str(cases[i].in), 7, &w);

        watcher_release(&w);
        assert_int_equal(r.err, BTZ_OK);
        /* What is cut in the cases above has no end of its own here. */
        assert_true(r.ended || cases[i].err == BTZ_DENIED);
        if (r.ended ? !btz_slice_is(btz_buf_slice(&r.out), cases[i].in)
                    : !btz_slice_has_prefix(btz_buf_slice(&r.out), btz_str(cases[i].in)) ||
                          !btz_slice_has(btz_buf_slice(&r.out), "upstream_incomplete"))
            fail_msg("%s: %.*s", cases[i].name, BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
        btz_buf_release(&r.out);
    }
}

/* ---- single matters ---- */

static struct run run_once(const struct btz_stream_options *o, const char *in, bool plain,
                           struct watcher *w)
{
    *w = (struct watcher){ .plain = plain };
    return run_stream(o, btz_str(in), SIZE_MAX, w);
}

static void check_out(const struct btz_stream_options *o, const char *in, bool plain,
                      enum btz_err err, const char *has, const char *has_not)
{
    struct watcher w;
    struct run r = run_once(o, in, plain, &w);

    watcher_release(&w);
    assert_int_equal(r.err, err);
    if (has && !btz_slice_has(btz_buf_slice(&r.out), has))
        fail_msg("lacks %s: %.*s", has, BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
    if (has_not && btz_slice_has(btz_buf_slice(&r.out), has_not))
        fail_msg("has %s: %.*s", has_not, BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
    btz_buf_release(&r.out);
}

#define USAGE                                                                                      \
    "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,"  \
    "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n"

static void test_usage(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = BTZ_PROTOCOL_CHAT };
    static const char in[] = CHUNK("\"content\":\"a\"", "\"stop\"") USAGE DONE;
    struct watcher w;
    struct run r = run_once(&o, in, true, &w);
    (void)state;

    watcher_release(&w);
    assert_true(r.usage.known);
    assert_int_equal(r.usage.input_tokens, 9);
    assert_int_equal(r.usage.output_tokens, 12);
    assert_int_equal(r.usage.cached_tokens, 4);
    btz_buf_release(&r.out);
    check_out(&o, in, true, BTZ_OK, "\"usage\"", NULL);
    o.hide_usage = true;
    check_out(&o, in, true, BTZ_OK, "[DONE]", "\"usage\"");
}

static void test_renamed(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT,
                                    .to = BTZ_PROTOCOL_CHAT,
                                    .model = "fast" };
    (void)state;

    check_out(&o, CHUNK("\"content\":\"a\"", "\"stop\"") DONE, true, BTZ_OK,
              "\"created\":1,\"model\":\"fast\",\"choices\"", "gpt-4o");
    check_out(&o, CHUNK("\"content\":\"secret\"", "\"stop\"") DONE, false, BTZ_OK,
              "\"model\":\"fast\"", "gpt-4o");
    /* The name in a text is no member. */
    check_out(&o, CHUNK("\"content\":\"\\\"model\\\":\\\"gpt-4o\\\"\"", "\"stop\"") DONE, true,
              BTZ_OK, "\\\"model\\\":\\\"gpt-4o\\\"", "\"model\":\"gpt-4o\"");
    o.from = o.to = BTZ_PROTOCOL_MESSAGES;
    check_out(&o, MESSAGE_START MESSAGE_END, true, BTZ_OK, "\"model\":\"fast\"", "claude");
}

static void test_faults(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = BTZ_PROTOCOL_CHAT };
    (void)state;

    /* No end, but every choice ended; no end at all; an error of the upstream. */
    check_out(&o, CHUNK("\"content\":\"a\"", "\"stop\""), true, BTZ_OK, DONE, "error");
    check_out(&o, CHUNK("\"content\":\"a\"", "null"), true, BTZ_OK, "upstream_incomplete", NULL);
    check_out(&o, "data: {\"error\":{\"message\":\"a secret\",\"type\":\"server_error\"}}\n\n",
              false, BTZ_OK, "a [x]", "upstream_incomplete");
    /* Not a stream, text after its end, a call without a name or with two. */
    check_out(&o, "data: {oops\n\n", true, BTZ_INPUT, "upstream_invalid", "oops");
    check_out(&o, CHUNK("\"content\":\"a\"", "\"stop\"") CHUNK("\"content\":\"more\"", "null"),
              true, BTZ_INPUT, "upstream_invalid", "more");
    check_out(&o,
              CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]", "null"),
              true, BTZ_INPUT, "upstream_invalid", "{}");
    check_out(&o,
              CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]", "null")
                  CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"g\"}}]", "null"),
              true, BTZ_INPUT, "\"f\"", "\"g\"");
    o.event_max = 64;
    check_out(&o, CHUNK("\"content\":\"a\"", "null"), true, BTZ_LIMIT, "upstream_too_large",
              "content");
    o = (struct btz_stream_options){ .from = BTZ_PROTOCOL_MESSAGES, .to = BTZ_PROTOCOL_MESSAGES };
    check_out(&o, DELTA("3", "\"type\":\"text_delta\",\"text\":\"stray\""), true, BTZ_INPUT,
              "event: error", "stray");
}

/* What no lane is for is read whole, also where nobody expects it. */
static void test_unknown(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = BTZ_PROTOCOL_CHAT };
    (void)state;

    check_out(&o, CHUNK("\"thoughts\":{\"deep\":\"a secret\"}", "null") DONE, false, BTZ_OK, "[x]",
              "secret");
    check_out(&o, CHUNK("\"content\":[{\"type\":\"text\",\"text\":\"a secret\"}]", "null") DONE,
              false, BTZ_OK, "[x]", "secret");
    check_out(&o, ": a secret in a comment\n\n" DONE, false, BTZ_OK, NULL, "secret");
    check_out(&o, "event: a secret\n" CHUNK("", "null"), false, BTZ_INPUT, NULL, "secret");
    o.from = o.to = BTZ_PROTOCOL_MESSAGES;
    check_out(&o, EVENT("new_thing", "1", "\"words\":\"a secret\"") MESSAGE_END, false, BTZ_OK,
              "[x]", "secret");
    check_out(&o, START("0", "\"type\":\"novel\",\"words\":\"a secret\"") MESSAGE_END, false,
              BTZ_OK, "[x]", "secret");
    o.from = o.to = BTZ_PROTOCOL_RESPONSES;
    check_out(&o,
              EVENT("response.new.delta", "0", "\"delta\":\"a secret\"")
                  EVENT("response.completed", "1", RESPONSE("completed", "[]")),
              false, BTZ_OK, "[x]", "secret");
}

/* Log probabilities never say what a text does not. */
static void test_logprobs(void **state)
{
#define LOGGED(text, tokens)                                                                       \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                              \
    "\"},\"logprobs\":{\"content\":[" tokens "]},\"finish_reason\":null}]}\n\n"
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = BTZ_PROTOCOL_CHAT };
    (void)state;

    check_out(&o, LOGGED("ok", "{\"token\":\"ok\",\"logprob\":-1}") DONE, false, BTZ_OK,
              "\"token\":\"ok\"", NULL);
    check_out(&o,
              LOGGED("a sec", "{\"token\":\"a sec\",\"logprob\":-1}")
                  LOGGED("ret", "{\"token\":\"ret\",\"logprob\":-1}") DONE,
              false, BTZ_OK, "[x]", "\"token\"");
    check_out(&o, LOGGED("ok", "{\"token\":\"other\",\"logprob\":-1}") DONE, false, BTZ_OK, "ok",
              "other");
    check_out(
        &o,
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"logprobs\":{\"other\":"
        "[]}}]}\n\n" DONE,
        false, BTZ_OK, "ok", "other");
    o.from = o.to = BTZ_PROTOCOL_COMPLETIONS;
    check_out(
        &o,
        "data: {\"choices\":[{\"index\":0,\"text\":null,\"logprobs\":{\"tokens\":[\"other\"]}}]}"
        "\n\n" DONE,
        false, BTZ_OK, NULL, "other");
    o.from = o.to = BTZ_PROTOCOL_RESPONSES;
    check_out(
        &o,
        EVENT(
            "response.novel", "0",
            "\"item\":{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"ok\","
            "\"logprobs\":[{\"token\":\"other\"}]}]}")
            EVENT("response.completed", "1", RESPONSE("completed", "[]")),
        false, BTZ_OK, "ok", "other");
}

/* What events say beside their texts is heard of before they go on, once; comments lose what they say. */
static void test_words(void **state)
{
#define NAMED(id, text)                                                                            \
    "data: {\"id\":\"" id "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}"   \
    "\n\n"
    static const struct {
        enum btz_protocol protocol;
        const char *in, *words;
        enum btz_err err;
    } cases_of_words[] = {
        { BTZ_PROTOCOL_CHAT, NAMED("a", "x") NAMED("a", "y") NAMED("b", "z") NAMED("a", "!") DONE,
          "a;b;", BTZ_OK },
        { BTZ_PROTOCOL_CHAT, "id: 7\nretry: 3000\nevent: e\n" NAMED("a", "x") DONE, "7 3000 e a;",
          BTZ_OK },
        { BTZ_PROTOCOL_CHAT, "retry: soon\n" NAMED("a", "x") DONE, "a;", BTZ_OK },
        { BTZ_PROTOCOL_CHAT, ": stop-word\n\n" NAMED("a", "x") DONE, "a;", BTZ_OK },
        { BTZ_PROTOCOL_CHAT, NAMED("a", "x") NAMED("stop-word", "z") DONE, "a;stop-word;",
          BTZ_DENIED },
        { BTZ_PROTOCOL_CHAT, "id: stop-word\n\n" NAMED("a", "x") DONE, "stop-word;", BTZ_DENIED },
        { BTZ_PROTOCOL_CHAT, NAMED("a", "x") "event: stop-word\n" NAMED("a", "z") DONE,
          "a;stop-word a;", BTZ_DENIED },
        /* What is held comes out in the envelope of an event that has not been read yet. */
        { BTZ_PROTOCOL_CHAT,
          NAMED("a", "sec") "data: {\"id\":\"stop-word\",\"choices\":[{\"index\":0,\"delta\":{},"
                            "\"finish_reason\":\"stop\"}]}\n\n" DONE,
          "a;stop-word;", BTZ_DENIED },
        { BTZ_PROTOCOL_PASS, "data: {\"stop-word\":\"x\"}\n\n", "stop-word;", BTZ_DENIED },
        { BTZ_PROTOCOL_OLLAMA_CHAT, "{\"model\":\"m\",\"stop-word\":1,\"done\":false}\n",
          "m stop-word;", BTZ_DENIED },
        { BTZ_PROTOCOL_MESSAGES, EVENT("ping", "0", "\"stop-word\":{}"), NULL, BTZ_DENIED },
        { BTZ_PROTOCOL_RESPONSES, EVENT("response.queued", "0", "\"item_id\":\"stop-word\""), NULL,
          BTZ_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases_of_words); i++) {
        struct btz_stream_options o = { .from = cases_of_words[i].protocol,
                                        .to = cases_of_words[i].protocol };
        struct watcher w = { .lanes = 0 };
        struct run r = run_stream(&o, btz_str(cases_of_words[i].in), 0, &w);

        if (r.err != cases_of_words[i].err ||
            (cases_of_words[i].words &&
             !btz_slice_is(btz_buf_slice(&w.words), cases_of_words[i].words)))
            fail_msg("%s: %d %.*s", cases_of_words[i].in, r.err,
                     BTZ_SLICE_ARG(btz_buf_slice(&w.words)));
        assert_false(btz_slice_has(btz_buf_slice(&r.out), "stop-word"));
        watcher_release(&w);
        btz_buf_release(&r.out);
    }
}

/* The tool is heard of before its event goes on, and two choices do not mix. */
static void test_tools_and_choices(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = BTZ_PROTOCOL_CHAT };
    static const char two[] =
        "data: "
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"sec\"}},{\"index\":1,\"delta\":{"
        "\"content\":\"ret\"}}]}\n\n"
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\" "
        "sec\"}},{\"index\":0,\"delta\":{\"content\":\"ret\"},"
        "\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" DONE;
    struct watcher w;
    struct run r = run_once(
        &o, CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]", "null") DONE,
        false, &w);
    (void)state;

    assert_true(btz_slice_is(btz_buf_slice(&w.tools), "f;"));
    watcher_release(&w);
    btz_buf_release(&r.out);
    check_out(&o, two, false, BTZ_OK,
              "{\"index\":0,\"delta\":{\"content\":\"[x]\"},\"finish_reason\":\"stop\"}", NULL);
    check_out(&o, two, false, BTZ_OK,
              "{\"index\":1,\"delta\":{\"content\":\"sec\"},\"finish_reason\":null}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),    cmocka_unit_test(test_unchanged),
        cmocka_unit_test(test_usage),    cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_faults),   cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_logprobs), cmocka_unit_test(test_tools_and_choices),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
