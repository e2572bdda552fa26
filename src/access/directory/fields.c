#include <stdlib.h>

#include "access/directory/directory.h"

#define TEXT_MAX_   256
#define TEXTS_MAX_  100
#define OBJECT_MAX_ 65536
#define FILE_MAX_   1048576

/* ---- text ---- */

/* Characters that hide, reorder or end what stands beside them; `lines`: line feeds and tabs are welcome. */
static bool is_forbidden(uint32_t c, bool lines)
{
    if (lines && (c == '\n' || c == '\t' || c == '\r'))
        return false;
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0x061c || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c & 0xfffe) == 0xfffe || (c >= 0xe0000 && c <= 0xe007f);
}

static enum btz_err check_text(const struct btz_field *f, const json_t *value, size_t max)
{
    struct btz_slice text = btz_slice_of(json_string_value(value), json_string_length(value));
    bool secret = f->kind == BTZ_FIELD_SECRET, lines = f->kind == BTZ_FIELD_FILE;
    size_t at = 0;
    uint32_t c;

    if (text.len > max)
        return btz_fail(BTZ_USAGE, "`%s`: at most %zu bytes, found %zu", f->name, max, text.len);
    if (text.len == 0 && f->required)
        return btz_fail(BTZ_USAGE, "`%s` must not be empty", f->name);
    if (!btz_is_utf8(text))
        return btz_fail(BTZ_USAGE, "`%s` is not UTF-8", f->name);
    while (btz_utf8_next(text, &at, &c)) {
        /* A password may hold whatever a keyboard gives. */
        if (secret ? c < 0x20 || c == 0x7f : is_forbidden(c, lines))
            return btz_fail(BTZ_USAGE, "`%s`: the character U+%04X is not allowed", f->name,
                            (unsigned)c);
    }
    return BTZ_OK;
}

static enum btz_err check_choice(const struct btz_field *f, const char *text)
{
    const char *near;
    size_t n = 0;

    if (!f->choices)
        return BTZ_OK;
    for (; f->choices[n]; n++)
        if (strcmp(f->choices[n], text) == 0)
            return BTZ_OK;
    near = strlen(text) <= 63 ? btz_nearest(text, f->choices, n) : NULL;
    if (near)
        return btz_fail(BTZ_USAGE, "`%s`: there is no \"%.63s\"; did you mean \"%s\"?", f->name,
                        text, near);
    return btz_fail(BTZ_USAGE, "`%s`: there is no \"%.63s\"; the first of the choices is \"%s\"",
                    f->name, text, f->choices[0]);
}

/* ---- one field ---- */

static const char *kind_name(enum btz_field_kind kind)
{
    switch (kind) {
    case BTZ_FIELD_INT:
        return "a whole number";
    case BTZ_FIELD_BOOL:
        return "true or false";
    case BTZ_FIELD_TIME:
        return "a time such as \"2027-01-31T08:00:00Z\"";
    case BTZ_FIELD_DURATION:
        return "a duration such as \"15m\" or \"7d\"";
    case BTZ_FIELD_TEXTS:
        return "a list of texts";
    default:
        return "a text";
    }
}

static enum btz_err wrong_kind(const struct btz_field *f)
{
    return btz_fail(BTZ_USAGE, "`%s`: expected %s", f->name, kind_name(f->kind));
}

static enum btz_err check_int(const struct btz_field *f, const json_t *value, json_t **out)
{
    const char *text = json_string_value(value);
    bool negative = text && text[0] == '-';
    json_int_t number = json_integer_value(value);
    uint64_t digits;

