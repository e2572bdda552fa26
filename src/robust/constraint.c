/*
 * Columns of tables, and which rows may become which.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/constraint.h"

/* ---- configuration ----------------------------------------------------------------------------------------------------- */

struct column_conf {
    const char *name;
    int64_t column;
    int kind, moves;
    bool immutable;
    double low, high;
};
struct group_conf {
    const char *name;
    int64_t first, last;
};

static const char *const kind_names[] = { "real", "integer", NULL };
static const char *const move_names[] = { "any", "up", "down", NULL };

#define COLUMN(member) offsetof(struct column_conf, member)
static const struct btz_conf_key column_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = COLUMN(name),
      .help = "How people call the column.",
      .required = true },
    { .name = "column",
      .kind = BTZ_CONF_INT,
      .offset = COLUMN(column),
      .help = "Its number among the inputs of the model, from 0.",
      .min = 0,
      .max = 1e6,
      .required = true },
    { .name = "kind",
      .kind = BTZ_CONF_ENUM,
      .offset = COLUMN(kind),
      .fallback = "real",
      .choices = kind_names,
      .help = "integer: whole numbers only." },
    { .name = "moves",
      .kind = BTZ_CONF_ENUM,
      .offset = COLUMN(moves),
      .fallback = "any",
      .choices = move_names,
      .help = "up: it can only grow, as an age; down: only shrink." },
    { .name = "immutable",
      .kind = BTZ_CONF_BOOL,
      .offset = COLUMN(immutable),
      .fallback = "false",
      .help = "An attacker cannot change it." },
    { .name = "low",
      .kind = BTZ_CONF_REAL,
      .offset = COLUMN(low),
      .fallback = "-1e30",
      .min = -1e30,
      .max = 1e30,
      .help = "Least value it may be given." },
    { .name = "high",
      .kind = BTZ_CONF_REAL,
      .offset = COLUMN(high),
      .fallback = "1e30",
      .min = -1e30,
      .max = 1e30,
      .help = "Largest value it may be given." },
};
static const struct btz_conf_struct column_struct = { "column", sizeof(struct column_conf),
                                                      column_keys, BTZ_COUNT(column_keys) };

#define GROUP(member) offsetof(struct group_conf, member)
static const struct btz_conf_key group_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = GROUP(name),
      .help = "How people call the category.",
      .required = true },
    { .name = "first",
      .kind = BTZ_CONF_INT,
      .offset = GROUP(first),
      .help = "Number of its first column.",
      .min = 0,
      .max = 1e6,
      .required = true },
    { .name = "last",
      .kind = BTZ_CONF_INT,
      .offset = GROUP(last),
      .help = "Number of its last column.",
      .min = 0,
      .max = 1e6,
      .required = true },
};
static const struct btz_conf_struct group_struct = { "group", sizeof(struct group_conf), group_keys,
                                                     BTZ_COUNT(group_keys) };

static const struct btz_conf_key keys[] = {
    { .name = "columns",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct btz_constraint_conf, columns),
      .of = &column_struct,
      .help = "What single columns may become." },
    { .name = "groups",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct btz_constraint_conf, groups),
      .of = &group_struct,
      .help = "Categories that are one-hot: of neighbouring columns exactly one is 1." },
};
const struct btz_conf_struct btz_constraint_struct = { "constraints",
                                                       sizeof(struct btz_constraint_conf), keys,
                                                       BTZ_COUNT(keys) };

enum btz_err btz_constraint_free_columns(size_t features, struct btz_box box,
                                         struct btz_arena *arena, struct btz_constraint *out)
{
    *out = (struct btz_constraint){ .features = features };
    out->columns = btz_arena_array(arena, features, sizeof *out->columns);
    if (!out->columns)
        return BTZ_LIMIT;
    for (size_t k = 0; k < features; k++)
        out->columns[k] =
            (struct btz_column){ .low = box.low, .high = box.high, .group = BTZ_NO_GROUP };
    return BTZ_OK;
}

