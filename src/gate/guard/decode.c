/*
 * What a text says once encodings are taken off: escapes within the text (HTML, URL, backslash), and runs that encode
 * another text as a whole (base64, hex). Linear: every byte is looked at a bounded number of times.
 */
#include <stdlib.h>

#include "gate/guard/view.h"

enum {
    RUN_MIN = 16,   /* characters of base64 or hex that are worth a try */
    PAIRS_MIN = 8,  /* "69 67 6e ..." */
    SHOWN_MAX = 64, /* letters of one case at its beginning; more are no base64 */
    WRAP_MIN = 60,  /* a line of wrapped base64 is at least this long */
    PAD_MAX = 4,    /* more are a line drawn with them */
    ENTITY_MAX = 32 /* with leading zeros */
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* ---- escapes ------------------------------------------------------------------------------------------------------- */

enum escape_kind { ESCAPE_NONE, ESCAPE_CUT, ESCAPE_HTML, ESCAPE_URL, ESCAPE_BACKSLASH };
struct escape {
    enum escape_kind kind;
    size_t len;
    uint32_t c; /* character, or byte for URL and \x */
    bool byte;
};

/* `n` hex digits at `p`; kind NONE when one is none, CUT when the text ends before. */
static enum escape_kind hex_digits(const uint8_t *p, size_t left, size_t n, uint32_t *out)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n; i++) {
        int d;

        if (i == left)
            return ESCAPE_CUT;
        d = hex_digit(p[i]);
        if (d < 0)
            return ESCAPE_NONE;
        value = value << 4 | (uint32_t)d;
    }
    *out = value;
    return ESCAPE_URL;
}

static const struct {
    const char *name;
    uint32_t c;
} entities[] = {
    { "lt;", '<' },      { "gt;", '>' },     { "amp;", '&' },    { "quot;", '"' },
    { "apos;", '\'' },   { "nbsp;", ' ' },   { "colon;", ':' },  { "sol;", '/' },
    { "lpar;", '(' },    { "rpar;", ')' },   { "period;", '.' }, { "comma;", ',' },
    { "equals;", '=' },  { "quest;", '?' },  { "num;", '#' },    { "percnt;", '%' },
    { "commat;", '@' },  { "lowbar;", '_' }, { "excl;", '!' },   { "lsqb;", '[' },
    { "rsqb;", ']' },    { "bsol;", '\\' },  { "Tab;", '\t' },   { "NewLine;", '\n' },
    { "zwnj;", 0x200C }, { "zwj;", 0x200D }, { "shy;", 0xAD },   { "hyphen;", '-' },
    { "dash;", '-' },    { "semi;", ';' },   { "grave;", '`' },  { "dollar;", '$' },
};

/* As browsers read them: leading zeros, and an end that is no ";", make no difference. */
static struct escape number_reference(const uint8_t *p, size_t left, bool final)
{
    struct escape e = { ESCAPE_NONE, 0, 0, false };
    bool hex = left > 2 && (p[2] | 0x20) == 'x';
    size_t i = hex ? 3 : 2, first = i;

    for (; i < left && i <= ENTITY_MAX; i++) {
        int d = hex_digit(p[i]);

        if (d < 0 || (!hex && d > 9))
            break;
        e.c = e.c > 0x110000 ? e.c : e.c * (hex ? 16 : 10) + (uint32_t)d;
    }
    if (i == left && !final)
        e.kind = ESCAPE_CUT;
    else if (i > first && i <= ENTITY_MAX && e.c > 0 && e.c <= 0x10FFFF)
        e = (struct escape){ ESCAPE_HTML, i + (i < left && p[i] == ';'), e.c, false };
    return e;
}

/* Those that browsers read without a ";" too. */
static struct escape unfinished(const uint8_t *p, size_t left)
{
    static const struct {
        const char *name;
        uint32_t c;
    } old[] = {
        { "lt", '<' },  { "gt", '>' },   { "LT", '<' },   { "GT", '>' },   { "amp", '&' },
        { "AMP", '&' }, { "quot", '"' }, { "QUOT", '"' }, { "nbsp", ' ' }, { "shy", 0xAD }
    };

