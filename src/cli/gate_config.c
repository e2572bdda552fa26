/* bartizan gate config: what belongs into the configuration of an nginx that somebody runs himself. */
#include "cli/gate_settings.h"
#include "cli/terminal.h"

enum part { PART_MAIN, PART_HTTP, PART_SERVER, PART_ALL };

struct args {
    struct btz_cli_gate_args gate;
    int part;
};

static const char *const parts[] = { "main", "http", "server", "all", NULL };

static const struct btz_option options[] = {
    { .name = "part",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, part),
      .metavar = "PART",
      .fallback = "all",
      .choices = parts,
      .help = "What to print: `main` (outermost level), `http`, `server`, or all with remarks." },
    { .name = "upstream",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, gate.upstream),
      .metavar = "URL",
      .help = "A model server, where bartizan.yaml names none." },
    { .name = "module",
      .kind = BTZ_OPTION_STRING,
      .offset = offsetof(struct args, gate.module),
      .metavar = "FILE",
      .help = "The module for nginx, where it is not beside the program or installed." },
};

static enum btz_err write_parts(const struct btz_cli_gate *g, int part, struct btz_buf *out)
{
    struct btz_front_models models = g->front.models;

    models.origin = g->access->origin;
    if (part == PART_ALL)
        BTZ_TRY(btz_buf_add_str(out, "# at the outermost level, before `events`\n"));
    if (part == PART_MAIN || part == PART_ALL) {
        BTZ_TRY(btz_buf_printf(out, "load_module \"%s\";\n", models.module));
        BTZ_TRY(btz_front_models_main(out));
    }
    if (part == PART_ALL)
        BTZ_TRY(btz_buf_add_str(out, "\n# in `http`\n"));
    if (part == PART_HTTP || part == PART_ALL) {
        BTZ_TRY(btz_buf_printf(out, "    upstream daemon { server \"unix:%s\"; keepalive 16; }\n",
                               g->front.socket));
        BTZ_TRY(btz_front_models_http(&models, out));
    }
    if (part == PART_ALL)
        BTZ_TRY(btz_buf_add_str(out, "\n# in each `server` that serves models\n"));
    if (part == PART_SERVER || part == PART_ALL)
        BTZ_TRY(btz_front_models_server(&models, out));
    return BTZ_OK;
}

static enum btz_err print(struct btz_cli *cli, const struct args *args, struct btz_arena *arena)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)4 << 20);
    struct btz_cli_gate g;

    BTZ_TRY(btz_cli_gate_settings(cli, &args->gate, arena, &g));
    if (!btz_front_has_models(&g.front.models))
        return btz_fail(BTZ_USAGE, "there is no upstream: name one in `gate` of bartizan.yaml, or "
                                   "by --upstream");
    BTZ_TRY(write_parts(&g, args->part, &text));
    if (fwrite(text.ptr, 1, text.len, cli->out) != text.len || fflush(cli->out) != 0)
        return btz_fail_errno(BTZ_IO, "write");
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, (size_t)16 << 20);
    err = print(cli, args, &arena);
    return err == BTZ_OK ? 0 : btz_cli_fail(cli, err);
}

const struct btz_command btz_command_gate_config = {
    .noun = "gate",
    .verb = "config",
    .summary = "Print the configuration for an nginx of your own.",
    .details =
        "For those who have an nginx: what loads the module, names the upstreams and guards the "
        "model routes, in three parts. The daemon (`bartizan watch`) runs beside it. No secret is "
        "in what is printed: the module takes keys of upstreams from bartizan.yaml when nginx "
        "starts, and ${NAME} there from the environment of nginx. After a change in bartizan.yaml "
        "print it again and reload nginx.\n\n"
        "Examples:\n"
        "  bartizan gate config\n"
        "  bartizan gate config --part server >/etc/nginx/snippets/models.conf",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
