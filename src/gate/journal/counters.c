/* Counting: some twenty additions a request, into a file that all workers map. */
#include "gate/journal/counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/journal/ring.h"

const double btz_bounds[BTZ_BUCKET_KINDS][BTZ_BUCKETS - 1] = {
    { 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864 },
    { 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92 },
    { 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5,
      1 },
};
const char *const btz_outcome_names[BTZ_OUTCOMES] = {
    "ok",    "denied",     "limited", "blocked", "upstream-refused", "upstream-error",
    "error", "client-gone"
};
const char *const btz_call_names[BTZ_CALLS] = { "chat", "text_completion", "embeddings",
                                                "generate_content", "other" };
const char *const btz_word_names[BTZ_WORDS] = { "passed",   "changed",       "blocked",
                                                "observed", "not-evaluated", "off" };
const char *const btz_refused_names[BTZ_REFUSED_KINDS] = { "identity",    "policy", "route",
                                                           "size",        "limit",  "guard",
                                                           "unavailable", "other" };

/* ---- the file ---- */

static enum btz_err map_file(struct btz_metrics *m, int fd)
{
    int fixed = m->c ? MAP_FIXED : 0;
    struct btz_counters *c;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return btz_fail_errno(BTZ_IO, "look at %s", m->path);
    if (st.st_size == 0) {
        errno = posix_fallocate(fd, 0, sizeof *c);
        if (errno != 0)
            return btz_fail_errno(BTZ_IO, "space for %s", m->path);
        st.st_size = sizeof *c;
    }
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size != sizeof *c)
        return btz_fail(BTZ_INPUT, "%s: not a file of counters of this version", m->path);
    c = mmap(m->c, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd, 0);
    if (c == MAP_FAILED)
        return btz_fail_errno(BTZ_LIMIT, "map %s", m->path);
    m->c = c;
    if (!m->cover)
        BTZ_TRY(btz_cover(c, sizeof *c, &m->cover));
    btz_cover_again(m->cover);
    if (c->magic == 0) {
        c->size = sizeof *c;
        c->magic = BTZ_COUNTERS_MAGIC;
    }
    return c->magic == BTZ_COUNTERS_MAGIC && c->size == sizeof *c
               ? BTZ_OK
               : btz_fail(BTZ_INPUT, "%s: not a file of counters of this version", m->path);
}

