/* The review as an operation. */
#include "access/review/review.h"

#define WINDOW_DEFAULT (30 * BTZ_REVIEW_DAY)
#define MEMORY         ((size_t)1 << 30)

static const char *const outcomes[] = { "fail", "pass", "not-evaluated", NULL };

struct collect {
    struct btz_sink sink;
    const char *outcome; /* NULL: all */
    json_t *items;
};

/* Worst first: what failed by severity, then what could not be seen, then what is right. */
static int rank(const json_t *item)
{
    static const char *const severities[] = { "critical", "high", "medium", "low", "info" };
    const char *outcome = json_string_value(json_object_get(item, "outcome"));
    const char *severity = json_string_value(json_object_get(item, "severity"));
    int at = 0;

    while (at < 4 && strcmp(severity, severities[at]) != 0)
        at++;
    return strcmp(outcome, "fail") == 0 ? at : strcmp(outcome, "pass") == 0 ? 7 : 6;
}

static enum btz_err on_finding(struct btz_sink *sink, const struct btz_finding *f)
{
    struct collect *c = (struct collect *)sink;
    const char *outcome = btz_outcome_name(f->outcome);
    json_t *item;
    size_t at;

    if (c->outcome && strcmp(c->outcome, outcome) != 0)
        return BTZ_OK;
    item =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "rule", f->rule->id, "title", f->rule->title,
                  "outcome", outcome, "severity", btz_severity_name(f->severity), "location",
                  btz_json_text(btz_str(f->location)), "reason", btz_json_text(btz_str(f->reason)));
    if (!item)
        return btz_fail(BTZ_LIMIT, "out of memory for the review");
    for (at = json_array_size(c->items);
         at > 0 && rank(json_array_get(c->items, at - 1)) > rank(item);)
        at--;
    return json_array_insert_new(c->items, at, item) == 0
               ? BTZ_OK
               : btz_fail(BTZ_LIMIT, "out of memory for the review");
}

static enum btz_err on_coverage(struct btz_sink *sink, const struct btz_coverage *c)
{
    (void)sink, (void)c;
    return BTZ_OK;
}

static enum btz_err review(struct btz_call *c)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_JSON json_t *items = json_array();
    struct collect to = { .sink = { on_finding, on_coverage, NULL },
                          .outcome = btz_call_text(c, "outcome"),
                          .items = items };
    struct btz_review r;
    char from[BTZ_TIME_TEXT];

    btz_arena_init(&arena, MEMORY);
    if (!items)
        return btz_fail(BTZ_LIMIT, "out of memory for the review");
    BTZ_TRY(btz_review_gather(c->access, c->store, &arena, btz_call_ms(c, "window", WINDOW_DEFAULT),
                              &r));
    BTZ_TRY(btz_review_run(&r, &to.sink));
    btz_time_format(r.from_ms, from);
    c->out = json_pack("{s:O, s:n, s:s, s:I, s:I, s:I}", "items", items, "next", "trail_from", from,
                       "accounts", (json_int_t)r.person_count, "keys", (json_int_t)r.key_count,
                       "entries", (json_int_t)r.use_count);
    return c->out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for the review");
}

static const struct btz_field fields[] = {
    { .name = "window",
      .kind = BTZ_FIELD_DURATION,
      .place = BTZ_IN_QUERY,
      .help = "How far back rules on use must see; 30 days when not given." },
    { .name = "outcome",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .choices = outcomes,
      .help = "Only findings of that outcome." },
};

const struct btz_operation btz_operation_review_run = {
    .id = "review.run",
    .method = "GET",
    .path = "/v1/review",
    .command = "review",
    .columns = "rule outcome severity location reason",
    .summary = "Review accounts, keys and roles for least privilege.",
    .details = "Stale, old and unused keys, dormant and shared accounts, missing second factors, "
               "roles that are too broad, unused or dangerous together, emergencies nobody "
               "reviewed. `bartizan explain RULE` tells about each rule. Worst first.",
    .tag = "review",
    .action = "review.read",
    .resource = "review/access",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "review",
    .run = review,
};

/* ---- advise ---- */

static enum btz_err advise(struct btz_call *c)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_review r;
    uint8_t random[8];
    char hex[2 * sizeof random + 1], *scratch;

    btz_arena_init(&arena, MEMORY);
    btz_random_bytes(random, sizeof random);
    btz_hex(random, sizeof random, hex);
    scratch = btz_arena_printf(&arena, "%s.advise.%s", btz_access_snapshot_path(c->access), hex);
    if (!scratch)
        return BTZ_LIMIT;
    BTZ_TRY(btz_review_gather(c->access, c->store, &arena, btz_call_ms(c, "window", WINDOW_DEFAULT),
                              &r));
    return btz_advise(&r, btz_call_text(c, "subject"), scratch, &c->out);
}

static const struct btz_field advise_fields[] = {
    { .name = "subject",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .operand = true,
      .help = "One person, service or group, by id or name; all that hold roles when not given." },
    { .name = "window",
      .kind = BTZ_FIELD_DURATION,
      .place = BTZ_IN_QUERY,
      .help = "What was used in that time counts; 30 days when not given." },
};

const struct btz_operation btz_operation_advise = {
    .id = "advise",
    .method = "GET",
    .path = "/v1/advise",
    .command = "advise",
    .columns = "name kind roles proposed requests permissions_now permissions_then",
    .summary = "Propose narrower roles from what was used.",
    .details = "For each person and group that holds roles for good: the smallest set of roles "
               "that there are which allows all that was used in the window, or a policy with a "
               "new role. All requests of the window are decided again with the proposals: "
               "`allowed_now` and `allowed_then` are what came of it, `vanish` what would be gone. "
               "Reading that leaves no entry in the trail is kept (`unseen`). `complete` is false "
               "when the trail does not reach back over the window: seldom duties may be missing.",
    .tag = "review",
    .action = "advise.read",
    .resource = "advise/access",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = advise_fields,
    .field_count = BTZ_COUNT(advise_fields),
    .result = "advice",
    .run = advise,
};
