#include "access/signin/rows.h"

/* ---- who is asking ---- */

#define SEEN_STEP_MS                                                                               \
    20000 /* `seen_ms` is that exact: a write for each request would cost too much */

struct found {
    const char *id, *principal, *name, *method;
    uint64_t created_ms, seen_ms, second_factor_ms;
    bool enrolling, ended, active;
};

static enum btz_err copy_found(struct btz_arena *arena, const struct btz_value *row,
                               struct found *out)
{
    out->id = btz_arena_str(arena, row[0].bytes);
    out->principal = btz_arena_str(arena, row[1].bytes);
    out->name = btz_arena_str(arena, row[2].bytes);
    out->method = btz_arena_str(arena, row[3].bytes);
    out->created_ms = (uint64_t)row[4].i;
    out->seen_ms = (uint64_t)row[5].i;
    out->second_factor_ms = (uint64_t)row[6].i;
    out->enrolling = row[7].i != 0;
    out->ended = row[8].i != 0;
    out->active = btz_slice_is(row[9].bytes, "active");
    return out->id && out->principal && out->name && out->method ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err find_session(struct btz_store *s, struct btz_arena *arena,
                                 const uint8_t hash[BTZ_SHA256_LEN], struct found *out)
{
    const struct btz_value key[] = { btz_value_blob(hash, BTZ_SHA256_LEN) };
    const struct btz_value *row;

    memset(out, 0, sizeof *out);
    BTZ_TRY(btz_store_one(s,
                          "SELECT s.id, s.principal, p.name, s.method, s.created_ms, s.seen_ms, "
                          "s.second_factor_ms, s.enrolling, s.ended_ms, p.status FROM sessions s "
                          "JOIN principals p ON p.id = s.principal WHERE s.token_hash = ?",
                          key, 1, arena, 10, &row));
    return row ? copy_found(arena, row, out) : BTZ_OK;
}

static bool is_over(const struct btz_access_conf *conf, const struct found *f, uint64_t now_ms)
{
    return now_ms > f->created_ms + (uint64_t)conf->session_absolute_ms ||
           now_ms > f->seen_ms + (uint64_t)conf->session_idle_ms;
}

/* Ends it when it is over, so that no clock can bring it back; else remembers that it was used. */
static enum btz_err touch(struct btz_access *a, struct btz_store *s, const struct found *f,
                          uint64_t now_ms)
{
    const struct btz_value values[] = { btz_value_int((int64_t)now_ms), btz_value_str(f->id) };
    const char *sql = is_over(btz_access_settings(a), f, now_ms)
                          ? "UPDATE sessions SET ended_ms = ? WHERE id = ? AND ended_ms = 0"
                          : "UPDATE sessions SET seen_ms = ? WHERE id = ? AND ended_ms = 0";

    return btz_store_run(s, sql, values, 2, NULL);
}

/* Time went on, or back, or the session's own time did: write that. */
static enum btz_err keep_time(struct btz_access *a, struct btz_store *s, struct btz_arena *arena,
                              const uint8_t hash[BTZ_SHA256_LEN], uint64_t now_ms, struct found *io)
{
    enum btz_err err = btz_store_begin(s);

    if (err == BTZ_OK)
        err = btz_signin_clock(a, s, now_ms);
    if (err == BTZ_OK)
        err = find_session(s, arena, hash, io);
    if (err == BTZ_OK && io->id)
        err = touch(a, s, io, now_ms);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    btz_store_rollback(s);
    return err;
}

static enum btz_err look(struct btz_access *a, struct btz_store *s, struct btz_arena *arena,
                         const uint8_t hash[BTZ_SHA256_LEN], struct found *f)
{
    uint64_t now = btz_access_now_ms(a);
    bool due = false;

    BTZ_TRY(btz_access_clock(a, s));
    BTZ_TRY(find_session(s, arena, hash, f));
    if (!f->id || f->ended)
        return BTZ_OK;
    BTZ_TRY(btz_signin_clock_due(s, now, &due));
    if (due || is_over(btz_access_settings(a), f, now) || now > f->seen_ms + SEEN_STEP_MS) {
        enum btz_err err = keep_time(a, s, arena, hash, now, f);

        /* On a full disk those who are signed in go on reading, unless their time is over. */
        if (err != BTZ_OK && err != BTZ_IO)
            return err;
        if (err == BTZ_IO)
            BTZ_TRY(find_session(s, arena, hash, f));
    }
    if (f->id && is_over(btz_access_settings(a), f, now))
        f->ended = true;
    return BTZ_OK;
}

static bool fits(char *out, size_t size, const char *text)
{
    return (size_t)snprintf(out, size, "%s", text) < size;
}

static enum btz_err fill(const struct found *f, struct btz_caller *io)
{
    if (!fits(io->principal, sizeof io->principal, f->principal) ||
        !fits(io->name, sizeof io->name, f->name) ||
        !fits(io->session, sizeof io->session, f->id) ||
        !fits(io->method, sizeof io->method, f->method))
        return btz_fail(BTZ_INTERNAL, "session %s: too long", f->id);
    io->kind = BTZ_CALLER_SESSION;
    io->second_factor_ms = f->second_factor_ms;
    io->enrolling = f->enrolling;
    return BTZ_OK;
}

enum btz_err btz_caller_session(struct btz_access *a, struct btz_slice token, struct btz_caller *io)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_store *s;
    struct found f = { 0 };
    enum btz_err err;

