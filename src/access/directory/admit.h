/* admit: what is asked before an operation runs. */
#ifndef BTZ_DIRECTORY_ADMIT_H
#define BTZ_DIRECTORY_ADMIT_H

#include "access/directory/directory.h"

/* OK, DENIED (c->needs_step_up, c->note.reason say why), or what went wrong. Sets c->state->resource and rule. */
BTZ_CHECKED enum btz_err btz_call_admit(struct btz_call *c);
/* The resource that an operation's template means with the fields of this call, in the arena. */
BTZ_CHECKED enum btz_err btz_call_resource(struct btz_call *c, char **out);

#endif
