/* Keys and sets of keys: what is taken can be written, and reads back as the same key. */
#include <stdlib.h>

#include "access/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct btz_jwk *key)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(65536);
    uint8_t print[BTZ_SHA256_LEN], again[BTZ_SHA256_LEN];
    struct btz_jwk *back = NULL;

    if (btz_jwk_thumbprint(key, print) != BTZ_OK ||
        btz_jwk_write(key, btz_jwk_is_private(key), &text) != BTZ_OK ||
        btz_jwk_parse(btz_buf_slice(&text), &back) != BTZ_OK ||
        btz_jwk_thumbprint(back, again) != BTZ_OK || memcmp(print, again, sizeof print) != 0 ||
        btz_jwk_is_private(key) != btz_jwk_is_private(back))
        abort();
    if ((btz_jwk_algs(key) & BTZ_JOSE_HMAC) && (btz_jwk_algs(key) & BTZ_JOSE_PUBLIC))
        abort();
    btz_jwk_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice text = btz_slice_of(data, size);
    struct btz_jwk *key = NULL;
    struct btz_jwks set;

    if (btz_jwk_parse(text, &key) == BTZ_OK) {
        check(key);
        btz_jwk_free(key);
    }
    if (btz_jwks_parse(text, &set) == BTZ_OK) {
        for (size_t i = 0; i < set.count; i++)
            check(set.keys[i]);
        btz_jwks_release(&set);
    }
    key = NULL;
    if (btz_jwk_of_secret(text, &key) == BTZ_OK)
        btz_jwk_free(key);
    return 0;
}
