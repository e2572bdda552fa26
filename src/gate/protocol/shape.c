#include "gate/protocol/shape.h"

/* Unknown words up to so many bytes carry nothing; of a response they are looked at all the same. */
#define QUIET_MAX    3
#define QUIET_ANSWER 8

struct btz_slice btz_text_of(const json_t *string)
{
    if (!json_is_string(string))
        return btz_str("");
    return btz_slice_of(json_string_value(string), json_string_length(string));
}

bool btz_is_word(struct btz_slice s)
{
    if (s.len > BTZ_WORD_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == '+' || c == '='))
            return false;
    }
    return true;
}

bool btz_is_base64(struct btz_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/' || c == '=' || c == '-' || c == '_' || c == '\r' || c == '\n'))
            return false;
    }
    return true;
}

int btz_role_channel(const json_t *object)
{
    static const struct {
        const char *role;
        enum btz_channel channel;
    } roles[] = {
        { "user", BTZ_CHANNEL_USER },        { "assistant", BTZ_CHANNEL_ASSISTANT },
        { "system", BTZ_CHANNEL_SYSTEM },    { "tool", BTZ_CHANNEL_TOOL_RESULT },
        { "developer", BTZ_CHANNEL_SYSTEM }, { "function", BTZ_CHANNEL_TOOL_RESULT },
        { "model", BTZ_CHANNEL_ASSISTANT },  { "ipython", BTZ_CHANNEL_TOOL_RESULT },
    };
    struct btz_slice role = btz_text_of(json_object_get(object, "role"));

    for (size_t i = 0; i < BTZ_COUNT(roles); i++)
        if (btz_slice_is(role, roles[i].role))
            return (int)roles[i].channel;
    return BTZ_CHANNEL_RAW;
}

static enum btz_err give(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                         json_t *value, int channel)
{
    struct btz_part part = { .channel = channel < 0 ? BTZ_CHANNEL_RAW : (enum btz_channel)channel,
                             .text = btz_text_of(value),
                             .holder = holder,
                             .key = key,
                             .index = index };

    /* A call without arguments is still a call: who watches a stream is to hear of it. */
    if (part.text.len == 0 && (w->message || part.channel != BTZ_CHANNEL_TOOL_ARGUMENTS))
        return BTZ_OK;
    return w->part(w, &part);
}

static enum btz_err give_json(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                              json_t *value, int channel)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 2);
    struct btz_part part = { .channel = channel < 0 ? BTZ_CHANNEL_RAW : (enum btz_channel)channel,
                             .holder = holder,
                             .key = key,
                             .index = index,
                             .form = BTZ_PART_JSON };

    if (json_is_string(value))
        return give(w, holder, key, index, value, channel);
    BTZ_TRY(btz_json_write(value, false, &text));
    part.text = btz_buf_slice(&text);
    if (w->arena)
        BTZ_TRY(btz_arena_copy(w->arena, part.text, &part.text));
    return w->part(w, &part);
}

/* Nothing in it that could be read: numbers, truths, short words. A list may spell a word letter by letter. */
static bool quiet(const json_t *value, size_t max)
{
    const json_t *one;
    const char *key;
    size_t strings = 0, i;

    switch (json_typeof(value)) {
    case JSON_STRING:
        return json_string_length(value) <= max && btz_is_word(btz_text_of(value));
    case JSON_ARRAY:
        json_array_foreach(value, i, one)
        {
            strings += json_is_string(one);
            if (strings > 1 || !quiet(one, max))
                return false;
        }
        return true;
    case JSON_OBJECT:
        /* jansson's iteration takes no const; it changes nothing. */
        for (void *it = json_object_iter((json_t *)(uintptr_t)value); it;
             it = json_object_iter_next((json_t *)(uintptr_t)value, it)) {
            key = json_object_iter_key(it);
            if (!btz_is_word(btz_str(key)) || !quiet(json_object_iter_value(it), max))
                return false;
        }
        return true;
    default:
        return true;
    }
}

