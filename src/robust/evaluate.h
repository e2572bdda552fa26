/*
 * evaluate: a model, samples and a list of attacks -> what is left of the accuracy, and whether to believe it.
 *
 * Samples are cut into fixed units; a worker has a classifier of its own and takes one unit at a time. Before each attack
 * those that are still classified correctly are packed anew, in order. So neither the number of threads nor an interruption
 * changes a bit of the result. Nothing is believed: what an attack calls broken is measured (distance, box, NaN), classified
 * again by a fresh forward pass, and by scalar kernels.
 *
 * Source of the protocol and of checks 1 to 6: Croce and Hein, arXiv 2003.01690, and fra31/auto-attack at a392200.
 */
#ifndef BTZ_ROBUST_EVALUATE_H
#define BTZ_ROBUST_EVALUATE_H

#include <bartizan/stats.h>

#include "finding/finding.h"
#include "robust/robust.h"

/* ---- what is to be done ---------------------------------------------------------------------------------------------- */

/* Labelled samples: whole in memory, or rows on demand where they are larger than that. */
struct btz_evaluate_samples {
    uint64_t n;
    const float *x;    /* n x features; NULL: `read` */
    const uint32_t *y; /* n; NULL: `read` */
    /* Rows first .. first+count-1. Called by one thread at a time, in any order, and for the same rows more than once. */
    enum btz_err (*read)(void *user, uint64_t first, size_t count, float *x, uint32_t *y);
    void *user;
    size_t memory; /* bytes that `read` holds, for the prediction */
};

struct btz_evaluate_attack {
    const struct btz_attack *attack;
    double param[BTZ_ATTACK_PARAMS_MAX];
};

enum btz_autoattack { BTZ_AUTOATTACK_STANDARD, BTZ_AUTOATTACK_PLUS, BTZ_AUTOATTACK_RAND };
/* Does it look for rows within a constraint alone? */
bool btz_attack_keeps_constraints(const struct btz_attack *a);
bool btz_autoattack_parse(const char *text, enum btz_autoattack *out); /* "standard" */
/*
 * The sequence of a version with its parameters, for a norm and a number of classes: targets are at most classes - 1.
 * Writes at most BTZ_AUTOATTACK_MAX. Errors: UNSUPPORTED for a norm other than Linf, L2, L1.
 */
#define BTZ_AUTOATTACK_MAX 6
BTZ_CHECKED enum btz_err btz_autoattack_list(enum btz_autoattack version, enum btz_norm norm,
                                             size_t classes,
                                             struct btz_evaluate_attack out[BTZ_AUTOATTACK_MAX],
                                             size_t *count);

/* One input that was broken, as it is when an attack has ended: in order of samples. */
struct btz_evaluate_broken {
    uint64_t index; /* of the sample */
    size_t attack;  /* in the list */
    uint32_t y, predicted;
    double distance;      /* in the norm of the evaluation */
    const float *x, *adv; /* features each */
};

struct btz_evaluate_options {
    const struct btz_model *model; /* NULL: black box by `oracle` */
    /* For models that are no classifiers with gradients, and for endpoints: an oracle for each worker, freed at the end. */
    enum btz_err (*oracle)(void *user, struct btz_oracle **out);
    void *oracle_user;
    const char *
        identity; /* what is attacked, for the state, beyond operators and weights of the model; or NULL */
    const struct btz_shape *sample; /* see btz_classifier_options */
    uint32_t batch;                 /* the same */
    struct btz_evaluate_samples samples;
    const struct btz_evaluate_attack *attacks;
    size_t attack_count; /* 0: the clean accuracy alone */
    bool alone; /* every attack sees all that is classified correctly, not only survivors */
    bool
        signs; /* also look for masked gradients beyond the checks of AutoAttack: costs extra runs on few samples */
    enum btz_norm norm;
    double eps;
    struct btz_box box;
    const struct btz_constraint *constraint; /* then attacks on tables alone; NULL: the box alone */
    uint64_t seed;
    unsigned threads;  /* 0: 1 */
    size_t memory_max; /* of all workers together; fewer threads are used to keep it; 0: 8 GiB */
    double confidence; /* 0: 0.95 */
    const char *state; /* file that makes an interrupted run go on where it was; NULL: none */
    const volatile int *stop;
    struct btz_sink
        *progress; /* its progress alone is used; called by one thread at a time; may be NULL */
    enum btz_err (*broken)(void *user, const struct btz_evaluate_broken *b); /* may be NULL */
    void *broken_user;
};

/* ---- what came out --------------------------------------------------------------------------------------------------- */

struct btz_rate {
    uint64_t k, n;
    double value;                 /* k / n */
    struct btz_interval interval; /* Clopper-Pearson */
};
BTZ_CHECKED enum btz_err btz_rate_set(uint64_t k, uint64_t n, double confidence,
                                      struct btz_rate *out);

#define BTZ_NOT_BROKEN UINT32_MAX
/* What became of one sample. */
struct btz_sample_verdict {
    uint32_t y, clean;  /* label, and class of the clean input; UINT32_MAX: none, a score is NaN */
    uint32_t attack;    /* the first in the list that broke it; BTZ_NOT_BROKEN */
    uint32_t predicted; /* under that attack; else `clean` */
    float distance;     /* the smallest of all attacks that broke it; NAN */
    bool
        scalar_disagrees; /* the scalar reference still classifies that input correctly: it lies within rounding of the boundary */
    uint64_t queries,
        gradients; /* spent on it by all attacks: forward passes, those with a gradient included; gradients */
};

