/*
 * policy: who may do what to which resource. Policies are YAML; with people, groups and keys they are compiled to an
 * immutable snapshot file that any process maps and asks without locks, allocation or system calls.
 *
 * Default deny; a deny that matches overrides every allow. What a condition asks and the request does not say counts
 * against the caller: it fails an allow and meets a deny.
 */
#ifndef BTZ_ACCESS_POLICY_H
#define BTZ_ACCESS_POLICY_H

#include "base/base.h"

/* ---- actions (actions.c): "<area>.<verb>", the closed list of what can be asked for ---------------------------- */

struct btz_action {
    const char *name;     /* "model.invoke" */
    const char *resource; /* kind its resources have: "model" */
    const char *what;     /* one sentence */
    bool administrative;  /* a change to who may do what */
};
extern const struct btz_action btz_actions[];
extern const size_t btz_action_count; /* at most 256 */
/* Index of an action, -1 when there is none. */
int btz_action_find(const char *name);
/* "model.invoke", "model.*" or "*". */
bool btz_action_matches(const char *pattern, const struct btz_action *action);

/* ---- the model: input of the compiler (arena memory, built by YAML and by the directory) ------------------------ */

enum btz_effect { BTZ_EFFECT_ALLOW, BTZ_EFFECT_DENY };

/*
 * Resources are a kind, "/" and a name: "model/gpt-4o". A request for all of a kind (a list) is for "model/" and a star.
 * An action is about one kind; on a resource of another kind it is never allowed.
 * Resource patterns may end in one star; a star alone is every resource. "user/self" and "service/self" are whoever asks;
 * "key/own" is a key of his. An id of a person or service in a resource ("user/usr_...") stands for the name.
 * Names compare byte by byte.
 *
 * A role that inherits others has their rules too. A binding gives all rules of its role, allows and denies, for the
 * resources that it is for and the time it is for.
 *
 * Conditions: where a request gives no model, endpoint or tool, a resource of that kind names it. Nothing else is
 * guessed: no model, no cost (or a negative one), no address are "not known". Times and certificates always are.
 * Windows: days are those on which a window begins; the end is not part of it. IPv4 and IPv6 networks are apart,
 * ::ffff:a.b.c.d is a.b.c.d.
 */
struct btz_when { /* every condition given must hold; zero value and cost_max NAN: no condition */
    const char *const *models, *const *endpoints, *const *tools; /* patterns, NULL-terminated */
    double cost_max;              /* per request, in the prices' currency; NAN: none */
    const char *const *addresses; /* "10.0.0.0/8", "::1/128" */
    uint32_t mfa_within_s;        /* 0: none */
    bool client_cert;
    const char *time_zone; /* "Europe/Berlin"; with the windows below */
    struct btz_window {
        uint8_t days;                    /* bit 0 Monday */
        uint16_t from_minute, to_minute; /* of the local day; to < from passes midnight */
    } const *windows;
    size_t window_count;
    uint64_t from_s, until_s; /* Unix, 0: open */
};

struct btz_rule_model {
    const char *id; /* "policy-name/rule-name", unique */
    enum btz_effect effect;
    const char *const *actions; /* names, "area.*" or "*"; NULL-terminated */
    const char *const *resources;
    struct btz_when when;
    const char *file;
    unsigned line;
};
struct btz_role_model {
    const char *name;
    const char *const *inherits;
    const struct btz_rule_model *rules;
    size_t rule_count;
    const char *about;
    const char *file;
    unsigned line;
};
enum btz_principal_kind { BTZ_PRINCIPAL_USER, BTZ_PRINCIPAL_SERVICE };
struct btz_principal_model {
    const char *id, *name; /* id opaque ("usr_..."), name unique ("alice") */
    enum btz_principal_kind kind;
    bool disabled;
};
struct btz_group_model {
    const char *id, *name;
    const char *const *members; /* principal ids */
};
/* A role given to a principal or a group, perhaps for a part of the resources, perhaps for a while. */
struct btz_binding_model {
    const char *id, *role, *subject; /* id of a principal or group */
    const char *resource;            /* NULL: everything */
    uint64_t from_s, until_s;        /* Unix, 0: open */
};
struct btz_key_model {
    const char *id, *principal;
    uint8_t hash[BTZ_SHA256_LEN]; /* btz_key_hash() of identity.h */
    const char *const
        *scopes; /* "action resource" patterns such as "model.invoke model/gpt-*"; NULL: all of
                                       * the principal's, but for administrative actions, which a scope must name */
    uint64_t from_s, until_s;
};
/* Separation of duties: nobody may hold both roles, by whatever binding, group or inheritance, at whatever time. */
struct btz_exclusive_model {
    const char *a, *b;
    const char *file;
    unsigned line;
};
/* Limits: 4,096 roles, 65,536 rules, 64 actions and 64 resources a rule, 256 items a condition, 32 roles inherited,
 * 1,048,576 principals, bindings and groups, 4,194,304 keys of 64 scopes, 512 bytes a pattern. */
