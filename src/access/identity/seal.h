/* The keys of a seal and the file that holds them. For seal.c, its tests and its fuzz target. */
#ifndef BTZ_ACCESS_SEAL_H
#define BTZ_ACCESS_SEAL_H

#include "access/identity.h"

#define BTZ_RING_KEYS 16
#define BTZ_RING_KEY  32
#define BTZ_RING_ID   8
#define BTZ_RING_TEXT 4096

/* Keys, newest first; the first seals, the others only open. An id is a digest of its key, so a damaged file shows. */
struct btz_ring {
    uint8_t root[BTZ_RING_KEY];
    size_t count;
    struct {
        uint8_t id[BTZ_RING_ID], bytes[BTZ_RING_KEY];
    } key[BTZ_RING_KEYS];
};

/* A new key in front. LIMIT when there are too many. */
BTZ_CHECKED enum btz_err btz_ring_add(struct btz_ring *r);
/* The text of a key file. Errors: INPUT. */
BTZ_CHECKED enum btz_err btz_ring_parse(struct btz_slice text, struct btz_ring *out);
BTZ_CHECKED enum btz_err btz_ring_write(const struct btz_ring *r, struct btz_buf *out);
/* Hex keys with commas between them, the newest first; the root comes of the last. Errors: INPUT. */
BTZ_CHECKED enum btz_err btz_ring_from_keys(const char *keys, struct btz_ring *out);

/* HKDF-SHA-256 (RFC 5869), one block of output. */
void btz_hkdf(struct btz_slice secret, struct btz_slice salt, struct btz_slice info,
              uint8_t out[32]);

#endif
