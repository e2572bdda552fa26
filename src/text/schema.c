/* Schemas compiled: each object that is reached becomes a node, once, however often references name it. */
#include <math.h>
#include <stdlib.h>

#include "text/schema_inside.h"

enum { ARENA_BYTES = 64 << 20, ROOM_FIRST = 32 };

struct compiler {
    struct btz_schema *schema;
    enum btz_schema_draft draft;
    struct btz_schema_node **queue; /* nodes in the order they were met; done from the front */
    size_t count, room, done;
    struct btz_schema_node **table; /* twice `room`: by address of what they are compiled from */
    struct btz_schema_node *never, *always;
};

static enum btz_err wrong(const char *keyword, const char *expected)
{
    return btz_fail(BTZ_INPUT, "schema: `%s`: expected %s", keyword, expected);
}

static enum btz_err no_memory(void)
{
    return btz_fail(BTZ_LIMIT, "out of memory for a schema");
}

static void *room_for(struct compiler *c, size_t count, size_t size)
{
    return btz_arena_array(&c->schema->arena, count ? count : 1, size);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------ */

static struct btz_schema_node *new_node(struct compiler *c, const json_t *json)
{
    struct btz_schema_node *n = btz_arena_alloc(&c->schema->arena, sizeof *n);

    if (!n)
        return NULL;
    n->json = json;
    n->min_contains = 1;
    n->max_length = n->max_items = n->max_contains = n->max_members = UINT64_MAX;
    return n;
}

/* Where the node of that object is, or would be. */
static struct btz_schema_node **slot_of(struct btz_schema_node **table, size_t size,
                                        const json_t *json)
{
    size_t slot = (size_t)(((uintptr_t)json >> 4) * 0x9E3779B1u) % size;

    while (table[slot] && table[slot]->json != json)
        slot = (slot + 1) % size;
    return &table[slot];
}

static enum btz_err grow(struct compiler *c)
{
    size_t room = c->room ? c->room * 2 : ROOM_FIRST;
    struct btz_schema_node **queue, **table;

    if (c->count == BTZ_SCHEMA_NODES_MAX)
        return btz_fail(BTZ_LIMIT, "schema: more than %d schemas in it", BTZ_SCHEMA_NODES_MAX);
    if (c->count < c->room)
        return BTZ_OK;
    queue = realloc(c->queue, room * sizeof(struct btz_schema_node *));
    if (!queue)
        return no_memory();
    c->queue = queue;
    table = calloc(room * 2, sizeof(struct btz_schema_node *));
    if (!table)
        return no_memory();
    for (size_t i = 0; i < c->count; i++)
        *slot_of(table, room * 2, queue[i]->json) = queue[i];
    free(c->table);
    c->table = table;
    c->room = room;
    return BTZ_OK;
}

/* The node of a schema at hand; compiled later, so that references in circles end. */
static enum btz_err node_of(struct compiler *c, const char *keyword, const json_t *json,
                            const struct btz_schema_node **out)
{
    struct btz_schema_node *n, **slot;

    if (json_is_boolean(json)) {
        *out = json_is_true(json) ? c->always : c->never;
        return BTZ_OK;
    }
    if (!json_is_object(json))
        return wrong(keyword, "a schema: an object, true or false");
    BTZ_TRY(grow(c));
    slot = slot_of(c->table, c->room * 2, json);
    if (!*slot) {
        n = new_node(c, json);
        if (!n)
            return no_memory();
        *slot = c->queue[c->count++] = n;
    }
    *out = *slot;
    return BTZ_OK;
}

static enum btz_err list_of(struct compiler *c, const char *keyword, const json_t *array,
                            struct btz_schema_list *out)
{
    size_t n = json_array_size(array);

    if (!json_is_array(array))
        return wrong(keyword, "an array of schemas");
    out->at = room_for(c, n, sizeof *out->at);
    if (!out->at)
        return no_memory();
    for (out->count = 0; out->count < n; out->count++)
        BTZ_TRY(node_of(c, keyword, json_array_get(array, out->count), &out->at[out->count]));
    return BTZ_OK;
}

static enum btz_err named_of(struct compiler *c, const char *keyword, const json_t *object,
                             bool schemas_only, struct btz_schema_nameds *out)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return wrong(keyword, "an object with a schema for each member");
    out->at = room_for(c, json_object_size(object), sizeof *out->at);
    if (!out->at)
        return no_memory();
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (schemas_only && json_is_array(value))
            continue;
        out->at[out->count].name = key;
        BTZ_TRY(node_of(c, keyword, value, &out->at[out->count].node));
        out->count++;
    }
    return BTZ_OK;
}

