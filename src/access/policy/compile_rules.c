/* Rules in their final order, and their conditions. */
#include <math.h>
#include <stdlib.h>

#include "access/policy/compile.h"

static int by_role_and_id(const void *a, const void *b)
{
    const struct btz_compiled_rule *x = a, *y = b;

    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    return strcmp(x->rule->id, y->rule->id);
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct btz_snap_net));
}

static int by_window(const void *a, const void *b)
{
    const struct btz_snap_window *x = a, *y = b;

    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->days < y->days ? -1 : x->days > y->days;
}

/* Sorted and without repetitions, so that the same set gives the same bytes. */
static enum btz_err put_patterns(struct btz_compile *c, const char *const *list,
                                 struct btz_snap_range *out)
{
    const char **sorted;
    size_t count = 0;

    *out = (struct btz_snap_range){ btz_compile_count(c, BTZ_SNAP_PATTERNS), 0 };
    while (list && list[count])
        count++;
    sorted = btz_arena_array(c->arena, count + 1, sizeof *sorted);
    if (!sorted)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        sorted[i] = list[i];
    qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 0; i < count; i++) {
        struct btz_snap_pattern p;

        if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
            continue;
        BTZ_TRY(btz_compile_pattern(c, sorted[i], &p));
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_PATTERNS, &p, NULL));
        out->count++;
    }
    return BTZ_OK;
}

static enum btz_err put_nets(struct btz_compile *c, const char *const *list,
                             struct btz_snap_range *out)
{
    struct btz_snap_net nets[256];
    size_t count = 0;

    *out = (struct btz_snap_range){ btz_compile_count(c, BTZ_SNAP_NETS), 0 };
    for (; list && list[count]; count++) {
        struct btz_net n;

        BTZ_TRY(btz_net_parse(list[count], &n));
        nets[count] = (struct btz_snap_net){ .bits = n.bits, .v4 = n.v4 };
        memcpy(nets[count].b, n.b, sizeof n.b);
    }
    if (count == 0)
        return BTZ_OK;
    qsort(nets, count, sizeof *nets, by_bytes);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && by_bytes(&nets[i - 1], &nets[i]) == 0)
            continue;
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_NETS, &nets[i], NULL));
        out->count++;
    }
    return BTZ_OK;
}

static enum btz_err put_windows(struct btz_compile *c, const struct btz_when *w,
                                struct btz_snap_range *out)
{
    struct btz_snap_window list[256];

    *out = (struct btz_snap_range){ btz_compile_count(c, BTZ_SNAP_WINDOWS), 0 };
    if (w->window_count == 0)
        return BTZ_OK;
    for (size_t i = 0; i < w->window_count; i++)
        list[i] = (struct btz_snap_window){ w->windows[i].days & 0x7fu, w->windows[i].from_minute,
                                            w->windows[i].to_minute };
    qsort(list, w->window_count, sizeof *list, by_window);
    for (size_t i = 0; i < w->window_count; i++) {
        if (i > 0 && by_window(&list[i - 1], &list[i]) == 0)
            continue;
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_WINDOWS, &list[i], NULL));
        out->count++;
    }
    return BTZ_OK;
}

/* Each zone once: `known` are the zones put so far. */
struct known_zone {
    const char *name;
    struct known_zone *next;
    uint32_t index;
};

static enum btz_err put_zone(struct btz_compile *c, const char *name, struct known_zone **known,
                             uint32_t *out)
{
    struct known_zone *k;
    struct btz_snap_zone record = { 0 };
    struct btz_zone zone;

    for (k = *known; k; k = k->next)
        if (strcmp(k->name, name) == 0) {
            *out = k->index;
            return BTZ_OK;
        }
    BTZ_TRY(btz_zone_load(name, c->arena, &zone));
    record.offset = zone.offset;
    record.transitions =
        (struct btz_snap_range){ btz_compile_count(c, BTZ_SNAP_TRANSITIONS), (uint32_t)zone.count };
    for (size_t i = 0; i < zone.count; i++)
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_TRANSITIONS, &zone.transitions[i], NULL));
    k = btz_arena_alloc(c->arena, sizeof *k);
    if (!k)
        return BTZ_LIMIT;
    k->name = name;
    k->next = *known;
    *known = k;
    BTZ_TRY(btz_compile_put(c, BTZ_SNAP_ZONES, &record, &k->index));
    *out = k->index;
    return BTZ_OK;
}

static bool is_unconditional(const struct btz_when *w)
{
    return !w->models && !w->endpoints && !w->tools && !w->addresses && isnan(w->cost_max) &&
           w->mfa_within_s == 0 && !w->client_cert && w->window_count == 0 && w->from_s == 0 &&
           w->until_s == 0;
}

static enum btz_err put_condition(struct btz_compile *c, const struct btz_when *w,
                                  struct known_zone **known, uint32_t *out)
{
    struct btz_snap_condition record = { 0 };

    *out = BTZ_NOBODY;
    if (is_unconditional(w))
        return BTZ_OK;
    BTZ_TRY(put_patterns(c, w->models, &record.models));
    BTZ_TRY(put_patterns(c, w->endpoints, &record.endpoints));
    BTZ_TRY(put_patterns(c, w->tools, &record.tools));
    BTZ_TRY(put_nets(c, w->addresses, &record.nets));
    BTZ_TRY(put_windows(c, w, &record.windows));
    record.zone = BTZ_NOBODY;
    if (w->window_count > 0)
        BTZ_TRY(put_zone(c, w->time_zone, known, &record.zone));
    record.mfa_within = w->mfa_within_s;
    record.client_cert = w->client_cert;
    record.has_cost = !isnan(w->cost_max);
    record.cost_max = record.has_cost ? w->cost_max : 0;
    record.from = w->from_s;
    record.until = w->until_s;
    return btz_compile_put(c, BTZ_SNAP_CONDITIONS, &record, out);
}

enum btz_err btz_compile_rules(struct btz_compile *c)
{
    const struct btz_model_index *x = &c->index;
    struct known_zone *known = NULL;
    size_t n = 0;

    for (size_t i = 0; i < x->model->role_count; i++)
        c->rule_count += x->roles[i]->rule_count;
    c->rules = btz_arena_array(c->arena, c->rule_count + 1, sizeof *c->rules);
    if (!c->rules)
        return BTZ_LIMIT;
    for (size_t i = 0; i < x->model->role_count; i++)
        for (size_t k = 0; k < x->roles[i]->rule_count; k++)
            c->rules[n++] = (struct btz_compiled_rule){ &x->roles[i]->rules[k], (uint32_t)i };
    qsort(c->rules, c->rule_count, sizeof *c->rules, by_role_and_id);
    for (size_t i = 0; i < c->rule_count; i++) {
        const struct btz_rule_model *rule = c->rules[i].rule;
        struct btz_snap_rule record = { .effect = rule->effect };

        BTZ_TRY(btz_compile_text(c, btz_str(rule->id), &record.id));
        BTZ_TRY(put_condition(c, &rule->when, &known, &record.condition));
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_RULES, &record, NULL));
    }
    return BTZ_OK;
}
