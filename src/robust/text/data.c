/* Labelled texts out of files: JSON lines, CSV. */
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "robust/text.h"
#include "sample/reader.h"

#define FILE_MAX ((size_t)256 << 20)
#define LINE_MAX ((size_t)1 << 20)

struct reading {
    struct btz_text_data *out;
    const char *what, *text, *label;
    struct btz_slice *name; /* labels as they stand there */
    size_t room;
};

static enum btz_err add(struct reading *r, uint64_t line, struct btz_slice text,
                        struct btz_slice label)
{
    struct btz_text_data *d = r->out;

    if (!btz_is_utf8(text) || !btz_is_utf8(label))
        return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": not well-formed UTF-8", r->what, line);
    if (text.len > BTZ_TEXT_BYTES_MAX || label.len > 256)
        return btz_fail(BTZ_LIMIT,
                        "%s:%" PRIu64 ": a text of %zu bytes (at most %d), a label of %zu (256)",
                        r->what, line, text.len, BTZ_TEXT_BYTES_MAX, label.len);
    label = btz_slice_trim(label);
    if (!label.len || memchr(label.ptr, 0, label.len))
        return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": no label", r->what, line);
    if (d->count == r->room) {
        size_t room = r->room ? 2 * r->room : 1024;
        struct btz_slice *texts = btz_arena_array(&d->arena, room, sizeof *texts);
        struct btz_slice *names = btz_arena_array(&d->arena, room, sizeof *names);

        if (!texts || !names)
            return BTZ_LIMIT;
        if (d->count) {
            memcpy(texts, d->text, d->count * sizeof *texts);
            memcpy(names, r->name, d->count * sizeof *names);
        }
        d->text = texts;
        r->name = names;
        r->room = room;
    }
    BTZ_TRY(btz_arena_copy(&d->arena, text, &d->text[d->count]));
    BTZ_TRY(btz_arena_copy(&d->arena, label, &r->name[d->count]));
    d->count++;
    return BTZ_OK;
}

static enum btz_err read_object(struct reading *r, uint64_t line, struct btz_slice in)
{
    BTZ_JSON json_t *root = NULL;
    struct btz_slice text, label;
    const json_t *value;
    char number[32];

    if (btz_json_parse(in, LINE_MAX, "the line", &root))
        return btz_fail_context(BTZ_INPUT, "%s:%" PRIu64, r->what, line);
    if (!json_is_object(root) || !btz_json_get_text(root, r->text, &text))
        return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": no member \"%s\" that is text", r->what, line,
                        r->text);
    value = json_object_get(root, r->label);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        label = btz_str(number);
    } else if (json_is_boolean(value))
        label = btz_str(json_is_true(value) ? "1" : "0");
    else if (!btz_json_get_text(root, r->label, &label))
        return btz_fail(BTZ_INPUT,
                        "%s:%" PRIu64 ": no member \"%s\" that is a whole number, true, false or "
                        "text",
                        r->what, line, r->label);
    return add(r, line, text, label);
}

static enum btz_err read_lines(struct reading *r, struct btz_slice in)
{
    struct btz_reader reader = { .in = in, .what = r->what };
    struct btz_slice line;

    for (uint64_t n = 1; btz_read_line(&reader, &line); n++) {
        line = btz_slice_trim(line);
        if (line.len)
            BTZ_TRY(read_object(r, n, line));
    }
    return BTZ_OK;
}

static size_t column(const struct btz_csv *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (btz_slice_is(btz_slice_trim(c->fields[i]), name))
            return i;
    return SIZE_MAX;
}

static enum btz_err read_table(struct reading *r, struct btz_csv *c)
{
    size_t text, label;
    bool more;

    BTZ_TRY(btz_csv_next(c, &more));
    text = more ? column(c, r->text) : SIZE_MAX;
    label = more ? column(c, r->label) : SIZE_MAX;
    if (text == SIZE_MAX || label == SIZE_MAX)
        return btz_fail(BTZ_INPUT, "%s: the first line names no column \"%s\"", r->what,
                        text == SIZE_MAX ? r->text : r->label);
    for (;;) {
        BTZ_TRY(btz_csv_next(c, &more));
        if (!more)
            return BTZ_OK;
        if (c->count <= text || c->count <= label)
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": %zu fields are too few", r->what,
                            c->row_line, c->count);
        BTZ_TRY(add(r, c->row_line, c->fields[text], c->fields[label]));
    }
}

