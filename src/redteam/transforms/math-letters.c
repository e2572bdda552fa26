#include "redteam/redteam.h"

static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    (void)rng;
    while (btz_utf8_next(in, &at, &c)) {
        if (c >= 'A' && c <= 'Z')
            c = 0x1D5D4 + (c - 'A');
        else if (c >= 'a' && c <= 'z')
            c = 0x1D5EE + (c - 'a');
        else if (c >= '0' && c <= '9')
            c = 0x1D7EC + (c - '0');
        BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_math_letters = {
    .id = "math-letters",
    .title = "Mathematical letters",
    .rule = "redteam.obfuscation.unicode",
    .apply = apply,
};
