#include "watch/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "watch/api/exchange.h"
#include "watch/fetch.h"
#include "watch/forward.h"
#include "watch/traffic.h"
#include "watch/vault.h"

#define UPKEEP_MS 60000
#define RETAIN_MS 3600000
#define ARENA_MAX ((size_t)16 << 20)

struct btz_daemon {
    struct btz_daemon_options o;
    char folder[PATH_MAX], socket[PATH_MAX + 16], local_socket[PATH_MAX + 16];
    int lock_fd;
    struct btz_fetcher *fetcher;
    struct btz_access *access;
    struct btz_api_backend backend;
    struct btz_api *api;
    struct btz_api_server *server;
    struct btz_forwarders *forwarders;
    struct btz_traffic *traffic;
    struct btz_verifier *verifier;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t upkeep;
    bool upkeep_runs, stopping;
    uint64_t retained_ms; /* when it was last looked at */
};

/* ---- upkeep --------------------------------------------------------------------------------------------------------- */

static void complain(struct btz_daemon *d, const char *what, enum btz_err err)
{
    if (err != BTZ_OK)
        btz_log(d->o.log, BTZ_LOG_WARN, "%s: %s", what, btz_error_detail());
}

static enum btz_err tidy_keys(struct btz_daemon *d, struct btz_store *s)
{
    enum btz_err err;

    BTZ_TRY(btz_store_begin(s));
    err = btz_api_once_tidy(s, btz_access_now_ms(d->access));
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    return btz_store_commit(s);
}

/* The same operation as by hand, so that its entry is in the trail. */
static enum btz_err retain(struct btz_daemon *d)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *in = json_object();
    struct btz_caller caller;
    struct btz_call call;
    enum btz_err err;

    btz_arena_init(&arena, ARENA_MAX);
    BTZ_TRY(btz_caller_local(d->access, "daemon", &caller));
    call = (struct btz_call){ .access = d->access,
                              .op = btz_operation_find("audit.retain"),
                              .caller = &caller,
                              .arena = &arena,
                              .in = in };
    if (!call.op || !in)
        return btz_fail(BTZ_INTERNAL, "audit.retain is not there");
    err = btz_access_call(&call);
    btz_call_release(&call);
    return err;
}

static void look_after(struct btz_daemon *d)
{
    struct btz_store *s;
    enum btz_err err = btz_access_store(d->access, &s);

    complain(d, "upkeep", err);
    if (err == BTZ_OK) {
        complain(d, "upkeep", btz_access_tidy(d->access, s));
        complain(d, "upkeep of idempotency keys", tidy_keys(d, s));
        complain(d, "audit trail", btz_trail_flush(btz_access_trail(d->access), s));
        btz_access_store_back(d->access, s);
    }
    if (d->o.conf->retain_ms > 0 && btz_clock_ns() / 1000000 - d->retained_ms >= RETAIN_MS) {
        complain(d, "retention", retain(d));
        d->retained_ms = btz_clock_ns() / 1000000;
    }
}

