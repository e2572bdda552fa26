/*
 * Forwarding to receivers on loopback that read frames as RFC 6587 says, and that die in the middle: by SIGKILL with
 * bytes unread, or with a reset. Nothing may be lost; what comes twice is allowed.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "access_fixture.h"

#include "test_server.c"
#include "watch/forward.h"

enum { ENTRIES_MAX = 4000 };

/* ---- a source of numbered entries ---- */

static _Atomic uint64_t available;

static enum btz_err read_numbers(void *user, uint64_t from, btz_trail_fn *each, void *each_user,
                                 uint64_t *next)
{
    (void)user;
    for (*next = from; *next < available && *next < from + 50; ++*next) {
        BTZ_JSON json_t *entry =
            json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", "evt_x", "time",
                      "2026-08-15T12:00:00.000Z", "event", "decision", "verdict", "allow", "reason",
                      json_sprintf("number %d, and some words to fill the line", (int)*next));
        const struct btz_trail_record r = { .index = *next, .entry = entry };

        BTZ_TRY(each(each_user, &r));
    }
    return BTZ_OK;
}

/* ---- a receiver: frames in, their index out ---- */

struct receiver {
    int listener, out; /* indices are written to `out`, 8 bytes each */
    unsigned port, die_after;
    SSL_CTX *ctx;
    pthread_t thread;
    pid_t child;
    _Atomic bool stop;
    _Atomic unsigned rounds;
};

