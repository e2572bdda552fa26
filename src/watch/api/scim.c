/* SCIM over HTTP: each request is one or a few operations of the caller. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "watch/api/scim.h"

#define LIST      "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define ERROR     "urn:ietf:params:scim:api:messages:2.0:Error"
#define MEDIA     "application/scim+json"
#define PAGE      500
#define LOOK_MOST 200000 /* objects that one list looks at */

struct scim {
    struct btz_api_exchange *x;
    enum btz_scim_type type;
    char base[400];
    const char *if_match;
    const char *why; /* scimType of an error */
    bool pending;    /* something waits for a second person */
};

static const char *const kinds[] = { "user", "group" };

/* ---- answers -------------------------------------------------------------------------------------------------------- */

static enum btz_err give(struct scim *s, unsigned status, const json_t *value)
{
    BTZ_TRY(btz_api_json(s->x->answer, status, value));
    s->x->answer->media_type = MEDIA;
    return BTZ_OK;
}

static enum btz_err fail(struct scim *s, unsigned status, const char *type, const char *detail)
{
    BTZ_JSON json_t *value =
        json_pack("{s:[s], s:o}", "schemas", ERROR, "status", json_sprintf("%u", status));

    if (value && type)
        json_object_set_new(value, "scimType", json_string(type));
    if (value && detail)
        json_object_set_new(value, "detail", btz_json_text(btz_str(detail)));
    return value ? give(s, status, value) : btz_fail(BTZ_LIMIT, "out of memory");
}

/* A problem of the layers below, in the form of RFC 7644 section 3.12. */
static enum btz_err reword(struct scim *s, const char *type)
{
    BTZ_JSON json_t *problem = NULL;
    struct btz_api_answer *a = s->x->answer;
    const char *detail = NULL;

    if (a->status < 400)
        return BTZ_OK;
    if (a->buf.len &&
        btz_json_parse(btz_buf_slice(&a->buf), a->buf.len, "problem", &problem) == BTZ_OK)
        detail = json_string_value(json_object_get(problem, "detail"));
    if (json_object_get(problem, "needs"))
        detail = "a fresh second factor is needed, or a key whose scopes name the action";
    return fail(s, a->status,
                a->status == 409   ? "uniqueness"
                : a->status == 400 ? type
                                   : NULL,
                detail);
}

static const struct btz_operation *find(const struct scim *s, const char *id)
{
    const struct btz_operation *const *all = s->x->api->o.operations;

    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->id, id) == 0)
            return all[i];
    return NULL;
}

/* Runs an operation. *out is NULL when there is an answer already. Takes `in`. */
static enum btz_err ask(struct scim *s, const char *verb, json_t *in, json_t **out)
{
    char id[64];
    const struct btz_operation *op;
    struct btz_call call;
    enum btz_err err;

    *out = NULL;
    snprintf(id, sizeof id, "%s.%s", kinds[s->type], verb);
    op = find(s, id);
    if (!op || !in) {
        json_decref(in);
        return btz_fail(BTZ_INTERNAL, "no operation %s", id);
    }
    err = btz_api_call(s->x, op, in, strcmp(op->method, "GET") == 0 ? NULL : s->if_match, &call);
    if (err == BTZ_OK) {
        s->pending = s->pending || call.approval[0];
        *out = call.out ? json_incref(call.out) : json_object();
        /* It has changed by our own hand now. */
        if (strcmp(op->method, "GET") != 0)
            s->if_match = NULL;
    } else {
        err = btz_api_answer_error(s->x, &call, err);
        if (err == BTZ_OK)
            err = reword(s, "invalidValue");
    }
    btz_api_call_end(s->x, &call);
    json_decref(in);
    return err;
}

static enum btz_err get_resource(struct scim *s, const char *id, json_t **out)
{
    BTZ_JSON json_t *object = NULL;

    *out = NULL;
    if (!btz_is_id(id, s->type == BTZ_SCIM_USER ? "usr_" : "grp_"))
        return fail(s, 404, NULL, "no such resource");
    BTZ_TRY(ask(s, "get", json_pack("{s:s}", kinds[s->type], id), &object));
    if (!object)
        return BTZ_OK;
    *out = btz_scim_resource(s->type, object, s->base);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static const char *query(const struct scim *s, const char *name)
{
    for (size_t i = 0; i < s->x->target.query_count; i++)
        if (strcasecmp(s->x->target.query[i].name, name) == 0)
            return s->x->target.query[i].value;
    return NULL;
}

static enum btz_err give_resource(struct scim *s, unsigned status, json_t *resource)
{
    const json_t *meta = json_object_get(resource, "meta");
    const char *version = json_string_value(json_object_get(meta, "version"));
    const char *location = json_string_value(json_object_get(meta, "location"));
    bool reading =
        strcmp(s->x->request->method, "GET") == 0 || strcmp(s->x->request->method, "HEAD") == 0;

