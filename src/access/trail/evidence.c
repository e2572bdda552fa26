/* Evidence for auditors' eyes: sealed to their public key by whoever writes the trail, opened with the private key,
 * which no machine of the installation has. */
#include "access/trail/handle.h"

#include <sodium.h>

static void to_base64(const uint8_t key[32], char out[BTZ_AUDITOR_KEY_TEXT])
{
    sodium_bin2base64(out, BTZ_AUDITOR_KEY_TEXT, key, 32, sodium_base64_VARIANT_ORIGINAL);
}

void btz_auditor_key_new(char secret[BTZ_AUDITOR_KEY_TEXT], char shared[BTZ_AUDITOR_KEY_TEXT])
{
    uint8_t pk[crypto_box_PUBLICKEYBYTES], sk[crypto_box_SECRETKEYBYTES];

    crypto_box_keypair(pk, sk);
    to_base64(sk, secret);
    to_base64(pk, shared);
    btz_wipe(sk, sizeof sk);
}

enum btz_err btz_auditor_key_parse(struct btz_slice text, uint8_t out[32])
{
    struct btz_slice trimmed = btz_slice_trim(text);
    uint8_t key[32];
    size_t len = 0;
    const char *end = NULL;

    if (trimmed.len != BTZ_AUDITOR_KEY_TEXT - 1 ||
        sodium_base642bin(key, sizeof key, (const char *)trimmed.ptr, trimmed.len, NULL, &len, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        len != sizeof key)
        return btz_fail(BTZ_INPUT, "not an auditor key: expected %d characters of base64",
                        BTZ_AUDITOR_KEY_TEXT - 1);
    memcpy(out, key, sizeof key);
    btz_wipe(key, sizeof key);
    return BTZ_OK;
}

enum btz_err btz_auditor_open(const uint8_t secret[32], struct btz_slice sealed,
                              struct btz_buf *out)
{
    uint8_t pk[crypto_box_PUBLICKEYBYTES];

    if (sealed.len < crypto_box_SEALBYTES)
        return btz_fail(BTZ_DENIED, "sealed evidence of %zu bytes is too short", sealed.len);
    if (crypto_scalarmult_base(pk, secret) != 0)
        return btz_fail(BTZ_DENIED, "not a private key");
    BTZ_TRY(btz_buf_reserve(out, sealed.len));
    if (crypto_box_seal_open(out->ptr + out->len, sealed.ptr, sealed.len, pk, secret) != 0)
        return btz_fail(BTZ_DENIED, "the evidence does not open: sealed to another key, or "
                                    "damaged");
    out->len += sealed.len - crypto_box_SEALBYTES;
    return BTZ_OK;
}

struct digest {
    char hex[65];
    bool found;
};

static enum btz_err on_digest(void *user, const struct btz_value *columns, size_t count)
{
    struct digest *d = user;

    (void)count;
    snprintf(d->hex, sizeof d->hex, "%.*s", BTZ_SLICE_ARG(columns[0].bytes));
    d->found = true;
    return BTZ_OK;
}

enum btz_err btz_trail_secret(struct btz_trail *t, struct btz_store *s, const char *id,
                              struct btz_buf *sealed)
{
    struct btz_value values[] = { btz_value_str(t->home), btz_value_str(id) };
    struct digest d = { .found = false };
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_ledger *l;
    enum btz_err err;

    BTZ_TRY(btz_store_query(s,
                            "SELECT digest FROM trail_evidence WHERE ledger = ? AND entry = ?"
                            " AND kind = 'secret'",
                            values, BTZ_COUNT(values), on_digest, &d));
    if (!d.found)
        return btz_fail(BTZ_INPUT, "entry %s has no sealed evidence, or it was deleted", id);
    BTZ_TRY(btz_unhex(btz_str(d.hex), digest, sizeof digest));
    BTZ_TRY(btz_ledger_open(t->dir, BTZ_LEDGER_READ, &l));
    err = btz_ledger_get_evidence(l, digest, sealed);
    btz_ledger_close(l);
    return err;
}
