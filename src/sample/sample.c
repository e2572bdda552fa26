/* Sets of samples: opened, checked, read row by row. */
#include <math.h>
#include <stdlib.h>

#include "base/zip.h"
#include "sample/reader.h"

#define MEMORY_DEFAULT (UINT64_C(1) << 30)
#define NAMES_MAX      (64 << 20)

struct btz_samples {
    struct btz_samples_info info;
    struct btz_arena arena; /* names */
    struct btz_sample_file file;
    struct btz_sample_table table;
    size_t row_bytes;
    bool channels_last, missing_ok;
};

const char *btz_sample_shape_text(const struct btz_sample_shape *shape,
                                  char out[BTZ_SAMPLE_SHAPE_TEXT])
{
    int at = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < shape->rank; i++)
        at += snprintf(out + at, BTZ_SAMPLE_SHAPE_TEXT - (size_t)at, "%s%u", i ? "x" : "",
                       shape->dim[i]);
    return out;
}

void btz_sample_table_release(struct btz_sample_table *t)
{
    btz_buf_release(&t->own);
    btz_buf_release(&t->labels);
}

enum btz_err btz_sample_table_bytes(const struct btz_sample_table *t, const char *what,
                                    uint64_t max, uint64_t *out)
{
    size_t n = btz_sample_type_size(t->type);

    for (uint32_t i = 0; i < t->rank; i++)
        if (t->dim[i] > SIZE_MAX || !btz_size_mul(n, (size_t)t->dim[i], &n))
            return btz_fail(BTZ_LIMIT, "%s: axis %u of %" PRIu64 " makes it too large", what, i,
                            t->dim[i]);
    if (n > max)
        return btz_fail(BTZ_LIMIT, "%s: %zu bytes of elements, at most %" PRIu64 " fit", what, n,
                        max);
    *out = n;
    return BTZ_OK;
}

/* ---- opening --------------------------------------------------------------------------------------------------------- */

static enum btz_err reader_of(const char *format, const struct btz_sample_file *file,
                              const struct btz_sample_reader **out)
{
    for (size_t i = 0; btz_sample_readers[i]; i++)
        if (format ? strcmp(btz_sample_readers[i]->id, format) == 0
                   : btz_sample_readers[i]->knows(file)) {
            *out = btz_sample_readers[i];
            if ((*out)->folders != file->folder)
                return btz_fail(BTZ_INPUT, "%s: format %s reads %s", file->name, (*out)->id,
                                (*out)->folders ? "folders" : "files");
            return BTZ_OK;
        }
    if (format)
        return btz_fail(BTZ_USAGE, "no format \"%s\" of samples", format);
    return btz_fail(BTZ_INPUT,
                    "%s: none of the formats that are read: idx, npy, npz, CSV, folder of pictures",
                    file->name);
}

/* Whatever the reader said is checked here once: everything lies inside of what there is. */
static enum btz_err check_table(const struct btz_sample_job *job, const struct btz_sample_table *t)
{
    const char *what = job->file->name;
    uint64_t bytes, there = t->in_own ? t->own.len : job->file->size;
    uint64_t from = t->in_own ? 0 : t->offset;

    if (t->rank == 0 || t->rank > BTZ_SAMPLE_RANK_MAX + 1)
        return btz_fail(BTZ_INPUT, "%s: arrays of 1 to %d axes are read, found %u", what,
                        BTZ_SAMPLE_RANK_MAX + 1, t->rank);
    BTZ_TRY(btz_sample_table_bytes(t, what, INT64_MAX, &bytes));
    if (from > there || bytes > there - from)
        return btz_fail(BTZ_INPUT,
                        "%s: %" PRIu64 " bytes of elements announced, %" PRIu64
                        " are there; is it cut off?",
                        what, bytes, from > there ? 0 : there - from);
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->dim[i] == 0)
            return btz_fail(BTZ_INPUT, "%s: axis %u is empty: no samples", what, i);
    for (uint32_t i = 1; i < t->rank; i++)
        if (t->dim[i] > UINT32_MAX)
            return btz_fail(BTZ_LIMIT, "%s: axis %u is %" PRIu64, what, i, t->dim[i]);
    return BTZ_OK;
}

static enum btz_err label_file(struct btz_samples *s, const struct btz_samples_options *options,
                               struct btz_sample_file *file)
{
    struct btz_sample_job job = {
        .options = options, .file = file, .labels_only = true, .arena = &s->arena
    };
    const struct btz_sample_reader *reader;
    struct btz_sample_table t = { 0 };
    uint8_t *elements;
    enum btz_err err;

