/*
 * Configuration as data: a struct is described by a table of keys; the table gives parsing with line
 * numbers, "did you mean", defaults, `config show --origin`, the commented file of `bartizan init` and the
 * reference page. Each practice brings the table of its own section.
 */
#ifndef BTZ_BASE_CONF_H
#define BTZ_BASE_CONF_H

#include "base/yaml.h"

enum btz_conf_kind {
    BTZ_CONF_STRING, /* const char * */
    BTZ_CONF_SECRET, /* const char *, shown as "(hidden)"; a literal in the file draws a warning */
    BTZ_CONF_BOOL,   /* bool */
    BTZ_CONF_INT,    /* int64_t within [min, max] */
    BTZ_CONF_REAL,   /* double within [min, max] */
    BTZ_CONF_DURATION, /* int64_t milliseconds; "500ms", "30s", "5m", "2h", "7d" */
    BTZ_CONF_ENUM,     /* int: index into choices */
    BTZ_CONF_DATE,     /* uint64_t Unix milliseconds, 0 unset; "2027-01-31" */
    BTZ_CONF_STRINGS,  /* struct btz_conf_list of const char * */
    BTZ_CONF_PAIRS,    /* struct btz_conf_list of struct btz_conf_pair: free keys (HTTP headers) */
    BTZ_CONF_STRUCT,   /* the struct itself, inline, described by `of` */
    BTZ_CONF_STRUCTS, /* struct btz_conf_list of structs described by `of`; where the first key is a
                        * required `name`, names are unique in the list */
    BTZ_CONF_SECRETS, /* like STRINGS, each shown as "(hidden)" */
};

struct btz_conf_list {
    void *items; /* array of the element type, in the arena */
    size_t count;
};

struct btz_conf_pair {
    const char *name, *value;
};

struct btz_conf_struct;
struct btz_conf_key {
    const char *name;
    enum btz_conf_kind kind;
    size_t offset;
    const char *fallback; /* default in YAML spelling; NULL: zero value */
    const char *example;  /* for the commented file, where there is no default; NULL: the name */
    const char *help;     /* one sentence, for the commented file and the reference */
    double min, max;      /* INT, REAL and DURATION (ms); both 0: unbounded */
    const char *const *choices; /* ENUM: NULL-terminated */
    const struct btz_conf_struct *of;
    bool required;
};
struct btz_conf_struct {
    const char *name; /* for errors: "target" */
    size_t size;
    const struct btz_conf_key *keys;
    size_t count;
};

/* Looks an environment variable up; NULL when unset. The library itself never reads the environment. */
struct btz_conf_env {
    const char *(*get)(void *user, const char *name);
    void *user;
};

/*
 * Fills `*out` (of->size bytes, in the arena, defaults applied) from a map. `${NAME}` in any scalar is
 * replaced from `env` (`$${` is a literal `${`); an unset variable is an error that names the line.
 * Errors: USAGE, "file:line: unknown key `urll` in target; did you mean `url`?" and alike.
 */
BTZ_CHECKED enum btz_err btz_conf_load(const struct btz_yaml *map, const struct btz_conf_struct *of,
                                       const char *file, const struct btz_conf_env *env,
                                       struct btz_arena *arena, void *out);

/* Remarks on a map that loads: secrets that stand in the file in clear. */
void btz_conf_warn(const struct btz_yaml *map, const struct btz_conf_struct *of, const char *file,
                   struct btz_log *log);

/*
 * Every leaf as "path = value", and with `origin` behind it where the value comes from: "# file:line", "# default" or
 * "# ${NAME} (file:line)". Values are shown as written, `${NAME}` is never replaced, literal secrets are "(hidden)",
 * also in headers that carry credentials and in the user part of URLs.
 */
BTZ_CHECKED enum btz_err btz_conf_show(const struct btz_yaml *map, const struct btz_conf_struct *of,
                                       const char *file, bool origin, struct btz_buf *out);

/*
 * A commented file of all keys: what each is for, keys of `given` (may be NULL) set, all others as "#key: default",
 * so that removing the "#" at the start of such lines gives a file that loads.
 */
BTZ_CHECKED enum btz_err btz_conf_example(const struct btz_conf_struct *of,
                                          const struct btz_yaml *given, struct btz_buf *out);

/* The reference in Markdown: one table for the struct, then one section for each struct in it. */
BTZ_CHECKED enum btz_err btz_conf_reference(const struct btz_conf_struct *of, struct btz_buf *out);

/* A limit as people write it: whole numbers in full, others with 15 digits. */
#define BTZ_NUMBER_TEXT 32
const char *btz_conf_number(double number, char out[BTZ_NUMBER_TEXT]);

/* A scalar of YAML that reads back as `text`, quoted where it must be. */
BTZ_CHECKED enum btz_err btz_yaml_write_text(const char *text, struct btz_buf *out);

/* Is there a replacement `${` in the text (`$${` is none)? */
bool btz_conf_is_from_env(const char *text);
/* A value that says nothing: `key:` or `key: null`. */
bool btz_conf_is_null(const struct btz_yaml *node);
/* Values of this kind, and of this name in pairs, must not be shown. */
bool btz_conf_is_secret(enum btz_conf_kind kind, const char *name);

/* A duration in the spelling above. */
BTZ_CHECKED enum btz_err btz_conf_duration(const char *text, int64_t *ms);

#endif
