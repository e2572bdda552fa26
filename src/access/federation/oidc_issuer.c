/*
 * What an issuer publishes: its discovery document and its keys. One thread fetches, others go on with what is known.
 * However many tokens with unknown keys arrive, the issuer is asked once in five minutes.
 */
#include "access/federation/oidc_issuer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "access/federation/jwk.h"

#define DOCUMENT_MAX    262144
#define METADATA_AGE_MS 86400000
#define SAME_TIME_MS    120000

/* Ages by a clock that may jump back: then everything is old. Threads that looked at it at about the same time may
 * come here in the other order. */
static uint64_t age(uint64_t now_ms, uint64_t then_ms)
{
    if (now_ms < then_ms)
        return then_ms - now_ms <= SAME_TIME_MS ? 0 : UINT64_MAX;
    return now_ms - then_ms;
}

/* ---- who waits ---- */

static atomic_uint waiting;

bool btz_oidc_wait(void)
{
    unsigned n = atomic_load(&waiting);

    do {
        if (n >= BTZ_OIDC_WAITERS)
            return false;
    } while (!atomic_compare_exchange_weak(&waiting, &n, n + 1));
    return true;
}

void btz_oidc_waited(void)
{
    atomic_fetch_sub(&waiting, 1);
}

static enum btz_err busy(const struct btz_oidc *o)
{
    return btz_fail(BTZ_LIMIT, "issuer %s: others wait for an answer; try again in a moment",
                    o->conf->name);
}

/* ---- discovery document ---- */

static enum btz_err take_url(const json_t *object, const char *name, bool required,
                             char out[BTZ_OIDC_URL_MAX])
{
    struct btz_slice url, prefix = btz_str("https://");

    out[0] = '\0';
    if (!json_object_get(object, name) && !required)
        return BTZ_OK;
    if (!btz_json_get_text(object, name, &url) || url.len >= BTZ_OIDC_URL_MAX ||
        !btz_slice_has_prefix(url, prefix) || url.len == prefix.len)
        return btz_fail(BTZ_INPUT, "discovery document: expected an https address in \"%s\"", name);
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] <= 0x20 || url.ptr[i] >= 0x7F || url.ptr[i] == '#')
            return btz_fail(BTZ_INPUT, "discovery document: \"%s\" is not an address", name);
    memcpy(out, url.ptr, url.len);
    out[url.len] = '\0';
    return BTZ_OK;
}

/* A list that says what is supported: absent says nothing. */
static bool lacks(const json_t *object, const char *name, const char *wanted)
{
    const json_t *list = json_object_get(object, name), *one;
    size_t i;

    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, one) if (json_is_string(one) &&
                                         strcmp(json_string_value(one), wanted) == 0) return false;
    return true;
}

enum btz_err btz_oidc_metadata_parse(struct btz_slice json, const struct btz_issuer_conf *conf,
                                     struct btz_oidc_metadata *out)
{
    BTZ_JSON json_t *object = NULL;
    struct btz_oidc_metadata m = { 0 };
    bool signs_in = conf->client_id && conf->client_id[0];
    struct btz_slice issuer;

    BTZ_TRY(btz_json_parse(json, DOCUMENT_MAX, "discovery document", &object));
    if (!btz_json_get_text(object, "issuer", &issuer))
        return btz_fail(BTZ_INPUT, "discovery document: \"issuer\" is missing");
    if (!btz_slice_is(issuer, conf->url))
        return btz_fail(BTZ_DENIED, "discovery document: of another issuer than %s", conf->url);
    BTZ_TRY(take_url(object, "jwks_uri", true, m.keys));
    BTZ_TRY(take_url(object, "authorization_endpoint", signs_in, m.authorization));
    BTZ_TRY(take_url(object, "token_endpoint", signs_in, m.token));
    if (signs_in && lacks(object, "response_types_supported", "code"))
        return btz_fail(BTZ_UNSUPPORTED, "issuer %s: knows no authorisation code", conf->name);
    if (signs_in && lacks(object, "code_challenge_methods_supported", "S256"))
        return btz_fail(BTZ_UNSUPPORTED, "issuer %s: knows no PKCE with S256", conf->name);
    if (signs_in && conf->client_secret && conf->client_secret[0] &&
        lacks(object, "token_endpoint_auth_methods_supported", "client_secret_post"))
        return btz_fail(BTZ_UNSUPPORTED,
                        "issuer %s: takes no client secret in the form "
                        "(client_secret_post)",
                        conf->name);
    m.sends_iss =
        json_is_true(json_object_get(object, "authorization_response_iss_parameter_supported"));
    *out = m;
    return BTZ_OK;
}

