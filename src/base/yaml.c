#include "base/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#define TEXT_MAX  (16u << 20)
#define DEPTH_MAX 64
#define NODES_MAX 200000

/* A list or map whose end has not come yet. */
struct open_node {
    struct btz_yaml *node;
    struct btz_yaml **tail; /* where the next child hangs */
    size_t count;
    const char *key; /* of the value that comes next, NULL: a key comes next */
    unsigned key_line;
};

struct build {
    const char *name;
    struct btz_slice text;
    struct btz_arena *arena;
    yaml_parser_t *parser;
    struct btz_yaml *root;
    struct open_node open[DEPTH_MAX];
    size_t depth, nodes;
};

static unsigned line_of(yaml_mark_t mark)
{
    return mark.line < UINT32_MAX ? (unsigned)mark.line + 1 : UINT32_MAX;
}

/* "name:line:column: text", both from 1. */
static enum btz_err fail_at(const struct build *b, enum btz_err err, yaml_mark_t mark,
                            const char *text)
{
    return btz_fail(err, "%s:%zu:%zu: %s", b->name, mark.line + 1, mark.column + 1, text);
}

/* The reader of libyaml knows only a byte offset. */
static yaml_mark_t mark_of_offset(struct btz_slice text, size_t offset)
{
    yaml_mark_t mark = { 0 };

    for (size_t i = 0; i < offset && i < text.len; i++) {
        mark.column++;
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* libyaml counts characters, not bytes: line by line, then character by character. */
static bool is_tab_at(struct btz_slice text, yaml_mark_t mark)
{
    size_t at = 0;
    uint32_t c = 0;

    for (size_t line = 0; line < mark.line && at < text.len; line++) {
        at = btz_slice_find(text, btz_str("\n"), at);
        if (at == SIZE_MAX)
            return false;
        at++;
    }
    for (size_t column = 0; column <= mark.column; column++)
        if (!btz_utf8_next(text, &at, &c))
            return false;
    return c == '\t';
}

static enum btz_err fail_syntax(const struct build *b)
{
    const yaml_parser_t *p = b->parser;

    if (p->error == YAML_MEMORY_ERROR)
        return btz_fail(BTZ_LIMIT, "%s: out of memory", b->name);
    if (p->error == YAML_READER_ERROR) {
        yaml_mark_t mark = mark_of_offset(b->text, p->problem_offset);

        return btz_fail(BTZ_INPUT, "%s:%zu:%zu: not text in UTF-8: %s", b->name, mark.line + 1,
                        mark.column + 1, p->problem);
    }
    if (is_tab_at(b->text, p->problem_mark))
        return fail_at(b, BTZ_INPUT, p->problem_mark,
                       "found a tab where only spaces may indent; replace it by spaces");
    if (p->context && p->context_mark.line != p->problem_mark.line)
        return btz_fail(BTZ_INPUT, "%s:%zu:%zu: not YAML: %s, %s that begins on line %zu", b->name,
                        p->problem_mark.line + 1, p->problem_mark.column + 1, p->problem,
                        p->context, p->context_mark.line + 1);
    return btz_fail(BTZ_INPUT, "%s:%zu:%zu: not YAML: %s", b->name, p->problem_mark.line + 1,
                    p->problem_mark.column + 1, p->problem ? p->problem : "unknown error");
}

/* Anchors make aliases, aliases make a small file large; tags ask for types we do not have. */
static enum btz_err refuse_extras(const struct build *b, const yaml_char_t *anchor,
                                  const yaml_char_t *tag, yaml_mark_t mark)
{
    if (anchor)
        return fail_at(b, BTZ_INPUT, mark, "anchors (&name) are not supported; repeat the text");
    if (tag)
        return fail_at(b, BTZ_INPUT, mark, "tags (!name) are not supported; remove it");
    return BTZ_OK;
}

/* Hangs a node where the document stands. */
static enum btz_err place(struct build *b, struct btz_yaml *node, yaml_mark_t mark)
{
    struct open_node *parent = b->depth ? &b->open[b->depth - 1] : NULL;

    if (++b->nodes > NODES_MAX)
        return btz_fail(BTZ_LIMIT, "%s:%zu:%zu: more than %d values", b->name, mark.line + 1,
                        mark.column + 1, NODES_MAX);
    node->line = line_of(mark);
    if (!parent) {
        b->root = node;
        return BTZ_OK;
    }
    if (parent->node->kind == BTZ_YAML_MAP) {
        node->key = parent->key;
        node->key_line = parent->key_line;
        parent->key = NULL;
    }
    parent->count++;
    *parent->tail = node;
    parent->tail = &node->next;
    return BTZ_OK;
}

static bool key_comes_next(const struct build *b)
{
    const struct open_node *parent = b->depth ? &b->open[b->depth - 1] : NULL;

    return parent && parent->node->kind == BTZ_YAML_MAP && !parent->key;
}

static enum btz_err add_scalar(struct build *b, const yaml_event_t *e)
{
    struct btz_slice text = btz_slice_of(e->data.scalar.value, e->data.scalar.length);
    yaml_mark_t mark = e->start_mark;
    struct btz_yaml *node;
    const char *copy;

    BTZ_TRY(refuse_extras(b, e->data.scalar.anchor, e->data.scalar.tag, mark));
    if (text.len > 0 && memchr(text.ptr, 0, text.len))
        return fail_at(b, BTZ_INPUT, mark, "text with a NUL character");
    copy = btz_arena_str(b->arena, text);
    if (!copy)
        return BTZ_LIMIT;
    if (key_comes_next(b)) {
        b->open[b->depth - 1].key = copy;
        b->open[b->depth - 1].key_line = line_of(mark);
        return BTZ_OK;
    }
    node = btz_arena_alloc(b->arena, sizeof *node);
    if (!node)
        return BTZ_LIMIT;
    node->kind = BTZ_YAML_SCALAR;
    node->text = copy;
    node->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return place(b, node, mark);
}

static enum btz_err open_container(struct build *b, enum btz_yaml_kind kind, yaml_mark_t mark)
{
    struct btz_yaml *node;

    if (key_comes_next(b))
        return fail_at(b, BTZ_INPUT, mark, "a key must be plain text, not a list or a map");
    if (b->depth == DEPTH_MAX)
        return btz_fail(BTZ_LIMIT, "%s:%zu:%zu: nested deeper than %d levels", b->name,
                        mark.line + 1, mark.column + 1, DEPTH_MAX);
    node = btz_arena_alloc(b->arena, sizeof *node);
    if (!node)
        return BTZ_LIMIT;
    node->kind = kind;
    BTZ_TRY(place(b, node, mark));
    b->open[b->depth++] = (struct open_node){ .node = node, .tail = &node->first };
    return BTZ_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct btz_yaml *x = *(const struct btz_yaml *const *)a;
    const struct btz_yaml *y = *(const struct btz_yaml *const *)b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->key_line > y->key_line) - (x->key_line < y->key_line);
}

/* Sorted once per map, so that a hostile map of many keys costs no square. */
static enum btz_err refuse_duplicates(const struct build *b, const struct open_node *map)
{
    BTZ_FREE const struct btz_yaml **keys = NULL;
    size_t n = 0;

    if (map->count < 2)
        return BTZ_OK;
    keys = calloc(map->count, sizeof *keys);
    if (!keys)
        return btz_fail(BTZ_LIMIT, "%s: out of memory", b->name);
    for (const struct btz_yaml *child = map->node->first; child; child = child->next)
        keys[n++] = child;
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(keys[i - 1]->key, keys[i]->key) == 0)
            return btz_fail(BTZ_INPUT, "%s:%u: key `%.64s` stands twice, first on line %u", b->name,
                            keys[i]->key_line, keys[i]->key, keys[i - 1]->key_line);
    return BTZ_OK;
}

