/* Filters and paths: recursive descent with limits on length, nodes and depth. */
#include <strings.h>

#include "watch/api/scim.h"

struct parser {
    struct btz_slice in;
    size_t at, nodes;
    unsigned depth;
    bool inside; /* of brackets: no further ones */
    struct btz_arena *arena;
};

static enum btz_err fail(const struct parser *p, const char *expected)
{
    return btz_fail(BTZ_INPUT, "filter: expected %s at byte %zu", expected, p->at);
}

static void skip(struct parser *p)
{
    while (p->at < p->in.len && p->in.ptr[p->at] == ' ')
        p->at++;
}

static bool take(struct parser *p, char c)
{
    skip(p);
    if (p->at >= p->in.len || p->in.ptr[p->at] != (uint8_t)c)
        return false;
    p->at++;
    return true;
}

static bool is_name(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '$';
}

static struct btz_slice word_at(struct parser *p)
{
    size_t end;

    skip(p);
    for (end = p->at; end < p->in.len && is_name(p->in.ptr[end]); end++)
        ;
    return btz_slice_sub(p->in, p->at, end - p->at);
}

static bool is_word(struct btz_slice w, const char *text)
{
    return w.len == strlen(text) && strncasecmp((const char *)w.ptr, text, w.len) == 0;
}

/* A keyword that ends where it ends; taken when it is there. */
static bool take_word(struct parser *p, const char *text)
{
    struct btz_slice w = word_at(p);

    if (!is_word(w, text))
        return false;
    p->at += w.len;
    return true;
}

static enum btz_err new_node(struct parser *p, struct btz_scim_filter **out)
{
    if (++p->nodes > BTZ_SCIM_NODES)
        return btz_fail(BTZ_LIMIT, "filter: more than %d parts", BTZ_SCIM_NODES);
    *out = btz_arena_alloc(p->arena, sizeof **out);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

/* ---- attributes and values ------------------------------------------------------------------------------------------ */

/* [urn:...:]name[.name]. The URN ends at the last colon before the name. */
static enum btz_err parse_attribute(struct parser *p, const char **attribute, const char **sub)
{
    struct btz_slice w;
    size_t end;

