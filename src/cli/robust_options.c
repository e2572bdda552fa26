/* Options of robust commands as a section of bartizan.yaml. */
#include "cli/robust_options.h"

#include "base/conf.h"

static enum btz_err put_key(struct btz_buf *out, int indent, struct btz_slice key)
{
    return btz_buf_printf(out, "%*s%.*s: ", indent, "", BTZ_SLICE_ARG(key));
}

static enum btz_err put_value(struct btz_buf *out, const char *value)
{
    BTZ_TRY(btz_yaml_write_text(value, out));
    return btz_buf_add_byte(out, '\n');
}

enum btz_err btz_section_text(struct btz_buf *out, int indent, const char *key, const char *value)
{
    if (!value)
        return BTZ_OK;
    BTZ_TRY(put_key(out, indent, btz_str(key)));
    return put_value(out, value);
}

enum btz_err btz_section_list(struct btz_buf *out, int indent, const char *key,
                              const struct btz_option_list *list)
{
    if (list->count)
        BTZ_TRY(btz_buf_printf(out, "%*s%s:\n", indent, "", key));
    for (size_t i = 0; i < list->count; i++) {
        BTZ_TRY(btz_buf_printf(out, "%*s- ", indent + 2, ""));
        BTZ_TRY(put_value(out, list->items[i]));
    }
    return BTZ_OK;
}

/* What stands before `end`, as a key: free words, of which YAML would read some as something else. */
static enum btz_err put_name(struct btz_buf *out, int indent, const char *from, const char *end)
{
    BTZ_BUF_RELEASE struct btz_buf name = BTZ_BUF(4096);
    const char *text;

    BTZ_TRY(btz_buf_add_slice(&name, btz_slice_of(from, (size_t)(end - from))));
    BTZ_TRY(btz_buf_cstr(&name, &text));
    BTZ_TRY(btz_buf_printf(out, "%*s", indent, ""));
    BTZ_TRY(btz_yaml_write_text(text, out));
    return btz_buf_add_str(out, ": ");
}

enum btz_err btz_section_set(struct btz_buf *out, int indent, const struct btz_option_list *set)
{
    if (set->count)
        BTZ_TRY(btz_buf_printf(out, "%*sset:\n", indent, ""));
    for (size_t i = 0; i < set->count; i++) {
        const char *equals = strchr(set->items[i], '=');

        if (!equals || equals == set->items[i])
            return btz_fail(BTZ_USAGE, "--set %s: expected ATTACK.PARAMETER=NUMBER", set->items[i]);
        BTZ_TRY(put_name(out, indent + 2, set->items[i], equals));
        BTZ_TRY(put_value(out, equals + 1));
    }
    return BTZ_OK;
}

/* The line is not repeated in an error: it may hold what nobody should read. */
static enum btz_err put_header(struct btz_buf *out, int indent, size_t number, const char *line)
{
    const char *colon = strchr(line, ':'), *value;
    char name[65];

    if (!colon || colon == line || (size_t)(colon - line) >= sizeof name)
        return btz_fail(BTZ_USAGE, "--header number %zu: expected NAME: VALUE", number);
    snprintf(name, sizeof name, "%.*s", (int)(colon - line), line);
    value = colon + 1 + strspn(colon + 1, " ");
    if (btz_conf_is_secret(BTZ_CONF_PAIRS, name) && !btz_conf_is_from_env(value))
        return btz_fail(BTZ_USAGE,
                        "--header number %zu: whoever lists processes reads a key that stands on "
                        "the command line; put it into a variable and write '%s: ${VARIABLE}', in "
                        "single quotes",
                        number, name);
    BTZ_TRY(put_name(out, indent, line, colon));
    return put_value(out, value);
}

enum btz_err btz_section_address(struct btz_buf *out, int indent, const struct btz_address_args *a)
{
    BTZ_TRY(btz_section_text(out, indent, "request", a->request));
    BTZ_TRY(btz_section_text(out, indent, "scores_at", a->scores_at));
    BTZ_TRY(btz_section_text(out, indent, "labels_at", a->labels_at));
    BTZ_TRY(btz_section_text(out, indent, "ca_file", a->ca_file));
    BTZ_TRY(btz_buf_printf(out,
                           "%*srows: %" PRId64 "\n%*sconcurrency: %" PRId64 "\n%*srate: %.17g\n",
                           indent, "", a->rows, indent, "", a->concurrency, indent, "", a->rate));
    if (a->headers.count)
        BTZ_TRY(btz_buf_printf(out, "%*sheaders:\n", indent, ""));
    for (size_t i = 0; i < a->headers.count; i++)
        BTZ_TRY(put_header(out, indent + 2, i + 1, a->headers.items[i]));
    return BTZ_OK;
}

/* ${NAME} stands for a variable of the environment, as in a file. */
static enum btz_err settings_of(struct btz_cli *cli, struct btz_slice text, struct btz_arena *arena,
                                struct btz_settings *out)
{
    const struct btz_yaml *root;
    const char *state;

    BTZ_TRY(btz_cli_state(cli, arena, &state));
    BTZ_TRY(btz_yaml_parse(text, "options", arena, &root));
    BTZ_TRY(
        btz_settings_parse(root, "options", btz_practices, btz_cli_env(), &cli->log, arena, out));
    out->state = state;
    return BTZ_OK;
}

int btz_section_scan(struct btz_cli *cli, const struct btz_scan_args *scan,
                     enum btz_err (*write)(struct btz_buf *out, const void *args,
                                           const char *operand),
                     const void *args, const char *operand)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_settings settings;
    enum btz_err err = write(&text, args, operand);

    btz_arena_init(&arena, (size_t)256 << 20);
    if (!err)
        err = settings_of(cli, btz_buf_slice(&text), &arena, &settings);
    return err ? btz_cli_fail(cli, err) : btz_cli_scan(cli, scan, &settings, &arena);
}
