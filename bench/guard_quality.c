/*
 * The injection classifier on sources it never saw: recall and false positives of each source, with exact 95 % intervals,
 * by weights that were trained without it and a threshold that was set without it. One line of JSON a figure.
 * guard_quality [SOURCE [DATA]], folders as in the tests.
 */
#include <math.h>
#include <stdlib.h>

#include <bartizan/stats.h>

#include "gate/guard/train.h"

struct tally {
    size_t hits, n;
};

static void print_share(const char *part, const char *source, const char *what, struct tally t)
{
    struct btz_interval i;

    if (t.n == 0 || btz_exact_interval(t.hits, t.n, 0.95, BTZ_SIDE_TWO, &i) != BTZ_OK)
        return;
    printf("{\"name\":\"guard.%s.%s.%s\",\"value\":%.4f,\"unit\":\"share\",\"low\":%.4f,"
           "\"high\":%.4f,\"n\":%zu}\n",
           part, source, what, (double)t.hits / (double)t.n, i.low, i.high, t.n);
}

enum pool { POOL_RECALL, POOL_PLAIN, POOL_TRIGGER, POOLS };

static void report(const struct btz_train_set *s, enum btz_class_head h, const double *margin)
{
    struct tally pool[POOLS] = { 0 };

    for (size_t k = 0; k < s->sources; k++) {
        double threshold = btz_train_threshold(s, h, margin, (int)k);
        struct tally injected = { 0 }, benign = { 0 };

        for (size_t i = 0; i < s->count; i++) {
            const struct btz_train_text *t = &s->texts[i];
            struct tally *mine = t->injection ? &injected : &benign;

            if (t->source != k || isnan(margin[i]))
                continue;
            mine->n++;
            mine->hits += margin[i] >= threshold;
            if (getenv("SHOW") && (margin[i] >= threshold) != t->injection && strstr(getenv("SHOW"), s->source[k].name))
                fprintf(stderr, "%s %+.2f %.*s\n", s->source[k].name, margin[i] - threshold, BTZ_SLICE_ARG(btz_slice_sub(t->text, 0, 150)));
        }
        print_share(btz_class_head_name(h), s->source[k].name, "recall", injected);
        print_share(btz_class_head_name(h), s->source[k].name, "fpr", benign);
    }
    (void)pool;
}

static enum btz_err bench(const char *source, const char *data)
{
    static struct btz_train_set set;
    struct btz_train_options o = btz_train_defaults;
    double *margin = NULL;
    enum btz_err err;

    if (getenv("COST")) o.cost[0] = o.cost[1] = strtod(getenv("COST"), NULL);
    if (getenv("ROUNDS")) o.rounds = atoi(getenv("ROUNDS"));
    err = btz_train_init(&set);
    if (err == BTZ_OK)
        err = btz_train_add_own(&set, source);
    if (err == BTZ_OK)
        err = btz_train_add_shared(&set, data);
    if (err == BTZ_OK)
        margin = calloc(set.count, sizeof *margin);
    for (int h = 0; err == BTZ_OK && h < BTZ_CLASS_HEADS; h++) {
        err = btz_train_leave_one_out(&set, (enum btz_class_head)h, &o, margin);
        if (err == BTZ_OK)
            report(&set, (enum btz_class_head)h, margin);
    }
    free(margin);
    btz_train_release(&set);
    return err;
}

int main(int argc, char **argv)
{
    const char *data = argc > 2 ? argv[2] : getenv("BTZ_DATA");
    const char *root = argc > 1 ? argv[1] : getenv("BTZ_SOURCE");
    char path[4096];
    enum btz_err err;

    snprintf(path, sizeof path, "%s/../shared/data", root ? root : ".");
    err = bench(root ? root : ".", data ? data : path);
    if (err != BTZ_OK)
        fprintf(stderr, "guard_quality: %s\n", btz_error_detail());
    return btz_err_exit_status(err);
}
