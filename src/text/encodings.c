#include "text/codecs.h"

static const struct codec {
    const char *name;
    btz_codec_fn *write, *read;
} codecs[BTZ_ENC_COUNT] = {
    [BTZ_ENC_BASE64] = { "base64", btz_base64_write, btz_base64_read },
    [BTZ_ENC_BASE32] = { "base32", btz_base32_write, btz_base32_read },
    [BTZ_ENC_HEX] = { "hex", btz_hex_write, btz_hex_read },
    [BTZ_ENC_ASCII85] = { "ascii85", btz_ascii85_write, btz_ascii85_read },
    [BTZ_ENC_ROT13] = { "rot13", btz_rot13, btz_rot13 },
    [BTZ_ENC_ATBASH] = { "atbash", btz_atbash, btz_atbash },
    [BTZ_ENC_REVERSE] = { "reverse", btz_reverse, btz_reverse },
    [BTZ_ENC_URL] = { "url", btz_url_write, btz_url_read },
    [BTZ_ENC_HTML] = { "html", btz_html_write, btz_html_read },
    [BTZ_ENC_BINARY] = { "binary", btz_binary_write, btz_binary_read },
    [BTZ_ENC_MORSE] = { "morse", btz_morse_write, btz_morse_read },
    [BTZ_ENC_TAGS] = { "tags", btz_tags_write, btz_tags_read },
    [BTZ_ENC_VARIATION] = { "variation", btz_variation_write, btz_variation_read },
    [BTZ_ENC_SNEAKY] = { "sneaky", btz_sneaky_write, btz_sneaky_read },
    [BTZ_ENC_SPACED] = { "spaced", btz_spaced_write, btz_spaced_read },
    [BTZ_ENC_LEET] = { "leet", btz_leet_write, btz_leet_read },
    [BTZ_ENC_UNICODE_ESCAPE] = { "unicode-escape", btz_escape_write, btz_escape_read },
    [BTZ_ENC_NATO] = { "nato", btz_nato_write, btz_nato_read },
    [BTZ_ENC_PIGLATIN] = { "piglatin", btz_piglatin_write, btz_piglatin_read },
    [BTZ_ENC_ACROSTIC] = { "acrostic", NULL, btz_acrostic_read },
    [BTZ_ENC_BASE32HEX] = { "base32hex", btz_base32hex_write, btz_base32hex_read },
    [BTZ_ENC_UU] = { "uu", btz_uu_write, btz_uu_read },
    [BTZ_ENC_QUOTED] = { "quoted-printable", btz_quoted_write, btz_quoted_read },
    [BTZ_ENC_PUNYCODE] = { "punycode", btz_punycode_write, btz_punycode_read },
    [BTZ_ENC_BIDI] = { "bidi", btz_bidi_write, btz_bidi_read },
};

const char *btz_encoding_name(enum btz_encoding e)
{
    return (unsigned)e < BTZ_ENC_COUNT ? codecs[e].name : "unknown";
}

/* Nothing is appended unless all of it is. */
static enum btz_err whole(btz_codec_fn *step, struct btz_slice in, struct btz_buf *out)
{
    size_t before = out->len;
    enum btz_err err = step(in, out);

    if (err != BTZ_OK)
        out->len = before;
    return err;
}

enum btz_err btz_text_encode(enum btz_encoding e, struct btz_slice in, struct btz_buf *out)
{
    if ((unsigned)e >= BTZ_ENC_COUNT || !codecs[e].write)
        return btz_fail(BTZ_UNSUPPORTED, "text cannot be written as %s", btz_encoding_name(e));
    return whole(codecs[e].write, in, out);
}

enum btz_err btz_text_decode(enum btz_encoding e, struct btz_slice in, struct btz_buf *out)
{
    if ((unsigned)e >= BTZ_ENC_COUNT)
        return btz_fail(BTZ_UNSUPPORTED, "unknown encoding %d", (int)e);
    return whole(codecs[e].read, in, out);
}

int btz_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
