/* One exchange by hand: what a client asks, what its upstream answers. For the tests of exchanges. */
#ifndef EXCHANGE_TALK_H
#define EXCHANGE_TALK_H

#include "gate_fixture.h"

#define ONE      "gate:\n  upstreams: [{name: up, url: 'http://127.0.0.1:1'}]\n"
#define CANARY   "blue-heron-7731"
#define CANARIES "  guard: {canaries: [" CANARY "]}\n"

struct talk { /* one exchange, and what became of it */
    struct btz_incoming in;
    struct btz_exchange *x;
    struct btz_buf out;
    enum btz_step step;
};

static inline void start(struct talk *t, struct gate_place *p, const char *path, const char *key)
{
    char *bearer = btz_arena_printf(&p->arena, "Bearer %s", key ? key : "");

    memset(t, 0, sizeof *t);
    t->out = BTZ_BUF(1 << 22);
    t->in = (struct btz_incoming){ .request_id = "req-1",
                                   .method = btz_str("POST"),
                                   .path = btz_str(path),
                                   .content_type = btz_str("application/json"),
                                   .authorization = key ? btz_str(bearer) : btz_str(""),
                                   .address_text = "127.0.0.1",
                                   .content_length = -1 };
    assert_int_equal(btz_exchange_new(p->gate, &t->in, &t->x), BTZ_OK);
}

static inline void begin(struct talk *t, struct gate_place *p, const char *path, const char *key)
{
    start(t, p, path, key);
    t->step = btz_exchange_head(t->x);
}

static inline void ask(struct talk *t, struct gate_place *p, const char *path, unsigned key,
                       const char *body)
{
    begin(t, p, path, gate_key(key));
    if (t->step == BTZ_STEP_GO)
        t->step = btz_exchange_body(t->x, btz_str(body));
}

static inline void finish(struct talk *t, enum btz_end how)
{
    struct btz_end_facts facts = { .how = how, .status = 200 };

    btz_exchange_end(t->x, &facts, NULL);
    btz_exchange_free(t->x);
    btz_buf_release(&t->out);
}

static inline bool holds(struct btz_slice text, const char *word)
{
    return btz_slice_has(text, word);
}

static inline void refused(struct talk *t, unsigned status, const char *code)
{
    const struct btz_answer *a = btz_exchange_answer(t->x);

    if (t->step != BTZ_STEP_REFUSE || a->status != status || !holds(a->body, code))
        fail_msg("expected %u %s, found step %d: %u %.*s", status, code, t->step, a->status,
                 BTZ_SLICE_ARG(a->body));
    finish(t, BTZ_END_REFUSED);
}

static inline struct btz_forward forward(struct talk *t)
{
    struct btz_forward f = { 0 };

    if (t->step != BTZ_STEP_GO)
        fail_msg("step %d: %.*s", t->step, BTZ_SLICE_ARG(btz_exchange_answer(t->x)->body));
    if (!btz_exchange_forward(t->x, 0, &f))
        fail_msg("%.*s", BTZ_SLICE_ARG(btz_exchange_answer(t->x)->body));
    return f;
}

/* The upstream answers `body` in one piece. */
static inline void answer(struct talk *t, unsigned status, const char *type, const char *body)
{
    struct btz_response_head head = { .status = status,
                                      .content_type = btz_str(type),
                                      .content_length = (int64_t)strlen(body) };
    enum btz_response_mode mode;

    t->step = btz_exchange_response(t->x, &head, &mode);
    if (t->step == BTZ_STEP_GO)
        t->step = btz_exchange_pieces(t->x, btz_str(body), true, &t->out);
}

#define CHAT(text)                                                                                 \
    "{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"
#define SAID(text)                                                                                 \
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"small\",\"choices\":[{\"index\":0,"  \
    "\"message\":{\"role\":\"assistant\",\"content\":\"" text                                      \
    "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,"     \
    "\"total_tokens\":7}}"

#endif
