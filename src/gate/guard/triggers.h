/* The words that wake detectors, all found in one pass. Private to the guard. */
#ifndef BTZ_GATE_GUARD_TRIGGERS_H
#define BTZ_GATE_GUARD_TRIGGERS_H

#include "gate/guard/guard.h"

enum { BTZ_TRIGGER_LEN_MAX = 32, BTZ_DETECTORS_MAX = 32 };

struct btz_triggers;
BTZ_CHECKED enum btz_err btz_triggers_new(struct btz_triggers **out);
void btz_triggers_free(struct btz_triggers *t);
/* Those added from now on are of this detector. */
void btz_triggers_owner(struct btz_triggers *t, unsigned detector);
/* After the last: makes it ready to scan. */
BTZ_CHECKED enum btz_err btz_triggers_build(struct btz_triggers *t);
bool btz_triggers_has(const struct btz_triggers *t, unsigned detector);

struct btz_marks { /* of one detector, in order of place */
    struct btz_mark *at;
    size_t count, cap;
};
/* Every trigger in `folded`, into the lists of their owners, which are emptied first. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_triggers_scan(const struct btz_triggers *t, struct btz_slice folded,
                                           struct btz_marks marks[BTZ_DETECTORS_MAX]);
/* `text` is what was folded. For each detector the first place where one of its triggers begins whose end has not come yet; left alone without. */
void btz_triggers_tail(const struct btz_triggers *t, struct btz_slice folded, const uint8_t *text,
                       size_t first[BTZ_DETECTORS_MAX]);

#endif
