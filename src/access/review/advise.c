/*
 * Narrower roles from what was used. For each person and group that holds roles for good: what was allowed within the
 * window and is covered by those roles must stay so; the smallest set of roles that there are is looked for, and where
 * that is no narrower, a role is written. Actions that leave no entry when they are used (reading) are kept. Then the
 * whole is compiled with all proposals in it, and every request of the window is decided again, before and after.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/review/review.h"

#define ROLES_MOST     64   /* candidates */
#define PAIRS_MOST     2000 /* different requests of one subject */
#define RESOURCES_MOST 5    /* named one by one in a written role */
#define SUBJECTS_MOST  1000

struct pair { /* one request that was made, however often */
    int action;
    const char *resource, *principal;
    uint64_t count;
};
struct actions {
    uint64_t bits[4];
};
struct subject {
    const char *id, *name, *resource; /* resource: of all its bindings, NULL: all */
    bool group;
    const char *roles[ROLES_MOST], *proposed[4];
    size_t role_count, proposed_count;
    struct pair *pairs;
    size_t pair_count;
    struct actions now, then, kept; /* kept: cannot be seen in the trail */
    const char *yaml;               /* a written role, NULL: none */
    const char *why;                /* one sentence when nothing is proposed */
    uint64_t requests, allowed_now, allowed_then;
};
struct advice {
    const struct btz_review *r;
    struct subject *subjects;
    size_t count;
};

/* ---- sets of actions ---- */

static void add(struct actions *set, size_t i)
{
    set->bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool has(const struct actions *set, size_t i)
{
    return set->bits[i / 64] >> i % 64 & 1;
}

static unsigned size_of(const struct actions *set)
{
    unsigned n = 0;

    for (size_t i = 0; i < 4; i++)
        n += (unsigned)__builtin_popcountll(set->bits[i]);
    return n;
}

/* Does an operation leave an entry when somebody uses the action? Actions of no operation are decisions of the gateway. */
static bool is_seen(const char *action)
{
    bool any = false;

    for (size_t i = 0; btz_operations[i]; i++) {
        const struct btz_operation *op = btz_operations[i];

        if (!op->action || strcmp(op->action, action) != 0)
            continue;
        any = true;
        /* An empty event says that there is no entry. */
        if (op->event ? op->event[0] != '\0' : !op->method || strcmp(op->method, "GET") != 0)
            return true;
    }
    return !any;
}

static bool denied(const struct btz_review *r, const char *const *roles, size_t count,
                   const char *action)
{
    for (size_t i = 0; i < count; i++)
        if (btz_review_role_denies(r, roles[i], action))
            return true;
    return false;
}

static struct actions actions_of(const struct btz_review *r, const char *const *roles, size_t count)
{
    struct actions set = { { 0 } };

    for (size_t a = 0; a < btz_action_count; a++)
        for (size_t i = 0; i < count && !has(&set, a); i++)
            if (btz_review_role_allows(r, roles[i], btz_actions[a].name, NULL) &&
                !denied(r, roles, count, btz_actions[a].name))
                add(&set, a);
    return set;
}

static bool covers(const struct btz_review *r, const char *const *roles, size_t count,
                   const struct pair *p)
{
    const char *action = btz_actions[p->action].name;

    for (size_t i = 0; i < count; i++)
        if (btz_review_role_covers(r, roles[i], action, p->resource, p->principal))
            return !denied(r, roles, count, action);
    return false;
}

/* ---- subjects and what they used ---- */

static struct subject *subject_of(struct advice *a, const struct btz_review_binding *b)
{
    struct subject *s;

    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->subjects[i].id, b->subject) == 0)
            return &a->subjects[i];
    if (a->count == SUBJECTS_MOST)
        return NULL;
    s = &a->subjects[a->count++];
    *s = (struct subject){ .id = b->subject,
                           .name = btz_review_name(a->r, b->subject),
                           .resource = b->resource,
                           .group = btz_index_group(&a->r->index, b->subject) != BTZ_NOBODY };
    s->pairs = btz_arena_array(a->r->arena, PAIRS_MOST, sizeof *s->pairs);
    return s->pairs ? s : NULL;
}

static bool counts(const struct btz_review *r, const struct btz_review_binding *b)
{
    return btz_review_binding_is_on(r, b) && strcmp(b->kind, "normal") == 0 && b->until_s == 0;
}

