/*
 * A program of the user's: argv as configured, no shell; the words on standard input, the answer on standard output.
 * It runs in a process group of its own, which is killed as a whole when its time is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "redteam/target.h"

#define STDERR_KEPT 4096
#define ARGS_MAX    256

struct child {
    pid_t pid;
    int out, err; /* read ends */
    uint64_t deadline_ns;
    const volatile int *stop;
    const char *killed; /* why */
};

/* The words in a file without a name: no pipe to fill up, no reader to wait for. */
static enum btz_err words_fd(struct btz_slice words, int *out)
{
    BTZ_CLOSE_FD int fd = memfd_create("prompt", MFD_CLOEXEC);

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "memfd_create");
    BTZ_TRY(btz_fd_write_all(fd, words, "prompt"));
    if (lseek(fd, 0, SEEK_SET) != 0)
        return btz_fail_errno(BTZ_IO, "lseek");
    *out = fd;
    fd = -1;
    return BTZ_OK;
}

static int spawn(const struct btz_target_conf *conf, int in, int out, int err, pid_t *pid)
{
    const char *const *items = conf->command.items;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, pipe_signal;
    char *argv[ARGS_MAX + 1];
    int failed;

    for (size_t i = 0; i < conf->command.count; i++)
        memcpy(&argv[i], &items[i], sizeof argv[i]);
    argv[conf->command.count] = NULL;
    sigemptyset(&none);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    failed = posix_spawn_file_actions_adddup2(&actions, in, 0);
    failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, out, 1);
    failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, err, 2);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &pipe_signal);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    /* The program lives in the user's environment, search path included. */
    failed = failed ? failed : posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return failed;
}

/* False at the end of the stream. What is past `max` is read and dropped, for stderr; *over tells. */
static bool drain(int fd, struct btz_buf *to, bool *over)
{
    char block[16384];
    ssize_t n = read(fd, block, sizeof block);
    size_t room = to->max - to->len;

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if ((size_t)n > room)
        *over = true;
    if (btz_buf_add(to, block, (size_t)n < room ? (size_t)n : room) != BTZ_OK)
        *over = true;
    return n > 0;
}

static void kill_child(struct child *c, const char *why)
{
    if (!c->killed)
        c->killed = why;
    kill(-c->pid, SIGKILL);
}

static bool is_over(struct child *c)
{
    if (c->stop && __atomic_load_n(c->stop, __ATOMIC_RELAXED))
        kill_child(c, "cancelled");
    else if (btz_clock_ns() >= c->deadline_ns)
        kill_child(c, "it took longer than the timeout");
    return c->killed != NULL;
}

static void listen_to(struct child *c, struct btz_buf *out, struct btz_buf *err)
{
    struct pollfd p[2] = { { .fd = c->out, .events = POLLIN }, { .fd = c->err, .events = POLLIN } };
    bool over = false, noise = false;

    while ((p[0].fd >= 0 || p[1].fd >= 0) && !is_over(c)) {
        if (poll(p, 2, 50) <= 0)
            continue;
        if (p[0].revents && !drain(c->out, out, &over))
            p[0].fd = -1;
        if (p[1].revents && !drain(c->err, err, &noise))
            p[1].fd = -1;
        if (over)
            kill_child(c, "its output is larger than max_reply");
    }
}

static int reap(struct child *c)
{
    const struct timespec nap = { .tv_nsec = 2000000 };
    siginfo_t ended = { .si_pid = 0 };
    int status = 0;

    /* Output may end long before the program does. */
    while (waitid(P_PID, (id_t)c->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0 && !is_over(c))
        nanosleep(&nap, NULL);
    /* What it left running goes too; while it is not reaped, its group is nobody else's. */
    kill(-c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void judge_end(const struct btz_target_conf *conf, const struct child *c, int status,
                      struct btz_buf *err, struct btz_arena *arena, struct btz_reply *out)
{
    const char *name = ((const char *const *)conf->command.items)[0];
    BTZ_BUF_RELEASE struct btz_buf said = BTZ_BUF(65536);
    const char *text = "";

    if (c->killed) {
        btz_reply_error(arena, out, "%s was killed: %s", name, c->killed);
        return;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (btz_target_redact(conf, err) == BTZ_OK &&
        btz_utf8_printable(btz_slice_sub(btz_slice_trim(btz_buf_slice(err)), 0, 400), false,
                           &said) == BTZ_OK &&
        btz_buf_cstr(&said, &text) != BTZ_OK)
        text = "";
    if (WIFSIGNALED(status))
        btz_reply_error(arena, out, "%s died of signal %d: %s", name, WTERMSIG(status), text);
    else
        btz_reply_error(arena, out, "%s ended with status %d: %s", name, WEXITSTATUS(status), text);
}

static enum btz_err converse(const struct btz_target_conf *conf, int in, struct child *c,
                             struct btz_draft *d, struct btz_buf *err, int *status)
{
    BTZ_CLOSE_FD int out_read = -1, out_write = -1, err_read = -1, err_write = -1;
    int ends[2], failed;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return btz_fail_errno(BTZ_IO, "pipe");
    out_read = ends[0];
    out_write = ends[1];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return btz_fail_errno(BTZ_IO, "pipe");
    err_read = ends[0];
    err_write = ends[1];
    failed = spawn(conf, in, out_write, err_write, &c->pid);
    if (failed) {
        errno = failed;
        return btz_fail_errno(BTZ_IO, "start %s", ((const char *const *)conf->command.items)[0]);
    }
    btz_close_fd(&out_write);
    btz_close_fd(&err_write);
    c->out = out_read;
    c->err = err_read;
    listen_to(c, &d->text, err);
    *status = reap(c);
    return BTZ_OK;
}

static enum btz_err run(const struct btz_target_conf *conf, const struct btz_message *messages,
                        size_t count, struct btz_arena *arena, const volatile int *stop,
                        struct btz_reply *out)
{
    BTZ_BUF_RELEASE struct btz_buf words = BTZ_BUF((size_t)32 << 20), err = BTZ_BUF(STDERR_KEPT);
    BTZ_CLOSE_FD int in = -1;
    uint64_t start = btz_clock_ns();
    int64_t timeout = conf->timeout > 0 ? conf->timeout : BTZ_TARGET_TIMEOUT_MS;
    struct child c = { .deadline_ns = start + (uint64_t)timeout * 1000000, .stop = stop };
    struct btz_draft d;
    enum btz_err failed;
    int status = 0;

    if (conf->command.count == 0 || conf->command.count > ARGS_MAX)
        return btz_fail(BTZ_USAGE, "command: expected 1 to %d words", ARGS_MAX);
    BTZ_TRY(btz_target_prompt(messages, count, &words));
    BTZ_TRY(words_fd(btz_buf_slice(&words), &in));
    btz_draft_init(&d, conf, arena);
    d.text.max = (size_t)(conf->max_reply > 0 ? conf->max_reply : BTZ_TARGET_MAX_REPLY);
    *out = (struct btz_reply){ .tries = 1 };
    failed = converse(conf, in, &c, &d, &err, &status);
    out->seconds = (double)(btz_clock_ns() - start) * 1e-9;
    d.text.max = 3 * d.text.max + 4096;
    btz_reply_finish(&d, failed, out);
    if (failed == BTZ_OK)
        judge_end(conf, &c, status, &err, arena, out);
    return BTZ_OK;
}

const struct btz_preset btz_preset_command = {
    .id = "command",
    .title = "A program: words on standard input, answer on standard output",
    .needs = BTZ_TARGET_NEEDS_COMMAND,
    .run = run,
};
