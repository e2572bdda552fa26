/* Making a reply of what came: transport, errors of the API, content filters, reasoning, clean text. */
#include <strings.h>

#include "redteam/target.h"

#define DETAIL_MAX 400

static const char no_memory[] = "out of memory for the reply";

void btz_reply_error(struct btz_arena *arena, struct btz_reply *out, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    const char *copy;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    copy = btz_arena_str(arena, btz_str(text));
    out->kind = BTZ_REPLY_ERROR;
    out->detail = copy ? copy : no_memory;
}

/* ---- secrets ---- */

static enum btz_err redact_one(const char *secret, struct btz_buf *b)
{
    static const char mark[] = "[removed]";
    BTZ_BUF_RELEASE struct btz_buf copy = BTZ_BUF(b->max);
    struct btz_slice in = btz_buf_slice(b), needle = btz_str(secret);
    size_t at = 0, hit;

    /* Short ones are no keys, and would tear holes into ordinary words. */
    if (needle.len < 8 || btz_slice_find(in, needle, 0) == SIZE_MAX)
        return BTZ_OK;
    while ((hit = btz_slice_find(in, needle, at)) != SIZE_MAX) {
        BTZ_TRY(btz_buf_add_slice(&copy, btz_slice_sub(in, at, hit - at)));
        BTZ_TRY(btz_buf_add(&copy, mark, needle.len < 9 ? needle.len : 9));
        at = hit + needle.len;
    }
    BTZ_TRY(btz_buf_add_slice(&copy, btz_slice_sub(in, at, in.len)));
    btz_buf_clear(b);
    return btz_buf_add_slice(b, btz_buf_slice(&copy));
}

enum btz_err btz_target_redact(const struct btz_target_conf *conf, struct btz_buf *b)
{
    static const char *const names[] = { "authorization", "proxy-authorization", "api-key",
                                         "x-api-key", "cookie" };
    const struct btz_conf_pair *pairs = conf->headers.items;

    if (conf->key)
        BTZ_TRY(redact_one(conf->key, b));
    for (size_t i = 0; i < conf->headers.count; i++)
        for (size_t k = 0; k < BTZ_COUNT(names); k++) {
            const char *space;

            if (strcasecmp(pairs[i].name, names[k]) != 0)
                continue;
            space = k < 2 ? strchr(pairs[i].value, ' ') : NULL;
            BTZ_TRY(redact_one(space ? space + 1 : pairs[i].value, b));
        }
    return BTZ_OK;
}

/* Hostile text as a short, printable, key-free part of a detail. */
static const char *quotable(const struct btz_draft *d, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(4096), printable = BTZ_BUF(65536);
    const char *copy;

    if (btz_buf_add_slice(&raw, btz_slice_sub(btz_slice_trim(text), 0, 2000)) != BTZ_OK ||
        btz_target_redact(d->conf, &raw) != BTZ_OK ||
        btz_utf8_printable(btz_slice_sub(btz_buf_slice(&raw), 0, DETAIL_MAX), false, &printable) !=
            BTZ_OK)
        return "";
    copy = btz_arena_str(d->arena, btz_buf_slice(&printable));
    return copy ? copy : "";
}

/* ---- JSON as targets write it ---- */

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static bool unit_at(struct btz_slice s, size_t at, uint32_t *unit)
{
    uint32_t value = 0;

    if (at + 6 > s.len || s.ptr[at] != '\\' || s.ptr[at + 1] != 'u')
        return false;
    for (size_t i = 2; i < 6; i++) {
        if (hex_value(s.ptr[at + i]) < 0)
            return false;
        value = value << 4 | (uint32_t)hex_value(s.ptr[at + i]);
    }
    *unit = value;
    return true;
}

