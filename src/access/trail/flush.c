/*
 * From the outbox of the store into the ledger, exactly once. One flush, under the file lock `trail.lock` of the ledger:
 *   1. the ledger is refreshed: a group that a dead writer left pending becomes part of it now or never
 *   2. entries from the mark on are read; rows of the outbox that are among them are in the ledger already: they go,
 *      and the mark moves to the size, in one transaction
 *   3. the rows that are left are appended, with their evidence
 *   4. they go and the mark moves past them, in one transaction
 * Only a holder of the lock appends rows, so between 1 and 4 no row of this ledger can get into it elsewhere, and below
 * the mark there is never an entry that still has its row. Death at any instant leaves a state that 1 and 2 settle.
 */
#include "access/trail/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>

#define GROUP       256 /* rows a commit */
#define GROUP_BYTES (GROUP * (BTZ_LEDGER_ENTRY_MAX + 1u))

/* ---- adding ---- */

static enum btz_err remember_evidence(const struct btz_trail *t, struct btz_store *s,
                                      const char *id, const char *kind, const char *month,
                                      const char *digest)
{
    struct btz_value values[] = { btz_value_str(id), btz_value_str(kind), btz_value_str(t->home),
                                  btz_value_str(month), btz_value_str(digest) };

    if (digest[0] == '\0')
        return BTZ_OK;
    return btz_store_run(s,
                         "INSERT INTO trail_evidence (entry, kind, ledger, month, digest)"
                         " VALUES (?, ?, ?, ?, ?)",
                         values, BTZ_COUNT(values), NULL);
}

static struct btz_value blob_or_null(const struct btz_buf *b)
{
    return b->len > 0 ? btz_value_blob(b->ptr, b->len) : btz_value_null();
}

static enum btz_err store_leaf(const struct btz_trail *t, struct btz_store *s, const char *id,
                               const char *month, const struct btz_leaf *leaf)
{
    struct btz_value values[] = { btz_value_str(t->home), btz_value_str(id),
                                  btz_value_blob(leaf->text.ptr, leaf->text.len),
                                  blob_or_null(&leaf->large), blob_or_null(&leaf->secret) };
    struct btz_value month_value = btz_value_str(month);

    BTZ_TRY(btz_store_run(s,
                          "INSERT INTO trail_outbox (ledger, id, leaf, large, secret)"
                          " VALUES (?, ?, ?, ?, ?)",
                          values, BTZ_COUNT(values), NULL));
    BTZ_TRY(btz_store_run(s, "UPDATE trail_months SET entries = entries + 1 WHERE month = ?",
                          &month_value, 1, NULL));
    BTZ_TRY(remember_evidence(t, s, id, "large", month, leaf->large_digest));
    return remember_evidence(t, s, id, "secret", month, leaf->secret_digest);
}

enum btz_err btz_trail_add(struct btz_trail *t, struct btz_store *s,
                           const struct btz_trail_entry *e, char id[BTZ_ID_TEXT])
{
    struct btz_leaf leaf = { .text = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX),
                             .large = BTZ_BUF(BTZ_TRAIL_OBJECT_MAX + 4096),
                             .secret = BTZ_BUF(BTZ_TRAIL_SECRET_MAX + 4096) };
    uint64_t now = t->now_ms(t->user);
    uint8_t key[BTZ_TRAIL_KEY];
    char month[BTZ_TRAIL_MONTH], mine[BTZ_ID_TEXT];
    enum btz_err err;
    bool found;

    btz_id_new("evt_", now, mine);
    btz_trail_month(now, month);
    err = btz_month_key(t, s, month, true, key, &found);
    if (err == BTZ_OK)
        err = btz_leaf_build(t, e, mine, now, month, key, &leaf);
    if (err == BTZ_OK)
        err = store_leaf(t, s, mine, month, &leaf);
    btz_wipe(key, sizeof key);
    btz_leaf_release(&leaf);
    if (err == BTZ_OK && id)
        memcpy(id, mine, sizeof mine);
    return err;
}

/* ---- the mark ---- */

static enum btz_err on_number(void *user, const struct btz_value *columns, size_t count)
{
    (void)count;
    *(uint64_t *)user = columns[0].i < 0 ? 0 : (uint64_t)columns[0].i;
    return BTZ_OK;
}

