#include "finding/html.h"

static const char *entity_of(uint32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* Unicode 15, 23.7: an error in the text of a page (HTML, "noncharacter-in-input-stream"). */
static bool is_noncharacter(uint32_t c)
{
    return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

static enum btz_err escape(struct btz_buf *out, struct btz_slice text)
{
    size_t plain = 0, at = 0, start;
    uint32_t c;

    for (start = 0; btz_utf8_next(text, &at, &c); start = at) {
        const char *entity = entity_of(c);

        if (!entity && !is_noncharacter(c))
            continue;
        BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(text, plain, start - plain)));
        if (entity)
            BTZ_TRY(btz_buf_add_str(out, entity));
        else
            BTZ_TRY(btz_buf_printf(out, c > 0xFFFF ? "\\U%08x" : "\\u%04x", c));
        plain = at;
    }
    return btz_buf_add_slice(out, btz_slice_sub(text, plain, SIZE_MAX));
}

static enum btz_err visible(struct btz_buf *out, struct btz_slice text, bool keep_newlines)
{
    BTZ_BUF_RELEASE struct btz_buf printable = BTZ_BUF(SIZE_MAX);

    BTZ_TRY(btz_utf8_printable(text, keep_newlines, &printable));
    return escape(out, btz_buf_slice(&printable));
}

/* The place at or before `at` where no character is cut. */
static size_t whole(struct btz_slice text, size_t at)
{
    size_t start = at;

    while (start > 0 && start < text.len && at - start < 3 && (text.ptr[start] & 0xC0) == 0x80)
        start--;
    return start < text.len && (text.ptr[start] & 0xC0) == 0x80 ? at : start;
}

static enum btz_err left_out(struct btz_buf *out, size_t bytes)
{
    return btz_buf_printf(out, "<span class=\"cut\">&hellip; %zu bytes left out &hellip;</span>",
                          bytes);
}

static enum btz_err clipped(struct btz_buf *out, struct btz_slice text, size_t max,
                            bool keep_newlines)
{
    size_t end = text.len > max ? whole(text, max) : text.len;

    BTZ_TRY(visible(out, btz_slice_sub(text, 0, end), keep_newlines));
    if (end == text.len)
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_byte(out, ' '));
    return left_out(out, text.len - end);
}

enum btz_err btz_html_short(struct btz_buf *out, struct btz_slice text, size_t max)
{
    size_t end = text.len > max ? whole(text, max) : text.len;

    BTZ_TRY(visible(out, btz_slice_sub(text, 0, end), false));
    return end < text.len ? btz_buf_add_str(out, "&hellip;") : BTZ_OK;
}

enum btz_err btz_html_line(struct btz_buf *out, struct btz_slice text, size_t max)
{
    return clipped(out, text, max, false);
}

enum btz_err btz_html_block(struct btz_buf *out, struct btz_slice text, size_t max)
{
    return clipped(out, text, max, true);
}

enum btz_err btz_html_marked(struct btz_buf *out, struct btz_slice text, size_t at, size_t len,
                             size_t max)
{
    size_t from = 0, to = text.len, end;

    if (len == 0 || at > text.len || len > text.len - at)
        return btz_html_block(out, text, max);
    if (text.len > max) {
        /* A proof far down comes with the quarter before it. */
        if (at + len > max)
            from = whole(text, at - (at < max / 4 ? at : max / 4));
        to = text.len - from > max ? whole(text, from + max) : text.len;
    }
    end = at + len < to ? whole(text, at + len) : to;
    at = whole(text, at);
    end = end < at ? at : end;
    if (from > 0)
        BTZ_TRY(left_out(out, from));
    BTZ_TRY(visible(out, btz_slice_sub(text, from, at - from), true));
    BTZ_TRY(btz_buf_add_str(out, "<mark>"));
    BTZ_TRY(visible(out, btz_slice_sub(text, at, end - at), true));
    BTZ_TRY(btz_buf_add_str(out, "</mark>"));
    BTZ_TRY(visible(out, btz_slice_sub(text, end, to - end), true));
    return to < text.len ? left_out(out, text.len - to) : BTZ_OK;
}

/* ---- rule pages ---- */

/* The next of ` ** [ at or after `from`, or the end. */
static size_t next_mark(struct btz_slice s, size_t from)
{
    while (from < s.len && s.ptr[from] != '`' && s.ptr[from] != '[' &&
           !(s.ptr[from] == '*' && from + 1 < s.len && s.ptr[from + 1] == '*'))
        from++;
    return from;
}

static enum btz_err enclosed(struct btz_buf *out, const char *tag, struct btz_slice text)
{
    BTZ_TRY(btz_buf_printf(out, "<%s>", tag));
    BTZ_TRY(escape(out, text));
    return btz_buf_printf(out, "</%s>", tag);
}

/* A page links for readers of the repository; the report stands alone and keeps the words. */
static enum btz_err link_words(struct btz_buf *out, struct btz_slice s, size_t *at, bool *done)
{
    size_t close = btz_slice_find(s, btz_str("]("), *at), end;

    *done = false;
    if (close == SIZE_MAX)
        return BTZ_OK;
    end = btz_slice_find(s, btz_str(")"), close);
    if (end == SIZE_MAX)
        return BTZ_OK;
    BTZ_TRY(escape(out, btz_slice_sub(s, *at + 1, close - *at - 1)));
    *at = end + 1;
    *done = true;
    return BTZ_OK;
}

