/* Every statement of sign-in once on a real PostgreSQL: it must mean there what it means in SQLite. */
#include "postgres_fixture.h"
#include "signin_fixture.h"

extern const struct btz_access_part btz_access_part_signin;

static void tidy(struct site *s)
{
    struct btz_store *store;

    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_store_begin(store));
    assert_ok(btz_access_part_signin.tidy(s->access, store));
    assert_ok(btz_store_commit(store));
    btz_access_store_back(s->access, store);
}

static void own_account(struct site *s, struct app *app, char token[BTZ_TOKEN_TEXT])
{
    struct reply r;

    ask_ok(s, session_of(s, token), "me", json_object());
    ask_ok(s, session_of(s, token), "me.sessions", json_object());
    r = ask_ok(s, session_of(s, token), "me.recovery-codes", json_object());
    r = ask_ok(s, session_of(s, token), "me.password",
               json_pack("{s:s,s:s}", "current", PASSWORD, "new", "another horse battery"));
    r = ask_ok(s, session_of(s, r.token), "me.password",
               json_pack("{s:s,s:s}", "current", "another horse battery", "new", PASSWORD));
    memcpy(token, r.token, sizeof r.token);
    s->now_ms += 30000;
    r = ask_ok(s, session_of(s, token), "step-up.totp",
               json_pack("{s:s}", "code", app_code(app, s->now_ms)));
    memcpy(token, r.token, sizeof r.token);
}

static void clocks(struct site *s, struct app *app)
{
    struct reply r = sign_in_both(s, "alice", app);

    assert_int_equal(r.err, BTZ_OK);
    for (int i = 0; i < 7; i++)
        (void)sign_in_at(s, "203.0.113.5", "alice", "wrong horse battery");
    s->now_ms -= 400 * DAY;
    assert_true(is_session(s, r.token));
    s->now_ms += 31 * MINUTE;
    assert_false(is_session(s, r.token));
    tidy(s);
    s->now_ms += 400 * DAY;
    tidy(s);
}

static void administration(struct site *s, const char *token)
{
    char id[BTZ_ID_TEXT];
    struct reply r;

    r = ask_ok(s, local(s), "session.list", json_pack("{s:s}", "principal", "alice"));
    assert_int_equal(json_array_size(json_object_get(r.out, "items")), 1);
    ask_ok(s, local(s), "session.list", json_pack("{s:i,s:s}", "limit", 1, "cursor", "~"));
    snprintf(id, sizeof id, "%s", session_of(s, token).session);
    ask_ok(s, local(s), "session.end", json_pack("{s:s}", "session", id));
    ask_ok(s, local(s), "user.unlock", json_pack("{s:s}", "user", "alice"));
    ask_ok(s, local(s), "user.sign-out", json_pack("{s:s}", "user", "alice"));
}

static void test_all(void **state)
{
    struct postgres p;
    char token[BTZ_TOKEN_TEXT], settings[600], *url;
    struct app app;
    struct site *s;
    struct reply r;
    (void)state;
    if (!postgres_start(&p)) {
        print_message("# skipped: %s\n", p.why);
        skip();
    }
    url = postgres_fresh(&p);
    assert_non_null(url);
    snprintf(settings, sizeof settings, "store: \"%s\"\n", url);
    s = site_new(settings);
    person_with_app(s, "alice", &app, token);
    own_account(s, &app, token);
    administration(s, token);
    clocks(s, &app);
    /* Five wrong codes, then a right one with a new ticket. */
    s->now_ms += DAY;
    r = sign_in(s, "alice", PASSWORD);
    for (int i = 0; i < 5; i++)
        assert_int_equal(with_code(s, "sign-in.totp", r.ticket, wrong_code(&app, s->now_ms)).err,
                         BTZ_DENIED);
    s->now_ms += HOUR;
    assert_int_equal(sign_in_both(s, "alice", &app).err, BTZ_OK);
    ask_ok(s, local(s), "user.reset-mfa", json_pack("{s:s}", "user", "alice"));
    r = sign_in(s, "alice", PASSWORD);
    assert_string_equal(r.state, "signed-in");
    ask_ok(s, local(s), "user.delete", json_pack("{s:s}", "user", "alice"));
    assert_false(is_session(s, r.token));
    assert_string_equal(value_of(s, "SELECT COUNT(*) FROM credentials", NULL, NULL), "0");
    site_free(s);
    free(url);
    postgres_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
