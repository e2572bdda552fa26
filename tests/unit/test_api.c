/* The server over a real Unix socket, with operations and callers of the test's own. */
#include <strings.h>

#include "api_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#define ORIGIN "https://test.example"
#define COOKIE "Cookie: __Host-bartizan=good\r\n"
#define CSRF   "X-Bartizan-CSRF: 1\r\nOrigin: " ORIGIN "\r\n"
#define KEY    "Authorization: Bearer btz_good\r\n"

/* ---- operations ------------------------------------------------------------------------------------------------------ */

static const struct btz_field item_path[] = {
    { .name = "item", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true }
};
static const struct btz_field list_fields[] = {
    { .name = "cursor", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY },
    { .name = "limit", .kind = BTZ_FIELD_INT, .place = BTZ_IN_QUERY },
    { .name = "deep", .kind = BTZ_FIELD_BOOL, .place = BTZ_IN_QUERY },
    { .name = "tag", .kind = BTZ_FIELD_TEXTS, .place = BTZ_IN_QUERY },
};
static const struct btz_field echo_fields[] = {
    { .name = "item", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true },
    { .name = "dry", .kind = BTZ_FIELD_BOOL, .place = BTZ_IN_QUERY },
    { .name = "text", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY },
    { .name = "count", .kind = BTZ_FIELD_INT, .place = BTZ_IN_BODY },
};
#define FIELDS(list) .fields = list, .field_count = BTZ_COUNT(list)
static const struct btz_operation op_sign_in = {
    .id = "sign-in", .method = "POST", .path = "/v1/sign-in", .needs = BTZ_PUBLIC, .result = "any"
};
static const struct btz_operation op_sign_out = {
    .id = "sign-out", .method = "POST", .path = "/v1/sign-out", .needs = BTZ_NEEDS_SESSION
};
static const struct btz_operation op_list = { .id = "item.list",
                                              .method = "GET",
                                              .path = "/v1/items",
                                              .needs = BTZ_NEEDS_PERMISSION,
                                              FIELDS(list_fields),
                                              .result = "any" };
static const struct btz_operation op_create = { .id = "item.create",
                                                .method = "POST",
                                                .path = "/v1/items",
                                                .needs = BTZ_NEEDS_PERMISSION,
                                                .result = "any",
                                                .created = true };
static const struct btz_operation op_get = { .id = "item.get",
                                             .method = "GET",
                                             .path = "/v1/items/{item}",
                                             .needs = BTZ_NEEDS_PERMISSION,
                                             FIELDS(item_path),
                                             .result = "any" };
static const struct btz_operation op_echo = { .id = "item.update",
                                              .method = "PATCH",
                                              .path = "/v1/items/{item}",
                                              .needs = BTZ_NEEDS_PERMISSION,
                                              FIELDS(echo_fields),
                                              .result = "any" };
static const struct btz_operation op_delete = { .id = "item.delete",
                                                .method = "DELETE",
                                                .path = "/v1/items/{item}",
                                                .needs = BTZ_NEEDS_PERMISSION,
                                                FIELDS(item_path) };
static const struct btz_operation op_export = { .id = "item.export",
                                                .method = "GET",
                                                .path = "/v1/items/{item}/export",
                                                .needs = BTZ_NEEDS_PERMISSION,
                                                FIELDS(item_path),
                                                .raw = "text" };
/* Its answer cannot be given; and one that asks for a decision. */
static const struct btz_operation op_broken = { .id = "item.break",
                                                .method = "POST",
                                                .path = "/v1/items/{item}/break",
                                                .needs = BTZ_NEEDS_PERMISSION,
                                                FIELDS(item_path),
                                                .raw = "text" };
static const struct btz_operation op_ask = { .id = "ask",
                                             .method = "POST",
                                             .path = "/v1/ask",
                                             .needs = BTZ_NEEDS_CALLER,
                                             .event = "decision",
                                             .result = "any" };
static const struct btz_operation *const operations[] = { &op_sign_in, &op_sign_out, &op_list,
                                                          &op_create,  &op_get,      &op_echo,
                                                          &op_delete,  &op_export,   &op_broken,
                                                          &op_ask,     NULL };

static atomic_int breaks, creations, slow_ones, active, most_active;
static atomic_int hold; /* creations wait while it is set */

static enum btz_err do_get(struct btz_call *c)
{
    const char *item = json_string_value(json_object_get(c->in, "item"));

    if (strcmp(item, "none") == 0) {
        c->out = NULL;
        btz_error_set("no such item: none");
        c->prepared = &creations; /* marks "not found" for was_not_found() below */
        return BTZ_INPUT;
    }
    if (strcmp(item, "secret") == 0)
        return btz_fail(BTZ_INTERNAL, "the inside of things");
    if (strcmp(item, "full") == 0)
        return btz_fail(BTZ_IO, "write: the disk is full");
    if (strcmp(item, "locked") == 0) {
        c->retry_after_s = 30;
        return btz_fail(BTZ_LIMIT, "locked");
    }
    if (strcmp(item, "step") == 0) {
        c->needs_step_up = true;
        return btz_fail(BTZ_DENIED, "a fresh second factor is needed");
    }
    if (strcmp(item, "slow") == 0) {
        int now = atomic_fetch_add(&active, 1) + 1, most = atomic_load(&most_active);

        while (now > most && !atomic_compare_exchange_weak(&most_active, &most, now))
            ;
        nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
        atomic_fetch_sub(&active, 1);
        atomic_fetch_add(&slow_ones, 1);
    }
    snprintf(c->etag, sizeof c->etag, "7");
    c->out = json_pack("{s:s, s:s, s:s}", "item", item, "by", c->caller->principal, "address",
                       c->caller->address_text ? c->caller->address_text : "");
    return BTZ_OK;
}

static enum btz_err do_change(struct btz_call *c)
{
    if (c->op == &op_broken || c->op == &op_ask) {
        c->out = json_pack("{s:i}", "n", atomic_fetch_add(&breaks, 1));
        return BTZ_OK;
    }
    if (c->op == &op_create) {
        int n = atomic_fetch_add(&creations, 1) + 1;

        while (atomic_load(&hold))
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (json_object_get(c->in, "wait")) {
            snprintf(c->approval, sizeof c->approval, "apr_1");
            c->out = json_pack("{s:s}", "approval", "apr_1");
            return BTZ_OK;
        }
        c->out = json_pack("{s:i, s:s}", "n", n, "key", "shown-once");
        return BTZ_OK;
    }
    if (c->if_match && strcmp(c->if_match, "7") != 0) {
        c->stale = true;
        return btz_fail(BTZ_CONFLICT, "changed meanwhile");
    }
    if (c->op == &op_echo) {
        snprintf(c->etag, sizeof c->etag, "8");
        c->out = json_incref(c->in);
    }
    return BTZ_OK;
}

