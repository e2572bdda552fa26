#include "access/directory/directory.h"
#include "access/policy/pattern.h"

/* Roles for a while: on request with a second person's approval, and in an emergency at once with an alarm. */

/* ---- elevation ---- */

static enum btz_err check_request(struct btz_call *c, uint64_t *duration_ms)
{
    const char *resource = btz_call_text(c, "resource");

    *duration_ms = btz_call_ms(c, "duration", 0);
    if (*duration_ms < 60000 || *duration_ms > (uint64_t)c->access->conf->elevation_max_ms)
        return btz_fail(BTZ_USAGE, "`duration`: from 1m to %" PRId64 "m",
                        c->access->conf->elevation_max_ms / 60000);
    if (resource && resource[0] && btz_resource_pattern_check(resource) != BTZ_OK)
        return btz_fail_context(BTZ_USAGE, "`resource`");
    return btz_role_exists(c, btz_call_text(c, "role"));
}

static enum btz_err request(struct btz_call *c)
{
    const struct btz_operation *grant = btz_operation_find("elevation.grant");
    BTZ_JSON json_t *in = json_deep_copy(c->in);
    uint64_t duration;

    BTZ_TRY(check_request(c, &duration));
    if (!in || !grant)
        return btz_fail(BTZ_INTERNAL, "elevations cannot be granted");
    BTZ_TRY(btz_json_set_text(in, "principal", c->caller->principal));
    c->note.reason = btz_call_text(c, "reason");
    return btz_approval_ask(c, grant, in, btz_call_text(c, "reason"));
}

/* Runs when somebody approved it; the time begins now. */
static enum btz_err grant(struct btz_call *c)
{
    const char *resource = btz_call_text(c, "resource");
    struct btz_principal who;
    struct btz_new_binding b = { .role = btz_call_text(c, "role"),
                                 .resource = resource && resource[0] ? resource : NULL,
                                 .reason = btz_call_text(c, "reason"),
                                 .kind = "elevation",
                                 .by = c->state->approved_by };
    char id[BTZ_ID_TEXT];
    uint64_t duration;

    BTZ_TRY(check_request(c, &duration));
    BTZ_TRY(btz_principal_find(c, btz_call_text(c, "principal"), &who));
    if (who.disabled)
        return btz_fail(BTZ_CONFLICT, "%s is disabled", who.name);
    b.subject = who.id;
    b.until_s = (c->now_ms + duration) / 1000;
    return btz_binding_add(c, &b, id);
}

/* ---- break-glass ---- */

static enum btz_err break_glass(struct btz_call *c)
{
    uint64_t until = c->now_ms + (uint64_t)c->access->conf->break_glass_ms;
    struct btz_new_binding b = { .role = "admin",
                                 .subject = c->caller->principal,
                                 .until_s = until / 1000,
                                 .reason = btz_call_text(c, "reason"),
                                 .kind = "break-glass" };
    struct btz_sql q = { .len = 0 };
    char id[BTZ_ID_TEXT];

    BTZ_TRY(btz_binding_add(c, &b, id));
    btz_sql_add(&q, "INSERT INTO break_glass (id, principal, name, reason, at_ms, until_ms) VALUES "
                    "(?, ?, ?, ?, ?, ?)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, c->caller->principal);
    btz_sql_text(&q, c->caller->name);
    btz_sql_text(&q, b.reason);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_int(&q, (int64_t)until);
    return btz_sql_run(c, &q, NULL);
}

#define COLUMNS "id, principal, name, reason, at_ms, until_ms, reviewed_by, reviewed_ms, remark"

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    (void)c;
    BTZ_TRY(btz_json_set_column(item, "id", &v[0]));
    BTZ_TRY(btz_json_set_column(item, "principal", &v[1]));
    BTZ_TRY(btz_json_set_column(item, "name", &v[2]));
    BTZ_TRY(btz_json_set_column(item, "reason", &v[3]));
    BTZ_TRY(btz_json_set_time(item, "at", (uint64_t)v[4].i));
    BTZ_TRY(btz_json_set_time(item, "until", (uint64_t)v[5].i));
    BTZ_TRY(btz_json_set_column(item, "reviewed_by", &v[6]));
    BTZ_TRY(btz_json_set_time(item, "reviewed", (uint64_t)v[7].i));
    return btz_json_set_column(item, "remark", &v[8]);
}

static enum btz_err list(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS " FROM break_glass WHERE id > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    if (!btz_call_bool(c, "all", false))
        btz_sql_add(&q, " AND reviewed_ms = 0");
    btz_sql_add(&q, " ORDER BY id");
    return btz_list_run(c, &q, fill);
}

static enum btz_err answer(struct btz_call *c, const char *id, json_t **out)
{
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM break_glass WHERE id = ?", v, 1,
                          c->arena, 9, &row));
    if (!row)
        return btz_call_not_found(c, "emergency", id);
    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

