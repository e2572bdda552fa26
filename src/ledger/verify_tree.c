/*
 * Proves every entry from the signed root, and finds out which file is wrong when one is.
 *
 * There are two accounts of each hash: what the entries give (K) and what the tiles say (S). Reading bottom-up
 * gives K; the signed root then decides top-down, tile by tile, which account is true (T). An entry is proven when
 * its own hash leads to the root; a tile is damaged when it differs from a true account.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger/verify.h"

void btz_problem(struct btz_problems *p, const char *fmt, ...)
{
    va_list args;

    if (p->count++ > 0)
        return;
    va_start(args, fmt);
    vsnprintf(p->what, sizeof p->what, fmt, args);
    va_end(args);
}

void btz_problem_entry(struct btz_problems *p, uint64_t index, const char *fmt, ...)
{
    va_list args;

    p->count++;
    if (p->entry && p->first_bad <= index)
        return;
    p->entry = true;
    p->first_bad = index;
    va_start(args, fmt);
    vsnprintf(p->what, sizeof p->what, fmt, args);
    va_end(args);
}

enum { BUNDLE_OK = 1, TILE_OK = 2, SAME = 4 };

/* Hashes at one level of tiles; level 0 keeps only its partial tile. */
struct level {
    uint64_t full, count; /* full tiles; hashes */
    unsigned width;       /* of the partial tile */
    struct btz_hash *k, *t;
    uint8_t *k_known, *t_known;
    struct btz_hash k_tail[BTZ_TILE_WIDTH], s_tail[BTZ_TILE_WIDTH];
    bool k_tail_known, s_tail_known;
    char s_tail_error[256];
};

struct work {
    struct btz_tree_check *in;
    unsigned levels;
    struct level level[BTZ_TILE_LEVELS];
    uint8_t *flags;          /* of the bundle and level-0 tile of each index */
    struct btz_hash *s_root; /* of level-0 tiles that differ from K */
    struct btz_edge edge;    /* of the entries as read, for the witness' size */
    bool edge_known;
    struct btz_buf bytes, part;
    struct btz_bundle bundle;
    struct btz_hash leaf[BTZ_TILE_WIDTH], tile[BTZ_TILE_WIDTH];
};

/* ---- reading ---- */

/* Damage is for the report; that the system refuses to read is an error. */
static bool is_damage(enum btz_err err)
{
    return err == BTZ_INPUT || err == BTZ_CONFLICT;
}

/* What a partial tile still holds must be the beginning of the wider one. `end_of` gives a prefix' length. */
static void check_partials(struct work *w, int level, uint64_t n, unsigned width,
                           struct btz_slice whole, size_t (*end_of)(const struct work *, unsigned))
{
    struct btz_tree_check *in = w->in;
    bool open_end = n == btz_tile_full(level, in->size);
    char path[BTZ_TILE_PATH];
    struct dirent *item;
    DIR *list;
    int fd;

