/*
 * Entries as events of the Open Cybersecurity Schema Framework. Only classes, activities and attributes that the 1.x
 * schema has had since 1.0 are used, so that older and newer consumers read them:
 *   sign-in, sign-out, step-up           Authentication (3002): 1 Logon, 2 Logoff
 *   changes of people and services       Account Change (3001): 1 Create ... 11 MFA Factor Disable
 *   roles given and taken, elevations    User Access Management (3005): 1 Assign, 2 Revoke Privileges
 *   break-glass                          Authorize Session (3003): 1 Assign Privileges
 *   changes of other things, approvals   Entity Management (3004): 1 Create, 2 Read, 3 Update, 4 Delete
 *   decisions, refusals, exports, other  API Activity (6003): 1 Create, 2 Read, 3 Update, 4 Delete, 99 Other
 * An entry that lacks what its class requires (nobody's sign-in has a user "unknown") never goes without it.
 */
#include "access/export.h"

#define OTHER 99

struct kind {
    int class_uid, activity;
    const char *class_name, *activity_name;
};

static const char *text_of(const json_t *entry, const char *name)
{
    return json_string_value(json_object_get(entry, name));
}

static bool is(const json_t *entry, const char *name, const char *text)
{
    const char *found = text_of(entry, name);

    return found && strcmp(found, text) == 0;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- which class ---- */

static const struct {
    const char *operation; /* whole, or the end when it begins with "." */
    struct kind kind;
} account_changes[] = {
#define ACCOUNT(op, id, name)                                                                      \
    {                                                                                              \
        op,                                                                                        \
        {                                                                                          \
            3001, id, "Account Change", name                                                       \
        }                                                                                          \
    }
    ACCOUNT("user.create", 1, "Create"),
    ACCOUNT("service.create", 1, "Create"),
    ACCOUNT("user.delete", 6, "Delete"),
    ACCOUNT("service.delete", 6, "Delete"),
    ACCOUNT("user.reset-mfa", 11, "MFA Factor Disable"),
    ACCOUNT("me.password", 3, "Password Change"),
    ACCOUNT("enrol", 4, "Password Reset"),
    ACCOUNT("user.invite", 4, "Password Reset"),
    ACCOUNT("me.totp.confirm", 10, "MFA Factor Enable"),
    ACCOUNT("me.totp.remove", 11, "MFA Factor Disable"),
    ACCOUNT("me.passkeys.add", 10, "MFA Factor Enable"),
    ACCOUNT("me.passkeys.remove", 11, "MFA Factor Disable"),
#undef ACCOUNT
};

static bool status_becomes(const json_t *entry, const char *status)
{
    const char *before =
        json_string_value(json_object_get(json_object_get(entry, "before"), "status"));
    const char *after =
        json_string_value(json_object_get(json_object_get(entry, "after"), "status"));

    return after && strcmp(after, status) == 0 && (!before || strcmp(before, after) != 0);
}

/* What the verb of an operation does to a thing. */
static int crud(const char *operation, const char **name)
{
    static const struct {
        const char *verb;
        int id;
    } verbs[] = { { "create", 1 },  { "add", 1 },     { "new", 1 },     { "delete", 4 },
                  { "remove", 4 },  { "revoke", 4 },  { "list", 2 },    { "show", 2 },
                  { "read", 2 },    { "export", 2 },  { "get", 2 },     { "find", 2 },
                  { "check", 2 },   { "trace", 2 },   { "update", 3 },  { "write", 3 },
                  { "put", 3 },     { "rotate", 3 },  { "approve", 3 }, { "deny", 3 },
                  { "set", 3 },     { "retain", 4 },  { "end", 4 },     { "rename", 3 },
                  { "confirm", 3 }, { "fetch", 2 },   { "verify", 2 },  { "upload", 1 },
                  { "import", 1 },  { "release", 3 }, { "withdraw", 3 } };
    static const char *const names[] = { NULL, "Create", "Read", "Update", "Delete" };
    const char *dot = operation ? strrchr(operation, '.') : NULL;

    for (size_t i = 0; dot && i < BTZ_COUNT(verbs); i++)
        if (begins(dot + 1, verbs[i].verb)) {
            *name = names[verbs[i].id];
            return verbs[i].id;
        }
    *name = "Other";
    return OTHER;
}

static struct kind change_kind(const json_t *entry)
{
    const char *operation = text_of(entry, "operation");
    struct kind k = { 3004, 0, "Entity Management", NULL };

    if (!operation)
        operation = "";
    for (size_t i = 0; i < BTZ_COUNT(account_changes); i++)
        if (strcmp(account_changes[i].operation, operation) == 0)
            return account_changes[i].kind;
    if (begins(operation, "user.") || begins(operation, "service.")) {
        k = (struct kind){ 3001, OTHER, "Account Change", "Other" };
        if (status_becomes(entry, "disabled"))
            k = (struct kind){ 3001, 5, "Account Change", "Disable" };
        else if (status_becomes(entry, "active"))
            k = (struct kind){ 3001, 2, "Account Change", "Enable" };
        return k;
    }
    if (begins(operation, "binding."))
        return strcmp(operation, "binding.delete") == 0
                   ? (struct kind){ 3005, 2, "User Access Management", "Revoke Privileges" }
                   : (struct kind){ 3005, 1, "User Access Management", "Assign Privileges" };
    k.activity = crud(operation, &k.activity_name);
    return k;
}

static struct kind kind_of(const json_t *entry)
{
    struct kind k = { 6003, 0, "API Activity", NULL };

    if (is(entry, "event", "sign-in"))
        return (struct kind){ 3002, 1, "Authentication", "Logon" };
    if (is(entry, "event", "sign-out"))
        return (struct kind){ 3002, 2, "Authentication", "Logoff" };
    if (is(entry, "event", "step-up"))
        return (struct kind){ 3002, OTHER, "Authentication", "Other" };
    if (is(entry, "event", "break-glass"))
        return (struct kind){ 3003, 1, "Authorize Session", "Assign Privileges" };
    if (is(entry, "event", "elevation"))
        return (struct kind){ 3005, 1, "User Access Management", "Assign Privileges" };
    if (is(entry, "event", "change") || is(entry, "event", "approval"))
        return change_kind(entry);
    k.activity = crud(text_of(entry, "operation"), &k.activity_name);
    return k;
}

/* ---- parts ---- */

static enum btz_err set(json_t *object, const char *name, json_t *value)
{
    if (!value || json_object_set_new(object, name, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static enum btz_err copy(json_t *to, const char *as, const json_t *entry, const char *name)
{
    json_t *value = json_object_get(entry, name);

    return value ? set(to, as, json_incref(value)) : BTZ_OK;
}

/* Whoever acted. "Unknown" is the schema's way to say that an attribute it requires is not known. */
static json_t *actor_user(const json_t *entry)
{
    const char *id = text_of(entry, "principal"), *name = text_of(entry, "name");
    const char *key = text_of(entry, "key");
    bool service = id && begins(id, "svc_"), person = id && begins(id, "usr_");
    json_t *user = json_pack("{s:i}", "type_id", service ? 4 : person ? 1 : id ? OTHER : 0);

    if (!user || (id && set(user, "uid", json_string(id)) != BTZ_OK) ||
        (name && set(user, "name", json_string(name)) != BTZ_OK) ||
        (!id && !name && set(user, "name", json_string("Unknown")) != BTZ_OK) ||
        (key && set(user, "credential_uid", json_string(key)) != BTZ_OK)) {
        json_decref(user);
        return NULL;
    }
    return user;
}

/* Whom it was done to: the resource's id, or whoever acted on himself. */
static json_t *target_user(const json_t *entry)
{
    const char *resource = text_of(entry, "resource");
    const json_t *after = json_object_get(entry, "after"),
                 *before = json_object_get(entry, "before");
    const char *subject = json_string_value(json_object_get(after, "subject"));
    const char *name = json_string_value(json_object_get(after, "name"));

    if (!subject)
        subject = json_string_value(json_object_get(before, "subject"));
    if (subject)
        return json_pack("{s:s}", "uid", subject);
    if (!name)
        name = json_string_value(json_object_get(before, "name"));
    if (resource && (begins(resource, "user/") || begins(resource, "service/")))
        return json_pack("{s:s, s:s*}", "uid", strchr(resource, '/') + 1, "name", name);
    return actor_user(entry);
}

static json_t *endpoint(const json_t *entry)
{
    const char *address = text_of(entry, "address");

    /* Local callers have no address; the schema asks for one of ip, name, uid ... */
    return address ? json_pack("{s:s}", "ip", address) : json_pack("{s:s}", "name", "local");
}

static json_t *session(const json_t *entry)
{
    const char *id = text_of(entry, "session");

    return id ? json_pack("{s:s}", "uid", id) : NULL;
}

/* What was made has its id behind it only. */
static json_t *resource_entity(const json_t *entry)
{
    const char *id = json_string_value(json_object_get(json_object_get(entry, "after"), "id"));
    const char *resource = text_of(entry, "resource"), *operation = text_of(entry, "operation");
    const char *slash = resource ? strchr(resource, '/') : NULL;

    if (slash)
        return json_pack("{s:s, s:s%}", "uid", slash[1] == '*' && id ? id : resource, "type",
                         resource, (size_t)(slash - resource));
    if (resource)
        return json_pack("{s:s}", "uid", resource);
    return json_pack("{s:s}", "name", operation ? operation : "Unknown");
}

static enum btz_err set_actor(const json_t *entry, json_t *event)
{
    json_t *actor = json_object(), *ses = session(entry);

    BTZ_TRY(set(event, "actor", actor));
    if (ses)
        BTZ_TRY(set(actor, "session", ses));
    return set(actor, "user", actor_user(entry));
}

static enum btz_err set_privileges(const json_t *entry, json_t *event)
{
    const char *role = json_string_value(json_object_get(json_object_get(entry, "after"), "role"));

    if (!role)
        role = json_string_value(json_object_get(json_object_get(entry, "before"), "role"));
    if (!role)
        role = is(entry, "event", "break-glass") ? "admin" : text_of(entry, "action");
    return set(event, "privileges", json_pack("[s]", role ? role : "Unknown"));
}

static enum btz_err set_authentication(const json_t *entry, json_t *event)
{
    const char *method = text_of(entry, "method");
    json_t *ses = session(entry);

    BTZ_TRY(set(event, "user", actor_user(entry)));
    BTZ_TRY(set(event, "service", json_pack("{s:s}", "name", "bartizan")));
    BTZ_TRY(set(event, "src_endpoint", endpoint(entry)));
    BTZ_TRY(set(event, "is_remote", json_boolean(text_of(entry, "address") != NULL)));
    if (ses)
        BTZ_TRY(set(event, "session", ses));
    if (!method)
        return BTZ_OK;
    BTZ_TRY(
        set(event, "is_mfa", json_boolean(strchr(method, '+') || strcmp(method, "passkey") == 0)));
    BTZ_TRY(set(event, "auth_protocol_id", json_integer(OTHER)));
    return set(event, "auth_protocol", json_string(method));
}

static enum btz_err set_class_parts(const struct kind *k, const json_t *entry, json_t *event)
{
    BTZ_TRY(set_actor(entry, event));
    switch (k->class_uid) {
    case 3002:
        return set_authentication(entry, event);
    case 3001:
        BTZ_TRY(set(event, "src_endpoint", endpoint(entry)));
        return set(event, "user", target_user(entry));
    case 3003:
        BTZ_TRY(set(event, "user", actor_user(entry)));
        return set_privileges(entry, event);
    case 3005:
        BTZ_TRY(set(event, "user", target_user(entry)));
        return set_privileges(entry, event);
    case 3004:
        BTZ_TRY(copy(event, "comment", entry, "reason"));
        return set(event, "entity", resource_entity(entry));
    default:
        BTZ_TRY(set(event, "src_endpoint", endpoint(entry)));
        BTZ_TRY(set(event, "api",
                    json_pack("{s:s, s:{s:s}}", "operation",
                              text_of(entry, "operation") ? text_of(entry, "operation")
                              : text_of(entry, "action")  ? text_of(entry, "action")
                                                          : text_of(entry, "event"),
                              "service", "name", "bartizan")));
        return set(event, "resources", json_pack("[o]", resource_entity(entry)));
    }
}

/* 1 informational ... 5 critical. */
static int severity_of(const json_t *entry)
{
    if (is(entry, "event", "alarm") || is(entry, "event", "break-glass"))
        return 5;
    if (is(entry, "verdict", "error"))
        return 3;
    return is(entry, "verdict", "deny") ? 2 : 1;
}

static enum btz_err set_status(const json_t *entry, json_t *event)
{
    bool fine = is(entry, "verdict", "allow");

    BTZ_TRY(set(event, "status_id", json_integer(fine ? 1 : 2)));
    BTZ_TRY(set(event, "status", json_string(fine ? "Success" : "Failure")));
    return copy(event, "status_detail", entry, "reason");
}

/* What the schema has no place for is kept, as it is. */
static enum btz_err set_unmapped(const struct btz_trail_record *r,
                                 const struct btz_export_source *source, json_t *event)
{
    static const char *const names[] = { "event",      "verdict",    "action",  "resource",
                                         "rule",       "method",     "before",  "after",
                                         "key",        "request",    "content", "evidence",
                                         "user_agent", "approved_by" };
    json_t *rest = json_object();

    BTZ_TRY(set(event, "unmapped", rest));
    BTZ_TRY(set(rest, "ledger_index", json_integer((json_int_t)r->index)));
    if (source->origin && source->origin[0])
        BTZ_TRY(set(rest, "ledger", btz_json_text(btz_str(source->origin))));
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        BTZ_TRY(copy(rest, names[i], r->entry, names[i]));
    return BTZ_OK;
}

enum btz_err btz_ocsf_event(const struct btz_trail_record *r,
                            const struct btz_export_source *source, json_t **out)
{
    struct kind k = kind_of(r->entry);
    BTZ_JSON json_t *event = NULL;
    uint64_t ms;

    BTZ_TRY(btz_time_parse(btz_str(text_of(r->entry, "time")), &ms));
    event = json_pack(
        "{s:i, s:s, s:i, s:s, s:i, s:s, s:i, s:i, s:I, s:{s:s, s:s, s:{s:s, s:s, s:s}}}",
        "activity_id", k.activity, "activity_name", k.activity_name, "category_uid",
        k.class_uid / 1000, "category_name",
        k.class_uid / 1000 == 3 ? "Identity & Access Management" : "Application Activity",
        "class_uid", k.class_uid, "class_name", k.class_name, "type_uid",
        k.class_uid * 100 + k.activity, "severity_id", severity_of(r->entry), "time",
        (json_int_t)ms, "metadata", "version", BTZ_OCSF_VERSION, "uid", text_of(r->entry, "id"),
        "product", "name", "bartizan", "vendor_name", "bartizan", "version", BTZ_VERSION);
    if (!event)
        return btz_fail(BTZ_LIMIT, "out of memory for an event");
    BTZ_TRY(set_status(r->entry, event));
    BTZ_TRY(set_class_parts(&k, r->entry, event));
    BTZ_TRY(set_unmapped(r, source, event));
    *out = json_incref(event);
    return BTZ_OK;
}
