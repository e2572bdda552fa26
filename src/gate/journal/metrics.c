/* The counters as Prometheus text (exposition format 0.0.4) and as JSON for the live page. */
#include "gate/journal/counters.h"

#include <math.h>

static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* ---- text ---- */

enum btz_err btz_prometheus_head(struct btz_buf *out, const char *name, const char *type,
                                 const char *help)
{
    return btz_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static enum btz_err write_value(struct btz_buf *out, double value)
{
    char text[64];

    if (value >= 0 && value < 1e15 && value == floor(value))
        return btz_buf_printf(out, " %" PRIu64 "\n", (uint64_t)value);
    snprintf(text, sizeof text, " %.9g\n", value);
    for (char *c = text; *c; c++)
        if (*c == ',') /* a locale's decimal point */
            *c = '.';
    return btz_buf_add_str(out, text);
}

static enum btz_err write_label(struct btz_buf *out, const char *value)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(4096);

    BTZ_TRY(btz_utf8_clean(btz_str(value), &clean));
    for (size_t i = 0; i < clean.len; i++) {
        if (clean.ptr[i] == '\n') {
            BTZ_TRY(btz_buf_add_str(out, "\\n"));
            continue;
        }
        if (clean.ptr[i] == '\\' || clean.ptr[i] == '"')
            BTZ_TRY(btz_buf_add_byte(out, '\\'));
        BTZ_TRY(btz_buf_add_byte(out, clean.ptr[i]));
    }
    return BTZ_OK;
}

enum btz_err btz_prometheus_sample(struct btz_buf *out, const char *name, const char *const *labels,
                                   double value)
{
    BTZ_TRY(btz_buf_add_str(out, name));
    for (size_t i = 0; labels && labels[i]; i += 2) {
        BTZ_TRY(btz_buf_printf(out, "%s%s=\"", i ? "," : "{", labels[i]));
        BTZ_TRY(write_label(out, labels[i + 1]));
        BTZ_TRY(btz_buf_add_byte(out, '"'));
    }
    if (labels && labels[0])
        BTZ_TRY(btz_buf_add_byte(out, '}'));
    return write_value(out, value);
}

#define LABELS_MAX 12

/* `labels` with "le" behind them. */
static enum btz_err write_histogram(struct btz_buf *out, const char *name,
                                    const char *const *labels, const struct btz_histogram *h,
                                    enum btz_buckets kind)
{
    const char *with[LABELS_MAX] = { NULL };
    char series[96], le[32];
    uint64_t count = 0;
    size_t n = 0;

    for (; labels[n] && n + 3 < LABELS_MAX; n++)
        with[n] = labels[n];
    with[n] = "le";
    with[n + 1] = le;
    snprintf(series, sizeof series, "%s_bucket", name);
    for (size_t i = 0; i < BTZ_BUCKETS; i++) {
        bool last = i == BTZ_BUCKETS - 1;

        count += get(&h->bucket[i]);
        if (!last && btz_bounds[kind][i] == 0)
            continue;
        snprintf(le, sizeof le, "%.9g", last ? 0 : btz_bounds[kind][i]);
        for (char *c = le; *c; c++)
            if (*c == ',')
                *c = '.';
        if (last)
            snprintf(le, sizeof le, "+Inf");
        BTZ_TRY(btz_prometheus_sample(out, series, with, (double)count));
    }
    snprintf(series, sizeof series, "%s_sum", name);
    BTZ_TRY(btz_prometheus_sample(out, series, labels,
                                  (double)get(&h->sum) / (kind == BTZ_OF_TOKENS ? 1 : 1e6)));
    snprintf(series, sizeof series, "%s_count", name);
    return btz_prometheus_sample(out, series, labels, (double)count);
}

static bool is_empty(const struct btz_histogram *h)
{
    for (size_t i = 0; i < BTZ_BUCKETS; i++)
        if (get(&h->bucket[i]) > 0)
            return false;
    return true;
}

static enum btz_err write_requests(const struct btz_counters *c, struct btz_buf *out)
{
    const char *name = "bartizan_gate_requests_total";

    BTZ_TRY(btz_prometheus_head(out, name, "counter", "Requests that ended."));
    for (size_t r = 0; r <= BTZ_ROUTES; r++)
        for (size_t o = 0; o < BTZ_OUTCOMES; o++) {
            const char *labels[] = { "route", r < BTZ_ROUTES ? c->route[r].text : "none", "outcome",
                                     btz_outcome_names[o], NULL };

            if (get(&c->requests[r][o]) > 0)
                BTZ_TRY(btz_prometheus_sample(out, name, labels, (double)get(&c->requests[r][o])));
        }
    name = "bartizan_gate_upstream_responses_total";
    BTZ_TRY(btz_prometheus_head(out, name, "counter", "Last answers of upstreams, by status."));
    for (size_t u = 0; u <= BTZ_UPSTREAMS; u++)
        for (size_t s = 0; s < 6; s++) {
            static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
            const char *labels[] = { "upstream", u < BTZ_UPSTREAMS ? c->upstream[u].text : "other",
                                     "status", classes[s], NULL };

            if (get(&c->answers[u][s]) > 0)
                BTZ_TRY(btz_prometheus_sample(out, name, labels, (double)get(&c->answers[u][s])));
        }
    return BTZ_OK;
}

