/*
 * Credentials: those whose vendors made them recognisable, private keys, signed tokens, passwords in URLs, and what is
 * assigned to something called a password. Of the last only the value is a hit.
 */
#include <math.h>

#include "access/identity.h"
#include "gate/guard/detectors/charset.h"
#include "gate/guard/detectors/secret_rules.h"

enum {
    ID_RULE = 0,     /* and the index of the rule */
    ID_GLUED = 1000, /* the same, where something is joined to the front of it */
    ID_ASSIGNED = 2000,
    ID_VENDOR,
    ID_PEM,
    ID_JWT,
    ID_JWT_GLUED,
    ID_URL,
    ID_BEARER,
    BODY_MAX = 4200,
    LONG = 320,
    PEM_MAX = 16384,
    VALUE_MAX = 160,
    FILLER_MAX = 20, /* between a name and its "=" */
    MARKUP_MAX = 64,
    MARKS_MAX = 8 /* pieces of markup in a key */
};

static const char *const assigned[] = {
    "password",   "passwd",         "passphrase",        "pwd",
    "secret",     "token",          "api_key",           "apikey",
    "api-key",    "access_key",     "accesskey",         "access-key",
    "auth_key",   "authkey",        "private_key",       "secretkey",
    "secret_key", "credential",     "connection_string", "account_key",
    "accountkey", "encryption_key", "signing_key",
};

static enum btz_err triggers(const void *setup, struct btz_triggers *t)
{
    (void)setup;
    for (size_t i = 0; i < btz_secret_rule_count; i++) {
        const struct btz_secret_rule *r = &btz_secret_rules[i];
        bool within = r->part && !*r->part, sign = r->prefix[0] == '.' || r->prefix[0] == ':';

        BTZ_TRY(btz_triggers_add(t, r->prefix, (uint16_t)(ID_RULE + i),
                                 BTZ_TRIGGER_EXACT | (within || sign ? 0 : BTZ_TRIGGER_WORD)));
        /* Most words end like the beginning of some key: of one within a word only what follows its prefix is held back,
         * and is a hit. */
        if (!within && !sign && strlen(r->prefix) > 2)
            BTZ_TRY(btz_triggers_add(t, r->prefix, (uint16_t)(ID_GLUED + i), BTZ_TRIGGER_FRONT));
    }
    for (size_t i = 0; i < BTZ_COUNT(assigned); i++)
        BTZ_TRY(btz_triggers_add(t, assigned[i], ID_ASSIGNED, BTZ_TRIGGER_FRONT));
    for (size_t i = 0; btz_secret_vendors[i]; i++)
        BTZ_TRY(btz_triggers_add(t, btz_secret_vendors[i], ID_VENDOR, BTZ_TRIGGER_FRONT));
    BTZ_TRY(btz_triggers_add(t, "-----begin", ID_PEM, 0));
    BTZ_TRY(btz_triggers_add(t, "eyJ", ID_JWT, BTZ_TRIGGER_WORD | BTZ_TRIGGER_EXACT));
    BTZ_TRY(btz_triggers_add(t, "eyJ", ID_JWT_GLUED, BTZ_TRIGGER_FRONT));
    BTZ_TRY(btz_triggers_add(t, "://", ID_URL, BTZ_TRIGGER_FRONT));
    return btz_triggers_add(t, "bearer ", ID_BEARER, BTZ_TRIGGER_WORD | BTZ_TRIGGER_FRONT);
}

static bool in_set(enum btz_secret_set set, uint8_t c)
{
    switch (set) {
    case BTZ_SET_ALNUM:
        return btz_is_alnum(c);
    case BTZ_SET_WORD:
        return btz_is_alnum(c) || c == '_';
    case BTZ_SET_TOKEN:
        return btz_is_alnum(c) || c == '_' || c == '-';
    case BTZ_SET_DOTTED:
        return btz_is_alnum(c) || c == '_' || c == '-' || c == '.' || c == '=' || c == '~';
    case BTZ_SET_HEX:
        return btz_is_hex(c);
    case BTZ_SET_BASE64:
        return btz_is_alnum(c) || c == '+' || c == '/' || c == '=';
    case BTZ_SET_UPPER:
        return btz_is_upper(c) || btz_is_digit(c);
    case BTZ_SET_LOWER:
        return btz_is_lower(c) || btz_is_digit(c);
    case BTZ_SET_ALPHA:
        return btz_is_alpha(c);
    case BTZ_SET_BASE32:
        return btz_is_upper(c) || (c >= '2' && c <= '7');
    default:
        return btz_is_hex(c) || c == '-';
    }
}

