/* bartizan robust show: what a network is, and what of it can be run. */
#include <stdlib.h>

#include "base/json.h"
#include "cli/cli.h"
#include "graph/op.h"

struct args {
    int64_t batch;
    int format;
};

static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "batch",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, batch),
      .metavar = "N",
      .fallback = "128",
      .min = 1,
      .max = 65536,
      .help = "Samples at once, for the memory that is planned." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How to print." },
};

struct op_count {
    const char *domain, *type;
    int64_t opset;
    bool supported, differentiable;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    const struct op_count *x = a, *y = b;
    int order = strcmp(x->domain, y->domain);

    return order ? order : strcmp(x->type, y->type);
}

/* Kinds of nodes with how many there are of each, sorted. */
static size_t count_ops(const struct btz_model *m, struct op_count *out)
{
    size_t kinds = 0;

    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct btz_node *n = &m->nodes[i];

        out[i] = (struct op_count){ n->domain,
                                    n->type,
                                    n->opset,
                                    n->op != NULL,
                                    n->op && (n->op->grad || n->op->flags & BTZ_OP_VIEW),
                                    1 };
    }
    qsort(out, m->node_count, sizeof *out, by_name);
    for (uint32_t i = 0; i < m->node_count; i++) {
        if (kinds && by_name(&out[kinds - 1], &out[i]) == 0) {
            out[kinds - 1].count++;
            continue;
        }
        out[kinds++] = out[i];
    }
    return kinds;
}

/* Names come from the file: control characters must not reach the terminal, and JSON wants UTF-8. */
static json_t *safe_text(const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(1 << 20);
    const char *clean;

    if (btz_utf8_printable(btz_str(text), false, &b) != BTZ_OK ||
        btz_buf_cstr(&b, &clean) != BTZ_OK)
        return json_string("?");
    return json_string(clean);
}

static json_t *value_json(const struct btz_model *m, uint32_t index)
{
    const struct btz_value *v = &m->values[index];
    char shape[512] = "";
    size_t at = 0;

    for (uint32_t i = 0; v->has_shape && i < v->shape.rank && at < sizeof shape - 64; i++) {
        const char *cross = i ? "x" : "";
        int n =
            v->shape.dim[i] >= 0
                ? snprintf(shape + at, 64, "%s%" PRId64, cross, v->shape.dim[i])
                : snprintf(shape + at, 64, "%s%.40s", cross, v->dim_name[i] ? v->dim_name[i] : "?");

        at += n > 0 ? (size_t)n : 0;
    }
    return json_pack("{s:o, s:s, s:o}", "name", safe_text(v->name), "type",
                     v->type ? btz_type_name(v->type) : "no tensor", "shape",
                     safe_text(!v->has_shape   ? "any"
                               : v->shape.rank ? shape
                                               : "scalar"));
}

static json_t *values_json(const struct btz_model *m, const uint32_t *list, uint32_t count)
{
    json_t *out = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(out, value_json(m, list[i]));
    return out;
}

static json_t *operators_json(const struct btz_model *m)
{
    struct op_count *ops = calloc(m->node_count + 1u, sizeof *ops);
    size_t kinds = ops ? count_ops(m, ops) : 0;
    json_t *out = json_array();

    for (size_t i = 0; i < kinds; i++)
        json_array_append_new(
            out, json_pack("{s:o, s:o, s:I, s:I, s:b, s:b}", "type", safe_text(ops[i].type),
                           "domain", safe_text(ops[i].domain), "opset", (json_int_t)ops[i].opset,
                           "count", (json_int_t)ops[i].count, "supported", ops[i].supported,
                           "differentiable", ops[i].differentiable));
    free(ops);
    return out;
}

static json_t *parameters_json(const struct btz_model *m)
{
    size_t tensors = 0, numbers = 0, bytes = 0;

    for (uint32_t i = 0; i < m->value_count; i++)
        if (m->values[i].constant) {
            tensors++;
            numbers += btz_tensor_count(m->values[i].constant);
            bytes += btz_tensor_bytes(m->values[i].constant);
        }
    return json_pack("{s:I, s:I, s:I}", "tensors", (json_int_t)tensors, "numbers",
                     (json_int_t)numbers, "bytes", (json_int_t)bytes);
}

static json_t *opsets_json(const struct btz_model *m)
{
    json_t *out = json_array();

    for (size_t i = 0; i < m->opset_count; i++)
        json_array_append_new(
            out, json_pack("{s:o, s:I}", "domain",
                           safe_text(*m->opsets[i].domain ? m->opsets[i].domain : "ai.onnx"),
                           "version", (json_int_t)m->opsets[i].version));
    return out;
}

/* Bytes of the plan, or why there is none. */
static json_t *plan_json(const struct btz_model *m, int64_t batch, bool gradients)
{
    const struct btz_net_options o = { .batch = batch, .input_grads = gradients };
    struct btz_net *net = NULL;
    json_t *out;

    if (btz_net_new(m, &o, &net) != BTZ_OK)
        return json_pack("{s:n, s:o}", "bytes", "reason", safe_text(btz_error_detail()));
    out = json_pack("{s:I}", "bytes", (json_int_t)btz_net_memory(net));
    btz_net_free(net);
    return out;
}

