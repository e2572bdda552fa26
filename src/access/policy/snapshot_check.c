/* Hostile bytes to a trusted view: every offset, range and index is within bounds, every table has a free slot. */
#include "access/policy/snapshot.h"

struct check {
    struct btz_snap_view view;
    const char *what;
};

static uint64_t count_of(const struct check *c, enum btz_snap_section s)
{
    return btz_snap_count(&c->view, s);
}

static enum btz_err damaged(const struct check *c, const char *where, uint64_t index)
{
    return btz_fail(BTZ_INPUT, "%s: damaged snapshot: %s %" PRIu64 " is out of bounds", c->what,
                    where, index);
}

static bool has_range(const struct check *c, enum btz_snap_section s, struct btz_snap_range r)
{
    return (uint64_t)r.at + r.count <= count_of(c, s);
}

static bool has_text(const struct check *c, struct btz_snap_text t)
{
    const uint8_t *strings = btz_snap_at(&c->view, BTZ_SNAP_STRINGS);

    return (uint64_t)t.at + t.len < count_of(c, BTZ_SNAP_STRINGS) && strings[t.at + t.len] == 0;
}

static bool has_pattern(const struct check *c, struct btz_snap_pattern p)
{
    return (uint64_t)p.at + (p.len & ~BTZ_SNAP_PREFIX) < count_of(c, BTZ_SNAP_STRINGS);
}

static enum btz_err check_sections(struct btz_slice bytes, struct check *c)
{
    const struct btz_snap_header *h;

    if (bytes.len < sizeof *h)
        return btz_fail(BTZ_INPUT, "%s: no snapshot of policies: %zu bytes", c->what, bytes.len);
    h = (const struct btz_snap_header *)(const void *)bytes.ptr;
    if (h->magic != BTZ_SNAP_MAGIC || h->version != BTZ_SNAP_VERSION ||
        h->actions != btz_snap_actions_digest())
        return btz_fail(BTZ_INPUT, "%s: no snapshot of this version of bartizan", c->what);
    if (h->size != bytes.len || h->words == 0 || h->words > 4096 / 64 + 1)
        return btz_fail(BTZ_INPUT, "%s: damaged snapshot: its header says %" PRIu64 " bytes",
                        c->what, h->size);
    for (size_t s = 0; s < BTZ_SNAP_SECTIONS; s++) {
        uint64_t at = h->section[s].at, count = h->section[s].count;

        if (at % 8 || at > bytes.len || count > UINT32_MAX - 1 ||
            count > (bytes.len - at) / btz_snap_sizes[s])
            return damaged(c, "section", s);
    }
    c->view = (struct btz_snap_view){ h, bytes.ptr, bytes.len };
    if (count_of(c, BTZ_SNAP_SETS) % h->words || count_of(c, BTZ_SNAP_ACTIONS) != btz_action_count)
        return damaged(c, "section", BTZ_SNAP_SETS);
    return BTZ_OK;
}

static bool has_set(const struct check *c, uint32_t set)
{
    return set < count_of(c, BTZ_SNAP_SETS) / c->view.header->words;
}

static enum btz_err check_people(const struct check *c)
{
    const struct btz_snap_principal *p = btz_snap_at(&c->view, BTZ_SNAP_PRINCIPALS);
    const struct btz_snap_grant *g = btz_snap_at(&c->view, BTZ_SNAP_GRANTS);
    const uint32_t *lists = btz_snap_at(&c->view, BTZ_SNAP_GRANT_LISTS);

    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_PRINCIPALS); i++)
        if (!has_text(c, p[i].id) || !has_text(c, p[i].name) || !has_set(c, p[i].set) ||
            p[i].kind > BTZ_PRINCIPAL_SERVICE || p[i].name.len > 1024 ||
            !has_range(c, BTZ_SNAP_GRANT_LISTS, p[i].grants) ||
            !has_range(c, BTZ_SNAP_GROUP_LISTS, p[i].groups))
            return damaged(c, "principal", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_GRANT_LISTS); i++)
        if (lists[i] >= count_of(c, BTZ_SNAP_GRANTS))
            return damaged(c, "grant", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_GRANTS); i++)
        if (!has_set(c, g[i].set) || !has_pattern(c, g[i].resource))
            return damaged(c, "grant", i);
    return BTZ_OK;
}

static enum btz_err check_groups(const struct check *c)
{
    const struct btz_snap_text *g = btz_snap_at(&c->view, BTZ_SNAP_GROUPS);
    const uint32_t *lists = btz_snap_at(&c->view, BTZ_SNAP_GROUP_LISTS);

    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_GROUPS); i++)
        if (!has_text(c, g[i]))
            return damaged(c, "group", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_GROUP_LISTS); i++)
        if (lists[i] >= count_of(c, BTZ_SNAP_GROUPS))
            return damaged(c, "group", i);
    return BTZ_OK;
}

/* A power of two of slots, at least one free: every search ends. */
static enum btz_err check_slots(const struct check *c, enum btz_snap_section slots,
                                enum btz_snap_section of)
{
    const uint8_t *base = btz_snap_at(&c->view, slots);
    uint64_t size = count_of(c, slots), step = btz_snap_sizes[slots];
    size_t at = step == 4 ? 0 : offsetof(struct btz_snap_slot, index);
    bool has_free = false;

    if (size == 0 || (size & (size - 1)))
        return damaged(c, "table", slots);
    for (uint64_t i = 0; i < size; i++) {
        uint32_t index;

        memcpy(&index, base + i * step + at, sizeof index);
        has_free |= index == 0;
        if (index > count_of(c, of))
            return damaged(c, "slot", i);
    }
    return has_free ? BTZ_OK : damaged(c, "table", slots);
}

