/* Lines of texts in channels, as `gate check` and `gate calibrate` read them. */
#ifndef BTZ_CLI_GATE_LINES_H
#define BTZ_CLI_GATE_LINES_H

#include "base/json.h"
#include "cli/cli.h"
#include "gate/guard/guard.h"

/* Borrowed while the call lasts. */
struct btz_gate_line {
    size_t number;
    struct btz_slice text, id, expected; /* empty: not given */
    enum btz_channel channel;
    json_t *schema; /* that the text has to conform to; NULL: none */
};
/*
 * Calls `take` for each line of the file ("-": standard input): an object with text, and optionally channel ("user"), id
 * (text or number) and expected. A bad line is named on stderr and counted, the others are taken all the same.
 * Errors: of `take`; IO; INPUT at the end when lines were bad, or none was there.
 */
BTZ_CHECKED enum btz_err
btz_gate_lines(struct btz_cli *cli, const char *path,
               enum btz_err (*take)(void *user, const struct btz_gate_line *line), void *user);

#endif
