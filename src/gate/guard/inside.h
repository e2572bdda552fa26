/* What the files of the guard share. Private to this folder. */
#ifndef BTZ_GATE_GUARD_INSIDE_H
#define BTZ_GATE_GUARD_INSIDE_H

#include <stdatomic.h>

#include "gate/guard/guard.h"
#include "gate/guard/triggers.h"
#include "gate/guard/view.h"

enum {
    BTZ_GUARD_CONTEXT = 256, /* bytes of what was dealt with that a stream keeps for looking back */
    BTZ_GUARD_TEXT_MAX = 1 << 28,
    BTZ_GUARD_HITS_MAX = 1 << 18,
    BTZ_GUARD_RECORDS_MAX = 256,
    BTZ_GUARD_GROUP_RULES_MAX = 64, /* a bit of a session for each */
    BTZ_GUARD_LAYERS = 3,           /* of encodings that are taken off */
    BTZ_GUARD_DECODED_TIMES =
        4, /* what all of them together may come to, in lengths of the text ... */
    BTZ_GUARD_DECODED_FREE = 65536, /* ... and what any text may come to */
};

struct btz_guard_way { /* what is done about a detector's hits in a channel */
    enum btz_guard_action action;
    double threshold; /* a score of at least this counts */
    const char *route;
    bool on;
};
struct btz_guard_special { /* the same, for callers of groups: in the order of the rules */
    struct btz_guard_way way;
    uint64_t rule; /* its bit */
    struct btz_guard_special *next;
};
struct btz_scanning;
/* Storage of scans that is not in use: one, since a process scans one text at a time but for large bodies in threads. */
struct btz_spare {
    _Atomic(struct btz_scanning *) scanning;
};

struct btz_guard {
    struct btz_guard_conf conf; /* what it points to outlives the guard */
    struct btz_guard_way way[BTZ_DETECTORS_MAX][BTZ_CHANNEL_COUNT];
    struct btz_guard_special *special[BTZ_DETECTORS_MAX][BTZ_CHANNEL_COUNT]; /* asked before */
    void *setup[BTZ_DETECTORS_MAX];
    unsigned count;
    struct btz_triggers *triggers;
    struct btz_spare *spare;
    size_t run_piece, run_overlap;       /* bytes of a run that are read at once */
    uint64_t seed;                       /* of hashes that texts must not be able to steer */
    uint32_t decoded[BTZ_CHANNEL_COUNT]; /* detectors on in the channel that read decoded text */
};

/* ---- a scan (scan.c): all detectors over all views of a piece of text ----------------------------------------------- */

/*
 * A long run of base64 or hex is read in pieces, so that a stream need not hold all of it: each piece begins `run_overlap` in front
 * of the end of the last one, and is a text of its own. Where the next begins in a text of which the beginning is gone.
 */
struct btz_run_piece {
    size_t at,
        look; /* in the original; look: what is needed of the text in front of it begins there */
    size_t run_from; /* where the run begins, 0: further back */
    unsigned layer;
    bool paired;
};
struct btz_run_resume { /* of a layer */
    size_t at;
    bool is, paired;
};

struct btz_scanning { /* storage */
    struct btz_view_room rooms[BTZ_GUARD_LAYERS + 2];
    struct btz_marks marks[BTZ_DETECTORS_MAX];
    struct btz_hit *hits;
    size_t hit_count, hit_cap;
    struct btz_run_piece *pieces;
    size_t piece_count, piece_cap;
};
/* Storage for the text at hand; streams that wait hold none. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_scanning_take(struct btz_guard_session *s);
void btz_scanning_give(struct btz_guard_session *s);
void btz_scanning_free(struct btz_scanning *s);

struct btz_scan {
    struct btz_guard_session *session;
    enum btz_channel channel;
    struct btz_slice text; /* the first `context` bytes are of an earlier view */
    size_t context,
        released; /* hits of detectors that act begin at `released` or later, others at `context` */
    bool final;
    bool only_watch;                                    /* no action is taken: nothing waits */
    bool with_whole;                                    /* detectors of whole texts too */
    bool only_words;                                    /* detectors of words alone */
    struct btz_run_resume resume[BTZ_GUARD_LAYERS + 1]; /* runs that began earlier */
    size_t decoded;                                     /* out: bytes of decoded views */
    uint32_t ran, failed;                               /* out: detectors */
    size_t wait,
        wait_watch; /* out: from where on detectors that act, or only observe, cannot tell yet */
    struct btz_view plain; /* out: valid until the next scan */
};
/* session->scanning was taken. Hits are in it, by `from`, in offsets of `text`. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_scan_run(struct btz_scan *scan);

/* ---- a session (session.c) -------------------------------------------------------------------------------------------- */

