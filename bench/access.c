/*
 * Decisions: 10,000 principals, 200 roles, 2,000 rules, a mix of requests, compiled against a plain scan of the same rules in
 * the same run; build and open of the snapshot; look-up among 1,000,000 keys. `access FOLDER`: where the snapshot is written.
 */
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "access/policy/index.h"
#include "access/policy/snapshot.h"
#include "base/json.h"

#define PRINCIPALS 10000
#define ROLES      200
#define RULES      2000
#define GROUPS     100
#define REQUESTS   100000
#define KEYS       1000000

static struct btz_arena arena;
static const uint8_t secret[32] = { 3 };

static void must(enum btz_err err)
{
    if (err == BTZ_OK)
        return;
    fprintf(stderr, "bench: %s\n", btz_error_detail());
    exit(1);
}

static void *must_have(void *p)
{
    if (!p)
        exit(1);
    return p;
}

#define ARRAY(n, type) ((type *)must_have(btz_arena_array(&arena, (n), sizeof(type))))

static void figure(const char *name, double value, const char *unit, double peer)
{
    printf("{\"name\":\"access.%s\",\"value\":%.1f,\"unit\":\"%s\"", name, value, unit);
    if (peer > 0)
        printf(",\"peer\":\"scan\",\"peer_value\":%.1f,\"ratio\":%.4f", peer, value / peer);
    printf("}\n");
    fflush(stdout);
}

/* ---- the model: names as an installation of some size has them ---- */

static const char *const verbs[] = { "model.invoke", "model.read",    "dataset.read", "tool.call",
                                     "endpoint.use", "artifact.read", "model.*",      "dataset.*" };
static const char *const kinds[] = { "model",    "model",    "dataset", "tool",
                                     "endpoint", "artifact", "model",   "dataset" };

static const char *const *one(const char *text)
{
    const char **list = ARRAY(2, const char *);

    list[0] = text;
    return list;
}

static struct btz_rule_model make_rule(struct btz_rng *r, size_t i)
{
    static const char *const nets[] = { "10.0.0.0/8", "192.168.0.0/16", NULL };
    static const struct btz_window office = { 0x1f, 480, 1080 };
    uint32_t verb = btz_rng_below(r, BTZ_COUNT(verbs)), kind = btz_rng_below(r, 20);
    struct btz_rule_model rule = { .id = btz_arena_printf(&arena, "bench/rule-%04zu", i),
                                   .file = "bench" };
    const char *form = kind == 0 ? "%s/*" : kind < 10 ? "%s/team-%u/*" : "%s/team-%u/item-%u";

