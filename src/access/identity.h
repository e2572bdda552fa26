/*
 * identity: proofs of who somebody is, as pure functions over bytes: keys, passwords, one-time codes. Nothing here
 * stores anything. WebAuthn is in webauthn.h, tokens of other issuers in jose.h and oidc.h.
 */
#ifndef BTZ_ACCESS_IDENTITY_H
#define BTZ_ACCESS_IDENTITY_H

#include "base/base.h"

/* ---- ids (ids.c): "usr_", "svc_", "grp_", "key_", "ses_", "bnd_", "apr_", "evt_" and 26 characters of Crockford base32:
 * 48 bits of Unix milliseconds and 80 random bits, so that they sort by age. Upper case: no id can be somebody's name.
 * The prefix is at most 12 letters, with or without its "_". ----------------------------------------------------------- */
#define BTZ_ID_TEXT 40
void btz_id_new(const char *prefix, uint64_t now_ms, char out[BTZ_ID_TEXT]);
/* The same of bytes from btz_random_bytes(): who makes many at once asks the system once. */
#define BTZ_ID_RANDOM 10
void btz_id_from(const char *prefix, uint64_t now_ms, const uint8_t random[BTZ_ID_RANDOM],
                 char out[BTZ_ID_TEXT]);
bool btz_is_id(const char *text, const char *prefix);
/* Has a text the form of an id of ours (three letters before the "_"), in whatever spelling? Then `out` is it as ids are
 * written. What people name has never that form. */
bool btz_id_form(const char *text, char out[BTZ_ID_TEXT]);

/* ---- API keys (keys.c) ---------------------------------------------------------------------------------------------
 * "btz_" + 43 characters base62 of 256 random bits + 6 characters base62 of CRC-32 over what stands before: secret
 * scanners can tell a real one offline (regular expression btz_[0-9A-Za-z]{49}, then the checksum). */
#define BTZ_KEY_TEXT  54 /* with its NUL */
#define BTZ_KEY_SHOWN 12 /* "btz_" and 7 characters, with NUL: what lists may show */
void btz_key_new(char out[BTZ_KEY_TEXT]);
void btz_key_from(const uint8_t bits[32], char out[BTZ_KEY_TEXT]); /* the key of given bits */
uint32_t btz_crc32(struct btz_slice in);                           /* RFC 1952 section 8 */
bool btz_is_key(
    struct btz_slice text); /* form and checksum; no secret-dependent time is promised */
/* HMAC-SHA-256 with the installation's pepper: what is stored and looked up. */
void btz_key_hash(struct btz_slice key, const uint8_t pepper[32], uint8_t out[BTZ_SHA256_LEN]);

/* ---- passwords (password.c): Argon2id, PHC string, m = 19456 KiB, t = 2, p = 1 (OWASP) ------------------------------ */
#define BTZ_PASSWORD_HASH_TEXT 128
#define BTZ_PASSWORD_MIN       12
#define BTZ_PASSWORD_MAX       1024
/* At most `concurrent` hashes run at a time and `waiting` more wait, at most `wait_ms`; others get LIMIT at once:
 * memory is bounded whatever comes in. Thread-safe. */
struct btz_hasher;
BTZ_CHECKED enum btz_err btz_hasher_new(unsigned concurrent, unsigned waiting, unsigned wait_ms,
                                        struct btz_hasher **out);
void btz_hasher_free(struct btz_hasher *h);
uint64_t btz_hasher_count(struct btz_hasher *h); /* hashes begun so far: tests of equal work */
BTZ_CHECKED enum btz_err btz_password_hash(struct btz_hasher *h, struct btz_slice password,
                                           char out[BTZ_PASSWORD_HASH_TEXT]);
/* What a stored hash asks for. INPUT when it is no PHC string of Argon2id 1.3 with p = 1 within our limits: memory is
 * bounded whatever stands in the store. */
struct btz_password_params {
    uint32_t memory_kib, passes;
};
BTZ_CHECKED enum btz_err btz_password_params(const char *stored, struct btz_password_params *out);
/* Text is hashed in NFC (RFC 8265), so that it does not matter on which system it was typed.
 * `stored` NULL or empty (nobody has that name, or no password): the same work against a dummy, then DENIED.
 * OK, DENIED, LIMIT (too many at a time), INPUT (stored hash damaged). *stale: parameters are older than today's. */
BTZ_CHECKED enum btz_err btz_password_verify(struct btz_hasher *h, const char *stored,
                                             struct btz_slice password, bool *stale);
/* Length, not the name or product, not in the breached list (`breached` NULL or empty: none). Errors: USAGE (what is
 * wrong), and those of the list. */
BTZ_CHECKED enum btz_err btz_password_check(struct btz_slice password, const char *user,
                                            const char *breached);
/* Sorted lines of SHA-1 in hex, each perhaps with ":count" behind and CR LF at its end, as the public lists have, looked
 * up by bisection without reading it all. Errors: INPUT (no such list), IO. */
