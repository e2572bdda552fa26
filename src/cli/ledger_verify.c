/* bartizan ledger verify: recompute everything, say which file and entry is wrong. */
#include "cli/ledger_files.h"

struct args {
    const char *key, *witness;
    int format;
};

static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, key),
      .metavar = "VKEY|FILE",
      .help = "The ledger's verifier key, kept elsewhere; without it the one in the folder is "
              "trusted." },
    { .name = "witness",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, witness),
      .metavar = "FILE",
      .help = "An older checkpoint kept elsewhere: the ledger must contain and continue it." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How to print the result." },
};

static enum btz_err verify(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                           const char **folder, struct btz_ledger_check *out)
{
    BTZ_BUF_RELEASE struct btz_buf witness = BTZ_BUF(BTZ_NOTE_MAX + (1 << 17));
    BTZ_BUF_RELEASE struct btz_buf key = BTZ_BUF(4096);
    struct btz_vkey vkey;

    BTZ_TRY(btz_cli_ledger_folder(cli, arena, folder));
    if (args->key) {
        BTZ_TRY(btz_cli_ledger_key(args->key, &vkey));
        BTZ_TRY(btz_vkey_write(&vkey, &key));
    }
    if (args->witness) {
        BTZ_TRY(btz_file_read(args->witness, BTZ_NOTE_MAX, &witness));
        if (witness.len == 0)
            return btz_fail(BTZ_INPUT, "%s: empty; expected a checkpoint", args->witness);
    }
    return btz_ledger_verify(*folder, btz_buf_slice(&key), btz_buf_slice(&witness), out);
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct args *args = arguments;
    struct btz_ledger_check check;
    const char *folder;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    err = verify(cli, args, &arena, &folder, &check);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return btz_cli_ledger_report(cli, folder, &check, args->format == 1, args->key != NULL,
                                 args->witness != NULL);
}

const struct btz_command btz_command_ledger_verify = {
    .noun = "ledger",
    .verb = "verify",
    .summary = "Check that nothing in the ledger was changed, removed or put back.",
    .details = "Reads every entry and every file, recomputes all hashes and checks the signature. "
               "Exits with 1 when the ledger is damaged and names the file, the byte and the first "
               "entry that cannot be proven.\n\n"
               "Examples:\n"
               "  bartizan ledger verify\n"
               "  bartizan ledger verify --key audit.vkey --witness checkpoint.last-month",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
