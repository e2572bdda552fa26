/*
 * What an attacker with few rights tries: the same thing spelt otherwise, a key that wants to be its owner, a proof for
 * somebody else, a wider key, a clock that runs backwards. The first tests go through every operation of the table, so
 * that one that is added later is tried too.
 */
#include "access_fixture.h"

#define ROLE(name, rules)                                                                          \
    "policy: " name "\nroles:\n  " name ":\n    about: test\n    rules:\n" rules
#define ALLOW(id, actions, resources)                                                              \
    "      - id: " id "\n        effect: allow\n        actions: [" actions "]\n"                  \
    "        resources: [" resources "]\n"
#define DENY(id, actions, resources)                                                               \
    "      - id: " id "\n        effect: deny\n        actions: [" actions "]\n"                   \
    "        resources: [" resources "]\n"

static void add_role(struct access_fixture *f, const char *name, const char *text)
{
    access_do(f, &f->local, "policy.put", json_pack("{s:s, s:s}", "policy", name, "text", text));
}

/* ---- every operation, every spelling ---- */

static const struct {
    const char *field, *target;
} about[] = {
    { "user", "alice" },       { "service", "alice-bot" },  { "principal", "alice" },
    { "group", "alice-team" }, { "policy", "alice-rules" },
};

static const char *target_of(const char *field)
{
    for (size_t i = 0; i < BTZ_COUNT(about); i++)
        if (strcmp(about[i].field, field) == 0)
            return about[i].target;
    return NULL;
}

static bool is_about_somebody(const struct btz_operation *op)
{
    for (size_t i = 0; i < op->field_count; i++)
        if (target_of(op->fields[i].name) && op->fields[i].place != BTZ_IN_QUERY)
            return (op->needs & BTZ_NEEDS_PERMISSION) != 0;
    return false;
}

static void spell(char *text, unsigned how)
{
    for (size_t i = 0; text[i]; i++)
        if (text[i] >= 'a' && text[i] <= 'z' && (how == 1 || (how == 2 && i % 2 == 0)))
            text[i] = (char)(text[i] - 'a' + 'A');
        else if (text[i] >= 'A' && text[i] <= 'Z' && how == 3)
            text[i] = (char)(text[i] - 'A' + 'a');
}
enum { AS_IT_IS, UPPER, MIXED, LOWER, SPELLINGS };

/* Id of what is called so; NULL where it has none. */
static const char *id_of(struct access_fixture *f, const char *field, const char *name)
{
    const char *op = strcmp(field, "group") == 0     ? "group.get"
                     : strcmp(field, "service") == 0 ? "service.get"
                                                     : "user.get";
    const char *key = strcmp(field, "principal") == 0 ? "user" : field;
    const char *id;
    json_t *out;

    if (strcmp(field, "policy") == 0)
        return NULL;
    out = access_ok(f, &f->local, op, json_pack("{s:s}", key, name));
    id = access_text(f, out, "id");
    json_decref(out);
    return id;
}

/* Whatever the operation needs, and the target in that spelling (by its id when it has one). NULL: cannot be. */
static json_t *input_of(struct access_fixture *f, const struct btz_operation *op, unsigned how,
                        bool by_id)
{
    json_t *in = json_object();
    char text[128];

    for (size_t i = 0; i < op->field_count; i++) {
        const struct btz_field *field = &op->fields[i];
        const char *name = target_of(field->name);
        const char *value = name && by_id ? id_of(f, field->name, name) : name;

        if (name && field->place != BTZ_IN_QUERY) {
            if (!value) {
                json_decref(in);
                return NULL;
            }
            snprintf(text, sizeof text, "%s", value);
            spell(text, how);
            json_object_set_new(in, field->name, json_string(text));
        } else if (field->required) {
            const char *given = field->choices                      ? field->choices[0]
                                : field->kind == BTZ_FIELD_DURATION ? "1h"
                                : field->kind == BTZ_FIELD_TIME     ? "2030-01-01T00:00:00Z"
                                : strcmp(field->name, "text") == 0
                                    ? ROLE("x", ALLOW("r", "user.read", "\"*\""))
                                    : "x";
            json_object_set_new(in, field->name, json_string(given));
        }
    }
    if (strcmp(op->id, "certificate.add") == 0)
        json_object_set_new(in, "san", json_string("dns:x.example"));
    return in;
}