static enum btz_err write_words(struct btz_buf *out, const char *name, const char *help,
                                const char *label, const char *const *words, size_t count,
                                const _Atomic uint64_t *values)
{
    BTZ_TRY(btz_prometheus_head(out, name, "counter", help));
    for (size_t i = 0; i < count; i++) {
        const char *labels[] = { label, words[i], NULL };

        BTZ_TRY(btz_prometheus_sample(out, name, labels, (double)get(&values[i])));
    }
    return BTZ_OK;
}

static enum btz_err write_detectors(const struct btz_counters *c, struct btz_buf *out)
{
    static const char *const names[] = { "bartizan_gate_detector_runs_total",
                                         "bartizan_gate_detector_hits_total",
                                         "bartizan_gate_detector_failed_total" };
    static const char *const helps[] = { "Texts a detector read.", "Hits of a detector.",
                                         "Texts a detector did not read to the end." };

    for (size_t k = 0; k < 3; k++) {
        BTZ_TRY(btz_prometheus_head(out, names[k], "counter", helps[k]));
        for (size_t i = 0; i < BTZ_DETECTORS && btz_guard_detectors[i]; i++) {
            const char *labels[] = { "detector", btz_guard_detectors[i]->id, NULL };

            BTZ_TRY(btz_prometheus_sample(out, names[k], labels, (double)get(&c->detector[i][k])));
        }
    }
    return BTZ_OK;
}

static enum btz_err write_flow(const struct btz_metrics *m, struct btz_buf *out)
{
    static const char *const ways[] = { "in", "out" };
    static const char *const none[] = { NULL };
    const struct btz_counters *c = m->c;
    const char *const name = "bartizan_gate_text_bytes_total";

    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_in_flight", "gauge", "Requests at hand."));
    BTZ_TRY(btz_prometheus_sample(out, "bartizan_gate_in_flight", none, (double)btz_in_flight(m)));
    BTZ_TRY(write_words(out, "bartizan_gate_bytes_total", "Bytes of bodies.", "direction", ways, 2,
                        c->bytes));
    BTZ_TRY(btz_prometheus_head(out, name, "counter",
                                "Bytes of text that the guard read, or could not read."));
    for (size_t i = 0; i < 4; i++) {
        const char *labels[] = { "direction", ways[i % 2], "scanned", i < 2 ? "yes" : "no", NULL };

        BTZ_TRY(btz_prometheus_sample(out, name, labels, (double)get(&c->text[i])));
    }
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_overhead_seconds", "histogram",
                                "Time a request spent in the gateway itself."));
    BTZ_TRY(write_histogram(out, "bartizan_gate_overhead_seconds", none, &c->own, BTZ_OF_OVERHEAD));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_series_overflow_total", "counter",
                                "Requests counted under other because the table is full."));
    return btz_prometheus_sample(out, "bartizan_gate_series_overflow_total", none,
                                 (double)get(&c->series_lost));
}

/* ---- GenAI ---- */

enum part { TOKENS, DURATION, FIRST, COST };

static enum btz_err write_series(const struct btz_counters *c, const struct btz_series *s,
                                 enum part part, const char *name, struct btz_buf *out)
{
    struct btz_series_name n;

    btz_series_name(c, s, &n);
    for (size_t i = 0; i < (part == TOKENS ? 2 : part == DURATION ? BTZ_OUTCOMES : 1); i++) {
        const struct btz_histogram *h = part == TOKENS     ? &s->tokens[i]
                                        : part == DURATION ? &s->duration[i]
                                                           : &s->first;
        const char *labels[] = { "gen_ai_operation_name",
                                 n.operation,
                                 "gen_ai_provider_name",
                                 n.upstream,
                                 "gen_ai_request_model",
                                 n.model,
                                 part == TOKENS ? "gen_ai_token_type" : "error_type",
                                 part == TOKENS ? (i ? "output" : "input") : btz_outcome_names[i],
                                 NULL };

        if (part > DURATION || (part == DURATION && i == BTZ_OUTCOME_OK))
            labels[6] = NULL;
        if (part == COST)
            BTZ_TRY(btz_prometheus_sample(out, name, labels, (double)get(&s->cost) / 1e9));
        else if (!is_empty(h))
            BTZ_TRY(write_histogram(out, name, labels, h,
                                    part == TOKENS ? BTZ_OF_TOKENS : BTZ_OF_SECONDS));
    }
    return BTZ_OK;
}

static enum btz_err write_all_series(const struct btz_counters *c, struct btz_buf *out)
{
    static const struct {
        const char *name, *type, *help;
    } parts[] = {
        { "gen_ai_client_token_usage", "histogram", "Tokens used, as upstreams report them." },
        { "gen_ai_client_operation_duration_seconds", "histogram", "Duration of operations." },
        { "gen_ai_client_operation_time_to_first_chunk_seconds", "histogram",
          "Time to the first chunk of streamed answers." },
        { "bartizan_gate_cost_total", "counter", "Cost by the configured prices." },
    };

