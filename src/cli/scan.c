#include "cli/scanning.h"

struct args {
    struct btz_scan_args scan;
};

static const struct btz_option options[] = { BTZ_SCAN_OPTIONS };

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_settings settings;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)256 << 20);
    err = btz_cli_settings(cli, &arena, &settings);
    return err ? btz_cli_fail(cli, err) : btz_cli_scan(cli, &a->scan, &settings, &arena);
}

const struct btz_command btz_command_scan = {
    .noun = "scan",
    .summary = "Run every practice of bartizan.yaml and report what it proves.",
    .details =
        "Attacks the targets, checks the assets, writes each finding with its evidence to the "
        "ledger, and prints a "
        "report. Exit status: 0 clean, 1 findings at or above --fail-on or a risk above "
        "--risk-threshold, 2 wrong "
        "usage or configuration, 3 unreadable input, 4 i/o or target unreachable, 5 denied.\n\n"
        "Examples:\n"
        "  bartizan scan --report html=report.html --report sarif=report.sarif\n"
        "  bartizan scan --baseline last-week.json --fail-on high\n"
        "  bartizan scan --dry-run",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
