#include "finding/report.h"

#include <math.h>
#include <stdlib.h>

#include <uniwidth.h>

const struct btz_report_format *btz_report_format_find(const char *id)
{
    for (size_t i = 0; btz_report_formats[i]; i++)
        if (strcmp(btz_report_formats[i]->id, id) == 0)
            return btz_report_formats[i];
    return NULL;
}

/* ---- numbers in words ---- */

enum btz_err btz_report_percent(double share, bool sign, struct btz_buf *out)
{
    double percent = 100 * share;
    const char *unit = sign ? "%" : "";

    if (percent <= 0 || percent >= 100)
        return btz_buf_printf(out, "%d%s", percent <= 0 ? 0 : 100, unit);
    if (percent < 0.05)
        return btz_buf_add_str(out, sign ? "<0.1%" : "0");
    if (percent >= 99.95)
        return btz_buf_add_str(out, sign ? ">99.9%" : "100");
    /* "35%" and "5%", but "2.5%" and "99.7%". */
    if ((percent >= 9.95 && percent < 99) || fabs(percent - round(percent)) < 0.05)
        return btz_buf_printf(out, "%.0f%s", percent, unit);
    return btz_buf_printf(out, "%.1f%s", percent, unit);
}

enum btz_err btz_report_rate(const struct btz_finding *f, struct btz_buf *out)
{
    if (f->n > 0) {
        BTZ_TRY(btz_buf_printf(out, "%" PRIu64 "/%" PRIu64 " ", f->k, f->n));
        BTZ_TRY(btz_report_percent((double)f->k / (double)f->n, true, out));
        if (isnan(f->ci_low))
            return BTZ_OK;
        BTZ_TRY(btz_buf_add_str(out, " ["));
        BTZ_TRY(btz_report_percent(f->ci_low, false, out));
        BTZ_TRY(btz_buf_add_byte(out, '-'));
        BTZ_TRY(btz_report_percent(f->ci_high, false, out));
        return btz_buf_add_byte(out, ']');
    }
    if (isnan(f->value) || (f->value == 0 && isnan(f->ci_low)))
        return BTZ_OK;
    BTZ_TRY(btz_buf_printf(out, "value %.3g", f->value));
    if (isnan(f->ci_low))
        return BTZ_OK;
    return btz_buf_printf(out, " [%.3g to %.3g]", f->ci_low, f->ci_high);
}

enum btz_err btz_report_score(const struct btz_risk *risk, struct btz_buf *out)
{
    BTZ_TRY(btz_report_percent(risk->score / 100, false, out));
    BTZ_TRY(btz_buf_add_str(out, " of 100 ["));
    BTZ_TRY(btz_report_percent(risk->low / 100, false, out));
    BTZ_TRY(btz_buf_add_byte(out, '-'));
    BTZ_TRY(btz_report_percent(risk->high / 100, false, out));
    return btz_buf_add_byte(out, ']');
}

enum btz_err btz_report_risk_part(const struct btz_risk_part *part, struct btz_buf *out)
{
    const struct btz_finding *f = &part->record->finding;

    BTZ_TRY(btz_buf_printf(out, "adds %.1f: %s weighs %.0f", part->adds,
                           btz_severity_name(f->severity), part->weight));
    if (f->n > 0) {
        BTZ_TRY(btz_buf_add_str(out, ", the chance that one of ten tries succeeds is "));
        BTZ_TRY(btz_report_percent(part->chance_low, false, out));
        BTZ_TRY(btz_buf_add_str(out, " to "));
        BTZ_TRY(btz_report_percent(part->chance_high, true, out));
    }
    BTZ_TRY(btz_buf_printf(out, ", so %.1f points", part->points));
    if (part->factor < 1)
        return btz_buf_printf(out, ", counted 1/%.0f behind worse rules", 1 / part->factor);
    return BTZ_OK;
}

enum btz_err btz_report_status(const struct btz_record *r, struct btz_buf *out)
{
    static const char *const words[BTZ_STATUS_COUNT] = {
        [BTZ_STATUS_OPEN] = "",
        [BTZ_STATUS_SUPPRESSED] = "suppressed",
        [BTZ_STATUS_BASELINE] = "known",
        [BTZ_STATUS_WORSE] = "worse than the baseline",
    };
    const char *word = (unsigned)r->status < BTZ_STATUS_COUNT ? words[r->status] : "";

    BTZ_TRY(btz_buf_add_str(out, word));
    if (!r->status_reason)
        return BTZ_OK;
    if (word[0])
        BTZ_TRY(btz_buf_add_str(out, r->status == BTZ_STATUS_SUPPRESSED ? " " : ": "));
    return btz_buf_add_str(out, r->status_reason);
}