    for (size_t p = 0; p < BTZ_COUNT(parts); p++) {
        BTZ_TRY(btz_prometheus_head(out, parts[p].name, parts[p].type, parts[p].help));
        for (size_t i = 0; i < BTZ_SERIES; i++)
            if (atomic_load(&c->series[i].key) != 0)
                BTZ_TRY(write_series(c, &c->series[i], (enum part)p, parts[p].name, out));
    }
    return BTZ_OK;
}

enum btz_err btz_metrics_write(struct btz_metrics *m, struct btz_buf *out)
{
    const struct btz_counters *c = m->c;

    BTZ_TRY(write_requests(c, out));
    BTZ_TRY(write_words(out, "bartizan_gate_refusals_total", "Requests refused, by reason.",
                        "reason", btz_refused_names, BTZ_REFUSED_KINDS, c->refused));
    BTZ_TRY(write_words(out, "bartizan_gate_guard_total", "What the guard said of requests.",
                        "verdict", btz_word_names, BTZ_WORDS, c->guard));
    BTZ_TRY(write_detectors(c, out));
    BTZ_TRY(write_flow(m, out));
    return write_all_series(c, out);
}

/* ---- the live page ---- */

static enum btz_err must_set(json_t *o, const char *name, json_t *value)
{
    if (!value || json_object_set_new(o, name, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

/* Within a bucket as if spread evenly; above the last bound: that bound. */
static double quantile(const uint64_t bucket[BTZ_BUCKETS], double q)
{
    const double *bounds = btz_bounds[BTZ_OF_SECONDS];
    uint64_t total = 0;
    double rank, below = 0, low = 0;

    for (size_t i = 0; i < BTZ_BUCKETS; i++)
        total += bucket[i];
    rank = q * (double)total;
    for (size_t i = 0; i < BTZ_BUCKETS - 1 && bounds[i] > 0; i++) {
        if (below + (double)bucket[i] >= rank && bucket[i] > 0)
            return low + (bounds[i] - low) * (rank - below) / (double)bucket[i];
        below += (double)bucket[i];
        low = bounds[i];
    }
    return total > 0 ? low : 0;
}

static json_t *outcomes_json(const uint64_t outcome[BTZ_OUTCOMES])
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < BTZ_OUTCOMES; i++)
        if (outcome[i] > 0)
            (void)json_object_set_new(o, btz_outcome_names[i],
                                      json_integer((json_int_t)outcome[i]));
    return o;
}

/* One that is being made anew shows as empty. */
static json_t *second_json(const struct btz_counters *c, uint64_t at, uint64_t bucket[BTZ_BUCKETS],
                           uint64_t outcome[BTZ_OUTCOMES])
{
    const struct btz_second *s = &c->second[at % BTZ_SECONDS];
    uint64_t own[BTZ_BUCKETS], seen[BTZ_OUTCOMES];

    if (get(&s->second) != at || get(&s->requests) == 0)
        return json_pack("{s:I, s:i}", "second", (json_int_t)at, "requests", 0);
    for (size_t i = 0; i < BTZ_BUCKETS; i++)
        bucket[i] += own[i] = get(&s->bucket[i]);
    for (size_t i = 0; i < BTZ_OUTCOMES; i++)
        outcome[i] += seen[i] = get(&s->outcome[i]);
    return json_pack("{s:I, s:I, s:o, s:I, s:I, s:f, s:f, s:f, s:f}", "second", (json_int_t)at,
                     "requests", (json_int_t)get(&s->requests), "outcomes", outcomes_json(seen),
                     "input_tokens", (json_int_t)get(&s->input), "output_tokens",
                     (json_int_t)get(&s->output), "cost", (double)get(&s->cost) / 1e9, "own_ms",
                     (double)get(&s->own_us) / 1e3 / (double)get(&s->requests), "p50_ms",
                     1e3 * quantile(own, 0.5), "p95_ms", 1e3 * quantile(own, 0.95));
}

enum btz_err btz_metrics_json(struct btz_metrics *m, json_t **out)
{
    uint64_t now = btz_clock_unix_ms() / 1000, bucket[BTZ_BUCKETS] = { 0 };
    uint64_t outcome[BTZ_OUTCOMES] = { 0 };
    BTZ_JSON json_t *o = json_object();
    json_t *seconds = json_array();

    if (!o || must_set(o, "seconds", seconds) != BTZ_OK)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (uint64_t at = now - 60; at < now; at++)
        if (json_array_append_new(seconds, second_json(m->c, at, bucket, outcome)) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(must_set(o, "in_flight", json_integer((json_int_t)btz_in_flight(m))));
    BTZ_TRY(must_set(o, "outcomes", outcomes_json(outcome)));
    BTZ_TRY(must_set(o, "p50_ms", json_real(1e3 * quantile(bucket, 0.5))));
    BTZ_TRY(must_set(o, "p95_ms", json_real(1e3 * quantile(bucket, 0.95))));
    BTZ_TRY(must_set(o, "p99_ms", json_real(1e3 * quantile(bucket, 0.99))));
    *out = json_incref(o);
    return BTZ_OK;
}