    for (size_t k = 0; k < BTZ_COUNT(old); k++) {
        size_t n = strlen(old[k].name);

        if (left > n && memcmp(p + 1, old[k].name, n) == 0)
            return (struct escape){ ESCAPE_HTML, n + 1, old[k].c, false };
    }
    return (struct escape){ ESCAPE_NONE, 0, 0, false };
}

static struct escape html_escape(const uint8_t *p, size_t left, bool final)
{
    struct escape e = { ESCAPE_NONE, 0, 0, false };

    if (left < 2)
        return (struct escape){ ESCAPE_CUT, 0, 0, false };
    if (p[1] == '#')
        return number_reference(p, left, final);
    if ((uint8_t)((p[1] | 0x20) - 'a') >= 26)
        return e;
    for (size_t k = 0; k < BTZ_COUNT(entities); k++) {
        size_t n, have;

        if (entities[k].name[0] != p[1])
            continue;
        n = strlen(entities[k].name);
        have = left - 1 < n ? left - 1 : n;
        if (memcmp(p + 1, entities[k].name, have) != 0)
            continue;
        if (have == n)
            return (struct escape){ ESCAPE_HTML, n + 1, entities[k].c, false };
        e.kind = ESCAPE_CUT;
    }
    return e.kind == ESCAPE_CUT && !final ? e : unfinished(p, left);
}

/* \u{1F600}: `p` is behind the bracket. */
static struct escape braced(const uint8_t *p, size_t left)
{
    struct escape e = { ESCAPE_NONE, 0, 0, false };
    size_t i = 0;

    for (; i < left && i <= 8 && hex_digit(p[i]) >= 0; i++)
        e.c = e.c << 4 | (uint32_t)hex_digit(p[i]);
    if (i == left)
        e.kind = ESCAPE_CUT;
    else if (p[i] == '}' && i > 0 && i <= 8 && e.c > 0 && e.c <= 0x10FFFF)
        e = (struct escape){ ESCAPE_BACKSLASH, i + 4, e.c, false };
    return e;
}

/* \55 and \101; one digit is more often a group of a regular expression. */
static struct escape octal(const uint8_t *p, size_t left, bool final)
{
    struct escape e = { ESCAPE_NONE, 0, 0, true };
    size_t i = 1;

    for (; i < left && i < 4 && p[i] >= '0' && p[i] <= '7' && e.c < 32; i++)
        e.c = e.c << 3 | (uint32_t)(p[i] - '0');
    if (i == left && i < 4 && e.c < 32 && !final)
        e.kind = ESCAPE_CUT;
    else if (i > 2)
        e = (struct escape){ ESCAPE_BACKSLASH, i, e.c, true };
    return e;
}

/* CSS: \\000041, and a space that ends it. Only with the zeros: without, it is octal to somebody else. */
static struct escape css(const uint8_t *p, size_t left, bool final)
{
    struct escape e = { ESCAPE_NONE, 0, 0, false };
    size_t i = 1;

    for (; i < left && i <= 6 && hex_digit(p[i]) >= 0; i++)
        e.c = e.c << 4 | (uint32_t)hex_digit(p[i]);
    if (i == left && !final)
        return (struct escape){ ESCAPE_CUT, 0, 0, false };
    if (i < 5 || p[1] != '0' || p[2] != '0' || e.c == 0 || e.c > 0x10FFFF)
        return e;
    return (struct escape){ ESCAPE_BACKSLASH, i + (i < left && p[i] == ' '), e.c, false };
}

static struct escape backslash(const uint8_t *p, size_t left, bool final)
{
    static const char from[] = "ntr\"'/\\", to[] = "\n\t\r\"'/\\";
    struct escape e = { ESCAPE_CUT, 0, 0, false };
    enum escape_kind kind;
    uint32_t low = 0;
    const char *simple;