/* Shannon entropy of the bytes, in tenths of a bit a byte. */
static unsigned entropy(const uint8_t *p, size_t n)
{
    unsigned count[256] = { 0 };
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        count[p[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (count[i])
            sum -= count[i] * log2((double)count[i] / (double)n);
    return n ? (unsigned)(sum * 10 / (double)n) : 0;
}

/* Long candidates do not begin within one another: the work stays linear. */
static bool joined(struct btz_slice t, size_t at)
{
    return at > 0 && (t.ptr[at - 1] == '-' || t.ptr[at - 1] == '.' || t.ptr[at - 1] == '/' ||
                      t.ptr[at - 1] == '+');
}

/* Bold, code, a tag, a colour: where it ends; `at`: none begins there. Also where the text ends before that is sure. */
static size_t markup_end(struct btz_slice t, size_t at)
{
    size_t to = at + 1, limit = at + MARKUP_MAX;
    uint8_t c = t.ptr[at];

    if (c == '*' || c == '`') {
        while (to < t.len && to - at < 3 && t.ptr[to] == c)
            to++;
        return to;
    }
    if (c != '<' && c != 0x1B)
        return at;
    if (to == t.len)
        return to;
    if (c == '<' ? !btz_is_alpha(t.ptr[to]) && t.ptr[to] != '/' : t.ptr[to] != '[')
        return at;
    for (to++; to < t.len && to < limit; to++)
        if (c == '<' ? t.ptr[to] == '>' : btz_is_alpha(t.ptr[to]))
            return to + 1;
    return to == t.len ? to : at;
}

/* What follows a prefix, without the markup that cuts it. */
struct body {
    uint8_t bytes[LONG]; /* its beginning */
    size_t n, to;
};

static void read_body(struct btz_slice t, size_t at, const struct btz_secret_rule *r, size_t max,
                      struct body *b)
{
    unsigned marks = 0;

    b->n = 0;
    b->to = at;
    while (at < t.len && b->n < max) {
        size_t end;

        if (in_set(r->set, t.ptr[at])) {
            if (b->n < sizeof b->bytes)
                b->bytes[b->n] = t.ptr[at];
            b->n++;
            b->to = ++at;
            continue;
        }
        /* Behind what could be all of a key it is the end. */
        end = b->n < r->min && marks++ < MARKS_MAX ? markup_end(t, at) : at;
        if (end == at)
            break;
        at = end;
    }
    if (at == t.len)
        b->to = at;
}

/* Both letters and digits: joined words have no digits, numbers no letters. */
static bool is_mixed(const struct body *b)
{
    unsigned digits = 0, letters = 0;

    for (size_t i = 0; i < b->n && i < sizeof b->bytes; i++) {
        digits += btz_is_digit(b->bytes[i]);
        letters += btz_is_alpha(b->bytes[i]);
    }
    return digits > 0 && letters > 0;
}

static bool is_own(const struct btz_secret_rule *r, const struct body *b)
{
    char key[BTZ_KEY_TEXT + 8];
    size_t n = strlen(r->prefix);

    if (strcmp(r->prefix, "btz_") != 0)
        return true;
    if (n + b->n > sizeof key)
        return false;
    memcpy(key, r->prefix, n);
    memcpy(key + n, b->bytes, b->n);
    return btz_is_key(btz_slice_of(key, n + b->n));
}

static enum btz_err by_rule(const struct btz_view *v, const struct btz_mark *m,
                            struct btz_found *found)
{
    bool glued = m->id >= ID_GLUED;
    const struct btz_secret_rule *r = &btz_secret_rules[m->id - (glued ? ID_GLUED : ID_RULE)];
    struct btz_slice t = v->text;
    size_t from = m->at + m->len, start = glued ? from : m->at, max = r->max, known;
    uint8_t front = m->at > 0 ? t.ptr[m->at - 1] : ' ', next;
    struct body b;
    bool tail;

    if (memcmp(t.ptr + m->at, r->prefix, m->len) != 0)
        return BTZ_OK;
    if (glued && front < 0x80 && !(r->glued && (btz_is_alnum(front) || front == '_')))
        return BTZ_OK;
    if (max > LONG && (glued || joined(t, m->at))) {
        if (!glued || r->min > LONG)
            return BTZ_OK;
        max = LONG;
    }
    read_body(t, from, r, max, &b);
    if (b.to == t.len)
        btz_found_wait(found, start);
    /* The end of a sentence is no part of it. */
    while (r->set == BTZ_SET_DOTTED && b.n > 0 && b.to > from && t.ptr[b.to - 1] == '.') {
        b.n--;
        b.to--;
    }
    known = b.n < sizeof b.bytes ? b.n : sizeof b.bytes;
    next = b.to < t.len ? t.ptr[b.to] : ' ';
    if (r->set == BTZ_SET_DOTTED && next == '.') {
        if (b.to + 1 == t.len)
            btz_found_wait(found, start);
        next = b.to + 1 < t.len ? t.ptr[b.to + 1] : ' ';
    }
    tail =
        in_set(r->set, next) || (r->set != BTZ_SET_TOKEN &&
                                 (btz_is_alnum(next) || (next == '_' && r->set != BTZ_SET_BASE64)));
    if (b.n < r->min || entropy(b.bytes, known) < r->bits ||
        (r->part && !btz_slice_has(btz_slice_of(b.bytes, known), r->part)) || !is_own(r, &b))
        return BTZ_OK;
    if ((tail && !r->glued) || ((glued || tail) && !is_mixed(&b)))
        return BTZ_OK;
    /* In the midst of base32 it is chance. */
    if (r->set == BTZ_SET_BASE32 && glued && in_set(r->set, front) && tail && in_set(r->set, next))
        return BTZ_OK;
    return btz_found_hit(found, start, b.to, r->kind, 1);
}

static bool pem_byte(uint8_t c)
{
    return btz_is_alnum(c) || (c && strchr("+/=-:,. \n\r\t\\\"_()", c));
}

static enum btz_err pem(const struct btz_view *v, const struct btz_mark *m, struct btz_found *found)
{
    static const char end[] = "-----END", key[] = "PRIVATE KEY";
    struct btz_slice t = v->text;
    size_t line = m->at + m->len, to, mark;

    while (line < t.len && line - m->at < 80 && t.ptr[line] != '\n' && t.ptr[line] != '\\' &&
           t.ptr[line] != '-')
        line++;
    if (line == t.len) {
        btz_found_wait(found, m->at);
        return BTZ_OK;
    }
    mark = btz_slice_find(btz_slice_sub(t, m->at, line - m->at), btz_str(key), 0);
    if (mark == SIZE_MAX || t.ptr[line] != '-')
        return BTZ_OK;
    for (to = line; to < t.len && to - m->at < PEM_MAX && pem_byte(t.ptr[to]); to++) {
        if (t.ptr[to] != '-' || to < line + 5)
            continue;
        if (t.len - to < sizeof end - 1 && memcmp(t.ptr + to, end, t.len - to) == 0) {
            to = t.len;
            break;
        }
        if (to + sizeof end - 1 <= t.len && memcmp(t.ptr + to, "-----B", 6) == 0)
            break;
        if (to + sizeof end - 1 <= t.len && memcmp(t.ptr + to, end, sizeof end - 1) == 0) {
            size_t stop = to + sizeof end - 1;

            while (stop < t.len && stop - to < 80 && t.ptr[stop] != '\n' && t.ptr[stop] != '-' &&
                   t.ptr[stop] != '\\')
                stop++;
            while (stop < t.len && stop - to < 96 && t.ptr[stop] == '-')
                stop++;
            if (stop == t.len)
                btz_found_wait(found, m->at);
            return btz_found_hit(found, m->at, stop, "private-key", 1);
        }
    }
    if (to >= t.len)
        btz_found_wait(found, m->at);
    /* Cut off, but a secret all the same. */
    return to - line >= 64 ? btz_found_hit(found, m->at, to < t.len ? to : t.len, "private-key", 1)
                           : BTZ_OK;
}

static enum btz_err jwt(const struct btz_view *v, const struct btz_mark *m, struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t at = m->at, part[3] = { 0, 0, 0 };
    bool glued = m->id == ID_JWT_GLUED;
    size_t start = glued ? at + 3 : at, head = glued ? LONG : BODY_MAX;

    if (memcmp(t.ptr + at, "eyJ", 3) != 0 || joined(t, at))
        return BTZ_OK;
    if (glued && (at == 0 ||
                  !(btz_is_alnum(t.ptr[at - 1]) || t.ptr[at - 1] == '_' || t.ptr[at - 1] >= 0x80)))
        return BTZ_OK;
    for (unsigned i = 0; i < 3; i++) {
        while (at < t.len && part[i] < (i == 0 ? head : BODY_MAX) &&
               in_set(BTZ_SET_TOKEN, t.ptr[at])) {
            at++;
            part[i]++;
        }
        if (at == t.len)
            btz_found_wait(found, start);
        if (i == 2 || at >= t.len || t.ptr[at] != '.' || part[i] < 15)
            break;
        at++;
    }
    if (part[0] < 15 || part[1] < 15 || part[2] < 10)
        return BTZ_OK;
    return btz_found_hit(found, start, at, "jwt", 1);
}

/* user:PASSWORD@host */
static enum btz_err in_url(const struct btz_view *v, const struct btz_mark *m,
                           struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t at = m->at + 3, colon = SIZE_MAX;

    for (; at < t.len && at - m->at < 200; at++) {
        uint8_t c = t.ptr[at];

        if (c == ':' && colon == SIZE_MAX)
            colon = at + 1;
        else if (c == '@')
            break;
        else if (c <= ' ' || strchr("/?#\"'<>()[]{}`", c))
            return BTZ_OK;
    }
    if (at >= t.len) {
        if (colon != SIZE_MAX)
            btz_found_wait(found, colon);
        return BTZ_OK;
    }
    if (t.ptr[at] != '@' || colon == SIZE_MAX || at - colon < 3)
        return BTZ_OK;
    return btz_found_hit(found, colon, at, "url-password", 1);
}

static bool ends_value(uint8_t c)
{
    switch (c) {
    case '"':
    case '\'':
    case '`':
    case ';':
    case ',':
    case ')':
    case ']':
    case '}':
    case '<':
    case '>':
    case '|':
    case '&':
    case 0x7F:
        return true;
    default:
        return c <= ' ';
    }
}

/* Is it worth hiding? Names, types, calls and placeholders are not. */
static bool is_secret(struct btz_slice value, bool vendor)
{
    unsigned digits = 0, letters = 0, upper = 0, lower = 0, other = 0;

    if (value.len < (vendor ? 14u : 6u) || value.len > VALUE_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];

        digits += btz_is_digit(c);
        upper += btz_is_upper(c);
        lower += btz_is_lower(c);
        other += !btz_is_alnum(c);
        if (strchr("$({<*%", c) && i < 2)
            return false;
        if (c == '(' || c == '[' || (c == '.' && other == 1 && digits == 0))
            return false;
    }
    letters = upper + lower;
    if (vendor)
        return digits >= 2 && other * 3 <= value.len && letters + digits > 12 &&
               entropy(value.ptr, value.len) >= 25;
    if (value.len < 10)
        return digits > 0 && letters > 0 && value.len >= 7 && entropy(value.ptr, value.len) >= 22;
    return digits > 0 && letters > 0 && entropy(value.ptr, value.len) >= 28;
}

/* "/home/a", "user_id_42", "ABC-1234": where something lies, what something is called, a ticket. */
static bool is_name(struct btz_slice value)
{
    size_t upper = 0, odd = 0, at = 0, joints = 0;

    for (size_t i = 0; i < value.len; i++) {
        upper += btz_is_upper(value.ptr[i]);
        odd += value.ptr[i] == '+' || value.ptr[i] == '=';
    }
    if (value.ptr[0] == '/' && odd == 0 && upper <= 3)
        return true;
    while (at < value.len && btz_is_upper(value.ptr[at]))
        at++;
    if (at >= 2 && at <= 10 && at < value.len && value.ptr[at] == '-') {
        for (at++; at < value.len && btz_is_digit(value.ptr[at]);)
            at++;
        return at == value.len;
    }
    for (at = 0; at < value.len && (btz_is_lower(value.ptr[at]) || value.ptr[at] == '_'); at++)
        joints += value.ptr[at] == '_';
    if (joints == 0 || value.len - at > 4)
        return false;
    while (at < value.len && btz_is_digit(value.ptr[at]))
        at++;
    return at == value.len;
}

/* "md5 token", "csrf_token": a sum, or what a page says to everybody. */
static bool is_public(const struct btz_view *v, size_t at)
{
    static const char *const before[] = { "md5", "sha1", "sha256", "checksum", "csrf", "xsrf" };

    if (at > 0 && strchr(" _-", v->folded[at - 1] ? v->folded[at - 1] : '\n'))
        at--;
    for (size_t i = 0; i < BTZ_COUNT(before); i++) {
        size_t n = strlen(before[i]);

        if (at >= n && memcmp(v->folded + at - n, before[i], n) == 0)
            return true;
    }
    return false;
}

static enum btz_err value_of(const struct btz_view *v, const struct btz_mark *m,
                             struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t at = m->at + m->len, limit = at + FILLER_MAX, from, to;
    unsigned signs = 0;

    /* A tokenizer is no token, and the name of a secret no secret. */
    if (m->id == ID_ASSIGNED && ((at < t.len && btz_is_alpha(t.ptr[at])) || is_public(v, m->at)))
        return BTZ_OK;
    for (; at < t.len && at < limit; at++)
        if (!btz_is_alnum(t.ptr[at]) && !strchr(" \t_.-'\"", t.ptr[at] ? t.ptr[at] : '\n'))
            break;
    if (at < t.len && t.ptr[at] == '>' && t.ptr[at - 1] == '-')
        return BTZ_OK;
    for (; at < t.len && signs < 3 && t.ptr[at] && strchr("=:>|,?", t.ptr[at]); at++)
        signs += t.ptr[at] != ',' || signs == 0;
    if (signs == 0)
        return BTZ_OK;
    for (limit = at + 5;
         at < t.len && at < limit && t.ptr[at] && strchr(" \t\"'`=\n\\", t.ptr[at]);)
        at++;
    from = to = at;
    while (to < t.len && to - from <= VALUE_MAX && !ends_value(t.ptr[to]))
        to++;
    if (to == t.len)
        btz_found_wait(found, from);
    while (to > from && strchr(".,:!?", t.ptr[to - 1]))
        to--;
    if (!is_secret(btz_slice_of(t.ptr + from, to - from), m->id == ID_VENDOR) ||
        is_name(btz_slice_of(t.ptr + from, to - from)))
        return BTZ_OK;
    return btz_found_hit(found, from, to, m->id == ID_VENDOR ? "vendor-key" : "password", 0.8);
}

static enum btz_err bearer(const struct btz_view *v, const struct btz_mark *m,
                           struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t from = m->at + m->len, to = from;

    while (to < t.len && to - from <= BODY_MAX &&
           (in_set(BTZ_SET_DOTTED, t.ptr[to]) || strchr("+/~", t.ptr[to] ? t.ptr[to] : '\n')))
        to++;
    if (to == t.len)
        btz_found_wait(found, from);
    while (to > from && t.ptr[to - 1] == '.')
        to--;
    if (to - from < 16 || to - from > BODY_MAX ||
        !is_secret(btz_slice_of(t.ptr + from, to - from > 64 ? 64 : to - from), false))
        return BTZ_OK;
    return btz_found_hit(found, from, to, "bearer-token", 0.9);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    (void)setup;
    (void)session;
    for (size_t i = 0; i < view->mark_count; i++) {
        const struct btz_mark *m = &view->marks[i];
        enum btz_err err;

        if (m->id < ID_ASSIGNED)
            err = by_rule(view, m, found);
        else if (m->id == ID_PEM)
            err = pem(view, m, found);
        else if (m->id == ID_JWT || m->id == ID_JWT_GLUED)
            err = jwt(view, m, found);
        else if (m->id == ID_URL)
            err = in_url(view, m, found);
        else if (m->id == ID_BEARER)
            err = bearer(view, m, found);
        else
            err = value_of(view, m, found);
        if (err != BTZ_OK)
            return err;
    }
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_secret = {
    .id = "secret",
    .summary = "Keys, tokens, private keys and passwords.",
    .mask = "secret",
    .channels = (1u << BTZ_CHANNEL_COUNT) - 1,
    .user = BTZ_GUARD_MASK,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_MASK,
    .decoded = true,
    .words = true,
    .triggers = triggers,
    .scan = scan,
};
