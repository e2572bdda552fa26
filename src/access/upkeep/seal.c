/*
 * New keys for what is sealed. The key changes and every secret is sealed again in one transaction of the store, while
 * other writers wait; whoever seals next notices the new key (seal.c of identity). Older keys go in a second step, and only
 * when nothing needs them.
 */
#include "access/directory/directory.h"

#define PAGE       200
#define SECRET_MAX (1u << 24)

struct page {
    struct btz_arena *arena;
    size_t count;
    struct {
        const char *key;
        struct btz_slice sealed;
    } row[PAGE];
};

static enum btz_err keep_row(void *user, const struct btz_value *columns, size_t count)
{
    struct page *p = user;

    (void)count;
    p->row[p->count].key = btz_arena_str(p->arena, columns[0].bytes);
    if (!p->row[p->count].key)
        return BTZ_LIMIT;
    return btz_arena_copy(p->arena, columns[1].bytes, &p->row[p->count++].sealed);
}

/* Names are those of the program's own tables. */
static enum btz_err read_page(struct btz_store *s, const struct btz_sealed_column *column,
                              const char *after, struct page *p)
{
    const struct btz_value values[] = { btz_value_str(after), btz_value_int(PAGE) };
    char sql[400];

    snprintf(sql, sizeof sql,
             "SELECT %s, %s FROM %s WHERE %s IS NOT NULL AND %s > ? ORDER BY %s LIMIT ?",
             column->key, column->column, column->table, column->column, column->key, column->key);
    p->count = 0;
    return btz_store_query(s, sql, values, 2, keep_row, p);
}

/* What is done with a secret that an older key sealed. */
typedef enum btz_err old_fn(struct btz_call *c, const struct btz_sealed_column *column,
                            const char *key, const char *about, struct btz_slice clear);

struct walk {
    old_fn *old;
    uint64_t found, unreadable;
};

static enum btz_err see_secret(struct btz_call *c, const struct btz_sealed_column *column,
                               const char *key, struct btz_slice sealed, struct walk *w)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(SECRET_MAX);
    BTZ_FREE char *about = NULL;
    enum btz_err err;

    if (btz_seal_is_current(c->access->seal, sealed))
        return BTZ_OK;
    if (asprintf(&about, "%s%s%s", column->before, key, column->after) < 0) {
        about = NULL;
        return btz_fail(BTZ_LIMIT, "no memory");
    }
    BTZ_TRY(btz_buf_reserve(&clear, sealed.len + 1));
    err = btz_unseal(c->access->seal, about, sealed, &clear);
    if (err == BTZ_OK) {
        w->found++;
        err = w->old ? w->old(c, column, key, about, btz_buf_slice(&clear)) : BTZ_OK;
    } else if (err == BTZ_INPUT || err == BTZ_DENIED) {
        /* Damaged, or its key is gone: nothing can be done for it, and it must not hold up the rest. */
        w->unreadable++;
        err = BTZ_OK;
    }
    btz_wipe(clear.ptr, clear.cap);
    return err;
}

static enum btz_err see_column(struct btz_call *c, const struct btz_sealed_column *column,
                               struct walk *w)
{
    char last[256] = "";
    enum btz_err err = BTZ_OK;
    struct page p;

    do {
        BTZ_ARENA_SCOPE struct btz_arena arena;

        btz_arena_init(&arena, 256u << 20);
        p.arena = &arena;
        err = read_page(c->store, column, last, &p);
        for (size_t i = 0; i < p.count && err == BTZ_OK; i++)
            err = see_secret(c, column, p.row[i].key, p.row[i].sealed, w);
        if (p.count > 0)
            snprintf(last, sizeof last, "%s", p.row[p.count - 1].key);
    } while (err == BTZ_OK && p.count == PAGE);
    return err;
}

static enum btz_err see_all(struct btz_call *c, struct walk *w)
{
    for (size_t i = 0; btz_access_parts[i]; i++)
        for (const struct btz_sealed_column *s = btz_access_parts[i]->sealed; s && s->table; s++)
            BTZ_TRY(see_column(c, s, w));
    return BTZ_OK;
}

static enum btz_err seal_again(struct btz_call *c, const struct btz_sealed_column *column,
                               const char *key, const char *about, struct btz_slice clear)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(SECRET_MAX + 1024);
    struct btz_value values[2];
    char sql[256];

    BTZ_TRY(btz_seal(c->access->seal, about, clear, &sealed));
    values[0] = btz_value_blob(sealed.ptr, sealed.len);
    values[1] = btz_value_str(key);
    snprintf(sql, sizeof sql, "UPDATE %s SET %s = ? WHERE %s = ?", column->table, column->column,
             column->key);
    return btz_store_run(c->store, sql, values, 2, NULL);
}

static enum btz_err rotate(struct btz_call *c)
{
    struct walk w = { .old = seal_again };
    enum btz_err err = btz_seal_rotate(c->access->seal);
    bool rotated = err == BTZ_OK;

    /* A key of the environment was changed there, by its owner. */
    if (err != BTZ_OK && err != BTZ_UNSUPPORTED)
        return err;
    BTZ_TRY(see_all(c, &w));
    c->target = "seal";
    c->out = json_pack("{s:b, s:I, s:I}", "rotated", rotated, "resealed", (json_int_t)w.found,
                       "unreadable", (json_int_t)w.unreadable);
    c->after = json_incref(c->out);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static enum btz_err forget(struct btz_call *c)
{
    struct walk w = { .old = NULL };

    BTZ_TRY(see_all(c, &w));
    if (w.found > 0)
        return btz_fail(BTZ_CONFLICT,
                        "%" PRIu64 " secrets are still sealed under older keys; "
                        "`bartizan access seal rotate` seals them again",
                        w.found);
    BTZ_TRY(btz_seal_forget(c->access->seal));
    c->target = "seal";
    c->out = json_pack("{s:I}", "unreadable", (json_int_t)w.unreadable);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

const struct btz_operation btz_operation_seal_rotate = {
    .id = "seal.rotate",
    .method = "POST",
    .command = "seal rotate",
    .summary = "Seal every secret again under a new key.",
    .details =
        "Older keys stay in the key file until `seal forget`, so that backups made before can be "
        "read. A key of the environment is changed there: put the new one in front of the old "
        "one with a comma between them, then run this.",
    .tag = "upkeep",
    .needs = BTZ_NEEDS_LOCAL,
    .result = "seal-rotation",
    .run = rotate,
};

const struct btz_operation btz_operation_seal_forget = {
    .id = "seal.forget",
    .method = "POST",
    .command = "seal forget",
    .summary = "Drop the older keys that nothing in the store needs any more.",
    .details = "Secrets in backups made before the last rotation cannot be opened after this.",
    .tag = "upkeep",
    .needs = BTZ_NEEDS_LOCAL,
    .result = "seal-forgotten",
    .run = forget,
};
