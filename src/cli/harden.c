/* bartizan harden: a model in, a model that resists more out. */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/pool.h"
#include "cli/progress.h"
#include "cli/reports.h"
#include "cli/samples.h"
#include "robust/harden/ranks.h"
#include "robust/harden/report.h"
#include "sample/sample.h"

struct args {
    const char *data, *labels, *label_column, *valid_data, *valid_labels, *out, *checkpoint;
    int method, norm, optimiser, schedule, keep, format;
    double eps, eps_warmup, step, beta, clean_ratio, gamma, lr, momentum, decay, peak, drop,
        average, validation;
    double edge, shift, mirror, corrupt, low, high;
    int64_t steps, replays, warmup, epochs, batch, part, seed, threads, every, measure, memory;
    struct btz_option_list drops, reports;
    bool awp, mpi, keep_on, forget;
};

static const char *const formats[] = { "text", "json", NULL };
static const char *const norms[] = { "linf", "l2", NULL };

#define ARG(member) offsetof(struct args, member)
#define TEXT(name_, member_, metavar_, help_)                                                      \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_STRING, .offset = ARG(member_), .metavar = metavar_,     \
        .help = help_                                                                              \
    }
#define REAL(name_, member_, min_, max_, fallback_, help_)                                         \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_REAL, .offset = ARG(member_), .metavar = "NUMBER",       \
        .min = min_, .max = max_, .fallback = fallback_, .help = help_                             \
    }
#define COUNT(name_, member_, min_, max_, fallback_, help_)                                        \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_INT, .offset = ARG(member_), .metavar = "N",             \
        .min = min_, .max = max_, .fallback = fallback_, .help = help_                             \
    }
#define CHOICE(name_, member_, choices_, fallback_, help_)                                         \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_CHOICE, .offset = ARG(member_), .metavar = "NAME",       \
        .choices = choices_, .fallback = fallback_, .help = help_                                  \
    }
#define FLAG(name_, member_, help_)                                                                \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_FLAG, .offset = ARG(member_), .help = help_              \
    }

