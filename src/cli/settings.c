#include <unistd.h>

#include "cli/cli.h"
#include "watch/watch.h"

enum btz_err btz_cli_settings(struct btz_cli *cli, struct btz_arena *arena,
                              struct btz_settings *out)
{
    BTZ_TRY(
        btz_settings_load(cli->config_path, btz_practices, btz_cli_env(), &cli->log, arena, out));
    if (cli->state_dir)
        out->state = cli->state_dir;
    return BTZ_OK;
}

enum btz_err btz_cli_state(struct btz_cli *cli, struct btz_arena *arena, const char **out)
{
    const struct btz_yaml *root;

    if (cli->state_dir) {
        *out = cli->state_dir;
        return BTZ_OK;
    }
    if (access(cli->config_path, F_OK) < 0) {
        *out = ".bartizan";
        return BTZ_OK;
    }
    BTZ_TRY(btz_settings_read(cli->config_path, arena, &root));
    return btz_settings_state(root, cli->config_path, btz_cli_env(), arena, out);
}
