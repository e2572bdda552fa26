#include <stdlib.h>

#include "gate/protocol/stream.h"

#define EVENT_MAX      1048576
#define LANES_MAX      1024
#define NAME_MAX_      96
#define REMEMBERED_MAX (32 << 20)

enum btz_err btz_protocol_stream_new(const struct btz_stream_options *o,
                                     const struct btz_lane_ops *ops, void *user,
                                     struct btz_protocol_stream **out)
{
    const struct btz_family *f = btz_family_of(o->from);
    struct btz_protocol_stream *s;
    enum btz_err err;

    if (!f->stream)
        return btz_fail(BTZ_UNSUPPORTED, "%s: does not answer in streams", f->name);
    s = calloc(1, sizeof *s);
    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory for a stream");
    s->o = *o;
    if (s->o.event_max == 0)
        s->o.event_max = EVENT_MAX;
    s->family = f->stream;
    s->ops = ops;
    s->user = user;
    s->line = s->data = BTZ_BUF(s->o.event_max);
    s->name = BTZ_BUF(NAME_MAX_);
    s->extra = BTZ_BUF(4096);
    s->scratch = BTZ_BUF(SIZE_MAX / 4);
    s->words = (struct btz_words)BTZ_WORDS;
    for (size_t i = 0; i < BTZ_PASSED; i++)
        s->passed[i] = BTZ_BUF(2 * BTZ_WORDS_MAX);
    if (o->model) {
        s->model = strdup(o->model);
        if (!s->model) {
            btz_protocol_stream_free(s);
            return btz_fail(BTZ_LIMIT, "out of memory for a stream");
        }
    }
    if (o->from != o->to) {
        err = btz_translator_new(s, &s->translator);
        if (err != BTZ_OK) {
            btz_protocol_stream_free(s);
            return err;
        }
    }
    *out = s;
    return BTZ_OK;
}

static bool is_lines(const struct btz_protocol_stream *s)
{
    return s->family->lines || s->o.lines;
}

static void lane_free(struct btz_protocol_stream *s, struct btz_lane_state *l)
{
    if (l->lane.user && s->ops->drop)
        s->ops->drop(s->user, &l->lane);
    btz_buf_release(&l->pending);
    btz_buf_release(&l->released);
    free(l->tool);
    free(l);
}

void btz_protocol_stream_free(struct btz_protocol_stream *s)
{
    if (!s)
        return;
    while (s->lanes) {
        struct btz_lane_state *next = s->lanes->next;

        lane_free(s, s->lanes);
        s->lanes = next;
    }
    btz_buf_release(&s->line);
    btz_buf_release(&s->name);
    btz_buf_release(&s->data);
    btz_buf_release(&s->extra);
    btz_buf_release(&s->scratch);
    btz_words_release(&s->words);
    for (size_t i = 0; i < BTZ_PASSED; i++)
        btz_buf_release(&s->passed[i]);
    btz_places_free(s->places);
    btz_translator_free(s->translator);
    json_decref(s->last);
    free(s->model);
    free(s);
}

const struct btz_usage *btz_protocol_stream_usage(const struct btz_protocol_stream *s)
{
    return &s->usage;
}

uint64_t btz_protocol_stream_unread(const struct btz_protocol_stream *s)
{
    return s->unread;
}

bool btz_protocol_stream_ended(const struct btz_protocol_stream *s)
{
    return s->ended;
}

/* ---- lanes ---- */

struct btz_lane_state *btz_lane_find(struct btz_protocol_stream *s, uint64_t key)
{
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        if (l->key == key)
            return l;
    return NULL;
}

enum btz_err btz_lane_open(struct btz_protocol_stream *s, uint64_t key, enum btz_channel channel,
                           struct btz_lane_state **out)
{
    struct btz_lane_state *l = btz_lane_find(s, key), **end;

