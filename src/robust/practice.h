/*
 * The practice within: settings, plan, and the figures that a report shows of an evaluation.
 */
#ifndef BTZ_ROBUST_PRACTICE_H
#define BTZ_ROBUST_PRACTICE_H

#include "finding/practice.h"
#include "robust/address.h"
#include "robust/evaluate.h"
#include "sample/sample.h"

struct btz_model_conf {
    const char *name, *path, *url, *data, *labels, *label_column, *constraints, *save;
    int norm; /* enum btz_norm: the first four */
    double eps, low, high, robust_min;
    int64_t classes; /* 0: as many as the data have */
    /* Of addresses. */
    struct btz_address_conf address;
    const char *input;
    int protocol; /* of btz_asked_protocols */
};
struct btz_robust_conf {
    struct btz_conf_list only, attacks, set;
    int64_t samples, queries, memory_mib;
    bool alone, signs;
};
struct btz_robust_section {
    struct btz_conf_list models; /* struct btz_model_conf */
    struct btz_robust_conf robust;
};
extern const struct btz_conf_key btz_robust_keys[];
extern const size_t btz_robust_key_count;

/* ---- models that only answer (asked.c) -------------------------------------------------------------------------------- */

struct btz_asked {
    const struct btz_model_conf *conf;
    const struct btz_model *model; /* NULL: the address */
    struct btz_shape shape;        /* of a sample of the data */
    size_t classes;
    uint64_t seed;
    const volatile int *stop;
    char identity[2 * BTZ_SHA256_LEN + 1]; /* see btz_evaluate_options */
};
extern const char *const btz_asked_protocols[];
/* USAGE: what is missing to ask an address. */
BTZ_CHECKED enum btz_err btz_asked_check(const struct btz_model_conf *m);
/* Sets the identity: of the file's bytes, or of what an address is asked. Secrets are not in it. */
BTZ_CHECKED enum btz_err btz_asked_identify(struct btz_asked *a);
/* `user` is a struct btz_asked; for btz_evaluate_options. */
BTZ_CHECKED enum btz_err btz_asked_open(void *user, struct btz_oracle **out);

/* ---- constraints of tables (columns.c) -------------------------------------------------------------------------------- */

/* Of a file's text. Ranges that it does not say are -1e30 to 1e30. Errors: INPUT, USAGE, LIMIT, with line or column. */
BTZ_CHECKED enum btz_err btz_columns_parse(struct btz_slice text, const char *name, size_t features,
                                           struct btz_arena *arena, struct btz_constraint *out);
/* The same from a file (NULL: nothing is said), with the ranges of the data where none was said. box: holds them all. */
BTZ_CHECKED enum btz_err btz_columns_load(const char *path, const struct btz_samples *s,
                                          struct btz_arena *arena, struct btz_constraint *out,
                                          struct btz_box *box);

/* ---- what was broken, as files (saved.c) ------------------------------------------------------------------------------ */

struct btz_saved {
    struct btz_buf x, adv, index, label, said, distance;
    size_t count;
};
void btz_saved_init(struct btz_saved *s);
void btz_saved_release(struct btz_saved *s);
BTZ_CHECKED enum btz_err btz_saved_add(struct btz_saved *s, size_t features,
                                       const struct btz_evaluate_broken *b);
/* original.npy and adversarial.npy (count x shape), index, label, predicted (int64) and distance (float64) of each. */
BTZ_CHECKED enum btz_err btz_saved_write(const struct btz_saved *s, const char *folder,
                                         const struct btz_sample_shape *shape);

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

/* As severe as the rule says where half or more is broken, less where it is less. */
enum btz_severity btz_evasion_severity(const struct btz_rule *rule, double share);
/*
 * Begins a finding of `rule`: k of n samples that are classified correctly are broken. Sets rule, figures with their exact
 * interval, severity and outcome, which is not evaluated where n is 0. Errors: INTERNAL, there is no such rule.
 */
BTZ_CHECKED enum btz_err btz_evasion_rate(const char *rule, uint64_t k, uint64_t n,
                                          struct btz_finding *out);
/* Of a model file, named as it is. */
struct btz_asset btz_model_asset(const char *path);
/* Sends the finding and that `samples` of its asset were looked at. */
BTZ_CHECKED enum btz_err btz_evasion_tell(const struct btz_finding *f, uint64_t samples,
                                          struct btz_sink *sink);
/* All that an evaluation says. `where` is the asset; `conf` what was asked for. */
BTZ_CHECKED enum btz_err btz_robust_findings(const struct btz_model_conf *conf,
                                             const struct btz_evaluation *e,
                                             const struct btz_figures *f, struct btz_sink *sink);

#endif
