/* Networks from lists of layers: against PyTorch's figures, a published network and its published accuracy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "graph/build.h"
#include "sample/sample.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 1
#endif
#endif
#ifndef SLOW
#define SLOW 0
#endif

static struct btz_model *build(const char *yaml, const struct btz_weights *w, uint64_t seed)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 24);
    struct btz_model *m = NULL;
    enum btz_err err = btz_build(btz_str(yaml), "net.yaml", w, seed, &bytes);

    if (err != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    assert_int_equal(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &m), BTZ_OK);
    return m;
}

static void run(const struct btz_model *m, const float *x, size_t batch, float *y)
{
    struct btz_net *net = NULL;
    enum btz_err err = btz_net_new(m, &(struct btz_net_options){ .batch = (int64_t)batch }, &net);

    if (err != BTZ_OK)
        print_message("# %s\n", btz_error_detail());
    assert_int_equal(err, BTZ_OK);
    memcpy(btz_net_input(net, 0)->data, x, btz_tensor_bytes(btz_net_input(net, 0)));
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    memcpy(y, btz_net_output(net, 0)->data, btz_tensor_bytes(btz_net_output(net, 0)));
    btz_net_free(net);
}

/* ---- PyTorch ----------------------------------------------------------------------------------------------------------- */

static const char all_layers[] =
    "input: [2, 7, 6]\n"
    "layers:\n"
    "- normalize: {mean: [0.4, 0.6], std: [0.3, 0.2]}\n"
    "- conv: {out: 4, kernel: 3, stride: 2, pad: 1}\n"
    "- batchnorm\n"
    "- relu\n"
    "- conv: {out: 4, kernel: [3, 2], pad: [1, 0], dilation: [1, 2], groups: 2, bias: false}\n"
    "- gelu\n"
    "- maxpool: {kernel: 2, stride: 1, pad: 1}\n"
    "- tanh\n"
    "- avgpool: {kernel: 3, stride: 2, pad: 1}\n"
    "- leaky-relu: {slope: 0.2}\n"
    "- residual:\n"
    "    layers: [{conv: {out: 6, kernel: 3, pad: 1}}, sigmoid]\n"
    "    shortcut: [{conv: {out: 6, kernel: 1}}]\n"
    "- residual: {layers: [{conv: {out: 6, kernel: 1}}]}\n"
    "- flatten\n"
    "- dropout: {p: 0.3}\n"
    "- linear: {out: 5}\n";

/*
 * Logits of torch 1.13.1 for the same layers as nn.Sequential in eval mode: element i (from 1) of the k-th parameter by name is
 * sin(0.37 i + k) / 2, of running_var 1 more; element i (from 0) of the input is sin(0.11 i) / 2 + 1/2.
 */
static void test_torch(void **state)
{
    static struct {
        const char *name;
        struct btz_shape shape;
    } parameters[] = {
        { "0.bias", { 1, { 4 } } },
        { "0.weight", { 4, { 4, 2, 3, 3 } } },
        { "1.bias", { 1, { 4 } } },
        { "1.running_mean", { 1, { 4 } } },
        { "1.running_var", { 1, { 4 } } },
        { "1.weight", { 1, { 4 } } },
        { "10.0.bias", { 1, { 6 } } },
        { "10.0.weight", { 4, { 6, 6, 1, 1 } } },
        { "13.bias", { 1, { 5 } } },
        { "13.weight", { 2, { 5, 18 } } },
        { "3.weight", { 4, { 4, 2, 3, 2 } } },
        { "9.0.bias", { 1, { 6 } } },
        { "9.0.weight", { 4, { 6, 4, 3, 3 } } },
        { "9.shortcut.0.bias", { 1, { 6 } } },
        { "9.shortcut.0.weight", { 4, { 6, 4, 1, 1 } } },
    };
    static const float want[] = {
        1.5880897F,  1.04468584F, 0.35626692F, -0.38137287F, -1.06563652F,
        1.70869756F, 1.15201008F, 0.43524784F, -0.34181657F, -1.07105672F
    };
    struct btz_weight items[BTZ_COUNT(parameters)];
    struct btz_weights w = { .items = items, .count = BTZ_COUNT(items) };
    static float values[BTZ_COUNT(parameters)][256], x[2 * 2 * 7 * 6];
    struct btz_model *m;
    float y[10];

    (void)state;
    for (size_t k = 0; k < BTZ_COUNT(items); k++) {
        size_t count;

        assert_int_equal(btz_shape_count(&parameters[k].shape, &count), BTZ_OK);
        assert_true(count <= 256);
        for (size_t i = 0; i < count; i++)
            values[k][i] = (float)(sin(0.37 * (double)(i + 1) + (double)k) * 0.5 +
                                   (strstr(parameters[k].name, "var") ? 1 : 0));
        items[k] =
            (struct btz_weight){ parameters[k].name, { BTZ_F32, parameters[k].shape, values[k] } };
    }
    for (size_t i = 0; i < BTZ_COUNT(x); i++)
        x[i] = (float)(sin(0.11 * (double)i) * 0.5 + 0.5);
    m = build(all_layers, &w, 0);
    run(m, x, 2, y);
    for (size_t i = 0; i < 10; i++) {
        if (fabsf(y[i] - want[i]) > 2e-6F)
            print_message("# %zu: %.8f, torch has %.8f\n", i, (double)y[i], (double)want[i]);
        assert_true(fabsf(y[i] - want[i]) <= 2e-6F);
    }
    btz_model_free(m);
}

