/*
 * Back-up and restore of an installation's store, signed with its seal key. The ledger is not in it: it is a folder that
 * only grows, and goes on over a restore.
 */
#include <errno.h>
#include <sys/stat.h>

#include "access/directory/directory.h"

#define MONTHS_MAX 2400

static void backup_key(struct btz_call *c, uint8_t key[32])
{
    btz_seal_derive(c->access->seal, "backup", key);
}

/* ---- backup: outside the transaction of its entry, so that nobody waits for it ---- */

static enum btz_err prepare_backup(struct btz_call *c)
{
    uint8_t key[32];
    enum btz_err err;

    BTZ_TRY(btz_access_migrate(c->store));
    backup_key(c, key);
    err = btz_store_backup(c->store, btz_call_text(c, "file"), key);
    btz_wipe(key, sizeof key);
    return err;
}

static enum btz_err backup(struct btz_call *c)
{
    const char *file = btz_call_text(c, "file");
    struct stat st;

    if (stat(file, &st) < 0)
        return btz_fail_errno(BTZ_IO, "stat %s", file);
    c->target = "store";
    c->out = json_pack("{s:s, s:I}", "file", file, "bytes", (json_int_t)st.st_size);
    c->after = json_incref(c->out);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

/* ---- restore ---- */

/* What is of now, whatever the backup says: the keys of the trail's months, without which the ledger's content since
 * then would be unreadable, and a generation that no reader has seen. */
struct present {
    struct btz_call *c;
    uint64_t generation;
    size_t count, kept;
    const struct btz_value *month[MONTHS_MAX]; /* month, sealed, made_ms, entries */
};

static enum btz_err keep_month(void *user, const struct btz_value *columns, size_t count)
{
    struct present *p = user;
    struct btz_value *row = btz_arena_array(p->c->arena, count, sizeof *row);

    if (!row)
        return BTZ_LIMIT;
    if (p->count == MONTHS_MAX)
        return btz_fail(BTZ_LIMIT, "the trail has more than %d months", MONTHS_MAX);
    memcpy(row, columns, count * sizeof *row);
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(btz_arena_copy(p->c->arena, columns[i].bytes, &row[i].bytes));
    p->month[p->count++] = row;
    return BTZ_OK;
}

static bool opens(const struct present *p, struct btz_slice month, struct btz_slice sealed)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(4096);
    char about[64];
    bool ok;

    snprintf(about, sizeof about, "trail_months/%.*s", BTZ_SLICE_ARG(month));
    ok = btz_buf_reserve(&clear, 1024) == BTZ_OK &&
         btz_unseal(p->c->access->seal, about, sealed, &clear) == BTZ_OK;
    btz_wipe(clear.ptr, clear.cap);
    return ok;
}

/* A month that the backup has too keeps the backup's key, unless older seal keys were forgotten meanwhile. */
static enum btz_err put_back_month(struct present *p, struct btz_store *s,
                                   const struct btz_value *now)
{
    const struct btz_value *then;

    BTZ_TRY(btz_store_one(s, "SELECT sealed FROM trail_months WHERE month = ?", now, 1, p->c->arena,
                          1, &then));
    if (then && opens(p, now[0].bytes, then[0].bytes))
        return BTZ_OK;
    p->kept++;
    return btz_store_run(
        s,
        "INSERT INTO trail_months (month, sealed, made_ms, entries) VALUES (?, ?, ?, "
        "?) ON CONFLICT (month) DO UPDATE SET sealed = excluded.sealed",
        now, 4, NULL);
}

static enum btz_err put_back_months(struct present *p, struct btz_store *s)
{
    for (size_t i = 0; i < p->count; i++)
        BTZ_TRY(put_back_month(p, s, p->month[i]));
    return BTZ_OK;
}

static enum btz_err end_the_past(struct btz_store *s)
{
    for (size_t i = 0; btz_access_parts[i]; i++)
        for (const char *const *sql = btz_access_parts[i]->after_restore; sql && *sql; sql++)
            BTZ_TRY(btz_store_run(s, *sql, NULL, 0, NULL));
    return BTZ_OK;
}

