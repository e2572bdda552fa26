/* The guard's settings for commands that need no gateway. */
#ifndef BTZ_CLI_GATE_GUARD_H
#define BTZ_CLI_GATE_GUARD_H

#include "cli/cli.h"
#include "gate/guard/guard.h"

/* `gate: guard:` of bartizan.yaml, or of the file that --config names; the defaults where there is none. In the arena. */
BTZ_CHECKED enum btz_err btz_cli_guard_conf(struct btz_cli *cli, struct btz_arena *arena,
                                            struct btz_guard_conf *out);

#endif
