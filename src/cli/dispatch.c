#include <errno.h>

#include "cli/options.h"
#include "cli/terminal.h"

#define ARENA_MAX (8u << 20)

const struct btz_command *btz_command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; btz_commands()[i]; i++) {
        const struct btz_command *c = btz_commands()[i];

        if (strcmp(c->noun, noun) == 0 && (verb ? c->verb && strcmp(c->verb, verb) == 0 : !c->verb))
            return c;
    }
    return NULL;
}

size_t btz_command_nouns(const char *names[BTZ_NOUNS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; btz_commands()[i] && count < BTZ_NOUNS_MAX; i++) {
        size_t seen = 0;

        while (seen < count && strcmp(names[seen], btz_commands()[i]->noun) != 0)
            seen++;
        if (seen == count)
            names[count++] = btz_commands()[i]->noun;
    }
    return count;
}

void btz_command_name(const struct btz_command *c, char out[BTZ_COMMAND_NAME])
{
    snprintf(out, BTZ_COMMAND_NAME, "bartizan %s%s%s", c->noun, c->verb ? " " : "",
             c->verb ? c->verb : "");
}

int btz_cli_fail(struct btz_cli *cli, enum btz_err err)
{
    btz_cli_say(cli, "bartizan: ", btz_error_detail());
    return btz_err_exit_status(err);
}

static int usage_error(struct btz_cli *cli)
{
    return btz_cli_fail(cli, BTZ_USAGE);
}

static int unknown_noun(struct btz_cli *cli, const char *word)
{
    const char *nouns[BTZ_NOUNS_MAX], *nearest;
    size_t count = btz_command_nouns(nouns);

    nearest = btz_nearest(word, nouns, count);
    if (nearest)
        btz_error_set("unknown command \"%.80s\"; did you mean `bartizan %s`?", word, nearest);
    else
        btz_error_set("unknown command \"%.80s\"; `bartizan help` lists them", word);
    return usage_error(cli);
}

/* Adds a word to a list written as "a, b", unless it is the one added last. */
static void list_word(const char *word, size_t len, char *out, size_t size)
{
    size_t used = strlen(out);

    if (used >= len && memcmp(out + used - len, word, len) == 0 &&
        (used == len || out[used - len - 1] == ' '))
        return;
    snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", (int)len, word);
}

/* What may follow `noun`, or `noun group` where verbs are of two words. */
static void list_verbs(const char *noun, const char *group, char *out, size_t size)
{
    size_t group_len = group ? strlen(group) : 0;

    out[0] = '\0';
    for (size_t i = 0; btz_commands()[i]; i++) {
        const char *verb = btz_commands()[i]->verb;

        if (strcmp(btz_commands()[i]->noun, noun) != 0 || !verb)
            continue;
        if (!group)
            list_word(verb, strcspn(verb, " "), out, size);
        else if (strncmp(verb, group, group_len) == 0 && verb[group_len] == ' ')
            list_word(verb + group_len + 1, strlen(verb + group_len + 1), out, size);
    }
}

bool btz_command_has_group(const char *noun, const char *word)
{
    char second[2048];

    list_verbs(noun, word, second, sizeof second);
    return second[0] != '\0';
}

static const char *nearest_verb(const char *noun, const char *word)
{
    const char *verbs[BTZ_VERBS_MAX];
    size_t count = 0;

    for (size_t i = 0; btz_commands()[i] && count < BTZ_VERBS_MAX; i++)
        if (strcmp(btz_commands()[i]->noun, noun) == 0 && btz_commands()[i]->verb)
            verbs[count++] = btz_commands()[i]->verb;
    return btz_nearest(word, verbs, count);
}

/* The noun is right, the verb is missing or wrong. `words`: what stands behind the noun. */
static int unknown_verb(struct btz_cli *cli, const char *noun, const char *const *words,
                        size_t count)
{
    bool group = count > 0 && btz_command_has_group(noun, words[0]);
    char allowed[2048], said[64];
    const char *nearest;

    list_verbs(noun, group ? words[0] : NULL, allowed, sizeof allowed);
    snprintf(said, sizeof said, "%.30s%s%.30s", count ? words[0] : "",
             count > 1 && group ? " " : "", count > 1 && group ? words[1] : "");
    nearest = count > 0 ? nearest_verb(noun, said) : NULL;
    if (count == (group ? 1u : 0u))
        btz_error_set("`bartizan %s%s%s` needs one of: %s", noun, group ? " " : "", said, allowed);
    else if (nearest)
        btz_error_set("unknown command \"%s %s\"; did you mean `bartizan %s %s`?", noun, said, noun,
                      nearest);
    else
        btz_error_set("unknown command \"%s %s\"; expected one of: %s", noun, said, allowed);
    return usage_error(cli);
}

