/*
 * otlp: spans and metrics to a collector, OTLP/HTTP with JSON (opentelemetry-proto 1.x), names of the GenAI conventions.
 * In a thread of its own; the queue is bounded, what finds no room or no taker is counted and forgotten.
 */
#ifndef BTZ_WATCH_OTLP_H
#define BTZ_WATCH_OTLP_H

#include "gate/journal/journal.h"

struct btz_otlp_options {
    const char *endpoint;     /* "http://127.0.0.1:4318": /v1/traces and /v1/metrics go behind it */
    const char *metrics_path; /* file of the counters; NULL: no metrics */
    unsigned batch_ms;        /* spans are gathered that long; 0: 2 s */
    unsigned metrics_ms;      /* 0: 10 s */
    size_t queue;             /* spans; 0: 4096 */
    struct btz_log *log;
};
struct btz_otlp;
BTZ_CHECKED enum btz_err btz_otlp_start(const struct btz_otlp_options *o, struct btz_otlp **out);
/* Sends what is queued, for a second at most. */
void btz_otlp_stop(struct btz_otlp *x);
/* Never waits. */
void btz_otlp_span(struct btz_otlp *x, const struct btz_record_view *call);
uint64_t btz_otlp_dropped(struct btz_otlp *x);
uint64_t btz_otlp_sent(struct btz_otlp *x);

/* The text of a request's body; for tests too. */
BTZ_CHECKED enum btz_err btz_otlp_metrics(struct btz_metrics *m, uint64_t start_ms, uint64_t now_ms,
                                          struct btz_buf *out);

#endif
