/*
 * Requests: which text is of which channel. Documents are written after the vendors' references; every string that is planted
 * in one must be found by a part or be a word in a place for words.
 */
#include "protocol_fixture.h"

struct request_case {
    const char *name;
    enum btz_protocol protocol;
    const char *in;
    const char *parts; /* "channel=text;" in order */
    size_t images, files, tools;
};

static const struct request_case cases[] = {
    { "chat, all roles", BTZ_PROTOCOL_CHAT,
      "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"developer\",\"content\":\"S\"},{\"role\":"
      "\"user\",\"name\":\"Ann\","
      "\"content\":[{\"type\":\"text\",\"text\":\"U\"},{\"type\":\"image_url\",\"image_url\":{"
      "\"url\":"
      "\"data:image/"
      "png;base64,AAAA\",\"detail\":\"low\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
      "\"https://x.test/a?b=c "
      "d\"}},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}},"
      "{\"type\":\"file\",\"file\":{\"file_data\":\"AAAA\",\"filename\":\"a.pdf\"}}]},{\"role\":"
      "\"assistant\",\"content\":\"A\","
      "\"reasoning_content\":\"R\",\"refusal\":\"N\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"
      "\"function\",\"function\":{\"name\":\"f\","
      "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"T\"}],"
      "\"max_completion_tokens\":100}",
      "system=S;user=Ann;user=U;user=https://x.test/a?b=c "
      "d;document=a.pdf;assistant=A;assistant=R;assistant=N;"
      "assistant={};tool-result=T;",
      2, 2, 0 },
    { "chat, tools", BTZ_PROTOCOL_CHAT,
      "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
      "\"f\",\"description\":\"D\","
      "\"parameters\":{\"type\":\"object\"}}},{\"type\":\"custom\",\"custom\":{\"name\":\"g\","
      "\"description\":\"E\"}}],"
      "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},\"response_format\":{"
      "\"type\":\"json_schema\","
      "\"json_schema\":{\"name\":\"n\",\"schema\":{\"a\":1}}},\"stop\":[\"x "
      "y\",\"z\"],\"user\":\"u1\",\"metadata\":{\"k\":\"v w\"}}",
      "tool-description=f;tool-description=D;tool-description={\"type\":\"object\"};tool-"
      "description=g;tool-description=E;"
      "tool-description=n;tool-description={\"a\":1};raw=x y;raw=z;raw=u1;raw={\"k\":\"v w\"};",
      0, 0, 2 },
    { "chat, what nobody knows", BTZ_PROTOCOL_CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\","
      "\"beam\":\"deep words\"}],"
      "\"extra\":\"more words\"},{\"role\":\"wizard\",\"content\":\"W\"}],\"guide\":{\"a\":[\"some "
      "text here\"]},"
      "\"seed\":7,\"logit_bias\":{\"50256\":-100},\"odd key!\":1,\"id\":\"not an id\","
      "\"in\":\"abc\",\"out\":\"heron\",\"all\":{\"x\":[\"a\"]},\"parts\":[\"a\",\"bc\"]}",
      "raw=hologram;raw=deep words;raw=more words;raw=W;raw={\"a\":[\"some text here\"]};raw=odd "
      "key!;raw=not an id;raw=heron;raw=[\"a\",\"bc\"];",
      0, 0, 0 },
    { "completions", BTZ_PROTOCOL_COMPLETIONS,
      "{\"model\":\"m\",\"prompt\":[\"P\",\"Q\"],\"suffix\":\"S\"}", "user=P;user=Q;user=S;", 0, 0,
      0 },
    { "completions, token numbers", BTZ_PROTOCOL_COMPLETIONS,
      "{\"model\":\"m\",\"prompt\":[[1,2],[3]]}", "", 0, 2, 0 },
    { "responses", BTZ_PROTOCOL_RESPONSES,
      "{\"model\":\"m\",\"instructions\":\"I\",\"input\":[{\"role\":\"user\",\"content\":[{"
      "\"type\":\"input_text\",\"text\":\"U\"},"
      "{\"type\":\"input_image\",\"image_url\":\"data:image/"
      "png;base64,AAAA\"},{\"type\":\"input_file\",\"file_id\":\"file-1\"}]},"
      "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
      "\"text\":\"A\",\"annotations\":[]}]},"
      "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":"
      "\"R\"}],\"encrypted_content\":"
      "\"gAAAA=\"},{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}"
      "\"},"
      "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"O\"},{\"type\":\"file_"
      "search_call\",\"id\":\"fs_1\","
      "\"queries\":[\"Q\"],\"results\":[{\"file_id\":\"file-2\",\"text\":\"F\",\"filename\":\"n."
      "txt\"}]},{\"type\":\"mcp_call\","
      "\"name\":\"g\",\"server_label\":\"s\",\"arguments\":\"{1}\",\"output\":\"M\"}],\"tools\":[{"
      "\"type\":\"function\",\"name\":\"f\","
      "\"description\":\"D\",\"parameters\":{}}],\"max_output_tokens\":5}",
      "system=I;user=U;assistant=A;assistant=R;assistant={};tool-result=O;document=Q;document=F;"
      "document=n.txt;"
      "tool-result=M;assistant={1};tool-description=f;tool-description=D;tool-description={};",
      1, 2, 1 }, /* the file, and the encrypted reasoning */
    { "responses, a string", BTZ_PROTOCOL_RESPONSES, "{\"model\":\"m\",\"input\":\"U\"}", "user=U;",
      0, 0, 0 },
    { "embeddings", BTZ_PROTOCOL_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"A\",\"B\"]}",
      "user=A;user=B;", 0, 0, 0 },
    { "embeddings, token numbers", BTZ_PROTOCOL_EMBEDDINGS, "{\"model\":\"m\",\"input\":[1,2,3]}",
      "", 0, 1, 0 },
    { "images", BTZ_PROTOCOL_IMAGES,
      "{\"model\":\"m\",\"prompt\":\"A cat\",\"size\":\"1024x1024\"}", "user=A cat;", 0, 0, 0 },
    { "speech", BTZ_PROTOCOL_SPEECH,
      "{\"model\":\"m\",\"input\":\"Say\",\"instructions\":\"Softly\",\"voice\":\"alloy\"}",
      "user=Say;system=Softly;", 0, 0, 0 },
    { "moderations", BTZ_PROTOCOL_MODERATIONS,
      "{\"input\":[{\"type\":\"text\",\"text\":\"U\"},{\"type\":\"image_url\",\"image_url\":{"
      "\"url\":"
      "\"data:image/png;base64,AAAA\"}}]}",
      "user=U;", 1, 0, 0 },
    { "messages", BTZ_PROTOCOL_MESSAGES,
      "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"S\",\"cache_"
      "control\":{\"type\":\"ephemeral\"}}],"
      "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"DT\","
      "\"source\":{\"type\":\"text\","
      "\"media_type\":\"text/"
      "plain\",\"data\":\"DD\"}},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_"
      "type\":"
      "\"image/png\",\"data\":\"AAAA\"}},{\"type\":\"search_result\",\"source\":\"https://"
      "x.test\",\"title\":\"ST\",\"content\":["
      "{\"type\":\"text\",\"text\":\"SC\"}]},{\"type\":\"text\",\"text\":\"U\"}]},{\"role\":"
      "\"assistant\",\"content\":["
      "{\"type\":\"thinking\",\"thinking\":\"TH\",\"signature\":\"EqQB\"},{\"type\":\"tool_use\","
      "\"id\":\"t1\",\"name\":\"f\","
      "\"input\":{\"q\":\"x\"}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_"
      "use_id\":\"t1\",\"content\":["
      "{\"type\":\"text\",\"text\":\"TR\"},{\"type\":\"document\",\"source\":{\"type\":\"base64\","
      "\"media_type\":"
      "\"application/"
      "pdf\",\"data\":\"AAAA\"}}]}]}],\"tools\":[{\"name\":\"f\",\"description\":\"D\",\"input_"
      "schema\":{\"b\":1,"
      "\"a\":2}}],\"metadata\":{\"user_id\":\"u\"}}",
      "system=S;document=DT;document=DD;document=https://"
      "x.test;document=ST;document=SC;user=U;assistant=TH;"
      "assistant={\"q\":\"x\"};tool-result=TR;tool-description=f;tool-description=D;"
      "tool-description={\"b\":1,\"a\":2};raw=u;",
      1, 1, 1 },
    { "count tokens", BTZ_PROTOCOL_COUNT_TOKENS,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"U\"}]}", "user=U;", 0, 0,
      0 },
    { "ollama chat", BTZ_PROTOCOL_OLLAMA_CHAT,
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"U\",\"images\":[\"AAAA\"]},{"
      "\"role\":\"tool\",\"tool_name\":"
      "\"f\",\"content\":\"T\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
      "\"description\":\"D\","
      "\"parameters\":{}}}],\"options\":{\"num_predict\":7,\"stop\":[\"x y\"]}}",
      "user=U;tool-result=T;tool-description=f;tool-description=D;tool-description={};raw=x y;", 1,
      0, 1 },
    { "ollama generate", BTZ_PROTOCOL_OLLAMA_GENERATE,
      "{\"model\":\"m\",\"prompt\":\"P\",\"system\":\"S\",\"template\":\"T\",\"context\":[1,2],"
      "\"stream\":false}",
      "user=P;system=S;system=T;", 0, 1, 0 },
    { "mcp call", BTZ_PROTOCOL_MCP,
      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/"
      "call\",\"params\":{\"name\":\"f\",\"arguments\":{\"q\":\"x\"},\"_meta\":{"
      "\"progressToken\":1}}}",
      "tool-arguments={\"q\":\"x\"};", 0, 0, 0 },
    { "mcp prompt", BTZ_PROTOCOL_MCP,
      "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"prompts/"
      "get\",\"params\":{\"name\":\"p\",\"arguments\":{\"k\":\"v\"}}}",
      "user={\"k\":\"v\"};", 0, 0, 0 },
    { "pass", BTZ_PROTOCOL_PASS, "{\"a\":[\"one\",{\"b\":\"two\"}]}", "raw=one;raw=two;", 0, 0, 0 },
};

