/*
 * The engine: curl_multi_socket_action on epoll, one thread.
 *
 * queue -> (bucket, free slot) -> slot runs -> done, or sleeps in its slot and runs again.
 * A request in back-off keeps its slot: when a server asks us to slow down, fewer requests are under way.
 *
 * Three habits keep the cost of a request near what the system calls need. Sockets stay registered in epoll
 * between requests, so that a kept-alive connection costs no epoll_ctl at all. A handle is only told what differs
 * from its last request. And the slots are dealt out to shards, each a multi handle with a pool of its own,
 * because libcurl walks the list of a host's connections to find a free one: with 2,000 in one pool that walk
 * alone cost 50 us of the 65 us a request took.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "http/engine.h"

#define NEVER     UINT64_MAX
#define EVENTS    256
#define SHARD     64 /* slots */
#define NS_PER_MS UINT64_C(1000000)

struct shard {
    CURLM *multi;    /* NULL until a slot of it is used */
    uint64_t due_ns; /* when libcurl wants to be called */
    bool touched;    /* since its messages were read */
};

struct watched {
    uint8_t wanted, registered; /* CURL_POLL_IN | CURL_POLL_OUT */
    bool ours; /* opened by open_socket: we hear of its end, so it may stay registered */
    struct shard *shard;
};

struct btz_http {
    struct btz_http_opts opts;
    struct btz_arena strings; /* of opts */
    struct http_templates templates;
    struct btz_bucket bucket;
    struct btz_rng rng;
    struct shard *shards;
    unsigned shard_count;
    CURLSH *share; /* names and TLS sessions, which the shards have in common */
    int epoll_fd, timer_fd;
    uint64_t timer_set_ns;   /* what timer_fd is armed for */
    struct watched *watched; /* by descriptor */
    size_t watched_count;
    struct http_slot *slots; /* opts.max_in_flight, handles made on first use */
    unsigned slots_used;
    struct http_slot *free_slots;
    struct http_slot **sleeping; /* heap, the first to wake on top */
    size_t sleeping_count;
    struct http_job *first, *last; /* queue */
    size_t pending;
    bool closing, running;
    struct btz_http_header headers[HTTP_HEADERS_MAX];
};

/* ---- sockets ---- */

static struct shard *shard_of(struct btz_http *h, const struct http_slot *s)
{
    return &h->shards[(size_t)(s - h->slots) / SHARD];
}

static struct watched *watched_at(struct btz_http *h, int fd)
{
    if ((size_t)fd >= h->watched_count) {
        size_t count = ((size_t)fd + 1) * 2;
        struct watched *grown = realloc(h->watched, count * sizeof *grown);

        if (!grown)
            return NULL;
        memset(grown + h->watched_count, 0, (count - h->watched_count) * sizeof *grown);
        h->watched = grown;
        h->watched_count = count;
    }
    return &h->watched[fd];
}

static uint32_t epoll_mask(unsigned poll)
{
    return (poll & CURL_POLL_IN ? EPOLLIN : 0u) | (poll & CURL_POLL_OUT ? EPOLLOUT : 0u);
}

static int register_socket(struct btz_http *h, int fd, struct watched *w, unsigned mask)
{
    struct epoll_event event = { .events = epoll_mask(mask), .data.fd = fd };
    int op = w->registered == 0 ? EPOLL_CTL_ADD : mask == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

    if (w->registered == mask)
        return 0;
    w->registered = (uint8_t)mask;
    if (epoll_ctl(h->epoll_fd, op, fd, &event) == 0 || mask == 0)
        return 0;
    w->registered = 0;
    return -1;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct btz_http *h = user;
    struct watched *w = watched_at(h, fd);
    struct http_slot *s = NULL;

    (void)socket_user;
    if (!w)
        return -1;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &s);
    if (s)
        w->shard = shard_of(h, s);
    w->wanted = what == CURL_POLL_REMOVE ? 0 : (uint8_t)what;
    /* An idle connection stays as it is, unless it would wake us all the time for room to write. */
    if (w->wanted == 0 && w->ours && w->registered == CURL_POLL_IN)
        return 0;
    return register_socket(h, fd, w, w->wanted);
}