static enum btz_err unnamed(struct btz_walk *w, const json_t *holder, const char *key, size_t index)
{
    json_t *left = key ? json_object_get(holder, key) : json_array_get(holder, index);

    return w->unnamed && left ? w->unnamed(w, key, left) : BTZ_OK;
}

static enum btz_err raw(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                        json_t *value, int channel)
{
    if (quiet(value, w->words ? QUIET_ANSWER : QUIET_MAX))
        BTZ_TRY(btz_words_all(w->words, value));
    else
        BTZ_TRY(give_json(w, holder, key, index, value, channel));
    return unnamed(w, holder, key, index);
}

/* A member that no table names. */
static enum btz_err name(struct btz_walk *w, const char *key)
{
    if (btz_is_word(btz_str(key)))
        return btz_words_name(w->words, btz_str(key));
    return w->part(w, &(struct btz_part){ .channel = BTZ_CHANNEL_RAW, .text = btz_str(key) });
}

/* "data:TYPE;base64,..." with nothing but base64 behind. */
static bool is_data_url(struct btz_slice text, struct btz_slice *type, struct btz_slice *data)
{
    size_t comma = btz_slice_has_prefix(text, btz_str("data:"))
                       ? btz_slice_find(btz_slice_sub(text, 0, 256), btz_str(","), 0)
                       : SIZE_MAX;

    if (comma == SIZE_MAX)
        return false;
    *type = btz_slice_sub(text, 0, comma);
    *data = btz_slice_sub(text, comma + 1, text.len);
    return btz_slice_has(*type, ";base64") && btz_is_base64(*data);
}

/* False: it is not coded, so it can be read. */
static enum btz_err coded(struct btz_walk *w, struct btz_slice text, bool url, bool *is)
{
    struct btz_slice type, data;

    *is = true;
    if (url && is_data_url(text, &type, &data)) {
        BTZ_TRY(btz_words_value(w->words, type));
        return btz_words_coded(w->words, data);
    }
    *is = btz_is_base64(text);
    return *is ? btz_words_coded(w->words, text) : BTZ_OK;
}

static enum btz_err image(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                          json_t *value, int channel)
{
    bool is;

    w->images++;
    BTZ_TRY(coded(w, btz_text_of(value), true, &is));
    return is ? BTZ_OK : give(w, holder, key, index, value, channel);
}

static enum btz_err string(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                           json_t *value, const struct btz_shape_member *how, int channel)
{
    bool is;

    switch (how->kind) {
    case BTZ_SHAPE_TEXT:
    case BTZ_SHAPE_JSON:
        return give(w, holder, key, index, value, channel);
    case BTZ_SHAPE_IMAGE:
        return image(w, holder, key, index, value, channel);
    case BTZ_SHAPE_DATA:
        w->files++;
        BTZ_TRY(coded(w, btz_text_of(value), true, &is));
        return is ? BTZ_OK : give(w, holder, key, index, value, BTZ_CHANNEL_DOCUMENT);
    case BTZ_SHAPE_SEALED:
    case BTZ_SHAPE_OPAQUE:
        w->files += how->kind == BTZ_SHAPE_SEALED && json_string_length(value) > 0;
        BTZ_TRY(coded(w, btz_text_of(value), false, &is));
        return is ? BTZ_OK : give(w, holder, key, index, value, BTZ_CHANNEL_RAW);
    case BTZ_SHAPE_LANE:
        return BTZ_OK;
    case BTZ_SHAPE_ID:
        if (btz_is_word(btz_text_of(value)))
            return btz_words_value(w->words, btz_text_of(value));
        break;
    default:
        break;
    }
    return raw(w, holder, key, index, value, BTZ_CHANNEL_RAW);
}

static enum btz_err array(struct btz_walk *w, json_t *list, const struct btz_shape_member *how,
                          int channel)
{
    size_t numbers = 0, i;
    json_t *one;

    json_array_foreach(list, i, one)
    {
        if (json_is_integer(one))
            numbers++;
        else
            BTZ_TRY(btz_walk_value(w, list, NULL, i, one, how, channel));
    }
    /* Token numbers instead of a text: only the model can read them. */
    if (numbers > 0 && how->kind == BTZ_SHAPE_TEXT) {
        w->files++;
        w->token_ids += numbers;
    }
    return BTZ_OK;
}

