/* Stored password hashes. Only what parses within our limits may reach Argon2, and only ever with bounded memory. */
#include <stdlib.h>

#include "access/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_password_params params;
    char text[512];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (btz_password_params(text, &params) != BTZ_OK)
        return 0;
    if (params.memory_kib < 8 || params.memory_kib > 131072 || params.passes < 1 ||
        params.passes > 16 || strlen(text) >= BTZ_PASSWORD_HASH_TEXT)
        abort();
    if (params.memory_kib <= 64) {
        static struct btz_hasher *h;
        enum btz_err err;

        if (!h && btz_hasher_new(1, 0, 0, &h) != BTZ_OK)
            abort();
        err = btz_password_verify(h, text, btz_str("no"), NULL);
        if (err != BTZ_DENIED && err != BTZ_OK)
            abort();
    }
    return 0;
}
