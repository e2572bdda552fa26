/* The background verifier. */
#include "access/vault/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK         ((size_t)1 << 20)
#define READ_EVERY_MS 86400000u
#define ORPHAN_MS     3600000u
#define SPOOLED_MS    (2 * ORPHAN_MS)
#define PAGE          200
#define HEX           (2 * BTZ_SHA256_LEN)
#define UNPROVEN      16 /* files that are remembered as touched while they were read */
#define UNPROVEN_MAX  5  /* readings that prove nothing, until it is an alarm */

struct unproven {
    char hex[HEX + 1];
    unsigned times;
};
struct btz_vault_watch {
    struct btz_access *a;
    char hex[HEX + 1];  /* of the file that is being read; "" none */
    char last[HEX + 1]; /* suspect that was read last: the next one after it has its turn */
    bool suspect;       /* what is being read looked touched */
    struct unproven unproven[UNPROVEN];
    unsigned unproven_next;
    int fd;
    struct btz_sha256 hash;
    struct btz_file_seen seen; /* when reading began */
    uint64_t swept_ms;
    struct btz_buf block;
};

enum btz_err btz_vault_watch_new(struct btz_access *a, struct btz_vault_watch **out)
{
    struct btz_vault_watch *w = calloc(1, sizeof *w);

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w->a = a;
    w->fd = -1;
    w->block = BTZ_BUF(BLOCK);
    *out = w;
    return BTZ_OK;
}

static void drop(struct btz_vault_watch *w, uint8_t digest[BTZ_SHA256_LEN])
{
    if (w->hex[0])
        btz_sha256_end(&w->hash, digest);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->hex[0] = '\0';
    w->suspect = false;
}

void btz_vault_watch_free(struct btz_vault_watch *w)
{
    uint8_t unused[BTZ_SHA256_LEN];

    if (!w)
        return;
    drop(w, unused);
    btz_buf_release(&w->block);
    free(w);
}

/* ---- what can be seen at once ---- */

struct row {
    char hex[HEX + 1];
    struct btz_file_seen seen;
};
struct page {
    struct row rows[PAGE];
    size_t count;
};

static enum btz_err keep_row(void *user, const struct btz_value *v, size_t count)
{
    struct page *p = user;
    struct row *r = &p->rows[p->count++];

    (void)count;
    snprintf(r->hex, sizeof r->hex, "%.*s", BTZ_SLICE_ARG(v[0].bytes));
    r->seen = (struct btz_file_seen){ .size = (uint64_t)v[1].i,
                                      .inode = (uint64_t)v[2].i,
                                      .mtime_ns = (uint64_t)v[3].i,
                                      .ctime_ns = (uint64_t)v[4].i };
    return BTZ_OK;
}

struct suspects { /* in the order of their names; "" none */
    char first[HEX + 1], next[HEX + 1];
};

/* Missing or of another size: no need to read it. `out` gets those that must be read. */
static enum btz_err look_at(struct btz_vault_watch *w, struct btz_store *s, const struct row *r,
                            struct suspects *out)
{
    struct btz_file_seen seen;
    enum btz_err err = btz_vault_look(w->a, r->hex, &seen);

    if (err == BTZ_OK && btz_seen_equal(&seen, &r->seen))
        return BTZ_OK;
    if (err == BTZ_INPUT) {
        char why[256];

        snprintf(why, sizeof why, "%s", btz_error_detail());
        return btz_vault_alarm(w->a, s, r->hex, why);
    }
    BTZ_TRY(err);
    if (seen.size != r->seen.size)
        return btz_vault_alarm(w->a, s, r->hex, "its size is another one");
    if (!out->first[0])
        memcpy(out->first, r->hex, sizeof out->first);
    if (!out->next[0] && strcmp(r->hex, w->last) > 0)
        memcpy(out->next, r->hex, sizeof out->next);
    return BTZ_OK;
}

static enum btz_err look_at_all(struct btz_vault_watch *w, struct btz_store *s,
                                struct suspects *out)
{
    char after[HEX + 1] = "";
    struct page *p = calloc(1, sizeof *p);
    enum btz_err err = p ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");

    while (err == BTZ_OK) {
        const struct btz_value v[] = { btz_value_str(after), btz_value_int(PAGE) };

        p->count = 0;
        err = btz_store_query(s,
                              "SELECT hex, size, inode, mtime_ns, ctime_ns FROM vault_files WHERE "
                              "hex > ? AND damaged_ms = 0 ORDER BY hex LIMIT ?",
                              v, 2, keep_row, p);
        for (size_t i = 0; i < p->count && err == BTZ_OK; i++)
            err = look_at(w, s, &p->rows[i], out);
        if (p->count < PAGE)
            break;
        memcpy(after, p->rows[PAGE - 1].hex, sizeof after);
    }
    free(p);
    return err;
}

