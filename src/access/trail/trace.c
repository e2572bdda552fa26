/*
 * Everything a person, a key or a resource touched, in order. Two readings of the trail. The first remembers who made
 * what, and so finds the chain above: who made the key, who made him. The second goes forward with a growing set: what
 * was made by somebody in the set is in it from then on, with what it did, and the sign-ins of sessions that made the
 * chain are told too. What is in no set leaves no line.
 */
#include <stdlib.h>

#include "access/access.h"
#include "access/export.h"

#define LIMIT_DEFAULT 500
#define LIMIT_MOST    5000
#define CHAIN_MOST    16    /* makers of makers */
#define MADE_MOST     10000 /* things in the set */

struct trace {
    struct btz_call *c;
    json_t *makers;   /* resource made -> {"principal","session","key","index"} */
    json_t *subjects; /* id, name or resource -> {"how","distance"} */
    json_t *sessions; /* session -> what was made in it */
    json_t *made_by, *made, *items;
    uint64_t from_index, last;
    size_t limit;
    bool more;
};

static const char *text_of(const json_t *entry, const char *name)
{
    return json_string_value(json_object_get(entry, name));
}

static enum btz_err no_memory(void)
{
    return btz_fail(BTZ_LIMIT, "out of memory for the trace");
}

/* "key/key_..." and "key_..." are the same thing. */
static const char *id_of(const char *resource)
{
    const char *slash = strchr(resource, '/');

    return slash ? slash + 1 : resource;
}

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text), n = strlen(with);

    return len >= n && strcmp(text + len - n, with) == 0;
}

/* Id of what the entry says was made: `id` of what is there after it, or its resource when that is deleted. */
static const char *made_what(const json_t *entry)
{
    const char *operation = text_of(entry, "operation"), *verdict = text_of(entry, "verdict");
    const char *resource = text_of(entry, "resource");
    const char *id = text_of(json_object_get(entry, "after"), "id");

    if (!operation || !verdict || strcmp(verdict, "allow") != 0 ||
        !(ends(operation, ".create") || ends(operation, ".rotate") ||
          strcmp(operation, "access.init") == 0))
        return NULL;
    if (id || !resource || ends(operation, ".rotate"))
        return id;
    return id_of(resource);
}

/* What was replaced by it: a rotated key lives on in the next one. */
static const char *made_from(const json_t *entry)
{
    const char *operation = text_of(entry, "operation");

    return operation && ends(operation, ".rotate") ? text_of(json_object_get(entry, "before"), "id")
                                                   : NULL;
}

/* ---- first reading: who made what ---- */

static enum btz_err note_maker(void *user, const struct btz_trail_record *r)
{
    struct trace *t = user;
    const char *what = made_what(r->entry);
    json_t *maker;

    if (!what || json_object_get(t->makers, what) || json_object_size(t->makers) >= 1000000)
        return BTZ_OK;
    maker = json_pack("{s:s*, s:s*, s:s*, s:s*, s:I}", "from", made_from(r->entry), "principal",
                      text_of(r->entry, "principal"), "session", text_of(r->entry, "session"),
                      "key", text_of(r->entry, "key"), "index", (json_int_t)r->index);
    if (!maker || json_object_set_new(t->makers, what, maker) != 0)
        return no_memory();
    return BTZ_OK;
}

/* ---- the sets ---- */

static enum btz_err add_subject(struct trace *t, const char *id, const char *how, int distance)
{
    if (!id || !id[0] || json_object_get(t->subjects, id))
        return BTZ_OK;
    if (json_object_size(t->subjects) >= MADE_MOST)
        return btz_fail(BTZ_LIMIT, "more than %d things were made by those traced", MADE_MOST);
    if (json_object_set_new(t->subjects, id,
                            json_pack("{s:s, s:i}", "how", how, "distance", distance)) != 0)
        return no_memory();
    return BTZ_OK;
}

static enum btz_err climb_one(struct trace *t, const json_t *maker, const char *of)
{
    const char *principal = text_of(maker, "principal"), *session = text_of(maker, "session");

    if (principal && json_array_append_new(t->made_by, json_string(principal)) != 0)
        return no_memory();
    if (session && json_object_set_new(t->sessions, session, json_string(of)) != 0)
        return no_memory();
    return BTZ_OK;
}

/* From the thing to its maker, to the maker of that, and so on; a key's maker may itself have used a key. */
static enum btz_err climb(struct trace *t, const char *start)
{
    const char *at = start;

    for (int depth = 0; depth < CHAIN_MOST; depth++) {
        const json_t *maker = json_object_get(t->makers, at);
        const char *next = text_of(maker, "from");

        if (!maker)
            return BTZ_OK;
        BTZ_TRY(climb_one(t, maker, at));
        if (!next)
            next = text_of(maker, "key");
        if (!next)
            next = text_of(maker, "principal");
        if (!next || strcmp(next, at) == 0)
            return BTZ_OK;
        /* The line that made it is shown; what the maker did otherwise is not of this trace. */
        if (json_object_set_new(t->sessions, next, json_string(at)) != 0)
            return no_memory();
        at = next;
    }
    return BTZ_OK;
}

