/*
 * Client certificates: what one says of itself. TRUST: whoever calls vouches that TLS has verified the chain up to the
 * installation's own authority, and that the client holds the key.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "access/oidc.h"

/* OpenSSL would ask a terminal for the password of an "encrypted" certificate. */
static int no_password(char *buf, int size, int writing, void *user)
{
    (void)buf, (void)size, (void)writing, (void)user;
    return -1;
}

static bool to_seconds(const ASN1_TIME *t, uint64_t *out)
{
    struct tm tm = { 0 };
    time_t at;

    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    at = timegm(&tm);
    *out = at > 0 ? (uint64_t)at : 0;
    return true;
}

static enum btz_err take_subject(X509 *x, struct btz_cert *c)
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum btz_err err = BTZ_OK;
    char *text = NULL;
    long len = 0;

    if (!bio || X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) < 0)
        err = btz_fail(BTZ_INPUT, "certificate: its subject cannot be read");
    if (err == BTZ_OK)
        len = BIO_get_mem_data(bio, &text);
    if (err == BTZ_OK && (len < 0 || (size_t)len >= sizeof c->subject))
        err = btz_fail(BTZ_LIMIT, "certificate: subject longer than %zu bytes",
                       sizeof c->subject - 1);
    if (err == BTZ_OK && len > 0)
        memcpy(c->subject, text, (size_t)len);
    BIO_free(bio);
    return err;
}

/* Only printable characters: a NUL within has let others impersonate before. */
static enum btz_err take_name(const char *kind, const ASN1_IA5STRING *value, struct btz_cert *c)
{
    const uint8_t *p = ASN1_STRING_get0_data(value);
    int len = ASN1_STRING_length(value);
    char *out;

    if (c->name_count == BTZ_CERT_NAMES || len < 0 ||
        (size_t)len + strlen(kind) >= sizeof c->names[0])
        return btz_fail(BTZ_LIMIT, "certificate: more than %d alternative names, or one too long",
                        BTZ_CERT_NAMES);
    for (int i = 0; i < len; i++)
        if (p[i] <= 0x20 || p[i] >= 0x7F)
            return btz_fail(BTZ_INPUT, "certificate: an alternative name is not printable");
    out = c->names[c->name_count++];
    snprintf(out, sizeof c->names[0], "%s%.*s", kind, len, (const char *)p);
    return BTZ_OK;
}

static enum btz_err take_names(X509 *x, struct btz_cert *c)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    enum btz_err err = BTZ_OK;

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && err == BTZ_OK; i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

        if (n->type == GEN_DNS)
            err = take_name("dns:", n->d.dNSName, c);
        else if (n->type == GEN_EMAIL)
            err = take_name("email:", n->d.rfc822Name, c);
        else if (n->type == GEN_URI)
            err = take_name("uri:", n->d.uniformResourceIdentifier, c);
    }
    GENERAL_NAMES_free(names);
    return err;
}

static enum btz_err take_certificate(X509 *x, struct btz_cert *c)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    uint32_t flags = X509_get_extension_flags(x), usage = X509_get_extended_key_usage(x);

    if (flags & EXFLAG_INVALID)
        return btz_fail(BTZ_INPUT, "certificate: an extension is ill-formed");
    if (flags & EXFLAG_CA)
        return btz_fail(BTZ_DENIED, "certificate: it is that of an authority");
    /* UINT32_MAX: the extension is absent, and nothing is forbidden (RFC 5280 section 4.2.1.12). */
    if (usage != UINT32_MAX && !(usage & (XKU_SSL_CLIENT | XKU_ANYEKU)))
        return btz_fail(BTZ_DENIED, "certificate: its extended key usage is not for clients");
    if (X509_digest(x, EVP_sha256(), digest, &len) != 1 || len != BTZ_SHA256_LEN)
        return btz_fail(BTZ_INTERNAL, "certificate: no fingerprint");
    btz_hex(digest, BTZ_SHA256_LEN, c->fingerprint);
    if (!to_seconds(X509_get0_notBefore(x), &c->from_s) ||
        !to_seconds(X509_get0_notAfter(x), &c->until_s))
        return btz_fail(BTZ_INPUT, "certificate: its dates cannot be read");
    BTZ_TRY(take_subject(x, c));
    return take_names(x, c);
}

enum btz_err btz_cert_parse(struct btz_slice pem, struct btz_cert *out)
{
    struct btz_cert c = { 0 };
    enum btz_err err;
    BIO *bio;
    X509 *x;

    if (pem.len > BTZ_CERT_PEM_MAX)
        return btz_fail(BTZ_LIMIT, "certificate: larger than %d bytes", BTZ_CERT_PEM_MAX);
    bio = BIO_new_mem_buf(pem.ptr ? (const void *)pem.ptr : "", (int)pem.len);
    x = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    err =
        x ? take_certificate(x, &c) : btz_fail(BTZ_INPUT, "certificate: expected one in PEM form");
    X509_free(x);
    ERR_clear_error();
    if (err == BTZ_OK)
        *out = c;
    return err;
}

bool btz_cert_is_valid_at(const struct btz_cert *c, uint64_t now_s)
{
    return now_s >= c->from_s && now_s <= c->until_s;
}
