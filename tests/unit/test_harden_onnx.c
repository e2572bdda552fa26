/* Hardened models outside of here: onnx's checker takes them, and torch or numpy work out the same scores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "harden_net.h"

#define SIDE    28
#define PIXELS  (SIDE * SIDE)
#define CLASSES 10
#define SAMPLES 1000

static float pictures[SAMPLES * PIXELS];

/* Class k lights two rows of noise. */
static uint32_t label_of(size_t i)
{
    return (uint32_t)(i % CLASSES);
}

static enum btz_err take(const void *user, const size_t *index, size_t count, float *x, uint32_t *y)
{
    (void)user;
    for (size_t i = 0; i < count; i++) {
        memcpy(x + i * PIXELS, pictures + index[i] * PIXELS, PIXELS * sizeof *x);
        y[i] = label_of(index[i]);
    }
    return BTZ_OK;
}

static int draw(void **state)
{
    struct btz_rng r;

    (void)state;
    btz_rng_init(&r, 8, 0);
    for (size_t i = 0; i < SAMPLES; i++)
        for (size_t k = 0; k < PIXELS; k++) {
            bool lit = k / SIDE / 2 == 2 + label_of(i);

            pictures[i * PIXELS + k] = (float)(0.4 * btz_rng_unit(&r) + (lit ? 0.6 : 0));
        }
    return 0;
}

static struct btz_model *make(uint8_t opset, bool normed)
{
    static const float mean[1] = { 0.1307F };
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 22);
    struct btz_model *m = NULL;
    struct net_text t;

    net_begin(&t, opset);
    net_tensor(&t, "mean", (int64_t[]){ 1 }, 1, mean);
    net_node(&t, "Sub", (const char *const[]){ "mean" }, 1, NULL, NULL);
    net_conv(&t, 1, 8, 4, 2, 1);
    if (normed)
        net_norm(&t, 8);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_conv(&t, 8, 8, 4, 2, 1);
    if (normed)
        net_norm(&t, 8);
    net_node(&t, "Relu", NULL, 0, NULL, NULL);
    net_node(&t, "Flatten", NULL, 0, NULL, NULL);
    net_dense(&t, 392, CLASSES, "y");
    assert_int_equal(net_end_of(&t, opset, (int64_t[]){ 1, SIDE, SIDE }, 3, CLASSES, &bytes),
                     BTZ_OK);
    assert_int_equal(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &m), BTZ_OK);
    return m;
}

static void harden(struct btz_model *m)
{
    const struct btz_harden_data data = {
        .count = SAMPLES, .features = PIXELS, .classes = CLASSES, .take = take
    };
    struct btz_harden_accuracy a;
    struct btz_harden_options o;
    struct btz_harden_result r;

    btz_harden_defaults(BTZ_HARDEN_FGSM_RS, &o);
    o.eps = 0.1;
    o.epochs = 4;
    o.batch = 40;
    o.measure_max = 50;
    o.measure_steps = 2;
    assert_int_equal(btz_harden(m, &data, &o, &r), BTZ_OK);
    btz_harden_result_release(&r);
    /* It has learned something: all its numbers have moved. */
    assert_int_equal(btz_harden_measure(m, &data, 200, &o, 5, 0.05, 1, &a), BTZ_OK);
    if (a.robust <= 150)
        print_message("# clean %zu, robust %zu of %zu\n", a.clean, a.robust, a.n);
    assert_true(a.robust > 150);
}

static void keep(const char *folder, const char *name, struct btz_slice bytes)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(btz_file_write(path, bytes, 0600), BTZ_OK);
}

/* The model as written, and the scores of the model as read again. */
static void write_all(const struct btz_model *m, const char *folder)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 22);
    const struct btz_net_options options = { .batch = SAMPLES };
    struct btz_model *again = NULL;
    struct btz_net *net = NULL;

    assert_int_equal(btz_model_write(m, &bytes), BTZ_OK);
    keep(folder, "model", btz_buf_slice(&bytes));
    assert_int_equal(btz_model_parse(btz_buf_slice(&bytes), NULL, NULL, &again), BTZ_OK);
    assert_int_equal(btz_net_new(again, &options, &net), BTZ_OK);
    memcpy(btz_net_input(net, 0)->data, pictures, sizeof pictures);
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    keep(folder, "inputs", btz_slice_of(pictures, sizeof pictures));
    keep(folder, "outputs",
         btz_slice_of(btz_net_output(net, 0)->data, SAMPLES * CLASSES * sizeof(float)));
    btz_net_free(net);
    btz_model_free(again);
}

static void check(uint8_t opset, bool normed)
{
    const char *source = getenv("BTZ_SOURCE");
    char folder[] = "/tmp/btz-onnx-XXXXXX", command[512];
    struct btz_model *m = make(opset, normed);
    int status;

    assert_non_null(mkdtemp(folder));
    harden(m);
    write_all(m, folder);
    btz_model_free(m);
    snprintf(command, sizeof command,
             "/usr/bin/python3 %s/tests/tools/onnx_peer.py %s/model %d %s/inputs %s/outputs",
             source ? source : ".", folder, opset, folder, folder);
    status = system(command);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, 0);
}

static void test_peer(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import numpy, onnx' 2>/dev/null") != 0) {
        print_message("# skipped: no onnx of Python\n");
        skip();
    }
    check(9, true);
    check(13, false);
    check(17, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup(test_peer, draw) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
