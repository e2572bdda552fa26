/* What the operations of this folder share. */
#ifndef BTZ_FEDERATION_ROWS_H
#define BTZ_FEDERATION_ROWS_H

#include "access/signin.h"
#include "access/webauthn.h"

#define BTZ_PASSKEYS_MAX 20 /* of one person */

extern const struct btz_schema btz_federation_schemas[]; /* schemas.c */

/* ---- values and answers (rows.c) ---- */
const char *btz_fed_text(struct btz_call *c, const struct btz_value *v); /* NULL stays NULL */
BTZ_CHECKED enum btz_err btz_fed_set(json_t *object, const char *key, json_t *value); /* takes it */
BTZ_CHECKED enum btz_err btz_fed_set_text(json_t *object, const char *key, const char *text);
BTZ_CHECKED enum btz_err btz_fed_set_time(json_t *object, const char *key,
                                          uint64_t ms); /* 0: null */
/* {"items":[...],"next":null} in c->out from an array, which is taken. */
BTZ_CHECKED enum btz_err btz_fed_list(struct btz_call *c, json_t *items);
/* May the caller give somebody a way in? People by user.write on them, services by key.write, and those who have
 * administrative roles by whoever may give these. */
BTZ_CHECKED enum btz_err btz_fed_may_prove(struct btz_call *c, const struct btz_principal *p);
/* A person or service for a caller of another kind than session: its state is judged by the pipeline. */
BTZ_CHECKED enum btz_err btz_fed_caller(struct btz_store *s, struct btz_arena *arena,
                                        const char *principal, struct btz_caller *io, bool *active);

/* ---- passkeys (passkeys.c) ---- */
struct btz_passkey {
    const char *id, *principal, *name;
    struct btz_webauthn_key key;
};
struct btz_site { /* strings in the arena */
    struct btz_webauthn_rp rp;
    const char *origins[2];
    char id[256];
};
BTZ_CHECKED enum btz_err btz_passkey_site(struct btz_call *c, bool user_verification,
                                          struct btz_site *out);
/* id NULL: nobody has it. */
BTZ_CHECKED enum btz_err btz_passkey_find(struct btz_call *c, struct btz_slice credential_id,
                                          struct btz_passkey *out);
/* Ids of the credentials of a principal, in the arena. */
BTZ_CHECKED enum btz_err btz_passkey_ids(struct btz_call *c, const char *principal,
                                         struct btz_slice ids[BTZ_PASSKEYS_MAX], size_t *count);
/* A ticket of `kind` with a new challenge in it; `more` (may be NULL): the method of the first factor. Sets c->out. */
BTZ_CHECKED enum btz_err btz_passkey_challenge(struct btz_call *c, const char *kind,
                                               const char *principal, const char *more,
                                               uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE]);
BTZ_CHECKED enum btz_err btz_passkey_ticket(struct btz_call *c, const char *kind,
                                            struct btz_ticket *ticket,
                                            uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE],
                                            const char **more);
/* DENIED with one text for every reason; the reason goes into the trail. */
enum btz_err btz_passkey_refuse(struct btz_call *c, const char *reason);

#endif
