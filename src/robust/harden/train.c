/*
 * A run: what it needs, its epochs, its end.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "robust/harden/inside.h"

/* ---- beginning -------------------------------------------------------------------------------------------------------------- */

static enum btz_err split(struct btz_harden_run *r)
{
    size_t n = r->data->count, kept;

    BTZ_TRY(btz_harden_split(n, &r->o, &r->train, &kept));
    r->order = malloc(n * sizeof *r->order);
    if (!r->order)
        return btz_fail(BTZ_LIMIT, "out of memory");
    r->valid = r->train;
    r->valid_count = kept;
    r->train_count = n - kept;
    if (r->o.keep == BTZ_HARDEN_KEEP_BEST && !(r->o.valid ? r->o.valid->count : kept))
        return btz_fail(BTZ_USAGE,
                        "to keep the best weights takes validation data, and of %zu "
                        "samples none are kept apart: give some, or a larger share",
                        n);
    r->batches = (r->train_count + r->o.batch - 1) / r->o.batch;
    return BTZ_OK;
}

static enum btz_err floats(struct btz_harden_run *r, size_t n, float **out)
{
    *out = calloc(n + 1, sizeof **out);
    r->memory += n * sizeof **out;
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for %zu numbers", n);
}

static enum btz_err make_vectors(struct btz_harden_run *r)
{
    const struct btz_harden_params *p = &r->params;
    struct btz_harden_state *s = &r->state;
    size_t batch = r->o.batch;

    s->numbers = p->numbers;
    s->stat_numbers = p->stat_numbers;
    s->second_numbers = r->o.optimiser == BTZ_HARDEN_SGD ? 0 : p->numbers;
    s->best_numbers = r->o.overfit_stop ? p->numbers : 0;
    s->delta_numbers = r->o.method == BTZ_HARDEN_FREE ? batch * p->features : 0;
    s->mean_numbers = r->o.average > 0 ? p->numbers : 0;
    s->kept_numbers = r->o.keep == BTZ_HARDEN_KEEP_BEST ? p->numbers : 0;
    BTZ_TRY(floats(r, s->numbers, &s->weights));
    BTZ_TRY(floats(r, s->stat_numbers, &s->stats));
    BTZ_TRY(floats(r, s->numbers, &s->first));
    if (s->second_numbers)
        BTZ_TRY(floats(r, s->second_numbers, &s->second));
    BTZ_TRY(floats(r, s->best_numbers, &s->best));
    BTZ_TRY(floats(r, s->best_numbers ? s->stat_numbers : 0, &s->best_stats));
    BTZ_TRY(floats(r, s->delta_numbers, &s->delta));
    BTZ_TRY(floats(r, s->mean_numbers, &s->mean));
    BTZ_TRY(floats(r, s->mean_numbers ? s->stat_numbers : 0, &s->mean_stats));
    BTZ_TRY(floats(r, s->kept_numbers, &s->kept));
    BTZ_TRY(floats(r, s->kept_numbers ? s->stat_numbers : 0, &s->kept_stats));
    if (s->mean_numbers)
        btz_harden_gather(p, s->mean, s->mean_stats);
    BTZ_TRY(floats(r, batch * p->features, &r->x));
    BTZ_TRY(floats(r, batch * p->features, &r->adv));
    BTZ_TRY(floats(r, r->parts * p->numbers, &r->grads));
    BTZ_TRY(floats(r, r->parts * p->stat_numbers, &r->next_stats));
    BTZ_TRY(floats(r, p->numbers, &r->sum));
    if (r->o.awp)
        BTZ_TRY(floats(r, p->numbers, &r->lift));
    r->y = calloc(batch, sizeof *r->y);
    r->part_sums = calloc(r->parts, sizeof *r->part_sums);
    s->curves = calloc(r->o.epochs, sizeof *s->curves);
    if (!r->y || !r->part_sums || !s->curves)
        return btz_fail(BTZ_LIMIT, "out of memory");
    s->guard = -1;
    return BTZ_OK;
}

