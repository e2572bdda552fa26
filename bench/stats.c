/* What a figure with its uncertainty costs. Peer: the interval that others report, 10,000 resamples. */
#include <stdlib.h>

#include <bartizan/stats.h>

#include "base/base.h"
#include "base/pool.h"

static volatile double keep; /* results are used, so that the work is done */

static void figure(const char *name, double value, const char *unit)
{
    printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", name, value, unit);
}

static void against(const char *name, double value, const char *unit, const char *peer,
                    double other)
{
    printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\",\"peer\":\"%s\",\"ratio\":%.4g}\n",
           name, value, unit, peer, other / value);
}

static double us_since(uint64_t start, unsigned times)
{
    return (double)(btz_clock_ns() - start) / 1000 / times;
}

static void must(enum btz_err err)
{
    if (err != BTZ_OK) {
        fprintf(stderr, "%s\n", btz_error_detail());
        exit(1);
    }
}

typedef enum btz_err (*interval_fn)(uint64_t, uint64_t, double, enum btz_side,
                                    struct btz_interval *);

static double time_interval(interval_fn f, uint64_t n, unsigned times)
{
    uint64_t start = btz_clock_ns();

    for (unsigned i = 0; i < times; i++) {
        struct btz_interval out;

        must(f((i * 7919u) % (n + 1), n, 0.95, BTZ_SIDE_TWO, &out));
        keep = out.high;
    }
    return us_since(start, times);
}

static void tails(void)
{
    const unsigned times = 20000;
    uint64_t start = btz_clock_ns();

    for (unsigned i = 0; i < times; i++)
        keep = btz_gamma_log_q(200, 150 + i % 200);
    figure("gamma_log_q_200", us_since(start, times) * 1000, "ns");
    start = btz_clock_ns();
    for (unsigned i = 0; i < times; i++)
        keep = btz_gamma_log_q(1e6, 1e6 - 5000 + i % 10000);
    figure("gamma_log_q_1e6", us_since(start, times) * 1000, "ns");
    start = btz_clock_ns();
    for (unsigned i = 0; i < times; i++)
        keep = btz_normal_quantile((i + 0.5) / times);
    figure("normal_quantile", us_since(start, times) * 1000, "ns");
}

static enum btz_err nothing(void *user, size_t unit, unsigned worker)
{
    (void)user;
    (void)unit;
    (void)worker;
    return BTZ_OK;
}

int main(void)
{
    struct btz_bootstrap_options o = { .resamples = 10000, .confidence = 0.95 };
    struct btz_pool_job job = { .count = 1000000, .threads = 1, .unit = nothing };
    struct btz_bootstrapped resampled;
    struct btz_cluster prompts[100];
    struct btz_clustered clustered;
    double exact, by_prompt, bootstrap;
    uint64_t start;

    for (unsigned i = 0; i < BTZ_COUNT(prompts); i++)
        prompts[i] = (struct btz_cluster){ i % 11 == 0 ? 1 + i % 5 : 0, 5 };
    start = btz_clock_ns();
    must(btz_bootstrap_rate(prompts, BTZ_COUNT(prompts), &o, &resampled));
    bootstrap = us_since(start, 1);
    start = btz_clock_ns();
    for (unsigned i = 0; i < 5000; i++) {
        must(btz_cluster_interval(prompts, BTZ_COUNT(prompts), 0.95, BTZ_SIDE_TWO, &clustered));
        keep = clustered.interval.high;
    }
    by_prompt = us_since(start, 5000);
    exact = time_interval(btz_exact_interval, 500, 20000);
    against("exact_interval_500", exact, "us", "bootstrap of 100 prompts x 10,000", bootstrap);
    against("cluster_interval_100x5", by_prompt, "us", "bootstrap of 100 prompts x 10,000",
            bootstrap);
    figure("bootstrap_100_prompts_10000", bootstrap, "us");
    figure("exact_interval_1e6", time_interval(btz_exact_interval, 1000000, 5000), "us");
    figure("midp_interval_500", time_interval(btz_midp_interval, 500, 20000), "us");
    figure("wilson_interval_500", time_interval(btz_wilson_interval, 500, 20000), "us");
    tails();
    start = btz_clock_ns();
    must(btz_pool_run(&job, NULL));
    figure("pool_unit_1_thread", us_since(start, 1000000) * 1000, "ns");
    job.threads = btz_pool_processors();
    start = btz_clock_ns();
    must(btz_pool_run(&job, NULL));
    figure("pool_unit_all_threads", us_since(start, 1000000) * 1000, "ns");
    return 0;
}
