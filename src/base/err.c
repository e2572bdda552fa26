#include <errno.h>

#include "base/base.h"

#define DETAIL_MAX 1024

static _Thread_local char detail[DETAIL_MAX];

static const struct {
    const char *name;
    int exit_status;
} codes[BTZ_ERR_COUNT] = {
    [BTZ_OK] = { "ok", 0 },
    [BTZ_USAGE] = { "usage", 2 },
    [BTZ_INPUT] = { "input", 3 },
    [BTZ_LIMIT] = { "limit", 3 },
    [BTZ_IO] = { "io", 4 },
    [BTZ_UNREACHABLE] = { "unreachable", 4 },
    [BTZ_DENIED] = { "denied", 5 },
    [BTZ_CONFLICT] = { "conflict", 4 },
    [BTZ_UNSUPPORTED] = { "unsupported", 2 },
    [BTZ_INTERNAL] = { "internal", 70 },
};

const char *btz_err_name(enum btz_err err)
{
    return (unsigned)err < BTZ_ERR_COUNT ? codes[err].name : "internal";
}

int btz_err_exit_status(enum btz_err err)
{
    return (unsigned)err < BTZ_ERR_COUNT ? codes[err].exit_status : 70;
}

const char *btz_error_detail(void)
{
    return detail;
}

/* Formatted apart from `detail`: an argument may be the detail itself. */
static void BTZ_PRINTF(1, 0) set(const char *fmt, va_list args, const char *tail)
{
    char text[DETAIL_MAX];
    size_t used;

    vsnprintf(text, sizeof text, fmt, args);
    used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s%s", tail ? ": " : "", tail ? tail : "");
    memcpy(detail, text, sizeof detail);
}

void btz_error_set(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set(fmt, args, NULL);
    va_end(args);
}

void btz_error_set_errno(const char *fmt, ...)
{
    char cause[128];
    const char *said = strerror_r(errno, cause, sizeof cause);
    va_list args;

    va_start(args, fmt);
    set(fmt, args, said);
    va_end(args);
}

void btz_error_add_context(const char *fmt, ...)
{
    char before[DETAIL_MAX];
    va_list args;

    memcpy(before, detail, sizeof before);
    va_start(args, fmt);
    set(fmt, args, before);
    va_end(args);
}
