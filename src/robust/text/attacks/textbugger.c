/* Words whose removal costs most; the best of all typing mistakes, look-alikes and synonyms. */
#include "robust/text/search.h"

extern const struct btz_text_attack btz_text_attack_textbugger;

static enum btz_err run(struct btz_text_job *job)
{
    return btz_search_by_rank(job, btz_str(""),
                              BTZ_EDIT_SWAP | BTZ_EDIT_DELETE | BTZ_EDIT_INSERT |
                                  BTZ_EDIT_KEYBOARD | BTZ_EDIT_LOOK | BTZ_EDIT_SYNONYM,
                              false);
}

static enum btz_err selftest(void)
{
    return btz_text_known_run(&btz_text_attack_textbugger, NULL, NULL);
}

const struct btz_text_attack btz_text_attack_textbugger = {
    .id = "textbugger",
    .summary = "the best of all typing mistakes, look-alikes and synonyms, in words whose removal "
               "costs most; words are not split",
    .source = "Li et al. 2019, arXiv 1812.05271",
    .run = run,
    .selftest = selftest,
};
