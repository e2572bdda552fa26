/* Pages of browsers: who may ask with what goes along by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exchange_talk.h"

#define OWN     "https://gate.example:8443"
#define EVIL    "https://evil.example"
#define CHAT_AT "/v1/chat/completions"
#define JSON    "application/json"

struct asked {
    const char *method, *path, *type, *origin, *site, *csrf;
    /* k: key, x: x-api-key, a: api-key, c: cookie, t: certificate, b: cookie and key, -: nothing. Then perhaps C: a body of
     * unknown length, U: to become a WebSocket, N: the gateway knows no origin of its own. */
    const char *by;
    unsigned status; /* 0: may go on */
    int64_t length;  /* of the body; -1: none is said */
};

static void check(struct gate_place *p, const struct asked *a, size_t number)
{
    struct btz_page page = { .own = btz_str(strchr(a->by, 'N') ? "" : OWN),
                             .fetch_site = btz_str(a->site),
                             .csrf = btz_str(a->csrf),
                             .chunked = strchr(a->by, 'C') != NULL };
    const struct btz_answer *answer;
    struct talk t;

    start(&t, p, a->path, NULL);
    t.in.method = btz_str(a->method);
    t.in.content_type = btz_str(a->type);
    t.in.origin = btz_str(a->origin);
    t.in.content_length = a->length;
    t.in.upgrade = strchr(a->by, 'U') != NULL;
    if (a->by[0] == 'k' || a->by[0] == 'b')
        t.in.authorization = btz_str("Bearer btz_x");
    if (a->by[0] == 'x')
        t.in.x_api_key = btz_str("btz_x");
    if (a->by[0] == 'a')
        t.in.api_key = btz_str("btz_x");
    if (a->by[0] == 'c' || a->by[0] == 'b')
        t.in.cookie = btz_str("__Host-bartizan=x");
    if (a->by[0] == 't')
        t.in.client_cert = btz_str("-----BEGIN CERTIFICATE-----");
    t.step = btz_exchange_page(t.x, &page);
    answer = btz_exchange_answer(t.x);
    if ((t.step == BTZ_STEP_GO) != (a->status == 0) ||
        (t.step != BTZ_STEP_GO && (t.step != BTZ_STEP_REFUSE || answer->status != a->status)))
        fail_msg("%zu: %s %s by %s: expected %u, found step %d with %u", number, a->method, a->path,
                 a->by, a->status, t.step, answer->status);
    if (t.step == BTZ_STEP_REFUSE && answer->body.len == 0)
        fail_msg("%zu: an answer without words", number);
    finish(&t, t.step == BTZ_STEP_GO ? BTZ_END_DONE : BTZ_END_REFUSED);
}

static void check_all(const struct asked *all, size_t count)
{
    struct gate_place p;

    gate_open(&p, ONE "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n");
    for (size_t i = 0; i < count; i++)
        check(&p, &all[i], i);
    gate_close(&p);
}

/* With a key nothing of this counts: no browser sends one by itself. */
static void test_keys(void **state)
{
    static const struct asked all[] = {
        { "POST", CHAT_AT, JSON, "", "", "", "k", 0, 10 },
        { "POST", CHAT_AT, JSON, EVIL, "cross-site", "", "k", 0, 10 },
        { "POST", CHAT_AT, "text/plain", EVIL, "cross-site", "", "x", 0, 10 },
        { "POST", CHAT_AT, "", "", "", "", "a", 0, 10 },
        { "POST", CHAT_AT, JSON, EVIL, "cross-site", "", "b", 0, 10 },
        { "POST", CHAT_AT, JSON, EVIL, "cross-site", "", "-", 0, 10 }, /* 401 comes later */
        { "GET", "/v1/models", "", EVIL, "cross-site", "", "-", 0, -1 },
    };

    (void)state;
    check_all(all, BTZ_COUNT(all));
}

