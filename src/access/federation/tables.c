#include "access/federation/rows.h"

static const char first[] =
    "CREATE TABLE passkeys (id {text} PRIMARY KEY, principal {text} NOT NULL,"
    " credential_id {blob} NOT NULL UNIQUE, public_key {blob} NOT NULL, algorithm {int} NOT NULL,"
    " sign_count {int} NOT NULL, name {text} NOT NULL, created_ms {int} NOT NULL,"
    " used_ms {int} NOT NULL DEFAULT 0, backup_eligible {int} NOT NULL, backed_up {int} NOT NULL,"
    " aaguid {blob} NOT NULL, user_verified {int} NOT NULL, format {text} NOT NULL,"
    " attested {int} NOT NULL);\n"
    "CREATE INDEX passkeys_principal ON passkeys (principal);\n"
    "CREATE TABLE identities (id {text} PRIMARY KEY, issuer {text} NOT NULL, subject {text} NOT "
    "NULL,"
    " principal {text} NOT NULL, created_ms {int} NOT NULL, created_by {text} NOT NULL,"
    " used_ms {int} NOT NULL DEFAULT 0, UNIQUE (issuer, subject));\n"
    "CREATE INDEX identities_principal ON identities (principal);\n"
    "CREATE TABLE client_certs (id {text} PRIMARY KEY, principal {text} NOT NULL,"
    " kind {text} NOT NULL, value {text} NOT NULL UNIQUE, name {text} NOT NULL,"
    " created_ms {int} NOT NULL, created_by {text} NOT NULL, used_ms {int} NOT NULL DEFAULT 0);\n"
    "CREATE INDEX client_certs_principal ON client_certs (principal)";

static const struct btz_migration migrations[] = { { 1, first } };

static enum btz_err forget(struct btz_store *s, const char *principal)
{
    static const char *const sql[] = { "DELETE FROM passkeys WHERE principal = ?",
                                       "DELETE FROM identities WHERE principal = ?",
                                       "DELETE FROM client_certs WHERE principal = ?" };
    const struct btz_value who[] = { btz_value_str(principal) };

    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        BTZ_TRY(btz_store_run(s, sql[i], who, 1, NULL));
    return BTZ_OK;
}

const struct btz_access_part btz_access_part_federation = {
    .name = "federation",
    .migrations = migrations,
    .migration_count = BTZ_COUNT(migrations),
    .forget = forget,
    .schemas = btz_federation_schemas,
};