    if (text && f->place != BTZ_IN_BODY) {
        if (btz_parse_u64(btz_str(text + negative), &digits) != BTZ_OK || digits > INT64_MAX)
            return wrong_kind(f);
        number = negative ? -(json_int_t)digits : (json_int_t)digits;
    } else if (!json_is_integer(value)) {
        return wrong_kind(f);
    }
    if ((f->min_int || f->max_int) && (number < f->min_int || number > f->max_int))
        return btz_fail(BTZ_USAGE, "`%s`: expected %" PRId64 " to %" PRId64 ", found %" PRId64,
                        f->name, f->min_int, f->max_int, (int64_t)number);
    *out = json_integer(number);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err check_bool(const struct btz_field *f, const json_t *value, json_t **out)
{
    const char *text = f->place == BTZ_IN_BODY ? NULL : json_string_value(value);

    if (json_is_boolean(value))
        *out = json_boolean(json_is_true(value));
    else if (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        *out = json_boolean(text[0] == 't');
    else
        return wrong_kind(f);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err check_texts(const struct btz_field *f, const json_t *value)
{
    const struct btz_field item = { .name = f->name, .kind = BTZ_FIELD_TEXT };
    size_t max = f->max ? f->max : TEXTS_MAX_, i;
    json_t *text;

    if (!json_is_array(value))
        return wrong_kind(f);
    if (json_array_size(value) > max)
        return btz_fail(BTZ_USAGE, "`%s`: at most %zu items, found %zu", f->name, max,
                        json_array_size(value));
    json_array_foreach(value, i, text)
    {
        if (!json_is_string(text))
            return wrong_kind(f);
        BTZ_TRY(check_text(&item, text, TEXT_MAX_));
        BTZ_TRY(check_choice(f, json_string_value(text)));
    }
    return BTZ_OK;
}

static enum btz_err check_object(const struct btz_field *f, const json_t *value)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(f->max ? f->max : OBJECT_MAX_);

    if (btz_json_write(value, false, &text) != BTZ_OK)
        return btz_fail(BTZ_USAGE, "`%s`: larger than %zu bytes", f->name, text.max);
    return BTZ_OK;
}

static enum btz_err lower_case(const char *text, json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf lower = BTZ_BUF(FILE_MAX_);

    for (; *text; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 'a' - 'A') : *text;

        BTZ_TRY(btz_buf_add_byte(&lower, (uint8_t)c));
    }
    *out = btz_json_text(btz_buf_slice(&lower));
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory");
}

static enum btz_err check_field(const struct btz_field *f, json_t *value, json_t **out)
{
    const char *text = json_string_value(value);
    size_t max = f->max ? f->max : f->kind == BTZ_FIELD_FILE ? FILE_MAX_ : TEXT_MAX_;
    uint64_t ms;
    int64_t duration;

    switch (f->kind) {
    case BTZ_FIELD_INT:
        return check_int(f, value, out);
    case BTZ_FIELD_BOOL:
        return check_bool(f, value, out);
    case BTZ_FIELD_TEXTS:
        BTZ_TRY(check_texts(f, value));
        break;
    case BTZ_FIELD_OBJECT:
        BTZ_TRY(check_object(f, value));
        break;
    default:
        if (!text)
            return wrong_kind(f);
        BTZ_TRY(check_text(f, value, max));
        BTZ_TRY(check_choice(f, text));
        if (f->kind == BTZ_FIELD_TIME && btz_time_parse(btz_str(text), &ms) != BTZ_OK)
            return wrong_kind(f);
        if (f->kind == BTZ_FIELD_DURATION && btz_conf_duration(text, &duration) != BTZ_OK)
            return wrong_kind(f);
        if (f->names == BTZ_NAMES_NEW)
            return lower_case(text, out);
    }
    *out = json_incref(value);
    return BTZ_OK;
}

/* ---- all of them ---- */

static const struct btz_field *find_field(const struct btz_operation *op, const char *name)
{
    for (size_t i = 0; i < op->field_count; i++)
        if (strcmp(op->fields[i].name, name) == 0)
            return &op->fields[i];
    return NULL;
}

static enum btz_err unknown_field(const struct btz_operation *op, const char *name)
{
    const char *names[64], *near;
    size_t count = op->field_count < BTZ_COUNT(names) ? op->field_count : BTZ_COUNT(names);

