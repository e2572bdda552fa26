/* A file that is no longer what was registered. */
#include "access/vault/files.h"

struct names {
    json_t *list;
    const char *first;
    struct btz_arena *arena;
};

static enum btz_err add_name(void *user, const struct btz_value *v, size_t count)
{
    struct names *n = user;
    char text[BTZ_ARTIFACT_NAME_MAX + 16];

    (void)count;
    snprintf(text, sizeof text, "%.*s@%" PRId64, BTZ_SLICE_ARG(v[0].bytes), v[1].i);
    if (!n->first)
        n->first = btz_arena_printf(n->arena, "artifact/%s", text);
    return json_array_append_new(n->list, json_string(text)) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "no memory for an alarm");
}

static enum btz_err add_alarm(struct btz_access *a, struct btz_store *s,
                              const struct btz_caller *caller, const char *hex, const char *why,
                              const json_t *after, const char *resource)
{
    struct btz_trail_entry e = { .event = "alarm",
                                 .verdict = "error",
                                 .operation = "artifact.verify",
                                 .resource = resource,
                                 .after = after };
    char reason[400];

    snprintf(reason, sizeof reason, "a file of the vault is no longer what was registered: %.300s",
             why);
    e.reason = reason;
    btz_caller_entry(caller, &e);
    BTZ_TRY(btz_trail_add(btz_access_trail(a), s, &e, NULL));
    btz_log(a->log, BTZ_LOG_ERROR, "ALARM: %s (vault/%s) is no longer what was registered: %s",
            resource ? resource : "artifact", hex, why);
    return BTZ_OK;
}

enum btz_err btz_vault_damaged(struct btz_access *a, struct btz_store *s,
                               const struct btz_caller *caller, const char *hex, const char *why)
{
    const struct btz_value v[] = { btz_value_int((int64_t)btz_access_now_ms(a)),
                                   btz_value_str(hex) };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *after = json_object();
    struct names names = { .list = json_array(), .arena = &arena };
    char digest[80];
    uint64_t changed;

    btz_arena_init(&arena, 1u << 20);
    BTZ_TRY(btz_json_set(after, "artifacts", names.list));
    snprintf(digest, sizeof digest, "sha256:%s", hex);
    BTZ_TRY(btz_json_set_text(after, "digest", digest));
    /* Whoever is second has nothing to say. */
    BTZ_TRY(btz_store_run(s,
                          "UPDATE vault_files SET damaged_ms = ? WHERE hex = ? AND damaged_ms = 0",
                          v, 2, &changed));
    if (!changed)
        return BTZ_OK;
    BTZ_TRY(btz_store_query(s,
                            "SELECT name, version FROM artifacts WHERE hex = ? ORDER BY id LIMIT "
                            "100",
                            v + 1, 1, add_name, &names));
    BTZ_TRY(btz_store_run(s,
                          "UPDATE artifacts SET state = 'damaged' WHERE hex = ? AND state IN "
                          "('quarantined', 'released')",
                          v + 1, 1, NULL));
    return add_alarm(a, s, caller, hex, why, after, names.first);
}

enum btz_err btz_vault_alarm(struct btz_access *a, struct btz_store *s, const char *hex,
                             const char *why)
{
    struct btz_caller caller;
    enum btz_err err;

    BTZ_TRY(btz_caller_local(a, "daemon", &caller));
    BTZ_TRY(btz_store_begin(s));
    err = btz_vault_damaged(a, s, &caller, hex, why);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    return btz_trail_flush(btz_access_trail(a), s);
}

enum btz_err btz_vault_proven(struct btz_access *a, struct btz_store *s, const char *hex,
                              const struct btz_file_seen *seen)
{
    const struct btz_value v[] = { btz_value_int((int64_t)seen->inode),
                                   btz_value_int((int64_t)seen->mtime_ns),
                                   btz_value_int((int64_t)seen->ctime_ns),
                                   btz_value_int((int64_t)btz_access_now_ms(a)),
                                   btz_value_str(hex) };

    BTZ_TRY(btz_store_run(s,
                          "UPDATE vault_files SET inode = ?, mtime_ns = ?, ctime_ns = ?, "
                          "verified_ms = ?, damaged_ms = 0 WHERE hex = ?",
                          v, 5, NULL));
    /* Whole again: somebody must say so before it is used. */
    return btz_store_run(
        s,
        "UPDATE artifacts SET state = 'quarantined', released_ms = 0, released_by = NULL, "
        "released_name = NULL WHERE hex = ? AND state = 'damaged'",
        v + 4, 1, NULL);
}
