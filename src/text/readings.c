/*
 * What a text says once disguises are taken off: a search over decoders, nearest layers first. Every step is one pass
 * over its text (a run that fails to decode is not tried again), and the texts together are bounded, so the work is
 * linear in the input.
 */
#include "text/codecs.h"

enum { READINGS_MAX = 64, GROWTH_MAX = 16, INPUT_MIN = 256 };

struct node {
    struct btz_reading reading;
    uint64_t hash;
    unsigned layer;
    bool cipher; /* made by one */
};
struct search {
    struct node nodes[READINGS_MAX];
    size_t count;
    size_t budget; /* bytes of text still allowed */
    struct btz_arena *arena;
    uint64_t *work;
};

bool btz_text_is_plausible(struct btz_slice s)
{
    size_t at = 0, letters = 0, all = 0;
    uint32_t c;

    if (!btz_is_utf8(s))
        return false;
    for (; btz_utf8_next(s, &at, &c); all++) {
        if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || (c >= 0x7F && c < 0xA0))
            return false;
        letters += (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == ' ' ||
                   c >= 0xC0;
    }
    return all > 0 && letters * 2 >= all;
}

/* ---- runs inside a text ---- */

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

/* Appends what `codec` makes of the run when that reads as text. */
static bool replace(btz_codec_fn *codec, struct btz_slice run, struct btz_buf *out)
{
    size_t before = out->len;

    if (codec(run, out) == BTZ_OK &&
        btz_text_is_plausible(btz_slice_sub(btz_buf_slice(out), before, out->len)))
        return true;
    out->len = before;
    return false;
}

/*
 * Length of the run of its kind at the front of `in`, 0 for none; `seen` is how far it looked. One that looks far
 * must either return what it saw, or not be called again in there: what a run may begin behind (boundary_fn) and
 * its first byte see to that.
 */
typedef size_t run_fn(struct btz_slice in, size_t *seen);
typedef bool boundary_fn(uint8_t before);

/* Letters of a base with their padding; lines of 40 letters and more go on in the next line. */
static size_t letters_run(struct btz_slice in, bool (*is_letter)(uint8_t), size_t least,
                          size_t *seen)
{
    size_t n = 0, line = 0;

    while (n < in.len) {
        if (is_letter(in.ptr[n])) {
            n++;
            line++;
        } else if (line >= 40 && n + 1 < in.len && in.ptr[n] == '\n' && is_letter(in.ptr[n + 1])) {
            n++;
            line = 0;
        } else {
            break;
        }
    }
    while (n > 0 && n < in.len && in.ptr[n] == '=')
        n++;
    *seen += n + 1;
    return n >= least ? n : 0;
}

static bool base64_letter(uint8_t c)
{
    return is_alnum(c) || c == '+' || c == '/';
}

static bool base64url_letter(uint8_t c)
{
    return is_alnum(c) || c == '-' || c == '_';
}

static bool base32_letter(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
}

static bool base32_small_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7');
}

static size_t base64_run(struct btz_slice in, size_t *seen)
{
    return letters_run(in, base64_letter, 8, seen);
}

static size_t base64url_run(struct btz_slice in, size_t *seen)
{
    return letters_run(in, base64url_letter, 8, seen);
}

static size_t base32_run(struct btz_slice in, size_t *seen)
{
    size_t n = letters_run(in, base32_letter, 8, seen);

    return n ? n : letters_run(in, base32_small_letter, 16, seen);
}

/* At least four pairs of hex digits, each behind 0x, \x or a separator if any. */
static size_t hex_run(struct btz_slice in, size_t *seen)
{
    size_t at = 0, bytes = 0, end = 0;

    while (at + 1 < in.len) {
        if ((in.ptr[at] == '0' || in.ptr[at] == '\\') && in.ptr[at + 1] == 'x') {
            at += 2;
            continue;
        }
        if (btz_hex_value(in.ptr[at]) < 0 || btz_hex_value(in.ptr[at + 1]) < 0)
            break;
        at += 2;
        bytes++;
        end = at;
        if (at < in.len && (is_blank(in.ptr[at]) || in.ptr[at] == ':' || in.ptr[at] == ','))
            at++;
        if (at < in.len && is_blank(in.ptr[at]) && in.ptr[at - 1] == ',')
            at++;
    }
    *seen += at + 1;
    return bytes >= 4 ? end : 0;
}

static size_t binary_run(struct btz_slice in, size_t *seen)
{
    size_t n = 0;

    if (in.ptr[0] != '0' && in.ptr[0] != '1')
        return 0;
    while (n < in.len && (in.ptr[n] == '0' || in.ptr[n] == '1' || is_blank(in.ptr[n])))
        n++;
    *seen += n + 1;
    return n >= 14 ? n : 0;
}

