#include <curl/curl.h>

#include "http/pace.h"

void btz_bucket_init(struct btz_bucket *b, double rate, unsigned burst, uint64_t now_ns)
{
    *b = (struct btz_bucket){ .rate = rate, .burst = burst ? burst : 1, .at_ns = now_ns };
    b->tokens = b->burst;
}

bool btz_bucket_take(struct btz_bucket *b, uint64_t now_ns, uint64_t *wait_ns)
{
    if (b->rate <= 0)
        return true;
    if (now_ns > b->at_ns) {
        b->tokens += (double)(now_ns - b->at_ns) * 1e-9 * b->rate;
        if (b->tokens > b->burst)
            b->tokens = b->burst;
        b->at_ns = now_ns;
    }
    if (b->tokens >= 1) {
        b->tokens -= 1;
        return true;
    }
    /* A nanosecond more, so that rounding cannot wake us just before the token is whole. */
    *wait_ns = (uint64_t)((1 - b->tokens) / b->rate * 1e9) + 1;
    return false;
}

bool btz_http_retry_after(const char *value, uint64_t now_unix_ms, uint64_t *wait_ms)
{
    struct btz_slice text = btz_slice_trim(btz_str(value));
    uint64_t seconds = 0;
    time_t date;
    size_t digits = 0;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        if (seconds < UINT64_C(1) << 40)
            seconds = seconds * 10 + (uint64_t)(text.ptr[digits] - '0');
        digits++;
    }
    if (digits > 0 && digits == text.len) {
        *wait_ms = seconds * 1000;
        return true;
    }
    /* A date has a weekday in front; curl_getdate alone would take much looser spellings. */
    if (text.len < 20 || digits > 0 || !btz_slice_has(text, ":"))
        return false;
    date = curl_getdate(value, NULL);
    if (date < 0)
        return false;
    *wait_ms = (uint64_t)date * 1000 > now_unix_ms ? (uint64_t)date * 1000 - now_unix_ms : 0;
    return true;
}

uint64_t btz_http_backoff(struct btz_rng *rng, uint32_t base_ms, uint32_t cap_ms, unsigned tries)
{
    uint64_t ceiling = base_ms;

    for (unsigned i = 1; i < tries && ceiling < cap_ms; i++)
        ceiling *= 2;
    if (ceiling > cap_ms)
        ceiling = cap_ms;
    return (uint64_t)(btz_rng_unit(rng) * (double)(ceiling + 1));
}
