/*
 * harden: adversarial training. A model is read, trained against attacks on itself, and has other numbers in its initializers
 * afterwards: btz_model_write gives a file of the same input and output signature.
 *
 *   samples -> batch -> parts (fixed, whatever the threads) -> adversarial inputs -> gradients -> summed in order -> optimiser
 *
 * Equal models, data, options and seeds give equal bits for any number of threads, and for any number of interruptions: a run
 * that is killed continues at its checkpoint. With several ranks (ranks.h) the parts are spread over processes.
 */
#ifndef BTZ_HARDEN_H
#define BTZ_HARDEN_H

#include "robust/robust.h"

/* ---- samples (data.c) ------------------------------------------------------------------------------------------------ */

/* Where rows come from. `take` is called from several threads at once and changes nothing. */
struct btz_harden_data {
    size_t count, features;
    struct btz_shape
        shape;        /* of one, where the model leaves it open; rank 0: as the model declares */
    uint32_t classes; /* labels are below it; 0: not known */
    enum btz_err (*take)(const void *user, const size_t *index, size_t count, float *x,
                         uint32_t *y);
    const void *user;
    uint8_t
        digest[BTZ_SHA256_LEN]; /* tells a checkpoint whether it belongs to these; may be zeros */
};
struct btz_samples;
/* The samples outlive it. Reads all of them, for the digest. Errors: USAGE where there are no labels; those of the samples. */
BTZ_CHECKED enum btz_err btz_harden_data_of(const struct btz_samples *s,
                                            struct btz_harden_data *out);

/* Changes one training sample before it is attacked. `index` is that of the sample, `rng` belongs to (seed, epoch, sample).
 * x: features; stays inside the box. */
struct btz_harden_augment {
    const char *name; /* "shift": part of what a checkpoint belongs to */
    enum btz_err (*change)(const void *user, const struct btz_shape *shape, struct btz_box box,
                           size_t index, struct btz_rng *rng, float *x);
    const void *user;
    double share; /* of the samples, chosen at random anew each epoch */
};
#define BTZ_HARDEN_AUGMENTS_MAX 8
/* Shift by up to 1/8 of each side, the rest is `low`; for pictures. */
enum btz_err btz_harden_shift(const void *user, const struct btz_shape *shape, struct btz_box box,
                              size_t index, struct btz_rng *rng, float *x);
/* Mirror left and right, every second one. */
enum btz_err btz_harden_mirror(const void *user, const struct btz_shape *shape, struct btz_box box,
                               size_t index, struct btz_rng *rng, float *x);
/* Inputs at the edge of what occurs: values driven to the ends of the box, contrast near nothing, one feature in ten replaced
 * by an end, a block or a channel that is missing. */
enum btz_err btz_harden_edge(const void *user, const struct btz_shape *shape, struct btz_box box,
                             size_t index, struct btz_rng *rng, float *x);

/* One of the common corruptions of corruption.h at random, of any severity; for pictures, UNSUPPORTED otherwise. */
enum btz_err btz_harden_corrupt(const void *user, const struct btz_shape *shape, struct btz_box box,
                                size_t index, struct btz_rng *rng, float *x);

/* ---- options (options.c) --------------------------------------------------------------------------------------------- */

