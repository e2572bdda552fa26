#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <sodium.h>

#include "base/base.h"

void btz_sha256(struct btz_slice in, uint8_t out[BTZ_SHA256_LEN])
{
    SHA256(in.len ? in.ptr : (const uint8_t *)"", in.len, out);
}

void btz_sha256_2(struct btz_slice a, struct btz_slice b, uint8_t out[BTZ_SHA256_LEN])
{
    struct btz_sha256 h;

    /* Memory for one context is all that can fail; a wrong digest must never leave. */
    if (btz_sha256_init(&h) != BTZ_OK)
        abort();
    btz_sha256_add(&h, a);
    btz_sha256_add(&h, b);
    btz_sha256_end(&h, out);
}

enum btz_err btz_sha256_init(struct btz_sha256 *h)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return btz_fail(BTZ_LIMIT, "out of memory for SHA-256");
    }
    h->ctx = ctx;
    return BTZ_OK;
}

void btz_sha256_add(struct btz_sha256 *h, struct btz_slice in)
{
    if (in.len > 0 && EVP_DigestUpdate(h->ctx, in.ptr, in.len) != 1)
        abort();
}

void btz_sha256_end(struct btz_sha256 *h, uint8_t out[BTZ_SHA256_LEN])
{
    if (EVP_DigestFinal_ex(h->ctx, out, NULL) != 1)
        abort();
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

enum btz_err btz_base64_encode(struct btz_slice in, struct btz_buf *out)
{
    size_t need;

    if (in.len > SIZE_MAX / 2)
        return btz_fail(BTZ_LIMIT, "too large for base64");
    need = sodium_base64_ENCODED_LEN(in.len, sodium_base64_VARIANT_ORIGINAL);
    BTZ_TRY(btz_buf_reserve(out, need));
    sodium_bin2base64((char *)out->ptr + out->len, need, in.ptr, in.len,
                      sodium_base64_VARIANT_ORIGINAL);
    out->len += need - 1;
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
