/* From an evaluation of texts to findings of redteam.evasion.text (text/findings.c). */
#ifndef BTZ_ROBUST_TEXT_FINDINGS_H
#define BTZ_ROBUST_TEXT_FINDINGS_H

#include "base/json.h"
#include "robust/practice.h"
#include "robust/text.h"

struct btz_text_report {
    struct btz_asset asset;
    const struct btz_text_evaluation *evaluation;
    const struct btz_text_given *attacks; /* as the evaluation was given them */
    const struct btz_text_limits *limits;
    const struct btz_slice *text; /* the same */
    const char *const *names;     /* of classes */
    size_t classes;
    uint64_t planned;
    double robust_min; /* negative: every broken text counts */
};
/* A finding for each attack, one for the worst case of several, and coverage. Nothing is said where no text was classified
 * correctly. */
BTZ_CHECKED enum btz_err btz_text_findings(const struct btz_text_report *r, struct btz_sink *sink);

#endif
