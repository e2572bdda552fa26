/* What answers look like. Closed: an answer never has a member that is not here. */
#include "access/signin/rows.h"

#define TEXT      "{\"type\":\"string\"}"
#define MAYBE     "{\"type\":[\"string\",\"null\"]}"
#define BOOL      "{\"type\":\"boolean\"}"
#define COUNT     "{\"type\":\"integer\",\"minimum\":0}"
#define TIME      "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBETIME "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define TEXTS     "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define CLOSED    "\"type\":\"object\",\"additionalProperties\":false,"

const struct btz_schema btz_signin_schemas[] = {
    { "sign-in", "{" CLOSED "\"required\":[\"state\"],\"properties\":{\"state\":{\"enum\":["
                 "\"signed-in\",\"second-factor\",\"enrol\"]},\"name\":" TEXT ",\"session\":" TEXT
                 ",\"ticket\":" TEXT ",\"methods\":" TEXTS "}}" },
    { "step-up", "{" CLOSED "\"required\":[\"session\",\"fresh_until\"],\"properties\":{"
                 "\"session\":" TEXT ",\"fresh_until\":" TIME "}}" },
    { "enrolment",
      "{" CLOSED "\"required\":[\"name\",\"display_name\",\"expires\"],"
      "\"properties\":{\"name\":" TEXT ",\"display_name\":" MAYBE ",\"expires\":" TIME "}}" },
    { "enrolment-link", "{" CLOSED "\"required\":[\"link\",\"expires\"],\"properties\":{\"link\":"
                        "{\"type\":\"string\",\"format\":\"uri\"},\"expires\":" TIME "}}" },
    { "totp-setup", "{" CLOSED "\"required\":[\"secret\",\"uri\",\"svg\"],\"properties\":{"
                    "\"secret\":" TEXT ",\"uri\":" TEXT ",\"svg\":" TEXT "}}" },
    { "recovery-codes",
      "{" CLOSED "\"required\":[\"codes\"],\"properties\":{\"codes\":" TEXTS "}}" },
    { "session",
      "{" CLOSED "\"required\":[\"id\",\"principal\",\"name\",\"method\",\"created\","
      "\"seen\",\"second_factor\",\"address\",\"user_agent\",\"enrolling\"],"
      "\"properties\":{\"id\":" TEXT ",\"principal\":" TEXT ",\"name\":" TEXT ",\"method\":" TEXT
      ",\"created\":" TIME ",\"seen\":" TIME ",\"second_factor\":" MAYBETIME ",\"address\":" MAYBE
      ",\"user_agent\":" MAYBE ",\"enrolling\":" BOOL ",\"current\":" BOOL "}}" },
    { "session-list",
      "{" CLOSED "\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":\"array\","
      "\"items\":{\"$ref\":\"#/components/schemas/session\"}},\"next\":" MAYBE "}}" },
    { "password-changed", "{" CLOSED "\"required\":[\"keys\",\"revoked_keys\"],\"properties\":{"
                          "\"keys\":" COUNT ",\"revoked_keys\":" COUNT "}}" },
    { "ended", "{" CLOSED "\"required\":[\"ended\"],\"properties\":{\"ended\":" COUNT "}}" },
    /* The factors that enrol are members by their names. */
    { "me", "{" CLOSED "\"required\":[\"id\",\"name\",\"method\",\"session\",\"second_factor\","
            "\"enrolling\"],\"properties\":{\"id\":" TEXT ",\"name\":" TEXT ",\"method\":" TEXT
            ",\"session\":" MAYBE ",\"second_factor\":" MAYBETIME ",\"enrolling\":" BOOL
            ",\"display_name\":" MAYBE ",\"email\":" MAYBE ",\"password\":" BOOL ",\"totp\":" BOOL
            ",\"passkey\":" BOOL ",\"recovery_codes\":" COUNT ",\"groups\":" TEXTS
            ",\"roles\":" TEXTS ",\"may\":" TEXTS "}}" },
    { NULL, NULL },
};
