/* Keys and their scopes. The hash of a key is keyed already, so it is its own place in the table. */
#include <stdlib.h>

#include "access/policy/compile.h"

static int by_key_id(const void *a, const void *b)
{
    const struct btz_key_model *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static enum btz_err put_scope(struct btz_compile *c, const char *text)
{
    struct btz_snap_scope record = { 0 };
    const char *action, *resource;

    BTZ_TRY(btz_scope_parse(text, c->arena, &action, &resource));
    for (size_t a = 0; a < btz_action_count; a++)
        if (btz_scope_has_action(action, &btz_actions[a]))
            record.actions[a / 64] |= 1ULL << a % 64;
    resource = btz_index_canonical(&c->index, c->arena, resource);
    if (!resource)
        return BTZ_LIMIT;
    BTZ_TRY(btz_compile_pattern(c, resource, &record.resource));
    return btz_compile_put(c, BTZ_SNAP_SCOPES, &record, NULL);
}

static enum btz_err put_scopes(struct btz_compile *c, const char *const *scopes,
                               struct btz_snap_range *out)
{
    const char *sorted[64];
    size_t count = 0;

    *out = (struct btz_snap_range){ btz_compile_count(c, BTZ_SNAP_SCOPES), 0 };
    for (; scopes && scopes[count] && count < BTZ_COUNT(sorted); count++)
        sorted[count] = scopes[count];
    if (count > 0)
        qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0)
            continue;
        BTZ_TRY(put_scope(c, sorted[i]));
        out->count++;
    }
    return BTZ_OK;
}

static enum btz_err put_slots(struct btz_compile *c, const struct btz_key_model *const *keys,
                              size_t count)
{
    struct btz_snap_slot *slots;
    uint32_t size = 16;

    while (size < 2 * count)
        size *= 2;
    slots = btz_arena_array(c->arena, size, sizeof *slots);
    if (!slots)
        return BTZ_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag, at;

        memcpy(&tag, keys[i]->hash, sizeof tag);
        memcpy(&at, keys[i]->hash + 4, sizeof at);
        at &= size - 1;
        while (slots[at].index > 0) {
            if (memcmp(keys[slots[at].index - 1]->hash, keys[i]->hash, BTZ_SHA256_LEN) == 0)
                return btz_fail(BTZ_USAGE, "keys `%s` and `%s` are the same key",
                                keys[slots[at].index - 1]->id, keys[i]->id);
            at = (at + 1) & (size - 1);
        }
        slots[at] = (struct btz_snap_slot){ tag, i + 1 };
    }
    return btz_buf_add(&c->section[BTZ_SNAP_KEY_SLOTS], slots, size * sizeof *slots);
}

enum btz_err btz_compile_keys(struct btz_compile *c)
{
    const struct btz_policy_model *m = c->index.model;
    const struct btz_key_model **keys = btz_arena_array(c->arena, m->key_count + 1, sizeof *keys);

    if (!keys)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->key_count; i++)
        keys[i] = &m->keys[i];
    btz_sort(keys, m->key_count, sizeof *keys, by_key_id);
    for (size_t i = 0; i < m->key_count; i++) {
        struct btz_snap_key record = { .principal =
                                           btz_index_principal(&c->index, keys[i]->principal),
                                       .everything = !keys[i]->scopes,
                                       .from = keys[i]->from_s,
                                       .until = keys[i]->until_s };

        memcpy(record.hash, keys[i]->hash, sizeof record.hash);
        BTZ_TRY(btz_compile_text(c, btz_str(keys[i]->id), &record.id));
        BTZ_TRY(put_scopes(c, keys[i]->scopes, &record.scopes));
        BTZ_TRY(btz_compile_put(c, BTZ_SNAP_KEYS, &record, NULL));
    }
    return put_slots(c, keys, m->key_count);
}