    if (version)
        BTZ_TRY(btz_api_add_header(s->x->answer, s->x->arena, "ETag", version));
    if (status == 201 && location)
        BTZ_TRY(btz_api_add_header(s->x->answer, s->x->arena, "Location", location));
    /* Lists of entity tags are compared without their W/. */
    if (reading && version &&
        btz_api_etag_listed(btz_api_header(s->x->request, "If-None-Match", NULL), version + 2)) {
        s->x->answer->status = 304;
        s->x->answer->no_body = true;
        return BTZ_OK;
    }
    btz_scim_select(resource, query(s, "attributes"), query(s, "excludedAttributes"));
    return give(s, status, resource);
}

/* ---- lists ---------------------------------------------------------------------------------------------------------- */

struct listing {
    const struct btz_scim_filter *filter;
    uint64_t start, count, total;
    bool members_first, members_last; /* fetched before the filter, or for what is shown */
    json_t *items;
};

static enum btz_err take_number(struct scim *s, const char *name, uint64_t fallback, uint64_t *out)
{
    const char *text = query(s, name);

    *out = fallback;
    if (!text)
        return BTZ_OK;
    if (*text == '-') {
        *out = 0;
        return BTZ_OK;
    }
    return btz_parse_u64(btz_str(text), out) == BTZ_OK ? BTZ_OK
                                                       : fail(s, 400, "invalidValue", name);
}

static bool mentions(const struct btz_scim_filter *f, const char *attribute)
{
    return f && ((f->attribute && strcasecmp(f->attribute, attribute) == 0) ||
                 mentions(f->a, attribute) || mentions(f->b, attribute));
}

static enum btz_err with_members(struct scim *s, json_t **item)
{
    const char *id = json_string_value(json_object_get(*item, "id"));
    json_t *whole;

    BTZ_TRY(get_resource(s, id ? id : "", &whole));
    if (whole) {
        json_decref(*item);
        *item = whole;
    }
    return BTZ_OK;
}

/* One object of ours. Takes `item`. */
static enum btz_err consider(struct scim *s, struct listing *l, json_t *item)
{
    enum btz_err err = item ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
    bool shown;

    if (err == BTZ_OK && l->members_first)
        err = with_members(s, &item);
    if (err != BTZ_OK || s->x->answer->status || (l->filter && !btz_scim_match(l->filter, item))) {
        json_decref(item);
        return err;
    }
    l->total++;
    shown = l->total >= l->start && json_array_size(l->items) < l->count;
    if (shown && l->members_last)
        err = with_members(s, &item);
    if (shown && err == BTZ_OK && !s->x->answer->status) {
        btz_scim_select(item, query(s, "attributes"), query(s, "excludedAttributes"));
        if (json_array_append(l->items, item) != 0)
            err = btz_fail(BTZ_LIMIT, "out of memory");
    }
    json_decref(item);
    return err;
}

/* What no name can be is left to the filter, which finds nothing. */
static bool may_be_name(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._@+-");

    return n > 0 && n <= 127 && text[n] == '\0' && isalnum((unsigned char)text[0]);
}

/* userName eq "x" and externalId eq "x" are questions that the store answers at once. */
static json_t *narrow(const struct scim *s, const struct btz_scim_filter *f)
{
    json_t *in = json_pack("{s:i}", "limit", PAGE);
    char name[256];

    if (!f || f->test != BTZ_SCIM_EQ || f->kind != BTZ_SCIM_TEXT || f->sub ||
        strlen(f->text) >= sizeof name)
        return in;
    if (strcasecmp(f->attribute, "externalId") == 0)
        json_object_set_new(in, "external_id", json_string(f->text));
    if (s->type == BTZ_SCIM_USER && strcasecmp(f->attribute, "userName") == 0) {
        for (size_t i = 0; i <= strlen(f->text); i++)
            name[i] = (char)tolower((unsigned char)f->text[i]);
        if (may_be_name(name))
            json_object_set_new(in, "name", json_string(name));
    }
    return in;
}

static enum btz_err look_through(struct scim *s, struct listing *l)
{
    size_t looked = 0;
    char cursor[256] = "";

