/* daemon: an installation that is served: the API on two sockets, and upkeep in the background. */
#ifndef BTZ_WATCH_DAEMON_H
#define BTZ_WATCH_DAEMON_H

#include "access/access.h"
#include "gate/gate.h"

struct btz_daemon_options {
    const char *state_dir;
    const struct btz_access_conf *conf; /* outlives the daemon */
    const char *ca_file;                /* of issuers; NULL: the system's */
    const struct btz_gate_conf
        *gate;          /* outlives the daemon; NULL: no limits, circuits and exports are shown */
    uint32_t upkeep_ms; /* 0: one minute */
    struct btz_log *log;
};
struct btz_daemon;
/* Serves on <state>/access/api.sock (for nginx) and <state>/access/local.sock (for the owner's commands). Errors:
 * CONFLICT (another daemon on this state), those of btz_access_open. */
BTZ_CHECKED enum btz_err btz_daemon_start(const struct btz_daemon_options *o,
                                          struct btz_daemon **out);
/* Finishes what is at hand, then closes. */
void btz_daemon_stop(struct btz_daemon *d);
const char *btz_daemon_socket(const struct btz_daemon *d);
struct btz_access *btz_daemon_access(const struct btz_daemon *d);

#endif
