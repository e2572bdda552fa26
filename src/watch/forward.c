#include "watch/forward.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "watch/wire.h"

#define MESSAGE_MAX (60u << 10) /* what receivers take when asked nicely */
#define BATCH_MAX   (8u << 20)
#define LOOK_AT     512
#define MARKS       32
#define FINISH_MS   3000

/* Entries below `index` had been acknowledged at `at_ms`. */
struct mark {
    uint64_t index, at_ms;
};

struct btz_forwarder {
    struct btz_forwarder_options o;
    char *position_path;
    struct btz_wire_options wire;
    int wake;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* over stop and state */
    bool stop;
    struct btz_forwarder_state state;
    /* of the thread */
    uint64_t sent, confirmed;
    struct mark marks[MARKS];
    size_t mark_count;
    struct btz_buf batch, line;
};

static uint64_t now_ms(void)
{
    return btz_clock_ns() / 1000000;
}

static bool stopped(struct btz_forwarder *f)
{
    bool stop;

    pthread_mutex_lock(&f->mutex);
    stop = f->stop;
    pthread_mutex_unlock(&f->mutex);
    return stop;
}

static void show_state(struct btz_forwarder *f, bool connected, unsigned connections,
                       unsigned failures)
{
    pthread_mutex_lock(&f->mutex);
    f->state.sent = f->sent;
    f->state.confirmed = f->confirmed;
    f->state.connected = connected;
    f->state.connections += connections;
    f->state.failures += failures;
    pthread_mutex_unlock(&f->mutex);
}

/* ---- position ---- */

static enum btz_err load_position(struct btz_forwarder *f)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_SYSLOG_POSITION_MAX + 1);
    struct btz_syslog_position p;

    if (access(f->position_path, F_OK) < 0)
        return BTZ_OK; /* a new receiver gets everything */
    BTZ_TRY(btz_file_read(f->position_path, BTZ_SYSLOG_POSITION_MAX, &text));
    if (btz_syslog_position_parse(btz_buf_slice(&text), &p) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s", f->position_path);
    if (strcmp(p.origin, f->o.origin) == 0) /* of another ledger: everything of this one */
        f->sent = f->confirmed = p.next;
    return BTZ_OK;
}

static void confirm(struct btz_forwarder *f, uint64_t index)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_SYSLOG_POSITION_MAX);
    struct btz_syslog_position p = { .next = index };

    if (index <= f->confirmed)
        return;
    snprintf(p.origin, sizeof p.origin, "%s", f->o.origin);
    if (btz_syslog_position_write(&p, &text) != BTZ_OK ||
        btz_file_write(f->position_path, btz_buf_slice(&text), 0600) != BTZ_OK) {
        btz_log(f->o.log, BTZ_LOG_ERROR, "forward to %s: %s", f->o.conf->address,
                btz_error_detail());
        return; /* sent again after a restart */
    }
    f->confirmed = index;
    show_state(f, true, 0, 0);
}

/* ---- messages ---- */

static enum btz_err write_message(struct btz_forwarder *f, const struct btz_trail_record *r,
                                  struct btz_buf *out)
{
    const struct btz_export_source source = { .host = f->o.host, .origin = f->o.origin };
    BTZ_BUF_RELEASE struct btz_buf body = BTZ_BUF(BTZ_EXPORT_LINE_MAX);
    const struct btz_export_format *format = NULL;

    if (f->o.conf->format == BTZ_FORWARD_OCSF)
        format = btz_export_format_find("ocsf");
    else if (f->o.conf->format == BTZ_FORWARD_JSONL)
        format = btz_export_format_find("jsonl");
    if (format)
        BTZ_TRY(format->write(r, &source, &body));
    return btz_syslog_write(r, &source, btz_buf_slice(&body), out);
}

/* Too large for receivers: without the values, which the ledger keeps. */
static enum btz_err write_short(struct btz_forwarder *f, const struct btz_trail_record *r,
                                struct btz_buf *out)
{
    BTZ_JSON json_t *entry = json_copy((json_t *)(uintptr_t)r->entry);
    struct btz_trail_record shorter = { .index = r->index, .entry = entry };

    if (!entry)
        return btz_fail(BTZ_LIMIT, "out of memory");
    json_object_del(entry, "before");
    json_object_del(entry, "after");
    return write_message(f, &shorter, out);
}

static enum btz_err on_entry(void *user, const struct btz_trail_record *r)
{
    struct btz_forwarder *f = user;

    btz_buf_clear(&f->line);
    BTZ_TRY(write_message(f, r, &f->line));
    if (f->line.len > MESSAGE_MAX) {
        btz_buf_clear(&f->line);
        BTZ_TRY(write_short(f, r, &f->line));
    }
    return btz_syslog_frame(btz_buf_slice(&f->line), &f->batch);
}

