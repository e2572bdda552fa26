/* Passkeys, issuers, bearer tokens and client certificates through btz_access_call, as browsers and services use them. */
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "signin_fixture.h"
#undef assert_ok
#define text_of jose_text_of
#include "authenticator.h"
#include "issuer.h"
#undef text_of

#define SETTINGS "origin: http://localhost\n"

/* ---- passkeys of a browser ---- */

static const char *challenge_of(const struct reply *r)
{
    static char text[64];
    const char *challenge =
        json_string_value(json_object_get(json_object_get(r->out, "public_key"), "challenge"));

    assert_non_null(challenge);
    snprintf(text, sizeof text, "%s", challenge);
    return text;
}

static size_t allowed(const struct reply *r)
{
    return json_array_size(
        json_object_get(json_object_get(r->out, "public_key"), "allowCredentials"));
}

/* A person with a password, signed in (to enrol or whole); the token of the session. */
static void signed_in(struct site *s, const char *name, char token[BTZ_TOKEN_TEXT])
{
    struct reply r;

    person(s, name);
    r = sign_in(s, name, PASSWORD);
    assert_int_equal(r.err, BTZ_OK);
    assert_true(r.token[0]);
    snprintf(token, BTZ_TOKEN_TEXT, "%s", r.token);
}

static void set_handle(struct authenticator *a, const char *principal)
{
    a->handle_len = strlen(principal);
    memcpy(a->handle, principal, a->handle_len);
}

/* Adds a passkey; the session's token changes. */
static struct reply add_passkey(struct site *s, char token[BTZ_TOKEN_TEXT], struct authenticator *a,
                                struct ceremony c)
{
    struct btz_caller who = session_of(s, token);
    struct reply r = ask_ok(s, who, "me.passkeys.options", json_object());
    char ticket[BTZ_TOKEN_TEXT];

    set_handle(a, who.principal);
    memcpy(ticket, r.ticket, sizeof ticket);
    c.challenge = challenge_of(&r);
    r = ask_as(s, who, "me.passkeys.add",
               json_pack("{s:s, s:s, s:o}", "ticket", ticket, "name", "laptop", "credential",
                         authenticator_create(a, &c)));
    if (r.token[0])
        memcpy(token, r.token, sizeof r.token);
    return r;
}

/* Signs in without a name; what is wrong is in the ceremony. */
static struct reply use_passkey(struct site *s, struct authenticator *a, json_t *how,
                                struct ceremony c)
{
    struct reply r = ask_ok(s, nobody(), "sign-in.passkey.options", how);
    char ticket[BTZ_TOKEN_TEXT];

    memcpy(ticket, r.ticket, sizeof ticket);
    if (!c.challenge)
        c.challenge = challenge_of(&r);
    return ask_as(
        s, nobody(), "sign-in.passkey",
        json_pack("{s:s, s:o}", "ticket", ticket, "credential", authenticator_get(a, &c)));
}

#define HONEST ((struct ceremony){ 0 })

static unsigned trail_count(struct site *s, const char *event, const char *verdict,
                            const char *operation);

static void test_passkey(void **state)
{
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT], id[64];
    struct btz_caller who;
    struct authenticator a;
    struct reply r;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    r = add_passkey(s, token, &a, HONEST);
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(text_of(&r, "algorithm"), "ES256");
    snprintf(id, sizeof id, "%s", text_of(&r, "id"));
    /* Password alone is not enough any more. */
    r = sign_in(s, "alice", PASSWORD);
    assert_string_equal(r.state, "second-factor");
    assert_string_equal(json_string_value(json_array_get(json_object_get(r.out, "methods"), 0)),
                        "passkey");
    /* Without a name: the passkey says who it is, and is two factors. */
    r = use_passkey(s, &a, json_object(), HONEST);
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "signed-in");
    who = session_of(s, r.token);
    assert_string_equal(who.name, "alice");
    assert_string_equal(who.method, "passkey");
    assert_int_equal(who.second_factor_ms, s->now_ms);
    /* With a name. */
    r = use_passkey(s, &a, json_pack("{s:s}", "user", "Alice"), HONEST);
    assert_int_equal(r.err, BTZ_OK);
    /* As the second factor. */
    r = sign_in(s, "alice", PASSWORD);
    r = use_passkey(s, &a, json_pack("{s:s}", "ticket", r.ticket),
                    (struct ceremony){ .flags = 0x01 });
    assert_int_equal(r.err, BTZ_OK);
    who = session_of(s, r.token);
    assert_string_equal(who.method, "password+passkey");
    /* Lists say what there is, renaming renames, removing removes. */
    r = ask_ok(s, who, "me.passkeys", json_object());
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 1);
    r = ask_ok(s, who, "me.passkeys.rename",
               json_pack("{s:s, s:s}", "passkey", id, "name", "phone"));
    assert_string_equal(text_of(&r, "name"), "phone");
    ask_ok(s, who, "me.passkeys.remove", json_pack("{s:s}", "passkey", id));
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_DENIED);
    r = sign_in(s, "alice", PASSWORD);
    assert_string_equal(r.state, "signed-in");
    /* Each of it is in the trail: two sign-ins with passwords alone (the first one and the last), three with a passkey. */
    assert_int_equal(trail_count(s, "sign-in", "allow", "sign-in.passkey"), 3);
    assert_int_equal(trail_count(s, "change", "allow", "me.passkeys.add"), 1);
    assert_int_equal(trail_count(s, "change", "allow", "me.passkeys.remove"), 1);
    /* Challenges that were handed out are no events. */
    assert_int_equal(trail_count(s, NULL, NULL, "sign-in.passkey.options"), 0);
    authenticator_release(&a);
    site_free(s);
}

/* Who must have a second factor and has none may add a passkey and nothing else, and is whole then. */
static void test_enrolling(void **state)
{
    struct site *s = site_new(SETTINGS "mfa_required: true\n");
    char token[BTZ_TOKEN_TEXT];
    struct authenticator a;
    struct reply r;
    (void)state;
    authenticator_init(&a, BTZ_COSE_EDDSA);
    signed_in(s, "alice", token);
    assert_true(session_of(s, token).enrolling);
    r = add_passkey(s, token, &a, HONEST);
    assert_int_equal(r.err, BTZ_OK);
    assert_false(session_of(s, token).enrolling);
    assert_string_equal(session_of(s, token).method, "password+passkey");
    /* The last factor of somebody who must have one stays. */
    r = ask_as(s, session_of(s, token), "me.passkeys.remove",
               json_pack("{s:s}", "passkey", text_of(&r, "id")));
    assert_int_equal(r.err, BTZ_CONFLICT);
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_OK);
    authenticator_release(&a);
    site_free(s);
}