static enum btz_err review(struct btz_call *c)
{
    const char *id = btz_call_text(c, "emergency"), *who;
    const struct btz_value v[] = { btz_value_str(c->caller->principal),
                                   btz_value_int((int64_t)c->now_ms),
                                   btz_value_str(btz_call_text(c, "remark")), btz_value_str(id) };

    struct btz_people me;

    BTZ_TRY(answer(c, id, &c->before));
    who = json_string_value(json_object_get(c->before, "principal"));
    BTZ_TRY(btz_behind(c, c->caller, &me));
    if (btz_people_have(&me, who))
        return btz_call_refuse(c, "nobody reviews his own emergency");
    if (!json_is_null(json_object_get(c->before, "reviewed")))
        return btz_fail(BTZ_CONFLICT, "it was reviewed already");
    BTZ_TRY(btz_store_run(c->store,
                          "UPDATE break_glass SET reviewed_by = ?, reviewed_ms = ?, remark = ? "
                          "WHERE id = ?",
                          v, 4, NULL));
    BTZ_TRY(answer(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

/* ---- operations ---- */

#define ROLE                                                                                       \
    {                                                                                              \
        .name = "role", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .required = true,            \
        .operand = true, .help = "Name of the role."                                               \
    }
#define RESOURCE                                                                                   \
    {                                                                                              \
        .name = "resource", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY,                          \
        .help = "Only for these resources, such as dataset/claims-*.", .max = 512                  \
    }
#define DURATION                                                                                   \
    {                                                                                              \
        .name = "duration", .kind = BTZ_FIELD_DURATION, .place = BTZ_IN_BODY, .required = true,    \
        .help = "How long, from the approval on; at most `access.elevation_max`."                  \
    }
#define WHY                                                                                        \
    {                                                                                              \
        .name = "reason", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .required = true,          \
        .help = "Why.", .max = REASON_MAX                                                          \
    }

static const struct btz_field request_fields[] = { ROLE, RESOURCE, DURATION, WHY };
static const struct btz_field grant_fields[] = {
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "Id of whoever asked.",
      .names = BTZ_NAMES_PRINCIPAL },
    ROLE,
    RESOURCE,
    DURATION,
    WHY,
};
static const struct btz_field reason_fields[] = { WHY };
static const struct btz_field list_fields[] = {
    { .name = "all",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_QUERY,
      .help = "Those that were reviewed as well." },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field review_fields[] = {
    { .name = "emergency",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_PATH,
      .required = true,
      .help = "Id of the emergency." },
    { .name = "remark",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "What was done, and whether it was right.",
      .max = REASON_MAX },
};

const struct btz_operation btz_operation_elevation_request = {
    .id = "elevation.request",
    .method = "POST",
    .path = "/v1/me/elevations",
    .summary = "Ask for a role for a while; somebody else has to approve.",
    .tag = "me",
    .action = "elevation.request",
    .resource = "role/{role}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_SESSION,
    .fields = request_fields,
    .field_count = BTZ_COUNT(request_fields),
    .result = "approval",
    .event = "elevation",
    .run = request,
};
const struct btz_operation btz_operation_elevation_grant = {
    .id = "elevation.grant",
    .method = "POST",
    .summary = "What an approved elevation does.",
    .tag = "me",
    .asked_by = "elevation.request",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = grant_fields,
    .field_count = BTZ_COUNT(grant_fields),
    .result = "binding",
    .event = "elevation",
    .run = grant,
};
const struct btz_operation btz_operation_break_glass_use = {
    .id = "break-glass.use",
    .method = "POST",
    .path = "/v1/me/break-glass",
    .summary = "Take the administrator's role in an emergency, at once, for a short time.",
    .details = "An alarm goes to the audit trail and the log. Somebody else has to review it.",
    .tag = "me",
    .action = "break-glass.use",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_SESSION | BTZ_NEEDS_STEP_UP,
    .fields = reason_fields,
    .field_count = BTZ_COUNT(reason_fields),
    .result = "binding",
    .event = "break-glass",
    .run = break_glass,
};
const struct btz_operation btz_operation_break_glass_list = {
    .id = "break-glass.list",
    .method = "GET",
    .path = "/v1/emergencies",
    .command = "emergency list",
    .summary = "List emergencies that nobody has reviewed.",
    .tag = "approvals",
    .action = "approval.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "emergency-list",
    .run = list,
};
const struct btz_operation btz_operation_break_glass_review = {
    .id = "break-glass.review",
    .method = "POST",
    .path = "/v1/emergencies/{emergency}/review",
    .command = "emergency review",
    .summary = "Say that an emergency was looked at.",
    .tag = "approvals",
    .action = "approval.decide",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = review_fields,
    .field_count = BTZ_COUNT(review_fields),
    .result = "emergency",
    .event = "approval",
    .run = review,
};
