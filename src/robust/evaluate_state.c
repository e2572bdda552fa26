/*
 * What an interrupted evaluation goes on from: a header that names the evaluation, then a record for each unit in the order in
 * which they are committed, each with its length and digest and on disk before the next. A record that was cut off by the end
 * of a process is dropped, and computed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "robust/constraint.h"
#include "robust/evaluating.h"

#define MAGIC     "btz-evaluate 2\n"
#define MAGIC_LEN (sizeof MAGIC - 1)
#define HEADER    (MAGIC_LEN + BTZ_SHA256_LEN)
#define SAMPLE    38                    /* bytes of a sample in a record */
#define FIXED     72                    /* of the rest */
#define BEST      (BTZ_BEST_POINTS * 4) /* of a sample, at the end, where an attack keeps it */
#define FRAME     (8 + BTZ_SHA256_LEN)

struct btz_state {
    int fd;
    const char *path;
    uint64_t at, size; /* where the next record is read, or written; bytes there are */
    struct btz_buf record;
};

/* ---- numbers, little-endian ------------------------------------------------------------------------------------------ */

static enum btz_err put(struct btz_buf *b, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];

    for (unsigned i = 0; i < bytes; i++)
        raw[i] = (uint8_t)(v >> 8 * i);
    return btz_buf_add(b, raw, bytes);
}

static enum btz_err put_double(struct btz_buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return put(b, bits, 8);
}

static enum btz_err put_float(struct btz_buf *b, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return put(b, bits, 4);
}

static enum btz_err get(struct btz_reader *r, unsigned bytes, uint64_t *out)
{
    struct btz_slice raw;

    BTZ_TRY(btz_read_bytes(r, bytes, &raw));
    *out = 0;
    for (unsigned i = 0; i < bytes; i++)
        *out |= (uint64_t)raw.ptr[i] << 8 * i;
    return BTZ_OK;
}

static enum btz_err get_u32(struct btz_reader *r, uint32_t *out)
{
    uint64_t v;

    BTZ_TRY(get(r, 4, &v));
    *out = (uint32_t)v;
    return BTZ_OK;
}

static enum btz_err get_double(struct btz_reader *r, double *out)
{
    uint64_t bits;

    BTZ_TRY(get(r, 8, &bits));
    memcpy(out, &bits, sizeof *out);
    return BTZ_OK;
}

static enum btz_err get_float(struct btz_reader *r, float *out)
{
    uint32_t bits;

    BTZ_TRY(get_u32(r, &bits));
    memcpy(out, &bits, sizeof *out);
    return BTZ_OK;
}

/* ---- records --------------------------------------------------------------------------------------------------------- */

enum btz_err btz_state_write(const struct btz_unit_result *r, size_t features, struct btz_buf *b)
{
    BTZ_TRY(put(b, r->attack, 4));
    BTZ_TRY(put(b, r->unit, 4));
    BTZ_TRY(put(b, r->count, 4));
    BTZ_TRY(put(b, r->broken, 4));
    BTZ_TRY(put(b, r->claimed_correct, 8));
    BTZ_TRY(put(b, r->claimed_invalid, 8));
    BTZ_TRY(put(b, r->nan_count, 8));
    BTZ_TRY(put_double(b, r->seconds));
    BTZ_TRY(put_double(b, r->distance_max));
    BTZ_TRY(put_float(b, r->adv_min));
    BTZ_TRY(put_float(b, r->adv_max));
    BTZ_TRY(put(b, features, 8));
    for (size_t i = 0; i < r->count; i++) {
        const struct btz_unit_sample *s = &r->samples[i];

        BTZ_TRY(put(b, s->index, 8));
        BTZ_TRY(put(b, s->queries, 8));
        BTZ_TRY(put(b, s->gradients, 8));
        BTZ_TRY(put(b, s->predicted, 4));
        BTZ_TRY(put_float(b, s->distance));
        BTZ_TRY(put(b, s->broken, 1));
        BTZ_TRY(put(b, s->scalar_disagrees, 1));
        BTZ_TRY(put(b, 0, 4));
    }
    for (size_t i = 0; i < r->broken * features; i++)
        BTZ_TRY(put_float(b, r->adv[i]));
    for (size_t i = 0; r->best && i < (size_t)r->count * BTZ_BEST_POINTS; i++)
        BTZ_TRY(put_float(b, r->best[i]));
    return BTZ_OK;
}

