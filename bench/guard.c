/* What the guard costs: microseconds a KB of ordinary text, all detectors and each alone, whole and in a stream of small
 * pieces; and hostile texts, which must stay linear. */
#include <stdlib.h>
#include <time.h>

#include "gate/guard/inside.h"

enum { ROUNDS = 9 };

static const char english[] = "To stop a process, list the running ones with `ps aux`, note the "
                              "number in the second column and send it a signal: "
                              "kill -15 lets it clean up, kill -9 ends it at once. Don't do that "
                              "to a database. In 2024 we measured 12.5 ms on "
                              "average (see https://example.com/docs/signals for details), which "
                              "is fine for most uses of the service. ";
static const char russian[] = "Чтобы остановить процесс, посмотрите список командой ps, найдите "
                              "номер во втором столбце и отправьте сигнал. Не делайте этого с "
                              "базой данных. ";

static struct btz_buf sample(const char *text, size_t bytes)
{
    struct btz_buf out = BTZ_BUF(bytes + 1024);

    while (out.len < bytes)
        if (btz_buf_add_str(&out, text) != BTZ_OK)
            exit(70);
    out.len = bytes;
    while (out.len > 0 && (out.ptr[out.len - 1] & 0x80))
        out.len--;
    return out;
}

static const char *canaries[] = { "blue heron 42 over the lake" };

/* Other work on the machine does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `only`: one detector; NULL: all; "": all but those of whole texts, the classifier. */
static struct btz_guard *guard_with(const char *only, const char **canary, size_t count)
{
    struct btz_guard_conf conf = { .enabled = true,
                                   .canaries = { canary, count },
                                   .classifier = "",
                                   .calibration = "",
                                   .hold_max = 1 << 20 };
    struct btz_guard *g;

    if (btz_guard_new(&conf, &g) != BTZ_OK)
        exit(70);
    for (unsigned d = 0; only && d < g->count; d++)
        for (unsigned c = 0; c < BTZ_CHANNEL_COUNT; c++)
            if (*only ? strcmp(only, btz_guard_detectors[d]->id) != 0
                      : btz_guard_detectors[d]->whole) {
                g->way[d][c].on = false;
                g->decoded[c] &= ~(1u << d);
            }
    return g;
}

static struct btz_guard *guard_of(const char *only)
{
    return guard_with(only, canaries, 1);
}

static double whole_us(const struct btz_guard *g, enum btz_channel c, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 26);
    struct btz_guard_session *s;
    uint64_t best = UINT64_MAX;
    size_t times = 1 + 200000 / (text.len + 1);

    if (btz_guard_session_new(g, &s) != BTZ_OK)
        exit(70);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = cpu_ns(), took;

        for (size_t i = 0; i < times; i++) {
            bool changed;

            btz_buf_clear(&out);
            if (btz_guard_text(s, c, text, &changed, &out) != BTZ_OK)
                exit(70);
        }
        took = (cpu_ns() - start) / times;
        best = took < best ? took : best;
    }
    btz_guard_session_free(s);
    return (double)best / 1000;
}

static double stream_us(const struct btz_guard *g, struct btz_slice text, size_t piece)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 26);
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < 3; round++) {
        struct btz_guard_session *s;
        struct btz_guard_stream *t;
        uint64_t start = cpu_ns(), took;

        btz_buf_clear(&out);
        if (btz_guard_session_new(g, &s) != BTZ_OK ||
            btz_guard_stream_new(s, BTZ_CHANNEL_OUTPUT, &t) != BTZ_OK)
            exit(70);
        for (size_t at = 0; at < text.len; at += piece)
            if (btz_guard_stream_feed(t, btz_slice_sub(text, at, piece), at + piece >= text.len,
                                      &out) != BTZ_OK)
                break;
        took = cpu_ns() - start;
        best = took < best ? took : best;
        btz_guard_stream_free(t);
        btz_guard_session_free(s);
    }
    return (double)best / 1000;
}