/* What an attack by labels has found after so many questions a sample, over all samples it tried; not checked again. */
struct btz_best_point {
    uint64_t questions;
    double
        median; /* distance that half of the samples are broken within; INFINITY: fewer are broken */
    double within; /* share broken within eps */
};
#define BTZ_BEST_POINTS 40 /* at 2^(k/2) questions */

struct btz_evaluate_attacked { /* one attack of the list */
    struct btz_evaluate_attack given;
    uint64_t tried, broken; /* broken: accepted after the checks */
    uint64_t
        claimed_correct; /* the attack called them broken and a fresh forward pass does not: not counted */
    uint64_t
        claimed_invalid; /* outside eps, the box, or NaN: not counted; a defect of the attack */
    uint64_t scalar_disagrees; /* of `broken` */
    bool alone;                /* it saw every sample that is classified correctly */
    struct btz_rate
        robust_alone;       /* accuracy under this attack alone; n = 0 where it was not run alone */
    struct btz_rate robust; /* after it and all before it */
    uint64_t queries, gradients;
    struct btz_best_point best[BTZ_BEST_POINTS];
    size_t best_count; /* 0: it looks for no smaller change, or its units are not all known */
    double seconds;    /* of all runs of this evaluation, resumed ones included */
};

/* Why one may, or may not, believe the figure. */
enum btz_check_id {
    BTZ_CHECK_RANDOM,        /* 1: the same input gives other scores */
    BTZ_CHECK_PROBABILITIES, /* 2: scores are probabilities */
    BTZ_CHECK_ZERO_GRADIENT, /* 3: DLR gradients that are exactly zero */
    BTZ_CHECK_SQUARE,        /* 4: Square lowers the rest by more than 0.2 points */
    BTZ_CHECK_CLASSES,       /* 6: too few classes for DLR or for the number of targets */
    BTZ_CHECK_FINAL,         /* distance, NaN, least and largest of all adversarial inputs */
    BTZ_CHECK_SCALAR,        /* the scalar reference disagrees somewhere */
    BTZ_CHECK_BLACK_BOX,     /* a black-box attack is better than a white-box one */
    BTZ_CHECK_STEPS,         /* more steps are not better */
    BTZ_CHECK_EPS,           /* a larger eps is not better, or none reaches 0 */
    BTZ_CHECK_UNBOUNDED,     /* an attack without limits does not break everything */
    BTZ_CHECK_COUNT
};
const char *btz_check_name(enum btz_check_id id); /* "square" */
struct btz_check {
    enum btz_outcome
        outcome;  /* FAIL: a reason to doubt the figure; NOT_EVALUATED with the reason in `text` */
    double value; /* what was measured; NAN: nothing */
    char text[200]; /* one sentence */
};

/* Accuracy of the few samples that the signs were looked for with, under PGD. */
#define BTZ_SIGN_POINTS 6
struct btz_sign_point {
    double eps;
    struct btz_rate robust;
};

struct btz_evaluation {
    struct btz_arena arena;
    uint64_t n;
    size_t features, classes;
    struct btz_shape shape;
    struct btz_sample_verdict *verdicts;               /* n */
    struct btz_rate clean, robust;                     /* robust: worst case over all attacks */
    struct btz_rate *clean_by_class, *robust_by_class; /* classes */
    uint64_t *
        confusion; /* classes x classes, true x predicted in the worst case; NULL: over BTZ_CONFUSION_CLASSES */
    struct btz_evaluate_attacked *attacks;
    size_t attack_count;
    struct btz_check checks[BTZ_CHECK_COUNT];
    struct btz_sign_point curve[BTZ_SIGN_POINTS];
    size_t curve_count;
    double distance_max; /* of all adversarial inputs that count */
    float adv_min, adv_max;
    uint64_t nan_count;          /* values, of all that attacks returned as broken */
    uint64_t queries, gradients; /* of attacks, per sample and once; checks are not in them */
    uint64_t
        asked; /* of black boxes: rows that were put to the oracles by this process, for whatever reason */
    size_t memory;    /* predicted: all workers, samples and verdicts */
    size_t peak;      /* of the process at the end, as the system counts it; 0: unknown */
    unsigned threads; /* used */
    double seconds;
    bool
        stopped; /* by the flag: what is here is what was done until then, an upper bound of the accuracy */
};
#define BTZ_CONFUSION_CLASSES 1024

/*
 * Errors: those of the model, the samples, the attacks; INPUT for a label or a value outside its range (names the sample) and
 * for a state file of another evaluation; USAGE for an attack that does not know the norm or the constraint, or needs
 * gradients there are not;
 * LIMIT with the bytes that one worker needs.
 */
BTZ_CHECKED enum btz_err btz_evaluate(const struct btz_evaluate_options *options,
                                      struct btz_evaluation **out);
void btz_evaluation_free(struct btz_evaluation *e);
/* Adds the operators and the weights of a model, wherever they were read from. What attributes say is not in it. */
void btz_evaluate_digest(const struct btz_model *m, struct btz_sha256 *h);
/*
 * What btz_evaluate will take, planned as it plans itself: models are opened and nets laid out, no sample is read and no oracle
 * asked. Errors: as btz_evaluate has them until then.
 */
struct btz_evaluate_plan {
    size_t worker; /* bytes of one: nets, and what attacks hold for a unit */
    size_t memory; /* as in btz_evaluation */
    unsigned threads;
    size_t classes;
};
BTZ_CHECKED enum btz_err btz_evaluate_plan(const struct btz_evaluate_options *options,
                                           struct btz_evaluate_plan *out);

#endif
