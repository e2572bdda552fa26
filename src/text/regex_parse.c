/* Patterns to trees: ECMA-262 section 22.2.1, with the flag u; escapes of signs that need none are taken as well. */
#include "text/regex_inside.h"

enum { DEPTH_MAX = 64, REPEAT_MAX = 65535 };

struct parser {
    struct btz_slice in;
    size_t at;
    struct btz_arena *arena;
    unsigned depth;
};

static enum btz_err bad(const struct parser *p, const char *what)
{
    return btz_fail(BTZ_INPUT, "pattern, byte %zu: %s", p->at, what);
}

static enum btz_err unsupported(const char *what)
{
    return btz_fail(BTZ_UNSUPPORTED, "pattern: %s cannot be matched in linear time", what);
}

static bool has(const struct parser *p, const char *text)
{
    return btz_slice_has_prefix(btz_slice_sub(p->in, p->at, p->in.len), btz_str(text));
}

static int peek(const struct parser *p)
{
    return p->at < p->in.len ? p->in.ptr[p->at] : -1;
}

static bool take(struct parser *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static enum btz_err make(struct parser *p, enum btz_regex_kind kind, struct btz_regex_tree **out)
{
    struct btz_regex_tree *t = btz_arena_alloc(p->arena, sizeof *t);

    if (!t)
        return BTZ_LIMIT;
    t->kind = kind;
    *out = t;
    return BTZ_OK;
}

static enum btz_err add_item(struct parser *p, struct btz_regex_set *set,
                             const struct btz_regex_item *item)
{
    struct btz_regex_item *copy = btz_arena_alloc(p->arena, sizeof *copy);

    if (!copy)
        return BTZ_LIMIT;
    *copy = *item;
    copy->next = set->items;
    set->items = copy;
    return BTZ_OK;
}

/* ---- escapes --------------------------------------------------------------------------------------------------------- */

static bool hex(struct parser *p, unsigned digits, uint32_t *out)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < digits; i++) {
        int c = p->at + i < p->in.len ? p->in.ptr[p->at + i] : -1;

        if (c >= '0' && c <= '9')
            n = n * 16 + (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            n = n * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    p->at += digits;
    *out = n;
    return true;
}

/* Behind "\u". */
static enum btz_err unicode(struct parser *p, uint32_t *out)
{
    uint32_t low;
    size_t before;

    if (take(p, '{')) {
        size_t close = btz_slice_find(p->in, btz_str("}"), p->at);

        if (close == SIZE_MAX || close == p->at || close - p->at > 6 ||
            !hex(p, (unsigned)(close - p->at), out) || *out > 0x10FFFF)
            return bad(p, "\\u{...} holds no code point");
        p->at++;
        return BTZ_OK;
    }
    if (!hex(p, 4, out))
        return bad(p, "four hexadecimal digits are expected behind \\u");
    before = p->at;
    if (*out >= 0xD800 && *out < 0xDC00 && has(p, "\\u")) {
        p->at += 2;
        if (hex(p, 4, &low) && low >= 0xDC00 && low < 0xE000)
            *out = 0x10000 + ((*out - 0xD800) << 10) + (low - 0xDC00);
        else
            p->at = before;
    }
    return BTZ_OK;
}

/* Names of categories that ECMA-262 knows and the Unicode library does not. */
static uc_general_category_t category_of(const char *name)
{
    static const char *const aliases[][2] = {
        { "digit", "Nd" }, { "punct", "P" }, { "cntrl", "Cc" }, { "Combining_Mark", "M" }
    };

    for (size_t i = 0; i < BTZ_COUNT(aliases); i++)
        if (strcmp(name, aliases[i][0]) == 0)
            name = aliases[i][1];
    return uc_general_category_byname(name);
}

/* \p{Lu}, \p{L}, \p{gc=Lu}, \p{Script=Greek}, \p{Alphabetic} */
static enum btz_err property(struct parser *p, struct btz_regex_item *item)
{
    size_t close = btz_slice_find(p->in, btz_str("}"), p->at);
    char name[64];
    char *value;

    if (!take(p, '{') || close == SIZE_MAX || close - p->at >= sizeof name || close == p->at)
        return bad(p, "\\p needs a property in braces");
    memcpy(name, p->in.ptr + p->at, close - p->at);
    name[close - p->at] = 0;
    value = strchr(name, '=');
    if (value)
        *value++ = 0;
    if (value && (strcmp(name, "Script") == 0 || strcmp(name, "sc") == 0)) {
        item->kind = BTZ_ITEM_SCRIPT;
        item->script = uc_script_byname(value);
        if (!item->script)
            return bad(p, "unknown script");
    } else if (!value || strcmp(name, "General_Category") == 0 || strcmp(name, "gc") == 0) {
        item->category = category_of(value ? value : name);
        item->property = uc_property_byname(value ? "" : name);
        if (!value && strcmp(name, "Any") == 0)
            item->kind = BTZ_ITEM_ANY;
        else if (item->category.bitmask != 0)
            item->kind = BTZ_ITEM_CATEGORY;
        else if (uc_property_is_valid(item->property))
            item->kind = BTZ_ITEM_PROPERTY;
        else
            return bad(p, "unknown property of characters");
    } else {
        return bad(p, "unknown property of characters");
    }
    p->at = close + 1;
    return BTZ_OK;
}

/* Behind "\": a set (`is_set`), or one character. */
static enum btz_err escape(struct parser *p, bool in_set, bool *is_set, struct btz_regex_item *item)
{
    static const struct {
        char letter;
        uint32_t c;
    } controls[] = { { 't', '\t' }, { 'n', '\n' }, { 'v', '\v' }, { 'f', '\f' }, { 'r', '\r' } };
    int c = peek(p);

    *item = (struct btz_regex_item){ .kind = BTZ_ITEM_RANGE };
    *is_set = true;
    if (c < 0)
        return bad(p, "nothing follows the last \\");
    p->at++;
    item->inverse = c == 'D' || c == 'W' || c == 'S' || c == 'P';
    switch (c | 0x20) {
    case 'd':
        item->kind = BTZ_ITEM_DIGIT;
        return BTZ_OK;
    case 'w':
        item->kind = BTZ_ITEM_WORD;
        return BTZ_OK;
    case 's':
        item->kind = BTZ_ITEM_SPACE;
        return BTZ_OK;
    case 'p':
        if (c == 'p' || c == 'P')
            return property(p, item);
        break;
    default:
        break;
    }
    *is_set = false;
    for (size_t i = 0; i < BTZ_COUNT(controls); i++)
        if (c == controls[i].letter) {
            item->low = item->high = controls[i].c;
            return BTZ_OK;
        }
    if (c == 'u') {
        BTZ_TRY(unicode(p, &item->low));
    } else if (c == 'x') {
        if (!hex(p, 2, &item->low))
            return bad(p, "two hexadecimal digits are expected behind \\x");
    } else if (c == 'c' && (peek(p) | 0x20) >= 'a' && (peek(p) | 0x20) <= 'z') {
        item->low = (uint32_t)p->in.ptr[p->at++] & 31;
    } else if (c == '0' && !(peek(p) >= '0' && peek(p) <= '9')) {
        item->low = 0;
    } else if (c == 'b' && in_set) {
        item->low = '\b';
    } else if ((c >= '1' && c <= '9') || c == 'k') {
        return unsupported("a reference back to a group");
    } else if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80) {
        p->at--;
        return bad(p, "unknown escape");
    } else {
        item->low = (uint32_t)c;
    }
    item->high = item->low;
    return BTZ_OK;
}

