/* Stores of every engine for tests: fresh, opened again, opened twice. */
#ifndef BTZ_TEST_STORE_FIXTURE_H
#define BTZ_TEST_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/store.h"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        enum btz_err assert_ok_err_ = (call);                                                      \
        if (assert_ok_err_ != BTZ_OK)                                                              \
            fail_msg("%s: %s: %s", #call, btz_err_name(assert_ok_err_), btz_error_detail());       \
    } while (0)

#define assert_err(call, want)                                                                     \
    do {                                                                                           \
        enum btz_err assert_err_ = (call);                                                         \
        if (assert_err_ != (want))                                                                 \
            fail_msg("%s: %s, expected %s: %s", #call, btz_err_name(assert_err_),                  \
                     btz_err_name(want), btz_error_detail());                                      \
    } while (0)

static inline int store_remove_one(const char *path, const struct stat *st, int type,
                                   struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void store_remove_folder(char *folder)
{
    nftw(folder, store_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

static inline char *store_new_folder(void)
{
    char name[] = "/tmp/btz-store-XXXXXX";

    assert_non_null(mkdtemp(name));
    return strdup(name);
}

/* The only integer of a query's only row. */
static inline int64_t store_int(struct btz_store *s, const char *sql)
{
    struct btz_arena arena;
    const struct btz_value *row;
    int64_t out;

    btz_arena_init(&arena, 1 << 20);
    assert_ok(btz_store_one(s, sql, NULL, 0, &arena, 1, &row));
    assert_non_null(row);
    assert_int_equal(row[0].kind, BTZ_VALUE_INT);
    out = row[0].i;
    btz_arena_release(&arena);
    return out;
}

#endif
