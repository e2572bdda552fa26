/*
 * Limits: reserving and settling a request that eight counters are about, in one process and in four that share them; the
 * floor is the bare lock, taken and let go twice. `limits FOLDER`: where the table is.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gate/limits/table.h"

#define REQUESTS 200000

static void must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "bench: %s\n", btz_error_detail());
    exit(1);
}

static const struct btz_limit_conf conf[] = {
    { .scope = BTZ_LIMIT_EVERYTHING,
      .name = "*",
      .requests_per_minute = 4000000000,
      .tokens_per_minute = 4000000000,
      .concurrency = -1,
      .request_bytes = -1,
      .response_bytes = -1,
      .budget = -1 },
    { .scope = BTZ_LIMIT_PRINCIPAL,
      .name = "*",
      .requests_per_minute = 4000000000,
      .tokens_per_minute = 4000000000,
      .concurrency = 1000,
      .request_bytes = 1 << 20,
      .response_bytes = 1 << 20,
      .budget = 1e9,
      .budget_window_ms = 86400000 },
    { .scope = BTZ_LIMIT_GROUP,
      .name = "*",
      .requests_per_minute = -1,
      .tokens_per_minute = 4000000000,
      .concurrency = -1,
      .request_bytes = -1,
      .response_bytes = -1,
      .budget = -1 },
    { .scope = BTZ_LIMIT_KEY,
      .name = "*",
      .requests_per_minute = -1,
      .tokens_per_minute = -1,
      .concurrency = -1,
      .request_bytes = -1,
      .response_bytes = -1,
      .budget = 1e9,
      .budget_calendar_month = true },
};

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* CPU of a request, mean. */
static double requests(struct btz_limits *l, unsigned worker)
{
    struct btz_slice group = btz_str("staff");
    double start = cpu_now();
    char names[64][24];

    for (unsigned i = 0; i < 64; i++)
        snprintf(names[i], sizeof names[i], "person-%u", i);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct btz_limit_subject who = { .principal = btz_str(names[(i + worker * 16) % 64]),
                                         .key = btz_str("key_7f3a9c"),
                                         .groups = &group,
                                         .group_count = 1 };
        struct btz_refusal why;
        struct btz_lease lease;
        uint64_t now = 1800000000000 + i / 100;

        must(btz_limits_reserve(l, &who, 500, 120, 900, now, &lease, &why));
        btz_limits_settle(l, &lease, 321, 77, now);
    }
    return (cpu_now() - start) / REQUESTS;
}

static double locks(struct btz_limits *l)
{
    double start = cpu_now();

    for (unsigned i = 0; i < 2 * REQUESTS; i++) {
        must(btz_table_lock(l));
        btz_table_unlock(l);
    }
    return (cpu_now() - start) / REQUESTS;
}

static void run(const char *path, unsigned workers)
{
    double *took = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double sum = 0, floor_sum = 0;
    uint64_t start;

    if (took == MAP_FAILED)
        exit(1);
    start = btz_clock_ns();
    for (unsigned i = 0; i < workers; i++) {
        if (fork() == 0) {
            struct btz_limits *l;

            must(btz_limits_open(path, conf, BTZ_COUNT(conf), &l));
            took[i] = requests(l, i);
            took[64 + i] = locks(l);
            btz_limits_close(l);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    start = btz_clock_ns() - start;
    for (unsigned i = 0; i < workers; i++) {
        sum += took[i] / workers;
        floor_sum += took[64 + i] / workers;
    }
    printf("{\"name\":\"limits.reserve-settle.%u-processes\",\"value\":%.1f,\"unit\":\"ns\","
           "\"peer\":\"bare lock\","
           "\"peer_value\":%.1f,\"ratio\":%.4f}\n",
           workers, sum, floor_sum, sum / floor_sum);
    printf("{\"name\":\"limits.wall.%u-processes\",\"value\":%.0f,\"unit\":\"requests/s, floor "
           "included\"}\n",
           workers, (double)workers * REQUESTS / ((double)start / 1e9));
    fflush(stdout);
    munmap(took, 4096);
}

int main(int argc, char **argv)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/bench-limits.%d", argc > 1 ? argv[1] : "/tmp", (int)getpid());
    run(path, 1);
    run(path, 4);
    unlink(path);
    return 0;
}
