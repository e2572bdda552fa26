/* Settings of issuers: what the table says, and what it cannot say. */
#include "access/oidc.h"

static const struct btz_conf_key map_keys[] = {
    { .name = "claim",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_issuer_map, claim),
      .fallback = "groups",
      .help = "Claim of the ID token that is looked at: a text or a list of texts." },
    { .name = "value",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_issuer_map, value),
      .help = "What must be in the claim.",
      .required = true },
    { .name = "group",
      .kind = BTZ_CONF_STRING,
      .offset = offsetof(struct btz_issuer_map, group),
      .help =
          "Group that such people are put into at each sign-in, and taken out of when the claim is "
          "gone.",
      .required = true },
};
static const struct btz_conf_struct map_struct = { "map", sizeof(struct btz_issuer_map), map_keys,
                                                   BTZ_COUNT(map_keys) };

#define AT(member) offsetof(struct btz_issuer_conf, member)
static const struct btz_conf_key issuer_keys[] = {
    { .name = "name",
      .kind = BTZ_CONF_STRING,
      .offset = AT(name),
      .help = "Name in addresses and in the audit trail: small letters, digits and \"-\".",
      .required = true },
    { .name = "title",
      .kind = BTZ_CONF_STRING,
      .offset = AT(title),
      .help = "Text on the button of the sign-in page." },
    { .name = "url",
      .kind = BTZ_CONF_STRING,
      .offset = AT(url),
      .help = "Issuer identifier, https; below it lies .well-known/openid-configuration.",
      .required = true },
    { .name = "client_id",
      .kind = BTZ_CONF_STRING,
      .offset = AT(client_id),
      .help =
          "Client that the issuer knows us as. Empty: nobody signs in by it, it only issues bearer "
          "tokens." },
    { .name = "client_secret",
      .kind = BTZ_CONF_SECRET,
      .offset = AT(client_secret),
      .help = "Secret of the client; empty for a public client, which PKCE protects alone." },
    { .name = "scopes",
      .kind = BTZ_CONF_STRINGS,
      .offset = AT(scopes),
      .help = "Scopes asked for besides openid, such as profile or groups." },
    { .name = "audience",
      .kind = BTZ_CONF_STRING,
      .offset = AT(audience),
      .help = "\"aud\" of bearer tokens that are accepted. Empty: none are." },
    { .name = "token_type",
      .kind = BTZ_CONF_STRING,
      .offset = AT(token_type),
      .fallback = "at+jwt",
      .help = "\"typ\" of bearer tokens (RFC 9068). Empty: any, for issuers that do not say." },
    { .name = "algorithms",
      .kind = BTZ_CONF_STRINGS,
      .offset = AT(algorithms),
      .help = "Signature algorithms accepted: RS256, ES256, EdDSA ... Empty: RS256 and ES256." },
    { .name = "name_claim",
      .kind = BTZ_CONF_STRING,
      .offset = AT(name_claim),
      .fallback = "preferred_username",
      .help = "Claim that gives new users their name." },
    { .name = "create_users",
      .kind = BTZ_CONF_BOOL,
      .offset = AT(create_users),
      .fallback = "false",
      .help =
          "Make a user at the first sign-in; otherwise only those who are linked may sign in." },
    { .name = "second_factor",
      .kind = BTZ_CONF_BOOL,
      .offset = AT(second_factor),
      .fallback = "false",
      .help = "Believe \"mfa\" in the claim amr: the sign-in then counts as two factors." },
    { .name = "maps",
      .kind = BTZ_CONF_STRUCTS,
      .offset = AT(maps),
      .help = "Groups by claims.",
      .of = &map_struct },
};
const struct btz_conf_struct btz_issuer_conf_struct = { "issuer", sizeof(struct btz_issuer_conf),
                                                        issuer_keys, BTZ_COUNT(issuer_keys) };

static bool is_given(const char *text)
{
    return text && text[0];
}

enum btz_err btz_issuer_algorithms(const struct btz_issuer_conf *c, unsigned *out)
{
    const char *const *names = c->algorithms.items;
    unsigned algs = 0;

    if (c->algorithms.count == 0)
        algs = BTZ_JOSE_BIT(BTZ_JOSE_RS256) | BTZ_JOSE_BIT(BTZ_JOSE_ES256);
    for (size_t i = 0; i < c->algorithms.count; i++) {
        enum btz_jose_alg alg;

        if (btz_jose_alg_find(names[i], &alg) != BTZ_OK)
            return btz_fail_context(BTZ_USAGE, "issuer %s: `%.40s`", c->name, names[i]);
        algs |= BTZ_JOSE_BIT(alg);
    }
    if ((algs & BTZ_JOSE_HMAC) && (algs & BTZ_JOSE_PUBLIC))
        return btz_fail(BTZ_USAGE,
                        "issuer %s: algorithms of secrets (HS...) and of public keys "
                        "cannot be accepted together",
                        c->name);
    *out = algs;
    return BTZ_OK;
}

/* No user, no query, no fragment: OpenID Connect Discovery section 3. */
static bool is_issuer_url(const char *url)
{
    struct btz_slice s = btz_str(url), prefix = btz_str("https://");

    if (!btz_slice_has_prefix(s, prefix) || s.len == prefix.len || s.len > 512)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= 0x20 || s.ptr[i] >= 0x7F || strchr("?#@\\\"<>", s.ptr[i]))
            return false;
    return s.ptr[prefix.len] != '/';
}

enum btz_err btz_issuer_check(const struct btz_issuer_conf *c)
{
    size_t len = strlen(c->name);
    unsigned algs;

    if (len == 0 || len > 32 || strspn(c->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return btz_fail(BTZ_USAGE,
                        "issuer `%.40s`: names have 1 to 32 small letters, digits and "
                        "\"-\"",
                        c->name);
    if (!is_issuer_url(c->url))
        return btz_fail(BTZ_USAGE,
                        "issuer %s: url: expected https://host/path without query and "
                        "fragment",
                        c->name);
    BTZ_TRY(btz_issuer_algorithms(c, &algs));
    if ((algs & BTZ_JOSE_HMAC) && !is_given(c->client_secret))
        return btz_fail(BTZ_USAGE, "issuer %s: HS... needs the client_secret", c->name);
    if (!is_given(c->client_id) && !is_given(c->audience))
        return btz_fail(BTZ_USAGE,
                        "issuer %s: give a client_id (people sign in), an audience "
                        "(bearer tokens are accepted), or both",
                        c->name);
    /* An ID token must not pass for an access token: RFC 8725 section 3.11. */
    if (is_given(c->client_id) && is_given(c->audience) && strcmp(c->client_id, c->audience) == 0)
        return btz_fail(BTZ_USAGE,
                        "issuer %s: audience and client_id must differ, or ID tokens "
                        "would pass for access tokens",
                        c->name);
    return BTZ_OK;
}
