/* The second half of an exchange: what the model answers. */
#include "gate/exchange.h"

#include <stdlib.h>

#define NO_TEXT "parts that are no text"

/* ---- kinds of answers -------------------------------------------------------------------------------------------------- */

static bool is_type(struct btz_slice type, const char *prefix)
{
    size_t n = strlen(prefix);

    if (type.len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = type.ptr[i] >= 'A' && type.ptr[i] <= 'Z' ? type.ptr[i] | 0x20 : type.ptr[i];

        if (c != (uint8_t)prefix[i])
            return false;
    }
    return true;
}

static bool is_json(struct btz_slice type)
{
    return is_type(type, "application/json") || is_type(type, "application/problem+json");
}

static bool is_lines(struct btz_slice type)
{
    return is_type(type, "application/x-ndjson") || is_type(type, "application/ndjson") ||
           is_type(type, "application/jsonl");
}

static bool is_stream(struct btz_slice type)
{
    return is_type(type, "text/event-stream") || is_lines(type);
}

bool btz_type_is_inert(struct btz_slice type)
{
    static const char *const inert[] = {
        "application/json",   "text/event-stream", "application/x-ndjson",
        "application/ndjson", "application/jsonl", "image/png",
        "image/jpeg",         "image/gif",         "image/webp",
        "image/avif",         "image/bmp",
    };

    for (size_t i = 0; i < BTZ_COUNT(inert); i++) {
        size_t n = strlen(inert[i]);

        if (is_type(type, inert[i]) && (type.len == n || type.ptr[n] == ';' || type.ptr[n] == ' '))
            return true;
    }
    return is_type(type, "audio/");
}

/* Bytes that no detector of text reads, by what they say they are. Whatever else there is is read. */
static bool is_bytes(struct btz_slice type)
{
    static const char *const kinds[] = { "audio/",           "video/",          "font/",
                                         "image/",           "application/pdf", "application/zip",
                                         "application/gzip", "multipart/" };

    if (is_type(type, "image/svg"))
        return false;
    for (size_t i = 0; i < BTZ_COUNT(kinds); i++)
        if (is_type(type, kinds[i]))
            return true;
    return false;
}

/* Answers of these may be something else than JSON. */
static bool may_be_bytes(const struct btz_exchange *x)
{
    return x->route->protocol == BTZ_PROTOCOL_SPEECH || x->route->protocol == BTZ_PROTOCOL_FILES ||
           x->route->protocol == BTZ_PROTOCOL_PASS || x->route->protocol == BTZ_PROTOCOL_TRANSCRIBE;
}

static bool is_renamed(const struct btz_exchange *x)
{
    const char *there = x->candidates[x->current].model;

    return x->model && there && strcmp(x->model, there) != 0;
}

static bool is_error(const struct btz_exchange *x)
{
    return x->status >= 400;
}

static enum btz_err on_message(void *user, struct btz_message *m);

static enum btz_step open_stream(struct btz_exchange *x, struct btz_slice type)
{
    const struct btz_route_conf *declared = x->route->declared;
    struct btz_stream_options o = { .from = x->spoken,
                                    .to = x->route->protocol,
                                    .hide_usage = x->hide_usage,
                                    .message = x->route->mcp ? on_message : NULL,
                                    .model = is_renamed(x) ? x->model : NULL,
                                    .lines = declared && is_lines(type),
                                    .texts = declared ? declared->texts.items : NULL,
                                    .text_count = declared ? declared->texts.count : 0 };

    if (btz_protocol_stream_new(&o, &btz_exchange_lanes, x, &x->stream) != BTZ_OK)
        return btz_exchange_refuse(x, 502, "upstream_answer", "%s", btz_error_detail());
    if (o.from != o.to)
        x->response_type = "text/event-stream";
    return BTZ_STEP_GO;
}

static enum btz_step open_text(struct btz_exchange *x)
{
    if (!btz_exchange_guards(x))
        return BTZ_STEP_GO;
    if (btz_exchange_guarding(x) != BTZ_OK)
        return btz_exchange_refuse(x, 503, "out_of_memory", "%s", btz_error_detail());
    if (btz_guard_stream_new(x->session, BTZ_CHANNEL_OUTPUT, &x->raw) != BTZ_OK)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    return BTZ_STEP_GO;
}

