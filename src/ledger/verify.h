/* verification of the tree on disk. Inside of the ledger folder; nobody else includes this. */
#ifndef BTZ_LEDGER_VERIFY_H
#define BTZ_LEDGER_VERIFY_H

#include "ledger/tiles.h"

/* Problems as they are found. Those of entries count before all others, and the lowest index among them. */
struct btz_problems {
    uint64_t count;
    bool entry;         /* `what` is about an entry that cannot be proven */
    uint64_t first_bad; /* meaningful when `entry` */
    char what[480];
};
void btz_problem(struct btz_problems *p, const char *fmt, ...) BTZ_PRINTF(2, 3);
void btz_problem_entry(struct btz_problems *p, uint64_t index, const char *fmt, ...)
    BTZ_PRINTF(3, 4);

struct btz_tree_check {
    int dir;
    const char *dir_name;
    uint64_t size;
    struct btz_hash root;  /* signed */
    uint64_t witness_size; /* <= size: the root there is wanted; UINT64_MAX: none */
    void (*entry)(void *user, uint64_t index, struct btz_slice entry); /* may be NULL */
    void *user;
    /* results */
    struct btz_problems *problems;
    uint64_t entries_read;
    bool unprovable; /* nothing on disk leads to the root */
    bool has_witness_root;
    struct btz_hash witness_root; /* of the entries as they are on disk */
};
/* Reads every bundle and every tile. Errors: IO, LIMIT; damage goes to `problems`. */
BTZ_CHECKED enum btz_err btz_tree_verify(struct btz_tree_check *t);

/* Whether there are entries or tiles past a tree of that size: of a writer at work, or one that died, or of a later
 * state than the checkpoint. */
bool btz_tree_has_more(int dir, uint64_t size);

#endif
