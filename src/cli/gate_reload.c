/* bartizan gate reload: the running gateway takes in what changed in bartizan.yaml. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/gate_settings.h"
#include "cli/terminal.h"

#define WAIT_MS 30000

static enum btz_err read_number(const char *folder, const char *name, uint64_t *number,
                                struct btz_buf *rest)
{
    char path[PATH_MAX];
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(16384);
    struct btz_slice line;
    size_t end = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    BTZ_TRY(btz_file_read(path, 8192, &text));
    line = btz_slice_trim(btz_buf_slice(&text));
    while (end < line.len && line.ptr[end] != ' ')
        end++;
    BTZ_TRY(btz_parse_u64(btz_slice_sub(line, 0, end), number));
    return rest ? btz_buf_add_slice(rest, btz_slice_trim(btz_slice_sub(line, end, line.len)))
                : BTZ_OK;
}

/* A number in a file may be another program's by now. */
static bool is_bartizan(uint64_t pid)
{
    char link[64], path[PATH_MAX];
    const char *slash;
    ssize_t n;

    snprintf(link, sizeof link, "/proc/%" PRIu64 "/exe", pid);
    n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    return slash && strncmp(slash + 1, "bartizan", 8) == 0;
}

static enum btz_err reload(const char *folder, const volatile int *stop)
{
    BTZ_BUF_RELEASE struct btz_buf said = BTZ_BUF(16384);
    uint64_t pid, before, now;

    if (read_number(folder, "run.pid", &pid, NULL) != BTZ_OK || pid < 2 || pid > INT_MAX ||
        !is_bartizan(pid))
        return btz_fail(
            BTZ_UNREACHABLE,
            "no `bartizan gate run` serves %s: start it, or say by --state where it runs", folder);
    BTZ_TRY(read_number(folder, "reloaded", &before, NULL));
    if (kill((pid_t)pid, SIGHUP) != 0)
        return btz_fail_errno(BTZ_UNREACHABLE, "process %" PRIu64, pid);
    for (int waited = 0; waited < WAIT_MS && !*stop; waited += 20) {
        btz_buf_clear(&said);
        if (read_number(folder, "reloaded", &now, &said) == BTZ_OK && now != before)
            return btz_slice_is(btz_buf_slice(&said), "ok")
                       ? BTZ_OK
                       : btz_fail(BTZ_USAGE, "%.*s", BTZ_SLICE_ARG(btz_buf_slice(&said)));
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    return btz_fail(BTZ_UNREACHABLE, "the gateway did not say how it went");
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const char *state, *folder;
    enum btz_err err;

    (void)args;
    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)16 << 20);
    /* The gateway reads the rest, with the secrets of its own environment. */
    err = btz_cli_state(cli, &arena, &state);
    if (err == BTZ_OK) {
        folder = btz_arena_printf(&arena, "%s/gate", state);
        err = folder ? reload(folder, cli->stop) : BTZ_LIMIT;
    }
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    btz_log(&cli->log, BTZ_LOG_INFO, "the gateway has taken in the section `gate`");
    return 0;
}

const struct btz_command btz_command_gate_reload = {
    .noun = "gate",
    .verb = "reload",
    .summary = "Have the running gateway take in what changed in bartizan.yaml.",
    .details =
        "Checks the file, writes the configuration of nginx anew, asks nginx whether it would take "
        "it, and only then tells it: what is wrong changes nothing. Requests and streams that are "
        "under way end with the settings they began with. Names of upstreams are looked up "
        "again.\n\n"
        "Taken in is the section `gate`. Addresses to listen on, certificates that were given, "
        "`otlp`, and the section `access` need a restart of `bartizan gate run`.",
    .run = run,
};
