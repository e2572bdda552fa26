/* Rows of text tables. Source: RFC 4180, with tabs and semicolons, and lines that end in "\n". */
#include <math.h>
#include <stdlib.h>

#include "sample/reader.h"

/* The one that the first line has most of. */
static char delimiter_of(struct btz_slice in)
{
    static const char marks[] = ",;\t";
    size_t counts[3] = { 0 }, best = 0;
    bool quoted = false;

    for (size_t i = 0; i < in.len && i < 65536; i++) {
        if (in.ptr[i] == '"')
            quoted = !quoted;
        if (quoted)
            continue;
        if (in.ptr[i] == '\n')
            break;
        for (size_t k = 0; k < 3; k++)
            counts[k] += in.ptr[i] == (uint8_t)marks[k];
    }
    for (size_t k = 1; k < 3; k++)
        if (counts[k] > counts[best])
            best = k;
    return marks[best];
}

void btz_csv_init(struct btz_csv *c, struct btz_slice in, const char *what)
{
    static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };

    *c = (struct btz_csv){ .line = 1, .text = BTZ_BUF(1 << 24) };
    if (btz_slice_has_prefix(in, btz_slice_of(mark, 3)))
        in = btz_slice_sub(in, 3, in.len);
    c->in = (struct btz_reader){ .in = in, .what = what };
    c->delimiter = delimiter_of(in);
}

void btz_csv_release(struct btz_csv *c)
{
    free(c->fields);
    c->fields = NULL;
    btz_buf_release(&c->text);
}

static enum btz_err add(struct btz_csv *c, struct btz_slice field)
{
    if (c->count == c->room) {
        size_t room = c->room ? c->room * 2 : 64;
        struct btz_slice *more;

        if (c->count >= BTZ_CSV_FIELDS_MAX)
            return btz_fail(BTZ_LIMIT, "%s:%" PRIu64 ": more than %d fields", c->in.what,
                            c->row_line, BTZ_CSV_FIELDS_MAX);
        more = realloc(c->fields, room * sizeof *more);
        if (!more)
            return btz_fail(BTZ_LIMIT, "out of memory");
        c->fields = more;
        c->room = room;
    }
    c->fields[c->count++] = field;
    return BTZ_OK;
}

/* A field in quotes, behind the opening one. Its text lies in `text`, whose place may move: an offset until the row ends. */
static enum btz_err quoted(struct btz_csv *c, size_t *from)
{
    struct btz_reader *r = &c->in;

    *from = c->text.len;
    for (;;) {
        uint8_t byte;

        if (r->at == r->in.len)
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": a quote is never closed", r->what,
                            c->row_line);
        byte = r->in.ptr[r->at++];
        if (byte == '\n')
            c->line++;
        if (byte == '"') {
            if (r->at == r->in.len || r->in.ptr[r->at] != '"')
                break;
            r->at++;
        }
        BTZ_TRY(btz_buf_add_byte(&c->text, byte));
    }
    if (r->at < r->in.len && r->in.ptr[r->at] != (uint8_t)c->delimiter &&
        r->in.ptr[r->at] != '\n' && r->in.ptr[r->at] != '\r')
        return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": text behind a closing quote", r->what, c->line);
    return BTZ_OK;
}

static enum btz_err row(struct btz_csv *c)
{
    struct btz_reader *r = &c->in;
    size_t marks = 0;

    c->count = 0;
    c->row_line = c->line;
    btz_buf_clear(&c->text);
    for (;;) {
        size_t from = r->at;

        if (r->at < r->in.len && r->in.ptr[r->at] == '"') {
            r->at++;
            BTZ_TRY(quoted(c, &from));
            /* NULL marks text of the buffer; its offset is put right below. */
            BTZ_TRY(add(c, (struct btz_slice){ NULL, c->text.len - from }));
            marks++;
        } else {
            while (r->at < r->in.len && r->in.ptr[r->at] != (uint8_t)c->delimiter &&
                   r->in.ptr[r->at] != '\n' && r->in.ptr[r->at] != '\r')
                r->at++;
            BTZ_TRY(add(c, btz_slice_of(r->in.ptr + from, r->at - from)));
        }
        if (r->at < r->in.len && r->in.ptr[r->at] == (uint8_t)c->delimiter) {
            r->at++;
            continue;
        }
        if (r->at < r->in.len && r->in.ptr[r->at] == '\r')
            r->at++;
        if (r->at < r->in.len && r->in.ptr[r->at] == '\n')
            r->at++;
        c->line++;
        break;
    }
    for (size_t i = 0, at = 0; marks && i < c->count; i++)
        if (!c->fields[i].ptr) {
            c->fields[i].ptr = c->text.len ? c->text.ptr + at : (const uint8_t *)"";
            at += c->fields[i].len;
        }
    return BTZ_OK;
}

enum btz_err btz_csv_next(struct btz_csv *c, bool *more)
{
    do {
        *more = c->in.at < c->in.in.len;
        if (!*more)
            return BTZ_OK;
        BTZ_TRY(row(c));
    } while (c->count == 1 && btz_slice_trim(c->fields[0]).len == 0);
    return BTZ_OK;
}

bool btz_csv_number(struct btz_slice field, double *out)
{
    bool minus;
    uint32_t n = 0;

    field = btz_slice_trim(field);
    minus = field.len > 0 && field.ptr[0] == '-';
    /* Most are short whole numbers. */
    if (field.len > (size_t)minus && field.len <= 9) {
        size_t i = minus;

        while (i < field.len && field.ptr[i] >= '0' && field.ptr[i] <= '9')
            n = n * 10 + (field.ptr[i++] - '0');
        if (i == field.len) {
            *out = minus ? -(double)n : n;
            return true;
        }
    }
    return btz_parse_double(field, out) == BTZ_OK;
}
