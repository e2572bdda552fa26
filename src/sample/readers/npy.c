/* One array of numpy. */
#include "sample/reader.h"

static bool knows(const struct btz_sample_file *f)
{
    return btz_npy_is(f->bytes);
}

static enum btz_err read_npy(struct btz_sample_job *job, struct btz_sample_table *out)
{
    return btz_npy_table(job->file->bytes, job->file->size, job->file->name,
                         job->options->memory_max, out);
}

const struct btz_sample_reader btz_sample_reader_npy = {
    .id = "npy",
    .knows = knows,
    .read = read_npy,
};
