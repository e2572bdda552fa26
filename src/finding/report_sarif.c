/*
 * SARIF 2.1.0 (OASIS standard, errata 01). Every finding is a result: fail with a level, pass, and open for what was
 * not evaluated, because a check that did not run decides nothing. Frameworks of the references are taxonomies.
 */
#include <stdlib.h>

#include "finding/report.h"

#define SCHEMA                                                                                     \
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

static const struct {
    const char *framework, *organization, *uri;
} frameworks[] = {
    { "OWASP LLM 2025", "OWASP", "https://genai.owasp.org/llm-top-10/" },
    { "OWASP ASI 2026", "OWASP",
      "https://genai.owasp.org/resource/owasp-top-10-for-agentic-applications-for-2026/" },
    { "MITRE ATLAS", "MITRE", "https://atlas.mitre.org/" },
    { "NIST AI RMF", "NIST", "https://doi.org/10.6028/NIST.AI.100-1" },
    { "CWE", "MITRE", "https://cwe.mitre.org/" },
};

struct writer {
    const struct btz_run *run;
    const struct btz_record *records;
    size_t count;
    const struct btz_rule **rules; /* used ones, sorted by id */
    size_t rule_count;
    bool any_suppressed;
    /* The taxa of each framework that the rules mention, in table order. */
    size_t *taxon_of; /* index within its framework by reference, SIZE_MAX unused */
};

static json_t *done(json_t *o, int bad)
{
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *message(const char *text)
{
    json_t *o = json_object();

    return done(o, json_object_set_new(o, "text", btz_report_json_str(text)));
}

/* Text for people in a viewer: control and invisible characters visible. */
static json_t *shown_json(struct btz_slice text)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);

    if (btz_utf8_printable(text, false, &shown) != BTZ_OK)
        return NULL;
    return btz_json_text(btz_buf_slice(&shown));
}

/* Sections 3.11.5 and 3.11.6: braces are placeholders unless doubled, and "[text](target)" is a link. */
static enum btz_err add_message_text(const char *text, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);

    BTZ_TRY(btz_utf8_printable(btz_str(text), false, &shown));
    for (size_t i = 0; i < shown.len; i++) {
        uint8_t c = shown.ptr[i];

        if (c == '{' || c == '}')
            BTZ_TRY(btz_buf_add_byte(out, c));
        else if (c == '(' && i > 0 && shown.ptr[i - 1] == ']')
            BTZ_TRY(btz_buf_add_byte(out, ' '));
        BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return BTZ_OK;
}

static const char *level_of(enum btz_severity s)
{
    return s >= BTZ_SEVERITY_HIGH ? "error" : s == BTZ_SEVERITY_MEDIUM ? "warning" : "note";
}

/* "security-severity" as code hosts read it: over 9 critical, over 7 high, over 4 medium. */
static const char *security_severity(enum btz_severity s)
{
    static const char *const scores[BTZ_SEVERITY_COUNT] = { "0.0", "3.0", "5.5", "8.0", "9.5" };

    return scores[s];
}

static size_t framework_of(const char *name)
{
    size_t i = 0;

    while (i < BTZ_COUNT(frameworks) && strcmp(frameworks[i].framework, name) != 0)
        i++;
    return i;
}

static size_t reference_index(const char *id)
{
    size_t i = 0;

    while (i < btz_reference_count() && strcmp(btz_reference_at(i)->id, id) != 0)
        i++;
    return i;
}

/* ---- rules and taxonomies ---- */

static json_t *component_json(size_t framework)
{
    json_t *o = json_object();
    int bad = !o;

    bad |= json_object_set_new(o, "name", json_string(frameworks[framework].framework));
    bad |= json_object_set_new(o, "index", json_integer((json_int_t)framework));
    return done(o, bad);
}

static json_t *relationship_json(const struct writer *w, const char *ref)
{
    size_t at = reference_index(ref), framework;
    json_t *o = json_object(), *target = json_object(), *kinds = json_array();
    int bad = !o;

    bad |= json_object_set_new(o, "target", target);
    bad |= json_object_set_new(o, "kinds", kinds);
    bad |= json_array_append_new(kinds, json_string("relevant"));
    bad |= json_object_set_new(target, "id", json_string(ref));
    if (at < btz_reference_count()) {
        framework = framework_of(btz_reference_at(at)->framework);
        bad |= json_object_set_new(target, "index", json_integer((json_int_t)w->taxon_of[at]));
        bad |= json_object_set_new(target, "toolComponent", component_json(framework));
    }
    return done(o, bad);
}

