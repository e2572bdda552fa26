/* Passkeys of people: rows, the factor, challenges, and the operations on one's own. */
#include "access/federation/authdata.h"
#include "access/federation/rows.h"
#include "access/jose.h"

#define KIND_REGISTER "passkey-register"

/* ---- the factor ---- */

static enum btz_err has(struct btz_store *s, const char *principal, bool *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value key[] = { btz_value_str(principal) };
    const struct btz_value *row;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT 1 FROM passkeys WHERE principal = ? LIMIT 1", key, 1, &arena,
                          1, &row));
    *out = row != NULL;
    return BTZ_OK;
}

static enum btz_err reset(struct btz_store *s, const char *principal)
{
    const struct btz_value key[] = { btz_value_str(principal) };

    return btz_store_run(s, "DELETE FROM passkeys WHERE principal = ?", key, 1, NULL);
}

const struct btz_factor btz_factor_passkey = {
    .name = "passkey", .enrols = true, .has = has, .reset = reset
};

/* ---- rows ---- */

#define COLUMNS                                                                                    \
    "id, principal, name, credential_id, public_key, algorithm, sign_count, created_ms, used_ms, " \
    "backup_eligible, backed_up, aaguid, user_verified, format"
#define COLUMN_COUNT 14

enum btz_err btz_passkey_find(struct btz_call *c, struct btz_slice credential_id,
                              struct btz_passkey *out)
{
    const struct btz_value key[] = { btz_value_blob(credential_id.ptr, credential_id.len) };
    struct btz_webauthn_key *k = &out->key;
    const struct btz_value *row;

    *out = (struct btz_passkey){ 0 };
    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM passkeys WHERE credential_id = ?", key,
                          1, c->arena, COLUMN_COUNT, &row));
    if (!row)
        return BTZ_OK;
    if (row[3].bytes.len > sizeof k->id || row[4].bytes.len > sizeof k->cose)
        return btz_fail(BTZ_INPUT, "passkeys: a row is damaged");
    out->id = btz_fed_text(c, &row[0]);
    out->principal = btz_fed_text(c, &row[1]);
    out->name = btz_fed_text(c, &row[2]);
    memcpy(k->id, row[3].bytes.ptr, row[3].bytes.len);
    k->id_len = row[3].bytes.len;
    memcpy(k->cose, row[4].bytes.ptr, row[4].bytes.len);
    k->cose_len = row[4].bytes.len;
    k->alg = (int)row[5].i;
    k->sign_count = (uint32_t)row[6].i;
    k->backup_eligible = row[9].i != 0;
    k->backed_up = row[10].i != 0;
    return out->id && out->principal && out->name ? BTZ_OK : BTZ_LIMIT;
}

struct ids {
    struct btz_call *call;
    struct btz_slice *ids;
    size_t count;
};

static enum btz_err id_row(void *user, const struct btz_value *v, size_t count)
{
    struct ids *list = user;
    (void)count;
    return list->count < BTZ_PASSKEYS_MAX
               ? btz_arena_copy(list->call->arena, v[0].bytes, &list->ids[list->count++])
               : BTZ_OK;
}

enum btz_err btz_passkey_ids(struct btz_call *c, const char *principal,
                             struct btz_slice ids[BTZ_PASSKEYS_MAX], size_t *count)
{
    const struct btz_value key[] = { btz_value_str(principal) };
    struct ids list = { .call = c, .ids = ids };

    BTZ_TRY(btz_store_query(c->store,
                            "SELECT credential_id FROM passkeys WHERE principal = ? ORDER BY id",
                            key, 1, id_row, &list));
    *count = list.count;
    return BTZ_OK;
}

/* ---- the site and its challenges ---- */

enum btz_err btz_passkey_site(struct btz_call *c, bool user_verification, struct btz_site *out)
{
    const struct btz_access_conf *conf = btz_access_settings(c->access);
    size_t len = conf->origin ? strlen(conf->origin) : 0;
    char *origin;

    while (len > 0 && conf->origin[len - 1] == '/')
        len--;
    origin = btz_arena_str(c->arena, btz_slice_of(conf->origin, len));
    if (!origin)
        return BTZ_LIMIT;
    BTZ_TRY(btz_webauthn_rp_id(origin, out->id, sizeof out->id));
    out->origins[0] = origin;
    out->origins[1] = NULL;
    out->rp = (struct btz_webauthn_rp){
        .id = out->id,
        .name = conf->issuer_name && conf->issuer_name[0] ? conf->issuer_name : "bartizan",
        .origins = out->origins,
        .user_verification = user_verification,
    };
    return BTZ_OK;
}

