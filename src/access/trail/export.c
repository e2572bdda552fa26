#include "access/export.h"

json_t *btz_export_object(const struct btz_trail_record *r)
{
    json_t *object = json_pack("{s:I}", "index", (json_int_t)r->index);

    /* The borrowed entry's members are shared, not copied. */
    if (object && json_object_update(object, (json_t *)(uintptr_t)r->entry) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static enum btz_err write_jsonl(const struct btz_trail_record *r,
                                const struct btz_export_source *source, struct btz_buf *out)
{
    BTZ_JSON json_t *object = btz_export_object(r);

    (void)source;
    if (!object)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return btz_json_write(object, false, out);
}

static enum btz_err write_ocsf(const struct btz_trail_record *r,
                               const struct btz_export_source *source, struct btz_buf *out)
{
    BTZ_JSON json_t *event = NULL;

    BTZ_TRY(btz_ocsf_event(r, source, &event));
    return btz_json_write(event, false, out);
}

static enum btz_err write_syslog(const struct btz_trail_record *r,
                                 const struct btz_export_source *source, struct btz_buf *out)
{
    return btz_syslog_write(r, source, btz_str(NULL), out);
}

const struct btz_export_format btz_export_formats[] = {
    { "jsonl", "application/jsonl", write_jsonl },
    { "ocsf", "application/jsonl", write_ocsf },
    { "syslog", "text/plain; charset=utf-8", write_syslog },
};
const size_t btz_export_format_count = BTZ_COUNT(btz_export_formats);

const struct btz_export_format *btz_export_format_find(const char *name)
{
    for (size_t i = 0; name && i < btz_export_format_count; i++)
        if (strcmp(btz_export_formats[i].name, name) == 0)
            return &btz_export_formats[i];
    return NULL;
}
