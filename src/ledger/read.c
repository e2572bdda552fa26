/* Entries, roots and proofs out of the tiles. Every hash used is proven up to the signed root first. */
#include "ledger/log.h"

enum btz_err btz_ledger_tile(struct btz_ledger *l, unsigned level, uint64_t n,
                             const struct btz_hash **out)
{
    struct btz_hash root;
    const struct btz_hash *parent;

    if (n == btz_tile_full((int)level, l->edge.size)) {
        *out = l->edge.hash[level];
        return BTZ_OK;
    }
    if (l->tile[level].valid && l->tile[level].n == n) {
        *out = l->tile[level].hash;
        return BTZ_OK;
    }
    l->tile[level].valid = false;
    BTZ_TRY(btz_ledger_tile(l, level + 1, n >> 8, &parent));
    BTZ_TRY(btz_tile_read(l->dir, l->path, level, n, BTZ_TILE_WIDTH, l->tile[level].hash));
    btz_tile_root(l->tile[level].hash, BTZ_TILE_WIDTH, &root);
    if (!btz_hash_equal(&root, &parent[n & 255])) {
        char path[BTZ_TILE_PATH];

        btz_tile_path((int)level, n, BTZ_TILE_WIDTH, path);
        return btz_fail(BTZ_INPUT,
                        "%s/%s: does not lead to the signed root; run `bartizan ledger verify`",
                        l->path, path);
    }
    l->tile[level].n = n;
    l->tile[level].valid = true;
    *out = l->tile[level].hash;
    return BTZ_OK;
}

enum btz_err btz_ledger_load_bundle(struct btz_ledger *l, uint64_t n)
{
    unsigned width = n == btz_tile_full(BTZ_TILE_ENTRIES, l->edge.size)
                         ? btz_tile_partial(BTZ_TILE_ENTRIES, l->edge.size)
                         : BTZ_TILE_WIDTH;
    char path[BTZ_TILE_PATH];
    bool prefix;

    if (l->bundle.valid && l->bundle.n == n && l->bundle.width == width)
        return BTZ_OK;
    l->bundle.valid = false;
    BTZ_TRY(btz_bundle_read(l->dir, l->path, n, width, &l->bundle.bytes, &prefix));
    btz_tile_path(BTZ_TILE_ENTRIES, n, prefix ? BTZ_TILE_WIDTH : width, path);
    /* A bundle broken somewhere still gives the entries before that place. */
    if (btz_bundle_parse(btz_buf_slice(&l->bundle.bytes), width, prefix, path, &l->bundle.bundle) !=
            BTZ_OK &&
        l->bundle.bundle.count == 0)
        return btz_fail_context(BTZ_INPUT, "%s", l->path);
    l->bundle.n = n;
    l->bundle.width = width;
    l->bundle.valid = true;
    return BTZ_OK;
}

enum btz_err btz_ledger_entry_check(struct btz_ledger *l, uint64_t index, struct btz_slice *out)
{
    const struct btz_hash *leaves;
    unsigned at = (unsigned)(index & 255);
    struct btz_hash leaf;

    BTZ_TRY(btz_ledger_tile(l, 0, index >> 8, &leaves));
    BTZ_TRY(btz_ledger_load_bundle(l, index >> 8));
    if (at < l->bundle.bundle.count) {
        btz_merkle_leaf(l->bundle.bundle.entry[at], &leaf);
        if (btz_hash_equal(&leaf, &leaves[at])) {
            *out = l->bundle.bundle.entry[at];
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_INPUT,
                    "%s: entry %" PRIu64 " is not the one that was logged; run `bartizan ledger "
                    "verify` to locate the damage",
                    l->path, index);
}

static enum btz_err subtree(void *user, unsigned height, uint64_t index, struct btz_hash *out)
{
    unsigned level = height / 8, inner = height % 8;
    uint64_t first = index << inner;
    const struct btz_hash *tile;