enum btz_err btz_report_place(const struct btz_record *r, struct btz_buf *out)
{
    BTZ_TRY(btz_buf_add_str(out, r->finding.asset.name));
    if (!r->finding.location[0])
        return BTZ_OK;
    BTZ_TRY(btz_buf_add_str(out, ": "));
    return btz_buf_add_str(out, r->finding.location);
}

bool btz_report_evidence(const struct btz_run *run, const struct btz_evidence *e,
                         struct btz_buf *storage, struct btz_slice *out)
{
    uint8_t digest[BTZ_SHA256_LEN];

    *out = e->bytes;
    if (e->bytes.len > 0)
        return true;
    btz_buf_clear(storage);
    if (run->evidence && run->evidence(run->evidence_user, e->sha256, storage))
        *out = btz_buf_slice(storage);
    /* Nothing at all may be the evidence itself, or what is left of it. */
    btz_sha256(*out, digest);
    return memcmp(digest, e->sha256, sizeof digest) == 0;
}

/* ---- terminals ---- */

static size_t columns_of(uint32_t c)
{
    int width = uc_width(c, "UTF-8");

    return width > 0 ? (size_t)width : 0;
}

size_t btz_report_columns(struct btz_slice text)
{
    size_t at = 0, columns = 0;
    uint32_t c;

    while (btz_utf8_next(text, &at, &c))
        columns += columns_of(c);
    return columns;
}

/* The end of what fits into `room` columns from `from`: after the last blank, or in the middle of a long word. */
static size_t line_end(struct btz_slice s, size_t from, size_t room)
{
    size_t at = from, columns = 0, blank = 0, before = from;
    uint32_t c;

    while (btz_utf8_next(s, &at, &c)) {
        columns += columns_of(c);
        if (columns > room)
            return blank > from ? blank : before > from ? before : at;
        if (c == ' ')
            blank = at;
        before = at;
    }
    return s.len;
}

enum btz_err btz_report_wrap(struct btz_slice text, size_t width, size_t indent,
                             struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);
    struct btz_slice s;
    size_t room = width ? width : 80, at = 0;

    room = room > indent + 20 ? room - indent : 20;
    BTZ_TRY(btz_utf8_printable(text, false, &shown));
    s = btz_slice_trim(btz_buf_slice(&shown));
    while (at < s.len) {
        size_t end = line_end(s, at, room);
        struct btz_slice line = btz_slice_trim(btz_slice_sub(s, at, end - at));

        if (at > 0)
            BTZ_TRY(btz_buf_printf(out, "\n%*s", (int)indent, ""));
        BTZ_TRY(btz_buf_add_slice(out, line));
        at = end;
    }
    return BTZ_OK;
}

/* ---- markup ---- */

enum btz_err btz_report_xml(struct btz_slice text, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);
    struct btz_slice s;
    size_t at = 0;
    uint32_t c;

    BTZ_TRY(btz_utf8_printable(text, false, &shown));
    s = btz_buf_slice(&shown);
    while (btz_utf8_next(s, &at, &c)) {
        if (c == '&')
            BTZ_TRY(btz_buf_add_str(out, "&amp;"));
        else if (c == '<')
            BTZ_TRY(btz_buf_add_str(out, "&lt;"));
        else if (c == '>')
            BTZ_TRY(btz_buf_add_str(out, "&gt;"));
        else if (c == '"')
            BTZ_TRY(btz_buf_add_str(out, "&quot;"));
        else if (c == '\'')
            BTZ_TRY(btz_buf_add_str(out, "&#39;"));
        else if (c == 0xFFFE || c == 0xFFFF) /* not a character of XML 1.0, section 2.2 */
            BTZ_TRY(btz_buf_printf(out, "\\u%04x", c));
        else
            BTZ_TRY(btz_buf_add_utf8(out, c));
    }
    return BTZ_OK;
}

static bool is_www(struct btz_slice s, size_t dot)
{
    return dot >= 3 && (s.ptr[dot - 1] | 32) == 'w' && (s.ptr[dot - 2] | 32) == 'w' &&
           (s.ptr[dot - 3] | 32) == 'w';
}

