/* What is passed on in pieces that nobody writes anew: bytes that are no text, and messages of a WebSocket. */
#include "gate/exchange.h"

#include <math.h>

#define NO_TEXT "messages that are no text"

/* What cannot be cut off with words any more: the head is out, or there are frames instead of an answer. */
static enum btz_err break_off(struct btz_exchange *x, enum btz_err err, const char *code,
                              const char *why)
{
    (void)btz_exchange_cut(x, code, why);
    return btz_fail(err, "%s", x->reason);
}

enum btz_err btz_exchange_passed(struct btz_exchange *x, uint64_t bytes)
{
    x->out_bytes += bytes;
    if (x->out_bytes > x->response_cap)
        return break_off(x, BTZ_LIMIT, "response_too_large", "the answer is too large");
    x->skipped_out += bytes;
    x->released_out += bytes;
    if (bytes && !x->not_evaluated)
        x->not_evaluated = NO_TEXT;
    return BTZ_OK;
}

void btz_exchange_asked_bytes(struct btz_exchange *x, uint64_t bytes)
{
    x->skipped_in += bytes;
    if (bytes && !x->not_evaluated)
        x->not_evaluated = NO_TEXT;
}

/* Servers say a text in messages of a piece each. */
static enum btz_err join(struct btz_exchange *x, struct btz_slice text)
{
    const struct btz_stream_options o = { .from = BTZ_PROTOCOL_PASS, .to = BTZ_PROTOCOL_PASS };

    if (!x->messages)
        BTZ_TRY(btz_protocol_stream_new(&o, &btz_exchange_lanes, x, &x->messages));
    return btz_protocol_stream_message(x->messages, text);
}

enum btz_err btz_exchange_message(struct btz_exchange *x, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_EXCHANGE_CAP);
    bool changed = false;
    enum btz_err err = BTZ_OK;

    x->out_bytes += text.len;
    if (x->out_bytes > x->response_cap)
        return break_off(x, BTZ_DENIED, "response_too_large", "the answers are too large");
    if (!btz_exchange_guards(x)) {
        btz_exchange_range(x, 0, text.len, text.len);
        return BTZ_OK;
    }
    err = btz_exchange_text(x, BTZ_CHANNEL_OUTPUT, text, &changed, &out);
    if (err == BTZ_OK && !changed)
        err = join(x, text);
    btz_exchange_range(x, err == BTZ_OK || err == BTZ_DENIED ? text.len : 0,
                       err == BTZ_OK ? text.len : 0, text.len);
    if (err == BTZ_OK && !changed)
        return BTZ_OK;
    /* A frame cannot be written anew: what would be masked is not let through. */
    x->blocked_out = true;
    return break_off(x, BTZ_DENIED, "guard_blocked",
                     "a message of the server was stopped by the guard");
}

/* Of the client: read as what it says to a model. */
enum btz_err btz_exchange_asked(struct btz_exchange *x, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_EXCHANGE_CAP);
    bool changed = false;
    enum btz_err err;

    if (!btz_exchange_guards(x)) {
        x->skipped_in += text.len;
        return BTZ_OK;
    }
    err = btz_exchange_text(x, BTZ_CHANNEL_USER, text, &changed, &out);
    x->scanned_in += err == BTZ_OK || err == BTZ_DENIED ? text.len : 0;
    if (err == BTZ_OK && btz_guard_verdict(x->session) == BTZ_GUARD_STEP_UP &&
        x->mfa_age_s > BTZ_FRESH_S)
        return break_off(x, BTZ_DENIED, "step_up_required",
                         "the guard asks for a second factor shown lately");
    if (err == BTZ_OK && !changed)
        return BTZ_OK;
    return break_off(x, BTZ_DENIED, "guard_blocked",
                     "a message of the client was stopped by the guard");
}

enum btz_err btz_exchange_still(struct btz_exchange *x)
{
    struct btz_decision d;
    uint64_t came_ms = x->now_ms;

    x->now_ms = btz_gate_now_ms(x->gate);
    btz_exchange_decide(x, btz_action_find(x->route->action), x->resource, (struct btz_slice){ 0 },
                        NAN, &d);
    x->now_ms = came_ms;
    if (d.verdict == BTZ_VERDICT_ALLOW)
        return BTZ_OK;
    x->decision = d;
    x->rule = btz_exchange_rule(x, &d);
    return break_off(x, BTZ_DENIED, "forbidden", "the permission ended");
}
