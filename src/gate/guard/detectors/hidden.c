/* Invisible characters that carry text: tags, variation selectors, long runs of zero-width characters. */
#include "gate/guard/guard.h"

enum { SELECTORS_MIN = 3, OTHERS_MIN = 8 };

/* A view leaves them out, so a hit is on the text around them; the guard knows the place. */
static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    (void)setup;
    (void)session;
    for (size_t i = 0; i < view->invisible_count; i++) {
        const struct btz_invisible *run = &view->invisible[i];
        const char *kind = run->tags > 0                     ? "hidden-tags"
                           : run->selectors >= SELECTORS_MIN ? "hidden-selectors"
                           : run->others >= OTHERS_MIN       ? "hidden-zero-width"
                                                             : NULL;

        if (kind)
            BTZ_TRY(btz_found_invisible(found, run, kind));
    }
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_hidden = {
    .id = "hidden",
    .summary = "Invisible characters that carry text: tags, variation selectors, zero-width runs.",
    .mask = "",
    .channels = (1u << BTZ_CHANNEL_COUNT) - 1,
    .user = BTZ_GUARD_MASK,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_MASK,
    .scan = scan,
};
