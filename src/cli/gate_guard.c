#include "cli/gate_guard.h"

#include "gate/gate.h"

enum btz_err btz_cli_guard_conf(struct btz_cli *cli, struct btz_arena *arena,
                                struct btz_guard_conf *out)
{
    static const struct btz_yaml empty = { .kind = BTZ_YAML_MAP, .line = 1 };
    struct btz_gate_conf *conf;
    const char *state;
    bool is_there;

    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    if (!is_there)
        return btz_conf_load(&empty, &btz_guard_conf_struct, cli->config_path, btz_cli_env(), arena,
                             out);
    BTZ_TRY(btz_gate_conf_load(cli->config_path, btz_cli_env(), arena, &conf, &state));
    *out = conf->guard;
    return BTZ_OK;
}
