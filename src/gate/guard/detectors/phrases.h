/*
 * Phrases of words with room between them. "ignore|disregard *3 previous|prior *2 instruct*": one of the words, at most
 * three others, and so on; "x*" is every word that begins with x. "=text" is found anywhere, also within words.
 * Private to the detectors.
 */
#ifndef BTZ_GATE_GUARD_PHRASES_H
#define BTZ_GATE_GUARD_PHRASES_H

#include "gate/guard/guard.h"

struct btz_phrase {
    const char *pattern, *kind;
    double score;
};
struct btz_phrases;
/* Words are normalised as views are. Borrows the kinds. Errors: USAGE (what is no phrase), LIMIT. */
BTZ_CHECKED enum btz_err btz_phrases_new(const struct btz_phrase *list, size_t count,
                                         struct btz_phrases **out);
void btz_phrases_free(struct btz_phrases *p);
BTZ_CHECKED enum btz_err btz_phrases_triggers(const struct btz_phrases *p, struct btz_triggers *t);
/* Hits, and waits for phrases that may go on. `marks` with ids of `base` and more are its. */
BTZ_CHECKED enum btz_err btz_phrases_scan(const struct btz_phrases *p, const struct btz_view *view,
                                          struct btz_found *found);

/* A detector that is a list of phrases and nothing else is BTZ_PHRASES(compile, list) and these. */
void btz_phrases_release(void *setup);
BTZ_CHECKED enum btz_err btz_phrases_wake(const void *setup, struct btz_triggers *t);
BTZ_CHECKED enum btz_err btz_phrases_detect(const void *setup, const struct btz_view *view,
                                            struct btz_guard_session *session,
                                            struct btz_found *found);
#define BTZ_PHRASES(compile, list)                                                                 \
    static enum btz_err compile(const struct btz_guard_conf *conf, void **out)                     \
    {                                                                                              \
        struct btz_phrases *p;                                                                     \
                                                                                                   \
        (void)conf;                                                                                \
        BTZ_TRY(btz_phrases_new(list, BTZ_COUNT(list), &p));                                       \
        *out = p;                                                                                  \
        return BTZ_OK;                                                                             \
    }

#endif
