/* What this server can do, in the words of RFC 7643 sections 5 to 7. */
#include "watch/api/scim.h"

static const char provider[] =
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig\"],"
    "\"patch\":{\"supported\":true},"
    "\"bulk\":{\"supported\":false,\"maxOperations\":0,\"maxPayloadSize\":0},"
    "\"filter\":{\"supported\":true,\"maxResults\":200},"
    "\"changePassword\":{\"supported\":false},\"sort\":{\"supported\":false},"
    "\"etag\":{\"supported\":true},\"authenticationSchemes\":[{\"type\":\"oauthbearertoken\","
    "\"name\":\"API key\",\"description\":\"An API key whose scopes name user.read, user.write, "
    "user.delete, group.read, group.write and group.delete\",\"primary\":true}]}";

#define ATTRIBUTE(name, type, more)                                                                \
    "{\"name\":\"" name "\",\"type\":\"" type "\",\"multiValued\":false,\"required\":false,"       \
    "\"caseExact\":false,\"mutability\":\"readWrite\",\"returned\":\"default\","                   \
    "\"uniqueness\":\"none\"" more "}"
#define FIXED(name, type, more)                                                                    \
    "{\"name\":\"" name "\",\"type\":\"" type "\",\"multiValued\":false,\"required\":false,"       \
    "\"caseExact\":true,\"mutability\":\"readOnly\",\"returned\":\"default\","                     \
    "\"uniqueness\":\"none\"" more "}"
#define NEEDED(name, unique)                                                                       \
    "{\"name\":\"" name "\",\"type\":\"string\",\"multiValued\":false,\"required\":true,"          \
    "\"caseExact\":false,\"mutability\":\"readWrite\",\"returned\":\"default\","                   \
    "\"uniqueness\":\"" unique "\"}"
#define MANY(name, mutability, parts)                                                              \
    "{\"name\":\"" name "\",\"type\":\"complex\",\"multiValued\":true,\"required\":false,"         \
    "\"mutability\":\"" mutability "\",\"returned\":\"default\",\"subAttributes\":[" parts "]}"

#define NAME_PARTS                                                                                 \
    ATTRIBUTE("formatted", "string", "")                                                           \
    "," ATTRIBUTE("givenName", "string", "") "," ATTRIBUTE("familyName", "string", "")
#define EMAIL_PARTS                                                                                \
    ATTRIBUTE("value", "string", "")                                                               \
    "," ATTRIBUTE("type", "string", "") "," ATTRIBUTE("primary", "boolean", "")
#define MEMBER_PARTS                                                                               \
    ATTRIBUTE("value", "string", "")                                                               \
    "," FIXED("display", "string", "") "," FIXED("type", "string", "")
#define SCHEMA(name, what, attributes)                                                             \
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Schema\"],"                             \
    "\"id\":\"urn:ietf:params:scim:schemas:core:2.0:" name "\",\"name\":\"" name                   \
    "\",\"description\":\"" what "\",\"attributes\":[" attributes "]}"
#define USER_ATTRIBUTES                                                                            \
    NEEDED("userName", "server")                                                                   \
    "," ATTRIBUTE("displayName", "string", "") "," ATTRIBUTE(                                      \
        "name", "complex",                                                                         \
        ",\"subAttributes\":[" NAME_PARTS                                                          \
        "]") "," ATTRIBUTE("active", "boolean",                                                    \
                           "") "," MANY("emails", "readWrite",                                     \
                                        EMAIL_PARTS) "," MANY("groups", "readOnly",                \
                                                              FIXED("display", "string", ""))
#define GROUP_ATTRIBUTES                                                                           \
    NEEDED("displayName", "none") "," MANY("members", "readWrite", MEMBER_PARTS)

static const char *const schemas[] = {
    SCHEMA("User", "A person", USER_ATTRIBUTES),
    SCHEMA("Group", "A group", GROUP_ATTRIBUTES),
};
static const char *const types[] = {
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ResourceType\"],\"id\":\"User\","
    "\"name\":\"User\",\"endpoint\":\"/Users\","
    "\"schema\":\"urn:ietf:params:scim:schemas:core:2.0:User\"}",
    "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:ResourceType\"],\"id\":\"Group\","
    "\"name\":\"Group\",\"endpoint\":\"/Groups\","
    "\"schema\":\"urn:ietf:params:scim:schemas:core:2.0:Group\"}",
};

static json_t *document(const char *text, const char *kind, const char *base)
{
    json_t *value;
    const char *id;

    if (btz_json_parse(btz_str(text), (size_t)1 << 16, kind, &value) != BTZ_OK)
        return NULL;
    id = json_string_value(json_object_get(value, "id"));
    json_object_set_new(value, "meta",
                        json_pack("{s:s, s:o}", "resourceType", kind, "location",
                                  id ? json_sprintf("%s/%ss/%s", base, kind, id)
                                     : json_sprintf("%s/%s", base, kind)));
    return value;
}

static json_t *list(const char *const *texts, size_t count, const char *kind, const char *id,
                    const char *base)
{
    json_t *items = json_array();

    for (size_t i = 0; items && i < count; i++) {
        json_t *one = document(texts[i], kind, base);

        if (id && one && strcmp(id, json_string_value(json_object_get(one, "id"))) == 0) {
            json_decref(items);
            return one;
        }
        json_array_append_new(items, one);
    }
    if (id) {
        json_decref(items);
        return NULL;
    }
    return json_pack("{s:[s], s:i, s:i, s:i, s:o}", "schemas",
                     "urn:ietf:params:scim:api:messages:2.0:ListResponse", "totalResults",
                     (int)count, "startIndex", 1, "itemsPerPage", (int)count, "Resources", items);
}

json_t *btz_scim_discovery(const char *name, const char *id, const char *base)
{
    if (strcmp(name, "ServiceProviderConfig") == 0 && !id)
        return document(provider, "ServiceProviderConfig", base);
    if (strcmp(name, "ResourceTypes") == 0)
        return list(types, BTZ_COUNT(types), "ResourceType", id, base);
    if (strcmp(name, "Schemas") == 0)
        return list(schemas, BTZ_COUNT(schemas), "Schema", id, base);
    return NULL;
}