static void test_ends(void **state)
{
    struct btz_model *m = build("input: [3]\nlayers: [softmax]\n", NULL, 0);
    const float x[] = { 1, 2, 4 }, sum = expf(1) + expf(2) + expf(4);
    float y[3];

    (void)state;
    run(m, x, 1, y);
    for (int i = 0; i < 3; i++)
        assert_true(fabsf(y[i] - expf(x[i]) / sum) < 1e-6F);
    btz_model_free(m);
    m = build("input: [1, 1, 3]\nlayers: [normalize: {mean: 1}, global-avgpool, flatten]\n", NULL,
              0);
    run(m, x, 1, y);
    assert_true(fabsf(y[0] - 4.0F / 3) < 1e-6F);
    assert_string_equal(m->values[m->inputs[0]].dim_name[0], "batch");
    assert_string_equal(m->values[m->outputs[0]].dim_name[0], "batch");
    btz_model_free(m);
}

/* ---- the published network ------------------------------------------------------------------------------------------------ */

static bool find(char *out, size_t size, const char *name)
{
    const char *root = getenv("BTZ_DATA"), *source = getenv("BTZ_SOURCE");

    snprintf(out, size, "%s%s/model/%s",
             root     ? root
             : source ? source
                      : ".",
             root ? "" : "/../shared/data", name);
    return access(out, R_OK) == 0;
}

/* 9,850 of 10,000, as published: exactly. Under sanitizers every tenth. */
static void test_published(void **state)
{
    static const char yaml[] = "input: [1, 28, 28]\n"
                               "layers:\n"
                               "- conv: {out: 16, kernel: 4, stride: 2, pad: 1}\n"
                               "- relu\n"
                               "- conv: {out: 32, kernel: 4, stride: 2, pad: 1}\n"
                               "- relu\n"
                               "- flatten\n"
                               "- linear: {out: 100}\n"
                               "- relu\n"
                               "- linear: {out: 10}\n";
    enum { BATCH = 100, ROWS = SLOW ? 1000 : 10000 };
    char weights[1024], images[1024], labels[1024];
    struct btz_weights *w = NULL;
    struct btz_samples *s = NULL;
    struct btz_model *m;
    struct btz_net *net = NULL;
    size_t *index = calloc(ROWS, sizeof *index), right = 0, tenth = 0;
    uint32_t y[BATCH];

    (void)state;
    if (!find(weights, sizeof weights, "fast_adversarial/fgsm.pth") ||
        !find(images, sizeof images, "mnist/t10k-images-idx3-ubyte.gz") ||
        !find(labels, sizeof labels, "mnist/t10k-labels-idx1-ubyte.gz"))
        skip();
    assert_int_equal(btz_weights_read(weights, NULL, &w), BTZ_OK);
    m = build(yaml, w, 0);
    btz_weights_free(w);
    assert_int_equal(
        btz_samples_open(&(struct btz_samples_options){ .data = images, .labels = labels }, &s),
        BTZ_OK);
    assert_int_equal(btz_samples_choose(10000, BTZ_CHOOSE_STRIDE, 0, ROWS, index), BTZ_OK);
    assert_int_equal(btz_net_new(m, &(struct btz_net_options){ .batch = BATCH }, &net), BTZ_OK);
    for (size_t i = 0; i < ROWS; i += BATCH) {
        const float *z;

        assert_int_equal(btz_samples_take(s, index + i, BATCH, btz_net_input(net, 0)->data, y),
                         BTZ_OK);
        assert_int_equal(btz_net_forward(net), BTZ_OK);
        z = btz_net_output(net, 0)->data;
        for (size_t k = 0; k < BATCH; k++, z += 10) {
            size_t best = 0;

            for (size_t c = 1; c < 10; c++)
                best = z[c] > z[best] ? c : best;
            right += best == y[k];
            tenth += best == y[k] && index[i + k] % 10 == 0;
        }
    }
    if (!SLOW)
        assert_int_equal(right, 9850);
    assert_int_equal(tenth, 976);
    btz_net_free(net);
    btz_model_free(m);
    btz_samples_close(s);
    free(index);
}

