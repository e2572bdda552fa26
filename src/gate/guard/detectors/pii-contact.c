/* Ways to reach somebody: e-mail addresses, telephone numbers, addresses of machines. */
#include "gate/guard/detectors/charset.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, PHONE_MAX = 24, NAME_BACK = 40 };

static bool in_local(uint8_t c)
{
    return btz_is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' ||
           c == '\'' || c >= 0x80;
}

static bool in_domain(uint8_t c)
{
    return btz_is_alnum(c) || c == '.' || c == '-' || c >= 0x80;
}

static enum btz_err email(const struct btz_view *v, size_t at, struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t from = at, to = at + 1, dot = SIZE_MAX;

    while (from > 0 && at - from < LOCAL_MAX && in_local(t.ptr[from - 1]))
        from--;
    while (from < at && (t.ptr[from] == '.' || t.ptr[from] == '\'' || t.ptr[from] == '-'))
        from++;
    if (from == at)
        return BTZ_OK;
    while (to < t.len && to - at <= DOMAIN_MAX && in_domain(t.ptr[to]))
        to++;
    if (to == t.len)
        btz_found_wait(found, from);
    while (to > at + 1 && (t.ptr[to - 1] == '.' || t.ptr[to - 1] == '-'))
        to--;
    for (size_t i = at + 1; i < to; i++)
        if (t.ptr[i] == '.')
            dot = i;
    if (dot == SIZE_MAX || dot == at + 1 || to - dot < 3)
        return BTZ_OK;
    for (size_t i = dot + 1; i < to; i++)
        if (!btz_is_alpha(t.ptr[i]) && t.ptr[i] < 0x80 &&
            (to - dot < 5 || memcmp(t.ptr + dot, ".xn--", 5) != 0))
            return BTZ_OK;
    return btz_found_hit(found, from, to, "email", 1);
}

/* Is a telephone spoken of in front? Then a number written as a country writes its own is one. */
static bool is_called(const struct btz_view *v, size_t at)
{
    static const char *const words[] = {
        "phone", "tel", "mobile", "call", "cell", "fax", "whatsapp"
    };
    size_t from = at > NAME_BACK ? at - NAME_BACK : 0;
    struct btz_slice before = btz_slice_of(v->folded + from, at - from);

    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        if (btz_slice_has(before, words[i]))
            return true;
    return false;
}

/* +49 30 1234567, (212) 555-0123, 212-555-0123, 212.555.0123 */
static enum btz_err phone(const struct btz_view *v, size_t from, struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t to = from, digits = 0, groups = 0, last = from, national = 0;
    bool plus = t.ptr[from] == '+', open = t.ptr[from] == '(', in_group = false;
    size_t size[8] = { 0 };

    if (!btz_at_boundary(t, from) ||
        (from > 0 && strchr("+-./#$", t.ptr[from - 1]) && t.ptr[from - 1]))
        return BTZ_OK;
    for (; to < t.len && to - from < PHONE_MAX; to++) {
        uint8_t c = t.ptr[to];

        if (btz_is_digit(c)) {
            if (!in_group && ++groups > 8)
                return BTZ_OK;
            in_group = true;
            size[groups - 1]++;
            digits++;
            last = to + 1;
        } else if ((c == '(' && !in_group) || (c && strchr(" -.)", c))) {
            if (!in_group && c != '(' && c != ' ' && to > from)
                break;
            in_group = false;
        } else if (!(c == '+' && to == from)) {
            break;
        }
    }
    if (to == t.len)
        btz_found_wait(found, from);
    national = groups == 3 && size[0] == 3 && size[1] == 3 && size[2] == 4;
    if (last < t.len && (btz_is_alnum(t.ptr[last]) || t.ptr[last] == '_'))
        return BTZ_OK;
    if (plus ? digits >= 8 && digits <= 15 && groups <= 6 : national && (open || last - from >= 12))
        return btz_found_hit(found, from, last, "phone", plus ? 0.9 : 0.7);
    if (!plus && digits >= 7 && digits <= 13 && groups >= 2 && groups <= 6 && is_called(v, from))
        return btz_found_hit(found, from, last, "phone", 0.6);
    return BTZ_OK;
}

static enum btz_err ipv4(const struct btz_view *v, size_t from, struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t to = from;
    unsigned value[4] = { 0 };

    for (unsigned part = 0; part < 4; part++) {
        size_t start = to;

        while (to < t.len && to - start < 4 && btz_is_digit(t.ptr[to]))
            value[part] = value[part] * 10 + (t.ptr[to++] - '0');
        if (to == t.len)
            btz_found_wait(found, from);
        if (to == start || to - start > 3 || value[part] > 255 ||
            (to - start > 1 && t.ptr[start] == '0'))
            return BTZ_OK;
        if (part < 3 && (to == t.len || t.ptr[to++] != '.'))
            return BTZ_OK;
    }
    if (to < t.len && (btz_is_alnum(t.ptr[to]) || t.ptr[to] == '_' ||
                       (t.ptr[to] == '.' && to + 1 < t.len && btz_is_digit(t.ptr[to + 1]))))
        return BTZ_OK;
    if (to + 1 == t.len && t.ptr[to] == '.')
        btz_found_wait(found, from);
    if (value[0] == 0 || value[0] == 127 || value[0] >= 224 || (value[0] < 10 && value[3] == 0))
        return BTZ_OK;
    return btz_found_hit(found, from, to, "ip-address", 0.8);
}

/* A word at the end could become the name of an address. */
static void open_word(const struct btz_view *v, struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t from = t.len;

    if (v->final)
        return;
    while (from > 0 && t.len - from < LOCAL_MAX && in_local(t.ptr[from - 1]))
        from--;
    btz_found_wait(found, from);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    struct btz_slice t = view->text;
    const uint8_t *next = t.len ? memchr(t.ptr, '@', t.len) : NULL;

    (void)setup;
    (void)session;
    for (; next; next = memchr(next + 1, '@', t.len - (size_t)(next + 1 - t.ptr)))
        BTZ_TRY(email(view, (size_t)(next - t.ptr), found));
    for (size_t i = 0; i < t.len; i++) {
        uint8_t c = t.ptr[i];

        if (c > '9' || c < '(') { /* nearly always */
            i = btz_skip_letters(t, i + 1) - 1;
            continue;
        }
        if (c == '+' || c == '(') {
            BTZ_TRY(phone(view, i, found));
        } else if (btz_is_digit(c)) {
            bool begins =
                btz_at_boundary(t, i) && !(i > 0 && (t.ptr[i - 1] == '+' || t.ptr[i - 1] == '('));

            if (begins && !(i > 1 && t.ptr[i - 1] == '.' && btz_is_digit(t.ptr[i - 2]))) {
                BTZ_TRY(phone(view, i, found));
                BTZ_TRY(ipv4(view, i, found));
            }
            while (i + 1 < t.len && btz_is_digit(t.ptr[i + 1]))
                i++;
        }
    }
    open_word(view, found);
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_pii_contact = {
    .id = "pii-contact",
    .summary = "E-mail addresses, telephone numbers, IP addresses.",
    .channels = (1u << BTZ_CHANNEL_COUNT) - 1,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .scan = scan,
};
