/* Patches, applied to a resource as JSON; what they mean for an account is found by comparing before and after. */
#include <strings.h>

#include "watch/api/scim.h"

enum kind { ADD, REPLACE, REMOVE };

struct change {
    enum kind kind;
    struct btz_scim_path path;
    json_t *value; /* borrowed; NULL: none */
};

static const char no_target[] = "noTarget", bad_value[] = "invalidValue",
                  bad_path[] = "invalidPath", bad_syntax[] = "invalidSyntax",
                  read_only[] = "mutability";

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

static bool is_many(const char *name)
{
    static const char *const many[] = { "members",   "emails", "groups",       "phoneNumbers",
                                        "addresses", "roles",  "entitlements", "x509Certificates",
                                        "photos",    "ims",    "schemas",      NULL };

    return is_one_of(name, many);
}

static bool is_read_only(const char *name)
{
    static const char *const fixed[] = { "id", "meta", "groups", "schemas", NULL };

    return is_one_of(name, fixed);
}

static enum btz_err refuse(const char **why, const char *type, const char *text)
{
    *why = type;
    return btz_fail(BTZ_INPUT, "%s", text);
}

/* ---- values of one attribute ---------------------------------------------------------------------------------------- */

static enum btz_err put(json_t *object, const char *name, json_t *value)
{
    const char *key = btz_scim_key(object, name);
    BTZ_JSON json_t *copy = json_deep_copy(value);

