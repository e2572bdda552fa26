/*
 * Links and images that carry data away: whoever renders an answer asks the host in them for what stands in the address.
 * Hosts of `link_hosts` may be led to. An image is asked for without a click, so little is enough for it.
 */
#include <stdlib.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/detectors/link.h"
#include "gate/guard/inside.h"

enum {
    URL_MAX = 16384,
    HOSTS_MAX = 1024,
    IMAGE_MIN = 16, /* bytes of values in an image's address */
    LINK_MIN = 48,
    VALUE_MIN = 24, /* one value or path segment that looks encoded */
    LABEL_MIN = 24, /* one label of a host name */
    LABEL_ALL = 40, /* without a "-" between words */
    WORDS_MIN = 9,  /* in the path of an image: a sentence, no name */
    LETTERS_MIN = 32,
    SPOKEN_MIN = 6, /* the same in one segment of a path that does not end like that of an image */
    SPOKEN_LETTERS_MIN = 24,
    NESTED_MAX = 256, /* of an address that stands in another: that one was read whole */
    SLASHES_MAX = 64,
    ID_URL = 0,
    ID_RELATIVE = 1
};

struct hosts {
    size_t count;
    const char *const *name;
};

enum btz_err btz_link_compile(const struct btz_guard_conf *conf, void **out)
{
    struct hosts *h = calloc(1, sizeof *h);

    if (!h)
        return btz_fail(BTZ_LIMIT, "out of memory for hosts");
    if (conf->link_hosts.count > HOSTS_MAX) {
        free(h);
        return btz_fail(BTZ_LIMIT, "more than %d link_hosts", HOSTS_MAX);
    }
    h->count = conf->link_hosts.count;
    h->name = conf->link_hosts.items;
    *out = h;
    return BTZ_OK;
}

enum btz_err btz_link_triggers(const void *setup, struct btz_triggers *t)
{
    static const char *const schemes[] = { "https:", "http:", "ftp:", "wss:" };
    static const char *const relative[] = { "(//", "( //", "(\n//", "(<//", "\"//",
                                            "'//", "=//",  "]://",  "]: //" };

    (void)setup;
    for (size_t i = 0; i < BTZ_COUNT(schemes); i++)
        BTZ_TRY(btz_triggers_add(t, schemes[i], ID_URL, BTZ_TRIGGER_WORD));
    for (size_t i = 0; i < BTZ_COUNT(relative); i++)
        BTZ_TRY(btz_triggers_add(t, relative[i], ID_RELATIVE, 0));
    return BTZ_OK;
}

static bool in_url(uint8_t c)
{
    return c > ' ' && c != 0x7F && !strchr("\"'<>()[]{}`|\\^", c);
}

static bool is_slash(uint8_t c)
{
    return c == '/' || c == '\\';
}

static bool is_allowed(const struct hosts *h, struct btz_slice host)
{
    for (size_t i = 0; i < h->count; i++) {
        struct btz_slice name = btz_str(h->name[i]);
        bool below = name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.';
        struct btz_slice end = below ? btz_slice_sub(name, 1, name.len) : name;
        size_t from = below && host.len > end.len ? host.len - end.len : 0;
        bool same = (below ? host.len > end.len : host.len == end.len);

        for (size_t k = 0; same && k < end.len; k++)
            same = (end.ptr[k] | (btz_is_alpha(end.ptr[k]) ? 0x20 : 0)) == host.ptr[from + k];
        if (same)
            return true;
    }
    return false;
}

/* %XX for what needs no such thing, or is no letter. Letters of other scripts are written so in every address. */
static bool odd_escape(struct btz_slice s, size_t i)
{
    return s.ptr[i] == '%' && i + 2 < s.len && btz_is_hex(s.ptr[i + 1]) && s.ptr[i + 1] < '8';
}

