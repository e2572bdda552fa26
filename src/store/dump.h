/*
 * The file of a backup: the same for both engines, read as hostile.
 *
 *   "bartizan store backup 1\n"  keyed:u8
 *   { 'P' part:name version:u32 digest:32 }       every part of the tables, sorted by name
 *   { 'T' table:name next:u64 columns:u8 { column:name kind:u8 }  { 'R' { value } } }
 *   'E' rows:u64 mac:32
 *
 *   name: u8 length, [a-z0-9_]+     value: kind:u8, then u64 (INT, REAL) or u32 length and bytes (TEXT, BLOB)
 *
 * Numbers are big-endian. `next`: the largest number that an {id} column ever gave out, 0 where there is none. mac:
 * HMAC-SHA-256 of everything before it under the key of the installation, or under 32 zero bytes when keyed is 0: then it
 * finds accidents only.
 */
#ifndef BTZ_STORE_DUMP_H
#define BTZ_STORE_DUMP_H

#include <sodium.h>

#include "store/engine.h"

#define BTZ_DUMP_NAME    BTZ_STORE_NAME
#define BTZ_DUMP_PARTS   BTZ_STORE_PARTS_MAX
#define BTZ_DUMP_TABLES  BTZ_STORE_TABLES_MAX
#define BTZ_DUMP_ROW_MAX (256u << 20)

struct btz_dump_part {
    char name[BTZ_DUMP_NAME];
    uint32_t version;
    uint8_t digest[BTZ_SHA256_LEN]; /* of the text of that version */
};

struct btz_dump_table {
    char name[BTZ_DUMP_NAME];
    uint64_t next;
    size_t count;
    struct {
        char name[BTZ_DUMP_NAME];
        enum btz_value_kind kind;
    } column[BTZ_STORE_COLUMNS_MAX];
};

/* ---- writing (dump_write.c) ---- */

struct btz_dump_writer {
    enum btz_err (*out)(void *user, struct btz_slice bytes);
    void *user;
    crypto_auth_hmacsha256_state mac;
    struct btz_buf pending;
    uint64_t rows;
};
/* `key` is 32 bytes or NULL. Release with btz_buf_release(&w->pending). */
BTZ_CHECKED enum btz_err btz_dump_begin(struct btz_dump_writer *w, const uint8_t *key);
BTZ_CHECKED enum btz_err btz_dump_part(struct btz_dump_writer *w, const struct btz_dump_part *p);
BTZ_CHECKED enum btz_err btz_dump_table(struct btz_dump_writer *w, const struct btz_dump_table *t);
BTZ_CHECKED enum btz_err btz_dump_row(struct btz_dump_writer *w, const struct btz_value *values,
                                      size_t count);
BTZ_CHECKED enum btz_err btz_dump_end(struct btz_dump_writer *w);

/* ---- reading (dump_read.c) ---- */

/* Told as it is read, before the digest at the end is known. Any may be NULL. */
struct btz_dump_sink {
    enum btz_err (*part)(void *user, const struct btz_dump_part *p);
    /* Behind the last part, also when there is none. */
    enum btz_err (*parts_end)(void *user);
    enum btz_err (*table)(void *user, const struct btz_dump_table *t);
    enum btz_err (*row)(void *user, const struct btz_dump_table *t, const struct btz_value *values);
    void *user;
};
/* Up to `n` bytes into `to`; *got 0 at the end. */
typedef enum btz_err btz_dump_in(void *user, uint8_t *to, size_t n, size_t *got);
/* Errors: INPUT (not a backup, damaged), DENIED (not made by this installation), those of `in` and the sink. */
BTZ_CHECKED enum btz_err btz_dump_read(btz_dump_in *in, void *in_user, const uint8_t *key,
                                       const struct btz_dump_sink *sink);

/* ---- tables (tables.c) ---- */

/* Names of the tables that the known migrations make and the data base has, sorted, without `migrations`. INTERNAL when
 * a SQLite file has others: a part was not given to btz_store_migrate. */
BTZ_CHECKED enum btz_err btz_tables_list(struct btz_store *s, struct btz_tables *out);
BTZ_CHECKED enum btz_err btz_tables_describe(struct btz_store *s, const char *name,
                                             struct btz_dump_table *out);

#endif
