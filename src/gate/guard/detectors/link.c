/*
 * Links and images that carry data away: whoever renders an answer asks the host in them for what stands in the address.
 * Hosts of `link_hosts` may be led to. An image is asked for without a click, so little is enough for it.
 */
#include <stdlib.h>

#include "gate/guard/detectors/charset.h"
#include "gate/guard/inside.h"

enum {
    URL_MAX = 16384,
    HOSTS_MAX = 1024,
    IMAGE_MIN = 16, /* bytes of values in an image's address */
    LINK_MIN = 48,
    VALUE_MIN = 24, /* one value or path segment that looks encoded */
    LABEL_MIN = 24, /* one label of a host name */
    ID_URL = 0,
    ID_RELATIVE = 1
};

struct hosts {
    size_t count;
    const char *const *name;
};

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
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

static enum btz_err triggers(const void *setup, struct btz_triggers *t)
{
    (void)setup;
    BTZ_TRY(btz_triggers_add(t, "https://", ID_URL, BTZ_TRIGGER_WORD));
    BTZ_TRY(btz_triggers_add(t, "http://", ID_URL, BTZ_TRIGGER_WORD));
    BTZ_TRY(btz_triggers_add(t, "ftp://", ID_URL, BTZ_TRIGGER_WORD));
    BTZ_TRY(btz_triggers_add(t, "wss://", ID_URL, BTZ_TRIGGER_WORD));
    BTZ_TRY(btz_triggers_add(t, "(//", ID_RELATIVE, 0));
    BTZ_TRY(btz_triggers_add(t, "\"//", ID_RELATIVE, 0));
    return btz_triggers_add(t, "'//", ID_RELATIVE, 0);
}

static bool in_url(uint8_t c)
{
    return c > ' ' && c != 0x7F && !strchr("\"'<>()[]{}`|\\^", c);
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

/* Letters of both cases with digits, or long hex, or %XX: no word of a language. */
static bool looks_encoded(struct btz_slice s)
{
    unsigned digits = 0, upper = 0, lower = 0, percent = 0, changes = 0;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        digits += btz_is_digit(c);
        upper += btz_is_upper(c);
        lower += btz_is_lower(c);
        percent += c == '%';
        changes += i > 0 && btz_is_digit(c) != btz_is_digit(s.ptr[i - 1]);
    }
    return percent >= 3 || (s.len >= VALUE_MIN && digits + upper + lower + 4 >= s.len &&
                            ((digits >= 2 && changes >= 4) || (upper >= 4 && lower >= 4)));
}

struct address {
    struct btz_slice host, path, rest; /* rest: query and fragment */
    size_t values;                     /* bytes of values */
    bool encoded;
};

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
            a->encoded = a->encoded || looks_encoded(value);
        }
    }
    from = 0;
    for (size_t i = 0; i <= a->host.len; i++)
        if (i == a->host.len || a->host.ptr[i] == '.') {
            a->encoded = a->encoded ||
                         (i - from >= LABEL_MIN &&
                          memcmp(a->host.ptr + from, "xn--", i - from < 4 ? i - from : 4) != 0);
            from = i + 1;
        }
}

/* An image's, or so far from its "![" that one cannot see it. */
static bool is_image(const struct btz_view *v, size_t at)
{
    const uint8_t *p = v->folded;
    size_t back = at > BTZ_GUARD_LOOKBACK ? BTZ_GUARD_LOOKBACK : at;
    size_t from = at - back;

    if (at >= 5 && memcmp(p + at - 5, "src=", 4) == 0)
        return true;
    if (at >= 3 && memcmp(p + at - 3, "]: ", 3) == 0)
        return true;
    if (at < 2 || p[at - 1] != '(' || p[at - 2] != ']')
        return false;
    for (size_t i = at - 2; i > from; i--)
        if (p[i - 1] == '[')
            return i - 1 > from ? p[i - 2] == '!' : back == BTZ_GUARD_LOOKBACK;
    return back == BTZ_GUARD_LOOKBACK;
}

static enum btz_err judge(const struct hosts *h, const struct btz_view *v,
                          struct btz_guard_session *session, size_t from, size_t host_from,
                          struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t to = host_from, host_to, at;
    struct address a = { .values = 0 };
    bool image = is_image(v, from);

    while (to < t.len && to - from < URL_MAX && in_url(t.ptr[to]))
        to++;
    for (host_to = host_from; host_to < to && !strchr("/?#", t.ptr[host_to]); host_to++)
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
    while (to > host_to && strchr(".,:;!?*_", t.ptr[to - 1]))
        to--;
    if (is_allowed(h, a.host) || a.host.len == 0)
        return BTZ_OK;
    for (at = host_to; at < to && t.ptr[at] != '?' && t.ptr[at] != '#';)
        at++;
    a.path = btz_slice_of(t.ptr + host_to, at - host_to);
    a.rest = at < to ? btz_slice_of(t.ptr + at + 1, to - at - 1) : btz_slice_of(NULL, 0);
    measure(&a);
    if (a.encoded || a.values >= (image ? IMAGE_MIN : LINK_MIN))
        return btz_found_hit(found, from, to, image ? "image-data" : "link-data", image ? 1 : 0.8);
    if ((image || a.values > 0) && btz_atoms_tainted(session, a.host))
        return btz_found_hit(found, from, to, "link-tainted", 0.7);
    return BTZ_OK;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    for (size_t i = 0; i < view->mark_count; i++) {
        const struct btz_mark *m = &view->marks[i];
        size_t from = m->at + (m->id == ID_RELATIVE ? 1 : 0);

        /* An address within another is part of it. */
        if (m->id == ID_URL && from > 0 && in_url(view->text.ptr[from - 1]) &&
            !strchr(",:;*", view->text.ptr[from - 1]))
            continue;
        BTZ_TRY(judge(setup, view, session, from, m->at + m->len, found));
    }
    return BTZ_OK;
}

static void release(void *setup)
{
    free(setup);
}

const struct btz_guard_detector btz_guard_detector_link = {
    .id = "link",
    .summary = "Links and images to hosts other than `link_hosts` whose addresses carry data.",
    .mask = "link",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_REASONING,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_MASK,
    .decoded = true,
    .triggers = triggers,
    .scan = scan,
    .compile = compile,
    .release = release,
};
