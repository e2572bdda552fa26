/* A worker's end of the journal. */
#include "gate/journal/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define DEAD_NS  UINT64_C(2000000000)  /* then it is looked whether there is a reader */
#define STUCK_NS UINT64_C(15000000000) /* a reader that lives and waits for its disk */

struct btz_journal {
    char *folder;
    struct btz_control *control;
    struct btz_cover *control_cover;
    struct btz_ring_map map;
    uint64_t head, sequence, epoch;
    uint64_t first; /* up to this one they were written into another ring, which was cut */
};

/* ---- taking a ring ---- */

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void take(struct btz_journal *j, unsigned number)
{
    struct btz_ring *r = j->map.ring;
    uint64_t past = max(load(&r->epoch), load(&j->control->epochs));

    j->head = load(&r->head);
    /* Behind what is done in any case, or a new record would pass for one that is in the ledger. */
    j->sequence = max(j->sequence, max(load(&r->sequence), load(&r->done)));
    j->first = j->sequence;
    j->epoch = max(past + 1, btz_clock_unix_ms());
    atomic_store_explicit(&r->pid, (uint64_t)getpid(), memory_order_relaxed);
    atomic_store_explicit(&r->started, btz_process_started((uint64_t)getpid()),
                          memory_order_relaxed);
    atomic_store_explicit(&r->wanted, 0, memory_order_relaxed);
    atomic_store_explicit(&r->passed, 0, memory_order_relaxed);
    atomic_store_explicit(&r->epoch, j->epoch, memory_order_release);
    atomic_fetch_or_explicit(&j->control->rings, UINT64_C(1) << number, memory_order_release);
}

/* Positions and numbers that no life of a machine reaches were not written by us. */
static bool is_sound(const struct btz_ring *r)
{
    return load(&r->head) % 8 == 0 && load(&r->sequence) < BTZ_RING_ENDLESS &&
           load(&r->done) < BTZ_RING_ENDLESS && load(&r->epoch) < BTZ_RING_ENDLESS;
}

/* Free when nobody holds its lock; with `read`, only when all of it was read too. */
static enum btz_err try_ring(struct btz_journal *j, int dir, const char *folder, unsigned number,
                             bool make, bool read)
{
    const struct btz_ring *r;

    BTZ_TRY(btz_ring_map(dir, folder, number, make, &j->map));
    r = j->map.ring;
    if (flock(j->map.fd, LOCK_EX | LOCK_NB) == 0 &&
        load(&r->head) - load(&r->tail) <= (read ? 0 : BTZ_JOURNAL_BYTES) && is_sound(r)) {
        take(j, number);
        return BTZ_OK;
    }
    btz_ring_unmap(&j->map);
    return btz_fail(BTZ_CONFLICT, "in use");
}

/* First what is there and read, then a new one, then one whose owner died and that nobody has read yet: what lies in
 * it stays in front of what comes. */
static enum btz_err take_ring(struct btz_journal *j, int dir, const char *folder)
{
    uint64_t rings = load(&j->control->rings);
    enum btz_err err;

    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++)
        if (rings >> n & 1 && try_ring(j, dir, folder, n, false, true) == BTZ_OK)
            return BTZ_OK;
    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++) {
        if (rings >> n & 1)
            continue;
        err = try_ring(j, dir, folder, n, true, true);
        if (err == BTZ_OK || err == BTZ_IO)
            return err;
    }
    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++)
        if (rings >> n & 1 && try_ring(j, dir, folder, n, false, false) == BTZ_OK)
            return BTZ_OK;
    return btz_fail(BTZ_LIMIT, "%s: all %d rings are in use", folder, BTZ_JOURNAL_WRITERS);
}

enum btz_err btz_journal_open(const char *folder, struct btz_journal **out)
{
    struct btz_journal *j = calloc(1, sizeof *j);
    BTZ_CLOSE_FD int dir = -1;
    enum btz_err err;

    if (!j)
        return btz_fail(BTZ_LIMIT, "out of memory");
    j->map.fd = -1;
    j->folder = strdup(folder);
    err = j->folder ? btz_control_map(folder, &dir, &j->control, &j->control_cover)
                    : btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK)
        err = take_ring(j, dir, folder);
    if (err != BTZ_OK) {
        btz_journal_close(j);
        return err;
    }
    *out = j;
    return BTZ_OK;
}

void btz_journal_close(struct btz_journal *j)
{
    if (!j)
        return;
    btz_ring_unmap(&j->map);
    btz_control_unmap(j->control, j->control_cover);
    free(j->folder);
    free(j);
}

/* ---- cut while in use ---- */

/* By us or anybody: is this no longer the ring that was taken? */
static bool is_lost(const struct btz_journal *j)
{
    const struct btz_ring *r = j->map.ring;

    return btz_is_cut(j->map.cover) || r->magic != BTZ_RING_MAGIC || load(&r->epoch) != j->epoch ||
           btz_is_cut_now(j->map.cover);
}

static enum btz_err another_ring(struct btz_journal *j)
{
    BTZ_CLOSE_FD int dir = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct btz_ring_map old = j->map;
    enum btz_err err;