struct btz_policy_model {
    const struct btz_role_model *roles;
    const struct btz_principal_model *principals;
    const struct btz_group_model *groups;
    const struct btz_binding_model *bindings;
    const struct btz_key_model *keys;
    const struct btz_exclusive_model *exclusives;
    size_t exclusive_count;
    size_t role_count, principal_count, group_count, binding_count, key_count;
};

/*
 * Adds what a YAML policy defines to the model: roles always; principals, groups and bindings too (for `access test`
 * and `access diff` on files). Errors: USAGE, "file:line: ..." with the nearest word.
 */
BTZ_CHECKED enum btz_err btz_policy_parse(struct btz_slice yaml, const char *file,
                                          struct btz_arena *arena, struct btz_policy_model *model);
/* The roles that every installation has: viewer user ml-engineer data-steward red-teamer auditor operator admin. */
extern const char btz_policy_ready[];
/* Every mistake a policy can have but that cannot be seen in one line: unknown roles, circles, duplicate ids, roles
 * that separation of duties forbids one person to hold (auditor with admin; docs/access.md). Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_policy_check(const struct btz_policy_model *model);

/* ---- snapshots (compile.c, snapshot.c) --------------------------------------------------------------------------- */

/* Checks and compiles; the file is replaced as a whole, with `generation` in it, and readers of its folder's
 * `generation` word (a counter in a shared page) notice. `secret` (32 bytes) keys the MAC at its end. Errors: USAGE (the
 * check), LIMIT, IO, CONFLICT (the file there is of a newer generation: another process was faster, or the store was put
 * back from a copy and its generation must be raised above this one). */
BTZ_CHECKED enum btz_err btz_snapshot_write(const struct btz_policy_model *model,
                                            uint64_t generation, const uint8_t secret[32],
                                            const char *path);

/* The same in two steps, so that a change of permissions and its publication are one: stage writes the file beside (to
 * be done before the change is committed: it needs memory and disk), publish puts it in place (after it: needs neither).
 * unstage takes back what will not be published. */
BTZ_CHECKED enum btz_err btz_snapshot_stage(const struct btz_policy_model *model,
                                            uint64_t generation, const uint8_t secret[32],
                                            const char *path);
BTZ_CHECKED enum btz_err btz_snapshot_publish(uint64_t generation, const uint8_t secret[32],
                                              const char *path);
void btz_snapshot_unstage(uint64_t generation, const char *path);

/* A reader: one per thread. The file is copied into memory and verified once (MAC, bounds of every offset), then trusted:
 * whoever cuts or overwrites it in place changes nothing for those who have read it. */
struct btz_snapshot;
BTZ_CHECKED enum btz_err btz_snapshot_open(const char *path, const uint8_t secret[32],
                                           struct btz_snapshot **out);
void btz_snapshot_close(struct btz_snapshot *s);
/* One atomic load when nothing changed; reads the newer file when there is one. A newer file that cannot be read leaves
 * the reader with an error for every call until it can: old permissions are never used past a revocation. */
BTZ_CHECKED enum btz_err btz_snapshot_refresh(struct btz_snapshot *s);
uint64_t btz_snapshot_generation(const struct btz_snapshot *s);

