#include <sodium.h>

#include "access/identity.h"

#define PREFIX   "btz_"
#define PREFIXED (sizeof PREFIX - 1)
#define BODY     43 /* 62^43 > 2^256 */
#define CHECK    6  /* 62^6 > 2^32 */

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* CRC-32 of ISO 3309, RFC 1952 section 8: what zip and PNG use. */
uint32_t btz_crc32(struct btz_slice in)
{
    static const uint32_t four_bits[16] = { 0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC,
                                            0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
                                            0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
                                            0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C };
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < in.len; i++) {
        crc ^= in.ptr[i];
        crc = crc >> 4 ^ four_bits[crc & 15];
        crc = crc >> 4 ^ four_bits[crc & 15];
    }
    return ~crc;
}

/* The last `count` base-62 digits of a number of base 256, which is used up. */
static void base62(uint8_t *number, size_t len, char *out, size_t count)
{
    while (count-- > 0) {
        unsigned rest = 0;

        for (size_t i = 0; i < len; i++) {
            unsigned value = rest << 8 | number[i];

            number[i] = (uint8_t)(value / 62);
            rest = value % 62;
        }
        out[count] = digits[rest];
    }
}

static void checksum(const char *key, char out[CHECK])
{
    uint32_t crc = btz_crc32(btz_slice_of(key, PREFIXED + BODY));
    uint8_t number[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                          (uint8_t)crc };

    base62(number, sizeof number, out, CHECK);
}

void btz_key_from(const uint8_t bits[32], char out[BTZ_KEY_TEXT])
{
    uint8_t number[32];

    memcpy(number, bits, sizeof number);
    memcpy(out, PREFIX, PREFIXED);
    base62(number, sizeof number, out + PREFIXED, BODY);
    checksum(out, out + PREFIXED + BODY);
    out[PREFIXED + BODY + CHECK] = '\0';
    btz_wipe(number, sizeof number);
}

void btz_key_new(char out[BTZ_KEY_TEXT])
{
    uint8_t bits[32];

    btz_random_bytes(bits, sizeof bits);
    btz_key_from(bits, out);
    btz_wipe(bits, sizeof bits);
}

bool btz_is_key(struct btz_slice text)
{
    char check[CHECK];

    if (text.len != BTZ_KEY_TEXT - 1 || memcmp(text.ptr, PREFIX, PREFIXED) != 0)
        return false;
    for (size_t i = PREFIXED; i < text.len; i++) {
        uint8_t c = text.ptr[i], letter = (c | 0x20) - 'a';

        if (letter >= 26 && (uint8_t)(c - '0') >= 10)
            return false;
    }
    checksum((const char *)text.ptr, check);
    return memcmp(text.ptr + PREFIXED + BODY, check, CHECK) == 0;
}

void btz_key_hash(struct btz_slice key, const uint8_t pepper[32], uint8_t out[BTZ_SHA256_LEN])
{
    uint8_t inner[64], outer[64], digest[BTZ_SHA256_LEN];
    struct btz_sha256 h;

    for (size_t i = 0; i < sizeof inner; i++) { /* RFC 2104 section 2 */
        inner[i] = (i < 32 ? pepper[i] : 0) ^ 0x36;
        outer[i] = (i < 32 ? pepper[i] : 0) ^ 0x5C;
    }
    btz_sha256_2(btz_slice_of(inner, sizeof inner), key, digest);
    btz_sha256_init(&h);
    btz_sha256_add(&h, btz_slice_of(outer, sizeof outer));
    btz_sha256_add(&h, btz_slice_of(digest, sizeof digest));
    btz_sha256_end(&h, out);
    btz_wipe(inner, sizeof inner);
    btz_wipe(outer, sizeof outer);
    btz_wipe(digest, sizeof digest);
    btz_wipe(&h, sizeof h);
}
