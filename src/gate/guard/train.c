#include "gate/guard/train.h"

#include <math.h>
#include <stdlib.h>

const struct btz_train_options btz_train_defaults = { .cost = { 0.1, 0.5 },
                                                      .rounds = 2,
                                                      .passes = 12 };

enum { BIAS = BTZ_CLASS_SLOTS, MINED = 3 };
#define BIAS_VALUE 1.0
#define PASTED     0.3 /* what a text of the other head counts, of those that people may paste */

bool btz_train_is_of(const struct btz_train_text *t, enum btz_class_head head)
{
    bool own = btz_class_head_of(t->channel) == head;

    if (head == BTZ_CLASS_DIRECT)
        return own || !t->injection; /* people paste documents */
    return own || t->injection;      /* what nobody may order, a document may not either */
}

/* A window in training: sentences [first, last] of the pool. */
struct window {
    uint32_t text, first, last;
    double alpha, norm; /* norm: squared length of its vector */
    double cost;
};
struct fit {
    const struct btz_train_set *set;
    struct window *windows;
    size_t count, cap;
    double *weight; /* BTZ_CLASS_SLOTS + 1 */
    double cost;
    uint64_t without;
    enum btz_class_head head;
};

static unsigned features_of(const struct btz_train_set *s, const struct window *w)
{
    unsigned n = 0;

    for (uint32_t i = w->first; i <= w->last; i++)
        n += s->sentences[i].count;
    return n;
}

static double value_of(const struct btz_train_set *s, const struct window *w)
{
    return 1 / sqrt((double)features_of(s, w) + BTZ_CLASS_DAMPING);
}

/* The slots of neighbouring sentences lie one behind the other. */
static double dot(const struct btz_train_set *s, const struct window *w, const double *weight)
{
    const uint32_t *slot = s->slots + s->sentences[w->first].slots;
    unsigned n = features_of(s, w);
    double sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += weight[slot[i]];
    return sum / sqrt((double)n + BTZ_CLASS_DAMPING) + weight[BIAS] * BIAS_VALUE;
}

static void add_scaled(const struct btz_train_set *s, const struct window *w, double by,
                       double *weight)
{
    const uint32_t *slot = s->slots + s->sentences[w->first].slots;
    unsigned n = features_of(s, w);
    double each = by * value_of(s, w);

    for (unsigned i = 0; i < n; i++)
        weight[slot[i]] += each;
    weight[BIAS] += by * BIAS_VALUE;
}

/* Slots may occur more than once over sentences, so the squared length is found with the vector itself. */
static double norm_of(const struct btz_train_set *s, const struct window *w, double *scratch)
{
    const uint32_t *slot = s->slots + s->sentences[w->first].slots;
    unsigned n = features_of(s, w);
    double sum = 0, each = value_of(s, w);

    for (unsigned i = 0; i < n; i++)
        scratch[slot[i]] += each;
    for (unsigned i = 0; i < n; i++) {
        sum += scratch[slot[i]] * scratch[slot[i]];
        scratch[slot[i]] = 0;
    }
    return sum + BIAS_VALUE * BIAS_VALUE;
}

static enum btz_err push(struct fit *f, uint32_t text, uint32_t first, uint32_t last)
{
    for (size_t i = f->count; i-- > 0 && f->windows[i].text == text;)
        if (f->windows[i].first == first && f->windows[i].last == last)
            return BTZ_OK;
    if (f->count == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 4096;
        struct window *grown = realloc(f->windows, cap * sizeof *grown);

        if (!grown)
            return btz_fail(BTZ_LIMIT, "out of memory for %zu windows", cap);
        f->windows = grown;
        f->cap = cap;
    }
    f->windows[f->count++] = (struct window){ .text = text, .first = first, .last = last };
    return BTZ_OK;
}

/* Sentences packed into windows from the start, as many as fit. */
static enum btz_err push_packed(struct fit *f, uint32_t text, uint32_t most)
{
    const struct btz_train_text *t = &f->set->texts[text];
    const struct btz_train_sentence *s = f->set->sentences;
    uint32_t first = t->first, end = t->first + t->sentences;

    for (uint32_t n = 0; first < end && n < most; n++) {
        uint32_t last = first;

        while (last + 1 < end && last + 1 - first < BTZ_CLASS_RUN &&
               s[last + 1].to - s[first].from <= BTZ_CLASS_WINDOW)
            last++;
        BTZ_TRY(push(f, text, first, last));
        first = last + 1;
    }
    return BTZ_OK;
}

static void best_run(const struct btz_train_set *s, const struct btz_train_text *t,
                     const double *weight, struct btz_class_runs *r)
{
    btz_class_runs_init(r);
    for (uint32_t i = 0; i < t->sentences; i++) {
        const struct btz_train_sentence *x = &s->sentences[t->first + i];
        double sum = 0;

        for (unsigned k = 0; k < x->count; k++)
            sum += weight[s->slots[x->slots + k]];
        btz_class_runs_add(r, x->from, x->to, x->count, sum);
    }
}

static bool is_used(const struct fit *f, const struct btz_train_text *t)
{
    return !(f->without >> t->source & 1) && btz_train_is_of(t, f->head);
}

