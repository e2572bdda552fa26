/* Authenticator data (WebAuthn section 6.1) and COSE keys, taken apart. */
#ifndef BTZ_FEDERATION_AUTHDATA_H
#define BTZ_FEDERATION_AUTHDATA_H

#include "access/federation/cbor.h"
#include "access/webauthn.h"

#define BTZ_AUTH_UP 0x01
#define BTZ_AUTH_UV 0x04
#define BTZ_AUTH_BE 0x08
#define BTZ_AUTH_BS 0x10
#define BTZ_AUTH_AT 0x40
#define BTZ_AUTH_ED 0x80

struct btz_auth_data { /* borrowed of the bytes */
    struct btz_slice rp_hash, aaguid, id, cose;
    struct btz_slice extensions; /* CBOR map, empty: none */
    uint8_t flags;
    uint32_t sign_count;
};
BTZ_CHECKED enum btz_err btz_auth_data_parse(struct btz_slice in, struct btz_auth_data *out);

struct btz_cose_key { /* numbers of their full length; in `raw` as libfido2 has them */
    int alg;
    uint8_t raw[256 + 3]; /* x || y, x, or n || e */
    size_t raw_len;
};
BTZ_CHECKED enum btz_err btz_cose_parse(struct btz_slice in, struct btz_cose_key *out);

#endif
