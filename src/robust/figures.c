/*
 * An evaluation as figures for the report.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "robust/practice.h"

#define FIGURE_BYTES   ((size_t)2 << 20)
#define CONFUSION_SHOW 32 /* classes; a larger table helps nobody */
#define CLASSES_SHOW   200

void btz_figures_init(struct btz_figures *f)
{
    const struct btz_buf empty = BTZ_BUF(FIGURE_BYTES);

    f->count = 0;
    for (size_t i = 0; i < BTZ_FIGURES_MAX; i++)
        f->bytes[i] = empty;
}

void btz_figures_release(struct btz_figures *f)
{
    for (size_t i = 0; i < BTZ_FIGURES_MAX; i++)
        btz_buf_release(&f->bytes[i]);
    f->count = 0;
}

/* Takes the reference; NULL is no memory. `title` outlives the figures. */
static enum btz_err attach(struct btz_figures *f, const char *title, json_t *figure)
{
    BTZ_JSON json_t *owned = figure;
    struct btz_buf *bytes = &f->bytes[f->count];

    if (!owned)
        return btz_fail(BTZ_LIMIT, "out of memory");
    if (json_object_set_new(owned, "title", json_string(title)) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_json_write(owned, false, bytes));
    btz_evidence_set(&f->list[f->count++], title, BTZ_FIGURE_TYPE, btz_buf_slice(bytes));
    return BTZ_OK;
}