static enum btz_err set_mark(const struct btz_trail *t, struct btz_store *s, uint64_t reached)
{
    struct btz_value values[] = { btz_value_str(t->home), btz_value_int((int64_t)reached) };

    return btz_store_run(s,
                         "INSERT INTO trail_marks (ledger, reached) VALUES (?, ?)"
                         " ON CONFLICT (ledger) DO UPDATE SET reached = excluded.reached",
                         values, BTZ_COUNT(values), NULL);
}

static enum btz_err get_mark(const struct btz_trail *t, struct btz_store *s, uint64_t *reached)
{
    struct btz_value home = btz_value_str(t->home);

    *reached = 0;
    return btz_store_query(s, "SELECT reached FROM trail_marks WHERE ledger = ?", &home, 1,
                           on_number, reached);
}

enum btz_err btz_trail_waiting(struct btz_trail *t, struct btz_store *s, uint64_t *count)
{
    struct btz_value home = btz_value_str(t->home);

    *count = 0;
    return btz_store_query(s, "SELECT count(*) FROM trail_outbox WHERE ledger = ?", &home, 1,
                           on_number, count);
}

/* ---- step 2: what is in the ledger already ---- */

static enum btz_err drop_logged(const struct btz_trail *t, struct btz_store *s, uint64_t from,
                                uint64_t to)
{
    BTZ_BUF_RELEASE struct btz_buf entry = BTZ_BUF(BTZ_LEDGER_ENTRY_MAX + 1);

    for (uint64_t i = from; i < to; i++) {
        BTZ_JSON json_t *leaf = NULL;
        struct btz_value values[2];

        btz_buf_clear(&entry);
        BTZ_TRY(btz_ledger_entry(t->ledger, i, &entry));
        /* What has the form of a leaf and is none was never a row. */
        if (btz_is_logged(btz_buf_slice(&entry)) || !btz_is_leaf(btz_buf_slice(&entry)) ||
            btz_leaf_parse(btz_buf_slice(&entry), &leaf) != BTZ_OK)
            continue;
        values[0] = btz_value_str(t->home);
        values[1] = btz_value_str(json_string_value(json_object_get(leaf, "id")));
        BTZ_TRY(btz_store_run(s, "DELETE FROM trail_outbox WHERE ledger = ? AND id = ?", values, 2,
                              NULL));
    }
    return set_mark(t, s, to);
}

static enum btz_err commit_or_back(struct btz_store *s, enum btz_err err)
{
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK)
        btz_store_rollback(s);
    return err;
}

static enum btz_err check_mark(const struct btz_trail *t, uint64_t mark, uint64_t size)
{
    if (mark <= size)
        return BTZ_OK;
    return btz_fail(BTZ_CONFLICT,
                    "%s: has %" PRIu64 " entries, and had %" PRIu64
                    " before: it was put back to an older state; entries of the audit trail "
                    "are missing, and none is added until somebody answers for it with "
                    "`bartizan access audit accept-loss`",
                    t->dir, size, mark);
}

enum btz_err btz_trail_check_mark(struct btz_trail *t, struct btz_store *s)
{
    uint64_t mark;

    BTZ_TRY(get_mark(t, s, &mark));
    return check_mark(t, mark, btz_ledger_size(t->ledger));
}

static enum btz_err settle(struct btz_trail *t, struct btz_store *s)
{
    uint64_t mark, size;

    BTZ_TRY(btz_ledger_refresh(t->ledger));
    size = btz_ledger_size(t->ledger);
    BTZ_TRY(get_mark(t, s, &mark));
    BTZ_TRY(check_mark(t, mark, size));
    if (mark == size)
        return BTZ_OK;
    BTZ_TRY(btz_store_begin(s));
    return commit_or_back(s, drop_logged(t, s, mark, size));
}

enum btz_err btz_trail_accept_loss(struct btz_trail *t, struct btz_store *s, uint64_t *lost)
{
    struct btz_ledger *l;
    uint64_t mark, size;

    BTZ_TRY(btz_ledger_open(t->dir, BTZ_LEDGER_READ, &l));
    size = btz_ledger_size(l);
    btz_ledger_close(l);
    BTZ_TRY(get_mark(t, s, &mark));
    *lost = mark > size ? mark - size : 0;
    return *lost > 0 ? set_mark(t, s, size) : BTZ_OK;
}

/* ---- steps 3 and 4 ---- */