enum btz_harden_method {
    BTZ_HARDEN_PLAIN,   /* no attack */
    BTZ_HARDEN_FGSM_RS, /* one step from a random start: Wong, Rice, Kolter 2020, arXiv 2001.03994 */
    BTZ_HARDEN_PGD,     /* Madry et al. 2018, arXiv 1706.06083 */
    BTZ_HARDEN_FREE,    /* Shafahi et al. 2019, arXiv 1904.12843 */
    BTZ_HARDEN_TRADES,  /* Zhang et al. 2019, arXiv 1901.08573 */
    BTZ_HARDEN_MART,    /* Wang et al. 2020, "Improving adversarial robustness requires ..." */
    BTZ_HARDEN_METHODS,
};
enum btz_harden_optimiser {
    BTZ_HARDEN_SGD,
    BTZ_HARDEN_ADAM,
    BTZ_HARDEN_ADAMW,
    BTZ_HARDEN_OPTIMISERS
};
enum btz_harden_schedule {
    BTZ_HARDEN_FLAT,
    BTZ_HARDEN_CYCLIC, /* 0 -> lr at epoch `peak` -> 0 at the end, linear, anew for each batch */
    BTZ_HARDEN_STEP,   /* times `drop` from each epoch of `drops` on, counted from 1 */
    BTZ_HARDEN_COSINE, /* lr -> 0 along half a cosine, anew for each batch */
    BTZ_HARDEN_SCHEDULES,
};
/* NULL-terminated, in the order of the enums. */
extern const char *const btz_harden_method_names[];
extern const char *const btz_harden_optimiser_names[];
extern const char *const btz_harden_schedule_names[];

/* Which weights are the result. */
enum btz_harden_keep {
    BTZ_HARDEN_KEEP_LAST,
    BTZ_HARDEN_KEEP_BEST, /* those after the epoch of the highest robust accuracy on the validation data, the first of equals:
                           * Rice, Wong, Kolter 2020, arXiv 2002.11569 */
    BTZ_HARDEN_KEEPS,
};
extern const char *const btz_harden_keep_names[];

#define BTZ_HARDEN_DROPS_MAX 8
struct btz_harden_progress {
    uint32_t epoch, epochs;
    uint64_t batch, batches; /* of the whole run, done and all */
    double loss;             /* mean of this epoch so far */
    double clean, robust;    /* share right of the training samples of this epoch; NaN: not known */
    double lr;
};
struct btz_ranks; /* ranks.h */

struct btz_harden_options {
    enum btz_harden_method method;
    enum btz_norm norm; /* Linf, L2 */
    double eps, step;   /* step 0: the method's share of eps */
    uint32_t steps;
    double
        eps_warmup; /* epochs in which eps and step grow evenly from 0; < 0: the method's share. Nets that see the whole eps
                        * from the first step on may stay at the scores of chance for good */
    struct btz_box box;
    double beta;         /* weight of the second term of TRADES and MART */
    uint32_t replays;    /* of a batch, FREE */
    double clean_ratio;  /* share of each batch that is left as it is; not for TRADES and MART */
    bool awp;            /* adversarial weight perturbation: Wu, Xia, Wang 2020, arXiv 2004.05884 */
    double awp_gamma;    /* 0: without it, too */
    uint32_t awp_warmup; /* epochs without it */
    struct btz_harden_augment augments[BTZ_HARDEN_AUGMENTS_MAX];
    size_t augment_count;

    uint32_t epochs, batch;
    uint32_t
        part; /* rows a part; 0: a quarter of the batch, at most 32. Batch statistics are those of a part */
    enum btz_harden_optimiser optimiser;
    double lr, momentum, decay; /* momentum: SGD's, and the first of Adam's */
    enum btz_harden_schedule schedule;
    double peak; /* epoch; 0: two fifths of all, FREE: half, MART: a sixth */
    uint32_t drops[BTZ_HARDEN_DROPS_MAX];
    size_t drop_count;
    double drop;
    double
        average; /* weights that are kept: w' = average w' + (1 - average) w after each step; 0: the last ones */

    double validation;                   /* share of the data that is not trained on */
    const struct btz_harden_data *valid; /* instead of a share; NULL: none */
    uint32_t measure_max;                /* samples an accuracy is measured on; 0: 1,000 */
    uint32_t measure_steps;              /* of PGD there; 0: 20 */
    bool
        overfit_stop; /* stop where PGD-5 accuracy on a training batch falls by more than `overfit_drop` from one epoch to
                        * the next: the weights of the epoch before are the result */
    double overfit_drop;
    enum btz_harden_keep keep; /* BEST needs validation data */

