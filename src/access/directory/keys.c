#include "access/directory/keys.h"

/* API keys: shown once, stored as a peppered hash. */

#define OVERLAP_MS     UINT64_C(86400000)
#define OVERLAP_MAX_MS (30 * UINT64_C(86400000))
#define KEYS_EACH_MAX  100 /* active ones of one principal */
#define COLUMNS                                                                                    \
    "k.id, k.principal, p.name, k.name, k.shown, k.scopes, k.from_s, k.until_s, k.created_ms, "    \
    "k.last_used_ms, k.rotated_to, k.created_by, k.status"
#define TABLES " FROM keys k JOIN principals p ON p.id = k.principal"
enum column {
    ID,
    PRINCIPAL,
    PRINCIPAL_NAME,
    NAME,
    SHOWN,
    SCOPES,
    FROM,
    UNTIL,
    CREATED,
    LAST_USED,
    ROTATED_TO,
    CREATED_BY,
    STATUS,
    COUNT
};

/* ---- answers ---- */

static const char *status_of(const struct btz_call *c, const struct btz_value *v)
{
    bool active = btz_slice_is(v[STATUS].bytes, "active");

    if (!active)
        return "revoked";
    return v[UNTIL].i > 0 && (uint64_t)v[UNTIL].i <= c->now_ms / 1000 ? "expired" : "active";
}

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    json_t *scopes = NULL;

    BTZ_TRY(btz_json_set_column(item, "id", &v[ID]));
    BTZ_TRY(btz_json_set_column(item, "principal", &v[PRINCIPAL]));
    BTZ_TRY(btz_json_set_column(item, "principal_name", &v[PRINCIPAL_NAME]));
    BTZ_TRY(btz_json_set_column(item, "name", &v[NAME]));
    BTZ_TRY(btz_json_set_column(item, "shown", &v[SHOWN]));
    if (v[SCOPES].kind != BTZ_VALUE_NULL)
        BTZ_TRY(btz_json_parse(v[SCOPES].bytes, 1u << 20, "scopes of a key", &scopes));
    BTZ_TRY(btz_json_set(item, "scopes", scopes ? scopes : json_null()));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[CREATED].i));
    BTZ_TRY(btz_json_set_time(item, "expires", (uint64_t)v[UNTIL].i * 1000));
    BTZ_TRY(btz_json_set_time(item, "last_used", (uint64_t)v[LAST_USED].i));
    BTZ_TRY(btz_json_set_column(item, "rotated_to", &v[ROTATED_TO]));
    BTZ_TRY(btz_json_set_column(item, "created_by", &v[CREATED_BY]));
    return btz_json_set_text(item, "status", status_of(c, v));
}

static enum btz_err load(struct btz_call *c, const char *id, const char *owner,
                         const struct btz_value **out)
{
    const struct btz_value v[] = { btz_value_str(id) };

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS TABLES " WHERE k.id = ?", v, 1, c->arena,
                          COUNT, out));
    if (!*out || (owner && !btz_slice_is((*out)[PRINCIPAL].bytes, owner)))
        return btz_call_not_found(c, "key", id);
    c->target = btz_arena_printf(c->arena, "key/%s", id);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err answer(struct btz_call *c, const char *id, const char *owner, json_t **out)
{
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(load(c, id, owner, &row));
    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

enum btz_err btz_keys_list(struct btz_call *c, const char *principal, const char *key)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS TABLES " WHERE k.id > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    btz_sql_where(&q, " AND k.principal = ?", principal);
    btz_sql_where(&q, " AND k.id = ?", key);
    if (btz_call_bool(c, "active", false)) {
        btz_sql_add(&q, " AND k.status = 'active' AND (k.until_s = 0 OR k.until_s > ?)");
        btz_sql_int(&q, (int64_t)(c->now_ms / 1000));
    }
    btz_sql_add(&q, " ORDER BY k.id");
    return btz_list_run(c, &q, fill);
}

enum btz_err btz_keys_get(struct btz_call *c, const char *owner, json_t **out)
{
    return answer(c, btz_call_text(c, "key"), owner, out);
}

/* ---- making them ---- */

