/* Signatures of authenticators, verified by libfido2. */
#ifndef BTZ_FEDERATION_WEBAUTHN_VERIFY_H
#define BTZ_FEDERATION_WEBAUTHN_VERIFY_H

#include "access/federation/authdata.h"

struct btz_webauthn_signed {
    const char *rp_id;
    const struct btz_auth_data *parsed;
    struct btz_slice auth_data, signature;
    uint8_t client_hash[BTZ_SHA256_LEN];
    bool user_verification;
};
/* A point on its curve, numbers that make a key. DENIED otherwise. */
BTZ_CHECKED enum btz_err btz_webauthn_check_key(const struct btz_cose_key *key);
BTZ_CHECKED enum btz_err btz_webauthn_verify_assertion(const struct btz_webauthn_signed *s,
                                                       const struct btz_cose_key *key);
/* Packed self-attestation: section 8.2. */
BTZ_CHECKED enum btz_err btz_webauthn_verify_self(const struct btz_webauthn_signed *s,
                                                  const struct btz_cose_key *key);

#endif
