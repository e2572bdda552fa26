/* JSON Web Signatures: one signature and the compact form. RFC 7515, RFC 7797, by the advice of RFC 8725. */
#include "access/federation/jws.h"
#include "access/federation/jwk.h"

#define TRIES_MAX                                                                                  \
    8 /* keys that one signature is tried with: each costs an attacker nothing and us a verification */

enum btz_err btz_jws_check_rules(const struct btz_jws_rules *rules)
{
    if (rules->algorithms == 0 || rules->algorithms >= BTZ_JOSE_BIT(BTZ_JOSE_ALGS) ||
        ((rules->algorithms & BTZ_JOSE_HMAC) && (rules->algorithms & BTZ_JOSE_PUBLIC)))
        return btz_fail(BTZ_USAGE, "signatures are expected by public keys or by secrets, "
                                   "never by both");
    return BTZ_OK;
}

void btz_jws_release(struct btz_jws *jws)
{
    json_decref(jws->header);
    *jws = (struct btz_jws){ 0 };
}

/* ---- header ---- */

static enum btz_err parse_header(struct btz_slice text, json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_JWS_HEADER_MAX);
    json_t *header;

    if (text.len > BTZ_JWS_HEADER_MAX)
        return btz_fail(BTZ_LIMIT, "signature: header larger than %d bytes", BTZ_JWS_HEADER_MAX);
    BTZ_TRY(btz_base64url_decode(text, &raw));
    BTZ_TRY(btz_json_parse(btz_buf_slice(&raw), BTZ_JWS_HEADER_MAX, "signature: header", &header));
    if (!json_is_object(header)) {
        json_decref(header);
        return btz_fail(BTZ_INPUT, "signature: the header is not an object");
    }
    *out = header;
    return BTZ_OK;
}

/* Protected and unprotected parameters in one object; names must not be in both (RFC 7515, 7.2.1). */
static enum btz_err join_headers(const struct btz_jws_part *part, json_t **protected_out,
                                 json_t **joined)
{
    json_t *prot = NULL, *all;
    const char *name;
    json_t *value;

    if (part->protected_text.len)
        BTZ_TRY(parse_header(part->protected_text, &prot));
    all = prot ? json_copy(prot) : json_object();
    json_object_foreach((json_t *)(uintptr_t)part->unprotected, name,
                        value) if (json_object_get(all, name) ||
                                   json_object_set(all, name, value) != 0)
    {
        json_decref(prot);
        json_decref(all);
        return btz_fail(BTZ_INPUT,
                        "signature: a parameter stands in the protected and the other header");
    }
    if (!all) {
        json_decref(prot);
        return btz_fail(BTZ_LIMIT, "out of memory for a signature");
    }
    *protected_out = prot;
    *joined = all;
    return BTZ_OK;
}

static enum btz_err check_crit(const json_t *prot, const json_t *all, bool unencoded, bool *has_b64)
{
    const json_t *crit = json_object_get(all, "crit"), *name;
    size_t i;

    *has_b64 = false;
    if (!crit)
        return BTZ_OK;
    if (json_object_get(prot, "crit") != crit || !json_is_array(crit) || json_array_size(crit) == 0)
        return btz_fail(BTZ_INPUT, "signature: \"crit\" is a protected, non-empty array");
    json_array_foreach(crit, i, name)
    {
        /* The one extension known; a name given twice is an error, too. */
        if (!json_is_string(name) || strcmp(json_string_value(name), "b64") != 0 || !unencoded)
            return btz_fail(BTZ_DENIED, "signature: \"crit\" asks for something that is not known");
        if (*has_b64)
            return btz_fail(BTZ_INPUT, "signature: \"crit\" names a parameter twice");
        *has_b64 = true;
    }
    return BTZ_OK;
}

