/* Recovery codes as people type them: the plain spelling of what is taken gives the same hash. */
#include <stdlib.h>

#include "access/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t pepper[32] = { 9 }, hash[BTZ_SHA256_LEN], again[BTZ_SHA256_LEN];
    char plain[64], code[32];
    size_t len = 0;
    uint64_t last = 0;

    if (btz_recovery_hash(btz_slice_of(data, size), pepper, hash) == BTZ_OK) {
        for (size_t i = 0; i < size; i++)
            if (data[i] != ' ' && data[i] != '-')
                plain[len++] = (char)data[i];
        if (len != 10 || btz_recovery_hash(btz_slice_of(plain, len), pepper, again) != BTZ_OK ||
            memcmp(hash, again, sizeof hash) != 0)
            abort();
    }
    if (size < sizeof code) {
        memcpy(code, data, size);
        code[size] = '\0';
        if (btz_totp_verify(btz_str("12345678901234567890"), code, 59, &last) == BTZ_OK &&
            (last > 2 || last == 0))
            abort();
    }
    return 0;
}
