/* bartizan access try: one question to policy files, answered with its reasons. */
#include <math.h>

#include "cli/access_policy.h"

struct args {
    const char *policy, *at, *key, *model, *endpoint, *tool, *address;
    double cost;
    int64_t mfa_age;
    bool client_cert;
    int format;
};

#define TEXT(field, word, meta, text)                                                              \
    {                                                                                              \
        .name = word, .kind = BTZ_OPTION_STRING, .offset = offsetof(struct args, field),           \
        .metavar = meta, .help = text                                                              \
    }
static const struct btz_option options[] = {
    { .name = "policy",
      .letter = 'p',
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, policy),
      .metavar = "FILE",
      .required = true,
      .help = "The policy file, with principals and bindings." },
    TEXT(at, "at", "TIME", "When it is asked, such as 2027-01-31T08:00:00Z; now otherwise."),
    TEXT(key, "key", "KEY", "The key it is asked with."),
    TEXT(model, "model", "NAME", "The model that the request is for."),
    TEXT(endpoint, "endpoint", "NAME", "The endpoint that it comes by."),
    TEXT(tool, "tool", "NAME", "The tool that is called."),
    TEXT(address, "address", "ADDRESS", "Where it comes from."),
    { .name = "cost",
      .kind = BTZ_OPTION_REAL,
      .offset = offsetof(struct args, cost),
      .metavar = "N",
      .fallback = "-1",
      .min = -1,
      .max = 1e12,
      .help = "What it costs; -1: not known." },
    { .name = "mfa-age",
      .kind = BTZ_OPTION_DURATION,
      .offset = offsetof(struct args, mfa_age),
      .metavar = "DURATION",
      .min = -1,
      .max = 1e15,
      .help = "How long ago a second factor was shown; none otherwise." },
    { .name = "client-cert",
      .kind = BTZ_OPTION_FLAG,
      .offset = offsetof(struct args, client_cert),
      .help = "With a client certificate." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = btz_cli_policy_formats,
      .help = "How to print the answer." },
};

static void print_rule(struct btz_cli *cli, const json_t *rule, const char *before)
{
    const json_t *bindings = json_object_get(rule, "bindings");

    fputs(before, cli->out);
    btz_cli_put(cli, rule, "effect");
    fputs(" by ", cli->out);
    btz_cli_put(cli, rule, "id");
    fputs(" (", cli->out);
    btz_cli_put(cli, rule, "file");
    fprintf(cli->out, ":%lld), role ",
            (long long)json_integer_value(json_object_get(rule, "line")));
    btz_cli_put(cli, rule, "role");
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *b = json_array_get(bindings, i);

        fputs(i > 0 ? ", " : " held by ", cli->out);
        btz_cli_put(cli, b, "id");
        if (json_object_get(b, "group")) {
            fputs(" of group ", cli->out);
            btz_cli_put(cli, b, "group");
        }
    }
    fputc('\n', cli->out);
}

static enum btz_err print(struct btz_cli *cli, const struct args *args, struct btz_slice json)
{
    BTZ_JSON json_t *e = NULL;
    const json_t *nearest, *matching;

    if (args->format == 1) {
        fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(json));
        return BTZ_OK;
    }
    BTZ_TRY(btz_json_parse(json, (size_t)1 << 30, "explanation", &e));
    btz_cli_put(cli, e, "verdict");
    fputs(". ", cli->out);
    btz_cli_put(cli, e, "why");
    fputc('\n', cli->out);
    if (json_is_string(json_object_get(e, "note"))) {
        btz_cli_put(cli, e, "note");
        fputc('\n', cli->out);
    }
    if (json_is_object(json_object_get(e, "rule")))
        print_rule(cli, json_object_get(e, "rule"), "decided: ");
    matching = json_object_get(e, "matching");
    for (size_t i = 0; i < json_array_size(matching); i++)
        print_rule(cli, json_array_get(matching, i), "matches: ");
    nearest = json_object_get(e, "nearest");
    if (json_is_object(nearest)) {
        print_rule(cli, nearest, "nearest: ");
        btz_cli_put_list(cli, json_object_get(nearest, "unmet"), "  ");
    }
    return BTZ_OK;
}

static enum btz_err answer(struct btz_cli *cli, const struct args *args,
                           const struct btz_policy_file *file, const struct btz_policy_case *c,
                           enum btz_verdict *verdict)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(0), json = BTZ_BUF((size_t)1 << 30);
    struct btz_snapshot *s;
    struct btz_request r;
    struct btz_decision d;
    enum btz_err err;

    BTZ_TRY(btz_policy_snapshot(&file->model, &bytes, &s));
    err = btz_policy_case_request(s, c, &file->model, &r);
    if (err == BTZ_OK) {
        btz_decide(s, &r, &d);
        *verdict = d.verdict;
        err = btz_explain(&file->model, s, &r, &json);
    }
    btz_snapshot_close(s);
    BTZ_TRY(err);
    return print(cli, args, btz_buf_slice(&json));
}

static int run(struct btz_cli *cli, const void *user, const char *const *operands,
               size_t operand_count)
{
    const struct args *args = user;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_case c = { .principal = operands[0],
                                 .action = operands[1],
                                 .resource = operands[2],
                                 .key = args->key,
                                 .model = args->model,
                                 .endpoint = args->endpoint,
                                 .tool = args->tool,
                                 .address = args->address,
                                 .cost = args->cost < 0 ? (double)NAN : args->cost,
                                 .mfa_age_s = UINT32_MAX,
                                 .client_cert = args->client_cert };
    struct btz_policy_file file;
    enum btz_verdict verdict = BTZ_VERDICT_DENY;
    enum btz_err err;

    (void)operand_count;
    btz_arena_init(&arena, BTZ_CLI_POLICY_ARENA);
    if (args->mfa_age > 0)
        c.mfa_age_s =
            args->mfa_age / 1000 < UINT32_MAX ? (uint32_t)(args->mfa_age / 1000) : UINT32_MAX - 1;
    err = btz_cli_moment(args->at, &c.now_s);
    if (err == BTZ_OK)
        err = btz_policy_load(args->policy, c.now_s, &arena, &file);
    if (err == BTZ_OK)
        err = answer(cli, args, &file, &c, &verdict);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return verdict != BTZ_VERDICT_ALLOW;
}

const struct btz_command btz_command_access_try = {
    .noun = "access",
    .verb = "try",
    .summary = "Ask policy files one question and say why the answer is what it is.",
    .details =
        "Names the deciding rule, the role and binding it came by, every other rule that matches, "
        "and, where the answer is not allow, the allow that was nearest with each condition that "
        "it "
        "misses. Nothing of the installation is read or changed; `bartizan access explain` asks "
        "the installation.\n\n"
        "The exit status is 0 for allow, 1 for deny and step-up, 2 when a file or name is "
        "wrong.\n\n"
        "Examples:\n"
        "  bartizan access try --policy policies.yaml alice model.invoke model/gpt-4o\n"
        "  bartizan access try -p policies.yaml alice model.release model/a --mfa-age 5m",
    .operands = "PRINCIPAL ACTION RESOURCE",
    .min_operands = 3,
    .max_operands = 3,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
