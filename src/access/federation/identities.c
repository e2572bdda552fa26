/* Who is who: accounts of issuers, linked to people and services by administrators. */
#include "access/federation/rows.h"
#include "access/oidc.h"

#define COLUMNS                                                                                    \
    "i.id, i.issuer, i.subject, i.principal, p.name, i.created_ms, i.created_by, i.used_ms"
#define FROM         " FROM identities i JOIN principals p ON p.id = i.principal "
#define COLUMN_COUNT 8

static enum btz_err fill(struct btz_call *c, const struct btz_value *row, json_t *item)
{
    BTZ_TRY(btz_fed_set_text(item, "id", btz_fed_text(c, &row[0])));
    BTZ_TRY(btz_fed_set_text(item, "issuer", btz_fed_text(c, &row[1])));
    BTZ_TRY(btz_fed_set_text(item, "subject", btz_fed_text(c, &row[2])));
    BTZ_TRY(btz_fed_set_text(item, "principal", btz_fed_text(c, &row[3])));
    BTZ_TRY(btz_fed_set_text(item, "principal_name", btz_fed_text(c, &row[4])));
    BTZ_TRY(btz_fed_set_time(item, "created", (uint64_t)row[5].i));
    BTZ_TRY(btz_fed_set_text(item, "created_by", btz_fed_text(c, &row[6])));
    return btz_fed_set_time(item, "used", (uint64_t)row[7].i);
}

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
    return fill(l->call, v, item);
}

static enum btz_err list_run(struct btz_call *c)
{
    const char *who = btz_call_text(c, "principal");
    struct btz_principal p = { 0 };
    struct list l = { .call = c };
    struct btz_value key[1];
    enum btz_err err;

    if (who)
        BTZ_TRY(btz_principal_find(c, who, &p));
    key[0] = btz_value_str(p.id);
    l.items = json_array();
    err = btz_store_query(c->store,
                          who ? "SELECT " COLUMNS FROM "WHERE i.principal = ? ORDER BY i.id"
                              : "SELECT " COLUMNS FROM "ORDER BY i.id LIMIT 1000",
                          key, who ? 1 : 0, list_row, &l);
    if (err != BTZ_OK) {
        json_decref(l.items);
        return err;
    }
    return btz_fed_list(c, l.items);
}

static const struct btz_field list_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only of this person or service.",
      .names = BTZ_NAMES_PRINCIPAL },
};
const struct btz_operation btz_operation_identity_list = {
    .id = "identity.list",
    .method = "GET",
    .path = "/v1/identities",
    .command = "identity list",
    .summary = "List the accounts of issuers that are linked to people and services.",
    .tag = "identities",
    .action = "user.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "identity-list",
    .run = list_run,
};

static enum btz_err one_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value key[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS FROM "WHERE i.id = ?", key, 1, c->arena,
                          COLUMN_COUNT, &row));
    if (!row)
        return btz_call_not_found(c, "identity", id);
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

static enum btz_err add_run(struct btz_call *c)
{
    const char *name = btz_call_text(c, "issuer");
    struct btz_oidc *o = btz_federation_issuer(btz_access_federation(c->access), name);
    char *id = btz_arena_alloc(c->arena, BTZ_ID_TEXT);
    struct btz_principal p;
    struct btz_value row[6];
    enum btz_err err;

    if (!id)
        return BTZ_LIMIT;
    if (!o)
        return btz_call_not_found(c, "issuer", name);
    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "principal"), &p));
    BTZ_TRY(btz_fed_may_prove(c, &p));
    btz_id_new("idn_", c->now_ms, id);
    row[0] = btz_value_str(id);
    row[1] = btz_value_str(btz_oidc_conf(o)->url);
    row[2] = btz_value_str(btz_call_text(c, "subject"));
    row[3] = btz_value_str(p.id);
    row[4] = btz_value_int((int64_t)c->now_ms);
    row[5] = btz_value_str(c->caller->principal);
    err = btz_store_run(c->store,
                        "INSERT INTO identities (id, issuer, subject, principal, created_ms, "
                        "created_by) VALUES (?, ?, ?, ?, ?, ?)",
                        row, 6, NULL);
    if (err == BTZ_CONFLICT)
        return btz_fail(BTZ_CONFLICT, "this account of the issuer is linked already");
    BTZ_TRY(err);
    BTZ_TRY(btz_call_touched(c, p.id));
    BTZ_TRY(one_json(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

static const struct btz_field add_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Person or service: name or id.",
      .names = BTZ_NAMES_PRINCIPAL },
    { .name = "issuer",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .max = 32,
      .help = "Name of the issuer in the settings." },
    { .name = "subject",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .max = 255,
      .help = "\"sub\" of its tokens." },
};
const struct btz_operation btz_operation_identity_add = {
    .id = "identity.add",
    .method = "POST",
    .path = "/v1/identities",
    .command = "identity add",
    .summary = "Link an account of an issuer to a person or service.",
    .details = "Whoever signs in there, or brings a token of that subject, is then this person or "
               "service here. Services need key.write too, accounts with administrative roles "
               "role.bind.",
    .tag = "identities",
    .action = "user.write",
    .resource = "user/{principal}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = add_fields,
    .field_count = BTZ_COUNT(add_fields),
    .result = "identity",
    .created = true,
    .run = add_run,
};

static enum btz_err remove_run(struct btz_call *c)
{
    const char *id = btz_call_text(c, "identity");
    const struct btz_value key[] = { btz_value_str(id) };

    BTZ_TRY(one_json(c, id, &c->before));
    return btz_store_run(c->store, "DELETE FROM identities WHERE id = ?", key, 1, NULL);
}

static const struct btz_field remove_fields[] = {
    { .name = "identity",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .help = "Id of the link." },
};
const struct btz_operation btz_operation_identity_remove = {
    .id = "identity.remove",
    .method = "DELETE",
    .path = "/v1/identities/{identity}",
    .command = "identity remove",
    .summary = "Remove a link; whoever signs in there is nobody here.",
    .tag = "identities",
    .action = "user.write",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = remove_fields,
    .field_count = BTZ_COUNT(remove_fields),
    .run = remove_run,
};
