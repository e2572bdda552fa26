/* Signing in with an issuer: the way there, the way back, and who that is here. */
#include "access/federation/rows.h"
#include "access/oidc.h"

#define KIND_OIDC "oidc"
#define WAY_MS    600000 /* people type passwords at the issuer meanwhile */
#define NEXT_MAX  512

/* ---- which there are ---- */

static bool signs_in(const struct btz_issuer_conf *conf)
{
    return conf->client_id && conf->client_id[0];
}

static enum btz_err list_run(struct btz_call *c)
{
    struct btz_federation *f = btz_access_federation(c->access);
    json_t *items = json_array();
    struct btz_oidc *o;

    for (size_t i = 0; (o = btz_federation_at(f, i)) != NULL; i++) {
        const struct btz_issuer_conf *conf = btz_oidc_conf(o);
        const char *title = conf->title && conf->title[0] ? conf->title : conf->name;

        if (signs_in(conf) &&
            json_array_append_new(
                items, json_pack("{s:s, s:s}", "name", conf->name, "title", title)) != 0) {
            json_decref(items);
            return btz_fail(BTZ_LIMIT, "no memory for an answer");
        }
    }
    return btz_fed_list(c, items);
}

const struct btz_operation btz_operation_sign_in_issuers = {
    .id = "sign-in.issuers",
    .method = "GET",
    .path = "/v1/sign-in/issuers",
    .summary = "List the issuers that people can sign in with",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .result = "issuer-list",
    .run = list_run,
};

static enum btz_err find_issuer(struct btz_call *c, struct btz_oidc **out)
{
    const char *name = btz_call_text(c, "issuer");

    *out = btz_federation_issuer(btz_access_federation(c->access), name);
    if (!*out || !signs_in(btz_oidc_conf(*out)))
        return btz_call_not_found(c, "issuer", name);
    return BTZ_OK;
}

static const char *redirect_of(struct btz_call *c, const struct btz_oidc *o)
{
    const char *origin = btz_access_settings(c->access)->origin;
    int len = origin ? (int)strlen(origin) : 0;

    while (len > 0 && origin[len - 1] == '/')
        len--;
    return btz_arena_printf(c->arena, "%.*s/v1/oidc/%s/callback", len, origin,
                            btz_oidc_conf(o)->name);
}

/* ---- the way there ---- */

struct departure {
    struct btz_oidc_state state;
    struct btz_oidc *issuer;
    const char *url;
};

static enum btz_err start_prepare(struct btz_call *c)
{
    BTZ_BUF_RELEASE struct btz_buf url = BTZ_BUF(16384);
    struct departure *d = btz_arena_alloc(c->arena, sizeof *d);
    const char *redirect;

    if (!d)
        return BTZ_LIMIT;
    c->prepared = d;
    BTZ_TRY(find_issuer(c, &d->issuer));
    redirect = redirect_of(c, d->issuer);
    if (!redirect)
        return BTZ_LIMIT;
    BTZ_TRY(btz_oidc_start(d->issuer, redirect, c->now_ms, &d->state, &url));
    d->url = btz_arena_str(c->arena, btz_buf_slice(&url));
    return d->url ? BTZ_OK : BTZ_LIMIT;
}

/* A page of ours, as src/watch/web/next.js has it; nothing that could end an attribute of HTML or a header. */
static bool is_page(const char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-._~/?#%=&+,:@";
    size_t len = strlen(text), words = 8;

    if (strncmp(text, "/admin/", 7) == 0) {
        words = 7 + strspn(text + 7, "abcdefghijklmnopqrstuvwxyz");
        if (words == 7)
            return false;
    } else if (strncmp(text, "/account", 8) != 0) {
        return false;
    }
    return len <= NEXT_MAX && strspn(text, safe) == len && strchr("?#", text[words]) != NULL;
}

static enum btz_err start_run(struct btz_call *c)
{
    const char *next = btz_call_text(c, "next");
    BTZ_BUF_RELEASE struct btz_buf data = BTZ_BUF(BTZ_TICKET_DATA);
    const struct departure *d = c->prepared;
    BTZ_JSON json_t *object =
        json_pack("{s:s, s:s, s:s, s:s}", "issuer", btz_oidc_conf(d->issuer)->name, "state",
                  d->state.state, "nonce", d->state.nonce, "verifier", d->state.verifier);
    char token[BTZ_TOKEN_TEXT];
    const char *at;

