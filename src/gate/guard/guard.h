/*
 * guard: what may go in to a model and what may come out. Text in a channel is read by detectors; each hit has an action.
 * No transport, no protocol: the caller says which channel a text is of.
 *
 * Every detector is incremental: asked about a text that may go on, it says which hits are settled and from where on it
 * cannot tell yet. What stands before all such places can be released. So a stream is judged exactly as the whole text
 * is, however it was cut, and holds back no more than a live beginning of something.
 *
 * A guard is compiled once, immutable, and shared by threads and forked processes. A session lives as long as a request.
 */
#ifndef BTZ_GATE_GUARD_H
#define BTZ_GATE_GUARD_H

#include "base/base.h"
#include "base/conf.h"

/* Where a text comes from: the same words are an order from the user, and an attack in a document. */
enum btz_channel {
    BTZ_CHANNEL_USER,
    BTZ_CHANNEL_SYSTEM,    /* system and developer messages */
    BTZ_CHANNEL_ASSISTANT, /* earlier turns of the model, as the client repeats them */
    BTZ_CHANNEL_TOOL_RESULT,
    BTZ_CHANNEL_DOCUMENT,         /* retrieved or attached */
    BTZ_CHANNEL_IMAGE_TEXT,       /* text that came with, or was read from, an image */
    BTZ_CHANNEL_TOOL_DESCRIPTION, /* names, descriptions and schemas of tools */
    BTZ_CHANNEL_OUTPUT,           /* what the model says now ... */
    BTZ_CHANNEL_REASONING,
    BTZ_CHANNEL_TOOL_ARGUMENTS, /* ... thinks, and wants tools to be called with (JSON text) */
    BTZ_CHANNEL_RAW,            /* text of an upload or a pass-through route */
    BTZ_CHANNEL_COUNT
};
const char *btz_channel_name(enum btz_channel c); /* "user", "tool-result", ... never NULL */
bool btz_channel_find(struct btz_slice name, enum btz_channel *out);

/* In order of strength; the strongest of all hits is the verdict. */
enum btz_guard_action {
    BTZ_GUARD_OBSERVE, /* written down */
    BTZ_GUARD_MASK,    /* replaced by "[secret]", "[email]", ... */
    BTZ_GUARD_PSEUDONYMISE, /* replaced by a name that is turned back in what the model answers; in output: mask */
    BTZ_GUARD_ROUTE,   /* the request goes to the model of `route` instead; in output: observe */
    BTZ_GUARD_STEP_UP, /* refused until a fresh second factor; in output: block */
    BTZ_GUARD_BLOCK,
    BTZ_GUARD_ACTION_COUNT
};
const char *btz_guard_action_name(enum btz_guard_action a);

/* ---- settings: `guard:` of the section `gate:` (settings.c) ------------------------------------------------------- */

enum btz_guard_mode {                        /* of responses */
                      BTZ_GUARD_MODE_WINDOW, /* default: released as soon as no detector can still want it */
                      BTZ_GUARD_MODE_HOLD, /* nothing before all of it was read */
                      BTZ_GUARD_MODE_WATCH /* "observe": released at once, hits are written down */
};
const char *btz_guard_mode_name(int mode); /* "window", "hold", "observe" */
/* One line of the rules: detector x channels -> action. The first that fits is used. */
struct btz_guard_rule_conf {
    const char *
        detector; /* id, "*", or what ids begin with in front of a "-": "pii" is pii-contact and pii-number */
    struct btz_conf_list channels; /* names; none: all */
    int action;                    /* enum btz_guard_action */
    double threshold;  /* of detectors that score; negative: the built-in or calibrated one */
    const char *route; /* model, for ROUTE */
    struct btz_conf_list groups; /* names: for callers in one of them; none: for everybody */
};
struct btz_guard_topic_conf {
    const char *name;
    struct btz_conf_list
        words; /* any of them, as whole words, in any spelling that normalises to it */
};
struct btz_guard_schema_conf { /* answers of these have to conform to it */
    const char *file, *model,
        *route; /* the model may end in a star; empty: of any model, on any route */
};
struct btz_guard_conf {
    bool enabled;                  /* true; false is a finding of `bartizan scan` */
    int mode;                      /* enum btz_guard_mode */
    struct btz_conf_list rules;    /* struct btz_guard_rule_conf; before the built-in ones */
    struct btz_conf_list topics;   /* struct btz_guard_topic_conf: detector "topic" */
    struct btz_conf_list canaries; /* strings that must never be seen: detector "canary" */
    struct btz_conf_list
        link_hosts; /* hosts that links and images may lead to; none: every link that carries data is a hit */
    struct btz_conf_list
        tools; /* patterns of tools that models may call; none: all (detector "tool") */
    struct btz_conf_list schemas; /* struct btz_guard_schema_conf: detector "schema" */
    const char *classifier;       /* file of `bartizan gate train`; empty: the built-in one */
    const char *calibration; /* file of `bartizan gate calibrate`; empty: built-in thresholds */
    int64_t
        hold_max; /* bytes a stream holds back at most (65536); what is longer is blocked, never let through */
};
extern const struct btz_conf_struct btz_guard_conf_struct;