/* Numbers that the method's recipe knows have -1 for "not said". */
static const struct btz_option options[] = {
    BTZ_SAMPLES_OPTIONS("Training samples"),
    { .name = "out",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(out),
      .metavar = "FILE",
      .required = true,
      .help = "Where the hardened model goes." },
    TEXT("validation-data", valid_data, "FILE", "Samples to validate on, instead of a share."),
    TEXT("validation-labels", valid_labels, "FILE", "Their classes."),
    REAL("validation", validation, 0, 0.9, "0.02", "Share of the samples that is kept apart."),
    CHOICE("method", method, btz_harden_method_names, "fgsm-rs", "How it is trained."),
    FLAG("awp", awp, "Adversarial weight perturbation on top; fgsm-rs has it anyway."),
    REAL("awp-gamma", gamma, -1, 1, "-1", "Its size; 0: without; -1: 0.01, with trades 0.005."),
    COUNT("awp-warmup", warmup, -1, 100000, "-1", "Epochs without it; -1: the method's."),
    CHOICE("norm", norm, norms, "linf", "What eps bounds."),
    REAL("eps", eps, 0, 1e6, "0.3", "Largest perturbation, in units of the model's input."),
    REAL("eps-warmup", eps_warmup, -1, 100000, "-1",
         "Epochs in which eps grows evenly from 0 to that; -1: the method's."),
    REAL("low", low, -1e9, 1e9, "0", "Least value an input may have."),
    REAL("high", high, -1e9, 1e9, "1", "Largest value an input may have."),
    REAL("step", step, 0, 1e6, "0", "Step of the inner attack; 0: the method's share of eps."),
    COUNT("steps", steps, -1, 100000, "-1", "Steps of the inner attack; -1: the method's."),
    REAL("beta", beta, -1, 1e4, "-1", "Weight of robustness in trades and mart; -1: 1 and 5."),
    COUNT("replays", replays, -1, 1000, "-1", "Passes over each batch, of free; -1: 4."),
    REAL("clean-ratio", clean_ratio, 0, 1, "0", "Share of each batch that is not attacked."),
    REAL("edge", edge, 0, 1, "0", "Share of samples made edge cases: saturated, faint, spoilt."),
    REAL("shift", shift, 0, 1, "0", "Share of pictures shifted by up to an eighth."),
    REAL("mirror", mirror, 0, 1, "0", "Share of pictures of which every second is mirrored."),
    REAL(
        "corrupt", corrupt, 0, 1, "0",
        "Share of pictures with one of fifteen common corruptions: noise, blur, weather, digital."),
    COUNT("epochs", epochs, -1, 100000, "-1", "Passes over the data; -1: the method's."),
    COUNT("batch", batch, -1, 65536, "-1", "Samples a batch; -1: the method's."),
    COUNT("part", part, 0, 65536, "0", "Samples a part of a batch; 0: a quarter, at most 32."),
    CHOICE("optimiser", optimiser, btz_harden_optimiser_names, NULL, "Default: the method's."),
    REAL("lr", lr, -1, 1e3, "-1", "Learning rate, the highest; -1: the method's."),
    REAL("momentum", momentum, -1, 0.9999, "-1", "Momentum, or beta 1 of Adam; -1: 0.9."),
    REAL("decay", decay, -1, 10, "-1", "Weight decay; -1: the method's."),
    CHOICE("schedule", schedule, btz_harden_schedule_names, NULL, "Default: the method's."),
    REAL("peak", peak, 0, 100000, "0", "Epoch of the highest rate, of cyclic; 0: the method's."),
    { .name = "drop-at",
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(drops),
      .metavar = "EPOCH",
      .help = "Epoch from which the rate is lower, of step; may be given several times." },
    REAL("drop", drop, 0, 1, "0.1", "Factor of the rate at each --drop-at."),
    REAL("average", average, -1, 0.999999, "-1",
         "Running mean of the weights, a share of it kept each step; -1: the method's."),
    CHOICE("keep", keep, btz_harden_keep_names, "last",
           "Weights that are written: those of the last epoch, or of the epoch with the best "
           "robust accuracy on the validation data."),
    FLAG("keep-on", keep_on, "Do not stop at catastrophic overfitting."),
    COUNT("seed", seed, 0, 9e15, "1", "Seed of all randomness."),
    COUNT("threads", threads, 0, 256, "0", "Worker threads; 0: one a processor."),
    COUNT("measure", measure, 1, 1000000, "1000", "Samples an accuracy is measured on."),
    COUNT("memory", memory, 1, 1048576, "8192", "Most memory for training, in MiB."),
    TEXT("checkpoint", checkpoint, "FILE", "Default: the output's name and .checkpoint."),
    { .name = "checkpoint-every",
      .kind = BTZ_OPTION_DURATION,
      .offset = ARG(every),
      .metavar = "DURATION",
      .fallback = "30s",
      .min = 0,
      .max = 86400000,
      .help = "Time from one checkpoint to the next." },
    FLAG("restart", forget, "Begin anew although there is a checkpoint."),
    FLAG("mpi", mpi, "Share the work with the other ranks of mpirun."),
    CHOICE("format", format, formats, "text", "How the result is printed."),
    { .name = "report",
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(reports),
      .metavar = "FORMAT=FILE",
      .help = "A report, such as html=FILE or json=FILE with curves, settings and digests; may be "
              "given several times." },
};

struct job {
    struct btz_cli *cli;
    const struct args *a;
    struct btz_harden_options o;
    struct btz_samples *samples, *valid_samples;
    struct btz_harden_data data, valid;
    struct btz_model *model;
    struct btz_ranks *ranks;
    void *module;
    char *checkpoint;
    struct btz_arena arena;
    struct btz_report_wish *reports;
    struct btz_harden_held held;
    struct btz_harden_account account; /* filled on the way, where there are reports to write */
    uint64_t started_ms;
    struct btz_progress_view view;
    uint64_t began, first; /* of the progress: time, and batches of before */
    char stage[96];
};

