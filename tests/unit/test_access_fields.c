/*
 * Hostile texts in every field of every operation, made from the table; and what operations really answer against their
 * schemas.
 */
#include "access_fixture.h"

#include <string.h>

/* ---- a checker of the part of JSON Schema 2020-12 that our schemas use ---- */

static bool fits(const json_t *schema, const json_t *value, char *why, size_t size);

static bool type_fits(const char *type, const json_t *v)
{
    return strcmp(type, "object") == 0    ? json_is_object(v)
           : strcmp(type, "array") == 0   ? json_is_array(v)
           : strcmp(type, "string") == 0  ? json_is_string(v)
           : strcmp(type, "integer") == 0 ? json_is_integer(v)
           : strcmp(type, "number") == 0  ? json_is_number(v)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
           : strcmp(type, "null") == 0    ? json_is_null(v)
                                          : false;
}

static bool types_fit(const json_t *type, const json_t *v)
{
    size_t i;
    json_t *one;

    if (!type || json_is_string(type))
        return !type || type_fits(json_string_value(type), v);
    json_array_foreach(type, i, one) if (type_fits(json_string_value(one), v)) return true;
    return false;
}

static bool no(char *why, size_t size, const char *what, const char *where)
{
    char before[256];

    snprintf(before, sizeof before, "%s", why);
    snprintf(why, size, "%s%s%s", what, where[0] ? " at " : "", where);
    if (before[0])
        snprintf(why, size, "%s: %s", where, before);
    return false;
}

static bool members_fit(const json_t *schema, const json_t *v, char *why, size_t size)
{
    const json_t *properties = json_object_get(schema, "properties"), *one;
    size_t i;
    json_t *name, *member;
    const char *key;

    json_array_foreach(
        json_object_get(schema, "required"), i,
        name) if (!json_object_get(v, json_string_value(name))) return no(why, size,
                                                                          "a member is missing",
                                                                          json_string_value(name));
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
    {
        one = json_object_get(properties, key);
        if (!one && json_is_false(json_object_get(schema, "additionalProperties")))
            return no(why, size, "a member that the schema does not know", key);
        if (one && !fits(one, member, why, size))
            return no(why, size, "does not fit", key);
    }
    return true;
}

static bool items_fit(const json_t *schema, const json_t *v, char *why, size_t size)
{
    const json_t *items = json_object_get(schema, "items");
    size_t i;
    json_t *item;

    json_array_foreach(v, i, item) if (items && !fits(items, item, why, size)) return no(
        why, size, "does not fit", "an item");
    return true;
}

static bool listed(const json_t *schema, const json_t *v)
{
    const json_t *list = json_object_get(schema, "enum"),
                 *constant = json_object_get(schema, "const");
    size_t i;
    json_t *one;

    if (constant && !json_equal(constant, v))
        return false;
    json_array_foreach(list, i, one) if (json_equal(one, v)) return true;
    return list == NULL;
}

static bool format_fits(const json_t *schema, const json_t *v)
{
    const char *format = json_string_value(json_object_get(schema, "format"));
    uint64_t ms;

    if (!format || !json_is_string(v) || strcmp(format, "date-time") != 0)
        return true;
    return strlen(json_string_value(v)) >= 20 &&
           btz_time_parse(btz_str(json_string_value(v)), &ms) == BTZ_OK;
}

static bool any_fits(const json_t *list, const json_t *v)
{
    char why[256] = "";
    size_t i;
    json_t *one;

    json_array_foreach(list, i, one) if (fits(one, v, why, sizeof why)) return true;
    return list == NULL;
}

static bool fits(const json_t *schema, const json_t *v, char *why, size_t size)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (ref) {
        json_t *target = btz_access_schema(strrchr(ref, '/') + 1);
        bool ok;

        if (!target)
            return no(why, size, "an unknown schema", ref);
        ok = fits(target, v, why, size);
        json_decref(target);
        return ok;
    }
    if (!types_fit(json_object_get(schema, "type"), v))
        return no(why, size, "another type", "");
    if (!listed(schema, v))
        return no(why, size, "none of the values", "");
    if (!format_fits(schema, v))
        return no(why, size, "not a time", "");
    if (!any_fits(json_object_get(schema, "anyOf"), v) ||
        !any_fits(json_object_get(schema, "oneOf"), v))
        return no(why, size, "none of the alternatives", "");
    return !json_is_object(v) ? !json_is_array(v) || items_fit(schema, v, why, size)
                              : members_fit(schema, v, why, size);
}

static bool answer_fits(const struct btz_operation *op, const json_t *out, char *why, size_t size)
{
    json_t *schema = op->result ? btz_access_schema(op->result) : NULL;
    bool ok;

    why[0] = '\0';
    if (!op->result)
        return out == NULL || json_is_null(out);
    if (!schema)
        return no(why, size, "no such schema", op->result);
    ok = out && fits(schema, out, why, size);
    json_decref(schema);
    return ok;
}