static void list_parts(const struct btz_message *m, struct btz_buf *out)
{
    for (size_t i = 0; i < m->part_count; i++)
        assert_int_equal(btz_buf_printf(out, "%s=%.*s;", btz_channel_name(m->parts[i].channel),
                                        BTZ_SLICE_ARG(m->parts[i].text)),
                         BTZ_OK);
}

static enum btz_err read_json(enum btz_protocol p, const char *in, struct btz_arena *arena,
                              struct btz_message *m)
{
    return btz_request_read(p, btz_str("application/json; charset=utf-8"), btz_str(in), arena, m);
}

static void test_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_buf list = BTZ_BUF(1 << 16), text = BTZ_BUF(1 << 16);
        struct btz_message m;

        btz_arena_init(&arena, 1 << 20);
        if (read_json(cases[i].protocol, cases[i].in, &arena, &m) != BTZ_OK)
            fail_msg("%s: %s", cases[i].name, btz_error_detail());
        list_parts(&m, &list);
        if (!btz_slice_is(btz_buf_slice(&list), cases[i].parts))
            fail_msg("%s: %.*s", cases[i].name, BTZ_SLICE_ARG(btz_buf_slice(&list)));
        if (m.images != cases[i].images || m.files != cases[i].files ||
            m.tool_count != cases[i].tools)
            fail_msg("%s: %zu images, %zu files, %zu tools", cases[i].name, m.images, m.files,
                     m.tool_count);
        /* Untouched, it is written as it came. */
        assert_false(m.changed);
        assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&text), cases[i].in));
        btz_message_release(&m);
        btz_buf_release(&list);
        btz_buf_release(&text);
    }
}

