/* bartizan explain ID: a rule's page. */
#include "cli/cli.h"
#include "finding/finding.h"

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    const struct btz_rule *rule = btz_rule_find(operands[0]);
    const char *near;
    enum btz_err err;

    (void)args;
    (void)operand_count;
    if (!rule) {
        near = btz_rule_nearest(operands[0]);
        return btz_cli_fail(cli,
                            btz_fail(BTZ_USAGE, "no rule is called \"%.100s\"%s%s%s", operands[0],
                                     near ? "; did you mean " : "; `bartizan rules` lists them",
                                     near ? near : "", near ? "?" : ""));
    }
    /* Longer lines are harder to read, however wide the terminal. */
    err = btz_rule_explain(rule, cli->columns > 100 ? 100 : cli->columns, cli->color, &out);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fwrite(out.ptr, 1, out.len, cli->out);
    return 0;
}

const struct btz_command btz_command_explain = {
    .noun = "explain",
    .summary = "Explain a rule: what it proves, why it matters, what to do.",
    .details = "Examples:\n"
               "  bartizan explain redteam.leak.secret",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
