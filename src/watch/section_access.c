#include "access/access.h"
#include "watch/settings.h"

const struct btz_section btz_section_access = {
    .name = "access",
    .help = "People, roles, keys and the audit trail (`bartizan access`, `bartizan watch`).",
    .of = &btz_access_conf_struct,
};
