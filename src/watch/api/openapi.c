/* The OpenAPI 3.1 document, from the same table that answers. */
#include <ctype.h>

#include "watch/api/api.h"

#define TEXT_MAX  256 /* of fields that name no limit: access.h */
#define TEXTS_MAX 100
#define DEPTH_MAX 32

static enum btz_err set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? BTZ_OK
                                                        : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err set_text(json_t *object, const char *key, const char *text)
{
    return set(object, key, json_string(text));
}

static json_t *reference(const char *kind, const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

/* ---- fields --------------------------------------------------------------------------------------------------------- */

static json_t *text_schema(const struct btz_field *f)
{
    json_t *schema = json_pack("{s:s, s:I}", "type", "string", "maxLength",
                               (json_int_t)(f->max ? f->max : TEXT_MAX));
    json_t *choices;

    if (!schema || !f->choices)
        return schema;
    choices = json_array();
    for (size_t i = 0; choices && f->choices[i]; i++)
        json_array_append_new(choices, json_string(f->choices[i]));
    json_object_set_new(schema, "enum", choices);
    return schema;
}

static json_t *int_schema(const struct btz_field *f)
{
    json_t *schema = json_pack("{s:s}", "type", "integer");

    if (schema && (f->min_int != 0 || f->max_int != 0)) {
        json_object_set_new(schema, "minimum", json_integer(f->min_int));
        json_object_set_new(schema, "maximum", json_integer(f->max_int));
    }
    return schema;
}

static json_t *field_schema(const struct btz_field *f)
{
    switch (f->kind) {
    case BTZ_FIELD_SECRET:
        return json_pack("{s:s, s:s, s:b, s:I}", "type", "string", "format", "password",
                         "writeOnly", 1, "maxLength", (json_int_t)(f->max ? f->max : TEXT_MAX));
    case BTZ_FIELD_INT:
        return int_schema(f);
    case BTZ_FIELD_BOOL:
        return json_pack("{s:s}", "type", "boolean");
    case BTZ_FIELD_TIME:
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    case BTZ_FIELD_DURATION:
        return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+(ms|s|m|h|d)?$");
    case BTZ_FIELD_TEXTS:
        return json_pack("{s:s, s:{s:s}, s:I}", "type", "array", "items", "type", "string",
                         "maxItems", (json_int_t)(f->max ? f->max : TEXTS_MAX));
    case BTZ_FIELD_OBJECT:
        return json_object();
    default:
        return text_schema(f);
    }
}

static enum btz_err add_parameters(const struct btz_operation *op, json_t *list)
{
    bool changes = strcmp(op->method, "GET") != 0;

    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];
        json_t *parameter;

        if (f->place == BTZ_IN_BODY)
            continue;
        parameter = json_pack("{s:s, s:s, s:b, s:o}", "name", f->name, "in",
                              f->place == BTZ_IN_PATH ? "path" : "query", "required",
                              f->place == BTZ_IN_PATH || f->required, "schema", field_schema(f));
        if (!parameter || json_array_append(list, parameter) != 0) {
            json_decref(parameter);
            return btz_fail(BTZ_LIMIT, "out of memory");
        }
        json_decref(parameter);
        if (f->help)
            BTZ_TRY(set_text(parameter, "description", f->help));
    }
    if (strcmp(op->method, "PATCH") == 0 || strcmp(op->method, "PUT") == 0 ||
        strcmp(op->method, "DELETE") == 0)
        json_array_append_new(list, reference("parameters", "if-match"));
    if (changes && !(op->needs & BTZ_PUBLIC))
        json_array_append_new(list, reference("parameters", "idempotency-key"));
    return BTZ_OK;
}

