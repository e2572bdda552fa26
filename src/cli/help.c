/* bartizan help: the help of a command, the manual pages, the reference of the configuration and of the roles. */
#include "access/policy_tools.h"
#include "cli/options.h"
#include "watch/watch.h"

struct args {
    bool manual, configuration, roles;
};

/* What tables cannot say. */
static const char intro[] =
    "# Configuration\n\n"
    "`bartizan.yaml` in the working folder, or what `--config FILE` names. `bartizan init` writes "
    "a "
    "first one with every\nsetting explained, `bartizan config check` says whether a file is "
    "right, "
    "and `bartizan config show --origin` says where\neach value comes from.\n\n"
    "- YAML 1.1 without anchors, aliases, tags and duplicate keys; at most 16 MiB, 64 levels, "
    "200,000 "
    "values.\n"
    "- `${NAME}` in any value is replaced by that variable of the environment; one that is not set "
    "is "
    "an error. `$${` is a\n  literal `${`. What comes from the environment is never printed.\n"
    "- Durations are a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`. Dates are "
    "`2027-01-31`.\n"
    "- `key:` with nothing behind it means the default.\n"
    "- An unknown key is an error that names its line and the nearest key.\n"
    "- A practice runs when the section of its name is in the file. An asset that nothing looks at "
    "is "
    "reported as not\n  evaluated.\n\n"
    "This page is printed by `bartizan help --configuration`.\n\n"
    "## Keys\n\n";

static const struct btz_option options[] = {
    { .name = "manual",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, manual),
      .help = "Print the manual page of the noun, or bartizan(1), as man(7) source." },
    { .name = "configuration",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, configuration),
      .help = "Print the reference of bartizan.yaml, as Markdown." },
    { .name = "roles",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, roles),
      .help = "Print what each ready role may do, as Markdown." },
};

static enum btz_err configuration(struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_conf_struct *table;

    btz_arena_init(&arena, 1 << 20);
    BTZ_TRY(btz_settings_table(btz_practices, &arena, &table));
    BTZ_TRY(btz_buf_add_str(out, intro));
    return btz_conf_reference(table, out);
}

static enum btz_err render(struct btz_cli *cli, const struct args *args,
                           const char *const *operands, size_t count, struct btz_buf *out)
{
    const struct btz_usage_style style = { .columns = cli->columns, .bold = cli->color };
    char two[BTZ_COMMAND_NAME];
    const char *noun = count > 0 ? operands[0] : NULL, *verb = count > 1 ? operands[1] : NULL;
    const struct btz_command *command;
    const char *nouns[BTZ_NOUNS_MAX];
    size_t noun_count = btz_command_nouns(nouns), i = 0;

    if (args->configuration)
        return configuration(out);
    if (args->roles)
        return btz_policy_roles_page(out);
    if (count > 2) {
        snprintf(two, sizeof two, "%.40s %.40s", operands[1], operands[2]);
        verb = two;
    }
    command = noun ? btz_command_find(noun, verb) : NULL;
    while (noun && i < noun_count && strcmp(nouns[i], noun) != 0)
        i++;
    if (noun && i == noun_count) {
        const char *nearest = btz_nearest(noun, nouns, noun_count);

        return btz_fail(BTZ_USAGE, "no command \"%.80s\"%s%s%s", noun,
                        nearest ? "; did you mean \"" : "; `bartizan help` lists them",
                        nearest ? nearest : "", nearest ? "\"?" : "");
    }
    if (count == 2 && !command && !args->manual && btz_command_has_group(noun, verb))
        return btz_usage_noun(noun, verb, &style, out);
    if (verb && !command)
        return btz_fail(BTZ_USAGE, "no command \"%.40s %.40s\"; `bartizan help %s` lists the verbs",
                        noun, verb, noun);
    if (args->manual)
        return btz_manual_page(noun, out);
    if (command)
        return btz_usage_command(command, &style, out);
    return noun ? btz_usage_noun(noun, NULL, &style, out) : btz_usage_program(&style, out);
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
               "  bartizan help --manual config | man -l -\n"
               "  bartizan help --configuration",
    .operands = "[NOUN [VERB]]",
    .max_operands = 3,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
