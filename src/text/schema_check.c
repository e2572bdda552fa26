/* Values against compiled schemas: the first fault ends it. */
#include <stdlib.h>

#include "base/json_quick.h"
#include "text/schema_inside.h"

#include <stdarg.h>

struct place { /* of a value in the whole */
    const struct place *up;
    const char *key; /* NULL: index */
    size_t index;
    bool foreign; /* the key is not of `properties` */
};
struct run {
    uint64_t steps;
    unsigned depth,
        silent; /* silent: what fails within `anyOf`, `not` and the like is no fault yet */
    struct btz_schema_fault *fault;
};

static enum btz_err pay(struct run *r, uint64_t n)
{
    if (r->steps < n)
        return btz_fail(BTZ_LIMIT, "more than %d steps", BTZ_SCHEMA_STEPS_MAX);
    r->steps -= n;
    return BTZ_OK;
}

/* ---- faults ----------------------------------------------------------------------------------------------------------- */

static void write_place(const struct place *p, struct btz_buf *out)
{
    size_t n = 0;
    bool fits = true;
    const struct place *way[BTZ_SCHEMA_DEPTH_MAX];

    for (; p && p->up && n < BTZ_COUNT(way); p = p->up)
        way[n++] = p;
    while (n > 0 && fits) {
        p = way[--n];
        fits = btz_buf_add_byte(out, '/') == BTZ_OK;
        if (!p->key) {
            fits = fits && btz_buf_printf(out, "%zu", p->index) == BTZ_OK;
            continue;
        }
        for (const char *c = p->key; fits && *c; c++)
            fits = (*c == '~'   ? btz_buf_add_str(out, "~0")
                    : *c == '/' ? btz_buf_add_str(out, "~1")
                                : btz_buf_add_byte(out, (uint8_t)*c)) == BTZ_OK;
    }
}

/* Cut between characters. */
static void copy(char *out, size_t size, struct btz_slice text)
{
    size_t n = text.len;

    if (n >= size) {
        n = size - 4;
        while (n > 0 && (text.ptr[n] & 0xC0) == 0x80)
            n--;
        memcpy(out + n, "...", 4);
    } else {
        out[n] = 0;
    }
    if (n > 0)
        memcpy(out, text.ptr, n);
}

static void fail(struct run *r, const struct place *p, const char *keyword, const char *fmt, ...)
    BTZ_PRINTF(4, 5);

static void fail(struct run *r, const struct place *p, const char *keyword, const char *fmt, ...)
{
    BTZ_BUF_RELEASE struct btz_buf where = BTZ_BUF(1024);
    char expected[512];
    va_list args;

    if (r->silent || r->fault->keyword)
        return;
    va_start(args, fmt);
    vsnprintf(expected, sizeof expected, fmt, args);
    va_end(args);
    r->fault->keyword = keyword;
    write_place(p, &where);
    copy(r->fault->where, sizeof r->fault->where, btz_buf_slice(&where));
    for (; p; p = p->up)
        r->fault->foreign = r->fault->foreign || p->foreign;
    copy(r->fault->expected, sizeof r->fault->expected, btz_str(expected));
}

static enum btz_err apply(struct run *r, const struct btz_schema_node *n, const json_t *value,
                          const struct place *p, bool *ok);

/* Without a fault when it fails: the caller says what failed. */
static enum btz_err try_it(struct run *r, const struct btz_schema_node *n, const json_t *value,
                           const struct place *p, bool *ok)
{
    enum btz_err err;

    r->silent++;
    err = apply(r, n, value, p, ok);
    r->silent--;
    return err;
}

/* ---- any value -------------------------------------------------------------------------------------------------------- */

