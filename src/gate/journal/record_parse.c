/* Records, read back: hostile bytes. One pass, no memory; accepts only what record.c writes. */
#include "gate/journal/record.h"

struct scan {
    struct btz_slice in;
    size_t at;
};

static enum btz_err bad(const struct scan *s, const char *expected)
{
    return btz_fail(BTZ_INPUT, "record of the journal, byte %zu: expected %s", s->at, expected);
}

static bool take(struct scan *s, uint8_t c)
{
    if (s->at >= s->in.len || s->in.ptr[s->at] != c)
        return false;
    s->at++;
    return true;
}

/* The escapes that are written, each of a character that must be escaped: so there is one text for one value. */
static bool skip_escape(struct scan *s)
{
    const uint8_t *p = s->in.ptr + s->at;

    if (s->in.len - s->at < 2)
        return false;
    if (p[1] == '"' || p[1] == '\\') {
        s->at += 2;
        return true;
    }
    if (s->in.len - s->at < 6 || memcmp(p, "\\u00", 4) != 0 || (p[4] != '0' && p[4] != '1') ||
        !((p[5] >= '0' && p[5] <= '9') || (p[5] >= 'a' && p[5] <= 'f')) ||
        (p[4] == '0' && p[5] == '0'))
        return false;
    s->at += 6;
    return true;
}

static enum btz_err scan_text(struct scan *s, size_t max)
{
    size_t from;
    bool wide = false;

    if (!take(s, '"'))
        return bad(s, "a text");
    from = s->at;
    for (;;) {
        uint8_t c = 0;

        while (s->at < s->in.len && (c = s->in.ptr[s->at]) >= 0x20 && c != '"' && c != '\\') {
            wide |= c >= 0x80;
            s->at++;
        }
        if (s->at == s->in.len || c == '"')
            break;
        if (c < 0x20)
            return bad(s, "no control character");
        if (!skip_escape(s))
            return bad(s, "an escape of the journal");
    }
    if (s->at - from > max)
        return bad(s, "a shorter text");
    if (wide && !btz_is_utf8(btz_slice_of(s->in.ptr + from, s->at - from)))
        return bad(s, "UTF-8");
    return take(s, '"') ? BTZ_OK : bad(s, "the end of a text");
}

static size_t digits(struct scan *s)
{
    size_t from = s->at;

    while (s->at < s->in.len && s->in.ptr[s->at] >= '0' && s->in.ptr[s->at] <= '9')
        s->at++;
    return s->at - from;
}

/* At most 2^63 - 1: what JSON readers take. */
static enum btz_err scan_number(struct scan *s, bool decimals)
{
    struct btz_slice text = { s->in.ptr + s->at, 0 };
    uint64_t n;

    text.len = digits(s);
    if (text.len == 0 || btz_parse_u64(text, &n) != BTZ_OK || n > INT64_MAX)
        return bad(s, "a number");
    if (!decimals || !take(s, '.'))
        return BTZ_OK;
    text.len = digits(s);
    return text.len > 0 && text.len <= 9 ? BTZ_OK : bad(s, "decimals");
}

static enum btz_err scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if (s->in.len - s->at < n || memcmp(s->in.ptr + s->at, word, n) != 0)
        return bad(s, word);
    s->at += n;
    return BTZ_OK;
}

/* {"detector":"x", ...}: the members in their order, `how` perhaps. */
static enum btz_err scan_hit(struct scan *s)
{
    static const struct {
        const char *name;
        unsigned max; /* of a text; 0: a number, 1: with decimals */
    } parts[] = { { "{\"detector\":", 32 }, { ",\"kind\":", 48 }, { ",\"channel\":", 24 },
                  { ",\"action\":", 16 },   { ",\"text\":", 0 },  { ",\"from\":", 0 },
                  { ",\"to\":", 0 },        { ",\"score\":", 1 } };

    for (size_t i = 0; i < BTZ_COUNT(parts); i++) {
        BTZ_TRY(scan_word(s, parts[i].name));
        if (parts[i].max > 1)
            BTZ_TRY(scan_text(s, parts[i].max));
        else
            BTZ_TRY(scan_number(s, parts[i].max == 1));
    }
    if (take(s, '}'))
        return BTZ_OK;
    BTZ_TRY(scan_word(s, ",\"how\":"));
    BTZ_TRY(scan_text(s, 48));
    return take(s, '}') ? BTZ_OK : bad(s, "}");
}

static enum btz_err scan_range(struct scan *s)
{
    BTZ_TRY(scan_word(s, "["));
    BTZ_TRY(scan_number(s, false));
    BTZ_TRY(scan_word(s, ","));
    BTZ_TRY(scan_number(s, false));
    return scan_word(s, "]");
}

