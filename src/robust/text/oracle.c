/* Questions about texts, counted. */
#include "robust/text.h"

enum btz_err btz_text_ask(struct btz_text_oracle *o, const struct btz_slice *texts, size_t n,
                          float *scores)
{
    if (o->budget && (o->queries > o->budget || n > o->budget - o->queries))
        return btz_fail(BTZ_LIMIT, "the budget of %" PRIu64 " queries is spent", o->budget);
    o->queries += n;
    return o->ask(o, texts, n, scores);
}

void btz_text_oracle_free(struct btz_text_oracle *o)
{
    if (o)
        o->free(o);
}
