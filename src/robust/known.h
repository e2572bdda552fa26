/* Known answers for self-tests, beyond the models of robust.h. */
#ifndef BTZ_ROBUST_KNOWN_H
#define BTZ_ROBUST_KNOWN_H

#include "robust/robust.h"

/* btz_known_run with one parameter of the attack that is not its default; `param` NULL: all are. */
BTZ_CHECKED enum btz_err btz_known_run_with(const struct btz_attack *attack,
                                            const struct btz_model *m, enum btz_norm norm,
                                            double eps, size_t n, const float *x, const uint32_t *y,
                                            const char *param, double value, float *adv,
                                            bool *broken);

/*
 * Runs the attack with its defaults on inputs of a linear model, whose distance to class k is (z_y - z_k) / |w_y - w_k|_dual.
 * What it finds must be misclassified, no nearer than the nearest class, and within `factor` times that distance; of attacks by
 * labels, which follow the boundary of the class that they begin in, within `factor` times the distance to the class found.
 * INTERNAL otherwise.
 */
BTZ_CHECKED enum btz_err btz_known_linear(const struct btz_attack *attack, enum btz_norm norm,
                                          double factor);
/* The same with a parameter that is not the attack's default. */
BTZ_CHECKED enum btz_err btz_known_linear_with(const struct btz_attack *attack, enum btz_norm norm,
                                               const char *param, double value, double factor);

#endif
