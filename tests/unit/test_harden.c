/* Training runs of small networks: equal bits for any number of threads and of kills, what is trained and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harden_net.h"
#include "robust/harden/inside.h"

#define SIDE    8
#define PIXELS  (SIDE * SIDE)
#define CLASSES 4
#define SAMPLES 480

/* Four bright quarters with noise: class k lights quarter k. */
struct quarters {
    float x[SAMPLES * PIXELS];
    uint32_t y[SAMPLES];
    uint32_t bad_label;
};

static enum btz_err take(const void *user, const size_t *index, size_t count, float *x, uint32_t *y)
{
    const struct quarters *q = user;

    for (size_t i = 0; i < count; i++) {
        memcpy(x + i * PIXELS, q->x + index[i] * PIXELS, PIXELS * sizeof *x);
        y[i] = q->bad_label ? q->bad_label : q->y[index[i]];
    }
    return BTZ_OK;
}

static struct quarters set;

static struct btz_harden_data data_of(struct quarters *q)
{
    struct btz_rng r;

    btz_rng_init(&r, 11, 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        q->y[i] = btz_rng_below(&r, CLASSES);
        for (size_t k = 0; k < PIXELS; k++) {
            uint32_t quarter = (k % SIDE >= SIDE / 2 ? 1 : 0) + (k / SIDE >= SIDE / 2 ? 2 : 0);
            bool lit = quarter == q->y[i];

            q->x[i * PIXELS + k] = (float)(0.35 * btz_rng_unit(&r) + (lit ? 0.5 : 0.1));
        }
    }
    q->bad_label = 0;
    return (struct btz_harden_data){
        .count = SAMPLES, .features = PIXELS, .classes = CLASSES, .take = take, .user = q
    };
}

enum net_kind { PLAIN, NORMED };

/* Conv, batch normalisation, dropout, dense; or without the middle. */
static struct btz_model *make_model(enum net_kind kind)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    static const float mean[1] = { 0.25F }, line[SIDE] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    struct btz_model *m = NULL;
    struct net_text t;

    net_begin(&t, 5);
    /* In front of the first layer: no weights. */
    net_tensor(&t, "mean", (int64_t[]){ 1 }, 1, mean);
    net_tensor(&t, "scale", (int64_t[]){ SIDE }, 1, line);
    net_node(&t, "Sub", (const char *const[]){ "mean" }, 1, NULL, NULL);
    net_node(&t, "Mul", (const char *const[]){ "scale" }, 1, NULL, NULL);
    net_conv(&t, 1, 4, 3, 2, 1);
    if (kind == NORMED)
        net_norm(&t, 4);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_node(&t, "Flatten", NULL, 0, NULL, NULL);
    if (kind == NORMED) {
        static const float ratio[1] = { 0.2F };

        net_tensor(&t, "ratio", NULL, 0, ratio);
        net_node(&t, "Dropout", (const char *const[]){ "ratio" }, 1, NULL, NULL);
    }
    net_dense(&t, 4 * 16, CLASSES, "scores");
    net_node(&t, "Softmax", NULL, 0, NULL, "y");
    assert_int_equal(net_end(&t, (int64_t[]){ 1, SIDE, SIDE }, 3, CLASSES, &bytes), BTZ_OK);
    if (btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &m) != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_non_null(m);
    return m;
}

static void small(enum btz_harden_method method, struct btz_harden_options *o)
{
    btz_harden_defaults(method, o);
    o->eps = 0.1;
    o->epochs = 2;
    o->batch = 40;
    o->steps = method == BTZ_HARDEN_FGSM_RS || method == BTZ_HARDEN_FREE ? 1 : 3;
    o->step = 0.05;
    o->drop_count = 0;
    o->replays = method == BTZ_HARDEN_FREE ? 3 : 1;
    o->awp = false;
    o->awp_warmup = 0;
    o->average = 0;
    o->eps_warmup = 0;
    o->measure_max = 40;
    o->measure_steps = 3;
    o->validation = 0.1;
    o->seed = 7;
}

static struct btz_harden_result train(struct btz_model *m, const struct btz_harden_options *o)
{
    struct btz_harden_data data = data_of(&set);
    struct btz_harden_result r = { 0 };
    enum btz_err err = btz_harden(m, &data, o, &r);

