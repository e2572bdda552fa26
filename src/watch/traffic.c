#include "watch/traffic.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/circuit.h"
#include "watch/otlp.h"
#include "watch/sequencer.h"

#define STUCK_MS   15000
#define LIMITS_MAX 500 /* shown: a gateway may have a counter for each of many people */

struct btz_traffic {
    struct btz_traffic_options o;
    struct btz_sequencer *sequencer;
    struct btz_otlp *otlp;
    struct btz_access_live live;
};

static enum btz_err path_of(const struct btz_traffic *t, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/gate/%s", t->o.state_dir, name);

    return n > 0 && n < PATH_MAX ? BTZ_OK
                                 : btz_fail(BTZ_USAGE, "state folder: the path is too long");
}

/* Anew each time: workers of another version may have begun another file. */
static enum btz_err open_metrics(const struct btz_traffic *t, struct btz_metrics **out)
{
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "metrics", path));
    return btz_metrics_open(path, NULL, 0, NULL, 0, out);
}

/* ---- circuits and limits ---- */

typedef enum btz_err circuit_fn(void *user, const char *upstream, bool open);

static enum btz_err each_circuit(const struct btz_traffic *t, circuit_fn *each, void *user)
{
    const struct btz_upstream_conf *u = t->o.gate ? t->o.gate->upstreams.items : NULL;
    size_t count = t->o.gate ? t->o.gate->upstreams.count : 0;
    const char *names[BTZ_CIRCUITS];
    struct btz_circuits *c;
    enum btz_err err = BTZ_OK;
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "circuits", path));
    if (count == 0 || count > BTZ_CIRCUITS || access(path, F_OK) != 0)
        return BTZ_OK;
    for (size_t i = 0; i < count; i++)
        names[i] = u[i].name;
    BTZ_TRY(btz_circuits_open(path, names, count, &c));
    for (size_t i = 0; err == BTZ_OK && i < count; i++)
        err = each(user, names[i], btz_circuit_is_open(c, i, btz_clock_unix_ms()));
    btz_circuits_close(c);
    return err;
}

struct walk {
    struct btz_buf *text;
    json_t *list;
    size_t count;
    bool used; /* second pass over the text: limit, then used */
    enum btz_err err;
};

static const char *const scopes[] = { "principal", "group", "key", "model", "everything" };
static const char *const kinds[] = { "requests_per_minute", "tokens_per_minute",
                                     "concurrency",         "budget",
                                     "request_bytes",       "response_bytes" };

static void on_limit(void *user, const struct btz_limit_state *s)
{
    struct walk *w = user;
    double unit = s->kind == BTZ_LIMIT_BUDGET ? 1e6 : 1;
    const char *labels[] = { "scope", scopes[s->scope], "name", s->name,
                             "kind",  kinds[s->kind],   NULL };

    if (w->err != BTZ_OK || w->count++ >= LIMITS_MAX)
        return;
    if (w->text)
        w->err = btz_prometheus_sample(w->text,
                                       w->used ? "bartizan_gate_limit_used" : "bartizan_gate_limit",
                                       labels, (double)(w->used ? s->used : s->limit) / unit);
    else if (json_array_append_new(w->list, json_pack("{s:s, s:s, s:s, s:f, s:f}", "scope",
                                                      labels[1], "name", s->name, "kind", labels[5],
                                                      "limit", (double)s->limit / unit, "used",
                                                      (double)s->used / unit)) != 0)
        w->err = btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err walk_limits(const struct btz_traffic *t, struct walk *w)
{
    struct btz_limits *l;
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "limits", path));
    if (!t->o.gate || t->o.gate->limits.count == 0 || access(path, F_OK) != 0)
        return BTZ_OK;
    BTZ_TRY(btz_limits_open(path, t->o.gate->limits.items, t->o.gate->limits.count, &l));
    btz_limits_walk(l, btz_clock_unix_ms(), on_limit, w);
    btz_limits_close(l);
    return w->err;
}

/* ---- text ---- */

static enum btz_err one(struct btz_buf *out, const char *name, const char *type, const char *help,
                        double value)
{
    BTZ_TRY(btz_prometheus_head(out, name, type, help));
    return btz_prometheus_sample(out, name, NULL, value);
}

static enum btz_err write_journal(const struct btz_traffic *t, struct btz_buf *out)
{
    struct btz_sequencer_state s;

    btz_sequencer_look(t->sequencer, &s);
    BTZ_TRY(one(out, "bartizan_journal_records_total", "counter", "Records that workers wrote.",
                (double)s.counts.written));
    BTZ_TRY(one(out, "bartizan_journal_lost_total", "counter",
                "Records that found no room in the journal.", (double)s.counts.lost));
    BTZ_TRY(one(out, "bartizan_journal_damaged_total", "counter",
                "Places of the journal that were passed over.", (double)s.counts.damaged));
    BTZ_TRY(one(out, "bartizan_journal_waiting", "gauge", "Records not in the ledger yet.",
                (double)s.counts.waiting));
    BTZ_TRY(one(out, "bartizan_journal_late_total", "counter",
                "Entries that came into the ledger over 10 s late.", (double)s.late));
    BTZ_TRY(one(out, "bartizan_journal_failing", "gauge", "1: the ledger cannot be written.",
                s.failing));
    return one(out, "bartizan_ledger_entries", "gauge", "Entries of the ledger, when last written.",
               (double)s.ledger_size);
}

static enum btz_err circuit_text(void *user, const char *upstream, bool open)
{
    const char *labels[] = { "upstream", upstream, NULL };

