/*
 * Readers of sample files: one file in src/sample/readers, one word in the list of meson.build. A reader says where the elements
 * are and what they look like; sample.c makes rows of floats of them.
 */
#ifndef BTZ_SAMPLE_READER_H
#define BTZ_SAMPLE_READER_H

#include "sample/sample.h"

/* ---- files (file.c) ---------------------------------------------------------------------------------------------------- */

struct btz_sample_file {
    const char *name;       /* for errors */
    int fd;                 /* -1: all of it is in `bytes` */
    bool folder;            /* no bytes at all */
    struct btz_slice bytes; /* unpacked; of a file that is read from disk only its head */
    uint64_t size;
    struct btz_buf own;
};
#define BTZ_SAMPLE_HEAD 65536
/* Gzip is unpacked. Files of more than `memory_max` bytes stay on disk. */
BTZ_CHECKED enum btz_err btz_sample_file_open(const char *path, uint64_t memory_max,
                                              struct btz_sample_file *out);
BTZ_CHECKED enum btz_err btz_sample_file_wrap(struct btz_slice bytes, const char *name,
                                              uint64_t memory_max, struct btz_sample_file *out);
void btz_sample_file_close(struct btz_sample_file *f);
/* Its name ends so, whatever the case, before a ".gz". */
bool btz_sample_file_is(const struct btz_sample_file *f, const char *extension);
/* For readers that need all of it: LIMIT when it is not in memory. */
BTZ_CHECKED enum btz_err btz_sample_file_whole(const struct btz_sample_file *f);

/* ---- elements (element.c) ---------------------------------------------------------------------------------------------- */

/* `count` elements, `stride` bytes apart, as floats times `scale`. */
void btz_sample_floats(const uint8_t *from, enum btz_sample_type type, bool big_endian,
                       size_t stride, size_t count, float scale, float *to);
/* One as a double. Integers beyond 2^53 lose their last bits. */
double btz_sample_number(const uint8_t *from, enum btz_sample_type type, bool big_endian);

/* ---- what readers yield ------------------------------------------------------------------------------------------------ */

struct btz_sample_table {
    /* Elements, row-major. */
    enum btz_sample_type type;
    bool big_endian;
    uint32_t rank;
    uint64_t dim[BTZ_SAMPLE_RANK_MAX + 1]; /* rows, then the shape of one */
    bool in_own;                           /* in `own`, else at `offset` of the file */
    struct btz_buf own;
    uint64_t offset;
    bool planar; /* pictures whose channels are first already, whatever the options say */
    /* Labels, when there are any here. */
    bool labelled;
    struct btz_buf labels; /* uint32_t each */
    const char *const *class_names;
    size_t class_name_count;
    const char *const *columns;
};

struct btz_sample_job {
    const struct btz_samples_options *options; /* memory_max is set */
    struct btz_sample_file *file;
    struct btz_sample_file *labels; /* the label file, for readers that match names; NULL: none */
    bool labels_only;        /* the file is the label file: its elements are of no interest */
    struct btz_arena *arena; /* of the samples: for names */
};

struct btz_sample_reader {
    const char *id;
    bool folders; /* reads folders, takes the label file itself */
    bool (*knows)(const struct btz_sample_file *file);
    enum btz_err (*read)(struct btz_sample_job *job, struct btz_sample_table *out);
};
extern const struct btz_sample_reader *const btz_sample_readers[]; /* NULL at the end */

void btz_sample_table_release(struct btz_sample_table *t);
/* Product of the axes and the type; LIMIT when it overflows or is more than `max`. */
BTZ_CHECKED enum btz_err btz_sample_table_bytes(const struct btz_sample_table *t, const char *what,
                                                uint64_t max, uint64_t *out);

/* ---- labels (labels.c) ------------------------------------------------------------------------------------------------- */

/* Integers of one axis as labels into `out`; whole floats are taken. Errors: INPUT, names the row. */
BTZ_CHECKED enum btz_err btz_sample_labels(const struct btz_sample_table *t,
                                           const uint8_t *elements, uint32_t classes,
                                           const char *what, struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_sample_label_check(double value, uint64_t row, uint32_t classes,
                                                const char *what, uint32_t *out);

/*
 * Words to numbers, in the order they are first seen; at the end all whole numbers, or the words sorted.
 */
struct btz_sample_words {
    struct btz_arena *arena;
    struct btz_slice *words;
    uint64_t *rows; /* where each was first seen */
    uint32_t *slots;
    uint32_t count, room, mask;
};
BTZ_CHECKED enum btz_err btz_sample_word(struct btz_sample_words *w, struct btz_slice word,
                                         uint64_t row, uint32_t *out);
/* Turns `labels`, numbers of btz_sample_word, into labels. *names is NULL for numbers. */
BTZ_CHECKED enum btz_err btz_sample_words_end(struct btz_sample_words *w, uint32_t classes,
                                              const char *what, uint32_t *labels, size_t count,
                                              const char *const **names, size_t *name_count);

/* ---- arrays of numpy (npy.c) ------------------------------------------------------------------------------------------- */

bool btz_npy_is(struct btz_slice head);
/* Header and place of the elements in `in`, of which only the first bytes may be there: `size` is the whole. Arrays in the order
 * of Fortran are turned into `out->own`. */
BTZ_CHECKED enum btz_err btz_npy_table(struct btz_slice in, uint64_t size, const char *what,
                                       uint64_t memory_max, struct btz_sample_table *out);

/* ---- tables of text (csv_row.c) ---------------------------------------------------------------------------------------- */

struct btz_csv {
    struct btz_reader in;
    char delimiter;
    uint64_t line, row_line; /* of what is read next, and of the row that was read; from 1 */
    struct btz_slice *fields;
    size_t count, room;
    struct btz_buf text; /* of fields with quotes */
};
#define BTZ_CSV_FIELDS_MAX 100000
void btz_csv_init(struct btz_csv *c, struct btz_slice in, const char *what);
void btz_csv_release(struct btz_csv *c);
/* The next row that is not empty; *more is false at the end. Fields live until the next. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err btz_csv_next(struct btz_csv *c, bool *more);
bool btz_csv_number(struct btz_slice field, double *out); /* finite */

/* ---- pictures (png.c, jpeg.c) ------------------------------------------------------------------------------------------ */

#define BTZ_PICTURE_SIDE_MAX 16384
struct btz_picture {
    uint32_t width, height;
    unsigned channels;     /* 1 or 3; transparency is dropped */
    struct btz_buf pixels; /* rows of pixels */
};
bool btz_png_is(struct btz_slice head);
bool btz_jpeg_is(struct btz_slice head);
/* `out->pixels` has a maximum already. Errors: INPUT, LIMIT. */
BTZ_CHECKED enum btz_err btz_png_decode(struct btz_slice in, const char *what,
                                        struct btz_picture *out);
BTZ_CHECKED enum btz_err btz_jpeg_decode(struct btz_slice in, const char *what,
                                         struct btz_picture *out);

#endif