static unsigned types_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return BTZ_TYPE_OBJECT;
    case JSON_ARRAY:
        return BTZ_TYPE_ARRAY;
    case JSON_STRING:
        return BTZ_TYPE_STRING;
    case JSON_INTEGER:
        return BTZ_TYPE_NUMBER | BTZ_TYPE_INTEGER;
    case JSON_REAL:
        return BTZ_TYPE_NUMBER | (btz_schema_is_integer(value) ? BTZ_TYPE_INTEGER : 0);
    case JSON_NULL:
        return BTZ_TYPE_NULL;
    default:
        return BTZ_TYPE_BOOLEAN;
    }
}

static bool check_type(struct run *r, const struct btz_schema_node *n, const json_t *value,
                       const struct place *p)
{
    static const char *const names[] = { "null",   "boolean", "object", "array",
                                         "number", "string",  "integer" };
    char text[96] = "";

    if (n->types == 0 || (n->types & types_of(value)))
        return true;
    for (unsigned i = 0; i < BTZ_COUNT(names); i++)
        if (n->types >> i & 1)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " or " : "",
                     names[i]);
    fail(r, p, "type", "%s", text);
    return false;
}

static enum btz_err check_values(struct run *r, const struct btz_schema_node *n,
                                 const json_t *value, const struct place *p, bool *ok)
{
    const json_t *choice;
    bool equal = false;
    size_t i;

    if (n->constant) {
        BTZ_TRY(btz_schema_equal(value, n->constant, &r->steps, ok));
        if (!*ok)
            fail(r, p, "const", "the one value that is allowed");
    }
    if (!*ok || !n->choices)
        return BTZ_OK;
    json_array_foreach(n->choices, i, choice)
    {
        BTZ_TRY(btz_schema_equal(value, choice, &r->steps, &equal));
        if (equal)
            return BTZ_OK;
    }
    *ok = false;
    fail(r, p, "enum", "one of %zu values", json_array_size(n->choices));
    return BTZ_OK;
}

/* ---- by type ---------------------------------------------------------------------------------------------------------- */

static void number_text(const json_t *number, char out[32])
{
    if (json_is_integer(number))
        snprintf(out, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(number));
    else
        snprintf(out, 32, "%.15g", json_real_value(number));
}

static bool check_number(struct run *r, const struct btz_schema_node *n, const json_t *value,
                         const struct place *p)
{
    char text[32];

    if (n->minimum && btz_schema_compare(value, n->minimum) < 0) {
        number_text(n->minimum, text);
        fail(r, p, "minimum", "at least %s", text);
    } else if (n->maximum && btz_schema_compare(value, n->maximum) > 0) {
        number_text(n->maximum, text);
        fail(r, p, "maximum", "at most %s", text);
    } else if (n->above && btz_schema_compare(value, n->above) <= 0) {
        number_text(n->above, text);
        fail(r, p, "exclusiveMinimum", "more than %s", text);
    } else if (n->below && btz_schema_compare(value, n->below) >= 0) {
        number_text(n->below, text);
        fail(r, p, "exclusiveMaximum", "less than %s", text);
    } else if (n->multiple && !btz_schema_is_multiple(value, n->multiple)) {
        number_text(n->multiple, text);
        fail(r, p, "multipleOf", "a multiple of %s", text);
    } else {
        return true;
    }
    return false;
}

static enum btz_err check_text(struct run *r, const struct btz_schema_node *n,
                               struct btz_slice text, const struct place *p, bool *ok)
{
    uint64_t length = 0;

    if (n->min_length > 0 || n->max_length != UINT64_MAX) {
        BTZ_TRY(pay(r, text.len / 64));
        for (size_t i = 0; i < text.len; i++)
            length += (text.ptr[i] & 0xC0) != 0x80;
        *ok = length >= n->min_length && length <= n->max_length;
        if (length < n->min_length)
            fail(r, p, "minLength", "at least %" PRIu64 " characters", n->min_length);
        else if (!*ok)
            fail(r, p, "maxLength", "at most %" PRIu64 " characters", n->max_length);
    }
    if (!*ok || !n->pattern.regex)
        return BTZ_OK;
    BTZ_TRY(btz_regex_find(n->pattern.regex, text, &r->steps, ok));
    if (!*ok)
        fail(r, p, "pattern", "a text that matches `%s`", n->pattern.text);
    return BTZ_OK;
}

