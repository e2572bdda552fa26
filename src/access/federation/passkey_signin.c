/* Signing in and stepping up with a passkey. */
#include <openssl/evp.h>

#include "access/federation/rows.h"

#define KIND_SIGN_IN "passkey-sign-in"
#define KIND_STEP_UP "passkey-step-up"
#define FIRST        "first"    /* in the ticket: nothing was shown before */
#define NOBODYS      "nobody's" /* the same, for a name that has no passkey: no passkey fits it */

/* ---- options ---- */

static enum btz_err decoy_bytes(struct btz_call *c, const char *user, size_t number,
                                uint8_t mac[64])
{
    char text[160];
    int n = snprintf(text, sizeof text, "%zu/%.128s", number, user);
    uint8_t key[32];
    size_t len = 0;
    bool ok;

    btz_seal_derive(btz_access_seal(c->access), "passkey-decoy", key);
    ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA512", NULL, key, sizeof key, (const uint8_t *)text,
                   (size_t)n, mac, 64, &len) != NULL;
    btz_wipe(key, sizeof key);
    return ok ? BTZ_OK : btz_fail(BTZ_INTERNAL, "HMAC could not be computed");
}

/*
 * Somebody asks about a name. Whoever is not there, or has no passkey, seems to have some: the same each time, and in
 * number and length as people and authenticators have them, so that looks tell nothing.
 */
static enum btz_err invent(struct btz_call *c, const char *user,
                           struct btz_slice ids[BTZ_PASSKEYS_MAX], size_t *count)
{
    static const uint8_t lengths[] = { 16, 20, 32, 32, 32, 48, 64, 64 },
                         counts[] = { 1, 1, 1, 2, 1, 2, 1, 3 };
    uint8_t mac[64];

    BTZ_TRY(decoy_bytes(c, user, 0, mac));
    *count = counts[mac[0] % BTZ_COUNT(counts)];
    for (size_t i = 0; i < *count; i++) {
        size_t len = lengths[mac[1 + i] % BTZ_COUNT(lengths)];
        uint8_t id[64];

        BTZ_TRY(decoy_bytes(c, user, 1 + i, id));
        BTZ_TRY(btz_arena_copy(c->arena, btz_slice_of(id, len), &ids[i]));
    }
    return BTZ_OK;
}

static const char *lower(struct btz_call *c, const char *text)
{
    char *name = btz_arena_str(c->arena, btz_str(text));

    for (char *p = name; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
    return name;
}

static enum btz_err ids_of_name(struct btz_call *c, const char *given,
                                struct btz_slice ids[BTZ_PASSKEYS_MAX], size_t *count,
                                const char **principal)
{
    const char *name = lower(c, given);
    const struct btz_value key[] = { btz_value_str(name) };
    const struct btz_value *row;

    if (!name)
        return BTZ_LIMIT;
    BTZ_TRY(btz_store_one(c->store, "SELECT id FROM principals WHERE name = ?", key, 1, c->arena, 1,
                          &row));
    *principal = row ? btz_fed_text(c, &row[0]) : NULL;
    if (*principal)
        BTZ_TRY(btz_passkey_ids(c, *principal, ids, count));
    if (*count > 0)
        return BTZ_OK;
    *principal = NULL;
    return invent(c, name, ids, count);
}

static enum btz_err answer_options(struct btz_call *c, const char *kind, const char *principal,
                                   const char *more, bool verified, const struct btz_slice *ids,
                                   size_t count)
{
    uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE];
    struct btz_site site;

    BTZ_TRY(btz_passkey_site(c, verified, &site));
    BTZ_TRY(btz_passkey_challenge(c, kind, principal, more, challenge));
    return btz_fed_set(
        c->out, "public_key",
        btz_webauthn_get_options(&site.rp, btz_slice_of(challenge, sizeof challenge), ids, count));
}

static enum btz_err sign_in_options_run(struct btz_call *c)
{
    const char *token = btz_call_text(c, "ticket"), *user = btz_call_text(c, "user"),
               *principal = NULL;
    struct btz_slice ids[BTZ_PASSKEYS_MAX];
    struct btz_ticket ticket;
    size_t count = 0;

