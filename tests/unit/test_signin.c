/* Signing in and one's own account, through btz_access_call on a temporary state. */
#include "signin_fixture.h"

#include <sodium.h>

/* ---- enrolment ---- */

static void test_enrolment(void **state)
{
    struct site *s = site_new("{}");
    char link[BTZ_TOKEN_TEXT], older[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "alice"));
    /* Nobody signs in to an account that has no password yet. */
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_DENIED);
    invite(s, "alice", older);
    invite(s, "alice", link);
    r = ask_as(s, nobody(), "enrol.check", json_pack("{s:s}", "token", older));
    assert_int_equal(r.err, BTZ_DENIED); /* the newer one took its place */
    r = ask_ok(s, nobody(), "enrol.check", json_pack("{s:s}", "token", link));
    assert_string_equal(text_of(&r, "name"), "alice");
    assert_int_equal(enrol(s, link, "short").err, BTZ_USAGE);
    assert_int_equal(enrol(s, link, "alice alice alice").err, BTZ_USAGE);
    r = enrol(s, link, PASSWORD); /* a refused password did not use the link up */
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "signed-in");
    assert_true(is_session(s, r.token));
    assert_int_equal(enrol(s, link, "another horse battery").err, BTZ_DENIED);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    assert_int_equal(sign_in(s, "ALICE", PASSWORD).err, BTZ_OK);
    assert_int_equal(sign_in(s, "alice", "another horse battery").err, BTZ_DENIED);
    site_free(s);
}

static void test_link_expires(void **state)
{
    struct site *s = site_new("enrolment: 1h\n");
    char link[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "alice"));
    invite(s, "alice", link);
    s->now_ms += HOUR - 1;
    ask_ok(s, nobody(), "enrol.check", json_pack("{s:s}", "token", link));
    s->now_ms += 1;
    assert_int_equal(enrol(s, link, PASSWORD).err, BTZ_DENIED);
    s->now_ms -= 10 * MINUTE; /* the clock is set back: what had expired stays so */
    assert_int_equal(enrol(s, link, PASSWORD).err, BTZ_DENIED);
    r = ask_as(s, local(s), "user.invite", json_pack("{s:s}", "user", "nobody"));
    assert_int_equal(r.err, BTZ_INPUT);
    site_free(s);
}

/* A new link sets a new password; the second factor is asked for all the same. */
static void test_link_keeps_factors(void **state)
{
    struct site *s = site_new("{}");
    char link[BTZ_TOKEN_TEXT], token[BTZ_TOKEN_TEXT];
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    invite(s, "alice", link);
    assert_true(is_session(s, token));
    r = enrol(s, link, "another horse battery");
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "second-factor");
    assert_string_equal(r.token, "");
    assert_false(is_session(s, token)); /* a new password ends what the old one began */
    s->now_ms += 30000;
    r = with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms));
    assert_int_equal(r.err, BTZ_OK);
    assert_true(is_session(s, r.token));
    site_free(s);
}

/* ---- sessions ---- */

static void test_sign_in_and_out(void **state)
{
    struct site *s = site_new("{}");
    struct btz_caller c;
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "signed-in");
    c = session_of(s, r.token);
    assert_string_equal(c.name, "alice");
    assert_string_equal(c.method, "password");
    assert_true(btz_is_id(c.session, "ses"));
    assert_true(btz_is_id(c.principal, "usr"));
    assert_int_equal(c.second_factor_ms, 0);
    assert_false(c.enrolling);
    /* What is stored does not open a session. */
    assert_null(
        value_of(s, "SELECT 1 FROM sessions WHERE CAST(token_hash AS TEXT) = ?", r.token, NULL));
    r = ask_ok(s, c, "sign-out", json_object());
    assert_true(r.ended);
    assert_int_equal(ask_as(s, c, "sign-out", json_object()).err, BTZ_OK);
    site_free(s);
}

