/*
 * A practice as `scan`, `watch` and the daemon see it: a name, the table of its section in bartizan.yaml,
 * a plan and a run. Nothing else of a feature folder is visible to them.
 */
#ifndef BTZ_PRACTICE_H
#define BTZ_PRACTICE_H

#include "finding/finding.h"

/* What a run may use. Owned by the caller, outlives the run. */
struct btz_context {
    const char *state_dir;     /* ".bartizan": checkpoints and transcripts go below it */
    const char *settings_file; /* bartizan.yaml as it was given; NULL: none */
    const char *run_id;        /* names this run's files */
    uint64_t seed;
    unsigned threads; /* at least 1 */
    bool resume;      /* continue the run `run_id` where it stopped */
    const volatile int
        *stop; /* non-zero: finish the unit at hand and return BTZ_OK; coverage tells the rest */
    struct btz_log *log;
};

/* The forecast of a plan, printed under --dry-run and before every run. */
struct btz_forecast {
    uint64_t requests;
    double seconds;   /* NAN when unknown */
    double cost;      /* in the currency of the prices given, NAN when no price is known */
    const char *text; /* several lines for people; in the plan's arena */
    const char
        *json; /* what a program may read beyond that: an object; in the plan's arena; NULL */
};

struct btz_practice_ops {
    const char *name; /* its key in bartizan.yaml and on the command line */
    enum btz_practice practice;
    /* Keys this practice adds at the top level of bartizan.yaml ("targets", "redteam"). */
    const struct btz_conf_key *keys;
    size_t key_count;
    size_t conf_size; /* of the struct the keys describe */
    /* Pure: reads nothing but `conf`. `*plan` lives in the arena. */
    enum btz_err (*plan)(const void *conf, const struct btz_context *ctx, struct btz_arena *arena,
                         void **plan, struct btz_forecast *forecast);
    /*
     * Under --dry-run, after the plan: what cannot be told without reading files, such as memory. Replaces what the forecast
     * says; asks nothing of anybody and writes nothing. An error is what the run would end with; what was told is told all
     * the same. NULL: the plan told it all.
     */
    enum btz_err (*predict)(void *plan, const struct btz_context *ctx, struct btz_arena *arena,
                            struct btz_forecast *forecast);
    /* Idempotent per unit: a unit's result is durable before the next starts; resumable. */
    enum btz_err (*run)(void *plan, const struct btz_context *ctx, struct btz_sink *sink);
};

#endif
