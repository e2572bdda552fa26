/*
 * Small models whose answers are known.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/wire.h"
#include "robust/known.h"

/* Field numbers: onnx.proto3. */
static enum btz_err put_tensor(struct btz_buf *graph, const char *name, const int64_t *dims,
                               size_t rank, const float *data)
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(64U << 20);
    size_t count = 1;

    for (size_t i = 0; i < rank; i++) {
        BTZ_TRY(btz_wire_put_number(&t, 1, (uint64_t)dims[i]));
        count *= (size_t)dims[i];
    }
    BTZ_TRY(btz_wire_put_number(&t, 2, BTZ_F32));
    BTZ_TRY(btz_wire_put_text(&t, 8, name));
    BTZ_TRY(btz_wire_put_bytes(&t, 9, btz_slice_of(data, count * sizeof *data)));
    return btz_wire_put_bytes(graph, 5, btz_buf_slice(&t));
}

static enum btz_err put_dim(struct btz_buf *shape, int64_t size)
{
    BTZ_BUF_RELEASE struct btz_buf dim = BTZ_BUF(256);

    if (size < 0)
        BTZ_TRY(btz_wire_put_text(&dim, 2, "batch"));
    else
        BTZ_TRY(btz_wire_put_number(&dim, 1, (uint64_t)size));
    return btz_wire_put_bytes(shape, 1, btz_buf_slice(&dim));
}

static enum btz_err put_value(struct btz_buf *graph, uint32_t field, const char *name,
                              const struct btz_shape *sample)
{
    BTZ_BUF_RELEASE struct btz_buf shape = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf tensor = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(4096);
    BTZ_BUF_RELEASE struct btz_buf value = BTZ_BUF(4096);

    BTZ_TRY(put_dim(&shape, -1));
    for (uint32_t k = 0; k < sample->rank; k++)
        BTZ_TRY(put_dim(&shape, sample->dim[k]));
    BTZ_TRY(btz_wire_put_number(&tensor, 1, BTZ_F32));
    BTZ_TRY(btz_wire_put_bytes(&tensor, 2, btz_buf_slice(&shape)));
    BTZ_TRY(btz_wire_put_bytes(&type, 1, btz_buf_slice(&tensor)));
    BTZ_TRY(btz_wire_put_text(&value, 1, name));
    BTZ_TRY(btz_wire_put_bytes(&value, 2, btz_buf_slice(&type)));
    return btz_wire_put_bytes(graph, field, btz_buf_slice(&value));
}

static enum btz_err put_node(struct btz_buf *graph, const char *op, const char *const in[3],
                             const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(4096);

    for (size_t k = 0; k < 3 && in[k]; k++)
        BTZ_TRY(btz_wire_put_text(&n, 1, in[k]));
    BTZ_TRY(btz_wire_put_text(&n, 2, out));
    BTZ_TRY(btz_wire_put_text(&n, 4, op));
    return btz_wire_put_bytes(graph, 1, btz_buf_slice(&n));
}

static enum btz_err put_layers(struct btz_buf *graph, size_t features,
                               const struct btz_known_layer *layers, size_t count, bool softmax)
{
    char now[24] = "flat", next[24], w[24], b[24];

    BTZ_TRY(put_node(graph, "Flatten", (const char *const[3]){ "x" }, now));
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        snprintf(w, sizeof w, "w%zu", i);
        snprintf(b, sizeof b, "b%zu", i);
        snprintf(next, sizeof next, last && !softmax ? "y" : "h%zu", i);
        BTZ_TRY(put_tensor(graph, w, (int64_t[]){ (int64_t)features, (int64_t)layers[i].out }, 2,
                           layers[i].w));
        BTZ_TRY(put_tensor(graph, b, (int64_t[]){ (int64_t)layers[i].out }, 1, layers[i].b));
        BTZ_TRY(put_node(graph, "Gemm", (const char *const[3]){ now, w, b }, next));
        snprintf(now, sizeof now, "%s", next);
        if (!last) {
            snprintf(now, sizeof now, "r%zu", i);
            BTZ_TRY(put_node(graph, "Relu", (const char *const[3]){ next }, now));
        }
        features = layers[i].out;
    }
    if (softmax)
        BTZ_TRY(put_node(graph, "Softmax", (const char *const[3]){ now }, "y"));
    return BTZ_OK;
}

enum btz_err btz_known_model(const struct btz_shape *sample, const struct btz_known_layer *layers,
                             size_t count, bool softmax, struct btz_model **out)
{
    static const uint8_t opset[] = { 0x10, 13 };
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(256U << 20);
    BTZ_BUF_RELEASE struct btz_buf model = BTZ_BUF(256U << 20);
    const struct btz_shape logits = { 1, { (int64_t)layers[count - 1].out } };
    size_t features;

    BTZ_TRY(btz_shape_count(sample, &features));
    BTZ_TRY(put_layers(&graph, features, layers, count, softmax));
    BTZ_TRY(btz_wire_put_text(&graph, 2, "known"));
    BTZ_TRY(put_value(&graph, 11, "x", sample));
    BTZ_TRY(put_value(&graph, 12, "y", &logits));
    BTZ_TRY(btz_wire_put_number(&model, 1, 8));
    BTZ_TRY(btz_wire_put_bytes(&model, 7, btz_buf_slice(&graph)));
    BTZ_TRY(btz_wire_put_bytes(&model, 8, btz_slice_of(opset, sizeof opset)));
    return btz_model_parse(btz_buf_slice(&model), NULL, NULL, out);
}

enum btz_err btz_known_run(const struct btz_attack *attack, const struct btz_model *m,
                           enum btz_norm norm, double eps, size_t n, const float *x,
                           const uint32_t *y, float *adv, bool *broken)
{
    return btz_known_run_with(attack, m, norm, eps, n, x, y, NULL, 0, adv, broken);
}

enum btz_err btz_known_run_with(const struct btz_attack *attack, const struct btz_model *m,
                                enum btz_norm norm, double eps, size_t n, const float *x,
                                const uint32_t *y, const char *param, double value, float *adv,
                                bool *broken)
{
    BTZ_FREE uint64_t *index = malloc(n * sizeof *index);
    struct btz_classifier *c = NULL;
    struct btz_oracle *o = NULL;
    struct btz_attack_job job;
    enum btz_err err;

    if (!index)
        return btz_fail(BTZ_LIMIT, "out of memory");
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    BTZ_TRY(btz_classifier_new(m, NULL, &c));
    err = btz_oracle_of_classifier(c, &o);
    if (!err) {
        job = (struct btz_attack_job){
            .attack = attack,
            .classifier = c,
            .oracle = o,
            .shape = c->shape,
            .n = n,
            .features = c->features,
            .classes = c->classes,
            .x = x,
            .y = y,
            .index = index,
            .norm = norm,
            .eps = eps,
            .box = { 0, 1 },
            .seed = 1,
            .adv = adv,
            .broken = broken,
        };
        btz_attack_defaults(attack, job.param);
        if (param)
            job.param[btz_attack_param_find(attack, param)] = value;
        memcpy(adv, x, n * c->features * sizeof *adv);
        memset(broken, 0, n * sizeof *broken);
        err = attack->run(&job);
        btz_oracle_free(o);
    }
    btz_classifier_free(c);
    return err;
}