/* NULL when no field is in the body. */
static json_t *body_schema(const struct btz_operation *op, bool *required)
{
    json_t *properties = json_object(), *names = json_array(), *schema;

    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];
        json_t *one;

        if (f->place != BTZ_IN_BODY)
            continue;
        one = field_schema(f);
        if (one && f->help)
            json_object_set_new(one, "description", json_string(f->help));
        json_object_set_new(properties, f->name, one);
        if (f->required)
            json_array_append_new(names, json_string(f->name));
    }
    *required = json_array_size(names) > 0;
    if (json_object_size(properties) == 0) {
        json_decref(properties);
        json_decref(names);
        return NULL;
    }
    schema = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties",
                       properties);
    if (*required)
        json_object_set(schema, "required", names);
    json_decref(names);
    return schema;
}

/* ---- answers -------------------------------------------------------------------------------------------------------- */

static json_t *answer(const char *text, const char *media_type, json_t *schema)
{
    json_t *value = json_pack("{s:s}", "description", text);

    if (value && schema)
        json_object_set_new(value, "content", json_pack("{s:{s:o}}", media_type, "schema", schema));
    return value;
}

static enum btz_err add_answers(const struct btz_operation *op, bool approvals, json_t *out)
{
    static const char *const problems[] = { "400", "401", "403", "409", "429", "503" };
    bool changes = strcmp(op->method, "GET") != 0;

    if (op->file)
        BTZ_TRY(set(out, "200",
                    answer("The file, or the range of it that was asked for.",
                           "application/octet-stream", json_object())));
    else if (op->raw)
        BTZ_TRY(
            set(out, "200", answer("The document.", "*/*", json_pack("{s:s}", "type", "string"))));
    else if (!op->result)
        BTZ_TRY(set(out, "204", answer("Done.", NULL, NULL)));
    else
        BTZ_TRY(set(out, op->created ? "201" : "200",
                    answer(op->created ? "Made." : "Done.", "application/json",
                           reference("schemas", op->result))));
    if (approvals && changes && op->needs & BTZ_NEEDS_PERMISSION)
        BTZ_TRY(set(out, "202",
                    answer("It waits for a second person.", "application/json",
                           reference("schemas", "approval"))));
    if (!changes)
        BTZ_TRY(set(out, "304", answer("It is what If-None-Match names.", NULL, NULL)));
    for (size_t i = 0; i < BTZ_COUNT(problems); i++)
        BTZ_TRY(set(out, problems[i], reference("responses", "problem")));
    if (strchr(op->path, '{'))
        BTZ_TRY(set(out, "404", reference("responses", "problem")));
    if (changes)
        BTZ_TRY(set(out, "412", reference("responses", "problem")));
    return set(out, "default", reference("responses", "problem"));
}

static json_t *security(const struct btz_operation *op)
{
    if (op->needs & BTZ_PUBLIC)
        return json_array();
    if (op->needs & BTZ_NEEDS_SESSION)
        return json_pack("[{s:[]}]", "session");
    return json_pack("[{s:[]},{s:[]},{s:[]},{s:[]}]", "session", "key", "token", "certificate");
}

static enum btz_err fill_operation(const struct btz_operation *op, bool approvals, json_t *value)
{
    json_t *parameters = json_array(), *answers = json_object(), *body;
    bool required;

    BTZ_TRY(set(value, "parameters", parameters));
    BTZ_TRY(set(value, "responses", answers));
    BTZ_TRY(set_text(value, "operationId", op->id));
    BTZ_TRY(set_text(value, "summary", op->summary ? op->summary : op->id));
    if (op->details)
        BTZ_TRY(set_text(value, "description", op->details));
    if (op->tag)
        BTZ_TRY(set(value, "tags", json_pack("[s]", op->tag)));
    BTZ_TRY(add_parameters(op, parameters));
    BTZ_TRY(add_answers(op, approvals, answers));
    body = strcmp(op->method, "GET") == 0 ? NULL : body_schema(op, &required);
    if (body)
        BTZ_TRY(set(value, "requestBody",
                    json_pack("{s:b, s:{s:{s:o}}}", "required", required, "content",
                              "application/json", "schema", body)));
    BTZ_TRY(set(value, "security", security(op)));
    if (op->action)
        BTZ_TRY(set_text(value, "x-bartizan-action", op->action));
    if (op->needs & BTZ_NEEDS_STEP_UP)
        BTZ_TRY(set(value, "x-bartizan-step-up", json_true()));
    return BTZ_OK;
}