/* Loopback, link-local, private and other ranges that no public server has (RFC 6890). */
static bool is_private_v4(uint32_t a)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } ranges[] = { { 0x00000000, 8 },  { 0x0A000000, 8 },  { 0x64400000, 10 }, { 0x7F000000, 8 },
                   { 0xA9FE0000, 16 }, { 0xAC100000, 12 }, { 0xC0000000, 24 }, { 0xC0A80000, 16 },
                   { 0xC6120000, 15 }, { 0xE0000000, 3 } };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if ((a ^ ranges[i].net) >> (32 - ranges[i].bits) == 0)
            return true;
    return false;
}

static bool is_private(const struct sockaddr *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    const uint8_t *b = six.sin6_addr.s6_addr;

    if (address->sa_family == AF_INET) {
        memcpy(&four, address, sizeof four);
        return is_private_v4(ntohl(four.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6)
        return true;
    memcpy(&six, address, sizeof six);
    if (IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
        return is_private_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 |
                             b[15]);
    /* Global unicast is 2000::/3; translated addresses (2002::/16, 64:ff9b::/96) hide others. */
    return b[0] >> 5 != 1 || (b[0] == 0x20 && b[1] == 0x02);
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct btz_http *h = user;
    int fd = h->opts.public_only && is_private(&address->addr)
                 ? -1
                 : socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct watched *w = fd >= 0 ? watched_at(h, fd) : NULL;

    (void)purpose;
    if (w)
        *w = (struct watched){ .ours = true };
    return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int close_socket(void *user, curl_socket_t fd)
{
    struct btz_http *h = user;

    if ((size_t)fd < h->watched_count)
        h->watched[fd] = (struct watched){ 0 };
    return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
    struct shard *shard = user;

    (void)multi;
    shard->due_ns = timeout_ms < 0    ? NEVER
                    : timeout_ms == 0 ? 0
                                      : btz_clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return 0;
}

/* ---- shards ---- */

static enum btz_err shard_init(struct btz_http *h, struct shard *shard)
{
    long slots = h->opts.max_in_flight < SHARD ? (long)h->opts.max_in_flight : SHARD;
    CURLM *multi = curl_multi_init();

    if (!multi)
        return btz_fail(BTZ_LIMIT, "out of memory for connections");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, slots);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, slots);
    shard->due_ns = NEVER;
    shard->multi = multi;
    return BTZ_OK;
}

static void shard_act(struct shard *shard, curl_socket_t fd, int mask)
{
    int running;

    shard->touched = true;
    curl_multi_socket_action(shard->multi, fd, mask, &running);
}

/* When the first of them wants to be called. */
static uint64_t shards_due(const struct btz_http *h)
{
    uint64_t due = NEVER;

    for (unsigned i = 0; i < h->shard_count; i++)
        if (h->shards[i].multi && h->shards[i].due_ns < due)
            due = h->shards[i].due_ns;
    return due;
}

/* ---- slots ---- */

static enum btz_err slot_take(struct btz_http *h, struct http_slot **out)
{
    struct http_slot *s = h->free_slots;

    if (s) {
        h->free_slots = s->next_free;
        *out = s;
        return BTZ_OK;
    }
    s = &h->slots[h->slots_used];
    if (!shard_of(h, s)->multi)
        BTZ_TRY(shard_init(h, shard_of(h, s)));
    if (http_slot_init(s, &h->opts, h->share) != BTZ_OK) {
        http_slot_release(s);
        return BTZ_LIMIT;
    }
    curl_easy_setopt(s->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(s->easy, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(s->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(s->easy, CURLOPT_CLOSESOCKETDATA, h);
    h->slots_used++;
    *out = s;
    return BTZ_OK;
}

static bool has_slot(const struct btz_http *h)
{
    return h->free_slots || h->slots_used < h->opts.max_in_flight;
}

static void sleep_swap(struct btz_http *h, size_t a, size_t b)
{
    struct http_slot *s = h->sleeping[a];

    h->sleeping[a] = h->sleeping[b];
    h->sleeping[b] = s;
    h->sleeping[a]->heap_at = a;
    h->sleeping[b]->heap_at = b;
}

static void sleep_push(struct btz_http *h, struct http_slot *s)
{
    size_t at = h->sleeping_count++;

    h->sleeping[at] = s;
    s->heap_at = at;
    for (; at > 0 && h->sleeping[(at - 1) / 2]->wake_ns > s->wake_ns; at = (at - 1) / 2)
        sleep_swap(h, at, (at - 1) / 2);
}

static struct http_slot *sleep_pop(struct btz_http *h)
{
    struct http_slot *top = h->sleeping[0];
    size_t at = 0, n = --h->sleeping_count;

    if (n > 0)
        sleep_swap(h, 0, n);
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < n && h->sleeping[child + 1]->wake_ns < h->sleeping[child]->wake_ns)
            child++;
        if (child >= n || h->sleeping[child]->wake_ns >= h->sleeping[at]->wake_ns)
            return top;
        sleep_swap(h, at, child);
        at = child;
    }
}

/* ---- the end of a request ---- */

static void give(struct btz_http *h, struct http_job *j, const struct btz_http_reply *reply)
{
    h->pending--;
    j->on_done(j->user, reply);
    http_job_free(j);
}

static void give_failure(struct btz_http *h, struct http_job *j, enum btz_err err,
                         const char *detail)
{
    struct btz_http_reply reply = { .err = err, .detail = detail, .tries = j->tries };

    reply.waited_seconds = (double)j->waited_ns * 1e-9;
    give(h, j, &reply);
}

static void slot_give(struct btz_http *h, struct http_slot *s, const struct btz_http_reply *reply)
{
    struct http_job *j = s->job;

    give(h, j, reply);
    s->job = NULL;
    s->next_free = h->free_slots;
    h->free_slots = s;
}

/* Puts the slot to sleep when another try is allowed, worth it, and fits into what is left of the time. */
static bool try_again(struct btz_http *h, struct http_slot *s, CURLcode code,
                      const struct btz_http_reply *reply)
{
    struct http_job *j = s->job;
    const char *after = btz_http_reply_header(reply, "retry-after");
    uint64_t now = btz_clock_ns(), asked, wait_ms;

    if (j->no_retry || j->tries > h->opts.max_retries ||
        !http_slot_is_worth_retry(s, code, reply->status))
        return false;
    wait_ms = btz_http_backoff(&h->rng, h->opts.backoff_base_ms, h->opts.backoff_cap_ms, j->tries);
    if (code == CURLE_OK && after && btz_http_retry_after(after, btz_clock_unix_ms(), &asked)) {
        if (asked > h->opts.backoff_cap_ms)
            asked = h->opts.backoff_cap_ms;
        /* Not before the server said; a little after, lest everybody comes back at once. */
        wait_ms = asked + wait_ms % ((uint64_t)h->opts.backoff_base_ms + 1);
    }
    if (now + wait_ms * NS_PER_MS >= j->deadline_ns)
        return false;
    j->waiting_since_ns = now;
    s->wake_ns = now + wait_ms * NS_PER_MS;
    sleep_push(h, s);
    return true;
}

static void collect_shard(struct btz_http *h, struct shard *shard)
{
    struct CURLMsg *message;
    int left;

    shard->touched = false;
    while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct btz_http_reply reply;
        struct http_slot *s = NULL;

        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &s);
        curl_multi_remove_handle(shard->multi, easy);
        http_slot_reply(s, code, h->headers, BTZ_COUNT(h->headers), &reply);
        if (!try_again(h, s, code, &reply))
            slot_give(h, s, &reply);
    }
}

