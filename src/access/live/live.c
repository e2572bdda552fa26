/* What goes on now: measurements and the last calls. They are not in the data base: whoever serves this installation
 * says them (btz_access_set_live). */
#include "access/directory/directory.h"

#define METRICS_MAX ((size_t)15 << 20)
#define MEDIA_TYPE  "text/plain; version=0.0.4; charset=utf-8"

void btz_access_set_live(struct btz_access *a, const struct btz_access_live *live)
{
    a->now_served = live;
}

const struct btz_access_live *btz_access_get_live(const struct btz_access *a)
{
    return a->now_served;
}

static enum btz_err show_metrics(struct btz_call *c)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(METRICS_MAX);
    const struct btz_access_live *live = c->access->now_served;

    if (live)
        BTZ_TRY(live->metrics(live->user, &text));
    c->out = json_pack("{s:s, s:o}", "media_type", MEDIA_TYPE, "document",
                       btz_json_text(btz_buf_slice(&text)));
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

const struct btz_operation btz_operation_metrics_show = {
    .id = "metrics.show",
    .method = "GET",
    .path = "/metrics",
    .summary = "Counters of the gateway as Prometheus text (format 0.0.4).",
    .details = "Scrape it with a service's API key as bearer token.",
    .tag = "traffic",
    .action = "system.read",
    .resource = "system/metrics",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "metrics",
    .raw = "document",
    .run = show_metrics,
};

static enum btz_err show_traffic(struct btz_call *c)
{
    const struct btz_access_live *live = c->access->now_served;

    if (live)
        return live->traffic(live->user, &c->out);
    c->out = json_pack("{s:[], s:i, s:{}}", "seconds", "in_flight", 0, "journal");
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

const struct btz_operation btz_operation_traffic_show = {
    .id = "traffic.show",
    .method = "GET",
    .path = "/v1/traffic",
    .summary = "The gateway's last minute, second by second, and how its journal stands.",
    .tag = "traffic",
    .action = "system.read",
    .resource = "system/traffic",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "traffic",
    .run = show_traffic,
};

static enum btz_err show_calls(struct btz_call *c)
{
    const struct btz_access_live *live = c->access->now_served;

    if (live)
        return live->calls(live->user, &c->out);
    c->out = json_pack("{s:[]}", "items");
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory");
}

const struct btz_operation btz_operation_traffic_calls = {
    .id = "traffic.calls",
    .method = "GET",
    .path = "/v1/traffic/calls",
    .summary = "The last calls of models, newest first.",
    .details = "Of those that came since the daemon started; the audit trail has all.",
    .tag = "traffic",
    .action = "audit.read",
    .resource = "audit/trail",
    .needs = BTZ_NEEDS_PERMISSION,
    .result = "traffic-calls",
    .run = show_calls,
};

#define OBJECTS "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"
#define NUMBER  "{\"type\":\"number\",\"minimum\":0}"
static const struct btz_schema schemas[] = {
    { "metrics", "{\"type\":\"object\",\"required\":[\"media_type\",\"document\"],\"properties\":{"
                 "\"media_type\":{\"type\":\"string\"},\"document\":{\"type\":\"string\"}}}" },
    { "traffic",
      "{\"type\":\"object\",\"required\":[\"seconds\",\"in_flight\",\"journal\"],\"properties\":{"
      "\"seconds\":" OBJECTS ",\"in_flight\":" NUMBER ",\"p50_ms\":" NUMBER ",\"p95_ms\":" NUMBER
      ",\"p99_ms\":" NUMBER ",\"outcomes\":{\"type\":\"object\"},\"journal\":{\"type\":\"object\"},"
      "\"circuits\":" OBJECTS ",\"limits\":" OBJECTS
      ",\"unreadable\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}" },
    { "traffic-calls", "{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":"
                       "" OBJECTS "}}" },
    { NULL, NULL },
};

const struct btz_access_part btz_access_part_live = { .name = "live", .schemas = schemas };