/* ---- random weights ------------------------------------------------------------------------------------------------------ */

static void test_random(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf a = BTZ_BUF(1 << 24);
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 24);
    struct btz_slice yaml = btz_str(
        "input: [8, 9, 9]\nlayers: [{conv: {out: 64, kernel: 3}}, {batchnorm: {}}, flatten, "
        "{linear: {out: 50, name: head}}]\n");
    struct btz_model *m = NULL;
    const struct btz_tensor *t;
    double sum = 0, squares = 0, most = 0, bound = 1 / sqrt(8 * 9);
    size_t count;

    (void)state;
    assert_int_equal(btz_build(yaml, "n", NULL, 7, &a), BTZ_OK);
    assert_int_equal(btz_build(yaml, "n", NULL, 7, &b), BTZ_OK);
    assert_true(btz_slice_equal(btz_buf_slice(&a), btz_buf_slice(&b)));
    btz_buf_clear(&b);
    assert_int_equal(btz_build(yaml, "n", NULL, 8, &b), BTZ_OK);
    assert_false(btz_slice_equal(btz_buf_slice(&a), btz_buf_slice(&b)));
    assert_int_equal(btz_model_parse(btz_buf_slice(&a), NULL, NULL, &m), BTZ_OK);
    t = m->values[btz_model_value(m, "0.weight")].constant;
    count = btz_tensor_count(t);
    assert_int_equal(count, 64 * 8 * 9);
    for (size_t i = 0; i < count; i++) {
        double v = (double)((const float *)t->data)[i];

        sum += v, squares += v * v;
        most = fabs(v) > most ? fabs(v) : most;
    }
    /* Uniform within the bound: mean 0 (4 standard errors), variance bound^2 / 3 (5 %), the bound is nearly reached. */
    assert_true(fabs(sum / (double)count) < 4 * bound / sqrt(3.0 * (double)count));
    assert_true(fabs(squares / (double)count / (bound * bound / 3) - 1) < 0.05);
    assert_true(most <= bound * 1.0001 && most > bound * 0.99);
    t = m->values[btz_model_value(m, "head.bias")].constant;
    for (size_t i = 0; i < 50; i++)
        assert_true(fabsf(((const float *)t->data)[i]) <= 1.0F / sqrtf(64 * 7 * 7));
    t = m->values[btz_model_value(m, "1.running_var")].constant;
    assert_true(((const float *)t->data)[63] == 1);
    t = m->values[btz_model_value(m, "1.bias")].constant;
    assert_true(((const float *)t->data)[63] == 0);
    btz_model_free(m);
}

/* ---- what is wrong -------------------------------------------------------------------------------------------------------- */

static void refuse(const char *yaml, const struct btz_weights *w, enum btz_err want,
                   const char *word)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 24);
    enum btz_err err = btz_build(btz_str(yaml), "n", w, 0, &out);

    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d %s, wanted %s\n", (int)err, btz_error_detail(), word);
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
}