    do {
        json_t *in = narrow(s, l->filter), *items;
        BTZ_JSON json_t *page = NULL;
        const char *next;

        if (in && *cursor)
            json_object_set_new(in, "cursor", json_string(cursor));
        BTZ_TRY(ask(s, "list", in, &page));
        if (!page)
            return BTZ_OK;
        items = json_object_get(page, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            BTZ_TRY(consider(s, l, btz_scim_resource(s->type, json_array_get(items, i), s->base)));
            if (s->x->answer->status)
                return BTZ_OK;
        }
        looked += json_array_size(items);
        next = json_string_value(json_object_get(page, "next"));
        snprintf(cursor, sizeof cursor, "%s", next ? next : "");
    } while (*cursor && looked < LOOK_MOST);
    return *cursor ? fail(s, 400, "tooMany", "too many to look through; narrow the filter")
                   : BTZ_OK;
}

static enum btz_err list(struct scim *s)
{
    const char *filter = query(s, "filter"), *attributes = query(s, "attributes"),
               *excluded = query(s, "excludedAttributes");
    BTZ_JSON json_t *items = json_array(), *value = NULL;
    struct listing l = { .items = items };
    bool members;

    if (filter) {
        enum btz_err err = btz_scim_filter_parse(btz_str(filter), s->x->arena, &l.filter);

        if (err == BTZ_INPUT || err == BTZ_LIMIT)
            return fail(s, 400, "invalidFilter", btz_error_detail());
        BTZ_TRY(err);
    }
    BTZ_TRY(take_number(s, "startIndex", 1, &l.start));
    if (!s->x->answer->status)
        BTZ_TRY(take_number(s, "count", 100, &l.count));
    if (s->x->answer->status)
        return BTZ_OK;
    l.count = l.count > BTZ_SCIM_PAGE ? BTZ_SCIM_PAGE : l.count;
    l.start = l.start ? l.start : 1;
    members = attributes ? strcasestr(attributes, "members") != NULL
                         : !excluded || !strcasestr(excluded, "members");
    l.members_first = s->type == BTZ_SCIM_GROUP && mentions(l.filter, "members");
    l.members_last = s->type == BTZ_SCIM_GROUP && members && !l.members_first;
    BTZ_TRY(look_through(s, &l));
    if (s->x->answer->status)
        return BTZ_OK;
    value = json_pack("{s:[s], s:I, s:I, s:I, s:O}", "schemas", LIST, "totalResults",
                      (json_int_t)l.total, "startIndex", (json_int_t)l.start, "itemsPerPage",
                      (json_int_t)json_array_size(items), "Resources", items);
    return value ? give(s, 200, value) : btz_fail(BTZ_LIMIT, "out of memory");
}

/* ---- changes -------------------------------------------------------------------------------------------------------- */

static enum btz_err take_body(struct scim *s, json_t **out)
{
    enum btz_err err;

    *out = NULL;
    if (!btz_api_is_json(s->x->request, true))
        return fail(s, 415, NULL, "expected application/scim+json");
    err = btz_json_parse(s->x->request->body, BTZ_API_BODY_MAX, "body", out);
    if (err == BTZ_INPUT)
        return fail(s, 400, "invalidSyntax", btz_error_detail());
    BTZ_TRY(err);
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return fail(s, 400, "invalidSyntax", "expected an object");
    }
    return BTZ_OK;
}

static enum btz_err take_fields(struct scim *s, const json_t *now, const json_t *wanted,
                                json_t **out)
{
    enum btz_err err = btz_scim_fields(s->type, now, wanted, out);

    if (err == BTZ_INPUT)
        return fail(s, 400, "invalidValue", btz_error_detail());
    return err;
}

/* Ids of members as keys of an object. */
static enum btz_err member_ids(struct scim *s, const json_t *resource, json_t *out)
{
    const json_t *members = btz_scim_get(resource, "members");

