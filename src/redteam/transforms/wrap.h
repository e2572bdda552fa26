/* What the transforms share: an instruction to decode, then the encoded text. */
#ifndef BTZ_WRAP_H
#define BTZ_WRAP_H

#include "redteam/redteam.h"

/* Appends one of `leads` (a random one), an empty line and the text `in` in the encoding. */
BTZ_CHECKED enum btz_err btz_wrap_encoded(enum btz_encoding encoding, const char *const *leads,
                                          size_t lead_count, struct btz_slice in,
                                          struct btz_rng *rng, struct btz_buf *out);
/* Appends one of `leads` and an empty line. */
BTZ_CHECKED enum btz_err btz_wrap_lead(const char *const *leads, size_t lead_count,
                                       struct btz_rng *rng, struct btz_buf *out);

/* Defines `apply` for a transform that is an encoding with the leads of the array `leads`. */
#define BTZ_WRAP_APPLY(encoding)                                                                   \
    static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)       \
    {                                                                                              \
        return btz_wrap_encoded(encoding, leads, BTZ_COUNT(leads), in, rng, out);                  \
    }

#endif