static enum btz_err check_contains(struct run *r, const struct btz_schema_node *n,
                                   const json_t *array, const struct place *p, bool *ok)
{
    uint64_t found = 0;
    const json_t *item;
    size_t i;

    if (!n->contains)
        return BTZ_OK;
    json_array_foreach(array, i, item)
    {
        const struct place here = { p, NULL, i, false };
        bool fits = true;

        BTZ_TRY(try_it(r, n->contains, item, &here, &fits));
        found += fits;
    }
    *ok = found >= n->min_contains && found <= n->max_contains;
    if (found < n->min_contains)
        fail(r, p, n->min_contains == 1 ? "contains" : "minContains",
             "at least %" PRIu64 " items of a kind, there are %" PRIu64, n->min_contains, found);
    else if (!*ok)
        fail(r, p, "maxContains", "at most %" PRIu64 " items of a kind, there are %" PRIu64,
             n->max_contains, found);
    return BTZ_OK;
}

static enum btz_err check_array(struct run *r, const struct btz_schema_node *n, const json_t *array,
                                const struct place *p, bool *ok)
{
    size_t count = json_array_size(array), first = 0, second = 0;

    *ok = count >= n->min_items && count <= n->max_items;
    if (count < n->min_items)
        fail(r, p, "minItems", "at least %" PRIu64 " items", n->min_items);
    else if (!*ok)
        fail(r, p, "maxItems", "at most %" PRIu64 " items", n->max_items);
    for (size_t i = 0; *ok && i < count; i++) {
        const struct btz_schema_node *of = i < n->prefix.count ? n->prefix.at[i] : n->items;
        const struct place here = { p, NULL, i, false };

        if (!of)
            break;
        BTZ_TRY(apply(r, of, json_array_get(array, i), &here, ok));
    }
    if (*ok)
        BTZ_TRY(check_contains(r, n, array, p, ok));
    if (!*ok || !n->unique)
        return BTZ_OK;
    BTZ_TRY(btz_schema_unique(array, &r->steps, &first, &second, ok));
    if (!*ok)
        fail(r, p, "uniqueItems", "no two alike, items %zu and %zu are", first, second);
    return BTZ_OK;
}

/* Names that all have to be there. */
static bool has_all(struct run *r, const char *keyword, const json_t *names, const json_t *object,
                    const struct place *p)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name) if (!json_object_get(object, json_string_value(name)))
    {
        fail(r, p, keyword, "member `%s`", json_string_value(name));
        return false;
    }
    return true;
}

static enum btz_err check_needs(struct run *r, const struct btz_schema_node *n,
                                const json_t *object, const struct place *p, bool *ok)
{
    const char *key;
    json_t *names;

    if (n->needs) {
        BTZ_TRY(pay(r, json_object_size(n->needs)));
        json_object_foreach((json_t *)(uintptr_t)n->needs, key,
                            names) if (*ok && json_is_array(names) &&
                                       json_object_get(object, key)) *ok =
            has_all(r, "dependentRequired", names, object, p);
    }
    for (size_t i = 0; *ok && i < n->dependents.count; i++)
        if (json_object_get(object, n->dependents.at[i].name))
            BTZ_TRY(apply(r, n->dependents.at[i].node, object, p, ok));
    return BTZ_OK;
}