static json_t *rule_json(const struct writer *w, const struct btz_rule *rule)
{
    BTZ_BUF_RELEASE struct btz_buf help = BTZ_BUF((size_t)1 << 20);
    json_t *o = json_object(), *text = json_object(), *level = json_object();
    json_t *props = json_object(), *tags = json_array(), *relations = json_array();
    int bad = !o || btz_rule_explain(rule, 80, false, &help) != BTZ_OK;

    bad |= json_object_set_new(o, "id", json_string(rule->id));
    bad |= json_object_set_new(o, "shortDescription", message(rule->title));
    bad |= json_object_set_new(o, "help", text);
    bad |= json_object_set_new(text, "text", btz_json_text(btz_buf_slice(&help)));
    bad |= json_object_set_new(text, "markdown", btz_report_json_str(rule->page));
    bad |= json_object_set_new(o, "defaultConfiguration", level);
    bad |= json_object_set_new(level, "level", json_string(level_of(rule->severity)));
    bad |= json_object_set_new(o, "relationships", relations);
    bad |= json_object_set_new(o, "properties", props);
    bad |= json_object_set_new(props, "security-severity",
                               json_string(security_severity(rule->severity)));
    bad |= json_object_set_new(props, "tags", tags);
    bad |= json_array_append_new(tags, json_string("security"));
    bad |= json_array_append_new(tags, json_string(btz_practice_name(rule->practice)));
    for (size_t i = 0; rule->refs[i] && !bad; i++) {
        bad |= json_array_append_new(tags, json_string(rule->refs[i]));
        bad |= json_array_append_new(relations, relationship_json(w, rule->refs[i]));
    }
    return done(o, bad);
}

static json_t *taxon_json(const struct btz_reference *ref)
{
    json_t *o = json_object();
    int bad = !o;

    bad |= json_object_set_new(o, "id", json_string(ref->id));
    bad |= json_object_set_new(o, "shortDescription", message(ref->title));
    bad |= json_object_set_new(o, "helpUri", json_string(ref->url));
    return done(o, bad);
}

static json_t *taxonomy_json(const struct writer *w, size_t framework)
{
    json_t *o = json_object(), *taxa = json_array();
    int bad = !o;

    bad |= json_object_set_new(o, "name", json_string(frameworks[framework].framework));
    bad |= json_object_set_new(o, "organization", json_string(frameworks[framework].organization));
    bad |= json_object_set_new(o, "informationUri", json_string(frameworks[framework].uri));
    bad |= json_object_set_new(o, "isComprehensive", json_false());
    bad |= json_object_set_new(o, "taxa", taxa);
    for (size_t i = 0; i < btz_reference_count() && !bad; i++)
        if (w->taxon_of[i] != SIZE_MAX && framework_of(btz_reference_at(i)->framework) == framework)
            bad |= json_array_append_new(taxa, taxon_json(btz_reference_at(i)));
    return done(o, bad);
}

static json_t *driver_json(const struct writer *w)
{
    json_t *tool = json_object(), *o = json_object(), *rules = json_array();
    json_t *supported = json_array();
    int bad = !tool;

    bad |= json_object_set_new(tool, "driver", o);
    bad |= json_object_set_new(o, "name", json_string("bartizan"));
    if (w->run->version) {
        bad |= json_object_set_new(o, "version", btz_report_json_str(w->run->version));
        bad |= json_object_set_new(o, "semanticVersion", btz_report_json_str(w->run->version));
    }
    bad |= json_object_set_new(o, "rules", rules);
    bad |= json_object_set_new(o, "supportedTaxonomies", supported);
    for (size_t i = 0; i < w->rule_count && !bad; i++)
        bad |= json_array_append_new(rules, rule_json(w, w->rules[i]));
    for (size_t i = 0; i < BTZ_COUNT(frameworks) && !bad; i++)
        bad |= json_array_append_new(supported, component_json(i));
    return done(tool, bad);
}

/* ---- results ---- */

