/* Records: what is written is what a JSON library reads, hostile text and all; what is cut is counted; and nothing but
 * what is written is read back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gate/journal/record.h"

#define RANDOM_ROUNDS 3000

static void must(enum btz_err err)
{
    if (err != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static struct btz_buf written(const struct btz_call_record *r)
{
    struct btz_buf out = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX + 2 * BTZ_JOURNAL_BODY_MAX);

    must(btz_record_write(r, &out));
    return out;
}

static json_t *parsed(struct btz_slice text)
{
    json_t *out = NULL;

    must(btz_json_parse(text, BTZ_JOURNAL_RECORD_MAX, "record", &out));
    return out;
}

static const struct btz_guard_detector email = { .id = "email" };

static const struct btz_call_record full = {
    .request = "req_1",
    .phase = "end",
    .trace = "4bf92f3577b34da6a3ce929d0e0e4736",
    .parent_span = "00f067aa0ba902b7",
    .at_ms = 1795881600000,
    .took_us = 1234,
    .own_us = 56,
    .first_token_us = 400,
    .principal = "usr_01234567890123456789abcdef",
    .name = "Zo\xC3\xAB \"Z\"",
    .key = "key_1",
    .method = "key",
    .address = "10.0.0.1",
    .user_agent = "curl/8\n\x01\x7f",
    .route = "chat",
    .protocol = "openai",
    .action = "model.invoke",
    .resource = "model/m",
    .model = "m",
    .upstream = "up",
    .served_model = "m2",
    .status = 200,
    .upstream_status = 200,
    .attempts = 1,
    .verdict = "allow",
    .rule = "r1",
    .reason = "because",
    .guard = "passed",
    .guard_mode = "window",
    .request_bytes = 10,
    .response_bytes = 20,
    .scanned_in = 1,
    .scanned_out = 3,
    .released_out = 3,
    .input_tokens = 0,
    .output_tokens = 7,
    .tokens_known = true,
    .cost = 0.0000125,
    .stream = true,
};

static void test_members(void **state)
{
    struct btz_buf out = written(&full);
    json_t *o = parsed(btz_buf_slice(&out));
    struct btz_record_view v;
    struct btz_slice text;

    (void)state;
    assert_string_equal(json_string_value(json_object_get(o, "name")), "Zo\xC3\xAB \"Z\"");
    assert_string_equal(json_string_value(json_object_get(o, "user_agent")), "curl/8\n\x01\x7f");
    assert_int_equal(json_integer_value(json_object_get(o, "at")), 1795881600000);
    assert_int_equal(json_integer_value(json_object_get(o, "input_tokens")), 0);
    assert_true(fabs(json_real_value(json_object_get(o, "cost")) - 0.0000125) < 1e-12);
    assert_true(json_is_true(json_object_get(o, "stream")));
    assert_null(json_object_get(o, "cut"));
    assert_null(json_object_get(o, "guard_reason"));
    must(btz_record_parse(btz_buf_slice(&out), &v));
    assert_int_equal(v.count, json_object_size(o));
    assert_true(btz_record_text(&v, "verdict", &text));
    assert_true(btz_slice_is(text, "allow"));
    assert_int_equal(btz_record_count(&v, "took_us"), 1234);
    assert_true(btz_record_flag(&v, "stream"));
    assert_false(btz_record_text(&v, "took_us", &text));
    json_decref(o);
    btz_buf_release(&out);
}

/* Random bytes in a text: JSON, and the text that U+FFFD in place of what is no UTF-8 gives, or its beginning. */
static void test_hostile_text(void **state)
{
    struct btz_rng rng;

    (void)state;
    btz_rng_init(&rng, 4, 1);
    for (int round = 0; round < RANDOM_ROUNDS; round++) {
        struct btz_call_record r = { .verdict = "deny" };
        struct btz_buf clean = BTZ_BUF(8192), out;
        char text[1400];
        size_t n = btz_rng_below(&rng, sizeof text), len;
        const char *got;
        json_t *o;

        for (size_t i = 0; i < n; i++) {
            static const char some[] =
                "\"\\\n\x01\x1f\x7f/<\xC3\xA9\xE2\x80\xAE\xF0\x9F\x98\x80\xED\xA0\xFF";

            text[i] = round % 3 == 0   ? (char)(1 + btz_rng_below(&rng, 255))
                      : round % 3 == 1 ? some[btz_rng_below(&rng, sizeof some - 1)]
                                       : 'a';
        }
        text[n] = '\0';
        r.reason = text;
        out = written(&r);
        o = parsed(btz_buf_slice(&out));
        got = json_string_value(json_object_get(o, "reason"));
        must(btz_utf8_clean(btz_slice_of(text, strlen(text)), &clean));
        must(btz_buf_add_byte(&clean, 0));
        if (n == 0) {
            assert_null(got);
        } else if (strcmp(got, (const char *)clean.ptr) != 0) {
            len = strlen(got);
            assert_true(len >= 3 && len <= 1024);
            assert_string_equal(got + len - 3, "...");
            assert_memory_equal(got, clean.ptr, len - 3);
            assert_true(out.len > 1024);
        }
        json_decref(o);
        btz_buf_release(&out);
        btz_buf_release(&clean);
    }
}

