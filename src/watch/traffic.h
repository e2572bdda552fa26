/* traffic: what the gateway does now, for the daemon's pages and for those who scrape. Runs the sequencer and the exporter,
 * and answers btz_access_live. */
#ifndef BTZ_WATCH_TRAFFIC_H
#define BTZ_WATCH_TRAFFIC_H

#include "access/access.h"
#include "gate/gate.h"

struct btz_traffic_options {
    struct btz_access *access;
    const char *state_dir;
    const struct btz_gate_conf *gate; /* NULL: neither limits nor circuits nor OTLP */
    struct btz_log *log;
};
struct btz_traffic;
BTZ_CHECKED enum btz_err btz_traffic_start(const struct btz_traffic_options *o,
                                           struct btz_traffic **out);
void btz_traffic_stop(struct btz_traffic *t);

#endif
