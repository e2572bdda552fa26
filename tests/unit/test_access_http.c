/*
 * The whole table over HTTP, with a real installation behind it: the OpenAPI document has the form of OpenAPI 3.1 and
 * tells the truth, and every route lets in exactly whom the roles say, as a plain reading of the policy has it.
 * BTZ_UPDATE_DOCS=1 writes docs/openapi.json and docs/access-routes.md anew.
 */
#include "access_fixture.h"
#include "api_fixture.h"

#include <ctype.h>
#include <signal.h>

#define ROLES   8
#define PROBLEM "application/problem+json"
#define DOC_MAX ((size_t)8 << 20)
#define CSRF    "X-Bartizan-CSRF: 1\r\nOrigin: https://test.example\r\n"

static const char *const role_names[ROLES] = { "viewer",       "user",       "ml-engineer",
                                               "data-steward", "red-teamer", "auditor",
                                               "operator",     "admin" };

/* ---- an installation that is served ------------------------------------------------------------------------------------ */

static struct served {
    struct access_fixture f;
    struct btz_api_backend backend;
    struct btz_api *api;
    struct btz_api_server *server;
    char folder[32], socket[64];
    struct btz_caller people[ROLES];
    char keys[ROLES][BTZ_KEY_TEXT];
} it;

/* Cookies "fresh-N" and "stale-N": the person of role N, with and without a second factor that is fresh. */
static enum btz_err session(struct btz_access *a, struct btz_slice token, struct btz_caller *io)
{
    bool fresh = btz_slice_has_prefix(token, btz_str("fresh-"));
    size_t role = token.len == 7 ? (size_t)(token.ptr[6] - '0') : ROLES;
    struct btz_caller *p;

    (void)a;
    if (role >= ROLES)
        return btz_fail(BTZ_DENIED, "no such session");
    p = &it.people[role];
    io->kind = BTZ_CALLER_SESSION;
    memcpy(io->principal, p->principal, sizeof io->principal);
    memcpy(io->name, p->name, sizeof io->name);
    memcpy(io->session, p->session, sizeof io->session);
    memcpy(io->method, p->method, sizeof io->method);
    io->second_factor_ms = it.f.now_ms - (fresh ? 0 : (uint64_t)it.f.conf.step_up_ms + 60000);
    return BTZ_OK;
}

static int start(void **state)
{
    struct btz_api_options o = { .backend = &it.backend,
                                 .operations = btz_operations,
                                 .origin = "https://test.example" };
    struct btz_api_server_options so = { .socket = it.socket, .workers = 2 };
    struct btz_store *s;

    (void)state;
    access_start(&it.f);
    btz_api_backend_init(it.f.access, &it.backend);
    it.backend.session = session;
    for (size_t i = 0; i < ROLES; i++) {
        json_t *key;

        it.people[i] = access_person(&it.f, role_names[i], role_names[i]);
        key = access_ok(&it.f, &it.f.local, "key.create",
                        json_pack("{s:s, s:s}", "principal", role_names[i], "name", "k"));
        snprintf(it.keys[i], sizeof it.keys[i], "%s", access_text(&it.f, key, "secret"));
        json_decref(key);
    }
    access_must(btz_access_store(it.f.access, &s));
    access_must(btz_api_once_migrate(s));
    btz_access_store_back(it.f.access, s);
    access_must(btz_api_new(&o, &it.api));
    api_folder(it.folder);
    snprintf(it.socket, sizeof it.socket, "%s/s", it.folder);
    so.api = it.api;
    access_must(btz_api_server_start(&so, &it.server));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    btz_api_server_stop(it.server);
    btz_api_free(it.api);
    access_stop(&it.f);
    return rmdir(it.folder);
}

