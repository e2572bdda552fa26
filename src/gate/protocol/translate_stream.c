#include "gate/protocol/stream.h"

enum btz_err btz_translator_new(struct btz_protocol_stream *s, struct btz_translator **out)
{
    (void)out;
    return btz_fail(BTZ_UNSUPPORTED, "%s to %s: cannot be translated", btz_protocol_name(s->o.from),
                    btz_protocol_name(s->o.to));
}
void btz_translator_free(struct btz_translator *t)
{
    (void)t;
}
enum btz_err btz_translator_event(struct btz_translator *t, struct btz_event *e)
{
    (void)t;
    (void)e;
    return BTZ_OK;
}
enum btz_err btz_translator_done(struct btz_translator *t)
{
    (void)t;
    return BTZ_OK;
}