/* ---- keywords --------------------------------------------------------------------------------------------------------- */

static enum btz_err type_bit(const json_t *name, unsigned *types)
{
    static const char *const names[] = { "null",   "boolean", "object", "array",
                                         "number", "string",  "integer" };

    for (unsigned i = 0; i < BTZ_COUNT(names); i++)
        if (json_is_string(name) && strcmp(json_string_value(name), names[i]) == 0) {
            *types |= 1u << i;
            return BTZ_OK;
        }
    return wrong("type", "null, boolean, object, array, number, string or integer");
}

static enum btz_err read_type(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                              const json_t *value)
{
    const json_t *one;
    size_t i;

    (void)c;
    if (!json_is_array(value))
        return type_bit(value, &n->types);
    if (json_array_size(value) == 0)
        return wrong(keyword, "at least one type");
    json_array_foreach(value, i, one) BTZ_TRY(type_bit(one, &n->types));
    return BTZ_OK;
}

static enum btz_err all_texts(const char *keyword, const json_t *array)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(array))
        return wrong(keyword, "an array of names");
    json_array_foreach(array, i, one) if (!json_is_string(one)) return wrong(keyword,
                                                                             "an array of names");
    return BTZ_OK;
}

static enum btz_err read_value(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                               const json_t *value)
{
    (void)c;
    if (strcmp(keyword, "const") == 0) {
        n->constant = value;
        return BTZ_OK;
    }
    if (strcmp(keyword, "required") == 0) {
        n->required = value;
        return all_texts(keyword, value);
    }
    n->choices = value;
    return json_is_array(value) ? BTZ_OK : wrong(keyword, "an array of values");
}

static enum btz_err read_number(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                                const json_t *value)
{
    static const struct {
        const char *keyword;
        size_t at;
    } places[] = { { "minimum", offsetof(struct btz_schema_node, minimum) },
                   { "maximum", offsetof(struct btz_schema_node, maximum) },
                   { "exclusiveMinimum", offsetof(struct btz_schema_node, above) },
                   { "exclusiveMaximum", offsetof(struct btz_schema_node, below) },
                   { "multipleOf", offsetof(struct btz_schema_node, multiple) } };

    (void)c;
    if (!json_is_number(value))
        return wrong(keyword, "a number");
    if (strcmp(keyword, "multipleOf") == 0 && json_number_value(value) <= 0)
        return wrong(keyword, "a number above 0");
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        if (strcmp(keyword, places[i].keyword) == 0)
            memcpy((char *)n + places[i].at, &value, sizeof value);
    return BTZ_OK;
}

static enum btz_err read_count(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                               const json_t *value)
{
    static const struct {
        const char *keyword;
        size_t at;
    } places[] = { { "minLength", offsetof(struct btz_schema_node, min_length) },
                   { "maxLength", offsetof(struct btz_schema_node, max_length) },
                   { "minItems", offsetof(struct btz_schema_node, min_items) },
                   { "maxItems", offsetof(struct btz_schema_node, max_items) },
                   { "minContains", offsetof(struct btz_schema_node, min_contains) },
                   { "maxContains", offsetof(struct btz_schema_node, max_contains) },
                   { "minProperties", offsetof(struct btz_schema_node, min_members) },
                   { "maxProperties", offsetof(struct btz_schema_node, max_members) } };
    double d = json_number_value(value);
    uint64_t count;

