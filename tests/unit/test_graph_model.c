/* Models as files: read, written, read again; malformed ones; external data; nets over parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graph/kernel.h"
#include "graph/wire.h"

static void put_tensor(struct btz_buf *graph, const char *name, const int64_t *dims, size_t rank,
                       const float *data, size_t count, const char *location)
{
    BTZ_BUF_RELEASE struct btz_buf t = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf pair = BTZ_BUF(1 << 20);

    for (size_t i = 0; i < rank; i++)
        assert_int_equal(btz_wire_put_number(&t, 1, (uint64_t)dims[i]), BTZ_OK);
    assert_int_equal(btz_wire_put_number(&t, 2, 1), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&t, 8, name), BTZ_OK);
    if (location) {
        assert_int_equal(btz_wire_put_text(&pair, 1, "location"), BTZ_OK);
        assert_int_equal(btz_wire_put_text(&pair, 2, location), BTZ_OK);
        assert_int_equal(btz_wire_put_bytes(&t, 13, btz_buf_slice(&pair)), BTZ_OK);
        assert_int_equal(btz_wire_put_number(&t, 14, 1), BTZ_OK);
    } else
        assert_int_equal(btz_wire_put_bytes(&t, 9, btz_slice_of(data, count * sizeof *data)),
                         BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(graph, 5, btz_buf_slice(&t)), BTZ_OK);
}

static void put_value(struct btz_buf *graph, uint32_t field, const char *name, int64_t columns)
{
    BTZ_BUF_RELEASE struct btz_buf v = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf type = BTZ_BUF(1 << 20);
    uint8_t tensor[] = { 0x08, 0x01, 0x12, 0x0b, 0x0a,
                         0x05, 0x12, 0x03, 'b',  'a',
                         't',  0x0a, 0x02, 0x08, (uint8_t)columns };

    assert_int_equal(btz_wire_put_bytes(&type, 1, btz_slice_of(tensor, sizeof tensor)), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&v, 1, name), BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(&v, 2, btz_buf_slice(&type)), BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(graph, field, btz_buf_slice(&v)), BTZ_OK);
}

static void put_node(struct btz_buf *graph, const char *op, const char *const *in, const char *out)
{
    BTZ_BUF_RELEASE struct btz_buf n = BTZ_BUF(1 << 20);

    for (; *in; in++)
        assert_int_equal(btz_wire_put_text(&n, 1, *in), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&n, 2, out), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&n, 3, op), BTZ_OK);
    assert_int_equal(btz_wire_put_text(&n, 4, op), BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(graph, 1, btz_buf_slice(&n)), BTZ_OK);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void put_model(struct btz_buf *out, const struct btz_buf *graph, uint64_t opset)
{
    uint8_t version[] = { 0x10, (uint8_t)opset };

    assert_int_equal(btz_wire_put_number(out, 1, 8), BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(out, 7, btz_buf_slice(graph)), BTZ_OK);
    assert_int_equal(btz_wire_put_bytes(out, 8, btz_slice_of(version, 2)), BTZ_OK);
}

/* out = relu(in x w + b): in ? x 2, w 2 x 3. */
static void small_model(struct btz_buf *out, const char *location)
{
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(1 << 20);
    static const float w[] = { 1, -2, 3, 0.5F, 0.25F, -1 }, b[] = { 0.1F, 0.2F, 0.3F };

    put_value(&graph, 11, "in", 2);
    put_value(&graph, 12, "out", 3);
    put_tensor(&graph, "w", (int64_t[]){ 2, 3 }, 2, w, 6, location);
    put_tensor(&graph, "b", (int64_t[]){ 3 }, 1, b, 3, NULL);
    put_node(&graph, "Gemm", LIST("in", "w", "b"), "h");
    put_node(&graph, "Relu", LIST("h"), "out");
    put_model(out, &graph, 13);
}

static enum btz_err parse(const struct btz_buf *bytes, struct btz_model **m)
{
    return btz_model_parse(btz_buf_slice(bytes), NULL, NULL, m);
}

