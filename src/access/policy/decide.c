/* One decision: no allocation, no locks, no system calls. */
#include <math.h>

#include "access/policy/snapshot.h"

#define RESOURCE_MAX 1024
#define SET_WORDS    (4096 / 64 + 1)
#define NOW_MAX      ((uint64_t)1 << 40) /* the year 36,812: local time cannot overflow */

struct ask {
    const struct btz_snapshot *s;
    const struct btz_request *r;
    struct btz_slice resource; /* with a name in place of an id or of "self" */
    const char
        *own; /* "user/self", "service/self", "key/own": that is it; NULL: it is nobody's own */
    struct btz_slice model, endpoint, tool;
    const uint64_t *roles;
    uint64_t now;
    /* found so far */
    uint32_t deny, allow, step_up, within;
};

/* ---- conditions: false, true, and "the request does not say" ---- */

enum truth { IS_FALSE, IS_UNKNOWN, IS_TRUE };

static struct btz_slice string_at(const struct btz_snapshot *s, struct btz_snap_pattern p)
{
    const uint8_t *strings = btz_snap_at(&s->view, BTZ_SNAP_STRINGS);

    return (struct btz_slice){ strings + p.at, p.len & ~BTZ_SNAP_PREFIX };
}

static bool matches(const struct btz_snapshot *s, struct btz_snap_pattern p, struct btz_slice name)
{
    struct btz_slice text = string_at(s, p);

    if (p.len & BTZ_SNAP_PREFIX ? name.len < text.len : name.len != text.len)
        return false;
    return text.len == 0 || memcmp(text.ptr, name.ptr, text.len) == 0;
}

static enum truth test_names(const struct ask *a, struct btz_snap_range range,
                             struct btz_slice name)
{
    const struct btz_snap_pattern *p = btz_snap_at(&a->s->view, BTZ_SNAP_PATTERNS);

    if (range.count == 0)
        return IS_TRUE;
    if (name.len == 0)
        return IS_UNKNOWN;
    for (uint32_t i = 0; i < range.count; i++)
        if (matches(a->s, p[range.at + i], name))
            return IS_TRUE;
    return IS_FALSE;
}

static enum truth test_nets(const struct ask *a, struct btz_snap_range range)
{
    const struct btz_snap_net *nets = btz_snap_at(&a->s->view, BTZ_SNAP_NETS);

    if (range.count == 0)
        return IS_TRUE;
    if (!a->r->address.known)
        return IS_UNKNOWN;
    for (uint32_t i = 0; i < range.count; i++) {
        struct btz_net n = { .bits = (uint8_t)nets[range.at + i].bits,
                             .v4 = nets[range.at + i].v4 };

        memcpy(n.b, nets[range.at + i].b, sizeof n.b);
        if (btz_net_has(&n, &a->r->address))
            return IS_TRUE;
    }
    return IS_FALSE;
}

static enum truth test_windows(const struct ask *a, const struct btz_snap_condition *c)
{
    const struct btz_snap_window *windows = btz_snap_at(&a->s->view, BTZ_SNAP_WINDOWS);
    const struct btz_snap_zone *zone = btz_snap_at(&a->s->view, BTZ_SNAP_ZONES);
    const struct btz_transition *t = btz_snap_at(&a->s->view, BTZ_SNAP_TRANSITIONS);
    int64_t local;

    if (c->windows.count == 0)
        return IS_TRUE;
    zone += c->zone;
    local = (int64_t)a->now + btz_zone_offset(t + zone->transitions.at, zone->transitions.count,
                                              zone->offset, (int64_t)a->now);
    for (uint32_t i = 0; i < c->windows.count; i++) {
        const struct btz_snap_window *w = &windows[c->windows.at + i];
        struct btz_window window = { (uint8_t)w->days, (uint16_t)w->from, (uint16_t)w->to };

        if (btz_window_has(&window, local))
            return IS_TRUE;
    }
    return IS_FALSE;
}

