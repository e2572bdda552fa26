/* Reads JSON reports of ours back. They are files of users and others: hostile until checked. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "finding/results.h"

static enum btz_err parse(struct btz_slice text, json_t **out)
{
    BTZ_JSON json_t *report = NULL;
    const json_t *version;

    BTZ_TRY(btz_json_parse(text, BTZ_REPORT_MAX, "report", &report));
    version = json_object_get(report, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return btz_fail(BTZ_INPUT, "report: expected an object with `version`, as "
                                   "`--format json` writes it");
    if (json_integer_value(version) > BTZ_REPORT_VERSION)
        return btz_fail(BTZ_UNSUPPORTED,
                        "report: version %" JSON_INTEGER_FORMAT
                        " is newer than this bartizan, which reads %d; use the one that wrote it",
                        json_integer_value(version), BTZ_REPORT_VERSION);
    *out = json_incref(report);
    return BTZ_OK;
}

static enum btz_err array_of(const json_t *object, const char *key, const json_t **out)
{
    *out = json_object_get(object, key);
    if (!json_is_array(*out))
        return btz_fail(BTZ_INPUT, "expected an array `%s`", key);
    return BTZ_OK;
}

static enum btz_err text_of(const json_t *object, const char *key, const char **out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return btz_fail(BTZ_INPUT, "expected a string `%s`", key);
    *out = json_string_value(value);
    return BTZ_OK;
}

static enum btz_err count_of(const json_t *object, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return btz_fail(BTZ_INPUT, "expected a count `%s`", key);
    *out = (uint64_t)json_integer_value(value);
    return BTZ_OK;
}

static enum btz_err number_of(const json_t *object, const char *key, double *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value) && !json_is_null(value))
        return btz_fail(BTZ_INPUT, "expected a number or null `%s`", key);
    *out = json_is_null(value) ? NAN : json_number_value(value);
    return BTZ_OK;
}

/* What a baseline and a whole report both need of a finding. */
static enum btz_err parse_entry(const json_t *item, struct btz_baseline_entry *out)
{
    struct btz_baseline_entry e = { 0 };
    const char *text;
    uint8_t raw[(BTZ_FINGERPRINT_TEXT - 1) / 2];

    BTZ_TRY(text_of(item, "fingerprint", &text));
    BTZ_TRY(btz_unhex(btz_str(text), raw, sizeof raw));
    btz_hex(raw, sizeof raw, e.fingerprint);
    BTZ_TRY(text_of(item, "outcome", &text));
    if (!btz_outcome_parse(text, &e.outcome))
        return btz_fail(BTZ_INPUT, "`outcome` is none of fail, pass, not-evaluated");
    BTZ_TRY(text_of(item, "severity", &text));
    if (!btz_severity_parse(text, &e.severity))
        return btz_fail(BTZ_INPUT, "`severity` is none of info, low, medium, high, critical");
    if (json_object_get(item, "status")) {
        BTZ_TRY(text_of(item, "status", &text));
        if (!btz_status_parse(text, &e.status))
            return btz_fail(BTZ_INPUT, "`status` is none of open, suppressed, baseline, worse");
    }
    BTZ_TRY(count_of(item, "k", &e.k));
    BTZ_TRY(count_of(item, "n", &e.n));
    if (e.n > 0 && e.k > e.n)
        return btz_fail(BTZ_INPUT, "`k` is larger than `n`");
    if (e.k > BTZ_TRIALS_MAX || e.n > BTZ_TRIALS_MAX)
        return btz_fail(BTZ_INPUT, "`n` is larger than 2^40");
    *out = e;
    return BTZ_OK;
}

static int by_fingerprint(const void *x, const void *y)
{
    const struct btz_baseline_entry *a = x, *b = y;

    return strcmp(a->fingerprint, b->fingerprint);
}

enum btz_err btz_baseline_parse(struct btz_slice text, struct btz_arena *arena,
                                const struct btz_baseline_entry **out, size_t *count)
{
    BTZ_JSON json_t *report = NULL;
    const json_t *findings;
    struct btz_baseline_entry *list;
    size_t n;

    BTZ_TRY(parse(text, &report));
    if (array_of(report, "findings", &findings) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "report");
    n = json_array_size(findings);
    list = btz_arena_array(arena, n + 1, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < n; i++) {
        enum btz_err err = parse_entry(json_array_get(findings, i), &list[i]);

        if (err != BTZ_OK)
            return btz_fail_context(err, "report: finding %zu", i + 1);
    }
    qsort(list, n, sizeof *list, by_fingerprint);
    for (size_t i = 1; i < n; i++)
        if (by_fingerprint(&list[i - 1], &list[i]) == 0)
            return btz_fail(BTZ_INPUT, "report: fingerprint %s occurs twice", list[i].fingerprint);
    *out = list;
    *count = n;
    return BTZ_OK;
}

