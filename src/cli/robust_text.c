#include <string.h>

#include "cli/scanning.h"

struct args {
    struct btz_scan_args scan;
    const char *data, *text_column, *label_column, *name, *request, *scores, *labels, *key_env;
    const char *synonyms;
    struct btz_option_list attacks, set, keep, headers;
    int64_t classes, samples, least, edits, distance, queries, batch;
    double words, robust_min;
    bool ascii, stop_words;
};

#define ARG(member) offsetof(struct args, member)
#define TEXT(word, member, meta, text)                                                             \
    .name = (word), .kind = BTZ_OPTION_STRING, .offset = ARG(member), .metavar = (meta),           \
    .help = (text)
#define LIST(word, member, meta, text)                                                             \
    .name = (word), .kind = BTZ_OPTION_STRINGS, .offset = ARG(member), .metavar = (meta),          \
    .help = (text)
#define WHOLE(word, member, least_, most, default_, text)                                          \
    .name = (word), .kind = BTZ_OPTION_INT, .offset = ARG(member), .metavar = "N",                 \
    .fallback = (default_), .min = (least_), .max = (most), .help = (text)
static const struct btz_option options[] = {
    { TEXT("data", data, "FILE",
           "Labelled texts: JSON lines of objects, or CSV with a head (name ends in .csv)."),
      .letter = 'd', .required = true },
    { TEXT("text-column", text_column, "NAME", "Member or column with the text (default: text).") },
    { TEXT("label-column", label_column, "NAME",
           "Member or column with the label: a number from 0, or a name (default: label).") },
    { TEXT("request", request, "JSON",
           "Sent to an address: \"{{texts}}\" in it stands for a list of texts, \"{{text}}\" for "
           "one (default: {\"inputs\":\"{{texts}}\"}).") },
    { TEXT("scores-at", scores, "PATH", "JSONPath of the scores in the answer of an address.") },
    { TEXT("labels-at", labels, "PATH",
           "JSONPath of the labels, where it gives no scores; numbers, or names as in the data.") },
    { WHOLE("classes", classes, 0, 1000, "0",
            "Classes of an address; 0: as many as the data have.") },
    { LIST("header", headers, "NAME=VALUE", "One more request header; not for secrets.") },
    { TEXT("key-env", key_env, "NAME",
           "Variable of the environment whose value is sent as Authorization: Bearer.") },
    { WHOLE("batch", batch, 1, 1024, "32", "Texts a request.") },
    { LIST("attack", attacks, "ID",
           "beam, deepwordbug, pwws, textbugger or textfooler; may be given several times "
           "(default: textbugger)."),
      .letter = 'a' },
    { LIST("set", set, "ATTACK.PARAMETER=NUMBER",
           "Parameter of an attack, such as beam.width=8; may be given several times.") },
    { WHOLE("samples", samples, 0, 1e9, "1000",
            "How many texts are attacked, spread evenly over the data; 0: all."),
      .letter = 'n' },
    { WHOLE("queries", queries, 0, 1e12, "2000",
            "Questions about one text by one attack; 0: no limit.") },
    { TEXT("synonyms", synonyms, "FILE",
           "Lines \"word: other, other\" (default: a small built-in list).") },
    { .name = "words",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(words),
      .metavar = "SHARE",
      .fallback = "0.2",
      .min = 0,
      .max = 1,
      .help = "Largest share of the words of a text that may change; one word always may." },
    { WHOLE("edits", edits, 0, 100, "1",
            "Characters of a word that may change, a swap being one; 0: synonyms alone.") },
    { WHOLE("least", least, 1, 100, "4", "Characters of the shortest word that may change.") },
    { WHOLE("distance", distance, 0, 1e9, "30",
            "Levenshtein distance of the whole text; 0: no limit.") },
    { .name = "ascii",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(ascii),
      .help = "Nothing but ASCII comes in: no look-alikes of other scripts." },
    { .name = "stop-words",
      .kind = BTZ_OPTION_FLAG,
      .offset = ARG(stop_words),
      .help = "Also words such as \"the\" and \"not\" may change." },
    { LIST("keep", keep, "WORD", "A word that never changes; may be given several times.") },
    { .name = "robust-min",
      .kind = BTZ_OPTION_REAL,
      .offset = ARG(robust_min),
      .metavar = "SHARE",
      .fallback = "-1",
      .min = -1,
      .max = 1,
      .help = "Fail only when accuracy under attack is below SHARE, 0 to 1." },
    { TEXT("name", name, "NAME", "How reports call the classifier (default: texts).") },
    BTZ_SCAN_OPTIONS,
};

/* ---- the same as a section of bartizan.yaml, so that there is one way into the practice ---------------------------------- */

static enum btz_err put(struct btz_buf *out, const char *key, const char *value)
{
    if (!value)
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "  %s: ", key));
    BTZ_TRY(btz_yaml_write_text(value, out));
    return btz_buf_add_byte(out, '\n');
}