/* ---- options -------------------------------------------------------------------------------------------------------------- */

static enum btz_err read_drops(const struct args *a, struct btz_harden_options *o)
{
    if (!a->drops.count)
        return BTZ_OK;
    if (a->drops.count > BTZ_HARDEN_DROPS_MAX)
        return btz_fail(BTZ_USAGE, "--drop-at: at most %d times", BTZ_HARDEN_DROPS_MAX);
    o->drop_count = a->drops.count;
    for (size_t i = 0; i < a->drops.count; i++) {
        uint64_t v;

        if (btz_parse_u64(btz_str(a->drops.items[i]), &v) != BTZ_OK || v > 100000)
            return btz_fail(BTZ_USAGE, "--drop-at %s: expected a number of an epoch",
                            a->drops.items[i]);
        o->drops[i] = (uint32_t)v;
    }
    return BTZ_OK;
}

static void add_augment(struct btz_harden_options *o, const char *name, double share,
                        enum btz_err (*change)(const void *, const struct btz_shape *,
                                               struct btz_box, size_t, struct btz_rng *, float *))
{
    if (share > 0)
        o->augments[o->augment_count++] = (struct btz_harden_augment){ name, change, NULL, share };
}

static void say_count(int64_t v, uint32_t *out)
{
    if (v >= 0)
        *out = (uint32_t)v;
}

static void say_real(double v, double *out)
{
    if (v >= 0)
        *out = v;
}

static enum btz_err read_options(struct job *j)
{
    const struct args *a = j->a;
    struct btz_harden_options *o = &j->o;

    btz_harden_defaults((enum btz_harden_method)a->method, o);
    o->awp = o->awp || a->awp;
    say_real(a->gamma, &o->awp_gamma);
    say_count(a->warmup, &o->awp_warmup);
    o->norm = a->norm ? BTZ_NORM_L2 : BTZ_NORM_LINF;
    o->eps = a->eps;
    o->step = a->step;
    say_real(a->eps_warmup, &o->eps_warmup);
    o->box = (struct btz_box){ (float)a->low, (float)a->high };
    say_count(a->steps, &o->steps);
    say_real(a->beta, &o->beta);
    say_count(a->replays, &o->replays);
    o->clean_ratio = a->clean_ratio;
    add_augment(o, "edge", a->edge, btz_harden_edge);
    add_augment(o, "shift", a->shift, btz_harden_shift);
    add_augment(o, "mirror", a->mirror, btz_harden_mirror);
    add_augment(o, "corrupt", a->corrupt, btz_harden_corrupt);
    say_count(a->epochs, &o->epochs);
    say_count(a->batch, &o->batch);
    o->part = (uint32_t)a->part;
    if (a->optimiser >= 0)
        o->optimiser = (enum btz_harden_optimiser)a->optimiser;
    say_real(a->lr, &o->lr);
    say_real(a->momentum, &o->momentum);
    say_real(a->decay, &o->decay);
    if (a->schedule >= 0)
        o->schedule = (enum btz_harden_schedule)a->schedule;
    o->peak = a->peak;
    o->drop = a->drop;
    say_real(a->average, &o->average);
    o->validation = a->validation;
    o->overfit_stop = o->overfit_stop && !a->keep_on;
    o->keep = (enum btz_harden_keep)a->keep;
    o->seed = (uint64_t)a->seed;
    o->threads = a->threads ? (unsigned)a->threads : btz_pool_processors();
    o->measure_max = (uint32_t)a->measure;
    o->memory_max = (size_t)a->memory << 20;
    o->checkpoint_ms = (uint32_t)a->every;
    o->stop = j->cli->stop;
    o->ranks = j->ranks;
    return read_drops(a, o);
}

/* ---- what is read --------------------------------------------------------------------------------------------------------- */

static enum btz_err open_set(const char *data, const char *labels, const char *column,
                             struct btz_samples **set, struct btz_harden_data *out)
{
    const struct btz_samples_options so = { .data = data,
                                            .labels = labels,
                                            .label_column = column };

