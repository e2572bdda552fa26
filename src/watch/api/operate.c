/* Requests become calls of operations, and what comes of them becomes an answer. */
#include <stdlib.h>
#include <strings.h>

#include "watch/api/exchange.h"

static enum btz_err refuse(struct btz_api_exchange *x, unsigned status, const char *fmt, ...)
    BTZ_PRINTF(3, 4);

static enum btz_err refuse(struct btz_api_exchange *x, unsigned status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return btz_api_refuse(x->answer, x->arena, status, text);
}

/* ---- fields --------------------------------------------------------------------------------------------------------- */

static const struct btz_field *field_of(const struct btz_operation *op, const char *name)
{
    for (size_t i = 0; i < op->field_count; i++)
        if (strcmp(op->fields[i].name, name) == 0)
            return &op->fields[i];
    return NULL;
}

static enum btz_err set(json_t *in, const char *name, json_t *value)
{
    return json_object_set_new(in, name, value) == 0 ? BTZ_OK
                                                     : btz_fail(BTZ_LIMIT, "out of memory");
}

/* Text of an address as the value that the field wants; what does not fit stays text, and the pipeline says so. */
static json_t *typed(const struct btz_field *f, const char *text)
{
    struct btz_slice digits = btz_str(*text == '-' ? text + 1 : text);
    uint64_t n;

    if (f && f->kind == BTZ_FIELD_INT && btz_parse_u64(digits, &n) == BTZ_OK && n <= INT64_MAX)
        return json_integer(*text == '-' ? -(json_int_t)n : (json_int_t)n);
    if (f && f->kind == BTZ_FIELD_BOOL && strcmp(text, "true") == 0)
        return json_true();
    if (f && f->kind == BTZ_FIELD_BOOL && strcmp(text, "false") == 0)
        return json_false();
    return json_string(text);
}

static enum btz_err take_query(struct btz_api_exchange *x, const struct btz_operation *op,
                               json_t *in)
{
    for (size_t i = 0; i < x->target.query_count; i++) {
        const struct btz_api_pair *p = &x->target.query[i];
        const struct btz_field *f = field_of(op, p->name);
        json_t *list = json_object_get(in, p->name);

        if (f && f->place != BTZ_IN_QUERY)
            return refuse(x, 400, "`%s` does not belong into the query", p->name);
        if (f && f->kind == BTZ_FIELD_TEXTS) {
            if (!list) {
                list = json_array();
                BTZ_TRY(set(in, p->name, list));
            }
            if (json_array_append_new(list, json_string(p->value)) != 0)
                return btz_fail(BTZ_LIMIT, "out of memory");
            continue;
        }
        if (list)
            return refuse(x, 400, "`%s` is given twice", p->name);
        BTZ_TRY(set(in, p->name, typed(f, p->value)));
    }
    return BTZ_OK;
}

bool btz_api_is_json(const struct btz_api_request *r, bool scim)
{
    const char *type = btz_api_header(r, "Content-Type", NULL);
    size_t n = type ? strcspn(type, "; \t") : 0;
    const char *parameter = type ? type + n : "";

    if (!type || !((n == 16 && strncasecmp(type, "application/json", n) == 0) ||
                   (scim && n == 21 && strncasecmp(type, "application/scim+json", n) == 0)))
        return false;
    parameter += strspn(parameter, "; \t");
    return !*parameter || strcasecmp(parameter, "charset=utf-8") == 0 ||
           strcasecmp(parameter, "charset=\"utf-8\"") == 0;
}

