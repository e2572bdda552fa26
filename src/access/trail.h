/*
 * trail: the audit trail. One entry in the ledger for every sign-in, refusal, decision asked for, administrative change,
 * approval, export and alarm. An entry is written in the transaction of what it tells about (table `trail_outbox`) and
 * appended to the ledger after the commit; whoever opens the state next completes what a killed process left. So no
 * change is without its entry, and no entry without its change.
 *
 * In the leaf stand id, time, event, verdict and opaque ids; what can identify or embarrass a person (names, addresses,
 * before and after) is sealed inside the leaf under the key of its month. Retention deletes that key: the log stays
 * whole and provable, the content is gone.
 */
#ifndef BTZ_ACCESS_TRAIL_H
#define BTZ_ACCESS_TRAIL_H

#include "access/identity.h"
#include "base/json.h"
#include "ledger/ledger.h"
#include "store/store.h"

/* Values of `event`: sign-in sign-out step-up refusal decision change approval elevation break-glass export alarm
 * retention call. All but event and verdict may be NULL. */
struct btz_trail_entry {
    const char *event;
    const char *verdict;          /* "allow", "deny", "error" */
    const char *operation;        /* "user.create" */
    const char *principal, *name; /* id, and name at that time */
    const char *
        method; /* how it was proven: "password+totp", "passkey", "key", "local", "oidc:NAME", "mtls" */
    const char *session, *key;                  /* ids */
    const char *address, *user_agent, *request; /* request: id of the HTTP request */
    const char *action, *resource;              /* "user.write", "user/usr_..." */
    const char *rule, *reason;                  /* deciding rule; one sentence */
    const char *approved_by;                    /* principal id */
    const json_t *before, *after;               /* objects without secrets; borrowed */
    struct btz_slice
        secret; /* evidence for auditors' eyes: stored sealed to the auditor key, as evidence */
};

/* Longer texts are cut, with "..." at the end; larger objects go to evidence. */
#define BTZ_TRAIL_TEXT_MAX   1024
#define BTZ_TRAIL_OBJECT_MAX (16u << 20) /* before and after together, as JSON */
#define BTZ_TRAIL_SECRET_MAX (16u << 20)

struct btz_trail;
/* `month_keys` live in the store, sealed. Tables by btz_trail_migrate. The ledger is created when missing. */
struct btz_trail_options {
    const char *ledger_dir;
    const struct btz_seal *seal;
    const uint8_t *auditor_key; /* X25519 public key, 32 bytes; NULL: none */
    uint64_t (*now_ms)(void *user);
    void *user;
};
BTZ_CHECKED enum btz_err btz_trail_migrate(struct btz_store *s);
/* Thread-safe handle; a child process opens its own. Completes what is in the outbox; where that fails (a full disk),
 * the entries go on waiting and the handle opens all the same: see btz_trail_waiting. */
BTZ_CHECKED enum btz_err btz_trail_open(const struct btz_trail_options *o, struct btz_store *s,
                                        struct btz_trail **out);
void btz_trail_close(struct btz_trail *t);

/* Inside the transaction of `s`; `id` (may be NULL) is the entry's. Errors: USAGE (no event or verdict, or a word that
 * is none of them), LIMIT (before and after, or secret, too large), those of the store. */
BTZ_CHECKED enum btz_err btz_trail_add(struct btz_trail *t, struct btz_store *s,
                                       const struct btz_trail_entry *e, char id[BTZ_ID_TEXT]);
/* After the commit: everything in the outbox is in the ledger, durably, on OK. Exactly once, also across crashes and
 * several processes (docs/adr/0011-audit-trail.md says how). Threads that flush at once share appends. Errors: IO
 * (full disk; what waits stays in the outbox), CONFLICT (the ledger was put back to an older state), INPUT (damaged). */
BTZ_CHECKED enum btz_err btz_trail_flush(struct btz_trail *t, struct btz_store *s);

/* ---- calls: entries of the gateway's journal, too many for an outbox --------------------------------------------------
 * They go straight to the ledger, in groups. The journal keeps them until they are acknowledged; each leaf says which
 * record of which writer it is, so that who starts again sees what is in the ledger already. */
#define BTZ_TRAIL_LOG_MAX 2048 /* entries of a group */
#define BTZ_TRAIL_PARTS   64   /* of an entry */
struct btz_trail_part {
    struct btz_slice name, value; /* value: JSON text. Names as in btz_trail_entry, but verdict and
                                    * event; others go into the object "call" of the content */
};
struct btz_trail_call {
    uint64_t
        at_ms; /* an entry's time is this, moved into the current month and not into the future */
    unsigned writer;
    uint64_t epoch, sequence;
    const char *verdict;                /* as in btz_trail_entry */
    const struct btz_trail_part *parts; /* each name once; borrowed while the call lasts */
    size_t count;
    struct btz_slice
        secret; /* sealed to the auditor key; without one under the key of the month ("bodies") */
};
/* All of them durable on OK. For one thread at a time. Errors: IO (full disk), CONFLICT (put back to an older state),
 * LIMIT (more than BTZ_TRAIL_LOG_MAX; an entry too large), those of the store. After an error some may be in the
 * ledger: ask btz_trail_logged before trying again. `between` is called before each entry is made, and may sleep. */