    if (dir < 0)
        return btz_fail_errno(BTZ_IO, "open folder %s", j->folder);
    j->map = (struct btz_ring_map){ .fd = -1 };
    err = take_ring(j, dir, j->folder);
    if (err != BTZ_OK) {
        j->map = old;
        return btz_fail_context(err, "a ring was cut while in use, and there is no other");
    }
    btz_ring_unmap(&old);
    return BTZ_OK;
}

/* The page that all share is made anew by whoever finds it cut; the reader writes his part again. */
static void mend_control(const struct btz_journal *j)
{
    struct btz_control *page = j->control;
    struct btz_cover *cover = j->control_cover;

    if (btz_is_cut(cover) && btz_control_map(j->folder, NULL, &page, &cover) != BTZ_OK)
        return; /* the page says that there is no reader: nothing is taken for written */
}

/* ---- writing ---- */

static enum btz_err add(struct btz_journal *j, struct btz_slice record, uint64_t *sequence)
{
    struct btz_ring *r = j->map.ring;
    struct btz_frame frame = { .len = (uint32_t)record.len,
                               .sequence = j->sequence + 1,
                               .epoch = j->epoch };
    uint64_t need = btz_frame_size(record.len), used = j->head - load(&r->tail);
    uint8_t *at = j->map.data + j->head % BTZ_JOURNAL_BYTES;

    if (need > BTZ_FRAME_MAX || used > BTZ_JOURNAL_BYTES || need > BTZ_JOURNAL_BYTES - used) {
        atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
        btz_control_wake(j->control);
        return need > BTZ_FRAME_MAX
                   ? btz_fail(BTZ_LIMIT, "a record of %zu bytes", record.len)
                   : btz_fail(BTZ_LIMIT,
                              "the journal is full: records are made faster than they are read");
    }
    frame.check = btz_frame_check(record, frame.sequence, frame.epoch);
    memcpy(at, &frame, sizeof frame);
    memcpy(at + sizeof frame, record.ptr, record.len);
    j->head += need;
    j->sequence++;
    atomic_store_explicit(&r->sequence, j->sequence, memory_order_relaxed);
    atomic_store_explicit(&r->head, j->head, memory_order_release);
    *sequence = j->sequence;
    /* The reader looks by itself several times a second: it is called only before there is no room. */
    if (used + need > BTZ_JOURNAL_BYTES / 4)
        btz_control_wake(j->control);
    return BTZ_OK;
}

/* Where a part of it met a page that was gone, nobody can have read it: it is written once more, into another ring. What is
 * cut afterwards is not asked about here, or it might be in the trail twice. */
enum btz_err btz_journal_add(struct btz_journal *j, struct btz_slice record, uint64_t *sequence)
{
    enum btz_err err = BTZ_OK;

    mend_control(j);
    for (int turn = 0; turn < 3; turn++) {
        if (is_lost(j))
            BTZ_TRY(another_ring(j));
        err = add(j, record, sequence);
        if (!btz_is_cut(j->map.cover))
            return err;
    }
    return btz_fail(BTZ_IO, "rings of the journal are cut while in use, again and again");
}

/* ---- durable mode ---- */

static enum btz_err refused(const struct btz_control *c)
{
    char reason[BTZ_REASON_MAX];
    uint32_t turn = atomic_load_explicit(&c->reason_turn, memory_order_acquire);

    memcpy(reason, c->reason, sizeof reason);
    reason[sizeof reason - 1] = '\0';
    atomic_thread_fence(memory_order_acquire);
    if (turn % 2 == 1 || turn != atomic_load_explicit(&c->reason_turn, memory_order_relaxed))
        return btz_fail(BTZ_IO, "the audit trail cannot be written");
    return btz_fail(BTZ_IO, "the audit trail cannot be written: %s", reason);
}

enum btz_err btz_journal_ready(const struct btz_journal *j)
{
    const struct btz_control *c = j->control;
    uint64_t looked, now, pid;

    looked = load(&c->looked_ns);
    mend_control(j);
    if (atomic_load_explicit(&c->refusing, memory_order_acquire) != 0)
        return refused(c);
    now = btz_clock_ns();
    if (looked != 0 && now - looked < DEAD_NS)
        return BTZ_OK;
    pid = load(&c->reader_pid);
    /* Of an earlier boot, when the clock was ahead. */
    if (looked != 0 && looked <= now && now - looked < STUCK_NS && pid != 0 &&
        btz_process_started(pid) == load(&c->reader_started))
        return BTZ_OK;
    return btz_fail(BTZ_UNREACHABLE,
                    "nobody writes the audit trail: the daemon does not run, or hangs");
}

enum btz_err btz_journal_durable(const struct btz_journal *j, uint64_t sequence)
{
    struct btz_ring *r = j->map.ring;
    bool done = load(&r->done) >= sequence, passed = load(&r->passed) >= sequence;

    if (sequence <= j->first || passed || is_lost(j))
        return btz_fail(
            BTZ_IO, "a ring of the journal was cut or damaged while record %" PRIu64 " lay in it",
            sequence);
    if (done)
        return BTZ_OK;
    if (atomic_load_explicit(&r->wanted, memory_order_relaxed) < sequence)
        atomic_store_explicit(&r->wanted, sequence, memory_order_seq_cst);
    btz_control_wake(j->control);
    BTZ_TRY(btz_journal_ready(j));
    return btz_fail(BTZ_CONFLICT, "record %" PRIu64 " is not in the ledger yet", sequence);
}
