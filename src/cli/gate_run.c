/* bartizan gate run: the daemon and stock nginx before it, started and stopped together. */
#include <errno.h>
#include <limits.h>
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

#include "cli/gate_settings.h"
#include "cli/terminal.h"
#include "gate/names.h"
#include "watch/daemon.h"

#define READY_MS 15000
#define STOP_MS  8000
#define RETRY_S  3600 /* where a certificate could not be renewed; it lasts another week */

static const struct btz_option options[] = {
    { .name = "listen",
      .letter = 'l',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, listen),
      .metavar = "ADDRESS:PORT",
      .fallback = BTZ_FRONT_LISTEN,
      .help = "Where to listen: an address with a port, or `localhost`. Port 0 takes a free one." },
    { .name = "certificate",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, certificate),
      .metavar = "FILE",
      .help =
          "Certificate of the server with its chain (PEM); a self-signed one is made where none "
          "is given." },
    { .name = "key",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, key),
      .metavar = "FILE",
      .help = "Private key of the certificate (PEM)." },
    { .name = "client-ca",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, client_ca),
      .metavar = "FILE",
      .help = "Authorities of client certificates (PEM); none are asked for otherwise." },
    { .name = "upstream",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, upstream),
      .metavar = "URL",
      .help =
          "A model server to guard, where bartizan.yaml names none: every model is its. Its key "
          "is taken from BARTIZAN_UPSTREAM_KEY." },
    { .name = "http",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, http),
      .metavar = "ADDRESS:PORT",
      .help = "Where programs of this machine reach the models without TLS; `gate.http` of "
              "bartizan.yaml otherwise, and " BTZ_FRONT_HTTP " with --upstream." },
    { .name = "module",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct btz_cli_gate_args, module),
      .metavar = "FILE",
      .help = "The module for nginx, where it is not beside the program or installed." },
};

struct gate {
    struct btz_cli *cli;
    const struct btz_cli_gate_args *args;
    struct btz_cli_gate own;
    struct btz_front front;
    struct btz_daemon *daemon;
    pid_t nginx;
    int status; /* of nginx, once it has ended */
    struct btz_names *names;
    uint64_t reloads;
};

static volatile sig_atomic_t reload_wanted;

static void on_hup(int number)
{
    (void)number;
    reload_wanted = 1;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* ---- nginx ---------------------------------------------------------------------------------------------------------- */

static void become_nginx(const struct gate *g)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    static char *bare[] = { path, NULL };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGHUP, SIG_DFL);
    /* If this process is killed, nginx must not serve on. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* A group of its own: ^C on the terminal is for us, and we tell it. */
    setpgid(0, 0);
    /* Settings take secrets from the environment; without model traffic nobody needs it. */
    if (!btz_front_has_models(&g->own.front.models))
        environ = bare;
    btz_cli_nginx_become(g->own.folder, g->front.conf, NULL);
}

static enum btz_err start_nginx(struct gate *g)
{
    if (access(BTZ_NGINX, X_OK) != 0)
        return btz_fail_errno(BTZ_UNSUPPORTED, BTZ_NGINX ": install the package nginx-light");
    fflush(NULL);
    g->nginx = fork();
    if (g->nginx == 0)
        become_nginx(g);
    return g->nginx > 0 ? BTZ_OK : btz_fail_errno(BTZ_LIMIT, "cannot start nginx");
}

static bool has_ended(struct gate *g)
{
    if (g->nginx > 0 && waitpid(g->nginx, &g->status, WNOHANG) == g->nginx) {
        /* Killed, it left workers of its group, which would serve on; those with the module know by themselves. */
        if (WIFSIGNALED(g->status))
            kill(-g->nginx, SIGQUIT);
        g->nginx = 0;
    }
    return g->nginx == 0;
}