static enum btz_err make_workers(struct btz_harden_run *r)
{
    unsigned wanted = r->o.threads;
    uint32_t rows = r->o.part;

    r->workers = calloc(wanted, sizeof *r->workers);
    if (!r->workers)
        return btz_fail(BTZ_LIMIT, "out of memory");
    while (r->worker_count < wanted) {
        BTZ_TRY(btz_harden_nets_open(&r->params, &r->o, true, &rows, &r->workers[r->worker_count]));
        r->memory += r->workers[r->worker_count].memory;
        r->worker_count++;
        r->part = rows;
        r->parts = (r->o.batch + rows - 1) / rows;
        if (wanted > r->parts)
            wanted = r->parts;
        if (r->memory > r->o.memory_max)
            return btz_fail(BTZ_LIMIT,
                            "the nets of %u threads need %zu bytes of memory, allowed are %zu: use "
                            "smaller parts or fewer threads",
                            wanted, r->memory, r->o.memory_max);
    }
    r->classes = r->workers[0].classes;
    return BTZ_OK;
}

/* What a checkpoint belongs to: options, data, and the model as it was read. */
static enum btz_err make_fingerprint(struct btz_harden_run *r, const struct btz_model *m)
{
    BTZ_BUF_RELEASE struct btz_buf model = BTZ_BUF(SIZE_MAX / 4);
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    uint8_t digest[BTZ_SHA256_LEN];

    BTZ_TRY(btz_harden_fingerprint(&r->o, &text));
    BTZ_TRY(btz_model_write(m, &model));
    btz_sha256(btz_buf_slice(&model), digest);
    BTZ_TRY(btz_buf_add(&text, digest, sizeof digest));
    BTZ_TRY(btz_buf_add(&text, r->data->digest, sizeof r->data->digest));
    BTZ_TRY(btz_buf_printf(&text, "part %" PRIu32 " data %zu valid %zu", r->part, r->data->count,
                           r->o.valid ? r->o.valid->count : 0));
    if (r->o.valid)
        BTZ_TRY(btz_buf_add(&text, r->o.valid->digest, sizeof r->o.valid->digest));
    btz_sha256(btz_buf_slice(&text), r->fingerprint);
    return BTZ_OK;
}

static enum btz_err open_run(struct btz_harden_run *r, struct btz_model *m,
                             const struct btz_harden_data *data,
                             const struct btz_harden_options *options)
{
    r->o = *options;
    r->data = data;
    r->version = 1;
    BTZ_TRY(btz_harden_settle(&r->o));
    BTZ_TRY(btz_harden_params_open(m, &data->shape, &r->params));
    if (r->params.features != data->features ||
        (r->o.valid && r->o.valid->features != data->features))
        return btz_fail(BTZ_INPUT, "the model reads %zu values a sample, the data have %zu",
                        r->params.features, data->features);
    BTZ_TRY(split(r));
    BTZ_TRY(make_workers(r));
    if (data->classes > r->classes)
        return btz_fail(BTZ_INPUT, "the data have %" PRIu32 " classes, the model %zu",
                        data->classes, r->classes);
    BTZ_TRY(make_vectors(r));
    if (r->memory > r->o.memory_max)
        return btz_fail(BTZ_LIMIT, "training needs %zu bytes of memory, allowed are %zu", r->memory,
                        r->o.memory_max);
    return make_fingerprint(r, m);
}

static void close_run(struct btz_harden_run *r)
{
    struct btz_harden_state *s = &r->state;
    void *const all[] = { s->weights,    s->stats,     s->first, s->second,     s->best,
                          s->best_stats, s->delta,     s->mean,  s->mean_stats, s->curves,
                          r->x,          r->adv,       r->grads, r->next_stats, r->sum,
                          r->lift,       r->y,         r->order, r->part_sums,  r->train,
                          s->kept,       s->kept_stats };

    for (size_t i = 0; i < BTZ_COUNT(all); i++)
        free(all[i]);
    for (unsigned i = 0; i < r->worker_count; i++)
        btz_harden_nets_release(&r->workers[i]);
    free(r->workers);
    btz_harden_params_release(&r->params);
}