    if (next && is_page(next))
        BTZ_TRY(btz_fed_set_text(object, "next", next));
    BTZ_TRY(btz_json_write(object, false, &data));
    BTZ_TRY(btz_buf_cstr(&data, &at));
    BTZ_TRY(btz_ticket_new(c, KIND_OIDC, NULL, at, WAY_MS, token));
    c->out = json_pack("{s:s, s:s}", "url", d->url, "ticket", token);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory for an answer");
}

static const struct btz_field start_fields[] = {
    { .name = "issuer",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 32,
      .help = "Name of the issuer." },
    { .name = "next",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .max = NEXT_MAX,
      .help = "Page to go to afterwards; what is no page of ours is forgotten." },
};
const struct btz_operation btz_operation_oidc_start = {
    .id = "oidc.start",
    .method = "POST",
    .summary = "Begin to sign in with an issuer",
    .details =
        "The browser goes to `url`; `ticket` stays with it in a cookie and with nobody else: "
        "it binds the answer to this browser.",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = start_fields,
    .field_count = BTZ_COUNT(start_fields),
    .result = "oidc-start",
    .event = "",
    .prepare = start_prepare,
    .run = start_run,
};

/* ---- the way back ---- */

struct arrival {
    struct btz_oidc *issuer;
    const char *text; /* claims of a verified ID token, in the arena: what outlives prepare() */
    const char *next; /* page to go to; NULL: none was asked for */
};

static enum btz_err take_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && (size_t)snprintf(out, size, "%s", text) < size
               ? BTZ_OK
               : btz_fail(BTZ_INTERNAL, "ticket: no %s in it", key);
}

/* The ticket is used up before anything is asked of the issuer, whatever comes of it. */
static enum btz_err take_ticket(struct btz_call *c, const char *issuer,
                                struct btz_oidc_state *state, const char **next)
{
    BTZ_JSON json_t *object = NULL;
    const char *page;
    struct btz_ticket ticket;
    enum btz_err err;
    char name[64];

    BTZ_TRY(btz_store_begin(c->store));
    err = btz_ticket_take(c, KIND_OIDC, btz_call_text(c, "ticket"), &ticket);
    if (err == BTZ_OK || c->keep)
        BTZ_TRY(btz_store_commit(c->store));
    btz_store_rollback(c->store);
    c->keep = false;
    BTZ_TRY(err);
    BTZ_TRY(btz_json_parse(btz_str(ticket.data), BTZ_TICKET_DATA, "ticket", &object));
    BTZ_TRY(take_text(object, "issuer", name, sizeof name));
    BTZ_TRY(take_text(object, "state", state->state, sizeof state->state));
    BTZ_TRY(take_text(object, "nonce", state->nonce, sizeof state->nonce));
    BTZ_TRY(take_text(object, "verifier", state->verifier, sizeof state->verifier));
    page = json_string_value(json_object_get(object, "next"));
    *next = page ? btz_arena_str(c->arena, btz_str(page)) : NULL;
    /* The answer came to the address of another issuer than the one that was asked. */
    return strcmp(name, issuer) == 0
               ? BTZ_OK
               : btz_fail(BTZ_DENIED, "issuer %s: the sign-in was begun with %s", issuer, name);
}

static enum btz_err keep_claims(struct btz_call *c, struct arrival *a, json_t *claims)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(65536);
    enum btz_err err = btz_json_write(claims, false, &text);

    json_decref(claims);
    BTZ_TRY(err);
    a->text = btz_arena_str(c->arena, btz_buf_slice(&text));
    return a->text ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err arrive(struct btz_call *c, struct arrival *a)
{
    const char *error = btz_call_text(c, "error"), *redirect = redirect_of(c, a->issuer);
    struct btz_oidc_state state;
    json_t *claims = NULL;

    if (!redirect)
        return BTZ_LIMIT;
    BTZ_TRY(take_ticket(c, btz_oidc_conf(a->issuer)->name, &state, &a->next));
    if (error)
        return btz_fail(BTZ_DENIED, "the issuer refused: %.100s", error);
    BTZ_TRY(btz_oidc_finish(a->issuer, &state, btz_call_text(c, "state"), btz_call_text(c, "iss"),
                            btz_call_text(c, "code"), redirect, c->now_ms, &claims));
    return keep_claims(c, a, claims);
}

static enum btz_err finish_prepare(struct btz_call *c)
{
    struct arrival *a = btz_arena_alloc(c->arena, sizeof *a);
    enum btz_err err;