    (void)c;
    if (!json_is_number(value) || !btz_schema_is_integer(value) || d < 0)
        return wrong(keyword, "a whole number, 0 or more");
    count = d < 9007199254740992.0 ? (uint64_t)d : (uint64_t)1 << 53; /* no text is so long */
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        if (strcmp(keyword, places[i].keyword) == 0)
            memcpy((char *)n + places[i].at, &count, sizeof count);
    return BTZ_OK;
}

static enum btz_err read_unique(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                                const json_t *value)
{
    (void)c;
    if (!json_is_boolean(value))
        return wrong(keyword, "true or false");
    n->unique = json_is_true(value);
    return BTZ_OK;
}

static enum btz_err regex_of(struct compiler *c, const char *keyword, struct btz_slice text,
                             struct btz_regex **out)
{
    struct btz_schema *s = c->schema;
    enum btz_err err;

    if (s->regex_count == s->regex_room) {
        size_t room = s->regex_room ? s->regex_room * 2 : 8;
        struct btz_regex **grown = realloc(s->regexes, room * sizeof(struct btz_regex *));

        if (!grown)
            return no_memory();
        s->regexes = grown;
        s->regex_room = room;
    }
    err = btz_regex_new(text, out);
    if (err != BTZ_OK)
        return btz_fail_context(err, "schema: `%s`", keyword);
    s->regexes[s->regex_count++] = *out;
    return BTZ_OK;
}

static enum btz_err read_pattern(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                                 const json_t *value)
{
    if (!json_is_string(value))
        return wrong(keyword, "a pattern");
    n->pattern.text = json_string_value(value);
    return regex_of(c, keyword, btz_slice_of(json_string_value(value), json_string_length(value)),
                    &n->pattern.regex);
}

static enum btz_err read_patterns(struct compiler *c, struct btz_schema_node *n,
                                  const char *keyword, const json_t *value)
{
    const char *key;
    json_t *one;

    if (!json_is_object(value))
        return wrong(keyword, "an object with a schema for each pattern");
    n->patterns = room_for(c, json_object_size(value), sizeof *n->patterns);
    if (!n->patterns)
        return no_memory();
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    {
        struct btz_schema_pattern *p = &n->patterns[n->pattern_count++];

        p->text = key;
        BTZ_TRY(regex_of(c, keyword, btz_str(key), &p->regex));
        BTZ_TRY(node_of(c, keyword, one, &p->node));
    }
    return BTZ_OK;
}

static enum btz_err read_schema(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                                const json_t *value)
{
    static const struct {
        const char *keyword;
        size_t at;
    } places[] = { { "additionalProperties", offsetof(struct btz_schema_node, additional) },
                   { "propertyNames", offsetof(struct btz_schema_node, names) },
                   { "items", offsetof(struct btz_schema_node, items) },
                   { "contains", offsetof(struct btz_schema_node, contains) },
                   { "not", offsetof(struct btz_schema_node, negated) },
                   { "if", offsetof(struct btz_schema_node, condition) },
                   { "then", offsetof(struct btz_schema_node, then) },
                   { "else", offsetof(struct btz_schema_node, otherwise) } };
    const struct btz_schema_node *inner;

    BTZ_TRY(node_of(c, keyword, value, &inner));
    for (size_t i = 0; i < BTZ_COUNT(places); i++)
        if (strcmp(keyword, places[i].keyword) == 0)
            memcpy((char *)n + places[i].at, &inner, sizeof inner);
    return BTZ_OK;
}

/* Up to draft 2019-09 `items` is a list too, and `additionalItems` is what follows it. */
static enum btz_err read_items(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                               const json_t *value)
{
    const json_t *rest = json_object_get(n->json, "additionalItems");

    if (!json_is_array(value))
        return read_schema(c, n, keyword, value);
    if (c->draft == BTZ_DRAFT_2020)
        return wrong(keyword, "a schema (a list of them is `prefixItems`)");
    BTZ_TRY(list_of(c, keyword, value, &n->prefix));
    return rest ? node_of(c, "additionalItems", rest, &n->items) : BTZ_OK;
}