static void test_cookies(void **state)
{
    static const struct asked all[] = {
        { "POST", CHAT_AT, JSON, OWN, "same-origin", "1", "c", 0, 10 },
        { "POST", CHAT_AT, JSON, OWN, "", "1", "c", 0, 10 },
        { "POST", CHAT_AT, "application/json; charset=utf-8", OWN, "", "1", "c", 0, 10 },
        { "POST", CHAT_AT, JSON, OWN, "", "", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN, "", "0", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN, "", "11", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, "", "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, "null", "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, EVIL, "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN ".evil.example", "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, "https://gate.example:844", "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, "HTTPS://gate.example:8443", "", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN, "cross-site", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN, "same-site", "1", "c", 403, 10 },
        { "POST", CHAT_AT, JSON, OWN, "none", "1", "c", 0, 10 },
        { "DELETE", "/v1/files/file-1", "", OWN, "", "1", "c", 0, -1 },
        { "DELETE", "/v1/files/file-1", "", OWN, "", "", "c", 403, -1 },
        { "GET", "/v1/models", "", "", "", "", "c", 0, -1 },
        { "GET", "/v1/models", "", "", "none", "", "c", 0, -1 },
        { "GET", "/v1/models", "", OWN, "same-origin", "", "c", 0, -1 },
        { "HEAD", "/v1/models", "", "", "", "", "c", 0, -1 },
        { "GET", "/v1/models", "", EVIL, "", "", "c", 403, -1 },
        { "GET", "/v1/models", "", "", "cross-site", "", "c", 403, -1 },
        { "GET", "/score", "", "", "", "", "cU", 403, -1 },
        { "GET", "/score", "", EVIL, "", "", "cU", 403, -1 },
        { "GET", "/score", "", OWN, "", "", "cU", 0, -1 },
        /* Without an origin of its own the gateway has no pages. */
        { "POST", CHAT_AT, JSON, OWN, "", "1", "cN", 403, 10 },
        { "POST", CHAT_AT, JSON, "", "", "1", "cN", 403, 10 },
        { "GET", "/v1/models", "", "", "", "", "cN", 0, -1 },
    };

    (void)state;
    check_all(all, BTZ_COUNT(all));
}

/* Programs have certificates too, and they know nothing of origins. */
static void test_certificates(void **state)
{
    static const struct asked all[] = {
        { "POST", CHAT_AT, JSON, "", "", "", "t", 0, 10 },
        { "POST", CHAT_AT, JSON, OWN, "same-origin", "", "t", 0, 10 },
        { "POST", CHAT_AT, JSON, EVIL, "", "", "t", 403, 10 },
        { "POST", CHAT_AT, JSON, "", "cross-site", "", "t", 403, 10 },
        { "GET", "/v1/models", "", "", "cross-site", "", "t", 403, -1 },
        { "GET", "/v1/models", "", "", "", "", "t", 0, -1 },
        { "POST", CHAT_AT, "text/plain", "", "", "", "t", 415, 10 },
    };

    (void)state;
    check_all(all, BTZ_COUNT(all));
}

/* What a form can send, by the page of whoever, is no request of ours. */
static void test_forms(void **state)
{
    static const struct asked all[] = {
        { "POST", CHAT_AT, "text/plain", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, "Text/Plain; charset=utf-8", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, " text/plain ;x", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, "application/x-www-form-urlencoded", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, "multipart/form-data; boundary=x", OWN, "", "1", "c", 415, 10 },
        { "POST", "/v1/files", "multipart/form-data; boundary=x", OWN, "", "1", "c", 0, 10 },
        { "POST", "/v1/audio/transcriptions", "multipart/form-data; boundary=x", OWN, "", "1", "c",
          0, 10 },
        { "POST", "/v1/images/edits", "multipart/form-data; boundary=x", OWN, "", "1", "c", 0, 10 },
        { "POST", "/score", "multipart/form-data; boundary=x", OWN, "", "1", "c", 0, 10 },
        { "POST", "/score", "text/plain", OWN, "", "1", "c", 415, 10 },
        { "POST", "/v1/files", "text/plain", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, "", OWN, "", "1", "c", 415, 10 },
        { "POST", CHAT_AT, "", OWN, "", "1", "cC", 415, -1 },
        { "POST", CHAT_AT, "", OWN, "", "1", "c", 0, -1 },
        { "POST", CHAT_AT, "", OWN, "", "1", "c", 0, 0 },
    };

    (void)state;
    check_all(all, BTZ_COUNT(all));
}

/* The question that browsers ask first: nginx has answered that of our own pages. */
static void test_questions(void **state)
{
    static const struct asked all[] = {
        { "OPTIONS", CHAT_AT, "", EVIL, "", "", "-", 403, -1 },
        { "OPTIONS", CHAT_AT, "", "", "", "", "-", 405, -1 },
        { "OPTIONS", CHAT_AT, "", EVIL, "", "", "k", 403, -1 },
        { "OPTIONS", CHAT_AT, "", "", "", "", "k", 405, -1 },
    };

    (void)state;
    check_all(all, BTZ_COUNT(all));
    assert_true(btz_page_is_own(btz_str(OWN), btz_str(OWN)));
    assert_false(btz_page_is_own(btz_str(OWN), btz_str("")));
    assert_false(btz_page_is_own(btz_str(""), btz_str("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),         cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_questions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
