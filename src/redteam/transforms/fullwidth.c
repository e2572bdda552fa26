#include "redteam/redteam.h"

/* U+0021 to U+007E have fullwidth forms 0xFEE0 higher; the space has U+3000. */
static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    (void)rng;
    while (btz_utf8_next(in, &at, &c)) {
        if (c >= 0x21 && c <= 0x7E)
            c += 0xFEE0;
        else if (c == ' ')
            c = 0x3000;
        BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_fullwidth = {
    .id = "fullwidth",
    .title = "Fullwidth letters",
    .rule = "redteam.obfuscation.unicode",
    .apply = apply,
};
