/*
 * A whole exchange: the first byte picks route and settings, the rest is the request's body, a line of 0xff, and the
 * upstream's answer in pieces. A canary must never come out: not in the bytes, nor in a string or a member's name of any
 * line of JSON in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define fail_msg(...) abort()
#define assert_true(x)                                                                             \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)
#define assert_non_null(x)     assert_true((x) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))

#include "../unit/gate_fixture.h"

#define CANARY "blue-heron-7731"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *method, *path, *type;
} routes[] = {
    { "POST", "/v1/chat/completions", "application/json" },
    { "POST", "/v1/completions", "application/json" },
    { "POST", "/v1/responses", "application/json" },
    { "POST", "/v1/messages", "application/json" },
    { "POST", "/api/chat", "application/json" },
    { "POST", "/mcp/files", "application/json" },
    { "POST", "/v1/files", "multipart/form-data; boundary=x" },
    { "POST", "/score", "application/json" },
};
static const char *const types[] = { "text/event-stream", "application/json",
                                     "application/x-ndjson", "text/plain" };

static struct gate_place *place(unsigned which)
{
    static struct gate_place places[2];
    static const char yaml[] =
        "gate:\n"
        "  upstreams:\n"
        "    - {name: up, url: 'http://127.0.0.1:1'%s}\n"
        "  mcp: [{name: files, upstream: up}]\n"
        "  routes: [{path: /score, upstream: up, resource: endpoint/score}]\n"
        "  limits: [{each: principal, concurrency: 2}]\n"
        "  guard: {canaries: [" CANARY "], hold_max: 4096}\n";
    struct gate_place *p = &places[which % 2];
    char text[sizeof yaml + 64];

    if (!p->gate) {
        snprintf(text, sizeof text, yaml, which % 2 ? ", dialect: anthropic" : "");
        gate_open(p, text);
    }
    return p;
}

static bool says(const json_t *value)
{
    const json_t *one;
    const char *key;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_STRING:
        return strstr(json_string_value(value), CANARY) != NULL;
    case JSON_ARRAY:
        json_array_foreach(value, i, one)
        {
            if (says(one))
                return true;
        }
        return false;
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)value, key, one)
        {
            if (strstr(key, CANARY) || says(one))
                return true;
        }
        return false;
    default:
        return false;
    }
}

/* As a client reads it: all of it, and each line, behind what marks it in a stream of events. */
static void look(struct btz_slice out)
{
    struct btz_reader r = { .in = out, .what = "answer" };
    struct btz_slice line = out;

    if (btz_slice_has(out, CANARY))
        abort();
    do {
        json_t *root = NULL;

        if (btz_slice_has_prefix(line, btz_str("data: ")))
            line = btz_slice_sub(line, 6, line.len);
        if (line.len && (line.ptr[0] == '{' || line.ptr[0] == '[') &&
            btz_json_parse(line, SIZE_MAX, "line", &root) == BTZ_OK && says(root))
            abort();
        json_decref(root);
    } while (btz_read_line(&r, &line));
}

static void respond(struct btz_exchange *x, struct btz_slice answer, uint8_t pick)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)8 << 20);
    struct btz_response_head head = { .status = pick & 64 ? 429 : 200,
                                      .content_type = btz_str(types[(pick >> 4) % 4]),
                                      .content_length = -1 };
    size_t step = 1 + pick % 7 * 13;
    enum btz_response_mode mode;
    enum btz_step s = btz_exchange_response(x, &head, &mode);

    while (s == BTZ_STEP_GO && answer.len && mode != BTZ_RESPONSE_PASS) {
        s = btz_exchange_pieces(x, btz_slice_sub(answer, 0, step), false, &out);
        answer = btz_slice_sub(answer, step, answer.len);
    }
    if (s == BTZ_STEP_GO && mode != BTZ_RESPONSE_PASS)
        (void)gate_pieces(x, btz_str(""), true, &out);
    look(btz_buf_slice(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice body = btz_slice_of(data + (size > 2 ? 2 : size), size > 2 ? size - 2 : 0);
    size_t cut = btz_slice_find(body, btz_slice_of("\n\xff\n", 3), 0);
    struct btz_slice answer = { 0 };
    struct btz_end_facts facts = { .how = BTZ_END_DONE };
    struct gate_place *p;
    struct btz_incoming in;
    struct btz_exchange *x;
    struct btz_forward f;

    if (size < 2)
        return 0;
    if (cut != SIZE_MAX) {
        answer = btz_slice_sub(body, cut + 3, body.len);
        body.len = cut;
    }
    p = place(data[0] >> 3);
    in = (struct btz_incoming){ .request_id = "r",
                                .method = btz_str(routes[data[0] % 8].method),
                                .path = btz_str(routes[data[0] % 8].path),
                                .content_type = btz_str(routes[data[0] % 8].type),
                                .x_api_key = btz_str(gate_key(KEY_ALICE)),
                                .content_length = (int64_t)body.len };
    if (btz_exchange_new(p->gate, &in, &x) != BTZ_OK)
        return 0;
    if (btz_exchange_head(x) == BTZ_STEP_GO && gate_body(x, body) == BTZ_STEP_GO &&
        btz_exchange_forward(x, 0, &f))
        respond(x, answer, data[1]);
    btz_exchange_end(x, &facts, NULL);
    btz_exchange_free(x);
    return 0;
}
