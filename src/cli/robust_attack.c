#include <string.h>
#include <unistd.h>

#include "cli/samples.h"
#include "cli/scanning.h"

struct args {
    struct btz_scan_args scan;
    const char *data, *labels, *label_column, *name, *constraints, *save;
    const char *protocol, *request, *scores_at, *labels_at, *input, *ca_file;
    struct btz_option_list attacks, set, headers;
    double eps, low, high, robust_min, rate;
    int64_t samples, queries, memory_mib, classes, rows, concurrency;
    int norm;
    bool alone, no_signs;
};

static const char *const norms[] = { "linf", "l2", "l1", "l0", NULL };

#define ARG(member) offsetof(struct args, member)
#define TEXT(name_, member_, metavar_, help_)                                                      \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_STRING, .offset = ARG(member_), .metavar = metavar_,     \
        .help = help_                                                                              \
    }
#define COUNT(name_, member_, min_, max_, fallback_, help_)                                        \
    {                                                                                              \
        .name = name_, .kind = BTZ_OPTION_INT, .offset = ARG(member_), .metavar = "N",             \
        .min = min_, .max = max_, .fallback = fallback_, .help = help_                             \
    }
static const struct btz_option options[] = {
    BTZ_SAMPLES_OPTIONS("Samples"),
    { .name = "norm",
      .kind = BTZ_OPTION_CHOICE,
      .offset = ARG(norm),
      .metavar = "NORM",
      .fallback = "linf",
      .choices = norms,
      .help = "How the size of a change is measured; l0, for tables: how many columns change." },
    { .name = "eps",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(eps),
      .metavar = "SIZE",
      .required = true,
      .min = 0,
      .max = 1e9,
      .help = "Largest change, in units of the input after pictures were scaled to 0 to 1." },
    { .name = "attack",
      .letter = 'a',
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(attacks),
      .metavar = "ID",
      .help = "Attack, may be given several times: standard, plus and rand are the versions of "
              "AutoAttack, others as `bartizan robust list` names them (default: standard)." },
    { .name = "set",
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(set),
      .metavar = "ATTACK.PARAMETER=NUMBER",
      .help = "Parameter of an attack, such as pgd.steps=100; may be given several times." },
    { .name = "samples",
      .letter = 'n',
      .kind = BTZ_OPTION_INT,
      .offset = ARG(samples),
      .metavar = "N",
      .fallback = "1000",
      .min = 0,
      .max = 1e12,
      .help = "How many samples are attacked, spread evenly over the data; 0: all." },
    COUNT("queries", queries, 0, 1e9, "0",
          "Questions that an attack without gradients may ask about a sample; 0: what the attack "
          "is used to."),
    TEXT("constraints", constraints, "FILE",
         "What columns of a table may become (YAML: columns, groups), with --norm l0."),
    TEXT("save", save, "FOLDER",
         "Write what was broken as npy files: original, adversarial, index, label, predicted, "
         "distance."),
    COUNT("classes", classes, 0, 65536, "0",
          "Classes of an address, or of a model that answers with labels; 0: those of the data."),
    TEXT("protocol", protocol, "NAME",
         "How an address is asked: kserve (v2), or instances (TensorFlow Serving, KServe v1)."),
    TEXT("request", request, "JSON",
         "JSON that an address is sent: \"{{rows}}\" or \"{{flat}}\" stand for the samples, "
         "\"{{shape}}\" for their axes, \"{{n}}\" for how many there are."),
    TEXT("scores-at", scores_at, "PATH", "JSONPath to the scores in its reply."),
    TEXT("labels-at", labels_at, "PATH", "JSONPath to the labels, where it says no scores."),
    TEXT("input", input, "NAME", "Name of the input of kserve (default: input)."),
    { .name = "header",
      .kind = BTZ_OPTION_STRINGS,
      .offset = ARG(headers),
      .metavar = "NAME: VALUE",
      .help = "Request header; ${NAME} in single quotes is taken from the environment, so that a "
              "key is in no list of processes. May be given several times." },
    TEXT("ca-file", ca_file, "FILE", "PEM file of the authority that signed its certificate."),
    COUNT("rows", rows, 1, 65536, "32", "Samples in one request."),
    COUNT("concurrency", concurrency, 1, 1000, "8", "Requests under way at the same time."),
    { .name = "rate",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(rate),
      .metavar = "NUMBER",
      .fallback = "0",
      .min = 0,
      .max = 1e6,
      .help = "Requests per second at most; 0: no limit." },
    { .name = "alone",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(alone),
      .help = "Let every attack see every sample, also those an earlier one has broken." },
    { .name = "no-signs",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(no_signs),
      .help = "Do not look for masked gradients beyond the checks of AutoAttack, and draw no curve "
              "over eps: saves time." },
    { .name = "robust-min",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(robust_min),
      .metavar = "SHARE",
      .fallback = "-1",
      .min = -1,
      .max = 1,
      .help = "Fail only when robust accuracy is below SHARE, 0 to 1." },
    { .name = "low",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(low),
      .metavar = "VALUE",
      .fallback = "0",
      .min = -1e9,
      .max = 1e9,
      .help = "Least value an input may have." },
    { .name = "high",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(high),
      .metavar = "VALUE",
      .fallback = "1",
      .min = -1e9,
      .max = 1e9,
      .help = "Largest value an input may have." },
    { .name = "name",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(name),
      .metavar = "NAME",
      .help = "How reports call the model (default: its file name)." },
    { .name = "memory",
      .kind = BTZ_OPTION_INT,
      .offset = ARG(memory_mib),
      .metavar = "MIB",
      .fallback = "4096",
      .min = 16,
      .max = 1048576,
      .help = "Memory for networks and attacks." },
    BTZ_SCAN_OPTIONS,
};