static enum btz_err read_list(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                              const json_t *value)
{
    struct btz_schema_list *list = strcmp(keyword, "allOf") == 0   ? &n->all
                                   : strcmp(keyword, "anyOf") == 0 ? &n->any
                                   : strcmp(keyword, "oneOf") == 0 ? &n->one
                                                                   : &n->prefix;

    if (list == &n->prefix && c->draft != BTZ_DRAFT_2020)
        return BTZ_OK;
    if (json_is_array(value) && json_array_size(value) == 0)
        return wrong(keyword, "at least one schema");
    return list_of(c, keyword, value, list);
}

static enum btz_err read_members(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                                 const json_t *value)
{
    n->members = value;
    return named_of(c, keyword, value, false, &n->properties);
}

static enum btz_err read_needs(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                               const json_t *value)
{
    const char *key;
    json_t *names;
    bool both = strcmp(keyword, "dependencies") == 0;

    if (both && c->draft == BTZ_DRAFT_2020)
        return btz_fail(BTZ_UNSUPPORTED, "schema: `dependencies` is no keyword of this draft: use "
                                         "`dependentRequired` or `dependentSchemas`");
    if (!json_is_object(value))
        return wrong(keyword, "an object with names for each member");
    n->needs = value;
    json_object_foreach((json_t *)(uintptr_t)value, key, names) if (!both || json_is_array(names))
        BTZ_TRY(all_texts(keyword, names));
    return both ? named_of(c, keyword, value, true, &n->dependents) : BTZ_OK;
}

static enum btz_err read_dependents(struct compiler *c, struct btz_schema_node *n,
                                    const char *keyword, const json_t *value)
{
    return named_of(c, keyword, value, false, &n->dependents);
}

static enum btz_err read_ref(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                             const json_t *value)
{
    const json_t *target;

    if (!json_is_string(value))
        return wrong(keyword, "a reference");
    BTZ_TRY(btz_schema_resolve(c->schema->json, json_string_value(value), &target));
    return node_of(c, keyword, target, &n->ref);
}

static enum btz_err refuse(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                           const json_t *value)
{
    /* Drafts 7 and 6 do not know it, and what allows everything asks for nothing. */
    if ((c->draft == BTZ_DRAFT_7 && keyword[0] == 'u') ||
        (keyword[0] == 'u' && json_is_true(value)))
        return BTZ_OK;
    if (strcmp(keyword, "additionalItems") == 0 && c->draft != BTZ_DRAFT_2020)
        return BTZ_OK;
    if (strcmp(keyword, "$id") == 0 &&
        (n->json == c->schema->json || !btz_schema_is_document(n->json)))
        return BTZ_OK;
    return btz_fail(BTZ_UNSUPPORTED, "schema: `%s`%s is not supported", keyword,
                    strcmp(keyword, "$id") == 0 ? " below the root" : "");
}

static const struct {
    const char *keyword;
    enum btz_err (*read)(struct compiler *c, struct btz_schema_node *n, const char *keyword,
                         const json_t *value);
} keywords[] = {
    { "type", read_type },
    { "properties", read_members },
    { "required", read_value },
    { "enum", read_value },
    { "const", read_value },
    { "items", read_items },
    { "additionalProperties", read_schema },
    { "$ref", read_ref },
    { "anyOf", read_list },
    { "allOf", read_list },
    { "oneOf", read_list },
    { "not", read_schema },
    { "if", read_schema },
    { "then", read_schema },
    { "else", read_schema },
    { "prefixItems", read_list },
    { "contains", read_schema },
    { "propertyNames", read_schema },
    { "patternProperties", read_patterns },
    { "dependentRequired", read_needs },
    { "dependentSchemas", read_dependents },
    { "dependencies", read_needs },
    { "minimum", read_number },
    { "maximum", read_number },
    { "exclusiveMinimum", read_number },
    { "exclusiveMaximum", read_number },
    { "multipleOf", read_number },
    { "minLength", read_count },
    { "maxLength", read_count },
    { "minItems", read_count },
    { "maxItems", read_count },
    { "minContains", read_count },
    { "maxContains", read_count },
    { "minProperties", read_count },
    { "maxProperties", read_count },
    { "pattern", read_pattern },
    { "uniqueItems", read_unique },
    { "unevaluatedProperties", refuse },
    { "unevaluatedItems", refuse },
    { "additionalItems", refuse },
    { "$dynamicRef", refuse },
    { "$recursiveRef", refuse },
    { "$id", refuse },
};

