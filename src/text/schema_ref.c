/* `$ref` within one document: JSON pointers (RFC 6901) and anchors. */
#include <stdlib.h>

#include "text/schema_inside.h"

static enum btz_err no_target(const char *ref)
{
    return btz_fail(BTZ_INPUT, "schema: `$ref` to `%.80s`: there is nothing", ref);
}

bool btz_schema_is_document(const json_t *schema)
{
    const char *id = json_string_value(json_object_get(schema, "$id"));

    return id && *id != '#';
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* The next part of a pointer, without its escapes: "%25" of URIs, then "~0" and "~1". */
static enum btz_err part_of(const char **at, struct btz_buf *out)
{
    const char *p = *at;

    btz_buf_clear(out);
    while (*p && *p != '/') {
        char c = *p++;

        if (c == '%' && p[0] && digit_of(p[0]) >= 0 && digit_of(p[1]) >= 0) {
            c = (char)(digit_of(p[0]) << 4 | digit_of(p[1]));
            p += 2;
        }
        if (c == '~' && (*p == '0' || *p == '1'))
            c = *p++ == '0' ? '~' : '/';
        BTZ_TRY(btz_buf_add_byte(out, (uint8_t)c));
    }
    *at = p;
    return BTZ_OK;
}

static const json_t *item_of(const json_t *array, const char *part)
{
    uint64_t index;

    return btz_parse_u64(btz_str(part), &index) == BTZ_OK ? json_array_get(array, (size_t)index)
                                                          : NULL;
}

/* What stands below another `$id` has references of its own, which would be read wrongly here. */
static enum btz_err follow(const json_t *root, const char *ref, const char *pointer,
                           const json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf part = BTZ_BUF(1 << 20);
    const json_t *at = root;
    const char *text;

    while (*pointer == '/') {
        pointer++;
        BTZ_TRY(part_of(&pointer, &part));
        BTZ_TRY(btz_buf_cstr(&part, &text));
        if (strlen(text) != part.len)
            return no_target(ref);
        at = json_is_array(at) ? item_of(at, text) : json_object_get(at, text);
        if (!at)
            return no_target(ref);
        if (btz_schema_is_document(at))
            return btz_fail(BTZ_UNSUPPORTED, "schema: `$id` below the root is not supported");
    }
    *out = at;
    return BTZ_OK;
}

/* ---- anchors ------------------------------------------------------------------------------------------------------------ */

/* Up to draft 7 an anchor is an `$id` of "#" and a name. */
static bool names(const json_t *schema, const char *anchor)
{
    const char *a = json_string_value(json_object_get(schema, "$anchor"));
    const char *b = json_string_value(json_object_get(schema, "$dynamicAnchor"));
    const char *id = json_string_value(json_object_get(schema, "$id"));

    return (a && strcmp(a, anchor) == 0) || (b && strcmp(b, anchor) == 0) ||
           (id && *id == '#' && strcmp(id + 1, anchor) == 0);
}

static const json_t *find(const json_t *schema, const char *anchor, bool root);

/* A schema; in arrays and where `of_members`, each one. */
static const json_t *find_in(const json_t *value, bool of_members, const char *anchor)
{
    const json_t *found = NULL;
    const char *key;
    json_t *one;
    size_t i;

    if (!of_members && json_is_object(value))
        return find(value, anchor, false);
    json_array_foreach(value, i, one) if (!found) found = find(one, anchor, false);
    json_object_foreach((json_t *)(uintptr_t)value, key, one) if (!found) found =
        find(one, anchor, false);
    return found;
}

/* Only in places of schemas: what `const` and `enum` hold names nothing. */
static const json_t *find(const json_t *schema, const char *anchor, bool root)
{
    static const char *const schemas[] = { "additionalProperties",
                                           "propertyNames",
                                           "items",
                                           "additionalItems",
                                           "prefixItems",
                                           "contains",
                                           "allOf",
                                           "anyOf",
                                           "oneOf",
                                           "not",
                                           "if",
                                           "then",
                                           "else",
                                           "unevaluatedItems",
                                           "unevaluatedProperties",
                                           "contentSchema" };
    static const char *const maps[] = { "$defs", "definitions", "properties", "patternProperties",
                                        "dependentSchemas" };
    const json_t *found = NULL;

    if (!json_is_object(schema) || (!root && btz_schema_is_document(schema)))
        return NULL;
    if (names(schema, anchor))
        return schema;
    for (size_t i = 0; !found && i < BTZ_COUNT(schemas); i++)
        found = find_in(json_object_get(schema, schemas[i]), false, anchor);
    for (size_t i = 0; !found && i < BTZ_COUNT(maps); i++)
        found = find_in(json_object_get(schema, maps[i]), true, anchor);
    return found;
}

enum btz_err btz_schema_resolve(const json_t *root, const char *ref, const json_t **out)
{
    const char *id = json_string_value(json_object_get(root, "$id"));
    const char *fragment = ref;

    if (id) {
        size_t n = strcspn(id, "#");

        if (n > 0 && strncmp(ref, id, n) == 0 && (ref[n] == '#' || ref[n] == 0))
            fragment = ref + n;
    }
    if (*fragment == '#')
        fragment++;
    else if (*fragment)
        return btz_fail(BTZ_UNSUPPORTED, "schema: `$ref` to another document, `%.80s`", ref);
    if (*fragment == 0 || *fragment == '/')
        return follow(root, ref, fragment, out);
    *out = find(root, fragment, true);
    return *out ? BTZ_OK : no_target(ref);
}
