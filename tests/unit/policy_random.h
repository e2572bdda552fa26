/* Random models and requests from a universe so small that everything meets everything. */
#ifndef POLICY_RANDOM_H
#define POLICY_RANDOM_H

#include "policy_reference.h"
#include "access/policy/snapshot.h"

#define PICK(r, list) ((list)[btz_rng_below((r), (uint32_t)BTZ_COUNT(list))])

static const char *const random_actions[] = { "model.invoke", "model.read",   "model.release",
                                              "tool.call",    "endpoint.use", "user.read",
                                              "user.write",   "service.read", "key.own",
                                              "key.write",    "policy.write" };
static const char *const random_action_patterns[] = {
    "model.invoke", "model.read", "model.*",   "*",     "tool.call", "endpoint.use",  "user.read",
    "user.write",   "user.*",     "service.*", "key.*", "key.own",   "model.release", "policy.write"
};
static const char *const random_patterns[] = {
    "*",           "model/*",      "model/a*",   "model/ab*",     "model/abc",  "model/ab",
    "model/b",     "model/abcd*",  "tool/*",     "tool/x",        "endpoint/*", "endpoint/v1*",
    "user/*",      "user/self",    "user/alice", "user/usr_b",    "user/usr*",  "user/a*",
    "service/*",   "service/self", "service/ci", "key/*",         "key/own",    "key/k1",
    "policy/base", "policy/*",     "model/a",    "service/svc_ci"
};
static const char *const random_resources[] = {
    "model/a",          "model/ab",     "model/abc",  "model/abcde",  "model/b",
    "model/*",          "model/c",      "tool/x",     "tool/xy",      "endpoint/v1",
    "endpoint/v1/chat", "user/alice",   "user/usr_a", "user/usr_b",   "user/bob",
    "user/self",        "user/*",       "service/ci", "service/self", "service/svc_ci",
    "key/own",          "key/k1",       "key/k2",     "key/k3",       "key/none",
    "policy/base",      "policy/other", "model/",     "model",        "",
    "user/svc_ci",      "dataset/x",    "modelx/a",   "user/usr_"
};
static const char *const random_models[] = { "model/a", "model/ab",    "model/abc", "model/abcde",
                                             "tool/x",  "endpoint/v1", "user/alice" };
static const char *const random_names[] = { "a", "a*", "ab*", "abc", "b", "*", "v1*", "x" };
static const char *const random_nets[] = {
    "10.0.0.0/8",    "10.1.0.0/16", "192.0.2.7",           "0.0.0.0/0",    "::/0",
    "2001:db8::/32", "2001:db8::1", "::ffff:10.1.2.0/120", "10.1.2.128/25"
};
static const char *const random_addresses[] = {
    "",          "10.1.2.3",    "10.1.2.200",       "10.200.0.1",
    "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7", "fe80::1"
};
static const char *const random_zones[] = {
    "UTC",          "Europe/Berlin",     "America/New_York",
    "Asia/Kolkata", "Africa/Casablanca", "Australia/Lord_Howe"
};
static const char *const random_people[][2] = {
    { "usr_a", "alice" }, { "usr_b", "bob" }, { "svc_ci", "ci" }, { "carol", "carol" }
};
static const char *const random_scopes[] = { "model.invoke model/a*",
                                             "model.* model/*",
                                             "*",
                                             "user.write user/*",
                                             "user.* user/self",
                                             "key.own key/own",
                                             "tool.call",
                                             "* model/abc",
                                             "key.write" };
/* Moments around changes of clocks and the ends of bindings, and any. */
static const uint64_t random_moments[] = {
    1900000000, 1900003600, 1900000001, 1899999999, 1743296399, 1743296400, 1761440400,
    1761444000, 1762063200, 1741503600, 1800000000, 1799999999, 1800000001, 1709164800,
    1735689599, 1735689600, 4102444800, 2500000000, 1712412000, 1728136800, 1
};

static bool chance(struct btz_rng *r, uint32_t percent)
{
    return btz_rng_below(r, 100) < percent;
}

static uint64_t random_moment(struct btz_rng *r)
{
    if (chance(r, 60))
        return PICK(r, random_moments);
    return 1700000000 + (uint64_t)btz_rng_below(r, 24) * 3600 * 24 * 37 / 5 +
           btz_rng_below(r, 24) * 3571;
}

static const char *const *random_list(struct btz_rng *r, struct btz_arena *arena,
                                      const char *const *from, size_t count, uint32_t max)
{
    uint32_t n = 1 + btz_rng_below(r, max);
    const char **list = btz_arena_array(arena, n + 1, sizeof *list);

    for (uint32_t i = 0; i < n; i++)
        list[i] = from[btz_rng_below(r, (uint32_t)count)];
    return list;
}
#define LIST(r, arena, from, max) random_list((r), (arena), (from), BTZ_COUNT(from), (max))