/* ASCII dots and dashes, or bytes of their typographic kin. */
static bool morse_byte(uint8_t c)
{
    return c == '.' || c == '-' || c == '_' || c == 0xB7 || c == 0xC2 || c == 0xE2 || c == 0x80 ||
           (c >= 0x90 && c <= 0x95) || c == 0xA2;
}

static size_t morse_run(struct btz_slice in, size_t *seen)
{
    size_t n = 0, signs = 0, gaps = 0;

    if (!morse_byte(in.ptr[0]))
        return 0;
    for (; n < in.len; n++) {
        if (morse_byte(in.ptr[n]))
            signs++;
        else if (is_blank(in.ptr[n]) || in.ptr[n] == '/' || in.ptr[n] == '|')
            gaps++;
        else
            break;
    }
    *seen += n + 1;
    /* Three letters and more; rules and ellipses have no gaps. */
    return signs >= 4 && gaps >= 2 ? n : 0;
}

static size_t nato_run(struct btz_slice in, size_t *seen)
{
    size_t at = 0, end = 0, words = 0;

    for (;;) {
        size_t from = at;
        char letter;

        while (at < in.len && at - from <= 8 && (is_alnum(in.ptr[at]) || in.ptr[at] == '-'))
            at++;
        if (at - from > 8 || at == from ||
            !btz_nato_letter(btz_slice_sub(in, from, at - from), &letter))
            break;
        words++;
        end = at;
        while (at < in.len && (is_blank(in.ptr[at]) || in.ptr[at] == ',' || in.ptr[at] == '/'))
            at++;
    }
    *seen += at + 1;
    return words >= 3 ? end : 0;
}

/* Single characters apart by one separator: "s e c r e t", "s-e-c-r-e-t". A gap of three separators is a space. */
static size_t spaced_run(struct btz_slice in, size_t *seen)
{
    size_t at = 0, letters = 0, end = 0;
    uint8_t separator = in.len > 1 ? in.ptr[1] : 0;

    if (!separator || is_alnum(separator) || separator >= 0x80 || separator == '\n')
        return 0;
    while (at < in.len && is_alnum(in.ptr[at])) {
        bool last = at + 1 >= in.len || in.ptr[at + 1] != separator;

        if (last && at + 1 < in.len && is_alnum(in.ptr[at + 1]))
            break;
        letters++;
        end = at + 1;
        if (last)
            break;
        at += 2;
        if (at + 1 < in.len && in.ptr[at] == separator && in.ptr[at + 1] == separator)
            at += 2;
        else if (at + 1 < in.len && in.ptr[at] == ' ' && in.ptr[at + 1] == separator)
            at += 2;
    }
    *seen += at + 1;
    return letters >= 4 ? end : 0;
}

static size_t ascii85_run(struct btz_slice in, size_t *seen)
{
    size_t n = 0;

    while (n < in.len && !is_blank(in.ptr[n]))
        n++;
    *seen += n + 1;
    return n >= 8 ? n : 0;
}

static size_t uu_run(struct btz_slice in, size_t *seen)
{
    size_t n = 0, want;

    while (n < in.len && in.ptr[n] != '\n')
        n++;
    *seen += n + 1;
    want = n > 0 ? 1 + (((in.ptr[0] - (size_t)' ') & 63) + 2) / 3 * 4 : 0;
    return n >= 5 && n == want ? n : 0;
}

static size_t punycode_run(struct btz_slice in, size_t *seen)
{
    size_t n = 4;

    if (in.len < 5 || memcmp(in.ptr, "xn--", 4) != 0)
        return 0;
    /* A label of the domain name system has 63 bytes at most. */
    while (n < in.len && n <= 63 && (is_alnum(in.ptr[n]) || in.ptr[n] == '-'))
        n++;
    *seen += n + 1;
    return n <= 63 ? n : 0;
}

/* Takes the separators out of what spaced_run found. */
static enum btz_err collapse(struct btz_slice in, struct btz_buf *out)
{
    size_t at = 0;

    while (at < in.len) {
        uint8_t separator = at + 1 < in.len ? in.ptr[at + 1] : 0;

        BTZ_TRY(btz_buf_add_byte(out, in.ptr[at]));
        at += 2;
        if (at + 1 < in.len && (in.ptr[at] == separator || in.ptr[at] == ' ') &&
            in.ptr[at + 1] == separator) {
            BTZ_TRY(btz_buf_add_byte(out, ' '));
            at += 2;
        }
    }
    return BTZ_OK;
}

static bool behind_non_alnum(uint8_t before)
{
    return !is_alnum(before);
}

static bool behind_blank(uint8_t before)
{
    return is_blank(before);
}

static bool behind_line(uint8_t before)
{
    return before == '\n';
}

