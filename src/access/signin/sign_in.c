/* Operations: sign-in with a password, then a one-time or recovery code. */
#include "access/signin/rows.h"

/* What prepare() found out. Nothing of it is told before run() has written that it was tried. */
struct attempt {
    const char *principal; /* NULL: nobody has that name */
    const char *hash;      /* that was verified */
    const char *fresh;     /* with today's parameters, when it was stale */
    char *name;            /* as typed, lower case */
    bool right;
};

static char *lower_name(struct btz_call *c)
{
    char *name = btz_arena_str(c->arena, btz_str(btz_call_text(c, "user")));

    for (char *p = name; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 'a' - 'A');
    return name;
}

/* Counts the attempt before its cost is paid: a thousand at a time are not a thousand guesses. */
static enum btz_err reserve(struct btz_call *c, struct attempt *t, bool by_account)
{
    struct btz_account who;

    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    BTZ_TRY(btz_throttle_check(c, BTZ_THROTTLE_ADDRESS, NULL));
    if (by_account)
        BTZ_TRY(btz_throttle_check(c, BTZ_THROTTLE_ACCOUNT, t->name));
    BTZ_TRY(btz_throttle_add(c, BTZ_THROTTLE_ADDRESS, NULL));
    if (by_account)
        BTZ_TRY(btz_throttle_add(c, BTZ_THROTTLE_ACCOUNT, t->name));
    BTZ_TRY(btz_account_by_name(c, t->name, &who));
    t->principal = who.id;
    t->hash = who.id && who.active ? who.hash : NULL;
    return BTZ_OK;
}

static enum btz_err give_back(struct btz_call *c, const struct attempt *t, bool by_account)
{
    BTZ_TRY(btz_throttle_undo(c, BTZ_THROTTLE_ADDRESS, NULL));
    return by_account ? btz_throttle_undo(c, BTZ_THROTTLE_ACCOUNT, t->name) : BTZ_OK;
}

static enum btz_err in_own(struct btz_call *c, struct attempt *t, bool by_account, bool back)
{
    enum btz_err err;

    BTZ_TRY(btz_store_begin(c->store));
    err = back ? give_back(c, t, by_account) : reserve(c, t, by_account);
    if (err == BTZ_OK)
        err = btz_store_commit(c->store);
    btz_store_rollback(c->store);
    return err;
}

static enum btz_err verify(struct btz_call *c, struct attempt *t, bool by_account)
{
    struct btz_hasher *h = btz_access_hasher(c->access);
    struct btz_slice password = btz_str(btz_call_text(c, "password"));
    bool stale = false;
    enum btz_err err = btz_password_verify(h, t->hash, password, &stale);

    if (err == BTZ_INPUT) /* a damaged row opens nothing and costs the same */
        err = btz_password_verify(h, NULL, password, &stale);
    if (err == BTZ_LIMIT) { /* nothing was guessed */
        BTZ_TRY(in_own(c, t, by_account, true));
        return btz_fail(BTZ_LIMIT, "too many people are signing in; try again in a moment");
    }
    if (err != BTZ_OK && err != BTZ_DENIED)
        return err;
    t->right = err == BTZ_OK;
    if (t->right && stale) {
        char *fresh = btz_arena_alloc(c->arena, BTZ_PASSWORD_HASH_TEXT);

        /* When there is no room now it will be done next time. */
        if (fresh && btz_password_hash(h, password, fresh) == BTZ_OK)
            t->fresh = fresh;
    }
    return BTZ_OK;
}

static enum btz_err try_password(struct btz_call *c, bool by_account)
{
    struct attempt *t = btz_arena_alloc(c->arena, sizeof *t);

    if (!t)
        return BTZ_LIMIT;
    c->prepared = t;
    t->name = lower_name(c);
    if (!t->name)
        return BTZ_LIMIT;
    BTZ_TRY(in_own(c, t, by_account, false));
    return verify(c, t, by_account);
}

/* Is what prepare() verified still what is stored? */
static enum btz_err still_right(struct btz_call *c, const struct attempt *t)
{
    struct btz_account who;

    c->note.principal = t->principal;
    c->note.name = t->name;
    if (t->right) {
        BTZ_TRY(btz_account_by_id(c, t->principal, &who));
        if (who.id && who.active && who.hash && strcmp(who.hash, t->hash) == 0)
            return BTZ_OK;
    }
    c->keep = true;
    c->note.method = "password";
    c->note.reason = "wrong name or password";
    return btz_wrong_credentials();
}

