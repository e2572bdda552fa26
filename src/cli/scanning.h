/* What commands that run practices share: `scan` with the practices of a file, others with settings they make. */
#ifndef BTZ_CLI_SCANNING_H
#define BTZ_CLI_SCANNING_H

#include "cli/cli.h"
#include "watch/watch.h"

struct btz_scan_args {
    struct btz_option_list reports;
    const char *output, *baseline, *run;
    double risk_threshold;
    int64_t seed, threads;
    int format, fail_on;
    bool dry_run, resume;
};
extern const char *const btz_scan_severities[], *const btz_scan_formats[];

/* Rows of an option table whose `struct args` has a `struct btz_scan_args scan`. */
#define BTZ_SCAN_OPTIONS                                                                           \
    { .name = "format",                                                                            \
      .kind = BTZ_OPTION_CHOICE,                                                                   \
      .offset = offsetof(struct args, scan.format),                                                \
      .metavar = "FORMAT",                                                                         \
      .fallback = "text",                                                                          \
      .choices = btz_scan_formats,                                                                 \
      .help = "Report printed on standard output." },                                              \
        { .name = "output",                                                                        \
          .letter = 'o',                                                                           \
          .kind = BTZ_OPTION_STRING,                                                               \
          .offset = offsetof(struct args, scan.output),                                            \
          .metavar = "FILE",                                                                       \
          .help = "Write that report to FILE instead." },                                          \
        { .name = "report",                                                                        \
          .kind = BTZ_OPTION_STRINGS,                                                              \
          .offset = offsetof(struct args, scan.reports),                                           \
          .metavar = "FORMAT=FILE",                                                                \
          .help = "One more report; may be given several times." },                                \
        { .name = "fail-on",                                                                       \
          .kind = BTZ_OPTION_CHOICE,                                                               \
          .offset = offsetof(struct args, scan.fail_on),                                           \
          .metavar = "SEVERITY",                                                                   \
          .choices = btz_scan_severities,                                                          \
          .help = "Exit 1 on an open finding of this severity or above (default: fail_on of the "  \
                  "configuration)." },                                                             \
        { .name = "risk-threshold",                                                                \
          .kind = BTZ_OPTION_REAL,                                                                 \
          .offset = offsetof(struct args, scan.risk_threshold),                                    \
          .metavar = "SCORE",                                                                      \
          .fallback = "-1",                                                                        \
          .min = -1,                                                                               \
          .max = 100,                                                                              \
          .help = "Exit 1 when the risk score is above SCORE, 0 to 100 (default: risk_threshold "  \
                  "of the "                                                                        \
                  "configuration)." },                                                             \
        { .name = "baseline",                                                                      \
          .kind = BTZ_OPTION_STRING,                                                               \
          .offset = offsetof(struct args, scan.baseline),                                          \
          .metavar = "FILE",                                                                       \
          .help = "An earlier JSON report: only what is new or significantly worse counts." },     \
        { .name = "dry-run",                                                                       \
          .kind = BTZ_OPTION_FLAG,                                                                 \
          .offset = offsetof(struct args, scan.dry_run),                                           \
          .help = "Print what would be asked, its time and cost, and stop." },                     \
        { .name = "resume",                                                                        \
          .kind = BTZ_OPTION_FLAG,                                                                 \
          .offset = offsetof(struct args, scan.resume),                                            \
          .help = "Continue the last interrupted run: what was answered is not asked again." },    \
        { .name = "run",                                                                           \
          .kind = BTZ_OPTION_STRING,                                                               \
          .offset = offsetof(struct args, scan.run),                                               \
          .metavar = "ID",                                                                         \
          .help = "Name of the run; with --resume, the run to continue." },                        \
        { .name = "seed",                                                                          \
          .kind = BTZ_OPTION_INT,                                                                  \
          .offset = offsetof(struct args, scan.seed),                                              \
          .metavar = "N",                                                                          \
          .fallback = "-1",                                                                        \
          .min = -1,                                                                               \
          .max = 9007199254740992.0,                                                               \
          .help = "Same seed, same attacks (default: seed of the configuration)." },               \
    {                                                                                              \
        .name = "threads", .kind = BTZ_OPTION_INT, .offset = offsetof(struct args, scan.threads),  \
        .metavar = "N", .fallback = "0", .min = 0, .max = 1024,                                    \
        .help = "Worker threads; 0: as the configuration says."                                    \
    }

/* Runs what the settings say, prints, and returns the exit status. Changes the settings by the options. */
int btz_cli_scan(struct btz_cli *cli, const struct btz_scan_args *args,
                 struct btz_settings *settings, struct btz_arena *arena);

#endif