const struct btz_baseline_entry *btz_baseline_find(const struct btz_baseline_entry *list,
                                                   size_t count, const char *fingerprint)
{
    struct btz_baseline_entry key;

    memcpy(key.fingerprint, fingerprint, sizeof key.fingerprint);
    return count > 0 ? bsearch(&key, list, count, sizeof *list, by_fingerprint) : NULL;
}

/* ---- whole reports ---- */

struct named_asset {
    const char *id;
    struct btz_asset asset;
};
struct reader {
    struct named_asset *assets; /* sorted by id */
    size_t asset_count;
    struct btz_arena *arena;
    struct btz_results *results;
};

static enum btz_err optional_text(const json_t *object, const char *key, struct btz_arena *arena,
                                  const char **out)
{
    const json_t *value = json_object_get(object, key);

    *out = NULL;
    if (!value || json_is_null(value))
        return BTZ_OK;
    if (!json_is_string(value))
        return btz_fail(BTZ_INPUT, "expected a string or null `%s`", key);
    *out = btz_arena_str(arena, btz_slice_of(json_string_value(value), json_string_length(value)));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static int by_id(const void *x, const void *y)
{
    return strcmp(((const struct named_asset *)x)->id, ((const struct named_asset *)y)->id);
}

static enum btz_err read_assets(const json_t *report, struct reader *r)
{
    const json_t *list;

    BTZ_TRY(array_of(report, "assets", &list));
    r->asset_count = json_array_size(list);
    r->assets = btz_arena_array(r->arena, r->asset_count + 1, sizeof *r->assets);
    if (!r->assets)
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->asset_count; i++) {
        const json_t *item = json_array_get(list, i);
        struct named_asset *a = &r->assets[i];

        BTZ_TRY(text_of(item, "id", &a->id));
        BTZ_TRY(text_of(item, "kind", &a->asset.kind));
        BTZ_TRY(text_of(item, "name", &a->asset.name));
        BTZ_TRY(optional_text(item, "address", r->arena, &a->asset.address));
    }
    qsort(r->assets, r->asset_count, sizeof *r->assets, by_id);
    for (size_t i = 1; i < r->asset_count; i++)
        if (by_id(&r->assets[i - 1], &r->assets[i]) == 0)
            return btz_fail(BTZ_INPUT, "two assets have the same `id`");
    return BTZ_OK;
}

static enum btz_err asset_of(const struct reader *r, const json_t *object, struct btz_asset *out)
{
    struct named_asset key = { 0 };
    const struct named_asset *found;

    BTZ_TRY(text_of(object, "asset", &key.id));
    found = bsearch(&key, r->assets, r->asset_count, sizeof *r->assets, by_id);
    if (!found)
        return btz_fail(BTZ_INPUT, "`asset` is not in the list of assets");
    *out = found->asset;
    return BTZ_OK;
}

static enum btz_err evidence_bytes(const struct reader *r, const json_t *item,
                                   struct btz_evidence *e)
{
    BTZ_BUF_RELEASE struct btz_buf raw = BTZ_BUF(BTZ_REPORT_MAX);
    struct btz_slice text;
    uint8_t digest[BTZ_SHA256_LEN];

    if (btz_json_get_text(item, "text", &text)) {
        BTZ_TRY(btz_buf_add_slice(&raw, text));
    } else if (btz_json_get_text(item, "base64", &text)) {
        BTZ_TRY(btz_base64_decode(text, &raw));
    } else {
        return BTZ_OK;
    }
    btz_sha256(btz_buf_slice(&raw), digest);
    if (memcmp(digest, e->sha256, sizeof digest) != 0)
        return btz_fail(BTZ_INPUT, "evidence does not have the SHA-256 that stands beside it: the "
                                   "report was changed");
    return btz_arena_copy(r->arena, btz_buf_slice(&raw), &e->bytes);
}

static enum btz_err read_evidence(const struct reader *r, const json_t *item, struct btz_finding *f)
{
    const json_t *list;
    struct btz_evidence *copies;
    const char *hex;

