#include "access/policy/index.h"

#include <stdlib.h>

#define MEMBERS_MAX (16u << 20)

static int by_role_name(const void *a, const void *b)
{
    const struct btz_role_model *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static int by_principal_id(const void *a, const void *b)
{
    const struct btz_principal_model *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static int by_group_id(const void *a, const void *b)
{
    const struct btz_group_model *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static int by_principal_name(const void *a, const void *b, void *user)
{
    const struct btz_principal_model *const *list = user;
    uint32_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return strcmp(list[x]->name, list[y]->name);
}

void btz_sort(void *list, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    const char *at = list;

    for (size_t i = 1; i < count; i++, at += size)
        if (compare(at, at + size) > 0) {
            qsort(list, count, size, compare);
            return;
        }
}

/* ---- look-ups ---- */

uint32_t btz_index_role(const struct btz_model_index *x, const char *name)
{
    size_t low = 0, high = x->model->role_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(x->roles[middle]->name, name);

        if (c == 0)
            return (uint32_t)middle;
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return BTZ_NOBODY;
}

uint32_t btz_index_principal(const struct btz_model_index *x, const char *id)
{
    size_t low = 0, high = x->model->principal_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(x->principals[middle]->id, id);

        if (c == 0)
            return (uint32_t)middle;
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return BTZ_NOBODY;
}

uint32_t btz_index_principal_named(const struct btz_model_index *x, const char *name)
{
    size_t low = 0, high = x->model->principal_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(x->principals[x->by_name[middle]]->name, name);

        if (c == 0)
            return x->by_name[middle];
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return BTZ_NOBODY;
}

uint32_t btz_index_group(const struct btz_model_index *x, const char *id)
{
    size_t low = 0, high = x->model->group_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strcmp(x->groups[middle]->id, id);

        if (c == 0)
            return (uint32_t)middle;
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return BTZ_NOBODY;
}

void btz_index_subjects(const struct btz_model_index *x, const struct btz_binding_model *b,
                        uint32_t *one, const uint32_t **list, size_t *count)
{
    uint32_t group;

    *one = btz_index_principal(x, b->subject);
    *list = one;
    *count = *one != BTZ_NOBODY;
    if (*count > 0)
        return;
    group = btz_index_group(x, b->subject);
    if (group == BTZ_NOBODY)
        return;
    *list = x->members[group];
    *count = x->member_counts[group];
}

const char *btz_index_canonical(const struct btz_model_index *x, struct btz_arena *arena,
                                const char *pattern)
{
    enum btz_principal_kind kind = BTZ_PRINCIPAL_USER;
    const char *id;
    uint32_t p;

    if (strncmp(pattern, "user/", 5) == 0) {
        id = pattern + 5;
    } else if (strncmp(pattern, "service/", 8) == 0) {
        id = pattern + 8;
        kind = BTZ_PRINCIPAL_SERVICE;
    } else {
        return pattern;
    }
    p = btz_index_principal(x, id);
    if (p == BTZ_NOBODY || x->principals[p]->kind != kind)
        return pattern;
    return btz_arena_printf(arena, "%.*s%s", (int)(id - pattern), pattern, x->principals[p]->name);
}

/* ---- building ---- */

static enum btz_err index_roles(struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;

    if (m->role_count > BTZ_ROLES_MAX)
        return btz_fail(BTZ_LIMIT, "%zu roles, at most %d", m->role_count, BTZ_ROLES_MAX);
    x->words = m->role_count / 64 + 1;
    x->roles = btz_arena_array(arena, m->role_count + 1, sizeof *x->roles);
    x->closures = btz_arena_array(arena, (m->role_count + 1) * x->words, sizeof *x->closures);
    if (!x->roles || !x->closures)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->role_count; i++)
        x->roles[i] = &m->roles[i];
    qsort(x->roles, m->role_count, sizeof *x->roles, by_role_name);
    for (size_t i = 1; i < m->role_count; i++)
        if (strcmp(x->roles[i - 1]->name, x->roles[i]->name) == 0)
            return btz_fail(BTZ_USAGE, "two roles are called `%s`: %s:%u and %s:%u",
                            x->roles[i]->name, x->roles[i - 1]->file, x->roles[i - 1]->line,
                            x->roles[i]->file, x->roles[i]->line);
    return BTZ_OK;
}

static enum btz_err unknown_role(const struct btz_model_index *x, struct btz_arena *arena,
                                 const char *name)
{
    const char **names = btz_arena_array(arena, x->model->role_count + 1, sizeof *names), *near;

    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < x->model->role_count; i++)
        names[i] = x->roles[i]->name;
    near = btz_nearest(name, names, x->model->role_count);
    return btz_fail(BTZ_USAGE, "there is no role `%s`%s%s%s", name, near ? "; did you mean `" : "",
                    near ? near : "", near ? "`?" : "");
}

/* Depth first; `state`: 0 new, 1 open, 2 done. At most BTZ_ROLES_MAX deep. */
static enum btz_err close_role(struct btz_model_index *x, struct btz_arena *arena, uint8_t *state,
                               uint32_t role)
{
    const struct btz_role_model *r = x->roles[role];
    uint64_t *row = x->closures + role * x->words;

    state[role] = 1;
    row[role / 64] |= 1ULL << role % 64;
    for (size_t i = 0; r->inherits && r->inherits[i]; i++) {
        uint32_t other = btz_index_role(x, r->inherits[i]);

        if (other == BTZ_NOBODY) {
            enum btz_err err = unknown_role(x, arena, r->inherits[i]);

            return btz_fail_context(err, "%s:%u: role `%s`", r->file, r->line, r->name);
        }
        if (state[other] == 1)
            return btz_fail(BTZ_USAGE, "%s:%u: role `%s` inherits itself, through `%s`", r->file,
                            r->line, x->roles[other]->name, r->name);
        if (state[other] == 0)
            BTZ_TRY(close_role(x, arena, state, other));
        for (size_t w = 0; w < x->words; w++)
            row[w] |= x->closures[other * x->words + w];
    }
    state[role] = 2;
    return BTZ_OK;
}

static enum btz_err index_principals(struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;
    size_t n = m->principal_count;

    if (n > BTZ_PEOPLE_MAX)
        return btz_fail(BTZ_LIMIT, "%zu principals, at most %u", n, BTZ_PEOPLE_MAX);
    x->principals = btz_arena_array(arena, n + 1, sizeof *x->principals);
    x->by_name = btz_arena_array(arena, n + 1, sizeof *x->by_name);
    if (!x->principals || !x->by_name)
        return BTZ_LIMIT;
    for (size_t i = 0; i < n; i++) {
        x->principals[i] = &m->principals[i];
        x->by_name[i] = (uint32_t)i;
    }
    btz_sort(x->principals, n, sizeof *x->principals, by_principal_id);
    qsort_r(x->by_name, n, sizeof *x->by_name, by_principal_name, x->principals);
    for (size_t i = 0; i < n; i++) {
        const struct btz_principal_model *p = x->principals[i];
        uint32_t other = btz_index_principal_named(x, p->id);

        if (strcmp(p->name, "self") == 0 || strcmp(p->id, "self") == 0)
            return btz_fail(BTZ_USAGE, "nobody can be called `self`: it stands for whoever asks");
        if (i > 0 && strcmp(p->id, x->principals[i - 1]->id) == 0)
            return btz_fail(BTZ_USAGE, "two principals have the id `%s`", p->id);
        if (i > 0 &&
            strcmp(x->principals[x->by_name[i]]->name, x->principals[x->by_name[i - 1]]->name) == 0)
            return btz_fail(BTZ_USAGE, "two principals are called `%s`",
                            x->principals[x->by_name[i]]->name);
        if (other != BTZ_NOBODY && other != i)
            return btz_fail(BTZ_USAGE, "`%s` is the name of one principal and the id of another",
                            p->id);
    }
    return BTZ_OK;
}

static enum btz_err index_members(struct btz_model_index *x, struct btz_arena *arena, size_t group,
                                  size_t *total)
{
    const struct btz_group_model *g = x->groups[group];
    size_t count = 0, kept = 0;
    uint32_t *list;

    while (g->members && g->members[count])
        count++;
    *total += count;
    if (*total > MEMBERS_MAX)
        return btz_fail(BTZ_LIMIT, "groups with more than %u members together", MEMBERS_MAX);
    list = btz_arena_array(arena, count + 1, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++) {
        list[i] = btz_index_principal(x, g->members[i]);
        if (list[i] == BTZ_NOBODY)
            return btz_fail(BTZ_USAGE, "group `%s`: there is no principal with the id `%s`",
                            g->name, g->members[i]);
    }
    qsort(list, count, sizeof *list, by_number);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || list[i] != list[i - 1])
            list[kept++] = list[i];
    x->members[group] = list;
    x->member_counts[group] = kept;
    return BTZ_OK;
}

