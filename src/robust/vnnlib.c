/* VNN-LIB: declarations and assertions in the syntax of SMT-LIB. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "robust/vnnlib.h"

#define VARIABLES_MAX 10000000
#define OUTPUTS_MAX   100000
#define DEPTH_MAX     64
#define CASES_MAX     100000
#define LIMITS_MAX    1000000 /* coefficients of all limits together: outputs each */

/* A linear expression: at most one input, any outputs. */
struct sum {
    double constant, *outputs; /* NULL: none */
    double input_factor;
    size_t input;
    bool has_input;
};

/* Alternatives, each a list of limits. */
struct limit {
    struct btz_property_limit is;
    struct limit *next;
};
struct way {
    struct limit *limits;
    struct way *next;
};

struct parser {
    struct btz_slice in;
    size_t at;
    unsigned line;
    const char *what;
    struct btz_arena *arena;
    double *low, *high;
    size_t inputs, outputs, room, made;
    bool asserted; /* declarations are over */
};

#define parse_fail(p, err, ...) (btz_error_set(__VA_ARGS__), fail_at((p), (err)))
static enum btz_err fail_at(const struct parser *p, enum btz_err err)
{
    return btz_fail_context(err, "%s:%u", p->what, p->line);
}

static void skip(struct parser *p)
{
    while (p->at < p->in.len) {
        uint8_t c = p->in.ptr[p->at];

        if (c == ';')
            while (p->at < p->in.len && p->in.ptr[p->at] != '\n')
                p->at++;
        else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            p->line += c == '\n';
            p->at++;
        } else
            break;
    }
}

/* "(", ")" or a word; an empty one at the end. */
static struct btz_slice token(struct parser *p)
{
    size_t from;

    skip(p);
    from = p->at;
    if (p->at < p->in.len && (p->in.ptr[p->at] == '(' || p->in.ptr[p->at] == ')')) {
        p->at++;
        return btz_slice_sub(p->in, from, 1);
    }
    while (p->at < p->in.len && !memchr("() \t\r\n;", p->in.ptr[p->at], 7))
        p->at++;
    return btz_slice_sub(p->in, from, p->at - from);
}

static struct btz_slice peek(struct parser *p)
{
    struct parser copy = *p;

    return token(&copy);
}

static enum btz_err expect(struct parser *p, const char *text)
{
    struct btz_slice t = token(p);

    if (btz_slice_is(t, text))
        return BTZ_OK;
    return parse_fail(p, BTZ_INPUT, "expected \"%s\", found \"%.*s\"", text,
                      BTZ_SLICE_ARG(btz_slice_sub(t, 0, 40)));
}

/* X_3 or Y_3. */
static bool variable(struct btz_slice t, char *kind, uint64_t *index)
{
    if (t.len < 3 || (t.ptr[0] != 'X' && t.ptr[0] != 'Y') || t.ptr[1] != '_')
        return false;
    *kind = (char)t.ptr[0];
    return btz_parse_u64(btz_slice_sub(t, 2, t.len), index) == BTZ_OK;
}

/* ---- declarations ------------------------------------------------------------------------------------------------------- */

static enum btz_err more_inputs(struct parser *p)
{
    size_t room = p->room ? p->room * 2 : 1024;
    double *low = btz_arena_array(p->arena, room, sizeof *low);
    double *high = btz_arena_array(p->arena, room, sizeof *high);

    if (!low || !high)
        return BTZ_LIMIT;
    if (p->inputs) {
        memcpy(low, p->low, p->inputs * sizeof *low);
        memcpy(high, p->high, p->inputs * sizeof *high);
    }
    p->low = low, p->high = high, p->room = room;
    return BTZ_OK;
}

/* (declare-const X_0 Real) or (declare-fun X_0 () Real), behind the first word. In order, without gaps. */
static enum btz_err declare(struct parser *p, bool fun)
{
    struct btz_slice name = token(p);
    uint64_t index;
    char kind;

