/*
 * Insides of adversarial training: what is trained, the nets of a worker, one batch, the checkpoint.
 */
#ifndef BTZ_HARDEN_INSIDE_H
#define BTZ_HARDEN_INSIDE_H

#include "robust/harden/harden.h"
#include "robust/harden/ranks.h"

/* ---- options.c ------------------------------------------------------------------------------------------------------- */

/* Fills what is 0 for "the default", and checks what goes together. Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_harden_settle(struct btz_harden_options *o);
/* Everything that changes the weights, as bytes; not the threads, the checkpoint's period and the like. */
BTZ_CHECKED enum btz_err btz_harden_fingerprint(const struct btz_harden_options *o,
                                                struct btz_buf *out);

/* ---- schedule.c ------------------------------------------------------------------------------------------------------ */

/* Learning rate of batch `batch` of `batches` in epoch `epoch`, both from 0. */
double btz_harden_rate(const struct btz_harden_options *o, uint32_t epoch, uint64_t batch,
                       uint64_t batches);

/* Share of eps that attacks of that batch use: 1 once `eps_warmup` epochs are over. */
double btz_harden_reach(const struct btz_harden_options *o, uint32_t epoch, uint64_t batch,
                        uint64_t batches);

/* ---- optimiser.c ----------------------------------------------------------------------------------------------------- */

/* One step of n numbers. `first` and `second` are the moments (SGD uses the first alone); `step` counts from 1. The rules of
 * torch.optim: SGD without dampening, Adam with L2 decay, AdamW with decay apart. */
void btz_harden_step(const struct btz_harden_options *o, double rate, uint64_t step, size_t n,
                     const float *grad, float *w, float *first, float *second);

/* n numbers after step `step`, counted from 1, into their mean. The first steps weigh more: min(average, (1 + t) / (10 + t)). */
void btz_harden_average(double average, uint64_t step, size_t n, const float *w, float *mean);

/* ---- params.c -------------------------------------------------------------------------------------------------------- */

struct btz_harden_param {
    uint32_t value; /* of the model */
    float *data;
    size_t count, offset; /* offset in vectors of all numbers */
    uint32_t rank;
};
/* A running statistic of batch normalisation. */
struct btz_harden_stat {
    uint32_t output; /* of `cut` that holds its next value */
    float *data;
    size_t count, offset;
};
struct btz_harden_params {
    struct btz_model
        cut; /* logits, then the next running statistics; shares all else with the model */
    struct btz_harden_param *list;
    size_t count, numbers;
    struct btz_harden_stat *stats;
    size_t stat_count, stat_numbers;
    bool two_faced; /* something differs between training and use: dropout, batch statistics */
    struct btz_shape sample;
    size_t features;
    struct btz_arena arena;
};
BTZ_CHECKED enum btz_err btz_harden_params_open(const struct btz_model *m,
                                                const struct btz_shape *sample,
                                                struct btz_harden_params *out);
void btz_harden_params_release(struct btz_harden_params *p);
void btz_harden_gather(const struct btz_harden_params *p, float *weights, float *stats);
void btz_harden_scatter(const struct btz_harden_params *p, const float *weights,
                        const float *stats);

/* ---- nets.c ---------------------------------------------------------------------------------------------------------- */

enum btz_harden_net {
    BTZ_HARDEN_EVAL,   /* in use: inner attacks and measuring */
    BTZ_HARDEN_SEARCH, /* inner attacks in training mode; not planned where there is no difference */
    BTZ_HARDEN_TRAIN,  /* gradients of the numbers */
    BTZ_HARDEN_TWIN,   /* a second of that kind, for losses of two inputs */
    BTZ_HARDEN_NETS
};
/* Belongs to one worker. */
struct btz_harden_nets {
    const struct btz_harden_params *params;
    struct btz_net *net[BTZ_HARDEN_NETS];
    uint64_t version[BTZ_HARDEN_NETS]; /* of the weights that the net has seen */
    uint32_t *where[BTZ_HARDEN_NETS];  /* of each number's tensor among the net's parameters */
    uint32_t rows;
    size_t classes, memory;
    uint64_t forwards, gradients;
    float *work[2]; /* rows x features each */
};
/* `rows` is lowered where the model is made for a smaller batch. Without `training` there is only the net in use. */
BTZ_CHECKED enum btz_err btz_harden_nets_open(const struct btz_harden_params *p,
                                              const struct btz_harden_options *o, bool training,
                                              uint32_t *rows, struct btz_harden_nets *out);
