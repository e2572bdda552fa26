/* bartizan access openapi: the document of the API, as the daemon serves it. */
#include "base/json.h"
#include "cli/cli.h"
#include "watch/api/api.h"

static enum btz_err print(struct btz_cli *cli)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)4 << 20);
    BTZ_JSON json_t *document = NULL;

    BTZ_TRY(btz_openapi(btz_operations, btz_access_schema, &document));
    BTZ_TRY(btz_json_write(document, true, &text));
    if (fwrite(text.ptr, 1, text.len, cli->out) != text.len || fputc('\n', cli->out) == EOF)
        return btz_fail_errno(BTZ_IO, "write the document");
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    enum btz_err err = print(cli);

    (void)args;
    (void)operands;
    (void)operand_count;
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_access_openapi = {
    .noun = "access",
    .verb = "openapi",
    .summary = "Print the OpenAPI 3.1 document of the access API.",
    .details = "The same document is at /v1/openapi.json of a daemon.",
    .run = run,
};
