/* Does a resource meet a filter? */
#include <ctype.h>
#include <strings.h>

#include "watch/api/scim.h"

const char *btz_scim_key(const json_t *object, const char *name)
{
    json_t *all, *value;
    const char *key;

    if (json_object_get(object, name))
        return name;
    memcpy(&all, &object, sizeof all);
    json_object_foreach(all, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return key;
    }
    return NULL;
}

json_t *btz_scim_get(const json_t *object, const char *name)
{
    const char *key = json_is_object(object) ? btz_scim_key(object, name) : NULL;

    return key ? json_object_get(object, key) : NULL;
}

/* caseExact in RFC 7643 section 8.7.1. */
static bool is_exact(const char *attribute)
{
    static const char *const exact[] = { "id", "externalId", "location", "version" };

    for (size_t i = 0; i < BTZ_COUNT(exact); i++)
        if (strcasecmp(exact[i], attribute) == 0)
            return true;
    return false;
}

static bool has_part(const char *text, size_t n, const char *part, size_t m, bool exact)
{
    for (size_t i = 0; i + m <= n; i++)
        if ((exact ? strncmp(text + i, part, m) : strncasecmp(text + i, part, m)) == 0)
            return true;
    return false;
}

static bool meets_text(const struct btz_scim_filter *f, const char *text)
{
    bool exact = is_exact(f->sub ? f->sub : f->attribute);
    size_t n = strlen(text), m = strlen(f->text);
    int order = exact ? strcmp(text, f->text) : strcasecmp(text, f->text);

    switch (f->test) {
    case BTZ_SCIM_EQ:
        return order == 0;
    case BTZ_SCIM_NE:
        return order != 0;
    case BTZ_SCIM_CO:
        return has_part(text, n, f->text, m, exact);
    case BTZ_SCIM_SW:
        return n >= m && has_part(text, m, f->text, m, exact);
    case BTZ_SCIM_EW:
        return n >= m && has_part(text + n - m, m, f->text, m, exact);
    case BTZ_SCIM_GT:
        return order > 0;
    case BTZ_SCIM_GE:
        return order >= 0;
    case BTZ_SCIM_LT:
        return order < 0;
    case BTZ_SCIM_LE:
        return order <= 0;
    default:
        return false;
    }
}

static bool meets_number(const struct btz_scim_filter *f, double value)
{
    switch (f->test) {
    case BTZ_SCIM_EQ:
        return value == f->number;
    case BTZ_SCIM_NE:
        return value != f->number;
    case BTZ_SCIM_GT:
        return value > f->number;
    case BTZ_SCIM_GE:
        return value >= f->number;
    case BTZ_SCIM_LT:
        return value < f->number;
    case BTZ_SCIM_LE:
        return value <= f->number;
    default:
        return false;
    }
}

static bool is_present(const json_t *value)
{
    if (!value || json_is_null(value))
        return false;
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (json_is_array(value))
        return json_array_size(value) > 0;
    return !json_is_object(value) || json_object_size(value) > 0;
}

static bool meets(const struct btz_scim_filter *f, const json_t *value)
{
    if (f->test == BTZ_SCIM_PR)
        return is_present(value);
    if (f->kind == BTZ_SCIM_NULL)
        return f->test == BTZ_SCIM_EQ   ? !is_present(value)
               : f->test == BTZ_SCIM_NE ? is_present(value)
                                        : false;
    if (f->kind == BTZ_SCIM_TEXT && json_is_string(value))
        return meets_text(f, json_string_value(value));
    if (f->kind == BTZ_SCIM_NUMBER && json_is_number(value))
        return meets_number(f, json_number_value(value));
    if (f->kind == BTZ_SCIM_BOOL && json_is_boolean(value))
        return (json_is_true(value) == f->yes) == (f->test == BTZ_SCIM_EQ) &&
               (f->test == BTZ_SCIM_EQ || f->test == BTZ_SCIM_NE);
    return f->test == BTZ_SCIM_NE;
}

/* A complex value is compared by its sub-attribute, "value" where none is named. */
static bool meets_one(const struct btz_scim_filter *f, const json_t *value)
{
    if (json_is_object(value)) {
        if (f->test == BTZ_SCIM_PR && !f->sub)
            return is_present(value);
        value = btz_scim_get(value, f->sub ? f->sub : "value");
    } else if (f->sub) {
        value = NULL;
    }
    return meets(f, value);
}

static bool has_value(const struct btz_scim_filter *f, const json_t *value)
{
    if (!json_is_array(value))
        return json_is_object(value) && btz_scim_match(f->a, value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (btz_scim_match(f->a, json_array_get(value, i)))
            return true;
    return false;
}

bool btz_scim_match(const struct btz_scim_filter *f, const json_t *resource)
{
    const json_t *value;

    switch (f->test) {
    case BTZ_SCIM_AND:
        return btz_scim_match(f->a, resource) && btz_scim_match(f->b, resource);
    case BTZ_SCIM_OR:
        return btz_scim_match(f->a, resource) || btz_scim_match(f->b, resource);
    case BTZ_SCIM_NOT:
        return !btz_scim_match(f->a, resource);
    default:
        break;
    }
    value = btz_scim_get(resource, f->attribute);
    if (f->test == BTZ_SCIM_HAS)
        return has_value(f, value);
    if (!json_is_array(value))
        return meets_one(f, value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (meets_one(f, json_array_get(value, i)))
            return true;
    return json_array_size(value) == 0 && meets(f, NULL);
}
