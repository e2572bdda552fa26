/* When a request may start and how long it waits before it is tried again. */
#ifndef BTZ_HTTP_PACE_H
#define BTZ_HTTP_PACE_H

#include "base/base.h"

/* Token bucket: `rate` tokens a second, at most `burst` kept. rate 0: always open. */
struct btz_bucket {
    double rate, burst, tokens;
    uint64_t at_ns;
};
void btz_bucket_init(struct btz_bucket *b, double rate, unsigned burst, uint64_t now_ns);
/* Takes a token; false, and how long to wait for one, when there is none. */
bool btz_bucket_take(struct btz_bucket *b, uint64_t now_ns, uint64_t *wait_ns);

/*
 * Milliseconds a Retry-After value asks for (RFC 9110 s.10.2.3): delta-seconds, or an HTTP-date in any of the
 * three forms of s.5.6.7; a date in the past asks for 0. False when it is neither.
 */
bool btz_http_retry_after(const char *value, uint64_t now_unix_ms, uint64_t *wait_ms);

/* Capped exponential back-off with full jitter: uniform in [0, min(cap, base * 2^(tries-1))], tries >= 1.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
uint64_t btz_http_backoff(struct btz_rng *rng, uint32_t base_ms, uint32_t cap_ms, unsigned tries);

#endif