static unsigned count_of(struct site *s, const char *sql)
{
    const char *text = value_of(s, sql, NULL, NULL);

    assert_non_null(text);
    return (unsigned)strtoul(text, NULL, 10);
}

static void test_passkey_lies(void **state)
{
    static const struct ceremony lies[] = {
        { .origin = "https://evil.example" },
        { .rp = "evil.example" },
        { .challenge = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" },
        { .type = "webauthn.create" },
        { .flags = -1 },
        { .flags = 0x01 }, /* alone it must verify the user */
        { .extra = ",\"crossOrigin\":true" },
        { .flags = 0x0D }, /* fit for backup, which it was not */
    };
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT], second[BTZ_TOKEN_TEXT], ticket[BTZ_TOKEN_TEXT], challenge[64];
    struct authenticator a, b, stranger;
    struct ceremony c;
    struct reply r;
    json_t *credential;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    authenticator_init(&b, BTZ_COSE_RS256);
    authenticator_init(&stranger, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    signed_in(s, "bob", second);
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    assert_int_equal(add_passkey(s, second, &b, HONEST).err, BTZ_OK);
    for (size_t i = 0; i < BTZ_COUNT(lies); i++) {
        r = use_passkey(s, &a, json_object(), lies[i]);
        if (r.err != BTZ_DENIED || r.token[0])
            fail_msg("lie %zu: %s", i, btz_err_name(r.err));
        assert_string_equal(r.detail, "the passkey is not accepted");
        s->now_ms += MINUTE;
    }
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_OK);
    /* Nobody knows it; or it says to be somebody else's, or nobody's. */
    set_handle(&stranger, session_of(s, token).principal);
    assert_int_equal(use_passkey(s, &stranger, json_object(), HONEST).err, BTZ_DENIED);
    set_handle(&b, session_of(s, token).principal);
    assert_int_equal(use_passkey(s, &b, json_object(), HONEST).err, BTZ_DENIED);
    b.handle_len = 0;
    assert_int_equal(use_passkey(s, &b, json_object(), HONEST).err, BTZ_DENIED);
    /* Bob's passkey for Alice's password, and Alice's name. */
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(use_passkey(s, &b, json_pack("{s:s}", "ticket", r.ticket), HONEST).err,
                     BTZ_DENIED);
    assert_int_equal(use_passkey(s, &b, json_pack("{s:s}", "user", "alice"), HONEST).err,
                     BTZ_DENIED);
    s->now_ms += MINUTE;
    /* The same answer twice: the ticket is used up, also by a wrong one. */
    r = ask_ok(s, nobody(), "sign-in.passkey.options", json_object());
    memcpy(ticket, r.ticket, sizeof ticket);
    snprintf(challenge, sizeof challenge, "%s", challenge_of(&r));
    c = (struct ceremony){ .challenge = challenge };
    credential = authenticator_get(&a, &c);
    r = ask_as(s, nobody(), "sign-in.passkey",
               json_pack("{s:s, s:O}", "ticket", ticket, "credential", credential));
    assert_int_equal(r.err, BTZ_OK);
    r = ask_as(s, nobody(), "sign-in.passkey",
               json_pack("{s:s, s:O}", "ticket", ticket, "credential", credential));
    assert_int_equal(r.err, BTZ_DENIED);
    /* Its challenge in another ticket, too. */
    r = ask_ok(s, nobody(), "sign-in.passkey.options", json_object());
    memcpy(ticket, r.ticket, sizeof ticket);
    r = ask_as(s, nobody(), "sign-in.passkey",
               json_pack("{s:s, s:o}", "ticket", ticket, "credential", credential));
    assert_int_equal(r.err, BTZ_DENIED);
    /* Five minutes are over. */
    r = ask_ok(s, nobody(), "sign-in.passkey.options", json_object());
    memcpy(ticket, r.ticket, sizeof ticket);
    snprintf(challenge, sizeof challenge, "%s", challenge_of(&r));
    s->now_ms += BTZ_TICKET_MS + 1;
    r = ask_as(s, nobody(), "sign-in.passkey",
               json_pack("{s:s, s:o}", "ticket", ticket, "credential", authenticator_get(&a, &c)));
    assert_int_equal(r.err, BTZ_DENIED);
    /* A disabled person. */
    ask_ok(s, local(s), "user.update",
           json_pack("{s:s, s:s}", "user", "alice", "status", "disabled"));
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_DENIED);
    authenticator_release(&a);
    authenticator_release(&b);
    authenticator_release(&stranger);
    site_free(s);
}

static void test_clone(void **state)
{
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT];
    struct authenticator a, copy;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    copy = a;
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_OK);
    assert_int_equal(trail_count(s, "alarm", NULL, NULL), 0);
    assert_int_equal(use_passkey(s, &copy, json_object(), HONEST).err, BTZ_DENIED);
    assert_int_equal(trail_count(s, "alarm", "deny", "sign-in.passkey"), 1);
    /* The owner goes on, since his counter does. */
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_OK);
    authenticator_release(&a);
    site_free(s);
}