bool btz_exchange_breaks(const struct btz_exchange *x)
{
    return x->raw != NULL;
}

/* ---- the head ------------------------------------------------------------------------------------------------------------ */

static uint64_t most_bytes(const struct btz_exchange *x)
{
    struct btz_limit_subject who = btz_exchange_subject(x);

    if (x->gate->conf->limits.count == 0)
        return UINT64_MAX;
    return btz_limits_response_bytes(x->gate->limits, &who);
}

static bool is_encoded(const struct btz_response_head *head)
{
    return head->content_encoding.len > 0 && !btz_slice_is(head->content_encoding, "identity");
}

static enum btz_step choose(struct btz_exchange *x, const struct btz_response_head *head)
{
    if (x->status == 101 || x->status == 204 || x->status == 304) {
        x->mode = BTZ_RESPONSE_PASS;
        return BTZ_STEP_GO;
    }
    /* Clients would wait for another one behind it. */
    if (x->status < 200)
        return btz_exchange_refuse(x, 502, "upstream_answer",
                                   "the upstream answered with status %u", x->status);
    /* Clients would follow, with their key, to wherever it leads. */
    if (x->status >= 300 && x->status < 400)
        return btz_exchange_refuse(x, 502, "upstream_redirect",
                                   "the upstream answered with a redirection; mend its address");
    if (is_encoded(head) && x->gate->conf->guard.enabled)
        return btz_exchange_refuse(x, 502, "upstream_encoding",
                                   "the upstream compressed its answer, though asked not to");
    if (!is_error(x) && is_stream(head->content_type)) {
        x->mode = BTZ_RESPONSE_PIECES;
        return open_stream(x, head->content_type);
    }
    if (is_error(x) || is_json(head->content_type)) {
        x->mode = BTZ_RESPONSE_WHOLE;
        return BTZ_STEP_GO;
    }
    if (!may_be_bytes(x) && head->content_length != 0)
        return btz_exchange_refuse(x, 502, "upstream_answer",
                                   "the upstream answered with an unexpected type of content");
    if (!is_bytes(head->content_type)) {
        x->mode = BTZ_RESPONSE_PIECES;
        return open_text(x);
    }
    x->mode = BTZ_RESPONSE_PASS;
    x->not_evaluated = "the answer is no text";
    return BTZ_STEP_GO;
}

static enum btz_step block_answer(struct btz_exchange *x, const char *why)
{
    char copy[sizeof x->reason];

    snprintf(copy, sizeof copy, "%s", why);
    x->blocked_out = true;
    return btz_exchange_refuse(x, 403, "guard_blocked", "%s", copy);
}

/* DENIED or LIMIT */
static enum btz_step stop_answer(struct btz_exchange *x, enum btz_err why)
{
    if (why == BTZ_DENIED)
        return block_answer(x, "the answer was blocked by the guard");
    x->not_evaluated = "the guard could not read the answer";
    return block_answer(x, x->not_evaluated);
}

/* Headers are read like the words of an event. */
static enum btz_step judge_head(struct btz_exchange *x, const struct btz_response_head *head)
{
    enum btz_err err = btz_exchange_words(x, head->words);

    return err == BTZ_OK ? BTZ_STEP_GO : stop_answer(x, err);
}

enum btz_step btz_exchange_response(struct btz_exchange *x, const struct btz_response_head *head,
                                    enum btz_response_mode *mode)
{
    enum btz_step step;

    x->status = head->status;
    x->responded = true;
    x->mode = BTZ_RESPONSE_WHOLE;
    btz_exchange_attempted(x, head->status);
    x->response_cap = most_bytes(x);
    step = choose(x, head);
    if (step == BTZ_STEP_GO)
        step = judge_head(x, head);
    if (step == BTZ_STEP_GO)
        step = btz_exchange_take_session(x, head->mcp_session);
    /* Nobody else is asked now: streams last for long, and the tree is larger than the text it was read from. */
    btz_exchange_keep_schema(x);
    if (x->has_request)
        btz_message_release(&x->request);
    if (step == BTZ_STEP_GO && head->content_length > 0 &&
        (uint64_t)head->content_length > x->response_cap)
        step = btz_exchange_refuse(x, 502, "response_too_large", "the answer is too large");
    *mode = x->mode;
    return step;
}

