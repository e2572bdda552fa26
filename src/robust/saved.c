/*
 * What was broken, as arrays for whoever wants to look or to train with it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "robust/practice.h"

#define ARRAY_MAX ((size_t)1 << 40)

void btz_saved_init(struct btz_saved *s)
{
    const struct btz_buf empty = BTZ_BUF(ARRAY_MAX);

    *s = (struct btz_saved){
        .x = empty, .adv = empty, .index = empty, .label = empty, .said = empty, .distance = empty
    };
}

void btz_saved_release(struct btz_saved *s)
{
    btz_buf_release(&s->x);
    btz_buf_release(&s->adv);
    btz_buf_release(&s->index);
    btz_buf_release(&s->label);
    btz_buf_release(&s->said);
    btz_buf_release(&s->distance);
}

enum btz_err btz_saved_add(struct btz_saved *s, size_t features,
                           const struct btz_evaluate_broken *b)
{
    int64_t index = (int64_t)b->index, label = b->y, said = b->predicted;

    BTZ_TRY(btz_buf_add(&s->x, b->x, features * sizeof *b->x));
    BTZ_TRY(btz_buf_add(&s->adv, b->adv, features * sizeof *b->adv));
    BTZ_TRY(btz_buf_add(&s->index, &index, sizeof index));
    BTZ_TRY(btz_buf_add(&s->label, &label, sizeof label));
    BTZ_TRY(btz_buf_add(&s->said, &said, sizeof said));
    BTZ_TRY(btz_buf_add(&s->distance, &b->distance, sizeof b->distance));
    s->count++;
    return BTZ_OK;
}

static enum btz_err path_of(const char *folder, const char *name, char out[4096])
{
    int n = snprintf(out, 4096, "%s/%s.npy", folder, name);

    return n < 0 || n >= 4096 ? btz_fail(BTZ_USAGE, "%s: path is too long", folder) : BTZ_OK;
}

static enum btz_err write_one(const char *folder, const char *name, struct btz_sample_array *a,
                              const struct btz_buf *data)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(ARRAY_MAX);
    char path[4096];

    BTZ_TRY(path_of(folder, name, path));
    a->data = data->ptr;
    BTZ_TRY(btz_npy_encode(a, &file));
    return btz_file_write(path, btz_buf_slice(&file), 0600);
}

static enum btz_err write_all(const struct btz_saved *s, const char *folder,
                              const struct btz_sample_shape *shape)
{
    struct btz_sample_array rows = { .type = BTZ_SAMPLE_F32,
                                     .rank = shape->rank + 1,
                                     .dim = { s->count } };
    struct btz_sample_array one = { .type = BTZ_SAMPLE_I64, .rank = 1, .dim = { s->count } };

    for (uint32_t k = 0; k < shape->rank; k++)
        rows.dim[k + 1] = shape->dim[k];
    BTZ_TRY(write_one(folder, "original", &rows, &s->x));
    BTZ_TRY(write_one(folder, "adversarial", &rows, &s->adv));
    BTZ_TRY(write_one(folder, "index", &one, &s->index));
    BTZ_TRY(write_one(folder, "label", &one, &s->label));
    BTZ_TRY(write_one(folder, "predicted", &one, &s->said));
    one.type = BTZ_SAMPLE_F64;
    return write_one(folder, "distance", &one, &s->distance);
}

static enum btz_err remove_all(const char *folder)
{
    static const char *const names[] = { "original", "adversarial", "index",
                                         "label",    "predicted",   "distance" };
    char path[4096];

    for (size_t i = 0; i < BTZ_COUNT(names); i++) {
        BTZ_TRY(path_of(folder, names[i], path));
        if (unlink(path) != 0 && errno != ENOENT)
            return btz_fail_errno(BTZ_IO, "remove %s", path);
    }
    return BTZ_OK;
}

/* The files are of one run or not there: those of an earlier one go first, and all go when one cannot be written. */
enum btz_err btz_saved_write(const struct btz_saved *s, const char *folder,
                             const struct btz_sample_shape *shape)
{
    char detail[1024];
    enum btz_err err;

    BTZ_TRY(btz_file_mkdirs(folder, 0700));
    BTZ_TRY(remove_all(folder));
    err = write_all(s, folder, shape);
    if (!err)
        return BTZ_OK;
    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    return remove_all(folder) ? btz_fail(err, "%s; files of a part are left in %s", detail, folder)
                              : btz_fail(err, "%s", detail);
}
