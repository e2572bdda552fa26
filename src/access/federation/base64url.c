/* RFC 4648 section 5 without padding, as JOSE and WebAuthn have it. */
#include <sodium.h>

#include "access/jose.h"

enum btz_err btz_base64url_encode(struct btz_slice in, struct btz_buf *out)
{
    size_t need;

    if (in.len > SIZE_MAX / 2)
        return btz_fail(BTZ_LIMIT, "too large for base64url");
    need = sodium_base64_ENCODED_LEN(in.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    BTZ_TRY(btz_buf_reserve(out, need));
    sodium_bin2base64((char *)out->ptr + out->len, need, in.ptr, in.len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out->len += need - 1;
    return BTZ_OK;
}

enum btz_err btz_base64url_decode(struct btz_slice in, struct btz_buf *out)
{
    size_t room = in.len / 4 * 3 + 3, len;
    const char *end;

    /* libsodium takes some bytes over 0x7F for letters where char is signed. */
    for (size_t i = 0; i < in.len; i++)
        if (in.ptr[i] >= 0x80)
            return btz_fail(BTZ_INPUT, "not base64url (RFC 4648 section 5, no padding)");
    if (in.len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_buf_reserve(out, room));
    if (sodium_base642bin(out->ptr + out->len, room, (const char *)in.ptr, in.len, NULL, &len, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        end != (const char *)in.ptr + in.len)
        return btz_fail(BTZ_INPUT, "not base64url (RFC 4648 section 5, no padding)");
    out->len += len;
    return BTZ_OK;
}
