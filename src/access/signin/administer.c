/* Operations of administrators on other people's sign-in: sessions, unlocking, lost factors. */
#include "access/signin/rows.h"

#define PAGE_MAX 500

/* ---- sessions ---- */

static enum btz_err session_item(void *user, const struct btz_value *v, size_t count)
{
    json_t *items = user, *item = json_object();
    (void)count;

    if (!item || json_array_append_new(items, item) != 0)
        return btz_fail(BTZ_LIMIT, "no memory");
    BTZ_TRY(btz_set(item, "id", btz_json_text(v[0].bytes)));
    BTZ_TRY(btz_set(item, "principal", btz_json_text(v[1].bytes)));
    BTZ_TRY(btz_set(item, "name", btz_json_text(v[2].bytes)));
    BTZ_TRY(btz_set(item, "method", btz_json_text(v[3].bytes)));
    BTZ_TRY(btz_set_time(item, "created", (uint64_t)v[4].i));
    BTZ_TRY(btz_set_time(item, "seen", (uint64_t)v[5].i));
    BTZ_TRY(btz_set_time(item, "second_factor", (uint64_t)v[6].i));
    BTZ_TRY(btz_set(item, "address",
                    v[7].kind == BTZ_VALUE_NULL ? json_null() : btz_json_text(v[7].bytes)));
    BTZ_TRY(btz_set(item, "user_agent",
                    v[8].kind == BTZ_VALUE_NULL ? json_null() : btz_json_text(v[8].bytes)));
    return btz_set(item, "enrolling", json_boolean(v[9].i));
}

#define SESSION                                                                                    \
    "SELECT s.id, s.principal, p.name, s.method, s.created_ms, s.seen_ms, s.second_factor_ms, "    \
    "s.address, s.user_agent, s.enrolling FROM sessions s JOIN principals p ON p.id = "            \
    "s.principal WHERE s.ended_ms = 0 AND s.created_ms >= ? AND s.seen_ms >= ? "

/* Those that nobody has used since they were over are not shown. */
static void alive(const struct btz_call *c, struct btz_value values[2])
{
    const struct btz_access_conf *conf = btz_access_settings(c->access);

    values[0] = btz_value_int((int64_t)c->now_ms - conf->session_absolute_ms);
    values[1] = btz_value_int((int64_t)c->now_ms - conf->session_idle_ms);
}

static enum btz_err own_sessions_run(struct btz_call *c)
{
    struct btz_value values[3];
    json_t *items = json_array(), *item;
    size_t i;

    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set(c->out, "items", items));
    alive(c, values);
    values[2] = btz_value_str(c->caller->principal);
    BTZ_TRY(btz_store_query(c->store, SESSION "AND s.principal = ? ORDER BY s.id DESC", values, 3,
                            session_item, items));
    json_array_foreach(items, i, item)
    {
        const char *id = json_string_value(json_object_get(item, "id"));

        BTZ_TRY(btz_set(item, "current", json_boolean(strcmp(id, c->caller->session) == 0)));
    }
    return btz_set(c->out, "next", json_null());
}

const struct btz_operation btz_operation_me_sessions = {
    .id = "me.sessions",
    .method = "GET",
    .path = "/v1/me/sessions",
    .summary = "Where one is signed in",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION | BTZ_ENROLLING,
    .result = "session-list",
    .run = own_sessions_run,
};

static enum btz_err list_run(struct btz_call *c)
{
    const char *principal = btz_call_text(c, "principal"), *cursor = btz_call_text(c, "cursor");
    size_t limit = (size_t)btz_call_int(c, "limit", 100);
    struct btz_value values[6];
    struct btz_principal who = { 0 };
    json_t *items = json_array();

    BTZ_TRY(btz_out(c));
    BTZ_TRY(btz_set(c->out, "items", items));
    if (principal)
        BTZ_TRY(btz_principal_find(c, principal, &who));
    alive(c, values);
    values[2] = btz_value_str(principal ? who.id : "");
    values[3] = btz_value_str(principal ? who.id : "");
    values[4] = btz_value_str(cursor ? cursor : "~"); /* behind every id */
    values[5] = btz_value_int((int64_t)limit + 1);
    BTZ_TRY(btz_store_query(c->store,
                            SESSION "AND (? = '' OR s.principal = ?) AND s.id < ? ORDER BY s.id "
                                    "DESC LIMIT ?",
                            values, 6, session_item, items));
    if (json_array_size(items) <= limit)
        return btz_set(c->out, "next", json_null());
    json_array_remove(items, limit);
    return btz_set(c->out, "next",
                   json_incref(json_object_get(json_array_get(items, limit - 1), "id")));
}

static const struct btz_field list_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .max = 127,
      .help = "Of this person only: name or id.",
      .names = BTZ_NAMES_PRINCIPAL },
    { .name = "limit",
      .kind = BTZ_FIELD_INT,
      .place = BTZ_IN_QUERY,
      .min_int = 1,
      .max_int = PAGE_MAX,
      .help = "At most that many, 100 when not said." },
    { .name = "cursor",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .max = BTZ_ID_TEXT,
      .help = "`next` of the page before." },
};
const struct btz_operation btz_operation_session_list = {
    .id = "session.list",
    .method = "GET",
    .path = "/v1/sessions",
    .command = "session list",
    .columns = "id name method created seen address user_agent",
    .summary = "Who is signed in, from where",
    .tag = "sessions",
    .action = "session.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "session-list",
    .run = list_run,
};