static enum btz_err parse_sample(struct btz_reader *r, struct btz_unit_sample *s)
{
    uint64_t flag, disagrees, spare;

    BTZ_TRY(get(r, 8, &s->index));
    BTZ_TRY(get(r, 8, &s->queries));
    BTZ_TRY(get(r, 8, &s->gradients));
    BTZ_TRY(get_u32(r, &s->predicted));
    BTZ_TRY(get_float(r, &s->distance));
    BTZ_TRY(get(r, 1, &flag));
    BTZ_TRY(get(r, 1, &disagrees));
    BTZ_TRY(get(r, 4, &spare));
    if (flag > 1 || disagrees > 1 || spare)
        return btz_fail(BTZ_INPUT, "a sample's flags are no flags");
    s->broken = flag;
    s->scalar_disagrees = disagrees;
    return BTZ_OK;
}

static enum btz_err parse_fixed(struct btz_reader *r, struct btz_unit_result *out,
                                uint64_t *features)
{
    BTZ_TRY(get_u32(r, &out->attack));
    BTZ_TRY(get_u32(r, &out->unit));
    BTZ_TRY(get_u32(r, &out->count));
    BTZ_TRY(get_u32(r, &out->broken));
    BTZ_TRY(get(r, 8, &out->claimed_correct));
    BTZ_TRY(get(r, 8, &out->claimed_invalid));
    BTZ_TRY(get(r, 8, &out->nan_count));
    BTZ_TRY(get_double(r, &out->seconds));
    BTZ_TRY(get_double(r, &out->distance_max));
    BTZ_TRY(get_float(r, &out->adv_min));
    BTZ_TRY(get_float(r, &out->adv_max));
    return get(r, 8, features);
}

static enum btz_err parse_rest(struct btz_reader *r, size_t features, struct btz_unit_result *out)
{
    uint32_t broken = 0;

    for (size_t i = 0; i < out->count; i++) {
        BTZ_TRY(parse_sample(r, &out->samples[i]));
        broken += out->samples[i].broken;
    }
    if (broken != out->broken)
        return btz_fail(BTZ_INPUT, "%" PRIu32 " samples are broken, the record says %" PRIu32,
                        broken, out->broken);
    for (size_t i = 0; i < broken * features; i++)
        BTZ_TRY(get_float(r, &out->adv[i]));
    for (size_t i = 0; out->best && i < (size_t)out->count * BTZ_BEST_POINTS; i++)
        BTZ_TRY(get_float(r, &out->best[i]));
    return BTZ_OK;
}

enum btz_err btz_state_parse(struct btz_slice in, size_t features, size_t unit,
                             struct btz_unit_result *out)
{
    struct btz_reader r = { .in = in, .what = "record of the state" };
    struct btz_unit_result u = { 0 };
    uint64_t said;
    size_t length, best;
    bool has_best;
    enum btz_err err;

    BTZ_TRY(parse_fixed(&r, &u, &said));
    length = FIXED + (size_t)u.count * SAMPLE + (size_t)u.broken * features * 4;
    best = (size_t)u.count * BEST;
    has_best = in.len == length + best;
    if (said != features || u.count > unit || u.broken > u.count || !u.count ||
        (in.len != length && !has_best))
        return btz_fail(BTZ_INPUT, "a record of the state does not fit its own size");
    u.best = has_best ? malloc(best) : NULL;
    u.samples = calloc(u.count, sizeof *u.samples);
    u.adv = malloc(u.broken ? (size_t)u.broken * features * sizeof *u.adv : 1);
    err = u.samples && u.adv && (u.best || !has_best) ? parse_rest(&r, features, &u)
                                                      : btz_fail(BTZ_LIMIT, "out of memory");
    if (err)
        btz_unit_result_release(&u);
    else
        *out = u;
    return err;
}

