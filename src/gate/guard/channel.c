#include "gate/guard/guard.h"

static const char *const names[BTZ_CHANNEL_COUNT] = {
    "user",       "system",           "assistant", "tool-result", "document",
    "image-text", "tool-description", "output",    "reasoning",   "tool-arguments",
    "raw",
};

const char *btz_channel_name(enum btz_channel c)
{
    return (unsigned)c < BTZ_CHANNEL_COUNT ? names[c] : "unknown";
}

bool btz_channel_find(struct btz_slice name, enum btz_channel *out)
{
    for (int c = 0; c < BTZ_CHANNEL_COUNT; c++)
        if (btz_slice_is(name, names[c])) {
            *out = (enum btz_channel)c;
            return true;
        }
    return false;
}