enum btz_err btz_walk_value(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                            json_t *value, const struct btz_shape_member *how, int channel)
{
    if (how->channel != BTZ_HERE)
        channel = how->channel;
    if (how->kind == BTZ_SHAPE_READ)
        return BTZ_OK;
    if (how->kind == BTZ_SHAPE_LOGPROBS)
        return btz_words_tokens(w->words, value);
    switch (json_typeof(value)) {
    case JSON_STRING:
        return string(w, holder, key, index, value, how, channel);
    case JSON_ARRAY:
        if (how->kind == BTZ_SHAPE_TEXT || how->kind == BTZ_SHAPE_OBJECT ||
            how->kind == BTZ_SHAPE_ID || how->kind == BTZ_SHAPE_IMAGE)
            return array(w, value, how, channel);
        BTZ_TRY(give_json(w, holder, key, index, value, channel));
        return unnamed(w, holder, key, index);
    case JSON_OBJECT:
        if (how->shape)
            return btz_walk_object(w, value, how->shape, channel);
        if (how->kind == BTZ_SHAPE_TEXT || how->kind == BTZ_SHAPE_JSON) {
            BTZ_TRY(give_json(w, holder, key, index, value, channel));
            return unnamed(w, holder, key, index);
        }
        return raw(w, holder, key, index, value, BTZ_CHANNEL_RAW);
    default:
        return BTZ_OK;
    }
}

static const struct btz_shape_member *member(const struct btz_shape *shape, const char *name)
{
    for (const struct btz_shape_member *m = shape->members; m && m->name; m++)
        if (m->name[0] == name[0] && strcmp(m->name, name) == 0)
            return m;
    return NULL;
}

static const struct btz_shape_variant *variant(const struct btz_shape *shape, const json_t *object)
{
    struct btz_slice type = btz_text_of(json_object_get(object, "type"));

    for (const struct btz_shape_variant *v = shape->variants; v->shape; v++)
        if (btz_slice_is(type, v->type))
            return v;
    return NULL;
}

static enum btz_err object_raw(struct btz_walk *w, json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        BTZ_TRY(name(w, key));
        BTZ_TRY(raw(w, object, key, 0, value, BTZ_CHANNEL_RAW));
    }
    return BTZ_OK;
}

enum btz_err btz_walk_object(struct btz_walk *w, json_t *object, const struct btz_shape *shape,
                             int channel)
{
    const char *key;
    json_t *value;

    while (shape->variants) {
        const struct btz_shape_variant *v = variant(shape, object);

        if (!v)
            return object_raw(w, object);
        shape = v->shape;
        if (v->channel != BTZ_HERE)
            channel = v->channel;
    }
    if (shape->enter)
        BTZ_TRY(shape->enter(w, object, &channel));
    json_object_foreach(object, key, value)
    {
        const struct btz_shape_member *how = member(shape, key);

        if (how) {
            BTZ_TRY(btz_walk_value(w, object, how->name, 0, value, how, channel));
            continue;
        }
        BTZ_TRY(name(w, key));
        BTZ_TRY(raw(w, object, key, 0, value, BTZ_CHANNEL_RAW));
    }
    return BTZ_OK;
}

/* One step further down the pointer, RFC 6901. */
static enum btz_err go_down(struct btz_walk *w, const char *key, size_t index)
{
    if (!w->path)
        return BTZ_OK;
    if (!key)
        return btz_buf_printf(w->path, "/%zu", index);
    BTZ_TRY(btz_buf_add_byte(w->path, '/'));
    for (; *key; key++) {
        if (*key == '~' || *key == '/')
            BTZ_TRY(btz_buf_add_str(w->path, *key == '~' ? "~0" : "~1"));
        else
            BTZ_TRY(btz_buf_add_byte(w->path, (uint8_t)*key));
    }
    return BTZ_OK;
}