static enum btz_err take_body(struct btz_api_exchange *x, const struct btz_operation *op,
                              json_t *in)
{
    BTZ_JSON json_t *body = NULL;
    const char *name;
    json_t *value;
    enum btz_err err;

    if (x->request->body.len == 0)
        return BTZ_OK;
    if (strcmp(op->method, "GET") == 0)
        return refuse(x, 400, "no body is expected");
    if (!btz_api_is_json(x->request, false))
        return btz_api_refuse(x->answer, x->arena, 415, NULL);
    err = btz_json_parse(x->request->body, BTZ_API_BODY_MAX, "body", &body);
    if (err != BTZ_OK)
        return err == BTZ_LIMIT ? err : refuse(x, 400, "%s", btz_error_detail());
    if (!json_is_object(body))
        return refuse(x, 400, "body: expected an object");
    json_object_foreach(body, name, value)
    {
        const struct btz_field *f = field_of(op, name);

        if (f && f->place != BTZ_IN_BODY)
            return refuse(x, 400, "`%s` does not belong into the body", name);
        if (json_object_get(in, name))
            return refuse(x, 400, "`%s` is given twice", name);
        if (json_object_set(in, name, value) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

static enum btz_err take_fields(struct btz_api_exchange *x, const struct btz_api_match *match,
                                json_t *in)
{
    for (size_t i = 0; i < match->param_count; i++)
        BTZ_TRY(set(in, match->params[i].name,
                    typed(field_of(match->op, match->params[i].name), match->params[i].value)));
    BTZ_TRY(take_query(x, match->op, in));
    return x->answer->status ? BTZ_OK : take_body(x, match->op, in);
}

/* ---- conditional requests ------------------------------------------------------------------------------------------- */

/* What If-Match names, without its quotes; NULL: anything. May answer. */
static enum btz_err take_if_match(struct btz_api_exchange *x, const char **out)
{
    const char *header = btz_api_header(x->request, "If-Match", NULL);
    struct btz_slice tag = btz_slice_trim(btz_str(header ? header : ""));
    char *copy;

    *out = NULL;
    if (!header || btz_slice_is(tag, "*"))
        return BTZ_OK;
    if (tag.len < 2 || tag.ptr[0] != '"' || tag.ptr[tag.len - 1] != '"' ||
        memchr(tag.ptr + 1, '"', tag.len - 2))
        return refuse(x, 400, "If-Match: expected one entity tag in quotes");
    copy = btz_arena_str(x->arena, btz_slice_sub(tag, 1, tag.len - 2));
    *out = copy;
    return copy ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err give_etag(struct btz_api_exchange *x, const struct btz_call *call)
{
    char text[80];
    bool reading = strcmp(call->op->method, "GET") == 0;

    if (call->etag[0]) {
        snprintf(text, sizeof text, call->etag[0] == '"' ? "%s" : "\"%s\"", call->etag);
    } else if (reading) {
        uint8_t digest[BTZ_SHA256_LEN];

        btz_sha256(btz_buf_slice(&x->answer->buf), digest);
        text[0] = '"';
        btz_hex(digest, 16, text + 1);
        memcpy(text + 33, "\"", 2);
    } else {
        return BTZ_OK;
    }
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "ETag", text));
    if (reading && btz_api_etag_listed(btz_api_header(x->request, "If-None-Match", NULL), text)) {
        x->answer->status = 304;
        x->answer->no_body = true;
    }
    return BTZ_OK;
}

/* ---- answers -------------------------------------------------------------------------------------------------------- */

/* RFC 8288: the same address with the cursor of the next page. */
static enum btz_err give_link(struct btz_api_exchange *x, const struct btz_call *call)
{
    const char *cursor = json_string_value(json_object_get(call->out, "next"));
    BTZ_BUF_RELEASE struct btz_buf link = BTZ_BUF(3 * BTZ_API_TARGET_MAX + 1024);
    const char *text;

    if (!cursor || !field_of(call->op, "cursor"))
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(&link, "<%s?", x->target.path));
    for (size_t i = 0; i < x->target.query_count; i++) {
        const struct btz_api_pair *p = &x->target.query[i];

        if (strcmp(p->name, "cursor") == 0)
            continue;
        BTZ_TRY(btz_api_encode(btz_str(p->name), &link));
        BTZ_TRY(btz_buf_add_byte(&link, '='));
        BTZ_TRY(btz_api_encode(btz_str(p->value), &link));
        BTZ_TRY(btz_buf_add_byte(&link, '&'));
    }
    BTZ_TRY(btz_buf_add_str(&link, "cursor="));
    BTZ_TRY(btz_api_encode(btz_str(cursor), &link));
    BTZ_TRY(btz_buf_add_str(&link, ">; rel=\"next\""));
    BTZ_TRY(btz_buf_cstr(&link, &text));
    return btz_api_add_header(x->answer, x->arena, "Link", text);
}

static enum btz_err give_cookie(struct btz_api_exchange *x, const struct btz_call *call)
{
    char text[160];

    if (call->set_session[0])
        snprintf(text, sizeof text, BTZ_API_COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict",
                 call->set_session);
    else if (call->end_session)
        snprintf(text, sizeof text,
                 BTZ_API_COOKIE "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    else
        return BTZ_OK;
    return btz_api_add_header(x->answer, x->arena, "Set-Cookie", text);
}

/* A member of the answer as a document of its own. */
static enum btz_err give_raw(struct btz_api_exchange *x, const struct btz_call *call)
{
    const char *type = json_string_value(json_object_get(call->out, "media_type"));
    struct btz_slice text;
    char *copy;

    if (!btz_json_get_text(call->out, call->op->raw, &text))
        return btz_fail(BTZ_INTERNAL, "%s: no member %s", call->op->id, call->op->raw);
    copy = btz_arena_str(x->arena, btz_str(type ? type : "application/octet-stream"));
    if (!copy)
        return BTZ_LIMIT;
    x->answer->buf.max = BTZ_API_ANSWER_MAX;
    BTZ_TRY(btz_buf_add_slice(&x->answer->buf, text));
    x->answer->media_type = copy;
    x->answer->status = 200;
    return btz_api_add_header(x->answer, x->arena, "Content-Disposition", "attachment");
}

/* A file of the vault: the front sends it (with ranges), and only the front can. */
static enum btz_err give_file(struct btz_api_exchange *x, const struct btz_call *call)
{
    const char *file = json_string_value(json_object_get(call->out, call->op->file));
    const char *name = json_string_value(json_object_get(call->out, "name"));
    char text[400];

    if (!file || !name)
        return btz_fail(BTZ_INTERNAL, "%s: no member %s", call->op->id, call->op->file);
    if (x->request->local)
        return refuse(x, 409, "the gateway sends files, this socket does not");
    x->answer->status = 200;
    BTZ_TRY(give_etag(x, call));
    if (x->answer->status == 304)
        return BTZ_OK;
    snprintf(text, sizeof text, "attachment; filename=\"%.200s\"", name);
    BTZ_TRY(btz_api_add_header(x->answer, x->arena, "Content-Disposition", text));
    snprintf(text, sizeof text, BTZ_API_VAULT "%.80s", file);
    return btz_api_add_header(x->answer, x->arena, "X-Accel-Redirect", text);
}

static enum btz_err give(struct btz_api_exchange *x, const struct btz_call *call)
{
    unsigned status = call->approval[0] ? 202 : call->op->created ? 201 : 200;

    BTZ_TRY(give_cookie(x, call));
    if (call->op->file && call->out)
        return give_file(x, call);
    if (!call->out || (!call->op->result && !call->approval[0] && !call->op->raw)) {
        x->answer->status = 204;
        x->answer->no_body = true;
        return give_etag(x, call);
    }
    if (call->op->raw && !call->approval[0])
        return give_raw(x, call);
    BTZ_TRY(btz_api_json(x->answer, status, call->out));
    if (call->approval[0])
        return BTZ_OK;
    BTZ_TRY(give_link(x, call));
    return give_etag(x, call);
}

static unsigned status_of(const struct btz_api_exchange *x, const struct btz_call *call,
                          enum btz_err err)
{
    switch (err) {
    case BTZ_USAGE:
        return 400;
    case BTZ_INPUT:
        return call && x->api->o.backend->was_not_found(call) ? 404 : 400;
    case BTZ_DENIED:
        return x->caller.kind == BTZ_CALLER_NOBODY ? 401 : 403;
    case BTZ_CONFLICT:
        return call && call->stale ? 412 : 409;
    case BTZ_LIMIT:
        return call && call->retry_after_s ? 429 : 503;
    case BTZ_UNREACHABLE:
        return 502;
    case BTZ_IO:
        return btz_slice_has(btz_str(btz_error_detail()), "full") ||
                       btz_slice_has(btz_str(btz_error_detail()), "No space left")
                   ? 507
                   : 503;
    default:
        return 500;
    }
}

enum btz_err btz_api_answer_error(struct btz_api_exchange *x, const struct btz_call *call,
                                  enum btz_err err)
{
    unsigned status = status_of(x, call, err);
    struct btz_api_problem p = { .status = 403,
                                 .type = "denied",
                                 .title = "This is not allowed",
                                 .detail = btz_error_detail() };

    if (status == 403 && call && call->needs_step_up) {
        p.type = "step-up";
        p.title = "A fresh second factor is needed";
        p.needs = "step-up";
        return btz_api_problem(x->answer, x->arena, &p);
    }
    if (status == 429) {
        p = (struct btz_api_problem){ .status = 429,
                                      .type = "too-many",
                                      .title = "Too many tries",
                                      .detail = btz_error_detail(),
                                      .retry_after_s = call->retry_after_s };
        return btz_api_problem(x->answer, x->arena, &p);
    }
    if (status == 401)
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "WWW-Authenticate",
                                   "Bearer realm=\"bartizan\""));
    /* What went wrong inside is for the log. */
    if (status >= 500 && status != 507 && err != BTZ_LIMIT) {
        btz_log(x->api->o.log, BTZ_LOG_ERROR, "%s %s: %s", x->request->method, x->target.path,
                btz_error_detail());
        return btz_api_refuse(x->answer, x->arena, status, NULL);
    }
    return btz_api_refuse(x->answer, x->arena, status, btz_error_detail());
}

