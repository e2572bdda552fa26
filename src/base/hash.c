/*
 * The functions of SHA-256 itself: EVP looks an algorithm up by its name and allocates for each text, which costs more than
 * hashing a kilobyte. They are deprecated since OpenSSL 3.0, but there is nothing that replaces them; should they go, the
 * digest is fetched once a process with EVP_MD_fetch().
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>

#include <openssl/sha.h>
#include <sodium.h>

#include "base/base.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct btz_sha256), "room for OpenSSL's state");

void btz_sha256(struct btz_slice in, uint8_t out[BTZ_SHA256_LEN])
{
    struct btz_sha256 h;

    btz_sha256_init(&h);
    btz_sha256_add(&h, in);
    btz_sha256_end(&h, out);
}

void btz_sha256_2(struct btz_slice a, struct btz_slice b, uint8_t out[BTZ_SHA256_LEN])
{
    struct btz_sha256 h;

    btz_sha256_init(&h);
    btz_sha256_add(&h, a);
    btz_sha256_add(&h, b);
    btz_sha256_end(&h, out);
}

/* None of these can fail; a wrong digest must never leave all the same. */
void btz_sha256_init(struct btz_sha256 *h)
{
    if (SHA256_Init((SHA256_CTX *)h) != 1)
        abort();
}

void btz_sha256_add(struct btz_sha256 *h, struct btz_slice in)
{
    if (in.len > 0 && SHA256_Update((SHA256_CTX *)h, in.ptr, in.len) != 1)
        abort();
}

void btz_sha256_end(struct btz_sha256 *h, uint8_t out[BTZ_SHA256_LEN])
{
    if (SHA256_Final(out, (SHA256_CTX *)h) != 1)
        abort();
}

/* The alphabet lies in one line of the cache: which of its letters is read shows in no time, and keys are encoded too. */
static void put_group(uint32_t three, uint8_t to[4])
{
    static _Alignas(64) const uint8_t alphabet[64] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    };

    to[0] = alphabet[three >> 18];
    to[1] = alphabet[three >> 12 & 63];
    to[2] = alphabet[three >> 6 & 63];
    to[3] = alphabet[three & 63];
}

enum btz_err btz_base64_encode(struct btz_slice in, struct btz_buf *out)
{
    const uint8_t *p = in.ptr;
    size_t left = in.len;
    uint8_t *to;

    if (in.len > SIZE_MAX / 2)
        return btz_fail(BTZ_LIMIT, "too large for base64");
    BTZ_TRY(btz_buf_reserve(out, (in.len + 2) / 3 * 4));
    to = out->ptr + out->len;
    for (; left >= 3; left -= 3, p += 3, to += 4)
        put_group((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2], to);
    if (left > 0) {
        put_group((uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0), to);
        to[3] = '=';
        if (left == 1)
            to[2] = '=';
        to += 4;
    }
    out->len = (size_t)(to - out->ptr);
    return BTZ_OK;
}

enum btz_err btz_base64_decode(struct btz_slice in, struct btz_buf *out)
{
    size_t room = in.len / 4 * 3 + 3, len;
    const char *end;

    /* libsodium takes 0xAB for '+' and 0xAF for '/' where char is signed. */
    for (size_t i = 0; i < in.len; i++)
        if (in.ptr[i] >= 0x80)
            return btz_fail(BTZ_INPUT, "not base64 (RFC 4648 section 4)");
    BTZ_TRY(btz_buf_reserve(out, room));
    if (sodium_base642bin(out->ptr + out->len, room, (const char *)in.ptr, in.len, NULL, &len, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        end != (const char *)in.ptr + in.len)
        return btz_fail(BTZ_INPUT, "not base64 (RFC 4648 section 4)");
    out->len += len;
    return BTZ_OK;
}

void btz_random_bytes(void *out, size_t n)
{
    randombytes_buf(out, n);
}