static void furnish(struct access_fixture *f)
{
    access_person(f, "root-admin", "admin");
    access_person(f, "alice", "admin");
    access_service(f, "alice-bot", "admin");
    access_do(f, &f->local, "group.create", json_pack("{s:s}", "name", "alice-team"));
    access_do(f, &f->local, "binding.create",
              json_pack("{s:s, s:s}", "role", "admin", "subject", "group/alice-team"));
    add_role(f, "alice-rules", ROLE("alice-rules", ALLOW("r", "user.read", "\"*\"")));
}

static void each_spelling(struct access_fixture *f, const struct btz_caller *who,
                          void (*check)(struct access_fixture *f, const struct btz_operation *op,
                                        enum btz_err plain, enum btz_err err, const char *spelt),
                          size_t *tried)
{
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        enum btz_err plain, err;

        if (!is_about_somebody(op))
            continue;
        plain = access_call(f, who, op->id, NULL, input_of(f, op, AS_IT_IS, false), NULL);
        for (unsigned how = AS_IT_IS; how < 2 * SPELLINGS; how++) {
            json_t *in = input_of(f, op, how % SPELLINGS, how >= SPELLINGS);
            char spelt[512];
            char *dump;

            if (!in)
                continue;
            dump = json_dumps(in, JSON_COMPACT);
            snprintf(spelt, sizeof spelt, "%s", dump);
            free(dump);
            err = access_call(f, who, op->id, NULL, in, NULL);
            check(f, op, plain, err, spelt);
            (*tried)++;
        }
    }
}

/* A resource in the table that a deny is about stays denied. */
static bool is_denied(const struct btz_operation *op)
{
    static const char *const names[] = { "{user}", "{service}", "{group}", "{policy}",
                                         "{principal}" };

    for (size_t i = 0; op->resource && i < BTZ_COUNT(names); i++)
        if (strstr(op->resource, names[i]))
            return true;
    return false;
}

static void check_denied(struct access_fixture *f, const struct btz_operation *op,
                         enum btz_err plain, enum btz_err err, const char *spelt)
{
    (void)plain;
    if (is_denied(op) && err != BTZ_DENIED)
        fail_msg("%s %s: found %s (%s)", op->id, spelt, btz_err_name(err), f->detail);
}

static void test_a_deny_holds_in_every_spelling(void **state)
{
    struct access_fixture f;
    struct btz_caller wide;
    size_t tried = 0;

    (void)state;
    access_start(&f);
    furnish(&f);
    add_role(&f, "wide",
             ROLE("wide", ALLOW("all", "\"*\"", "\"*\"")
                              DENY("none", "\"*\"",
                                   "user/alice*, service/alice*, group/alice*, policy/alice*")));
    wide = access_person(&f, "wanda", "wide");
    each_spelling(&f, &wide, check_denied, &tried);
    print_message("%zu calls\n", tried);
    assert_true(tried > 100);
    /* What is new is asked for in the spelling it will have. */
    access_refused(&f, &wide, "user.create", json_pack("{s:s}", "name", "Alice-Y"), BTZ_DENIED);
    access_refused(&f, &wide, "service.create", json_pack("{s:s}", "name", "ALICE-Y"), BTZ_DENIED);
    access_refused(&f, &wide, "group.create", json_pack("{s:s}", "name", "aLICE-Y"), BTZ_DENIED);
    access_do(&f, &wide, "user.create", json_pack("{s:s}", "name", "Bob"));
    access_stop(&f);
}

/* Everything that makes an account one's own, of somebody who may not give an administrator's role. */
static void check_guarded(struct access_fixture *f, const struct btz_operation *op,
                          enum btz_err plain, enum btz_err err, const char *spelt)
{
    static const char *const takeover[] = {
        "user.update",  "user.delete",     "service.update",   "service.delete",
        "user.invite",  "user.reset-mfa",  "user.unlock",      "user.sign-out",
        "identity.add", "certificate.add", "group.member.add", "group.member.remove",
        "group.delete"
    };