/* Each part can be replaced, and is then found replaced when the document is read again. */
static void test_replace(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_buf text = BTZ_BUF(1 << 16);
        struct btz_message m, again;
        size_t fixed = 0;

        btz_arena_init(&arena, 1 << 20);
        assert_int_equal(read_json(cases[i].protocol, cases[i].in, &arena, &m), BTZ_OK);
        for (size_t k = 0; k < m.part_count; k++) {
            const char *to = m.parts[k].form == BTZ_PART_JSON ? "{\"new\":\"[x]\"}" : "[x] new";

            if (!m.parts[k].holder) {
                fixed++;
                assert_int_equal(btz_part_replace(&m, &m.parts[k], btz_str(to)), BTZ_DENIED);
                continue;
            }
            if (btz_part_replace(&m, &m.parts[k], btz_str(to)) != BTZ_OK)
                fail_msg("%s: part %zu: %s", cases[i].name, k, btz_error_detail());
            assert_true(btz_slice_is(m.parts[k].text, to));
        }
        assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
        assert_int_equal(btz_request_read(cases[i].protocol, btz_str("application/json"),
                                          btz_buf_slice(&text), &arena, &again),
                         BTZ_OK);
        assert_int_equal(again.part_count, m.part_count);
        for (size_t k = 0; k < again.part_count; k++)
            if (again.parts[k].holder && !btz_slice_has(again.parts[k].text, "[x]"))
                fail_msg("%s: part %zu was not replaced: %.*s", cases[i].name, k,
                         BTZ_SLICE_ARG(again.parts[k].text));
        assert_true(fixed <= 1);
        btz_message_release(&again);
        btz_message_release(&m);
        btz_buf_release(&text);
    }
}

