/* The keyword filter of the "filter" defence. Inside demo only. */
#ifndef BTZ_DEMO_FILTER_H
#define BTZ_DEMO_FILTER_H

#include "base/base.h"

/* Whether a message as it was sent holds a word the filter looks for. */
bool btz_demo_is_filtered(struct btz_slice message);
/* Takes secrets out that stand in the answer letter for letter. */
void btz_demo_remove_secrets(struct btz_buf *answer);

#endif
