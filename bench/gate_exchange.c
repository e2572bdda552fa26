/*
 * CPU of one exchange without nginx, by its parts: what the gateway adds to a proxy, before a socket is touched. A 1 KB
 * chat request, answered whole (300 bytes) and as a stream of 20 events; identity, policy, limits, guard and journal on.
 * Floor: the same bytes copied once.
 *
 *   bench/gate_exchange [exchanges] [whole|stream]
 */
#include <time.h>

#include "base/base.h"

/* The fixture of the unit tests, without their framework. */
#define fail_msg(...)          (fprintf(stderr, __VA_ARGS__), exit(70))
#define assert_true(x)         ((x) ? (void)0 : (void)fail_msg("%s\n", #x))
#define assert_non_null(x)     assert_true((x) != NULL)
#define assert_int_equal(x, y) assert_true((x) == (y))
#include "../tests/unit/gate_fixture.h"

/* As in gate.mjs. */
#define YAML                                                                                       \
    "version: 1\n"                                                                                 \
    "gate:\n"                                                                                      \
    "  upstreams: [{name: mock, url: 'http://127.0.0.1:9'}]\n"                                     \
    "  guard: {canaries: [CANARY-zebra-41-quartz], rules: [{detector: canary, action: block}]}\n"  \
    "  limits:\n"                                                                                  \
    "    - {each: principal, requests_per_minute: 100000000, tokens_per_minute: 4000000000, "      \
    "concurrency: 5000, budget: 1000000}\n"                                                        \
    "    - {each: model, requests_per_minute: 100000000}\n"

enum part { PART_HEAD, PART_BODY, PART_FORWARD, PART_RESPONSE, PART_PIECES, PART_END, PART_COUNT };
static const char *const part_names[] = { "head", "body", "forward", "response", "pieces", "end" };
static uint64_t spent[PART_COUNT];

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char question[] =
    "Could you tell me in a few words what the weather will be like on Thursday in Lisbon, and "
    "whether I should take an umbrella? ";

static void request_text(struct btz_buf *out, bool stream)
{
    *out = BTZ_BUF(65536);
    if (btz_buf_printf(out,
                       "{\"model\":\"m\",\"stream\":%s,\"messages\":[{\"role\":\"system\","
                       "\"content\":\"You are a helpful assistant.\"},{\"role\":\"user\","
                       "\"content\":\"",
                       stream ? "true" : "false") != BTZ_OK)
        exit(70);
    for (int i = 0; i < 7; i++)
        if (btz_buf_add(out, question, sizeof question - 1) != BTZ_OK)
            exit(70);
    if (btz_buf_printf(out, "\"}]}") != BTZ_OK)
        exit(70);
}

static const char whole[] =
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"m\","
    "\"choices\":"
    "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"It will be sunny on Thursday, "
    "with a light wind; leave the umbrella at home.\"},\"finish_reason\":\"stop\"}],\"usage\":{"
    "\"prompt_tokens\":200,\"completion_tokens\":20,\"total_tokens\":220}}";

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, btz_error_detail());
    exit(70);
}

static void pieces(struct btz_exchange *x, bool stream)
{
    static struct btz_buf out;
    char event[300];

    out = BTZ_BUF(1 << 20);
    if (!stream)
        check(btz_exchange_pieces(x, btz_str(whole), true, &out) == BTZ_STEP_GO, "answer");
    for (int i = 0; stream && i < 20; i++) {
        snprintf(event, sizeof event,
                 "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                 "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word%d\"},"
                 "\"finish_reason\":null}]}\n\n",
                 i);
        check(btz_exchange_pieces(x, btz_str(event), false, &out) == BTZ_STEP_GO, "event");
    }
    if (stream)
        check(btz_exchange_pieces(x, btz_str("data: [DONE]\n\n"), true, &out) == BTZ_STEP_GO,
              "end of the stream");
    btz_buf_release(&out);
}