/* ---- fetching ---- */

static enum btz_err fetch_document(struct btz_oidc *o, const char *url, struct btz_buf *out)
{
    if (!o->fetch)
        return btz_fail(BTZ_UNREACHABLE, "issuer %s: nothing here can ask it", o->conf->name);
    return o->fetch->get(o->fetch->user, url, btz_str(""), out);
}

static enum btz_err fetch_metadata(struct btz_oidc *o, struct btz_oidc_metadata *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(DOCUMENT_MAX), url = BTZ_BUF(BTZ_OIDC_URL_MAX);
    size_t len = strlen(o->conf->url);
    const char *at;

    while (len > 0 && o->conf->url[len - 1] == '/')
        len--;
    BTZ_TRY(btz_buf_add(&url, o->conf->url, len));
    BTZ_TRY(btz_buf_add_str(&url, "/.well-known/openid-configuration"));
    BTZ_TRY(btz_buf_cstr(&url, &at));
    BTZ_TRY(fetch_document(o, at, &text));
    return btz_oidc_metadata_parse(btz_buf_slice(&text), o->conf, out);
}

static enum btz_err fetch_keys(struct btz_oidc *o, const char *url, struct btz_oidc_keys **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JWKS_MAX);
    struct btz_oidc_keys *keys;
    enum btz_err err;

    BTZ_TRY(fetch_document(o, url, &text));
    keys = calloc(1, sizeof *keys);
    if (!keys)
        return btz_fail(BTZ_LIMIT, "out of memory for keys");
    err = btz_jwks_parse(btz_buf_slice(&text), &keys->set);
    if (err == BTZ_OK && keys->set.count == 0)
        err = btz_fail(BTZ_INPUT, "issuer %s: publishes no key that can be used", o->conf->name);
    if (err != BTZ_OK) {
        btz_jwks_release(&keys->set);
        free(keys);
        return err;
    }
    keys->users = 1;
    *out = keys;
    return BTZ_OK;
}

/* With the lock held. */
static void drop_keys(struct btz_oidc_keys *keys)
{
    if (keys && --keys->users == 0) {
        btz_jwks_release(&keys->set);
        free(keys);
    }
}

/* Becomes the one that fetches; waits for another that does. With the lock held. */
static void start_fetch(struct btz_oidc *o)
{
    while (o->fetching)
        pthread_cond_wait(&o->fetched, &o->lock);
    o->fetching = true;
}

static void end_fetch(struct btz_oidc *o)
{
    o->fetching = false;
    pthread_cond_broadcast(&o->fetched);
}

static bool metadata_is_fresh(const struct btz_oidc *o, uint64_t now_ms)
{
    return o->has_metadata && age(now_ms, o->metadata_ms) < METADATA_AGE_MS;
}

/* It failed a moment ago: nobody waits for that again. */
static bool failed_lately(const struct btz_oidc *o, uint64_t now_ms)
{
    return o->asked && o->asked_err != BTZ_OK && age(now_ms, o->asked_ms) < BTZ_OIDC_RETRY_MS;
}

static enum btz_err failed(const struct btz_oidc *o)
{
    return btz_fail(o->asked_err, "issuer %s: it gave no good answer a moment ago", o->conf->name);
}

/* A document that was good yesterday serves while the issuer is away. */
static bool serves_stale(const struct btz_oidc *o, enum btz_err err)
{
    return o->has_metadata && err == BTZ_UNREACHABLE;
}

