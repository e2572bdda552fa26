/* The JSON report; docs/schema/report-1.schema.json describes it. */
#include "finding/report.h"
#include "finding/results.h"

#define EMBED_MAX 262144 /* larger evidence is named by its digest alone */

json_t *btz_report_json_asset(const struct btz_report_asset *a)
{
    json_t *o = json_object();
    int bad = !o;

    bad |= json_object_set_new(o, "id", btz_report_json_str(a->id));
    bad |= json_object_set_new(o, "kind", btz_report_json_str(a->asset.kind));
    bad |= json_object_set_new(o, "name", btz_report_json_str(a->asset.name));
    bad |= json_object_set_new(o, "address", btz_report_json_str(a->asset.address));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

/* Bytes as text where that is lossless, else as base64. */
static int embed(json_t *o, struct btz_slice bytes)
{
    BTZ_BUF_RELEASE struct btz_buf coded = BTZ_BUF(2 * EMBED_MAX);

    if (btz_is_utf8(bytes) && !(bytes.len > 0 && memchr(bytes.ptr, 0, bytes.len)))
        return json_object_set_new(
            o, "text", json_stringn(bytes.len ? (const char *)bytes.ptr : "", bytes.len));
    if (btz_base64_encode(bytes, &coded) != BTZ_OK)
        return -1;
    return json_object_set_new(o, "base64", json_stringn((const char *)coded.ptr, coded.len));
}

static json_t *evidence_json(const struct btz_run *run, const struct btz_evidence *e)
{
    BTZ_BUF_RELEASE struct btz_buf storage = BTZ_BUF((size_t)16 << 20);
    json_t *o = json_object();
    char hex[2 * BTZ_SHA256_LEN + 1];
    struct btz_slice bytes;
    bool here = btz_report_evidence(run, e, &storage, &bytes);
    int bad = !o;

    btz_hex(e->sha256, BTZ_SHA256_LEN, hex);
    bad |= json_object_set_new(o, "label", btz_report_json_str(e->label));
    bad |= json_object_set_new(o, "media_type", btz_report_json_str(e->media_type));
    bad |= json_object_set_new(o, "sha256", json_string(hex));
    bad |= json_object_set_new(o, "size", here ? json_integer((json_int_t)bytes.len) : json_null());
    if (here && bytes.len <= EMBED_MAX)
        bad |= embed(o, bytes);
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *finding_risk_json(const struct btz_record *r)
{
    json_t *o = json_object();
    int bad = !o;
    bool counted = r->finding.outcome == BTZ_OUTCOME_FAIL && r->status != BTZ_STATUS_SUPPRESSED;

    bad |= json_object_set_new(o, "points", btz_report_json_real(r->risk));
    bad |= json_object_set_new(o, "low", btz_report_json_real(r->risk_low));
    bad |= json_object_set_new(o, "high", btz_report_json_real(r->risk_high));
    bad |= json_object_set_new(o, "counted", json_boolean(counted));
    bad |= json_object_set_new(o, "note", btz_report_json_str(r->status_reason));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

json_t *btz_report_json_finding(const struct btz_run *run, const struct btz_record *r,
                                const struct btz_report_assets *assets)
{
    const struct btz_finding *f = &r->finding;
    json_t *o = json_object(), *evidence = json_array(), *refs = json_array();
    int bad = !o;

    bad |= json_object_set_new(o, "rule", json_string(f->rule->id));
    bad |= json_object_set_new(o, "title", json_string(f->rule->title));
    bad |= json_object_set_new(o, "asset",
                               btz_report_json_str(btz_report_asset_id(assets, &f->asset)));
    bad |= json_object_set_new(o, "location", btz_report_json_str(f->location));
    bad |= json_object_set_new(o, "outcome", json_string(btz_outcome_name(f->outcome)));
    bad |= json_object_set_new(o, "severity", json_string(btz_severity_name(f->severity)));
    bad |= json_object_set_new(o, "status", json_string(btz_status_name(r->status)));
    bad |= json_object_set_new(o, "reason", btz_report_json_str(f->reason));
    bad |= json_object_set_new(o, "k", json_integer((json_int_t)f->k));
    bad |= json_object_set_new(o, "n", json_integer((json_int_t)f->n));
    bad |= json_object_set_new(o, "value", btz_report_json_real(f->value));
    bad |= json_object_set_new(o, "ci_low", btz_report_json_real(f->ci_low));
    bad |= json_object_set_new(o, "ci_high", btz_report_json_real(f->ci_high));
    bad |= json_object_set_new(o, "risk", finding_risk_json(r));
    bad |= json_object_set_new(o, "evidence", evidence);
    bad |= json_object_set_new(o, "fingerprint", json_string(r->fingerprint));
    bad |= json_object_set_new(o, "references", refs);
    for (size_t i = 0; i < f->evidence_count && !bad; i++)
        bad |= json_array_append_new(evidence, evidence_json(run, &f->evidence[i]));
    for (size_t i = 0; f->rule->refs[i] && !bad; i++)
        bad |= json_array_append_new(refs, json_string(f->rule->refs[i]));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

/* Counts up to 2^63; more can only come from a run that never ends. */
static json_t *count_json(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *coverage_item(const struct btz_coverage *c, const struct btz_report_assets *assets)
{
    json_t *o = json_object();
    int bad = !o;

    bad |= json_object_set_new(o, "practice", json_string(btz_practice_name(c->practice)));
    bad |= json_object_set_new(o, "asset",
                               btz_report_json_str(btz_report_asset_id(assets, &c->asset)));
    bad |= json_object_set_new(o, "unit", btz_report_json_str(c->unit));
    bad |= json_object_set_new(o, "planned", count_json(c->planned));
    bad |= json_object_set_new(o, "done", count_json(c->done));
    bad |= json_object_set_new(o, "skipped", count_json(c->skipped));
    bad |= json_object_set_new(o, "failed", count_json(c->failed));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *ledger_json(const struct btz_run *run)
{
    json_t *o;
    char size[24];
    int bad;

    if (!run->ledger_root)
        return json_null();
    snprintf(size, sizeof size, "%" PRIu64, run->ledger_size);
    o = json_object();
    bad = !o;
    bad |= json_object_set_new(o, "origin", btz_report_json_str(run->ledger_origin));
    bad |= json_object_set_new(o, "size", json_string(size));
    bad |= json_object_set_new(o, "root", btz_report_json_str(run->ledger_root));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *run_json(const struct btz_run *run)
{
    json_t *o = json_object();
    char seed[24];
    int bad = !o;

    /* As text: JSON numbers of many readers end at 2^53. */
    snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    bad |= json_object_set_new(o, "id", btz_report_json_str(run->id));
    bad |= json_object_set_new(o, "title", btz_report_json_str(run->title));
    bad |= json_object_set_new(o, "bartizan", btz_report_json_str(run->version));
    bad |= json_object_set_new(o, "seed", json_string(seed));
    bad |= json_object_set_new(o, "ledger", ledger_json(run));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

json_t *btz_report_json_coverage(const struct btz_run *run, const struct btz_report_assets *assets)
{
    size_t count;
    const struct btz_coverage *list = btz_results_coverage(run->results, &count);
    json_t *o = json_object(), *items = json_array();
    int bad = !o;

    bad |= json_object_set_new(o, "complete", json_boolean(run->complete));
    bad |= json_object_set_new(o, "run", run_json(run));
    bad |= json_object_set_new(o, "items", items);
    for (size_t i = 0; i < count && !bad; i++)
        bad |= json_array_append_new(items, coverage_item(&list[i], assets));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *part_json(const struct btz_risk_part *part)
{
    BTZ_BUF_RELEASE struct btz_buf why = BTZ_BUF(4096);
    json_t *o = json_object();
    int bad = !o || btz_report_risk_part(part, &why) != BTZ_OK;

    bad |= json_object_set_new(o, "rule", json_string(part->record->finding.rule->id));
    bad |= json_object_set_new(o, "fingerprint", json_string(part->record->fingerprint));
    bad |= json_object_set_new(o, "weight", json_real(part->weight));
    bad |= json_object_set_new(o, "chance_low", btz_report_json_real(part->chance_low));
    bad |= json_object_set_new(o, "chance_high", btz_report_json_real(part->chance_high));
    bad |= json_object_set_new(o, "points", btz_report_json_real(part->points));
    bad |= json_object_set_new(o, "factor", json_real(part->factor));
    bad |= json_object_set_new(o, "adds", btz_report_json_real(part->adds));
    bad |= json_object_set_new(o, "because", btz_json_text(btz_buf_slice(&why)));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

json_t *btz_report_json_risk(const struct btz_run *run)
{
    struct btz_risk_part parts[BTZ_RISK_PARTS];
    struct btz_risk risk;
    size_t count;
    json_t *o = json_object(), *by = json_object(), *list = json_array();
    int bad = !o;

    btz_results_risk(run->results, -1, NULL, &risk);
    count = btz_results_risk_parts(run->results, -1, NULL, parts);
    bad |= json_object_set_new(o, "score", btz_report_json_real(risk.score));
    bad |= json_object_set_new(o, "low", btz_report_json_real(risk.low));
    bad |= json_object_set_new(o, "high", btz_report_json_real(risk.high));
    bad |= json_object_set_new(o, "failed", count_json(risk.failed));
    bad |= json_object_set_new(o, "passed", count_json(risk.passed));
    bad |= json_object_set_new(o, "not_evaluated", count_json(risk.not_evaluated));
    bad |= json_object_set_new(o, "suppressed", count_json(risk.suppressed));
    bad |= json_object_set_new(o, "failed_by_severity", by);
    bad |= json_object_set_new(o, "contributions", list);
    for (int s = BTZ_SEVERITY_COUNT - 1; s >= 0 && !bad; s--)
        bad |= json_object_set_new(by, btz_severity_name((enum btz_severity)s),
                                   count_json(risk.failed_by_severity[s]));
    for (size_t i = 0; i < count && !bad; i++)
        bad |= json_array_append_new(list, part_json(&parts[i]));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *figures_json(const struct btz_run *run)
{
    json_t *list = json_array();

    for (size_t i = 0; i < btz_results_figure_count(run->results); i++) {
        json_t *figure = NULL;

        if (btz_results_figure_at(run->results, i, &figure) != BTZ_OK ||
            json_array_append_new(list, figure) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *report(const struct btz_run *run, const struct btz_report_assets *assets)
{
    size_t count;
    const struct btz_record *records = btz_results_records(run->results, &count);
    json_t *o = json_object(), *asset_list = json_array(), *findings = json_array();
    int bad = !o;

    bad |= json_object_set_new(o, "version", json_integer(BTZ_REPORT_VERSION));
    bad |= json_object_set_new(o, "started", btz_report_json_time(run->started_ms));
    bad |= json_object_set_new(o, "finished", btz_report_json_time(run->finished_ms));
    bad |= json_object_set_new(o, "assets", asset_list);
    bad |= json_object_set_new(o, "findings", findings);
    bad |= json_object_set_new(o, "coverage", btz_report_json_coverage(run, assets));
    bad |= json_object_set_new(o, "risk", btz_report_json_risk(run));
    if (btz_results_figure_count(run->results))
        bad |= json_object_set_new(o, "figures", figures_json(run));
    for (size_t i = 0; i < assets->count && !bad; i++)
        bad |= json_array_append_new(asset_list, btz_report_json_asset(&assets->list[i]));
    for (size_t i = 0; i < count && !bad; i++)
        bad |= json_array_append_new(findings, btz_report_json_finding(run, &records[i], assets));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static enum btz_err write_json(const struct btz_run *run, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *o = NULL;
    struct btz_report_assets assets;

    btz_arena_init(&arena, (size_t)256 << 20);
    BTZ_TRY(btz_report_assets(run->results, &arena, &assets));
    o = report(run, &assets);
    BTZ_TRY(btz_report_json(o, true, out));
    return btz_buf_add_byte(out, '\n');
}

const struct btz_report_format btz_report_format_json = {
    .id = "json",
    .title = "JSON, for programs and as a baseline",
    .extension = "json",
    .write = write_json,
};
