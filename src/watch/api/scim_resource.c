/* Our objects as resources of SCIM, and back. */
#include <strings.h>

#include "watch/api/scim.h"

#define SCHEMA "urn:ietf:params:scim:schemas:core:2.0:"

/* ---- to a resource -------------------------------------------------------------------------------------------------- */

static void copy(json_t *to, const char *name, const json_t *from, const char *member)
{
    const char *text = json_string_value(json_object_get(from, member));

    if (text && *text)
        json_object_set_new(to, name, json_string(text));
}

static json_t *meta_of(const char *type, const json_t *object, const char *base)
{
    json_t *meta = json_pack("{s:s}", "resourceType", type);

    if (!meta)
        return NULL;
    copy(meta, "created", object, "created");
    copy(meta, "lastModified", object, "updated");
    json_object_set_new(
        meta, "location",
        json_sprintf("%s/%ss/%s", base, type, json_string_value(json_object_get(object, "id"))));
    json_object_set_new(meta, "version",
                        json_sprintf("W/\"%" JSON_INTEGER_FORMAT "\"",
                                     json_integer_value(json_object_get(object, "version"))));
    return meta;
}

static void add_user(json_t *out, const json_t *object)
{
    const char *email = json_string_value(json_object_get(object, "email"));
    const char *status = json_string_value(json_object_get(object, "status"));
    const json_t *groups = json_object_get(object, "groups");
    json_t *list = json_array();

    copy(out, "userName", object, "name");
    copy(out, "displayName", object, "display_name");
    json_object_set_new(out, "active", json_boolean(status && strcmp(status, "active") == 0));
    if (email && *email)
        json_object_set_new(
            out, "emails",
            json_pack("[{s:s, s:s, s:b}]", "value", email, "type", "work", "primary", 1));
    for (size_t i = 0; i < json_array_size(groups); i++)
        json_array_append_new(list, json_pack("{s:O}", "display", json_array_get(groups, i)));
    json_object_set_new(out, "groups", list);
}

static void add_group(json_t *out, const json_t *object)
{
    const json_t *members = json_object_get(object, "members");
    json_t *list = json_array();

    copy(out, "displayName", object, "name");
    copy(out, "displayName", object, "display_name");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *m = json_array_get(members, i);

        json_array_append_new(list,
                              json_pack("{s:O, s:O, s:s}", "value", json_object_get(m, "id"),
                                        "display", json_object_get(m, "name"), "type", "User"));
    }
    json_object_set_new(out, "members", list);
}

json_t *btz_scim_resource(enum btz_scim_type type, const json_t *object, const char *base)
{
    const char *name = type == BTZ_SCIM_USER ? "User" : "Group";
    json_t *out = json_object();

    if (!out)
        return NULL;
    json_object_set_new(out, "schemas", json_pack("[o]", json_sprintf(SCHEMA "%s", name)));
    copy(out, "id", object, "id");
    copy(out, "externalId", object, "external_id");
    if (type == BTZ_SCIM_USER)
        add_user(out, object);
    else
        add_group(out, object);
    json_object_set_new(out, "meta", meta_of(name, object, base));
    return out;
}

/* ---- from a resource ------------------------------------------------------------------------------------------------ */

/* The text of an attribute; "" where it is absent or null. */
static enum btz_err text_of(const json_t *resource, const char *name, const char **out)
{
    const json_t *value = btz_scim_get(resource, name);

    *out = "";
    if (!value || json_is_null(value))
        return BTZ_OK;
    if (!json_is_string(value))
        return btz_fail(BTZ_INPUT, "%s: expected text", name);
    *out = json_string_value(value);
    return BTZ_OK;
}

/* displayName, or what can be made of the parts of the name. */
static enum btz_err display_of(const json_t *resource, char out[300])
{
    const json_t *name = btz_scim_get(resource, "name");
    const char *text, *given, *family;

    BTZ_TRY(text_of(resource, "displayName", &text));
    if (!*text && json_is_object(name))
        BTZ_TRY(text_of(name, "formatted", &text));
    if (strlen(text) >= 300)
        return btz_fail(BTZ_INPUT, "displayName: too long");
    memcpy(out, text, strlen(text) + 1);
    if (*text || !json_is_object(name))
        return BTZ_OK;
    BTZ_TRY(text_of(name, "givenName", &given));
    BTZ_TRY(text_of(name, "familyName", &family));
    if (strlen(given) + strlen(family) > 290)
        return btz_fail(BTZ_INPUT, "name: too long");
    snprintf(out, 300, "%s%s%s", given, *given && *family ? " " : "", family);
    return BTZ_OK;
}

static bool is_true(const json_t *value)
{
    const char *text = json_string_value(value);

    return json_is_true(value) || (text && strcasecmp(text, "true") == 0);
}

/* The primary address, or the first. */
static enum btz_err email_of(const json_t *resource, const char **out)
{
    const json_t *emails = btz_scim_get(resource, "emails"), *best = NULL;

    *out = "";
    if (emails && !json_is_null(emails) && !json_is_array(emails))
        return btz_fail(BTZ_INPUT, "emails: expected a list");
    for (size_t i = 0; i < json_array_size(emails); i++) {
        const json_t *one = json_array_get(emails, i);

        if (!json_is_object(one))
            return btz_fail(BTZ_INPUT, "emails: expected objects");
        if (!best ||
            (is_true(btz_scim_get(one, "primary")) && !is_true(btz_scim_get(best, "primary"))))
            best = one;
    }
    return best ? text_of(best, "value", out) : BTZ_OK;
}