static void test_round_trip(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf first = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf second = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf third = BTZ_BUF(1 << 20);
    struct btz_model *m = NULL, *again = NULL;

    (void)state;
    small_model(&first, NULL);
    assert_int_equal(parse(&first, &m), BTZ_OK);
    assert_int_equal(m->node_count, 2);
    assert_int_equal(m->input_count, 1);
    assert_string_equal(m->values[m->inputs[0]].dim_name[0], "bat");
    assert_int_equal(m->values[m->inputs[0]].shape.dim[0], -1);
    assert_int_equal(btz_model_value(m, "h"), m->nodes[0].out[0]);
    assert_int_equal(btz_model_value(m, "none"), BTZ_NONE);
    ((float *)m->values[btz_model_value(m, "w")].constant->data)[0] = 42;
    assert_int_equal(btz_model_write(m, &second), BTZ_OK);
    assert_int_equal(parse(&second, &again), BTZ_OK);
    assert_true(((float *)again->values[btz_model_value(again, "w")].constant->data)[0] == 42);
    assert_int_equal(btz_model_write(again, &third), BTZ_OK);
    assert_true(btz_slice_equal(btz_buf_slice(&second), btz_buf_slice(&third)));
    btz_model_free(m);
    btz_model_free(again);
}

static void test_net(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    const struct btz_net_param *params;
    struct btz_model *m = NULL;
    struct btz_net *net = NULL, *folded = NULL;
    float *x, *y;

    (void)state;
    small_model(&bytes, NULL);
    assert_int_equal(parse(&bytes, &m), BTZ_OK);
    assert_int_equal(btz_net_new(m, &(struct btz_net_options){ 0 }, &net),
                     BTZ_INPUT); /* the batch is open */
    assert_int_equal(
        btz_net_new(m,
                    &(struct btz_net_options){
                        .batch = 2, .memory_max = 256, .input_grads = true, .param_grads = true },
                    &net),
        BTZ_LIMIT);
    assert_int_equal(
        btz_net_new(
            m, &(struct btz_net_options){ .batch = 2, .input_grads = true, .param_grads = true },
            &net),
        BTZ_OK);
    assert_int_equal(btz_net_params(net, &params), 2);
    assert_int_equal(btz_net_backward(net), BTZ_INTERNAL);
    x = btz_net_input(net, 0)->data;
    x[0] = 1, x[1] = 2, x[2] = -1, x[3] = 0;
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    y = btz_net_output(net, 0)->data;
    /* 1*1+2*0.5+0.1, -2+0.5+0.2, 3-2+0.3; -1+0.1, 2+0.2, -3+0.3 */
    assert_true(fabsf(y[0] - 2.1F) < 1e-6F && y[1] == 0 && fabsf(y[2] - 1.3F) < 1e-6F);
    assert_true(y[3] == 0 && fabsf(y[4] - 2.2F) < 1e-6F && y[5] == 0);
    for (size_t i = 0; i < 6; i++)
        ((float *)btz_net_output_grad(net, 0)->data)[i] = 1;
    assert_int_equal(btz_net_backward(net), BTZ_OK);
    x = btz_net_input_grad(net, 0)->data;
    assert_true(x[0] == 4 && x[1] == -0.5F && x[2] == -2 && x[3] == 0.25F);
    for (size_t k = 0; k < 2; k++) {
        const float *g = params[k].grad->data;

        if (strcmp(m->values[params[k].value].name, "b") == 0)
            assert_true(g[0] == 1 && g[1] == 1 && g[2] == 1);
        else
            assert_true(g[0] == 1 && g[1] == -1 && g[2] == 1 && g[3] == 2 && g[4] == 0 &&
                        g[5] == 2);
    }
    ((float *)m->values[btz_model_value(m, "b")].constant->data)[1] = 5;
    assert_int_equal(btz_net_params_changed(net), BTZ_OK);
    assert_int_equal(btz_net_forward(net), BTZ_OK);
    assert_true(fabsf(((const float *)btz_net_output(net, 0)->data)[4] - 7) < 1e-6F);
    btz_net_free(net);
    /* Doubles have copies of the parameters: they follow. */
    assert_int_equal(
        btz_net_new(m, &(struct btz_net_options){ .batch = 1, .doubles = true }, &folded), BTZ_OK);
    ((float *)m->values[btz_model_value(m, "b")].constant->data)[1] = 6;
    assert_int_equal(btz_net_params_changed(folded), BTZ_OK);
    memset(btz_net_input(folded, 0)->data, 0, 16);
    assert_int_equal(btz_net_forward(folded), BTZ_OK);
    assert_true(((const double *)btz_net_output(folded, 0)->data)[1] == 6);
    btz_net_free(folded);
    btz_model_free(m);
}

