/* bartizan ledger show: entries, each proven before it is printed. */
#include "base/json.h"
#include "cli/ledger_files.h"

struct args {
    int64_t from, count;
    int format;
};

static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "from",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, from),
      .metavar = "N",
      .fallback = "-1",
      .min = -1,
      .max = 9007199254740992.0,
      .help = "First entry, counted from 0; -1 for the last ones." },
    { .name = "count",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, count),
      .metavar = "N",
      .fallback = "20",
      .min = 1,
      .max = 9007199254740992.0,
      .help = "How many at most." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How to print them." },
};

/* JSON entries as they are, other text as a string, anything else in base64. */
static enum btz_err add_value(json_t *object, struct btz_slice entry)
{
    BTZ_BUF_RELEASE struct btz_buf base64 = BTZ_BUF(1 << 18);
    const char *key = "json", *text;
    json_t *value;

    if (btz_json_parse(entry, BTZ_LEDGER_ENTRY_MAX, "entry", &value) != BTZ_OK) {
        if (btz_is_utf8(entry) && !(entry.len && memchr(entry.ptr, 0, entry.len))) {
            key = "text";
            value = btz_json_text(entry);
        } else {
            key = "base64";
            BTZ_TRY(btz_base64_encode(entry, &base64));
            BTZ_TRY(btz_buf_cstr(&base64, &text));
            value = json_string(text);
        }
    }
    if (json_object_set_new(object, key, value) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return BTZ_OK;
}

static enum btz_err print_json(FILE *out, uint64_t index, struct btz_slice entry, bool first)
{
    BTZ_JSON json_t *object = NULL;
    BTZ_FREE char *text = NULL;
    struct btz_hash leaf;
    char hex[65];

    btz_merkle_leaf(entry, &leaf);
    btz_hex(leaf.b, sizeof leaf.b, hex);
    object = json_pack("{s:I, s:s}", "index", (json_int_t)index, "leaf", hex);
    if (!object)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(add_value(object, entry));
    /* ASCII only: invisible and direction-changing characters must not reach a terminal. */
    text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (!text)
        return btz_fail(BTZ_LIMIT, "out of memory");
    fprintf(out, "%s%s", first ? "[" : ",\n ", text);
    return BTZ_OK;
}

static enum btz_err show(struct btz_cli *cli, const struct args *args, struct btz_ledger *l)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);
    uint64_t size = btz_ledger_size(l), count = (uint64_t)args->count;
    uint64_t from = args->from >= 0 ? (uint64_t)args->from : size > count ? size - count : 0;
    enum btz_err err = BTZ_OK;
    uint64_t i = from;

    for (; err == BTZ_OK && i < size && i - from < count && !*cli->stop; i++) {
        btz_buf_clear(&entry);
        err = btz_ledger_entry(l, i, &entry);
        if (err != BTZ_OK)
            break;
        if (args->format == 1) {
            err = print_json(cli->out, i, btz_buf_slice(&entry), i == from);
            continue;
        }
        fprintf(cli->out, "%" PRIu64 "  ", i);
        btz_cli_ledger_print(cli->out, btz_buf_slice(&entry));
        fputc('\n', cli->out);
    }
    if (args->format == 1)
        fprintf(cli->out, "%s]\n", i == from ? "[" : "");
    return err;
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_ledger *l = NULL;
    const char *folder;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_LEDGER_ARENA);
    err = btz_cli_ledger_folder(cli, &arena, &folder);
    if (err == BTZ_OK)
        err = btz_ledger_open(folder, BTZ_LEDGER_READ, &l);
    if (err == BTZ_OK)
        err = show(cli, arguments, l);
    btz_ledger_close(l);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_ledger_show = {
    .noun = "ledger",
    .verb = "show",
    .summary = "Print entries of the ledger.",
    .details = "Each entry is checked against the signed checkpoint before it is printed. Control "
               "characters and invisible ones are printed as escapes.\n\n"
               "Examples:\n"
               "  bartizan ledger show\n"
               "  bartizan ledger show --from 0 --count 100 --format json",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
