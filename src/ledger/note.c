/* C2SP signed-note, tlog-checkpoint and tlog-cosignature (Ed25519 kinds). */
#include <sodium.h>

#include "ledger/ledger.h"

#define EM_DASH       "\xE2\x80\x94 "
#define PRIVATE_START "PRIVATE+KEY+"
#define SIGNATURE_MAX 8192 /* decoded; post-quantum signatures of other signers are up to 5 kB */

/* ---- keys ---- */

static bool is_space(uint32_t c)
{
    return c <= 0x20 || c == 0x7F || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static bool is_name(struct btz_slice name)
{
    size_t at = 0;
    uint32_t c;

    if (name.len == 0 || name.len > BTZ_KEY_NAME_MAX || !btz_is_utf8(name))
        return false;
    while (btz_utf8_next(name, &at, &c))
        if (c == '+' || is_space(c))
            return false;
    return true;
}

/* SHA-256(name || 0x0A || kind || public key)[:4] */
static void key_id(struct btz_vkey *key)
{
    uint8_t middle[2] = { '\n', (uint8_t)key->kind }, digest[BTZ_SHA256_LEN];
    crypto_hash_sha256_state h;

    crypto_hash_sha256_init(&h);
    crypto_hash_sha256_update(&h, (const uint8_t *)key->name, strlen(key->name));
    crypto_hash_sha256_update(&h, middle, sizeof middle);
    crypto_hash_sha256_update(&h, key->public_key, sizeof key->public_key);
    crypto_hash_sha256_final(&h, digest);
    memcpy(key->id, digest, sizeof key->id);
}

/* "name+hexid+base64(kind || 32 bytes)" */
static enum btz_err parse_key(struct btz_slice text, const char *what, struct btz_vkey *key,
                              uint8_t bytes[32])
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(4096);
    size_t first = btz_slice_find(text, btz_str("+"), 0);
    size_t second = first == SIZE_MAX ? SIZE_MAX : btz_slice_find(text, btz_str("+"), first + 1);
    struct btz_slice name, hex, base64;

    if (second == SIZE_MAX || text.len > 2048)
        return btz_fail(BTZ_INPUT, "expected a %s: name+keyid+base64", what);
    name = btz_slice_sub(text, 0, first);
    hex = btz_slice_sub(text, first + 1, second - first - 1);
    base64 = btz_slice_sub(text, second + 1, text.len);
    if (!is_name(name))
        return btz_fail(BTZ_INPUT, "%s: the name is empty, too long, or has a space or '+' in it",
                        what);
    for (size_t i = 0; i < hex.len; i++)
        if (hex.ptr[i] >= 'A' && hex.ptr[i] <= 'F')
            return btz_fail(BTZ_INPUT, "%s: expected the key id in lower-case hex", what);
    if (btz_unhex(hex, key->id, sizeof key->id) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "%s: key id", what);
    if (btz_base64_decode(base64, &raw) != BTZ_OK || raw.len == 0)
        return btz_fail(BTZ_INPUT, "%s: the key is not base64", what);
    if (raw.ptr[0] != BTZ_KEY_ED25519 && raw.ptr[0] != BTZ_KEY_COSIGN)
        return btz_fail(
            BTZ_UNSUPPORTED,
            "%s: key kind 0x%02x; this build knows 0x01 (Ed25519) and 0x04 (cosignature)", what,
            raw.ptr[0]);
    if (raw.len != 33)
        return btz_fail(BTZ_INPUT, "%s: expected a key of 32 bytes, found %zu", what, raw.len - 1);
    memcpy(key->name, name.ptr, name.len);
    key->name[name.len] = '\0';
    key->kind = raw.ptr[0] == BTZ_KEY_COSIGN ? BTZ_KEY_COSIGN : BTZ_KEY_ED25519;
    memcpy(bytes, raw.ptr + 1, 32);
    btz_wipe(raw.ptr, raw.len);
    return BTZ_OK;
}

enum btz_err btz_vkey_parse(struct btz_slice text, struct btz_vkey *out)
{
    struct btz_vkey key, computed;

