/*
 * Streams of /v1/responses, and of images, speech and transcription, whose events have the same form. A text comes in
 * pieces, then whole when it is done, then again with its part, its item and the response: what was released of it stands in
 * for each repetition.
 */
#include "gate/protocol/members.h"
#include "gate/protocol/stream.h"

/* Texts that grow: names of their events before ".delta" and ".done". */
static const struct grows {
    const char *event, *whole; /* member of the done event */
    const char *index;         /* member that numbers it within the item */
    enum btz_channel channel;
} kinds[] = {
    { "response.output_text", "text", "content_index", BTZ_CHANNEL_OUTPUT },
    { "response.refusal", "refusal", "content_index", BTZ_CHANNEL_OUTPUT },
    { "response.reasoning_text", "text", "content_index", BTZ_CHANNEL_REASONING },
    { "response.reasoning_summary_text", "text", "summary_index", BTZ_CHANNEL_REASONING },
    { "response.function_call_arguments", "arguments", NULL, BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "response.mcp_call_arguments", "arguments", NULL, BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "response.custom_tool_call_input", "input", NULL, BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "response.code_interpreter_call_code", "code", NULL, BTZ_CHANNEL_TOOL_ARGUMENTS },
    { "response.audio.transcript", "transcript", NULL, BTZ_CHANNEL_OUTPUT },
    { "transcript.text", "text", NULL, BTZ_CHANNEL_OUTPUT },
};
enum {
    OUTPUT_TEXT,
    REFUSAL,
    REASONING_TEXT,
    SUMMARY,
    ARGUMENTS,
    MCP_ARGUMENTS,
    CUSTOM_INPUT,
    CODE
};

static const struct btz_shape_member event_members[] = {
    ID("type"),
    ID("sequence_number"),
    ID("output_index"),
    ID("content_index"),
    ID("summary_index"),
    ID("annotation_index"),
    ID("item_id"),
    ID("status"),
    ID("call_id"),
    TEXT("delta", BTZ_CHANNEL_OUTPUT),
    TEXT("text", BTZ_CHANNEL_OUTPUT),
    TEXT("refusal", BTZ_CHANNEL_OUTPUT),
    TEXT("arguments", BTZ_CHANNEL_TOOL_ARGUMENTS),
    TEXT("input", BTZ_CHANNEL_TOOL_ARGUMENTS),
    TEXT("code", BTZ_CHANNEL_OUTPUT),
    ID("name"),
    TEXT("message", BTZ_CHANNEL_OUTPUT),
    ID("param"),
    LOGPROBS, /* looked at before */
    OPAQUE("obfuscation"),
    OBJECT_IN("response", BTZ_CHANNEL_OUTPUT, btz_shape_responses_response),
    OBJECT_IN("item", BTZ_CHANNEL_OUTPUT, btz_responses_item),
    OBJECT_IN("part", BTZ_CHANNEL_OUTPUT, btz_responses_part),
    OBJECT_IN("annotation", BTZ_CHANNEL_OUTPUT, btz_responses_annotation),
    OBJECT_IN("error", BTZ_CHANNEL_OUTPUT, btz_openai_error),
    OBJECT("usage", btz_openai_usage),
    { "partial_image_b64", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_OUTPUT, NULL },
    { "b64_json", BTZ_SHAPE_IMAGE, BTZ_CHANNEL_OUTPUT, NULL },
    DATA("audio"),
    ID("size"),
    ID("quality"),
    ID("background"),
    ID("output_format"),
    LAST
};
static const struct btz_shape event_shape = { event_members, NULL, NULL };

/* ---- texts that lanes took care of stand aside while the rest of an event is read ---- */

struct aside {
    json_t *holder, *value;
    const char *key;
};

static enum btz_err put_aside(struct btz_buf *list, json_t *holder, const char *key)
{
    struct aside a = { .holder = holder, .value = json_object_get(holder, key), .key = key };

    if (!a.value)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add(list, &a, sizeof a));
    json_incref(a.value);
    if (json_object_set_new(holder, key, json_null()) != 0) {
        json_decref(a.value);
        list->len -= sizeof a;
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    }
    return BTZ_OK;
}

static void put_back(struct btz_buf *list)
{
    for (size_t at = 0; at < list->len; at += sizeof(struct aside)) {
        struct aside a;

        memcpy(&a, list->ptr + at, sizeof a);
        (void)json_object_set_new(a.holder, a.key, a.value);
    }
    btz_buf_release(list);
}

/* ---- lanes ---- */

static uint32_t small(const json_t *root, const char *key)
{
    json_int_t n = key ? json_integer_value(json_object_get(root, key)) : 0;

    return n < 0 || n > (json_int_t)BTZ_LANE_PART_MAX ? BTZ_LANE_PART_MAX : (uint32_t)n;
}