static enum btz_err strings_in(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                               json_t *value, int channel)
{
    size_t above = w->path ? w->path->len : 0;

    BTZ_TRY(go_down(w, key, index));
    BTZ_TRY(btz_walk_strings(w, holder, key, index, value, channel));
    if (w->path)
        w->path->len = above;
    return BTZ_OK;
}

enum btz_err btz_walk_strings(struct btz_walk *w, json_t *holder, const char *key, size_t index,
                              json_t *value, int channel)
{
    const char *member_name;
    json_t *one;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_STRING:
        return give(w, holder, key, index, value, channel);
    case JSON_ARRAY:
        json_array_foreach(value, i, one)
        {
            BTZ_TRY(strings_in(w, value, NULL, i, one, channel));
        }
        return BTZ_OK;
    case JSON_OBJECT:
        json_object_foreach(value, member_name, one)
        {
            BTZ_TRY(name(w, member_name));
            BTZ_TRY(strings_in(w, value, member_name, 0, one, channel));
        }
        return BTZ_OK;
    default:
        return BTZ_OK;
    }
}

/* ---- tools and calls ---- */

static void *grown(struct btz_arena *arena, void *old, size_t count, size_t *room, size_t size)
{
    void *more;

    if (count < *room)
        return old;
    *room = *room ? *room * 2 : 16;
    more = btz_arena_array(arena, *room, size);
    if (more && count > 0)
        memcpy(more, old, count * size);
    return more;
}

static int append(const char *bytes, size_t size, void *user)
{
    return btz_buf_add(user, bytes, size) == BTZ_OK ? 0 : -1;
}

/* Members in order of their names: a server that orders them anew has not changed the tool. */
static enum btz_err canonical(const json_t *value, struct btz_buf *out)
{
    if (json_dump_callback(value, append, out, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS))
        return btz_fail(BTZ_LIMIT, "out of memory for a tool's schema");
    return BTZ_OK;
}

static enum btz_err text_or_json(struct btz_walk *w, const json_t *value, struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX / 2);

    *out = btz_text_of(value);
    if (!value || json_is_string(value) || json_is_null(value))
        return BTZ_OK;
    BTZ_TRY(canonical(value, &text));
    return btz_arena_copy(w->arena, btz_buf_slice(&text), out);
}

enum btz_err btz_walk_tool(struct btz_walk *w, const json_t *name, const json_t *description,
                           const json_t *schema)
{
    struct btz_message *m = w->message;
    struct btz_tool *tools;

    if (!m)
        return BTZ_OK;
    if (m->tool_count == BTZ_PARTS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d tools", BTZ_PARTS_MAX);
    tools = grown(w->arena, m->tools, m->tool_count, &w->tool_room, sizeof *tools);
    if (!tools)
        return BTZ_LIMIT;
    m->tools = tools;
    tools[m->tool_count].name = btz_text_of(name);
    tools[m->tool_count].description = btz_text_of(description);
    BTZ_TRY(text_or_json(w, schema, &tools[m->tool_count].schema));
    /* It outlives the message's root. */
    if (json_is_string(schema))
        BTZ_TRY(
            btz_arena_copy(w->arena, tools[m->tool_count].schema, &tools[m->tool_count].schema));
    m->tool_count++;
    return BTZ_OK;
}

enum btz_err btz_walk_call(struct btz_walk *w, const json_t *name, const json_t *arguments)
{
    struct btz_message *m = w->message;
    struct btz_tool_call *calls;

    if (!m)
        return BTZ_OK;
    if (m->call_count == BTZ_PARTS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d tool calls", BTZ_PARTS_MAX);
    calls = grown(w->arena, m->calls, m->call_count, &w->call_room, sizeof *calls);
    if (!calls)
        return BTZ_LIMIT;
    m->calls = calls;
    calls[m->call_count].name = btz_text_of(name);
    BTZ_TRY(text_or_json(w, arguments, &calls[m->call_count].arguments));
    m->call_count++;
    return BTZ_OK;
}
