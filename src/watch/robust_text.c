/*
 * Attacks on classifiers of texts as `scan` runs them. It stands here because its targets are of several folders: networks,
 * addresses, and the gateway's own classifier of injections.
 */
#include <math.h>

#include "robust/address.h"
#include "robust/text_findings.h"
#include "watch/text_guard.h"
#include "watch/watch.h"

#define ATTACKS_MAX 16

struct conf {
    const char *name, *target, *data, *text_column, *label_column, *synonyms, *vocab;
    struct btz_address_conf address;
    struct btz_conf_list attacks, set, keep, class_names;
    int64_t classes, samples, least, edits, distance, queries, max_tokens;
    double words, robust_min;
    int lower_case; /* enum btz_letter_case */
    bool ascii, stop_words, pad;
};
static const char *const letter_cases[] = { "auto", "yes", "no", NULL };

#define KEY(member, type, text)                                                                    \
    .name = #member, .kind = (type), .offset = offsetof(struct conf, member), .help = (text)
static const struct btz_conf_key text_keys[] = {
    { KEY(name, BTZ_CONF_STRING, "How reports call the classifier."), .fallback = "texts" },
    { KEY(target, BTZ_CONF_STRING,
          "`guard` (the built-in classifier of injections), `guard:FILE` (one that `bartizan gate "
          "train` made), a network (`FILE.onnx`), or the address of a service."),
      .required = true },
    { KEY(data, BTZ_CONF_STRING, "Labelled texts: JSON lines, or CSV with a head."),
      .required = true },
    { KEY(text_column, BTZ_CONF_STRING, "Member or column with the text."), .fallback = "text" },
    { KEY(label_column, BTZ_CONF_STRING,
          "Member or column with the label: a number from 0, or a name."),
      .fallback = "label" },
    { KEY(classes, BTZ_CONF_INT, "How many classes the service has; 0: as many as the data."),
      .fallback = "0", .max = 1000 },
    { KEY(class_names, BTZ_CONF_STRINGS,
          "Names of all classes in the order of the classifier. Left out: those of the data, "
          "sorted.") },
    { KEY(vocab, BTZ_CONF_STRING,
          "Vocabulary of a network, one token of WordPiece a line; left out: vocab.txt beside "
          "it.") },
    { KEY(lower_case, BTZ_CONF_ENUM,
          "Whether a network is given texts in lower case and without accents; auto: unless the "
          "vocabulary has tokens with capitals."),
      .fallback = "auto", .choices = letter_cases },
    { KEY(max_tokens, BTZ_CONF_INT,
          "Tokens of a text that a network is given, with [CLS] and [SEP]; 0: what it fixes, else "
          "512."),
      .fallback = "0", .max = BTZ_TEXT_TOKENS_MAX },
    { KEY(pad, BTZ_CONF_BOOL,
          "Fill texts with [PAD] also where a network of a fixed length has no attention_mask."),
      .fallback = "false" },
    BTZ_ADDRESS_KEYS(
        struct conf,
        "JSON that is sent: \"{{texts}}\" stands for a list of texts, \"{{text}}\" for one. Left "
        "out: {\"inputs\":\"{{texts}}\"}.",
        "; numbers, or names as in the data."),
    { KEY(attacks, BTZ_CONF_STRINGS,
          "Attacks: beam, deepwordbug, pwws, textbugger, textfooler. Left out: textbugger.") },
    { KEY(set, BTZ_CONF_PAIRS, "Parameters of attacks, such as `beam.width: 8`.") },
    { KEY(samples, BTZ_CONF_INT, "How many texts, spread evenly over the data; 0: all."),
      .fallback = "1000", .max = 1e9 },
    { KEY(queries, BTZ_CONF_INT, "Questions about one text by one attack; 0: no limit."),
      .fallback = "2000", .max = 1e12 },
    { KEY(synonyms, BTZ_CONF_STRING,
          "File of lines `word: other, other`; left out: a small built-in list.") },
    { KEY(words, BTZ_CONF_REAL, "Largest share of the words of a text that may change."),
      .fallback = "0.2", .max = 1 },
    { KEY(edits, BTZ_CONF_INT, "Characters of a word that may change; 0: synonyms alone."),
      .fallback = "1", .max = 100 },
    { KEY(least, BTZ_CONF_INT, "Characters of the shortest word that may change."), .fallback = "4",
      .min = 1, .max = 100 },
    { KEY(distance, BTZ_CONF_INT, "Levenshtein distance of the whole text; 0: no limit."),
      .fallback = "30", .max = 1e9 },
    { KEY(ascii, BTZ_CONF_BOOL, "Nothing but ASCII comes in: no look-alikes."),
      .fallback = "false" },
    { KEY(stop_words, BTZ_CONF_BOOL, "Also words such as `the` and `not` may change."),
      .fallback = "false" },
    { KEY(keep, BTZ_CONF_STRINGS, "Words that never change.") },
    { KEY(robust_min, BTZ_CONF_REAL,
          "Accuracy under attack it must keep, 0 to 1. -1: every broken text is a finding."),
      .fallback = "-1", .min = -1, .max = 1 },
};
static const struct btz_conf_struct text_struct = { "robust_text", sizeof(struct conf), text_keys,
                                                    BTZ_COUNT(text_keys) };
