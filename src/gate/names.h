/*
 * Names of upstreams: nginx looks them up when it reads its configuration, and not again. Whoever runs it looks after that: when
 * of the addresses that a name had then none is left, nginx has to be told. Names that are answered in turns, a few addresses
 * at a time, are no reason as long as one of the first is among them.
 */
#ifndef BTZ_GATE_NAMES_H
#define BTZ_GATE_NAMES_H

#include "gate/gate.h"

#define BTZ_NAME_ADDRESSES 64 /* of one name; more are not looked at */

struct btz_name_address {
    uint8_t family; /* 4 or 6 */
    uint8_t b[16];
};
/* Addresses of a name, at most BTZ_NAME_ADDRESSES; 0: none could be found now. */
typedef size_t btz_name_lookup(const char *name, struct btz_name_address *out);

struct btz_names;
/* NULL lookup: the system's. A thread looks, as often as the settings say. Free with btz_names_stop(); NULL is fine. */
BTZ_CHECKED enum btz_err btz_names_start(btz_name_lookup *lookup, struct btz_names **out);
/* The names in `conf`, which is copied, as nginx got to know them just now. Addresses in numbers are none. */
BTZ_CHECKED enum btz_err btz_names_set(struct btz_names *n, const struct btz_gate_conf *conf);
/* One round; what the thread does. */
void btz_names_look(struct btz_names *n);
/* True once, with the name (at least 256 bytes): two rounds in a row knew none of its addresses. Then not again before ten
 * rounds have passed, or btz_names_set(). */
bool btz_names_moved(struct btz_names *n, char *name, size_t size);
/* Does not wait for a resolver that does not answer: what such a thread holds is left to the end of the process. */
void btz_names_stop(struct btz_names *n);

#endif