/* Every prefix and every changed byte: an error or a model, never a crash; and no error without its detail. */
static void test_damaged(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);

    (void)state;
    small_model(&bytes, NULL);
    for (size_t n = 0; n < bytes.len; n++) {
        struct btz_model *m = NULL;
        enum btz_err err = btz_model_parse(btz_slice_of(bytes.ptr, n), NULL, NULL, &m);

        assert_true(err == BTZ_INPUT || err == BTZ_OK); /* the last field may be left out */
        btz_model_free(m);
    }
    for (size_t i = 0; i < bytes.len * 8; i++) {
        struct btz_model *m = NULL;
        struct btz_net *net = NULL;

        bytes.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
        if (parse(&bytes, &m) == BTZ_OK &&
            btz_net_new(
                m,
                &(struct btz_net_options){ .batch = 1, .memory_max = 1 << 24, .input_grads = true },
                &net) == BTZ_OK)
            (void)!btz_net_forward(net);
        btz_net_free(net);
        btz_model_free(m);
        bytes.ptr[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void expect(enum btz_err want, const char *word, void (*fill)(struct btz_buf *graph))
{
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    struct btz_model *m = NULL;
    struct btz_net *net = NULL;
    enum btz_err err;

    fill(&graph);
    put_model(&bytes, &graph, 13);
    err = parse(&bytes, &m);
    if (err == BTZ_OK)
        err = btz_net_new(m, &(struct btz_net_options){ .batch = 1 }, &net);
    if (err != want || !strstr(btz_error_detail(), word))
        print_message("# %d: %s\n", (int)err, btz_error_detail());
    assert_int_equal(err, want);
    assert_non_null(strstr(btz_error_detail(), word));
    btz_net_free(net);
    btz_model_free(m);
}

static void fill_cycle(struct btz_buf *g)
{
    put_value(g, 11, "in", 2);
    put_node(g, "Add", LIST("in", "b"), "a");
    put_node(g, "Relu", LIST("a"), "b");
    put_value(g, 12, "b", 2);
}

static void fill_twice(struct btz_buf *g)
{
    put_value(g, 11, "in", 2);
    put_node(g, "Relu", LIST("in"), "a");
    put_node(g, "Relu", LIST("in"), "a");
}

static void fill_undefined(struct btz_buf *g)
{
    put_value(g, 11, "in", 2);
    put_value(g, 12, "nothing", 2);
}

static void fill_huge(struct btz_buf *g)
{
    put_tensor(g, "w", (int64_t[]){ INT64_MAX, INT64_MAX }, 2, NULL, 0, NULL);
}

static void fill_short(struct btz_buf *g)
{
    put_tensor(g, "w", (int64_t[]){ 1000 }, 1, (float[]){ 1 }, 1, NULL);
}

static void fill_axes(struct btz_buf *g)
{
    put_tensor(g, "w", (int64_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 9, (float[]){ 1 }, 1, NULL);
}

static void fill_unknown(struct btz_buf *g)
{
    put_value(g, 11, "in", 2);
    put_node(g, "Frobnicate", LIST("in"), "a");
    put_value(g, 12, "a", 2);
}

static void fill_shapes(struct btz_buf *g)
{
    put_value(g, 11, "in", 2);
    put_tensor(g, "w", (int64_t[]){ 3, 1 }, 2, (float[]){ 1, 2, 3 }, 3, NULL);
    put_node(g, "MatMul", LIST("in", "w"), "a");
    put_value(g, 12, "a", 2);
}

static void test_wrong(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
    BTZ_BUF_RELEASE struct btz_buf graph = BTZ_BUF(1 << 20);
    struct btz_model *m = NULL;

    (void)state;
    expect(BTZ_INPUT, "before it is defined", fill_cycle);
    expect(BTZ_INPUT, "once more", fill_twice);
    expect(BTZ_INPUT, "defined nowhere", fill_undefined);
    expect(BTZ_LIMIT, "too large", fill_huge);
    expect(BTZ_INPUT, "4 bytes", fill_short);
    expect(BTZ_LIMIT, "axes", fill_axes);
    expect(BTZ_UNSUPPORTED, "Frobnicate", fill_unknown);
    expect(BTZ_INPUT, "MatMul", fill_shapes);
    put_model(&bytes, &graph, 0);
    assert_int_equal(parse(&bytes, &m), BTZ_UNSUPPORTED);
    btz_buf_clear(&bytes);
    put_model(&bytes, &graph, 23);
    assert_int_equal(parse(&bytes, &m), BTZ_UNSUPPORTED);
}

static void test_external(void **state)
{
    char folder[] = "/tmp/btz-graph-XXXXXX", path[64], inside[64], link_name[64], sub[64];
    static const float w[] = { 1, 2, 3, 4, 5, 6 };
    static const struct {
        const char *location;
        enum btz_err err;
    } tries[] = {
        { "w.bin", BTZ_OK },           { "sub/../w.bin", BTZ_DENIED }, { "../w.bin", BTZ_DENIED },
        { "/etc/passwd", BTZ_DENIED }, { "link.bin", BTZ_IO },         { "", BTZ_DENIED },
        { "none.bin", BTZ_IO },        { "sub", BTZ_DENIED },          { "up/w.bin", BTZ_IO },
        { "short.bin", BTZ_INPUT },    { "./w.bin", BTZ_OK },
    };

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(inside, sizeof inside, "%s/w.bin", folder);
    assert_int_equal(btz_file_write(inside, btz_slice_of(w, sizeof w), 0600), BTZ_OK);
    snprintf(sub, sizeof sub, "%s/short.bin", folder);
    assert_int_equal(btz_file_write(sub, btz_slice_of(w, 8), 0600), BTZ_OK);
    snprintf(link_name, sizeof link_name, "%s/link.bin", folder);
    assert_int_equal(symlink(inside, link_name), 0);
    snprintf(link_name, sizeof link_name, "%s/up", folder);
    assert_int_equal(symlink(".", link_name), 0);
    snprintf(link_name, sizeof link_name, "%s/sub", folder);
    assert_int_equal(mkdir(link_name, 0700), 0);
    for (size_t i = 0; i < BTZ_COUNT(tries); i++) {
        BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(1 << 20);
        struct btz_model *m = NULL;
        enum btz_err err;

        small_model(&bytes, tries[i].location);
        assert_int_equal(btz_file_write(path, btz_buf_slice(&bytes), 0600), BTZ_OK);
        err = btz_model_read(path, NULL, &m);
        if (err != tries[i].err)
            print_message("# %s: %s\n", tries[i].location, btz_error_detail());
        assert_int_equal(err, tries[i].err);
        if (err == BTZ_OK)
            assert_true(((const float *)m->values[btz_model_value(m, "w")].constant->data)[5] == 6);
        btz_model_free(m);
        assert_int_equal(parse(&bytes, &m), BTZ_DENIED); /* no folder */
    }
    unlink(path), unlink(inside), unlink(sub);
    rmdir(link_name);
    snprintf(link_name, sizeof link_name, "%s/link.bin", folder);
    unlink(link_name);
    snprintf(link_name, sizeof link_name, "%s/up", folder);
    unlink(link_name);
    assert_int_equal(rmdir(folder), 0);
}

/* float16 by its definition: every one there and back; halves to even. */
static void test_half(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = btz_f16_to_f32((uint16_t)h);

        if (isnan(f))
            assert_true((btz_f32_to_f16(f) & 0x7fff) > 0x7c00);
        else
            assert_int_equal(btz_f32_to_f16(f), h);
    }
    assert_int_equal(btz_f32_to_f16(65519.0F), 0x7bff);
    assert_int_equal(btz_f32_to_f16(65520.0F), 0x7c00);
    assert_int_equal(btz_f32_to_f16(1.0F + 0x1p-11F), 0x3c00);
    assert_int_equal(btz_f32_to_f16(1.0F + 0x3p-11F), 0x3c02);
    assert_int_equal(btz_f32_to_f16(0x1p-25F), 0);
    assert_int_equal(btz_f32_to_f16(0x3p-25F), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_net),
        cmocka_unit_test(test_damaged),    cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_external),   cmocka_unit_test(test_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