/* ---- whole answers ------------------------------------------------------------------------------------------------------- */

static enum btz_step guard_part(struct btz_exchange *x, struct btz_message *m,
                                struct btz_part *part)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_EXCHANGE_CAP);
    uint64_t n = part->text.len;
    bool changed;
    enum btz_err err;

    if (!btz_exchange_guards(x)) {
        btz_exchange_range(x, 0, n, n);
        return BTZ_STEP_GO;
    }
    err = btz_exchange_said(x, part->channel, part->text, &changed, &out);
    btz_exchange_range(x, err == BTZ_OK || err == BTZ_DENIED ? n : 0, err == BTZ_OK ? n : 0, n);
    if (err == BTZ_OK && btz_exchange_part_conforms(
                             x, m, part, changed ? btz_buf_slice(&out) : part->text) != BTZ_OK)
        return block_answer(x, x->form_why ? x->form_why : "no memory");
    if (err == BTZ_OK && changed) {
        if (!part->holder || btz_part_replace(m, part, btz_buf_slice(&out)) != BTZ_OK)
            err = BTZ_DENIED;
        x->changed_out = true;
    }
    return err == BTZ_OK ? BTZ_STEP_GO : stop_answer(x, err);
}

static enum btz_step guard_parts(struct btz_exchange *x, struct btz_message *m)
{
    enum btz_err err;

    for (size_t i = 0; i < m->part_count; i++) {
        enum btz_step step = guard_part(x, m, &m->parts[i]);

        if (step != BTZ_STEP_GO)
            return step;
    }
    err = btz_exchange_words(x, m->words);
    return err == BTZ_OK ? BTZ_STEP_GO : stop_answer(x, err);
}

/* Names outlive the message, and masks that are written over them. */
static enum btz_step keep_calls(struct btz_exchange *x, const struct btz_message *m)
{
    if (x->route->mcp || m->call_count == 0)
        return BTZ_STEP_GO;
    x->calls = btz_arena_array(&x->arena, m->call_count, sizeof *x->calls);
    for (size_t i = 0; x->calls && i < m->call_count; i++)
        if (btz_arena_copy(&x->arena, m->calls[i].name, &x->calls[i]) != BTZ_OK)
            x->calls = NULL;
    x->call_count = x->calls ? m->call_count : 0;
    return x->calls ? BTZ_STEP_GO : btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
}

/* No arguments are no part. */
static enum btz_step check_empty_calls(struct btz_exchange *x, const struct btz_message *m)
{
    for (size_t i = 0; !x->route->mcp && i < m->call_count; i++)
        if (m->calls[i].arguments.len == 0 &&
            btz_exchange_call_conforms(x, m->calls[i].name, m->calls[i].arguments) != BTZ_OK)
            return block_answer(x, x->form_why ? x->form_why : "no memory");
    return BTZ_STEP_GO;
}

static enum btz_step permit_calls(struct btz_exchange *x)
{
    for (size_t i = 0; i < x->call_count; i++)
        if (btz_exchange_tool(x, x->calls[i], false) != BTZ_OK)
            return block_answer(x, btz_error_detail());
    return BTZ_STEP_GO;
}

static enum btz_step emit(struct btz_exchange *x, struct btz_slice bytes, struct btz_buf *out)
{
    return btz_buf_add_slice(out, bytes) == BTZ_OK
               ? BTZ_STEP_GO
               : btz_exchange_refuse(x, 502, "response_too_large", "the answer is too large");
}