    if (err != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    return r;
}

static void digest_of(const struct btz_model *m, uint8_t out[BTZ_SHA256_LEN])
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 20);

    assert_int_equal(btz_model_write(m, &b), BTZ_OK);
    btz_sha256(btz_buf_slice(&b), out);
}

/* ---- equal bits ----------------------------------------------------------------------------------------------------------- */

static void run_threads(enum btz_harden_method method, enum net_kind kind, bool awp)
{
    uint8_t digest[3][BTZ_SHA256_LEN];

    for (unsigned k = 0; k < 3; k++) {
        struct btz_model *m = make_model(kind);
        struct btz_harden_options o;
        struct btz_harden_result r;

        small(method, &o);
        o.threads = k + 1;
        o.awp = awp;
        o.average = awp ? 0.9 : 0;
        if (method == BTZ_HARDEN_PGD) {
            o.clean_ratio = 0.3;
            o.augments[o.augment_count++] =
                (struct btz_harden_augment){ "edge", btz_harden_edge, NULL, 0.3 };
        }
        r = train(m, &o);
        assert_int_equal(r.end, BTZ_HARDEN_DONE);
        assert_int_equal(r.epoch_count, 2);
        assert_int_equal(r.samples, 2 * (SAMPLES - SAMPLES / 10));
        assert_true(r.epochs[1].loss > 0 && isfinite(r.epochs[1].loss));
        digest_of(m, digest[k]);
        btz_harden_result_release(&r);
        btz_model_free(m);
    }
    assert_memory_equal(digest[0], digest[1], BTZ_SHA256_LEN);
    assert_memory_equal(digest[0], digest[2], BTZ_SHA256_LEN);
}

static void test_threads(void **state)
{
    (void)state;
    for (int m = 0; m < BTZ_HARDEN_METHODS; m++)
        run_threads((enum btz_harden_method)m, PLAIN, false);
    run_threads(BTZ_HARDEN_FGSM_RS, NORMED, true);
    run_threads(BTZ_HARDEN_TRADES, NORMED, true);
}

/* Means that keep nothing are the last weights; others are kept beside what is trained, and end as other weights. */
static void test_means(void **state)
{
    const double average[] = { 0, 1e-12, 0.9 };
    uint8_t digest[3][BTZ_SHA256_LEN];
    double loss[3];

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct btz_model *m = make_model(NORMED);
        struct btz_harden_options o;
        struct btz_harden_result r;

        small(BTZ_HARDEN_FGSM_RS, &o);
        o.average = average[k];
        r = train(m, &o);
        loss[k] = r.epochs[1].loss;
        digest_of(m, digest[k]);
        btz_harden_result_release(&r);
        btz_model_free(m);
    }
    assert_memory_equal(digest[0], digest[1], BTZ_SHA256_LEN);
    assert_memory_not_equal(digest[0], digest[2], BTZ_SHA256_LEN);
    assert_true(loss[0] == loss[1] && loss[0] == loss[2]);
}

/* Killed at moments that nobody chose, again and again, and continued. */
static void run_kills(enum btz_harden_method method, enum net_kind kind)
{
    char path[] = "/tmp/btz-harden-XXXXXX", result[64];
    struct btz_harden_options o;
    struct btz_model *m = make_model(kind);
    uint8_t want[BTZ_SHA256_LEN], got[BTZ_SHA256_LEN];
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 20);
    struct btz_harden_result r;
    int kills = 0, status = 1;

    assert_non_null(mkdtemp(path));
    snprintf(result, sizeof result, "%s/result", path);
    small(method, &o);
    o.threads = 2;
    o.average = kind == NORMED ? 0.9 : 0;
    o.keep = kind == NORMED ? BTZ_HARDEN_KEEP_BEST : BTZ_HARDEN_KEEP_LAST;
    r = train(m, &o);
    digest_of(m, want);
    btz_harden_result_release(&r);
    btz_model_free(m);
    for (unsigned pause = 3000; status != 0; pause += 7000) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (!child) {
            char file[64];

            snprintf(file, sizeof file, "%s/checkpoint", path);
            o.checkpoint = file;
            o.checkpoint_ms = 0;
            m = make_model(kind);
            r = train(m, &o);
            if (btz_model_write(m, &b) != BTZ_OK ||
                btz_file_write(result, btz_buf_slice(&b), 0600) != BTZ_OK)
                _exit(2);
            _exit(0);
        }
        usleep(pause);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        kills += WIFSIGNALED(status);
    }
    assert_true(kills >= 2);
    assert_int_equal(btz_file_read(result, 1 << 20, &b), BTZ_OK);
    btz_sha256(btz_buf_slice(&b), got);
    assert_memory_equal(want, got, BTZ_SHA256_LEN);
    snprintf(result, sizeof result, "rm -rf %s", path);
    assert_int_equal(system(result), 0);
}

