/*
 * directory: people, services, groups, roles, bindings, keys, policies and approvals; the handle; and the one way
 * through every operation. Only for the files of this folder; others use access.h.
 */
#ifndef BTZ_DIRECTORY_H
#define BTZ_DIRECTORY_H

#include <pthread.h>
#include <stdatomic.h>

#include "access/access.h"

#define MODEL_MAX    ((size_t)4 << 30) /* memory of a whole model */
#define LANES_MAX    512
#define REFUSALS_MAX 1024 /* principals and addresses counted at a time */
#define USED_MAX     4096
#define HEAVY_MAX    256
#define PAGE_DEFAULT 100
#define PAGE_MAX     500
#define NAME_LEN_MAX 127
#define REASON_MAX   1000
#define POLICY_MAX   262144u
#define LIST_MAX_    1000

/* What one thread needs while it is in here. */
struct btz_lane {
    struct btz_store *store;
    struct btz_snapshot *snapshot; /* NULL: not opened yet */
    bool busy;
};

struct btz_refusal { /* of one principal or address, in one minute */
    uint64_t who, minute;
    uint32_t count, left_out;
    bool asked; /* no refusals: decisions that were asked for */
    char principal[64], address[64];
};
struct btz_heavy { /* answers of the whole model for one principal, in one minute */
    uint64_t who, minute;
    uint32_t count;
};

struct btz_used { /* when a key or principal was last recorded */
    uint64_t who, hour;
};
struct btz_use {
    char id[BTZ_ID_TEXT];
    bool is_key;
};

struct btz_access {
    const struct btz_access_conf *conf;
    struct btz_fetch fetch;
    bool has_fetch;
    uint64_t (*now)(void *user);
    void *clock_user;
    struct btz_log *log;
    char *folder, *where, *snapshot_path, *lock_path, *seal_path;
    struct btz_seal *seal;
    struct btz_hasher *hasher;
    struct btz_trail *trail;
    struct btz_federation *federation;
    const struct btz_access_live *now_served; /* NULL: nobody serves it */
    uint8_t pepper[32], snapshot_secret[32];

    pthread_mutex_t lock; /* lanes */
    pthread_cond_t free_lane;
    struct btz_lane lanes[LANES_MAX];
    size_t lane_count, lane_cap;

    pthread_mutex_t publish; /* one at a time in this process; lock_path serialises processes */
    atomic_bool behind;      /* entries wait that could not be appended to the ledger */
    atomic_uint_fast64_t latest_ms; /* by which decisions are made, when it is behind the clock */
    atomic_uint_fast64_t live;      /* generation of the snapshot, as far as known here */

    pthread_mutex_t refusal_lock;
    struct btz_refusal refusals[REFUSALS_MAX];
    uint64_t sweep_minute;
    uint32_t minute_entries; /* of all together, in sweep_minute */

    pthread_mutex_t heavy_lock;
    struct btz_heavy heavy[HEAVY_MAX];
    bool heavy_busy;

    pthread_mutex_t used_lock;
    struct btz_used used[USED_MAX];
    struct btz_use uses[256]; /* not yet written */
    size_t use_count;
};

/* ---- open.c ---- */
/* The tables of all parts: a store handle that has seen them can be backed up and restored. */
BTZ_CHECKED enum btz_err btz_access_migrate(struct btz_store *s);
BTZ_CHECKED enum btz_err btz_lane_take(struct btz_access *a, struct btz_lane **out);
void btz_lane_back(struct btz_access *a, struct btz_lane *lane);
/* The lane's reader, refreshed. Errors: IO, INPUT: the snapshot cannot be read, nothing may be allowed. */
BTZ_CHECKED enum btz_err btz_lane_snapshot(struct btz_access *a, struct btz_lane *lane);

/* ---- latest.c ---- */
/* The clock, or the latest time that is known when it stands before that. */
uint64_t btz_latest_ms(const struct btz_access *a);
BTZ_CHECKED enum btz_err btz_directory_set_back(struct btz_store *s, uint64_t now_ms,
                                                uint64_t high_ms);

