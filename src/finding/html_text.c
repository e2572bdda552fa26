#include "finding/html.h"

static enum btz_err escape(struct btz_buf *out, struct btz_slice text)
{
    size_t plain = 0;

    for (size_t i = 0; i < text.len; i++) {
        const char *entity = NULL;

        switch (text.ptr[i]) {
        case '&':
            entity = "&amp;";
            break;
        case '<':
            entity = "&lt;";
            break;
        case '>':
            entity = "&gt;";
            break;
        case '"':
            entity = "&quot;";
            break;
        case '\'':
            entity = "&#39;";
            break;
        default:
            continue;
        }
        BTZ_TRY(btz_buf_add(out, text.ptr + plain, i - plain));
        BTZ_TRY(btz_buf_add_str(out, entity));
        plain = i + 1;
    }
    return btz_buf_add(out, text.len ? text.ptr + plain : NULL, text.len - plain);
}

enum btz_err btz_html_text(struct btz_buf *out, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf printable = BTZ_BUF(out->max);

    BTZ_TRY(btz_utf8_printable(text, true, &printable));
    return escape(out, btz_buf_slice(&printable));
}

enum btz_err btz_html_str(struct btz_buf *out, const char *text)
{
    return btz_html_text(out, btz_str(text));
}

enum btz_err btz_html_marked(struct btz_buf *out, struct btz_slice text, size_t at, size_t len)
{
    if (len == 0 || at > text.len || len > text.len - at)
        return btz_html_text(out, text);
    BTZ_TRY(btz_html_text(out, btz_slice_sub(text, 0, at)));
    BTZ_TRY(btz_buf_add_str(out, "<mark>"));
    BTZ_TRY(btz_html_text(out, btz_slice_sub(text, at, len)));
    BTZ_TRY(btz_buf_add_str(out, "</mark>"));
    return btz_html_text(out, btz_slice_sub(text, at + len, SIZE_MAX));
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

static enum btz_err span(struct btz_buf *out, struct btz_slice s)
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

enum block { BLOCK_NONE, BLOCK_PARAGRAPH, BLOCK_LIST, BLOCK_CODE };

static enum btz_err end_block(struct btz_buf *out, enum block *block)
{
    static const char *const ends[] = { "", "</p>\n", "</li></ul>\n", "</code></pre>\n" };
    enum block was = *block;

    *block = BLOCK_NONE;
    return btz_buf_add_str(out, ends[was]);
}

static enum btz_err add_line(struct btz_buf *out, struct btz_slice raw, enum block *block)
{
    struct btz_slice line = btz_slice_trim(raw);

    if (btz_slice_has_prefix(line, btz_str("```"))) {
        bool inside = *block == BLOCK_CODE;

        BTZ_TRY(end_block(out, block));
        if (inside)
            return BTZ_OK;
        *block = BLOCK_CODE;
        return btz_buf_add_str(out, "<pre><code>");
    }
    if (*block == BLOCK_CODE) {
        BTZ_TRY(escape(out, raw));
        return btz_buf_add_byte(out, '\n');
    }
    if (line.len == 0)
        return end_block(out, block);
    if (line.ptr[0] == '#') {
        BTZ_TRY(end_block(out, block));
        while (line.len > 0 && line.ptr[0] == '#')
            line = btz_slice_sub(line, 1, SIZE_MAX);
        return enclosed(out, "h5", btz_slice_trim(line));
    }
    if (btz_slice_has_prefix(line, btz_str("- "))) {
        if (*block != BLOCK_LIST)
            BTZ_TRY(end_block(out, block));
        BTZ_TRY(btz_buf_add_str(out, *block == BLOCK_LIST ? "</li><li>" : "<ul><li>"));
        *block = BLOCK_LIST;
        return span(out, btz_slice_sub(line, 2, SIZE_MAX));
    }
    BTZ_TRY(btz_buf_add_str(out, *block == BLOCK_NONE ? "<p>" : " "));
    if (*block == BLOCK_NONE)
        *block = BLOCK_PARAGRAPH;
    return span(out, line);
}

enum btz_err btz_html_page(struct btz_buf *out, const char *markdown, const char *heading)
{
    struct btz_reader r = { .in = btz_str(markdown), .what = "rule page" };
    bool inside = heading == NULL;
    enum block block = BLOCK_NONE;
    struct btz_slice line;

    while (btz_read_line(&r, &line)) {
        if (heading && btz_slice_has_prefix(line, btz_str("## "))) {
            inside = btz_slice_is(btz_slice_trim(btz_slice_sub(line, 3, SIZE_MAX)), heading);
            continue;
        }
        if (inside)
            BTZ_TRY(add_line(out, line, &block));
    }
    return end_block(out, &block);
}
