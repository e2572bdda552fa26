/* Words whose masking costs most, one random edit of a character each. */
#include "robust/text/search.h"

extern const struct btz_text_attack btz_text_attack_deepwordbug;

static enum btz_err run(struct btz_text_job *job)
{
    return btz_search_by_rank(job, btz_str("[UNK]"),
                              BTZ_EDIT_SWAP | BTZ_EDIT_LETTER | BTZ_EDIT_DELETE | BTZ_EDIT_INSERT,
                              true);
}

static enum btz_err selftest(void)
{
    return btz_text_known_run(&btz_text_attack_deepwordbug, NULL, NULL);
}

const struct btz_text_attack btz_text_attack_deepwordbug = {
    .id = "deepwordbug",
    .summary = "characters swapped, replaced, left out or put in, at random, in words whose "
               "masking costs most",
    .source = "Gao et al. 2018, arXiv 1801.04354",
    .run = run,
    .selftest = selftest,
};
