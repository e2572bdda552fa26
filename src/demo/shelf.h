/* The shelf of documents and how a question finds them. Inside demo only. */
#ifndef BTZ_DEMO_SHELF_H
#define BTZ_DEMO_SHELF_H

#include "demo/demo.h"

/* A document read from the shelf: copies in the arena of the reader. */
struct btz_demo_document {
    struct btz_slice name, text;
    bool own;   /* the shop's */
    bool named; /* every word of its name stands in the question */
};

/* FNV-1a of the word in lower case. */
uint32_t btz_demo_word_hash(struct btz_slice word);

/* The words of a question, hashed. */
struct btz_demo_query {
    const uint32_t *words; /* those of substance first */
    size_t substance, count;
    bool asked;  /* it speaks of papers */
    bool newest; /* it speaks of one that must have just been added */
};

/*
 * The documents a question means, best first, at most `max`: those it names, else those whose words it
 * shares, else the newest added one if it wants that.
 */
BTZ_CHECKED enum btz_err btz_demo_shelf_find(struct btz_demo_shelf *shelf,
                                             const struct btz_demo_query *query,
                                             struct btz_arena *arena, struct btz_demo_document *out,
                                             size_t max, size_t *count);

#endif
