#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "access/directory/directory.h"
#include "access/oidc.h"

#define HASH_WAITING 4 /* for each that runs */
#define HASH_WAIT_MS 5000
#define LANE_WAIT_S  10
#define SPARE_LANES  24

/* ---- lanes: a connection and a snapshot reader for each thread that is in here ---- */

static enum btz_err lane_open(struct btz_access *a, struct btz_lane *lane)
{
    return lane->store ? BTZ_OK : btz_store_open(a->where, &lane->store);
}

enum btz_err btz_lane_take(struct btz_access *a, struct btz_lane **out)
{
    struct btz_lane *lane = NULL;
    struct timespec until;
    enum btz_err err;
    int timed_out = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LANE_WAIT_S;
    pthread_mutex_lock(&a->lock);
    while (!lane && !timed_out) {
        /* The ones used before come first: they are open. */
        for (size_t i = 0; i < a->lane_count && !lane; i++)
            if (!a->lanes[i].busy)
                lane = &a->lanes[i];
        if (!lane && a->lane_count < a->lane_cap)
            lane = &a->lanes[a->lane_count++];
        if (!lane)
            timed_out = pthread_cond_timedwait(&a->free_lane, &a->lock, &until);
    }
    if (lane)
        lane->busy = true;
    pthread_mutex_unlock(&a->lock);
    if (!lane)
        return btz_fail(BTZ_LIMIT, "all %zu connections to the store are busy; try again later",
                        a->lane_cap);
    err = lane_open(a, lane);
    if (err != BTZ_OK) {
        btz_lane_back(a, lane);
        return err;
    }
    *out = lane;
    return BTZ_OK;
}

void btz_lane_back(struct btz_access *a, struct btz_lane *lane)
{
    if (lane->store)
        btz_store_rollback(lane->store);
    pthread_mutex_lock(&a->lock);
    lane->busy = false;
    pthread_cond_signal(&a->free_lane);
    pthread_mutex_unlock(&a->lock);
}

enum btz_err btz_access_store(struct btz_access *a, struct btz_store **out)
{
    struct btz_lane *lane;

    BTZ_TRY(btz_lane_take(a, &lane));
    *out = lane->store;
    return BTZ_OK;
}

void btz_access_store_back(struct btz_access *a, struct btz_store *s)
{
    for (size_t i = 0; s && i < a->lane_cap; i++)
        if (a->lanes[i].store == s) {
            btz_lane_back(a, &a->lanes[i]);
            return;
        }
}

enum btz_err btz_lane_snapshot(struct btz_access *a, struct btz_lane *lane)
{
    if (!lane->snapshot)
        return btz_snapshot_open(a->snapshot_path, a->snapshot_secret, &lane->snapshot);
    return btz_snapshot_refresh(lane->snapshot);
}

/* ---- opening ---- */

static enum btz_err join(const char *folder, const char *name, char **out)
{
    if (asprintf(out, "%s/%s", folder, name) < 0) {
        *out = NULL;
        return btz_fail(BTZ_LIMIT, "no memory for a path");
    }
    return BTZ_OK;
}

static enum btz_err make_folder(const char *path)
{
    struct stat st;

    BTZ_TRY(btz_file_mkdirs(path, 0700));
    if (stat(path, &st) < 0)
        return btz_fail_errno(BTZ_IO, "stat %s", path);
    if (st.st_mode & 077 && chmod(path, 0700) < 0)
        return btz_fail_errno(BTZ_DENIED, "%s: others can read it, and it cannot be closed", path);
    return BTZ_OK;
}

static enum btz_err check_settings(const struct btz_access_conf *conf)
{
    const char *const *four_eyes = conf->four_eyes.items;

    for (size_t i = 0; i < conf->four_eyes.count; i++) {
        if (strcmp(four_eyes[i], "approval.decide") == 0 ||
            strcmp(four_eyes[i], "break-glass.use") == 0)
            return btz_fail(BTZ_USAGE, "access.four_eyes: %s cannot wait for a second person",
                            four_eyes[i]);
        if (btz_action_find(four_eyes[i]) < 0)
            return btz_fail(BTZ_USAGE,
                            "access.four_eyes: there is no action `%.80s`; `bartizan "
                            "access role show admin` lists them",
                            four_eyes[i]);
    }
    return BTZ_OK;
}

static enum btz_err open_keys(struct btz_access *a)
{
    const char *key = a->conf->seal_key;