static enum btz_err close_container(struct build *b)
{
    const struct open_node *closed = &b->open[--b->depth];

    return closed->node->kind == BTZ_YAML_MAP ? refuse_duplicates(b, closed) : BTZ_OK;
}

static enum btz_err handle(struct build *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->root)
            return fail_at(b, BTZ_INPUT, e->start_mark,
                           "a second document begins; one file holds one");
        return BTZ_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(b, BTZ_INPUT, e->start_mark,
                       "aliases (*name) are not supported; repeat the text, or quote a value that "
                       "begins with *");
    case YAML_SCALAR_EVENT:
        return add_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        BTZ_TRY(refuse_extras(b, e->data.sequence_start.anchor, e->data.sequence_start.tag,
                              e->start_mark));
        return open_container(b, BTZ_YAML_LIST, e->start_mark);
    case YAML_MAPPING_START_EVENT:
        BTZ_TRY(refuse_extras(b, e->data.mapping_start.anchor, e->data.mapping_start.tag,
                              e->start_mark));
        return open_container(b, BTZ_YAML_MAP, e->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_container(b);
    default:
        return BTZ_OK;
    }
}

static enum btz_err read_events(struct build *b)
{
    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        enum btz_err err;

        if (!yaml_parser_parse(b->parser, &event))
            return fail_syntax(b);
        type = event.type;
        err = handle(b, &event);
        yaml_event_delete(&event);
        if (err != BTZ_OK || type == YAML_STREAM_END_EVENT)
            return err;
    }
}

/* A document that says nothing: no document at all, or one empty scalar. */
static bool is_empty(const struct btz_yaml *root)
{
    return !root || (root->kind == BTZ_YAML_SCALAR && root->plain && root->text[0] == '\0');
}

enum btz_err btz_yaml_parse(struct btz_slice text, const char *name, struct btz_arena *arena,
                            const struct btz_yaml **out)
{
    yaml_parser_t parser;
    struct build b = { .name = name, .text = text, .arena = arena, .parser = &parser };
    struct btz_yaml *empty;
    enum btz_err err;

    if (text.len > TEXT_MAX)
        return btz_fail(BTZ_LIMIT, "%s: larger than %u bytes", name, TEXT_MAX);
    if (!yaml_parser_initialize(&parser))
        return btz_fail(BTZ_LIMIT, "%s: out of memory", name);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
    err = read_events(&b);
    yaml_parser_delete(&parser);
    if (err != BTZ_OK)
        return err;
    if (!is_empty(b.root)) {
        *out = b.root;
        return BTZ_OK;
    }
    empty = btz_arena_alloc(arena, sizeof *empty);
    if (!empty)
        return BTZ_LIMIT;
    empty->kind = BTZ_YAML_MAP;
    empty->line = 1;
    *out = empty;
    return BTZ_OK;
}

const struct btz_yaml *btz_yaml_get(const struct btz_yaml *map, const char *key)
{
    if (map && map->kind == BTZ_YAML_MAP)
        for (const struct btz_yaml *child = map->first; child; child = child->next)
            if (strcmp(child->key, key) == 0)
                return child;
    return NULL;
}
