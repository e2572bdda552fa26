#include "watch/sequencer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <time.h>

#define GROUP      1024
#define GATHER_MS  50
#define REST_EACH  4     /* entries */
#define REST_NS    50000 /* and what the timer adds */
#define RETRY_MS   200
#define TURN_NS    UINT64_C(1000000000)
#define MARK_NS    UINT64_C(5000000000)
#define QUIET_NS   UINT64_C(2000000000)  /* then a burst is over ... */
#define LONGEST_NS UINT64_C(60000000000) /* ... and this long none goes on unsaid */
#define LATE_MS    10000
#define LAST_CALLS 50
#define DRAINS     256

_Static_assert(GROUP <= BTZ_TRAIL_LOG_MAX, "a group of the trail");

/* Something that is counted, and told once a burst. */
struct burst {
    uint64_t seen, told, since_ns, changed_ns;
};

struct btz_sequencer {
    struct btz_sequencer_options o;
    struct btz_journal_reader *reader;
    struct btz_store *store;
    struct {
        uint64_t epoch, sequence;
    } last[BTZ_JOURNAL_WRITERS]; /* in the ledger */
    uint64_t looked_from;        /* below this size of the ledger all is in `last` */
    uint64_t marked_ns, turned_ns, marked;
    struct burst lost, damaged, late, odd;
    uint64_t odd_records; /* such as were whole and no records of calls */
    bool complained;

    struct btz_journal_record fetched[GROUP];
    struct btz_trail_call call[GROUP];
    struct btz_record_view view[GROUP];
    struct btz_trail_part part[GROUP][BTZ_TRAIL_PARTS];
    char operation[GROUP][96], verdict[GROUP][16];

    pthread_t thread;
    bool runs;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool stopping;
    struct btz_sequencer_state state;
    uint64_t worked_ns;
    struct btz_buf calls[LAST_CALLS]; /* JSON */
    size_t next_call;
};

/* Requests go first where processors are short: a group is some milliseconds of work, and a scheduler lets a worker that wakes
 * up wait for much of it, whatever the priorities. So it is done in pieces of less than 0.1 ms, unless somebody waits for it. */
static void give_way(void *user, size_t i)
{
    struct btz_sequencer *q = user;

    if (i % REST_EACH == REST_EACH - 1 && !btz_journal_is_wanted(q->reader))
        (void)nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
}

/* ---- a record becomes an entry ---- */

/* Texts of a record are JSON texts without their quotes; those that are compared have no escapes. */
static void copy_text(const struct btz_record_view *v, const char *name, char *out, size_t size)
{
    struct btz_slice text = { 0 };
    size_t n = 0;

    if (btz_record_text(v, name, &text))
        n = text.len < size ? text.len : size - 1;
    if (n > 0)
        memcpy(out, text.ptr, n);
    out[n] = '\0';
}

static bool belongs_elsewhere(struct btz_slice name)
{
    return btz_slice_is(name, "verdict");
}

static void add_part(struct btz_trail_call *c, struct btz_trail_part *parts, struct btz_slice name,
                     struct btz_slice value)
{
    parts[c->count++] = (struct btz_trail_part){ .name = name, .value = value };
}

static enum btz_err to_entry(struct btz_sequencer *q, size_t i, const struct btz_journal_record *r)
{
    struct btz_record_view *v = &q->view[i];
    struct btz_trail_call *c = &q->call[i];
    char route[64];