static enum btz_err say_ended(const struct gate *g)
{
    if (WIFSIGNALED(g->status))
        return btz_fail(BTZ_IO, "nginx was killed by signal %d; the daemon was stopped with it",
                        WTERMSIG(g->status));
    if (WEXITSTATUS(g->status) == 127)
        return btz_fail(BTZ_UNSUPPORTED, BTZ_NGINX " cannot be started");
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
    if (!btz_front_has_models(&g->own.front.models))
        btz_cli_say(g->cli, "bartizan: ",
                    "no model server is named (`gate: upstreams:` of bartizan.yaml, or "
                    "--upstream): only the pages and the API are served");
    if (!g->front.loopback)
        btz_cli_say(g->cli, "bartizan: ", "listening beyond this machine, as asked for");
    if (fprintf(g->cli->out, "%s\n", g->front.origin) < 0 ||
        (g->front.http[0] && fprintf(g->cli->out, "%s\n", g->front.http) < 0) ||
        fflush(g->cli->out) != 0)
        return btz_fail_errno(BTZ_IO, "write the address");
    return BTZ_OK;
}

/* ---- reload ----------------------------------------------------------------------------------------------------------- */

static enum btz_err write_file(const struct gate *g, const char *name, const char *text)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", g->own.folder, name);

    if (n < 0 || (size_t)n >= sizeof path)
        return btz_fail(BTZ_USAGE, "%s: the path is too long", g->own.folder);
    return btz_file_write(path, btz_str(text), 0600);
}

/* As nginx looks them up at the same time. */
static enum btz_err watch_names(struct gate *g, const struct btz_cli_gate *own)
{
    if (!btz_front_has_models(&own->front.models))
        return BTZ_OK;
    if (!g->names)
        BTZ_TRY(btz_names_start(NULL, &g->names));
    return btz_names_set(g->names, own->front.models.conf);
}

/* The new configuration takes the place of the old one when nginx would take it; then nginx is told. */
static enum btz_err reload(struct gate *g)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_cli_gate next;
    struct btz_front front;
    char conf[sizeof front.conf];

    btz_arena_init(&arena, (size_t)16 << 20);
    BTZ_TRY(btz_cli_gate_settings(g->cli, g->args, &arena, &next));
    BTZ_TRY(worker_user(g->cli, next.state, &arena, &next.front.worker_user));
    if (btz_front_has_models(&next.front.models) != btz_front_has_models(&g->own.front.models))
        return btz_fail(BTZ_CONFLICT, "the first upstream comes, and the last one goes, with a "
                                      "restart of `bartizan gate run`");
    next.front.again = &g->front;
    next.front.name = "nginx.conf.next";
    BTZ_TRY(btz_front_write(&next.front, &front));
    BTZ_TRY(btz_cli_nginx_check(next.folder, front.conf));
    snprintf(conf, sizeof conf, "%s", front.conf);
    conf[strlen(conf) - strlen(".next")] = '\0';
    if (rename(front.conf, conf) != 0)
        return btz_fail_errno(BTZ_IO, "%s", conf);
    if (g->nginx <= 0 || kill(g->nginx, SIGHUP) != 0)
        return btz_fail_errno(BTZ_IO, "cannot tell nginx");
    g->front.renew_s = front.renew_s;
    return watch_names(g, &next);
}

/* A reload makes a self-signed certificate anew, as a start does, when its time has come. The module reads bartizan.yaml
 * whenever nginx is told: so all of a reload is done, or there would be half of one. */
static void renew_certificate(struct gate *g)
{
    enum btz_err err = reload(g);
    char text[5000];

    if (err == BTZ_OK) {
        snprintf(text, sizeof text,
                 "the self-signed certificate was renewed: whoever trusts it must take the new %s",
                 g->front.certificate);
    } else {
        g->front.renew_s = time(NULL) + RETRY_S;
        snprintf(text, sizeof text,
                 "warning: the self-signed certificate ends within a week and cannot be renewed; "
                 "the next attempt is in an hour: %s",
                 btz_error_detail());
    }
    btz_cli_say(g->cli, "bartizan: ", text);
}

/* All of a reload, too. */
static void follow_name(struct gate *g, const char *name)
{
    enum btz_err err = reload(g);
    char text[5000];

    if (err == BTZ_OK)
        snprintf(text, sizeof text, "the addresses of %s changed: nginx was told", name);
    else
        snprintf(text, sizeof text,
                 "warning: the addresses of %s changed, and nginx cannot be told: %s", name,
                 btz_error_detail());
    btz_cli_say(g->cli, "bartizan: ", text);
}

/* How it went stands in a file, for whoever asked. */
static enum btz_err note_reload(struct gate *g, enum btz_err err)
{
    char text[5000];

