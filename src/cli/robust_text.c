#include "cli/robust_options.h"

struct args {
    struct btz_scan_args scan;
    struct btz_address_args address;
    struct btz_attacking_args attacking;
    const char *data, *text_column, *label_column, *synonyms, *vocab;
    struct btz_option_list keep, class_names;
    int64_t classes, least, edits, distance, queries, max_tokens;
    double words;
    int lower_case;
    bool ascii, stop_words, pad;
};

static const char *const letter_cases[] = { "auto", "yes", "no", NULL };

static const struct btz_option options[] = {
    { BTZ_TEXT_ROW(
          "data", data, "FILE",
          "Labelled texts: JSON lines of objects, or CSV with a head (name ends in .csv)."),
      .letter = 'd', .required = true },
    { BTZ_TEXT_ROW("text-column", text_column, "NAME",
                   "Member or column with the text (default: text).") },
    { BTZ_TEXT_ROW("label-column", label_column, "NAME",
                   "Member or column with the label: a number from 0, or a name (default: "
                   "label).") },
    { BTZ_COUNT_ROW("classes", classes, 0, 1000, "0",
                    "Classes of an address; 0: as many as the data have.") },
    { BTZ_LIST_ROW("class-name", class_names, "NAME",
                   "Name of a class, given for all of them in the order of the classifier "
                   "(default: the names in the data, sorted).") },
    { BTZ_TEXT_ROW("vocab", vocab, "FILE",
                   "Vocabulary of a network, one token of WordPiece a line (default: vocab.txt "
                   "beside it).") },
    { .name = "lower-case",
      .kind = BTZ_OPTION_CHOICE,
      .offset = offsetof(struct args, lower_case),
      .metavar = "WHEN",
      .fallback = "auto",
      .choices = letter_cases,
      .help = "Whether a network is given texts in lower case and without accents; auto: unless "
              "the vocabulary has tokens with capitals." },
    { BTZ_COUNT_ROW("max-tokens", max_tokens, 0, 65536, "0",
                    "Tokens of a text that a network is given, with [CLS] and [SEP]; 0: what it "
                    "fixes, else 512.") },
    { BTZ_FLAG_ROW("pad", pad,
                   "Fill texts with [PAD] also where a network of a fixed length has no "
                   "attention_mask.") },
    BTZ_ADDRESS_OPTIONS("JSON that an address is sent: \"{{texts}}\" stands for a list of texts, "
                        "\"{{text}}\" for one (default: {\"inputs\":\"{{texts}}\"}).",
                        "; numbers, or names as in the data."),
    BTZ_ATTACKING_OPTIONS(
        "beam, deepwordbug, pwws, textbugger or textfooler; may be given several times (default: "
        "textbugger).",
        "beam.width=8", "texts", 1e9, "accuracy under attack", "the classifier (default: texts)"),
    { BTZ_COUNT_ROW("queries", queries, 0, 1e12, "2000",
                    "Questions about one text by one attack; 0: no limit.") },
    { BTZ_TEXT_ROW("synonyms", synonyms, "FILE",
                   "Lines \"word: other, other\" (default: a small built-in list).") },
    { BTZ_REAL_ROW("words", words, "SHARE", 0, 1, "0.2",
                   "Largest share of the words of a text that may change; one word always may.") },
    { BTZ_COUNT_ROW("edits", edits, 0, 100, "1",
                    "Characters of a word that may change, a swap being one; 0: synonyms alone.") },
    { BTZ_COUNT_ROW("least", least, 1, 100, "4",
                    "Characters of the shortest word that may change.") },
    { BTZ_COUNT_ROW("distance", distance, 0, 1e9, "30",
                    "Levenshtein distance of the whole text; 0: no limit.") },
    { BTZ_FLAG_ROW("ascii", ascii,
                   "Nothing but ASCII comes in: no look-alikes of other scripts.") },
    { BTZ_FLAG_ROW("stop-words", stop_words,
                   "Also words such as \"the\" and \"not\" may change.") },
    { BTZ_LIST_ROW("keep", keep, "WORD",
                   "A word that never changes; may be given several times.") },
    BTZ_SCAN_OPTIONS,
};