/* ---- answers of every operation of the directory ---- */

struct step {
    const char *operation, *input; /* JSON; $NAME is replaced by what an earlier step kept */
    const char *keep;              /* name under which the answer's id is kept; NULL: not */
};

#define POLICY_TEXT                                                                                \
    "policy: p\\nroles:\\n  lister:\\n    about: x\\n    rules:\\n      - id: a\\n        "        \
    "effect: allow\\n"                                                                             \
    "        actions: [model.list]\\n        resources: ['*']\\n        when: {mfa_within: 15m, "  \
    "models: [gpt-*], cost_max: 2.5}\\n"

static const struct step steps[] = {
    { "access.init", "{\"name\":\"root-admin\",\"email\":\"a@example.com\"}", NULL },
    { "user.create", "{\"name\":\"alice\",\"display_name\":\"Alice \xc3\x9c\"}", "user" },
    { "user.list", "{}", NULL },
    { "user.get", "{\"user\":\"$user\"}", NULL },
    { "user.update", "{\"user\":\"alice\",\"external_id\":\"42\"}", NULL },
    { "user.invite", "{\"user\":\"alice\"}", NULL },
    { "service.create", "{\"name\":\"robot\"}", "service" },
    { "service.list", "{}", NULL },
    { "service.get", "{\"service\":\"robot\"}", NULL },
    { "service.update", "{\"service\":\"robot\",\"display_name\":\"R\"}", NULL },
    { "group.create", "{\"name\":\"crowd\"}", "group" },
    { "group.member.add", "{\"group\":\"crowd\",\"principal\":\"alice\"}", NULL },
    { "group.list", "{}", NULL },
    { "group.get", "{\"group\":\"$group\"}", NULL },
    { "group.update", "{\"group\":\"crowd\",\"display_name\":\"C\"}", NULL },
    { "binding.create",
      "{\"role\":\"user\",\"subject\":\"group/crowd\",\"resource\":\"model/"
      "*\",\"until\":\"2030-01-01T00:"
      "00:00Z\",\"reason\":\"r\"}",
      "binding" },
    { "binding.create", "{\"role\":\"user\",\"subject\":\"robot\"}", NULL },
    { "binding.list", "{}", NULL },
    { "role.list", "{}", NULL },
    { "policy.put", "{\"policy\":\"p\",\"text\":\"" POLICY_TEXT "\"}", NULL },
    { "policy.list", "{}", NULL },
    { "policy.get", "{\"policy\":\"p\"}", NULL },
    { "policy.check", "{\"policy\":\"p\",\"text\":\"" POLICY_TEXT "\"}", NULL },
    { "role.get", "{\"role\":\"lister\"}", NULL },
    { "action.list", "{}", NULL },
    { "key.create",
      "{\"principal\":\"robot\",\"name\":\"k\",\"scopes\":[\"model.invoke "
      "model/a\"],\"life\":\"1d\"}",
      "key" },
    { "key.list", "{}", NULL },
    { "key.get", "{\"key\":\"$key\"}", NULL },
    { "key.rotate", "{\"key\":\"$key\"}", NULL },
    { "decide", "{\"principal\":\"alice\",\"action\":\"model.invoke\",\"resource\":\"model/a\"}",
      NULL },
    { "explain",
      "{\"principal\":\"alice\",\"action\":\"model.delete\",\"resource\":\"model/a\",\"cost\":1.5}",
      NULL },
    { "approval.list", "{}", NULL },
    { "break-glass.list", "{}", NULL },
    { "session.list", "{}", NULL },
    { "audit.list", "{}", NULL },
    { "key.delete", "{\"key\":\"$key\"}", NULL },
    { "binding.delete", "{\"binding\":\"$binding\"}", NULL },
    { "group.member.remove", "{\"group\":\"crowd\",\"principal\":\"alice\"}", NULL },
    { "policy.delete", "{\"policy\":\"p\"}", NULL },
    { "group.delete", "{\"group\":\"crowd\"}", NULL },
    { "service.delete", "{\"service\":\"robot\"}", NULL },
    { "user.delete", "{\"user\":\"alice\"}", NULL },
};

static json_t *fill_in(const char *input, const json_t *kept)
{
    json_t *in = json_loads(input, 0, NULL), *value;
    const char *key;

    assert_non_null(in);
    json_object_foreach(in, key,
                        value) if (json_is_string(value) && json_string_value(value)[0] == '$')
        json_string_set(value,
                        json_string_value(json_object_get(kept, json_string_value(value) + 1)));
    return in;
}