/* ---- requests that are well formed -------------------------------------------------------------------------------------- */

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A name that fits the field; paths lead to what the creating operations of the first pass made. */
static const char *sample_text(const struct btz_operation *op, const struct btz_field *f)
{
    static const struct {
        const char *field, *text;
    } known[] = { { "user", "u1" },         { "service", "s1" },
                  { "group", "g1" },        { "principal", "s1" },
                  { "role", "viewer" },     { "subject", "u1" },
                  { "policy", "p1" },       { "email", "u1@example.com" },
                  { "issuer", "none" },     { "action", "model.invoke" },
                  { "resource", "model/x" } };

    if (f->choices)
        return f->choices[0];
    for (size_t i = 0; i < BTZ_COUNT(known); i++)
        if (strcmp(known[i].field, f->name) == 0)
            return known[i].text;
    if (strcmp(f->name, "name") == 0)
        return starts(op->id, "user.")      ? "u1"
               : starts(op->id, "service.") ? "s1"
               : starts(op->id, "group.")   ? "g1"
                                            : "n1";
    return "none";
}

static json_t *sample(const struct btz_operation *op, const struct btz_field *f)
{
    switch (f->kind) {
    case BTZ_FIELD_INT:
        return json_integer(f->min_int ? f->min_int : 1);
    case BTZ_FIELD_BOOL:
        return json_false();
    case BTZ_FIELD_TIME:
        return json_string("2026-11-19T00:00:00.000Z");
    case BTZ_FIELD_DURATION:
        return json_string("1h");
    case BTZ_FIELD_TEXTS:
        return json_pack("[s]", "model.invoke model/x");
    case BTZ_FIELD_OBJECT:
        return json_object();
    case BTZ_FIELD_SECRET:
        return json_string(f->max && f->max < 21 ? "123456" : "correct horse battery");
    default:
        return json_string(sample_text(op, f));
    }
}

/* Target and body of a request with every field that is required. */
static void well_formed(const struct btz_operation *op, char target[512], struct btz_buf *body)
{
    BTZ_JSON json_t *object = json_object();
    size_t n = 0;

    for (const char *p = op->path; *p;) {
        if (*p != '{') {
            target[n++] = *p++;
            continue;
        }
        for (size_t i = 0; i < op->field_count; i++) {
            size_t len = strlen(op->fields[i].name);

            if (strncmp(p + 1, op->fields[i].name, len) == 0 && p[1 + len] == '}')
                n += (size_t)snprintf(target + n, 512 - n, "%s", sample_text(op, &op->fields[i]));
        }
        p = strchr(p, '}') + 1;
    }
    target[n] = '\0';
    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];

        if (!f->required)
            continue;
        if (f->place == BTZ_IN_QUERY)
            n += (size_t)snprintf(target + n, 512 - n, "%c%s=%s", strchr(target, '?') ? '&' : '?',
                                  f->name, sample_text(op, f));
        if (f->place == BTZ_IN_BODY)
            json_object_set_new(object, f->name, sample(op, f));
    }
    btz_buf_clear(body);
    if (strcmp(op->method, "GET") != 0)
        access_must(btz_json_write(object, false, body));
}

static struct api_reply request(const struct btz_operation *op, const char *headers)
{
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(1 << 16);
    char target[512];
    const char *text = NULL;

    well_formed(op, target, &body);
    if (strcmp(op->method, "GET") != 0)
        access_must(btz_buf_cstr(&body, &text));
    return api_call(it.socket, op->method, target, headers, text);
}

/* ---- the document --------------------------------------------------------------------------------------------------------- */

static json_t *document;

static json_t *resolve(json_t *schema)
{
    const char *to = json_string_value(json_object_get(schema, "$ref"));
    json_t *at = document;
    char path[200], *save = NULL;

    if (!to)
        return schema;
    assert_true(starts(to, "#/"));
    snprintf(path, sizeof path, "%s", to + 2);
    for (char *part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        at = json_object_get(at, part);
        if (!at)
            fail_msg("%s leads nowhere", to);
    }
    return resolve(at);
}

static bool is_type(const json_t *value, const char *type)
{
    return strcmp(type, "string") == 0    ? json_is_string(value)
           : strcmp(type, "integer") == 0 ? json_is_integer(value)
           : strcmp(type, "number") == 0  ? json_is_number(value)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(value)
           : strcmp(type, "null") == 0    ? json_is_null(value)
           : strcmp(type, "array") == 0   ? json_is_array(value)
                                          : json_is_object(value);
}

