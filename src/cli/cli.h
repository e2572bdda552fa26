/*
 * cli: `bartizan <noun> [verb] [options]`. A subcommand is one file with one descriptor; its option table gives
 * parsing, --help, completion and the manual page. Only this folder prints, exits and reads the environment.
 */
#ifndef BTZ_CLI_H
#define BTZ_CLI_H

#include "base/base.h"
#include "base/conf.h"

enum btz_option_kind {
    BTZ_OPTION_FLAG,     /* bool */
    BTZ_OPTION_STRING,   /* const char * */
    BTZ_OPTION_STRINGS,  /* struct btz_option_list: may be given several times */
    BTZ_OPTION_INT,      /* int64_t within [min, max] */
    BTZ_OPTION_REAL,     /* double within [min, max] */
    BTZ_OPTION_DURATION, /* int64_t milliseconds, "30s" */
    BTZ_OPTION_CHOICE,   /* int, index into choices; -1 when absent and there is no fallback */
};
struct btz_option_list {
    const char **items;
    size_t count;
};
struct btz_option {
    const char *name; /* "fail-on", without the dashes */
    char letter;      /* 'o', or 0 */
    enum btz_option_kind kind;
    size_t offset;       /* into the command's argument struct */
    const char *metavar; /* "FILE" */
    const char *help;
    const char *fallback; /* as it would be typed; NULL: zero value */
    double min, max;
    const char *const *choices; /* NULL-terminated */
    bool required;              /* the command refuses to run without it */
};

/* What a command may use. */
struct btz_cli {
    FILE *out, *err;
    bool quiet, verbose, color, terminal; /* terminal: stderr is one */
    const char *config_path;              /* --config, default "bartizan.yaml" */
    const char *state_dir;                /* --state, NULL: the configuration's */
    const volatile int *stop;             /* set by SIGINT and SIGTERM: finish what is at hand */
    struct btz_log log;
    /* For the framework and renderers. */
    unsigned columns;    /* width of the terminal, 80 where there is none */
    bool color_err;      /* the same question for stderr; `color` is for stdout */
    bool progress_shown; /* a progress line stands on stderr and must be cleared before text */
    const struct btz_command *command; /* the one that runs */
};

/* Options every command has: --config --state --quiet --verbose --no-color --help. */
struct btz_command {
    const char *noun, *verb;        /* verb NULL: the noun alone; it may be two words, "user add" */
    const char *summary;            /* one line */
    const char *details;            /* paragraphs and examples for the manual page, may be NULL */
    const char *operands;           /* "FILE...", NULL: none */
    int min_operands, max_operands; /* max -1: any number */
    const struct btz_option *options;
    size_t option_count;
    size_t
        args_size; /* of the argument struct the offsets point into, zeroed and filled from the fallbacks */
    const void *data; /* of generated commands: their operation */
    /* The exit status: 0, 1 (findings), or btz_cli_fail(). */
    int (*run)(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count);
};
/* From the list in meson.build: name "ledger-verify" is file ledger_verify.c, descriptor btz_command_ledger_verify. */
extern const struct btz_command *const btz_command_files[];
/* Those, and one for each operation of src/access that has a command. NULL-terminated; made once. */
const struct btz_command *const *btz_commands(void);

/* Prints "bartizan: detail" for an error on stderr and returns its exit status. */
int btz_cli_fail(struct btz_cli *cli, enum btz_err err);

/* The environment, for configuration loaders. */
const struct btz_conf_env *btz_cli_env(void);

#define BTZ_CONFIG_FILE "bartizan.yaml"
/* Is there a file of settings? What can do without takes its defaults; one that --config names has to be there. */
BTZ_CHECKED enum btz_err btz_cli_config_there(const struct btz_cli *cli, bool *out);

/* May this user go into the state folder, if there is one? Says whose it is. Errors: IO. */
BTZ_CHECKED enum btz_err btz_cli_state_mine(const char *state);

/* bartizan.yaml, or what --config names, with the state folder of --state. Everything in the arena. */
struct btz_settings;
BTZ_CHECKED enum btz_err btz_cli_settings(struct btz_cli *cli, struct btz_arena *arena,
                                          struct btz_settings *out);
/* The state folder alone, for commands that need no configuration: --state, else what the file says, else
 * ".bartizan". */
BTZ_CHECKED enum btz_err btz_cli_state(struct btz_cli *cli, struct btz_arena *arena,
                                       const char **out);

#endif
