/*
 * Addresses in a reply as a chat client shows it: Markdown (CommonMark 0.31: 4.7, 6.3, 6.4, 6.5; GitHub's bare
 * addresses) and HTML inside it, code left out.
 */
#include "redteam/evidence.h"

#define LINKS_MAX       256
#define DEFINITIONS_MAX 64
#define OPEN_MAX        64 /* brackets open at once; older ones are forgotten */
#define LABEL_MAX       999
#define URL_MAX         4096

struct definition {
    struct btz_slice label, url; /* into `whole` */
};

struct scan {
    struct btz_slice text;  /* the reply without code; found parts are blurred as they are taken */
    struct btz_slice whole; /* the same, kept */
    uint8_t *bytes;
    struct btz_arena *arena;
    struct btz_link *links;
    size_t count;
    struct definition definitions[DEFINITIONS_MAX];
    size_t definition_count;
};

static enum btz_err add(struct scan *s, enum btz_link_kind kind, struct btz_slice raw,
                        const char *form, size_t at, size_t len)
{
    struct btz_slice url;

    if (s->count == LINKS_MAX || raw.len == 0)
        return BTZ_OK;
    raw = btz_slice_sub(raw, 0, URL_MAX);
    BTZ_TRY(btz_html_decode(raw, true, s->arena, &url));
    s->links[s->count++] =
        (struct btz_link){ .kind = kind, .url = url, .form = form, .at = at, .len = len };
    return BTZ_OK;
}

static void blur(struct scan *s, size_t at, size_t len)
{
    for (size_t i = at; i < at + len; i++)
        if (s->bytes[i] != '\n')
            s->bytes[i] = ' ';
}

/* ---- HTML ---- */

static const struct {
    const char *attribute;
    enum btz_link_kind kind;
} attributes[] = {
    { "src", BTZ_LINK_FETCHED },        { "poster", BTZ_LINK_FETCHED },
    { "background", BTZ_LINK_FETCHED }, { "data", BTZ_LINK_FETCHED },
    { "action", BTZ_LINK_CLICKED },     { "formaction", BTZ_LINK_CLICKED },
    { "ping", BTZ_LINK_CLICKED },
};

static enum btz_err add_css(struct scan *s, struct btz_slice css, const struct btz_html_tag *tag)
{
    size_t at = 0;

    while ((at = btz_find_nocase(css, btz_str("url("), at)) != SIZE_MAX) {
        struct btz_slice rest = btz_slice_sub(css, at + 4, URL_MAX);
        size_t end = btz_slice_find(rest, btz_str(")"), 0);
        struct btz_slice url = btz_slice_trim(btz_slice_sub(rest, 0, end));

        if (url.len >= 2 && (url.ptr[0] == '"' || url.ptr[0] == '\''))
            url = btz_slice_sub(url, 1, url.len - 2);
        BTZ_TRY(add(s, BTZ_LINK_FETCHED, url, "css url()", tag->at, tag->len));
        at += 4;
    }
    at = btz_find_nocase(css, btz_str("@import"), 0);
    if (at != SIZE_MAX) {
        struct btz_slice url = btz_slice_trim(btz_slice_sub(css, at + 7, css.len));
        uint8_t quote = url.len ? url.ptr[0] : 0;
        const uint8_t *end =
            quote == '"' || quote == '\'' ? memchr(url.ptr + 1, quote, url.len - 1) : NULL;

        if (end)
            BTZ_TRY(add(s, BTZ_LINK_FETCHED, btz_slice_sub(url, 1, (size_t)(end - url.ptr) - 1),
                        "css @import", tag->at, tag->len));
    }
    return BTZ_OK;
}

/* "a.png 1x, b.png 2x": the addresses are what follows a comma. */
static enum btz_err add_srcset(struct scan *s, struct btz_slice set, const struct btz_html_tag *tag)
{
    size_t at = 0;

