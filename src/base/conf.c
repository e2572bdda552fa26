#include "base/conf.h"

/* ---- durations ---- */

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

enum btz_err btz_conf_duration(const char *text, int64_t *ms)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number;

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return BTZ_OK;
    }
    if (digits > 0 && digits <= 12 &&
        btz_parse_u64(btz_slice_of(text, digits), &number) == BTZ_OK) {
        for (size_t i = 0; i < BTZ_COUNT(units); i++) {
            if (strcmp(text + digits, units[i].name) != 0)
                continue;
            if (__builtin_mul_overflow((int64_t)number, units[i].ms, ms))
                break;
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_USAGE,
                    "expected a duration such as 500ms, 30s, 5m, 2h or 7d, found \"%.40s\"", text);
}
