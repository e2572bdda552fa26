/*
 * Every case of ONNX's own suite whose operators are supported, against the outputs recorded there. Source: libonnx-testdata
 * 1.12.0; tolerances are those of its runner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdlib.h>

#include "graph/kernel.h"

#define CASES "/usr/share/libonnx-testdata/data/node"

enum outcome { PASSED, UNSUPPORTED, FAILED };

static enum btz_err load_tensor(const char *name, const char *kind, uint32_t i,
                                struct btz_arena *arena, struct btz_tensor *out)
{
    BTZ_BUF_RELEASE struct btz_buf file = BTZ_BUF(64 << 20);
    char path[512];
    const char *label;

    snprintf(path, sizeof path, CASES "/%s/test_data_set_0/%s_%u.pb", name, kind, i);
    BTZ_TRY(btz_file_read(path, file.max, &file));
    return btz_tensor_parse(btz_buf_slice(&file), arena, out, &label);
}

static bool close_enough(const struct btz_tensor *want, const struct btz_tensor *got,
                         const char *name)
{
    char a[BTZ_SHAPE_TEXT], b[BTZ_SHAPE_TEXT];
    bool half = want->type == BTZ_F16 || want->type == BTZ_BF16,
         real = half || btz_type_is_real(want->type);

    if ((half ? BTZ_F32 : want->type) != got->type || !btz_shape_equal(&want->shape, &got->shape)) {
        print_message("# %s: %s %s, expected %s %s\n", name, btz_type_name(got->type),
                      btz_shape_text(&got->shape, a), btz_type_name(want->type),
                      btz_shape_text(&want->shape, b));
        return false;
    }
    for (size_t i = 0, n = btz_tensor_count(want); i < n; i++) {
        double x = btz_at_real(want, i), y = btz_at_real(got, i);
        bool same;

        if (want->type == BTZ_STRING)
            same = btz_slice_equal(((const struct btz_slice *)want->data)[i],
                                   ((const struct btz_slice *)got->data)[i]);
        else if (!real)
            same = btz_at_int(want, i) == btz_at_int(got, i);
        else
            same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-7 + 1e-3 * fabs(x);
        if (!same) {
            print_message("# %s: element %zu is %.9g, expected %.9g\n", name, i, y, x);
            return false;
        }
    }
    return true;
}

static enum outcome compare(const struct btz_model *m, struct btz_net *net, const char *name,
                            struct btz_arena *arena)
{
    /* These draw numbers: their values are not defined by the specification, only shapes and types. */
    bool random =
        strncmp(name, "test_bernoulli", 14) == 0 || strncmp(name, "test_training_dropout", 21) == 0;

    for (uint32_t i = 0; i < m->output_count; i++) {
        struct btz_tensor want, got = *btz_net_output(net, i);
        enum btz_err err = load_tensor(name, "output", i, arena, &want);

        if (err != BTZ_OK) {
            print_message("# %s: output %u: %s\n", name, i, btz_error_detail());
            return err == BTZ_UNSUPPORTED || err == BTZ_INPUT ? UNSUPPORTED : FAILED;
        }
        if (m->values[m->outputs[i]].type == BTZ_BF16 && want.type == BTZ_U16)
            want.type = BTZ_BF16;
        if (random && strstr(name, "zero_ratio") == NULL) {
            if (want.type != got.type || !btz_shape_equal(&want.shape, &got.shape))
                return FAILED;
        } else if (!close_enough(&want, &got, name))
            return FAILED;
    }
    return PASSED;
}