    BTZ_TRY(array_of(item, "evidence", &list));
    f->evidence_count = json_array_size(list);
    copies = btz_arena_array(r->arena, f->evidence_count + 1, sizeof *copies);
    if (!copies)
        return BTZ_LIMIT;
    for (size_t i = 0; i < f->evidence_count; i++) {
        const json_t *e = json_array_get(list, i);

        BTZ_TRY(text_of(e, "label", &copies[i].label));
        BTZ_TRY(text_of(e, "media_type", &copies[i].media_type));
        BTZ_TRY(text_of(e, "sha256", &hex));
        BTZ_TRY(btz_unhex(btz_str(hex), copies[i].sha256, BTZ_SHA256_LEN));
        BTZ_TRY(evidence_bytes(r, e, &copies[i]));
    }
    f->evidence = copies;
    return BTZ_OK;
}

static enum btz_err read_status(const struct reader *r, const json_t *item,
                                const struct btz_finding *f, enum btz_status status)
{
    char fingerprint[BTZ_FINGERPRINT_TEXT];
    const char *note;
    size_t at;

    BTZ_TRY(optional_text(json_object_get(item, "risk"), "note", &r->results->kept->arena, &note));
    btz_finding_fingerprint(f, fingerprint);
    at = btz_kept_find(r->results->kept, fingerprint);
    if (at == SIZE_MAX)
        return btz_fail(BTZ_INTERNAL, "a finding was not kept");
    r->results->kept->records[at].status = status;
    r->results->kept->records[at].status_reason = note;
    r->results->kept->sorted = false;
    return BTZ_OK;
}

static enum btz_err read_finding(const struct reader *r, const json_t *item)
{
    struct btz_baseline_entry entry;
    struct btz_finding f = { 0 };
    struct btz_sink *sink = btz_results_sink(r->results);
    const char *rule;

    BTZ_TRY(parse_entry(item, &entry));
    BTZ_TRY(text_of(item, "rule", &rule));
    f.rule = btz_rule_find(rule);
    if (!f.rule)
        return btz_fail(BTZ_UNSUPPORTED, "rule \"%.60s\" is unknown to this bartizan", rule);
    BTZ_TRY(asset_of(r, item, &f.asset));
    BTZ_TRY(text_of(item, "location", &f.location));
    BTZ_TRY(optional_text(item, "reason", r->arena, &f.reason));
    f.outcome = entry.outcome;
    f.severity = entry.severity;
    f.k = entry.k;
    f.n = entry.n;
    BTZ_TRY(number_of(item, "value", &f.value));
    BTZ_TRY(number_of(item, "ci_low", &f.ci_low));
    BTZ_TRY(number_of(item, "ci_high", &f.ci_high));
    BTZ_TRY(read_evidence(r, item, &f));
    /* The sink calls what a practice does wrong a defect; from a file it is input. */
    switch (sink->finding(sink, &f)) {
    case BTZ_OK:
        return read_status(r, item, &f, entry.status);
    case BTZ_LIMIT:
        return BTZ_LIMIT;
    default:
        return BTZ_INPUT;
    }
}

static enum btz_err read_coverage(const struct reader *r, const json_t *item)
{
    struct btz_coverage c = { 0 };
    struct btz_sink *sink = btz_results_sink(r->results);
    const char *practice;

    BTZ_TRY(text_of(item, "practice", &practice));
    if (!btz_practice_parse(practice, &c.practice))
        return btz_fail(BTZ_INPUT, "`practice` is unknown");
    BTZ_TRY(asset_of(r, item, &c.asset));
    BTZ_TRY(text_of(item, "unit", &c.unit));
    BTZ_TRY(count_of(item, "planned", &c.planned));
    BTZ_TRY(count_of(item, "done", &c.done));
    BTZ_TRY(count_of(item, "skipped", &c.skipped));
    BTZ_TRY(count_of(item, "failed", &c.failed));
    return sink->coverage(sink, &c);
}

static enum btz_err time_of(const json_t *object, const char *key, uint64_t *out)
{
    const char *text;

    BTZ_TRY(text_of(object, key, &text));
    return btz_time_parse(btz_str(text), out);
}

static enum btz_err score_of(const json_t *object, const char *key, double *out)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_number(value) || json_number_value(value) < 0 || json_number_value(value) > 100)
        return btz_fail(BTZ_INPUT, "expected `%s` from 0 to 100", key);
    *out = json_number_value(value);
    return BTZ_OK;
}

static enum btz_err read_risk(const json_t *risk, struct btz_risk *out)
{
    const json_t *by = json_object_get(risk, "failed_by_severity");

