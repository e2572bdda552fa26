/* The list of layers, read from YAML by tables. */
#include <stdlib.h>

#include "base/yaml.h"
#include "graph/build.h"

#define LAYERS_MAX 10000
#define SIZE_LIMIT (1 << 20)

enum key_kind { SIZE, PAIR, FLAG, REAL, REALS, TEXT, LAYERS };
struct key {
    const char *name;
    enum key_kind kind;
    size_t offset, count_offset;
    double min, max;
};

#define AT(field) offsetof(struct btz_layer, field)
static const struct key keys[] = {
    { "bias", FLAG, AT(bias), 0, 0, 0 },
    { "dilation", PAIR, AT(dilation), 0, 1, SIZE_LIMIT },
    { "eps", REAL, AT(eps), 0, 1e-12, 1 },
    { "groups", SIZE, AT(groups), 0, 1, SIZE_LIMIT },
    { "kernel", PAIR, AT(kernel), 0, 1, SIZE_LIMIT },
    { "layers", LAYERS, AT(inner), 0, 0, 0 },
    { "mean", REALS, AT(mean), AT(mean_count), -1e6, 1e6 },
    { "momentum", REAL, AT(momentum), 0, 0, 1 },
    { "name", TEXT, AT(name), 0, 0, 0 },
    { "out", SIZE, AT(out), 0, 1, SIZE_LIMIT },
    { "p", REAL, AT(p), 0, 0, 0.999 },
    { "pad", PAIR, AT(pad), 0, 0, SIZE_LIMIT },
    { "shortcut", LAYERS, AT(shortcut), 0, 0, 0 },
    { "slope", REAL, AT(slope), 0, 0, 1 },
    { "std", REALS, AT(std), AT(std_count), 1e-9, 1e6 },
    { "stride", PAIR, AT(stride), 0, 1, SIZE_LIMIT },
};

static const struct kind {
    const char *name, *keys, *required; /* names between spaces */
} kinds[] = {
    [BTZ_LAYER_AVGPOOL] = { "avgpool", " kernel stride pad ", "kernel" },
    [BTZ_LAYER_BATCHNORM] = { "batchnorm", " eps momentum name ", NULL },
    [BTZ_LAYER_CONV] = { "conv", " out kernel stride pad dilation groups bias name ", "kernel" },
    [BTZ_LAYER_DROPOUT] = { "dropout", " p ", NULL },
    [BTZ_LAYER_FLATTEN] = { "flatten", " ", NULL },
    [BTZ_LAYER_GELU] = { "gelu", " ", NULL },
    [BTZ_LAYER_GLOBAL_AVGPOOL] = { "global-avgpool", " ", NULL },
    [BTZ_LAYER_LEAKY_RELU] = { "leaky-relu", " slope ", NULL },
    [BTZ_LAYER_LINEAR] = { "linear", " out bias name ", "out" },
    [BTZ_LAYER_MAXPOOL] = { "maxpool", " kernel stride pad ", "kernel" },
    [BTZ_LAYER_NORMALIZE] = { "normalize", " mean std ", "mean" },
    [BTZ_LAYER_RELU] = { "relu", " ", NULL },
    [BTZ_LAYER_RESIDUAL] = { "residual", " layers shortcut name ", "layers" },
    [BTZ_LAYER_SIGMOID] = { "sigmoid", " ", NULL },
    [BTZ_LAYER_SOFTMAX] = { "softmax", " ", NULL },
    [BTZ_LAYER_TANH] = { "tanh", " ", NULL },
};

struct parser {
    const char *file;
    struct btz_arena *arena;
    size_t layers;
};

const char *btz_layer_name(enum btz_layer_kind kind)
{
    return kinds[kind].name;
}

static enum btz_err layer_list(struct parser *p, const struct btz_yaml *list,
                               struct btz_layer **out);

static bool allows(const struct kind *k, const char *key)
{
    char spaced[40];

    snprintf(spaced, sizeof spaced, " %s ", key);
    return strstr(k->keys, spaced) != NULL;
}

static enum btz_err number(const struct parser *p, const struct btz_yaml *v, const struct key *k,
                           bool whole, double *out)
{
    if (v->kind != BTZ_YAML_SCALAR || btz_parse_double(btz_str(v->text), out) != BTZ_OK)
        return btz_fail(BTZ_INPUT, "%s:%u: %s is no number", p->file, v->line, k->name);
    if (*out < k->min || *out > k->max || (whole && *out != (double)(int64_t)*out))
        return btz_fail(BTZ_INPUT, "%s:%u: %s is %s, expected %s%g to %g", p->file, v->line,
                        k->name, v->text, whole ? "a whole number of " : "", k->min, k->max);
    return BTZ_OK;
}