static void test_kills(void **state)
{
    (void)state;
    run_kills(BTZ_HARDEN_FGSM_RS, NORMED);
    run_kills(BTZ_HARDEN_FREE, PLAIN);
}

/* Two epochs of one batch each while eps grows: in the first it is half of what it is, so its loss is that of a run with half of
 * eps and step. */
static void test_warmup(void **state)
{
    (void)state;
    for (int k = BTZ_HARDEN_FGSM_RS; k < BTZ_HARDEN_METHODS; k++) {
        struct btz_harden_options o;
        double loss[3];

        for (int run = 0; run < 3; run++) {
            struct btz_model *m = make_model(PLAIN);
            struct btz_harden_result r;

            small((enum btz_harden_method)k, &o);
            o.batch = SAMPLES;
            o.eps_warmup = run == 0 ? 2 : 0;
            o.eps = run == 1 ? 0.05 : 0.1;
            o.step = run == 1 ? 0.025 : 0.05;
            r = train(m, &o);
            loss[run] = r.epochs[0].loss;
            btz_harden_result_release(&r);
            btz_model_free(m);
        }
        assert_true(loss[0] == loss[1]);
        assert_true(loss[0] < loss[2]);
    }
}

/* Stopped every few batches; the progress tells where it goes on. */
struct stopper {
    int flag, calls;
    uint64_t last;
};

static void stop_soon(void *user, const struct btz_harden_progress *p)
{
    struct stopper *s = user;

    assert_true(p->batch == s->last + 1 && p->batch <= p->batches);
    s->last = p->batch;
    s->flag = ++s->calls % 3 == 0;
}

static void test_stops(void **state)
{
    char file[] = "/tmp/btz-harden-XXXXXX";
    struct stopper s = { 0 };
    struct btz_model *m = make_model(NORMED);
    uint8_t want[BTZ_SHA256_LEN], got[BTZ_SHA256_LEN];
    struct btz_harden_data data;
    struct btz_harden_options o;
    struct btz_harden_result r;
    int fd = mkstemp(file), rounds = 0;
    uint64_t before;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    unlink(file);
    small(BTZ_HARDEN_PGD, &o);
    o.eps_warmup = 1.5;
    r = train(m, &o);
    digest_of(m, want);
    btz_harden_result_release(&r);
    o.checkpoint = file;
    o.progress = stop_soon;
    o.user = &s;
    o.stop = &s.flag;
    do {
        btz_model_free(m);
        m = make_model(NORMED);
        s.flag = 0;
        o.threads = 1 + (unsigned)rounds % 2;
        before = s.last;
        r = train(m, &o);
        assert_int_equal(r.resumed, before);
        rounds++;
        btz_harden_result_release(&r);
    } while (r.end == BTZ_HARDEN_STOPPED && rounds < 20);
    assert_int_equal(r.end, BTZ_HARDEN_DONE);
    assert_true(rounds > 4);
    digest_of(m, got);
    assert_memory_equal(want, got, BTZ_SHA256_LEN);
    /* The checkpoint is of that run alone. */
    btz_model_free(m);
    m = make_model(NORMED);
    o.seed++;
    data = data_of(&set);
    assert_int_equal(btz_harden(m, &data, &o, &r), BTZ_INPUT);
    assert_non_null(strstr(btz_error_detail(), "another run"));
    btz_model_free(m);
    unlink(file);
}

/* A run whose weights get worse again, at a rate that does not depend on its length. */
static void wavering(struct btz_harden_options *o, uint32_t epochs, enum btz_harden_keep keep)
{
    small(BTZ_HARDEN_PGD, o);
    o->eps = 0.15;
    o->lr = 0.05;
    o->schedule = BTZ_HARDEN_FLAT;
    o->average = 0.5;
    o->validation = 0.25;
    o->epochs = epochs;
    o->keep = keep;
}

