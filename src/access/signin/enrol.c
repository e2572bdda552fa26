/* Enrolment: a link that works once lets its owner set a password. */
#include "access/signin/rows.h"

#define ENROL BTZ_TICKET_ENROL

static enum btz_err drop_links(struct btz_call *c, const char *principal)
{
    const struct btz_value values[] = { btz_value_str(principal), btz_value_str(ENROL) };

    return btz_store_run(
        c->store, "UPDATE tickets SET used = 1 WHERE principal = ? AND kind = ? AND used = 0",
        values, 2, NULL);
}

/* The token stands behind "#": browsers do not send it to servers or to other sites. */
enum btz_err btz_enrolment_new(struct btz_call *c, const char *principal, json_t *out)
{
    const struct btz_access_conf *conf = btz_access_settings(c->access);
    char token[BTZ_TOKEN_TEXT];
    const char *link;

    BTZ_TRY(drop_links(c, principal));
    BTZ_TRY(btz_call_touched(c, principal));
    BTZ_TRY(btz_ticket_new(c, ENROL, principal, NULL, (uint64_t)conf->enrolment_ms, token));
    link = btz_arena_printf(c->arena, "%s/enrol#%s", conf->origin ? conf->origin : "", token);
    if (!link)
        return BTZ_LIMIT;
    BTZ_TRY(btz_set_text(out, "link", link));
    return btz_set_time(out, "expires", c->now_ms + (uint64_t)conf->enrolment_ms);
}

static enum btz_err find_invited(struct btz_call *c, struct btz_account *out, uint64_t *expires_ms)
{
    struct btz_ticket ticket;

    BTZ_TRY(btz_ticket_peek(c, ENROL, btz_call_text(c, "token"), &ticket));
    BTZ_TRY(btz_account_by_id(c, ticket.principal, out));
    c->note.principal = ticket.principal;
    c->note.name = out->name;
    if (expires_ms)
        *expires_ms = ticket.expires_ms;
    if (!out->id || !out->active)
        return btz_fail(BTZ_DENIED, "this step was used already or took too long; start again");
    return BTZ_OK;
}

/* ---- looking at a link ---- */

static enum btz_err check_run(struct btz_call *c)
{
    struct btz_account who;
    uint64_t expires_ms;

    BTZ_TRY(find_invited(c, &who, &expires_ms));
    c->note.reason = "the enrolment link was opened";
    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set_text(c->out, "name", who.name));
    BTZ_TRY(btz_set_text(c->out, "display_name", who.display_name));
    return btz_set_time(c->out, "expires", expires_ms);
}

static const struct btz_field check_fields[] = {
    { .name = "token",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 64,
      .help = "What stands behind `#` in the link." },
};
const struct btz_operation btz_operation_enrol_check = {
    .id = "enrol.check",
    .method = "POST",
    .path = "/v1/enrol/check",
    .summary = "See for whom an enrolment link is",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = check_fields,
    .field_count = BTZ_COUNT(check_fields),
    .result = "enrolment",
    .event = "sign-in",
    .run = check_run,
};

/* ---- using it ---- */

static enum btz_err new_hash(struct btz_call *c, const char *field, const char *name, char **out)
{
    struct btz_slice password = btz_str(btz_call_text(c, field));

    *out = btz_arena_alloc(c->arena, BTZ_PASSWORD_HASH_TEXT);
    if (!*out)
        return BTZ_LIMIT;
    BTZ_TRY(btz_password_check(password, name, btz_access_settings(c->access)->breached));
    return btz_password_hash(btz_access_hasher(c->access), password, *out);
}

static enum btz_err enrol_prepare(struct btz_call *c)
{
    struct btz_account who;
    char *hash;
    enum btz_err err = find_invited(c, &who, NULL);

    c->keep = false; /* no transaction is open: what was written is written */
    BTZ_TRY(err);
    BTZ_TRY(new_hash(c, "password", who.name, &hash));
    c->prepared = hash;
    return BTZ_OK;
}

