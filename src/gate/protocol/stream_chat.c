/* Streams of /v1/chat/completions and /v1/completions: chunks with choices, each a small change. */
#include "gate/protocol/members.h"
#include "gate/protocol/stream.h"

enum kind {
    CONTENT,
    REFUSAL,
    REASONING_CONTENT,
    REASONING,
    TEXT_,
    ARGUMENTS,
    INPUT,
    OLD_ARGUMENTS,
    TRANSCRIPT
};

/* The texts of a delta that are one string; `logprobs`: member of the choice's logprobs that repeats it. */
static const struct {
    enum kind kind;
    const char *member, *logprobs;
    enum btz_channel channel;
} simple[] = {
    { CONTENT, "content", "content", BTZ_CHANNEL_OUTPUT },
    { REFUSAL, "refusal", "refusal", BTZ_CHANNEL_OUTPUT },
    { REASONING_CONTENT, "reasoning_content", NULL, BTZ_CHANNEL_REASONING },
    { REASONING, "reasoning", NULL, BTZ_CHANNEL_REASONING },
};

static const struct btz_shape_member function_members[] = {
    ID("name"), LANE("arguments", BTZ_CHANNEL_TOOL_ARGUMENTS), LAST
};
static const struct btz_shape function = { function_members, NULL, NULL };
static const struct btz_shape_member custom_members[] = { ID("name"),
                                                          LANE("input", BTZ_CHANNEL_TOOL_ARGUMENTS),
                                                          LAST };
static const struct btz_shape custom = { custom_members, NULL, NULL };
static const struct btz_shape_member call_members[] = {
    ID("index"), ID("id"), ID("type"), OBJECT("function", function), OBJECT("custom", custom), LAST
};
static const struct btz_shape call = { call_members, NULL, NULL };
static const struct btz_shape_member audio_members[] = { ID("id"), DATA("data"),
                                                         LANE("transcript", BTZ_HERE), LAST };
static const struct btz_shape audio = { audio_members, NULL, NULL };
static const struct btz_shape_member delta_members[] = {
    ID("role"),
    LANE("content", BTZ_CHANNEL_OUTPUT),
    LANE("refusal", BTZ_CHANNEL_OUTPUT),
    LANE("reasoning_content", BTZ_CHANNEL_REASONING),
    LANE("reasoning", BTZ_CHANNEL_REASONING),
    TEXT("reasoning_details", BTZ_CHANNEL_REASONING),
    OBJECT_IN("tool_calls", BTZ_CHANNEL_TOOL_ARGUMENTS, call),
    OBJECT_IN("function_call", BTZ_CHANNEL_TOOL_ARGUMENTS, function),
    OBJECT("audio", audio),
    OBJECT("annotations", btz_chat_annotation),
    LAST
};
static const struct btz_shape delta_shape = { delta_members, NULL, NULL };
static const struct btz_shape_member choice_members[] = { ID("index"),
                                                          ID("finish_reason"),
                                                          OBJECT_IN("delta", BTZ_CHANNEL_OUTPUT,
                                                                    delta_shape),
                                                          LANE("text", BTZ_CHANNEL_OUTPUT),
                                                          LOGPROBS,
                                                          TEXT("stop_reason", BTZ_CHANNEL_OUTPUT),
                                                          LAST };
static const struct btz_shape choice_shape = { choice_members, NULL, NULL };
static const struct btz_shape_member chunk_members[] = {
    ID("id"),
    ID("object"),
    ID("created"),
    ID("model"),
    ID("system_fingerprint"),
    ID("service_tier"),
    ID("obfuscation"),
    OBJECT_IN("choices", BTZ_CHANNEL_OUTPUT, choice_shape),
    OBJECT("usage", btz_openai_usage),
    { "error", BTZ_SHAPE_TEXT, BTZ_CHANNEL_OUTPUT, &btz_openai_error },
    LAST
};
static const struct btz_shape chunk = { chunk_members, NULL, NULL };

/* ---- held text as one more chunk ---- */

static enum kind kind_of(const struct btz_lane_state *l)
{
    return (enum kind)(l->key >> 24 & 0xff);
}

/* The change that carries a lane's text alone. */
static json_t *delta_of(const struct btz_lane_state *l, struct btz_slice text)
{
    json_t *value = btz_json_text(text);
    int part = (int)l->lane.part;

    switch (kind_of(l)) {
    case ARGUMENTS:
        return json_pack("{s:[{s:i, s:{s:o}}]}", "tool_calls", "index", part, "function",
                         "arguments", value);
    case INPUT:
        return json_pack("{s:[{s:i, s:{s:o}}]}", "tool_calls", "index", part, "custom", "input",
                         value);
    case OLD_ARGUMENTS:
        return json_pack("{s:{s:o}}", "function_call", "arguments", value);
    case TRANSCRIPT:
        return json_pack("{s:{s:o}}", "audio", "transcript", value);
    default:
        for (size_t i = 0; i < BTZ_COUNT(simple); i++)
            if (simple[i].kind == kind_of(l))
                return json_pack("{s:o}", simple[i].member, value);
        return value;
    }
}