    if (left < 2)
        return e;
    simple = p[1] ? strchr(from, p[1]) : NULL;
    if (simple)
        return (struct escape){ ESCAPE_BACKSLASH, 2, (uint8_t)to[simple - from], false };
    if (p[1] == 'x') {
        kind = hex_digits(p + 2, left - 2, 2, &e.c);
        e.len = 4;
        e.byte = true;
    } else if (p[1] >= '0' && p[1] <= '7') {
        if (p[1] == '0' && (left < 3 || p[2] == '0'))
            e = css(p, left, final);
        return e.kind != ESCAPE_NONE && p[1] == '0' && (left < 3 || p[2] == '0')
                   ? e
                   : octal(p, left, final);
    } else if (p[1] == 'u' && left > 2 && p[2] == '{') {
        return braced(p + 3, left - 3);
    } else if (p[1] == 'U') {
        kind = hex_digits(p + 2, left - 2, 8, &e.c);
        e.len = 10;
        if (kind == ESCAPE_URL && (e.c == 0 || e.c > 0x10FFFF))
            kind = ESCAPE_NONE;
    } else if (p[1] == 'u') {
        kind = hex_digits(p + 2, left - 2, 4, &e.c);
        e.len = 6;
        if (kind == ESCAPE_URL && e.c >= 0xD800 && e.c < 0xDC00) {
            const uint8_t *second = p + 6;

            if (left < 8 && (left == 6 || (left == 7 && second[0] == '\\')))
                return (struct escape){ ESCAPE_CUT, 0, 0, false };
            if (left >= 8 && second[0] == '\\' && second[1] == 'u') {
                kind = hex_digits(p + 8, left - 8, 4, &low);
                if (kind == ESCAPE_URL && low >= 0xDC00 && low < 0xE000) {
                    e.c = 0x10000 + ((e.c - 0xD800) << 10) + (low - 0xDC00);
                    e.len = 12;
                } else if (kind == ESCAPE_NONE) {
                    kind = ESCAPE_URL;
                }
            }
        }
        if (kind == ESCAPE_URL && e.c >= 0xD800 && e.c < 0xE000)
            e.c = 0xFFFD;
    } else {
        kind = ESCAPE_NONE;
    }
    e.kind = kind == ESCAPE_URL ? ESCAPE_BACKSLASH : kind;
    return e;
}

static struct escape escape_at(const uint8_t *p, size_t left, bool final)
{
    struct escape e = { ESCAPE_NONE, 3, 0, true };

    if (p[0] == '&')
        return html_escape(p, left, final);
    if (p[0] == '\\')
        return backslash(p, left, final);
    e.kind = hex_digits(p + 1, left - 1, 2, &e.c);
    return e;
}

static bool is_escape_start(uint8_t c)
{
    return c == '&' || c == '%' || c == '\\';
}

/* "url", "html", "html > url", ...: the decodings in the order they were taken off. */
static const char *named(const char *before, enum escape_kind kind)
{
    static const char *const first[] = { "escape", "html", "url", "escape" };
    static const char *const more[] = { "decoded > escape", "decoded > html", "decoded > url",
                                        "decoded > escape" };
    size_t k = kind == ESCAPE_HTML ? 1 : kind == ESCAPE_URL ? 2 : 3;

    return strcmp(before, "plain") == 0 ? first[k] : more[k];
}

static enum btz_err room_maps(struct btz_view_room *room, size_t len)
{
    if (len > room->map_cap) {
        free(room->at);
        free(room->till);
        room->at = malloc(len * sizeof *room->at);
        room->till = malloc(len * sizeof *room->till);
        room->map_cap = room->at && room->till ? len : 0;
        if (room->map_cap == 0)
            return btz_fail(BTZ_LIMIT, "out of memory for the map of %zu bytes of text", len);
    }
    return BTZ_OK;
}

static size_t source_from(const struct btz_view *in, size_t i)
{
    return in->at ? in->at[i] : i;
}

static size_t source_till(const struct btz_view *in, size_t i)
{
    return in->till ? in->till[i] : i + 1;
}

struct unescaped {
    struct btz_buf bytes;
    uint32_t *at, *till; /* of in's text, one for each byte */
    size_t before;
    enum escape_kind kind;
};

/* A step: the bytes with escapes taken off, not normalised yet. Room for in.text.len bytes is there: escapes are longer
 * than what they stand for. */