    BTZ_TRY(score_of(risk, "score", &out->score));
    BTZ_TRY(score_of(risk, "low", &out->low));
    BTZ_TRY(score_of(risk, "high", &out->high));
    BTZ_TRY(count_of(risk, "failed", &out->failed));
    BTZ_TRY(count_of(risk, "passed", &out->passed));
    BTZ_TRY(count_of(risk, "not_evaluated", &out->not_evaluated));
    BTZ_TRY(count_of(risk, "suppressed", &out->suppressed));
    for (int s = 0; s < BTZ_SEVERITY_COUNT; s++)
        BTZ_TRY(count_of(by, btz_severity_name((enum btz_severity)s), &out->failed_by_severity[s]));
    return BTZ_OK;
}

enum btz_err btz_past_run_read(struct btz_slice text, struct btz_past_run *out)
{
    BTZ_JSON json_t *report = NULL;
    struct btz_past_run past = { 0 };
    enum btz_err err;

    BTZ_TRY(parse(text, &report));
    err = time_of(report, "finished", &past.finished_ms);
    if (err == BTZ_OK)
        err = read_risk(json_object_get(report, "risk"), &past.risk);
    if (err != BTZ_OK)
        return btz_fail_context(err, "report");
    *out = past;
    return BTZ_OK;
}

static enum btz_err read_run(const json_t *report, struct btz_arena *arena, struct btz_run *run)
{
    const json_t *coverage = json_object_get(report, "coverage");
    const json_t *meta = json_object_get(coverage, "run"), *ledger;
    struct btz_run found = { 0 };
    const char *text;

    BTZ_TRY(time_of(report, "started", &found.started_ms));
    BTZ_TRY(time_of(report, "finished", &found.finished_ms));
    if (!json_is_boolean(json_object_get(coverage, "complete")) || !json_is_object(meta))
        return btz_fail(BTZ_INPUT, "expected `coverage` with `complete` and `run`");
    found.complete = json_is_true(json_object_get(coverage, "complete"));
    BTZ_TRY(optional_text(meta, "id", arena, &found.id));
    BTZ_TRY(optional_text(meta, "title", arena, &found.title));
    BTZ_TRY(optional_text(meta, "bartizan", arena, &found.version));
    BTZ_TRY(text_of(meta, "seed", &text));
    BTZ_TRY(btz_parse_u64(btz_str(text), &found.seed));
    ledger = json_object_get(meta, "ledger");
    if (json_is_object(ledger)) {
        BTZ_TRY(optional_text(ledger, "origin", arena, &found.ledger_origin));
        BTZ_TRY(optional_text(ledger, "root", arena, &found.ledger_root));
        BTZ_TRY(text_of(ledger, "size", &text));
        BTZ_TRY(btz_parse_u64(btz_str(text), &found.ledger_size));
    }
    *run = found;
    return BTZ_OK;
}

/* Reports without any have no such member. */
static enum btz_err read_figures(const json_t *report, const struct reader *r)
{
    const json_t *list = json_object_get(report, "figures");

    if (list && !json_is_array(list))
        return btz_fail(BTZ_INPUT, "expected `figures` to be a list");
    for (size_t i = 0; i < json_array_size(list); i++)
        BTZ_TRY(btz_results_figure(r->results, json_incref(json_array_get(list, i))));
    return BTZ_OK;
}

static enum btz_err read_all(const json_t *report, const struct reader *r, struct btz_run *run)
{
    const json_t *findings, *items;
    enum btz_err err;

    if (array_of(report, "findings", &findings) != BTZ_OK ||
        array_of(json_object_get(report, "coverage"), "items", &items) != BTZ_OK)
        return btz_fail_context(BTZ_INPUT, "report");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        err = read_finding(r, json_array_get(findings, i));
        if (err != BTZ_OK)
            return btz_fail_context(err, "report: finding %zu", i + 1);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        err = read_coverage(r, json_array_get(items, i));
        if (err != BTZ_OK)
            return btz_fail_context(err, "report: coverage %zu", i + 1);
    }
    err = read_figures(report, r);
    if (err == BTZ_OK)
        err = read_run(report, r->arena, run);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "report");
}

enum btz_err btz_report_read(struct btz_slice text, struct btz_arena *arena,
                             struct btz_results **results, struct btz_run *run)
{
    BTZ_JSON json_t *report = NULL;
    struct reader r = { .arena = arena };
    enum btz_err err;

    BTZ_TRY(parse(text, &report));
    err = read_assets(report, &r);
    if (err != BTZ_OK)
        return btz_fail_context(err, "report");
    BTZ_TRY(btz_results_new(&r.results));
    err = read_all(report, &r, run);
    if (err != BTZ_OK) {
        btz_results_free(r.results);
        return err;
    }
    run->results = r.results;
    *results = r.results;
    return BTZ_OK;
}