    BTZ_TRY(btz_ledger_tile(user, level, first >> 8, &tile));
    btz_tile_root(&tile[first & 255], 1u << inner, out);
    return BTZ_OK;
}

struct btz_merkle_source btz_ledger_source(struct btz_ledger *l)
{
    return (struct btz_merkle_source){ .subtree = subtree, .user = l };
}

/* ---- what others call ---- */

static enum btz_err reload_when_stale(struct btz_ledger *l)
{
    enum btz_err err;

    if (!l->stale)
        return BTZ_OK;
    if (l->mode == BTZ_LEDGER_READ)
        return btz_ledger_load(l);
    BTZ_TRY(btz_ledger_lock(l, true));
    err = btz_ledger_load(l);
    btz_ledger_unlock(l);
    return err;
}

enum btz_err btz_ledger_refresh(struct btz_ledger *l)
{
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    l->stale = true;
    err = reload_when_stale(l);
    pthread_mutex_unlock(&l->mutex);
    return err;
}

static enum btz_err size_known(const struct btz_ledger *l, uint64_t size)
{
    if (size > l->edge.size)
        return btz_fail(BTZ_INPUT, "%s: %" PRIu64 " entries asked for, the ledger has %" PRIu64,
                        l->path, size, l->edge.size);
    return BTZ_OK;
}

enum btz_err btz_ledger_entry(struct btz_ledger *l, uint64_t index, struct btz_buf *out)
{
    struct btz_slice entry;
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    err = reload_when_stale(l);
    if (err == BTZ_OK && index >= l->edge.size)
        err = btz_fail(BTZ_INPUT,
                       "%s: no entry %" PRIu64 "; the ledger has %" PRIu64 ", counted from 0",
                       l->path, index, l->edge.size);
    if (err == BTZ_OK)
        err = btz_ledger_entry_check(l, index, &entry);
    if (err == BTZ_OK)
        err = btz_buf_add_slice(out, entry);
    pthread_mutex_unlock(&l->mutex);
    return err;
}

enum btz_err btz_ledger_checkpoint(struct btz_ledger *l, struct btz_buf *out)
{
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    err = reload_when_stale(l);
    if (err == BTZ_OK)
        err = btz_buf_add_slice(out, btz_buf_slice(&l->checkpoint));
    pthread_mutex_unlock(&l->mutex);
    return err;
}

void btz_ledger_root(struct btz_ledger *l, struct btz_hash *out)
{
    pthread_mutex_lock(&l->mutex);
    *out = l->seen;
    pthread_mutex_unlock(&l->mutex);
}

enum btz_err btz_ledger_root_at(struct btz_ledger *l, uint64_t size, struct btz_hash *out)
{
    struct btz_merkle_source source = btz_ledger_source(l);
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    err = reload_when_stale(l);
    if (err == BTZ_OK)
        err = size_known(l, size);
    if (err == BTZ_OK)
        err = btz_merkle_root(&source, size, out);
    pthread_mutex_unlock(&l->mutex);
    return err;
}

enum btz_err btz_ledger_prove_inclusion(struct btz_ledger *l, uint64_t index, uint64_t size,
                                        struct btz_proof *out)
{
    struct btz_merkle_source source = btz_ledger_source(l);
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    err = reload_when_stale(l);
    if (err == BTZ_OK)
        err = size_known(l, size);
    if (err == BTZ_OK)
        err = btz_merkle_prove_inclusion(&source, index, size, out);
    pthread_mutex_unlock(&l->mutex);
    return err;
}

enum btz_err btz_ledger_prove_consistency(struct btz_ledger *l, uint64_t size1, uint64_t size2,
                                          struct btz_proof *out)
{
    struct btz_merkle_source source = btz_ledger_source(l);
    enum btz_err err;

    pthread_mutex_lock(&l->mutex);
    err = reload_when_stale(l);
    if (err == BTZ_OK)
        err = size_known(l, size2);
    if (err == BTZ_OK)
        err = btz_merkle_prove_consistency(&source, size1, size2, out);
    pthread_mutex_unlock(&l->mutex);
    return err;
}
