/* The review as part of `bartizan scan`, when bartizan.yaml has the section `access`. */
#include <math.h>
#include <unistd.h>

#include "access/review/review.h"
#include "finding/practice.h"

#define WINDOW_MS (30 * BTZ_REVIEW_DAY)
#define MEMORY    ((size_t)1 << 30)

struct plan {
    const struct btz_access_conf *conf;
};

static size_t count_rules(void)
{
    size_t n = 0;

    while (btz_review_rules[n])
        n++;
    return n;
}

static enum btz_err plan(const void *conf, const struct btz_context *ctx, struct btz_arena *arena,
                         void **out, struct btz_forecast *forecast)
{
    struct plan *p = btz_arena_alloc(arena, sizeof *p);

    (void)ctx;
    if (!p)
        return BTZ_LIMIT;
    p->conf = conf;
    *forecast = (struct btz_forecast){ .seconds = NAN, .cost = NAN };
    forecast->text =
        btz_arena_printf(arena, "review of accounts, keys and roles by %zu rules\n", count_rules());
    *out = p;
    return forecast->text ? BTZ_OK : BTZ_LIMIT;
}

/* An installation that was never set up has nothing to look at; a scan makes none. */
static bool is_set_up(const struct plan *p, const char *state_dir)
{
    char path[4096];

    if (p->conf->store && p->conf->store[0])
        return true;
    snprintf(path, sizeof path, "%s/access/access.db", state_dir);
    return access(path, F_OK) == 0;
}

static enum btz_err skip_all(struct btz_sink *sink, const char *why)
{
    for (size_t i = 0; btz_review_rules[i]; i++) {
        struct btz_review_out out = { .sink = sink };
        char id[128];

        snprintf(id, sizeof id, "access.review.%s", btz_review_rules[i]->word);
        out.rule = btz_rule_find(id);
        if (!out.rule)
            return btz_fail(BTZ_INTERNAL, "there is no rule %s", id);
        BTZ_TRY(btz_review_skip(&out, "%s", why));
    }
    return BTZ_OK;
}

static enum btz_err review(struct btz_access *a, struct btz_sink *sink)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_store *s;
    struct btz_review r;
    enum btz_err err;

    btz_arena_init(&arena, MEMORY);
    BTZ_TRY(btz_access_store(a, &s));
    err = btz_store_begin_read(s);
    if (err == BTZ_OK)
        err = btz_review_gather(a, s, &arena, WINDOW_MS, &r);
    btz_access_store_back(a, s);
    return err == BTZ_OK ? btz_review_run(&r, sink) : err;
}

static enum btz_err run(void *opaque, const struct btz_context *ctx, struct btz_sink *sink)
{
    const struct plan *p = opaque;
    const struct btz_access_options o = { .state_dir = ctx->state_dir,
                                          .conf = p->conf,
                                          .log = ctx->log };
    struct btz_access *a;
    enum btz_err err;

    if (ctx->stop && *ctx->stop)
        return BTZ_OK;
    if (!is_set_up(p, ctx->state_dir))
        return skip_all(sink, "there are no accounts yet: `bartizan access init` makes the first");
    BTZ_TRY(btz_access_open(&o, &a));
    err = review(a, sink);
    btz_access_close(a);
    return err;
}

/* Its settings are the section of the same name, so it brings no keys. */
const struct btz_practice_ops btz_practice_access = {
    .name = "access",
    .practice = BTZ_PRACTICE_ACCESS,
    .plan = plan,
    .run = run,
};
