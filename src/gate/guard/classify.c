#include "gate/guard/classify.h"

#include <math.h>
#include <stdlib.h>

/*
 * What the operator and the model write speaks of instructions all the time and is not hostile: it takes more to be
 * suspicious. In units of the margin; the user's own channel and those of third parties have none.
 */
static double shift_of(enum btz_channel c)
{
    switch (c) {
    case BTZ_CHANNEL_SYSTEM:
    case BTZ_CHANNEL_ASSISTANT:
    case BTZ_CHANNEL_OUTPUT:
    case BTZ_CHANNEL_REASONING:
    case BTZ_CHANNEL_TOOL_ARGUMENTS:
        return 1;
    case BTZ_CHANNEL_TOOL_DESCRIPTION: /* orders to the model are what they are made of */
        return 0.5;
    case BTZ_CHANNEL_USER:
    case BTZ_CHANNEL_TOOL_RESULT:
    case BTZ_CHANNEL_DOCUMENT:
    case BTZ_CHANNEL_IMAGE_TEXT:
    case BTZ_CHANNEL_RAW:
    case BTZ_CHANNEL_COUNT:
        break;
    }
    return 0;
}

double btz_guard_classifier_measure(const struct btz_guard_classifier *c, enum btz_channel channel,
                                    struct btz_slice text, size_t *from, size_t *to,
                                    uint64_t *steps)
{
    const struct btz_class_weights *w = c->weights;
    enum btz_class_head h = btz_class_head_of(channel);
    struct btz_class_place at;
    double value = btz_class_value(c->lexicon, h, w->weight[h], text, &at), margin;

    *steps = at.steps;
    if (from)
        *from = at.from;
    if (to)
        *to = at.to;
    if (!isfinite(value))
        return 0;
    margin = value * w->scale[h] + w->bias[h] - shift_of(channel);
    return 1 / (1 + exp(-w->slope[h] * margin));
}

double btz_guard_classifier_score(const struct btz_guard_classifier *c, enum btz_channel channel,
                                  struct btz_slice text, size_t *from, size_t *to)
{
    uint64_t steps;

    return btz_guard_classifier_measure(c, channel, text, from, to, &steps);
}

static enum btz_err load(const char *file, struct btz_guard_classifier *c)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(BTZ_CLASS_FILE_MAX);

    BTZ_TRY(btz_class_lexicon_new(&c->lexicon));
    if (file && *file) {
        c->owned = malloc(sizeof *c->owned);
        if (!c->owned)
            return btz_fail(BTZ_LIMIT, "out of memory for the classifier");
        BTZ_TRY(btz_file_read(file, BTZ_CLASS_FILE_MAX, &bytes));
        BTZ_TRY(btz_class_decode(btz_buf_slice(&bytes), file, c->owned));
        c->weights = c->owned;
    } else {
        c->weights = &btz_class_weights;
        BTZ_TRY(btz_class_encode(c->weights, &bytes));
    }
    btz_sha256(btz_buf_slice(&bytes), c->digest);
    return BTZ_OK;
}

enum btz_err btz_guard_classifier_open(const char *file, struct btz_guard_classifier **out)
{
    struct btz_guard_classifier *c = calloc(1, sizeof *c);
    enum btz_err err;

    if (!c)
        return btz_fail(BTZ_LIMIT, "out of memory for the classifier");
    err = load(file, c);
    if (err != BTZ_OK) {
        btz_guard_classifier_free(c);
        return err;
    }
    *out = c;
    return BTZ_OK;
}

void btz_guard_classifier_free(struct btz_guard_classifier *c)
{
    if (!c)
        return;
    btz_class_lexicon_free(c->lexicon);
    free(c->owned);
    free(c);
}

void btz_guard_classifier_digest(const struct btz_guard_classifier *c, uint8_t out[BTZ_SHA256_LEN])
{
    memcpy(out, c->digest, BTZ_SHA256_LEN);
}
