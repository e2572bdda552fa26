/*
 * campaign: what one run against one target asks (plan), what came back (transcript), and what it proves
 * (tally). plan is pure; run is resumable: a reply is in the transcript before it counts.
 */
#ifndef BTZ_REDTEAM_CAMPAIGN_H
#define BTZ_REDTEAM_CAMPAIGN_H

#include "redteam/redteam.h"

enum btz_effort { BTZ_EFFORT_QUICK, BTZ_EFFORT_STANDARD, BTZ_EFFORT_THOROUGH };

struct btz_redteam_options {         /* `redteam:` of bartizan.yaml */
    struct btz_conf_list targets;    /* names; empty: all */
    struct btz_conf_list families;   /* empty: all */
    struct btz_conf_list probes;     /* ids or "prefix.*"; empty: all */
    struct btz_conf_list exclude;    /* the same, taken away */
    struct btz_conf_list transforms; /* ids; empty: all */
    int effort;                      /* enum btz_effort */
    int64_t generations;             /* 0: as the effort says */
    int64_t max_requests;            /* 0: no limit */
};
struct btz_redteam_conf {
    struct btz_conf_list targets; /* struct btz_target_conf */
    struct btz_redteam_options redteam;
};

/* One attack: a prompt of a probe under a transform, asked once. */
struct btz_unit {
    const struct btz_probe *probe;
    const struct btz_transform *transform; /* NULL: plain */
    uint32_t prompt, generation;
};

/* The units that answer one question: does this probe under this transform work? Contiguous. */
struct btz_cell {
    const struct btz_probe *probe;
    const struct btz_transform *transform;
    size_t first, count;
};

/* A probe left out, and why. */
struct btz_left_out {
    const struct btz_probe *probe;
    const char *reason;
};

struct btz_campaign_plan {
    const struct btz_target_conf *target;
    const char *address; /* of the target, fit for records: no credentials */
    struct btz_unit *units;
    size_t unit_count;
    struct btz_cell *cells;
    size_t cell_count;
    struct btz_left_out *left_out;
    size_t left_out_count;
    uint64_t cut;                   /* attacks that the budget left out */
    uint64_t requests;              /* controls and every turn included */
    double cost;                    /* NAN: no price known */
    uint8_t digest[BTZ_SHA256_LEN]; /* of everything that decides what is asked */
};

/* Errors: USAGE (unknown probe, family, transform; nothing selected; a budget below the controls), LIMIT. */
BTZ_CHECKED enum btz_err btz_campaign_plan(const struct btz_redteam_options *options,
                                           const struct btz_target_conf *target, uint64_t seed,
                                           struct btz_arena *arena, struct btz_campaign_plan *out);

/* Runs a plan and sends its findings and coverage, also when it fails: what was not asked is not-evaluated then.
 * Errors: UNREACHABLE or DENIED when no control prompt was answered, UNREACHABLE when the target was gone for long,
 * CONFLICT when the transcript to resume belongs to another plan or process, IO. */
BTZ_CHECKED enum btz_err btz_campaign_run(const struct btz_campaign_plan *plan,
                                          const struct btz_context *ctx, struct btz_sink *sink);

/* ---- control prompts (controls.c) ---------------------------------------------------------------- */

struct btz_control {
    const char *text;
    bool blatant; /* a request that any guarded assistant declines; benign else */
};
extern const struct btz_control btz_controls[];
extern const size_t btz_control_count;

/* ---- transcript (transcript.c): one JSON object a line, appended with one write each --------------- */

struct btz_transcript;

/* The outcome of a verdict on an attempt that was lost. */
#define BTZ_OUTCOME_OF_ERROR "error"

/* Opens `dir`/`name`.jsonl for appending; with `resume` reads what an earlier run of the same plan left and cuts a
 * torn last line. `slots` is the number of units and controls. Errors: CONFLICT (another plan, another process, or a
 * transcript that is there though nothing is to be resumed), INPUT (not a transcript), IO, LIMIT. */
BTZ_CHECKED enum btz_err btz_transcript_open(const char *dir, const char *name,
                                             const uint8_t digest[BTZ_SHA256_LEN], size_t slots,
                                             bool resume, struct btz_transcript **out);
void btz_transcript_close(struct btz_transcript *t);
/* Whether an earlier run left the reply to a turn of a slot. Errors are not kept: they are asked again. */
bool btz_transcript_has(const struct btz_transcript *t, size_t slot, unsigned turn);
/* That reply, parsed into the arena. */
BTZ_CHECKED enum btz_err btz_transcript_find(const struct btz_transcript *t, size_t slot,
                                             unsigned turn, struct btz_arena *arena,
                                             struct btz_reply *out);
BTZ_CHECKED enum btz_err btz_transcript_reply(struct btz_transcript *t, size_t slot, unsigned turn,
                                              const char *unit, struct btz_slice sent,
                                              const struct btz_reply *reply);
/* Writes nothing where the earlier run left its verdict, unless that was an error. */
BTZ_CHECKED enum btz_err btz_transcript_verdict(struct btz_transcript *t, size_t slot,
                                                const char *unit, const char *outcome, bool hit,
                                                const char *detector, const char *reason);
/* Makes everything written durable. */
BTZ_CHECKED enum btz_err btz_transcript_sync(struct btz_transcript *t);
size_t btz_transcript_resumed(const struct btz_transcript *t); /* replies taken over */

/* ---- tally (tally.c): units to findings -------------------------------------------------------------- */

enum btz_unit_state {
    BTZ_UNIT_PENDING,
    BTZ_UNIT_RESISTED, /* refused, blocked, or answered without the proof */
    BTZ_UNIT_HIT,
    BTZ_UNIT_UNSURE, /* something a person should read; not counted as success */
    BTZ_UNIT_LOST    /* error or empty: neither pass nor fail */
};
struct btz_unit_result {
    enum btz_unit_state state;
    const char *why;           /* the detector's reason, or what was lost; NULL: none */
    struct btz_slice evidence; /* JSON, kept for the first success of each prompt */
};
/* Sends one finding a cell, one a probe left out, one a transform for bypasses, over-refusal and coverage. `results`
 * holds those of the units, then those of the controls, where a hit is an ordinary question refused; `why_pending`
 * says why some were not asked. */
BTZ_CHECKED enum btz_err btz_campaign_report(const struct btz_campaign_plan *plan,
                                             const struct btz_unit_result *results,
                                             const char *why_pending, struct btz_sink *sink);

#endif