static void test_expiry(void **state)
{
    struct site *s = site_new("session_idle: 30m\nsession_absolute: 2h\n");
    char idle[BTZ_TOKEN_TEXT], busy[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(idle, r.token, sizeof idle);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(busy, r.token, sizeof busy);
    for (int i = 0; i < 5; i++) { /* 20 minutes each */
        s->now_ms += 20 * MINUTE;
        assert_true(is_session(s, busy));
    }
    assert_false(is_session(s, idle));
    s->now_ms += 20 * MINUTE + 1;
    assert_false(is_session(s, busy)); /* two hours are over, however busy it was */
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    site_free(s);
}

static void test_own_sessions(void **state)
{
    struct site *s = site_new("{}");
    char mine[BTZ_TOKEN_TEXT], other[BTZ_TOKEN_TEXT], id[BTZ_ID_TEXT];
    struct reply r;
    json_t *items;
    (void)state;
    person(s, "alice");
    person(s, "mallory");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(other, r.token, sizeof other);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(mine, r.token, sizeof mine);
    r = ask_ok(s, session_of(s, mine), "me.sessions", json_object());
    items = json_object_get(r.out, "items");
    assert_int_equal(json_array_size(items), 2);
    assert_int_equal(json_is_true(json_object_get(json_array_get(items, 0), "current")) +
                         json_is_true(json_object_get(json_array_get(items, 1), "current")),
                     1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(items, 0), "address")),
                        "192.0.2.7");
    snprintf(id, sizeof id, "%s", session_of(s, other).session);
    /* Another person cannot end it, nor learn that it is there. */
    r = sign_in(s, "mallory", PASSWORD);
    r = ask_as(s, session_of(s, r.token), "me.sessions.end", json_pack("{s:s}", "session", id));
    assert_int_equal(r.err, BTZ_INPUT);
    assert_true(is_session(s, other));
    ask_ok(s, session_of(s, mine), "me.sessions.end", json_pack("{s:s}", "session", id));
    assert_false(is_session(s, other));
    assert_true(is_session(s, mine));
    site_free(s);
}

static void test_many_sessions(void **state)
{
    struct site *s = site_new("{}");
    char first[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(first, r.token, sizeof first);
    for (int i = 0; i < 50; i++) {
        s->now_ms += 1;
        r = sign_in(s, "alice", PASSWORD);
        assert_int_equal(r.err, BTZ_OK);
    }
    assert_false(is_session(s, first)); /* the oldest made room */
    assert_true(is_session(s, r.token));
    assert_string_equal(value_of(s, "SELECT COUNT(*) FROM sessions WHERE ended_ms = 0", NULL, NULL),
                        "50");
    site_free(s);
}

static void test_disabled(void **state)
{
    struct site *s = site_new("{}");
    char id[BTZ_ID_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    id_of(s, "alice", id);
    change(s, "UPDATE principals SET status = 'disabled' WHERE id = ?", id, NULL);
    assert_false(is_session(s, r.token));
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_DENIED);
    site_free(s);
}

/* ---- second factors ---- */

static void test_totp(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], before[BTZ_TOKEN_TEXT], id[BTZ_ID_TEXT];
    struct btz_caller c;
    struct app app, other;
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(token, r.token, sizeof token);
    memcpy(before, r.token, sizeof before);
    snprintf(id, sizeof id, "%s", session_of(s, token).session);
    /* Set-up takes effect with the first right code, not before. */
    r = ask_ok(s, session_of(s, token), "me.totp", json_object());
    assert_non_null(strstr(text_of(&r, "svg"), "<svg "));
    assert_non_null(strstr(text_of(&r, "uri"), "otpauth://totp/bartizan:alice?secret="));
    app_scan(&app, text_of(&r, "secret"));
    assert_string_equal(sign_in(s, "alice", PASSWORD).state, "signed-in");
    r = ask_as(s, session_of(s, token), "me.totp.confirm",
               json_pack("{s:s}", "code", wrong_code(&app, s->now_ms)));
    assert_int_equal(r.err, BTZ_DENIED);
    add_app(s, token, &app);
    /* The id stays, the token is another one, and the factor counts as shown. */
    c = session_of(s, token);
    assert_string_equal(c.session, id);
    assert_string_equal(c.method, "password+totp");
    assert_int_equal(c.second_factor_ms, s->now_ms);
    assert_false(is_session(s, before));
    assert_int_equal(ask_as(s, c, "me.totp", json_object()).err, BTZ_CONFLICT);
    /* The stored secret is not the secret. */
    assert_null(value_of(s, "SELECT 1 FROM totp WHERE hex(secret) LIKE '%' || ? || '%'",
                         "0000000000000000", NULL));
    r = sign_in_both(s, "alice", &app);
    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(session_of(s, r.token).method, "password+totp");
    /* Removed: the password alone is enough again, since nothing demands more. */
    ask_ok(s, session_of(s, r.token), "me.totp.remove", json_object());
    memcpy(token, r.token, sizeof token);
    assert_string_equal(sign_in(s, "alice", PASSWORD).state, "signed-in");
    add_app(s, token, &other);
    assert_memory_not_equal(app.secret, other.secret, 20);
    site_free(s);
}