/* ---- second reading ---- */

struct link {
    const char *how, *through;
    int distance;
};

static bool find(const struct trace *t, const char *id, const char *how, struct link *out)
{
    const json_t *subject = id ? json_object_get(t->subjects, id) : NULL;
    int distance;

    if (!subject)
        return false;
    distance = (int)json_integer_value(json_object_get(subject, "distance"));
    if (out->how && out->distance <= distance)
        return true;
    out->how = how;
    out->through = id;
    out->distance = distance;
    return true;
}

static bool mentions(const struct trace *t, const json_t *object, struct link *out)
{
    static const char *const members[] = {
        "principal", "subject", "id", "member", "user", "service"
    };
    bool found = false;

    for (size_t i = 0; i < BTZ_COUNT(members); i++)
        found |= find(t, json_string_value(json_object_get(object, members[i])), "done to it", out);
    return found;
}

/* A step of the chain: the line in which something of it was made, or the sign-in of a session that did. */
static bool is_chain(const struct trace *t, const json_t *entry, struct link *out)
{
    const char *session = text_of(entry, "session"), *event = text_of(entry, "event");
    const char *what = made_what(entry);

    if (what && json_object_get(t->sessions, what)) {
        *out = (struct link){ "made its maker", what, 1 };
        return true;
    }
    if (session && event && (strcmp(event, "sign-in") == 0 || strcmp(event, "step-up") == 0) &&
        json_object_get(t->sessions, session)) {
        *out = (struct link){ "signed in to make it",
                              json_string_value(json_object_get(t->sessions, session)), 1 };
        return true;
    }
    return false;
}

static bool touches(const struct trace *t, const json_t *entry, struct link *out)
{
    const char *resource = text_of(entry, "resource");

    *out = (struct link){ NULL, NULL, 0 };
    find(t, text_of(entry, "principal"), "did", out);
    find(t, text_of(entry, "name"), "did", out);
    find(t, text_of(entry, "key"), "did with the key", out);
    find(t, text_of(entry, "session"), "did in the session", out);
    find(t, text_of(entry, "approved_by"), "approved", out);
    find(t, made_what(entry), "made it", out);
    if (resource) {
        find(t, resource, "done to it", out);
        find(t, id_of(resource), "done to it", out);
    }
    mentions(t, json_object_get(entry, "before"), out);
    mentions(t, json_object_get(entry, "after"), out);
    return out->how || is_chain(t, entry, out);
}

static enum btz_err show(struct trace *t, const struct btz_trail_record *r, const struct link *l)
{
    json_t *item;

    if (r->index < t->from_index)
        return BTZ_OK;
    if (json_array_size(t->items) >= t->limit) {
        t->more = true;
        return BTZ_OK;
    }
    item = btz_export_object(r);
    if (!item || json_object_set_new(item, "how", json_string(l->how)) != 0 ||
        json_object_set_new(item, "through", json_string(l->through)) != 0 ||
        json_object_set_new(item, "distance", json_integer(l->distance)) != 0 ||
        json_array_append_new(t->items, item) != 0)
        return no_memory();
    t->last = r->index;
    return BTZ_OK;
}

static enum btz_err follow(void *user, const struct btz_trail_record *r)
{
    struct trace *t = user;
    const char *what = made_what(r->entry);
    struct link l, by = { 0 };

    if (!touches(t, r->entry, &l))
        return BTZ_OK;
    /* What somebody of the set made is in the set from here on. */
    if (what &&
        (find(t, text_of(r->entry, "principal"), "did", &by) ||
         find(t, text_of(r->entry, "key"), "did", &by) ||
         find(t, made_from(r->entry), "did", &by)) &&
        !json_object_get(t->subjects, what)) {
        BTZ_TRY(add_subject(t, what, "made", by.distance + 1));
        if (json_array_append_new(t->made, json_string(what)) != 0)
            return no_memory();
    }
    return show(t, r, &l);
}

/* ---- the operation ---- */

/* A principal is known by id and name, also one that is deleted: then the trail says which id had the name. */
static enum btz_err name_start(struct trace *t, const char **start)
{
    const char *key = btz_call_text(t->c, "key"), *resource = btz_call_text(t->c, "resource");
    const char *principal = btz_call_text(t->c, "principal"), *what = btz_call_text(t->c, "what");
    struct btz_principal p;
    int given = (key != NULL) + (resource != NULL) + (principal != NULL) + (what != NULL);