static void strip(const struct btz_view *in, struct unescaped *u, size_t *wait)
{
    struct btz_slice t = in->text;
    size_t i = 0;

    u->before = SIZE_MAX;
    while (i < t.len) {
        struct escape e = { ESCAPE_NONE, 1, t.ptr[i], true };
        size_t start = u->bytes.len, len = 1;

        if (i >= in->before && u->before == SIZE_MAX)
            u->before = start;
        if (is_escape_start(t.ptr[i])) {
            e = escape_at(t.ptr + i, t.len - i, in->final);
            if (e.kind == ESCAPE_CUT && !in->final) { /* the view ends in front of it */
                *wait = i;
                break;
            }
            if (e.kind == ESCAPE_NONE || e.kind == ESCAPE_CUT)
                e = (struct escape){ ESCAPE_NONE, 1, t.ptr[i], true };
            else
                u->kind = e.kind;
            len = e.len;
        }
        if (e.byte)
            u->bytes.ptr[u->bytes.len++] = (uint8_t)e.c;
        else if (btz_buf_add_utf8(&u->bytes, e.c) != BTZ_OK)
            u->bytes.ptr[u->bytes.len++] = '?';
        for (size_t k = start; k < u->bytes.len; k++) {
            u->at[k] = (uint32_t)i;
            u->till[k] = (uint32_t)(i + len);
        }
        i += len;
    }
    if (u->before == SIZE_MAX)
        u->before = u->bytes.len;
}

/* Normalises what strip() made; maps of both steps become one. */
static enum btz_err settle(struct btz_view_room *room, const struct btz_view *in,
                           const struct unescaped *u, struct btz_view *out, size_t *wait)
{
    size_t cut, before = 0;

    BTZ_TRY(btz_view_plain(room, btz_buf_slice(&u->bytes), 0, in->final, out, &cut));
    if (cut < u->bytes.len && u->at[cut] < *wait)
        *wait = u->at[cut];
    BTZ_TRY(room_maps(room, out->text.len + 1));
    if (!out->at) { /* ASCII: the view borrows the bytes, which go */
        btz_buf_clear(&room->text);
        BTZ_TRY(btz_buf_add(&room->text, u->bytes.ptr, u->bytes.len));
        out->text = btz_buf_slice(&room->text);
        for (size_t i = 0; i < out->text.len; i++) {
            room->at[i] = (uint32_t)source_from(in, u->at[i]);
            room->till[i] = (uint32_t)source_till(in, u->till[i] - 1);
        }
        before = u->before;
    } else {
        while (before < out->text.len && out->at[before] < u->before)
            before++;
        for (size_t i = 0; i < out->text.len; i++) {
            size_t first = room->at[i], last = room->till[i] - 1;

            room->at[i] = (uint32_t)source_from(in, u->at[first]);
            room->till[i] = (uint32_t)source_till(in, u->till[last] - 1);
        }
    }
    out->at = room->at;
    out->till = room->till;
    out->before = before;
    out->how = named(in->how, u->kind);
    out->channel = in->channel;
    out->invisible = NULL;
    out->invisible_count = 0;
    return BTZ_OK;
}

/* Most texts with a "%" or "&" have no escape. *cut: where one begins that is not finished, or the end. */
static bool has_escape(const struct btz_view *in, size_t *cut)
{
    struct btz_slice t = in->text;

    *cut = t.len;
    if (t.len == 0 ||
        (!memchr(t.ptr, '%', t.len) && !memchr(t.ptr, '&', t.len) && !memchr(t.ptr, '\\', t.len)))
        return false;
    for (size_t i = 0; i < t.len; i++) {
        enum escape_kind kind;

        if (!is_escape_start(t.ptr[i]))
            continue;
        kind = escape_at(t.ptr + i, t.len - i, in->final).kind;
        if (kind != ESCAPE_NONE && kind != ESCAPE_CUT)
            return true;
        if (kind == ESCAPE_CUT && !in->final && *cut == t.len)
            *cut = i;
    }
    return false;
}

enum btz_err btz_view_unescape(struct btz_view_room *room, const struct btz_view *in,
                               struct btz_view *out, bool *changed, size_t *wait)
{
    struct unescaped u = { .kind = ESCAPE_NONE };
    struct btz_slice t = in->text;
    enum btz_err err;