/* The envelope of the last chunk around one choice. */
static enum btz_err emit_held(struct btz_protocol_stream *s, const struct btz_lane_state *l,
                              const json_t *like, struct btz_slice text)
{
    static const char *const members[] = {
        "id", "object", "created", "model", "system_fingerprint", "service_tier"
    };
    json_t *root = json_object(), *delta = delta_of(l, text), *choices;
    int choice = (int)l->lane.choice;

    choices = kind_of(l) == TEXT_ ? json_pack("[{s:i, s:o, s:n, s:n}]", "index", choice, "text",
                                              delta, "logprobs", "finish_reason")
                                  : json_pack("[{s:i, s:o, s:n}]", "index", choice, "delta", delta,
                                              "finish_reason");
    for (size_t i = 0; i < BTZ_COUNT(members); i++)
        if (json_object_get(like, members[i]))
            (void)json_object_set(root, members[i], json_object_get(like, members[i]));
    if (json_object_set_new(root, "choices", choices) != 0) {
        json_decref(root);
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    }
    return btz_stream_emit_new(s, "", root);
}

/* Ends the lanes of a choice that have nothing in the event at hand (UINT32_MAX: of all). */
static enum btz_err flush(struct btz_protocol_stream *s, uint32_t choice, const json_t *like)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next) {
        if (l->ended || l->in_event || (choice != UINT32_MAX && l->lane.choice != choice))
            continue;
        BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
        if (s->scratch.len > 0)
            BTZ_TRY(emit_held(s, l, like, btz_buf_slice(&s->scratch)));
    }
    return BTZ_OK;
}

/*
 * Translated, one text after the other becomes a block of its own: what another text of the choice still holds comes out
 * before `kind` goes on. Calls of tools are left: the translator keeps them apart.
 */
static enum btz_err settle_others(struct btz_protocol_stream *s, uint32_t choice, enum kind kind)
{
    for (struct btz_lane_state *l = s->translator ? s->lanes : NULL; l; l = l->next) {
        if (l->ended || l->lane.choice != choice || kind_of(l) == kind || kind_of(l) >= ARGUMENTS)
            continue;
        BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
        if (s->scratch.len > 0)
            BTZ_TRY(emit_held(s, l, s->at->root, btz_buf_slice(&s->scratch)));
    }
    return BTZ_OK;
}

/* The lane of a text that goes on; translated, one that ended goes on in a new block. */
static enum btz_err open_text(struct btz_protocol_stream *s, uint64_t key, enum btz_channel channel,
                              const json_t *piece, struct btz_lane_state **out)
{
    struct btz_lane_state *l = btz_lane_find(s, key);

    if (s->translator && json_string_length(piece) > 0) {
        if (l && l->ended)
            btz_lane_close(s, l);
        BTZ_TRY(settle_others(s, (uint32_t)(key >> 32), (enum kind)(key >> 24 & 0xff)));
    }
    BTZ_TRY(btz_lane_open(s, key, channel, out));
    (*out)->lane.answer = kind_of(*out) == CONTENT;
    return BTZ_OK;
}

/* ---- chunks ---- */

static enum btz_err index_of(const json_t *object, size_t otherwise, uint32_t max, uint32_t *out)
{
    const json_t *index = json_object_get(object, "index");
    json_int_t n = json_is_integer(index) ? json_integer_value(index) : (json_int_t)otherwise;

    if (n < 0 || n > (json_int_t)max)
        return btz_fail(BTZ_INPUT, "\"index\": a small number was expected");
    *out = (uint32_t)n;
    return BTZ_OK;
}

static bool has_text(const json_t *object, const char *key)
{
    return json_string_length(json_object_get(object, key)) > 0;
}

