#include "cli/ledger_files.h"

#include <unistd.h>

#include "base/json.h"

enum btz_err btz_cli_ledger_folder(struct btz_cli *cli, struct btz_arena *arena, const char **out)
{
    const char *state;

    BTZ_TRY(btz_cli_state(cli, arena, &state));
    *out = btz_arena_printf(arena, "%s/ledger", state);
    return *out ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_cli_ledger_key(const char *text, struct btz_vkey *out)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(1 << 17);
    enum btz_err err;

    if (access(text, F_OK) < 0) {
        err = btz_vkey_parse(btz_str(text), out);
        return err == BTZ_OK
                   ? BTZ_OK
                   : btz_fail_context(BTZ_USAGE, "\"%.80s\" is neither a file nor a key", text);
    }
    BTZ_TRY(btz_file_read(text, 4096, &file));
    err = btz_vkey_parse(btz_buf_slice(&file), out);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "%s", text);
}

enum btz_err btz_cli_ledger_output(struct btz_cli *cli, const char *path, struct btz_slice bytes)
{
    if (path && strcmp(path, "-") != 0) {
        BTZ_TRY(btz_file_write(path, bytes, 0644));
        btz_log(&cli->log, BTZ_LOG_INFO, "wrote %s", path);
        return BTZ_OK;
    }
    if (fwrite(bytes.len ? bytes.ptr : (const uint8_t *)"", 1, bytes.len, cli->out) != bytes.len ||
        fflush(cli->out) != 0)
        return btz_fail_errno(BTZ_IO, "write the result");
    return BTZ_OK;
}

void btz_cli_ledger_print(FILE *out, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(SIZE_MAX);

    if (btz_utf8_printable(text, false, &clean) == BTZ_OK)
        fwrite(clean.len ? clean.ptr : (const uint8_t *)"", 1, clean.len, out);
}

static int report_json(struct btz_cli *cli, const char *folder, const struct btz_ledger_check *c,
                       bool key_given, bool witness_given)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    BTZ_JSON json_t *object = json_pack(
        "{s:o, s:b, s:I, s:I, s:I, s:o, s:I, s:I, s:b, s:I, s:b, s:b}", "ledger",
        btz_json_text(btz_str(folder)), "intact", c->intact, "size", (json_int_t)c->size,
        "first_bad", (json_int_t)c->first_bad, "problems", (json_int_t)c->problems, "what",
        btz_json_text(btz_str(c->what)), "evidence_present", (json_int_t)c->evidence_present,
        "evidence_deleted", (json_int_t)c->evidence_deleted, "unfinished", c->unfinished, "waiting",
        (json_int_t)c->waiting, "outside_key", key_given, "outside_checkpoint", witness_given);
    enum btz_err err = btz_json_write(object, true, &text);

    if (err == BTZ_OK)
        err = btz_buf_add_byte(&text, '\n');
    if (err == BTZ_OK)
        err = btz_cli_ledger_output(cli, NULL, btz_buf_slice(&text));
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return c->intact ? 0 : 1;
}

int btz_cli_ledger_report(struct btz_cli *cli, const char *folder, const struct btz_ledger_check *c,
                          bool json, bool key_given, bool witness_given)
{
    FILE *out = cli->out;

    if (json)
        return report_json(cli, folder, c, key_given, witness_given);
    btz_cli_ledger_print(out, btz_str(folder));
    if (c->intact) {
        fprintf(out, ": intact, %" PRIu64 " %s proven\n", c->size,
                c->size == 1 ? "entry" : "entries");
    } else {
        fprintf(out, ": DAMAGED\n  ");
        btz_cli_ledger_print(out, btz_str(c->what));
        if (c->first_bad == 0)
            fprintf(out, "\n  no entry is proven\n");
        else if (c->first_bad >= c->size)
            fprintf(out, "\n  all %" PRIu64 " entries of the checkpoint are proven\n", c->size);
        else
            fprintf(out, "\n  entries 0 to %" PRIu64 " are proven, entry %" PRIu64 " is not\n",
                    c->first_bad - 1, c->first_bad);
    }
    if (c->evidence_present + c->evidence_deleted > 0)
        fprintf(out, "  evidence: %" PRIu64 " intact, %" PRIu64 " deleted\n", c->evidence_present,
                c->evidence_deleted);
    if (c->unfinished)
        fprintf(out,
                "  a writer is at work or was stopped: %" PRIu64
                " entries wait for the next one to sign them\n",
                c->waiting);
    if (!key_given && !cli->quiet)
        fprintf(out,
                "  checked with the key in the folder itself; --key takes one kept elsewhere\n");
    if (!witness_given && !cli->quiet)
        fprintf(out, "  putting back the whole folder to an older state shows only against a "
                     "checkpoint kept elsewhere: --witness\n");
    return c->intact ? 0 : 1;
}