/* ---- checkpoints -------------------------------------------------------------------------------------------------------------- */

static bool leads(const struct btz_harden_run *r)
{
    return !r->o.ranks || r->o.ranks->rank == 0;
}

static enum btz_err read_file(const struct btz_harden_run *r, struct btz_buf *bytes)
{
    /* That of a longer run is told by its fingerprint, not by its size. */
    size_t most = btz_harden_checkpoint_size(&r->state, r->o.epochs) + (1 << 20);
    double length = 0;

    if (leads(r) && access(r->o.checkpoint, F_OK) == 0)
        BTZ_TRY(btz_file_read(r->o.checkpoint, most, bytes));
    if (!r->o.ranks)
        return BTZ_OK;
    length = (double)bytes->len;
    BTZ_TRY(r->o.ranks->share(r->o.ranks, &length, sizeof length));
    if (!leads(r)) {
        BTZ_TRY(btz_buf_reserve(bytes, (size_t)length));
        bytes->len = (size_t)length;
    }
    return bytes->len ? r->o.ranks->share(r->o.ranks, bytes->ptr, bytes->len) : BTZ_OK;
}

/* A rank that trains on something else would spoil the sums, or wait for ever in one that the others do not make. */
static enum btz_err compare_ranks(struct btz_harden_run *r)
{
    uint8_t first[BTZ_SHA256_LEN];

    if (!r->o.ranks)
        return BTZ_OK;
    memcpy(first, r->fingerprint, sizeof first);
    BTZ_TRY(r->o.ranks->share(r->o.ranks, first, sizeof first));
    if (memcmp(first, r->fingerprint, sizeof first) != 0)
        return btz_fail(BTZ_INPUT,
                        "rank %u has another model, other data or other options than rank 0: give "
                        "all ranks the same command and the same files",
                        r->o.ranks->rank);
    return BTZ_OK;
}

static enum btz_err resume(struct btz_harden_run *r)
{
    BTZ_BUF_RELEASE struct btz_buf bytes =
        BTZ_BUF(btz_harden_checkpoint_size(&r->state, r->o.epochs) + (2 << 20));

    if (!r->o.checkpoint)
        return BTZ_OK;
    BTZ_TRY(read_file(r, &bytes));
    if (!bytes.len)
        return BTZ_OK;
    if (btz_harden_checkpoint_decode(btz_buf_slice(&bytes), r->o.epochs, r->batches, r->fingerprint,
                                     &r->state) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s", r->o.checkpoint);
    btz_harden_scatter(&r->params, r->state.weights, r->state.stats);
    r->version++;
    return BTZ_OK;
}

/* Perturbations that live from batch to batch are with the rank that has their part. */
static enum btz_err join_delta(struct btz_harden_run *r)
{
    size_t features = r->params.features;

    if (!r->o.ranks || !r->state.delta_numbers)
        return BTZ_OK;
    for (size_t i = 0; i < r->o.batch; i++)
        if (i / r->part % r->o.ranks->count != r->o.ranks->rank)
            memset(r->state.delta + i * features, 0, features * sizeof *r->state.delta);
    return r->o.ranks->sum_floats(r->o.ranks, r->state.delta, r->state.delta_numbers);
}

static enum btz_err save(struct btz_harden_run *r)
{
    BTZ_BUF_RELEASE struct btz_buf bytes =
        BTZ_BUF(btz_harden_checkpoint_size(&r->state, r->o.epochs) + 64);

