/* An operation run by a daemon: over its Unix socket, or over https with an API key. */
#ifndef BTZ_CLI_ACCESS_CLIENT_H
#define BTZ_CLI_ACCESS_CLIENT_H

#include "access/access.h"
#include "base/json.h"
#include "cli/cli.h"

/* What the daemon said when it is not a plain yes: RFC 9457. Texts are fit for a terminal after btz_cli_say. */
struct btz_problem {
    unsigned status; /* of HTTP, also of a success: 202 waits for a second person */
    char title[128], detail[512], needs[32];
};

/*
 * `server` is https://HOST[:PORT], or the path of a Unix socket. The key is that of BARTIZAN_KEY; without one, a socket
 * takes the caller for who he is on this machine, and https is USAGE. BARTIZAN_CA names the authority of the server's
 * certificate. `in` is an object of fields, `if_match` an ETag or NULL. *out (owned by the caller) is the answer, an empty object where there is
 * none; of an operation with `raw` it has that member. Errors: those of btz_access_call, UNREACHABLE, INPUT (no JSON).
 */
BTZ_CHECKED enum btz_err btz_cli_remote(struct btz_cli *cli, const char *server,
                                        const struct btz_operation *op, const json_t *in,
                                        const char *if_match, json_t **out,
                                        struct btz_problem *problem);

#endif
