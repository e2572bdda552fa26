/* What both attacks on rows of tables do. */
#ifndef BTZ_ROBUST_TABULAR_H
#define BTZ_ROBUST_TABULAR_H

#include "robust/constraint.h"
#include "robust/hunt.h"

/* Takes back what was changed in the best row of each sample, a unit at a time, while it stays misclassified. */
BTZ_CHECKED enum btz_err btz_tabular_prune(struct btz_hunt *h, const struct btz_constraint *c);
/*
 * Known answer: a linear model of which only one allowed change is enough, among immutable, integer, one-way and categorical
 * columns; and the same where that one is forbidden, which leaves nothing.
 */
BTZ_CHECKED enum btz_err btz_tabular_known(const struct btz_attack *attack);

#endif
