/* bartizan help: the help of a command, the manual pages and the reference of the configuration. */
#include "cli/options.h"

struct args {
    bool manual;
};

static const struct btz_option options[] = {
    { .name = "manual",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, manual),
      .help = "Print the manual page of the noun, or bartizan(1), as man(7) source." },
};

static enum btz_err render(struct btz_cli *cli, const struct args *args,
                           const char *const *operands, size_t count, struct btz_buf *out)
{
    const struct btz_usage_style style = { .columns = cli->columns, .bold = cli->color };
    const char *noun = count > 0 ? operands[0] : NULL, *verb = count > 1 ? operands[1] : NULL;
    const struct btz_command *command = noun ? btz_command_find(noun, verb) : NULL;
    const char *nouns[BTZ_NOUNS_MAX];
    size_t noun_count = btz_command_nouns(nouns), i = 0;

    while (noun && i < noun_count && strcmp(nouns[i], noun) != 0)
        i++;
    if (noun && i == noun_count) {
        const char *nearest = btz_nearest(noun, nouns, noun_count);

        return btz_fail(BTZ_USAGE, "no command \"%.80s\"%s%s%s", noun,
                        nearest ? "; did you mean \"" : "; `bartizan help` lists them",
                        nearest ? nearest : "", nearest ? "\"?" : "");
    }
    if (verb && !command)
        return btz_fail(BTZ_USAGE, "no command \"%.40s %.40s\"; `bartizan help %s` lists the verbs",
                        noun, verb, noun);
    if (args->manual)
        return btz_manual_page(noun, out);
    if (command)
        return btz_usage_command(command, &style, out);
    return noun ? btz_usage_noun(noun, &style, out) : btz_usage_program(&style, out);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4 << 20);
    enum btz_err err = render(cli, args, operands, operand_count, &text);

    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fwrite(text.ptr, 1, text.len, cli->out);
    return 0;
}

const struct btz_command btz_command_help = {
    .noun = "help",
    .summary = "Print help on a command, or its manual page.",
    .details = "Examples:\n"
               "  bartizan help config check\n"
               "  bartizan help --manual config | man -l -",
    .operands = "[NOUN [VERB]]",
    .max_operands = 2,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