static void test_totp_ticket(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT];
    struct app app;
    struct reply r, done;
    (void)state;
    person_with_app(s, "alice", &app, token);
    s->now_ms += 30000;
    r = sign_in(s, "alice", PASSWORD);
    assert_string_equal(r.state, "second-factor");
    assert_string_equal(r.token, ""); /* nothing is signed in yet */
    assert_int_equal(json_array_size(json_object_get(r.out, "methods")), 1);
    done = with_code(s, "sign-in.totp", r.ticket, wrong_code(&app, s->now_ms));
    assert_int_equal(done.err, BTZ_DENIED);
    done = with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms));
    assert_int_equal(done.err, BTZ_OK);
    /* Ticket and code are used up. */
    assert_int_equal(with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms + 30000)).err,
                     BTZ_DENIED);
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms)).err,
                     BTZ_DENIED);
    /* Five minutes are enough for anybody. */
    s->now_ms += 5 * MINUTE;
    assert_int_equal(with_code(s, "sign-in.totp", r.ticket, app_code(&app, s->now_ms)).err,
                     BTZ_DENIED);
    site_free(s);
}

static void test_step_up(void **state)
{
    struct site *s = site_new("step_up: 15m\n");
    char token[BTZ_TOKEN_TEXT], before[BTZ_TOKEN_TEXT];
    struct btz_caller c;
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    s->now_ms += 16 * MINUTE;
    c = session_of(s, token);
    /* A stolen session is not a stolen account: changing factors needs a fresh one. */
    r = ask_as(s, c, "me.totp.remove", json_object());
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(r.step_up);
    r = ask_as(s, c, "me.recovery-codes", json_object());
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(r.step_up);
    r = ask_as(s, c, "step-up.totp", json_pack("{s:s}", "code", wrong_code(&app, s->now_ms)));
    assert_int_equal(r.err, BTZ_DENIED);
    r = ask_ok(s, c, "step-up.totp", json_pack("{s:s}", "code", app_code(&app, s->now_ms)));
    memcpy(before, token, sizeof before);
    memcpy(token, r.token, sizeof token);
    assert_false(is_session(s, before));
    assert_string_equal(session_of(s, token).session, c.session);
    assert_int_equal(session_of(s, token).second_factor_ms, s->now_ms);
    ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    site_free(s);
}

static void test_recovery(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], codes[BTZ_RECOVERY_CODES][16], typed[32];
    struct app app;
    struct reply r;
    (void)state;
    person(s, "bob");
    r = sign_in(s, "bob", PASSWORD);
    assert_int_equal(ask_as(s, session_of(s, r.token), "me.recovery-codes", json_object()).err,
                     BTZ_CONFLICT); /* in place of what? */
    person_with_app(s, "alice", &app, token);
    for (int round = 0; round < 2; round++) {
        r = ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
        assert_int_equal(json_array_size(json_object_get(r.out, "codes")), BTZ_RECOVERY_CODES);
        if (round == 0) { /* the first ten are replaced by the second ten */
            snprintf(typed, sizeof typed, "%s",
                     json_string_value(json_array_get(json_object_get(r.out, "codes"), 0)));
            continue;
        }
        for (size_t i = 0; i < BTZ_RECOVERY_CODES; i++)
            snprintf(codes[i], sizeof codes[i], "%s",
                     json_string_value(json_array_get(json_object_get(r.out, "codes"), i)));
    }
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(json_array_size(json_object_get(r.out, "methods")), 2);
    assert_int_equal(with_code(s, "sign-in.recovery", r.ticket, typed).err, BTZ_DENIED);
    for (int i = 0; i < BTZ_RECOVERY_CODES; i++) {
        for (size_t j = 0; j <= strlen(codes[i]); j++) /* as somebody may type it */
            typed[j] =
                (char)(codes[i][j] >= 'a' && codes[i][j] <= 'z' && i % 2 ? codes[i][j] - 'a' + 'A'
                                                                         : codes[i][j]);
        r = sign_in(s, "alice", PASSWORD);
        r = with_code(s, "sign-in.recovery", r.ticket, typed);
        assert_int_equal(r.err, BTZ_OK);
        assert_string_equal(session_of(s, r.token).method, "password+recovery");
        r = sign_in(s, "alice", PASSWORD);
        assert_int_equal(with_code(s, "sign-in.recovery", r.ticket, codes[i]).err, BTZ_DENIED);
    }
    r = sign_in(s, "alice", PASSWORD); /* none is left to offer */
    assert_int_equal(json_array_size(json_object_get(r.out, "methods")), 1);
    site_free(s);
}