/* The largest record there can be stays below its limit, and lists are cut with their number. */
static void test_largest(void **state)
{
    char *wide = malloc(4096);
    struct btz_guard_record hits[300];
    struct btz_range ranges[300];
    struct btz_call_record r = full;
    const struct btz_guard_detector long_id = { .id = wide };
    struct btz_record_view v;
    struct btz_buf out;
    json_t *o;

    (void)state;
    assert_non_null(wide);
    memset(wide, 1, 4095);
    wide[4095] = '\0';
    for (size_t i = 0; i < btz_member_count; i++)
        if (btz_members[i].kind == BTZ_MEMBER_TEXT)
            memcpy((char *)&r + btz_members[i].offset, &wide, sizeof wide);
        else if (btz_members[i].kind == BTZ_MEMBER_COUNT ||
                 btz_members[i].kind == BTZ_MEMBER_TOKENS)
            memset((char *)&r + btz_members[i].offset, 0xFF, sizeof(uint64_t));
    for (size_t i = 0; i < BTZ_COUNT(hits); i++) {
        hits[i] = (struct btz_guard_record){ .hit = { .detector = &long_id,
                                                      .from = SIZE_MAX,
                                                      .to = SIZE_MAX,
                                                      .score = 0.12345,
                                                      .kind = wide,
                                                      .how = wide,
                                                      .action = BTZ_GUARD_PSEUDONYMISE },
                                             .channel = BTZ_CHANNEL_TOOL_DESCRIPTION,
                                             .text = UINT32_MAX };
        ranges[i] = (struct btz_range){ UINT64_MAX, UINT64_MAX };
    }
    r.cost = 1e300;
    r.hits = hits;
    r.hit_count = BTZ_COUNT(hits);
    r.scanned = ranges;
    r.scanned_count = BTZ_COUNT(ranges);
    r.request_digest = r.response_digest = (const uint8_t *)wide;
    r.cut = r.client_gone = true;
    out = written(&r);
    print_message("%zu bytes\n", out.len);
    assert_true(out.len < BTZ_JOURNAL_RECORD_MAX - 512);
    o = parsed(btz_buf_slice(&out));
    assert_int_equal(json_array_size(json_object_get(o, "hits")), BTZ_RECORD_HITS);
    assert_int_equal(json_integer_value(json_object_get(o, "hit_count")), 300);
    assert_int_equal(json_array_size(json_object_get(o, "scanned")), BTZ_RECORD_RANGES);
    assert_int_equal(json_integer_value(json_object_get(o, "scanned_count")), 300);
    must(btz_record_parse(btz_buf_slice(&out), &v));
    json_decref(o);
    btz_buf_release(&out);
    free(wide);
}

static void test_hits(void **state)
{
    const struct btz_guard_record hit = { .hit = { .detector = &email,
                                                   .from = 3,
                                                   .to = 9,
                                                   .score = 0.975,
                                                   .kind = "email",
                                                   .action = BTZ_GUARD_MASK,
                                                   .how = "base64" },
                                          .channel = BTZ_CHANNEL_TOOL_RESULT };
    const struct btz_range range = { 0, 17 };
    struct btz_call_record r = {
        .verdict = "allow", .hits = &hit, .hit_count = 1, .scanned = &range, .scanned_count = 1
    };
    struct btz_buf out = written(&r);

    (void)state;
    assert_true(btz_slice_is(
        btz_buf_slice(&out),
        "{\"verdict\":\"allow\",\"hits\":[{\"detector\":\"email\",\"kind\":\"email\",\"channel\":"
        "\"tool-result\",\"action\":\"mask\",\"text\":0,\"from\":3,\"to\":9,\"score\":0.975,"
        "\"how\":"
        "\"base64\"}],\"hit_count\":1,\"scanned\":[[0,17]],\"scanned_count\":1}"));
    btz_buf_release(&out);
}

static void test_bodies(void **state)
{
    static uint8_t large[BTZ_JOURNAL_BODY_MAX + 10];
    struct btz_call_record r = { .verdict = "deny",
                                 .request_body = btz_str("{\"a\":1}"),
                                 .response_body = btz_slice_of(large, sizeof large) };
    struct btz_buf out = written(&r);
    struct btz_record_view v;

    (void)state;
    must(btz_record_parse(btz_buf_slice(&out), &v));
    assert_true(btz_slice_is(v.request_body, "{\"a\":1}"));
    assert_int_equal(v.response_body.len, BTZ_JOURNAL_BODY_MAX);
    assert_int_equal(btz_record_count(&v, "response_body_of"), sizeof large);
    assert_int_equal(btz_record_parse(btz_slice_of(out.ptr, out.len - 1), &v), BTZ_INPUT);
    btz_buf_release(&out);
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "[]",
        "{\"verdict\":\"allow\"",
        "{\"verdict\":\"allow\"}x",
        "{\"verdict\":\"allow\",\"verdict\":\"deny\"}",
        "{\"status\":200,\"request\":\"x\"}",
        "{\"event\":\"x\"}",
        "{\"verdict\": \"allow\"}",
        "{\"status\":-1}",
        "{\"status\":01}",
        "{\"status\":9223372036854775808}",
        "{\"cost\":1.}",
        "{\"cost\":1e5}",
        "{\"cut\":false}",
        "{\"reason\":\"a\nb\"}",
        "{\"reason\":\"\\u0000\"}",
        "{\"reason\":\"\\ud800\"}",
        "{\"reason\":\"\\n\"}",
        "{\"reason\":\"\xC3\"}",
        "{\"reason\":\"\\\"}",
        "{\"phase\":\"12345678901234567\"}",
        "{\"scanned\":[]}",
        "{\"scanned\":[[1,2],]}",
        "{\"hits\":[{\"detector\":\"x\"}]}",
        "{\"request_body\":5}abc",
        "{\"request_body\":1}ab",
        "{\"request_body\":9223372036854775807,\"response_body\":9223372036854775807}",
    };
    struct btz_record_view v;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (btz_record_parse(btz_str(bad[i]), &v) != BTZ_INPUT)
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members), cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_largest), cmocka_unit_test(test_hits),
        cmocka_unit_test(test_bodies),  cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
