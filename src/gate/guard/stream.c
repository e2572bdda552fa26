/*
 * Texts that come in pieces. What no detector can still want is released; the rest is read again with the next piece, behind
 * a little of what went before. Detectors depend on nothing further back (guard.h), so how a text was cut makes no
 * difference. A long candidate is read again only when it grew by a quarter: the work stays linear.
 */
#include <stdlib.h>

#include "gate/guard/inside.h"

enum { READ_AT_ONCE = 512, WHOLE_MAX = 4 << 20 };

struct btz_guard_stream {
    struct btz_guard_session *session;
    enum btz_channel channel;
    uint32_t index, ran;
    struct btz_buf text; /* looking back, then what is not settled for all, then what is held */
    size_t context, released;
    size_t read_at;     /* not before the text is so long */
    struct btz_buf all; /* for detectors of whole texts */
    bool wants_all, hold, only_watch, denied, ended;
    enum btz_guard_form form;
    uint64_t fed, scanned, gone, origin; /* origin: where text[context] stands in all of it */
    struct {
        uint64_t at;
        bool is, paired;
    } resume[BTZ_GUARD_LAYERS + 1]; /* runs that began in what went, in all of it */
};

enum btz_err btz_guard_stream_new(struct btz_guard_session *s, enum btz_channel channel,
                                  struct btz_guard_stream **out)
{
    struct btz_guard_stream *t = calloc(1, sizeof *t);
    int mode = s->guard->conf.mode;

    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory for a guarded stream");
    t->session = s;
    t->channel = channel;
    t->form = btz_release_form(channel);
    t->index = s->texts++;
    t->text.max = BTZ_GUARD_TEXT_MAX;
    t->all.max = WHOLE_MAX;
    t->hold = mode == BTZ_GUARD_MODE_HOLD;
    t->only_watch = mode == BTZ_GUARD_MODE_WATCH;
    t->wants_all =
        !t->hold && btz_guard_on(s->guard, channel, true) != btz_guard_on(s->guard, channel, false);
    *out = t;
    return BTZ_OK;
}

void btz_guard_stream_free(struct btz_guard_stream *t)
{
    if (!t)
        return;
    btz_buf_release(&t->text);
    btz_buf_release(&t->all);
    free(t);
}

void btz_guard_stream_ranges(const struct btz_guard_stream *t, uint64_t *scanned,
                             uint64_t *released)
{
    *scanned = t->scanned;
    *released = t->gone;
}

static bool acts(const struct btz_hit *h)
{
    return btz_guard_acts(h->action);
}

/* Notes each hit once: when the place where it begins is behind the stream. */
static void note(struct btz_guard_stream *t, size_t settled, size_t released, size_t stop)
{
    const struct btz_scanning *s = t->session->scanning;

    for (size_t i = 0; i < s->hit_count; i++) {
        const struct btz_hit *h = &s->hits[i];
        size_t end = acts(h) ? released : settled;

        /* Nothing follows a stop: what was seen in front of it is written down as it looks now. */
        if (stop != SIZE_MAX && !acts(h))
            end = stop;
        if (h->from < end && h->from <= stop) {
            struct btz_hit absolute = *h;

            absolute.from = (size_t)t->origin + h->from - t->context;
            absolute.to = (size_t)t->origin + h->to - t->context;
            btz_session_note(t->session, &absolute, t->channel, t->index);
        }
    }
}

/* The piece of a long run to go on with in a layer when what is in front of `settled` goes. NULL: none. */
static const struct btz_run_piece *piece_at(const struct btz_guard_stream *t, unsigned layer,
                                            size_t settled)
{
    const struct btz_scanning *s = t->session->scanning;

    for (size_t i = 0; i < s->piece_count; i++) {
        const struct btz_run_piece *p = &s->pieces[i];

        if (p->layer == layer && p->run_from < settled && p->at >= settled)
            return p;
    }
    return NULL;
}

