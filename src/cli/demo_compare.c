/* bartizan demo compare: the same attacks before and after, side by side, and what the guard had to do with it. */
#include <stdlib.h>

#include <bartizan/stats.h>

#include "cli/cli.h"
#include "finding/report.h"
#include "gate/journal/journal.h"

#define REPORT_MAX  ((size_t)256 << 20)
#define METRICS_MAX ((size_t)16 << 20)
#define ARENA_MAX   ((size_t)256 << 20)
#define RULES_MAX   256
#define CONFIDENCE  0.95
#define HITS        "bartizan_gate_detector_hits_total{"

struct args {
    const char *gate;
};

static const struct btz_option options[] = {
    { .name = "gate",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, gate),
      .metavar = "FOLDER",
      .help = "State folder of the gateway: what its detectors hit is printed too." },
};

/* ---- two reports ---- */

/* Tries of one attack resemble each other: each finding is a cluster. */
struct tries {
    const struct btz_rule *rule;
    struct btz_cluster cluster;
    bool after;
};
struct table {
    struct btz_arena arena;
    struct tries *tries;
    size_t count, room;
    const struct btz_rule *rules[RULES_MAX];
    size_t rule_count;
    uint64_t not_evaluated[2];
};

static enum btz_err add_tries(struct table *t, const struct btz_finding *f, bool after)
{
    bool known = false;

    for (size_t i = 0; i < t->rule_count; i++)
        known = known || t->rules[i] == f->rule;
    if (!known && t->rule_count == RULES_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d rules", RULES_MAX);
    if (!known)
        t->rules[t->rule_count++] = f->rule;
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : 1024;
        struct tries *more = btz_arena_array(&t->arena, room, sizeof *more);

        if (!more)
            return BTZ_LIMIT;
        if (t->count)
            memcpy(more, t->tries, t->count * sizeof *more);
        t->tries = more;
        t->room = room;
    }
    t->tries[t->count++] = (struct tries){ f->rule, { f->k, f->n }, after };
    return BTZ_OK;
}

static enum btz_err add_report(const char *path, bool after, struct table *t)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(REPORT_MAX + 65536);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_record *records;
    struct btz_results *results;
    struct btz_run run;
    enum btz_err err;
    size_t count;

    btz_arena_init(&arena, REPORT_MAX);
    BTZ_TRY(btz_file_read(path, REPORT_MAX, &text));
    err = btz_report_read(btz_buf_slice(&text), &arena, &results, &run);
    if (err != BTZ_OK)
        return btz_fail_context(err, "%s", path);
    records = btz_results_records(results, &count);
    for (size_t i = 0; i < count && err == BTZ_OK; i++) {
        const struct btz_finding *f = &records[i].finding;

        t->not_evaluated[after] += f->outcome == BTZ_OUTCOME_NOT_EVALUATED;
        if (f->n > 0 && f->outcome != BTZ_OUTCOME_NOT_EVALUATED)
            err = add_tries(t, f, after);
    }
    btz_results_free(results);
    return err;
}

static int by_id(const void *a, const void *b)
{
    const struct btz_rule *const *one = a, *const *other = b;

    return strcmp((*one)->id, (*other)->id);
}

/* ---- the table ---- */

/* What it costs the innocent is no attack. */
static bool is_utility(const struct btz_rule *rule)
{
    return strncmp(rule->id, "redteam.utility.", 16) == 0;
}

/* Rules on obfuscation look at the tries of other rules once more. */
static bool is_counted(const struct btz_rule *rule)
{
    return !is_utility(rule) && strncmp(rule->id, "redteam.obfuscation.", 20) != 0;
}

/* Of one rule; NULL: of all attacks. */
static enum btz_err add_rate(struct table *t, const struct btz_rule *rule, bool after,
                             struct btz_buf *out)
{
    struct btz_cluster *clusters = btz_arena_array(&t->arena, t->count + 1, sizeof *clusters);
    struct btz_clustered c;
    size_t count = 0;
    char text[80];

    if (!clusters)
        return BTZ_LIMIT;
    for (size_t i = 0; i < t->count; i++)
        if (t->tries[i].after == after &&
            (rule ? t->tries[i].rule == rule : is_counted(t->tries[i].rule)))
            clusters[count++] = t->tries[i].cluster;
    if (count == 0)
        return btz_buf_printf(out, "  %24s", "not tried");
    BTZ_TRY(btz_cluster_interval(clusters, count, CONFIDENCE, BTZ_SIDE_TWO, &c));
    snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64 " %3.0f%% [%.0f-%.0f]", c.k, c.n,
             100 * c.rate, 100 * c.interval.low, 100 * c.interval.high);
    return btz_buf_printf(out, "  %24s", text);
}