    snprintf(text, sizeof text, "%" PRIu64 " %s\n", ++g->reloads,
             err == BTZ_OK ? "ok" : btz_error_detail());
    btz_cli_say(g->cli, "bartizan: reload: ", err == BTZ_OK ? "done" : btz_error_detail());
    return write_file(g, "reloaded", text);
}

static enum btz_err watch_both(struct gate *g)
{
    char pid[32], name[256];

    BTZ_TRY(wait_ready(g));
    BTZ_TRY(watch_names(g, &g->own));
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    BTZ_TRY(write_file(g, "reloaded", "0 ok\n"));
    BTZ_TRY(write_file(g, "run.pid", pid));
    if (!*g->cli->stop)
        BTZ_TRY(announce(g));
    while (!*g->cli->stop) {
        if (has_ended(g))
            return say_ended(g);
        if (reload_wanted) {
            reload_wanted = 0;
            BTZ_TRY(note_reload(g, reload(g)));
        }
        if (g->front.self_signed && time(NULL) >= g->front.renew_s)
            renew_certificate(g);
        if (g->names && btz_names_moved(g->names, name, sizeof name))
            follow_name(g, name);
        pause_ms(50);
    }
    return BTZ_OK;
}

static enum btz_err start(struct gate *g, struct btz_arena *arena)
{
    struct btz_daemon_options daemon = { .log = &g->cli->log };

    BTZ_TRY(btz_cli_gate_settings(g->cli, g->args, arena, &g->own));
    BTZ_TRY(worker_user(g->cli, g->own.state, arena, &g->own.front.worker_user));
    BTZ_TRY(btz_front_write(&g->own.front, &g->front));
    g->own.access->origin = g->front.origin;
    daemon.state_dir = g->own.settings.state;
    daemon.conf = g->own.access;
    daemon.gate = btz_settings_of(&g->own.settings, &btz_section_gate);
    daemon.ca_file = btz_cli_env()->get(btz_cli_env()->user, "BARTIZAN_CA");
    BTZ_TRY(btz_daemon_start(&daemon, &g->daemon));
    BTZ_TRY(btz_front_empty_spool(g->own.folder));
    if (btz_front_has_models(&g->own.front.models))
        BTZ_TRY(btz_gate_check_state(g->own.gate, g->own.state));
    return start_nginx(g);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct gate g = { .cli = cli, .args = args };
    struct sigaction hup = { .sa_handler = on_hup, .sa_flags = SA_RESTART };
    enum btz_err err;
    char detail[4500];

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)16 << 20);
    sigaction(SIGHUP, &hup, NULL);
    err = start(&g, &arena);
    if (err == BTZ_OK)
        err = watch_both(&g);
    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    stop_nginx(&g);
    btz_names_stop(g.names);
    btz_daemon_stop(g.daemon);
    if (err == BTZ_OK)
        return 0;
    btz_error_set("%s", detail);
    return btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_run = {
    .noun = "gate",
    .verb = "run",
    .summary = "Guard model servers; serve the sign-in and account pages and the API.",
    .details =
        "Starts the daemon of the state folder (see `bartizan watch`) and nginx before it, as "
        "whoever runs it, prints the address when both are ready, and stops both on SIGINT or "
        "SIGTERM. If one ends, so does the other. The configuration of nginx is written into the "
        "folder gate/ of the state.\n\n"
        "It listens on this machine alone unless --listen names another address. `access.origin` "
        "of "
        "bartizan.yaml is the address under which browsers see it; without it, it follows from "
        "--listen.\n\n"
        "With upstreams in the section `gate` of bartizan.yaml, or --upstream, the routes of "
        "models "
        "(/v1/chat/completions, /v1/messages and so on) are guarded and lead there; the address of "
        "the plain listener, if there is one, is printed below the first. `bartizan gate reload` "
        "takes in changes of that section. When none of the addresses is left that the name of an "
        "upstream had, it does a reload by itself (`gate.lookup`).\n\n"
        "Examples:\n"
        "  bartizan gate run\n"
        "  bartizan gate run --upstream http://127.0.0.1:11434\n"
        "  bartizan gate run --listen 0.0.0.0:443 --certificate fullchain.pem --key key.pem\n"
        "  bartizan gate run --client-ca staff-ca.pem",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct btz_cli_gate_args),
    .run = run,
};
