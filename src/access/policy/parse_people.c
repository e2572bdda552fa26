/* Principals, groups, bindings and keys of a file, for tests and comparisons; and roles that exclude each other. */
#include <stdlib.h>

#include "access/policy/parse.h"

#define PEOPLE_MAX (1u << 20)
#define SCOPES_MAX 64

static enum btz_err check_count(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                enum btz_yaml_kind kind, size_t had, size_t *more)
{
    *more = btz_policy_children(node);
    if (node->kind != kind) {
        btz_error_set("%s: expected %s", node->key,
                      kind == BTZ_YAML_MAP ? "a map by name" : "a list");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    if (had + *more > PEOPLE_MAX) {
        btz_error_set("%s: more than %u", node->key, PEOPLE_MAX);
        return btz_policy_at(r, node->line, BTZ_LIMIT);
    }
    return BTZ_OK;
}

static enum btz_err own_name(const struct btz_policy_reader *r, const struct btz_yaml *c)
{
    if (btz_is_policy_name(c->key))
        return BTZ_OK;
    btz_error_set("`%.64s` is no name: letters, digits and . _ @ + -, at most 127", c->key);
    return btz_policy_at(r, c->key_line, BTZ_USAGE);
}

static enum btz_err parse_principals(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    static const char *const keys[] = { "id", "kind", "status", NULL };
    static const char *const kinds[] = { "user", "service", NULL };
    static const char *const states[] = { "active", "disabled", NULL };
    struct btz_policy_model *m = r->model;
    struct btz_principal_model *list;
    size_t more;

    BTZ_TRY(check_count(r, node, BTZ_YAML_MAP, m->principal_count, &more));
    BTZ_TRY(
        btz_policy_grow(r->arena, m->principals, m->principal_count, more, sizeof *list, &list));
    for (const struct btz_yaml *c = node->first; c; c = c->next) {
        struct btz_principal_model *p = &list[m->principal_count++];
        const struct btz_yaml *n;
        int kind = 0, state = 0;

        BTZ_TRY(own_name(r, c));
        BTZ_TRY(btz_policy_keys(r, c, "principal", keys));
        p->name = p->id = c->key;
        if ((n = btz_yaml_get(c, "id")))
            BTZ_TRY(btz_policy_name(r, n, &p->id));
        if ((n = btz_yaml_get(c, "kind")))
            BTZ_TRY(btz_policy_choice(r, n, kinds, &kind));
        if ((n = btz_yaml_get(c, "status")))
            BTZ_TRY(btz_policy_choice(r, n, states, &state));
        p->kind = kind == 0 ? BTZ_PRINCIPAL_USER : BTZ_PRINCIPAL_SERVICE;
        p->disabled = state == 1;
    }
    m->principals = list;
    return BTZ_OK;
}

/* ---- words to ids: names and ids, sorted once after each section that adds some ---- */

struct word {
    const char *text, *id;
};
struct btz_policy_names {
    struct word *people, *groups;
    size_t people_count, group_count;
};

static int by_word(const void *a, const void *b)
{
    const struct word *x = a, *y = b;

    return strcmp(x->text, y->text);
}

static const char *find_word(const struct word *list, size_t count, const char *text)
{
    const struct word wanted = { text, NULL };
    const struct word *found = count ? bsearch(&wanted, list, count, sizeof *list, by_word) : NULL;

    return found ? found->id : NULL;
}

static enum btz_err sort_people(const struct btz_policy_reader *r)
{
    const struct btz_policy_model *m = r->model;
    struct word *list = btz_arena_array(r->arena, 2 * m->principal_count + 1, sizeof *list);
    size_t n = 0;

    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->principal_count; i++) {
        list[n++] = (struct word){ m->principals[i].id, m->principals[i].id };
        list[n++] = (struct word){ m->principals[i].name, m->principals[i].id };
    }
    qsort(list, n, sizeof *list, by_word);
    r->names->people = list;
    r->names->people_count = n;
    return BTZ_OK;
}

static enum btz_err sort_groups(const struct btz_policy_reader *r)
{
    const struct btz_policy_model *m = r->model;
    struct word *list = btz_arena_array(r->arena, 2 * m->group_count + 1, sizeof *list);
    size_t n = 0;

    if (!list)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->group_count; i++) {
        list[n++] = (struct word){ m->groups[i].id, m->groups[i].id };
        list[n++] = (struct word){ m->groups[i].name, m->groups[i].id };
    }
    qsort(list, n, sizeof *list, by_word);
    r->names->groups = list;
    r->names->group_count = n;
    return BTZ_OK;
}

static const char *principal_id(const struct btz_policy_reader *r, const char *word)
{
    return find_word(r->names->people, r->names->people_count, word);
}

