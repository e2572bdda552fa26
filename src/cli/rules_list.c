/* bartizan rules: the catalogue. */
#include "cli/cli.h"
#include "finding/finding.h"

struct args {
    int practice, format;
};

static const char *const practices[] = { "redteam", "watermark", "data", "access", "audit", NULL };
static const char *const formats[] = { "text", "json", NULL };

static const struct btz_option options[] = {
    { .name = "practice",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, practice),
      .metavar = "PRACTICE",
      .help = "Only the rules of this practice.",
      .choices = practices },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .help = "How to print.",
      .fallback = "text",
      .choices = formats },
};

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = arguments;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)16 << 20);
    enum btz_practice practice;
    int only = -1;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    if (args->practice >= 0 && btz_practice_parse(practices[args->practice], &practice))
        only = (int)practice;
    err = args->format == 1 ? btz_rules_list_json(only, &out)
                            : btz_rules_list_text(only, cli->columns, &out);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fwrite(out.ptr, 1, out.len, cli->out);
    return 0;
}

const struct btz_command btz_command_rules_list = {
    .noun = "rules",
    .summary = "List the rules: what bartizan can find.",
    .details = "Each rule has a stable id, a title and a severity. `bartizan explain ID` shows its "
               "page: what it proves, why it matters, how it is decided and what to do.\n\n"
               "Examples:\n"
               "  bartizan rules\n"
               "  bartizan rules --practice redteam --format json",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
