/* Streams of /v1/messages: blocks of content that begin, grow and end, one after the other. */
#include "gate/protocol/members.h"
#include "gate/protocol/stream.h"

extern const struct btz_shape btz_anthropic_error, btz_anthropic_usage, btz_anthropic_citation;
extern const struct btz_shape *const btz_anthropic_block;

/* What grows in which kind of block, and the change that carries it. */
static const struct grows {
    const char *block, *member; /* initial text */
    const char *delta, *delta_member;
    enum btz_channel channel;
} kinds[] = {
    { "text", "text", "text_delta", "text", BTZ_CHANNEL_OUTPUT },
    { "thinking", "thinking", "thinking_delta", "thinking", BTZ_CHANNEL_REASONING },
    { "tool_use", NULL, "input_json_delta", "partial_json", BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "server_tool_use", NULL, "input_json_delta", "partial_json", BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "mcp_tool_use", NULL, "input_json_delta", "partial_json", BTZ_CHANNEL_TOOL_ARGUMENTS },
};

static const struct btz_shape_member text_members[] = {
    ID("type"), LANE("text", BTZ_CHANNEL_OUTPUT),
    OBJECT_IN("citations", BTZ_CHANNEL_OUTPUT, btz_anthropic_citation), LAST
};
static const struct btz_shape text_block = { text_members, NULL, NULL };
static const struct btz_shape_member thinking_members[] = { ID("type"),
                                                            LANE("thinking", BTZ_CHANNEL_REASONING),
                                                            OPAQUE("signature"), LAST };
static const struct btz_shape thinking_block = { thinking_members, NULL, NULL };
static const struct btz_shape_member caller_members[] = { ID("type"), ID("tool_id"), LAST };
static const struct btz_shape caller = { caller_members, NULL, NULL };
static const struct btz_shape_member use_members[] = {
    ID("type"),    ID("id"), ID("name"), ID("server_name"), OBJECT("caller", caller),
    READ("input"), /* read before, with the tool's name */
    LAST
};
static const struct btz_shape use_block = { use_members, NULL, NULL };

static const struct btz_shape_member delta_members[] = {
    ID("type"),
    LANE("text", BTZ_CHANNEL_OUTPUT),
    LANE("thinking", BTZ_CHANNEL_REASONING),
    LANE("partial_json", BTZ_CHANNEL_TOOL_ARGUMENTS),
    OPAQUE("signature"),
    OBJECT_IN("citation", BTZ_CHANNEL_OUTPUT, btz_anthropic_citation),
    ID("stop_reason"),
    TEXT("stop_sequence", BTZ_CHANNEL_OUTPUT),
    LAST
};
static const struct btz_shape delta_shape = { delta_members, NULL, NULL };
static const struct btz_shape_member event_members[] = {
    ID("type"),
    ID("index"),
    OBJECT_IN("delta", BTZ_CHANNEL_OUTPUT, delta_shape),
    READ("content_block"), /* read by its own shape */
    OBJECT_IN("message", BTZ_CHANNEL_OUTPUT, btz_shape_messages_response),
    OBJECT("usage", btz_anthropic_usage),
    OBJECT_IN("error", BTZ_CHANNEL_OUTPUT, btz_anthropic_error),
    ID("request_id"),
    LAST
};
static const struct btz_shape event_shape = { event_members, NULL, NULL };

static enum btz_err index_of(const json_t *root, uint32_t *out)
{
    const json_t *index = json_object_get(root, "index");

    if (!json_is_integer(index) || json_integer_value(index) < 0 ||
        json_integer_value(index) > 100000)
        return btz_fail(BTZ_INPUT, "\"index\": the number of a block was expected");
    *out = (uint32_t)json_integer_value(index);
    return BTZ_OK;
}

/* What a lane still holds, as one more change before the block ends. */
static enum btz_err flush(struct btz_protocol_stream *s, struct btz_lane_state *l)
{
    const struct grows *g = &kinds[l->key >> 24 & 0xff];
    json_t *root;

    BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
    if (s->scratch.len == 0)
        return BTZ_OK;
    root = json_pack("{s:s, s:i, s:{s:s, s:o}}", "type", "content_block_delta", "index",
                     (int)l->lane.choice, "delta", "type", g->delta, g->delta_member,
                     btz_json_text(btz_buf_slice(&s->scratch)));
    return btz_stream_emit_new(s, "content_block_delta", root);
}

static enum btz_err flush_all(struct btz_protocol_stream *s)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        if (!l->ended)
            BTZ_TRY(flush(s, l));
    return BTZ_OK;
}

static struct btz_lane_state *lane_at(struct btz_protocol_stream *s, uint32_t index)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        if (l->lane.choice == index)
            return l;
    return NULL;
}

static enum btz_err start(struct btz_protocol_stream *s, struct btz_event *e)
{
    json_t *block = json_object_get(e->root, "content_block"), *input;
    struct btz_slice type = btz_text_of(json_object_get(block, "type"));
    struct btz_lane_state *l;
    uint32_t index;
    size_t k;

