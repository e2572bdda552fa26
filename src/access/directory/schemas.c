#include "access/directory/directory.h"

/*
 * What answers look like. Closed: an answer never has a member that is not here, so nothing secret slips out unseen.
 */

#define TEXT      "{\"type\":\"string\"}"
#define MAYBE     "{\"type\":[\"string\",\"null\"]}"
#define TIME      "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBETIME "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define TEXTS     "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define NUMBER    "{\"type\":\"integer\"}"
#define KIND      "{\"enum\":[\"user\",\"service\"]}"
#define BOOL      "{\"type\":\"boolean\"}"
#define VERDICT   "{\"enum\":[\"allow\",\"deny\",\"step-up\"]}"
#define CLOSED    "\"type\":\"object\",\"additionalProperties\":false,"
#define LIST_OF(name)                                                                              \
    "{" CLOSED "\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":\"array\","  \
    "\"items\":{\"$ref\":\"#/components/schemas/" name "\"}},\"next\":" MAYBE "}}"
#define PRINCIPAL(kind, more)                                                                      \
    "{" CLOSED "\"required\":[\"id\",\"kind\",\"name\",\"status\",\"created\",\"updated\","        \
    "\"version\"],\"properties\":{\"id\":" TEXT ",\"kind\":{\"const\":\"" kind                     \
    "\"},\"name\":" TEXT ",\"display_name\":" MAYBE more ",\"external_id\":" MAYBE                 \
    ",\"status\":{\"enum\":[\"active\",\"disabled\"]},\"groups\":" TEXTS ",\"created\":" TIME      \
    ",\"updated\":" TIME ",\"last_used\":" MAYBETIME ",\"version\":{\"type\":\"integer\"}}}"

#define KEY(more)                                                                                  \
    "{" CLOSED "\"required\":[\"id\",\"principal\",\"principal_name\",\"name\",\"shown\","         \
    "\"created\",\"status\"],\"properties\":{\"id\":" TEXT ",\"principal\":" TEXT                  \
    ",\"principal_name\":" TEXT ",\"name\":" TEXT ",\"shown\":" TEXT                               \
    ",\"scopes\":{\"type\":[\"array\",\"null\"],\"items\":" TEXT "},\"created\":" TIME             \
    ",\"expires\":" MAYBETIME ",\"last_used\":" MAYBETIME ",\"rotated_to\":" MAYBE                 \
    ",\"created_by\":" TEXT ",\"status\":{\"enum\":[\"active\",\"expired\",\"revoked\"]}" more     \
    "}}"

