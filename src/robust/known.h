/* Known answers for self-tests, beyond the models of robust.h. */
#ifndef BTZ_ROBUST_KNOWN_H
#define BTZ_ROBUST_KNOWN_H

#include "robust/robust.h"

/*
 * Runs the attack with its defaults on inputs of a linear model, whose distance to the boundary is
 * min over k of (z_y - z_k) / |w_y - w_k|_dual. What it finds must be misclassified, no nearer than that, and within
 * `factor` times it. INTERNAL otherwise.
 */
BTZ_CHECKED enum btz_err btz_known_linear(const struct btz_attack *attack, enum btz_norm norm,
                                          double factor);

#endif