static bool is_listed(const json_t *list, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

static bool validate(json_t *schema, json_t *value, const char *where);

static bool validate_object(json_t *schema, json_t *value, const char *where)
{
    json_t *properties = json_object_get(schema, "properties"), *one;
    json_t *required = json_object_get(schema, "required");
    bool closed = json_is_false(json_object_get(schema, "additionalProperties"));
    const char *key;

    for (size_t i = 0; i < json_array_size(required); i++) {
        key = json_string_value(json_array_get(required, i));
        if (!json_object_get(value, key)) {
            print_error("%s: %s is missing\n", where, key);
            return false;
        }
    }
    json_object_foreach(value, key, one)
    {
        json_t *property = json_object_get(properties, key);

        if (!property && closed) {
            print_error("%s: %s is not in the schema\n", where, key);
            return false;
        }
        if (property && !validate(property, one, key))
            return false;
    }
    return true;
}

/* The part of JSON Schema 2020-12 that the document uses; another keyword stops the test. */
static bool validate(json_t *schema, json_t *value, const char *where)
{
    static const char *const known[] = {
        "type",     "properties",  "required",  "additionalProperties",
        "items",    "enum",        "const",     "$ref",
        "format",   "description", "maxLength", "minLength",
        "maxItems", "minItems",    "pattern",   "minimum",
        "maximum",  "writeOnly",   "anyOf",     "oneOf",
        "title",
    };
    json_t *type, *one, *any;
    bool ok = true;
    const char *key;

    schema = resolve(schema);
    json_object_foreach(schema, key, one)
    {
        bool is_known = false;

        for (size_t i = 0; i < BTZ_COUNT(known); i++)
            is_known = is_known || strcmp(known[i], key) == 0;
        if (!is_known)
            fail_msg("%s: keyword %s", where, key);
    }
    type = json_object_get(schema, "type");
    if (json_is_string(type))
        ok = is_type(value, json_string_value(type));
    for (size_t i = 0; json_is_array(type) && i < json_array_size(type); i++)
        ok = (i && ok) || is_type(value, json_string_value(json_array_get(type, i)));
    one = json_object_get(schema, "enum");
    ok = ok && (!one || is_listed(one, value));
    one = json_object_get(schema, "const");
    ok = ok && (!one || json_equal(one, value));
    if (!ok)
        print_error("%s: of a wrong kind or value\n", where);
    any = json_object_get(schema, "anyOf");
    any = any ? any : json_object_get(schema, "oneOf");
    for (size_t i = 0; any && i < json_array_size(any); i++)
        if (validate(json_array_get(any, i), value, where))
            any = NULL;
    if (ok && json_is_object(value))
        ok = validate_object(schema, value, where);
    one = json_object_get(schema, "items");
    for (size_t i = 0; ok && one && i < json_array_size(value); i++)
        ok = validate(one, json_array_get(value, i), where);
    return ok && !any;
}

static void check_refs(json_t *value)
{
    const char *key;
    json_t *one;
    size_t i;

    if (json_is_object(value) && json_object_get(value, "$ref"))
        assert_non_null(resolve(value));
    json_object_foreach(value, key, one)
    {
        check_refs(one);
    }
    json_array_foreach(value, i, one)
    {
        check_refs(one);
    }
}

static size_t params_of(const json_t *operation, const char *place, json_t *names)
{
    const json_t *list = json_object_get(operation, "parameters");

    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *p = resolve(json_array_get(list, i));

        assert_true(json_is_string(json_object_get(p, "name")));
        assert_true(json_is_object(json_object_get(p, "schema")));
        if (strcmp(json_string_value(json_object_get(p, "in")), place) == 0)
            json_object_set(names, json_string_value(json_object_get(p, "name")),
                            json_object_get(p, "required"));
    }
    return json_object_size(names);
}

