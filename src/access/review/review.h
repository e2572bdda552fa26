/*
 * review: what the state of accounts, keys, roles and the trail says about least privilege. Gathered once (gather.c),
 * then looked at by rules: one file, one word each. Inside of this folder; its tests include it too.
 */
#ifndef BTZ_ACCESS_REVIEW_H
#define BTZ_ACCESS_REVIEW_H

#include "access/access.h"
#include "access/policy/index.h"
#include "finding/finding.h"

#define BTZ_REVIEW_DAY UINT64_C(86400000)

struct btz_review_person { /* beside index.principals */
    const struct btz_principal_model *p;
    uint64_t created_ms, last_used_ms; /* 0: never, as far as known */
    bool has_factor, has_password;
};
struct btz_review_key {
    const char *id, *name, *principal, *rotated_to; /* rotated_to NULL: none */
    uint64_t created_ms, last_used_ms, from_s, until_s;
    bool active; /* not revoked */
};
struct btz_review_binding {
    const char *id, *role, *subject, *resource, *kind; /* "normal", "elevation", "break-glass" */
    uint64_t created_ms, from_s, until_s;
};
struct btz_review_glass {
    const char *id, *principal, *name, *reason;
    uint64_t at_ms, until_ms, reviewed_ms;
};
/* One entry of the trail within the window; texts NULL when not there. */
struct btz_review_use {
    uint64_t ms;
    const char *event, *operation, *principal, *key, *session, *action, *resource, *address, *agent,
        *method;
    bool allowed;
};

struct btz_review {
    struct btz_arena *arena;
    uint64_t now_ms;
    uint64_t window_ms; /* what rules on use want to see */
    uint64_t from_ms;   /* the trail is complete from here on */
    uint64_t key_max_age_ms, dormant_ms, elevation_max_ms;
    bool mfa_required;
    const struct btz_policy_model *model;
    struct btz_model_index index;
    struct btz_review_person *people;
    const struct btz_review_key *keys;
    const struct btz_review_binding *bindings;
    const struct btz_review_glass *glass;
    const struct btz_review_use *uses; /* oldest first */
    size_t person_count, key_count, binding_count, glass_count, use_count;
};

/* ---- rules ------------------------------------------------------------------------------------------------------ */

struct btz_review_out {
    struct btz_sink *sink;
    const struct btz_rule *rule;
    uint64_t looked_at, failed;
    bool skipped;
};
struct btz_review_rule {
    const char *word; /* of access.review.WORD */
    enum btz_err (*check)(const struct btz_review *r, struct btz_review_out *out);
};
extern const struct btz_review_rule *const btz_review_rules[]; /* NULL-terminated */

/* One finding. `location` names what is wrong and stays the same from run to run; severity -1: the rule's. */
BTZ_CHECKED enum btz_err btz_review_fail(struct btz_review_out *out, int severity,
                                         const char *location, const char *fmt, ...)
    BTZ_PRINTF(4, 5);
BTZ_CHECKED enum btz_err btz_review_skip(struct btz_review_out *out, const char *fmt, ...)
    BTZ_PRINTF(2, 3);
/* Skips when the trail does not reach back as far as rules on use must see; *skipped says so. */
BTZ_CHECKED enum btz_err btz_review_needs_window(const struct btz_review *r,
                                                 struct btz_review_out *out, bool *skipped);
/* Runs all rules; each gives its findings, or one that passed, or one not evaluated. */
BTZ_CHECKED enum btz_err btz_review_run(const struct btz_review *r, struct btz_sink *sink);

/* ---- questions that rules ask (grants.c) ----------------------------------------------------------------------------- */

const char *btz_review_name(const struct btz_review *r,
                            const char *id); /* of a principal or group, else the id */
bool btz_review_binding_is_on(const struct btz_review *r, const struct btz_review_binding *b);
/* Does the role, with what it inherits, allow the action on something? Denies of the role count when they are for
 * everything; conditions do not. `pattern` (may be NULL) gets the resource pattern. */
bool btz_review_role_allows(const struct btz_review *r, const char *role, const char *action,
                            const char **pattern);
/* Does the role deny the action on everything, without a condition? */
bool btz_review_role_denies(const struct btz_review *r, const char *role, const char *action);
/* Is there an allow of the role for this resource? Patterns for what is one's own fit `principal`'s. */
bool btz_review_role_covers(const struct btz_review *r, const char *role, const char *action,
                            const char *resource, const char *principal);
/* Does a rule of the role, itself or inherited, name all actions on all resources? */
bool btz_review_role_is_everything(const struct btz_review *r, const char *role);
/* Role by which a principal may do the action by a binding that is on, NULL: none. */
const char *btz_review_may(const struct btz_review *r, const char *principal, const char *action);
bool btz_review_is_administrative(const struct btz_review *r, const char *principal);
/* Is the binding for this principal, himself or by a group? */
bool btz_review_binding_has(const struct btz_review *r, const struct btz_review_binding *b,
                            const char *principal);

/* ---- advice (advise.c) ------------------------------------------------------------------------------------------------ */

/* Narrower roles for each person and group that holds some, or for one of them (`only`, id or name; NULL: all), with
 * the replay of the window's requests. `scratch` is a file that may be written and goes again. Object in *out:
 * {"items":[...],...}. Errors: USAGE (no such subject). */
BTZ_CHECKED enum btz_err btz_advise(const struct btz_review *r, const char *only,
                                    const char *scratch, json_t **out);

/* ---- gathering ------------------------------------------------------------------------------------------------------- */

/* In a reading transaction of `s`. Everything in the arena. */
BTZ_CHECKED enum btz_err btz_review_gather(struct btz_access *a, struct btz_store *s,
                                           struct btz_arena *arena, uint64_t window_ms,
                                           struct btz_review *out);

#endif