    rule.effect = btz_rng_below(r, 10) == 0 ? BTZ_EFFECT_DENY : BTZ_EFFECT_ALLOW;
    rule.actions = one(verbs[verb]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    rule.resources = one(
        btz_arena_printf(&arena, form, kinds[verb], btz_rng_below(r, 200), btz_rng_below(r, 50)));
#pragma GCC diagnostic pop
    rule.when.cost_max = NAN;
    if (i % 5 == 0)
        rule.when.addresses = nets;
    if (i % 7 == 0)
        rule.when.cost_max = 1;
    if (i % 11 == 0) {
        rule.when.time_zone = "Europe/Berlin";
        rule.when.windows = &office;
        rule.when.window_count = 1;
    }
    if (i % 13 == 0 && rule.effect == BTZ_EFFECT_ALLOW)
        rule.when.mfa_within_s = 900;
    return rule;
}

static void make_roles(struct btz_rng *r, struct btz_policy_model *m)
{
    struct btz_role_model *roles = ARRAY(ROLES, struct btz_role_model);
    struct btz_rule_model *rules = ARRAY(RULES, struct btz_rule_model);

    for (size_t i = 0; i < RULES; i++)
        rules[i] = make_rule(r, i);
    for (size_t i = 0; i < ROLES; i++) {
        const char **inherits = ARRAY(3, const char *);

        roles[i].name = btz_arena_printf(&arena, "role-%03zu", i);
        roles[i].file = roles[i].about = "";
        roles[i].rules = rules + i * (RULES / ROLES);
        roles[i].rule_count = RULES / ROLES;
        for (size_t k = 0; i >= 20 && k < i % 3; k++)
            inherits[k] = roles[btz_rng_below(r, (uint32_t)i)].name;
        roles[i].inherits = inherits;
    }
    m->roles = roles;
    m->role_count = ROLES;
}

static void make_people(struct btz_rng *r, struct btz_policy_model *m)
{
    struct btz_principal_model *people = ARRAY(PRINCIPALS, struct btz_principal_model);
    struct btz_group_model *groups = ARRAY(GROUPS, struct btz_group_model);
    struct btz_binding_model *b = ARRAY(PRINCIPALS * 3 + GROUPS * 2, struct btz_binding_model);

    for (size_t i = 0; i < PRINCIPALS; i++) {
        people[i].id = btz_arena_printf(&arena, "usr_%08zu", i * 7919 % PRINCIPALS);
        people[i].name = btz_arena_printf(&arena, "person-%zu", i * 7919 % PRINCIPALS);
    }
    for (size_t i = 0; i < GROUPS; i++) {
        const char **members = ARRAY(101, const char *);

        for (size_t k = 0; k < 100; k++)
            members[k] = people[btz_rng_below(r, PRINCIPALS)].id;
        groups[i].id = groups[i].name = btz_arena_printf(&arena, "grp_%zu", i);
        groups[i].members = members;
    }
    for (size_t i = 0; i < PRINCIPALS * 3 + GROUPS * 2; i++) {
        b[i].id = btz_arena_printf(&arena, "bnd_%08zu", i);
        b[i].role = m->roles[btz_rng_below(r, ROLES)].name;
        b[i].subject = i < PRINCIPALS * 3 ? people[i % PRINCIPALS].id : groups[i % GROUPS].id;
        if (i < PRINCIPALS && i % 10 == 0)
            b[i].resource = btz_arena_printf(&arena, "model/team-%u/*", btz_rng_below(r, 200));
        if (i < PRINCIPALS && i % 17 == 0)
            b[i].until_s = 1900000000;
        m->binding_count = i + 1;
    }
    m->principals = people;
    m->principal_count = PRINCIPALS;
    m->groups = groups;
    m->group_count = GROUPS;
    m->bindings = b;
}

/* Two of three requests are for what some rule of the caller's first role names, the rest for anything. */
static struct btz_request make_request(struct btz_rng *r, const struct btz_policy_model *m)
{
    static const char *const asked[] = { "model.invoke", "model.read",   "dataset.read",
                                         "tool.call",    "endpoint.use", "artifact.read" };
    uint32_t who = btz_rng_below(r, PRINCIPALS), verb = btz_rng_below(r, BTZ_COUNT(asked));
    const char *role = m->bindings[PRINCIPALS + who].role, *pattern;
    struct btz_request q = { .key = BTZ_NOBODY,
                             .action = btz_action_find(asked[verb]),
                             .cost = btz_rng_unit(r) * 2,
                             .now_s = 1800000000 + btz_rng_below(r, 604800),
                             .mfa_age_s = btz_rng_below(r, 1800) };

    q.principal = (uint32_t)((uint64_t)who * 7919 % PRINCIPALS); /* its place by id */
    q.resource = btz_str(btz_arena_printf(&arena, "%s/team-%u/item-%u", kinds[verb],
                                          btz_rng_below(r, 200), btz_rng_below(r, 50)));
    must(btz_address_parse(btz_rng_below(r, 2) ? "10.1.2.3" : "203.0.113.9", &q.address));
    for (size_t i = 0; btz_rng_below(r, 3) > 0 && i < ROLES; i++)
        if (strcmp(m->roles[i].name, role) == 0) {
            const struct btz_rule_model *rule = &m->roles[i].rules[btz_rng_below(r, 10)];
            size_t n = strlen(rule->resources[0]);

            pattern = rule->resources[0];
            q.action =
                btz_action_find(strcmp(rule->actions[0], "model.*") == 0     ? "model.read"
                                : strcmp(rule->actions[0], "dataset.*") == 0 ? "dataset.read"
                                                                             : rule->actions[0]);
            q.resource = btz_str(pattern[n - 1] == '*'
                                     ? btz_arena_printf(&arena, "%.*sitem-7", (int)n - 1, pattern)
                                     : pattern);
            break;
        }
    return q;
}

/* ---- the plain scan: the roles of the caller are known beforehand, every rule is looked at ---- */

struct scan {
    struct btz_model_index index;
    uint64_t *roles; /* of each principal by id, without bindings for some resources or times */
    struct btz_zone berlin;
    bool *restricted; /* has bindings for some resources or a while, which the scan does not know */
};

static void make_scan(const struct btz_policy_model *m, struct scan *s)
{
    must(btz_model_index(m, &arena, &s->index));
    must(btz_zone_load("Europe/Berlin", &arena, &s->berlin));
    s->roles = ARRAY(PRINCIPALS * s->index.words, uint64_t);
    s->restricted = ARRAY(PRINCIPALS, bool);
    for (size_t i = 0; i < m->binding_count; i++) {
        const uint64_t *closure =
            btz_index_closure(&s->index, btz_index_role(&s->index, m->bindings[i].role));
        const uint32_t *list;
        uint32_t single;
        size_t count;

        btz_index_subjects(&s->index, &m->bindings[i], &single, &list, &count);
        if (m->bindings[i].resource || m->bindings[i].until_s) {
            s->restricted[single] = true;
            continue;
        }
        for (size_t k = 0; k < count; k++)
            for (size_t w = 0; w < s->index.words; w++)
                s->roles[list[k] * s->index.words + w] |= closure[w];
    }
}

static bool scan_conditions(const struct scan *s, const struct btz_when *w,
                            const struct btz_request *r)
{
    bool in = !w->addresses;
    int64_t local = (int64_t)r->now_s;

    for (size_t i = 0; w->addresses && w->addresses[i] && !in; i++) {
        struct btz_net n;

        in = btz_net_parse(w->addresses[i], &n) == BTZ_OK && btz_net_has(&n, &r->address);
    }
    if (!in || (!isnan(w->cost_max) && r->cost > w->cost_max))
        return false;
    if (w->window_count == 0)
        return true;
    local += btz_zone_offset(s->berlin.transitions, s->berlin.count, s->berlin.offset, local);
    return btz_window_has(&w->windows[0], local);
}

static enum btz_verdict scan_decide(const struct scan *s, const struct btz_request *r)
{
    const uint64_t *mine = s->roles + r->principal * s->index.words;
    enum btz_verdict verdict = BTZ_VERDICT_DENY;

