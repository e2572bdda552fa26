/* bartizan init: the first bartizan.yaml. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/detect.h"
#include "watch/watch.h"

#define INIT_CAP ((size_t)16 << 20)

struct args {
    int preset;
    const char *url, *model, *name;
    bool yes, force, dry_run, detect;
};

/* Kinds of endpoints that a few answers describe; what each needs. */
static const struct {
    const char *url;      /* of the vendor; NULL: must be said */
    const char *variable; /* of the environment that usually holds the key; NULL: no key */
    bool needs_model;
} presets[] = {
    { "https://api.openai.com/v1", "OPENAI_API_KEY", true },
    { "https://api.openai.com/v1", "OPENAI_API_KEY", true },
    { "https://api.anthropic.com", "ANTHROPIC_API_KEY", true },
    { "http://127.0.0.1:11434", NULL, true },
    { "http://127.0.0.1:8080", NULL, false },
    { NULL, "AZURE_OPENAI_API_KEY", true },
};
static const char *const preset_names[] = { "openai", "openai-responses", "anthropic",
                                            "ollama", "llamacpp",         "azure",
                                            NULL };
_Static_assert(BTZ_COUNT(preset_names) == BTZ_COUNT(presets) + 1, "one name, one preset");

#define ARG(field) offsetof(struct args, field)
static const struct btz_option options[] = {
    { .name = "preset",
      .kind = BTZ_OPTION_CHOICE,
      .offset = ARG(preset),
      .metavar = "KIND",
      .choices = preset_names,
      .help = "Kind of the endpoint. Without it: by OPENAI_API_KEY or ANTHROPIC_API_KEY in the "
              "environment, else openai." },
    { .name = "url",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(url),
      .metavar = "URL",
      .help = "Base URL of the endpoint, where it is not the vendor's own." },
    { .name = "model",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(model),
      .metavar = "NAME",
      .help = "Model to ask for." },
    { .name = "name",
      .kind = BTZ_OPTION_STRING,
      .offset = ARG(name),
      .metavar = "NAME",
      .help = "How reports call the endpoint.",
      .fallback = "assistant" },
    { .name = "detect",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(detect),
      .help = "Ask ports 11434 and 8080 of this machine whether Ollama or llama.cpp listens; "
              "nothing is contacted otherwise." },
    { .name = "yes",
      .letter = 'y',
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(yes),
      .help = "Ask nothing." },
    { .name = "force",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(force),
      .help = "Overwrite a file that is there." },
    { .name = "dry-run",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(dry_run),
      .help = "Print the file instead of writing it." },
};

struct answers {
    size_t preset;
    const char *url, *model, *name;
};

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && value[0];
}

static size_t preset_by_name(const char *name)
{
    size_t i = 0;

    while (preset_names[i + 1] && strcmp(preset_names[i], name) != 0)
        i++;
    return i;
}

/* What is known without asking: options, then servers on this machine, then the environment. */
static void guess(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                  struct answers *a)
{
    struct btz_detected found = { 0 };
    bool detected = args->detect && args->preset < 0 && btz_cli_detect(arena, &found);

    *a = (struct answers){ .url = args->url, .model = args->model, .name = args->name };
    if (args->preset >= 0) {
        a->preset = (size_t)args->preset;
    } else if (detected) {
        a->preset = preset_by_name(found.preset);
        a->url = a->url ? a->url : found.url;
        a->model = a->model ? a->model : found.model;
        btz_log(&cli->log, BTZ_LOG_INFO, "found %s at %s", found.preset, found.url);
    } else if (is_set("OPENAI_API_KEY")) {
        a->preset = preset_by_name("openai");
    } else if (is_set("ANTHROPIC_API_KEY")) {
        a->preset = preset_by_name("anthropic");
    }
    if (args->detect && !detected && args->preset < 0)
        btz_log(&cli->log, BTZ_LOG_INFO, "no Ollama on port 11434 and no llama.cpp on port 8080");
    if (!a->url)
        a->url = presets[a->preset].url;
}

/* One question; an empty answer keeps what stands in brackets. */
static enum btz_err ask(struct btz_cli *cli, struct btz_arena *arena, const char *question,
                        const char *proposed, const char **answer)
{
    BTZ_FREE char *line = NULL;
    size_t room = 0;
    ssize_t n;
    struct btz_slice said;

    fprintf(cli->err, proposed ? "%s [%s]: " : "%s%s: ", question, proposed ? proposed : "");
    fflush(cli->err);
    n = getline(&line, &room, stdin);
    if (n < 0 || *cli->stop)
        return btz_fail(BTZ_USAGE, "no answer; nothing was written");
    said = btz_slice_trim(btz_slice_of(line, (size_t)n));
    *answer = said.len ? btz_arena_str(arena, said) : proposed;
    return said.len && !*answer ? BTZ_LIMIT : BTZ_OK;
}