static void run_to(uint32_t epochs, enum btz_harden_keep keep, const char *checkpoint,
                   struct btz_harden_result *r, uint8_t digest[BTZ_SHA256_LEN])
{
    struct btz_model *m = make_model(NORMED);
    struct btz_harden_options o;
    struct stopper s = { 0 };

    wavering(&o, epochs, keep);
    if (checkpoint) {
        o.checkpoint = checkpoint;
        o.progress = stop_soon;
        o.user = &s;
        o.stop = &s.flag;
    }
    *r = train(m, &o);
    while (r->end == BTZ_HARDEN_STOPPED) {
        assert_int_equal(r->kept, 0);
        btz_harden_result_release(r);
        btz_model_free(m);
        m = make_model(NORMED);
        s.flag = 0;
        *r = train(m, &o);
    }
    digest_of(m, digest);
    btz_model_free(m);
}

/* The weights that are kept are those of a run that ends with the best epoch; through stops as well. */
static void test_best(void **state)
{
    enum { EPOCHS = 8 };
    char file[] = "/tmp/btz-harden-XXXXXX";
    uint8_t best[BTZ_SHA256_LEN], other[BTZ_SHA256_LEN];
    struct btz_harden_result r;
    int fd = mkstemp(file);
    uint32_t kept;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    unlink(file);
    run_to(EPOCHS, BTZ_HARDEN_KEEP_BEST, NULL, &r, best);
    kept = r.kept;
    assert_int_equal(r.epoch_count, EPOCHS);
    assert_true(kept > 1 && kept < EPOCHS);
    for (uint32_t i = 0; i < EPOCHS; i++)
        assert_true(i + 1 < kept ? r.epochs[i].valid_robust < r.epochs[kept - 1].valid_robust
                                 : r.epochs[i].valid_robust <= r.epochs[kept - 1].valid_robust);
    btz_harden_result_release(&r);
    run_to(kept, BTZ_HARDEN_KEEP_LAST, NULL, &r, other);
    assert_int_equal(r.kept, kept);
    assert_memory_equal(best, other, BTZ_SHA256_LEN);
    btz_harden_result_release(&r);
    run_to(EPOCHS, BTZ_HARDEN_KEEP_LAST, NULL, &r, other);
    assert_int_equal(r.kept, EPOCHS);
    assert_memory_not_equal(best, other, BTZ_SHA256_LEN);
    btz_harden_result_release(&r);
    run_to(EPOCHS, BTZ_HARDEN_KEEP_BEST, file, &r, other);
    assert_int_equal(r.kept, kept);
    assert_memory_equal(best, other, BTZ_SHA256_LEN);
    btz_harden_result_release(&r);
    /* Once over, the checkpoint has them, too. */
    run_to(EPOCHS, BTZ_HARDEN_KEEP_BEST, file, &r, other);
    assert_int_equal(r.kept, kept);
    assert_memory_equal(best, other, BTZ_SHA256_LEN);
    btz_harden_result_release(&r);
    unlink(file);
}

/* ---- what is trained ------------------------------------------------------------------------------------------------------ */

static const float *constant(const struct btz_model *m, const char *name, size_t *count)
{
    uint32_t v = btz_model_value(m, name);

    assert_true(v != BTZ_NONE && m->values[v].constant);
    *count = btz_tensor_count(m->values[v].constant);
    return m->values[v].constant->data;
}

static bool changed(const struct btz_model *a, const struct btz_model *b, const char *name)
{
    size_t n, k;
    const float *x = constant(a, name, &n), *y = constant(b, name, &k);

    assert_int_equal(n, k);
    return memcmp(x, y, n * sizeof *x) != 0;
}

static void test_signature(void **state)
{
    static const char *const trained[] = { "cw2", "cb2", "n3s", "n3b", "n3m", "n3v", "fw7", "fb7" };
    static const char *const kept[] = { "mean", "scale", "ratio" };
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    struct btz_model *m = make_model(NORMED), *old = make_model(NORMED), *again = NULL;
    struct btz_harden_options o;
    struct btz_harden_result r;

    (void)state;
    small(BTZ_HARDEN_FGSM_RS, &o);
    r = train(m, &o);
    assert_int_equal(r.params, 36 + 4 + 8 + 4 * 64 + 4);
    btz_harden_result_release(&r);
    assert_int_equal(btz_model_write(m, &bytes), BTZ_OK);
    assert_int_equal(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &again), BTZ_OK);
    assert_int_equal(again->input_count, 1);
    assert_int_equal(again->output_count, 1);
    assert_string_equal(again->values[again->inputs[0]].name, "x");
    assert_string_equal(again->values[again->outputs[0]].name, "y");
    assert_true(btz_shape_equal(&again->values[again->inputs[0]].shape,
                                &old->values[old->inputs[0]].shape));
    assert_int_equal(again->node_count, old->node_count);
    assert_int_equal(again->value_count, old->value_count);
    for (size_t i = 0; i < BTZ_COUNT(trained); i++)
        assert_true(changed(again, old, trained[i]));
    for (size_t i = 0; i < BTZ_COUNT(kept); i++)
        assert_false(changed(again, old, kept[i]));
    btz_model_free(again);
    btz_model_free(old);
    btz_model_free(m);
}

