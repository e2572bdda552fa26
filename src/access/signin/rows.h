/*
 * rows: what the files of this folder share. Tables: credentials, totp, recovery, sessions, tickets, throttle,
 * signin_clock. All functions run inside the transaction of the store they are given.
 */
#ifndef BTZ_SIGNIN_ROWS_H
#define BTZ_SIGNIN_ROWS_H

#include "access/signin.h"

#define USER_AGENT_MAX  256
#define SESSIONS_MAX    50 /* of one person; the oldest end */
#define TICKET_TRIES    5  /* wrong codes with one ticket */
#define TOTP_SECRET     20
#define TOTP_CONFIRM_MS 900000
#define FIRST_FACTOR_MS                                                                            \
    900000 /* a sign-in is young enough for a first factor for that long at least */
#define CLOCK_SLACK_MS BTZ_CLOCK_SLACK_MS

extern const struct btz_schema btz_signin_schemas[]; /* schemas.c */

/* ---- people (accounts.c) ---- */
struct btz_account { /* of a user; id NULL: there is none */
    const char *id, *name, *display_name, *email;
    const char *hash; /* of the password; NULL: none */
    bool active;
};
BTZ_CHECKED enum btz_err btz_account_by_name(struct btz_call *c, const char *name,
                                             struct btz_account *out);
BTZ_CHECKED enum btz_err btz_account_by_id(struct btz_call *c, const char *id,
                                           struct btz_account *out);
BTZ_CHECKED enum btz_err btz_password_store(struct btz_call *c, const char *principal,
                                            const char *hash);
/* Must this person have a second factor: by the settings, or because of what he may do? */
BTZ_CHECKED enum btz_err btz_must_have_factor(struct btz_call *c, const char *principal, bool *out);
/* Sets the error of every sign-in that failed, whatever the reason was. */
enum btz_err btz_wrong_credentials(void);

/* ---- back-off (throttle.c) ---- */
enum btz_throttle { BTZ_THROTTLE_ACCOUNT, BTZ_THROTTLE_FACTOR, BTZ_THROTTLE_ADDRESS };
/* LIMIT: too early. `who`: name of the account, id of the principal; of the address it is not asked for. */
BTZ_CHECKED enum btz_err btz_throttle_check(struct btz_call *c, enum btz_throttle kind,
                                            const char *who);
/* One failure more, or one less that turned out not to be any. */
BTZ_CHECKED enum btz_err btz_throttle_add(struct btz_call *c, enum btz_throttle kind,
                                          const char *who);
BTZ_CHECKED enum btz_err btz_throttle_undo(struct btz_call *c, enum btz_throttle kind,
                                           const char *who);
BTZ_CHECKED enum btz_err btz_throttle_clear(struct btz_store *s, enum btz_throttle kind,
                                            const char *who);
/* Counters that say nothing any more. */
BTZ_CHECKED enum btz_err btz_throttle_tidy(struct btz_store *s, uint64_t now_ms);

/* ---- time (clock.c) ---- */
/* Would btz_signin_clock() have something to do? */
BTZ_CHECKED enum btz_err btz_signin_clock_due(struct btz_store *s, uint64_t now_ms, bool *out);

/* ---- tickets (tickets.c) ---- */
/* A wrong code was shown with it: after some it is used up. */
BTZ_CHECKED enum btz_err btz_ticket_failed(struct btz_call *c, const char *token);

/* ---- sessions (sessions.c) ---- */
BTZ_CHECKED enum btz_err btz_session_new(struct btz_call *c, const struct btz_account *who,
                                         const char *method, bool second_factor, bool enrolling);
/* A new token for the caller's session. `method` NULL: stays; second factor and enrolling as given. */
BTZ_CHECKED enum btz_err btz_session_renew(struct btz_call *c, const char *method,
                                           uint64_t second_factor_ms, bool enrolling);

/* ---- one-time codes (totp.c) ---- */
/* Right: moves the last step. DENIED: wrong, replayed, none there. LIMIT: too many wrong ones lately. Failures count
 * (the caller sets c->keep). */
BTZ_CHECKED enum btz_err btz_totp_try(struct btz_call *c, const char *principal, const char *code,
                                      bool confirmed);

/* ---- small things ---- */
const char *btz_row_text(struct btz_call *c, const struct btz_value *v); /* NULL stays NULL */
BTZ_CHECKED enum btz_err btz_set(json_t *object, const char *key, json_t *value); /* takes value */
BTZ_CHECKED enum btz_err btz_set_text(json_t *object, const char *key, const char *text);
BTZ_CHECKED enum btz_err btz_set_time(json_t *object, const char *key, uint64_t ms); /* 0: null */
/* A new object in c->out. */
BTZ_CHECKED enum btz_err btz_out(struct btz_call *c);

#endif
