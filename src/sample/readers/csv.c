/*
 * Tables of numbers with a column of labels. A first row whose fields are words where numbers follow is a header; so is the one
 * of scikit-learn's files: rows, columns, names of the classes.
 */
#include <math.h>
#include <strings.h>

#include "sample/reader.h"

#define NO_COLUMN SIZE_MAX

struct table {
    struct btz_sample_job *job;
    struct btz_sample_table *out;
    struct btz_csv csv;
    struct btz_sample_words words;
    const char **names; /* of all columns; NULL: no header */
    const char **classes;
    size_t columns, label, class_count;
    uint64_t rows, announced;
};

static bool knows(const struct btz_sample_file *f)
{
    static const char *const extensions[] = { ".csv", ".tsv", ".txt", ".data" };

    if (f->folder || (f->bytes.len && memchr(f->bytes.ptr, 0, f->bytes.len)))
        return false;
    for (size_t i = 0; i < BTZ_COUNT(extensions); i++)
        if (btz_sample_file_is(f, extensions[i]))
            return true;
    return false;
}

static bool is_missing(struct btz_slice field)
{
    static const char *const words[] = { "", "nan", "na", "n/a", "null", "none", "?" };
    struct btz_slice s = btz_slice_trim(field);

    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (s.len == strlen(words[i]) &&
            (s.len == 0 || strncasecmp((const char *)s.ptr, words[i], s.len) == 0))
            return true;
    return false;
}

static enum btz_err copy_names(struct btz_arena *arena, const struct btz_slice *fields,
                               size_t count, const char ***out)
{
    const char **names = btz_arena_array(arena, count + 1, sizeof *names);

    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++) {
        names[i] = btz_arena_str(arena, btz_slice_trim(fields[i]));
        if (!names[i])
            return BTZ_LIMIT;
    }
    *out = names;
    return BTZ_OK;
}

/* "569,30,malignant,benign" in front of rows of 31 fields. */
static bool is_count_header(const struct btz_csv *first, size_t columns, double *rows)
{
    double width;

    return first->count >= 2 && first->count != columns && btz_csv_number(first->fields[0], rows) &&
           btz_csv_number(first->fields[1], &width) && *rows >= 0 && width == (double)(columns - 1);
}

static bool is_header(const struct btz_csv *first, const struct btz_csv *second)
{
    double a;
    bool words = true;

    for (size_t i = 0; i < first->count && i < second->count; i++) {
        bool number = btz_csv_number(first->fields[i], &a);

        words = words && !number;
        if (!number && !is_missing(first->fields[i]) && btz_csv_number(second->fields[i], &a))
            return true;
    }
    return words && second->count == 0; /* nothing follows */
}

/* Looks at the first two rows and leaves the reader at the first one of data. */
static enum btz_err header(struct table *t)
{
    struct btz_csv first = t->csv, second;
    bool more, more_rows;
    enum btz_err err;
    double rows = 0;

    BTZ_TRY(btz_csv_next(&t->csv, &more));
    if (!more)
        return btz_fail(BTZ_INPUT, "%s: no rows", t->csv.in.what);
    btz_csv_init(&second, t->csv.in.in, t->csv.in.what);
    second.delimiter = t->csv.delimiter;
    second.in.at = t->csv.in.at;
    second.line = t->csv.line;
    err = btz_csv_next(&second, &more_rows);
    if (err == BTZ_OK) {
        t->columns = more_rows ? second.count : t->csv.count;
        if (more_rows && is_count_header(&t->csv, second.count, &rows)) {
            t->announced = rows < 1e15 ? (uint64_t)rows : 0;
            t->class_count = t->csv.count - 2;
            t->label = second.count - 1;
            err = copy_names(t->job->arena, t->csv.fields + 2, t->class_count, &t->classes);
        } else if (is_header(&t->csv, &second)) {
            err = copy_names(t->job->arena, t->csv.fields, t->csv.count, &t->names);
            t->columns = t->csv.count;
        } else { /* read it again, as data */
            t->csv.in.at = first.in.at;
            t->csv.line = first.line;
        }
    }
    btz_csv_release(&second);
    return err;
}

static enum btz_err find_label(struct table *t)
{
    static const char *const usual[] = { "label", "class", "target", "y" };
    const char *wanted = t->job->options->label_column;
    uint64_t number;

