/* The gateway's classifier of injections as a target (text_guard.c). */
#ifndef BTZ_WATCH_TEXT_GUARD_H
#define BTZ_WATCH_TEXT_GUARD_H

#include "robust/text_oracle.h"

/* Reads the normal form of a text, as the user's channel does; class 1 is an injection. `file`: of `bartizan gate train`; "" the
 * built-in one. Errors: those of btz_guard_classifier_open. */
BTZ_CHECKED enum btz_err btz_text_oracle_of_guard(const char *file, struct btz_text_oracle **out);

#endif
