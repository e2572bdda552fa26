/*
 * robust: attacks on classifiers and the training that resists them.
 *
 *   btz_model -> btz_classifier (white box: logits, gradients) -> attack -> adversarial inputs -> verdict per sample
 *   any model -> btz_oracle     (black box: scores or labels)  ->
 *
 * Attacks know neither threads nor files: one call works on one unit of samples with one classifier. evaluate.c gives fixed
 * units to workers, each with a classifier of its own, so results do not depend on the number of threads. Randomness belongs
 * to the sample and not to the unit: a sample's stream is (seed, attack, index in the data), see btz_attack_rng.
 */
#ifndef BTZ_ROBUST_H
#define BTZ_ROBUST_H

#include "base/base.h"
#include "graph/graph.h"

/* ---- white box (classifier.c) ---------------------------------------------------------------------------------------- */

/*
 * Loss of rows: from logits to a number and its derivative. `first` is the row of the call they begin at, so that `user` may
 * hold labels or targets of the whole call. `loss` and `grad` are written for every row; either may be NULL: not wanted.
 */
struct btz_loss {
    void (*eval)(const void *user, size_t first, size_t count, size_t classes, const float *logits,
                 float *loss, float *grad);
    const void *user;
};

/* Losses over `user` = labels, uint32_t of the whole call. Cross entropy; and z_y - max of the others, whose derivative is not
 * negated: an attack goes down it. */
void btz_loss_cross_entropy(const void *user, size_t first, size_t count, size_t classes,
                            const float *logits, float *loss, float *grad);
void btz_loss_margin(const void *user, size_t first, size_t count, size_t classes,
                     const float *logits, float *loss, float *grad);

/* A model as x -> logits: one input of floats whose first axis is the batch, one output [batch, classes]. A Softmax or
 * LogSoftmax at the end is left out. Belongs to one thread. */
struct btz_classifier {
    const struct btz_model *model;
    struct btz_shape shape; /* of one sample */
    size_t features, classes;
    uint64_t forwards, gradients; /* samples so far */
    struct btz_classifier_inside *inside;
};
#define BTZ_CLASSIFIER_BATCH                                                                       \
    32 /* rows of the largest net, unless the model fixes another: what stays in the cache */
struct btz_classifier_options {
    uint32_t batch; /* 0: BTZ_CLASSIFIER_BATCH */
    bool reference; /* scalar kernels */
    const struct btz_shape
        *sample;       /* shape of one sample where the model leaves it open; NULL: as declared */
    size_t memory_max; /* 0: the net's default */
};
/* The model with one output: what the last softmax before value `*scores` reads, with `sigmoid` also the last sigmoid. Both keep
 * the order of the classes, and where they are nearly 1 neither gradients nor a search could tell better from worse. `*scores`
 * becomes that value; `out` points to it and shares all else with the model but `values`, which the caller frees. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_model_cut(const struct btz_model *m, bool sigmoid, uint32_t *scores,
                                       struct btz_model *out);
/* The model outlives it. Errors: those of btz_net_new; UNSUPPORTED where the model is no classifier, with what it is. */
BTZ_CHECKED enum btz_err btz_classifier_new(const struct btz_model *model,
                                            const struct btz_classifier_options *options,
                                            struct btz_classifier **out);
void btz_classifier_free(struct btz_classifier *c);
/* Bytes of its nets once calls of every length were made, with gradients or without; plans the largest. */
BTZ_CHECKED enum btz_err btz_classifier_memory(struct btz_classifier *c, bool gradients,
                                               size_t *out);
/* x: n x features, logits: n x classes; any n. */
BTZ_CHECKED enum btz_err btz_classifier_logits(struct btz_classifier *c, const float *x, size_t n,
                                               float *logits);
/*
 * Logits, and for each of `count` losses its value (count x n) and its derivative by x (count x n x features), from one
 * forward. logits and value may be NULL.
 */
