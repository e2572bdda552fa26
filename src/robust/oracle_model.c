/*
 * Models that are no classifiers with logits: trees, support vectors and what else answers with labels, with probabilities
 * beside them, or with one probability.
 */
#include <stdlib.h>
#include <string.h>

#include "robust/oracles.h"

enum answer { ANSWER_SCORES, ANSWER_ONE, ANSWER_LABELS };

struct of_model {
    struct btz_oracle oracle;
    struct btz_net *net;
    uint32_t batch, output;
    enum answer answer;
};

static enum btz_err take(const struct of_model *m, size_t rows, float *scores)
{
    const struct btz_tensor *t = btz_net_output(m->net, m->output);
    size_t classes = m->oracle.classes;

    if (m->answer == ANSWER_SCORES) {
        memcpy(scores, t->data, rows * classes * sizeof *scores);
        return BTZ_OK;
    }
    for (size_t i = 0; i < rows; i++) {
        if (m->answer == ANSWER_ONE) {
            float p = ((const float *)t->data)[i];

            scores[2 * i] = 1 - p;
            scores[2 * i + 1] = p;
        } else {
            int64_t y = ((const int64_t *)t->data)[i];

            if (y < 0 || (uint64_t)y >= classes)
                return btz_fail(BTZ_INPUT, "the model answers %" PRId64 "; classes are 0 to %zu", y,
                                classes - 1);
            for (size_t k = 0; k < classes; k++)
                scores[i * classes + k] = k == (size_t)y;
        }
    }
    return BTZ_OK;
}

static enum btz_err ask(struct btz_oracle *o, const float *x, size_t n, float *scores)
{
    struct of_model *m = (struct of_model *)o;

    for (size_t first = 0, rows; first < n; first += rows) {
        float *in = btz_net_input(m->net, 0)->data;

        rows = n - first < m->batch ? n - first : m->batch;
        memcpy(in, x + first * o->features, rows * o->features * sizeof *in);
        for (size_t i = rows; i < m->batch; i++)
            memcpy(in + i * o->features, x + (first + rows - 1) * o->features,
                   o->features * sizeof *in);
        BTZ_TRY(btz_net_forward(m->net));
        BTZ_TRY(take(m, rows, scores + first * o->classes));
    }
    return BTZ_OK;
}

static void release(struct btz_oracle *o)
{
    btz_net_free(((struct of_model *)o)->net);
    free(o);
}

/* Scores are preferred to one probability, and that to labels. */
static enum btz_err choose(struct of_model *m, const struct btz_model *model, size_t classes)
{
    uint32_t labels = UINT32_MAX, one = UINT32_MAX;

    for (uint32_t k = 0; k < model->output_count; k++) {
        const struct btz_tensor *t = btz_net_output(m->net, k);
        const struct btz_shape *s = &t->shape;
        bool row = s->rank && s->dim[0] == (int64_t)m->batch;
        bool single = row && (s->rank == 1 || (s->rank == 2 && s->dim[1] == 1));

        if (t->type == BTZ_F32 && row && s->rank == 2 && s->dim[1] > 1) {
            m->output = k;
            m->answer = ANSWER_SCORES;
            m->oracle.classes = (size_t)s->dim[1];
            m->oracle.has_scores = true;
            return BTZ_OK;
        }
        if (t->type == BTZ_F32 && single && one == UINT32_MAX)
            one = k;
        if (t->type == BTZ_I64 && single && labels == UINT32_MAX)
            labels = k;
    }
    if (labels != UINT32_MAX && classes) {
        m->output = labels;
        m->answer = ANSWER_LABELS;
        m->oracle.classes = classes;
        return BTZ_OK;
    }
    if (one != UINT32_MAX && (!classes || classes == 2)) {
        m->output = one;
        m->answer = ANSWER_ONE;
        m->oracle.classes = 2;
        m->oracle.has_scores = true;
        return BTZ_OK;
    }
    return btz_fail(BTZ_UNSUPPORTED,
                    labels != UINT32_MAX
                        ? "the model answers with labels alone: say how many classes there are"
                        : "no output of the model is scores (batch x classes), labels (int64) or "
                          "one probability a row");
}

enum btz_err btz_oracle_of_model(const struct btz_model *model, const struct btz_shape *sample,
                                 size_t classes, uint32_t batch, struct btz_oracle **out)
{
    struct btz_shape shape = { 1, { 0 } };
    struct btz_net_options options = { .inputs = &shape };
    const struct btz_value *in;
    struct of_model *m;
    enum btz_err err;

    if (model->input_count != 1)
        return btz_fail(BTZ_UNSUPPORTED, "the model has %" PRIu32 " inputs; one is expected",
                        model->input_count);
    in = &model->values[model->inputs[0]];
    if (!sample && (!in->has_shape || in->shape.rank < 2))
        return btz_fail(BTZ_UNSUPPORTED, "input '%s' declares no shape: say the sample's shape",
                        in->name);
    m = calloc(1, sizeof *m);
    if (!m)
        return btz_fail(BTZ_LIMIT, "out of memory");
    m->batch = in->has_shape && in->shape.rank && in->shape.dim[0] > 0 ? (uint32_t)in->shape.dim[0]
               : batch                                                 ? batch
                                                                       : BTZ_CLASSIFIER_BATCH;
    m->oracle = (struct btz_oracle){ .ask = ask, .free = release };
    m->oracle.shape.rank = sample ? sample->rank : in->shape.rank - 1;
    for (uint32_t k = 0; k < m->oracle.shape.rank; k++)
        m->oracle.shape.dim[k] = sample ? sample->dim[k] : in->shape.dim[k + 1];
    shape.rank = m->oracle.shape.rank + 1;
    shape.dim[0] = m->batch;
    err = btz_shape_count(&m->oracle.shape, &m->oracle.features);
    for (uint32_t k = 0; k < m->oracle.shape.rank && !err; k++) {
        shape.dim[k + 1] = m->oracle.shape.dim[k];
        if (m->oracle.shape.dim[k] < 1)
            err = btz_fail(BTZ_UNSUPPORTED,
                           "input '%s': dimension %" PRIu32 " is open: say the sample's shape",
                           in->name, k + 1);
    }
    if (!err)
        err = btz_net_new(model, &options, &m->net);
    if (!err && btz_net_input(m->net, 0)->type != BTZ_F32)
        err = btz_fail(BTZ_UNSUPPORTED, "input '%s' is of %s; floats are expected", in->name,
                       btz_type_name(btz_net_input(m->net, 0)->type));
    if (!err)
        err = choose(m, model, classes);
    if (err) {
        release(&m->oracle);
        return err;
    }
    *out = &m->oracle;
    return BTZ_OK;
}
