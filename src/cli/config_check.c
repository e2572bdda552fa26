/* bartizan config check: would this configuration run? */
#include <math.h>

#include "cli/cli.h"
#include "gate/gate.h"
#include "watch/watch.h"

#define CHECK_CAP ((size_t)256 << 20)

/* Whether it can be made is known only by making it: detectors read rules, words and files. */
static enum btz_err check_guard(struct btz_cli *cli, struct btz_arena *arena,
                                const struct btz_settings *s)
{
    const struct btz_gate_conf *gate = btz_settings_of(s, &btz_section_gate);
    enum btz_err err = btz_gate_guard_check(&gate->guard, cli->config_path, arena);

    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "%s: gate", cli->config_path);
}

static enum btz_err check(struct btz_cli *cli, struct btz_arena *arena, struct btz_settings *s)
{
    BTZ_TRY(btz_cli_settings(cli, arena, s));
    for (size_t i = 0; btz_practices[i]; i++) {
        const void *conf = btz_settings_practice(s, btz_practices[i]);
        const struct btz_context ctx = { .state_dir = s->state,
                                         .run_id = "check",
                                         .seed = s->seed,
                                         .threads = s->threads,
                                         .log = &cli->log };
        struct btz_forecast forecast = { .seconds = NAN, .cost = NAN };
        void *plan;

        /* A plan is pure; it knows what tables cannot say: names of probes, presets, targets. */
        if (conf && btz_practices[i]->plan(conf, &ctx, arena, &plan, &forecast) != BTZ_OK)
            return btz_fail_context(BTZ_USAGE, "%s: %s", cli->config_path, btz_practices[i]->name);
    }
    return check_guard(cli, arena, s);
}

static void print_text(struct btz_cli *cli, const char *label, const char *text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);

    if (btz_utf8_printable(btz_str(text), false, &out) == BTZ_OK)
        fprintf(cli->out, "%s%.*s", label, BTZ_SLICE_ARG(btz_buf_slice(&out)));
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_settings s;
    enum btz_err err;

    (void)args;
    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, CHECK_CAP);
    err = check(cli, &arena, &s);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    print_text(cli, "", cli->config_path);
    fprintf(cli->out, ": valid\n");
    for (size_t i = 0; btz_practices[i]; i++)
        fprintf(cli->out, "  practice %s: %s\n", btz_practices[i]->name,
                btz_settings_practice(&s, btz_practices[i]) ? "runs"
                                                            : "has no section, does not run");
    for (size_t i = 0; i < s.uncovered_count; i++) {
        print_text(cli, "  not evaluated: ", s.uncovered[i].asset.kind);
        print_text(cli, " ", s.uncovered[i].asset.name);
        fprintf(cli->out, " (line %u): %s\n", s.uncovered[i].line, s.uncovered[i].reason);
    }
    return 0;
}

const struct btz_command btz_command_config_check = {
    .noun = "config",
    .verb = "check",
    .summary = "Check bartizan.yaml without running anything.",
    .details =
        "Reports the first error with its file and line, and exits with 2. Otherwise it says "
        "which practices would run and which assets nothing would look at.\n\n"
        "Examples:\n"
        "  bartizan config check\n"
        "  bartizan --config staging.yaml config check",
    .run = run,
};
