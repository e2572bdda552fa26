/*
 * Links that carry much, which somebody must click. Assistants write such links all day (a commit, a document, a search), so
 * they are only written down without a rule.
 */
#include "gate/guard/detectors/link.h"

const struct btz_guard_detector btz_guard_detector_link_plain = {
    .id = "link-plain",
    .summary = "Links to hosts other than `link_hosts` whose addresses carry data.",
    .mask = "link",
    .channels = 1u << BTZ_CHANNEL_OUTPUT | 1u << BTZ_CHANNEL_REASONING,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .triggers = btz_link_triggers,
    .scan = btz_link_scan_plain,
    .compile = btz_link_compile,
    .release = btz_link_release,
};