/* One of another version begins anew: counters may be reset, and who reads them knows that. */
static enum btz_err open_file(struct btz_metrics *m)
{
    for (int turn = 0;; turn++) {
        int fd = open(m->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        enum btz_err err;

        if (fd < 0)
            return btz_fail_errno(BTZ_IO, "open %s", m->path);
        while (flock(fd, LOCK_EX) < 0)
            if (errno != EINTR) {
                (void)close(fd);
                return btz_fail_errno(BTZ_IO, "lock %s", m->path);
            }
        err = map_file(m, fd);
        if (err == BTZ_INPUT && turn == 0)
            (void)unlink(m->path);
        flock(fd, LOCK_UN);
        if (err == BTZ_OK) {
            btz_close_fd(&m->fd);
            m->fd = fd;
        } else {
            (void)close(fd);
        }
        if (err != BTZ_INPUT || turn > 0)
            return err;
    }
}

/* The place of a name; `count` when there is none. */
static size_t place_of(const struct btz_name *names, size_t count, const char *text)
{
    for (size_t i = 0;
         i < count && atomic_load_explicit(&names[i].there, memory_order_acquire) != 0; i++)
        if (strncmp(names[i].text, text, sizeof names[i].text - 1) == 0)
            return i;
    return count;
}

/* The same, taken when it is new and there is one free. One writer at a time, or a name could stand in two places; who is
 * killed in here has let go of the file, and the place he was writing is still free. */
static size_t take_place(struct btz_metrics *m, struct btz_name *names, size_t count,
                         const char *text)
{
    size_t i;

    while (flock(m->fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return count;
    i = place_of(names, count, text);
    for (size_t k = 0; i == count && k < count; k++) {
        if (atomic_load(&names[k].there) != 0)
            continue;
        snprintf(names[k].text, sizeof names[k].text, "%s", text);
        atomic_store_explicit(&names[k].there, 1, memory_order_release);
        i = k;
    }
    flock(m->fd, LOCK_UN);
    return i;
}

static size_t place_for(struct btz_metrics *m, struct btz_name *names, size_t count,
                        const char *text)
{
    size_t i = place_of(names, count, text);

    if (i < count)
        return i;
    pthread_mutex_lock(&m->naming);
    i = take_place(m, names, count, text);
    pthread_mutex_unlock(&m->naming);
    return i;
}

static void take_worker(struct btz_metrics *m)
{
    uint64_t pid = (uint64_t)getpid(), started = btz_process_started(pid);

    for (size_t i = 0; i < BTZ_WORKERS; i++) {
        uint64_t owner = atomic_load(&m->c->worker[i].pid);

        if (owner != 0 && btz_process_started(owner) == atomic_load(&m->c->worker[i].started))
            continue;
        if (!atomic_compare_exchange_strong(&m->c->worker[i].pid, &owner, pid))
            continue;
        atomic_store(&m->c->worker[i].started, started);
        atomic_store(&m->c->worker[i].in_flight, 0);
        m->worker = i;
        return;
    }
}

/* What a process adds to a file that it opened. */
static void enter(struct btz_metrics *m)
{
    for (size_t i = 0; i < m->models; i++)
        (void)take_place(m, m->c->model, BTZ_MODELS, m->known[i].text);
    for (size_t i = 0; i < m->upstreams; i++)
        (void)take_place(m, m->c->upstream, BTZ_UPSTREAMS, m->known[m->models + i].text);
    m->worker = BTZ_WORKERS;
    if (m->upstreams > 0)
        take_worker(m);
}

/* Cut while in use: counting begins anew, as it does at a start. Until that can be, this process counts for itself. */
static void mend(struct btz_metrics *m)
{
    pthread_mutex_lock(&m->naming);
    if (btz_is_cut(m->cover) && open_file(m) == BTZ_OK)
        enter(m);
    pthread_mutex_unlock(&m->naming);
}

static enum btz_err keep_names(struct btz_metrics *m, const char *const *models, size_t model_count,
                               const char *const *upstreams, size_t upstream_count)
{
    m->known = calloc(model_count + upstream_count + 1, sizeof *m->known);
    if (!m->known)
        return btz_fail(BTZ_LIMIT, "out of memory");
    m->models = model_count;
    m->upstreams = upstream_count;
    for (size_t i = 0; i < model_count; i++)
        snprintf(m->known[i].text, sizeof m->known[i].text, "%s", models[i]);
    for (size_t i = 0; i < upstream_count; i++)
        snprintf(m->known[model_count + i].text, sizeof m->known[i].text, "%s", upstreams[i]);
    return BTZ_OK;
}

enum btz_err btz_metrics_open(const char *path, const char *const *models, size_t model_count,
                              const char *const *upstreams, size_t upstream_count,
                              struct btz_metrics **out)
{
    struct btz_metrics *m = calloc(1, sizeof *m);
    enum btz_err err;

    if (!m)
        return btz_fail(BTZ_LIMIT, "out of memory");
    m->fd = -1;
    m->worker = BTZ_WORKERS;
    pthread_mutex_init(&m->naming, NULL);
    m->path = strdup(path);
    err = m->path ? keep_names(m, models, model_count, upstreams, upstream_count)
                  : btz_fail(BTZ_LIMIT, "out of memory");
    if (err == BTZ_OK)
        err = open_file(m);
    if (err != BTZ_OK) {
        btz_metrics_close(m);
        return err;
    }
    enter(m);
    *out = m;
    return BTZ_OK;
}

void btz_metrics_close(struct btz_metrics *m)
{
    if (!m)
        return;
    if (m->worker < BTZ_WORKERS) {
        atomic_store(&m->c->worker[m->worker].in_flight, 0);
        atomic_store(&m->c->worker[m->worker].pid, 0);
    }
    btz_uncover(m->cover);
    if (m->c)
        munmap(m->c, sizeof *m->c);
    btz_close_fd(&m->fd);
    pthread_mutex_destroy(&m->naming);
    free(m->known);
    free(m->path);
    free(m);
}

/* ---- what a request is ---- */

static bool is(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static enum btz_outcome outcome_of(const struct btz_call_record *r)
{
    if (r->client_gone)
        return BTZ_OUTCOME_CLIENT_GONE;
    if (is(r->guard, "blocked"))
        return BTZ_OUTCOME_BLOCKED;
    if (is(r->verdict, "deny"))
        return r->status == 429 ? BTZ_OUTCOME_LIMITED : BTZ_OUTCOME_DENIED;
    if (!is(r->verdict, "allow"))
        return r->upstream ? BTZ_OUTCOME_UPSTREAM_ERROR : BTZ_OUTCOME_ERROR;
    if (r->status >= 500)
        return BTZ_OUTCOME_UPSTREAM_ERROR;
    return r->status >= 400 ? BTZ_OUTCOME_REFUSED_UPSTREAM : BTZ_OUTCOME_OK;
}

const char *btz_call_outcome(const struct btz_call_record *r)
{
    return btz_outcome_names[outcome_of(r)];
}

static enum btz_operation_kind operation_of(const char *route)
{
    static const struct {
        const char *route;
        enum btz_operation_kind kind;
    } known[] = {
        { "chat", BTZ_CALL_CHAT },
        { "messages", BTZ_CALL_CHAT },
        { "responses", BTZ_CALL_CHAT },
        { "ollama-chat", BTZ_CALL_CHAT },
        { "completions", BTZ_CALL_COMPLETION },
        { "ollama-generate", BTZ_CALL_COMPLETION },
        { "embeddings", BTZ_CALL_EMBEDDINGS },
        { "ollama-embed", BTZ_CALL_EMBEDDINGS },
        { "ollama-embeddings", BTZ_CALL_EMBEDDINGS },
        { "images", BTZ_CALL_CONTENT },
        { "images-edit", BTZ_CALL_CONTENT },
        { "images-vary", BTZ_CALL_CONTENT },
        { "speech", BTZ_CALL_CONTENT },
    };

    for (size_t i = 0; route && i < BTZ_COUNT(known); i++)
        if (strcmp(known[i].route, route) == 0)
            return known[i].kind;
    return BTZ_CALL_OTHER;
}

const char *btz_call_operation(const char *route)
{
    return btz_call_names[operation_of(route)];
}

static enum btz_refused_for refusal_of(const struct btz_call_record *r)
{
    if (is(r->guard, "blocked"))
        return BTZ_REFUSED_GUARD;
    switch (r->status) {
    case 401:
        return BTZ_REFUSED_IDENTITY;
    case 403:
        return BTZ_REFUSED_POLICY;
    case 404:
    case 405:
        return BTZ_REFUSED_ROUTE;
    case 413:
        return BTZ_REFUSED_SIZE;
    case 429:
        return BTZ_REFUSED_LIMIT;
    case 502:
    case 503:
    case 504:
        return BTZ_REFUSED_UNAVAILABLE;
    default:
        return BTZ_REFUSED_OTHER;
    }
}

/* Whole names before patterns that end in a star. */
static size_t model_of(const struct btz_counters *c, const char *name)
{
    size_t found = BTZ_MODELS;

    for (size_t i = 0; name && i < BTZ_MODELS; i++) {
        const struct btz_name *n = &c->model[i];
        size_t len;

        if (atomic_load_explicit(&n->there, memory_order_acquire) == 0)
            break;
        if (strcmp(n->text, name) == 0)
            return i;
        len = strlen(n->text);
        if (found == BTZ_MODELS && len > 0 && n->text[len - 1] == '*' &&
            strncmp(n->text, name, len - 1) == 0)
            found = i;
    }
    return found;
}

/* ---- counting ---- */

static void add(_Atomic uint64_t *to, uint64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static size_t bucket_of(enum btz_buckets kind, double value)
{
    size_t i = 0;

    while (i < BTZ_BUCKETS - 1 && btz_bounds[kind][i] > 0 && value > btz_bounds[kind][i])
        i++;
    return i < BTZ_BUCKETS - 1 && btz_bounds[kind][i] > 0 ? i : BTZ_BUCKETS - 1;
}

static void observe(struct btz_histogram *h, enum btz_buckets kind, uint64_t n)
{
    add(&h->bucket[bucket_of(kind, kind == BTZ_OF_TOKENS ? (double)n : (double)n / 1e6)], 1);
    add(&h->sum, n);
}

static uint32_t key_of(size_t model, size_t upstream, enum btz_operation_kind operation)
{
    return 1 + (uint32_t)((model * (BTZ_UPSTREAMS + 1) + upstream) * BTZ_CALLS + operation);
}

void btz_series_name(const struct btz_counters *c, const struct btz_series *s,
                     struct btz_series_name *out)
{
    uint32_t key = atomic_load(&s->key) - 1;
    size_t upstream = key / BTZ_CALLS % (BTZ_UPSTREAMS + 1);
    size_t model = key / BTZ_CALLS / (BTZ_UPSTREAMS + 1);

    out->operation = btz_call_names[key % BTZ_CALLS];
    out->upstream = upstream < BTZ_UPSTREAMS ? c->upstream[upstream].text : "other";
    out->model = model < BTZ_MODELS ? c->model[model].text : "other";
}

static struct btz_series *series_of(struct btz_counters *c, uint32_t key)
{
    for (size_t i = 0; i < BTZ_SERIES; i++) {
        struct btz_series *s = &c->series[(key * 2654435761u + i) % BTZ_SERIES];
        uint32_t there = atomic_load_explicit(&s->key, memory_order_acquire);

        if (there == 0 && atomic_compare_exchange_strong(&s->key, &there, key))
            return s;
        if (there == key)
            return s;
        if (i == BTZ_SERIES / 2 && key != key_of(BTZ_MODELS, BTZ_UPSTREAMS, BTZ_CALL_OTHER)) {
            add(&c->series_lost, 1);
            return series_of(c, key_of(BTZ_MODELS, BTZ_UPSTREAMS, BTZ_CALL_OTHER));
        }
    }
    return NULL;
}

static uint64_t thousand_millionths(double cost)
{
    return cost > 0 && cost < 1e9 ? (uint64_t)(cost * 1e9 + 0.5) : 0;
}

static void count_series(struct btz_counters *c, const struct btz_call_record *r, size_t upstream,
                         enum btz_outcome outcome)
{
    struct btz_series *s =
        series_of(c, key_of(model_of(c, r->model), upstream, operation_of(r->route)));

    if (!s)
        return;
    observe(&s->duration[outcome], BTZ_OF_SECONDS, r->took_us);
    if (r->stream && r->first_token_us > 0)
        observe(&s->first, BTZ_OF_SECONDS, r->first_token_us);
    if (r->tokens_known) {
        observe(&s->tokens[0], BTZ_OF_TOKENS, r->input_tokens);
        observe(&s->tokens[1], BTZ_OF_TOKENS, r->output_tokens);
    }
    add(&s->cost, thousand_millionths(r->cost));
}

/* Two minutes of seconds. At the turn of a second a few additions may fall between: it is for looking at. */
static void count_second(struct btz_counters *c, const struct btz_call_record *r,
                         enum btz_outcome outcome)
{
    uint64_t now = btz_clock_unix_ms() / 1000;
    struct btz_second *s = &c->second[now % BTZ_SECONDS];
    uint64_t there = atomic_load(&s->second);

    if (there != now && atomic_compare_exchange_strong(&s->second, &there, now)) {
        _Atomic uint64_t *all = &s->requests;

        for (size_t i = 0; i < (sizeof *s - offsetof(struct btz_second, requests)) / sizeof *all;
             i++)
            atomic_store_explicit(all + i, 0, memory_order_relaxed);
    }
    add(&s->requests, 1);
    add(&s->outcome[outcome], 1);
    if (r->tokens_known) {
        add(&s->input, r->input_tokens);
        add(&s->output, r->output_tokens);
    }
    add(&s->cost, thousand_millionths(r->cost));
    add(&s->took_us, r->took_us);
    add(&s->own_us, r->own_us);
    add(&s->bucket[bucket_of(BTZ_OF_SECONDS, (double)r->took_us / 1e6)], 1);
}

static enum btz_guard_word word_of(const char *word)
{
    for (int i = 0; word && i < BTZ_WORDS; i++)
        if (strcmp(btz_word_names[i], word) == 0)
            return (enum btz_guard_word)i;
    return BTZ_WORD_OFF;
}

void btz_metrics_begin(struct btz_metrics *m)
{
    if (btz_is_cut_now(m->cover))
        mend(m);
    if (m->worker < BTZ_WORKERS)
        atomic_fetch_add_explicit(&m->c->worker[m->worker].in_flight, 1, memory_order_relaxed);
}

void btz_metrics_end(struct btz_metrics *m, const struct btz_call_record *r)
{
    struct btz_counters *c = m->c;
    enum btz_outcome outcome = outcome_of(r);
    size_t route = r->route ? place_for(m, c->route, BTZ_ROUTES, r->route) : BTZ_ROUTES;
    size_t upstream =
        r->upstream ? place_of(c->upstream, BTZ_UPSTREAMS, r->upstream) : BTZ_UPSTREAMS;

    if (m->worker < BTZ_WORKERS && atomic_load(&c->worker[m->worker].in_flight) > 0)
        atomic_fetch_sub_explicit(&c->worker[m->worker].in_flight, 1, memory_order_relaxed);
    add(&c->requests[route][outcome], 1);
    if (r->upstream)
        add(&c->answers[upstream][r->upstream_status < 600 ? r->upstream_status / 100 : 0], 1);
    add(&c->guard[word_of(r->guard)], 1);
    if (!is(r->verdict, "allow"))
        add(&c->refused[refusal_of(r)], 1);
    add(&c->bytes[0], r->request_bytes);
    add(&c->bytes[1], r->response_bytes);
    add(&c->text[0], r->scanned_in);
    add(&c->text[1], r->scanned_out);
    add(&c->text[2], r->skipped_in);
    add(&c->text[3], r->skipped_out);
    observe(&c->own, BTZ_OF_OVERHEAD, r->own_us);
    if (r->model)
        count_series(c, r, upstream, outcome);
    count_second(c, r, outcome);
}

void btz_metrics_detector(struct btz_metrics *m, size_t detector, uint32_t runs, uint32_t hits,
                          uint32_t failed)
{
    if (detector >= BTZ_DETECTORS)
        return;
    add(&m->c->detector[detector][0], runs);
    add(&m->c->detector[detector][1], hits);
    add(&m->c->detector[detector][2], failed);
}

/* Of workers that live: what a killed one had in flight ended with it. */
uint64_t btz_in_flight(const struct btz_metrics *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < BTZ_WORKERS; i++) {
        uint64_t n = atomic_load(&m->c->worker[i].in_flight);
        uint64_t pid = atomic_load(&m->c->worker[i].pid);

        if (n > 0 && pid != 0 && btz_process_started(pid) == atomic_load(&m->c->worker[i].started))
            sum += n;
    }
    return sum;
}