/* Entra ID writes "True" and "False". */
static enum btz_err active_of(const json_t *resource, bool *out)
{
    const json_t *value = btz_scim_get(resource, "active");
    const char *text = json_string_value(value);

    *out = !value || json_is_null(value) || is_true(value);
    if (!value || json_is_null(value) || json_is_boolean(value) || is_true(value) ||
        (text && strcasecmp(text, "false") == 0))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT, "active: expected true or false");
}

static enum btz_err set(json_t *out, const char *name, const char *text)
{
    return json_object_set_new(out, name, json_string(text)) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err differ(json_t *out, const char *name, bool is_new, const char *now,
                           const char *wanted)
{
    if (is_new ? !*wanted : strcmp(now, wanted) == 0)
        return BTZ_OK;
    return set(out, name, wanted);
}

/* Names of groups are of our kind: "Data Scientists" becomes "data-scientists". */
static enum btz_err group_name(const char *display, char out[128])
{
    size_t n = 0;

    for (const char *p = display; *p && n < 126; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (plain || (n && strchr("._@+-", c)))
            out[n++] = c;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = '\0';
    return n ? BTZ_OK : btz_fail(BTZ_INPUT, "displayName: no letter of a-z or digit in it");
}

static enum btz_err user_fields(const json_t *now, const json_t *wanted, json_t *out)
{
    const char *before = "", *after;
    char display_before[300] = "", display_after[300];
    bool active_before = true, active_after;

    BTZ_TRY(text_of(wanted, "userName", &after));
    if (!*after)
        return btz_fail(BTZ_INPUT, "userName: missing");
    if (now)
        BTZ_TRY(text_of(now, "userName", &before));
    /* Ours are in lower case. */
    if (!now || strcasecmp(before, after) != 0)
        BTZ_TRY(set(out, "name", after));
    if (now)
        BTZ_TRY(display_of(now, display_before));
    BTZ_TRY(display_of(wanted, display_after));
    BTZ_TRY(differ(out, "display_name", !now, display_before, display_after));
    before = "";
    if (now)
        BTZ_TRY(email_of(now, &before));
    BTZ_TRY(email_of(wanted, &after));
    BTZ_TRY(differ(out, "email", !now, before, after));
    if (now)
        BTZ_TRY(active_of(now, &active_before));
    BTZ_TRY(active_of(wanted, &active_after));
    return active_before == active_after ? BTZ_OK
                                         : set(out, "status", active_after ? "active" : "disabled");
}

static enum btz_err group_fields(const json_t *now, const json_t *wanted, json_t *out)
{
    const char *before = "", *after;
    char name[128];

    BTZ_TRY(text_of(wanted, "displayName", &after));
    if (!*after)
        return btz_fail(BTZ_INPUT, "displayName: missing");
    if (now)
        BTZ_TRY(text_of(now, "displayName", &before));
    if (now && strcmp(before, after) == 0)
        return BTZ_OK;
    BTZ_TRY(group_name(after, name));
    if (!now)
        BTZ_TRY(set(out, "name", name));
    return set(out, "display_name", after);
}

enum btz_err btz_scim_fields(enum btz_scim_type type, const json_t *now, const json_t *wanted,
                             json_t **out)
{
    BTZ_JSON json_t *fields = json_object();
    const char *before = "", *after;

    if (!fields)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (!json_is_object(wanted))
        return btz_fail(BTZ_INPUT, "expected an object");
    BTZ_TRY(type == BTZ_SCIM_USER ? user_fields(now, wanted, fields)
                                  : group_fields(now, wanted, fields));
    if (now)
        BTZ_TRY(text_of(now, "externalId", &before));
    BTZ_TRY(text_of(wanted, "externalId", &after));
    BTZ_TRY(differ(fields, "external_id", !now, before, after));
    *out = json_incref(fields);
    return BTZ_OK;
}

/* ---- attributes asked for ------------------------------------------------------------------------------------------- */

/* Is the attribute in a list such as "userName,name.formatted,urn:...:User:active"? */
static bool is_listed(const char *list, const char *name)
{
    struct btz_slice all = btz_str(list);
    size_t at = 0;

    while (at < all.len) {
        size_t end = btz_slice_find(all, btz_str(","), at), colon, dot;
        struct btz_slice one;

        if (end == SIZE_MAX)
            end = all.len;
        one = btz_slice_trim(btz_slice_sub(all, at, end - at));
        at = end + 1;
        if (one.len > 4 && strncasecmp((const char *)one.ptr, "urn:", 4) == 0)
            while ((colon = btz_slice_find(one, btz_str(":"), 0)) != SIZE_MAX)
                one = btz_slice_sub(one, colon + 1, one.len);
        dot = btz_slice_find(one, btz_str("."), 0);
        if (dot != SIZE_MAX)
            one.len = dot;
        if (one.len == strlen(name) && strncasecmp((const char *)one.ptr, name, one.len) == 0)
            return true;
    }
    return false;
}

void btz_scim_select(json_t *resource, const char *attributes, const char *excluded)
{
    void *next;
    const char *key;
    json_t *value;

    json_object_foreach_safe(resource, next, key, value)
    {
        /* Always returned: RFC 7643 section 3.1. */
        if (strcmp(key, "id") == 0 || strcmp(key, "schemas") == 0)
            continue;
        if (attributes ? !is_listed(attributes, key) : excluded && is_listed(excluded, key))
            json_object_del(resource, key);
    }
}