    BTZ_TRY(reader_of(NULL, file, &reader));
    if (reader->folders)
        return btz_fail(BTZ_INPUT, "%s: labels are in a file, this is a folder", file->name);
    BTZ_TRY(btz_sample_file_whole(file));
    err = reader->read(&job, &t);
    if (err == BTZ_OK && !t.labelled) {
        err = check_table(&job, &t);
        elements = t.in_own ? t.own.ptr : file->own.ptr + t.offset;
        t.labels.max = options->memory_max;
        if (err == BTZ_OK)
            err = btz_sample_labels(&t, elements, options->classes, file->name, &t.labels);
    }
    if (err == BTZ_OK) {
        btz_buf_release(&s->table.labels);
        s->table.labels = t.labels;
        s->table.labelled = true;
        s->table.class_names = t.class_names;
        s->table.class_name_count = t.class_name_count;
        t.labels = (struct btz_buf){ 0 };
    }
    btz_sample_table_release(&t);
    return err;
}

/* The shape of a sample, from the table's axes. */
static enum btz_err set_shape(struct btz_samples *s, const struct btz_samples_options *options)
{
    const struct btz_sample_table *t = &s->table;
    struct btz_sample_shape *shape = &s->info.shape;
    size_t values = 1;
    /* Bytes of two axes a sample are grey pictures: their channel is added. */
    bool grey = t->rank == 3 && t->type == BTZ_SAMPLE_U8;

    s->channels_last = options->layout == BTZ_LAYOUT_NHWC && t->rank == 4 && !t->planar;
    if (grey)
        shape->dim[shape->rank++] = 1;
    if (s->channels_last)
        shape->dim[shape->rank++] = (uint32_t)t->dim[3];
    for (uint32_t i = 1; i < (s->channels_last ? 3 : t->rank); i++)
        shape->dim[shape->rank++] = (uint32_t)t->dim[i];
    if (shape->rank == 0)
        shape->dim[shape->rank++] = 1; /* one number a sample */
    for (uint32_t i = 0; i < shape->rank; i++)
        if (!btz_size_mul(values, shape->dim[i], &values))
            return btz_fail(BTZ_LIMIT, "%s: samples are too large", s->file.name);
    s->info.values = values;
    s->row_bytes = values * btz_sample_type_size(t->type);
    if (t->dim[0] > SIZE_MAX)
        return btz_fail(BTZ_LIMIT, "%s: too many samples", s->file.name);
    s->info.count = (size_t)t->dim[0];
    return BTZ_OK;
}

static enum btz_err set_labels(struct btz_samples *s, const struct btz_samples_options *options,
                               const char *labels_name)
{
    const struct btz_sample_table *t = &s->table;
    const uint32_t *labels = (const uint32_t *)(const void *)t->labels.ptr;
    size_t count = t->labels.len / sizeof *labels;
    uint32_t most = 0;

    if (!t->labelled)
        return BTZ_OK;
    if (count != s->info.count)
        return btz_fail(BTZ_INPUT, "%s: %zu labels for %zu samples of %s", labels_name, count,
                        s->info.count, s->file.name);
    for (size_t i = 0; i < count; i++) {
        if (options->classes && labels[i] >= options->classes)
            return btz_fail(BTZ_INPUT, "%s: the label of row %zu is %u, expected 0 to %u",
                            labels_name, i, labels[i], options->classes - 1);
        most = labels[i] > most ? labels[i] : most;
    }
    s->info.labelled = true;
    s->info.classes = options->classes                  ? options->classes
                      : t->class_name_count > most + 1u ? (uint32_t)t->class_name_count
                                                        : most + 1;
    if (t->class_name_count >= s->info.classes)
        s->info.class_names = t->class_names;
    return BTZ_OK;
}

static enum btz_err open_table(struct btz_samples *s, const struct btz_samples_options *options,
                               struct btz_sample_file *labels)
{
    struct btz_sample_job job = { .options = options, .file = &s->file, .arena = &s->arena };
    const struct btz_sample_reader *reader;
    const struct btz_sample_table *t = &s->table;

    BTZ_TRY(reader_of(options->format, &s->file, &reader));
    job.labels = reader->folders ? labels : NULL;
    BTZ_TRY(reader->read(&job, &s->table));
    BTZ_TRY(check_table(&job, t));
    if (labels && !reader->folders)
        BTZ_TRY(label_file(s, options, labels));
    BTZ_TRY(set_shape(s, options));
    BTZ_TRY(set_labels(s, options, labels ? labels->name : s->file.name));
    s->info.format = reader->id;
    s->info.type = t->type;
    s->info.columns = t->columns;
    s->info.scale = options->scale == BTZ_SCALE_UNIT || (options->scale == BTZ_SCALE_AUTO &&
                                                         t->type == BTZ_SAMPLE_U8 && t->rank >= 3)
                        ? 1.0F / 255.0F
                        : 1.0F;
    s->info.streamed = !t->in_own && s->file.fd >= 0;
    s->missing_ok = options->missing_ok;
    if (t->in_own) { /* the file itself is of no use any more */
        btz_sample_file_close(&s->file);
    }
    s->info.memory = s->file.own.cap + t->own.cap + t->labels.cap + s->arena.used;
    return BTZ_OK;
}

