/* --report FORMAT=FILE: what is wished for, said wrong before the work and not after it, and written. */
#ifndef BTZ_CLI_REPORTS_H
#define BTZ_CLI_REPORTS_H

#include "cli/cli.h"
#include "finding/finding.h"
#include "watch/watch.h"

/* "html=report.html". Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_cli_report_wish(const char *wish, struct btz_arena *arena,
                                             struct btz_report_wish *out);
/* All of them, in the arena. `writes`: whether this process will write them; then the folder of each must take a file. Errors:
 * USAGE, IO. */
BTZ_CHECKED enum btz_err btz_cli_report_wishes(const struct btz_option_list *list, bool writes,
                                               struct btz_arena *arena,
                                               struct btz_report_wish **out);
/* Each to its file, "-" to standard output. One that cannot be written does not cost the others; the first error comes back. */
BTZ_CHECKED enum btz_err btz_cli_report_write(struct btz_cli *cli,
                                              const struct btz_report_wish *wishes, size_t count,
                                              const struct btz_run *run);

#endif