/* RFC 3986: what may not stand in an address is percent-encoded; a "%" stays as it is only before two hex digits. */
static json_t *uri_json(const char *address)
{
    BTZ_BUF_RELEASE struct btz_buf uri = BTZ_BUF(SIZE_MAX);
    struct btz_slice s = btz_str(address);
    uint8_t byte;
    bool bad = false;

    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~:/?#@!$&'()*+,;=", c));

        if (c == '%')
            plain = btz_unhex(btz_slice_sub(s, i + 1, 2), &byte, 1) == BTZ_OK;
        bad |= (plain ? btz_buf_add_byte(&uri, c) : btz_buf_printf(&uri, "%%%02X", c)) != BTZ_OK;
    }
    return bad ? NULL : btz_json_text(btz_buf_slice(&uri));
}

static json_t *location_json(const struct btz_finding *f)
{
    BTZ_BUF_RELEASE struct btz_buf full = BTZ_BUF(SIZE_MAX);
    json_t *list = json_array(), *o = json_object(), *logical = json_array();
    json_t *place = json_object(), *physical, *artifact;
    int bad = json_array_append_new(list, o);

    bad |= btz_buf_printf(&full, "%s:%s/%s", f->asset.kind, f->asset.name, f->location) != BTZ_OK;
    bad |= json_object_set_new(o, "logicalLocations", logical);
    bad |= json_array_append_new(logical, place);
    bad |= json_object_set_new(place, "name", shown_json(btz_str(f->location)));
    bad |= json_object_set_new(place, "fullyQualifiedName", shown_json(btz_buf_slice(&full)));
    bad |= json_object_set_new(place, "kind", btz_report_json_str(f->asset.kind));
    if (f->asset.address && f->asset.address[0]) {
        physical = json_object();
        artifact = json_object();
        bad |= json_object_set_new(o, "physicalLocation", physical);
        bad |= json_object_set_new(physical, "artifactLocation", artifact);
        bad |= json_object_set_new(artifact, "uri", uri_json(f->asset.address));
    }
    return done(list, bad);
}

/* "Title: 7/20 35% [15-59]. Reason." */
static json_t *result_message(const struct btz_finding *f)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(SIZE_MAX), rate = BTZ_BUF(256);
    json_t *o = json_object();
    bool bad = btz_report_rate(f, &rate) != BTZ_OK;

    bad |= btz_buf_add_str(&text, f->rule->title) != BTZ_OK;
    if (f->outcome != BTZ_OUTCOME_FAIL)
        bad |= btz_buf_printf(&text, ": %s",
                              f->outcome == BTZ_OUTCOME_PASS ? "not shown" : "not evaluated") !=
               BTZ_OK;
    if (rate.len > 0)
        bad |= btz_buf_printf(&text, ": %.*s", BTZ_SLICE_ARG(btz_buf_slice(&rate))) != BTZ_OK;
    bad |= btz_buf_add_byte(&text, '.') != BTZ_OK;
    if (f->reason && f->reason[0]) {
        bad |= btz_buf_add_byte(&text, ' ') != BTZ_OK;
        bad |= add_message_text(f->reason, &text) != BTZ_OK;
    }
    return done(o, bad || json_object_set_new(o, "text", btz_json_text(btz_buf_slice(&text))));
}

static json_t *result_properties(const struct btz_record *r)
{
    const struct btz_finding *f = &r->finding;
    json_t *o = json_object(), *digests = json_array();
    char hex[2 * BTZ_SHA256_LEN + 1];
    int bad = !o;

    bad |= json_object_set_new(o, "severity", json_string(btz_severity_name(f->severity)));
    bad |= json_object_set_new(o, "status", json_string(btz_status_name(r->status)));
    bad |= json_object_set_new(o, "k", json_integer((json_int_t)f->k));
    bad |= json_object_set_new(o, "n", json_integer((json_int_t)f->n));
    bad |= json_object_set_new(o, "value", btz_report_json_real(f->value));
    bad |= json_object_set_new(o, "ciLow", btz_report_json_real(f->ci_low));
    bad |= json_object_set_new(o, "ciHigh", btz_report_json_real(f->ci_high));
    if (r->status_reason)
        bad |= json_object_set_new(o, "statusReason", btz_report_json_str(r->status_reason));
    bad |= json_object_set_new(o, "evidenceSha256", digests);
    for (size_t i = 0; i < f->evidence_count && !bad; i++) {
        btz_hex(f->evidence[i].sha256, BTZ_SHA256_LEN, hex);
        bad |= json_array_append_new(digests, json_string(hex));
    }
    return done(o, bad);
}

