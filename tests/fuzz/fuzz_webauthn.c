/*
 * What browsers send: client data, attestation object, authenticator data and signature, each as bytes and all within
 * their JSON. Without a key nothing can be signed, so no assertion may ever be believed.
 */
#include <stdlib.h>

#include "access/federation/authdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const origins[] = { "https://example.org", NULL };
/* The challenge of WebAuthn Level 3 section 16.2, whose registration is a seed. */
static const uint8_t challenge[32] = { 0x00, 0xc3, 0x0f, 0xb7, 0x85, 0x31, 0xc4, 0x64,
                                       0xd2, 0xb6, 0x77, 0x1d, 0xab, 0x8d, 0x7b, 0x60,
                                       0x3c, 0x01, 0x16, 0x2f, 0x2f, 0xa4, 0x86, 0xbe,
                                       0xa7, 0x0f, 0x28, 0x3a, 0xe5, 0x56, 0xe1, 0x30 };
static const char client_data[] =
    "{\"type\":\"webauthn.%s\",\"challenge\":\"AMMPt4UxxGTStncdq417YDwBFi8vpIa-pw8oOuVW4TA\","
    "\"origin\":\"https://example.org\"}";

static void register_with(const struct btz_webauthn_rp *rp, const struct btz_webauthn_response *r)
{
    struct btz_webauthn_result result;
    struct btz_webauthn_key key;
    struct btz_cose_key cose;

    if (btz_webauthn_register(rp, btz_slice_of(challenge, sizeof challenge), r, &key) != BTZ_OK)
        return;
    if (key.id_len == 0 || key.id_len > sizeof key.id || key.cose_len > sizeof key.cose ||
        btz_cose_parse(btz_slice_of(key.cose, key.cose_len), &cose) != BTZ_OK ||
        cose.alg != key.alg || (key.backed_up && !key.backup_eligible))
        abort();
    if (btz_webauthn_assert(rp, btz_slice_of(challenge, sizeof challenge), &key, r, &result) ==
        BTZ_OK)
        abort();
}

static void as_json(const struct btz_webauthn_rp *rp, struct btz_slice in)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *value = NULL;
    struct btz_webauthn_response r;

    btz_arena_init(&arena, 1u << 20);
    if (btz_json_parse(in, 131072, "fuzz", &value) != BTZ_OK)
        return;
    if (btz_webauthn_response_parse(value, true, &arena, &r) == BTZ_OK)
        register_with(rp, &r);
    (void)!btz_webauthn_response_parse(value, false, &arena, &r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct btz_webauthn_rp rp = { .id = "example.org", .name = "x", .origins = origins };
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_auth_data a;
    struct btz_cose_key cose;
    char create[256], get[256];
    struct btz_webauthn_response r = { .attestation_object = in, .auth_data = in, .signature = in };

    snprintf(create, sizeof create, client_data, "create");
    snprintf(get, sizeof get, client_data, "get");
    as_json(&rp, in);
    if (btz_auth_data_parse(in, &a) == BTZ_OK && a.id.len > BTZ_WEBAUTHN_ID_MAX)
        abort();
    (void)!btz_cose_parse(in, &cose);
    r.client_data = btz_str(create);
    r.id = btz_slice_sub(in, 0, 32);
    /* The id outside must equal the one inside: look for it. */
    for (size_t at = 0; at + 34 <= size; at++)
        if (data[at] == 0 && data[at + 1] == 32) {
            r.id = btz_slice_sub(in, at + 2, 32);
            break;
        }
    register_with(&rp, &r);
    r.client_data = in;
    register_with(&rp, &r);
    return 0;
}
