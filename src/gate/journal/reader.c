/* The daemon's end of the journal. What stands in the files is hostile: positions are checked, records are copied before
 * their checksum is looked at, and nothing is believed that would make the reader loop or read outside. */
#include "gate/journal/ring.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BATCH_BYTES ((size_t)8 << 20) /* at least one record of any size */

struct source {
    struct btz_ring_map map;
    bool open;
    uint64_t bad;             /* when the file that is no ring was last changed */
    uint64_t at;              /* read up to here */
    uint64_t epoch, sequence; /* of the last record read, or known to be in the ledger */
    uint64_t read;            /* sequence of the last record handed out */
};

struct btz_journal_reader {
    char *folder;
    int dir;
    struct btz_control *control;
    struct btz_cover *control_cover;
    struct kept {
        uint64_t damaged, told_lost, told_damaged, mark, epochs;
    } kept; /* of `control`, which may be cut */
    struct source source[BTZ_JOURNAL_WRITERS];
    unsigned turn; /* which ring is read first */
    uint8_t *batch;
    size_t batch_len;
};

static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static void store(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static void enter(struct btz_journal_reader *r)
{
    store(&r->control->reader_started, btz_process_started((uint64_t)getpid()));
    store(&r->control->reader_pid, (uint64_t)getpid());
    atomic_store(&r->control->refusing, 0);
}

/* Cut while in use, the shared page is made anew, by us or by a writer: what we wrote there is put back. */
static void look_after_control(struct btz_journal_reader *r)
{
    struct btz_control *c = r->control;
    const struct kept now = { load(&c->damaged), load(&c->told_lost), load(&c->told_damaged),
                              load(&c->mark), load(&c->epochs) };

    if (load(&c->reader_pid) == (uint64_t)getpid() && !btz_is_cut(r->control_cover)) {
        r->kept = now;
        return;
    }
    if (btz_is_cut(r->control_cover) &&
        btz_control_map(r->folder, NULL, &r->control, &r->control_cover) != BTZ_OK)
        return;
    store(&c->damaged, r->kept.damaged);
    store(&c->told_lost, r->kept.told_lost);
    store(&c->told_damaged, r->kept.told_damaged);
    store(&c->mark, r->kept.mark);
    store(&c->epochs, r->kept.epochs);
    enter(r);
}

void btz_journal_alive(struct btz_journal_reader *r)
{
    look_after_control(r);
    store(&r->control->looked_ns, btz_clock_ns());
}

static void count_damage(struct btz_journal_reader *r)
{
    atomic_fetch_add_explicit(&r->control->damaged, 1, memory_order_relaxed);
}

/* ---- opening ---- */

enum btz_err btz_journal_reader_open(const char *folder, struct btz_journal_reader **out)
{
    struct btz_journal_reader *r = calloc(1, sizeof *r);
    enum btz_err err = BTZ_OK;

    if (!r)
        return btz_fail(BTZ_LIMIT, "out of memory");
    r->dir = -1;
    for (size_t i = 0; i < BTZ_JOURNAL_WRITERS; i++)
        r->source[i].map.fd = -1;
    r->folder = strdup(folder);
    /* Mapped: only what a batch has ever needed takes memory. */
    r->batch = mmap(NULL, BATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->batch == MAP_FAILED)
        r->batch = NULL;
    if (!r->folder || !r->batch)
        err = btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK)
        err = btz_control_map(folder, &r->dir, &r->control, &r->control_cover);
    if (err != BTZ_OK) {
        btz_journal_reader_close(r);
        return err;
    }
    enter(r);
    btz_journal_alive(r);
    *out = r;
    return BTZ_OK;
}

void btz_journal_reader_close(struct btz_journal_reader *r)
{
    if (!r)
        return;
    if (r->control) {
        store(&r->control->reader_pid, 0);
        store(&r->control->looked_ns, 0);
    }
    for (size_t i = 0; i < BTZ_JOURNAL_WRITERS; i++)
        btz_ring_unmap(&r->source[i].map);
    btz_control_unmap(r->control, r->control_cover);
    btz_close_fd(&r->dir);
    if (r->batch)
        munmap(r->batch, BATCH_BYTES);
    free(r->folder);
    free(r);
}