/* ---- one connection ---- */

/* Acknowledged by the other system, and the connection stood for a while after: its program has it. */
static void move_position(struct btz_forwarder *f, const struct btz_wire *w)
{
    uint64_t now = now_ms(),
             last = f->mark_count ? f->marks[f->mark_count - 1].index : f->confirmed;
    size_t ripe = 0;

    if (f->sent > last && f->mark_count < MARKS && btz_wire_is_acknowledged(w))
        f->marks[f->mark_count++] = (struct mark){ f->sent, now };
    while (ripe < f->mark_count && now - f->marks[ripe].at_ms >= f->o.settle_ms)
        ripe++;
    if (ripe == 0)
        return;
    confirm(f, f->marks[ripe - 1].index);
    f->mark_count -= ripe;
    memmove(f->marks, f->marks + ripe, f->mark_count * sizeof *f->marks);
}

static enum btz_err send_batch(struct btz_forwarder *f, struct btz_wire *w, bool *idle)
{
    uint64_t next = f->sent;

    btz_buf_clear(&f->batch);
    BTZ_TRY(f->o.source.read(f->o.source.user, f->sent, on_entry, f, &next));
    *idle = next == f->sent;
    BTZ_TRY(btz_wire_send(w, btz_buf_slice(&f->batch)));
    f->sent = next;
    show_state(f, true, 0, 0);
    return BTZ_OK;
}

/* Until somebody stops us or the connection breaks. */
static enum btz_err run_connection(struct btz_forwarder *f, struct btz_wire *w)
{
    bool idle = false;

    f->sent = f->confirmed;
    f->mark_count = 0;
    show_state(f, true, 1, 0);
    while (!stopped(f)) {
        unsigned ms = !idle                                            ? 0
                      : f->mark_count && f->o.settle_ms < f->o.poll_ms ? f->o.settle_ms
                                                                       : f->o.poll_ms;

        BTZ_TRY(btz_wire_wait(w, ms));
        move_position(f, w);
        BTZ_TRY(send_batch(f, w, &idle));
    }
    if (btz_wire_finish(w, FINISH_MS))
        confirm(f, f->sent);
    return BTZ_OK;
}

/* ---- the thread ---- */

static void rest(struct btz_forwarder *f, unsigned ms)
{
    struct pollfd fd = { .fd = f->wake, .events = POLLIN };

    while (poll(&fd, 1, (int)ms) < 0 && errno == EINTR)
        continue;
}

static void *run(void *user)
{
    struct btz_forwarder *f = user;
    unsigned wait = f->o.back_off_ms;
    sigset_t pipes;

    /* A receiver that is gone must not end the program: OpenSSL writes without MSG_NOSIGNAL. */
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    while (!stopped(f)) {
        uint64_t before = f->confirmed;
        struct btz_wire *w;
        enum btz_err err = btz_wire_open(&f->wire, &w);

        if (err == BTZ_OK) {
            err = run_connection(f, w);
            btz_wire_close(w);
        }
        if (err == BTZ_OK || stopped(f))
            continue;
        show_state(f, false, 0, 1);
        btz_log(f->o.log, BTZ_LOG_WARN, "forward to %s: %s; again in %u ms", f->o.conf->address,
                btz_error_detail(), wait);
        if (f->confirmed > before)
            wait = f->o.back_off_ms;
        rest(f, wait);
        wait = wait < f->o.back_off_max_ms / 2 ? wait * 2 : f->o.back_off_max_ms;
    }
    show_state(f, false, 0, 0);
    return NULL;
}

/* ---- start and stop ---- */

static enum btz_err name_position(struct btz_forwarder *f)
{
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[17];

    btz_sha256(btz_str(f->o.conf->address), digest);
    btz_hex(digest, 8, hex);
    if (asprintf(&f->position_path, "%s/forward-%s", f->o.folder, hex) < 0) {
        f->position_path = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    return BTZ_OK;
}

static enum btz_err set_up(struct btz_forwarder *f)
{
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->wake < 0)
        return btz_fail_errno(BTZ_IO, "eventfd");
    f->wire = (struct btz_wire_options){ .address = f->o.conf->address,
                                         .tls = f->o.conf->tls,
                                         .ca_file = f->o.conf->ca_file,
                                         .name = f->o.conf->host,
                                         .wake = f->wake };
    BTZ_TRY(btz_wire_check(&f->wire));
    BTZ_TRY(name_position(f));
    BTZ_TRY(load_position(f));
    if (pthread_create(&f->thread, NULL, run, f) != 0)
        return btz_fail(BTZ_LIMIT, "no thread for a forwarder");
    f->started = true;
    return BTZ_OK;
}