static enum btz_err flush(struct btz_protocol_stream *s, struct btz_lane_state *l,
                          const char *item_id)
{
    size_t kind = (size_t)(l->key >> 24 & 0xff);
    json_t *root, *sequence = json_object_get(s->at ? s->at->root : s->last, "sequence_number");
    char name[64];

    if (l->ended)
        return BTZ_OK;
    BTZ_TRY(btz_lane_piece(s, l, btz_str(""), true));
    if (s->scratch.len == 0)
        return BTZ_OK;
    snprintf(name, sizeof name, "%s.delta", kinds[kind].event);
    root = json_pack("{s:s, s:s?, s:i, s:o}", "type", name, "item_id", item_id, "output_index",
                     (int)l->lane.choice, "delta", btz_json_text(btz_buf_slice(&s->scratch)));
    if (kinds[kind].index)
        (void)json_object_set_new(root, kinds[kind].index, json_integer(l->lane.part));
    if (kind == OUTPUT_TEXT)
        (void)json_object_set_new(root, "logprobs", json_array());
    if (json_is_integer(sequence))
        (void)json_object_set_new(root, "sequence_number", json_incref(sequence));
    BTZ_TRY(btz_stream_emit_new(s, name, root));
    s->shift += json_is_integer(sequence) ? 1 : 0;
    return BTZ_OK;
}

static enum btz_err flush_all(struct btz_protocol_stream *s)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        BTZ_TRY(flush(s, l, NULL));
    return BTZ_OK;
}