static void random_times(struct btz_rng *r, uint64_t *from, uint64_t *until, uint32_t percent)
{
    *from = chance(r, percent) ? random_moment(r) : 0;
    *until = chance(r, percent) ? random_moment(r) : 0;
    if (*until && *until <= *from)
        *until = *from + 1 + btz_rng_below(r, 1000000);
}

static struct btz_when random_when(struct btz_rng *r, struct btz_arena *arena, bool deny)
{
    struct btz_when w = { .cost_max = NAN };
    uint32_t p = chance(r, 40) ? 0 : 12;

    if (chance(r, p))
        w.models = LIST(r, arena, random_names, 3);
    if (chance(r, p))
        w.endpoints = LIST(r, arena, random_names, 3);
    if (chance(r, p))
        w.tools = LIST(r, arena, random_names, 3);
    if (chance(r, p))
        w.addresses = LIST(r, arena, random_nets, 3);
    if (chance(r, p))
        w.cost_max = btz_rng_below(r, 4) * 0.5;
    if (!deny && chance(r, p))
        w.mfa_within_s = 1 + btz_rng_below(r, 4) * 300;
    if (!deny && chance(r, p))
        w.client_cert = true;
    if (chance(r, p)) {
        size_t n = 1 + btz_rng_below(r, 3);
        struct btz_window *windows = btz_arena_array(arena, n, sizeof *windows);

        w.time_zone = PICK(r, random_zones);
        w.windows = windows;
        w.window_count = n;
        for (size_t i = 0; i < n; i++) {
            windows[i].days = (uint8_t)(1 + btz_rng_below(r, 127));
            windows[i].from_minute = (uint16_t)btz_rng_below(r, 1440);
            do
                windows[i].to_minute = (uint16_t)btz_rng_below(r, 1441);
            while (windows[i].to_minute == windows[i].from_minute);
        }
    }
    random_times(r, &w.from_s, &w.until_s, p);
    return w;
}

static struct btz_rule_model random_rule(struct btz_rng *r, struct btz_arena *arena, const char *id,
                                         uint32_t deny_percent)
{
    struct btz_rule_model rule = { .id = id, .file = "random", .line = 1 };

    rule.effect = chance(r, deny_percent) ? BTZ_EFFECT_DENY : BTZ_EFFECT_ALLOW;
    rule.actions = LIST(r, arena, random_action_patterns, 3);
    rule.resources = LIST(r, arena, random_patterns, 4);
    rule.when = random_when(r, arena, rule.effect == BTZ_EFFECT_DENY);
    return rule;
}

static void random_roles(struct btz_rng *r, struct btz_arena *arena, struct btz_policy_model *m)
{
    struct btz_role_model *roles;

    m->role_count = 1 + btz_rng_below(r, chance(r, 3) ? 90 : 6);
    roles = btz_arena_array(arena, m->role_count, sizeof *roles);
    for (size_t i = 0; i < m->role_count; i++) {
        size_t n = btz_rng_below(r, 9);
        struct btz_rule_model *rules = btz_arena_array(arena, n + 1, sizeof *rules);
        const char **inherits = btz_arena_array(arena, 4, sizeof *inherits);

        /* Names out of order of the array; only earlier ones are inherited, so there is no circle. */
        roles[i].name = btz_arena_printf(arena, "role-%02zu", (i * 37 + 11) % 97);
        for (size_t k = 0; i > 0 && k < 3 && chance(r, 40); k++)
            inherits[k] = roles[btz_rng_below(r, (uint32_t)i)].name;
        roles[i].inherits = inherits;
        for (size_t k = 0; k < n; k++)
            rules[k] = random_rule(
                r, arena, btz_arena_printf(arena, "p/%u-%zu-%zu", btz_rng_below(r, 100), i, k), 25);
        roles[i].rules = rules;
        roles[i].rule_count = n;
        roles[i].about = roles[i].file = "";
    }
    m->roles = roles;
}

static void random_people_of(struct btz_rng *r, struct btz_arena *arena, struct btz_policy_model *m)
{
    struct btz_principal_model *p = btz_arena_array(arena, 4, sizeof *p);
    struct btz_group_model *g = btz_arena_array(arena, 3, sizeof *g);

    m->principal_count = BTZ_COUNT(random_people);
    for (size_t i = 0; i < m->principal_count; i++)
        p[i] = (struct btz_principal_model){ random_people[i][0], random_people[i][1],
                                             i == 2 ? BTZ_PRINCIPAL_SERVICE : BTZ_PRINCIPAL_USER,
                                             chance(r, 5) };
    m->group_count = btz_rng_below(r, 4);
    for (size_t i = 0; i < m->group_count; i++) {
        const char **members = btz_arena_array(arena, 5, sizeof *members);

        for (size_t k = 0; k < btz_rng_below(r, 5); k++)
            members[k] = random_people[btz_rng_below(r, 4)][0];
        g[i].id = btz_arena_printf(arena, "grp_%zu", i);
        g[i].name = btz_arena_printf(arena, "team %c", "bca"[i]);
        g[i].members = members;
    }
    m->principals = p;
    m->groups = g;
}

