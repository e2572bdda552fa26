/* Files that a command is to write, and --report FORMAT=FILE: what is wrong is said before the work and not after it. */
#ifndef BTZ_CLI_REPORTS_H
#define BTZ_CLI_REPORTS_H

#include "cli/cli.h"
#include "finding/finding.h"
#include "watch/watch.h"

/* Whether a file can come to be there, asked before the work; NULL and "-" are standard output. `option` is what errors name.
 * Errors: IO. */
BTZ_CHECKED enum btz_err btz_cli_can_write(const char *option, const char *path);
/* Those of --report ("html=report.html"), in the arena. `writes`: whether this process will write them; then the folder of each
 * must take a file. Errors: USAGE, IO. */
BTZ_CHECKED enum btz_err btz_cli_report_wishes(const struct btz_option_list *list, bool writes,
                                               struct btz_arena *arena,
                                               struct btz_report_wish **out);
/* Each to its file, "-" to standard output. One that cannot be written does not cost the others; the first error comes back. */
BTZ_CHECKED enum btz_err btz_cli_report_write(struct btz_cli *cli,
                                              const struct btz_report_wish *wishes, size_t count,
                                              const struct btz_run *run);

#endif