static json_t *suppressions_json(const struct btz_record *r)
{
    json_t *list = json_array(), *o;
    int bad = !list;

    if (r->status == BTZ_STATUS_SUPPRESSED && !bad) {
        o = json_object();
        bad |= json_array_append_new(list, o);
        bad |= json_object_set_new(o, "kind", json_string("external"));
        bad |= json_object_set_new(o, "status", json_string("accepted"));
        bad |= json_object_set_new(o, "justification",
                                   btz_report_json_str(r->status_reason ? r->status_reason : ""));
    }
    return done(list, bad);
}

static int by_rule(const void *x, const void *y)
{
    return strcmp((*(const struct btz_rule *const *)x)->id,
                  (*(const struct btz_rule *const *)y)->id);
}

static json_t *result_json(const struct writer *w, const struct btz_record *r)
{
    static const char *const kinds[BTZ_OUTCOME_COUNT] = {
        [BTZ_OUTCOME_FAIL] = "fail",
        [BTZ_OUTCOME_PASS] = "pass",
        [BTZ_OUTCOME_NOT_EVALUATED] = "open",
    };
    const struct btz_finding *f = &r->finding;
    const struct btz_rule **rule =
        bsearch(&f->rule, w->rules, w->rule_count, sizeof(const struct btz_rule *), by_rule);
    json_t *o = json_object(), *prints = json_object();
    int bad = !o || !rule;
    bool failed = f->outcome == BTZ_OUTCOME_FAIL;

    bad |= json_object_set_new(o, "ruleId", json_string(f->rule->id));
    if (rule)
        bad |= json_object_set_new(o, "ruleIndex", json_integer((json_int_t)(rule - w->rules)));
    bad |= json_object_set_new(o, "kind", json_string(kinds[f->outcome]));
    bad |= json_object_set_new(o, "level", json_string(failed ? level_of(f->severity) : "none"));
    bad |= json_object_set_new(o, "message", result_message(f));
    bad |= json_object_set_new(o, "locations", location_json(f));
    bad |= json_object_set_new(o, "partialFingerprints", prints);
    bad |= json_object_set_new(prints, "bartizan/v1", json_string(r->fingerprint));
    if (failed)
        bad |= json_object_set_new(o, "rank", btz_report_json_real(r->risk));
    /* Section 3.27.23: once one result carries the property, all do. */
    if (w->any_suppressed)
        bad |= json_object_set_new(o, "suppressions", suppressions_json(r));
    bad |= json_object_set_new(o, "properties", result_properties(r));
    return done(o, bad);
}

/* ---- the run ---- */

static json_t *invocation_json(const struct btz_run *run)
{
    json_t *o = json_object(), *notes, *note;
    int bad = !o;

    bad |= json_object_set_new(o, "executionSuccessful", json_boolean(run->complete));
    bad |= json_object_set_new(o, "startTimeUtc", btz_report_json_time(run->started_ms));
    bad |= json_object_set_new(o, "endTimeUtc", btz_report_json_time(run->finished_ms));
    if (!run->complete) {
        notes = json_array();
        note = json_object();
        bad |= json_object_set_new(o, "toolExecutionNotifications", notes);
        bad |= json_array_append_new(notes, note);
        bad |= json_object_set_new(note, "level", json_string("error"));
        bad |= json_object_set_new(
            note, "message",
            message(run->failure ? run->failure
                                 : "The run was interrupted: its results are partial."));
    }
    return done(o, bad);
}

static json_t *run_properties(const struct btz_run *run)
{
    struct btz_risk risk;
    json_t *o = json_object(), *score = json_object();
    char seed[24];
    int bad = !o;

    btz_results_risk(run->results, -1, NULL, &risk);
    snprintf(seed, sizeof seed, "%" PRIu64, run->seed);
    bad |= json_object_set_new(o, "seed", json_string(seed));
    bad |= json_object_set_new(o, "risk", score);
    bad |= json_object_set_new(score, "score", btz_report_json_real(risk.score));
    bad |= json_object_set_new(score, "low", btz_report_json_real(risk.low));
    bad |= json_object_set_new(score, "high", btz_report_json_real(risk.high));
    return done(o, bad);
}