    BTZ_TRY(btz_samples_open(&so, set));
    if (btz_harden_data_of(*set, out) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "%s", data);
    return BTZ_OK;
}

static enum btz_err open_ranks(struct job *j)
{
    static const char name[] = BTZ_MODULE_DIR "/bartizan-mpi.so";
    const char *folder = getenv("BTZ_MPI_MODULE");
    btz_ranks_open_fn *open_ranks_of;

    if (!j->a->mpi)
        return BTZ_OK;
    /* Its symbols must be seen by what MPI itself loads later. */
    j->module = dlopen(folder ? folder : name, RTLD_NOW | RTLD_GLOBAL);
    if (!j->module)
        return btz_fail(BTZ_UNSUPPORTED,
                        "--mpi: the module is not there (%s); it is built where meson finds an "
                        "MPI (libopenmpi-dev); BTZ_MPI_MODULE names another place",
                        dlerror());
    *(void **)&open_ranks_of = dlsym(j->module, BTZ_RANKS_OPEN_SYMBOL);
    if (!open_ranks_of)
        return btz_fail(BTZ_UNSUPPORTED, "--mpi: %s is no module of this program",
                        folder ? folder : name);
    return open_ranks_of(btz_error_set, &j->ranks);
}

static bool leads(const struct job *j)
{
    return !j->ranks || !j->ranks->rank;
}

/* The result may take the place of the original: its digest is taken while it is there. */
static enum btz_err digest(const char *path, struct btz_harden_file *out)
{
    BTZ_CLOSE_FILE FILE *file = fopen(path, "rbe");
    struct btz_sha256 hash;
    uint8_t block[65536];
    size_t n;

    if (!file)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    *out = (struct btz_harden_file){ .path = path };
    btz_sha256_init(&hash);
    while ((n = fread(block, 1, sizeof block, file)) > 0) {
        btz_sha256_add(&hash, btz_slice_of(block, n));
        out->bytes += n;
    }
    if (ferror(file))
        return btz_fail_errno(BTZ_IO, "read %s", path);
    btz_sha256_end(&hash, out->sha256);
    return BTZ_OK;
}

/* On which samples the model is measured for a report: those of their own, or those held out, and those trained on. */
static enum btz_err open_account(struct job *j, const char *model)
{
    struct btz_harden_account *c = &j->account;
    const struct args *a = j->a;
    size_t n = 0;

    if (!a->reports.count)
        return BTZ_OK;
    BTZ_TRY(digest(model, &c->original));
    c->data = a->data;
    c->labels = a->labels;
    c->valid_data = a->valid_data;
    c->valid_labels = a->valid_labels;
    c->options = &j->o;
    if (!j->o.valid)
        BTZ_TRY(btz_harden_held_open(&j->data, &j->o, &j->held));
    if (!j->o.valid && j->held.data.count)
        c->measured[n++].samples = "held out, not trained on";
    c->measured[n++].samples =
        j->o.valid ? "validation data" : "training data, held-out ones among them";
    c->measured_count = n;
    return BTZ_OK;
}

static enum btz_err open_job(struct job *j, const char *model)
{
    const struct args *a = j->a;