static enum btz_err ask_preset(struct btz_cli *cli, struct btz_arena *arena, struct answers *a)
{
    for (;;) {
        const char *word, *nearest;

        BTZ_TRY(ask(cli, arena,
                    "Kind of endpoint (openai, openai-responses, anthropic, ollama, llamacpp, "
                    "azure)",
                    preset_names[a->preset], &word));
        for (size_t i = 0; preset_names[i]; i++) {
            if (strcmp(preset_names[i], word) != 0)
                continue;
            if (i != a->preset)
                a->url = presets[i].url;
            a->preset = i;
            return BTZ_OK;
        }
        nearest = btz_nearest(word, preset_names, BTZ_COUNT(presets));
        btz_log(&cli->log, BTZ_LOG_ERROR, "unknown kind \"%.40s\"%s%s%s", word,
                nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    }
}

static enum btz_err interview(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                              struct answers *a)
{
    if (args->preset < 0)
        BTZ_TRY(ask_preset(cli, arena, a));
    if (!args->url)
        BTZ_TRY(ask(cli, arena, "Base URL", a->url, &a->url));
    if (!args->model)
        BTZ_TRY(ask(cli, arena, "Model", a->model, &a->model));
    return ask(cli, arena, "Name in reports", a->name, &a->name);
}

static enum btz_err check(const struct answers *a, bool asked)
{
    const char *preset = preset_names[a->preset];

    if (!a->url)
        return btz_fail(BTZ_USAGE, "%s needs the URL of your endpoint: --url URL", preset);
    if (strncmp(a->url, "http://", 7) != 0 && strncmp(a->url, "https://", 8) != 0)
        return btz_fail(BTZ_USAGE, "--url: expected http://... or https://..., found \"%.80s\"",
                        a->url);
    if (presets[a->preset].needs_model && !a->model)
        return btz_fail(BTZ_USAGE, "%s needs the name of a model%s", preset,
                        asked ? "" : ": --model NAME");
    return BTZ_OK;
}

/* The keys that are set, as YAML; the tables add everything else as comments. */
static enum btz_err given_keys(const struct answers *a, struct btz_buf *out)
{
    const struct {
        const char *key, *text;
    } keys[] = { { "name", a->name },
                 { "preset", preset_names[a->preset] },
                 { "url", a->url },
                 { "model", a->model } };

    BTZ_TRY(btz_buf_add_str(out, "version: 1\ntargets:\n"));
    for (size_t i = 0; i < BTZ_COUNT(keys); i++) {
        if (!keys[i].text)
            continue;
        BTZ_TRY(btz_buf_printf(out, "  %s %s: ", i ? " " : "-", keys[i].key));
        BTZ_TRY(btz_yaml_write_text(keys[i].text, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    if (presets[a->preset].variable)
        BTZ_TRY(btz_buf_printf(out, "    key: ${%s}\n", presets[a->preset].variable));
    return btz_buf_add_str(out, "redteam:\n");
}

static enum btz_err compose(const struct answers *a, struct btz_arena *arena, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf given = BTZ_BUF(1 << 16);
    const struct btz_conf_struct *table;
    const struct btz_yaml *root;

    BTZ_TRY(given_keys(a, &given));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&given), "answers", arena, &root));
    BTZ_TRY(btz_settings_table(btz_practices, arena, &table));
    BTZ_TRY(btz_buf_add_str(
        out, "# Configuration of bartizan. Lines that begin with # and a name are the "
             "defaults:\n# remove the # to change one. `bartizan config check` "
             "says whether the file is right.\n\n"));
    return btz_conf_example(table, root, out);
}

static enum btz_err init(struct btz_cli *cli, const struct args *args, struct btz_arena *arena,
                         struct btz_buf *out)
{
    bool may_ask = !args->yes && isatty(STDIN_FILENO) && cli->terminal;
    struct answers answers;

    if (!args->dry_run && !args->force && access(cli->config_path, F_OK) == 0)
        return btz_fail(BTZ_CONFLICT,
                        "%s is there already; --force overwrites it, --dry-run only prints",
                        cli->config_path);
    guess(cli, args, arena, &answers);
    if (may_ask)
        BTZ_TRY(interview(cli, args, arena, &answers));
    BTZ_TRY(check(&answers, may_ask));
    BTZ_TRY(compose(&answers, arena, out));
    if (args->dry_run)
        return BTZ_OK;
    BTZ_TRY(btz_file_write(cli->config_path, btz_buf_slice(out), 0600));
    btz_log(&cli->log, BTZ_LOG_INFO, "wrote %s; next: bartizan config check", cli->config_path);
    if (presets[answers.preset].variable && !is_set(presets[answers.preset].variable))
        btz_log(&cli->log, BTZ_LOG_WARN, "set %s in the environment: the key is read from there",
                presets[answers.preset].variable);
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *arguments, const char *const *operands,
               size_t operand_count)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(INIT_CAP);
    const struct args *args = arguments;
    enum btz_err err;

    (void)operands;
    (void)operand_count;
    btz_arena_init(&arena, INIT_CAP);
    err = init(cli, args, &arena, &text);
    if (err != BTZ_OK)
        return btz_cli_fail(cli, err);
    if (args->dry_run)
        fwrite(text.ptr, 1, text.len, cli->out);
    return 0;
}

const struct btz_command btz_command_init = {
    .noun = "init",
    .summary = "Write a first bartizan.yaml.",
    .details = "On a terminal it asks; otherwise it takes what the options say. The file names the "
               "variable of the environment that holds the key, never the key itself, and explains "
               "every setting.\n\n"
               "Examples:\n"
               "  bartizan init\n"
               "  bartizan init --preset ollama --model llama3.2 --yes\n"
               "  bartizan init --detect --dry-run",
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
