/* Words whose removal costs most; the best synonym of the list. */
#include "robust/text/search.h"

extern const struct btz_text_attack btz_text_attack_textfooler;

static enum btz_err run(struct btz_text_job *job)
{
    return btz_search_by_rank(job, btz_str(""), BTZ_EDIT_SYNONYM, false);
}

static enum btz_err selftest(void)
{
    return btz_text_known_run(&btz_text_attack_textfooler,
                              "awful: poor, dreadful\nfilm: movie, feature\n",
                              "A poor film with dull actors.");
}

const struct btz_text_attack btz_text_attack_textfooler = {
    .id = "textfooler",
    .summary = "the best synonym of the list, in words whose removal costs most; the list stands "
               "for the paper's embeddings and sentence encoder",
    .source = "Jin et al. 2020, arXiv 1907.11932",
    .run = run,
    .selftest = selftest,
};