enum btz_err btz_passkey_challenge(struct btz_call *c, const char *kind, const char *principal,
                                   const char *more, uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE])
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(64), data = BTZ_BUF(BTZ_TICKET_DATA);
    BTZ_JSON json_t *object = NULL;
    char token[BTZ_TOKEN_TEXT];
    const char *at;

    btz_random_bytes(challenge, BTZ_WEBAUTHN_CHALLENGE);
    BTZ_TRY(btz_base64url_encode(btz_slice_of(challenge, BTZ_WEBAUTHN_CHALLENGE), &text));
    BTZ_TRY(btz_buf_cstr(&text, &at));
    object = json_pack("{s:s, s:s*}", "challenge", at, "more", more);
    BTZ_TRY(btz_json_write(object, false, &data));
    BTZ_TRY(btz_buf_cstr(&data, &at));
    BTZ_TRY(btz_ticket_new(c, kind, principal, at, BTZ_TICKET_MS, token));
    c->out = json_pack("{s:s}", "ticket", token);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

enum btz_err btz_passkey_ticket(struct btz_call *c, const char *kind, struct btz_ticket *ticket,
                                uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE], const char **more)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(64);
    BTZ_JSON json_t *object = NULL;
    struct btz_slice text;

    c->note.method = "passkey";
    BTZ_TRY(btz_ticket_take(c, kind, btz_call_text(c, "ticket"), ticket));
    BTZ_TRY(btz_json_parse(btz_str(ticket->data), BTZ_TICKET_DATA, "ticket", &object));
    if (!btz_json_get_text(object, "challenge", &text) ||
        btz_base64url_decode(text, &raw) != BTZ_OK || raw.len != BTZ_WEBAUTHN_CHALLENGE)
        return btz_fail(BTZ_INTERNAL, "ticket: no challenge in it");
    memcpy(challenge, raw.ptr, BTZ_WEBAUTHN_CHALLENGE);
    *more = NULL;
    if (btz_json_get_text(object, "more", &text)) {
        *more = btz_arena_str(c->arena, text);
        if (!*more)
            return BTZ_LIMIT;
    }
    return BTZ_OK;
}

enum btz_err btz_passkey_refuse(struct btz_call *c, const char *reason)
{
    c->keep = true;
    c->note.reason = btz_arena_str(c->arena, btz_str(reason));
    return btz_fail(BTZ_DENIED, "the passkey is not accepted");
}

/* ---- adding ---- */

static enum btz_err options_run(struct btz_call *c)
{
    struct btz_slice ids[BTZ_PASSKEYS_MAX];
    uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE];
    struct btz_principal me;
    struct btz_webauthn_user user;
    struct btz_site site;
    size_t count = 0;

    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(btz_passkey_site(c, false, &site));
    BTZ_TRY(btz_principal_find(c, c->caller->principal, &me));
    BTZ_TRY(btz_passkey_ids(c, me.id, ids, &count));
    if (count >= BTZ_PASSKEYS_MAX)
        return btz_fail(BTZ_CONFLICT, "there are %d passkeys already; remove one first",
                        BTZ_PASSKEYS_MAX);
    BTZ_TRY(btz_passkey_challenge(c, KIND_REGISTER, me.id, NULL, challenge));
    user = (struct btz_webauthn_user){
        .handle = btz_str(me.id),
        .name = me.name,
        .display_name = me.display_name && me.display_name[0] ? me.display_name : me.name,
    };
    return btz_fed_set(c->out, "public_key",
                       btz_webauthn_create_options(
                           &site.rp, &user, btz_slice_of(challenge, sizeof challenge), ids, count));
}

const struct btz_operation btz_operation_me_passkeys_options = {
    .id = "me.passkeys.options",
    .method = "POST",
    .path = "/v1/me/passkeys/options",
    .summary = "Begin to add a passkey",
    .details = "The answer's `public_key` goes to navigator.credentials.create(); its result comes "
               "back with the ticket within five minutes.",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .result = "passkey-options",
    .event = "",
    .run = options_run,
};

static const char *alg_name(int alg)
{
    return alg == BTZ_COSE_ES256   ? "ES256"
           : alg == BTZ_COSE_EDDSA ? "EdDSA"
           : alg == BTZ_COSE_ES384 ? "ES384"
                                   : "RS256";
}

