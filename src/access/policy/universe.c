#include "access/policy/universe.h"

#include <arpa/inet.h>
#include <math.h>

#define CONTEXTS_MAX  512
#define RESOURCES_MAX 20000

enum btz_err btz_words_add(struct btz_words *w, struct btz_arena *arena, const char *text)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->list[i], text) == 0)
            return BTZ_OK;
    if (w->count >= RESOURCES_MAX)
        return btz_fail(BTZ_LIMIT, "policies name more than %d resources", RESOURCES_MAX);
    if (w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 64;
        const char **list = btz_arena_array(arena, room, sizeof *list);

        if (!list)
            return BTZ_LIMIT;
        if (w->count > 0)
            memcpy(list, w->list, w->count * sizeof *list);
        w->list = list;
        w->room = room;
    }
    w->list[w->count++] = text;
    return BTZ_OK;
}

/* A name that the pattern matches and no longer pattern does: nobody writes a pattern with "~" in it for this. */
static const char *representative(struct btz_arena *arena, const char *kind, const char *pattern)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return btz_arena_printf(arena, "%s%.*s~any", kind, (int)n - 1, pattern);
    return btz_arena_printf(arena, "%s%s", kind, pattern);
}

/* ---- resources ---- */

/* "m*" reaches into every kind that begins so; kinds have their own representatives below. */
static enum btz_err add_resource(struct btz_universe *u, const char *pattern)
{
    const char *text;

    if (!strchr(pattern, '/'))
        return BTZ_OK;
    text = representative(u->arena, "", pattern);
    return text ? btz_words_add(&u->resources, u->arena, text) : BTZ_LIMIT;
}

static enum btz_err add_names(struct btz_universe *u, const char *kind, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++) {
        const char *text = representative(u->arena, kind, list[i]);

        if (!text)
            return BTZ_LIMIT;
        BTZ_TRY(btz_words_add(&u->resources, u->arena, text));
    }
    return BTZ_OK;
}

static enum btz_err add_resources(struct btz_universe *u, const struct btz_policy_model *m)
{
    for (size_t i = 0; i < m->role_count; i++)
        for (size_t k = 0; k < m->roles[i].rule_count; k++) {
            const struct btz_rule_model *rule = &m->roles[i].rules[k];

            for (size_t p = 0; rule->resources[p]; p++)
                BTZ_TRY(add_resource(u, rule->resources[p]));
            /* A resource names the model, endpoint or tool of a request: conditions tell them apart too. */
            BTZ_TRY(add_names(u, "model/", rule->when.models));
            BTZ_TRY(add_names(u, "endpoint/", rule->when.endpoints));
            BTZ_TRY(add_names(u, "tool/", rule->when.tools));
        }
    for (size_t i = 0; i < m->binding_count; i++)
        if (m->bindings[i].resource)
            BTZ_TRY(add_resource(u, m->bindings[i].resource));
    return BTZ_OK;
}

static enum btz_err add_kinds(struct btz_universe *u)
{
    static const char *const own[] = { "user/self", "service/self", "key/own" };

    for (size_t i = 0; i < btz_action_count; i++) {
        const char *any = btz_arena_printf(u->arena, "%s/~any", btz_actions[i].resource);
        const char *list = btz_arena_printf(u->arena, "%s/*", btz_actions[i].resource);

        if (!any || !list)
            return BTZ_LIMIT;
        BTZ_TRY(btz_words_add(&u->resources, u->arena, any));
        BTZ_TRY(btz_words_add(&u->resources, u->arena, list));
    }
    for (size_t i = 0; i < BTZ_COUNT(own); i++)
        BTZ_TRY(btz_words_add(&u->resources, u->arena, own[i]));
    return BTZ_OK;
}

/* ---- values of facts ---- */

static bool same(enum btz_fact f, union btz_fact_value a, union btz_fact_value b)
{
    switch (f) {
    case BTZ_FACT_TIME:
        return a.time == b.time;
    case BTZ_FACT_MFA:
        return a.mfa_age == b.mfa_age;
    case BTZ_FACT_CERT:
        return a.cert == b.cert;
    case BTZ_FACT_COST:
        return isnan(a.cost) ? isnan(b.cost) : a.cost == b.cost;
    default:
        return strcmp(a.text, b.text) == 0;
    }
}