/* A member that `properties` may not name: patterns, else what is left. */
static enum btz_err check_other(struct run *r, const struct btz_schema_node *n, const char *key,
                                const json_t *value, const struct place *p, bool *ok)
{
    const struct place here = { p, key, 0, true };
    bool named = n->members && json_object_get(n->members, key);

    if (n->names) {
        const json_t *name = json_string_nocheck(key);
        enum btz_err err;

        if (!name)
            return btz_fail(BTZ_LIMIT, "out of memory for a name");
        err = try_it(r, n->names, name, p, ok);
        json_decref((json_t *)(uintptr_t)name);
        BTZ_TRY(err);
        if (!*ok) {
            fail(r, p, "propertyNames", "names of members of another form");
            return BTZ_OK;
        }
    }
    for (size_t i = 0; *ok && i < n->pattern_count; i++) {
        bool fits;

        BTZ_TRY(btz_regex_find(n->patterns[i].regex, btz_str(key), &r->steps, &fits));
        if (!fits)
            continue;
        named = true;
        BTZ_TRY(apply(r, n->patterns[i].node, value, &here, ok));
    }
    if (!*ok || named || !n->additional)
        return BTZ_OK;
    if (n->additional->never) {
        *ok = false;
        fail(r, p, "additionalProperties", "no members but those that are named");
        return BTZ_OK;
    }
    return apply(r, n->additional, value, &here, ok);
}

static enum btz_err check_object(struct run *r, const struct btz_schema_node *n,
                                 const json_t *object, const struct place *p, bool *ok)
{
    size_t count = json_object_size(object);
    const char *key;
    json_t *value;

    BTZ_TRY(pay(r, json_array_size(n->required) + n->properties.count));
    *ok = count >= n->min_members && count <= n->max_members;
    if (count < n->min_members)
        fail(r, p, "minProperties", "at least %" PRIu64 " members", n->min_members);
    else if (!*ok)
        fail(r, p, "maxProperties", "at most %" PRIu64 " members", n->max_members);
    *ok = *ok && has_all(r, "required", n->required, object, p);
    for (size_t i = 0; *ok && i < n->properties.count; i++) {
        const struct place here = { p, n->properties.at[i].name, 0, false };
        const json_t *member = json_object_get(object, here.key);

        if (member)
            BTZ_TRY(apply(r, n->properties.at[i].node, member, &here, ok));
    }
    if (*ok && (n->names || n->pattern_count || n->additional)) {
        BTZ_TRY(pay(r, count));
        json_object_foreach((json_t *)(uintptr_t)object, key, value)
        {
            BTZ_TRY(check_other(r, n, key, value, p, ok));
            if (!*ok)
                return BTZ_OK;
        }
    }
    return *ok ? check_needs(r, n, object, p, ok) : BTZ_OK;
}

/* ---- schemas in one another --------------------------------------------------------------------------------------------- */

static enum btz_err check_choices(struct run *r, const struct btz_schema_node *n,
                                  const json_t *value, const struct place *p, bool *ok)
{
    size_t fitting = 0;

    for (size_t i = 0; i < n->any.count && fitting == 0; i++) {
        bool fits = true;

        BTZ_TRY(try_it(r, n->any.at[i], value, p, &fits));
        fitting += fits;
    }
    if (n->any.count > 0 && fitting == 0) {
        *ok = false;
        fail(r, p, "anyOf", "one of %zu forms", n->any.count);
        return BTZ_OK;
    }
    fitting = 0;
    for (size_t i = 0; i < n->one.count && fitting < 2; i++) {
        bool fits = true;

        BTZ_TRY(try_it(r, n->one.at[i], value, p, &fits));
        fitting += fits;
    }
    if (n->one.count > 0 && fitting != 1) {
        *ok = false;
        fail(r, p, "oneOf", "exactly one of %zu forms, %s", n->one.count,
             fitting ? "several fit" : "none fits");
    }
    return BTZ_OK;
}