#define BTZ_NOBODY UINT32_MAX
uint32_t btz_snapshot_principal(const struct btz_snapshot *s, const char *id_or_name);
uint32_t btz_snapshot_principal_of(const struct btz_snapshot *s, struct btz_slice id_or_name);
const char *btz_snapshot_principal_id(const struct btz_snapshot *s, uint32_t principal);
const char *btz_snapshot_principal_name(const struct btz_snapshot *s, uint32_t principal);
/* Names of the groups that a principal is in, ascending, at most `max` of them; borrowed until the snapshot is refreshed.
 * Returns how many there are, which may be more than `max`. */
size_t btz_snapshot_groups(const struct btz_snapshot *s, uint32_t principal, struct btz_slice *out,
                           size_t max);
/* The key with that hash (constant time per candidate), BTZ_NOBODY when there is none; its principal goes out.
 * Expiry and the principal's state are for btz_decide to judge. */
uint32_t btz_snapshot_key(const struct btz_snapshot *s, const uint8_t hash[BTZ_SHA256_LEN],
                          uint32_t *principal);
const char *btz_snapshot_key_id(const struct btz_snapshot *s, uint32_t key);
uint32_t btz_snapshot_key_named(const struct btz_snapshot *s, const char *id);

/* ---- decisions (decide.c) ---------------------------------------------------------------------------------------- */

struct btz_address {
    uint8_t b[16]; /* IPv4 as ::ffff:a.b.c.d */
    bool known;
};
BTZ_CHECKED enum btz_err btz_address_parse(const char *text, struct btz_address *out);

struct btz_request {
    uint32_t principal, key;                /* key BTZ_NOBODY: none was used */
    int action;                             /* btz_action_find() */
    struct btz_slice resource;              /* "model/gpt-4o" */
    struct btz_slice model, endpoint, tool; /* empty: not known */
    double cost;                            /* NAN: not known */
    uint64_t now_s;
    struct btz_address address;
    uint32_t mfa_age_s; /* UINT32_MAX: no second factor */
    bool client_cert;
};
enum btz_verdict {
    BTZ_VERDICT_DENY,
    BTZ_VERDICT_ALLOW,
    BTZ_VERDICT_STEP_UP
}; /* STEP_UP: denied, but a fresh
                                                                          * second factor would allow it */
enum btz_why {
    BTZ_WHY_RULE,    /* the rule decided */
    BTZ_WHY_DEFAULT, /* no rule allows it */
    BTZ_WHY_NO_PRINCIPAL,
    BTZ_WHY_DISABLED,
    BTZ_WHY_KEY_EXPIRED,
    BTZ_WHY_KEY_SCOPE,
    BTZ_WHY_SNAPSHOT /* the snapshot cannot be read */
};
/* Where several rules would decide, `rule` is that of the first role by name and there the first by id; for STEP_UP the
 * one that is content with the oldest second factor comes before all others. */
struct btz_decision {
    enum btz_verdict verdict;
    enum btz_why why;
    uint32_t rule;         /* index, BTZ_NOBODY when none */
    uint32_t mfa_within_s; /* for STEP_UP */
};
void btz_decide(const struct btz_snapshot *s, const struct btz_request *r,
                struct btz_decision *out);
/* False: whatever the resource, whatever else a request says, this caller is not allowed the action now; so nothing more
 * of the request need be read. Looks at every rule about the action: not for each request. */
bool btz_may_ever(const struct btz_snapshot *s, const struct btz_request *r);
const char *btz_snapshot_rule_id(const struct btz_snapshot *s,
                                 uint32_t rule);  /* "" for BTZ_NOBODY */
const char *btz_verdict_name(enum btz_verdict v); /* "allow", "deny", "step-up" */
const char *btz_why_text(enum btz_why why);       /* one sentence */

/* The same question for a person: deciding rule, the role and binding it came by, every rule that matched, and the
 * nearest miss (the allow with the fewest unmet conditions, each named). JSON object in *out. */
BTZ_CHECKED enum btz_err btz_explain(const struct btz_policy_model *model,
                                     const struct btz_snapshot *s, const struct btz_request *r,
                                     struct btz_buf *out);

#endif