/* ---- detectors: one file, one descriptor, one word in `guard_detectors` of meson.build ------------------------------ */

/* A run of invisible characters that was taken out of a view. */
struct btz_invisible {
    size_t from, to;                  /* in the original */
    size_t at;                        /* where it stood in the view */
    uint32_t tags, selectors, others; /* how many of each; tags of flags of regions do not count */
};
/* A trigger was seen at `at` of the view. */
struct btz_mark {
    uint32_t at;
    uint16_t id, len;
};

/*
 * The text as detectors see it: normalised character by character (compatibility forms, accents taken off; tag
 * characters, variation selectors, zero-width, bidi controls removed; look-alikes of ASCII folded; case kept), with the
 * way back. For plain ASCII it is the text itself.
 */
struct btz_view {
    struct btz_slice text; /* normalised UTF-8 */
    const uint8_t *folded; /* the same in lower case, byte for byte */
    const uint32_t *at,
        *till;     /* byte i stands for [at[i], till[i]) of the original; NULL: for itself */
    size_t before; /* the first `before` bytes were dealt with already: only for looking back */
    bool final;    /* nothing follows */
    const char
        *how; /* "plain", or the decoding that gave it: "base64", "url", "html > base64", ... */
    enum btz_channel channel;
    const struct btz_invisible *invisible; /* of the part that is not `before`; plain view only */
    size_t invisible_count;
    const struct btz_mark
        *marks; /* of the detector's triggers, by place; also in what is `before` */
    size_t mark_count;
};
struct btz_hit {
    const struct btz_guard_detector *detector;
    size_t from,
        to; /* in the view as the detector says them; in the original as the guard hands them on */
    double score;     /* [0,1]; 1 for those that do not score */
    const char *kind; /* what it is, for masks and records: "email", "aws-access-key"; static */
    enum btz_guard_action action; /* set by the guard */
    const char *how;
};
struct btz_guard_session;
struct btz_found; /* collects hits */
BTZ_CHECKED enum btz_err btz_found_hit(struct btz_found *f, size_t from, size_t to,
                                       const char *kind, double score);
/* The same for a run of invisible characters. */
BTZ_CHECKED enum btz_err btz_found_invisible(struct btz_found *f, const struct btz_invisible *run,
                                             const char *kind);
/* From here on it cannot be told before more is read; may be called several times, the least counts. Not in final text. */
void btz_found_wait(struct btz_found *f, size_t from);

/* Collects what a detector wants to be woken by. */
struct btz_triggers;
enum {
    BTZ_TRIGGER_WORD = 1,  /* only where no letter, digit or "_" stands in front */
    BTZ_TRIGGER_FRONT = 2, /* hits stand behind it: nothing is held back for its beginning */
    BTZ_TRIGGER_EXACT = 4  /* for its beginning to be held back the case has to fit as well */
};
/* `text` normalised, 2 to 32 bytes; marks are made in whatever case it stands. `flags`: the above. */
BTZ_CHECKED enum btz_err btz_triggers_add(struct btz_triggers *t, const char *text, uint16_t id,
                                          unsigned flags);

/*
 * What makes streams exact: whether there is a hit at `from` depends on nothing more than BTZ_GUARD_LOOKBACK bytes in
 * front of it, never on other hits; and while text that may still follow could change the answer for `from`, scan() calls
 * btz_found_wait(from) or is at a trigger that is not complete (the guard sees to that).
 */
