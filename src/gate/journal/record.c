/* A request as JSON, without a JSON library: it is written in the event loop, for each request. */
#include "gate/journal/record.h"

#include <math.h>
#include <stddef.h>

#define MEMBER(name, kind, from, max)                                                              \
    {                                                                                              \
        name, sizeof(name) - 1, BTZ_MEMBER_##kind, offsetof(struct btz_call_record, from), max     \
    }
const struct btz_member btz_members[] = {
    MEMBER("request", TEXT, request, 128),
    MEMBER("phase", TEXT, phase, 16),
    MEMBER("trace", TEXT, trace, 32),
    MEMBER("parent_span", TEXT, parent_span, 16),
    MEMBER("at", COUNT, at_ms, 0),
    MEMBER("took_us", COUNT, took_us, 0),
    MEMBER("own_us", COUNT, own_us, 0),
    MEMBER("first_token_us", COUNT, first_token_us, 0),
    MEMBER("principal", TEXT, principal, 256),
    MEMBER("name", TEXT, name, 256),
    MEMBER("key", TEXT, key, 128),
    MEMBER("method", TEXT, method, 128),
    MEMBER("address", TEXT, address, 128),
    MEMBER("user_agent", TEXT, user_agent, 512),
    MEMBER("route", TEXT, route, 64),
    MEMBER("protocol", TEXT, protocol, 64),
    MEMBER("action", TEXT, action, 128),
    MEMBER("resource", TEXT, resource, 512),
    MEMBER("model", TEXT, model, 256),
    MEMBER("upstream", TEXT, upstream, 64),
    MEMBER("served_model", TEXT, served_model, 256),
    MEMBER("status", STATUS, status, 0),
    MEMBER("upstream_status", STATUS, upstream_status, 0),
    MEMBER("attempts", STATUS, attempts, 0),
    MEMBER("verdict", TEXT, verdict, 16),
    MEMBER("rule", TEXT, rule, 256),
    MEMBER("reason", TEXT, reason, 1024),
    MEMBER("guard", TEXT, guard, 32),
    MEMBER("guard_mode", TEXT, guard_mode, 32),
    MEMBER("guard_reason", TEXT, guard_reason, 512),
    MEMBER("request_bytes", COUNT, request_bytes, 0),
    MEMBER("response_bytes", COUNT, response_bytes, 0),
    MEMBER("scanned_in", COUNT, scanned_in, 0),
    MEMBER("skipped_in", COUNT, skipped_in, 0),
    MEMBER("scanned_out", COUNT, scanned_out, 0),
    MEMBER("skipped_out", COUNT, skipped_out, 0),
    MEMBER("released_out", COUNT, released_out, 0),
    MEMBER("input_tokens", TOKENS, input_tokens, 0),
    MEMBER("output_tokens", TOKENS, output_tokens, 0),
    MEMBER("cost", MONEY, cost, 0),
    MEMBER("request_digest", DIGEST, request_digest, 64),
    MEMBER("response_digest", DIGEST, response_digest, 64),
    MEMBER("stream", FLAG, stream, 0),
    MEMBER("cut", FLAG, cut, 0),
    MEMBER("client_gone", FLAG, client_gone, 0),
    MEMBER("hits", HITS, hits, 0),
    MEMBER("hit_count", SIZE, hit_count, 0),
    MEMBER("scanned", RANGES, scanned, 0),
    MEMBER("scanned_count", SIZE, scanned_count, 0),
    MEMBER("request_body", BODY, request_body, 0),
    MEMBER("request_body_of", SIZE, request_body, 0),
    MEMBER("response_body", BODY, response_body, 0),
    MEMBER("response_body_of", SIZE, response_body, 0),
};
const size_t btz_member_count = BTZ_COUNT(btz_members);

/* Room was reserved for the largest record there can be, so that nothing here can fail. */
struct writer {
    uint8_t *at;
    bool more;
};

static void put(struct writer *w, const char *text, size_t len)
{
    memcpy(w->at, text, len);
    w->at += len;
}

static void put_number(struct writer *w, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;

    if (n > INT64_MAX) /* what JSON readers take */
        n = INT64_MAX;
    do
        digits[--i] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(w, digits + i, sizeof digits - i);
}

static void put_name(struct writer *w, const char *name, size_t len)
{
    if (w->more)
        *w->at++ = ',';
    w->more = true;
    *w->at++ = '"';
    put(w, name, len);
    *w->at++ = '"';
    *w->at++ = ':';
}

