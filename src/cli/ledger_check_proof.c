/* bartizan ledger check-proof: check a proof file without the ledger. */
#include "cli/ledger_files.h"

struct args {
    const char *key, *entry, *from_checkpoint;
    struct btz_option_list witnesses;
    int64_t need;
};

static const struct btz_option options[] = {
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, key),
      .metavar = "VKEY|FILE",
      .required = true,
      .help = "The ledger's verifier key." },
    { .name = "entry",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, entry),
      .metavar = "FILE",
      .help = "The entry that should be proven; otherwise the one in the proof file." },
    { .name = "from-checkpoint",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, from_checkpoint),
      .metavar = "FILE",
      .help = "The older checkpoint, for a proof that it is continued." },
    { .name = "witness",
      .kind = BTZ_OPTION_STRINGS,
      .offset = offsetof(struct args, witnesses),
      .metavar = "VKEY|FILE",
      .help = "A witness' verifier key; may be given several times." },
    { .name = "need",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, need),
      .metavar = "N",
      .fallback = "-1",
      .min = -1,
      .max = 1000,
      .help = "How many of the witnesses must have cosigned; -1 for all of them." },
};

static enum btz_err read_entry(const struct args *args, const struct btz_proof_file *file,
                               struct btz_buf *out)
{
    if (args->entry)
        return btz_file_read(args->entry, BTZ_LEDGER_ENTRY_MAX, out);
    if (file->extra.len == 0)
        return BTZ_OK; /* the empty entry has no extra data */
    return btz_base64_decode(file->extra, out);
}

static enum btz_err read_policy(const struct args *args, struct btz_arena *arena,
                                struct btz_witness_policy *out)
{
    size_t count = args->witnesses.count;
    struct btz_vkey *keys = btz_arena_array(arena, count + 1, sizeof *keys);

    if (!keys)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_cli_ledger_key(args->witnesses.items[i], &keys[i]));
    *out = (struct btz_witness_policy){ .witnesses = keys,
                                        .count = count,
                                        .need = args->need < 0 ? count : (size_t)args->need };
    return BTZ_OK;
}

static enum btz_err check(struct btz_cli *cli, const struct args *args, const char *path,
                          struct btz_arena *arena)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(4 << 20), entry = BTZ_BUF(1 << 18);
    BTZ_BUF_RELEASE struct btz_buf old = BTZ_BUF(BTZ_NOTE_MAX + (1 << 17));
    struct btz_witness_policy policy;
    struct btz_proof_file file;
    struct btz_checkpoint c;
    struct btz_vkey log;

    BTZ_TRY(btz_cli_ledger_key(args->key, &log));
    BTZ_TRY(read_policy(args, arena, &policy));
    BTZ_TRY(btz_file_read(path, 2 << 20, &bytes));
    BTZ_TRY(btz_proof_parse(btz_buf_slice(&bytes), &file));
    if (file.is_inclusion) {
        BTZ_TRY(read_entry(args, &file, &entry));
        BTZ_TRY(btz_proof_check_entry(&file, btz_buf_slice(&entry), &log, &policy, &c));
        fprintf(cli->out,
                "proven: entry %" PRIu64 " of %s, under its checkpoint of %" PRIu64 " entries\n",
                file.index, log.name, c.size);
        if (!args->entry) {
            btz_cli_ledger_print(cli->out, btz_buf_slice(&entry));
            fputc('\n', cli->out);
        }
        return BTZ_OK;
    }
    if (!args->from_checkpoint)
        return btz_fail(BTZ_USAGE,
                        "%s proves that a checkpoint of %" PRIu64
                        " entries is continued: give it with --from-checkpoint FILE",
                        path, file.index);
    BTZ_TRY(btz_file_read(args->from_checkpoint, BTZ_NOTE_MAX, &old));
    BTZ_TRY(btz_proof_check_since(&file, btz_buf_slice(&old), &log, &c));
    fprintf(cli->out,
            "proven: %s with %" PRIu64 " entries continues the checkpoint of %" PRIu64 "\n",
            log.name, c.size, file.index);
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;

    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    err = check(cli, args, operands[0], &arena);
    if (err == BTZ_DENIED) {
        fputs("NOT PROVEN: ", cli->out);
        btz_cli_ledger_print(cli->out, btz_str(btz_error_detail()));
        fputc('\n', cli->out);
        return 1;
    }
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_ledger_check_proof = {
    .noun = "ledger",
    .verb = "check-proof",
    .summary = "Check a proof file without the ledger.",
    .details =
        "Checks the leaf hash, the ledger's signature, the witnesses and the hashes, in that "
        "order, offline. Exits with 1 when the file does not prove it.\n\n"
        "Examples:\n"
        "  bartizan ledger check-proof entry-42.tlog-proof --key audit.vkey\n"
        "  bartizan ledger check-proof since --key audit.vkey --from-checkpoint old",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