/* The worst of all conditions but the second factor. */
static enum truth test(const struct ask *a, const struct btz_snap_condition *c)
{
    enum truth worst = IS_TRUE, t;

#define WORSE(expression)                                                                          \
    do {                                                                                           \
        t = (expression);                                                                          \
        if (t == IS_FALSE)                                                                         \
            return IS_FALSE;                                                                       \
        worst = t < worst ? t : worst;                                                             \
    } while (0)
    WORSE(a->now >= c->from && (c->until == 0 || a->now < c->until) ? IS_TRUE : IS_FALSE);
    WORSE(!c->client_cert || a->r->client_cert ? IS_TRUE : IS_FALSE);
    WORSE(test_names(a, c->models, a->model));
    WORSE(test_names(a, c->endpoints, a->endpoint));
    WORSE(test_names(a, c->tools, a->tool));
    if (c->has_cost)
        WORSE(!(a->r->cost >= 0) ? IS_UNKNOWN : a->r->cost <= c->cost_max ? IS_TRUE : IS_FALSE);
    WORSE(test_nets(a, c->nets));
    WORSE(test_windows(a, c));
#undef WORSE
    return worst;
}

static bool has_factor(const struct ask *a, uint32_t within)
{
    return within == 0 || (a->r->mfa_age_s != UINT32_MAX && a->r->mfa_age_s <= within);
}

/* ---- rules ---- */

/* Lowest index first: the answer names the same rule however often and in whatever order rules are met. */
static void meet(struct ask *a, uint32_t index)
{
    const struct btz_snap_rule *rule =
        (const struct btz_snap_rule *)btz_snap_at(&a->s->view, BTZ_SNAP_RULES) + index;
    const struct btz_snap_condition *c = NULL;
    enum truth t = IS_TRUE;

    if (index >= (rule->effect == BTZ_EFFECT_DENY ? a->deny : a->allow))
        return;
    if (rule->condition != BTZ_NOBODY) {
        c = (const struct btz_snap_condition *)btz_snap_at(&a->s->view, BTZ_SNAP_CONDITIONS) +
            rule->condition;
        t = test(a, c);
    }
    if (rule->effect == BTZ_EFFECT_DENY) {
        if (t != IS_FALSE)
            a->deny = index;
    } else if (t == IS_TRUE && (!c || has_factor(a, c->mfa_within))) {
        a->allow = index;
    } else if (t == IS_TRUE &&
               (c->mfa_within > a->within || (c->mfa_within == a->within && index < a->step_up))) {
        a->step_up = index;
        a->within = c->mfa_within;
    }
}

static bool meet_one(struct ask *a, uint32_t rule)
{
    meet(a, rule);
    return false;
}

static bool is_allow(struct ask *a, uint32_t rule)
{
    const struct btz_snap_rule *rules = btz_snap_at(&a->s->view, BTZ_SNAP_RULES);

    return rules[rule].effect == BTZ_EFFECT_ALLOW;
}

/* The bucket's rules of roles that are held, until `each` has seen enough. */
static inline bool walk(struct ask *a, const struct btz_snap_bucket *b,
                        bool (*each)(struct ask *a, uint32_t rule))
{
    const struct btz_snap_role_word *w = btz_snap_at(&a->s->view, BTZ_SNAP_ROLE_WORDS);
    const uint32_t *starts = btz_snap_at(&a->s->view, BTZ_SNAP_STARTS);
    const uint32_t *entries = btz_snap_at(&a->s->view, BTZ_SNAP_ENTRIES);

    for (uint32_t i = 0; i < b->words.count; i++) {
        const struct btz_snap_role_word *word = &w[b->words.at + i];

        for (uint64_t m = word->mask & a->roles[word->word]; m; m &= m - 1) {
            uint64_t below = (m & -m) - 1;
            const uint32_t *start =
                &starts[word->base + (uint32_t)__builtin_popcountll(word->mask & below)];

            for (uint32_t e = start[0]; e < start[1]; e++)
                if (each(a, entries[e]))
                    return true;
        }
    }
    return false;
}

static void look(struct ask *a, uint64_t hash, struct btz_slice text, bool prefix)
{
    const struct btz_snap_slot *slots = btz_snap_at(&a->s->view, BTZ_SNAP_SLOTS);
    const struct btz_snap_bucket *buckets = btz_snap_at(&a->s->view, BTZ_SNAP_BUCKETS);
    uint32_t mask = (uint32_t)btz_snap_count(&a->s->view, BTZ_SNAP_SLOTS) - 1;
    uint32_t action = (uint32_t)a->r->action;
    uint64_t h = btz_snap_mix(hash, action, prefix);

    for (uint32_t at = (uint32_t)h & mask; slots[at].index > 0; at = (at + 1) & mask) {
        const struct btz_snap_bucket *b = &buckets[slots[at].index - 1];

        if (slots[at].tag != (uint32_t)(h >> 32) || b->action != action ||
            !!(b->pattern.len & BTZ_SNAP_PREFIX) != prefix ||
            !btz_slice_equal(string_at(a->s, b->pattern), text))
            continue;
        (void)walk(a, b, meet_one);
        return;
    }
}

