#include "access/directory/directory.h"

/*
 * Which calls wait for a second person: those whose action is in `four_eyes`, and those that come to the same as one. Who
 * joins a group with a role has been given the role, and so has who holds a role whose rules are written anew.
 */

static bool is_listed(const struct btz_call *c, const char *action)
{
    const struct btz_conf_list *list = &c->access->conf->four_eyes;
    const char *const *actions = list->items;

    for (size_t i = 0; action && i < list->count; i++)
        if (strcmp(actions[i], action) == 0)
            return true;
    return false;
}

enum btz_err btz_call_needs_second(struct btz_call *c, bool *out)
{
    const struct btz_operation *op = c->op;

    *out = false;
    if (!op->action || !op->method || strcmp(op->method, "GET") == 0)
        return BTZ_OK;
    *out = is_listed(c, op->action);
    if (*out || !is_listed(c, op->also))
        return BTZ_OK;
    return op->also_if(c, out);
}

/* ---- roles that are held ---- */

struct held {
    struct btz_call *call;
    const char **roles;
    size_t count, room;
};

static enum btz_err count_row(void *user, const struct btz_value *v, size_t count)
{
    (void)count;
    *(size_t *)user = (size_t)v[0].i;
    return BTZ_OK;
}

static enum btz_err role_row(void *user, const struct btz_value *v, size_t count)
{
    struct held *h = user;

    (void)count;
    if (h->count == h->room)
        return btz_fail(BTZ_CONFLICT, "a table grew while it was being read");
    h->roles[h->count] = btz_column_text(h->call->arena, &v[0]);
    return h->roles[h->count++] ? BTZ_OK : BTZ_LIMIT;
}

#define LASTING " FROM bindings WHERE (? = '' OR subject = ?) AND (until_s = 0 OR until_s > ?)"

/* Roles that somebody has or will have; of one group (id), or of anybody (""). */
static enum btz_err held(struct btz_call *c, const char *subject, struct held *out)
{
    const struct btz_value v[] = { btz_value_str(subject), btz_value_str(subject),
                                   btz_value_int((int64_t)(c->now_ms / 1000)) };

    *out = (struct held){ .call = c };
    BTZ_TRY(btz_store_query(c->store, "SELECT COUNT(*)" LASTING, v, 3, count_row, &out->room));
    out->roles = btz_arena_array(c->arena, out->room + 1, sizeof *out->roles);
    if (!out->roles)
        return BTZ_LIMIT;
    return btz_store_query(c->store, "SELECT DISTINCT role" LASTING, v, 3, role_row, out);
}

/* ---- groups ---- */

static enum btz_err of_group(struct btz_call *c, struct held *out)
{
    const struct btz_value *row;
    const char *id;

    *out = (struct held){ .call = c };
    BTZ_TRY(btz_row_find(c, "SELECT id FROM groups WHERE id = ? OR name = ?",
                         btz_call_text(c, "group"), 1, &row));
    if (!row)
        return BTZ_OK; /* the operation says so */
    id = btz_column_text(c->arena, &row[0]);
    return id ? held(c, id, out) : BTZ_LIMIT;
}

enum btz_err btz_group_gives(struct btz_call *c, bool *out)
{
    struct held h;

    BTZ_TRY(of_group(c, &h));
    *out = h.count > 0;
    return BTZ_OK;
}

static const struct btz_role_model *find_role(const struct btz_policy_model *m, const char *name)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (strcmp(m->roles[i].name, name) == 0)
            return &m->roles[i];
    return NULL;
}

static bool denies(const struct btz_policy_model *m, const char *name, unsigned depth)
{
    const struct btz_role_model *role = find_role(m, name);

    for (size_t i = 0; role && i < role->rule_count; i++)
        if (role->rules[i].effect == BTZ_EFFECT_DENY)
            return true;
    for (size_t i = 0; role && depth < 32 && role->inherits && role->inherits[i]; i++)
        if (denies(m, role->inherits[i], depth + 1))
            return true;
    return false;
}

enum btz_err btz_group_withholds(struct btz_call *c, bool *out)
{
    struct btz_policy_model model = { 0 };
    struct held h;

    *out = false;
    BTZ_TRY(of_group(c, &h));
    if (h.count > 0)
        BTZ_TRY(btz_policies_parse(c->store, c->arena, &model));
    for (size_t i = 0; i < h.count && !*out; i++)
        *out = denies(&model, h.roles[i], 0);
    return BTZ_OK;
}

/* ---- policies ---- */

/* Has the role a rule about an administrative action, itself or inherited? One that denies it counts: it may go. */
static bool is_about(const struct btz_policy_model *m, const char *name, unsigned depth)
{
    const struct btz_role_model *role = find_role(m, name);

    for (size_t r = 0; role && r < role->rule_count; r++)
        for (size_t p = 0; role->rules[r].actions && role->rules[r].actions[p]; p++)
            for (size_t i = 0; i < btz_action_count; i++)
                if (btz_actions[i].administrative &&
                    btz_action_matches(role->rules[r].actions[p], &btz_actions[i]))
                    return true;
    for (size_t i = 0; role && depth < 32 && role->inherits && role->inherits[i]; i++)
        if (is_about(m, role->inherits[i], depth + 1))
            return true;
    return false;
}

struct models {
    struct btz_policy_model before, after; /* all policies together */
};

static bool changes(const struct models *m, const struct held *h,
                    const struct btz_policy_model *changed)
{
    for (size_t r = 0; r < changed->role_count; r++) {
        const char *name = changed->roles[r].name;

        if (!is_about(&m->before, name, 0) && !is_about(&m->after, name, 0))
            continue;
        for (size_t i = 0; i < h->count; i++)
            if (btz_role_reaches(&m->before, h->roles[i], name, 0) ||
                btz_role_reaches(&m->after, h->roles[i], name, 0))
                return true;
    }
    return false;
}

enum btz_err btz_policy_gives(struct btz_call *c, bool *out)
{
    const char *text = btz_call_text(c, "text"), *old;
    struct btz_policy_model was = { 0 }, is = { 0 };
    struct models m = { .before = { .role_count = 0 } };
    const struct btz_value *row;
    struct held h;
    char *name;

    *out = false;
    BTZ_TRY(btz_name_form("policy", btz_call_text(c, "policy"), c->arena, &name));
    BTZ_TRY(held(c, "", &h));
    BTZ_TRY(btz_store_one(c->store, "SELECT text FROM policies WHERE name = ?",
                          (const struct btz_value[]){ btz_value_str(name) }, 1, c->arena, 1, &row));
    if (text)
        BTZ_TRY(btz_policy_parse(btz_str(text), name, c->arena, &is));
    if (row) {
        old = btz_column_text(c->arena, &row[0]);
        if (!old)
            return BTZ_LIMIT;
        BTZ_TRY(btz_policy_parse(btz_str(old), name, c->arena, &was));
    }
    BTZ_TRY(btz_policies_parse(c->store, c->arena, &m.before));
    BTZ_TRY(btz_policies_parse_with(c->store, c->arena, name, text, &m.after));
    *out = changes(&m, &h, &was) || changes(&m, &h, &is);
    return BTZ_OK;
}
