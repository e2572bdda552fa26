#include "access/signin/rows.h"

static const char first[] =
    "CREATE TABLE credentials (principal {text} PRIMARY KEY, password_hash {text} NOT NULL,"
    " password_ms {int} NOT NULL);\n"
    "CREATE TABLE totp (principal {text} PRIMARY KEY, secret {blob} NOT NULL,"
    " last_step {int} NOT NULL, confirmed {int} NOT NULL, created_ms {int} NOT NULL);\n"
    "CREATE TABLE recovery (principal {text} NOT NULL, hash {blob} NOT NULL, used_ms {int} NOT "
    "NULL,"
    " PRIMARY KEY (principal, hash));\n"
    "CREATE TABLE sessions (id {text} PRIMARY KEY, token_hash {blob} NOT NULL UNIQUE,"
    " principal {text} NOT NULL, created_ms {int} NOT NULL, seen_ms {int} NOT NULL,"
    " second_factor_ms {int} NOT NULL, address {text}, user_agent {text}, method {text} NOT NULL,"
    " enrolling {int} NOT NULL, ended_ms {int} NOT NULL);\n"
    "CREATE INDEX sessions_principal ON sessions (principal, ended_ms);\n"
    "CREATE TABLE tickets (hash {blob} PRIMARY KEY, kind {text} NOT NULL, principal {text},"
    " data {text}, expires_ms {int} NOT NULL, used {int} NOT NULL, failures {int} NOT NULL);\n"
    "CREATE INDEX tickets_principal ON tickets (principal, kind);\n"
    "CREATE INDEX tickets_expires ON tickets (expires_ms);\n"
    "CREATE TABLE throttle (name {text} PRIMARY KEY, failures {int} NOT NULL,"
    " last_ms {int} NOT NULL);\n"
    "CREATE INDEX throttle_last ON throttle (last_ms);\n"
    "CREATE TABLE signin_clock (one {int} PRIMARY KEY, high_ms {int} NOT NULL);\n"
    "INSERT INTO signin_clock (one, high_ms) VALUES (1, 0)";

static const struct btz_migration migrations[] = { { 1, first } };

/* Ended sessions stay for a while, so that one can ask from where somebody had signed in. */
#define KEPT_MS (30 * UINT64_C(86400000))

static enum btz_err tidy(struct btz_access *a, struct btz_store *s)
{
    const struct btz_access_conf *conf = btz_access_settings(a);
    uint64_t now = btz_access_now_ms(a);
    const struct btz_value expired[] = {
        btz_value_int((int64_t)now),
        btz_value_int((int64_t)now - conf->session_absolute_ms),
        btz_value_int((int64_t)now - conf->session_idle_ms),
    };
    const struct btz_value old[] = { btz_value_int((int64_t)now - (int64_t)KEPT_MS) };

    BTZ_TRY(btz_signin_clock(a, s, now));
    BTZ_TRY(btz_store_run(s,
                          "UPDATE sessions SET ended_ms = ? WHERE ended_ms = 0 AND (created_ms < ? "
                          "OR seen_ms < ?)",
                          expired, 3, NULL));
    BTZ_TRY(
        btz_store_run(s, "DELETE FROM sessions WHERE ended_ms > 0 AND ended_ms < ?", old, 1, NULL));
    BTZ_TRY(
        btz_store_run(s, "DELETE FROM tickets WHERE expires_ms < ? OR used > 0", expired, 1, NULL));
    return btz_throttle_tidy(s, now);
}

static enum btz_err forget(struct btz_store *s, const char *principal)
{
    static const char *const sql[] = {
        "DELETE FROM credentials WHERE principal = ?", "DELETE FROM totp WHERE principal = ?",
        "DELETE FROM recovery WHERE principal = ?",    "DELETE FROM sessions WHERE principal = ?",
        "DELETE FROM tickets WHERE principal = ?",
    };
    const struct btz_value who[] = { btz_value_str(principal) };

    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        BTZ_TRY(btz_store_run(s, sql[i], who, 1, NULL));
    return btz_throttle_clear(s, BTZ_THROTTLE_FACTOR, principal);
}

static const struct btz_sealed_column sealed[] = {
    { "totp", "secret", "principal", "totp/", "/secret" },
    { NULL, NULL, NULL, NULL, NULL },
};

/* Who was signed in then, and what was being done, is over. */
static const char *const after_restore[] = { "DELETE FROM sessions", "DELETE FROM tickets", NULL };

const struct btz_access_part btz_access_part_signin = { .name = "signin",
                                                        .migrations = migrations,
                                                        .migration_count = BTZ_COUNT(migrations),
                                                        .tidy = tidy,
                                                        .forget = forget,
                                                        .schemas = btz_signin_schemas,
                                                        .sealed = sealed,
                                                        .after_restore = after_restore };
