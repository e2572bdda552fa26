#include "access/policy/compile.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>

const uint8_t btz_snap_sizes[BTZ_SNAP_SECTIONS] = {
    [BTZ_SNAP_STRINGS] = 1,
    [BTZ_SNAP_SETS] = sizeof(uint64_t),
    [BTZ_SNAP_PRINCIPALS] = sizeof(struct btz_snap_principal),
    [BTZ_SNAP_NAMES] = sizeof(uint32_t),
    [BTZ_SNAP_GRANT_LISTS] = sizeof(uint32_t),
    [BTZ_SNAP_GRANTS] = sizeof(struct btz_snap_grant),
    [BTZ_SNAP_RULES] = sizeof(struct btz_snap_rule),
    [BTZ_SNAP_CONDITIONS] = sizeof(struct btz_snap_condition),
    [BTZ_SNAP_PATTERNS] = sizeof(struct btz_snap_pattern),
    [BTZ_SNAP_NETS] = sizeof(struct btz_snap_net),
    [BTZ_SNAP_WINDOWS] = sizeof(struct btz_snap_window),
    [BTZ_SNAP_ZONES] = sizeof(struct btz_snap_zone),
    [BTZ_SNAP_TRANSITIONS] = sizeof(struct btz_transition),
    [BTZ_SNAP_ACTIONS] = sizeof(struct btz_snap_range),
    [BTZ_SNAP_LENGTHS] = sizeof(uint32_t),
    [BTZ_SNAP_SLOTS] = sizeof(struct btz_snap_slot),
    [BTZ_SNAP_BUCKETS] = sizeof(struct btz_snap_bucket),
    [BTZ_SNAP_ROLE_WORDS] = sizeof(struct btz_snap_role_word),
    [BTZ_SNAP_STARTS] = sizeof(uint32_t),
    [BTZ_SNAP_ENTRIES] = sizeof(uint32_t),
    [BTZ_SNAP_KEYS] = sizeof(struct btz_snap_key),
    [BTZ_SNAP_KEY_SLOTS] = sizeof(struct btz_snap_slot),
    [BTZ_SNAP_SCOPES] = sizeof(struct btz_snap_scope),
    [BTZ_SNAP_GROUPS] = sizeof(struct btz_snap_text),
    [BTZ_SNAP_GROUP_LISTS] = sizeof(uint32_t),
};

uint64_t btz_snap_actions_digest(void)
{
    uint64_t h = BTZ_SNAP_HASH;

    for (size_t i = 0; i < btz_action_count; i++) {
        for (const char *p = btz_actions[i].name; *p; p++)
            h = btz_snap_step(h, (uint8_t)*p);
        h = btz_snap_step(h, btz_actions[i].administrative);
        for (const char *p = btz_actions[i].resource; *p; p++)
            h = btz_snap_step(h, (uint8_t)*p);
        h = btz_snap_step(h, 0);
    }
    return h;
}

uint32_t btz_compile_count(const struct btz_compile *c, enum btz_snap_section s)
{
    return (uint32_t)(c->section[s].len / btz_snap_sizes[s]);
}

enum btz_err btz_compile_put(struct btz_compile *c, enum btz_snap_section s, const void *record,
                             uint32_t *at)
{
    uint32_t index = btz_compile_count(c, (enum btz_snap_section)s);

    BTZ_TRY(btz_buf_add(&c->section[s], record, btz_snap_sizes[s]));
    if (at)
        *at = index;
    return BTZ_OK;
}

enum btz_err btz_compile_text(struct btz_compile *c, struct btz_slice text,
                              struct btz_snap_text *out)
{
    struct btz_buf *b = &c->section[BTZ_SNAP_STRINGS];
    size_t at = b->len;

    BTZ_TRY(btz_buf_add_slice(b, text));
    BTZ_TRY(btz_buf_add_byte(b, 0));
    *out = (struct btz_snap_text){ (uint32_t)at, (uint32_t)text.len };
    return BTZ_OK;
}

enum btz_err btz_compile_pattern(struct btz_compile *c, const char *text,
                                 struct btz_snap_pattern *out)
{
    struct btz_pattern p = btz_pattern_of(text);
    struct btz_snap_text stored;

    BTZ_TRY(btz_compile_text(c, p.text, &stored));
    *out = (struct btz_snap_pattern){ stored.at, stored.len | (p.prefix ? BTZ_SNAP_PREFIX : 0) };
    return BTZ_OK;
}

static enum btz_err assemble(struct btz_compile *c, uint64_t generation, const uint8_t secret[32],
                             struct btz_buf *out)
{
    static const uint8_t zeros[8];
    struct btz_snap_header h = { .magic = BTZ_SNAP_MAGIC,
                                 .version = BTZ_SNAP_VERSION,
                                 .words = (uint32_t)c->index.words,
                                 .generation = generation,
                                 .actions = btz_snap_actions_digest() };
    uint8_t mac[BTZ_SNAP_MAC];
    uint64_t at = sizeof h;

    for (size_t s = 0; s < BTZ_SNAP_SECTIONS; s++) {
        h.section[s].at = at;
        h.section[s].count = btz_compile_count(c, (enum btz_snap_section)s);
        at += (c->section[s].len + 7) & ~(uint64_t)7;
    }
    h.size = at;
    if (at + BTZ_SNAP_MAC > BTZ_SNAP_MAX)
        return btz_fail(BTZ_LIMIT, "a snapshot of more than 4 GiB");
    BTZ_TRY(btz_buf_reserve(out, at + BTZ_SNAP_MAC));
    BTZ_TRY(btz_buf_add(out, &h, sizeof h));
    for (size_t s = 0; s < BTZ_SNAP_SECTIONS; s++) {
        BTZ_TRY(btz_buf_add_slice(out, btz_buf_slice(&c->section[s])));
        BTZ_TRY(btz_buf_add(out, zeros, -c->section[s].len & 7));
    }
    if (crypto_generichash(mac, sizeof mac, out->ptr, out->len, secret, 32) != 0)
        return btz_fail(BTZ_INTERNAL, "BLAKE2b failed");
    return btz_buf_add(out, mac, sizeof mac);
}

static enum btz_err compile(struct btz_compile *c, const struct btz_policy_model *model)
{
    BTZ_TRY(btz_model_index(model, c->arena, &c->index));
    BTZ_TRY(btz_compile_rules(c));
    BTZ_TRY(btz_compile_buckets(c));
    BTZ_TRY(btz_compile_people(c));
    return btz_compile_keys(c);
}

enum btz_err btz_snapshot_compile(const struct btz_policy_model *model, uint64_t generation,
                                  const uint8_t secret[32], struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_compile c = { .arena = &arena };
    enum btz_err err;

    btz_arena_init(&arena, (size_t)8 << 30);
    BTZ_TRY(btz_policy_check(model));
    for (size_t s = 0; s < BTZ_SNAP_SECTIONS; s++)
        c.section[s] = BTZ_BUF((size_t)UINT32_MAX);
    err = compile(&c, model);
    if (err == BTZ_OK)
        err = assemble(&c, generation, secret, out);
    for (size_t s = 0; s < BTZ_SNAP_SECTIONS; s++)
        btz_buf_release(&c.section[s]);
    return err;
}