/* One character or escape of `s` at *i into `out` (at most 6 bytes). */
static size_t escape(struct btz_slice s, size_t *i, uint8_t out[8])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t c = s.ptr[*i];
    size_t from = *i;
    uint32_t cp;

    if (c < 0x20) {
        memcpy(out, "\\u00", 4);
        out[4] = (uint8_t)hex[c >> 4];
        out[5] = (uint8_t)hex[c & 15];
        (*i)++;
        return 6;
    }
    if (c < 0x80) {
        out[0] = '\\';
        out[1] = c;
        (*i)++;
        return 2;
    }
    (void)btz_utf8_next(s, i, &cp);
    if (cp == 0xFFFD) {
        memcpy(out, "\xEF\xBF\xBD", 3);
        return 3;
    }
    memcpy(out, s.ptr + from, *i - from);
    return *i - from;
}

static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* At most `max` bytes between the quotes; "..." ends what was cut. */
static void put_text(struct writer *w, const char *text, size_t max)
{
    struct btz_slice s = btz_slice_of(text, strnlen(text, max + 1));
    uint8_t *end = w->at + 1 + max, *cut = w->at + 1, one[8];
    size_t i = 0;

    *w->at++ = '"';
    while (i < s.len) {
        size_t run = i, n;

        while (run < s.len && is_plain(s.ptr[run]))
            run++;
        if (run - i > (size_t)(end - w->at))
            run = i + (size_t)(end - w->at);
        memcpy(w->at, s.ptr + i, run - i);
        if (w->at + (run - i) <= end - 3)
            cut = w->at + (run - i);
        else if (w->at <= end - 3)
            cut = end - 3;
        w->at += run - i;
        i = run;
        if (i == s.len)
            break;
        n = escape(s, &i, one);
        if (n > (size_t)(end - w->at)) {
            memcpy(cut, "...", 3);
            w->at = cut + 3;
            break;
        }
        memcpy(w->at, one, n);
        w->at += n;
        if (w->at <= end - 3)
            cut = w->at;
    }
    *w->at++ = '"';
}

/* Decimals as they are: printf would follow the locale, and is slow. */
static void put_decimal(struct writer *w, double value, unsigned places)
{
    uint64_t scale = 1, whole;
    char digits[16];

    for (unsigned i = 0; i < places; i++)
        scale *= 10;
    whole = value > 0 && value < 1e9 ? (uint64_t)llround(value * (double)scale)
                                     : (value > 0 ? UINT64_C(1000000000) * scale : 0);
    put_number(w, whole / scale);
    whole %= scale;
    if (whole == 0)
        return;
    for (unsigned i = places; i > 0; i--, whole /= 10)
        digits[i - 1] = (char)('0' + whole % 10);
    while (digits[places - 1] == '0')
        places--;
    *w->at++ = '.';
    put(w, digits, places);
}

static void put_digest(struct writer *w, const uint8_t *sum)
{
    char hex[2 * BTZ_SHA256_LEN + 1];

    btz_hex(sum, BTZ_SHA256_LEN, hex);
    put_text(w, hex, 64);
}

static void hit_text(struct writer *w, const char *name, const char *value, size_t max)
{
    put_name(w, name, strlen(name));
    put_text(w, value ? value : "", max);
}

static void hit_number(struct writer *w, const char *name, uint64_t n)
{
    put_name(w, name, strlen(name));
    put_number(w, n);
}

static void put_hit(struct writer *w, const struct btz_guard_record *h)
{
    *w->at++ = '{';
    w->more = false;
    hit_text(w, "detector", h->hit.detector ? h->hit.detector->id : NULL, 32);
    hit_text(w, "kind", h->hit.kind, 48);
    hit_text(w, "channel", btz_channel_name(h->channel), 24);
    hit_text(w, "action", btz_guard_action_name(h->hit.action), 16);
    hit_number(w, "text", h->text);
    hit_number(w, "from", h->hit.from);
    hit_number(w, "to", h->hit.to);
    put_name(w, "score", 5);
    put_decimal(w, h->hit.score < 1 ? h->hit.score : 1, 4);
    if (h->hit.how && strcmp(h->hit.how, "plain") != 0)
        hit_text(w, "how", h->hit.how, 48);
    *w->at++ = '}';
}

static void put_hits(struct writer *w, const struct btz_call_record *r)
{
    size_t n = r->hit_count < BTZ_RECORD_HITS ? r->hit_count : BTZ_RECORD_HITS;

    if (!r->hits || n == 0)
        return;
    put_name(w, "hits", 4);
    for (size_t i = 0; i < n; i++) {
        *w->at++ = i ? ',' : '[';
        put_hit(w, &r->hits[i]);
    }
    *w->at++ = ']';
    w->more = true;
    hit_number(w, "hit_count", r->hit_count);
}

