/* Rows of the vault, and what is read of them. */
#include "access/vault/files.h"

static const char first[] =
    "CREATE TABLE vault_files (hex {text} PRIMARY KEY, size {int} NOT NULL, inode {int} NOT NULL,"
    " mtime_ns {int} NOT NULL, ctime_ns {int} NOT NULL, verified_ms {int} NOT NULL,"
    " damaged_ms {int} NOT NULL DEFAULT 0);\n"
    "CREATE TABLE artifact_names (name {text} PRIMARY KEY, versions {int} NOT NULL);\n"
    "CREATE TABLE artifacts (id {text} PRIMARY KEY, name {text} NOT NULL, version {int} NOT NULL,"
    " kind {text} NOT NULL, media_type {text} NOT NULL, hex {text} NOT NULL REFERENCES vault_files "
    "(hex), size {int} NOT NULL, state {text} NOT NULL, manifest {text} NOT NULL,"
    " created_ms {int} NOT NULL, created_by {text} NOT NULL, created_name {text} NOT NULL,"
    " released_ms {int} NOT NULL DEFAULT 0, released_by {text}, released_name {text},"
    " UNIQUE (name, version));\n"
    "CREATE INDEX artifacts_hex ON artifacts (hex)";

static const struct btz_migration migrations[] = { { 1, first } };

const struct btz_access_part btz_access_part_vault = { .name = "vault",
                                                       .migrations = migrations,
                                                       .migration_count = BTZ_COUNT(migrations),
                                                       .schemas = btz_vault_schemas };

const char *const btz_artifact_kinds[] = { "model", "dataset", "other", NULL };
const char *const btz_artifact_states[] = { "quarantined", "released", "withdrawn", "damaged",
                                            NULL };

/* ---- schemas ---- */

#define TEXT      "{\"type\":\"string\"}"
#define MAYBE     "{\"type\":[\"string\",\"null\"]}"
#define TIME      "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBETIME "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define NUMBER    "{\"type\":\"integer\"}"
#define CLOSED    "\"type\":\"object\",\"additionalProperties\":false,"

const struct btz_schema btz_vault_schemas[] = {
    { "artifact",
      "{" CLOSED "\"required\":[\"id\",\"name\",\"version\",\"kind\",\"media_type\",\"digest\","
      "\"size\",\"state\",\"created\",\"created_by\"],\"properties\":{\"id\":" TEXT
      ",\"name\":" TEXT ",\"version\":" NUMBER
      ",\"kind\":{\"enum\":[\"model\",\"dataset\",\"other\"]},\"media_type\":" TEXT
      ",\"digest\":{\"type\":\"string\",\"pattern\":\"^sha256:[0-9a-f]{64}$\"},\"size\":" NUMBER
      ",\"state\":{\"enum\":[\"quarantined\",\"released\",\"withdrawn\",\"damaged\"]},"
      "\"created\":" TIME ",\"created_by\":" TEXT ",\"created_by_name\":" TEXT
      ",\"released\":" MAYBETIME ",\"released_by\":" MAYBE ",\"released_by_name\":" MAYBE
      ",\"verified\":" TIME "}}" },
    { "artifact-list", "{" CLOSED "\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{"
                       "\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/artifact\"}}"
                       ",\"next\":" MAYBE "}}" },
    { NULL, NULL },
};

/* ---- answers ---- */

#define COLUMNS                                                                                    \
    "a.id, a.name, a.version, a.kind, a.media_type, a.hex, a.size, a.state, a.created_ms, "        \
    "a.created_by, a.created_name, a.released_ms, a.released_by, a.released_name, f.verified_ms"
