/*
 * Verdicts of the 2021 verification competition beside what an attack finds: nothing that is recorded as holding may be violated,
 * and what is recorded as violated should be.
 *
 *   vnncomp [SECONDS-PER-VIOLATED [SECONDS-PER-HOLDING [NAME]]]     defaults 60 and 5, all whose name has NAME; data below $BTZ_DATA or ../shared/data
 *
 * A verdict is what most tools said; the tool NN-R is left out of mnistfc, as its authors withdrew it. An attack is gradient steps
 * towards the cases of the property from the middle of the box and from random points of wider boxes that shrink to it; it counts
 * when the input is inside and the outputs fulfil the case in float32 and in float64.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/graph.h"
#include "robust/vnnlib.h"

#define STEPS     100
#define ANY       SIZE_MAX
#define LINES_MAX 512

enum verdict { UNKNOWN, HOLDS, VIOLATED };

struct instance {
    const char *net, *property; /* paths below the category */
    char name[256];             /* as in the verdicts */
    enum verdict recorded;
    bool disputed;
};

struct
try {
    struct btz_property p;
    struct btz_net *net, *exact;
    float *low, *high, *x;
    double *y;
    double *margin; /* the best of each case */
    size_t *order;
    struct btz_rng rng;
    uint64_t gradients;
};

static struct btz_arena arena;

/* ---- the files of the competition ---------------------------------------------------------------------------------------- */

static struct btz_slice load(const char *path)
{
    struct btz_buf b = BTZ_BUF(64 << 20);
    struct btz_slice out = { 0 };

    if (btz_file_read(path, 64 << 20, &b) == BTZ_OK)
        (void)!btz_arena_copy(&arena, btz_buf_slice(&b), &out);
    btz_buf_release(&b);
    return out;
}

/* "nets/a.onnx" -> "a" */
static struct btz_slice stem(struct btz_slice path)
{
    size_t from = 0, to = path.len;

    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] == '/')
            from = i + 1;
    for (size_t i = path.len; i-- > from;)
        if (path.ptr[i] == '.') {
            to = i;
            break;
        }
    return btz_slice_sub(path, from, to - from);
}

static size_t instances(struct btz_slice csv, struct instance *out)
{
    struct btz_reader r = { .in = csv };
    struct btz_slice line;
    size_t count = 0;

    while (count < LINES_MAX && btz_read_line(&r, &line)) {
        size_t a = btz_slice_find(line, btz_str(","), 0);
        size_t b = a == SIZE_MAX ? SIZE_MAX : btz_slice_find(line, btz_str(","), a + 1);
        struct btz_slice net, property;

        if (b == SIZE_MAX)
            continue;
        net = btz_slice_sub(line, 0, a), property = btz_slice_sub(line, a + 1, b - a - 1);
        out[count] = (struct instance){ .net = btz_arena_str(&arena, net),
                                        .property = btz_arena_str(&arena, property) };
        snprintf(out[count].name, sizeof out[count].name, "%.*s-%.*s", BTZ_SLICE_ARG(stem(net)),
                 BTZ_SLICE_ARG(stem(property)));
        count++;
    }
    return count;
}

/* The quoted words of a line, one after the other. */
static bool quoted(struct btz_slice line, size_t *at, struct btz_slice *out)
{
    size_t from = btz_slice_find(line, btz_str("'"), *at), to;

    if (from == SIZE_MAX)
        return false;
    to = btz_slice_find(line, btz_str("'"), from + 1);
    if (to == SIZE_MAX)
        return false;
    *out = btz_slice_sub(line, from + 1, to - from - 1);
    *at = to + 1;
    return true;
}

static void verdicts(struct btz_slice text, struct instance *list, size_t count)
{
    struct btz_reader r = { .in = text };
    struct btz_slice line, word;
    size_t ignored = SIZE_MAX;

    while (btz_read_line(&r, &line)) {
        size_t at = 0, column = 0, holds = 0, violated = 0;

        if (btz_slice_has(line, "participating tools"))
            for (; quoted(line, &at, &word); column++)
                if (btz_slice_is(word, "NN-R"))
                    ignored = column;
        if (!btz_slice_has_prefix(line, btz_str("Row:")) || !quoted(line, &at, &word))
            continue;
        for (size_t i = 0; i < count; i++) {
            if (!btz_slice_is(word, list[i].name))
                continue;
            for (; quoted(line, &at, &word); column++) {
                holds += column != ignored && btz_slice_has(word, "(h)");
                violated += column != ignored && btz_slice_has(word, "(v)");
            }
            list[i].recorded = holds > violated ? HOLDS : violated > holds ? VIOLATED : UNKNOWN;
            list[i].disputed = holds && violated;
            break;
        }
    }
}

