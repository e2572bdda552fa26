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