/* Refuses what brings its own keys; tells whether the payload is encoded. */
static enum btz_err check_header(const json_t *prot, const json_t *all, bool unencoded,
                                 bool *encoded)
{
    static const char *const keys[] = { "jwk", "jku", "x5c", "x5u" };
    const json_t *b64 = json_object_get(all, "b64");
    bool critical;

    for (size_t i = 0; i < BTZ_COUNT(keys); i++)
        if (json_object_get(all, keys[i]))
            return btz_fail(BTZ_DENIED, "signature: the header brings its own key in \"%s\"",
                            keys[i]);
    BTZ_TRY(check_crit(prot, all, unencoded, &critical));
    *encoded = true;
    if (!b64 && !critical)
        return BTZ_OK;
    if (!critical || !json_is_boolean(b64) || json_object_get(prot, "b64") != b64)
        return btz_fail(BTZ_DENIED, "signature: \"b64\" is a protected boolean that \"crit\" names "
                                    "(RFC 7797 section 6)");
    *encoded = json_is_true(b64);
    return BTZ_OK;
}

static enum btz_err get_text(const json_t *all, const char *name, bool required, const char **out)
{
    const json_t *value = json_object_get(all, name);

    *out = NULL;
    if (!value && !required)
        return BTZ_OK;
    if (!json_is_string(value))
        return btz_fail(BTZ_INPUT, "signature: expected text in \"%s\" of the header", name);
    *out = json_string_value(value);
    return BTZ_OK;
}

/* ---- payload ---- */

/* What is signed, and the payload itself. */
static enum btz_err signing_input(const struct btz_jws_part *part,
                                  const struct btz_jws_rules *rules, bool encoded,
                                  struct btz_arena *arena, struct btz_slice *payload,
                                  struct btz_buf *input)
{
    struct btz_slice text = part->payload;

    if (rules->detached ? part->has_payload && text.len > 0 : !part->has_payload)
        return btz_fail(BTZ_INPUT, "signature: the payload %s",
                        rules->detached ? "must be absent" : "is missing");
    BTZ_TRY(btz_buf_add_slice(input, part->protected_text));
    BTZ_TRY(btz_buf_add_byte(input, '.'));
    if (rules->detached) {
        *payload = rules->payload;
        return encoded ? btz_base64url_encode(rules->payload, input)
                       : btz_buf_add_slice(input, rules->payload);
    }
    BTZ_TRY(btz_buf_add_slice(input, text));
    if (!encoded)
        return btz_arena_copy(arena, text, payload);
    {
        BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(text.len + 3);

        BTZ_TRY(btz_base64url_decode(text, &raw));
        return btz_arena_copy(arena, btz_buf_slice(&raw), payload);
    }
}

/* ---- keys ---- */

static bool may_have_made(const struct btz_jwk *key, const char *kid, enum btz_jose_alg alg)
{
    return (btz_jwk_algs(key) & BTZ_JOSE_BIT(alg)) &&
           (!kid || !btz_jwk_kid(key) || strcmp(kid, btz_jwk_kid(key)) == 0);
}

static enum btz_err try_keys(const struct btz_jws_rules *rules, const char *kid,
                             enum btz_jose_alg alg, struct btz_slice input,
                             struct btz_slice signature, bool *ours, struct btz_jws *out)
{
    unsigned tries = 0;
    enum btz_err err = btz_fail(BTZ_DENIED, "signature: no key of ours fits");

    for (size_t i = 0; i < rules->keys->count && tries < TRIES_MAX; i++) {
        const struct btz_jwk *key = rules->keys->keys[i];

        if (!may_have_made(key, kid, alg))
            continue;
        *ours = true;
        tries++;
        err = btz_jose_verify(key, alg, input, signature);
        if (err == BTZ_OK) {
            out->key = key;
            out->alg = alg;
            return BTZ_OK;
        }
        if (err != BTZ_DENIED)
            return err;
    }
    return err;
}

static enum btz_err verify_joined(const struct btz_jws_part *part,
                                  const struct btz_jws_rules *rules, const json_t *prot,
                                  const json_t *all, struct btz_arena *arena, bool *ours,
                                  struct btz_jws *out)
{
    BTZ_BUF_RELEASE struct btz_buf signature = BTZ_BUF(2048);
    BTZ_BUF_RELEASE struct btz_buf input = BTZ_BUF((size_t)4 << 20);
    const char *alg_name, *kid;
    enum btz_jose_alg alg;
    bool encoded;