/* `principal` NULL: anybody's. */
static enum btz_err end_one(struct btz_call *c, const char *principal)
{
    const char *id = btz_call_text(c, "session");
    const struct btz_value key[] = { btz_value_str(id), btz_value_str(principal ? principal : ""),
                                     btz_value_str(principal ? principal : "") };
    const struct btz_value end[] = { btz_value_int((int64_t)c->now_ms), btz_value_str(id) };
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "SELECT principal FROM sessions WHERE id = ? AND ended_ms = 0 AND (? = "
                          "'' OR principal = ?)",
                          key, 3, c->arena, 1, &row));
    if (!row)
        return btz_call_not_found(c, "session", id);
    c->target = btz_arena_printf(c->arena, "session/%s", id);
    c->note.reason =
        btz_arena_printf(c->arena, "a session of %.*s was ended", BTZ_SLICE_ARG(row[0].bytes));
    if (strcmp(id, c->caller->session) == 0)
        c->end_session = true;
    return btz_store_run(c->store, "UPDATE sessions SET ended_ms = ? WHERE id = ?", end, 2, NULL);
}

static enum btz_err end_own_run(struct btz_call *c)
{
    return end_one(c, c->caller->principal);
}

static enum btz_err end_run(struct btz_call *c)
{
    return end_one(c, NULL);
}

static const struct btz_field session_fields[] = {
    { .name = "session",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .max = BTZ_ID_TEXT,
      .help = "Id of the session." },
};
const struct btz_operation btz_operation_me_sessions_end = {
    .id = "me.sessions.end",
    .method = "DELETE",
    .path = "/v1/me/sessions/{session}",
    .summary = "End one of one's own sessions",
    .tag = "account",
    .needs = BTZ_NEEDS_SESSION,
    .fields = session_fields,
    .field_count = BTZ_COUNT(session_fields),
    .run = end_own_run,
};
const struct btz_operation btz_operation_session_end = {
    .id = "session.end",
    .method = "DELETE",
    .path = "/v1/sessions/{session}",
    .command = "session end",
    .summary = "End somebody's session",
    .tag = "sessions",
    .action = "session.revoke",
    .resource = "session/{session}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = session_fields,
    .field_count = BTZ_COUNT(session_fields),
    .run = end_run,
};

/* ---- people ---- */

static enum btz_err find_user(struct btz_call *c, struct btz_principal *out)
{
    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "user"), out));
    if (out->kind != BTZ_PRINCIPAL_USER)
        return btz_call_not_found(c, "user", out->name);
    c->target = btz_arena_printf(c->arena, "user/%s", out->id);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err sign_out_all(struct btz_call *c, const char *principal)
{
    uint64_t ended;

    BTZ_TRY(btz_sessions_end(c->store, principal, NULL, c->now_ms, &ended));
    if (strcmp(principal, c->caller->principal) == 0)
        c->end_session = true;
    BTZ_TRY(btz_out(c));
    return btz_set(c->out, "ended", json_integer((json_int_t)ended));
}

static enum btz_err user_sign_out_run(struct btz_call *c)
{
    struct btz_principal who;

    BTZ_TRY(find_user(c, &who));
    c->note.reason = "all sessions were ended";
    return sign_out_all(c, who.id);
}

static enum btz_err unlock_run(struct btz_call *c)
{
    struct btz_principal who;

    BTZ_TRY(find_user(c, &who));
    c->note.reason = "failed attempts were forgotten";
    BTZ_TRY(btz_throttle_clear(c->store, BTZ_THROTTLE_ACCOUNT, who.name));
    return btz_throttle_clear(c->store, BTZ_THROTTLE_FACTOR, who.id);
}

static enum btz_err reset_mfa_run(struct btz_call *c)
{
    struct btz_principal who;

    BTZ_TRY(find_user(c, &who));
    for (size_t i = 0; btz_factors[i]; i++)
        BTZ_TRY(btz_factors[i]->reset(c->store, who.id));
    BTZ_TRY(btz_throttle_clear(c->store, BTZ_THROTTLE_FACTOR, who.id));
    BTZ_TRY(btz_call_touched(c, who.id));
    c->note.reason = "second factors and recovery codes were removed, all sessions ended";
    return sign_out_all(c, who.id);
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
const struct btz_operation btz_operation_user_sign_out = {
    .id = "user.sign-out",
    .method = "DELETE",
    .path = "/v1/users/{user}/sessions",
    .command = "user sign-out",
    .summary = "End all sessions of a person",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_fields,
    .field_count = BTZ_COUNT(user_fields),
    .result = "ended",
    .run = user_sign_out_run,
};
const struct btz_operation btz_operation_user_unlock = {
    .id = "user.unlock",
    .method = "POST",
    .path = "/v1/users/{user}/unlock",
    .command = "user unlock",
    .summary = "Forget failed attempts, so that a person can try again at once",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_fields,
    .field_count = BTZ_COUNT(user_fields),
    .run = unlock_run,
};
const struct btz_operation btz_operation_user_reset_mfa = {
    .id = "user.reset-mfa",
    .method = "POST",
    .path = "/v1/users/{user}/reset-mfa",
    .command = "user reset-mfa",
    .summary = "Remove the second factors of a person who has lost them",
    .details = "Ends all sessions. The password stays; at the next sign-in a new factor can be "
               "added, and must be where one is required.",
    .tag = "users",
    .action = "user.write",
    .resource = "user/{user}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = user_fields,
    .field_count = BTZ_COUNT(user_fields),
    .result = "ended",
    .run = reset_mfa_run,
};