/* "98.50 % [98.24, 98.73]" */
static json_t *share(const struct btz_rate *r)
{
    char text[80];

    if (!r->n)
        return json_null();
    snprintf(text, sizeof text, "%.2f %% [%.2f, %.2f]", 100 * r->value, 100 * r->interval.low,
             100 * r->interval.high);
    return json_string(text);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *attack_rows(const struct btz_evaluation *e)
{
    json_t *rows = json_array();

    json_array_append_new(rows, json_pack("[s, i, i, o, o, i, i, s]", "none", 0, 0, json_null(),
                                          share(&e->clean), 0, 0, ""));
    for (size_t i = 0; i < e->attack_count; i++) {
        const struct btz_evaluate_attacked *a = &e->attacks[i];
        char seconds[32];

        snprintf(seconds, sizeof seconds, "%.1f s", a->seconds);
        json_array_append_new(rows, json_pack("[s, o, o, o, o, o, o, s]", a->given.attack->id,
                                              number(a->tried), number(a->broken),
                                              share(&a->robust_alone), share(&a->robust),
                                              number(a->queries), number(a->gradients), seconds));
    }
    return rows;
}

static enum btz_err attacks(struct btz_figures *f, const struct btz_evaluation *e)
{
    char asked[120] = "";

    if (e->asked)
        snprintf(asked, sizeof asked,
                 " The model was asked %" PRIu64
                 " rows in all, the clean pass and the checks included.",
                 e->asked);
    return attach(
        f, "Attacks, in the order they ran",
        json_pack(
            "{s:s, s:[s, s, s, s, s, s, s, s], s:o, s:s+}", "kind", "table", "columns", "attack",
            "samples tried", "broken", "accuracy under it alone", "accuracy after it",
            "passes until broken", "gradients until broken", "time", "rows", attack_rows(e), "note",
            "Intervals are exact (Clopper-Pearson), 95 %. A sample counts as broken from the "
            "first attack on that breaks it; the last row is the worst case. Attacks that go on to "
            "look for a smaller change ask more than is counted here.",
            asked));
}

static enum btz_err curve(struct btz_figures *f, const struct btz_evaluation *e)
{
    json_t *points = json_array();

    for (size_t i = 0; i < e->curve_count; i++)
        json_array_append_new(points,
                              json_pack("[f, f]", e->curve[i].eps, e->curve[i].robust.value));
    return attach(f, "Accuracy over the size of the change",
                  json_pack("{s:s, s:s, s:s, s:b, s:[{s:s, s:o}], s:s}", "kind", "curve", "x",
                            "eps", "y", "accuracy", "percent", 1, "series", "name", "PGD", "points",
                            points, "note",
                            "PGD on a part of the samples: an upper bound of the robust accuracy. "
                            "A sound measurement ends at 0 when the change may be anything."));
}

static const char *class_name(const char *const *names, size_t k, char text[24])
{
    if (names)
        return names[k];
    snprintf(text, 24, "%zu", k);
    return text;
}

static enum btz_err classes(struct btz_figures *f, const struct btz_evaluation *e,
                            const char *const *names)
{
    json_t *rows = json_array();
    char text[24];

    for (size_t k = 0; k < e->classes && k < CLASSES_SHOW; k++)
        if (e->clean_by_class[k].n)
            json_array_append_new(
                rows, json_pack("[o, o, o, o]", btz_json_text(btz_str(class_name(names, k, text))),
                                number(e->clean_by_class[k].n), share(&e->clean_by_class[k]),
                                share(&e->robust_by_class[k])));
    return attach(f, "Accuracy of each class",
                  json_pack("{s:s, s:[s, s, s, s], s:o}", "kind", "table", "columns", "class",
                            "samples", "clean", "robust", "rows", rows));
}

static enum btz_err confusion(struct btz_figures *f, const struct btz_evaluation *e,
                              const char *const *names)
{
    json_t *rows = json_array(), *columns = json_array();
    char text[24];

    json_array_append_new(columns, json_string("true \\ said"));
    for (size_t k = 0; k < e->classes; k++) {
        json_t *row = json_array();

        json_array_append_new(columns, btz_json_text(btz_str(class_name(names, k, text))));
        json_array_append_new(row, btz_json_text(btz_str(class_name(names, k, text))));
        for (size_t i = 0; i < e->classes; i++)
            json_array_append_new(row, number(e->confusion[k * e->classes + i]));
        json_array_append_new(rows, row);
    }
    return attach(f, "What the model says under attack",
                  json_pack("{s:s, s:o, s:o}", "kind", "counts", "columns", columns, "rows", rows));
}

static enum btz_err checks(struct btz_figures *f, const struct btz_evaluation *e)
{
    json_t *rows = json_array();

    for (int i = 0; i < BTZ_CHECK_COUNT; i++)
        json_array_append_new(rows, json_pack("[s, s, o]", btz_check_name((enum btz_check_id)i),
                                              btz_outcome_name(e->checks[i].outcome),
                                              btz_json_text(btz_str(e->checks[i].text))));
    return attach(f, "Can the figure be believed?",
                  json_pack("{s:s, s:[s, s, s], s:o}", "kind", "table", "columns", "check",
                            "outcome", "what was found", "rows", rows));
}

/* Are the questions of a sample those until it was broken? Not where an attack goes on with what an earlier one broke. */
static bool has_questions(const struct btz_evaluation *e)
{
    for (size_t i = 0; i < e->attack_count; i++)
        if (e->attacks[i].given.attack->access == BTZ_ATTACK_GRADIENT ||
            (i && e->attacks[i - 1].broken && e->attacks[i].alone))
            return false;
    return e->attack_count > 0;
}

/* The share that is broken after so many questions, of all attacks together. */
static enum btz_err questions(struct btz_figures *f, const struct btz_evaluation *e)
{
    uint64_t most = 1;
    json_t *points = json_array();

    for (uint64_t i = 0; i < e->n; i++)
        if (e->verdicts[i].attack != BTZ_NOT_BROKEN && e->verdicts[i].queries > most)
            most = e->verdicts[i].queries;
    for (double at = 1;; at = fmin(ceil(at * 1.35), (double)most)) {
        uint64_t broken = 0;

        for (uint64_t i = 0; i < e->n; i++)
            broken +=
                e->verdicts[i].attack != BTZ_NOT_BROKEN && (double)e->verdicts[i].queries <= at;
        json_array_append_new(
            points,
            json_pack("[f, f]", at, (double)broken / (double)(e->clean.k ? e->clean.k : 1)));
        if (at >= (double)most)
            break;
    }
    return attach(f, "Broken samples over questions asked",
                  json_pack("{s:s, s:s, s:s, s:b, s:b, s:[{s:s, s:o}]}", "kind", "curve", "x",
                            "questions a sample", "y", "share broken", "percent", 1, "log", 1,
                            "series", "name",
                            e->attack_count == 1 ? e->attacks[0].given.attack->id : "all attacks",
                            "points", points));
}

/* One curve for each attack by labels: the median distance, or the share within eps. */
static enum btz_err best(struct btz_figures *f, const struct btz_evaluation *e, bool distance)
{
    json_t *series = json_array();

    for (size_t i = 0; i < e->attack_count; i++) {
        const struct btz_evaluate_attacked *a = &e->attacks[i];
        json_t *points = json_array();

        for (size_t k = 0; k < a->best_count; k++) {
            const struct btz_best_point *p = &a->best[k];

            if (!distance || isfinite(p->median))
                json_array_append_new(points, json_pack("[f, f]", (double)p->questions,
                                                        distance ? p->median : p->within));
        }
        if (json_array_size(points))
            json_array_append_new(
                series, json_pack("{s:s, s:o}", "name", a->given.attack->id, "points", points));
        else
            json_decref(points);
    }
    if (!json_array_size(series)) {
        json_decref(series);
        return BTZ_OK;
    }
    return attach(f,
                  distance ? "Median distance over questions asked"
                           : "Samples within eps over questions asked, each attack alone",
                  json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:s}", "kind", "curve", "x",
                            "questions a sample", "y",
                            distance ? "distance of half the samples" : "share broken", "percent",
                            !distance, "log", 1, "series", series, "note",
                            "Of the samples the attack tried, as it found them. A curve begins "
                            "where half of the samples are broken at any distance."));
}