/* ---- content, in slices ---- */

static enum btz_err begin(struct btz_vault_watch *w, const char *hex)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const char *path;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_look(w->a, hex, &w->seen));
    BTZ_TRY(btz_vault_path(w->a, &arena, hex, &path));
    w->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (w->fd < 0)
        return btz_fail_errno(BTZ_IO, "%s", path);
    btz_sha256_init(&w->hash);
    snprintf(w->hex, sizeof w->hex, "%s", hex);
    return BTZ_OK;
}

static enum btz_err choose(struct btz_vault_watch *w, struct btz_store *s,
                           const char suspect[HEX + 1])
{
    uint64_t now = btz_access_now_ms(w->a);
    const struct btz_value v[] = { btz_value_int(
        now > READ_EVERY_MS ? (int64_t)(now - READ_EVERY_MS) : 0) };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value *row;
    uint8_t unused[BTZ_SHA256_LEN];

    btz_arena_init(&arena, 65536);
    /* What looks touched goes before what is merely due, one after the other: one that is touched again and again
     * must not keep the others from being read. */
    if (suspect[0] && !w->suspect) {
        memcpy(w->last, suspect, sizeof w->last);
        if (strcmp(suspect, w->hex) != 0) {
            drop(w, unused);
            BTZ_TRY(begin(w, suspect));
        }
        w->suspect = true;
        return BTZ_OK;
    }
    if (w->hex[0])
        return BTZ_OK;
    BTZ_TRY(btz_store_one(s,
                          "SELECT hex FROM vault_files WHERE damaged_ms = 0 AND verified_ms < ? "
                          "ORDER BY verified_ms, hex LIMIT 1",
                          v, 1, &arena, 1, &row));
    return row ? begin(w, (const char *)row[0].bytes.ptr) : BTZ_OK;
}

static enum btz_err prove(struct btz_vault_watch *w, struct btz_store *s, const char *hex)
{
    enum btz_err err;

    BTZ_TRY(btz_store_begin(s));
    err = btz_vault_proven(w->a, s, hex, &w->seen);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK)
        btz_store_rollback(s);
    return err;
}

/* Proves nothing: it was touched in the meantime. Nobody has a reason to do so for ever. */
static enum btz_err touched(struct btz_vault_watch *w, struct btz_store *s, const char hex[HEX + 1])
{
    struct unproven *u = NULL;
    char why[80];

    for (size_t i = 0; i < UNPROVEN; i++)
        if (strcmp(w->unproven[i].hex, hex) == 0)
            u = &w->unproven[i];
    if (!u) {
        u = &w->unproven[w->unproven_next++ % UNPROVEN];
        memcpy(u->hex, hex, sizeof u->hex);
        u->times = 0;
    }
    if (++u->times < UNPROVEN_MAX)
        return BTZ_OK;
    u->hex[0] = '\0';
    snprintf(why, sizeof why, "it was touched in each of %d readings", UNPROVEN_MAX);
    return btz_vault_alarm(w->a, s, hex, why);
}

static void forget(struct btz_vault_watch *w, const char *hex)
{
    for (size_t i = 0; i < UNPROVEN; i++)
        if (strcmp(w->unproven[i].hex, hex) == 0)
            w->unproven[i].hex[0] = '\0';
}

/* Its end was reached. What was touched while it was read proves nothing: the next turn begins anew. */
static enum btz_err conclude(struct btz_vault_watch *w, struct btz_store *s)
{
    char hex[HEX + 1], found[HEX + 1], why[160];
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_file_seen now;

    memcpy(hex, w->hex, sizeof hex);
    drop(w, digest);
    btz_hex(digest, sizeof digest, found);
    if (strcmp(found, hex) == 0) {
        if (btz_vault_look(w->a, hex, &now) != BTZ_OK || !btz_seen_equal(&now, &w->seen))
            return touched(w, s, hex);
        forget(w, hex);
        return prove(w, s, hex);
    }
    snprintf(why, sizeof why, "the content is another one (sha256:%s)", found);
    return btz_vault_alarm(w->a, s, hex, why);
}

