/* The registry's questions, and models whose answers are known. */
#include <stdlib.h>
#include <strings.h>

#include "robust/text.h"

const struct btz_text_attack *btz_text_attack_find(const char *id)
{
    for (const struct btz_text_attack *const *a = btz_text_attacks; *a; a++)
        if (strcmp((*a)->id, id) == 0)
            return *a;
    return NULL;
}

struct known {
    struct btz_text_oracle oracle;
    const struct btz_text_weight *weights;
    size_t count;
    float bias;
};

static enum btz_err ask(struct btz_text_oracle *oracle, const struct btz_slice *texts, size_t n,
                        float *scores)
{
    const struct known *k = (const struct known *)oracle;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_words w;

    btz_arena_init(&arena, (size_t)64 << 20);
    for (size_t i = 0; i < n; i++) {
        scores[2 * i] = 0;
        scores[2 * i + 1] = k->bias;
        BTZ_TRY(btz_words_of(texts[i], &arena, &w));
        for (size_t j = 0; j < w.count; j++)
            for (size_t m = 0; m < k->count; m++)
                if (w.word[j].len == strlen(k->weights[m].word) &&
                    strncasecmp((const char *)w.word[j].ptr, k->weights[m].word, w.word[j].len) ==
                        0)
                    scores[2 * i + 1] += k->weights[m].weight;
    }
    return BTZ_OK;
}

static void release(struct btz_text_oracle *o)
{
    free(o);
}

enum btz_err btz_text_known_oracle(const struct btz_text_weight *w, size_t count, float bias,
                                   struct btz_text_oracle **out)
{
    struct known *k = calloc(1, sizeof *k);

    if (!k)
        return btz_fail(BTZ_LIMIT, "out of memory");
    *k = (struct known){
        .oracle = { .classes = 2, .has_scores = true, .ask = ask, .free = release },
        .weights = w,
        .count = count,
        .bias = bias,
    };
    *out = &k->oracle;
    return BTZ_OK;
}

static enum btz_err run_on(const struct btz_text_attack *a, const struct btz_synonyms *s,
                           float bias, struct btz_buf *adv, bool *broken)
{
    /* "awful" decides; "poor" helps as much as it hurts, "dreadful" is as bad, "movie" helps a little. */
    static const struct btz_text_weight weights[] = {
        { "awful", 2 }, { "dreadful", 2 }, { "dull", 0.5F }, { "film", 0.25F }, { "poor", -0.5F },
    };
    static const struct btz_text_limits limits = { .words = 0.5, .edits = 1, .least = 4 };
    const struct btz_slice text = btz_str("A awful film with dull actors.");
    struct btz_text_oracle *o = NULL;
    struct btz_text_job job = { .attack = a,
                                .limits = &limits,
                                .synonyms = s,
                                .text = text,
                                .label = 1,
                                .seed = 1,
                                .adv = adv };
    enum btz_err err;
    char why[160];
    size_t words;
    bool kept = true;

    for (size_t i = 0; i < a->param_count; i++)
        job.param[i] = a->params[i].fallback;
    BTZ_TRY(btz_text_known_oracle(weights, BTZ_COUNT(weights), bias, &o));
    job.oracle = o;
    err = a->run(&job);
    *broken = job.broken;
    if (!err && job.queries != o->queries)
        err = btz_fail(BTZ_INTERNAL, "%s counted %" PRIu64 " questions of %" PRIu64, a->id,
                       job.queries, o->queries);
    btz_text_oracle_free(o);
    if (!err && job.broken)
        err = btz_text_verify(&limits, s, text, btz_buf_slice(adv), &kept, &words, why);
    if (!err && !kept)
        err = btz_fail(BTZ_INTERNAL, "%s: %s", a->id, why);
    return err;
}

static enum btz_err judge(const struct btz_text_attack *a, const struct btz_synonyms *s,
                          const char *expected)
{
    BTZ_BUF_RELEASE struct btz_buf adv = BTZ_BUF((size_t)1 << 20);
    bool broken;

    /* Score 1.75: gone with "awful", and with nothing else. */
    BTZ_TRY(run_on(a, s, -1, &adv, &broken));
    if (!broken)
        return btz_fail(BTZ_INTERNAL, "%s did not break a text that one change breaks", a->id);
    if (expected && !btz_slice_is(btz_buf_slice(&adv), expected))
        return btz_fail(BTZ_INTERNAL, "%s: expected \"%s\", found \"%.*s\"", a->id, expected,
                        BTZ_SLICE_ARG(btz_buf_slice(&adv)));
    if (btz_slice_has(btz_buf_slice(&adv), "awful"))
        return btz_fail(BTZ_INTERNAL, "%s broke the text without the word that decides", a->id);
    /* No change of all words there are gets below 0. */
    BTZ_TRY(run_on(a, s, 10, &adv, &broken));
    return broken ? btz_fail(BTZ_INTERNAL, "%s broke what cannot be broken", a->id) : BTZ_OK;
}

enum btz_err btz_text_known_run(const struct btz_text_attack *a, const char *synonyms,
                                const char *expected)
{
    struct btz_synonyms *s = NULL;
    enum btz_err err;

    BTZ_TRY(btz_synonyms_parse(btz_str(synonyms ? synonyms : ""), "known", &s));
    err = judge(a, s, expected);
    btz_synonyms_free(s);
    return err;
}
