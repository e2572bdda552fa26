#include "base/conf.h"

#include <errno.h>
#include <stdlib.h>

#define EXPANDED_MAX (1u << 20)
#define NAME_MAX_    128

struct load {
    const char *file;
    const struct btz_conf_env *env;
    struct btz_arena *arena;
};

/* A scalar on its way into a struct. */
struct value {
    const struct btz_conf_key *key;
    const struct btz_conf_struct *in;
    const struct btz_yaml *node;
    const char *text; /* with ${NAME} replaced */
    bool replaced;
};

/* ---- durations ---- */

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
};

enum btz_err btz_conf_duration(const char *text, int64_t *ms)
{
    size_t digits = strspn(text, "0123456789");
    int64_t value;
    uint64_t number;

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return BTZ_OK;
    }
    if (digits > 0 && digits <= 12 &&
        btz_parse_u64(btz_slice_of(text, digits), &number) == BTZ_OK) {
        for (size_t i = 0; i < BTZ_COUNT(units); i++) {
            if (strcmp(text + digits, units[i].name) != 0)
                continue;
            if (__builtin_mul_overflow((int64_t)number, units[i].ms, &value))
                break;
            *ms = value;
            return BTZ_OK;
        }
    }
    return btz_fail(BTZ_USAGE,
                    "expected a duration such as 500ms, 30s, 5m, 2h or 7d, found \"%.40s\"", text);
}

/* ---- scalars ---- */

const char *btz_conf_number(double number, char out[BTZ_NUMBER_TEXT])
{
    bool whole = number > -1e17 && number < 1e17 && (double)(int64_t)number == number;

    snprintf(out, BTZ_NUMBER_TEXT, whole ? "%.0f" : "%.15g", number);
    return out;
}

bool btz_conf_is_null(const struct btz_yaml *node)
{
    return node->kind == BTZ_YAML_SCALAR && node->plain &&
           (node->text[0] == '\0' || strcmp(node->text, "null") == 0 ||
            strcmp(node->text, "~") == 0);
}

/* Finds the next `${`; `$${` is text. */
static const char *next_replacement(const char *text)
{
    for (const char *p = text; (p = strstr(p, "${")) != NULL; p += 2)
        if (p == text || p[-1] != '$')
            return p;
    return NULL;
}

bool btz_conf_is_from_env(const char *text)
{
    return next_replacement(text) != NULL;
}

static const char *in_words(const struct btz_conf_struct *of, char out[NAME_MAX_])
{
    snprintf(out, NAME_MAX_, "%s%s", of->name && of->name[0] ? " in " : "",
             of->name ? of->name : "");
    return out;
}

static enum btz_err replace(const struct load *l, struct value *v, struct btz_buf *out)
{
    const char *p = v->node->text;
    char in[NAME_MAX_];

    while (*p) {
        const char *name, *value;
        size_t len;

        if (strncmp(p, "$${", 3) == 0) {
            BTZ_TRY(btz_buf_add_str(out, "${"));
            p += 3;
            continue;
        }
        if (strncmp(p, "${", 2) != 0) {
            BTZ_TRY(btz_buf_add_byte(out, (uint8_t)*p++));
            continue;
        }
        name = p + 2;
        len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        if (len == 0 || len >= NAME_MAX_ || name[len] != '}' || (name[0] >= '0' && name[0] <= '9'))
            return btz_fail(BTZ_USAGE,
                            "%s:%u: `%s`%s: expected ${NAME} of letters, digits and _; write $${ "
                            "for a literal ${",
                            l->file, v->node->line, v->key->name, in_words(v->in, in));
        value = NULL;
        if (l->env && l->env->get) {
            char copy[NAME_MAX_];

            snprintf(copy, sizeof copy, "%.*s", (int)len, name);
            value = l->env->get(l->env->user, copy);
        }
        if (!value)
            return btz_fail(BTZ_USAGE,
                            "%s:%u: `%s`%s: the environment variable %.*s is not set; export it "
                            "first",
                            l->file, v->node->line, v->key->name, in_words(v->in, in), (int)len,
                            name);
        BTZ_TRY(btz_buf_add_str(out, value));
        v->replaced = true;
        p = name + len + 1;
    }
    return BTZ_OK;
}

