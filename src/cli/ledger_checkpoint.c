/* bartizan ledger checkpoint: the signed state of the ledger, to keep elsewhere. */
#include "cli/ledger_files.h"

struct args {
    const char *output;
};

static const struct btz_option options[] = {
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, output),
      .metavar = "FILE",
      .help = "Where to write it; stdout otherwise." },
};

static enum btz_err print(struct btz_cli *cli, const struct args *args, struct btz_arena *arena)
{
    BTZ_BUF_RELEASE struct btz_buf note = BTZ_BUF(BTZ_NOTE_MAX + 1);
    struct btz_ledger *l;
    const char *folder;
    enum btz_err err;

    BTZ_TRY(btz_cli_ledger_folder(cli, arena, &folder));
    BTZ_TRY(btz_ledger_open(folder, BTZ_LEDGER_READ, &l));
    err = btz_ledger_checkpoint(l, &note);
    btz_ledger_close(l);
    BTZ_TRY(err);
    return btz_cli_ledger_output(cli, args->output, btz_buf_slice(&note));
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    err = print(cli, args, &arena);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_ledger_checkpoint = {
    .noun = "ledger",
    .verb = "checkpoint",
    .summary = "Print the signed checkpoint of the ledger.",
    .details = "Name, number of entries, root hash and signature. Kept elsewhere it shows later "
               "whether the ledger was put back to an older state.\n\n"
               "Examples:\n"
               "  bartizan ledger checkpoint -o /mnt/elsewhere/checkpoint",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
