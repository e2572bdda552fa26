#include "access/directory/admit.h"

/*
 * Four eyes: a call that needs a second person is stored with its input sealed. Approving runs it in the name of whoever
 * asked, in the transaction of the approval; what it answered is kept sealed for him alone, once.
 */

#define COLUMNS                                                                                    \
    "a.id, a.operation, a.action, a.resource, a.principal, a.name, a.caller, a.input, "            \
    "a.if_match, "                                                                                 \
    "a.reason, a.status, a.created_ms, a.expires_ms, a.decided_by, a.decided_name, a.decided_ms, " \
    "a.decided_reason, a.result, a.asked_with"
enum column {
    ID,
    OPERATION,
    ACTION,
    RESOURCE,
    PRINCIPAL,
    NAME,
    CALLER,
    INPUT,
    IF_MATCH,
    REASON,
    STATUS,
    CREATED,
    EXPIRES,
    DECIDED_BY,
    DECIDED_NAME,
    DECIDED,
    DECIDED_REASON,
    RESULT,
    ASKED_WITH,
    COLUMN_COUNT
};
#define INPUT_MAX (4u << 20)

/* ---- who asked, as text ---- */

static enum btz_err caller_text(const struct btz_caller *caller, struct btz_buf *out)
{
    char hash[2 * BTZ_SHA256_LEN + 1];
    BTZ_JSON json_t *o = json_object();

    if (!o)
        return btz_fail(BTZ_LIMIT, "no memory");
    btz_hex(caller->key_hash, sizeof caller->key_hash, hash);
    BTZ_TRY(btz_json_set(o, "kind", json_integer(caller->kind)));
    BTZ_TRY(btz_json_set_text(o, "method", caller->method));
    BTZ_TRY(btz_json_set_text(o, "session", caller->session));
    BTZ_TRY(btz_json_set_text(o, "key", caller->key));
    BTZ_TRY(btz_json_set_text(o, "key_hash", hash));
    BTZ_TRY(btz_json_set_text(o, "address", caller->address_text));
    BTZ_TRY(btz_json_set(o, "client_cert", json_boolean(caller->client_cert)));
    BTZ_TRY(
        btz_json_set(o, "second_factor_ms", json_integer((json_int_t)caller->second_factor_ms)));
    return btz_json_write(o, false, out);
}

static void copy(const json_t *o, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(o, key));

    snprintf(out, size, "%s", text ? text : "");
}

static enum btz_err caller_parse(struct btz_arena *arena, const struct btz_value *row,
                                 uint64_t now_ms, struct btz_caller **out)
{
    struct btz_caller *caller = btz_arena_alloc(arena, sizeof *caller);
    BTZ_JSON json_t *o = NULL;
    char hash[2 * BTZ_SHA256_LEN + 1], address[64];
    uint64_t shown;

    if (!caller)
        return BTZ_LIMIT;
    BTZ_TRY(btz_json_parse(row[CALLER].bytes, 65536, "caller of an approval", &o));
    caller->kind = (enum btz_caller_kind)json_integer_value(json_object_get(o, "kind"));
    snprintf(caller->principal, sizeof caller->principal, "%.*s",
             BTZ_SLICE_ARG(row[PRINCIPAL].bytes));
    snprintf(caller->name, sizeof caller->name, "%.*s", BTZ_SLICE_ARG(row[NAME].bytes));
    copy(o, "method", caller->method, sizeof caller->method);
    copy(o, "session", caller->session, sizeof caller->session);
    copy(o, "key", caller->key, sizeof caller->key);
    copy(o, "key_hash", hash, sizeof hash);
    copy(o, "address", address, sizeof address);
    BTZ_TRY(btz_unhex(btz_str(hash), caller->key_hash, sizeof caller->key_hash));
    caller->client_cert = json_is_true(json_object_get(o, "client_cert"));
    if (address[0]) {
        BTZ_TRY(btz_address_parse(address, &caller->address));
        caller->address_text = btz_arena_str(arena, btz_str(address));
    }
    /* As old as it was when he asked: waiting for a second person does not use it up. */
    shown = (uint64_t)json_integer_value(json_object_get(o, "second_factor_ms"));
    if (shown > 0)
        caller->second_factor_ms = now_ms - ((uint64_t)row[CREATED].i - shown);
    *out = caller;
    return BTZ_OK;
}

