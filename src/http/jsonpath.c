#include "http/jsonpath.h"

#define STEPS_MAX  64
#define VALUES_MAX 10000
#define PATH_MAX_  4096

enum step_kind { STEP_NAME, STEP_INDEX, STEP_ALL };

struct btz_jsonpath_step {
    enum step_kind kind;
    const char *name;
    size_t name_len;
    int64_t index; /* negative: from the end */
};

struct parser {
    struct btz_slice in;
    size_t at;
    struct btz_arena *arena;
    struct btz_jsonpath_step steps[STEPS_MAX];
    size_t count;
};

static int peek(const struct parser *p)
{
    return p->at < p->in.len ? p->in.ptr[p->at] : -1;
}

#define REFUSE(p, ...)                                                                             \
    (btz_error_set(__VA_ARGS__),                                                                   \
     btz_fail_context(BTZ_USAGE, "path \"%.*s\", position %zu",                                    \
                      BTZ_SLICE_ARG(btz_slice_sub((p)->in, 0, 100)), (p)->at + 1))

static enum btz_err push(struct parser *p, struct btz_jsonpath_step step)
{
    if (p->count == STEPS_MAX)
        return btz_fail(BTZ_LIMIT, "path: more than %d steps", STEPS_MAX);
    p->steps[p->count++] = step;
    return BTZ_OK;
}

static bool is_bare(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-' || c >= 0x80;
}

static enum btz_err bare_name(struct parser *p)
{
    struct btz_jsonpath_step step = { .kind = STEP_NAME };
    size_t from = p->at;

    while (is_bare(peek(p)))
        p->at++;
    if (p->at == from)
        return REFUSE(p, "expected a name");
    step.name_len = p->at - from;
    step.name = btz_arena_str(p->arena, btz_slice_sub(p->in, from, step.name_len));
    return step.name ? push(p, step) : BTZ_LIMIT;
}

static enum btz_err hex4(struct parser *p, uint32_t *out)
{
    uint8_t bytes[2];

    if (btz_unhex(btz_slice_sub(p->in, p->at, 4), bytes, 2) != BTZ_OK)
        return REFUSE(p, "expected four hex digits behind \\u");
    p->at += 4;
    *out = (uint32_t)bytes[0] << 8 | bytes[1];
    return BTZ_OK;
}

/* Behind the backslash. RFC 9535 s.2.3.1.2. */
static enum btz_err escape(struct parser *p, struct btz_buf *out)
{
    static const char from[] = "bfnrt/\\'\"", to[] = "\b\f\n\r\t/\\'\"";
    int c = peek(p);
    const char *hit = c > 0 ? strchr(from, c) : NULL;
    uint32_t unit, low;

    if (hit) {
        p->at++;
        return btz_buf_add_byte(out, (uint8_t)to[hit - from]);
    }
    if (c != 'u')
        return REFUSE(p, "unknown escape");
    p->at++;
    BTZ_TRY(hex4(p, &unit));
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return REFUSE(p, "a low surrogate without its high one");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (!btz_slice_has_prefix(btz_slice_sub(p->in, p->at, 2), btz_str("\\u")))
            return REFUSE(p, "a high surrogate without its low one");
        p->at += 2;
        BTZ_TRY(hex4(p, &low));
        if (low < 0xDC00 || low > 0xDFFF)
            return REFUSE(p, "a high surrogate without its low one");
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    return btz_buf_add_utf8(out, unit);
}

static enum btz_err quoted_name(struct parser *p, int quote)
{
    BTZ_BUF_RELEASE struct btz_buf name = BTZ_BUF(PATH_MAX_);
    struct btz_jsonpath_step step = { .kind = STEP_NAME };

    p->at++;
    while (peek(p) != quote) {
        int c = peek(p);

        if (c < 0)
            return REFUSE(p, "the quote is never closed");
        p->at++;
        if (c == '\\')
            BTZ_TRY(escape(p, &name));
        else
            BTZ_TRY(btz_buf_add_byte(&name, (uint8_t)c));
    }
    p->at++;
    step.name_len = name.len;
    step.name = btz_arena_str(p->arena, btz_buf_slice(&name));
    return step.name ? push(p, step) : BTZ_LIMIT;
}

static enum btz_err index_step(struct parser *p)
{
    bool negative = peek(p) == '-';
    size_t from = p->at += negative;
    uint64_t value;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    if (btz_parse_u64(btz_slice_sub(p->in, from, p->at - from), &value) != BTZ_OK ||
        value > INT32_MAX || (negative && value == 0)) {
        p->at = from;
        return REFUSE(p, "expected an index such as 0 or -1");
    }
    return push(p, (struct btz_jsonpath_step){
                       .kind = STEP_INDEX, .index = negative ? -(int64_t)value : (int64_t)value });
}

