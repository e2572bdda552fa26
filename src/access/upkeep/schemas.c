/* What the answers of upkeep look like. */
#include "access/access.h"

#define COUNT  "{\"type\":\"integer\",\"minimum\":0}"
#define TEXT   "{\"type\":\"string\"}"
#define FLAG   "{\"type\":\"boolean\"}"
#define CLOSED "\"type\":\"object\",\"additionalProperties\":false,"

static const struct btz_schema schemas[] = {
    { "seal-rotation",
      "{" CLOSED "\"required\":[\"rotated\",\"resealed\",\"unreadable\"],\"properties\":{"
      "\"rotated\":" FLAG ",\"resealed\":" COUNT ",\"unreadable\":" COUNT "}}" },
    { "seal-forgotten", "{" CLOSED "\"required\":[\"unreadable\"],\"properties\":{"
                        "\"unreadable\":" COUNT "}}" },
    { "backup", "{" CLOSED "\"required\":[\"file\",\"bytes\"],\"properties\":{\"file\":" TEXT
                ",\"bytes\":" COUNT "}}" },
    { "restored", "{" CLOSED "\"required\":[\"file\",\"months_kept\"],\"properties\":{"
                  "\"file\":" TEXT ",\"months_kept\":" COUNT "}}" },
    { NULL, NULL },
};

const struct btz_access_part btz_access_part_upkeep = { .name = "upkeep", .schemas = schemas };