/* "photo-1506744038136-46273834b3fb", a UUID, a digest: parts that are words, numbers or hex of usual lengths. */
static bool is_id(struct btz_slice s)
{
    size_t from = 0;

    for (size_t i = 0; i <= s.len; i++) {
        bool hex = true, word = true, number = true;
        size_t n = i - from;

        if (i < s.len && !strchr("-_.", s.ptr[i] ? s.ptr[i] : 'x'))
            continue;
        for (size_t k = from; k < i; k++) {
            hex = hex && btz_is_hex(s.ptr[k]) && !btz_is_upper(s.ptr[k]);
            word = word && btz_is_lower(s.ptr[k]);
            number = number && btz_is_digit(s.ptr[k]);
        }
        from = i + 1;
        if (!word && !number && !(hex && (n <= 12 || n == 32 || n == 40 || n == 64)))
            return false;
    }
    return true;
}

/* Letters of both cases with digits, or long hex, or %XX: no word of a language. */
static bool looks_encoded(struct btz_slice s)
{
    unsigned digits = 0, upper = 0, lower = 0, percent = 0, changes = 0;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        digits += btz_is_digit(c);
        upper += btz_is_upper(c);
        lower += btz_is_lower(c);
        percent += odd_escape(s, i);
        changes += i > 0 && btz_is_digit(c) != btz_is_digit(s.ptr[i - 1]);
    }
    return percent >= 3 || (s.len >= VALUE_MIN && digits + upper + lower + 4 >= s.len &&
                            ((digits >= 2 && changes >= 4) || (upper >= 4 && lower >= 4)));
}

struct address {
    struct btz_slice host, path, rest; /* rest: query and fragment */
    size_t values;                     /* bytes of values */
    size_t words, letters;             /* in the path */
    bool spoken;                       /* there are many in one segment */
    size_t hidden;                     /* bytes of values behind pseudonyms */
    bool encoded;
};

static void count_words(struct address *a)
{
    size_t from = 0, words = 0, letters = 0;

    for (size_t i = 0; i <= a->path.len; i++) {
        if (i < a->path.len && btz_is_alpha(a->path.ptr[i]))
            continue;
        words += i > from;
        letters += i - from;
        from = i + 1;
        if (i < a->path.len && a->path.ptr[i] != '/')
            continue;
        a->spoken = a->spoken || (words >= SPOKEN_MIN && letters >= SPOKEN_LETTERS_MIN);
        a->words += words;
        a->letters += letters;
        words = letters = 0;
    }
}

/* Hosts say nothing of case: digits among letters, or letters without end. */
static bool label_encoded(struct btz_slice s)
{
    if (s.len < LABEL_MIN || memcmp(s.ptr, "xn--", 4) == 0)
        return false;
    return (looks_encoded(s) && !is_id(s)) || (s.len >= LABEL_ALL && !memchr(s.ptr, '-', s.len));
}

static void measure(struct address *a)
{
    size_t from = 0;
    struct btz_slice all[2] = { a->path, a->rest };

    for (unsigned part = 0; part < 2; part++) {
        struct btz_slice s = all[part];

        from = 0;
        for (size_t i = 0; i <= s.len; i++) {
            uint8_t c = i < s.len ? s.ptr[i] : '&';
            struct btz_slice value;

            if (part == 0 ? i < s.len && c != '/' && c != ';' && c != '='
                          : c != '&' && c != '=' && c != '#' && c != '?' && c != ';')
                continue;
            value = btz_slice_sub(s, from, i - from);
            from = i + 1;
            if (part == 1 && c != '=')
                a->values += value.len;
            a->encoded = a->encoded || (looks_encoded(value) && !(part == 0 && is_id(value)));
        }
    }
    from = 0;
    for (size_t i = 0; i <= a->host.len; i++)
        if (i == a->host.len || a->host.ptr[i] == '.') {
            a->encoded = a->encoded || label_encoded(btz_slice_of(a->host.ptr + from, i - from));
            from = i + 1;
        }
}

static bool ends_with(const uint8_t *p, size_t at, const char *word)
{
    size_t n = strlen(word);

    return at >= n && memcmp(p + at - n, word, n) == 0;
}