/* 8-4-4-4-12, as tables of authenticators have it. */
static void aaguid_text(const uint8_t *aaguid, char out[37])
{
    char hex[33];

    btz_hex(aaguid, 16, hex);
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static enum btz_err passkey_json(struct btz_call *c, const struct btz_value *row, json_t *item)
{
    char aaguid[37] = "";

    if (row[11].bytes.len == 16)
        aaguid_text(row[11].bytes.ptr, aaguid);
    BTZ_TRY(btz_fed_set_text(item, "id", btz_fed_text(c, &row[0])));
    BTZ_TRY(btz_fed_set_text(item, "name", btz_fed_text(c, &row[2])));
    BTZ_TRY(btz_fed_set_time(item, "created", (uint64_t)row[7].i));
    BTZ_TRY(btz_fed_set_time(item, "used", (uint64_t)row[8].i));
    BTZ_TRY(btz_fed_set(item, "backed_up", json_boolean(row[10].i != 0)));
    BTZ_TRY(btz_fed_set_text(item, "algorithm", alg_name((int)row[5].i)));
    BTZ_TRY(btz_fed_set(item, "user_verified", json_boolean(row[12].i != 0)));
    BTZ_TRY(btz_fed_set_text(item, "format", btz_fed_text(c, &row[13])));
    return btz_fed_set_text(item, "aaguid", aaguid);
}

/* One of the caller's own as an object; not found otherwise. */
static enum btz_err own_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value key[] = { btz_value_str(id), btz_value_str(c->caller->principal) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "SELECT " COLUMNS " FROM passkeys WHERE id = ? AND principal = ?", key, 2,
                          c->arena, COLUMN_COUNT, &row));
    if (!row)
        return btz_call_not_found(c, "passkey", id);
    c->target = btz_arena_printf(c->arena, "passkey/%s", id);
    BTZ_TRY(passkey_json(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

static enum btz_err insert(struct btz_call *c, const struct btz_webauthn_key *k, const char *id)
{
    const struct btz_value row[] = {
        btz_value_str(id),
        btz_value_str(c->caller->principal),
        btz_value_blob(k->id, k->id_len),
        btz_value_blob(k->cose, k->cose_len),
        btz_value_int(k->alg),
        btz_value_int(k->sign_count),
        btz_value_str(btz_call_text(c, "name")),
        btz_value_int((int64_t)c->now_ms),
        btz_value_int(k->backup_eligible),
        btz_value_int(k->backed_up),
        btz_value_blob(k->aaguid, sizeof k->aaguid),
        btz_value_int(k->user_verified),
        btz_value_str(k->format),
        btz_value_int(k->self_attested),
    };

    return btz_store_run(c->store,
                         "INSERT INTO passkeys (id, principal, credential_id, public_key, "
                         "algorithm, sign_count, name, created_ms, backup_eligible, backed_up, "
                         "aaguid, user_verified, format, attested) VALUES (?, ?, ?, ?, ?, ?, ?, ?, "
                         "?, ?, ?, ?, ?, ?)",
                         row, BTZ_COUNT(row), NULL);
}

/* The ceremony that the ticket began, with this person's challenge. */
static enum btz_err registered(struct btz_call *c, struct btz_webauthn_key *out)
{
    uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE];
    struct btz_webauthn_response response;
    struct btz_ticket ticket;
    struct btz_site site;
    const char *more;
    enum btz_err err;

    BTZ_TRY(btz_passkey_ticket(c, KIND_REGISTER, &ticket, challenge, &more));
    if (!ticket.principal || strcmp(ticket.principal, c->caller->principal) != 0)
        return btz_passkey_refuse(c, "the ticket belongs to another person");
    BTZ_TRY(btz_passkey_site(c, false, &site));
    err = btz_webauthn_response_parse(json_object_get(c->in, "credential"), true, c->arena,
                                      &response);
    if (err == BTZ_OK)
        err = btz_webauthn_register(&site.rp, btz_slice_of(challenge, sizeof challenge), &response,
                                    out);
    if (err == BTZ_DENIED || err == BTZ_UNSUPPORTED)
        return btz_passkey_refuse(c, btz_error_detail());
    if (err == BTZ_INPUT)
        return btz_fail_context(BTZ_USAGE, "`credential`");
    return err;
}

static enum btz_err add_run(struct btz_call *c)
{
    struct btz_webauthn_key key;
    struct btz_passkey other;
    char *id = btz_arena_alloc(c->arena, BTZ_ID_TEXT);

    if (!id)
        return BTZ_LIMIT;
    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(registered(c, &key));
    BTZ_TRY(btz_passkey_find(c, btz_slice_of(key.id, key.id_len), &other));
    if (other.id)
        return btz_passkey_refuse(c, "the credential is registered already");
    btz_id_new("psk_", c->now_ms, id);
    BTZ_TRY(insert(c, &key, id));
    BTZ_TRY(own_json(c, id, &c->after));
    c->out = json_incref(c->after);
    c->keep = false;
    c->note.method = NULL;
    c->note.reason = "a passkey was added";
    return btz_factor_added(c, "passkey");
}

static const struct btz_field add_fields[] = {
    { .name = "ticket",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "Ticket of the options." },
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 100,
      .help = "Name for the list, such as \"laptop\"." },
    { .name = "credential",
      .kind = BTZ_FIELD_OBJECT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 131072,
      .help = "PublicKeyCredential.toJSON() of what navigator.credentials.create() gave." },
};
const struct btz_operation btz_operation_me_passkeys_add = {
    .id = "me.passkeys.add",
    .method = "POST",
    .path = "/v1/me/passkeys",
    .summary = "Add a passkey",
    .details = "A session that may only enrol becomes a full one.",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .fields = add_fields,
    .field_count = BTZ_COUNT(add_fields),
    .result = "passkey",
    .created = true,
    .run = add_run,
};