static void *upkeep(void *user)
{
    struct btz_daemon *d = user;
    uint32_t every = d->o.upkeep_ms ? d->o.upkeep_ms : UPKEEP_MS;

    pthread_mutex_lock(&d->lock);
    while (!d->stopping) {
        struct timespec until;

        pthread_mutex_unlock(&d->lock);
        look_after(d);
        pthread_mutex_lock(&d->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += every / 1000;
        until.tv_nsec += (long)(every % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        while (!d->stopping && pthread_cond_timedwait(&d->changed, &d->lock, &until) != ETIMEDOUT)
            ;
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------------------------------- */

static enum btz_err take_folder(struct btz_daemon *d)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/access", d->o.state_dir);

    if (n < 0 || (size_t)n >= sizeof path)
        return btz_fail(BTZ_USAGE, "state folder: the path is too long");
    BTZ_TRY(btz_file_mkdirs(path, 0700));
    if (!realpath(path, d->folder))
        return btz_fail_errno(BTZ_IO, "%s", path);
    snprintf(d->socket, sizeof d->socket, "%s/api.sock", d->folder);
    snprintf(d->local_socket, sizeof d->local_socket, "%s/local.sock", d->folder);
    return BTZ_OK;
}

/* Held as long as the process lives, whatever ends it. */
static enum btz_err take_lock(struct btz_daemon *d)
{
    char path[PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/daemon.lock", d->folder);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return btz_fail(BTZ_CONFLICT, "another daemon serves %s", d->o.state_dir);
        return btz_fail_errno(BTZ_IO, "%s", path);
    }
    return BTZ_OK;
}

/* A store that was lost is not replaced by an empty one, in which whoever asks first becomes administrator. */
static enum btz_err check_store(const struct btz_daemon *d)
{
    char store[PATH_MAX + 16], snapshot[PATH_MAX + 16];
    struct stat st;

    snprintf(store, sizeof store, "%s/access.db", d->folder);
    snprintf(snapshot, sizeof snapshot, "%s/snapshot", d->folder);
    if ((d->o.conf->store && d->o.conf->store[0]) || access(snapshot, F_OK) != 0 ||
        (stat(store, &st) == 0 && st.st_size > 0))
        return BTZ_OK;
    return btz_fail(BTZ_INPUT,
                    "%s is %s, and %s says that there was one: put it back (`bartizan access store "
                    "restore`), or begin anew by moving %s away",
                    store, access(store, F_OK) == 0 ? "empty" : "gone", snapshot, d->folder);
}

static enum btz_err serve(struct btz_daemon *d)
{
    struct btz_api_options options = { .backend = &d->backend,
                                       .operations = btz_operations,
                                       .files = btz_web_files,
                                       .origin = d->o.conf->origin,
                                       .log = d->o.log };
    struct btz_api_server_options server = { .socket = d->socket,
                                             .local_socket = d->local_socket,
                                             .log = d->o.log };

    btz_api_backend_init(d->access, &d->backend);
    BTZ_TRY(btz_api_new(&options, &d->api));
    server.api = d->api;
    return btz_api_server_start(&server, &d->server);
}

/* A newcomer sees a sign-in page and has nothing to sign in with. */
static enum btz_err say_first_step(struct btz_daemon *d)
{
    bool has;

    BTZ_TRY(btz_access_has_administrator(d->access, &has));
    if (!has)
        btz_log(d->o.log, BTZ_LOG_WARN,
                "nobody is administrator yet: `bartizan access init NAME` prints a link that works "
                "once");
    return BTZ_OK;
}

static enum btz_err start_traffic(struct btz_daemon *d)
{
    const struct btz_traffic_options options = {
        .access = d->access, .state_dir = d->o.state_dir, .gate = d->o.gate, .log = d->o.log
    };

    return btz_traffic_start(&options, &d->traffic);
}

static enum btz_err start(struct btz_daemon *d)
{
    struct btz_access_options options = { .state_dir = d->o.state_dir,
                                          .conf = d->o.conf,
                                          .log = d->o.log };

    BTZ_TRY(take_folder(d));
    BTZ_TRY(take_lock(d));
    BTZ_TRY(check_store(d));
    BTZ_TRY(btz_fetcher_new(d->o.conf, d->o.ca_file, &d->fetcher));
    options.fetch = btz_fetcher_fetch(d->fetcher);
    BTZ_TRY(btz_access_open(&options, &d->access));
    BTZ_TRY(say_first_step(d));
    BTZ_TRY(start_traffic(d));
    BTZ_TRY(serve(d));
    BTZ_TRY(btz_forwarders_start(d->access, d->o.state_dir, d->o.log, &d->forwarders));
    BTZ_TRY(btz_verifier_start(d->access, d->o.log, &d->verifier));
    if (pthread_create(&d->upkeep, NULL, upkeep, d) != 0)
        return btz_fail(BTZ_LIMIT, "cannot start a thread");
    d->upkeep_runs = true;
    return BTZ_OK;
}

enum btz_err btz_daemon_start(const struct btz_daemon_options *o, struct btz_daemon **out)
{
    struct btz_daemon *d = calloc(1, sizeof *d);
    pthread_condattr_t monotonic;
    enum btz_err err;

    if (!d)
        return btz_fail(BTZ_LIMIT, "out of memory");
    d->o = *o;
    d->lock_fd = -1;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    err = start(d);
    if (err != BTZ_OK) {
        btz_daemon_stop(d);
        return err;
    }
    *out = d;
    return BTZ_OK;
}

void btz_daemon_stop(struct btz_daemon *d)
{
    if (!d)
        return;
    btz_api_server_stop(d->server);
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_cond_signal(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (d->upkeep_runs)
        pthread_join(d->upkeep, NULL);
    btz_forwarders_stop(d->forwarders);
    btz_verifier_stop(d->verifier);
    btz_api_free(d->api);
    btz_traffic_stop(d->traffic);
    btz_access_close(d->access);
    btz_fetcher_free(d->fetcher);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

const char *btz_daemon_socket(const struct btz_daemon *d)
{
    return d->socket;
}

struct btz_access *btz_daemon_access(const struct btz_daemon *d)
{
    return d->access;
}