    for (size_t i = 0; i < count; i++)
        names[i] = op->fields[i].name;
    near = strlen(name) <= 63 ? btz_nearest(name, names, count) : NULL;
    if (near)
        return btz_fail(BTZ_USAGE, "%s has no field `%.63s`; did you mean `%s`?", op->id, name,
                        near);
    return btz_fail(BTZ_USAGE, "%s has no field `%.63s`", op->id, name);
}

enum btz_err btz_fields_check(const struct btz_operation *op, const json_t *in, json_t **out)
{
    BTZ_JSON json_t *checked = json_object();
    const struct btz_field *f;
    const char *name;
    json_t *value;

    if (!checked)
        return btz_fail(BTZ_LIMIT, "no memory");
    if (in && !json_is_object(in))
        return btz_fail(BTZ_USAGE, "%s: expected an object of fields", op->id);
    json_object_foreach((json_t *)(uintptr_t)in, name, value)
    {
        json_t *kept = NULL;

        f = find_field(op, name);
        if (!f)
            return unknown_field(op, name);
        if (json_is_null(value)) /* says nothing */
            continue;
        BTZ_TRY(check_field(f, value, &kept));
        if (json_object_set_new(checked, name, kept) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    }
    for (size_t i = 0; i < op->field_count; i++)
        if (op->fields[i].required && !json_object_get(checked, op->fields[i].name))
            return btz_fail(BTZ_USAGE, "%s needs the field `%s`", op->id, op->fields[i].name);
    *out = json_incref(checked);
    return BTZ_OK;
}

/* ---- reading them ---- */

const char *btz_call_text(const struct btz_call *c, const char *field)
{
    return json_string_value(json_object_get(c->in, field));
}

int64_t btz_call_int(const struct btz_call *c, const char *field, int64_t fallback)
{
    const json_t *value = json_object_get(c->in, field);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

bool btz_call_bool(const struct btz_call *c, const char *field, bool fallback)
{
    const json_t *value = json_object_get(c->in, field);

    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

bool btz_call_has(const struct btz_call *c, const char *field)
{
    return json_object_get(c->in, field) != NULL;
}

uint64_t btz_call_ms(const struct btz_call *c, const char *field, uint64_t fallback)
{
    const char *text = btz_call_text(c, field);
    const struct btz_field *f = find_field(c->op, field);
    int64_t duration;
    uint64_t ms;

    if (!text || !f)
        return fallback;
    if (f->kind == BTZ_FIELD_TIME)
        return btz_time_parse(btz_str(text), &ms) == BTZ_OK ? ms : fallback;
    return btz_conf_duration(text, &duration) == BTZ_OK ? (uint64_t)duration : fallback;
}

/* ---- names ---- */

enum btz_err btz_name_form(const char *what, const char *text, struct btz_arena *arena, char **out)
{
    static const char others[] = "._@+-";
    size_t len = strlen(text);
    char *name;

    if (len == 0 || len > NAME_LEN_MAX)
        return btz_fail(BTZ_USAGE, "the name of a %s has 1 to %d characters, found %zu", what,
                        NAME_LEN_MAX, len);
    name = btz_arena_str(arena, btz_str(text));
    if (!name)
        return BTZ_LIMIT;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];

        if (c >= 'A' && c <= 'Z')
            name[i] = c = (char)(c + 'a' - 'A');
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i > 0 && strchr(others, c))))
            return btz_fail(BTZ_USAGE,
                            "the name of a %s is made of a-z, 0-9 and \"%s\", and starts with a "
                            "letter or digit; put other spellings into display_name",
                            what, others);
    }
    *out = name;
    return BTZ_OK;
}

enum btz_err btz_name_check(const char *what, const char *text, struct btz_arena *arena, char **out)
{
    static const char *const whoever_asks[] = { "self", "own", "me" };
    char id[BTZ_ID_TEXT];

    BTZ_TRY(btz_name_form(what, text, arena, out));
    if (btz_id_form(*out, id))
        return btz_fail(BTZ_USAGE, "the name of a %s must not look like an id", what);
    for (size_t i = 0; i < BTZ_COUNT(whoever_asks); i++)
        if (strcmp(*out, whoever_asks[i]) == 0)
            return btz_fail(BTZ_USAGE, "nothing can be called `%s`: it stands for whoever asks",
                            *out);
    return BTZ_OK;
}