    *changed = false;
    if (!has_escape(in, wait))
        return BTZ_OK;
    *wait = t.len;
    u.bytes.max = t.len + 8;
    u.at = malloc((t.len + 8) * sizeof *u.at);
    u.till = malloc((t.len + 8) * sizeof *u.till);
    err = u.at && u.till ? btz_buf_reserve(&u.bytes, t.len + 8)
                         : btz_fail(BTZ_LIMIT, "out of memory to decode %zu bytes", t.len);
    if (err == BTZ_OK) {
        strip(in, &u, wait);
        *changed = u.kind != ESCAPE_NONE; /* else one that is cut stands in front of all of them */
        if (*changed)
            err = settle(room, in, &u, out, wait);
    }
    free(u.at);
    free(u.till);
    btz_buf_release(&u.bytes);
    return err;
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

enum { DIGIT = 1, LOWER = 2, UPPER = 4, SIGN = 8, PAD = 16, HEX = 32 };
static const uint8_t class_table[256] = {
    ['+'] = SIGN,        ['-'] = SIGN,        ['/'] = SIGN,        ['0'] = DIGIT | HEX,
    ['1'] = DIGIT | HEX, ['2'] = DIGIT | HEX, ['3'] = DIGIT | HEX, ['4'] = DIGIT | HEX,
    ['5'] = DIGIT | HEX, ['6'] = DIGIT | HEX, ['7'] = DIGIT | HEX, ['8'] = DIGIT | HEX,
    ['9'] = DIGIT | HEX, ['='] = PAD,         ['A'] = UPPER | HEX, ['B'] = UPPER | HEX,
    ['C'] = UPPER | HEX, ['D'] = UPPER | HEX, ['E'] = UPPER | HEX, ['F'] = UPPER | HEX,
    ['G'] = UPPER,       ['H'] = UPPER,       ['I'] = UPPER,       ['J'] = UPPER,
    ['K'] = UPPER,       ['L'] = UPPER,       ['M'] = UPPER,       ['N'] = UPPER,
    ['O'] = UPPER,       ['P'] = UPPER,       ['Q'] = UPPER,       ['R'] = UPPER,
    ['S'] = UPPER,       ['T'] = UPPER,       ['U'] = UPPER,       ['V'] = UPPER,
    ['W'] = UPPER,       ['X'] = UPPER,       ['Y'] = UPPER,       ['Z'] = UPPER,
    ['_'] = SIGN,        ['a'] = LOWER | HEX, ['b'] = LOWER | HEX, ['c'] = LOWER | HEX,
    ['d'] = LOWER | HEX, ['e'] = LOWER | HEX, ['f'] = LOWER | HEX, ['g'] = LOWER,
    ['h'] = LOWER,       ['i'] = LOWER,       ['j'] = LOWER,       ['k'] = LOWER,
    ['l'] = LOWER,       ['m'] = LOWER,       ['n'] = LOWER,       ['o'] = LOWER,
    ['p'] = LOWER,       ['q'] = LOWER,       ['r'] = LOWER,       ['s'] = LOWER,
    ['t'] = LOWER,       ['u'] = LOWER,       ['v'] = LOWER,       ['w'] = LOWER,
    ['x'] = LOWER,       ['y'] = LOWER,       ['z'] = LOWER,
};

static unsigned class_of(uint8_t c)
{
    return class_table[c];
}

static bool is_word(uint8_t c)
{
    return class_of(c) & (DIGIT | LOWER | UPPER);
}

/* Pairs of hex digits with one separator between them. */
static bool paired_run(struct btz_slice t, size_t from, struct btz_run *out)
{
    size_t i = from, pairs = 0;
    uint8_t separator = 0;

    if (from > 0 && is_word(t.ptr[from - 1]))
        return false;
    for (;;) {
        if (i + 2 > t.len || t.ptr[i] < '2' || t.ptr[i] > '7' || hex_digit(t.ptr[i + 1]) < 0)
            break;
        if (i + 2 < t.len && is_word(t.ptr[i + 2]))
            break;
        pairs++;
        i += 2;
        if (i == t.len || (separator && t.ptr[i] != separator) || !strchr(" :,-", t.ptr[i]) ||
            t.ptr[i] == 0)
            break;
        separator = t.ptr[i++];
    }
    if (pairs == 0)
        return false;
    out->open = i == t.len || (i + 1 == t.len && t.ptr[i] >= '2' && t.ptr[i] <= '7');
    if (i < t.len && separator && i > from && t.ptr[i - 1] == separator)
        i--;
    out->from = out->shown_from = from;
    out->to = i;
    out->hex = out->paired = true;
    return pairs >= PAIRS_MIN || out->open;
}

/* `line`: where the line of text begins that `from` is in. */
static void plain_run(struct btz_slice t, size_t from, size_t line, struct btz_run *out)
{
    unsigned all = 0, last = 0, before = 0, c;
    size_t i = from;
    bool only_hex = true;

    out->shown_from = SIZE_MAX;
    for (; i < t.len; i++) {
        c = class_of(t.ptr[i]);
        if ((t.ptr[i] == '\n' || t.ptr[i] == '\r') && i - line >= WRAP_MIN) {
            size_t next = i + 1 + (t.ptr[i] == '\r' && i + 1 < t.len && t.ptr[i + 1] == '\n');

            if (next < t.len && !(class_of(t.ptr[next]) & (DIGIT | LOWER | UPPER | SIGN)))
                break;
            i = next - 1;
            line = next;
            continue;
        }
        if (c == 0 || (c == PAD && i == from))
            break;
        if (c == PAD) { /* ends it */
            for (unsigned pads = 0; i < t.len && t.ptr[i] == '=' && pads < PAD_MAX; pads++)
                i++;
            break;
        }
        if (out->shown_from == SIZE_MAX && ((c & DIGIT) || ((c & UPPER) && (last & LOWER)) ||
                                            ((c & LOWER) && (last & UPPER) && (before & UPPER))))
            out->shown_from = i;
        only_hex = only_hex && (c & HEX);
        all |= c;
        before = last;
        last = c;
    }
    out->from = from;
    out->to = i;
    out->open = i >= t.len;
    out->hex = only_hex && (all & DIGIT);
    out->paired = false;
}

bool btz_run_next(const struct btz_view *view, size_t *at, struct btz_run *out)
{
    const uint8_t *p = view->text.ptr;
    size_t len = view->text.len, i = *at, end;

    while (i < len) {
        if (!(class_table[p[i]] & ~(unsigned)PAD)) {
            i++;
            continue;
        }
        if (p[i] >= '2' && p[i] <= '7' && (i + 2 >= len || !is_word(p[i + 2])) &&
            paired_run(view->text, i, out)) {
            *at = out->to > i ? out->to : i + 1;
            out->open = out->open && !view->final;
            return true;
        }
        for (end = i + 1; end < len && (class_table[p[end]] & ~(unsigned)PAD);)
            end++;
        while (end < len && p[end] == '=')
            end++;
        if (end < len && end - i < RUN_MIN) { /* a word, most likely */
            i = end;
            continue;
        }
        plain_run(view->text, i, i, out);
        out->open = out->open && !view->final;
        i = out->to > i ? out->to : i + 1;
        if (out->shown_from != SIZE_MAX && out->shown_from - out->from <= SHOWN_MAX &&
            (out->to - out->from >= RUN_MIN || out->open)) {
            *at = i;
            return true;
        }
    }
    *at = len;
    return false;
}

void btz_run_resume(const struct btz_view *view, size_t from, bool paired, struct btz_run *out)
{
    size_t least = from > WRAP_MIN ? from - WRAP_MIN : 0, line = from;

    *out = (struct btz_run){ .from = from, .to = from, .shown_from = from, .hex = paired };
    out->paired = paired;
    if (paired) {
        (void)paired_run(view->text, from, out);
    } else {
        while (line > least && view->text.ptr[line - 1] != '\n' && view->text.ptr[line - 1] != '\r')
            line--;
        plain_run(view->text, from, line, out);
    }
    out->shown_from = from;
    out->open = out->open && !view->final;
}

void btz_run_part(const struct btz_view *view, const struct btz_run *run, size_t from, size_t to,
                  struct btz_run *out)
{
    unsigned all = 0;
    bool only_hex = true;

