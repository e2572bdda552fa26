/*
 * Queries, counted.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/robust.h"

enum btz_err btz_oracle_ask(struct btz_oracle *o, const float *x, size_t n, float *scores)
{
    if (o->budget && (o->queries > o->budget || n > o->budget - o->queries))
        return btz_fail(BTZ_LIMIT, "the budget of %" PRIu64 " queries is spent", o->budget);
    o->queries += n;
    return o->ask(o, x, n, scores);
}

void btz_oracle_free(struct btz_oracle *o)
{
    if (o)
        o->free(o);
}

struct of_classifier {
    struct btz_oracle oracle;
    struct btz_classifier *classifier;
};

static enum btz_err ask(struct btz_oracle *o, const float *x, size_t n, float *scores)
{
    return btz_classifier_logits(((struct of_classifier *)o)->classifier, x, n, scores);
}

static void release(struct btz_oracle *o)
{
    free(o);
}

enum btz_err btz_oracle_of_classifier(struct btz_classifier *c, struct btz_oracle **out)
{
    struct of_classifier *o = calloc(1, sizeof *o);

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    o->oracle = (struct btz_oracle){
        .shape = c->shape,
        .features = c->features,
        .classes = c->classes,
        .has_scores = true,
        .ask = ask,
        .free = release,
    };
    o->classifier = c;
    *out = &o->oracle;
    return BTZ_OK;
}
