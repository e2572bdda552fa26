#include "watch/traffic.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/circuit.h"
#include "watch/otlp.h"
#include "watch/sequencer.h"

#define STUCK_MS   15000
#define LIMITS_MAX 500 /* shown: a gateway may have a counter for each of many people */

/* Files of the gateway that are shown here. One that cannot be read is told, and costs nothing of the others. */
enum shared { SHARED_METRICS, SHARED_CIRCUITS, SHARED_LIMITS, SHARED_FILES };
static const char *const shared_names[SHARED_FILES] = { "metrics", "circuits", "limits" };

struct btz_traffic {
    struct btz_traffic_options o;
    atomic_bool unreadable[SHARED_FILES]; /* as the log was told */
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

/* Was it opened? Why not is said once. */
static bool is_read(struct btz_traffic *t, enum shared which, enum btz_err err)
{
    bool bad = err != BTZ_OK;

    if (atomic_exchange(&t->unreadable[which], bad) != bad && bad)
        btz_log(t->o.log, BTZ_LOG_ERROR, "gate/%s cannot be read: %s", shared_names[which],
                btz_error_detail());
    return !bad;
}

/* What was opened of them, anew each time: workers of another version may have begun another file. NULL: there is none, or
 * it cannot be read. */
struct opened {
    struct btz_metrics *metrics;
    struct btz_circuits *circuits;
    struct btz_limits *limits;
    const char *names[BTZ_CIRCUITS]; /* of the upstreams */
    size_t count;
    bool unreadable[SHARED_FILES];
};

static void opened_release(struct opened *o)
{
    btz_metrics_close(o->metrics);
    btz_circuits_close(o->circuits);
    btz_limits_close(o->limits);
}
#define OPENED_SCOPE __attribute__((cleanup(opened_release)))

static enum btz_err open_circuits(struct btz_traffic *t, struct opened *o)
{
    const struct btz_upstream_conf *u = t->o.gate ? t->o.gate->upstreams.items : NULL;
    size_t count = t->o.gate ? t->o.gate->upstreams.count : 0;
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "circuits", path));
    if (count == 0 || count > BTZ_CIRCUITS || access(path, F_OK) != 0)
        return BTZ_OK;
    for (size_t i = 0; i < count; i++)
        o->names[i] = u[i].name;
    o->count = count;
    return btz_circuits_open(path, o->names, count, &o->circuits);
}

/* To look at only: what is wrong with it is not for the daemon to mend. */
static enum btz_err open_limits(struct btz_traffic *t, struct btz_limits **out)
{
    char path[PATH_MAX];

    BTZ_TRY(path_of(t, "limits", path));
    if (!t->o.gate || t->o.gate->limits.count == 0 || access(path, F_OK) != 0)
        return BTZ_OK;
    return btz_limits_view(path, t->o.gate->limits.items, t->o.gate->limits.count, out);
}

static void open_all(struct btz_traffic *t, struct opened *o)
{
    char path[PATH_MAX];
    enum btz_err err = path_of(t, "metrics", path);

    *o = (struct opened){ 0 };
    if (err == BTZ_OK)
        err = btz_metrics_open(path, NULL, 0, NULL, 0, &o->metrics);
    o->unreadable[SHARED_METRICS] = !is_read(t, SHARED_METRICS, err);
    o->unreadable[SHARED_CIRCUITS] = !is_read(t, SHARED_CIRCUITS, open_circuits(t, o));
    o->unreadable[SHARED_LIMITS] = !is_read(t, SHARED_LIMITS, open_limits(t, &o->limits));
}

/* ---- circuits and limits ---- */

typedef enum btz_err circuit_fn(void *user, const char *upstream, bool open);

static enum btz_err each_circuit(const struct opened *o, circuit_fn *each, void *user)
{
    enum btz_err err = BTZ_OK;