static enum btz_err compile_node(struct compiler *c, struct btz_schema_node *n)
{
    const json_t *ref = json_object_get(n->json, "$ref");

    /* Up to draft 7 what stands beside a reference counts for nothing. */
    if (ref && c->draft == BTZ_DRAFT_7)
        return read_ref(c, n, "$ref", ref);
    for (size_t i = 0; i < BTZ_COUNT(keywords); i++) {
        const json_t *value = json_object_get(n->json, keywords[i].keyword);

        if (value)
            BTZ_TRY(keywords[i].read(c, n, keywords[i].keyword, value));
    }
    return BTZ_OK;
}

/* ---- a schema --------------------------------------------------------------------------------------------------------- */

static enum btz_err draft_of(const json_t *root, enum btz_schema_draft *out)
{
    static const struct {
        const char *uri;
        enum btz_schema_draft draft;
    } drafts[] = { { "json-schema.org/draft/2020-12/schema", BTZ_DRAFT_2020 },
                   { "json-schema.org/draft/2019-09/schema", BTZ_DRAFT_2019 },
                   { "json-schema.org/draft-07/schema", BTZ_DRAFT_7 },
                   { "json-schema.org/draft-06/schema", BTZ_DRAFT_7 } };
    const json_t *named = json_object_get(root, "$schema");
    const char *uri = json_string_value(named);
    size_t n;

    *out = BTZ_DRAFT_2020;
    if (!named)
        return BTZ_OK;
    if (!uri)
        return wrong("$schema", "an address");
    uri += strncmp(uri, "https://", 8) == 0 ? 8 : strncmp(uri, "http://", 7) == 0 ? 7 : 0;
    n = strcspn(uri, "#");
    for (size_t i = 0; i < BTZ_COUNT(drafts); i++)
        if (strlen(drafts[i].uri) == n && memcmp(uri, drafts[i].uri, n) == 0) {
            *out = drafts[i].draft;
            return BTZ_OK;
        }
    return btz_fail(BTZ_UNSUPPORTED,
                    "schema: `$schema` names the draft `%.60s`: known are 2020-12, "
                    "2019-09, 7 and 6",
                    uri);
}

static enum btz_err compile_all(struct compiler *c)
{
    struct btz_schema *s = c->schema;

    c->always = new_node(c, NULL);
    c->never = new_node(c, NULL);
    if (!c->always || !c->never)
        return no_memory();
    c->never->never = true;
    BTZ_TRY(draft_of(s->json, &c->draft));
    BTZ_TRY(node_of(c, "schema", s->json, &s->root));
    for (; c->done < c->count; c->done++)
        BTZ_TRY(compile_node(c, c->queue[c->done]));
    return BTZ_OK;
}

enum btz_err btz_schema_new(json_t *root, struct btz_schema **out)
{
    struct btz_schema *s = calloc(1, sizeof *s);
    struct compiler c = { .schema = s };
    enum btz_err err;

    if (!s)
        return no_memory();
    btz_arena_init(&s->arena, ARENA_BYTES);
    s->json = json_incref(root);
    err = compile_all(&c);
    free(c.queue);
    free(c.table);
    if (err != BTZ_OK) {
        btz_schema_free(s);
        return err;
    }
    *out = s;
    return BTZ_OK;
}

enum btz_err btz_schema_parse(struct btz_slice text, const char *what, struct btz_schema **out)
{
    BTZ_JSON json_t *root = NULL;

    BTZ_TRY(btz_json_parse(text, BTZ_SCHEMA_BYTES_MAX, what, &root));
    return btz_schema_new(root, out);
}

void btz_schema_free(struct btz_schema *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->regex_count; i++)
        btz_regex_free(s->regexes[i]);
    free(s->regexes);
    btz_arena_release(&s->arena);
    json_decref(s->json);
    free(s);
}