static enum btz_err expand(const struct load *l, struct value *v)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(EXPANDED_MAX);

    v->text = v->node->text;
    if (!strstr(v->text, "${"))
        return BTZ_OK;
    BTZ_TRY(replace(l, v, &out));
    v->text = btz_arena_str(l->arena, btz_buf_slice(&out));
    return v->text ? BTZ_OK : BTZ_LIMIT;
}

/* What was found is shown as it stands in the file, never what the environment holds. */
static enum btz_err refuse(const struct load *l, const struct value *v, const char *expected)
{
    char in[NAME_MAX_];

    return btz_fail(BTZ_USAGE, "%s:%u: `%s`%s: expected %s, found %s`%.60s`%s", l->file,
                    v->node->line, v->key->name, in_words(v->in, in), expected,
                    v->replaced ? "the value of " : "", v->node->text,
                    v->node->plain || v->replaced ? "" : " in quotes");
}

static enum btz_err refuse_range(const struct load *l, const struct value *v, const char *noun)
{
    char expected[128], min[BTZ_NUMBER_TEXT], max[BTZ_NUMBER_TEXT];

    if (v->key->min < v->key->max)
        snprintf(expected, sizeof expected, "%s from %s to %s", noun,
                 btz_conf_number(v->key->min, min), btz_conf_number(v->key->max, max));
    else
        snprintf(expected, sizeof expected, "%s", noun);
    return refuse(l, v, expected);
}

static bool in_range(const struct btz_conf_key *key, double number)
{
    return key->min >= key->max || (number >= key->min && number <= key->max);
}

/* Numbers and booleans in quotes are text; what comes from the environment may be quoted. */
static bool is_text(const struct value *v)
{
    return !v->node->plain && !v->replaced;
}

static enum btz_err set_bool(const struct load *l, const struct value *v, void *slot)
{
    bool yes = strcmp(v->text, "true") == 0;

    if (is_text(v) || (!yes && strcmp(v->text, "false") != 0))
        return refuse(l, v, "true or false");
    *(bool *)slot = yes;
    return BTZ_OK;
}

static enum btz_err set_int(const struct load *l, const struct value *v, void *slot)
{
    long long number;
    char *end;

    errno = 0;
    number = strtoll(v->text, &end, 10);
    if (is_text(v) || end == v->text || *end != '\0' || errno != 0 ||
        !strchr("-0123456789", v->text[0]) || !in_range(v->key, (double)number))
        return refuse_range(l, v, "a whole number");
    *(int64_t *)slot = number;
    return BTZ_OK;
}

static enum btz_err set_real(const struct load *l, const struct value *v, void *slot)
{
    double number;

    if (is_text(v) || btz_parse_double(btz_str(v->text), &number) != BTZ_OK ||
        !in_range(v->key, number))
        return refuse_range(l, v, "a number");
    *(double *)slot = number;
    return BTZ_OK;
}

static enum btz_err set_duration(const struct load *l, const struct value *v, void *slot)
{
    char expected[128], min[BTZ_NUMBER_TEXT], max[BTZ_NUMBER_TEXT];
    int64_t ms;

    if (btz_conf_duration(v->text, &ms) != BTZ_OK)
        return refuse(l, v, "a duration such as 500ms, 30s, 5m, 2h or 7d");
    if (!in_range(v->key, (double)ms)) {
        snprintf(expected, sizeof expected, "a duration from %sms to %sms",
                 btz_conf_number(v->key->min, min), btz_conf_number(v->key->max, max));
        return refuse(l, v, expected);
    }
    *(int64_t *)slot = ms;
    return BTZ_OK;
}

static enum btz_err set_enum(const struct load *l, const struct value *v, void *slot)
{
    const char *const *choices = v->key->choices, *nearest;
    char expected[512] = "one of ";
    size_t count = 0, used;