static enum btz_err expiry(struct btz_call *c, uint64_t *until_s)
{
    uint64_t at = btz_call_ms(c, "expires", 0), life = btz_call_ms(c, "life", 0);

    if (at && life)
        return btz_fail(BTZ_USAGE, "give either `expires` or `life`");
    if (life)
        at = c->now_ms + life;
    if (at && at <= c->now_ms)
        return btz_fail(BTZ_USAGE, "`expires` must be in the future");
    *until_s = at / 1000;
    return BTZ_OK;
}

static enum btz_err count_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(int64_t *)user = v[0].i;
    return BTZ_OK;
}

static enum btz_err check_count(struct btz_call *c, const char *owner)
{
    const struct btz_value v[] = { btz_value_str(owner),
                                   btz_value_int((int64_t)(c->now_ms / 1000)) };
    int64_t count = 0;

    BTZ_TRY(btz_store_query(c->store,
                            "SELECT COUNT(*) FROM keys WHERE principal = ? AND status = 'active' "
                            "AND (until_s = 0 OR until_s > ?)",
                            v, 2, count_row, &count));
    return count < KEYS_EACH_MAX
               ? BTZ_OK
               : btz_fail(BTZ_CONFLICT, "there are %d active keys already; revoke some first",
                          KEYS_EACH_MAX);
}

struct new_key {
    const char *principal, *name, *scopes; /* scopes: JSON text or NULL */
    const char *by;                        /* who made it; NULL: the caller */
    uint64_t until_s;
};

/* Stores it; the secret goes into c->out and nowhere else. */
static enum btz_err add(struct btz_call *c, const struct new_key *k, char id[BTZ_ID_TEXT])
{
    char secret[BTZ_KEY_TEXT], shown[BTZ_KEY_SHOWN];
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_sql q = { .len = 0 };
    enum btz_err err;

    BTZ_TRY(btz_scopes_fresh(c, k->scopes));
    BTZ_TRY(check_count(c, k->principal));
    btz_id_new("key_", c->now_ms, id);
    btz_key_new(secret);
    btz_key_hash(btz_str(secret), c->access->pepper, hash);
    snprintf(shown, sizeof shown, "%.*s", BTZ_KEY_SHOWN - 1, secret);
    btz_sql_add(&q, "INSERT INTO keys (id, principal, hash, shown, name, scopes, from_s, until_s, "
                    "created_ms, created_by, status) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, "
                    "'active')");
    btz_sql_text(&q, id);
    btz_sql_text(&q, k->principal);
    btz_sql_blob(&q, btz_slice_of(hash, sizeof hash));
    btz_sql_text(&q, shown);
    btz_sql_text(&q, k->name);
    btz_sql_text(&q, k->scopes);
    btz_sql_int(&q, (int64_t)k->until_s);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, k->by ? k->by : c->caller->principal);
    err = btz_sql_run(c, &q, NULL);
    if (err == BTZ_OK)
        err = answer(c, id, NULL, &c->out);
    if (err == BTZ_OK)
        err = btz_json_set_text(c->out, "secret", secret);
    btz_wipe(secret, sizeof secret);
    c->policy_changed = true;
    return err == BTZ_OK ? answer(c, id, NULL, &c->after) : err;
}

enum btz_err btz_keys_create(struct btz_call *c, const struct btz_principal *owner)
{
    const json_t *scopes = json_object_get(c->in, "scopes");
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1u << 20);
    struct new_key k = { .principal = owner->id, .name = btz_call_text(c, "name") };
    char id[BTZ_ID_TEXT];

    if (owner->disabled)
        return btz_fail(BTZ_CONFLICT, "%s is disabled", owner->name);
    BTZ_TRY(expiry(c, &k.until_s));
    BTZ_TRY(btz_scopes_within(c, scopes));
    if (json_array_size(scopes) > 0) {
        BTZ_TRY(btz_scopes_check(c, owner, scopes));
        BTZ_TRY(btz_json_write(scopes, false, &text));
        BTZ_TRY(btz_buf_cstr(&text, &k.scopes));
    }
    return add(c, &k, id);
}

/* ---- rotating and revoking ---- */

