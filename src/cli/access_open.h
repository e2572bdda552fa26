/* The installation that commands work on: the state folder, with the section `access:` of bartizan.yaml when there is one. */
#ifndef BTZ_CLI_ACCESS_OPEN_H
#define BTZ_CLI_ACCESS_OPEN_H

#include "access/access.h"
#include "cli/cli.h"
#include "watch/settings.h"

/* bartizan.yaml, or the defaults where there is none. */
BTZ_CHECKED enum btz_err btz_cli_access_settings(struct btz_cli *cli, struct btz_arena *arena,
                                                 struct btz_settings *out);
/* The arena holds the settings and outlives *out. `fetch` may be NULL. */
BTZ_CHECKED enum btz_err btz_cli_access_open(struct btz_cli *cli, const struct btz_fetch *fetch,
                                             struct btz_arena *arena, struct btz_access **out);
/* The owner of the state folder as a caller. */
BTZ_CHECKED enum btz_err btz_cli_access_caller(struct btz_access *access, struct btz_caller *out);

#endif
