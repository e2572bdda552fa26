/*
 * The journal: what writing down a request costs the event loop, and how many entries a second go from rings to the
 * ledger, durably, against bare appends of entries of the same size in groups of the same size. `journal [FOLDER]`.
 */
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "watch/sequencer.h"

#define WRITERS 2
#define EACH    60000
#define GROUP   1024
#define ALONE   300

static void must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "bench: %s\n", btz_error_detail());
    exit(1);
}

/* Of the machine's other work these figures know nothing. */
static uint64_t cpu_ns(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double seconds_since(uint64_t start)
{
    return (double)(btz_clock_ns() - start) / 1e9;
}

static void figure(const char *name, double value, const char *unit, const char *peer,
                   double peer_value)
{
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\"", name, value, unit);
    if (peer)
        printf(",\"peer\":\"%s\",\"peer_value\":%.1f,\"ratio\":%.4f", peer, peer_value,
               value / peer_value);
    printf("}\n");
    fflush(stdout);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static struct btz_call_record record(void)
{
    static const uint8_t digest[BTZ_SHA256_LEN] = { 1, 2, 3 };
    static const struct btz_guard_detector email = { .id = "pii" };
    static const struct btz_guard_record hit = { .hit = { .detector = &email,
                                                          .from = 100,
                                                          .to = 120,
                                                          .score = 1,
                                                          .kind = "email",
                                                          .action = BTZ_GUARD_MASK } };
    static const struct btz_range range = { 0, 400 };

    return (struct btz_call_record){
        .request = "req_01J9ZQ3K4M5N6P7Q8R9S0T1V2W",
        .phase = "end",
        .at_ms = btz_clock_unix_ms(),
        .took_us = 812345,
        .own_us = 61,
        .first_token_us = 201234,
        .principal = "usr_01J9ZQ3K4M5N6P7Q8R9S0T1V2W",
        .name = "alice",
        .key = "key_01J9ZQ3K4M5N6P7Q8R9S0T1V2W",
        .method = "key",
        .address = "10.20.30.40",
        .user_agent = "OpenAI/JS 4.104.0",
        .route = "chat",
        .protocol = "openai-chat",
        .action = "model.invoke",
        .resource = "model/gpt-4o-mini",
        .model = "gpt-4o-mini",
        .upstream = "openai",
        .served_model = "gpt-4o-mini-2024-07-18",
        .status = 200,
        .upstream_status = 200,
        .attempts = 1,
        .verdict = "allow",
        .rule = "developers-use-models",
        .guard = "changed",
        .guard_mode = "window",
        .hits = &hit,
        .hit_count = 1,
        .request_bytes = 1024,
        .response_bytes = 2048,
        .scanned_in = 800,
        .scanned_out = 400,
        .released_out = 400,
        .scanned = &range,
        .scanned_count = 1,
        .input_tokens = 200,
        .output_tokens = 100,
        .tokens_known = true,
        .cost = 0.00009,
        .request_digest = digest,
        .response_digest = digest,
        .stream = true,
    };
}

static void bench_writer(const char *folder)
{
    struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_call_record r = record();
    struct btz_journal_record got[GROUP];
    struct btz_journal_reader *reader;
    uint64_t sequence, start, spent = 0, writing = 0;
    struct btz_journal *j;
    char path[4200];
    size_t count;

    snprintf(path, sizeof path, "%s/ring", folder);
    must(btz_journal_open(path, &j));
    must(btz_journal_reader_open(path, &reader));
    for (int round = 0; round < 200; round++) {
        start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < GROUP; i++) {
            btz_buf_clear(&text);
            must(btz_record_write(&r, &text));
        }
        writing += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < GROUP; i++)
            must(btz_journal_add(j, btz_buf_slice(&text), &sequence));
        spent += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        must(btz_journal_fetch(reader, 0, got, GROUP, &count));
        btz_journal_done(reader);
    }
    figure("journal.record.write", (double)writing / (200.0 * GROUP), "ns", NULL, 0);
    figure("journal.add", (double)spent / (200.0 * GROUP), "ns", NULL, 0);
    figure("journal.record.size", (double)text.len, "bytes", NULL, 0);
    btz_journal_close(j);
    btz_journal_reader_close(reader);
    btz_buf_release(&text);
}

static void bench_metrics(const char *folder)
{
    static const char *const names[] = { "gpt-4o", "gpt-4o-mini", "claude-*" };
    static const char *const upstreams[] = { "anthropic", "openai" };
    struct btz_call_record r = record();
    struct btz_metrics *m;
    char path[4200];
    uint64_t start;

    snprintf(path, sizeof path, "%s/metrics", folder);
    must(btz_metrics_open(path, names, 3, upstreams, 2, &m));
    start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < 200000; i++) {
        btz_metrics_begin(m);
        btz_metrics_end(m, &r);
    }
    figure("journal.metrics", (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start) / 200000, "ns",
           NULL, 0);
    btz_metrics_close(m);
}

