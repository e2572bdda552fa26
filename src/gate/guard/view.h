/* Views of a text: normalised, and decoded, each with the way back to the original. Private to the guard. */
#ifndef BTZ_GATE_GUARD_VIEW_H
#define BTZ_GATE_GUARD_VIEW_H

#include "gate/guard/guard.h"

/* Storage of one view, used again for the next. */
struct btz_view_room {
    struct btz_buf text, folded;
    uint32_t *at, *till;
    size_t map_cap;
    struct btz_invisible *invisible;
    size_t invisible_count, invisible_cap;
};
void btz_view_room_init(struct btz_view_room *room);
void btz_view_room_release(struct btz_view_room *room);

/*
 * The plain view of `text`, of which the first `context` bytes are of an earlier view and taken as they are. *wait is where
 * what follows could still change the view (an unfinished character, a run of invisible ones), at most text.len.
 * Borrows `text` and `room`. Errors: LIMIT (memory, 1 GiB).
 */
BTZ_CHECKED enum btz_err btz_view_plain(struct btz_view_room *room, struct btz_slice text,
                                        size_t context, bool final, struct btz_view *out,
                                        size_t *wait);
/*
 * Escapes taken off: HTML character references, %41, \u0041, \x41 and \101, \n and alike. *changed false: there are none that
 * are finished, and nothing is written. *wait: offset in `in` of an escape that is not finished, or in.text.len.
 */
BTZ_CHECKED enum btz_err btz_view_unescape(struct btz_view_room *room, const struct btz_view *in,
                                           struct btz_view *out, bool *changed, size_t *wait);
/* A view of text that stands for one place as a whole: decoded from a run, hidden in invisible characters. */
BTZ_CHECKED enum btz_err btz_view_whole(struct btz_view_room *room, struct btz_slice text,
                                        const char *how, enum btz_channel channel,
                                        struct btz_view *out);
/* Lower case without a change of length: ASCII, Greek, Cyrillic. */
void btz_view_fold(const uint8_t *in, size_t n, uint8_t *out);
/* The normal form of a word as views have it, in lower case; for word lists. */
BTZ_CHECKED enum btz_err btz_view_word(struct btz_slice word, struct btz_buf *out);

/* A run of text that encodes another, found in a view: base64 of either alphabet, hex, or pairs of hex digits. */
struct btz_run {
    size_t from, to; /* all of it, within the view */
    size_t
        shown_from; /* where it can first be told from a word: hits in it reach from there to its end */
    bool open;      /* it ends with the view and may go on */
    bool hex, paired;
};
/* The next run that begins at or after *at and could be one; moves *at behind it. */
bool btz_run_next(const struct btz_view *view, size_t *at, struct btz_run *out);
/* How a run goes on that was seen to `from` before: it is one, whatever it looks like from there. At least BTZ_RUN_BACK
 * bytes of it in front of `from` are in the view. */
enum { BTZ_RUN_BACK = 64 };
void btz_run_resume(const struct btz_view *view, size_t from, bool paired, struct btz_run *out);
/* The part [from, to) of a run, as a run. */
void btz_run_part(const struct btz_view *view, const struct btz_run *run, size_t from, size_t to,
                  struct btz_run *out);
/* Its text, when three quarters of it are: a space for each byte that is none. False: it encodes none. */
BTZ_CHECKED enum btz_err btz_run_decode(const struct btz_view *view, const struct btz_run *run,
                                        struct btz_buf *out, bool *is_text);

#endif