static void check_operation(const char *path, const char *method, json_t *operation, json_t *ids)
{
    static const char *const allowed[] = { "operationId",       "summary",
                                           "description",       "tags",
                                           "security",          "parameters",
                                           "responses",         "requestBody",
                                           "x-bartizan-action", "x-bartizan-step-up" };
    BTZ_JSON json_t *names = json_object();
    json_t *responses = json_object_get(operation, "responses"), *one;
    json_t *schemes = json_object_get(json_object_get(document, "components"), "securitySchemes");
    const char *key, *id = json_string_value(json_object_get(operation, "operationId"));
    size_t i, braces = 0;

    assert_non_null(id);
    assert_null(json_object_get(ids, id));
    json_object_set_new(ids, id, json_true());
    json_object_foreach(operation, key, one)
    {
        bool ok = false;

        for (i = 0; i < BTZ_COUNT(allowed); i++)
            ok = ok || strcmp(allowed[i], key) == 0;
        if (!ok)
            fail_msg("%s: %s", id, key);
    }
    for (const char *p = path; *p; p++)
        braces += *p == '{';
    assert_int_equal(params_of(operation, "path", names), braces);
    json_object_foreach(names, key, one)
    {
        char text[80];

        snprintf(text, sizeof text, "{%s}", key);
        assert_non_null(strstr(path, text));
        assert_true(json_is_true(one));
    }
    assert_true(json_object_size(responses) > 0);
    json_object_foreach(responses, key, one)
    {
        assert_true(strcmp(key, "default") == 0 ||
                    (strlen(key) == 3 && key[0] >= '2' && key[0] <= '5'));
        assert_true(json_is_string(json_object_get(resolve(one), "description")));
    }
    assert_true(strcmp(method, "get") != 0 || !json_object_get(operation, "requestBody"));
    json_array_foreach(json_object_get(operation, "security"), i, one)
    {
        json_t *value;

        json_object_foreach(one, key, value)
        {
            assert_non_null(json_object_get(schemes, key));
        }
    }
}

static void take_document(void)
{
    if (!document)
        access_must(btz_openapi(btz_operations, btz_access_schema, &document));
}

static void test_openapi_form(void **state)
{
    static const char *const methods[] = { "get", "put", "post", "delete", "patch" };
    BTZ_JSON json_t *ids = json_object();
    json_t *place, *operation;
    const char *path, *method;

    (void)state;
    take_document();
    assert_string_equal(json_string_value(json_object_get(document, "openapi")), "3.1.0");
    assert_true(json_is_string(json_object_get(json_object_get(document, "info"), "title")));
    assert_true(json_is_string(json_object_get(json_object_get(document, "info"), "version")));
    json_object_foreach(json_object_get(document, "paths"), path, place)
    {
        assert_int_equal(path[0], '/');
        json_object_foreach(place, method, operation)
        {
            bool known = false;

            for (size_t i = 0; i < BTZ_COUNT(methods); i++)
                known = known || strcmp(methods[i], method) == 0;
            assert_true(known);
            check_operation(path, method, operation, ids);
        }
    }
    check_refs(document);
    for (size_t i = 0; btz_operations[i]; i++)
        assert_true(!btz_operations[i]->path || btz_operations[i]->needs & BTZ_NEEDS_LOCAL ||
                    json_object_get(ids, btz_operations[i]->id));
}

/* The file of the repository, or written when asked for. */
static void same_file(const char *name, struct btz_slice text)
{
    const char *source = getenv("BTZ_SOURCE");
    BTZ_BUF_RELEASE struct btz_buf found = BTZ_BUF(DOC_MAX);
    char path[400];

    snprintf(path, sizeof path, "%s/docs/%s", source ? source : ".", name);
    if (getenv("BTZ_UPDATE_DOCS"))
        access_must(btz_file_write(path, text, 0644));
    access_must(btz_file_read(path, DOC_MAX, &found));
    if (!btz_slice_equal(btz_buf_slice(&found), text))
        fail_msg("%s is not what the table says: run test_access_http with BTZ_UPDATE_DOCS=1",
                 path);
}

