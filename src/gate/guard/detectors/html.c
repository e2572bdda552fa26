/* HTML that runs something where it is shown: scripts, frames, handlers of events, addresses that are programs. */
#include "gate/guard/detectors/charset.h"

enum { TAG_MAX = 2048, ID_ADDRESS = 0 };

static enum btz_err triggers(const void *setup, struct btz_triggers *t)
{
    (void)setup;
    BTZ_TRY(btz_triggers_add(t, "javascript:", ID_ADDRESS, BTZ_TRIGGER_WORD));
    BTZ_TRY(btz_triggers_add(t, "vbscript:", ID_ADDRESS, BTZ_TRIGGER_WORD));
    return btz_triggers_add(t, "data:text/html", ID_ADDRESS, BTZ_TRIGGER_WORD);
}

static const char *const active[] = { "script", "iframe", "object", "embed", "applet", "base",
                                      "meta",   "link",   "form",   "frame", "portal" };

/* on... = within the tag, outside of a value */
static bool has_handler(const uint8_t *p, size_t n)
{
    for (size_t i = 1; i + 4 < n; i++) {
        size_t k = i;

        if (p[i] != 'o' || p[i + 1] != 'n' || btz_is_alnum(p[i - 1]) || p[i - 1] == '-' ||
            p[i - 1] == '_')
            continue;
        for (k = i + 2; k < n && btz_is_lower(p[k]) && k - i < 32;)
            k++;
        if (k - i < 4)
            continue;
        while (k < n && p[k] <= ' ')
            k++;
        if (k + 1 < n && p[k] == '=' && p[k + 1] != '=')
            return true;
    }
    return false;
}

static enum btz_err tag(const struct btz_view *v, size_t from, struct btz_found *found)
{
    struct btz_slice t = v->text;
    const uint8_t *p = v->folded;
    size_t name = from + 1, to, end;
    const char *kind = NULL;

    if (name < t.len && !btz_is_lower(p[name]) && p[name] != '/')
        return BTZ_OK;
    for (to = name; to < t.len && to - from < TAG_MAX && p[to] != '>' && p[to] != '<';)
        to++;
    if (to == t.len)
        btz_found_wait(found, from);
    for (end = name; end < to && btz_is_alnum(p[end]);)
        end++;
    for (size_t i = 0; !kind && i < BTZ_COUNT(active); i++)
        if (strlen(active[i]) == end - name && memcmp(active[i], p + name, end - name) == 0)
            kind = i == 0 ? "script" : "active-element";
    if (!kind && to < t.len && has_handler(p + name, to - name))
        kind = "event-handler";
    if (!kind)
        return BTZ_OK;
    return btz_found_hit(found, from, to < t.len && p[to] == '>' ? to + 1 : to, kind,
                         kind[0] == 'a' ? 0.7 : 1);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    struct btz_slice t = view->text;
    const uint8_t *end = t.len ? t.ptr + t.len : t.ptr, *p = t.ptr;

    (void)setup;
    (void)session;
    for (; t.len > 0 && (p = memchr(p, '<', (size_t)(end - p))); p++)
        BTZ_TRY(tag(view, (size_t)(p - t.ptr), found));
    for (size_t i = 0; i < view->mark_count; i++)
        BTZ_TRY(btz_found_hit(found, view->marks[i].at, view->marks[i].at + view->marks[i].len,
                              "script-address", 0.9));
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_html = {
    .id = "html",
    .summary = "HTML that runs something: scripts, frames, event handlers, javascript: addresses.",
    .mask = "html",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_TOOL_ARGUMENTS,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .always = true,
    .triggers = triggers,
    .scan = scan,
};
