/*
 * Reasons to doubt a figure. An evaluation that ends well may still be one whose gradients say nothing: Athalye et al.,
 * arXiv 1802.00420, section 3.1; Carlini et al., arXiv 1902.06705; the checks of fra31/auto-attack:autoattack/checks.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "robust/evaluating.h"
#include "robust/rows.h"

#define SIGN_SAMPLES 100

static const char *const names[BTZ_CHECK_COUNT] = {
    "random", "probabilities", "zero-gradient", "square", "classes",   "final",
    "scalar", "black-box",     "steps",         "eps",    "unbounded",
};

const char *btz_check_name(enum btz_check_id id)
{
    return names[id];
}

static void say(struct btz_evaluating *ev, enum btz_check_id id, enum btz_outcome outcome,
                double value, const char *fmt, ...) BTZ_PRINTF(5, 6);
static void say(struct btz_evaluating *ev, enum btz_check_id id, enum btz_outcome outcome,
                double value, const char *fmt, ...)
{
    struct btz_check *c = &ev->e->checks[id];
    va_list args;

    c->outcome = outcome;
    c->value = value;
    va_start(args, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, args);
    va_end(args);
}

static enum btz_outcome fails_if(bool bad)
{
    return bad ? BTZ_OUTCOME_FAIL : BTZ_OUTCOME_PASS;
}

/* ---- before the attacks ------------------------------------------------------------------------------------------------ */

static size_t correct(const struct btz_evaluating *ev, const float *scores)
{
    size_t count = 0;

    for (size_t i = 0; i < ev->few; i++)
        count += btz_argmax(scores + i * ev->e->classes, ev->e->classes) == ev->e->verdicts[i].y;
    return count;
}

static enum btz_err check_random(struct btz_evaluating *ev, struct btz_worker *w)
{
    size_t classes = ev->e->classes, right = correct(ev, ev->unit_scores);
    double most = 0;
    bool counts_differ = false;

    for (int k = 0; k < 4; k++) {
        BTZ_TRY(btz_worker_scores(w, w->x, ev->few, w->scores));
        counts_differ = counts_differ || correct(ev, w->scores) != right;
        for (size_t i = 0; i < ev->few; i++) {
            const float *a = w->scores + i * classes, *b = ev->unit_scores + i * classes;

            most = fmax(most, btz_norm_of(BTZ_NORM_L2, a, b, classes) /
                                  (sqrt(btz_inner(b, b, classes)) + 1e-10));
        }
    }
    say(ev, BTZ_CHECK_RANDOM, fails_if(counts_differ || most > 1e-4), most,
        counts_differ || most > 1e-4
            ? "the same inputs give other scores (%.2g relative): average gradients (rand)"
            : "five passes give the same scores (%.2g relative)",
        most);
    return BTZ_OK;
}

static void check_probabilities(struct btz_evaluating *ev)
{
    size_t classes = ev->e->classes;
    float low = INFINITY, high = -INFINITY;
    double off = 0;

    for (size_t i = 0; i < ev->few; i++) {
        double sum = 0;

        for (size_t k = 0; k < classes; k++) {
            float v = ev->unit_scores[i * classes + k];

            low = fminf(low, v);
            high = fmaxf(high, v);
            sum += (double)v;
        }
        off = fmax(off, fabs(sum - 1));
    }
    bool bad = ev->o->model && high < 1 + 1e-5F && low > -1e-5F && off < 1e-5;

    say(ev, BTZ_CHECK_PROBABILITIES, fails_if(bad), off,
        bad ? "scores are %.4g to %.4g and sum to 1: probabilities, whose gradients vanish"
            : "scores are %.4g to %.4g: not probabilities, or no gradients are taken of them",
        (double)low, (double)high);
}

static enum btz_err check_zero_gradient(struct btz_evaluating *ev, struct btz_worker *w)
{
    const struct btz_labels labels = { w->y, NULL };
    const struct btz_loss loss = { btz_loss_dlr, &labels };
    size_t n = ev->e->features, zero = 0;
    BTZ_FREE float *grad = malloc(ev->few * n * sizeof *grad);

    if (!grad)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_classifier_gradient(w->classifier, w->x, ev->few, &loss, 1, NULL, NULL, grad));
    for (size_t i = 0; i < ev->few; i++)
        zero += btz_rank_of_abs(grad + i * n, n, n - 1) <= 0;
    say(ev, BTZ_CHECK_ZERO_GRADIENT, fails_if(zero > 0), (double)zero,
        "%zu of %zu samples have a gradient that is exactly zero", zero, ev->few);
    return BTZ_OK;
}

static bool uses_gradients(const struct btz_evaluating *ev)
{
    bool uses = ev->o->signs && ev->o->model;

    for (size_t i = 0; i < ev->o->attack_count; i++)
        uses = uses || ev->o->attacks[i].attack->access == BTZ_ATTACK_GRADIENT;
    return uses;
}

