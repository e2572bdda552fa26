#include <stdlib.h>

#include "access/directory/admit.h"

#define DETAIL_MAX 1024

static bool is_read(const struct btz_operation *op)
{
    return op->method && strcmp(op->method, "GET") == 0;
}

/* Reads leave no entry, unless they say so (exports); a challenge that was handed out (event "") leaves none either. */
static bool has_entry(const struct btz_operation *op)
{
    return op->event ? op->event[0] : !is_read(op);
}

static bool writes(const struct btz_operation *op)
{
    return !is_read(op) || op->event;
}

const struct btz_operation *btz_operation_find(const char *id)
{
    for (size_t i = 0; btz_operations[i]; i++)
        if (strcmp(btz_operations[i]->id, id) == 0)
            return btz_operations[i];
    return NULL;
}

/* ---- what handlers say ---- */

enum btz_err btz_call_not_found(const struct btz_call *c, const char *what, const char *name)
{
    c->state->not_found = true;
    return btz_fail(BTZ_INPUT, "no such %s: %.128s", what, name);
}

bool btz_call_was_not_found(const struct btz_call *c)
{
    return c->state && c->state->not_found;
}

enum btz_err btz_call_version(struct btz_call *c, uint64_t version)
{
    const char *seen = c->if_match;
    size_t len;

    snprintf(c->etag, sizeof c->etag, "%" PRIu64, version);
    if (!seen || strcmp(seen, "*") == 0)
        return BTZ_OK;
    if (strncmp(seen, "W/", 2) == 0)
        seen += 2;
    len = strlen(seen);
    if (len >= 2 && seen[0] == '"' && seen[len - 1] == '"') {
        seen++;
        len -= 2;
    }
    if (len == strlen(c->etag) && strncmp(seen, c->etag, len) == 0)
        return BTZ_OK;
    c->stale = true;
    return btz_fail(BTZ_CONFLICT, "changed by somebody else meanwhile (version %s); read it again",
                    c->etag);
}

/* ---- the entry ---- */

void btz_caller_entry(const struct btz_caller *caller, struct btz_trail_entry *e)
{
    if (!e->principal && caller->principal[0])
        e->principal = caller->principal;
    if (!e->name && caller->name[0] && e->principal && strcmp(e->principal, caller->principal) == 0)
        e->name = caller->name;
    if (!e->method && caller->method[0])
        e->method = caller->method;
    if (!e->session && caller->session[0])
        e->session = caller->session;
    if (!e->key && caller->key[0])
        e->key = caller->key;
    e->address = caller->address_text;
    e->user_agent = caller->user_agent;
    e->request = caller->request;
}

void btz_call_entry(const struct btz_call *c, struct btz_trail_entry *e)
{
    *e = c->note;
    if (!e->event)
        e->event = c->op->event && c->op->event[0] ? c->op->event : "change";
    if (!e->verdict)
        e->verdict = "allow";
    e->operation = c->op->id;
    btz_caller_entry(c->caller, e);
    if (!e->action)
        e->action = c->op->action;
    if (!e->resource)
        e->resource = c->target ? c->target : c->state->resource;
    if (e->resource && !e->resource[0])
        e->resource = NULL;
    if (!e->rule && c->state->rule[0])
        e->rule = c->state->rule;
    if (c->state->approved_by)
        e->approved_by = c->state->approved_by;
    e->before = c->before;
    e->after = c->after;
}

static enum btz_err add_entry(struct btz_call *c, enum btz_err err, const char *detail)
{
    struct btz_trail_entry e;

    btz_call_entry(c, &e);
    if (err != BTZ_OK) {
        e.verdict = err == BTZ_DENIED ? "deny" : "error";
        if (!e.reason)
            e.reason = detail;
    }
    return btz_trail_add(c->access->trail, c->store, &e, NULL);
}