/* With the lock held, and the right to fetch. */
static enum btz_err need_metadata(struct btz_oidc *o, uint64_t now_ms)
{
    struct btz_oidc_metadata m;
    enum btz_err err;

    if (metadata_is_fresh(o, now_ms))
        return BTZ_OK;
    if (failed_lately(o, now_ms)) /* others have asked meanwhile */
        return serves_stale(o, o->asked_err) ? BTZ_OK : failed(o);
    pthread_mutex_unlock(&o->lock);
    err = fetch_metadata(o, &m);
    pthread_mutex_lock(&o->lock);
    o->asked = true;
    o->asked_err = err;
    o->asked_ms = now_ms;
    if (err == BTZ_OK) {
        o->metadata = m;
        o->has_metadata = true;
        o->metadata_ms = now_ms;
    }
    return serves_stale(o, err) ? BTZ_OK : err;
}

/* With the lock held. */
static enum btz_err know_metadata(struct btz_oidc *o, uint64_t now_ms)
{
    enum btz_err err;

    if (metadata_is_fresh(o, now_ms))
        return BTZ_OK;
    if (failed_lately(o, now_ms))
        return serves_stale(o, o->asked_err) ? BTZ_OK : failed(o);
    /* One asks anew; the others take what there is. */
    if (o->has_metadata && o->fetching)
        return BTZ_OK;
    if (!btz_oidc_wait())
        return o->has_metadata ? BTZ_OK : busy(o);
    start_fetch(o);
    err = need_metadata(o, now_ms);
    end_fetch(o);
    btz_oidc_waited();
    return err;
}

enum btz_err btz_oidc_metadata_get(struct btz_oidc *o, uint64_t now_ms,
                                   struct btz_oidc_metadata *out)
{
    enum btz_err err;

    pthread_mutex_lock(&o->lock);
    err = know_metadata(o, now_ms);
    if (err == BTZ_OK)
        *out = o->metadata;
    pthread_mutex_unlock(&o->lock);
    return err;
}

/* ---- keys ---- */

/* May the keys be asked for at this moment? `missed`: a token came with a key that is not among them. */
static bool may_fetch(const struct btz_oidc *o, bool missed, uint64_t now_ms)
{
    if (!o->tried)
        return true;
    if (!o->keys || age(now_ms, o->keys_ms) >= BTZ_OIDC_KEYS_AGE_MS)
        return age(now_ms, o->tried_ms) >= BTZ_OIDC_RETRY_MS;
    return missed && age(now_ms, o->tried_ms) >= BTZ_OIDC_REFRESH_MS;
}

/* With the lock held. */
static enum btz_err refresh(struct btz_oidc *o, bool missed, uint64_t now_ms)
{
    struct btz_oidc_keys *keys = NULL;
    char url[BTZ_OIDC_URL_MAX];
    enum btz_err err;

    start_fetch(o);
    if (!may_fetch(o, missed, now_ms)) { /* another thread has done it meanwhile */
        end_fetch(o);
        return BTZ_OK;
    }
    o->tried = true;
    o->tried_ms = now_ms;
    err = need_metadata(o, now_ms);
    if (err == BTZ_OK) {
        memcpy(url, o->metadata.keys, sizeof url);
        pthread_mutex_unlock(&o->lock);
        err = fetch_keys(o, url, &keys);
        pthread_mutex_lock(&o->lock);
    }
    if (err == BTZ_OK) {
        drop_keys(o->keys);
        o->keys = keys;
        o->keys_ms = now_ms;
    }
    end_fetch(o);
    return err;
}

static bool has_usable_keys(const struct btz_oidc *o, uint64_t now_ms)
{
    return o->keys && age(now_ms, o->keys_ms) < BTZ_OIDC_KEYS_STALE_MS;
}

/* A use of the keys. Old ones serve while the issuer is away, for a day. */
static enum btz_err hold_keys(struct btz_oidc *o, bool missed, uint64_t now_ms,
                              struct btz_oidc_keys **out)
{
    enum btz_err err = BTZ_OK;

