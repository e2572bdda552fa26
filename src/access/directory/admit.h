/* admit: what is asked before an operation runs. */
#ifndef BTZ_DIRECTORY_ADMIT_H
#define BTZ_DIRECTORY_ADMIT_H

#include "access/directory/directory.h"

/* OK, DENIED (c->needs_step_up, c->note.reason say why), or what went wrong. Sets c->state->resource and rule. */
BTZ_CHECKED enum btz_err btz_call_admit(struct btz_call *c);
/* What the thing with that id is called now, as policies have it; NULL: there is none. */
BTZ_CHECKED enum btz_err btz_named_as(struct btz_call *c, enum btz_field_names names,
                                      const char *id, const char **out);

#endif
