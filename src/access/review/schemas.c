#include "access/access.h"

#define TEXT   "{\"type\":\"string\"}"
#define COUNT  "{\"type\":\"integer\",\"minimum\":0}"
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
    { NULL, NULL },
};

/* No tables of its own. */
const struct btz_access_part btz_access_part_review = { .name = "review", .schemas = schemas };
