/* bartizan config show: every setting with its value, and where the value comes from. */
#include "cli/cli.h"
#include "watch/watch.h"

#define SHOW_CAP ((size_t)256 << 20)

struct args {
    bool origin;
};

static const struct btz_option options[] = {
    { .name = "origin",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, origin),
      .help = "Say where each value comes from: file and line, default, or a variable of the "
              "environment." },
};

static enum btz_err show(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                         struct btz_buf *out)
{
    const struct btz_conf_struct *table;
    const struct btz_yaml *root;
    struct btz_settings settings;

    BTZ_TRY(btz_settings_table(btz_practices, arena, &table));
    BTZ_TRY(btz_settings_read(cli->config_path, arena, &root));
    BTZ_TRY(btz_conf_show(root, table, cli->config_path, args->origin, out));
    /* What does not load is shown all the same, and then said. */
    return btz_settings_parse(root, cli->config_path, btz_practices, btz_cli_env(), &cli->log,
                              arena, &settings);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SHOW_CAP);
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, SHOW_CAP);
    err = show(cli, args, &arena, &text);
    fwrite(text.len ? text.ptr : (const uint8_t *)"", 1, text.len, cli->out);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_config_show = {
    .noun = "config",
    .verb = "show",
    .summary = "Print every setting with its value.",
    .details = "Values are printed as the file has them: ${NAME} is not replaced, and secrets that "
               "stand in the file are hidden.\n\n"
               "Examples:\n"
               "  bartizan config show --origin",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
