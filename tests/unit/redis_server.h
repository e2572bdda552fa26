/* A Redis of a test's own on a Unix socket, and as much of its protocol (RESP2) as tests need. */
#ifndef REDIS_SERVER_H
#define REDIS_SERVER_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/limits/limits.h"

struct redis_server {
    char folder[64], socket[96];
    bool cluster;
    pid_t pid;
};
struct redis_client {
    int fd;
    FILE *in;
    char text[8192]; /* of the latest answer: a string, an error, a number */
    size_t len;
    char type;
};

static inline bool redis_connect(const struct redis_server *s, struct redis_client *c)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    snprintf(to.sun_path, sizeof to.sun_path, "%s", s->socket);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->in = NULL;
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof to) < 0) {
        btz_close_fd(&c->fd);
        return false;
    }
    c->in = fdopen(c->fd, "r");
    return c->in != NULL;
}

static inline void redis_disconnect(struct redis_client *c)
{
    if (c->in)
        fclose(c->in);
    c->in = NULL;
}

/* One answer; of a list only its length is kept. */
static inline bool redis_read(struct redis_client *c)
{
    char line[512], tail[2];
    long n;

    if (!fgets(line, sizeof line, c->in))
        return false;
    c->type = line[0];
    line[strcspn(line, "\r\n")] = '\0';
    snprintf(c->text, sizeof c->text, "%s", line + 1);
    c->len = strlen(c->text);
    if (c->type == '*') {
        for (n = strtol(line + 1, NULL, 10); n > 0; n--)
            if (!redis_read(c))
                return false;
        c->type = '*';
        return true;
    }
    if (c->type != '$')
        return true;
    n = strtol(line + 1, NULL, 10);
    c->len = n < 0 ? 0 : (size_t)n;
    c->text[0] = '\0';
    if (n < 0)
        return true;
    if (c->len >= sizeof c->text || fread(c->text, 1, c->len, c->in) != c->len ||
        fread(tail, 1, 2, c->in) != 2)
        return false;
    c->text[c->len] = '\0';
    return true;
}

static inline bool redis_send(struct redis_client *c, const struct btz_redis_command *k)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 20);
    bool ok = btz_buf_printf(&out, "*%d\r\n", k->argc) == BTZ_OK;

    for (int i = 0; ok && i < k->argc; i++)
        ok = btz_buf_printf(&out, "$%zu\r\n", k->argv_len[i]) == BTZ_OK &&
             btz_buf_add(&out, k->argv[i], k->argv_len[i]) == BTZ_OK &&
             btz_buf_add_str(&out, "\r\n") == BTZ_OK;
    for (size_t at = 0; ok && at < out.len;) {
        ssize_t n = send(c->fd, out.ptr + at, out.len - at, MSG_NOSIGNAL);

        ok = n > 0;
        at += ok ? (size_t)n : 0;
    }
    return ok;
}

static inline bool redis_call(struct redis_client *c, const struct btz_redis_command *k)
{
    return c->in && redis_send(c, k) && redis_read(c);
}

/* Words with spaces between. */
static inline bool redis_say(struct redis_client *c, const char *words)
{
    struct btz_redis_command k = { .argc = 0 };
    const char *at = words;

    while (*at) {
        k.argv[k.argc] = at;
        k.argv_len[k.argc++] = strcspn(at, " ");
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return redis_call(c, &k);
}

static inline void redis_become(const struct redis_server *s)
{
    char *const argv[] = { (char[]){ "redis-server" },
                           (char[]){ "--port" },
                           (char[]){ "0" },
                           (char[]){ "--unixsocket" },
                           strdup(s->socket),
                           (char[]){ "--dir" },
                           strdup(s->folder),
                           (char[]){ "--save" },
                           (char[]){ "" },
                           (char[]){ "--logfile" },
                           (char[]){ "log" },
                           (char[]){ "--maxmemory-policy" },
                           (char[]){ "noeviction" },
                           (char[]){ "--cluster-enabled" },
                           strdup(s->cluster ? "yes" : "no"),
                           NULL };

    execvp("redis-server", argv);
    execv("/usr/bin/redis-server", argv);
    _exit(127);
}

static inline void redis_start(struct redis_server *s)
{
    struct redis_client c;

    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0)
        redis_become(s);
    for (int i = 0; i < 2000; i++) {
        if (redis_connect(s, &c)) {
            bool ok = redis_say(&c, "PING") && c.type == '+';

            redis_disconnect(&c);
            if (ok)
                return;
        }
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            fail_msg("redis-server ended; is the package installed?");
        usleep(5000);
    }
    fail_msg("redis-server does not answer");
}

static inline void redis_kill(struct redis_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
}

static inline void redis_new(struct redis_server *s, bool cluster)
{
    snprintf(s->folder, sizeof s->folder, "/tmp/btz-redis-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->socket, sizeof s->socket, "%s/socket", s->folder);
    s->cluster = cluster;
    redis_start(s);
}

static inline void redis_remove(struct redis_server *s)
{
    static const char *const files[] = { "socket", "log", "nodes.conf", "dump.rdb" };
    char path[128];

    redis_kill(s);
    for (size_t i = 0; i < BTZ_COUNT(files); i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, files[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(s->folder), 0);
}

#endif