BTZ_CHECKED enum btz_err btz_breached_has(const char *path, struct btz_slice password, bool *found);

/* ---- HOTP and TOTP (otp.c): RFC 4226, RFC 6238 --------------------------------------------------------------------- */
enum btz_otp_hash { BTZ_OTP_SHA1, BTZ_OTP_SHA256, BTZ_OTP_SHA512 };
/* digits 6..8. */
BTZ_CHECKED enum btz_err btz_hotp(struct btz_slice secret, enum btz_otp_hash hash, uint64_t counter,
                                  unsigned digits, uint32_t *code);
#define BTZ_TOTP_STEP_S 30
/* SHA-1, 6 digits, +-1 step (what authenticator apps speak). *last: last accepted step, replays are refused and it moves
 * on OK only. Constant time over the window. DENIED when wrong, replayed or ill-formed. */
BTZ_CHECKED enum btz_err btz_totp_verify(struct btz_slice secret, const char *code, uint64_t now_s,
                                         uint64_t *last);
/* "otpauth://totp/ISSUER:NAME?secret=...&issuer=..." (key URI format of authenticator apps). */
BTZ_CHECKED enum btz_err btz_totp_uri(struct btz_slice secret, const char *issuer, const char *name,
                                      struct btz_buf *out);
/* RFC 4648 section 6 without padding: how a secret is typed into an app. */
BTZ_CHECKED enum btz_err btz_base32(struct btz_slice in, struct btz_buf *out);
/* The text as a QR code in SVG (libqrencode): no style, no script, quiet zone of 4 modules. LIMIT when it is too long. */
BTZ_CHECKED enum btz_err btz_qr_svg(const char *text, struct btz_buf *out);

/* ---- recovery codes (recovery.c): 10 codes "xxxxx-xxxxx", 50 random bits; stored as peppered HMAC ------------------- */
#define BTZ_RECOVERY_CODES 10
#define BTZ_RECOVERY_TEXT  12
void btz_recovery_new(char out[BTZ_RECOVERY_CODES][BTZ_RECOVERY_TEXT]);
/* Case, spaces, dashes and look-alikes (o for 0, i and l for 1) do not matter. INPUT when it cannot be one. */
BTZ_CHECKED enum btz_err btz_recovery_hash(struct btz_slice code, const uint8_t pepper[32],
                                           uint8_t out[BTZ_SHA256_LEN]);

/* ---- bearer tokens of sessions, tickets, enrolment links (token.c): 256 random bits in base64url ------------------- */
#define BTZ_TOKEN_TEXT 44
void btz_token_new(char out[BTZ_TOKEN_TEXT]);
/* SHA-256 of the token: what is stored. INPUT when it cannot be one. */
BTZ_CHECKED enum btz_err btz_token_hash(struct btz_slice token, uint8_t out[BTZ_SHA256_LEN]);

/* ---- sealing (seal.c): secrets at rest, XChaCha20-Poly1305 under a key file 0600 or one from the environment -------- */
struct
    btz_seal; /* current key and older ones that still open. Thread-safe; notices what other processes rotate */
/* `file` is created when missing: of several processes at once, one makes it. `key` (64 hex digits; after a rotation
 * "NEW,OLD"; may be NULL or empty) takes its place, and the root secret comes of the last one. Errors: DENIED (file
 * readable by others), INPUT, IO. */
BTZ_CHECKED enum btz_err btz_seal_open(const char *file, const char *key, struct btz_seal **out);
void btz_seal_close(struct btz_seal *s);
/* Version || key id || nonce || box; `about` (table, row, column) is authenticated, so that rows cannot be swapped. Seal
 * inside the writing transaction that stores it: then seal.rotate cannot miss it. */
BTZ_CHECKED enum btz_err btz_seal(const struct btz_seal *s, const char *about,
                                  struct btz_slice clear, struct btz_buf *out);
/* Errors: INPUT (damaged, or of another row), DENIED (no such key). */
BTZ_CHECKED enum btz_err btz_unseal(const struct btz_seal *s, const char *about,
                                    struct btz_slice sealed, struct btz_buf *out);
bool btz_seal_is_current(const struct btz_seal *s, struct btz_slice sealed);
/* 32 bytes for one purpose ("pepper", "snapshot", "trail"), the same after a rotation: HKDF-SHA-256 from a root secret
 * that the file keeps beside the keys. */
void btz_seal_derive(const struct btz_seal *s, const char *purpose, uint8_t out[32]);
/* A new current key in the file; old ones stay until btz_seal_forget. Errors: UNSUPPORTED (keys of the environment), LIMIT
 * (16 are kept), IO. */
BTZ_CHECKED enum btz_err btz_seal_rotate(struct btz_seal *s);
BTZ_CHECKED enum btz_err btz_seal_forget(struct btz_seal *s); /* all but the current one */

#endif