/* ---- who must have one ---- */

/* A session that may only enrol reaches nothing else, operation by operation. */
static void assert_only_enrolling(struct site *s, struct btz_caller c)
{
    unsigned denied = 0, others = 0;

    assert_true(c.enrolling);
    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];
        json_t *in = json_object();
        struct reply r;

        if (op->needs & (BTZ_PUBLIC | BTZ_ENROLLING)) {
            json_decref(in);
            continue;
        }
        for (size_t f = 0; f < op->field_count; f++)
            if (op->fields[f].required)
                json_object_set_new(in, op->fields[f].name,
                                    op->fields[f].kind == BTZ_FIELD_INT        ? json_integer(1)
                                    : op->fields[f].kind == BTZ_FIELD_BOOL     ? json_true()
                                    : op->fields[f].kind == BTZ_FIELD_OBJECT   ? json_object()
                                    : op->fields[f].kind == BTZ_FIELD_TEXTS    ? json_array()
                                    : op->fields[f].kind == BTZ_FIELD_DURATION ? json_string("5m")
                                    : op->fields[f].kind == BTZ_FIELD_TIME
                                        ? json_string("2027-01-01T00:00:00Z")
                                    : op->fields[f].choices ? json_string(op->fields[f].choices[0])
                                                            : json_string("alice"));
        r = ask_as(s, c, op->id, in);
        /* A field with a form that "alice" has not is refused before anything is asked. */
        if (r.err != BTZ_DENIED && r.err != BTZ_USAGE)
            fail_msg("%s: %s: %s", op->id, btz_err_name(r.err), r.detail);
        denied += r.err == BTZ_DENIED;
        others += r.err != BTZ_DENIED;
    }
    assert_true(denied > 20 && others <= denied / 5);
}

static void enrol_first(struct site *s, const char *name)
{
    char token[BTZ_TOKEN_TEXT];
    struct app app;
    struct reply r = sign_in(s, name, PASSWORD);

    assert_int_equal(r.err, BTZ_OK);
    assert_string_equal(r.state, "enrol");
    memcpy(token, r.token, sizeof token);
    assert_only_enrolling(s, session_of(s, token));
    r = ask_ok(s, session_of(s, token), "me", json_object());
    assert_true(json_is_true(json_object_get(r.out, "enrolling")));
    add_app(s, token, &app);
    assert_false(session_of(s, token).enrolling);
    ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    /* The last factor of somebody who must have one stays. */
    r = ask_as(s, session_of(s, token), "me.totp.remove", json_object());
    assert_int_equal(r.err, BTZ_CONFLICT);
    assert_int_equal(sign_in_both(s, name, &app).err, BTZ_OK);
}

static void test_required_by_settings(void **state)
{
    struct site *s = site_new("mfa_required: true\n");
    char link[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "alice"));
    invite(s, "alice", link);
    r = enrol(s, link, PASSWORD);
    assert_string_equal(r.state, "enrol");
    enrol_first(s, "alice");
    site_free(s);
}

static void test_required_of_administrators(void **state)
{
    struct site *s = site_new("{}");
    (void)state;
    person(s, "alice");
    person(s, "root");
    give_role(s, "alice", "user");
    give_role(s, "root", "admin");
    assert_string_equal(sign_in(s, "alice", PASSWORD).state, "signed-in");
    enrol_first(s, "root");
    site_free(s);
}

/* ---- passwords ---- */