struct btz_pseudonym {
    char *value;
    size_t value_len;
    char name[48];
};
struct btz_atoms; /* addresses, links and numbers that texts of the session held (taint.c) */
struct btz_guard_session {
    const struct btz_guard *guard;
    struct btz_scanning *scanning; /* of the text at hand, else NULL */
    struct btz_guard_count counts[BTZ_DETECTORS_MAX];
    struct btz_guard_record *records; /* grows to BTZ_GUARD_RECORDS_MAX */
    size_t record_count, record_cap;
    uint32_t texts;
    enum btz_guard_action verdict;
    uint64_t rules; /* those for groups that fit the caller */
    const char *route;
    struct btz_pseudonym *pseudonyms;
    size_t pseudonym_count, pseudonym_cap;
    struct btz_atoms *atoms;
    const struct btz_guard_detector *current; /* whose hits are being collected */
};
bool btz_channel_is_output(enum btz_channel c);
const struct btz_guard_way *btz_session_way(const struct btz_guard_session *s, unsigned detector,
                                            enum btz_channel channel);
void btz_session_count(struct btz_guard_session *s, uint32_t ran, uint32_t failed);
/* Detectors that read texts of that channel. */
uint32_t btz_guard_on(const struct btz_guard *g, enum btz_channel channel, bool with_whole);
/* Would it change or stop a text? */
bool btz_guard_acts(enum btz_guard_action a);
void btz_session_note(struct btz_guard_session *s, const struct btz_hit *hit,
                      enum btz_channel channel, uint32_t text);
/* The name for a value of that kind: the same for the same value. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_session_pseudonym(struct btz_guard_session *s, const char *kind,
                                               struct btz_slice value, const char **name);
/* The pseudonym that `text` begins with. NULL: none; *cut: it may be the beginning of one. */
const struct btz_pseudonym *btz_session_known(const struct btz_guard_session *s,
                                              struct btz_slice text, bool *cut);

/* ---- what of a text goes on (release.c) ------------------------------------------------------------------------------ */

struct btz_release {
    struct btz_guard_session *session;
    enum btz_channel channel;
    uint32_t text_index;
    struct btz_slice text;
    size_t from, to; /* of `text`: what is released */
    size_t stop;  /* out: where a blocked hit begins, or SIZE_MAX: nothing from there on goes out */
    bool changed; /* out */
    bool reverse; /* pseudonyms are turned back */
    /* in and out: is it JSON, in whose strings values must be written? Told by its first character. */
    enum btz_guard_form { BTZ_FORM_UNKNOWN, BTZ_FORM_TEXT, BTZ_FORM_JSON } form;
};
/* What is known of a text's form before any of it was read. */
enum btz_guard_form btz_release_form(enum btz_channel channel);
/* Lowers `to` so that no union of hits, and no pseudonym, lies across it. Only what acts counts. */
size_t btz_release_bound(const struct btz_release *r, size_t to, bool final);
/* Appends text[from, to) with masks and names in it; notes what it found. */
BTZ_CHECKED enum btz_err btz_release_write(struct btz_release *r, struct btz_buf *out);

/* ---- taint (taint.c) --------------------------------------------------------------------------------------------------- */

enum btz_atom_sort { BTZ_ATOM_NONE, BTZ_ATOM_EMAIL, BTZ_ATOM_HOST, BTZ_ATOM_NUMBER };
struct btz_atom {
    size_t from, to; /* in the view */
    enum btz_atom_sort sort;
    bool open; /* it may go on */
};
/* The next atom from *at on, which moves behind it. */
bool btz_atom_next(const struct btz_view *view, size_t *at, struct btz_atom *out);
void btz_atoms_free(struct btz_atoms *a);
/* Notes the addresses, hosts and account numbers of an input text. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_atoms_learn(struct btz_guard_session *s, enum btz_channel channel,
                                         const struct btz_view *view);
/* Does it stand only in what tools and documents said? */
bool btz_atoms_tainted(const struct btz_guard_session *s, struct btz_slice folded);

#endif