enum btz_err btz_forwarder_start(const struct btz_forwarder_options *o, struct btz_forwarder **out)
{
    struct btz_forwarder *f = calloc(1, sizeof *f);
    enum btz_err err;

    if (!f)
        return btz_fail(BTZ_LIMIT, "out of memory");
    f->o = *o;
    f->o.settle_ms = o->settle_ms ? o->settle_ms : 5000;
    f->o.poll_ms = o->poll_ms ? o->poll_ms : 1000;
    f->o.back_off_ms = o->back_off_ms ? o->back_off_ms : 500;
    f->o.back_off_max_ms = o->back_off_max_ms ? o->back_off_max_ms : 60000;
    f->wake = -1;
    f->batch = BTZ_BUF(LOOK_AT * (MESSAGE_MAX + 1024u));
    f->line = BTZ_BUF(2 * BTZ_EXPORT_LINE_MAX);
    pthread_mutex_init(&f->mutex, NULL);
    err = set_up(f);
    if (err != BTZ_OK) {
        btz_forwarder_stop(f);
        return err;
    }
    *out = f;
    return BTZ_OK;
}

void btz_forwarder_state(struct btz_forwarder *f, struct btz_forwarder_state *out)
{
    pthread_mutex_lock(&f->mutex);
    *out = f->state;
    pthread_mutex_unlock(&f->mutex);
}

void btz_forwarder_stop(struct btz_forwarder *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->mutex);
    f->stop = true;
    pthread_mutex_unlock(&f->mutex);
    if (f->wake >= 0)
        (void)eventfd_write(f->wake, 1);
    if (f->started)
        pthread_join(f->thread, NULL);
    btz_close_fd(&f->wake);
    btz_buf_release(&f->batch);
    btz_buf_release(&f->line);
    pthread_mutex_destroy(&f->mutex);
    free(f->position_path);
    free(f);
}

/* ---- all receivers of the settings ---- */

struct btz_forwarders {
    struct btz_access *access;
    char host[256], origin[BTZ_KEY_NAME_MAX + 1], *folder;
    size_t count;
    struct btz_forwarder *list[];
};

static enum btz_err read_trail(void *user, uint64_t from, btz_trail_fn *each, void *each_user,
                               uint64_t *next)
{
    struct btz_forwarders *all = user;
    struct btz_trail_filter filter = { .from_index = from, .look_at = LOOK_AT };
    struct btz_store *s;
    enum btz_err err;

    BTZ_TRY(btz_access_store(all->access, &s));
    err = btz_trail_read(btz_access_trail(all->access), s, &filter, each, each_user, next);
    btz_access_store_back(all->access, s);
    return err;
}

static enum btz_err name_things(struct btz_forwarders *all, const char *state_dir)
{
    struct btz_ledger *l;

    if (gethostname(all->host, sizeof all->host - 1) < 0)
        all->host[0] = '\0';
    if (asprintf(&all->folder, "%s/access", state_dir) < 0) {
        all->folder = NULL;
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    BTZ_TRY(
        btz_ledger_open(btz_trail_ledger_dir(btz_access_trail(all->access)), BTZ_LEDGER_READ, &l));
    snprintf(all->origin, sizeof all->origin, "%s", btz_ledger_origin(l));
    btz_ledger_close(l);
    return BTZ_OK;
}

enum btz_err btz_forwarders_start(struct btz_access *a, const char *state_dir, struct btz_log *log,
                                  struct btz_forwarders **out)
{
    const struct btz_conf_list *conf = &btz_access_settings(a)->forward;
    struct btz_forwarders *all;
    enum btz_err err;

    *out = NULL;
    if (conf->count == 0)
        return BTZ_OK;
    all = calloc(1, sizeof *all + conf->count * sizeof all->list[0]);
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    all->access = a;
    err = name_things(all, state_dir);
    for (size_t i = 0; i < conf->count && err == BTZ_OK; i++) {
        const struct btz_forwarder_options o = {
            .conf = &((const struct btz_forward_conf *)conf->items)[i],
            .folder = all->folder,
            .host = all->host,
            .origin = all->origin,
            .source = { read_trail, all },
            .log = log,
        };

        err = btz_forwarder_start(&o, &all->list[i]);
        if (err == BTZ_OK)
            all->count++;
    }
    if (err != BTZ_OK) {
        btz_forwarders_stop(all);
        return err;
    }
    *out = all;
    return BTZ_OK;
}

void btz_forwarders_stop(struct btz_forwarders *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->count; i++)
        btz_forwarder_stop(all->list[i]);
    free(all->folder);
    free(all);
}