    *out = *run;
    out->open = false;
    if (from > out->shown_from)
        out->shown_from = from;
    out->from = from;
    out->to = to;
    for (size_t i = from; !run->paired && i < to; i++) {
        unsigned c = class_of(view->text.ptr[i]);

        all |= c;
        only_hex = only_hex && (c == 0 || (c & HEX));
    }
    out->hex = run->paired || (only_hex && (all & DIGIT));
}

/* UTF-16 of ASCII: every second byte is NUL. */
static void drop_nuls(struct btz_buf *out, size_t start)
{
    size_t nuls = 0, kept = start;

    for (size_t i = start; i < out->len; i++)
        nuls += out->ptr[i] == 0;
    if (nuls * 5 < (out->len - start) * 2)
        return;
    for (size_t i = start; i < out->len; i++)
        if (out->ptr[i] != 0)
            out->ptr[kept++] = out->ptr[i];
    out->len = kept;
}

/*
 * How much of out[start, ...) is text, in percent; 0 where that is too little to be one. A few odd bytes make no text
 * unreadable: a space takes the place of each. Random bytes are printable for a third, and seldom UTF-8.
 */
static unsigned tidy(struct btz_buf *out, size_t start)
{
    size_t at = 0, odd = 0, count = 0, good = 0, bad = 0, wide = 0;
    struct btz_slice s;

    drop_nuls(out, start);
    s = btz_slice_of(out->ptr + start, out->len - start);
    if (s.len < 6)
        return 0;
    while (at < s.len) {
        uint8_t *p = out->ptr + start + at;
        size_t next = at;
        uint32_t c;

        if (*p >= 0x20 && *p < 0x7F) {
            good++;
            count++;
            at++;
        } else if (*p >= 0x80 && btz_utf8_next(s, &next, &c) &&
                   btz_is_utf8(btz_slice_of(p, next - at))) {
            wide += next - at;
            odd++;
            count++;
            at = next;
        } else {
            bool blank = *p == '\n' || *p == '\t' || *p == '\r';

            good += blank;
            bad += !blank;
            *p = blank ? *p : ' ';
            at++;
        }
    }
    if (bad * 16 <= s.len) /* among much junk a wide character is one by chance */
        good += wide;
    if (good * 4 < s.len * 3 || (odd * 2 > count && count < 12))
        return 0;
    return (unsigned)(good * 100 / s.len);
}

static int sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static void base64_from(struct btz_slice in, unsigned skip, struct btz_buf *out)
{
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < in.len; i++) {
        int six = sextet(in.ptr[i]);

        if (six < 0)
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        bits = bits << 6 | (uint32_t)six;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out->ptr[out->len++] = (uint8_t)(bits >> have);
        }
    }
}