    btz_tile_path(level, n, 0, path);
    fd = openat(in->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        btz_close_fd(&fd);
        return;
    }
    while ((item = readdir(list)) != NULL) {
        uint64_t part;
        size_t end;
        enum btz_err err;

        if (btz_parse_u64(btz_str(item->d_name), &part) != BTZ_OK || part == 0 || part > 255)
            continue;
        if (open_end && part > width)
            continue; /* past the checkpoint */
        btz_tile_path(level, n, (unsigned)part, path);
        end = end_of(w, (unsigned)part);
        err = btz_read_at(in->dir, in->dir_name, path, BTZ_BUNDLE_MAX, &w->part);
        if (err != BTZ_OK && faccessat(in->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* a writer replaced it with the full one just now */
        if (err != BTZ_OK ||
            !btz_slice_equal(btz_buf_slice(&w->part), btz_slice_sub(whole, 0, end)))
            btz_problem(in->problems,
                        "%s: an older partial tile that differs from the current one: it was "
                        "changed",
                        path);
    }
    closedir(list);
}

static size_t hashes_end(const struct work *w, unsigned width)
{
    (void)w;
    return width * sizeof(struct btz_hash);
}

static size_t entries_end(const struct work *w, unsigned width)
{
    return (size_t)(w->bundle.entry[width - 1].ptr + w->bundle.entry[width - 1].len - w->bytes.ptr);
}

/* Bundle and level-0 tile of index n into w->bundle, w->leaf, w->tile; what is usable into *flags. */
static enum btz_err read_leaves(struct work *w, uint64_t n, unsigned width, uint8_t *flags)
{
    struct btz_tree_check *in = w->in;
    bool prefix = false;
    enum btz_err err;

    *flags = 0;
    w->bundle.count = 0;
    err = btz_bundle_read(in->dir, in->dir_name, n, width, &w->bytes, &prefix);
    if (err == BTZ_OK)
        err = btz_bundle_parse(btz_buf_slice(&w->bytes), width, prefix, "bundle", &w->bundle);
    if (err == BTZ_OK)
        *flags |= BUNDLE_OK;
    else if (!is_damage(err))
        return err;
    for (unsigned i = 0; i < w->bundle.count; i++)
        btz_merkle_leaf(w->bundle.entry[i], &w->leaf[i]);
    err = btz_tile_read(in->dir, in->dir_name, 0, n, width, w->tile);
    if (err == BTZ_OK)
        *flags |= TILE_OK;
    else if (!is_damage(err))
        return err;
    if (*flags == (BUNDLE_OK | TILE_OK) && memcmp(w->leaf, w->tile, width * sizeof w->leaf[0]) == 0)
        *flags |= SAME;
    return BTZ_OK;
}

static void add_leaf(struct work *w, const struct btz_hash *leaf)
{
    if (w->edge.size == w->in->witness_size) {
        btz_edge_root(&w->edge, &w->in->witness_root);
        w->in->has_witness_root = true;
    }
    if (btz_edge_add(&w->edge, leaf, NULL, NULL) != BTZ_OK)
        w->edge_known = false;
}

static enum btz_err scan_one(struct work *w, uint64_t n, unsigned width)
{
    struct btz_tree_check *in = w->in;
    struct level *zero = &w->level[0];
    bool known;
    uint8_t flags;

    BTZ_TRY(read_leaves(w, n, width, &flags));
    w->flags[n] = flags;
    in->entries_read += w->bundle.count;
    if (in->entry)
        for (unsigned i = 0; i < w->bundle.count; i++)
            in->entry(in->user, n * BTZ_TILE_WIDTH + i, w->bundle.entry[i]);
    if (flags & SAME) {
        check_partials(w, BTZ_TILE_ENTRIES, n, width, btz_buf_slice(&w->bytes), entries_end);
        check_partials(w, 0, n, width, btz_slice_of(w->tile, sizeof w->tile), hashes_end);
    }
    /* Where an entry cannot be read, the tile speaks for it: what comes behind can still be proven. */
    known = w->bundle.count == width || (flags & TILE_OK);
    if (known && w->bundle.count < width)
        memcpy(w->leaf + w->bundle.count, w->tile + w->bundle.count,
               (width - w->bundle.count) * sizeof w->leaf[0]);
    w->edge_known = w->edge_known && w->bundle.count == width;
    if (w->edge_known)
        for (unsigned i = 0; i < width; i++)
            add_leaf(w, &w->leaf[i]);
    if (width == BTZ_TILE_WIDTH) {
        if (known)
            btz_tile_root(w->leaf, width, &w->level[1].k[n]);
        w->level[1].k_known[n] = known;
        if ((flags & TILE_OK) && !(flags & SAME))
            btz_tile_root(w->tile, width, &w->s_root[n]);
        return BTZ_OK;
    }
    memcpy(zero->k_tail, w->leaf, sizeof w->leaf);
    memcpy(zero->s_tail, w->tile, sizeof w->tile);
    zero->k_tail_known = known;
    zero->s_tail_known = flags & TILE_OK;
    return BTZ_OK;
}

static enum btz_err scan(struct work *w)
{
    struct level *zero = &w->level[0];

    w->edge_known = true;
    for (uint64_t n = 0; n < zero->full; n++)
        BTZ_TRY(scan_one(w, n, BTZ_TILE_WIDTH));
    if (zero->width > 0)
        BTZ_TRY(scan_one(w, zero->full, zero->width));
    if (w->edge_known && w->edge.size == w->in->witness_size) {
        btz_edge_root(&w->edge, &w->in->witness_root);
        w->in->has_witness_root = true;
    }
    return BTZ_OK;
}

/* ---- upwards: K of every level, S of the partial tiles ---- */

static enum btz_err climb(struct work *w)
{
    for (unsigned l = 1; l < w->levels; l++) {
        struct level *me = &w->level[l];
        uint64_t start = me->full * BTZ_TILE_WIDTH;
        enum btz_err err;

        if (l > 1) {
            const struct level *below = &w->level[l - 1];

            for (uint64_t n = 0; n < me->count; n++) {
                me->k_known[n] = 1;
                for (unsigned i = 0; i < BTZ_TILE_WIDTH; i++)
                    me->k_known[n] &= below->k_known[n * BTZ_TILE_WIDTH + i];
                if (me->k_known[n])
                    btz_tile_root(&below->k[n * BTZ_TILE_WIDTH], BTZ_TILE_WIDTH, &me->k[n]);
            }
        }
        if (me->width == 0)
            continue;
        me->k_tail_known = true;
        for (unsigned i = 0; i < me->width; i++) {
            me->k_tail_known = me->k_tail_known && me->k_known[start + i];
            me->k_tail[i] = me->k[start + i];
        }
        err = btz_tile_read(w->in->dir, w->in->dir_name, l, me->full, me->width, me->s_tail);
        if (err != BTZ_OK && !is_damage(err))
            return err;
        me->s_tail_known = err == BTZ_OK;
        if (err != BTZ_OK)
            snprintf(me->s_tail_error, sizeof me->s_tail_error, "%.255s", btz_error_detail());
    }
    return BTZ_OK;
}

/* ---- downwards: what the signed root says is true ---- */

/* The choice of accounts for the partial tiles that gives the root: bit l set takes S at level l. */
static bool choose_edge(struct work *w, unsigned *choice)
{
    struct btz_edge *e = &w->edge;

    e->size = w->in->size;
    for (unsigned mask = 0; mask < 1u << w->levels; mask++) {
        struct btz_hash root;
        bool possible = true;

        for (unsigned l = 0; l < w->levels; l++) {
            const struct level *me = &w->level[l];
            bool s = mask >> l & 1;

            if (me->width == 0)
                possible = possible && !s;
            else if (s ? !me->s_tail_known : !me->k_tail_known)
                possible = false;
            else
                memcpy(e->hash[l], s ? me->s_tail : me->k_tail, sizeof e->hash[l]);
        }
        if (!possible)
            continue;
        btz_edge_root(e, &root);
        if (btz_hash_equal(&root, &w->in->root)) {
            *choice = mask;
            return true;
        }
    }
    return false;
}

static void report_tile(struct work *w, unsigned l, uint64_t n, unsigned width,
                        const struct btz_hash *is, const struct btz_hash *should)
{
    char path[BTZ_TILE_PATH];
    unsigned i = 0;

    btz_tile_path((int)l, n, width, path);
    while (i + 1 < width && btz_hash_equal(&is[i], &should[i]))
        i++;
    btz_problem(w->in->problems,
                "%s: byte %u: hash %u is not that of the entries it stands for: the tile was "
                "changed; the entries are intact",
                path, i * (unsigned)sizeof *is, i);
}

/* Full tile n of level l >= 1, whose own root is known when t_known. */
static enum btz_err judge_tile(struct work *w, unsigned l, uint64_t n,
                               const struct btz_hash *parent)
{
    struct level *me = &w->level[l];
    uint64_t start = n * BTZ_TILE_WIDTH;
    struct btz_hash root;
    bool k_true = parent != NULL, s_true = false;
    char path[BTZ_TILE_PATH];
    enum btz_err err;

    btz_tile_path((int)l, n, BTZ_TILE_WIDTH, path);
    err = btz_tile_read(w->in->dir, w->in->dir_name, l, n, BTZ_TILE_WIDTH, w->tile);
    if (err != BTZ_OK && !is_damage(err))
        return err;
    for (unsigned i = 0; i < BTZ_TILE_WIDTH; i++)
        k_true = k_true && me->k_known[start + i];
    if (k_true) {
        btz_tile_root(&me->k[start], BTZ_TILE_WIDTH, &root);
        k_true = btz_hash_equal(&root, parent);
    }
    if (err != BTZ_OK) {
        btz_problem(w->in->problems, "%s", btz_error_detail());
    } else if (parent) {
        btz_tile_root(w->tile, BTZ_TILE_WIDTH, &root);
        s_true = btz_hash_equal(&root, parent);
        if (k_true && !s_true)
            report_tile(w, l, n, BTZ_TILE_WIDTH, w->tile, &me->k[start]);
        else if (!s_true)
            btz_problem(w->in->problems, "%s: does not lead to the signed root", path);
        if (s_true)
            check_partials(w, (int)l, n, BTZ_TILE_WIDTH, btz_slice_of(w->tile, sizeof w->tile),
                           hashes_end);
    }
    if (k_true || s_true) {
        memcpy(&me->t[start], k_true ? &me->k[start] : w->tile, sizeof w->tile);
        memset(&me->t_known[start], 1, BTZ_TILE_WIDTH);
    }
    return BTZ_OK;
}

/* ---- entries ---- */

static void bundle_path(const struct work *w, uint64_t n, unsigned width, char path[BTZ_TILE_PATH])
{
    btz_tile_path(BTZ_TILE_ENTRIES, n, width, path);
    if (width < BTZ_TILE_WIDTH && faccessat(w->in->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        char full[BTZ_TILE_PATH];

        btz_tile_path(BTZ_TILE_ENTRIES, n, BTZ_TILE_WIDTH, full);
        if (faccessat(w->in->dir, full, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            memcpy(path, full, sizeof full);
    }
}

/* In words, how the entries from i on differ from the true leaves. */
static void say_difference(const struct work *w, const struct btz_hash *should, unsigned i,
                           unsigned width, char *out, size_t size)
{
    const struct btz_hash *is = w->leaf;
    unsigned count = w->bundle.count, from = 0, other = width;

    while (from < count &&
           !(btz_hash_equal(&is[i], &should[from]) && btz_hash_equal(&is[from], &should[i])))
        from++;
    for (unsigned k = 0; k < width && other == width; k++)
        if (btz_hash_equal(&is[i], &should[k]))
            other = k;
    if (from < count)
        snprintf(out, size, "it changed places with entry %u of this file", from);
    else if (i + 1 < width && btz_hash_equal(&is[i], &should[i + 1]) &&
             (i + 1 >= count || !btz_hash_equal(&is[i + 1], &should[i + 1])))
        snprintf(out, size, "the entry that was logged here was deleted");
    else if (i + 1 < count && btz_hash_equal(&is[i + 1], &should[i]))
        snprintf(out, size, "an entry was put in that was never logged");
    else if (other < width)
        snprintf(out, size, "entry %u of this file stands in its place", other);
    else
        snprintf(out, size, "it is not the entry that was logged: it was changed");
}

/* The first entry of bundle n that is not the one the true leaves ask for. */
static enum btz_err report_bundle(struct work *w, uint64_t n, unsigned width,
                                  const struct btz_hash *should)
{
    struct btz_hash truth[BTZ_TILE_WIDTH];
    char path[BTZ_TILE_PATH], words[128];
    uint64_t index;
    uint8_t flags;
    unsigned i = 0;
    size_t at;

    if (should)
        memcpy(truth, should, width * sizeof *truth);
    BTZ_TRY(read_leaves(w, n, width, &flags));
    if (!should)
        memcpy(truth, w->tile, width * sizeof *truth);
    bundle_path(w, n, width, path);
    while (i < w->bundle.count && btz_hash_equal(&w->leaf[i], &truth[i]))
        i++;
    index = n * BTZ_TILE_WIDTH + i;
    if (w->bundle.count == 0 && faccessat(w->in->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
        btz_problem_entry(w->in->problems, index,
                          "%s: missing: it holds the entries %" PRIu64 " to %" PRIu64, path, index,
                          index + width - 1);
        return BTZ_OK;
    }
    at = i > 0 ? (size_t)(w->bundle.entry[i - 1].ptr + w->bundle.entry[i - 1].len - w->bytes.ptr)
               : 0;
    if (i == width) {
        btz_problem(w->in->problems,
                    "%s: byte %zu: %zu bytes too many behind the last entry; the entries are "
                    "intact",
                    path, at, w->bytes.len - at);
        return BTZ_OK;
    }
    if (i == w->bundle.count) {
        btz_problem_entry(w->in->problems, index,
                          "%s: byte %zu: entry %" PRIu64 " does not fit in what is left: the file "
                          "was cut off (%zu bytes) or the length before the entry was changed",
                          path, at, index, w->bytes.len);
        return BTZ_OK;
    }
    say_difference(w, truth, i, width, words, sizeof words);
    btz_problem_entry(w->in->problems, index, "%s: byte %zu: entry %" PRIu64 ": %s", path, at,
                      index, words);
    return BTZ_OK;
}

static enum btz_err judge_bundle(struct work *w, uint64_t n, const struct btz_hash *parent)
{
    uint8_t flags = w->flags[n];
    bool k_true = parent && w->level[1].k_known[n] && btz_hash_equal(parent, &w->level[1].k[n]);
    bool s_true =
        parent && (flags & TILE_OK) && !(flags & SAME) && btz_hash_equal(parent, &w->s_root[n]);
    char path[BTZ_TILE_PATH];

    if (k_true && flags == (BUNDLE_OK | TILE_OK | SAME))
        return BTZ_OK;
    btz_tile_path(0, n, BTZ_TILE_WIDTH, path);
    if (k_true && (flags & BUNDLE_OK)) {
        uint8_t again;

        if (!(flags & TILE_OK)) {
            btz_problem(w->in->problems,
                        "%s: missing or of the wrong length; the entries are intact", path);
            return BTZ_OK;
        }
        BTZ_TRY(read_leaves(w, n, BTZ_TILE_WIDTH, &again));
        report_tile(w, 0, n, BTZ_TILE_WIDTH, w->tile, w->leaf);
        return BTZ_OK;
    }
    if (k_true || s_true)
        return report_bundle(w, n, BTZ_TILE_WIDTH, NULL);
    bundle_path(w, n, BTZ_TILE_WIDTH, path);
    btz_problem_entry(w->in->problems, n * BTZ_TILE_WIDTH,
                      "%s: neither these entries nor the tiles above them lead to the signed root",
                      path);
    return BTZ_OK;
}

static enum btz_err judge_tails(struct work *w, unsigned choice)
{
    for (unsigned l = w->levels; l-- > 0;) {
        struct level *me = &w->level[l];
        bool s = choice >> l & 1;
        const struct btz_hash *truth = s ? me->s_tail : me->k_tail;
        size_t bytes = me->width * sizeof *truth;
        char path[BTZ_TILE_PATH];

        if (me->width == 0)
            continue;
        btz_tile_path((int)l, me->full, me->width, path);
        if (l > 0) {
            memcpy(&me->t[me->full * BTZ_TILE_WIDTH], truth, bytes);
            memset(&me->t_known[me->full * BTZ_TILE_WIDTH], 1, me->width);
        }
        if (!me->s_tail_known)
            btz_problem(w->in->problems, "%s: missing or of the wrong length; %s", path,
                        me->s_tail_error);
        else if (!s && memcmp(me->s_tail, truth, bytes) != 0)
            report_tile(w, l, me->full, me->width, me->s_tail, truth);
        else if (l > 0)
            check_partials(w, (int)l, me->full, me->width, btz_slice_of(truth, bytes), hashes_end);
        if (l == 0 && (s || !(w->flags[me->full] & BUNDLE_OK)))
            BTZ_TRY(report_bundle(w, me->full, me->width, truth));
    }
    return BTZ_OK;
}

/* Nothing on disk leads to the root: say where entries and tiles first disagree, if they do. */
static enum btz_err report_unprovable(struct work *w)
{
    w->in->unprovable = true;
    for (uint64_t n = 0; n < w->level[0].full + (w->level[0].width > 0); n++) {
        char path[BTZ_TILE_PATH];
        unsigned width = n < w->level[0].full ? BTZ_TILE_WIDTH : w->level[0].width;

        if (w->flags[n] == (BUNDLE_OK | TILE_OK | SAME))
            continue;
        bundle_path(w, n, width, path);
        btz_problem_entry(w->in->problems, 0,
                          "the entries do not lead to the signed root; entries and tiles first "
                          "disagree in %s",
                          path);
        return BTZ_OK;
    }
    btz_problem_entry(w->in->problems, 0,
                      "entries and tiles agree, but not with the signed root: both were rewritten; "
                      "an older checkpoint kept outside shows how far history is intact");
    return BTZ_OK;
}

static enum btz_err judge(struct work *w)
{
    unsigned choice = 0;

    if (w->in->size == 0) {
        struct btz_hash empty;

        w->edge.size = 0;
        btz_edge_root(&w->edge, &empty);
        if (!btz_hash_equal(&empty, &w->in->root))
            btz_problem_entry(w->in->problems, 0,
                              "checkpoint: the root is not that of an empty ledger");
        return BTZ_OK;
    }
    if (!choose_edge(w, &choice))
        return report_unprovable(w);
    BTZ_TRY(judge_tails(w, choice));
    for (unsigned l = w->levels; l-- > 0;)
        for (uint64_t n = 0; n < w->level[l].full; n++) {
            const struct level *above = &w->level[l + 1];
            const struct btz_hash *parent = above->t_known[n] ? &above->t[n] : NULL;

            BTZ_TRY(l > 0 ? judge_tile(w, l, n, parent) : judge_bundle(w, n, parent));
        }
    return BTZ_OK;
}

/* ---- all of it ---- */

static enum btz_err prepare(struct work *w)
{
    uint64_t size = w->in->size, bundles = (size >> 8) + 1;

    /* A size that no disk can hold must not become an allocation. */
    if (size >> 40)
        return btz_fail(BTZ_LIMIT, "%s: %" PRIu64 " entries are more than 2^40", w->in->dir_name,
                        size);
    w->bytes = w->part = BTZ_BUF(BTZ_BUNDLE_MAX + 1);
    w->flags = calloc(bundles, 1);
    w->s_root = calloc(bundles, sizeof *w->s_root);
    if (!w->flags || !w->s_root)
        return btz_fail(BTZ_LIMIT, "out of memory for %" PRIu64 " entries", size);
    for (unsigned l = 0; l < BTZ_TILE_LEVELS; l++) {
        struct level *me = &w->level[l];

        me->full = btz_tile_full((int)l, size);
        me->width = btz_tile_partial((int)l, size);
        me->count = size >> (8 * l);
        if (me->count > 0)
            w->levels = l + 1;
        if (l == 0 || me->count == 0)
            continue;
        me->k = calloc(me->count, sizeof *me->k);
        me->t = calloc(me->count, sizeof *me->t);
        me->k_known = calloc(me->count, 1);
        me->t_known = calloc(me->count, 1);
        if (!me->k || !me->t || !me->k_known || !me->t_known)
            return btz_fail(BTZ_LIMIT, "out of memory for %" PRIu64 " entries", size);
    }
    return BTZ_OK;
}

static void release(struct work *w)
{
    for (unsigned l = 0; l < BTZ_TILE_LEVELS; l++) {
        free(w->level[l].k);
        free(w->level[l].t);
        free(w->level[l].k_known);
        free(w->level[l].t_known);
    }
    free(w->flags);
    free(w->s_root);
    btz_buf_release(&w->bytes);
    btz_buf_release(&w->part);
    free(w);
}

static bool has_wider(int dir, int level, uint64_t n, unsigned width)
{
    char path[BTZ_TILE_PATH];
    bool found = false;
    struct dirent *item;
    DIR *list;
    int fd;

    btz_tile_path(level, n, 0, path);
    fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    list = fd < 0 ? NULL : fdopendir(fd);
    if (!list) {
        btz_close_fd(&fd);
        return false;
    }
    while ((item = readdir(list)) != NULL) {
        uint64_t part;

        found |= btz_parse_u64(btz_str(item->d_name), &part) == BTZ_OK && part > width;
    }
    closedir(list);
    return found;
}

bool btz_tree_has_more(int dir, uint64_t size)
{
    for (int level = BTZ_TILE_ENTRIES; level < (int)BTZ_TILE_LEVELS; level++) {
        uint64_t n = btz_tile_full(level, size);
        char path[BTZ_TILE_PATH];

        btz_tile_path(level, n, BTZ_TILE_WIDTH, path);
        if (faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
            has_wider(dir, level, n, btz_tile_partial(level, size)))
            return true;
    }
    return false;
}

enum btz_err btz_tree_verify(struct btz_tree_check *t)
{
    struct work *w = calloc(1, sizeof *w);
    enum btz_err err;

    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    w->in = t;
    t->entries_read = 0;
    t->unprovable = t->has_witness_root = false;
    err = prepare(w);
    if (err == BTZ_OK)
        err = scan(w);
    if (err == BTZ_OK)
        err = climb(w);
    if (err == BTZ_OK)
        err = judge(w);
    release(w);
    return err;
}
