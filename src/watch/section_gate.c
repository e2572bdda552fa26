#include "gate/gate.h"
#include "watch/settings.h"

static enum btz_err check(const void *conf)
{
    return btz_gate_conf_check(conf);
}

const struct btz_section btz_section_gate = {
    .name = "gate",
    .help = "The gateway before model servers (`bartizan gate run`).",
    .of = &btz_gate_conf_struct,
    .check = check,
};
