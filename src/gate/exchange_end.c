/* The end: settled, counted, written down. */
#include "gate/exchange.h"

static const char *guard_word(const struct btz_exchange *x)
{
    const struct btz_guard_record *records = NULL;
    size_t hits = 0;
    bool changed = x->changed_in || x->changed_out;

    if (x->session)
        records = btz_guard_records(x->session, &hits);
    for (size_t i = 0; i < hits; i++)
        changed = changed || records[i].hit.action == BTZ_GUARD_MASK ||
                  records[i].hit.action == BTZ_GUARD_PSEUDONYMISE;
    if (x->blocked_out || (x->code && strcmp(x->code, "guard_blocked") == 0))
        return "blocked";
    if (x->scanned_in + x->scanned_out == 0)
        return "not-evaluated";
    if (changed)
        return "changed";
    return hits > 0 ? "observed" : "passed";
}

static const char *why_not(const struct btz_exchange *x)
{
    if (x->not_evaluated || x->scanned_in + x->scanned_out > 0)
        return x->not_evaluated;
    return x->code ? "refused before" : "there was no text";
}

static double cost_of(const struct btz_exchange *x, uint64_t in, uint64_t out)
{
    const struct btz_model_conf *m = x->model_conf;

    return m ? ((double)in * m->input_price + (double)out * m->output_price) / 1e6 : 0;
}

/*
 * What the upstream said it used; where it did not come to say all of it, at least what was seen. Who leaves before the
 * answer has had it made all the same: he pays what was reserved.
 */
static void count_tokens(const struct btz_exchange *x, enum btz_end how, uint64_t *in,
                         uint64_t *out)
{
    uint64_t seen = (x->scanned_out + x->skipped_out) / 3;

    *in = *out = 0;
    if (x->token_bound == 0 || !x->forwarded)
        return;
    if (!x->responded && how == BTZ_END_CLIENT_GONE) {
        *in = x->input_bound;
        *out = x->token_bound - x->input_bound;
    } else if (x->responded && x->status < 400) {
        *in = x->usage.known ? x->usage.input_tokens : x->input_bound;
        *out = x->usage.known ? x->usage.output_tokens : 0;
        if (seen > *out && (!x->usage.known || (x->streamed && !x->stream_ended)))
            *out = seen;
    }
}

/* How an upstream did is not for clients to say by leaving. */
static void judge_upstream(struct btz_exchange *x, enum btz_end how)
{
    if (!x->forwarded || x->responded)
        return;
    if (how == BTZ_END_CLIENT_GONE)
        btz_circuit_untried(x->gate->circuits, x->candidates[x->current].upstream);
    else
        btz_exchange_attempted(x, 0);
}