    for (size_t i = 0; i < BTZ_COUNT(takeover); i++)
        if (strcmp(takeover[i], op->id) == 0 && err != BTZ_DENIED &&
            /* There is no issuer to link with. */
            !(strcmp(op->id, "identity.add") == 0 && err == BTZ_INPUT))
            fail_msg("%s %s: found %s (%s)", op->id, spelt, btz_err_name(err), f->detail);
    if (plain == BTZ_DENIED && err != BTZ_DENIED)
        fail_msg("%s %s: refused as it is written, found %s (%s)", op->id, spelt, btz_err_name(err),
                 f->detail);
}

#define HELPDESK                                                                                   \
    ROLE("helpdesk", ALLOW("people",                                                               \
                           "user.read, user.write, user.delete, service.write, service.delete, "   \
                           "group.read, group.write, group.delete, key.write",                     \
                           "\"*\""))

static void test_the_guard_holds_in_every_spelling(void **state)
{
    struct access_fixture f;
    struct btz_caller desk;
    size_t tried = 0;
    const char *id;
    json_t *key;

    (void)state;
    access_start(&f);
    furnish(&f);
    add_role(&f, "helpdesk", HELPDESK);
    desk = access_person(&f, "helen", "helpdesk");
    each_spelling(&f, &desk, check_guarded, &tried);
    /* With a key of a service as well: it shows no second factor at all. */
    id = access_service(&f, "desk", "helpdesk");
    key =
        access_ok(&f, &f.local, "key.create",
                  json_pack("{s:s, s:s, s:[s,s,s,s,s,s]}", "principal", id, "name", "k", "scopes",
                            "user.write user/*", "user.delete user/*", "service.write service/*",
                            "group.write group/*", "key.write key/*", "service.delete service/*"));
    desk = access_by_key(&f, json_string_value(json_object_get(key, "secret")));
    json_decref(key);
    each_spelling(&f, &desk, check_guarded, &tried);
    assert_true(tried > 200);
    access_refused(&f, &desk, "user.invite", json_pack("{s:s}", "user", "ALICE"), BTZ_DENIED);
    /* Who is not there is nobody to be invited. */
    access_refused(&f, &desk, "user.invite", json_pack("{s:s}", "user", "nobody"), BTZ_INPUT);
    assert_true(f.not_found);
    access_stop(&f);
}

/* A field that names somebody says so: admission could not find it otherwise. */
static void test_the_table_says_what_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];

        for (size_t k = 0; k < op->field_count; k++) {
            const struct btz_field *field = &op->fields[k];
            char hole[80];

            snprintf(hole, sizeof hole, "{%s}", field->name);
            if (target_of(field->name) && is_about_somebody(op) &&
                field->names == BTZ_NAMES_NOTHING && field->place != BTZ_IN_QUERY)
                fail_msg("%s: `%s` does not say what it names", op->id, field->name);
            if (strcmp(field->name, "name") == 0 && op->resource && strstr(op->resource, hole) &&
                field->names != BTZ_NAMES_NEW)
                fail_msg("%s: `name` is not what it will be kept as", op->id);
            if (strcmp(field->name, "name") == 0 && op->method &&
                strcmp(op->method, "PATCH") == 0 && op->resource && !op->renamed)
                fail_msg("%s gives a new name without asking", op->id);
        }
    }
}

/* ---- one's own account ---- */

