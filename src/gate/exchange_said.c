/*
 * Texts of an answer through the guard. Whatever an answer holds is said to the client, so it is read as output; what it
 * brings from elsewhere (descriptions and results of tools, documents) is read as that before.
 */
#include "gate/exchange.h"

#include <stdlib.h>

enum { RANGES_FIRST = 4 };

static bool is_from_elsewhere(enum btz_channel channel)
{
    return channel == BTZ_CHANNEL_TOOL_RESULT || channel == BTZ_CHANNEL_TOOL_DESCRIPTION ||
           channel == BTZ_CHANNEL_DOCUMENT || channel == BTZ_CHANNEL_IMAGE_TEXT;
}

static bool is_output(enum btz_channel channel)
{
    return channel == BTZ_CHANNEL_REASONING || channel == BTZ_CHANNEL_TOOL_ARGUMENTS;
}

/* Channels that a text of an answer is read in, in order. */
static size_t readings(enum btz_channel channel, enum btz_channel out[2])
{
    size_t count = 0;

    if (is_from_elsewhere(channel))
        out[count++] = channel;
    out[count++] = is_output(channel) ? channel : BTZ_CHANNEL_OUTPUT;
    return count;
}

enum btz_err btz_exchange_said(struct btz_exchange *x, enum btz_channel channel,
                               struct btz_slice text, bool *changed, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf first = BTZ_BUF(BTZ_EXCHANGE_CAP);
    enum btz_channel as[2];
    size_t count = readings(channel, as);
    bool once = false;

    *changed = false;
    if (count == 2) {
        BTZ_TRY(btz_exchange_text(x, as[0], text, &once, &first));
        text = once ? btz_buf_slice(&first) : text;
    }
    BTZ_TRY(btz_exchange_text(x, as[count - 1], text, changed, out));
    if (once && !*changed) {
        *changed = true;
        return btz_buf_add_slice(out, text);
    }
    return BTZ_OK;
}

/* ---- texts that grow --------------------------------------------------------------------------------------------------- */

/* Most answers have one text. */
static bool has_room(struct btz_exchange *x)
{
    struct btz_range *all;

    if (x->range_count > 0 && x->range_count != RANGES_FIRST)
        return x->range_count < BTZ_RANGES;
    all = btz_arena_array(&x->arena, x->range_count ? BTZ_RANGES : RANGES_FIRST, sizeof *all);
    if (all && x->range_count)
        memcpy(all, x->ranges, x->range_count * sizeof *all);
    if (all)
        x->ranges = all;
    return all != NULL;
}

void btz_exchange_range(struct btz_exchange *x, uint64_t scanned, uint64_t released, uint64_t seen)
{
    x->scanned_out += scanned;
    x->released_out += released;
    x->skipped_out += seen > scanned ? seen - scanned : 0;
    if (scanned > 0 && has_room(x))
        x->ranges[x->range_count++] = (struct btz_range){ 0, scanned };
}

struct lane_state {
    struct btz_guard_stream *streams[2];
    size_t count;
    uint64_t seen;
    const struct btz_form *forms[2]; /* that all of it has to conform to */
    bool hold;                       /* until it is known to */
    struct btz_buf said;             /* what went out, or would have, where there is a form */
};

static void close_lane(struct btz_exchange *x, struct lane_state *s)
{
    uint64_t scanned = 0, released = 0, other;

    if (!s)
        return;
    if (s->count > 0) {
        btz_guard_stream_ranges(s->streams[0], &scanned, &other);
        btz_guard_stream_ranges(s->streams[s->count - 1], &other, &released);
        btz_exchange_range(x, scanned, released, s->seen);
    }
    for (size_t i = 0; i < s->count; i++)
        btz_guard_stream_free(s->streams[i]);
    btz_buf_release(&s->said);
    free(s);
}

static enum btz_err open_lane(struct btz_exchange *x, struct btz_lane *lane)
{
    enum btz_channel as[2];
    size_t count = readings(lane->channel, as);
    struct lane_state *s;

    if (lane->channel == BTZ_CHANNEL_TOOL_ARGUMENTS)
        BTZ_TRY(btz_exchange_tool(x, lane->tool, false));
    if (!btz_exchange_guards(x))
        return BTZ_OK;
    BTZ_TRY(btz_exchange_guarding(x));
    s = calloc(1, sizeof *s);
    if (!s)
        return btz_fail(BTZ_LIMIT, "no memory");
    lane->user = s;
    s->said.max = BTZ_GUARD_FORM_MAX + 1;
    BTZ_TRY(btz_exchange_forms(x, lane->answer, lane->tool, s->forms));
    s->hold = s->forms[0] && btz_guard_schema_stops(x->session, lane->channel);
    while (s->count < count) {
        BTZ_TRY(btz_guard_stream_new(x->session, as[s->count], &s->streams[s->count]));
        s->count++;
    }
    return BTZ_OK;
}