static enum btz_err picture(struct btz_figures *f, const struct btz_gallery *g, struct btz_box box)
{
    struct btz_buf *bytes = &f->bytes[f->count];

    BTZ_TRY(btz_gallery_draw(g, box, bytes));
    if (bytes->len)
        btz_evidence_set(&f->list[f->count++],
                         "Above the originals, below what the model gets wrong, between them the "
                         "change (grey is none)",
                         "image/png", btz_buf_slice(bytes));
    return BTZ_OK;
}

static enum btz_err pictured(struct btz_figures *f, const struct btz_evaluation *e,
                             const struct btz_gallery *g, const char *const *names)
{
    json_t *rows = json_array();
    char label[24], said[24];

    for (size_t i = 0; i < g->count; i++) {
        const struct btz_gallery_item *item = &g->items[i];

        json_array_append_new(
            rows, json_pack("[o, o, o, s, f]", number(item->index),
                            btz_json_text(btz_str(class_name(names, item->y, label))),
                            btz_json_text(btz_str(item->predicted < e->classes
                                                      ? class_name(names, item->predicted, said)
                                                      : "no number")),
                            e->attacks[item->attack].given.attack->id, item->distance));
    }
    return attach(f, "Examples",
                  json_pack("{s:s, s:[s, s, s, s, s], s:o}", "kind", "table", "columns", "sample",
                            "is", "said to be", "by", "distance", "rows", rows));
}

static enum btz_err cost(struct btz_figures *f, const struct btz_evaluation *e)
{
    char threads[24], predicted[40], peak[40] = "unknown", seconds[40];

    snprintf(threads, sizeof threads, "%u", e->threads);
    snprintf(predicted, sizeof predicted, "%.1f MB", (double)e->memory / 1e6);
    if (e->peak)
        snprintf(peak, sizeof peak, "%.1f MB", (double)e->peak / 1e6);
    snprintf(seconds, sizeof seconds, "%.1f s", e->seconds);
    return attach(f, "What it took",
                  json_pack("{s:s, s:[s, s], s:[[s, s], [s, s], [s, s], [s, s]]}", "kind", "table",
                            "columns", "what", "how much", "rows", "threads", threads,
                            "memory of networks, attacks and samples, predicted", predicted,
                            "memory of the process at its peak", peak, "time of this run",
                            seconds));
}

enum btz_err btz_figures_of(const struct btz_evaluation *e, const struct btz_gallery *g,
                            struct btz_box box, const char *const *names, struct btz_figures *f)
{
    BTZ_TRY(attacks(f, e));
    BTZ_TRY(picture(f, g, box));
    if (g->count)
        BTZ_TRY(pictured(f, e, g, names));
    if (e->curve_count)
        BTZ_TRY(curve(f, e));
    if (has_questions(e))
        BTZ_TRY(questions(f, e));
    else
        BTZ_TRY(best(f, e, false));
    BTZ_TRY(best(f, e, true));
    BTZ_TRY(classes(f, e, names));
    if (e->confusion && e->classes <= CONFUSION_SHOW)
        BTZ_TRY(confusion(f, e, names));
    BTZ_TRY(checks(f, e));
    return cost(f, e);
}