    while (at < set.len) {
        size_t from;

        while (at < set.len && (set.ptr[at] == ',' || set.ptr[at] <= ' '))
            at++;
        from = at;
        while (at < set.len && set.ptr[at] > ' ')
            at++;
        BTZ_TRY(add(s, BTZ_LINK_FETCHED, btz_slice_sub(set, from, at - from), "srcset", tag->at,
                    tag->len));
        while (at < set.len && set.ptr[at] != ',')
            at++;
    }
    return BTZ_OK;
}

static enum btz_err visit_tag(void *user, const struct btz_html_tag *tag)
{
    struct scan *s = user;
    struct btz_slice value;
    bool clicked = btz_same_nocase(tag->name, "a") || btz_same_nocase(tag->name, "area");

    if (tag->closing)
        return BTZ_OK;
    for (size_t i = 0; i < BTZ_COUNT(attributes); i++)
        if (btz_html_attribute(tag, attributes[i].attribute, &value))
            BTZ_TRY(add(s, attributes[i].kind, value, attributes[i].attribute, tag->at, tag->len));
    if (btz_html_attribute(tag, "href", &value) || btz_html_attribute(tag, "xlink:href", &value))
        BTZ_TRY(add(s, clicked ? BTZ_LINK_CLICKED : BTZ_LINK_FETCHED, value, "href", tag->at,
                    tag->len));
    if (btz_html_attribute(tag, "srcset", &value))
        BTZ_TRY(add_srcset(s, value, tag));
    if (btz_html_attribute(tag, "style", &value))
        BTZ_TRY(add_css(s, value, tag));
    if (btz_same_nocase(tag->name, "style"))
        BTZ_TRY(add_css(s, tag->raw, tag));
    /* "<https://...>" is an address in Markdown, and no element has a colon in its name here. */
    if (!btz_slice_has(tag->name, ":"))
        blur(s, tag->at, tag->len);
    return BTZ_OK;
}

/* ---- Markdown ---- */

static bool same_label(struct btz_slice a, struct btz_slice b)
{
    return a.len == b.len && a.len > 0 && a.len <= LABEL_MAX && btz_find_nocase(a, b, 0) == 0;
}

static size_t skip_blank(struct btz_slice t, size_t at)
{
    while (at < t.len && (t.ptr[at] == ' ' || t.ptr[at] == '\t' || t.ptr[at] == '\n'))
        at++;
    return at;
}

/* A link destination at `at`; returns where it ends. */
static size_t read_destination(struct btz_slice t, size_t at, struct btz_slice *url)
{
    size_t from = at, depth = 0;

    if (at < t.len && t.ptr[at] == '<') {
        while (at < t.len && t.ptr[at] != '>' && t.ptr[at] != '\n')
            at++;
        *url = btz_slice_sub(t, from + 1, at - from - 1);
        return at < t.len ? at + 1 : at;
    }
    for (; at < t.len && t.ptr[at] > ' '; at++) {
        if (t.ptr[at] == '(')
            depth++;
        if (t.ptr[at] == ')' && depth-- == 0)
            break;
    }
    *url = btz_slice_sub(t, from, at - from);
    return at;
}

/* "[label]: address" at a line's beginning. */
static void read_definitions(struct scan *s)
{
    struct btz_reader lines = { .in = s->text, .what = "reply" };
    struct btz_slice line, url;

    for (size_t at = 0; btz_read_line(&lines, &line); at = lines.at) {
        size_t open = at, close;

        while (open < at + line.len && s->text.ptr[open] == ' ')
            open++;
        if (open == at + line.len || s->text.ptr[open] != '[' ||
            s->definition_count == DEFINITIONS_MAX)
            continue;
        close = btz_slice_find(btz_slice_sub(s->text, 0, at + line.len), btz_str("]:"), open);
        if (close == SIZE_MAX)
            continue;
        (void)read_destination(s->whole, skip_blank(s->whole, close + 2), &url);
        s->definitions[s->definition_count++] =
            (struct definition){ .label = btz_slice_sub(s->whole, open + 1, close - open - 1),
                                 .url = url };
        blur(s, open, close + 2 - open);
    }
}