/* ---- paths ---------------------------------------------------------------------------------------------------------- */

static enum btz_err add_operation(const struct btz_operation *op, bool approvals, json_t *paths)
{
    json_t *place = json_object_get(paths, op->path), *value = json_object();
    char method[16] = "";

    if (!place) {
        place = json_object();
        BTZ_TRY(set(paths, op->path, place));
    }
    for (size_t i = 0; op->method[i] && i + 1 < sizeof method; i++)
        method[i] = (char)tolower((unsigned char)op->method[i]);
    BTZ_TRY(set(place, method, value));
    return fill_operation(op, approvals, value);
}

static enum btz_err add_own(json_t *paths)
{
    BTZ_TRY(set(paths, "/v1/health",
                json_pack("{s:{s:s, s:s, s:[], s:{s:o, s:o}}}", "get", "operationId", "health",
                          "summary", "Is the daemon there?", "security", "responses", "200",
                          answer("It is.", "application/json", reference("schemas", "health")),
                          "default", reference("responses", "problem"))));
    BTZ_TRY(set(
        paths, "/v1/ready",
        json_pack(
            "{s:{s:s, s:s, s:[], s:{s:o, s:o, s:o}}}", "get", "operationId", "ready", "summary",
            "Can requests be taken: journal, ledger, policy, limits?", "security", "responses",
            "200", answer("All works.", "application/json", reference("schemas", "readiness")),
            "503",
            answer("Something does not.", "application/json", reference("schemas", "readiness")),
            "default", reference("responses", "problem"))));
    return set(
        paths, "/v1/openapi.json",
        json_pack("{s:{s:s, s:s, s:[], s:{s:o, s:o}}}", "get", "operationId", "openapi", "summary",
                  "This document.", "security", "responses", "200",
                  answer("OpenAPI 3.1.", "application/json", json_pack("{s:s}", "type", "object")),
                  "default", reference("responses", "problem")));
}

/* ---- components ----------------------------------------------------------------------------------------------------- */

/* Adds a schema and all that it refers to. */
static enum btz_err add_schema(const char *name, json_t *(*schema)(const char *), json_t *schemas,
                               unsigned depth);

static enum btz_err add_referred(const json_t *value, json_t *(*schema)(const char *),
                                 json_t *schemas, unsigned depth)
{
    static const char prefix[] = "#/components/schemas/";
    const char *to = json_string_value(json_object_get(value, "$ref"));
    json_t *all, *item;
    const char *key;
    size_t i;

    if (depth > DEPTH_MAX)
        return btz_fail(BTZ_INTERNAL, "schemas are nested too deeply");
    memcpy(&all, &value, sizeof all);
    if (to && strncmp(to, prefix, sizeof prefix - 1) == 0)
        BTZ_TRY(add_schema(to + sizeof prefix - 1, schema, schemas, depth + 1));
    json_object_foreach(all, key, item)
    {
        BTZ_TRY(add_referred(item, schema, schemas, depth + 1));
    }
    json_array_foreach(all, i, item)
    {
        BTZ_TRY(add_referred(item, schema, schemas, depth + 1));
    }
    return BTZ_OK;
}

static enum btz_err add_schema(const char *name, json_t *(*schema)(const char *), json_t *schemas,
                               unsigned depth)
{
    json_t *value;

    if (json_object_get(schemas, name))
        return BTZ_OK;
    value = schema(name);
    if (!value)
        return btz_fail(BTZ_INTERNAL, "no schema \"%s\"", name);
    BTZ_TRY(set(schemas, name, value));
    return add_referred(value, schema, schemas, depth);
}

static json_t *problem_schema(void)
{
    return json_pack("{s:s, s:[s,s,s], s:{s:{s:s,s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}",
                     "type", "object", "required", "type", "title", "status", "properties", "type",
                     "type", "string", "format", "uri-reference", "title", "type", "string",
                     "status", "type", "integer", "detail", "type", "string", "needs", "const",
                     "step-up");
}

