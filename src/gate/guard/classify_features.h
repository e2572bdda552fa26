/*
 * What the injection classifier looks at: a text is cut into sentences, each is a set of hashed features (words, stems,
 * pairs, pieces of words). Windows are runs of sentences, so that a sentence counts in each company it stands in and a
 * long text around it changes nothing. Shared by the classifier and its trainer; private to this folder.
 */
#ifndef BTZ_GATE_CLASSIFY_FEATURES_H
#define BTZ_GATE_CLASSIFY_FEATURES_H

#include "base/base.h"

enum {
    BTZ_CLASS_SLOTS = 1 << 17,
    BTZ_CLASS_SENTENCE = 240, /* bytes after which a sentence is cut between two words */
    BTZ_CLASS_FEATURES_MAX =
        768,                /* distinct features of a sentence; what comes later is not seen */
    BTZ_CLASS_WINDOW = 400, /* bytes of a window of more than one sentence */
    BTZ_CLASS_RUN = 8,      /* sentences of a window */
};

/* Borrowed while the call lasts. */
struct btz_class_sentence {
    size_t from, to; /* in the text */
    unsigned count;
    const uint32_t *slot;
};

/*
 * Calls `each` for every sentence that has a feature, in order. Returns the steps taken (bytes read and features
 * hashed), a measure of the work that needs no clock.
 */
struct btz_class_lexicon;
uint64_t btz_class_read(const struct btz_class_lexicon *l, struct btz_slice text,
                        void (*each)(void *user, const struct btz_class_sentence *s), void *user);

/* Words and their ideas (classify_lexicon.c). Immutable. */
enum { BTZ_CLASS_LEXICON = 1 << 12 };
BTZ_CHECKED enum btz_err btz_class_lexicon_new(struct btz_class_lexicon **out);
void btz_class_lexicon_free(struct btz_class_lexicon *l);
/* Of the hash of a word or a stem; 0: none. */
unsigned btz_class_idea(const struct btz_class_lexicon *l, uint32_t hash);
/* Hash of the only word of a normalised text, or of all words with its first letters. Two characters of a script without
 * spaces are a word here. */
uint32_t btz_class_word_hash(struct btz_slice word, bool stem);
/* How the guard sees a text before any detector: what the classifier is trained on. */
BTZ_CHECKED enum btz_err btz_class_normalise(struct btz_slice raw, struct btz_buf *out);

/*
 * The best window over a stream of sentences. Sums are of weights in some unit; a window's value is their sum over the
 * root of (features + DAMPING).
 */
#define BTZ_CLASS_DAMPING 60
struct btz_class_runs {
    struct {
        size_t from, to;
        double sum;
        unsigned count;
    } last[BTZ_CLASS_RUN];
    size_t seen;
    double best; /* -INFINITY before the first */
    size_t from, to;
    size_t best_first, best_last; /* which sentences, counted from 0 */
};
void btz_class_runs_init(struct btz_class_runs *r);
void btz_class_runs_add(struct btz_class_runs *r, size_t from, size_t to, unsigned count,
                        double sum);

#endif