    BTZ_TRY(btz_record_parse(r->bytes, v));
    *c = (struct btz_trail_call){ .writer = r->writer,
                                  .epoch = r->epoch,
                                  .sequence = r->sequence,
                                  .at_ms = btz_record_count(v, "at"),
                                  .verdict = q->verdict[i],
                                  .parts = q->part[i] };
    copy_text(v, "verdict", q->verdict[i], sizeof q->verdict[i]);
    if (strcmp(q->verdict[i], "allow") != 0 && strcmp(q->verdict[i], "deny") != 0)
        snprintf(q->verdict[i], sizeof q->verdict[i], "error");
    copy_text(v, "route", route, sizeof route);
    snprintf(q->operation[i], sizeof q->operation[i], "\"gate.%s\"", route[0] ? route : "none");
    add_part(c, q->part[i], btz_str("operation"), btz_str(q->operation[i]));
    for (size_t m = 0; m < v->count && c->count < BTZ_TRAIL_PARTS; m++)
        if (!belongs_elsewhere(v->member[m].name))
            add_part(c, q->part[i], v->member[m].name, v->member[m].value);
    /* They lie one behind the other; the entry has their lengths. */
    c->secret = btz_slice_of(v->request_body.ptr, v->request_body.len + v->response_body.len);
    return BTZ_OK;
}

static bool is_logged(const struct btz_sequencer *q, const struct btz_journal_record *r)
{
    return r->epoch < q->last[r->writer].epoch ||
           (r->epoch == q->last[r->writer].epoch && r->sequence <= q->last[r->writer].sequence);
}

static void note_logged(void *user, unsigned writer, uint64_t epoch, uint64_t sequence)
{
    struct btz_sequencer *q = user;

    if (writer >= BTZ_JOURNAL_WRITERS || epoch < q->last[writer].epoch ||
        (epoch == q->last[writer].epoch && sequence <= q->last[writer].sequence))
        return;
    q->last[writer].epoch = epoch;
    q->last[writer].sequence = sequence;
}

/* Entries of what was fetched and is not in the ledger yet. */
static size_t make_entries(struct btz_sequencer *q, size_t count)
{
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        give_way(q, i);
        if (is_logged(q, &q->fetched[i]))
            continue;
        if (to_entry(q, made, &q->fetched[i]) == BTZ_OK)
            made++;
        else
            q->odd_records++;
    }
    return made;
}

/* ---- what is shown ---- */

/* Its text: it is parsed when somebody looks. */
static void remember(struct btz_sequencer *q, const struct btz_record_view *v)
{
    const uint8_t *from = v->member[0].name.ptr - 2; /* the brace and the quote */
    struct btz_buf *to;

    pthread_mutex_lock(&q->lock);
    to = &q->calls[q->next_call];
    btz_buf_clear(to);
    if (btz_buf_add(to, from, (size_t)(v->request_body.ptr - from)) == BTZ_OK)
        q->next_call = (q->next_call + 1) % LAST_CALLS;
    pthread_mutex_unlock(&q->lock);
}

static bool is_late(const struct btz_record_view *v, uint64_t now_ms)
{
    return now_ms > btz_record_count(v, "at") + btz_record_count(v, "took_us") / 1000 + LATE_MS;
}

/* Keys of the gateway are used here and nowhere else: `access review` would call them stale. */
static void note_used(struct btz_sequencer *q, const struct btz_record_view *v, const char *verdict)
{
    char id[BTZ_ID_TEXT];

    if (strcmp(verdict, "deny") == 0)
        return;
    copy_text(v, "key", id, sizeof id);
    if (id[0])
        btz_used_note(q->o.access, id, true);
    copy_text(v, "principal", id, sizeof id);
    if (id[0])
        btz_used_note(q->o.access, id, false);
}

static void tell_logged(struct btz_sequencer *q, size_t made)
{
    uint64_t now_ms = btz_clock_unix_ms(), late = 0;

    for (size_t i = 0; i < made; i++) {
        const struct btz_record_view *v = &q->view[i];
        struct btz_slice phase;

        give_way(q, i);
        note_logged(q, q->call[i].writer, q->call[i].epoch, q->call[i].sequence);
        late += is_late(v, now_ms);
        if (btz_record_text(v, "phase", &phase) && btz_slice_is(phase, "begin"))
            continue;
        note_used(q, v, q->verdict[i]);
        if (i + LAST_CALLS >= made)
            remember(q, v);
        if (q->o.logged)
            q->o.logged(q->o.user, v);
    }
    pthread_mutex_lock(&q->lock);
    q->state.logged += made;
    q->state.ledger_size = q->looked_from;
    q->state.late += late;
    pthread_mutex_unlock(&q->lock);
}