    if (!l) {
        if (s->lane_count == LANES_MAX)
            return btz_fail(BTZ_LIMIT, "more than %d texts in one stream", LANES_MAX);
        l = calloc(1, sizeof *l);
        if (!l)
            return btz_fail(BTZ_LIMIT, "out of memory for a stream");
        l->key = key;
        l->lane.channel = channel;
        l->lane.choice = (uint32_t)(key >> 32);
        l->lane.part = (uint32_t)(key & BTZ_LANE_PART_MAX);
        l->pending = l->released = BTZ_BUF(64u << 20);
        for (end = &s->lanes; *end; end = &(*end)->next)
            ;
        *end = l;
        s->lane_count++;
    }
    *out = l;
    return BTZ_OK;
}

void btz_lane_close(struct btz_protocol_stream *s, struct btz_lane_state *l)
{
    struct btz_lane_state **at = &s->lanes;

    while (*at && *at != l)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = l->next;
    s->lane_count--;
    lane_free(s, l);
}

enum btz_err btz_lane_name(struct btz_lane_state *l, struct btz_slice tool)
{
    if (l->tool)
        return btz_slice_equal(l->lane.tool, tool)
                   ? BTZ_OK
                   : btz_fail(BTZ_INPUT, "a tool call that changes its name");
    if (tool.len == 0 || !btz_is_word(tool))
        return btz_fail(BTZ_INPUT, "a tool's name was expected");
    l->tool = strndup((const char *)tool.ptr, tool.len);
    if (!l->tool)
        return btz_fail(BTZ_LIMIT, "out of memory for a tool's name");
    l->lane.tool = btz_str(l->tool);
    return BTZ_OK;
}

/* Was what came out what went in? Log probabilities and signatures of a changed text are not let through. */
static enum btz_err compare(struct btz_lane_state *l, struct btz_slice in, struct btz_slice out,
                            bool final)
{
    if (l->changed || (l->pending.len == 0 && btz_slice_equal(in, out)))
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_slice(&l->pending, in));
    if (out.len > l->pending.len || (out.len && memcmp(out.ptr, l->pending.ptr, out.len) != 0) ||
        (final && out.len != l->pending.len)) {
        l->changed = true;
        btz_buf_release(&l->pending);
        return BTZ_OK;
    }
    memmove(l->pending.ptr, l->pending.ptr + out.len, l->pending.len - out.len);
    l->pending.len -= out.len;
    return BTZ_OK;
}

/* Bytes at the end that begin a character and do not finish it. */
static size_t unfinished(struct btz_slice s)
{
    for (size_t n = 1; n <= 3 && n <= s.len; n++) {
        uint8_t c = s.ptr[s.len - n];

        if ((c & 0xC0) == 0x80)
            continue;
        if (c >= 0xC2 && n < (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u))
            return n;
        return 0;
    }
    return 0;
}

enum btz_err btz_lane_piece(struct btz_protocol_stream *s, struct btz_lane_state *l,
                            struct btz_slice piece, bool final)
{
    size_t cut;

    btz_buf_clear(&s->scratch);
    if (l->ended) {
        if (piece.len > 0)
            return btz_fail(BTZ_INPUT, "a text that goes on after its end");
        return BTZ_OK;
    }
    BTZ_TRY(btz_buf_add(&s->scratch, l->tail, l->tail_len));
    BTZ_TRY(s->ops->text(s->user, &l->lane, piece, final, &s->scratch));
    l->ended = final;
    /* JSON holds whole characters only. */
    cut = final ? 0 : unfinished(btz_buf_slice(&s->scratch));
    l->tail_len = (unsigned)cut;
    s->scratch.len -= cut;
    if (cut > 0)
        memcpy(l->tail, s->scratch.ptr + s->scratch.len, cut);
    if (s->family->remember) {
        s->remembered += s->scratch.len;
        if (s->remembered > REMEMBERED_MAX)
            return btz_fail(BTZ_LIMIT, "more than %d bytes of text in one stream", REMEMBERED_MAX);
        BTZ_TRY(btz_buf_add_slice(&l->released, btz_buf_slice(&s->scratch)));
    }
    return compare(l, piece, btz_buf_slice(&s->scratch), final);
}

