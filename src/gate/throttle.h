/*
 * Strangers: each refusal of one is work for the daemon and an entry in the ledger. Whoever sends too many in a second, by
 * his address, gets 429 without either; callers who are known are never counted. One table for a process and for all that it
 * forks after it was made. A table is full of one second: addresses that find no room take another's.
 */
#ifndef BTZ_GATE_THROTTLE_H
#define BTZ_GATE_THROTTLE_H

#include "base/base.h"

#define BTZ_STRANGERS_MOST 100 /* refused with an entry, or asked for, of one address in a second */

struct btz_strangers;
/* Errors: LIMIT, no memory. */
BTZ_CHECKED enum btz_err btz_strangers_new(struct btz_strangers **out);
void btz_strangers_free(struct btz_strangers *s);
/* Counts one more and says how many there were before in this second. `address`: 4 bytes of IPv4 or 16 of IPv6; all else is
 * one and the same. An IPv4 address counts as itself in IPv6 too (::ffff:a.b.c.d); whoever has one address of IPv6 has 2^64
 * of them, so that they count as one. */
unsigned btz_strangers_add(struct btz_strangers *s, struct btz_slice address, uint64_t second);
/* It was somebody. */
void btz_strangers_undo(struct btz_strangers *s, struct btz_slice address, uint64_t second);

#endif
