/* Answers of operations for people. */
#include "cli/operation.h"

#define COLUMN_MAX 44 /* of one value in a table; --format json has it whole */

/* ---- values ---------------------------------------------------------------------------------------- */

/* One value in one line, fit for a terminal. */
static enum btz_err value_text(const json_t *value, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(1 << 20);

    if (!value || json_is_null(value))
        return btz_buf_add_byte(out, '-');
    if (json_is_array(value)) {
        size_t i;
        const json_t *item;

        if (json_array_size(value) == 0)
            return btz_buf_add_byte(out, '-');
        json_array_foreach(value, i, item)
        {
            if (i > 0)
                BTZ_TRY(btz_buf_add_str(out, ", "));
            BTZ_TRY(value_text(item, out));
        }
        return BTZ_OK;
    }
    if (json_is_string(value))
        return btz_utf8_printable(btz_slice_of(json_string_value(value), json_string_length(value)),
                                  false, out);
    if (json_is_boolean(value))
        return btz_buf_add_str(out, json_is_true(value) ? "yes" : "no");
    BTZ_TRY(btz_json_write(value, false, &raw));
    return btz_utf8_printable(btz_buf_slice(&raw), false, out);
}

static size_t width_of(struct btz_slice text)
{
    size_t at = 0, width = 0;
    uint32_t c;

    while (btz_utf8_next(text, &at, &c))
        width++;
    return width;
}

/* The first `width` characters; "..." in place of what is cut. */
static enum btz_err cell(struct btz_slice text, size_t width, bool last, struct btz_buf *out)
{
    size_t have = width_of(text), at = 0;
    uint32_t c;

    if (have <= width) {
        BTZ_TRY(btz_buf_add_slice(out, text));
        while (!last && have++ < width + 2)
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        return BTZ_OK;
    }
    for (size_t i = 0; i + 3 < width && btz_utf8_next(text, &at, &c); i++) {
    }
    BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(text, 0, at)));
    return btz_buf_add_str(out, last ? "..." : "...  ");
}

/* ---- lists ----------------------------------------------------------------------------------------- */

static enum btz_err measure(const json_t *items, const char *key, size_t *width)
{
    const json_t *item;
    size_t i;

    *width = strlen(key);
    json_array_foreach(items, i, item)
    {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 << 20);
        size_t w;

        BTZ_TRY(value_text(json_object_get(item, key), &text));
        w = width_of(btz_buf_slice(&text));
        if (w > *width)
            *width = w > COLUMN_MAX ? COLUMN_MAX : w;
    }
    return BTZ_OK;
}

static bool is_empty(const json_t *value)
{
    return !value || json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_wanted(const char *key, const char *wanted)
{
    size_t len = strlen(key);

    if (!wanted)
        return true;
    for (const char *p = wanted; (p = strstr(p, key)) != NULL; p += len)
        if ((p == wanted || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

/* Every key for which some item has a value, in the order they first come. */
static json_t *columns_of(const json_t *items, const char *wanted)
{
    json_t *columns = json_object();
    const json_t *item;
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(items, i, item) json_object_foreach(
        (json_t *)(uintptr_t)item, key,
        value) if (!is_empty(value) && !json_object_get(columns, key) && is_wanted(key, wanted))
        json_object_set_new(columns, key, json_null());
    return columns;
}

static enum btz_err table_row(const json_t *columns, const size_t *widths, const json_t *item,
                              struct btz_buf *out)
{
    size_t count = json_object_size(columns), i = 0;
    const char *key;
    json_t *unused;

    json_object_foreach((json_t *)(uintptr_t)columns, key, unused)
    {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(2 << 20);

        (void)unused;
        if (item)
            BTZ_TRY(value_text(json_object_get(item, key), &text));
        else
            BTZ_TRY(btz_buf_add_str(&text, key));
        BTZ_TRY(cell(btz_buf_slice(&text), widths[i], i + 1 == count, out));
        i++;
    }
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err table(const json_t *items, const char *wanted, struct btz_buf *out)
{
    BTZ_JSON json_t *columns = columns_of(items, wanted);
    size_t widths[64] = { 0 }, i = 0;
    const char *key;
    json_t *unused;
    const json_t *item;

    if (json_array_size(items) == 0)
        return btz_buf_add_str(out, "(none)\n");
    if (json_object_size(columns) == 0) { /* a list of plain values */
        json_array_foreach(items, i, item)
        {
            BTZ_TRY(value_text(item, out));
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
        }
        return BTZ_OK;
    }
    if (json_object_size(columns) > BTZ_COUNT(widths))
        return btz_fail(BTZ_LIMIT, "an answer of more than %zu columns; use --format json",
                        BTZ_COUNT(widths));
    json_object_foreach(columns, key, unused)
    {
        (void)unused;
        BTZ_TRY(measure(items, key, &widths[i++]));
    }
    BTZ_TRY(table_row(columns, widths, NULL, out));
    json_array_foreach(items, i, item) BTZ_TRY(table_row(columns, widths, item, out));
    return BTZ_OK;
}

/* ---- objects --------------------------------------------------------------------------------------- */

static bool is_block(const json_t *value)
{
    if (json_is_string(value))
        return memchr(json_string_value(value), '\n', json_string_length(value)) != NULL;
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

static enum btz_err lines(const json_t *object, unsigned indent, struct btz_buf *out)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (is_block(value))
            continue;
        BTZ_TRY(btz_buf_printf(out, "%*s%s: ", (int)indent, "", key));
        if (json_is_object(value) && json_object_size(value) > 0 && indent < 16) {
            BTZ_TRY(btz_buf_add_byte(out, '\n'));
            BTZ_TRY(lines(value, indent + 2, out));
            continue;
        }
        BTZ_TRY(value_text(value, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

/* Texts of several lines and lists of objects come last, each under its name. */
static enum btz_err blocks(const json_t *object, struct btz_buf *out)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!is_block(value))
            continue;
        BTZ_TRY(btz_buf_printf(out, "%s:\n", key));
        if (json_is_array(value)) {
            BTZ_TRY(table(value, NULL, out));
            continue;
        }
        BTZ_TRY(btz_utf8_printable(
            btz_slice_of(json_string_value(value), json_string_length(value)), true, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

enum btz_err btz_cli_operation_print(const json_t *answer, const char *columns, struct btz_buf *out)
{
    const json_t *items = json_object_get(answer, "items"), *next = json_object_get(answer, "next");
    BTZ_JSON json_t *rest = json_is_object(answer) ? json_copy((json_t *)(uintptr_t)answer) : NULL;

    if (!rest)
        return BTZ_OK;
    if (json_is_array(items)) {
        BTZ_TRY(table(items, columns, out));
        json_object_del(rest, "items");
        if (json_is_null(next))
            json_object_del(rest, "next");
    }
    BTZ_TRY(lines(rest, 0, out));
    return blocks(rest, out);
}
