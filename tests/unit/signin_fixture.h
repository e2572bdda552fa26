/* An installation in a temporary folder with a clock that the test sets; people, and what they send. */
#ifndef BTZ_TEST_SIGNIN_FIXTURE_H
#define BTZ_TEST_SIGNIN_FIXTURE_H

#include "ledger_fixture.h"

#include "access/signin.h"

#define PASSWORD "correct horse battery"
#define MINUTE   UINT64_C(60000)
#define HOUR     (60 * MINUTE)
#define DAY      (24 * HOUR)

struct site {
    struct btz_access *access;
    struct btz_access_conf conf;
    struct btz_arena arena;
    uint64_t now_ms;
    char *dir;
};

static inline uint64_t site_now(void *user)
{
    return ((struct site *)user)->now_ms;
}

static inline const char *no_env(void *user, const char *name)
{
    (void)user;
    (void)name;
    return NULL;
}

static inline void site_open(struct site *s)
{
    const struct btz_access_options o = {
        .state_dir = s->dir, .conf = &s->conf, .now_ms = site_now, .clock_user = s
    };

    assert_ok(btz_access_open(&o, &s->access));
}

/* `settings`: YAML of the section `access`. */
static inline struct site *site_new(const char *settings)
{
    const struct btz_conf_env env = { no_env, NULL };
    struct site *s = calloc(1, sizeof *s);
    const struct btz_yaml *root;

    assert_non_null(s);
    btz_arena_init(&s->arena, 1u << 24);
    assert_ok(btz_yaml_parse(btz_str(settings), "test", &s->arena, &root));
    assert_ok(btz_conf_load(root, &btz_access_conf_struct, "test", &env, &s->arena, &s->conf));
    s->now_ms = UINT64_C(1790000000000);
    s->dir = make_folder();
    site_open(s);
    return s;
}

static inline void site_reopen(struct site *s)
{
    btz_access_close(s->access);
    site_open(s);
}

static inline void site_free(struct site *s)
{
    btz_access_close(s->access);
    btz_arena_release(&s->arena);
    remove_tree(s->dir);
    free(s->dir);
    free(s);
}

/* ---- callers ---- */

static inline struct btz_caller nobody_at(const char *address)
{
    struct btz_caller c = { .kind = BTZ_CALLER_NOBODY };

    assert_ok(btz_address_parse(address, &c.address));
    c.address_text = address;
    c.user_agent = "test/1.0";
    c.request = "req-1";
    return c;
}

static inline struct btz_caller nobody(void)
{
    return nobody_at("192.0.2.7");
}

static inline struct btz_caller local(struct site *s)
{
    struct btz_caller c;

    assert_ok(btz_caller_local(s->access, "root", &c));
    return c;
}

static inline struct btz_caller session_of(struct site *s, const char *token)
{
    struct btz_caller c = nobody();

    assert_ok(btz_caller_session(s->access, btz_str(token), &c));
    return c;
}

static inline bool is_session(struct site *s, const char *token)
{
    struct btz_caller c = nobody();
    enum btz_err err = btz_caller_session(s->access, btz_str(token), &c);

    assert_true(err == BTZ_OK || err == BTZ_DENIED);
    return err == BTZ_OK;
}

/* ---- calls ---- */

struct reply {
    enum btz_err err;
    char token[BTZ_TOKEN_TEXT];  /* of a session; "" none */
    char ticket[BTZ_TOKEN_TEXT]; /* "" none */
    char state[32], detail[512];
    bool step_up, ended;
    json_t *out; /* borrowed until the next call */
};

