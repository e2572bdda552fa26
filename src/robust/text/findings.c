/* What an evaluation of texts says: findings, a table of attacks, texts before and after. */
#include <math.h>

#include "robust/text_findings.h"

#define SHOWN    20  /* texts */
#define EXCERPT  400 /* bytes of each */
#define SENTENCE 90  /* of the one in the reason */
#define BYTES    ((size_t)1 << 20)

/* Whole characters of `s`, `max` bytes from `from` at most. */
static struct btz_slice excerpt(struct btz_slice s, size_t from, size_t max)
{
    size_t at = from < s.len ? from : s.len, end, next;
    uint32_t c;

    while (at && at < s.len && (s.ptr[at] & 0xc0) == 0x80)
        at--;
    for (end = next = at; btz_utf8_next(s, &next, &c) && next - at <= max; end = next)
        ;
    return btz_slice_sub(s, at, end - at);
}

static size_t first_change(struct btz_slice a, struct btz_slice b)
{
    size_t i = 0;

    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
        i++;
    return i > 30 ? i - 30 : 0;
}

static json_t *mean(double sum, uint64_t n)
{
    return n ? json_real(sum / (double)n) : json_null();
}

static json_t *share(const struct btz_rate *r)
{
    char text[80];

    snprintf(text, sizeof text, "%.2f %% [%.2f, %.2f]", 100 * r->value, 100 * r->interval.low,
             100 * r->interval.high);
    return json_string(text);
}

static json_t *attacks_table(const struct btz_text_report *r)
{
    const struct btz_text_evaluation *e = r->evaluation;
    json_t *rows = json_array();

    json_array_append_new(rows, json_pack("[s, i, i, o, o, o, o]", "none", 0, 0, share(&e->clean),
                                          json_null(), json_null(), json_null()));
    for (size_t i = 0; i < e->attack_count; i++) {
        const struct btz_text_attacked *a = &e->attacks[i];

        json_array_append_new(rows, json_pack("[s, I, I, o, o, o, o]", r->attacks[i].attack->id,
                                              (json_int_t)a->tried, (json_int_t)a->broken,
                                              share(&a->robust), mean((double)a->queries, a->tried),
                                              mean((double)a->changed, a->broken),
                                              mean(100 * a->share, a->broken)));
    }
    return json_pack("{s:s, s:s, s:[s,s,s,s,s,s,s], s:o}", "kind", "table", "title",
                     "Attacks on texts", "columns", "attack", "tried", "broken",
                     "accuracy under it", "mean questions a text", "mean words changed",
                     "mean share of words changed, %", "rows", rows);
}

static const char *class_name(const struct btz_text_report *r, uint32_t k)
{
    return k < r->classes ? r->names[k] : "none";
}

static json_t *examples_table(const struct btz_text_report *r)
{
    const struct btz_text_evaluation *e = r->evaluation;
    json_t *rows = json_array();

    for (size_t i = 0; i < e->n && json_array_size(rows) < SHOWN; i++) {
        const struct btz_text_verdict *v = &e->verdicts[i];
        size_t from;

        if (v->attack == BTZ_NOT_BROKEN)
            continue;
        from = v->adv.len > EXCERPT ? first_change(r->text[i], v->adv) : 0;
        json_array_append_new(rows, json_pack("[o, o, s, s, s, i]",
                                              btz_json_text(excerpt(r->text[i], from, EXCERPT)),
                                              btz_json_text(excerpt(v->adv, from, EXCERPT)),
                                              class_name(r, v->clean), class_name(r, v->predicted),
                                              r->attacks[v->attack].attack->id, (int)v->changed));
    }
    return json_pack("{s:s, s:s, s:[s,s,s,s,s,s], s:o}", "kind", "table", "title",
                     "Texts before and after", "columns", "text", "changed", "class",
                     "class of the changed text", "attack", "words changed", "rows", rows);
}

/* Takes the reference. */
static enum btz_err attach(json_t *figure, const char *label, struct btz_buf *bytes,
                           struct btz_evidence *out)
{
    BTZ_JSON json_t *owned = figure;

    if (!owned)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_json_write(owned, false, bytes));
    btz_evidence_set(out, label, BTZ_FIGURE_TYPE, btz_buf_slice(bytes));
    return BTZ_OK;
}

/* " For example ..." of the first text that attack `which` (SIZE_MAX: any) broke first; fit for terminals. */
static enum btz_err put_example(const struct btz_text_report *r, size_t which, struct btz_buf *out)
{
    const struct btz_text_evaluation *e = r->evaluation;

    for (size_t i = 0; i < e->n; i++) {
        const struct btz_text_verdict *v = &e->verdicts[i];
        size_t from;

        if (v->attack == BTZ_NOT_BROKEN || (which != SIZE_MAX && v->attack != which))
            continue;
        from = first_change(r->text[i], v->adv);
        BTZ_TRY(btz_buf_printf(out, " For example \"%s", from ? "..." : ""));
        BTZ_TRY(btz_utf8_printable(excerpt(r->text[i], from, SENTENCE), false, out));
        BTZ_TRY(btz_buf_printf(out, "\" is %s, \"%s", class_name(r, v->clean), from ? "..." : ""));
        BTZ_TRY(btz_utf8_printable(excerpt(v->adv, from, SENTENCE), false, out));
        return btz_buf_printf(out, "\" is %s.", class_name(r, v->predicted));
    }
    return BTZ_OK;
}