static const struct btz_conf_key keys[] = {
    { .name = "robust_text",
      .kind = BTZ_CONF_STRUCT,
      .of = &text_struct,
      .help = "Attacks on a classifier of texts." },
};

/* ---- plan -------------------------------------------------------------------------------------------------------------- */

struct plan {
    const struct conf *conf;
    struct btz_text_given attacks[ATTACKS_MAX];
    size_t attack_count;
    const char *guard; /* its file, "" built-in; NULL: none */
    const char *vocab; /* of a network; NULL: the target is none */
};

static enum btz_err set_param(struct plan *p, const struct btz_conf_pair *pair)
{
    const char *dot = strchr(pair->name, '.');
    bool found = false;

    for (size_t i = 0; dot && i < p->attack_count; i++) {
        const struct btz_text_attack *a = p->attacks[i].attack;
        double value;

        if (strlen(a->id) != (size_t)(dot - pair->name) ||
            strncmp(a->id, pair->name, strlen(a->id)) != 0)
            continue;
        for (size_t k = 0; k < a->param_count; k++) {
            const struct btz_attack_param *param = &a->params[k];

            if (strcmp(param->name, dot + 1) != 0)
                continue;
            found = true;
            if (btz_parse_double(btz_str(pair->value), &value) || value < param->min ||
                value > param->max || (param->whole && value > floor(value)))
                return btz_fail(BTZ_USAGE, "robust_text.set: %s: expected a %snumber from %g to %g",
                                pair->name, param->whole ? "whole " : "", param->min, param->max);
            p->attacks[i].param[k] = value;
        }
    }
    return found ? BTZ_OK
                 : btz_fail(BTZ_USAGE,
                            "robust_text.set: \"%s\" is no parameter of an attack that runs",
                            pair->name);
}

static enum btz_err list_attacks(struct plan *p)
{
    static const char *const standard[] = { "textbugger" };
    const struct btz_conf_list *l = &p->conf->attacks;
    const char *const *ids = l->count ? l->items : standard;
    size_t count = l->count ? l->count : 1;

    if (count > ATTACKS_MAX)
        return btz_fail(BTZ_LIMIT, "robust_text.attacks: more than %d", ATTACKS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct btz_text_given *g = &p->attacks[p->attack_count++];

        g->attack = btz_text_attack_find(ids[i]);
        if (!g->attack)
            return btz_fail(BTZ_USAGE,
                            "robust_text.attacks: there is no attack \"%s\" on texts; one of beam, "
                            "deepwordbug, pwws, textbugger, textfooler",
                            ids[i]);
        for (size_t k = 0; k < g->attack->param_count; k++)
            g->param[k] = g->attack->params[k].fallback;
    }
    for (size_t i = 0; i < p->conf->set.count; i++)
        BTZ_TRY(set_param(p, (const struct btz_conf_pair *)p->conf->set.items + i));
    return BTZ_OK;
}

static bool is_network(const char *target)
{
    size_t n = strlen(target);

    return n > 5 && strcmp(target + n - 5, ".onnx") == 0 && !btz_is_address(target);
}

static enum btz_err find_vocab(struct plan *p, struct btz_arena *arena)
{
    const char *target = p->conf->target, *slash = strrchr(target, '/');

    p->vocab = p->conf->vocab && *p->conf->vocab
                   ? p->conf->vocab
                   : btz_arena_printf(arena, "%.*svocab.txt", slash ? (int)(slash + 1 - target) : 0,
                                      target);
    return p->vocab ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err make_plan(const void *conf, const struct btz_context *ctx,
                              struct btz_arena *arena, void **out, struct btz_forecast *forecast)
{
    const struct conf *c = conf;
    struct plan *p = btz_arena_alloc(arena, sizeof *p);