/* ---- sets ------------------------------------------------------------------------------------------------------------ */

static enum btz_err set_member(struct parser *p, bool *is_set, struct btz_regex_item *item)
{
    uint32_t c;

    if (take(p, '\\'))
        return escape(p, true, is_set, item);
    *is_set = false;
    *item = (struct btz_regex_item){ .kind = BTZ_ITEM_RANGE };
    if (!btz_utf8_next(p->in, &p->at, &c))
        return bad(p, "a set of characters is not closed");
    item->low = item->high = c;
    return BTZ_OK;
}

/* Behind "[". */
static enum btz_err set(struct parser *p, struct btz_regex_tree **out)
{
    struct btz_regex_set *s = btz_arena_alloc(p->arena, sizeof *s);

    if (!s)
        return BTZ_LIMIT;
    s->inverse = take(p, '^');
    while (!take(p, ']')) {
        struct btz_regex_item item, to;
        bool is_set, to_set;

        BTZ_TRY(set_member(p, &is_set, &item));
        if (!is_set && peek(p) == '-' && p->at + 1 < p->in.len && p->in.ptr[p->at + 1] != ']') {
            p->at++;
            BTZ_TRY(set_member(p, &to_set, &to));
            if (to_set || to.low < item.low)
                return bad(p, "a range of characters goes backwards");
            item.high = to.low;
        }
        BTZ_TRY(add_item(p, s, &item));
    }
    BTZ_TRY(make(p, BTZ_TREE_SET, out));
    (*out)->set = s;
    return BTZ_OK;
}

