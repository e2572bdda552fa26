/*
 * A strict reader of our own HTML: only elements and attributes that the report writes, properly nested, every piece of
 * text escaped, nothing that loads or runs, and what a screen reader needs. Stricter than the standard, so that any
 * markup that came from data is an error.
 */
#ifndef BTZ_TEST_HTML_CHECK_H
#define BTZ_TEST_HTML_CHECK_H

#include <stdarg.h>
#include <stdlib.h>

#include "base/base.h"

#define HTML_DEPTH 32
#define HTML_NAMES 8192 /* ids and references */
#define HTML_ATTRS 8

enum html_kind {
    HTML_BLOCK,  /* holds anything that flows */
    HTML_LINE,   /* block that holds phrasing only */
    HTML_INLINE, /* phrasing that holds phrasing */
    HTML_ROWS,   /* holds only the elements that name it as their parent, no text */
    HTML_VOID,
    HTML_SHAPE, /* of a drawing, without content */
};

struct html_element {
    const char *name;
    enum html_kind kind;
    const char *parents;    /* "" any that may hold it by kind */
    const char *attributes; /* beside class */
};

static const struct html_element html_elements[] = {
    { "html", HTML_ROWS, "#", "lang" },
    { "head", HTML_ROWS, "html", "" },
    { "meta", HTML_VOID, "head", "charset http-equiv name content" },
    { "title", HTML_LINE, "head", "" },
    { "style", HTML_LINE, "head", "" },
    { "body", HTML_BLOCK, "html", "" },
    { "header", HTML_BLOCK, "body", "" },
    { "nav", HTML_BLOCK, "body", "aria-label" },
    { "main", HTML_BLOCK, "body", "" },
    { "section", HTML_BLOCK, "main", "aria-labelledby" },
    { "div", HTML_BLOCK, "", "id dir" },
    { "h1", HTML_LINE, "header", "" },
    { "h2", HTML_LINE, "section", "id tabindex" },
    { "h3", HTML_LINE, "summary div", "" },
    { "h4", HTML_LINE, "div", "" },
    { "h5", HTML_LINE, "div", "" },
    { "p", HTML_LINE, "", "" },
    { "pre", HTML_LINE, "", "" },
    { "ul", HTML_ROWS, "", "aria-label" },
    { "ol", HTML_ROWS, "", "aria-label" },
    { "li", HTML_BLOCK, "ul ol", "" },
    { "dl", HTML_ROWS, "", "" },
    { "dt", HTML_LINE, "div", "" },
    { "dd", HTML_LINE, "div", "" },
    { "details", HTML_BLOCK, "", "open" },
    { "summary", HTML_LINE, "details", "" },
    { "table", HTML_ROWS, "", "" },
    { "caption", HTML_LINE, "table", "" },
    { "thead", HTML_ROWS, "table", "" },
    { "tbody", HTML_ROWS, "table", "" },
    { "tr", HTML_ROWS, "thead tbody", "" },
    { "th", HTML_BLOCK, "tr", "scope" },
    { "td", HTML_BLOCK, "tr", "data-t colspan" },
    { "a", HTML_INLINE, "", "href" },
    { "b", HTML_INLINE, "", "" },
    { "bdi", HTML_INLINE, "", "" },
    { "code", HTML_INLINE, "", "" },
    { "mark", HTML_INLINE, "", "" },
    { "small", HTML_INLINE, "", "" },
    { "span", HTML_INLINE, "", "" },
    { "strong", HTML_INLINE, "", "" },
    { "img", HTML_VOID, "div", "alt src" },
    { "svg", HTML_INLINE, "", "viewBox role aria-label" },
    { "g", HTML_ROWS, "svg", "" },
    { "text", HTML_LINE, "svg g", "x y" },
    { "path", HTML_SHAPE, "svg g", "d" },
    { "rect", HTML_SHAPE, "svg g", "x y width height" },
    { "circle", HTML_SHAPE, "svg g", "cx cy r" },
};

struct html_open {
    const struct html_element *element;
    size_t children;
    bool has_caption, has_th;
};