    return btz_prometheus_sample(user, "bartizan_gate_circuit_open", labels, open);
}

static enum btz_err write_others(struct btz_traffic *t, struct btz_buf *out)
{
    struct walk limit = { .text = out }, used = { .text = out, .used = true };

    BTZ_TRY(write_journal(t, out));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_circuit_open", "gauge",
                                "1: the upstream is left alone."));
    BTZ_TRY(each_circuit(t, circuit_text, out));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_limit", "gauge", "What a limit allows."));
    BTZ_TRY(walk_limits(t, &limit));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_limit_used", "gauge", "What is used of it."));
    BTZ_TRY(walk_limits(t, &used));
    if (!t->otlp)
        return BTZ_OK;
    return one(out, "bartizan_otlp_dropped_total", "counter",
               "Spans that were not exported: the queue was full, or nobody took them.",
               (double)btz_otlp_dropped(t->otlp));
}

static enum btz_err give_metrics(void *user, struct btz_buf *out)
{
    struct btz_traffic *t = user;
    struct btz_metrics *m;
    enum btz_err err;

    BTZ_TRY(open_metrics(t, &m));
    err = btz_metrics_write(m, out);
    btz_metrics_close(m);
    return err == BTZ_OK ? write_others(t, out) : err;
}

/* ---- JSON ---- */

static enum btz_err circuit_json(void *user, const char *upstream, bool open)
{
    return json_array_append_new(user, json_pack("{s:s, s:b}", "upstream", upstream, "open", open))
               ? btz_fail(BTZ_LIMIT, "out of memory")
               : BTZ_OK;
}

static json_t *journal_json(const struct btz_traffic *t)
{
    struct btz_sequencer_state s;

    btz_sequencer_look(t->sequencer, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:s}", "written", (json_int_t)s.counts.written,
                     "lost", (json_int_t)s.counts.lost, "damaged", (json_int_t)s.counts.damaged,
                     "waiting", (json_int_t)s.counts.waiting, "late", (json_int_t)s.late, "failing",
                     s.failing, "reason", s.reason);
}

static enum btz_err give_traffic(void *user, json_t **out)
{
    struct btz_traffic *t = user;
    struct walk w = { .list = json_array() };
    json_t *circuits = json_array();
    BTZ_JSON json_t *o = NULL;
    struct btz_metrics *m;
    enum btz_err err = open_metrics(t, &m);

    if (err == BTZ_OK) {
        err = btz_metrics_json(m, &o);
        btz_metrics_close(m);
    }
    if (err == BTZ_OK)
        err = each_circuit(t, circuit_json, circuits);
    if (err == BTZ_OK)
        err = walk_limits(t, &w);
    if (err != BTZ_OK) {
        json_decref(circuits);
        json_decref(w.list);
        return err;
    }
    if (json_object_set_new(o, "circuits", circuits) != 0 ||
        json_object_set_new(o, "limits", w.list) != 0 ||
        json_object_set_new(o, "journal", journal_json(t)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *out = json_incref(o);
    return BTZ_OK;
}

static enum btz_err give_calls(void *user, json_t **out)
{
    struct btz_traffic *t = user;

    *out = btz_sequencer_calls(t->sequencer);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err give_ready(void *user, bool *ready, json_t **out)
{
    struct btz_traffic *t = user;
    struct btz_sequencer_state s;
    bool journal, snapshot;

    btz_sequencer_look(t->sequencer, &s);
    journal = s.worked_ms_ago < STUCK_MS;
    snapshot = access(btz_access_snapshot_path(t->o.access), R_OK) == 0;
    *ready = journal && snapshot && !s.failing;
    *out =
        json_pack("{s:b, s:b, s:b}", "journal", journal, "ledger", !s.failing, "policy", snapshot);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

/* ---- life ---- */

static void on_logged(void *user, const struct btz_record_view *call)
{
    struct btz_traffic *t = user;

    if (t->otlp)
        btz_otlp_span(t->otlp, call);
}

static enum btz_err start(struct btz_traffic *t)
{
    struct btz_sequencer_options sequencer = { .access = t->o.access,
                                               .state_dir = t->o.state_dir,
                                               .log = t->o.log,
                                               .logged = on_logged,
                                               .user = t };
    struct btz_otlp_options otlp = { .log = t->o.log };
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "metrics", path));
    if (t->o.gate && t->o.gate->otlp && t->o.gate->otlp[0]) {
        otlp.endpoint = t->o.gate->otlp;
        otlp.metrics_path = path;
        BTZ_TRY(btz_otlp_start(&otlp, &t->otlp));
    }
    BTZ_TRY(btz_sequencer_start(&sequencer, &t->sequencer));
    t->live = (struct btz_access_live){ .user = t,
                                        .metrics = give_metrics,
                                        .traffic = give_traffic,
                                        .calls = give_calls,
                                        .ready = give_ready };
    btz_access_set_live(t->o.access, &t->live);
    return BTZ_OK;
}

enum btz_err btz_traffic_start(const struct btz_traffic_options *o, struct btz_traffic **out)
{
    struct btz_traffic *t = calloc(1, sizeof *t);
    enum btz_err err;

    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    t->o = *o;
    err = start(t);
    if (err != BTZ_OK) {
        btz_traffic_stop(t);
        return err;
    }
    *out = t;
    return BTZ_OK;
}

void btz_traffic_stop(struct btz_traffic *t)
{
    if (!t)
        return;
    btz_access_set_live(t->o.access, NULL);
    btz_sequencer_stop(t->sequencer);
    btz_otlp_stop(t->otlp);
    free(t);
}