    if (!copy || json_object_set(object, key ? key : name, copy) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static void drop(json_t *object, const char *name)
{
    const char *key = btz_scim_key(object, name);

    if (key)
        json_object_del(object, key);
}

static enum btz_err append(json_t *list, json_t *value)
{
    size_t more = json_is_array(value) ? json_array_size(value) : 1;

    if (json_array_size(list) + more > BTZ_SCIM_VALUES)
        return btz_fail(BTZ_LIMIT, "more than %d values of one attribute", BTZ_SCIM_VALUES);
    for (size_t i = 0; i < more; i++) {
        json_t *one = json_is_array(value) ? json_array_get(value, i) : value;

        if (json_array_append_new(list, json_deep_copy(one)) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

/* The list of a multi-valued attribute, made when absent. */
static enum btz_err list_of(json_t *resource, const char *name, json_t **out)
{
    json_t *list = btz_scim_get(resource, name);

    if (!json_is_array(list)) {
        drop(resource, name);
        list = json_array();
        if (json_object_set_new(resource, name, list) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    *out = list;
    return BTZ_OK;
}

static const char *value_text(const json_t *item)
{
    return json_string_value(json_is_object(item) ? btz_scim_get(item, "value") : item);
}

/* "remove" with a list of values, as Entra ID sends it. */
static enum btz_err take_away(json_t *list, json_t *values)
{
    BTZ_JSON json_t *gone = json_object();
    size_t count = json_is_array(values) ? json_array_size(values) : 1;

    for (size_t i = 0; gone && i < count; i++) {
        const char *text = value_text(json_is_array(values) ? json_array_get(values, i) : values);

        if (text && json_object_set_new(gone, text, json_true()) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    for (size_t i = json_array_size(list); gone && i-- > 0;) {
        const char *text = value_text(json_array_get(list, i));

        if (text && json_object_get(gone, text))
            json_array_remove(list, i);
    }
    return gone ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err merge(json_t *object, json_t *value)
{
    const char *key;
    json_t *one;

    json_object_foreach(value, key, one)
    {
        BTZ_TRY(put(object, key, one));
    }
    return BTZ_OK;
}

/* ---- the three forms of a path -------------------------------------------------------------------------------------- */

static enum btz_err change_whole(json_t *resource, const struct change *c)
{
    const char *name = c->path.attribute;
    json_t *now = btz_scim_get(resource, name), *list;

    if (c->kind == REMOVE) {
        if (c->value && json_is_array(now))
            return take_away(now, c->value);
        drop(resource, name);
        return BTZ_OK;
    }
    if (is_many(name)) {
        if (c->kind == REPLACE)
            drop(resource, name);
        BTZ_TRY(list_of(resource, name, &list));
        return append(list, c->value);
    }
    if (json_is_object(now) && json_is_object(c->value))
        return merge(now, c->value);
    return put(resource, name, c->value);
}

static enum btz_err change_sub(json_t *item, const struct change *c)
{
    if (c->kind != REMOVE)
        return put(item, c->path.sub, c->value);
    drop(item, c->path.sub);
    return BTZ_OK;
}

static enum btz_err change_part(json_t *resource, const struct change *c, const char **why)
{
    json_t *now = btz_scim_get(resource, c->path.attribute);

    if (!now && c->kind != REMOVE) {
        now = is_many(c->path.attribute) ? json_pack("[{}]") : json_object();
        if (json_object_set_new(resource, c->path.attribute, now) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    if (json_is_object(now))
        return change_sub(now, c);
    if (now && !json_is_array(now))
        return refuse(why, bad_path, "the attribute has no sub-attributes");
    for (size_t i = 0; i < json_array_size(now); i++)
        if (json_is_object(json_array_get(now, i)))
            BTZ_TRY(change_sub(json_array_get(now, i), c));
    return BTZ_OK;
}

/* A value that the filter describes, for clients that set `emails[type eq "work"].value` where there is none. */
static enum btz_err make_chosen(json_t *list, const struct change *c, const char **why)
{
    const struct btz_scim_filter *f = c->path.filter;
    json_t *item;

    if (!c->path.sub || f->test != BTZ_SCIM_EQ || f->sub || f->kind != BTZ_SCIM_TEXT)
        return refuse(why, no_target, "no value meets the filter of the path");
    if (json_array_size(list) >= BTZ_SCIM_VALUES)
        return btz_fail(BTZ_LIMIT, "more than %d values of one attribute", BTZ_SCIM_VALUES);
    item = json_pack("{s:s}", f->attribute, f->text);
    if (!item || json_array_append_new(list, item) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return change_sub(item, c);
}

static enum btz_err change_chosen(json_t *resource, const struct change *c, const char **why)
{
    bool any = false;
    json_t *list;

    BTZ_TRY(list_of(resource, c->path.attribute, &list));
    for (size_t i = json_array_size(list); i-- > 0;) {
        json_t *item = json_array_get(list, i);

        if (!json_is_object(item) || !btz_scim_match(c->path.filter, item))
            continue;
        any = true;
        if (c->path.sub) {
            BTZ_TRY(change_sub(item, c));
        } else if (c->kind == REMOVE) {
            json_array_remove(list, i);
        } else if (json_is_object(c->value)) {
            BTZ_TRY(merge(item, c->value));
        } else {
            return refuse(why, bad_value, "expected an object");
        }
    }
    if (any || c->kind == REMOVE)
        return BTZ_OK;
    return make_chosen(list, c, why);
}

static enum btz_err change(json_t *resource, const struct change *c, const char **why)
{
    if (c->path.filter)
        return change_chosen(resource, c, why);
    return c->path.sub ? change_part(resource, c, why) : change_whole(resource, c);
}

/* ---- operations ----------------------------------------------------------------------------------------------------- */

static enum btz_err take_path(const char *text, struct btz_arena *arena, struct btz_scim_path *out,
                              const char **why)
{
    enum btz_err err = btz_scim_path_parse(btz_str(text), arena, out);

    if (err == BTZ_INPUT)
        *why = bad_path;
    return err;
}

/* Without a path: an object of attributes, whose names may be paths themselves. */
static enum btz_err change_all(json_t *resource, struct change *c, struct btz_arena *arena,
                               const char **why)
{
    json_t *all = c->value, *value;
    const char *key;

    if (c->kind == REMOVE)
        return refuse(why, no_target, "remove needs a path");
    if (!json_is_object(all))
        return refuse(why, bad_value, "without a path, the value is an object");
    json_object_foreach(all, key, value)
    {
        if (strncasecmp(key, "urn:", 4) == 0 && json_is_object(value))
            continue; /* an extension that we do not have */
        BTZ_TRY(take_path(key, arena, &c->path, why));
        if (is_read_only(c->path.attribute))
            continue;
        c->value = value;
        BTZ_TRY(change(resource, c, why));
    }
    return BTZ_OK;
}

static enum btz_err take_kind(const json_t *operation, enum kind *out, const char **why)
{
    static const char *const names[] = { "add", "replace", "remove" };
    const char *op = json_string_value(btz_scim_get(operation, "op"));

    for (size_t i = 0; op && i < BTZ_COUNT(names); i++)
        if (strcasecmp(op, names[i]) == 0) {
            *out = (enum kind)i;
            return BTZ_OK;
        }
    return refuse(why, bad_syntax, "op: expected add, replace or remove");
}

static enum btz_err apply(json_t *resource, const json_t *operation, struct btz_arena *arena,
                          const char **why)
{
    struct change c = { .value = btz_scim_get(operation, "value") };
    const json_t *path = btz_scim_get(operation, "path");

    BTZ_TRY(take_kind(operation, &c.kind, why));
    if (json_is_null(c.value))
        c.value = NULL;
    if (!c.value && c.kind != REMOVE)
        return refuse(why, bad_value, "value: missing");
    if (!path || json_is_null(path))
        return change_all(resource, &c, arena, why);
    if (!json_is_string(path))
        return refuse(why, bad_path, "path: expected text");
    BTZ_TRY(take_path(json_string_value(path), arena, &c.path, why));
    if (is_read_only(c.path.attribute))
        return refuse(why, read_only, "the attribute cannot be changed");
    return change(resource, &c, why);
}

enum btz_err btz_scim_patch(json_t *resource, const json_t *operations, struct btz_arena *arena,
                            const char **why)
{
    *why = bad_syntax;
    if (!json_is_array(operations) || json_array_size(operations) == 0)
        return refuse(why, bad_syntax, "Operations: expected a list that is not empty");
    if (json_array_size(operations) > BTZ_SCIM_OPERATIONS)
        return btz_fail(BTZ_LIMIT, "Operations: more than %d", BTZ_SCIM_OPERATIONS);
    for (size_t i = 0; i < json_array_size(operations); i++)
        BTZ_TRY(apply(resource, json_array_get(operations, i), arena, why));
    return BTZ_OK;
}
