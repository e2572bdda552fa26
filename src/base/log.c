#include "base/base.h"

void btz_log(struct btz_log *log, enum btz_log_level level, const char *fmt, ...)
{
    char line[2048];
    va_list args;

    if (!log || !log->write || level > log->level)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log->write(log, level, line);
}