/* ---- the call ------------------------------------------------------------------------------------------------------- */

enum btz_err btz_api_call(struct btz_api_exchange *x, const struct btz_operation *op,
                          const json_t *in, const char *if_match, struct btz_call *call)
{
    json_t *given;

    /* Borrowed for the call, which does not change it. */
    memcpy(&given, &in, sizeof given);
    *call = (struct btz_call){ .access = x->api->o.backend->access,
                               .op = op,
                               .caller = &x->caller,
                               .arena = x->arena,
                               .in = given,
                               .if_match = if_match };
    /* Set by the front alone: others' headers of that name end there. */
    if (!x->request->local)
        call->body_file = btz_api_header(x->request, "X-Bartizan-Body-File", NULL);
    if (call->body_file && !*call->body_file)
        call->body_file = NULL;
    return x->api->o.backend->call(call);
}

void btz_api_call_end(struct btz_api_exchange *x, struct btz_call *call)
{
    x->api->o.backend->release(call);
    btz_wipe(call->set_session, sizeof call->set_session);
}

/* *done: what was asked for has happened, whatever comes of the answer. */
static enum btz_err run(struct btz_api_exchange *x, const struct btz_operation *op,
                        const json_t *in, bool *done)
{
    const char *if_match;
    struct btz_call call;
    enum btz_err err;

    BTZ_TRY(take_if_match(x, &if_match));
    if (x->answer->status)
        return BTZ_OK;
    err = btz_api_call(x, op, in, if_match, &call);
    *done = err == BTZ_OK;
    err = err == BTZ_OK ? give(x, &call) : btz_api_answer_error(x, &call, err);
    btz_api_call_end(x, &call);
    return err;
}

