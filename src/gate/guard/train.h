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
    BTZ_TRAIN_KINDS
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
    uint16_t *slots;
    size_t slot_count, slot_cap;
    struct {
        char name[BTZ_TRAIN_SOURCE_NAME];
        enum btz_train_kind kind;
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
/* Lines of JSON: text, label ("injection" or "benign"), channel ("user" when absent), source (the file's name when
 * absent), kind ("trigger" or "plain", optional). Errors: INPUT naming file and line. */
BTZ_CHECKED enum btz_err btz_train_add_file(struct btz_train_set *s, const char *path);

/* The public sets below `data` (folder of ../shared/data). Errors: IO, INPUT. (train_sets.c) */
BTZ_CHECKED enum btz_err btz_train_add_shared(struct btz_train_set *s, const char *data);
/* tools/guard_corpus/ *.jsonl below `source`. */
BTZ_CHECKED enum btz_err btz_train_add_own(struct btz_train_set *s, const char *source);

/* One head. `without`: source left out, or -1. `weight` has BTZ_CLASS_SLOTS + 1 places, the last is the bias. */
struct btz_train_options {
    double cost[BTZ_CLASS_HEADS]; /* of an error, against large weights */
    int rounds, passes;
};
extern const struct btz_train_options btz_train_defaults;
BTZ_CHECKED enum btz_err btz_train_fit(const struct btz_train_set *s, enum btz_class_head head,
                                       int without, const struct btz_train_options *o,
                                       double *weight);
/* Margin of the best window under such weights. */
double btz_train_margin(const struct btz_train_set *s, const struct btz_train_text *t,
                        const double *weight);
/* Is the text one that the head is trained on and judged by? */
bool btz_train_is_of(const struct btz_train_text *t, enum btz_class_head head);

/* Margins of every text of a head by weights that did not see its source; NAN for texts of the other head. */
BTZ_CHECKED enum btz_err btz_train_leave_one_out(const struct btz_train_set *s,
                                                 enum btz_class_head head,
                                                 const struct btz_train_options *o, double *margin);

/* The lowest threshold on margins with no more than the budgets (train_write.c) of ordinary and of trigger-word texts of
 * all sources but `without` at or above it. */
double btz_train_threshold(const struct btz_train_set *s, enum btz_class_head head,
                           const double *margin, int without);
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