    uint64_t seed;
    unsigned threads;       /* >= 1 */
    const char *checkpoint; /* file; NULL: none. One that is there is continued */
    uint32_t
        checkpoint_ms; /* at least so long from one to the next; 0: after each batch. Also after each epoch */
    size_t memory_max; /* 0: 8 GiB */
    const volatile int *stop;
    void (*progress)(void *user,
                     const struct btz_harden_progress *p); /* after each batch; may be NULL */
    void *user;
    struct btz_ranks *ranks; /* NULL: this process alone */
};
/* A recipe for pictures of the kind of MNIST at Linf 0.3: that of the authors of PGD and TRADES; for FGSM_RS, FREE and MART what
 * was found to learn whatever the seed. docs/harden.md says where from and how far they get. */
void btz_harden_defaults(enum btz_harden_method method, struct btz_harden_options *out);

/* ---- training (train.c) ---------------------------------------------------------------------------------------------- */

struct btz_harden_epoch {
    double loss, lr; /* means over the epoch's batches */
    double train_clean,
        train_robust; /* after the epoch, on training samples: as they are, under PGD */
    double valid_clean, valid_robust; /* the same on those kept apart; NaN without any */
    double seconds; /* of this process; not part of what is equal from run to run */
};
enum btz_harden_end {
    BTZ_HARDEN_DONE,
    BTZ_HARDEN_OVERFITTED, /* catastrophic overfitting */
    BTZ_HARDEN_STOPPED,    /* `stop`: the checkpoint can be continued */
    BTZ_HARDEN_ENDS,
};
extern const char *const btz_harden_end_names[];
struct btz_harden_result {
    enum btz_harden_end end;
    struct btz_harden_epoch *epochs; /* on the heap */
    size_t epoch_count;
    uint32_t
        kept; /* epoch after which the weights were as they are now, from 1; 0: stopped before an end */
    uint64_t batches, samples, resumed; /* gone through in all; batches found in the checkpoint */
    uint64_t gradients, forwards;       /* of samples, in this process */
    size_t train_count, valid_count, params; /* numbers trained */
    size_t classes;                          /* the model tells apart */
    size_t memory;                           /* bytes planned */
    double seconds;
};
void btz_harden_result_release(struct btz_harden_result *r);

/*
 * Trains: the data of the model's initializers are other numbers afterwards, but for constants that are not trained (what
 * stands before the first layer, integers, scalars). Running statistics of batch normalisation are updated.
 * Errors: USAGE (options that do not go together), UNSUPPORTED (no classifier, weights that are not float32), INPUT (a label out
 * of range, a checkpoint of another run or damaged), LIMIT (memory), CONFLICT (the loss is no number any more).
 */
BTZ_CHECKED enum btz_err btz_harden(struct btz_model *model, const struct btz_harden_data *data,
                                    const struct btz_harden_options *options,
                                    struct btz_harden_result *out);

/* ---- measuring (measure.c) ------------------------------------------------------------------------------------------- */

/* Accuracy as they are and under PGD with random starts, of up to `max` samples spread evenly; 0: all. */
struct btz_harden_accuracy {
    size_t n, clean, robust;
};
BTZ_CHECKED enum btz_err btz_harden_measure(const struct btz_model *model,
                                            const struct btz_harden_data *data, size_t max,
                                            const struct btz_harden_options *options,
                                            uint32_t steps, double step, uint32_t restarts,
                                            struct btz_harden_accuracy *out);

/* The samples that a run with these options keeps apart, as data of their own: a count of 0 where it keeps none. Borrows the
 * data; stays where it is until it is released. Errors: USAGE, LIMIT. */
struct btz_harden_held {
    struct btz_harden_data data;
    const struct btz_harden_data *of;
    size_t *index;
};
BTZ_CHECKED enum btz_err btz_harden_held_open(const struct btz_harden_data *data,
                                              const struct btz_harden_options *options,
                                              struct btz_harden_held *out);
void btz_harden_held_release(struct btz_harden_held *h);

#endif