/* Escapes that are JSON by the letter and yet no text: \u0000 and surrogates that are not a pair. */
static enum btz_err mend_escapes(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;

    while (at < in.len) {
        uint32_t unit, low;

        if (in.ptr[at] != '\\') {
            BTZ_TRY(btz_buf_add_byte(out, in.ptr[at++]));
        } else if (!unit_at(in, at, &unit)) {
            BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(in, at, 2)));
            at += 2;
        } else if (unit >= 0xD800 && unit <= 0xDBFF && unit_at(in, at + 6, &low) && low >= 0xDC00 &&
                   low <= 0xDFFF) {
            BTZ_TRY(btz_buf_add_slice(out, btz_slice_sub(in, at, 12)));
            at += 12;
        } else {
            bool bad = unit == 0 || (unit >= 0xD800 && unit <= 0xDFFF);

            BTZ_TRY(bad ? btz_buf_add_str(out, "\\ufffd")
                        : btz_buf_add_slice(out, btz_slice_sub(in, at, 6)));
            at += 6;
        }
    }
    return BTZ_OK;
}

enum btz_err btz_reply_json(struct btz_slice body, const char *what, json_t **out)
{
    /* A byte becomes three at most. */
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(body.len * 3), mended = BTZ_BUF(body.len * 3);

    if (btz_slice_has_prefix(body, btz_str("\xEF\xBB\xBF")))
        body = btz_slice_sub(body, 3, body.len);
    if (!btz_is_utf8(body)) {
        BTZ_TRY(btz_utf8_clean(body, &clean));
        body = btz_buf_slice(&clean);
    }
    if (btz_slice_has(body, "\\u0000") || btz_slice_has(body, "\\ud") ||
        btz_slice_has(body, "\\uD")) {
        BTZ_TRY(mend_escapes(body, &mended));
        body = btz_buf_slice(&mended);
    }
    return btz_json_parse(body, SIZE_MAX, what, out);
}

uint64_t btz_json_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

/* ---- drafts ---- */

void btz_draft_init(struct btz_draft *d, const struct btz_target_conf *conf,
                    struct btz_arena *arena)
{
    size_t max = (size_t)(conf->max_reply > 0 ? conf->max_reply : BTZ_TARGET_MAX_REPLY);

    *d = (struct btz_draft){ .conf = conf, .arena = arena };
    /* Cleaning may triple what came. */
    d->text.max = d->reasoning.max = 3 * max + 4096;
}

/* Servers write text as a string, as null, or as a list of parts. */
static enum btz_err add_value(struct btz_buf *b, const json_t *value)
{
    struct btz_slice text;

    if (json_is_string(value))
        return btz_buf_add(b, json_string_value(value), json_string_length(value));
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++)
        if (btz_json_get_text(json_array_get(value, i), "text", &text))
            BTZ_TRY(btz_buf_add_slice(b, text));
    return BTZ_OK;
}

static enum btz_err tool_end(struct btz_draft *d)
{
    if (!d->in_tool_call)
        return BTZ_OK;
    d->in_tool_call = false;
    return btz_buf_add_byte(&d->text, ']');
}

enum btz_err btz_draft_text(struct btz_draft *d, const json_t *value)
{
    if (json_is_string(value) && json_string_length(value) > 0)
        BTZ_TRY(tool_end(d));
    return add_value(&d->text, value);
}

enum btz_err btz_draft_reasoning(struct btz_draft *d, const json_t *value)
{
    return add_value(&d->reasoning, value);
}

enum btz_err btz_draft_tool_begin(struct btz_draft *d, const json_t *name)
{
    BTZ_TRY(tool_end(d));
    if (d->text.len > 0 && d->text.ptr[d->text.len - 1] != '\n')
        BTZ_TRY(btz_buf_add_byte(&d->text, '\n'));
    BTZ_TRY(btz_buf_add_str(&d->text, "[tool call "));
    BTZ_TRY(json_is_string(name) ? add_value(&d->text, name) : btz_buf_add_byte(&d->text, '?'));
    d->in_tool_call = true;
    return btz_buf_add_byte(&d->text, ' ');
}