    pthread_mutex_lock(&o->lock);
    if ((o->fetching && !has_usable_keys(o, now_ms)) || may_fetch(o, missed, now_ms)) {
        if (btz_oidc_wait()) {
            while (o->fetching && !has_usable_keys(o, now_ms))
                pthread_cond_wait(&o->fetched, &o->lock);
            if (may_fetch(o, missed, now_ms))
                err = refresh(o, missed, now_ms);
            btz_oidc_waited();
        } else {
            err = busy(o);
        }
    }
    if (has_usable_keys(o, now_ms)) {
        o->keys->users++;
        *out = o->keys;
        err = BTZ_OK;
    } else if (err == BTZ_OK) {
        err = btz_fail(BTZ_UNREACHABLE,
                       "issuer %s: its keys are not known, and it was asked a "
                       "moment ago",
                       o->conf->name);
    }
    pthread_mutex_unlock(&o->lock);
    return err;
}

static void let_keys(struct btz_oidc *o, struct btz_oidc_keys *keys)
{
    pthread_mutex_lock(&o->lock);
    drop_keys(keys);
    pthread_mutex_unlock(&o->lock);
}

static bool names_unknown_key(struct btz_slice token, const struct btz_jwks *set)
{
    BTZ_JSON json_t *header = NULL;
    const json_t *kid;

    if (btz_jws_peek(token, &header) != BTZ_OK)
        return false;
    kid = json_object_get(header, "kid");
    return !json_is_string(kid) || !btz_jwks_has(set, json_string_value(kid));
}

enum btz_err btz_oidc_verify(struct btz_oidc *o, struct btz_slice token,
                             const struct btz_jwt_rules *rules, uint64_t now_ms, json_t **claims)
{
    struct btz_jws_rules jws = { .algorithms = o->algs, .keys = &o->secret };
    enum btz_err err = BTZ_DENIED;

    if (o->algs & BTZ_JOSE_HMAC)
        return btz_jwt_verify(token, &jws, rules, claims);
    for (int round = 0; round < 2; round++) {
        struct btz_oidc_keys *keys = NULL;
        bool unknown;

        BTZ_TRY(hold_keys(o, round > 0, now_ms, &keys));
        jws.keys = &keys->set;
        err = btz_jwt_verify(token, &jws, rules, claims);
        unknown = err == BTZ_DENIED && names_unknown_key(token, &keys->set);
        let_keys(o, keys);
        if (!unknown)
            break;
    }
    return err == BTZ_DENIED ? btz_fail_context(BTZ_DENIED, "issuer %s", o->conf->name) : err;
}

/* ---- the object ---- */

enum btz_err btz_oidc_new(const struct btz_issuer_conf *conf, const struct btz_fetch *fetch,
                          struct btz_oidc **out)
{
    struct btz_oidc *o;
    unsigned algs;

    BTZ_TRY(btz_issuer_check(conf));
    BTZ_TRY(btz_issuer_algorithms(conf, &algs));
    o = calloc(1, sizeof *o);
    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory for an issuer");
    o->conf = conf;
    o->fetch = fetch;
    o->algs = algs;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->fetched, NULL);
    if (algs & BTZ_JOSE_HMAC) {
        enum btz_err err = btz_jwk_of_secret(btz_str(conf->client_secret), &o->secret.keys[0]);

        o->secret.count = err == BTZ_OK;
        if (err == BTZ_OK && (btz_jwk_algs(o->secret.keys[0]) & algs) != algs)
            err = btz_fail(BTZ_USAGE, "the client_secret is too short for these algorithms "
                                      "(RFC 7518 section 3.2)");
        if (err != BTZ_OK) {
            btz_oidc_free(o);
            return btz_fail_context(BTZ_USAGE, "issuer %s", conf->name);
        }
    }
    *out = o;
    return BTZ_OK;
}

void btz_oidc_free(struct btz_oidc *o)
{
    if (!o)
        return;
    drop_keys(o->keys);
    btz_jwks_release(&o->secret);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->fetched);
    free(o);
}

const struct btz_issuer_conf *btz_oidc_conf(const struct btz_oidc *o)
{
    return o->conf;
}
