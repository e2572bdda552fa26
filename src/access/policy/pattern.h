/* pattern: names with a star at the end, networks and zones: what the compiler, the explainer and the tools share. */
#ifndef BTZ_ACCESS_POLICY_PATTERN_H
#define BTZ_ACCESS_POLICY_PATTERN_H

#include "access/policy.h"

struct btz_pattern {
    struct btz_slice text; /* without the star */
    bool prefix;
};
/* Borrows the text. */
struct btz_pattern btz_pattern_of(const char *text);
bool btz_pattern_matches(const struct btz_pattern *p, struct btz_slice name);

/* "model/gpt-*", "user/self", "*". USAGE when it is none. */
BTZ_CHECKED enum btz_err btz_resource_pattern_check(const char *text);
/* "gpt-*": of models, endpoints, tools in conditions. */
BTZ_CHECKED enum btz_err btz_name_pattern_check(const char *text);
/* "model.invoke", "model.*", "*". */
BTZ_CHECKED enum btz_err btz_action_pattern_check(const char *text);
/* Is it "KIND/..." of that kind, or "*"? */
bool btz_resource_has_kind(struct btz_slice resource, const char *kind);
/* Names of people, roles, policies, rules: [a-z0-9][a-z0-9._@+-]{0,126}; ids as well, with upper-case letters. */
bool btz_is_policy_name(const char *text);
/* A scope of a key: "ACTION RESOURCE" or "ACTION". Both point into the arena. USAGE. */
BTZ_CHECKED enum btz_err btz_scope_parse(const char *text, struct btz_arena *arena,
                                         const char **action, const char **resource);
/* Does a key's scope cover the action? Administrative ones only by their full name. */
bool btz_scope_has_action(const char *pattern, const struct btz_action *action);

struct btz_net {
    uint8_t b[16];
    uint8_t bits; /* of 128 */
    bool v4;
};
/* "10.0.0.0/8", "2001:db8::/32", "192.0.2.7". Bits behind the prefix must be 0. USAGE. */
BTZ_CHECKED enum btz_err btz_net_parse(const char *text, struct btz_net *out);
/* IPv4 networks have only IPv4 addresses (also written ::ffff:a.b.c.d), IPv6 networks never. */
bool btz_net_has(const struct btz_net *n, const struct btz_address *a);

/* ---- time zones (zone.c) --------------------------------------------------------------------------------------- */

struct btz_transition {
    int64_t at;     /* Unix seconds */
    int32_t offset; /* seconds east of Greenwich from then on */
    uint32_t zero;
};
struct btz_zone {
    const char *name;
    int32_t offset; /* before the first transition */
    const struct btz_transition *transitions;
    size_t count;
};
/* From the system's tz database, with the rule for the future applied up to 2200. USAGE: no such zone. INPUT, IO. */
BTZ_CHECKED enum btz_err btz_zone_load(const char *name, struct btz_arena *arena,
                                       struct btz_zone *out);
/* The same from the bytes of a TZif file (RFC 8536). */
BTZ_CHECKED enum btz_err btz_zone_parse(struct btz_slice tzif, const char *name,
                                        struct btz_arena *arena, struct btz_zone *out);
/* Seconds east of Greenwich at that moment. */
int32_t btz_zone_offset(const struct btz_transition *transitions, size_t count, int32_t before,
                        int64_t at);
/* Is a moment (seconds of local time since 1970-01-01T00:00 local) within the window? */
bool btz_window_has(const struct btz_window *w, int64_t local_s);

#endif