struct group {
    struct btz_trail *t;
    struct btz_store *s;
    size_t count;
    int64_t seq[GROUP];
    bool has_evidence[GROUP];
    size_t end[GROUP], end_leaf[GROUP]; /* of each in `text` and `leaves` */
    struct btz_buf text;                /* leaves as they lie in the outbox */
    struct btz_buf leaves;              /* as they will lie in the ledger */
};

static enum btz_err on_row(void *user, const struct btz_value *columns, size_t count)
{
    struct group *g = user;

    (void)count;
    if (columns[0].kind != BTZ_VALUE_INT || g->count == GROUP)
        return btz_fail(BTZ_INTERNAL, "rows of the outbox");
    BTZ_TRY(btz_buf_add_slice(&g->text, columns[1].bytes));
    g->seq[g->count] = columns[0].i;
    g->has_evidence[g->count] = columns[2].i != 0;
    g->end[g->count++] = g->text.len;
    return BTZ_OK;
}

static enum btz_err read_group(struct group *g)
{
    struct btz_value values[] = { btz_value_str(g->t->home), btz_value_int(GROUP) };

    g->count = 0;
    btz_buf_clear(&g->text);
    btz_buf_clear(&g->leaves);
    return btz_store_query(g->s,
                           "SELECT seq, leaf, CASE WHEN large IS NULL AND secret IS NULL"
                           " THEN 0 ELSE 1 END FROM trail_outbox WHERE ledger = ?"
                           " ORDER BY seq LIMIT ?",
                           values, BTZ_COUNT(values), on_row, g);
}

struct commitments {
    struct btz_ledger *ledger;
    char hex[2][65];
    size_t count;
};

static enum btz_err on_evidence(void *user, const struct btz_value *columns, size_t count)
{
    struct commitments *c = user;

    for (size_t i = 0; i < count; i++) {
        uint8_t digest[BTZ_SHA256_LEN], commitment[BTZ_SHA256_LEN];

        if (columns[i].kind != BTZ_VALUE_BLOB)
            continue;
        BTZ_TRY(btz_ledger_stage_evidence(c->ledger, columns[i].bytes, digest, commitment));
        btz_hex(commitment, sizeof commitment, c->hex[c->count++]);
    }
    return BTZ_OK;
}

static enum btz_err finish_leaf(struct group *g, size_t i)
{
    size_t from = i ? g->end[i - 1] : 0;
    struct commitments c = { .ledger = g->t->ledger };
    struct btz_value seq = btz_value_int(g->seq[i]);

    if (g->has_evidence[i])
        BTZ_TRY(btz_store_query(g->s, "SELECT large, secret FROM trail_outbox WHERE seq = ?", &seq,
                                1, on_evidence, &c));
    BTZ_TRY(btz_leaf_finish(btz_slice_of(g->text.ptr + from, g->end[i] - from),
                            (const char(*)[65])c.hex, c.count, &g->leaves));
    g->end_leaf[i] = g->leaves.len;
    return BTZ_OK;
}

static enum btz_err append_group(struct group *g, uint64_t *after)
{
    struct btz_slice entries[GROUP];
    uint64_t first;
    size_t at = 0;

    for (size_t i = 0; i < g->count; i++)
        BTZ_TRY(finish_leaf(g, i));
    for (size_t i = 0; i < g->count; i++) {
        entries[i] = btz_slice_of(g->leaves.ptr + at, g->end_leaf[i] - at);
        at = g->end_leaf[i];
    }
    btz_trail_step(g->t, "appending");
    BTZ_TRY(btz_ledger_append(g->t->ledger, entries, g->count, &first));
    btz_trail_step(g->t, "appended");
    *after = first + g->count;
    return BTZ_OK;
}

static enum btz_err delete_group(const struct group *g, uint64_t after)
{
    for (size_t i = 0; i < g->count; i++) {
        struct btz_value seq = btz_value_int(g->seq[i]);

        BTZ_TRY(btz_store_run(g->s, "DELETE FROM trail_outbox WHERE seq = ?", &seq, 1, NULL));
    }
    return set_mark(g->t, g->s, after);
}

static enum btz_err clear_group(const struct group *g, uint64_t after)
{
    BTZ_TRY(btz_store_begin(g->s));
    BTZ_TRY(commit_or_back(g->s, delete_group(g, after)));
    btz_trail_step(g->t, "cleared");
    return BTZ_OK;
}

