/* Groups by name, and of each principal those that he is in. */
#include <stdlib.h>

#include "access/policy/compile.h"

static int by_group_name(const void *a, const void *b, void *user)
{
    const struct btz_group_model *const *list = user;
    uint32_t x, y;
    int c;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    c = strcmp(list[x]->name, list[y]->name);
    return c != 0 ? c : x < y ? -1 : x > y;
}

/* Principals are met group by group, so that each one's list comes out in the order of names. */
static enum btz_err fill_lists(struct btz_compile *c, const uint32_t *sorted, size_t total,
                               struct btz_snap_range *of)
{
    const struct btz_model_index *x = &c->index;
    uint32_t *lists = btz_arena_array(c->arena, total + 1, sizeof *lists);

    if (!lists)
        return BTZ_LIMIT;
    for (uint32_t g = 0; g < x->model->group_count; g++)
        for (size_t k = 0; k < x->member_counts[sorted[g]]; k++) {
            struct btz_snap_range *r = &of[x->members[sorted[g]][k]];

            lists[r->at + r->count++] = g;
        }
    return btz_buf_add(&c->section[BTZ_SNAP_GROUP_LISTS], lists, total * sizeof *lists);
}

enum btz_err btz_compile_groups(struct btz_compile *c, struct btz_snap_range *of)
{
    const struct btz_model_index *x = &c->index;
    size_t n = x->model->group_count;
    uint32_t *sorted = btz_arena_array(c->arena, n + 1, sizeof *sorted), total = 0;

    if (!sorted)
        return BTZ_LIMIT;
    for (uint32_t g = 0; g < n; g++) {
        sorted[g] = g;
        for (size_t k = 0; k < x->member_counts[g]; k++)
            of[x->members[g][k]].count++;
    }
    qsort_r(sorted, n, sizeof *sorted, by_group_name, x->groups);
    for (size_t g = 0; g < n; g++) {
        struct btz_snap_text name;

        BTZ_TRY(btz_compile_text(c, btz_str(x->groups[sorted[g]]->name), &name));
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_GROUPS, &name, NULL));
    }
    for (size_t p = 0; p < x->model->principal_count; p++) {
        of[p].at = total;
        total += of[p].count;
        of[p].count = 0;
    }
    return fill_lists(c, sorted, total, of);
}
