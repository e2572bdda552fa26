/* Control sequences of terminals (ECMA-48): they clear screens, forge prompts, make links that show other text. */
#include "gate/guard/guard.h"

enum { SEQUENCE_MAX = 1024 };

static enum btz_err sequence(const struct btz_view *v, size_t from, size_t body,
                             struct btz_found *found)
{
    struct btz_slice t = v->text;
    size_t to = body + 1;
    uint8_t sort;

    if (body >= t.len) {
        btz_found_wait(found, from);
        return v->final ? btz_found_hit(found, from, t.len, "escape", 1) : BTZ_OK;
    }
    if (t.ptr[from] == 0x1B && t.ptr[body] == 0x1B) /* that one is the next hit */
        return btz_found_hit(found, from, body, "escape", 1);
    sort = body > from && t.ptr[from] == 0x1B ? t.ptr[body] : '[';
    if (sort == '[') {
        to = t.ptr[from] == 0x1B ? body + 1 : body;
        while (to < t.len && to - from < SEQUENCE_MAX && t.ptr[to] >= 0x20 && t.ptr[to] < 0x40)
            to++;
    } else if (sort == ']' || sort == 'P' || sort == 'X' || sort == '^' || sort == '_') {
        while (to < t.len && to - from < SEQUENCE_MAX && t.ptr[to] != 7 && t.ptr[to] != 0x1B &&
               t.ptr[to] != '\n')
            to++;
        if (to + 1 == t.len && t.ptr[to] == 0x1B)
            btz_found_wait(found, from);
        if (to + 1 < t.len && t.ptr[to] == 0x1B && t.ptr[to + 1] == '\\')
            to++;
        else if (to < t.len && t.ptr[to] != 7)
            return btz_found_hit(found, from, to, "control-string", 1);
    } else {
        return btz_found_hit(found, from, to, "escape", 1);
    }
    if (to >= t.len) {
        btz_found_wait(found, from);
        return btz_found_hit(found, from, t.len, "control-sequence", 1);
    }
    return btz_found_hit(found, from, t.ptr[to] < 0x80 ? to + 1 : to,
                         sort == '[' ? "control-sequence" : "control-string", 1);
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    struct btz_slice t = view->text;
    const uint8_t *end, *p;

    (void)setup;
    (void)session;
    if (t.len == 0)
        return BTZ_OK;
    end = t.ptr + t.len;
    for (p = t.ptr; (p = memchr(p, 0x1B, (size_t)(end - p))); p++)
        BTZ_TRY(sequence(view, (size_t)(p - t.ptr), (size_t)(p - t.ptr) + 1, found));
    /* C1: U+009B is CSI. */
    for (p = t.ptr; (p = memchr(p, 0x9B, (size_t)(end - p))); p++)
        if (p > t.ptr && p[-1] == 0xC2)
            BTZ_TRY(sequence(view, (size_t)(p - t.ptr) - 1, (size_t)(p - t.ptr) + 1, found));
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_ansi = {
    .id = "ansi",
    .summary = "Control sequences of terminals.",
    .mask = "",
    .channels = ((1u << BTZ_CHANNEL_COUNT) - 1) & ~(1u << BTZ_CHANNEL_SYSTEM),
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_MASK,
    .scan = scan,
};
