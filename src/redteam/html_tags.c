/* Tags of an HTML text, after the tokenizer of the WHATWG HTML standard, 13.2.5. One pass, no tree. */
#include "redteam/evidence.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Past a comment, a doctype or a bogus comment that begins at `at` ("<!", "<?", "</" and no letter). */
static size_t skip_comment(struct btz_slice in, size_t at)
{
    struct btz_slice rest = btz_slice_sub(in, at, in.len);
    size_t end;

    if (btz_slice_has_prefix(rest, btz_str("<!--"))) {
        if (btz_slice_has_prefix(rest, btz_str("<!-->")))
            return at + 5;
        if (btz_slice_has_prefix(rest, btz_str("<!--->")))
            return at + 6;
        end = btz_slice_find(in, btz_str("-->"), at + 4);
        return end == SIZE_MAX ? in.len : end + 3;
    }
    end = btz_slice_find(in, btz_str(">"), at);
    return end == SIZE_MAX ? in.len : end + 1;
}

static void add_attribute(struct btz_html_tag *tag, struct btz_slice name, struct btz_slice value)
{
    if (tag->attribute_count < BTZ_HTML_ATTRIBUTES)
        tag->attributes[tag->attribute_count++] =
            (struct btz_html_attribute){ .name = name, .value = value };
}

/* One attribute from `at`, which is no space, "/" or ">"; returns where it ends. */
static size_t read_attribute(struct btz_slice in, size_t at, struct btz_html_tag *tag)
{
    size_t from = at, end, value;
    struct btz_slice name;
    uint8_t quote;

    /* A leading "=" belongs to the name (13.2.5.32). */
    at += in.ptr[at] == '=';
    while (at < in.len && !is_space(in.ptr[at]) && !memchr("/>=", in.ptr[at], 3))
        at++;
    name = btz_slice_sub(in, from, at - from);
    end = at;
    while (end < in.len && is_space(in.ptr[end]))
        end++;
    if (end >= in.len || in.ptr[end] != '=') {
        add_attribute(tag, name, btz_slice_sub(in, at, 0));
        return at;
    }
    end++;
    while (end < in.len && is_space(in.ptr[end]))
        end++;
    value = end;
    quote = end < in.len ? in.ptr[end] : 0;
    if (quote == '"' || quote == '\'') {
        const uint8_t *close = memchr(in.ptr + end + 1, quote, in.len - end - 1);

        if (!close)
            return in.len;
        value++;
        end = (size_t)(close - in.ptr);
        add_attribute(tag, name, btz_slice_sub(in, value, end - value));
        return end + 1;
    }
    while (end < in.len && !is_space(in.ptr[end]) && in.ptr[end] != '>')
        end++;
    add_attribute(tag, name, btz_slice_sub(in, value, end - value));
    return end;
}

/* Reads the tag at `at`; in.len when the text ends inside it, which makes it no tag. */
static size_t read_tag(struct btz_slice in, size_t at, struct btz_html_tag *tag)
{
    size_t i = at + 1;

    tag->at = at;
    tag->attribute_count = 0;
    tag->raw = btz_slice_sub(in, at, 0);
    tag->closing = in.ptr[i] == '/';
    i += tag->closing;
    tag->name.ptr = in.ptr + i;
    while (i < in.len && !is_space(in.ptr[i]) && in.ptr[i] != '/' && in.ptr[i] != '>')
        i++;
    tag->name.len = (size_t)(in.ptr + i - tag->name.ptr);
    for (;;) {
        while (i < in.len && (is_space(in.ptr[i]) || in.ptr[i] == '/'))
            i++;
        if (i >= in.len)
            return SIZE_MAX;
        if (in.ptr[i] == '>')
            break;
        i = read_attribute(in, i, tag);
    }
    tag->len = i + 1 - at;
    return i + 1;
}

/* Elements whose content is text up to their own end tag (13.2.5.2 to 13.2.5.4). */
static bool is_raw(struct btz_slice name)
{
    static const char *const names[] = { "script", "style",  "title",  "textarea",
                                         "xmp",    "iframe", "noembed" };

    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (btz_same_nocase(name, names[i]))
            return true;
    return false;
}

static size_t raw_end(struct btz_slice in, size_t at, struct btz_slice name)
{
    while ((at = btz_slice_find(in, btz_str("</"), at)) != SIZE_MAX) {
        struct btz_slice found = btz_slice_sub(in, at + 2, name.len);
        size_t after = at + 2 + name.len;

        if (btz_find_nocase(found, name, 0) == 0 &&
            (after == in.len || is_space(in.ptr[after]) || memchr("/>", in.ptr[after], 2)))
            return at;
        at += 2;
    }
    return in.len;
}