static void test_openapi_file(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(DOC_MAX);
    struct api_reply r = api_call(it.socket, "GET", "/v1/openapi.json", "", NULL);
    BTZ_JSON json_t *served = api_json(&r);

    (void)state;
    take_document();
    assert_true(json_equal(served, document));
    access_must(btz_json_write(document, true, &text));
    access_must(btz_buf_add_byte(&text, '\n'));
    same_file("openapi.json", btz_buf_slice(&text));
    api_drop(&r);
}

/* An answer against what the document says of it. True for a success that was checked. */
static bool check_answer(const struct btz_operation *op, struct api_reply *r)
{
    json_t *operation, *response, *content, *schema;
    char method[16] = "", status[8];
    const char *type = api_header(r, "Content-Type");

    for (size_t i = 0; op->method[i]; i++)
        method[i] = (char)tolower((unsigned char)op->method[i]);
    snprintf(status, sizeof status, "%u", r->status);
    operation =
        json_object_get(json_object_get(json_object_get(document, "paths"), op->path), method);
    assert_non_null(operation);
    response = json_object_get(json_object_get(operation, "responses"), status);
    if (!response && r->status >= 400)
        response = json_object_get(json_object_get(operation, "responses"), "default");
    if (!response)
        fail_msg("%s: status %u is not in the document", op->id, r->status);
    content = json_object_get(resolve(response), "content");
    if (!content) {
        assert_int_equal(r->body.len, 0);
        return r->status < 300;
    }
    if (json_object_get(content, "*/*"))
        return true;
    schema = json_object_get(json_object_get(content, type), "schema");
    if (!schema)
        fail_msg("%s: %u is of the type %s", op->id, r->status, type);
    {
        BTZ_JSON json_t *value = api_json(r);

        if (!validate(schema, value, op->id))
            fail_msg("%s: %u: %.*s", op->id, r->status, BTZ_SLICE_ARG(r->body));
    }
    return r->status < 300;
}

/* Creating first, then reading, changing, and taking away last. */
static int order_of(const struct btz_operation *op)
{
    if (op->created)
        return starts(op->id, "user.") || starts(op->id, "service.") ? 0 : 1;
    return strcmp(op->method, "GET") == 0 ? 2 : strcmp(op->method, "DELETE") == 0 ? 4 : 3;
}

static void test_answers(void **state)
{
    static const char admin[] = "Cookie: __Host-bartizan=fresh-7\r\n" CSRF;
    size_t all = 0, good = 0;

    (void)state;
    take_document();
    for (int pass = 0; pass <= 4; pass++)
        for (size_t i = 0; btz_operations[i]; i++) {
            const struct btz_operation *op = btz_operations[i];
            struct api_reply r;

            if (!op->path || op->needs & BTZ_NEEDS_LOCAL || order_of(op) != pass)
                continue;
            r = request(op, admin);
            all++;
            if (r.status >= 500)
                fail_msg("%s: %u %.*s", op->id, r.status, BTZ_SLICE_ARG(r.body));
            good += check_answer(op, &r);
            api_drop(&r);
        }
    print_message("# %zu routes, %zu with a success that was checked\n", all, good);
    assert_true(good >= 30);
}

/* ---- who may what --------------------------------------------------------------------------------------------------------- */

enum answer { NO, FRESH, YES };

static bool fits(const char *pattern, const char *text)
{
    size_t n = strlen(pattern);

    return n && pattern[n - 1] == '*' ? strncmp(pattern, text, n - 1) == 0
                                      : strcmp(pattern, text) == 0;
}

static bool any_fits(const char *const *patterns, const char *text)
{
    for (; *patterns; patterns++)
        if (fits(*patterns, text))
            return true;
    return false;
}

static const struct btz_role_model *role_of(const struct btz_policy_model *m, const char *name)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (strcmp(m->roles[i].name, name) == 0)
            return &m->roles[i];
    fail_msg("no role %s", name);
    return NULL;
}

