/*
 * journal: from the workers to the ledger. A ring a worker, in files that worker and daemon map: what a killed worker
 * wrote is still there, and so is what a killed daemon had not fetched. Single producer, single consumer, no locks.
 * The reader trusts nothing that stands in a ring.
 *
 * Also the gateway's counters (metrics.c), which all workers add to and the daemon shows.
 */
#ifndef BTZ_GATE_JOURNAL_H
#define BTZ_GATE_JOURNAL_H

#include "base/base.h"
#include "base/json.h"
#include "gate/guard/guard.h"

#define BTZ_JOURNAL_RECORD_MAX 32768
#define BTZ_JOURNAL_BODY_MAX   (512u << 10) /* of a body; what is longer is cut, with its length */
#define BTZ_JOURNAL_BYTES      (4u << 20)   /* of one ring */
#define BTZ_JOURNAL_WRITERS    64

/* ---- one request, as it is written down (record.c) ------------------------------------------------------------------ */
struct btz_range {
    uint64_t from, to;
};
struct btz_call_record {
    const char *request;             /* id of the request */
    const char *phase;               /* "begin" (durable mode, before it is forwarded) or "end" */
    const char *trace, *parent_span; /* of the client, where it continues a trace (gate/trace.h) */
    uint64_t at_ms, took_us, own_us; /* own_us: CPU or wall spent in the gateway itself */
    uint64_t first_token_us;
    const char *principal, *name, *key, *method; /* ids; method: how it was proven */
    const char *address, *user_agent;
    const char *route, *protocol, *action, *resource, *model, *upstream,
        *served_model; /* served: what upstream was asked for */
    unsigned status, upstream_status, attempts;
    const char *verdict;       /* "allow", "deny", "error" */
    const char *rule, *reason; /* policy rule; one sentence */
    const char *guard;         /* "passed", "changed", "blocked", "observed", "not-evaluated" */
    const char *guard_mode, *guard_reason; /* why not evaluated */
    const struct btz_guard_record *hits;   /* detector, channel, offsets, score: never the text */
    size_t hit_count;
    uint64_t request_bytes, response_bytes;
    uint64_t scanned_in, skipped_in, scanned_out, skipped_out, released_out; /* bytes of text */
    const struct btz_range
        *scanned; /* ranges of the response's texts that were scanned before release */
    size_t scanned_count;
    uint64_t input_tokens, output_tokens;
    bool tokens_known;
    double cost;
    const uint8_t *request_digest, *response_digest; /* SHA-256; NULL: not taken */
    bool stream, cut, client_gone;
    struct btz_slice request_body, response_body; /* only if policy says so: evidence, deletable */
};
/* A compact JSON object, at most BTZ_JOURNAL_RECORD_MAX (long texts, hits and ranges are cut, with their number), and
 * behind it the bodies, whose lengths it says. What is empty or 0 is left out. Needs a buffer that may grow to
 * BTZ_JOURNAL_RECORD_MAX and the bodies; LIMIT otherwise. */
BTZ_CHECKED enum btz_err btz_record_write(const struct btz_call_record *r, struct btz_buf *out);

/* The other way (record_parse.c): exactly what is written above, nothing else; so what it accepts can be put into an
 * entry as it stands. `value` is JSON text. */
#define BTZ_RECORD_MEMBERS 64
struct btz_record_member {
    struct btz_slice name, value;
};
struct btz_record_view { /* borrows the record */
    struct btz_record_member member[BTZ_RECORD_MEMBERS];
    size_t count;
    struct btz_slice request_body, response_body;
};
/* Errors: INPUT (says at which byte). */
BTZ_CHECKED enum btz_err btz_record_parse(struct btz_slice record, struct btz_record_view *out);
/* Text of a member without its quotes, escapes as they stand; false when there is none. */
bool btz_record_text(const struct btz_record_view *v, const char *name, struct btz_slice *out);
uint64_t btz_record_count(const struct btz_record_view *v, const char *name); /* 0: none */
double btz_record_money(const struct btz_record_view *v, const char *name);
bool btz_record_flag(const struct btz_record_view *v, const char *name);

/* ---- writing (a worker) ----------------------------------------------------------------------------------------------- */
struct btz_journal;
/* Takes a free ring of the folder (made when missing); one whose owner is dead and that is read is free. LIMIT: none. */
BTZ_CHECKED enum btz_err btz_journal_open(const char *folder, struct btz_journal **out);
void btz_journal_close(struct btz_journal *j);
/* LIMIT: no room: the record is counted as lost in the ring, and the daemon raises an alarm. `*sequence` is its number. */
BTZ_CHECKED enum btz_err btz_journal_add(struct btz_journal *j, struct btz_slice record,
                                         uint64_t *sequence);
/* Is it in the ledger, durably? OK, CONFLICT (not yet), IO (the daemon cannot write, why in the detail: "disk full"),
 * UNREACHABLE (no daemon has looked for 2 s). One load when all is well. */