static int print_usage(struct btz_cli *cli, const struct btz_command *command, const char *noun,
                       const char *group)
{
    const struct btz_usage_style style = { .columns = cli->columns, .bold = cli->color };
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    enum btz_err err = command ? btz_usage_command(command, &style, &text)
                       : noun  ? btz_usage_noun(noun, group, &style, &text)
                               : btz_usage_program(&style, &text);

    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fwrite(text.ptr, 1, text.len, cli->out);
    return 0;
}

static int run_command(struct btz_cli *cli, const struct btz_command *command,
                       const char *const *argv, size_t argc, struct btz_common_args *common)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_parsed parsed;
    enum btz_err err;

    btz_arena_init(&arena, ARENA_MAX);
    err = btz_options_parse(command, argv, argc, &arena, common, &parsed);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    btz_cli_apply(cli, common);
    if (common->help)
        return print_usage(cli, command, NULL, NULL);
    cli->command = command;
    return command->run(cli, parsed.args, parsed.operands, parsed.operand_count);
}

/* The command behind a noun: a verb of two words, then of one, then the noun alone. *words: how many are its verb. */
static const struct btz_command *find_command(const char *noun, const char *const *argv,
                                              size_t argc, size_t *words)
{
    const struct btz_command *command = NULL;
    char verb[BTZ_COMMAND_NAME];

    *words = 0;
    if (argc > 1 && (size_t)snprintf(verb, sizeof verb, "%s %s", argv[0], argv[1]) < sizeof verb)
        command = btz_command_find(noun, verb);
    if (command) {
        *words = 2;
        return command;
    }
    command = argc > 0 ? btz_command_find(noun, argv[0]) : NULL;
    if (command)
        *words = 1;
    return command;
}

static bool has_verbs(const char *noun)
{
    for (size_t i = 0; btz_commands()[i]; i++)
        if (strcmp(btz_commands()[i]->noun, noun) == 0 && btz_commands()[i]->verb)
            return true;
    return false;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool is_noun(const char *word)
{
    return has_verbs(word) || btz_command_find(word, NULL);
}

static int dispatch(struct btz_cli *cli, const char *const *argv, size_t argc,
                    struct btz_common_args *common)
{
    const struct btz_command *command;
    const char *noun;
    size_t at = 0, words;

    if (btz_options_leading(argv, argc, common, &at) != BTZ_OK)
        return usage_error(cli);
    btz_cli_apply(cli, common);
    if (common->help || at == argc)
        return print_usage(cli, NULL, NULL, NULL);
    noun = strcmp(argv[at], "--version") == 0 ? "version" : argv[at];
    if (!is_noun(noun))
        return unknown_noun(cli, noun);
    at++;
    command = find_command(noun, argv + at, argc - at, &words);
    if (command)
        return run_command(cli, command, argv + at + words, argc - at - words, common);
    command = btz_command_find(noun, NULL);
    if (command)
        return run_command(cli, command, argv + at, argc - at, common);
    /* A noun that is nothing without its verb: common options may stand between them. */
    if (btz_options_leading(argv, argc, common, &at) != BTZ_OK)
        return usage_error(cli);
    btz_cli_apply(cli, common);
    if (common->help)
        return print_usage(cli, NULL, noun, NULL);
    if (at + 1 < argc && is_help(argv[at + 1]) && btz_command_has_group(noun, argv[at]))
        return print_usage(cli, NULL, noun, argv[at]);
    command = find_command(noun, argv + at, argc - at, &words);
    if (!command)
        return unknown_verb(cli, noun, argv + at, argc - at);
    return run_command(cli, command, argv + at + words, argc - at - words, common);
}

/* A result that did not reach its reader is a failure, whatever the command thought. */
static int finish(struct btz_cli *cli, int status)
{
    bool failed = ferror(cli->out) != 0;

    if (fflush(cli->out) != 0 || failed) {
        btz_error_set_errno("write standard output");
        if (status < 2)
            status = btz_err_exit_status(BTZ_IO);
        btz_cli_say(cli, "bartizan: ", btz_error_detail());
    }
    return status;
}

int btz_cli_main(int argc, char **argv)
{
    struct btz_common_args common;
    struct btz_cli cli;
    size_t words = argc > 0 ? (size_t)argc - 1 : 0;

    btz_cli_open(&cli);
    btz_common_init(&common);
    return finish(&cli, dispatch(&cli, (const char *const *)argv + 1, words, &common));
}
