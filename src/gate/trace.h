/* trace: contexts of distributed traces. Source: W3C Trace Context, level 1, sections 3.2 and 4. */
#ifndef BTZ_GATE_TRACE_H
#define BTZ_GATE_TRACE_H

#include "base/base.h"

#define BTZ_TRACE_ID   32 /* hex digits, lower case, not all 0 */
#define BTZ_TRACE_SPAN 16
#define BTZ_TRACE_TEXT 55

struct btz_trace {
    char id[BTZ_TRACE_ID + 1], parent[BTZ_TRACE_SPAN + 1];
    bool sampled;
};
/* The value of `traceparent`. False: there is none, or it is none that can be continued; a version that is not known
 * is read as far as it is. */
bool btz_trace_parse(struct btz_slice value, struct btz_trace *out);
/* Ids as they stand in headers and spans. */
bool btz_trace_is_id(struct btz_slice id, size_t digits);
/* Of the id of a request, 32 hex digits that nginx drew: it is the trace of a request that continues none, and its second
 * half is the request's own span. False: it is no such id. */
bool btz_trace_of_request(struct btz_slice request, char trace[BTZ_TRACE_ID + 1],
                          char span[BTZ_TRACE_SPAN + 1]);
void btz_trace_write(const char *trace, const char *span, bool sampled,
                     char out[BTZ_TRACE_TEXT + 1]);

#endif
