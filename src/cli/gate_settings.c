#include "cli/gate_settings.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch/settings.h"

#define ORIGIN_GIVEN "https://localhost:8443" /* the default of access.origin */
#define MODULE       "ngx_http_bartizan_module.so"
#define SAID_MAX     4096

/* In the build folder it lies beside the program's sources, installed in the libraries. */
static enum btz_err find_module(const char *given, struct btz_arena *arena, const char **out)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;
    const char *places[2] = { NULL, BTZ_MODULE_DIR "/" MODULE };

    if (given) {
        *out = realpath(given, self) ? btz_arena_str(arena, btz_str(self)) : NULL;
        return *out ? BTZ_OK : btz_fail_errno(BTZ_USAGE, "--module %s", given);
    }
    self[n > 0 ? n : 0] = '\0';
    slash = strrchr(self, '/');
    if (slash)
        places[0] =
            btz_arena_printf(arena, "%.*s/src/gate/nginx/" MODULE, (int)(slash - self), self);
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        if (places[i] && access(places[i], R_OK) == 0) {
            *out = places[i];
            return BTZ_OK;
        }
    return btz_fail(BTZ_UNSUPPORTED,
                    "there is no " MODULE " beside this program nor in " BTZ_MODULE_DIR
                    "; say by --module where it is");
}

/* The module reads the file itself; where there is none, it gets one that says nothing. */
static enum btz_err settings_file(struct btz_cli *cli, struct btz_cli_gate *g,
                                  struct btz_arena *arena)
{
    char path[PATH_MAX];

    bool is_there;

    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    if (is_there) {
        if (!realpath(cli->config_path, path))
            return btz_fail_errno(BTZ_IO, "%s", cli->config_path);
        g->front.models.settings = btz_arena_str(arena, btz_str(path));
        return g->front.models.settings ? BTZ_OK : BTZ_LIMIT;
    }
    g->front.models.settings = btz_arena_printf(arena, "%s/settings.yaml", g->folder);
    if (!g->front.models.settings)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_mkdirs(g->folder, 0700));
    return btz_file_write(g->front.models.settings,
                          btz_str("# There is no bartizan.yaml: everything has its default.\n"),
                          0600);
}

static enum btz_err take_models(struct btz_cli *cli, const struct btz_cli_gate_args *args,
                                struct btz_arena *arena, struct btz_cli_gate *g)
{
    struct btz_front_models *m = &g->front.models;
    enum btz_err err;

    if (args->upstream)
        BTZ_TRY(btz_gate_conf_quick(g->gate, args->upstream, btz_cli_env(), arena));
    BTZ_TRY(btz_gate_conf_check(g->gate));
    m->conf = g->gate;
    m->quick = args->upstream;
    m->state = g->state;
    m->http = args->http                        ? args->http
              : g->gate->http && *g->gate->http ? g->gate->http
              : args->upstream                  ? BTZ_FRONT_HTTP
                                                : NULL;
    if (!btz_front_has_models(m))
        return BTZ_OK;
    err = btz_gate_guard_check(&g->gate->guard, cli->config_path, arena);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s: gate", cli->config_path);
    BTZ_TRY(find_module(args->module, arena, &m->module));
    return settings_file(cli, g, arena);
}

enum btz_err btz_cli_gate_settings(struct btz_cli *cli, const struct btz_cli_gate_args *args,
                                   struct btz_arena *arena, struct btz_cli_gate *out)
{
    char state[PATH_MAX];