static size_t skip_back(const uint8_t *p, size_t at, const char *what)
{
    for (unsigned i = 0; i < 8 && at > 0 && p[at - 1] && strchr(what, p[at - 1]); i++)
        at--;
    return at;
}

/* An image's, or so far from its "![" that one cannot see it. */
static bool is_image(const struct btz_view *v, size_t at)
{
    static const char *const attributes[] = { "src", "srcset", "poster", "background", "data" };
    const uint8_t *p = v->folded;
    size_t from = at > BTZ_GUARD_LOOKBACK ? at - BTZ_GUARD_LOOKBACK : 0;
    bool cut = at >= BTZ_GUARD_LOOKBACK;

    at = skip_back(p, at, " \t\r\n<\"'");
    if (ends_with(p, at, "]:") || ends_with(p, at, "url("))
        return true;
    if (at > 0 && p[at - 1] == '=') {
        at = skip_back(p, at - 1, " \t\r\n");
        for (size_t i = 0; i < BTZ_COUNT(attributes); i++)
            if (ends_with(p, at, attributes[i]))
                return true;
        return false;
    }
    if (at < from + 2 || p[at - 1] != '(' || p[at - 2] != ']')
        return false;
    for (size_t i = at - 2; i > from; i--)
        if (p[i - 1] == '[')
            return i - 1 > from ? p[i - 2] == '!' : cut;
    return cut;
}

/* Does another address lie in front of it, with nothing between that ends it? */
static bool is_nested(const struct btz_view *v, size_t at)
{
    size_t from = at > BTZ_GUARD_LOOKBACK ? at - BTZ_GUARD_LOOKBACK : 0;

    for (size_t i = at; i > from && in_url(v->text.ptr[i - 1]); i--)
        if (i >= from + 3 && memcmp(v->text.ptr + i - 3, "://", 3) == 0)
            return true;
    return false;
}

/* Where an address ends that begins at `at`: brackets may stand in it when they close, and what an escape of JSON
 * begins is no part of it. Pseudonyms are: behind them stands what they are turned back into. */
static size_t end_of(const struct btz_view *v, const struct btz_guard_session *session, size_t from,
                     size_t at, size_t max, struct address *a)
{
    struct btz_slice t = v->text;
    uint8_t quote = from > 0 ? t.ptr[from - 1] : 0;
    unsigned round = 0, curly = 0;

    for (; at < t.len && at - from < max; at++) {
        uint8_t c = t.ptr[at];

        if (c == '[') {
            bool cut;
            const struct btz_pseudonym *name =
                btz_session_known(session, btz_slice_sub(t, at, t.len - at), &cut);

            if (cut)
                return t.len;
            if (!name)
                break;
            a->hidden += name->value_len;
            at += strlen(name->name) - 1;
        } else if (c == '(' || c == '{') {
            *(c == '(' ? &round : &curly) += 1;
        } else if (c == ')' || c == '}') {
            unsigned *open = c == ')' ? &round : &curly;

            if (*open == 0)
                break;
            *open -= 1;
        } else if (c == '\\') {
            if (at + 1 < t.len && strchr("nrt\"'u", t.ptr[at + 1] ? t.ptr[at + 1] : 'n'))
                break;
        } else if (c == '\'' ? quote == c : c != '|' && c != '^' && !in_url(c)) {
            break;
        }
    }
    return at < t.len ? at : t.len;
}

