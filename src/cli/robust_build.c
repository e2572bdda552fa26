/* bartizan robust build: a network from a list of layers. */
#include "cli/cli.h"
#include "graph/build.h"

#define ARCH_MAX  (16 << 20)
#define MODEL_MAX (UINT64_C(2) << 30)

struct args {
    const char *arch, *weights, *out;
    int64_t seed;
    bool dry_run;
};

static const struct btz_option options[] = {
    { .name = "arch",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, arch),
      .metavar = "FILE",
      .required = true,
      .help = "The list of layers, in YAML." },
    { .name = "weights",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, weights),
      .metavar = "FILE",
      .help =
          "Weights: safetensors, or a .pth of PyTorch, which is read and never executed. Without "
          "them they are random." },
    { .name = "seed",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, seed),
      .metavar = "N",
      .fallback = "1",
      .min = 0,
      .max = 9007199254740992.0,
      .help = "Of random weights." },
    { .name = "out",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, out),
      .metavar = "FILE",
      .required = true,
      .help = "The ONNX file to write." },
    { .name = "dry-run",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, dry_run),
      .help = "Build and check it, write nothing." },
};

static enum btz_err build(struct btz_cli *cli, const struct args *args)
{
    BTZ_BUF_RELEASE struct btz_buf arch = BTZ_BUF(ARCH_MAX + 1);
    BTZ_BUF_RELEASE struct btz_buf model = BTZ_BUF(MODEL_MAX);
    struct btz_weights *weights = NULL;
    enum btz_err err;

    BTZ_TRY(btz_file_read(args->arch, ARCH_MAX, &arch));
    if (args->weights)
        BTZ_TRY(btz_weights_read(args->weights, NULL, &weights));
    err = btz_build(btz_buf_slice(&arch), args->arch, weights, (uint64_t)args->seed, &model);
    btz_weights_free(weights);
    BTZ_TRY(err);
    if (!args->dry_run)
        BTZ_TRY(btz_file_write(args->out, btz_buf_slice(&model), 0644));
    if (!cli->quiet)
        fprintf(cli->err, "%s: %zu bytes%s\n", args->out, model.len,
                args->dry_run ? ", not written" : "");
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    enum btz_err err = build(cli, arguments);

    (void)operands;
    (void)operand_count;
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_robust_build = {
    .noun = "robust",
    .verb = "build",
    .summary = "Make an ONNX network from a list of layers, with weights of a file or random ones.",
    .details =
        "The list has `input` ([channels, height, width] or [features]) and `layers`: conv, "
        "linear, batchnorm, maxpool, avgpool, global-avgpool, flatten, dropout, normalize, "
        "residual, relu, leaky-relu, gelu, sigmoid, tanh, softmax. Parameters are named as in "
        "torch.nn.Sequential: 0.weight, 0.bias. For example:\n\n"
        "  input: [1, 28, 28]\n"
        "  layers:\n"
        "  - conv: {out: 16, kernel: 4, stride: 2, pad: 1}\n"
        "  - relu\n"
        "  - flatten\n"
        "  - linear: {out: 10}",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