/* One batch, one part, rate 0: running statistics are 0.9 of the old and 0.1 of the batch's. */
static void test_statistics(void **state)
{
    struct btz_harden_data data = data_of(&set);
    struct btz_model *m = make_model(NORMED);
    struct btz_harden_options o;
    struct btz_harden_result r;
    size_t n, shifts = SIDE / 2;
    const float *w, *b, *mean, *var;

    (void)state;
    small(BTZ_HARDEN_PLAIN, &o);
    o.epochs = 1;
    o.batch = o.part = 32;
    o.lr = 0;
    o.validation = 0;
    data.count = 32;
    assert_int_equal(btz_harden(m, &data, &o, &r), BTZ_OK);
    w = constant(m, "cw2", &n);
    b = constant(m, "cb2", &n);
    mean = constant(m, "n3m", &n);
    var = constant(m, "n3v", &n);
    for (size_t c = 0; c < 4; c++) {
        double sum = 0, squares = 0, count = (double)(32 * shifts * shifts);

        for (size_t i = 0; i < 32 * shifts * shifts; i++) {
            size_t sample = i / (shifts * shifts), row = i / shifts % shifts, col = i % shifts;
            double v = (double)b[c];

            for (size_t k = 0; k < 9; k++) {
                size_t y = 2 * row + k / 3, x = 2 * col + k % 3; /* shifted by the border of 1 */

                if (y >= 1 && x >= 1 && y <= SIDE && x <= SIDE)
                    v += (double)w[c * 9 + k] *
                         ((double)set.x[sample * PIXELS + (y - 1) * SIDE + x - 1] - 0.25);
            }
            sum += v;
            squares += v * v;
        }
        assert_true(fabs((double)mean[c] - 0.1 * sum / count) < 1e-5);
        assert_true(fabs((double)var[c] -
                         (0.9 + 0.1 * (squares / count - sum / count * (sum / count)))) < 1e-5);
    }
    btz_harden_result_release(&r);
    btz_model_free(m);
}

/* ---- what comes of it ----------------------------------------------------------------------------------------------------- */

static double robust_after(enum btz_harden_method method, bool awp, double *clean)
{
    struct btz_harden_data data = data_of(&set);
    struct btz_model *m = make_model(PLAIN);
    struct btz_harden_accuracy a;
    struct btz_harden_options o;
    struct btz_harden_result r;

    small(method, &o);
    o.eps = 0.15;
    o.step = method == BTZ_HARDEN_FGSM_RS ? 0.18 : method == BTZ_HARDEN_FREE ? 0.15 : 0.06;
    o.epochs = 12;
    o.optimiser = BTZ_HARDEN_ADAM;
    o.lr = 0.01;
    o.decay = 0;
    o.overfit_stop = false;
    o.schedule = BTZ_HARDEN_COSINE;
    o.awp = awp;
    r = train(m, &o);
    assert_int_equal(btz_harden_measure(m, &data, 200, &o, 20, 0.03, 2, &a), BTZ_OK);
    assert_int_equal(a.n, 200);
    *clean = (double)a.clean / 200;
    btz_harden_result_release(&r);
    btz_model_free(m);
    return (double)a.robust / 200;
}

static void test_hardens(void **state)
{
    double clean, plain = robust_after(BTZ_HARDEN_PLAIN, false, &clean);

    (void)state;
    assert_true(clean > 0.95);
    for (int m = BTZ_HARDEN_FGSM_RS; m < BTZ_HARDEN_METHODS; m++) {
        double robust = robust_after((enum btz_harden_method)m, m == BTZ_HARDEN_PGD, &clean);

        if (!(clean > 0.85 && robust > plain + 0.1))
            print_message("# %s: clean %g, robust %g, plain %g\n", btz_harden_method_names[m],
                          clean, robust, plain);
        assert_true(clean > 0.85 && robust > plain + 0.1);
    }
}