    if (token && user)
        return btz_fail(BTZ_USAGE, "`ticket` and `user`: give one of them, or none");
    if (token) {
        BTZ_TRY(btz_ticket_peek(c, BTZ_TICKET_SECOND, token, &ticket));
        BTZ_TRY(btz_passkey_ids(c, ticket.principal, ids, &count));
        return answer_options(c, KIND_SIGN_IN, ticket.principal, ticket.data, false, ids, count);
    }
    if (user)
        BTZ_TRY(ids_of_name(c, user, ids, &count, &principal));
    return answer_options(c, KIND_SIGN_IN, principal, user && !principal ? NOBODYS : FIRST, true,
                          ids, count);
}

static const struct btz_field options_fields[] = {
    { .name = "ticket",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .help = "Ticket of a first factor: the passkey is the second." },
    { .name = "user",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .max = 127,
      .help = "Name; left out, the authenticator knows whose passkey it is." },
};
const struct btz_operation btz_operation_sign_in_passkey_options = {
    .id = "sign-in.passkey.options",
    .method = "POST",
    .path = "/v1/sign-in/passkey/options",
    .summary = "Begin to sign in with a passkey",
    .details = "The answer's `public_key` goes to navigator.credentials.get().",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = options_fields,
    .field_count = BTZ_COUNT(options_fields),
    .result = "passkey-options",
    .event = "",
    .run = sign_in_options_run,
};

static enum btz_err step_up_options_run(struct btz_call *c)
{
    struct btz_slice ids[BTZ_PASSKEYS_MAX];
    size_t count = 0;

    BTZ_TRY(btz_passkey_ids(c, c->caller->principal, ids, &count));
    if (count == 0)
        return btz_fail(BTZ_CONFLICT, "you have no passkey");
    return answer_options(c, KIND_STEP_UP, c->caller->principal, NULL, false, ids, count);
}

const struct btz_operation btz_operation_step_up_passkey_options = {
    .id = "step-up.passkey.options",
    .method = "POST",
    .path = "/v1/step-up/passkey/options",
    .summary = "Begin to step up with a passkey",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .result = "passkey-options",
    .event = "",
    .run = step_up_options_run,
};

/* ---- assertions ---- */

/* Two authenticators with one key: refused, with an alarm, whatever else is right. */
static enum btz_err cloned(struct btz_call *c, const struct btz_passkey *p)
{
    c->note.event = "alarm";
    c->target = btz_arena_printf(c->arena, "passkey/%s", p->id);
    return btz_passkey_refuse(c, btz_error_detail());
}

static enum btz_err used(struct btz_call *c, const struct btz_passkey *p,
                         const struct btz_webauthn_result *r)
{
    const struct btz_value v[] = { btz_value_int(r->sign_count), btz_value_int(r->backed_up),
                                   btz_value_int((int64_t)c->now_ms), btz_value_str(p->id) };

    c->target = btz_arena_printf(c->arena, "passkey/%s", p->id);
    return btz_store_run(c->store,
                         "UPDATE passkeys SET sign_count = ?, backed_up = ?, used_ms = ? WHERE id "
                         "= ?",
                         v, 4, NULL);
}

/* Steps 5 to 7 of section 7.2: the credential is known, and belongs to whom it is said to. */
static enum btz_err belongs(struct btz_call *c, const struct btz_webauthn_response *r,
                            const char *principal, const struct btz_passkey *p)
{
    if (!p->id)
        return btz_passkey_refuse(c, "nobody has this passkey");
    if (principal && strcmp(principal, p->principal) != 0)
        return btz_passkey_refuse(c, "the passkey of another person");
    if (r->user_handle.len ? !btz_slice_is(r->user_handle, p->principal) : !principal)
        return btz_passkey_refuse(c, "the passkey names another person, or nobody");
    return BTZ_OK;
}

/* Whose passkey it is, when everything is right. `principal` NULL: whoever the passkey names. */
static enum btz_err assertion(struct btz_call *c, const char *principal, bool verified,
                              const uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE],
                              struct btz_passkey *p)
{
    struct btz_webauthn_response response;
    struct btz_webauthn_result result;
    struct btz_site site;
    enum btz_err err;