    for (; choices[count]; count++) {
        if (strcmp(choices[count], v->text) == 0) {
            *(int *)slot = (int)count;
            return BTZ_OK;
        }
        used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s%s", count ? ", " : "",
                 choices[count]);
    }
    nearest = btz_nearest(v->text, choices, count);
    if (!nearest)
        return refuse(l, v, expected);
    (void)refuse(l, v, expected);
    snprintf(expected, sizeof expected, "%.400s", btz_error_detail());
    return btz_fail(BTZ_USAGE, "%s; did you mean `%s`?", expected, nearest);
}

static enum btz_err set_date(const struct load *l, const struct value *v, void *slot)
{
    uint64_t ms;

    if (btz_time_parse(btz_str(v->text), &ms) != BTZ_OK)
        return refuse(l, v, "a date such as 2027-01-31");
    *(uint64_t *)slot = ms;
    return BTZ_OK;
}

static enum btz_err set_scalar(const struct load *l, struct value *v, void *slot)
{
    BTZ_TRY(expand(l, v));
    switch (v->key->kind) {
    case BTZ_CONF_BOOL:
        return set_bool(l, v, slot);
    case BTZ_CONF_INT:
        return set_int(l, v, slot);
    case BTZ_CONF_REAL:
        return set_real(l, v, slot);
    case BTZ_CONF_DURATION:
        return set_duration(l, v, slot);
    case BTZ_CONF_ENUM:
        return set_enum(l, v, slot);
    case BTZ_CONF_DATE:
        return set_date(l, v, slot);
    default:
        *(const char **)slot = v->text;
        return BTZ_OK;
    }
}

/* ---- lists and structs ---- */

static enum btz_err load_struct(const struct load *l, const struct btz_yaml *map,
                                const struct btz_conf_struct *of, char *out);

static const char *kind_words(const struct btz_yaml *node)
{
    return node->kind == BTZ_YAML_LIST  ? "a list"
           : node->kind == BTZ_YAML_MAP ? "a map of keys"
                                        : "a single value";
}

static enum btz_err refuse_kind(const struct load *l, const struct value *v, const char *expected)
{
    char in[NAME_MAX_];

    return btz_fail(BTZ_USAGE, "%s:%u: `%s`%s: expected %s, found %s", l->file, v->node->line,
                    v->key->name, in_words(v->in, in), expected, kind_words(v->node));
}

/* An array of `count` elements for the children of the node. */
static enum btz_err new_list(const struct load *l, const struct btz_yaml *node, size_t size,
                             struct btz_conf_list *list)
{
    size_t count = 0;

    for (const struct btz_yaml *child = node->first; child; child = child->next)
        count++;
    list->items = btz_arena_array(l->arena, count ? count : 1, size);
    list->count = count;
    return list->items ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err set_strings(const struct load *l, struct value *v, struct btz_conf_list *list)
{
    const struct btz_yaml *node = v->node;
    const char **items;

    if (node->kind != BTZ_YAML_LIST)
        return refuse_kind(l, v, "a list such as [a, b]");
    BTZ_TRY(new_list(l, node, sizeof *items, list));
    items = list->items;
    for (const struct btz_yaml *child = node->first; child; child = child->next) {
        v->node = child;
        if (child->kind != BTZ_YAML_SCALAR || btz_conf_is_null(child))
            return refuse_kind(l, v, "text in the list");
        BTZ_TRY(expand(l, v));
        *items++ = v->text;
    }
    return BTZ_OK;
}

static enum btz_err set_pairs(const struct load *l, struct value *v, struct btz_conf_list *list)
{
    const struct btz_yaml *node = v->node;
    struct btz_conf_pair *pair;

