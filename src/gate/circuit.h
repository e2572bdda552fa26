/* circuit: which upstreams are left alone for a while. A small file that all workers map; cut while in use, it is made anew. */
#ifndef BTZ_GATE_CIRCUIT_H
#define BTZ_GATE_CIRCUIT_H

#include "base/base.h"

#define BTZ_CIRCUITS 256

struct btz_circuits;
/* One for each of `names`, at most BTZ_CIRCUITS; a file that is of other names begins anew. Errors: IO, LIMIT. */
BTZ_CHECKED enum btz_err btz_circuits_open(const char *path, const char *const *names, size_t count,
                                           struct btz_circuits **out);
void btz_circuits_close(struct btz_circuits *c);
/* Open: left alone. When its time is over, one request at a time may try. */
bool btz_circuit_may(struct btz_circuits *c, size_t which, uint64_t now_ms);
/* The trial that may() allowed did not come to an end: another may try. */
void btz_circuit_untried(struct btz_circuits *c, size_t which);
void btz_circuit_ok(struct btz_circuits *c, size_t which);
/* `after` failures in a row open it for `for_ms`; after 0: never. */
void btz_circuit_failed(struct btz_circuits *c, size_t which, uint64_t after, uint64_t for_ms,
                        uint64_t now_ms);
bool btz_circuit_is_open(struct btz_circuits *c, size_t which, uint64_t now_ms);

#endif
