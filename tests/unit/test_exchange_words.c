/*
 * A canary where no text is: names of members, identifiers, marks of streams, alternatives of tokens, short values of unknown
 * members. "@" stands for it: as it is, and with an escape that only readers of JSON see through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gate_fixture.h"

#define CANARY  "blue-heron-7731"
#define ESCAPED "blue-h\\u0065ron-7731"
#define YAML                                                                                       \
    "gate:\n  upstreams: [{name: up, url: 'http://127.0.0.1:1', dialect: %s}]\n"                   \
    "  mcp: [{name: files, upstream: up}]\n"                                                       \
    "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n"                         \
    "  guard: {%s}\n"
#define GUARDED "canaries: [" CANARY "]"

static void open_gate(struct gate_place *p, const char *dialect, const char *guard)
{
    char yaml[sizeof YAML + 256];

    snprintf(yaml, sizeof yaml, YAML, dialect, guard);
    gate_open(p, yaml);
}

/* Gates whose upstreams speak what the client does. */
struct gates {
    struct gate_place openai, anthropic, ollama;
};

static void open_gates(struct gates *g)
{
    open_gate(&g->openai, "openai", GUARDED);
    open_gate(&g->anthropic, "anthropic", GUARDED);
    open_gate(&g->ollama, "ollama", GUARDED);
}

static void close_gates(struct gates *g)
{
    gate_close(&g->openai);
    gate_close(&g->anthropic);
    gate_close(&g->ollama);
}

static struct gate_place *gate_of(struct gates *g, const char *path)
{
    return strcmp(path, "/v1/messages") == 0 ? &g->anthropic
           : strcmp(path, "/api/chat") == 0  ? &g->ollama
                                             : &g->openai;
}

static const struct {
    const char *path, *body;
} requests[] = {
    { "/v1/chat/completions", "{\"model\":\"m\",\"stream\":true,\"messages\":[]}" },
    { "/v1/completions", "{\"model\":\"m\",\"stream\":true,\"prompt\":\"hi\"}" },
    { "/v1/responses", "{\"model\":\"m\",\"stream\":true,\"input\":\"hi\"}" },
    { "/v1/messages", "{\"model\":\"m\",\"stream\":true,\"max_tokens\":9,\"messages\":[]}" },
    { "/api/chat", "{\"model\":\"m\",\"messages\":[]}" },
    { "/mcp/files", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}" },
    { "/score", "{\"input\":\"hi\"}" },
};

/* What the client gets of the upstream's answer: body, or error of the gateway. */
static void answer(struct gate_place *p, const char *path, const char *type, struct btz_slice text,
                   struct btz_buf *out)
{
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str(type),
                                      .content_length = -1 };
    struct btz_end_facts facts = { .how = BTZ_END_DONE, .status = 200 };
    enum btz_response_mode mode;
    struct btz_incoming in;
    struct btz_exchange *x;
    struct btz_forward f;
    enum btz_step step;
    size_t i = 0;

    while (strcmp(requests[i].path, path) != 0)
        i++;
    in = (struct btz_incoming){ .request_id = "r",
                                .method = btz_str("POST"),
                                .path = btz_str(path),
                                .content_type = btz_str("application/json"),
                                .x_api_key = btz_str(gate_key(KEY_ALICE)),
                                .content_length = -1 };
    assert_int_equal(btz_exchange_new(p->gate, &in, &x), BTZ_OK);
    assert_int_equal(btz_exchange_head(x), BTZ_STEP_GO);
    step = btz_exchange_body(x, btz_str(requests[i].body));
    if (step != BTZ_STEP_GO || !btz_exchange_forward(x, 0, &f))
        fail_msg("%s: %.*s", path, BTZ_SLICE_ARG(btz_exchange_answer(x)->body));
    step = btz_exchange_response(x, &head, &mode);
    for (; step == BTZ_STEP_GO && text.len; text = btz_slice_sub(text, 11, text.len))
        step = btz_exchange_pieces(x, btz_slice_sub(text, 0, 11), false, out);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_pieces(x, btz_str(""), true, out);
    if (step == BTZ_STEP_REFUSE && out->len == 0)
        assert_int_equal(btz_buf_add_slice(out, btz_exchange_answer(x)->body), BTZ_OK);
    btz_exchange_end(x, &facts, NULL);
    btz_exchange_free(x);
}

static void put(struct btz_buf *out, const char *text, const char *word)
{
    for (; *text; text++)
        assert_int_equal(*text == '@' ? btz_buf_add_str(out, word)
                                      : btz_buf_add_byte(out, (uint8_t)*text),
                         BTZ_OK);
}