static enum btz_err scan_list(struct scan *s, size_t max, enum btz_err (*item)(struct scan *))
{
    BTZ_TRY(scan_word(s, "["));
    for (size_t n = 1;; n++) {
        BTZ_TRY(item(s));
        if (take(s, ']'))
            return BTZ_OK;
        if (n == max || !take(s, ','))
            return bad(s, "the end of a list");
    }
}

static enum btz_err scan_value(struct scan *s, const struct btz_member *m)
{
    switch (m->kind) {
    case BTZ_MEMBER_TEXT:
    case BTZ_MEMBER_DIGEST:
        return scan_text(s, m->max);
    case BTZ_MEMBER_FLAG:
        return scan_word(s, "true");
    case BTZ_MEMBER_HITS:
        return scan_list(s, BTZ_RECORD_HITS, scan_hit);
    case BTZ_MEMBER_RANGES:
        return scan_list(s, BTZ_RECORD_RANGES, scan_range);
    case BTZ_MEMBER_MONEY:
        return scan_number(s, true);
    case BTZ_MEMBER_COUNT:
    case BTZ_MEMBER_STATUS:
    case BTZ_MEMBER_TOKENS:
    case BTZ_MEMBER_BODY:
    case BTZ_MEMBER_SIZE:
        break;
    }
    return scan_number(s, false);
}

/* Members stand in the order of the list, so none can be there twice: `*next` only grows. */
static enum btz_err scan_member(struct scan *s, size_t *next, struct btz_record_view *out)
{
    struct btz_record_member *to = &out->member[out->count];
    size_t from = s->at + 1;

    BTZ_TRY(scan_text(s, 32));
    to->name = btz_slice_of(s->in.ptr + from, s->at - 1 - from);
    while (*next < btz_member_count &&
           (btz_members[*next].name_len != to->name.len ||
            memcmp(btz_members[*next].name, to->name.ptr, to->name.len) != 0))
        (*next)++;
    if (*next == btz_member_count)
        return bad(s, "a known member, each once and in order");
    if (!take(s, ':'))
        return bad(s, "a colon");
    from = s->at;
    BTZ_TRY(scan_value(s, &btz_members[*next]));
    to->value = btz_slice_of(s->in.ptr + from, s->at - from);
    (*next)++;
    out->count++;
    return BTZ_OK;
}

static enum btz_err take_bodies(const struct scan *s, struct btz_record_view *out)
{
    uint64_t in = btz_record_count(out, "request_body");
    uint64_t answer = btz_record_count(out, "response_body");

    if (in > BTZ_JOURNAL_BODY_MAX || answer > BTZ_JOURNAL_BODY_MAX ||
        in + answer != s->in.len - s->at)
        return bad(s, "the bodies, and nothing else");
    out->request_body = btz_slice_of(s->in.ptr + s->at, in);
    out->response_body = btz_slice_of(s->in.ptr + s->at + in, answer);
    return BTZ_OK;
}

enum btz_err btz_record_parse(struct btz_slice record, struct btz_record_view *out)
{
    struct scan s = { .in = record };
    size_t next = 0;

    out->count = 0;
    if (!take(&s, '{'))
        return bad(&s, "an object");
    do
        BTZ_TRY(scan_member(&s, &next, out));
    while (take(&s, ','));
    if (!take(&s, '}'))
        return bad(&s, "the end of the object");
    if (s.at > BTZ_JOURNAL_RECORD_MAX)
        return bad(&s, "a smaller object");
    return take_bodies(&s, out);
}

static const struct btz_slice *find(const struct btz_record_view *v, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < v->count; i++)
        if (v->member[i].name.len == n && memcmp(v->member[i].name.ptr, name, n) == 0)
            return &v->member[i].value;
    return NULL;
}

bool btz_record_text(const struct btz_record_view *v, const char *name, struct btz_slice *out)
{
    const struct btz_slice *value = find(v, name);

    if (!value || value->len < 2 || value->ptr[0] != '"')
        return false;
    *out = btz_slice_of(value->ptr + 1, value->len - 2);
    return true;
}

uint64_t btz_record_count(const struct btz_record_view *v, const char *name)
{
    const struct btz_slice *value = find(v, name);
    uint64_t n;

    return value && btz_parse_u64(*value, &n) == BTZ_OK ? n : 0;
}

double btz_record_money(const struct btz_record_view *v, const char *name)
{
    const struct btz_slice *value = find(v, name);
    double n;

    return value && btz_parse_double(*value, &n) == BTZ_OK ? n : 0;
}

bool btz_record_flag(const struct btz_record_view *v, const char *name)
{
    return find(v, name) != NULL;
}