    BTZ_TRY(parse_key(btz_slice_trim(text), "verifier key", &key, key.public_key));
    computed = key;
    key_id(&computed);
    if (memcmp(computed.id, key.id, sizeof key.id) != 0)
        return btz_fail(BTZ_INPUT, "verifier key of %s: the key id is not that of the key",
                        key.name);
    *out = key;
    return BTZ_OK;
}

static enum btz_err write_key(const struct btz_vkey *key, const uint8_t bytes[32],
                              struct btz_buf *out)
{
    uint8_t typed[33];
    char hex[9];
    enum btz_err err;

    btz_hex(key->id, sizeof key->id, hex);
    typed[0] = (uint8_t)key->kind;
    memcpy(typed + 1, bytes, 32);
    err = btz_buf_printf(out, "%s+%s+", key->name, hex);
    if (err == BTZ_OK)
        err = btz_base64_encode(btz_slice_of(typed, sizeof typed), out);
    btz_wipe(typed, sizeof typed);
    return err;
}

enum btz_err btz_vkey_write(const struct btz_vkey *key, struct btz_buf *out)
{
    return write_key(key, key->public_key, out);
}

static void derive(struct btz_skey *key)
{
    crypto_sign_seed_keypair(key->vkey.public_key, key->secret, key->seed);
}

enum btz_err btz_skey_new(const char *name, enum btz_key_kind kind, struct btz_skey *out)
{
    if (!is_name(btz_str(name)))
        return btz_fail(BTZ_USAGE,
                        "expected a key name of 1 to %d bytes without spaces and '+', such as "
                        "example.com/audit",
                        BTZ_KEY_NAME_MAX);
    *out = (struct btz_skey){ .vkey = { .kind = kind } };
    memcpy(out->vkey.name, name, strlen(name) + 1);
    btz_random_bytes(out->seed, sizeof out->seed);
    derive(out);
    key_id(&out->vkey);
    return BTZ_OK;
}

enum btz_err btz_skey_parse(struct btz_slice text, struct btz_skey *out)
{
    struct btz_slice prefix = btz_str(PRIVATE_START);
    struct btz_skey key = { 0 };
    struct btz_vkey computed;

    text = btz_slice_trim(text);
    if (!btz_slice_has_prefix(text, prefix))
        return btz_fail(BTZ_INPUT, "expected a private key: " PRIVATE_START "name+keyid+base64");
    BTZ_TRY(
        parse_key(btz_slice_sub(text, prefix.len, text.len), "private key", &key.vkey, key.seed));
    derive(&key);
    computed = key.vkey;
    key_id(&computed);
    if (memcmp(computed.id, key.vkey.id, sizeof computed.id) != 0) {
        btz_skey_wipe(&key);
        return btz_fail(BTZ_INPUT, "private key of %s: the key id is not that of the key",
                        computed.name);
    }
    *out = key;
    btz_skey_wipe(&key);
    return BTZ_OK;
}

enum btz_err btz_skey_write(const struct btz_skey *key, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, PRIVATE_START));
    return write_key(&key->vkey, key->seed, out);
}

void btz_skey_wipe(struct btz_skey *key)
{
    btz_wipe(key, sizeof *key);
}

/* ---- notes ---- */

/* Where the text ends: after the newline before the last empty line. */
static size_t text_end(struct btz_slice s)
{
    for (size_t i = s.len; i >= 2; i--)
        if (s.ptr[i - 1] == '\n' && s.ptr[i - 2] == '\n')
            return i - 1;
    return 0;
}

/* Strict base64 of at least five bytes; gives the first four. */
static enum btz_err signature_id(struct btz_slice base64, uint8_t id[4])
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(SIGNATURE_MAX + 4);

    if (base64.len > SIGNATURE_MAX || btz_base64_decode(base64, &raw) != BTZ_OK || raw.len < 5)
        return btz_fail(BTZ_INPUT, "signature is not base64 of 5 to %d bytes", SIGNATURE_MAX);
    memcpy(id, raw.ptr, 4);
    return BTZ_OK;
}

static enum btz_err parse_signature(struct btz_slice line, struct btz_note_signature *out)
{
    struct btz_slice dash = btz_str(EM_DASH);
    size_t space;

