/* A connection to a receiver: TCP, perhaps with TLS on it. One thread. Inside of forward.c and wire.c. */
#ifndef BTZ_WATCH_WIRE_H
#define BTZ_WATCH_WIRE_H

#include "base/base.h"

struct btz_wire_options {
    const char *address; /* host:port */
    bool tls;
    const char *ca_file, *name; /* empty: the system's; that of the address */
    int wake;                   /* readable: give up, something is to be done */
};
struct btz_wire;
/* Is the address one, can the certificates be read? Errors: USAGE. */
BTZ_CHECKED enum btz_err btz_wire_check(const struct btz_wire_options *o);
/* Errors: UNREACHABLE (also: the certificate is not good), USAGE. */
BTZ_CHECKED enum btz_err btz_wire_open(const struct btz_wire_options *o, struct btz_wire **out);
BTZ_CHECKED enum btz_err btz_wire_send(struct btz_wire *w, struct btz_slice bytes);
/* Waits up to `ms`; UNREACHABLE when the other side is gone. What it sends is dropped. */
BTZ_CHECKED enum btz_err btz_wire_wait(struct btz_wire *w, unsigned ms);
/* Has the other system acknowledged all that was sent? */
bool btz_wire_is_acknowledged(const struct btz_wire *w);
/* Ends our side and waits for the other's end: true when it came in good order, so that all was read. */
bool btz_wire_finish(struct btz_wire *w, unsigned ms);
void btz_wire_close(struct btz_wire *w);

#endif