/* A plain reading: walk the role and all it inherits; a deny ends it, an allow may ask for a fresh factor. */
static enum answer ask_role(const struct btz_policy_model *m, const char *name, const char *action,
                            const char *resource, bool *denied)
{
    const struct btz_role_model *role = role_of(m, name);
    enum answer best = NO;

    for (size_t i = 0; i < role->rule_count; i++) {
        const struct btz_rule_model *rule = &role->rules[i];

        if (!any_fits(rule->actions, action) || !any_fits(rule->resources, resource))
            continue;
        if (rule->effect == BTZ_EFFECT_DENY)
            *denied = true;
        else if (rule->when.mfa_within_s == 0)
            best = YES;
        else if (best == NO)
            best = FRESH;
    }
    for (size_t i = 0; role->inherits && role->inherits[i]; i++) {
        enum answer below = ask_role(m, role->inherits[i], action, resource, denied);

        best = below > best ? below : best;
    }
    return best;
}

/* The resource that a well-formed request names. */
static void resource_of(const struct btz_operation *op, char out[256])
{
    size_t n = 0;

    if (!op->resource) {
        snprintf(out, 256, "%s/*", btz_actions[btz_action_find(op->action)].resource);
        return;
    }
    for (const char *p = op->resource; *p;) {
        const char *text = "*";

        if (*p != '{') {
            out[n++] = *p++;
            continue;
        }
        for (size_t i = 0; i < op->field_count; i++) {
            const struct btz_field *f = &op->fields[i];
            size_t len = strlen(f->name);

            if (strncmp(p + 1, f->name, len) == 0 && p[1 + len] == '}' && f->required)
                text = sample_text(op, f);
        }
        n += (size_t)snprintf(out + n, 256 - n, "%s", text);
        p = strchr(p, '}') + 1;
    }
    out[n] = '\0';
}

/* Keys of one's own: with a fresh second factor where the person has one, as those of this test do. */
static bool asks_again(const struct btz_operation *op)
{
    return strcmp(op->id, "me.key.create") == 0 || strcmp(op->id, "me.key.rotate") == 0;
}

static enum answer expected(const struct btz_policy_model *m, const struct btz_operation *op,
                            const char *role)
{
    bool step_up = op->needs & BTZ_NEEDS_STEP_UP || asks_again(op), denied = false;
    enum answer answer = YES;
    char resource[256];

    if (op->needs & BTZ_PUBLIC)
        return YES;
    if (op->needs & BTZ_NEEDS_LOCAL)
        return NO;
    if (op->needs & BTZ_NEEDS_PERMISSION) {
        resource_of(op, resource);
        answer = ask_role(m, role, op->action, resource, &denied);
    }
    return denied ? NO : answer == YES && step_up ? FRESH : answer;
}

/* A key without scopes: nothing administrative, nothing that asks for a second factor or a person. */
static bool key_expected(const struct btz_operation *op, enum answer person)
{
    if (op->needs & BTZ_PUBLIC)
        return true;
    if ((person != YES && !(person == FRESH && asks_again(op))) ||
        op->needs & (BTZ_NEEDS_SESSION | BTZ_NEEDS_STEP_UP | BTZ_NEEDS_LOCAL))
        return false;
    return !op->action || !btz_actions[btz_action_find(op->action)].administrative;
}

static size_t wrong;

/* Allowed by the policy, and then refused for what the one in the request is. */
static bool has_own_reason(const struct btz_operation *op)
{
    return strcmp(op->id, "me.key.rotate") == 0; /* a key rotates itself only */
}

static void check_entry(const struct btz_operation *op, const char *who, const char *headers,
                        bool may)
{
    struct api_reply r = request(op, headers);
    /* Behind the door an operation may refuse for reasons of its own, but only where no permission is asked for. */
    bool refused = r.status == 403;
    bool own_reason = !(op->needs & BTZ_NEEDS_PERMISSION) || has_own_reason(op);

    if (op->needs & BTZ_PUBLIC) {
        if (r.status == 403)
            fail_msg("%s as %s: 403", op->id, who);
    } else if (r.status == 401 || (may ? refused && !own_reason : !refused)) {
        print_error("%s as %s: %u, expected %s: %.*s\n", op->id, who, r.status,
                    may ? "entry" : "403", BTZ_SLICE_ARG(r.body));
        wrong++;
    }
    api_drop(&r);
}

