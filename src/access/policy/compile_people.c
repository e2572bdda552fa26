/* Principals with the roles that they have always, and the grants that hold for some resources or for a while. */
#include <stdlib.h>

#include "access/policy/compile.h"

#define PAIRS_MAX (32u << 20)

/* One grant: rows are kept once, so that a group of thousands costs one. */
struct grant {
    uint32_t role;
    const char *resource; /* "*": all */
    uint64_t from, until;
    uint32_t index; /* in the snapshot */
};
struct pair {
    uint32_t principal, grant;
};

static int compare_grants(const struct grant *x, const struct grant *y)
{
    int c;

    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->until != y->until)
        return x->until < y->until ? -1 : 1;
    c = strcmp(x->resource, y->resource);
    return c;
}

static int by_grant(const void *a, const void *b)
{
    struct grant *const *x = a, *const *y = b;

    return compare_grants(*x, *y);
}

static int by_pair(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->principal != y->principal)
        return x->principal < y->principal ? -1 : 1;
    return x->grant < y->grant ? -1 : x->grant > y->grant;
}

static int by_row(const void *a, const void *b, void *user)
{
    const size_t *words = user;
    const uint64_t *const *x = a, *const *y = b;

    return memcmp(*x, *y, *words * sizeof(uint64_t));
}

static bool is_plain(const struct btz_binding_model *b)
{
    return (!b->resource || strcmp(b->resource, "*") == 0) && b->from_s == 0 && b->until_s == 0;
}

/* Sets of roles, each kept once: rows of principals, then of roles for grants. */
static enum btz_err put_sets(struct btz_compile *c, const uint64_t *rows, size_t count,
                             uint32_t *out)
{
    size_t words = c->index.words;
    const uint64_t **sorted = btz_arena_array(c->arena, count + 1, sizeof *sorted);
    uint32_t next = 0;

    if (!sorted)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        sorted[i] = rows + i * words;
    qsort_r(sorted, count, sizeof *sorted, by_row, &words);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || memcmp(sorted[i], sorted[i - 1], words * sizeof **sorted) != 0) {
            BTZ_TRY(btz_buf_add(&c->section[BTZ_SNAP_SETS], sorted[i], words * sizeof **sorted));
            next++;
        }
        out[(size_t)(sorted[i] - rows) / words] = next - 1;
    }
    return BTZ_OK;
}

/* Grants of the bindings that are not for always and everything, one for equal ones. */
static enum btz_err number_grants(struct btz_compile *c, struct grant *all, size_t *distinct,
                                  struct grant ***out)
{
    const struct btz_policy_model *m = c->index.model;
    struct grant **sorted = btz_arena_array(c->arena, m->binding_count + 1, sizeof *sorted);
    size_t n = 0, kept = 0;

    if (!sorted)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->binding_count; i++) {
        const struct btz_binding_model *b = &m->bindings[i];

        if (is_plain(b))
            continue;
        all[i] = (struct grant){ .role = btz_index_role(&c->index, b->role),
                                 .from = b->from_s,
                                 .until = b->until_s };
        all[i].resource = b->resource ? btz_index_canonical(&c->index, c->arena, b->resource) : "*";
        if (!all[i].resource)
            return BTZ_LIMIT;
        sorted[n++] = &all[i];
    }
    qsort(sorted, n, sizeof *sorted, by_grant);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || compare_grants(sorted[i], sorted[kept - 1]) != 0) {
            sorted[i]->index = (uint32_t)kept;
            sorted[kept++] = sorted[i];
        } else {
            sorted[i]->index = (uint32_t)kept - 1;
        }
    }
    *distinct = kept;
    *out = sorted;
    return BTZ_OK;
}

/* The roles everybody has always go to `rows`, the rest to pairs. */
static enum btz_err spread(struct btz_compile *c, const struct grant *grants, uint64_t *rows,
                           struct btz_buf *pairs)
{
    const struct btz_model_index *x = &c->index;

    for (size_t i = 0; i < x->model->binding_count; i++) {
        const struct btz_binding_model *b = &x->model->bindings[i];
        const uint64_t *closure = btz_index_closure(x, btz_index_role(x, b->role));
        const uint32_t *list;
        uint32_t one;
        size_t count;

        btz_index_subjects(x, b, &one, &list, &count);
        for (size_t k = 0; k < count; k++) {
            struct pair p = { list[k], grants[i].index };

            if (!is_plain(b)) {
                BTZ_TRY(btz_buf_add(pairs, &p, sizeof p));
                continue;
            }
            for (size_t w = 0; w < x->words; w++)
                rows[list[k] * x->words + w] |= closure[w];
        }
    }
    if (pairs->len > 0)
        qsort(pairs->ptr, pairs->len / sizeof(struct pair), sizeof(struct pair), by_pair);
    return BTZ_OK;
}

