/*
 * tiles: the C2SP tlog-tiles layout on disk. Inside of the ledger folder; nobody else includes this.
 */
#ifndef BTZ_LEDGER_TILES_H
#define BTZ_LEDGER_TILES_H

#include "ledger/ledger.h"

#define BTZ_TILE_WIDTH   256u
#define BTZ_TILE_LEVELS  8u
#define BTZ_TILE_ENTRIES (-1) /* in place of a level: the entry bundle */
#define BTZ_TILE_PATH    96
#define BTZ_BUNDLE_MAX   (BTZ_TILE_WIDTH * (2u + BTZ_LEDGER_ENTRY_MAX))

/* "tile/0/x001/234/067", "tile/entries/000.p/7"; width 256 is the full tile, 0 the folder of the partial ones. */
void btz_tile_path(int level, uint64_t n, unsigned width, char out[BTZ_TILE_PATH]);

/* Width of the partial tile at `level` of a tree of `size`, 0: none; its index; full tiles before it. */
unsigned btz_tile_partial(int level, uint64_t size);
uint64_t btz_tile_full(int level, uint64_t size);

/* What a bundle holds, as far as it could be read. Offsets are those of the length fields. */
struct btz_bundle {
    struct btz_slice entry[BTZ_TILE_WIDTH];
    unsigned count;
    size_t end; /* of the last complete entry */
};
/* `width` entries and nothing behind them, unless `prefix`: then the first `width` of a larger bundle.
 * `out` is filled also on INPUT, as far as it goes. */
BTZ_CHECKED enum btz_err btz_bundle_parse(struct btz_slice bytes, unsigned width, bool prefix,
                                          const char *what, struct btz_bundle *out);
BTZ_CHECKED enum btz_err btz_bundle_add(struct btz_buf *bundle, struct btz_slice entry);

/* Root of 2^k hashes (count is a power of two, at most 256). */
void btz_tile_root(const struct btz_hash *hash, unsigned count, struct btz_hash *out);

/* The right edge of a tree: the partial tile of every level. */
struct btz_edge {
    uint64_t size;
    struct btz_hash hash[BTZ_TILE_LEVELS][BTZ_TILE_WIDTH];
};
/* Called with every tile that becomes full, lower levels first. */
typedef enum btz_err btz_tile_full_fn(void *user, unsigned level, uint64_t n,
                                      const struct btz_hash hash[BTZ_TILE_WIDTH]);
BTZ_CHECKED enum btz_err btz_edge_add(struct btz_edge *e, const struct btz_hash *leaf,
                                      btz_tile_full_fn *full, void *user);
void btz_edge_root(const struct btz_edge *e, struct btz_hash *out);

/* Reads the first `width` hashes of a tile; falls back from a partial tile that is gone to the full one.
 * Errors: IO, INPUT (missing or wrong length). */
BTZ_CHECKED enum btz_err btz_tile_read(int dir, const char *dir_name, unsigned level, uint64_t n,
                                       unsigned width, struct btz_hash *out);
/* The bundle's bytes into `out` (cleared first); `*prefix` when it is the full one in place of a partial one. */
BTZ_CHECKED enum btz_err btz_bundle_read(int dir, const char *dir_name, uint64_t n, unsigned width,
                                         struct btz_buf *out, bool *prefix);

/* A whole file below `dir`, at most `cap` bytes, into `out` (cleared first); never through a symbolic link. */
BTZ_CHECKED enum btz_err btz_read_at(int dir, const char *dir_name, const char *path, size_t cap,
                                     struct btz_buf *out);

/* Removes partial tiles wider than `above`, and their folder with them when `above` is 0. */
void btz_tile_wipe(int dir, int level, uint64_t n, unsigned above);

/* ---- durable writes (batch.c) --------------------------------------------------------------------- */

/* Files that become durable together: write them all, then one round of fsync over files and folders. */
#define BTZ_BATCH_FILES 48
#define BTZ_BATCH_DIRS  32
struct btz_batch {
    int dir;
    const char *dir_name;
    bool deep; /* sync all folders above as well: an earlier writer may have died before it did */
    size_t files, dirs;
    struct {
        int fd;
        char path[BTZ_TILE_PATH];
    } file[BTZ_BATCH_FILES];
    char folder[BTZ_BATCH_DIRS][BTZ_TILE_PATH];
};
void btz_batch_init(struct btz_batch *b, int dir, const char *dir_name, bool deep);
void btz_batch_release(struct btz_batch *b);
BTZ_CHECKED enum btz_err btz_batch_write(struct btz_batch *b, const char *path,
                                         struct btz_slice bytes);
BTZ_CHECKED enum btz_err btz_batch_sync(struct btz_batch *b);
/* Write beside (path.new), fsync, rename, fsync the folder. `path` directly in `dir`. */
BTZ_CHECKED enum btz_err btz_replace_at(int dir, const char *dir_name, const char *path,
                                        struct btz_slice bytes, unsigned mode);

#endif
