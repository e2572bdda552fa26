/* bartizan access artifact check: a file and its manifest, without a gateway or a state folder. */
#include <fcntl.h>
#include <unistd.h>

#include "access/vault.h"
#include "cli/cli.h"

struct args {
    const char *vkey;
};

static const struct btz_option options[] = {
    { .name = "vkey",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, vkey),
      .metavar = "FILE",
      .required = true,
      .help = "Public key of the vault that signed the manifest: its file vkey, kept somewhere "
              "safe." },
};

static enum btz_err read_vkey(const char *path, struct btz_vkey *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(8192);

    BTZ_TRY(btz_file_read(path, 4096, &text));
    return btz_vkey_parse(btz_buf_slice(&text), out);
}

static enum btz_err check(struct btz_cli *cli, const struct args *args, const char *file,
                          const char *manifest)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_MANIFEST_MAX + 65536);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_manifest m;
    struct btz_vkey key;
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_arena_init(&arena, (size_t)16 << 20);
    BTZ_TRY(read_vkey(args->vkey, &key));
    BTZ_TRY(btz_file_read(manifest, BTZ_MANIFEST_MAX, &text));
    BTZ_TRY(btz_manifest_open(btz_buf_slice(&text), &key, &arena, &m));
    BTZ_CLOSE_FD int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "%s", file);
    BTZ_TRY(btz_manifest_check_file(&m, fd, file));
    btz_hex(m.digest, sizeof m.digest, hex);
    if (!cli->quiet)
        fprintf(cli->out, "%s@%" PRIu64 ": %" PRIu64 " bytes, sha256:%s, signed by %s\n", m.name,
                m.version, m.size, hex, key.name);
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    enum btz_err err;

    (void)operand_count;
    err = check(cli, args, operands[0], operands[1]);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_access_artifact_check = {
    .noun = "access",
    .verb = "artifact check",
    .summary = "Verify a file against the signed manifest of an artifact.",
    .details =
        "Needs neither a gateway nor its state: only the file, the manifest (`artifact manifest`, "
        "or /v1/artifacts/NAME/versions/VERSION/manifest) and the vault's public key. Exits with "
        "3 when the file is another one and says which bytes differ, with 5 when the key did not "
        "sign the manifest.",
    .operands = "FILE MANIFEST",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