    memset(out, 0, sizeof *out);
    out->access = btz_arena_alloc(arena, sizeof *out->access);
    out->gate = btz_arena_alloc(arena, sizeof *out->gate);
    if (!out->access || !out->gate)
        return BTZ_LIMIT;
    BTZ_TRY(btz_cli_access_settings(cli, arena, &out->settings));
    *out->access =
        *(const struct btz_access_conf *)btz_settings_of(&out->settings, &btz_section_access);
    *out->gate = *(const struct btz_gate_conf *)btz_settings_of(&out->settings, &btz_section_gate);
    BTZ_TRY(btz_cli_state_mine(out->settings.state));
    BTZ_TRY(btz_file_mkdirs(out->settings.state, 0700));
    if (!realpath(out->settings.state, state))
        return btz_fail_errno(BTZ_IO, "%s", out->settings.state);
    out->state = btz_arena_str(arena, btz_str(state));
    out->folder = btz_arena_printf(arena, "%s/gate", state);
    out->front = (struct btz_front_options){ .folder = out->folder,
                                             .listen = args->listen,
                                             .certificate = args->certificate,
                                             .key = args->key,
                                             .client_ca = args->client_ca };
    out->front.socket = btz_arena_printf(arena, "%s/access/api.sock", state);
    out->front.artifact_max = (uint64_t)out->access->artifact_max;
    out->front.vault = btz_arena_printf(arena, "%s/vault", state);
    if (!out->state || !out->folder || !out->front.socket || !out->front.vault)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_mkdirs(out->front.vault, 0700));
    /* An origin that nobody chose follows from where we listen. */
    if (strcmp(out->access->origin, ORIGIN_GIVEN) != 0)
        out->front.origin = out->access->origin;
    return take_models(cli, args, arena, out);
}

/* ---- nginx ---------------------------------------------------------------------------------------------------------- */

/* Its environment is ours: settings take secrets from there. The master alone sees it, workers get none of it. */
void btz_cli_nginx_become(const char *folder, const char *conf, const char *mode)
{
    char *const argv[] = { (char[]){ "nginx" },
                           (char[]){ "-p" },
                           strdup(folder),
                           (char[]){ "-c" },
                           strdup(conf),
                           (char[]){ "-e" },
                           (char[]){ "stderr" },
                           mode ? strdup(mode) : NULL,
                           NULL };

    /* A request is some hundred small pieces of memory: the C library keeps seven of a size at hand, and puts the rest
     * together and takes it apart again for each request. */
    (void)setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=127", 0);
    execve(BTZ_NGINX, argv, environ);
    _exit(127);
}

static enum btz_err read_all(int fd, struct btz_buf *out)
{
    char bytes[1024];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && out->len + (size_t)n <= SAID_MAX)
            BTZ_TRY(btz_buf_add(out, bytes, (size_t)n));
    return BTZ_OK;
}

/* "2026/11/29 17:08:58 [emerg] 325#325: WHY\nnginx: configuration file F test failed": WHY. */
static struct btz_slice why_not(struct btz_slice said)
{
    static const char front[] = "[emerg] ", end[] = "\nnginx: configuration file ";
    size_t at = btz_slice_find(said, btz_str(front), 0), to;

    if (at < said.len) {
        at = btz_slice_find(said, btz_str(": "), at);
        said = at < said.len ? btz_slice_sub(said, at + 2, said.len) : said;
    }
    to = btz_slice_find(said, btz_str(end), 0);
    return btz_slice_trim(to < said.len ? btz_slice_sub(said, 0, to) : said);
}

enum btz_err btz_cli_nginx_check(const char *folder, const char *conf)
{
    BTZ_BUF_RELEASE struct btz_buf said = BTZ_BUF(SAID_MAX);
    int ends[2], status = 0;
    pid_t pid;

    if (pipe(ends) != 0)
        return btz_fail_errno(BTZ_LIMIT, "pipe");
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        btz_cli_nginx_become(folder, conf, "-tq");
    }
    close(ends[1]);
    if (pid > 0)
        (void)!read_all(ends[0], &said);
    close(ends[0]);
    if (pid < 0)
        return btz_fail_errno(BTZ_LIMIT, "cannot start nginx");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return BTZ_OK;
    return btz_fail(BTZ_USAGE, "nginx does not take the configuration: %.*s",
                    BTZ_SLICE_ARG(why_not(btz_buf_slice(&said))));
}
