/*
 * sample: labelled arrays from files: digits as idx, arrays of numpy, tables as CSV, folders of pictures. Knows nothing of
 * networks; a sample is a row of floats with a shape.
 *
 * What fits into memory is held as it stands in the file (a byte a pixel); uncompressed idx and npy files that do not fit are
 * read from disk as rows are asked for. Reading rows changes nothing: many threads may read one set.
 */
#ifndef BTZ_SAMPLE_H
#define BTZ_SAMPLE_H

#include "base/base.h"

#define BTZ_SAMPLE_RANK_MAX 4
#define BTZ_NO_LABEL        UINT32_MAX
#define BTZ_CLASSES_MAX     65536

enum btz_sample_type {
    BTZ_SAMPLE_U8,
    BTZ_SAMPLE_I8,
    BTZ_SAMPLE_U16,
    BTZ_SAMPLE_I16,
    BTZ_SAMPLE_U32,
    BTZ_SAMPLE_I32,
    BTZ_SAMPLE_U64,
    BTZ_SAMPLE_I64,
    BTZ_SAMPLE_F16,
    BTZ_SAMPLE_F32,
    BTZ_SAMPLE_F64,
    BTZ_SAMPLE_BOOL,
};
size_t btz_sample_type_size(enum btz_sample_type type);
const char *btz_sample_type_name(enum btz_sample_type type); /* "u8", "f32" */

struct btz_sample_shape { /* of one sample: 1x28x28, or 30 for a row of a table */
    uint32_t rank;
    uint32_t dim[BTZ_SAMPLE_RANK_MAX];
};
/* Writes "1x28x28". */
#define BTZ_SAMPLE_SHAPE_TEXT 64
const char *btz_sample_shape_text(const struct btz_sample_shape *shape,
                                  char out[BTZ_SAMPLE_SHAPE_TEXT]);

enum btz_sample_scale {
    BTZ_SCALE_AUTO, /* pictures (bytes of at least two axes a sample) by 255, all else as it is */
    BTZ_SCALE_NONE,
    BTZ_SCALE_UNIT, /* by 255, whatever it is */
};
enum btz_sample_layout {
    BTZ_LAYOUT_NCHW, /* arrays are channels first, or without channels; folders of pictures become so */
    BTZ_LAYOUT_NHWC, /* arrays of rank 4 are channels last in the file: turned to channels first */
};

struct btz_samples_options {
    const char *data;   /* file or folder; ".gz" of any file format */
    const char *labels; /* file; NULL: those in the data file or folder, if it has any */
    const char *format; /* id of a reader; NULL: by content and name */
    const char *
        label_column; /* CSV: name, or index from 0; NULL: a column named label, class, target or y, else the last.
                               * "" : there is none */
    enum btz_sample_scale scale;
    enum btz_sample_layout layout;
    bool
        missing_ok; /* CSV: empty fields and NaN are NaN instead of errors; arrays: NaN and infinities pass */
    uint32_t classes;    /* labels must be below it; 0: whatever the data say */
    uint64_t memory_max; /* 0: 1 GiB */
};

struct btz_samples;
/* Errors: IO, INPUT (with the row, line or byte; a file of no known format), LIMIT, UNSUPPORTED (elements that are not read),
 * USAGE (no reader has the id `format`). */
BTZ_CHECKED enum btz_err btz_samples_open(const struct btz_samples_options *options,
                                          struct btz_samples **out);
/* The same from memory: `data` and `labels` of the options are only names. `labels` may be empty. Nothing is kept. */
BTZ_CHECKED enum btz_err btz_samples_parse(struct btz_slice data, struct btz_slice labels,
                                           const struct btz_samples_options *options,
                                           struct btz_samples **out);
void btz_samples_close(struct btz_samples *s);

struct btz_samples_info {
    size_t count;                  /* samples */
    struct btz_sample_shape shape; /* of one */
    size_t values;                 /* product of the shape */
    enum btz_sample_type type;     /* as stored */
    const char *format;            /* id of the reader */
    float scale;                   /* what values were multiplied with: 1 or 1/255 */
    bool labelled;
    uint32_t classes; /* largest label + 1, or what names and options say; 0: no labels */
    const char *const *class_names; /* `classes` of them; NULL: none known */
    const char *const
        *columns;    /* names of the values of a table, without the label; NULL: none known */
    bool streamed;   /* read from disk as rows are asked for */
    uint64_t memory; /* bytes held */
};
const struct btz_samples_info *btz_samples_info(const struct btz_samples *s);

/* Samples first .. first+count-1: `values` floats each into x, labels into y (BTZ_NO_LABEL without labels); either may be
 * NULL. Errors: INPUT (a NaN or infinity, names the sample; the file became shorter), IO, USAGE (there are not so many). */
BTZ_CHECKED enum btz_err btz_samples_rows(const struct btz_samples *s, size_t first, size_t count,
                                          float *x, uint32_t *y);
BTZ_CHECKED enum btz_err btz_samples_take(const struct btz_samples *s, const size_t *index,
                                          size_t count, float *x, uint32_t *y);

enum btz_sample_choice {
    BTZ_CHOOSE_STRIDE,  /* i * n / count: spread evenly, the same for everybody */
    BTZ_CHOOSE_SHUFFLE, /* seeded, without repetition, in random order */
    BTZ_CHOOSE_FIRST,   /* files may be sorted by class: seldom what is wanted */
};
/* `count` different ones of `n` samples; count <= n or USAGE. */
BTZ_CHECKED enum btz_err btz_samples_choose(size_t n, enum btz_sample_choice how, uint64_t seed,
                                            size_t count, size_t *index);

/* SHA-256 over shape, type, elements and labels as stored, the same whatever the file format and compression. Reads all. */
BTZ_CHECKED enum btz_err btz_samples_digest(const struct btz_samples *s,
                                            uint8_t out[BTZ_SHA256_LEN]);

/* ---- writing (write.c, png.c) ------------------------------------------------------------------------------------------ */

/* A dense row-major array in the machine's byte order. */
struct btz_sample_array {
    enum btz_sample_type type;
    uint32_t rank; /* <= 5: samples, then the shape of one */
    uint64_t dim[BTZ_SAMPLE_RANK_MAX + 1];
    const void *data;
};
/* Appends a .npy file, format 1.0. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_npy_encode(const struct btz_sample_array *array, struct btz_buf *out);
/* Appends an idx file: U8, I8, I16, I32, F32, F64; USAGE for what the format has not. */
BTZ_CHECKED enum btz_err btz_idx_encode(const struct btz_sample_array *array, struct btz_buf *out);
/* Appends a PNG of rows of 1 (grey), 3 (RGB) or 4 (RGBA) bytes a pixel. Errors: USAGE, LIMIT. */
BTZ_CHECKED enum btz_err btz_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height,
                                        unsigned channels, struct btz_buf *out);

/* Id of reader i; NULL behind the last. */
const char *btz_sample_format(size_t i);

#endif