static enum btz_err start(struct fit *f)
{
    for (uint32_t i = 0; i < f->set->count; i++) {
        const struct btz_train_text *t = &f->set->texts[i];

        if (is_used(f, t))
            BTZ_TRY(push_packed(f, i, t->injection ? 2 : 4));
    }
    return BTZ_OK;
}

static int by_text(const void *a, const void *b)
{
    const struct window *x = a, *y = b;

    if (x->text != y->text)
        return x->text < y->text ? -1 : 1;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->last > y->last) - (x->last < y->last);
}

/* Of an injection the best window alone stays; of a benign text the best joins those that were there. */
static enum btz_err choose_again(struct fit *f)
{
    struct window *old = f->windows;
    size_t count = f->count, at = 0;
    enum btz_err err = BTZ_OK;

    f->windows = NULL;
    f->count = f->cap = 0;
    for (uint32_t i = 0; err == BTZ_OK && i < f->set->count; i++) {
        const struct btz_train_text *t = &f->set->texts[i];
        struct btz_class_runs r;

        while (at < count && old[at].text < i)
            at++;
        if (!is_used(f, t))
            continue;
        for (; err == BTZ_OK && at < count && old[at].text == i; at++)
            if (!t->injection)
                err = push(f, i, old[at].first, old[at].last);
        best_run(f->set, t, f->weight, &r);
        if (err == BTZ_OK)
            err = push(f, i, t->first + (uint32_t)r.best_first, t->first + (uint32_t)r.best_last);
    }
    free(old);
    if (f->count > 1) /* none is left where the only source is the one left out */
        qsort(f->windows, f->count, sizeof *f->windows, by_text);
    return err;
}

/* Both labels weigh the same in sum, and within a label a source by the root of its size: a large one must not drown the
 * others. */
static void weigh(struct fit *f)
{
    size_t of[BTZ_TRAIN_SOURCES][2] = { { 0 } };
    double sum[2] = { 0 };

    for (size_t i = 0; i < f->count; i++) {
        const struct btz_train_text *t = &f->set->texts[f->windows[i].text];

        of[t->source][t->injection]++;
    }
    for (size_t k = 0; k < f->set->sources; k++)
        for (int y = 0; y < 2; y++)
            sum[y] += sqrt((double)of[k][y]);
    for (size_t i = 0; i < f->count; i++) {
        const struct btz_train_text *t = &f->set->texts[f->windows[i].text];

        f->windows[i].cost = f->cost * (double)f->count /
                             (2 * sum[t->injection] * sqrt((double)of[t->source][t->injection]));
        if (!t->injection && btz_class_head_of(t->channel) != f->head)
            f->windows[i].cost *= PASTED;
    }
}

/* Dual coordinate descent; the order of a pass is drawn from a fixed stream. */
static enum btz_err descend(struct fit *f, int passes)
{
    BTZ_FREE uint32_t *order = malloc((f->count + 1) * sizeof *order);
    struct btz_rng rng;

    if (!order)
        return btz_fail(BTZ_LIMIT, "out of memory for training");
    memset(f->weight, 0, (BTZ_CLASS_SLOTS + 1) * sizeof *f->weight);
    for (size_t i = 0; i < f->count; i++) {
        struct window *w = &f->windows[i];

        order[i] = (uint32_t)i;
        w->alpha = 0;
        w->norm = norm_of(f->set, w, f->weight);
    }
    weigh(f);
    btz_rng_init(&rng, 1, btz_rng_stream(btz_str("guard.train")));
    for (int pass = 0; pass < passes; pass++)
        for (size_t left = f->count; left > 0; left--) {
            uint32_t pick = btz_rng_below(&rng, (uint32_t)left), i = order[pick];
            struct window *w = &f->windows[i];
            bool injection = f->set->texts[w->text].injection;
            double y = injection ? 1 : -1, diagonal = 1 / (2 * w->cost);
            double gradient = y * dot(f->set, w, f->weight) - 1 + diagonal * w->alpha;
            double next = w->alpha - gradient / (w->norm + diagonal);

            order[pick] = order[left - 1];
            order[left - 1] = i;
            next = next > 0 ? next : 0;
            if (next != w->alpha)
                add_scaled(f->set, w, (next - w->alpha) * y, f->weight);
            w->alpha = next;
        }
    return BTZ_OK;
}

static enum btz_err fit_rounds(struct fit *f, const struct btz_train_options *o)
{
    BTZ_TRY(start(f));
    BTZ_TRY(descend(f, o->passes));
    for (int round = 0; round < o->rounds; round++) {
        BTZ_TRY(choose_again(f));
        BTZ_TRY(descend(f, o->passes));
    }
    return BTZ_OK;
}

enum btz_err btz_train_fit(const struct btz_train_set *s, enum btz_class_head head,
                           uint64_t without, const struct btz_train_options *o, double *weight)
{
    struct fit f = {
        .set = s, .weight = weight, .without = without, .head = head, .cost = o->cost[head]
    };
    enum btz_err err = fit_rounds(&f, o);

    free(f.windows);
    return err;
}