/* Some networks are exported for one size. */
static bool fixes_batch(const struct btz_model *m)
{
    const struct btz_value *v = m->input_count ? &m->values[m->inputs[0]] : NULL;

    return v && v->has_shape && v->shape.rank > 0 && v->shape.dim[0] >= 0;
}

static json_t *describe(const struct btz_model *m, const char *file, int64_t batch)
{
    bool fixed = fixes_batch(m);

    if (fixed)
        batch = m->values[m->inputs[0]].shape.dim[0];
    return json_pack(
        "{s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:o, s:o}", "file", safe_text(file),
        "producer", safe_text(m->producer), "ir_version", (json_int_t)m->ir_version, "opsets",
        opsets_json(m), "inputs", values_json(m, m->inputs, m->input_count), "outputs",
        values_json(m, m->outputs, m->output_count), "operators", operators_json(m), "parameters",
        parameters_json(m), "batch", (json_int_t)batch, "batch_fixed", fixed, "forward",
        plan_json(m, batch, false), "gradient", plan_json(m, batch, true));
}

/* ---- text -------------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static void print_values(FILE *out, const char *title, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);

        fprintf(out, "%-12s %s  %s %s\n", i ? "" : title, text_of(v, "name"), text_of(v, "type"),
                text_of(v, "shape"));
    }
}

static void print_plan(FILE *out, const char *title, const json_t *plan)
{
    const json_t *bytes = json_object_get(plan, "bytes");

    if (json_is_integer(bytes))
        fprintf(out, "%-12s %.1f MB\n", title, (double)json_integer_value(bytes) / 1e6);
    else
        fprintf(out, "%-12s none: %s\n", title, text_of(plan, "reason"));
}

static void print_text(FILE *out, const json_t *all)
{
    const json_t *ops = json_object_get(all, "operators"), *opsets = json_object_get(all, "opsets");
    const json_t *p = json_object_get(all, "parameters");

    fprintf(out, "%-12s %s\n", "file", text_of(all, "file"));
    if (*text_of(all, "producer"))
        fprintf(out, "%-12s %s\n", "producer", text_of(all, "producer"));
    for (size_t i = 0; i < json_array_size(opsets); i++)
        fprintf(out, "%-12s %s %" JSON_INTEGER_FORMAT "\n", i ? "" : "opset",
                text_of(json_array_get(opsets, i), "domain"),
                json_integer_value(json_object_get(json_array_get(opsets, i), "version")));
    print_values(out, "inputs", json_object_get(all, "inputs"));
    print_values(out, "outputs", json_object_get(all, "outputs"));
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const json_t *op = json_array_get(ops, i);
        bool supported = json_is_true(json_object_get(op, "supported"));

        fprintf(out, "%-12s %5" JSON_INTEGER_FORMAT " %s%s%s%s\n", i ? "" : "operators",
                json_integer_value(json_object_get(op, "count")), text_of(op, "domain"),
                *text_of(op, "domain") ? "." : "", text_of(op, "type"),
                !supported                                            ? "  UNSUPPORTED"
                : json_is_true(json_object_get(op, "differentiable")) ? ""
                                                                      : "  (no gradient)");
    }
    fprintf(out, "%-12s %" JSON_INTEGER_FORMAT " in %" JSON_INTEGER_FORMAT " tensors, %.1f MB\n",
            "parameters", json_integer_value(json_object_get(p, "numbers")),
            json_integer_value(json_object_get(p, "tensors")),
            (double)json_integer_value(json_object_get(p, "bytes")) / 1e6);
    fprintf(out, "%-12s %" JSON_INTEGER_FORMAT "%s\n", "batch",
            json_integer_value(json_object_get(all, "batch")),
            json_is_true(json_object_get(all, "batch_fixed")) ? " (fixed by the model)" : "");
    print_plan(out, "forward", json_object_get(all, "forward"));
    print_plan(out, "gradient", json_object_get(all, "gradient"));
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = arguments;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(64 << 20);
    BTZ_JSON json_t *all = NULL;
    struct btz_model *m = NULL;
    enum btz_err err = btz_model_read(operands[0], NULL, &m);

    (void)operand_count;
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    all = describe(m, operands[0], args->batch);
    btz_model_free(m);
    if (!all)
        return btz_cli_fail(cli, btz_fail(BTZ_LIMIT, "out of memory"));
    if (args->format == 0) {
        print_text(cli->out, all);
        return 0;
    }
    err = btz_json_write(all, true, &text);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&text)));
    return 0;
}

const struct btz_command btz_command_robust_show = {
    .noun = "robust",
    .verb = "show",
    .summary = "Say what a network is: inputs, outputs, operators, parameters, memory.",
    .details =
        "Operators that this build cannot run are marked UNSUPPORTED; those without gradient "
        "are passed by attacks that need one.",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
