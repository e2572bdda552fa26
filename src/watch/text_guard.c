/* The gateway's classifier of injections as an oracle. */
#include "watch/text_guard.h"

#include <math.h>
#include <stdlib.h>

#include "gate/guard/guard.h"
#include "text/text.h"

struct of_guard {
    struct btz_text_oracle oracle;
    struct btz_guard_classifier *classifier;
};

/* What the guard reads: the normal form, as detectors see it. Logarithm of the odds, so that scores near 1 still differ. */
static enum btz_err ask_guard(struct btz_text_oracle *oracle, const struct btz_slice *texts,
                              size_t n, float *scores)
{
    const struct of_guard *o = (const struct of_guard *)oracle;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)16 * BTZ_TEXT_BYTES_MAX);

    for (size_t i = 0; i < n; i++) {
        double p;

        btz_buf_clear(&text);
        BTZ_TRY(btz_text_normalise(
            texts[i], BTZ_NORM_NFKC | BTZ_NORM_INVISIBLE | BTZ_NORM_CONFUSABLE | BTZ_NORM_MARKS,
            &text));
        p = btz_guard_classifier_score(o->classifier, BTZ_CHANNEL_USER, btz_buf_slice(&text), NULL,
                                       NULL);
        p = p < 1e-15 ? 1e-15 : p > 1 - 1e-15 ? 1 - 1e-15 : p;
        scores[2 * i] = 0;
        /* At the threshold it counts as an injection. */
        scores[2 * i + 1] = p >= BTZ_CLASSIFIER_THRESHOLD ? (float)log(p / (1 - p)) + 1e-6F
                                                          : (float)log(p / (1 - p));
    }
    return BTZ_OK;
}

static void free_guard(struct btz_text_oracle *oracle)
{
    btz_guard_classifier_free(((struct of_guard *)oracle)->classifier);
    free(oracle);
}

enum btz_err btz_text_oracle_of_guard(const char *file, struct btz_text_oracle **out)
{
    struct of_guard *o = calloc(1, sizeof *o);
    enum btz_err err;

    if (!o)
        return btz_fail(BTZ_LIMIT, "out of memory");
    o->oracle = (struct btz_text_oracle){
        .classes = 2, .has_scores = true, .ask = ask_guard, .free = free_guard
    };
    err = btz_guard_classifier_open(file, &o->classifier);
    if (err) {
        free(o);
        return err;
    }
    *out = &o->oracle;
    return BTZ_OK;
}