enum btz_err btz_lane_member(struct btz_protocol_stream *s, struct btz_lane_state *l,
                             json_t *holder, const char *key, bool final)
{
    json_t *value = json_object_get(holder, key);

    if (!json_is_string(value))
        return BTZ_OK;
    l->in_event = true;
    BTZ_TRY(btz_lane_piece(s, l, btz_text_of(value), final));
    if (btz_slice_equal(btz_text_of(value), btz_buf_slice(&s->scratch)))
        return BTZ_OK;
    s->at->changed = true;
    if (json_object_set_new(holder, key, btz_json_text(btz_buf_slice(&s->scratch))) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    return BTZ_OK;
}

enum btz_err btz_stream_put(struct btz_protocol_stream *s, const struct btz_part *part,
                            struct btz_slice text)
{
    json_t *value;

    if (!part->holder)
        return btz_fail(BTZ_DENIED, "a text that cannot be changed");
    if (part->form != BTZ_PART_JSON)
        value = btz_json_text(text);
    else if (btz_json_parse(text, SIZE_MAX, "a changed text", &value) != BTZ_OK)
        return btz_fail_context(BTZ_DENIED, "what was masked is part of its JSON");
    s->at->changed = true;
    if ((part->key ? json_object_set_new(part->holder, part->key, value)
                   : json_array_set_new(part->holder, part->index, value)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for a text");
    return BTZ_OK;
}

enum btz_err btz_stream_whole(struct btz_protocol_stream *s, const struct btz_part *part,
                              struct btz_slice tool)
{
    struct btz_lane lane = {
        .channel = part->channel, .choice = UINT32_MAX, .part = s->whole_count++, .tool = tool
    };
    enum btz_err err;

    btz_buf_clear(&s->scratch);
    err = s->ops->text(s->user, &lane, part->text, true, &s->scratch);
    if (lane.user && s->ops->drop)
        s->ops->drop(s->user, &lane);
    if (err != BTZ_OK || btz_slice_equal(part->text, btz_buf_slice(&s->scratch)))
        return err;
    return btz_stream_put(s, part, btz_buf_slice(&s->scratch));
}

static enum btz_err walk_part(struct btz_walk *w, const struct btz_part *part)
{
    struct btz_slice tool = btz_str("");

    if (part->channel == BTZ_CHANNEL_TOOL_ARGUMENTS && part->key)
        tool = btz_text_of(json_object_get(part->holder, "name"));
    return btz_stream_whole(w->user, part, tool);
}

struct btz_walk btz_stream_walker(struct btz_protocol_stream *s,
                                  enum btz_err (*part)(struct btz_walk *w,
                                                       const struct btz_part *part))
{
    return (struct btz_walk){
        .response = true, .part = part, .user = s, .words = &s->words, .changed = &s->at->changed
    };
}

enum btz_err btz_stream_walk(struct btz_protocol_stream *s, json_t *object,
                             const struct btz_shape *shape, enum btz_channel channel)
{
    struct btz_walk w = btz_stream_walker(s, walk_part);

    w.unnamed = btz_stream_unnamed;
    BTZ_TRY(btz_walk_object(&w, object, shape, (int)channel));
    s->unread += w.files + w.images;
    return BTZ_OK;
}

/* ---- writing ---- */

/* Where the upstream's name of the model stands in an event. */
static json_t *model_holder(json_t *root)
{
    static const char *const inner[] = { "message", "response" };

    if (json_is_string(json_object_get(root, "model")))
        return root;
    for (size_t i = 0; i < BTZ_COUNT(inner); i++)
        if (json_is_string(json_object_get(json_object_get(root, inner[i]), "model")))
            return json_object_get(root, inner[i]);
    return NULL;
}

/* The only `"model":"NAME"` of the text is replaced in place. A quote inside of a string has a backslash before it, so what is
 * found is a member. */
static enum btz_err write_renamed(const struct btz_protocol_stream *s, struct btz_slice data,
                                  struct btz_slice name, bool *done)
{
    struct btz_slice key = btz_str("\"model\":");
    size_t at = btz_slice_find(data, key, 0), from;

    *done = false;
    if (at == SIZE_MAX || (at > 0 && data.ptr[at - 1] == '\\') ||
        btz_slice_find(data, key, at + 1) != SIZE_MAX)
        return BTZ_OK;
    from = at + key.len;
    while (from < data.len && data.ptr[from] == ' ')
        from++;
    if (name.len + 2 > data.len - from || data.ptr[from] != '"' ||
        memcmp(data.ptr + from + 1, name.ptr, name.len) != 0 ||
        data.ptr[from + 1 + name.len] != '"')
        return BTZ_OK;
    *done = true;
    BTZ_TRY(btz_buf_add(s->out, data.ptr, from + 1));
    BTZ_TRY(btz_buf_add_str(s->out, s->model));
    return btz_buf_add(s->out, data.ptr + from + 1 + name.len, data.len - from - 1 - name.len);
}

static bool plain_model(const char *model)
{
    return btz_is_word(btz_str(model));
}

static enum btz_err write_data(const struct btz_protocol_stream *s, struct btz_event *e)
{
    json_t *holder = s->model ? model_holder(e->root) : NULL;
    struct btz_slice name = btz_text_of(json_object_get(holder, "model"));
    bool done;

    if (holder && !btz_slice_is(name, s->model)) {
        if (!e->changed && plain_model(s->model)) {
            BTZ_TRY(write_renamed(s, e->data, name, &done));
            if (done)
                return BTZ_OK;
        }
        if (json_object_set_new(holder, "model", json_string(s->model)) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for a model's name");
        e->changed = true;
    }
    if (e->changed)
        return btz_json_write(e->root, false, s->out);
    return btz_buf_add_slice(s->out, e->data);
}

static enum btz_err number(struct btz_protocol_stream *s, struct btz_event *e)
{
    json_t *sequence = json_object_get(e->root, "sequence_number");

    if (s->shift == 0 || !json_is_integer(sequence))
        return BTZ_OK;
    e->changed = true;
    if (json_object_set_new(e->root, "sequence_number",
                            json_integer(json_integer_value(sequence) + s->shift)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    return BTZ_OK;
}

static enum btz_err write_event(struct btz_protocol_stream *s, struct btz_event *e)
{
    size_t at, end;

    if (is_lines(s)) {
        BTZ_TRY(write_data(s, e));
        return btz_buf_add_byte(s->out, '\n');
    }
    BTZ_TRY(btz_buf_add_slice(s->out, btz_buf_slice(&s->extra)));
    btz_buf_clear(&s->extra);
    if (e->name.len > 0) {
        BTZ_TRY(btz_buf_add_str(s->out, "event: "));
        BTZ_TRY(btz_buf_add_slice(s->out, e->name));
        BTZ_TRY(btz_buf_add_byte(s->out, '\n'));
    }
    BTZ_TRY(btz_buf_add_str(s->out, "data: "));
    if (e->changed || !memchr(e->data.len ? e->data.ptr : (const uint8_t *)"", '\n', e->data.len)) {
        BTZ_TRY(write_data(s, e));
        return btz_buf_add_str(s->out, "\n\n");
    }
    for (at = 0;; at = end + 1) {
        end = btz_slice_find(e->data, btz_str("\n"), at);
        BTZ_TRY(btz_buf_add_slice(
            s->out, btz_slice_sub(e->data, at, end == SIZE_MAX ? e->data.len : end - at)));
        if (end == SIZE_MAX)
            return btz_buf_add_str(s->out, "\n\n");
        BTZ_TRY(btz_buf_add_str(s->out, "\ndata: "));
    }
}

/* ---- what events say beside their texts ---- */

static bool said_before(const struct btz_protocol_stream *s, const struct btz_words *w)
{
    struct btz_slice values = btz_buf_slice(&w->values), names = btz_buf_slice(&w->names);

    for (size_t i = 0; i < BTZ_PASSED; i++) {
        struct btz_slice old = btz_buf_slice(&s->passed[i]);

        if (old.len == values.len + names.len &&
            btz_slice_equal(btz_slice_sub(old, 0, values.len), values) &&
            btz_slice_equal(btz_slice_sub(old, values.len, names.len), names))
            return true;
    }
    return false;
}

static enum btz_err judge(struct btz_protocol_stream *s, const struct btz_words *w)
{
    struct btz_buf *text = &s->passed[s->passed_at];

    if (!s->ops->words || w->values.len + w->names.len == 0 || said_before(s, w))
        return BTZ_OK;
    btz_buf_clear(text);
    BTZ_TRY(btz_words_text(w, text));
    s->passed_at = (s->passed_at + 1) % BTZ_PASSED;
    return s->ops->words(s->user, btz_buf_slice(text));
}

/* An event that was made here has its envelope from one that may not have been read yet. */
static enum btz_err judge_envelope(struct btz_protocol_stream *s, const json_t *root)
{
    struct btz_words words = BTZ_WORDS;
    enum btz_err err = BTZ_OK;
    const json_t *one;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)root, key, one)
    {
        if (err == BTZ_OK && json_is_string(one) && btz_is_word(btz_text_of(one)))
            err = btz_words_value(&words, btz_text_of(one));
    }
    if (err == BTZ_OK)
        err = judge(s, &words);
    btz_words_release(&words);
    return err;
}

enum btz_err btz_stream_withhold(struct btz_protocol_stream *s)
{
    return judge(s, &s->words);
}

enum btz_err btz_stream_emit(struct btz_protocol_stream *s, struct btz_event *e)
{
    if (e == s->at && e->root && btz_words_hide(&s->words, e->data))
        e->changed = true;
    BTZ_TRY(e == s->at ? judge(s, &s->words) : judge_envelope(s, e->root));
    if (s->translator)
        return btz_translator_event(s->translator, e);
    BTZ_TRY(number(s, e));
    return write_event(s, e);
}

enum btz_err btz_stream_emit_new(struct btz_protocol_stream *s, const char *name, json_t *root)
{
    struct btz_event e = { .name = btz_str(name), .root = root, .changed = true };
    enum btz_err err;

    if (!root)
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    err = btz_stream_emit(s, &e);
    json_decref(root);
    return err;
}

enum btz_err btz_stream_write(struct btz_protocol_stream *s, struct btz_slice name,
                              const json_t *root)
{
    if (name.len > 0) {
        BTZ_TRY(btz_buf_add_str(s->out, "event: "));
        BTZ_TRY(btz_buf_add_slice(s->out, name));
        BTZ_TRY(btz_buf_add_byte(s->out, '\n'));
    }
    BTZ_TRY(btz_buf_add_str(s->out, "data: "));
    BTZ_TRY(btz_json_write(root, false, s->out));
    return btz_buf_add_str(s->out, "\n\n");
}

enum btz_err btz_stream_done(struct btz_protocol_stream *s)
{
    if (s->translator)
        return btz_translator_done(s->translator);
    return btz_buf_add_str(s->out, "data: [DONE]\n\n");
}

/* ---- events out of bytes: WHATWG HTML 9.2.6, and lines of JSON ---- */

/* What came is used up. Of its own members those that hold others are no envelope, and a stream may wait for long. */
static void keep_envelope(struct btz_protocol_stream *s, json_t *root)
{
    const char *key;
    json_t *one;
    void *next;

    if (s->family->keeps) {
        json_decref(root);
        return;
    }
    json_decref(s->last);
    s->last = root;
    json_object_foreach_safe(root, next, key, one)
    {
        if (json_is_object(one) || json_is_array(one))
            (void)json_object_del(root, key);
    }
}

bool btz_begins_json(struct btz_slice data)
{
    size_t at = 0;

    while (at < data.len && memchr(" \t\r\n", data.ptr[at], 4))
        at++;
    return at < data.len && memchr("{[\"", data.ptr[at], 3);
}

static enum btz_err dispatch(struct btz_protocol_stream *s)
{
    struct btz_event e = { .name = btz_buf_slice(&s->name), .data = btz_buf_slice(&s->data) };
    enum btz_err err = BTZ_OK;

    if (s->ended || s->failed)
        return BTZ_OK;
    if (!btz_is_word(e.name))
        return btz_fail(BTZ_INPUT, "an event's name was expected");
    BTZ_TRY(btz_words_value(&s->words, e.name));
    if (s->family->done && btz_slice_is(btz_slice_trim(e.data), "[DONE]"))
        return s->family->done(s);
    if (!s->family->any || btz_begins_json(e.data))
        err = btz_json_parse(e.data, SIZE_MAX, "event", &e.root);
    /* Where it may be another text: what other readers take for JSON is none. */
    if (err != BTZ_OK && (!s->family->any || btz_json_is_alike(e.data)))
        return err == BTZ_LIMIT ? err : BTZ_INPUT;
    if (!s->family->any && !json_is_object(e.root)) {
        json_decref(e.root);
        return btz_fail(BTZ_INPUT, "event: a JSON object was expected");
    }
    for (struct btz_lane_state *l = s->lanes; l; l = l->next)
        l->in_event = false;
    s->at = &e;
    s->seams = 0;
    err = s->family->event(s, &e);
    s->at = NULL;
    keep_envelope(s, e.root);
    return err;
}

static enum btz_err flush_event(struct btz_protocol_stream *s)
{
    enum btz_err err = BTZ_OK;

    if (s->has_data)
        err = dispatch(s);
    else if (s->extra.len > 0 && !s->translator) {
        err = judge(s, &s->words);
        if (err == BTZ_OK)
            err = btz_buf_add_slice(s->out, btz_buf_slice(&s->extra));
        if (err == BTZ_OK)
            err = btz_buf_add_byte(s->out, '\n');
    }
    s->has_data = false;
    btz_buf_clear(&s->data);
    btz_buf_clear(&s->name);
    btz_buf_clear(&s->extra);
    btz_words_clear(&s->words);
    return err;
}

/* Comments keep a connection alive; what they say nobody needs. */
static enum btz_err comment(struct btz_protocol_stream *s)
{
    return s->ended || s->failed ? BTZ_OK : btz_buf_add_str(s->out, ":\n\n");
}

static enum btz_err extra(struct btz_protocol_stream *s, const char *field, struct btz_slice value)
{
    if (value.len > 256 || !btz_is_word(value))
        return BTZ_OK;
    BTZ_TRY(btz_words_value(&s->words, value));
    BTZ_TRY(btz_buf_add_str(&s->extra, field));
    BTZ_TRY(btz_buf_add_slice(&s->extra, value));
    return btz_buf_add_byte(&s->extra, '\n');
}

static bool is_number(struct btz_slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
    return value.len > 0 && value.len <= 10;
}

static enum btz_err sse_line(struct btz_protocol_stream *s, struct btz_slice line)
{
    size_t colon = btz_slice_find(line, btz_str(":"), 0);
    struct btz_slice field = btz_slice_sub(line, 0, colon), value = { NULL, 0 };

    if (line.len == 0)
        return flush_event(s);
    if (colon == 0)
        return comment(s);
    if (colon != SIZE_MAX)
        value = btz_slice_sub(line, colon + 1, line.len);
    if (value.len > 0 && value.ptr[0] == ' ')
        value = btz_slice_sub(value, 1, value.len);
    if (btz_slice_is(field, "data")) {
        if (s->has_data)
            BTZ_TRY(btz_buf_add_byte(&s->data, '\n'));
        s->has_data = true;
        return btz_buf_add_slice(&s->data, value);
    }
    if (btz_slice_is(field, "event")) {
        btz_buf_clear(&s->name);
        return btz_buf_add_slice(&s->name, value);
    }
    if (btz_slice_is(field, "id"))
        return extra(s, "id: ", value);
    if (btz_slice_is(field, "retry") && is_number(value))
        return extra(s, "retry: ", value);
    return BTZ_OK;
}

static enum btz_err json_line(struct btz_protocol_stream *s, struct btz_slice line)
{
    if (btz_slice_trim(line).len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_slice(&s->data, line));
    s->has_data = true;
    return flush_event(s);
}

static enum btz_err take_line(struct btz_protocol_stream *s, struct btz_slice line)
{
    if (!s->begun) {
        s->begun = true;
        if (btz_slice_has_prefix(line, btz_str("\xEF\xBB\xBF")))
            line = btz_slice_sub(line, 3, line.len);
    }
    return is_lines(s) ? json_line(s, line) : sse_line(s, line);
}

static size_t line_end(struct btz_slice s)
{
    const uint8_t *lf = memchr(s.ptr, '\n', s.len);
    size_t n = lf ? (size_t)(lf - s.ptr) : s.len;
    const uint8_t *cr = memchr(s.ptr, '\r', n);

    if (cr)
        n = (size_t)(cr - s.ptr);
    return n < s.len ? n : SIZE_MAX;
}

static enum btz_err lines(struct btz_protocol_stream *s, struct btz_slice in)
{
    while (in.len > 0) {
        size_t end;

        if (s->skip_lf && in.ptr[0] == '\n')
            in = btz_slice_sub(in, 1, in.len);
        s->skip_lf = false;
        if (in.len == 0)
            break;
        end = line_end(in);
        if (end == SIZE_MAX)
            return btz_buf_add_slice(&s->line, in);
        s->skip_lf = in.ptr[end] == '\r';
        if (s->line.len > 0) {
            BTZ_TRY(btz_buf_add(&s->line, in.ptr, end));
            BTZ_TRY(take_line(s, btz_buf_slice(&s->line)));
            btz_buf_clear(&s->line);
        } else {
            BTZ_TRY(take_line(s, btz_slice_sub(in, 0, end)));
        }
        in = btz_slice_sub(in, end + 1, in.len);
    }
    return BTZ_OK;
}

static enum btz_err tell(struct btz_protocol_stream *s, const char *code, const char *message)
{
    return s->o.lines ? btz_problem_line(s->o.to, code, message, s->out)
                      : btz_problem_event_of(s->o.to, code, message, NULL, s->out);
}

/* The upstream is gone. A last event without its empty line counts: its text came. */
static enum btz_err finish(struct btz_protocol_stream *s)
{
    bool proper = false;

    if (s->line.len > 0) {
        BTZ_TRY(take_line(s, btz_buf_slice(&s->line)));
        btz_buf_clear(&s->line);
    }
    BTZ_TRY(flush_event(s));
    if (s->ended)
        return BTZ_OK;
    BTZ_TRY(s->family->end(s, &proper));
    if (proper) {
        s->ended = true;
        return BTZ_OK;
    }
    s->failed = true;
    return tell(s, "upstream_incomplete", "The model's server ended before the end of its answer.");
}

static enum btz_err cut(struct btz_protocol_stream *s, enum btz_err why)
{
    static const struct {
        const char *code, *message;
    } reasons[] = {
        [BTZ_DENIED] = { "guard_blocked", "The answer was stopped by the guard." },
        [BTZ_INPUT] = { "upstream_invalid", "The model's server sent what is no answer." },
        [BTZ_LIMIT] = { "upstream_too_large", "The answer is larger than the gateway allows." },
    };
    enum btz_err known =
        why == BTZ_DENIED || why == BTZ_INPUT || why == BTZ_LIMIT ? why : BTZ_INPUT;

    s->failed = true;
    return tell(s, reasons[known].code, reasons[known].message) == BTZ_OK ? why : BTZ_LIMIT;
}

enum btz_err btz_protocol_stream_feed(struct btz_protocol_stream *s, struct btz_slice bytes,
                                      bool final, struct btz_buf *out)
{
    enum btz_err err;

    if (s->failed || s->closed)
        return BTZ_OK;
    s->out = out;
    err = lines(s, bytes);
    if (err == BTZ_OK && final) {
        s->closed = true;
        err = finish(s);
    }
    if (err != BTZ_OK)
        err = cut(s, err);
    s->out = NULL;
    return err;
}
