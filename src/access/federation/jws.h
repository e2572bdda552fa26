/* One signature, whatever the text it came in. */
#ifndef BTZ_FEDERATION_JWS_H
#define BTZ_FEDERATION_JWS_H

#include "access/jose.h"

#define BTZ_JWS_HEADER_MAX 8192

struct btz_jws_part {
    struct btz_slice protected_text; /* base64url; empty: none */
    const json_t *unprotected;       /* object, NULL: none */
    struct btz_slice payload;        /* as in the text */
    bool has_payload;
    struct btz_slice signature; /* base64url */
};
/* DENIED also means "not ours"; *ours tells when one of the keys could have made it. */
BTZ_CHECKED enum btz_err btz_jws_verify_part(const struct btz_jws_part *part,
                                             const struct btz_jws_rules *rules,
                                             struct btz_arena *arena, bool *ours,
                                             struct btz_jws *out);
/* USAGE when the rules are a trap. */
BTZ_CHECKED enum btz_err btz_jws_check_rules(const struct btz_jws_rules *rules);

#endif
