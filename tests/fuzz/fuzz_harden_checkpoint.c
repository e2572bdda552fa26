/* A checkpoint of training: whatever its bytes, it is refused or fits; the digest is made right so that what is behind it is
 * read, too. */
#include <stdlib.h>

#include "robust/harden/inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t mine[BTZ_SHA256_LEN] = { 0 };
    float weights[5] = { 0 }, stats[2] = { 0 }, first[5] = { 0 }, second[5] = { 0 },
          best[5] = { 0 }, best_stats[2] = { 0 }, delta[3] = { 0 }, kept[5] = { 0 },
          kept_stats[2] = { 0 };
    struct btz_harden_epoch curves[4] = { 0 };
    struct btz_harden_state s = { .curves = curves,
                                  .weights = weights,
                                  .stats = stats,
                                  .first = first,
                                  .second = second,
                                  .best = best,
                                  .best_stats = best_stats,
                                  .delta = delta,
                                  .kept = kept,
                                  .kept_stats = kept_stats,
                                  .numbers = 5,
                                  .stat_numbers = 2,
                                  .second_numbers = 5,
                                  .best_numbers = 5,
                                  .delta_numbers = 3,
                                  .kept_numbers = 5 };
    uint8_t *whole = malloc(size + BTZ_SHA256_LEN);

    if (!whole)
        return 0;
    if (size)
        memcpy(whole, data, size);
    if (btz_harden_checkpoint_decode(btz_slice_of(whole, size), 4, 8, mine, &s) == BTZ_OK &&
        (s.epoch > 4 || s.batch >= 8 || s.curve_count > 4 || s.kept_epoch > s.curve_count))
        abort();
    btz_sha256(btz_slice_of(whole, size), whole + size);
    if (btz_harden_checkpoint_decode(btz_slice_of(whole, size + BTZ_SHA256_LEN), 4, 8, mine, &s) ==
            BTZ_OK &&
        (s.epoch > 4 || s.batch >= 8 || s.curve_count > 4 || s.kept_epoch > s.curve_count))
        abort();
    free(whole);
    return 0;
}
