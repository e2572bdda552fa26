/* bartizan gate train: the injection classifier, rebuilt from labelled files. */
#include <math.h>
#include <stdlib.h>

#include <bartizan/stats.h>

#include "cli/cli.h"
#include "gate/guard/train.h"

struct args {
    struct btz_option_list in;
    const char *out;
    bool single;
};

static const struct btz_option options[] = {
    { .name = "in",
      .letter = 'i',
      .kind = BTZ_OPTION_STRINGS,
      .offset = offsetof(struct args, in),
      .metavar = "FILE",
      .help = "Labelled texts: one JSON object a line with text, label (injection or benign), and "
              "optionally channel and source. May be given several times.",
      .required = true },
    { .name = "out",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, out),
      .metavar = "FILE",
      .help = "Where the classifier goes; guard.classifier names it then.",
      .required = true },
    { .name = "unevaluated",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, single),
      .help = "Train although the texts come from a single source, so that nothing can be said of "
              "how well it works." },
};

static void print_share(struct btz_cli *cli, const char *head, const char *source, const char *what,
                        size_t hits, size_t n)
{
    struct btz_interval i;

    if (n > 0 && btz_exact_interval(hits, n, 0.95, BTZ_SIDE_TWO, &i) == BTZ_OK)
        fprintf(cli->out, "%-9s %-28s %-16s %6.1f %%  [%5.1f, %5.1f]  n = %zu\n", head, source,
                what, 100 * (double)hits / (double)n, 100 * i.low, 100 * i.high, n);
}

/* Margins by weights that did not see the source, against a threshold that was set without it. */
static void report_source(struct btz_cli *cli, const struct btz_train_set *s,
                          enum btz_class_head head, const double *margin, size_t source)
{
    double threshold =
        btz_train_threshold(s, head, margin, btz_train_family(s, source), BTZ_TRAIN_CONFIDENCE);
    size_t hits[2] = { 0 }, n[2] = { 0 };

    for (size_t i = 0; i < s->count; i++)
        if (s->texts[i].source == source && !isnan(margin[i])) {
            n[s->texts[i].injection]++;
            hits[s->texts[i].injection] += margin[i] >= threshold;
        }
    print_share(cli, btz_class_head_name(head), s->source[source].name, "recall", hits[1], n[1]);
    print_share(cli, btz_class_head_name(head), s->source[source].name, "false positives", hits[0],
                n[0]);
}

static enum btz_err check_sources(const struct btz_train_set *s, bool single)
{
    size_t benign = 0, injections = 0;

    for (size_t i = 0; i < s->sources; i++) {
        benign += s->source[i].benign;
        injections += s->source[i].injections;
    }
    if (benign == 0 || injections == 0)
        return btz_fail(BTZ_INPUT, "%zu benign texts and %zu injections: both are needed", benign,
                        injections);
    if (s->sources < 2 && !single)
        return btz_fail(BTZ_INPUT,
                        "all texts are of one source (%s): a classifier that is tested on what it "
                        "was trained on shows nothing; name sources with `source`, add files, or "
                        "say --unevaluated",
                        s->source[0].name);
    return BTZ_OK;
}

static enum btz_err build(struct btz_cli *cli, const struct args *a, struct btz_train_set *s,
                          struct btz_class_weights *w, double *margin[BTZ_CLASS_HEADS])
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(BTZ_CLASS_FILE_MAX);

    BTZ_TRY(btz_train_build(s, &btz_train_defaults, margin, w));
    for (int h = 0; h < BTZ_CLASS_HEADS && s->sources > 1; h++)
        for (size_t k = 0; k < s->sources; k++)
            report_source(cli, s, (enum btz_class_head)h, margin[h], k);
    if (s->sources < 2)
        fprintf(cli->err, "bartizan: not evaluated: all texts are of one source\n");
    BTZ_TRY(btz_class_encode(w, &out));
    return btz_file_write(a->out, btz_buf_slice(&out), 0644);
}

static enum btz_err train(struct btz_cli *cli, const struct args *a, struct btz_train_set *s)
{
    BTZ_FREE struct btz_class_weights *w = malloc(sizeof *w);
    BTZ_FREE double *direct = NULL;
    BTZ_FREE double *indirect = NULL;

    BTZ_TRY(btz_train_init(s));
    for (size_t i = 0; i < a->in.count; i++)
        BTZ_TRY(btz_train_add_file(s, a->in.items[i]));
    BTZ_TRY(check_sources(s, a->single));
    direct = calloc(s->count, sizeof *direct);
    indirect = calloc(s->count, sizeof *indirect);
    if (!w || !direct || !indirect)
        return btz_fail(BTZ_LIMIT, "out of memory for training");
    return build(cli, a, s, w, (double *[]){ direct, indirect });
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    static struct btz_train_set set;
    enum btz_err err = train(cli, args, &set);

    (void)operands;
    (void)operand_count;
    btz_train_release(&set);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_train = {
    .noun = "gate",
    .verb = "train",
    .summary = "Train the injection classifier on labelled texts.",
    .details =
        "Builds a classifier file for guard.classifier. Texts that nobody may order are labelled "
        "injection, all others benign; channel says where they stand (user, document, tool-result "
        "...) and source which collection they come from (the file's name where it is not "
        "given).\n\n"
        "For each source a second classifier is trained without it, and recall and false "
        "positives on it are printed with exact 95 % intervals: how well it works on texts of a "
        "kind that it has not seen. Equal files give equal bytes.\n\n"
        "    bartizan gate train --in attacks.jsonl --in tickets.jsonl --out guard.btz",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
