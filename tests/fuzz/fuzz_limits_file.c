/*
 * A table of limits that somebody wrote into: refused, or every use of it stays within it. First byte even: the whole file is
 * the input. Odd: an empty table in which 8 bytes are replaced at a time (16 bits: where, in units of 8; then the bytes).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/limits/table.h"

#define START 1800000000000ULL

static const struct btz_limit_conf conf = { .scope = BTZ_LIMIT_PRINCIPAL,
                                            .name = "*",
                                            .requests_per_minute = 1000,
                                            .tokens_per_minute = 4000000000,
                                            .concurrency = 1000,
                                            .request_bytes = -1,
                                            .response_bytes = -1,
                                            .budget = 1000,
                                            .budget_window_ms = 86400000 };

static void look(void *user, const struct btz_limit_state *s)
{
    size_t *count = user;

    if (memchr(s->name, 0, sizeof s->name) == NULL || ++*count > 1u << 20)
        abort();
}

static void use(struct btz_limits *l)
{
    static const char *const names[] = { "alice", "bob", "" };
    struct btz_lease lease[6];
    struct btz_refusal why;
    size_t count = 0;

    /* What only a process that is running could have left: its old values, to be put back by the next. */
    if (btz_table_lock(l) != BTZ_OK)
        abort();
    btz_table_unlock(l);
    for (size_t i = 0; i < 6; i++) {
        struct btz_limit_subject who = { .principal = btz_str(names[i % 3]) };
        enum btz_err err = btz_limits_reserve(l, &who, 5, 7, 0, START + i * 30000, &lease[i], &why);

        if (err != BTZ_OK && err != BTZ_LIMIT)
            abort();
    }
    btz_limits_reap(l);
    for (size_t i = 0; i < 6; i++)
        if (i % 2)
            btz_limits_settle(l, &lease[i], 9, 9, START + i * 30000);
        else
            btz_limits_release(l, &lease[i], START);
    btz_limits_walk(l, START, look, &count);
}

static void patch(const char *path, const uint8_t *data, size_t size)
{
    BTZ_CLOSE_FD int fd = -1;
    struct btz_limits *l;
    off_t end;

    unlink(path);
    if (btz_limits_open_sized(path, &conf, 1, 16, 4, &l) != BTZ_OK)
        abort();
    btz_limits_close(l);
    fd = open(path, O_RDWR | O_CLOEXEC);
    end = lseek(fd, 0, SEEK_END);
    for (; size >= 10; data += 10, size -= 10) {
        off_t at = (data[0] | data[1] << 8) * 8 % (end - 8);

        /* Of the head only what changes. */
        if (at < (off_t)offsetof(struct btz_table_head, clock_ms))
            at += (off_t)offsetof(struct btz_table_head, clock_ms);
        if (pwrite(fd, data + 2, 8, at) != 8)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct btz_limits *l;

    if (size == 0)
        return 0;
    if (!path[0])
        snprintf(path, sizeof path, "/tmp/btz-fuzz-limits.%d", (int)getpid());
    if (data[0] % 2) {
        patch(path, data + 1, size - 1);
    } else {
        BTZ_CLOSE_FD int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (write(fd, data + 1, size - 1) != (ssize_t)size - 1)
            abort();
    }
    if (btz_limits_view(path, &conf, 1, &l) == BTZ_OK) {
        size_t count = 0;

        btz_limits_walk(l, START, look, &count);
        btz_limits_close(l);
    }
    if (btz_limits_open_sized(path, &conf, 1, 16, 4, &l) == BTZ_OK) {
        use(l);
        btz_limits_close(l);
    }
    unlink(path);
    return 0;
}