/* What the next pieces of runs have to look back at is not settled. */
static size_t look_back(const struct btz_guard_stream *t, size_t settled)
{
    size_t before;

    do {
        before = settled;
        for (unsigned l = 0; l <= BTZ_GUARD_LAYERS; l++) {
            const struct btz_run_piece *p = piece_at(t, l, settled);

            settled = p && p->look < settled ? p->look : settled;
        }
    } while (settled != before);
    return settled > t->context ? settled : t->context;
}

static void leave_runs(struct btz_guard_stream *t, size_t settled)
{
    memset(t->resume, 0, sizeof t->resume);
    for (unsigned l = 0; l <= BTZ_GUARD_LAYERS; l++) {
        const struct btz_run_piece *p = piece_at(t, l, settled);

        if (!p)
            continue;
        t->resume[l].is = true;
        t->resume[l].at = t->origin + p->at - t->context;
        t->resume[l].paired = p->paired;
    }
}

/* The beginning of the text that is not needed any more goes; a little of its view stays. */
static enum btz_err move_on(struct btz_guard_stream *t, const struct btz_view *view, size_t settled)
{
    size_t seen = settled, keep, from, rest = t->text.len - settled;

    if (view->at) {
        size_t low = 0, high = view->text.len;

        while (low < high) {
            size_t mid = (low + high) / 2;

            if (view->at[mid] < settled)
                low = mid + 1;
            else
                high = mid;
        }
        seen = low;
    }
    from = seen > BTZ_GUARD_CONTEXT ? seen - BTZ_GUARD_CONTEXT : 0;
    while (from < seen && (view->text.ptr[from] & 0xC0) == 0x80)
        from++;
    keep = seen - from;
    if (!view->at) {
        if (from > 0)
            memmove(t->text.ptr, t->text.ptr + from, t->text.len - from);
    } else {
        BTZ_TRY(btz_buf_reserve(&t->text, keep));
        if (rest > 0)
            memmove(t->text.ptr + keep, t->text.ptr + settled, rest);
        if (keep > 0)
            memcpy(t->text.ptr, view->text.ptr + from, keep);
    }
    t->text.len = keep + rest;
    t->origin += settled - t->context;
    t->context = keep;
    t->released = keep + (t->released - settled);
    return BTZ_OK;
}

static enum btz_err deny(struct btz_guard_stream *t)
{
    t->denied = true;
    return btz_fail(BTZ_DENIED, "blocked by the guard");
}

static enum btz_err advance(struct btz_guard_stream *t, struct btz_scan *scan, bool final,
                            struct btz_buf *out)
{
    struct btz_release release = { .session = t->session,
                                   .channel = t->channel,
                                   .text_index = t->index,
                                   .text = scan->text,
                                   .from = t->released,
                                   .to = scan->text.len,
                                   .reverse = btz_channel_is_output(t->channel),
                                   .form = t->form };
    size_t settled;

    if (!final && !t->only_watch && scan->wait < release.to)
        release.to = scan->wait > t->released ? scan->wait : t->released;
    release.to = btz_release_bound(&release, release.to, final);
    if (release.to < release.from)
        return btz_fail(BTZ_INTERNAL, "a guarded stream would go back");
    BTZ_TRY(btz_release_write(&release, out));
    t->form = release.form;
    settled = !final && scan->wait_watch < release.to ? scan->wait_watch : release.to;
    settled = look_back(t, settled);
    note(t, settled, release.to, release.stop);
    if (release.stop != SIZE_MAX) {
        t->gone += release.stop - release.from;
        return deny(t);
    }
    t->gone += release.to - release.from;
    t->released = release.to;
    leave_runs(t, settled);
    return move_on(t, &scan->plain, settled);
}

