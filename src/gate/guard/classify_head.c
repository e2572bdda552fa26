#include "gate/guard/classify.h"

enum btz_class_head btz_class_head_of(enum btz_channel c)
{
    switch (c) {
    case BTZ_CHANNEL_TOOL_RESULT:
    case BTZ_CHANNEL_DOCUMENT:
    case BTZ_CHANNEL_IMAGE_TEXT:
    case BTZ_CHANNEL_TOOL_DESCRIPTION:
    case BTZ_CHANNEL_RAW:
        return BTZ_CLASS_INDIRECT;
    case BTZ_CHANNEL_USER:
    case BTZ_CHANNEL_SYSTEM:
    case BTZ_CHANNEL_ASSISTANT:
    case BTZ_CHANNEL_OUTPUT:
    case BTZ_CHANNEL_REASONING:
    case BTZ_CHANNEL_TOOL_ARGUMENTS:
    case BTZ_CHANNEL_COUNT:
        break;
    }
    return BTZ_CLASS_DIRECT;
}

const char *btz_class_head_name(enum btz_class_head h)
{
    return h == BTZ_CLASS_INDIRECT ? "indirect" : "direct";
}