struct html_attr {
    struct btz_slice name, value;
};

struct html_check {
    struct btz_slice in, style, policy;
    size_t at;
    struct html_open stack[HTML_DEPTH];
    size_t depth;
    struct btz_slice *ids, *uses;
    size_t id_count, use_count;
    int heading;
    uint64_t shape; /* of all tags in order, whatever the text */
    size_t tags, tables, drawings;
    char why[400];
};

static inline bool html_bad(struct html_check *c, const char *fmt, ...) BTZ_PRINTF(2, 3);
static inline bool html_bad(struct html_check *c, const char *fmt, ...)
{
    size_t from = c->at > 60 ? c->at - 60 : 0;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(c->why, sizeof c->why, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof c->why)
        snprintf(c->why + n, sizeof c->why - (size_t)n, " at byte %zu: ...%.*s", c->at,
                 BTZ_SLICE_ARG(btz_slice_sub(c->in, from, 120)));
    return false;
}

static inline bool html_has_word(const char *list, struct btz_slice word)
{
    struct btz_slice all = btz_str(list);
    size_t at = 0;

    while (at < all.len) {
        size_t end = btz_slice_find(all, btz_str(" "), at);

        end = end == SIZE_MAX ? all.len : end;
        if (btz_slice_equal(btz_slice_sub(all, at, end - at), word))
            return true;
        at = end + 1;
    }
    return false;
}

/* Everything escaped: no quotes, no angle brackets, known entities, nothing invisible. */
static inline bool html_text(struct html_check *c, struct btz_slice text)
{
    static const char *const entities[] = { "&amp;", "&lt;",    "&gt;",     "&quot;",
                                            "&#39;", "&ndash;", "&middot;", "&hellip;" };
    size_t at = 0, start;
    uint32_t ch;

    for (start = 0; btz_utf8_next(text, &at, &ch); start = at) {
        bool known = ch != '&';

        for (size_t i = 0; i < BTZ_COUNT(entities) && !known; i++)
            known = btz_slice_has_prefix(btz_slice_sub(text, start, 10), btz_str(entities[i]));
        if (!known || ch == '<' || ch == '>' || ch == '"' || ch == '\'')
            return html_bad(c, "text is not escaped: \"%.*s\"",
                            BTZ_SLICE_ARG(btz_slice_sub(text, start, 40)));
        if ((ch < 0x20 && ch != '\n') || (ch >= 0x7f && ch < 0xa0) || ch == 0xad || ch == 0xfeff ||
            (ch >= 0x200b && ch <= 0x200f) || (ch >= 0x2028 && ch <= 0x202e) ||
            (ch >= 0x2060 && ch <= 0x206f) || (ch >= 0xe0000 && ch <= 0xe0fff) ||
            (ch & 0xfffe) == 0xfffe || (ch >= 0xfdd0 && ch <= 0xfdef))
            return html_bad(c, "U+%04X in text", ch);
    }
    return true;
}

static inline const struct html_attr *html_attr(const struct html_attr *attrs, size_t count,
                                                const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (btz_slice_is(attrs[i].name, name))
            return &attrs[i];
    return NULL;
}

static inline bool html_is_name(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '-';
}

static inline struct btz_slice html_name(struct html_check *c)
{
    size_t from = c->at;

    while (c->at < c->in.len && html_is_name(c->in.ptr[c->at]))
        c->at++;
    return btz_slice_sub(c->in, from, c->at - from);
}