enum btz_err btz_draft_tool_args(struct btz_draft *d, const json_t *args)
{
    if (!d->in_tool_call)
        return BTZ_OK;
    if (json_is_string(args))
        return add_value(&d->text, args);
    return args && !json_is_null(args) ? btz_json_write(args, false, &d->text) : BTZ_OK;
}

enum btz_err btz_draft_tool_call(struct btz_draft *d, const json_t *name, const json_t *args)
{
    BTZ_TRY(btz_draft_tool_begin(d, name));
    BTZ_TRY(btz_draft_tool_args(d, args));
    return tool_end(d);
}

void btz_draft_block(struct btz_draft *d, const char *why)
{
    d->blocked = true;
    d->why = why;
}

void btz_draft_model(struct btz_draft *d, const json_t *model)
{
    if (!d->model && json_is_string(model))
        d->model = quotable(d, btz_slice_of(json_string_value(model), json_string_length(model)));
}

/* The sentence of an error object: OpenAI and its kin, Ollama, FastAPI. */
static struct btz_slice message_of(const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    struct btz_slice text;

    if (btz_json_get_text(error, "message", &text) || btz_json_get_text(root, "error", &text) ||
        btz_json_get_text(root, "message", &text) || btz_json_get_text(root, "detail", &text))
        return text;
    return btz_str("");
}

static bool is_filter(const json_t *error)
{
    /* The last is what our own gateway says. */
    static const char *const codes[] = { "content_filter", "content_policy_violation",
                                         "ResponsibleAIPolicyViolation", "guard_blocked" };
    static const char *const keys[] = { "code", "type" };
    struct btz_slice text;

    for (size_t k = 0; k < BTZ_COUNT(keys); k++)
        for (size_t i = 0; i < BTZ_COUNT(codes); i++)
            if (btz_json_get_text(error, keys[k], &text) && btz_slice_is(text, codes[i]))
                return true;
    return false;
}

void btz_draft_fail(struct btz_draft *d, const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    struct btz_slice message = message_of(root);

    if (is_filter(error) || is_filter(json_object_get(error, "innererror"))) {
        const char *why = btz_arena_printf(d->arena, "the provider's content filter answered: %s",
                                           quotable(d, message));

        btz_draft_block(d, why ? why : no_memory);
        return;
    }
    d->failed = true;
    d->why = btz_arena_printf(d->arena, "the target reports an error: %s",
                              message.len ? quotable(d, message) : "without a word");
    if (!d->why)
        d->why = no_memory;
}

/* ---- reasoning ---- */

/* Where a tag of the pair stands, and how long it is. */
static size_t find_tag(struct btz_slice in, bool closing, size_t from, size_t *len)
{
    static const char *const tags[2][2] = { { "<think>", "<thinking>" },
                                            { "</think>", "</thinking>" } };
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < 2; i++) {
        size_t at = btz_slice_find(in, btz_str(tags[closing][i]), from);

        if (at < best) {
            best = at;
            *len = strlen(tags[closing][i]);
        }
    }
    return best;
}

enum btz_err btz_split_reasoning(struct btz_buf *text, struct btz_buf *reasoning)
{
    BTZ_BUF_RELEASE struct btz_buf rest = BTZ_BUF(text->max);
    struct btz_slice in = btz_buf_slice(text);
    size_t at = 0, open_len = 0, close_len = 0;
    size_t open = find_tag(in, false, 0, &open_len), close = find_tag(in, true, 0, &close_len);