static enum btz_err feed_lane(struct lane_state *s, struct btz_slice piece, bool final,
                              struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf between = BTZ_BUF(BTZ_EXCHANGE_CAP);

    if (s->count == 1)
        return btz_guard_stream_feed(s->streams[0], piece, final, out);
    BTZ_TRY(btz_guard_stream_feed(s->streams[0], piece, final, &between));
    return btz_guard_stream_feed(s->streams[1], btz_buf_slice(&between), final, out);
}

/*
 * Text of a lane that has a form. Where what does not conform is stopped nothing goes out before the end, so that clients never
 * act on half of it; otherwise it goes out as ever, and is kept to be looked at in the end. What is too long to be kept is
 * not evaluated.
 */
static enum btz_err feed_form(struct btz_exchange *x, const struct btz_lane *lane,
                              struct lane_state *s, struct btz_slice piece, bool final,
                              struct btz_buf *out)
{
    struct btz_buf *to = s->hold ? &s->said : out;
    size_t from = to->len;
    bool whole = lane->choice == UINT32_MAX && lane->channel == BTZ_CHANNEL_TOOL_ARGUMENTS;
    struct btz_slice new;

    BTZ_TRY(feed_lane(s, piece, final, to));
    if (!s->hold && s->said.len < s->said.max) {
        new = btz_slice_sub(btz_buf_slice(out), from, s->said.max - s->said.len);
        BTZ_TRY(btz_buf_add_slice(&s->said, new));
    }
    if (!final)
        return BTZ_OK;
    /* The arguments came whole, before the lane that they would have come in. */
    if (s->said.len == 0 && !whole && lane->channel == BTZ_CHANNEL_TOOL_ARGUMENTS &&
        x->whole_calls > 0) {
        x->whole_calls--;
        return BTZ_OK;
    }
    x->whole_calls += whole;
    if (btz_slice_trim(btz_buf_slice(&s->said)).len > 0 ||
        lane->channel == BTZ_CHANNEL_TOOL_ARGUMENTS)
        BTZ_TRY(btz_exchange_conforms(x, lane->channel, s->forms, btz_buf_slice(&s->said)));
    return s->hold ? btz_buf_add_slice(out, btz_buf_slice(&s->said)) : BTZ_OK;
}

static enum btz_err stop(struct btz_exchange *x, enum btz_err err, const char *why)
{
    x->blocked_out = true;
    if (err != BTZ_DENIED)
        x->not_evaluated = "the guard could not read the answer";
    snprintf(x->reason, sizeof x->reason, "%s", why);
    return BTZ_DENIED;
}

static enum btz_err lane_text(void *user, struct btz_lane *lane, struct btz_slice piece, bool final,
                              struct btz_buf *out)
{
    struct btz_exchange *x = user;
    struct lane_state *s;
    enum btz_err err;

    if (!lane->user) {
        err = open_lane(x, lane);
        if (err != BTZ_OK)
            return stop(x, err, btz_error_detail());
    }
    s = lane->user;
    if (!s) {
        x->skipped_out += piece.len;
        x->released_out += piece.len;
        return btz_buf_add_slice(out, piece);
    }
    s->seen += piece.len;
    err = s->forms[0] ? feed_form(x, lane, s, piece, final, out) : feed_lane(s, piece, final, out);
    if (err == BTZ_OK)
        return BTZ_OK;
    return stop(x, err,
                s->hold && x->form_why ? x->form_why : "the answer was cut off by the guard");
}

static void lane_drop(void *user, struct btz_lane *lane)
{
    close_lane(user, lane->user);
    lane->user = NULL;
}

enum btz_err btz_exchange_words(struct btz_exchange *x, struct btz_slice words)
{
    if (words.len == 0 || !btz_exchange_guards(x))
        return BTZ_OK;
    BTZ_TRY(btz_exchange_guarding(x));
    return btz_guard_words(x->session, words);
}

static enum btz_err lane_words(void *user, struct btz_slice words)
{
    enum btz_err err = btz_exchange_words(user, words);

    return err == BTZ_OK ? BTZ_OK : stop(user, err, "the answer was cut off by the guard");
}

const struct btz_lane_ops btz_exchange_lanes = { lane_text, lane_drop, lane_words };