static const char *group_id(const struct btz_policy_reader *r, const char *word)
{
    return find_word(r->names->groups, r->names->group_count, word);
}

/* An unknown word, with the nearest known one. */
static enum btz_err unknown(const struct btz_policy_reader *r, unsigned line, const char *what,
                            const char *word)
{
    const struct btz_policy_model *m = r->model;
    bool groups = strcmp(what, "group") == 0;
    size_t count = groups ? m->group_count : m->principal_count;
    const char **names = btz_arena_array(r->arena, count + 1, sizeof *names), *near;

    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        names[i] = groups ? m->groups[i].name : m->principals[i].name;
    near = btz_nearest(word, names, count);
    btz_error_set("there is no %s `%.64s`%s%s%s", what, word, near ? "; did you mean `" : "",
                  near ? near : "", near ? "`?" : "");
    return btz_policy_at(r, line, BTZ_USAGE);
}

static enum btz_err parse_groups(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    static const char *const keys[] = { "id", "members", NULL };
    struct btz_policy_model *m = r->model;
    struct btz_group_model *list;
    size_t more;

    BTZ_TRY(check_count(r, node, BTZ_YAML_MAP, m->group_count, &more));
    BTZ_TRY(btz_policy_grow(r->arena, m->groups, m->group_count, more, sizeof *list, &list));
    for (const struct btz_yaml *c = node->first; c; c = c->next) {
        struct btz_group_model *g = &list[m->group_count++];
        const struct btz_yaml *n;
        const char *const *words = NULL, **ids;
        size_t count = 0;

        BTZ_TRY(own_name(r, c));
        BTZ_TRY(btz_policy_keys(r, c, "group", keys));
        g->name = g->id = c->key;
        if ((n = btz_yaml_get(c, "id")))
            BTZ_TRY(btz_policy_name(r, n, &g->id));
        if ((n = btz_yaml_get(c, "members")))
            BTZ_TRY(btz_policy_texts(r, n, PEOPLE_MAX, NULL, &words));
        while (words && words[count])
            count++;
        ids = btz_arena_array(r->arena, count + 1, sizeof *ids);
        if (!ids)
            return BTZ_LIMIT;
        for (size_t i = 0; i < count; i++) {
            ids[i] = principal_id(r, words[i]);
            if (!ids[i])
                return unknown(r, n->line, "principal", words[i]);
        }
        g->members = ids;
    }
    m->groups = list;
    return BTZ_OK;
}

static enum btz_err parse_subject(const struct btz_policy_reader *r, const struct btz_yaml *c,
                                  struct btz_binding_model *b)
{
    const struct btz_yaml *who = btz_yaml_get(c, "principal"), *group = btz_yaml_get(c, "group");
    const char *word;