/* `in` is taken. */
static inline struct reply ask_as(struct site *s, struct btz_caller caller, const char *operation,
                                  json_t *in)
{
    static json_t *kept;
    struct btz_arena arena;
    struct btz_call call = { .access = s->access,
                             .op = btz_operation_find(operation),
                             .caller = &caller,
                             .arena = &arena,
                             .in = in };
    struct reply r = { 0 };
    struct btz_slice text;

    assert_non_null(call.op);
    btz_arena_init(&arena, 1u << 26);
    r.err = btz_access_call(&call);
    snprintf(r.detail, sizeof r.detail, "%s", r.err == BTZ_OK ? "" : btz_error_detail());
    snprintf(r.token, sizeof r.token, "%s", call.set_session);
    r.step_up = call.needs_step_up;
    r.ended = call.end_session;
    json_decref(kept);
    kept = json_incref(call.out);
    r.out = kept;
    if (kept && btz_json_get_text(kept, "state", &text))
        snprintf(r.state, sizeof r.state, "%.*s", BTZ_SLICE_ARG(text));
    if (kept && btz_json_get_text(kept, "ticket", &text))
        snprintf(r.ticket, sizeof r.ticket, "%.*s", BTZ_SLICE_ARG(text));
    btz_call_release(&call);
    btz_arena_release(&arena);
    json_decref(in);
    return r;
}

static inline struct reply ask_ok(struct site *s, struct btz_caller caller, const char *operation,
                                  json_t *in)
{
    struct reply r = ask_as(s, caller, operation, in);

    if (r.err != BTZ_OK)
        fail_msg("%s: %s: %s", operation, btz_err_name(r.err), r.detail);
    return r;
}

static inline const char *text_of(const struct reply *r, const char *key)
{
    const char *text = json_string_value(json_object_get(r->out, key));

    assert_non_null(text);
    return text;
}

static inline struct reply sign_in_at(struct site *s, const char *address, const char *user,
                                      const char *password)
{
    return ask_as(s, nobody_at(address), "sign-in",
                  json_pack("{s:s,s:s}", "user", user, "password", password));
}

static inline struct reply sign_in(struct site *s, const char *user, const char *password)
{
    return sign_in_at(s, "192.0.2.7", user, password);
}

static inline struct reply with_code(struct site *s, const char *operation, const char *ticket,
                                     const char *code)
{
    return ask_as(s, nobody(), operation, json_pack("{s:s,s:s}", "ticket", ticket, "code", code));
}

/* ---- people ---- */

/* The token of an enrolment link. */
static inline void invite(struct site *s, const char *user, char token[BTZ_TOKEN_TEXT])
{
    struct reply r = ask_ok(s, local(s), "user.invite", json_pack("{s:s}", "user", user));
    const char *link = text_of(&r, "link");

    assert_non_null(strchr(link, '#'));
    snprintf(token, BTZ_TOKEN_TEXT, "%s", strchr(link, '#') + 1);
}

static inline struct reply enrol(struct site *s, const char *token, const char *password)
{
    return ask_as(s, nobody(), "enrol",
                  json_pack("{s:s,s:s}", "token", token, "password", password));
}

/* A person with a password. */
static inline void person(struct site *s, const char *name)
{
    char token[BTZ_TOKEN_TEXT];
    struct reply r;

    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", name));
    invite(s, name, token);
    r = enrol(s, token, PASSWORD);
    assert_int_equal(r.err, BTZ_OK);
    ask_ok(s, session_of(s, r.token), "sign-out", json_object());
}

/* One value of the data base; the text is valid until the next call. */
static inline const char *value_of(struct site *s, const char *sql, const char *a, const char *b)
{
    static char text[1024];
    const struct btz_value values[] = { btz_value_str(a), btz_value_str(b) };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value *row;
    struct btz_store *store;

    btz_arena_init(&arena, 1u << 20);
    assert_ok(btz_access_store(s->access, &store));
    assert_ok(
        btz_store_one(store, sql, values, (size_t)(a != NULL) + (b != NULL), &arena, 1, &row));
    btz_access_store_back(s->access, store);
    if (!row || row[0].kind == BTZ_VALUE_NULL)
        return NULL;
    if (row[0].kind == BTZ_VALUE_INT)
        snprintf(text, sizeof text, "%" PRId64, row[0].i);
    else
        snprintf(text, sizeof text, "%.*s", BTZ_SLICE_ARG(row[0].bytes));
    return text;
}

