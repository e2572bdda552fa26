#include "cli/access_open.h"

#include <pwd.h>
#include <unistd.h>

#include "watch/watch.h"

/* The settings of a folder without a bartizan.yaml: the defaults. */
static enum btz_err default_settings(struct btz_cli *cli, struct btz_arena *arena,
                                     struct btz_settings *out)
{
    const struct btz_yaml *nothing;

    BTZ_TRY(btz_yaml_parse(btz_str(""), cli->config_path, arena, &nothing));
    BTZ_TRY(btz_settings_parse(nothing, cli->config_path, btz_practices, btz_cli_env(), &cli->log,
                               arena, out));
    if (cli->state_dir)
        out->state = cli->state_dir;
    return BTZ_OK;
}

enum btz_err btz_cli_access_settings(struct btz_cli *cli, struct btz_arena *arena,
                                     struct btz_settings *out)
{
    bool is_there;

    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    return is_there ? btz_cli_settings(cli, arena, out) : default_settings(cli, arena, out);
}

enum btz_err btz_cli_access_open(struct btz_cli *cli, const struct btz_fetch *fetch,
                                 struct btz_arena *arena, struct btz_access **out)
{
    struct btz_access_options options = { .fetch = fetch, .log = &cli->log };
    struct btz_settings settings;

    BTZ_TRY(btz_cli_access_settings(cli, arena, &settings));
    options.state_dir = settings.state;
    options.conf = btz_settings_of(&settings, &btz_section_access);
    return btz_access_open(&options, out);
}

enum btz_err btz_cli_access_caller(struct btz_access *access, struct btz_caller *out)
{
    struct passwd entry, *found = NULL;
    char buffer[4096], number[32];

    snprintf(number, sizeof number, "%u", (unsigned)geteuid());
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) != 0)
        found = NULL;
    return btz_caller_local(access, found ? found->pw_name : number, out);
}
