/*
 * settings: bartizan.yaml as a whole. The common keys are here; each practice of the registry brings its own, and
 * runs when the section of its name is in the file.
 */
#ifndef BTZ_SETTINGS_H
#define BTZ_SETTINGS_H

#include "finding/practice.h"

/* Named assets: what is to be looked at. */
struct btz_asset_conf {
    const char *name, *path, *url; /* at least one of path and url */
};

struct btz_report_conf {
    const char *format, *path; /* path NULL: printed */
};

/* An asset of the file that no practice looks at. */
struct btz_uncovered {
    enum btz_practice practice; /* that would */
    struct btz_asset asset;
    const char *reason; /* one sentence */
    unsigned line;
};

/* A section that is no practice: what runs all the time (access, gate). It has its defaults when it is not in the file.
 * "access" in the list `sections` of meson.build is btz_section_access. */
struct btz_section {
    const char *name, *help;
    const struct btz_conf_struct *of;
    enum btz_err (*check)(const void *conf); /* what the table cannot say; may be NULL. USAGE */
};
extern const struct btz_section *const btz_sections[]; /* NULL-terminated */
extern const struct btz_section btz_section_access;    /* struct btz_access_conf */
extern const struct btz_section btz_section_gate;      /* struct btz_gate_conf */

struct btz_settings_section;
struct btz_settings {
    const char *file;  /* as given */
    const char *title; /* of reports */
    const char *state; /* folder; a relative one stands beside the file */
    uint64_t seed;
    unsigned threads;                      /* at least 1 */
    enum btz_severity fail_on;             /* BTZ_SEVERITY_COUNT: never */
    double risk_threshold;                 /* negative: none */
    struct btz_conf_list suppressions;     /* struct btz_suppression */
    struct btz_conf_list reports;          /* struct btz_report_conf */
    struct btz_conf_list datasets, audits; /* struct btz_asset_conf */
    const struct btz_uncovered *uncovered;
    size_t uncovered_count;
    const struct btz_settings_section *sections; /* one for each practice of the registry */
    size_t section_count;
    const void *const *others; /* one struct for each of btz_sections */
};

/* One struct for the whole file: the common keys, those of the practices and the sections, in the arena. `practices` is
 * NULL-terminated. Errors: LIMIT, INTERNAL (two practices bring the same key). */
BTZ_CHECKED enum btz_err btz_settings_table(const struct btz_practice_ops *const *practices,
                                            struct btz_arena *arena,
                                            const struct btz_conf_struct **out);

/* Fills settings from a parsed file. Everything lives in the arena. Secrets in clear draw warnings. Errors: USAGE
 * with "file:line", UNSUPPORTED (a newer version of the file format), LIMIT. */
BTZ_CHECKED enum btz_err btz_settings_parse(const struct btz_yaml *root, const char *file,
                                            const struct btz_practice_ops *const *practices,
                                            const struct btz_conf_env *env, struct btz_log *log,
                                            struct btz_arena *arena, struct btz_settings *out);

/* Reads and parses the file. Errors: those, USAGE when there is none, IO, INPUT (not YAML). */
BTZ_CHECKED enum btz_err btz_settings_read(const char *path, struct btz_arena *arena,
                                           const struct btz_yaml **out);
BTZ_CHECKED enum btz_err btz_settings_load(const char *path,
                                           const struct btz_practice_ops *const *practices,
                                           const struct btz_conf_env *env, struct btz_log *log,
                                           struct btz_arena *arena, struct btz_settings *out);

/* The state folder of a file whose other keys need not load: no variable of the environment but its own is asked for. */
BTZ_CHECKED enum btz_err btz_settings_state(const struct btz_yaml *root, const char *file,
                                            const struct btz_conf_env *env, struct btz_arena *arena,
                                            const char **out);

/* The struct that the practice's keys describe, NULL when its section is not in the file. */
const void *btz_settings_practice(const struct btz_settings *settings,
                                  const struct btz_practice_ops *practice);

/* The struct of a section; never NULL. */
const void *btz_settings_of(const struct btz_settings *settings, const struct btz_section *section);

#endif