static void test_a_key_does_not_become_its_owner(void **state)
{
    struct btz_caller alice, key;
    struct access_fixture f;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    alice = access_person(&f, "alice", "admin");
    key = access_key(&f, "alice", "user.write user/*", NULL);
    access_refused(&f, &key, "user.reset-mfa", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    access_refused(&f, &key, "user.invite", json_pack("{s:s}", "user", "alice"), BTZ_DENIED);
    access_refused(&f, &key, "user.invite", json_pack("{s:s}", "user", alice.principal),
                   BTZ_DENIED);
    access_refused(&f, &key, "user.update",
                   json_pack("{s:s, s:s}", "user", "alice", "email", "x@example.com"), BTZ_DENIED);
    /* What it is for it does. */
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "bob"));
    access_do(&f, &key, "user.invite", json_pack("{s:s}", "user", "bob"));
    /* Tokens and certificates are no person at a keyboard either; what they may give they may have. */
    add_role(&f, "helpdesk", HELPDESK);
    alice = access_person(&f, "helen", "helpdesk");
    for (enum btz_caller_kind kind = BTZ_CALLER_TOKEN; kind <= BTZ_CALLER_CERT; kind++) {
        alice.kind = kind;
        access_refused(&f, &alice, "user.invite", json_pack("{s:s}", "user", "helen"), BTZ_DENIED);
    }
    alice.kind = BTZ_CALLER_SESSION;
    access_do(&f, &alice, "user.invite", json_pack("{s:s}", "user", "helen"));
    access_stop(&f);
}

/* ---- proofs ---- */

#define CERT(who) json_pack("{s:s, s:s}", "principal", who, "san", "dns:" who ".example")

static void test_who_may_give_proofs(void **state)
{
    struct btz_caller maker, desk, key;
    struct access_fixture f;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    access_person(&f, "plain", "user");
    access_service(&f, "robot", "user");
    add_role(&f, "keymaker", ROLE("keymaker", ALLOW("keys", "key.read, key.write", "\"*\"")));
    maker = access_person(&f, "mark", "keymaker");
    /* Keys of services are his business, being somebody else is not. */
    access_do(&f, &maker, "certificate.add", CERT("robot"));
    access_refused(&f, &maker, "certificate.add", CERT("plain"), BTZ_DENIED);
    add_role(&f, "helpdesk", HELPDESK);
    desk = access_person(&f, "helen", "helpdesk");
    access_do(&f, &desk, "certificate.add", CERT("plain"));
    access_refused(&f, &desk, "certificate.add", CERT("root-admin"), BTZ_DENIED);
    /* An administrator's key with one scope has no other. */
    key = access_key(&f, "root-admin", "key.write key/*", NULL);
    access_refused(&f, &key, "certificate.add", CERT("plain"), BTZ_DENIED);
    access_refused(&f, &key, "certificate.add", CERT("root-admin"), BTZ_DENIED);
    /* Who is an administrator only at night, only for a part, or through a group, is one. */
    add_role(
        &f, "night",
        ROLE("night",
             ALLOW(
                 "r", "user.write, role.bind",
                 "\"*\"") "        when: {addresses: [\"198.51.100.0/24\"], client_cert: true}\n"));
    access_person(&f, "nina", "night");
    access_refused(&f, &desk, "certificate.add", CERT("nina"), BTZ_DENIED);
    access_person(&f, "paul", NULL);
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s, s:s}", "role", "admin", "subject", "paul", "resource",
                        "group/team-*"));
    access_refused(&f, &desk, "certificate.add", CERT("paul"), BTZ_DENIED);
    access_do(&f, &f.local, "group.create", json_pack("{s:s}", "name", "admins"));
    access_do(&f, &f.local, "binding.create",
              json_pack("{s:s, s:s}", "role", "admin", "subject", "group/admins"));
    access_person(&f, "gina", NULL);
    access_do(&f, &f.local, "group.member.add",
              json_pack("{s:s, s:s}", "group", "admins", "principal", "gina"));
    access_refused(&f, &desk, "certificate.add", CERT("gina"), BTZ_DENIED);
    access_stop(&f);
}

/* ---- keys of keys ---- */

static enum btz_err key_of(struct access_fixture *f, const struct btz_caller *who,
                           const char *scope)
{
    json_t *in = json_pack("{s:s, s:s}", "principal", "robot", "name", "k");

    if (scope)
        json_object_set_new(in, "scopes", json_pack("[s]", scope));
    return access_call(f, who, "key.create", NULL, in, NULL);
}