static enum btz_err enrol_run(struct btz_call *c)
{
    struct btz_account who;
    struct btz_ticket ticket;

    BTZ_TRY(find_invited(c, &who, NULL));
    BTZ_TRY(btz_ticket_take(c, ENROL, btz_call_text(c, "token"), &ticket));
    c->keep = false; /* all of it or nothing: the link works until it has worked */
    BTZ_TRY(btz_password_store(c, who.id, c->prepared));
    BTZ_TRY(btz_sessions_end(c->store, who.id, NULL, c->now_ms, NULL));
    /* Whoever has a second factor must show it: the link stands for the password alone. */
    BTZ_TRY(btz_signin_first(c, who.id, "password"));
    c->note.reason = "the enrolment link was used, a password was set";
    return BTZ_OK;
}

static const struct btz_field enrol_fields[] = {
    { .name = "token",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 64,
      .help = "What stands behind `#` in the link." },
    { .name = "password",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = BTZ_PASSWORD_MAX,
      .help = "New password, at least 12 characters." },
};
const struct btz_operation btz_operation_enrol = {
    .id = "enrol",
    .method = "POST",
    .path = "/v1/enrol",
    .summary = "Set a password with an enrolment link and sign in",
    .details = "The link works once. Answers like sign-in.",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = enrol_fields,
    .field_count = BTZ_COUNT(enrol_fields),
    .result = "sign-in",
    .event = "sign-in",
    .prepare = enrol_prepare,
    .run = enrol_run,
};

/* ---- inviting ---- */

static enum btz_err invite_run(struct btz_call *c)
{
    struct btz_principal who;

    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "user"), &who));
    if (who.kind != BTZ_PRINCIPAL_USER)
        return btz_fail(BTZ_CONFLICT, "%s is a service: give it a key", who.name);
    if (who.disabled)
        return btz_fail(BTZ_CONFLICT, "%s is disabled", who.name);
    BTZ_TRY(btz_out(c));
    c->target = btz_arena_printf(c->arena, "user/%s", who.id);
    c->note.reason = "an enrolment link was made";
    return btz_enrolment_new(c, who.id, c->out);
}

static const struct btz_field user_fields[] = {
    { .name = "user",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .max = 127,
      .help = "Name or id.",
      .names = BTZ_NAMES_PRINCIPAL },
};
const struct btz_operation btz_operation_user_invite = {
    .id = "user.invite",
    .method = "POST",
    .path = "/v1/users/{user}/invite",
    .command = "user invite",
    .summary = "Make a link with which a person sets a password",
    .details = "The link works once and for a limited time; older links of the person stop "
               "working. A second factor that the person has stays.",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_fields,
    .field_count = BTZ_COUNT(user_fields),
    .result = "enrolment-link",
    .run = invite_run,
};

/* ---- one's own password ---- */

struct change {
    char *hash;
    const char *before; /* that was verified; NULL: there was none */
};

static enum btz_err count_try(struct btz_call *c, const char *id, bool back)
{
    enum btz_err err;

    BTZ_TRY(btz_store_begin(c->store));
    err = back ? btz_throttle_undo(c, BTZ_THROTTLE_FACTOR, id)
               : btz_throttle_check(c, BTZ_THROTTLE_FACTOR, id);
    if (err == BTZ_OK && !back)
        err = btz_throttle_add(c, BTZ_THROTTLE_FACTOR, id);
    if (err == BTZ_OK)
        err = btz_store_commit(c->store);
    btz_store_rollback(c->store);
    return err;
}

/* Counted first, as in signing in; taken back when it was right, or was not looked at. */
static enum btz_err verify_current(struct btz_call *c, const struct btz_account *me)
{
    struct btz_slice current = btz_str(btz_call_text(c, "current"));
    enum btz_err err;

