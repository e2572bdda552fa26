/* Taking artifacts in: of the state's owner from a file, of others over https; both wait in quarantine. */
#include "access/vault/files.h"

#define MEDIA_TYPE "application/octet-stream"

/* ---- before the transaction: the file is copied and hashed ---- */

static enum btz_err check_media_type(const char *text)
{
    const char *slash = strchr(text, '/');

    for (const char *p = text; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || p == slash ||
              strchr(".+-_", *p)))
            slash = NULL;
    if (!slash || slash == text || !slash[1])
        return btz_fail(BTZ_USAGE, "media_type: expected one such as " MEDIA_TYPE);
    return BTZ_OK;
}

/* "sha256:<hex>" or the hex alone; NULL: not said. */
static enum btz_err take_expected(struct btz_call *c, const char **out)
{
    const char *text = btz_call_text(c, "digest");
    uint8_t digest[BTZ_SHA256_LEN];
    char *hex;

    *out = NULL;
    if (!text || !*text)
        return BTZ_OK;
    if (strncmp(text, "sha256:", 7) == 0)
        text += 7;
    if (btz_unhex(btz_str(text), digest, sizeof digest) != BTZ_OK)
        return btz_fail(BTZ_USAGE, "digest: expected 64 hex digits of SHA-256");
    hex = btz_arena_alloc(c->arena, 2 * BTZ_SHA256_LEN + 1);
    if (!hex)
        return BTZ_LIMIT;
    btz_hex(digest, sizeof digest, hex);
    *out = hex;
    return BTZ_OK;
}

static enum btz_err prepare(struct btz_call *c)
{
    const char *file = btz_call_text(c, "file"), *media = btz_call_text(c, "media_type"), *expected;
    struct btz_taken_file *taken = btz_arena_alloc(c->arena, sizeof *taken);
    uint64_t max = (uint64_t)c->access->conf->artifact_max;

    if (!taken)
        return BTZ_LIMIT;
    BTZ_TRY(btz_artifact_name_check(btz_call_text(c, "artifact")));
    if (media && *media)
        BTZ_TRY(check_media_type(media));
    BTZ_TRY(take_expected(c, &expected));
    if (c->op->needs & BTZ_NEEDS_LOCAL)
        BTZ_TRY(btz_vault_take(c->access, c->arena, file, max, expected, taken));
    else if (c->body_file)
        BTZ_TRY(btz_vault_take_body(c->access, c->arena, c->body_file, max, expected, taken));
    else
        return btz_fail(BTZ_USAGE, "nothing was sent: PUT the bytes to /artifacts/%s",
                        btz_call_text(c, "artifact"));
    c->prepared = taken;
    return BTZ_OK;
}

/* ---- inside it ---- */

static enum btz_err check_new(struct btz_call *c, const char *name, const char *hex)
{
    const struct btz_value v[] = { btz_value_str(name), btz_value_str(hex) };
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "SELECT MAX(version) FROM artifacts WHERE name = ? AND hex = ? AND state "
                          "IN ('quarantined', 'released')",
                          v, 2, c->arena, 1, &row));
    if (row && row[0].kind == BTZ_VALUE_INT)
        return btz_fail(BTZ_CONFLICT, "%s@%" PRId64 " is these very bytes", name, row[0].i);
    return BTZ_OK;
}

/* Numbers are never given twice, also not those of versions that were deleted. */
static enum btz_err next_version(struct btz_call *c, const char *name, int64_t *out)
{
    const struct btz_value v[] = { btz_value_str(name) };
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "INSERT INTO artifact_names (name, versions) VALUES (?, 1) ON CONFLICT "
                          "(name) DO UPDATE SET versions = artifact_names.versions + 1 RETURNING "
                          "versions",
                          v, 1, c->arena, 1, &row));
    if (!row)
        return btz_fail(BTZ_INTERNAL, "no number for a version");
    *out = row[0].i;
    return BTZ_OK;
}

static enum btz_err add_file(struct btz_call *c, const struct btz_taken_file *t)
{
    const struct btz_value v[] = { btz_value_str(t->hex), btz_value_int((int64_t)t->seen.size),
                                   btz_value_int((int64_t)c->now_ms) };

    BTZ_TRY(btz_store_run(c->store,
                          "INSERT INTO vault_files (hex, size, inode, mtime_ns, ctime_ns, "
                          "verified_ms) VALUES (?, ?, 0, 0, 0, ?) ON CONFLICT (hex) DO NOTHING",
                          v, 3, NULL));
    return btz_vault_proven(c->access, c->store, t->hex, &t->seen);
}

static const char *given(const struct btz_call *c, const char *field, const char *fallback)
{
    const char *text = btz_call_text(c, field);

    return text && *text ? text : fallback;
}

static enum btz_err write_manifest(struct btz_call *c, const struct btz_taken_file *t,
                                   int64_t version, struct btz_buf *out)
{
    char created[BTZ_TIME_TEXT];
    struct btz_manifest m = { .name = btz_call_text(c, "artifact"),
                              .kind = given(c, "kind", "other"),
                              .media_type = given(c, "media_type", MEDIA_TYPE),
                              .created = created,
                              .version = (uint64_t)version,
                              .size = t->seen.size,
                              .chunk_size = t->chunk_size,
                              .chunks = t->chunks,
                              .chunk_count = t->chunk_count };
    struct btz_skey key;
    enum btz_err err;

    btz_time_format(c->now_ms, created);
    memcpy(m.digest, t->digest, sizeof m.digest);
    BTZ_TRY(btz_vault_key(c->access, c->arena, &key));
    err = btz_manifest_write(&m, &key, out);
    btz_skey_wipe(&key);
    return err;
}