    BTZ_TRY(join(a->folder, "seal.key", &a->seal_path));
    BTZ_TRY(btz_seal_open(a->seal_path, key && key[0] ? key : NULL, &a->seal));
    btz_seal_derive(a->seal, "pepper", a->pepper);
    btz_seal_derive(a->seal, "snapshot", a->snapshot_secret);
    return btz_hasher_new((unsigned)a->conf->concurrent_hashes,
                          (unsigned)a->conf->concurrent_hashes * HASH_WAITING, HASH_WAIT_MS,
                          &a->hasher);
}

static enum btz_err auditor_key(const struct btz_access_conf *conf, struct btz_buf *out)
{
    if (!conf->auditor_key || !conf->auditor_key[0])
        return BTZ_OK;
    if (btz_base64_decode(btz_str(conf->auditor_key), out) != BTZ_OK || out->len != 32)
        return btz_fail(BTZ_USAGE, "access.auditor_key: expected 32 bytes in base64");
    return BTZ_OK;
}

static enum btz_err open_trail(struct btz_access *a, const char *state, struct btz_store *s)
{
    BTZ_BUF_RELEASE struct btz_buf key = BTZ_BUF(64);
    BTZ_FREE char *ledger = NULL;
    struct btz_trail_options o;

    BTZ_TRY(join(state, "ledger", &ledger));
    BTZ_TRY(auditor_key(a->conf, &key));
    o = (struct btz_trail_options){ .ledger_dir = ledger,
                                    .seal = a->seal,
                                    .auditor_key = key.len ? key.ptr : NULL,
                                    .now_ms = a->now,
                                    .user = a->clock_user };
    return btz_trail_open(&o, s, &a->trail);
}

enum btz_err btz_access_migrate(struct btz_store *s)
{
    BTZ_TRY(btz_trail_migrate(s));
    for (size_t i = 0; btz_access_parts[i]; i++)
        BTZ_TRY(btz_store_migrate(s, btz_access_parts[i]->name, btz_access_parts[i]->migrations,
                                  btz_access_parts[i]->migration_count));
    return BTZ_OK;
}

static uint64_t wall_clock(void *user)
{
    (void)user;
    return btz_clock_unix_ms();
}

static enum btz_err set_up(struct btz_access *a, const struct btz_access_options *o)
{
    pthread_condattr_t attr;
    const char *store = o->conf->store;

    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->publish, NULL);
    pthread_mutex_init(&a->refusal_lock, NULL);
    pthread_mutex_init(&a->heavy_lock, NULL);
    pthread_mutex_init(&a->used_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&a->free_lane, &attr);
    pthread_condattr_destroy(&attr);
    a->conf = o->conf;
    a->now = o->now_ms ? o->now_ms : wall_clock;
    a->clock_user = o->clock_user;
    a->log = o->log;
    if (o->fetch)
        a->fetch = *o->fetch;
    a->has_fetch = o->fetch != NULL;
    /* Those that wait hold a lane: others must find one all the same. */
    a->lane_cap = btz_access_waits(a) + SPARE_LANES;
    if (a->lane_cap > LANES_MAX)
        a->lane_cap = LANES_MAX;
    BTZ_TRY(check_settings(o->conf));
    BTZ_TRY(make_folder(o->state_dir));
    BTZ_TRY(join(o->state_dir, "access", &a->folder));
    BTZ_TRY(make_folder(a->folder));
    BTZ_TRY(join(a->folder, "snapshot", &a->snapshot_path));
    BTZ_TRY(join(a->folder, "publish.lock", &a->lock_path));
    if (!store || !store[0])
        return join(a->folder, "access.db", &a->where);
    a->where = strdup(store);
    return a->where ? BTZ_OK : btz_fail(BTZ_LIMIT, "no memory");
}

enum btz_err btz_access_tidy(struct btz_access *a, struct btz_store *s)
{
    enum btz_err err = BTZ_OK;

    BTZ_TRY(btz_access_clock(a, s));
    BTZ_TRY(btz_store_begin(s));
    for (size_t i = 0; btz_access_parts[i] && err == BTZ_OK; i++)
        if (btz_access_parts[i]->tidy)
            err = btz_access_parts[i]->tidy(a, s);
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    return btz_store_commit(s);
}