static void test_registration(void **state)
{
    static const struct ceremony lies[] = { { .origin = "https://evil.example" },
                                            { .rp = "evil.example" },
                                            { .type = "webauthn.get" },
                                            { .flags = -1 },
                                            { .no_credential = true },
                                            { .format = "packed", .broken_statement = true } };
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT], second[BTZ_TOKEN_TEXT], ticket[BTZ_TOKEN_TEXT];
    struct authenticator a, b;
    struct ceremony c = { 0 };
    struct btz_caller alice, bob;
    struct reply r;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    authenticator_init(&b, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    signed_in(s, "bob", second);
    for (size_t i = 0; i < BTZ_COUNT(lies); i++) {
        r = add_passkey(s, token, &b, lies[i]);
        if (r.err != BTZ_DENIED)
            fail_msg("lie %zu: %s: %s", i, btz_err_name(r.err), r.detail);
    }
    assert_int_equal(count_of(s, "SELECT count(*) FROM passkeys"), 0);
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    /* Registered twice, by the same person and by another one. */
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_DENIED);
    assert_int_equal(add_passkey(s, second, &a, HONEST).err, BTZ_DENIED);
    assert_int_equal(count_of(s, "SELECT count(*) FROM passkeys"), 1);
    /* The ticket of one in the session of another. */
    alice = session_of(s, token);
    bob = session_of(s, second);
    r = ask_ok(s, alice, "me.passkeys.options", json_object());
    assert_int_equal(json_array_size(json_object_get(json_object_get(r.out, "public_key"),
                                                     "excludeCredentials")),
                     1);
    memcpy(ticket, r.ticket, sizeof ticket);
    c.challenge = challenge_of(&r);
    r = ask_as(s, bob, "me.passkeys.add",
               json_pack("{s:s, s:s, s:o}", "ticket", ticket, "name", "x", "credential",
                         authenticator_create(&b, &c)));
    assert_int_equal(r.err, BTZ_DENIED);
    /* Names of people that are not theirs. */
    r = ask_as(s, bob, "me.passkeys.remove",
               json_pack("{s:s}", "passkey", value_of(s, "SELECT id FROM passkeys", NULL, NULL)));
    assert_int_equal(r.err, BTZ_INPUT);
    assert_int_equal(count_of(s, "SELECT count(*) FROM passkeys"), 1);
    /* A session whose second factor is old must step up before it changes factors. */
    s->now_ms += 20 * MINUTE;
    r = ask_as(s, session_of(s, token), "me.passkeys.options", json_object());
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(r.step_up);
    authenticator_release(&a);
    authenticator_release(&b);
    site_free(s);
}

/* Who shows his passkey is named, as who shows a code is. */
static enum btz_err has_name(void *user, const struct btz_trail_record *r)
{
    unsigned *count = user;

    *count += json_object_get(r->entry, "name") != NULL;
    return BTZ_OK;
}

static unsigned named_step_ups(struct site *s)
{
    const struct btz_trail_filter f = { .operation = "step-up.passkey", .verdict = "allow" };
    struct btz_store *store;
    unsigned count = 0;

    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_trail_read(btz_access_trail(s->access), store, &f, has_name, &count, NULL));
    btz_access_store_back(s->access, store);
    return count;
}

static void test_step_up(void **state)
{
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT], other[BTZ_TOKEN_TEXT], ticket[BTZ_TOKEN_TEXT];
    struct authenticator a, b;
    struct ceremony c = { 0 };
    struct reply r;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES384);
    authenticator_init(&b, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    signed_in(s, "bob", other);
    assert_int_equal(ask_as(s, session_of(s, token), "step-up.passkey.options", json_object()).err,
                     BTZ_CONFLICT);
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    assert_int_equal(add_passkey(s, other, &b, HONEST).err, BTZ_OK);
    s->now_ms += 20 * MINUTE;
    /* Another person's passkey does not do. */
    r = ask_ok(s, session_of(s, token), "step-up.passkey.options", json_object());
    assert_int_equal(allowed(&r), 1);
    memcpy(ticket, r.ticket, sizeof ticket);
    c.challenge = challenge_of(&r);
    r = ask_as(s, session_of(s, token), "step-up.passkey",
               json_pack("{s:s, s:o}", "ticket", ticket, "credential", authenticator_get(&b, &c)));
    assert_int_equal(r.err, BTZ_DENIED);
    /* One's own does. */
    r = ask_ok(s, session_of(s, token), "step-up.passkey.options", json_object());
    memcpy(ticket, r.ticket, sizeof ticket);
    c.challenge = challenge_of(&r);
    r = ask_as(s, session_of(s, token), "step-up.passkey",
               json_pack("{s:s, s:o}", "ticket", ticket, "credential", authenticator_get(&a, &c)));
    assert_int_equal(r.err, BTZ_OK);
    assert_true(r.token[0]);
    assert_false(is_session(s, token));
    assert_int_equal(session_of(s, r.token).second_factor_ms, s->now_ms);
    assert_int_equal(named_step_ups(s), 1);
    /* A ticket of a sign-in is no ticket of a step-up. */
    memcpy(token, r.token, sizeof r.token);
    r = ask_ok(s, nobody(), "sign-in.passkey.options", json_object());
    memcpy(ticket, r.ticket, sizeof ticket);
    c.challenge = challenge_of(&r);
    r = ask_as(s, session_of(s, token), "step-up.passkey",
               json_pack("{s:s, s:o}", "ticket", ticket, "credential", authenticator_get(&a, &c)));
    assert_int_equal(r.err, BTZ_DENIED);
    authenticator_release(&a);
    authenticator_release(&b);
    site_free(s);
}

/* Names cannot be told apart by what the options say: strangers and people without passkeys get a decoy, always the same. */
static void test_enumeration(void **state)
{
    static const char *const names[] = { "alice", "bob", "nobody-here" };
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT], id[3][128];
    struct authenticator a;
    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    person(s, "bob");
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < BTZ_COUNT(names); i++) {
            struct reply r = ask_ok(s, nobody(), "sign-in.passkey.options",
                                    json_pack("{s:s}", "user", names[i]));
            const json_t *list =
                json_object_get(json_object_get(r.out, "public_key"), "allowCredentials");
            const char *text = json_string_value(json_object_get(json_array_get(list, 0), "id"));

            assert_in_range(json_array_size(list), 1, 3);
            assert_non_null(text);
            if (round)
                assert_string_equal(text, id[i]);
            snprintf(id[i], sizeof id[i], "%s", text);
        }
    assert_string_not_equal(id[1], id[2]);
    /* Alice's own passkey does not fit the name of nobody: else who has one could tell names apart. */
    assert_int_equal(use_passkey(s, &a, json_pack("{s:s}", "user", "nobody-here"), HONEST).err,
                     BTZ_DENIED);
    authenticator_release(&a);
    site_free(s);
}

