/* Signing in with an issuer as a browser does it, over the daemon's socket; and issuers that never answer. */
#include "signin_fixture.h"
#undef assert_ok
#define text_of jose_text_of
#include "issuer.h"
#undef text_of
#include "api_fixture.h"

#include <pthread.h>

#define SETTINGS                                                                                   \
    "origin: https://bartizan.example\n"                                                           \
    "issuers:\n"                                                                                   \
    "  - name: corp\n"                                                                             \
    "    url: " IDP "\n"                                                                           \
    "    client_id: " CLIENT "\n"                                                                  \
    "    client_secret: \"" SECRET "\"\n"                                                          \
    "    audience: https://bartizan.example/api\n"                                                 \
    "    algorithms: [ES256]\n"
#define HOST "Host: bartizan.example\r\n"

/* ---- an installation that is served, and its issuer ------------------------------------------------------------------ */

static struct served {
    struct site *site;
    struct issuer issuer;
    struct btz_fetch fetch;
    struct btz_api_backend backend;
    struct btz_api *api;
    struct btz_api_server *server;
    char folder[32], socket[64], local[64];
    /* The issuer answers nobody while it is shut. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut;
    unsigned inside, calls;
} it = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static enum btz_err fetch(void *user, const char *url, struct btz_slice form, struct btz_buf *out)
{
    enum btz_err err;

    (void)user;
    pthread_mutex_lock(&it.lock);
    it.calls++;
    it.inside++;
    pthread_cond_broadcast(&it.changed);
    while (it.shut)
        pthread_cond_wait(&it.changed, &it.lock);
    it.inside--;
    err = issuer_fetch(&it.issuer, url, form, out);
    pthread_mutex_unlock(&it.lock);
    return err;
}

static void shut(bool on)
{
    pthread_mutex_lock(&it.lock);
    it.shut = on;
    pthread_cond_broadcast(&it.changed);
    pthread_mutex_unlock(&it.lock);
}

static void start(const char *settings)
{
    const struct btz_conf_env env = { no_env, NULL };
    struct btz_api_options o = { .backend = &it.backend,
                                 .operations = btz_operations,
                                 .origin = "https://bartizan.example" };
    struct btz_api_server_options so = { .socket = it.socket, .local_socket = it.local };
    struct btz_access_options ao;
    const struct btz_yaml *root;
    struct btz_store *store;
    struct site *s = calloc(1, sizeof *s);

    assert_non_null(s);
    it.site = s;
    btz_arena_init(&s->arena, 1u << 24);
    assert_ok(btz_yaml_parse(btz_str(settings), "test", &s->arena, &root));
    assert_ok(btz_conf_load(root, &btz_access_conf_struct, "test", &env, &s->arena, &s->conf));
    s->now_ms = UINT64_C(1790000000000);
    s->dir = make_folder();
    issuer_init(&it.issuer, BTZ_JOSE_ES256, s->now_ms / 1000);
    it.calls = 0;
    it.fetch = (struct btz_fetch){ fetch, NULL };
    ao = (struct btz_access_options){ .state_dir = s->dir,
                                      .conf = &s->conf,
                                      .fetch = &it.fetch,
                                      .now_ms = site_now,
                                      .clock_user = s };
    assert_ok(btz_access_open(&ao, &s->access));
    btz_api_backend_init(s->access, &it.backend);
    assert_ok(btz_access_store(s->access, &store));
    assert_ok(btz_api_once_migrate(store));
    btz_access_store_back(s->access, store);
    assert_ok(btz_api_new(&o, &it.api));
    api_folder(it.folder);
    snprintf(it.socket, sizeof it.socket, "%s/s", it.folder);
    snprintf(it.local, sizeof it.local, "%s/l", it.folder);
    so.api = it.api;
    assert_ok(btz_api_server_start(&so, &it.server));
}

static void stop(void)
{
    btz_api_server_stop(it.server);
    btz_api_free(it.api);
    site_free(it.site);
    issuer_release(&it.issuer);
    rmdir(it.folder);
}

/* ---- an issuer that never answers ------------------------------------------------------------------------------------ */

#define KNOCKS 40

/* Sends a request and does not wait for its answer. */
static int knock(const char *target)
{
    char text[512];
    int fd = api_dial(it.socket), n;

    n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", target);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

/* Waits for `count` answers; their statuses. Those that were answered are closed, and -1. */
static void hear(int *fds, size_t len, size_t count, unsigned *statuses)
{
    struct pollfd p[KNOCKS];

    for (size_t heard = 0; heard < count;) {
        for (size_t i = 0; i < len; i++)
            p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
        if (poll(p, len, 30000) <= 0)
            fail_msg("%zu answers of %zu", heard, count);
        for (size_t i = 0; i < len; i++) {
            struct api_reply r;

            if (fds[i] < 0 || !p[i].revents)
                continue;
            api_read(fds[i], 10000, &r);
            statuses[heard++] = r.status;
            api_drop(&r);
            close(fds[i]);
            fds[i] = -1;
        }
    }
}

/* Two wait for it, everybody else is told at once; sign-in and the owner notice nothing. */
static void test_issuer_never_answers(void **state)
{
    unsigned statuses[KNOCKS], calls;
    struct api_reply r;
    int fds[KNOCKS];
    (void)state;
    start(SETTINGS);
    person(it.site, "alice");
    shut(true);
    for (size_t i = 0; i < KNOCKS; i++)
        fds[i] = knock("/v1/oidc/corp/start");
    hear(fds, KNOCKS, KNOCKS - BTZ_OIDC_WAITERS, statuses);
    for (size_t i = 0; i < KNOCKS - BTZ_OIDC_WAITERS; i++)
        assert_int_equal(statuses[i], 503);
    r = api_call(it.socket, "POST", "/v1/sign-in", HOST,
                 "{\"user\":\"alice\",\"password\":\"" PASSWORD "\"}");
    assert_int_equal(r.status, 200);
    api_drop(&r);
    r = api_call(it.local, "GET", "/v1/users", HOST "X-Bartizan-Local: 1\r\n", NULL);
    assert_int_equal(r.status, 200);
    api_drop(&r);
    assert_int_equal(it.calls, 1); /* the second waits for what the first will hear */
    it.issuer.down = true;
    shut(false);
    hear(fds, KNOCKS, BTZ_OIDC_WAITERS, statuses);
    for (size_t i = 0; i < BTZ_OIDC_WAITERS; i++)
        assert_int_equal(statuses[i], 502);
    /* It is not asked again at once, also when it would hang again. */
    shut(true);
    calls = it.calls;
    assert_int_equal(calls, 1);
    for (size_t i = 0; i < KNOCKS; i++)
        fds[i] = knock("/v1/oidc/corp/start");
    hear(fds, KNOCKS, KNOCKS, statuses);
    for (size_t i = 0; i < KNOCKS; i++)
        assert_int_equal(statuses[i], 502);
    assert_int_equal(it.calls, calls);
    shut(false);
    stop();
}

/* Codes that nobody gave, while the token endpoint hangs: no more than two wait for it. */
static void test_codes_of_nobody(void **state)
{
    unsigned statuses[KNOCKS];
    int fds[KNOCKS];
    char text[1024];
    struct api_reply r;
    (void)state;
    start(SETTINGS);
    for (size_t i = 0; i < KNOCKS; i++) {
        struct reply s =
            ask_ok(it.site, nobody(), "oidc.start", json_pack("{s:s}", "issuer", "corp"));
        char got[64];
        int n;

        assert_true(parameter(btz_str(text_of(&s, "url")), "state", got, sizeof got));
        n = snprintf(text, sizeof text,
                     "GET /v1/oidc/corp/callback?state=%s&code=x&iss=" IDP " HTTP/1.1\r\n" HOST
                     "Connection: close\r\nCookie: __Host-bartizan-oidc=%s\r\n\r\n",
                     got, s.ticket);
        shut(true);
        fds[i] = api_dial(it.socket);
        assert_int_equal(send(fds[i], text, (size_t)n, MSG_NOSIGNAL), n);
    }
    hear(fds, KNOCKS, KNOCKS - BTZ_OIDC_WAITERS, statuses);
    r = api_call(it.local, "GET", "/v1/users", HOST "X-Bartizan-Local: 1\r\n", NULL);
    assert_int_equal(r.status, 200);
    api_drop(&r);
    assert_int_equal(it.calls, 1 + BTZ_OIDC_WAITERS);
    shut(false);
    hear(fds, KNOCKS, BTZ_OIDC_WAITERS, statuses);
    stop();
}

/* ---- the way of a browser -------------------------------------------------------------------------------------------- */

/* The value of a cookie that an answer sets; false: none. */
static bool cookie_of(const struct api_reply *r, const char *name, char out[128])
{
    char start[64];
    size_t at;

    snprintf(start, sizeof start, "Set-Cookie: %s=", name);
    at = btz_slice_find(r->head, btz_str(start), 0);
    out[0] = '\0';
    if (at != SIZE_MAX)
        snprintf(out, 128, "%.*s",
                 (int)strcspn((const char *)r->head.ptr + at + strlen(start), ";"),
                 (const char *)r->head.ptr + at + strlen(start));
    return out[0] != '\0';
}

/* To the issuer, there signed in, and back with `more` behind the address. */
static struct api_reply visit(const char *query, const char *more)
{
    char target[1024], headers[512], ticket[128];
    struct api_reply r;

    snprintf(target, sizeof target, "/v1/oidc/corp/start%s", query);
    r = api_call(it.socket, "GET", target, HOST, NULL);
    assert_int_equal(r.status, 303);
    assert_true(cookie_of(&r, "__Host-bartizan-oidc", ticket));
    issuer_authorise(&it.issuer, btz_str(api_header(&r, "Location")));
    api_drop(&r);
    snprintf(target, sizeof target, "/v1/oidc/corp/callback?state=%s&code=%s&iss=" IDP "%s",
             it.issuer.state, it.issuer.code, more);
    snprintf(headers, sizeof headers, HOST "Cookie: __Host-bartizan-oidc=%s\r\n", ticket);
    return api_call(it.socket, "GET", target, headers, NULL);
}

static void link_alice(void)
{
    ask_ok(it.site, local(it.site), "identity.add",
           json_pack("{s:s, s:s, s:s}", "principal", "alice", "issuer", "corp", "subject",
                     "248289761001"));
}

/* There, back, a session, and the page that was asked for; only pages of this origin. */
static void test_sign_in_and_next(void **state)
{
    static const struct {
        const char *query, *page;
    } rows[] = {
        { "", "/account" },
        { "?next=%2Fadmin%2Fpeople%3Fa%3D1%26b%3D2", "/admin/people?a=1&amp;b=2" },
        { "?next=/account%23keys", "/account#keys" },
        { "?next=https%3A%2F%2Fevil.example", "/account" },
        { "?next=%2F%2Fevil.example", "/account" },
        { "?next=/accountx", "/account" },
        { "?next=/admin/", "/account" },
        { "?next=/v1/sign-out", "/account" },
        { "?next=/account%3F%22%3E%3Cscript%3E", "/account" },
        { "?next=/account%0d%0aX:%20y", "/account" },
        { "?next=/account%5C%5Cevil.example", "/account" },
    };
    char session[128], wanted[160];
    (void)state;
    start(SETTINGS);
    person(it.site, "alice");
    link_alice();
    for (size_t i = 0; i < BTZ_COUNT(rows); i++) {
        struct api_reply r = visit(rows[i].query, "");

        assert_int_equal(r.status, 200);
        assert_true(cookie_of(&r, "__Host-bartizan", session));
        assert_true(is_session(it.site, session));
        snprintf(wanted, sizeof wanted, "content=\"0; url=%s\"", rows[i].page);
        if (!btz_slice_has(r.body, wanted))
            fail_msg("%s: %.*s", rows[i].query, BTZ_SLICE_ARG(r.body));
        api_drop(&r);
    }
    stop();
}

/* A second factor is due: its ticket is in the fragment, which is sent to nobody; `next` goes along. */
static void test_second_factor(void **state)
{
    char token[BTZ_TOKEN_TEXT], where[4200], session[128], ticket[64], body[160], *at;
    struct api_reply r;
    struct app app;
    (void)state;
    start(SETTINGS);
    person_with_app(it.site, "alice", &app, token);
    link_alice();
    r = visit("?next=/admin/keys", "");
    assert_int_equal(r.status, 303);
    assert_false(cookie_of(&r, "__Host-bartizan", session));
    snprintf(where, sizeof where, "%s", api_header(&r, "Location"));
    api_drop(&r);
    assert_int_equal(strncmp(where, "/sign-in?next=%2Fadmin%2Fkeys#ticket=", 37), 0);
    at = strstr(where, "&methods=");
    assert_non_null(at);
    assert_non_null(strstr(at, "totp"));
    snprintf(ticket, sizeof ticket, "%.*s", (int)(at - where - 37), where + 37);
    it.site->now_ms += 30000;
    snprintf(body, sizeof body, "{\"ticket\":\"%s\",\"code\":\"%s\"}", ticket,
             app_code(&app, it.site->now_ms));
    r = api_call(it.socket, "POST", "/v1/sign-in/totp", HOST, body);
    assert_int_equal(r.status, 200);
    assert_true(cookie_of(&r, "__Host-bartizan", session));
    assert_string_equal(session_of(it.site, session).method, "oidc:corp+totp");
    api_drop(&r);
    stop();
}

/* Whatever went wrong, the browser is led back and learns no more than that; the ticket is used up. */
static void test_errors(void **state)
{
    static const char *const more[] = { "&error=access_denied", "&state=x" };
    char cookie[128];
    struct api_reply r;
    (void)state;
    start(SETTINGS);
    for (size_t i = 0; i < BTZ_COUNT(more) + 1; i++) { /* nobody is linked, to begin with */
        r = visit("", i ? more[i - 1] : "");
        if (i == 2) { /* a parameter that came twice */
            assert_int_equal(r.status, 400);
        } else {
            assert_int_equal(r.status, 303);
            assert_string_equal(api_header(&r, "Location"), "/sign-in?error=issuer");
        }
        assert_false(cookie_of(&r, "__Host-bartizan", cookie));
        api_drop(&r);
    }
    /* In another browser. */
    r = api_call(it.socket, "GET", "/v1/oidc/corp/callback?state=a&code=b", HOST, NULL);
    assert_string_equal(api_header(&r, "Location"), "/sign-in?error=issuer");
    api_drop(&r);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_in_and_next), cmocka_unit_test(test_second_factor),
        cmocka_unit_test(test_errors),           cmocka_unit_test(test_issuer_never_answers),
        cmocka_unit_test(test_codes_of_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