    j->started_ms = btz_clock_unix_ms();
    BTZ_TRY(open_ranks(j));
    BTZ_TRY(read_options(j));
    if (leads(j))
        BTZ_TRY(btz_cli_can_write("--out", a->out));
    BTZ_TRY(btz_cli_report_wishes(&a->reports, leads(j), &j->arena, &j->reports));
    BTZ_TRY(btz_model_read(model, NULL, &j->model));
    BTZ_TRY(open_set(a->data, a->labels, a->label_column, &j->samples, &j->data));
    if (a->valid_data) {
        BTZ_TRY(open_set(a->valid_data, a->valid_labels, a->label_column, &j->valid_samples,
                         &j->valid));
        j->o.valid = &j->valid;
    }
    if (asprintf(&j->checkpoint, "%s%s", a->checkpoint ? a->checkpoint : a->out,
                 a->checkpoint ? "" : ".checkpoint") < 0) {
        j->checkpoint = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    j->o.checkpoint = j->checkpoint;
    if (a->forget && leads(j))
        unlink(j->checkpoint);
    return open_account(j, model);
}

static void close_job(struct job *j, int failed)
{
    free(j->checkpoint);
    btz_harden_held_release(&j->held);
    btz_arena_release(&j->arena);
    btz_samples_close(j->samples);
    btz_samples_close(j->valid_samples);
    btz_model_free(j->model);
    if (j->ranks)
        j->ranks->close(j->ranks, failed);
}

/* ---- what is shown -------------------------------------------------------------------------------------------------------- */

static void show(void *user, const struct btz_harden_progress *p)
{
    struct job *j = user;
    double seconds = (double)(btz_clock_ns() - j->began) / 1e9, rate;
    struct btz_progress line = { .stage = j->stage, .done = p->batch, .total = p->batches };
    bool known = isfinite(p->robust);

    if (!j->first)
        j->first = p->batch;
    rate = (double)(p->batch - j->first) / seconds;
    line.per_second = rate;
    line.eta_s = rate > 0 ? (double)(p->batches - p->batch) / rate : NAN;
    snprintf(j->stage, sizeof j->stage, "epoch %" PRIu32 "/%" PRIu32 " loss %.3f %s %.1f %%",
             p->epoch, p->epochs, p->loss, known ? "robust" : "clean",
             100 * (known ? p->robust : p->clean));
    j->view.sink.progress(&j->view.sink, &line);
}

struct figures {
    struct btz_harden_accuracy before, after;
};

static enum btz_err measure_on(struct job *j, const struct btz_harden_data *data,
                               struct btz_harden_accuracy *out)
{
    return btz_harden_measure(j->model, data, j->o.measure_max, &j->o, BTZ_HARDEN_FINAL_STEPS,
                              2.5 * j->o.eps / BTZ_HARDEN_FINAL_STEPS, BTZ_HARDEN_FINAL_RESTARTS,
                              out);
}

static enum btz_err measure(struct job *j, bool after, struct btz_harden_accuracy *out)
{
    struct btz_harden_measured *m = j->account.measured;
    size_t n = j->account.measured_count;