/* What is invented differs in number and length as real ones do: of 300 names every form is there. */
static void test_decoys(void **state)
{
    struct site *s = site_new(SETTINGS);
    unsigned lengths[128] = { 0 }, counts[8] = { 0 };
    (void)state;
    for (int i = 0; i < 300; i++) {
        char name[32];
        struct reply r;
        const json_t *list, *one;
        size_t k;

        snprintf(name, sizeof name, "nobody-%d", i);
        r = ask_ok(s, nobody_at(i % 2 ? "192.0.2.8" : "192.0.2.9"), "sign-in.passkey.options",
                   json_pack("{s:s}", "user", name));
        list = json_object_get(json_object_get(r.out, "public_key"), "allowCredentials");
        assert_in_range(json_array_size(list), 1, 3);
        counts[json_array_size(list)]++;
        json_array_foreach(list, k, one)
            lengths[strlen(json_string_value(json_object_get(one, "id")))]++;
        s->now_ms += MINUTE;
    }
    assert_true(counts[1] > counts[2] && counts[2] > 0 && counts[3] > 0);
    /* Base64 of 16, 20, 32, 48 and 64 bytes, and of nothing else. */
    for (size_t i = 0; i < BTZ_COUNT(lengths); i++)
        assert_int_equal(lengths[i] > 0, i == 22 || i == 27 || i == 43 || i == 64 || i == 86);
    site_free(s);
}

/* ---- the trail ---- */

struct tally {
    const char *operation;
    unsigned count;
};

static enum btz_err tally_record(void *user, const struct btz_trail_record *r)
{
    struct tally *t = user;
    const char *operation = json_string_value(json_object_get(r->entry, "operation"));

    t->count += !t->operation || (operation && strcmp(operation, t->operation) == 0);
    return BTZ_OK;
}

static unsigned trail_count(struct site *s, const char *event, const char *verdict,
                            const char *operation)
{
    const struct btz_trail_filter f = { .event = event, .verdict = verdict };
    struct tally t = { operation, 0 };
    struct btz_store *store;

    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_trail_read(btz_access_trail(s->access), store, &f, tally_record, &t, NULL));
    btz_access_store_back(s->access, store);
    return t.count;
}

/* ---- issuers ---- */

#define ISSUER_SETTINGS                                                                            \
    "origin: https://bartizan.example\n"                                                           \
    "issuers:\n"                                                                                   \
    "  - name: corp\n"                                                                             \
    "    title: Corporation\n"                                                                     \
    "    url: " IDP "\n"                                                                           \
    "    client_id: " CLIENT "\n"                                                                  \
    "    client_secret: \"" SECRET "\"\n"                                                          \
    "    audience: https://bartizan.example/api\n"                                                 \
    "    algorithms: [ES256]\n"

struct federated {
    struct site *site;
    struct issuer issuer;
    struct btz_fetch fetch;
};

static void federated_open(struct federated *f, const char *more)
{
    const struct btz_conf_env env = { no_env, NULL };
    struct site *s = calloc(1, sizeof *s);
    struct btz_access_options o;
    const struct btz_yaml *root;
    char settings[4096];

    assert_non_null(s);
    f->site = s;
    btz_arena_init(&s->arena, 1u << 24);
    snprintf(settings, sizeof settings, "%s%s", ISSUER_SETTINGS, more);
    assert_ok(btz_yaml_parse(btz_str(settings), "test", &s->arena, &root));
    assert_ok(btz_conf_load(root, &btz_access_conf_struct, "test", &env, &s->arena, &s->conf));
    s->now_ms = UINT64_C(1790000000000);
    s->dir = make_folder();
    issuer_init(&f->issuer, BTZ_JOSE_ES256, s->now_ms / 1000);
    f->fetch = (struct btz_fetch){ issuer_fetch, &f->issuer };
    o = (struct btz_access_options){ .state_dir = s->dir,
                                     .conf = &s->conf,
                                     .fetch = &f->fetch,
                                     .now_ms = site_now,
                                     .clock_user = s };
    assert_ok(btz_access_open(&o, &s->access));
}

static void federated_close(struct federated *f)
{
    site_free(f->site);
    issuer_release(&f->issuer);
}

/* To the issuer and back; `change` is over what comes back. */
static struct reply by_issuer(struct federated *f, json_t *change)
{
    struct reply r = ask_ok(f->site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
    json_t *in;

    issuer_authorise(&f->issuer, btz_str(text_of(&r, "url")));
    in = json_pack("{s:s, s:s, s:s, s:s, s:s}", "issuer", "corp", "ticket", r.ticket, "state",
                   f->issuer.state, "code", f->issuer.code, "iss", IDP);
    overlay(in, change);
    json_decref(change);
    return ask_as(f->site, nobody(), "oidc.finish", in);
}

static void test_issuers(void **state)
{
    struct federated f;
    struct btz_caller who;
    struct reply r;
    (void)state;
    federated_open(&f, "");
    r = ask_ok(f.site, nobody(), "sign-in.issuers", json_object());
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(r.out, "items"), 0), "title")),
                        "Corporation");
    /* Nobody is linked, and users are not made by themselves. */
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    assert_int_equal(count_of(f.site, "SELECT count(*) FROM principals"), 0);
    /* The name alone opens nothing, though Alice exists. */
    ask_ok(f.site, local(f.site), "user.create", json_pack("{s:s}", "name", "alice"));
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    ask_ok(f.site, local(f.site), "identity.add",
           json_pack("{s:s, s:s, s:s}", "principal", "alice", "issuer", "corp", "subject",
                     "248289761001"));
    r = by_issuer(&f, json_object());
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "signed-in");
    who = session_of(f.site, r.token);
    assert_string_equal(who.name, "alice");
    assert_string_equal(who.method, "oidc:corp");
    assert_int_equal(who.second_factor_ms, 0);
    /* An issuer's account belongs to one person. */
    ask_ok(f.site, local(f.site), "user.create", json_pack("{s:s}", "name", "bob"));
    r = ask_as(f.site, local(f.site), "identity.add",
               json_pack("{s:s, s:s, s:s}", "principal", "bob", "issuer", "corp", "subject",
                         "248289761001"));
    assert_int_equal(r.err, BTZ_CONFLICT);
    /* amr says mfa, and the settings do not believe it. */
    f.issuer.claims = json_pack("{s:[s]}", "amr", "mfa");
    r = by_issuer(&f, json_object());
    assert_int_equal(session_of(f.site, r.token).second_factor_ms, 0);
    /* Disabled, and unlinked. */
    ask_ok(f.site, local(f.site), "user.update",
           json_pack("{s:s, s:s}", "user", "alice", "status", "disabled"));
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    ask_ok(f.site, local(f.site), "user.update",
           json_pack("{s:s, s:s}", "user", "alice", "status", "active"));
    r = ask_ok(f.site, local(f.site), "identity.list", json_object());
    {
        const json_t *item = json_array_get(json_object_get(r.out, "items"), 0);

        ask_ok(f.site, local(f.site), "identity.remove",
               json_pack("{s:s}", "identity", json_string_value(json_object_get(item, "id"))));
    }
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    assert_int_equal(trail_count(f.site, "sign-in", "allow", "oidc.finish"), 2);
    assert_true(trail_count(f.site, "sign-in", "deny", "oidc.finish") >= 4);
    federated_close(&f);
}