/* ---- publish.c ---- */
BTZ_CHECKED enum btz_err btz_generation(struct btz_store *s, uint64_t *out);
BTZ_CHECKED enum btz_err btz_generation_next(struct btz_store *s, uint64_t now_ms, uint64_t *out);
/* Puts the snapshot of a committed change in place, or a newer one. */
BTZ_CHECKED enum btz_err btz_publish_staged(struct btz_access *a, struct btz_store *s,
                                            uint64_t generation);
/* Is somebody left who can manage people, roles and policies? */
bool btz_model_has_administrator(const struct btz_policy_model *m, uint64_t now_s);

/* ---- model.c ---- */
/* Ready roles and those of all policies, added to the model. */
BTZ_CHECKED enum btz_err btz_policies_parse(struct btz_store *s, struct btz_arena *arena,
                                            struct btz_policy_model *model);

/* The same with another text of the policy `name` (NULL: without it). */
BTZ_CHECKED enum btz_err btz_policies_parse_with(struct btz_store *s, struct btz_arena *arena,
                                                 const char *name, const char *text,
                                                 struct btz_policy_model *model);

/* The model as it would be with another text of the policy `name`. */
BTZ_CHECKED enum btz_err btz_access_model_with(struct btz_access *a, struct btz_store *s,
                                               struct btz_arena *arena, const char *name,
                                               const char *text, struct btz_policy_model *out);

/* ---- admit.c ---- */
/* OK for the local caller and for whoever showed a second factor within step_up_ms; DENIED with c->needs_step_up. */
BTZ_CHECKED enum btz_err btz_call_fresh(struct btz_call *c);

/* ---- rights.c ---- */
bool btz_role_is_administrative(const struct btz_policy_model *m, const char *name);
/* Is `to` the role `from`, or one that it inherits? */
bool btz_role_reaches(const struct btz_policy_model *m, const char *from, const char *to,
                      unsigned depth);
/* Has the principal the role by any binding, group or inheritance? */
BTZ_CHECKED enum btz_err btz_holds_role(struct btz_call *c, const struct btz_policy_model *m,
                                        const char *principal, const char *role, bool *out);
/* Is it the caller himself? Never for the local one. */
bool btz_call_is_own(const struct btz_call *c, const char *principal);
/* DENIED, with the reason in the trail too. `reason` outlives the call. */
enum btz_err btz_call_refuse(struct btz_call *c, const char *reason);
/* May the caller change who is in the group (`principal` NULL: remove the group)? */
BTZ_CHECKED enum btz_err btz_rights_through_group(struct btz_call *c, const char *group,
                                                  const char *principal);

/* ---- behind.c: who is behind a caller ---- */
struct btz_people {
    const char **ids; /* in the arena */
    size_t count;
};
bool btz_people_have(const struct btz_people *p, const char *id);
/* Himself (for the local one the person of that name, where there is one), whoever made the key, registered the account
 * of the issuer or the certificate that he came with, and where that was a program, whoever made a credential of it. */
BTZ_CHECKED enum btz_err btz_behind(struct btz_call *c, const struct btz_caller *who,
                                    struct btz_people *out);
/* Had one of them a hand in the credentials of one of the others (btz_call_touched) within the week before `asked_ms`, or
 * since? */
BTZ_CHECKED enum btz_err btz_behind_touch(struct btz_call *c, const struct btz_people *one,
                                          const struct btz_people *other, uint64_t asked_ms,
                                          bool *out);

/* ---- second.c: four eyes ---- */
BTZ_CHECKED enum btz_err btz_call_needs_second(struct btz_call *c, bool *out);
/* Does the group of the call have a role that whoever joins it gets? */
BTZ_CHECKED enum btz_err btz_group_gives(struct btz_call *c, bool *out);
/* Does it have one that denies something, and no longer to whoever leaves? */
BTZ_CHECKED enum btz_err btz_group_withholds(struct btz_call *c, bool *out);
/* Does the policy of the call (`text` not given: removed) write or change what a role that somebody has says about
 * administrative actions? */
BTZ_CHECKED enum btz_err btz_policy_gives(struct btz_call *c, bool *out);