    c->note.principal = principal;
    BTZ_TRY(btz_passkey_site(c, verified, &site));
    err = btz_webauthn_response_parse(json_object_get(c->in, "credential"), false, c->arena,
                                      &response);
    if (err != BTZ_OK)
        return btz_passkey_refuse(c, btz_error_detail());
    BTZ_TRY(btz_passkey_find(c, response.id, p));
    BTZ_TRY(belongs(c, &response, principal, p));
    c->note.principal = p->principal;
    err = btz_webauthn_assert(&site.rp, btz_slice_of(challenge, BTZ_WEBAUTHN_CHALLENGE), &p->key,
                              &response, &result);
    if (err == BTZ_CONFLICT)
        return cloned(c, p);
    if (err == BTZ_DENIED || err == BTZ_INPUT || err == BTZ_UNSUPPORTED)
        return btz_passkey_refuse(c, btz_error_detail());
    BTZ_TRY(err);
    return used(c, p, &result);
}

static enum btz_err sign_in_run(struct btz_call *c)
{
    uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE];
    struct btz_ticket ticket;
    struct btz_passkey p;
    const char *more, *method = "passkey";
    bool first;

    BTZ_TRY(btz_passkey_ticket(c, KIND_SIGN_IN, &ticket, challenge, &more));
    if (more && strcmp(more, NOBODYS) == 0)
        return btz_passkey_refuse(c, "a name that nobody has, or that has no passkey");
    first = more && strcmp(more, FIRST) == 0;
    BTZ_TRY(assertion(c, ticket.principal, first, challenge, &p));
    if (!first)
        method = btz_arena_printf(c->arena, "%.40s+passkey", more ? more : "password");
    if (!method)
        return BTZ_LIMIT;
    /* A passkey with user verification is two factors: what one has, and what one knows or is. */
    return btz_signin_done(c, p.principal, method, true);
}

#define TICKET                                                                                     \
    {                                                                                              \
        .name = "ticket", .kind = BTZ_FIELD_SECRET, .place = BTZ_IN_BODY, .required = true,        \
        .help = "Ticket of the options."                                                           \
    }
#define CREDENTIAL                                                                                 \
    {                                                                                              \
        .name = "credential", .kind = BTZ_FIELD_OBJECT, .place = BTZ_IN_BODY, .required = true,    \
        .max = 131072,                                                                             \
        .help = "PublicKeyCredential.toJSON() of what navigator.credentials.get() gave."           \
    }
static const struct btz_field assertion_fields[] = { TICKET, CREDENTIAL };

const struct btz_operation btz_operation_sign_in_passkey = {
    .id = "sign-in.passkey",
    .method = "POST",
    .path = "/v1/sign-in/passkey",
    .summary = "Sign in with a passkey",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = assertion_fields,
    .field_count = BTZ_COUNT(assertion_fields),
    .result = "sign-in",
    .event = "sign-in",
    .run = sign_in_run,
};

static enum btz_err step_up_run(struct btz_call *c)
{
    uint8_t challenge[BTZ_WEBAUTHN_CHALLENGE];
    struct btz_ticket ticket;
    struct btz_passkey p;
    const char *more;

    BTZ_TRY(btz_passkey_ticket(c, KIND_STEP_UP, &ticket, challenge, &more));
    if (!ticket.principal || strcmp(ticket.principal, c->caller->principal) != 0)
        return btz_passkey_refuse(c, "the ticket belongs to another person");
    BTZ_TRY(assertion(c, ticket.principal, false, challenge, &p));
    c->keep = false;
    return btz_step_up_done(c, "passkey");
}

const struct btz_operation btz_operation_step_up_passkey = {
    .id = "step-up.passkey",
    .method = "POST",
    .path = "/v1/step-up/passkey",
    .summary = "Step up with a passkey",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .fields = assertion_fields,
    .field_count = BTZ_COUNT(assertion_fields),
    .result = "step-up",
    .event = "step-up",
    .run = step_up_run,
};
