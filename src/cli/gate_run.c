/* bartizan gate run: the daemon and stock nginx before it, started and stopped together. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include "cli/access_open.h"
#include "cli/terminal.h"
#include "gate/front.h"
#include "watch/daemon.h"

#define NGINX        "/usr/sbin/nginx"
#define READY_MS     15000
#define STOP_MS      8000
#define ORIGIN_GIVEN "https://localhost:8443" /* the default of access.origin */

struct args {
    const char *listen, *certificate, *key, *client_ca;
};

static const struct btz_option options[] = {
    { .name = "listen",
      .letter = 'l',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, listen),
      .metavar = "ADDRESS:PORT",
      .fallback = BTZ_FRONT_LISTEN,
      .help = "Where to listen: an address with a port, or `localhost`. Port 0 takes a free one." },
    { .name = "certificate",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, certificate),
      .metavar = "FILE",
      .help =
          "Certificate of the server with its chain (PEM); a self-signed one is made where none "
          "is given." },
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, key),
      .metavar = "FILE",
      .help = "Private key of the certificate (PEM)." },
    { .name = "client-ca",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, client_ca),
      .metavar = "FILE",
      .help = "Authorities of client certificates (PEM); none are asked for otherwise." },
};

struct gate {
    struct btz_cli *cli;
    struct btz_front front;
    struct btz_daemon *daemon;
    pid_t nginx;
    int status; /* of nginx, once it has ended */
};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- nginx ---------------------------------------------------------------------------------------------------------- */