static enum btz_err move_groups(struct group *g)
{
    uint64_t after = 0;
    bool last;

    BTZ_TRY(read_group(g));
    if (g->count == 0)
        return BTZ_OK;
    btz_trail_step(g->t, "read");
    BTZ_TRY(settle(g->t, g->s));
    btz_trail_step(g->t, "settled");
    do {
        enum btz_err err;

        BTZ_TRY(read_group(g));
        if (g->count == 0)
            return BTZ_OK;
        BTZ_TRY(append_group(g, &after));
        last = g->count < GROUP;
        err = clear_group(g, after);
        /* All is durable in the ledger: rows that could not be deleted are settled by the next flush. */
        if (err != BTZ_OK)
            return last ? BTZ_OK : err;
    } while (!last);
    return BTZ_OK;
}

static enum btz_err move_all(struct btz_trail *t, struct btz_store *s)
{
    struct group *g = calloc(1, sizeof *g);
    enum btz_err err;

    if (!g)
        return btz_fail(BTZ_LIMIT, "out of memory");
    g->t = t;
    g->s = s;
    g->text = g->leaves = BTZ_BUF(GROUP_BYTES);
    err = move_groups(g);
    if (err == BTZ_CONFLICT || err == BTZ_INPUT || err == BTZ_IO) {
        char detail[512];

        /* Evidence that could not be published stays with the handle: a fresh one starts again, once. */
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
        if (btz_trail_reopen(t) == BTZ_OK)
            err = move_groups(g);
        else
            (void)btz_fail(err, "%s", detail);
    }
    btz_buf_release(&g->text);
    btz_buf_release(&g->leaves);
    free(g);
    return err;
}

/* ---- the lock, and threads that share a flush ---- */

static enum btz_err take_lock(const struct btz_trail *t)
{
    while (flock(t->lock, LOCK_EX) < 0)
        if (errno != EINTR)
            return btz_fail_errno(BTZ_IO, "lock %s/trail.lock", t->dir);
    return BTZ_OK;
}

static enum btz_err under_lock(struct btz_trail *t, struct btz_store *s)
{
    enum btz_err err;

    BTZ_TRY(take_lock(t));
    btz_trail_step(t, "locked");
    err = move_all(t, s);
    flock(t->lock, LOCK_UN);
    return err;
}

enum btz_err btz_trail_alone(struct btz_trail *t, enum btz_err (*job)(struct btz_trail *t, void *),
                             void *user)
{
    enum btz_err err;

    pthread_mutex_lock(&t->mutex);
    while (t->busy)
        pthread_cond_wait(&t->done, &t->mutex);
    t->busy = true;
    pthread_mutex_unlock(&t->mutex);
    err = take_lock(t);
    if (err == BTZ_OK) {
        err = job(t, user);
        flock(t->lock, LOCK_UN);
    }
    pthread_mutex_lock(&t->mutex);
    t->busy = false;
    pthread_cond_broadcast(&t->done);
    pthread_mutex_unlock(&t->mutex);
    return err;
}

/* Serves every ticket given out so far: their entries were committed before they asked. Called with the mutex. */
static void serve(struct btz_trail *t, struct btz_store *s)
{
    uint64_t covers = t->asked;
    enum btz_err err;

    t->busy = true;
    pthread_mutex_unlock(&t->mutex);
    err = under_lock(t, s);
    pthread_mutex_lock(&t->mutex);
    t->busy = false;
    if (err == BTZ_OK) {
        t->flushed = covers;
    } else {
        t->failed = covers;
        t->last = err;
        snprintf(t->detail, sizeof t->detail, "%s", btz_error_detail());
    }
    pthread_cond_broadcast(&t->done);
}

enum btz_err btz_trail_flush(struct btz_trail *t, struct btz_store *s)
{
    enum btz_err err = BTZ_OK;
    uint64_t mine;

    pthread_mutex_lock(&t->mutex);
    mine = ++t->asked;
    while (t->flushed < mine && t->failed < mine) {
        if (t->busy)
            pthread_cond_wait(&t->done, &t->mutex);
        else
            serve(t, s);
    }
    if (t->flushed < mine)
        err = btz_fail(t->last, "%s", t->detail);
    pthread_mutex_unlock(&t->mutex);
    return err;
}
