#include "redteam/redteam.h"

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xC0;
}

static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    static const uint32_t invisible[] = { 0x200B, 0x200C, 0x200D };
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        BTZ_TRY(btz_buf_add_utf8(out, c));
        if (is_letter(c))
            BTZ_TRY(btz_buf_add_utf8(out, invisible[btz_rng_below(rng, 3)]));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_zero_width = {
    .id = "zero-width",
    .title = "Zero-width characters between letters",
    .rule = "redteam.obfuscation.unicode",
    .apply = apply,
};