static void test_a_key_makes_no_wider_one(void **state)
{
    static const char *const within[] = { "model.invoke model/gpt-4o",
                                          "model.invoke model/gpt-*",
                                          "model.list model/*",
                                          "model.list *",
                                          "model.list",
                                          "key.write key/*" };
    static const char *const wider[] = { "model.invoke model/*",
                                         "model.invoke model/g*",
                                         "model.invoke",
                                         "model.* model/gpt-4o",
                                         "*",
                                         "tool.call tool/x" };
    struct btz_caller key, narrow;
    struct access_fixture f;
    json_t *made;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    add_role(&f, "wide", ROLE("wide", ALLOW("all", "\"*\"", "\"*\"")));
    access_service(&f, "robot", "wide");
    access_service(&f, "maker", "wide");
    made = access_ok(&f, &f.local, "key.create",
                     json_pack("{s:s, s:s, s:[s,s,s]}", "principal", "maker", "name", "k", "scopes",
                               "key.write key/*", "model.invoke model/gpt-*", "model.list"));
    key = access_by_key(&f, json_string_value(json_object_get(made, "secret")));
    json_decref(made);
    assert_int_equal(key_of(&f, &key, NULL), BTZ_DENIED);
    for (size_t i = 0; i < BTZ_COUNT(within); i++)
        if (key_of(&f, &key, within[i]) != BTZ_OK)
            fail_msg("%s: %s", within[i], f.detail);
    for (size_t i = 0; i < BTZ_COUNT(wider); i++)
        if (key_of(&f, &key, wider[i]) != BTZ_DENIED)
            fail_msg("%s: made, or %s", wider[i], f.detail);
    /* Nor by rotating one that is. */
    narrow = access_key(&f, "robot", NULL, NULL);
    access_refused(&f, &key, "key.rotate", json_pack("{s:s}", "key", narrow.key), BTZ_DENIED);
    narrow = access_key(&f, "robot", "model.read model/*", NULL);
    access_refused(&f, &key, "key.rotate", json_pack("{s:s}", "key", narrow.key), BTZ_DENIED);
    narrow = access_key(&f, "robot", "model.invoke model/gpt-4o", NULL);
    access_do(&f, &key, "key.rotate", json_pack("{s:s}", "key", narrow.key));
    access_stop(&f);
}

/* ---- names and ids ---- */

static void test_no_name_is_an_id(void **state)
{
    static const char *const kinds[] = { "user", "service", "group" };
    static const char *const words[] = { "self", "own", "me", "SELF", "Me" };
    struct btz_caller alice;
    struct access_fixture f;
    char id[64], operation[32];
    json_t *out;

    (void)state;
    access_start(&f);
    alice = access_person(&f, "alice", "user");
    snprintf(id, sizeof id, "%s", alice.principal);
    spell(id, LOWER);
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        snprintf(operation, sizeof operation, "%s.create", kinds[i]);
        access_refused(&f, &f.local, operation, json_pack("{s:s}", "name", id), BTZ_USAGE);
        access_refused(&f, &f.local, operation, json_pack("{s:s}", "name", alice.principal),
                       BTZ_USAGE);
        for (size_t w = 0; w < BTZ_COUNT(words); w++)
            access_refused(&f, &f.local, operation, json_pack("{s:s}", "name", words[w]),
                           BTZ_USAGE);
    }
    access_refused(&f, &f.local, "user.update",
                   json_pack("{s:s, s:s}", "user", "alice", "name", id), BTZ_USAGE);
    /* By id in any spelling, with nobody in the way. */
    access_do(&f, &f.local, "user.update",
              json_pack("{s:s, s:s}", "user", id, "email", "a@example.com"));
    out = access_ok(&f, &f.local, "user.get", json_pack("{s:s}", "user", alice.principal));
    assert_string_equal(json_string_value(json_object_get(out, "email")), "a@example.com");
    json_decref(out);
    /* Looking for such a name finds nothing, and is no mistake. */
    out = access_ok(&f, &f.local, "user.list", json_pack("{s:s}", "name", "me"));
    assert_int_equal(json_array_size(json_object_get(out, "items")), 0);
    json_decref(out);
    access_do(&f, &f.local, "user.list", json_pack("{s:s}", "prefix", "me"));
    access_stop(&f);
}