static inline void change(struct site *s, const char *sql, const char *a, const char *b)
{
    const struct btz_value values[] = { btz_value_str(a), btz_value_str(b) };
    struct btz_store *store;

    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_store_begin(store));
    assert_ok(btz_store_run(store, sql, values, (size_t)(a != NULL) + (b != NULL), NULL));
    assert_ok(btz_store_commit(store));
    btz_access_store_back(s->access, store);
}

static inline void id_of(struct site *s, const char *name, char id[BTZ_ID_TEXT])
{
    snprintf(id, BTZ_ID_TEXT, "%s",
             value_of(s, "SELECT id FROM principals WHERE name = ?", name, NULL));
}

/* A role, by the table: whoever holds it must have a second factor. */
static inline void give_role(struct site *s, const char *name, const char *role)
{
    struct btz_store *store;
    char id[BTZ_ID_TEXT];

    id_of(s, name, id);
    change(s,
           "INSERT INTO bindings (id, role, subject, created_ms, created_by, kind) SELECT 'bnd_' "
           "|| id, ?, id, 0, 'test', 'normal' FROM principals WHERE id = ?",
           role, id);
    change(s, "UPDATE meta SET value = value + 1 WHERE name = 'generation'", NULL, NULL);
    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_access_publish(s->access, store));
    btz_access_store_back(s->access, store);
}

/* ---- authenticator apps ---- */

struct app {
    uint8_t secret[64];
    size_t len;
};

static inline void app_scan(struct app *app, const char *base32)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned bits = 0, count = 0;

    app->len = 0;
    for (; *base32; base32++) {
        bits = bits << 5 | (unsigned)(strchr(letters, *base32) - letters);
        count += 5;
        if (count >= 8) {
            count -= 8;
            app->secret[app->len++] = (uint8_t)(bits >> count);
        }
    }
    assert_int_equal(app->len, 20);
}

static inline const char *app_code(const struct app *app, uint64_t now_ms)
{
    static char code[16];
    uint32_t number;

    assert_ok(
        btz_hotp(btz_slice_of(app->secret, app->len), BTZ_OTP_SHA1, now_ms / 30000, 6, &number));
    snprintf(code, sizeof code, "%06u", number);
    return code;
}

/* A code that is wrong now and in the steps beside it. */
static inline const char *wrong_code(const struct app *app, uint64_t now_ms)
{
    static char code[16];

    for (unsigned n = 0;; n++) {
        bool right = false;

        snprintf(code, sizeof code, "%06u", n);
        for (uint64_t step = 0; step < 5; step++)
            right = right || strcmp(code, app_code(app, now_ms + 30000 * step - 60000)) == 0;
        if (!right)
            return code;
    }
}

/* Sets an app up in a session; the new token of the session goes into `token`. */
static inline void add_app(struct site *s, char token[BTZ_TOKEN_TEXT], struct app *app)
{
    struct reply r = ask_ok(s, session_of(s, token), "me.totp", json_object());

    app_scan(app, text_of(&r, "secret"));
    r = ask_ok(s, session_of(s, token), "me.totp.confirm",
               json_pack("{s:s}", "code", app_code(app, s->now_ms)));
    assert_int_equal(strlen(r.token), 43);
    memcpy(token, r.token, sizeof r.token);
}

/* Signs in with both factors, half a minute later so that the code is a new one. */
static inline struct reply sign_in_both(struct site *s, const char *user, const struct app *app)
{
    struct reply r;

    s->now_ms += 30000;
    r = sign_in(s, user, PASSWORD);
    if (r.err != BTZ_OK)
        fail_msg("sign-in: %s", r.detail);
    assert_string_equal(r.state, "second-factor");
    return with_code(s, "sign-in.totp", r.ticket, app_code(app, s->now_ms));
}

/* A person with password and app, signed in. */
static inline void person_with_app(struct site *s, const char *name, struct app *app,
                                   char token[BTZ_TOKEN_TEXT])
{
    struct reply r;

    person(s, name);
    r = sign_in(s, name, PASSWORD);
    assert_int_equal(r.err, BTZ_OK);
    memcpy(token, r.token, sizeof r.token);
    add_app(s, token, app);
}

#endif