static enum btz_err put_grants(struct btz_compile *c, struct grant *const *grants, size_t count,
                               const uint32_t *sets)
{
    for (size_t i = 0; i < count; i++) {
        struct btz_snap_grant record = { .set = sets[i],
                                         .from = grants[i]->from,
                                         .until = grants[i]->until };

        BTZ_TRY(btz_compile_pattern(c, grants[i]->resource, &record.resource));
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_GRANTS, &record, NULL));
    }
    return BTZ_OK;
}

static enum btz_err put_principals(struct btz_compile *c, const uint32_t *sets,
                                   const struct btz_buf *pairs, const struct btz_snap_range *groups)
{
    const struct pair *p = (const struct pair *)(const void *)pairs->ptr;
    size_t count = pairs->len / sizeof *p, at = 0;

    for (uint32_t i = 0; i < c->index.model->principal_count; i++) {
        const struct btz_principal_model *m = c->index.principals[i];
        struct btz_snap_principal record = {
            .kind = m->kind, .disabled = m->disabled, .set = sets[i], .groups = groups[i]
        };

        BTZ_TRY(btz_compile_text(c, btz_str(m->id), &record.id));
        BTZ_TRY(btz_compile_text(c, btz_str(m->name), &record.name));
        record.grants.at = btz_compile_count(c, BTZ_SNAP_GRANT_LISTS);
        for (; at < count && p[at].principal == i; at++) {
            if (at > 0 && p[at - 1].principal == i && p[at - 1].grant == p[at].grant)
                continue;
            BTZ_TRY(btz_compile_put(c, BTZ_SNAP_GRANT_LISTS, &p[at].grant, NULL));
            record.grants.count++;
        }
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_PRINCIPALS, &record, NULL));
    }
    return BTZ_OK;
}

static void add_name(uint32_t *slots, uint32_t size, const char *text, uint32_t principal)
{
    uint32_t at = (uint32_t)btz_snap_mix(btz_snap_hash(btz_str(text)), 0, false) & (size - 1);

    while (slots[at] > 0)
        at = (at + 1) & (size - 1);
    slots[at] = principal + 1;
}

static enum btz_err put_names(struct btz_compile *c)
{
    const struct btz_model_index *x = &c->index;
    size_t count = x->model->principal_count;
    uint32_t size = 16, *slots;

    while (size < 4 * count)
        size *= 2;
    slots = btz_arena_array(c->arena, size, sizeof *slots);
    if (!slots)
        return BTZ_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        add_name(slots, size, x->principals[i]->id, i);
        if (strcmp(x->principals[i]->id, x->principals[i]->name) != 0)
            add_name(slots, size, x->principals[i]->name, i);
    }
    return btz_buf_add(&c->section[BTZ_SNAP_NAMES], slots, size * sizeof *slots);
}

enum btz_err btz_compile_people(struct btz_compile *c)
{
    BTZ_BUF_RELEASE struct btz_buf pairs = BTZ_BUF(PAIRS_MAX * sizeof(struct pair));
    const struct btz_policy_model *m = c->index.model;
    size_t words = c->index.words, distinct;
    struct grant *grants = btz_arena_array(c->arena, m->binding_count + 1, sizeof *grants);
    struct grant **kept;
    struct btz_snap_range *groups =
        btz_arena_array(c->arena, m->principal_count + 1, sizeof *groups);
    uint64_t *rows;
    uint32_t *sets;

    if (!grants || !groups)
        return BTZ_LIMIT;
    BTZ_TRY(number_grants(c, grants, &distinct, &kept));
    rows = btz_arena_array(c->arena, (m->principal_count + distinct + 1) * words, sizeof *rows);
    sets = btz_arena_array(c->arena, m->principal_count + distinct + 1, sizeof *sets);
    if (!rows || !sets)
        return BTZ_LIMIT;
    BTZ_TRY(spread(c, grants, rows, &pairs));
    for (size_t i = 0; i < distinct; i++)
        memcpy(rows + (m->principal_count + i) * words, btz_index_closure(&c->index, kept[i]->role),
               words * sizeof *rows);
    BTZ_TRY(put_sets(c, rows, m->principal_count + distinct, sets));
    BTZ_TRY(put_grants(c, kept, distinct, sets + m->principal_count));
    BTZ_TRY(btz_compile_groups(c, groups));
    BTZ_TRY(put_principals(c, sets, &pairs, groups));
    return put_names(c);
}
