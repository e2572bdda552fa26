/*
 * Adversarial training of the fast_adversarial network on MNIST from scratch: time, accuracies, what a step consists of.
 * usage: harden [method [epochs [threads [samples]]]], prints JSON. BTZ_DATA: the folder of the data sets.
 */
#include <math.h>
#include <stdlib.h>

#include "../tests/unit/harden_net.h"
#include "base/pool.h"
#include "sample/sample.h"

static enum btz_err open_set(const char *folder, const char *which, struct btz_samples **out)
{
    char data[512], labels[512];

    snprintf(data, sizeof data, "%s/model/mnist/%s-images-idx3-ubyte.gz", folder, which);
    snprintf(labels, sizeof labels, "%s/model/mnist/%s-labels-idx1-ubyte.gz", folder, which);
    return btz_samples_open(&(struct btz_samples_options){ .data = data, .labels = labels }, out);
}

static void show(void *user, const struct btz_harden_progress *p)
{
    (void)user;
    if (p->batch % 100 == 0)
        fprintf(stderr, "epoch %2u batch %6llu loss %.4f robust %.4f lr %.5f\n", p->epoch,
                (unsigned long long)p->batch, p->loss, p->robust, p->lr);
}

/* Argument `at`, from 1 to `max`; `absent` where it is not given or none. */
static uint64_t number(int argc, char **argv, int at, uint64_t absent, uint64_t max)
{
    uint64_t given;

    return argc > at && btz_parse_u64(btz_str(argv[at]), &given) == BTZ_OK && given >= 1 &&
                   given <= max
               ? given
               : absent;
}

static enum btz_err measure(int argc, char **argv)
{
    unsigned threads;
    const char *folder = getenv("BTZ_DATA") ? getenv("BTZ_DATA") : "../shared/data";
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(16U << 20);
    struct btz_samples *train_set = NULL, *test_set = NULL;
    struct btz_harden_accuracy clean, pgd;
    struct btz_harden_data train, test;
    struct btz_harden_options o;
    struct btz_harden_result r;
    struct btz_model *m = NULL;
    int method = BTZ_HARDEN_FGSM_RS;

    for (int i = 0; argc > 1 && btz_harden_method_names[i]; i++)
        if (strcmp(argv[1], btz_harden_method_names[i]) == 0)
            method = i;
    BTZ_TRY(open_set(folder, "train", &train_set));
    BTZ_TRY(open_set(folder, "t10k", &test_set));
    BTZ_TRY(btz_harden_data_of(train_set, &train));
    BTZ_TRY(btz_harden_data_of(test_set, &test));
    BTZ_TRY(net_fast_adversarial(1, &bytes));
    BTZ_TRY(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &m));
    btz_harden_defaults((enum btz_harden_method)method, &o);
    o.epochs = (uint32_t)number(argc, argv, 2, o.epochs, 100000);
    threads = (unsigned)number(argc, argv, 3, btz_pool_processors(), 256);
    o.threads = threads;
    train.count = (size_t)number(argc, argv, 4, train.count, train.count);
    o.measure_max = 500;
    o.measure_steps = 10;
    o.validation = 0;
    o.progress = show;
    BTZ_TRY(btz_harden(m, &train, &o, &r));
    printf("{\"bench\":\"harden\",\"method\":\"%s\",\"epochs\":%zu,\"threads\":%u,\"seconds\":%.1f,"
           "\"end\":\"%s\",\"batches\":%llu,\"ms_per_batch\":%.2f,\"gradients\":%llu,"
           "\"gradients_per_s\":%.0f,\"memory_mb\":%.1f,\"curve\":[",
           btz_harden_method_names[method], r.epoch_count, o.threads, r.seconds,
           btz_harden_end_names[r.end], (unsigned long long)r.batches,
           1000 * r.seconds / (double)r.batches, (unsigned long long)r.gradients,
           (double)r.gradients / r.seconds, (double)r.memory / 1e6);
    for (size_t i = 0; i < r.epoch_count; i++)
        printf("%s{\"loss\":%.4f,\"clean\":%.4f,\"pgd10\":%.4f,\"s\":%.1f}", i ? "," : "",
               r.epochs[i].loss, r.epochs[i].train_clean, r.epochs[i].train_robust,
               r.epochs[i].seconds);
    fflush(stdout);
    o.threads = threads;
    BTZ_TRY(btz_harden_measure(m, &test, 0, &o, 1, 0.01, 1, &clean));
    BTZ_TRY(btz_harden_measure(m, &test, 1000, &o, 50, 0.01, 10, &pgd));
    printf("],\"test_clean\":%.4f,\"test_pgd50_10\":%.4f,\"pgd_n\":%zu}\n",
           (double)clean.clean / (double)clean.n, (double)pgd.robust / (double)pgd.n, pgd.n);
    btz_harden_result_release(&r);
    btz_model_free(m);
    btz_samples_close(train_set);
    btz_samples_close(test_set);
    return BTZ_OK;
}

int main(int argc, char **argv)
{
    enum btz_err err = measure(argc, argv);

    if (err != BTZ_OK)
        fprintf(stderr, "harden: %s\n", btz_error_detail());
    return err != BTZ_OK;
}