static void exchange(struct gate_place *p, const char *key, struct btz_slice body, bool stream)
{
    struct btz_incoming in = { .request_id = "0123456789abcdef0123456789abcdef",
                               .address_text = "127.0.0.1",
                               .method = btz_str("POST"),
                               .path = btz_str("/v1/chat/completions"),
                               .content_type = btz_str("application/json"),
                               .authorization = btz_slice_of("", 0),
                               .x_api_key = btz_str(key),
                               .content_length = (int64_t)body.len };
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str(stream ? "text/event-stream"
                                                                     : "application/json"),
                                      .content_length = -1 };
    struct btz_end_facts facts = { .how = BTZ_END_DONE, .status = 200 };
    enum btz_response_mode mode;
    struct btz_exchange *x;
    struct btz_forward f;
    uint64_t at[PART_COUNT + 1];

    at[0] = cpu_ns();
    check(btz_exchange_new(p->gate, &in, &x) == BTZ_OK, "new");
    check(btz_exchange_head(x) == BTZ_STEP_GO, "head");
    at[1] = cpu_ns();
    check(gate_body(x, body) == BTZ_STEP_GO, "body");
    at[2] = cpu_ns();
    check(btz_exchange_forward(x, 0, &f), "forward");
    btz_exchange_attempted(x, 200);
    at[3] = cpu_ns();
    check(btz_exchange_response(x, &head, &mode) == BTZ_STEP_GO, "response");
    at[4] = cpu_ns();
    pieces(x, stream);
    at[5] = cpu_ns();
    btz_exchange_end(x, &facts, NULL);
    btz_exchange_free(x);
    at[6] = cpu_ns();
    for (int i = 0; i < PART_COUNT; i++)
        spent[i] += at[i + 1] - at[i];
}

/* The daemon's part: somebody must read what is written, or the ring is full. */
static void drain(struct btz_journal_reader *r)
{
    struct btz_journal_record records[256];
    size_t n;

    do {
        check(btz_journal_fetch(r, 0, records, BTZ_COUNT(records), &n) == BTZ_OK, "journal");
        btz_journal_done(r);
    } while (n > 0);
}

static void measure(struct gate_place *p, struct btz_journal_reader *r, bool stream, int count)
{
    BTZ_BUF_RELEASE struct btz_buf body;
    const char *key = gate_key(KEY_ALICE);
    uint64_t sum = 0;

    request_text(&body, stream);
    memset(spent, 0, sizeof spent);
    for (int i = 0; i < count; i++) {
        if (i % 200 == 0)
            drain(r);
        exchange(p, key, btz_buf_slice(&body), stream);
    }
    for (int i = 0; i < PART_COUNT; i++) {
        printf("{\"name\":\"exchange.%s.%s\",\"value\":%.2f,\"unit\":\"us\"}\n",
               stream ? "stream" : "whole", part_names[i], (double)spent[i] / 1000 / count);
        sum += spent[i];
    }
    printf("{\"name\":\"exchange.%s\",\"value\":%.2f,\"unit\":\"us\",\"body_bytes\":%zu}\n",
           stream ? "stream" : "whole", (double)sum / 1000 / count, body.len);
}

static void floor_of(int count)
{
    static char from[4096], to[4096];
    uint64_t start = cpu_ns();

    for (int i = 0; i < count; i++) {
        from[i % 4096]++;
        memcpy(to, from, 1400);
        __asm__ volatile("" : : "r"(to) : "memory");
    }
    printf("{\"name\":\"exchange.floor\",\"value\":%.3f,\"unit\":\"us\"}\n",
           (double)(cpu_ns() - start) / 1000 / count);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 20000;
    struct btz_journal_reader *reader;
    struct gate_place place;
    char folder[100];

    gate_open(&place, YAML);
    snprintf(folder, sizeof folder, "%s/gate/journal", place.folder);
    check(btz_journal_reader_open(folder, &reader) == BTZ_OK, folder);
    floor_of(count);
    if (argc < 3 || strcmp(argv[2], "whole") == 0)
        measure(&place, reader, false, count);
    if (argc < 3 || strcmp(argv[2], "stream") == 0)
        measure(&place, reader, true, count);
    btz_journal_reader_close(reader);
    gate_close(&place);
    return 0;
}