static enum btz_err start(const struct btz_samples_options *options, struct btz_samples **out,
                          struct btz_samples_options *set)
{
    struct btz_samples *s = calloc(1, sizeof *s);

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *set = *options;
    if (!set->memory_max)
        set->memory_max = MEMORY_DEFAULT;
    if (set->classes > BTZ_CLASSES_MAX) {
        free(s);
        return btz_fail(BTZ_USAGE, "at most %d classes", BTZ_CLASSES_MAX);
    }
    btz_arena_init(&s->arena, NAMES_MAX);
    s->file.fd = -1;
    *out = s;
    return BTZ_OK;
}

enum btz_err btz_samples_open(const struct btz_samples_options *options, struct btz_samples **out)
{
    struct btz_sample_file labels = { .fd = -1 };
    struct btz_samples_options set;
    struct btz_samples *s = NULL;
    enum btz_err err;

    BTZ_TRY(start(options, &s, &set));
    err = btz_sample_file_open(set.data, set.memory_max, &s->file);
    if (err == BTZ_OK && set.labels)
        err = btz_sample_file_open(set.labels, set.memory_max, &labels);
    if (err == BTZ_OK)
        err = open_table(s, &set, set.labels ? &labels : NULL);
    btz_sample_file_close(&labels);
    if (err != BTZ_OK)
        btz_samples_close(s);
    else {
        s->file.name = btz_arena_str(&s->arena, btz_str(set.data));
        *out = s;
    }
    return err;
}

enum btz_err btz_samples_parse(struct btz_slice data, struct btz_slice labels,
                               const struct btz_samples_options *options, struct btz_samples **out)
{
    struct btz_sample_file label_bytes = { .fd = -1 };
    struct btz_samples_options set;
    struct btz_samples *s = NULL;
    enum btz_err err;

    BTZ_TRY(start(options, &s, &set));
    err = btz_sample_file_wrap(data, set.data ? set.data : "samples", set.memory_max, &s->file);
    if (err == BTZ_OK && labels.len)
        err = btz_sample_file_wrap(labels, set.labels ? set.labels : "labels", set.memory_max,
                                   &label_bytes);
    if (err == BTZ_OK)
        err = open_table(s, &set, labels.len ? &label_bytes : NULL);
    btz_sample_file_close(&label_bytes);
    if (err != BTZ_OK)
        btz_samples_close(s);
    else {
        s->file.name = btz_arena_str(&s->arena, btz_str(s->file.name));
        *out = s;
    }
    return err;
}

void btz_samples_close(struct btz_samples *s)
{
    if (!s)
        return;
    btz_sample_file_close(&s->file);
    btz_sample_table_release(&s->table);
    btz_arena_release(&s->arena);
    free(s);
}

const struct btz_samples_info *btz_samples_info(const struct btz_samples *s)
{
    return &s->info;
}

