/* JSON Web Tokens by RFC 8725: what a token must say before anything in it is believed. */
#include <math.h>
#include <strings.h>

#include "access/federation/jwk.h"

#define AUDIENCES_MAX 64
#define SUBJECT_MAX   255

/* ---- header ---- */

/* Media types compare without case, and "application/" may be left out (RFC 7515 section 4.1.9). */
static bool is_type(const char *given, const char *wanted)
{
    static const char prefix[] = "application/";

    if (strncasecmp(given, prefix, sizeof prefix - 1) == 0)
        given += sizeof prefix - 1;
    return strcasecmp(given, wanted) == 0;
}

static enum btz_err check_type(const json_t *header, const struct btz_jwt_rules *rules)
{
    const json_t *typ = json_object_get(header, "typ"), *cty = json_object_get(header, "cty");

    if ((typ && !json_is_string(typ)) || (cty && !json_is_string(cty)))
        return btz_fail(BTZ_INPUT, "token: \"typ\" and \"cty\" are text");
    if (cty && is_type(json_string_value(cty), "JWT"))
        return btz_fail(BTZ_DENIED, "token: a token within a token");
    for (size_t i = 0; rules->types[i]; i++)
        if (typ ? rules->types[i][0] && is_type(json_string_value(typ), rules->types[i])
                : !rules->types[i][0])
            return BTZ_OK;
    return btz_fail(BTZ_DENIED, "token: it is of another type than those expected here");
}

/* ---- claims ---- */

/* NumericDate: seconds, perhaps with a fraction. */
static enum btz_err get_date(const json_t *claims, const char *name, bool required, double *out,
                             bool *found)
{
    const json_t *value = json_object_get(claims, name);
    double d;

    *found = value != NULL;
    if (!value)
        return required ? btz_fail(BTZ_DENIED, "token: \"%s\" is missing", name) : BTZ_OK;
    if (!json_is_number(value))
        return btz_fail(BTZ_INPUT, "token: \"%s\" is not a number", name);
    d = json_number_value(value);
    if (!isfinite(d) || d < 0 || d > 1e11)
        return btz_fail(BTZ_INPUT, "token: \"%s\" is not a date", name);
    *out = d;
    return BTZ_OK;
}

static enum btz_err check_dates(const json_t *claims, const struct btz_jwt_rules *rules)
{
    double now = (double)rules->now_s, leeway = (double)rules->leeway_s, date = 0;
    bool found;

    BTZ_TRY(get_date(claims, "exp", true, &date, &found));
    if (now >= date + leeway)
        return btz_fail(BTZ_DENIED, "token: it has expired");
    BTZ_TRY(get_date(claims, "nbf", false, &date, &found));
    if (found && now + leeway < date)
        return btz_fail(BTZ_DENIED, "token: it is not valid yet");
    BTZ_TRY(get_date(claims, "iat", rules->max_age_s != 0, &date, &found));
    if (found && now + leeway < date)
        return btz_fail(BTZ_DENIED, "token: it was issued in the future");
    if (found && rules->max_age_s && now > date + (double)rules->max_age_s + leeway)
        return btz_fail(BTZ_DENIED, "token: it was issued too long ago");
    return BTZ_OK;
}

static bool is_text(const json_t *value, const char *wanted)
{
    return json_is_string(value) && strcmp(json_string_value(value), wanted) == 0;
}

static enum btz_err check_audience(const json_t *claims, const char *wanted)
{
    const json_t *aud = json_object_get(claims, "aud"), *one;
    bool found = is_text(aud, wanted);
    size_t i;

    if (!json_is_string(aud) && !json_is_array(aud))
        return btz_fail(BTZ_DENIED, "token: \"aud\" is missing");
    if (json_array_size(aud) > AUDIENCES_MAX)
        return btz_fail(BTZ_LIMIT, "token: more than %d audiences", AUDIENCES_MAX);
    json_array_foreach(aud, i, one)
    {
        if (!json_is_string(one))
            return btz_fail(BTZ_INPUT, "token: \"aud\" has something in it that is not text");
        found = found || is_text(one, wanted);
    }
    return found ? BTZ_OK : btz_fail(BTZ_DENIED, "token: it is for somebody else (\"aud\")");
}

