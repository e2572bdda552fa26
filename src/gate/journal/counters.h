/* The file of the counters. Inside of this folder; the exporter of src/watch reads it through metrics_walk.c. */
#ifndef BTZ_JOURNAL_COUNTERS_H
#define BTZ_JOURNAL_COUNTERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/cover.h"
#include "gate/journal/journal.h"

#define BTZ_COUNTERS_MAGIC UINT64_C(0x3273726574636d62) /* "bmcters2" */
#define BTZ_MODELS         128
#define BTZ_UPSTREAMS      64
#define BTZ_ROUTES         128
#define BTZ_SERIES         512
#define BTZ_DETECTORS      64
#define BTZ_WORKERS        128
#define BTZ_BUCKETS        16
#define BTZ_SECONDS        128 /* kept of the last two minutes */

enum btz_outcome {
    BTZ_OUTCOME_OK,
    BTZ_OUTCOME_DENIED,
    BTZ_OUTCOME_LIMITED,
    BTZ_OUTCOME_BLOCKED,
    BTZ_OUTCOME_REFUSED_UPSTREAM,
    BTZ_OUTCOME_UPSTREAM_ERROR,
    BTZ_OUTCOME_ERROR,
    BTZ_OUTCOME_CLIENT_GONE,
    BTZ_OUTCOMES
};
enum btz_operation_kind {
    BTZ_CALL_CHAT,
    BTZ_CALL_COMPLETION,
    BTZ_CALL_EMBEDDINGS,
    BTZ_CALL_CONTENT,
    BTZ_CALL_OTHER,
    BTZ_CALLS
};
enum btz_guard_word { /* as in a record */
                      BTZ_WORD_PASSED,
                      BTZ_WORD_CHANGED,
                      BTZ_WORD_BLOCKED,
                      BTZ_WORD_OBSERVED,
                      BTZ_WORD_NOT_EVALUATED,
                      BTZ_WORD_OFF,
                      BTZ_WORDS
};
enum btz_refused_for {
    BTZ_REFUSED_IDENTITY,
    BTZ_REFUSED_POLICY,
    BTZ_REFUSED_ROUTE,
    BTZ_REFUSED_SIZE,
    BTZ_REFUSED_LIMIT,
    BTZ_REFUSED_GUARD,
    BTZ_REFUSED_UNAVAILABLE,
    BTZ_REFUSED_OTHER,
    BTZ_REFUSED_KINDS
};
enum btz_buckets { BTZ_OF_TOKENS, BTZ_OF_SECONDS, BTZ_OF_OVERHEAD, BTZ_BUCKET_KINDS };

struct btz_name {
    _Atomic uint32_t there; /* 0 free */
    char text[124];
};
struct btz_histogram {
    _Atomic uint64_t bucket[BTZ_BUCKETS]; /* the last one: above all bounds */
    _Atomic uint64_t sum;                 /* tokens, or microseconds */
};
/* One of model x upstream x operation. */
struct btz_series {
    _Atomic uint32_t key; /* 0 free; else 1 + model + upstream + operation, see counters.c */
    struct btz_histogram tokens[2], duration[BTZ_OUTCOMES], first;
    _Atomic uint64_t cost; /* in thousand-millionths */
};
struct btz_second {
    _Atomic uint64_t second;
    _Atomic uint64_t requests, outcome[BTZ_OUTCOMES], input, output, cost, took_us, own_us;
    _Atomic uint64_t bucket[BTZ_BUCKETS]; /* durations, bounds of BTZ_OF_SECONDS */
};
struct btz_counters {
    uint64_t magic, size;
    struct btz_name model[BTZ_MODELS], upstream[BTZ_UPSTREAMS], route[BTZ_ROUTES];
    struct {
        _Atomic uint64_t pid, started, in_flight;
    } worker[BTZ_WORKERS];
    _Atomic uint64_t requests[BTZ_ROUTES + 1][BTZ_OUTCOMES]; /* the last route: "other" */
    _Atomic uint64_t answers[BTZ_UPSTREAMS + 1][6]; /* by first digit of the status; 0: none */
    _Atomic uint64_t guard[BTZ_WORDS], refused[BTZ_REFUSED_KINDS];
    _Atomic uint64_t detector[BTZ_DETECTORS][3]; /* runs, hits, failed */
    _Atomic uint64_t bytes[2], text[4];          /* scanned in, out; skipped in, out */
    _Atomic uint64_t series_lost;                /* counted under "other" since the table is full */
    struct btz_histogram own;
    struct btz_series series[BTZ_SERIES];
    struct btz_second second[BTZ_SECONDS];
};

struct btz_metrics {
    struct btz_counters *c; /* stays where it is when the file was cut and is made anew */
    struct btz_cover *cover;
    char *path;
    struct btz_name *known; /* of the configuration: models, then upstreams */
    size_t models, upstreams;
    int fd;                 /* locked while a name is added */
    pthread_mutex_t naming; /* the same between threads, whose lock is one */
    size_t worker;          /* BTZ_WORKERS: none, in-flight is not counted */
};

extern const double btz_bounds[BTZ_BUCKET_KINDS][BTZ_BUCKETS - 1]; /* 0: no such bound */
extern const char *const btz_outcome_names[BTZ_OUTCOMES];
extern const char *const btz_call_names[BTZ_CALLS];
extern const char *const btz_word_names[BTZ_WORDS];
extern const char *const btz_refused_names[BTZ_REFUSED_KINDS];

struct btz_series_name {
    const char *model, *upstream, *operation;
};
void btz_series_name(const struct btz_counters *c, const struct btz_series *s,
                     struct btz_series_name *out);
uint64_t btz_in_flight(const struct btz_metrics *m);

#endif