static json_t *run_json(const struct writer *w)
{
    BTZ_BUF_RELEASE struct btz_buf id = BTZ_BUF(SIZE_MAX);
    json_t *o = json_object(), *taxonomies = json_array(), *results = json_array();
    json_t *invocations = json_array(), *details;
    int bad = !o;

    bad |= json_object_set_new(o, "tool", driver_json(w));
    bad |= json_object_set_new(o, "taxonomies", taxonomies);
    bad |= json_object_set_new(o, "invocations", invocations);
    bad |= json_array_append_new(invocations, invocation_json(w->run));
    if (w->run->id) {
        details = json_object();
        bad |= btz_buf_printf(&id, "bartizan/%s", w->run->id) != BTZ_OK;
        bad |= json_object_set_new(o, "automationDetails", details);
        bad |= json_object_set_new(details, "id", btz_json_text(btz_buf_slice(&id)));
    }
    bad |= json_object_set_new(o, "columnKind", json_string("unicodeCodePoints"));
    bad |= json_object_set_new(o, "properties", run_properties(w->run));
    bad |= json_object_set_new(o, "results", results);
    for (size_t i = 0; i < BTZ_COUNT(frameworks) && !bad; i++)
        bad |= json_array_append_new(taxonomies, taxonomy_json(w, i));
    for (size_t i = 0; i < w->count && !bad; i++)
        bad |= json_array_append_new(results, result_json(w, &w->records[i]));
    return done(o, bad);
}

/* The rules that occur, once each, and the place of each of their references in its taxonomy. */
static enum btz_err collect(struct writer *w, struct btz_arena *arena)
{
    size_t next[BTZ_COUNT(frameworks) + 1] = { 0 }, n = 0;

    w->rules = btz_arena_array(arena, w->count + 1, sizeof *w->rules);
    w->taxon_of = btz_arena_array(arena, btz_reference_count() + 1, sizeof *w->taxon_of);
    if (!w->rules || !w->taxon_of)
        return BTZ_LIMIT;
    for (size_t i = 0; i < w->count; i++) {
        w->rules[i] = w->records[i].finding.rule;
        w->any_suppressed |= w->records[i].status == BTZ_STATUS_SUPPRESSED;
    }
    qsort(w->rules, w->count, sizeof *w->rules, by_rule);
    for (size_t i = 0; i < w->count; i++)
        if (n == 0 || strcmp(w->rules[n - 1]->id, w->rules[i]->id) != 0)
            w->rules[n++] = w->rules[i];
    w->rule_count = n;
    for (size_t i = 0; i < btz_reference_count(); i++) {
        const struct btz_reference *ref = btz_reference_at(i);
        bool used = false;

        for (size_t k = 0; k < w->rule_count && !used; k++)
            for (size_t m = 0; w->rules[k]->refs[m] && !used; m++)
                used = strcmp(w->rules[k]->refs[m], ref->id) == 0;
        w->taxon_of[i] = used ? next[framework_of(ref->framework)]++ : SIZE_MAX;
    }
    return BTZ_OK;
}

static enum btz_err write_sarif(const struct btz_run *run, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *log = NULL;
    struct writer w = { .run = run };
    json_t *runs = json_array();
    int bad;

    w.records = btz_results_records(run->results, &w.count);
    btz_arena_init(&arena, (size_t)64 << 20);
    log = json_object();
    bad = json_object_set_new(log, "$schema", json_string(SCHEMA));
    bad |= json_object_set_new(log, "version", json_string("2.1.0"));
    bad |= json_object_set_new(log, "runs", runs);
    BTZ_TRY(collect(&w, &arena));
    bad |= json_array_append_new(runs, run_json(&w));
    if (bad)
        return btz_fail(BTZ_LIMIT, "out of memory for the report");
    BTZ_TRY(btz_report_json(log, true, out));
    return btz_buf_add_byte(out, '\n');
}

const struct btz_report_format btz_report_format_sarif = {
    .id = "sarif",
    .title = "SARIF 2.1.0, for code hosts and security tools",
    .extension = "sarif",
    .write = write_sarif,
};