/* Decodes each run in its place. Nothing is copied before the first that decodes. */
static enum btz_err at_starts(run_fn *run, btz_codec_fn *codec, boundary_fn *boundary,
                              struct btz_slice in, uint64_t *work, struct btz_buf *out)
{
    size_t at = 0, copied = 0, found = 0;
    uint8_t before = '\n';

    while (at < in.len) {
        size_t seen = 0, n;

        if (!boundary(before)) {
            before = in.ptr[at++];
            continue;
        }
        n = run(btz_slice_sub(in, at, in.len), &seen);
        *work += seen + n;
        if (n > 0) {
            size_t start = out->len;

            BTZ_TRY(btz_buf_add(out, in.ptr + copied, at - copied));
            if (replace(codec, btz_slice_trim(btz_slice_sub(in, at, n)), out)) {
                found++;
                copied = at + n;
                if (copied < in.len && is_alnum(in.ptr[copied]))
                    BTZ_TRY(btz_buf_add_byte(out, ' '));
            } else {
                out->len = start;
            }
        }
        at += n > 0 ? n : 1;
        before = in.ptr[at - 1];
    }
    if (found == 0)
        return btz_fail(BTZ_INPUT, "nothing of that kind in the text");
    return btz_buf_add(out, in.ptr + copied, in.len - copied);
}

/* ---- the search ---- */

enum { HIGH = -1 };

/* In the order they are tried. With `run`, each run of that kind inside the text is decoded in its place. */
static const struct step {
    enum btz_encoding encoding;
    btz_codec_fn *codec;
    run_fn *run;
    boundary_fn *boundary;
    char needs; /* a byte without which it cannot apply; HIGH: any beyond ASCII; 0: none */
} decoders[] = {
    { BTZ_ENC_TAGS, btz_tags_read, NULL, NULL, HIGH },
    { BTZ_ENC_VARIATION, btz_variation_read, NULL, NULL, HIGH },
    { BTZ_ENC_SNEAKY, btz_sneaky_read, NULL, NULL, HIGH },
    { BTZ_ENC_BIDI, btz_bidi_read, NULL, NULL, HIGH },
    { BTZ_ENC_BASE64, btz_base64_read, base64_run, behind_non_alnum, 0 },
    { BTZ_ENC_BASE64, btz_base64_read, base64url_run, behind_non_alnum, 0 },
    { BTZ_ENC_HEX, btz_hex_read, hex_run, behind_non_alnum, 0 },
    { BTZ_ENC_URL, btz_url_read, NULL, NULL, '%' },
    { BTZ_ENC_HTML, btz_html_read, NULL, NULL, '&' },
    { BTZ_ENC_UNICODE_ESCAPE, btz_escape_read, NULL, NULL, '\\' },
    { BTZ_ENC_BASE32, btz_base32_read, base32_run, behind_non_alnum, 0 },
    { BTZ_ENC_BINARY, btz_binary_read, binary_run, behind_non_alnum, 0 },
    { BTZ_ENC_MORSE, btz_morse_read, morse_run, behind_blank, 0 },
    { BTZ_ENC_NATO, btz_nato_read, nato_run, behind_non_alnum, 0 },
    { BTZ_ENC_SPACED, collapse, spaced_run, behind_non_alnum, 0 },
    { BTZ_ENC_QUOTED, btz_quoted_read, NULL, NULL, '=' },
    { BTZ_ENC_PUNYCODE, btz_punycode_read, punycode_run, behind_non_alnum, 0 },
    { BTZ_ENC_ASCII85, btz_ascii85_read, ascii85_run, behind_blank, 0 },
    { BTZ_ENC_UU, btz_uu_read, uu_run, behind_line, 0 },
}, ciphers[] = {
    { BTZ_ENC_ROT13, btz_rot13, NULL, NULL, 0 },
    { BTZ_ENC_REVERSE, btz_reverse, NULL, NULL, 0 },
    { BTZ_ENC_LEET, btz_leet_read, NULL, NULL, 0 },
    { BTZ_ENC_ATBASH, btz_atbash, NULL, NULL, 0 },
    { BTZ_ENC_PIGLATIN, btz_piglatin_read, NULL, NULL, 0 },
    { BTZ_ENC_ACROSTIC, btz_acrostic_read, NULL, NULL, 0 },
};

static uint64_t hash_of(struct btz_slice s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a, 64 bits */

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * 1099511628211u;
    return h;
}

static bool is_known(const struct search *s, struct btz_slice text, uint64_t hash)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->nodes[i].hash == hash && btz_slice_equal(s->nodes[i].reading.text, text))
            return true;
    return false;
}

