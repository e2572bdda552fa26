/* Cost of reading a request of 1 KB, of one event of a stream, and of one event that is renamed, changed or translated. */
#include <stdlib.h>
#include <time.h>

#include "gate/protocol/protocol.h"

enum { ROUNDS = 7, REQUESTS = 4000, EVENTS = 20000 };

static void must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "bench: %s\n", btz_error_detail());
    exit(1);
}

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void figure(const char *name, double best, double limit)
{
    printf("{\"name\":\"protocol.%s\",\"value\":%.2f,\"unit\":\"us\",\"limit\":%.0f}\n", name, best,
           limit);
}

static enum btz_err pass(void *user, struct btz_lane *lane, struct btz_slice piece, bool final,
                         struct btz_buf *out)
{
    (void)user;
    (void)lane;
    (void) final;
    return btz_buf_add_slice(out, piece);
}

/* Every blank is something else: every event changes. */
static enum btz_err change(void *user, struct btz_lane *lane, struct btz_slice piece, bool final,
                           struct btz_buf *out)
{
    size_t from = out->len;

    BTZ_TRY(pass(user, lane, piece, final, out));
    for (; from < out->len; from++)
        if (out->ptr[from] == ' ')
            out->ptr[from] = '_';
    return BTZ_OK;
}

static void request(void)
{
    struct btz_buf body = BTZ_BUF(4096);
    double best = 1e9;

    must(btz_buf_add_str(&body,
                         "{\"model\":\"gpt-4o\",\"temperature\":0.7,\"stream\":true,\"messages\":["
                         "{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"},"
                         "{\"role\":\"user\",\"content\":\""));
    while (body.len < 1018)
        must(btz_buf_add_str(&body, "word "));
    must(btz_buf_add_str(&body, "\"}]}"));
    for (int round = 0; round < ROUNDS; round++) {
        double begin = cpu_us();

        for (int i = 0; i < REQUESTS; i++) {
            struct btz_arena arena;
            struct btz_message m;

            btz_arena_init(&arena, 1 << 20);
            must(btz_request_read(BTZ_PROTOCOL_CHAT, btz_str("application/json"),
                                  btz_buf_slice(&body), &arena, &m));
            btz_message_release(&m);
            btz_arena_release(&arena);
        }
        begin = (cpu_us() - begin) / REQUESTS;
        if (begin < best)
            best = begin;
    }
    figure("request-1k", best, 15);
    btz_buf_release(&body);
}

static void events(const char *name, enum btz_protocol to, const char *model,
                   const struct btz_lane_ops *ops, double limit)
{
    static const char event[] =
        "data: "
        "{\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1694268190,"
        "\"model\":\"gpt-4o-mini\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{"
        "\"index\":0,"
        "\"delta\":{\"content\":\" and more\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_CHAT, .to = to, .model = model };
    struct btz_buf out = BTZ_BUF(1 << 20);
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        struct btz_protocol_stream *s;
        double begin = cpu_us();

        must(btz_protocol_stream_new(&o, ops, NULL, &s));
        for (int i = 0; i < EVENTS; i++) {
            btz_buf_clear(&out);
            must(btz_protocol_stream_feed(s, btz_slice_of(event, sizeof event - 1), false, &out));
        }
        btz_protocol_stream_free(s);
        begin = (cpu_us() - begin) / EVENTS;
        if (begin < best)
            best = begin;
    }
    figure(name, best, limit);
    btz_buf_release(&out);
}

int main(void)
{
    static const struct btz_lane_ops as_is = { .text = pass }, changed = { .text = change };

    request();
    events("event", BTZ_PROTOCOL_CHAT, NULL, &as_is, 5);
    events("event-renamed", BTZ_PROTOCOL_CHAT, "fast", &as_is, 5);
    events("event-changed", BTZ_PROTOCOL_CHAT, NULL, &changed, 10);
    events("event-translated", BTZ_PROTOCOL_MESSAGES, "fast", &as_is, 10);
    return 0;
}
