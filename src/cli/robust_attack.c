#include "cli/robust_options.h"
#include "robust/address.h"

struct args {
    struct btz_scan_args scan;
    struct btz_address_args address;
    struct btz_attacking_args attacking;
    const char *data, *labels, *label_column, *constraints, *save, *protocol, *input;
    double eps, low, high;
    int64_t queries, memory_mib, classes;
    int norm;
    bool alone, no_signs;
};

static const char *const norms[] = { "linf", "l2", "l1", "l0", NULL };

static const struct btz_option options[] = {
    BTZ_SAMPLES_OPTIONS("Samples"),
    { .name = "norm",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, norm),
      .metavar = "NORM",
      .fallback = "linf",
      .choices = norms,
      .help = "How the size of a change is measured; l0, for tables: how many columns change." },
    { BTZ_REAL_ROW("eps", eps, "SIZE", 0, 1e9, NULL,
                   "Largest change, in units of the input after pictures were scaled to 0 to 1."),
      .required = true },
    BTZ_ATTACKING_OPTIONS(
        "Attack, may be given several times: standard, plus and rand are the versions of "
        "AutoAttack, others as `bartizan robust list` names them (default: standard).",
        "pgd.steps=100", "samples", 1e12, "robust accuracy", "the model (default: its file name)"),
    { BTZ_COUNT_ROW("queries", queries, 0, 1e9, "0",
                    "Questions that an attack without gradients may ask about a sample; 0: what "
                    "the attack is used to.") },
    { BTZ_TEXT_ROW("constraints", constraints, "FILE",
                   "What columns of a table may become (YAML: columns, groups), with --norm l0.") },
    { BTZ_TEXT_ROW("save", save, "FOLDER",
                   "Write what was broken as npy files: original, adversarial, index, label, "
                   "predicted, distance.") },
    { BTZ_COUNT_ROW("classes", classes, 0, 65536, "0",
                    "Classes of an address, or of a model that answers with labels; 0: those of "
                    "the data.") },
    { BTZ_TEXT_ROW("protocol", protocol, "NAME",
                   "How an address is asked: kserve (v2), or instances (TensorFlow Serving, KServe "
                   "v1).") },
    { BTZ_TEXT_ROW("input", input, "NAME", "Name of the input of kserve (default: input).") },
    BTZ_ADDRESS_OPTIONS("JSON that an address is sent: \"{{rows}}\" or \"{{flat}}\" stand for the "
                        "samples, \"{{shape}}\" for their axes, \"{{n}}\" for how many there are.",
                        "."),
    { BTZ_FLAG_ROW("alone", alone,
                   "Let every attack see every sample, also those an earlier one has broken.") },
    { BTZ_FLAG_ROW("no-signs", no_signs,
                   "Do not look for masked gradients beyond the checks of AutoAttack, and draw no "
                   "curve over eps: saves time.") },
    BTZ_RANGE_OPTIONS(""),
    { .name = "memory",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, memory_mib),
      .metavar = "MIB",
      .fallback = "4096",
      .min = 16,
      .max = 1048576,
      .help = "Memory for networks and attacks." },
    BTZ_SCAN_OPTIONS,
};

/* What the rules for names allow of a file's. */
static enum btz_err name_of(const char *path, char out[65])
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *slash = strrchr(path, '/'), *from = slash ? slash + 1 : path;
    size_t n = 0;

    for (; from[n] && n < 64; n++)
        out[n] = strchr(allowed, from[n]) ? from[n] : '_';
    out[n] = '\0';
    if (out[0] == '.')
        out[0] = '_';
    return n ? BTZ_OK : btz_fail(BTZ_USAGE, "%s: not the name of a file", path);
}

static enum btz_err put_model(struct btz_buf *out, const struct args *a, const char *path)
{
    const bool far = btz_is_address(path);
    const struct {
        const char *key, *value;
    } texts[] = {
        { far ? "url" : "path", path },
        { "data", a->data },
        { "labels", a->labels },
        { "label_column", a->label_column },
        { "constraints", a->constraints },
        { "save", a->save },
        { "protocol", far ? a->protocol : NULL },
        { "input", far ? a->input : NULL },
    };
    char name[65] = "endpoint";