static enum btz_err fake_call(struct btz_call *c)
{
    if (c->caller->kind == BTZ_CALLER_NOBODY && !(c->op->needs & BTZ_PUBLIC))
        return btz_fail(BTZ_DENIED, "nobody");
    if (c->op == &op_sign_in) {
        snprintf(c->set_session, sizeof c->set_session, "new-token");
        c->out = json_pack("{s:s}", "state", "signed-in");
        return BTZ_OK;
    }
    if (c->op == &op_sign_out) {
        c->end_session = true;
        return BTZ_OK;
    }
    if (c->op == &op_list) {
        c->out = json_pack("{s:[], s:s, s:O}", "items", "next", "c/2", "in", c->in);
        return BTZ_OK;
    }
    if (c->op == &op_export) {
        c->out = json_pack("{s:s, s:s}", "text", "a\nb\n", "media_type", "application/jsonl");
        return BTZ_OK;
    }
    return c->op == &op_get ? do_get(c) : do_change(c);
}

static void fake_release(struct btz_call *c)
{
    json_decref(c->out);
    c->out = NULL;
}

static bool fake_not_found(const struct btz_call *c)
{
    return c->prepared != NULL;
}

/* ---- callers --------------------------------------------------------------------------------------------------------- */

static enum btz_err accept_as(struct btz_slice given, const char *good, enum btz_caller_kind kind,
                              struct btz_caller *io)
{
    if (!btz_slice_is(given, good))
        return btz_fail(BTZ_DENIED, "refused because of %.*s", BTZ_SLICE_ARG(given));
    io->kind = kind;
    snprintf(io->principal, sizeof io->principal, "usr_%d%s", kind, io->client_cert ? "+cert" : "");
    return BTZ_OK;
}
static enum btz_err fake_session(struct btz_access *a, struct btz_slice t, struct btz_caller *io)
{
    (void)a;
    return accept_as(t, "good", BTZ_CALLER_SESSION, io);
}
static enum btz_err fake_key(struct btz_access *a, struct btz_slice t, struct btz_caller *io)
{
    (void)a;
    return btz_slice_is(t, "btz_other") ? accept_as(t, "btz_other", BTZ_CALLER_LOCAL, io)
                                        : accept_as(t, "btz_good", BTZ_CALLER_KEY, io);
}
static enum btz_err fake_token(struct btz_access *a, struct btz_slice t, struct btz_caller *io)
{
    (void)a;
    return accept_as(t, "jwt", BTZ_CALLER_TOKEN, io);
}
static enum btz_err fake_cert(struct btz_access *a, struct btz_slice t, struct btz_caller *io)
{
    (void)a;
    io->client_cert = true;
    return accept_as(t, "-----BEGIN\nX+Y", BTZ_CALLER_CERT, io);
}
static enum btz_err fake_own_cert(struct btz_access *a, struct btz_slice t, struct btz_caller *io)
{
    size_t n = strlen(io->principal);

    (void)a;
    if (btz_slice_is(t, "-----BEGIN\nX+Y"))
        snprintf(io->principal + n, sizeof io->principal - n, "+own");
    return BTZ_OK;
}
static atomic_int notes;
static enum btz_err fake_note(struct btz_access *a, const struct btz_caller *caller,
                              const struct btz_trail_entry *e)
{
    (void)a;
    (void)caller;
    assert_string_equal(e->event, "refusal");
    assert_string_equal(e->verdict, "deny");
    atomic_fetch_add(&notes, 1);
    return BTZ_OK;
}
static enum btz_err fake_local(struct btz_access *a, const char *name, struct btz_caller *io)
{
    (void)a;
    (void)name;
    return accept_as(btz_str("x"), "x", BTZ_CALLER_LOCAL, io);
}
static enum btz_err fake_address(const char *text, struct btz_address *out)
{
    out->known = true;
    return *text ? BTZ_OK : BTZ_INPUT;
}
static json_t *fake_schema(const char *name)
{
    return strcmp(name, "any") == 0 ? json_object() : NULL;
}

/* ---- what stands behind ---------------------------------------------------------------------------------------------- */

static char folder[32], api_path[64], local_path[64], store_path[64], seal_path[64];
static struct btz_seal *seal;
static struct btz_api *api;
static struct btz_api_server *server;
static _Atomic uint64_t now = 1800000000000;

static enum btz_err fake_store(struct btz_access *a, struct btz_store **out)
{
    (void)a;
    return btz_store_open(store_path, out);
}
static void fake_store_back(struct btz_access *a, struct btz_store *s)
{
    (void)a;
    btz_store_close(s);
}
static uint64_t fake_now(const struct btz_access *a)
{
    (void)a;
    return atomic_load(&now);
}

static struct btz_api_backend backend = { .call = fake_call,
                                          .release = fake_release,
                                          .was_not_found = fake_not_found,
                                          .session = fake_session,
                                          .key = fake_key,
                                          .token = fake_token,
                                          .cert = fake_cert,
                                          .own_cert = fake_own_cert,
                                          .note = fake_note,
                                          .local = fake_local,
                                          .schema = fake_schema,
                                          .store = fake_store,
                                          .store_back = fake_store_back,
                                          .now_ms = fake_now,
                                          .address = fake_address };
static const unsigned char page[] = "<!doctype html><title>x</title>";
static const struct btz_web_file files[] = {
    { "/sign-in", "text/html; charset=utf-8", page, sizeof page - 1 },
    { "/assets/empty.css", "text/css", page, 0 },
    { NULL, NULL, NULL, 0 },
};