/* Whatever happened, the key must not stay taken. */
static enum btz_err end_once(struct btz_api_exchange *x, const struct btz_api_once *once,
                             enum btz_err err, bool done)
{
    char detail[512];

    snprintf(detail, sizeof detail, "%s", err == BTZ_OK ? "" : btz_error_detail());
    if (err != BTZ_OK && done) {
        btz_log(x->api->o.log, BTZ_LOG_ERROR, "%s %s: done, but there is no answer: %s",
                x->request->method, x->target.path, detail);
        x->answer->header_count = 0;
        BTZ_TRY(btz_api_refuse(x->answer, x->arena, 500,
                               "it was done, but its answer could not be made: look at it"));
        return btz_api_once_end(x, once, true);
    }
    if (err != BTZ_OK)
        x->answer->status = 0;
    BTZ_TRY(btz_api_once_end(x, once, false));
    if (err != BTZ_OK)
        btz_error_set("%s", detail);
    return err;
}

/* Decisions change nothing: there is no harm in asking twice, and their answers are not worth keeping. */
static bool is_once(const struct btz_operation *op)
{
    return strcmp(op->method, "GET") != 0 && !(op->event && strcmp(op->event, "decision") == 0);
}

enum btz_err btz_api_operate(struct btz_api_exchange *x, const struct btz_api_match *match)
{
    BTZ_JSON json_t *in = json_object();
    bool is_public = match->op->needs & BTZ_PUBLIC, known, done = false;
    struct btz_api_once once = { 0 };
    enum btz_err err;

    if (!in)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_api_identify(x, is_public));
    if (x->answer->status)
        return BTZ_OK;
    known = x->caller.kind != BTZ_CALLER_NOBODY;
    BTZ_TRY(take_fields(x, match, in));
    /* Nobody learns more than that he is nobody; the refusal is in the trail all the same. */
    if (!known && !is_public) {
        struct btz_call call;

        err = btz_api_call(x, match->op, in, NULL, &call);
        btz_api_call_end(x, &call);
        if (err == BTZ_OK)
            return btz_fail(BTZ_INTERNAL, "%s: open to nobody", match->op->id);
        x->answer->header_count = 0;
        BTZ_TRY(btz_api_add_header(x->answer, x->arena, "WWW-Authenticate",
                                   "Bearer realm=\"bartizan\""));
        return btz_api_refuse(x->answer, x->arena, 401, NULL);
    }
    if (x->answer->status)
        return BTZ_OK;
    /* Such a key stands for a request whose bytes were compared; those of a file are not. */
    if (btz_api_header(x->request, "X-Bartizan-Body-File", NULL) &&
        btz_api_header(x->request, "Idempotency-Key", NULL))
        return refuse(x, 400, "an upload takes no Idempotency-Key; its digest says what was done");
    if (known && is_once(match->op))
        BTZ_TRY(btz_api_once_begin(x, &once));
    if (x->answer->status)
        return BTZ_OK;
    err = run(x, match->op, in, &done);
    return once.on ? end_once(x, &once, err, done) : err;
}
