/* bartizan ledger witness: cosign checkpoints of ledgers elsewhere, and check this one against a cosigned one. */
#include "cli/ledger_files.h"

struct args {
    bool init;
    const char *sign, *check, *key, *name, *log, *output;
    int format;
};

static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "init",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, init),
      .help = "Make a witness' key; its verifier key is printed and written beside it." },
    { .name = "sign",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, sign),
      .metavar = "FILE",
      .help = "Cosign a checkpoint, or what `ledger prove --from-checkpoint` wrote." },
    { .name = "check",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, check),
      .metavar = "FILE",
      .help = "Verify this ledger against a cosigned checkpoint." },
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, key),
      .metavar = "FILE",
      .help = "The witness' private key (--init, --sign), or its verifier key as text or file "
              "(--check)." },
    { .name = "name",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, name),
      .metavar = "NAME",
      .help = "The witness' name for --init, such as witness.example/w1." },
    { .name = "log",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, log),
      .metavar = "VKEY|FILE",
      .help =
          "The ledger's verifier key; --sign needs it, --check takes the folder's without it." },
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, output),
      .metavar = "FILE",
      .help = "Where --sign writes the cosigned checkpoint; stdout otherwise." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How --check prints its result." },
};

static enum btz_err init(struct btz_cli *cli, const struct args *args)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(4096);
    struct btz_vkey key;

    if (!args->key || !args->name)
        return btz_fail(BTZ_USAGE, "--init needs --key FILE and --name NAME");
    BTZ_TRY(btz_witness_create(args->key, args->name, &key));
    BTZ_TRY(btz_vkey_write(&key, &text));
    BTZ_TRY(btz_buf_add_byte(&text, '\n'));
    return btz_cli_ledger_output(cli, NULL, btz_buf_slice(&text));
}

static enum btz_err sign(struct btz_cli *cli, const struct args *args)
{
    BTZ_BUF_RELEASE struct btz_buf request = BTZ_BUF(BTZ_NOTE_MAX * 2);
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_NOTE_MAX * 2);
    struct btz_vkey log;

    if (!args->key || !args->log)
        return btz_fail(BTZ_USAGE, "--sign needs --key FILE and --log VKEY|FILE");
    BTZ_TRY(btz_cli_ledger_key(args->log, &log));
    BTZ_TRY(btz_file_read(args->sign, BTZ_NOTE_MAX + (1 << 18), &request));
    BTZ_TRY(btz_witness_sign(args->key, &log, btz_buf_slice(&request), btz_clock_unix_ms() / 1000,
                             &out));
    return btz_cli_ledger_output(cli, args->output, btz_buf_slice(&out));
}

static enum btz_err check(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                          const char **folder, struct btz_ledger_check *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_NOTE_MAX + (1 << 17));
    BTZ_BUF_RELEASE struct btz_buf log_text = BTZ_BUF(4096);
    struct btz_vkey witness, log;
    struct btz_note note;
    char when[BTZ_TIME_TEXT];
    uint64_t seconds;

    BTZ_TRY(btz_cli_ledger_folder(cli, arena, folder));
    BTZ_TRY(btz_file_read(args->check, BTZ_NOTE_MAX, &bytes));
    if (btz_note_parse(btz_buf_slice(&bytes), &note) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s", args->check);
    if (args->key) {
        BTZ_TRY(btz_cli_ledger_key(args->key, &witness));
        if (btz_note_verify(&note, &witness, &seconds) != BTZ_OK)
            return btz_fail_context(BTZ_DENIED, "%s", args->check);
        btz_time_format(seconds * 1000, when);
        btz_log(&cli->log, BTZ_LOG_INFO, "cosigned by %s on %s", witness.name, when);
    }
    if (args->log) {
        BTZ_TRY(btz_cli_ledger_key(args->log, &log));
        BTZ_TRY(btz_vkey_write(&log, &log_text));
    }
    return btz_ledger_verify(*folder, btz_buf_slice(&log_text), btz_buf_slice(&bytes), out);
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct args *args = arguments;
    struct btz_ledger_check found;
    const char *folder;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    if (args->init + (args->sign != NULL) + (args->check != NULL) != 1)
        err = btz_fail(BTZ_USAGE, "give one of --init, --sign FILE and --check FILE");
    else if (args->init)
        err = init(cli, args);
    else if (args->sign)
        err = sign(cli, args);
    else
        err = check(cli, args, &arena, &folder, &found);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    if (!args->check)
        return 0;
    return btz_cli_ledger_report(cli, folder, &found, args->format == 1, args->log != NULL, true);
}

const struct btz_command btz_command_ledger_witness = {
    .noun = "ledger",
    .verb = "witness",
    .summary = "Be a witness of ledgers, or check this one against what a witness cosigned.",
    .details =
        "A witness runs elsewhere, under another person's control. It cosigns a checkpoint "
        "only when it continues the last one it saw, so a ledger cannot be put back or split "
        "in two without showing.\n\n"
        "Examples:\n"
        "  bartizan ledger witness --init --key w.key --name witness.example/w1\n"
        "  bartizan ledger witness --sign checkpoint --key w.key --log audit.vkey -o cosigned\n"
        "  bartizan ledger witness --check cosigned --key w.key.vkey",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