    for (size_t i = 0; o->circuits && err == BTZ_OK && i < o->count; i++)
        err = each(user, o->names[i], btz_circuit_is_open(o->circuits, i, btz_clock_unix_ms()));
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

static enum btz_err walk_limits(const struct opened *o, struct walk *w)
{
    if (o->limits)
        btz_limits_walk(o->limits, btz_clock_unix_ms(), on_limit, w);
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

static enum btz_err write_unreadable(const struct opened *o, struct btz_buf *out)
{
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_state_unreadable", "gauge",
                                "1: that file of the gateway cannot be read, and nothing of it is "
                                "told."));
    for (size_t i = 0; i < SHARED_FILES; i++) {
        const char *labels[] = { "file", shared_names[i], NULL };

        BTZ_TRY(
            btz_prometheus_sample(out, "bartizan_gate_state_unreadable", labels, o->unreadable[i]));
    }
    return BTZ_OK;
}

static enum btz_err write_others(struct btz_traffic *t, const struct opened *o, struct btz_buf *out)
{
    struct walk limit = { .text = out }, used = { .text = out, .used = true };

    BTZ_TRY(write_unreadable(o, out));
    BTZ_TRY(write_journal(t, out));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_circuit_open", "gauge",
                                "1: the upstream is left alone."));
    BTZ_TRY(each_circuit(o, circuit_text, out));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_limit", "gauge", "What a limit allows."));
    BTZ_TRY(walk_limits(o, &limit));
    BTZ_TRY(btz_prometheus_head(out, "bartizan_gate_limit_used", "gauge", "What is used of it."));
    BTZ_TRY(walk_limits(o, &used));
    if (!t->otlp)
        return BTZ_OK;
    return one(out, "bartizan_otlp_dropped_total", "counter",
               "Spans that were not exported: the queue was full, or nobody took them.",
               (double)btz_otlp_dropped(t->otlp));
}

static enum btz_err give_metrics(void *user, struct btz_buf *out)
{
    OPENED_SCOPE struct opened o;

    open_all(user, &o);
    if (o.metrics)
        BTZ_TRY(btz_metrics_write(o.metrics, out));
    return write_others(user, &o, out);
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

static enum btz_err traffic_json(const struct btz_traffic *t, const struct opened *opened,
                                 json_t *o)
{
    struct walk w = { .list = json_array() };
    json_t *circuits = json_array(), *unreadable = json_array();
    enum btz_err err = BTZ_OK;

    /* In the object at once: it frees them, whatever happens. */
    if (json_object_set_new(o, "circuits", circuits) != 0 ||
        json_object_set_new(o, "limits", w.list) != 0 ||
        json_object_set_new(o, "unreadable", unreadable) != 0 ||
        json_object_set_new(o, "journal", journal_json(t)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; err == BTZ_OK && i < SHARED_FILES; i++)
        if (opened->unreadable[i] &&
            json_array_append_new(unreadable, json_string(shared_names[i])) != 0)
            err = btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(err);
    BTZ_TRY(each_circuit(opened, circuit_json, circuits));
    return walk_limits(opened, &w);
}

static enum btz_err give_traffic(void *user, json_t **out)
{
    OPENED_SCOPE struct opened opened;
    BTZ_JSON json_t *o = NULL;

    open_all(user, &opened);
    if (opened.metrics)
        BTZ_TRY(btz_metrics_json(opened.metrics, &o));
    else
        o = json_pack("{s:[], s:i, s:{}}", "seconds", "in_flight", 0, "outcomes");
    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(traffic_json(user, &opened, o));
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
    struct btz_limits *l = NULL;
    bool journal, snapshot, limits;

    btz_sequencer_look(t->sequencer, &s);
    journal = s.worked_ms_ago < STUCK_MS;
    snapshot = access(btz_access_snapshot_path(t->o.access), R_OK) == 0;
    limits = is_read(t, SHARED_LIMITS, open_limits(t, &l));
    btz_limits_close(l);
    *ready = journal && snapshot && limits && !s.failing;
    *out = json_pack("{s:b, s:b, s:b, s:b}", "journal", journal, "ledger", !s.failing, "policy",
                     snapshot, "limits", limits);
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