/* ---- the attack --------------------------------------------------------------------------------------------------------- */

static void outputs(const struct btz_net *net, size_t count, double *y)
{
    const struct btz_tensor *t = btz_net_output(net, 0);

    for (size_t i = 0; i < count; i++)
        y[i] =
            t->type == BTZ_F64 ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

static enum btz_err forward(struct try *t, const float *x)
{
    memcpy(btz_net_input(t->net, 0)->data, x, t->p.inputs * sizeof *x);
    BTZ_TRY(btz_net_forward(t->net));
    outputs(t->net, t->p.outputs, t->y);
    return BTZ_OK;
}

/* Derivative of the case's largest limit, after a forward. */
static enum btz_err gradient(struct try *t, size_t which, const float **out)
{
    const struct btz_property_case *c = &t->p.cases[which];
    float *g = btz_net_output_grad(t->net, 0)->data;
    double most = -INFINITY;

    for (size_t k = 0; k < c->count; k++) {
        double sum = -c->limits[k].bound;

        for (size_t j = 0; j < t->p.outputs; j++)
            sum += c->limits[k].coefficient[j] * t->y[j];
        if (sum > most) {
            most = sum;
            for (size_t j = 0; j < t->p.outputs; j++)
                g[j] = (float)c->limits[k].coefficient[j];
        }
    }
    t->gradients++;
    BTZ_TRY(btz_net_backward(t->net));
    *out = btz_net_input_grad(t->net, 0)->data;
    return BTZ_OK;
}

static enum btz_err confirm(struct try *t, size_t which, bool *out)
{
    double *x = btz_net_input(t->exact, 0)->data;

    for (size_t i = 0; i < t->p.inputs; i++) {
        x[i] = (double)t->x[i];
        if (x[i] < t->p.low[i] || x[i] > t->p.high[i])
            return btz_fail(BTZ_INTERNAL, "left the box at input %zu", i);
    }
    BTZ_TRY(btz_net_forward(t->exact));
    outputs(t->exact, t->p.outputs, t->y);
    *out = btz_property_margin(&t->p, which, t->y) <= 0;
    return BTZ_OK;
}

/* Into the box, widened around its middle. */
static void clip(struct try *t, float wide)
{
    for (size_t i = 0; i < t->p.inputs; i++) {
        float more = (wide - 1) * 0.5F * (t->high[i] - t->low[i]);

        t->x[i] = fminf(fmaxf(t->x[i], t->low[i] - more), t->high[i] + more);
    }
}

static void begin(struct try *t, bool middle, float wide)
{
    for (size_t i = 0; i < t->p.inputs; i++) {
        float at = middle ? 0 : (float)btz_rng_unit(&t->rng) - 0.5F;

        t->x[i] = 0.5F * (t->low[i] + t->high[i]) + at * wide * (t->high[i] - t->low[i]);
    }
    clip(t, wide);
}

/* The case that is nearest, or the one that is wanted. */
static size_t nearest(const struct try *t, size_t wanted)
{
    size_t best = wanted;

    for (size_t i = 0; wanted == ANY && i < t->p.count; i++)
        if (best == ANY ||
            btz_property_margin(&t->p, i, t->y) < btz_property_margin(&t->p, best, t->y))
            best = i;
    return best;
}

/*
 * Steps by the sign of the gradient, the fewer the smaller. The box is `wide` times as large at first and shrinks to itself over
 * two thirds of the steps: in the true box many descents end on the same plateau, from outside there are ways around it.
 */
static enum btz_err descend(struct try *t, size_t wanted, bool middle, float start, bool *found)
{
    begin(t, middle, start);
    for (int step = 0; step <= STEPS; step++) {
        float part = (float)step / STEPS, size = 0.25F * (1 + cosf(part * 3.14159265F));
        float wide = fmaxf(1, start + (1 - start) * part * 1.5F);
        const float *g;
        double margin;
        size_t which;

        clip(t, wide);
        BTZ_TRY(forward(t, t->x));
        which = nearest(t, wanted);
        margin = btz_property_margin(&t->p, which, t->y);
        if (wide <= 1 && margin < t->margin[which])
            t->margin[which] = margin;
        if (wide <= 1 && margin <= 0) {
            BTZ_TRY(confirm(t, which, found));
            if (*found)
                return BTZ_OK;
            BTZ_TRY(forward(t, t->x));
        }
        BTZ_TRY(gradient(t, which, &g));
        for (size_t i = 0; i < t->p.inputs; i++)
            t->x[i] -= size * wide * (t->high[i] - t->low[i]) * (float)((g[i] > 0) - (g[i] < 0));
    }
    return BTZ_OK;
}

/* Each case from the middle; then, until the time is over, any case from wider and wider boxes, and the most promising ones. */
static enum btz_err attack(struct try *t, double seconds, bool *found)
{
    static const float widths[] = { 1, 5, 2, 5, 3, 8 };
    uint64_t start = btz_clock_ns();

    *found = false;
    for (size_t i = 0; i < t->p.count; i++)
        t->order[i] = i, t->margin[i] = INFINITY;
    for (size_t round = 0;; round++) {
        size_t cases = round == 0 || t->p.count < 2 ? t->p.count : 2;

        for (size_t i = 0; i <= cases; i++) {
            if ((double)(btz_clock_ns() - start) / 1e9 > seconds)
                return BTZ_OK;
            BTZ_TRY(descend(t, i == cases ? ANY : t->order[i], round == 0,
                            round == 0 ? 1 : widths[round % BTZ_COUNT(widths)], found));
            if (*found)
                return BTZ_OK;
        }
        for (size_t i = 1; i < t->p.count; i++)
            for (size_t k = i; k > 0 && t->margin[t->order[k]] < t->margin[t->order[k - 1]]; k--) {
                size_t swap = t->order[k];

                t->order[k] = t->order[k - 1], t->order[k - 1] = swap;
            }
    }
}

static enum btz_err prepare(struct try *t, const struct btz_model *m, struct btz_slice text,
                            const char *name)
{
    BTZ_TRY(btz_vnnlib_parse(text, name, &arena, &t->p));
    BTZ_TRY(btz_net_new(m, &(struct btz_net_options){ .batch = 1, .input_grads = true }, &t->net));
    BTZ_TRY(btz_net_new(m, &(struct btz_net_options){ .batch = 1, .doubles = true }, &t->exact));
    if (btz_tensor_count(btz_net_input(t->net, 0)) != t->p.inputs ||
        btz_tensor_count(btz_net_output(t->net, 0)) != t->p.outputs)
        return btz_fail(BTZ_INPUT, "%s is about a network of %zu inputs and %zu outputs", name,
                        t->p.inputs, t->p.outputs);
    t->low = btz_arena_array(&arena, t->p.inputs, sizeof(float));
    t->high = btz_arena_array(&arena, t->p.inputs, sizeof(float));
    t->x = btz_arena_array(&arena, t->p.inputs, sizeof(float));
    t->y = btz_arena_array(&arena, t->p.outputs, sizeof(double));
    t->margin = btz_arena_array(&arena, t->p.count, sizeof(double));
    t->order = btz_arena_array(&arena, t->p.count, sizeof(size_t));
    if (!t->low || !t->high || !t->x || !t->y || !t->margin || !t->order)
        return BTZ_LIMIT;
    for (size_t i = 0; i < t->p.inputs; i++) { /* the floats that are inside */
        t->low[i] = (float)t->p.low[i], t->high[i] = (float)t->p.high[i];
        if ((double)t->low[i] < t->p.low[i])
            t->low[i] = nextafterf(t->low[i], INFINITY);
        if ((double)t->high[i] > t->p.high[i])
            t->high[i] = nextafterf(t->high[i], -INFINITY);
    }
    btz_rng_init(&t->rng, 1, btz_rng_stream(btz_str(name)));
    return BTZ_OK;
}

/* ---- categories ---------------------------------------------------------------------------------------------------------- */

static const char *const words[] = { "unknown", "holds", "violated" };

static enum btz_err one(const char *folder, const struct instance *in, const double seconds[3],
                        bool *found)
{
    struct btz_model *m = NULL;
    struct try t = { 0 };
    char path[1200];
    uint64_t start = btz_clock_ns();
    enum btz_err err;
    double best = INFINITY;

    snprintf(path, sizeof path, "%s/%s", folder, in->net);
    BTZ_TRY(btz_model_read(path, NULL, &m));
    snprintf(path, sizeof path, "%s/%s", folder, in->property);
    err = prepare(&t, m, load(path), in->property);
    if (err == BTZ_OK)
        err = attack(&t, seconds[in->recorded], found);
    for (size_t i = 0; err == BTZ_OK && i < t.p.count; i++)
        best = t.margin[i] < best ? t.margin[i] : best;
    if (err == BTZ_OK)
        printf("{\"name\":\"vnncomp\",\"instance\":\"%s\",\"recorded\":\"%s\",\"disputed\":%s,"
               "\"violated\":%s,\"margin\":%.6g,\"gradients\":%" PRIu64 ",\"seconds\":%.2f}\n",
               in->name, words[in->recorded], in->disputed ? "true" : "false",
               *found ? "true" : "false", best, t.gradients,
               (double)(btz_clock_ns() - start) / 1e9);
    fflush(stdout);
    btz_net_free(t.net);
    btz_net_free(t.exact);
    btz_model_free(m);
    return err;
}

static enum btz_err category(const char *root, const char *name, const double seconds[3],
                             const char *only)
{
    static struct instance list[LINES_MAX];
    char path[1100], folder[1024];
    size_t count, of[3] = { 0 }, hit[3] = { 0 };

    snprintf(folder, sizeof folder, "%s/%s", root, name);
    snprintf(path, sizeof path, "%s/%s_instances.csv", folder, name);
    count = instances(load(path), list);
    snprintf(path, sizeof path, "%s/output_voting_%s.txt", folder, name);
    verdicts(load(path), list, count);
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        if (!strstr(list[i].name, only))
            continue;
        BTZ_TRY(one(folder, &list[i], seconds, &found));
        of[list[i].recorded]++;
        hit[list[i].recorded] += found;
    }
    printf("{\"name\":\"vnncomp-summary\",\"category\":\"%s\",\"instances\":%zu,\"holding\":%zu,"
           "\"holding_violated\":%zu,\"violated\":%zu,\"violated_found\":%zu,\"unknown\":%zu,"
           "\"unknown_violated\":%zu}\n",
           name, count, of[HOLDS], hit[HOLDS], of[VIOLATED], hit[VIOLATED], of[UNKNOWN],
           hit[UNKNOWN]);
    return BTZ_OK;
}