static void test_password_change(void **state)
{
    struct site *s = site_new("{}");
    char mine[BTZ_TOKEN_TEXT], other[BTZ_TOKEN_TEXT];
    struct reply r;
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(other, r.token, sizeof other);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(mine, r.token, sizeof mine);
    r = ask_as(s, session_of(s, mine), "me.password",
               json_pack("{s:s,s:s}", "current", "wrong", "new", "another horse battery"));
    assert_int_equal(r.err, BTZ_DENIED);
    r = ask_as(s, session_of(s, mine), "me.password",
               json_pack("{s:s}", "new", "another horse battery"));
    assert_int_equal(r.err, BTZ_DENIED);
    r = ask_as(s, session_of(s, mine), "me.password",
               json_pack("{s:s,s:s}", "current", PASSWORD, "new", "alice"));
    assert_int_equal(r.err, BTZ_USAGE);
    assert_true(is_session(s, other));
    r = ask_ok(s, session_of(s, mine), "me.password",
               json_pack("{s:s,s:s}", "current", PASSWORD, "new", "another horse battery"));
    assert_false(is_session(s, other));
    assert_false(is_session(s, mine));
    assert_true(is_session(s, r.token));
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_DENIED);
    assert_int_equal(sign_in(s, "alice", "another horse battery").err, BTZ_OK);
    site_free(s);
}

/* Keys go on behind a new password, unless they are told not to. */
static void test_a_new_password_and_keys(void **state)
{
    struct site *s = site_new(NULL);
    struct reply r;
    (void)state;
    person(s, "alice");
    give_role(s, "alice", "user");
    r = sign_in(s, "alice", PASSWORD);
    for (unsigned i = 0; i < 2; i++)
        ask_ok(s, session_of(s, r.token), "me.key.create", json_pack("{s:s}", "name", "k"));
    r = ask_ok(s, session_of(s, r.token), "me.password",
               json_pack("{s:s,s:s}", "current", PASSWORD, "new", "another horse battery"));
    assert_int_equal(json_integer_value(json_object_get(r.out, "keys")), 2);
    r = ask_ok(s, session_of(s, r.token), "me.password",
               json_pack("{s:s,s:s,s:b}", "current", "another horse battery", "new",
                         "a third horse battery", "revoke_keys", 1));
    assert_int_equal(json_integer_value(json_object_get(r.out, "keys")), 0);
    assert_int_equal(json_integer_value(json_object_get(r.out, "revoked_keys")), 2);
    site_free(s);
}

/* As of somebody who comes by an issuer: a stolen cookie sets no first password and adds no first factor. */
static void test_first_password_and_factor_need_a_fresh_sign_in(void **state)
{
    struct site *s = site_new("step_up: 15m\n");
    struct reply r;
    char token[BTZ_TOKEN_TEXT], id[BTZ_ID_TEXT];
    (void)state;
    person(s, "alice");
    r = sign_in(s, "alice", PASSWORD);
    memcpy(token, r.token, sizeof token);
    id_of(s, "alice", id);
    change(s, "DELETE FROM credentials WHERE principal = ?", id, NULL);
    s->now_ms += 14 * MINUTE;
    ask_ok(s, session_of(s, token), "me.totp", json_object());
    s->now_ms += 2 * MINUTE;
    assert_int_equal(ask_as(s, session_of(s, token), "me.totp", json_object()).err, BTZ_DENIED);
    r = ask_as(s, session_of(s, token), "me.password",
               json_pack("{s:s}", "new", "another horse battery"));
    assert_int_equal(r.err, BTZ_DENIED);
    assert_non_null(strstr(r.detail, "sign in again"));
    site_free(s);
}

static void test_breached_list(void **state)
{
    char path[] = "/tmp/btz-list-XXXXXX", settings[100], link[BTZ_TOKEN_TEXT];
    struct site *s;
    (void)state;
    close(mkstemp(path));
    /* printf %s 'correct horse battery staple' | sha1sum */
    assert_ok(
        btz_file_write(path, btz_str("ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42:3\r\n"), 0600));
    snprintf(settings, sizeof settings, "breached: %s\n", path);
    s = site_new(settings);
    ask_ok(s, local(s), "user.create", json_pack("{s:s}", "name", "alice"));
    invite(s, "alice", link);
    assert_int_equal(enrol(s, link, "correct horse battery staple").err, BTZ_USAGE);
    unlink(path);
    assert_int_equal(enrol(s, link, PASSWORD).err, BTZ_IO); /* not known is not good */
    site_free(s);
}