/* ---- listing, renaming, removing ---- */

struct list {
    struct btz_call *call;
    json_t *items;
};

static enum btz_err list_row(void *user, const struct btz_value *v, size_t count)
{
    struct list *l = user;
    json_t *item = json_object();
    (void)count;
    if (json_array_append_new(l->items, item) != 0)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    return passkey_json(l->call, v, item);
}

static enum btz_err list_run(struct btz_call *c)
{
    const struct btz_value key[] = { btz_value_str(c->caller->principal) };
    struct list l = { .call = c, .items = json_array() };
    enum btz_err err = btz_store_query(
        c->store, "SELECT " COLUMNS " FROM passkeys WHERE principal = ? ORDER BY id", key, 1,
        list_row, &l);

    if (err != BTZ_OK) {
        json_decref(l.items);
        return err;
    }
    return btz_fed_list(c, l.items);
}

const struct btz_operation btz_operation_me_passkeys = {
    .id = "me.passkeys",
    .method = "GET",
    .path = "/v1/me/passkeys",
    .summary = "List your passkeys",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .result = "passkey-list",
    .run = list_run,
};

static enum btz_err rename_run(struct btz_call *c)
{
    const char *id = btz_call_text(c, "passkey");
    const struct btz_value v[] = { btz_value_str(btz_call_text(c, "name")), btz_value_str(id) };

    BTZ_TRY(own_json(c, id, &c->before));
    BTZ_TRY(btz_store_run(c->store, "UPDATE passkeys SET name = ? WHERE id = ?", v, 2, NULL));
    BTZ_TRY(own_json(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

#define PASSKEY                                                                                    \
    {                                                                                              \
        .name = "passkey", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,         \
        .help = "Id of the passkey."                                                               \
    }
static const struct btz_field rename_fields[] = {
    PASSKEY,
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 100,
      .help = "Another name." },
};
const struct btz_operation btz_operation_me_passkeys_rename = {
    .id = "me.passkeys.rename",
    .method = "PATCH",
    .path = "/v1/me/passkeys/{passkey}",
    .summary = "Rename a passkey",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .fields = rename_fields,
    .field_count = BTZ_COUNT(rename_fields),
    .result = "passkey",
    .run = rename_run,
};

static enum btz_err remove_run(struct btz_call *c)
{
    const char *id = btz_call_text(c, "passkey");
    const struct btz_value v[] = { btz_value_str(id) };

    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(own_json(c, id, &c->before));
    BTZ_TRY(btz_store_run(c->store, "DELETE FROM passkeys WHERE id = ?", v, 1, NULL));
    c->note.reason = "a passkey was removed";
    return btz_factor_removed(c);
}

static const struct btz_field remove_fields[] = { PASSKEY };
const struct btz_operation btz_operation_me_passkeys_remove = {
    .id = "me.passkeys.remove",
    .method = "DELETE",
    .path = "/v1/me/passkeys/{passkey}",
    .summary = "Remove a passkey",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .fields = remove_fields,
    .field_count = BTZ_COUNT(remove_fields),
    .run = remove_run,
};