    if (node->kind != BTZ_YAML_MAP)
        return refuse_kind(l, v, "a map of names to text");
    BTZ_TRY(new_list(l, node, sizeof *pair, list));
    pair = list->items;
    for (const struct btz_yaml *child = node->first; child; child = child->next) {
        v->node = child;
        if (child->kind != BTZ_YAML_SCALAR)
            return refuse_kind(l, v, "text behind each name");
        BTZ_TRY(expand(l, v));
        *pair++ = (struct btz_conf_pair){ .name = child->key, .value = v->text };
    }
    return BTZ_OK;
}

static bool has_unique_names(const struct btz_conf_struct *of)
{
    return of->count > 0 && of->keys[0].required && of->keys[0].kind == BTZ_CONF_STRING &&
           strcmp(of->keys[0].name, "name") == 0;
}

static const char *name_at(const struct btz_conf_list *list, const struct btz_conf_struct *of,
                           size_t i)
{
    const char *element = (const char *)list->items + i * of->size;

    return *(const char *const *)(const void *)(element + of->keys[0].offset);
}

struct named {
    const char *name;
    size_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static enum btz_err refuse_same_names(const struct load *l, const struct value *v,
                                      const struct btz_conf_list *list)
{
    const struct btz_conf_struct *of = v->key->of;
    BTZ_FREE struct named *names = NULL;

    if (!has_unique_names(of) || list->count < 2)
        return BTZ_OK;
    names = calloc(list->count, sizeof *names);
    if (!names)
        return btz_fail(BTZ_LIMIT, "%s: out of memory", l->file);
    for (size_t i = 0; i < list->count; i++)
        names[i] = (struct named){ .name = name_at(list, of, i), .index = i };
    qsort(names, list->count, sizeof *names, by_name);
    for (size_t i = 1; i < list->count; i++) {
        const struct btz_yaml *child = v->node->first;

        if (strcmp(names[i - 1].name, names[i].name) != 0)
            continue;
        for (size_t k = 0; k < names[i].index; k++)
            child = child->next;
        return btz_fail(BTZ_USAGE,
                        "%s:%u: a second %s has the name `%.64s`; names are unique in "
                        "`%s`",
                        l->file, child->line, of->name, names[i].name, v->key->name);
    }
    return BTZ_OK;
}

static enum btz_err set_structs(const struct load *l, struct value *v, struct btz_conf_list *list)
{
    const struct btz_yaml *node = v->node;
    char *element;

    if (node->kind != BTZ_YAML_LIST)
        return refuse_kind(l, v, "a list, each entry behind a dash");
    BTZ_TRY(new_list(l, node, v->key->of->size, list));
    element = list->items;
    for (const struct btz_yaml *child = node->first; child; child = child->next) {
        v->node = child;
        if (child->kind != BTZ_YAML_MAP)
            return refuse_kind(l, v, "a map of keys in the list");
        BTZ_TRY(load_struct(l, child, v->key->of, element));
        element += v->key->of->size;
    }
    v->node = node;
    return refuse_same_names(l, v, list);
}

static enum btz_err set_struct(const struct load *l, struct value *v, char *slot)
{
    static const struct btz_yaml empty = { .kind = BTZ_YAML_MAP };

