/* Keys of months: one random key for the content of a month's entries, sealed in the store. Deleting it is what
 * retention does. */
#include "access/trail/handle.h"

#include <sodium.h>

_Static_assert(BTZ_TRAIL_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "a nonce");

#define ABOUT_SIZE 32
#define KEY_NAME   8
#define HEAD       (KEY_NAME + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)

void btz_trail_month(uint64_t unix_ms, char out[BTZ_TRAIL_MONTH])
{
    char text[BTZ_TIME_TEXT];

    btz_time_format(unix_ms, text);
    snprintf(out, BTZ_TRAIL_MONTH, "%.7s", text);
}

struct key_row {
    const struct btz_trail *t;
    const char *about;
    uint8_t *key;
    bool *found;
};

static enum btz_err on_key(void *user, const struct btz_value *columns, size_t count)
{
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(256);
    struct key_row *row = user;
    enum btz_err err;

    (void)count;
    BTZ_TRY(btz_buf_reserve(&clear, 128));
    err = btz_unseal(row->t->seal, row->about, columns[0].bytes, &clear);
    if (err == BTZ_OK && clear.len != BTZ_TRAIL_KEY)
        err = btz_fail(BTZ_INPUT, "%s: a key of %zu bytes", row->about, clear.len);
    if (err == BTZ_OK) {
        memcpy(row->key, clear.ptr, BTZ_TRAIL_KEY);
        *row->found = true;
    }
    if (clear.ptr)
        btz_wipe(clear.ptr, clear.cap);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "key of the trail's month");
}

static enum btz_err make_key(const struct btz_trail *t, struct btz_store *s, const char *month,
                             const char *about, uint8_t key[BTZ_TRAIL_KEY])
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(512);
    struct btz_value values[3];

    btz_random_bytes(key, BTZ_TRAIL_KEY);
    BTZ_TRY(btz_seal(t->seal, about, btz_slice_of(key, BTZ_TRAIL_KEY), &sealed));
    values[0] = btz_value_str(month);
    values[1] = btz_value_blob(sealed.ptr, sealed.len);
    values[2] = btz_value_int((int64_t)t->now_ms(t->user));
    return btz_store_run(s,
                         "INSERT INTO trail_months (month, sealed, made_ms, entries)"
                         " VALUES (?, ?, ?, 0)",
                         values, BTZ_COUNT(values), NULL);
}

enum btz_err btz_month_key(const struct btz_trail *t, struct btz_store *s, const char *month,
                           bool make, uint8_t key[BTZ_TRAIL_KEY], bool *found)
{
    struct btz_value value = btz_value_str(month);
    char about[ABOUT_SIZE];
    struct key_row row = { .t = t, .about = about, .key = key, .found = found };

    *found = false;
    snprintf(about, sizeof about, "trail_months/%s", month);
    BTZ_TRY(btz_store_query(s, "SELECT sealed FROM trail_months WHERE month = ?", &value, 1, on_key,
                            &row));
    if (*found || !make)
        return BTZ_OK;
    *found = true;
    return make_key(t, s, month, about, key);
}

/* Tells keys of one month apart when the clock went back and a deleted month got a second one. */
static void name_key(const uint8_t key[BTZ_TRAIL_KEY], uint8_t out[KEY_NAME])
{
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256_2(btz_str("bartizan/trail/month-key"), btz_slice_of(key, BTZ_TRAIL_KEY), digest);
    memcpy(out, digest, KEY_NAME);
}

enum btz_err btz_month_seal(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                            struct btz_slice clear, struct btz_buf *out)
{
    uint8_t nonce[BTZ_TRAIL_NONCE];

    btz_random_bytes(nonce, sizeof nonce);
    return btz_month_seal_with(key, about, nonce, clear, out);
}

enum btz_err btz_month_seal_with(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                                 const uint8_t nonce[BTZ_TRAIL_NONCE], struct btz_slice clear,
                                 struct btz_buf *out)
{
    unsigned long long len;
    uint8_t *to;

    BTZ_TRY(btz_buf_reserve(out, HEAD + clear.len + crypto_aead_xchacha20poly1305_ietf_ABYTES));
    to = out->ptr + out->len;
    name_key(key, to);
    memcpy(to + KEY_NAME, nonce, BTZ_TRAIL_NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(to + HEAD, &len, clear.ptr, clear.len,
                                               (const uint8_t *)about, strlen(about), NULL, nonce,
                                               key);
    out->len += HEAD + (size_t)len;
    return BTZ_OK;
}

enum btz_err btz_month_open(const uint8_t key[BTZ_TRAIL_KEY], const char *about,
                            struct btz_slice sealed, struct btz_buf *out)
{
    uint8_t name[KEY_NAME];
    unsigned long long len;

    if (sealed.len < HEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES)
        return btz_fail(BTZ_INPUT, "sealed content of %zu bytes is too short", sealed.len);
    name_key(key, name);
    if (memcmp(name, sealed.ptr, sizeof name) != 0)
        return btz_fail(BTZ_DENIED, "content of %s is of a key that was deleted", about);
    BTZ_TRY(btz_buf_reserve(out, sealed.len));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            out->ptr + out->len, &len, NULL, sealed.ptr + HEAD, sealed.len - HEAD,
            (const uint8_t *)about, strlen(about), sealed.ptr + KEY_NAME, key) != 0)
        return btz_fail(BTZ_INPUT, "content of %s does not open: damaged, or of another entry",
                        about);
    out->len += (size_t)len;
    return BTZ_OK;
}
