/*
 * sequencer: from the journal's rings into the ledger. One thread of the daemon: records are fetched, become entries of
 * the trail, are appended in groups, and only then acknowledged. Exactly once, also when it is killed: leaves say which
 * record they are of, and who starts again looks at what the ledger has behind the journal's mark.
 */
#ifndef BTZ_WATCH_SEQUENCER_H
#define BTZ_WATCH_SEQUENCER_H

#include "access/access.h"
#include "gate/journal/journal.h"

struct btz_sequencer_options {
    struct btz_access *access;
    const char *state_dir;
    struct btz_log *log;
    unsigned gather_ms; /* a quiet gateway's entries wait that long for company; 0: 50 */
    /* Each call once it is in the ledger; may be NULL. Must not block. */
    void (*logged)(void *user, const struct btz_record_view *call);
    void *user;
};
struct btz_sequencer;
BTZ_CHECKED enum btz_err btz_sequencer_start(const struct btz_sequencer_options *o,
                                             struct btz_sequencer **out);
void btz_sequencer_stop(struct btz_sequencer *q);

struct btz_sequencer_state {
    struct btz_journal_counts counts;
    uint64_t ledger_size;
    uint64_t logged, late;  /* entries since the start; of them such as waited for over 10 s */
    bool failing;           /* the ledger cannot be written */
    char reason[256];       /* why */
    uint64_t worked_ms_ago; /* since the thread last came around */
};
void btz_sequencer_look(struct btz_sequencer *q, struct btz_sequencer_state *out);
/* {"items":[...]}: the last calls, newest first. */
json_t *btz_sequencer_calls(struct btz_sequencer *q);

#endif