    BTZ_TRY(check_header(prot, all, rules->unencoded, &encoded));
    BTZ_TRY(get_text(all, "alg", true, &alg_name));
    BTZ_TRY(get_text(all, "kid", false, &kid));
    if (btz_jose_alg_find(alg_name, &alg) != BTZ_OK || !(rules->algorithms & BTZ_JOSE_BIT(alg)))
        return btz_fail(BTZ_DENIED, "signature: an algorithm that these keys do not sign with");
    BTZ_TRY(btz_base64url_decode(part->signature, &signature));
    BTZ_TRY(signing_input(part, rules, encoded, arena, &out->payload, &input));
    return try_keys(rules, kid, alg, btz_buf_slice(&input), btz_buf_slice(&signature), ours, out);
}

enum btz_err btz_jws_verify_part(const struct btz_jws_part *part, const struct btz_jws_rules *rules,
                                 struct btz_arena *arena, bool *ours, struct btz_jws *out)
{
    json_t *prot = NULL, *all = NULL;
    struct btz_jws jws = { 0 };
    enum btz_err err;

    *ours = false;
    BTZ_TRY(join_headers(part, &prot, &all));
    err = verify_joined(part, rules, prot, all, arena, ours, &jws);
    json_decref(prot);
    if (err == BTZ_OK) {
        jws.header = all;
        *out = jws;
    } else {
        json_decref(all);
    }
    return err;
}

/* ---- compact form ---- */

static enum btz_err split(struct btz_slice text, struct btz_jws_part *part)
{
    struct btz_slice dot = btz_str(".");
    size_t first, second;

    if (text.len > BTZ_JOSE_TOKEN_MAX)
        return btz_fail(BTZ_LIMIT, "signature: text larger than %d bytes", BTZ_JOSE_TOKEN_MAX);
    first = btz_slice_find(text, dot, 0);
    second = first == SIZE_MAX ? SIZE_MAX : btz_slice_find(text, dot, first + 1);
    if (second == SIZE_MAX || btz_slice_find(text, dot, second + 1) != SIZE_MAX || first == 0)
        return btz_fail(BTZ_INPUT, "signature: expected header.payload.signature");
    *part = (struct btz_jws_part){
        .protected_text = btz_slice_sub(text, 0, first),
        .payload = btz_slice_sub(text, first + 1, second - first - 1),
        .has_payload = true,
        .signature = btz_slice_sub(text, second + 1, text.len),
    };
    return BTZ_OK;
}

enum btz_err btz_jws_verify(struct btz_slice text, const struct btz_jws_rules *rules,
                            struct btz_arena *arena, struct btz_jws *out)
{
    struct btz_jws_part part;
    bool ours;

    BTZ_TRY(btz_jws_check_rules(rules));
    BTZ_TRY(split(text, &part));
    return btz_jws_verify_part(&part, rules, arena, &ours, out);
}

enum btz_err btz_jws_peek(struct btz_slice text, json_t **header)
{
    struct btz_jws_part part;

    BTZ_TRY(split(text, &part));
    return parse_header(part.protected_text, header);
}

enum btz_err btz_jws_sign(const struct btz_jwk *key, enum btz_jose_alg alg, const json_t *header,
                          struct btz_slice payload, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JWS_HEADER_MAX);
    BTZ_BUF_RELEASE struct btz_buf signature = BTZ_BUF(2048);
    BTZ_JSON json_t *all = json_object();
    size_t start = out->len;
    struct btz_slice input;

    if (!all || json_object_set_new(all, "alg", json_string(btz_jose_alg_name(alg))) != 0 ||
        (btz_jwk_kid(key) && json_object_set_new(all, "kid", json_string(btz_jwk_kid(key))) != 0) ||
        (header && json_object_update_missing(all, (json_t *)(uintptr_t)header) != 0))
        return btz_fail(BTZ_LIMIT, "out of memory for a signature");
    BTZ_TRY(btz_json_write(all, false, &text));
    BTZ_TRY(btz_base64url_encode(btz_buf_slice(&text), out));
    BTZ_TRY(btz_buf_add_byte(out, '.'));
    BTZ_TRY(btz_base64url_encode(payload, out));
    input = btz_slice_of(out->ptr + start, out->len - start);
    BTZ_TRY(btz_jose_sign(key, alg, input, &signature));
    BTZ_TRY(btz_buf_add_byte(out, '.'));
    return btz_base64url_encode(btz_buf_slice(&signature), out);
}