static void test_issuer_lies(void **state)
{
    static const char *const changes[] = {
        "{\"state\":\"other\"}",
        "{\"state\":null}",
        "{\"iss\":\"https://evil.example\"}",
        "{\"iss\":null}",
        "{\"code\":\"other\"}",
        "{\"code\":null}",
        "{\"error\":\"access_denied\"}",
        "{\"ticket\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"
    };
    struct federated f;
    struct reply first, r;
    char ticket[BTZ_TOKEN_TEXT], state_text[64], code[80];
    (void)state;
    federated_open(&f, "    create_users: true\n");
    for (size_t i = 0; i < BTZ_COUNT(changes); i++) {
        json_t *change = NULL;

        assert_ok(btz_json_parse(btz_str(changes[i]), 4096, "test", &change));
        r = by_issuer(&f, change);
        if (r.err != BTZ_DENIED)
            fail_msg("%s: %s", changes[i], btz_err_name(r.err));
        assert_false(r.token[0]);
    }
    assert_int_equal(count_of(f.site, "SELECT count(*) FROM principals"), 0);
    /* The attacker's answer in the victim's browser: another ticket, so another state. */
    first = ask_ok(f.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
    issuer_authorise(&f.issuer, btz_str(text_of(&first, "url")));
    snprintf(state_text, sizeof state_text, "%s", f.issuer.state);
    snprintf(code, sizeof code, "%s", f.issuer.code);
    r = ask_ok(f.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
    memcpy(ticket, r.ticket, sizeof ticket);
    r = ask_as(f.site, nobody(), "oidc.finish",
               json_pack("{s:s, s:s, s:s, s:s, s:s}", "issuer", "corp", "ticket", ticket, "state",
                         state_text, "code", code, "iss", IDP));
    assert_int_equal(r.err, BTZ_DENIED);
    assert_int_equal(f.issuer.exchanges, 1); /* "code":"other" above; this one never left */
    /* An answer twice. */
    first = ask_ok(f.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
    memcpy(ticket, first.ticket, sizeof ticket);
    issuer_authorise(&f.issuer, btz_str(text_of(&first, "url")));
    for (int n = 0; n < 2; n++) {
        char again[80];

        snprintf(again, sizeof again, "code-%s", f.issuer.challenge);
        memcpy(f.issuer.code, again, sizeof again); /* an issuer that takes codes twice */
        r = ask_as(f.site, nobody(), "oidc.finish",
                   json_pack("{s:s, s:s, s:s, s:s, s:s}", "issuer", "corp", "ticket", ticket,
                             "state", f.issuer.state, "code", again, "iss", IDP));
        assert_int_equal(r.err, n ? BTZ_DENIED : BTZ_OK);
    }
    /* Nobody of that name. */
    r = ask_as(f.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "evil"));
    assert_int_equal(r.err, BTZ_INPUT);
    f.issuer.down = true;
    f.site->now_ms += 2 * DAY;
    r = ask_as(f.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
    assert_true(r.err == BTZ_OK || r.err == BTZ_UNREACHABLE);
    federated_close(&f);
}

static bool is_member(struct site *s, const char *person, const char *group)
{
    return value_of(s,
                    "SELECT 1 FROM members m JOIN principals p ON p.id = m.principal_id JOIN "
                    "groups g ON g.id = "
                    "m.group_id WHERE p.name = ? AND g.name = ?",
                    person, group) != NULL;
}

static void test_first_sign_in(void **state)
{
    struct federated f;
    struct reply r;
    (void)state;
    federated_open(&f, "    create_users: true\n"
                       "    second_factor: true\n"
                       "    maps:\n"
                       "      - {claim: groups, value: ml-team, group: engineers}\n"
                       "      - {claim: groups, value: ops-team, group: operators}\n");
    ask_ok(f.site, local(f.site), "group.create", json_pack("{s:s}", "name", "engineers"));
    ask_ok(f.site, local(f.site), "group.create", json_pack("{s:s}", "name", "operators"));
    f.issuer.claims =
        json_pack("{s:[s,s], s:[s], s:s, s:b, s:s}", "groups", "ml-team", "other", "amr", "mfa",
                  "email", "alice@corp.example", "email_verified", 1, "name", "Alice A.");
    r = by_issuer(&f, json_object());
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(session_of(f.site, r.token).name, "alice");
    assert_int_equal(session_of(f.site, r.token).second_factor_ms, f.site->now_ms);
    assert_string_equal(
        value_of(f.site, "SELECT email FROM principals WHERE name = ?", "alice", NULL),
        "alice@corp.example");
    assert_true(is_member(f.site, "alice", "engineers"));
    assert_false(is_member(f.site, "alice", "operators"));
    /* The claims change, so do the groups. */
    json_object_set_new(f.issuer.claims, "groups", json_pack("[s]", "ops-team"));
    r = by_issuer(&f, json_object());
    assert_int_equal(r.err, BTZ_OK);
    assert_false(is_member(f.site, "alice", "engineers"));
    assert_true(is_member(f.site, "alice", "operators"));
    assert_int_equal(count_of(f.site, "SELECT count(*) FROM principals"), 1);
    /* Another subject with a name that is taken, with none, with one that is not allowed. */
    json_object_set_new(f.issuer.claims, "sub", json_string("another"));
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    json_object_set_new(f.issuer.claims, "preferred_username", json_string("../x y"));
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    json_object_set_new(f.issuer.claims, "preferred_username", json_null());
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_DENIED);
    assert_int_equal(count_of(f.site, "SELECT count(*) FROM principals"), 1);
    /* An address that the issuer did not verify is not kept. */
    json_object_set_new(f.issuer.claims, "preferred_username", json_string("Carol"));
    json_object_set_new(f.issuer.claims, "email_verified", json_false());
    assert_int_equal(by_issuer(&f, json_object()).err, BTZ_OK);
    assert_null(value_of(f.site, "SELECT email FROM principals WHERE name = ?", "carol", NULL));
    federated_close(&f);
}

/* Who has a second factor here needs it behind an issuer, too. */
static void test_issuer_then_passkey(void **state)
{
    struct federated f;
    struct authenticator a;
    char token[BTZ_TOKEN_TEXT];
    struct ceremony c = { .origin = "https://bartizan.example", .rp = "bartizan.example" };
    struct reply r;
    (void)state;
    federated_open(&f, "    create_users: true\n");
    authenticator_init(&a, BTZ_COSE_ES256);
    r = by_issuer(&f, json_object());
    memcpy(token, r.token, sizeof token);
    r = add_passkey(f.site, token, &a, c);
    assert_int_equal(r.err, BTZ_OK);
    r = by_issuer(&f, json_object());
    assert_string_equal(r.state, "second-factor");
    r = use_passkey(f.site, &a, json_pack("{s:s}", "ticket", r.ticket), c);
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(session_of(f.site, r.token).method, "oidc:corp+passkey");
    authenticator_release(&a);
    federated_close(&f);
}

/* ---- bearer tokens ---- */

static enum btz_err by_token(struct federated *f, const char *typ, const char *over,
                             struct btz_caller *who)
{
    json_t *claims =
        json_pack("{s:s, s:s, s:s, s:I}", "iss", IDP, "aud", "https://bartizan.example/api", "sub",
                  "svc-7", "exp", (json_int_t)(f->site->now_ms / 1000) + 60);
    enum btz_err err;
    char *token;

    json_decref(f->issuer.claims);
    assert_ok(btz_json_parse(btz_str(over), 4096, "test", &f->issuer.claims));
    f->issuer.typ = typ;
    token = issuer_token(&f->issuer, claims);
    *who = nobody();
    err = btz_caller_token(f->site->access, btz_str(token), who);
    free(token);
    return err;
}

static void test_tokens(void **state)
{
    struct federated f;
    struct btz_caller who;
    (void)state;
    federated_open(&f, "    second_factor: true\n");
    assert_int_equal(by_token(&f, "at+jwt", "{}", &who), BTZ_DENIED);
    assert_int_equal(who.kind, BTZ_CALLER_NOBODY);
    ask_ok(f.site, local(f.site), "service.create", json_pack("{s:s}", "name", "robot"));
    ask_ok(
        f.site, local(f.site), "identity.add",
        json_pack("{s:s, s:s, s:s}", "principal", "robot", "issuer", "corp", "subject", "svc-7"));
    assert_ok(by_token(&f, "at+jwt", "{}", &who));
    assert_int_equal(who.kind, BTZ_CALLER_TOKEN);
    assert_string_equal(who.name, "robot");
    assert_string_equal(who.method, "oidc:corp");
    assert_int_equal(who.second_factor_ms, 0);
    assert_ok(by_token(&f, "at+jwt", "{\"amr\":[\"mfa\"],\"auth_time\":1789999990}", &who));
    assert_int_equal(who.second_factor_ms, UINT64_C(1789999990000));
    /* From the future it is from now. */
    assert_ok(by_token(&f, "at+jwt", "{\"amr\":[\"mfa\"],\"auth_time\":1890000000}", &who));
    assert_int_equal(who.second_factor_ms, f.site->now_ms);
    assert_int_equal(by_token(&f, "JWT", "{}", &who), BTZ_DENIED);
    assert_int_equal(by_token(&f, "at+jwt", "{\"aud\":\"" CLIENT "\"}", &who), BTZ_DENIED);
    assert_int_equal(by_token(&f, "at+jwt", "{\"iss\":\"https://evil.example\"}", &who),
                     BTZ_DENIED);
    assert_int_equal(by_token(&f, "at+jwt", "{\"sub\":\"svc-8\"}", &who), BTZ_DENIED);
    assert_string_equal(btz_error_detail(), "not accepted");
    who = nobody();
    assert_int_equal(btz_caller_token(f.site->access, btz_str("garbage"), &who), BTZ_DENIED);
    assert_int_equal(btz_caller_token(f.site->access, btz_str(""), &who), BTZ_DENIED);
    assert_true(trail_count(f.site, "refusal", "deny", NULL) >= 6);
    ask_ok(f.site, local(f.site), "service.update",
           json_pack("{s:s, s:s}", "service", "robot", "status", "disabled"));
    assert_int_equal(by_token(&f, "at+jwt", "{}", &who), BTZ_DENIED);
    /* What belongs to somebody goes with him. */
    ask_ok(f.site, local(f.site), "service.delete", json_pack("{s:s}", "service", "robot"));
    assert_int_equal(count_of(f.site, "SELECT count(*) FROM identities"), 0);
    federated_close(&f);
}

/* ---- client certificates ---- */

struct cert_kind {
    const char *san, *usage;
    bool ca;
    long from_s, until_s; /* from now */
};

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static char *make_certificate(const struct site *s, struct cert_kind k)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    time_t now = (time_t)(s->now_ms / 1000);
    char *text, *out;
    long len;

    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_time_adj_ex(X509_getm_notBefore(x), 0, k.from_s, &now);
    X509_time_adj_ex(X509_getm_notAfter(x), 0, k.until_s ? k.until_s : 86400, &now);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"robot", -1, -1, 0);
    X509_set_pubkey(x, key);
    if (k.ca)
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    if (k.usage)
        add_extension(x, NID_ext_key_usage, k.usage);
    if (k.san)
        add_extension(x, NID_subject_alt_name, k.san);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    len = BIO_get_mem_data(bio, &text);
    out = strndup(text, (size_t)len);
    BIO_free(bio);
    X509_free(x);
    EVP_PKEY_free(key);
    return out;
}