static enum btz_err sign_in_prepare(struct btz_call *c)
{
    return try_password(c, true);
}

static enum btz_err sign_in_run(struct btz_call *c)
{
    struct attempt *t = c->prepared;

    BTZ_TRY(still_right(c, t));
    if (t->fresh)
        BTZ_TRY(btz_password_store(c, t->principal, t->fresh));
    BTZ_TRY(give_back(c, t, true));
    return btz_signin_first(c, t->principal, "password");
}

static const struct btz_field sign_in_fields[] = {
    { .name = "user",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 127,
      .help = "Name." },
    { .name = "password",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = BTZ_PASSWORD_MAX,
      .help = "Password." },
};
const struct btz_operation btz_operation_sign_in = {
    .id = "sign-in",
    .method = "POST",
    .path = "/v1/sign-in",
    .summary = "Sign in with a password",
    .details = "Answers `signed-in`; or `second-factor` with a ticket and the methods that it can "
               "be used with; or `enrol`: signed in, but only to add a second factor. Failed "
               "attempts slow down the next ones.",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = sign_in_fields,
    .field_count = BTZ_COUNT(sign_in_fields),
    .result = "sign-in",
    .event = "sign-in",
    .prepare = sign_in_prepare,
    .run = sign_in_run,
};

/* ---- one-time code ---- */

static enum btz_err refuse(struct btz_call *c, const char *reason)
{
    c->keep = true;
    c->note.reason = reason;
    return btz_fail(BTZ_DENIED, "wrong code");
}

/* "password" and "totp" give "password+totp". */
static const char *joined(struct btz_call *c, const char *first, const char *second)
{
    return btz_arena_printf(c->arena, "%.40s+%s", first ? first : "password", second);
}

static enum btz_err finish(struct btz_call *c, const char *token, const char *second)
{
    struct btz_ticket ticket;
    const char *method;

    BTZ_TRY(btz_ticket_take(c, BTZ_TICKET_SECOND, token, &ticket));
    c->keep = false;
    method = joined(c, ticket.data, second);
    return method ? btz_signin_done(c, ticket.principal, method, true) : BTZ_LIMIT;
}

static enum btz_err totp_run(struct btz_call *c)
{
    const char *token = btz_call_text(c, "ticket");
    struct btz_ticket ticket;
    enum btz_err err;

    BTZ_TRY(btz_throttle_check(c, BTZ_THROTTLE_ADDRESS, NULL));
    BTZ_TRY(btz_ticket_peek(c, BTZ_TICKET_SECOND, token, &ticket));
    c->note.principal = ticket.principal;
    c->note.method = joined(c, ticket.data, "totp");
    err = btz_totp_try(c, ticket.principal, btz_call_text(c, "code"), true);
    if (err == BTZ_DENIED) {
        BTZ_TRY(btz_throttle_add(c, BTZ_THROTTLE_ADDRESS, NULL));
        BTZ_TRY(btz_ticket_failed(c, token));
        return refuse(c, "wrong one-time code");
    }
    BTZ_TRY(err);
    return finish(c, token, "totp");
}

static const struct btz_field totp_fields[] = {
    { .name = "ticket",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 64,
      .help = "Ticket of the first step." },
    { .name = "code",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 16,
      .help = "Six digits of the authenticator app." },
};
const struct btz_operation btz_operation_sign_in_totp = {
    .id = "sign-in.totp",
    .method = "POST",
    .path = "/v1/sign-in/totp",
    .summary = "Finish signing in with a code of an authenticator app",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = totp_fields,
    .field_count = BTZ_COUNT(totp_fields),
    .result = "sign-in",
    .event = "sign-in",
    .run = totp_run,
};

/* ---- recovery code ---- */

/* With name and password instead of a ticket the account's back-off is not asked: 50 random bits cannot be guessed, so
 * whoever holds a code gets in however hard others try to keep him out. */
static enum btz_err recovery_prepare(struct btz_call *c)
{
    if (btz_call_has(c, "ticket"))
        return BTZ_OK;
    if (!btz_call_has(c, "user") || !btz_call_has(c, "password"))
        return btz_fail(BTZ_USAGE, "give either `ticket`, or `user` and `password`");
    return try_password(c, false);
}

