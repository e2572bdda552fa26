#include "redteam/redteam.h"

/* Marks that do not compose with ASCII letters. */
static const uint32_t marks[] = { 0x0316, 0x0317, 0x0318, 0x0319, 0x031C, 0x031D, 0x031E,
                                  0x033D, 0x033E, 0x0346, 0x034A, 0x0353, 0x0355, 0x035B };

static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    while (btz_utf8_next(in, &at, &c)) {
        BTZ_TRY(btz_buf_add_utf8(out, c));
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            continue;
        for (uint32_t n = 1 + btz_rng_below(rng, 2); n > 0; n--)
            BTZ_TRY(btz_buf_add_utf8(out, marks[btz_rng_below(rng, BTZ_COUNT(marks))]));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_diacritics = {
    .id = "diacritics",
    .title = "Stacked marks",
    .rule = "redteam.obfuscation.unicode",
    .apply = apply,
};