static int setup(void **state)
{
    struct btz_api_options o = { .backend = &backend,
                                 .operations = operations,
                                 .files = files,
                                 .origin = "https://Test.Example:443" };
    struct btz_api_server_options so = { .socket = api_path,
                                         .local_socket = local_path,
                                         .connections = 64,
                                         .workers = 4,
                                         .queue = 8,
                                         .timeout_s = 2 };
    struct btz_store *s;

    (void)state;

    api_folder(folder);
    snprintf(api_path, sizeof api_path, "%s/api.sock", folder);
    snprintf(local_path, sizeof local_path, "%s/local.sock", folder);
    snprintf(store_path, sizeof store_path, "%s/db", folder);
    snprintf(seal_path, sizeof seal_path, "%s/seal.key", folder);
    assert_int_equal(btz_seal_open(seal_path, NULL, &seal), BTZ_OK);
    backend.seal = seal;
    assert_int_equal(btz_store_open(store_path, &s), BTZ_OK);
    assert_int_equal(btz_api_once_migrate(s), BTZ_OK);
    btz_store_close(s);
    assert_int_equal(btz_api_new(&o, &api), BTZ_OK);
    so.api = api;
    assert_int_equal(btz_api_server_start(&so, &server), BTZ_OK);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    (void)state;
    btz_api_server_stop(server);
    btz_api_free(api);
    btz_seal_close(seal);
    assert_int_not_equal(access(api_path, F_OK), 0);
    assert_int_not_equal(access(local_path, F_OK), 0);
    snprintf(command, sizeof command, "%s", folder);
    for (const char *const *name =
             (const char *const[]){ "db", "db-wal", "db-shm", "seal.key", NULL };
         *name; name++) {
        char path[96];

        snprintf(path, sizeof path, "%s/%s", folder, *name);
        unlink(path);
    }
    return rmdir(folder);
}

