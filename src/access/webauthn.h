/*
 * webauthn: the relying party of Web Authentication Level 2 (sections 7.1 and 7.2), as pure functions over what a browser
 * sent. Signatures are verified by libfido2; every other check that the recommendation asks of the relying party is
 * here, except those that need the data base: that the challenge was ours and is used once, that a credential is not
 * registered twice, and that it belongs to the user (src/access/federation/passkeys.c).
 */
#ifndef BTZ_ACCESS_WEBAUTHN_H
#define BTZ_ACCESS_WEBAUTHN_H

#include "base/json.h"

#define BTZ_WEBAUTHN_CHALLENGE     32
#define BTZ_WEBAUTHN_ID_MAX        1023 /* bytes of a credential id (section 4) */
#define BTZ_WEBAUTHN_KEY_MAX       640  /* bytes of a COSE_Key: RSA of 2048 bits is the largest */
#define BTZ_WEBAUTHN_CLIENT_MAX    8192
#define BTZ_WEBAUTHN_OBJECT_MAX    65536
#define BTZ_WEBAUTHN_SIGNATURE_MAX 1024
#define BTZ_WEBAUTHN_HANDLE_MAX    64

/* COSE algorithm identifiers that are offered and accepted, in order of preference. */
enum btz_cose_alg {
    BTZ_COSE_ES256 = -7,
    BTZ_COSE_EDDSA = -8,
    BTZ_COSE_ES384 = -35,
    BTZ_COSE_RS256 = -257
};

struct btz_webauthn_rp {
    const char *id;             /* "bartizan.example.com" */
    const char *name;           /* shown by some authenticators */
    const char *const *origins; /* exact, NULL-terminated: "https://bartizan.example.com" */
    bool user_verification;     /* UV is required, not only UP */
};
/* The id for an origin: its host. USAGE unless https (or http on localhost, a secure context too). */
BTZ_CHECKED enum btz_err btz_webauthn_rp_id(const char *origin, char *out, size_t size);

/* A credential as it is kept. */
struct btz_webauthn_key {
    uint8_t id[BTZ_WEBAUTHN_ID_MAX];
    size_t id_len;
    uint8_t cose[BTZ_WEBAUTHN_KEY_MAX]; /* COSE_Key as the authenticator wrote it */
    size_t cose_len;
    int alg;             /* enum btz_cose_alg */
    uint32_t sign_count; /* 0: the authenticator does not count */
    uint8_t aaguid[16];
    bool user_verified, backup_eligible, backed_up;
    bool self_attested; /* format "packed" without certificate, verified */
    char format
        [33]; /* of the attestation: "none", "packed", ... Other formats are recorded and not believed */
};

/* What navigator.credentials.create() or .get() gave, as JSON of PublicKeyCredential.toJSON(): id, rawId, type,
 * response{clientDataJSON, attestationObject | authenticatorData, signature, userHandle}; binary in base64url. Slices
 * are in the arena. Errors: INPUT, LIMIT. */
struct btz_webauthn_response {
    struct btz_slice id, client_data, attestation_object, auth_data, signature, user_handle;
};
BTZ_CHECKED enum btz_err btz_webauthn_response_parse(const json_t *credential, bool registration,
                                                     struct btz_arena *arena,
                                                     struct btz_webauthn_response *out);

/* Section 7.1. Errors: INPUT (ill-formed), DENIED (says which check), LIMIT, UNSUPPORTED (algorithm). */
BTZ_CHECKED enum btz_err btz_webauthn_register(const struct btz_webauthn_rp *rp,
                                               struct btz_slice challenge,
                                               const struct btz_webauthn_response *r,
                                               struct btz_webauthn_key *out);

struct btz_webauthn_result {
    uint32_t sign_count;
    bool user_verified, backed_up;
};
/* Section 7.2, with the key as it was kept. CONFLICT: the counter did not grow, so that two authenticators may have the
 * key: refuse and raise the alarm. Other errors as above. */
BTZ_CHECKED enum btz_err btz_webauthn_assert(const struct btz_webauthn_rp *rp,
                                             struct btz_slice challenge,
                                             const struct btz_webauthn_key *key,
                                             const struct btz_webauthn_response *r,
                                             struct btz_webauthn_result *out);

/* The argument of create() and get(), as PublicKeyCredential.parseCreationOptionsFromJSON() has it. `ids`: credentials
 * of the user, which must not be registered again, or which may sign in. NULL without memory. */
struct btz_webauthn_user {
    struct btz_slice handle; /* opaque, at most 64 bytes */
    const char *name, *display_name;
};
json_t *btz_webauthn_create_options(const struct btz_webauthn_rp *rp,
                                    const struct btz_webauthn_user *user,
                                    struct btz_slice challenge, const struct btz_slice *ids,
                                    size_t count);
json_t *btz_webauthn_get_options(const struct btz_webauthn_rp *rp, struct btz_slice challenge,
                                 const struct btz_slice *ids, size_t count);

#endif