BTZ_CHECKED enum btz_err btz_trail_log(struct btz_trail *t, struct btz_store *s,
                                       const struct btz_trail_call *calls, size_t count,
                                       void (*between)(void *user, size_t i), void *user);
/* Those in the ledger from index `from` on, in their order; `size` (may be NULL): of the ledger. */
typedef void btz_trail_logged_fn(void *user, unsigned writer, uint64_t epoch, uint64_t sequence);
BTZ_CHECKED enum btz_err btz_trail_logged(struct btz_trail *t, uint64_t from,
                                          btz_trail_logged_fn *each, void *user, uint64_t *size);
/* The ledger's size after the last btz_trail_log or btz_trail_logged. */
uint64_t btz_trail_log_size(const struct btz_trail *t);
/* Evidence of an entry that was sealed under the key of its month. Errors: INPUT (none, or deleted). */
BTZ_CHECKED enum btz_err btz_trail_bodies(struct btz_trail *t, struct btz_store *s, const char *id,
                                          struct btz_buf *out);

/* How many entries of this ledger's outbox are not in it yet. */
BTZ_CHECKED enum btz_err btz_trail_waiting(struct btz_trail *t, struct btz_store *s,
                                           uint64_t *count);
const char *btz_trail_ledger_dir(const struct btz_trail *t);
bool btz_trail_has_auditor(const struct btz_trail *t);

/* ---- reading: every leaf is proven against the signed checkpoint before it is shown ------------------------------ */
struct btz_trail_filter { /* NULL and 0: any */
    /* principal: id or name; resource and action: a "*" at the end stands for anything; address: one, or a network
     * such as "10.0.0.0/8"; the others: equal. Of entries whose content is deleted only what the leaf says in clear
     * can match. */
    const char *principal, *resource, *action, *verdict, *address, *event, *key, *session,
        *operation, *request;
    uint64_t from_ms, until_ms; /* [from, until) */
    uint64_t from_index,
        until_index; /* ledger indices [from, until); 0: from the start, to the end */
    bool newest_first;
    size_t limit;
    uint64_t
        look_at; /* at most that many ledger entries, 0: all: a page of a rare thing does not read everything */
};
struct btz_trail_record { /* borrowed while the call lasts */
    uint64_t index;       /* in the ledger */
    const json_t
        *entry; /* leaf and opened content in one object; content that retention deleted is absent
                                     * and "content" is "deleted" */
};
typedef enum btz_err btz_trail_fn(void *user, const struct btz_trail_record *r);
/* `read_to` (may be NULL): where a next page begins: its from_index, or its until_index when newest first. All was read
 * when it is the ledger's size, or not above from_index when newest first. An entry that has not the trail's form is
 * shown as an alarm. Errors: INPUT (a leaf that cannot be proven), USAGE (address), each's. */
BTZ_CHECKED enum btz_err btz_trail_read(struct btz_trail *t, struct btz_store *s,
                                        const struct btz_trail_filter *f, btz_trail_fn *each,
                                        void *user, uint64_t *read_to);

/* ---- retention --------------------------------------------------------------------------------------------------- */

struct btz_trail_retained {
    uint64_t months, evidence,
        entries;   /* keys and pieces deleted, entries whose content they held */
    char until[8]; /* the last month deleted, "2026-08"; "" none */
};
/* Months that ended before `before_ms`, never the current one. First, in no transaction: counts, and unless `dry_run`
 * deletes their evidence. */
BTZ_CHECKED enum btz_err btz_trail_retain(struct btz_trail *t, struct btz_store *s,
                                          uint64_t before_ms, bool dry_run,
                                          struct btz_trail_retained *out);
/* Then, in the transaction of the entry that says so: deletes their keys. What a killed run left, the next one does. */
BTZ_CHECKED enum btz_err btz_trail_retain_keys(struct btz_trail *t, struct btz_store *s,
                                               uint64_t before_ms);
/* Somebody answers for a ledger that was put back to an older state: entries are added again. `lost` is how many are
 * missing, 0: nothing is wrong. In the caller's transaction, which adds an alarm to the trail. */
BTZ_CHECKED enum btz_err btz_trail_accept_loss(struct btz_trail *t, struct btz_store *s,
                                               uint64_t *lost);

/* ---- evidence ---------------------------------------------------------------------------------------------------- */

/* The sealed evidence of an entry as it lies in the ledger. Errors: INPUT (no such entry, none of it, deleted). */
BTZ_CHECKED enum btz_err btz_trail_secret(struct btz_trail *t, struct btz_store *s, const char *id,
                                          struct btz_buf *sealed);
/* A key pair of an auditor: base64 of X25519 keys. */
#define BTZ_AUDITOR_KEY_TEXT 45
void btz_auditor_key_new(char secret[BTZ_AUDITOR_KEY_TEXT], char shared[BTZ_AUDITOR_KEY_TEXT]);
BTZ_CHECKED enum btz_err btz_auditor_key_parse(struct btz_slice text, uint8_t out[32]);
/* Opens with the private key. Errors: DENIED (sealed to another key, or damaged). */
BTZ_CHECKED enum btz_err btz_auditor_open(const uint8_t secret[32], struct btz_slice sealed,
                                          struct btz_buf *out);

#endif