/* Weights that were robust lose it at rates that grow: the run ends and those of the epoch before are back. */
static void test_overfitting(void **state)
{
    struct btz_model *m = make_model(PLAIN);
    struct btz_harden_options o;
    struct btz_harden_result r;

    (void)state;
    small(BTZ_HARDEN_PGD, &o);
    o.eps = 0.15;
    o.epochs = 12;
    o.lr = 0.02;
    o.schedule = BTZ_HARDEN_COSINE;
    r = train(m, &o);
    assert_true(r.epochs[11].train_robust > 0.8);
    btz_harden_result_release(&r);
    small(BTZ_HARDEN_PLAIN, &o);
    o.eps = 0.15;
    o.epochs = 30;
    o.optimiser = BTZ_HARDEN_SGD;
    o.momentum = 0;
    o.decay = 1;
    o.lr = 5;
    o.peak = 30; /* rates that grow until decay overshoots */
    o.overfit_stop = true;
    o.overfit_drop = 0.15;
    r = train(m, &o);
    assert_int_equal(r.end, BTZ_HARDEN_OVERFITTED);
    assert_true(r.epoch_count < 30 && r.epoch_count >= 2);
    assert_int_equal(r.kept, r.epoch_count - 1);
    {
        struct btz_harden_data data = data_of(&set);
        struct btz_harden_accuracy a;

        assert_int_equal(btz_harden_measure(m, &data, 200, &o, 5, 0.05, 1, &a), BTZ_OK);
        assert_true((double)a.robust / 200 > r.epochs[r.epoch_count - 1].train_robust);
    }
    btz_harden_result_release(&r);
    btz_model_free(m);
}

/* ---- what is refused ------------------------------------------------------------------------------------------------------ */

static void refused(const struct btz_harden_options *o, const struct btz_harden_data *data,
                    enum btz_err want, const char *word)
{
    struct btz_model *m = make_model(PLAIN);
    struct btz_harden_result r;
    enum btz_err err = btz_harden(m, data, o, &r);

    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d: %s\n", (int)err, btz_error_detail());
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
    btz_model_free(m);
}

static void test_refused(void **state)
{
    struct btz_harden_data data = data_of(&set);
    struct btz_harden_options o;

    (void)state;
    small(BTZ_HARDEN_PGD, &o);
    o.keep = BTZ_HARDEN_KEEP_BEST;
    o.validation = 0.001;
    refused(&o, &data, BTZ_USAGE, "validation data");
    small(BTZ_HARDEN_PGD, &o);
    set.bad_label = 4;
    refused(&o, &data, BTZ_INPUT, "label 4");
    set.bad_label = 0;
    set.x[77 * PIXELS + 3] = NAN;
    refused(&o, &data, BTZ_INPUT, "sample 77");
    data = data_of(&set);
    data.features = PIXELS + 1;
    refused(&o, &data, BTZ_INPUT, "65");
    data = data_of(&set);
    data.classes = 5;
    refused(&o, &data, BTZ_INPUT, "5 classes");
    data = data_of(&set);
    o.memory_max = 1 << 16;
    refused(&o, &data, BTZ_LIMIT, "memory");
}

/* Weights that overflow: the run ends with an error, not with a model of NaN. */
static void test_no_number(void **state)
{
    struct btz_harden_data data = data_of(&set);
    struct btz_model *m = make_model(PLAIN);
    struct btz_harden_options o;
    struct btz_harden_result r;

    (void)state;
    small(BTZ_HARDEN_PLAIN, &o);
    for (size_t i = 0; i < CLASSES; i++)
        ((float *)m->values[btz_model_value(m, "fb5")].constant->data)[i] = INFINITY;
    assert_int_equal(btz_harden(m, &data, &o, &r), BTZ_CONFLICT);
    assert_non_null(strstr(btz_error_detail(), "no number"));
    btz_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_kills),
        cmocka_unit_test(test_warmup),    cmocka_unit_test(test_stops),
        cmocka_unit_test(test_signature), cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_hardens),   cmocka_unit_test(test_overfitting),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_no_number),
        cmocka_unit_test(test_means),     cmocka_unit_test(test_best),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
