/* bartizan ledger prove: a proof that stands without the ledger. */
#include "cli/ledger_files.h"

struct args {
    const char *output, *from_checkpoint;
};

static const struct btz_option options[] = {
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, output),
      .metavar = "FILE",
      .help = "Where to write the proof; stdout otherwise." },
    { .name = "from-checkpoint",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, from_checkpoint),
      .metavar = "FILE",
      .help = "Prove that the ledger continues this older checkpoint; in the form that a witness "
              "takes." },
};

static enum btz_err prove(struct btz_cli *cli, const struct args *args, const char *index_text,
                          struct btz_arena *arena)
{
    BTZ_BUF_RELEASE struct btz_buf old = BTZ_BUF(BTZ_NOTE_MAX + (1 << 17));
    BTZ_BUF_RELEASE struct btz_buf proof = BTZ_BUF(BTZ_NOTE_MAX + (1 << 19));
    struct btz_ledger *l;
    const char *folder;
    uint64_t index = 0;
    enum btz_err err;

    if ((index_text != NULL) == (args->from_checkpoint != NULL))
        return btz_fail(BTZ_USAGE, "give either the number of an entry or --from-checkpoint FILE");
    if (index_text && btz_parse_u64(btz_str(index_text), &index) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "number of the entry");
    if (args->from_checkpoint)
        BTZ_TRY(btz_file_read(args->from_checkpoint, BTZ_NOTE_MAX, &old));
    BTZ_TRY(btz_cli_ledger_folder(cli, arena, &folder));
    BTZ_TRY(btz_ledger_open(folder, BTZ_LEDGER_READ, &l));
    err = index_text ? btz_ledger_prove_entry(l, index, &proof)
                     : btz_ledger_prove_since(l, btz_buf_slice(&old), &proof);
    btz_ledger_close(l);
    BTZ_TRY(err);
    return btz_cli_ledger_output(cli, args->output, btz_buf_slice(&proof));
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;

    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    err = prove(cli, args, operand_count > 0 ? operands[0] : NULL, &arena);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_ledger_prove = {
    .noun = "ledger",
    .verb = "prove",
    .summary = "Write a portable proof of one entry, or that an older checkpoint is continued.",
    .details = "The proof of an entry is a C2SP tlog-proof file: entry, hashes and signed "
               "checkpoint; `bartizan ledger check-proof` checks it without the ledger.\n\n"
               "Examples:\n"
               "  bartizan ledger prove 42 -o entry-42.tlog-proof\n"
               "  bartizan ledger prove --from-checkpoint checkpoint.last-month",
    .operands = "INDEX",
    .min_operands = 0,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
