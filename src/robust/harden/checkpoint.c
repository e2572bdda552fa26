/*
 * A run at rest, in a file: magic, fingerprint of what it belongs to, position, sums, curves, vectors, and a digest over all of
 * it. Numbers are big-endian, vectors as the machine has them, behind a mark that shows its byte order.
 */
#include <math.h>
#include <stdlib.h>

#include "robust/harden/inside.h"

static const uint8_t magic[8] = { 'B', 'T', 'Z', 'H', 'A', 'R', 'D', '3' };
#define ORDER_MARK   UINT32_C(0x01020304)
#define HEAD_NUMBERS 10
#define CURVE_FIELDS 7

static enum btz_err put_u64(struct btz_buf *b, uint64_t v)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(v >> (56 - 8 * i));
    return btz_buf_add(b, bytes, sizeof bytes);
}

static enum btz_err put_real(struct btz_buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return put_u64(b, bits);
}

static enum btz_err get_real(struct btz_reader *r, double *out)
{
    uint64_t bits;

    BTZ_TRY(btz_read_be64(r, &bits));
    memcpy(out, &bits, sizeof *out);
    return BTZ_OK;
}

/* The vectors in their order. */
struct vector {
    float *data;
    size_t count;
};
#define VECTORS 11

static void vectors_of(const struct btz_harden_state *s, struct vector v[VECTORS])
{
    v[0] = (struct vector){ s->weights, s->numbers };
    v[1] = (struct vector){ s->stats, s->stat_numbers };
    v[2] = (struct vector){ s->first, s->numbers };
    v[3] = (struct vector){ s->second, s->second_numbers };
    v[4] = (struct vector){ s->best, s->best_numbers };
    v[5] = (struct vector){ s->best_stats, s->best_numbers ? s->stat_numbers : 0 };
    v[6] = (struct vector){ s->delta, s->delta_numbers };
    v[7] = (struct vector){ s->mean, s->mean_numbers };
    v[8] = (struct vector){ s->mean_stats, s->mean_numbers ? s->stat_numbers : 0 };
    v[9] = (struct vector){ s->kept, s->kept_numbers };
    v[10] = (struct vector){ s->kept_stats, s->kept_numbers ? s->stat_numbers : 0 };
}

size_t btz_harden_checkpoint_size(const struct btz_harden_state *s, uint32_t curves)
{
    struct vector v[VECTORS];
    size_t size = sizeof magic + 4 + 2 * BTZ_SHA256_LEN +
                  8 * (HEAD_NUMBERS + BTZ_HARDEN_SUMS + 1 + (size_t)CURVE_FIELDS * curves);

    vectors_of(s, v);
    for (int i = 0; i < VECTORS; i++)
        size += v[i].count * sizeof(float);
    return size;
}

static void sums_of(struct btz_harden_sums *s, double *out[BTZ_HARDEN_SUMS])
{
    double *const list[BTZ_HARDEN_SUMS] = { &s->loss,  &s->seen, &s->clean, &s->robust,
                                            &s->asked, &s->rate, &s->stop,  &s->due };

    memcpy(out, list, sizeof list);
}

static void curve_of(struct btz_harden_epoch *e, double *out[CURVE_FIELDS])
{
    double *const list[CURVE_FIELDS] = { &e->loss,         &e->lr,          &e->train_clean,
                                         &e->train_robust, &e->valid_clean, &e->valid_robust,
                                         &e->seconds };

    memcpy(out, list, sizeof list);
}

enum btz_err btz_harden_checkpoint_encode(const struct btz_harden_state *s,
                                          const uint8_t fingerprint[BTZ_SHA256_LEN],
                                          struct btz_buf *out)
{
    const uint64_t head[HEAD_NUMBERS] = { s->epoch,   s->batch,     s->step,     s->samples,
                                          s->end,     s->over,      s->has_best, s->curve_count,
                                          s->numbers, s->kept_epoch };
    struct btz_harden_sums sums = s->sums;
    double *field[BTZ_HARDEN_SUMS], *part[CURVE_FIELDS];
    uint32_t mark = ORDER_MARK;
    struct vector v[VECTORS];
    uint8_t digest[BTZ_SHA256_LEN];
    size_t from = out->len;

    BTZ_TRY(btz_buf_reserve(out, btz_harden_checkpoint_size(s, s->curve_count)));
    BTZ_TRY(btz_buf_add(out, magic, sizeof magic));
    BTZ_TRY(btz_buf_add(out, &mark, sizeof mark));
    BTZ_TRY(btz_buf_add(out, fingerprint, BTZ_SHA256_LEN));
    for (int i = 0; i < HEAD_NUMBERS; i++)
        BTZ_TRY(put_u64(out, head[i]));
    BTZ_TRY(put_real(out, s->guard));
    sums_of(&sums, field);
    for (int i = 0; i < BTZ_HARDEN_SUMS; i++)
        BTZ_TRY(put_real(out, *field[i]));
    for (uint32_t k = 0; k < s->curve_count; k++) {
        struct btz_harden_epoch e = s->curves[k];

        curve_of(&e, part);
        for (int i = 0; i < CURVE_FIELDS; i++)
            BTZ_TRY(put_real(out, *part[i]));
    }
    vectors_of(s, v);
    for (int i = 0; i < VECTORS; i++)
        BTZ_TRY(btz_buf_add(out, v[i].data, v[i].count * sizeof(float)));
    btz_sha256(btz_slice_of(out->ptr + from, out->len - from), digest);
    return btz_buf_add(out, digest, sizeof digest);
}

