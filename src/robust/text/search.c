/* Ranking of words and greedy replacement, over one text. */
#include "robust/text/search.h"

#include <math.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t)256 << 20)
#define BATCH     32 /* texts a call of the oracle */

bool btz_search_over(const struct btz_search *s)
{
    const struct btz_text_job *job = s->job;

    return (job->stop && __atomic_load_n(job->stop, __ATOMIC_RELAXED)) ||
           (job->query_max && job->queries >= job->query_max);
}

/* Not a number is no class, so it breaks. */
static double margin_of(const struct btz_search *s, const float *scores)
{
    double best = -INFINITY;

    for (size_t k = 0; k < s->job->oracle->classes; k++) {
        if (isnan(scores[k]))
            return -INFINITY;
        if (k != s->job->label && scores[k] > best)
            best = scores[k];
    }
    /* Equal scores go to the class with the lower number. */
    if (btz_argmax(scores, s->job->oracle->classes) != s->job->label)
        return scores[s->job->label] - best - 1e-12;
    return scores[s->job->label] - best;
}

/* The text with s->now for its words, and `t` where it is not NULL. */
static enum btz_err put(const struct btz_search *s, const struct btz_trial *t, struct btz_buf *out)
{
    const uint8_t *from = s->words.text.ptr, *end = from + s->words.text.len;

    for (size_t i = 0; i < s->words.count; i++) {
        const struct btz_slice *word = &s->words.word[i];

        BTZ_TRY(btz_buf_add(out, from, (size_t)(word->ptr - from)));
        BTZ_TRY(btz_buf_add_slice(out, t && t->at == i ? t->word : s->now[i]));
        from = word->ptr + word->len;
    }
    return btz_buf_add(out, from, (size_t)(end - from));
}

enum btz_err btz_search_ask(struct btz_search *s, struct btz_trial *trials, size_t count,
                            size_t *asked)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)BATCH * 4 * BTZ_TEXT_BYTES_MAX);
    struct btz_text_job *job = s->job;
    struct btz_slice texts[BATCH];
    size_t ends[BATCH];

    *asked = 0;
    while (*asked < count && !btz_search_over(s)) {
        uint64_t left = job->query_max ? job->query_max - job->queries : UINT64_MAX;
        size_t n = count - *asked < BATCH ? count - *asked : BATCH;

        n = n < left ? n : (size_t)left;
        btz_buf_clear(&text);
        for (size_t i = 0; i < n; i++) {
            BTZ_TRY(put(s, &trials[*asked + i], &text));
            ends[i] = text.len;
        }
        for (size_t i = 0, from = 0; i < n; from = ends[i++])
            texts[i] = btz_slice_sub(btz_buf_slice(&text), from, ends[i] - from);
        BTZ_TRY(btz_text_ask(job->oracle, texts, n, s->scores));
        job->queries += n;
        for (size_t i = 0; i < n; i++)
            trials[*asked + i].margin = margin_of(s, s->scores + i * job->oracle->classes);
        *asked += n;
    }
    return BTZ_OK;
}

void btz_search_take(struct btz_search *s, const struct btz_trial *t)
{
    const struct btz_slice *word = &s->words.word[t->at];

    s->changed -= !btz_slice_equal(s->now[t->at], *word);
    s->now[t->at] = t->word;
    s->changed += !btz_slice_equal(s->now[t->at], *word);
    s->margin = t->margin;
}

enum btz_err btz_search_open(struct btz_search *s, struct btz_text_job *job)
{
    struct btz_trial all = { .at = SIZE_MAX };
    size_t asked;

    *s = (struct btz_search){ .job = job };
    btz_arena_init(&s->arena, ARENA_MAX);
    btz_rng_init(&s->rng, job->seed ^ btz_rng_stream(btz_str(job->attack->id)), job->index);
    BTZ_TRY(btz_words_of(job->text, &s->arena, &s->words));
    s->now = btz_arena_array(&s->arena, s->words.count + 1, sizeof *s->now);
    s->touchable = btz_arena_array(&s->arena, s->words.count + 1, sizeof *s->touchable);
    s->scores = btz_arena_array(&s->arena, BATCH * job->oracle->classes, sizeof *s->scores);
    if (!s->now || !s->touchable || !s->scores)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->words.count; i++) {
        s->now[i] = s->words.word[i];
        s->touchable[i] = btz_text_touchable(job->limits, s->now[i]);
    }
    s->changed_max = btz_text_words_max(job->limits, s->words.count);
    BTZ_TRY(btz_search_ask(s, &all, 1, &asked));
    s->margin = asked ? all.margin : INFINITY;
    return BTZ_OK;
}