static int listen_on(unsigned *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static ssize_t take(int fd, SSL *ssl, uint8_t *out, size_t n)
{
    return ssl ? SSL_read(ssl, out, (int)n) : read(fd, out, n);
}

/* One connection: "LEN SP MSG" until its end; true when it is time to die. Only system calls: also for a child. */
static bool take_frames(const struct receiver *r, int fd, SSL *ssl, unsigned *frames)
{
    static uint8_t bytes[1 << 17];
    size_t have = 0;
    ssize_t n;

    while ((n = take(fd, ssl, bytes + have, 300)) > 0) {
        size_t at = 0;

        have += (size_t)n;
        for (;;) {
            size_t len = 0, head = at;
            uint64_t index = 0;
            const uint8_t *text;

            while (head < have && bytes[head] >= '0' && bytes[head] <= '9')
                len = len * 10 + bytes[head++] - '0';
            if (head >= have || have - head - 1 < len)
                break;
            if (bytes[head] != ' ' || bytes[head + 1] != '<')
                abort();
            text = memmem(bytes + head + 1, len, " index=\"", 8);
            if (!text)
                abort();
            for (text += 8; *text >= '0' && *text <= '9'; text++)
                index = index * 10 + *text - '0';
            if (write(r->out, &index, sizeof index) != sizeof index)
                abort();
            at = head + 1 + len;
            if (++*frames == r->die_after)
                return true;
        }
        memmove(bytes, bytes + at, have - at);
        have -= at;
    }
    return false;
}

static void serve_one(struct receiver *r, int fd, unsigned *frames)
{
    const struct linger reset = { 1, 0 };
    SSL *ssl = r->ctx ? SSL_new(r->ctx) : NULL;

    if (ssl)
        SSL_set_fd(ssl, fd);
    if (!ssl || SSL_accept(ssl) == 1) {
        if (take_frames(r, fd, ssl, frames)) {
            if (!r->ctx)
                kill(getpid(), SIGKILL);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            *frames = 0;
            r->die_after = 0;
        } else if (ssl) {
            SSL_shutdown(ssl);
        }
    }
    SSL_free(ssl);
    close(fd);
    r->rounds++;
}

static void *serve(void *user)
{
    struct receiver *r = user;
    unsigned frames = 0;

    while (!r->stop) {
        struct pollfd p = { .fd = r->listener, .events = POLLIN };
        int fd;

        if (poll(&p, 1, 20) <= 0)
            continue;
        fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve_one(r, fd, &frames);
    }
    return NULL;
}

static void start_child(struct receiver *r)
{
    r->listener = listen_on(&r->port);
    r->child = fork();
    assert_true(r->child >= 0);
    if (r->child == 0)
        serve(r);
    close(r->listener);
}

static void end_child(struct receiver *r, bool by_itself)
{
    int status;

    if (!by_itself)
        kill(r->child, SIGKILL);
    assert_int_equal(waitpid(r->child, &status, 0), r->child);
    assert_true(WIFSIGNALED(status));
}

/* ---- the test's side ---- */

struct setup {
    char dir[64], address[64], file[96];
    struct btz_forward_conf conf;
    struct btz_forwarder_options o;
    struct btz_forwarder *forwarder;
    struct receiver r;
};

static struct setup *new_setup(void)
{
    struct setup *s = calloc(1, sizeof *s);

    assert_non_null(s);
    signal(SIGPIPE, SIG_IGN);
    snprintf(s->dir, sizeof s->dir, "/tmp/btz-forward-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->file, sizeof s->file, "%s/received", s->dir);
    s->r.out = open(s->file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(s->r.out >= 0);
    s->conf = (struct btz_forward_conf){ .address = s->address, .ca_file = "", .host = "" };
    s->o = (struct btz_forwarder_options){ .conf = &s->conf,
                                           .folder = s->dir,
                                           .host = "gate.example",
                                           .origin = "log.example",
                                           .source = { read_numbers, NULL },
                                           .settle_ms = 60000,
                                           .poll_ms = 20,
                                           .back_off_ms = 10,
                                           .back_off_max_ms = 50 };
    return s;
}

static void free_setup(struct setup *s)
{
    close(s->r.out);
    access_remove(s->dir);
    free(s);
}

static void start(struct setup *s)
{
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", s->r.port);
    access_must(btz_forwarder_start(&s->o, &s->forwarder));
}

/* How often each number came; false while one below `until` is missing. */
static bool received(struct setup *s, uint64_t until, unsigned counts[ENTRIES_MAX])
{
    uint64_t index;

    memset(counts, 0, ENTRIES_MAX * sizeof *counts);
    for (off_t at = 0; pread(s->r.out, &index, sizeof index, at) == sizeof index;
         at += (off_t)sizeof index) {
        assert_true(index < ENTRIES_MAX);
        counts[index]++;
    }
    for (uint64_t i = 0; i < until; i++)
        if (counts[i] == 0)
            return false;
    return true;
}

/* Waits for what must come in the end; only a broken build gets to the limit. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        unsigned await_left_ = 6000;                                                               \
        while (!(condition) && await_left_-- > 0)                                                  \
            usleep(10000);                                                                         \
        assert_true(condition);                                                                    \
    } while (0)

static uint64_t confirmed(struct setup *s)
{
    struct btz_forwarder_state state;

    btz_forwarder_state(s->forwarder, &state);
    return state.confirmed;
}

static uint64_t failures(struct setup *s)
{
    struct btz_forwarder_state state;

    btz_forwarder_state(s->forwarder, &state);
    return state.failures;
}

static unsigned counts[ENTRIES_MAX];

/* A clean stop confirms all that was sent; the next start sends only what is new. */
static void test_clean_stop(void **state)
{
    struct setup *s = new_setup();
    (void)state;
    available = 300;
    start_child(&s->r);
    start(s);
    AWAIT(received(s, 300, counts));
    btz_forwarder_stop(s->forwarder);
    available = 400;
    start(s);
    AWAIT(received(s, 400, counts));
    btz_forwarder_stop(s->forwarder);
    for (size_t i = 0; i < 400; i++)
        assert_int_equal(counts[i], 1);
    end_child(&s->r, false);
    free_setup(s);
}

/* The receiver dies again and again with bytes unread; in between it gets so far that the position moves. */
static void test_killed_receiver(void **state)
{
    enum { STAGES = 3, KILLS = 4, STEP = 200 };
    struct setup *s = new_setup();
    struct btz_rng r;
    unsigned again = 0;
    (void)state;
    btz_rng_init(&r, 6587, 0);
    available = 0;
    s->o.settle_ms = 1500;
    start_child(&s->r);
    start(s);
    for (unsigned stage = 0; stage < STAGES; stage++) {
        available += STEP;
        AWAIT(received(s, available, counts));
        AWAIT(confirmed(s) == available);
        end_child(&s->r, false);
        for (unsigned k = 0; k < KILLS; k++) {
            s->r.die_after = 1 + btz_rng_below(&r, STEP - 1);
            start_child(&s->r);
            if (k == 0)
                available += STEP;
            end_child(&s->r, true);
        }
        s->r.die_after = 0;
        start_child(&s->r);
        AWAIT(received(s, available, counts));
    }
    btz_forwarder_stop(s->forwarder);
    end_child(&s->r, false);
    for (size_t i = 0; i < available; i++)
        again += counts[i] - 1;
    print_message("# %d receivers killed, %u entries, %u came again\n", STAGES * (KILLS + 1),
                  (unsigned)available, again);
    assert_true(again > 0);
    free_setup(s);
}

/* We die instead: what was not confirmed is sent again by the next process. */
static void test_killed_sender(void **state)
{
    struct setup *s = new_setup();
    pid_t child;
    int status;
    (void)state;
    available = 500;
    start_child(&s->r);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        start(s);
        AWAIT(received(s, 250, counts));
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    available = 700;
    start(s);
    AWAIT(received(s, 700, counts));
    btz_forwarder_stop(s->forwarder);
    end_child(&s->r, false);
    free_setup(s);
}

/* Nobody listens at first: it is tried again, and then all comes. */
static void test_late_receiver(void **state)
{
    struct setup *s = new_setup();
    (void)state;
    available = 20;
    s->r.port = test_free_port();
    start(s);
    AWAIT(failures(s) >= 2);
    start_child(&s->r);
    AWAIT(received(s, 20, counts));
    btz_forwarder_stop(s->forwarder);
    end_child(&s->r, false);
    free_setup(s);
}

/* ---- TLS ---- */

static void start_tls(struct setup *s, const char *cert, const char *key)
{
    s->conf.tls = true;
    s->r.ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(s->r.ctx);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(s->r.ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(s->r.ctx, key, SSL_FILETYPE_PEM), 1);
    s->r.port = 0;
    s->r.stop = false;
    s->r.listener = listen_on(&s->r.port);
    assert_int_equal(pthread_create(&s->r.thread, NULL, serve, &s->r), 0);
}

static void stop_tls(struct setup *s)
{
    s->r.stop = true;
    pthread_join(s->r.thread, NULL);
    close(s->r.listener);
    SSL_CTX_free(s->r.ctx);
    s->r.ctx = NULL;
}

static void test_tls(void **state)
{
    struct setup *s = new_setup();
    struct test_pki p;
    unsigned again = 0;
    (void)state;
    test_pki_make(&p);
    available = 600;
    s->r.die_after = 137; /* a reset with bytes unread */
    s->conf.ca_file = p.ca;
    start_tls(s, p.server_cert, p.server_key);
    start(s);
    AWAIT(received(s, 600, counts));
    btz_forwarder_stop(s->forwarder);
    stop_tls(s);
    for (size_t i = 0; i < 600; i++)
        again += counts[i] - 1;
    assert_int_equal(again, 137); /* nothing had been confirmed */
    test_pki_remove(&p);
    free_setup(s);
}

/* Certificates of another authority, or for another name: not one byte of the trail. */
static void test_tls_refuses(void **state)
{
    struct test_pki p;
    (void)state;
    test_pki_make(&p);
    for (int wrong = 0; wrong < 2; wrong++) {
        struct setup *s = new_setup();

        available = 10;
        s->conf.ca_file = wrong == 0 ? p.other_ca : p.ca;
        start_tls(s, wrong == 0 ? p.server_cert : p.stranger_cert,
                  wrong == 0 ? p.server_key : p.stranger_key);
        start(s);
        AWAIT(failures(s) >= 3 && s->r.rounds >= 3);
        btz_forwarder_stop(s->forwarder);
        assert_false(received(s, 1, counts));
        if (wrong == 1) { /* the same certificate, when that name is asked for */
            s->conf.host = "stranger.example";
            start(s);
            AWAIT(received(s, 10, counts));
            btz_forwarder_stop(s->forwarder);
        }
        stop_tls(s);
        free_setup(s);
    }
    test_pki_remove(&p);
}

/* ---- settings and files ---- */

static void test_bad_settings(void **state)
{
    static const char *const bad[] = {
        "", "host", "host:", ":514", "host:0", "host:65536", "a b:1"
    };
    struct setup *s = new_setup();
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        s->conf.address = bad[i];
        assert_int_equal(btz_forwarder_start(&s->o, &s->forwarder), BTZ_USAGE);
    }
    s->conf.address = "127.0.0.1:6514";
    s->conf.tls = true;
    s->conf.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(btz_forwarder_start(&s->o, &s->forwarder), BTZ_USAGE);
    free_setup(s);
}

static void test_damaged_position(void **state)
{
    struct setup *s = new_setup();
    char path[160], hex[17];
    uint8_t digest[BTZ_SHA256_LEN];
    (void)state;
    btz_sha256(btz_str("127.0.0.1:1"), digest);
    btz_hex(digest, 8, hex);
    snprintf(path, sizeof path, "%s/forward-%s", s->dir, hex);
    access_must(btz_file_write(path, btz_str("bartizan/forward/v1\nlog"), 0600));
    s->r.port = 1;
    snprintf(s->address, sizeof s->address, "127.0.0.1:1");
    assert_int_equal(btz_forwarder_start(&s->o, &s->forwarder), BTZ_INPUT);
    free_setup(s);
}

/* ---- the trail of an installation ---- */

static void test_whole(void **state)
{
    struct setup *s = new_setup();
    struct access_fixture f;
    struct btz_forwarders *all;
    (void)state;
    start_child(&s->r);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%u", s->r.port);
    access_prepare(&f);
    s->conf.format = BTZ_FORWARD_OCSF;
    f.conf.forward = (struct btz_conf_list){ .items = &s->conf, .count = 1 };
    access_open(&f);
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "ann"));
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "bob"));
    access_must(btz_forwarders_start(f.access, f.dir, NULL, &all));
    AWAIT(received(s, 2, counts));
    access_do(&f, &f.local, "user.create", json_pack("{s:s}", "name", "eve"));
    AWAIT(received(s, 3, counts));
    btz_forwarders_stop(all);
    end_child(&s->r, false);
    access_stop(&f);
    free_setup(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_stop),    cmocka_unit_test(test_killed_receiver),
        cmocka_unit_test(test_killed_sender), cmocka_unit_test(test_late_receiver),
        cmocka_unit_test(test_tls),           cmocka_unit_test(test_tls_refuses),
        cmocka_unit_test(test_bad_settings),  cmocka_unit_test(test_damaged_position),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
