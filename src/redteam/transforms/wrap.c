#include "redteam/transforms/wrap.h"

enum btz_err btz_wrap_lead(const char *const *leads, size_t lead_count, struct btz_rng *rng,
                           struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, leads[btz_rng_below(rng, (uint32_t)lead_count)]));
    return btz_buf_add_str(out, "\n\n");
}

enum btz_err btz_wrap_encoded(enum btz_encoding encoding, const char *const *leads,
                              size_t lead_count, struct btz_slice in, struct btz_rng *rng,
                              struct btz_buf *out)
{
    BTZ_TRY(btz_wrap_lead(leads, lead_count, rng, out));
    return btz_text_encode(encoding, in, out);
}
