/* progress: a sink that shows how far a run is, on stderr. Findings and coverage pass unseen. */
#ifndef BTZ_CLI_PROGRESS_H
#define BTZ_CLI_PROGRESS_H

#include "cli/cli.h"
#include "finding/finding.h"

/* Calls must be serialised, as all calls of a sink are. */
struct btz_progress_view {
    struct btz_sink sink;
    struct btz_cli *cli;
    uint64_t (*now_ns)(void); /* btz_clock_ns; tests bring their own */
    uint64_t started, shown;  /* ns; shown 0: nothing yet */
    unsigned columns;
};

/* On a terminal a bar, from two seconds on, ten times a second at most; else a line every five seconds; with
 * --quiet nothing. `cli` outlives the view. */
void btz_progress_open(struct btz_progress_view *v, struct btz_cli *cli);
/* Clears the line. Call it before results are printed. */
void btz_progress_close(struct btz_progress_view *v);

/* One line without its end: with a bar that fits `columns`, or plain for 0. */
BTZ_CHECKED enum btz_err btz_progress_render(const struct btz_progress *p, unsigned columns,
                                             struct btz_buf *out);

#endif