/* ---- fields.c ---- */
/* A checked copy of `in` with the types of the table. USAGE names the field. */
BTZ_CHECKED enum btz_err btz_fields_check(const struct btz_operation *op, const json_t *in,
                                          json_t **out);
/* The same as btz_name_check(), of what is looked for: no name is reserved. */
BTZ_CHECKED enum btz_err btz_name_form(const char *what, const char *text, struct btz_arena *arena,
                                       char **out);

/* ---- refusals.c ---- */
/* Counts one; true: it has an entry of its own. */
bool btz_refusal_count(struct btz_access *a, const struct btz_caller *caller,
                       const struct btz_trail_entry *e);
/* The same of a decision that was asked for. */
bool btz_decision_count(struct btz_access *a, const struct btz_caller *caller);
/* Entry of a refusal, or one more in the count of its minute. */
void btz_refusal_note(struct btz_access *a, struct btz_lane *lane, const struct btz_caller *caller,
                      const struct btz_trail_entry *e);
/* Writes the counts of minutes that are over (`all`: of every minute). */
void btz_refusals_sweep(struct btz_access *a, struct btz_lane *lane, bool all);

/* ---- heavy.c ---- */
/* An answer that reads the whole model: LIMIT when another is being made, or the caller had too many in this minute. What
 * began is ended. */
BTZ_CHECKED enum btz_err btz_heavy_begin(struct btz_call *c);
void btz_heavy_end(struct btz_access *a);

/* ---- call.c ---- */
struct btz_named {                 /* what a field names, as admission found it */
    const char *field, *id, *name; /* id NULL: there is none; name: as policies have it */
};
struct btz_call_state {
    struct btz_named named[4];
    size_t named_count;
    struct btz_lane *lane;
    json_t *in; /* owned */
    struct btz_arena model_arena;
    struct btz_policy_model model;
    uint64_t generation;
    char *resource;
    char rule[160];
    bool not_found, drifted, admitted;
    const char *approved_by;
    struct btz_call *inner; /* the call that is being approved */
};
/* The decision of the policy for a caller; `request` gives action, resource and what is known of a model call. */
BTZ_CHECKED enum btz_err btz_lane_decide(struct btz_access *a, struct btz_lane *lane,
                                         const struct btz_caller *caller,
                                         struct btz_request *request, struct btz_decision *out);
/* What run() of an operation and its entry need, also for one that was approved. */
void btz_call_entry(const struct btz_call *c, struct btz_trail_entry *e);
/* Caller's part of an entry. */
void btz_caller_entry(const struct btz_caller *caller, struct btz_trail_entry *e);

/* ---- approvals.c ---- */
/* Stores the call as one that waits for a second person; sets c->approval and c->out. In a transaction. */
BTZ_CHECKED enum btz_err btz_approval_ask(struct btz_call *c, const struct btz_operation *op,
                                          const json_t *in, const char *reason);

/* ---- rows.c ---- */
const char *btz_column_text(struct btz_arena *arena,
                            const struct btz_value *v); /* NULL stays NULL */
BTZ_CHECKED enum btz_err btz_json_set(json_t *object, const char *key,
                                      json_t *value); /* takes value */
BTZ_CHECKED enum btz_err btz_json_set_text(json_t *object, const char *key, const char *text);
BTZ_CHECKED enum btz_err btz_json_set_time(json_t *object, const char *key,
                                           uint64_t ms); /* 0: null */
BTZ_CHECKED enum btz_err btz_json_set_column(json_t *object, const char *key,
                                             const struct btz_value *v);

/* A statement of constant parts with its values. */
struct btz_sql {
    char text[2048];
    struct btz_value values[24];
    size_t len, count;
    bool failed;
};
void btz_sql_add(struct btz_sql *q, const char *part);
void btz_sql_int(struct btz_sql *q, int64_t value);
void btz_sql_text(struct btz_sql *q, const char *text);
void btz_sql_blob(struct btz_sql *q, struct btz_slice bytes);
/* Adds the condition and its value when there is one. */
void btz_sql_where(struct btz_sql *q, const char *condition, const char *text);
BTZ_CHECKED enum btz_err btz_sql_run(struct btz_call *c, struct btz_sql *q, uint64_t *changed);