/* One number for both axes, or a list of two. */
static enum btz_err pair(const struct parser *p, const struct btz_yaml *v, const struct key *k,
                         int64_t out[2])
{
    const struct btz_yaml *second = v;
    double a, b;

    if (v->kind == BTZ_YAML_LIST) {
        if (!v->first || !v->first->next || v->first->next->next)
            return btz_fail(BTZ_INPUT, "%s:%u: %s is one number or two", p->file, v->line, k->name);
        second = v->first->next;
        v = v->first;
    }
    BTZ_TRY(number(p, v, k, true, &a));
    BTZ_TRY(number(p, second, k, true, &b));
    out[0] = (int64_t)a, out[1] = (int64_t)b;
    return BTZ_OK;
}

static enum btz_err reals(const struct parser *p, const struct btz_yaml *v, const struct key *k,
                          double **out, size_t *count)
{
    const struct btz_yaml *first = v->kind == BTZ_YAML_LIST ? v->first : v;
    size_t n = 0;

    for (const struct btz_yaml *i = first; i; i = v->kind == BTZ_YAML_LIST ? i->next : NULL)
        n++;
    *out = btz_arena_array(p->arena, n + 1, sizeof **out);
    if (!*out)
        return BTZ_LIMIT;
    *count = 0;
    for (const struct btz_yaml *i = first; i; i = v->kind == BTZ_YAML_LIST ? i->next : NULL)
        BTZ_TRY(number(p, i, k, false, &(*out)[(*count)++]));
    return BTZ_OK;
}

static enum btz_err flag(const struct parser *p, const struct btz_yaml *v, const struct key *k,
                         bool *out)
{
    if (v->kind == BTZ_YAML_SCALAR && (!strcmp(v->text, "true") || !strcmp(v->text, "false"))) {
        *out = v->text[0] == 't';
        return BTZ_OK;
    }
    return btz_fail(BTZ_INPUT, "%s:%u: %s is true or false", p->file, v->line, k->name);
}

static enum btz_err text(const struct parser *p, const struct btz_yaml *v, const struct key *k,
                         const char **out)
{
    if (v->kind != BTZ_YAML_SCALAR || !*v->text || strlen(v->text) > 200)
        return btz_fail(BTZ_INPUT, "%s:%u: %s is no text", p->file, v->line, k->name);
    *out = v->text;
    return BTZ_OK;
}

static enum btz_err value(struct parser *p, const struct btz_yaml *v, const struct key *k,
                          struct btz_layer *layer)
{
    char *at = (char *)layer + k->offset;
    double d;

    switch (k->kind) {
    case SIZE:
        BTZ_TRY(number(p, v, k, true, &d));
        *(int64_t *)(void *)at = (int64_t)d;
        return BTZ_OK;
    case PAIR:
        return pair(p, v, k, (int64_t *)(void *)at);
    case FLAG:
        return flag(p, v, k, (bool *)at);
    case REAL:
        return number(p, v, k, false, (double *)(void *)at);
    case REALS:
        return reals(p, v, k, (double **)(void *)at,
                     (size_t *)(void *)((char *)layer + k->count_offset));
    case TEXT:
        return text(p, v, k, (const char **)(void *)at);
    case LAYERS:
        return layer_list(p, v, (struct btz_layer **)(void *)at);
    }
    return BTZ_INTERNAL;
}

static enum btz_err unknown_key(const struct parser *p, const struct btz_yaml *v,
                                const struct kind *kind)
{
    const char *names[BTZ_COUNT(keys)], *near;
    size_t count = 0;

    for (size_t i = 0; i < BTZ_COUNT(keys); i++)
        if (allows(kind, keys[i].name))
            names[count++] = keys[i].name;
    near = btz_nearest(v->key, names, count);
    return btz_fail(BTZ_INPUT, "%s:%u: unknown key `%s` in %s%s%s%s", p->file, v->key_line, v->key,
                    kind->name,
                    near    ? "; did you mean `"
                    : count ? "; it has"
                            : "; it has none",
                    near    ? near
                    : count ? kind->keys
                            : "",
                    near ? "`?" : "");
}

static enum btz_err read_keys(struct parser *p, const struct btz_yaml *map, struct btz_layer *layer)
{
    const struct kind *kind = &kinds[layer->kind];
    bool has_stride = false, has_out = false;

    for (const struct btz_yaml *v = map ? map->first : NULL; v; v = v->next) {
        const struct key *k = NULL;

        for (size_t i = 0; i < BTZ_COUNT(keys); i++)
            if (strcmp(keys[i].name, v->key) == 0 && allows(kind, v->key))
                k = &keys[i];
        if (!k)
            return unknown_key(p, v, kind);
        BTZ_TRY(value(p, v, k, layer));
        has_stride = has_stride || strcmp(v->key, "stride") == 0;
        has_out = has_out || strcmp(v->key, "out") == 0;
    }
    if (kind->required && !(map && btz_yaml_get(map, kind->required)))
        return btz_fail(BTZ_INPUT, "%s:%u: %s needs `%s`", p->file, layer->line, kind->name,
                        kind->required);
    if (layer->kind == BTZ_LAYER_CONV && !has_out)
        return btz_fail(BTZ_INPUT, "%s:%u: conv needs `out`", p->file, layer->line);
    if (!has_stride && (layer->kind == BTZ_LAYER_AVGPOOL || layer->kind == BTZ_LAYER_MAXPOOL))
        memcpy(layer->stride, layer->kernel, sizeof layer->stride);
    return BTZ_OK;
}