/* ` name="value"`, or ` open` alone. */
static inline bool html_attrs(struct html_check *c, const struct html_element *e,
                              struct html_attr *attrs, size_t *count)
{
    *count = 0;
    while (c->at < c->in.len && c->in.ptr[c->at] == ' ') {
        struct html_attr a = { .value = btz_str("") };
        size_t end;

        c->at++;
        a.name = html_name(c);
        if (!btz_slice_is(a.name, "class") && !html_has_word(e->attributes, a.name))
            return html_bad(c, "attribute \"%.*s\" of <%s>", BTZ_SLICE_ARG(a.name), e->name);
        for (size_t i = 0; i < *count; i++)
            if (btz_slice_equal(attrs[i].name, a.name))
                return html_bad(c, "attribute \"%.*s\" twice", BTZ_SLICE_ARG(a.name));
        if (*count == HTML_ATTRS)
            return html_bad(c, "too many attributes");
        if (btz_slice_has_prefix(btz_slice_sub(c->in, c->at, 2), btz_str("=\""))) {
            end = btz_slice_find(c->in, btz_str("\""), c->at + 2);
            if (end == SIZE_MAX)
                return html_bad(c, "attribute without end");
            a.value = btz_slice_sub(c->in, c->at + 2, end - c->at - 2);
            if (!html_text(c, a.value))
                return false;
            c->at = end + 1;
        } else if (!btz_slice_is(a.name, "open")) {
            return html_bad(c, "attribute without value");
        }
        attrs[(*count)++] = a;
    }
    return true;
}

static inline bool html_use(struct html_check *c, const struct html_attr *a, size_t skip)
{
    if (!a)
        return true;
    if (c->use_count == HTML_NAMES)
        return html_bad(c, "too many references");
    c->uses[c->use_count++] = btz_slice_sub(a->value, skip, SIZE_MAX);
    return true;
}

/* What the element must have to be understood, and must not have to be safe. */
static inline bool html_meaning(struct html_check *c, const struct html_element *e,
                                const struct html_attr *attrs, size_t count)
{
    const struct html_attr *id = html_attr(attrs, count, "id");
    const struct html_attr *href = html_attr(attrs, count, "href");
    const struct html_attr *label = html_attr(attrs, count, "aria-label");

    if (id) {
        if (c->id_count == HTML_NAMES || id->value.len == 0)
            return html_bad(c, "bad id");
        c->ids[c->id_count++] = id->value;
    }
    if (strcmp(e->name, "a") == 0 && !href)
        return html_bad(c, "link without address");
    if (href && (href->value.len < 2 || href->value.ptr[0] != '#'))
        return html_bad(c, "address that leads outside");
    if (strcmp(e->name, "img") == 0) {
        const struct html_attr *src = html_attr(attrs, count, "src"),
                               *alt = html_attr(attrs, count, "alt");

        if (!src || !btz_slice_has_prefix(src->value, btz_str("data:image/png;base64,iVBORw0KGgo")))
            return html_bad(c, "picture from elsewhere");
        if (!alt || alt->value.len == 0)
            return html_bad(c, "picture without words");
    }
    if (strcmp(e->name, "svg") == 0) {
        const struct html_attr *role = html_attr(attrs, count, "role");

        c->drawings++;
        if (!role || !btz_slice_is(role->value, "img") || !label || label->value.len == 0)
            return html_bad(c, "drawing without role and label");
    }
    if (strcmp(e->name, "th") == 0 && !html_attr(attrs, count, "scope"))
        return html_bad(c, "header cell without scope");
    if (strcmp(e->name, "nav") == 0 && !label)
        return html_bad(c, "navigation without label");
    if (e->name[0] == 'h' && e->name[1] >= '1' && e->name[1] <= '5') {
        int level = e->name[1] - '0';

        if (level > c->heading + 1 || (level == 1) != (c->heading == 0))
            return html_bad(c, "h%d after h%d", level, c->heading);
        c->heading = level;
    }
    if (strcmp(e->name, "meta") == 0) {
        const struct html_attr *kind = html_attr(attrs, count, "http-equiv");

        if (kind && !btz_slice_is(kind->value, "Content-Security-Policy"))
            return html_bad(c, "meta that is no policy");
        if (kind)
            c->policy = html_attr(attrs, count, "content")->value;
    }
    return html_use(c, href, 1) && html_use(c, html_attr(attrs, count, "aria-labelledby"), 0);
}