#define BTZ_GUARD_LOOKBACK 64
struct btz_guard_detector {
    const char *id, *summary;
    const char *mask;  /* what a hit is replaced by, within brackets; "": nothing; NULL: its kind */
    unsigned channels; /* bits 1 << enum btz_channel for which it makes sense */
    enum btz_guard_action
        user,         /* what is done without a rule: in what users, clients and systems say ... */
        untrusted,    /* ... tool results, documents, images, descriptions of tools, uploads */
        output;       /* ... and what models say, think and want done */
    double threshold; /* of those that score: what counts without a rule or calibration */
    bool decoded;     /* looks into decoded text too */
    bool words;       /* looks at words for machines too: identifiers, names of members */
    bool whole; /* reads whole texts only: in a stream of mode `window` it looks at the end, and
                 * what it would have blocked is gone: declared in the record as not scanned */
    bool
        always; /* scan() is called even when none of its triggers was seen; without triggers it always is */
    enum btz_err (*triggers)(const void *setup, struct btz_triggers *t); /* may be NULL */
    /* Reads all of the view once; no state. Text before `before` may be looked at, hits begin behind it. `setup`
     * is what compile() made (NULL without it). */
    enum btz_err (*scan)(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found);
    /* From the settings; *out NULL when it has nothing to do: it is then not called. May be NULL. */
    enum btz_err (*compile)(const struct btz_guard_conf *conf, void **out);
    void (*release)(void *setup);
};
extern const struct btz_guard_detector btz_guard_detector_tool, btz_guard_detector_schema;
extern const struct btz_guard_detector *const btz_guard_detectors[]; /* NULL-terminated */

/* ---- the guard (guard.c) -------------------------------------------------------------------------------------------- */

struct btz_guard;
/* Errors: USAGE (an unknown detector, channel or action: names the nearest), INPUT, IO (classifier, calibration). */
BTZ_CHECKED enum btz_err btz_guard_new(const struct btz_guard_conf *conf, struct btz_guard **out);
void btz_guard_free(struct btz_guard *g);

/* What a request's texts said so far: pseudonyms, addresses and links that came from tool results and documents (taint),
 * how often each detector ran and hit. Not thread-safe. */
BTZ_CHECKED enum btz_err btz_guard_session_new(const struct btz_guard *g,
                                               struct btz_guard_session **out);
void btz_guard_session_free(struct btz_guard_session *s);
/* Whose texts they are, before the first of them: rules for groups are then asked too. Nothing is kept of `groups`. */
void btz_guard_session_groups(struct btz_guard_session *s, const struct btz_slice *groups,
                              size_t count);
bool btz_guard_asks_groups(const struct btz_guard *g); /* are there such rules? */
bool btz_guard_rule_fits(const struct btz_guard_rule_conf *rule, const struct btz_slice *groups,
                         size_t count);
struct btz_guard_count { /* one for each of btz_guard_detectors */
    uint32_t runs, hits,
        failed; /* failed: it did not run to its end (limit, error): not-evaluated */
};
const struct btz_guard_count *btz_guard_counts(const struct btz_guard_session *s);
enum btz_guard_action
btz_guard_verdict(const struct btz_guard_session *s); /* strongest so far; OBSERVE when none */
const char *btz_guard_route(const struct btz_guard_session *s); /* model of ROUTE, or NULL */
/* Hits so far, at most 256 kept. Their text is not: `from` and `to` are offsets in the text they were found in. */
struct btz_guard_record {
    struct btz_hit hit;
    enum btz_channel channel;
    uint32_t text; /* which text of the session, counted from 0 */
};
const struct btz_guard_record *btz_guard_records(const struct btz_guard_session *s, size_t *count);

/* A whole text. `*changed` false: `out` is untouched and the text may go on as it is; true: `out` holds it with masks and
 * pseudonyms. With a verdict of BLOCK or STEP_UP nothing of it may go on. Errors: LIMIT (not evaluated). */
BTZ_CHECKED enum btz_err btz_guard_text(struct btz_guard_session *s, enum btz_channel channel,
                                        struct btz_slice text, bool *changed, struct btz_buf *out);

/* What an answer says beside its texts, a word a line: identifiers, names of members. Only detectors with `words` look, as at
 * output. It cannot be masked. Errors: DENIED (something would have been masked or blocked), LIMIT (not evaluated). */
BTZ_CHECKED enum btz_err btz_guard_words(struct btz_guard_session *s, struct btz_slice words);

/* May a model call that tool, as far as `tools` goes? False: the call must not go on; it is in the records. */
bool btz_guard_tool(struct btz_guard_session *s, struct btz_slice name);