static void check_classes(struct btz_evaluating *ev)
{
    size_t classes = ev->e->classes;

    say(ev, BTZ_CHECK_CLASSES, BTZ_OUTCOME_PASS, (double)classes, "%zu classes are enough",
        classes);
    for (size_t i = 0; i < ev->o->attack_count; i++) {
        const struct btz_evaluate_attack *a = &ev->o->attacks[i];
        size_t at = btz_attack_param_find(a->attack, "targets");
        bool dlr = strcmp(a->attack->id, "apgd-dlr") == 0,
             dlr_t = strcmp(a->attack->id, "apgd-t") == 0;

        if (at != SIZE_MAX && a->param[at] > (double)(classes - 1))
            say(ev, BTZ_CHECK_CLASSES, BTZ_OUTCOME_FAIL, (double)classes,
                "%s aims at %.0f classes; there are %zu others: it took those", a->attack->id,
                a->param[at], classes - 1);
        if ((dlr && classes < 3) || (dlr_t && classes < 4))
            say(ev, BTZ_CHECK_CLASSES, BTZ_OUTCOME_FAIL, (double)classes,
                "%s: its loss needs more than %zu classes; the difference of logits was taken",
                a->attack->id, classes);
    }
}

enum btz_err btz_checks_before(struct btz_evaluating *ev)
{
    struct btz_worker *w = &ev->workers[0];

    for (int i = 0; i < BTZ_CHECK_COUNT; i++)
        say(ev, (enum btz_check_id)i, BTZ_OUTCOME_NOT_EVALUATED, NAN, "not asked for");
    check_classes(ev);
    check_probabilities(ev);
    if (!w->classifier) {
        say(ev, BTZ_CHECK_RANDOM, BTZ_OUTCOME_NOT_EVALUATED, NAN,
            "an endpoint is not asked the same again");
        return BTZ_OK;
    }
    for (size_t i = 0; i < ev->few; i++)
        w->index[i] = i;
    BTZ_TRY(btz_evaluating_read(ev, w->index, ev->few, w->x, w->y));
    BTZ_TRY(check_random(ev, w));
    return uses_gradients(ev) ? check_zero_gradient(ev, w) : BTZ_OK;
}

/* ---- after them -------------------------------------------------------------------------------------------------------- */

static void check_square(struct btz_evaluating *ev)
{
    const struct btz_evaluation *e = ev->e;

    for (size_t i = 1; i < e->attack_count; i++) {
        double lowered = (double)e->attacks[i].broken / (double)e->n;

        if (strcmp(e->attacks[i].given.attack->id, "square") != 0 || ev->o->alone)
            continue;
        say(ev, BTZ_CHECK_SQUARE, fails_if(lowered > 0.002), lowered,
            "square lowers what others left by %.2f points%s", lowered * 100,
            lowered > 0.002 ? ": gradients are masked" : "");
    }
}

static void check_final(struct btz_evaluating *ev)
{
    const struct btz_evaluation *e = ev->e;
    uint64_t invalid = 0, broken = 0;

    for (size_t i = 0; i < e->attack_count; i++) {
        invalid += e->attacks[i].claimed_invalid;
        broken += e->attacks[i].broken;
    }
    if (!broken && !invalid) {
        say(ev, BTZ_CHECK_FINAL, BTZ_OUTCOME_PASS, 0, "there are no adversarial inputs");
        return;
    }
    say(ev, BTZ_CHECK_FINAL, fails_if(invalid || e->nan_count), e->distance_max,
        "largest %s distance %.7g, NaN %" PRIu64 ", values %.7g to %.7g, refused %" PRIu64,
        btz_norm_name(ev->o->norm), e->distance_max, e->nan_count, (double)e->adv_min,
        (double)e->adv_max, invalid);
}

static void check_scalar(struct btz_evaluating *ev)
{
    const struct btz_evaluation *e = ev->e;
    uint64_t disagrees = 0;

    if (!ev->workers[0].reference)
        return;
    for (uint64_t i = 0; i < e->n; i++)
        disagrees += e->verdicts[i].scalar_disagrees;
    say(ev, BTZ_CHECK_SCALAR, fails_if((double)disagrees > 0.001 * (double)e->n), (double)disagrees,
        "scalar kernels classify %" PRIu64 " of %" PRIu64
        " adversarial inputs correctly: within rounding of the boundary",
        disagrees, e->clean.k - e->robust.k);
}

/* ---- signs: small runs on few samples ---------------------------------------------------------------------------------- */

struct signs {
    struct btz_evaluating *ev;
    struct btz_worker *w;
    size_t count;
};

/* What random starts alone may do to so few samples: one in twenty. A masked gradient shows as far more. */
static size_t slack(const struct signs *s)
{
    return (s->count + 19) / 20;
}

