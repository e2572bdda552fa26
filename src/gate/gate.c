#include "gate/exchange.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static enum btz_err open_shared(struct btz_gate *g, const char *state, struct btz_arena *arena)
{
    const struct btz_upstream_conf *upstreams = g->conf->upstreams.items;
    const struct btz_model_conf *models = g->conf->models.items;
    const char **names = btz_arena_array(arena, g->conf->upstreams.count + 1, sizeof *names);
    const char **known = btz_arena_array(arena, g->conf->models.count + 1, sizeof *known);
    char *folder = btz_arena_printf(arena, "%s/gate", state);
    char *limits = btz_arena_printf(arena, "%s/gate/limits", state);
    char *journal = btz_arena_printf(arena, "%s/gate/journal", state);
    char *metrics = btz_arena_printf(arena, "%s/gate/metrics", state);
    char *circuits = btz_arena_printf(arena, "%s/gate/circuits", state);
    char *owned = btz_arena_printf(arena, "%s/gate/owned", state);

    if (!names || !known || !folder || !limits || !journal || !metrics || !circuits || !owned)
        return BTZ_LIMIT;
    for (size_t i = 0; i < g->conf->upstreams.count; i++)
        names[i] = upstreams[i].name;
    for (size_t i = 0; i < g->conf->models.count; i++)
        known[i] = models[i].name;
    BTZ_TRY(btz_file_mkdirs(folder, 0700));
    BTZ_TRY(btz_limits_open(limits, g->conf->limits.items, g->conf->limits.count, &g->limits));
    if (g->conf->shared_lease_ms > 0)
        btz_limits_set_lease(g->limits, (uint64_t)g->conf->shared_lease_ms);
    BTZ_TRY(btz_journal_open(journal, &g->journal));
    BTZ_TRY(btz_metrics_open(metrics, known, g->conf->models.count, names, g->conf->upstreams.count,
                             &g->metrics));
    BTZ_TRY(btz_owned_open(owned, &g->owned));
    return btz_circuits_open(circuits, names, g->conf->upstreams.count, &g->circuits);
}

static enum btz_err open_parts(struct btz_gate *g, const struct btz_gate_options *o)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    uint64_t seed;
    size_t n = strlen(o->state_dir) + sizeof "/access/snapshot";

    btz_arena_init(&arena, 1 << 20);
    g->snapshot_path = malloc(n);
    g->pins_path = malloc(n);
    if (!g->snapshot_path || !g->pins_path)
        return btz_fail(BTZ_LIMIT, "no memory");
    snprintf(g->snapshot_path, n, "%s/access/snapshot", o->state_dir);
    snprintf(g->pins_path, n, "%s/gate/pins", o->state_dir);
    btz_random_bytes(&seed, sizeof seed);
    btz_rng_init(&g->rng, seed, 0);
    if (!g->guard) {
        BTZ_TRY(btz_guard_new(&o->conf->guard, &g->own_guard));
        g->guard = g->own_guard;
    }
    return open_shared(g, o->state_dir, &arena);
}

enum btz_err btz_gate_open(const struct btz_gate_options *o, struct btz_gate **out)
{
    struct btz_gate *g = calloc(1, sizeof *g);
    enum btz_err err;

    if (!g)
        return btz_fail(BTZ_LIMIT, "no memory");
    g->conf = o->conf;
    g->guard = o->guard;
    g->now_ms = o->now_ms;
    g->clock_user = o->clock_user;
    memcpy(g->secret, o->snapshot_secret, sizeof g->secret);
    memcpy(g->pepper, o->pepper, sizeof g->pepper);
    g->invoke = btz_action_find("model.invoke");
    g->tool_call = btz_action_find("tool.call");
    err = open_parts(g, o);
    if (err != BTZ_OK) {
        btz_gate_close(g);
        return err;
    }
    (void)btz_gate_refresh(g);
    *out = g;
    return BTZ_OK;
}