static enum btz_err usable(struct btz_call *c, const struct btz_value *row)
{
    if (strcmp(status_of(c, row), "active") != 0)
        return btz_fail(BTZ_CONFLICT, "the key is %s; make a new one", status_of(c, row));
    if (row[ROTATED_TO].kind != BTZ_VALUE_NULL)
        return btz_fail(BTZ_CONFLICT, "the key was rotated already, to %.*s",
                        BTZ_SLICE_ARG(row[ROTATED_TO].bytes));
    return BTZ_OK;
}

/* The old one ends after the overlap, or when it would have ended anyway. */
static enum btz_err end_old(struct btz_call *c, const struct btz_value *row, const char *id,
                            const char *to, uint64_t overlap)
{
    uint64_t until = (c->now_ms + overlap) / 1000;
    struct btz_sql q = { .len = 0 };

    if (row[UNTIL].i > 0 && (uint64_t)row[UNTIL].i < until)
        until = (uint64_t)row[UNTIL].i;
    btz_sql_add(&q, "UPDATE keys SET rotated_to = ?, until_s = ?, status = ? WHERE id = ?");
    btz_sql_text(&q, to);
    btz_sql_int(&q, (int64_t)until);
    btz_sql_text(&q, overlap ? "active" : "revoked");
    btz_sql_text(&q, id);
    return btz_sql_run(c, &q, NULL);
}

enum btz_err btz_keys_rotate(struct btz_call *c, const char *owner)
{
    uint64_t overlap = btz_call_ms(c, "overlap", OVERLAP_MS), life;
    const char *id = btz_call_text(c, "key");
    const struct btz_value *row;
    char new_id[BTZ_ID_TEXT];
    struct new_key k;

    if (overlap > OVERLAP_MAX_MS)
        return btz_fail(BTZ_USAGE, "`overlap`: at most 30d");
    BTZ_TRY(load(c, id, owner, &row));
    BTZ_TRY(usable(c, row));
    BTZ_TRY(answer(c, id, owner, &c->before));
    k = (struct new_key){ .principal = btz_column_text(c->arena, &row[PRINCIPAL]),
                          .name = btz_column_text(c->arena, &row[NAME]),
                          .scopes = btz_column_text(c->arena, &row[SCOPES]) };
    if (!k.principal || !k.name)
        return BTZ_LIMIT;
    /* Whoever made a key is behind what it makes of itself. */
    if (c->caller->kind == BTZ_CALLER_KEY && strcmp(c->caller->key, id) == 0) {
        k.by = btz_column_text(c->arena, &row[CREATED_BY]);
        if (!k.by)
            return BTZ_LIMIT;
    }
    /* As long a life as the old one had, from now. */
    life = row[UNTIL].i > 0 ? (uint64_t)row[UNTIL].i - (uint64_t)row[CREATED].i / 1000 : 0;
    k.until_s = life ? c->now_ms / 1000 + life : 0;
    BTZ_TRY(add(c, &k, new_id));
    return end_old(c, row, id, new_id, overlap);
}

enum btz_err btz_keys_revoke(struct btz_call *c, const char *owner)
{
    const char *id = btz_call_text(c, "key");
    const struct btz_value v[] = { btz_value_str(id) };

    BTZ_TRY(answer(c, id, owner, &c->before));
    BTZ_TRY(btz_store_run(c->store, "UPDATE keys SET status = 'revoked' WHERE id = ?", v, 1, NULL));
    c->policy_changed = true;
    return answer(c, id, owner, &c->after);
}

/* ---- keys of others ---- */

/* Whoever holds a key is its owner to everybody else: nobody gets the secret of another person's key. */
static enum btz_err check_owner(struct btz_call *c, const struct btz_principal *owner)
{
    if (c->caller->kind == BTZ_CALLER_LOCAL || owner->kind == BTZ_PRINCIPAL_SERVICE ||
        btz_call_is_own(c, owner->id))
        return BTZ_OK;
    return btz_call_refuse(c, "people make and rotate their own keys; others only revoke them");
}

static enum btz_err list(struct btz_call *c)
{
    const char *principal = btz_call_text(c, "principal");
    struct btz_principal p;

