/* bartizan access diff: whose answers differ between two files of policies. */
#include "cli/access_policy.h"

struct args {
    const char *at;
    int64_t changes, questions;
    int format;
};

static const struct btz_option options[] = {
    { .name = "at",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, at),
      .metavar = "TIME",
      .help = "The moment of comparison, such as 2027-01-31T08:00:00Z; now otherwise." },
    { .name = "changes",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, changes),
      .metavar = "N",
      .fallback = "10000",
      .min = 1,
      .max = 1000000,
      .help = "How many changes to list at most." },
    { .name = "questions",
      .kind = BTZ_OPTION_INT,
      .offset = offsetof(struct args, questions),
      .metavar = "N",
      .fallback = "20000000",
      .min = 1,
      .max = 1e12,
      .help = "How many questions to ask of each file at most." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = btz_cli_policy_formats,
      .help = "How to print the changes." },
};

static void print_context(struct btz_cli *cli, const json_t *context)
{
    const char *key, *sign = "";
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)context, key, value)
    {
        if (json_is_string(value) && !json_string_value(value)[0])
            continue;
        fprintf(cli->out, "%s%s ", sign, key);
        if (json_is_string(value))
            btz_cli_put(cli, context, key);
        else if (json_is_boolean(value))
            fputs(json_is_true(value) ? "yes" : "no", cli->out);
        else if (json_is_number(value))
            fprintf(cli->out, "%g", json_number_value(value));
        else
            fputs("not known", cli->out);
        sign = ", ";
    }
}

static void print_change(struct btz_cli *cli, const json_t *c)
{
    const json_t *names = json_object_get(c, "principals");
    long long contexts = json_integer_value(json_object_get(c, "contexts"));
    long long of = json_integer_value(json_object_get(c, "of"));
    const char *after = json_string_value(json_object_get(c, "after"));

    fputs(after && strcmp(after, "deny") == 0 ? "- " : "+ ", cli->out);
    btz_cli_put(cli, c, "action");
    fputc(' ', cli->out);
    btz_cli_put(cli, c, "resource");
    fputs(": ", cli->out);
    btz_cli_put(cli, c, "before");
    fputs(" -> ", cli->out);
    btz_cli_put(cli, c, "after");
    fputs(" for ", cli->out);
    for (size_t i = 0; i < json_array_size(names) && i < 8; i++) {
        json_t *one = json_pack("{s:O}", "name", json_array_get(names, i));

        fputs(i > 0 ? ", " : "", cli->out);
        btz_cli_put(cli, one, "name");
        json_decref(one);
    }
    if (json_array_size(names) > 8)
        fprintf(cli->out, " and %zu more", json_array_size(names) - 8);
    if (contexts < of) {
        fprintf(cli->out, " in %lld of %lld contexts, such as ", contexts, of);
        print_context(cli, json_object_get(c, "context"));
    }
    fputc('\n', cli->out);
}

static enum btz_err print(struct btz_cli *cli, const struct args *args, struct btz_slice json,
                          bool *capped)
{
    BTZ_JSON json_t *d = NULL;
    json_t *changes;

    BTZ_TRY(btz_json_parse(json, (size_t)1 << 30, "changes", &d));
    *capped = json_is_true(json_object_get(d, "capped"));
    if (args->format == 1) {
        fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(json));
        return BTZ_OK;
    }
    changes = json_object_get(d, "changes");
    for (size_t i = 0; i < json_array_size(changes); i++)
        print_change(cli, json_array_get(changes, i));
    if (*capped)
        fputs("NOT COMPLETE: more changes or questions than the limits allow; raise --changes or "
              "--questions\n",
              cli->out);
    if (cli->quiet)
        return BTZ_OK;
    fprintf(cli->out,
            "%lld answers change, %lld towards allow, %lld away from it; asked for %lld principals "
            "on %lld resources in %lld contexts%s\n",
            (long long)json_integer_value(json_object_get(d, "changed")),
            (long long)json_integer_value(json_object_get(d, "more")),
            (long long)json_integer_value(json_object_get(d, "less")),
            (long long)json_integer_value(json_object_get(d, "principals")),
            (long long)json_integer_value(json_object_get(d, "resources")),
            (long long)json_integer_value(json_object_get(d, "contexts")),
            json_is_true(json_object_get(d, "contexts_sampled")) ? " (a sample of them)" : "");
    return BTZ_OK;
}

static enum btz_err diff(struct btz_cli *cli, const struct args *args, const char *const *files,
                         bool *differ)
{
    BTZ_BUF_RELEASE struct btz_buf json = BTZ_BUF((size_t)1 << 30);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_diff_limits limits = { .questions = (uint64_t)args->questions,
                                             .changes = (size_t)args->changes };
    struct btz_policy_file file[2];
    size_t changed;
    bool capped;

    btz_arena_init(&arena, BTZ_CLI_POLICY_ARENA);
    BTZ_TRY(btz_cli_moment(args->at, &limits.now_s));
    for (int i = 0; i < 2; i++)
        BTZ_TRY(btz_policy_load(files[i], limits.now_s, &arena, &file[i]));
    BTZ_TRY(btz_policy_diff(&file[0].model, &file[1].model, &limits, &changed, &json));
    BTZ_TRY(print(cli, args, btz_buf_slice(&json), &capped));
    *differ = changed > 0 || capped;
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    bool differ = false;
    enum btz_err err = diff(cli, args, operands, &differ);

    (void)operand_count;
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return differ;
}

const struct btz_command btz_command_access_diff = {
    .noun = "access",
    .verb = "diff",
    .summary = "List every answer that differs between two policy files.",
    .details =
        "Both files are asked the same: for every principal of either, every action, on the "
        "resources that the files name and one for each of their patterns, in the contexts that "
        "their conditions tell apart (second factor, certificate, cost, address, time, model, "
        "endpoint, tool). Files without principals are asked for one holder of each role. Nothing "
        "of the installation is read or changed.\n\n"
        "`+` is an answer that gives more, `-` one that gives less. docs/policies.md says what is "
        "asked exactly.\n\n"
        "The exit status is 0 when nothing changes, 1 when something does or a limit was "
        "reached, 2 when a file is "
        "wrong.\n\n"
        "Examples:\n"
        "  bartizan access diff policies.yaml policies-new.yaml\n"
        "  bartizan access diff --format json old.yaml new.yaml | jq '.changes[] | "
        "select(.after == \"allow\")'",
    .operands = "OLD NEW",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