static enum btz_err add_line(struct table *t, const char *what, const struct btz_rule *rule,
                             struct btz_buf *out)
{
    BTZ_TRY(btz_buf_printf(out, "%-36.36s", what));
    BTZ_TRY(add_rate(t, rule, false, out));
    BTZ_TRY(add_rate(t, rule, true, out));
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err write_table(struct table *t, struct btz_buf *out)
{
    BTZ_TRY(
        btz_buf_printf(out, "%-36s  %24s  %24s\n", "Attacks that succeeded", "before", "after"));
    for (size_t i = 0; i < t->rule_count; i++)
        if (!is_utility(t->rules[i]))
            BTZ_TRY(add_line(t, t->rules[i]->id, t->rules[i], out));
    BTZ_TRY(add_line(t, "all together", NULL, out));
    for (size_t i = 0; i < t->rule_count; i++)
        if (is_utility(t->rules[i]))
            BTZ_TRY(add_line(t, "ordinary requests that were refused", t->rules[i], out));
    if (t->not_evaluated[0] + t->not_evaluated[1] > 0)
        BTZ_TRY(btz_buf_printf(out, "%-36s  %24" PRIu64 "  %24" PRIu64 "\n", "not evaluated",
                               t->not_evaluated[0], t->not_evaluated[1]));
    return btz_buf_add_str(out, "In brackets: 95 % intervals; tries of one attack count as much as "
                                "they differ.\n");
}

/* ---- what the detectors hit ---- */

static bool label(struct btz_slice line, const char *name, char *out, size_t size)
{
    size_t at = btz_slice_find(line, btz_str(name), 0), end;

    if (at == SIZE_MAX)
        return false;
    at += strlen(name);
    end = btz_slice_find(line, btz_str("\""), at);
    if (end == SIZE_MAX)
        return false;
    snprintf(out, size, "%.*s", (int)(end - at), (const char *)line.ptr + at);
    return true;
}

static enum btz_err read_counters(const char *folder, struct btz_buf *out)
{
    struct btz_metrics *metrics;
    char path[4096];
    enum btz_err err;

    snprintf(path, sizeof path, "%s/gate/metrics", folder);
    BTZ_TRY(btz_metrics_open(path, NULL, 0, NULL, 0, &metrics));
    err = btz_metrics_write(metrics, out);
    btz_metrics_close(metrics);
    return err;
}

static enum btz_err write_hits(const char *folder, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(METRICS_MAX);
    struct btz_reader r = { .what = "counters" };
    struct btz_slice line;
    size_t hits = 0;

    BTZ_TRY(read_counters(folder, &text));
    r.in = btz_buf_slice(&text);
    BTZ_TRY(btz_buf_add_str(out, "\nWhat the guard's detectors hit\n"));
    while (btz_read_line(&r, &line)) {
        size_t blank = line.len;
        char detector[64];
        double count;

        while (blank > 0 && line.ptr[blank - 1] != ' ')
            blank--;
        if (!btz_slice_has_prefix(line, btz_str(HITS)) ||
            !label(line, "detector=\"", detector, sizeof detector) ||
            btz_parse_double(btz_slice_sub(line, blank, line.len), &count) != BTZ_OK || count <= 0)
            continue;
        hits++;
        BTZ_TRY(btz_buf_printf(out, "%-36.36s  %24.0f\n", detector, count));
    }
    return hits ? BTZ_OK : btz_buf_add_str(out, "nothing\n");
}

static enum btz_err compare(const struct args *args, const char *const *operands,
                            struct btz_buf *out)
{
    struct table *t = calloc(1, sizeof *t);
    enum btz_err err;

    if (!t)
        return btz_fail(BTZ_LIMIT, "out of memory");
    btz_arena_init(&t->arena, ARENA_MAX);
    err = add_report(operands[0], false, t);
    if (err == BTZ_OK)
        err = add_report(operands[1], true, t);
    if (t->rule_count > 0)
        qsort(t->rules, t->rule_count, sizeof(const struct btz_rule *), by_id);
    if (err == BTZ_OK)
        err = write_table(t, out);
    if (err == BTZ_OK && args->gate)
        err = write_hits(args->gate, out);
    btz_arena_release(&t->arena);
    free(t);
    return err;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);
    enum btz_err err = compare(args, operands, &out);

    (void)operand_count;
    if (err == BTZ_OK && fwrite(out.ptr, 1, out.len, cli->out) != out.len)
        err = btz_fail_errno(BTZ_IO, "write the comparison");
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_demo_compare = {
    .noun = "demo",
    .verb = "compare",
    .summary = "Print the attacks of two reports side by side, with their intervals.",
    .details = "Both are JSON reports of `bartizan scan`, such as one without and one with the "
               "gateway in front. Rates are attacks that succeeded of those that were tried.\n\n"
               "Example:\n"
               "  bartizan demo compare before.json after.json --gate .bartizan",
    .operands = "BEFORE AFTER",
    .min_operands = 2,
    .max_operands = 2,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
