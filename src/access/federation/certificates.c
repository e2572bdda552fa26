/* Client certificates: which one is whose. By fingerprint of one certificate, or by a name that the installation's own
 * authority puts into them, which survives their renewal. */
#include "access/federation/rows.h"
#include "access/oidc.h"

#define COLUMNS                                                                                    \
    "k.id, k.principal, p.name, k.kind, k.value, k.name, k.created_ms, k.created_by, k.used_ms"
#define FROM         " FROM client_certs k JOIN principals p ON p.id = k.principal "
#define COLUMN_COUNT 9

static enum btz_err fill(struct btz_call *c, const struct btz_value *row, json_t *item)
{
    static const char *const texts[] = { "id",   "principal", "principal_name",
                                         "kind", "value",     "name" };

    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        BTZ_TRY(btz_fed_set_text(item, texts[i], btz_fed_text(c, &row[i])));
    BTZ_TRY(btz_fed_set_time(item, "created", (uint64_t)row[6].i));
    BTZ_TRY(btz_fed_set_text(item, "created_by", btz_fed_text(c, &row[7])));
    return btz_fed_set_time(item, "used", (uint64_t)row[8].i);
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
    struct list l = { .call = c, .items = json_array() };
    enum btz_err err = btz_store_query(c->store, "SELECT " COLUMNS FROM "ORDER BY k.id LIMIT 1000",
                                       NULL, 0, list_row, &l);

    if (err != BTZ_OK) {
        json_decref(l.items);
        return err;
    }
    return btz_fed_list(c, l.items);
}

const struct btz_operation btz_operation_certificate_list = {
    .id = "certificate.list",
    .method = "GET",
    .path = "/v1/certificates",
    .command = "certificate list",
    .summary = "List client certificates and whose they are.",
    .tag = "certificates",
    .action = "key.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "certificate-list",
    .run = list_run,
};

static enum btz_err one_json(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value key[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS FROM "WHERE k.id = ?", key, 1, c->arena,
                          COLUMN_COUNT, &row));
    if (!row)
        return btz_call_not_found(c, "certificate", id);
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

/* ---- adding ---- */

/* What is stored: "fingerprint" and hex, or "name" and one of its alternative names. */
static enum btz_err what(struct btz_call *c, const char **kind, const char **value)
{
    const char *pem = btz_call_text(c, "certificate"), *san = btz_call_text(c, "san");
    struct btz_cert *cert;

    if ((pem != NULL) == (san != NULL))
        return btz_fail(BTZ_USAGE, "give a `certificate` or a `san`, and not both");
    if (san) {
        size_t at = strcspn(san, ":");

        if (strncmp(san, "dns:", 4) != 0 && strncmp(san, "email:", 6) != 0 &&
            strncmp(san, "uri:", 4) != 0)
            return btz_fail(BTZ_USAGE, "`san`: expected dns:..., email:... or uri:...");
        if (!san[at + 1] || strpbrk(san, "* \t"))
            return btz_fail(BTZ_USAGE, "`san`: a whole name, without patterns");
        *kind = "name";
        *value = san;
        return BTZ_OK;
    }
    cert = btz_arena_alloc(c->arena, sizeof *cert);
    if (!cert)
        return BTZ_LIMIT;
    if (btz_cert_parse(btz_str(pem), cert) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "`certificate`");
    if (!btz_cert_is_valid_at(cert, c->now_ms / 1000))
        return btz_fail(BTZ_USAGE, "`certificate`: it is not valid today");
    *kind = "fingerprint";
    *value = cert->fingerprint;
    return BTZ_OK;
}

static enum btz_err add_run(struct btz_call *c)
{
    char *id = btz_arena_alloc(c->arena, BTZ_ID_TEXT);
    const char *kind = NULL, *value = NULL, *name = btz_call_text(c, "name");
    struct btz_principal p;
    struct btz_value row[7];
    enum btz_err err;

    if (!id)
        return BTZ_LIMIT;
    BTZ_TRY(what(c, &kind, &value));
    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "principal"), &p));
    BTZ_TRY(btz_fed_may_prove(c, &p));
    btz_id_new("crt_", c->now_ms, id);
    row[0] = btz_value_str(id);
    row[1] = btz_value_str(p.id);
    row[2] = btz_value_str(kind);
    row[3] = btz_value_str(value);
    row[4] = btz_value_str(name ? name : "");
    row[5] = btz_value_int((int64_t)c->now_ms);
    row[6] = btz_value_str(c->caller->principal);
    err = btz_store_run(c->store,
                        "INSERT INTO client_certs (id, principal, kind, value, name, created_ms, "
                        "created_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
                        row, 7, NULL);
    if (err == BTZ_CONFLICT)
        return btz_fail(BTZ_CONFLICT, "this certificate or name belongs to somebody already");
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
    { .name = "certificate",
      .kind = BTZ_FIELD_FILE,
      .place = BTZ_IN_BODY,
      .max = BTZ_CERT_PEM_MAX,
      .help = "Certificate in PEM; its fingerprint is kept." },
    { .name = "san",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .max = 255,
      .help = "Or an alternative name that your authority gives to nobody else: dns:..., "
              "email:..., uri:..." },
    { .name = "name", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .max = 100, .help = "Remark." },
};
const struct btz_operation btz_operation_certificate_add = {
    .id = "certificate.add",
    .method = "POST",
    .path = "/v1/certificates",
    .command = "certificate add",
    .summary = "Let a person or service in with a client certificate.",
    .details = "The TLS layer in front verifies that the certificate is of the installation's "
               "authority and that the client has its key; here it only finds its owner. People "
               "need user.write too, accounts with administrative roles role.bind.",
    .tag = "certificates",
    .action = "key.write",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = add_fields,
    .field_count = BTZ_COUNT(add_fields),
    .result = "certificate",
    .created = true,
    .run = add_run,
};

static enum btz_err remove_run(struct btz_call *c)
{
    const char *id = btz_call_text(c, "id");
    const struct btz_value key[] = { btz_value_str(id) };

    BTZ_TRY(one_json(c, id, &c->before));
    return btz_store_run(c->store, "DELETE FROM client_certs WHERE id = ?", key, 1, NULL);
}

static const struct btz_field remove_fields[] = {
    { .name = "id",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .help = "Id of the entry." },
};
const struct btz_operation btz_operation_certificate_remove = {
    .id = "certificate.remove",
    .method = "DELETE",
    .path = "/v1/certificates/{id}",
    .command = "certificate remove",
    .summary = "Remove a client certificate; it opens nothing any more.",
    .tag = "certificates",
    .action = "key.write",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = remove_fields,
    .field_count = BTZ_COUNT(remove_fields),
    .run = remove_run,
};