static enum btz_err check_frame(struct btz_reader *r, const uint8_t fingerprint[BTZ_SHA256_LEN])
{
    struct btz_slice found, whole = r->in;
    uint8_t digest[BTZ_SHA256_LEN];
    uint32_t mark = ORDER_MARK;

    if (whole.len < sizeof magic + BTZ_SHA256_LEN || memcmp(whole.ptr, magic, sizeof magic) != 0)
        return btz_fail(BTZ_INPUT, "this is no checkpoint of a training run");
    btz_sha256(btz_slice_sub(whole, 0, whole.len - BTZ_SHA256_LEN), digest);
    if (memcmp(digest, whole.ptr + whole.len - BTZ_SHA256_LEN, BTZ_SHA256_LEN) != 0)
        return btz_fail(BTZ_INPUT, "the checkpoint is damaged: its digest does not fit");
    r->in.len -= BTZ_SHA256_LEN;
    BTZ_TRY(btz_read_bytes(r, sizeof magic, &found));
    BTZ_TRY(btz_read_bytes(r, sizeof mark, &found));
    if (memcmp(found.ptr, &mark, sizeof mark) != 0)
        return btz_fail(BTZ_INPUT, "the checkpoint is of a machine with another byte order");
    BTZ_TRY(btz_read_bytes(r, BTZ_SHA256_LEN, &found));
    if (memcmp(found.ptr, fingerprint, BTZ_SHA256_LEN) != 0)
        return btz_fail(BTZ_INPUT, "the checkpoint is of another run: the model, the data or the "
                                   "options were others");
    return BTZ_OK;
}

static enum btz_err check_head(const uint64_t head[HEAD_NUMBERS], uint32_t epochs, uint64_t batches,
                               const struct btz_harden_state *s)
{
    if (head[0] > epochs || head[1] >= (batches ? batches : 1) || head[4] >= BTZ_HARDEN_ENDS ||
        head[5] > 1 || head[6] > 1 || head[7] > epochs || head[7] < head[0] ||
        head[8] != s->numbers || (head[6] && !s->best_numbers) || head[9] > head[7] ||
        (head[9] && !s->kept_numbers))
        return btz_fail(BTZ_INPUT,
                        "the checkpoint does not fit this run: epoch %" PRIu64 ", batch %" PRIu64
                        ", %" PRIu64 " numbers",
                        head[0], head[1], head[8]);
    return BTZ_OK;
}

static enum btz_err read_vectors(struct btz_reader *r, const struct btz_harden_state *s)
{
    struct vector v[VECTORS];
    struct btz_slice bytes;

    vectors_of(s, v);
    for (int i = 0; i < VECTORS; i++) {
        BTZ_TRY(btz_read_bytes(r, v[i].count * sizeof(float), &bytes));
        if (v[i].count)
            memcpy(v[i].data, bytes.ptr, bytes.len);
    }
    return BTZ_OK;
}

enum btz_err btz_harden_checkpoint_decode(struct btz_slice in, uint32_t epochs, uint64_t batches,
                                          const uint8_t fingerprint[BTZ_SHA256_LEN],
                                          struct btz_harden_state *s)
{
    struct btz_reader r = { .in = in, .what = "checkpoint" };
    double *field[BTZ_HARDEN_SUMS], *part[CURVE_FIELDS], guard;
    struct btz_harden_sums sums = { 0 };
    uint64_t head[HEAD_NUMBERS];

    BTZ_TRY(check_frame(&r, fingerprint));
    for (int i = 0; i < HEAD_NUMBERS; i++)
        BTZ_TRY(btz_read_be64(&r, &head[i]));
    BTZ_TRY(check_head(head, epochs, batches, s));
    if (in.len != btz_harden_checkpoint_size(s, (uint32_t)head[7]))
        return btz_fail(BTZ_INPUT, "the checkpoint has %zu bytes, expected %zu", in.len,
                        btz_harden_checkpoint_size(s, (uint32_t)head[7]));
    BTZ_TRY(get_real(&r, &guard));
    sums_of(&sums, field);
    for (int i = 0; i < BTZ_HARDEN_SUMS; i++)
        BTZ_TRY(get_real(&r, field[i]));
    for (uint32_t k = 0; k < head[7]; k++) {
        curve_of(&s->curves[k], part);
        for (int i = 0; i < CURVE_FIELDS; i++)
            BTZ_TRY(get_real(&r, part[i]));
    }
    BTZ_TRY(read_vectors(&r, s));
    s->epoch = (uint32_t)head[0];
    s->batch = head[1];
    s->step = head[2];
    s->samples = head[3];
    s->end = (uint32_t)head[4];
    s->over = head[5];
    s->has_best = head[6];
    s->curve_count = (uint32_t)head[7];
    s->kept_epoch = (uint32_t)head[9];
    s->guard = guard;
    s->sums = sums;
    return BTZ_OK;
}