/* A refusal has an entry of its own; what went wrong otherwise (a field, a full disk) is not one. */
static void note_refusal(struct btz_call *c)
{
    char detail[DETAIL_MAX];
    struct btz_trail_entry e;

    snprintf(detail, sizeof detail, "%s", btz_error_detail());
    btz_call_entry(c, &e);
    /* A sign-in that failed is a sign-in; who was not let near an operation was refused. */
    if (!c->note.event && !(c->state->admitted && c->op->event && c->op->event[0]))
        e.event = "refusal";
    e.verdict = "deny";
    e.before = e.after = NULL;
    if (!e.reason)
        e.reason = detail;
    btz_refusal_note(c->access, c->state->lane, c->caller, &e);
    btz_error_set("%s", detail);
}

/* ---- the transaction ---- */

/* Had somebody all of it before? Kept beside the generation: the state before is gone when it matters. */
static enum btz_err number_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(int64_t *)user = v[0].i;
    return BTZ_OK;
}

static enum btz_err guard_administrator(struct btz_call *c)
{
    bool has = btz_model_has_administrator(&c->state->model, c->now_ms / 1000);
    int64_t had = 0;

    BTZ_TRY(btz_store_query(c->store, "SELECT value FROM meta WHERE name = 'administrator'", NULL,
                            0, number_row, &had));
    if (has && !had)
        return btz_store_run(c->store,
                             "INSERT INTO meta (name, value) VALUES ('administrator', 1) ON "
                             "CONFLICT (name) DO UPDATE SET value = 1",
                             NULL, 0, NULL);
    if (has || !had)
        return BTZ_OK;
    return btz_fail(BTZ_CONFLICT,
                    "nobody would be left who can manage people, roles and policies; give the role "
                    "admin to another active person first");
}

/* The model after the change: can it be compiled, and can somebody still manage it? */
static enum btz_err check_change(struct btz_call *c)
{
    struct btz_call_state *s = c->state;

    btz_arena_init(&s->model_arena, MODEL_MAX);
    BTZ_TRY(btz_access_model(c->access, c->store, &s->model_arena, &s->model));
    BTZ_TRY(btz_policy_check(&s->model));
    return guard_administrator(c);
}

static enum btz_err inside(struct btz_call *c)
{
    struct btz_call_state *s = c->state;
    bool second;

    /* The group got a role since it was asked whether somebody else has to look at this. */
    BTZ_TRY(btz_call_needs_second(c, &second));
    if (second)
        return btz_fail(BTZ_CONFLICT, "this needs a second person by now; ask again");
    BTZ_TRY(c->op->run(c));
    if (!c->policy_changed)
        return BTZ_OK;
    BTZ_TRY(check_change(c));
    BTZ_TRY(btz_generation_next(c->store, 0, &s->generation));
    /* Before the commit: a revocation that readers could not be told must not look like one. */
    return btz_snapshot_stage(&s->model, s->generation, c->access->snapshot_secret,
                              c->access->snapshot_path);
}

/* Has the refusal an entry of its own? An alarm always: only who holds a key of ours can raise it. */
static bool is_counted(struct btz_call *c)
{
    if (c->note.event && strcmp(c->note.event, "alarm") == 0)
        return true;
    return btz_refusal_count(c->access, c->caller, &c->note);
}

/* Nobody fills the trail with questions: those beyond so many a minute are counted together. */
static bool has_own_entry(struct btz_call *c, enum btz_err err)
{
    if (!has_entry(c->op))
        return false;
    if (err == BTZ_DENIED)
        return is_counted(c);
    return !c->op->event || strcmp(c->op->event, "decision") != 0 ||
           btz_decision_count(c->access, c->caller);
}

/* The change is not made: neither is its snapshot. */
static void unstage(struct btz_call *c)
{
    if (c->state->generation)
        btz_snapshot_unstage(c->state->generation, c->access->snapshot_path);
    c->state->generation = 0;
}

static enum btz_err end(struct btz_call *c, enum btz_err err)
{
    char detail[DETAIL_MAX];
    enum btz_err end = BTZ_OK;
    bool keep = err == BTZ_OK || c->keep;