static void look_everywhere(struct ask *a)
{
    const struct btz_snap_range *range =
        (const struct btz_snap_range *)btz_snap_at(&a->s->view, BTZ_SNAP_ACTIONS) + a->r->action;
    const uint32_t *lengths = btz_snap_at(&a->s->view, BTZ_SNAP_LENGTHS);
    struct btz_slice r = a->resource;
    uint64_t h = BTZ_SNAP_HASH;
    size_t at = 0;

    for (uint32_t i = 0; i < range->count && lengths[range->at + i] <= r.len; i++) {
        while (at < lengths[range->at + i])
            h = btz_snap_step(h, r.ptr[at++]);
        look(a, h, (struct btz_slice){ r.ptr, at }, true);
    }
    while (at < r.len)
        h = btz_snap_step(h, r.ptr[at++]);
    look(a, h, r, false);
    if (a->own && !btz_slice_is(r, a->own))
        look(a, btz_snap_hash(btz_str(a->own)), btz_str(a->own), false);
}

/* ---- who asks, and for what ---- */

const char *btz_own_kind(struct btz_slice pattern)
{
    return btz_slice_is(pattern, "user/self")      ? "user"
           : btz_slice_is(pattern, "service/self") ? "service"
           : btz_slice_is(pattern, "key/own")      ? "key"
                                                   : NULL;
}

static bool matches_resource(const struct ask *a, struct btz_snap_pattern p)
{
    return matches(a->s, p, a->resource) ||
           (a->own && !(p.len & BTZ_SNAP_PREFIX) && btz_slice_is(string_at(a->s, p), a->own));
}

/* Ids of people and services become names, "self" becomes the caller's; `room` holds the text. False: there is no such
 * thing, as "user/self" of a service. */
static bool name_resource(struct ask *a, const struct btz_snap_principal *caller,
                          char room[RESOURCE_MAX * 2 + 16])
{
    static const char *const kinds[] = { "user/", "service/" };
    static const char *const selves[] = { "user/self", "service/self" };
    const struct btz_snap_principal *people = btz_snap_at(&a->s->view, BTZ_SNAP_PRINCIPALS);
    const uint8_t *strings = btz_snap_at(&a->s->view, BTZ_SNAP_STRINGS);

    for (uint32_t kind = 0; kind < 2; kind++) {
        struct btz_slice prefix = btz_str(kinds[kind]), rest;
        const struct btz_snap_principal *found = NULL;
        uint32_t p;

        if (!btz_slice_has_prefix(a->resource, prefix))
            continue;
        rest = btz_slice_sub(a->resource, prefix.len, a->resource.len);
        p = btz_snapshot_principal_of(a->s, rest);
        if (btz_slice_is(rest, "self"))
            found = caller->kind == kind ? caller : NULL;
        else if (p != BTZ_NOBODY && people[p].kind == kind)
            found = &people[p];
        if (!found)
            return !btz_slice_is(rest, "self");
        if (found == caller)
            a->own = selves[kind];
        memcpy(room, prefix.ptr, prefix.len);
        memcpy(room + prefix.len, strings + found->name.at, found->name.len);
        a->resource = btz_slice_of(room, prefix.len + found->name.len);
        return true;
    }
    return true;
}

static void name_key(struct ask *a)
{
    const struct btz_snap_key *keys = btz_snap_at(&a->s->view, BTZ_SNAP_KEYS);
    char id[RESOURCE_MAX + 1];
    uint32_t key;

    if (btz_slice_is(a->resource, "key/own")) {
        a->own = "key/own";
        return;
    }
    if (!btz_slice_has_prefix(a->resource, btz_str("key/")))
        return;
    memcpy(id, a->resource.ptr + 4, a->resource.len - 4);
    id[a->resource.len - 4] = 0;
    key = btz_snapshot_key_named(a->s, id);
    if (key != BTZ_NOBODY && keys[key].principal == a->r->principal)
        a->own = "key/own";
}