static enum btz_err by_cert(struct site *s, const char *pem, struct btz_caller *who)
{
    *who = nobody();
    return btz_caller_cert(s->access, btz_str(pem), who);
}

static void test_certificates(void **state)
{
    struct site *s = site_new(SETTINGS);
    char *mine = make_certificate(
             s, (struct cert_kind){ .usage = "clientAuth", .san = "DNS:robot.example" }),
         *renewed = make_certificate(
             s, (struct cert_kind){ .usage = "clientAuth", .san = "DNS:robot.example" }),
         *other = make_certificate(
             s,
             (struct cert_kind){ .san = "DNS:other.example,email:x@y.example,URI:spiffe://x/y" });
    struct btz_caller who;
    struct reply r;
    (void)state;
    ask_ok(s, local(s), "service.create", json_pack("{s:s}", "name", "robot"));
    assert_int_equal(by_cert(s, mine, &who), BTZ_DENIED);
    r = ask_ok(s, local(s), "certificate.add",
               json_pack("{s:s, s:s}", "principal", "robot", "certificate", mine));
    assert_string_equal(text_of(&r, "kind"), "fingerprint");
    assert_ok(by_cert(s, mine, &who));
    assert_int_equal(who.kind, BTZ_CALLER_CERT);
    assert_string_equal(who.name, "robot");
    assert_string_equal(who.method, "mtls");
    assert_true(who.client_cert);
    assert_int_equal(who.second_factor_ms, 0);
    /* The renewed one has the name and not the fingerprint. */
    assert_int_equal(by_cert(s, renewed, &who), BTZ_DENIED);
    ask_ok(s, local(s), "certificate.add",
           json_pack("{s:s, s:s}", "principal", "robot", "san", "dns:robot.example"));
    assert_ok(by_cert(s, renewed, &who));
    assert_int_equal(by_cert(s, other, &who), BTZ_DENIED);
    assert_int_equal(who.kind, BTZ_CALLER_NOBODY);
    ask_ok(s, local(s), "certificate.add",
           json_pack("{s:s, s:s}", "principal", "robot", "san", "uri:spiffe://x/y"));
    assert_ok(by_cert(s, other, &who));
    assert_int_equal(ask_as(s, local(s), "certificate.add",
                            json_pack("{s:s, s:s}", "principal", "robot", "certificate", mine))
                         .err,
                     BTZ_CONFLICT);
    r = ask_ok(s, local(s), "certificate.list", json_object());
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 3);
    ask_ok(
        s, local(s), "certificate.remove",
        json_pack("{s:s}", "id",
                  value_of(s, "SELECT id FROM client_certs WHERE kind = ?", "fingerprint", NULL)));
    assert_ok(by_cert(s, mine, &who)); /* by its name */
    ask_ok(s, local(s), "service.update",
           json_pack("{s:s, s:s}", "service", "robot", "status", "disabled"));
    assert_int_equal(by_cert(s, mine, &who), BTZ_DENIED);
    free(mine);
    free(renewed);
    free(other);
    site_free(s);
}