static enum btz_err check_inner(struct run *r, const struct btz_schema_node *n, const json_t *value,
                                const struct place *p, bool *ok)
{
    const struct btz_schema_node *branch;
    bool fits = true;

    if (n->ref)
        BTZ_TRY(apply(r, n->ref, value, p, ok));
    for (size_t i = 0; *ok && i < n->all.count; i++)
        BTZ_TRY(apply(r, n->all.at[i], value, p, ok));
    if (*ok)
        BTZ_TRY(check_choices(r, n, value, p, ok));
    if (*ok && n->negated) {
        BTZ_TRY(try_it(r, n->negated, value, p, &fits));
        *ok = !fits;
        if (fits)
            fail(r, p, "not", "another form");
    }
    if (!*ok || !n->condition || !(n->then || n->otherwise))
        return BTZ_OK;
    fits = true;
    BTZ_TRY(try_it(r, n->condition, value, p, &fits));
    branch = fits ? n->then : n->otherwise;
    return branch ? apply(r, branch, value, p, ok) : BTZ_OK;
}

static enum btz_err apply_all(struct run *r, const struct btz_schema_node *n, const json_t *value,
                              const struct place *p, bool *ok)
{
    *ok = !n->never && check_type(r, n, value, p);
    if (n->never)
        fail(r, p, "false", "nothing");
    if (*ok && (n->constant || n->choices))
        BTZ_TRY(check_values(r, n, value, p, ok));
    if (!*ok)
        return BTZ_OK;
    if (json_is_number(value))
        *ok = check_number(r, n, value, p);
    else if (json_is_string(value))
        BTZ_TRY(check_text(r, n, btz_slice_of(json_string_value(value), json_string_length(value)),
                           p, ok));
    else if (json_is_array(value))
        BTZ_TRY(check_array(r, n, value, p, ok));
    else if (json_is_object(value))
        BTZ_TRY(check_object(r, n, value, p, ok));
    return *ok ? check_inner(r, n, value, p, ok) : BTZ_OK;
}

static enum btz_err apply(struct run *r, const struct btz_schema_node *n, const json_t *value,
                          const struct place *p, bool *ok)
{
    enum btz_err err;

    BTZ_TRY(pay(r, 2));
    if (r->depth == BTZ_SCHEMA_DEPTH_MAX)
        return btz_fail(BTZ_LIMIT, "schemas within schemas deeper than %d", BTZ_SCHEMA_DEPTH_MAX);
    r->depth++;
    err = apply_all(r, n, value, p, ok);
    r->depth--;
    return err;
}

enum btz_err btz_schema_check(const struct btz_schema *s, const json_t *value, bool *conforms,
                              struct btz_schema_fault *fault)
{
    struct btz_schema_fault first = { .keyword = NULL };
    struct run r = { .steps = BTZ_SCHEMA_STEPS_MAX, .fault = &first };
    const struct place top = { NULL, NULL, 0, false };
    bool ok = true;

    BTZ_TRY(apply(&r, s->root, value, &top, &ok));
    *conforms = ok;
    if (!ok)
        *fault = first;
    return BTZ_OK;
}

/* JSON that cannot be held here is not known to be wrong. */
static bool is_beyond_us(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_out_of_memory || code == json_error_stack_overflow ||
           code == json_error_null_character || code == json_error_null_byte_in_key ||
           code == json_error_numeric_overflow;
}

enum btz_err btz_schema_check_text(const struct btz_schema *s, struct btz_slice text, size_t cap,
                                   bool *conforms, struct btz_schema_fault *fault)
{
    BTZ_JSON json_t *value = NULL;
    json_error_t error;
    enum btz_err err = btz_json_parse(text, cap, "text", &value);

    if (err == BTZ_OK)
        return btz_schema_check(s, value, conforms, fault);
    if (err != BTZ_INPUT)
        return err;
    value = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                       &error);
    if (!value && is_beyond_us(&error))
        return btz_fail(BTZ_LIMIT, "numbers or characters that cannot be held: %s", error.text);
    *conforms = false;
    *fault = (struct btz_schema_fault){ .keyword = "json" };
    snprintf(fault->expected, sizeof fault->expected, "one JSON text, line %d column %d is none",
             error.line, error.column);
    return BTZ_OK;
}