const struct btz_schema btz_directory_schemas[] = {
    { "user", PRINCIPAL("user", ",\"email\":" MAYBE) },
    { "user-list", LIST_OF("user") },
    { "service", PRINCIPAL("service", "") },
    { "service-list", LIST_OF("service") },
    { "group",
      "{" CLOSED "\"required\":[\"id\",\"name\",\"member_count\",\"created\",\"updated\","
      "\"version\"],\"properties\":{\"id\":" TEXT ",\"name\":" TEXT ",\"display_name\":" MAYBE
      ",\"external_id\":" MAYBE ",\"member_count\":" NUMBER
      ",\"members\":{\"type\":\"array\",\"items\":{" CLOSED
      "\"required\":[\"id\",\"name\",\"kind\"],\"properties\":{\"id\":" TEXT ",\"name\":" TEXT
      ",\"kind\":" KIND "}}},\"created\":" TIME ",\"updated\":" TIME ",\"version\":" NUMBER "}}" },
    { "group-list", LIST_OF("group") },
    { "key", KEY("") },
    { "key-list", LIST_OF("key") },
    { "new-key", KEY(",\"secret\":" TEXT) },
    { "role", "{" CLOSED "\"required\":[\"name\",\"inherits\",\"administrative\",\"rules\"],"
              "\"properties\":{\"name\":" TEXT ",\"about\":" MAYBE ",\"policy\":" MAYBE
              ",\"inherits\":" TEXTS ",\"administrative\":" BOOL
              ",\"rules\":{\"type\":\"array\",\"items\":{" CLOSED
              "\"required\":[\"id\",\"effect\",\"actions\",\"resources\",\"when\"],\"properties\":{"
              "\"id\":" TEXT ",\"effect\":{\"enum\":[\"allow\",\"deny\"]},\"actions\":" TEXTS
              ",\"resources\":" TEXTS ",\"when\":{" CLOSED "\"properties\":{\"models\":" TEXTS
              ",\"endpoints\":" TEXTS ",\"tools\":" TEXTS ",\"addresses\":" TEXTS
              ",\"cost_max\":{\"type\":\"number\"},"
              "\"mfa_within_s\":" NUMBER ",\"client_cert\":" BOOL ",\"from\":" TIME
              ",\"until\":" TIME ",\"time_zone\":" TEXT ",\"times\":" TEXTS "}}}}}}}" },
    { "role-list", LIST_OF("role") },
    { "action", "{" CLOSED "\"required\":[\"name\",\"resource\",\"about\",\"administrative\"],"
                "\"properties\":{\"name\":" TEXT ",\"resource\":" TEXT ",\"about\":" TEXT
                ",\"administrative\":" BOOL "}}" },
    { "action-list", LIST_OF("action") },
    { "policy",
      "{" CLOSED "\"required\":[\"name\",\"version\",\"updated\",\"updated_by\",\"roles\"],"
      "\"properties\":{\"name\":" TEXT ",\"version\":" NUMBER ",\"updated\":" TIME
      ",\"updated_by\":" TEXT ",\"roles\":" TEXTS ",\"text\":" TEXT "}}" },
    { "policy-list", LIST_OF("policy") },
    { "emergency",
      "{" CLOSED "\"required\":[\"id\",\"principal\",\"name\",\"reason\",\"at\",\"until\"],"
      "\"properties\":{\"id\":" TEXT ",\"principal\":" TEXT ",\"name\":" TEXT ",\"reason\":" TEXT
      ",\"at\":" TIME ",\"until\":" TIME ",\"reviewed_by\":" MAYBE ",\"reviewed\":" MAYBETIME
      ",\"remark\":" MAYBE "}}" },
    { "emergency-list", LIST_OF("emergency") },
    { "explanation",
      "{" CLOSED "\"required\":[\"principal\",\"verdict\",\"why\",\"matching\"],\"properties\":{"
      "\"principal\":{" CLOSED "\"properties\":{\"id\":" TEXT ",\"name\":" TEXT "}},\"key\":" MAYBE
      ",\"action\":" MAYBE ",\"resource\":" TEXT ",\"verdict\":" VERDICT ",\"why\":" TEXT
      ",\"note\":" MAYBE ",\"mfa_within_s\":" NUMBER ",\"rule\":{\"type\":[\"object\",\"null\"]},"
      "\"matching\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
      "\"nearest\":{\"type\":[\"object\",\"null\"]}}}" },
    { "policy-difference",
      "{\"type\":\"object\",\"required\":[\"changes\",\"changed\"],\"properties\":{"
      "\"changes\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"principals\","
      "\"action\",\"resource\",\"before\",\"after\"],\"properties\":{\"before\":" VERDICT
      ",\"after\":" VERDICT "}}},\"changed\":" NUMBER "}}" },
    { "first-administrator",
      "{" CLOSED "\"required\":[\"link\",\"expires\",\"user\"],\"properties\":{\"link\":" TEXT
      ",\"expires\":" TIME ",\"user\":{\"$ref\":\"#/components/schemas/user\"}}}" },
    { "decision",
      "{" CLOSED
      "\"required\":[\"principal\",\"name\",\"action\",\"resource\",\"verdict\",\"why\"],"
      "\"properties\":{\"principal\":" TEXT ",\"name\":" TEXT ",\"action\":" TEXT
      ",\"resource\":" TEXT ",\"verdict\":" VERDICT ",\"why\":" TEXT ",\"rule\":" MAYBE
      ",\"second_factor_within_s\":{\"type\":[\"integer\",\"null\"]}}}" },
    { "binding",
      "{" CLOSED "\"required\":[\"id\",\"role\",\"subject\",\"subject_kind\",\"kind\",\"created\"],"
      "\"properties\":{\"id\":" TEXT ",\"role\":" TEXT ",\"subject\":" TEXT
      ",\"subject_name\":" MAYBE
      ",\"subject_kind\":{\"enum\":[\"user\",\"service\",\"group\"]},\"resource\":" MAYBE
      ",\"from\":" MAYBETIME ",\"until\":" MAYBETIME ",\"created\":" TIME ",\"created_by\":" TEXT
      ",\"reason\":" MAYBE ",\"kind\":{\"enum\":[\"normal\",\"elevation\",\"break-glass\"]}}}" },
    { "binding-list", LIST_OF("binding") },
    { "approval",
      "{" CLOSED "\"required\":[\"id\",\"operation\",\"principal\",\"name\",\"status\",\"created\","
      "\"expires\",\"input\"],\"properties\":{\"id\":" TEXT ",\"operation\":" TEXT
      ",\"action\":" MAYBE ",\"resource\":" MAYBE ",\"principal\":" TEXT ",\"name\":" TEXT
      ",\"reason\":" MAYBE
      ",\"status\":{\"enum\":[\"pending\",\"approved\",\"denied\",\"expired\",\"withdrawn\"]},"
      "\"created\":" TIME ",\"expires\":" TIME ",\"decided_by\":" MAYBE ",\"decided_name\":" MAYBE
      ",\"decided\":" MAYBETIME ",\"decided_reason\":" MAYBE ",\"input\":{\"type\":\"object\"}}}" },
    { "approval-list", LIST_OF("approval") },
    { "approval-result",
      "{" CLOSED "\"required\":[\"result\"],\"properties\":{\"result\":{\"type\":\"object\"}}}" },
    { NULL, NULL },
};

static const struct btz_schema *schema_at(size_t i)
{
    for (size_t part = 0; btz_access_parts[part]; part++)
        for (const struct btz_schema *s = btz_access_parts[part]->schemas; s && s->name; s++)
            if (i-- == 0)
                return s;
    return NULL;
}

const char *btz_access_schema_name(size_t i)
{
    const struct btz_schema *s = schema_at(i);

    return s ? s->name : NULL;
}

json_t *btz_access_schema(const char *name)
{
    const struct btz_schema *s;
    json_t *out;

    for (size_t i = 0; (s = schema_at(i)) != NULL; i++)
        if (strcmp(s->name, name) == 0)
            return btz_json_parse(btz_str(s->text), 1u << 20, name, &out) == BTZ_OK ? out : NULL;
    return NULL;
}
