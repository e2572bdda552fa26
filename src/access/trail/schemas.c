/* What the answers of the audit log's operations look like. */
#include "access/access.h"

#define TEXT   "{\"type\":\"string\"}"
#define TIME   "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBE  "{\"type\":[\"string\",\"null\"]}"
#define COUNT  "{\"type\":\"integer\",\"minimum\":0}"
#define OBJECT "{\"type\":\"object\"}"
#define CLOSED "\"type\":\"object\",\"additionalProperties\":false,"
#define ENTRY_PROPERTIES                                                                           \
    "\"index\":" COUNT ",\"type\":" TEXT ",\"id\":" TEXT ",\"time\":" TIME ",\"month\":" TEXT      \
    ",\"event\":" TEXT ",\"verdict\":" TEXT ",\"operation\":" TEXT ",\"principal\":" TEXT          \
    ",\"name\":" TEXT ",\"method\":" TEXT ",\"session\":" TEXT ",\"key\":" TEXT                    \
    ",\"address\":" TEXT ",\"user_agent\":" TEXT ",\"request\":" TEXT ",\"action\":" TEXT          \
    ",\"resource\":" TEXT ",\"rule\":" TEXT ",\"reason\":" TEXT ",\"approved_by\":" TEXT           \
    ",\"before\":" OBJECT ",\"after\":" OBJECT ",\"large\":" OBJECT                                \
    ",\"large_missing\":{\"type\":\"boolean\"}"                                                    \
    ",\"journal\":" TEXT ",\"call\":" OBJECT ",\"bodies\":" OBJECT ",\"secret\":" OBJECT           \
    ",\"content\":{\"enum\":[\"deleted\",\"damaged\"]}"                                            \
    ",\"evidence\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define LIST_OF(name)                                                                              \
    "{" CLOSED "\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":\"array\","  \
    "\"items\":{\"$ref\":\"#/components/schemas/" name "\"}},\"next\":" MAYBE "}}"

static const struct btz_schema schemas[] = {
    { "audit-entry", "{" CLOSED "\"required\":[\"index\",\"id\",\"time\",\"event\",\"verdict\"],"
                     "\"properties\":{" ENTRY_PROPERTIES "}}" },
    { "audit-list", LIST_OF("audit-entry") },
    { "audit-trace-entry",
      "{" CLOSED
      "\"required\":[\"index\",\"id\",\"time\",\"event\",\"verdict\",\"how\",\"distance\"],"
      "\"properties\":{\"how\":" TEXT ",\"through\":" TEXT ",\"distance\":" COUNT
      "," ENTRY_PROPERTIES "}}" },
    { "audit-trace",
      "{" CLOSED "\"required\":[\"items\",\"next\",\"made_by\",\"made\"],\"properties\":{\"items\":"
      "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/audit-trace-entry\"}},"
      "\"next\":" MAYBE ",\"made_by\":{\"type\":\"array\",\"items\":" TEXT
      "},\"made\":{\"type\":\"array\",\"items\":" TEXT "}}}" },
    { "audit-export", "{" CLOSED "\"required\":[\"media_type\",\"document\",\"entries\",\"next\"],"
                      "\"properties\":{\"media_type\":" TEXT ",\"document\":" TEXT
                      ",\"entries\":" COUNT ",\"next\":" MAYBE "}}" },
    { "audit-retention",
      "{" CLOSED "\"required\":[\"dry_run\",\"until\",\"months\",\"entries\",\"evidence\"],"
      "\"properties\":{\"dry_run\":{\"type\":\"boolean\"},\"until\":" TEXT ",\"months\":" COUNT
      ",\"entries\":" COUNT ",\"evidence\":" COUNT "}}" },
    { "audit-loss", "{" CLOSED "\"required\":[\"lost\"],\"properties\":{\"lost\":" COUNT "}}" },
    { "auditor-key", "{" CLOSED "\"required\":[\"private_key\",\"public_key\"],\"properties\":{"
                     "\"private_key\":" TEXT ",\"public_key\":" TEXT "}}" },
    { "audit-evidence",
      "{" CLOSED "\"required\":[\"entry\",\"bytes\"],\"properties\":{\"entry\":" TEXT
      ",\"bytes\":" COUNT ",\"text\":" TEXT ",\"base64\":" TEXT "}}" },
    { NULL, NULL },
};

/* The tables are those of btz_trail_migrate. */
static const struct btz_sealed_column sealed[] = {
    { "trail_months", "sealed", "month", "trail_months/", "" },
    { NULL, NULL, NULL, NULL, NULL },
};

const struct btz_access_part btz_access_part_audit = { .name = "audit",
                                                       .schemas = schemas,
                                                       .sealed = sealed };
