/* Doing what was asked. Inside demo only. */
#ifndef BTZ_DEMO_PERFORM_H
#define BTZ_DEMO_PERFORM_H

#include "demo/intent.h"

struct btz_demo_stage {
    struct btz_rng *rng;
    struct btz_slice extra; /* instructions of the operator's own, behind ours */
    bool with_secrets;      /* sentences that hold secrets are recited, too */
};

/* Appends what the ask wants; `all` are the asks it came with (they supply data and words). */
BTZ_CHECKED enum btz_err btz_demo_perform(const struct btz_demo_stage *stage,
                                          const struct btz_demo_asks *all,
                                          const struct btz_demo_ask *ask, struct btz_buf *out);
/* The text in another form: BASE64, HEX, ROT13, REVERSED, SPELLED; anything else: as it is. */
BTZ_CHECKED enum btz_err btz_demo_encode(enum btz_demo_form form, struct btz_slice in,
                                         struct btz_buf *out);

#endif