    if (!who == !group) {
        btz_error_set("binding: needs either `principal` or `group`");
        return btz_policy_at(r, c->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_text(r, who ? who : group, &word));
    b->subject = who ? principal_id(r, word) : group_id(r, word);
    return b->subject ? BTZ_OK : unknown(r, c->line, who ? "principal" : "group", word);
}

static enum btz_err parse_binding(const struct btz_policy_reader *r, const struct btz_yaml *c,
                                  size_t number, struct btz_binding_model *b)
{
    static const char *const keys[] = { "id",       "role", "principal", "group",
                                        "resource", "from", "until",     NULL };
    const struct btz_yaml *n;

    BTZ_TRY(btz_policy_keys(r, c, "binding", keys));
    if (!(n = btz_yaml_get(c, "role"))) {
        btz_error_set("binding: needs `role`");
        return btz_policy_at(r, c->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_name(r, n, &b->role));
    BTZ_TRY(parse_subject(r, c, b));
    if ((n = btz_yaml_get(c, "resource"))) {
        BTZ_TRY(btz_policy_text(r, n, &b->resource));
        if (btz_resource_pattern_check(b->resource) != BTZ_OK)
            return btz_policy_at(r, n->line, BTZ_USAGE);
    }
    if ((n = btz_yaml_get(c, "from")))
        BTZ_TRY(btz_policy_time(r, n, &b->from_s));
    if ((n = btz_yaml_get(c, "until")))
        BTZ_TRY(btz_policy_time(r, n, &b->until_s));
    if ((n = btz_yaml_get(c, "id")))
        return btz_policy_name(r, n, &b->id);
    b->id = btz_arena_printf(r->arena, "%s/binding-%zu", r->policy, number);
    return b->id ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err parse_bindings(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    struct btz_policy_model *m = r->model;
    struct btz_binding_model *list;
    size_t more, number = 1;

    BTZ_TRY(check_count(r, node, BTZ_YAML_LIST, m->binding_count, &more));
    BTZ_TRY(btz_policy_grow(r->arena, m->bindings, m->binding_count, more, sizeof *list, &list));
    for (const struct btz_yaml *c = node->first; c; c = c->next)
        BTZ_TRY(parse_binding(r, c, number++, &list[m->binding_count++]));
    m->bindings = list;
    return BTZ_OK;
}

/* Files hold no secrets: the hash is of the key's name, which no real key has. */
static enum btz_err parse_key(const struct btz_policy_reader *r, const struct btz_yaml *c,
                              struct btz_key_model *k)
{
    static const char *const keys[] = { "principal", "scopes", "from", "until", NULL };
    const struct btz_yaml *n;
    const char *word, *action, *resource;

    BTZ_TRY(own_name(r, c));
    BTZ_TRY(btz_policy_keys(r, c, "key", keys));
    k->id = c->key;
    btz_sha256_2(btz_str("bartizan policy file key "), btz_str(c->key), k->hash);
    if (!(n = btz_yaml_get(c, "principal"))) {
        btz_error_set("key: needs `principal`");
        return btz_policy_at(r, c->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_text(r, n, &word));
    if (!(k->principal = principal_id(r, word)))
        return unknown(r, n->line, "principal", word);
    if ((n = btz_yaml_get(c, "scopes")))
        BTZ_TRY(btz_policy_texts(r, n, SCOPES_MAX, NULL, &k->scopes));
    for (size_t i = 0; k->scopes && k->scopes[i]; i++)
        if (btz_scope_parse(k->scopes[i], r->arena, &action, &resource) != BTZ_OK)
            return btz_policy_at(r, n->line, BTZ_USAGE);
    if ((n = btz_yaml_get(c, "from")))
        BTZ_TRY(btz_policy_time(r, n, &k->from_s));
    if ((n = btz_yaml_get(c, "until")))
        BTZ_TRY(btz_policy_time(r, n, &k->until_s));
    return BTZ_OK;
}

static enum btz_err parse_keys(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    struct btz_policy_model *m = r->model;
    struct btz_key_model *list;
    size_t more;

    BTZ_TRY(check_count(r, node, BTZ_YAML_MAP, m->key_count, &more));
    BTZ_TRY(btz_policy_grow(r->arena, m->keys, m->key_count, more, sizeof *list, &list));
    for (const struct btz_yaml *c = node->first; c; c = c->next)
        BTZ_TRY(parse_key(r, c, &list[m->key_count++]));
    m->keys = list;
    return BTZ_OK;
}

static enum btz_err parse_exclusive(const struct btz_policy_reader *r, const struct btz_yaml *node)
{
    struct btz_policy_model *m = r->model;
    struct btz_exclusive_model *list;
    size_t more;

    BTZ_TRY(check_count(r, node, BTZ_YAML_LIST, m->exclusive_count, &more));
    BTZ_TRY(
        btz_policy_grow(r->arena, m->exclusives, m->exclusive_count, more, sizeof *list, &list));
    for (const struct btz_yaml *c = node->first; c; c = c->next) {
        struct btz_exclusive_model *e = &list[m->exclusive_count++];
        const char *const *pair;

        BTZ_TRY(btz_policy_texts(r, c, 2, NULL, &pair));
        if (!pair[0] || !pair[1]) {
            btz_error_set("exclusive: expected pairs of roles such as [auditor, admin]");
            return btz_policy_at(r, c->line, BTZ_USAGE);
        }
        *e = (struct btz_exclusive_model){ pair[0], pair[1], r->file, c->line };
    }
    m->exclusives = list;
    return BTZ_OK;
}

enum btz_err btz_policy_people(const struct btz_policy_reader *r, const struct btz_yaml *root)
{
    static const struct {
        const char *key;
        enum btz_err (*parse)(const struct btz_policy_reader *, const struct btz_yaml *);
    } sections[] = {
        { "principals", parse_principals }, { "groups", parse_groups },
        { "bindings", parse_bindings },     { "keys", parse_keys },
        { "exclusive", parse_exclusive },
    };

    struct btz_policy_names names = { 0 };
    struct btz_policy_reader reader = *r;

    reader.names = &names;
    for (size_t i = 0; i < BTZ_COUNT(sections); i++) {
        const struct btz_yaml *n = btz_yaml_get(root, sections[i].key);

        if (n)
            BTZ_TRY(sections[i].parse(&reader, n));
        /* Also where the file adds none: an included one may have. */
        if (i == 0)
            BTZ_TRY(sort_people(&reader));
        if (i == 1)
            BTZ_TRY(sort_groups(&reader));
    }
    return BTZ_OK;
}