#define CHUNK(rest)                                                                                \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\"," rest "}\n\n"
#define CHOICE(rest) CHUNK("\"choices\":[{\"index\":0," rest "}]")
#define DELTA        CHOICE("\"delta\":{\"content\":\"x\"}")
#define SURE         "So it is, they say: " /* nothing of it is held back */
#define TOKEN(rest)                                                                                \
    CHOICE("\"delta\":{\"content\":\"" SURE "\"},\"logprobs\":{\"content\":[{\"token\":\"" SURE    \
           "\"," rest "}]}")
#define BLOCK(rest)                                                                                \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"             \
    "\"content_block\":{" rest "}}\n\n"
#define ITEM                                                                                       \
    "data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"i\","    \
    "\"type\":\"message\",\"content\":[]}}\n\n"
#define GROWS(rest)                                                                                \
    ITEM "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,"                      \
         "\"content_index\":0,\"delta\":\"x\"," rest "}\n\n"
#define RPC(rest) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{" rest "}}"
#define LONG                                                                                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AAAAAAAAAA"

static const struct {
    const char *path, *text;
} streams[] = {
    { "/v1/chat/completions", "data: {\"id\":\"@\",\"choices\":[]}\n\n" },
    { "/v1/chat/completions", "data: {\"id\":\"c\",\"@\":1,\"choices\":[]}\n\n" },
    { "/v1/chat/completions", ": @\n\n" DELTA },
    { "/v1/chat/completions", "event: @\n" DELTA },
    { "/v1/chat/completions", "id: @\n" DELTA },
    { "/v1/chat/completions", "id: @\n\n" DELTA },
    { "/v1/chat/completions", "retry: @\n" DELTA },
    { "/v1/chat/completions", CHOICE("\"delta\":{},\"finish_reason\":\"@\"") },
    { "/v1/chat/completions", TOKEN("\"top_logprobs\":[{\"token\":\"@\"}]") },
    { "/v1/chat/completions", TOKEN("\"bytes\":\"@\"") },
    { "/v1/chat/completions", TOKEN("\"logprob\":{\"@\":1}") },
    { "/v1/chat/completions", CHOICE("\"delta\":{\"content\":\"x\"},\"logprobs\":{\"@\":[]}") },
    { "/v1/chat/completions", CHOICE("\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"@\"}]}") },
    { "/v1/chat/completions", CHUNK("\"usage\":{\"@\":1},\"choices\":[]") },
    { "/v1/completions", CHOICE("\"text\":\"x\",\"logprobs\":{\"tokens\":[\"x\"],"
                                "\"top_logprobs\":[{\"@\":-1}]}") },
    { "/v1/completions", CHOICE("\"text\":null,\"logprobs\":{\"tokens\":[\"@\"]}") },
    { "/v1/messages", BLOCK("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"@\"") },
    { "/v1/messages", BLOCK("\"type\":\"redacted_thinking\",\"data\":\"" LONG "@\"") },
    { "/v1/messages", BLOCK("\"type\":\"text\",\"text\":\"\",\"@\":1") },
    { "/v1/messages", BLOCK("\"type\":\"tool_use\",\"id\":\"@\",\"name\":\"f\",\"input\":{}") },
    { "/v1/responses", GROWS("\"item_id\":\"@\"") },
    { "/v1/responses", GROWS("\"obfuscation\":\"@\"") },
    { "/v1/responses", GROWS("\"logprobs\":[{\"token\":\"x\",\"top_logprobs\":[{\"token\":"
                             "\"@\"}]}]") },
    { "/v1/responses", "data: {\"type\":\"response.novel\",\"item\":{\"type\":\"message\","
                       "\"content\":[{\"type\":\"output_text\",\"text\":\"x\",\"logprobs\":["
                       "{\"token\":\"@\"}]}]}}\n\n" },
    { "/mcp/files", "data: " RPC("\"nextCursor\":\"@\"") "\n\n" },
    { "/mcp/files", "data: " RPC("\"@\":1") "\n\n" },
    { "/mcp/files", "id: @\n\n" },
    { "/score", "data: {\"@\":\"x\"}\n\n" },
};