    if (!variable(name, &kind, &index))
        return parse_fail(p, BTZ_INPUT, "expected X_i or Y_i, found \"%.*s\"",
                          BTZ_SLICE_ARG(btz_slice_sub(name, 0, 40)));
    if (p->asserted)
        return parse_fail(p, BTZ_UNSUPPORTED, "a declaration behind an assertion");
    if (index != (kind == 'X' ? p->inputs : p->outputs))
        return parse_fail(p, BTZ_INPUT, "%.*s is declared out of order", BTZ_SLICE_ARG(name));
    if (index >= (kind == 'X' ? VARIABLES_MAX : OUTPUTS_MAX))
        return parse_fail(p, BTZ_LIMIT, "more than %" PRIu64 " variables", index);
    if (fun) {
        BTZ_TRY(expect(p, "("));
        BTZ_TRY(expect(p, ")"));
    }
    BTZ_TRY(expect(p, "Real"));
    if (kind == 'Y') {
        p->outputs++;
        return expect(p, ")");
    }
    if (p->inputs == p->room)
        BTZ_TRY(more_inputs(p));
    p->low[p->inputs] = -INFINITY;
    p->high[p->inputs] = INFINITY;
    p->inputs++;
    return expect(p, ")");
}

/* ---- expressions -------------------------------------------------------------------------------------------------------- */

static enum btz_err need_outputs(struct parser *p, struct sum *s)
{
    if (s->outputs)
        return BTZ_OK;
    p->made++;
    if (p->made > LIMITS_MAX || p->made * p->outputs > 64 * (size_t)LIMITS_MAX)
        return parse_fail(p, BTZ_LIMIT, "too many terms");
    s->outputs = btz_arena_array(p->arena, p->outputs, sizeof *s->outputs);
    return s->outputs ? BTZ_OK : BTZ_LIMIT;
}

/* a += factor * b */
static enum btz_err add(struct parser *p, struct sum *a, const struct sum *b, double factor)
{
    a->constant += factor * b->constant;
    if (b->has_input) {
        if (a->has_input && a->input != b->input)
            return parse_fail(p, BTZ_UNSUPPORTED, "a condition on several inputs at once");
        a->has_input = true;
        a->input = b->input;
        a->input_factor += factor * b->input_factor;
    }
    if (b->outputs) {
        BTZ_TRY(need_outputs(p, a));
        for (size_t i = 0; i < p->outputs; i++)
            a->outputs[i] += factor * b->outputs[i];
    }
    return BTZ_OK;
}

static enum btz_err word(struct parser *p, struct btz_slice t, struct sum *out)
{
    uint64_t index;
    char kind;

    if (btz_parse_double(t, &out->constant) == BTZ_OK)
        return BTZ_OK;
    if (!variable(t, &kind, &index) || index >= (kind == 'X' ? p->inputs : p->outputs))
        return parse_fail(p, BTZ_INPUT, "expected a number or a declared variable, found \"%.*s\"",
                          BTZ_SLICE_ARG(btz_slice_sub(t, 0, 40)));
    if (kind == 'X') {
        out->has_input = true;
        out->input = index;
        out->input_factor = 1;
        return BTZ_OK;
    }
    BTZ_TRY(need_outputs(p, out));
    out->outputs[index] = 1;
    return BTZ_OK;
}

static enum btz_err expression(struct parser *p, unsigned depth, struct sum *out);

/* (+ a b ...), (- a), (- a b ...), (* a b): behind the operator. */
static enum btz_err combined(struct parser *p, unsigned depth, char op, struct sum *out)
{
    size_t count = 0;

    while (!btz_slice_is(peek(p), ")")) {
        struct sum s = { 0 };

        BTZ_TRY(expression(p, depth, &s));
        count++;
        if (op == '*' && count > 1) {
            bool left = out->has_input || out->outputs, right = s.has_input || s.outputs;
            struct sum product = { 0 };

            if (left && right)
                return parse_fail(p, BTZ_UNSUPPORTED, "a product of variables");
            BTZ_TRY(add(p, &product, left ? out : &s, left ? s.constant : out->constant));
            *out = product;
        } else
            BTZ_TRY(
                add(p, out, &s, op == '-' && (count > 1 || btz_slice_is(peek(p), ")")) ? -1 : 1));
    }
    if (count == 0)
        return parse_fail(p, BTZ_INPUT, "(%c) of nothing", op);
    return expect(p, ")");
}

static enum btz_err expression(struct parser *p, unsigned depth, struct sum *out)
{
    struct btz_slice t = token(p), op;