static enum btz_err put_list(struct btz_buf *out, const char *key, const struct btz_option_list *l)
{
    if (l->count)
        BTZ_TRY(btz_buf_printf(out, "  %s:\n", key));
    for (size_t i = 0; i < l->count; i++) {
        BTZ_TRY(btz_buf_add_str(out, "    - "));
        BTZ_TRY(btz_yaml_write_text(l->items[i], out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err put_pairs(struct btz_buf *out, const char *key, const char *option,
                              const struct btz_option_list *l, struct btz_arena *arena)
{
    if (l->count)
        BTZ_TRY(btz_buf_printf(out, "  %s:\n", key));
    for (size_t i = 0; i < l->count; i++) {
        const char *equals = strchr(l->items[i], '='), *name;

        if (!equals || equals == l->items[i])
            return btz_fail(BTZ_USAGE, "--%s %s: expected NAME=VALUE", option, l->items[i]);
        name = btz_arena_str(arena, btz_slice_of(l->items[i], (size_t)(equals - l->items[i])));
        if (!name)
            return BTZ_LIMIT;
        BTZ_TRY(btz_buf_add_str(out, "    "));
        BTZ_TRY(btz_yaml_write_text(name, out));
        BTZ_TRY(btz_buf_add_str(out, ": "));
        BTZ_TRY(btz_yaml_write_text(equals + 1, out));
        BTZ_TRY(btz_buf_add_byte(out, '\n'));
    }
    return BTZ_OK;
}

/* The one place where the environment stands for something. */
static enum btz_err put_key(struct btz_buf *out, const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (!name)
        return BTZ_OK;
    if (!*name || name[strspn(name, allowed)])
        return btz_fail(BTZ_USAGE, "--key-env %s: not the name of a variable", name);
    return btz_buf_printf(out, "  key: ${%s}\n", name);
}

static enum btz_err put_all(struct btz_buf *out, const struct args *a, const char *target,
                            struct btz_arena *arena)
{
    BTZ_TRY(btz_buf_add_str(out, "robust_text:\n"));
    BTZ_TRY(put(out, "target", target));
    BTZ_TRY(put(out, "name", a->name));
    BTZ_TRY(put(out, "data", a->data));
    BTZ_TRY(put(out, "text_column", a->text_column));
    BTZ_TRY(put(out, "label_column", a->label_column));
    BTZ_TRY(put(out, "request", a->request));
    BTZ_TRY(put(out, "scores_at", a->scores));
    BTZ_TRY(put(out, "labels_at", a->labels));
    BTZ_TRY(put(out, "synonyms", a->synonyms));
    BTZ_TRY(put_key(out, a->key_env));
    BTZ_TRY(put_list(out, "attacks", &a->attacks));
    BTZ_TRY(put_list(out, "keep", &a->keep));
    BTZ_TRY(put_pairs(out, "set", "set", &a->set, arena));
    BTZ_TRY(put_pairs(out, "headers", "header", &a->headers, arena));
    return btz_buf_printf(out,
                          "  classes: %" PRId64 "\n  batch: %" PRId64 "\n  samples: %" PRId64
                          "\n  queries: %" PRId64 "\n  edits: %" PRId64 "\n  least: %" PRId64
                          "\n  distance: %" PRId64 "\n  words: %.17g\n  robust_min: %.17g\n"
                          "  ascii: %s\n  stop_words: %s\n",
                          a->classes, a->batch, a->samples, a->queries, a->edits, a->least,
                          a->distance, a->words, a->robust_min, a->ascii ? "true" : "false",
                          a->stop_words ? "true" : "false");
}

static enum btz_err settings_of(struct btz_cli *cli, const struct args *a, const char *target,
                                struct btz_arena *arena, struct btz_settings *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20);
    const struct btz_yaml *root;
    const char *state;

    BTZ_TRY(btz_cli_state(cli, arena, &state));
    BTZ_TRY(put_all(&text, a, target, arena));
    BTZ_TRY(btz_yaml_parse(btz_buf_slice(&text), "options", arena, &root));
    BTZ_TRY(
        btz_settings_parse(root, "options", btz_practices, btz_cli_env(), &cli->log, arena, out));
    out->state = state;
    return BTZ_OK;
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_settings settings;
    enum btz_err err;

    (void)operand_count;
    btz_arena_init(&arena, (size_t)256 << 20);
    err = settings_of(cli, a, operands[0], &arena, &settings);
    return err ? btz_cli_fail(cli, err) : btz_cli_scan(cli, &a->scan, &settings, &arena);
}

const struct btz_command btz_command_robust_text = {
    .noun = "robust",
    .verb = "text",
    .summary = "Attack a classifier of texts and report what is left of its accuracy",
    .details =
        "TARGET is `guard` (the gateway's built-in classifier of injections; class 1 is an "
        "injection), `guard:FILE` (one that `bartizan gate train` made) or the address of a "
        "service that answers JSON with JSON. Every text that is classified correctly is changed, "
        "a word or a few characters at a time, within the limits given, until its class changes. "
        "What an attack claims is checked: both texts are compared anew, and the service is asked "
        "once more. Same seed, same result, whatever the number of threads. Findings go to the "
        "ledger as those of `scan` do.\n\n"
        "Exit status: 0 clean, 1 findings at or above --fail-on, 2 wrong usage, 3 unreadable "
        "input, 4 i/o.\n\n"
        "Examples:\n"
        "  bartizan robust text guard --data labelled.jsonl --report html=report.html\n"
        "  bartizan robust text http://127.0.0.1:8000/classify --data spam.csv \\\n"
        "      --request '{\"texts\":\"{{texts}}\"}' --scores-at '$.scores' --attack textfooler "
        "\\\n"
        "      --synonyms words.txt --robust-min 0.8",
    .operands = "TARGET",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
