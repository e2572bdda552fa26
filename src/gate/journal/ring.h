/* The files of the journal, as writers and reader see them. Inside of this folder; tests include it. */
#ifndef BTZ_JOURNAL_RING_H
#define BTZ_JOURNAL_RING_H

#include <stdatomic.h>

#include "base/cover.h"
#include "gate/journal/journal.h"

#define BTZ_RING_PAGE    4096
#define BTZ_RING_MAGIC   UINT64_C(0x31676e7269747a62) /* "bztirng1" */
#define BTZ_RING_FILE    (BTZ_RING_PAGE + BTZ_JOURNAL_BYTES)
#define BTZ_FRAME_MAX    (BTZ_JOURNAL_BYTES / 2)
#define BTZ_REASON_MAX   256
#define BTZ_RING_ENDLESS (UINT64_C(1) << 62) /* no number of records, no time gets so far */
#define BTZ_CONTROL_SIZE BTZ_RING_PAGE

/* First page of `ring-NN`; the data follows. Positions only grow; modulo BTZ_JOURNAL_BYTES they are places. Who writes
 * what is fixed, so nothing needs more than a store that is seen in order. Liveness of the owner is its lock (flock) on
 * the file: the kernel takes it away with the process, whatever ended it. */
struct btz_ring {
    uint64_t magic;
    uint32_t bytes, number;
    _Atomic uint64_t epoch;   /* changes with the owner */
    _Atomic uint64_t pid;     /* of the owner, with its start time: for people who look */
    _Atomic uint64_t started; /* clock ticks since boot */
    /* the writer's */
    _Alignas(64) _Atomic uint64_t head;
    _Atomic uint64_t sequence; /* of the last record */
    _Atomic uint64_t lost;
    _Atomic uint64_t wanted; /* somebody waits for this record to be in the ledger */
    /* the reader's */
    _Alignas(64) _Atomic uint64_t tail;
    _Atomic uint64_t done; /* sequence of the last record that is in the ledger */
    _Atomic uint64_t
        passed; /* up to this one some may have been passed over, as damaged: done does not mean them */
};

/* `control`: one page that all share. */
struct btz_control {
    uint64_t magic;
    _Atomic uint64_t rings;                 /* bit N: there is a ring-N */
    _Atomic uint32_t asleep;                /* the reader sleeps on this word */
    _Atomic uint32_t refusing, reason_turn; /* turn: odd while the reason is being written */
    char reason[BTZ_REASON_MAX];
    _Alignas(64) _Atomic uint64_t looked_ns; /* when the reader was last at work, monotonic */
    _Atomic uint64_t reader_pid, reader_started;
    _Atomic uint64_t damaged, told_lost, told_damaged; /* told: in the trail, by an alarm */
    _Atomic uint64_t
        mark; /* below this size of the ledger nothing is of a record that still lies in a ring */
    _Atomic uint64_t epochs; /* the greatest in the ledger: new owners of rings begin above it */
};

/* Before each record, at a multiple of 8. */
struct btz_frame {
    uint32_t len, zero;
    uint64_t sequence, epoch, check;
};

_Static_assert(sizeof(struct btz_ring) <= BTZ_RING_PAGE, "ring page");
_Static_assert(sizeof(struct btz_control) <= BTZ_CONTROL_SIZE, "control page");
_Static_assert((BTZ_JOURNAL_BYTES & (BTZ_JOURNAL_BYTES - 1)) == 0, "a power of two");

static inline uint64_t btz_frame_size(size_t len)
{
    return (sizeof(struct btz_frame) + len + 7) & ~(uint64_t)7;
}

/* Of bytes that were torn or never reached the disk; no protection against who can write the file. */
uint64_t btz_frame_check(struct btz_slice bytes, uint64_t sequence, uint64_t epoch);

/* The ring's page, and its data twice in a row, so that every record lies in one piece. `fd` stays open. */
struct btz_ring_map {
    struct btz_ring *ring;
    uint8_t *data;
    struct btz_cover *cover; /* of all of it */
    int fd;
};
/* INPUT: not such a file, or not of its size. */
BTZ_CHECKED enum btz_err btz_ring_map(int folder, const char *path, unsigned number, bool make,
                                      struct btz_ring_map *out);
void btz_ring_unmap(struct btz_ring_map *m);
/* `page` NULL at first; what is mapped already and was cut is mapped anew at the same place. `dir` may be NULL. */
BTZ_CHECKED enum btz_err btz_control_map(const char *folder, int *dir, struct btz_control **page,
                                         struct btz_cover **cover);
void btz_control_unmap(struct btz_control *c, struct btz_cover *cover);

/* Start time of a process in clock ticks since boot; 0: there is no such process, or only its remains. */
uint64_t btz_process_started(uint64_t pid);
void btz_control_wake(struct btz_control *c);

#endif
