#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
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

enum btz_err btz_cli_config_there(const struct btz_cli *cli, bool *out)
{
    *out = strcmp(cli->config_path, "-") == 0 || access(cli->config_path, F_OK) == 0;
    if (*out || (errno == ENOENT && strcmp(cli->config_path, BTZ_CONFIG_FILE) == 0))
        return BTZ_OK;
    return btz_fail_errno(errno == ENOENT ? BTZ_USAGE : BTZ_IO, "--config %s", cli->config_path);
}

enum btz_err btz_cli_state(struct btz_cli *cli, struct btz_arena *arena, const char **out)
{
    const struct btz_yaml *root;
    bool is_there;

    if (cli->state_dir) {
        *out = cli->state_dir;
        return BTZ_OK;
    }
    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    if (!is_there) {
        *out = ".bartizan";
        return BTZ_OK;
    }
    BTZ_TRY(btz_settings_read(cli->config_path, arena, &root));
    return btz_settings_state(root, cli->config_path, btz_cli_env(), arena, out);
}

enum btz_err btz_cli_state_mine(const char *state)
{
    struct passwd entry, *found = NULL;
    char room[4096], number[32];
    struct stat st;

    if (access(state, X_OK) == 0 || errno != EACCES || stat(state, &st) != 0)
        return BTZ_OK; /* what else is wrong shows with its use */
    snprintf(number, sizeof number, "user %u", (unsigned)st.st_uid);
    if (getpwuid_r(st.st_uid, &entry, room, sizeof room, &found) != 0)
        found = NULL;
    return btz_fail(BTZ_IO,
                    "the state folder %s belongs to %s and is closed to others: run this as that "
                    "user, or say by --state where another is",
                    state, found ? found->pw_name : number);
}
