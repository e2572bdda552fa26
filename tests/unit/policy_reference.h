/*
 * The meaning of policies as src/access/policy.h says it, done the slow and plain way over the model: what the compiled
 * decisions are compared with. Nothing of the code under test is used but its structures. Local times come from libc.
 */
#ifndef POLICY_REFERENCE_H
#define POLICY_REFERENCE_H

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "access/policy.h"

struct reference_request {
    const struct btz_principal_model *caller;                /* NULL: nobody */
    const struct btz_key_model *key;                         /* NULL: none */
    const char *action, *resource, *model, *endpoint, *tool; /* "" not known */
    const char *address;                                     /* "" not known */
    double cost;
    uint64_t now_s;
    uint32_t mfa_age_s;
    bool client_cert;
};
struct reference_answer {
    enum btz_verdict verdict;
    enum btz_why why;
    const char *rule;
    uint32_t within;
};

/* Local time by libc; `TZ` is switched, so use it from one thread. Cached: (zone, moment) pairs repeat. */
static const struct tm *reference_local(const char *zone, uint64_t now_s)
{
    static struct {
        char zone[40];
        uint64_t now_s;
        struct tm tm;
    } cache[4096];
    uint64_t h = now_s * 31;
    time_t t = (time_t)now_s;

    for (const char *p = zone; *p; p++)
        h = h * 131 + (unsigned char)*p;
    h %= BTZ_COUNT(cache);
    if (cache[h].now_s == now_s && strcmp(cache[h].zone, zone) == 0)
        return &cache[h].tm;
    setenv("TZ", zone, 1);
    tzset();
    localtime_r(&t, &cache[h].tm);
    cache[h].now_s = now_s;
    snprintf(cache[h].zone, sizeof cache[h].zone, "%s", zone);
    return &cache[h].tm;
}

static bool reference_star(const char *pattern, const char *text)
{
    for (; *pattern; pattern++, text++) {
        if (*pattern == '*')
            return true;
        if (*pattern != *text)
            return false;
    }
    return *text == 0;
}

/* Kind/id to kind/name, "self" to the caller's name: what both sides are turned into before they are compared. */
static const char *reference_named(const struct btz_policy_model *m, const char *resource,
                                   const struct btz_principal_model *caller, char out[1200])
{
    snprintf(out, 1200, "%s", resource);
    for (size_t i = 0; i < m->principal_count; i++) {
        const struct btz_principal_model *p = &m->principals[i];
        const char *kind = p->kind == BTZ_PRINCIPAL_USER ? "user" : "service";
        char by_id[300], self[20];

        snprintf(by_id, sizeof by_id, "%s/%s", kind, p->id);
        snprintf(self, sizeof self, "%s/self", kind);
        if (strcmp(resource, by_id) == 0 || (p == caller && strcmp(resource, self) == 0))
            snprintf(out, 1200, "%s/%s", kind, p->name);
    }
    return out;
}

static bool reference_resource(const struct btz_policy_model *m, const char *pattern,
                               const struct reference_request *r)
{
    char wanted[1200], asked[1200];
    const char *id = strncmp(r->resource, "key/", 4) == 0 ? r->resource + 4 : NULL;

    if (strcmp(pattern, "*") == 0)
        return true;
    if (strcmp(pattern, "key/own") == 0) {
        for (size_t i = 0; id && i < m->key_count; i++)
            if (strcmp(m->keys[i].id, id) == 0 && strcmp(m->keys[i].principal, r->caller->id) == 0)
                return true;
        return id && strcmp(id, "own") == 0;
    }
    return reference_star(reference_named(m, pattern, r->caller, wanted),
                          reference_named(m, r->resource, r->caller, asked));
}

static bool reference_action(const char *pattern, const char *action)
{
    size_t area = strcspn(action, ".");

    if (strcmp(pattern, "*") == 0 || strcmp(pattern, action) == 0)
        return true;
    return strncmp(pattern, action, area) == 0 && strcmp(pattern + area, ".*") == 0;
}

/* ---- conditions: 'y' holds, 'n' does not, '?' the request does not say ---- */

static char reference_names(const char *const *list, const char *given, const char *kind,
                            const char *resource)
{
    size_t n = strlen(kind);

    if (!list)
        return 'y';
    if (!given[0] && strncmp(resource, kind, n) == 0 && resource[n] == '/')
        given = resource + n + 1;
    if (!given[0])
        return '?';
    for (; *list; list++)
        if (reference_star(*list, given))
            return 'y';
    return 'n';
}

