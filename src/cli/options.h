/*
 * Insides of the command-line framework: option parsing, help, manual pages and completion, all from the
 * tables of the commands. Pure functions over text, so that they are tested without a process.
 */
#ifndef BTZ_CLI_OPTIONS_H
#define BTZ_CLI_OPTIONS_H

#include "cli/cli.h"

/* ---- parsing (options.c) ------------------------------------------------------------------------ */

struct btz_common_args {
    const char *config, *state;
    bool quiet, verbose, no_color, help;
};
extern const struct btz_option btz_common_options[];
extern const size_t btz_common_option_count;

struct btz_parsed {
    const void *args;
    const char *const *operands;
    size_t operand_count;
};

void btz_common_init(struct btz_common_args *common);

/* Takes the common options at argv[*at] and after, up to the first word that is none; moves *at there. */
BTZ_CHECKED enum btz_err btz_options_leading(const char *const *argv, size_t argc,
                                             struct btz_common_args *common, size_t *at);

/*
 * Parses everything after noun and verb. Options and operands may be mixed; "--" ends the options. Stops at --help with
 * common->help set. Strings borrow from argv. Errors: USAGE, naming what is allowed.
 */
BTZ_CHECKED enum btz_err btz_options_parse(const struct btz_command *command,
                                           const char *const *argv, size_t argc,
                                           struct btz_arena *arena, struct btz_common_args *common,
                                           struct btz_parsed *out);

/* ---- the registry of commands (dispatch.c) ------------------------------------------------------- */

/* NULL when there is none; `verb` may be NULL. */
const struct btz_command *btz_command_find(const char *noun, const char *verb);
/* Each noun once, in the order of the registry, into `names`; returns how many there are. */
#define BTZ_NOUNS_MAX 64
#define BTZ_VERBS_MAX 256
size_t btz_command_nouns(const char *names[BTZ_NOUNS_MAX]);
/* "bartizan redteam run" */
#define BTZ_COMMAND_NAME 96
/* Are there verbs of two words that begin with that one? */
bool btz_command_has_group(const char *noun, const char *word);
void btz_command_name(const struct btz_command *command, char out[BTZ_COMMAND_NAME]);

/* The whole program: what main() does. */
int btz_cli_main(int argc, char **argv);

/* ---- help (usage.c) ------------------------------------------------------------------------------ */

struct btz_usage_style {
    unsigned columns;
    bool bold; /* headings, by ANSI sequences */
};
BTZ_CHECKED enum btz_err btz_usage_program(const struct btz_usage_style *style,
                                           struct btz_buf *out);
/* `group`: the first word of verbs that have two ("user" of "user add"), which alone are listed; NULL: all. */
BTZ_CHECKED enum btz_err btz_usage_noun(const char *noun, const char *group,
                                        const struct btz_usage_style *style, struct btz_buf *out);
BTZ_CHECKED enum btz_err btz_usage_command(const struct btz_command *command,
                                           const struct btz_usage_style *style,
                                           struct btz_buf *out);
/* The help sentence of an option with its choices, range and default behind it. */
BTZ_CHECKED enum btz_err btz_usage_option_text(const struct btz_option *option,
                                               struct btz_buf *out);
/* "FILE" for options that take a value, NULL for flags. */
const char *btz_option_metavar(const struct btz_option *option);

/* ---- manual pages (manual.c) ---------------------------------------------------------------------- */

/* bartizan(1) for NULL, bartizan-NOUN(1) else; man(7) macros. */
BTZ_CHECKED enum btz_err btz_manual_page(const char *noun, struct btz_buf *out);

/* ---- completion (completion.c) --------------------------------------------------------------------- */

extern const char *const btz_completion_shells[]; /* NULL-terminated */
BTZ_CHECKED enum btz_err btz_completion_script(const char *shell, struct btz_buf *out);

#endif