/* ---- the file -------------------------------------------------------------------------------------------------------- */

static void add_number(struct btz_sha256 *h, double v)
{
    btz_sha256_add(h, btz_slice_of(&v, sizeof v));
}

static void add_text(struct btz_sha256 *h, const char *text)
{
    btz_sha256_add(h, btz_slice_of(text, strlen(text) + 1));
}

void btz_evaluate_digest(const struct btz_model *m, struct btz_sha256 *h)
{
    for (uint32_t i = 0; i < m->node_count; i++)
        add_text(h, m->nodes[i].type);
    for (uint32_t i = 0; i < m->value_count; i++) {
        const struct btz_tensor *t = m->values[i].constant;

        if (t && t->data && t->type != BTZ_STRING)
            btz_sha256_add(h, btz_slice_of(t->data, btz_tensor_bytes(t)));
    }
}

static void add_constraint(struct btz_sha256 *h, const struct btz_constraint *c)
{
    add_number(h, (double)c->features);
    for (size_t k = 0; k < c->features; k++) {
        const struct btz_column *column = &c->columns[k];

        add_number(h, column->kind);
        add_number(h, column->moves);
        add_number(h, column->immutable);
        add_number(h, (double)column->low);
        add_number(h, (double)column->high);
        add_number(h, column->group == BTZ_NO_GROUP ? -1 : (double)column->group);
    }
}

/* Everything that the result depends on. */
static void fingerprint(const struct btz_evaluating *ev, uint8_t out[BTZ_SHA256_LEN])
{
    const struct btz_evaluate_options *o = ev->o;
    struct btz_sha256 h;

    btz_sha256_init(&h);
    btz_sha256_add(&h, btz_slice_of(ev->digest, sizeof ev->digest));
    if (o->model)
        btz_evaluate_digest(o->model, &h);
    add_text(&h, o->identity ? o->identity : "");
    add_number(&h, o->constraint != NULL);
    if (o->constraint)
        add_constraint(&h, o->constraint);
    add_number(&h, o->norm);
    add_number(&h, o->eps);
    add_number(&h, (double)o->box.low);
    add_number(&h, (double)o->box.high);
    btz_sha256_add(&h, btz_slice_of(&o->seed, sizeof o->seed));
    add_number(&h, o->alone);
    add_number(&h, o->batch);
    add_number(&h, (double)ev->unit);
    for (size_t i = 0; i < o->attack_count; i++) {
        add_text(&h, o->attacks[i].attack->id);
        for (size_t k = 0; k < o->attacks[i].attack->param_count; k++)
            add_number(&h, o->attacks[i].param[k]);
    }
    btz_sha256_end(&h, out);
}

static enum btz_err begin_file(struct btz_state *s, const uint8_t print[BTZ_SHA256_LEN])
{
    uint8_t header[HEADER];

