/* Answers of a server of shared limits: nothing but "OK" lets a request pass, and what is refused is within bounds. */
#include <stdlib.h>

#include "gate/limits/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice answer = btz_slice_of(data, size);
    struct btz_refusal why;
    enum btz_err err = btz_redis_answer(NULL, answer, &why);

    if ((err == BTZ_OK) != btz_slice_is(answer, "OK"))
        abort();
    if (err == BTZ_LIMIT &&
        ((unsigned)why.kind >= BTZ_LIMIT_KIND_COUNT || (unsigned)why.scope > BTZ_LIMIT_EVERYTHING ||
         memchr(why.name, 0, sizeof why.name) == NULL))
        abort();
    return 0;
}
