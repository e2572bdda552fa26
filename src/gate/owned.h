/*
 * owned: whose a file or a batch at an upstream is. The upstream knows one caller, the gateway; this is what it cannot tell.
 * A file shared by all workers of a machine, of fixed size: 65,536 things, the oldest of a bucket make room. What is not
 * found is nobody's.
 */
#ifndef BTZ_GATE_OWNED_H
#define BTZ_GATE_OWNED_H

#include "base/base.h"

struct btz_owned;
BTZ_CHECKED enum btz_err btz_owned_open(const char *path, struct btz_owned **out);
void btz_owned_close(struct btz_owned *o);
/* INPUT: it was cut while in use, and what is said below of it may be wrong. Nobody who asks may be let through. */
BTZ_CHECKED enum btz_err btz_owned_check(const struct btz_owned *o);
/* From any thread. Who had it first keeps it. */
void btz_owned_add(struct btz_owned *o, const char *upstream, struct btz_slice id,
                   const char *owner, uint64_t now_ms);
bool btz_owned_is(struct btz_owned *o, const char *upstream, struct btz_slice id,
                  const char *owner);
void btz_owned_remove(struct btz_owned *o, const char *upstream, struct btz_slice id);

#endif