    if (!btz_slice_has_prefix(line, dash))
        return btz_fail(BTZ_INPUT, "expected a line that starts with an em dash and a space");
    line = btz_slice_sub(line, dash.len, line.len);
    space = btz_slice_find(line, btz_str(" "), 0);
    if (space == SIZE_MAX)
        return btz_fail(BTZ_INPUT, "expected a key name, a space and a signature");
    out->name = btz_slice_sub(line, 0, space);
    out->base64 = btz_slice_sub(line, space + 1, line.len);
    if (!is_name(out->name))
        return btz_fail(BTZ_INPUT, "bad key name");
    return signature_id(out->base64, out->id);
}

enum btz_err btz_note_parse(struct btz_slice bytes, struct btz_note *out)
{
    size_t end = text_end(bytes);
    struct btz_reader r = { .in = bytes, .at = end + 1, .what = "signed note" };
    struct btz_slice line;
    struct btz_note note = { .count = 0 };

    if (bytes.len > BTZ_NOTE_MAX)
        return btz_fail(BTZ_LIMIT, "signed note: larger than %d bytes", BTZ_NOTE_MAX);
    if (end == 0 || bytes.ptr[bytes.len - 1] != '\n')
        return btz_fail(BTZ_INPUT,
                        "signed note: expected text, an empty line and lines of signatures");
    if (!btz_is_utf8(bytes))
        return btz_fail(BTZ_INPUT, "signed note: not UTF-8");
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] < 0x20 && bytes.ptr[i] != '\n')
            return btz_fail(BTZ_INPUT, "signed note: control character 0x%02x at byte %zu",
                            bytes.ptr[i], i);
    note.text = btz_slice_sub(bytes, 0, end);
    while (btz_read_line(&r, &line)) {
        if (note.count == BTZ_NOTE_SIGNATURES)
            return btz_fail(BTZ_LIMIT, "signed note: more than %d signatures", BTZ_NOTE_SIGNATURES);
        if (parse_signature(line, &note.signature[note.count++]) != BTZ_OK)
            return btz_fail_context(BTZ_INPUT, "signed note: signature %zu", note.count);
    }
    if (note.count == 0)
        return btz_fail(BTZ_INPUT, "signed note: no signature");
    *out = note;
    return BTZ_OK;
}

/* What a cosignature signs. */
static enum btz_err cosigned_message(struct btz_slice text, uint64_t seconds, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "cosignature/v1\ntime %" PRIu64 "\n", seconds));
    return btz_buf_add_slice(out, text);
}

enum btz_err btz_note_sign(struct btz_slice text, const struct btz_skey *key, uint64_t seconds,
                           struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf message = BTZ_BUF(BTZ_NOTE_MAX + 64);
    uint8_t bytes[4 + 8 + 64];
    size_t len = 4;

    memcpy(bytes, key->vkey.id, 4);
    if (key->vkey.kind == BTZ_KEY_COSIGN) {
        BTZ_TRY(cosigned_message(text, seconds, &message));
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes[len++] = (uint8_t)(seconds >> shift);
        text = btz_buf_slice(&message);
    }
    if (crypto_sign_detached(bytes + len, NULL, text.ptr, text.len, key->secret) != 0)
        return btz_fail(BTZ_INTERNAL, "Ed25519 signing failed");
    BTZ_TRY(btz_buf_printf(out, EM_DASH "%s ", key->vkey.name));
    BTZ_TRY(btz_base64_encode(btz_slice_of(bytes, len + 64), out));
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err verify_line(const struct btz_note *note, const struct btz_note_signature *line,
                                const struct btz_vkey *key, uint64_t *seconds)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(SIGNATURE_MAX + 4);
    BTZ_BUF_RELEASE struct btz_buf message = BTZ_BUF(BTZ_NOTE_MAX + 64);
    struct btz_slice text = note->text;
    size_t at = 4, len = key->kind == BTZ_KEY_COSIGN ? 4 + 8 + 64 : 4 + 64;

    *seconds = 0;
    BTZ_TRY(btz_base64_decode(line->base64, &raw));
    if (raw.len != len)
        return btz_fail(BTZ_DENIED, "the signature of %s is not of its kind: %zu bytes", key->name,
                        raw.len - 4);
    if (key->kind == BTZ_KEY_COSIGN) {
        struct btz_reader r = { .in = btz_buf_slice(&raw), .at = 4, .what = "cosignature" };

        BTZ_TRY(btz_read_be64(&r, seconds));
        if (*seconds > INT64_MAX)
            return btz_fail(BTZ_DENIED, "the cosignature of %s has an impossible time", key->name);
        BTZ_TRY(cosigned_message(text, *seconds, &message));
        text = btz_buf_slice(&message);
        at += 8;
    }
    if (crypto_sign_verify_detached(raw.ptr + at, text.ptr, text.len, key->public_key) != 0)
        return btz_fail(BTZ_DENIED, "the signature of %s does not fit the text", key->name);
    return BTZ_OK;
}

