/* The words for enumerations. libc alone: the build's page generator compiles this file too. */
#include "finding/finding.h"

static const struct {
    const char *name, *title;
} practices[BTZ_PRACTICE_COUNT] = {
    [BTZ_PRACTICE_REDTEAM] = { "redteam", "Red teaming" },
    [BTZ_PRACTICE_WATERMARK] = { "watermark", "Watermarking" },
    [BTZ_PRACTICE_DATA] = { "data", "Data validation" },
    [BTZ_PRACTICE_ACCESS] = { "access", "Access control" },
    [BTZ_PRACTICE_AUDIT] = { "audit", "Security audit" },
};
static const char *const severities[BTZ_SEVERITY_COUNT] = {
    [BTZ_SEVERITY_INFO] = "info",         [BTZ_SEVERITY_LOW] = "low",
    [BTZ_SEVERITY_MEDIUM] = "medium",     [BTZ_SEVERITY_HIGH] = "high",
    [BTZ_SEVERITY_CRITICAL] = "critical",
};
static const char *const outcomes[BTZ_OUTCOME_COUNT] = {
    [BTZ_OUTCOME_FAIL] = "fail",
    [BTZ_OUTCOME_PASS] = "pass",
    [BTZ_OUTCOME_NOT_EVALUATED] = "not-evaluated",
};
static const char *const statuses[BTZ_STATUS_COUNT] = {
    [BTZ_STATUS_OPEN] = "open",
    [BTZ_STATUS_SUPPRESSED] = "suppressed",
    [BTZ_STATUS_BASELINE] = "baseline",
    [BTZ_STATUS_WORSE] = "worse",
};

const char *btz_practice_name(enum btz_practice p)
{
    return (unsigned)p < BTZ_PRACTICE_COUNT ? practices[p].name : "unknown";
}

const char *btz_practice_title(enum btz_practice p)
{
    return (unsigned)p < BTZ_PRACTICE_COUNT ? practices[p].title : "Unknown practice";
}

const char *btz_severity_name(enum btz_severity s)
{
    return (unsigned)s < BTZ_SEVERITY_COUNT ? severities[s] : "unknown";
}

const char *btz_outcome_name(enum btz_outcome o)
{
    return (unsigned)o < BTZ_OUTCOME_COUNT ? outcomes[o] : "unknown";
}

const char *btz_status_name(enum btz_status s)
{
    return (unsigned)s < BTZ_STATUS_COUNT ? statuses[s] : "unknown";
}

bool btz_practice_parse(const char *text, enum btz_practice *out)
{
    for (unsigned i = 0; i < BTZ_PRACTICE_COUNT; i++)
        if (strcmp(text, practices[i].name) == 0) {
            *out = (enum btz_practice)i;
            return true;
        }
    return false;
}

bool btz_severity_parse(const char *text, enum btz_severity *out)
{
    for (unsigned i = 0; i < BTZ_SEVERITY_COUNT; i++)
        if (strcmp(text, severities[i]) == 0) {
            *out = (enum btz_severity)i;
            return true;
        }
    return false;
}

bool btz_outcome_parse(const char *text, enum btz_outcome *out)
{
    for (unsigned i = 0; i < BTZ_OUTCOME_COUNT; i++)
        if (strcmp(text, outcomes[i]) == 0) {
            *out = (enum btz_outcome)i;
            return true;
        }
    return false;
}

bool btz_status_parse(const char *text, enum btz_status *out)
{
    for (unsigned i = 0; i < BTZ_STATUS_COUNT; i++)
        if (strcmp(text, statuses[i]) == 0) {
            *out = (enum btz_status)i;
            return true;
        }
    return false;
}
