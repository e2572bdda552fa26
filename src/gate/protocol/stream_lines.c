/* Streams of Ollama (a line of JSON an event) and of MCP (a JSON-RPC message an event). */
#include "gate/protocol/members.h"
#include "gate/protocol/stream.h"

/* ---- Ollama ---- */

enum { CONTENT, THINKING };

static const struct {
    const char *object, *member; /* in an object, or in the line itself */
    unsigned kind;
    enum btz_channel channel;
} texts[] = {
    { "message", "content", CONTENT, BTZ_CHANNEL_OUTPUT },
    { "message", "thinking", THINKING, BTZ_CHANNEL_REASONING },
    { NULL, "response", CONTENT, BTZ_CHANNEL_OUTPUT },
    { NULL, "thinking", THINKING, BTZ_CHANNEL_REASONING },
};

/* Calls come whole: one text each, with its tool's name. */
static enum btz_err ollama_calls(struct btz_protocol_stream *s, json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);
        json_t *f = json_object_get(one, "function"), *arguments = json_object_get(f, "arguments");
        struct btz_part part = { .channel = BTZ_CHANNEL_TOOL_ARGUMENTS,
                                 .holder = f,
                                 .key = "arguments",
                                 .form =
                                     json_is_string(arguments) ? BTZ_PART_STRING : BTZ_PART_JSON };

        if (!json_is_object(f) || !json_is_string(json_object_get(f, "name")))
            return btz_fail(BTZ_INPUT, "tool_calls[%zu]: a function with a name was expected", i);
        if (part.form == BTZ_PART_STRING)
            part.text = btz_text_of(arguments);
        else if (arguments)
            BTZ_TRY(btz_json_write(arguments, false, &text));
        if (part.form == BTZ_PART_JSON)
            part.text = btz_buf_slice(&text);
        BTZ_TRY(btz_stream_whole(s, &part, btz_text_of(json_object_get(f, "name"))));
    }
    return BTZ_OK;
}

static json_t *holder_of(json_t *root, size_t text)
{
    return texts[text].object ? json_object_get(root, texts[text].object) : root;
}

static enum btz_err ollama_texts(struct btz_protocol_stream *s, struct btz_event *e, bool final)
{
    for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
        json_t *holder = holder_of(e->root, i);
        struct btz_lane_state *l;
        uint64_t key = BTZ_LANE_KEY(0, texts[i].kind, 0);

        /* The last line may lack a member that is held: it gets one. */
        if (json_is_object(holder) && final && (l = btz_lane_find(s, key)) != NULL && !l->ended &&
            !json_object_get(holder, texts[i].member) &&
            json_object_set_new(holder, texts[i].member, json_string("")) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for a text");
        if (!json_is_string(json_object_get(holder, texts[i].member)))
            continue;
        BTZ_TRY(btz_lane_open(s, key, texts[i].channel, &l));
        l->lane.answer = texts[i].channel == BTZ_CHANNEL_OUTPUT;
        BTZ_TRY(btz_lane_member(s, l, holder, texts[i].member, final));
    }
    return BTZ_OK;
}

/* The last line has no message at all: what is held comes in a line before it. */
static enum btz_err ollama_flush(struct btz_protocol_stream *s, const json_t *like, bool chat)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next) {
        const char *member = (l->key >> 24 & 0xff) == THINKING ? "thinking"
                             : chat                            ? "content"
                                                               : "response";
        json_t *root, *value;

        if (l->ended)
            continue;
        BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
        if (s->scratch.len == 0)
            continue;
        value = btz_json_text(btz_buf_slice(&s->scratch));
        root = chat ? json_pack("{s:{s:s, s:o}, s:b}", "message", "role", "assistant", member,
                                value, "done", 0)
                    : json_pack("{s:o, s:b}", member, value, "done", 0);
        if (json_object_get(like, "model"))
            (void)json_object_set(root, "model", json_object_get(like, "model"));
        if (json_object_get(like, "created_at"))
            (void)json_object_set(root, "created_at", json_object_get(like, "created_at"));
        BTZ_TRY(btz_stream_emit_new(s, "", root));
    }
    return BTZ_OK;
}

