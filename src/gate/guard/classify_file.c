#include <math.h>

#include "gate/guard/classify.h"

static const char magic[8] = { 'B', 'T', 'Z', 'G', 'U', 'A', 'R', 'D' };

static enum btz_err add_u32(struct btz_buf *out, uint32_t v)
{
    const uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

    return btz_buf_add(out, b, sizeof b);
}

static enum btz_err add_double(struct btz_buf *out, double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof bits);
    BTZ_TRY(add_u32(out, (uint32_t)(bits >> 32)));
    return add_u32(out, (uint32_t)bits);
}

enum btz_err btz_class_encode(const struct btz_class_weights *w, struct btz_buf *out)
{
    uint8_t digest[BTZ_SHA256_LEN];
    size_t start = out->len;

    BTZ_TRY(btz_buf_add(out, magic, sizeof magic));
    BTZ_TRY(add_u32(out, BTZ_CLASS_FILE_VERSION));
    BTZ_TRY(add_u32(out, BTZ_CLASS_SLOTS));
    for (int h = 0; h < BTZ_CLASS_HEADS; h++) {
        BTZ_TRY(add_double(out, w->scale[h]));
        BTZ_TRY(add_double(out, w->bias[h]));
        BTZ_TRY(add_double(out, w->slope[h]));
        BTZ_TRY(btz_buf_add(out, w->weight[h], sizeof w->weight[h]));
    }
    btz_sha256(btz_slice_of(out->ptr + start, out->len - start), digest);
    return btz_buf_add(out, digest, sizeof digest);
}

/* A number that a trainer can have written: |value| <= max, and not 0 where a factor is wanted. */
static enum btz_err read_number(struct btz_reader *r, double max, bool factor, double *out)
{
    uint64_t bits;
    double d;

    BTZ_TRY(btz_read_be64(r, &bits));
    memcpy(&d, &bits, sizeof d);
    if (!isfinite(d) || fabs(d) > max || (factor && d <= 0))
        return btz_fail(BTZ_INPUT, "%s: the number before byte %zu is out of range", r->what,
                        r->at);
    *out = d;
    return BTZ_OK;
}

enum btz_err btz_class_decode(struct btz_slice file, const char *what,
                              struct btz_class_weights *out)
{
    struct btz_reader r = { .in = file, .what = what };
    struct btz_slice part;
    uint8_t digest[BTZ_SHA256_LEN];
    uint32_t version, slots;

    BTZ_TRY(btz_read_bytes(&r, sizeof magic, &part));
    if (!btz_slice_equal(part, btz_slice_of(magic, sizeof magic)))
        return btz_fail(BTZ_INPUT, "%s: not a classifier of `bartizan gate train`", what);
    BTZ_TRY(btz_read_be32(&r, &version));
    if (version != BTZ_CLASS_FILE_VERSION)
        return btz_fail(BTZ_UNSUPPORTED,
                        "%s: version %" PRIu32 " of the format; this program reads version %d: "
                        "train it again",
                        what, version, BTZ_CLASS_FILE_VERSION);
    BTZ_TRY(btz_read_be32(&r, &slots));
    if (slots != BTZ_CLASS_SLOTS)
        return btz_fail(BTZ_INPUT, "%s: %" PRIu32 " weights a head, expected %d", what, slots,
                        BTZ_CLASS_SLOTS);
    for (int h = 0; h < BTZ_CLASS_HEADS; h++) {
        BTZ_TRY(read_number(&r, 1e6, true, &out->scale[h]));
        BTZ_TRY(read_number(&r, 1e6, false, &out->bias[h]));
        BTZ_TRY(read_number(&r, 1e6, true, &out->slope[h]));
        BTZ_TRY(btz_read_bytes(&r, sizeof out->weight[h], &part));
        memcpy(out->weight[h], part.ptr, part.len);
    }
    btz_sha256(btz_slice_sub(file, 0, r.at), digest);
    BTZ_TRY(btz_read_bytes(&r, sizeof digest, &part));
    if (!btz_slice_equal(part, btz_slice_of(digest, sizeof digest)))
        return btz_fail(BTZ_INPUT, "%s: damaged: its checksum is another", what);
    if (r.at != file.len)
        return btz_fail(BTZ_INPUT, "%s: %zu bytes behind the end", what, file.len - r.at);
    return BTZ_OK;
}