/* Hashes with the parameters of yesterday are made anew when their password is there. */
static void test_stale_hash(void **state)
{
    struct site *s = site_new("{}");
    char old[crypto_pwhash_STRBYTES], id[BTZ_ID_TEXT];
    (void)state;
    person(s, "alice");
    id_of(s, "alice", id);
    assert_int_equal(crypto_pwhash_str_alg(old, PASSWORD, strlen(PASSWORD), 1, 8192 * 1024,
                                           crypto_pwhash_ALG_ARGON2ID13),
                     0);
    change(s, "UPDATE credentials SET password_hash = ? WHERE principal = ?", old, id);
    assert_int_equal(sign_in(s, "alice", "wrong horse battery").err, BTZ_DENIED);
    assert_string_equal(
        value_of(s, "SELECT password_hash FROM credentials WHERE principal = ?", id, NULL), old);
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    assert_non_null(
        strstr(value_of(s, "SELECT password_hash FROM credentials WHERE principal = ?", id, NULL),
               "$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_int_equal(sign_in(s, "alice", PASSWORD).err, BTZ_OK);
    site_free(s);
}

/* ---- administration ---- */

static void test_administration(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], id[BTZ_ID_TEXT];
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    person(s, "bob");
    r = sign_in(s, "bob", PASSWORD);
    snprintf(id, sizeof id, "%s", session_of(s, r.token).session);
    /* Bob may none of it. */
    assert_int_equal(ask_as(s, session_of(s, r.token), "session.list", json_object()).err,
                     BTZ_DENIED);
    assert_int_equal(
        ask_as(s, session_of(s, r.token), "user.reset-mfa", json_pack("{s:s}", "user", "alice"))
            .err,
        BTZ_DENIED);
    ask_ok(s, local(s), "session.end", json_pack("{s:s}", "session", id));
    assert_false(is_session(s, r.token));
    assert_int_equal(ask_as(s, local(s), "session.end", json_pack("{s:s}", "session", id)).err,
                     BTZ_INPUT);
    r = ask_ok(s, local(s), "session.list", json_pack("{s:s}", "principal", "alice"));
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sign_in(s, "bob", PASSWORD).err, BTZ_OK);
    r = ask_ok(s, local(s), "session.list", json_pack("{s:i}", "limit", 2));
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 2);
    r = ask_ok(s, local(s), "session.list",
               json_pack("{s:i,s:s}", "limit", 2, "cursor", text_of(&r, "next")));
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 2);
    assert_true(json_is_null(json_object_get(r.out, "next")));
    r = ask_ok(s, local(s), "user.sign-out", json_pack("{s:s}", "user", "bob"));
    assert_int_equal(json_integer_value(json_object_get(r.out, "ended")), 3);
    /* A lost phone. */
    assert_true(is_session(s, token));
    ask_ok(s, local(s), "user.reset-mfa", json_pack("{s:s}", "user", "alice"));
    assert_false(is_session(s, token));
    assert_string_equal(sign_in(s, "alice", PASSWORD).state, "signed-in");
    site_free(s);
}

/* New keys for what is sealed, and the old ones gone: authenticator apps and recovery codes go on. */
static void test_seal_rotation(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], code[16];
    struct app app;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &app, token);
    r = ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    snprintf(code, sizeof code, "%s",
             json_string_value(json_array_get(json_object_get(r.out, "codes"), 0)));
    r = ask_ok(s, local(s), "seal.rotate", json_object());
    assert_true(json_integer_value(json_object_get(r.out, "resealed")) >= 1);
    ask_ok(s, local(s), "seal.forget", json_object());
    assert_int_equal(sign_in_both(s, "alice", &app).err, BTZ_OK);
    site_reopen(s);
    assert_int_equal(sign_in_both(s, "alice", &app).err, BTZ_OK);
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(with_code(s, "sign-in.recovery", r.ticket, code).err, BTZ_OK);
    site_free(s);
}

/* Another person's sealed secret in one's own row opens nothing. */
static void test_swapped_secrets(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], alice[BTZ_ID_TEXT], bob[BTZ_ID_TEXT];
    struct app alices, bobs;
    struct reply r;
    (void)state;
    person_with_app(s, "alice", &alices, token);
    person_with_app(s, "bob", &bobs, token);
    id_of(s, "alice", alice);
    id_of(s, "bob", bob);
    change(s,
           "UPDATE totp SET secret = (SELECT secret FROM totp WHERE principal = ?) WHERE "
           "principal = ?",
           bob, alice);
    s->now_ms += 30000;
    r = sign_in(s, "alice", PASSWORD);
    r = with_code(s, "sign-in.totp", r.ticket, app_code(&bobs, s->now_ms));
    assert_int_not_equal(r.err, BTZ_OK);
    assert_string_equal(r.token, "");
    site_free(s);
}