    if (!r->o.checkpoint)
        return BTZ_OK;
    BTZ_TRY(join_delta(r));
    if (!leads(r))
        return BTZ_OK;
    btz_harden_gather(&r->params, r->state.weights, r->state.stats);
    BTZ_TRY(btz_harden_checkpoint_encode(&r->state, r->fingerprint, &bytes));
    return btz_file_write(r->o.checkpoint, btz_buf_slice(&bytes), 0600);
}

/* ---- epochs ------------------------------------------------------------------------------------------------------------------- */

static void shuffle(struct btz_harden_run *r)
{
    struct btz_rng rng;

    btz_harden_rng(r, "harden.order", 0, &rng);
    btz_harden_shuffle(r->order, r->train_count, &rng);
    for (size_t i = 0; i < r->train_count; i++)
        r->order[i] = r->train[r->valid_count + r->order[i]];
}

static enum btz_err probe(struct btz_harden_run *r, const struct btz_harden_data *data,
                          const size_t *index, size_t count, uint32_t steps, double step,
                          struct btz_harden_accuracy *out)
{
    struct btz_harden_probe p = {
        .data = data,
        .index = index,
        .count = count,
        .attack = { .norm = r->o.norm,
                    .eps = r->o.eps,
                    .step = step,
                    .steps = steps,
                    .box = r->o.box,
                    .start = BTZ_INNER_UNIFORM,
                    .only_right = true },
        .restarts = 1,
        .seed = r->o.seed,
        .stream = r->state.epoch,
        .workers = r->workers,
        .worker_count = r->worker_count,
        .version = r->version,
        .ranks = r->o.ranks,
    };

    return btz_harden_probe(&p, out);
}

static double share(size_t k, size_t n)
{
    return n ? (double)k / (double)n : NAN;
}

/* Accuracies at the end of an epoch, into its curve. */
static enum btz_err measure(struct btz_harden_run *r, struct btz_harden_epoch *e)
{
    double step = 2.5 * r->o.eps / r->o.measure_steps;
    size_t most = r->o.measure_max, count = r->train_count < most ? r->train_count : most;
    struct btz_harden_accuracy a = { 0 };

    BTZ_TRY(probe(r, r->data, r->train + r->valid_count, count, r->o.measure_steps, step, &a));
    e->train_clean = share(a.clean, a.n);
    e->train_robust = share(a.robust, a.n);
    a = (struct btz_harden_accuracy){ 0 };
    count = r->o.valid ? r->o.valid->count : r->valid_count;
    if (count > most)
        count = most;
    if (count)
        BTZ_TRY(probe(r, r->o.valid ? r->o.valid : r->data, r->o.valid ? NULL : r->valid, count,
                      r->o.measure_steps, step, &a));
    e->valid_clean = share(a.clean, a.n);
    e->valid_robust = share(a.robust, a.n);
    return BTZ_OK;
}

/* PGD-5 on the epoch's first batch, as in locuslab/fast_adversarial, CIFAR10/train_fgsm.py. */
static enum btz_err guard(struct btz_harden_run *r)
{
    size_t count = r->train_count < r->o.batch ? r->train_count : r->o.batch;
    struct btz_harden_state *s = &r->state;
    struct btz_harden_accuracy a;
    double now;

