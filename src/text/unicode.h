/* What normalise.c and the decoders know of single characters. Private to this folder. */
#ifndef BTZ_TEXT_UNICODE_H
#define BTZ_TEXT_UNICODE_H

#include "base/base.h"

/* The ASCII letter or digit that looks like `c` or has its decimal value, else `c` itself. */
uint32_t btz_unicode_ascii_twin(uint32_t c);
/* The table of look-alikes is searched by halves: true when it is in order (for the test). */
bool btz_unicode_twins_sorted(void);

/* Shown as nothing: format controls, fillers, tags, variation selectors, soft hyphen. */
bool btz_unicode_is_invisible(uint32_t c);

/* Typographic quotes, dashes and primes to ASCII, everything else unchanged. */
uint32_t btz_unicode_plain_quote(uint32_t c);

bool btz_unicode_is_space(uint32_t c); /* White_Space of UAX #44 */

#endif