/* One that is empty is being made, or is made with the first request. */
static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size > 0;
}

/* Workers take the disk when they start: too little of it is said before, where somebody looks. */
static enum btz_err has_room(const char *state_dir, const char *path)
{
    uint64_t wanted = btz_limits_disk(), free_bytes;
    struct statvfs fs;

    if (statvfs(state_dir, &fs) != 0)
        return btz_fail_errno(BTZ_IO, "%s", state_dir);
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes >= wanted)
        return BTZ_OK;
    return btz_fail(BTZ_IO,
                    "%s takes %" PRIu64 " bytes of disk, and %" PRIu64
                    " are free: make room, or say by --state where there is some",
                    path, wanted, free_bytes);
}

enum btz_err btz_gate_check_state(const struct btz_gate_conf *conf, const char *state_dir)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_limits *limits = NULL;
    struct btz_owned *owned = NULL;
    const char *limits_path, *owned_path;

    btz_arena_init(&arena, 1 << 20);
    limits_path = btz_arena_printf(&arena, "%s/gate/limits", state_dir);
    owned_path = btz_arena_printf(&arena, "%s/gate/owned", state_dir);
    if (!limits_path || !owned_path)
        return BTZ_LIMIT;
    if (is_there(limits_path))
        BTZ_TRY(btz_limits_view(limits_path, conf->limits.items, conf->limits.count, &limits));
    else
        BTZ_TRY(has_room(state_dir, limits_path));
    btz_limits_close(limits);
    if (is_there(owned_path))
        BTZ_TRY(btz_owned_open(owned_path, &owned));
    btz_owned_close(owned);
    return BTZ_OK;
}

void btz_gate_close(struct btz_gate *g)
{
    if (!g)
        return;
    btz_circuits_close(g->circuits);
    btz_owned_close(g->owned);
    btz_metrics_close(g->metrics);
    btz_journal_close(g->journal);
    btz_limits_close(g->limits);
    btz_guard_free(g->own_guard);
    btz_snapshot_close(g->snapshot);
    free(g->snapshot_path);
    free(g->pins_path);
    btz_wipe(g->secret, sizeof g->secret);
    btz_wipe(g->pepper, sizeof g->pepper);
    free(g);
}

bool btz_gate_refresh(struct btz_gate *g)
{
    if (!g->snapshot && btz_snapshot_open(g->snapshot_path, g->secret, &g->snapshot) != BTZ_OK) {
        g->snapshot = NULL;
        return false;
    }
    return btz_snapshot_refresh(g->snapshot) == BTZ_OK;
}

uint64_t btz_gate_now_ms(const struct btz_gate *g)
{
    return g->now_ms ? g->now_ms(g->clock_user) : btz_clock_unix_ms();
}

const struct btz_model_conf *btz_gate_model(const struct btz_gate_conf *conf, struct btz_slice name)
{
    const struct btz_model_conf *models = conf->models.items, *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < conf->models.count; i++) {
        size_t n = strlen(models[i].name);

        if (btz_slice_is(name, models[i].name))
            return &models[i];
        if (n > longest && models[i].name[n - 1] == '*' &&
            btz_slice_has_prefix(name, btz_slice_of(models[i].name, n - 1))) {
            longest = n;
            best = &models[i];
        }
    }
    return best;
}

size_t btz_gate_upstream(const struct btz_gate_conf *conf, const char *name)
{
    const struct btz_upstream_conf *upstreams = conf->upstreams.items;

    for (size_t i = 0; i < conf->upstreams.count; i++)
        if (strcmp(upstreams[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

struct btz_limits *btz_gate_limits(struct btz_gate *g)
{
    return g->limits;
}

struct btz_journal *btz_gate_journal(struct btz_gate *g)
{
    return g->journal;
}

struct btz_metrics *btz_gate_metrics(struct btz_gate *g)
{
    return g->metrics;
}

const struct btz_gate_conf *btz_gate_settings(const struct btz_gate *g)
{
    return g->conf;
}