/* In ns; 0: it is not there. Numbers of inodes come again. */
static uint64_t changed(const struct btz_journal_reader *r, unsigned n)
{
    struct stat st;
    char name[16];

    snprintf(name, sizeof name, "ring-%02u", n);
    return fstatat(r->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
               ? (uint64_t)st.st_ctim.tv_sec * 1000000000 + (uint64_t)st.st_ctim.tv_nsec
               : 0;
}

/* What was there and cannot be read: no writer may take it for written, whatever comes behind it. */
static void pass_over(struct btz_journal_reader *r, struct source *s, uint64_t to)
{
    count_damage(r);
    store(&s->map.ring->passed, load(&s->map.ring->sequence));
    s->at = to;
}

static void attach(struct btz_journal_reader *r, unsigned n)
{
    struct source *s = &r->source[n];
    enum btz_err err = btz_ring_map(r->dir, r->folder, n, false, &s->map);

    if (err != BTZ_OK) {
        s->map.fd = -1;
        s->bad = err == BTZ_INPUT ? changed(r, n) : 0; /* else: too many open files, for example */
        if (s->bad)
            count_damage(r);
        return;
    }
    s->open = true;
    s->at = load(&s->map.ring->tail);
    if (s->at % 8 != 0 || load(&s->map.ring->head) - s->at > BTZ_JOURNAL_BYTES) {
        pass_over(r, s, load(&s->map.ring->head) & ~UINT64_C(7));
        store(&s->map.ring->tail, s->at);
    }
}

/* Cut while in use: what was not read is lost. The file may be as it should be again, of somebody else's. */
static void lose(struct btz_journal_reader *r, unsigned n)
{
    struct source *s = &r->source[n];

    store(&s->map.ring->passed, load(&s->map.ring->sequence));
    btz_ring_unmap(&s->map);
    s->open = false;
    s->read = 0;
    attach(r, n);
    if (!s->bad)
        count_damage(r);
}

static void attach_new(struct btz_journal_reader *r)
{
    uint64_t rings = load(&r->control->rings);

    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++)
        if (r->source[n].open && btz_is_cut(r->source[n].map.cover))
            lose(r, n);
    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++)
        if (rings >> n & 1 && !r->source[n].open &&
            (!r->source[n].bad || r->source[n].bad != changed(r, n)))
            attach(r, n);
}

void btz_journal_skip(struct btz_journal_reader *r, unsigned writer, uint64_t epoch,
                      uint64_t sequence)
{
    struct source *s;

    attach_new(r);
    if (epoch > load(&r->control->epochs) && epoch < BTZ_RING_ENDLESS / 2)
        store(&r->control->epochs, epoch);
    if (writer >= BTZ_JOURNAL_WRITERS || !r->source[writer].open)
        return;
    s = &r->source[writer];
    if (epoch < s->epoch || (epoch == s->epoch && sequence <= s->sequence))
        return;
    s->epoch = epoch;
    s->sequence = sequence;
    /* Another epoch's numbers may be ahead of those of a ring that was made anew. */
    if (epoch == load(&s->map.ring->epoch))
        s->read = sequence;
}

/* ---- reading ---- */

/* What the ring claims to hold; nothing when the claim is impossible, which is settled at once. */
static uint64_t pending(struct btz_journal_reader *r, struct source *s)
{
    uint64_t head;

    if (!s->open)
        return 0;
    head = load(&s->map.ring->head);
    if (head - s->at <= BTZ_JOURNAL_BYTES && head % 8 == 0)
        return head - s->at;
    pass_over(r, s, head & ~UINT64_C(7));
    return 0;
}

bool btz_journal_is_wanted(struct btz_journal_reader *r)
{
    for (unsigned n = 0; n < BTZ_JOURNAL_WRITERS; n++) {
        struct source *s = &r->source[n];
        uint64_t waiting = pending(r, s);

        if (waiting > BTZ_JOURNAL_BYTES / 4 ||
            (waiting > 0 && load(&s->map.ring->wanted) > load(&s->map.ring->done)))
            return true;
    }
    return false;
}

static void sleep_on(struct btz_control *c, uint64_t ns)
{
    struct timespec most = { .tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000) };

    syscall(SYS_futex, &c->asleep, FUTEX_WAIT, 1, &most, NULL, 0);
}

static void wait_for_records(struct btz_journal_reader *r, unsigned wait_ms)
{
    struct btz_control *c = r->control;
    uint64_t now = btz_clock_ns(), until = now + wait_ms * UINT64_C(1000000);

    while (now < until) {
        attach_new(r);
        atomic_store_explicit(&c->asleep, 1, memory_order_seq_cst);
        atomic_thread_fence(memory_order_seq_cst);
        if (btz_journal_is_wanted(r))
            break;
        sleep_on(c, until - now);
        now = btz_clock_ns();
        btz_journal_alive(r);
    }
    atomic_store_explicit(&c->asleep, 0, memory_order_release);
}

enum found { FOUND, NOTHING, SKIPPED, NO_ROOM };

/* The next record of a ring, copied, then checked. After damage all that was there is passed over: where a record begins
 * is only known from the one before. */
static enum found next_record(struct btz_journal_reader *r, unsigned n,
                              struct btz_journal_record *out)
{
    struct source *s = &r->source[n];
    uint64_t there = pending(r, s);
    const uint8_t *from = s->map.data + s->at % BTZ_JOURNAL_BYTES;
    uint8_t *to = r->batch + r->batch_len;
    struct btz_frame f;

