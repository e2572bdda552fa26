/* Text that may be a key or a token: each has one spelling, and both hashes take what the forms take. */
#include <stdlib.h>

#include "access/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data, size);
    uint8_t pepper[32] = { 0 }, hash[BTZ_SHA256_LEN];
    char key[BTZ_KEY_TEXT];

    if (btz_is_key(in)) {
        if (size != BTZ_KEY_TEXT - 1 || memcmp(data, "btz_", 4) != 0)
            abort();
        btz_key_hash(in, pepper, hash);
    }
    if (btz_token_hash(in, hash) == BTZ_OK && size != BTZ_TOKEN_TEXT - 1)
        abort();
    if (size >= 32) {
        btz_key_from(data, key);
        if (!btz_is_key(btz_str(key)))
            abort();
        key[4 + data[0] % 49] ^= 1;
        if (btz_is_key(btz_str(key)))
            abort();
    }
    return 0;
}