static enum btz_err find_subjects(struct advice *a, const char *only)
{
    const struct btz_review *r = a->r;

    a->subjects = btz_arena_array(r->arena, SUBJECTS_MOST, sizeof *a->subjects);
    if (!a->subjects)
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->binding_count; i++) {
        const struct btz_review_binding *b = &r->bindings[i];
        struct subject *s;

        if (!counts(r, b) || (only && strcmp(only, b->subject) != 0 &&
                              strcmp(only, btz_review_name(r, b->subject)) != 0))
            continue;
        s = subject_of(a, b);
        if (!s)
            return btz_fail(BTZ_LIMIT, "more than %d people and groups hold roles: name one",
                            SUBJECTS_MOST);
        if (s->role_count < ROLES_MOST)
            s->roles[s->role_count++] = b->role;
        /* Bindings for different resources: proposals are then for all. */
        if (!b->resource || !s->resource || strcmp(s->resource, b->resource) != 0)
            s->resource = NULL;
    }
    if (only && a->count == 0)
        return btz_fail(BTZ_USAGE, "%s holds no role for good", only);
    return BTZ_OK;
}

static bool is_of(const struct advice *a, const struct subject *s, const char *principal)
{
    const struct btz_review_binding b = { .subject = s->id };

    return btz_review_binding_has(a->r, &b, principal);
}

static void note(struct subject *s, int action, const struct btz_review_use *u)
{
    struct pair p = { action, u->resource, u->principal, 1 };

    for (size_t i = 0; i < s->pair_count; i++)
        if (s->pairs[i].action == action && strcmp(s->pairs[i].resource, u->resource) == 0 &&
            strcmp(s->pairs[i].principal, u->principal) == 0) {
            s->pairs[i].count++;
            return;
        }
    if (s->pair_count < PAIRS_MOST)
        s->pairs[s->pair_count++] = p;
    else
        s->why = "too many different requests to tell what is needed";
}

static void find_pairs(struct advice *a)
{
    for (size_t i = 0; i < a->r->use_count; i++) {
        const struct btz_review_use *u = &a->r->uses[i];
        int action = u->action ? btz_action_find(u->action) : -1;

        if (!u->allowed || !u->principal || !u->resource || action < 0)
            continue;
        for (size_t k = 0; k < a->count; k++) {
            struct subject *s = &a->subjects[k];
            const struct pair p = { action, u->resource, u->principal, 1 };

            if (is_of(a, s, u->principal) && covers(a->r, s->roles, s->role_count, &p))
                note(s, action, u);
        }
    }
}

/* ---- proposals ---- */

static bool is_enough(const struct btz_review *r, const struct subject *s, const char *const *roles,
                      size_t count, const struct actions *set)
{
    for (size_t i = 0; i < btz_action_count; i++)
        if (has(&s->kept, i) && !has(set, i))
            return false;
    for (size_t i = 0; i < s->pair_count; i++)
        if (!covers(r, roles, count, &s->pairs[i]))
            return false;
    return true;
}

static void consider(const struct btz_review *r, struct subject *s, const char *const *roles,
                     size_t count)
{
    struct actions set = actions_of(r, roles, count);
    unsigned best = s->proposed_count ? size_of(&s->then) : size_of(&s->now);

    if (size_of(&set) >= best || !is_enough(r, s, roles, count, &set))
        return;
    memcpy(s->proposed, roles, count * sizeof *roles);
    s->proposed_count = count;
    s->then = set;
}

/* Is the role, or one it inherits, of those that exclude others? Such a one is not proposed to who has it not: he, or
 * somebody of the group, may hold its opposite. */
static bool is_exclusive(const struct btz_review *r, const char *role)
{
    uint32_t at = btz_index_role(&r->index, role);

    for (size_t i = 0; at != BTZ_NOBODY && i < r->model->exclusive_count; i++) {
        const struct btz_exclusive_model *e = &r->model->exclusives[i];
        const uint32_t a = btz_index_role(&r->index, e->a), b = btz_index_role(&r->index, e->b);

        if ((a != BTZ_NOBODY && btz_bit(btz_index_closure(&r->index, at), a)) ||
            (b != BTZ_NOBODY && btz_bit(btz_index_closure(&r->index, at), b)))
            return true;
    }
    return false;
}

