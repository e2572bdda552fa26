/*
 * First line: a request target, second: a cookie, third: an idempotency key; the rest: a body. Every request gets an
 * answer, the parts of a target encode back to what was meant, and nothing is done for nobody.
 */
#include <stdlib.h>

#include "watch/api/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct btz_field fields[] = {
    { .name = "item", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH },
    { .name = "n", .kind = BTZ_FIELD_INT, .place = BTZ_IN_QUERY },
    { .name = "tags", .kind = BTZ_FIELD_TEXTS, .place = BTZ_IN_QUERY },
    { .name = "text", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY },
};
static const struct btz_operation op = { .id = "item.set",
                                         .method = "PATCH",
                                         .path = "/v1/items/{item}",
                                         .needs = BTZ_NEEDS_PERMISSION,
                                         .fields = fields,
                                         .field_count = BTZ_COUNT(fields),
                                         .result = "item" };
static const struct btz_operation *const operations[] = { &op, NULL };

static enum btz_err run(struct btz_call *c)
{
    if (c->caller->kind == BTZ_CALLER_NOBODY)
        return btz_fail(BTZ_DENIED, "nobody");
    c->out = json_incref(c->in);
    return BTZ_OK;
}
static void release(struct btz_call *c)
{
    json_decref(c->out);
    c->out = NULL;
}
static bool never(const struct btz_call *c)
{
    (void)c;
    return false;
}
static enum btz_err session(struct btz_access *a, struct btz_slice token, struct btz_caller *io)
{
    (void)a;
    if (!btz_slice_is(token, "good"))
        return btz_fail(BTZ_DENIED, "no");
    io->kind = BTZ_CALLER_SESSION;
    return BTZ_OK;
}
static json_t *schema(const char *name)
{
    return strcmp(name, "item") == 0 ? json_object() : NULL;
}
static enum btz_err no_store(struct btz_access *a, struct btz_store **out)
{
    (void)a;
    (void)out;
    return btz_fail(BTZ_IO, "no store");
}

static void check_target(struct btz_slice text)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf again = BTZ_BUF(1 << 20);
    struct btz_api_target t, u;

    btz_arena_init(&arena, 1 << 20);
    if (btz_api_target_parse(text, &arena, &t) != BTZ_OK || t.segment_count == 0)
        return;
    for (size_t i = 0; i < t.segment_count; i++)
        if (btz_buf_add_byte(&again, '/') != BTZ_OK ||
            btz_api_encode(btz_str(t.segments[i]), &again) != BTZ_OK)
            abort();
    if (btz_api_target_parse(btz_buf_slice(&again), &arena, &u) != BTZ_OK)
        return; /* longer than the limit once it is encoded */
    if (u.segment_count != t.segment_count)
        abort();
    for (size_t i = 0; i < t.segment_count; i++)
        if (strcmp(t.segments[i], u.segments[i]) != 0)
            abort();
}

static enum btz_err note(struct btz_access *a, const struct btz_caller *caller,
                         const struct btz_trail_entry *e)
{
    (void)a;
    (void)caller;
    (void)e;
    return BTZ_OK;
}

static const char *text_of(struct btz_arena *arena, struct btz_slice line)
{
    char *text = btz_arena_str(arena, line);

    return text ? text : "";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct btz_api_backend backend = { .call = run,
                                                    .release = release,
                                                    .was_not_found = never,
                                                    .session = session,
                                                    .note = note,
                                                    .schema = schema,
                                                    .store = no_store };
    static struct btz_api *api;
    const struct btz_api_options o = { .backend = &backend,
                                       .operations = operations,
                                       .origin = "https://x" };
    struct btz_reader r = { .in = { data, size }, .what = "input" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_slice target, cookie, key;
    struct btz_api_answer answer;

    if (!api && btz_api_new(&o, &api) != BTZ_OK)
        abort();
    btz_arena_init(&arena, 1 << 22);
    if (!btz_read_line(&r, &target) || !btz_read_line(&r, &cookie) || !btz_read_line(&r, &key))
        return 0;
    check_target(target);
    {
        const struct btz_api_pair headers[] = {
            { "Host", "x" },
            { "Cookie", text_of(&arena, cookie) },
            { "Origin", "https://x" },
            { "X-Bartizan-CSRF", "1" },
            { "Content-Type", "application/json" },
            { "Idempotency-Key", text_of(&arena, key) },
        };
        const struct btz_api_request request = { .method = "PATCH",
                                                 .target = target,
                                                 .headers = headers,
                                                 .header_count = key.len ? 6 : 5,
                                                 .body = btz_slice_sub(r.in, r.at, size) };

        btz_api_answer(api, &request, &arena, &answer);
    }
    if (answer.status < 200 || answer.status > 599)
        abort();
    if (answer.status == 200 && !btz_slice_has(cookie, BTZ_API_COOKIE "=good"))
        abort();
    btz_api_answer_release(&answer);
    return 0;
}