    if (!principal)
        return btz_keys_list(c, NULL, NULL);
    BTZ_TRY(btz_principal_find(c, principal, &p));
    return btz_keys_list(c, p.id, NULL);
}

static enum btz_err get(struct btz_call *c)
{
    return btz_keys_get(c, NULL, &c->out);
}

static enum btz_err create(struct btz_call *c)
{
    struct btz_principal owner;

    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "principal"), &owner));
    BTZ_TRY(check_owner(c, &owner));
    return btz_keys_create(c, &owner);
}

static enum btz_err rotate(struct btz_call *c)
{
    const char *id = btz_call_text(c, "key");
    BTZ_JSON json_t *scopes = NULL;
    const struct btz_value *row;
    struct btz_principal owner;

    BTZ_TRY(load(c, id, NULL, &row));
    BTZ_TRY(btz_principal_find(c, btz_column_text(c->arena, &row[PRINCIPAL]), &owner));
    BTZ_TRY(check_owner(c, &owner));
    if (row[SCOPES].kind != BTZ_VALUE_NULL) {
        BTZ_TRY(btz_json_parse(row[SCOPES].bytes, 1u << 20, "scopes of a key", &scopes));
        BTZ_TRY(btz_scopes_check(c, &owner, scopes));
    }
    if (strcmp(id, c->caller->key) != 0)
        BTZ_TRY(btz_scopes_within(c, scopes));
    return btz_keys_rotate(c, NULL);
}

static enum btz_err revoke(struct btz_call *c)
{
    return btz_keys_revoke(c, NULL);
}

static const struct btz_field list_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only of that person or service.",
      .names = BTZ_NAMES_PRINCIPAL },
    { .name = "active",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_QUERY,
      .help = "Only those that can be used." },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field path[] = { BTZ_KEY_PATH_FIELD };
static const struct btz_field rotate_fields[] = { BTZ_KEY_PATH_FIELD, BTZ_KEY_OVERLAP_FIELD };
static const struct btz_field create_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Whose key: name or id of a service, or one's own.",
      .names = BTZ_NAMES_PRINCIPAL },
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "What it is for.",
      .max = BTZ_KEY_NAME_MAX_ },
    BTZ_KEY_NEW_FIELDS,
};

const struct btz_operation btz_operation_key_list = {
    .id = "key.list",
    .method = "GET",
    .path = "/v1/keys",
    .command = "key list",
    .summary = "List keys.",
    .tag = "keys",
    .action = "key.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "key-list",
    .run = list,
};
const struct btz_operation btz_operation_key_get = {
    .id = "key.get",
    .method = "GET",
    .path = "/v1/keys/{key}",
    .command = "key show",
    .summary = "Show a key, not its secret.",
    .tag = "keys",
    .action = "key.read",
    .resource = "key/{key}",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .result = "key",
    .run = get,
};
const struct btz_operation btz_operation_key_create = {
    .id = "key.create",
    .method = "POST",
    .path = "/v1/keys",
    .command = "key add",
    .summary = "Make a key for a service; the secret is shown once.",
    .tag = "keys",
    .action = "key.write",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = create_fields,
    .field_count = BTZ_COUNT(create_fields),
    .result = "new-key",
    .created = true,
    .run = create,
};
const struct btz_operation btz_operation_key_rotate = {
    .id = "key.rotate",
    .method = "POST",
    .path = "/v1/keys/{key}/rotate",
    .command = "key rotate",
    .summary = "Make a new key with the same rights; the old one goes on for a while.",
    .tag = "keys",
    .action = "key.write",
    .resource = "key/{key}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = rotate_fields,
    .field_count = BTZ_COUNT(rotate_fields),
    .result = "new-key",
    .created = true,
    .run = rotate,
};
const struct btz_operation btz_operation_key_delete = {
    .id = "key.delete",
    .method = "DELETE",
    .path = "/v1/keys/{key}",
    .command = "key revoke",
    .summary = "Revoke a key at once.",
    .tag = "keys",
    .action = "key.write",
    .resource = "key/{key}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .run = revoke,
};