void btz_search_release(struct btz_search *s)
{
    btz_arena_release(&s->arena);
}

/* ---- order ------------------------------------------------------------------------------------------------------------- */

static int by_margin(const void *a, const void *b)
{
    const struct btz_trial *x = a, *y = b;

    if (x->margin < y->margin || x->margin > y->margin)
        return x->margin < y->margin ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

enum btz_err btz_search_rank(struct btz_search *s, struct btz_slice instead, struct btz_trial **out,
                             size_t *count)
{
    struct btz_trial *list = btz_arena_array(&s->arena, s->words.count + 1, sizeof *list);
    size_t n = 0;

    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < s->words.count; i++)
        if (s->touchable[i])
            list[n++] = (struct btz_trial){ .at = i, .word = instead };
    BTZ_TRY(btz_search_ask(s, list, n, count));
    qsort(list, *count, sizeof *list, by_margin);
    *out = list;
    return BTZ_OK;
}

/* ---- replacing --------------------------------------------------------------------------------------------------------- */

/* Of labels alone nothing can be told before the class changes: what does no harm is taken. */
static bool is_better(const struct btz_search *s, double margin)
{
    return margin < s->margin || (!s->job->oracle->has_scores && margin <= s->margin);
}

bool btz_search_near(const struct btz_search *s, const struct btz_trial *t)
{
    size_t sum = 0;

    if (!s->job->limits->distance)
        return true;
    for (size_t i = 0; i < s->words.count; i++) {
        struct btz_slice now = i == t->at ? t->word : s->now[i];

        if (!btz_slice_equal(now, s->words.word[i]))
            sum += btz_word_distance(s->words.word[i], now, false);
    }
    return sum <= s->job->limits->distance;
}

enum btz_err btz_search_greedy(struct btz_search *s, const struct btz_trial *ranked, size_t count,
                               unsigned kinds, bool draw)
{
    for (size_t i = 0; i < count && s->margin >= 0 && s->changed < s->changed_max; i++) {
        struct btz_trial *list;
        size_t n, asked, best = SIZE_MAX;

        if (btz_search_over(s))
            break;
        BTZ_TRY(btz_search_candidates(s, ranked[i].at, kinds, draw, &list, &n));
        BTZ_TRY(btz_search_ask(s, list, n, &asked));
        for (size_t k = 0; k < asked; k++)
            if (is_better(s, list[k].margin) && btz_search_near(s, &list[k]) &&
                (best == SIZE_MAX || list[k].margin < list[best].margin))
                best = k;
        if (best != SIZE_MAX)
            btz_search_take(s, &list[best]);
    }
    return BTZ_OK;
}

enum btz_err btz_search_finish(struct btz_search *s)
{
    if (s->margin >= 0)
        return BTZ_OK;
    for (size_t i = 0; i < s->words.count && s->changed > 1; i++) {
        struct btz_trial t = { .at = i, .word = s->words.word[i] };
        size_t asked;

        if (btz_slice_equal(s->now[i], t.word))
            continue;
        BTZ_TRY(btz_search_ask(s, &t, 1, &asked));
        if (asked && t.margin < 0)
            btz_search_take(s, &t);
    }
    btz_buf_clear(s->job->adv);
    BTZ_TRY(put(s, NULL, s->job->adv));
    s->job->broken = s->changed > 0;
    return BTZ_OK;
}

static enum btz_err by_rank(struct btz_search *s, struct btz_slice instead, unsigned kinds,
                            bool draw)
{
    struct btz_trial *ranked;
    size_t count;

    if (s->margin < 0)
        return BTZ_OK;
    BTZ_TRY(btz_search_rank(s, instead, &ranked, &count));
    BTZ_TRY(btz_search_greedy(s, ranked, count, kinds, draw));
    return btz_search_finish(s);
}

enum btz_err btz_search_by_rank(struct btz_text_job *job, struct btz_slice instead, unsigned kinds,
                                bool draw)
{
    struct btz_search s;
    enum btz_err err = btz_search_open(&s, job);

    if (!err)
        err = by_rank(&s, instead, kinds, draw);
    btz_search_release(&s);
    return err;
}