static enum btz_step write_answer(struct btz_exchange *x, struct btz_message *m,
                                  struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_EXCHANGE_CAP);
    struct btz_message other = { 0 };
    enum btz_err err = BTZ_OK;

    if (x->spoken != x->route->protocol && !is_error(x)) {
        err = btz_translate_response(m, x->route->protocol, x->model, &x->arena, &other);
        if (err == BTZ_OK)
            err = btz_message_write(&other, &text);
        btz_message_release(&other);
    } else {
        if (is_renamed(x) && m->root && m->model.len)
            err = btz_message_set_model(m, x->model);
        if (err == BTZ_OK && !m->changed)
            return emit(x, btz_buf_slice(&x->collected), out);
        if (err == BTZ_OK)
            err = btz_message_write(m, &text);
    }
    if (err != BTZ_OK)
        return btz_exchange_refuse(x, 502, "upstream_answer", "%s", btz_error_detail());
    return emit(x, btz_buf_slice(&text), out);
}

/* Errors of upstreams have many shapes: whatever text is in them is read. Where clients speak another dialect, or it is no
 * JSON, they get one of ours. */
static enum btz_step finish_error(struct btz_exchange *x, struct btz_buf *out)
{
    struct btz_message m = { 0 };
    enum btz_step step;

    /* About a credential that the client does not know and must not hear of. */
    if (x->status == 401 || x->status == 407)
        return btz_exchange_refuse(x, 502, "upstream_credential",
                                   "the upstream did not accept the gateway's credential");
    if (btz_response_read(BTZ_PROTOCOL_PASS, btz_buf_slice(&x->collected), &x->arena, &m) !=
            BTZ_OK ||
        !m.root || x->spoken != x->route->protocol) {
        btz_message_release(&m);
        return btz_exchange_refuse(x, x->status, "upstream_error",
                                   "the upstream answered with status %u", x->status);
    }
    step = guard_parts(x, &m);
    if (step == BTZ_STEP_GO)
        step = write_answer(x, &m, out);
    btz_message_release(&m);
    return step;
}

/* A message of an MCP server in a stream: whole, like one that is the answer itself. */
static enum btz_err on_message(void *user, struct btz_message *m)
{
    struct btz_exchange *x = user;
    struct btz_unpinned unpinned = { 0 };
    enum btz_step step = btz_exchange_pins(x, m, &unpinned);

    if (step == BTZ_STEP_GO)
        step = guard_parts(x, m);
    if (step != BTZ_STEP_GO)
        return btz_fail(BTZ_DENIED, "%s", x->reason);
    btz_exchange_take_out(x, m, &unpinned);
    return BTZ_OK;
}

/* In any thread: permission for the calls in it is asked afterwards. */
static enum btz_step finish_whole(struct btz_exchange *x, struct btz_buf *out)
{
    struct btz_message m = { 0 };
    struct btz_unpinned unpinned = { 0 };
    enum btz_step step;

    if (is_error(x))
        return finish_error(x, out);
    if (btz_response_read(x->spoken, btz_buf_slice(&x->collected), &x->arena, &m) != BTZ_OK)
        return btz_exchange_refuse(x, 502, "upstream_answer",
                                   "the upstream's answer cannot be read: %s", btz_error_detail());
    x->usage = m.usage;
    /* Tools are judged as they came, and taken out when nothing points into them any more. */
    step = btz_exchange_pins(x, &m, &unpinned);
    if (step == BTZ_STEP_GO)
        step = keep_calls(x, &m);
    if (step == BTZ_STEP_GO)
        step = check_empty_calls(x, &m);
    if (step == BTZ_STEP_GO)
        step = guard_parts(x, &m);
    if (step == BTZ_STEP_GO)
        btz_exchange_take_out(x, &m, &unpinned);
    if (step == BTZ_STEP_GO)
        btz_exchange_note_owner(x, &m);
    if (step == BTZ_STEP_GO)
        step = write_answer(x, &m, out);
    if ((m.images || m.files) && !x->not_evaluated)
        x->not_evaluated = NO_TEXT;
    btz_message_release(&m);
    return step;
}

/* ---- pieces --------------------------------------------------------------------------------------------------------------- */