    if (open == SIZE_MAX && close == SIZE_MAX)
        return BTZ_OK;
    /* Some chat templates put the opening tag into the prompt: only the closing one comes out. */
    if (close < open) {
        BTZ_TRY(btz_buf_add_slice(reasoning, btz_slice_sub(in, 0, close)));
        at = close + close_len;
        open = find_tag(in, false, at, &open_len);
    }
    while (open != SIZE_MAX) {
        BTZ_TRY(btz_buf_add_slice(&rest, btz_slice_sub(in, at, open - at)));
        at = open + open_len;
        close = find_tag(in, true, at, &close_len);
        if (close == SIZE_MAX) { /* cut off while it was thinking */
            BTZ_TRY(btz_buf_add_slice(reasoning, btz_slice_sub(in, at, in.len)));
            at = in.len;
            break;
        }
        BTZ_TRY(btz_buf_add_slice(reasoning, btz_slice_sub(in, at, close - at)));
        at = close + close_len;
        open = find_tag(in, false, at, &open_len);
    }
    BTZ_TRY(btz_buf_add_slice(&rest, btz_slice_sub(in, at, in.len)));
    rest.len = btz_slice_trim(btz_buf_slice(&rest)).len == 0 ? 0 : rest.len;
    at = 0;
    while (at < rest.len && (rest.ptr[at] == '\n' || rest.ptr[at] == '\r' || rest.ptr[at] == ' '))
        at++;
    btz_buf_clear(text);
    return btz_buf_add_slice(text, btz_slice_sub(btz_buf_slice(&rest), at, rest.len));
}

/* ---- from HTTP to a reply ---- */

static void advise_status(struct btz_draft *d, const struct btz_http_reply *reply,
                          const char *message, struct btz_reply *out)
{
    const char *location = btz_http_reply_header(reply, "location");
    unsigned s = reply->status;

    if (s == 401 || s == 403)
        /* What the target says of it may quote the key: not repeated. */
        btz_reply_error(d->arena, out, "HTTP %u: the target refuses us; check the key%s", s,
                        d->conf->key ? "" : " (none is configured)");
    else if (s >= 300 && s < 400)
        btz_reply_error(d->arena, out,
                        "HTTP %u: the target redirects to %s; redirects are not followed, set url "
                        "to it if that is right",
                        s, location ? quotable(d, btz_str(location)) : "nowhere");
    else if (s == 404 || s == 405)
        btz_reply_error(d->arena, out, "HTTP %u: check url and model: %s", s, message);
    else if (s == 429)
        btz_reply_error(d->arena, out,
                        "HTTP 429 after %u tries: lower rate or concurrency, or raise retries: %s",
                        reply->tries, message);
    else if (s >= 500)
        btz_reply_error(d->arena, out, "HTTP %u: the server failed: %s", s, message);
    else
        btz_reply_error(d->arena, out, "HTTP %u: %s", s, message);
}

static void read_error(struct btz_draft *d, const struct btz_http_reply *reply,
                       struct btz_reply *out)
{
    BTZ_JSON json_t *root = NULL;
    struct btz_slice message = btz_str("");

    if (btz_reply_json(reply->body, "error", &root) == BTZ_OK) {
        btz_draft_fail(d, root);
        if (d->blocked) {
            out->kind = BTZ_REPLY_BLOCKED;
            out->detail = d->why;
            return;
        }
        message = message_of(root);
    }
    if (message.len == 0)
        message = reply->body;
    advise_status(d, reply, message.len ? quotable(d, message) : "(no text came with it)", out);
}

bool btz_reply_begin(struct btz_draft *d, const struct btz_http_reply *reply, struct btz_reply *out)
{
    *out = (struct btz_reply){ .kind = BTZ_REPLY_ERROR,
                               .detail = no_memory,
                               .http_status = reply->status,
                               .tries = reply->tries,
                               .seconds = reply->seconds };
    if (reply->err != BTZ_OK) {
        btz_reply_error(d->arena, out, "%s",
                        reply->detail ? quotable(d, btz_str(reply->detail)) : "no reply");
        return false;
    }
    if (reply->status >= 200 && reply->status <= 299)
        return true;
    read_error(d, reply, out);
    return false;
}

static enum btz_err finish_text(struct btz_draft *d, struct btz_buf *b, struct btz_slice *out)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(3 * b->len + 64);

    BTZ_TRY(btz_utf8_clean(btz_buf_slice(b), &clean));
    BTZ_TRY(btz_target_redact(d->conf, &clean));
    return btz_arena_copy(d->arena, btz_buf_slice(&clean), out);
}

