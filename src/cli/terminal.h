/* terminal: what the program knows of its streams, its signals and its environment. */
#ifndef BTZ_CLI_TERMINAL_H
#define BTZ_CLI_TERMINAL_H

#include "cli/options.h"

/* Streams, terminal, colours, signal handlers, log. Called once, first. */
void btz_cli_open(struct btz_cli *cli);
/* Puts the common options into effect. */
void btz_cli_apply(struct btz_cli *cli, const struct btz_common_args *common);
/* One line on stderr, made fit for a terminal, over the progress line if one stands there. */
void btz_cli_say(struct btz_cli *cli, const char *prefix, const char *line);

#endif