    if (!a)
        return BTZ_LIMIT;
    c->prepared = a;
    BTZ_TRY(find_issuer(c, &a->issuer));
    c->note.method = btz_arena_printf(c->arena, "oidc:%s", btz_oidc_conf(a->issuer)->name);
    err = arrive(c, a);
    /* What an issuer says wrongly is no fault of the caller's fields; one that answers a wrong code with status 400 cannot
     * be told from one that is away. */
    if (err == BTZ_INPUT || err == BTZ_DENIED || err == BTZ_UNREACHABLE || err == BTZ_UNSUPPORTED) {
        c->note.reason = btz_arena_str(c->arena, btz_str(btz_error_detail()));
        return btz_fail(BTZ_DENIED, "signing in with %s did not work",
                        btz_oidc_conf(a->issuer)->name);
    }
    return err;
}

/* ---- who that is ---- */

/* A name that is allowed here, from whatever the claim says; NULL: none. */
static char *name_from(struct btz_call *c, const json_t *claims, const char *claim)
{
    const char *text = json_string_value(
        json_object_get(claims, claim && claim[0] ? claim : "preferred_username"));
    char *name = NULL;

    return text && btz_name_check("user", text, c->arena, &name) == BTZ_OK ? name : NULL;
}

static enum btz_err denied(struct btz_call *c, const char *reason)
{
    c->note.reason = reason;
    return btz_fail(BTZ_DENIED, "%s", reason);
}

/* Text of a claim that may stand in a list; empty when it is not fit for it. */
static const char *plain_claim(const json_t *claims, const char *claim)
{
    const char *text = json_string_value(json_object_get(claims, claim));

    if (!text || strlen(text) > 256)
        return NULL;
    for (const char *p = text; *p; p++)
        if ((uint8_t)*p < 0x20 || *p == 0x7F)
            return NULL;
    return text;
}

static enum btz_err create_user(struct btz_call *c, const struct btz_issuer_conf *conf,
                                const json_t *claims, const char **principal)
{
    bool verified = json_is_true(json_object_get(claims, "email_verified"));
    char *id = btz_arena_alloc(c->arena, BTZ_ID_TEXT),
         *name = name_from(c, claims, conf->name_claim);
    struct btz_value row[6];
    uint64_t made = 0;

    if (!id)
        return BTZ_LIMIT;
    if (!name)
        return denied(c, "the issuer gives no name that is allowed here");
    btz_id_new("usr_", c->now_ms, id);
    row[0] = btz_value_str(id);
    row[1] = btz_value_str(name);
    row[2] = btz_value_str(plain_claim(claims, "name"));
    row[3] = btz_value_str(verified ? plain_claim(claims, "email") : NULL);
    row[4] = row[5] = btz_value_int((int64_t)c->now_ms);
    BTZ_TRY(btz_store_run(c->store,
                          "INSERT INTO principals (id, kind, name, display_name, email, status, "
                          "created_ms, updated_ms, version) VALUES (?, 'user', ?, ?, ?, 'active', "
                          "?, ?, 1) ON CONFLICT (name) DO NOTHING",
                          row, 6, &made));
    /* A name is no proof: whoever has it here is somebody else until an administrator links them. */
    if (made == 0)
        return denied(c, "somebody here has that name already");
    c->policy_changed = true;
    c->after = json_pack("{s:s, s:s, s:s}", "id", id, "name", name, "issuer", conf->name);
    *principal = id;
    return BTZ_OK;
}

static enum btz_err link(struct btz_call *c, const char *issuer, const char *subject,
                         const char *principal)
{
    char id[BTZ_ID_TEXT];
    struct btz_value row[6];

    btz_id_new("idn_", c->now_ms, id);
    row[0] = btz_value_str(id);
    row[1] = btz_value_str(issuer);
    row[2] = btz_value_str(subject);
    row[3] = btz_value_str(principal);
    row[4] = btz_value_int((int64_t)c->now_ms);
    row[5] = btz_value_str(principal);
    return btz_store_run(c->store,
                         "INSERT INTO identities (id, issuer, subject, principal, created_ms, "
                         "created_by) VALUES (?, ?, ?, ?, ?, ?)",
                         row, 6, NULL);
}

