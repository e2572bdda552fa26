/* One JSON object a line, each with a `type`: run, asset, finding, coverage, risk. */
#include "finding/report.h"
#include "finding/results.h"

/* Takes the object; puts its type first. */
static enum btz_err line(const char *type, json_t *value, struct btz_buf *out)
{
    BTZ_JSON json_t *object = value, *whole = json_object();

    if (!object || json_object_set_new(whole, "type", json_string(type)) != 0 ||
        json_object_update(whole, object) != 0)
        return btz_fail(BTZ_LIMIT, "out of memory for the report");
    BTZ_TRY(btz_report_json(whole, false, out));
    return btz_buf_add_byte(out, '\n');
}

static json_t *head(const struct btz_run *run)
{
    json_t *o = json_object();
    int bad = !o;

    bad |= json_object_set_new(o, "version", json_integer(BTZ_REPORT_VERSION));
    bad |= json_object_set_new(o, "id", btz_report_json_str(run->id));
    bad |= json_object_set_new(o, "started", btz_report_json_time(run->started_ms));
    bad |= json_object_set_new(o, "finished", btz_report_json_time(run->finished_ms));
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

static enum btz_err write_jsonl(const struct btz_run *run, struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_report_assets assets;
    size_t count;
    const struct btz_record *records = btz_results_records(run->results, &count);

    btz_arena_init(&arena, (size_t)256 << 20);
    BTZ_TRY(btz_report_assets(run->results, &arena, &assets));
    BTZ_TRY(line("run", head(run), out));
    for (size_t i = 0; i < assets.count; i++)
        BTZ_TRY(line("asset", btz_report_json_asset(&assets.list[i]), out));
    for (size_t i = 0; i < count; i++)
        BTZ_TRY(line("finding", btz_report_json_finding(run, &records[i], &assets), out));
    BTZ_TRY(line("coverage", btz_report_json_coverage(run, &assets), out));
    return line("risk", btz_report_json_risk(run), out);
}

const struct btz_report_format btz_report_format_jsonl = {
    .id = "jsonl",
    .title = "JSON lines, for logs and streams",
    .extension = "jsonl",
    .write = write_jsonl,
};