    BTZ_TRY(measure_on(j, j->o.valid ? j->o.valid : &j->data, out));
    if (n)
        *(after ? &m[n - 1].after : &m[n - 1].before) = *out;
    return n > 1 ? measure_on(j, &j->held.data, after ? &m[0].after : &m[0].before) : BTZ_OK;
}

static double share(size_t k, size_t n)
{
    return n ? (double)k / (double)n : 0;
}

static void print_curves(FILE *out, const struct btz_harden_result *r)
{
    fputs("epoch     loss   clean  robust   valid  robust      s\n", out);
    for (size_t i = 0; i < r->epoch_count; i++) {
        const struct btz_harden_epoch *e = &r->epochs[i];
        const double v[] = { e->train_clean, e->train_robust, e->valid_clean, e->valid_robust };

        fprintf(out, "%5zu %8.4f", i + 1, e->loss);
        for (size_t k = 0; k < 4; k++)
            if (isnan(v[k]))
                fputs("       -", out);
            else
                fprintf(out, " %6.1f%%", 100 * v[k]);
        fprintf(out, " %6.1f\n", e->seconds);
    }
}

static void print_text(struct job *j, const struct btz_harden_result *r, const struct figures *f)
{
    FILE *out = j->cli->out;

    print_curves(out, r);
    fprintf(out, "%s, eps %g in %s, %" PRIu64 " batches in %.1f s (%s)\n",
            btz_harden_method_names[j->o.method], j->o.eps, btz_norm_name(j->o.norm), r->batches,
            r->seconds, btz_harden_end_names[r->end]);
    if (j->o.keep == BTZ_HARDEN_KEEP_BEST)
        fprintf(out, "kept: the weights after epoch %" PRIu32 ", the best on the validation data\n",
                r->kept);
    if (r->resumed)
        fprintf(out, "continued at batch %" PRIu64 "\n", r->resumed);
    fprintf(out, "%-8s %8s %12s  (%zu samples%s)\n", "", "clean", "PGD-40 x 2", f->after.n,
            j->o.valid ? " of the validation data" : " of the training data");
    fprintf(out, "%-8s %6.2f %% %10.2f %%\n", "before", 100 * share(f->before.clean, f->before.n),
            100 * share(f->before.robust, f->before.n));
    fprintf(out, "%-8s %6.2f %% %10.2f %%\n", "after", 100 * share(f->after.clean, f->after.n),
            100 * share(f->after.robust, f->after.n));
    fprintf(out, "%s: written; try it with bartizan robust attack\n", j->a->out);
}

static void put_real(FILE *out, const char *name, double v)
{
    if (isfinite(v))
        fprintf(out, ", \"%s\": %.6g", name, v);
    else
        fprintf(out, ", \"%s\": null", name);
}

static void print_json(struct job *j, const struct btz_harden_result *r, const struct figures *f)
{
    FILE *out = j->cli->out;

    fprintf(out,
            "{\"method\": \"%s\", \"norm\": \"%s\", \"eps\": %.9g, \"seed\": %" PRIu64
            ", \"end\": \"%s\", \"kept_epoch\": %" PRIu32 ", \"batches\": %" PRIu64
            ", \"resumed\": %" PRIu64
            ", \"parameters\": %zu, \"memory\": %zu, \"seconds\": %.3f, \"epochs\": [",
            btz_harden_method_names[j->o.method], btz_norm_name(j->o.norm), j->o.eps, j->o.seed,
            btz_harden_end_names[r->end], r->kept, r->batches, r->resumed, r->params, r->memory,
            r->seconds);
    for (size_t i = 0; i < r->epoch_count; i++) {
        const struct btz_harden_epoch *e = &r->epochs[i];

        fprintf(out, "%s{\"epoch\": %zu", i ? ", " : "", i + 1);
        put_real(out, "loss", e->loss);
        put_real(out, "lr", e->lr);
        put_real(out, "train_clean", e->train_clean);
        put_real(out, "train_robust", e->train_robust);
        put_real(out, "validation_clean", e->valid_clean);
        put_real(out, "validation_robust", e->valid_robust);
        put_real(out, "seconds", e->seconds);
        fputs("}", out);
    }
    fprintf(out,
            "], \"samples\": %zu, \"before\": {\"clean\": %.6g, \"robust\": %.6g}, \"after\": "
            "{\"clean\": %.6g, \"robust\": %.6g}}\n",
            f->after.n, share(f->before.clean, f->before.n), share(f->before.robust, f->before.n),
            share(f->after.clean, f->after.n), share(f->after.robust, f->after.n));
}

/* ---- the work ------------------------------------------------------------------------------------------------------------- */

static enum btz_err write_model(struct job *j)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(SIZE_MAX / 4);

    BTZ_TRY(btz_model_write(j->model, &bytes));
    j->account.hardened.path = j->a->out;
    j->account.hardened.bytes = bytes.len;
    btz_sha256(btz_buf_slice(&bytes), j->account.hardened.sha256);
    return btz_file_write(j->a->out, btz_buf_slice(&bytes), 0644);
}

static enum btz_err write_reports(struct job *j, const struct btz_harden_result *r)
{
    BTZ_BUF_RELEASE struct btz_buf title = BTZ_BUF(4096);
    struct btz_results *results;
    struct btz_run run = { .version = btz_version(),
                           .started_ms = j->started_ms,
                           .finished_ms = btz_clock_unix_ms(),
                           .seed = j->o.seed,
                           .complete = true };
    enum btz_err err;

    j->account.result = r;
    BTZ_TRY(btz_buf_printf(&title, "Hardening of %s", j->account.original.path));
    BTZ_TRY(btz_buf_cstr(&title, &run.title));
    BTZ_TRY(btz_results_new(&results));
    run.results = results;
    err = btz_harden_tell(&j->account, results);
    if (err == BTZ_OK)
        err = btz_cli_report_write(j->cli, j->reports, j->a->reports.count, &run);
    btz_results_free(results);
    return err == BTZ_OK
               ? BTZ_OK
               : btz_fail_context(err, "the model is in %s, but a report is missing", j->a->out);
}