static void random_bindings(struct btz_rng *r, struct btz_arena *arena, struct btz_policy_model *m)
{
    struct btz_binding_model *b = btz_arena_array(arena, 13, sizeof *b);
    struct btz_key_model *k = btz_arena_array(arena, 4, sizeof *k);

    m->binding_count = 2 + btz_rng_below(r, 11);
    for (size_t i = 0; i < m->binding_count; i++) {
        b[i].id = btz_arena_printf(arena, "bnd_%u", (unsigned)(i * 7 % 13));
        b[i].role = m->roles[btz_rng_below(r, (uint32_t)m->role_count)].name;
        b[i].subject = m->group_count > 0 && chance(r, 40)
                           ? m->groups[btz_rng_below(r, (uint32_t)m->group_count)].id
                           : random_people[btz_rng_below(r, 4)][0];
        if (chance(r, 20))
            b[i].resource = PICK(r, random_patterns);
        random_times(r, &b[i].from_s, &b[i].until_s, 20);
    }
    m->bindings = b;
    m->key_count = btz_rng_below(r, 4);
    for (size_t i = 0; i < m->key_count; i++) {
        k[i].id = btz_arena_printf(arena, "k%zu", i + 1);
        k[i].principal = random_people[btz_rng_below(r, 4)][0];
        btz_sha256(btz_str(k[i].id), k[i].hash);
        if (chance(r, 70))
            k[i].scopes = LIST(r, arena, random_scopes, 3);
        random_times(r, &k[i].from_s, &k[i].until_s, 15);
    }
    m->keys = k;
}

static void random_model(struct btz_rng *r, struct btz_arena *arena, struct btz_policy_model *m)
{
    memset(m, 0, sizeof *m);
    random_roles(r, arena, m);
    random_people_of(r, arena, m);
    random_bindings(r, arena, m);
}

static struct reference_request random_request(struct btz_rng *r, const struct btz_policy_model *m)
{
    static const char *const facts[] = { "", "a", "abc", "b", "v1", "x", "zzz" };
    static const double costs[] = { NAN, -1, 0, 0.5, 0.75, 1, 2, INFINITY };
    static const uint32_t ages[] = { UINT32_MAX, UINT32_MAX, 0, 1, 300, 301, 302, 5000 };
    struct reference_request q = { 0 };

    if (!chance(r, 2))
        q.caller = &m->principals[btz_rng_below(r, (uint32_t)m->principal_count)];
    if (m->key_count > 0 && chance(r, 25)) {
        q.key = &m->keys[btz_rng_below(r, (uint32_t)m->key_count)];
        for (size_t i = 0; i < m->principal_count && !chance(r, 5); i++)
            if (strcmp(m->principals[i].id, q.key->principal) == 0)
                q.caller = &m->principals[i];
    }
    q.resource = chance(r, 40) ? PICK(r, random_models) : PICK(r, random_resources);
    /* Mostly an action of the resource's kind: others are refused at once. */
    do
        q.action = PICK(r, random_actions);
    while (chance(r, 95) && strncmp(q.action, q.resource, strcspn(q.action, ".")) != 0 &&
           q.resource[0] && !strstr("dataset/x modelx/a", q.resource));
    q.model = chance(r, 70) ? "" : PICK(r, facts);
    q.endpoint = PICK(r, facts);
    q.tool = PICK(r, facts);
    q.address = PICK(r, random_addresses);
    q.cost = PICK(r, costs);
    q.now_s = random_moment(r);
    q.mfa_age_s = PICK(r, ages);
    q.client_cert = chance(r, 50);
    return q;
}

__attribute__((unused)) static struct btz_request
compiled_request(const struct btz_snapshot *s, const struct reference_request *q)
{
    struct btz_request r = { .principal =
                                 q->caller ? btz_snapshot_principal(s, q->caller->id) : BTZ_NOBODY,
                             .key = q->key ? btz_snapshot_key_named(s, q->key->id) : BTZ_NOBODY,
                             .action = btz_action_find(q->action),
                             .resource = btz_str(q->resource),
                             .model = btz_str(q->model),
                             .endpoint = btz_str(q->endpoint),
                             .tool = btz_str(q->tool),
                             .cost = q->cost,
                             .now_s = q->now_s,
                             .mfa_age_s = q->mfa_age_s,
                             .client_cert = q->client_cert };

    if (q->address[0])
        (void)!btz_address_parse(q->address, &r.address);
    return r;
}

#endif