    if (wanted && !*wanted && !t->job->labels_only) {
        t->label = NO_COLUMN;
        return BTZ_OK;
    }
    if (wanted && *wanted) {
        for (size_t i = 0; t->names && i < t->columns; i++)
            if (strcmp(t->names[i], wanted) == 0) {
                t->label = i;
                return BTZ_OK;
            }
        if (btz_parse_u64(btz_str(wanted), &number) == BTZ_OK && number < t->columns) {
            t->label = (size_t)number;
            return BTZ_OK;
        }
        if (!t->job->labels_only)
            return btz_fail(BTZ_USAGE, "%s: no column \"%s\" among the %zu", t->csv.in.what, wanted,
                            t->columns);
    }
    t->label = t->columns - 1;
    for (size_t i = 0; t->names && i < t->columns; i++)
        for (size_t k = 0; k < BTZ_COUNT(usual); k++)
            if (strcasecmp(t->names[i], usual[k]) == 0) {
                t->label = i;
                return BTZ_OK;
            }
    /* Labels are in a file of their own: all of these are values. */
    if (t->job->options->labels && !t->job->labels_only)
        t->label = NO_COLUMN;
    return BTZ_OK;
}

static enum btz_err take_row(struct table *t)
{
    for (size_t i = 0; i < t->columns; i++) {
        struct btz_slice field = btz_slice_trim(t->csv.fields[i]);
        double value = NAN;
        float f;

        if (i == t->label) {
            uint32_t word;

            if (is_missing(field))
                return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": the label is missing (\"%.*s\")",
                                t->csv.in.what, t->csv.row_line, BTZ_SLICE_ARG(field));
            BTZ_TRY(btz_sample_word(&t->words, field, t->rows, &word));
            BTZ_TRY(btz_buf_add(&t->out->labels, &word, sizeof word));
            continue;
        }
        if (t->job->labels_only)
            continue;
        if (!btz_csv_number(field, &value) && !(t->job->options->missing_ok && is_missing(field)))
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": field %zu%s%s%s is \"%.*s\", no number",
                            t->csv.in.what, t->csv.row_line, i + 1, t->names ? " (" : "",
                            t->names ? t->names[i] : "", t->names ? ")" : "",
                            BTZ_SLICE_ARG(btz_slice_sub(field, 0, 40)));
        f = (float)value;
        if (isinf(f))
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": field %zu is beyond what a float holds",
                            t->csv.in.what, t->csv.row_line, i + 1);
        BTZ_TRY(btz_buf_add(&t->out->own, &f, sizeof f));
    }
    t->rows++;
    return BTZ_OK;
}

static enum btz_err finish(struct table *t)
{
    struct btz_sample_table *out = t->out;
    const char *const *names;
    size_t name_count;

    out->type = BTZ_SAMPLE_F32;
    out->rank = 2;
    out->dim[0] = t->rows;
    out->dim[1] = t->columns - (t->label != NO_COLUMN);
    out->in_own = true;
    if (t->announced && t->announced != t->rows)
        return btz_fail(BTZ_INPUT,
                        "%s: the first line says %" PRIu64 " rows, found %" PRIu64
                        "; is it cut off?",
                        t->csv.in.what, t->announced, t->rows);
    if (t->label != NO_COLUMN) {
        BTZ_TRY(btz_sample_words_end(&t->words, t->job->options->classes, t->csv.in.what,
                                     (uint32_t *)(void *)out->labels.ptr, t->rows, &names,
                                     &name_count));
        out->labelled = true;
        out->class_names = names ? names : t->classes;
        out->class_name_count = names ? name_count : t->class_count;
    }
    if (t->names) {
        for (size_t i = t->label; i < t->columns - 1; i++)
            t->names[i] = t->names[i + 1];
        out->columns = t->names;
    }
    return BTZ_OK;
}

static enum btz_err read_rows(struct table *t)
{
    bool more;

    BTZ_TRY(header(t));
    if (!t->classes)
        BTZ_TRY(find_label(t));
    else if (t->job->options->label_column && !*t->job->options->label_column)
        t->label = NO_COLUMN;
    if (t->columns == 1 && t->label == 0 && !t->job->labels_only)
        return btz_fail(BTZ_INPUT, "%s: one column, which is the label; no values", t->csv.in.what);
    for (;;) {
        BTZ_TRY(btz_csv_next(&t->csv, &more));
        if (!more)
            break;
        if (t->csv.count != t->columns)
            return btz_fail(BTZ_INPUT, "%s:%" PRIu64 ": %zu fields, expected %zu", t->csv.in.what,
                            t->csv.row_line, t->csv.count, t->columns);
        BTZ_TRY(take_row(t));
    }
    if (t->rows == 0)
        return btz_fail(BTZ_INPUT, "%s: no rows", t->csv.in.what);
    return finish(t);
}

static enum btz_err read_csv(struct btz_sample_job *job, struct btz_sample_table *out)
{
    struct table t = { .job = job, .out = out, .words = { .arena = job->arena }, .label = 0 };
    enum btz_err err;

    BTZ_TRY(btz_sample_file_whole(job->file));
    out->own.max = job->options->memory_max;
    out->labels.max = job->options->memory_max;
    btz_csv_init(&t.csv, job->file->bytes, job->file->name);
    err = read_rows(&t);
    btz_csv_release(&t.csv);
    return err;
}

const struct btz_sample_reader btz_sample_reader_csv = {
    .id = "csv",
    .knows = knows,
    .read = read_csv,
};