static void collect(struct btz_http *h)
{
    for (unsigned i = 0; i < h->shard_count; i++)
        if (h->shards[i].touched)
            collect_shard(h, &h->shards[i]);
}

/* ---- the beginning ---- */

static void slot_start(struct btz_http *h, struct http_slot *s, uint64_t now)
{
    struct http_job *j = s->job;
    uint64_t left_ms;
    uint32_t timeout = j->timeout_ms ? j->timeout_ms : h->opts.request_timeout_ms;
    CURLMcode code;

    j->waited_ns += now - j->waiting_since_ns;
    if (j->tries++ == 0)
        j->deadline_ns = now + (uint64_t)h->opts.total_timeout_ms * NS_PER_MS;
    left_ms = j->deadline_ns > now ? (j->deadline_ns - now) / NS_PER_MS + 1 : 1;
    if (left_ms < timeout)
        timeout = (uint32_t)left_ms;
    if (http_slot_prepare(s, &h->opts, (long)timeout) != BTZ_OK) {
        struct btz_http_reply reply = { .err = BTZ_LIMIT,
                                        .detail = btz_error_detail(),
                                        .tries = j->tries };

        slot_give(h, s, &reply);
        return;
    }
    code = curl_multi_add_handle(shard_of(h, s)->multi, s->easy);
    if (code != CURLM_OK) {
        struct btz_http_reply reply = { .err = BTZ_LIMIT,
                                        .detail = curl_multi_strerror(code),
                                        .tries = j->tries };

        slot_give(h, s, &reply);
    }
}