static enum btz_err load_column(struct btz_constraint *out, const struct column_conf *conf,
                                struct btz_box box)
{
    struct btz_column *c;
    double low = fmax(conf->low, (double)box.low), high = fmin(conf->high, (double)box.high);

    if (conf->column < 0 || (uint64_t)conf->column >= out->features)
        return btz_fail(BTZ_USAGE, "column %s: number %" PRId64 ", but the model has %zu inputs",
                        conf->name, conf->column, out->features);
    if (conf->kind == BTZ_COLUMN_INTEGER) {
        low = ceil(low);
        high = floor(high);
    }
    if (low > high)
        return btz_fail(BTZ_USAGE, "column %s: no value is left between %g and %g", conf->name,
                        conf->low, conf->high);
    c = &out->columns[conf->column];
    c->kind = (enum btz_column_kind)conf->kind;
    c->moves = (enum btz_column_moves)conf->moves;
    c->immutable = conf->immutable;
    c->low = (float)low;
    c->high = (float)high;
    return BTZ_OK;
}

static enum btz_err load_group(struct btz_constraint *out, const struct group_conf *conf)
{
    if (conf->first < 0 || conf->last <= conf->first || (uint64_t)conf->last >= out->features)
        return btz_fail(BTZ_USAGE,
                        "group %s: columns %" PRId64 " to %" PRId64
                        " are no two or more of the model's %zu inputs",
                        conf->name, conf->first, conf->last, out->features);
    for (int64_t k = conf->first; k <= conf->last; k++) {
        if (out->columns[k].group != BTZ_NO_GROUP)
            return btz_fail(BTZ_USAGE, "group %s: column %" PRId64 " is in another group, too",
                            conf->name, k);
        out->columns[k].group = out->group_count;
    }
    out->groups[out->group_count++] =
        (struct btz_column_group){ (size_t)conf->first, (size_t)(conf->last - conf->first + 1) };
    return BTZ_OK;
}

enum btz_err btz_constraint_load(const struct btz_constraint_conf *conf, size_t features,
                                 struct btz_box box, struct btz_arena *arena,
                                 struct btz_constraint *out)
{
    const struct column_conf *columns = conf->columns.items;
    const struct group_conf *groups = conf->groups.items;

    BTZ_TRY(btz_constraint_free_columns(features, box, arena, out));
    for (size_t k = 0; k < conf->columns.count; k++) {
        for (size_t q = 0; q < k; q++)
            if (columns[q].column == columns[k].column)
                return btz_fail(BTZ_USAGE, "columns %s and %s have the same number",
                                columns[q].name, columns[k].name);
        BTZ_TRY(load_column(out, &columns[k], box));
    }
    out->groups = btz_arena_array(arena, conf->groups.count + 1, sizeof *out->groups);
    if (!out->groups)
        return BTZ_LIMIT;
    for (size_t k = 0; k < conf->groups.count; k++)
        BTZ_TRY(load_group(out, &groups[k]));
    return BTZ_OK;
}

enum btz_err btz_constraint_of_job(const struct btz_attack_job *job, struct btz_arena *arena,
                                   struct btz_constraint *out)
{
    if (!job->constraint)
        return btz_constraint_free_columns(job->features, job->box, arena, out);
    if (job->constraint->features != job->features)
        return btz_fail(BTZ_USAGE, "the constraint is of %zu columns, the model has %zu inputs",
                        job->constraint->features, job->features);
    *out = *job->constraint;
    return BTZ_OK;
}

/* ---- rows -------------------------------------------------------------------------------------------------------------- */

static bool same(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || !(a < b || b < a);
}

