/* Answers: headers, problems, JSON. */
#include <strings.h>

#include "watch/api/api.h"

const char *btz_api_header(const struct btz_api_request *r, const char *name, bool *twice)
{
    const char *found = NULL;

    for (size_t i = 0; i < r->header_count; i++) {
        if (strcasecmp(r->headers[i].name, name) != 0)
            continue;
        if (found && twice)
            *twice = true;
        found = r->headers[i].value ? r->headers[i].value : "";
    }
    return found;
}

enum btz_err btz_api_add_header(struct btz_api_answer *a, struct btz_arena *arena, const char *name,
                                const char *value)
{
    char *copy;

    if (a->header_count == BTZ_API_HEADERS)
        return btz_fail(BTZ_INTERNAL, "more than %d headers in an answer", BTZ_API_HEADERS);
    copy = btz_arena_str(arena, btz_str(value));
    if (!copy)
        return BTZ_LIMIT;
    /* What came from outside must not end the header. */
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            *p = ' ';
    a->headers[a->header_count++] = (struct btz_api_pair){ .name = name, .value = copy };
    return BTZ_OK;
}

enum btz_err btz_api_json(struct btz_api_answer *a, unsigned status, const json_t *value)
{
    a->buf.max = BTZ_API_ANSWER_MAX;
    btz_buf_clear(&a->buf);
    BTZ_TRY(btz_json_write(value, false, &a->buf));
    a->status = status;
    a->media_type = "application/json";
    return BTZ_OK;
}

enum btz_err btz_api_problem(struct btz_api_answer *a, struct btz_arena *arena,
                             const struct btz_api_problem *p)
{
    BTZ_JSON json_t *value = NULL;
    char type[64], seconds[16];

    snprintf(type, sizeof type, "urn:bartizan:problem:%s", p->type);
    value = json_pack("{s:s, s:s, s:i}", "type", type, "title", p->title, "status", (int)p->status);
    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (p->detail && json_object_set_new(value, "detail", btz_json_text(btz_str(p->detail))) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (p->needs && json_object_set_new(value, "needs", json_string(p->needs)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    /* For the front, which sees no bodies. */
    if (p->needs)
        BTZ_TRY(btz_api_add_header(a, arena, "X-Bartizan-Needs", p->needs));
    BTZ_TRY(btz_api_json(a, p->status, value));
    a->media_type = "application/problem+json";
    if (p->retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%u", p->retry_after_s);
        BTZ_TRY(btz_api_add_header(a, arena, "Retry-After", seconds));
    }
    return BTZ_OK;
}

static const struct {
    unsigned status;
    const char *type, *title;
} usual[] = {
    { 400, "usage", "The request is not what this place expects" },
    { 401, "unknown-caller", "Who is asking is not known" },
    { 403, "denied", "This is not allowed" },
    { 404, "not-found", "There is no such thing" },
    { 405, "method", "This method is not offered here" },
    { 409, "conflict", "The state of things forbids it" },
    { 412, "changed", "It has changed since you looked" },
    { 413, "too-large", "The request is too large" },
    { 414, "too-long", "The address is too long" },
    { 415, "media-type", "Only application/json is understood" },
    { 421, "wrong-host", "This is served under another name" },
    { 422, "key-reused", "The idempotency key belongs to another request" },
    { 429, "too-many", "Too many tries" },
    { 431, "headers-too-large", "The headers are too large" },
    { 500, "internal", "Something went wrong here" },
    { 502, "unreachable", "A server that is needed did not answer" },
    { 503, "busy", "Too much at a time" },
    { 507, "full", "There is no room to write" },
};

enum btz_err btz_api_refuse(struct btz_api_answer *a, struct btz_arena *arena, unsigned status,
                            const char *detail)
{
    struct btz_api_problem p = { .status = status, .type = "error", .title = "Error" };

    for (size_t i = 0; i < BTZ_COUNT(usual); i++)
        if (usual[i].status == status) {
            p.type = usual[i].type;
            p.title = usual[i].title;
        }
    p.detail = detail;
    if (status == 503)
        p.retry_after_s = 1;
    return btz_api_problem(a, arena, &p);
}

void btz_api_answer_release(struct btz_api_answer *a)
{
    /* It may have held a secret that is shown once. */
    if (a->buf.ptr)
        btz_wipe(a->buf.ptr, a->buf.cap);
    btz_buf_release(&a->buf);
}