/* Starts what may start. *due: when the next may, because a token or the end of a back-off is waited for. */
static void start_ready(struct btz_http *h, uint64_t *due)
{
    uint64_t now, wait = 0;

    *due = NEVER;
    if (h->sleeping_count == 0 && (!h->first || !has_slot(h)))
        return;
    now = btz_clock_ns();
    while (h->sleeping_count > 0 || (h->first && has_slot(h))) {
        bool woken = h->sleeping_count > 0 && h->sleeping[0]->wake_ns <= now;
        struct http_slot *s = NULL;
        struct http_job *j = h->first;

        if (!woken && h->sleeping_count > 0)
            *due = h->sleeping[0]->wake_ns;
        if (!woken && !(j && has_slot(h)))
            return;
        if (!btz_bucket_take(&h->bucket, now, &wait)) {
            if (now + wait < *due)
                *due = now + wait;
            return;
        }
        if (woken) {
            slot_start(h, sleep_pop(h), now);
            continue;
        }
        h->first = j->next;
        if (!h->first)
            h->last = NULL;
        if (slot_take(h, &s) != BTZ_OK) {
            give_failure(h, j, BTZ_LIMIT, btz_error_detail());
            continue;
        }
        s->job = j;
        slot_start(h, s, now);
    }
}

/* ---- the loop ---- */