static enum btz_err use_code(struct btz_call *c, const char *principal)
{
    uint8_t pepper[32], hash[BTZ_SHA256_LEN];
    struct btz_value values[3];
    uint64_t changed;
    enum btz_err err;

    btz_seal_derive(btz_access_seal(c->access), "recovery", pepper);
    err = btz_recovery_hash(btz_str(btz_call_text(c, "code")), pepper, hash);
    btz_wipe(pepper, sizeof pepper);
    if (err == BTZ_INPUT)
        return btz_fail(BTZ_DENIED, "wrong code");
    BTZ_TRY(err);
    values[0] = btz_value_int((int64_t)c->now_ms);
    values[1] = btz_value_str(principal);
    values[2] = btz_value_blob(hash, sizeof hash);
    BTZ_TRY(btz_store_run(c->store,
                          "UPDATE recovery SET used_ms = ? WHERE principal = ? AND hash = ? AND "
                          "used_ms = 0",
                          values, 3, &changed));
    return changed == 1 ? BTZ_OK : btz_fail(BTZ_DENIED, "wrong code");
}

static enum btz_err recovery_by_password(struct btz_call *c)
{
    struct attempt *t = c->prepared;
    enum btz_err err;

    /* One refusal for a wrong name, password or code: this is no place to try passwords. */
    BTZ_TRY(still_right(c, t));
    err = use_code(c, t->principal);
    if (err == BTZ_DENIED) {
        c->keep = true;
        c->note.reason = "wrong recovery code";
        return btz_wrong_credentials();
    }
    BTZ_TRY(err);
    BTZ_TRY(give_back(c, t, false));
    c->note.reason = "with a recovery code";
    return btz_signin_done(c, t->principal, "password+recovery", true);
}

static enum btz_err recovery_run(struct btz_call *c)
{
    const char *token = btz_call_text(c, "ticket");
    struct btz_ticket ticket;
    enum btz_err err;

    if (!token)
        return recovery_by_password(c);
    BTZ_TRY(btz_throttle_check(c, BTZ_THROTTLE_ADDRESS, NULL));
    BTZ_TRY(btz_ticket_peek(c, BTZ_TICKET_SECOND, token, &ticket));
    c->note.principal = ticket.principal;
    c->note.method = joined(c, ticket.data, "recovery");
    err = use_code(c, ticket.principal);
    if (err == BTZ_DENIED) {
        BTZ_TRY(btz_throttle_add(c, BTZ_THROTTLE_ADDRESS, NULL));
        BTZ_TRY(btz_ticket_failed(c, token));
        return refuse(c, "wrong recovery code");
    }
    BTZ_TRY(err);
    c->note.reason = "with a recovery code";
    return finish(c, token, "recovery");
}

static const struct btz_field recovery_fields[] = {
    { .name = "ticket",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .max = 64,
      .help = "Ticket of the first step." },
    { .name = "user",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .max = 127,
      .help = "Name, without a ticket." },
    { .name = "password",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .max = BTZ_PASSWORD_MAX,
      .help = "Password, without a ticket." },
    { .name = "code",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 64,
      .help = "One of the recovery codes; it works once." },
};
const struct btz_operation btz_operation_sign_in_recovery = {
    .id = "sign-in.recovery",
    .method = "POST",
    .path = "/v1/sign-in/recovery",
    .summary = "Finish signing in with a recovery code",
    .details = "With a ticket; or with name and password, which also works while others make the "
               "account's sign-in wait by guessing.",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = recovery_fields,
    .field_count = BTZ_COUNT(recovery_fields),
    .result = "sign-in",
    .event = "sign-in",
    .prepare = recovery_prepare,
    .run = recovery_run,
};

/* ---- sign-out ---- */

static enum btz_err sign_out_run(struct btz_call *c)
{
    const struct btz_value values[] = { btz_value_int((int64_t)c->now_ms),
                                        btz_value_str(c->caller->session) };

    c->end_session = true;
    return btz_store_run(c->store, "UPDATE sessions SET ended_ms = ? WHERE id = ? AND ended_ms = 0",
                         values, 2, NULL);
}

const struct btz_operation btz_operation_sign_out = {
    .id = "sign-out",
    .method = "POST",
    .path = "/v1/sign-out",
    .summary = "End this session",
    .tag = "sign-in",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .event = "sign-out",
    .run = sign_out_run,
};
