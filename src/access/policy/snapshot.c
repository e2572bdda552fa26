/* Snapshot files: published by one writer at a time, followed by readers in any process. */
#include "access/policy/snapshot.h"

#include "base/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD_SIZE 4096
#define LOOK_NS                                                                                    \
    500000000ULL /* a replaced or lost file is seen within a second whatever happened to the word */

/* "<folder of path>/generation" */
static char *word_path_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    int n = slash ? (int)(slash - path) + 1 : 0;
    char *out = NULL;

    return asprintf(&out, "%.*sgeneration", n, path) < 0 ? NULL : out;
}

/* ---- writing ---- */

static enum btz_err open_word(const char *path, int *out)
{
    BTZ_CLOSE_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;

    if (fd < 0)
        return btz_fail_errno(BTZ_IO, "open %s", path);
    if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0 ||
        (st.st_size < WORD_SIZE && ftruncate(fd, WORD_SIZE) < 0))
        return btz_fail_errno(BTZ_IO, "%s", path);
    *out = fd;
    fd = -1;
    return BTZ_OK;
}

/* The generation of the file that is there; 0 when there is none or it is not ours. */
static uint64_t generation_there(const char *path, const uint8_t secret[32])
{
    struct btz_snapshot *s;
    uint64_t generation;

    if (access(path, F_OK) < 0 || btz_snapshot_open(path, secret, &s) != BTZ_OK)
        return 0;
    generation = btz_snapshot_generation(s);
    btz_snapshot_close(s);
    return generation;
}

static char *staged_path(const char *path, uint64_t generation)
{
    char *out = NULL;

    return asprintf(&out, "%s.%" PRIu64, path, generation) < 0 ? NULL : out;
}

enum btz_err btz_snapshot_stage(const struct btz_policy_model *model, uint64_t generation,
                                const uint8_t secret[32], const char *path)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF((size_t)BTZ_SNAP_MAX);
    BTZ_FREE char *staged = staged_path(path, generation);
    BTZ_FREE char *word_path = word_path_of(path);
    BTZ_CLOSE_FD int fd = -1;

    if (!staged || !word_path)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_snapshot_compile(model, generation, secret, &bytes));
    BTZ_TRY(open_word(word_path, &fd)); /* its page too must be there before the change */
    return btz_file_write(staged, btz_buf_slice(&bytes), 0600);
}

void btz_snapshot_unstage(uint64_t generation, const char *path)
{
    BTZ_FREE char *staged = staged_path(path, generation);

    if (staged)
        unlink(staged);
}

enum btz_err btz_snapshot_publish(uint64_t generation, const uint8_t secret[32], const char *path)
{
    BTZ_FREE char *staged = staged_path(path, generation);
    BTZ_FREE char *word_path = word_path_of(path);
    BTZ_CLOSE_FD int fd = -1;
    struct btz_cover *cover = NULL;
    uint64_t there, *word;
    enum btz_err err;