static void become_nginx(const struct gate *g, const char *folder)
{
    char *const argv[] = { (char[]){ "nginx" },   (char[]){ "-p" },
                           strdup(folder),        (char[]){ "-c" },
                           strdup(g->front.conf), (char[]){ "-e" },
                           (char[]){ "stderr" },  NULL };
    char *const env[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* If this process is killed, nginx must not serve on. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* A group of its own: ^C on the terminal is for us, and we tell it. */
    setpgid(0, 0);
    execve(NGINX, argv, env);
    _exit(127);
}

static enum btz_err start_nginx(struct gate *g, const char *folder)
{
    if (access(NGINX, X_OK) != 0)
        return btz_fail_errno(BTZ_UNSUPPORTED, NGINX ": install the package nginx-light");
    fflush(NULL);
    g->nginx = fork();
    if (g->nginx == 0)
        become_nginx(g, folder);
    return g->nginx > 0 ? BTZ_OK : btz_fail_errno(BTZ_LIMIT, "cannot start nginx");
}

static bool has_ended(struct gate *g)
{
    if (g->nginx > 0 && waitpid(g->nginx, &g->status, WNOHANG) == g->nginx)
        g->nginx = 0;
    return g->nginx == 0;
}

static enum btz_err say_ended(const struct gate *g)
{
    if (WIFSIGNALED(g->status))
        return btz_fail(BTZ_IO, "nginx was killed by signal %d; the daemon was stopped with it",
                        WTERMSIG(g->status));
    if (WEXITSTATUS(g->status) == 127)
        return btz_fail(BTZ_UNSUPPORTED, NGINX " cannot be started");
    return btz_fail(BTZ_IO,
                    "nginx ended with status %d (see its messages above); the daemon was stopped "
                    "with it",
                    WEXITSTATUS(g->status));
}

static void stop_nginx(struct gate *g)
{
    /* First what is at hand is finished, then it must go. */
    static const int signals[] = { SIGQUIT, SIGTERM, SIGKILL };

    for (size_t i = 0; i < BTZ_COUNT(signals) && g->nginx > 0; i++) {
        kill(g->nginx, signals[i]);
        for (int waited = 0; waited < STOP_MS && !has_ended(g); waited += 20)
            pause_ms(20);
    }
}

static bool is_listening(const struct gate *g)
{
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(g->front.port) };
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(g->front.port) };
    bool is_six = g->front.listen[0][0] == '[';
    char host[80];
    int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    snprintf(host, sizeof host, "%s", g->front.listen[0] + is_six);
    host[strcspn(host, is_six ? "]" : ":")] = '\0';
    inet_pton(AF_INET, host, &four.sin_addr);
    inet_pton(AF_INET6, host, &six.sin6_addr);
    ok = fd >= 0 && (is_six ? connect(fd, (const struct sockaddr *)&six, sizeof six)
                            : connect(fd, (const struct sockaddr *)&four, sizeof four)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static enum btz_err wait_ready(struct gate *g)
{
    for (int waited = 0; waited < READY_MS && !*g->cli->stop; waited += 20) {
        if (has_ended(g))
            return say_ended(g);
        if (is_listening(g))
            return BTZ_OK;
        pause_ms(20);
    }
    return *g->cli->stop ? BTZ_OK : btz_fail(BTZ_IO, "nginx does not begin to listen");
}

/* ---- both ----------------------------------------------------------------------------------------------------------- */

/* Root starts nginx for whom the state belongs to: its workers must reach the socket, and be no more than that. */
static enum btz_err worker_user(struct btz_cli *cli, const char *state, struct btz_arena *arena,
                                const char **out)
{
    struct passwd entry, *found = NULL;
    char room[4096];
    struct stat st;

    *out = NULL;
    if (geteuid() != 0)
        return BTZ_OK;
    if (stat(state, &st) != 0)
        return btz_fail_errno(BTZ_IO, "%s", state);
    if (getpwuid_r(st.st_uid, &entry, room, sizeof room, &found) != 0 || !found)
        return btz_fail(BTZ_USAGE, "%s belongs to a user without a name", state);
    if (st.st_uid == 0)
        btz_cli_say(cli, "bartizan: ",
                    "warning: the state folder belongs to root, so nginx works as root; give it to "
                    "a user of its own");
    *out = btz_arena_str(arena, btz_str(found->pw_name));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err announce(struct gate *g)
{
    char text[4500];

    if (g->front.self_signed) {
        snprintf(text, sizeof text,
                 "the certificate is self-signed: browsers will warn; clients may trust %s",
                 g->front.certificate);
        btz_cli_say(g->cli, "bartizan: ", text);
    }
    if (!g->front.loopback)
        btz_cli_say(g->cli, "bartizan: ", "listening beyond this machine, as asked for");
    if (fprintf(g->cli->out, "%s\n", g->front.origin) < 0 || fflush(g->cli->out) != 0)
        return btz_fail_errno(BTZ_IO, "write the address");
    return BTZ_OK;
}

static enum btz_err watch_both(struct gate *g)
{
    BTZ_TRY(wait_ready(g));
    if (!*g->cli->stop)
        BTZ_TRY(announce(g));
    while (!*g->cli->stop) {
        if (has_ended(g))
            return say_ended(g);
        pause_ms(50);
    }
    return BTZ_OK;
}

static enum btz_err start(struct gate *g, const struct args *args, struct btz_arena *arena)
{
    struct btz_front_options front = { .listen = args->listen,
                                       .certificate = args->certificate,
                                       .key = args->key,
                                       .client_ca = args->client_ca };
    struct btz_daemon_options daemon = { .log = &g->cli->log };
    struct btz_access_conf *conf = btz_arena_alloc(arena, sizeof *conf);
    BTZ_FREE char *state = NULL;
    struct btz_settings settings;

    if (!conf)
        return BTZ_LIMIT;
    BTZ_TRY(btz_cli_access_settings(g->cli, arena, &settings));
    *conf = *(const struct btz_access_conf *)btz_settings_of(&settings, &btz_section_access);
    BTZ_TRY(btz_file_mkdirs(settings.state, 0700));
    state = realpath(settings.state, NULL);
    if (!state)
        return btz_fail_errno(BTZ_IO, "%s", settings.state);
    BTZ_TRY(worker_user(g->cli, state, arena, &front.worker_user));
    front.folder = btz_arena_printf(arena, "%s/gate", state);
    if (!front.folder)
        return BTZ_LIMIT;
    /* An origin that nobody chose follows from where we listen. */
    if (strcmp(conf->origin, ORIGIN_GIVEN) != 0)
        front.origin = conf->origin;
    front.artifact_max = (uint64_t)conf->artifact_max;
    front.vault = btz_arena_printf(arena, "%s/vault", state);
    if (!front.vault)
        return BTZ_LIMIT;
    BTZ_TRY(btz_file_mkdirs(front.vault, 0700));
    front.socket = btz_arena_printf(arena, "%s/access/api.sock", state);
    BTZ_TRY(btz_front_write(&front, &g->front));
    conf->origin = g->front.origin;
    daemon.state_dir = settings.state;
    daemon.conf = conf;
    daemon.gate = btz_settings_of(&settings, &btz_section_gate);
    daemon.ca_file = btz_cli_env()->get(btz_cli_env()->user, "BARTIZAN_CA");
    BTZ_TRY(btz_daemon_start(&daemon, &g->daemon));
    return start_nginx(g, front.folder);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct gate g = { .cli = cli };
    enum btz_err err;
    char detail[512];

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)16 << 20);
    err = start(&g, args, &arena);
    if (err == BTZ_OK)
        err = watch_both(&g);
    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    stop_nginx(&g);
    btz_daemon_stop(g.daemon);
    if (err == BTZ_OK)
        return 0;
    btz_error_set("%s", detail);
    return btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_run = {
    .noun = "gate",
    .verb = "run",
    .summary = "Serve the sign-in and account pages and the API over https.",
    .details =
        "Starts the daemon of the state folder (see `bartizan watch`) and nginx before it, as "
        "whoever runs it, prints the address when both are ready, and stops both on SIGINT or "
        "SIGTERM. If one ends, so does the other. The configuration of nginx is written into the "
        "folder gate/ of the state.\n\n"
        "It listens on this machine alone unless --listen names another address. `access.origin` "
        "of "
        "bartizan.yaml is the address under which browsers see it; without it, it follows from "
        "--listen.\n\n"
        "Examples:\n"
        "  bartizan gate run\n"
        "  bartizan gate run --listen 0.0.0.0:443 --certificate fullchain.pem --key key.pem\n"
        "  bartizan gate run --client-ca staff-ca.pem",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