json_t *btz_sequencer_calls(struct btz_sequencer *q)
{
    json_t *items = json_array(), *out = json_object();

    pthread_mutex_lock(&q->lock);
    for (size_t i = 1; items && i <= LAST_CALLS; i++) {
        const struct btz_buf *text = &q->calls[(q->next_call + LAST_CALLS - i) % LAST_CALLS];
        json_t *o = NULL;

        if (text->len > 0 &&
            btz_json_parse(btz_buf_slice(text), BTZ_JOURNAL_RECORD_MAX, "record", &o) == BTZ_OK)
            (void)json_array_append_new(items, o);
    }
    pthread_mutex_unlock(&q->lock);
    if (!out || !items || json_object_set_new(out, "items", items) != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

void btz_sequencer_look(struct btz_sequencer *q, struct btz_sequencer_state *out)
{
    pthread_mutex_lock(&q->lock);
    *out = q->state;
    out->worked_ms_ago = (btz_clock_ns() - q->worked_ns) / 1000000;
    pthread_mutex_unlock(&q->lock);
}

/* ---- alarms ---- */

static void watch(struct burst *b, uint64_t count, uint64_t now)
{
    if (count == b->seen)
        return;
    if (b->seen == b->told)
        b->since_ns = now;
    b->seen = count;
    b->changed_ns = now;
}

static bool is_due(const struct burst *b, uint64_t now)
{
    return b->seen != b->told && (now - b->changed_ns > QUIET_NS || now - b->since_ns > LONGEST_NS);
}

static enum btz_err alarm_in(struct btz_trail *t, struct btz_store *s, const char *reason)
{
    const struct btz_trail_entry e = {
        .event = "alarm", .verdict = "error", .operation = "gate.journal", .reason = reason
    };
    enum btz_err err;

    BTZ_TRY(btz_store_begin(s));
    err = btz_trail_add(t, s, &e, NULL);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    return btz_trail_flush(t, s);
}

/* True when it is in the trail, or at least sure to come there. */
static bool raise_alarm(struct btz_sequencer *q, const char *reason)
{
    btz_log(q->o.log, BTZ_LOG_ERROR, "alarm: %s", reason);
    return alarm_in(btz_access_trail(q->o.access), q->store, reason) == BTZ_OK;
}

static void tell_burst(struct btz_sequencer *q, struct burst *b, const char *what, uint64_t now)
{
    char reason[256];

    if (!is_due(b, now))
        return;
    snprintf(reason, sizeof reason, "%" PRIu64 " %s", b->seen - b->told, what);
    if (raise_alarm(q, reason))
        b->told = b->seen;
    else
        b->changed_ns = b->since_ns = now; /* again after a while */
}

static void look_around(struct btz_sequencer *q, uint64_t now)
{
    struct btz_journal_counts c;

    btz_journal_count(q->reader, &c);
    watch(&q->lost, c.lost, now);
    watch(&q->damaged, c.damaged, now);
    watch(&q->odd, q->odd_records, now);
    watch(&q->late, q->state.late, now);
    tell_burst(q, &q->lost, "entries of requests were lost: the journal was full", now);
    tell_burst(q, &q->damaged, "places of the journal were damaged and passed over", now);
    tell_burst(q, &q->odd, "records of the journal were no records of calls", now);
    tell_burst(q, &q->late, "entries of requests came late into the ledger: over 10 s", now);
    btz_journal_told(q->reader, q->lost.told, q->damaged.told);
    pthread_mutex_lock(&q->lock);
    q->state.counts = c;
    pthread_mutex_unlock(&q->lock);
}

/* ---- the thread ---- */

static bool is_stopping(struct btz_sequencer *q)
{
    bool out;

    pthread_mutex_lock(&q->lock);
    out = q->stopping;
    q->worked_ns = btz_clock_ns();
    pthread_mutex_unlock(&q->lock);
    return out;
}

static void wait_a_while(struct btz_sequencer *q)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&q->lock);
    while (!q->stopping && pthread_cond_timedwait(&q->changed, &q->lock, &until) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&q->lock);
}

