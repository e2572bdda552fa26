#include "gate/trace.h"

bool btz_trace_is_id(struct btz_slice id, size_t digits)
{
    bool zero = true;

    if (id.len != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        uint8_t c = id.ptr[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        zero &= c == '0';
    }
    return !zero;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool btz_trace_parse(struct btz_slice value, struct btz_trace *out)
{
    const uint8_t *p = value.ptr;
    struct btz_slice id, parent;

    if (value.len < BTZ_TRACE_TEXT || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return false;
    for (size_t i = 0; i < 2; i++)
        if (digit(p[i]) < 0 || digit(p[53 + i]) < 0)
            return false;
    /* Later versions may add fields; ff is forbidden. */
    if (p[0] == 'f' && p[1] == 'f')
        return false;
    if (value.len > BTZ_TRACE_TEXT && ((p[0] == '0' && p[1] == '0') || p[55] != '-'))
        return false;
    id = btz_slice_sub(value, 3, BTZ_TRACE_ID);
    parent = btz_slice_sub(value, 36, BTZ_TRACE_SPAN);
    if (!btz_trace_is_id(id, BTZ_TRACE_ID) || !btz_trace_is_id(parent, BTZ_TRACE_SPAN))
        return false;
    snprintf(out->id, sizeof out->id, "%.*s", BTZ_SLICE_ARG(id));
    snprintf(out->parent, sizeof out->parent, "%.*s", BTZ_SLICE_ARG(parent));
    out->sampled = digit(p[54]) & 1;
    return true;
}

bool btz_trace_of_request(struct btz_slice request, char trace[BTZ_TRACE_ID + 1],
                          char span[BTZ_TRACE_SPAN + 1])
{
    struct btz_slice half = btz_slice_sub(request, BTZ_TRACE_ID - BTZ_TRACE_SPAN, BTZ_TRACE_SPAN);

    if (!btz_trace_is_id(request, BTZ_TRACE_ID) || !btz_trace_is_id(half, BTZ_TRACE_SPAN))
        return false;
    snprintf(trace, BTZ_TRACE_ID + 1, "%.*s", BTZ_SLICE_ARG(request));
    snprintf(span, BTZ_TRACE_SPAN + 1, "%.*s", BTZ_SLICE_ARG(half));
    return true;
}

void btz_trace_write(const char *trace, const char *span, bool sampled,
                     char out[BTZ_TRACE_TEXT + 1])
{
    snprintf(out, BTZ_TRACE_TEXT + 1, "00-%.32s-%.16s-%s", trace, span, sampled ? "01" : "00");
}