    if (!staged || !word_path)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(open_word(word_path, &fd)); /* the lock goes with the descriptor */
    there = generation_there(path, secret);
    if (there > generation) {
        unlink(staged);
        return btz_fail(BTZ_CONFLICT,
                        "%s: generation %" PRIu64 " is there already, newer than %" PRIu64, path,
                        there, generation);
    }
    word = mmap(NULL, WORD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (word == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", word_path);
    err = btz_cover(word, WORD_SIZE, &cover);
    if (err == BTZ_OK && rename(staged, path) < 0)
        err = btz_fail_errno(BTZ_IO, "rename to %s", path);
    /* After the file: a reader that sees the new number finds the new file. Where the page was cut just now, he looks at
     * the file by its name soon. */
    if (err == BTZ_OK)
        __atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
    btz_uncover(cover);
    munmap(word, WORD_SIZE);
    return err == BTZ_OK ? btz_file_sync_folder(path) : err;
}

enum btz_err btz_snapshot_write(const struct btz_policy_model *model, uint64_t generation,
                                const uint8_t secret[32], const char *path)
{
    BTZ_TRY(btz_snapshot_stage(model, generation, secret, path));
    return btz_snapshot_publish(generation, secret, path);
}

/* ---- reading ---- */

static void unmap(struct btz_snapshot *s)
{
    if (s->map)
        munmap(s->map, s->map_len);
    s->map = NULL;
}

static void drop_word(struct btz_snapshot *s)
{
    btz_uncover(s->word_cover);
    if (s->word)
        munmap((void *)(uintptr_t)s->word, WORD_SIZE);
    s->word = NULL;
    s->word_cover = NULL;
}

static enum btz_err map_word(struct btz_snapshot *s)
{
    BTZ_CLOSE_FD int fd = open(s->word_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    enum btz_err err;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "open %s", s->word_path);
    if (st.st_size < WORD_SIZE)
        return btz_fail(BTZ_INPUT, "%s: cut; a restart of the daemon makes it anew", s->word_path);
    p = mmap(NULL, WORD_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return btz_fail_errno(BTZ_IO, "map %s", s->word_path);
    s->word = p;
    err = btz_cover(p, WORD_SIZE, &s->word_cover);
    if (err != BTZ_OK) {
        drop_word(s);
        return err;
    }
    s->word_device = st.st_dev;
    s->word_inode = st.st_ino;
    return BTZ_OK;
}

static enum btz_err check_mac(const struct btz_snapshot *s, struct btz_slice bytes)
{
    uint8_t mac[BTZ_SNAP_MAC];

    if (bytes.len < BTZ_SNAP_MAC + sizeof(struct btz_snap_header))
        return btz_fail(BTZ_INPUT, "%s: no snapshot of policies: %zu bytes", s->path, bytes.len);
    if (crypto_generichash(mac, sizeof mac, bytes.ptr, bytes.len - BTZ_SNAP_MAC, s->secret,
                           sizeof s->secret) != 0)
        return btz_fail(BTZ_INTERNAL, "BLAKE2b failed");
    if (!btz_equal_ct(mac, bytes.ptr + bytes.len - BTZ_SNAP_MAC, BTZ_SNAP_MAC))
        return btz_fail(BTZ_INPUT,
                        "%s: damaged snapshot, or not of this installation: its MAC is wrong",
                        s->path);
    return BTZ_OK;
}

/* Reads and verifies what is there now; the old one stays until the new one is good. */
static enum btz_err load(struct btz_snapshot *s)
{
    BTZ_CLOSE_FD int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct btz_snap_view view;
    struct stat st;
    enum btz_err err;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "open %s", s->path);
    if (!S_ISREG(st.st_mode) || st.st_size < BTZ_SNAP_MAC || (uint64_t)st.st_size > BTZ_SNAP_MAX)
        return btz_fail(BTZ_INPUT, "%s: no snapshot of policies", s->path);
    /* A copy: what was verified stays so, whoever cuts or overwrites the file. */
    p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "memory for %s", s->path);
    err = btz_fd_pread_all(fd, p, (size_t)st.st_size, 0, s->path);
    if (err == BTZ_OK)
        err = check_mac(s, btz_slice_of(p, (size_t)st.st_size));
    if (err == BTZ_OK)
        err = btz_snap_check(btz_slice_of(p, (size_t)st.st_size - BTZ_SNAP_MAC), s->path, &view);
    if (err != BTZ_OK) {
        munmap(p, (size_t)st.st_size);
        return err;
    }
    unmap(s);
    s->view = view;
    s->map = p;
    s->map_len = (size_t)st.st_size;
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return BTZ_OK;
}

static enum btz_err reload(struct btz_snapshot *s)
{
    enum btz_err err = BTZ_OK;