    if (depth > DEPTH_MAX)
        return parse_fail(p, BTZ_LIMIT, "more than %d levels", DEPTH_MAX);
    if (!btz_slice_is(t, "("))
        return word(p, t, out);
    op = token(p);
    if (op.len != 1 || !memchr("+-*", op.ptr[0], 3))
        return parse_fail(p, BTZ_UNSUPPORTED, "expected +, - or *, found \"%.*s\"",
                          BTZ_SLICE_ARG(btz_slice_sub(op, 0, 40)));
    return combined(p, depth + 1, (char)op.ptr[0], out);
}

/* ---- formulas ------------------------------------------------------------------------------------------------------------ */

static enum btz_err new_way(struct parser *p, struct limit *limits, struct way **out)
{
    *out = btz_arena_alloc(p->arena, sizeof **out);
    if (!*out)
        return BTZ_LIMIT;
    (*out)->limits = limits;
    return BTZ_OK;
}

/* Every way of a with every way of b. */
static enum btz_err cross(struct parser *p, struct way *a, struct way *b, struct way **out)
{
    struct way **tail = out;
    size_t count = 0;

    *out = NULL;
    for (; a; a = a->next)
        for (struct way *w = b; w; w = w->next) {
            struct limit *all = w->limits;

            if (++count > CASES_MAX)
                return parse_fail(p, BTZ_LIMIT, "more than %d cases", CASES_MAX);
            for (struct limit *l = a->limits; l; l = l->next) {
                struct limit *copy = btz_arena_alloc(p->arena, sizeof *copy);

                if (!copy)
                    return BTZ_LIMIT;
                copy->is = l->is;
                copy->next = all;
                all = copy;
            }
            BTZ_TRY(new_way(p, all, tail));
            tail = &(*tail)->next;
        }
    return BTZ_OK;
}

/* s <= 0: a bound of an input, or a limit. */
static enum btz_err atom(struct parser *p, const struct sum *s, bool choice, struct way **out)
{
    struct limit *l = NULL;

    if (s->has_input && s->input_factor != 0) {
        double bound = -s->constant / s->input_factor;

        if (s->outputs)
            return parse_fail(p, BTZ_UNSUPPORTED, "a condition on inputs and outputs at once");
        if (choice)
            return parse_fail(p, BTZ_UNSUPPORTED, "a choice between inputs");
        if (!isfinite(bound))
            return parse_fail(p, BTZ_INPUT, "bound of X_%zu is not finite", s->input);
        if (s->input_factor > 0)
            p->high[s->input] = fmin(p->high[s->input], bound);
        else
            p->low[s->input] = fmax(p->low[s->input], bound);
    } else {
        l = btz_arena_alloc(p->arena, sizeof *l);
        if (!l)
            return BTZ_LIMIT;
        l->is.coefficient =
            s->outputs ? s->outputs : btz_arena_array(p->arena, p->outputs, sizeof(double));
        l->is.bound = -s->constant;
        if (!l->is.coefficient)
            return BTZ_LIMIT;
    }
    return new_way(p, l, out);
}

static enum btz_err formula(struct parser *p, unsigned depth, bool choice, struct way **out);

static enum btz_err several(struct parser *p, unsigned depth, bool any, bool choice,
                            struct way **out)
{
    struct way *all = NULL, *tail = NULL;
    size_t count = 0, ways = 0;

    while (!btz_slice_is(peek(p), ")")) {
        struct way *w, *crossed;

        BTZ_TRY(formula(p, depth, choice || any, &w));
        if (count++ == 0)
            all = w;
        else if (any)
            tail->next = w;
        else {
            BTZ_TRY(cross(p, all, w, &crossed));
            all = crossed;
        }
        for (tail = any ? w : NULL; tail; tail = tail->next) {
            if (++ways > CASES_MAX)
                return parse_fail(p, BTZ_LIMIT, "more than %d cases", CASES_MAX);
            if (!tail->next)
                break;
        }
    }
    if (count == 0)
        return parse_fail(p, BTZ_INPUT, "(%s) of nothing", any ? "or" : "and");
    *out = all;
    return expect(p, ")");
}

static enum btz_err formula(struct parser *p, unsigned depth, bool choice, struct way **out)
{
    struct sum a = { 0 }, b = { 0 }, difference = { 0 };
    struct btz_slice op;
    bool less;