/* "relu", or a map of one key: the layer, with its keys or nothing. */
static enum btz_err layer(struct parser *p, const struct btz_yaml *node, struct btz_layer **out)
{
    const struct btz_yaml *map = NULL;
    const char *names[BTZ_COUNT(kinds)], *name = NULL, *near;
    struct btz_layer *l = btz_arena_alloc(p->arena, sizeof *l);
    size_t kind;

    if (!l)
        return BTZ_LIMIT;
    if (++p->layers > LAYERS_MAX)
        return btz_fail(BTZ_LIMIT, "%s:%u: more than %d layers", p->file, node->line, LAYERS_MAX);
    if (node->kind == BTZ_YAML_SCALAR)
        name = node->text;
    else if (node->kind == BTZ_YAML_MAP && node->first && !node->first->next) {
        name = node->first->key;
        map = node->first;
        if (map->kind == BTZ_YAML_SCALAR && !*map->text)
            map = NULL;
    }
    if (!name || (map && map->kind != BTZ_YAML_MAP))
        return btz_fail(BTZ_INPUT, "%s:%u: a layer is a name, or a name with a map of its keys",
                        p->file, node->line);
    for (kind = 0; kind < BTZ_COUNT(kinds) && strcmp(kinds[kind].name, name) != 0; kind++)
        names[kind] = kinds[kind].name;
    if (kind == BTZ_COUNT(kinds)) {
        near = btz_nearest(name, names, kind);
        return btz_fail(BTZ_INPUT, "%s:%u: no layer `%.60s`%s%s%s", p->file, node->line, name,
                        near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
    }
    *l = (struct btz_layer){ .kind = (enum btz_layer_kind)kind,
                             .line = node->line,
                             .groups = 1,
                             .stride = { 1, 1 },
                             .dilation = { 1, 1 },
                             .bias = true,
                             .p = 0.5,
                             .slope = 0.01,
                             .eps = 1e-5,
                             .momentum = 0.1 };
    BTZ_TRY(read_keys(p, map, l));
    *out = l;
    return BTZ_OK;
}

static enum btz_err layer_list(struct parser *p, const struct btz_yaml *list,
                               struct btz_layer **out)
{
    struct btz_layer **tail = out;

    if (list->kind != BTZ_YAML_LIST || !list->first)
        return btz_fail(BTZ_INPUT, "%s:%u: expected a list of layers", p->file, list->line);
    for (const struct btz_yaml *v = list->first; v; v = v->next) {
        BTZ_TRY(layer(p, v, tail));
        tail = &(*tail)->next;
    }
    return BTZ_OK;
}

static enum btz_err input_shape(const struct parser *p, const struct btz_yaml *v,
                                struct btz_shape *out)
{
    static const struct key size = { "input", SIZE, 0, 0, 1, SIZE_LIMIT };
    double d;

    for (const struct btz_yaml *i = v->kind == BTZ_YAML_LIST ? v->first : v; i;
         i = v->kind == BTZ_YAML_LIST ? i->next : NULL) {
        if (out->rank == 3)
            return btz_fail(BTZ_INPUT, "%s:%u: input has more than three axes", p->file, v->line);
        BTZ_TRY(number(p, i, &size, true, &d));
        out->dim[out->rank++] = (int64_t)d;
    }
    if (out->rank != 1 && out->rank != 3)
        return btz_fail(
            BTZ_INPUT, "%s:%u: input is [features] or [channels, height, width], without the batch",
            p->file, v->line);
    return BTZ_OK;
}

enum btz_err btz_arch_parse(struct btz_slice yaml, const char *name, struct btz_arena *arena,
                            struct btz_arch *out)
{
    static const char *const top[] = { "input", "layers" };
    struct parser p = { .file = name, .arena = arena };
    const struct btz_yaml *root, *input, *layers;

    *out = (struct btz_arch){ 0 };
    BTZ_TRY(btz_yaml_parse(yaml, name, arena, &root));
    if (root->kind != BTZ_YAML_MAP)
        return btz_fail(BTZ_INPUT, "%s: expected a map with `input` and `layers`", name);
    for (const struct btz_yaml *v = root->first; v; v = v->next)
        if (strcmp(v->key, top[0]) != 0 && strcmp(v->key, top[1]) != 0) {
            const char *near = btz_nearest(v->key, top, 2);

            return btz_fail(BTZ_INPUT, "%s:%u: unknown key `%.60s`%s%s%s", name, v->key_line,
                            v->key, near ? "; did you mean `" : "", near ? near : "",
                            near ? "`?" : "");
        }
    input = btz_yaml_get(root, "input");
    layers = btz_yaml_get(root, "layers");
    if (!input || !layers)
        return btz_fail(BTZ_INPUT, "%s: no `%s`", name, input ? "layers" : "input");
    BTZ_TRY(input_shape(&p, input, &out->input));
    return layer_list(&p, layers, &out->layers);
}
