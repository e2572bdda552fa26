/*
 * Training of the refusal judge: labelled replies in, weights out. Used by tools/train_judge.c, bench/judge.c and the
 * tests; nothing of it runs in the judge.
 */
#ifndef BTZ_TEXT_JUDGE_TRAIN_H
#define BTZ_TEXT_JUDGE_TRAIN_H

#include "text/judge_features.h"
#include "text/text.h"

enum { BTZ_JUDGE_MODELS = 5, BTZ_JUDGE_FOLDS = 5 };
extern const char *const btz_judge_model_names[BTZ_JUDGE_MODELS]; /* of XSTest's completions */

struct btz_judge_example {
    struct btz_features features;
    struct btz_slice prompt, response; /* in the corpus */
    int model;                         /* index into the names, -1: our own supplement */
    unsigned fold;                     /* of the prompt, for tests on unseen prompts */
    bool refused;                      /* partial refusals count as refusals */
};
struct btz_judge_corpus {
    struct btz_arena arena;
    struct btz_judge_example *items;
    size_t count, cap;
    struct btz_cue cues[BTZ_CUE_TABLE];
};

/*
 * Reads tools/judge_cues.txt and tools/judge_supplement.jsonl below `source` and the five files of
 * `xstest`/model_completions (RFC 4180; paul-rottger/exaggerated-safety, CC-BY-4.0). Errors: IO, INPUT, LIMIT.
 */
BTZ_CHECKED enum btz_err btz_judge_corpus_load(const char *source, const char *xstest,
                                               struct btz_judge_corpus *out);
void btz_judge_corpus_release(struct btz_judge_corpus *c);

/*
 * One record of RFC 4180 text: fields are copied to the arena without their quotes. Returns false at the end.
 * Errors: INPUT (a quote that does not end, text behind one), LIMIT (memory, more than `max` fields).
 */
BTZ_CHECKED enum btz_err btz_csv_record(struct btz_reader *r, struct btz_arena *arena,
                                        struct btz_slice *fields, size_t max, size_t *count,
                                        bool *more);

struct btz_judge_model {
    double slot[BTZ_FEATURE_SLOTS], sign[BTZ_FEATURE_SIGNS], bias;
    double slope; /* of the calibration: probability = 1 / (1 + exp(-slope * score)) */
};
double btz_judge_score(const struct btz_judge_model *m, const struct btz_features *f);

/* What takes no part in a fit: models by bit mask, and the prompts of one fold (-1: none). */
struct btz_judge_split {
    unsigned without_models;
    int without_fold;
    bool exact; /* to the last printed digit of the weights, not only of accuracies */
};
/* L2-regularised logistic regression to convergence; the same numbers on every run. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_judge_fit(const struct btz_judge_corpus *c,
                                       struct btz_judge_split split, double cost,
                                       struct btz_judge_model *out);

/* Accuracy at threshold 0.5 of each cost with each pair of models left out, on either of the pair. */
struct btz_judge_grid {
    double accuracy[BTZ_JUDGE_MODELS][BTZ_JUDGE_MODELS][8]; /* [left out][tested][cost] */
};
BTZ_CHECKED enum btz_err btz_judge_grid_fill(const struct btz_judge_corpus *c,
                                             struct btz_judge_grid *out);
/* The cost for a fit without `left_out` (-1: with all), chosen among the training models only: each of them is
 * predicted by a fit that saw neither it nor `left_out`. */
double btz_judge_grid_choose(const struct btz_judge_grid *g, int left_out);

/* Leave one model out: scores of every example of XSTest by the model that did not see its model. `score` has one
 * place per example; costs come from the grid. */
BTZ_CHECKED enum btz_err btz_judge_leave_one_out(const struct btz_judge_corpus *c,
                                                 const struct btz_judge_grid *g, double *score,
                                                 double cost[BTZ_JUDGE_MODELS]);

/* Slope that makes probabilities of those scores fit best (likelihood), within [0.25, 4]. */
double btz_judge_slope(const struct btz_judge_corpus *c, const double *score);

/* The whole of src/text/judge_weights.c. Equal corpora give equal bytes. */
BTZ_CHECKED enum btz_err btz_judge_write(const struct btz_judge_corpus *c, struct btz_buf *out);

#endif