#define FROM " FROM artifacts a JOIN vault_files f ON f.hex = a.hex"
enum column {
    ID,
    NAME,
    VERSION,
    KIND,
    MEDIA_TYPE,
    HEX,
    SIZE,
    STATE,
    CREATED,
    CREATED_BY,
    CREATED_NAME,
    RELEASED,
    RELEASED_BY,
    RELEASED_NAME,
    VERIFIED,
    COUNT
};

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    char digest[7 + 2 * BTZ_SHA256_LEN + 1];

    (void)c;
    snprintf(digest, sizeof digest, "sha256:%.*s", BTZ_SLICE_ARG(v[HEX].bytes));
    BTZ_TRY(btz_json_set_column(item, "id", &v[ID]));
    BTZ_TRY(btz_json_set_column(item, "name", &v[NAME]));
    BTZ_TRY(btz_json_set(item, "version", json_integer(v[VERSION].i)));
    BTZ_TRY(btz_json_set_column(item, "kind", &v[KIND]));
    BTZ_TRY(btz_json_set_column(item, "media_type", &v[MEDIA_TYPE]));
    BTZ_TRY(btz_json_set_text(item, "digest", digest));
    BTZ_TRY(btz_json_set(item, "size", json_integer(v[SIZE].i)));
    BTZ_TRY(btz_json_set_column(item, "state", &v[STATE]));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[CREATED].i));
    BTZ_TRY(btz_json_set_column(item, "created_by", &v[CREATED_BY]));
    BTZ_TRY(btz_json_set_column(item, "created_by_name", &v[CREATED_NAME]));
    BTZ_TRY(btz_json_set_time(item, "released", (uint64_t)v[RELEASED].i));
    BTZ_TRY(btz_json_set_column(item, "released_by", &v[RELEASED_BY]));
    BTZ_TRY(btz_json_set_column(item, "released_by_name", &v[RELEASED_NAME]));
    return btz_json_set_time(item, "verified", (uint64_t)v[VERIFIED].i);
}

enum btz_err btz_artifact_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS FROM " WHERE a.id = ?", v, 1, c->arena, COUNT,
                          &row));
    if (!row || !item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

/* ---- finding ---- */

enum btz_err btz_artifact_name_check(const char *name)
{
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') ||
              (p > name && strchr("._+-", *p))))
            return btz_fail(BTZ_USAGE,
                            "artifact: \"%.128s\" cannot be a name; use a-z, 0-9 and ._+-, a "
                            "letter or digit first",
                            name);
    return *name ? BTZ_OK : btz_fail(BTZ_USAGE, "artifact: a name is missing");
}

static enum btz_err find_row(struct btz_call *c, const char *name, const char *version,
                             const struct btz_value **row)
{
    static const char by_number[] = "SELECT " COLUMNS ", f.inode, f.mtime_ns, f.ctime_ns" FROM
                                    " WHERE a.name = ? AND a.version = ?";
    /* One that is damaged counts while its release is in force: whoever may write its file must not bring an older one back. */
    static const char latest[] =
        "SELECT " COLUMNS ", f.inode, f.mtime_ns, f.ctime_ns" FROM
        " WHERE a.name = ? AND a.version = (SELECT MAX(l.version) FROM artifacts l WHERE "
        "l.name = ? AND (l.state = 'released' OR (l.state = 'damaged' AND l.released_ms > 0)))";
    struct btz_value v[2] = { btz_value_str(name) };
    uint64_t number;

    if (strcmp(version, "latest") == 0) {
        v[1] = btz_value_str(name);
        return btz_store_one(c->store, latest, v, 2, c->arena, COUNT + 3, row);
    }
    if (btz_parse_u64(btz_str(version), &number) != BTZ_OK || number == 0 || number > INT32_MAX)
        return btz_fail(BTZ_USAGE, "version: expected a number from 1, or latest");
    v[1] = btz_value_int((int64_t)number);
    return btz_store_one(c->store, by_number, v, 2, c->arena, COUNT + 3, row);
}

enum btz_err btz_artifact_find(struct btz_call *c, struct btz_artifact *out)
{
    const char *name = btz_call_text(c, "artifact"), *version = btz_call_text(c, "version");
    const struct btz_value *row;
    const char *called;