static void test_answers_fit_their_schemas(void **state)
{
    json_t *kept = json_object();
    struct access_fixture f;
    char why[512];

    (void)state;
    access_start(&f);
    for (size_t i = 0; i < BTZ_COUNT(steps); i++) {
        const struct btz_operation *op = btz_operation_find(steps[i].operation);
        json_t *out = access_ok(&f, &f.local, op->id, fill_in(steps[i].input, kept));

        if (!answer_fits(op, out, why, sizeof why)) {
            char *text = json_dumps(out, JSON_INDENT(1));

            fail_msg("%s: %s\n%s", op->id, why, text ? text : "nothing");
        }
        if (steps[i].keep)
            json_object_set(kept, steps[i].keep, json_object_get(out, "id"));
        json_decref(out);
    }
    json_decref(kept);
    access_stop(&f);
}

/* The checker finds what does not fit. */
static void test_the_checker(void **state)
{
    static const char *const wrong[] = { "{}", "[]", "{\"items\":[],\"next\":1}",
                                         "{\"items\":[{}],\"next\":null}",
                                         "{\"items\":[],\"next\":null,\"more\":1}" };
    const struct btz_operation *op = btz_operation_find("user.list");
    char why[512];
    json_t *out;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(wrong); i++) {
        out = json_loads(wrong[i], 0, NULL);
        assert_false(answer_fits(op, out, why, sizeof why));
        json_decref(out);
    }
    out = json_loads("{\"items\":[],\"next\":null}", 0, NULL);
    assert_true(answer_fits(op, out, why, sizeof why));
    json_decref(out);
    for (size_t i = 0; btz_access_schema_name(i); i++) {
        json_t *schema = btz_access_schema(btz_access_schema_name(i));

        if (!schema)
            fail_msg("the schema %s is no JSON", btz_access_schema_name(i));
        json_decref(schema);
    }
}

/* ---- hostile texts ---- */

#define SQL_COUNT 4 /* the first */
static const char *const hostile[] = {
    "' OR '1'='1",
    "'; DROP TABLE principals; --",
    "\" OR 1=1 --",
    "x') UNION SELECT hash FROM keys --",
    "%",
    "_",
    "a%00b",
    "\\",
    "${7*7}",
    "{{7*7}}",
    "../../../../etc/passwd",
    "user/*",
    "*",
    "<script>alert(1)</script>",
    "alice\xc2\xa0", /* no-break space */
    "\xe2\x80\xae"
    "ecila", /* right-to-left override */
    "al\xe2\x80\x8d"
    "ice",          /* zero-width joiner */
    "\xd0\xb0lice", /* Cyrillic a */
    "\xef\xbb\xbf"
    "alice",                             /* byte order mark */
    "A\xcc\x8a\xcc\x8a\xcc\x8a\xcc\x8a", /* marks upon marks */
    "\xf0\x9f\x92\xa9",
    "\x01\x02",
    "a\nb: c",
    "a\x1b[31m",
    "\xc2\x85",
    "usr_00000000000000000000000000",
    "9223372036854775808",
    "-1",
    "1e309",
    "NaN",
    "",
    " ",
};

static char target[64]; /* a person; by id, as some attacks are names */

/* A valid value for the fields that are not under attack. */
static json_t *usual(const struct btz_field *f)
{
    if (f->choices)
        return json_string(f->choices[0]);
    switch (f->kind) {
    case BTZ_FIELD_INT:
        return json_integer(f->min_int > 0 ? f->min_int : 1);
    case BTZ_FIELD_BOOL:
        return json_true();
    case BTZ_FIELD_TIME:
        return json_string("2030-01-01T00:00:00Z");
    case BTZ_FIELD_DURATION:
        return json_string("1h");
    case BTZ_FIELD_TEXTS:
        return json_pack("[s]", "x");
    case BTZ_FIELD_OBJECT:
        return json_object();
    default:
        break;
    }
    if (strcmp(f->name, "role") == 0)
        return json_string("viewer");
    if (strcmp(f->name, "user") == 0 || strcmp(f->name, "principal") == 0 ||
        strcmp(f->name, "subject") == 0)
        return json_string(target);
    if (strcmp(f->name, "group") == 0)
        return json_string("crowd");
    if (strcmp(f->name, "service") == 0)
        return json_string("robot");
    return json_string("something");
}

static json_t *input_with(const struct btz_operation *op, size_t field, json_t *value)
{
    json_t *in = json_object();

    for (size_t i = 0; i < op->field_count; i++)
        if (op->fields[i].required && i != field)
            json_object_set_new(in, op->fields[i].name, usual(&op->fields[i]));
    json_object_set_new(in, op->fields[field].name, value);
    return in;
}

static size_t rows(struct access_fixture *f, const char *operation)
{
    json_t *page = access_ok(f, &f->local, operation, json_pack("{s:i}", "limit", 500));
    size_t count = json_array_size(json_object_get(page, "items"));

    json_decref(page);
    return count;
}