const char *btz_sample_format(size_t i)
{
    return btz_sample_readers[i] ? btz_sample_readers[i]->id : NULL;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

/* The stored bytes of one sample: there already, or read into `room`. */
static enum btz_err row_bytes(const struct btz_samples *s, size_t row, uint8_t *room,
                              const uint8_t **out)
{
    uint64_t at = (uint64_t)row * s->row_bytes;

    if (s->table.in_own)
        *out = s->table.own.ptr + at;
    else if (s->file.fd < 0)
        *out = s->file.bytes.ptr + s->table.offset + at;
    else {
        BTZ_TRY(
            btz_fd_pread_all(s->file.fd, room, s->row_bytes, s->table.offset + at, s->file.name));
        *out = room;
    }
    return BTZ_OK;
}

static enum btz_err row_floats(const struct btz_samples *s, size_t row, uint8_t *room, float *x)
{
    const struct btz_samples_info *info = &s->info;
    const struct btz_sample_table *t = &s->table;
    size_t size = btz_sample_type_size(t->type);
    const uint8_t *from;

    BTZ_TRY(row_bytes(s, row, room, &from));
    if (s->channels_last) {
        size_t channels = info->shape.dim[0], pixels = info->values / channels;

        for (size_t c = 0; c < channels; c++)
            btz_sample_floats(from + c * size, t->type, t->big_endian, size * channels, pixels,
                              info->scale, x + c * pixels);
    } else
        btz_sample_floats(from, t->type, t->big_endian, size, info->values, info->scale, x);
    if (s->missing_ok ||
        (t->type != BTZ_SAMPLE_F16 && t->type != BTZ_SAMPLE_F32 && t->type != BTZ_SAMPLE_F64))
        return BTZ_OK;
    for (size_t i = 0; i < info->values; i++)
        if (!isfinite(x[i]))
            return btz_fail(BTZ_INPUT, "%s: value %zu of sample %zu is %s", s->file.name, i, row,
                            isnan(x[i]) ? "not a number" : "infinite");
    return BTZ_OK;
}

static enum btz_err some_rows(const struct btz_samples *s, size_t first, const size_t *index,
                              size_t count, float *x, uint32_t *y)
{
    const uint32_t *labels = (const uint32_t *)(const void *)s->table.labels.ptr;
    BTZ_FREE uint8_t *room = NULL;

    if (s->file.fd >= 0 && !s->table.in_own && x) {
        room = malloc(s->row_bytes);
        if (!room)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        size_t row = index ? index[i] : first + i;

        if (row >= s->info.count)
            return btz_fail(BTZ_USAGE, "%s: sample %zu of %zu", s->file.name, row, s->info.count);
        if (x)
            BTZ_TRY(row_floats(s, row, room, x + i * s->info.values));
        if (y)
            y[i] = s->info.labelled ? labels[row] : BTZ_NO_LABEL;
    }
    return BTZ_OK;
}

enum btz_err btz_samples_rows(const struct btz_samples *s, size_t first, size_t count, float *x,
                              uint32_t *y)
{
    if (first > s->info.count || count > s->info.count - first)
        return btz_fail(BTZ_USAGE, "%s: samples %zu to %zu of %zu", s->file.name, first,
                        first + count, s->info.count);
    return some_rows(s, first, NULL, count, x, y);
}

enum btz_err btz_samples_take(const struct btz_samples *s, const size_t *index, size_t count,
                              float *x, uint32_t *y)
{
    return some_rows(s, 0, index, count, x, y);
}

enum btz_err btz_samples_choose(size_t n, enum btz_sample_choice how, uint64_t seed, size_t count,
                                size_t *index)
{
    BTZ_FREE size_t *all = NULL;
    struct btz_rng rng;

    if (count > n || n > UINT32_MAX)
        return btz_fail(BTZ_USAGE, "%zu samples wanted of %zu", count, n);
    if (how != BTZ_CHOOSE_SHUFFLE) {
        for (size_t i = 0; i < count; i++)
            index[i] = how == BTZ_CHOOSE_FIRST ? i : (size_t)((uint64_t)i * n / count);
        return BTZ_OK;
    }
    all = calloc(n ? n : 1, sizeof *all);
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_rng_init(&rng, seed, btz_rng_stream(btz_str("samples")));
    for (size_t i = 0; i < n; i++)
        all[i] = i;
    for (size_t i = 0; i < count; i++) {
        size_t k = i + btz_rng_below(&rng, (uint32_t)(n - i));

        index[i] = all[k];
        all[k] = all[i];
    }
    return BTZ_OK;
}

enum btz_err btz_samples_digest(const struct btz_samples *s, uint8_t out[BTZ_SHA256_LEN])
{
    BTZ_FREE uint8_t *room = malloc(s->row_bytes ? s->row_bytes : 1);
    BTZ_FREE uint8_t *turned = malloc(s->row_bytes ? s->row_bytes : 1);
    size_t size = btz_sample_type_size(s->table.type);
    char head[128], shape[BTZ_SAMPLE_SHAPE_TEXT];
    struct btz_sha256 hash;

    if (!room || !turned)
        return btz_fail(BTZ_LIMIT, "out of memory");
    snprintf(head, sizeof head, "%zu %s %s %d\n", s->info.count,
             btz_sample_shape_text(&s->info.shape, shape), btz_sample_type_name(s->table.type),
             s->info.labelled);
    btz_sha256_init(&hash);
    btz_sha256_add(&hash, btz_str(head));
    for (size_t row = 0; row < s->info.count; row++) {
        const uint8_t *from;

        BTZ_TRY(row_bytes(s, row, room, &from));
        if (s->table.big_endian && size > 1) {
            for (size_t i = 0; i < s->row_bytes; i++)
                turned[i] = from[i - i % size + size - 1 - i % size];
            from = turned;
        }
        btz_sha256_add(&hash, btz_slice_of(from, s->row_bytes));
    }
    if (s->info.labelled)
        btz_sha256_add(&hash, btz_buf_slice(&s->table.labels));
    btz_sha256_end(&hash, out);
    return BTZ_OK;
}