static void set_failing(struct btz_sequencer *q, const char *reason)
{
    pthread_mutex_lock(&q->lock);
    q->state.failing = reason != NULL;
    snprintf(q->state.reason, sizeof q->state.reason, "%s", reason ? reason : "");
    pthread_mutex_unlock(&q->lock);
}

static bool is_full(const char *detail)
{
    return strstr(detail, "No space left") || strstr(detail, "File too large") ||
           strstr(detail, "quota exceeded") || strstr(detail, "database or disk is full");
}

static void refuse(struct btz_sequencer *q)
{
    bool full = is_full(btz_error_detail());
    char reason[256];

    snprintf(reason, sizeof reason, "%s%.200s", full ? "disk full: " : "", btz_error_detail());
    /* Clients read it: paths are the operator's. */
    btz_journal_refuse(q->reader, full ? "disk full: no space left for the ledger"
                                       : "the ledger cannot be written");
    if (!q->complained)
        btz_log(q->o.log, BTZ_LOG_ERROR, "alarm: the audit trail cannot be written: %s", reason);
    q->complained = true;
    set_failing(q, reason);
}

/* What is in the ledger already, in spite of an error or of a death. */
static enum btz_err look_at_ledger(struct btz_sequencer *q)
{
    uint64_t size;

    BTZ_TRY(btz_trail_logged(btz_access_trail(q->o.access), q->looked_from, note_logged, q, &size));
    q->looked_from = size;
    return BTZ_OK;
}

/* Kept while all is well: lanes are few, and those who sign in hold them for long. */
static enum btz_err take_store(struct btz_sequencer *q)
{
    return q->store ? BTZ_OK : btz_access_store(q->o.access, &q->store);
}

static void give_store_back(struct btz_sequencer *q)
{
    btz_access_store_back(q->o.access, q->store);
    q->store = NULL;
}

static enum btz_err log_once(struct btz_sequencer *q, size_t count, bool must_look)
{
    struct btz_trail *t = btz_access_trail(q->o.access);
    size_t made;

    BTZ_TRY(take_store(q));
    if (must_look)
        BTZ_TRY(look_at_ledger(q));
    made = make_entries(q, count);
    BTZ_TRY(btz_trail_log(t, q->store, q->call, made, give_way, q));
    if (made > 0)
        q->looked_from = btz_trail_log_size(t);
    tell_logged(q, made);
    btz_journal_done(q->reader);
    if (q->complained)
        btz_log(q->o.log, BTZ_LOG_WARN, "the audit trail is written again");
    if (q->complained)
        set_failing(q, NULL);
    q->complained = false;
    return BTZ_OK;
}

/* Until it is in the ledger, or the daemon stops: then it stays in the ring. */
static bool log_fetched(struct btz_sequencer *q, size_t count)
{
    for (bool again = false; !is_stopping(q); again = true) {
        if (log_once(q, count, again) == BTZ_OK)
            return true;
        refuse(q);
        give_store_back(q); /* its connection may be the trouble */
        wait_a_while(q);
    }
    return false;
}

/* What came last, before the daemon goes; what does not go now stays for the next one. */
static void drain(struct btz_sequencer *q)
{
    size_t count = 1;

    for (int i = 0; i < DRAINS && count > 0; i++)
        if (btz_journal_fetch(q->reader, 0, q->fetched, GROUP, &count) != BTZ_OK ||
            log_once(q, count, false) != BTZ_OK)
            return;
}