enum btz_step btz_exchange_cut(struct btz_exchange *x, const char *code, const char *why)
{
    x->cut = true;
    x->verdict = "deny";
    x->code = code;
    if (!x->reason[0])
        snprintf(x->reason, sizeof x->reason, "%s", why);
    return BTZ_STEP_REFUSE;
}

static enum btz_step feed_stream(struct btz_exchange *x, struct btz_slice piece, bool final,
                                 struct btz_buf *out)
{
    enum btz_err err = btz_protocol_stream_feed(x->stream, piece, final, out);

    x->usage = *btz_protocol_stream_usage(x->stream);
    if (btz_protocol_stream_unread(x->stream) > 0 && !x->not_evaluated)
        x->not_evaluated = NO_TEXT;
    if (err == BTZ_OK && final && !btz_protocol_stream_ended(x->stream)) {
        x->verdict = "error";
        snprintf(x->reason, sizeof x->reason, "the upstream ended its stream too early");
    }
    if (err == BTZ_OK)
        return BTZ_STEP_GO;
    if (err == BTZ_DENIED)
        return btz_exchange_cut(x, "guard_blocked", "the answer was cut off by the guard");
    x->verdict = "error";
    x->not_evaluated = "the upstream's stream cannot be read";
    return btz_exchange_cut(x, "upstream_answer", btz_error_detail());
}

void btz_exchange_close_text(struct btz_exchange *x)
{
    uint64_t scanned = 0, released = 0;

    if (!x->raw || x->raw_done)
        return;
    x->raw_done = true;
    btz_guard_stream_ranges(x->raw, &scanned, &released);
    btz_exchange_range(x, scanned, released, x->out_bytes);
}

static enum btz_step feed_text(struct btz_exchange *x, struct btz_slice piece, bool final,
                               struct btz_buf *out)
{
    enum btz_err err;

    if (!x->raw) {
        x->skipped_out += piece.len;
        return emit(x, piece, out);
    }
    err = btz_guard_stream_feed(x->raw, piece, final, out);
    if (err == BTZ_OK && !final)
        return BTZ_STEP_GO;
    btz_exchange_close_text(x);
    if (err == BTZ_OK)
        return BTZ_STEP_GO;
    x->blocked_out = true;
    return btz_exchange_cut(x, "guard_blocked", "the answer was cut off by the guard");
}

static enum btz_step over_limit(struct btz_exchange *x, struct btz_buf *out)
{
    if (x->mode == BTZ_RESPONSE_WHOLE)
        return btz_exchange_refuse(x, 502, "response_too_large", "the answer is too large");
    if (btz_problem_event(btz_exchange_dialect(x), "response_too_large", "the answer is too large",
                          x->in->request_id, out) != BTZ_OK)
        btz_buf_clear(out);
    return btz_exchange_cut(x, "response_too_large", "the answer is too large");
}

/*
 * The last look, at the bytes themselves: numbers and base64 are nothing that detectors read, and hold a canary as well.
 * What rules say about canaries counts instead where they say something.
 */
static bool leaks(const struct btz_exchange *x, struct btz_slice sent)
{
    const struct btz_guard_conf *guard = &x->gate->conf->guard;
    const struct btz_guard_rule_conf *rules = guard->rules.items;
    const char *const *canaries = guard->canaries.items;

    if (!guard->enabled || guard->mode == BTZ_GUARD_MODE_WATCH)
        return false;
    for (size_t i = 0; i < guard->rules.count; i++)
        if ((strcmp(rules[i].detector, "canary") == 0 || strcmp(rules[i].detector, "*") == 0) &&
            btz_guard_rule_fits(&rules[i], x->groups, x->group_count))
            return false;
    for (size_t i = 0; i < guard->canaries.count; i++)
        if (btz_slice_has(sent, canaries[i]))
            return true;
    return false;
}

static enum btz_step stop_leak(struct btz_exchange *x, size_t from, struct btz_buf *out)
{
    out->len = from;
    x->blocked_out = true;
    if (x->mode == BTZ_RESPONSE_WHOLE)
        return block_answer(x, "the answer was blocked by the guard");
    if (btz_problem_event(btz_exchange_dialect(x), "guard_blocked",
                          "the answer was cut off by the guard", x->in->request_id, out) != BTZ_OK)
        out->len = from;
    return btz_exchange_cut(x, "guard_blocked", "the answer was cut off by the guard");
}

