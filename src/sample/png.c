/* PNG through libspng, with limits. */
#include <spng.h>
#include <stdlib.h>

#include "sample/reader.h"

#define CHUNK_MAX (16 << 20)

bool btz_png_is(struct btz_slice head)
{
    return head.len >= 8 && memcmp(head.ptr, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static enum btz_err failed(const char *what, int status)
{
    return btz_fail(status == SPNG_EMEM || status == SPNG_ECHUNK_LIMITS ? BTZ_LIMIT : BTZ_INPUT,
                    "%s: PNG: %s", what, spng_strerror(status));
}

static enum btz_err decode(spng_ctx *png, struct btz_slice in, const char *what,
                           struct btz_picture *out)
{
    struct spng_ihdr ihdr;
    bool grey;
    size_t size;
    int status = spng_set_image_limits(png, BTZ_PICTURE_SIDE_MAX, BTZ_PICTURE_SIDE_MAX);

    if (status == 0)
        status = spng_set_chunk_limits(png, CHUNK_MAX, CHUNK_MAX);
    if (status == 0)
        status = spng_set_png_buffer(png, in.ptr, in.len);
    if (status == 0)
        status = spng_get_ihdr(png, &ihdr);
    /* Every kind of PNG becomes RGB; of grey ones one byte in three is kept. */
    if (status == 0)
        status = spng_decoded_image_size(png, SPNG_FMT_RGB8, &size);
    if (status != 0)
        return failed(what, status);
    grey = ihdr.color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
           ihdr.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    BTZ_TRY(btz_buf_reserve(&out->pixels, size));
    status = spng_decode_image(png, out->pixels.ptr + out->pixels.len, size, SPNG_FMT_RGB8, 0);
    if (status != 0)
        return failed(what, status);
    if (grey) {
        uint8_t *p = out->pixels.ptr + out->pixels.len;

        size /= 3;
        for (size_t i = 0; i < size; i++)
            p[i] = p[3 * i];
    }
    out->pixels.len += size;
    out->width = ihdr.width, out->height = ihdr.height;
    out->channels = grey ? 1 : 3;
    return BTZ_OK;
}

enum btz_err btz_png_decode(struct btz_slice in, const char *what, struct btz_picture *out)
{
    spng_ctx *png = spng_ctx_new(0);
    enum btz_err err;

    if (!png)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = decode(png, in, what, out);
    spng_ctx_free(png);
    return err;
}

enum btz_err btz_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height,
                            unsigned channels, struct btz_buf *out)
{
    static const uint8_t kinds[] = { 0, SPNG_COLOR_TYPE_GRAYSCALE, 0, SPNG_COLOR_TYPE_TRUECOLOR,
                                     SPNG_COLOR_TYPE_TRUECOLOR_ALPHA };
    struct spng_ihdr ihdr = { .width = width, .height = height, .bit_depth = 8 };
    size_t size, made = 0;
    enum btz_err err;
    spng_ctx *png;
    void *bytes = NULL;
    int status;

    if ((channels != 1 && channels != 3 && channels != 4) || width == 0 || height == 0 ||
        width > BTZ_PICTURE_SIDE_MAX || height > BTZ_PICTURE_SIDE_MAX)
        return btz_fail(BTZ_USAGE, "no PNG of %u x %u pixels and %u channels", width, height,
                        channels);
    size = (size_t)width * height * channels;
    png = spng_ctx_new(SPNG_CTX_ENCODER);
    if (!png)
        return btz_fail(BTZ_LIMIT, "out of memory");
    ihdr.color_type = kinds[channels];
    status = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    if (status == 0)
        status = spng_set_ihdr(png, &ihdr);
    if (status == 0)
        status = spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (status == 0)
        bytes = spng_get_png_buffer(png, &made, &status);
    err = status == 0 && bytes ? btz_buf_add(out, bytes, made)
                               : btz_fail(BTZ_LIMIT, "PNG: %s", spng_strerror(status));
    free(bytes);
    spng_ctx_free(png);
    return err;
}