/* ---- the trail ---- */

struct tally {
    const char *event, *verdict, *operation, *principal;
    unsigned count;
};

static enum btz_err count_entry(void *user, const struct btz_trail_record *r)
{
    struct tally *t = user;
    const char *keys[] = { "event", "verdict", "operation", "principal" };
    const char *wanted[] = { t->event, t->verdict, t->operation, t->principal };

    for (size_t i = 0; i < 4; i++) {
        const char *text = json_string_value(json_object_get(r->entry, keys[i]));

        if (wanted[i] && (!text || strcmp(text, wanted[i]) != 0))
            return BTZ_OK;
    }
    t->count++;
    return BTZ_OK;
}

static unsigned entries(struct site *s, struct tally t)
{
    const struct btz_trail_filter all = { .limit = 0 };
    struct btz_store *store;

    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_trail_read(btz_access_trail(s->access), store, &all, count_entry, &t, NULL));
    btz_access_store_back(s->access, store);
    return t.count;
}

static void test_trail(void **state)
{
    struct site *s = site_new("{}");
    char token[BTZ_TOKEN_TEXT], id[BTZ_ID_TEXT];
    struct app app;
    struct reply r;
    (void)state;
    person(s, "alice");
    id_of(s, "alice", id);
    assert_int_equal(sign_in(s, "alice", "wrong horse battery").err, BTZ_DENIED);
    assert_int_equal(sign_in(s, "nobody", "wrong horse battery").err, BTZ_DENIED);
    r = sign_in(s, "alice", PASSWORD);
    memcpy(token, r.token, sizeof token);
    add_app(s, token, &app);
    s->now_ms += 30000;
    ask_ok(s, session_of(s, token), "step-up.totp",
           json_pack("{s:s}", "code", app_code(&app, s->now_ms)));
    r = sign_in(s, "alice", PASSWORD);
    assert_int_equal(with_code(s, "sign-in.totp", r.ticket, wrong_code(&app, s->now_ms)).err,
                     BTZ_DENIED);
    r = sign_in_both(s, "alice", &app);
    ask_ok(s, session_of(s, r.token), "sign-out", json_object());
    ask_ok(s, local(s), "user.unlock", json_pack("{s:s}", "user", "alice"));
    /* Each is one entry, with the id of the person where there is one. */
    assert_int_equal(entries(s, (struct tally){ "sign-in", "deny", "sign-in", id, 0 }), 1);
    assert_int_equal(entries(s, (struct tally){ "sign-in", "deny", "sign-in", NULL, 0 }), 2);
    assert_int_equal(entries(s, (struct tally){ "sign-in", "deny", "sign-in.totp", id, 0 }), 1);
    assert_int_equal(entries(s, (struct tally){ "sign-in", "allow", "sign-in.totp", id, 0 }), 1);
    assert_int_equal(entries(s, (struct tally){ "step-up", "allow", "step-up.totp", id, 0 }), 1);
    assert_int_equal(entries(s, (struct tally){ "change", "allow", "me.totp.confirm", id, 0 }), 1);
    assert_int_equal(entries(s, (struct tally){ "sign-out", "allow", "sign-out", id, 0 }), 2);
    assert_int_equal(entries(s, (struct tally){ "change", "allow", "user.unlock", NULL, 0 }), 1);
    site_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enrolment),
        cmocka_unit_test(test_link_expires),
        cmocka_unit_test(test_link_keeps_factors),
        cmocka_unit_test(test_sign_in_and_out),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_own_sessions),
        cmocka_unit_test(test_many_sessions),
        cmocka_unit_test(test_disabled),
        cmocka_unit_test(test_totp),
        cmocka_unit_test(test_totp_ticket),
        cmocka_unit_test(test_step_up),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_required_by_settings),
        cmocka_unit_test(test_required_of_administrators),
        cmocka_unit_test(test_password_change),
        cmocka_unit_test(test_a_new_password_and_keys),
        cmocka_unit_test(test_first_password_and_factor_need_a_fresh_sign_in),
        cmocka_unit_test(test_breached_list),
        cmocka_unit_test(test_stale_hash),
        cmocka_unit_test(test_administration),
        cmocka_unit_test(test_seal_rotation),
        cmocka_unit_test(test_swapped_secrets),
        cmocka_unit_test(test_trail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