    skip(p);
    if (p->in.len - p->at > 4 && strncasecmp((const char *)p->in.ptr + p->at, "urn:", 4) == 0) {
        size_t colon = SIZE_MAX;

        for (end = p->at; end < p->in.len && (is_name(p->in.ptr[end]) || p->in.ptr[end] == ':' ||
                                              p->in.ptr[end] == '.');
             end++)
            if (p->in.ptr[end] == ':')
                colon = end;
        p->at = colon + 1;
    }
    w = word_at(p);
    if (w.len == 0 || !(is_name(w.ptr[0]) && w.ptr[0] != '-'))
        return fail(p, "an attribute");
    p->at += w.len;
    *attribute = btz_arena_str(p->arena, w);
    *sub = NULL;
    if (!*attribute)
        return BTZ_LIMIT;
    if (p->at < p->in.len && p->in.ptr[p->at] == '.') {
        p->at++;
        end = p->at;
        w = word_at(p);
        if (w.len == 0 || p->at != end)
            return fail(p, "a sub-attribute");
        p->at += w.len;
        *sub = btz_arena_str(p->arena, w);
        if (!*sub)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

/* A JSON string, its end found first. */
static enum btz_err parse_text(struct parser *p, struct btz_scim_filter *f)
{
    BTZ_JSON json_t *value = NULL;
    size_t end = p->at + 1;

    while (end < p->in.len && p->in.ptr[end] != '"')
        end += p->in.ptr[end] == '\\' ? 2 : 1;
    if (end >= p->in.len)
        return fail(p, "the end of a string");
    if (btz_json_parse(btz_slice_sub(p->in, p->at, end + 1 - p->at), BTZ_SCIM_FILTER_MAX, "filter",
                       &value) != BTZ_OK ||
        !json_is_string(value))
        return fail(p, "a string");
    f->kind = BTZ_SCIM_TEXT;
    f->text = btz_arena_str(p->arena, btz_str(json_string_value(value)));
    p->at = end + 1;
    return f->text ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err parse_value(struct parser *p, struct btz_scim_filter *f)
{
    size_t end;

    skip(p);
    if (p->at < p->in.len && p->in.ptr[p->at] == '"')
        return parse_text(p, f);
    f->kind = BTZ_SCIM_BOOL;
    f->yes = true;
    if (take_word(p, "true"))
        return BTZ_OK;
    f->yes = false;
    if (take_word(p, "false"))
        return BTZ_OK;
    f->kind = BTZ_SCIM_NULL;
    if (take_word(p, "null"))
        return BTZ_OK;
    f->kind = BTZ_SCIM_NUMBER;
    for (end = p->at;
         end < p->in.len && p->in.ptr[end] && strchr("+-.0123456789eE", p->in.ptr[end]); end++)
        ;
    if (end == p->at ||
        btz_parse_double(btz_slice_sub(p->in, p->at, end - p->at), &f->number) != BTZ_OK)
        return fail(p, "a value");
    p->at = end;
    return BTZ_OK;
}

/* ---- expressions ---------------------------------------------------------------------------------------------------- */

static enum btz_err parse_or(struct parser *p, const struct btz_scim_filter **out);

static enum btz_err parse_nested(struct parser *p, char end, const struct btz_scim_filter **out)
{
    if (++p->depth > BTZ_SCIM_DEPTH)
        return btz_fail(BTZ_LIMIT, "filter: nested deeper than %d", BTZ_SCIM_DEPTH);
    BTZ_TRY(parse_or(p, out));
    p->depth--;
    if (!take(p, end))
        return fail(p, end == ')' ? "\")\"" : "\"]\"");
    return BTZ_OK;
}

static enum btz_err parse_test(struct parser *p, struct btz_scim_filter *f)
{
    static const struct {
        const char *word;
        enum btz_scim_test test;
    } words[] = { { "pr", BTZ_SCIM_PR }, { "eq", BTZ_SCIM_EQ }, { "ne", BTZ_SCIM_NE },
                  { "co", BTZ_SCIM_CO }, { "sw", BTZ_SCIM_SW }, { "ew", BTZ_SCIM_EW },
                  { "gt", BTZ_SCIM_GT }, { "ge", BTZ_SCIM_GE }, { "lt", BTZ_SCIM_LT },
                  { "le", BTZ_SCIM_LE } };

    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (take_word(p, words[i].word)) {
            f->test = words[i].test;
            return f->test == BTZ_SCIM_PR ? BTZ_OK : parse_value(p, f);
        }
    return fail(p, "eq, ne, co, sw, ew, gt, ge, lt, le or pr");
}

static enum btz_err parse_one(struct parser *p, const struct btz_scim_filter **out)
{
    struct btz_scim_filter *f;
    size_t before = p->at;

    if (take(p, '('))
        return parse_nested(p, ')', out);
    if (take_word(p, "not") && take(p, '(')) {
        BTZ_TRY(new_node(p, &f));
        f->test = BTZ_SCIM_NOT;
        BTZ_TRY(parse_nested(p, ')', &f->a));
        *out = f;
        return BTZ_OK;
    }
    p->at = before;
    BTZ_TRY(new_node(p, &f));
    BTZ_TRY(parse_attribute(p, &f->attribute, &f->sub));
    if (p->at < p->in.len && p->in.ptr[p->at] == '[' && !p->inside && !f->sub) {
        p->at++;
        p->inside = true;
        f->test = BTZ_SCIM_HAS;
        BTZ_TRY(parse_nested(p, ']', &f->a));
        p->inside = false;
    } else {
        BTZ_TRY(parse_test(p, f));
    }
    *out = f;
    return BTZ_OK;
}

static enum btz_err parse_joined(struct parser *p, const char *word, enum btz_scim_test test,
                                 enum btz_err (*part)(struct parser *,
                                                      const struct btz_scim_filter **),
                                 const struct btz_scim_filter **out)
{
    BTZ_TRY(part(p, out));
    while (take_word(p, word)) {
        struct btz_scim_filter *f;

        BTZ_TRY(new_node(p, &f));
        f->test = test;
        f->a = *out;
        BTZ_TRY(part(p, &f->b));
        *out = f;
    }
    return BTZ_OK;
}

static enum btz_err parse_and(struct parser *p, const struct btz_scim_filter **out)
{
    return parse_joined(p, "and", BTZ_SCIM_AND, parse_one, out);
}

static enum btz_err parse_or(struct parser *p, const struct btz_scim_filter **out)
{
    return parse_joined(p, "or", BTZ_SCIM_OR, parse_and, out);
}

static enum btz_err begin(struct parser *p)
{
    if (p->in.len > BTZ_SCIM_FILTER_MAX)
        return btz_fail(BTZ_LIMIT, "filter: longer than %d bytes", BTZ_SCIM_FILTER_MAX);
    return BTZ_OK;
}

static enum btz_err end_of(struct parser *p)
{
    skip(p);
    return p->at == p->in.len ? BTZ_OK : fail(p, "the end");
}

enum btz_err btz_scim_filter_parse(struct btz_slice text, struct btz_arena *arena,
                                   const struct btz_scim_filter **out)
{
    struct parser p = { .in = text, .arena = arena };

    BTZ_TRY(begin(&p));
    BTZ_TRY(parse_or(&p, out));
    return end_of(&p);
}

enum btz_err btz_scim_path_parse(struct btz_slice text, struct btz_arena *arena,
                                 struct btz_scim_path *out)
{
    struct parser p = { .in = text, .arena = arena, .inside = true };
    struct btz_slice w;

    memset(out, 0, sizeof *out);
    BTZ_TRY(begin(&p));
    BTZ_TRY(parse_attribute(&p, &out->attribute, &out->sub));
    if (!out->sub && p.at < text.len && text.ptr[p.at] == '[') {
        p.at++;
        BTZ_TRY(parse_nested(&p, ']', &out->filter));
        if (p.at < text.len && text.ptr[p.at] == '.') {
            p.at++;
            w = word_at(&p);
            if (w.len == 0)
                return fail(&p, "a sub-attribute");
            p.at += w.len;
            out->sub = btz_arena_str(arena, w);
            if (!out->sub)
                return BTZ_LIMIT;
        }
    }
    return end_of(&p);
}
