#include "text/judge_train.h"

#include <math.h>
#include <stdlib.h>

#include "text/judge_weights.h"

/* One flat vector: slots, signs, bias. Signs are scaled so that they start on the footing of a word. */
enum { DIM = BTZ_FEATURE_SLOTS + BTZ_FEATURE_SIGNS + 1, BIAS = DIM - 1 };
#define SIGN_VALUE 0.2

static const double costs[] = { 3, 10, 30, 100 };

static double value_of_slots(const struct btz_features *f)
{
    return f->slots ? 1 / sqrt(f->slots) : 0;
}

static double dot(const double *w, const struct btz_features *f)
{
    double slots = 0, signs = 0;

    for (unsigned i = 0; i < f->slots; i++)
        slots += w[f->slot[i]];
    for (unsigned i = 0; i < f->signs; i++)
        signs += w[BTZ_FEATURE_SLOTS + f->sign[i]];
    return slots * value_of_slots(f) + signs * SIGN_VALUE + w[BIAS];
}

static void add_scaled(double *w, const struct btz_features *f, double by)
{
    double slot = by * value_of_slots(f);

    for (unsigned i = 0; i < f->slots; i++)
        w[f->slot[i]] += slot;
    for (unsigned i = 0; i < f->signs; i++)
        w[BTZ_FEATURE_SLOTS + f->sign[i]] += by * SIGN_VALUE;
    w[BIAS] += by;
}

static double inner(const double *a, const double *b)
{
    double sum = 0;

    for (size_t i = 0; i < DIM; i++)
        sum += a[i] * b[i];
    return sum;
}

double btz_judge_score(const struct btz_judge_model *m, const struct btz_features *f)
{
    double slots = 0, signs = 0;

    for (unsigned i = 0; i < f->slots; i++)
        slots += m->slot[f->slot[i]];
    for (unsigned i = 0; i < f->signs; i++)
        signs += m->sign[f->sign[i]];
    return slots * value_of_slots(f) + signs + m->bias;
}

/* ---- Newton's method, each step solved by conjugate gradients (Lin, Weng, Keerthi 2008 without the region) ---- */

struct fit {
    const struct btz_judge_corpus *corpus;
    uint8_t *used;     /* per example */
    double *curvature; /* per example: p(1-p) */
    double *weight, *gradient, *step, *residual, *direction, *image;
    double lambda, enough; /* enough: squared length of a gradient that counts as none */
};

static double loss(const struct fit *f, const double *w)
{
    double sum = 0;

    for (size_t i = 0; i < BIAS; i++)
        sum += w[i] * w[i];
    sum *= f->lambda / 2;
    for (size_t i = 0; i < f->corpus->count; i++) {
        const struct btz_judge_example *e = &f->corpus->items[i];
        double margin;

        if (!f->used[i])
            continue;
        margin = dot(w, &e->features) * (e->refused ? 1 : -1);
        sum += margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin;
    }
    return sum;
}

static void differentiate(struct fit *f)
{
    for (size_t i = 0; i < DIM; i++)
        f->gradient[i] = i == BIAS ? 0 : f->lambda * f->weight[i];
    for (size_t i = 0; i < f->corpus->count; i++) {
        const struct btz_judge_example *e = &f->corpus->items[i];
        double p;

        if (!f->used[i])
            continue;
        p = 1 / (1 + exp(-dot(f->weight, &e->features)));
        f->curvature[i] = p * (1 - p);
        add_scaled(f->gradient, &e->features, p - e->refused);
    }
}

static void solve_step(struct fit *f, double gradient2)
{
    double rest = gradient2;

    for (size_t i = 0; i < DIM; i++) {
        f->step[i] = 0;
        f->direction[i] = f->residual[i] = -f->gradient[i];
    }
    for (int round = 0; round < 60 && rest > 1e-2 * gradient2; round++) {
        double along, length, before = rest;

        for (size_t i = 0; i < DIM; i++)
            f->image[i] = i == BIAS ? 0 : f->lambda * f->direction[i];
        for (size_t i = 0; i < f->corpus->count; i++)
            if (f->used[i])
                add_scaled(f->image, &f->corpus->items[i].features,
                           f->curvature[i] * dot(f->direction, &f->corpus->items[i].features));
        along = inner(f->direction, f->image);
        if (along <= 0)
            break;
        length = rest / along;
        for (size_t i = 0; i < DIM; i++) {
            f->step[i] += length * f->direction[i];
            f->residual[i] -= length * f->image[i];
        }
        rest = inner(f->residual, f->residual);
        for (size_t i = 0; i < DIM; i++)
            f->direction[i] = f->residual[i] + rest / before * f->direction[i];
    }
}