static void test_a_new_name_is_asked_for(void **state)
{
    static const struct {
        const char *kind, *create, *update;
    } kinds[] = { { "user", "user.create", "user.update" },
                  { "service", "service.create", "service.update" },
                  { "group", "group.create", "group.update" } };
    struct access_fixture f;
    struct btz_caller corner;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    add_role(&f, "corner",
             ROLE("corner", ALLOW("mine", "user.write, service.write, group.write",
                                  "user/team-*, service/team-*, group/team-*")));
    corner = access_person(&f, "cora", "corner");
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        access_do(&f, &corner, kinds[i].create,
                  json_pack("{s:o}", "name", json_sprintf("team-%s", kinds[i].kind)));
        access_refused(&f, &corner, kinds[i].update,
                       json_pack("{s:o, s:s}", kinds[i].kind,
                                 json_sprintf("team-%s", kinds[i].kind), "name", "ceo"),
                       BTZ_DENIED);
        access_do(&f, &corner, kinds[i].update,
                  json_pack("{s:o, s:o}", kinds[i].kind, json_sprintf("team-%s", kinds[i].kind),
                            "name", json_sprintf("Team-%s-2", kinds[i].kind)));
        access_do(&f, &corner, kinds[i].update,
                  json_pack("{s:o, s:s}", kinds[i].kind, json_sprintf("team-%s-2", kinds[i].kind),
                            "display_name", "D"));
    }
    access_stop(&f);
}

/* ---- asking about others ---- */

static void test_nobody_is_told_who_there_is(void **state)
{
    static const char *const names[] = { "ada", "nobody-at-all", "usr_01ARZ3NDEKTSV4RRFFQ69G5FAV" };
    static const char *const operations[] = { "decide", "explain" };
    struct access_fixture f;
    struct btz_caller alice;
    char first[1024] = "";

    (void)state;
    access_start(&f);
    access_person(&f, "ada", "auditor");
    alice = access_person(&f, "alice", "user");
    for (size_t o = 0; o < BTZ_COUNT(operations); o++)
        for (size_t i = 0; i < BTZ_COUNT(names); i++) {
            access_refused(&f, &alice, operations[o],
                           json_pack("{s:s, s:s, s:s}", "principal", names[i], "action",
                                     "model.invoke", "resource", "model/m"),
                           BTZ_DENIED);
            if (first[0])
                assert_string_equal(f.detail, first);
            snprintf(first, sizeof first, "%s", f.detail);
        }
    access_do(&f, &alice, "decide",
              json_pack("{s:s, s:s, s:s}", "principal", "ALICE", "action", "model.invoke",
                        "resource", "model/m"));
    access_stop(&f);
}

/* ---- elevation: whoever asked may have lost what he asked by ---- */

static void test_elevation_is_admitted_again(void **state)
{
    struct btz_caller alice, bob;
    struct access_fixture f;
    char id[BTZ_ID_TEXT];

    (void)state;
    access_start(&f);
    bob = access_person(&f, "bob", "admin");
    add_role(&f, "asker", ROLE("asker", ALLOW("ask", "elevation.request", "role/auditor")));
    alice = access_person(&f, "alice", "asker");
    access_do(&f, &alice, "elevation.request",
              json_pack("{s:s, s:s, s:s}", "role", "auditor", "duration", "1h", "reason", "r"));
    snprintf(id, sizeof id, "%s", f.approval);
    add_role(&f, "asker", ROLE("asker", ALLOW("ask", "elevation.request", "role/viewer")));
    access_refused(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id), BTZ_CONFLICT);
    access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
    add_role(&f, "asker", ROLE("asker", ALLOW("ask", "elevation.request", "role/auditor")));
    access_do(&f, &bob, "approval.approve", json_pack("{s:s}", "approval", id));
    access_do(&f, &alice, "user.list", json_object());
    access_stop(&f);
}

/* ---- a clock that runs backwards ---- */

