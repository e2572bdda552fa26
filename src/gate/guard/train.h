/*
 * Training of the injection classifier: labelled texts in, weights out. Used by `bartizan gate train`,
 * tools/train_guard.c, bench/guard_quality.c and tests; private to this folder.
 *
 * Method: linear support vectors with squared hinge loss by dual coordinate descent (Hsieh et al., ICML 2008,
 * algorithm 1), over windows as in multiple-instance learning (Andrews et al., NIPS 2002: of an injection at least one
 * window is, of a benign text none is). Only + - * / in the descent: the same weights on every machine.
 */
#ifndef BTZ_GATE_TRAIN_H
#define BTZ_GATE_TRAIN_H

#include "gate/guard/classify.h"

enum { BTZ_TRAIN_SOURCES = 64, BTZ_TRAIN_SOURCE_NAME = 64 };

/* What a source of benign text is there to show. */
enum btz_train_kind {
    BTZ_TRAIN_PLAIN,   /* ordinary requests and documents */
    BTZ_TRAIN_TRIGGER, /* benign, and full of the words of attacks */
    BTZ_TRAIN_KINDS,
    BTZ_TRAIN_MADE =
        BTZ_TRAIN_KINDS, /* made by a grammar: trained on, never judged by, sets no threshold */
};
struct btz_train_text {
    struct btz_slice text; /* normalised as the guard does */
    struct btz_slice raw;
    enum btz_channel channel;
    bool injection;
    uint16_t source;
    uint32_t first, sentences; /* in the pool */
};
struct btz_train_sentence {
    uint32_t from, to, slots; /* slots: where they begin in the pool */
    uint16_t count;
};
struct btz_train_set {
    struct btz_arena arena;
    struct btz_class_lexicon *lexicon;
    struct btz_train_text *texts;
    size_t count, cap;
    struct btz_train_sentence *sentences;
    size_t sentence_count, sentence_cap;
    uint32_t *slots;
    size_t slot_count, slot_cap;
    struct {
        char name[BTZ_TRAIN_SOURCE_NAME];
        enum btz_train_kind kind;
        unsigned group; /* its family, left out with it: the first source of the family */
        size_t benign, injections;
    } source[BTZ_TRAIN_SOURCES];
    size_t sources;
};

/* Errors: LIMIT. Release it in any case. */
BTZ_CHECKED enum btz_err btz_train_init(struct btz_train_set *s);
void btz_train_release(struct btz_train_set *s);
/* Errors: LIMIT (memory, sources), INPUT (text without any feature). */
BTZ_CHECKED enum btz_err btz_train_add(struct btz_train_set *s, const char *source,
                                       enum btz_train_kind kind, enum btz_channel channel,
                                       bool injection, struct btz_slice text);
/* A file of lines without the mark (U+FEFF) that some editors write before everything. */
struct btz_slice btz_train_lines(struct btz_slice file);
/* Lines of JSON: text, label ("injection" or "benign"), channel ("user" when absent), source (the file's name when
 * absent), kind ("trigger", "made" or "plain", optional). Errors: INPUT naming file and line. */
BTZ_CHECKED enum btz_err btz_train_add_file(struct btz_train_set *s, const char *path);

/* The public sets below `data` (folder of ../shared/data). Errors: IO, INPUT. (train_sets.c) */
BTZ_CHECKED enum btz_err btz_train_add_shared(struct btz_train_set *s, const char *data);
/* tools/guard_corpus/ *.jsonl below `source`. */
BTZ_CHECKED enum btz_err btz_train_add_own(struct btz_train_set *s, const char *source);

/* Sources are named by sets, a bit each. The family of a source: */
_Static_assert(BTZ_TRAIN_SOURCES <= 64, "a bit for each source");
uint64_t btz_train_family(const struct btz_train_set *s, size_t source);

/* One head. `weight` has BTZ_CLASS_SLOTS + 1 places, the last is the bias. */
struct btz_train_options {
    double cost[BTZ_CLASS_HEADS]; /* of an error, against large weights */
    int rounds, passes;
};
extern const struct btz_train_options btz_train_defaults;
BTZ_CHECKED enum btz_err btz_train_fit(const struct btz_train_set *s, enum btz_class_head head,
                                       uint64_t without, const struct btz_train_options *o,
                                       double *weight);
/* Is the text one that the head is trained on and judged by? */
bool btz_train_is_of(const struct btz_train_text *t, enum btz_class_head head);

/* ---- judged by what did not see them (train_judge.c) ---- */

/* Such weights as they would be shipped, to judge texts with as the guard does. */
struct btz_train_judge {
    enum btz_class_head head;
    struct btz_class_weights weights;
};
/* Fits without some sources. Errors: LIMIT. */
BTZ_CHECKED enum btz_err btz_train_judge_fit(const struct btz_train_set *s,
                                             enum btz_class_head head, uint64_t without,
                                             const struct btz_train_options *o,
                                             struct btz_train_judge *out);
/* Margin of a normalised text. */
double btz_train_judge_margin(const struct btz_train_judge *j, const struct btz_class_lexicon *l,
                              struct btz_slice text);

/* Margins of every text of a head by weights that did not see its family; NAN for texts of the other head and for what
 * is never judged by. */
BTZ_CHECKED enum btz_err btz_train_leave_one_out(const struct btz_train_set *s,
                                                 enum btz_class_head head,
                                                 const struct btz_train_options *o, double *margin);

/*
 * The lowest threshold on margins that keeps to the rates of false positives (train_judge.c): of the ordinary, and of the
 * trigger-word texts of all sources outside of `without`, so few lie at or above it that the one-sided upper bound
 * (Clopper-Pearson) of their share is below the rate. The same rule as of `gate calibrate`, at `confidence`.
 */
#define BTZ_TRAIN_CONFIDENCE 0.8 /* of the built-in threshold */
double btz_train_threshold(const struct btz_train_set *s, enum btz_class_head head,
                           const double *margin, uint64_t without, double confidence);
/*
 * Nested: for each family that has texts of the head's channels a threshold from margins of the other sources by weights
 * that saw neither the family nor the sources that are judged, in `folds` folds of sources; for each of `count`
 * confidences. `threshold` has count * s->sources places; NAN where there is none.
 */
BTZ_CHECKED enum btz_err btz_train_nested(const struct btz_train_set *s, enum btz_class_head head,
                                          const struct btz_train_options *o, unsigned folds,
                                          const double *confidence, size_t count,
                                          double *threshold);
/* Slope that makes probabilities of those margins fit best (likelihood), within [0.25, 8]. */
double btz_train_slope(const struct btz_train_set *s, enum btz_class_head head,
                       const double *margin, double threshold);

/* Weights as they are shipped; `threshold` becomes the margin of probability 0.5. */
void btz_train_quantise(const double *weight, double threshold, double slope,
                        enum btz_class_head head, struct btz_class_weights *out);

/* Everything: both heads on all sources, thresholds and slopes from the margins of leave-one-out, quantised. The margins
 * have `count` places and may be NULL. */
BTZ_CHECKED enum btz_err btz_train_build(const struct btz_train_set *s,
                                         const struct btz_train_options *o,
                                         double *margin[BTZ_CLASS_HEADS],
                                         struct btz_class_weights *out);
/* The whole of src/gate/guard/classify_weights.c. */
BTZ_CHECKED enum btz_err btz_train_write_c(const struct btz_class_weights *w, struct btz_buf *out);

#endif
