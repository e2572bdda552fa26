/* The authenticator app: setting it up, removing it, stepping up with it. */
#include "access/signin/rows.h"

/* ---- the factor ---- */

static enum btz_err has(struct btz_store *s, const char *principal, bool *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value key[] = { btz_value_str(principal) };
    const struct btz_value *row;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT 1 FROM totp WHERE principal = ? AND confirmed = 1", key, 1,
                          &arena, 1, &row));
    *out = row != NULL;
    return BTZ_OK;
}

static enum btz_err reset(struct btz_store *s, const char *principal)
{
    const struct btz_value key[] = { btz_value_str(principal) };

    return btz_store_run(s, "DELETE FROM totp WHERE principal = ?", key, 1, NULL);
}

const struct btz_factor btz_factor_totp = {
    .name = "totp", .enrols = true, .has = has, .reset = reset
};

/* ---- verifying ---- */

/* The sealed secret belongs to this row: another person's cannot be put here. */
static char *about(struct btz_call *c, const char *principal)
{
    return btz_arena_printf(c->arena, "totp/%s/secret", principal);
}

static enum btz_err check(struct btz_call *c, const char *principal, struct btz_slice sealed,
                          const char *code, uint64_t *last)
{
    BTZ_BUF_RELEASE struct btz_buf secret = BTZ_BUF(256);
    const char *row = about(c, principal);
    enum btz_err err;

    if (!row)
        return BTZ_LIMIT;
    BTZ_TRY(btz_buf_reserve(&secret, 128));
    err = btz_unseal(btz_access_seal(c->access), row, sealed, &secret);
    /* A key that is gone is our fault, not a wrong code. */
    if (err == BTZ_DENIED)
        err = btz_fail_context(BTZ_INTERNAL, "one-time codes of %s", principal);
    if (err == BTZ_OK)
        err = btz_totp_verify(btz_buf_slice(&secret), code, c->now_ms / 1000, last);
    btz_wipe(secret.ptr, secret.cap);
    return err;
}

enum btz_err btz_totp_try(struct btz_call *c, const char *principal, const char *code,
                          bool confirmed)
{
    const struct btz_value key[] = { btz_value_str(principal), btz_value_int(confirmed) };
    const struct btz_value *row;
    struct btz_value values[2];
    uint64_t last;
    enum btz_err err;

    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    BTZ_TRY(btz_throttle_check(c, BTZ_THROTTLE_FACTOR, principal));
    BTZ_TRY(btz_store_one(c->store,
                          "SELECT secret, last_step, created_ms FROM totp WHERE principal = ? AND "
                          "confirmed = ?",
                          key, 2, c->arena, 3, &row));
    if (!row || (!confirmed && c->now_ms > (uint64_t)row[2].i + TOTP_CONFIRM_MS))
        return btz_fail(BTZ_DENIED, "wrong code");
    last = (uint64_t)row[1].i;
    err = check(c, principal, row[0].bytes, code, &last);
    if (err == BTZ_DENIED) {
        BTZ_TRY(btz_throttle_add(c, BTZ_THROTTLE_FACTOR, principal));
        return btz_fail(BTZ_DENIED, "wrong code");
    }
    BTZ_TRY(err);
    values[0] = btz_value_int((int64_t)last);
    values[1] = btz_value_str(principal);
    return btz_store_run(c->store,
                         "UPDATE totp SET last_step = ?, confirmed = 1 WHERE principal = ?", values,
                         2, NULL);
}

/* ---- setting up ---- */

static enum btz_err keep_secret(struct btz_call *c, struct btz_slice secret)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(1024);
    const char *row = about(c, c->caller->principal);
    struct btz_value values[3];

    if (!row)
        return BTZ_LIMIT;
    BTZ_TRY(btz_seal(btz_access_seal(c->access), row, secret, &sealed));
    values[0] = btz_value_str(c->caller->principal);
    values[1] = btz_value_blob(sealed.ptr, sealed.len);
    values[2] = btz_value_int((int64_t)c->now_ms);
    return btz_store_run(c->store,
                         "INSERT INTO totp (principal, secret, last_step, confirmed, created_ms) "
                         "VALUES (?, ?, 0, 0, ?) ON CONFLICT (principal) DO UPDATE SET secret = "
                         "excluded.secret, last_step = 0, confirmed = 0, created_ms = "
                         "excluded.created_ms",
                         values, 3, NULL);
}

static enum btz_err add_text(struct btz_call *c, const char *key, struct btz_buf *text)
{
    const char *chars;

    BTZ_TRY(btz_buf_cstr(text, &chars));
    return btz_set_text(c->out, key, chars);
}