/* ---- the same as a section of bartizan.yaml, so that there is one way into the practice ---------------------------------- */

static enum btz_err put(struct btz_buf *out, const char *key, const char *value)
{
    if (!value)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "    %s: ", key));
    BTZ_TRY(btz_yaml_write_text(value, out));
    return btz_buf_add_byte(out, '\n');
}

/* What the rules for names allow of a file's. */
static enum btz_err name_of(const char *path, char out[65])
{
    const char *slash = strrchr(path, '/'), *from = slash ? slash + 1 : path;
    size_t n = 0;

    for (; from[n] && n < 64; n++)
        out[n] = (from[n] >= 'a' && from[n] <= 'z') || (from[n] >= 'A' && from[n] <= 'Z') ||
                         (from[n] >= '0' && from[n] <= '9') || (n && strchr("._-", from[n]))
                     ? from[n]
                     : '_';
    out[n] = '\0';
    return n ? BTZ_OK : btz_fail(BTZ_USAGE, "%s: not the name of a file", path);
}

static bool is_address(const char *operand)
{
    return strncmp(operand, "http://", 7) == 0 || strncmp(operand, "https://", 8) == 0;
}

static enum btz_err put_headers(struct btz_buf *out, const struct btz_option_list *headers)
{
    if (headers->count)
        BTZ_TRY(btz_buf_add_str(out, "    headers:\n"));
    for (size_t i = 0; i < headers->count; i++) {
        const char *line = headers->items[i], *colon = strchr(line, ':');

        if (!colon || colon == line)
            return btz_fail(BTZ_USAGE, "--header number %zu: expected NAME: VALUE", i + 1);
        BTZ_TRY(btz_buf_printf(out, "      %.*s: ", (int)(colon - line), line));
        BTZ_TRY(btz_yaml_write_text(colon + 1 + strspn(colon + 1, " "), out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err put_address(struct btz_buf *out, const struct args *a)
{
    BTZ_TRY(put(out, "protocol", a->protocol));
    BTZ_TRY(put(out, "request", a->request));
    BTZ_TRY(put(out, "scores_at", a->scores_at));
    BTZ_TRY(put(out, "labels_at", a->labels_at));
    BTZ_TRY(put(out, "input", a->input));
    BTZ_TRY(put(out, "ca_file", a->ca_file));
    BTZ_TRY(btz_buf_printf(out,
                           "    rows: %" PRId64 "\n    concurrency: %" PRId64 "\n    rate: %.17g\n",
                           a->rows, a->concurrency, a->rate));
    return put_headers(out, &a->headers);
}

static enum btz_err put_model(struct btz_buf *out, const struct args *a, const char *path)
{
    char name[65];

    if (is_address(path))
        snprintf(name, sizeof name, "endpoint");
    else
        BTZ_TRY(name_of(path, name));
    BTZ_TRY(btz_buf_add_str(out, "models:\n  -\n"));
    BTZ_TRY(put(out, "name", a->name ? a->name : name));
    BTZ_TRY(put(out, is_address(path) ? "url" : "path", path));
    BTZ_TRY(put(out, "data", a->data));
    BTZ_TRY(put(out, "labels", a->labels));
    BTZ_TRY(put(out, "label_column", a->label_column));
    BTZ_TRY(put(out, "constraints", a->constraints));
    BTZ_TRY(put(out, "save", a->save));
    BTZ_TRY(btz_buf_printf(out, "    classes: %" PRId64 "\n", a->classes));
    if (is_address(path))
        BTZ_TRY(put_address(out, a));
    return btz_buf_printf(
        out,
        "    norm: %s\n    eps: %.17g\n    low: %.17g\n    high: %.17g\n    robust_min: %.17g\n",
        norms[a->norm], a->eps, a->low, a->high, a->robust_min);
}

static enum btz_err put_set(struct btz_buf *out, const struct btz_option_list *set)
{
    if (set->count)
        BTZ_TRY(btz_buf_add_str(out, "  set:\n"));
    for (size_t i = 0; i < set->count; i++) {
        const char *equals = strchr(set->items[i], '=');

        if (!equals || equals == set->items[i])
            return btz_fail(BTZ_USAGE, "--set %s: expected ATTACK.PARAMETER=NUMBER", set->items[i]);
        BTZ_TRY(btz_buf_printf(out, "    %.*s: ", (int)(equals - set->items[i]), set->items[i]));
        BTZ_TRY(btz_yaml_write_text(equals + 1, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err put_robust(struct btz_buf *out, const struct args *a)
{
    BTZ_TRY(btz_buf_printf(out,
                           "robust:\n  samples: %" PRId64 "\n  queries: %" PRId64
                           "\n  memory_mib: %" PRId64 "\n  alone: %s\n  signs: %s\n",
                           a->samples, a->queries, a->memory_mib, a->alone ? "true" : "false",
                           a->no_signs ? "false" : "true"));
    if (a->attacks.count)
        BTZ_TRY(btz_buf_add_str(out, "  attacks:\n"));
    for (size_t i = 0; i < a->attacks.count; i++) {
        BTZ_TRY(btz_buf_add_str(out, "    - "));
        BTZ_TRY(btz_yaml_write_text(a->attacks.items[i], out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return put_set(out, &a->set);
}

/* ${NAME} stands for a variable of the environment, as in a file. */
static enum btz_err settings_of(struct btz_cli *cli, const struct args *a, const char *path,
                                struct btz_arena *arena, struct btz_settings *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20);
    const struct btz_yaml *root;
    const char *state;

    BTZ_TRY(btz_cli_state(cli, arena, &state));
    BTZ_TRY(put_model(&text, a, path));
    BTZ_TRY(put_robust(&text, a));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&text), "options", arena, &root));
    BTZ_TRY(
        btz_settings_parse(root, "options", btz_practices, btz_cli_env(), &cli->log, arena, out));
    out->state = state;
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_settings settings;
    enum btz_err err;

    (void)operand_count;
    btz_arena_init(&arena, (size_t)256 << 20);
    err = settings_of(cli, a, operands[0], &arena, &settings);
    return err ? btz_cli_fail(cli, err) : btz_cli_scan(cli, &a->scan, &settings, &arena);
}

const struct btz_command btz_command_robust_attack = {
    .noun = "robust",
    .verb = "attack",
    .summary = "Attack a classifier and report what is left of its accuracy",
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