void btz_reply_finish(struct btz_draft *d, enum btz_err err, struct btz_reply *out)
{
    if (err == BTZ_OK)
        err = tool_end(d);
    if (err == BTZ_OK)
        err = btz_split_reasoning(&d->text, &d->reasoning);
    if (err == BTZ_OK)
        err = finish_text(d, &d->text, &out->text);
    if (err == BTZ_OK)
        err = finish_text(d, &d->reasoning, &out->reasoning);
    out->tokens_in = d->tokens_in;
    out->tokens_out = d->tokens_out;
    if (err != BTZ_OK) {
        /* Parsers quote what they could not read. */
        btz_reply_error(d->arena, out, "%s", quotable(d, btz_str(btz_error_detail())));
    } else if (d->blocked) {
        out->kind = BTZ_REPLY_BLOCKED;
        out->detail = d->why;
    } else if (d->failed) {
        out->kind = BTZ_REPLY_ERROR;
        out->detail = d->why;
    } else {
        out->kind = btz_slice_trim(out->text).len > 0 ? BTZ_REPLY_TEXT : BTZ_REPLY_EMPTY;
        out->detail = NULL;
    }
    btz_buf_release(&d->text);
    btz_buf_release(&d->reasoning);
}

static enum btz_err read_events(const struct btz_dialect *dialect, struct btz_draft *d,
                                const struct btz_slice *events, size_t count)
{
    for (size_t i = 0; i < count && !d->blocked && !d->failed; i++) {
        BTZ_JSON json_t *event = NULL;
        char what[40];

        if (btz_slice_is(btz_slice_trim(events[i]), "[DONE]")) {
            d->ended = true;
            break;
        }
        snprintf(what, sizeof what, "event %zu of the stream", i + 1);
        BTZ_TRY(btz_reply_json(events[i], what, &event));
        if (json_object_get(event, "error") && !json_is_null(json_object_get(event, "error")))
            btz_draft_fail(d, event);
        else
            BTZ_TRY(dialect->event(d, event));
    }
    return BTZ_OK;
}

static enum btz_err read_whole(const struct btz_dialect *dialect, struct btz_draft *d,
                               struct btz_slice body)
{
    BTZ_JSON json_t *root = NULL;

    BTZ_TRY(btz_reply_json(body, "body of the reply", &root));
    BTZ_TRY(dialect->whole(d, root));
    if (d->answered || d->blocked || d->failed)
        return BTZ_OK;
    /* Some servers say 200 and mean no. */
    if (json_object_get(root, "error"))
        btz_draft_fail(d, root);
    else
        return btz_fail(BTZ_INPUT,
                        "the reply is JSON, but not of the kind this preset expects; check preset "
                        "and url");
    return BTZ_OK;
}

void btz_reply_parse_json(const struct btz_dialect *dialect, const struct btz_target_conf *conf,
                          const struct btz_http_reply *reply, const struct btz_slice *events,
                          size_t event_count, struct btz_arena *arena, struct btz_reply *out)
{
    struct btz_draft d;
    enum btz_err err;

    btz_draft_init(&d, conf, arena);
    if (event_count == 0) {
        if (!btz_reply_begin(&d, reply, out))
            return;
        err = read_whole(dialect, &d, reply->body);
        btz_reply_finish(&d, err, out);
        return;
    }
    err = read_events(dialect, &d, events, event_count);
    /* Once the stream said that it is over, it matters no more how the connection ended. */
    if (!btz_reply_begin(&d, reply, out) && err == BTZ_OK && !d.ended && !d.blocked && !d.failed) {
        const char *why = out->detail;

        btz_reply_finish(&d, BTZ_OK, out);
        out->kind = BTZ_REPLY_ERROR;
        out->detail = why;
        return;
    }
    btz_reply_finish(&d, err, out);
}
