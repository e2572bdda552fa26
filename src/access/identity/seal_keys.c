#include <sodium.h>

#include "access/identity/seal.h"

#define HEADER "bartizan seal keys 1\n"

void btz_hkdf(struct btz_slice secret, struct btz_slice salt, struct btz_slice info,
              uint8_t out[32])
{
    crypto_auth_hmacsha256_state mac;
    uint8_t prk[32];
    const uint8_t one = 1;

    crypto_auth_hmacsha256_init(&mac, salt.ptr, salt.len);
    crypto_auth_hmacsha256_update(&mac, secret.ptr, secret.len);
    crypto_auth_hmacsha256_final(&mac, prk);
    crypto_auth_hmacsha256_init(&mac, prk, sizeof prk);
    crypto_auth_hmacsha256_update(&mac, info.ptr, info.len);
    crypto_auth_hmacsha256_update(&mac, &one, 1);
    crypto_auth_hmacsha256_final(&mac, out);
    btz_wipe(&mac, sizeof mac);
    btz_wipe(prk, sizeof prk);
}

static void id_of(const uint8_t key[BTZ_RING_KEY], uint8_t out[BTZ_RING_ID])
{
    uint8_t digest[BTZ_SHA256_LEN];

    btz_sha256_2(btz_str("bartizan/seal/id/v1\n"), btz_slice_of(key, BTZ_RING_KEY), digest);
    memcpy(out, digest, BTZ_RING_ID);
}

enum btz_err btz_ring_add(struct btz_ring *r)
{
    if (r->count == BTZ_RING_KEYS)
        return btz_fail(BTZ_LIMIT, "%d seal keys are kept already; forget the older ones first",
                        BTZ_RING_KEYS);
    memmove(&r->key[1], &r->key[0], r->count * sizeof r->key[0]);
    r->count++;
    btz_random_bytes(r->key[0].bytes, BTZ_RING_KEY);
    id_of(r->key[0].bytes, r->key[0].id);
    return BTZ_OK;
}

/* ---- the file: a header, "root ID KEY", and "key ID KEY" for each key ---- */

static enum btz_err parse_line(struct btz_slice line, const char *word, uint8_t id[BTZ_RING_ID],
                               uint8_t key[BTZ_RING_KEY])
{
    size_t at = strlen(word);
    uint8_t want[BTZ_RING_ID];

    if (line.len != at + 2 * BTZ_RING_ID + 1 + 2 * BTZ_RING_KEY ||
        !btz_slice_has_prefix(line, btz_str(word)) || line.ptr[at + 2 * BTZ_RING_ID] != ' ')
        return btz_fail(BTZ_INPUT, "seal keys: expected \"%sID KEY\"", word);
    BTZ_TRY(btz_unhex(btz_slice_sub(line, at, 2 * BTZ_RING_ID), id, BTZ_RING_ID));
    BTZ_TRY(btz_unhex(btz_slice_sub(line, at + 2 * BTZ_RING_ID + 1, 2 * BTZ_RING_KEY), key,
                      BTZ_RING_KEY));
    id_of(key, want);
    if (memcmp(id, want, BTZ_RING_ID) != 0)
        return btz_fail(BTZ_INPUT, "seal keys: a key is damaged");
    return BTZ_OK;
}

static enum btz_err parse_lines(struct btz_reader *r, struct btz_ring *out)
{
    struct btz_slice line;
    uint8_t id[BTZ_RING_ID];

    if (!btz_read_line(r, &line) || !btz_slice_is(line, "bartizan seal keys 1"))
        return btz_fail(BTZ_INPUT, "seal keys: not a key file of this version");
    if (!btz_read_line(r, &line))
        return btz_fail(BTZ_INPUT, "seal keys: no root");
    BTZ_TRY(parse_line(line, "root ", id, out->root));
    for (out->count = 0; btz_read_line(r, &line); out->count++) {
        if (out->count == BTZ_RING_KEYS)
            return btz_fail(BTZ_INPUT, "seal keys: more than %d keys", BTZ_RING_KEYS);
        BTZ_TRY(parse_line(line, "key ", out->key[out->count].id, out->key[out->count].bytes));
    }
    if (out->count == 0)
        return btz_fail(BTZ_INPUT, "seal keys: no key");
    return BTZ_OK;
}

enum btz_err btz_ring_parse(struct btz_slice text, struct btz_ring *out)
{
    struct btz_reader r = { text, 0, "seal keys" };
    struct btz_ring ring = { 0 };
    enum btz_err err;

    /* A file that ends in the middle of a line was cut. */
    if (text.len == 0 || text.len > BTZ_RING_TEXT || text.ptr[text.len - 1] != '\n')
        return btz_fail(BTZ_INPUT, "seal keys: the file is cut short or too long");
    err = parse_lines(&r, &ring);
    if (err == BTZ_OK)
        *out = ring;
    btz_wipe(&ring, sizeof ring);
    return err;
}

static enum btz_err write_line(const char *word, const uint8_t key[BTZ_RING_KEY],
                               struct btz_buf *out)
{
    char text[2 * BTZ_RING_KEY + 1], id_text[2 * BTZ_RING_ID + 1];
    uint8_t id[BTZ_RING_ID];
    enum btz_err err;

    id_of(key, id);
    btz_hex(id, sizeof id, id_text);
    btz_hex(key, BTZ_RING_KEY, text);
    err = btz_buf_printf(out, "%s %s %s\n", word, id_text, text);
    btz_wipe(text, sizeof text);
    return err;
}

enum btz_err btz_ring_write(const struct btz_ring *r, struct btz_buf *out)
{
    /* At once: a buffer that grows leaves copies of secrets behind. */
    BTZ_TRY(btz_buf_reserve(out, BTZ_RING_TEXT));
    BTZ_TRY(btz_buf_add_str(out, HEADER));
    BTZ_TRY(write_line("root", r->root, out));
    for (size_t i = 0; i < r->count; i++)
        BTZ_TRY(write_line("key", r->key[i].bytes, out));
    return BTZ_OK;
}

/* ---- keys of the environment ---- */

enum btz_err btz_ring_from_keys(const char *keys, struct btz_ring *out)
{
    struct btz_ring ring = { 0 };
    const char *at = keys;
    enum btz_err err = BTZ_OK;

    while (err == BTZ_OK) {
        const char *comma = strchrnul(at, ',');
        struct btz_slice text = btz_slice_of(at, (size_t)(comma - at));

        if (ring.count == BTZ_RING_KEYS) {
            err = btz_fail(BTZ_INPUT, "seal key: more than %d keys", BTZ_RING_KEYS);
            break;
        }
        if (text.len != 2 * BTZ_RING_KEY ||
            btz_unhex(text, ring.key[ring.count].bytes, BTZ_RING_KEY) != BTZ_OK) {
            err = btz_fail(BTZ_INPUT,
                           "seal key: expected %d hex digits, or several such keys with "
                           "commas between them, the newest first",
                           2 * BTZ_RING_KEY);
            break;
        }
        id_of(ring.key[ring.count].bytes, ring.key[ring.count].id);
        ring.count++;
        if (*comma == '\0')
            break;
        at = comma + 1;
    }
    if (err == BTZ_OK) {
        btz_hkdf(btz_slice_of(ring.key[ring.count - 1].bytes, BTZ_RING_KEY),
                 btz_str("bartizan/seal/v1"), btz_str("root"), ring.root);
        *out = ring;
    }
    btz_wipe(&ring, sizeof ring);
    return err;
}