/* Detectors of whole texts, at the end of a stream that was not held: what is left can still be stopped. */
static enum btz_err read_all(struct btz_guard_stream *t)
{
    struct btz_guard_session *s = t->session;
    struct btz_scan scan = { .session = s,
                             .channel = t->channel,
                             .text = btz_buf_slice(&t->all),
                             .final = true,
                             .only_watch = t->only_watch,
                             .with_whole = true };
    uint32_t whole =
        btz_guard_on(s->guard, t->channel, true) & ~btz_guard_on(s->guard, t->channel, false);
    bool blocked = false;

    if (t->fed > t->all.len || btz_scan_run(&scan) != BTZ_OK) {
        btz_session_count(s, 0, whole);
        return BTZ_OK;
    }
    btz_session_count(s, scan.ran & ~scan.failed & whole, scan.failed & whole);
    for (size_t i = 0; i < s->scanning->hit_count; i++) {
        const struct btz_hit *h = &s->scanning->hits[i];

        if (!h->detector->whole)
            continue;
        btz_session_note(s, h, t->channel, t->index);
        blocked = blocked || h->action >= BTZ_GUARD_STEP_UP;
    }
    return blocked ? deny(t) : BTZ_OK;
}

static enum btz_err read_now(struct btz_guard_stream *t, bool final, struct btz_buf *out)
{
    struct btz_guard_session *s = t->session;
    struct btz_scan scan = { .session = s,
                             .channel = t->channel,
                             .text = btz_buf_slice(&t->text),
                             .context = t->context,
                             .released = t->released,
                             .final = final,
                             .only_watch = t->only_watch,
                             .with_whole = t->hold };
    size_t held;

    for (unsigned l = 0; l <= BTZ_GUARD_LAYERS; l++)
        if (t->resume[l].is)
            scan.resume[l] = (struct btz_run_resume){
                .at = (size_t)(t->resume[l].at - t->origin) + t->context,
                .is = true,
                .paired = t->resume[l].paired,
            };
    if (final && t->wants_all)
        BTZ_TRY(read_all(t));
    BTZ_TRY(btz_scan_run(&scan));
    t->scanned = t->fed;
    btz_session_count(s, scan.ran & ~scan.failed & ~t->ran, scan.failed & ~t->ran);
    t->ran |= scan.ran;
    BTZ_TRY(advance(t, &scan, final, out));
    held = t->text.len - t->released;
    if (!t->hold && held > (size_t)s->guard->conf.hold_max) {
        t->denied = true;
        return btz_fail(BTZ_DENIED, "the guard would have to hold back more than %" PRId64 " bytes",
                        s->guard->conf.hold_max);
    }
    held = t->text.len - t->context;
    t->read_at = held > READ_AT_ONCE ? t->text.len + held / 4 : 0;
    return BTZ_OK;
}

enum btz_err btz_guard_stream_feed(struct btz_guard_stream *t, struct btz_slice piece, bool final,
                                   struct btz_buf *out)
{
    enum btz_err err;

    if (t->denied)
        return btz_fail(BTZ_DENIED, "blocked by the guard");
    if (t->ended)
        return btz_fail(BTZ_USAGE, "a guarded stream goes on behind its end");
    t->fed += piece.len;
    t->ended = final;
    err = btz_buf_add_slice(&t->text, piece);
    if (err == BTZ_OK && t->wants_all && t->fed <= WHOLE_MAX)
        err = btz_buf_add_slice(&t->all, piece);
    if (err == BTZ_OK && !final && (t->hold || t->text.len < t->read_at))
        return BTZ_OK;
    if (err == BTZ_OK)
        err = btz_scanning_take(t->session);
    if (err == BTZ_OK)
        err = read_now(t, final, out);
    btz_scanning_give(t->session);
    if (err != BTZ_OK && err != BTZ_DENIED) { /* not evaluated: nothing more comes out */
        t->denied = true;
        btz_session_count(t->session, 0, btz_guard_on(t->session->guard, t->channel, true));
    }
    return err;
}