static json_t *security_schemes(void)
{
    return json_pack(
        "{s:{s:s,s:s,s:s,s:s}, s:{s:s,s:s,s:s}, s:{s:s,s:s,s:s}, s:{s:s,s:s}}", "session", "type",
        "apiKey", "in", "cookie", "name", BTZ_API_COOKIE, "description",
        "Set by signing in. Methods other than GET also need the header X-Bartizan-CSRF: 1 and an "
        "Origin that is ours.",
        "key", "type", "http", "scheme", "bearer", "description", "An API key, btz_...", "token",
        "type", "http", "scheme", "bearer", "description", "A token of a configured issuer.",
        "certificate", "type", "mutualTLS", "description",
        "A client certificate that is bound to somebody.");
}

static json_t *shared_parameters(void)
{
    return json_pack("{s:{s:s,s:s,s:b,s:s,s:{s:s}}, s:{s:s,s:s,s:b,s:s,s:{s:s,s:i,s:i}}}",
                     "if-match", "name", "If-Match", "in", "header", "required", 0, "description",
                     "Entity tag that was read: 412 when it has changed since.", "schema", "type",
                     "string", "idempotency-key", "name", "Idempotency-Key", "in", "header",
                     "required", 0, "description",
                     "The same key and request again within 24 hours: the same answer, done once.",
                     "schema", "type", "string", "minLength", 1, "maxLength", 255);
}

static json_t *components(json_t *schemas)
{
    return json_pack(
        "{s:o, s:o, s:o, s:{s:o}}", "schemas", schemas, "securitySchemes", security_schemes(),
        "parameters", shared_parameters(), "responses", "problem",
        answer("Not done; RFC 9457.", "application/problem+json", reference("schemas", "problem")));
}

static enum btz_err fill_schemas(const struct btz_operation *const *operations,
                                 json_t *(*schema)(const char *), bool *approvals, json_t *schemas)
{
    json_t *approval = schema("approval");

    *approvals = approval != NULL;
    json_decref(approval);
    BTZ_TRY(set(schemas, "problem", problem_schema()));
    BTZ_TRY(set(schemas, "health",
                json_pack("{s:s, s:[s], s:{s:{s:s}}}", "type", "object", "required", "status",
                          "properties", "status", "const", "ok")));
    BTZ_TRY(
        set(schemas, "readiness",
            json_pack("{s:s, s:[s], s:{s:{s:[s,s]}, s:{s:s, s:{s:s}}}}", "type", "object",
                      "required", "status", "properties", "status", "enum", "ready", "not-ready",
                      "parts", "type", "object", "additionalProperties", "type", "boolean")));
    if (*approvals)
        BTZ_TRY(add_schema("approval", schema, schemas, 0));
    for (size_t i = 0; operations[i]; i++)
        if (operations[i]->path && operations[i]->result)
            BTZ_TRY(add_schema(operations[i]->result, schema, schemas, 0));
    return BTZ_OK;
}

enum btz_err btz_openapi(const struct btz_operation *const *operations,
                         json_t *(*schema)(const char *name), json_t **out)
{
    BTZ_JSON json_t *paths = json_object(), *schemas = json_object(), *all = NULL;
    bool approvals;

    if (!paths || !schemas)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(fill_schemas(operations, schema, &approvals, schemas));
    BTZ_TRY(add_own(paths));
    for (size_t i = 0; operations[i]; i++)
        if (operations[i]->path && !(operations[i]->needs & BTZ_NEEDS_LOCAL))
            BTZ_TRY(add_operation(operations[i], approvals, paths));
    all = json_pack("{s:s, s:{s:s,s:s,s:s,s:{s:s,s:s}}, s:[{s:s}], s:O, s:o}", "openapi", "3.1.0",
                    "info", "title", "bartizan access control", "version", BTZ_VERSION,
                    "description", "People, roles, keys, policies and the audit trail.", "license",
                    "name", "Apache-2.0", "identifier", "Apache-2.0", "servers", "url", "/",
                    "paths", paths, "components", components(json_incref(schemas)));
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *out = json_incref(all);
    return BTZ_OK;
}