static void test_json_stays_json(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_message m;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(
        read_json(BTZ_PROTOCOL_MCP,
                  "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"f\","
                  "\"arguments\":{\"q\":\"x\"}}}",
                  &arena, &m),
        BTZ_OK);
    assert_int_equal(m.call_count, 1);
    assert_true(btz_slice_is(m.calls[0].name, "f"));
    assert_true(btz_slice_is(m.calls[0].arguments, "{\"q\":\"x\"}"));
    assert_int_equal(btz_part_replace(&m, &m.parts[0], btz_str("{\"q\":[mask]}")), BTZ_DENIED);
    assert_int_equal(btz_part_replace(&m, &m.parts[0], btz_str("{\"q\":\"[mask]\"}")), BTZ_OK);
    btz_message_release(&m);
}

static void test_facts(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_message m;
    bool asked;
    (void)state;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(
        read_json(
            BTZ_PROTOCOL_CHAT,
            "{\"model\":\"m\",\"stream\":true,\"n\":3,\"max_tokens\":10,\"seed\":12345678901234567,"
            "\"temperature\":0.10,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}",
            &arena, &m),
        BTZ_OK);
    assert_true(m.stream);
    assert_int_equal(m.max_tokens, 30);
    assert_int_equal(btz_message_tokens(&m), 5 / 3 + 16);
    assert_int_equal(btz_message_ask_usage(&m, &asked), BTZ_OK);
    assert_true(asked);
    assert_int_equal(btz_message_set_model(&m, "other"), BTZ_OK);
    assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
    assert_true(btz_slice_is(
        btz_buf_slice(&text),
        "{\"model\":\"other\",\"stream\":true,\"n\":3,\"max_tokens\":10,\"seed\":12345678901234567,"
        "\"temperature\":0.10000000000000001,\"messages\":[{\"role\":\"user\",\"content\":"
        "\"hello\"}],"
        "\"stream_options\":{\"include_usage\":true}}"));
    btz_message_release(&m);
    assert_int_equal(read_json(BTZ_PROTOCOL_OLLAMA_CHAT,
                               "{\"model\":\"m\",\"options\":{\"num_predict\":7}}", &arena, &m),
                     BTZ_OK);
    assert_true(m.stream);
    assert_int_equal(m.max_tokens, 7);
    btz_message_release(&m);
    /* Whichever member the server goes by, and however many texts it is to write. */
    assert_int_equal(read_json(BTZ_PROTOCOL_CHAT,
                               "{\"model\":\"m\",\"messages\":[],\"max_completion_tokens\":1,"
                               "\"max_tokens\":90,\"n\":2}",
                               &arena, &m),
                     BTZ_OK);
    assert_int_equal(m.max_tokens, 180);
    assert_int_equal(m.choices, 2);
    btz_message_release(&m);
    assert_int_equal(read_json(BTZ_PROTOCOL_COMPLETIONS,
                               "{\"model\":\"m\",\"prompt\":[\"a\",\"b\",[1,2]],\"n\":2,"
                               "\"max_tokens\":10}",
                               &arena, &m),
                     BTZ_OK);
    assert_int_equal(m.max_tokens, 60);
    btz_message_release(&m);
    assert_int_equal(read_json(BTZ_PROTOCOL_COMPLETIONS,
                               "{\"model\":\"m\",\"prompt\":[1,2,3],\"max_tokens\":10}", &arena,
                               &m),
                     BTZ_OK);
    assert_int_equal(m.max_tokens, 10);
    btz_message_release(&m);
    /* Schemas of equal content are equal, whatever the order of their members. */
    assert_int_equal(read_json(BTZ_PROTOCOL_MESSAGES,
                               "{\"model\":\"m\",\"messages\":[],\"tools\":[{\"name\":\"f\","
                               "\"input_schema\":{\"b\":1,\"a\":{"
                               "\"d\":2,\"c\":3}}}]}",
                               &arena, &m),
                     BTZ_OK);
    assert_true(btz_slice_is(m.tools[0].schema, "{\"a\":{\"c\":3,\"d\":2},\"b\":1}"));
    btz_message_release(&m);
    btz_buf_release(&text);
}