/* A certificate beside a key or session says something about its owner alone. */
static void test_certificates_of_others(void **state)
{
    struct site *s = site_new(SETTINGS);
    char *alices = make_certificate(s, (struct cert_kind){ .usage = "clientAuth" }),
         *bobs = make_certificate(s, (struct cert_kind){ .usage = "clientAuth" }),
         *nobodys = make_certificate(s, (struct cert_kind){ .usage = "clientAuth" }), *both[2];
    static const char *const names[] = { "alice", "bob" };
    struct btz_caller who = nobody();
    char id[BTZ_ID_TEXT];
    (void)state;
    both[0] = alices;
    both[1] = bobs;
    for (size_t i = 0; i < 2; i++) {
        ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", names[i]));
        ask_ok(s, local(s), "certificate.add",
               json_pack("{s:s, s:s}", "principal", names[i], "certificate", both[i]));
    }
    id_of(s, "alice", id);
    who.kind = BTZ_CALLER_SESSION;
    snprintf(who.principal, sizeof who.principal, "%s", id);
    assert_ok(btz_caller_own_cert(s->access, btz_str(alices), &who));
    assert_true(who.client_cert);
    assert_ok(btz_caller_own_cert(s->access, btz_str(bobs), &who));
    assert_false(who.client_cert);
    assert_string_equal(who.principal, id);
    assert_ok(btz_caller_own_cert(s->access, btz_str(nobodys), &who));
    assert_false(who.client_cert);
    assert_ok(btz_caller_own_cert(s->access, btz_str("nonsense"), &who));
    assert_false(who.client_cert);
    ask_ok(s, local(s), "certificate.remove",
           json_pack("{s:s}", "id",
                     value_of(s, "SELECT id FROM client_certs WHERE principal = ?", id, NULL)));
    assert_ok(btz_caller_own_cert(s->access, btz_str(alices), &who));
    assert_false(who.client_cert);
    /* Out of date. */
    id_of(s, "bob", who.principal);
    assert_ok(btz_caller_own_cert(s->access, btz_str(bobs), &who));
    assert_true(who.client_cert);
    s->now_ms += 2 * DAY;
    assert_ok(btz_caller_own_cert(s->access, btz_str(bobs), &who));
    assert_false(who.client_cert);
    free(alices);
    free(bobs);
    free(nobodys);
    site_free(s);
}

static void test_bad_certificates(void **state)
{
    struct site *s = site_new(SETTINGS);
    static const struct cert_kind kinds[] = {
        { .usage = "serverAuth", .san = "DNS:robot.example" },
        { .ca = true, .san = "DNS:robot.example" },
        { .from_s = 3600, .san = "DNS:robot.example" },
        { .from_s = -7200, .until_s = -3600, .san = "DNS:robot.example" },
    };
    static const char *const texts[] = {
        "", "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
         "AES-128-CBC,00000000000000000000000000000000\n\nAAAA\n-----END CERTIFICATE-----\n")
    };
    static const char *const sans[] = { "robot.example", "dns:", "dns:*.example", "ip:1.2.3.4",
                                        "dns:a b" };
    struct btz_caller who;
    (void)state;
    ask_ok(s, local(s), "service.create", json_pack("{s:s}", "name", "robot"));
    ask_ok(s, local(s), "certificate.add",
           json_pack("{s:s, s:s}", "principal", "robot", "san", "dns:robot.example"));
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++) {
        char *pem = make_certificate(s, kinds[i]);

        if (by_cert(s, pem, &who) != BTZ_DENIED)
            fail_msg("certificate %zu", i);
        assert_int_equal(ask_as(s, local(s), "certificate.add",
                                json_pack("{s:s, s:s}", "principal", "robot", "certificate", pem))
                             .err,
                         BTZ_USAGE);
        free(pem);
    }
    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        assert_int_equal(by_cert(s, texts[i], &who), BTZ_DENIED);
    for (size_t i = 0; i < BTZ_COUNT(sans); i++)
        assert_int_equal(ask_as(s, local(s), "certificate.add",
                                json_pack("{s:s, s:s}", "principal", "robot", "san", sans[i]))
                             .err,
                         BTZ_USAGE);
    /* Cut anywhere it is refused, and nothing is read beyond its end. */
    {
        char *pem = make_certificate(s, (struct cert_kind){ .san = "DNS:robot.example" });
        size_t len = strlen(pem);
        struct btz_cert cert;

        for (size_t cut = 0; cut + 2 < len; cut += 3) {
            char *part = strndup(pem, cut);

            assert_int_not_equal(btz_cert_parse(btz_str(part), &cert), BTZ_OK);
            free(part);
        }
        assert_ok(btz_cert_parse(btz_str(pem), &cert));
        assert_string_equal(cert.subject, "CN=robot");
        assert_string_equal(cert.names[0], "dns:robot.example");
        free(pem);
    }
    site_free(s);
}

