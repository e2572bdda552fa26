/* The counters as an ExportMetricsServiceRequest in JSON: cumulative sums and histograms since they began. */
#include "gate/journal/counters.h"
#include "watch/otlp.h"

#define HEAD                                                                                       \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{"   \
    "\"stringValue\":\"bartizan\"}}]},\"scopeMetrics\":[{\"scope\":{\"name\":\"bartizan.gate\"},"  \
    "\"metrics\":["

struct writer {
    struct btz_buf *out;
    uint64_t start_ms, now_ms;
    const struct btz_counters *c;
};

static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* A comma unless a list or an object begins. */
static enum btz_err next(struct btz_buf *out)
{
    uint8_t last = out->ptr[out->len - 1];

    return last == '[' || last == '{' ? BTZ_OK : btz_buf_add_byte(out, ',');
}

static enum btz_err attribute(struct btz_buf *out, const char *name, const char *value)
{
    BTZ_JSON json_t *text = btz_json_text(btz_str(value));

    if (!text)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(next(out));
    BTZ_TRY(btz_buf_printf(out, "{\"key\":\"%s\",\"value\":{\"stringValue\":", name));
    BTZ_TRY(btz_json_write(text, false, out));
    return btz_buf_add_str(out, "}}");
}

static enum btz_err begin_point(const struct writer *w, const struct btz_series *s,
                                const char *more, const char *value)
{
    struct btz_series_name n;

    btz_series_name(w->c, s, &n);
    BTZ_TRY(next(w->out));
    BTZ_TRY(btz_buf_add_str(w->out, "{\"attributes\":["));
    BTZ_TRY(attribute(w->out, "gen_ai.operation.name", n.operation));
    BTZ_TRY(attribute(w->out, "gen_ai.provider.name", n.upstream));
    BTZ_TRY(attribute(w->out, "gen_ai.request.model", n.model));
    if (more)
        BTZ_TRY(attribute(w->out, more, value));
    return btz_buf_printf(
        w->out, "],\"startTimeUnixNano\":\"%" PRIu64 "\",\"timeUnixNano\":\"%" PRIu64 "\"",
        w->start_ms * 1000000, w->now_ms * 1000000);
}

static uint64_t total_of(const struct btz_histogram *h)
{
    uint64_t total = 0;

    for (size_t i = 0; i < BTZ_BUCKETS; i++)
        total += get(&h->bucket[i]);
    return total;
}

static enum btz_err histogram(const struct writer *w, const struct btz_histogram *h,
                              enum btz_buckets kind)
{
    struct btz_buf *out = w->out;
    uint64_t total = 0;

    BTZ_TRY(btz_buf_add_str(out, ",\"bucketCounts\":["));
    for (size_t i = 0; i < BTZ_BUCKETS; i++) {
        uint64_t n = get(&h->bucket[i]);

        if (i < BTZ_BUCKETS - 1 && btz_bounds[kind][i] == 0)
            continue;
        total += n;
        BTZ_TRY(next(out));
        BTZ_TRY(btz_buf_printf(out, "\"%" PRIu64 "\"", n));
    }
    BTZ_TRY(btz_buf_add_str(out, "],\"explicitBounds\":["));
    for (size_t i = 0; i < BTZ_BUCKETS - 1 && btz_bounds[kind][i] > 0; i++) {
        BTZ_TRY(next(out));
        BTZ_TRY(btz_buf_printf(out, "%.9g", btz_bounds[kind][i]));
    }
    return btz_buf_printf(out, "],\"count\":\"%" PRIu64 "\",\"sum\":%.9g}", total,
                          (double)get(&h->sum) / (kind == BTZ_OF_TOKENS ? 1 : 1e6));
}

enum part { TOKENS, DURATION, FIRST };

static enum btz_err series_points(const struct writer *w, const struct btz_series *s,
                                  enum part part)
{
    static const char *const types[] = { "input", "output" };
    size_t count = part == TOKENS ? 2 : part == DURATION ? BTZ_OUTCOMES : 1;

    for (size_t i = 0; i < count; i++) {
        const struct btz_histogram *h = part == TOKENS     ? &s->tokens[i]
                                        : part == DURATION ? &s->duration[i]
                                                           : &s->first;
        const char *more = part == TOKENS          ? "gen_ai.token.type"
                           : part == DURATION && i ? "error.type"
                                                   : NULL;

        if (total_of(h) == 0)
            continue;
        BTZ_TRY(begin_point(w, s, more, part == TOKENS ? types[i] : btz_outcome_names[i]));
        BTZ_TRY(histogram(w, h, part == TOKENS ? BTZ_OF_TOKENS : BTZ_OF_SECONDS));
    }
    return BTZ_OK;
}

static enum btz_err cost_points(const struct writer *w)
{
    BTZ_TRY(next(w->out));
    BTZ_TRY(btz_buf_add_str(w->out, "{\"name\":\"bartizan.gate.cost\",\"sum\":{"
                                    "\"aggregationTemporality\":2,\"isMonotonic\":true,"
                                    "\"dataPoints\":["));
    for (size_t i = 0; i < BTZ_SERIES; i++) {
        const struct btz_series *s = &w->c->series[i];

        if (atomic_load(&s->key) == 0 || get(&s->cost) == 0)
            continue;
        BTZ_TRY(begin_point(w, s, NULL, NULL));
        BTZ_TRY(btz_buf_printf(w->out, ",\"asDouble\":%.9g}", (double)get(&s->cost) / 1e9));
    }
    return btz_buf_add_str(w->out, "]}}");
}

enum btz_err btz_otlp_metrics(struct btz_metrics *m, uint64_t start_ms, uint64_t now_ms,
                              struct btz_buf *out)
{
    static const struct {
        const char *name, *unit;
    } parts[] = { { "gen_ai.client.token.usage", "{token}" },
                  { "gen_ai.client.operation.duration", "s" },
                  { "gen_ai.client.operation.time_to_first_chunk", "s" } };
    const struct writer w = { .out = out, .start_ms = start_ms, .now_ms = now_ms, .c = m->c };

    BTZ_TRY(btz_buf_add_str(out, HEAD));
    for (size_t p = 0; p < BTZ_COUNT(parts); p++) {
        BTZ_TRY(next(out));
        BTZ_TRY(btz_buf_printf(out,
                               "{\"name\":\"%s\",\"unit\":\"%s\",\"histogram\":{"
                               "\"aggregationTemporality\":2,\"dataPoints\":[",
                               parts[p].name, parts[p].unit));
        for (size_t i = 0; i < BTZ_SERIES; i++)
            if (atomic_load(&w.c->series[i].key) != 0)
                BTZ_TRY(series_points(&w, &w.c->series[i], (enum part)p));
        BTZ_TRY(btz_buf_add_str(out, "]}}"));
    }
    BTZ_TRY(cost_points(&w));
    return btz_buf_add_str(out, "]}]}]}");
}