void btz_harden_nets_release(struct btz_harden_nets *n);
/* Forward of `count` <= rows samples; the rest repeats the first ones. `version` tells whether weights have changed. */
BTZ_CHECKED enum btz_err btz_harden_forward(struct btz_harden_nets *n, enum btz_harden_net which,
                                            uint64_t version, uint64_t seed, const float *x,
                                            size_t count, const float **logits);
/* Backward of what forward left; seeds: count x classes, times `scale`. */
BTZ_CHECKED enum btz_err btz_harden_backward(struct btz_harden_nets *n, enum btz_harden_net which,
                                             const float *seeds, size_t count, float scale);
const float *btz_harden_input_grad(const struct btz_harden_nets *n, enum btz_harden_net which);
/* Puts the gradient of every number into `out`, or adds it; and the next statistics into `stats`, which may be NULL. */
void btz_harden_collect(const struct btz_harden_nets *n, enum btz_harden_net which, bool add,
                        float *out, float *stats);

/* ---- losses.c: rows of logits to numbers and derivatives, sums in double ----------------------------------------------- */

/* KL(softmax(clean) || softmax(adv)); grad_clean may be NULL. */
double btz_loss_kl_row(const float *clean, const float *adv, size_t classes, double *grad_clean,
                       double *grad_adv);
/* CE(clean, y) + beta KL. */
double btz_loss_trades_row(const float *clean, const float *adv, size_t classes, uint32_t y,
                           double beta, double *grad_clean, double *grad_adv);
/* Boosted CE(adv, y) + beta (1 - p_y(clean)) KL. */
double btz_loss_mart_row(const float *clean, const float *adv, size_t classes, uint32_t y,
                         double beta, double *grad_clean, double *grad_adv);
#define BTZ_HARDEN_CLASSES_MAX 65536

/* ---- inner.c: the inner maximisation --------------------------------------------------------------------------------- */

enum btz_inner_start {
    BTZ_INNER_ZERO,
    BTZ_INNER_UNIFORM,      /* within eps, cut to the box */
    BTZ_INNER_UNIFORM_OPEN, /* within eps, not cut: FGSM-RS as published */
    BTZ_INNER_NEAR,         /* 0.001 N(0,1), not cut: TRADES and MART */
};
struct btz_inner {
    enum btz_norm norm;
    double eps, step;
    uint32_t steps;
    struct btz_box box;
    enum btz_inner_start start;
    bool only_right; /* what is misclassified moves no more */
    bool divergence; /* KL from the clean prediction in place of cross entropy */
    bool training;   /* through the net of training mode */
};
/* rng: of sample i; x, adv: count x features. */
BTZ_CHECKED enum btz_err btz_harden_inner(struct btz_harden_nets *n, const struct btz_inner *how,
                                          uint64_t version, uint64_t seed, struct btz_rng *rng,
                                          size_t count, const float *x, const uint32_t *y,
                                          float *adv);
/* x + delta back into the ball around x, then into the box. */
void btz_harden_project(enum btz_norm norm, double eps, struct btz_box box, size_t features,
                        const float *x, float *adv);

/* ---- one run (train.c, step.c, awp.c) ---------------------------------------------------------------------------------- */

/* Sums over an epoch, or a batch; all doubles, so that ranks can sum them. */
struct btz_harden_sums {
    double loss, seen, clean, robust; /* samples right */
    double asked;                     /* samples of which `clean` is known */
    double rate;
    double stop, due; /* flags that all ranks must share */
};
#define BTZ_HARDEN_SUMS 8

/* What a checkpoint holds. */
struct btz_harden_state {
    uint32_t epoch; /* next batch */
    uint64_t batch, step, samples;
    struct btz_harden_sums sums; /* of the epoch so far */
    double guard;                /* PGD-5 accuracy at the end of the epoch before; < 0: none yet */
    uint32_t kept_epoch; /* after which the weights were as in `kept`, from 1; 0: none yet */
    uint32_t end;        /* enum btz_harden_end, once it is over */
    bool over, has_best;
    struct btz_harden_epoch *curves; /* epochs of them */
    uint32_t curve_count;
    /* Vectors; NULL with 0 numbers: not used. */
    float *weights, *stats, *first, *second, *best, *best_stats, *delta, *mean, *mean_stats, *kept,
        *kept_stats;
    size_t numbers, stat_numbers, second_numbers, best_numbers, delta_numbers, mean_numbers,
        kept_numbers;
};