static void give_for_an_hour(struct access_fixture *f, const char *who)
{
    char until[BTZ_TIME_TEXT];

    btz_time_format(f->now_ms + 3600000, until);
    access_do(f, &f->local, "binding.create",
              json_pack("{s:s, s:s, s:s}", "role", "auditor", "subject", who, "until", until));
}

static void test_the_clock_brings_nothing_back(void **state)
{
    struct btz_caller alice, bob, none = { .kind = BTZ_CALLER_NOBODY };
    static const uint64_t back[] = { 15000, 70000, 1800000, 40 * UINT64_C(86400000) };
    struct access_fixture f;
    const char *secret;
    json_t *key;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(back); i++)
        for (unsigned reopened = 0; reopened < 2; reopened++) {
            access_start(&f);
            access_person(&f, "root-admin", "admin");
            access_service(&f, "robot", "user");
            alice = access_person(&f, "alice", NULL);
            give_for_an_hour(&f, "alice");
            key = access_ok(
                &f, &f.local, "key.create",
                json_pack("{s:s, s:s, s:s}", "principal", "robot", "name", "k", "life", "1h"));
            secret = access_text(&f, key, "secret");
            json_decref(key);
            f.now_ms += 3590000;
            access_do(&f, &alice, "user.list", json_object());
            f.now_ms += 11000;
            access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
            assert_int_equal(btz_caller_key(f.access, btz_str(secret), &none), BTZ_DENIED);
            if (reopened) { /* what is kept on disk is some seconds behind */
                f.now_ms += 30000;
                access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
                access_reopen(&f);
                f.now_ms -= 30000;
            }
            f.now_ms -= back[i];
            assert_int_equal(btz_caller_key(f.access, btz_str(secret), &none), BTZ_DENIED);
            for (unsigned again = 0; again < 3; again++) {
                access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
                assert_int_equal(btz_caller_key(f.access, btz_str(secret), &none), BTZ_DENIED);
                f.now_ms += 25000;
            }
            /* Another change publishes everything anew. */
            bob = access_person(&f, "bob", NULL);
            give_for_an_hour(&f, "bob");
            access_do(&f, &bob, "user.list", json_object());
            access_refused(&f, &alice, "user.list", json_object(), BTZ_DENIED);
            /* And what is given now lasts as long as it says. */
            f.now_ms += 3599000;
            access_do(&f, &bob, "user.list", json_object());
            f.now_ms += 2000;
            access_refused(&f, &bob, "user.list", json_object(), BTZ_DENIED);
            access_stop(&f);
        }
}

/* An emergency is an hour, not an hour and the day by which the clock was wrong. */
static void test_the_clock_makes_nothing_longer(void **state)
{
    struct access_fixture f;
    struct btz_caller oscar;

    (void)state;
    access_start(&f);
    access_person(&f, "root-admin", "admin");
    oscar = access_person(&f, "oscar", "operator");
    access_do(&f, &oscar, "break-glass.use", json_pack("{s:s}", "reason", "fire"));
    f.now_ms += 600000;
    access_do(&f, &oscar, "binding.list", json_object());
    f.now_ms -= 86400000;
    access_do(&f, &oscar, "binding.list", json_object());
    f.now_ms += 49 * 60000;
    access_do(&f, &oscar, "binding.list", json_object());
    f.now_ms += 2 * 60000;
    access_refused(&f, &oscar, "binding.list", json_object(), BTZ_DENIED);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_deny_holds_in_every_spelling),
        cmocka_unit_test(test_the_guard_holds_in_every_spelling),
        cmocka_unit_test(test_the_table_says_what_is_named),
        cmocka_unit_test(test_a_key_does_not_become_its_owner),
        cmocka_unit_test(test_who_may_give_proofs),
        cmocka_unit_test(test_a_key_makes_no_wider_one),
        cmocka_unit_test(test_no_name_is_an_id),
        cmocka_unit_test(test_a_new_name_is_asked_for),
        cmocka_unit_test(test_nobody_is_told_who_there_is),
        cmocka_unit_test(test_elevation_is_admitted_again),
        cmocka_unit_test(test_the_clock_brings_nothing_back),
        cmocka_unit_test(test_the_clock_makes_nothing_longer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
