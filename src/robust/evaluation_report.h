/* What an evaluation without attacks says in a report: accuracies, and those under each corruption. */
#ifndef BTZ_ROBUST_EVALUATION_REPORT_H
#define BTZ_ROBUST_EVALUATION_REPORT_H

#include "finding/figures.h"
#include "robust/corruption_table.h"

/* {"correct","samples","accuracy","interval"}; and as "98.50 % [98.24, 98.73]". NULL: no memory. */
json_t *btz_rate_json(const struct btz_rate *r);
json_t *btz_rate_text(const struct btz_rate *r);

/* Sends it all; of a table also the finding, what corruptions break of the samples that were classified correctly. `table` may
 * be NULL. */
BTZ_CHECKED enum btz_err btz_evaluation_tell(const char *path, const struct btz_evaluation *e,
                                             const struct btz_corruption_table *table,
                                             struct btz_results *results);

#endif