    if (btz_token_hash(token, hash) != BTZ_OK)
        return btz_fail(BTZ_DENIED, "not signed in");
    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_access_store(a, &s));
    err = look(a, s, &arena, hash, &f);
    btz_access_store_back(a, s);
    BTZ_TRY(err);
    if (f.id && !f.ended && f.active)
        return fill(&f, io);
    if (f.id) { /* one that was real: an old cookie, or a stolen one */
        const struct btz_trail_entry e = { .event = "refusal",
                                           .verdict = "deny",
                                           .principal = f.principal,
                                           .name = f.name,
                                           .session = f.id,
                                           .reason = f.ended ? "the session has ended"
                                                             : "the account is disabled" };

        BTZ_TRY(btz_access_note(a, io, &e));
    }
    return btz_fail(BTZ_DENIED, "not signed in");
}

/* ---- beginning, renewing, ending ---- */

/* Whoever opens sessions without end ends his oldest ones. */
static enum btz_err make_room(struct btz_call *c, const char *principal)
{
    const struct btz_value values[] = { btz_value_int((int64_t)c->now_ms), btz_value_str(principal),
                                        btz_value_str(principal), btz_value_int(SESSIONS_MAX - 1) };

    return btz_store_run(c->store,
                         "UPDATE sessions SET ended_ms = ? WHERE principal = ? AND ended_ms = 0 "
                         "AND id NOT IN (SELECT id FROM sessions WHERE principal = ? AND ended_ms "
                         "= 0 ORDER BY id DESC LIMIT ?)",
                         values, 4, NULL);
}

/* A browser that signs in anew leaves its old session. */
static enum btz_err end_own(struct btz_call *c)
{
    const struct btz_value values[] = { btz_value_int((int64_t)c->now_ms),
                                        btz_value_str(c->caller->session) };

    if (c->caller->kind != BTZ_CALLER_SESSION)
        return BTZ_OK;
    return btz_store_run(c->store, "UPDATE sessions SET ended_ms = ? WHERE id = ? AND ended_ms = 0",
                         values, 2, NULL);
}

/* Text of a request header, fit for the table. */
static const char *header(struct btz_call *c, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf clean = BTZ_BUF(8 * USER_AGENT_MAX);
    struct btz_slice cut = btz_slice_sub(btz_str(text), 0, USER_AGENT_MAX);

    if (!text || btz_utf8_clean(cut, &clean) != BTZ_OK)
        return NULL;
    return btz_arena_str(c->arena, btz_buf_slice(&clean));
}

enum btz_err btz_session_new(struct btz_call *c, const struct btz_account *who, const char *method,
                             bool second_factor, bool enrolling)
{
    char *id = btz_arena_alloc(c->arena, BTZ_ID_TEXT);
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_value row[10];

    if (!id)
        return BTZ_LIMIT;
    BTZ_TRY(btz_signin_clock(c->access, c->store, c->now_ms));
    BTZ_TRY(make_room(c, who->id));
    BTZ_TRY(end_own(c));
    btz_id_new("ses", c->now_ms, id);
    btz_token_new(c->set_session);
    BTZ_TRY(btz_token_hash(btz_str(c->set_session), hash));
    row[0] = btz_value_str(id);
    row[1] = btz_value_blob(hash, sizeof hash);
    row[2] = btz_value_str(who->id);
    row[3] = btz_value_int((int64_t)c->now_ms);
    row[4] = btz_value_int((int64_t)c->now_ms);
    row[5] = btz_value_int(second_factor ? (int64_t)c->now_ms : 0);
    row[6] = btz_value_str(c->caller->address_text);
    row[7] = btz_value_str(header(c, c->caller->user_agent));
    row[8] = btz_value_str(method);
    row[9] = btz_value_int(enrolling);
    c->note.principal = who->id;
    c->note.name = who->name;
    c->note.session = id;
    c->note.method = btz_arena_str(c->arena, btz_str(method));
    return btz_store_run(c->store,
                         "INSERT INTO sessions (id, token_hash, principal, created_ms, seen_ms, "
                         "second_factor_ms, address, user_agent, method, enrolling, ended_ms) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                         row, 10, NULL);
}

enum btz_err btz_session_renew(struct btz_call *c, const char *method, uint64_t second_factor_ms,
                               bool enrolling)
{
    uint8_t hash[BTZ_SHA256_LEN];
    struct btz_value row[5];
    uint64_t changed;

    btz_token_new(c->set_session);
    BTZ_TRY(btz_token_hash(btz_str(c->set_session), hash));
    row[0] = btz_value_blob(hash, sizeof hash);
    row[1] = btz_value_int((int64_t)second_factor_ms);
    row[2] = btz_value_str(method ? method : c->caller->method);
    row[3] = btz_value_int(enrolling);
    row[4] = btz_value_str(c->caller->session);
    BTZ_TRY(btz_store_run(c->store,
                          "UPDATE sessions SET token_hash = ?, second_factor_ms = ?, method = ?, "
                          "enrolling = ? WHERE id = ? AND ended_ms = 0",
                          row, 5, &changed));
    return changed == 1 ? BTZ_OK : btz_fail(BTZ_DENIED, "the session has ended");
}

enum btz_err btz_sessions_end(struct btz_store *s, const char *principal, const char *but,
                              uint64_t now_ms, uint64_t *ended)
{
    const struct btz_value values[] = { btz_value_int((int64_t)now_ms), btz_value_str(principal),
                                        btz_value_str(but ? but : "") };

    BTZ_TRY(btz_store_run(
        s, "UPDATE sessions SET ended_ms = ? WHERE principal = ? AND ended_ms = 0 AND id <> ?",
        values, 3, ended));
    return btz_store_run(s, "UPDATE tickets SET used = 1 WHERE principal = ? AND used = 0",
                         &values[1], 1, NULL);
}
