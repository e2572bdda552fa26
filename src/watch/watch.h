/*
 * watch: puts the practices to work. A scan is settings -> plans -> runs -> results, ledger, reports; the daemon
 * will run the same scans by the clock.
 */
#ifndef BTZ_WATCH_H
#define BTZ_WATCH_H

#include "finding/practice.h"
#include "ledger/ledger.h"
#include "watch/settings.h"

/* Every practice of this build, from the list in meson.build. NULL-terminated. */
extern const struct btz_practice_ops *const btz_practices[];

/* ---- ledger sink (ledger_sink.c): findings become entries, their evidence is stored beside the log ---- */

struct btz_ledger_sink {
    struct btz_sink sink;
    struct btz_ledger *ledger;
    const char *run_id;
    struct btz_buf entries; /* those not yet appended, with their lengths in `sizes` */
    struct btz_buf sizes;
    size_t waiting;
};
void btz_ledger_sink_init(struct btz_ledger_sink *s, struct btz_ledger *ledger, const char *run_id);
/* Appends what waits as one group. */
BTZ_CHECKED enum btz_err btz_ledger_sink_flush(struct btz_ledger_sink *s);
/* Appends an event of the run itself ("run-started") with members of `details` (an object text, may be empty). */
BTZ_CHECKED enum btz_err btz_ledger_sink_event(struct btz_ledger_sink *s, const char *type,
                                               struct btz_slice details);
void btz_ledger_sink_release(struct btz_ledger_sink *s);

/* ---- scan (scan.c) ------------------------------------------------------------------------------------- */

struct btz_report_wish {
    const char *format, *path; /* path NULL or "-": handed to `print` */
};
struct btz_scan_options {
    const char *state_dir;
    const char *run_id;   /* NULL: a new one from the time */
    bool resume;          /* the run `run_id`, or the last one that did not finish */
    bool dry_run;         /* print the forecast and stop */
    bool forecast_json;   /* of a dry run: for programs instead of people */
    const char *baseline; /* path of an earlier JSON report, NULL: none */
    uint64_t seed;
    unsigned threads;
    const struct btz_report_wish *reports;
    size_t report_count;
    const volatile int *stop;
    struct btz_log *log;
    void (*progress)(void *user, const struct btz_progress *);
    /* Shows text to the person: forecast and reports without a path. */
    enum btz_err (*print)(void *user, struct btz_slice text);
    void *user;
};
struct btz_scan_outcome {
    char run_id[64];
    bool complete;
    struct btz_risk risk;
    bool failed_at_floor;  /* an open finding at or above fail_on */
    bool over_threshold;   /* risk.score above risk_threshold */
    enum btz_err practice; /* first error of a practice; the reports are written all the same */
    char practice_detail[512];
};
/* Runs every practice whose section is in the settings. Reports and ledger are written also when a practice failed. */
BTZ_CHECKED enum btz_err btz_scan(const struct btz_settings *settings,
                                  const struct btz_scan_options *options,
                                  struct btz_scan_outcome *out);

#endif