/* What an attack may answer: no defect, no damaged store, and whatever it answers fits its schema. */
static void check(struct access_fixture *f, const struct btz_caller *caller,
                  const struct btz_operation *op, size_t field, json_t *value)
{
    json_t *in = input_with(op, field, value), *out = NULL;
    char *text = json_dumps(in, JSON_ENCODE_ANY), why[512];
    enum btz_err err = access_call(f, caller, op->id, NULL, in, &out);

    /* No disk has room for every size that can be said. */
    if (err == BTZ_IO && strcmp(op->id, "artifact.upload.check") == 0 &&
        strstr(f->detail, "too full"))
        err = BTZ_LIMIT;
    if (err == BTZ_INTERNAL || err == BTZ_IO || err == BTZ_UNREACHABLE)
        fail_msg("%s with %s: %s: %s", op->id, text, btz_err_name(err), f->detail);
    if (!btz_is_utf8(btz_str(f->detail)))
        fail_msg("%s with %s: the detail is not UTF-8", op->id, text);
    if (err == BTZ_OK && !f->approval[0] && !answer_fits(op, out, why, sizeof why))
        fail_msg("%s with %s: %s", op->id, text, why);
    json_decref(out);
    free(text);
}

static bool is_destructive(const struct btz_operation *op)
{
    return strcmp(op->id, "access.init") == 0 || strcmp(op->id, "user.delete") == 0 ||
           strncmp(op->id, "store.", 6) == 0 || strncmp(op->id, "seal.", 5) == 0 ||
           strncmp(op->id, "audit.", 6) == 0;
}

static void test_hostile_text_in_every_field(void **state)
{
    struct access_fixture f;
    struct btz_caller person;
    size_t before, checked = 0;

    (void)state;
    access_start(&f);
    person = access_person(&f, "target", NULL);
    snprintf(target, sizeof target, "%s", person.principal);
    access_person(&f, "root-admin", "admin");
    access_do(&f, &f.local, "service.create", json_pack("{s:s}", "name", "robot"));
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "crowd"));
    before = rows(&f, "group.list");
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        const struct btz_caller *caller =
            op->needs & BTZ_NEEDS_SESSION && !(op->needs & BTZ_NEEDS_PERMISSION) ? &person
                                                                                 : &f.local;

        if (is_destructive(op))
            continue;
        for (size_t field = 0; field < op->field_count; field++) {
            if (op->fields[field].kind == BTZ_FIELD_SECRET)
                continue;
            /* SQL always; of the others every fourth, so that the fields of an operation share them. */
            for (size_t h = 0; h < BTZ_COUNT(hostile); h++) {
                if (h >= SQL_COUNT && (h + field + i) % 4 != 0)
                    continue;
                checked++;
                check(&f, caller, op, field,
                      op->fields[field].kind == BTZ_FIELD_TEXTS ? json_pack("[s]", hostile[h])
                                                                : json_string(hostile[h]));
            }
            check(&f, caller, op, field, json_integer(INT64_MAX));
            check(&f, caller, op, field, json_real(0.5));
            check(&f, caller, op, field, json_pack("[[[]]]"));
            check(&f, caller, op, field, json_pack("{s:{s:s}}", "$ne", "x", "y"));
        }
    }
    print_message("%zu attacks\n", checked);
    /* Everything is still there: nothing was dropped, nobody was added who was not named so. */
    assert_true(rows(&f, "group.list") >= before);
    access_do(&f, &f.local, "user.get", json_pack("{s:s}", "user", target));
    for (size_t h = 0; h < BTZ_COUNT(hostile); h++)
        check(&f, &f.local, btz_operation_find("user.delete"), 0, json_string(hostile[h]));
    access_do(&f, &f.local, "user.get", json_pack("{s:s}", "user", "root-admin"));
    access_stop(&f);
}

/* Names that people cannot tell apart from others never become names. */
static void test_hostile_names(void **state)
{
    struct access_fixture f;

    (void)state;
    access_start(&f);
    for (size_t h = 0; h < BTZ_COUNT(hostile); h++) {
        bool plain =
            strspn(hostile[h], "0123456789abcdefghijklmnopqrstuvwxyz") == strlen(hostile[h]) &&
            hostile[h][0];

        if (strcmp(hostile[h], "NaN") == 0 || strncmp(hostile[h], "usr_", 4) == 0 || plain)
            continue;
        if (access_call(&f, &f.local, "user.create", NULL, json_pack("{s:s}", "name", hostile[h]),
                        NULL) == BTZ_OK)
            fail_msg("\"%s\" became a name", hostile[h]);
    }
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_checker),
        cmocka_unit_test(test_answers_fit_their_schemas),
        cmocka_unit_test(test_hostile_text_in_every_field),
        cmocka_unit_test(test_hostile_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