static void name_facts(struct ask *a)
{
    const struct btz_request *r = a->r;

    a->model = r->model;
    a->endpoint = r->endpoint;
    a->tool = r->tool;
    if (a->model.len == 0 && btz_resource_has_kind(r->resource, "model"))
        a->model = btz_slice_sub(r->resource, 6, r->resource.len);
    if (a->endpoint.len == 0 && btz_resource_has_kind(r->resource, "endpoint"))
        a->endpoint = btz_slice_sub(r->resource, 9, r->resource.len);
    if (a->tool.len == 0 && btz_resource_has_kind(r->resource, "tool"))
        a->tool = btz_slice_sub(r->resource, 5, r->resource.len);
}

/* The roles that the caller has now, for this resource; `room` is used where they are not always the same. */
static void gather_roles(struct ask *a, const struct btz_snap_principal *p,
                         uint64_t room[SET_WORDS])
{
    const uint64_t *sets = btz_snap_at(&a->s->view, BTZ_SNAP_SETS);
    const uint32_t *lists = btz_snap_at(&a->s->view, BTZ_SNAP_GRANT_LISTS);
    const struct btz_snap_grant *grants = btz_snap_at(&a->s->view, BTZ_SNAP_GRANTS);
    size_t words = a->s->view.header->words;

    a->roles = sets + p->set * words;
    for (uint32_t i = 0; i < p->grants.count; i++) {
        const struct btz_snap_grant *g = &grants[lists[p->grants.at + i]];

        if (a->now < g->from || (g->until > 0 && a->now >= g->until) ||
            !matches_resource(a, g->resource))
            continue;
        if (a->roles != room) {
            memcpy(room, a->roles, words * sizeof *room);
            a->roles = room;
        }
        for (size_t w = 0; w < words; w++)
            room[w] |= sets[g->set * words + w];
    }
}

static bool is_in_scope(const struct ask *a)
{
    const struct btz_snap_key *k =
        (const struct btz_snap_key *)btz_snap_at(&a->s->view, BTZ_SNAP_KEYS) + a->r->key;
    const struct btz_snap_scope *scopes = btz_snap_at(&a->s->view, BTZ_SNAP_SCOPES);
    int action = a->r->action;

    if (k->everything)
        return !btz_actions[action].administrative;
    for (uint32_t i = 0; i < k->scopes.count; i++) {
        const struct btz_snap_scope *scope = &scopes[k->scopes.at + i];

        if ((scope->actions[action / 64] >> action % 64 & 1) &&
            matches_resource(a, scope->resource))
            return true;
    }
    return false;
}

/* Somebody else's key, or one that is not valid now: whatever is asked for. */
static bool key_is_void(const struct ask *a, enum btz_why *why)
{
    const struct btz_snap_key *k = btz_snap_at(&a->s->view, BTZ_SNAP_KEYS);

    if (a->r->key == BTZ_NOBODY)
        return false;
    *why = BTZ_WHY_NO_PRINCIPAL;
    if (a->r->key >= btz_snap_count(&a->s->view, BTZ_SNAP_KEYS) ||
        k[a->r->key].principal != a->r->principal)
        return true;
    k += a->r->key;
    *why = BTZ_WHY_KEY_EXPIRED;
    return a->now < k->from || (k->until > 0 && a->now >= k->until);
}

static void conclude(const struct ask *a, struct btz_decision *out)
{
    if (a->deny != BTZ_NOBODY) {
        out->why = BTZ_WHY_RULE;
        out->rule = a->deny;
    } else if (a->allow != BTZ_NOBODY) {
        *out = (struct btz_decision){ BTZ_VERDICT_ALLOW, BTZ_WHY_RULE, a->allow, 0 };
    } else if (a->step_up != BTZ_NOBODY) {
        *out = (struct btz_decision){ BTZ_VERDICT_STEP_UP, BTZ_WHY_RULE, a->step_up, a->within };
    }
}