static enum btz_err show_secret(struct btz_call *c, struct btz_slice secret)
{
    const char *issuer = btz_access_settings(c->access)->issuer_name;
    BTZ_BUF_RELEASE struct btz_buf base32 = BTZ_BUF(256), uri = BTZ_BUF(2048),
                                   svg = BTZ_BUF(1u << 20);
    const char *chars;

    BTZ_TRY(btz_base32(secret, &base32));
    BTZ_TRY(btz_totp_uri(secret, issuer && issuer[0] ? issuer : "bartizan", c->caller->name, &uri));
    BTZ_TRY(btz_buf_cstr(&uri, &chars));
    BTZ_TRY(btz_qr_svg(chars, &svg));
    BTZ_TRY(btz_out(c));
    BTZ_TRY(add_text(c, "secret", &base32));
    BTZ_TRY(add_text(c, "uri", &uri));
    BTZ_TRY(add_text(c, "svg", &svg));
    btz_wipe(base32.ptr, base32.cap);
    btz_wipe(uri.ptr, uri.cap);
    btz_wipe(svg.ptr, svg.cap);
    return BTZ_OK;
}

static enum btz_err begin_run(struct btz_call *c)
{
    uint8_t secret[TOTP_SECRET];
    enum btz_err err;
    bool there;

    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(has(c->store, c->caller->principal, &there));
    if (there)
        return btz_fail(BTZ_CONFLICT, "there is an authenticator app already; remove it first");
    btz_random_bytes(secret, sizeof secret);
    err = keep_secret(c, btz_slice_of(secret, sizeof secret));
    if (err == BTZ_OK)
        err = show_secret(c, btz_slice_of(secret, sizeof secret));
    btz_wipe(secret, sizeof secret);
    c->note.reason = "set-up of an authenticator app begun";
    return err;
}

const struct btz_operation btz_operation_me_totp = {
    .id = "me.totp",
    .method = "POST",
    .path = "/v1/me/totp",
    .summary = "Begin to set up an authenticator app",
    .details = "Answers the secret, its address for apps and a QR code. It takes effect with the "
               "first right code, within 15 minutes.",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .result = "totp-setup",
    .run = begin_run,
};

/* ---- a code of one's own ---- */

static enum btz_err try_own(struct btz_call *c, bool confirmed)
{
    enum btz_err err = btz_totp_try(c, c->caller->principal, btz_call_text(c, "code"), confirmed);

    if (err == BTZ_DENIED) {
        c->keep = true;
        c->note.reason = "wrong one-time code";
    }
    return err;
}

static enum btz_err confirm_run(struct btz_call *c)
{
    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(try_own(c, false));
    c->note.reason = "an authenticator app was added";
    BTZ_TRY(btz_factor_added(c, "totp"));
    return BTZ_OK;
}

static const struct btz_field code_fields[] = {
    { .name = "code",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 16,
      .help = "Six digits of the authenticator app." },
};
const struct btz_operation btz_operation_me_totp_confirm = {
    .id = "me.totp.confirm",
    .method = "POST",
    .path = "/v1/me/totp/confirm",
    .summary = "Confirm an authenticator app with its first code",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .fields = code_fields,
    .field_count = BTZ_COUNT(code_fields),
    .run = confirm_run,
};

static enum btz_err remove_run(struct btz_call *c)
{
    bool there;

    BTZ_TRY(btz_factor_may_change(c));
    BTZ_TRY(has(c->store, c->caller->principal, &there));
    if (!there)
        return btz_call_not_found(c, "factor", "authenticator app");
    BTZ_TRY(reset(c->store, c->caller->principal));
    c->note.reason = "the authenticator app was removed";
    return btz_factor_removed(c);
}

const struct btz_operation btz_operation_me_totp_remove = {
    .id = "me.totp.remove",
    .method = "DELETE",
    .path = "/v1/me/totp",
    .summary = "Remove one's authenticator app",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .run = remove_run,
};

static enum btz_err step_up_run(struct btz_call *c)
{
    BTZ_TRY(try_own(c, true));
    return btz_step_up_done(c, "totp");
}

const struct btz_operation btz_operation_step_up_totp = {
    .id = "step-up.totp",
    .method = "POST",
    .path = "/v1/step-up/totp",
    .summary = "Show one's second factor again",
    .details = "Needed for changes by administrators when the last time is too long ago.",
    .tag = "sign-in",
    .needs = BTZ_NEEDS_SESSION,
    .fields = code_fields,
    .field_count = BTZ_COUNT(code_fields),
    .result = "step-up",
    .event = "step-up",
    .run = step_up_run,
};
