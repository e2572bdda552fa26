/* Insides of the injection classifier that its trainer, its file format and its tests share; private to this folder. */
#ifndef BTZ_GATE_CLASSIFY_H
#define BTZ_GATE_CLASSIFY_H

#include "gate/guard/classify_features.h"
#include "gate/guard/guard.h"

/* Two sets of weights: what people may not order, and what documents and tools may not say. */
enum btz_class_head { BTZ_CLASS_DIRECT, BTZ_CLASS_INDIRECT, BTZ_CLASS_HEADS };
enum btz_class_head btz_class_head_of(enum btz_channel c);
const char *btz_class_head_name(enum btz_class_head h);

/* probability = 1 / (1 + exp(-slope (value * scale + bias - shift of the channel))), value in steps of weights */
struct btz_class_weights {
    double scale[BTZ_CLASS_HEADS], bias[BTZ_CLASS_HEADS], slope[BTZ_CLASS_HEADS];
    int8_t weight[BTZ_CLASS_HEADS][BTZ_CLASS_SLOTS];
};
extern const struct btz_class_weights btz_class_weights; /* the built-in ones */

struct btz_guard_classifier {
    const struct btz_class_weights *weights;
    struct btz_class_weights *owned; /* from a file */
    struct btz_class_lexicon *lexicon;
    uint8_t digest[BTZ_SHA256_LEN]; /* of the file form of the weights */
};

/* Value of the most suspicious window in steps of weights, -INFINITY for a text without features (classify_score.c). */
struct btz_class_place {
    size_t from, to;
    uint64_t steps;
};
double btz_class_value(const struct btz_class_lexicon *l, enum btz_class_head head,
                       const int8_t *weight, struct btz_slice text, struct btz_class_place *at);

/* The same as btz_guard_classifier_score; *steps gets the work done (btz_class_read). */
double btz_guard_classifier_measure(const struct btz_guard_classifier *c, enum btz_channel channel,
                                    struct btz_slice text, size_t *from, size_t *to,
                                    uint64_t *steps);

/* File form (classify_file.c): "BTZGUARD", version, slots, and for each head scale, bias, slope (IEEE 754 bits) and
 * weights; numbers big-endian; SHA-256 of all that at the end. */
#define BTZ_CLASS_FILE_VERSION 2
#define BTZ_CLASS_FILE_MAX     (1 << 20)
BTZ_CHECKED enum btz_err btz_class_encode(const struct btz_class_weights *w, struct btz_buf *out);
/* Errors: INPUT (not one, damaged), UNSUPPORTED (another version). */
BTZ_CHECKED enum btz_err btz_class_decode(struct btz_slice file, const char *what,
                                          struct btz_class_weights *out);

#endif