    if (btz_conf_is_null(v->node))
        return load_struct(l, &empty, v->key->of, slot);
    if (v->node->kind != BTZ_YAML_MAP)
        return refuse_kind(l, v, "a map of keys");
    return load_struct(l, v->node, v->key->of, slot);
}

static enum btz_err set_value(const struct load *l, const struct btz_conf_struct *of,
                              const struct btz_conf_key *key, const struct btz_yaml *node,
                              char *slot)
{
    struct value v = { .key = key, .in = of, .node = node };

    switch (key->kind) {
    case BTZ_CONF_STRINGS:
    case BTZ_CONF_SECRETS:
        return set_strings(l, &v, (void *)slot);
    case BTZ_CONF_PAIRS:
        return set_pairs(l, &v, (void *)slot);
    case BTZ_CONF_STRUCTS:
        return set_structs(l, &v, (void *)slot);
    case BTZ_CONF_STRUCT:
        return set_struct(l, &v, slot);
    default:
        if (node->kind != BTZ_YAML_SCALAR)
            return refuse_kind(l, &v, "a single value");
        return set_scalar(l, &v, slot);
    }
}

/* Defaults are written in YAML; most are one plain word, which needs no parser. */
static enum btz_err set_fallback(const struct load *l, const struct btz_conf_struct *of,
                                 const struct btz_conf_key *key, char *slot)
{
    const struct load from = { .file = "default", .arena = l->arena };
    struct btz_yaml word = { .kind = BTZ_YAML_SCALAR, .text = key->fallback, .plain = true };
    const struct btz_yaml *node = &word;
    bool is_word = key->fallback && !strchr("[{\"'", key->fallback[0]);

    if (key->kind == BTZ_CONF_STRUCT)
        return load_struct(l, NULL, key->of, slot);
    if (!key->fallback || key->fallback[0] == '\0')
        return BTZ_OK;
    if (!is_word)
        BTZ_TRY(btz_yaml_parse(btz_str(key->fallback), "default", l->arena, &node));
    if (set_value(&from, of, key, node, slot) != BTZ_OK)
        return btz_fail_context(BTZ_INTERNAL, "default of `%s`", key->name);
    return BTZ_OK;
}

static enum btz_err refuse_unknown(const struct load *l, const struct btz_conf_struct *of,
                                   const struct btz_yaml *child)
{
    const char *names[256], *nearest;
    char in[NAME_MAX_], allowed[600] = "";
    size_t count = of->count < BTZ_COUNT(names) ? of->count : BTZ_COUNT(names);

    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(allowed);

        names[i] = of->keys[i].name;
        snprintf(allowed + used, sizeof allowed - used, "%s%s", i ? ", " : "", names[i]);
    }
    nearest = btz_nearest(child->key, names, count);
    in_words(of, in);
    if (nearest)
        return btz_fail(BTZ_USAGE, "%s:%u: unknown key `%.64s`%s; did you mean `%s`?", l->file,
                        child->key_line, child->key, in, nearest);
    return btz_fail(BTZ_USAGE, "%s:%u: unknown key `%.64s`%s; expected one of: %s", l->file,
                    child->key_line, child->key, in, allowed);
}

static const struct btz_conf_key *find_key(const struct btz_conf_struct *of, const char *name)
{
    for (size_t i = 0; i < of->count; i++)
        if (strcmp(of->keys[i].name, name) == 0)
            return &of->keys[i];
    return NULL;
}

/* `map` NULL: the struct is absent altogether, nothing is required of it. */
static enum btz_err load_struct(const struct load *l, const struct btz_yaml *map,
                                const struct btz_conf_struct *of, char *out)
{
    memset(out, 0, of->size);
    for (const struct btz_yaml *child = map ? map->first : NULL; child; child = child->next)
        if (!find_key(of, child->key))
            return refuse_unknown(l, of, child);
    for (size_t i = 0; i < of->count; i++) {
        const struct btz_conf_key *key = &of->keys[i];
        const struct btz_yaml *child = map ? btz_yaml_get(map, key->name) : NULL;
        bool given = child && (!btz_conf_is_null(child) || key->kind == BTZ_CONF_STRUCT);

        if (given)
            BTZ_TRY(set_value(l, of, key, child, out + key->offset));
        else if (map && key->required)
            return btz_fail(BTZ_USAGE, "%s:%u: %s%s`%s` is missing: %s", l->file,
                            map->line ? map->line : 1, of->name ? of->name : "",
                            of->name && of->name[0] ? ": " : "", key->name,
                            key->help ? key->help : "");
        else
            BTZ_TRY(set_fallback(l, of, key, out + key->offset));
    }
    return BTZ_OK;
}

enum btz_err btz_conf_load(const struct btz_yaml *map, const struct btz_conf_struct *of,
                           const char *file, const struct btz_conf_env *env,
                           struct btz_arena *arena, void *out)
{
    const struct load l = { .file = file, .env = env, .arena = arena };

    if (map->kind != BTZ_YAML_MAP)
        return btz_fail(BTZ_USAGE, "%s:%u: expected a map of keys, found %s", file, map->line,
                        kind_words(map));
    return load_struct(&l, map, of, out);
}
