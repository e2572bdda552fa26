/* Texts, attacks and an oracle -> what is left of the accuracy. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/pool.h"
#include "robust/text.h"

struct result { /* of one text and one attack */
    bool tried, broken, claimed;
    bool cut; /* it was stopped: the figures are of whole texts */
    uint32_t predicted, changed;
    uint64_t queries;
};
struct eval {
    const struct btz_text_options *o;
    struct btz_text_evaluation *e;
    struct btz_text_oracle **oracles; /* one a worker */
    struct result *results;           /* texts x attacks */
    size_t classes, done;
    pthread_mutex_t lock;
};

static bool stopped(const struct btz_text_options *o)
{
    return o->stop && __atomic_load_n(o->stop, __ATOMIC_RELAXED);
}

static enum btz_err classify(struct btz_text_oracle *o, struct btz_slice text, uint32_t *out)
{
    BTZ_FREE float *scores = calloc(o->classes, sizeof *scores);
    size_t k;

    if (!scores)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_text_ask(o, &text, 1, scores));
    k = btz_argmax(scores, o->classes);
    *out = k == SIZE_MAX ? UINT32_MAX : (uint32_t)k;
    return BTZ_OK;
}

/* Nothing is believed: limits are checked on both texts, and the text is asked about once more. */
static enum btz_err accept(struct eval *v, struct btz_text_oracle *oracle, size_t i,
                           struct btz_slice adv, struct result *r)
{
    const struct btz_text_options *o = v->o;
    size_t words = 0;
    char why[160];
    bool kept;

    BTZ_TRY(btz_text_verify(&o->limits, o->synonyms, o->text[i], adv, &kept, &words, why));
    if (kept)
        BTZ_TRY(classify(oracle, adv, &r->predicted));
    r->broken = kept && r->predicted != o->label[i];
    r->claimed = !r->broken;
    r->changed = (uint32_t)words;
    return BTZ_OK;
}

static enum btz_err attack(struct eval *v, struct btz_text_oracle *oracle, size_t i, size_t which)
{
    const struct btz_text_options *o = v->o;
    BTZ_BUF_RELEASE struct btz_buf adv = BTZ_BUF((size_t)4 * BTZ_TEXT_BYTES_MAX);
    struct btz_text_verdict *verdict = &v->e->verdicts[i];
    struct result *r = &v->results[i * o->attack_count + which];
    struct btz_text_job job = {
        .attack = o->attacks[which].attack,
        .oracle = oracle,
        .limits = &o->limits,
        .synonyms = o->synonyms,
        .text = o->text[i],
        .label = o->label[i],
        .index = i,
        .seed = o->seed,
        .query_max = o->query_max,
        .stop = o->stop,
        .adv = &adv,
    };

    memcpy(job.param, o->attacks[which].param, sizeof job.param);
    r->tried = true;
    BTZ_TRY(job.attack->run(&job));
    r->queries = job.queries;
    r->cut = !job.broken && stopped(o);
    if (!job.broken)
        return BTZ_OK;
    BTZ_TRY(accept(v, oracle, i, btz_buf_slice(&adv), r));
    if (!r->broken || verdict->attack != BTZ_NOT_BROKEN)
        return BTZ_OK;
    verdict->attack = (uint32_t)which;
    verdict->predicted = r->predicted;
    verdict->changed = r->changed;
    verdict->adv = btz_slice_of(adv.ptr, adv.len);
    adv = BTZ_BUF(0); /* the verdict has it */
    return BTZ_OK;
}

static void tell(struct eval *v)
{
    struct btz_sink *sink = v->o->progress;

    pthread_mutex_lock(&v->lock);
    v->done++;
    if (sink && sink->progress)
        sink->progress(sink,
                       &(struct btz_progress){
                           .stage = "texts", .done = v->done, .total = v->o->count, .eta_s = NAN });
    pthread_mutex_unlock(&v->lock);
}

static enum btz_err one_text(struct eval *v, size_t i, unsigned worker)
{
    const struct btz_text_options *o = v->o;
    struct btz_text_verdict *verdict = &v->e->verdicts[i];
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_words words;

    btz_arena_init(&arena, (size_t)4 << 20);
    if (!v->oracles[worker])
        BTZ_TRY(o->oracle(o->oracle_user, &v->oracles[worker]));
    if (o->label[i] >= v->oracles[worker]->classes)
        return btz_fail(BTZ_INPUT, "text %zu has label %u; the model has %zu classes", i,
                        o->label[i], v->oracles[worker]->classes);
    BTZ_TRY(btz_words_of(o->text[i], &arena, &words));
    *verdict =
        (struct btz_text_verdict){ .attack = BTZ_NOT_BROKEN, .words = (uint32_t)words.count };
    BTZ_TRY(classify(v->oracles[worker], o->text[i], &verdict->clean));
    verdict->predicted = verdict->clean;
    for (size_t k = 0; k < o->attack_count && verdict->clean == o->label[i]; k++)
        BTZ_TRY(attack(v, v->oracles[worker], i, k));
    tell(v);
    return BTZ_OK;
}

