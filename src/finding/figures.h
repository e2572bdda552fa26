/* Figures of a run as a whole, which belong to no single finding: the course of a training, a table of accuracies. */
#ifndef BTZ_FINDING_FIGURES_H
#define BTZ_FINDING_FIGURES_H

#include "base/json.h"
#include "finding/finding.h"

#define BTZ_RUN_FIGURES 32 /* of a run */

/*
 * Adds a figure, JSON as behind BTZ_FIGURE_TYPE, kept as a copy; reports show them in this order. It may have members beyond
 * those that are drawn: the JSON report has all. Takes the reference. Errors: LIMIT (NULL is no memory), INPUT (no kind or no
 * title).
 */
BTZ_CHECKED enum btz_err btz_results_figure(struct btz_results *r, json_t *figure);

#endif
