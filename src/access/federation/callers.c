/* Callers by a token of an issuer and by a client certificate. */
#include "access/federation/rows.h"
#include "access/oidc.h"

#define USED_STEP_MS 3600000 /* `used_ms` is that exact */

/* One text for every reason: strangers learn nothing; the trail has the reason. */
static enum btz_err refused(struct btz_access *a, const struct btz_caller *io,
                            const struct btz_caller *found, const char *method, const char *reason)
{
    const struct btz_trail_entry e = { .event = "refusal",
                                       .verdict = "deny",
                                       .method = method,
                                       .principal = found->principal[0] ? found->principal : NULL,
                                       .name = found->name[0] ? found->name : NULL,
                                       .reason = reason };
    struct btz_caller nobody = *io;

    nobody.principal[0] = nobody.name[0] = nobody.method[0] = nobody.session[0] = nobody.key[0] =
        '\0';
    BTZ_TRY(btz_access_note(a, &nobody, &e));
    return btz_fail(BTZ_DENIED, "not accepted");
}

struct owner {
    const char *sql;      /* SELECT principal, used_ms, id ... */
    const char *used_sql; /* UPDATE ... used_ms = ? WHERE id = ? */
    struct btz_value values[BTZ_CERT_NAMES + 2];
    size_t count;
};

static enum btz_err find_owner(struct btz_access *a, struct btz_store *s, const struct owner *o,
                               struct btz_caller *io, bool *active)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint64_t now = btz_access_now_ms(a);
    const struct btz_value *row;
    const char *principal;

    *active = false;
    btz_arena_init(&arena, 1 << 20);
    BTZ_TRY(btz_store_one(s, o->sql, o->values, o->count, &arena, 3, &row));
    if (!row)
        return BTZ_OK;
    principal = btz_arena_str(&arena, row[0].bytes);
    if (!principal)
        return BTZ_LIMIT;
    BTZ_TRY(btz_fed_caller(s, &arena, principal, io, active));
    if (*active && (int64_t)now > row[1].i + USED_STEP_MS) {
        const struct btz_value v[] = { btz_value_int((int64_t)now), row[2] };

        /* Not worth refusing anybody for: a full disk lets readers go on. */
        (void)!btz_store_run(s, o->used_sql, v, 2, NULL);
    }
    return BTZ_OK;
}

static enum btz_err look_up(struct btz_access *a, const struct owner *o, struct btz_caller *io,
                            bool *active)
{
    struct btz_store *s;
    enum btz_err err;

    BTZ_TRY(btz_access_store(a, &s));
    err = find_owner(a, s, o, io, active);
    btz_access_store_back(a, s);
    return err;
}

static struct btz_caller blank(const struct btz_caller *io, enum btz_caller_kind kind)
{
    struct btz_caller c = *io;

    c.kind = kind;
    c.principal[0] = c.name[0] = c.session[0] = c.key[0] = '\0';
    c.second_factor_ms = 0;
    c.enrolling = false;
    return c;
}

/* ---- tokens ---- */

/* When the issuer says that it saw a second factor, and the settings believe it. */
static uint64_t factor_time(const struct btz_issuer_conf *conf, const json_t *claims,
                            uint64_t now_ms)
{
    double at = json_number_value(json_object_get(claims, "auth_time"));

    if (!conf->second_factor || !btz_oidc_claim_has(claims, "amr", "mfa") || !(at > 0) || at > 1e11)
        return 0;
    return (uint64_t)at * 1000 < now_ms ? (uint64_t)at * 1000 : now_ms;
}

static enum btz_err verify_token(struct btz_access *a, struct btz_slice jwt,
                                 struct btz_oidc **issuer, json_t **claims)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(1024);
    const char *text;

    BTZ_TRY(btz_jwt_peek_issuer(jwt, &url));
    BTZ_TRY(btz_buf_cstr(&url, &text));
    *issuer = btz_federation_issuer_of(btz_access_federation(a), text);
    if (!*issuer)
        return btz_fail(BTZ_DENIED, "a token of an issuer that is not in the settings");
    return btz_oidc_bearer(*issuer, jwt, btz_access_now_ms(a), claims);
}