static enum btz_err check_conditions(const struct check *c)
{
    const struct btz_snap_condition *d = btz_snap_at(&c->view, BTZ_SNAP_CONDITIONS);
    const struct btz_snap_pattern *p = btz_snap_at(&c->view, BTZ_SNAP_PATTERNS);
    const struct btz_snap_net *n = btz_snap_at(&c->view, BTZ_SNAP_NETS);
    const struct btz_snap_zone *z = btz_snap_at(&c->view, BTZ_SNAP_ZONES);
    const struct btz_transition *t = btz_snap_at(&c->view, BTZ_SNAP_TRANSITIONS);

    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_CONDITIONS); i++)
        if (!has_range(c, BTZ_SNAP_PATTERNS, d[i].models) ||
            !has_range(c, BTZ_SNAP_PATTERNS, d[i].endpoints) ||
            !has_range(c, BTZ_SNAP_PATTERNS, d[i].tools) ||
            !has_range(c, BTZ_SNAP_NETS, d[i].nets) ||
            !has_range(c, BTZ_SNAP_WINDOWS, d[i].windows) ||
            (d[i].windows.count > 0 && d[i].zone >= count_of(c, BTZ_SNAP_ZONES)))
            return damaged(c, "condition", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_PATTERNS); i++)
        if (!has_pattern(c, p[i]))
            return damaged(c, "pattern", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_NETS); i++)
        if (n[i].bits > 128)
            return damaged(c, "network", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_ZONES); i++)
        if (!has_range(c, BTZ_SNAP_TRANSITIONS, z[i].transitions) || z[i].offset > 100000 ||
            z[i].offset < -100000)
            return damaged(c, "zone", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_TRANSITIONS); i++)
        if (t[i].offset > 100000 || t[i].offset < -100000)
            return damaged(c, "transition", i);
    return BTZ_OK;
}

static enum btz_err check_buckets(const struct check *c)
{
    const struct btz_snap_rule *r = btz_snap_at(&c->view, BTZ_SNAP_RULES);
    const struct btz_snap_range *actions = btz_snap_at(&c->view, BTZ_SNAP_ACTIONS);
    const struct btz_snap_bucket *b = btz_snap_at(&c->view, BTZ_SNAP_BUCKETS);
    const struct btz_snap_role_word *w = btz_snap_at(&c->view, BTZ_SNAP_ROLE_WORDS);
    const uint32_t *starts = btz_snap_at(&c->view, BTZ_SNAP_STARTS);
    const uint32_t *entries = btz_snap_at(&c->view, BTZ_SNAP_ENTRIES);
    uint64_t start_count = count_of(c, BTZ_SNAP_STARTS);

    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_RULES); i++)
        if (!has_text(c, r[i].id) || r[i].effect > BTZ_EFFECT_DENY ||
            (r[i].condition != BTZ_NOBODY && r[i].condition >= count_of(c, BTZ_SNAP_CONDITIONS)))
            return damaged(c, "rule", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_ACTIONS); i++)
        if (!has_range(c, BTZ_SNAP_LENGTHS, actions[i]))
            return damaged(c, "action", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_BUCKETS); i++)
        if (!has_pattern(c, b[i].pattern) || !has_range(c, BTZ_SNAP_ROLE_WORDS, b[i].words))
            return damaged(c, "bucket", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_ROLE_WORDS); i++)
        if (w[i].word >= c->view.header->words ||
            (uint64_t)w[i].base + (unsigned)__builtin_popcountll(w[i].mask) + 1 > start_count)
            return damaged(c, "word of roles", i);
    for (uint64_t i = 0; i < start_count; i++)
        if (starts[i] > count_of(c, BTZ_SNAP_ENTRIES) || (i > 0 && starts[i] < starts[i - 1]))
            return damaged(c, "start", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_ENTRIES); i++)
        if (entries[i] >= count_of(c, BTZ_SNAP_RULES))
            return damaged(c, "entry", i);
    return BTZ_OK;
}

static enum btz_err check_keys(const struct check *c)
{
    const struct btz_snap_key *k = btz_snap_at(&c->view, BTZ_SNAP_KEYS);
    const struct btz_snap_scope *s = btz_snap_at(&c->view, BTZ_SNAP_SCOPES);

    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_KEYS); i++)
        if (!has_text(c, k[i].id) || k[i].principal >= count_of(c, BTZ_SNAP_PRINCIPALS) ||
            !has_range(c, BTZ_SNAP_SCOPES, k[i].scopes))
            return damaged(c, "key", i);
    for (uint64_t i = 0; i < count_of(c, BTZ_SNAP_SCOPES); i++)
        if (!has_pattern(c, s[i].resource))
            return damaged(c, "scope", i);
    return BTZ_OK;
}

enum btz_err btz_snap_check(struct btz_slice bytes, const char *what, struct btz_snap_view *out)
{
    struct check c = { .what = what };

    BTZ_TRY(check_sections(bytes, &c));
    BTZ_TRY(check_people(&c));
    BTZ_TRY(check_groups(&c));
    BTZ_TRY(check_slots(&c, BTZ_SNAP_NAMES, BTZ_SNAP_PRINCIPALS));
    BTZ_TRY(check_conditions(&c));
    BTZ_TRY(check_buckets(&c));
    BTZ_TRY(check_slots(&c, BTZ_SNAP_SLOTS, BTZ_SNAP_BUCKETS));
    BTZ_TRY(check_keys(&c));
    BTZ_TRY(check_slots(&c, BTZ_SNAP_KEY_SLOTS, BTZ_SNAP_KEYS));
    *out = c.view;
    return BTZ_OK;
}
