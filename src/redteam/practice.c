#include <math.h>

#include "redteam/campaign.h"

static const char *const effort_names[] = { "quick", "standard", "thorough", NULL };

#define OPTION(member) offsetof(struct btz_redteam_options, member)
static const struct btz_conf_key option_keys[] = {
    { .name = "targets",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(targets),
      .help = "Names of the targets to attack; all of them when left out." },
    { .name = "effort",
      .kind = BTZ_CONF_ENUM,
      .offset = OPTION(effort),
      .fallback = "standard",
      .choices = effort_names,
      .help = "quick asks every prompt in plain words; standard adds four disguises a probe; "
              "thorough adds all, three "
              "times." },
    { .name = "families",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(families),
      .help = "Families of probes to use; all when left out." },
    { .name = "probes",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(probes),
      .help = "Probe ids, or a prefix such as leak.*; all when left out." },
    { .name = "exclude",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(exclude),
      .help = "Probe ids or prefixes to leave out." },
    { .name = "transforms",
      .kind = BTZ_CONF_STRINGS,
      .offset = OPTION(transforms),
      .help = "Disguises to use for every probe, instead of what the effort says." },
    { .name = "generations",
      .kind = BTZ_CONF_INT,
      .offset = OPTION(generations),
      .fallback = "0",
      .min = 0,
      .max = 1000,
      .help = "How often each prompt is asked; 0 leaves it to the effort." },
    { .name = "max_requests",
      .kind = BTZ_CONF_INT,
      .offset = OPTION(max_requests),
      .fallback = "0",
      .min = 0,
      .max = 100000000,
      .help = "Upper bound of requests a target gets; plain prompts go first. 0: none." },
};
static const struct btz_conf_struct option_struct = { "redteam", sizeof(struct btz_redteam_options),
                                                      option_keys, BTZ_COUNT(option_keys) };

static const struct btz_conf_key keys[] = {
    { .name = "targets",
      .kind = BTZ_CONF_STRUCTS,
      .offset = offsetof(struct btz_redteam_conf, targets),
      .of = &btz_target_conf_struct,
      .help = "Chat endpoints to attack." },
    { .name = "redteam",
      .kind = BTZ_CONF_STRUCT,
      .offset = offsetof(struct btz_redteam_conf, redteam),
      .of = &option_struct,
      .help = "Red teaming: which attacks, how many." },
};

struct plan {
    struct btz_campaign_plan *campaigns;
    size_t count;
};