static void minimise(struct fit *f)
{
    double now = loss(f, f->weight);

    for (int round = 0; round < 40; round++) {
        double gradient2, length = 1, next = 0;

        differentiate(f);
        gradient2 = inner(f->gradient, f->gradient);
        if (gradient2 < f->enough)
            return;
        solve_step(f, gradient2);
        for (int half = 0; half < 20; half++, length /= 2) {
            for (size_t i = 0; i < DIM; i++)
                f->direction[i] = f->weight[i] + length * f->step[i];
            next = loss(f, f->direction);
            if (next <= now * (1 + 1e-12))
                break;
        }
        memcpy(f->weight, f->direction, DIM * sizeof *f->weight);
        now = next;
    }
}

enum btz_err btz_judge_fit(const struct btz_judge_corpus *c, struct btz_judge_split split,
                           double cost, struct btz_judge_model *out)
{
    double *memory = calloc(6 * (size_t)DIM + c->count, sizeof *memory);
    uint8_t *used = calloc(c->count + 1, 1);
    struct fit f = {
        .corpus = c, .used = used, .lambda = 1 / cost, .enough = split.exact ? 1e-20 : 1e-7
    };

    if (!memory || !used) {
        free(memory);
        free(used);
        return btz_fail(BTZ_LIMIT, "out of memory to fit the judge");
    }
    f.weight = memory;
    f.gradient = memory + DIM;
    f.step = memory + 2 * (size_t)DIM;
    f.residual = memory + 3 * (size_t)DIM;
    f.direction = memory + 4 * (size_t)DIM;
    f.image = memory + 5 * (size_t)DIM;
    f.curvature = memory + 6 * (size_t)DIM;
    for (size_t i = 0; i < c->count; i++) {
        const struct btz_judge_example *e = &c->items[i];

        used[i] =
            e->model < 0 || (!(split.without_models >> e->model & 1) &&
                             (split.without_fold < 0 || e->fold != (unsigned)split.without_fold));
    }
    minimise(&f);
    memcpy(out->slot, f.weight, sizeof out->slot);
    for (size_t i = 0; i < BTZ_FEATURE_SIGNS; i++)
        out->sign[i] = f.weight[BTZ_FEATURE_SLOTS + i] * SIGN_VALUE;
    out->bias = f.weight[BIAS];
    out->slope = 1;
    free(memory);
    free(used);
    return BTZ_OK;
}

/* ---- choosing the cost and measuring ---- */

static double accuracy_on(const struct btz_judge_corpus *c, const struct btz_judge_model *m,
                          int model)
{
    size_t right = 0, seen = 0;

    for (size_t i = 0; i < c->count; i++) {
        if (c->items[i].model != model)
            continue;
        seen++;
        right += (btz_judge_score(m, &c->items[i].features) > 0) == c->items[i].refused;
    }
    return seen ? (double)right / (double)seen : 0;
}

static enum btz_err grid_of(const struct btz_judge_corpus *c, struct btz_judge_model *m,
                            struct btz_judge_grid *g)
{
    for (int a = 0; a < BTZ_JUDGE_MODELS; a++)
        for (int b = a; b < BTZ_JUDGE_MODELS; b++)
            for (size_t k = 0; k < BTZ_COUNT(costs); k++) {
                struct btz_judge_split split = { 1u << a | 1u << b, -1, false };

                BTZ_TRY(btz_judge_fit(c, split, costs[k], m));
                g->accuracy[a][b][k] = accuracy_on(c, m, b);
                g->accuracy[b][a][k] = accuracy_on(c, m, a);
            }
    return BTZ_OK;
}

enum btz_err btz_judge_grid_fill(const struct btz_judge_corpus *c, struct btz_judge_grid *out)
{
    struct btz_judge_model *m = malloc(sizeof *m);
    struct btz_judge_grid g = { 0 };
    enum btz_err err = m ? grid_of(c, m, &g) : btz_fail(BTZ_LIMIT, "out of memory for a model");

    free(m);
    if (err == BTZ_OK)
        *out = g;
    return err;
}

double btz_judge_grid_choose(const struct btz_judge_grid *g, int left_out)
{
    size_t best = 0;
    double best_sum = -1;

    for (size_t k = 0; k < BTZ_COUNT(costs); k++) {
        double sum = 0;

        /* Without anything left out, [m][m] is the plain leave-one-out accuracy of model m. */
        for (int m = 0; m < BTZ_JUDGE_MODELS; m++)
            if (m != left_out)
                sum += g->accuracy[left_out < 0 ? m : left_out][m][k];
        if (sum > best_sum + 1e-9) {
            best_sum = sum;
            best = k;
        }
    }
    return costs[best];
}

enum btz_err btz_judge_leave_one_out(const struct btz_judge_corpus *c,
                                     const struct btz_judge_grid *g, double *score,
                                     double cost[BTZ_JUDGE_MODELS])
{
    struct btz_judge_model *m = malloc(sizeof *m);
    enum btz_err err = m ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for a model");

    for (int out = 0; err == BTZ_OK && out < BTZ_JUDGE_MODELS; out++) {
        struct btz_judge_split split = { 1u << out, -1, false };

        cost[out] = btz_judge_grid_choose(g, out);
        err = btz_judge_fit(c, split, cost[out], m);
        for (size_t i = 0; err == BTZ_OK && i < c->count; i++)
            if (c->items[i].model == out)
                score[i] = btz_judge_score(m, &c->items[i].features);
    }
    free(m);
    return err;
}

