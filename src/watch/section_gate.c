#include "gate/gate.h"
#include "watch/settings.h"

const struct btz_section btz_section_gate = {
    .name = "gate",
    .help = "The gateway before model servers (`bartizan gate run`).",
    .of = &btz_gate_conf_struct,
};
