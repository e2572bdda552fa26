/* Where a request goes: who serves the model, in which order, in which words. */
#include "gate/exchange.h"

#include <stdlib.h>

static bool is_openai(enum btz_protocol p)
{
    return p <= BTZ_PROTOCOL_MODELS;
}

/* In which protocol an upstream is asked; COUNT: it cannot be. */
static enum btz_protocol spoken(const struct btz_exchange *x, const struct btz_upstream_conf *u)
{
    enum btz_protocol p = x->route->protocol;

    if (x->route->declared || x->route->mcp)
        return p;
    switch (u->dialect) {
    case BTZ_UPSTREAM_OPENAI:
        return p == BTZ_PROTOCOL_MESSAGES ? BTZ_PROTOCOL_CHAT
               : is_openai(p)             ? p
                                          : BTZ_PROTOCOL_COUNT;
    case BTZ_UPSTREAM_ANTHROPIC:
        if (p == BTZ_PROTOCOL_CHAT)
            return BTZ_PROTOCOL_MESSAGES;
        return p == BTZ_PROTOCOL_MESSAGES || p == BTZ_PROTOCOL_COUNT_TOKENS ||
                       p == BTZ_PROTOCOL_MODELS
                   ? p
                   : BTZ_PROTOCOL_COUNT;
    case BTZ_UPSTREAM_OLLAMA: /* speaks OpenAI's words as well */
        return p == BTZ_PROTOCOL_MESSAGES       ? BTZ_PROTOCOL_CHAT
               : p == BTZ_PROTOCOL_COUNT_TOKENS ? BTZ_PROTOCOL_COUNT
                                                : p;
    default:
        return BTZ_PROTOCOL_COUNT;
    }
}

static void add(struct btz_exchange *x, size_t upstream, const char *model)
{
    const struct btz_upstream_conf *u = x->gate->conf->upstreams.items;
    enum btz_protocol protocol;

    if (upstream >= x->gate->conf->upstreams.count || x->candidate_count == BTZ_CANDIDATES)
        return;
    protocol = spoken(x, &u[upstream]);
    if (protocol == BTZ_PROTOCOL_COUNT)
        return;
    x->candidates[x->candidate_count++] = (struct candidate){
        .upstream = upstream, .model = model && *model ? model : x->model, .protocol = protocol
    };
}

