/* From quarantine into service and out of it again; serving; reading a file again on request. */
#include "access/vault/files.h"

/* Reads the file of the call's artifact. What is wrong with it is recorded before the call fails. */
static enum btz_err read_again(struct btz_call *c, const struct btz_artifact *a)
{
    struct btz_file_seen *seen = btz_arena_alloc(c->arena, sizeof *seen);
    enum btz_err err;
    char why[512];

    if (!seen)
        return BTZ_LIMIT;
    err = btz_vault_read(c->access, a->hex, seen);
    if (err == BTZ_OK)
        c->prepared = seen;
    if (err != BTZ_INPUT)
        return err;
    snprintf(why, sizeof why, "%s", btz_error_detail());
    BTZ_TRY(btz_vault_alarm(c->access, c->store, a->hex, why));
    return btz_fail(BTZ_CONFLICT, "%s@%" PRIu64 " is damaged: %s", a->name, a->version, why);
}

static enum btz_err prepare_read(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    return read_again(c, &a);
}

static enum btz_err answer(struct btz_call *c, const struct btz_artifact *a)
{
    BTZ_TRY(btz_artifact_json(c, a->id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

static enum btz_err change_state(struct btz_call *c, const struct btz_artifact *a, const char *sql)
{
    struct btz_sql q = { .len = 0 };
    bool released = strstr(sql, "released_ms") != NULL;

    BTZ_TRY(btz_artifact_json(c, a->id, &c->before));
    btz_sql_add(&q, sql);
    if (released) {
        btz_sql_int(&q, (int64_t)c->now_ms);
        btz_sql_text(&q, c->caller->principal);
        btz_sql_text(&q, c->caller->name);
    }
    btz_sql_text(&q, a->id);
    BTZ_TRY(btz_sql_run(c, &q, NULL));
    return answer(c, a);
}

/* ---- verify, release, withdraw, delete ---- */

static enum btz_err verify(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    BTZ_TRY(btz_artifact_json(c, a.id, &c->before));
    if (c->prepared)
        BTZ_TRY(btz_vault_proven(c->access, c->store, a.hex, c->prepared));
    return answer(c, &a);
}

static enum btz_err release(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    if (strcmp(a.state, "quarantined") != 0)
        return btz_fail(BTZ_CONFLICT, "%s@%" PRIu64 " is %s, not quarantined", a.name, a.version,
                        a.state);
    if (c->prepared)
        BTZ_TRY(btz_vault_proven(c->access, c->store, a.hex, c->prepared));
    return change_state(c, &a,
                        "UPDATE artifacts SET state = 'released', released_ms = ?, released_by = "
                        "?, released_name = ? WHERE id = ?");
}

static enum btz_err withdraw(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    if (strcmp(a.state, "withdrawn") == 0)
        return btz_fail(BTZ_CONFLICT, "%s@%" PRIu64 " is withdrawn already", a.name, a.version);
    return change_state(c, &a, "UPDATE artifacts SET state = 'withdrawn' WHERE id = ?");
}

static enum btz_err delete (struct btz_call *c) {
    struct btz_artifact a; struct btz_value v[1];

    BTZ_TRY(btz_artifact_find(c, &a));
    BTZ_TRY(btz_artifact_json(c, a.id, &c->before));
    v[0] = btz_value_str(a.id);
    BTZ_TRY(btz_store_run(c->store, "DELETE FROM artifacts WHERE id = ?", v, 1, NULL));
    v[0] = btz_value_str(a.hex);
    /* The verifier takes away files that nobody registered: only it knows that none is on its way in. */
    return btz_store_run(c->store,
                         "DELETE FROM vault_files WHERE hex = ? AND NOT EXISTS (SELECT 1 FROM "
                         "artifacts a WHERE a.hex = vault_files.hex)",
                         v, 1, NULL);
}

/* ---- serving ---- */

/* Is it still what was registered? Everything that can be seen without reading; of small files the content too. */
static enum btz_err check_file(struct btz_call *c, const struct btz_artifact *a)
{
    struct btz_file_seen seen;
    enum btz_err err = btz_vault_look(c->access, a->hex, &seen);
    char why[512];

    if (err == BTZ_OK && seen.size == a->size) {
        if (a->size <= SMALL_MAX)
            return read_again(c, a);
        if (btz_seen_equal(&seen, &a->seen))
            return BTZ_OK;
        return btz_fail(BTZ_CONFLICT,
                        "%s@%" PRIu64 " was touched since it was read last; it is being read again",
                        a->name, a->version);
    }
    if (err != BTZ_OK && err != BTZ_INPUT)
        return err;
    snprintf(why, sizeof why, "%s", err == BTZ_OK ? "its size is another one" : btz_error_detail());
    BTZ_TRY(btz_vault_alarm(c->access, c->store, a->hex, why));
    return btz_fail(BTZ_CONFLICT, "%s@%" PRIu64 " is damaged: %s", a->name, a->version, why);
}

static enum btz_err may_see(struct btz_call *c, const struct btz_artifact *a)
{
    const char *resource;
    bool may = false;

    if (strcmp(a->state, "released") == 0)
        return BTZ_OK;
    if (strcmp(a->state, "quarantined") != 0)
        return btz_fail(BTZ_CONFLICT, "%s@%" PRIu64 " is %s", a->name, a->version, a->state);
    resource = btz_arena_printf(c->arena, "artifact/%s", a->name);
    if (!resource)
        return BTZ_LIMIT;
    if (c->caller->kind != BTZ_CALLER_LOCAL)
        BTZ_TRY(btz_call_may(c, "artifact.release", resource, &may));
    else
        may = true;
    return may ? BTZ_OK
               : btz_call_refuse(c, "it is in quarantine: only for those who may release it");
}

static enum btz_err prepare_fetch(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    BTZ_TRY(may_see(c, &a));
    return check_file(c, &a);
}

static enum btz_err fetch(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    BTZ_TRY(may_see(c, &a));
    snprintf(c->etag, sizeof c->etag, "sha256:%s", a.hex);
    if (c->if_match && strcmp(c->if_match, "*") != 0 && strcmp(c->if_match, c->etag) != 0) {
        c->stale = true;
        return btz_fail(BTZ_CONFLICT, "it is %s by now", c->etag);
    }
    BTZ_TRY(btz_artifact_json(c, a.id, &c->after));
    c->out = json_pack("{s:s, s:s}", "file", a.hex, "name", a.name);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static const struct btz_field one_fields[] = { BTZ_ARTIFACT_NAME, BTZ_ARTIFACT_VERSION };

#define ABOUT_ONE                                                                                  \
    .tag = "artifacts", .resource = "artifact/{artifact}", .fields = one_fields,                   \
    .field_count = BTZ_COUNT(one_fields)

const struct btz_operation btz_operation_artifact_fetch = {
    .id = "artifact.fetch",
    .method = "GET",
    .path = "/v1/artifacts/{artifact}/versions/{version}/content",
    .summary = "Fetch the bytes of an artifact.",
    .details = "At the gateway /artifacts/{artifact} and /artifacts/{artifact}@{version} are the "
               "same. Ranges are served; the entity tag is the digest. What is in quarantine is "
               "only for those who may release it.",
    .action = "artifact.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .file = "file",
    .event = "export",
    .prepare = prepare_fetch,
    .run = fetch,
    ABOUT_ONE,
};
const struct btz_operation btz_operation_artifact_verify = {
    .id = "artifact.verify",
    .method = "POST",
    .path = "/v1/artifacts/{artifact}/versions/{version}/verify",
    .command = "artifact verify",
    .summary = "Read an artifact again and compare it with its digest.",
    .details = "One that is damaged and whole again goes back to quarantine.",
    .action = "artifact.write",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "artifact",
    .prepare = prepare_read,
    .run = verify,
    ABOUT_ONE,
};
const struct btz_operation btz_operation_artifact_release = {
    .id = "artifact.release",
    .method = "POST",
    .path = "/v1/artifacts/{artifact}/versions/{version}/release",
    .command = "artifact release",
    .summary = "Let a version of an artifact out of quarantine.",
    .details = "It is read again first. With artifact.release in access.four_eyes a second person "
               "must approve it. From then on https://HOST/artifacts/NAME is served (the newest "
               "version that is released; NAME@VERSION is that one) to those who may "
               "artifact.read it.",
    .action = "artifact.release",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .result = "artifact",
    .prepare = prepare_read,
    .run = release,
    ABOUT_ONE,
};
const struct btz_operation btz_operation_artifact_withdraw = {
    .id = "artifact.withdraw",
    .method = "POST",
    .path = "/v1/artifacts/{artifact}/versions/{version}/withdraw",
    .command = "artifact withdraw",
    .summary = "Take a version of an artifact out of service, for good.",
    .action = "artifact.release",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .result = "artifact",
    .run = withdraw,
    ABOUT_ONE,
};
const struct btz_operation btz_operation_artifact_delete = {
    .id = "artifact.delete",
    .method = "DELETE",
    .path = "/v1/artifacts/{artifact}/versions/{version}",
    .command = "artifact remove",
    .summary = "Delete a version of an artifact; its bytes go when no other version has them.",
    .details = "The daemon takes the file away within the hour. Its number is not given again.",
    .action = "artifact.delete",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .run = delete,
    ABOUT_ONE,
};