static unsigned status_of(const char *method, const char *target, const char *headers,
                          const char *body)
{
    struct api_reply r = api_call(api_path, method, target, headers, body);
    unsigned status = r.status;

    api_drop(&r);
    return status;
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */

static void test_routes_and_fields(void **state)
{
    static const struct {
        const char *method, *target, *body,
            *wanted; /* wanted: the fields as the operation saw them */
    } good[] = {
        { "GET", "/v1/items?limit=5&deep=true&tag=a&tag=b", NULL,
          "{\"limit\":5,\"deep\":true,\"tag\":[\"a\",\"b\"]}" },
        { "GET", "/v1/items?limit=x&deep=1&unknown=2", NULL,
          "{\"limit\":\"x\",\"deep\":\"1\",\"unknown\":\"2\"}" },
        { "GET", "/v1/items?limit=-3", NULL, "{\"limit\":-3}" },
        { "PATCH", "/v1/items/a%2Fb?dry=false", "{\"text\":\"t\",\"count\":\"5\",\"other\":null}",
          "{\"item\":\"a/b\",\"dry\":false,\"text\":\"t\",\"count\":\"5\",\"other\":null}" },
    };
    static const struct {
        const char *method, *target, *body;
        unsigned status;
    } bad[] = {
        { "GET", "/v1/items?limit=1&limit=2", NULL, 400 },
        { "PATCH", "/v1/items/a?text=t", "{}", 400 },
        { "PATCH", "/v1/items/a?item=b", "{}", 400 },
        { "PATCH", "/v1/items/a", "{\"item\":\"b\"}", 400 },
        { "PATCH", "/v1/items/a?x=1", "{\"x\":1}", 400 },
        { "PATCH", "/v1/items/a", "{\"dry\":true}", 400 },
        { "PATCH", "/v1/items/a", "[]", 400 },
        { "PATCH", "/v1/items/a", "{", 400 },
        { "PATCH", "/v1/items/a", "{\"text\":1,\"text\":2}", 400 },
        { "PATCH", "/v1/items/a", "{\"text\":\"\xff\"}", 400 },
        { "GET", "/v1/items", "{}", 400 },
        { "GET", "/v1/items/%ff", NULL, 400 },
        { "GET", "/v1/../items", NULL, 400 },
        { "GET", "/v1/nothing", NULL, 404 },
        { "PUT", "/v1/items", "{}", 405 },
        { "OPTIONS", "/v1/items", NULL, 405 },
        { "BREW", "/v1/items", NULL, 405 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(good); i++) {
        struct api_reply r = api_call(api_path, good[i].method, good[i].target, KEY, good[i].body);
        BTZ_JSON json_t *value = api_json(&r), *wanted = json_loads(good[i].wanted, 0, NULL);
        json_t *in = json_object_get(value, "in");

        assert_int_equal(r.status, 200);
        assert_true(json_equal(in ? in : value, wanted));
        api_drop(&r);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        struct api_reply r = api_call(api_path, bad[i].method, bad[i].target, KEY, bad[i].body);
        BTZ_JSON json_t *value = api_json(&r);

        if (r.status != bad[i].status)
            fail_msg("%s %s: %u", bad[i].method, bad[i].target, r.status);
        assert_string_equal(api_header(&r, "Content-Type"), "application/problem+json");
        assert_int_equal(json_integer_value(json_object_get(value, "status")), r.status);
        if (r.status == 405)
            assert_string_equal(api_header(&r, "Allow"), "GET, HEAD, POST");
        api_drop(&r);
    }
}

static void test_statuses(void **state)
{
    static const struct {
        const char *method, *target, *headers;
        unsigned status;
    } cases[] = {
        { "GET", "/v1/items/none", KEY, 404 },  { "GET", "/v1/items/secret", KEY, 500 },
        { "GET", "/v1/items/full", KEY, 507 },  { "GET", "/v1/items/locked", KEY, 429 },
        { "GET", "/v1/items/step", KEY, 403 },  { "GET", "/v1/items/a/export", KEY, 200 },
        { "DELETE", "/v1/items/a", KEY, 204 },  { "GET", "/v1/health", "", 200 },
        { "GET", "/v1/ready", "", 200 },        { "HEAD", "/v1/items/a", KEY, 200 },
        { "GET", "/v1/openapi.json", "", 200 }, { "POST", "/v1/health", "", 405 },
        { "GET", "/scim", KEY, 404 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct api_reply r =
            api_call(api_path, cases[i].method, cases[i].target, cases[i].headers, NULL);

        if (r.status != cases[i].status)
            fail_msg("%s %s: %u", cases[i].method, cases[i].target, r.status);
        if (r.status == 500)
            assert_false(btz_slice_has(r.body, "inside"));
        if (r.status == 429)
            assert_string_equal(api_header(&r, "Retry-After"), "30");
        if (r.status == 403)
            assert_true(btz_slice_has(r.body, "\"needs\":\"step-up\""));
        if (strstr(cases[i].target, "export")) {
            assert_true(btz_slice_is(r.body, "a\nb\n"));
            assert_string_equal(api_header(&r, "Content-Type"), "application/jsonl");
        }
        if (strcmp(cases[i].method, "HEAD") == 0) {
            assert_int_equal(r.body.len, 0);
            assert_true(strtoul(api_header(&r, "Content-Length"), NULL, 10) > 10);
        }
        assert_string_equal(api_header(&r, "X-Content-Type-Options"), "nosniff");
        assert_string_equal(api_header(&r, "Cache-Control"), "no-store");
        assert_true(strstr(api_header(&r, "Content-Security-Policy"), "default-src 'none'") !=
                    NULL);
        assert_string_equal(api_header(&r, "Strict-Transport-Security"), "max-age=31536000");
        assert_string_equal(api_header(&r, "Access-Control-Allow-Origin"), "");
        api_drop(&r);
    }
}

static void test_callers(void **state)
{
#define CERT "X-Bartizan-Client-Cert: -----BEGIN%0AX%2BY\r\n"
    static const struct {
        const char *headers;
        unsigned status;
        const char *who;
    } cases[] = {
        { KEY, 200, "usr_3" },
        { "Authorization: bearer  btz_good\r\n", 200, "usr_3" },
        { COOKIE, 200, "usr_2" },
        { "Cookie: a=b; __Host-bartizan=good; c=d\r\n", 200, "usr_2" },
        { "Authorization: Bearer jwt\r\n", 200, "usr_4" },
        { CERT, 200, "usr_5+cert" },
        /* Beside another credential it counts for its owner alone. */
        { CERT KEY, 200, "usr_3+own" },
        { "X-Bartizan-Client-Cert: other\r\n" KEY, 200, "usr_3" },
        { CERT COOKIE, 200, "usr_2+own" },
        { KEY COOKIE, 400, NULL },
        { KEY KEY, 400, NULL },
        { COOKIE COOKIE, 400, NULL },
        { "Cookie: __Host-bartizan=good; __Host-bartizan=good\r\n", 400, NULL },
        { CERT CERT, 400, NULL },
        { "", 401, NULL },
        { "Authorization: Bearer btz_bad\r\n", 401, NULL },
        { "Authorization: Bearer \r\n", 401, NULL },
        { "Authorization: Basic Z29vZA==\r\n", 401, NULL },
        { "Authorization: btz_good\r\n", 401, NULL },
        { "Authorization: Bearer other\r\n", 401, NULL },
        { "Cookie: __Host-bartizan=bad\r\n", 401, NULL },
        { "Cookie: bartizan=good\r\n", 401, NULL },
        { "Cookie: x__Host-bartizan=good\r\n", 401, NULL },
        { "X-Bartizan-Client-Cert: %zz\r\n", 401, NULL },
        { "X-Bartizan-Client-Cert: other\r\n", 401, NULL },
        /* Only the local socket knows the owner. */
        { "X-Bartizan-Local: 1\r\n", 401, NULL },
    };
    char refused[2048] = "";
    int before = atomic_load(&notes);

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct api_reply r = api_call(api_path, "GET", "/v1/items/a", cases[i].headers, NULL);

        if (r.status != cases[i].status)
            fail_msg("%s: %u", cases[i].headers, r.status);
        if (cases[i].who) {
            BTZ_JSON json_t *value = api_json(&r);

            assert_string_equal(json_string_value(json_object_get(value, "by")), cases[i].who);
        }
        /* Whatever was wrong, the answer is the same. */
        if (r.status == 401) {
            char text[2048];

            snprintf(text, sizeof text, "%.*s", BTZ_SLICE_ARG(r.body));
            if (!*refused)
                memcpy(refused, text, sizeof text);
            assert_string_equal(text, refused);
            assert_string_equal(api_header(&r, "WWW-Authenticate"), "Bearer realm=\"bartizan\"");
        }
        api_drop(&r);
    }
    /* A nobody is told nothing of fields either. */
    assert_int_equal(status_of("PATCH", "/v1/items/a?item=b", "", "{"), 401);
    assert_int_equal(status_of("PATCH", "/v1/items/a", "Content-Type: text/plain\r\n", "x"), 401);
    /* Those that no backend hears of: empty ones (three), and an escape that is none. */
    assert_int_equal(atomic_load(&notes), before + 4);
}

static void test_local(void **state)
{
    struct stat st;
    static const struct {
        const char *headers;
        unsigned status;
    } cases[] = {
        { "X-Bartizan-Local: 1\r\n", 200 },
        { "", 401 },
        { "X-Bartizan-Local: yes\r\n", 401 },
        { KEY, 200 },
        /* What only nginx may say is not believed here. */
        { "X-Bartizan-Client-Cert: -----BEGIN%0AX%2BY\r\n", 401 },
        { "X-Bartizan-Local: 1\r\nHost: elsewhere\r\n", 200 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct api_reply r = api_call(local_path, "GET", "/v1/items/a", cases[i].headers, NULL);

        if (r.status != cases[i].status)
            fail_msg("%s: %u", cases[i].headers, r.status);
        api_drop(&r);
    }
    assert_int_equal(stat(local_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(api_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* Every way in which another site could send a request, on every method. */
static void test_csrf(void **state)
{
    static const char *const methods[] = { "POST", "PATCH", "DELETE" };
    static const char *const targets[] = { "/v1/items", "/v1/items/a", "/v1/items/a" };
    static const char *const origins[] = { "",
                                           "Origin: " ORIGIN "\r\n",
                                           "Origin: https://evil.example\r\n",
                                           "Origin: null\r\n",
                                           "Origin: http://test.example\r\n",
                                           "Origin: https://test.example.evil.example\r\n" };
    static const char *const sites[] = { "", "same-origin", "same-site", "cross-site", "none" };
    static const char *const headers[] = { "", "X-Bartizan-CSRF: 1\r\n", "X-Bartizan-CSRF: 0\r\n" };
    unsigned good = 0, refused = 0;
    int before = atomic_load(&notes);

    (void)state;
    for (size_t m = 0; m < BTZ_COUNT(methods); m++)
        for (size_t o = 0; o < BTZ_COUNT(origins); o++)
            for (size_t s = 0; s < BTZ_COUNT(sites); s++)
                for (size_t h = 0; h < BTZ_COUNT(headers); h++) {
                    bool fine = o == 1 && s <= 1 && h == 1;
                    char text[512];
                    unsigned status;

                    snprintf(text, sizeof text, COOKIE "%s%s%s%s%s", origins[o], headers[h],
                             s ? "Sec-Fetch-Site: " : "", sites[s], s ? "\r\n" : "");
                    status = status_of(methods[m], targets[m], text, "{}");
                    if (fine ? status > 204 : status != 403)
                        fail_msg("%s with %s: %u", methods[m], text, status);
                    good += fine;
                    refused += !fine;
                }
    assert_int_equal(good, 6);
    assert_int_equal(refused, 264);
    assert_int_equal(atomic_load(&notes), before + 264);
    /* Keys are sent by programs, but a browser's Origin still counts. */
    assert_int_equal(status_of("DELETE", "/v1/items/a", KEY, NULL), 204);
    assert_int_equal(
        status_of("DELETE", "/v1/items/a", KEY "Origin: https://evil.example\r\n", NULL), 403);
    assert_int_equal(status_of("DELETE", "/v1/items/a", KEY "Sec-Fetch-Site: cross-site\r\n", NULL),
                     403);
    /* Signing somebody in from elsewhere. */
    assert_int_equal(status_of("POST", "/v1/sign-in", "Origin: https://evil.example\r\n", "{}"),
                     403);
    assert_int_equal(status_of("POST", "/v1/sign-in", "Origin: " ORIGIN "\r\n", "{}"), 200);
    assert_int_equal(status_of("POST", "/v1/sign-in", "Content-Type: text/plain\r\n", "{}"), 415);
    assert_int_equal(status_of("POST", "/v1/sign-in",
                               "Content-Type: application/x-www-form-urlencoded\r\n", "{}"),
                     415);
    /* Reading with our cookie from elsewhere. */
    assert_int_equal(status_of("GET", "/v1/items/a", COOKIE "Sec-Fetch-Site: cross-site\r\n", NULL),
                     403);
    assert_int_equal(status_of("GET", "/v1/items/a", COOKIE "Sec-Fetch-Site: none\r\n", NULL), 200);
}

static void test_cookies(void **state)
{
    struct api_reply r =
        api_call(api_path, "POST", "/v1/sign-in", "Cookie: __Host-bartizan=old\r\n", "{}");

    (void)state;
    assert_int_equal(r.status, 200);
    assert_string_equal(api_header(&r, "Set-Cookie"),
                        "__Host-bartizan=new-token; Path=/; Secure; HttpOnly; SameSite=Strict");
    api_drop(&r);
    r = api_call(api_path, "POST", "/v1/sign-out", COOKIE CSRF, "{}");
    assert_int_equal(r.status, 204);
    assert_true(strstr(api_header(&r, "Set-Cookie"), "Max-Age=0") != NULL);
    api_drop(&r);
    r = api_call(api_path, "GET", "/v1/items", "Cookie: __Host-bartizan=old\r\n", NULL);
    assert_int_equal(r.status, 401);
    assert_true(strstr(api_header(&r, "Set-Cookie"), "Max-Age=0") != NULL);
    api_drop(&r);
}

static void test_hosts(void **state)
{
    static const struct {
        const char *target, *host;
        unsigned status;
    } cases[] = {
        { "/v1/items/a", "test.example", 200 },
        { "/v1/items/a", "TEST.example:443", 200 },
        { "/v1/items/a", "test.example:444", 421 },
        { "/v1/items/a", "evil.example", 421 },
        { "/v1/items/a", "test.example.evil", 421 },
        { "/v1/items/a", "test.example@evil", 421 },
        { "/v1/items/a", "", 421 },
        { "/sign-in", "127.0.0.1", 307 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        char headers[256];
        struct api_reply r;

        snprintf(headers, sizeof headers, "Host: %s\r\n" KEY, cases[i].host);
        r = api_call(api_path, "GET", cases[i].target, headers, NULL);
        if (r.status != cases[i].status)
            fail_msg("%s: %u", cases[i].host, r.status);
        if (r.status == 307)
            assert_string_equal(api_header(&r, "Location"), ORIGIN "/sign-in");
        api_drop(&r);
    }
    assert_int_equal(
        status_of("GET", "/v1/items/a", "Host: test.example\r\nHost: evil\r\n" KEY, NULL), 400);
}

static void test_conditional(void **state)
{
    struct api_reply r = api_call(api_path, "GET", "/v1/items/a", KEY, NULL);

    (void)state;
    assert_string_equal(api_header(&r, "ETag"), "\"7\"");
    api_drop(&r);
    assert_int_equal(status_of("GET", "/v1/items/a", KEY "If-None-Match: \"7\"\r\n", NULL), 304);
    assert_int_equal(status_of("GET", "/v1/items/a", KEY "If-None-Match: \"6\", W/\"7\"\r\n", NULL),
                     304);
    assert_int_equal(status_of("GET", "/v1/items/a", KEY "If-None-Match: *\r\n", NULL), 304);
    assert_int_equal(status_of("GET", "/v1/items/a", KEY "If-None-Match: \"77\"\r\n", NULL), 200);
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY "If-Match: \"7\"\r\n", "{}"), 200);
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY "If-Match: *\r\n", "{}"), 200);
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY "If-Match: \"6\"\r\n", "{}"), 412);
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY "If-Match: 7\r\n", "{}"), 400);
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY "If-Match: \"6\", \"7\"\r\n", "{}"),
                     400);
    /* Lists get one from what they say. */
    r = api_call(api_path, "GET", "/v1/items?limit=2", KEY, NULL);
    assert_int_equal(strlen(api_header(&r, "ETag")), 34);
    assert_string_equal(api_header(&r, "Link"), "</v1/items?limit=2&cursor=c%2F2>; rel=\"next\"");
    api_drop(&r);
    r = api_call(api_path, "GET", "/v1/items?cursor=c%2F1&tag=%3E&limit=2", KEY, NULL);
    assert_string_equal(api_header(&r, "Link"),
                        "</v1/items?tag=%3E&limit=2&cursor=c%2F2>; rel=\"next\"");
    api_drop(&r);
}