static void add_value(struct btz_universe *u, enum btz_fact f, union btz_fact_value v)
{
    struct btz_dimension *d = &u->dimensions[f];

    for (size_t i = 0; i < d->count; i++)
        if (same(f, d->values[i], v))
            return;
    if (d->count == BTZ_FACT_VALUES)
        d->cut = true;
    else
        d->values[d->count++] = v;
}

#define ADD(u, f, member, value) add_value((u), (f), (union btz_fact_value){ .member = (value) })

static enum btz_err add_facts_names(struct btz_universe *u, enum btz_fact f,
                                    const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++) {
        const char *text = representative(u->arena, "", list[i]);

        if (!text)
            return BTZ_LIMIT;
        ADD(u, f, text, "~other");
        ADD(u, f, text, text);
    }
    return BTZ_OK;
}

static const char *last_address(struct btz_arena *arena, const struct btz_net *n)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t b[16];

    memcpy(b, n->b, sizeof b);
    for (unsigned i = n->bits; i < 128; i++)
        b[i / 8] |= (uint8_t)(0x80u >> i % 8);
    if (!inet_ntop(n->v4 ? AF_INET : AF_INET6, b + (n->v4 ? 12 : 0), text, sizeof text))
        return NULL;
    return btz_arena_str(arena, btz_str(text));
}

/* The first and last address of the network, and one that is hardly in any. */
static enum btz_err add_addresses(struct btz_universe *u, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++) {
        const char *first = btz_arena_str(u->arena, btz_slice_of(list[i], strcspn(list[i], "/")));
        const char *last;
        struct btz_net n;

        BTZ_TRY(btz_net_parse(list[i], &n));
        last = last_address(u->arena, &n);
        if (!first || !last)
            return BTZ_LIMIT;
        ADD(u, BTZ_FACT_ADDRESS, text, "203.0.113.77");
        ADD(u, BTZ_FACT_ADDRESS, text, last);
        ADD(u, BTZ_FACT_ADDRESS, text, first);
    }
    return BTZ_OK;
}

/* For each window a moment within, for the rule one outside of all, in the week from now on. */
static enum btz_err add_windows(struct btz_universe *u, const struct btz_when *w, uint64_t now_s)
{
    struct btz_zone zone;
    uint64_t outside = 0, inside[256] = { 0 };

    if (w->window_count == 0)
        return BTZ_OK;
    BTZ_TRY(btz_zone_load(w->time_zone, u->arena, &zone));
    for (uint64_t t = now_s - now_s % 60; t < now_s + 7 * 86400; t += 60) {
        int64_t local =
            (int64_t)t + btz_zone_offset(zone.transitions, zone.count, zone.offset, (int64_t)t);
        bool any = false;

        for (size_t i = 0; i < w->window_count; i++)
            if (btz_window_has(&w->windows[i], local)) {
                any = true;
                if (!inside[i])
                    inside[i] = t;
            }
        if (!any && !outside)
            outside = t;
    }
    if (outside)
        ADD(u, BTZ_FACT_TIME, time, outside);
    for (size_t i = 0; i < w->window_count; i++)
        if (inside[i])
            ADD(u, BTZ_FACT_TIME, time, inside[i]);
    return BTZ_OK;
}

static void add_span(struct btz_universe *u, uint64_t from_s, uint64_t until_s)
{
    if (from_s > 0) {
        ADD(u, BTZ_FACT_TIME, time, from_s - 1);
        ADD(u, BTZ_FACT_TIME, time, from_s);
    }
    if (until_s > 0) {
        ADD(u, BTZ_FACT_TIME, time, until_s);
        ADD(u, BTZ_FACT_TIME, time, until_s - 1);
    }
}

static enum btz_err add_condition(struct btz_universe *u, const struct btz_when *w, uint64_t now_s)
{
    if (w->mfa_within_s > 0) {
        ADD(u, BTZ_FACT_MFA, mfa_age, w->mfa_within_s + 1);
        ADD(u, BTZ_FACT_MFA, mfa_age, w->mfa_within_s);
        ADD(u, BTZ_FACT_MFA, mfa_age, 0);
    }
    if (w->client_cert)
        ADD(u, BTZ_FACT_CERT, cert, true);
    if (!isnan(w->cost_max)) {
        ADD(u, BTZ_FACT_COST, cost, w->cost_max * 2 + 1);
        ADD(u, BTZ_FACT_COST, cost, w->cost_max);
    }
    BTZ_TRY(add_addresses(u, w->addresses));
    BTZ_TRY(add_facts_names(u, BTZ_FACT_MODEL, w->models));
    BTZ_TRY(add_facts_names(u, BTZ_FACT_ENDPOINT, w->endpoints));
    BTZ_TRY(add_facts_names(u, BTZ_FACT_TOOL, w->tools));
    add_span(u, w->from_s, w->until_s);
    return add_windows(u, w, now_s);
}