    for (size_t i = 0; i < ROLES; i++) {
        const struct btz_role_model *role = s->index.roles[i];

        for (size_t k = 0; btz_bit(mine, i) && k < role->rule_count; k++) {
            const struct btz_rule_model *rule = &role->rules[k];
            struct btz_pattern p = btz_pattern_of(rule->resources[0]);

            if (!btz_action_matches(rule->actions[0], &btz_actions[r->action]) ||
                !btz_pattern_matches(&p, r->resource) || !scan_conditions(s, &rule->when, r))
                continue;
            if (rule->effect == BTZ_EFFECT_DENY)
                return BTZ_VERDICT_DENY;
            if (rule->when.mfa_within_s == 0 || r->mfa_age_s <= rule->when.mfa_within_s)
                verdict = BTZ_VERDICT_ALLOW;
            else if (verdict == BTZ_VERDICT_DENY)
                verdict = BTZ_VERDICT_STEP_UP;
        }
    }
    return verdict;
}

/* ---- measuring ---- */

/* Of this thread: what others do on the machine does not count, but for their use of the caches. */
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static void bench_decide(const struct btz_snapshot *s, const struct scan *scan,
                         const struct btz_request *requests)
{
    uint64_t *each = ARRAY(REQUESTS, uint64_t), start;
    size_t verdicts[3] = { 0 }, same = 0, compared = 0, none = 0;
    struct btz_decision d;
    double mean, scan_mean;

    for (int round = 0; round < 2; round++) { /* the first warms up */
        memset(verdicts, 0, sizeof verdicts);
        for (size_t i = 0; i < REQUESTS; i++) {
            start = btz_clock_ns();
            btz_decide(s, &requests[i], &d);
            each[i] = btz_clock_ns() - start;
            verdicts[d.verdict]++;
        }
    }
    start = cpu_ns();
    for (size_t i = 0; i < REQUESTS; i++) {
        btz_decide(s, &requests[i], &d);
        none += d.verdict;
    }
    mean = (double)(cpu_ns() - start) / REQUESTS;
    start = cpu_ns();
    for (size_t i = 0; i < REQUESTS; i += 10)
        none += scan_decide(scan, &requests[i]);
    scan_mean = (double)(cpu_ns() - start) / (REQUESTS / 10);
    for (size_t i = 0; i < REQUESTS; i++) {
        if (scan->restricted[requests[i].principal])
            continue;
        btz_decide(s, &requests[i], &d);
        compared++;
        same += d.verdict == scan_decide(scan, &requests[i]);
    }
    if (same != compared) {
        fprintf(stderr, "bench: the scan says otherwise in %zu of %zu\n", compared - same,
                compared);
        exit(1);
    }
    qsort(each, REQUESTS, sizeof *each, by_number);
    figure("decide.mean", mean, "ns", scan_mean);
    figure("decide.median-with-clock", (double)each[REQUESTS / 2], "ns", 0);
    figure("decide.p99-with-clock", (double)each[REQUESTS / 100 * 99], "ns", 0);
    printf("{\"name\":\"access.decide.mix\",\"allow\":%zu,\"deny\":%zu,\"step_up\":%zu,"
           "\"same_as_scan\":%zu,\"sum\":%zu}\n",
           verdicts[BTZ_VERDICT_ALLOW], verdicts[BTZ_VERDICT_DENY], verdicts[BTZ_VERDICT_STEP_UP],
           same, none);
}

static double median_of(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && values[k] < values[k - 1]; k--) {
            double spare = values[k];

            values[k] = values[k - 1];
            values[k - 1] = spare;
        }
    return values[count / 2];
}