    s->broken = true;
    s->looked_ns = btz_clock_ns();
    if (btz_is_cut(s->word_cover))
        drop_word(s);
    if (!s->word)
        err = map_word(s);
    if (err != BTZ_OK)
        return err;
    /* Before the file is opened: a change after this is seen the next time. */
    s->seen = __atomic_load_n(s->word, __ATOMIC_ACQUIRE);
    BTZ_TRY(load(s));
    s->broken = false;
    return BTZ_OK;
}

/* By name: was a file replaced behind the back of the word (a writer killed in between, a folder put back)? */
static bool is_replaced(struct btz_snapshot *s)
{
    struct stat file, word;

    s->looked_ns = btz_clock_ns();
    if (stat(s->path, &file) < 0 || stat(s->word_path, &word) < 0)
        return true;
    if (word.st_dev != s->word_device || word.st_ino != s->word_inode) {
        drop_word(s);
        return true;
    }
    return file.st_dev != s->device || file.st_ino != s->inode;
}

enum btz_err btz_snapshot_refresh(struct btz_snapshot *s)
{
    if (!s->path)
        return BTZ_OK;
    if (!s->broken && __atomic_load_n(s->word, __ATOMIC_ACQUIRE) == s->seen &&
        !btz_is_cut(s->word_cover) && (btz_clock_ns() - s->looked_ns < LOOK_NS || !is_replaced(s)))
        return BTZ_OK;
    return reload(s);
}

enum btz_err btz_snapshot_open(const char *path, const uint8_t secret[32],
                               struct btz_snapshot **out)
{
    struct btz_snapshot *s = calloc(1, sizeof *s);
    enum btz_err err;

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    s->path = strdup(path);
    s->word_path = word_path_of(path);
    memcpy(s->secret, secret, sizeof s->secret);
    err = s->path && s->word_path ? reload(s) : btz_fail(BTZ_LIMIT, "out of memory");
    if (err != BTZ_OK) {
        btz_snapshot_close(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

enum btz_err btz_snapshot_of(struct btz_slice bytes, struct btz_snapshot **out)
{
    struct btz_snapshot *s = calloc(1, sizeof *s);
    enum btz_err err;

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = btz_snap_check(bytes, "snapshot", &s->view);
    if (err != BTZ_OK) {
        free(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

void btz_snapshot_close(struct btz_snapshot *s)
{
    if (!s)
        return;
    unmap(s);
    drop_word(s);
    btz_wipe(s->secret, sizeof s->secret);
    free(s->path);
    free(s->word_path);
    free(s);
}

uint64_t btz_snapshot_generation(const struct btz_snapshot *s)
{
    return s->view.header->generation;
}

/* ---- look-ups ---- */

static const char *text_at(const struct btz_snapshot *s, struct btz_snap_text t)
{
    return (const char *)btz_snap_at(&s->view, BTZ_SNAP_STRINGS) + t.at;
}

uint32_t btz_snapshot_principal(const struct btz_snapshot *s, const char *id_or_name)
{
    return btz_snapshot_principal_of(s, btz_str(id_or_name));
}

uint32_t btz_snapshot_principal_of(const struct btz_snapshot *s, struct btz_slice word)
{
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);
    const uint8_t *strings = btz_snap_at(&s->view, BTZ_SNAP_STRINGS);
    const uint32_t *slots = btz_snap_at(&s->view, BTZ_SNAP_NAMES);
    uint32_t mask = (uint32_t)btz_snap_count(&s->view, BTZ_SNAP_NAMES) - 1;
    uint32_t at = (uint32_t)btz_snap_mix(btz_snap_hash(word), 0, false) & mask;

    for (; slots[at] > 0; at = (at + 1) & mask) {
        const struct btz_snap_principal *found = &p[slots[at] - 1];

        if (btz_slice_equal(word, btz_slice_of(strings + found->id.at, found->id.len)) ||
            btz_slice_equal(word, btz_slice_of(strings + found->name.at, found->name.len)))
            return slots[at] - 1;
    }
    return BTZ_NOBODY;
}

const char *btz_snapshot_principal_id(const struct btz_snapshot *s, uint32_t principal)
{
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);

    return principal < btz_snap_count(&s->view, BTZ_SNAP_PRINCIPALS) ? text_at(s, p[principal].id)
                                                                     : "";
}

const char *btz_snapshot_principal_name(const struct btz_snapshot *s, uint32_t principal)
{
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);

    return principal < btz_snap_count(&s->view, BTZ_SNAP_PRINCIPALS) ? text_at(s, p[principal].name)
                                                                     : "";
}

size_t btz_snapshot_groups(const struct btz_snapshot *s, uint32_t principal, struct btz_slice *out,
                           size_t max)
{
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);
    const struct btz_snap_text *groups = btz_snap_at(&s->view, BTZ_SNAP_GROUPS);
    const uint32_t *lists = btz_snap_at(&s->view, BTZ_SNAP_GROUP_LISTS);

    if (principal >= btz_snap_count(&s->view, BTZ_SNAP_PRINCIPALS))
        return 0;
    for (uint32_t i = 0; i < p[principal].groups.count && i < max; i++) {
        struct btz_snap_text name = groups[lists[p[principal].groups.at + i]];

        out[i] = btz_slice_of(text_at(s, name), name.len);
    }
    return p[principal].groups.count;
}

uint32_t btz_snapshot_key(const struct btz_snapshot *s, const uint8_t hash[BTZ_SHA256_LEN],
                          uint32_t *principal)
{
    const struct btz_snap_key *keys = btz_snap_at(&s->view, BTZ_SNAP_KEYS);
    const struct btz_snap_slot *slots = btz_snap_at(&s->view, BTZ_SNAP_KEY_SLOTS);
    uint32_t mask = (uint32_t)btz_snap_count(&s->view, BTZ_SNAP_KEY_SLOTS) - 1, tag, at;

    *principal = BTZ_NOBODY;
    if (s->broken)
        return BTZ_NOBODY;
    memcpy(&tag, hash, sizeof tag);
    memcpy(&at, hash + 4, sizeof at);
    for (at &= mask; slots[at].index > 0; at = (at + 1) & mask) {
        const struct btz_snap_key *k = &keys[slots[at].index - 1];

        if (slots[at].tag != tag || !btz_equal_ct(k->hash, hash, BTZ_SHA256_LEN))
            continue;
        *principal = k->principal;
        return slots[at].index - 1;
    }
    return BTZ_NOBODY;
}

const char *btz_snapshot_key_id(const struct btz_snapshot *s, uint32_t key)
{
    const struct btz_snap_key *keys = btz_snap_at(&s->view, BTZ_SNAP_KEYS);

    return key < btz_snap_count(&s->view, BTZ_SNAP_KEYS) ? text_at(s, keys[key].id) : "";
}

uint32_t btz_snapshot_key_named(const struct btz_snapshot *s, const char *id)
{
    const struct btz_snap_key *keys = btz_snap_at(&s->view, BTZ_SNAP_KEYS);
    uint32_t low = 0, high = (uint32_t)btz_snap_count(&s->view, BTZ_SNAP_KEYS);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int c = strcmp(text_at(s, keys[middle].id), id);

        if (c == 0)
            return middle;
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return BTZ_NOBODY;
}

const char *btz_snapshot_rule_id(const struct btz_snapshot *s, uint32_t rule)
{
    const struct btz_snap_rule *rules = btz_snap_at(&s->view, BTZ_SNAP_RULES);

    return rule < btz_snap_count(&s->view, BTZ_SNAP_RULES) ? text_at(s, rules[rule].id) : "";
}
