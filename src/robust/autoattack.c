/*
 * The sequences of AutoAttack: fra31/auto-attack:autoattack/autoattack.py at a392200.
 */
#include <math.h>
#include <string.h>

#include "robust/evaluate.h"

static const char *const names[] = { "standard", "plus", "rand" };

bool btz_autoattack_parse(const char *text, enum btz_autoattack *out)
{
    for (size_t i = 0; i < BTZ_COUNT(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum btz_autoattack)i;
            return true;
        }
    return false;
}

struct entry {
    const char *id;
    int restarts, targets, eot; /* 0: the default */
};

static const struct entry standard[] = { { "apgd-ce", 1, 0, 1 },
                                         { "apgd-t", 1, 9, 1 },
                                         { "fab-t", 1, 9, 0 },
                                         { "square", 1, 0, 0 },
                                         { 0 } };
static const struct entry standard_l1[] = { { "apgd-ce", 5, 0, 1 },
                                            { "apgd-t", 1, 5, 1 },
                                            { "fab-t", 1, 9, 0 },
                                            { "square", 1, 0, 0 },
                                            { 0 } };
static const struct entry plus[] = { { "apgd-ce", 5, 0, 1 },
                                     { "apgd-dlr", 5, 0, 1 },
                                     { "fab", 5, 0, 0 },
                                     { "square", 1, 0, 0 },
                                     { "apgd-t", 1, 9, 1 },
                                     { "fab-t", 1, 9, 0 },
                                     { 0 } };
static const struct entry rand_[] = { { "apgd-ce", 1, 0, 20 }, { "apgd-dlr", 1, 0, 20 }, { 0 } };

static void set(struct btz_evaluate_attack *a, const char *name, double value)
{
    size_t at = btz_attack_param_find(a->attack, name);

    if (at != SIZE_MAX && value > 0)
        a->param[at] = value;
}

enum btz_err btz_autoattack_list(enum btz_autoattack version, enum btz_norm norm, size_t classes,
                                 struct btz_evaluate_attack out[BTZ_AUTOATTACK_MAX], size_t *count)
{
    const struct entry *list = version == BTZ_AUTOATTACK_PLUS   ? plus
                               : version == BTZ_AUTOATTACK_RAND ? rand_
                               : norm == BTZ_NORM_L1            ? standard_l1
                                                                : standard;
    size_t n = 0;

    if (norm != BTZ_NORM_LINF && norm != BTZ_NORM_L2 && norm != BTZ_NORM_L1)
        return btz_fail(BTZ_UNSUPPORTED, "AutoAttack is for linf, l2 and l1, not for %s",
                        btz_norm_name(norm));
    for (; list->id; list++) {
        struct btz_evaluate_attack *a = &out[n++];

        a->attack = btz_attack_find(list->id);
        if (!a->attack)
            return btz_fail(BTZ_INTERNAL, "no attack %s", list->id);
        btz_attack_defaults(a->attack, a->param);
        set(a, "restarts", list->restarts);
        set(a, "targets", fmin(list->targets, (double)classes - 1));
        set(a, "eot", list->eot);
        set(a, "large-eps", norm == BTZ_NORM_L1 && version == BTZ_AUTOATTACK_STANDARD);
    }
    *count = n;
    return BTZ_OK;
}