/* How many of the samples withstand an attack with a parameter or two of its own. */
static enum btz_err withstand(const struct signs *s, const char *id, double eps, const char *name,
                              double value, size_t *out)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find(id) };
    struct btz_attack_job job;
    size_t at;

    if (!a.attack)
        return btz_fail(BTZ_INTERNAL, "no attack %s", id);
    btz_attack_defaults(a.attack, a.param);
    at = btz_attack_param_find(a.attack, name);
    if (at != SIZE_MAX)
        a.param[at] = value;
    job = btz_evaluating_job(s->ev, s->w, &a, s->count);
    job.eps = eps;
    BTZ_TRY(a.attack->run(&job));
    *out = s->count;
    for (size_t i = 0; i < s->count; i++)
        *out -= job.broken[i];
    return BTZ_OK;
}

static enum btz_err sign_steps(const struct signs *s)
{
    size_t few, many;

    BTZ_TRY(withstand(s, "pgd", s->ev->o->eps, "steps", 5, &few));
    BTZ_TRY(withstand(s, "pgd", s->ev->o->eps, "steps", 50, &many));
    say(s->ev, BTZ_CHECK_STEPS, fails_if(many > few + slack(s)), (double)many - (double)few,
        "of %zu samples %zu withstand 5 steps of pgd and %zu withstand 50", s->count, few, many);
    return BTZ_OK;
}

static enum btz_err sign_black_box(const struct signs *s)
{
    size_t white, black;

    BTZ_TRY(withstand(s, "pgd", s->ev->o->eps, "steps", 100, &white));
    BTZ_TRY(withstand(s, "square", s->ev->o->eps, "queries", 1000, &black));
    say(s->ev, BTZ_CHECK_BLACK_BOX, fails_if(black + slack(s) < white),
        (double)white - (double)black,
        "of %zu samples %zu withstand pgd with 100 steps and %zu withstand square with 1000 "
        "queries",
        s->count, white, black);
    return BTZ_OK;
}

/* From a quarter of eps to everything that the box holds. */
static enum btz_err sign_eps(const struct signs *s)
{
    const struct btz_evaluate_options *o = s->ev->o;
    struct btz_evaluation *e = s->ev->e;
    double width = (double)o->box.high - (double)o->box.low, n = (double)e->features;
    double all = o->norm == BTZ_NORM_LINF ? width
                 : o->norm == BTZ_NORM_L2 ? width * sqrt(n)
                                          : width * n;
    const double radii[BTZ_SIGN_POINTS] = { o->eps / 4, o->eps / 2, o->eps,
                                            o->eps * 2, o->eps * 4, all };
    bool rises = false;

    for (size_t i = 0; i < BTZ_SIGN_POINTS; i++) {
        size_t left;

        if (i && radii[i] > all)
            continue;
        BTZ_TRY(withstand(s, "pgd", radii[i], "steps", 40, &left));
        rises =
            rises || (e->curve_count && left > e->curve[e->curve_count - 1].robust.k + slack(s));
        e->curve[e->curve_count].eps = radii[i];
        BTZ_TRY(
            btz_rate_set(left, s->count, s->ev->confidence, &e->curve[e->curve_count++].robust));
    }
    uint64_t last = e->curve[e->curve_count - 1].robust.k;

    say(s->ev, BTZ_CHECK_EPS, fails_if(rises), NAN, "accuracy under pgd %s as eps grows",
        rises ? "rises" : "never rises");
    say(s->ev, BTZ_CHECK_UNBOUNDED, fails_if(last > slack(s)), (double)last,
        "%" PRIu64 " of %zu samples withstand pgd within the whole box (eps %.4g)", last, s->count,
        all);
    return BTZ_OK;
}

static enum btz_err look_for_signs(struct btz_evaluating *ev)
{
    struct signs s = { ev, &ev->workers[0], 0 };
    uint64_t have = 0;
    size_t most = ev->unit < SIGN_SAMPLES ? ev->unit : SIGN_SAMPLES;
    uint64_t every = ev->e->clean.k > most ? ev->e->clean.k / most : 1;

    for (uint64_t i = 0; i < ev->e->n && s.count < most; i++)
        if (ev->e->verdicts[i].clean == ev->e->verdicts[i].y && have++ % every == 0)
            s.w->index[s.count++] = i;
    if (!s.count || !(ev->o->eps > 0) || ev->o->norm > BTZ_NORM_L1)
        return BTZ_OK;
    BTZ_TRY(btz_evaluating_read(ev, s.w->index, s.count, s.w->x, s.w->y));
    BTZ_TRY(sign_steps(&s));
    BTZ_TRY(sign_black_box(&s));
    return sign_eps(&s);
}

enum btz_err btz_checks_after(struct btz_evaluating *ev)
{
    check_square(ev);
    check_final(ev);
    check_scalar(ev);
    if (!ev->o->signs || !ev->o->model || ev->stopped)
        return BTZ_OK;
    return look_for_signs(ev);
}