static enum btz_err index_groups(struct btz_model_index *x, struct btz_arena *arena)
{
    const struct btz_policy_model *m = x->model;
    size_t n = m->group_count, total = 0;

    if (n > BTZ_PEOPLE_MAX)
        return btz_fail(BTZ_LIMIT, "%zu groups, at most %u", n, BTZ_PEOPLE_MAX);
    x->groups = btz_arena_array(arena, n + 1, sizeof *x->groups);
    x->members = btz_arena_array(arena, n + 1, sizeof *x->members);
    x->member_counts = btz_arena_array(arena, n + 1, sizeof *x->member_counts);
    if (!x->groups || !x->members || !x->member_counts)
        return BTZ_LIMIT;
    for (size_t i = 0; i < n; i++)
        x->groups[i] = &m->groups[i];
    qsort(x->groups, n, sizeof *x->groups, by_group_id);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(x->groups[i]->id, x->groups[i - 1]->id) == 0)
            return btz_fail(BTZ_USAGE, "two groups have the id `%s`", x->groups[i]->id);
        if (btz_index_principal(x, x->groups[i]->id) != BTZ_NOBODY)
            return btz_fail(BTZ_USAGE, "`%s` is the id of a principal and of a group",
                            x->groups[i]->id);
        BTZ_TRY(index_members(x, arena, i, &total));
    }
    return BTZ_OK;
}

enum btz_err btz_model_index(const struct btz_policy_model *m, struct btz_arena *arena,
                             struct btz_model_index *out)
{
    struct btz_model_index x = { .model = m };
    uint8_t *state;

    BTZ_TRY(index_roles(&x, arena));
    state = btz_arena_array(arena, m->role_count + 1, 1);
    if (!state)
        return BTZ_LIMIT;
    for (uint32_t i = 0; i < m->role_count; i++)
        if (state[i] == 0)
            BTZ_TRY(close_role(&x, arena, state, i));
    BTZ_TRY(index_principals(&x, arena));
    BTZ_TRY(index_groups(&x, arena));
    *out = x;
    return BTZ_OK;
}
