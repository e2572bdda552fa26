#include "base/base.h"

int main(void)
{
    printf("bartizan %s\n", btz_version());
    return 0;
}