/* Attack `which`; SIZE_MAX: the worst case of all. */
static enum btz_err say(const struct btz_text_report *r, size_t which,
                        const struct btz_evidence *evidence, size_t evidence_count,
                        struct btz_sink *sink)
{
    const struct btz_text_evaluation *e = r->evaluation;
    const struct btz_text_attacked *a = which == SIZE_MAX ? NULL : &e->attacks[which];
    const struct btz_rate *robust = a ? &a->robust : &e->robust;
    BTZ_BUF_RELEASE struct btz_buf reason = BTZ_BUF(4096);
    struct btz_interval interval;
    char location[160];
    struct btz_finding f = { .rule = btz_rule_find("redteam.evasion.text"),
                             .asset = r->asset,
                             .location = location,
                             .k = e->clean.k - robust->k,
                             .n = e->clean.k,
                             .evidence = evidence,
                             .evidence_count = evidence_count };

    if (!f.rule)
        return btz_fail(BTZ_INTERNAL, "the rule of text attacks is missing");
    BTZ_TRY(btz_exact_interval(f.k, f.n, 0.95, BTZ_SIDE_TWO, &interval));
    f.ci_low = interval.low;
    f.ci_high = interval.high;
    f.value = (double)f.k / (double)f.n;
    snprintf(location, sizeof location, "%s, at most %.6g %% of the words",
             a ? r->attacks[which].attack->id : "worst case of all attacks",
             100 * r->limits->words);
    f.severity = btz_evasion_severity(f.rule, f.value);
    f.outcome = f.k ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS;
    if (r->robust_min >= 0) {
        f.outcome = robust->value < r->robust_min ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS;
        f.severity = f.rule->severity;
    }
    BTZ_TRY(btz_buf_printf(
        &reason, "Accuracy %.2f %% [%.2f, %.2f], under attack %.2f %% [%.2f, %.2f].",
        100 * e->clean.value, 100 * e->clean.interval.low, 100 * e->clean.interval.high,
        100 * robust->value, 100 * robust->interval.low, 100 * robust->interval.high));
    if (a)
        BTZ_TRY(btz_buf_printf(&reason, " %.1f questions a text.",
                               (double)a->queries / (double)a->tried));
    if (a && a->broken)
        BTZ_TRY(btz_buf_printf(&reason, " %.1f words (%.1f %%) of a broken text changed.",
                               (double)a->changed / (double)a->broken,
                               100 * a->share / (double)a->broken));
    if (a && a->claimed)
        BTZ_TRY(btz_buf_printf(&reason, " %" PRIu64 " claims did not hold.", a->claimed));
    BTZ_TRY(put_example(r, which, &reason));
    BTZ_TRY(btz_buf_cstr(&reason, &f.reason));
    return sink->finding(sink, &f);
}

/* Nothing could be attacked: no good news, and none at all where a share is wanted. */
static enum btz_err say_none(const struct btz_text_report *r, struct btz_sink *sink)
{
    struct btz_finding f;
    char reason[200];

    BTZ_TRY(btz_evasion_rate("redteam.evasion.text", 0, 0, &f));
    f.asset = r->asset;
    f.location = "worst case of all attacks";
    if (r->robust_min > 0) {
        f.outcome = BTZ_OUTCOME_FAIL;
        f.severity = f.rule->severity;
    }
    snprintf(reason, sizeof reason,
             "None of %" PRIu64 " texts is classified correctly, so none was attacked: are these "
             "labels, in this order of classes, those of the classifier?",
             r->evaluation->clean.n);
    f.reason = reason;
    return sink->finding(sink, &f);
}

static enum btz_err say_all(const struct btz_text_report *r, struct btz_evidence evidence[2],
                            struct btz_sink *sink)
{
    const struct btz_text_evaluation *e = r->evaluation;

    if (!e->clean.k)
        BTZ_TRY(say_none(r, sink));
    for (size_t i = 0; e->clean.k && i < e->attack_count; i++)
        BTZ_TRY(say(r, i, evidence, e->attack_count == 1 ? 2 : 0, sink));
    if (e->clean.k && e->attack_count > 1)
        BTZ_TRY(say(r, SIZE_MAX, evidence, 2, sink));
    return sink->coverage(sink, &(struct btz_coverage){ .practice = BTZ_PRACTICE_REDTEAM,
                                                        .asset = r->asset,
                                                        .unit = "texts",
                                                        .planned = r->planned,
                                                        .done = e->n });
}

enum btz_err btz_text_findings(const struct btz_text_report *r, struct btz_sink *sink)
{
    struct btz_buf bytes[2] = { BTZ_BUF(BYTES), BTZ_BUF(BYTES) };
    struct btz_evidence evidence[2];
    enum btz_err err = attach(attacks_table(r), "Attacks on texts", &bytes[0], &evidence[0]);

    if (!err)
        err = attach(examples_table(r), "Texts before and after", &bytes[1], &evidence[1]);
    if (!err)
        err = say_all(r, evidence, sink);
    btz_buf_release(&bytes[0]);
    btz_buf_release(&bytes[1]);
    return err;
}