    BTZ_TRY(index_of(e->root, &index));
    if (!json_is_object(block))
        return btz_fail(BTZ_INPUT, "\"content_block\": an object was expected");
    l = lane_at(s, index);
    if (l && !l->ended)
        return btz_fail(BTZ_INPUT, "a block that begins twice");
    if (l)
        btz_lane_close(s, l);
    for (k = 0; k < BTZ_COUNT(kinds) && !btz_slice_is(type, kinds[k].block); k++)
        ;
    if (k == BTZ_COUNT(kinds))
        return btz_stream_walk(s, block, btz_anthropic_block, BTZ_CHANNEL_OUTPUT);
    BTZ_TRY(btz_lane_open(s, BTZ_LANE_KEY(index, k, 0), kinds[k].channel, &l));
    l->lane.answer = k == 0;
    if (kinds[k].member) {
        BTZ_TRY(btz_lane_member(s, l, block, kinds[k].member, false));
        return btz_stream_walk(s, block, k == 0 ? &text_block : &thinking_block,
                               BTZ_CHANNEL_OUTPUT);
    }
    BTZ_TRY(btz_lane_name(l, btz_text_of(json_object_get(block, "name"))));
    /* Whoever watches hears of the tool before the client does. */
    BTZ_TRY(btz_lane_piece(s, l, btz_str(""), false));
    input = json_object_get(block, "input");
    if (input && !json_is_null(input) && (!json_is_object(input) || json_object_size(input) > 0)) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 4);
        struct btz_part part = { .channel = BTZ_CHANNEL_TOOL_ARGUMENTS,
                                 .holder = block,
                                 .key = "input",
                                 .form = BTZ_PART_JSON };

        BTZ_TRY(btz_json_write(input, false, &text));
        part.text = btz_buf_slice(&text);
        BTZ_TRY(btz_stream_whole(s, &part, l->lane.tool));
    }
    return btz_stream_walk(s, block, &use_block, BTZ_CHANNEL_TOOL_ARGUMENTS);
}

/* False: the event is not to go on. */
static enum btz_err delta(struct btz_protocol_stream *s, struct btz_event *e, bool *keep)
{
    json_t *change = json_object_get(e->root, "delta");
    struct btz_slice type = btz_text_of(json_object_get(change, "type"));
    struct btz_lane_state *l;
    uint32_t index;

    BTZ_TRY(index_of(e->root, &index));
    l = lane_at(s, index);
    if (btz_slice_is(type, "signature_delta") && l) {
        /* The signature is of the text as it was, and ends it. */
        if (!l->ended)
            BTZ_TRY(flush(s, l));
        *keep = !l->changed;
        return BTZ_OK;
    }
    for (size_t k = 0; k < BTZ_COUNT(kinds); k++) {
        if (!json_is_string(json_object_get(change, kinds[k].delta_member)))
            continue;
        if (!l || !btz_slice_is(type, kinds[l->key >> 24 & 0xff].delta) ||
            !btz_slice_is(type, kinds[k].delta))
            return btz_fail(BTZ_INPUT, "a change of another kind than its block");
        return btz_lane_member(s, l, change, kinds[k].delta_member, false);
    }
    return BTZ_OK;
}

static enum btz_err messages_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    struct btz_slice type = btz_text_of(json_object_get(e->root, "type"));
    bool keep = true;
    uint32_t index;

    if (btz_slice_is(type, "content_block_start"))
        BTZ_TRY(start(s, e));
    else if (json_object_get(e->root, "content_block"))
        return btz_fail(BTZ_INPUT, "a block outside of its event");
    if (btz_slice_is(type, "content_block_delta")) {
        BTZ_TRY(delta(s, e, &keep));
    } else if (json_is_string(json_object_get(json_object_get(e->root, "delta"), "text")) ||
               json_is_string(json_object_get(json_object_get(e->root, "delta"), "thinking")) ||
               json_is_string(json_object_get(json_object_get(e->root, "delta"), "partial_json"))) {
        return btz_fail(BTZ_INPUT, "a change outside of its event");
    }
    if (btz_slice_is(type, "content_block_stop")) {
        struct btz_lane_state *l;

        BTZ_TRY(index_of(e->root, &index));
        l = lane_at(s, index);
        if (l && !l->ended)
            BTZ_TRY(flush(s, l));
    }
    if (btz_slice_is(type, "message_delta") || btz_slice_is(type, "message_stop") ||
        btz_slice_is(type, "error"))
        BTZ_TRY(flush_all(s));
    btz_usage_anthropic(json_object_get(json_object_get(e->root, "message"), "usage"), &s->usage);
    btz_usage_anthropic(json_object_get(e->root, "usage"), &s->usage);
    BTZ_TRY(btz_stream_walk(s, e->root, &event_shape, BTZ_CHANNEL_OUTPUT));
    if (btz_slice_is(type, "error"))
        s->told = true;
    if (btz_slice_is(type, "message_stop"))
        s->ended = true;
    return keep ? btz_stream_emit(s, e) : btz_stream_withhold(s);
}

static enum btz_err messages_end(struct btz_protocol_stream *s, bool *proper)
{
    BTZ_TRY(flush_all(s));
    *proper = s->told;
    return s->told
               ? btz_stream_emit_new(s, "message_stop", json_pack("{s:s}", "type", "message_stop"))
               : BTZ_OK;
}

const struct btz_stream_family btz_messages_stream = { .event = messages_event,
                                                       .end = messages_end };