static enum btz_err check_claims(const json_t *claims, const struct btz_jwt_rules *rules)
{
    const json_t *sub = json_object_get(claims, "sub");

    if (!json_is_object(claims))
        return btz_fail(BTZ_INPUT, "token: the claims are not an object");
    if (!is_text(json_object_get(claims, "iss"), rules->issuer))
        return btz_fail(BTZ_DENIED, "token: it is of another issuer");
    BTZ_TRY(check_audience(claims, rules->audience));
    BTZ_TRY(check_dates(claims, rules));
    if (!json_is_string(sub) || json_string_length(sub) == 0 ||
        json_string_length(sub) > SUBJECT_MAX)
        return btz_fail(BTZ_DENIED, "token: \"sub\" is text of 1 to %d bytes", SUBJECT_MAX);
    return BTZ_OK;
}

enum btz_err btz_jwt_verify(struct btz_slice token, const struct btz_jws_rules *jws,
                            const struct btz_jwt_rules *rules, json_t **claims)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_jws verified = { 0 };
    json_t *object = NULL;
    enum btz_err err;

    btz_arena_init(&arena, (size_t)1 << 20);
    if (rules->leeway_s > BTZ_JWT_LEEWAY_MAX_S || !rules->issuer || !rules->audience ||
        !rules->types || jws->detached || jws->unencoded)
        return btz_fail(BTZ_USAGE,
                        "rules for tokens need issuer, audience and types, and a leeway "
                        "of at most %d s",
                        BTZ_JWT_LEEWAY_MAX_S);
    BTZ_TRY(btz_jws_verify(token, jws, &arena, &verified));
    err = check_type(verified.header, rules);
    if (err == BTZ_OK)
        err = btz_json_parse(verified.payload, BTZ_JOSE_TOKEN_MAX, "token", &object);
    if (err == BTZ_OK)
        err = check_claims(object, rules);
    btz_jws_release(&verified);
    if (err == BTZ_OK)
        *claims = object;
    else
        json_decref(object);
    return err;
}

enum btz_err btz_jwt_peek_issuer(struct btz_slice token, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_JOSE_TOKEN_MAX);
    BTZ_JSON json_t *claims = NULL;
    size_t first = btz_slice_find(token, btz_str("."), 0), second;
    struct btz_slice issuer;

    if (token.len > BTZ_JOSE_TOKEN_MAX)
        return btz_fail(BTZ_LIMIT, "token: larger than %d bytes", BTZ_JOSE_TOKEN_MAX);
    second = first == SIZE_MAX ? SIZE_MAX : btz_slice_find(token, btz_str("."), first + 1);
    if (second == SIZE_MAX)
        return btz_fail(BTZ_INPUT, "token: expected header.claims.signature");
    BTZ_TRY(btz_base64url_decode(btz_slice_sub(token, first + 1, second - first - 1), &raw));
    BTZ_TRY(btz_json_parse(btz_buf_slice(&raw), BTZ_JOSE_TOKEN_MAX, "token", &claims));
    if (!btz_json_get_text(claims, "iss", &issuer))
        return btz_fail(BTZ_INPUT, "token: \"iss\" is missing");
    return btz_buf_add_slice(out, issuer);
}

enum btz_err btz_jwt_sign(const struct btz_jwk *key, enum btz_jose_alg alg, const char *typ,
                          const json_t *claims, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOSE_TOKEN_MAX);
    BTZ_JSON json_t *header = typ ? json_pack("{s:s}", "typ", typ) : NULL;

    BTZ_TRY(btz_json_write(claims, false, &text));
    return btz_jws_sign(key, alg, header, btz_buf_slice(&text), out);
}