static void *write_many(void *folder)
{
    struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_call_record r = record();
    struct btz_journal *j;
    uint64_t sequence;
    char path[4200];

    snprintf(path, sizeof path, "%s/gate/journal", (const char *)folder);
    must(btz_journal_open(path, &j));
    for (int i = 0; i < EACH; i++) {
        btz_buf_clear(&text);
        must(btz_record_write(&r, &text));
        while (btz_journal_add(j, btz_buf_slice(&text), &sequence) != BTZ_OK)
            usleep(200);
    }
    while (btz_journal_durable(j, sequence) != BTZ_OK)
        usleep(200);
    btz_journal_close(j);
    btz_buf_release(&text);
    return NULL;
}

/* What a request waits for in durable mode when it is alone: the worst case, for nobody shares the sync. */
static void bench_durable(const char *folder)
{
    struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_call_record r = record();
    struct btz_journal *j;
    uint64_t sequence, start;
    char path[4200];

    snprintf(path, sizeof path, "%s/gate/journal", folder);
    must(btz_journal_open(path, &j));
    must(btz_record_write(&r, &text));
    start = btz_clock_ns();
    for (int i = 0; i < ALONE; i++) {
        must(btz_journal_add(j, btz_buf_slice(&text), &sequence));
        while (btz_journal_durable(j, sequence) != BTZ_OK)
            usleep(100);
    }
    figure("journal.durable.alone", seconds_since(start) * 1e3 / ALONE, "ms", NULL, 0);
    btz_journal_close(j);
    btz_buf_release(&text);
}

static double average_leaf(struct btz_access *a)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    struct btz_ledger *l;
    double size;

    must(btz_ledger_open(btz_trail_ledger_dir(btz_access_trail(a)), BTZ_LEDGER_READ, &l));
    must(btz_ledger_entry(l, btz_ledger_size(l) - 1, &entry));
    size = (double)entry.len;
    btz_ledger_close(l);
    return size;
}

static double end_to_end(const char *folder, double *leaf)
{
    struct btz_access_conf conf = { .origin = "https://localhost:8443", .concurrent_hashes = 1 };
    struct btz_access_options options = { .state_dir = folder, .conf = &conf };
    struct btz_sequencer_options sequencer = { .state_dir = folder };
    struct btz_sequencer *q;
    struct btz_access *a;
    pthread_t thread[WRITERS];
    uint64_t start, cpu;
    double rate;

    must(btz_access_open(&options, &a));
    sequencer.access = a;
    must(btz_sequencer_start(&sequencer, &q));
    start = btz_clock_ns();
    cpu = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < WRITERS; i++)
        if (pthread_create(&thread[i], NULL, write_many, (void *)(uintptr_t)folder) != 0)
            exit(1);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(thread[i], NULL);
    rate = WRITERS * EACH / seconds_since(start);
    figure("journal.to-ledger.cpu",
           (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (1e3 * WRITERS * EACH), "us/entry",
           NULL, 0);
    bench_durable(folder);
    btz_sequencer_stop(q);
    *leaf = average_leaf(a);
    btz_access_close(a);
    return rate;
}

static double floor_rate(const char *folder, size_t size)
{
    struct btz_slice entries[GROUP];
    uint8_t *bytes = calloc(GROUP, size);
    struct btz_ledger *l;
    uint64_t start, first;
    char path[4200];
    double rate;

    if (!bytes)
        exit(1);
    snprintf(path, sizeof path, "%s/bare", folder);
    must(btz_ledger_create(path, "bench.example"));
    must(btz_ledger_open(path, BTZ_LEDGER_WRITE, &l));
    for (size_t i = 0; i < GROUP; i++) {
        memset(bytes + i * size, (int)i, size);
        entries[i] = btz_slice_of(bytes + i * size, size);
    }
    start = btz_clock_ns();
    for (size_t i = 0; i < WRITERS * EACH; i += GROUP)
        must(btz_ledger_append(l, entries, GROUP, &first));
    rate = (double)btz_ledger_size(l) / seconds_since(start);
    btz_ledger_close(l);
    free(bytes);
    return rate;
}

int main(int argc, char **argv)
{
    char folder[4096];
    double rate, leaf;

    snprintf(folder, sizeof folder, "%s/btz-bench-journal-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(folder))
        return 1;
    bench_writer(folder);
    bench_metrics(folder);
    rate = end_to_end(folder, &leaf);
    figure("journal.entry.size", leaf, "bytes", NULL, 0);
    figure("journal.to-ledger", rate, "entries/s", "ledger append, groups of 1024",
           floor_rate(folder, (size_t)leaf));
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