    if (depth > DEPTH_MAX)
        return parse_fail(p, BTZ_LIMIT, "more than %d levels", DEPTH_MAX);
    BTZ_TRY(expect(p, "("));
    op = token(p);
    if (btz_slice_is(op, "and") || btz_slice_is(op, "or"))
        return several(p, depth + 1, btz_slice_is(op, "or"), choice, out);
    less = btz_slice_is(op, "<=");
    if (!less && !btz_slice_is(op, ">="))
        return parse_fail(p, BTZ_UNSUPPORTED, "expected <=, >=, and, or; found \"%.*s\"",
                          BTZ_SLICE_ARG(btz_slice_sub(op, 0, 40)));
    BTZ_TRY(expression(p, depth + 1, &a));
    BTZ_TRY(expression(p, depth + 1, &b));
    BTZ_TRY(expect(p, ")"));
    BTZ_TRY(add(p, &difference, &a, less ? 1 : -1));
    BTZ_TRY(add(p, &difference, &b, less ? -1 : 1));
    return atom(p, &difference, choice, out);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static enum btz_err finish(const struct parser *p, const struct way *ways, struct btz_property *out)
{
    struct btz_property_case *cases;
    size_t count = 0;

    if (p->inputs == 0 || p->outputs == 0)
        return btz_fail(BTZ_INPUT, "%s: no inputs X_i or no outputs Y_i", p->what);
    for (size_t i = 0; i < p->inputs; i++)
        if (!isfinite(p->low[i]) || !isfinite(p->high[i]) || p->low[i] > p->high[i])
            return btz_fail(BTZ_INPUT, "%s: X_%zu %s", p->what, i,
                            p->low[i] > p->high[i] ? "has no value between its bounds"
                                                   : "has no two bounds");
    for (const struct way *w = ways; w; w = w->next)
        count++;
    cases = btz_arena_array(p->arena, count, sizeof *cases);
    if (!cases)
        return BTZ_LIMIT;
    *out = (struct btz_property){ p->inputs, p->outputs, p->low, p->high, cases, 0 };
    for (const struct way *w = ways; w; w = w->next) {
        struct btz_property_limit *limits;
        size_t n = 0;

        for (const struct limit *l = w->limits; l; l = l->next)
            n++;
        limits = btz_arena_array(p->arena, n ? n : 1, sizeof *limits);
        if (!limits)
            return BTZ_LIMIT;
        n = 0;
        for (const struct limit *l = w->limits; l; l = l->next)
            limits[n++] = l->is;
        cases[out->count++] = (struct btz_property_case){ limits, n };
    }
    return BTZ_OK;
}

enum btz_err btz_vnnlib_parse(struct btz_slice text, const char *what, struct btz_arena *arena,
                              struct btz_property *out)
{
    struct parser p = { .in = text, .line = 1, .what = what, .arena = arena };
    struct way *all, *one, *crossed;

    BTZ_TRY(new_way(&p, NULL, &all));
    for (;;) {
        struct btz_slice t = token(&p);

        if (t.len == 0)
            return finish(&p, all, out);
        if (!btz_slice_is(t, "("))
            return parse_fail(&p, BTZ_INPUT, "expected \"(\", found \"%.*s\"",
                              BTZ_SLICE_ARG(btz_slice_sub(t, 0, 40)));
        t = token(&p);
        if (btz_slice_is(t, "declare-const") || btz_slice_is(t, "declare-fun")) {
            BTZ_TRY(declare(&p, btz_slice_is(t, "declare-fun")));
            continue;
        }
        if (!btz_slice_is(t, "assert"))
            return parse_fail(&p, BTZ_UNSUPPORTED,
                              "expected declare-const, declare-fun or assert, found \"%.*s\"",
                              BTZ_SLICE_ARG(btz_slice_sub(t, 0, 40)));
        p.asserted = true;
        BTZ_TRY(formula(&p, 0, false, &one));
        BTZ_TRY(expect(&p, ")"));
        if (!one->next && !one->limits) /* a bound of an input */
            continue;
        BTZ_TRY(cross(&p, all, one, &crossed));
        all = crossed;
    }
}

double btz_property_margin(const struct btz_property *p, size_t i, const double *y)
{
    double most = -DBL_MAX;

    for (size_t k = 0; k < p->cases[i].count; k++) {
        double sum = -p->cases[i].limits[k].bound;

        for (size_t j = 0; j < p->outputs; j++)
            sum += p->cases[i].limits[k].coefficient[j] * y[j];
        most = sum > most ? sum : most;
    }
    return most;
}
