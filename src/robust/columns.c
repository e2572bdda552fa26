/*
 * Constraints of a table as the practice gets them: a file says what is known of columns, the data say the rest.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "robust/constraint.h"
#include "robust/practice.h"

#define FILE_MAX ((size_t)16 << 20)
#define TOGETHER 256 /* rows read at once */
#define UNSAID   1e30F

enum btz_err btz_columns_parse(struct btz_slice text, const char *name, size_t features,
                               struct btz_arena *arena, struct btz_constraint *out)
{
    static const struct btz_conf_env none = { 0 };
    const struct btz_box all = { -UNSAID, UNSAID };
    struct btz_constraint_conf conf = { 0 };
    const struct btz_yaml *root;

    BTZ_TRY(btz_yaml_parse(text, name, arena, &root));
    BTZ_TRY(btz_conf_load(root, &btz_constraint_struct, name, &none, arena, &conf));
    return btz_constraint_load(&conf, features, all, arena, out);
}

/* Least and largest value of each column. */
static enum btz_err ranges(const struct btz_samples *s, size_t n, float *low, float *high)
{
    const size_t count = btz_samples_info(s)->count;
    BTZ_FREE float *x = malloc(TOGETHER * n * sizeof *x);

    if (!x)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t k = 0; k < n; k++) {
        low[k] = INFINITY;
        high[k] = -INFINITY;
    }
    for (size_t first = 0; first < count; first += TOGETHER) {
        size_t rows = count - first < TOGETHER ? count - first : TOGETHER;

        BTZ_TRY(btz_samples_rows(s, first, rows, x, NULL));
        for (size_t i = 0; i < rows * n; i++) {
            low[i % n] = fminf(low[i % n], x[i]);
            high[i % n] = fmaxf(high[i % n], x[i]);
        }
    }
    return BTZ_OK;
}

/* A range that nobody said is that of the data; of a category it is 0 to 1. The box holds all of them, and all data. */
static enum btz_err fill(struct btz_constraint *c, const struct btz_samples *s, struct btz_box *box)
{
    size_t n = c->features;
    BTZ_FREE float *low = malloc(n * sizeof *low), *high = malloc(n * sizeof *high);

    if (!low || !high)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(ranges(s, n, low, high));
    *box = (struct btz_box){ INFINITY, -INFINITY };
    for (size_t k = 0; k < n; k++) {
        struct btz_column *column = &c->columns[k];
        bool one_hot = column->group != BTZ_NO_GROUP;

        if (column->low <= -UNSAID)
            column->low = one_hot ? 0 : fminf(low[k], column->high);
        if (column->high >= UNSAID)
            column->high = one_hot ? 1 : fmaxf(high[k], column->low);
        box->low = fminf(box->low, fminf(low[k], column->low));
        box->high = fmaxf(box->high, fmaxf(high[k], column->high));
    }
    if (!(box->low < box->high))
        box->high = box->low + 1;
    return BTZ_OK;
}

enum btz_err btz_columns_load(const char *path, const struct btz_samples *s,
                              struct btz_arena *arena, struct btz_constraint *out,
                              struct btz_box *box)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FILE_MAX);
    size_t n = btz_samples_info(s)->values;

    if (path)
        BTZ_TRY(btz_file_read(path, FILE_MAX, &text));
    BTZ_TRY(btz_columns_parse(btz_buf_slice(&text), path ? path : "constraints", n, arena, out));
    return fill(out, s, box);
}