static void note_sent(struct btz_exchange *x, const struct btz_buf *out, size_t from)
{
    struct btz_slice sent = btz_slice_sub(btz_buf_slice(out), from, out->len);

    if (sent.len == 0)
        return;
    btz_sha256_add(&x->response_hash, sent);
    if (x->gate->conf->audit.bodies != BTZ_BODIES_NONE && x->mode == BTZ_RESPONSE_PIECES &&
        btz_buf_add_slice(&x->kept, sent) != BTZ_OK)
        btz_error_set("the body kept for the audit was cut");
}

enum btz_step btz_exchange_pieces(struct btz_exchange *x, struct btz_slice piece, bool final,
                                  struct btz_buf *out)
{
    size_t from = out->len;
    enum btz_step step = BTZ_STEP_GO;

    x->out_bytes += piece.len;
    if (x->cut)
        return BTZ_STEP_REFUSE;
    if (piece.len && x->out_bytes > x->response_cap)
        step = over_limit(x, out);
    else if (x->mode == BTZ_RESPONSE_PIECES)
        step = x->stream ? feed_stream(x, piece, final, out) : feed_text(x, piece, final, out);
    else if (btz_buf_add_slice(&x->collected, piece) != BTZ_OK)
        step = over_limit(x, out);
    else if (final && x->collected.len > BTZ_WORK_MIN)
        return BTZ_STEP_WORK;
    else if (final)
        step = finish_whole(x, out);
    if (step == BTZ_STEP_GO && x->call_count > 0) {
        step = permit_calls(x);
        out->len = step == BTZ_STEP_GO ? out->len : from;
    }
    if (leaks(x, btz_slice_sub(btz_buf_slice(out), from, out->len)))
        step = stop_leak(x, from, out);
    note_sent(x, out, from);
    return step;
}

void btz_exchange_work_answer(struct btz_exchange *x)
{
    x->work = finish_whole(x, &x->finished);
    if (x->work == BTZ_STEP_GO && leaks(x, btz_buf_slice(&x->finished)))
        x->work = stop_leak(x, 0, &x->finished);
    if (x->work == BTZ_STEP_GO)
        note_sent(x, &x->finished, 0);
}

enum btz_step btz_exchange_answered(struct btz_exchange *x, struct btz_buf *out)
{
    if (x->work == BTZ_STEP_GO)
        x->work = permit_calls(x);
    if (x->work == BTZ_STEP_GO)
        x->work = emit(x, btz_buf_slice(&x->finished), out);
    if (x->work != BTZ_STEP_GO)
        x->nothing_sent = true;
    btz_buf_release(&x->finished);
    return x->work;
}

/* ---- headers --------------------------------------------------------------------------------------------------------------- */

const char *btz_exchange_guard_header(const struct btz_exchange *x)
{
    static const char *const modes[] = { "window", "hold", "observe" };
    struct btz_exchange *w = (struct btz_exchange *)(uintptr_t)x;
    const char *mode = x->mode == BTZ_RESPONSE_PIECES  ? modes[x->gate->conf->guard.mode % 3]
                       : x->mode == BTZ_RESPONSE_WHOLE ? "whole"
                                                       : "none";
    bool some = x->scanned_in + x->scanned_out > 0;

    if (!some && !x->not_evaluated && x->answer.status)
        return "not-evaluated; reason=\"refused before\"";
    if (x->not_evaluated)
        snprintf(w->guard_header, sizeof w->guard_header, "%s; reason=\"%s\"",
                 some && x->gate->conf->guard.enabled ? "partial" : "not-evaluated",
                 x->not_evaluated);
    else
        snprintf(w->guard_header, sizeof w->guard_header, "evaluated; mode=%s", mode);
    return x->guard_header;
}

const char *btz_exchange_response_type(const struct btz_exchange *x)
{
    return x->response_type;
}
