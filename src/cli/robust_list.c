#include "cli/cli.h"
#include "base/json.h"
#include "robust/robust.h"
#include "robust/text.h"

struct args {
    int format;
};
static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How the list is printed." },
};

static const char *const access_names[] = { "gradients", "scores", "labels" };

static void print_params(FILE *out, const char *id, const struct btz_attack_param *p, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fprintf(out, "    %s.%s = %g [%g to %g]  %s\n", id, p[i].name, p[i].fallback, p[i].min,
                p[i].max, p[i].help);
}

static void print_attack(FILE *out, const struct btz_attack *a)
{
    fprintf(out, "%s (%s", a->id, access_names[a->access]);
    for (int n = 0; n < BTZ_NORM_COUNT; n++)
        if (a->norms >> n & 1)
            fprintf(out, ", %s", btz_norm_name((enum btz_norm)n));
    fprintf(out, ")\n    %s\n", a->summary);
    print_params(out, a->id, a->params, a->param_count);
    fprintf(out, "    %s\n\n", a->source);
}

static void print_text_attack(FILE *out, const struct btz_text_attack *a)
{
    fprintf(out, "%s (scores or labels, texts)\n    %s\n", a->id, a->summary);
    print_params(out, a->id, a->params, a->param_count);
    fprintf(out, "    %s\n\n", a->source);
}

static json_t *params_of(const struct btz_attack_param *p, size_t count)
{
    json_t *params = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(params,
                              json_pack("{s:s, s:s, s:f, s:f, s:f, s:b}", "name", p[i].name, "help",
                                        p[i].help, "default", p[i].fallback, "min", p[i].min, "max",
                                        p[i].max, "whole", (int)p[i].whole));
    return params;
}

static json_t *json_of(const struct btz_attack *a)
{
    json_t *norms = json_array();

    for (int n = 0; n < BTZ_NORM_COUNT; n++)
        if (a->norms >> n & 1)
            json_array_append_new(norms, json_string(btz_norm_name((enum btz_norm)n)));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o}", "id", a->id, "command", "attack",
                     "summary", a->summary, "needs", access_names[a->access], "norms", norms,
                     "rule", a->rule, "source", a->source, "parameters",
                     params_of(a->params, a->param_count));
}

/* Changes of texts have no norm; scores are used where there are any. */
static json_t *json_of_text(const struct btz_text_attack *a)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[], s:s, s:s, s:o}", "id", a->id, "command", "text",
                     "summary", a->summary, "needs", "labels", "norms", "rule",
                     "redteam.evasion.text", "source", a->source, "parameters",
                     params_of(a->params, a->param_count));
}

static enum btz_err print_json(FILE *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)4 << 20);
    BTZ_JSON json_t *list = json_array();

    for (const struct btz_attack *const *a = btz_attacks; *a; a++)
        json_array_append_new(list, json_of(*a));
    for (const struct btz_text_attack *const *a = btz_text_attacks; *a; a++)
        json_array_append_new(list, json_of_text(*a));
    BTZ_TRY(btz_json_write(list, true, &text));
    if (fwrite(text.ptr, 1, text.len, out) != text.len || fputc('\n', out) == EOF)
        return btz_fail_errno(BTZ_IO, "write the list");
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    if (a->format == 1) {
        err = print_json(cli->out);
        return err ? btz_cli_fail(cli, err) : 0;
    }
    for (const struct btz_attack *const *at = btz_attacks; *at; at++)
        print_attack(cli->out, *at);
    fputs("Attacks on texts, for `bartizan robust text`:\n\n", cli->out);
    for (const struct btz_text_attack *const *at = btz_text_attacks; *at; at++)
        print_text_attack(cli->out, *at);
    fputs("AutoAttack, arXiv 2003.01690: standard, plus and rand stand for its sequences.\n",
          cli->out);
    return 0;
}

const struct btz_command btz_command_robust_list = {
    .noun = "robust",
    .verb = "list",
    .summary = "Attacks on classifiers, with their parameters and sources.",
    .details = "Of each attack: what it must see of the model, the norms it knows, its parameters "
               "with defaults and limits, and the paper it is from. In JSON `command` says whose "
               "attack it is: `robust attack` or `robust text`.",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