static void skip_space(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

static enum btz_err bracket(struct parser *p)
{
    int c;

    p->at++;
    skip_space(p);
    c = peek(p);
    if (c == '\'' || c == '"') {
        BTZ_TRY(quoted_name(p, c));
    } else if (c == '*') {
        p->at++;
        BTZ_TRY(push(p, (struct btz_jsonpath_step){ .kind = STEP_ALL }));
    } else if (c == '?') {
        return REFUSE(p, "filters ([?...]) are not supported");
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        BTZ_TRY(index_step(p));
    } else if (c == ':') {
        return REFUSE(p, "slices ([a:b]) are not supported");
    } else {
        return REFUSE(p, "expected an index, a quoted name or * inside the brackets");
    }
    skip_space(p);
    c = peek(p);
    if (c == ':')
        return REFUSE(p, "slices ([a:b]) are not supported");
    if (c == ',')
        return REFUSE(p, "unions ([a,b]) are not supported");
    if (c != ']')
        return REFUSE(p, "expected ]");
    p->at++;
    return BTZ_OK;
}

static enum btz_err segments(struct parser *p)
{
    if (peek(p) == '$')
        p->at++;
    else if (peek(p) != '[' && peek(p) != '*')
        BTZ_TRY(bare_name(p));
    while (p->at < p->in.len) {
        if (peek(p) == '[') {
            BTZ_TRY(bracket(p));
            continue;
        }
        if (peek(p) == '*' && p->at == 0) {
            p->at++;
            BTZ_TRY(push(p, (struct btz_jsonpath_step){ .kind = STEP_ALL }));
            continue;
        }
        if (peek(p) != '.')
            return REFUSE(p, "expected . or [");
        p->at++;
        if (peek(p) == '.')
            return REFUSE(p, "recursive descent (..) is not supported");
        if (peek(p) == '*') {
            p->at++;
            BTZ_TRY(push(p, (struct btz_jsonpath_step){ .kind = STEP_ALL }));
            continue;
        }
        BTZ_TRY(bare_name(p));
    }
    return BTZ_OK;
}

enum btz_err btz_jsonpath_parse(struct btz_slice text, struct btz_arena *arena,
                                struct btz_jsonpath *out)
{
    struct parser p = { .in = btz_slice_trim(text), .arena = arena };
    struct btz_jsonpath_step *steps;

    if (p.in.len > PATH_MAX_)
        return btz_fail(BTZ_LIMIT, "path: longer than %d bytes", PATH_MAX_);
    if (p.in.len == 0)
        return btz_fail(BTZ_USAGE, "path: expected something such as $.answer, found nothing");
    BTZ_TRY(segments(&p));
    steps = btz_arena_array(arena, p.count ? p.count : 1, sizeof *steps);
    if (!steps)
        return BTZ_LIMIT;
    memcpy(steps, p.steps, p.count * sizeof *steps);
    *out = (struct btz_jsonpath){ .steps = steps, .count = p.count };
    return BTZ_OK;
}

/* ---- walking ---- */

struct walk {
    const struct btz_jsonpath *path;
    enum btz_err (*visit)(void *user, const json_t *value);
    void *user;
    size_t found;
};

static enum btz_err walk(struct walk *w, size_t step_at, const json_t *value);

static enum btz_err walk_all(struct walk *w, size_t step_at, const json_t *value)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            BTZ_TRY(walk(w, step_at + 1, json_array_get(value, i)));
    } else if (json_is_object(value)) {
        /* jansson iterates without writing, whatever its prototype says. */
        json_t *object = (json_t *)(uintptr_t)value;

        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
            BTZ_TRY(walk(w, step_at + 1, json_object_iter_value(i)));
    }
    return BTZ_OK;
}

static const json_t *child(const struct btz_jsonpath_step *step, const json_t *value)
{
    int64_t index = step->index;

    if (step->kind == STEP_NAME)
        /* A name with NUL in it cannot be a key: our JSON has none. */
        return strlen(step->name) == step->name_len ? json_object_get(value, step->name) : NULL;
    if (index < 0)
        index += (int64_t)json_array_size(value);
    return index < 0 ? NULL : json_array_get(value, (size_t)index);
}

static enum btz_err walk(struct walk *w, size_t step_at, const json_t *value)
{
    const struct btz_jsonpath_step *step;

    for (; step_at < w->path->count; step_at++) {
        step = &w->path->steps[step_at];
        if (step->kind == STEP_ALL)
            return walk_all(w, step_at, value);
        value = child(step, value);
        if (!value)
            return BTZ_OK;
    }
    if (w->found == VALUES_MAX)
        return btz_fail(BTZ_LIMIT, "path: leads to more than %d values", VALUES_MAX);
    w->found++;
    return w->visit(w->user, value);
}

enum btz_err btz_jsonpath_visit(const struct btz_jsonpath *path, const json_t *root,
                                enum btz_err (*visit)(void *user, const json_t *value), void *user,
                                size_t *found)
{
    struct walk w = { .path = path, .visit = visit, .user = user };

    BTZ_TRY(walk(&w, 0, root));
    *found = w.found;
    return BTZ_OK;
}

struct text_of {
    struct btz_buf *out;
    bool more;
};

static enum btz_err add_text(void *user, const json_t *value)
{
    struct text_of *t = user;

    if (t->more)
        BTZ_TRY(btz_buf_add_byte(t->out, '\n'));
    t->more = true;
    if (json_is_string(value))
        return btz_buf_add(t->out, json_string_value(value), json_string_length(value));
    return json_is_null(value) ? BTZ_OK : btz_json_write(value, false, t->out);
}

enum btz_err btz_jsonpath_text(const struct btz_jsonpath *path, const json_t *root,
                               struct btz_buf *out, size_t *found)
{
    struct text_of t = { .out = out };

    return btz_jsonpath_visit(path, root, add_text, &t, found);
}
