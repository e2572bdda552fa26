/*
 * The classifier of injections, as a detector. It reads whole texts. The threshold of each channel is the operator's
 * calibration where there is one; rules may set another (guard.c compares scores with it).
 */
#include "gate/guard/guard.h"

static void release(void *setup)
{
    btz_guard_classifier_free(setup);
}

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    struct btz_guard_classifier *c;

    BTZ_TRY(btz_guard_classifier_open(conf->classifier, &c));
    *out = c;
    return BTZ_OK;
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    size_t from = 0, to = 0;
    double score;

    (void)session;
    if (view->text.len == 0)
        return BTZ_OK;
    score = btz_guard_classifier_score(setup, view->channel, view->text, &from, &to);
    if (to <= from)
        return BTZ_OK;
    return btz_found_hit(found, from, to, "injection", score);
}

const struct btz_guard_detector btz_guard_detector_injection = {
    .id = "injection",
    .summary =
        "Orders that do not belong there, by a trained classifier over windows of sentences.",
    .mask = "removed instruction",
    .channels = 1u << BTZ_CHANNEL_USER | 1u << BTZ_CHANNEL_TOOL_RESULT |
                1u << BTZ_CHANNEL_DOCUMENT | 1u << BTZ_CHANNEL_IMAGE_TEXT |
                1u << BTZ_CHANNEL_TOOL_DESCRIPTION | 1u << BTZ_CHANNEL_RAW,
    .user = BTZ_GUARD_BLOCK,
    .untrusted = BTZ_GUARD_MASK,
    .output = BTZ_GUARD_OBSERVE,
    .threshold = BTZ_CLASSIFIER_THRESHOLD,
    .decoded = true,
    .whole = true,
    .scan = scan,
    .compile = compile,
    .release = release,
};
