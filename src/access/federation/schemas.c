/* What answers look like; closed, as everywhere. */
#include "access/federation/rows.h"

#define TEXT      "{\"type\":\"string\"}"
#define BOOL      "{\"type\":\"boolean\"}"
#define TIME      "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBETIME "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define CLOSED    "\"type\":\"object\",\"additionalProperties\":false,"
#define LIST_OF(name)                                                                              \
    "{" CLOSED "\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":\"array\","  \
    "\"items\":{\"$ref\":\"#/components/schemas/" name                                             \
    "\"}},\"next\":{\"type\":[\"string\",\"null\"]}}}"

const struct btz_schema btz_federation_schemas[] = {
    { "passkey-options", "{" CLOSED "\"required\":[\"ticket\",\"public_key\"],\"properties\":{"
                         "\"ticket\":" TEXT ",\"public_key\":{\"type\":\"object\"}}}" },
    { "passkey",
      "{" CLOSED "\"required\":[\"id\",\"name\",\"created\",\"used\",\"backed_up\",\"algorithm\","
      "\"user_verified\",\"format\",\"aaguid\"],\"properties\":{\"id\":" TEXT ",\"name\":" TEXT
      ",\"created\":" TIME ",\"used\":" MAYBETIME ",\"backed_up\":" BOOL
      ",\"algorithm\":{\"enum\":[\"ES256\",\"EdDSA\",\"ES384\",\"RS256\"]},\"user_verified\":" BOOL
      ",\"format\":" TEXT ",\"aaguid\":" TEXT "}}" },
    { "passkey-list", LIST_OF("passkey") },
    { "issuer", "{" CLOSED "\"required\":[\"name\",\"title\"],\"properties\":{\"name\":" TEXT
                ",\"title\":" TEXT "}}" },
    { "issuer-list", LIST_OF("issuer") },
    { "oidc-start",
      "{" CLOSED "\"required\":[\"url\",\"ticket\"],\"properties\":{\"url\":{\"type\":\"string\","
      "\"format\":\"uri\"},\"ticket\":" TEXT "}}" },
    { "identity",
      "{" CLOSED "\"required\":[\"id\",\"issuer\",\"subject\",\"principal\",\"principal_name\","
      "\"created\",\"created_by\",\"used\"],\"properties\":{\"id\":" TEXT ",\"issuer\":" TEXT
      ",\"subject\":" TEXT ",\"principal\":" TEXT ",\"principal_name\":" TEXT ",\"created\":" TIME
      ",\"created_by\":" TEXT ",\"used\":" MAYBETIME "}}" },
    { "identity-list", LIST_OF("identity") },
    { "certificate",
      "{" CLOSED "\"required\":[\"id\",\"principal\",\"principal_name\",\"kind\",\"value\","
      "\"name\",\"created\",\"created_by\",\"used\"],\"properties\":{\"id\":" TEXT
      ",\"principal\":" TEXT ",\"principal_name\":" TEXT
      ",\"kind\":{\"enum\":[\"fingerprint\",\"name\"]},\"value\":" TEXT ",\"name\":" TEXT
      ",\"created\":" TIME ",\"created_by\":" TEXT ",\"used\":" MAYBETIME "}}" },
    { "certificate-list", LIST_OF("certificate") },
    { NULL, NULL },
};