static void put_ranges(struct writer *w, const struct btz_call_record *r)
{
    size_t n = r->scanned_count < BTZ_RECORD_RANGES ? r->scanned_count : BTZ_RECORD_RANGES;

    if (!r->scanned || n == 0)
        return;
    put_name(w, "scanned", 7);
    for (size_t i = 0; i < n; i++) {
        put(w, i ? ",[" : "[[", 2);
        put_number(w, r->scanned[i].from);
        *w->at++ = ',';
        put_number(w, r->scanned[i].to);
        *w->at++ = ']';
    }
    *w->at++ = ']';
    hit_number(w, "scanned_count", r->scanned_count);
}

static size_t kept(struct btz_slice body)
{
    return body.len < BTZ_JOURNAL_BODY_MAX ? body.len : BTZ_JOURNAL_BODY_MAX;
}

static void put_body(struct writer *w, const struct btz_member *m, const void *from)
{
    struct btz_slice body;

    memcpy(&body, from, sizeof body);
    if (body.len == 0)
        return;
    put_name(w, m->name, m->name_len);
    put_number(w, kept(body));
    if (kept(body) == body.len)
        return;
    put_name(w, m[1].name, m[1].name_len);
    put_number(w, body.len);
}

static void put_count(struct writer *w, const struct btz_member *m, uint64_t n, bool always)
{
    if (n == 0 && !always)
        return;
    put_name(w, m->name, m->name_len);
    put_number(w, n);
}

static void put_pointed(struct writer *w, const struct btz_member *m, const void *from)
{
    const char *p;

    memcpy(&p, from, sizeof p);
    if (!p || (m->kind == BTZ_MEMBER_TEXT && p[0] == '\0'))
        return;
    put_name(w, m->name, m->name_len);
    if (m->kind == BTZ_MEMBER_TEXT)
        put_text(w, p, m->max);
    else
        put_digest(w, (const uint8_t *)p);
}

static void put_member(struct writer *w, const struct btz_member *m,
                       const struct btz_call_record *r)
{
    const char *from = (const char *)r + m->offset;
    unsigned status;
    uint64_t n;

    switch (m->kind) {
    case BTZ_MEMBER_TEXT:
    case BTZ_MEMBER_DIGEST:
        put_pointed(w, m, from);
        return;
    case BTZ_MEMBER_COUNT:
    case BTZ_MEMBER_TOKENS:
        memcpy(&n, from, sizeof n);
        if (m->kind == BTZ_MEMBER_COUNT || r->tokens_known)
            put_count(w, m, n, m->kind == BTZ_MEMBER_TOKENS);
        return;
    case BTZ_MEMBER_STATUS:
        memcpy(&status, from, sizeof status);
        put_count(w, m, status, false);
        return;
    case BTZ_MEMBER_MONEY:
        if (r->cost > 0) {
            put_name(w, m->name, m->name_len);
            put_decimal(w, r->cost, 9);
        }
        return;
    case BTZ_MEMBER_FLAG:
        if (*(const bool *)from) {
            put_name(w, m->name, m->name_len);
            put(w, "true", 4);
        }
        return;
    case BTZ_MEMBER_HITS:
        put_hits(w, r);
        return;
    case BTZ_MEMBER_RANGES:
        put_ranges(w, r);
        return;
    case BTZ_MEMBER_BODY:
        put_body(w, m, from);
        return;
    case BTZ_MEMBER_SIZE:
        return;
    }
}

enum btz_err btz_record_write(const struct btz_call_record *r, struct btz_buf *out)
{
    struct btz_slice in = btz_slice_of(r->request_body.ptr, kept(r->request_body));
    struct btz_slice answer = btz_slice_of(r->response_body.ptr, kept(r->response_body));
    struct writer w = { .more = false };

    BTZ_TRY(btz_buf_reserve(out, BTZ_JOURNAL_RECORD_MAX + in.len + answer.len));
    w.at = out->ptr + out->len;
    *w.at++ = '{';
    for (size_t i = 0; i < btz_member_count; i++)
        put_member(&w, &btz_members[i], r);
    *w.at++ = '}';
    out->len = (size_t)(w.at - out->ptr);
    BTZ_TRY(btz_buf_add_slice(out, in));
    return btz_buf_add_slice(out, answer);
}
