/* Inside of the evaluation, shared by evaluate.c, evaluate_verify.c, evaluate_state.c and evaluate_checks.c. Nobody else
 * includes this. */
#ifndef BTZ_ROBUST_EVALUATING_H
#define BTZ_ROBUST_EVALUATING_H

#include <pthread.h>

#include "robust/evaluate.h"

#define BTZ_EVALUATE_UNIT  256                /* samples */
#define BTZ_EVALUATE_ROOM  ((size_t)16 << 20) /* floats of a unit's inputs, at most */
#define BTZ_EVALUATE_SLACK 1e-6               /* of distances and bounds */
#define BTZ_EVALUATE_FEW   250                /* samples that checks look at */

/* What one thread works with. */
struct btz_worker {
    struct btz_classifier *classifier, *reference; /* NULL: black box */
    struct btz_oracle *oracle;
    float *x, *adv, *rows, *scores; /* a unit */
    uint32_t *y;
    uint64_t *index, *queries, *gradients;
    size_t *who;
    bool *broken;
    float *best; /* a unit's, see btz_unit_result */
};

/* One sample after one attack; part of the state file. */
struct btz_unit_sample {
    uint64_t index, queries, gradients;
    uint32_t predicted;
    float distance;
    bool broken, scalar_disagrees;
};

/* What came out of one unit under one attack. */
struct btz_unit_result {
    uint32_t attack, unit, count, broken;
    uint64_t claimed_correct, claimed_invalid, nan_count;
    double seconds, distance_max;
    float adv_min, adv_max;
    struct btz_unit_sample *samples; /* count */
    float *adv;                      /* of the broken ones, in order */
    float
        *best; /* count x BTZ_BEST_POINTS: distance found after so many questions; NULL: not kept */
};
void btz_unit_result_release(struct btz_unit_result *r);

struct btz_state;

struct btz_evaluating {
    const struct btz_evaluate_options *o;
    struct btz_evaluation *e;
    struct btz_worker *workers;
    unsigned threads;
    size_t unit;
    double confidence;
    uint8_t digest[BTZ_SHA256_LEN]; /* of the samples */
    float *unit_scores;             /* of the first samples, clean; few x classes */
    size_t few;
    uint8_t (*unit_digests)[BTZ_SHA256_LEN];
    /* The attack at work. */
    size_t attack, first_unit, units;
    uint64_t *list;
    size_t list_count;
    struct btz_unit_result *pending; /* units; done, but not yet the units before them */
    bool *ready;
    size_t committed;
    float *best; /* of all samples of the list; NULL: not kept */
    bool stopped;
    float *shared; /* of attacks that train; see btz_attack_job */
    float *pool;
    uint32_t *pool_label;
    size_t pool_count;
    uint64_t started, resumed_samples;
    pthread_mutex_t read_lock, commit_lock;
    struct btz_state *state;
    /* Every `broken` result is told to the caller from one row's worth of clean input. */
    float *clean;
};

/* Trains what the units of the present attack share, and reads where they may start (evaluate_train.c). */
BTZ_CHECKED enum btz_err btz_evaluating_prepare(struct btz_evaluating *ev);
void btz_evaluating_forget(struct btz_evaluating *ev);
bool btz_evaluating_stopped(const struct btz_evaluating *ev);
/* Samples of a list, in order. */
BTZ_CHECKED enum btz_err btz_evaluating_read(struct btz_evaluating *ev, const uint64_t *list,
                                             size_t count, float *x, uint32_t *y);
/* A job over the first `count` samples of the worker. */
struct btz_attack_job btz_evaluating_job(const struct btz_evaluating *ev, struct btz_worker *w,
                                         const struct btz_evaluate_attack *a, size_t count);
/* Scores of rows; the worker's classifier or oracle. */
BTZ_CHECKED enum btz_err btz_worker_scores(struct btz_worker *w, const float *x, size_t n,
                                           float *scores);

/* evaluate_verify.c: from what an attack left in the worker to what is believed. */
BTZ_CHECKED enum btz_err btz_verify_unit(struct btz_evaluating *ev, struct btz_worker *w,
                                         struct btz_unit_result *out);

/* evaluate_best.c: what attacks by labels have found after so many questions. */
bool btz_best_is_kept(const struct btz_attack *a);
/* For jobs: user is the worker. */
void btz_best_note(void *user, size_t i, uint64_t queries, double norm);
BTZ_CHECKED enum btz_err btz_best_begin(struct btz_evaluating *ev);
BTZ_CHECKED enum btz_err btz_best_keep(const struct btz_worker *w, struct btz_unit_result *r);
/* A unit whose samples come behind `done` others. */
void btz_best_commit(struct btz_evaluating *ev, const struct btz_unit_result *r, uint64_t done);
BTZ_CHECKED enum btz_err btz_best_end(struct btz_evaluating *ev, struct btz_evaluate_attacked *a);

/* evaluate_state.c */
BTZ_CHECKED enum btz_err btz_state_open(struct btz_evaluating *ev, struct btz_state **out);
void btz_state_close(struct btz_state *s);
/* The next unit on file of the attack, or *have = false. Its arrays belong to the caller. */
BTZ_CHECKED enum btz_err btz_state_next(struct btz_state *s, const struct btz_evaluating *ev,
                                        struct btz_unit_result *out, bool *have);
BTZ_CHECKED enum btz_err btz_state_add(struct btz_state *s, const struct btz_evaluating *ev,
                                       const struct btz_unit_result *r);
/* One record's payload. Errors: INPUT. */
BTZ_CHECKED enum btz_err btz_state_write(const struct btz_unit_result *r, size_t features,
                                         struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_state_parse(struct btz_slice in, size_t features, size_t unit,
                                         struct btz_unit_result *out);

/* evaluate_checks.c */
BTZ_CHECKED enum btz_err btz_checks_before(struct btz_evaluating *ev);
BTZ_CHECKED enum btz_err btz_checks_after(struct btz_evaluating *ev);

#endif