static inline bool html_may_hold(const struct html_open *parent, const struct html_element *e)
{
    enum html_kind kind = parent ? parent->element->kind : HTML_ROWS;
    const char *name = parent ? parent->element->name : "#";

    if (e->parents[0])
        return html_has_word(e->parents, btz_str(name));
    if (strcmp(name, "svg") == 0 || strcmp(name, "text") == 0)
        return false; /* nothing of HTML in a drawing */
    if (strcmp(name, "dl") == 0)
        return strcmp(e->name, "div") == 0;
    return kind == HTML_BLOCK ||
           ((kind == HTML_LINE || kind == HTML_INLINE) && e->kind == HTML_INLINE);
}

static inline void html_shape(struct html_check *c, const char *name, uint8_t end)
{
    for (size_t i = 0; i <= strlen(name); i++)
        c->shape = (c->shape ^ (uint8_t)(name[i] ? name[i] : end)) * UINT64_C(1099511628211);
    c->tags++;
}

static inline bool html_close(struct html_check *c)
{
    struct html_open *top = c->depth ? &c->stack[c->depth - 1] : NULL;
    struct btz_slice name;

    c->at += 2;
    name = html_name(c);
    if (!top || !btz_slice_is(name, top->element->name))
        return html_bad(c, "</%.*s> closes <%s>", BTZ_SLICE_ARG(name),
                        top ? top->element->name : "nothing");
    if (c->at >= c->in.len || c->in.ptr[c->at++] != '>')
        return html_bad(c, "end tag without end");
    if (strcmp(top->element->name, "table") == 0 && (!top->has_caption || !top->has_th))
        return html_bad(c, "table without caption or header cells");
    html_shape(c, top->element->name, '/');
    c->depth--;
    return true;
}

static inline bool html_enter(struct html_check *c, const struct html_element *e)
{
    struct html_open *parent = c->depth ? &c->stack[c->depth - 1] : NULL;

    if (!html_may_hold(parent, e))
        return html_bad(c, "<%s> in <%s>", e->name, parent ? parent->element->name : "nothing");
    if (parent && (strcmp(e->name, "summary") == 0) !=
                      (strcmp(parent->element->name, "details") == 0 && parent->children == 0))
        return html_bad(c, "summary is not the first of its details");
    if (parent)
        parent->children++;
    for (size_t i = c->depth; i-- > 0;) {
        struct html_open *o = &c->stack[i];

        o->has_caption |= strcmp(e->name, "caption") == 0;
        o->has_th |= strcmp(e->name, "th") == 0;
        if (strcmp(e->name, "a") == 0 && strcmp(o->element->name, "a") == 0)
            return html_bad(c, "link in a link");
    }
    c->tables += strcmp(e->name, "table") == 0;
    html_shape(c, e->name, ' ');
    if (e->kind == HTML_VOID || e->kind == HTML_SHAPE)
        return true;
    if (c->depth == HTML_DEPTH)
        return html_bad(c, "too deep");
    c->stack[c->depth++] = (struct html_open){ .element = e };
    return true;
}

static inline bool html_tag(struct html_check *c)
{
    const struct html_element *e = NULL;
    struct html_attr attrs[HTML_ATTRS];
    struct btz_slice name;
    size_t count, end;

    c->at++;
    name = html_name(c);
    for (size_t i = 0; i < BTZ_COUNT(html_elements); i++)
        if (btz_slice_is(name, html_elements[i].name))
            e = &html_elements[i];
    if (!e)
        return html_bad(c, "element <%.*s>", BTZ_SLICE_ARG(name));
    if (!html_attrs(c, e, attrs, &count) || !html_meaning(c, e, attrs, count) || !html_enter(c, e))
        return false;
    if (e->kind == HTML_SHAPE && c->at < c->in.len && c->in.ptr[c->at++] != '/')
        return html_bad(c, "shape that is not closed");
    if (c->at >= c->in.len || c->in.ptr[c->at++] != '>')
        return html_bad(c, "tag without end");
    if (strcmp(e->name, "style") != 0)
        return true;
    end = btz_slice_find(c->in, btz_str("</style>"), c->at);
    if (end == SIZE_MAX || c->style.len > 0)
        return html_bad(c, "style without end, or two of them");
    c->style = btz_slice_sub(c->in, c->at, end - c->at);
    c->at = end;
    return true;
}

