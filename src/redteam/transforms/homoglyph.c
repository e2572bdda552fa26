/* Pairs of Unicode's intentional.txt and of UTS #39 confusables.txt (version 15). */
#include "redteam/redteam.h"

static const struct {
    char ascii;
    uint32_t look_alike;
} pairs[] = {
    { 'a', 0x0430 }, { 'c', 0x0441 }, { 'e', 0x0435 }, { 'i', 0x0456 }, { 'j', 0x0458 },
    { 'o', 0x043E }, { 'p', 0x0440 }, { 's', 0x0455 }, { 'x', 0x0445 }, { 'y', 0x0443 },
    { 'A', 0x0410 }, { 'B', 0x0412 }, { 'C', 0x0421 }, { 'E', 0x0415 }, { 'H', 0x041D },
    { 'I', 0x0406 }, { 'J', 0x0408 }, { 'K', 0x039A }, { 'M', 0x041C }, { 'N', 0x039D },
    { 'O', 0x041E }, { 'P', 0x0420 }, { 'S', 0x0405 }, { 'T', 0x0422 }, { 'X', 0x0425 },
    { 'Y', 0x03A5 }, { 'Z', 0x0396 },
};

static enum btz_err apply(struct btz_slice in, struct btz_rng *rng, struct btz_buf *out)
{
    size_t at = 0;
    uint32_t c;

    (void)rng;
    while (btz_utf8_next(in, &at, &c)) {
        for (size_t i = 0; i < BTZ_COUNT(pairs); i++)
            if (c == (uint32_t)pairs[i].ascii) {
                c = pairs[i].look_alike;
                break;
            }
        BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}

const struct btz_transform btz_transform_homoglyph = {
    .id = "homoglyph",
    .title = "Look-alike letters",
    .rule = "redteam.obfuscation.unicode",
    .apply = apply,
};