/* A whole text takes the form in which its pieces were released; without pieces it is one piece itself. */
static enum btz_err whole(struct btz_protocol_stream *s, uint64_t key, json_t *holder,
                          const char *member, const char *item_id, struct btz_buf *aside)
{
    json_t *value = json_object_get(holder, member);
    struct btz_lane_state *l = btz_lane_find(s, key);
    size_t kind = (size_t)(key >> 24 & 0xff);

    if (!json_is_string(value))
        return BTZ_OK;
    if (!l) {
        if (json_string_length(value) == 0 && kinds[kind].channel != BTZ_CHANNEL_TOOL_ARGUMENTS)
            return BTZ_OK;
        BTZ_TRY(btz_lane_open(s, key, kinds[kind].channel, &l));
        l->lane.answer = kind == OUTPUT_TEXT;
        if (!l->tool && kinds[kind].channel == BTZ_CHANNEL_TOOL_ARGUMENTS) {
            struct btz_slice name = btz_text_of(json_object_get(holder, "name"));

            if (name.len > 0)
                BTZ_TRY(btz_lane_name(l, name));
        }
        BTZ_TRY(btz_lane_piece(s, l, btz_text_of(value), true));
    }
    BTZ_TRY(flush(s, l, item_id));
    if (!btz_slice_equal(btz_text_of(value), btz_buf_slice(&l->released))) {
        s->at->changed = true;
        if (json_object_set_new(holder, member, btz_json_text(btz_buf_slice(&l->released))) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for a text");
    }
    return put_aside(aside, holder, member);
}

static enum btz_err no_logprobs(struct btz_protocol_stream *s, json_t *holder)
{
    s->at->changed = true;
    if (json_object_set_new(holder, "logprobs", json_array()) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    return BTZ_OK;
}

/* Log probabilities of a whole text: only of one that went out as it came. They stand aside, as the text does. */
static enum btz_err whole_logprobs(struct btz_protocol_stream *s, uint64_t key, json_t *holder,
                                   struct btz_slice before, struct btz_buf *aside)
{
    struct btz_lane_state *l = btz_lane_find(s, key);
    const json_t *list = json_object_get(holder, "logprobs");

    if (json_array_size(list) == 0 && btz_logprobs_fit(list, before))
        return BTZ_OK;
    if (!l || l->changed || l->no_logprobs || !btz_logprobs_repeat(list, before))
        return no_logprobs(s, holder);
    BTZ_TRY(btz_words_tokens(&s->words, list));
    return put_aside(aside, holder, "logprobs");
}

static enum btz_err part_texts(struct btz_protocol_stream *s, json_t *part, uint32_t item,
                               uint32_t index, const char *item_id, bool summary,
                               struct btz_buf *aside)
{
    struct btz_slice type = btz_text_of(json_object_get(part, "type"));
    size_t kind = summary                                ? SUMMARY
                  : btz_slice_is(type, "refusal")        ? REFUSAL
                  : btz_slice_is(type, "reasoning_text") ? REASONING_TEXT
                                                         : OUTPUT_TEXT;
    json_t *before = json_incref(json_object_get(part, "text"));
    uint64_t key = BTZ_LANE_KEY(item, kind, index);
    enum btz_err err = whole(s, key, part, kind == REFUSAL ? "refusal" : "text", item_id, aside);

    if (err == BTZ_OK)
        err = whole_logprobs(s, key, part, btz_text_of(before), aside);
    json_decref(before);
    return err;
}

/* An item says its texts again. Of a part or an item that only begins, nothing was said yet. */
static enum btz_err item_texts(struct btz_protocol_stream *s, json_t *item, uint32_t at,
                               struct btz_buf *aside)
{
    static const struct {
        const char *type, *member;
        unsigned kind;
    } single[] = { { "function_call", "arguments", ARGUMENTS },
                   { "mcp_call", "arguments", MCP_ARGUMENTS },
                   { "custom_tool_call", "input", CUSTOM_INPUT },
                   { "code_interpreter_call", "code", CODE } };
    struct btz_slice type = btz_text_of(json_object_get(item, "type"));
    const char *id = json_string_value(json_object_get(item, "id"));
    json_t *one;
    size_t i;

    for (i = 0; i < BTZ_COUNT(single); i++)
        if (btz_slice_is(type, single[i].type))
            BTZ_TRY(
                whole(s, BTZ_LANE_KEY(at, single[i].kind, 0), item, single[i].member, id, aside));
    if (!btz_slice_is(type, "message") && !btz_slice_is(type, "reasoning"))
        return BTZ_OK;
    json_array_foreach(json_object_get(item, "content"), i, one)
    {
        BTZ_TRY(part_texts(s, one, at, (uint32_t)i, id, false, aside));
    }
    json_array_foreach(json_object_get(item, "summary"), i, one)
    {
        BTZ_TRY(part_texts(s, one, at, (uint32_t)i, id, true, aside));
    }
    return BTZ_OK;
}

/* Whoever watches hears of a tool before the client does. */
static enum btz_err item_added(struct btz_protocol_stream *s, json_t *item, uint32_t at,
                               struct btz_buf *aside)
{
    static const struct {
        const char *type, *member;
        unsigned kind;
    } calls[] = { { "function_call", "arguments", ARGUMENTS },
                  { "mcp_call", "arguments", MCP_ARGUMENTS },
                  { "custom_tool_call", "input", CUSTOM_INPUT } };
    struct btz_slice type = btz_text_of(json_object_get(item, "type"));

    for (size_t i = 0; i < BTZ_COUNT(calls); i++) {
        struct btz_lane_state *l;

        if (!btz_slice_is(type, calls[i].type))
            continue;
        BTZ_TRY(
            btz_lane_open(s, BTZ_LANE_KEY(at, calls[i].kind, 0), BTZ_CHANNEL_TOOL_ARGUMENTS, &l));
        BTZ_TRY(btz_lane_name(l, btz_text_of(json_object_get(item, "name"))));
        BTZ_TRY(btz_lane_piece(s, l, btz_str(""), false));
        if (json_string_length(json_object_get(item, calls[i].member)) == 0)
            return put_aside(aside, item, calls[i].member);
    }
    return item_texts(s, item, at, aside);
}

/* ---- events ---- */

/* `type` is that of a text that grows, with `end` behind. */
static const struct grows *grows_of(struct btz_slice type, const char *end)
{
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        size_t n = strlen(kinds[i].event);

        if (type.len == n + strlen(end) && memcmp(type.ptr, kinds[i].event, n) == 0 &&
            memcmp(type.ptr + n, end, type.len - n) == 0)
            return &kinds[i];
    }
    return NULL;
}

static enum btz_err delta(struct btz_protocol_stream *s, struct btz_event *e, const struct grows *g,
                          struct btz_buf *aside)
{
    uint64_t key =
        BTZ_LANE_KEY(small(e->root, "output_index"), g - kinds, small(e->root, g->index));
    json_t *piece = json_incref(json_object_get(e->root, "delta"));
    const json_t *list = json_object_get(e->root, "logprobs");
    struct btz_lane_state *l;
    enum btz_err err = btz_lane_open(s, key, g->channel, &l);

    if (err == BTZ_OK)
        l->lane.answer = g - kinds == OUTPUT_TEXT;
    if (err == BTZ_OK && g->channel == BTZ_CHANNEL_TOOL_ARGUMENTS && !l->tool && g - kinds != CODE)
        err = btz_fail(BTZ_INPUT, "arguments of a tool call without a name");
    if (err == BTZ_OK)
        err = btz_lane_member(s, l, e->root, "delta", false);
    if (err == BTZ_OK && list && !json_is_null(list) &&
        !(json_is_array(list) && json_array_size(list) == 0)) {
        l->no_logprobs = l->no_logprobs || l->changed || l->pending.len > 0 ||
                         !btz_slice_equal(btz_text_of(piece), btz_buf_slice(&s->scratch)) ||
                         !btz_logprobs_repeat(list, btz_text_of(piece));
        if (l->no_logprobs)
            err = no_logprobs(s, e->root);
    }
    if (err == BTZ_OK && json_is_string(piece))
        err = put_aside(aside, e->root, "delta");
    json_decref(piece);
    return err;
}

static enum btz_err done(struct btz_protocol_stream *s, struct btz_event *e, const struct grows *g,
                         struct btz_buf *aside)
{
    uint64_t key =
        BTZ_LANE_KEY(small(e->root, "output_index"), g - kinds, small(e->root, g->index));
    json_t *before = json_incref(json_object_get(e->root, g->whole));
    struct btz_lane_state *l = btz_lane_find(s, key);
    const char *id = json_string_value(json_object_get(e->root, "item_id"));
    enum btz_err err = whole(s, key, e->root, g->whole, id, aside);

    if (err == BTZ_OK && l && !json_is_string(before))
        err = flush(s, l, id);
    if (err == BTZ_OK)
        err = whole_logprobs(s, key, e->root, btz_text_of(before), aside);
    json_decref(before);
    return err;
}

static enum btz_err texts(struct btz_protocol_stream *s, struct btz_event *e, struct btz_buf *aside)
{
    struct btz_slice type = btz_text_of(json_object_get(e->root, "type"));
    uint32_t at = small(e->root, "output_index");
    json_t *response = json_object_get(e->root, "response"), *item;
    const struct grows *g;
    size_t i;

    g = grows_of(type, ".delta");
    if (g)
        return delta(s, e, g, aside);
    g = grows_of(type, ".done");
    if (g)
        return done(s, e, g, aside);
    if (btz_slice_is(type, "response.output_item.added"))
        return item_added(s, json_object_get(e->root, "item"), at, aside);
    if (btz_slice_is(type, "response.output_item.done"))
        return item_texts(s, json_object_get(e->root, "item"), at, aside);
    if (btz_slice_is(type, "response.content_part.done"))
        return part_texts(s, json_object_get(e->root, "part"), at, small(e->root, "content_index"),
                          json_string_value(json_object_get(e->root, "item_id")), false, aside);
    if (btz_slice_is(type, "response.reasoning_summary_part.done"))
        return part_texts(s, json_object_get(e->root, "part"), at, small(e->root, "summary_index"),
                          json_string_value(json_object_get(e->root, "item_id")), true, aside);
    if (json_object_get(e->root, "logprobs"))
        BTZ_TRY(no_logprobs(s, e->root));
    json_array_foreach(json_object_get(response, "output"), i, item)
    {
        BTZ_TRY(item_texts(s, item, (uint32_t)i, aside));
    }
    return BTZ_OK;
}

static bool is_end(struct btz_slice type)
{
    static const char *const ends[] = {
        "response.completed",   "response.failed",   "response.incomplete",
        "transcript.text.done", "speech.audio.done", "image_generation.completed",
        "image_edit.completed",
    };

    for (size_t i = 0; i < BTZ_COUNT(ends); i++)
        if (btz_slice_is(type, ends[i]))
            return true;
    return false;
}

static enum btz_err responses_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    struct btz_slice type = btz_text_of(json_object_get(e->root, "type"));
    struct btz_buf aside = BTZ_BUF(1 << 20);
    bool image = btz_slice_has_prefix(type, btz_str("image_"));
    enum btz_err err;

    btz_usage_openai(json_object_get(json_object_get(e->root, "response"), "usage"), &s->usage);
    btz_usage_openai(json_object_get(e->root, "usage"), &s->usage);
    if (is_end(type) || btz_slice_is(type, "error"))
        BTZ_TRY(flush_all(s));
    err = texts(s, e, &aside);
    if (err == BTZ_OK)
        err = btz_stream_walk(s, e->root, &event_shape, BTZ_CHANNEL_OUTPUT);
    /* A piece of a text that grows unknown to us. */
    if (err == BTZ_OK && json_object_get(e->root, "delta"))
        err = btz_stream_unnamed(&(struct btz_walk){ .user = s }, "delta",
                                 json_object_get(e->root, "delta"));
    put_back(&aside);
    if (err != BTZ_OK)
        return err;
    if (btz_slice_is(type, "error"))
        s->told = true;
    /* Several images may be drawn: only the connection's end is theirs. */
    if (is_end(type) && image)
        s->told = true;
    else if (is_end(type))
        s->ended = true;
    return btz_stream_emit(s, e);
}

static enum btz_err responses_done(struct btz_protocol_stream *s)
{
    BTZ_TRY(flush_all(s));
    s->ended = true;
    return btz_stream_done(s);
}

static enum btz_err responses_end(struct btz_protocol_stream *s, bool *proper)
{
    BTZ_TRY(flush_all(s));
    *proper = s->told;
    return BTZ_OK;
}

const struct btz_stream_family btz_responses_stream = {
    .remember = true, .event = responses_event, .done = responses_done, .end = responses_end
};