int main(int argc, char **argv)
{
    const char *data = getenv("BTZ_DATA");
    double seconds[3] = { 5, 5, 60 };
    char root[900];
    enum btz_err err = BTZ_OK;

    if (argc > 1)
        err = btz_parse_double(btz_str(argv[1]), &seconds[VIOLATED]);
    if (argc > 2 && err == BTZ_OK)
        err = btz_parse_double(btz_str(argv[2]), &seconds[HOLDS]);
    seconds[UNKNOWN] = seconds[HOLDS];
    snprintf(root, sizeof root, "%s/model/vnncomp", data ? data : "../shared/data");
    if (access(root, R_OK) != 0) {
        printf("{\"name\":\"vnncomp\",\"skipped\":\"no %s\"}\n", root);
        return 0;
    }
    btz_arena_init(&arena, (size_t)4 << 30);
    if (err == BTZ_OK)
        err = category(root, "oval21", seconds, argc > 3 ? argv[3] : "");
    if (err == BTZ_OK)
        err = category(root, "mnistfc", seconds, argc > 3 ? argv[3] : "");
    if (err != BTZ_OK)
        fprintf(stderr, "vnncomp: %s\n", btz_error_detail());
    btz_arena_release(&arena);
    return err == BTZ_OK ? 0 : 1;
}