/* Detector "schema" (detectors/schema.c): a text that has to be of a form is held against it when it is whole. */
struct btz_schema;
/* What `schemas` asks of answers of that model on that route; NULL: nothing. */
const struct btz_schema *btz_guard_schema(const struct btz_guard *g, struct btz_slice model,
                                          const char *route);
/* Is what does not conform stopped in that channel? Then nothing of it may go out before its end. */
bool btz_guard_schema_stops(const struct btz_guard_session *s, enum btz_channel channel);
struct btz_conformity {
    bool evaluated, conforms;
    char why[256]; /* why not: for clients and records; no text of the answer is in it */
};
/* OK: it may go on (and may not conform, where that is only written down); DENIED: it must not. `schema` NULL: there should be
 * one, and `why_none` says why it cannot be used. */
BTZ_CHECKED enum btz_err btz_guard_conforms(struct btz_guard_session *s, enum btz_channel channel,
                                            const struct btz_schema *schema, const char *why_none,
                                            struct btz_slice text, struct btz_conformity *out);
/* The model wants a tool called though no tool was offered: the same. */
bool btz_guard_offered_none(struct btz_guard_session *s);
/* Bytes of a text that can be held against a schema. */
#define BTZ_GUARD_FORM_MAX ((size_t)4 << 20)

/* A text that comes in pieces. Released bytes are appended to `out`; the rest is held. After a BLOCK (DENIED) nothing more
 * comes out. Cutting anywhere, also within a character, gives the same. In output channels pseudonyms are turned back. */
struct btz_guard_stream;
BTZ_CHECKED enum btz_err btz_guard_stream_new(struct btz_guard_session *s, enum btz_channel channel,
                                              struct btz_guard_stream **out);
void btz_guard_stream_free(struct btz_guard_stream *t);
BTZ_CHECKED enum btz_err btz_guard_stream_feed(struct btz_guard_stream *t, struct btz_slice piece,
                                               bool final, struct btz_buf *out);
/* How many bytes of the original were read by the detectors, and how many of those were released, so far. */
void btz_guard_stream_ranges(const struct btz_guard_stream *t, uint64_t *scanned,
                             uint64_t *released);

/* ---- injection classifier (classify.c, train.c): hashed features, logistic; no downloaded weights ------------------- */

struct btz_guard_classifier;
/* Built-in when `file` is NULL or empty. Errors: IO, INPUT (not one, or damaged). */
BTZ_CHECKED enum btz_err btz_guard_classifier_open(const char *file,
                                                   struct btz_guard_classifier **out);
void btz_guard_classifier_free(struct btz_guard_classifier *c);
/* Probability [0,1] that the most suspicious window (sentences, at most some 400 bytes) of a normalised text is an
 * injection in that channel; where that window is. Reads everything, in linear time. */
double btz_guard_classifier_score(const struct btz_guard_classifier *c, enum btz_channel channel,
                                  struct btz_slice text, size_t *from, size_t *to);
/* From this score on it counts where no calibration says otherwise, in every channel. */
#define BTZ_CLASSIFIER_THRESHOLD 0.5
/* SHA-256 that names the weights; a calibration is for one of them. */
void btz_guard_classifier_digest(const struct btz_guard_classifier *c, uint8_t out[BTZ_SHA256_LEN]);

/* ---- thresholds from the user's own benign traffic (calibrate.c): the file of `guard.calibration` ------------------ */

struct btz_calibration;
/* Errors: IO, INPUT, CONFLICT (it was made for another classifier). */
BTZ_CHECKED enum btz_err btz_calibration_open(const char *file,
                                              const struct btz_guard_classifier *c,
                                              struct btz_calibration **out);
void btz_calibration_free(struct btz_calibration *c);
/* Threshold for a detector that scores, by its id, in a channel; negative where the file has none. `c` may be NULL. */
double btz_calibration_threshold(const struct btz_calibration *c, const char *detector,
                                 enum btz_channel channel);

/* ---- pins of tool descriptions (pins.c): a tool whose description changed since it was pinned is not the one that was
 * looked at ------------------------------------------------------------------------------------------------------------ */
/* SHA-256 of the canonical JSON of {name, description, input schema}. */
void btz_tool_digest(struct btz_slice name, struct btz_slice description, struct btz_slice schema,
                     uint8_t out[BTZ_SHA256_LEN]);

#endif
