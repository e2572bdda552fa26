/*
 * signin: how a person becomes a session. First factors (password, passkey, an issuer), second factors, tickets between
 * the steps, sessions, step-up. Passkeys and issuers (federation) take part through this header; the directory ends
 * sessions through it.
 *
 *   first factor right -> btz_signin_first() -> signed in | a ticket for the second factor | a session that may only enrol
 *   second factor right, or one that is both -> btz_signin_done() -> signed in
 *
 * Everything here is called inside run() of an operation that is not a GET, and so belongs to its transaction.
 */
#ifndef BTZ_ACCESS_SIGNIN_H
#define BTZ_ACCESS_SIGNIN_H

#include "access/access.h"

/* ---- second factors: "passkey" in the list `factors` of meson.build is btz_factor_passkey --------------------------- */
struct btz_factor {
    const char *name; /* in "methods" of answers, and behind "+" in the method of sessions */
    bool enrols;      /* having it is having a second factor (recovery codes alone are none) */
    enum btz_err (*has)(struct btz_store *s, const char *principal, bool *out);
    /* Takes all of them away: reset of an administrator. */
    enum btz_err (*reset)(struct btz_store *s, const char *principal);
};
extern const struct btz_factor *const btz_factors[]; /* NULL-terminated */
/* Has the principal a second factor of any kind that enrols? */
BTZ_CHECKED enum btz_err btz_has_second_factor(struct btz_store *s, const char *principal,
                                               bool *out);

/* ---- tickets: what is remembered between two requests of one sign-in. 256 random bits, kept as a hash, used once ---- */
#define BTZ_TICKET_MS   300000 /* life of those between the steps of a sign-in */
#define BTZ_TICKET_DATA 4096
struct btz_ticket {               /* in the call's arena */
    const char *principal, *data; /* NULL when there is none */
    uint64_t expires_ms;
};
/* `kind` keeps the tickets of different purposes apart: "second-factor", "passkey-register", "oidc". `data` is text of
 * the owner (may be NULL). */
BTZ_CHECKED enum btz_err btz_ticket_new(struct btz_call *c, const char *kind, const char *principal,
                                        const char *data, uint64_t life_ms,
                                        char token[BTZ_TOKEN_TEXT]);
/* Uses it up; sets c->keep, so that it is used up too when the call is refused later. DENIED: unknown, expired, used, of
 * another kind. */
BTZ_CHECKED enum btz_err btz_ticket_take(struct btz_call *c, const char *kind, const char *token,
                                         struct btz_ticket *out);
/* The same without using it up: to find out whom it is for before the proof is looked at. */
BTZ_CHECKED enum btz_err btz_ticket_peek(struct btz_call *c, const char *kind, const char *token,
                                         struct btz_ticket *out);
#define BTZ_TICKET_SECOND "second-factor" /* data: method of the first factor, "password" */
#define BTZ_TICKET_ENROL  "enrol"         /* links, kept until they expire */

/* ---- signing in ----------------------------------------------------------------------------------------------------- */

/* A first factor was right. Sets c->out, c->set_session and c->note: {"state":"signed-in"}, {"state":"second-factor",
 * "ticket","methods"} or {"state":"enrol"}. `method` is "password" or "oidc:NAME". DENIED: disabled, deleted, a service. */
BTZ_CHECKED enum btz_err btz_signin_first(struct btz_call *c, const char *principal,
                                          const char *method);
/* Enough was shown: a new session and its cookie. `method` such as "password+totp", "passkey"; `second_factor` true
 * when a second factor was among it. */
BTZ_CHECKED enum btz_err btz_signin_done(struct btz_call *c, const char *principal,
                                         const char *method, bool second_factor);

/* ---- for signed-in people ------------------------------------------------------------------------------------------- */

/* The second factor was shown again: the session's time moves, its token changes, its id stays. */
BTZ_CHECKED enum btz_err btz_step_up_done(struct btz_call *c, const char *factor);
/* May the caller add, change or remove factors? Yes when he has none yet, or has shown one within step_up_ms; otherwise
 * DENIED with c->needs_step_up. A stolen session must not become a stolen account. */
BTZ_CHECKED enum btz_err btz_factor_may_change(struct btz_call *c);
/* A factor was added and shown to work: a session that may only enrol becomes a full one, with a new token. */
BTZ_CHECKED enum btz_err btz_factor_added(struct btz_call *c, const char *factor);
/* A factor was removed: CONFLICT when it was the last one and this person must have one. */
BTZ_CHECKED enum btz_err btz_factor_removed(struct btz_call *c);

/* ---- for the directory ---------------------------------------------------------------------------------------------- */

/* Ends all sessions and unused tickets of a principal but the session `but` (NULL: all). When he is disabled, his
 * password or factors are reset. `ended` may be NULL. */
BTZ_CHECKED enum btz_err btz_sessions_end(struct btz_store *s, const char *principal,
                                          const char *but, uint64_t now_ms, uint64_t *ended);
/* A link for setting a password: {"link","expires"} into `out`. Older links of the principal stop working. */
BTZ_CHECKED enum btz_err btz_enrolment_new(struct btz_call *c, const char *principal, json_t *out);

/* ---- time (clock.c) -------------------------------------------------------------------------------------------------- */

#define BTZ_CLOCK_SLACK_MS 60000 /* clocks of two machines may differ by that */
#define BTZ_CLOCK_STEP_MS                                                                          \
    20000 /* the latest time is kept that exactly: a write each time would cost too much */
/* Notices a clock that was set back and moves what lives by it along: what had ended stays ended, and nobody waits for
 * a time that will not come for long. In a transaction that writes. */
BTZ_CHECKED enum btz_err btz_signin_clock(struct btz_access *a, struct btz_store *s,
                                          uint64_t now_ms);
/* The latest time that was ever written. */
BTZ_CHECKED enum btz_err btz_signin_clock_mark(struct btz_store *s, uint64_t *out);
/* It is not before that. In a transaction that writes. */
BTZ_CHECKED enum btz_err btz_signin_clock_raise(struct btz_store *s, uint64_t at_least);

/* ---- back-off: counters that slow guessing down (throttle.c), pure ------------------------------------------------- */
struct btz_backoff {
    unsigned free;      /* failures without a wait */
    uint64_t forget_ms; /* one failure is forgotten every so often */
};
#define BTZ_BACKOFF_MAX_MS 900000
/* Wait after that many failures: 0 up to `free`, then 1, 2, 4 ... s, at most 15 minutes. */
uint64_t btz_backoff_ms(const struct btz_backoff *b, uint64_t failures);

#endif
