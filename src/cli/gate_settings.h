/* What the commands of the gateway share: its settings, its module, its files. */
#ifndef BTZ_CLI_GATE_SETTINGS_H
#define BTZ_CLI_GATE_SETTINGS_H

#include "access/access.h"
#include "cli/access_open.h"
#include "gate/front.h"

#define BTZ_NGINX "/usr/sbin/nginx"

struct btz_cli_gate_args {
    const char *listen, *certificate, *key, *client_ca, *upstream, *http, *module;
};
struct btz_cli_gate { /* in the arena */
    struct btz_settings settings;
    struct btz_access_conf *access; /* a copy that may be changed */
    struct btz_gate_conf *gate;
    char *state, *folder; /* absolute; folder: gate/ of the state */
    struct btz_front_options front;
};
/* Reads and checks all of it; makes the state folder. */
BTZ_CHECKED enum btz_err btz_cli_gate_settings(struct btz_cli *cli,
                                               const struct btz_cli_gate_args *args,
                                               struct btz_arena *arena, struct btz_cli_gate *out);
/* Would nginx take this configuration? USAGE, with what it says. */
BTZ_CHECKED enum btz_err btz_cli_nginx_check(const char *folder, const char *conf);
/* Becomes nginx; does not return. `mode` NULL: serve. */
void btz_cli_nginx_become(const char *folder, const char *conf, const char *mode);

#endif