struct btz_harden_run {
    struct btz_harden_options o;
    const struct btz_harden_data *data;
    struct btz_harden_params params;
    struct btz_harden_nets *workers;
    unsigned worker_count;
    uint32_t part, parts; /* rows of one, how many a full batch has */
    size_t classes;
    uint64_t version; /* of the weights */
    size_t *train, *valid, train_count,
        valid_count;  /* indexes of the data; valid NULL: options.valid */
    size_t *order;    /* of this epoch: indexes of the data */
    uint64_t batches; /* an epoch */
    struct btz_harden_state state;
    uint8_t fingerprint[BTZ_SHA256_LEN];
    /* Of the batch at hand. */
    const size_t *rows; /* indexes of its samples */
    size_t row_count;
    uint32_t replay;
    double reach;      /* share of eps and step that attacks use */
    float *x, *adv;    /* batch x features */
    uint32_t *y;       /* batch */
    float *grads;      /* parts x numbers */
    float *next_stats; /* parts x stat_numbers */
    float *sum;        /* numbers: the gradient */
    float *lift;       /* numbers: what AWP added to the weights; NULL: not used */
    struct btz_harden_sums *part_sums;
    size_t memory;
};
/* Random numbers of sample `index` in an epoch; `part` is a name. */
void btz_harden_rng(const struct btz_harden_run *r, const char *part, uint64_t index,
                    struct btz_rng *out);
/* One batch: all its parts, the optimiser's steps. */
BTZ_CHECKED enum btz_err btz_harden_batch(struct btz_harden_run *r, const size_t *rows,
                                          size_t count, struct btz_harden_sums *sums);
/* Rows of the parts: first row and how many. */
size_t btz_harden_part_rows(const struct btz_harden_run *r, size_t part, size_t *first);
/* Adds gamma |w| g / |g| to every matrix, with the gradient in r->sum; and takes it away. */
void btz_harden_awp_lift(struct btz_harden_run *r);
void btz_harden_awp_drop(struct btz_harden_run *r);

/* ---- measure.c --------------------------------------------------------------------------------------------------------- */

struct btz_harden_probe {
    const struct btz_harden_data *data;
    const size_t *index; /* NULL: spread evenly */
    size_t count;
    struct btz_inner attack;
    uint32_t restarts;
    uint64_t seed, stream;
    /* Workers, with the version of their weights. */
    struct btz_harden_nets *workers;
    unsigned worker_count;
    uint64_t version;
    struct btz_ranks *ranks;
};
BTZ_CHECKED enum btz_err btz_harden_probe(struct btz_harden_probe *p,
                                          struct btz_harden_accuracy *out);

/* ---- data.c ------------------------------------------------------------------------------------------------------------ */

/* Indexes 0 .. n-1 in random order. */
void btz_harden_shuffle(size_t *index, size_t n, struct btz_rng *rng);
/* All of n samples in an order that the seed alone decides, on the heap: the first *kept are not trained on. */
BTZ_CHECKED enum btz_err btz_harden_split(size_t n, const struct btz_harden_options *o,
                                          size_t **out, size_t *kept);
/* Rows of the data, checked: labels below `classes`, values finite. */
BTZ_CHECKED enum btz_err btz_harden_take(const struct btz_harden_data *d, const size_t *index,
                                         size_t count, size_t classes, float *x, uint32_t *y);
BTZ_CHECKED enum btz_err btz_harden_augment(const struct btz_harden_run *r, size_t index, float *x);

/* ---- checkpoint.c ------------------------------------------------------------------------------------------------------ */

BTZ_CHECKED enum btz_err btz_harden_checkpoint_encode(const struct btz_harden_state *s,
                                                      const uint8_t fingerprint[BTZ_SHA256_LEN],
                                                      struct btz_buf *out);
/* Into a state whose vectors have the sizes that are expected. Errors: INPUT; then the state is as it was. */
BTZ_CHECKED enum btz_err btz_harden_checkpoint_decode(struct btz_slice in, uint32_t epochs,
                                                      uint64_t batches,
                                                      const uint8_t fingerprint[BTZ_SHA256_LEN],
                                                      struct btz_harden_state *s);
size_t btz_harden_checkpoint_size(const struct btz_harden_state *s, uint32_t curves);

#endif
