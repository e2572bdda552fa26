/* Folders and files for the ledger's tests: fresh, copied, changed, removed. */
#ifndef BTZ_TEST_LEDGER_FIXTURE_H
#define BTZ_TEST_LEDGER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "ledger/log.h"

#define ORIGIN "audit.example/log"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        enum btz_err assert_ok_err_ = (call);                                                      \
        if (assert_ok_err_ != BTZ_OK)                                                              \
            fail_msg("%s: %s: %s", #call, btz_err_name(assert_ok_err_), btz_error_detail());       \
    } while (0)

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A new empty folder below the build folder's disk; the caller frees the name. */
static inline char *make_folder(void)
{
    char name[] = "/tmp/btz-ledger-XXXXXX";

    assert_non_null(mkdtemp(name));
    return strdup(name);
}

static inline char *join(const char *a, const char *b)
{
    size_t size = strlen(a) + strlen(b) + 2;
    char *out = malloc(size);

    assert_non_null(out);
    snprintf(out, size, "%s/%s", a, b);
    return out;
}

/* Every file below a folder, by its path in it, sorted. */
struct files {
    char *name[4096];
    size_t count;
};

static struct files *walk_into;
static size_t walk_prefix;

static inline int walk_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)at;
    if (type == FTW_F) {
        assert_true(walk_into->count < BTZ_COUNT(walk_into->name));
        walk_into->name[walk_into->count++] = strdup(path + walk_prefix);
    }
    return 0;
}

static inline int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void list_files(const char *folder, struct files *out)
{
    out->count = 0;
    walk_into = out;
    walk_prefix = strlen(folder) + 1;
    assert_int_equal(nftw(folder, walk_one, 16, FTW_PHYS), 0);
    qsort(out->name, out->count, sizeof out->name[0], by_name);
}

static inline void free_files(struct files *f)
{
    while (f->count > 0)
        free(f->name[--f->count]);
}

static inline void read_whole(const char *path, struct btz_buf *out)
{
    *out = BTZ_BUF(64 << 20);
    assert_ok(btz_file_read(path, (64 << 20) - 65537, out));
}

static inline void write_whole(const char *path, struct btz_slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_ok(btz_fd_write_all(fd, bytes, path));
    close(fd);
}

static inline void copy_tree(const char *from, const char *to)
{
    struct files *f = calloc(1, sizeof *f);

    assert_non_null(f);
    list_files(from, f);
    for (size_t i = 0; i < f->count; i++) {
        char *a = join(from, f->name[i]), *b = join(to, f->name[i]), *slash = strrchr(b, '/');
        struct btz_buf bytes;

        *slash = '\0';
        assert_ok(btz_file_mkdirs(b, 0755));
        *slash = '/';
        read_whole(a, &bytes);
        write_whole(b, btz_buf_slice(&bytes));
        btz_buf_release(&bytes);
        free(a);
        free(b);
    }
    free_files(f);
    free(f);
}

/* Entry number i of a test ledger: its own text, of a length that varies, 0 included. */
static inline struct btz_slice entry_text(uint64_t i, char out[600])
{
    static const char filling[] =
        "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs; ";
    size_t len = i % 7 == 3 ? 0 : (size_t)snprintf(out, 600, "{\"entry\":%" PRIu64 "}", i);

    if (i % 5 == 0)
        for (size_t n = (size_t)(i * 37 % 400); n > 0; n--)
            out[len++] = filling[n % (sizeof filling - 1)];
    return btz_slice_of(out, len);
}

static inline void append_range(struct btz_ledger *l, uint64_t from, uint64_t to)
{
    struct btz_slice *entries = calloc((size_t)(to - from), sizeof *entries);
    char(*text)[600] = calloc((size_t)(to - from), sizeof *text);
    uint64_t first = UINT64_MAX;

    assert_true(entries && text);
    for (uint64_t i = from; i < to; i++)
        entries[i - from] = entry_text(i, text[i - from]);
    assert_ok(btz_ledger_append(l, entries, (size_t)(to - from), &first));
    assert_int_equal(first, from);
    free(entries);
    free(text);
}

static inline void assert_entry(struct btz_ledger *l, uint64_t i)
{
    BTZ_BUF_RELEASE struct btz_buf got = BTZ_BUF(70000);
    char text[600];

    assert_ok(btz_ledger_entry(l, i, &got));
    if (!btz_slice_equal(btz_buf_slice(&got), entry_text(i, text)))
        fail_msg("entry %" PRIu64 " is not what was appended", i);
}

static inline void verify_folder(const char *dir, struct btz_slice witness,
                                 struct btz_ledger_check *out)
{
    assert_ok(btz_ledger_verify(dir, btz_str(NULL), witness, out));
}

static inline void assert_intact(const char *dir, uint64_t size)
{
    struct btz_ledger_check c;

    verify_folder(dir, btz_str(NULL), &c);
    if (!c.intact)
        fail_msg("not intact: %s", c.what);
    assert_int_equal(c.size, size);
    assert_int_equal(c.entries_read, size);
    assert_int_equal(c.first_bad, size);
}

#endif
