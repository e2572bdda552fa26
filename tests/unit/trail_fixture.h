/* A state folder with a store, a seal and a trail whose clock the test sets. */
#ifndef BTZ_TEST_TRAIL_FIXTURE_H
#define BTZ_TEST_TRAIL_FIXTURE_H

#include "ledger_fixture.h"

#include "access/trail/handle.h"

struct fixture {
    char *dir, *ledger, *where, *seal_file;
    struct btz_store *store;
    struct btz_seal *seal;
    struct btz_trail *trail;
    const uint8_t *auditor;
    uint64_t now_ms;
};

static inline uint64_t fixture_now(void *user)
{
    return ((struct fixture *)user)->now_ms;
}

static inline void open_trail(struct fixture *f)
{
    struct btz_trail_options o = { .ledger_dir = f->ledger,
                                   .seal = f->seal,
                                   .auditor_key = f->auditor,
                                   .now_ms = fixture_now,
                                   .user = f };

    assert_ok(btz_store_open(f->where, &f->store));
    assert_ok(btz_seal_open(f->seal_file, NULL, &f->seal));
    o.seal = f->seal;
    assert_ok(btz_trail_migrate(f->store));
    assert_ok(btz_trail_open(&o, f->store, &f->trail));
}

static inline void close_trail(struct fixture *f)
{
    btz_trail_close(f->trail);
    btz_seal_close(f->seal);
    btz_store_close(f->store);
    f->trail = NULL;
    f->seal = NULL;
    f->store = NULL;
}

/* 2026-08-15T12:00:00Z */
#define FIXTURE_TIME UINT64_C(1786795200000)
#define DAY_MS       UINT64_C(86400000)

static inline struct fixture *new_fixture(void)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->dir = make_folder();
    f->ledger = join(f->dir, "ledger");
    f->where = join(f->dir, "access.db");
    f->seal_file = join(f->dir, "seal.key");
    f->now_ms = FIXTURE_TIME;
    return f;
}

static inline void free_fixture(struct fixture *f)
{
    close_trail(f);
    remove_tree(f->dir);
    free(f->dir);
    free(f->ledger);
    free(f->where);
    free(f->seal_file);
    free(f);
}

/* One entry in its own transaction, flushed. */
static inline void log_entry(struct fixture *f, const struct btz_trail_entry *e,
                             char id[BTZ_ID_TEXT])
{
    assert_ok(btz_store_begin(f->store));
    assert_ok(btz_trail_add(f->trail, f->store, e, id));
    assert_ok(btz_store_commit(f->store));
    assert_ok(btz_trail_flush(f->trail, f->store));
}

/* Everything a reading shows, as an array of {"index": n, "entry": {...}}. */
static inline enum btz_err collect_one(void *user, const struct btz_trail_record *r)
{
    assert_int_equal(
        json_array_append_new(user, json_pack("{s:I, s:o}", "index", (json_int_t)r->index, "entry",
                                              json_deep_copy(r->entry))),
        0);
    return BTZ_OK;
}

static inline json_t *collect(struct fixture *f, const struct btz_trail_filter *filter)
{
    json_t *all = json_array();

    assert_non_null(all);
    assert_ok(btz_trail_read(f->trail, f->store, filter, collect_one, all, NULL));
    return all;
}

static inline const char *member(const json_t *item, const char *name)
{
    return json_string_value(json_object_get(json_object_get(item, "entry"), name));
}

#endif