    memcpy(header, MAGIC, MAGIC_LEN);
    memcpy(header + MAGIC_LEN, print, BTZ_SHA256_LEN);
    if (ftruncate(s->fd, 0) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    BTZ_TRY(btz_fd_write_all(s->fd, btz_slice_of(header, sizeof header), s->path));
    if (fsync(s->fd) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    s->size = HEADER;
    return btz_file_sync_folder(s->path);
}

static enum btz_err check_file(struct btz_state *s, const uint8_t print[BTZ_SHA256_LEN])
{
    uint8_t header[HEADER];
    struct stat st;

    if (fstat(s->fd, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    s->at = HEADER;
    s->size = (uint64_t)st.st_size;
    if (s->size < HEADER) /* ended while it was begun: nothing is in it */
        return begin_file(s, print);
    BTZ_TRY(btz_fd_pread_all(s->fd, header, sizeof header, 0, s->path));
    if (memcmp(header, MAGIC, MAGIC_LEN) != 0)
        return btz_fail(BTZ_INPUT, "%s is no state of an evaluation", s->path);
    if (memcmp(header + MAGIC_LEN, print, BTZ_SHA256_LEN) != 0)
        return btz_fail(BTZ_INPUT,
                        "%s is the state of another evaluation (model, samples, attacks, eps, "
                        "norm, constraints or seed differ): remove it or name another file",
                        s->path);
    return BTZ_OK;
}

enum btz_err btz_state_open(struct btz_evaluating *ev, struct btz_state **out)
{
    struct btz_state *s = calloc(1, sizeof *s);
    uint8_t print[BTZ_SHA256_LEN];
    enum btz_err err;

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    s->path = ev->o->state;
    s->record = BTZ_BUF((size_t)4 << 30);
    s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0)
        err = btz_fail_errno(BTZ_IO, "%s", s->path);
    else if (flock(s->fd, LOCK_EX | LOCK_NB) != 0)
        err = btz_fail(BTZ_CONFLICT, "%s: another evaluation is at work with it", s->path);
    else {
        fingerprint(ev, print);
        err = check_file(s, print);
    }
    if (err)
        btz_state_close(s);
    else
        *out = s;
    return err;
}

void btz_state_close(struct btz_state *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    btz_buf_release(&s->record);
    free(s);
}

/* From here on nothing on file is believed; what follows is written over it. */
static enum btz_err cut(struct btz_state *s)
{
    if (s->at < s->size && ftruncate(s->fd, (off_t)s->at) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    s->size = s->at;
    return BTZ_OK;
}

enum btz_err btz_state_next(struct btz_state *s, const struct btz_evaluating *ev,
                            struct btz_unit_result *out, bool *have)
{
    uint8_t frame[FRAME], digest[BTZ_SHA256_LEN];
    uint64_t length = 0;

    *have = false;
    if (s->size - s->at < FRAME)
        return cut(s);
    BTZ_TRY(btz_fd_pread_all(s->fd, frame, sizeof frame, s->at, s->path));
    for (int i = 7; i >= 0; i--)
        length = length << 8 | frame[i];
    if (length > s->size - s->at - FRAME ||
        length > FIXED + ev->unit * (SAMPLE + BEST + ev->e->features * 4))
        return cut(s);
    btz_buf_clear(&s->record);
    BTZ_TRY(btz_buf_reserve(&s->record, (size_t)length + 1));
    BTZ_TRY(btz_fd_pread_all(s->fd, s->record.ptr, (size_t)length, s->at + FRAME, s->path));
    btz_sha256(btz_slice_of(s->record.ptr, (size_t)length), digest);
    if (memcmp(digest, frame + 8, sizeof digest) != 0 ||
        btz_state_parse(btz_slice_of(s->record.ptr, (size_t)length), ev->e->features, ev->unit,
                        out) != BTZ_OK)
        return cut(s);
    if (out->attack != ev->attack) { /* the next attack's: left for it */
        btz_unit_result_release(out);
        return BTZ_OK;
    }
    s->at += FRAME + length;
    *have = true;
    return BTZ_OK;
}

enum btz_err btz_state_add(struct btz_state *s, const struct btz_evaluating *ev,
                           const struct btz_unit_result *r)
{
    uint8_t frame[FRAME] = { 0 };
    size_t length;

    btz_buf_clear(&s->record);
    BTZ_TRY(btz_buf_add(&s->record, frame, sizeof frame));
    BTZ_TRY(btz_state_write(r, ev->e->features, &s->record));
    length = s->record.len - FRAME;
    for (int i = 0; i < 8; i++)
        s->record.ptr[i] = (uint8_t)((uint64_t)length >> 8 * i);
    btz_sha256(btz_slice_of(s->record.ptr + FRAME, length), s->record.ptr + 8);
    if (lseek(s->fd, (off_t)s->at, SEEK_SET) < 0 || ftruncate(s->fd, (off_t)s->at) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    BTZ_TRY(btz_fd_write_all(s->fd, btz_buf_slice(&s->record), s->path));
    if (fdatasync(s->fd) != 0)
        return btz_fail_errno(BTZ_IO, "%s", s->path);
    s->at += s->record.len;
    s->size = s->at;
    return BTZ_OK;
}