    BTZ_TRY(btz_artifact_name_check(name));
    BTZ_TRY(find_row(c, name, version, &row));
    called = btz_arena_printf(c->arena, "%s@%s", name, version);
    if (!called)
        return BTZ_LIMIT;
    if (!row)
        return btz_call_not_found(c, "artifact", called);
    *out = (struct btz_artifact){ .id = btz_column_text(c->arena, &row[ID]),
                                  .name = btz_column_text(c->arena, &row[NAME]),
                                  .kind = btz_column_text(c->arena, &row[KIND]),
                                  .media_type = btz_column_text(c->arena, &row[MEDIA_TYPE]),
                                  .state = btz_column_text(c->arena, &row[STATE]),
                                  .hex = btz_column_text(c->arena, &row[HEX]),
                                  .created_by = btz_column_text(c->arena, &row[CREATED_BY]),
                                  .version = (uint64_t)row[VERSION].i,
                                  .size = (uint64_t)row[SIZE].i,
                                  .seen = { .size = (uint64_t)row[SIZE].i,
                                            .inode = (uint64_t)row[COUNT].i,
                                            .mtime_ns = (uint64_t)row[COUNT + 1].i,
                                            .ctime_ns = (uint64_t)row[COUNT + 2].i } };
    c->target = btz_arena_printf(c->arena, "artifact/%s@%" PRIu64, out->name ? out->name : "",
                                 out->version);
    return out->id && out->name && out->kind && out->media_type && out->state && out->hex &&
                   out->created_by && c->target
               ? BTZ_OK
               : BTZ_LIMIT;
}

/* ---- list, show, manifest ---- */

static enum btz_err list(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS FROM " WHERE a.id > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    btz_sql_where(&q, " AND a.name = ?", btz_call_text(c, "name"));
    btz_sql_where(&q, " AND a.kind = ?", btz_call_text(c, "kind"));
    btz_sql_where(&q, " AND a.state = ?", btz_call_text(c, "status"));
    btz_sql_add(&q, " ORDER BY a.id");
    return btz_list_run(c, &q, fill);
}

static enum btz_err get(struct btz_call *c)
{
    struct btz_artifact a;

    BTZ_TRY(btz_artifact_find(c, &a));
    return btz_artifact_json(c, a.id, &c->out);
}

static enum btz_err manifest(struct btz_call *c)
{
    const struct btz_value *row;
    struct btz_artifact a;
    struct btz_value v[1];

    BTZ_TRY(btz_artifact_find(c, &a));
    v[0] = btz_value_str(a.id);
    BTZ_TRY(btz_store_one(c->store, "SELECT manifest FROM artifacts WHERE id = ?", v, 1, c->arena,
                          1, &row));
    if (!row)
        return btz_call_not_found(c, "artifact", a.name);
    c->out = json_pack("{s:o, s:s}", "manifest", btz_json_text(row[0].bytes), "media_type",
                       "text/plain; charset=utf-8");
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static const struct btz_field list_fields[] = {
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only versions of that one.",
      .max = BTZ_ARTIFACT_NAME_MAX,
      .names = BTZ_NAMES_NEW },
    { .name = "kind",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only of that kind.",
      .choices = btz_artifact_kinds },
    { .name = "status",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only in that state.",
      .choices = btz_artifact_states },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field one_fields[] = { BTZ_ARTIFACT_NAME, BTZ_ARTIFACT_VERSION };

const struct btz_operation btz_operation_artifact_list = {
    .id = "artifact.list",
    .method = "GET",
    .path = "/v1/artifacts",
    .command = "artifact list",
    .summary = "List models, data sets and other files of the vault.",
    .tag = "artifacts",
    .action = "artifact.list",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "artifact-list",
    .columns = "name version kind state size created created_by_name",
    .run = list,
};
const struct btz_operation btz_operation_artifact_get = {
    .id = "artifact.get",
    .method = "GET",
    .path = "/v1/artifacts/{artifact}/versions/{version}",
    .command = "artifact show",
    .summary = "Show one version of an artifact.",
    .tag = "artifacts",
    .action = "artifact.list",
    .resource = "artifact/{artifact}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = one_fields,
    .field_count = BTZ_COUNT(one_fields),
    .result = "artifact",
    .run = get,
};
const struct btz_operation btz_operation_artifact_manifest = {
    .id = "artifact.manifest",
    .method = "GET",
    .path = "/v1/artifacts/{artifact}/versions/{version}/manifest",
    .command = "artifact manifest",
    .summary = "Print the signed manifest of an artifact.",
    .details = "`bartizan access artifact check` verifies a file with it, also where there is no "
               "gateway.",
    .tag = "artifacts",
    .action = "artifact.read",
    .resource = "artifact/{artifact}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = one_fields,
    .field_count = BTZ_COUNT(one_fields),
    .raw = "manifest",
    .run = manifest,
};
