/* A rule's page on a terminal. The pages use a small part of Markdown: "## " sections, paragraphs, "- " and "1. "
 * lists whose continuation lines are indented, and <addresses>. Each paragraph or item is filled to the width. */
#include "finding/report.h"

#define WIDTH_DEFAULT 80

struct block {
    struct btz_buf text;
    size_t indent; /* of the continuation lines */
};

static enum btz_err flush(struct block *b, size_t width, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf wrapped = BTZ_BUF((size_t)1 << 20);

    if (b->text.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_report_wrap(btz_buf_slice(&b->text), width, 2 + b->indent, &wrapped));
    BTZ_TRY(btz_buf_printf(out, "  %.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&wrapped))));
    btz_buf_clear(&b->text);
    b->indent = 0;
    return BTZ_OK;
}

/* Characters of a list marker with its blank, 0 when the line begins none. */
static size_t marker(struct btz_slice line)
{
    size_t i = 0;

    if (btz_slice_has_prefix(line, btz_str("- ")))
        return 2;
    while (i < line.len && line.ptr[i] >= '0' && line.ptr[i] <= '9')
        i++;
    return i > 0 && i + 1 < line.len && line.ptr[i] == '.' && line.ptr[i + 1] == ' ' ? i + 2 : 0;
}

static enum btz_err section(struct btz_slice line, bool color, struct btz_buf *out)
{
    struct btz_slice name = btz_slice_sub(line, 3, line.len);

    return btz_buf_printf(out, "%s%.*s%s\n", color ? "\x1b[1m" : "", BTZ_SLICE_ARG(name),
                          color ? "\x1b[0m" : "");
}

enum btz_err btz_rule_explain(const struct btz_rule *rule, unsigned width, bool color,
                              struct btz_buf *out)
{
    struct btz_reader page = { .in = btz_str(rule->page), .what = rule->id };
    struct block b = { .text = BTZ_BUF((size_t)1 << 20) };
    struct btz_slice line;
    enum btz_err err;
    size_t columns = width ? width : WIDTH_DEFAULT;

    BTZ_TRY(btz_buf_printf(out, "%s%s%s\n%s\n%s, severity %s\n", color ? "\x1b[1m" : "", rule->id,
                           color ? "\x1b[0m" : "", rule->title, btz_practice_title(rule->practice),
                           btz_severity_name(rule->severity)));
    for (err = BTZ_OK; err == BTZ_OK && btz_read_line(&page, &line);) {
        bool heading = btz_slice_has_prefix(line, btz_str("## "));
        size_t mark = marker(line);

        line = btz_slice_trim(line);
        if (heading || mark > 0 || line.len == 0)
            err = flush(&b, columns, out);
        if (err == BTZ_OK && line.len == 0)
            err = btz_buf_add_byte(out, '\n');
        else if (err == BTZ_OK && heading)
            err = section(line, color, out);
        else if (err == BTZ_OK)
            err = btz_buf_printf(&b.text, "%s%.*s", b.text.len ? " " : "", BTZ_SLICE_ARG(line));
        if (mark > 0)
            b.indent = mark;
    }
    if (err == BTZ_OK)
        err = flush(&b, columns, out);
    btz_buf_release(&b.text);
    return err;
}