static enum outcome run_case(const char *name, const struct btz_model *m, bool reference)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_tensor inputs[32];
    struct btz_shape shapes[32];
    struct btz_net *net = NULL;
    enum outcome outcome = FAILED;
    enum btz_err err = BTZ_OK;

    btz_arena_init(&arena, 256 << 20);
    if (m->input_count > BTZ_COUNT(inputs))
        return UNSUPPORTED;
    for (uint32_t i = 0; i < m->input_count; i++) {
        if (!m->values[m->inputs[i]].type) {
            print_message("# %s: input %u is no tensor\n", name, i);
            return UNSUPPORTED;
        }
        err = load_tensor(name, "input", i, &arena, &inputs[i]);
        if (err != BTZ_OK) {
            print_message("# %s: input %u: %s\n", name, i, btz_error_detail());
            return FAILED;
        }
        /* Files of bfloat16 were written as uint16. */
        if (m->values[m->inputs[i]].type == BTZ_BF16 && inputs[i].type == BTZ_U16)
            inputs[i].type = BTZ_BF16;
        /* And "like", of which only the type counts, with another shape than the model declares. */
        if (inputs[i].shape.rank != m->values[m->inputs[i]].shape.rank && strstr(name, "castlike"))
            inputs[i].shape = m->values[m->inputs[i]].shape;
        shapes[i] = inputs[i].shape;
    }
    err =
        btz_net_new(m, &(struct btz_net_options){ .inputs = shapes, .reference = reference }, &net);
    for (uint32_t i = 0; err == BTZ_OK && i < m->input_count; i++)
        if (!(strstr(name, "castlike") && i == 1))
            btz_tensor_convert(&inputs[i], btz_net_input(net, i));
    if (err == BTZ_OK)
        err = btz_net_forward(net);
    if (err == BTZ_OK)
        outcome = compare(m, net, name, &arena);
    else {
        print_message("# %s: %s\n", name, btz_error_detail());
        outcome = err == BTZ_UNSUPPORTED ? UNSUPPORTED : FAILED;
    }
    btz_net_free(net);
    return outcome;
}

/* Cases of supported operators that are left out, and why. Any other that does not pass is a failure. */
static const struct {
    const char *name, *why;
} left_out[] = {
    { "test_cast_FLOAT_to_STRING", "numbers are not written as strings" },
    { "test_castlike_FLOAT_to_STRING", "numbers are not written as strings" },
    { "test_castlike_FLOAT_to_STRING_expanded", "numbers are not written as strings" },
    { "test_identity_opt", "optional values" },
    { "test_identity_sequence", "sequences" },
    { "test_if_opt", "optional values" },
    { "test_if_seq", "sequences" },
    { "test_loop13_seq", "sequences" },
    { "test_loop16_seq_none", "sequences" },
};

static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < BTZ_COUNT(left_out); i++)
        if (strcmp(left_out[i].name, name) == 0)
            return true;
    return false;
}

static bool all_supported(const struct btz_model *m)
{
    for (uint32_t i = 0; i < m->node_count; i++) {
        if (!m->nodes[i].op)
            return false;
        for (uint32_t k = 0; k < m->nodes[i].attr_count; k++)
            if (m->nodes[i].attrs[k].body && !all_supported(m->nodes[i].attrs[k].body))
                return false;
    }
    return true;
}

static enum outcome try_case(const char *name)
{
    struct btz_model *m = NULL;
    char path[512];
    enum outcome outcome;
    enum btz_err err;

    snprintf(path, sizeof path, CASES "/%s/model.onnx", name);
    err = btz_model_read(path, NULL, &m);
    if (err != BTZ_OK) {
        print_message("# %s: %s\n", name, btz_error_detail());
        return err == BTZ_UNSUPPORTED && is_left_out(name) ? UNSUPPORTED : FAILED;
    }
    outcome = run_case(name, m, false);
    if (outcome == PASSED)
        outcome = run_case(name, m, true);
    if (outcome == UNSUPPORTED && all_supported(m) && !is_left_out(name)) {
        print_message("# %s: all its operators are supported\n", name);
        outcome = FAILED;
    }
    btz_model_free(m);
    return outcome;
}

static int is_case(const struct dirent *d)
{
    return strncmp(d->d_name, "test_", 5) == 0;
}

static void test_cases(void **state)
{
    struct dirent **names = NULL;
    int count = scandir(CASES, &names, is_case, alphasort);
    int outcomes[3] = { 0 };

    (void)state;
    if (count <= 0) {
        print_message("# %s is not there\n", CASES);
        skip();
    }
    for (int i = 0; i < count; i++) {
        enum outcome outcome = try_case(names[i]->d_name);

        outcomes[outcome]++;
        if (outcome == FAILED)
            print_message("# failed: %s\n", names[i]->d_name);
        free(names[i]);
    }
    free(names);
    print_message("# %d of %d cases passed, %d failed, %d have operators that are not supported\n",
                  outcomes[PASSED], count, outcomes[FAILED], outcomes[UNSUPPORTED]);
    assert_int_equal(outcomes[FAILED], 0);
    assert_true(outcomes[PASSED] >= 872);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
