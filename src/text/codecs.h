/* The encodings of text.h, one pair of functions each. Private to this folder. */
#ifndef BTZ_TEXT_CODECS_H
#define BTZ_TEXT_CODECS_H

#include "text/text.h"

typedef enum btz_err btz_codec_fn(struct btz_slice in, struct btz_buf *out);

/* codec_base.c */
btz_codec_fn btz_base64_write, btz_base64_read, btz_base32_write, btz_base32_read,
    btz_base32hex_write, btz_base32hex_read, btz_hex_write, btz_hex_read, btz_ascii85_write,
    btz_ascii85_read, btz_uu_write, btz_uu_read;
/* codec_escape.c */
btz_codec_fn btz_url_write, btz_url_read, btz_html_write, btz_html_read, btz_escape_write,
    btz_escape_read, btz_quoted_write, btz_quoted_read;
/* punycode.c */
btz_codec_fn btz_punycode_write, btz_punycode_read;
/* codec_symbol.c */
btz_codec_fn btz_binary_write, btz_binary_read, btz_morse_write, btz_morse_read, btz_nato_write,
    btz_nato_read;
/* codec_hidden.c */
btz_codec_fn btz_tags_write, btz_tags_read, btz_variation_write, btz_variation_read,
    btz_sneaky_write, btz_sneaky_read, btz_bidi_write, btz_bidi_read;
/* codec_cipher.c */
btz_codec_fn btz_rot13, btz_atbash, btz_reverse, btz_spaced_write, btz_spaced_read, btz_leet_write,
    btz_leet_read, btz_piglatin_write, btz_piglatin_read, btz_acrostic_read;

/* Value of a hexadecimal digit, -1 for all else. */
int btz_hex_value(uint8_t c);
/* True when `word` (ASCII, any case) spells a letter or digit in NATO's alphabet. */
bool btz_nato_letter(struct btz_slice word, char *letter);
/* Printable text as people write it, well-formed: what a decoder that guessed right gives. */
bool btz_text_is_plausible(struct btz_slice s);

/* btz_text_readings, counting the bytes that any step looked at. */
BTZ_CHECKED enum btz_err btz_text_readings_counted(struct btz_slice in, unsigned depth,
                                                   struct btz_arena *arena,
                                                   const struct btz_reading **out, uint64_t *work);

#endif
