/* What answers questions about texts (text/oracle.c). */
#ifndef BTZ_ROBUST_TEXT_ORACLE_H
#define BTZ_ROBUST_TEXT_ORACLE_H

#include "base/base.h"

#define BTZ_TEXT_BYTES_MAX 65536 /* of one text */

/* The same as struct btz_oracle, of texts. Belongs to one thread. */
struct btz_text_oracle {
    size_t classes;
    bool has_scores;          /* false: labels only, scores are 1 and 0 */
    uint64_t queries, budget; /* texts asked; budget 0: none */
    /* n x classes: higher is likelier. */
    enum btz_err (*ask)(struct btz_text_oracle *, const struct btz_slice *texts, size_t n,
                        float *scores);
    void (*free)(struct btz_text_oracle *);
};
/* Errors: LIMIT over the budget (nothing is asked), and those of the oracle. */
BTZ_CHECKED enum btz_err btz_text_ask(struct btz_text_oracle *o, const struct btz_slice *texts,
                                      size_t n, float *scores);
void btz_text_oracle_free(struct btz_text_oracle *o);

#endif