    if (!far)
        BTZ_TRY(name_of(path, name));
    BTZ_TRY(btz_buf_add_str(out, "models:\n  -\n"));
    BTZ_TRY(btz_section_text(out, 4, "name", a->attacking.name ? a->attacking.name : name));
    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        BTZ_TRY(btz_section_text(out, 4, texts[i].key, texts[i].value));
    if (far)
        BTZ_TRY(btz_section_address(out, 4, &a->address));
    return btz_buf_printf(out,
                          "    classes: %" PRId64 "\n    norm: %s\n    eps: %.17g\n"
                          "    low: %.17g\n    high: %.17g\n    robust_min: %.17g\n",
                          a->classes, norms[a->norm], a->eps, a->low, a->high,
                          a->attacking.robust_min);
}

static enum btz_err put_section(struct btz_buf *out, const void *args, const char *path)
{
    const struct args *a = args;

    BTZ_TRY(put_model(out, a, path));
    BTZ_TRY(btz_buf_printf(out,
                           "robust:\n  samples: %" PRId64 "\n  queries: %" PRId64
                           "\n  memory_mib: %" PRId64 "\n  alone: %s\n  signs: %s\n",
                           a->attacking.samples, a->queries, a->memory_mib,
                           a->alone ? "true" : "false", a->no_signs ? "false" : "true"));
    BTZ_TRY(btz_section_list(out, 2, "attacks", &a->attacking.attacks));
    return btz_section_set(out, 2, &a->attacking.set);
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;

    (void)operand_count;
    return btz_section_scan(cli, &a->scan, put_section, a, operands[0]);
}

const struct btz_command btz_command_robust_attack = {
    .noun = "robust",
    .verb = "attack",
    .summary = "Attack a classifier and report what is left of its accuracy.",
    .details =
        "Reads an ONNX model or asks an address, takes labelled samples, attacks every sample that "
        "is classified "
        "correctly, and reports clean and robust accuracy with exact intervals, for each attack "
        "and "
        "in the worst case, with self-checks that tell whether the figure can be believed. Every "
        "adversarial input is checked: inside the size, inside the range, and misclassified in a "
        "fresh pass. Findings go to the ledger as those of `scan` do.\n\n"
        "A model without gradients (trees, support vectors, an address) is attacked by questions: "
        "square where it says scores, hopskipjump, geoda, and for l2 also sign-opt and boundary. "
        "Tables: --norm l0, where --eps is how many columns may change; what columns may become "
        "says --constraints, else the data.\n\n"
        "Without --attack the standard version of AutoAttack runs; its figures can be compared "
        "with "
        "published ones when all samples are attacked. Same seed, same result, whatever the number "
        "of threads.\n\n"
        "Exit status: 0 clean, 1 findings at or above --fail-on, 2 wrong usage, 3 unreadable "
        "input, "
        "4 i/o.\n\n"
        "Examples:\n"
        "  bartizan robust attack model.onnx --data images.gz --labels labels.gz --eps 0.3\n"
        "  bartizan robust attack model.onnx --data test.csv --norm l2 --eps 0.5 --attack pgd \\\n"
        "      --set pgd.steps=100 --report html=report.html\n"
        "  bartizan robust attack model.onnx --data images.gz --labels labels.gz --eps 0.3 \\\n"
        "      --samples 0 --robust-min 0.8\n"
        "  bartizan robust attack trees.onnx --data loans.csv --label-column paid --norm l0 --eps "
        "3 \\\n"
        "      --constraints columns.yaml --save broken\n"
        "  bartizan robust attack https://host/v1/models/m:predict --protocol instances \\\n"
        "      --header 'Authorization: Bearer ${TOKEN}' --data test.npz --norm l2 --eps 0.5 \\\n"
        "      --queries 1000 --samples 50",
    .operands = "MODEL|URL",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