/* Ways into an account with administrative rights come from those who may give such rights. */
static void test_escalation(void **state)
{
    static const char policy[] = "policy: keepers\n"
                                 "roles:\n"
                                 "  keykeeper:\n"
                                 "    rules:\n"
                                 "      - id: keys\n"
                                 "        effect: allow\n"
                                 "        actions: [key.write, user.write]\n"
                                 "        resources: [\"*\"]\n";
    struct federated f;
    struct btz_caller keeper = { .kind = BTZ_CALLER_SESSION };
    struct site *s;
    struct reply r;
    (void)state;
    federated_open(&f, "");
    s = f.site;
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "root-admin"));
    ask_ok(s, local(s), "binding.create",
           json_pack("{s:s, s:s}", "role", "admin", "subject", "root-admin"));
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "plain"));
    r = ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "keeper"));
    snprintf(keeper.principal, sizeof keeper.principal, "%s", text_of(&r, "id"));
    snprintf(keeper.name, sizeof keeper.name, "keeper");
    keeper.second_factor_ms = s->now_ms;
    ask_ok(s, local(s), "policy.put", json_pack("{s:s, s:s}", "policy", "keepers", "text", policy));
    ask_ok(s, local(s), "binding.create",
           json_pack("{s:s, s:s}", "role", "keykeeper", "subject", "keeper"));
    r = ask_as(s, keeper, "certificate.add",
               json_pack("{s:s, s:s}", "principal", "plain", "san", "dns:plain.example"));
    assert_int_equal(r.err, BTZ_OK);
    r = ask_as(s, keeper, "certificate.add",
               json_pack("{s:s, s:s}", "principal", "root-admin", "san", "dns:x.example"));
    assert_int_equal(r.err, BTZ_DENIED);
    r = ask_as(
        s, keeper, "identity.add",
        json_pack("{s:s, s:s, s:s}", "principal", "root-admin", "issuer", "corp", "subject", "1"));
    assert_int_equal(r.err, BTZ_DENIED);
    /* Without a fresh second factor nothing at all. */
    keeper.second_factor_ms = 0;
    r = ask_as(s, keeper, "certificate.add",
               json_pack("{s:s, s:s}", "principal", "plain", "san", "dns:y.example"));
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(r.step_up);
    federated_close(&f);
}

/* ---- floods ---- */

static enum btz_err count_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(int64_t *)user = v[0].i;
    return BTZ_OK;
}

static int64_t challenges(struct btz_store *store)
{
    int64_t count = 0;

    assert_int_equal(btz_store_query(store,
                                     "SELECT count(*) FROM tickets WHERE kind = 'passkey-sign-in'",
                                     NULL, 0, count_row, &count),
                     BTZ_OK);
    return count;
}

/* Strangers may ask for challenges without end: the old ones go, and whoever signs in meanwhile is not held up. */
static void test_flood(void **state)
{
    struct site *s = site_new(SETTINGS);
    char token[BTZ_TOKEN_TEXT];
    struct authenticator a;
    struct btz_store *store;
    int asked = 0;

    (void)state;
    authenticator_init(&a, BTZ_COSE_ES256);
    signed_in(s, "alice", token);
    assert_int_equal(add_passkey(s, token, &a, HONEST).err, BTZ_OK);
    assert_int_equal(btz_access_store(s->access, &store), BTZ_OK);
    assert_int_equal(btz_store_begin(store), BTZ_OK);
    for (int64_t i = 0; i < 30000; i++) {
        const struct btz_value row[] = { btz_value_blob(&i, sizeof i),
                                         btz_value_int((int64_t)s->now_ms + 1000) };

        assert_int_equal(btz_store_run(store,
                                       "INSERT INTO tickets (hash, kind, expires_ms, used, "
                                       "failures) VALUES (?, 'passkey-sign-in', ?, 0, 0)",
                                       row, 2, NULL),
                         BTZ_OK);
    }
    assert_int_equal(btz_store_commit(store), BTZ_OK);
    assert_int_equal(challenges(store), 30000);
    while (challenges(store) > 20001 && asked++ < 3000)
        ask_ok(s, nobody(), "sign-in.passkey.options", json_object());
    print_message("# %d challenges until the old ones went\n", asked);
    assert_true(challenges(store) <= 20001);
    btz_access_store_back(s->access, store);
    assert_int_equal(use_passkey(s, &a, json_object(), HONEST).err, BTZ_OK);
    authenticator_release(&a);
    site_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passkey),
        cmocka_unit_test(test_enrolling),
        cmocka_unit_test(test_passkey_lies),
        cmocka_unit_test(test_clone),
        cmocka_unit_test(test_registration),
        cmocka_unit_test(test_step_up),
        cmocka_unit_test(test_enumeration),
        cmocka_unit_test(test_decoys),
        cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_issuer_lies),
        cmocka_unit_test(test_first_sign_in),
        cmocka_unit_test(test_issuer_then_passkey),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_certificates_of_others),
        cmocka_unit_test(test_bad_certificates),
        cmocka_unit_test(test_escalation),
        cmocka_unit_test(test_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