static bool reference_net(const char *net, const char *address)
{
    char text[64];
    unsigned char a[16], b[16];
    bool mapped = strncmp(net, "::ffff:", 7) == 0 && strchr(net, '.');
    int family = strchr(net, ':') && !mapped ? AF_INET6 : AF_INET;
    int bits = family == AF_INET ? 32 : 128;
    char *slash;

    /* The same IPv4 address in another dress. */
    if (strncmp(address, "::ffff:", 7) == 0 && strchr(address, '.'))
        address += 7;
    if (mapped)
        net += 7;
    if ((strchr(address, ':') != NULL) != (family == AF_INET6))
        return false;
    snprintf(text, sizeof text, "%s", net);
    slash = strchr(text, '/');
    if (slash) {
        *slash = 0;
        bits = (int)strtol(slash + 1, NULL, 10) - (mapped ? 96 : 0);
    }
    inet_pton(family, text, a);
    inet_pton(family, address, b);
    for (int i = 0; i < bits; i++)
        if ((a[i / 8] >> (7 - i % 8) & 1) != (b[i / 8] >> (7 - i % 8) & 1))
            return false;
    return true;
}

static char reference_addresses(const char *const *list, const char *address)
{
    if (!list)
        return 'y';
    if (!address[0])
        return '?';
    for (; *list; list++)
        if (reference_net(*list, address))
            return 'y';
    return 'n';
}

static char reference_windows(const struct btz_when *w, uint64_t now_s)
{
    const struct tm *tm;

    if (w->window_count == 0)
        return 'y';
    tm = reference_local(w->time_zone, now_s);
    for (size_t i = 0; i < w->window_count; i++) {
        int length = w->windows[i].to_minute - w->windows[i].from_minute;

        /* Minute by minute from each day of the week on which a window begins. */
        if (length <= 0)
            length += 1440;
        for (int day = 0; day < 7; day++) {
            int start = day * 1440 + w->windows[i].from_minute;
            int now = (tm->tm_wday + 6) % 7 * 1440 + tm->tm_hour * 60 + tm->tm_min;

            if ((w->windows[i].days & 1 << day) && ((now - start) % 10080 + 10080) % 10080 < length)
                return 'y';
        }
    }
    return 'n';
}

/* All but the second factor, each once. */
static void reference_conditions(const struct btz_when *w, const struct reference_request *r,
                                 char out[9])
{
    out[0] = reference_names(w->models, r->model, "model", r->resource);
    out[1] = reference_names(w->endpoints, r->endpoint, "endpoint", r->resource);
    out[2] = reference_names(w->tools, r->tool, "tool", r->resource);
    out[3] = isnan(w->cost_max)              ? 'y'
             : isnan(r->cost) || r->cost < 0 ? '?'
             : r->cost > w->cost_max         ? 'n'
                                             : 'y';
    out[4] = reference_addresses(w->addresses, r->address);
    out[5] = !w->client_cert || r->client_cert ? 'y' : 'n';
    out[6] = reference_windows(w, r->now_s);
    out[7] = r->now_s < w->from_s || (w->until_s && r->now_s >= w->until_s) ? 'n' : 'y';
    out[8] = 0;
}

/* ---- who holds what ---- */

static const struct btz_role_model *reference_role(const struct btz_policy_model *m,
                                                   const char *name)
{
    for (size_t i = 0; i < m->role_count; i++)
        if (strcmp(m->roles[i].name, name) == 0)
            return &m->roles[i];
    return NULL;
}

static bool reference_inherits(const struct btz_policy_model *m, const char *role, const char *from)
{
    const struct btz_role_model *r = reference_role(m, role);

    if (strcmp(role, from) == 0)
        return true;
    for (size_t i = 0; r->inherits && r->inherits[i]; i++)
        if (reference_inherits(m, r->inherits[i], from))
            return true;
    return false;
}

static bool reference_subject(const struct btz_policy_model *m, const char *subject, const char *id)
{
    if (strcmp(subject, id) == 0)
        return true;
    for (size_t i = 0; i < m->group_count; i++)
        if (strcmp(m->groups[i].id, subject) == 0)
            for (size_t k = 0; m->groups[i].members[k]; k++)
                if (strcmp(m->groups[i].members[k], id) == 0)
                    return true;
    return false;
}

static bool reference_holds(const struct btz_policy_model *m, const char *role,
                            const struct reference_request *r)
{
    for (size_t i = 0; i < m->binding_count; i++) {
        const struct btz_binding_model *b = &m->bindings[i];

        if (reference_subject(m, b->subject, r->caller->id) && r->now_s >= b->from_s &&
            (b->until_s == 0 || r->now_s < b->until_s) &&
            (!b->resource || reference_resource(m, b->resource, r)) &&
            reference_inherits(m, b->role, role))
            return true;
    }
    return false;
}