static void test_approval(void **state)
{
    struct api_reply r = api_call(api_path, "POST", "/v1/items", KEY, "{\"wait\":1}");

    (void)state;
    assert_int_equal(r.status, 202);
    assert_true(btz_slice_is(r.body, "{\"approval\":\"apr_1\"}"));
    api_drop(&r);
}

static void *create_held(void *user)
{
    unsigned *status = user;

    *status = status_of("POST", "/v1/items", KEY "Idempotency-Key: \"held\"\r\n", "{}");
    return NULL;
}

static void test_idempotency(void **state)
{
    int before = atomic_load(&creations);
    struct api_reply first =
        api_call(api_path, "POST", "/v1/items", KEY "Idempotency-Key: \"k1\"\r\n", "{}");
    struct api_reply again =
        api_call(api_path, "POST", "/v1/items", KEY "Idempotency-Key: \"k1\"\r\n", "{}");
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF((size_t)64 << 20);
    char wal[80];
    pthread_t thread;
    unsigned held = 0;

    (void)state;
    assert_int_equal(first.status, 201);
    assert_int_equal(again.status, 201);
    assert_true(btz_slice_equal(first.body, again.body));
    assert_string_equal(api_header(&again, "Idempotency-Replayed"), "true");
    assert_int_equal(atomic_load(&creations), before + 1);
    api_drop(&first);
    api_drop(&again);
    /* The secret in the answer lies sealed. */
    snprintf(wal, sizeof wal, "%s-wal", store_path);
    assert_int_equal(btz_file_read(store_path, bytes.max, &bytes), BTZ_OK);
    if (access(wal, F_OK) == 0)
        assert_int_equal(btz_file_read(wal, bytes.max, &bytes), BTZ_OK);
    assert_true(bytes.len > 0);
    assert_false(btz_slice_has(btz_buf_slice(&bytes), "shown-once"));
    /* Another body, another caller, no key, a wrong key. */
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"k1\"\r\n", "{\"x\":1}"),
                     422);
    assert_int_equal(atomic_load(&creations), before + 1);
    assert_int_equal(status_of("POST", "/v1/items",
                               "Authorization: Bearer btz_other\r\nIdempotency-Key: \"k1\"\r\n",
                               "{}"),
                     201);
    assert_int_equal(atomic_load(&creations), before + 2);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"\"\r\n", "{}"), 400);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"a\r\n", "{}"), 400);
    /* Refusals are not kept. */
    assert_int_equal(
        status_of("PATCH", "/v1/items/a", KEY "If-Match: \"6\"\r\nIdempotency-Key: r\r\n", "{}"),
        412);
    assert_int_equal(
        status_of("PATCH", "/v1/items/a", KEY "If-Match: \"7\"\r\nIdempotency-Key: r\r\n", "{}"),
        200);
    /* Two at a time: one is done, the other is told. */
    before = atomic_load(&creations);
    atomic_store(&hold, 1);
    assert_int_equal(pthread_create(&thread, NULL, create_held, &held), 0);
    while (atomic_load(&creations) == before)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"held\"\r\n", "{}"),
                     409);
    atomic_store(&hold, 0);
    pthread_join(thread, NULL);
    assert_int_equal(held, 201);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"held\"\r\n", "{}"),
                     201);
    assert_int_equal(atomic_load(&creations), before + 1);
    /* One whose daemon was killed half way stays refused: nobody knows whether it was done. */
    {
        struct btz_store *s;

        assert_int_equal(btz_store_open(store_path, &s), BTZ_OK);
        assert_int_equal(btz_store_run(s, "UPDATE api_once SET state = 0", NULL, 0, NULL), BTZ_OK);
        btz_store_close(s);
    }
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"held\"\r\n", "{}"),
                     409);
    assert_int_equal(atomic_load(&creations), before + 1);
    /* A day later it is a new request. */
    atomic_fetch_add(&now, 86400001);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"k1\"\r\n", "{}"), 201);
    assert_int_equal(atomic_load(&creations), before + 2);
}

