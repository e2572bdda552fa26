/*
 * Properties of networks as the verification competitions write them: a box of inputs and conditions on outputs. A property is
 * violated by an input in the box whose outputs fulfil one of the cases.
 *
 * Source: VNN-LIB 1.0 (vnnlib.org), the part without disjunctions over inputs.
 */
#ifndef BTZ_ROBUST_VNNLIB_H
#define BTZ_ROBUST_VNNLIB_H

#include "base/base.h"

struct btz_property_limit {    /* sum of coefficient * Y <= bound */
    const double *coefficient; /* one an output */
    double bound;
};
struct btz_property_case { /* all limits hold */
    const struct btz_property_limit *limits;
    size_t count;
};
struct btz_property {
    size_t inputs, outputs;
    const double *low, *high; /* of each input */
    const struct btz_property_case *cases;
    size_t count;
};
/*
 * Everything lives in the arena. Errors: INPUT (with the line), LIMIT, UNSUPPORTED (operators, products, disjunctions over
 * inputs).
 */
BTZ_CHECKED enum btz_err btz_vnnlib_parse(struct btz_slice text, const char *what,
                                          struct btz_arena *arena, struct btz_property *out);
/* How far outputs are from fulfilling a case: the largest of sum - bound; 0 and less: they do. */
double btz_property_margin(const struct btz_property *p, size_t i, const double *y);

#endif