    if (!r->o.overfit_stop)
        return BTZ_OK;
    BTZ_TRY(probe(r, r->data, r->order, count, 5, r->o.eps / 4, &a));
    now = share(a.robust, a.n);
    if (s->has_best && s->guard - now > r->o.overfit_drop) {
        btz_harden_scatter(&r->params, s->best, s->best_stats);
        r->version++;
        s->end = BTZ_HARDEN_OVERFITTED;
        s->over = true;
        return BTZ_OK;
    }
    s->guard = now;
    btz_harden_gather(&r->params, s->best, s->best_stats);
    s->has_best = true;
    return BTZ_OK;
}

/* The weights that are measured and kept: their means, where there are. `state.weights` holds the others meanwhile. */
static void show_means(struct btz_harden_run *r, bool show)
{
    struct btz_harden_state *s = &r->state;

    if (!s->mean_numbers)
        return;
    if (show)
        btz_harden_gather(&r->params, s->weights, s->stats);
    btz_harden_scatter(&r->params, show ? s->mean : s->weights, show ? s->mean_stats : s->stats);
    r->version++;
}

/* What the validation data say of the epoch that ends; its weights are shown. */
static void keep_best(struct btz_harden_run *r)
{
    struct btz_harden_state *s = &r->state;

    if (!s->kept_numbers || (s->kept_epoch && s->curves[s->epoch].valid_robust <=
                                                  s->curves[s->kept_epoch - 1].valid_robust))
        return;
    btz_harden_gather(&r->params, s->kept, s->kept_stats);
    s->kept_epoch = s->epoch + 1;
}

/* The weights that are the result, once the run is over. */
static void choose(struct btz_harden_run *r)
{
    struct btz_harden_state *s = &r->state;

    if (!s->kept_numbers)
        return;
    btz_harden_scatter(&r->params, s->kept, s->kept_stats);
    r->version++;
}

static uint32_t chosen(const struct btz_harden_state *s)
{
    if (!s->over)
        return 0;
    if (s->kept_numbers)
        return s->kept_epoch;
    return s->end == BTZ_HARDEN_OVERFITTED ? s->epoch - 1 : s->epoch;
}

static enum btz_err end_epoch(struct btz_harden_run *r, double seconds)
{
    struct btz_harden_state *s = &r->state;
    struct btz_harden_epoch *e = &s->curves[s->epoch];

    e->loss = s->sums.loss / s->sums.seen;
    e->lr = s->sums.rate / (double)r->batches;
    e->seconds = seconds;
    show_means(r, true);
    BTZ_TRY(measure(r, e));
    keep_best(r);
    BTZ_TRY(guard(r));
    s->curve_count = ++s->epoch;
    s->batch = 0;
    s->sums = (struct btz_harden_sums){ 0 };
    if (s->epoch == r->o.epochs)
        s->over = true;
    if (s->over)
        choose(r);
    else
        show_means(r, false);
    return save(r);
}

static void add_sums(struct btz_harden_sums *to, const struct btz_harden_sums *from)
{
    to->loss += from->loss;
    to->seen += from->seen;
    to->clean += from->clean;
    to->robust += from->robust;
    to->asked += from->asked;
    to->rate += from->rate;
}

/* What every rank must know of a batch. */
static enum btz_err join(struct btz_harden_run *r, struct btz_harden_sums *s)
{
    double v[] = { s->loss, s->seen, s->clean, s->robust, s->asked, s->stop, s->due };

