#include "access/directory/directory.h"

/*
 * What answers look like. Closed: an answer never has a member that is not here, so nothing secret slips out unseen.
 */

#define TEXT      "{\"type\":\"string\"}"
#define MAYBE     "{\"type\":[\"string\",\"null\"]}"
#define TIME      "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBETIME "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define TEXTS     "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
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