static enum btz_err put_section(struct btz_buf *out, const void *args, const char *target)
{
    const struct args *a = args;
    const struct {
        const char *key, *value;
    } texts[] = {
        { "target", target },
        { "name", a->attacking.name },
        { "data", a->data },
        { "text_column", a->text_column },
        { "label_column", a->label_column },
        { "synonyms", a->synonyms },
        { "vocab", a->vocab },
    };

    BTZ_TRY(btz_buf_add_str(out, "robust_text:\n"));
    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        BTZ_TRY(btz_section_text(out, 2, texts[i].key, texts[i].value));
    BTZ_TRY(btz_section_address(out, 2, &a->address));
    BTZ_TRY(btz_section_list(out, 2, "attacks", &a->attacking.attacks));
    BTZ_TRY(btz_section_list(out, 2, "keep", &a->keep));
    BTZ_TRY(btz_section_list(out, 2, "class_names", &a->class_names));
    BTZ_TRY(btz_section_set(out, 2, &a->attacking.set));
    return btz_buf_printf(out,
                          "  classes: %" PRId64 "\n  samples: %" PRId64 "\n  queries: %" PRId64
                          "\n  edits: %" PRId64 "\n  least: %" PRId64 "\n  distance: %" PRId64
                          "\n  max_tokens: %" PRId64 "\n  words: %.17g\n  robust_min: %.17g\n"
                          "  lower_case: \"%s\"\n  ascii: %s\n  stop_words: %s\n  pad: %s\n",
                          a->classes, a->attacking.samples, a->queries, a->edits, a->least,
                          a->distance, a->max_tokens, a->words, a->attacking.robust_min,
                          letter_cases[a->lower_case], a->ascii ? "true" : "false",
                          a->stop_words ? "true" : "false", a->pad ? "true" : "false");
}

static int run(struct btz_cli *cli, const void *args, const char *const *operands,
               size_t operand_count)
{
    const struct args *a = args;

    (void)operand_count;
    return btz_section_scan(cli, &a->scan, put_section, a, operands[0]);
}

const struct btz_command btz_command_robust_text = {
    .noun = "robust",
    .verb = "text",
    .summary = "Attack a classifier of texts and report what is left of its accuracy.",
    .details =
        "TARGET is `guard` (the gateway's built-in classifier of injections; class 1 is an "
        "injection), `guard:FILE` (one that `bartizan gate train` made), a network that reads "
        "tokens of WordPiece, such as BERT (`FILE.onnx`, with its vocabulary), or the address of a "
        "service that answers JSON with JSON. Every text that is classified correctly is changed, "
        "a word or a few characters at a time, within the limits given, until its class changes. "
        "What an attack claims is checked: both texts are compared anew, and the classifier is "
        "asked "
        "once more. Same seed, same result, whatever the number of threads. Findings go to the "
        "ledger as those of `scan` do.\n\n"
        "Exit status: 0 clean, 1 findings at or above --fail-on, 2 wrong usage, 3 unreadable "
        "input, 4 i/o.\n\n"
        "Examples:\n"
        "  bartizan robust text guard --data labelled.jsonl --report html=report.html\n"
        "  bartizan robust text model.onnx --vocab vocab.txt --data reviews.csv --attack "
        "textfooler\n"
        "  bartizan robust text http://127.0.0.1:8000/classify --data spam.csv \\\n"
        "      --request '{\"texts\":\"{{texts}}\"}' --scores-at '$.scores' --attack textfooler "
        "\\\n"
        "      --synonyms words.txt --robust-min 0.8\n"
        "  bartizan robust text https://host/classify --header 'Authorization: Bearer ${TOKEN}' "
        "\\\n"
        "      --scores-at '$[*].scores' --data spam.csv --rate 20",
    .operands = "TARGET",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
    .run = run,
};