static void hex_from(struct btz_slice in, struct btz_buf *out)
{
    int high = -1;

    for (size_t i = 0; i < in.len; i++) {
        int d = hex_digit(in.ptr[i]);

        if (d < 0)
            continue;
        if (high < 0) {
            high = d;
            continue;
        }
        out->ptr[out->len++] = (uint8_t)(high << 4 | d);
        high = -1;
    }
}

enum btz_err btz_run_decode(const struct btz_view *view, const struct btz_run *run,
                            struct btz_buf *out, bool *text)
{
    struct btz_slice in = btz_slice_sub(view->text, run->from, run->to - run->from);
    size_t start = out->len;

    unsigned best = 0, best_skip = 0, good;

    *text = false;
    BTZ_TRY(btz_buf_reserve(out, in.len + 4));
    if (run->hex) {
        hex_from(in, out);
        *text = tidy(out, start) > 0;
    }
    /* What stands in front of the run may have joined it. */
    for (unsigned skip = 0; !run->paired && !*text && skip < 4; skip++) {
        out->len = start;
        base64_from(in, skip, out);
        good = tidy(out, start);
        if (good > best) {
            best = good;
            best_skip = skip;
        }
        *text = good == 100;
    }
    if (!*text && best > 0) {
        out->len = start;
        base64_from(in, best_skip, out);
        *text = tidy(out, start) > 0;
    }
    if (!*text)
        out->len = start;
    return BTZ_OK;
}
