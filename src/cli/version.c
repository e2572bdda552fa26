/* bartizan version: what this build is. */
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <yaml.h>

#include "base/json.h"
#include "cli/cli.h"
#include "graph/onednn.h"

struct args {
    bool features;
    int format;
};

static const char *const formats[] = { "text", "json", NULL };

static const struct btz_option options[] = {
    { .name = "features",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, features),
      .help = "List the libraries in use, the optional parts and the commands of this build too." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .help = "How to print.",
      .fallback = "text",
      .choices = formats },
};

/* Versions as loaded, not as compiled: a security update of a library shows here. */
static json_t *libraries(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "curl",
                     curl_version_info(CURLVERSION_NOW)->version, "jansson", jansson_version_str(),
                     "libmicrohttpd", MHD_get_version(), "libsodium", sodium_version_string(),
                     "libyaml", yaml_get_version_string(), "openssl",
                     OpenSSL_version(OPENSSL_VERSION));
}

/* What meson builds only where its library is; oneDNN must be there now, too. */
static json_t *features(void)
{
    return json_pack("{s:b, s:b}", "mpi", BTZ_WITH_MPI, "onednn", btz_onednn_version() != NULL);
}

static json_t *commands(void)
{
    json_t *list = json_array();

    for (size_t i = 0; btz_commands()[i]; i++) {
        const char *verb = btz_commands()[i]->verb;

        json_array_append_new(list, json_sprintf("%s%s%s", btz_commands()[i]->noun, verb ? " " : "",
                                                 verb ? verb : ""));
    }
    return list;
}

static int print_json(struct btz_cli *cli, const struct args *args)
{
    BTZ_JSON json_t *all = json_pack("{s:s}", "bartizan", btz_version());
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    enum btz_err err;

    if (args->features) {
        json_object_set_new(all, "libraries", libraries());
        json_object_set_new(all, "features", features());
        json_object_set_new(all, "commands", commands());
    }
    err = btz_json_write(all, true, &text);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&text)));
    return 0;
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = arguments;
    BTZ_JSON json_t *versions = NULL;
    BTZ_JSON json_t *parts = NULL;
    const char *name;
    json_t *value;

    (void)operands;
    (void)operand_count;
    if (args->format == 1)
        return print_json(cli, args);
    fprintf(cli->out, "bartizan %s\n", btz_version());
    if (!args->features)
        return 0;
    fprintf(cli->out, "\nlibraries:\n");
    versions = libraries();
    json_object_foreach(versions, name, value)
        fprintf(cli->out, "  %-14s %s\n", name, json_string_value(value));
    fprintf(cli->out, "\nfeatures:\n");
    parts = features();
    json_object_foreach(parts, name, value)
        fprintf(cli->out, "  %-14s %s\n", name, json_is_true(value) ? "on" : "off");
    fprintf(cli->out, "\ncommands:\n");
    for (size_t i = 0; btz_commands()[i]; i++)
        fprintf(cli->out, "  %s%s%s\n", btz_commands()[i]->noun, btz_commands()[i]->verb ? " " : "",
                btz_commands()[i]->verb ? btz_commands()[i]->verb : "");
    return 0;
}

const struct btz_command btz_command_version = {
    .noun = "version",
    .summary = "Print the version.",
    .details = "Examples:\n"
               "  bartizan version\n"
               "  bartizan version --features --format json",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