/* A key that was lost is not replaced by a new one: nobody's key would be known any more, and nothing could be opened. */
static enum btz_err check_seal(struct btz_access *a, struct btz_store *s)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf clear = BTZ_BUF(4096);
    const struct btz_value *row;
    char about[64];
    enum btz_err err;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT month, sealed FROM trail_months ORDER BY month DESC LIMIT 1",
                          NULL, 0, &arena, 2, &row));
    if (!row)
        return BTZ_OK;
    BTZ_TRY(btz_buf_reserve(&clear, 1024));
    snprintf(about, sizeof about, "trail_months/%.*s", BTZ_SLICE_ARG(row[0].bytes));
    err = btz_unseal(a->seal, about, row[1].bytes, &clear);
    btz_wipe(clear.ptr, clear.cap);
    if (err != BTZ_DENIED)
        return BTZ_OK;
    return btz_fail(BTZ_INPUT,
                    "%s is not the key that the store was sealed with: put that one back, for "
                    "without it no key of a program and no second factor is known",
                    a->conf->seal_key && a->conf->seal_key[0] ? "access.seal_key" : a->seal_path);
}

static enum btz_err complete(struct btz_access *a, const struct btz_access_options *o)
{
    struct btz_lane *lane;
    enum btz_err err;

    BTZ_TRY(btz_lane_take(a, &lane));
    err = btz_access_migrate(lane->store);
    if (err == BTZ_OK)
        err = check_seal(a, lane->store);
    if (err == BTZ_OK)
        err = open_trail(a, o->state_dir, lane->store);
    if (err == BTZ_OK)
        err = btz_access_publish(a, lane->store);
    btz_lane_back(a, lane);
    return err;
}

enum btz_err btz_access_open(const struct btz_access_options *o, struct btz_access **out)
{
    struct btz_access *a = calloc(1, sizeof *a);
    enum btz_err err;

    if (!a)
        return btz_fail(BTZ_LIMIT, "no memory");
    err = set_up(a, o);
    if (err == BTZ_OK)
        err = btz_federation_open(o->conf, btz_access_fetch(a), &a->federation);
    if (err == BTZ_OK)
        err = open_keys(a);
    if (err == BTZ_OK)
        err = complete(a, o);
    if (err != BTZ_OK) {
        btz_access_close(a);
        return err;
    }
    *out = a;
    return BTZ_OK;
}

void btz_access_close(struct btz_access *a)
{
    struct btz_lane *lane;

    if (!a)
        return;
    if (a->trail && btz_lane_take(a, &lane) == BTZ_OK) {
        btz_refusals_sweep(a, lane, true);
        btz_used_write(a, lane->store);
        btz_lane_back(a, lane);
    }
    btz_trail_close(a->trail);
    for (size_t i = 0; i < a->lane_count; i++) {
        btz_snapshot_close(a->lanes[i].snapshot);
        btz_store_close(a->lanes[i].store);
    }
    if (a->federation)
        btz_federation_close(a->federation);
    btz_hasher_free(a->hasher);
    btz_seal_close(a->seal);
    btz_wipe(a->pepper, sizeof a->pepper);
    btz_wipe(a->snapshot_secret, sizeof a->snapshot_secret);
    free(a->folder);
    free(a->where);
    free(a->snapshot_path);
    free(a->lock_path);
    free(a->seal_path);
    pthread_cond_destroy(&a->free_lane);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->publish);
    pthread_mutex_destroy(&a->refusal_lock);
    pthread_mutex_destroy(&a->heavy_lock);
    pthread_mutex_destroy(&a->used_lock);
    free(a);
}

/* ---- what is in the handle ---- */

struct btz_trail *btz_access_trail(struct btz_access *a)
{
    return a->trail;
}

const struct btz_access_conf *btz_access_settings(const struct btz_access *a)
{
    return a->conf;
}

const struct btz_seal *btz_access_seal(const struct btz_access *a)
{
    return a->seal;
}

unsigned btz_access_waits(const struct btz_access *a)
{
    return (unsigned)a->conf->concurrent_hashes * (HASH_WAITING + 1) + BTZ_OIDC_WAITERS;
}

struct btz_hasher *btz_access_hasher(struct btz_access *a)
{
    return a->hasher;
}

const char *btz_access_snapshot_path(const struct btz_access *a)
{
    return a->snapshot_path;
}

const struct btz_fetch *btz_access_fetch(const struct btz_access *a)
{
    return a->has_fetch ? &a->fetch : NULL;
}

struct btz_federation *btz_access_federation(struct btz_access *a)
{
    return a->federation;
}

uint64_t btz_access_now_ms(const struct btz_access *a)
{
    return a->now(a->clock_user);
}