    if (there == 0)
        return NOTHING;
    if (there >= sizeof f)
        memcpy(&f, from, sizeof f);
    if (there < sizeof f || f.epoch == 0 || f.sequence == 0 || f.len > BTZ_FRAME_MAX ||
        btz_frame_size(f.len) > there)
        goto damaged;
    if (f.len > BATCH_BYTES - r->batch_len)
        return NO_ROOM;
    memcpy(to, from + sizeof f, f.len);
    if (f.check != btz_frame_check(btz_slice_of(to, f.len), f.sequence, f.epoch) || f.zero != 0)
        goto damaged;
    s->at += btz_frame_size(f.len);
    if (f.epoch < s->epoch || (f.epoch == s->epoch && f.sequence <= s->sequence)) {
        if (f.epoch == s->epoch && f.sequence > s->read)
            s->read = f.sequence;
        return SKIPPED; /* in the ledger already, or a ring that repeats itself */
    }
    s->epoch = f.epoch;
    s->sequence = s->read = f.sequence;
    r->batch_len += f.len;
    *out = (struct btz_journal_record){
        .bytes = btz_slice_of(to, f.len), .writer = n, .sequence = f.sequence, .epoch = f.epoch
    };
    return FOUND;
damaged:
    pass_over(r, s, s->at + there);
    return SKIPPED;
}

enum btz_err btz_journal_fetch(struct btz_journal_reader *r, unsigned wait_ms,
                               struct btz_journal_record *out, size_t max, size_t *count)
{
    size_t got = 0;

    btz_journal_alive(r);
    attach_new(r);
    if (!btz_journal_is_wanted(r))
        wait_for_records(r, wait_ms);
    for (unsigned i = 0; i < BTZ_JOURNAL_WRITERS; i++) {
        unsigned n = (r->turn + i) % BTZ_JOURNAL_WRITERS;
        /* No more than was there: a writer that never stops must not keep the others waiting. */
        uint64_t until = r->source[n].at + pending(r, &r->source[n]);
        enum found found = FOUND;

        while (got < max && r->source[n].open && r->source[n].at != until && found != NOTHING &&
               found != NO_ROOM) {
            found = next_record(r, n, &out[got]);
            if (found == FOUND)
                got++;
        }
        if (got == max || found == NO_ROOM)
            break;
    }
    r->turn = (r->turn + 1) % BTZ_JOURNAL_WRITERS;
    *count = got;
    return BTZ_OK;
}

void btz_journal_done(struct btz_journal_reader *r)
{
    for (size_t n = 0; n < BTZ_JOURNAL_WRITERS; n++) {
        const struct source *s = &r->source[n];

        if (!s->open)
            continue;
        if (load(&s->map.ring->tail) != s->at)
            store(&s->map.ring->tail, s->at);
        if (s->read > load(&s->map.ring->done))
            store(&s->map.ring->done, s->read);
    }
    r->batch_len = 0;
    atomic_store_explicit(&r->control->refusing, 0, memory_order_release);
    btz_journal_alive(r);
}

void btz_journal_refuse(struct btz_journal_reader *r, const char *reason)
{
    struct btz_control *c = r->control;

    atomic_fetch_add_explicit(&c->reason_turn, 1, memory_order_acq_rel);
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    atomic_fetch_add_explicit(&c->reason_turn, 1, memory_order_acq_rel);
    atomic_store_explicit(&c->refusing, 1, memory_order_release);
    btz_journal_alive(r);
}

/* ---- mark and counts ---- */

uint64_t btz_journal_mark(const struct btz_journal_reader *r)
{
    return load(&r->control->mark);
}

enum btz_err btz_journal_set_mark(struct btz_journal_reader *r, uint64_t size)
{
    for (size_t n = 0; n < BTZ_JOURNAL_WRITERS; n++)
        if (r->source[n].open && msync(r->source[n].map.ring, BTZ_RING_PAGE, MS_SYNC) < 0)
            return btz_fail_errno(BTZ_IO, "sync %s/ring-%02zu", r->folder, n);
    store(&r->control->mark, size);
    return BTZ_OK;
}

void btz_journal_count(struct btz_journal_reader *r, struct btz_journal_counts *out)
{
    *out = (struct btz_journal_counts){ .damaged = load(&r->control->damaged),
                                        .told_lost = load(&r->control->told_lost),
                                        .told_damaged = load(&r->control->told_damaged) };
    attach_new(r);
    for (size_t n = 0; n < BTZ_JOURNAL_WRITERS; n++) {
        const struct btz_ring *ring = r->source[n].map.ring;

        if (!r->source[n].open)
            continue;
        out->written += load(&ring->sequence);
        out->lost += load(&ring->lost);
        if (load(&ring->sequence) > load(&ring->done))
            out->waiting += load(&ring->sequence) - load(&ring->done);
    }
}

void btz_journal_told(struct btz_journal_reader *r, uint64_t lost, uint64_t damaged)
{
    store(&r->control->told_lost, lost);
    store(&r->control->told_damaged, damaged);
}