static void set_mark(struct btz_sequencer *q)
{
    if (q->marked == q->looked_from)
        return;
    if (btz_journal_set_mark(q->reader, q->looked_from) == BTZ_OK)
        q->marked = q->looked_from;
    else
        btz_log(q->o.log, BTZ_LOG_WARN, "journal: %s", btz_error_detail());
}

static void *sequence(void *user)
{
    struct btz_sequencer *q = user;
    bool well = true;
    size_t count;

    /* Less weight, too: it matters where no processor is ever free. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 5);
    while (well && !is_stopping(q)) {
        uint64_t now = btz_clock_ns();

        if (btz_journal_fetch(q->reader, q->o.gather_ms, q->fetched, GROUP, &count) != BTZ_OK)
            break;
        if (count > 0)
            well = log_fetched(q, count);
        else if (!q->complained)
            btz_journal_done(q->reader); /* what was passed over */
        if (now - q->turned_ns > TURN_NS && take_store(q) == BTZ_OK) {
            look_around(q, now);
            btz_used_write(q->o.access, q->store);
            q->turned_ns = now;
        }
        if (well && now - q->marked_ns > MARK_NS) {
            set_mark(q);
            q->marked_ns = now;
        }
    }
    if (well)
        drain(q);
    if (q->store)
        give_store_back(q);
    return NULL;
}

/* ---- life ---- */

static enum btz_err open_journal(struct btz_sequencer *q)
{
    struct btz_journal_counts c;
    char folder[PATH_MAX];
    uint64_t size, mark;
    int n = snprintf(folder, sizeof folder, "%s/gate/journal", q->o.state_dir);

    if (n < 0 || (size_t)n >= sizeof folder)
        return btz_fail(BTZ_USAGE, "state folder: the path is too long");
    BTZ_TRY(btz_journal_reader_open(folder, &q->reader));
    mark = btz_journal_mark(q->reader);
    BTZ_TRY(btz_trail_logged(btz_access_trail(q->o.access), mark, note_logged, q, &size));
    for (unsigned i = 0; i < BTZ_JOURNAL_WRITERS; i++)
        btz_journal_skip(q->reader, i, q->last[i].epoch, q->last[i].sequence);
    q->looked_from = size;
    q->marked = mark;
    btz_journal_count(q->reader, &c);
    q->lost = (struct burst){ .seen = c.told_lost, .told = c.told_lost };
    q->damaged = (struct burst){ .seen = c.told_damaged, .told = c.told_damaged };
    return BTZ_OK;
}

enum btz_err btz_sequencer_start(const struct btz_sequencer_options *o, struct btz_sequencer **out)
{
    struct btz_sequencer *q = calloc(1, sizeof *q);
    pthread_condattr_t monotonic;
    enum btz_err err;

    if (!q)
        return btz_fail(BTZ_LIMIT, "out of memory");
    q->o = *o;
    if (q->o.gather_ms == 0)
        q->o.gather_ms = GATHER_MS;
    q->worked_ns = btz_clock_ns();
    for (size_t i = 0; i < LAST_CALLS; i++)
        q->calls[i] = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    err = open_journal(q);
    if (err == BTZ_OK && pthread_create(&q->thread, NULL, sequence, q) != 0)
        err = btz_fail(BTZ_LIMIT, "cannot start a thread");
    else if (err == BTZ_OK)
        q->runs = true;
    if (err != BTZ_OK) {
        btz_sequencer_stop(q);
        return err;
    }
    *out = q;
    return BTZ_OK;
}

void btz_sequencer_stop(struct btz_sequencer *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
    if (q->runs) {
        pthread_join(q->thread, NULL);
        set_mark(q);
    }
    btz_journal_reader_close(q->reader);
    for (size_t i = 0; i < LAST_CALLS; i++)
        btz_buf_release(&q->calls[i]);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    free(q);
}
