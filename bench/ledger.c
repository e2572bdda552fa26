/*
 * The ledger: durable entries a second in groups against a bare write and fsync of the same bytes, verification
 * against a bare SHA-256 over the same bytes. `ledger [FOLDER]`: the disk to measure, default the current folder.
 */
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "ledger/ledger.h"

#define ENTRY   500
#define ENTRIES 131072
#define THREADS 32
#define EACH    400

static uint8_t (*text)[ENTRY];

static void must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "bench: %s\n", btz_error_detail());
    exit(1);
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

/* The floor: the same bytes, one file, one fsync a group. */
static double bare_write(const char *folder, size_t count, size_t group)
{
    char path[4200];
    uint64_t start;
    double rate;
    int fd;

    snprintf(path, sizeof path, "%s/bare", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        exit(1);
    start = btz_clock_ns();
    for (size_t i = 0; i < count; i += group) {
        must(btz_fd_write_all(fd, btz_slice_of(text[i], group * ENTRY), path));
        if (fsync(fd) < 0)
            exit(1);
    }
    rate = (double)count / seconds_since(start);
    close(fd);
    unlink(path);
    return rate;
}

static double append(struct btz_ledger *l, size_t count, size_t group)
{
    struct btz_slice *entries = calloc(group, sizeof *entries);
    uint64_t start = btz_clock_ns(), first;
    double rate;

    if (!entries)
        exit(1);
    for (size_t i = 0; i < count; i += group) {
        for (size_t j = 0; j < group; j++)
            entries[j] = btz_slice_of(text[i + j], ENTRY);
        must(btz_ledger_append(l, entries, group, &first));
    }
    rate = (double)count / seconds_since(start);
    free(entries);
    return rate;
}

static struct btz_ledger *shared;

static void *append_each(void *user)
{
    const uint8_t(*mine)[ENTRY] = user;
    uint64_t index;

    for (size_t i = 0; i < EACH; i++)
        must(btz_ledger_append_shared(shared, btz_slice_of(mine[i], ENTRY), &index));
    return NULL;
}

static void bench_shared(struct btz_ledger *l)
{
    pthread_t thread[THREADS];
    uint64_t start = btz_clock_ns();

    shared = l;
    for (size_t t = 0; t < THREADS; t++)
        if (pthread_create(&thread[t], NULL, append_each, text[t * EACH]) != 0)
            exit(1);
    for (size_t t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    figure("ledger.append.32-threads-one-by-one", THREADS * EACH / seconds_since(start),
           "entries/s", NULL, 0);
}

static void bench_append(const char *folder, const char *dir)
{
    static const size_t groups[] = { 1, 16, 256, 1024, 8192 };
    struct btz_ledger *l;

    must(btz_ledger_create(dir, "bench.example"));
    must(btz_ledger_open(dir, BTZ_LEDGER_WRITE, &l));
    for (size_t i = 0; i < BTZ_COUNT(groups); i++) {
        size_t count = groups[i] < 256 ? 128 * groups[i] : ENTRIES;
        char name[64];
        double floor = bare_write(folder, count, groups[i]);

        snprintf(name, sizeof name, "ledger.append.group-%zu", groups[i]);
        figure(name, append(l, count, groups[i]), "entries/s", "write+fsync", floor);
    }
    bench_shared(l);
    btz_ledger_close(l);
}

static void bench_verify(const char *dir)
{
    struct btz_ledger_check c;
    uint8_t digest[32];
    uint64_t start;
    double rate = 0, bare = 0;

    /* The better of three: the first one warms the page cache. */
    for (int round = 0; round < 3; round++) {
        double r;

        start = btz_clock_ns();
        must(btz_ledger_verify(dir, btz_str(NULL), btz_str(NULL), &c));
        r = (double)c.entries_read / seconds_since(start);
        rate = r > rate ? r : rate;
        if (!c.intact)
            exit(1);
        start = btz_clock_ns();
        for (size_t i = 0; i < ENTRIES; i++) {
            SHA256_CTX h;

            SHA256_Init(&h);
            SHA256_Update(&h, text[i], ENTRY);
            SHA256_Final(digest, &h);
        }
        r = ENTRIES / seconds_since(start);
        bare = r > bare ? r : bare;
    }
    figure("ledger.verify", rate, "entries/s", "SHA-256", bare);
}

static void bench_read(const char *dir)
{
    struct btz_buf out = BTZ_BUF(70000);
    struct btz_ledger *l;
    struct btz_proof proof;
    uint64_t start = btz_clock_ns(), size;
    size_t count = 2000;

    must(btz_ledger_open(dir, BTZ_LEDGER_READ, &l));
    figure("ledger.open", seconds_since(start) * 1e3, "ms", NULL, 0);
    size = btz_ledger_size(l);
    start = btz_clock_ns();
    for (size_t i = 0; i < count; i++) {
        btz_buf_clear(&out);
        must(btz_ledger_entry(l, i * 7919 % size, &out));
        must(btz_ledger_prove_inclusion(l, i * 7919 % size, size, &proof));
    }
    figure("ledger.prove", (double)count / seconds_since(start), "proofs/s", NULL, 0);
    btz_ledger_close(l);
    btz_buf_release(&out);
}

int main(int argc, char **argv)
{
    char folder[4096], dir[4200];
    struct btz_rng r;

    snprintf(folder, sizeof folder, "%s/btz-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(folder)) {
        fprintf(stderr, "bench: cannot make a folder in %s\n", argc > 1 ? argv[1] : ".");
        return 1;
    }
    snprintf(dir, sizeof dir, "%s/ledger", folder);
    text = calloc(ENTRIES, sizeof *text);
    if (!text)
        return 1;
    btz_rng_init(&r, 1, 0);
    for (size_t i = 0; i < ENTRIES; i++)
        for (size_t j = 0; j < ENTRY; j++)
            text[i][j] = (uint8_t)(' ' + btz_rng_below(&r, 90));
    bench_append(folder, dir);
    bench_verify(dir);
    bench_read(dir);
    free(text);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