/* Inside the transaction of the restore, so that there is none without its alarm. */
static enum btz_err finish(void *user, struct btz_store *s)
{
    struct present *p = user;
    struct btz_trail_entry e = { .event = "alarm",
                                 .verdict = "allow",
                                 .operation = p->c->op->id,
                                 .resource = "store",
                                 .reason = "the store was put back to an older state" };
    uint64_t generation;

    BTZ_TRY(put_back_months(p, s));
    BTZ_TRY(end_the_past(s));
    BTZ_TRY(btz_generation_next(s, p->generation + 1, &generation));
    btz_caller_entry(p->c->caller, &e);
    return btz_trail_add(p->c->access->trail, s, &e, NULL);
}

static enum btz_err check_replace(struct btz_call *c)
{
    const struct btz_value *row;

    if (btz_call_bool(c, "replace", false))
        return BTZ_OK;
    BTZ_TRY(btz_store_one(c->store, "SELECT count(*) FROM principals", NULL, 0, c->arena, 1, &row));
    if (row && row[0].i > 0)
        return btz_fail(BTZ_CONFLICT,
                        "the store holds %" PRId64 " people and services; `--replace true` puts "
                        "the backup in their place",
                        row[0].i);
    return BTZ_OK;
}

static enum btz_err prepare_restore(struct btz_call *c)
{
    struct present *p = btz_arena_alloc(c->arena, sizeof *p);
    uint8_t key[32];
    enum btz_err err;

    if (!p)
        return BTZ_LIMIT;
    p->c = c;
    c->prepared = p;
    BTZ_TRY(btz_access_migrate(c->store));
    BTZ_TRY(check_replace(c));
    BTZ_TRY(btz_generation(c->store, &p->generation));
    BTZ_TRY(btz_store_query(c->store, "SELECT month, sealed, made_ms, entries FROM trail_months",
                            NULL, 0, keep_month, p));
    backup_key(c, key);
    err = btz_store_restore(c->store, btz_call_text(c, "file"), key, true, finish, p);
    btz_wipe(key, sizeof key);
    return err;
}

static enum btz_err restore(struct btz_call *c)
{
    struct present *p = c->prepared;

    c->policy_changed = true;
    c->target = "store";
    c->out = json_pack("{s:s, s:I}", "file", btz_call_text(c, "file"), "months_kept",
                       (json_int_t)p->kept);
    c->after = json_incref(c->out);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static const struct btz_field backup_fields[] = {
    { .name = "file",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Where the backup goes; one that is there is replaced.",
      .max = 4096 },
};

static const struct btz_field restore_fields[] = {
    { .name = "file",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "The backup.",
      .max = 4096 },
    { .name = "replace",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_BODY,
      .help = "Even when the store holds people already: they are replaced." },
};

const struct btz_operation btz_operation_store_backup = {
    .id = "store.backup",
    .method = "POST",
    .command = "store backup",
    .summary = "Copy the whole store into one file, while others go on.",
    .details =
        "The file is signed with the seal key, has the mode 0600, and fits SQLite and PostgreSQL. "
        "Keep the seal key somewhere else: without it the file cannot be restored. The ledger "
        "and the files of the vault are not in it; copy those folders too.",
    .tag = "upkeep",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = backup_fields,
    .field_count = BTZ_COUNT(backup_fields),
    .result = "backup",
    .event = "export",
    .prepare = prepare_backup,
    .run = backup,
};

const struct btz_operation btz_operation_store_restore = {
    .id = "store.restore",
    .method = "POST",
    .command = "store restore",
    .summary = "Put the store back to the state of a backup.",
    .details = "All or nothing. Everybody is signed out. What was revoked after the backup was "
               "made (keys, "
               "roles, people) is as it was before: look at `access log` since then.",
    .tag = "upkeep",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = restore_fields,
    .field_count = BTZ_COUNT(restore_fields),
    .result = "restored",
    .prepare = prepare_restore,
    .run = restore,
};