static int64_t kept(const char *owner)
{
    const struct btz_value v = btz_value_str(owner);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value *row;
    struct btz_store *s;
    int64_t n;

    btz_arena_init(&arena, 1 << 20);
    assert_int_equal(btz_store_open(store_path, &s), BTZ_OK);
    assert_int_equal(btz_store_one(s, "SELECT count(*) FROM api_once WHERE owner = ? AND state = 1",
                                   &v, 1, &arena, 1, &row),
                     BTZ_OK);
    n = row[0].i;
    btz_store_close(s);
    return n;
}

/* `count` answers of `size` bytes, kept since a moment. */
static void keep_many(const char *owner, int count, int64_t size)
{
    struct btz_store *s;

    assert_int_equal(btz_store_open(store_path, &s), BTZ_OK);
    assert_int_equal(btz_store_begin(s), BTZ_OK);
    for (int i = 0; i < count; i++) {
        char key[64];
        int n = snprintf(key, sizeof key, "%s-%d-%d", owner, (int)size, i);
        const struct btz_value v[] = { btz_value_blob(key, (size_t)n),
                                       btz_value_int((int64_t)atomic_load(&now) - 1000 + i),
                                       btz_value_str(owner), btz_value_int(size) };

        assert_int_equal(btz_store_run(s,
                                       "INSERT INTO api_once (key, print, state, made_ms, owner, "
                                       "size) VALUES (?, x'00', 1, ?, ?, ?)",
                                       v, BTZ_COUNT(v), NULL),
                         BTZ_OK);
    }
    assert_int_equal(btz_store_commit(s), BTZ_OK);
    btz_store_close(s);
}

/* Nobody fills the disk with answers that are kept: those of decisions are not, others up to a number and a size. */
static void test_idempotency_has_limits(void **state)
{
    int before = atomic_load(&creations);

    (void)state;
    atomic_fetch_add(&now, 86400001);
    assert_int_equal(status_of("POST", "/v1/ask", KEY "Idempotency-Key: \"q\"\r\n", "{}"), 200);
    assert_int_equal(status_of("POST", "/v1/ask", KEY "Idempotency-Key: \"q\"\r\n", "{}"), 200);
    keep_many("usr_3", 1500, 10);
    keep_many("usr_9", 1500, 10);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"new\"\r\n", "{}"), 201);
    assert_int_equal(kept("usr_3"), 1000);
    assert_int_equal(kept("usr_9"), 1500);
    atomic_fetch_add(&now, 10000);
    keep_many("usr_3", 40, 1 << 20);
    atomic_fetch_add(&now, 10000);
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"two\"\r\n", "{}"), 201);
    assert_in_range(kept("usr_3"), 15, 17);
    /* The newest is there, the oldest is not. */
    assert_int_equal(status_of("POST", "/v1/items", KEY "Idempotency-Key: \"two\"\r\n", "{}"), 201);
    assert_int_equal(atomic_load(&creations), before + 2);
}