static enum btz_err ollama_rest(struct btz_protocol_stream *s, struct btz_event *e)
{
    static const struct btz_shape_member function_members[] = {
        ID("name"), TEXT("description", BTZ_CHANNEL_OUTPUT), READ("arguments"), /* read before */
        LAST
    };
    static const struct btz_shape function = { function_members, NULL, NULL };
    static const struct btz_shape_member call_members[] = { ID("id"), ID("type"),
                                                            OBJECT("function", function), LAST };
    static const struct btz_shape call = { call_members, NULL, NULL };
    static const struct btz_shape_member message_members[] = {
        ID("role"),
        LANE("content", BTZ_HERE),
        LANE("thinking", BTZ_HERE),
        ID("tool_name"),
        { "images", BTZ_SHAPE_IMAGE, BTZ_HERE, NULL },
        OBJECT_IN("tool_calls", BTZ_CHANNEL_TOOL_ARGUMENTS, call),
        LAST
    };
    static const struct btz_shape message = { message_members, NULL, NULL };
    static const struct btz_shape_member line_members[] = { ID("model"),
                                                            ID("remote_model"),
                                                            ID("created_at"),
                                                            ID("done_reason"),
                                                            ID("done"),
                                                            ID("total_duration"),
                                                            ID("load_duration"),
                                                            ID("prompt_eval_count"),
                                                            ID("prompt_eval_duration"),
                                                            ID("eval_count"),
                                                            ID("eval_duration"),
                                                            LANE("response", BTZ_HERE),
                                                            LANE("thinking", BTZ_HERE),
                                                            OBJECT_IN("message", BTZ_CHANNEL_OUTPUT,
                                                                      message),
                                                            TEXT("error", BTZ_CHANNEL_OUTPUT),
                                                            LAST };
    static const struct btz_shape line = { line_members, NULL, NULL };

    return btz_stream_walk(s, e->root, &line, BTZ_CHANNEL_OUTPUT);
}

static enum btz_err ollama_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    bool final = json_is_true(json_object_get(e->root, "done")), changed = false;
    bool chat = s->o.from == BTZ_PROTOCOL_OLLAMA_CHAT;

    BTZ_TRY(ollama_texts(s, e, final));
    BTZ_TRY(ollama_calls(s, json_object_get(json_object_get(e->root, "message"), "tool_calls")));
    BTZ_TRY(ollama_rest(s, e));
    if (json_object_get(e->root, "error")) {
        s->told = true;
        BTZ_TRY(ollama_flush(s, e->root, chat));
    }
    for (const struct btz_lane_state *l = s->lanes; l; l = l->next)
        changed = changed || l->changed || l->pending.len > 0;
    if (final) {
        BTZ_TRY(ollama_flush(s, e->root, chat));
        btz_usage_ollama(e->root, &s->usage);
        s->ended = true;
    }
    /* Token numbers of the talk so far, the old text among them. */
    if (changed && json_object_get(e->root, "context")) {
        e->changed = true;
        (void)json_object_del(e->root, "context");
    }
    return btz_stream_emit(s, e);
}

static enum btz_err ollama_end(struct btz_protocol_stream *s, bool *proper)
{
    BTZ_TRY(ollama_flush(s, s->last, s->o.from == BTZ_PROTOCOL_OLLAMA_CHAT));
    *proper = s->told;
    return BTZ_OK;
}

const struct btz_stream_family btz_ollama_stream = { .lines = true,
                                                     .event = ollama_event,
                                                     .end = ollama_end };

/* ---- MCP: a stream may answer one request and carry requests and notices of the server; it just ends ---- */

static enum btz_err mcp_message(struct btz_protocol_stream *s, struct btz_event *e)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_message m;
    enum btz_err err;

    btz_arena_init(&arena, s->o.event_max * 4 + 65536);
    BTZ_TRY(btz_response_read(BTZ_PROTOCOL_MCP, e->data, &arena, &m));
    err = s->o.message(s->user, &m);
    if (err == BTZ_OK && m.changed) {
        json_decref(e->root);
        e->root = json_incref(m.root);
        e->changed = true;
    }
    btz_message_release(&m);
    return err;
}

static enum btz_err mcp_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    /* An empty event tells its id: where a client may go on later. */
    if (e->data.len > 0 && !json_is_object(e->root))
        return btz_fail(BTZ_INPUT, "event: a JSON-RPC message was expected");
    if (e->data.len > 0 && s->o.message)
        BTZ_TRY(mcp_message(s, e));
    else if (e->data.len > 0)
        BTZ_TRY(btz_stream_walk(s, e->root, &btz_mcp_message, BTZ_CHANNEL_RAW));
    return btz_stream_emit(s, e);
}

static enum btz_err any_end(struct btz_protocol_stream *s, bool *proper)
{
    (void)s;
    *proper = true;
    return BTZ_OK;
}

const struct btz_stream_family btz_mcp_stream = { .any = true, .event = mcp_event, .end = any_end };