static void say(const char *what, const char *detail, double value, const char *unit)
{
    printf("{\"name\":\"guard.%s%s%s\",\"value\":%.2f,\"unit\":\"%s\"}\n", what, *detail ? "." : "",
           detail, value, unit);
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* One text in a session of its own, as requests come: what one in a hundred takes. */
static void slowest(const struct btz_guard *g, struct btz_slice text)
{
    enum { TIMES = 5000 };
    static uint64_t took[TIMES];

    for (size_t i = 0; i < TIMES; i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
        struct btz_guard_session *s;
        uint64_t start = cpu_ns();
        bool changed;

        if (btz_guard_session_new(g, &s) != BTZ_OK ||
            btz_guard_text(s, BTZ_CHANNEL_USER, text, &changed, &out) != BTZ_OK)
            exit(70);
        btz_guard_session_free(s);
        took[i] = cpu_ns() - start;
    }
    qsort(took, TIMES, sizeof *took, by_time);
    say("request", "median", (double)took[TIMES / 2] / 1000, "us/KB");
    say("request", "p99", (double)took[TIMES / 100 * 99] / 1000, "us/KB");
}

static void hostile(const struct btz_guard *g, const char *name, const char *part)
{
    BTZ_BUF_RELEASE struct btz_buf text = sample(part, 16384);

    say("hostile", name, whole_us(g, BTZ_CHANNEL_OUTPUT, btz_buf_slice(&text)) / 16, "us/KB");
    say("hostile-stream", name, stream_us(g, btz_buf_slice(&text), 3) / 16, "us/KB");
}

static void byte_by_byte(const struct btz_guard *g, const char *name, const char *part)
{
    BTZ_BUF_RELEASE struct btz_buf text = sample(part, 4096);

    say("hostile-byte", name, stream_us(g, btz_buf_slice(&text), 1) / 4096, "us/piece");
}

/* Only canaries, so many of them. */
static void many_canaries(struct btz_slice text, size_t count)
{
    char(*word)[24] = calloc(count, sizeof *word), name[24];
    const char **list = calloc(count, sizeof *list);
    struct btz_guard *g;
    struct btz_rng rng;

    if (!word || !list)
        exit(70);
    btz_rng_init(&rng, 5, 9);
    for (size_t i = 0; i < count; i++) {
        snprintf(word[i], sizeof word[i], "canary-%08x%08x", (unsigned)btz_rng_u32(&rng),
                 (unsigned)btz_rng_u32(&rng));
        for (size_t k = 0; k < 7; k++) /* no two begin alike */
            word[i][k] = (char)('a' + btz_rng_below(&rng, 26));
        list[i] = word[i];
    }
    g = guard_with("canary", list, count);
    snprintf(name, sizeof name, "%zu", count);
    say("canaries", name, whole_us(g, BTZ_CHANNEL_OUTPUT, text), "us/KB");
    say("canaries-stream", name, stream_us(g, text, 4) / ((double)text.len / 4), "us/piece");
    btz_guard_free(g);
    free(list);
    free(word);
}

int main(void)
{
    BTZ_BUF_RELEASE struct btz_buf kb = sample(english, 1024), cyrillic = sample(russian, 1024);
    BTZ_BUF_RELEASE struct btz_buf answer = sample(english, 16384);
    struct btz_guard *g = guard_of("");

    say("deterministic", "user", whole_us(g, BTZ_CHANNEL_USER, btz_buf_slice(&kb)), "us/KB");
    say("deterministic", "document", whole_us(g, BTZ_CHANNEL_DOCUMENT, btz_buf_slice(&kb)),
        "us/KB");
    say("deterministic", "output", whole_us(g, BTZ_CHANNEL_OUTPUT, btz_buf_slice(&kb)), "us/KB");
    say("deterministic", "cyrillic", whole_us(g, BTZ_CHANNEL_USER, btz_buf_slice(&cyrillic)),
        "us/KB");
    say("stream", "token", stream_us(g, btz_buf_slice(&answer), 4) / 4096, "us/piece");
    say("stream", "byte", stream_us(g, btz_buf_slice(&answer), 1) / 16384, "us/piece");
    hostile(g, "at", "@");
    hostile(g, "digits", "4");
    hostile(g, "base64", "QUJDREVG");
    hostile(g, "percent", "%2541");
    hostile(g, "less", "<a ");
    hostile(g, "pem", "-----BEGIN RSA PRIVATE KEY-----\n");
    hostile(g, "jwt", "eyJ-");
    hostile(g, "url", "https://");
    hostile(g, "password", "password=");
    hostile(g, "ignore", "ignore all previous ");
    hostile(g, "numbers", "41 11 ");
    hostile(g, "entity", "&#x26;");
    hostile(g, "amp", "&");
    hostile(g, "percent-sign", "%");
    hostile(g, "backslash", "\\");
    byte_by_byte(g, "amp", "&");
    byte_by_byte(g, "percent-sign", "%");
    byte_by_byte(g, "entity", "&#x26;");
    byte_by_byte(g, "base64", "QUJDREVG");
    btz_guard_free(g);
    g = guard_of(NULL);
    say("all", "user", whole_us(g, BTZ_CHANNEL_USER, btz_buf_slice(&kb)), "us/KB");
    slowest(g, btz_buf_slice(&kb));
    btz_guard_free(g);
    for (size_t d = 0; btz_guard_detectors[d]; d++) {
        enum btz_channel c = btz_guard_detectors[d]->channels >> BTZ_CHANNEL_OUTPUT & 1
                                 ? BTZ_CHANNEL_OUTPUT
                                 : BTZ_CHANNEL_USER;

        g = guard_of(btz_guard_detectors[d]->id);
        say("one", btz_guard_detectors[d]->id, whole_us(g, c, btz_buf_slice(&kb)), "us/KB");
        btz_guard_free(g);
    }
    for (size_t n = 1; n <= 1000; n *= n < 10 ? 10 : 100)
        many_canaries(btz_buf_slice(&kb), n);
    return 0;
}