static bool names_image(struct btz_slice path)
{
    static const char *const ends[] = { ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif" };

    for (size_t i = 0; i < BTZ_COUNT(ends); i++)
        if (ends_with(path.ptr, path.len, ends[i]))
            return true;
    return false;
}

static enum btz_err found_in(const struct btz_view *v, struct btz_guard_session *session,
                             struct address *a, size_t from, size_t to, bool plain,
                             struct btz_found *found)
{
    bool image = is_image(v, from);
    bool much = a->encoded || a->values >= (image ? IMAGE_MIN : LINK_MIN);

    if (image) {
        count_words(a);
        much = much || (a->words >= WORDS_MIN && a->letters >= LETTERS_MIN) ||
               (a->spoken && !names_image(a->path));
    }
    if (plain)
        return much && !image ? btz_found_hit(found, from, to, "link-data", 0.8) : BTZ_OK;
    if (a->hidden > 0)
        return btz_found_hit(found, from, to, image ? "image-personal" : "link-personal", 1);
    if (image && much)
        return btz_found_hit(found, from, to, "image-data", 1);
    if ((image || a->values > 0) && btz_atoms_tainted(session, a->host))
        return btz_found_hit(found, from, to, "link-tainted", 0.7);
    return BTZ_OK;
}

static enum btz_err judge(const struct hosts *h, const struct btz_view *v,
                          struct btz_guard_session *session, size_t from, size_t host_from,
                          bool plain, struct btz_found *found)
{
    struct btz_slice t = v->text;
    struct address a = { .values = 0 };
    size_t to, host_to, at;

    to = end_of(v, session, from, host_from, is_nested(v, from) ? NESTED_MAX : URL_MAX, &a);
    for (host_to = host_from; host_to < to && !strchr("/\\?#", t.ptr[host_to]); host_to++)
        if (t.ptr[host_to] == '@')
            host_from = host_to + 1;
    at = host_to;
    for (size_t i = host_from; i < host_to; i++)
        if (t.ptr[i] == ':')
            at = at == host_to ? i : at;
    a.host = btz_slice_of(v->folded + host_from, at - host_from);
    if (host_to < to && is_allowed(h, a.host))
        return BTZ_OK;
    if (to == t.len)
        btz_found_wait(found, from);
    while (to > host_to && strchr(".,:;!?*_'\"", t.ptr[to - 1]))
        to--;
    if (is_allowed(h, a.host) || a.host.len == 0)
        return BTZ_OK;
    for (at = host_to; at < to && t.ptr[at] != '?' && t.ptr[at] != '#';)
        at++;
    a.path = btz_slice_of(t.ptr + host_to, at - host_to);
    a.rest = at < to ? btz_slice_of(t.ptr + at + 1, to - at - 1) : btz_slice_of(NULL, 0);
    measure(&a);
    a.values += a.hidden;
    return found_in(v, session, &a, from, to, plain, found);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, bool plain, struct btz_found *found)
{
    struct btz_slice t = view->text;

    for (size_t i = 0; i < view->mark_count; i++) {
        const struct btz_mark *m = &view->marks[i];
        size_t host = m->at + m->len, from = m->id == ID_RELATIVE ? host - 2 : m->at;

        /* An address within another is part of it. */
        if (m->id == ID_URL && from > 0 && in_url(t.ptr[from - 1]) &&
            !strchr(",:;*", t.ptr[from - 1]))
            continue;
        /* Browsers take any number of slashes, of either kind. */
        while (m->id == ID_URL && host < t.len && host - m->at < SLASHES_MAX &&
               is_slash(t.ptr[host]))
            host++;
        BTZ_TRY(judge(setup, view, session, from, host, plain, found));
    }
    return BTZ_OK;
}

enum btz_err btz_link_scan_plain(const void *setup, const struct btz_view *view,
                                 struct btz_guard_session *session, struct btz_found *found)
{
    return scan(setup, view, session, true, found);
}

static enum btz_err scan_images(const void *setup, const struct btz_view *view,
                                struct btz_guard_session *session, struct btz_found *found)
{
    return scan(setup, view, session, false, found);
}

void btz_link_release(void *setup)
{
    free(setup);
}

const struct btz_guard_detector btz_guard_detector_link = {
    .id = "link",
    .summary = "Images that carry data to hosts other than `link_hosts`, and links to where a "
               "document said.",
    .mask = "link",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_REASONING,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_MASK,
    .decoded = true,
    .triggers = btz_link_triggers,
    .scan = scan_images,
    .compile = btz_link_compile,
    .release = btz_link_release,
};