void btz_exchange_record(struct btz_exchange *x, const char *phase,
                         const struct btz_end_facts *facts, struct btz_call_record *out)
{
    const struct btz_upstream_conf *upstreams = x->gate->conf->upstreams.items;
    const struct candidate *c = x->forwarded ? &x->candidates[x->current] : NULL;
    bool bodies = x->gate->conf->audit.bodies == BTZ_BODIES_ALL ||
                  (x->gate->conf->audit.bodies == BTZ_BODIES_BLOCKED &&
                   strcmp(guard_word(x), "blocked") == 0);

    *out = (struct btz_call_record){
        .request = x->in->request_id,
        .phase = phase,
        .trace = x->traced ? x->trace.id : NULL,
        .parent_span = x->traced ? x->trace.parent : NULL,
        .at_ms = x->now_ms,
        .took_us = facts->took_us,
        .own_us = facts->own_us,
        .first_token_us = facts->first_token_us,
        .principal = x->id,
        .name = x->name,
        .key = x->key_id,
        .method = x->method[0] ? x->method : NULL,
        .address = x->in->address_text,
        .user_agent = btz_arena_str(&x->arena, x->in->user_agent),
        .route = x->route ? x->route->name : NULL,
        .protocol = x->route ? btz_protocol_name(x->route->protocol) : NULL,
        .action = x->route ? x->route->action : NULL,
        .resource = x->resource,
        .model = x->model,
        .upstream = c ? upstreams[c->upstream].name : NULL,
        .served_model = c ? c->model : NULL,
        .status = facts->status,
        .upstream_status = x->upstream_status,
        .attempts = x->attempts,
        .verdict = x->verdict,
        .rule = x->rule,
        .reason = x->reason[0] ? x->reason : x->form_why,
        .guard = guard_word(x),
        .guard_reason = why_not(x),
        .request_bytes = facts->request_bytes,
        .response_bytes = facts->response_bytes,
        .scanned_in = x->scanned_in,
        .skipped_in = x->skipped_in,
        .scanned_out = x->scanned_out,
        .skipped_out = x->skipped_out,
        .released_out = x->released_out,
        .scanned = x->ranges,
        .scanned_count = x->range_count,
        .stream = x->streamed,
        .cut = x->cut,
        .client_gone = facts->how == BTZ_END_CLIENT_GONE,
    };
    out->guard_mode = x->mode == BTZ_RESPONSE_PASS || x->scanned_out == 0 ? "none"
                      : x->streamed || x->raw ? btz_guard_mode_name(x->gate->conf->guard.mode)
                                              : "whole";
    if (x->session)
        out->hits = btz_guard_records(x->session, &out->hit_count);
    if (x->body.len)
        out->request_digest = x->request_digest;
    if (bodies)
        out->request_body = x->body;
}

static void write_record(struct btz_exchange *x, struct btz_call_record *r)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)64 << 20);
    uint64_t sequence;

    /* A ring without room counts what is lost; the daemon raises the alarm. */
    if (btz_record_write(r, &text) != BTZ_OK ||
        btz_journal_add(x->gate->journal, btz_buf_slice(&text), &sequence) != BTZ_OK)
        btz_error_set("the entry of a request was lost");
}

static void count_detectors(struct btz_exchange *x)
{
    const struct btz_guard_count *counts = x->session ? btz_guard_counts(x->session) : NULL;

    for (size_t i = 0; counts && btz_guard_detectors[i]; i++)
        if (counts[i].runs || counts[i].failed)
            btz_metrics_detector(x->gate->metrics, i, counts[i].runs, counts[i].hits,
                                 counts[i].failed);
}

void btz_exchange_end(struct btz_exchange *x, const struct btz_end_facts *facts,
                      const struct btz_redis_command **redis)
{
    struct btz_call_record r;
    uint8_t digest[BTZ_SHA256_LEN];
    uint64_t in, out;
    bool release;

    if (redis)
        *redis = NULL;
    if (x->ended)
        return;
    x->ended = true;
    /* Streams count what they scanned when their lanes close. */
    x->streamed = x->stream != NULL;
    x->stream_ended = x->stream && btz_protocol_stream_ended(x->stream);
    btz_protocol_stream_free(x->stream);
    x->stream = NULL;
    btz_exchange_close_text(x);
    judge_upstream(x, facts->how);
    count_tokens(x, facts->how, &in, &out);
    /* A request that reached an upstream counts, also where that answered with an error, or nobody waited for it. */
    release = !x->responded && (!x->forwarded || facts->how != BTZ_END_CLIENT_GONE);
    btz_exchange_settle(x, release, in + out, cost_of(x, in, out), redis);
    btz_exchange_record(x, "end", facts, &r);
    r.input_tokens = in;
    r.output_tokens = out;
    r.tokens_known = x->usage.known;
    r.cost = release ? 0 : cost_of(x, in, out);
    btz_sha256_end(&x->response_hash, digest);
    if (x->responded && !x->nothing_sent)
        r.response_digest = digest;
    if (r.request_body.len)
        r.response_body =
            x->mode == BTZ_RESPONSE_PIECES ? btz_buf_slice(&x->kept) : btz_buf_slice(&x->collected);
    if (!x->unrecorded)
        write_record(x, &r);
    btz_metrics_end(x->gate->metrics, &r);
    count_detectors(x);
}