static bool reference_scope(const struct btz_policy_model *m, const struct reference_request *r,
                            bool administrative)
{
    if (!r->key->scopes)
        return !administrative;
    for (size_t i = 0; r->key->scopes[i]; i++) {
        char action[100];
        const char *space = strchr(r->key->scopes[i], ' ');

        snprintf(action, sizeof action, "%.*s", (int)strcspn(r->key->scopes[i], " "),
                 r->key->scopes[i]);
        if (administrative ? strcmp(action, r->action) != 0 : !reference_action(action, r->action))
            continue;
        if (!space || reference_resource(m, space + 1, r))
            return true;
    }
    return false;
}

/* (role, id) before (role, id)? */
static bool reference_before(const char *role_a, const char *id_a, const char *role_b,
                             const char *id_b)
{
    int c;

    if (!role_b)
        return true;
    c = strcmp(role_a, role_b);
    return c ? c < 0 : strcmp(id_a, id_b) < 0;
}

struct reference_best {
    const char *role, *id;
    uint32_t within;
};

static void reference_rule(const struct btz_policy_model *m, const struct btz_role_model *role,
                           const struct btz_rule_model *rule, const struct reference_request *r,
                           struct reference_best best[3])
{
    bool acts = false, covers = false, factor;
    char c[9];
    int kind;

    for (size_t i = 0; rule->actions[i]; i++)
        acts |= reference_action(rule->actions[i], r->action);
    for (size_t i = 0; acts && rule->resources[i]; i++)
        covers |= reference_resource(m, rule->resources[i], r);
    if (!covers)
        return;
    reference_conditions(&rule->when, r, c);
    factor = rule->when.mfa_within_s == 0 ||
             (r->mfa_age_s != UINT32_MAX && r->mfa_age_s <= rule->when.mfa_within_s);
    if (rule->effect == BTZ_EFFECT_DENY) {
        if (strchr(c, 'n'))
            return;
        kind = 0;
    } else {
        if (strchr(c, 'n') || strchr(c, '?'))
            return;
        kind = factor ? 1 : 2;
    }
    if (kind == 2 && best[2].role && rule->when.mfa_within_s != best[2].within) {
        if (rule->when.mfa_within_s < best[2].within)
            return;
    } else if (!reference_before(role->name, rule->id, best[kind].role, best[kind].id)) {
        return;
    }
    best[kind] = (struct reference_best){ role->name, rule->id, rule->when.mfa_within_s };
}

static struct reference_answer reference_decide(const struct btz_policy_model *m,
                                                const struct reference_request *r)
{
    struct reference_answer a = { BTZ_VERDICT_DENY, BTZ_WHY_DEFAULT, "", 0 };
    struct reference_best best[3] = { { 0 } };
    const struct btz_action *action = NULL;
    size_t kind = strcspn(r->resource, "/");

    if (!r->caller || (r->key && strcmp(r->key->principal, r->caller->id) != 0)) {
        a.why = BTZ_WHY_NO_PRINCIPAL;
        if (r->caller && r->caller->disabled)
            a.why = BTZ_WHY_DISABLED;
        return a;
    }
    if (r->caller->disabled) {
        a.why = BTZ_WHY_DISABLED;
        return a;
    }
    if (r->key && (r->now_s < r->key->from_s || (r->key->until_s && r->now_s >= r->key->until_s))) {
        a.why = BTZ_WHY_KEY_EXPIRED;
        return a;
    }
    for (size_t i = 0; i < btz_action_count; i++)
        if (strcmp(btz_actions[i].name, r->action) == 0)
            action = &btz_actions[i];
    if (!action || strlen(action->resource) != kind || !r->resource[kind] ||
        !r->resource[kind + 1] || strncmp(action->resource, r->resource, kind) != 0)
        return a;
    /* "user/self" of a service is nobody. */
    if ((strcmp(r->resource, "user/self") == 0 && r->caller->kind != BTZ_PRINCIPAL_USER) ||
        (strcmp(r->resource, "service/self") == 0 && r->caller->kind != BTZ_PRINCIPAL_SERVICE))
        return a;
    if (r->key && !reference_scope(m, r, action->administrative)) {
        a.why = BTZ_WHY_KEY_SCOPE;
        return a;
    }
    for (size_t i = 0; i < m->role_count; i++)
        if (reference_holds(m, m->roles[i].name, r))
            for (size_t k = 0; k < m->roles[i].rule_count; k++)
                reference_rule(m, &m->roles[i], &m->roles[i].rules[k], r, best);
    for (int i = 0; i < 3; i++)
        if (best[i].role) {
            static const enum btz_verdict verdicts[] = { BTZ_VERDICT_DENY, BTZ_VERDICT_ALLOW,
                                                         BTZ_VERDICT_STEP_UP };

            return (struct reference_answer){ verdicts[i], BTZ_WHY_RULE, best[i].id,
                                              i == 2 ? best[i].within : 0 };
        }
    return a;
}

#endif