/* Fills an object from the columns of a row; the first column is the cursor. */
typedef enum btz_err btz_fill_fn(struct btz_call *c, const struct btz_value *v, json_t *item);
struct btz_list {
    struct btz_call *call;
    btz_fill_fn *fill;
    json_t *items;
    size_t count, limit;
    const char *last;
    bool more;
};
/* c->out becomes a page: {"items":[...],"next":cursor or null}. */
BTZ_CHECKED enum btz_err btz_list_run(struct btz_call *c, struct btz_sql *q, btz_fill_fn *fill);
BTZ_CHECKED enum btz_err btz_page(struct btz_call *c, json_t *items, const char *last);
size_t btz_page_limit(const struct btz_call *c);

/* One row by id or name, the two values of `sql`; NULL: none. A text that looks like an id is one, in whatever spelling,
 * and never a name. */
BTZ_CHECKED enum btz_err btz_row_find(struct btz_call *c, const char *sql, const char *id_or_name,
                                      size_t columns, const struct btz_value **out);
/* The detail of a name that is taken. */
enum btz_err btz_taken(enum btz_err err, const char *what, const char *name);

/* Fields that several lists have. */
#define BTZ_PAGE_FIELDS                                                                            \
    { .name = "limit",                                                                             \
      .kind = BTZ_FIELD_INT,                                                                       \
      .place = BTZ_IN_QUERY,                                                                       \
      .help = "How many at most; 100 when not given.",                                             \
      .min_int = 1,                                                                                \
      .max_int = PAGE_MAX },                                                                       \
    {                                                                                              \
        .name = "cursor", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_QUERY,                           \
        .help = "`next` of the page before."                                                       \
    }

/* ---- schemas.c ---- */
extern const struct btz_schema btz_directory_schemas[];

/* ---- bindings.c ---- */
struct btz_new_binding {
    const char *role, *subject, *resource; /* ids of subjects; resource NULL: everything */
    uint64_t from_s, until_s;
    const char *reason, *kind, *by; /* by NULL: the caller */
};
/* Adds it, sets c->out, c->after, c->target and c->policy_changed. */
BTZ_CHECKED enum btz_err btz_binding_add(struct btz_call *c, const struct btz_new_binding *b,
                                         char id[BTZ_ID_TEXT]);
BTZ_CHECKED enum btz_err btz_binding_json(struct btz_call *c, const char *id, json_t **out);
/* USAGE with the nearest one when there is no such role. */
BTZ_CHECKED enum btz_err btz_role_exists(struct btz_call *c, const char *name);

/* ---- policies.c ---- */
/* The text of a policy to be installed, alone: USAGE where it cannot be one. */
BTZ_CHECKED enum btz_err btz_policy_text_check(struct btz_call *c, const char *name,
                                               const char *text, struct btz_policy_model *out);

/* ---- scopes.c ---- */
/* USAGE: ill-formed, or more than the owner has; DENIED: more than the caller has. */
BTZ_CHECKED enum btz_err btz_scopes_check(struct btz_call *c, const struct btz_principal *owner,
                                          const json_t *scopes);
/*
 * A key may do without a second factor what its scopes name, for as long as it lives. So a key with an administrative
 * scope is made and rotated with a fresh one: else a stolen cookie would be worth as much as the factor. `scopes`: JSON
 * text, NULL: none. Keys have no factor; what they make is bounded by what they may themselves.
 */
BTZ_CHECKED enum btz_err btz_scopes_fresh(struct btz_call *c, const char *scopes);
/* A key makes keys of its own scopes at most: DENIED where `scopes` (NULL: none) go beyond them. */
BTZ_CHECKED enum btz_err btz_scopes_within(struct btz_call *c, const json_t *scopes);

/* ---- users.c ---- */
/* A person or service as an object of answers, by id. */
BTZ_CHECKED enum btz_err btz_principal_json(struct btz_call *c, const char *id, json_t **out);

#endif
