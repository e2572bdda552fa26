#include "gate/guard/inside.h"

static const char *const names[BTZ_GUARD_ACTION_COUNT] = { "observe", "mask",    "pseudonymise",
                                                           "route",   "step-up", "block" };

const char *btz_guard_action_name(enum btz_guard_action a)
{
    return (unsigned)a < BTZ_GUARD_ACTION_COUNT ? names[a] : "unknown";
}

bool btz_guard_acts(enum btz_guard_action a)
{
    return a != BTZ_GUARD_OBSERVE && a != BTZ_GUARD_ROUTE;
}
