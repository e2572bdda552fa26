/*
 * The speed of the network engine: forward, forward with the gradient of the input, and a step of training of the digit
 * classifier of fast_adversarial, images a second. Peer: torch, on the same network, batch and threads, in turns with ours.
 * Floor: the operations of the network at the rate of OpenBLAS, measured in the same run.
 *
 *   bench/graph [graph_torch.py]
 *
 * A line of JSON each: value and peer are the medians of the medians of five turns; without torch there is no peer.
 */
#include <cblas.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tests/unit/graph_make.h"

/* Multiplications and additions of an image. */
#define FLOP_FORWARD (2.0 * (16 * 196 * 16 + 32 * 49 * 256 + 1568 * 100 + 100 * 10))
enum { TURNS = 5, THREADS_MAX = 2, FEATURES = 784, CLASSES = 10 };
enum mode { FORWARD, GRADIENT, TRAIN };
static const char *const modes[] = { "forward", "gradient", "train" };

static void must(enum btz_err err)
{
    if (err != BTZ_OK) {
        fprintf(stderr, "%s\n", btz_error_detail());
        exit(70);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

/* ---- ours ------------------------------------------------------------------------------------------------------------- */

struct worker {
    struct btz_net *net;
    size_t batch;
    enum mode mode;
    pthread_t thread;
    pthread_barrier_t *gate;
    bool *end;
};

/* Softmax cross entropy against the class of the row's number. */
static void loss_gradient(const float *logits, float *grad, size_t rows)
{
    for (size_t r = 0; r < rows; r++, logits += CLASSES, grad += CLASSES) {
        float max = logits[0], sum = 0;

        for (size_t i = 1; i < CLASSES; i++)
            max = logits[i] > max ? logits[i] : max;
        for (size_t i = 0; i < CLASSES; i++)
            sum += grad[i] = expf(logits[i] - max);
        for (size_t i = 0; i < CLASSES; i++)
            grad[i] = (grad[i] / sum - (i == r % CLASSES)) / (float)rows;
    }
}

static void step(const struct worker *w)
{
    must(btz_net_forward(w->net));
    if (w->mode == FORWARD)
        return;
    loss_gradient(btz_net_output(w->net, 0)->data, btz_net_output_grad(w->net, 0)->data, w->batch);
    must(btz_net_backward(w->net));
}

/* Sums the parts of the batch in their order, then one step of descent. */
static void descend(struct worker *w, size_t workers)
{
    const struct btz_net_param *params[THREADS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < workers; i++)
        count = btz_net_params(w[i].net, &params[i]);
    for (size_t p = 0; p < count; p++) {
        float *to = params[0][p].data->data;

        for (size_t i = 0; i < workers; i++) {
            const float *g = params[i][p].grad->data;

            for (size_t k = 0, n = btz_tensor_count(params[0][p].data); k < n; k++)
                to[k] -= 0.01F / (float)workers * g[k];
        }
    }
}

static void *work(void *user)
{
    struct worker *w = user;

    for (;;) {
        pthread_barrier_wait(w->gate);
        if (*w->end)
            return NULL;
        step(w);
        if (w->mode == TRAIN) {
            pthread_barrier_wait(w->gate); /* the gradients are there */
            pthread_barrier_wait(w->gate); /* the parameters are */
            must(btz_net_params_changed(w->net));
        }
        pthread_barrier_wait(w->gate);
    }
}

struct team {
    struct worker w[THREADS_MAX];
    pthread_barrier_t gate;
    size_t threads;
    bool end;
};

static void team_open(struct team *t, const struct btz_model *m, enum mode mode, size_t batch,
                      size_t threads)
{
    *t = (struct team){ .threads = threads };
    pthread_barrier_init(&t->gate, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++) {
        struct worker *w = &t->w[i];
        float *x;

        *w = (struct worker){
            .batch = batch / threads, .mode = mode, .gate = &t->gate, .end = &t->end
        };
        must(btz_net_new(m,
                         &(struct btz_net_options){ .batch = (int64_t)w->batch,
                                                    .input_grads = mode == GRADIENT,
                                                    .param_grads = mode == TRAIN,
                                                    .training = mode == TRAIN },
                         &w->net));
        x = btz_net_input(w->net, 0)->data;
        for (size_t k = 0; k < w->batch * FEATURES; k++)
            x[k] = (float)((k * 7919 + i) % 1000) / 1000;
        if (i > 0)
            pthread_create(&w->thread, NULL, work, w);
    }
}

static void team_step(struct team *t)
{
    pthread_barrier_wait(&t->gate);
    step(&t->w[0]);
    if (t->w[0].mode == TRAIN) {
        pthread_barrier_wait(&t->gate);
        descend(t->w, t->threads);
        pthread_barrier_wait(&t->gate);
        must(btz_net_params_changed(t->w[0].net));
    }
    pthread_barrier_wait(&t->gate);
}

static void team_close(struct team *t)
{
    t->end = true;
    pthread_barrier_wait(&t->gate);
    for (size_t i = 0; i < t->threads; i++) {
        if (i > 0)
            pthread_join(t->w[i].thread, NULL);
        btz_net_free(t->w[i].net);
    }
    pthread_barrier_destroy(&t->gate);
}

/* Images a second in about half a second; the median step. */
static double ours(struct team *t, size_t batch)
{
    static double times[1 << 16];
    uint64_t end;
    size_t n = 0;

    for (int i = 0; i < 3; i++)
        team_step(t);
    end = btz_clock_ns() + 500000000u;
    while (n < BTZ_COUNT(times) && (n < 20 || btz_clock_ns() < end)) {
        uint64_t begin = btz_clock_ns();

        team_step(t);
        times[n++] = (double)(btz_clock_ns() - begin) / 1e9;
    }
    return (double)batch / median(times, n);
}

/* ---- the peer --------------------------------------------------------------------------------------------------------- */

static FILE *peer_in, *peer_out;
static pid_t peer;
static char peer_name[64];

static void peer_open(const char *script)
{
    int to[2], from[2];

    signal(SIGPIPE, SIG_IGN);
    if (pipe(to) != 0 || pipe(from) != 0)
        return;
    peer = fork();
    if (peer == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        execl("/usr/bin/python3", "python3", script, (char *)NULL);
        _exit(3);
    }
    close(to[0]);
    close(from[1]);
    peer_in = fdopen(to[1], "w");
    peer_out = fdopen(from[0], "r");
    if (!peer_in || !peer_out || !fgets(peer_name, sizeof peer_name, peer_out)) {
        fprintf(stderr, "no torch here: no peer\n");
        *peer_name = '\0';
    } else
        peer_name[strcspn(peer_name, "\n")] = '\0';
}

static double theirs(enum mode mode, size_t batch, size_t threads)
{
    char line[128];

    if (!*peer_name)
        return 0;
    fprintf(peer_in, "%s %zu %zu\n", modes[mode], batch, threads);
    fflush(peer_in);
    if (!fgets(line, sizeof line, peer_out))
        return 0;
    return strtod(line, NULL);
}

/* ---- the floor -------------------------------------------------------------------------------------------------------- */

/* GFLOP/s of a large product on one thread: the best of many, as a peak is. */
static double gemm_peak(void)
{
    enum { N = 512 };
    static float a[N * N], b[N * N], c[N * N];
    double best = 0;

    openblas_set_num_threads(1);
    for (size_t i = 0; i < N * N; i++)
        a[i] = b[i] = 1.0F / N;
    for (int i = 0; i < 40; i++) {
        uint64_t begin = btz_clock_ns();
        double rate;

        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        rate = 2.0 * N * N * N / (double)(btz_clock_ns() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

static void compare(const struct btz_model *m, enum mode mode, size_t batch, size_t threads,
                    double peak)
{
    double flop = mode == FORWARD    ? FLOP_FORWARD
                  : mode == GRADIENT ? 2 * FLOP_FORWARD
                                     : 3 * FLOP_FORWARD - 2.0 * 16 * 196 * 16;
    double us[TURNS], them[TURNS], floor_rate = peak * 1e9 * (double)threads / flop;
    struct team team;
    size_t memory = 0;

    team_open(&team, m, mode, batch, threads);
    for (size_t i = 0; i < TURNS; i++) {
        us[i] = ours(&team, batch);
        them[i] = theirs(mode, batch, threads);
    }
    for (size_t i = 0; i < threads; i++)
        memory += btz_net_memory(team.w[i].net);
    team_close(&team);
    qsort(us, TURNS, sizeof *us, by_value);
    qsort(them, TURNS, sizeof *them, by_value);
    printf("{\"name\":\"graph.%s.batch_%zu.threads_%zu\",\"value\":%.0f,\"unit\":\"images/s\",",
           modes[mode], batch, threads, us[TURNS / 2]);
    printf("\"worst\":%.0f,\"best\":%.0f,\"gflops\":%.1f,\"of_gemm_floor\":%.2f,\"plan_bytes\":%zu",
           us[0], us[TURNS - 1], us[TURNS / 2] * flop / 1e9, us[TURNS / 2] / floor_rate, memory);
    if (*peer_name)
        printf(",\"peer\":%.0f,\"peer_worst\":%.0f,\"peer_best\":%.0f,\"ratio\":%.2f,"
               "\"ratio_of_bests\":%.2f,\"peer_is\":\"%s\"",
               them[TURNS / 2], them[0], them[TURNS - 1], us[TURNS / 2] / them[TURNS / 2],
               us[TURNS - 1] / them[TURNS - 1], peer_name);
    printf("}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const size_t batches[] = { 32, 128, 250 };
    struct btz_model *m = make_digit_net();
    double peak = gemm_peak();

    peer_open(argc > 1 ? argv[1] : "bench/graph_torch.py");
    printf("{\"name\":\"graph.openblas_sgemm_512\",\"value\":%.1f,\"unit\":\"GFLOP/s\"}\n", peak);
    for (size_t threads = 1; threads <= THREADS_MAX; threads++)
        for (size_t b = 0; b < BTZ_COUNT(batches); b++)
            for (enum mode mode = FORWARD; mode <= TRAIN; mode++)
                compare(m, mode, batches[b], threads, peak);
    btz_model_free(m);
    if (peer > 0) {
        if (peer_in)
            fclose(peer_in);
        waitpid(peer, NULL, 0);
    }
    return 0;
}