enum btz_err btz_note_verify(const struct btz_note *note, const struct btz_vkey *key,
                             uint64_t *seconds)
{
    uint64_t time = 0, latest = 0;
    bool found = false;

    for (size_t i = 0; i < note->count; i++) {
        const struct btz_note_signature *line = &note->signature[i];

        if (!btz_slice_is(line->name, key->name) || memcmp(line->id, key->id, sizeof key->id) != 0)
            continue;
        BTZ_TRY(verify_line(note, line, key, &time));
        found = true;
        if (time > latest)
            latest = time;
    }
    if (!found)
        return btz_fail(BTZ_DENIED, "not signed by %s (key %02x%02x%02x%02x)", key->name,
                        key->id[0], key->id[1], key->id[2], key->id[3]);
    if (seconds)
        *seconds = latest;
    return BTZ_OK;
}

/* ---- checkpoints ---- */

static enum btz_err parse_root(struct btz_slice base64, struct btz_hash *out)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(64);

    if (base64.len != 44 || btz_base64_decode(base64, &raw) != BTZ_OK || raw.len != sizeof out->b)
        return btz_fail(BTZ_INPUT, "checkpoint: line 3: expected a root hash of 32 bytes, base64");
    memcpy(out->b, raw.ptr, sizeof out->b);
    return BTZ_OK;
}

enum btz_err btz_checkpoint_parse(struct btz_slice text, struct btz_checkpoint *out)
{
    struct btz_reader r = { .in = text, .what = "checkpoint" };
    struct btz_slice line;
    struct btz_checkpoint c;

    if (text.len == 0 || text.ptr[text.len - 1] != '\n')
        return btz_fail(BTZ_INPUT, "checkpoint: expected lines that end in a newline");
    if (!btz_read_line(&r, &c.origin) || c.origin.len == 0)
        return btz_fail(BTZ_INPUT, "checkpoint: line 1: expected the origin");
    if (!btz_read_line(&r, &line) || btz_parse_u64(line, &c.size) != BTZ_OK)
        return btz_fail(BTZ_INPUT, "checkpoint: line 2: expected the size in decimal");
    if (!btz_read_line(&r, &line))
        return btz_fail(BTZ_INPUT, "checkpoint: line 3: expected the root hash");
    BTZ_TRY(parse_root(line, &c.root));
    c.extensions = btz_slice_sub(text, r.at, text.len);
    while (btz_read_line(&r, &line))
        if (line.len == 0)
            return btz_fail(BTZ_INPUT, "checkpoint: empty extension line");
    *out = c;
    return BTZ_OK;
}

enum btz_err btz_checkpoint_write(const char *origin, uint64_t size, const struct btz_hash *root,
                                  struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "%s\n%" PRIu64 "\n", origin, size));
    BTZ_TRY(btz_base64_encode(btz_slice_of(root->b, sizeof root->b), out));
    return btz_buf_add_byte(out, '\n');
}

enum btz_err btz_checkpoint_open(struct btz_slice bytes, const struct btz_vkey *log,
                                 struct btz_note *note, struct btz_checkpoint *out)
{
    struct btz_note local;
    struct btz_checkpoint c;

    if (!note)
        note = &local;
    BTZ_TRY(btz_note_parse(bytes, note));
    BTZ_TRY(btz_note_verify(note, log, NULL));
    BTZ_TRY(btz_checkpoint_parse(note->text, &c));
    if (!btz_slice_is(c.origin, log->name))
        return btz_fail(BTZ_DENIED, "checkpoint of another log than %s", log->name);
    *out = c;
    return BTZ_OK;
}
