/* Philox4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11. */
#include "base/base.h"

static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] };
    uint32_t k[2] = { key[0], key[1] };

    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53 * c[0], b = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t next[4] = { (uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b,
                             (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a };

        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9;
        k[1] += 0xBB67AE85;
    }
    memcpy(out, c, sizeof c);
}

void btz_rng_init(struct btz_rng *r, uint64_t seed, uint64_t stream)
{
    *r = (struct btz_rng){ .key = { (uint32_t)seed, (uint32_t)(seed >> 32) },
                           .counter = { 0, 0, (uint32_t)stream, (uint32_t)(stream >> 32) } };
}

uint32_t btz_rng_u32(struct btz_rng *r)
{
    if (r->left == 0) {
        philox(r->counter, r->key, r->block);
        r->left = 4;
        if (++r->counter[0] == 0)
            r->counter[1]++;
    }
    return r->block[4 - r->left--];
}

uint64_t btz_rng_u64(struct btz_rng *r)
{
    uint64_t low = btz_rng_u32(r);

    return low | (uint64_t)btz_rng_u32(r) << 32;
}

uint32_t btz_rng_below(struct btz_rng *r, uint32_t bound)
{
    /* Lemire, "Fast random integer generation in an interval", 2019. */
    uint64_t product = (uint64_t)btz_rng_u32(r) * bound;

    if ((uint32_t)product < bound) {
        uint32_t floor = (uint32_t)(-bound % bound);

        while ((uint32_t)product < floor)
            product = (uint64_t)btz_rng_u32(r) * bound;
    }
    return (uint32_t)(product >> 32);
}

double btz_rng_unit(struct btz_rng *r)
{
    return (double)(btz_rng_u64(r) >> 11) * 0x1p-53;
}

uint64_t btz_rng_stream(struct btz_slice name)
{
    uint8_t digest[BTZ_SHA256_LEN];
    uint64_t out = 0;

    btz_sha256(name, digest);
    for (int i = 0; i < 8; i++)
        out = out << 8 | digest[i];
    return out;
}