static enum btz_err run(struct btz_call *c)
{
    BTZ_BUF_RELEASE struct btz_buf manifest = BTZ_BUF(BTZ_MANIFEST_MAX);
    const char *name = btz_call_text(c, "artifact");
    const struct btz_taken_file *t = c->prepared;
    struct btz_sql q = { .len = 0 };
    char id[BTZ_ID_TEXT];
    const char *text;
    int64_t version;

    /* One that waited for a second person has no body any more. */
    if (!t)
        return btz_fail(BTZ_CONFLICT, "an upload cannot wait; ask for two people at the release, "
                                      "with artifact.release in access.four_eyes");
    BTZ_TRY(check_new(c, name, t->hex));
    BTZ_TRY(next_version(c, name, &version));
    BTZ_TRY(write_manifest(c, t, version, &manifest));
    BTZ_TRY(btz_buf_cstr(&manifest, &text));
    BTZ_TRY(add_file(c, t));
    btz_id_new("art_", c->now_ms, id);
    btz_sql_add(&q, "INSERT INTO artifacts (id, name, version, kind, media_type, hex, size, state, "
                    "manifest, created_ms, created_by, created_name) VALUES (?, ?, ?, ?, ?, ?, ?, "
                    "'quarantined', ?, ?, ?, ?)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, name);
    btz_sql_int(&q, version);
    btz_sql_text(&q, given(c, "kind", "other"));
    btz_sql_text(&q, given(c, "media_type", MEDIA_TYPE));
    btz_sql_text(&q, t->hex);
    btz_sql_int(&q, (int64_t)t->seen.size);
    btz_sql_text(&q, text);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, c->caller->principal);
    btz_sql_text(&q, c->caller->name);
    BTZ_TRY(btz_sql_run(c, &q, NULL));
    c->target = btz_arena_printf(c->arena, "artifact/%s@%" PRId64, name, version);
    BTZ_TRY(btz_artifact_json(c, id, &c->after));
    c->out = json_incref(c->after);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

/* Asked by the front before it takes a body, so that nobody fills the disk who may not upload. */
static enum btz_err check(struct btz_call *c)
{
    BTZ_TRY(btz_artifact_name_check(btz_call_text(c, "artifact")));
    return btz_vault_room(c->access, (uint64_t)btz_call_int(c, "size", 0));
}

#define DESCRIPTION(where)                                                                         \
    { .name = "kind",                                                                              \
      .kind = BTZ_FIELD_TEXT,                                                                      \
      .place = where,                                                                              \
      .help = "What it is; other when not given.",                                                 \
      .choices = btz_artifact_kinds },                                                             \
        { .name = "media_type",                                                                    \
          .kind = BTZ_FIELD_TEXT,                                                                  \
          .place = where,                                                                          \
          .help = "Remembered in the manifest; it is served as application/octet-stream in any "   \
                  "case.",                                                                         \
          .max = 128 },                                                                            \
    {                                                                                              \
        .name = "digest", .kind = BTZ_FIELD_TEXT, .place = where,                                  \
        .help = "SHA-256 that it must have, in hex; refused otherwise.", .max = 71                 \
    }

static const struct btz_field upload_fields[] = { BTZ_ARTIFACT_NAME, DESCRIPTION(BTZ_IN_QUERY) };
static const struct btz_field check_fields[] = {
    BTZ_ARTIFACT_NAME,
    { .name = "size",
      .kind = BTZ_FIELD_INT,
      .place = BTZ_IN_QUERY,
      .help = "Bytes that it will have: is there room for them?",
      .max = INT64_MAX },
};
static const struct btz_field import_fields[] = {
    BTZ_ARTIFACT_NAME,
    { .name = "file",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "The file; it is copied.",
      .max = 4096 },
    DESCRIPTION(BTZ_IN_BODY),
};

const struct btz_operation btz_operation_artifact_upload = {
    .id = "artifact.upload",
    .method = "POST",
    .path = "/v1/artifacts/{artifact}/versions",
    .summary = "Put a new version of an artifact into quarantine.",
    .details = "The bytes are sent to /artifacts/{artifact} of the gateway with PUT; it hands them "
               "on as a file. Nobody is served them before somebody releases them.",
    .tag = "artifacts",
    .action = "artifact.write",
    .resource = "artifact/{artifact}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = upload_fields,
    .field_count = BTZ_COUNT(upload_fields),
    .result = "artifact",
    .created = true,
    .prepare = prepare,
    .run = run,
};
const struct btz_operation btz_operation_artifact_upload_check = {
    .id = "artifact.upload.check",
    .method = "POST",
    .path = "/v1/artifacts/{artifact}/upload-check",
    .summary = "May the caller upload this artifact, now, and is there room for it?",
    .tag = "artifacts",
    .action = "artifact.write",
    .resource = "artifact/{artifact}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = check_fields,
    .field_count = BTZ_COUNT(check_fields),
    .event = "",
    .run = check,
};
const struct btz_operation btz_operation_artifact_import = {
    .id = "artifact.import",
    .method = "POST",
    .command = "artifact upload",
    .summary = "Put a file into the vault, in quarantine, as a new version of an artifact.",
    .details = "It is copied, hashed and described in a signed manifest (`artifact manifest`). "
               "Nobody is served it before `artifact release`. Over https: `curl -T FILE "
               "https://HOST/artifacts/NAME?kind=model`, with an API key whose scopes name "
               "artifact.write.",
    .tag = "artifacts",
    .action = "artifact.write",
    .resource = "artifact/{artifact}",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = import_fields,
    .field_count = BTZ_COUNT(import_fields),
    .result = "artifact",
    .prepare = prepare,
    .run = run,
};