static enum btz_err add_reference(struct scan *s, bool image, struct btz_slice label, size_t at,
                                  size_t len)
{
    for (size_t i = 0; i < s->definition_count; i++)
        if (same_label(s->definitions[i].label, label))
            return add(s, image ? BTZ_LINK_FETCHED : BTZ_LINK_CLICKED, s->definitions[i].url,
                       image ? "reference image" : "reference link", at, len);
    return BTZ_OK;
}

/* What the bracket pair [open, close] is: inline, full, collapsed or shortcut reference. */
static enum btz_err take_bracket(struct scan *s, size_t open, size_t close)
{
    struct btz_slice t = s->text, label = btz_slice_sub(t, open + 1, close - open - 1), url;
    bool image = open > 0 && t.ptr[open - 1] == '!';
    size_t from = open - image, next = close + 1, end;

    if (next < t.len && t.ptr[next] == '(') {
        end = read_destination(t, skip_blank(t, next + 1), &url);
        BTZ_TRY(add(s, image ? BTZ_LINK_FETCHED : BTZ_LINK_CLICKED, url,
                    image ? "inline image" : "inline link", from, end - from));
        blur(s, next, end - next);
        return BTZ_OK;
    }
    if (next + 1 < t.len && t.ptr[next] == '[') {
        end = btz_slice_find(btz_slice_sub(t, 0, next + LABEL_MAX), btz_str("]"), next);
        if (end != SIZE_MAX && end > next + 1)
            return add_reference(s, image, btz_slice_sub(t, next + 1, end - next - 1), from,
                                 end + 1 - from);
    }
    return add_reference(s, image, label, from, next - from);
}

static enum btz_err scan_brackets(struct scan *s)
{
    size_t open[OPEN_MAX], depth = 0;

    for (size_t i = 0; i < s->text.len; i++) {
        uint8_t c = s->text.ptr[i];

        if (c == '\\' && i + 1 < s->text.len)
            i++;
        else if (c == '[')
            open[depth++ % OPEN_MAX] = i;
        else if (c == ']' && depth > 0)
            BTZ_TRY(take_bracket(s, open[--depth % OPEN_MAX], i));
        /* Brackets that are not closed within a paragraph are text. */
        else if (c == '\n' && i + 1 < s->text.len && s->text.ptr[i + 1] == '\n')
            depth = 0;
    }
    return BTZ_OK;
}

static enum btz_err scan_bare(struct scan *s)
{
    static const char *const schemes[] = { "https://", "http://" };

    for (size_t n = 0; n < BTZ_COUNT(schemes); n++) {
        struct btz_slice scheme = btz_str(schemes[n]);
        size_t at = 0;

        while ((at = btz_find_nocase(s->text, scheme, at)) != SIZE_MAX) {
            size_t end = at + scheme.len;

            while (end < s->text.len && s->text.ptr[end] > ' ' &&
                   !memchr("<>\"`", s->text.ptr[end], 4))
                end++;
            while (end > at && memchr(".,;:!?'*_)]}", s->text.ptr[end - 1], 12))
                end--;
            BTZ_TRY(add(s, BTZ_LINK_CLICKED, btz_slice_sub(s->text, at, end - at), "bare address",
                        at, end - at));
            at = end > at ? end : at + 1;
        }
    }
    return BTZ_OK;
}

enum btz_err btz_links(struct btz_slice reply, struct btz_arena *arena, const struct btz_link **out,
                       size_t *count)
{
    struct scan *s = btz_arena_alloc(arena, sizeof *s);

    if (!s)
        return BTZ_LIMIT;
    s->arena = arena;
    s->links = btz_arena_array(arena, LINKS_MAX, sizeof *s->links);
    if (!s->links)
        return BTZ_LIMIT;
    BTZ_TRY(btz_without_code(reply, arena, &s->bytes));
    s->text = btz_slice_of(s->bytes, reply.len);
    /* Tags are read from a copy: what they hold must not change while they are looked at. */
    BTZ_TRY(btz_arena_copy(arena, s->text, &s->whole));
    BTZ_TRY(btz_html_scan(s->whole, visit_tag, s));
    read_definitions(s);
    BTZ_TRY(scan_brackets(s));
    BTZ_TRY(scan_bare(s));
    *out = s->links;
    *count = s->count;
    return BTZ_OK;
}