static void test_refused(void **state)
{
    static const struct {
        enum btz_protocol protocol;
        const char *in;
    } bad[] = {
        { BTZ_PROTOCOL_CHAT, "" },
        { BTZ_PROTOCOL_CHAT, "null" },
        { BTZ_PROTOCOL_CHAT, "[]" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\"}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":\"Hi\"}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[\"Hi\"]}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[{\"content\":\"Hi\"}]}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":7,\"messages\":[]}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[],\"stream\":\"yes\"}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[],\"max_tokens\":-1}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[],\"n\":100000}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}" },
        { BTZ_PROTOCOL_CHAT, "{\"model\":\"m\",\"messages\":[]} x" },
        { BTZ_PROTOCOL_CHAT,
          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}" },
        { BTZ_PROTOCOL_CHAT,
          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}" },
        { BTZ_PROTOCOL_CHAT,
          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u0000\"}]}" },
        { BTZ_PROTOCOL_MESSAGES, "{\"model\":\"m\"}" },
        { BTZ_PROTOCOL_EMBEDDINGS, "{\"model\":\"m\"}" },
        { BTZ_PROTOCOL_MCP, "[{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]" },
        { BTZ_PROTOCOL_MCP, "{\"method\":\"ping\"}" },
        { BTZ_PROTOCOL_MCP, "{\"jsonrpc\":\"2.0\"}" },
        { BTZ_PROTOCOL_MCP, "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}" },
        { BTZ_PROTOCOL_MCP, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{}}" },
        { BTZ_PROTOCOL_MCP, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\"}" },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_message m;

        btz_arena_init(&arena, 1 << 20);
        if (read_json(bad[i].protocol, bad[i].in, &arena, &m) != BTZ_INPUT)
            fail_msg("case %zu was not refused: %s", i, bad[i].in);
    }
}