static struct btz_snapshot *bench_files(const struct btz_policy_model *m, const char *path)
{
    double build[5], busy[5], opened[5];
    struct btz_snapshot *s = NULL;

    for (uint64_t i = 0; i < 5; i++) {
        uint64_t start = btz_clock_ns(), start_cpu = cpu_ns();

        must(btz_snapshot_write(m, i + 1, secret, path));
        build[i] = (double)(btz_clock_ns() - start) / 1e6;
        busy[i] = (double)(cpu_ns() - start_cpu) / 1e6;
        btz_snapshot_close(s);
        start = btz_clock_ns();
        must(btz_snapshot_open(path, secret, &s));
        opened[i] = (double)(btz_clock_ns() - start) / 1e6;
    }
    figure("snapshot.build", median_of(build, 5), "ms", 0);
    figure("snapshot.build-cpu", median_of(busy, 5), "ms", 0);
    figure("snapshot.open", median_of(opened, 5), "ms", 0);
    return s;
}

static void bench_refresh(struct btz_snapshot *s)
{
    uint64_t start = cpu_ns();

    for (int i = 0; i < 1000000; i++)
        must(btz_snapshot_refresh(s));
    figure("snapshot.refresh", (double)(cpu_ns() - start) / 1e6, "ns", 0);
}

/* Keys hash to anywhere: each look-up waits for memory. Half of those asked for do not exist. */
static void bench_keys(struct btz_policy_model *m, const char *path)
{
    struct btz_key_model *keys = ARRAY(KEYS, struct btz_key_model);
    struct btz_snapshot *s;
    struct btz_rng r;
    uint64_t start, start_cpu, found = 0;
    uint8_t(*hashes)[32] = must_have(calloc(KEYS, 32));
    uint32_t who;

    btz_rng_init(&r, 2, 0);
    for (size_t i = 0; i < KEYS; i++) {
        for (size_t k = 0; k < 32; k += 4) {
            uint32_t word = btz_rng_u32(&r);

            memcpy(keys[i].hash + k, &word, 4);
        }
        keys[i].id = btz_arena_printf(&arena, "key_%08zu", i);
        keys[i].principal = m->principals[i % PRINCIPALS].id;
    }
    m->keys = keys;
    m->key_count = KEYS;
    start = btz_clock_ns();
    start_cpu = cpu_ns();
    must(btz_snapshot_write(m, 10, secret, path));
    figure("keys.build-cpu", (double)(cpu_ns() - start_cpu) / 1e6, "ms", 0);
    figure("keys.build", (double)(btz_clock_ns() - start) / 1e6, "ms", 0);
    start = btz_clock_ns();
    must(btz_snapshot_open(path, secret, &s));
    figure("keys.open", (double)(btz_clock_ns() - start) / 1e6, "ms", 0);
    for (size_t i = 0; i < KEYS; i++) {
        memcpy(hashes[i], keys[btz_rng_below(&r, KEYS)].hash, 32);
        hashes[i][20] ^= (uint8_t)(i % 2);
    }
    start = cpu_ns();
    for (size_t i = 0; i < KEYS; i++)
        found += btz_snapshot_key(s, hashes[i], &who) != BTZ_NOBODY;
    figure("keys.look-up", (double)(cpu_ns() - start) / KEYS, "ns", 0);
    if (found != KEYS / 2)
        exit(1);
    btz_snapshot_close(s);
    free(hashes);
}

int main(int argc, char **argv)
{
    struct btz_policy_model m = { 0 };
    struct btz_snapshot *s;
    struct btz_request *requests;
    char folder[4096], path[4200], word[4200];
    struct scan scan;
    struct btz_rng r;

    snprintf(folder, sizeof folder, "%s/btz-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/snapshot", folder);
    snprintf(word, sizeof word, "%s/generation", folder);
    btz_arena_init(&arena, (size_t)4 << 30);
    btz_rng_init(&r, 1, 0);
    make_roles(&r, &m);
    make_people(&r, &m);
    s = bench_files(&m, path);
    make_scan(&m, &scan);
    requests = ARRAY(REQUESTS, struct btz_request);
    for (size_t i = 0; i < REQUESTS; i++)
        requests[i] = make_request(&r, &m);
    bench_decide(s, &scan, requests);
    bench_refresh(s);
    btz_snapshot_close(s);
    bench_keys(&m, path);
    btz_arena_release(&arena);
    unlink(path);
    unlink(word);
    return rmdir(folder) == 0 ? 0 : 1;
}
