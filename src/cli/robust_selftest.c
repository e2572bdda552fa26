#include "cli/cli.h"
#include "robust/text.h"

static void say(struct btz_cli *cli, const char *id, enum btz_err err, size_t *failed)
{
    *failed += err != BTZ_OK;
    fprintf(cli->out, "%s %s%s%s\n", err ? "FAIL" : "ok  ", id, err ? ": " : "",
            err ? btz_error_detail() : "");
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    size_t failed = 0, count = 0;

    (void)args;
    (void)operands;
    (void)operand_count;
    for (const struct btz_attack *const *a = btz_attacks; *a; a++, count++)
        say(cli, (*a)->id, (*a)->selftest(), &failed);
    for (const struct btz_text_attack *const *a = btz_text_attacks; *a; a++, count++)
        say(cli, (*a)->id, (*a)->selftest(), &failed);
    fprintf(cli->out, "%zu of %zu attacks give their known answers\n", count - failed, count);
    if (failed)
        return btz_cli_fail(cli, btz_fail(BTZ_INTERNAL,
                                          "%zu attacks do not give their known answers: "
                                          "do not use this build",
                                          failed));
    return 0;
}

const struct btz_command btz_command_robust_selftest = {
    .noun = "robust",
    .verb = "selftest",
    .summary = "Run every attack on small models whose answers are known.",
    .details = "A silently weak attack makes a model look robust. Each attack is run on models for "
               "which the right answer can be worked out - distances to a plane, steps of a known "
               "size - and must give it. Exit status 70 when one does not.",
    .args_size = 1,
    .run = run,
};