/* ---- classes ----------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct btz_slice *x = a, *y = b;
    int way = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);

    return way ? way : (x->len > y->len) - (x->len < y->len);
}

static enum btz_err too_many(const struct reading *r)
{
    return btz_fail(BTZ_LIMIT, "%s: more than %d classes", r->what, BTZ_TEXT_CLASSES_MAX);
}

/* All labels are whole numbers: the classes are 0 to the largest. */
static bool by_number(struct reading *r)
{
    uint64_t label, most = 1;

    for (size_t i = 0; i < r->out->count; i++) {
        if (btz_parse_u64(r->name[i], &label) != BTZ_OK)
            return false;
        r->out->label[i] = label < BTZ_TEXT_CLASSES_MAX ? (uint32_t)label : BTZ_TEXT_CLASSES_MAX;
        most = r->out->label[i] > most ? r->out->label[i] : most;
    }
    r->out->classes = most + 1;
    r->out->numbered = true;
    return true;
}

static enum btz_err number_names(struct reading *r)
{
    struct btz_text_data *d = r->out;

    if (d->classes > BTZ_TEXT_CLASSES_MAX)
        return too_many(r);
    d->names = btz_arena_array(&d->arena, d->classes, sizeof *d->names);
    for (size_t k = 0; d->names && k < d->classes; k++)
        if (!(d->names[k] = btz_arena_printf(&d->arena, "%zu", k)))
            return BTZ_LIMIT;
    return d->names ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err sort_names(struct reading *r)
{
    struct btz_text_data *d = r->out;
    struct btz_slice *all = btz_arena_array(&d->arena, d->count, sizeof *all);
    size_t n = 0;

    if (!all)
        return BTZ_LIMIT;
    memcpy(all, r->name, d->count * sizeof *all);
    qsort(all, d->count, sizeof *all, by_name);
    for (size_t i = 0; i < d->count; i++)
        if (!n || !btz_slice_equal(all[n - 1], all[i]))
            all[n++] = all[i];
    d->classes = n;
    if (n > BTZ_TEXT_CLASSES_MAX)
        return too_many(r);
    if (n < 2)
        return btz_fail(BTZ_INPUT, "%s: all texts have the same label", r->what);
    d->names = btz_arena_array(&d->arena, n, sizeof *d->names);
    for (size_t k = 0; d->names && k < n; k++)
        if (!(d->names[k] = btz_arena_str(&d->arena, all[k])))
            return BTZ_LIMIT;
    for (size_t i = 0; d->names && i < d->count; i++)
        d->label[i] =
            (uint32_t)((struct btz_slice *)bsearch(&r->name[i], all, n, sizeof *all, by_name) -
                       all);
    return d->names ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err read_all(struct reading *r, struct btz_slice file, bool csv)
{
    if (csv) {
        struct btz_csv c;
        enum btz_err err;

        btz_csv_init(&c, file, r->what);
        err = read_table(r, &c);
        btz_csv_release(&c);
        BTZ_TRY(err);
    } else
        BTZ_TRY(read_lines(r, file));
    if (!r->out->count)
        return btz_fail(BTZ_INPUT, "%s: no texts", r->what);
    r->out->label = btz_arena_array(&r->out->arena, r->out->count, sizeof *r->out->label);
    if (!r->out->label)
        return BTZ_LIMIT;
    return by_number(r) ? number_names(r) : sort_names(r);
}

enum btz_err btz_text_data_parse(struct btz_slice file, bool csv, const char *what,
                                 const struct btz_text_columns *c, struct btz_text_data *out)
{
    struct reading r = { .out = out,
                         .what = what,
                         .text = c && c->text ? c->text : "text",
                         .label = c && c->label ? c->label : "label" };
    enum btz_err err;

    *out = (struct btz_text_data){ 0 };
    btz_arena_init(&out->arena, 4 * FILE_MAX);
    err = read_all(&r, file, csv);
    if (err)
        btz_text_data_release(out);
    return err;
}

enum btz_err btz_text_data_read(const char *path, const struct btz_text_columns *c,
                                struct btz_text_data *out)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(FILE_MAX);
    size_t n = strlen(path);

    BTZ_TRY(btz_file_read(path, FILE_MAX, &file));
    return btz_text_data_parse(btz_buf_slice(&file), n > 4 && strcasecmp(path + n - 4, ".csv") == 0,
                               path, c, out);
}

void btz_text_data_release(struct btz_text_data *d)
{
    btz_arena_release(&d->arena);
    *d = (struct btz_text_data){ 0 };
}