void btz_decide(const struct btz_snapshot *s, const struct btz_request *r, struct btz_decision *out)
{
    struct ask a = { .s = s,
                     .r = r,
                     .resource = r->resource,
                     .now = r->now_s < NOW_MAX ? r->now_s : NOW_MAX,
                     .deny = BTZ_NOBODY,
                     .allow = BTZ_NOBODY,
                     .step_up = BTZ_NOBODY };
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);
    uint64_t roles[SET_WORDS];
    char room[RESOURCE_MAX * 2 + 16];

    *out = (struct btz_decision){ BTZ_VERDICT_DENY, BTZ_WHY_DEFAULT, BTZ_NOBODY, 0 };
    if (s->broken) {
        out->why = BTZ_WHY_SNAPSHOT;
        return;
    }
    if (r->principal >= btz_snap_count(&s->view, BTZ_SNAP_PRINCIPALS)) {
        out->why = BTZ_WHY_NO_PRINCIPAL;
        return;
    }
    p += r->principal;
    if (p->disabled) {
        out->why = BTZ_WHY_DISABLED;
        return;
    }
    if (key_is_void(&a, &out->why))
        return;
    out->why = BTZ_WHY_DEFAULT;
    if (r->action < 0 || (size_t)r->action >= btz_action_count || r->resource.len > RESOURCE_MAX ||
        !btz_resource_has_kind(r->resource, btz_actions[r->action].resource))
        return;
    if (!name_resource(&a, p, room))
        return;
    name_key(&a);
    name_facts(&a);
    if (r->key != BTZ_NOBODY && !is_in_scope(&a)) {
        out->why = BTZ_WHY_KEY_SCOPE;
        return;
    }
    gather_roles(&a, p, roles);
    look_everywhere(&a);
    conclude(&a, out);
}

/* ---- could he ever? ---- */

static bool has_scope_for(const struct ask *a)
{
    const struct btz_snap_key *k = btz_snap_at(&a->s->view, BTZ_SNAP_KEYS);
    const struct btz_snap_scope *scopes = btz_snap_at(&a->s->view, BTZ_SNAP_SCOPES);
    int action = a->r->action;

    if (a->r->key == BTZ_NOBODY)
        return true;
    k += a->r->key;
    if (k->everything)
        return !btz_actions[action].administrative;
    for (uint32_t i = 0; i < k->scopes.count; i++)
        if (scopes[k->scopes.at + i].actions[action / 64] >> action % 64 & 1)
            return true;
    return false;
}

/* Those for a part of the resources too. */
static void gather_all_roles(const struct ask *a, const struct btz_snap_principal *p,
                             uint64_t out[SET_WORDS])
{
    const uint64_t *sets = btz_snap_at(&a->s->view, BTZ_SNAP_SETS);
    const uint32_t *lists = btz_snap_at(&a->s->view, BTZ_SNAP_GRANT_LISTS);
    const struct btz_snap_grant *grants = btz_snap_at(&a->s->view, BTZ_SNAP_GRANTS);
    size_t words = a->s->view.header->words;

    memcpy(out, sets + p->set * words, words * sizeof *out);
    for (uint32_t i = 0; i < p->grants.count; i++) {
        const struct btz_snap_grant *g = &grants[lists[p->grants.at + i]];

        if (a->now >= g->from && (g->until == 0 || a->now < g->until))
            for (size_t w = 0; w < words; w++)
                out[w] |= sets[g->set * words + w];
    }
}

bool btz_may_ever(const struct btz_snapshot *s, const struct btz_request *r)
{
    struct ask a = { .s = s, .r = r, .now = r->now_s < NOW_MAX ? r->now_s : NOW_MAX };
    const struct btz_snap_principal *p = btz_snap_at(&s->view, BTZ_SNAP_PRINCIPALS);
    const struct btz_snap_bucket *buckets = btz_snap_at(&s->view, BTZ_SNAP_BUCKETS);
    size_t count = btz_snap_count(&s->view, BTZ_SNAP_BUCKETS);
    uint64_t roles[SET_WORDS];
    enum btz_why why;

    if (s->broken || r->principal >= btz_snap_count(&s->view, BTZ_SNAP_PRINCIPALS) ||
        p[r->principal].disabled || key_is_void(&a, &why) || r->action < 0 ||
        (size_t)r->action >= btz_action_count || !has_scope_for(&a))
        return false;
    gather_all_roles(&a, p + r->principal, roles);
    a.roles = roles;
    for (size_t i = 0; i < count; i++)
        if (buckets[i].action == (uint32_t)r->action && walk(&a, &buckets[i], is_allow))
            return true;
    return false;
}

const char *btz_verdict_name(enum btz_verdict v)
{
    static const char *const names[] = { "deny", "allow", "step-up" };

    return (size_t)v < BTZ_COUNT(names) ? names[v] : "";
}

const char *btz_why_text(enum btz_why why)
{
    static const char *const texts[] = {
        "A rule decides.",
        "No rule allows it.",
        "Nobody is known by that name or key.",
        "The account is disabled.",
        "The key has expired, or is not valid yet.",
        "The key's scopes do not cover it.",
        "The policies cannot be read, so nothing is allowed.",
    };

    return (size_t)why < BTZ_COUNT(texts) ? texts[why] : "";
}