static inline int html_by_text(const void *x, const void *y)
{
    const struct btz_slice *a = x, *b = y;
    int order = memcmp(a->ptr, b->ptr, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static inline bool html_names(struct html_check *c)
{
    qsort(c->ids, c->id_count, sizeof *c->ids, html_by_text);
    for (size_t i = 1; i < c->id_count; i++)
        if (btz_slice_equal(c->ids[i - 1], c->ids[i]))
            return html_bad(c, "id \"%.*s\" twice", BTZ_SLICE_ARG(c->ids[i]));
    for (size_t i = 0; i < c->use_count; i++)
        if (!bsearch(&c->uses[i], c->ids, c->id_count, sizeof *c->ids, html_by_text))
            return html_bad(c, "no id \"%.*s\"", BTZ_SLICE_ARG(c->uses[i]));
    return true;
}

/* The style loads nothing, and the policy allows nothing but this style. */
static inline bool html_policy(struct html_check *c)
{
    static const char *const never[] = { "url(", "@import",    "@font-face", "image-set(", "http",
                                         "//",   "expression", "behavior",   "javascript" };
    BTZ_BUF_RELEASE struct btz_buf policy = BTZ_BUF(400);
    uint8_t digest[BTZ_SHA256_LEN];

    for (size_t i = 0; i < BTZ_COUNT(never); i++)
        if (btz_slice_has(c->style, never[i]))
            return html_bad(c, "\"%s\" in the style", never[i]);
    if (btz_slice_has(c->style, "<"))
        return html_bad(c, "markup in the style");
    btz_sha256(c->style, digest);
    if (btz_buf_add_str(&policy, "default-src &#39;none&#39;; style-src &#39;sha256-") != BTZ_OK ||
        btz_base64_encode(btz_slice_of(digest, sizeof digest), &policy) != BTZ_OK ||
        btz_buf_add_str(
            &policy, "&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;") !=
            BTZ_OK)
        return html_bad(c, "out of memory");
    if (!btz_slice_equal(c->policy, btz_buf_slice(&policy)))
        return html_bad(c, "policy: %.*s", BTZ_SLICE_ARG(c->policy));
    return true;
}

static inline bool html_walk(struct html_check *c)
{
    static const char doctype[] = "<!doctype html>\n";

    if (!btz_is_utf8(c->in) || !btz_slice_has_prefix(c->in, btz_str(doctype)))
        return html_bad(c, "no doctype, or not UTF-8");
    c->at = sizeof doctype - 1;
    while (c->at < c->in.len) {
        const struct html_open *top = c->depth ? &c->stack[c->depth - 1] : NULL;
        size_t end = btz_slice_find(c->in, btz_str("<"), c->at);
        struct btz_slice text;

        end = end == SIZE_MAX ? c->in.len : end;
        text = btz_slice_sub(c->in, c->at, end - c->at);
        if (!html_text(c, text))
            return false;
        if ((!top || top->element->kind == HTML_ROWS || strcmp(top->element->name, "svg") == 0) &&
            btz_slice_trim(text).len > 0)
            return html_bad(c, "text in <%s>", top ? top->element->name : "nothing");
        c->at = end;
        if (end == c->in.len)
            break;
        if (!(end + 1 < c->in.len && c->in.ptr[end + 1] == '/' ? html_close(c) : html_tag(c)))
            return false;
    }
    if (c->depth > 0)
        return html_bad(c, "<%s> is not closed", c->stack[c->depth - 1].element->name);
    return c->heading > 0 || html_bad(c, "no heading");
}

/* False with c->why. */
static inline bool html_check(struct btz_slice page, struct html_check *c)
{
    bool good;

    *c = (struct html_check){ .in = page, .shape = UINT64_C(14695981039346656037) };
    c->ids = calloc(HTML_NAMES, sizeof *c->ids);
    c->uses = calloc(HTML_NAMES, sizeof *c->uses);
    good = c->ids && c->uses && html_walk(c) && html_names(c) && html_policy(c);
    free(c->ids);
    free(c->uses);
    c->ids = c->uses = NULL;
    return good;
}

#endif