static enum btz_err single(struct parser *p, const struct btz_regex_item *item,
                           struct btz_regex_tree **out)
{
    struct btz_regex_set *s = btz_arena_alloc(p->arena, sizeof *s);

    if (!s)
        return BTZ_LIMIT;
    BTZ_TRY(add_item(p, s, item));
    BTZ_TRY(make(p, BTZ_TREE_SET, out));
    (*out)->set = s;
    return BTZ_OK;
}

static bool in_item(const struct btz_regex_item *i, uint32_t c)
{
    switch (i->kind) {
    case BTZ_ITEM_DIGIT:
        return c >= '0' && c <= '9';
    case BTZ_ITEM_WORD:
        return btz_regex_is_word(c);
    case BTZ_ITEM_SPACE:
        return (c >= 9 && c <= 13) || c == ' ' || c == 0xA0 || c == 0xFEFF || c == 0x2028 ||
               c == 0x2029 || (c > 0x7F && uc_is_general_category(c, UC_CATEGORY_Zs));
    case BTZ_ITEM_ANY:
        return true;
    case BTZ_ITEM_CATEGORY:
        return uc_is_general_category(c, i->category);
    case BTZ_ITEM_PROPERTY:
        return uc_is_property(c, i->property);
    case BTZ_ITEM_SCRIPT:
        return uc_is_script(c, i->script);
    default:
        return c >= i->low && c <= i->high;
    }
}

bool btz_regex_is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c < 0x80 && (c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           c == '_';
}

bool btz_regex_in_set(const struct btz_regex_set *s, uint32_t c)
{
    for (const struct btz_regex_item *i = s->items; i; i = i->next)
        if (in_item(i, c) != i->inverse)
            return !s->inverse;
    return s->inverse;
}

/* ---- groups and repetitions ------------------------------------------------------------------------------------------- */

static enum btz_err either(struct parser *p, struct btz_regex_tree **out);

/* Behind "(". */
static enum btz_err group(struct parser *p, struct btz_regex_tree **out)
{
    if (take(p, '?')) {
        if (has(p, "=") || has(p, "!"))
            return unsupported("looking ahead, (?= or (?!,");
        if (has(p, "<=") || has(p, "<!"))
            return unsupported("looking behind, (?<= or (?<!,");
        if (take(p, '<')) {
            size_t close = btz_slice_find(p->in, btz_str(">"), p->at);

            if (close == SIZE_MAX || close == p->at)
                return bad(p, "the name of a group is not closed");
            p->at = close + 1;
        } else if (!take(p, ':')) {
            return btz_fail(BTZ_UNSUPPORTED, "pattern: groups of the kind (?%c are not known",
                            peek(p) > 0x20 && peek(p) < 0x7F ? peek(p) : '?');
        }
    }
    if (++p->depth > DEPTH_MAX)
        return btz_fail(BTZ_LIMIT, "pattern: groups deeper than %d", DEPTH_MAX);
    BTZ_TRY(either(p, out));
    p->depth--;
    return take(p, ')') ? BTZ_OK : bad(p, "a group is not closed");
}

static enum btz_err escaped(struct parser *p, struct btz_regex_tree **out)
{
    struct btz_regex_item item;
    bool is_set;