    if (r->o.ranks) {
        BTZ_TRY(r->o.ranks->sum_doubles(r->o.ranks, v, BTZ_COUNT(v)));
        s->loss = v[0], s->seen = v[1], s->clean = v[2], s->robust = v[3], s->asked = v[4];
        s->stop = v[5], s->due = v[6];
    }
    if (!isfinite(s->loss))
        return btz_fail(BTZ_CONFLICT,
                        "the loss is no number any more in epoch %" PRIu32 ", batch %" PRIu64
                        ": use a smaller learning rate",
                        r->state.epoch + 1, r->state.batch + 1);
    return BTZ_OK;
}

static void report(const struct btz_harden_run *r)
{
    const struct btz_harden_sums *s = &r->state.sums;
    const struct btz_harden_progress p = {
        .epoch = r->state.epoch + 1,
        .epochs = r->o.epochs,
        .batch = r->state.epoch * r->batches + r->state.batch,
        .batches = r->o.epochs * r->batches,
        .loss = s->loss / s->seen,
        .clean = s->asked > 0 ? s->clean / s->asked : NAN,
        .robust = r->o.method == BTZ_HARDEN_PLAIN ? NAN : s->robust / s->seen,
        .lr = s->rate / (double)r->state.batch,
    };

    if (r->o.progress && leads(r))
        r->o.progress(r->o.user, &p);
}

static bool is_set(const volatile int *flag)
{
    return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/* One batch; true in `stopped` where all ranks agree to end here. */
static enum btz_err train_batch(struct btz_harden_run *r, uint64_t *saved, bool *stopped)
{
    size_t first = r->state.batch * r->o.batch;
    size_t count = r->train_count - first < r->o.batch ? r->train_count - first : r->o.batch;
    struct btz_harden_sums sums;
    uint64_t now;

    BTZ_TRY(btz_harden_batch(r, r->order + first, count, &sums));
    now = btz_clock_ns();
    sums.stop = is_set(r->o.stop);
    sums.due = leads(r) && now - *saved >= r->o.checkpoint_ms * UINT64_C(1000000);
    BTZ_TRY(join(r, &sums));
    add_sums(&r->state.sums, &sums);
    r->state.batch++;
    r->state.samples += count;
    report(r);
    *stopped = sums.stop > 0;
    if (r->state.batch < r->batches && (sums.due > 0 || *stopped)) {
        BTZ_TRY(save(r));
        *saved = now;
    }
    return BTZ_OK;
}

static enum btz_err train(struct btz_harden_run *r, bool *stopped)
{
    uint64_t saved = btz_clock_ns();

    *stopped = is_set(r->o.stop) && !r->o.ranks;
    while (!r->state.over && !*stopped) {
        uint64_t began = btz_clock_ns();

        shuffle(r);
        while (r->state.batch < r->batches && !*stopped)
            BTZ_TRY(train_batch(r, &saved, stopped));
        if (r->state.batch < r->batches)
            return BTZ_OK;
        BTZ_TRY(end_epoch(r, (double)(btz_clock_ns() - began) / 1e9));
        saved = btz_clock_ns();
    }
    return BTZ_OK;
}

static void hand_over(struct btz_harden_run *r, bool stopped, double seconds,
                      struct btz_harden_result *out)
{
    out->end = r->state.over ? (enum btz_harden_end)r->state.end
               : stopped     ? BTZ_HARDEN_STOPPED
                             : BTZ_HARDEN_DONE;
    out->epochs = r->state.curves;
    r->state.curves = NULL;
    out->epoch_count = r->state.curve_count;
    out->kept = chosen(&r->state);
    out->batches = r->state.epoch * r->batches + r->state.batch;
    out->samples = r->state.samples;
    for (unsigned i = 0; i < r->worker_count; i++) {
        out->forwards += r->workers[i].forwards;
        out->gradients += r->workers[i].gradients;
    }
    out->train_count = r->train_count;
    out->valid_count = r->o.valid ? r->o.valid->count : r->valid_count;
    out->params = r->params.numbers;
    out->classes = r->classes;
    out->memory = r->memory;
    out->seconds = seconds;
}

enum btz_err btz_harden(struct btz_model *model, const struct btz_harden_data *data,
                        const struct btz_harden_options *options, struct btz_harden_result *out)
{
    struct btz_harden_run r = { 0 };
    uint64_t began = btz_clock_ns(), resumed = 0;
    bool stopped = false;
    enum btz_err err = open_run(&r, model, data, options);

    if (!err)
        err = compare_ranks(&r);
    if (!err)
        err = resume(&r);
    if (!err) {
        resumed = r.state.epoch * r.batches + r.state.batch;
        err = train(&r, &stopped);
    }
    if (!err) {
        *out = (struct btz_harden_result){ .resumed = resumed };
        hand_over(&r, stopped, (double)(btz_clock_ns() - began) / 1e9, out);
    }
    close_run(&r);
    return err;
}

void btz_harden_result_release(struct btz_harden_result *r)
{
    free(r->epochs);
    r->epochs = NULL;
}
