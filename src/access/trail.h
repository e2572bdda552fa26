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
 * retention. All but event and verdict may be NULL. */
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
/* Thread-safe handle. Completes what is in the outbox. */
BTZ_CHECKED enum btz_err btz_trail_open(const struct btz_trail_options *o, struct btz_store *s,
                                        struct btz_trail **out);
void btz_trail_close(struct btz_trail *t);

/* Inside the transaction of `s`; `id` (may be NULL) is the entry's. */
BTZ_CHECKED enum btz_err btz_trail_add(struct btz_trail *t, struct btz_store *s,
                                       const struct btz_trail_entry *e, char id[BTZ_ID_TEXT]);
/* After the commit: everything in the outbox is in the ledger, durably, on OK. Exactly once, also across crashes and
 * several processes. */
BTZ_CHECKED enum btz_err btz_trail_flush(struct btz_trail *t, struct btz_store *s);

/* ---- reading: filters, newest last; every leaf is proven against the signed checkpoint before it is shown ---------- */
struct btz_trail_filter { /* NULL and 0: any */
    const char *principal, *resource, *action, *verdict, *address, *event, *key, *session,
        *operation;
    uint64_t from_ms, until_ms; /* [from, until) */
    uint64_t
        after_index; /* paging: entries with a higher ledger index; UINT64_MAX: from the start */
    size_t limit;    /* 0: all */
};
struct btz_trail_record { /* borrowed while the call lasts */
    uint64_t index;       /* in the ledger */
    const json_t
        *entry; /* leaf and opened content in one object; content that retention deleted is absent
                                     * and "content" is "deleted" */
};
typedef enum btz_err btz_trail_fn(void *user, const struct btz_trail_record *r);
BTZ_CHECKED enum btz_err btz_trail_read(struct btz_trail *t, struct btz_store *s,
                                        const struct btz_trail_filter *f, btz_trail_fn *each,
                                        void *user);

#endif
