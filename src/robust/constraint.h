/*
 * What the columns of a table may become: an adversarial row must be one that could exist. A value that is not changed is
 * always allowed.
 */
#ifndef BTZ_ROBUST_CONSTRAINT_H
#define BTZ_ROBUST_CONSTRAINT_H

#include "base/conf.h"
#include "robust/robust.h"

enum btz_column_kind { BTZ_COLUMN_REAL, BTZ_COLUMN_INTEGER };
enum btz_column_moves { BTZ_MOVES_ANY, BTZ_MOVES_UP, BTZ_MOVES_DOWN };
#define BTZ_NO_GROUP SIZE_MAX

struct btz_column {
    enum btz_column_kind kind;
    enum btz_column_moves moves;
    bool immutable;
    float low, high;
    size_t group; /* one-hot group it belongs to, or BTZ_NO_GROUP */
};
struct btz_constraint {
    size_t features, group_count;
    struct btz_column *columns;
    struct btz_column_group { /* neighbours, exactly one is 1 and the others are 0 */
        size_t first, count;
    } * groups;
};

/* The section `constraints` of a configuration: columns and one-hot groups by number from 0. */
struct btz_constraint_conf {
    struct btz_conf_list columns, groups;
};
extern const struct btz_conf_struct btz_constraint_struct;
/* All columns free within the box. */
BTZ_CHECKED enum btz_err btz_constraint_free_columns(size_t features, struct btz_box box,
                                                     struct btz_arena *arena,
                                                     struct btz_constraint *out);
/* Errors: USAGE (a column that does not exist, is named twice, or in two groups; an empty range), LIMIT. */
BTZ_CHECKED enum btz_err btz_constraint_load(const struct btz_constraint_conf *conf,
                                             size_t features, struct btz_box box,
                                             struct btz_arena *arena, struct btz_constraint *out);
/* Is x a row that x0 may become? Exactly, no tolerance. */
bool btz_constraint_holds(const struct btz_constraint *c, const float *x0, const float *x);
/* The nearest value of a column of no group that x0 allows. */
float btz_constraint_value(const struct btz_constraint *c, const float *x0, size_t column,
                           double wanted);
/* Makes category k (from 0) of the group the one. False where it may not be changed, and x is left alone. */
bool btz_constraint_choose(const struct btz_constraint *c, const float *x0, size_t group, size_t k,
                           float *x);
/* A random allowed move of one column or group; false where there is none at that place. unit: a column of no group, or
 * features + group. */
bool btz_constraint_move(const struct btz_constraint *c, const float *x0, size_t unit,
                         struct btz_rng *rng, float *x);
/* Puts one unit back to what it was in x0; a column of a group with all of its group. */
void btz_constraint_revert(const struct btz_constraint *c, const float *x0, size_t unit, float *x);
/* Does x differ from x0 there? */
bool btz_constraint_is_changed(const struct btz_constraint *c, const float *x0, size_t unit,
                               const float *x);

/*
 * For attacks: the job's constraint, or columns that are free. Either lives as long as the arena.
 */
BTZ_CHECKED enum btz_err btz_constraint_of_job(const struct btz_attack_job *job,
                                               struct btz_arena *arena, struct btz_constraint *out);

#endif