enum btz_err btz_caller_token(struct btz_access *a, struct btz_slice jwt, struct btz_caller *io)
{
    struct btz_caller caller = blank(io, BTZ_CALLER_TOKEN);
    BTZ_JSON json_t *claims = NULL;
    struct btz_oidc *issuer = NULL;
    struct owner o = {
        .sql = "SELECT principal, used_ms, id FROM identities WHERE issuer = ? AND subject = ?",
        .used_sql = "UPDATE identities SET used_ms = ? WHERE id = ?",
        .count = 2,
    };
    enum btz_err err = verify_token(a, jwt, &issuer, &claims);
    char reason[512];
    bool active;

    snprintf(caller.method, sizeof caller.method, "oidc:%s",
             issuer ? btz_oidc_conf(issuer)->name : "");
    if (err == BTZ_UNREACHABLE)
        return err;
    if (err != BTZ_OK) {
        snprintf(reason, sizeof reason, "%s", btz_error_detail());
        return refused(a, io, &caller, issuer ? caller.method : "token", reason);
    }
    o.values[0] = btz_value_str(btz_oidc_conf(issuer)->url);
    o.values[1] = btz_value_str(json_string_value(json_object_get(claims, "sub")));
    BTZ_TRY(look_up(a, &o, &caller, &active));
    if (!active)
        return refused(a, io, &caller, caller.method,
                       caller.principal[0] ? "the account is disabled"
                                           : "nobody here is linked to this account of the issuer");
    caller.second_factor_ms = factor_time(btz_oidc_conf(issuer), claims, btz_access_now_ms(a));
    *io = caller;
    return BTZ_OK;
}

/* ---- certificates ---- */

#define BY_NAMES "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
_Static_assert(BTZ_CERT_NAMES == 16, "the statement below has that many");

/* Whose certificate it is. The one that is registered itself goes before one that is known by its name. */
static enum btz_err owner_of(struct btz_access *a, const struct btz_cert *cert,
                             struct btz_caller *out, bool *active)
{
    struct owner o = {
        .sql =
            "SELECT principal, used_ms, id FROM client_certs WHERE (kind = 'fingerprint' AND "
            "value = ?) OR (kind = 'name' AND value IN (" BY_NAMES ")) ORDER BY kind, id LIMIT 1",
        .used_sql = "UPDATE client_certs SET used_ms = ? WHERE id = ?",
        .count = 1 + BTZ_CERT_NAMES,
    };

    o.values[0] = btz_value_str(cert->fingerprint);
    for (size_t i = 0; i < BTZ_CERT_NAMES; i++)
        o.values[1 + i] = i < cert->name_count ? btz_value_str(cert->names[i]) : btz_value_null();
    return look_up(a, &o, out, active);
}

enum btz_err btz_caller_cert(struct btz_access *a, struct btz_slice pem, struct btz_caller *io)
{
    struct btz_caller caller = blank(io, BTZ_CALLER_CERT);
    char reason[512];
    struct btz_cert cert;
    bool active;

    snprintf(caller.method, sizeof caller.method, "mtls");
    if (btz_cert_parse(pem, &cert) != BTZ_OK) {
        snprintf(reason, sizeof reason, "%s", btz_error_detail());
        return refused(a, io, &caller, "mtls", reason);
    }
    if (!btz_cert_is_valid_at(&cert, btz_access_now_ms(a) / 1000))
        return refused(a, io, &caller, "mtls", "the certificate is not valid today");
    BTZ_TRY(owner_of(a, &cert, &caller, &active));
    if (!active)
        return refused(a, io, &caller, "mtls",
                       caller.principal[0] ? "the account is disabled"
                                           : "nobody here has this certificate");
    caller.client_cert = true;
    *io = caller;
    return BTZ_OK;
}

enum btz_err btz_caller_own_cert(struct btz_access *a, struct btz_slice pem, struct btz_caller *io)
{
    struct btz_caller owner = blank(io, BTZ_CALLER_CERT);
    struct btz_cert cert;
    bool active;

    io->client_cert = false;
    if (btz_cert_parse(pem, &cert) != BTZ_OK ||
        !btz_cert_is_valid_at(&cert, btz_access_now_ms(a) / 1000))
        return BTZ_OK;
    BTZ_TRY(owner_of(a, &cert, &owner, &active));
    io->client_cert = active && strcmp(owner.principal, io->principal) == 0;
    return BTZ_OK;
}