static bool holds(const struct btz_review *r, const struct subject *s, const char *role)
{
    uint32_t at = btz_index_role(&r->index, role);

    for (size_t i = 0; at != BTZ_NOBODY && i < s->role_count; i++) {
        uint32_t mine = btz_index_role(&r->index, s->roles[i]);

        if (mine != BTZ_NOBODY && btz_bit(btz_index_closure(&r->index, mine), at))
            return true;
    }
    return false;
}

/* All sets of up to three of the roles that give no action he does not have. */
static void propose_existing(const struct btz_review *r, struct subject *s)
{
    const char *candidates[ROLES_MOST], *roles[3];
    size_t n = 0;

    for (size_t i = 0; i < r->model->role_count && n < ROLES_MOST; i++) {
        const char *name = r->model->roles[i].name;
        const struct actions set = actions_of(r, &name, 1);
        bool more = false;

        for (size_t k = 0; k < 4; k++)
            more |= (set.bits[k] & ~s->now.bits[k]) != 0;
        if (!more && size_of(&set) > 0 && (!is_exclusive(r, name) || holds(r, s, name)))
            candidates[n++] = name;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++)
            for (size_t k = j; k < n; k++) {
                size_t count = 1;

                roles[0] = candidates[i];
                if (j > i)
                    roles[count++] = candidates[j];
                if (k > j && j > i)
                    roles[count++] = candidates[k];
                if (k == j || j > i)
                    consider(r, s, roles, count);
            }
}

static bool is_opaque(const char *resource)
{
    const char *slash = strchr(resource, '/');

    return slash && strlen(slash + 1) == 30 && slash[4] == '_';
}

static enum btz_err write_resources(const struct subject *s, int action, struct btz_buf *out)
{
    const char *names[RESOURCES_MOST];
    size_t n = 0;
    bool all = false;

    for (size_t i = 0; i < s->pair_count && !all; i++) {
        size_t k = 0;

        if (s->pairs[i].action != action)
            continue;
        while (k < n && strcmp(names[k], s->pairs[i].resource) != 0)
            k++;
        /* Things with ids come and go: who managed one manages the next. */
        if ((k == n && n == RESOURCES_MOST) || is_opaque(s->pairs[i].resource))
            all = true;
        else if (k == n)
            names[n++] = s->pairs[i].resource;
    }
    if (all || n == 0)
        return btz_buf_printf(out, "\"%s/*\"", btz_actions[action].resource);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            BTZ_TRY(btz_buf_add_str(out, ", "));
        BTZ_TRY(btz_yaml_write_text(names[i], out));
    }
    return BTZ_OK;
}

static uint64_t times(const struct subject *s, int action)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s->pair_count; i++)
        if (s->pairs[i].action == action)
            n += s->pairs[i].count;
    return n;
}

static enum btz_err write_rules(const struct btz_review *r, const struct subject *s,
                                const char *role, struct btz_buf *out)
{
    bool head = false;

    BTZ_TRY(btz_buf_printf(out,
                           "policy: %s\nroles:\n  %s:\n    about: What was used in %" PRIu64
                           " days.\n    rules:\n",
                           role, role, r->window_ms / BTZ_REVIEW_DAY));
    for (size_t a = 0; a < btz_action_count; a++) {
        uint64_t n = times(s, (int)a);

        if (n == 0)
            continue;
        BTZ_TRY(btz_buf_printf(out,
                               "      - id: %s-%zu # %" PRIu64 " requests\n        effect: allow\n"
                               "        actions: [%s]\n        resources: [",
                               role, a, n, btz_actions[a].name));
        BTZ_TRY(write_resources(s, (int)a, out));
        BTZ_TRY(btz_buf_add_str(out, "]\n"));
    }
    for (size_t a = 0; a < btz_action_count; a++) {
        if (!has(&s->kept, a) || times(s, (int)a) > 0)
            continue;
        if (!head)
            BTZ_TRY(btz_buf_printf(out,
                                   "      - id: %s-unseen # leave no entry when used: kept\n"
                                   "        effect: allow\n        actions: [",
                                   role));
        BTZ_TRY(btz_buf_printf(out, "%s%s", head ? ", " : "", btz_actions[a].name));
        head = true;
    }
    return head ? btz_buf_add_str(out, "]\n        resources: [\"*\"]\n") : BTZ_OK;
}

