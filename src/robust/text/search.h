/* What searches share: a text with some of its words replaced, questions about it, candidates. Private to src/robust/text. */
#ifndef BTZ_ROBUST_TEXT_SEARCH_H
#define BTZ_ROBUST_TEXT_SEARCH_H

#include "robust/text.h"

struct btz_search {
    struct btz_text_job *job;
    struct btz_arena arena;
    struct btz_words words;
    struct btz_slice *now; /* words as they are at the moment */
    bool *touchable;
    size_t changed, changed_max;
    double margin; /* score of the label over the best other, of `now`; negative: broken */
    float *scores; /* of the last questions */
    struct btz_rng rng;
};
/* Asks about the text itself. Release it in any case. Errors: those of the oracle, LIMIT. */
BTZ_CHECKED enum btz_err btz_search_open(struct btz_search *s, struct btz_text_job *job);
void btz_search_release(struct btz_search *s);
/* Told to stop, or no more questions are allowed. */
bool btz_search_over(const struct btz_search *s);

/* `now` with one word replaced; of length 0: left out. */
struct btz_trial {
    size_t at;
    struct btz_slice word;
    double margin; /* result */
};
/* Asks about `count` trials, at most as many as questions are left; *asked of them have margins. */
BTZ_CHECKED enum btz_err btz_search_ask(struct btz_search *s, struct btz_trial *trials,
                                        size_t count, size_t *asked);
/* The sum of distances keeps its limit with this trial. */
bool btz_search_near(const struct btz_search *s, const struct btz_trial *t);
/* Makes a trial true. */
void btz_search_take(struct btz_search *s, const struct btz_trial *t);
/* Puts words back that need not have changed, and writes what is left to the job where it is broken. */
BTZ_CHECKED enum btz_err btz_search_finish(struct btz_search *s);

/* Kinds of candidates. */
enum {
    BTZ_EDIT_SWAP = 1,      /* two neighbours within the word */
    BTZ_EDIT_DELETE = 2,    /* a character within the word */
    BTZ_EDIT_INSERT = 4,    /* a letter within the word, at random */
    BTZ_EDIT_LETTER = 8,    /* a letter in place of another, at random */
    BTZ_EDIT_KEYBOARD = 16, /* a neighbour on the keyboard */
    BTZ_EDIT_LOOK = 32,     /* a look-alike */
    BTZ_EDIT_SYNONYM = 64,
};
/*
 * Candidates for word `at` as it was in the text, within all limits but that on the number of words; in the arena. Of places
 * within the word all are taken, or with `draw` one each kind at random. Characters change once: the limit on edits is at least 1.
 */
BTZ_CHECKED enum btz_err btz_search_candidates(struct btz_search *s, size_t at, unsigned kinds,
                                               bool draw, struct btz_trial **out, size_t *count);

/* Positions that may be touched, most important first: those whose word, when it is left out or becomes `instead`, costs most. */
BTZ_CHECKED enum btz_err btz_search_rank(struct btz_search *s, struct btz_slice instead,
                                         struct btz_trial **out, size_t *count);
/* In the order of `ranked` the best candidate of each, where it is better than what is, until the text is broken. */
BTZ_CHECKED enum btz_err btz_search_greedy(struct btz_search *s, const struct btz_trial *ranked,
                                           size_t count, unsigned kinds, bool draw);
/* Rank, greedy, finish. */
BTZ_CHECKED enum btz_err btz_search_by_rank(struct btz_text_job *job, struct btz_slice instead,
                                            unsigned kinds, bool draw);

#endif