    (void)ctx;
    if (!p)
        return BTZ_LIMIT;
    p->conf = c;
    if (strcmp(c->target, "guard") == 0)
        p->guard = "";
    else if (strncmp(c->target, "guard:", 6) == 0 && c->target[6])
        p->guard = c->target + 6;
    else if (is_network(c->target))
        BTZ_TRY(find_vocab(p, arena));
    else if (!btz_is_address(c->target))
        return btz_fail(BTZ_USAGE,
                        "robust_text.target \"%s\": expected guard, guard:FILE, a network whose "
                        "name ends in .onnx, or an address",
                        c->target);
    else if (!c->address.scores_at == !c->address.labels_at)
        return btz_fail(BTZ_USAGE, "robust_text: an address needs a path to either `scores_at` or "
                                   "`labels_at` in its answer");
    BTZ_TRY(list_attacks(p));
    *forecast = (struct btz_forecast){ .seconds = NAN, .cost = NAN };
    if (c->samples && c->queries)
        forecast->requests =
            (uint64_t)c->samples * (1 + (uint64_t)(c->queries + 1) * p->attack_count);
    forecast->text = btz_arena_printf(
        arena, "%s (%s): texts of %s, %zu attacks, at most %" PRId64 " questions each a text\n",
        c->name, c->target, c->data, p->attack_count, c->queries);
    *out = p;
    return forecast->text ? BTZ_OK : BTZ_LIMIT;
}

/* ---- run --------------------------------------------------------------------------------------------------------------- */

struct work {
    const struct plan *plan;
    const struct btz_context *ctx;
    struct btz_text_data data;
    struct btz_slice *text;
    uint32_t *label;
    size_t count, classes;
    const char *const *names; /* of data.classes, or of all that the configuration names */
    size_t name_count;
    struct btz_synonyms *synonyms;
    struct btz_model *model; /* of a network: shared by the workers */
    struct btz_wordpiece *wordpiece;
    unsigned threads;
};

static enum btz_err open_network(const struct work *w, struct btz_text_oracle **out)
{
    const struct conf *c = w->plan->conf;
    const struct btz_text_network network = {
        .model = w->model, .wordpiece = w->wordpiece, .tokens = (size_t)c->max_tokens, .pad = c->pad
    };
    enum btz_err err = btz_text_oracle_of_network(&network, out);
    size_t classes = err ? 0 : (*out)->classes;

    if (err)
        return btz_fail_context(err, "%s", c->target);
    if (!c->class_names.count || classes == c->class_names.count)
        return BTZ_OK;
    btz_text_oracle_free(*out);
    *out = NULL;
    return btz_fail(BTZ_INPUT, "%s has %zu classes; class_names has %zu", c->target, classes,
                    c->class_names.count);
}

static enum btz_err open_oracle(void *user, struct btz_text_oracle **out)
{
    const struct work *w = user;
    const struct conf *c = w->plan->conf;
    const struct btz_address_conf *a = &c->address;
    const struct btz_http_opts http = btz_address_http(a, w->threads, w->ctx->seed);
    BTZ_FREE struct btz_http_header *headers = NULL;

    if (w->plan->guard)
        return btz_text_oracle_of_guard(w->plan->guard, out);
    if (w->plan->vocab)
        return open_network(w, out);
    BTZ_TRY(btz_address_headers(a, &headers));
    return btz_text_oracle_of_http(
        &(struct btz_text_http){
            .url = c->target,
            .headers = headers,
            .header_count = a->headers.count,
            .request = a->request && *a->request ? a->request : "{\"inputs\":\"{{texts}}\"}",
            .scores = a->scores_at,
            .labels = a->labels_at,
            .names = w->classes == w->name_count ? w->names : NULL,
            .classes = w->classes,
            .rows = (uint32_t)a->rows,
            .http = &http,
            .stop = w->ctx->stop,
        },
        out);
}

/* Labels by the names of the configuration, where it has some. */
static enum btz_err name_classes(struct work *w)
{
    const struct btz_conf_list *all = &w->plan->conf->class_names;
    const char *const *names = all->items;
    struct btz_text_data *d = &w->data;
    uint32_t number[BTZ_TEXT_CLASSES_MAX];

    w->names = all->count ? names : d->names;
    w->name_count = all->count ? all->count : d->classes;
    for (size_t k = 0; all->count && k < d->classes; k++) {
        size_t at = d->numbered ? k : 0;

        while (at < all->count && !d->numbered && strcmp(names[at], d->names[k]) != 0)
            at++;
        if (at >= all->count)
            return btz_fail(BTZ_INPUT, "%s: class \"%s\" is not among class_names",
                            w->plan->conf->data, d->names[k]);
        number[k] = (uint32_t)at;
    }
    for (size_t i = 0; all->count && i < d->count; i++)
        d->label[i] = number[d->label[i]];
    return BTZ_OK;
}

/* Every n-th text, so that a sorted file gives all its classes. */
static enum btz_err choose(struct work *w)
{
    const struct conf *c = w->plan->conf;
    size_t all = w->data.count;