/* What stays as it is. */
static const struct {
    const char *path, *text;
} harmless[] = {
    { "/v1/chat/completions",
      TOKEN("\"bytes\":null,\"top_logprobs\":[{\"token\":\"red-heron\",\"logprob\":-1}]") },
    { "/v1/chat/completions", CHUNK("\"a\":[\"blue\",\"-\",\"heron\",\"7732\"],\"choices\":[]") },
    { "/v1/chat/completions", "id: 7\nevent: e\n" CHUNK("\"a\":{\"b\":1},\"choices\":[]") },
    { "/v1/messages", BLOCK("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"" LONG "\"") },
    { "/score", "data: {\"a\":\"" SURE "\"}\n\n" },
};

/* The canary in pieces, each too short to be told. */
static const struct {
    const char *path, *text;
} spread[] = {
    { "/v1/chat/completions", CHOICE("\"delta\":{\"a\":[\"blue\",\"-\",\"heron\",\"7731\"]}") },
    { "/v1/chat/completions", CHUNK("\"a\":{\"blue\":1,\"heron\":2,\"7731\":3},\"choices\":[]") },
    { "/v1/chat/completions",
      CHUNK("\"a\":\"blue\",\"b\":\"heron\",\"c\":\"7731\",\"choices\":[]") },
    { "/v1/chat/completions",
      TOKEN("\"top_logprobs\":[{\"token\":\"z\"},{\"token\":\"blue-\"}]},{\"token\":\"\",\"top_"
            "logprobs\":[{\"token\":\"z\"},{\"token\":\"heron-7731\"}]") },
    { "/v1/chat/completions",
      TOKEN("\"top_logprobs\":[{\"token\":\"?\",\"bytes\":[98,108,117,101,104,"
            "101,114,111,110,55,55,51,49]}]") },
    { "/v1/messages",
      BLOCK("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"YmJsdWUtaGVyb24tNzczMQ\"") },
    { "/v1/messages", BLOCK("\"type\":\"text\",\"text\":\"\",\"id\":\"1377-noreh-eulb\"") },
};

static const struct {
    const char *path, *text;
} wholes[] = {
    { "/v1/chat/completions", "{\"id\":\"@\",\"choices\":[]}" },
    { "/v1/chat/completions", "{\"id\":\"c\",\"@\":7,\"choices\":[]}" },
    { "/v1/chat/completions", "{\"id\":\"c\",\"a\":{\"b\":\"x\",\"@\":[1]},\"choices\":[]}" },
    { "/v1/chat/completions",
      "{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"@\"}}]}" },
    { "/v1/chat/completions",
      "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"x\"},"
      "\"logprobs\":{"
      "\"content\":[{\"token\":\"x\",\"top_logprobs\":[{\"token\":\"@\"}]}]}}]}" },
    { "/v1/completions", "{\"choices\":[{\"index\":0,\"text\":\"x\",\"logprobs\":{\"tokens\":["
                         "\"x\"],\"@\":[\"y\"]}}]}" },
    { "/v1/responses",
      "{\"id\":\"r\",\"output\":[{\"type\":\"reasoning\",\"id\":\"@\",\"summary\":[]}]}" },
    { "/v1/responses", "{\"id\":\"r\",\"output\":[{\"type\":\"reasoning\",\"summary\":[],"
                       "\"encrypted_content\":\"@\"}]}" },
    { "/v1/responses", "{\"id\":\"r\",\"output\":[{\"type\":\"reasoning\",\"summary\":[],"
                       "\"encrypted_content\":\"" LONG "@" LONG "\"}]}" },
    { "/v1/messages", "{\"id\":\"m\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"\","
                      "\"signature\":\"@\"}]}" },
    { "/v1/messages", "{\"id\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"@\":2}}" },
    { "/api/chat", "{\"model\":\"@\",\"message\":{\"role\":\"assistant\",\"content\":\"x\"}}" },
    { "/mcp/files", RPC("\"nextCursor\":\"@\"") },
    { "/score", "{\"@\":\"x\"}" },
};

/* The canary neither in the bytes nor in what they mean. */
static void not_in(struct btz_slice out, const char *what)
{
    BTZ_BUF_RELEASE struct btz_buf plain = BTZ_BUF(1 << 20);

    for (size_t i = 0; i < out.len; i++) {
        if (btz_slice_has_prefix(btz_slice_sub(out, i, 6), btz_str("\\u0065"))) {
            assert_int_equal(btz_buf_add_byte(&plain, 'e'), BTZ_OK);
            i += 5;
        } else {
            assert_int_equal(btz_buf_add_byte(&plain, out.ptr[i]), BTZ_OK);
        }
    }
    if (btz_slice_has(btz_buf_slice(&plain), CANARY) ||
        btz_slice_has(btz_buf_slice(&plain), "heron"))
        fail_msg("%s\ncame out as %.*s", what, BTZ_SLICE_ARG(out));
}

