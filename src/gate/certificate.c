/* Certificates for the front: a first one of our own, and a look at those that are given. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "gate/front.h"

#define LIFE_S     (397L * 86400) /* browsers refuse more */
#define RENEW_S    (7L * 86400)
#define PEM_MAX    262144
#define SERIAL_LEN 16

struct pair {
    X509 *certificate;
    EVP_PKEY *key;
};

static void pair_release(struct pair *p)
{
    X509_free(p->certificate);
    EVP_PKEY_free(p->key);
}
#define PAIR_SCOPE __attribute__((cleanup(pair_release)))

static enum btz_err openssl_fail(enum btz_err err, const char *what)
{
    char text[160];

    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return btz_fail(err, "%s: %s", what, text);
}

/* An encrypted key cannot be asked about: nobody is there to type. */
static int no_passphrase(char *buf, int size, int writing, void *user)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static enum btz_err read_pem(const char *path, struct btz_buf *bytes, BIO **out)
{
    BTZ_TRY(btz_file_read(path, PEM_MAX, bytes));
    *out = BIO_new_mem_buf(bytes->ptr, (int)bytes->len);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

static enum btz_err read_pair(const char *certificate, const char *key, struct pair *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(PEM_MAX);
    BIO *bio;

    BTZ_TRY(read_pem(certificate, &bytes, &bio));
    out->certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!out->certificate)
        return openssl_fail(BTZ_INPUT, certificate);
    btz_buf_clear(&bytes);
    BTZ_TRY(read_pem(key, &bytes, &bio));
    out->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    btz_wipe(bytes.ptr, bytes.len);
    if (!out->key)
        return openssl_fail(BTZ_INPUT, key);
    if (X509_check_private_key(out->certificate, out->key) != 1) {
        ERR_clear_error();
        return btz_fail(BTZ_INPUT, "%s does not belong to the certificate %s", key, certificate);
    }
    return BTZ_OK;
}

enum btz_err btz_front_check_pair(const char *certificate, const char *key)
{
    PAIR_SCOPE struct pair p = { 0 };

    BTZ_TRY(read_pair(certificate, key, &p));
    if (X509_cmp_current_time(X509_get0_notAfter(p.certificate)) < 0)
        return btz_fail(BTZ_INPUT, "%s: the certificate has expired", certificate);
    if (X509_cmp_current_time(X509_get0_notBefore(p.certificate)) > 0)
        return btz_fail(BTZ_INPUT, "%s: the certificate is not valid yet", certificate);
    return BTZ_OK;
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* In seconds of Unix time. */
static bool ends_at(const X509 *x, int64_t *out)
{
    struct tm end;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &end) != 1)
        return false;
    *out = timegm(&end);
    return true;
}

static bool is_good_still(const char *certificate, const char *key, const char *host,
                          int64_t *renew_s)
{
    PAIR_SCOPE struct pair p = { 0 };

    if (access(certificate, F_OK) != 0 || read_pair(certificate, key, &p) != BTZ_OK ||
        !ends_at(p.certificate, renew_s))
        return false;
    *renew_s -= RENEW_S;
    if (time(NULL) >= *renew_s)
        return false;
    return is_address(host) ? X509_check_ip_asc(p.certificate, host, 0) == 1
                            : X509_check_host(p.certificate, host, 0, 0, NULL) == 1;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool ok;

    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static bool set_serial(X509 *x)
{
    uint8_t bytes[SERIAL_LEN];
    BIGNUM *number;
    bool ok;

    btz_random_bytes(bytes, sizeof bytes);
    bytes[0] &= 0x7F;
    bytes[0] |= 0x40;
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return ok;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *host)
{
    static const unsigned char name[] = "bartizan (self-signed)";
    char names[256] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    X509_NAME *subject = X509_get_subject_name(x);

    if (strcmp(host, "localhost") != 0 && strcmp(host, "127.0.0.1") != 0 &&
        strcmp(host, "::1") != 0)
        snprintf(names + strlen(names), sizeof names - strlen(names), ",%s:%.120s",
                 is_address(host) ? "IP" : "DNS", host);
    return X509_set_version(x, 2) == 1 && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), -300) &&
           X509_gmtime_adj(X509_getm_notAfter(x), LIFE_S) && X509_set_pubkey(x, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, subject) == 1 &&
           add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, NID_subject_alt_name, names) &&
           add_extension(x, NID_subject_key_identifier, "hash") && X509_sign(x, key, EVP_sha256());
}

static enum btz_err write_bio(BIO *bio, const char *path, unsigned mode)
{
    char *bytes = NULL;
    long n = BIO_get_mem_data(bio, &bytes);

    if (n <= 0)
        return btz_fail(BTZ_INTERNAL, "%s: nothing to write", path);
    return btz_file_write(path, btz_slice_of(bytes, (size_t)n), mode);
}

static enum btz_err write_pair(const struct pair *p, const char *certificate, const char *key)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    enum btz_err err = BTZ_INTERNAL;

    if (bio && PEM_write_bio_PrivateKey(bio, p->key, NULL, NULL, 0, NULL, NULL) == 1)
        err = write_bio(bio, key, 0600);
    BIO_free(bio);
    BTZ_TRY(err);
    bio = BIO_new(BIO_s_mem());
    err = BTZ_INTERNAL;
    if (bio && PEM_write_bio_X509(bio, p->certificate) == 1)
        err = write_bio(bio, certificate, 0644);
    BIO_free(bio);
    return err;
}

enum btz_err btz_front_self_signed(const char *certificate, const char *key, const char *host,
                                   int64_t *renew_s)
{
    PAIR_SCOPE struct pair p = { 0 };

    if (is_good_still(certificate, key, host, renew_s))
        return BTZ_OK;
    p.key = EVP_EC_gen("P-256");
    p.certificate = X509_new();
    if (!p.key || !p.certificate || !fill(p.certificate, p.key, host) ||
        !ends_at(p.certificate, renew_s))
        return openssl_fail(BTZ_INTERNAL, "self-signed certificate");
    *renew_s -= RENEW_S;
    return write_pair(&p, certificate, key);
}
