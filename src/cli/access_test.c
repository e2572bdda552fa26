/* bartizan access test: unit tests of policies. */
#include "cli/access_policy.h"

struct args {
    const char *at;
    int format;
};

static const struct btz_option options[] = {
    { .name = "at",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, at),
      .metavar = "TIME",
      .help = "The moment of tests that name none, such as 2027-01-31T08:00:00Z; now otherwise." },
    { .name = "format",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = btz_cli_policy_formats,
      .help = "How to print the results; json is one object a file." },
};

static void print_failure(struct btz_cli *cli, const json_t *file, const json_t *test)
{
    const char *wanted_rule = json_string_value(json_object_get(test, "expected_rule"));
    const char *found_rule = json_string_value(json_object_get(test, "found_rule"));

    btz_cli_put(cli, file, "file");
    fprintf(cli->out, ":%lld: FAILED ",
            (long long)json_integer_value(json_object_get(test, "line")));
    if (json_is_string(json_object_get(test, "name"))) {
        btz_cli_put(cli, test, "name");
        fputs(": ", cli->out);
    }
    btz_cli_put(cli, test, "principal");
    fputc(' ', cli->out);
    btz_cli_put(cli, test, "action");
    fputc(' ', cli->out);
    btz_cli_put(cli, test, "resource");
    fputs(": expected ", cli->out);
    btz_cli_put(cli, test, "expected");
    if (wanted_rule) {
        fputs(" by ", cli->out);
        btz_cli_put(cli, test, "expected_rule");
    }
    fputs(", found ", cli->out);
    btz_cli_put(cli, test, "found");
    if (found_rule && found_rule[0]) {
        fputs(" by ", cli->out);
        btz_cli_put(cli, test, "found_rule");
    }
    fputs(". ", cli->out);
    btz_cli_put(cli, test, "why");
    fputc('\n', cli->out);
    if (!json_is_string(json_object_get(test, "nearest")))
        return;
    fputs("  nearest allow: ", cli->out);
    btz_cli_put(cli, test, "nearest");
    fputs(", but\n", cli->out);
    btz_cli_put_list(cli, json_object_get(test, "unmet"), "    ");
}

static enum btz_err print(struct btz_cli *cli, const struct args *args, struct btz_slice json)
{
    BTZ_JSON json_t *file = NULL;
    json_t *tests;

    if (args->format == 1) {
        fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(json));
        return BTZ_OK;
    }
    BTZ_TRY(btz_json_parse(json, (size_t)1 << 30, "results", &file));
    tests = json_object_get(file, "tests");
    for (size_t i = 0; i < json_array_size(tests); i++)
        if (!json_is_true(json_object_get(json_array_get(tests, i), "passed")))
            print_failure(cli, file, json_array_get(tests, i));
    if (cli->quiet)
        return BTZ_OK;
    btz_cli_put(cli, file, "file");
    fprintf(cli->out, ": %lld passed, %lld failed\n",
            (long long)json_integer_value(json_object_get(file, "passed")),
            (long long)json_integer_value(json_object_get(file, "failed")));
    return BTZ_OK;
}

static enum btz_err test_file(struct btz_cli *cli, const struct args *args, const char *path,
                              size_t *failed)
{
    BTZ_BUF_RELEASE struct btz_buf json = BTZ_BUF((size_t)1 << 30);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_file file;
    uint64_t now_s;
    size_t n;

    btz_arena_init(&arena, BTZ_CLI_POLICY_ARENA);
    BTZ_TRY(btz_cli_moment(args->at, &now_s));
    BTZ_TRY(btz_policy_load(path, now_s, &arena, &file));
    if (file.case_count == 0)
        return btz_fail(BTZ_USAGE, "%s: there are no `tests:` in it", path);
    BTZ_TRY(btz_policy_test(&file, &n, &json));
    *failed += n;
    return print(cli, args, btz_buf_slice(&json));
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    size_t failed = 0;

    for (size_t i = 0; i < operand_count; i++) {
        enum btz_err err = test_file(cli, args, operands[i], &failed);

        if (err != BTZ_OK)
            return btz_cli_fail(cli, err);
    }
    return failed > 0;
}

const struct btz_command btz_command_access_test = {
    .noun = "access",
    .verb = "test",
    .summary = "Run the unit tests of policy files.",
    .details =
        "A file holds policies, or includes them, and `tests`: who asks for what, and the answer "
        "that is expected. The ready roles are there as in every installation. Nothing of the "
        "installation is read or changed.\n\n"
        "  include: [policies.yaml]\n"
        "  principals: {alice: {}, ci: {kind: service}}\n"
        "  bindings: [{role: ml-engineer, principal: alice}]\n"
        "  tests:\n"
        "    - {principal: alice, action: model.invoke, resource: model/gpt-4o, expect: allow}\n"
        "    - {principal: alice, action: model.release, resource: model/a, expect: step-up}\n"
        "    - {principal: alice, action: model.release, resource: model/a, mfa_age: 5m, expect: "
        "allow,\n"
        "       rule: ready/engineer-release}\n"
        "    - {principal: ci, action: model.invoke, resource: model/a, expect: deny}\n\n"
        "A test may also give `name`, `key`, `model`, `endpoint`, `tool`, `cost`, `address`, "
        "`time` "
        "and `client_cert`. A test that fails names the deciding rule, and the allow that was "
        "nearest with what it misses.\n\n"
        "The exit status is 0 when all pass, 1 when one fails, 2 when a file is wrong.\n\n"
        "Examples:\n"
        "  bartizan access test policies-test.yaml\n"
        "  bartizan access test --format json policies-test.yaml",
    .operands = "FILE...",
    .min_operands = 1,
    .max_operands = -1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