    if (take(p, 'b'))
        return make(p, BTZ_TREE_EDGE, out);
    if (take(p, 'B'))
        return make(p, BTZ_TREE_NO_EDGE, out);
    BTZ_TRY(escape(p, false, &is_set, &item));
    if (is_set)
        return single(p, &item, out);
    BTZ_TRY(make(p, BTZ_TREE_CHAR, out));
    (*out)->c = item.low;
    return BTZ_OK;
}

static enum btz_err atom(struct parser *p, struct btz_regex_tree **out)
{
    uint32_t c;

    switch (peek(p)) {
    case '(':
        p->at++;
        return group(p, out);
    case '[':
        p->at++;
        return set(p, out);
    case '\\':
        p->at++;
        return escaped(p, out);
    case '.':
        p->at++;
        return make(p, BTZ_TREE_DOT, out);
    case '^':
        p->at++;
        return make(p, BTZ_TREE_BEGIN, out);
    case '$':
        p->at++;
        return make(p, BTZ_TREE_END, out);
    case '*':
    case '+':
    case '?':
        return bad(p, "there is nothing to repeat");
    default:
        break;
    }
    if (!btz_utf8_next(p->in, &p->at, &c))
        return bad(p, "something is missing");
    BTZ_TRY(make(p, BTZ_TREE_CHAR, out));
    (*out)->c = c;
    return BTZ_OK;
}

static bool number(struct parser *p, uint32_t *out)
{
    size_t from = p->at;

    *out = 0;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++)
        *out = *out > REPEAT_MAX ? *out : *out * 10 + (uint32_t)(peek(p) - '0');
    return p->at > from;
}

/* "{2}", "{2,}", "{2,5}"; anything else is the character "{". */
static bool braces(struct parser *p, uint32_t *min, uint32_t *max)
{
    size_t from = p->at;

    if (take(p, '{') && number(p, min)) {
        *max = *min;
        if (take(p, ',') && !number(p, max))
            *max = UINT32_MAX;
        if (take(p, '}'))
            return true;
    }
    p->at = from;
    return false;
}

static enum btz_err repeated(struct parser *p, struct btz_regex_tree **t)
{
    struct btz_regex_tree *r;
    uint32_t min = 0, max = UINT32_MAX;

    if (take(p, '+'))
        min = 1;
    else if (take(p, '?'))
        max = 1;
    else if (!take(p, '*') && !braces(p, &min, &max))
        return BTZ_OK;
    (void)take(p, '?'); /* lazy or not, it matches the same texts */
    if (max < min)
        return bad(p, "a repetition's bounds are out of order");
    if (min > REPEAT_MAX || (max != UINT32_MAX && max > REPEAT_MAX))
        return btz_fail(BTZ_LIMIT, "pattern: more than %d repetitions", REPEAT_MAX);
    BTZ_TRY(make(p, BTZ_TREE_REPEAT, &r));
    r->inner = *t;
    r->min = min;
    r->max = max;
    *t = r;
    return peek(p) == '*' || peek(p) == '+' || peek(p) == '?'
               ? bad(p, "a repetition of a repetition")
               : BTZ_OK;
}

static enum btz_err sequence(struct parser *p, struct btz_regex_tree **first)
{
    struct btz_regex_tree **end = first;

    *first = NULL;
    while (peek(p) >= 0 && peek(p) != '|' && peek(p) != ')') {
        BTZ_TRY(atom(p, end));
        BTZ_TRY(repeated(p, end));
        end = &(*end)->next;
    }
    return BTZ_OK;
}

static enum btz_err either(struct parser *p, struct btz_regex_tree **out)
{
    struct btz_regex_tree **end = out;

    do {
        BTZ_TRY(make(p, BTZ_TREE_EITHER, end));
        BTZ_TRY(sequence(p, &(*end)->inner));
        end = &(*end)->other;
    } while (take(p, '|'));
    return BTZ_OK;
}

enum btz_err btz_regex_parse(struct btz_slice pattern, struct btz_arena *arena,
                             struct btz_regex_tree **out)
{
    struct parser p = { .in = pattern, .arena = arena };

    if (!btz_is_utf8(pattern))
        return btz_fail(BTZ_INPUT, "pattern: not UTF-8");
    BTZ_TRY(either(&p, out));
    return p.at == pattern.len ? BTZ_OK : bad(&p, "a group is closed that was not opened");
}