static const struct btz_target_conf *find_target(const struct btz_redteam_conf *conf,
                                                 const char *name)
{
    const struct btz_target_conf *targets = conf->targets.items;

    for (size_t i = 0; i < conf->targets.count; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

/* Names become file names of transcripts and keys of findings. */
static enum btz_err check_targets(const struct btz_redteam_conf *conf)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const struct btz_target_conf *targets = conf->targets.items;

    for (size_t i = 0; i < conf->targets.count; i++) {
        const char *name = targets[i].name;

        if (name[0] == '\0' || name[0] == '.' || strlen(name) > 64 ||
            name[strspn(name, allowed)] != '\0')
            return btz_fail(BTZ_USAGE,
                            "target name \"%s\": use 1 to 64 letters, digits, '.', '_' and '-'",
                            name);
        if (find_target(conf, name) != &targets[i])
            return btz_fail(BTZ_USAGE, "two targets are named \"%s\"", name);
    }
    if (conf->targets.count == 0)
        return btz_fail(
            BTZ_USAGE,
            "redteam: no target is configured; add one under targets: or run `bartizan init`");
    return BTZ_OK;
}

static enum btz_err forecast_text(const struct plan *plan, struct btz_arena *arena,
                                  struct btz_forecast *f)
{
    struct btz_buf text = BTZ_BUF(1u << 20);
    enum btz_err err = BTZ_OK;

    for (size_t i = 0; i < plan->count && err == BTZ_OK; i++) {
        const struct btz_campaign_plan *c = &plan->campaigns[i];

        err = btz_buf_printf(
            &text, "%s (%s): %zu attacks in %zu probe x transform cells, %" PRIu64 " requests",
            c->target->name, c->address, c->unit_count, c->cell_count, c->requests);
        if (err == BTZ_OK && c->target->rate > 0)
            err = btz_buf_printf(&text, ", at least %.0f s", (double)c->requests / c->target->rate);
        if (err == BTZ_OK && !isnan(c->cost))
            err = btz_buf_printf(&text, ", about %.2f in your prices' currency", c->cost);
        if (err == BTZ_OK && c->cut > 0)
            err = btz_buf_printf(&text, "; %" PRIu64 " attacks are past max_requests", c->cut);
        if (err == BTZ_OK && c->left_out_count > 0)
            err = btz_buf_printf(&text, "; %zu probes cannot be decided (see the report)",
                                 c->left_out_count);
        if (err == BTZ_OK)
            err = btz_buf_add_byte(&text, '\n');
    }
    if (err == BTZ_OK) {
        f->text = btz_arena_str(arena, btz_buf_slice(&text));
        err = f->text ? BTZ_OK : BTZ_LIMIT;
    }
    btz_buf_release(&text);
    return err;
}

static enum btz_err redteam_plan(const void *conf_ptr, const struct btz_context *ctx,
                                 struct btz_arena *arena, void **out, struct btz_forecast *forecast)
{
    const struct btz_redteam_conf *conf = conf_ptr;
    const struct btz_target_conf *all = conf->targets.items;
    const char *const *names = conf->redteam.targets.items;
    struct btz_forecast f = { .seconds = 0, .cost = 0 };
    struct plan *plan = btz_arena_alloc(arena, sizeof *plan);

    BTZ_TRY(check_targets(conf));
    if (!plan)
        return BTZ_LIMIT;
    plan->count = conf->redteam.targets.count ? conf->redteam.targets.count : conf->targets.count;
    plan->campaigns = btz_arena_array(arena, plan->count, sizeof *plan->campaigns);
    if (!plan->campaigns)
        return BTZ_LIMIT;
    for (size_t i = 0; i < plan->count; i++) {
        struct btz_campaign_plan *c = &plan->campaigns[i];
        const struct btz_target_conf *t =
            conf->redteam.targets.count ? find_target(conf, names[i]) : &all[i];

        if (!t)
            return btz_fail(BTZ_USAGE, "redteam.targets: no target is named \"%s\"", names[i]);
        for (size_t k = 0; k < i; k++)
            if (plan->campaigns[k].target == t)
                return btz_fail(BTZ_USAGE, "redteam.targets: \"%s\" stands there twice", t->name);
        BTZ_TRY(btz_campaign_plan(&conf->redteam, t, ctx->seed, arena, c));
        f.requests += c->requests;
        f.seconds += t->rate > 0 ? (double)c->requests / t->rate : NAN;
        f.cost += c->cost;
    }
    BTZ_TRY(forecast_text(plan, arena, &f));
    *out = plan;
    *forecast = f;
    return BTZ_OK;
}

/* One target that fails does not keep the others from being tested; the first error is returned at the end. Where
 * nothing can be written any more there is no use in asking. */
static enum btz_err redteam_run(void *plan_ptr, const struct btz_context *ctx,
                                struct btz_sink *sink)
{
    const struct plan *plan = plan_ptr;
    enum btz_err first = BTZ_OK;
    char detail[1024] = "";

    for (size_t i = 0; i < plan->count; i++) {
        enum btz_err err = btz_campaign_run(&plan->campaigns[i], ctx, sink);

        if (err == BTZ_OK)
            continue;
        btz_log(ctx->log, BTZ_LOG_ERROR, "%s", btz_error_detail());
        if (first == BTZ_OK) {
            first = err;
            snprintf(detail, sizeof detail, "%s", btz_error_detail());
        }
        if (err == BTZ_IO)
            break;
    }
    if (first != BTZ_OK)
        return btz_fail(first, "%s", detail);
    return BTZ_OK;
}

const struct btz_practice_ops btz_practice_redteam = {
    .name = "redteam",
    .practice = BTZ_PRACTICE_REDTEAM,
    .keys = keys,
    .key_count = BTZ_COUNT(keys),
    .conf_size = sizeof(struct btz_redteam_conf),
    .plan = redteam_plan,
    .run = redteam_run,
};
