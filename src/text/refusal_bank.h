/* What the judge asks of a bank. Private to this folder. */
#ifndef BTZ_TEXT_REFUSAL_BANK_H
#define BTZ_TEXT_REFUSAL_BANK_H

#include "text/text.h"

/* Share of the response, by length, that repeats known deflections; courtesy is left out of the count. 1 when there
 * is nothing but known sentences that carry no answer. 0 without memory. */
double btz_refusal_bank_share(const struct btz_refusal_bank *b, struct btz_slice response);

#endif