static enum btz_err add_facts(struct btz_universe *u, const struct btz_policy_model *m,
                              uint64_t now_s)
{
    for (size_t i = 0; i < m->role_count; i++)
        for (size_t k = 0; k < m->roles[i].rule_count; k++)
            BTZ_TRY(add_condition(u, &m->roles[i].rules[k].when, now_s));
    for (size_t i = 0; i < m->binding_count; i++)
        add_span(u, m->bindings[i].from_s, m->bindings[i].until_s);
    return BTZ_OK;
}

/* ---- contexts ---- */

static enum btz_err combine(struct btz_universe *u)
{
    size_t product = 1, room = 0, n = 0;

    for (size_t f = 0; f < BTZ_FACTS; f++) {
        product = product > CONTEXTS_MAX ? product : product * u->dimensions[f].count;
        room += 2 * u->dimensions[f].count;
        u->sampled |= u->dimensions[f].cut;
    }
    u->sampled |= product > CONTEXTS_MAX;
    u->contexts =
        btz_arena_array(u->arena, product > CONTEXTS_MAX ? room : product, sizeof *u->contexts);
    if (!u->contexts)
        return BTZ_LIMIT;
    if (product <= CONTEXTS_MAX) {
        for (; n < product; n++)
            for (size_t f = 0, rest = n; f < BTZ_FACTS; f++) {
                u->contexts[n][f] = (uint8_t)(rest % u->dimensions[f].count);
                rest /= u->dimensions[f].count;
            }
        u->context_count = n;
        return BTZ_OK;
    }
    for (int best = 0; best < 2; best++)
        for (size_t f = 0; f < BTZ_FACTS; f++)
            for (size_t i = 0; i < u->dimensions[f].count; i++, n++) {
                for (size_t g = 0; g < BTZ_FACTS; g++)
                    u->contexts[n][g] = best ? (uint8_t)(u->dimensions[g].count - 1) : 0;
                u->contexts[n][f] = (uint8_t)i;
            }
    u->context_count = n;
    return BTZ_OK;
}

enum btz_err btz_universe(const struct btz_policy_model *a, const struct btz_policy_model *b,
                          uint64_t now_s, struct btz_arena *arena, struct btz_universe *out)
{
    struct btz_universe u = { .arena = arena };

    /* Nothing known stands first in every dimension. */
    ADD(&u, BTZ_FACT_TIME, time, now_s);
    ADD(&u, BTZ_FACT_MFA, mfa_age, UINT32_MAX);
    ADD(&u, BTZ_FACT_CERT, cert, false);
    ADD(&u, BTZ_FACT_COST, cost, (double)NAN);
    for (enum btz_fact f = BTZ_FACT_ADDRESS; f < BTZ_FACTS; f++)
        ADD(&u, f, text, "");
    BTZ_TRY(add_kinds(&u));
    BTZ_TRY(add_resources(&u, a));
    BTZ_TRY(add_resources(&u, b));
    BTZ_TRY(add_facts(&u, a, now_s));
    BTZ_TRY(add_facts(&u, b, now_s));
    BTZ_TRY(combine(&u));
    *out = u;
    return BTZ_OK;
}

void btz_universe_apply(const struct btz_universe *u, size_t context, struct btz_request *r)
{
    union btz_fact_value v[BTZ_FACTS];

    for (size_t f = 0; f < BTZ_FACTS; f++)
        v[f] = u->dimensions[f].values[u->contexts[context][f]];
    r->now_s = v[BTZ_FACT_TIME].time;
    r->mfa_age_s = v[BTZ_FACT_MFA].mfa_age;
    r->client_cert = v[BTZ_FACT_CERT].cert;
    r->cost = v[BTZ_FACT_COST].cost;
    memset(&r->address, 0, sizeof r->address);
    if (v[BTZ_FACT_ADDRESS].text[0] &&
        btz_address_parse(v[BTZ_FACT_ADDRESS].text, &r->address) != BTZ_OK)
        r->address.known = false;
    r->model = btz_str(v[BTZ_FACT_MODEL].text);
    r->endpoint = btz_str(v[BTZ_FACT_ENDPOINT].text);
    r->tool = btz_str(v[BTZ_FACT_TOOL].text);
}
