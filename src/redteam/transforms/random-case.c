#include "redteam/redteam.h"

static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (letter && btz_rng_below(rng, 2) == 0)
            c ^= 0x20;
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_random_case = {
    .id = "random-case",
    .title = "Random capitals",
    .rule = "redteam.obfuscation.encoding",
    .apply = apply,
};
