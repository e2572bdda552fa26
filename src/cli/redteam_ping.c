/* bartizan redteam ping: is the target there, and do we understand what it says? */
#include "cli/cli.h"
#include "redteam/redteam.h"
#include "watch/settings.h"

#define EXCERPT 300

struct args {
    struct btz_option_list targets;
};

static const struct btz_option options[] = {
    { .name = "target",
      .letter = 't',
      .kind = BTZ_OPTION_STRINGS,
      .offset = offsetof(struct args, targets),
      .metavar = "NAME",
      .help = "Only this target of the configuration; may be given several times." },
};

/* Names and words of targets may hold anything. */
static void safe(struct btz_cli *cli, struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF((size_t)1 << 20);

    if (btz_utf8_printable(btz_slice_sub(text, 0, 4 * EXCERPT), false, &out) == BTZ_OK)
        fprintf(cli->out, "%.*s", BTZ_SLICE_ARG(btz_buf_slice(&out)));
}

static void line(struct btz_cli *cli, const char *label, struct btz_slice text)
{
    fprintf(cli->out, "  %-10s ", label);
    safe(cli, text);
    fprintf(cli->out, "\n");
}

static void print_transport(struct btz_cli *cli, const struct btz_ping *p)
{
    static const char *const kinds[] = { "answer", "empty answer", "blocked by a content filter",
                                         "error" };
    const struct btz_reply *r = &p->reply;

    if (p->url)
        line(cli, "url", btz_str(p->url));
    fprintf(cli->out, "  %-10s %s", "outcome", kinds[r->kind]);
    if (r->http_status)
        fprintf(cli->out, ", HTTP %u", r->http_status);
    if (p->http_version)
        fprintf(cli->out, ", %s%s%s",
                p->http_version == 20   ? "HTTP/2"
                : p->http_version == 11 ? "HTTP/1.1"
                                        : "HTTP/1.0",
                p->tls_version ? ", " : ", no TLS", p->tls_version ? p->tls_version : "");
    fprintf(cli->out, "\n");
    if (r->kind == BTZ_REPLY_ERROR && r->http_status == 0)
        return;
    fprintf(cli->out, "  %-10s %.0f ms", "latency", r->seconds * 1000);
    if (p->url)
        fprintf(cli->out, ", first byte after %.0f ms, %u %s", p->first_byte_seconds * 1000,
                r->tries, r->tries == 1 ? "try" : "tries");
    fprintf(cli->out, "\n");
}

static void print_ping(struct btz_cli *cli, const struct btz_target_conf *conf,
                       const struct btz_ping *p)
{
    const struct btz_reply *r = &p->reply;

    safe(cli, btz_str(conf->name));
    fprintf(cli->out, " (%s)\n", conf->preset);
    print_transport(cli, p);
    if (p->model)
        line(cli, "model", btz_str(p->model));
    if (r->text.len > 0)
        line(cli, "reply", btz_slice_sub(r->text, 0, EXCERPT));
    if (r->reasoning.len > 0)
        fprintf(cli->out, "  %-10s %zu bytes, kept apart from the reply\n", "reasoning",
                r->reasoning.len);
    if (p->streamed)
        fprintf(cli->out, "  %-10s yes, %zu events\n", "streaming", p->events);
    else if (p->url && r->kind != BTZ_REPLY_ERROR)
        fprintf(cli->out, "  %-10s no\n", "streaming");
    if (r->tokens_in + r->tokens_out > 0)
        fprintf(cli->out, "  %-10s %" PRIu64 " in, %" PRIu64 " out\n", "tokens", r->tokens_in,
                r->tokens_out);
    if (r->detail)
        line(cli, "wrong", btz_str(r->detail));
    if (p->advice)
        line(cli, "advice", btz_str(p->advice));
}

static bool is_wanted(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->targets.count; i++)
        if (strcmp(a->targets.items[i], name) == 0)
            return true;
    return a->targets.count == 0;
}

static enum btz_err check_names(const struct args *a, const struct btz_target_conf *targets,
                                size_t count, struct btz_arena *arena)
{
    const char **names = btz_arena_array(arena, count + 1, sizeof *names), *nearest;

    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        names[i] = targets[i].name;
    for (size_t k = 0; k < a->targets.count; k++) {
        bool known = false;

        for (size_t i = 0; i < count && !known; i++)
            known = strcmp(names[i], a->targets.items[k]) == 0;
        nearest = btz_nearest(a->targets.items[k], names, count);
        if (!known)
            return btz_fail(BTZ_USAGE, "--target %s: no such target%s%s%s", a->targets.items[k],
                            nearest ? "; did you mean " : "", nearest ? nearest : "",
                            nearest ? "?" : "");
    }
    return BTZ_OK;
}

/* The section of targets alone: what else is in the file need not be right for a ping. */
static enum btz_err load_targets(struct btz_cli *cli, struct btz_arena *arena,
                                 struct btz_target_conf **out, size_t *out_count)
{
    const struct btz_yaml *root, *list;
    struct btz_target_conf *targets;
    size_t count = 0, at = 0;

    BTZ_TRY(btz_settings_read(cli->config_path, arena, &root));
    list = btz_yaml_get(root, "targets");
    if (list && list->kind != BTZ_YAML_LIST)
        return btz_fail(BTZ_USAGE, "%s:%u: targets: expected a list", cli->config_path, list->line);
    for (const struct btz_yaml *e = list ? list->first : NULL; e; e = e->next)
        count++;
    if (count == 0)
        return btz_fail(BTZ_USAGE, "%s: no targets; see `bartizan init`", cli->config_path);
    targets = btz_arena_array(arena, count, sizeof *targets);
    if (!targets)
        return BTZ_LIMIT;
    for (const struct btz_yaml *e = list->first; e; e = e->next)
        BTZ_TRY(btz_conf_load(e, &btz_target_conf_struct, cli->config_path, btz_cli_env(), arena,
                              &targets[at++]));
    *out = targets;
    *out_count = count;
    return BTZ_OK;
}

static enum btz_err ping_all(struct btz_cli *cli, const struct args *a, struct btz_arena *arena,
                             bool *well)
{
    struct btz_target_conf *targets;
    size_t count;

    *well = true;
    BTZ_TRY(load_targets(cli, arena, &targets, &count));
    BTZ_TRY(check_names(a, targets, count, arena));
    for (size_t i = 0; i < count && !(cli->stop && *cli->stop); i++) {
        struct btz_ping ping;

        if (!is_wanted(a, targets[i].name))
            continue;
        BTZ_TRY(btz_target_ping(&targets[i], &cli->log, arena, cli->stop, &ping));
        print_ping(cli, &targets[i], &ping);
        *well = *well && ping.reply.kind == BTZ_REPLY_TEXT;
    }
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;
    bool well;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)256 << 20);
    err = ping_all(cli, args, &arena, &well);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    return well ? 0 : btz_err_exit_status(BTZ_UNREACHABLE);
}

const struct btz_command btz_command_redteam_ping = {
    .noun = "redteam",
    .verb = "ping",
    .summary = "Ask each target one harmless question and show what came back.",
    .details =
        "Sends \"Please answer with one short, friendly sentence.\" and prints the URL asked, the "
        "status, HTTP and TLS versions, latency, the model's name, the reply, whether it was "
        "streamed, token counts, and where something is wrong, how to mend it. Keys are never "
        "shown.\n\nExit status: 0 when every target answered with words, 4 when one did not.\n\n"
        "Example: bartizan redteam ping --target support-bot",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
