/*
 * forward: the audit trail, entry by entry, to a syslog receiver over TCP or TLS, at least once. Syslog has no
 * receipts, so the position moves only when the receiver's system has acknowledged the bytes and the connection has
 * stood for a while after, or when the receiver has closed it in good order at the end; what is in between is sent
 * again. Position: <folder>/forward-<hash of the address>, replaced as a whole.
 */
#ifndef BTZ_WATCH_FORWARD_H
#define BTZ_WATCH_FORWARD_H

#include "access/access.h"
#include "access/export.h"

/* Where entries come from. Called from the forwarder's thread. */
struct btz_forward_source {
    /* Those from a ledger index on, a bounded number; *next: where to go on, equal to `from` when there is none. */
    enum btz_err (*read)(void *user, uint64_t from, btz_trail_fn *each, void *each_user,
                         uint64_t *next);
    void *user;
};
struct btz_forwarder_options {
    const struct btz_forward_conf *conf;
    const char *folder;
    const char *host, *origin; /* of messages and of the ledger */
    struct btz_forward_source source;
    struct btz_log *log;
    unsigned settle_ms, poll_ms, back_off_ms, back_off_max_ms; /* 0: 5 s, 1 s, 500 ms, 60 s */
};
struct btz_forwarder_state {
    uint64_t sent, confirmed; /* every entry below was sent, was confirmed */
    uint64_t connections, failures;
    bool connected;
};

struct btz_forwarder;
/* What the options point to outlives it. Errors: USAGE (address, certificates), INPUT (position file damaged). */
BTZ_CHECKED enum btz_err btz_forwarder_start(const struct btz_forwarder_options *o,
                                             struct btz_forwarder **out);
void btz_forwarder_state(struct btz_forwarder *f, struct btz_forwarder_state *out);
/* Waits up to 3 s for the receiver to take what is on its way. */
void btz_forwarder_stop(struct btz_forwarder *f);

/* All receivers of `access.forward`; *out NULL when there are none. */
struct btz_forwarders;
BTZ_CHECKED enum btz_err btz_forwarders_start(struct btz_access *a, const char *state_dir,
                                              struct btz_log *log, struct btz_forwarders **out);
void btz_forwarders_stop(struct btz_forwarders *f);

#endif
