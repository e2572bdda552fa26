/* A hostile ring: its page and the beginning of its data come from the fuzzer. The reader ends, hands out records of the
 * ring only, and each of a sequence above the last. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gate/journal/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];
static int ring_fd;

static void make_folder(void)
{
    char path[96];
    struct btz_journal *j;

    snprintf(folder, sizeof folder, "/tmp/btz-fuzz-journal-%d", (int)getpid());
    if (btz_journal_open(folder, &j) != BTZ_OK)
        abort();
    btz_journal_close(j);
    snprintf(path, sizeof path, "%s/ring-00", folder);
    ring_fd = open(path, O_RDWR | O_CLOEXEC);
    if (ring_fd < 0)
        abort();
}

/* With checksums that fit, so that what is behind them is reached; half of the inputs without. */
static void mend(uint8_t *ring_data, size_t len)
{
    for (size_t at = 0; at + sizeof(struct btz_frame) <= len;) {
        struct btz_frame f;

        memcpy(&f, ring_data + at, sizeof f);
        if (f.len > len - at - sizeof f)
            return;
        f.zero = 0;
        f.check =
            btz_frame_check(btz_slice_of(ring_data + at + sizeof f, f.len), f.sequence, f.epoch);
        memcpy(ring_data + at, &f, sizeof f);
        at += (size_t)btz_frame_size(f.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[BTZ_RING_PAGE + 8192];
    struct btz_journal_record out[64];
    struct btz_journal_reader *r;
    struct btz_journal_counts counts;
    uint64_t epoch = 0, sequence = 0;
    size_t count, fixed = offsetof(struct btz_ring, epoch);

    if (folder[0] == '\0')
        make_folder();
    if (size < 1)
        return 0;
    if (pread(ring_fd, file, fixed, 0) != (ssize_t)fixed)
        abort();
    memset(file + fixed, 0, sizeof file - fixed);
    /* 24 bytes of positions, then data. */
    for (size_t i = 1; i < size && i <= 24; i++)
        file[(i <= 8    ? offsetof(struct btz_ring, head)
              : i <= 16 ? offsetof(struct btz_ring, tail)
                        : offsetof(struct btz_ring, wanted)) +
             (i - 1) % 8] = data[i];
    if (size > 25)
        memcpy(file + BTZ_RING_PAGE, data + 25, size - 25 < 8192 ? size - 25 : 8192);
    if (data[0] & 1)
        mend(file + BTZ_RING_PAGE, 8192);
    if (pwrite(ring_fd, file, sizeof file, 0) != (ssize_t)sizeof file ||
        btz_journal_reader_open(folder, &r) != BTZ_OK)
        abort();
    for (int i = 0; i < 3; i++) {
        if (btz_journal_fetch(r, 0, out, BTZ_COUNT(out), &count) != BTZ_OK ||
            count > BTZ_COUNT(out))
            abort();
        for (size_t k = 0; k < count; k++) {
            if (out[k].epoch < epoch || (out[k].epoch == epoch && out[k].sequence <= sequence))
                abort();
            epoch = out[k].epoch;
            sequence = out[k].sequence;
            for (size_t b = 0; b < out[k].bytes.len; b += 97)
                count += out[k].bytes.ptr[b] > 255;
        }
        btz_journal_done(r);
    }
    btz_journal_count(r, &counts);
    btz_journal_reader_close(r);
    return 0;
}