/* Its name is made of the subject's, in small letters. */
static void name_role(const struct subject *s, char out[96])
{
    size_t n = (size_t)snprintf(out, 96, "advised-%.64s", s->name);

    for (size_t i = 0; i < n; i++)
        if (out[i] >= 'A' && out[i] <= 'Z')
            out[i] = (char)(out[i] - 'A' + 'a');
}

static enum btz_err write_role(const struct btz_review *r, struct subject *s)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1 << 20);
    struct actions set = s->kept;
    char role[96];

    for (size_t i = 0; i < s->pair_count; i++)
        add(&set, (size_t)s->pairs[i].action);
    if (size_of(&set) == 0 || size_of(&set) >= size_of(&s->now))
        return BTZ_OK;
    name_role(s, role);
    BTZ_TRY(write_rules(r, s, role, &text));
    s->yaml = btz_arena_str(r->arena, btz_buf_slice(&text));
    s->proposed[0] = btz_arena_str(r->arena, btz_str(role));
    s->proposed_count = 1;
    s->then = set;
    return s->yaml && s->proposed[0] ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err propose(const struct btz_review *r, struct subject *s)
{
    s->now = actions_of(r, s->roles, s->role_count);
    for (size_t a = 0; a < btz_action_count; a++)
        if (has(&s->now, a) && !is_seen(btz_actions[a].name))
            add(&s->kept, a);
    if (s->why)
        return BTZ_OK;
    if (s->pair_count == 0 && size_of(&s->kept) == 0) {
        s->why = "nothing of its roles was used: take them away";
        return BTZ_OK;
    }
    propose_existing(r, s);
    if (s->proposed_count == 0)
        BTZ_TRY(write_role(r, s));
    if (s->proposed_count == 0)
        s->why = "what it holds is what it uses";
    return BTZ_OK;
}

/* ---- the replay ---- */

static enum btz_err model_with(const struct advice *a, struct btz_policy_model *out)
{
    const struct btz_review *r = a->r;
    struct btz_binding_model *list;
    size_t n = 0;

    *out = *r->model;
    for (size_t i = 0; i < a->count; i++)
        if (a->subjects[i].yaml)
            BTZ_TRY(btz_policy_parse(btz_str(a->subjects[i].yaml), "advice", r->arena, out));
    list = btz_arena_array(r->arena, r->model->binding_count + 4 * a->count + 1, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->model->binding_count; i++) {
        const struct btz_binding_model *b = &r->model->bindings[i];
        bool replaced = false;

        for (size_t k = 0; k < a->count; k++)
            replaced |= a->subjects[k].proposed_count > 0 && b->until_s == 0 &&
                        strcmp(a->subjects[k].id, b->subject) == 0;
        if (!replaced)
            list[n++] = *b;
    }
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < a->subjects[i].proposed_count; k++) {
            const struct subject *s = &a->subjects[i];

            list[n] = (struct btz_binding_model){ .role = s->proposed[k],
                                                  .subject = s->id,
                                                  .resource = s->resource };
            list[n].id = btz_arena_printf(r->arena, "advised-%zu", n);
            if (!list[n++].id)
                return BTZ_LIMIT;
        }
    out->bindings = list;
    out->binding_count = n;
    return BTZ_OK;
}

/* Each request as it was made, with a fresh second factor: what a rule asks of it was met then. */
static bool decides(const struct btz_snapshot *snapshot, const struct pair *p, uint64_t now_s)
{
    struct btz_request request = { .key = BTZ_NOBODY,
                                   .action = p->action,
                                   .resource = btz_str(p->resource),
                                   .cost = NAN,
                                   .now_s = now_s };
    struct btz_decision d;

    request.principal = btz_snapshot_principal(snapshot, p->principal);
    if (strncmp(p->resource, "model/", 6) == 0)
        request.model = btz_str(p->resource + 6);
    btz_decide(snapshot, &request, &d);
    return d.verdict != BTZ_VERDICT_DENY;
}

