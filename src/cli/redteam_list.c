#include "cli/cli.h"
#include "redteam/redteam.h"

struct args {
    int kind;
};

static const char *const kinds[] = { "probes", "transforms", "detectors", "presets", NULL };
static const struct btz_option options[] = {
    { .name = "kind",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, kind),
      .metavar = "KIND",
      .fallback = "probes",
      .choices = kinds,
      .help = "What to list." },
};

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;

    (void)operands;
    (void)operand_count;
    for (size_t i = 0; a->kind == 0 && btz_probes[i]; i++)
        fprintf(cli->out, "%-36s %-34s %s\n", btz_probes[i]->id, btz_probes[i]->rule,
                btz_probes[i]->title);
    for (size_t i = 0; a->kind == 1 && btz_transforms[i]; i++)
        fprintf(cli->out, "%-20s %s\n", btz_transforms[i]->id, btz_transforms[i]->title);
    for (size_t i = 0; a->kind == 2 && btz_detectors[i]; i++)
        fprintf(cli->out, "%-20s %s\n", btz_detectors[i]->id, btz_detectors[i]->title);
    for (size_t i = 0; a->kind == 3 && btz_presets[i]; i++)
        fprintf(cli->out, "%-20s %s\n", btz_presets[i]->id, btz_presets[i]->title);
    return 0;
}

const struct btz_command btz_command_redteam_list = {
    .noun = "redteam",
    .verb = "list",
    .summary = "List the probes, transforms, detectors or target presets of this build.",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