/* It was done, and its answer cannot be given: a repetition is told so, and it is not done again. */
static void test_idempotency_of_what_breaks(void **state)
{
    int before = atomic_load(&breaks);

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            status_of("POST", "/v1/items/a/break", KEY "Idempotency-Key: \"broken\"\r\n", "{}"),
            500);
    assert_int_equal(atomic_load(&breaks), before + 1);
}

static void test_pages(void **state)
{
    struct api_reply r = api_call(api_path, "GET", "/sign-in", "", NULL);
    char etag[64], headers[128];

    (void)state;
    assert_int_equal(r.status, 200);
    assert_true(btz_slice_is(r.body, (const char *)page));
    assert_string_equal(api_header(&r, "Content-Type"), "text/html; charset=utf-8");
    assert_string_equal(api_header(&r, "Content-Security-Policy"),
                        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                        "data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
                        "base-uri 'none'; require-trusted-types-for 'script'; "
                        "trusted-types 'none'");
    snprintf(etag, sizeof etag, "%.40s", api_header(&r, "ETag"));
    api_drop(&r);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    r = api_call(api_path, "GET", "/sign-in", headers, NULL);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.body.len, 0);
    api_drop(&r);
    r = api_call(api_path, "GET", "/assets/empty.css", "", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 0);
    api_drop(&r);
    assert_int_equal(status_of("GET", "/", "", NULL), 307);
    assert_int_equal(status_of("GET", "/assets/none.css", "", NULL), 404);
    assert_int_equal(status_of("GET", "/assets/../sign-in", "", NULL), 400);
    assert_int_equal(status_of("GET", "/assets/%2e%2e/sign-in", "", NULL), 400);
    assert_int_equal(status_of("POST", "/sign-in", "", "{}"), 405);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *bytes;
        unsigned low, high; /* 0: closed without an answer is fine too */
    } cases[] = {
        { "GET /v1/health HTTP/1.1\r\n\r\n", 400, 421 },
        { "GET /v1/health HTTP/1.1\r\nHost: test.example\r\nHost: test.example\r\n\r\n", 400, 400 },
        { "POST /v1/sign-in HTTP/1.1\r\nHost: test.example\r\nContent-Type: application/json\r\n"
          "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
          400, 400 },
        { "POST /v1/sign-in HTTP/1.1\r\nHost: test.example\r\nContent-Type: application/json\r\n"
          "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
          400, 400 },
        { "POST /v1/sign-in HTTP/1.1\r\nHost: test.example\r\nContent-Length: -1\r\n\r\n", 0, 499 },
        { "POST /v1/sign-in HTTP/1.1\r\nHost: test.example\r\nContent-Length: "
          "99999999999999999999\r\n\r\n",
          0, 499 },
        { "GET http://test.example/v1/health HTTP/1.1\r\nHost: test.example\r\n\r\n", 400, 400 },
        { "GET * HTTP/1.1\r\nHost: test.example\r\n\r\n", 400, 400 },
        { "\x16\x03\x01\x02\x00\x01\x00", 0, 499 },
        { "GET\r\n\r\n", 0, 499 },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct api_reply r = api_send(api_path, btz_str(cases[i].bytes));

        if (r.status > cases[i].high || r.status < cases[i].low)
            fail_msg("case %zu: %u", i, r.status);
        api_drop(&r);
    }
    assert_int_equal(status_of("GET", "/v1/health", "", NULL), 200);
}

static void test_sizes(void **state)
{
    size_t len = BTZ_API_BODY_MAX + 1;
    char *body = malloc(len + 1), *headers = malloc(200000);
    struct api_reply r;

    (void)state;
    assert_non_null(body);
    assert_non_null(headers);
    /* A body of exactly the limit is read, one byte more is not. */
    memset(body, ' ', len);
    body[len] = '\0';
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY, body), 413);
    body[0] = '{';
    body[len - 2] = '}';
    body[len - 1] = '\0';
    assert_int_equal(status_of("PATCH", "/v1/items/a", KEY, body), 200);
    /* Chunked: its length shows only while it comes. */
    {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)8 << 20);

        assert_int_equal(btz_buf_add_str(&text,
                                         "PATCH /v1/items/a HTTP/1.1\r\nHost: test.example\r\n" KEY
                                         "Content-Type: application/json\r\nConnection: close\r\n"
                                         "Transfer-Encoding: chunked\r\n\r\n"),
                         BTZ_OK);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(btz_buf_add_str(&text, "10000\r\n"), BTZ_OK);
            assert_int_equal(btz_buf_add(&text, body, 65536), BTZ_OK);
            assert_int_equal(btz_buf_add_str(&text, "\r\n"), BTZ_OK);
        }
        assert_int_equal(btz_buf_add_str(&text, "0\r\n\r\n"), BTZ_OK);
        r = api_send(api_path, btz_buf_slice(&text));
        assert_int_equal(r.status, 413);
        api_drop(&r);
    }
    /* Many headers, and one that is too long. */
    headers[0] = '\0';
    for (size_t i = 0, n = 0; i < 200; i++)
        n += (size_t)snprintf(headers + n, 200000 - n, "X-%zu: y\r\n", i);
    assert_int_equal(status_of("GET", "/v1/health", headers, NULL), 431);
    memset(headers, 'a', 100000);
    memcpy(headers, "X-Long: ", 8);
    memcpy(headers + 100000, "\r\n", 3);
    r = api_call(api_path, "GET", "/v1/health", headers, NULL);
    assert_true(r.status == 0 || (r.status >= 400 && r.status < 500));
    api_drop(&r);
    memset(headers, 'a', BTZ_API_TARGET_MAX + 1);
    headers[0] = '/';
    headers[BTZ_API_TARGET_MAX + 1] = '\0';
    assert_int_equal(status_of("GET", headers, "", NULL), 414);
    assert_int_equal(status_of("GET", "/v1/health", "", NULL), 200);
    free(body);
    free(headers);
}

static void test_pipelining(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct api_reply r;
    size_t at = 0, count = 0;

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(btz_buf_printf(&text,
                                        "GET /v1/items/n%d HTTP/1.1\r\nHost: test.example\r\n" KEY
                                        "%s\r\n",
                                        i, i == 19 ? "Connection: close\r\n" : ""),
                         BTZ_OK);
    r = api_send(api_path, btz_buf_slice(&text));
    /* In order, each once. */
    for (int i = 0; i < 20; i++) {
        char wanted[32];

        snprintf(wanted, sizeof wanted, "\"item\":\"n%d\"", i);
        at = btz_slice_find(btz_buf_slice(&r.raw), btz_str(wanted), at);
        assert_true(at != SIZE_MAX);
        count++;
    }
    assert_int_equal(count, 20);
    api_drop(&r);
}