static void never(struct gates *g, const char *path, const char *type, const char *text)
{
    static const char *const ways[] = { CANARY, ESCAPED };

    for (size_t i = 0; i < BTZ_COUNT(ways); i++) {
        BTZ_BUF_RELEASE struct btz_buf in = BTZ_BUF(1 << 20);
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);

        put(&in, text, ways[i]);
        answer(gate_of(g, path), path, type, btz_buf_slice(&in), &out);
        not_in(btz_buf_slice(&out), text);
    }
}

static void test_streams(void **state)
{
    struct gates g;

    (void)state;
    open_gates(&g);
    for (size_t i = 0; i < BTZ_COUNT(streams); i++)
        never(&g, streams[i].path, "text/event-stream", streams[i].text);
    never(&g, "/api/chat", "application/x-ndjson",
          "{\"model\":\"m\",\"@\":1,\"message\":{\"role\":\"assistant\",\"content\":\"x\"}}\n");
    never(&g, "/api/chat", "application/x-ndjson",
          "{\"model\":\"m\",\"message\":{\"role\":\"@\",\"content\":\"x\"},\"done\":true}\n");
    close_gates(&g);
}

static void test_wholes(void **state)
{
    struct gates g;

    (void)state;
    open_gates(&g);
    for (size_t i = 0; i < BTZ_COUNT(wholes); i++)
        never(&g, wholes[i].path, "application/json", wholes[i].text);
    close_gates(&g);
}

static void test_spread(void **state)
{
    struct gates g;

    (void)state;
    open_gates(&g);
    for (size_t i = 0; i < BTZ_COUNT(harmless); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);

        answer(gate_of(&g, harmless[i].path), harmless[i].path, "text/event-stream",
               btz_str(harmless[i].text), &out);
        if (!btz_slice_has_prefix(btz_buf_slice(&out), btz_str(harmless[i].text)))
            fail_msg("%s\ncame out as %.*s", harmless[i].text, BTZ_SLICE_ARG(btz_buf_slice(&out)));
    }
    for (size_t i = 0; i < BTZ_COUNT(spread); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);

        answer(gate_of(&g, spread[i].path), spread[i].path, "text/event-stream",
               btz_str(spread[i].text), &out);
        if (!btz_slice_has(btz_buf_slice(&out), "guard_blocked"))
            fail_msg("%s\ncame out as %.*s", spread[i].text, BTZ_SLICE_ARG(btz_buf_slice(&out)));
    }
    close_gates(&g);
}

/* A key of a cloud in an identifier; and what rules say of both counts. */
static void test_actions(void **state)
{
    static const struct {
        const char *guard, *word;
        bool out;
    } cases[] = {
        { "",
          "AKIA"
          "Q3EGWZTN5JPK7XVB",
          false },
        { "", "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG", true },
        { "", "e5cc70bb28c444948073e77776eb30ef", true },
        { "rules: [{detector: secret, action: observe}]",
          "AKIA"
          "Q3EGWZTN5JPK7XVB",
          true },
        { "canaries: [" CANARY "], rules: [{detector: canary, action: observe}]", CANARY, true },
        { "canaries: [" CANARY "], rules: [{detector: canary, action: mask}]", CANARY, false },
        { "canaries: [" CANARY "], rules: [{detector: canary, action: observe, groups: [staff]}]",
          CANARY, true },
        { "canaries: [" CANARY "], rules: [{detector: canary, action: observe, groups: [board]}]",
          CANARY, false },
        { "canaries: [" CANARY "], mode: observe", CANARY, true },
        { "enabled: false, canaries: [" CANARY "]", CANARY, true },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++)
        for (unsigned stream = 0; stream < 2; stream++) {
            BTZ_BUF_RELEASE struct btz_buf in = BTZ_BUF(4096);
            BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
            struct gate_place p;

            open_gate(&p, "openai", cases[i].guard);
            put(&in,
                stream ? "data: {\"id\":\"@\",\"choices\":[]}\n\n"
                       : "{\"id\":\"@\",\"choices\":[]}",
                cases[i].word);
            answer(&p, "/v1/chat/completions", stream ? "text/event-stream" : "application/json",
                   btz_buf_slice(&in), &out);
            if (btz_slice_has(btz_buf_slice(&out), cases[i].word) != cases[i].out)
                fail_msg("%s: %.*s", cases[i].guard, BTZ_SLICE_ARG(btz_buf_slice(&out)));
            gate_close(&p);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_wholes),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_actions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