static void arm_timer(struct btz_http *h, uint64_t due)
{
    struct itimerspec spec = { 0 };

    if (due == h->timer_set_ns)
        return;
    h->timer_set_ns = due;
    if (due != NEVER) {
        spec.it_value.tv_sec = (time_t)(due / 1000000000);
        spec.it_value.tv_nsec = (long)(due % 1000000000);
    }
    timerfd_settime(h->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void dispatch(struct btz_http *h, const struct epoll_event *event)
{
    int fd = event->data.fd, mask = 0;
    struct watched *w;

    if (fd == h->timer_fd) {
        h->timer_set_ns = 0;
        arm_timer(h, NEVER);
        return;
    }
    w = watched_at(h, fd);
    if (!w)
        return;
    if (w->wanted == 0) {
        /* An idle connection has something to say, most often goodbye: libcurl looks when it reuses it. */
        register_socket(h, fd, w, 0);
        return;
    }
    if (event->events & EPOLLIN)
        mask |= CURL_CSELECT_IN;
    if (event->events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (event->events & (EPOLLERR | EPOLLHUP))
        mask |= (w->wanted & CURL_POLL_IN ? CURL_CSELECT_IN : 0) |
                (w->wanted & CURL_POLL_OUT ? CURL_CSELECT_OUT : 0);
    shard_act(w->shard, fd, mask);
}

static int wait_ms(const struct btz_http *h, uint64_t until, bool has_stop)
{
    uint64_t now = btz_clock_ns(), due = shards_due(h), ms;

    if (until < due)
        due = until;
    if (due <= now)
        return 0;
    if (due == NEVER)
        return has_stop ? 100 : -1;
    ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
    /* A signal between the look at *stop and the wait would be noticed only after the wait. */
    if (has_stop && ms > 100)
        return 100;
    return ms > 60000 ? 60000 : (int)ms;
}

static void call_due(struct btz_http *h)
{
    uint64_t now = shards_due(h) == NEVER ? 0 : btz_clock_ns();

    for (unsigned i = 0; now > 0 && i < h->shard_count; i++) {
        struct shard *shard = &h->shards[i];

        if (!shard->multi || shard->due_ns > now)
            continue;
        shard->due_ns = NEVER;
        shard_act(shard, CURL_SOCKET_TIMEOUT, 0);
    }
}

static enum btz_err step(struct btz_http *h, uint64_t until, bool has_stop)
{
    struct epoll_event events[EVENTS];
    uint64_t due;
    int n;

    /* What ends may sleep or make room, so nothing may end between start_ready and the wait. */
    call_due(h);
    collect(h);
    start_ready(h, &due);
    if (h->pending == 0)
        return BTZ_OK;
    arm_timer(h, due);
    n = epoll_wait(h->epoll_fd, events, EVENTS, wait_ms(h, until, has_stop));
    if (n < 0 && errno != EINTR)
        return btz_fail_errno(BTZ_IO, "epoll_wait");
    for (int i = 0; i < n; i++)
        dispatch(h, &events[i]);
    collect(h);
    return BTZ_OK;
}

enum btz_err btz_http_run(struct btz_http *h, int timeout_ms, const volatile int *stop)
{
    uint64_t until = timeout_ms < 0 ? NEVER : btz_clock_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    enum btz_err err = BTZ_OK;

    if (h->running)
        return btz_fail(BTZ_INTERNAL, "btz_http_run called from one of its callbacks");
    h->running = true;
    while (err == BTZ_OK && h->pending > 0 && !(stop && *stop)) {
        err = step(h, until, stop != NULL);
        if (until != NEVER && btz_clock_ns() >= until)
            break;
    }
    h->running = false;
    return err;
}

enum btz_err btz_http_submit(struct btz_http *h, const struct btz_http_request *request)
{
    struct http_job *j = NULL;

    if (h->closing)
        return btz_fail(BTZ_CONFLICT, "the HTTP engine is shutting down");
    BTZ_TRY(http_job_new(&h->templates, request, &j));
    j->waiting_since_ns = btz_clock_ns();
    if (h->last)
        h->last->next = j;
    else
        h->first = j;
    h->last = j;
    h->pending++;
    return BTZ_OK;
}

size_t btz_http_pending(const struct btz_http *h)
{
    return h->pending;
}

/* ---- new and free ---- */

static enum btz_err copy_text(struct btz_http *h, const char **text)
{
    if (*text) {
        *text = btz_arena_str(&h->strings, btz_str(*text));
        if (!*text)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

static enum btz_err check_file(const char *path, const char *what)
{
    if (path && access(path, R_OK) != 0)
        return btz_fail_errno(BTZ_IO, "%s %s", what, path);
    return BTZ_OK;
}

#define OR(field, fallback)                                                                        \
    do {                                                                                           \
        if (o->field == 0)                                                                         \
            o->field = fallback;                                                                   \
    } while (0)

static enum btz_err fill_opts(struct btz_http *h, const struct btz_http_opts *given)
{
    struct btz_http_opts *o = &h->opts;

    if (given)
        *o = *given;
    if (!isfinite(o->rate_per_second) || o->rate_per_second < 0)
        return btz_fail(BTZ_USAGE, "rate_per_second: expected a number >= 0");
    if (o->client_key && !o->client_cert)
        return btz_fail(BTZ_USAGE, "client_key without client_cert");
    OR(max_in_flight, 64);
    OR(burst, 1);
    OR(backoff_base_ms, 250);
    OR(backoff_cap_ms, 30000);
    OR(connect_timeout_ms, 10000);
    OR(request_timeout_ms, 120000);
    OR(total_timeout_ms, 600000);
    OR(max_body, (size_t)4 << 20);
    OR(user_agent, "bartizan/" BTZ_VERSION);
    if (o->max_in_flight > 100000)
        return btz_fail(BTZ_LIMIT, "max_in_flight: at most 100000");
    BTZ_TRY(copy_text(h, &o->ca_file));
    BTZ_TRY(copy_text(h, &o->unix_socket));
    BTZ_TRY(copy_text(h, &o->client_cert));
    BTZ_TRY(copy_text(h, &o->client_key));
    BTZ_TRY(copy_text(h, &o->proxy));
    BTZ_TRY(copy_text(h, &o->user_agent));
    BTZ_TRY(check_file(o->ca_file, "ca_file"));
    BTZ_TRY(check_file(o->client_cert, "client_cert"));
    return check_file(o->client_key, "client_key");
}

static enum btz_err set_up(struct btz_http *h)
{
    unsigned slots = h->opts.max_in_flight;
    struct epoll_event event = { .events = EPOLLIN };

    h->shard_count = (slots + SHARD - 1) / SHARD;
    h->shards = calloc(h->shard_count, sizeof *h->shards);
    h->slots = calloc(slots, sizeof *h->slots);
    h->sleeping = calloc(slots, sizeof(struct http_slot *));
    h->share = curl_share_init();
    if (!h->shards || !h->slots || !h->sleeping || !h->share)
        return btz_fail(BTZ_LIMIT, "out of memory for %u connections", slots);
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    h->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    event.data.fd = h->timer_fd;
    if (h->epoll_fd < 0 || h->timer_fd < 0 ||
        epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, h->timer_fd, &event) != 0)
        return btz_fail_errno(BTZ_IO, "set up epoll");
    return BTZ_OK;
}

enum btz_err btz_http_new(const struct btz_http_opts *opts, struct btz_http **out)
{
    struct btz_http *h;
    enum btz_err err;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return btz_fail(BTZ_INTERNAL, "libcurl cannot be initialised");
    h = calloc(1, sizeof *h);
    if (!h) {
        curl_global_cleanup();
        return btz_fail(BTZ_LIMIT, "out of memory");
    }
    h->epoll_fd = h->timer_fd = -1;
    h->timer_set_ns = NEVER;
    btz_arena_init(&h->strings, 65536);
    err = fill_opts(h, opts);
    if (err == BTZ_OK)
        err = set_up(h);
    if (err != BTZ_OK) {
        btz_http_free(h);
        return err;
    }
    btz_bucket_init(&h->bucket, h->opts.rate_per_second, h->opts.burst, btz_clock_ns());
    btz_rng_init(&h->rng, h->opts.seed, btz_rng_stream(btz_str("http.jitter")));
    *out = h;
    return BTZ_OK;
}

static void cancel_all(struct btz_http *h)
{
    static const char cancelled[] = "cancelled";

    for (unsigned i = 0; i < h->slots_used; i++) {
        struct http_slot *s = &h->slots[i];
        struct btz_http_reply reply;

        if (!s->job)
            continue;
        curl_multi_remove_handle(shard_of(h, s)->multi, s->easy);
        http_slot_reply(s, CURLE_ABORTED_BY_CALLBACK, h->headers, BTZ_COUNT(h->headers), &reply);
        reply.err = BTZ_UNREACHABLE;
        reply.detail = cancelled;
        slot_give(h, s, &reply);
    }
    while (h->first) {
        struct http_job *j = h->first;

        h->first = j->next;
        give_failure(h, j, BTZ_UNREACHABLE, cancelled);
    }
    h->last = NULL;
}

void btz_http_free(struct btz_http *h)
{
    if (!h)
        return;
    h->closing = true;
    cancel_all(h);
    for (unsigned i = 0; i < h->slots_used; i++)
        http_slot_release(&h->slots[i]);
    for (unsigned i = 0; i < h->shard_count && h->shards; i++)
        if (h->shards[i].multi)
            curl_multi_cleanup(h->shards[i].multi);
    if (h->share)
        curl_share_cleanup(h->share);
    http_templates_release(&h->templates);
    btz_close_fd(&h->epoll_fd);
    btz_close_fd(&h->timer_fd);
    btz_arena_release(&h->strings);
    free(h->watched);
    free(h->sleeping);
    free(h->shards);
    free(h->slots);
    free(h);
    curl_global_cleanup();
}