struct slow {
    pthread_t thread;
    const char *path;
    unsigned status;
};
static void *ask_slowly(void *user)
{
    struct slow *s = user;

    s->status = status_of("GET", "/v1/items/slow", KEY, NULL);
    return NULL;
}

/* More requests than workers and queue: some are told to come back, none is lost, pages go on. */
static void test_busy(void **state)
{
    struct slow slow[40];
    unsigned done = 0, told = 0;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(slow); i++)
        assert_int_equal(pthread_create(&slow[i].thread, NULL, ask_slowly, &slow[i]), 0);
    for (size_t i = 0; i < BTZ_COUNT(slow); i++) {
        pthread_join(slow[i].thread, NULL);
        done += slow[i].status == 200;
        told += slow[i].status == 503;
    }
    assert_int_equal(done + told, BTZ_COUNT(slow));
    assert_int_equal(done, atomic_load(&slow_ones));
    assert_true(done >= 4);
    assert_true(atomic_load(&most_active) <= 4);
}

static unsigned twenty(const struct btz_access *a)
{
    (void)a;
    return 20;
}

static void *create_slowly(void *user)
{
    struct slow *s = user;
    struct api_reply r = api_call(s->path, "POST", "/v1/items", KEY, "{}");

    s->status = r.status;
    api_drop(&r);
    return NULL;
}

/* As many as may wait at a time hold all others up no more than nobody; when everybody hangs, the owner still acts. */
static void test_workers_for_those_who_wait(void **state)
{
    struct btz_api_options o = { .backend = &backend,
                                 .operations = operations,
                                 .origin = "https://test.example" };
    struct btz_api_server_options so = { 0 };
    struct btz_api_server *own = NULL;
    struct btz_api *own_api = NULL;
    struct slow slow[20 + 8];
    char path[64], local[64];
    struct api_reply r;
    int before = atomic_load(&creations);

    (void)state;
    snprintf(path, sizeof path, "%s/w", folder);
    snprintf(local, sizeof local, "%s/l", folder);
    backend.waits = twenty;
    assert_int_equal(btz_api_new(&o, &own_api), BTZ_OK);
    so.api = own_api;
    so.socket = path;
    so.local_socket = local;
    assert_int_equal(btz_api_server_start(&so, &own), BTZ_OK);
    atomic_store(&hold, 1);
    for (size_t i = 0; i < BTZ_COUNT(slow); i++) {
        slow[i].path = path;
        assert_int_equal(pthread_create(&slow[i].thread, NULL, create_slowly, &slow[i]), 0);
        while (atomic_load(&creations) < before + (int)i + 1)
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        if (i != 19)
            continue;
        r = api_call(path, "GET", "/v1/items/a", KEY, NULL);
        assert_int_equal(r.status, 200);
        api_drop(&r);
    }
    /* Each of all workers hangs now. */
    r = api_call(local, "GET", "/v1/items/a", "X-Bartizan-Local: 1\r\n", NULL);
    assert_int_equal(r.status, 200);
    api_drop(&r);
    atomic_store(&hold, 0);
    for (size_t i = 0; i < BTZ_COUNT(slow); i++) {
        pthread_join(slow[i].thread, NULL);
        assert_int_equal(slow[i].status, 201);
    }
    btz_api_server_stop(own);
    btz_api_free(own_api);
    backend.waits = NULL;
}

static size_t resident(void)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    const char *line;

    assert_int_equal(btz_file_read("/proc/self/statm", 4095, &text), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&text, &line), BTZ_OK);
    return strtoul(strchr(line, ' ') + 1, NULL, 10) * 4096;
}

/* 10,000 connections that say half a request and then nothing. */
static void test_slow_clients(void **state)
{
    static const char half[] = "POST /v1/sign-in HTTP/1.1\r\nHost: test.example\r\nX-";
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t before = resident(), count = 10000, open = 0;
    struct rlimit limit;
    int *fds;
    unsigned status = 0;

    (void)state;
    memcpy(to.sun_path, api_path, strlen(api_path) + 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    fds = calloc(count, sizeof *fds);
    assert_non_null(fds);
    for (size_t i = 0; i < count; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fds[i] < 0)
            break;
        if (connect(fds[i], (const struct sockaddr *)&to, sizeof to) == 0) {
            (void)!send(fds[i], half, sizeof half - 1, MSG_NOSIGNAL);
            open++;
        } else {
            close(fds[i]);
            fds[i] = -1;
        }
    }
    /* Those that are taken and those that wait are bounded, and so is the memory. */
    assert_true(open >= 64);
    assert_true(open < 2000);
    assert_true(resident() < before + ((size_t)64 << 20));
    /* They are cut off after a while, and others have their turn. */
    for (int i = 0; i < 200 && status != 200; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) {
            static const char ask[] =
                "GET /v1/health HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n";
            struct api_reply r;

            (void)!send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL);
            api_read(fd, 60000, &r);
            status = r.status;
            api_drop(&r);
        } else {
            nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
        }
        close(fd);
    }
    assert_int_equal(status, 200);
    for (size_t i = 0; i < count; i++)
        if (fds[i] > 0)
            close(fds[i]);
    free(fds);
}

static void test_second_server(void **state)
{
    struct btz_api_server_options o = { .api = api, .socket = api_path };
    struct btz_api_server *other;
    char path[200];

    (void)state;
    assert_int_equal(btz_api_server_start(&o, &other), BTZ_CONFLICT);
    assert_int_equal(status_of("GET", "/v1/health", "", NULL), 200);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    o.socket = path;
    assert_int_equal(btz_api_server_start(&o, &other), BTZ_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_and_fields),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_callers),
        cmocka_unit_test(test_local),
        cmocka_unit_test(test_csrf),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_conditional),
        cmocka_unit_test(test_approval),
        cmocka_unit_test(test_idempotency),
        cmocka_unit_test(test_idempotency_has_limits),
        cmocka_unit_test(test_idempotency_of_what_breaks),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_workers_for_those_who_wait),
        cmocka_unit_test(test_second_server),
        cmocka_unit_test(test_slow_clients),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, setup, teardown);
}