    if (members && !json_is_null(members) && !json_is_array(members))
        return fail(s, 400, "invalidValue", "members: expected a list");
    if (json_array_size(members) > BTZ_SCIM_VALUES)
        return fail(s, 413, NULL, "members: too many at a time");
    for (size_t i = 0; i < json_array_size(members); i++) {
        const char *id = json_string_value(btz_scim_get(json_array_get(members, i), "value"));

        if (!id || (!btz_is_id(id, "usr_") && !btz_is_id(id, "svc_")))
            return fail(s, 400, "invalidValue", "members: expected ids of users as values");
        if (json_object_set_new(out, id, json_true()) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

static enum btz_err change_members(struct scim *s, const char *group, json_t *from, json_t *to,
                                   const char *verb)
{
    const char *id;
    json_t *value;

    json_object_foreach(to, id, value)
    {
        BTZ_JSON json_t *done = NULL;

        if (json_object_get(from, id))
            continue;
        BTZ_TRY(ask(s, verb, json_pack("{s:s, s:s}", "group", group, "principal", id), &done));
        if (!done)
            return BTZ_OK;
    }
    return BTZ_OK;
}

static enum btz_err set_members(struct scim *s, const char *group, const json_t *now,
                                const json_t *wanted)
{
    BTZ_JSON json_t *before = json_object(), *after = json_object();

    if (!before || !after)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (now)
        BTZ_TRY(member_ids(s, now, before));
    if (!s->x->answer->status)
        BTZ_TRY(member_ids(s, wanted, after));
    if (!s->x->answer->status)
        BTZ_TRY(change_members(s, group, before, after, "member.add"));
    if (!s->x->answer->status)
        BTZ_TRY(change_members(s, group, after, before, "member.remove"));
    return BTZ_OK;
}

static enum btz_err finish(struct scim *s, const char *id, unsigned status)
{
    BTZ_JSON json_t *resource = NULL;

    if (s->x->answer->status)
        return BTZ_OK;
    if (s->pending) {
        s->x->answer->status = 202;
        s->x->answer->no_body = true;
        return BTZ_OK;
    }
    BTZ_TRY(get_resource(s, id, &resource));
    return resource ? give_resource(s, status, resource) : BTZ_OK;
}

static enum btz_err update(struct scim *s, const char *id, json_t *fields)
{
    BTZ_JSON json_t *done = NULL, *in = json_copy(fields);

    if (!in || json_object_set_new(in, kinds[s->type], json_string(id)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return ask(s, "update", json_incref(in), &done);
}

static enum btz_err create(struct scim *s)
{
    BTZ_JSON json_t *body = NULL, *fields = NULL, *made = NULL, *later = NULL;
    BTZ_JSON json_t *members = json_object();
    const char *id;

    BTZ_TRY(take_body(s, &body));
    if (body)
        BTZ_TRY(take_fields(s, NULL, body, &fields));
    /* All that can be wrong is found before anything is made. */
    if (fields && s->type == BTZ_SCIM_GROUP)
        BTZ_TRY(member_ids(s, body, members));
    if (s->x->answer->status || !fields)
        return BTZ_OK;
    if (json_object_get(fields, "status")) {
        later = json_pack("{s:O}", "status", json_object_get(fields, "status"));
        json_object_del(fields, "status");
    }
    BTZ_TRY(ask(s, "create", json_incref(fields), &made));
    if (!made || s->pending)
        return made ? finish(s, "", 202) : BTZ_OK;
    id = json_string_value(json_object_get(made, "id"));
    if (!id)
        return btz_fail(BTZ_INTERNAL, "a new object without an id");
    if (later)
        BTZ_TRY(update(s, id, later));
    if (s->type == BTZ_SCIM_GROUP && !s->x->answer->status)
        BTZ_TRY(set_members(s, id, NULL, body));
    return finish(s, id, 201);
}

/* Makes what is into what is wanted. */
static enum btz_err become(struct scim *s, const char *id, const json_t *now, const json_t *wanted)
{
    BTZ_JSON json_t *fields = NULL, *members = json_object();

    BTZ_TRY(take_fields(s, now, wanted, &fields));
    if (fields && s->type == BTZ_SCIM_GROUP)
        BTZ_TRY(member_ids(s, wanted, members));
    if (s->x->answer->status || !fields)
        return BTZ_OK;
    if (json_object_size(fields) > 0)
        BTZ_TRY(update(s, id, fields));
    if (s->type == BTZ_SCIM_GROUP && !s->x->answer->status)
        BTZ_TRY(set_members(s, id, now, wanted));
    return finish(s, id, 200);
}

static enum btz_err replace(struct scim *s, const char *id)
{
    BTZ_JSON json_t *body = NULL, *now = NULL;

    BTZ_TRY(take_body(s, &body));
    if (body)
        BTZ_TRY(get_resource(s, id, &now));
    return now ? become(s, id, now, body) : BTZ_OK;
}

static enum btz_err patch(struct scim *s, const char *id)
{
    BTZ_JSON json_t *body = NULL, *now = NULL, *wanted = NULL;
    enum btz_err err;

    BTZ_TRY(take_body(s, &body));
    if (body)
        BTZ_TRY(get_resource(s, id, &now));
    if (!now)
        return BTZ_OK;
    wanted = json_deep_copy(now);
    if (!wanted)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = btz_scim_patch(wanted, btz_scim_get(body, "Operations"), s->x->arena, &s->why);
    if (err == BTZ_INPUT)
        return fail(s, 400, s->why, btz_error_detail());
    if (err == BTZ_LIMIT)
        return fail(s, 413, NULL, btz_error_detail());
    BTZ_TRY(err);
    return become(s, id, now, wanted);
}

static enum btz_err delete (struct scim *s, const char *id) {
    BTZ_JSON json_t *now = NULL, *done = NULL;

    BTZ_TRY(get_resource(s, id, &now)); if (!now) return BTZ_OK;
    BTZ_TRY(ask(s, "delete", json_pack("{s:s}", kinds[s->type], id), &done));
    if (done){ s->x->answer->status = s->pending ? 202 : 204; s->x->answer->no_body = true; }
return BTZ_OK;
}

/* ---- the way -------------------------------------------------------------------------------------------------------- */

static enum btz_err no_method(struct scim *s, const char *allow)
{
    BTZ_TRY(btz_api_add_header(s->x->answer, s->x->arena, "Allow", allow));
    return fail(s, 405, NULL, NULL);
}

/* W/"3" or "3" of If-Match; our versions are numbers. May answer. */
static enum btz_err take_if_match(struct scim *s)
{
    const char *header = btz_api_header(s->x->request, "If-Match", NULL);

    if (!header || strcmp(header, "*") == 0)
        return BTZ_OK;
    if (strchr(header, ','))
        return fail(s, 400, "invalidValue", "If-Match: expected one entity tag");
    s->if_match = header;
    return BTZ_OK;
}

static enum btz_err answer_resource(struct scim *s, const char *id)
{
    const char *method = s->x->request->method;
    bool reading = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    BTZ_TRY(take_if_match(s));
    if (s->x->answer->status)
        return BTZ_OK;
    if (!id && reading)
        return list(s);
    if (!id)
        return strcmp(method, "POST") == 0 ? create(s) : no_method(s, "GET, HEAD, POST");
    if (reading) {
        BTZ_JSON json_t *resource = NULL;

        BTZ_TRY(get_resource(s, id, &resource));
        return resource ? give_resource(s, 200, resource) : BTZ_OK;
    }
    if (strcmp(method, "PUT") == 0)
        return replace(s, id);
    if (strcmp(method, "PATCH") == 0)
        return patch(s, id);
    return strcmp(method, "DELETE") == 0 ? delete (s, id)
                                         : no_method(s, "GET, HEAD, PUT, PATCH, DELETE");
}

static enum btz_err answer_discovery(struct scim *s, const char *name, const char *id)
{
    BTZ_JSON json_t *value = btz_scim_discovery(name, id, s->base);

    if (!value)
        return fail(s, 404, NULL, "no such resource");
    if (strcmp(s->x->request->method, "GET") != 0 && strcmp(s->x->request->method, "HEAD") != 0)
        return no_method(s, "GET, HEAD");
    return give(s, 200, value);
}

static enum btz_err answer(struct scim *s)
{
    const struct btz_api_target *t = &s->x->target;
    const char *name = t->segment_count >= 3 ? t->segments[2] : "";
    const char *id = t->segment_count == 4 ? t->segments[3] : NULL;

    if (t->segment_count < 3 || t->segment_count > 4 || strcmp(t->segments[1], "v2") != 0)
        return fail(s, 404, NULL, "no such resource");
    BTZ_TRY(btz_api_identify(s->x, false));
    if (s->x->answer->status)
        return reword(s, NULL);
    if (s->x->caller.kind == BTZ_CALLER_NOBODY) {
        BTZ_TRY(btz_api_note_refusal(s->x, "sign in first"));
        BTZ_TRY(btz_api_add_header(s->x->answer, s->x->arena, "WWW-Authenticate",
                                   "Bearer realm=\"bartizan\""));
        return fail(s, 401, NULL, NULL);
    }
    if (strcmp(name, "Users") == 0 || strcmp(name, "Groups") == 0) {
        s->type = *name == 'U' ? BTZ_SCIM_USER : BTZ_SCIM_GROUP;
        return answer_resource(s, id);
    }
    return answer_discovery(s, name, id);
}

enum btz_err btz_scim_answer(struct btz_api_exchange *x)
{
    struct scim s = { .x = x };

    snprintf(s.base, sizeof s.base, "%.300s/scim/v2", x->api->origin);
    return answer(&s);
}
