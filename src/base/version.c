#include "base/base.h"

const char *btz_version(void)
{
    return BTZ_VERSION;
}