    BTZ_TRY(count_try(c, me->id, false));
    err = btz_password_verify(btz_access_hasher(c->access), me->hash, current, NULL);
    if (err == BTZ_DENIED) {
        c->note.reason = "wrong current password";
        return btz_fail(BTZ_DENIED, "wrong current password");
    }
    if (err == BTZ_LIMIT) {
        BTZ_TRY(count_try(c, me->id, true));
        return btz_fail(BTZ_LIMIT, "too many passwords are being checked; try again in a moment");
    }
    return err;
}

static enum btz_err password_prepare(struct btz_call *c)
{
    struct change *change = btz_arena_alloc(c->arena, sizeof *change);
    struct btz_account me;

    if (!change)
        return BTZ_LIMIT;
    c->prepared = change;
    BTZ_TRY(btz_account_by_id(c, c->caller->principal, &me));
    if (!me.id)
        return btz_call_not_found(c, "user", c->caller->name);
    if (me.hash)
        BTZ_TRY(verify_current(c, &me));
    else
        BTZ_TRY(btz_factor_may_change(c));
    change->before = me.hash;
    if (me.hash)
        BTZ_TRY(count_try(c, me.id, true));
    return new_hash(c, "new", me.name, &change->hash);
}

/* A key outlives the password that was known when it was made: whoever changes it hears how many go on. */
static enum btz_err tell_keys(struct btz_call *c, const char *principal)
{
    const struct btz_value v[] = { btz_value_str(principal),
                                   btz_value_int((int64_t)(c->now_ms / 1000)) };
    const struct btz_value *row;
    uint64_t revoked = 0;

    if (btz_call_bool(c, "revoke_keys", false)) {
        BTZ_TRY(btz_store_run(c->store,
                              "UPDATE keys SET status = 'revoked' WHERE principal = ? AND status = "
                              "'active' AND (until_s = 0 OR until_s > ?)",
                              v, 2, &revoked));
        c->policy_changed = revoked > 0;
    }
    BTZ_TRY(btz_store_one(c->store,
                          "SELECT COUNT(*) FROM keys WHERE principal = ? AND status = 'active' AND "
                          "(until_s = 0 OR until_s > ?)",
                          v, 2, c->arena, 1, &row));
    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set(c->out, "keys", json_integer(row ? (json_int_t)row[0].i : 0)));
    return btz_set(c->out, "revoked_keys", json_integer((json_int_t)revoked));
}

static enum btz_err password_run(struct btz_call *c)
{
    const struct change *change = c->prepared;
    struct btz_account me;

    BTZ_TRY(btz_account_by_id(c, c->caller->principal, &me));
    if (!me.id || strcmp(me.hash ? me.hash : "", change->before ? change->before : "") != 0)
        return btz_fail(BTZ_CONFLICT, "the password was changed meanwhile");
    BTZ_TRY(btz_password_store(c, me.id, change->hash));
    BTZ_TRY(btz_sessions_end(c->store, me.id, c->caller->session, c->now_ms, NULL));
    c->note.reason = "the password was changed";
    BTZ_TRY(tell_keys(c, me.id));
    return btz_session_renew(c, NULL, c->caller->second_factor_ms, c->caller->enrolling);
}

static const struct btz_field password_fields[] = {
    { .name = "current",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .max = BTZ_PASSWORD_MAX,
      .help = "Current password, when there is one." },
    { .name = "new",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = BTZ_PASSWORD_MAX,
      .help = "New password, at least 12 characters." },
    { .name = "revoke_keys",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_BODY,
      .help = "Revoke all keys of this person too." },
};
const struct btz_operation btz_operation_me_password = {
    .id = "me.password",
    .method = "POST",
    .path = "/v1/me/password",
    .summary = "Change one's password",
    .details = "Ends all other sessions of this person. Keys go on unless `revoke_keys` says "
               "otherwise; the answer tells how many. A first password needs a fresh second "
               "factor, or, where there is none, a sign-in as fresh.",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .fields = password_fields,
    .field_count = BTZ_COUNT(password_fields),
    .result = "password-changed",
    .prepare = password_prepare,
    .run = password_run,
};
