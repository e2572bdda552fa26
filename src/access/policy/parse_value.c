#include <math.h>

#include "access/policy/parse.h"
#include "base/conf.h"

enum btz_err btz_policy_at(const struct btz_policy_reader *r, unsigned line, enum btz_err err)
{
    return btz_fail_context(err, "%s:%u", r->file, line);
}

size_t btz_policy_children(const struct btz_yaml *node)
{
    size_t n = 0;

    for (const struct btz_yaml *c = node ? node->first : NULL; c; c = c->next)
        n++;
    return n;
}

enum btz_err btz_policy_grow(struct btz_arena *arena, const void *old, size_t count, size_t more,
                             size_t size, void *out)
{
    void *p = btz_arena_array(arena, count + more ? count + more : 1, size);

    if (!p)
        return BTZ_LIMIT;
    if (count > 0)
        memcpy(p, old, count * size);
    memcpy(out, &p, sizeof p);
    return BTZ_OK;
}

enum btz_err btz_policy_keys(const struct btz_policy_reader *r, const struct btz_yaml *map,
                             const char *what, const char *const *keys)
{
    size_t count = 0;

    while (keys[count])
        count++;
    /* "alice:" with nothing behind it is an empty map. */
    if (map->kind == BTZ_YAML_SCALAR && map->plain && !map->text[0])
        return BTZ_OK;
    if (map->kind != BTZ_YAML_MAP) {
        btz_error_set("%s: expected a map of keys and values", what);
        return btz_policy_at(r, map->line, BTZ_USAGE);
    }
    for (const struct btz_yaml *c = map->first; c; c = c->next) {
        const char *near;
        size_t i = 0;

        while (i < count && strcmp(keys[i], c->key) != 0)
            i++;
        if (i < count)
            continue;
        near = btz_nearest(c->key, keys, count);
        btz_error_set("%s: unknown key `%.64s`%s%s%s", what, c->key, near ? "; did you mean `" : "",
                      near ? near : "", near ? "`?" : "");
        return btz_policy_at(r, c->key_line, BTZ_USAGE);
    }
    return BTZ_OK;
}

enum btz_err btz_policy_text(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             const char **out)
{
    if (node->kind != BTZ_YAML_SCALAR || !node->text[0]) {
        btz_error_set("%s: expected a text", node->key ? node->key : "item");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    *out = node->text;
    return BTZ_OK;
}

enum btz_err btz_policy_name(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             const char **out)
{
    BTZ_TRY(btz_policy_text(r, node, out));
    if (btz_is_policy_name(node->text))
        return BTZ_OK;
    btz_error_set("`%.64s` is no name: letters, digits and . _ @ + -, at most 127", node->text);
    return btz_policy_at(r, node->line, BTZ_USAGE);
}

enum btz_err btz_policy_texts(const struct btz_policy_reader *r, const struct btz_yaml *node,
                              size_t max, enum btz_err (*check)(const char *),
                              const char *const **out)
{
    const struct btz_yaml *first = node->kind == BTZ_YAML_SCALAR ? node : node->first;
    size_t count = node->kind == BTZ_YAML_SCALAR ? 1 : btz_policy_children(node), i = 0;
    const char **list;

    if (node->kind == BTZ_YAML_MAP) {
        btz_error_set("%s: expected a list", node->key ? node->key : "item");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    if (count > max) {
        btz_error_set("%s: %zu items, at most %zu", node->key ? node->key : "list", count, max);
        return btz_policy_at(r, node->line, BTZ_LIMIT);
    }
    list = btz_arena_array(r->arena, count + 1, sizeof *list);
    if (!list)
        return BTZ_LIMIT;
    for (const struct btz_yaml *c = first; i < count; c = c->next, i++) {
        BTZ_TRY(btz_policy_text(r, c, &list[i]));
        if (check && check(list[i]) != BTZ_OK)
            return btz_policy_at(r, c->line, BTZ_USAGE);
    }
    *out = list;
    return BTZ_OK;
}

enum btz_err btz_policy_time(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             uint64_t *out)
{
    const char *text;
    uint64_t ms;

    BTZ_TRY(btz_policy_text(r, node, &text));
    if (btz_time_parse(btz_str(text), &ms) != BTZ_OK) {
        btz_error_set("%s: expected a day or time such as 2027-01-31 or 2027-01-31T08:00:00Z, "
                      "found `%.64s`",
                      node->key, text);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    *out = ms / 1000;
    return BTZ_OK;
}

enum btz_err btz_policy_duration(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                 uint32_t *seconds)
{
    const char *text;
    int64_t ms;

    BTZ_TRY(btz_policy_text(r, node, &text));
    if (btz_conf_duration(text, &ms) != BTZ_OK)
        return btz_policy_at(r, node->line, BTZ_USAGE);
    if (ms < 1000 || ms / 1000 >= UINT32_MAX) {
        btz_error_set("%s: expected 1s or more, found `%.64s`", node->key, text);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    *seconds = (uint32_t)(ms / 1000);
    return BTZ_OK;
}

enum btz_err btz_policy_choice(const struct btz_policy_reader *r, const struct btz_yaml *node,
                               const char *const *choices, int *out)
{
    const char *text, *near;
    size_t count = 0;

    BTZ_TRY(btz_policy_text(r, node, &text));
    for (; choices[count]; count++)
        if (strcmp(choices[count], text) == 0) {
            *out = (int)count;
            return BTZ_OK;
        }
    near = btz_nearest(text, choices, count);
    btz_error_set("%s: `%.64s` is not one of its values%s%s%s", node->key, text,
                  near ? "; did you mean `" : ", such as `", near ? near : choices[0],
                  near ? "`?" : "`");
    return btz_policy_at(r, node->line, BTZ_USAGE);
}

enum btz_err btz_policy_real(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             double *out)
{
    const char *text;

    BTZ_TRY(btz_policy_text(r, node, &text));
    if (btz_parse_double(btz_str(text), out) != BTZ_OK || !(*out >= 0)) {
        btz_error_set("%s: expected a number of at least 0, found `%.64s`", node->key, text);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    return BTZ_OK;
}

enum btz_err btz_policy_bool(const struct btz_policy_reader *r, const struct btz_yaml *node,
                             bool *out)
{
    static const char *const choices[] = { "false", "true", NULL };
    int value;

    BTZ_TRY(btz_policy_choice(r, node, choices, &value));
    *out = value == 1;
    return BTZ_OK;
}