/* A tool's name comes before its arguments, once. Whoever watches the lane hears of it before the client does. */
static enum btz_err call_piece(struct btz_protocol_stream *s, uint64_t key, json_t *f,
                               const char *member, bool final)
{
    struct btz_lane_state *l;

    if (!json_is_object(f))
        return BTZ_OK;
    BTZ_TRY(btz_lane_open(s, key, BTZ_CHANNEL_TOOL_ARGUMENTS, &l));
    if (has_text(f, "name")) {
        bool again = l->tool;

        BTZ_TRY(settle_others(s, l->lane.choice, ARGUMENTS));
        BTZ_TRY(btz_lane_name(l, btz_text_of(json_object_get(f, "name"))));
        if (again) {
            /* Some clients put repeated names one behind the other. */
            s->at->changed = true;
            (void)json_object_del(f, "name");
        }
    } else if (!l->tool && has_text(f, member)) {
        return btz_fail(BTZ_INPUT, "arguments of a tool call without a name");
    }
    if (!json_is_string(json_object_get(f, member))) {
        l->in_event = true;
        BTZ_TRY(btz_lane_piece(s, l, btz_str(""), final));
        if (s->scratch.len == 0)
            return BTZ_OK;
        s->at->changed = true;
        if (json_object_set_new(f, member, btz_json_text(btz_buf_slice(&s->scratch))) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for a text");
        return BTZ_OK;
    }
    return btz_lane_member(s, l, f, member, final);
}

static enum btz_err calls(struct btz_protocol_stream *s, uint32_t choice, json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        uint32_t part;

        if (!json_is_object(one))
            return btz_fail(BTZ_INPUT, "tool_calls[%zu]: an object was expected", i);
        BTZ_TRY(index_of(one, i, BTZ_LANE_PART_MAX, &part));
        /* Not final even beside a finish_reason: a call may have two pieces in one chunk. */
        BTZ_TRY(call_piece(s, BTZ_LANE_KEY(choice, ARGUMENTS, part),
                           json_object_get(one, "function"), "arguments", false));
        BTZ_TRY(call_piece(s, BTZ_LANE_KEY(choice, INPUT, part), json_object_get(one, "custom"),
                           "input", false));
    }
    return BTZ_OK;
}

/* Log probabilities go on only with a text that goes on as it is, and never again after one that did not. */
static bool may_repeat(struct btz_protocol_stream *s, uint64_t key, const json_t *list,
                       struct btz_slice in, struct btz_slice out)
{
    struct btz_lane_state *l = btz_lane_find(s, key);

    if (!list || json_is_null(list))
        return true;
    if (!l || l->no_logprobs)
        return json_is_array(list) && json_array_size(list) == 0;
    l->no_logprobs = l->changed || l->pending.len > 0 || !btz_slice_equal(in, out) ||
                     !btz_logprobs_repeat(list, in);
    return !l->no_logprobs;
}

static enum btz_err drop_logprobs(struct btz_protocol_stream *s, json_t *choice)
{
    s->at->changed = true;
    if (json_object_set_new(choice, "logprobs", json_null()) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a choice");
    return BTZ_OK;
}

static enum btz_err simple_text(struct btz_protocol_stream *s, uint64_t key,
                                enum btz_channel channel, json_t *holder, const char *member,
                                bool final, const json_t *logprobs, bool *keep)
{
    json_t *value = json_object_get(holder, member);
    struct btz_lane_state *l;
    enum btz_err err;
    bool repeat;

    /* An array is read as a whole by the walk behind. */
    if (!json_is_string(value)) {
        *keep = *keep && (!logprobs || json_is_null(logprobs) || json_array_size(logprobs) == 0);
        return BTZ_OK;
    }
    BTZ_TRY(open_text(s, key, channel, value, &l));
    json_incref(value);
    err = btz_lane_member(s, l, holder, member, final);
    repeat = err == BTZ_OK &&
             may_repeat(s, key, logprobs, btz_text_of(value), btz_buf_slice(&s->scratch));
    json_decref(value);
    *keep = *keep && repeat;
    return err;
}

static enum btz_err delta_texts(struct btz_protocol_stream *s, uint32_t choice, json_t *object,
                                json_t *delta, bool final)
{
    json_t *logprobs = json_object_get(object, "logprobs"), *spoken;
    bool keep = btz_chat_logprobs_plain(logprobs);

    for (size_t i = 0; i < BTZ_COUNT(simple); i++)
        BTZ_TRY(simple_text(
            s, BTZ_LANE_KEY(choice, simple[i].kind, 0), simple[i].channel, delta, simple[i].member,
            final, simple[i].logprobs ? json_object_get(logprobs, simple[i].logprobs) : NULL,
            &keep));
    if (!keep)
        BTZ_TRY(drop_logprobs(s, object));
    spoken = json_object_get(delta, "audio");
    if (json_is_object(spoken)) {
        keep = true;
        BTZ_TRY(simple_text(s, BTZ_LANE_KEY(choice, TRANSCRIPT, 0), BTZ_CHANNEL_OUTPUT, spoken,
                            "transcript", final, NULL, &keep));
    }
    BTZ_TRY(call_piece(s, BTZ_LANE_KEY(choice, OLD_ARGUMENTS, 0),
                       json_object_get(delta, "function_call"), "arguments", final));
    return calls(s, choice, json_object_get(delta, "tool_calls"));
}

static enum btz_err old_text(struct btz_protocol_stream *s, uint32_t choice, json_t *object,
                             bool final)
{
    json_t *logprobs = json_object_get(object, "logprobs");
    bool keep = true;

    if (!json_is_string(json_object_get(object, "text")))
        return BTZ_OK;
    BTZ_TRY(simple_text(s, BTZ_LANE_KEY(choice, TEXT_, 0), BTZ_CHANNEL_OUTPUT, object, "text",
                        final, logprobs, &keep));
    return keep ? BTZ_OK : drop_logprobs(s, object);
}

static enum btz_err choices(struct btz_protocol_stream *s, struct btz_event *e, json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        json_t *delta = json_object_get(one, "delta");
        uint32_t choice;
        bool final;

        if (!json_is_object(one))
            return btz_fail(BTZ_INPUT, "choices[%zu]: an object was expected", i);
        BTZ_TRY(index_of(one, i, 1023, &choice));
        final = has_text(one, "finish_reason");
        if (json_is_object(delta))
            BTZ_TRY(delta_texts(s, choice, one, delta, final));
        else if (!json_is_string(json_object_get(one, "text")) && json_object_get(one, "logprobs"))
            BTZ_TRY(drop_logprobs(s, one));
        BTZ_TRY(old_text(s, choice, one, final));
        if (final)
            BTZ_TRY(flush(s, choice, e->root));
    }
    return BTZ_OK;
}