double btz_judge_slope(const struct btz_judge_corpus *c, const double *score)
{
    double low = 0.25, high = 4;

    /* The derivative of the likelihood falls with the slope: halve until it is zero. */
    for (int round = 0; round < 60; round++) {
        double slope = (low + high) / 2, rise = 0;

        for (size_t i = 0; i < c->count; i++)
            if (c->items[i].model >= 0)
                rise += score[i] * (c->items[i].refused - 1 / (1 + exp(-slope * score[i])));
        if (rise > 0)
            low = slope;
        else
            high = slope;
    }
    return (low + high) / 2;
}

/* ---- writing ---- */

static enum btz_err write_slots(const struct btz_judge_model *m, double scale, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, "    .slot = {"));
    for (size_t i = 0; i < BTZ_FEATURE_SLOTS; i++) {
        BTZ_TRY(btz_buf_add_str(out, i % 40 ? "" : "\n"));
        BTZ_TRY(btz_buf_printf(out, "%ld,", lround(m->slot[i] / scale)));
    }
    return btz_buf_add_str(out, "\n    },\n");
}

static enum btz_err write_cues(const struct btz_cue *cues, struct btz_buf *out)
{
    size_t written = 0;

    BTZ_TRY(btz_buf_add_str(out, "    .cues = {"));
    for (size_t i = 0; i < BTZ_CUE_TABLE; i++) {
        if (cues[i].kind == BTZ_CUE_NONE)
            continue;
        BTZ_TRY(btz_buf_printf(out, "%s[%zu]={0x%x,%u},", written++ % 5 ? "" : "\n", i,
                               cues[i].hash, cues[i].kind));
    }
    return btz_buf_add_str(out, "\n    },\n");
}

static const char header[] =
    "/*\n"
    " * Generated by tools/train_judge.c; do not edit. The refusal judge: logistic regression on "
    "hashed words and\n"
    " * word pairs, trained on tools/judge_supplement.jsonl and on the human-labelled completions "
    "of\n"
    " * \"XSTest: A Test Suite for Identifying Exaggerated Safety Behaviours in Large Language "
    "Models\"\n"
    " * (Roettger et al., 2024), https://github.com/paul-rottger/exaggerated-safety, licence "
    "CC-BY-4.0\n"
    " * (https://creativecommons.org/licenses/by/4.0/). Changed: only weights derived from it are "
    "kept here.\n"
    " */\n"
    "#include \"text/judge_weights.h\"\n\n"
    "/* clang-format off */\n"
    "const struct btz_judge_weights btz_judge_weights = {\n";

static enum btz_err write_model(const struct btz_judge_corpus *c, const struct btz_judge_model *m,
                                struct btz_buf *out)
{
    double largest = 0;

    for (size_t i = 0; i < BTZ_FEATURE_SLOTS; i++)
        largest = fmax(largest, fabs(m->slot[i]));
    largest = ceil(largest * 1000) /
              1000; /* a round number, so that the last bits of a fit do not show */
    BTZ_TRY(btz_buf_add_str(out, header));
    BTZ_TRY(btz_buf_printf(out, "    .scale = %.3f / 127,\n    .bias = %.4f,\n    .slope = %.3f,\n",
                           largest, m->bias, m->slope));
    BTZ_TRY(btz_buf_add_str(out, "    .sign = {"));
    for (size_t i = 0; i < BTZ_FEATURE_SIGNS; i++)
        BTZ_TRY(btz_buf_printf(out, "%s%.4f,", i % 12 ? " " : "\n", m->sign[i]));
    BTZ_TRY(btz_buf_add_str(out, "\n    },\n"));
    BTZ_TRY(write_slots(m, largest / 127, out));
    BTZ_TRY(write_cues(c->cues, out));
    return btz_buf_add_str(out, "};\n");
}

static enum btz_err write_with(const struct btz_judge_corpus *c, struct btz_judge_model *m,
                               double *score, struct btz_buf *out)
{
    struct btz_judge_split all = { 0, -1, true };
    struct btz_judge_grid grid;
    double cost[BTZ_JUDGE_MODELS], slope;

    BTZ_TRY(btz_judge_grid_fill(c, &grid));
    BTZ_TRY(btz_judge_leave_one_out(c, &grid, score, cost));
    slope = btz_judge_slope(c, score);
    BTZ_TRY(btz_judge_fit(c, all, btz_judge_grid_choose(&grid, -1), m));
    m->slope = slope;
    return write_model(c, m, out);
}

enum btz_err btz_judge_write(const struct btz_judge_corpus *c, struct btz_buf *out)
{
    struct btz_judge_model *m = malloc(sizeof *m);
    double *score = calloc(c->count + 1, sizeof *score);
    enum btz_err err = m && score ? write_with(c, m, score, out)
                                  : btz_fail(BTZ_LIMIT, "out of memory for a model");

    free(m);
    free(score);
    return err;
}
