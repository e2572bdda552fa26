/*
 * The figures of published evaluations of one network, ours beside them: AutoAttack and PGD on MNIST, Linf 0.3.
 *
 *   robust [IMAGES [THREADS [all|standard|pgd|ATTACK]]]
 *
 * fra31/auto-attack, README: clean 98.50, AutoAttack 82.93; the paper had reported 88.77 under PGD-50 with 10 restarts.
 */
#include <math.h>
#include <sys/resource.h>

#include "robust/evaluate.h"
#include "../tests/unit/mnist_net.h"

struct data {
    struct btz_model *model;
    float *x;
    uint32_t *y;
    size_t n;
    unsigned threads;
};

static struct btz_evaluate_options options_of(const struct data *d, size_t n)
{
    return (struct btz_evaluate_options){
        .model = d->model,
        .samples = { .n = n, .x = d->x, .y = d->y },
        .norm = BTZ_NORM_LINF,
        .eps = 0.3,
        .box = { 0, 1 },
        .seed = 1,
        .threads = d->threads,
    };
}

static void show(const char *name, const struct btz_evaluation *e)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    printf("{\"name\":\"%s\",\"images\":%" PRIu64 ",\"threads\":%u,\"clean\":%.4f,\"robust\":%.4f,"
           "\"low\":%.4f,\"high\":%.4f,\"seconds\":%.2f,\"queries\":%" PRIu64
           ",\"gradients\":%" PRIu64 ",\"memory_planned\":%zu,\"memory_peak\":%ld,\"attacks\":[",
           name, e->n, e->threads, e->clean.value, e->robust.value, e->robust.interval.low,
           e->robust.interval.high, e->seconds, e->queries, e->gradients, e->memory,
           use.ru_maxrss * 1024);
    for (size_t i = 0; i < e->attack_count; i++) {
        const struct btz_evaluate_attacked *a = &e->attacks[i];

        printf("%s{\"id\":\"%s\",\"tried\":%" PRIu64 ",\"broken\":%" PRIu64
               ",\"robust\":%.4f,\"queries\":%" PRIu64 ",\"gradients\":%" PRIu64
               ",\"thread_seconds\":%.2f}",
               i ? "," : "", a->given.attack->id, a->tried, a->broken, a->robust.value, a->queries,
               a->gradients, a->seconds);
    }
    printf("],\"checks\":{");
    for (int i = 0; i < BTZ_CHECK_COUNT; i++)
        printf("%s\"%s\":\"%s: %s\"", i ? "," : "", btz_check_name((enum btz_check_id)i),
               btz_outcome_name(e->checks[i].outcome), e->checks[i].text);
    printf("}}\n");
    fflush(stdout);
}

static void measure(const struct data *d, const char *name, size_t n,
                    const struct btz_evaluate_attack *attacks, size_t count)
{
    struct btz_evaluate_options o = options_of(d, n);
    struct btz_evaluation *e = NULL;

    o.attacks = attacks;
    o.attack_count = count;
    mnist_must(btz_evaluate(&o, &e));
    show(name, e);
    btz_evaluation_free(e);
}

static void pgd(const struct data *d, const char *name, size_t n, double steps, double restarts)
{
    struct btz_evaluate_attack a = { .attack = btz_attack_find("pgd") };

    btz_attack_defaults(a.attack, a.param);
    a.param[btz_attack_param_find(a.attack, "steps")] = steps;
    a.param[btz_attack_param_find(a.attack, "step")] = 0.01;
    a.param[btz_attack_param_find(a.attack, "restarts")] = restarts;
    measure(d, name, n, &a, 1);
}

int main(int argc, char **argv)
{
    struct btz_evaluate_attack attacks[BTZ_AUTOATTACK_MAX];
    struct data d = { .n = 1000, .threads = 2 };
    const char *what = argc > 3 ? argv[3] : "all";
    uint64_t given;
    size_t count;

    if (argc > 1 && btz_parse_u64(btz_str(argv[1]), &given) == BTZ_OK && given >= 1 &&
        given <= 10000)
        d.n = (size_t)given;
    if (argc > 2 && btz_parse_u64(btz_str(argv[2]), &given) == BTZ_OK && given >= 1 && given <= 256)
        d.threads = (unsigned)given;
    d.model = mnist_model();
    if (!d.model || !mnist_samples(d.n, &d.x, &d.y)) {
        fprintf(stderr, "needs shared/data/model: %s\n", btz_error_detail());
        return 1;
    }
    if (btz_attack_find(what) && strcmp(what, "pgd") != 0) {
        attacks[0].attack = btz_attack_find(what);
        btz_attack_defaults(attacks[0].attack, attacks[0].param);
        measure(&d, what, d.n, attacks, 1);
        what = "";
    }
    if (strcmp(what, "all") == 0 || strcmp(what, "pgd") == 0) {
        pgd(&d, "pgd-40", d.n < 1000 ? d.n : 1000, 40, 1);
        pgd(&d, "pgd-50-10", d.n, 50, 10);
    }
    if (strcmp(what, "all") == 0 || strcmp(what, "standard") == 0) {
        mnist_must(
            btz_autoattack_list(BTZ_AUTOATTACK_STANDARD, BTZ_NORM_LINF, 10, attacks, &count));
        measure(&d, "autoattack-standard", d.n, attacks, count);
    }
    free(d.x);
    free(d.y);
    btz_model_free(d.model);
    return 0;
}
