/*
 * The practice within: settings, plan, and the figures that a report shows of an evaluation.
 */
#ifndef BTZ_ROBUST_PRACTICE_H
#define BTZ_ROBUST_PRACTICE_H

#include "base/conf.h"
#include "finding/practice.h"
#include "robust/evaluate.h"

struct btz_model_conf {
    const char *name, *path, *url, *data, *labels, *label_column;
    int norm; /* enum btz_norm: the first three */
    double eps, low, high, robust_min;
};
struct btz_robust_conf {
    struct btz_conf_list only, attacks, set;
    int64_t samples, memory_mib;
    bool alone, signs;
};
struct btz_robust_section {
    struct btz_conf_list models; /* struct btz_model_conf */
    struct btz_robust_conf robust;
};
extern const struct btz_conf_key btz_robust_keys[];
extern const size_t btz_robust_key_count;

/* ---- what is shown of broken samples (gallery.c) ---------------------------------------------------------------------- */

#define BTZ_GALLERY 10 /* columns of the picture */

/* Broken samples for the picture, one a class before two of any. Holds copies; init with the shape of a sample. */
struct btz_gallery {
    struct btz_shape shape;
    size_t features, count;
    struct btz_gallery_item {
        uint64_t index;
        uint32_t y, predicted;
        size_t attack;
        double distance;
        float *x, *adv;
    } items[BTZ_GALLERY];
};
BTZ_CHECKED enum btz_err btz_gallery_add(struct btz_gallery *g,
                                         const struct btz_evaluate_broken *b);
void btz_gallery_release(struct btz_gallery *g);
/* Originals, changes (amplified: half grey is none) and adversarial inputs, three rows, as PNG. Nothing is written for inputs
 * that are no pictures. */
BTZ_CHECKED enum btz_err btz_gallery_draw(const struct btz_gallery *g, struct btz_box box,
                                          struct btz_buf *out);

/* ---- figures (figures.c): evidence of BTZ_FIGURE_TYPE ------------------------------------------------------------------ */

#define BTZ_FIGURES_MAX 10
struct btz_figures {
    struct btz_buf bytes[BTZ_FIGURES_MAX];
    struct btz_evidence list[BTZ_FIGURES_MAX];
    size_t count;
};
void btz_figures_init(struct btz_figures *f);
void btz_figures_release(struct btz_figures *f);
/* Attacks, accuracy over eps, classes, confusion, checks and the picture. `names`: of the classes, or NULL. */
BTZ_CHECKED enum btz_err btz_figures_of(const struct btz_evaluation *e, const struct btz_gallery *g,
                                        struct btz_box box, const char *const *names,
                                        struct btz_figures *f);

/* ---- findings (findings.c) ---------------------------------------------------------------------------------------------- */

/* All that an evaluation says. `where` is the asset; `conf` what was asked for. */
BTZ_CHECKED enum btz_err btz_robust_findings(const struct btz_model_conf *conf,
                                             const struct btz_evaluation *e,
                                             const struct btz_figures *f, struct btz_sink *sink);

#endif