/* What tells the credentials of one principal apart; NULL: a session or the command line, where people are. */
static const char *credential(const struct btz_caller *caller)
{
    switch (caller->kind) {
    case BTZ_CALLER_KEY:
        return caller->key;
    case BTZ_CALLER_TOKEN:
    case BTZ_CALLER_CERT:
        return caller->method;
    default:
        return NULL;
    }
}

/* ---- sealed input and result ---- */

static enum btz_err about(struct btz_arena *arena, const char *what, struct btz_slice id,
                          const char **out)
{
    *out = btz_arena_printf(arena, "approvals/%s/%.*s", what, BTZ_SLICE_ARG(id));
    return *out ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err seal_json(struct btz_call *c, const char *what, const char *id,
                              const json_t *value, struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(INPUT_MAX);
    const char *label;
    enum btz_err err;

    BTZ_TRY(about(c->arena, what, btz_str(id), &label));
    err = btz_json_write(value, false, &text);
    if (err == BTZ_OK)
        err = btz_seal(c->access->seal, label, btz_buf_slice(&text), out);
    btz_wipe(text.ptr, text.len);
    return err;
}

static enum btz_err unseal_json(struct btz_call *c, const char *what, struct btz_slice id,
                                struct btz_slice sealed, json_t **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(INPUT_MAX);
    const char *label;
    enum btz_err err;

    BTZ_TRY(about(c->arena, what, id, &label));
    err = btz_unseal(c->access->seal, label, sealed, &text);
    if (err == BTZ_OK)
        err = btz_json_parse(btz_buf_slice(&text), INPUT_MAX, "sealed input", out);
    btz_wipe(text.ptr, text.len);
    return err;
}

/* ---- answers ---- */

/* People know each other by name. */
static enum btz_err named_input(struct btz_call *c, const struct btz_field *f, const char *id,
                                json_t *input)
{
    const char *name;

    BTZ_TRY(btz_named_as(c, f->names, id, &name));
    return name ? btz_json_set_text(input, f->name, name) : BTZ_OK;
}

/* What a second person may see: everything but secrets. */
static enum btz_err shown_input(struct btz_call *c, const struct btz_value *row, json_t *item)
{
    const struct btz_operation *op;
    BTZ_JSON json_t *input = NULL;
    char id[64];

    BTZ_TRY(unseal_json(c, "input", row[ID].bytes, row[INPUT].bytes, &input));
    snprintf(id, sizeof id, "%.*s", BTZ_SLICE_ARG(row[OPERATION].bytes));
    op = btz_operation_find(id);
    for (size_t i = 0; op && i < op->field_count; i++) {
        const struct btz_field *f = &op->fields[i];
        const char *text = json_string_value(json_object_get(input, f->name));

        if (f->kind == BTZ_FIELD_SECRET && json_object_get(input, f->name))
            BTZ_TRY(btz_json_set_text(input, f->name, "(hidden)"));
        else if (text && (f->names == BTZ_NAMES_PRINCIPAL || f->names == BTZ_NAMES_GROUP))
            BTZ_TRY(named_input(c, f, text, input));
    }
    return btz_json_set(item, "input", op ? json_incref(input) : json_object());
}

static enum btz_err fill(struct btz_call *c, const struct btz_value *v, json_t *item)
{
    BTZ_TRY(btz_json_set_column(item, "id", &v[ID]));
    BTZ_TRY(btz_json_set_column(item, "operation", &v[OPERATION]));
    BTZ_TRY(btz_json_set_column(item, "action", &v[ACTION]));
    BTZ_TRY(btz_json_set_column(item, "resource", &v[RESOURCE]));
    BTZ_TRY(btz_json_set_column(item, "principal", &v[PRINCIPAL]));
    BTZ_TRY(btz_json_set_column(item, "name", &v[NAME]));
    BTZ_TRY(btz_json_set_column(item, "reason", &v[REASON]));
    if (btz_slice_is(v[STATUS].bytes, "pending") && (uint64_t)v[EXPIRES].i <= c->now_ms)
        BTZ_TRY(btz_json_set_text(item, "status", "expired"));
    else
        BTZ_TRY(btz_json_set_column(item, "status", &v[STATUS]));
    BTZ_TRY(btz_json_set_time(item, "created", (uint64_t)v[CREATED].i));
    BTZ_TRY(btz_json_set_time(item, "expires", (uint64_t)v[EXPIRES].i));
    BTZ_TRY(btz_json_set_column(item, "decided_by", &v[DECIDED_BY]));
    BTZ_TRY(btz_json_set_column(item, "decided_name", &v[DECIDED_NAME]));
    BTZ_TRY(btz_json_set_time(item, "decided", (uint64_t)v[DECIDED].i));
    BTZ_TRY(btz_json_set_column(item, "decided_reason", &v[DECIDED_REASON]));
    return shown_input(c, v, item);
}

static enum btz_err load(struct btz_call *c, const char *id, const struct btz_value **out)
{
    const struct btz_value v[] = { btz_value_str(id) };

    BTZ_TRY(btz_store_one(c->store, "SELECT " COLUMNS " FROM approvals a WHERE a.id = ?", v, 1,
                          c->arena, COLUMN_COUNT, out));
    return *out ? BTZ_OK : btz_call_not_found(c, "approval", id);
}

static enum btz_err answer(struct btz_call *c, const char *id, json_t **out)
{
    BTZ_JSON json_t *item = json_object();
    const struct btz_value *row;

    if (!item)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    BTZ_TRY(load(c, id, &row));
    BTZ_TRY(fill(c, row, item));
    *out = json_incref(item);
    return BTZ_OK;
}

/* ---- asking ---- */

enum btz_err btz_approval_ask(struct btz_call *c, const struct btz_operation *op, const json_t *in,
                              const char *reason)
{
    BTZ_BUF_RELEASE struct btz_buf sealed = BTZ_BUF(INPUT_MAX + 1024);
    BTZ_BUF_RELEASE struct btz_buf caller = BTZ_BUF(65536);
    struct btz_sql q = { .len = 0 };
    char id[BTZ_ID_TEXT];
    const char *text;

    btz_id_new("apr_", c->now_ms, id);
    BTZ_TRY(seal_json(c, "input", id, in, &sealed));
    BTZ_TRY(caller_text(c->caller, &caller));
    BTZ_TRY(btz_buf_cstr(&caller, &text));
    btz_sql_add(&q, "INSERT INTO approvals (id, operation, action, resource, principal, name, "
                    "caller, asked_with, input, if_match, reason, status, created_ms, expires_ms) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)");
    btz_sql_text(&q, id);
    btz_sql_text(&q, op->id);
    btz_sql_text(&q, c->op->action);
    btz_sql_text(&q, c->state->resource);
    btz_sql_text(&q, c->caller->principal);
    btz_sql_text(&q, c->caller->name);
    btz_sql_text(&q, text);
    btz_sql_text(&q, credential(c->caller));
    btz_sql_blob(&q, btz_buf_slice(&sealed));
    btz_sql_text(&q, c->if_match);
    btz_sql_text(&q, reason);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_int(&q, (int64_t)c->now_ms + c->access->conf->approval_ms);
    BTZ_TRY(btz_sql_run(c, &q, NULL));
    BTZ_TRY(answer(c, id, &c->out));
    c->target = btz_arena_printf(c->arena, "approval/%s", id);
    c->after = json_incref(c->out);
    snprintf(c->approval, sizeof c->approval, "%s", id);
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

/* ---- deciding ---- */

static bool is_local_name(const char *local, const char *name)
{
    return strncmp(local, "local:", 6) == 0 && strcmp(local + 6, name) == 0;
}

static enum btz_err check_second(struct btz_call *c, const struct btz_caller *who,
                                 uint64_t asked_ms)
{
    const struct btz_caller *me = c->caller;
    struct btz_people asked, approves;
    bool same, touched = false;

    if (me->kind == BTZ_CALLER_KEY) {
        c->note.reason = "a key cannot approve: a second person has to look at it";
        return btz_fail(BTZ_DENIED, "%s", c->note.reason);
    }
    BTZ_TRY(btz_behind(c, who, &asked));
    BTZ_TRY(btz_behind(c, me, &approves));
    /* The first of the people is the caller; those behind both, who registered certificates say, are neither. */
    same = btz_people_have(&asked, approves.ids[0]) || btz_people_have(&approves, asked.ids[0]) ||
           is_local_name(me->principal, who->name) || is_local_name(who->principal, me->name);
    if (!same)
        BTZ_TRY(btz_behind_touch(c, &asked, &approves, asked_ms, &touched));
    if (!same && !touched)
        return BTZ_OK;
    c->note.reason = same
                         ? "nobody approves what he asked for himself"
                         : "one of the two invited the other, or changed how he signs in, within a "
                           "week";
    return btz_fail(BTZ_DENIED, "%s; ask another person", c->note.reason);
}

static enum btz_err still_pending(struct btz_call *c, const struct btz_value *row)
{
    if (!btz_slice_is(row[STATUS].bytes, "pending"))
        return btz_fail(BTZ_CONFLICT, "the request is %.*s already",
                        BTZ_SLICE_ARG(row[STATUS].bytes));
    if ((uint64_t)row[EXPIRES].i <= c->now_ms)
        return btz_fail(BTZ_CONFLICT, "the request has expired; it has to be made again");
    return BTZ_OK;
}

/* The call that waits, ready to run. It shares the lane and the arena of this one. */
static enum btz_err inner_call(struct btz_call *c, const struct btz_value *row,
                               struct btz_caller *who)
{
    struct btz_call *inner = btz_arena_alloc(c->arena, sizeof *inner);
    char *operation = btz_arena_str(c->arena, row[OPERATION].bytes);

    if (!inner || !operation)
        return BTZ_LIMIT;
    *inner = (struct btz_call){ .access = c->access,
                                .op = btz_operation_find(operation),
                                .caller = who,
                                .store = c->store,
                                .arena = c->arena,
                                .now_ms = c->now_ms };
    inner->state = btz_arena_alloc(c->arena, sizeof *inner->state);
    if (!inner->op)
        return btz_fail(BTZ_UNSUPPORTED, "this bartizan has no operation %s", operation);
    if (!inner->state)
        return BTZ_LIMIT;
    c->state->inner = inner;
    inner->state->lane = c->state->lane;
    inner->state->approved_by = c->caller->principal;
    inner->if_match = btz_column_text(c->arena, &row[IF_MATCH]);
    BTZ_TRY(unseal_json(c, "input", row[ID].bytes, row[INPUT].bytes, &inner->state->in));
    inner->in = inner->state->in;
    return BTZ_OK;
}

static enum btz_err approve_prepare(struct btz_call *c)
{
    const struct btz_value *row;
    struct btz_caller *who;
    const struct btz_operation *op;
    struct btz_call *inner;
    enum btz_err err;

    BTZ_TRY(load(c, btz_call_text(c, "approval"), &row));
    BTZ_TRY(caller_parse(c->arena, row, c->now_ms, &who));
    BTZ_TRY(check_second(c, who, (uint64_t)row[CREATED].i));
    BTZ_TRY(still_pending(c, row));
    BTZ_TRY(inner_call(c, row, who));
    inner = c->state->inner;
    op = inner->op;
    if (op->asked_by)
        inner->op = btz_operation_find(op->asked_by);
    err = btz_call_admit(inner);
    inner->op = op;
    if (err == BTZ_DENIED)
        return btz_fail(BTZ_CONFLICT, "whoever asked may not do it any more: %s",
                        inner->note.reason ? inner->note.reason : "permission was taken away");
    if (err != BTZ_OK)
        return err;
    return inner->op->prepare ? inner->op->prepare(inner) : BTZ_OK;
}

static enum btz_err decide(struct btz_call *c, const char *id, const char *status,
                           const struct btz_buf *result)
{
    struct btz_sql q = { .len = 0 };
    uint64_t changed;

    btz_sql_add(&q, "UPDATE approvals SET status = ?, decided_by = ?, decided_name = ?, decided_ms "
                    "= ?, decided_reason = ?, result = ? WHERE id = ? AND status = 'pending'");
    btz_sql_text(&q, status);
    btz_sql_text(&q, c->caller->principal);
    btz_sql_text(&q, c->caller->name);
    btz_sql_int(&q, (int64_t)c->now_ms);
    btz_sql_text(&q, btz_call_text(c, "reason"));
    if (result && result->len)
        btz_sql_blob(&q, btz_buf_slice(result));
    else
        btz_sql_text(&q, NULL);
    btz_sql_text(&q, id);
    BTZ_TRY(btz_sql_run(c, &q, &changed));
    return changed == 1 ? BTZ_OK : btz_fail(BTZ_CONFLICT, "the request was decided meanwhile");
}

static enum btz_err target(struct btz_call *c, const char *id)
{
    c->target = btz_arena_printf(c->arena, "approval/%s", id);
    c->note.reason = btz_call_text(c, "reason");
    return c->target ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err approve(struct btz_call *c)
{
    const char *id = btz_call_text(c, "approval");
    BTZ_BUF_RELEASE struct btz_buf result = BTZ_BUF(INPUT_MAX + 1024);
    struct btz_call *inner = c->state->inner;
    const struct btz_value *row;
    struct btz_trail_entry e;

    BTZ_TRY(target(c, id));
    BTZ_TRY(load(c, id, &row));
    BTZ_TRY(still_pending(c, row));
    BTZ_TRY(answer(c, id, &c->before));
    BTZ_TRY(inner->op->run(inner));
    btz_call_entry(inner, &e);
    BTZ_TRY(btz_trail_add(c->access->trail, c->store, &e, NULL));
    c->policy_changed = inner->policy_changed;
    if (inner->out)
        BTZ_TRY(seal_json(c, "result", id, inner->out, &result));
    BTZ_TRY(decide(c, id, "approved", &result));
    BTZ_TRY(answer(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

static enum btz_err deny(struct btz_call *c)
{
    const char *id = btz_call_text(c, "approval");
    const struct btz_value *row;

    BTZ_TRY(target(c, id));
    BTZ_TRY(load(c, id, &row));
    BTZ_TRY(still_pending(c, row));
    BTZ_TRY(answer(c, id, &c->before));
    BTZ_TRY(decide(c, id, "denied", NULL));
    BTZ_TRY(answer(c, id, &c->after));
    c->out = json_incref(c->after);
    return BTZ_OK;
}

/* ---- for whoever asked ---- */

static enum btz_err own(struct btz_call *c, const struct btz_value **row)
{
    const char *id = btz_call_text(c, "approval"), *with = credential(c->caller);

    BTZ_TRY(target(c, id));
    BTZ_TRY(load(c, id, row));
    /* Others are not told that there is one. The answer may be a secret: of a person's credentials only the one that
     * asked gets it, or the person. */
    if (!btz_slice_is((*row)[PRINCIPAL].bytes, c->caller->principal) ||
        (with && ((*row)[ASKED_WITH].kind == BTZ_VALUE_NULL ||
                  !btz_slice_is((*row)[ASKED_WITH].bytes, with))))
        return btz_call_not_found(c, "approval", id);
    return BTZ_OK;
}

static enum btz_err withdraw(struct btz_call *c)
{
    const struct btz_value *row;

    BTZ_TRY(own(c, &row));
    BTZ_TRY(still_pending(c, row));
    return decide(c, btz_call_text(c, "approval"), "withdrawn", NULL);
}

static enum btz_err collect(struct btz_call *c)
{
    const char *id = btz_call_text(c, "approval");
    const struct btz_value v[] = { btz_value_str(id) };
    BTZ_JSON json_t *result = NULL;
    const struct btz_value *row;

    BTZ_TRY(own(c, &row));
    if (btz_slice_is(row[STATUS].bytes, "pending"))
        return btz_fail(BTZ_CONFLICT, "nobody has decided yet");
    if (!btz_slice_is(row[STATUS].bytes, "approved"))
        return btz_fail(BTZ_CONFLICT, "the request is %.*s", BTZ_SLICE_ARG(row[STATUS].bytes));
    if (row[RESULT].kind == BTZ_VALUE_NULL)
        return btz_fail(BTZ_CONFLICT, "there is no answer to collect, or it was collected already");
    BTZ_TRY(unseal_json(c, "result", row[ID].bytes, row[RESULT].bytes, &result));
    BTZ_TRY(btz_store_run(c->store, "UPDATE approvals SET result = NULL WHERE id = ?", v, 1, NULL));
    c->out = json_object();
    if (!c->out)
        return btz_fail(BTZ_LIMIT, "no memory for an answer");
    return btz_json_set(c->out, "result", json_incref(result));
}

static enum btz_err list(struct btz_call *c)
{
    const char *status = btz_call_text(c, "status");
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS " FROM approvals a WHERE a.id > ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    btz_sql_where(&q, " AND a.status = ?", status);
    if (status && strcmp(status, "pending") == 0) {
        btz_sql_add(&q, " AND a.expires_ms > ?");
        btz_sql_int(&q, (int64_t)c->now_ms);
    }
    btz_sql_where(&q, " AND a.principal = ?", btz_call_text(c, "principal"));
    btz_sql_add(&q, " ORDER BY a.id");
    return btz_list_run(c, &q, fill);
}

static enum btz_err own_list(struct btz_call *c)
{
    struct btz_sql q = { .len = 0 };

    btz_sql_add(&q, "SELECT " COLUMNS " FROM approvals a WHERE a.id > ? AND a.principal = ?");
    btz_sql_text(&q, btz_call_text(c, "cursor") ? btz_call_text(c, "cursor") : "");
    btz_sql_text(&q, c->caller->principal);
    btz_sql_where(&q, " AND a.asked_with = ?", credential(c->caller));
    btz_sql_add(&q, " ORDER BY a.id");
    return btz_list_run(c, &q, fill);
}

/* ---- operations ---- */

static const char *const status_names[] = { "pending", "approved",  "denied",
                                            "expired", "withdrawn", NULL };

#define WHICH                                                                                      \
    {                                                                                              \
        .name = "approval", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_PATH, .required = true,        \
        .help = "Id of the request."                                                               \
    }
static const struct btz_field list_fields[] = {
    { .name = "status",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only those.",
      .choices = status_names },
    { .name = "principal",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_QUERY,
      .help = "Only what this person asked for (id)." },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field own_fields[] = { BTZ_PAGE_FIELDS };
static const struct btz_field which[] = { WHICH };
static const struct btz_field approve_fields[] = {
    WHICH,
    { .name = "reason",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Why it is right.",
      .max = REASON_MAX },
};
static const struct btz_field deny_fields[] = {
    WHICH,
    { .name = "reason",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "Why not.",
      .max = REASON_MAX },
};

const struct btz_operation btz_operation_approval_list = {
    .id = "approval.list",
    .method = "GET",
    .path = "/v1/approvals",
    .command = "approval list",
    .summary = "List what waits, or waited, for a second person.",
    .tag = "approvals",
    .action = "approval.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "approval-list",
    .run = list,
};
const struct btz_operation btz_operation_approval_approve = {
    .id = "approval.approve",
    .method = "POST",
    .path = "/v1/approvals/{approval}/approve",
    .command = "approval approve",
    .summary = "Approve what somebody else asked for; it takes effect at once.",
    .details = "It runs in the name of whoever asked, if he may still do it. Nobody approves his "
               "own request, and keys approve nothing. What it answers (a new key, say) only "
               "whoever asked can collect, once.",
    .tag = "approvals",
    .action = "approval.decide",
    .resource = "approval/{approval}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = approve_fields,
    .field_count = BTZ_COUNT(approve_fields),
    .result = "approval",
    .event = "approval",
    .prepare = approve_prepare,
    .run = approve,
};
const struct btz_operation btz_operation_approval_deny = {
    .id = "approval.deny",
    .method = "POST",
    .path = "/v1/approvals/{approval}/deny",
    .command = "approval deny",
    .summary = "Refuse what somebody asked for.",
    .tag = "approvals",
    .action = "approval.decide",
    .resource = "approval/{approval}",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_STEP_UP,
    .fields = deny_fields,
    .field_count = BTZ_COUNT(deny_fields),
    .result = "approval",
    .event = "approval",
    .run = deny,
};
const struct btz_operation btz_operation_me_approval_list = {
    .id = "me.approval.list",
    .method = "GET",
    .path = "/v1/me/approvals",
    .summary = "List what I asked for.",
    .tag = "me",
    .needs = BTZ_NEEDS_CALLER,
    .fields = own_fields,
    .field_count = BTZ_COUNT(own_fields),
    .result = "approval-list",
    .run = own_list,
};
const struct btz_operation btz_operation_me_approval_withdraw = {
    .id = "me.approval.withdraw",
    .method = "DELETE",
    .path = "/v1/me/approvals/{approval}",
    .command = "approval withdraw",
    .summary = "Take back what I asked for.",
    .tag = "me",
    .needs = BTZ_NEEDS_CALLER,
    .fields = which,
    .field_count = BTZ_COUNT(which),
    .event = "approval",
    .run = withdraw,
};
const struct btz_operation btz_operation_me_approval_collect = {
    .id = "me.approval.collect",
    .method = "POST",
    .path = "/v1/me/approvals/{approval}/collect",
    .command = "approval collect",
    .summary = "Get, once, what an approved request of mine answered.",
    .tag = "me",
    .needs = BTZ_NEEDS_CALLER,
    .fields = which,
    .field_count = BTZ_COUNT(which),
    .result = "approval-result",
    .event = "approval",
    .run = collect,
};