    BTZ_TRY(name_classes(w));
    w->count = c->samples && (uint64_t)c->samples < all ? (size_t)c->samples : all;
    w->text = btz_arena_array(&w->data.arena, w->count, sizeof *w->text);
    w->label = btz_arena_array(&w->data.arena, w->count, sizeof *w->label);
    if (!w->text || !w->label)
        return BTZ_LIMIT;
    for (size_t i = 0; i < w->count; i++) {
        size_t from = (size_t)((uint64_t)i * all / w->count);

        w->text[i] = w->data.text[from];
        w->label[i] = w->data.label[from];
    }
    w->classes = w->plan->guard ? 2 : c->classes ? (size_t)c->classes : w->name_count;
    if (w->name_count > w->classes)
        return btz_fail(BTZ_INPUT, "%s has %zu classes, the classifier %zu", c->data, w->name_count,
                        w->classes);
    return BTZ_OK;
}

static enum btz_err attack(struct work *w, struct btz_sink *sink)
{
    const struct conf *c = w->plan->conf;
    struct btz_text_options o = {
        .oracle = open_oracle,
        .oracle_user = w,
        .attacks = w->plan->attacks,
        .attack_count = w->plan->attack_count,
        .limits = { .words = c->words,
                    .edits = (unsigned)c->edits,
                    .least = (unsigned)c->least,
                    .distance = (unsigned)c->distance,
                    .ascii = c->ascii,
                    .stop_words = c->stop_words,
                    .keep = c->keep.items,
                    .keep_count = c->keep.count },
        .seed = w->ctx->seed,
        .query_max = (uint64_t)c->queries,
        .threads = w->threads,
        .stop = w->ctx->stop,
        .progress = sink,
    };
    struct btz_text_report report = {
        .asset = { .kind = "model", .name = c->name, .address = c->target },
        .attacks = o.attacks,
        .limits = &o.limits,
        .robust_min = c->robust_min,
    };
    struct btz_text_evaluation *e = NULL;
    enum btz_err err;

    BTZ_TRY(choose(w));
    BTZ_TRY(btz_synonyms_read(c->synonyms && *c->synonyms ? c->synonyms : NULL, &w->synonyms));
    report.text = o.text = w->text;
    o.label = w->label;
    report.planned = o.count = w->count;
    o.synonyms = w->synonyms;
    report.names = w->names;
    report.classes = w->name_count;
    BTZ_TRY(btz_text_evaluate(&o, &e));
    report.evaluation = e;
    err = btz_text_findings(&report, sink);
    btz_text_evaluation_free(e);
    return err;
}

static enum btz_err read_network(struct work *w)
{
    const struct plan *p = w->plan;

    if (!p->vocab)
        return BTZ_OK;
    BTZ_TRY(btz_wordpiece_read(p->vocab, (enum btz_letter_case)p->conf->lower_case, &w->wordpiece));
    return btz_model_read(p->conf->target, NULL, &w->model);
}

static enum btz_err run(void *plan, const struct btz_context *ctx, struct btz_sink *sink)
{
    struct work w = { .plan = plan, .ctx = ctx };
    const struct conf *c = w.plan->conf;
    const struct btz_text_columns columns = { c->text_column, c->label_column };
    enum btz_err err;

    /* Guards and networks are of this process; the threads that ask an address share what it allows. */
    w.threads = w.plan->guard || w.plan->vocab ? ctx->threads
                                               : btz_address_engines(&c->address, ctx->threads);
    BTZ_TRY(btz_text_data_read(c->data, &columns, &w.data));
    err = read_network(&w);
    if (!err)
        err = attack(&w, sink);
    btz_wordpiece_free(w.wordpiece);
    btz_model_free(w.model);
    btz_synonyms_free(w.synonyms);
    btz_text_data_release(&w.data);
    return err;
}

const struct btz_practice_ops btz_practice_robust_text = {
    .name = "robust_text",
    .practice = BTZ_PRACTICE_REDTEAM,
    .keys = keys,
    .key_count = BTZ_COUNT(keys),
    .conf_size = sizeof(struct conf),
    .plan = make_plan,
    .run = run,
};
