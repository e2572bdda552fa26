/* A table of limits in a folder of its own. */
#ifndef LIMITS_PLACE_H
#define LIMITS_PLACE_H

#include <stdlib.h>
#include <unistd.h>

#include "gate/limits/table.h"

struct place {
    char folder[64], path[96];
};

static inline void place_new(struct place *p)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/btz-limits-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/limits", p->folder);
}

static inline void place_remove(struct place *p)
{
    unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0);
}

static inline struct btz_limit_conf no_limit(int scope, const char *name)
{
    return (struct btz_limit_conf){ .scope = scope,
                                    .name = name,
                                    .requests_per_minute = -1,
                                    .tokens_per_minute = -1,
                                    .concurrency = -1,
                                    .request_bytes = -1,
                                    .response_bytes = -1,
                                    .budget = -1,
                                    .budget_window_ms = 86400000 };
}

static inline struct btz_limits *open_limits(const struct place *p, const struct btz_limit_conf *c,
                                             size_t count)
{
    struct btz_limits *l = NULL;

    if (btz_limits_open_sized(p->path, c, count, 256, 64, &l) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return l;
}

/* A request of somebody, with nothing else about it. */
static inline enum btz_err ask(struct btz_limits *l, const char *name, uint64_t tokens,
                               uint64_t cost, uint64_t now_ms, struct btz_lease *lease,
                               struct btz_refusal *why)
{
    struct btz_limit_subject who = { .principal = btz_str(name) };

    return btz_limits_reserve(l, &who, tokens, cost, 0, now_ms, lease, why);
}

struct find {
    const char *name;
    enum btz_limit_kind kind;
    uint64_t used;
};
static inline void find_used(void *user, const struct btz_limit_state *s)
{
    struct find *f = user;

    if (s->kind == f->kind && strcmp(s->name, f->name) == 0)
        f->used += s->used;
}
/* What stands on the counters of that kind and name; 0 where there are none. */
static inline uint64_t used(struct btz_limits *l, enum btz_limit_kind kind, const char *name,
                            uint64_t now_ms)
{
    struct find f = { name, kind, 0 };

    btz_limits_walk(l, now_ms, find_used, &f);
    return f.used;
}

#endif