/* Those with weight in random order by weight, then those for when all others failed. */
static void add_weighted(struct btz_exchange *x, const struct btz_model_conf *m)
{
    const struct btz_served_conf *served = m->upstreams.items;
    bool taken[BTZ_CANDIDATES] = { false };
    size_t count = m->upstreams.count < BTZ_CANDIDATES ? m->upstreams.count : BTZ_CANDIDATES;
    uint64_t left = 0;

    for (size_t i = 0; i < count; i++)
        left += (uint64_t)served[i].weight;
    while (left > 0) {
        uint64_t at = btz_rng_below(&x->gate->rng, (uint32_t)left);

        for (size_t i = 0; i < count; i++) {
            uint64_t weight = taken[i] ? 0 : (uint64_t)served[i].weight;

            if (at >= weight) {
                at -= weight;
                continue;
            }
            taken[i] = true;
            left -= weight;
            add(x, btz_gate_upstream(x->gate->conf, served[i].upstream), served[i].model);
            break;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (served[i].weight == 0)
            add(x, btz_gate_upstream(x->gate->conf, served[i].upstream), served[i].model);
}

static void add_any_openai(struct btz_exchange *x)
{
    for (size_t i = 0; i < x->gate->conf->upstreams.count && x->candidate_count == 0; i++)
        add(x, i, NULL);
}

/* Upstreams that are left alone go out, unless that leaves none that could be asked. */
static void drop_open(struct btz_exchange *x, bool *all_open)
{
    size_t kept = 0;

    for (size_t i = 0; i < x->candidate_count; i++)
        if (btz_circuit_may(x->gate->circuits, x->candidates[i].upstream, x->now_ms))
            x->candidates[kept++] = x->candidates[i];
    *all_open = kept == 0 && x->candidate_count > 0;
    x->candidate_count = kept;
}

enum btz_step btz_exchange_target(struct btz_exchange *x)
{
    const struct btz_gate_conf *conf = x->gate->conf;
    bool all_open;

    if (conf->upstreams.count == 0)
        return btz_exchange_refuse(x, 503, "no_upstream", "no upstream is configured");
    if (x->route->declared)
        add(x, btz_gate_upstream(conf, x->route->declared->upstream), NULL);
    else if (x->route->mcp)
        add(x, btz_gate_upstream(conf, x->route->mcp->upstream), NULL);
    else if (x->model && x->model_conf && x->model_conf->upstreams.count > 0)
        add_weighted(x, x->model_conf);
    else if (x->model && (x->model_conf || conf->models.count == 0))
        add(x, 0, NULL);
    else if (x->model)
        return btz_exchange_refuse(x, 404, "model_not_found", "there is no model %.100s", x->model);
    else
        add_any_openai(x);
    if (x->candidate_count == 0)
        return btz_exchange_refuse(x, 400, "protocol_not_served",
                                   "no upstream of this model can be asked in this protocol");
    drop_open(x, &all_open);
    if (all_open)
        return btz_exchange_refuse(x, 503, "upstream_unavailable",
                                   "every upstream of this model failed lately; try again later");
    return BTZ_STEP_GO;
}

/* ---- going there ------------------------------------------------------------------------------------------------------ */

/* Without room to grow: some upstreams answer before they read all of it. */
static void fit(struct btz_buf *b)
{
    uint8_t *fitted = b->len > 0 && b->len < b->cap ? realloc(b->ptr, b->len) : NULL;

    if (!fitted)
        return;
    b->ptr = fitted;
    b->cap = b->len;
}

static enum btz_err write_body(struct btz_exchange *x, const struct candidate *c)
{
    struct btz_message *m = &x->request;
    bool asked = false;

    btz_buf_clear(&x->out_body);
    if (x->has_translated) {
        btz_message_release(&x->translated);
        x->has_translated = false;
    }
    if (c->protocol != x->route->protocol && x->has_request) {
        uint64_t max = x->model_conf ? (uint64_t)x->model_conf->max_tokens : 4096;

        BTZ_TRY(btz_translate_request(m, c->protocol, max, &x->arena, &x->translated));
        x->has_translated = true;
        m = &x->translated;
    }
    if (x->model && c->model && !btz_slice_is(m->model, c->model))
        BTZ_TRY(btz_message_set_model(m, c->model));
    if (m->stream)
        BTZ_TRY(btz_message_ask_usage(m, &asked));
    x->hide_usage = x->hide_usage || asked;
    if (!m->changed && !x->has_translated)
        return BTZ_OK;
    BTZ_TRY(btz_message_write(m, &x->out_body));
    fit(&x->out_body);
    return BTZ_OK;
}

/* The path of a URL without a slash at its end; may be empty. */
static struct btz_slice base_of(const char *url)
{
    const char *at = strchr(strstr(url, "://") + 3, '/');
    struct btz_slice base = btz_str(at);

    while (base.len > 0 && base.ptr[base.len - 1] == '/')
        base.len--;
    return base;
}

static bool path_of(struct btz_exchange *x, const struct candidate *c, struct btz_forward *out)
{
    const struct btz_upstream_conf *u = x->gate->conf->upstreams.items;
    struct btz_slice base = base_of(u[c->upstream].url), path = x->in->path, root = btz_str("");
    const char *whole;

    if (x->route->mcp)
        path = btz_str(x->route->mcp->path);
    else if (c->protocol != x->route->protocol)
        path = btz_str(c->protocol == BTZ_PROTOCOL_CHAT ? "/v1/chat/completions" : "/v1/messages");
    if (btz_slice_has_prefix(path, btz_str("/v1/")) && !x->route->mcp) {
        root = btz_str(u[c->upstream].root);
        path = btz_slice_sub(path, 3, path.len);
    }
    /* People write the address with its root, as the vendors document it, or without. */
    if (root.len > 0 && base.len >= root.len &&
        btz_slice_equal(btz_slice_sub(base, base.len - root.len, root.len), root))
        base.len -= root.len;
    whole = btz_arena_printf(&x->arena, "%.*s%.*s%.*s", BTZ_SLICE_ARG(base), BTZ_SLICE_ARG(root),
                             BTZ_SLICE_ARG(path));
    out->path = btz_str(whole);
    return whole != NULL;
}

bool btz_exchange_forward(struct btz_exchange *x, unsigned attempt, struct btz_forward *out)
{
    struct candidate *c;

    if (attempt >= x->candidate_count) {
        btz_exchange_refuse(x, 502, "upstream_failed", "no upstream answered");
        return false;
    }
    c = &x->candidates[attempt];
    memset(out, 0, sizeof *out);
    if (x->has_request && x->request.root && write_body(x, c) != BTZ_OK) {
        btz_exchange_refuse(x, 400, "not_translatable", "%s", btz_error_detail());
        return false;
    }
    if (!path_of(x, c, out))
        return false;
    x->current = attempt;
    x->spoken = c->protocol;
    x->attempts = attempt + 1;
    x->forwarded = true;
    out->upstream = c->upstream;
    out->query = x->in->query;
    out->mcp_session = x->session_in;
    out->body = x->out_body.len ? btz_buf_slice(&x->out_body) : x->body;
    out->content_type = x->has_request && x->request.root ? "application/json" : NULL;
    out->last = attempt + 1 == x->candidate_count;
    return true;
}

void btz_exchange_attempted(struct btz_exchange *x, unsigned status)
{
    const struct btz_upstream_conf *u = x->gate->conf->upstreams.items;
    size_t which = x->candidates[x->current].upstream;

    if (x->candidate_count == 0 || x->candidates[x->current].tried)
        return;
    x->candidates[x->current].tried = true;
    x->upstream_status = status;
    if (status == 0 || status == 429 || status >= 500)
        btz_circuit_failed(x->gate->circuits, which, (uint64_t)u[which].break_after,
                           (uint64_t)u[which].break_ms, btz_gate_now_ms(x->gate));
    else
        btz_circuit_ok(x->gate->circuits, which);
}

bool btz_exchange_retries(const struct btz_exchange *x, unsigned status, bool sent)
{
    bool lost = status == 0 && sent;

    /* Nothing was done: nobody got it, or said that he would not. */
    if (status == 429 || status == 503 || (status == 0 && !lost))
        return true;
    return (lost || status == 500 || status == 502 || status == 504) && x->model_conf &&
           x->model_conf->retry;
}

void btz_exchange_sent(struct btz_exchange *x)
{
    btz_buf_release(&x->out_body);
}