/* Pages are ASCII without controls, checked when they are built in; only markup has to be escaped. */
static enum btz_err spans(struct btz_buf *out, struct btz_slice s)
{
    size_t at = 0;

    while (at < s.len) {
        size_t mark = next_mark(s, at), end;
        bool done = false;

        BTZ_TRY(escape(out, btz_slice_sub(s, at, mark - at)));
        at = mark;
        if (at == s.len)
            break;
        if (s.ptr[at] == '[') {
            BTZ_TRY(link_words(out, s, &at, &done));
        } else if (s.ptr[at] == '`' &&
                   (end = btz_slice_find(s, btz_str("`"), at + 1)) != SIZE_MAX) {
            BTZ_TRY(enclosed(out, "code", btz_slice_sub(s, at + 1, end - at - 1)));
            at = end + 1;
            done = true;
        } else if (s.ptr[at] == '*' &&
                   (end = btz_slice_find(s, btz_str("**"), at + 2)) != SIZE_MAX) {
            BTZ_TRY(enclosed(out, "strong", btz_slice_sub(s, at + 2, end - at - 2)));
            at = end + 2;
            done = true;
        }
        if (!done)
            BTZ_TRY(escape(out, btz_slice_sub(s, at++, 1)));
    }
    return BTZ_OK;
}

enum block { NONE, PARAGRAPH, BULLETS, NUMBERS, CODE };

/* The block being built: its text is gathered line by line, so that spans may run over line ends. */
struct writer {
    struct btz_buf *out, text;
    enum block block;
};

static enum btz_err end_item(struct writer *w)
{
    enum btz_err err = spans(w->out, btz_slice_trim(btz_buf_slice(&w->text)));

    btz_buf_clear(&w->text);
    return err;
}

static enum btz_err end_block(struct writer *w)
{
    static const char *const ends[] = {
        [NONE] = "",
        [PARAGRAPH] = "</p>\n",
        [BULLETS] = "</li></ul>\n",
        [NUMBERS] = "</li></ol>\n",
        [CODE] = "</code></pre>\n",
    };
    enum block was = w->block;

    w->block = NONE;
    BTZ_TRY(end_item(w));
    return btz_buf_add_str(w->out, ends[was]);
}

static enum btz_err begin(struct writer *w, enum block block, const char *tags)
{
    BTZ_TRY(end_block(w));
    w->block = block;
    return btz_buf_add_str(w->out, tags);
}

static enum btz_err item(struct writer *w, enum block list, struct btz_slice text)
{
    if (w->block == list) {
        BTZ_TRY(end_item(w));
        BTZ_TRY(btz_buf_add_str(w->out, "</li><li>"));
    } else {
        BTZ_TRY(begin(w, list, list == BULLETS ? "<ul><li>" : "<ol><li>"));
    }
    return btz_buf_add_slice(&w->text, text);
}

/* Length of "12. ", or 0. */
static size_t number_mark(struct btz_slice line)
{
    size_t digits = 0;

    while (digits < line.len && line.ptr[digits] >= '0' && line.ptr[digits] <= '9')
        digits++;
    if (digits == 0 || digits > 3 || digits + 1 >= line.len || line.ptr[digits] != '.' ||
        line.ptr[digits + 1] != ' ')
        return 0;
    return digits + 2;
}

static enum btz_err add_line(struct writer *w, struct btz_slice raw)
{
    struct btz_slice line = btz_slice_trim(raw);
    size_t mark;

    if (btz_slice_has_prefix(line, btz_str("```")))
        return w->block == CODE ? end_block(w) : begin(w, CODE, "<pre><code>");
    if (w->block == CODE) {
        BTZ_TRY(escape(w->out, raw));
        return btz_buf_add_byte(w->out, '\n');
    }
    if (line.len == 0)
        return end_block(w);
    if (line.ptr[0] == '#') {
        BTZ_TRY(end_block(w));
        while (line.len > 0 && line.ptr[0] == '#')
            line = btz_slice_sub(line, 1, SIZE_MAX);
        return enclosed(w->out, "h5", btz_slice_trim(line));
    }
    if (btz_slice_has_prefix(line, btz_str("- ")))
        return item(w, BULLETS, btz_slice_sub(line, 2, SIZE_MAX));
    mark = number_mark(line);
    if (mark > 0 && w->block != PARAGRAPH)
        return item(w, NUMBERS, btz_slice_sub(line, mark, SIZE_MAX));
    if (w->block == NONE)
        BTZ_TRY(begin(w, PARAGRAPH, "<p>"));
    BTZ_TRY(btz_buf_add_byte(&w->text, ' '));
    return btz_buf_add_slice(&w->text, line);
}

static enum btz_err add_page(struct writer *w, const char *markdown, const char *heading)
{
    struct btz_reader r = { .in = btz_str(markdown), .what = "rule page" };
    bool inside = heading == NULL;
    struct btz_slice line;

    while (btz_read_line(&r, &line)) {
        if (heading && btz_slice_has_prefix(line, btz_str("## "))) {
            inside = btz_slice_is(btz_slice_trim(btz_slice_sub(line, 3, SIZE_MAX)), heading);
            continue;
        }
        if (inside)
            BTZ_TRY(add_line(w, line));
    }
    return end_block(w);
}

enum btz_err btz_html_page(struct btz_buf *out, const char *markdown, const char *heading)
{
    struct writer w = { .out = out, .text = BTZ_BUF(1u << 20) };
    enum btz_err err = add_page(&w, markdown, heading);

    btz_buf_release(&w.text);
    return err;
}