enum btz_err btz_html_scan(struct btz_slice in,
                           enum btz_err (*visit)(void *user, const struct btz_html_tag *tag),
                           void *user)
{
    struct btz_html_tag tag;
    size_t at = 0;

    while (at < in.len) {
        const uint8_t *open = memchr(in.ptr + at, '<', in.len - at);
        uint8_t next, after;

        if (!open)
            return BTZ_OK;
        at = (size_t)(open - in.ptr);
        next = at + 1 < in.len ? in.ptr[at + 1] : 0;
        after = at + 2 < in.len ? in.ptr[at + 2] : 0;
        if (next == '!' || next == '?' || (next == '/' && !is_letter(after) && after != 0)) {
            at = skip_comment(in, at);
            continue;
        }
        if (!is_letter(next) && !(next == '/' && is_letter(after))) {
            at++;
            continue;
        }
        at = read_tag(in, at, &tag);
        if (at == SIZE_MAX)
            return BTZ_OK;
        if (!tag.closing && is_raw(tag.name)) {
            size_t end = raw_end(in, at, tag.name);

            tag.raw = btz_slice_sub(in, at, end - at);
            at = end;
        }
        BTZ_TRY(visit(user, &tag));
    }
    return BTZ_OK;
}

bool btz_html_attribute(const struct btz_html_tag *tag, const char *name, struct btz_slice *value)
{
    for (size_t i = 0; i < tag->attribute_count; i++)
        if (btz_same_nocase(tag->attributes[i].name, name)) {
            *value = tag->attributes[i].value;
            return true;
        }
    return false;
}

/* ---- character references ---- */

/* The names whose characters matter in addresses and scripts (13.5). */
static const struct {
    const char *name;
    uint8_t c;
} references[] = {
    { "amp;", '&' },    { "lt;", '<' },     { "gt;", '>' },     { "quot;", '"' },
    { "apos;", '\'' },  { "colon;", ':' },  { "sol;", '/' },    { "period;", '.' },
    { "lpar;", '(' },   { "rpar;", ')' },   { "Tab;", '\t' },   { "NewLine;", '\n' },
    { "quest;", '?' },  { "equals;", '=' }, { "num;", '#' },    { "percnt;", '%' },
    { "commat;", '@' }, { "semi;", ';' },   { "bsol;", '\\' },  { "grave;", '`' },
    { "lowbar;", '_' }, { "plus;", '+' },   { "dollar;", '$' }, { "excl;", '!' },
    { "lbrace;", '{' }, { "rbrace;", '}' }, { "lsqb;", '[' },   { "rsqb;", ']' },
    { "lcub;", '{' },   { "rcub;", '}' },   { "lbrack;", '[' }, { "rbrack;", ']' },
    { "comma;", ',' },  { "ast;", '*' },    { "verbar;", '|' }, { "vert;", '|' },
};

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Length of the reference at `at` ("&..."), 0 when there is none. */
static size_t read_reference(struct btz_slice in, size_t at, uint32_t *c)
{
    struct btz_slice rest = btz_slice_sub(in, at + 1, 16);
    size_t i = 1, digits = 0;
    uint32_t value = 0;
    int base = 10;

    if (rest.len == 0 || rest.ptr[0] != '#') {
        for (size_t n = 0; n < BTZ_COUNT(references); n++)
            if (btz_slice_has_prefix(rest, btz_str(references[n].name))) {
                *c = references[n].c;
                return 1 + strlen(references[n].name);
            }
        return 0;
    }
    if (i < rest.len && (rest.ptr[i] | 0x20) == 'x') {
        base = 16;
        i++;
    }
    for (; i < rest.len && digit_of(rest.ptr[i]) < base; i++, digits++)
        value = value > 0x10FFFF ? value : value * (uint32_t)base + (uint32_t)digit_of(rest.ptr[i]);
    if (digits == 0)
        return 0;
    *c = value;
    return 1 + i + (i < rest.len && rest.ptr[i] == ';');
}

enum btz_err btz_html_decode(struct btz_slice in, bool address, struct btz_arena *arena,
                             struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(4 * BTZ_EVIDENCE_MAX);

    for (size_t i = 0; i < in.len;) {
        uint32_t c = in.ptr[i];
        size_t n = c == '&' ? read_reference(in, i, &c) : 0;

        i += n ? n : 1;
        /* URL standard, 4.4: tab and line ends are dropped anywhere, other controls and space at the ends. */
        if (address && (c == '\t' || c == '\n' || c == '\r' || (c <= ' ' && b.len == 0)))
            continue;
        if (n)
            BTZ_TRY(btz_buf_add_utf8(&b, c));
        else
            BTZ_TRY(btz_buf_add_byte(&b, (uint8_t)c));
    }
    if (address)
        while (b.len > 0 && b.ptr[b.len - 1] <= ' ')
            b.len--;
    return btz_arena_copy(arena, btz_buf_slice(&b), out);
}
