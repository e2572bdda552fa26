/* Is it Ollama, llama.cpp or something else that listens? Asked of a server of the test. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/detect.h"

struct server {
    int fd;
    unsigned port;
    const char *path, *body; /* any other path is 404 */
    pthread_t thread;
};

static void answer(const struct server *s, int fd)
{
    char request[2048] = "", wanted[64], reply[2048];
    size_t used = 0;
    ssize_t n;
    bool known;

    while (used < sizeof request - 1 && !strstr(request, "\r\n\r\n") &&
           (n = read(fd, request + used, sizeof request - 1 - used)) > 0)
        used += (size_t)n;
    snprintf(wanted, sizeof wanted, "GET %s HTTP/1.1\r\n", s->path);
    known = strncmp(request, wanted, strlen(wanted)) == 0;
    snprintf(reply, sizeof reply,
             "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n%s",
             known ? "200 OK" : "404 Not Found", known ? strlen(s->body) : 0, known ? s->body : "");
    if (write(fd, reply, strlen(reply)) < 0)
        return;
}

static void *serve(void *user)
{
    const struct server *s = user;
    int fd;

    /* shutdown() of the listening socket ends the loop. */
    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        answer(s, fd);
        close(fd);
    }
    return NULL;
}

static void start(struct server *s, const char *path, const char *body)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof at;

    *s = (struct server){ .fd = socket(AF_INET, SOCK_STREAM, 0), .path = path, .body = body };
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(s->fd, 4), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static void test_ollama(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_detected found = { 0 };
    char url[64];
    struct server s;

    (void)state;
    btz_arena_init(&arena, 1 << 16);
    start(&s, "/api/tags", "{\"models\":[{\"name\":\"llama3.2:3b\"},{\"name\":\"other\"}]}");
    assert_false(btz_detect_llamacpp(s.port, &arena, &found));
    assert_true(btz_detect_ollama(s.port, &arena, &found));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", s.port);
    assert_string_equal(found.preset, "ollama");
    assert_string_equal(found.url, url);
    assert_string_equal(found.model, "llama3.2:3b");
    stop(&s);
    /* Nobody listens there any more. */
    assert_false(btz_detect_ollama(s.port, &arena, &found));
}

static void test_ollama_without_models(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_detected found = { 0 };
    struct server s;

    (void)state;
    btz_arena_init(&arena, 1 << 16);
    start(&s, "/api/tags", "{\"models\":[]}");
    assert_true(btz_detect_ollama(s.port, &arena, &found));
    assert_null(found.model);
    stop(&s);
}

static void test_llamacpp(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_detected found = { 0 };
    struct server s;

    (void)state;
    btz_arena_init(&arena, 1 << 16);
    start(&s, "/v1/models", "{\"data\":[{\"id\":\"q.gguf\",\"owned_by\":\"llamacpp\"}]}");
    assert_true(btz_detect_llamacpp(s.port, &arena, &found));
    assert_string_equal(found.preset, "llamacpp");
    assert_string_equal(found.model, "q.gguf");
    stop(&s);
}

static void test_others(void **state)
{
    static const char *const bodies[] = { "",
                                          "not json",
                                          "[]",
                                          "{\"data\":[]}",
                                          "{\"data\":[{\"id\":\"x\",\"owned_by\":\"someone\"}]}",
                                          "{\"models\":{}}" };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(bodies); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_detected found = { 0 };
        struct server s;

        btz_arena_init(&arena, 1 << 16);
        start(&s, "/v1/models", bodies[i]);
        assert_false(btz_detect_llamacpp(s.port, &arena, &found));
        stop(&s);
        start(&s, "/api/tags", bodies[i]);
        assert_false(btz_detect_ollama(s.port, &arena, &found));
        stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ollama),
        cmocka_unit_test(test_ollama_without_models),
        cmocka_unit_test(test_llamacpp),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