BTZ_CHECKED enum btz_err btz_classifier_gradient(struct btz_classifier *c, const float *x, size_t n,
                                                 const struct btz_loss *losses, size_t count,
                                                 float *logits, float *value, float *grad);
/* Index of the largest, the lowest of equals; a NaN among them is no class: SIZE_MAX, which counts as misclassified. */
size_t btz_argmax(const float *logits, size_t classes);

/* ---- black box (oracle.c) ------------------------------------------------------------------------------------------- */

/* What answers queries. Counts them; over the budget a query is LIMIT and nothing is asked. Belongs to one thread. */
struct btz_oracle {
    struct btz_shape shape;
    size_t features, classes;
    bool has_scores;          /* false: labels only, scores are 1 and 0 */
    uint64_t queries, budget; /* budget 0: none */
    /* n x classes: higher is likelier; need not be probabilities. */
    enum btz_err (*ask)(struct btz_oracle *, const float *x, size_t n, float *scores);
    void (*free)(struct btz_oracle *);
};
BTZ_CHECKED enum btz_err btz_oracle_ask(struct btz_oracle *o, const float *x, size_t n,
                                        float *scores);
/* Owns nothing of the classifier, which outlives it. */
BTZ_CHECKED enum btz_err btz_oracle_of_classifier(struct btz_classifier *c,
                                                  struct btz_oracle **out);
void btz_oracle_free(struct btz_oracle *o);

/* ---- attacks (attack.c and attacks/) --------------------------------------------------------------------------------- */

enum btz_norm {
    BTZ_NORM_LINF,
    BTZ_NORM_L2,
    BTZ_NORM_L1,
    BTZ_NORM_L0,
    BTZ_NORM_NONE,
    BTZ_NORM_COUNT
};
const char *btz_norm_name(enum btz_norm n); /* "linf" */
bool btz_norm_parse(const char *text, enum btz_norm *out);
double btz_norm_of(enum btz_norm n, const float *a, const float *b, size_t count); /* of a - b */

enum btz_attack_access {
    BTZ_ATTACK_GRADIENT, /* of the classifier */
    BTZ_ATTACK_SCORES,   /* of the oracle */
    BTZ_ATTACK_LABELS,
};

/* A number an attack can be given: "steps", 40. */
struct btz_attack_param {
    const char *name, *help;
    double fallback, min, max;
    bool whole;
};
#define BTZ_ATTACK_PARAMS_MAX 16

/* What inputs may be. */
struct btz_box {
    float low, high; /* the same for every feature; attacks keep inside */
};

/* One unit of samples under one attack. */
struct btz_constraint;
struct btz_attack_job {
    const struct btz_attack *attack;
    struct btz_classifier *classifier; /* NULL where there is none */
    struct btz_oracle *oracle;         /* never NULL */
    struct btz_shape shape;            /* of one sample: channels x height x width, or features */
    size_t n, features, classes;
    const float *x;        /* n x features, classified correctly */
    const uint32_t *y;     /* n */
    const uint64_t *index; /* n: of the sample in the data, for randomness and reports */
    enum btz_norm norm;
    double
        eps; /* in units of x; ignored by attacks that look for the smallest norm but for what counts as success */
    struct btz_box box;
    uint64_t seed;
    double param[BTZ_ATTACK_PARAMS_MAX]; /* in the order of the descriptor */
    const volatile int *stop;            /* non-zero: end early with what there is; may be NULL */
    /* More of the data than the unit, the same for all units; each may be NULL. */
    const float *shared; /* features: what the attack's `train` made; NULL: it trains on the unit */
    const float *
        pool; /* pool_count inputs that are classified correctly as pool_label: where attacks by labels start */
    const uint32_t *pool_label;
    size_t pool_count;
    const struct btz_constraint *constraint; /* of tables, see constraint.h */
    /* Sample i (of the unit) was broken at a smaller norm, by its queries-th question: a point of the curve of distance against questions. */
    void (*on_best)(void *user, size_t i, uint64_t queries, double norm);
    void *user;
    /* Results. adv begins as a copy of x; broken as false. A sample that is broken has in adv an input within eps and the box
     * that is misclassified; of the others adv is the best that was found, or x. */
    float *adv;
    bool *broken;
    uint64_t *queries;   /* n: questions until success, or all; may be NULL */
    uint64_t *gradients; /* n: those of the questions that were for a gradient; may be NULL */
};