static void check_route(const struct btz_policy_model *m, const struct btz_operation *op)
{
    struct api_reply r;

    if (!(op->needs & BTZ_PUBLIC)) {
        r = request(op, "");
        if (r.status != 401)
            fail_msg("%s as nobody: %u", op->id, r.status);
        api_drop(&r);
    }
    for (size_t i = 0; i < ROLES; i++) {
        enum answer person = expected(m, op, role_names[i]);
        char who[64], headers[256];

        for (int fresh = 0; fresh < 2; fresh++) {
            snprintf(who, sizeof who, "%s, %s", role_names[i], fresh ? "fresh" : "stale");
            snprintf(headers, sizeof headers, "Cookie: __Host-bartizan=%s-%zu\r\n" CSRF,
                     fresh ? "fresh" : "stale", i);
            check_entry(op, who, headers, person == YES || (person == FRESH && fresh));
        }
        snprintf(who, sizeof who, "%s, key", role_names[i]);
        snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", it.keys[i]);
        check_entry(op, who, headers, key_expected(op, person));
    }
}

static void write_row(const struct btz_policy_model *m, const struct btz_operation *op,
                      struct btz_buf *out)
{
    access_must(btz_buf_printf(out, "| `%s %s` | %s |", op->method, op->path,
                               op->needs & BTZ_PUBLIC ? "yes" : "-"));
    for (size_t i = 0; i < ROLES; i++) {
        enum answer person = expected(m, op, role_names[i]);

        access_must(
            btz_buf_printf(out, " %s%s |",
                           person == YES     ? "yes"
                           : person == FRESH ? "fresh"
                                             : "-",
                           key_expected(op, person) && !(op->needs & BTZ_PUBLIC) ? ", key" : ""));
    }
    access_must(btz_buf_add_byte(out, '\n'));
}

static void write_table(const struct btz_policy_model *m, struct btz_buf *out)
{
    access_must(btz_buf_add_str(
        out,
        "# Who may call which route\n\n"
        "For each route of the access API and each ready role: `yes` for a signed-in person, "
        "`fresh` "
        "for one whose second factor is fresh (`access.step_up`), `-` for nobody with that role "
        "alone. `key`: an API key without scopes may, too; a key whose scopes name an action may "
        "do "
        "it where its owner may. Routes not listed do not exist; what no role allows is denied. "
        "Written by `test_access_http`, which also tries every cell over HTTP.\n\n| route | nobody "
        "|"));
    for (size_t i = 0; i < ROLES; i++)
        access_must(btz_buf_printf(out, " %s |", role_names[i]));
    access_must(btz_buf_add_str(out, "\n|---|---|---|---|---|---|---|---|---|---|\n"));
    for (size_t i = 0; btz_operations[i]; i++)
        if (btz_operations[i]->path)
            write_row(m, btz_operations[i], out);
}

static void test_roles(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf table = BTZ_BUF(1 << 20);
    struct btz_policy_model m = { 0 };
    size_t routes = 0;

    (void)state;
    btz_arena_init(&arena, 16u << 20);
    access_must(btz_policy_parse(btz_str(btz_policy_ready), "ready.yaml", &arena, &m));
    /* What people do to their own account comes last: it must not change what the others are asked. */
    for (int own = 0; own < 2; own++) /* false, then true */
        for (size_t i = 0; btz_operations[i]; i++) {
            const struct btz_operation *op = btz_operations[i];

            if (!op->path || starts(op->path, "/v1/me/") != own)
                continue;
            check_route(&m, op);
            routes++;
        }
    assert_int_equal(wrong, 0);
    assert_true(routes > 40);
    write_table(&m, &table);
    same_file("access-routes.md", btz_buf_slice(&table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openapi_form),
        cmocka_unit_test(test_openapi_file),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_answers),
    };
    int status;

    signal(SIGPIPE, SIG_IGN);
    status = cmocka_run_group_tests(tests, start, stop);
    json_decref(document);
    return status;
}
