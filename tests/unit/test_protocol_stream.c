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

struct stream_case {
    const char *name;
    enum btz_protocol protocol;
    const char *in;
    /* Texts of the deltas put together, by a reader of our own: "lane=text;" in order of first appearance. */
    const char *texts;
    enum btz_err err;
};

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
};

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
        json_t *root;

        if (btz_slice_is(data, "[DONE]"))
            continue;
        assert_int_equal(btz_json_parse(data, SIZE_MAX, "event", &root), BTZ_OK);
        if (c->protocol == BTZ_PROTOCOL_MESSAGES)
            gather_messages(&t, root);
        else
            gather_chat(&t, root);
        json_decref(root);
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

static void check_end(const struct stream_case *c, struct btz_slice out)
{
    const char *last = c->protocol == BTZ_PROTOCOL_MESSAGES
                           ? "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
                           : DONE;
    size_t first = btz_slice_find(out, btz_str(last), 0);

    if (first == SIZE_MAX || first + strlen(last) != out.len)
        fail_msg("%s: does not end once: %.*s", c->name, BTZ_SLICE_ARG(out));
    assert_int_equal(btz_slice_has(out, "guard_blocked"), c->err == BTZ_DENIED);
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
        assert_true(r.ended);
        if (!btz_slice_is(btz_buf_slice(&r.out), cases[i].in))
            fail_msg("%s: %.*s", cases[i].name, BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
        btz_buf_release(&r.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_unchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
