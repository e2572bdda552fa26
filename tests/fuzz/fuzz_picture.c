/* Pictures of anybody: PNG and JPEG; what is decoded is encoded and decoded again. */
#include <stdlib.h>

#include "sample/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct btz_slice in = btz_slice_of(data, size);
    struct btz_picture p = { .pixels = BTZ_BUF(1 << 22) }, again = { .pixels = BTZ_BUF(1 << 22) };
    BTZ_BUF_RELEASE struct btz_buf png = BTZ_BUF(1 << 23);
    enum btz_err err =
        btz_png_is(in) ? btz_png_decode(in, "fuzz", &p) : btz_jpeg_decode(in, "fuzz", &p);

    if (err == BTZ_OK &&
        btz_png_encode(p.pixels.ptr, p.width, p.height, p.channels, &png) == BTZ_OK &&
        (btz_png_decode(btz_buf_slice(&png), "again", &again) != BTZ_OK ||
         !btz_slice_equal(btz_buf_slice(&p.pixels), btz_buf_slice(&again.pixels))))
        abort();
    btz_buf_release(&p.pixels);
    btz_buf_release(&again.pixels);
    return 0;
}