/* What a call still holds belongs before the chunk that ends its choice; its own piece in that chunk does too. */
static enum btz_err settle_calls(struct btz_protocol_stream *s, struct btz_event *e)
{
    json_t *list = json_object_get(e->root, "choices"), *one, *tool;
    size_t i, k;

    json_array_foreach(list, i, one)
    {
        json_t *tools = json_object_get(json_object_get(one, "delta"), "tool_calls");
        uint32_t choice, part;

        if (!has_text(one, "finish_reason") || json_array_size(tools) == 0)
            continue;
        BTZ_TRY(index_of(one, i, 1023, &choice));
        json_array_foreach(tools, k, tool)
        {
            const char *member = json_object_get(tool, "custom") ? "input" : "arguments";
            json_t *f =
                json_object_get(tool, json_object_get(tool, "custom") ? "custom" : "function");
            struct btz_lane_state *l;

            BTZ_TRY(index_of(tool, k, BTZ_LANE_PART_MAX, &part));
            l = btz_lane_find(
                s, BTZ_LANE_KEY(choice, json_object_get(tool, "custom") ? INPUT : ARGUMENTS, part));
            if (!l || l->ended || !json_is_object(f))
                continue;
            BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
            if (s->scratch.len > 0) {
                BTZ_BUF_RELEASE struct btz_buf all = BTZ_BUF(SIZE_MAX / 4);

                BTZ_TRY(btz_buf_add_slice(&all, btz_text_of(json_object_get(f, member))));
                BTZ_TRY(btz_buf_add_slice(&all, btz_buf_slice(&s->scratch)));
                e->changed = true;
                if (json_object_set_new(f, member, btz_json_text(btz_buf_slice(&all))) != 0)
                    return btz_fail(BTZ_LIMIT, "out of memory for a text");
            }
        }
    }
    return BTZ_OK;
}

static enum btz_err chat_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    json_t *list = json_object_get(e->root, "choices"), *usage = json_object_get(e->root, "usage");

    btz_usage_openai(usage, &s->usage);
    if (json_object_get(e->root, "error"))
        s->told = true;
    if (list && !json_is_null(list) && !json_is_array(list))
        return btz_fail(BTZ_INPUT, "\"choices\": a list was expected");
    BTZ_TRY(choices(s, e, list));
    BTZ_TRY(settle_calls(s, e));
    BTZ_TRY(btz_stream_walk(s, e->root, &chunk, BTZ_CHANNEL_OUTPUT));
    if (s->o.hide_usage && json_is_object(usage) && json_array_size(list) == 0 && !s->translator)
        return btz_stream_withhold(s);
    return btz_stream_emit(s, e);
}

static enum btz_err chat_done(struct btz_protocol_stream *s)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        l->in_event = false;
    BTZ_TRY(flush(s, UINT32_MAX, s->last));
    s->ended = true;
    return btz_stream_done(s);
}

static enum btz_err chat_end(struct btz_protocol_stream *s, bool *proper)
{
    bool open = !s->lanes;

    for (struct btz_lane_state *l = s->lanes; l; l = l->next) {
        open = open || !l->ended;
        l->in_event = false;
    }
    BTZ_TRY(flush(s, UINT32_MAX, s->last));
    /* Every text came to its end, or the upstream said itself that it failed: only the last line is missing. */
    *proper = s->told || !open;
    return *proper ? btz_stream_done(s) : BTZ_OK;
}

const struct btz_stream_family btz_chat_stream = { .event = chat_event,
                                                   .done = chat_done,
                                                   .end = chat_end };