static void test_limits(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_message m;
    (void)state;

    btz_arena_init(&arena, 4 << 20);
    assert_int_equal(btz_buf_add_str(&text, "{\"model\":\"m\",\"input\":[\"a\""), BTZ_OK);
    for (int i = 0; i < BTZ_PARTS_MAX; i++)
        assert_int_equal(btz_buf_add_str(&text, ",\"a\""), BTZ_OK);
    assert_int_equal(btz_buf_add_str(&text, "]}"), BTZ_OK);
    assert_int_equal(
        btz_request_read(BTZ_PROTOCOL_EMBEDDINGS, btz_str(""), btz_buf_slice(&text), &arena, &m),
        BTZ_LIMIT);
    btz_buf_release(&text);
}

/* Strings planted everywhere, whatever the member is called: none may be unread. */
static void test_nothing_unread(void **state)
{
    static const enum btz_protocol protocols[] = {
        BTZ_PROTOCOL_CHAT,        BTZ_PROTOCOL_COMPLETIONS,     BTZ_PROTOCOL_RESPONSES,
        BTZ_PROTOCOL_EMBEDDINGS,  BTZ_PROTOCOL_IMAGES,          BTZ_PROTOCOL_SPEECH,
        BTZ_PROTOCOL_MODERATIONS, BTZ_PROTOCOL_BATCHES,         BTZ_PROTOCOL_MESSAGES,
        BTZ_PROTOCOL_OLLAMA_CHAT, BTZ_PROTOCOL_OLLAMA_GENERATE, BTZ_PROTOCOL_OLLAMA_EMBED,
        BTZ_PROTOCOL_PASS
    };
    static const char *const keys[] = {
        "model",     "role",      "id",        "type",      "text",          "name",
        "data",      "url",       "content",   "input",     "prompt",        "tools",
        "function",  "arguments", "signature", "source",    "system",        "metadata",
        "image_url", "file_data", "stop",      "format",    "tool_choice",   "logprobs",
        "context",   "options",   "whatever",  "reasoning", "conversation",  "status",
        "audio",     "index",     "usage",     "params",    "cache_control",
    };
    static const char secret[] = "a planted text, with blanks";
    size_t read = 0;
    (void)state;

    for (size_t p = 0; p < BTZ_COUNT(protocols); p++)
        for (size_t k = 0; k < BTZ_COUNT(keys); k++)
            for (int depth = 0; depth < 4; depth++) {
                BTZ_ARENA_SCOPE struct btz_arena arena;
                char in[900], value[200];
                struct btz_message m;
                enum btz_err err;
                bool found = false;

                btz_arena_init(&arena, 1 << 20);
                snprintf(value, sizeof value,
                         depth == 0   ? "\"%s\""
                         : depth == 1 ? "[\"%s\"]"
                         : depth == 2 ? "{\"type\":\"text\",\"text\":\"%s\"}"
                                      : "[{\"type\":\"odd\",\"function\":{\"deep\":[\"%s\"]}}]",
                         secret);
                snprintf(in, sizeof in,
                         "{\"%s\":%s,\"x\":{\"y\":1},\"messages\":[{\"role\":\"user\",\"%s\":%s}],"
                         "\"input\":[{\"%s\":%s}]}",
                         strcmp(keys[k], "input") == 0 ? "inputs" : keys[k], value,
                         strcmp(keys[k], "role") == 0 ? "roles" : keys[k], value, keys[k], value);
                err = read_json(protocols[p], in, &arena, &m);
                if (err != BTZ_OK)
                    continue; /* refused: not let through */
                {
                    size_t planted = 0, seen = 0;

                    for (const char *at = in; (at = strstr(at, secret)) != NULL; at++)
                        planted++;
                    for (size_t i = 0; i < m.part_count; i++)
                        for (size_t at = 0; (at = btz_slice_find(m.parts[i].text, btz_str(secret),
                                                                 at)) != SIZE_MAX;
                             at++)
                            seen++;
                    found = seen >= planted;
                }
                btz_message_release(&m);
                read++;
                if (!found)
                    fail_msg("%s: unread: %s", btz_protocol_name(protocols[p]), in);
            }
    assert_true(read > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),           cmocka_unit_test(test_replace),
        cmocka_unit_test(test_json_stays_json), cmocka_unit_test(test_facts),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_nothing_unread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
