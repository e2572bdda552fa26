#include <math.h>

#include "access/directory/directory.h"

enum btz_err btz_caller_local(struct btz_access *a, const char *unix_name, struct btz_caller *out)
{
    struct btz_caller caller = { .kind = BTZ_CALLER_LOCAL };

    (void)a;
    if (!unix_name || !unix_name[0] || strlen(unix_name) > 48)
        return btz_fail(BTZ_USAGE, "the name of the local user must have 1 to 48 characters");
    snprintf(caller.principal, sizeof caller.principal, "local:%s", unix_name);
    snprintf(caller.name, sizeof caller.name, "local:%s", unix_name);
    snprintf(caller.method, sizeof caller.method, "local");
    *out = caller;
    return BTZ_OK;
}

/* ---- when keys and people were last seen: once an hour, never on the way of a request ---- */

static uint64_t hash_of(const char *id)
{
    uint64_t h = UINT64_C(14695981039346656037);

    while (*id)
        h = (h ^ (uint8_t)*id++) * UINT64_C(1099511628211);
    return h | 1;
}

void btz_used_note(struct btz_access *a, const char *id, bool is_key)
{
    uint64_t hour = btz_access_now_ms(a) / 3600000, who = hash_of(id);
    struct btz_used *u = &a->used[who % USED_MAX];

    pthread_mutex_lock(&a->used_lock);
    if ((u->who != who || u->hour != hour) && a->use_count < BTZ_COUNT(a->uses)) {
        struct btz_use *use = &a->uses[a->use_count++];

        *u = (struct btz_used){ .who = who, .hour = hour };
        snprintf(use->id, sizeof use->id, "%s", id);
        use->is_key = is_key;
    }
    pthread_mutex_unlock(&a->used_lock);
}

void btz_used_write(struct btz_access *a, struct btz_store *s)
{
    struct btz_use uses[BTZ_COUNT(a->uses)];
    struct btz_value v[3];
    char detail[1024];
    size_t count;

    pthread_mutex_lock(&a->used_lock);
    count = a->use_count;
    memcpy(uses, a->uses, count * sizeof uses[0]);
    a->use_count = 0;
    pthread_mutex_unlock(&a->used_lock);
    if (count == 0)
        return;
    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    v[0] = btz_value_int((int64_t)btz_access_now_ms(a));
    v[2] = btz_value_int(v[0].i - 1800000);
    for (size_t i = 0; i < count; i++) {
        v[1] = btz_value_str(uses[i].id);
        if (btz_store_run(s,
                          uses[i].is_key ? "UPDATE keys SET last_used_ms = ? WHERE id = ? AND "
                                           "last_used_ms < ?"
                                         : "UPDATE principals SET last_used_ms = ? WHERE id = ? "
                                           "AND last_used_ms < ?",
                          v, 3, NULL) != BTZ_OK) {
            btz_log(a->log, BTZ_LOG_WARN, "when keys were last used cannot be written: %s",
                    btz_error_detail());
            break;
        }
    }
    btz_error_set("%s", detail);
}

/* ---- API keys ---- */

static enum btz_err refused(struct btz_access *a, struct btz_lane *lane,
                            const struct btz_caller *caller, const char *reason)
{
    struct btz_trail_entry e = {
        .event = "refusal", .verdict = "deny", .method = "key", .reason = reason
    };

    btz_caller_entry(caller, &e);
    btz_refusal_note(a, lane, caller, &e);
    return btz_fail(BTZ_DENIED, "the key is not accepted");
}

static enum btz_err key_caller(struct btz_access *a, struct btz_lane *lane, struct btz_slice key,
                               struct btz_caller *caller)
{
    struct btz_request r = { .resource = btz_str("system/*"), .cost = NAN };
    struct btz_decision d;
    const char *id;

    if (!btz_is_key(key))
        return refused(a, lane, caller, "not a key: form or checksum");
    BTZ_TRY(btz_lane_snapshot(a, lane));
    btz_key_hash(key, a->pepper, caller->key_hash);
    r.key = btz_snapshot_key(lane->snapshot, caller->key_hash, &r.principal);
    if (r.key == BTZ_NOBODY)
        return refused(a, lane, caller, "no such key, or it was revoked");
    r.now_s = btz_latest_ms(a) / 1000;
    r.mfa_age_s = UINT32_MAX;
    r.address = caller->address;
    btz_decide(lane->snapshot, &r, &d);
    id = btz_snapshot_principal_id(lane->snapshot, r.principal);
    snprintf(caller->principal, sizeof caller->principal, "%s", id);
    snprintf(caller->name, sizeof caller->name, "%s",
             btz_snapshot_principal_name(lane->snapshot, r.principal));
    snprintf(caller->key, sizeof caller->key, "%s", btz_snapshot_key_id(lane->snapshot, r.key));
    if (d.why == BTZ_WHY_NO_PRINCIPAL || d.why == BTZ_WHY_DISABLED ||
        d.why == BTZ_WHY_KEY_EXPIRED || d.why == BTZ_WHY_SNAPSHOT)
        return refused(a, lane, caller, btz_why_text(d.why));
    return BTZ_OK;
}

enum btz_err btz_caller_key(struct btz_access *a, struct btz_slice key, struct btz_caller *io)
{
    struct btz_caller caller = *io;
    struct btz_lane *lane;
    enum btz_err err;

    caller.kind = BTZ_CALLER_KEY;
    caller.second_factor_ms = 0;
    caller.principal[0] = caller.name[0] = caller.session[0] = caller.key[0] = '\0';
    snprintf(caller.method, sizeof caller.method, "key");
    BTZ_TRY(btz_lane_take(a, &lane));
    err = btz_access_clock(a, lane->store);
    if (err == BTZ_OK)
        err = key_caller(a, lane, key, &caller);
    btz_lane_back(a, lane);
    if (err != BTZ_OK)
        return err;
    btz_used_note(a, caller.key, true);
    btz_used_note(a, caller.principal, false);
    *io = caller;
    return BTZ_OK;
}