/* Questions about one sample; and how many of them are for a gradient. */
struct btz_attack_most {
    uint64_t questions, gradients;
};

struct btz_attack {
    const char *id, *summary;
    enum btz_attack_access access;
    unsigned norms; /* bits 1 << enum btz_norm */
    const struct btz_attack_param *params;
    size_t param_count;
    const char *rule;   /* id of the rule its findings belong to */
    const char *source; /* the paper */
    enum btz_err (*run)(struct btz_attack_job *job);
    /*
     * Of universal attacks, NULL in others: makes what all units share from the samples of the job, which are the first of
     * the data that are classified correctly (BTZ_ATTACK_TRAIN_MAX at most). Run once, before the units; results of the job
     * are left alone. shared: features floats.
     */
    enum btz_err (*train)(const struct btz_attack_job *job, float *shared);
    /* The most that one sample can cost, of a job whose attack, param, norm and classes are set. NULL: it depends on the model. */
    struct btz_attack_most (*most)(const struct btz_attack_job *job);
    /* Known answer: OK, or INTERNAL with what came out instead. */
    enum btz_err (*selftest)(void);
};
#define BTZ_ATTACK_TRAIN_MAX 1024
extern const struct btz_attack *const btz_attacks[];      /* NULL at the end, sorted by id */
const struct btz_attack *btz_attack_find(const char *id); /* NULL: none */
const char *btz_attack_nearest(const char *id);
/* Position of a parameter, or SIZE_MAX. */
size_t btz_attack_param_find(const struct btz_attack *a, const char *name);
/* Fills `param` from the fallbacks. */
void btz_attack_defaults(const struct btz_attack *a, double param[BTZ_ATTACK_PARAMS_MAX]);
/* Counts questions of sample i, `gradients` of which were for a gradient. */
void btz_attack_count(struct btz_attack_job *job, size_t i, uint64_t questions, uint64_t gradients);
/* The stream of sample i of the job; `part` tells restarts and targets apart. */
void btz_attack_rng(const struct btz_attack_job *job, size_t i, uint64_t part, struct btz_rng *out);

/* ---- known answers (known.c) ----------------------------------------------------------------------------------------- */

/* One dense layer of a model made for a self-test: out = x w + b, w is in x out. */
struct btz_known_layer {
    const float *w, *b;
    size_t out;
};
/*
 * Flatten, then dense layers with ReLU between them: a model whose attacks have answers that can be worked out. A linear one
 * has the distance |z_y - z_k| / |w_y - w_k|_dual to its boundary.
 */
BTZ_CHECKED enum btz_err btz_known_model(const struct btz_shape *sample,
                                         const struct btz_known_layer *layers, size_t count,
                                         bool softmax, struct btz_model **out);
/* Runs an attack with its defaults on n samples of a model; adv: n x features, broken: n. x must be classified as y. */
BTZ_CHECKED enum btz_err btz_known_run(const struct btz_attack *attack, const struct btz_model *m,
                                       enum btz_norm norm, double eps, size_t n, const float *x,
                                       const uint32_t *y, float *adv, bool *broken);

/*
 * An attack with its defaults on samples of a linear model whose distance to the boundary is known in Linf, L2 and L1. For each
 * of `norms` it must spare all at `below` times the distance and break all at `above` times, moving no less than the distance
 * and no more than allowed. INTERNAL otherwise, with what came out (known_bounds.c).
 */
BTZ_CHECKED enum btz_err btz_known_bounds(const struct btz_attack *attack, unsigned norms,
                                          double below, double above);

#endif