static enum btz_err replay(struct advice *a, const struct btz_policy_model *model,
                           const char *scratch, bool then)
{
    static const uint8_t secret[32] = { 1 };
    struct btz_snapshot *snapshot;
    enum btz_err err;

    BTZ_TRY(btz_snapshot_write(model, 1, secret, scratch));
    err = btz_snapshot_open(scratch, secret, &snapshot);
    (void)unlink(scratch);
    BTZ_TRY(err);
    for (size_t i = 0; i < a->count; i++) {
        struct subject *s = &a->subjects[i];

        for (size_t k = 0; k < s->pair_count; k++) {
            bool fine = decides(snapshot, &s->pairs[k], a->r->now_ms / 1000);

            *(then ? &s->allowed_then : &s->allowed_now) += fine ? s->pairs[k].count : 0;
            s->requests += then ? 0 : s->pairs[k].count;
        }
    }
    btz_snapshot_close(snapshot);
    return BTZ_OK;
}

/* A proposal that would refuse what was allowed is none; the others are tried again without it. */
static enum btz_err replay_all(struct advice *a, const char *scratch)
{
    struct btz_policy_model model;
    bool dropped = true;

    BTZ_TRY(replay(a, a->r->model, scratch, false));
    while (dropped) {
        dropped = false;
        for (size_t i = 0; i < a->count; i++)
            a->subjects[i].allowed_then = 0;
        BTZ_TRY(model_with(a, &model));
        BTZ_TRY(replay(a, &model, scratch, true));
        for (size_t i = 0; i < a->count; i++) {
            struct subject *s = &a->subjects[i];

            if (s->proposed_count == 0 || s->allowed_then >= s->allowed_now)
                continue;
            s->proposed_count = 0;
            s->yaml = NULL;
            s->why = "no narrower roles were found that allow all that was used";
            dropped = true;
        }
    }
    return BTZ_OK;
}

/* ---- the answer ---- */

static json_t *texts(const char *const *list, size_t count)
{
    json_t *out = json_array();

    for (size_t i = 0; out && i < count; i++)
        json_array_append_new(out, json_string(list[i]));
    return out;
}

static json_t *vanishing(const struct subject *s)
{
    json_t *out = json_array();

    for (size_t i = 0; out && s->proposed_count > 0 && i < btz_action_count; i++)
        if (has(&s->now, i) && !has(&s->then, i))
            json_array_append_new(out, json_string(btz_actions[i].name));
    return out;
}

static json_t *describe(const struct subject *s)
{
    json_t *used = json_object(), *gone = vanishing(s);

    for (size_t a = 0; used && a < btz_action_count; a++)
        if (times(s, (int)a) > 0)
            json_object_set_new(used, btz_actions[a].name,
                                json_integer((json_int_t)times(s, (int)a)));
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:s?, s:s?, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "subject",
        s->id, "name", s->name, "kind", s->group ? "group" : "principal", "roles",
        texts(s->roles, s->role_count), "proposed", texts(s->proposed, s->proposed_count), "policy",
        s->yaml, "reason", s->why, "used", used, "requests", (json_int_t)s->requests, "allowed_now",
        (json_int_t)s->allowed_now, "allowed_then",
        s->proposed_count ? (json_int_t)s->allowed_then : (json_int_t)s->allowed_now,
        "permissions_now", (json_int_t)size_of(&s->now), "permissions_then",
        (json_int_t)(s->proposed_count ? size_of(&s->then) : size_of(&s->now)), "unseen",
        (json_int_t)size_of(&s->kept), "vanish", gone);
}

enum btz_err btz_advise(const struct btz_review *r, const char *only, const char *scratch,
                        json_t **out)
{
    struct advice a = { .r = r };
    BTZ_JSON json_t *items = json_array();
    char from[BTZ_TIME_TEXT];

    BTZ_TRY(find_subjects(&a, only));
    find_pairs(&a);
    for (size_t i = 0; i < a.count; i++)
        BTZ_TRY(propose(r, &a.subjects[i]));
    BTZ_TRY(replay_all(&a, scratch));
    for (size_t i = 0; i < a.count; i++)
        if (json_array_append_new(items, describe(&a.subjects[i])) != 0)
            return btz_fail(BTZ_LIMIT, "out of memory for the advice");
    btz_time_format(r->from_ms > r->now_ms - r->window_ms ? r->from_ms : r->now_ms - r->window_ms,
                    from);
    *out = json_pack("{s:O, s:n, s:s, s:b, s:I}", "items", items, "next", "trail_from", from,
                     "complete", r->from_ms <= r->now_ms - r->window_ms, "entries",
                     (json_int_t)r->use_count);
    return *out ? BTZ_OK : btz_fail(BTZ_LIMIT, "out of memory for the advice");
}