static void test_wrong(void **state)
{
    static const struct {
        const char *yaml, *word;
        enum btz_err err;
    } tries[] = {
        { "layers: [relu]", "no `input`", BTZ_INPUT },
        { "input: [3]", "no `layers`", BTZ_INPUT },
        { "input: [3]\nlayer: [relu]", "did you mean `layers`", BTZ_INPUT },
        { "input: [3, 4]\nlayers: [relu]", "without the batch", BTZ_INPUT },
        { "input: [0]\nlayers: [relu]", "expected a whole number", BTZ_INPUT },
        { "input: [3]\nlayers: []", "list of layers", BTZ_INPUT },
        { "input: [3]\nlayers:\n- relu\n- rleu", "n:4: no layer `rleu`; did you mean `relu`",
          BTZ_INPUT },
        { "input: [3]\nlayers:\n- linear: {outt: 3}", "did you mean `out`", BTZ_INPUT },
        { "input: [3]\nlayers:\n- linear: {stride: 3}", "unknown key `stride` in linear",
          BTZ_INPUT },
        { "input: [3]\nlayers: [linear]", "needs `out`", BTZ_INPUT },
        { "input: [3]\nlayers: [{linear: {out: 1.5}}]", "whole number", BTZ_INPUT },
        { "input: [3]\nlayers: [{linear: {out: 3, bias: maybe}}]", "true or false", BTZ_INPUT },
        { "input: [1, 4, 4]\nlayers: [{linear: {out: 3}}]", "put `flatten` before it", BTZ_INPUT },
        { "input: [3]\nlayers: [{conv: {out: 3, kernel: 1}}]", "channels x height x width",
          BTZ_INPUT },
        { "input: [1, 4, 4]\nlayers: [{conv: {out: 3, kernel: 5}}]", "a window of 5 over 4",
          BTZ_INPUT },
        { "input: [3, 4, 4]\nlayers: [{conv: {out: 4, kernel: 1, groups: 2}}]", "do not divide",
          BTZ_INPUT },
        { "input: [3, 4, 4]\nlayers: [{maxpool: {kernel: 2, pad: 2}}]", "more than half",
          BTZ_INPUT },
        { "input: [3, 4, 4]\nlayers: [{normalize: {mean: [1, 2]}}]", "for 3 channels", BTZ_INPUT },
        { "input: [3, 4, 4]\nlayers: [{normalize: {mean: 1, std: 0}}]", "std is 0", BTZ_INPUT },
        { "input: [3, 4, 4]\nlayers: [{residual: {layers: [{conv: {out: 4, kernel: 1}}]}}]",
          "add a `shortcut`", BTZ_INPUT },
        { "input: [3]\nlayers: [{linear: {out: 3, name: a}}, {linear: {out: 3, name: a}}]",
          "is there twice", BTZ_INPUT },
        { "input: [1000000]\nlayers: [{linear: {out: 1000000}}]", "parameters", BTZ_LIMIT },
        { "input: [3]\nlayers: [{relu: {out: 3}}]", "it has none", BTZ_INPUT },
        { "input: [3]\nlayers: [[relu]]", "a layer is a name", BTZ_INPUT },
    };
    float two[2] = { 1, 2 }, bad[2] = { 1, NAN };
    struct btz_weight items[] = {
        { "0.bias", { BTZ_F32, { 1, { 2 } }, two } },
        { "0.weight", { BTZ_F32, { 2, { 2, 1 } }, two } },
        { "1.bias", { BTZ_F32, { 1, { 2 } }, two } },
    };
    const char *one = "input: [1]\nlayers: [{linear: {out: 2}}]\n";
    struct btz_weights w = { .items = items, .count = 2 };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(tries); i++)
        refuse(tries[i].yaml, NULL, tries[i].err, tries[i].word);
    btz_model_free(build(one, &w, 0));
    w.count = 3;
    refuse(one, &w, BTZ_INPUT, "no layer for tensor 1.bias");
    w.count = 1;
    refuse(one, &w, BTZ_INPUT, "no tensor 0.weight (of shape 2x1)");
    w.count = 2;
    items[1].tensor.shape = (struct btz_shape){ 2, { 1, 2 } };
    refuse(one, &w, BTZ_INPUT, "is float 1x2, expected float 2x1");
    items[1].tensor.shape = (struct btz_shape){ 2, { 2, 1 } };
    items[0].tensor.data = bad;
    refuse(one, &w, BTZ_INPUT, "element 1 of tensor 0.bias is not a number");
}

/* ---- another implementation ----------------------------------------------------------------------------------------------- */

static void test_checker(void **state)
{
    static const char script[] =
        "python3 -c \"import onnx, sys; m = onnx.load(sys.argv[1]); onnx.checker.check_model(m, "
        "full_check=True)\" ";
    static const char *const pythons[] = { "/usr/bin/python3" };
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 24);
    char path[] = "/tmp/btz-build-XXXXXX", command[512];
    int fd, status;

    (void)state;
    snprintf(command, sizeof command, "%s -c 'import onnx' 2>/dev/null", pythons[0]);
    if (access(pythons[0], X_OK) != 0 || system(command) != 0) {
        print_message("# skipped: no onnx of Python\n");
        skip();
    }
    assert_int_equal(btz_build(btz_str(all_layers), "n", NULL, 3, &bytes), BTZ_OK);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(btz_fd_write_all(fd, btz_buf_slice(&bytes), path), BTZ_OK);
    close(fd);
    snprintf(command, sizeof command, "/usr/bin/%s%s", script, path);
    status = system(command);
    unlink(path);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torch),     cmocka_unit_test(test_ends),
        cmocka_unit_test(test_published), cmocka_unit_test(test_random),
        cmocka_unit_test(test_wrong),     cmocka_unit_test(test_checker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