    if (given != 1)
        return btz_fail(BTZ_USAGE, "expected one of `what`, `principal`, `key` and `resource`");
    if (what && btz_is_id(what, "key_"))
        key = what;
    else if (what && strchr(what, '/'))
        resource = what;
    else if (what)
        principal = what;
    *start = key ? key : resource ? id_of(resource) : principal;
    BTZ_TRY(add_subject(t, key ? key : resource ? resource : principal, "start", 0));
    /* Things with an id are also known by it alone; names, such as those of models, are not. */
    if (resource && strlen(id_of(resource)) == 30 && id_of(resource)[3] == '_')
        return add_subject(t, id_of(resource), "start", 0);
    if (!principal)
        return BTZ_OK;
    if (btz_principal_find(t->c, principal, &p) == BTZ_OK) {
        *start = p.id;
        BTZ_TRY(add_subject(t, p.id, "start", 0));
        BTZ_TRY(add_subject(t, p.name, "start", 0));
    }
    return BTZ_OK;
}

static enum btz_err read_twice(struct trace *t)
{
    struct btz_trail *trail = btz_access_trail(t->c->access);
    struct btz_trail_filter all = { .verdict = "allow" };
    const char *start = NULL, *cursor = btz_call_text(t->c, "cursor");

    if (cursor && btz_parse_u64(btz_str(cursor), &t->from_index) != BTZ_OK)
        return btz_fail(BTZ_USAGE, "`cursor`: not one that a page gave");
    BTZ_TRY(name_start(t, &start));
    BTZ_TRY(btz_trail_read(trail, t->c->store, &all, note_maker, t, NULL));
    BTZ_TRY(climb(t, start));
    all.verdict = NULL;
    all.from_ms = btz_call_ms(t->c, "from", 0);
    all.until_ms = btz_call_ms(t->c, "until", 0);
    BTZ_TRY(btz_trail_read(trail, t->c->store, &all, follow, t, NULL));
    t->c->out = json_pack("{s:O, s:o, s:O, s:O}", "items", t->items, "next",
                          t->more ? json_sprintf("%" PRIu64, t->last + 1) : json_null(), "made_by",
                          t->made_by, "made", t->made);
    return t->c->out ? BTZ_OK : no_memory();
}

static enum btz_err trace(struct btz_call *c)
{
    struct trace t = { .c = c,
                       .makers = json_object(),
                       .subjects = json_object(),
                       .sessions = json_object(),
                       .made_by = json_array(),
                       .made = json_array(),
                       .items = json_array(),
                       .limit = (size_t)btz_call_int(c, "limit", LIMIT_DEFAULT) };
    enum btz_err err = no_memory();

    if (t.makers && t.subjects && t.sessions && t.made_by && t.made && t.items)
        err = read_twice(&t);
    json_decref(t.makers);
    json_decref(t.subjects);
    json_decref(t.sessions);
    json_decref(t.made_by);
    json_decref(t.made);
    json_decref(t.items);
    return err;
}

#define QUERY(field, what)                                                                         \
    {                                                                                              \
        .name = field, .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY, .help = what                 \
    }
static const struct btz_field fields[] = {
    { .name = "what",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .operand = true,
      .help = "A person or service (id or name), the id of a key, or a resource: told apart by "
              "their form." },
    QUERY("principal", "A person or service: id or name."),
    QUERY("key", "Id of an API key."),
    QUERY("resource", "A resource, such as model/gpt-4o or user/usr_..."),
    { .name = "from",
      .kind = BTZ_FIELD_TIME,
      .place = BTZ_IN_QUERY,
      .help = "Entries of that time and later." },
    { .name = "until",
      .kind = BTZ_FIELD_TIME,
      .place = BTZ_IN_QUERY,
      .help = "Entries before that time." },
    { .name = "limit",
      .kind = BTZ_FIELD_INT,
      .place = BTZ_IN_QUERY,
      .min_int = 1,
      .max_int = LIMIT_MOST,
      .help = "How many at most; 500 when not given." },
    QUERY("cursor", "`next` of the page before."),
};

const struct btz_operation btz_operation_audit_trace = {
    .id = "audit.trace",
    .method = "GET",
    .path = "/v1/audit/trace",
    .command = "trace",
    .summary = "Order everything that a person, a key or a resource touched.",
    .details = "Oldest first: what it did, what was done to it, who made it and in which session "
               "(`made_by`, from the nearest maker upwards), and what the things it made did "
               "(`distance` counts the steps). Exactly one of what, principal, key and resource."
               "\n\nExamples:\n"
               "  bartizan access trace alice\n"
               "  bartizan access trace key_01M8HAEYN4NJJ3T5EKHAJV3S6S\n"
               "  bartizan access trace model/gpt-4o",
    .tag = "audit",
    .action = "audit.read",
    .resource = "audit/trail",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "audit-trace",
    .columns = "time how distance event verdict name operation resource reason",
    .run = trace,
};
