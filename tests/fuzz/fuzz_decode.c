/* First byte: the encoding. What an encoder writes its decoder reads; errors append nothing. */
#include <stdlib.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_BUF_RELEASE struct btz_buf decoded = BTZ_BUF(1 << 22), coded = BTZ_BUF(1 << 22),
                                   back = BTZ_BUF(1 << 22);
    struct btz_slice in;
    enum btz_encoding e;

    if (size == 0)
        return 0;
    e = data[0] % BTZ_ENC_COUNT;
    in = btz_slice_of(data + 1, size - 1);
    if (btz_text_decode(e, in, &decoded) != BTZ_OK && decoded.len != 0)
        abort();
    if (btz_text_encode(e, in, &coded) != BTZ_OK)
        return 0;
    if (btz_text_decode(e, btz_buf_slice(&coded), &back) != BTZ_OK)
        return 0;
    /* Encodings of bytes lose nothing. */
    if ((e == BTZ_ENC_BASE64 || e == BTZ_ENC_BASE32 || e == BTZ_ENC_BASE32HEX || e == BTZ_ENC_HEX ||
         e == BTZ_ENC_ASCII85 || e == BTZ_ENC_URL || e == BTZ_ENC_BINARY || e == BTZ_ENC_UU) &&
        !btz_slice_equal(in, btz_buf_slice(&back)))
        abort();
    return 0;
}
