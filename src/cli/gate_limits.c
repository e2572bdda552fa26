/* bartizan gate limits: what stands on the counters of the gateway. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "gate/gate.h"

#define ARENA_MAX (16u << 20)
#define MICRO     1e6

struct args {
    int format;
};

static const char *const formats[] = { "text", "json", NULL };
static const struct btz_option options[] = {
    { .name = "format",
      .letter = 'f',
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, format),
      .metavar = "FORMAT",
      .fallback = "text",
      .choices = formats,
      .help = "How it is written: text or json." },
};

static const char *const scopes[] = { "principal", "group", "key", "model", "everything" };
static const char *const kinds[] = { "requests-per-minute", "tokens-per-minute",
                                     "concurrency",         "budget",
                                     "request-bytes",       "response-bytes" };

struct list {
    struct btz_limit_state *items;
    size_t count, room;
    bool full;
};

static void collect(void *user, const struct btz_limit_state *s)
{
    struct list *l = user;

    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 256;
        struct btz_limit_state *more = realloc(l->items, room * sizeof *more);

        if (!more) {
            l->full = true;
            return;
        }
        l->items = more;
        l->room = room;
    }
    l->items[l->count++] = *s;
}

static double share(const struct btz_limit_state *s)
{
    return s->limit > 0 ? (double)s->used / (double)s->limit : 1;
}

/* The fullest first. */
static int by_share(const void *a, const void *b)
{
    const struct btz_limit_state *x = a, *y = b;

    if (share(x) > share(y) || share(x) < share(y))
        return share(x) > share(y) ? -1 : 1;
    if (x->scope != y->scope)
        return x->scope < y->scope ? -1 : 1;
    if (strcmp(x->name, y->name) != 0)
        return strcmp(x->name, y->name);
    return (int)x->kind - (int)y->kind;
}

static const char *amount(const struct btz_limit_state *s, uint64_t n, char out[40])
{
    if (s->kind == BTZ_LIMIT_BUDGET)
        snprintf(out, 40, "%.6f", (double)n / MICRO);
    else
        snprintf(out, 40, "%" PRIu64, n);
    return out;
}

static void print_text(struct btz_cli *cli, const struct list *list)
{
    fprintf(cli->out, "%-12s %-24s %-20s %18s %18s %5s  %s\n", "PER", "NAME", "LIMIT", "USED", "OF",
            "%", "UNTIL");
    for (size_t i = 0; i < list->count; i++) {
        BTZ_BUF_RELEASE struct btz_buf name = BTZ_BUF(4096);
        const struct btz_limit_state *s = &list->items[i];
        char used[40], limit[40], until[BTZ_TIME_TEXT] = "-";

        if (btz_utf8_printable(btz_str(s->name), false, &name) != BTZ_OK)
            continue;
        if (s->kind == BTZ_LIMIT_BUDGET)
            btz_time_format(s->window_ends_ms, until);
        fprintf(cli->out, "%-12s %-24.*s %-20s %18s %18s %5.0f  %s\n", scopes[s->scope],
                BTZ_SLICE_ARG(btz_buf_slice(&name)), kinds[s->kind], amount(s, s->used, used),
                amount(s, s->limit, limit), 100 * share(s), until);
    }
    if (list->count == 0)
        fprintf(cli->out, "(nothing is in use)\n");
}

static enum btz_err print_json(struct btz_cli *cli, const struct list *list)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(256u << 20);
    BTZ_JSON json_t *all = json_array();

    for (size_t i = 0; all && i < list->count; i++) {
        BTZ_BUF_RELEASE struct btz_buf name = BTZ_BUF(4096);
        const struct btz_limit_state *s = &list->items[i];
        bool money = s->kind == BTZ_LIMIT_BUDGET;
        char until[BTZ_TIME_TEXT];
        json_t *o;

        BTZ_TRY(btz_utf8_clean(btz_str(s->name), &name));
        btz_time_format(s->window_ends_ms, until);
        o = json_pack(
            "{s:s, s:s%, s:s, s:o, s:o, s:s?}", "scope", scopes[s->scope], "name",
            name.len ? (const char *)name.ptr : "", name.len, "kind", kinds[s->kind], "used",
            money ? json_real((double)s->used / MICRO) : json_integer((json_int_t)s->used), "limit",
            money ? json_real((double)s->limit / MICRO) : json_integer((json_int_t)s->limit),
            "window_ends", money ? until : NULL);
        if (!o || json_array_append_new(all, o) < 0)
            return btz_fail(BTZ_LIMIT, "out of memory");
    }
    BTZ_TRY(btz_json_write(all, true, &out));
    fprintf(cli->out, "%.*s\n", BTZ_SLICE_ARG(btz_buf_slice(&out)));
    return BTZ_OK;
}

/* Secrets of upstreams are nothing that is needed here, nor in everybody's environment. */
static const char *maybe(void *user, const char *name)
{
    const char *value = btz_cli_env()->get(btz_cli_env()->user, name);

    (void)user;
    return value ? value : "";
}

static enum btz_err section(struct btz_cli *cli, struct btz_arena *arena, const char **state,
                            struct btz_gate_conf **out)
{
    static const struct btz_yaml empty = { .kind = BTZ_YAML_MAP, .line = 1 };
    const struct btz_conf_env env = { .get = maybe };
    const char *of_file;
    bool is_there;

    BTZ_TRY(btz_cli_state(cli, arena, state));
    BTZ_TRY(btz_cli_config_there(cli, &is_there));
    if (is_there)
        return btz_gate_conf_load(cli->config_path, &env, arena, out, &of_file);
    *out = btz_arena_alloc(arena, sizeof **out);
    return *out ? btz_conf_load(&empty, &btz_gate_conf_struct, cli->config_path, &env, arena, *out)
                : BTZ_LIMIT;
}

static enum btz_err show(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                         struct list *list)
{
    struct btz_gate_conf *conf;
    const char *state, *path;
    struct btz_limits *l;
    struct stat st;

    BTZ_TRY(section(cli, arena, &state, &conf));
    BTZ_TRY(btz_cli_state_mine(state));
    path = btz_arena_printf(arena, "%s/gate/limits", state);
    if (!path)
        return BTZ_LIMIT;
    if (conf->shared_limits[0])
        fprintf(cli->err,
                "limits are counted in the server that gate.shared_limits names; below is what "
                "this machine counted before\n");
    if (stat(path, &st) != 0) {
        if (errno != ENOENT) /* else no gateway ran here yet: nothing was counted */
            return btz_fail_errno(BTZ_IO, "%s", path);
    } else {
        BTZ_TRY(btz_limits_view(path, conf->limits.items, conf->limits.count, &l));
        btz_limits_walk(l, btz_clock_unix_ms(), collect, list);
        btz_limits_close(l);
    }
    if (list->full)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, by_share);
    if (args->format == 1)
        return print_json(cli, list);
    print_text(cli, list);
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct list list = { 0 };
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, ARENA_MAX);
    err = show(cli, args, &arena, &list);
    free(list.items);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_limits = {
    .noun = "gate",
    .verb = "limits",
    .summary = "Show how much of each limit is used.",
    .details =
        "Reads the counters of the gateway on this machine, without changing them, whether it "
        "runs or not: whose they are, which limit, how much of it is used, and until when a "
        "budget counts. Rates are those of the last minute. The fullest come first; what is "
        "not used at all is left out.\n\n"
        "Examples:\n"
        "  bartizan gate limits\n"
        "  bartizan gate limits --format json | jq '.[] | select(.kind == \"budget\")'",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
