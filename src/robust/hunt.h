/*
 * Attacks by questions: what was asked for each sample, what it may still ask, the best that was found. Rows of all samples
 * are collected and asked together; no sample knows of the others, so results do not depend on the unit.
 */
#ifndef BTZ_ROBUST_HUNT_H
#define BTZ_ROBUST_HUNT_H

#include <math.h>

#include "robust/robust.h"

struct btz_hunt {
    struct btz_attack_job *job;
    uint64_t budget; /* questions of each sample */
    bool early;      /* a sample is done once it is broken */
    bool over;       /* the oracle's budget is spent, or the user said stop: no more answers */
    uint64_t *asked; /* n */
    double *best;    /* n: distance of job->adv, INFINITY while nothing was misclassified */
    bool *done;      /* n: by the attack, by its budget, or by success */
    /* The rows to be asked. */
    size_t room, filled; /* room >= n */
    float *rows;         /* room x features */
    size_t *who;
    uint64_t *number;    /* which question of its sample a row was */
    uint32_t *tag;       /* the caller's, of each row */
    signed char *fooled; /* 1 misclassified, 0 not, -1 was not asked */
    float *margin;       /* score of the label less the best of the others; only where asked */
    float *scores;
};
BTZ_CHECKED enum btz_err btz_hunt_new(struct btz_attack_job *job, double budget, bool early,
                                      struct btz_hunt **out);
void btz_hunt_free(struct btz_hunt **h);
/* Of attacks with a parameter `queries`: those. */
struct btz_attack_most btz_hunt_most(const struct btz_attack_job *job);
#define BTZ_HUNT_FREE __attribute__((cleanup(btz_hunt_free)))
/* Room for one row of sample i, to be filled by the caller. filled < room. */
float *btz_hunt_row(struct btz_hunt *h, size_t i);
/*
 * Puts the rows into the box, asks them, keeps what is nearer than the best. Then fooled and margin are set for the rows
 * 0 .. filled-1; the caller sets filled to 0.
 */
BTZ_CHECKED enum btz_err btz_hunt_ask(struct btz_hunt *h);
/* Samples that have a misclassified input and may go on. */
static inline bool btz_hunt_is_on(const struct btz_hunt *h, size_t i)
{
    return !h->over && !h->done[i] && h->best[i] < (double)INFINITY;
}
size_t btz_hunt_left(const struct btz_hunt *h); /* how many are on */
/*
 * A first misclassified input of each sample: of the pool, the inverse, then noise of several kinds, `tries` at most. A
 * sample without is done.
 */
BTZ_CHECKED enum btz_err btz_hunt_start(struct btz_hunt *h, size_t tries);
/*
 * Moves the misclassified points (n x features) of samples that are on towards their inputs until they are within tol of the
 * boundary, as a share of their distance: on the segment, or, in Linf, by narrowing the cube.
 */
BTZ_CHECKED enum btz_err btz_hunt_bisect(struct btz_hunt *h, float *points, double tol);

/*
 * Where the misclassified side lies at points (n x features) on the boundary: count[i] questions of a sample that is on, at
 * delta[i] from its point, each in a direction of `draw`; what is written is the sum of the directions, with the sign of the
 * answer, made of length 1; 0 where nothing was learned. `part` keeps draws of different calls apart.
 */
struct btz_hunt_draw {
    void (*draw)(const struct btz_hunt_draw *d, struct btz_rng *r, size_t n, float *out);
    const void *user;
    bool on_sphere; /* the questions are as far from the input as the point is */
};
void btz_hunt_draw_normal(const struct btz_hunt_draw *d, struct btz_rng *r, size_t n, float *out);
BTZ_CHECKED enum btz_err btz_hunt_normal(struct btz_hunt *h, const float *points,
                                         const double *delta, const size_t *count, uint64_t part,
                                         const struct btz_hunt_draw *draw, float *normal);

/* n normals, together of length 1. */
void btz_draw_direction(struct btz_rng *r, size_t n, float *out);

#endif
