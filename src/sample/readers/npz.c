/* Arrays of numpy in a zip archive: the samples under one of the usual names, the labels under another. */
#include "base/zip.h"
#include "sample/reader.h"

static const char *const sample_names[] = { "x",      "X",      "images", "data",
                                            "x_test", "X_test", "arr_0",  "x_train" };
static const char *const label_names[] = { "y",      "Y",      "labels", "target",
                                           "y_test", "Y_test", "arr_1",  "y_train" };

static bool knows(const struct btz_sample_file *f)
{
    return btz_is_zip(f->bytes);
}

static const struct btz_zip_entry *find(const struct btz_zip *zip, const char *const *names,
                                        size_t count, size_t *which)
{
    char name[32];

    for (size_t i = 0; i < count; i++) {
        const struct btz_zip_entry *e;

        snprintf(name, sizeof name, "%s.npy", names[i]);
        e = btz_zip_find(zip, btz_str(name));
        if (e) {
            *which = i;
            return e;
        }
    }
    return NULL;
}

/* The entry as a table of its own: its elements are moved to the front of `own`. */
static enum btz_err array(const struct btz_zip_entry *e, struct btz_sample_job *job,
                          struct btz_sample_table *out)
{
    struct btz_buf bytes = BTZ_BUF(job->options->memory_max);
    enum btz_err err = btz_zip_read(e, job->file->name, &bytes);

    if (err == BTZ_OK)
        err = btz_npy_table(btz_buf_slice(&bytes), bytes.len, job->file->name,
                            job->options->memory_max, out);
    if (err == BTZ_OK && !out->in_own) {
        memmove(bytes.ptr, bytes.ptr + out->offset, bytes.len - out->offset);
        bytes.len -= out->offset;
        out->own = bytes;
        out->in_own = true;
        out->offset = 0;
        return BTZ_OK;
    }
    btz_buf_release(&bytes);
    return err == BTZ_OK
               ? BTZ_OK
               : btz_fail_context(err, "%s: %.*s", job->file->name, BTZ_SLICE_ARG(e->name));
}

static enum btz_err read_labels(struct btz_sample_job *job, const struct btz_zip_entry *e,
                                struct btz_sample_table *out)
{
    struct btz_sample_table t = { 0 };
    enum btz_err err = array(e, job, &t);

    out->labels.max = job->options->memory_max;
    if (err == BTZ_OK && (t.rank == 0 || t.rank > BTZ_SAMPLE_RANK_MAX + 1))
        err = btz_fail(BTZ_INPUT, "%s: %.*s is no list of labels", job->file->name,
                       BTZ_SLICE_ARG(e->name));
    if (err == BTZ_OK)
        err =
            btz_sample_labels(&t, t.own.ptr, job->options->classes, job->file->name, &out->labels);
    out->labelled = err == BTZ_OK;
    btz_sample_table_release(&t);
    return err;
}

static enum btz_err read_npz(struct btz_sample_job *job, struct btz_sample_table *out)
{
    const struct btz_zip_entry *samples, *labels;
    struct btz_zip zip;
    size_t which = 0, label = 0;

    BTZ_TRY(btz_sample_file_whole(job->file));
    BTZ_TRY(btz_zip_parse(job->file->bytes, job->file->name, job->arena, &zip));
    labels = find(&zip, label_names, BTZ_COUNT(label_names), &label);
    samples = find(&zip, sample_names, BTZ_COUNT(sample_names), &which);
    if (job->labels_only) {
        if (!labels && zip.count == 1)
            labels = &zip.entries[0];
        if (!labels)
            return btz_fail(BTZ_INPUT, "%s: no array of labels (y, labels, target, arr_1)",
                            job->file->name);
        return read_labels(job, labels, out);
    }
    if (!samples && zip.count == 1)
        samples = &zip.entries[0];
    if (!samples)
        return btz_fail(BTZ_INPUT,
                        "%s: no array of samples (x, images, data, x_test, arr_0); the archive has "
                        "%zu, the first is %.*s",
                        job->file->name, zip.count,
                        BTZ_SLICE_ARG(zip.count ? zip.entries[0].name : btz_str("none")));
    BTZ_TRY(array(samples, job, out));
    return labels && labels != samples ? read_labels(job, labels, out) : BTZ_OK;
}

const struct btz_sample_reader btz_sample_reader_npz = {
    .id = "npz",
    .knows = knows,
    .read = read_npz,
};
