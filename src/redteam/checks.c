/* Probes, transforms and detectors by id. The tables are short: a walk is fast enough. */
#include "redteam/redteam.h"

const struct btz_probe *btz_probe_find(const char *id)
{
    for (size_t i = 0; btz_probes[i]; i++)
        if (strcmp(btz_probes[i]->id, id) == 0)
            return btz_probes[i];
    return NULL;
}

const struct btz_transform *btz_transform_find(const char *id)
{
    for (size_t i = 0; btz_transforms[i]; i++)
        if (strcmp(btz_transforms[i]->id, id) == 0)
            return btz_transforms[i];
    return NULL;
}

const struct btz_detector *btz_detector_find(const char *id)
{
    for (size_t i = 0; btz_detectors[i]; i++)
        if (strcmp(btz_detectors[i]->id, id) == 0)
            return btz_detectors[i];
    return NULL;
}
