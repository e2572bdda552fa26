#include "access/access.h"

#define TEXT   "{\"type\":\"string\"}"
#define COUNT  "{\"type\":\"integer\",\"minimum\":0}"
#define MAYBE  "{\"type\":[\"string\",\"null\"]}"
#define TEXTS  "{\"type\":\"array\",\"items\":" TEXT "}"
#define CLOSED "\"type\":\"object\",\"additionalProperties\":false,"

static const struct btz_schema schemas[] = {
    { "review-finding",
      "{" CLOSED
      "\"required\":[\"rule\",\"title\",\"outcome\",\"severity\",\"location\",\"reason\"],"
      "\"properties\":{\"rule\":" TEXT ",\"title\":" TEXT
      ",\"outcome\":{\"enum\":[\"fail\",\"pass\",\"not-evaluated\"]},\"severity\":{\"enum\":"
      "[\"info\",\"low\",\"medium\",\"high\",\"critical\"]},\"location\":" TEXT ",\"reason\":" TEXT
      "}}" },
    { "review",
      "{" CLOSED
      "\"required\":[\"items\",\"next\",\"trail_from\",\"accounts\",\"keys\",\"entries\"],"
      "\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":"
      "\"#/components/schemas/review-finding\"}},\"next\":{\"type\":\"null\"},\"trail_from\":"
      "{\"type\":\"string\",\"format\":\"date-time\"},\"accounts\":" COUNT ",\"keys\":" COUNT
      ",\"entries\":" COUNT "}}" },
    { "advice-item",
      "{" CLOSED "\"required\":[\"subject\",\"name\",\"kind\",\"roles\",\"proposed\",\"policy\","
      "\"reason\",\"used\",\"requests\",\"allowed_now\",\"allowed_then\",\"permissions_now\","
      "\"permissions_then\",\"unseen\",\"vanish\"],\"properties\":{\"subject\":" TEXT
      ",\"name\":" TEXT ",\"kind\":{\"enum\":[\"principal\",\"group\"]},\"roles\":" TEXTS
      ",\"proposed\":" TEXTS ",\"policy\":" MAYBE ",\"reason\":" MAYBE
      ",\"used\":{\"type\":\"object\",\"additionalProperties\":" COUNT "},\"requests\":" COUNT
      ",\"allowed_now\":" COUNT ",\"allowed_then\":" COUNT ",\"permissions_now\":" COUNT
      ",\"permissions_then\":" COUNT ",\"unseen\":" COUNT ",\"vanish\":" TEXTS "}}" },
    { "advice",
      "{" CLOSED "\"required\":[\"items\",\"next\",\"trail_from\",\"complete\",\"entries\"],"
      "\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":"
      "\"#/components/schemas/advice-item\"}},\"next\":{\"type\":\"null\"},\"trail_from\":"
      "{\"type\":\"string\",\"format\":\"date-time\"},\"complete\":{\"type\":\"boolean\"},"
      "\"entries\":" COUNT "}}" },
    { NULL, NULL },
};

/* No tables of its own. */
const struct btz_access_part btz_access_part_review = { .name = "review", .schemas = schemas };