static bool column_holds(const struct btz_column *c, float x0, float x)
{
    if (same(x0, x))
        return true;
    return !c->immutable && x >= c->low && x <= c->high &&
           !(c->kind == BTZ_COLUMN_INTEGER && x > floorf(x)) &&
           !(c->moves == BTZ_MOVES_UP && x < x0) && !(c->moves == BTZ_MOVES_DOWN && x > x0);
}

bool btz_constraint_holds(const struct btz_constraint *c, const float *x0, const float *x)
{
    for (size_t k = 0; k < c->features; k++)
        if (isnan(x[k]) || !column_holds(&c->columns[k], x0[k], x[k]))
            return false;
    for (size_t g = 0; g < c->group_count; g++) {
        const struct btz_column_group *group = &c->groups[g];
        size_t ones = 0, zeros = 0;

        if (!btz_constraint_is_changed(c, x0, c->features + g, x))
            continue;
        for (size_t k = group->first; k < group->first + group->count; k++) {
            ones += same(x[k], 1);
            zeros += same(x[k], 0);
        }
        if (ones != 1 || zeros != group->count - 1)
            return false;
    }
    return true;
}

float btz_constraint_value(const struct btz_constraint *c, const float *x0, size_t column,
                           double wanted)
{
    const struct btz_column *k = &c->columns[column];
    double low = (double)k->low, high = (double)k->high, now = (double)x0[column];
    float v;

    if (k->immutable || isnan(wanted))
        return x0[column];
    if (k->moves == BTZ_MOVES_UP)
        low = fmax(low, now);
    if (k->moves == BTZ_MOVES_DOWN)
        high = fmin(high, now);
    if (k->kind == BTZ_COLUMN_INTEGER) {
        low = ceil(low);
        high = floor(high);
        wanted = round(wanted);
    }
    if (low > high)
        return x0[column];
    v = (float)fmin(fmax(wanted, low), high);
    /* A float next to the wanted double may lie outside. */
    return column_holds(k, x0[column], v) ? v : x0[column];
}

bool btz_constraint_choose(const struct btz_constraint *c, const float *x0, size_t group, size_t k,
                           float *x)
{
    const struct btz_column_group *g = &c->groups[group];

    for (size_t j = 0; j < g->count; j++)
        if (!column_holds(&c->columns[g->first + j], x0[g->first + j], j == k))
            return false;
    for (size_t j = 0; j < g->count; j++)
        x[g->first + j] = j == k;
    return true;
}

bool btz_constraint_is_changed(const struct btz_constraint *c, const float *x0, size_t unit,
                               const float *x)
{
    if (unit < c->features)
        return !same(x0[unit], x[unit]);
    for (size_t k = 0; k < c->groups[unit - c->features].count; k++) {
        size_t at = c->groups[unit - c->features].first + k;

        if (!same(x0[at], x[at]))
            return true;
    }
    return false;
}

void btz_constraint_revert(const struct btz_constraint *c, const float *x0, size_t unit, float *x)
{
    size_t first = unit, count = 1;

    if (unit < c->features && c->columns[unit].group != BTZ_NO_GROUP)
        unit = c->features + c->columns[unit].group;
    if (unit >= c->features) {
        first = c->groups[unit - c->features].first;
        count = c->groups[unit - c->features].count;
    }
    memcpy(x + first, x0 + first, count * sizeof *x);
}

bool btz_constraint_move(const struct btz_constraint *c, const float *x0, size_t unit,
                         struct btz_rng *rng, float *x)
{
    const struct btz_column *k;
    float v;

    if (unit >= c->features) {
        size_t g = unit - c->features;

        return btz_constraint_choose(c, x0, g, btz_rng_below(rng, (uint32_t)c->groups[g].count), x);
    }
    k = &c->columns[unit];
    if (k->group != BTZ_NO_GROUP)
        return false;
    v = btz_constraint_value(
        c, x0, unit, (double)k->low + btz_rng_unit(rng) * ((double)k->high - (double)k->low));
    if (same(v, x[unit]))
        return false;
    x[unit] = v;
    return true;
}
