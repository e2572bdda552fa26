#include "access/directory/directory.h"

static const char first[] =
    "CREATE TABLE meta (name {text} PRIMARY KEY, value {int} NOT NULL);\n"
    "CREATE TABLE principals (id {text} PRIMARY KEY, kind {text} NOT NULL, name {text} NOT NULL "
    "UNIQUE,"
    " display_name {text}, email {text}, external_id {text}, status {text} NOT NULL,"
    " created_ms {int} NOT NULL, updated_ms {int} NOT NULL, version {int} NOT NULL,"
    " last_used_ms {int} NOT NULL DEFAULT 0);\n"
    "CREATE INDEX principals_external ON principals (external_id);\n"
    "CREATE TABLE groups (id {text} PRIMARY KEY, name {text} NOT NULL UNIQUE, display_name {text},"
    " external_id {text}, created_ms {int} NOT NULL, updated_ms {int} NOT NULL,"
    " version {int} NOT NULL);\n"
    "CREATE TABLE members (group_id {text} NOT NULL REFERENCES groups (id),"
    " principal_id {text} NOT NULL REFERENCES principals (id),"
    " PRIMARY KEY (group_id, principal_id));\n"
    "CREATE INDEX members_principal ON members (principal_id);\n"
    "CREATE TABLE bindings (id {text} PRIMARY KEY, role {text} NOT NULL, subject {text} NOT NULL,"
    " resource {text}, from_s {int} NOT NULL DEFAULT 0, until_s {int} NOT NULL DEFAULT 0,"
    " created_ms {int} NOT NULL, created_by {text} NOT NULL, reason {text}, kind {text} NOT "
    "NULL);\n"
    "CREATE INDEX bindings_subject ON bindings (subject);\n"
    "CREATE INDEX bindings_role ON bindings (role);\n"
    "CREATE TABLE keys (id {text} PRIMARY KEY, principal {text} NOT NULL REFERENCES principals "
    "(id),"
    " hash {blob} NOT NULL UNIQUE, shown {text} NOT NULL, name {text} NOT NULL, scopes {text},"
    " from_s {int} NOT NULL DEFAULT 0, until_s {int} NOT NULL DEFAULT 0, created_ms {int} NOT NULL,"
    " last_used_ms {int} NOT NULL DEFAULT 0, rotated_to {text}, created_by {text} NOT NULL,"
    " status {text} NOT NULL);\n"
    "CREATE INDEX keys_principal ON keys (principal);\n"
    "CREATE TABLE policies (name {text} PRIMARY KEY, text {text} NOT NULL, version {int} NOT NULL,"
    " updated_ms {int} NOT NULL, updated_by {text} NOT NULL);\n"
    "CREATE TABLE approvals (id {text} PRIMARY KEY, operation {text} NOT NULL, action {text},"
    " resource {text}, principal {text} NOT NULL, name {text} NOT NULL, caller {text} NOT NULL,"
    " input {blob} NOT NULL, if_match {text}, reason {text}, status {text} NOT NULL,"
    " created_ms {int} NOT NULL, expires_ms {int} NOT NULL, decided_by {text}, decided_name {text},"
    " decided_ms {int} NOT NULL DEFAULT 0, decided_reason {text}, result {blob});\n"
    "CREATE INDEX approvals_status ON approvals (status, expires_ms);\n"
    "CREATE TABLE break_glass (id {text} PRIMARY KEY, principal {text} NOT NULL, name {text} NOT "
    "NULL,"
    " reason {text} NOT NULL, at_ms {int} NOT NULL, until_ms {int} NOT NULL, reviewed_by {text},"
    " reviewed_ms {int} NOT NULL DEFAULT 0, remark {text});\n"
    "INSERT INTO meta (name, value) VALUES ('generation', 1)";

/* asked_with: key or method of a caller that is no session. touched: who had a hand in whose credentials, and when last. */
static const char behind[] =
    "ALTER TABLE approvals ADD COLUMN asked_with {text};\n"
    "CREATE TABLE touched (principal {text} NOT NULL, by_whom {text} NOT NULL, at_ms {int} NOT "
    "NULL,"
    " PRIMARY KEY (principal, by_whom));\n"
    "CREATE INDEX touched_by ON touched (by_whom, at_ms);\n"
    "CREATE INDEX keys_rotated ON keys (rotated_to)";

static const struct btz_migration migrations[] = { { 1, first }, { 2, behind } };

/* Keys, bindings and approvals that are over stay for some time, so that people can ask what happened to them. */
#define KEPT_MS (180 * UINT64_C(86400000))

static enum btz_err tidy(struct btz_access *a, struct btz_store *s)
{
    uint64_t now = btz_access_now_ms(a), old = now > KEPT_MS ? now - KEPT_MS : 0;
    const struct btz_value at[] = { btz_value_int((int64_t)now) };
    const struct btz_value before[] = { btz_value_int((int64_t)old) };
    const struct btz_value week[] = { btz_value_int((int64_t)now - 7 * 86400000LL) };
    const struct btz_value before_s[] = { btz_value_int((int64_t)(old / 1000)) };

    BTZ_TRY(btz_store_run(s,
                          "UPDATE approvals SET status = 'expired', result = NULL WHERE status = "
                          "'pending' AND expires_ms <= ?",
                          at, 1, NULL));
    /* Answers that nobody collected in a week. */
    BTZ_TRY(btz_store_run(s,
                          "UPDATE approvals SET result = NULL WHERE result IS NOT NULL AND "
                          "decided_ms < ?",
                          week, 1, NULL));
    BTZ_TRY(btz_store_run(s, "DELETE FROM approvals WHERE expires_ms < ? AND status <> 'pending'",
                          before, 1, NULL));
    BTZ_TRY(btz_store_run(s, "DELETE FROM touched WHERE at_ms < ?", before, 1, NULL));
    return btz_store_run(s, "DELETE FROM bindings WHERE until_s > 0 AND until_s < ?", before_s, 1,
                         NULL);
}

static enum btz_err forget(struct btz_store *s, const char *principal)
{
    static const char *const sql[] = {
        "DELETE FROM members WHERE principal_id = ?",
        "DELETE FROM bindings WHERE subject = ?",
        "DELETE FROM keys WHERE principal = ?",
        "DELETE FROM touched WHERE principal = ?",
        ("UPDATE approvals SET status = 'withdrawn', result = NULL WHERE status IN ('pending', "
         "'approved') AND principal = ?"),
    };
    const struct btz_value who[] = { btz_value_str(principal) };

    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        BTZ_TRY(btz_store_run(s, sql[i], who, 1, NULL));
    return BTZ_OK;
}

static const struct btz_sealed_column sealed[] = {
    { "approvals", "input", "id", "approvals/input/", "" },
    { "approvals", "result", "id", "approvals/result/", "" },
    { NULL, NULL, NULL, NULL, NULL },
};

const struct btz_access_part btz_access_part_directory = { .name = "directory",
                                                           .migrations = migrations,
                                                           .migration_count = BTZ_COUNT(migrations),
                                                           .tidy = tidy,
                                                           .set_back = btz_directory_set_back,
                                                           .forget = forget,
                                                           .schemas = btz_directory_schemas,
                                                           .sealed = sealed };
