/* Routes: templates of the operations, compared segment by segment. */
#include <stdlib.h>

#include "watch/api/api.h"

#define ROUTES_MAX 512

struct part {
    struct btz_slice text; /* of a word, or the name of a parameter; borrowed from the template */
    bool param;
};
struct route {
    const struct btz_operation *op;
    struct part parts[BTZ_API_SEGMENTS];
    size_t count;
    unsigned weight; /* more for words at the front: the closest route is tried first */
};
struct btz_api_router {
    size_t count;
    struct route routes[];
};

static const char *field_name(const struct btz_operation *op, struct btz_slice param)
{
    for (size_t k = 0; k < op->field_count; k++)
        if (op->fields[k].place == BTZ_IN_PATH && btz_slice_is(param, op->fields[k].name))
            return op->fields[k].name;
    return NULL;
}

static enum btz_err parse_template(const struct btz_operation *op, struct route *r)
{
    struct btz_slice path = btz_str(op->path);
    size_t at = 1;

    *r = (struct route){ .op = op };
    if (path.len < 2 || path.ptr[0] != '/')
        return btz_fail(BTZ_INTERNAL, "%s: path \"%s\"", op->id, op->path);
    while (at <= path.len) {
        size_t end = btz_slice_find(path, btz_str("/"), at);
        struct btz_slice s;
        struct part *part;

        if (end == SIZE_MAX)
            end = path.len;
        s = btz_slice_sub(path, at, end - at);
        at = end + 1;
        if (s.len == 0 || r->count == BTZ_API_SEGMENTS)
            return btz_fail(BTZ_INTERNAL, "%s: path \"%s\"", op->id, op->path);
        part = &r->parts[r->count++];
        part->param = s.ptr[0] == '{';
        if (part->param && (s.len < 3 || s.ptr[s.len - 1] != '}'))
            return btz_fail(BTZ_INTERNAL, "%s: path \"%s\"", op->id, op->path);
        part->text = part->param ? btz_slice_sub(s, 1, s.len - 2) : s;
        if (part->param && !field_name(op, part->text))
            return btz_fail(BTZ_INTERNAL, "%s: no field for {%.*s} of its path", op->id,
                            BTZ_SLICE_ARG(part->text));
        r->weight = r->weight << 1 | (part->param ? 0u : 1u);
    }
    return BTZ_OK;
}

static int by_weight(const void *a, const void *b)
{
    const struct route *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

static bool is_same_place(const struct route *a, const struct route *b)
{
    if (a->count != b->count || strcmp(a->op->method, b->op->method) != 0)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->parts[i].param != b->parts[i].param ||
            (!a->parts[i].param && !btz_slice_equal(a->parts[i].text, b->parts[i].text)))
            return false;
    return true;
}

static enum btz_err check_places(const struct btz_api_router *r)
{
    for (size_t i = 0; i < r->count; i++)
        for (size_t j = 0; j < i; j++)
            if (is_same_place(&r->routes[i], &r->routes[j]))
                return btz_fail(BTZ_INTERNAL, "%s and %s are both at %s %s", r->routes[j].op->id,
                                r->routes[i].op->id, r->routes[i].op->method,
                                r->routes[i].op->path);
    return BTZ_OK;
}

enum btz_err btz_api_router_new(const struct btz_operation *const *operations,
                                struct btz_api_router **out)
{
    struct btz_api_router *r;
    enum btz_err err = BTZ_OK;
    size_t count = 0;

    for (size_t i = 0; operations[i]; i++)
        count += operations[i]->path != NULL;
    if (count > ROUTES_MAX)
        return btz_fail(BTZ_INTERNAL, "more than %d routes", ROUTES_MAX);
    r = calloc(1, sizeof *r + count * sizeof *r->routes);
    if (!r)
        return btz_fail(BTZ_LIMIT, "out of memory for routes");
    for (size_t i = 0; operations[i] && err == BTZ_OK; i++)
        if (operations[i]->path)
            err = parse_template(operations[i], &r->routes[r->count++]);
    if (err == BTZ_OK)
        err = check_places(r);
    if (err != BTZ_OK) {
        free(r);
        return err;
    }
    qsort(r->routes, r->count, sizeof *r->routes, by_weight);
    *out = r;
    return BTZ_OK;
}

void btz_api_router_free(struct btz_api_router *r)
{
    free(r);
}

static bool fits(const struct route *r, const struct btz_api_target *t)
{
    if (r->count != t->segment_count)
        return false;
    for (size_t i = 0; i < r->count; i++) {
        if (r->parts[i].param ? t->segments[i][0] == '\0'
                              : !btz_slice_is(r->parts[i].text, t->segments[i]))
            return false;
    }
    return true;
}

static void take(const struct route *r, const struct btz_api_target *t, struct btz_api_match *out)
{
    out->op = r->op;
    for (size_t i = 0; i < r->count; i++)
        if (r->parts[i].param) {
            struct btz_api_pair *p = &out->params[out->param_count++];

            p->name = field_name(r->op, r->parts[i].text);
            p->value = t->segments[i];
        }
}

static void allow(struct btz_api_match *out, const char *method)
{
    size_t n = strlen(out->allow), len = strlen(method);

    for (const char *p = strstr(out->allow, method); p; p = strstr(p + 1, method))
        if ((p == out->allow || p[-1] == ' ') && (p[len] == '\0' || p[len] == ','))
            return;
    if (n + len + 3 <= sizeof out->allow)
        snprintf(out->allow + n, sizeof out->allow - n, "%s%s", n ? ", " : "", method);
}

enum btz_api_route btz_api_router_find(const struct btz_api_router *r, const char *method,
                                       const struct btz_api_target *target,
                                       struct btz_api_match *out)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    bool any = false;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < r->count; i++) {
        const struct route *route = &r->routes[i];

        if (!fits(route, target))
            continue;
        any = true;
        allow(out, route->op->method);
        if (strcmp(route->op->method, "GET") == 0)
            allow(out, "HEAD");
        if (!out->op && strcmp(route->op->method, wanted) == 0)
            take(route, target, out);
    }
    if (out->op)
        return BTZ_API_ROUTE_FOUND;
    return any ? BTZ_API_ROUTE_METHOD : BTZ_API_ROUTE_NONE;
}