    snprintf(detail, sizeof detail, "%s", err == BTZ_OK ? "" : btz_error_detail());
    if (keep && has_own_entry(c, err))
        end = add_entry(c, err, detail);
    if (keep && end == BTZ_OK)
        end = btz_store_commit(c->store);
    if (!keep || end != BTZ_OK) {
        btz_store_rollback(c->store);
        unstage(c);
    }
    if (end != BTZ_OK)
        return end;
    if (err != BTZ_OK)
        btz_error_set("%s", detail);
    return err;
}

/* Entries of earlier calls that the ledger could not take must be in it before more are made. */
static enum btz_err catch_up(struct btz_call *c)
{
    if (!atomic_load(&c->access->behind))
        return BTZ_OK;
    BTZ_TRY(btz_trail_flush(c->access->trail, c->store));
    atomic_store(&c->access->behind, false);
    return BTZ_OK;
}

static enum btz_err transact(struct btz_call *c)
{
    uint64_t generation;
    enum btz_err err;

    if (writes(c->op)) {
        BTZ_TRY(catch_up(c));
        BTZ_TRY(btz_store_begin(c->store));
    } else {
        BTZ_TRY(btz_store_begin_read(c->store));
    }
    err = btz_generation(c->store, &generation);
    if (err != BTZ_OK) {
        btz_store_rollback(c->store);
        return err;
    }
    c->state->drifted = generation != atomic_load(&c->access->live);
    return end(c, inside(c));
}

/* ---- after the commit ---- */

static void alarm_log(struct btz_call *c)
{
    const char *event = c->note.event ? c->note.event : c->op->event;

    if (event && (strcmp(event, "break-glass") == 0 || strcmp(event, "alarm") == 0))
        btz_log(c->access->log, BTZ_LOG_ERROR, "ALARM: %s by %s%s%s", event, c->caller->name,
                c->note.reason ? ": " : "", c->note.reason ? c->note.reason : "");
}

static enum btz_err settle(struct btz_call *c)
{
    struct btz_access *a = c->access;

    if (has_entry(c->op) && btz_trail_flush(a->trail, c->store) != BTZ_OK) {
        /* The entry is safe in the outbox, beside its change. */
        atomic_store(&a->behind, true);
        btz_log(a->log, BTZ_LOG_ERROR, "the ledger cannot be written: %s", btz_error_detail());
    }
    alarm_log(c);
    if (c->state->generation) {
        enum btz_err err = btz_publish_staged(a, c->store, c->state->generation);

        return err == BTZ_OK ? err
                             : btz_fail_context(err, "the change is saved, but not in force yet; "
                                                     "every later call tries again");
    }
    /* What somebody else left behind is no fault of this call. */
    if (c->state->drifted && btz_access_publish(a, c->store) != BTZ_OK)
        btz_log(a->log, BTZ_LOG_ERROR, "permissions are behind: %s", btz_error_detail());
    return BTZ_OK;
}

/* ---- a second pair of eyes ---- */

static enum btz_err suspend(struct btz_call *c)
{
    enum btz_err err;

    BTZ_TRY(catch_up(c));
    BTZ_TRY(btz_store_begin(c->store));
    err = btz_approval_ask(c, c->op, c->in, NULL);
    c->note.event = "approval";
    c->note.reason = "waits for a second person";
    err = end(c, err);
    return err == BTZ_OK ? settle(c) : err;
}

/* ---- the one way ---- */

static enum btz_err go(struct btz_call *c)
{
    enum btz_err err = btz_call_admit(c);
    bool second = false;

    c->state->admitted = err == BTZ_OK;
    if (err == BTZ_OK && c->caller->kind > BTZ_CALLER_LOCAL)
        btz_used_note(c->access, c->caller->principal, false);
    if (err == BTZ_OK)
        err = btz_call_needs_second(c, &second);
    if (err == BTZ_OK && second)
        return suspend(c);
    if (err == BTZ_OK && c->op->prepare)
        err = c->op->prepare(c);
    btz_store_rollback(c->store);
    if (err == BTZ_OK)
        err = transact(c);
    if (err == BTZ_OK || c->keep) {
        char detail[DETAIL_MAX];
        enum btz_err after;

        snprintf(detail, sizeof detail, "%s", btz_error_detail());
        after = settle(c);
        if (err != BTZ_OK)
            btz_error_set("%s", detail);
        return err != BTZ_OK ? err : after;
    }
    /* Who is slowed down is refused too. */
    if (err == BTZ_DENIED || (err == BTZ_LIMIT && c->retry_after_s))
        note_refusal(c);
    return err;
}

