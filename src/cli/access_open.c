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

/* The file without what is not asked for: whoever looks at keys and entries has not the secrets of upstreams and targets in
 * his environment, and an error there is not his. */
static enum btz_err own_settings(struct btz_cli *cli, struct btz_arena *arena,
                                 struct btz_settings *out)
{
    static const char *const own[] = { "version", "title", "state", "access" };
    const struct btz_yaml *root, *node;
    struct btz_yaml kept[BTZ_COUNT(own)], map = { .kind = BTZ_YAML_MAP, .line = 1 };
    bool is_there;

    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    if (!is_there)
        return default_settings(cli, arena, out);
    BTZ_TRY(btz_settings_read(cli->config_path, arena, &root));
    if (root->kind != BTZ_YAML_MAP)
        return btz_cli_settings(cli, arena, out); /* which says so */
    for (size_t i = 0; i < BTZ_COUNT(own); i++) {
        node = btz_yaml_get(root, own[i]);
        if (!node)
            continue;
        kept[i] = *node;
        kept[i].next = map.first;
        map.first = &kept[i];
    }
    BTZ_TRY(btz_settings_parse(&map, cli->config_path, btz_practices, btz_cli_env(), &cli->log,
                               arena, out));
    if (cli->state_dir)
        out->state = cli->state_dir;
    return BTZ_OK;
}

enum btz_err btz_cli_access_open(struct btz_cli *cli, const struct btz_fetch *fetch,
                                 struct btz_arena *arena, struct btz_access **out)
{
    struct btz_access_options options = { .fetch = fetch, .log = &cli->log };
    struct btz_settings settings;

    BTZ_TRY(own_settings(cli, arena, &settings));
    BTZ_TRY(btz_cli_state_mine(settings.state));
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
