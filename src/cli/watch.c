/* bartizan watch: the daemon alone, for those who bring their own front. */
#include <time.h>

#include "cli/access_open.h"
#include "cli/terminal.h"
#include "watch/daemon.h"

static enum btz_err serve(struct btz_cli *cli, struct btz_arena *arena)
{
    const struct timespec pause = { .tv_nsec = 50000000 };
    struct btz_daemon_options options = { .log = &cli->log };
    struct btz_settings settings;
    struct btz_daemon *daemon;
    bool said;

    BTZ_TRY(btz_cli_access_settings(cli, arena, &settings));
    options.state_dir = settings.state;
    options.conf = btz_settings_of(&settings, &btz_section_access);
    options.gate = btz_settings_of(&settings, &btz_section_gate);
    options.ca_file = btz_cli_env()->get(btz_cli_env()->user, "BARTIZAN_CA");
    BTZ_TRY(btz_daemon_start(&options, &daemon));
    said = fprintf(cli->out, "%s\n", btz_daemon_socket(daemon)) > 0 && fflush(cli->out) == 0;
    while (said && !*cli->stop)
        nanosleep(&pause, NULL);
    btz_daemon_stop(daemon);
    return said ? BTZ_OK : btz_fail(BTZ_IO, "write the path of the socket");
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;

    (void)args;
    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)16 << 20);
    err = serve(cli, &arena);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_watch = {
    .noun = "watch",
    .summary = "Serve the access API and the pages on a Unix socket.",
    .details =
        "The daemon of an installation: it answers requests, ends what is out of date and keeps "
        "the "
        "audit trail. It listens on two Unix sockets in the state folder, one for a front such as "
        "nginx and one for the commands of its owner, and on nothing else. Prints the path of the "
        "first when it is ready; stops on SIGINT or SIGTERM after finishing what is at hand. A "
        "second one on the same state is refused.\n\n"
        "`bartizan gate run` starts it with nginx in front; use this one alone under a service "
        "manager, or behind a front of your own that sets X-Bartizan-Address, "
        "X-Bartizan-Request-Id "
        "and X-Bartizan-Client-Cert and takes them from clients.\n\n"
        "Examples:\n"
        "  bartizan watch\n"
        "  bartizan watch --state /var/lib/bartizan",
    .run = run,
};