/* Of fields that are wrong, those that the permission depends on. */
static enum btz_err take_resource(struct btz_call *c)
{
    json_t *some = json_object();

    c->state->in = some;
    for (size_t i = 0; i < c->op->field_count; i++) {
        const struct btz_field *f = &c->op->fields[i];
        const char *value = json_string_value(json_object_get(c->in, f->name));
        char place[80];

        snprintf(place, sizeof place, "{%.70s}", f->name);
        if (f->kind == BTZ_FIELD_TEXT && value && strlen(value) <= 256 && c->op->resource &&
            strstr(c->op->resource, place) &&
            json_object_set_new(some, f->name, json_string(value)) != 0)
            return btz_fail(BTZ_LIMIT, "no memory");
    }
    c->in = some;
    return some ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory");
}

/* A field is wrong. Who may not do it anyway is told that instead, and it is in the trail. */
static enum btz_err misfit(struct btz_call *c, const char *detail)
{
    BTZ_TRY(take_resource(c));
    if (btz_call_admit(c) == BTZ_DENIED && !c->needs_step_up) {
        note_refusal(c);
        return BTZ_DENIED;
    }
    c->needs_step_up = false;
    return btz_fail(BTZ_USAGE, "%s", detail);
}

enum btz_err btz_access_call(struct btz_call *c)
{
    char detail[DETAIL_MAX] = "";
    enum btz_err err, clock;

    c->state = btz_arena_alloc(c->arena, sizeof *c->state);
    if (!c->state)
        return BTZ_LIMIT;
    c->now_ms = btz_access_now_ms(c->access);
    err = btz_fields_check(c->op, c->in, &c->state->in);
    if (err != BTZ_OK && (err != BTZ_USAGE || c->op->needs & BTZ_PUBLIC))
        return err;
    if (err == BTZ_OK)
        c->in = c->state->in;
    else
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
    BTZ_TRY(btz_lane_take(c->access, &c->state->lane));
    c->store = c->state->lane->store;
    clock = btz_access_clock(c->access, c->store);
    err = clock != BTZ_OK ? clock : err == BTZ_OK ? go(c) : misfit(c, detail);
    btz_refusals_sweep(c->access, c->state->lane, false);
    btz_used_write(c->access, c->store);
    btz_lane_back(c->access, c->state->lane);
    c->store = NULL;
    c->state->lane = NULL;
    if (err != BTZ_OK) {
        json_decref(c->out);
        c->out = NULL;
    }
    return err;
}

void btz_call_release(struct btz_call *c)
{
    json_decref(c->out);
    json_decref(c->before);
    json_decref(c->after);
    if (c->state) {
        if (c->state->inner)
            btz_call_release(c->state->inner);
        json_decref(c->state->in);
        btz_arena_release(&c->state->model_arena);
    }
    btz_wipe(c->set_session, sizeof c->set_session);
    c->out = c->before = c->after = NULL;
    c->state = NULL;
}

enum btz_err btz_access_note(struct btz_access *a, const struct btz_caller *caller,
                             const struct btz_trail_entry *e)
{
    struct btz_trail_entry full = *e;
    struct btz_lane *lane;
    enum btz_err err;

    btz_caller_entry(caller, &full);
    BTZ_TRY(btz_lane_take(a, &lane));
    if (e->verdict && strcmp(e->verdict, "deny") == 0) {
        btz_refusal_note(a, lane, caller, &full);
        err = BTZ_OK;
    } else {
        err = btz_store_begin(lane->store);
        if (err == BTZ_OK)
            err = btz_trail_add(a->trail, lane->store, &full, NULL);
        if (err == BTZ_OK)
            err = btz_store_commit(lane->store);
        if (err == BTZ_OK)
            err = btz_trail_flush(a->trail, lane->store);
    }
    btz_lane_back(a, lane);
    return err;
}
