/* What the detectors of links share. Private to the detectors. */
#ifndef BTZ_GATE_GUARD_LINK_H
#define BTZ_GATE_GUARD_LINK_H

#include "gate/guard/triggers.h"

BTZ_CHECKED enum btz_err btz_link_compile(const struct btz_guard_conf *conf, void **out);
void btz_link_release(void *setup);
BTZ_CHECKED enum btz_err btz_link_triggers(const void *setup, struct btz_triggers *t);
BTZ_CHECKED enum btz_err btz_link_scan_plain(const void *setup, const struct btz_view *view,
                                             struct btz_guard_session *session,
                                             struct btz_found *found);

#endif