enum btz_err btz_report_md(struct btz_slice text, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf shown = BTZ_BUF(SIZE_MAX);
    struct btz_slice s;

    BTZ_TRY(btz_utf8_printable(text, false, &shown));
    s = btz_buf_slice(&shown);
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];

        /* Entities rather than backslashes: a backslash before a "|" means something else in a table, and
         * addresses become links (GFM 6.9) even when escaped. The comment after "@" keeps names from being called. */
        if (c == '@')
            BTZ_TRY(btz_buf_add_str(out, "&#64;<!-- -->"));
        else if (memchr("&<>\\`*_[]|~$#!", c, 14) || (c == '.' && is_www(s, i)) ||
                 (c == ':' && i + 1 < s.len && s.ptr[i + 1] != ' '))
            BTZ_TRY(btz_buf_printf(out, "&#%d;", c));
        else
            BTZ_TRY(btz_buf_add_byte(out, c));
    }
    return BTZ_OK;
}

/* ---- JSON ---- */

static int append(const char *bytes, size_t size, void *user)
{
    return btz_buf_add(user, bytes, size) == BTZ_OK ? 0 : -1;
}

enum btz_err btz_report_json(const json_t *value, bool pretty, struct btz_buf *out)
{
    size_t flags =
        JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15) | (pretty ? JSON_INDENT(2) : JSON_COMPACT);

    if (!value)
        return btz_fail(BTZ_LIMIT, "out of memory for the report");
    if (json_dump_callback(value, append, out, flags) != 0)
        return btz_fail(BTZ_LIMIT, "the report is larger than its maximum of %zu bytes", out->max);
    return BTZ_OK;
}

json_t *btz_report_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *btz_report_json_str(const char *text)
{
    return text ? btz_json_text(btz_str(text)) : json_null();
}

json_t *btz_report_json_time(uint64_t unix_ms)
{
    char text[BTZ_TIME_TEXT];

    btz_time_format(unix_ms, text);
    return json_string(text);
}

/* ---- assets ---- */

static int by_name(const void *x, const void *y)
{
    const struct btz_report_asset *a = x, *b = y;
    int order = strcmp(a->asset.name, b->asset.name);

    return order ? order : strcmp(a->asset.kind, b->asset.kind);
}

static bool is_taken(const struct btz_report_assets *a, size_t before, const char *id)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(a->list[i].id, id) == 0)
            return true;
    return false;
}

static enum btz_err give_ids(struct btz_report_assets *a, struct btz_arena *arena)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct btz_asset *asset = &a->list[i].asset;
        bool shared = (i > 0 && strcmp(a->list[i - 1].asset.name, asset->name) == 0) ||
                      (i + 1 < a->count && strcmp(a->list[i + 1].asset.name, asset->name) == 0);
        const char *id =
            shared ? btz_arena_printf(arena, "%s:%s", asset->kind, asset->name) : asset->name;

        for (size_t k = 2; id && is_taken(a, i, id); k++)
            id = btz_arena_printf(arena, "%s:%s#%zu", asset->kind, asset->name, k);
        if (!id)
            return BTZ_LIMIT;
        a->list[i].id = id;
    }
    return BTZ_OK;
}

enum btz_err btz_report_assets(const struct btz_results *r, struct btz_arena *arena,
                               struct btz_report_assets *out)
{
    size_t records_count, coverage_count, count = 0;
    const struct btz_record *records = btz_results_records(r, &records_count);
    const struct btz_coverage *coverage = btz_results_coverage(r, &coverage_count);
    struct btz_report_asset *list =
        btz_arena_array(arena, records_count + coverage_count + 1, sizeof *list);
    struct btz_report_assets assets = { .list = list };

    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < records_count; i++)
        list[count++].asset = records[i].finding.asset;
    for (size_t i = 0; i < coverage_count; i++)
        list[count++].asset = coverage[i].asset;
    if (count > 0)
        qsort(list, count, sizeof *list, by_name);
    for (size_t i = 0; i < count; i++) {
        struct btz_report_asset *last = assets.count ? &list[assets.count - 1] : NULL;

        if (!last || by_name(last, &list[i]) != 0)
            list[assets.count++] = list[i];
        else if (!last->asset.address ||
                 (list[i].asset.address && strcmp(list[i].asset.address, last->asset.address) < 0))
            last->asset.address = list[i].asset.address;
    }
    BTZ_TRY(give_ids(&assets, arena));
    *out = assets;
    return BTZ_OK;
}

const char *btz_report_asset_id(const struct btz_report_assets *a, const struct btz_asset *asset)
{
    const struct btz_report_asset key = { .asset = *asset };
    const struct btz_report_asset *found =
        bsearch(&key, a->list, a->count, sizeof *a->list, by_name);

    return found ? found->id : asset->name;
}
