#include "watch/web/web.h"

const struct btz_web_file btz_web_files[] = {
    { NULL, NULL, NULL, 0 },
};
