/* Tools that models may call: `tools`. Names are no texts, so they are asked about by btz_guard_tool(). */
#include <stdlib.h>

#include "gate/guard/inside.h"

enum { PATTERNS_MAX = 4096 };

struct tools {
    size_t count;
    const char *const *pattern;
};

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    struct tools *t;

    *out = NULL;
    if (conf->tools.count == 0)
        return BTZ_OK;
    if (conf->tools.count > PATTERNS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d tools", PATTERNS_MAX);
    t = calloc(1, sizeof *t);
    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory for tools");
    t->count = conf->tools.count;
    t->pattern = conf->tools.items;
    *out = t;
    return BTZ_OK;
}

static bool allowed(const struct tools *t, struct btz_slice name)
{
    for (size_t i = 0; i < t->count; i++) {
        struct btz_slice p = btz_str(t->pattern[i]);
        bool open = p.len > 0 && p.ptr[p.len - 1] == '*';

        p.len -= open;
        if (open ? btz_slice_has_prefix(name, p) : btz_slice_equal(name, p))
            return true;
    }
    return false;
}

bool btz_guard_tool(struct btz_guard_session *s, struct btz_slice name)
{
    const struct btz_guard *g = s->guard;

    for (unsigned d = 0; d < g->count; d++) {
        struct btz_hit hit = { .detector = btz_guard_detectors[d],
                               .to = name.len,
                               .score = 1,
                               .kind = "tool-not-listed",
                               .how = "plain" };

        if (btz_guard_detectors[d] != &btz_guard_detector_tool || !g->setup[d])
            continue;
        btz_session_count(s, 1u << d, 0);
        if (allowed(g->setup[d], name))
            return true;
        hit.action = btz_session_way(s, d, BTZ_CHANNEL_TOOL_ARGUMENTS)->action;
        btz_session_note(s, &hit, BTZ_CHANNEL_TOOL_ARGUMENTS, s->texts);
        return hit.action == BTZ_GUARD_OBSERVE;
    }
    return true;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    (void)setup;
    (void)view;
    (void)session;
    (void)found;
    return BTZ_OK;
}

static void release(void *setup)
{
    free(setup);
}

const struct btz_guard_detector btz_guard_detector_tool = {
    .id = "tool",
    .summary = "Calls of tools that `tools` does not list.",
    .channels = 0,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_BLOCK,
    .scan = scan,
    .compile = compile,
    .release = release,
};