/* The principal of a subject; made at the first sign-in where the settings say so. */
static enum btz_err find_user(struct btz_call *c, const struct btz_issuer_conf *conf,
                              const json_t *claims, const char **principal)
{
    const char *subject = json_string_value(json_object_get(claims, "sub"));
    const struct btz_value key[] = { btz_value_str(conf->url), btz_value_str(subject) };
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "SELECT principal FROM identities WHERE issuer = ? AND subject = ?", key,
                          2, c->arena, 1, &row));
    if (row) {
        const struct btz_value seen[] = { btz_value_int((int64_t)c->now_ms), key[0], key[1] };

        *principal = btz_fed_text(c, &row[0]);
        if (!*principal)
            return BTZ_LIMIT;
        return btz_store_run(c->store,
                             "UPDATE identities SET used_ms = ? WHERE issuer = ? AND subject = ?",
                             seen, 3, NULL);
    }
    if (!conf->create_users)
        return denied(c, "nobody here is linked to this account of the issuer");
    BTZ_TRY(create_user(c, conf, claims, principal));
    return link(c, conf->url, subject, *principal);
}

/* ---- groups by claims ---- */

static bool earns(const struct btz_issuer_conf *conf, const json_t *claims, const char *group)
{
    const struct btz_issuer_map *maps = conf->maps.items;

    for (size_t i = 0; i < conf->maps.count; i++)
        if (strcmp(maps[i].group, group) == 0 &&
            btz_oidc_claim_has(claims, maps[i].claim && maps[i].claim[0] ? maps[i].claim : "groups",
                               maps[i].value))
            return true;
    return false;
}

static enum btz_err set_member(struct btz_call *c, const char *group, const char *principal,
                               bool in)
{
    const struct btz_value v[] = { btz_value_str(principal), btz_value_str(group) };
    uint64_t changed = 0;

    BTZ_TRY(btz_store_run(c->store,
                          in ? "INSERT INTO members (principal_id, group_id) SELECT ?, id FROM "
                               "groups WHERE name = ? ON CONFLICT (group_id, principal_id) DO "
                               "NOTHING"
                             : "DELETE FROM members WHERE principal_id = ? AND group_id IN (SELECT "
                               "id FROM groups WHERE name = ?)",
                          v, 2, &changed));
    if (changed > 0)
        c->policy_changed = true;
    return BTZ_OK;
}

static enum btz_err map_groups(struct btz_call *c, const struct btz_issuer_conf *conf,
                               const json_t *claims, const char *principal)
{
    const struct btz_issuer_map *maps = conf->maps.items;

    for (size_t i = 0; i < conf->maps.count; i++)
        BTZ_TRY(set_member(c, maps[i].group, principal, earns(conf, claims, maps[i].group)));
    return BTZ_OK;
}

static enum btz_err finish_run(struct btz_call *c)
{
    const struct arrival *a = c->prepared;
    const struct btz_issuer_conf *conf = btz_oidc_conf(a->issuer);
    BTZ_JSON json_t *claims = NULL;
    const char *principal = NULL;

    BTZ_TRY(btz_json_parse(btz_str(a->text), 65536, "claims", &claims));
    BTZ_TRY(find_user(c, conf, claims, &principal));
    c->note.principal = principal;
    BTZ_TRY(map_groups(c, conf, claims, principal));
    BTZ_TRY(conf->second_factor && btz_oidc_claim_has(claims, "amr", "mfa")
                ? btz_signin_done(c, principal, c->note.method, true)
                : btz_signin_first(c, principal, c->note.method));
    return a->next ? btz_fed_set_text(c->out, "next", a->next) : BTZ_OK;
}

static const struct btz_field finish_fields[] = {
    { .name = "issuer",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .max = 32,
      .help = "Name of the issuer, from the address." },
    { .name = "ticket",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "From the cookie." },
    { .name = "state",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .help = "From the address." },
    { .name = "code",
      .kind = BTZ_FIELD_SECRET,
      .place = BTZ_IN_BODY,
      .max = 2048,
      .help = "From the address." },
    { .name = "iss",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .max = 512,
      .help = "From the address (RFC 9207)." },
    { .name = "error",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "From the address, when the issuer refused." },
};
const struct btz_operation btz_operation_oidc_finish = {
    .id = "oidc.finish",
    .method = "POST",
    .summary = "Come back from an issuer",
    .tag = "sign-in",
    .needs = BTZ_PUBLIC,
    .fields = finish_fields,
    .field_count = BTZ_COUNT(finish_fields),
    .result = "sign-in",
    .event = "sign-in",
    .prepare = finish_prepare,
    .run = finish_run,
};