BTZ_CHECKED enum btz_err btz_journal_durable(const struct btz_journal *j, uint64_t sequence);
/* May a request be taken in durable mode now? IO or UNREACHABLE as above. */
BTZ_CHECKED enum btz_err btz_journal_ready(const struct btz_journal *j);

/* ---- reading (the daemon) ---------------------------------------------------------------------------------------------- */
struct btz_journal_reader;
BTZ_CHECKED enum btz_err btz_journal_reader_open(const char *folder,
                                                 struct btz_journal_reader **out);
void btz_journal_reader_close(struct btz_journal_reader *r);
struct btz_journal_record {
    struct btz_slice bytes; /* borrowed until done() */
    unsigned writer;
    uint64_t sequence;
    uint64_t epoch; /* of the ring: a ring that is taken anew has another */
};
/* Waits until records are wanted (a writer in durable mode asks, a ring is a quarter full) or wait_ms are over, so that
 * a quiet gateway's records are gathered; then hands out at most `max`, in the order of each writer. What the ring says is
 * checked and copied first. Damaged ones are skipped and counted. Records that were fetched and are not done() are not
 * handed out again by this reader: keep them until done(). */
BTZ_CHECKED enum btz_err btz_journal_fetch(struct btz_journal_reader *r, unsigned wait_ms,
                                           struct btz_journal_record *out, size_t max,
                                           size_t *count);
/* A writer in durable mode waits, or a ring is a quarter full. */
bool btz_journal_is_wanted(struct btz_journal_reader *r);
/* Everything fetched is in the ledger: rings move on, waiting writers are told. */
void btz_journal_done(struct btz_journal_reader *r);
/* After a restart, before the first fetch: what the ledger holds already is not handed out again. The ledger is to be
 * read from the mark on: below it nothing is of a record that may still be in a ring. */
void btz_journal_skip(struct btz_journal_reader *r, unsigned writer, uint64_t epoch,
                      uint64_t sequence);
uint64_t btz_journal_mark(const struct btz_journal_reader *r);
/* When everything fetched is done and the ledger has `size` entries. The rings are made durable first, so it also holds
 * after a power failure; now and then is often enough. */
BTZ_CHECKED enum btz_err btz_journal_set_mark(struct btz_journal_reader *r, uint64_t size);
/* The reader is at work, although it does not fetch: writers in durable mode wait on. */
void btz_journal_alive(struct btz_journal_reader *r);
/* It cannot be written: writers in durable mode refuse with this reason until done() is called. */
void btz_journal_refuse(struct btz_journal_reader *r, const char *reason);
struct btz_journal_counts {
    uint64_t written, lost, damaged, waiting;
    uint64_t told_lost, told_damaged; /* of which an alarm tells */
};
void btz_journal_count(struct btz_journal_reader *r, struct btz_journal_counts *out);
void btz_journal_told(struct btz_journal_reader *r, uint64_t lost, uint64_t damaged);

/* ---- counters (metrics.c): a file that all map; label sets are bounded by the configuration ------------------------- */

struct btz_metrics;
/* `models` and `upstreams` are the configured names (a model may end in a star); others count as "other". Without any it
 * is opened for reading: the file says which names it has. Names are never taken out, so workers of an older and a newer
 * configuration count side by side. Errors: IO, INPUT (not such a file), LIMIT. */
BTZ_CHECKED enum btz_err btz_metrics_open(const char *path, const char *const *models,
                                          size_t model_count, const char *const *upstreams,
                                          size_t upstream_count, struct btz_metrics **out);
void btz_metrics_close(struct btz_metrics *m);
void btz_metrics_begin(struct btz_metrics *m); /* in flight */
/* Of the phase "end". */
void btz_metrics_end(struct btz_metrics *m, const struct btz_call_record *r);
void btz_metrics_detector(struct btz_metrics *m, size_t detector, uint32_t runs, uint32_t hits,
                          uint32_t failed);
/* Prometheus text format 0.0.4, OpenTelemetry GenAI names with underscores. */
BTZ_CHECKED enum btz_err btz_metrics_write(struct btz_metrics *m, struct btz_buf *out);
/* The last seconds and minutes for the live page: JSON. */
BTZ_CHECKED enum btz_err btz_metrics_json(struct btz_metrics *m, json_t **out);
/* What became of a request: one word of a bounded set, "ok", "denied", "limited", "blocked", ... */
const char *btz_call_outcome(const struct btz_call_record *r);
/* GenAI operation of a route: "chat", "text_completion", "embeddings", "generate_content" or "other". */
const char *btz_call_operation(const char *route);

/* Building the text by hand, for what others count: HELP and TYPE once a name, then its samples. `labels` is a list of
 * name and value, ends in NULL. */
BTZ_CHECKED enum btz_err btz_prometheus_head(struct btz_buf *out, const char *name,
                                             const char *type, const char *help);
BTZ_CHECKED enum btz_err btz_prometheus_sample(struct btz_buf *out, const char *name,
                                               const char *const *labels, double value);

#endif