/* As many right as by chance, and attacks change none: scores that do not depend on the input. */
static bool is_stuck(const struct btz_harden_result *r, const struct btz_harden_accuracy *a)
{
    return a->robust == a->clean && (double)a->clean * (double)r->classes < 1.25 * (double)a->n;
}

static enum btz_err finish(struct job *j, const struct btz_harden_result *r, struct figures *f)
{
    enum btz_err err;

    BTZ_TRY(measure(j, true, &f->after));
    if (!leads(j))
        return BTZ_OK;
    err = write_model(j);
    if (err)
        return btz_fail_context(
            err, "%s has all of the training; the same command writes the model", j->checkpoint);
    unlink(j->checkpoint);
    (j->a->format == 1 ? print_json : print_text)(j, r, f);
    if (r->end == BTZ_HARDEN_OVERFITTED)
        fprintf(j->cli->err,
                "bartizan: catastrophic overfitting in epoch %zu; the weights after epoch %" PRIu32
                " are written\n",
                r->epoch_count, r->kept);
    if (is_stuck(r, &f->after))
        fprintf(j->cli->err,
                "bartizan: the model is right by chance only and answers the same whatever it is "
                "asked: the training did not begin to work; try --eps-warmup with a third of the "
                "epochs, a lower --lr, or more epochs\n");
    return j->a->reports.count ? write_reports(j, r) : BTZ_OK;
}

static enum btz_err harden(struct job *j, const char *model, bool *stopped)
{
    struct btz_harden_result r = { 0 };
    struct figures f;
    enum btz_err err;

    BTZ_TRY(open_job(j, model));
    BTZ_TRY(measure(j, false, &f.before));
    j->o.progress = show;
    j->o.user = j;
    j->began = btz_clock_ns();
    btz_progress_open(&j->view, j->cli);
    err = btz_harden(j->model, &j->data, &j->o, &r);
    btz_progress_close(&j->view);
    *stopped = !err && r.end == BTZ_HARDEN_STOPPED;
    if (*stopped)
        fprintf(j->cli->err,
                "bartizan: stopped after %" PRIu64 " batches; the same command continues at %s\n",
                r.batches, j->checkpoint);
    else if (!err)
        err = finish(j, &r, &f);
    btz_harden_result_release(&r);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    struct job j = { .cli = cli, .a = args };
    bool stopped = false;
    enum btz_err err;
    int status;

    (void)operand_count;
    btz_arena_init(&j.arena, (size_t)1 << 20);
    err = harden(&j, operands[0], &stopped);
    status = err != BTZ_OK ? btz_cli_fail(cli, err) : stopped ? 4 : 0;
    /* A rank that was interrupted is with all the others, one that failed is alone. */
    close_job(&j, err != BTZ_OK ? status : 0);
    return status;
}

const struct btz_command btz_command_harden = {
    .noun = "harden",
    .summary = "Train a classifier against attacks on itself and write it back.",
    .details =
        "Reads an ONNX model, trains its weights on labelled samples and on what attacks make of "
        "them, and writes a model of the same inputs and outputs. Prints the accuracies of every "
        "epoch, and of before and after: on samples as they are and under PGD. What `robust "
        "attack` says of the result counts more.\n\n"
        "Equal files, options and seeds give equal bytes for any number of threads. A run that is "
        "interrupted or killed continues at its checkpoint when the same command is given again; "
        "interrupted it exits with 4. docs/harden.md says what each method costs.\n\n"
        "  bartizan harden model.onnx --data images.gz --labels labels.gz --eps 0.3 -o hard.onnx\n"
        "  bartizan harden model.onnx -d images.gz -l labels.gz --method trades --beta 6 --awp "
        "-o hard.onnx --report html=hard.html",
    .operands = "MODEL",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
