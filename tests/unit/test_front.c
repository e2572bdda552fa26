/* Addresses to listen on, names in the configuration of nginx, certificates; and which hosts may be fetched from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <ftw.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/front.h"
#include "watch/fetch.h"

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void test_listen(void **state)
{
    static const char *const bad[] = {
        "",    "x",     "1.2.3:80", "host:80",     "::1:80", "[::1]80", "[::1:80", "127.0.0.1:",
        ":-1", "70000", "1.2.3.4:", "[1.2.3.4]:x", "a;b:80", "\"",      "$x:80"
    };
    struct btz_front f;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        memset(&f, 0, sizeof f);
        if (btz_front_listen(bad[i], &f) != BTZ_USAGE)
            fail_msg("%s", bad[i]);
    }
    memset(&f, 0, sizeof f);
    assert_int_equal(btz_front_listen("localhost:0", &f), BTZ_OK);
    assert_true(f.port > 0 && f.loopback);
    assert_int_equal(strncmp(f.listen[0], "127.0.0.1:", 10), 0);
    memset(&f, 0, sizeof f);
    assert_int_equal(btz_front_listen("0", &f), BTZ_OK);
    assert_string_equal(f.host, "localhost");
    memset(&f, 0, sizeof f);
    assert_int_equal(btz_front_listen("0.0.0.0:0", &f), BTZ_OK);
    assert_false(f.loopback);
    memset(&f, 0, sizeof f);
    assert_int_equal(btz_front_listen("127.0.0.2:0", &f), BTZ_OK);
    assert_true(f.loopback);
    /* An address of nobody. */
    memset(&f, 0, sizeof f);
    assert_int_equal(btz_front_listen("192.0.2.1:8443", &f), BTZ_IO);
}

static void test_configuration(void **state)
{
    char folder[] = "/tmp/btz-front-XXXXXX", gate[64], odd[64];
    struct btz_front_options o = { .folder = gate, .socket = "/tmp/s", .listen = "localhost:0" };
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct btz_front f;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(gate, sizeof gate, "%s/gate", folder);
    assert_int_equal(btz_front_write(&o, &f), BTZ_OK);
    assert_int_equal(btz_front_check_pair(f.certificate, f.key), BTZ_OK);
    assert_int_equal(stat(f.key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(btz_file_read(f.conf, 65536, &text), BTZ_OK);
    /* What clients must not say is set or taken away. */
    for (const char *const *name =
             (const char *const[]){ "X-Bartizan-Address $remote_addr",
                                    "X-Bartizan-Request-Id $request_id",
                                    "X-Bartizan-Client-Cert \"\"", "X-Bartizan-Local \"\"",
                                    "X-Forwarded-For \"\"", NULL };
         *name; name++) {
        char line[96];

        snprintf(line, sizeof line, "proxy_set_header %s;", *name);
        assert_true(btz_slice_has(btz_buf_slice(&text), line));
    }
    assert_false(btz_slice_has(btz_buf_slice(&text), "local.sock"));
    /* Names that could end a string of the configuration. */
    snprintf(odd, sizeof odd, "%s/a\";b", folder);
    o.folder = odd;
    assert_int_equal(btz_front_write(&o, &f), BTZ_USAGE);
    o.folder = gate;
    o.socket = "/tmp/$s";
    assert_int_equal(btz_front_write(&o, &f), BTZ_USAGE);
    o.socket = "/tmp/s";
    o.origin = "https://x;y";
    assert_int_equal(btz_front_write(&o, &f), BTZ_USAGE);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_hosts(void **state)
{
    static const struct {
        const char *url, *host;
    } good[] = { { "https://A.example/x", "a.example" },
                 { "HTTPS://a.example:444?x", "a.example" },
                 { "https://[::1]:1/", "[::1]" } };
    static const char *const bad[] = {
        "http://a.example/", "https://", "https:///x",        "https://:443", "https://a@b/",
        "ftp://a",           "",         "https://a\\@b/x@y", "//a"
    };
    char host[BTZ_HOST_TEXT];

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(good); i++) {
        assert_int_equal(btz_fetch_host(good[i].url, host), BTZ_OK);
        assert_string_equal(host, good[i].host);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        if (btz_fetch_host(bad[i], host) != BTZ_USAGE)
            fail_msg("%s", bad[i]);
}

/* Does a fetch reach a listening socket of this machine? It cannot get an answer, but it can knock. */
static bool knocks(const struct btz_access_conf *conf, const char *host, bool *ended)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), peer;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    struct btz_fetcher *f;
    const struct btz_fetch *fetch;
    char url[128];

    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(fd, 4), 0);
    snprintf(url, sizeof url, "https://%s:%u/keys", host, ntohs(at.sin_port));
    assert_int_equal(btz_fetcher_new(conf, NULL, &f), BTZ_OK);
    fetch = btz_fetcher_fetch(f);
    *ended = fetch->get(fetch->user, url, btz_str(""), &out) == BTZ_UNREACHABLE;
    btz_fetcher_free(f);
    peer = accept(fd, NULL, NULL);
    if (peer >= 0)
        close(peer);
    close(fd);
    return peer >= 0;
}

static void test_private_addresses(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "localhost", "0.0.0.0", "127.1" };
    struct btz_access_conf conf = { 0 };
    bool ended;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(hosts); i++) {
        assert_false(knocks(&conf, hosts[i], &ended));
        assert_true(ended);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_private_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