static enum btz_err keep(struct search *s, const struct node *from, const struct step *step,
                         bool cipher, struct btz_slice text)
{
    uint64_t hash = hash_of(text);
    const char *name = btz_encoding_name(step->encoding);
    struct node *n;

    *s->work += text.len;
    if (text.len == 0 || s->count == READINGS_MAX || text.len > s->budget ||
        is_known(s, text, hash))
        return BTZ_OK;
    n = &s->nodes[s->count];
    *n = (struct node){ .hash = hash, .layer = from->layer + 1, .cipher = cipher };
    BTZ_TRY(btz_arena_copy(s->arena, text, &n->reading.text));
    n->reading.how =
        from->layer == 0 ? name : btz_arena_printf(s->arena, "%s > %s", from->reading.how, name);
    if (!n->reading.how)
        return BTZ_LIMIT;
    s->budget -= text.len;
    s->count++;
    return BTZ_OK;
}

static bool may_apply(const struct step *step, struct btz_slice text, bool ascii)
{
    if (step->needs == 0)
        return true;
    if (step->needs == HIGH)
        return !ascii;
    return text.len > 0 && memchr(text.ptr, step->needs, text.len);
}

static bool is_ascii(struct btz_slice s)
{
    uint8_t all = 0;

    for (size_t i = 0; i < s.len; i++)
        all |= s.ptr[i];
    return all < 0x80;
}

static enum btz_err expand(struct search *s, size_t from, const struct step *steps, size_t count,
                           bool cipher, struct btz_buf *scratch)
{
    bool ascii = is_ascii(s->nodes[from].reading.text);

    for (size_t i = 0; i < count && s->count < READINGS_MAX; i++) {
        /* A copy: nodes do not move, but say so. */
        struct node node = s->nodes[from];
        struct btz_slice text = node.reading.text;
        enum btz_err err;

        *s->work += text.len;
        if (!may_apply(&steps[i], text, ascii))
            continue;
        btz_buf_clear(scratch);
        if (steps[i].run)
            err =
                at_starts(steps[i].run, steps[i].codec, steps[i].boundary, text, s->work, scratch);
        else
            err = steps[i].codec(text, scratch);
        if (err == BTZ_INPUT)
            continue;
        BTZ_TRY(err);
        BTZ_TRY(keep(s, &node, &steps[i], cipher, btz_buf_slice(scratch)));
    }
    return BTZ_OK;
}

/* Decoders on everything of the layer, then ciphers on what decoders gave, then ciphers on ciphers. */
static enum btz_err expand_layer(struct search *s, unsigned layer, struct btz_buf *scratch)
{
    size_t end = s->count;

    for (int pass = 0; pass < 3; pass++)
        for (size_t i = 0; i < end; i++) {
            if (s->nodes[i].layer != layer || (pass > 0 && s->nodes[i].cipher != (pass == 2)))
                continue;
            if (pass == 0)
                BTZ_TRY(expand(s, i, decoders, BTZ_COUNT(decoders), false, scratch));
            else
                BTZ_TRY(expand(s, i, ciphers, BTZ_COUNT(ciphers), true, scratch));
        }
    return BTZ_OK;
}

static enum btz_err search(struct search *s, struct btz_slice in, unsigned depth,
                           const struct btz_reading **out)
{
    BTZ_BUF_RELEASE struct btz_buf scratch = BTZ_BUF(SIZE_MAX);
    struct btz_reading *list;

    s->nodes[0] = (struct node){ .reading = { .text = in, .how = "plain" }, .hash = hash_of(in) };
    s->count = 1;
    s->budget = (in.len < INPUT_MIN ? INPUT_MIN : in.len) * (size_t)GROWTH_MAX;
    for (unsigned layer = 0; layer < depth && s->count < READINGS_MAX; layer++) {
        size_t before = s->count;

        BTZ_TRY(expand_layer(s, layer, &scratch));
        if (s->count == before)
            break;
    }
    list = btz_arena_array(s->arena, s->count, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->count; i++) {
        list[i] = s->nodes[i].reading;
        list[i].next = i + 1 < s->count ? &list[i + 1] : NULL;
    }
    *out = list;
    return BTZ_OK;
}

enum btz_err btz_text_readings_counted(struct btz_slice in, unsigned depth, struct btz_arena *arena,
                                       const struct btz_reading **out, uint64_t *work)
{
    struct search s = { .arena = arena, .work = work };

    if (in.len > SIZE_MAX / GROWTH_MAX)
        return btz_fail(BTZ_LIMIT, "text of %zu bytes is too long", in.len);
    *work = 0;
    return search(&s, in, depth, out);
}

enum btz_err btz_text_readings(struct btz_slice in, unsigned depth, struct btz_arena *arena,
                               const struct btz_reading **out)
{
    uint64_t work;

    return btz_text_readings_counted(in, depth, arena, out, &work);
}
