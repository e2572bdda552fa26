/* Samples of anybody in one format: opened, every row read, digested. */
#include "sample/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_sample(const uint8_t *data, size_t size, const char *format)
{
    struct btz_samples_options o = { .data = "fuzz", .format = format, .memory_max = 1 << 20 };
    struct btz_slice in = btz_slice_of(data, size);
    static float x[1 << 16];
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_samples *s = NULL;
    uint32_t y;

    /* The first byte chooses the options, so that seeds stay readable: 'a' is none of them. */
    if (size == 0)
        return;
    o.layout = (data[0] & 2) ? BTZ_LAYOUT_NHWC : BTZ_LAYOUT_NCHW;
    o.missing_ok = data[0] & 4;
    o.label_column = (data[0] & 8) ? "" : NULL;
    in = btz_slice_sub(in, 1, size - 1);
    if (btz_samples_parse(in, btz_slice_of(NULL, 0), &o, &s) == BTZ_OK) {
        const struct btz_samples_info *info = btz_samples_info(s);

        for (size_t i = 0; i < info->count && i < 64 && info->values <= BTZ_COUNT(x); i++)
            (void)!btz_samples_rows(s, i, 1, x, &y);
        (void)!btz_samples_digest(s, digest);
        btz_samples_close(s);
    }
    s = NULL;
    if (btz_samples_parse(
            btz_str("1,2\n3,4\n"), in,
            &(struct btz_samples_options){ .data = "t.csv", .labels = "l.csv", .format = "csv" },
            &s) == BTZ_OK)
        btz_samples_close(s);
}