/* A question that the end of the work cut off is no failure: texts before this one count. */
static enum btz_err one(void *user, size_t i, unsigned worker)
{
    struct eval *v = user;
    enum btz_err err = one_text(v, i, worker);

    if (!err || !stopped(v->o))
        return err;
    v->results[i * v->o->attack_count].cut = true;
    return BTZ_OK;
}

/* ---- figures ----------------------------------------------------------------------------------------------------------- */

static enum btz_err rate(uint64_t k, uint64_t n, struct btz_rate *out)
{
    *out = (struct btz_rate){ .k = k, .n = n };
    if (!n)
        return BTZ_OK;
    out->value = (double)k / (double)n;
    return btz_exact_interval(k, n, 0.95, BTZ_SIDE_TWO, &out->interval);
}

/* Whole texts from the first on. */
static size_t whole(const struct eval *v, size_t done)
{
    for (size_t i = 0; i < done * v->o->attack_count; i++)
        if (v->results[i].cut)
            return i / v->o->attack_count;
    return done;
}

static enum btz_err count(struct eval *v)
{
    struct btz_text_evaluation *e = v->e;
    uint64_t clean = 0, robust = 0;

    for (size_t i = 0; i < e->n; i++) {
        clean += e->verdicts[i].clean == v->o->label[i];
        robust += e->verdicts[i].clean == v->o->label[i] && e->verdicts[i].attack == BTZ_NOT_BROKEN;
        for (size_t k = 0; k < e->attack_count; k++) {
            const struct result *r = &v->results[i * e->attack_count + k];
            struct btz_text_attacked *a = &e->attacks[k];

            a->tried += r->tried;
            a->broken += r->broken;
            a->claimed += r->claimed;
            a->queries += r->queries;
            a->changed += r->broken ? r->changed : 0;
            a->share += r->broken ? (double)r->changed / e->verdicts[i].words : 0;
        }
    }
    BTZ_TRY(rate(clean, e->n, &e->clean));
    BTZ_TRY(rate(robust, e->n, &e->robust));
    for (size_t k = 0; k < e->attack_count; k++)
        BTZ_TRY(rate(clean - e->attacks[k].broken, e->n, &e->attacks[k].robust));
    return BTZ_OK;
}

static enum btz_err evaluate(struct eval *v)
{
    const struct btz_text_options *o = v->o;
    struct btz_pool_job job = { .count = o->count,
                                .threads = o->threads ? o->threads : 1,
                                .unit = one,
                                .user = v,
                                .stop = o->stop };
    size_t done = o->count;
    enum btz_err err;

    if (job.threads > BTZ_POOL_THREADS_MAX)
        job.threads = BTZ_POOL_THREADS_MAX;
    v->e->verdicts = calloc(o->count + 1, sizeof *v->e->verdicts);
    v->e->attacks = calloc(o->attack_count + 1, sizeof *v->e->attacks);
    v->e->attack_count = o->attack_count;
    v->results = calloc(o->count * o->attack_count + 1, sizeof *v->results);
    v->oracles = calloc(job.threads, sizeof *v->oracles);
    if (!v->e->verdicts || !v->e->attacks || !v->results || !v->oracles)
        return btz_fail(BTZ_LIMIT, "out of memory");
    v->e->room = o->count;
    err = btz_pool_run(&job, &done);
    for (unsigned i = 0; i < job.threads; i++)
        btz_text_oracle_free(v->oracles[i]);
    if (err)
        return err;
    v->e->n = whole(v, done);
    v->e->stopped = v->e->n < o->count;
    return count(v);
}

enum btz_err btz_text_evaluate(const struct btz_text_options *o, struct btz_text_evaluation **out)
{
    struct eval v = { .o = o, .lock = PTHREAD_MUTEX_INITIALIZER };
    enum btz_err err;

    v.e = calloc(1, sizeof *v.e);
    if (!v.e)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = evaluate(&v);
    free(v.results);
    free(v.oracles);
    if (err) {
        btz_text_evaluation_free(v.e);
        return err;
    }
    *out = v.e;
    return BTZ_OK;
}

void btz_text_evaluation_free(struct btz_text_evaluation *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->verdicts && i < e->room; i++) {
        void *owned;

        memcpy(&owned, &e->verdicts[i].adv.ptr, sizeof owned);
        free(owned);
    }
    free(e->verdicts);
    free(e->attacks);
    free(e);
}
