/*
 * Answers that the API keeps for requests that are sent again (watch/api/idempotency.c). The table is declared here, since
 * back-up and restore must know every part of the store, also where no API is served.
 */
#include "access/directory/directory.h"

static const struct btz_migration migrations[] = {
    { 1, "CREATE TABLE api_once (key {blob} PRIMARY KEY, print {blob} NOT NULL, state {int} NOT "
         "NULL, status {int}, answer {blob}, made_ms {int} NOT NULL);"
         "CREATE INDEX api_once_age ON api_once (made_ms)" },
    { 2, "ALTER TABLE api_once ADD COLUMN owner {text} NOT NULL DEFAULT '';"
         "ALTER TABLE api_once ADD COLUMN size {int} NOT NULL DEFAULT 0;"
         "CREATE INDEX api_once_owner ON api_once (owner, made_ms, size)" },
};
/* What they tell of is not so any more. */
static const char *const after_restore[] = { "DELETE FROM api_once", NULL };

const struct btz_access_part btz_access_part_api = { .name = "api",
                                                     .migrations = migrations,
                                                     .migration_count = BTZ_COUNT(migrations),
                                                     .after_restore = after_restore };