static enum btz_err read_on(struct btz_vault_watch *w, struct btz_store *s, uint64_t read_max)
{
    BTZ_TRY(btz_buf_reserve(&w->block, BLOCK));
    while (w->hex[0] && read_max > 0) {
        size_t n = read_max < BLOCK ? (size_t)read_max : BLOCK;
        ssize_t got = read(w->fd, w->block.ptr, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            uint8_t unused[BTZ_SHA256_LEN];
            enum btz_err err = btz_fail_errno(BTZ_IO, "vault/%s", w->hex);

            drop(w, unused);
            return err;
        }
        if (got == 0)
            return conclude(w, s);
        btz_sha256_add(&w->hash, btz_slice_of(w->block.ptr, (size_t)got));
        read_max -= (uint64_t)got;
    }
    return BTZ_OK;
}

/* ---- what nobody registered ---- */

static bool is_ours(const char *name)
{
    uint8_t digest[BTZ_SHA256_LEN];

    return strncmp(name, ".new-", 5) == 0 ||
           (strlen(name) == HEX && btz_unhex(btz_str(name), digest, sizeof digest) == BTZ_OK);
}

static enum btz_err is_registered(struct btz_store *s, const char *name, bool *out)
{
    const struct btz_value v[] = { btz_value_str(name) };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value *row;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT size FROM vault_files WHERE hex = ?", v, 1, &arena, 1, &row));
    *out = row != NULL;
    return BTZ_OK;
}

static enum btz_err take_away(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
        return btz_fail_errno(BTZ_IO, "vault/%s", name);
    return BTZ_OK;
}

static enum btz_err sweep_one(struct btz_store *s, int folder, const char *name, uint64_t now_ms)
{
    bool registered;
    struct stat st;

    if (!is_ours(name) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return BTZ_OK;
    if (name[0] == '.')
        return btz_vault_abandoned(folder, name) ? take_away(folder, name) : BTZ_OK;
    /* Younger ones may be on their way in. */
    if ((uint64_t)st.st_ctim.tv_sec * 1000 + ORPHAN_MS > now_ms)
        return BTZ_OK;
    BTZ_TRY(is_registered(s, name, &registered));
    return registered ? BTZ_OK : take_away(folder, name);
}

/* Bodies of uploads whose worker died. Those that are being sent are written to, those that are being taken in are no
 * older than the front waits for an answer. */
static enum btz_err sweep_spool(struct btz_vault_watch *w)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint64_t now_ms = btz_access_now_ms(w->a);
    enum btz_err err = BTZ_OK;
    struct dirent *entry;
    const char *path;
    struct stat st;
    DIR *folder;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_vault_spool(w->a, &arena, &path));
    folder = opendir(path);
    if (!folder)
        return errno == ENOENT ? BTZ_OK : btz_fail_errno(BTZ_IO, "%s", path);
    while (err == BTZ_OK && (entry = readdir(folder)) != NULL)
        if (fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && (uint64_t)st.st_mtim.tv_sec * 1000 + SPOOLED_MS < now_ms)
            err = take_away(dirfd(folder), entry->d_name);
    closedir(folder);
    return err;
}

static enum btz_err sweep(struct btz_vault_watch *w, struct btz_store *s)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint64_t now_ms = btz_access_now_ms(w->a);
    enum btz_err err = BTZ_OK;
    struct dirent *entry;
    const char *path;
    DIR *folder;

    btz_arena_init(&arena, 65536);
    if (w->swept_ms && now_ms < w->swept_ms + ORPHAN_MS / 4)
        return BTZ_OK;
    BTZ_TRY(btz_vault_folder(w->a, &arena, &path));
    folder = opendir(path);
    if (!folder)
        return btz_fail_errno(BTZ_IO, "%s", path);
    while (err == BTZ_OK && (entry = readdir(folder)) != NULL)
        err = sweep_one(s, dirfd(folder), entry->d_name, now_ms);
    closedir(folder);
    w->swept_ms = now_ms;
    return err == BTZ_OK ? sweep_spool(w) : err;
}

static enum btz_err turn(struct btz_vault_watch *w, struct btz_store *s, uint64_t read_max)
{
    struct suspects found = { .first = "" };

    BTZ_TRY(look_at_all(w, s, &found));
    BTZ_TRY(choose(w, s, found.next[0] ? found.next : found.first));
    BTZ_TRY(read_on(w, s, read_max));
    return sweep(w, s);
}

enum btz_err btz_vault_watch_turn(struct btz_vault_watch *w, uint64_t read_max)
{
    struct btz_store *s;
    enum btz_err err;

    BTZ_TRY(btz_access_store(w->a, &s));
    err = turn(w, s, read_max);
    btz_access_store_back(w->a, s);
    return err;
}
