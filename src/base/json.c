#include "base/json.h"

#include "base/json_quick.h"

#include <stdlib.h>

#define DEPTH_MAX 128

/* jansson allows 2,048 levels and recurses; ours are counted before it sees the text. */
static bool too_deep(struct btz_slice text)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

/* Behind the string that begins at `at`; SIZE_MAX: it does not end. */
static size_t string_end(struct btz_slice text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.ptr[at] == '\\')
            at++;
        else if (text.ptr[at] == '"')
            return at + 1;
    }
    return SIZE_MAX;
}

/* Behind a word of JSON, or of its numbers; SIZE_MAX: it is another word. */
static size_t word_end(struct btz_slice text, size_t at)
{
    static const char *const words[] = { "true", "false", "null", "NaN", "Infinity", "e", "E" };
    size_t end = at;

    while (end < text.len && ((text.ptr[end] | 0x20) >= 'a' && (text.ptr[end] | 0x20) <= 'z'))
        end++;
    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (btz_slice_is(btz_slice_sub(text, at, end - at), words[i]))
            return end;
    return SIZE_MAX;
}

bool btz_json_is_alike(struct btz_slice text)
{
    static const char space[] = " \t\r\n", marks[] = ":,+-.0123456789";
    size_t depth = 0, at = 0;
    bool begun = false;

    while (at < text.len) {
        uint8_t c = text.ptr[at];

        if (memchr(space, c, sizeof space - 1)) {
            at++;
            continue;
        }
        if (begun && depth == 0)
            return false; /* something behind it */
        if (depth == 0 && !memchr("[{\"", c, 3))
            return false;
        begun = true;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        if (c == '"')
            at = string_end(text, at);
        else if (memchr("[]{}", c, 4) || memchr(marks, c, sizeof marks - 1))
            at++;
        else
            at = word_end(text, at);
        if (at == SIZE_MAX)
            return false;
    }
    return begun && depth == 0;
}

enum btz_err btz_json_parse(struct btz_slice text, size_t cap, const char *what, json_t **out)
{
    json_error_t error;
    json_t *value;

    if (text.len > cap)
        return btz_fail(BTZ_LIMIT, "%s: larger than %zu bytes", what, cap);
    value = btz_json_quick_parse(text, DEPTH_MAX);
    if (value) {
        *out = value;
        return BTZ_OK;
    }
    if (too_deep(text))
        return btz_fail(BTZ_LIMIT, "%s: nested deeper than %d levels", what, DEPTH_MAX);
    value = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                       &error);
    if (!value)
        return btz_fail(BTZ_INPUT, "%s:%d:%d: not JSON: %s", what, error.line, error.column,
                        error.text);
    *out = value;
    return BTZ_OK;
}

json_t *btz_json_text(struct btz_slice text)
{
    struct btz_buf clean = BTZ_BUF(SIZE_MAX);
    json_t *value = json_stringn((const char *)text.ptr, text.len);

    /* jansson refuses ill-formed UTF-8, and cannot write NUL where readers are C programs. */
    if (value && !memchr(text.len ? text.ptr : (const uint8_t *)"x", 0, text.len))
        return value;
    json_decref(value);
    value = NULL;
    if (btz_utf8_clean(text, &clean) == BTZ_OK)
        value = json_stringn(clean.ptr ? (const char *)clean.ptr : "", clean.len);
    btz_buf_release(&clean);
    return value;
}

static int append(const char *bytes, size_t size, void *user)
{
    return btz_buf_add(user, bytes, size) == BTZ_OK ? 0 : -1;
}

enum btz_err btz_json_write(const json_t *value, bool pretty, struct btz_buf *out)
{
    size_t before = out->len;

    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory for JSON");
    if (!pretty && btz_json_quick_write(value, out))
        return BTZ_OK;
    if (json_dump_callback(value, append, out,
                           JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT)) != 0) {
        /* What came before stays whole: callers collect several texts in one buffer. */
        out->len = before;
        return btz_fail(BTZ_LIMIT, "out of memory, or JSON larger than its maximum of %zu bytes",
                        out->max);
    }
    return BTZ_OK;
}

bool btz_json_get_text(const json_t *object, const char *key, struct btz_slice *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value)) {
        *out = btz_str("");
        return false;
    }
    *out = btz_slice_of(json_string_value(value), json_string_length(value));
    return true;
}

void btz_json_drop(json_t **value)
{
    json_decref(*value);
    *value = NULL;
}
