#include <math.h>
#include <stdlib.h>

#include "redteam/campaign.h"

#define UNITS_MAX 2000000

static const struct {
    unsigned transforms; /* of each probe, in rotation; UINT_MAX: all */
    unsigned generations;
} efforts[] = {
    [BTZ_EFFORT_QUICK] = { 0, 1 },
    [BTZ_EFFORT_STANDARD] = { 4, 1 },
    [BTZ_EFFORT_THOROUGH] = { UINT32_MAX, 3 },
};

static bool matches(const char *id, const char *pattern)
{
    size_t len = strlen(pattern);

    if (len >= 2 && strcmp(pattern + len - 2, ".*") == 0)
        return strncmp(id, pattern, len - 1) == 0;
    return strcmp(id, pattern) == 0;
}

static bool in_list(const char *id, const struct btz_conf_list *list)
{
    const char *const *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        if (matches(id, items[i]))
            return true;
    return false;
}

static bool selected(const struct btz_probe *probe, const struct btz_redteam_options *o)
{
    return (o->families.count == 0 || in_list(probe->family, &o->families)) &&
           (o->probes.count == 0 || in_list(probe->id, &o->probes)) &&
           !in_list(probe->id, &o->exclude);
}

static enum btz_err unknown_name(const char *key, const char *name, const char *const *known,
                                 size_t count)
{
    const char *nearest = btz_nearest(name, known, count);

    return btz_fail(BTZ_USAGE, "redteam.%s: unknown name \"%s\"%s%s%s", key, name,
                    nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                    nearest ? "\"?" : "");
}

/* Every name given must name something: a typing error that silently tests nothing is worse than an error. */
static enum btz_err check_names(const struct btz_conf_list *list, const char *key, bool families,
                                struct btz_arena *arena)
{
    const char *const *items = list->items;
    const char **names;
    size_t count = 0;

    while (btz_probes[count])
        count++;
    names = btz_arena_array(arena, count + 1, sizeof *names);
    if (!names)
        return BTZ_LIMIT;
    for (size_t p = 0; p < count; p++)
        names[p] = families ? btz_probes[p]->family : btz_probes[p]->id;
    for (size_t i = 0; i < list->count; i++) {
        bool found = false;

        for (size_t p = 0; p < count && !found; p++)
            found = matches(names[p], items[i]);
        if (!found)
            return unknown_name(key, items[i], names, count);
    }
    return BTZ_OK;
}

static enum btz_err pick_transforms(const struct btz_redteam_options *o, struct btz_arena *arena,
                                    const struct btz_transform ***out, size_t *count)
{
    const char *const *wanted = o->transforms.items;
    const struct btz_transform **list;
    const char **names;
    size_t total = 0;

    while (btz_transforms[total])
        total++;
    list = btz_arena_array(arena, total + o->transforms.count + 1, sizeof *list);
    names = btz_arena_array(arena, total + 1, sizeof *names);
    if (!list || !names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < total; i++)
        names[i] = btz_transforms[i]->id;
    *count = 0;
    for (size_t i = 0; i < o->transforms.count; i++) {
        const struct btz_transform *t = btz_transform_find(wanted[i]);
        bool again = false;

        if (!t)
            return unknown_name("transforms", wanted[i], names, total);
        for (size_t k = 0; k < *count && !again; k++)
            again = list[k] == t;
        if (!again)
            list[(*count)++] = t;
    }
    for (size_t i = 0; o->transforms.count == 0 && i < total; i++)
        list[(*count)++] = btz_transforms[i];
    *out = list;
    return BTZ_OK;
}

/* Why a probe cannot be decided against this target, or NULL. */
static const char *unmet(const struct btz_probe *probe, const struct btz_target_conf *t)
{
    if ((probe->flags & BTZ_PROBE_NEEDS_SYSTEM) && !t->known_system_prompt && !t->system)
        return "the target's system prompt is not known: set known_system_prompt so that a leak "
               "can be told from an "
               "invention";
    if ((probe->flags & BTZ_PROBE_NEEDS_SECRETS) && t->known_secrets.count == 0)
        return "no planted secret is known: list what must never come out under known_secrets";
    if ((probe->flags & BTZ_PROBE_NEEDS_CANARIES) && t->known_canaries.count == 0)
        return "no canary is planted: list strings of your documents and tool data under "
               "known_canaries";
    return NULL;
}

/* Where requests go, for people and records: without user and password, and without a query, which may hold a key. */
static const char *shown_address(const struct btz_target_conf *t, struct btz_arena *arena)
{
    const char *url = t->url && t->url[0] ? t->url : t->preset;
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    size_t authority = strcspn(host, "/?#"), len = strcspn(host, "?#");
    const char *at = memrchr(host, '@', authority);
    size_t skipped = scheme && at ? (size_t)(at + 1 - host) : 0;

    return btz_arena_printf(arena, "%.*s%.*s", (int)(host - url), url, (int)(len - skipped),
                            host + skipped);
}

static unsigned turns_asked(const struct btz_prompt *prompt)
{
    unsigned asked = 0;

    for (size_t i = 0; i < prompt->count; i++)
        asked += prompt->turns[i].role == BTZ_ROLE_USER;
    return asked ? asked : 1;
}

/* What a probe is asked under: plain first, then its transforms. */
struct builder {
    const struct btz_redteam_options *options;
    const struct btz_transform **transforms;
    size_t transform_count, take;
    unsigned generations;
    struct btz_campaign_plan *plan;
};

static bool is_affordable(const struct builder *b, uint64_t requests)
{
    return b->options->max_requests == 0 || requests <= (uint64_t)b->options->max_requests;
}

static void add_cell(struct builder *b, const struct btz_probe *probe,
                     const struct btz_transform *transform)
{
    struct btz_campaign_plan *plan = b->plan;
    struct btz_cell cell = { .probe = probe, .transform = transform, .first = plan->unit_count };

    for (uint32_t prompt = 0; prompt < probe->prompt_count; prompt++) {
        unsigned turns = turns_asked(&probe->prompts[prompt]);

        for (uint32_t generation = 0; generation < b->generations; generation++) {
            if (!is_affordable(b, plan->requests + turns)) {
                plan->cut++;
                continue;
            }
            plan->units[plan->unit_count++] =
                (struct btz_unit){ probe, transform, prompt, generation };
            plan->requests += turns;
        }
    }
    cell.count = plan->unit_count - cell.first;
    if (cell.count > 0)
        plan->cells[plan->cell_count++] = cell;
}

/* Two passes, plain before disguised, so that a budget cuts the disguises first. */
static void add_cells(struct builder *b, uint64_t seed)
{
    struct btz_rng rng;
    size_t turn;

    for (size_t p = 0; btz_probes[p]; p++)
        if (selected(btz_probes[p], b->options) && !unmet(btz_probes[p], b->plan->target))
            add_cell(b, btz_probes[p], NULL);
    if (b->transform_count == 0)
        return;
    /* Rotation spreads the transforms evenly over the probes that can be disguised; the seed decides where it starts,
     * the registry and not the selection whose turn it is: fewer probes keep the disguises they had. */
    btz_rng_init(&rng, seed, btz_rng_stream(btz_str("transform rotation")));
    turn = btz_rng_below(&rng, (uint32_t)b->transform_count);
    for (size_t p = 0; btz_probes[p]; p++) {
        const struct btz_probe *probe = btz_probes[p];

        if (probe->flags & BTZ_PROBE_PLAIN_ONLY)
            continue;
        for (size_t i = 0; i < b->take; i++)
            if (selected(probe, b->options) && !unmet(probe, b->plan->target))
                add_cell(b, probe, b->transforms[(turn + i) % b->transform_count]);
        turn += b->take;
    }
}

static enum btz_err leave_out(struct btz_campaign_plan *plan, const struct btz_redteam_options *o,
                              struct btz_arena *arena)
{
    size_t total = 0;

    while (btz_probes[total])
        total++;
    plan->left_out = btz_arena_array(arena, total + 1, sizeof *plan->left_out);
    if (!plan->left_out)
        return BTZ_LIMIT;
    for (size_t p = 0; p < total; p++) {
        const char *reason = unmet(btz_probes[p], plan->target);

        if (!selected(btz_probes[p], o))
            continue;
        if (!reason) {
            bool asked = false;

            for (size_t c = 0; c < plan->cell_count && !asked; c++)
                asked = plan->cells[c].probe == btz_probes[p];
            if (asked)
                continue;
            reason = "the request budget (redteam.max_requests) was spent before this probe";
        }
        plan->left_out[plan->left_out_count++] = (struct btz_left_out){ btz_probes[p], reason };
    }
    return BTZ_OK;
}

/* Tokens are not known before asking; four bytes a token is the usual rule for English. */
static double forecast_cost(const struct btz_campaign_plan *plan)
{
    const struct btz_target_conf *t = plan->target;
    double bytes = 0;

    if (t->price_in <= 0 && t->price_out <= 0)
        return NAN;
    for (size_t i = 0; i < plan->unit_count; i++) {
        const struct btz_prompt *prompt = &plan->units[i].probe->prompts[plan->units[i].prompt];

        for (size_t turn = 0; turn < prompt->count; turn++)
            bytes += (double)strlen(prompt->turns[turn].text);
        bytes += prompt->document ? (double)strlen(prompt->document) : 0;
    }
    bytes += t->system ? (double)strlen(t->system) * (double)plan->requests : 0;
    return (bytes / 4 * t->price_in + (double)plan->requests *
                                          (t->max_tokens > 0 ? (double)t->max_tokens : 300) *
                                          t->price_out) /
           1e6;
}

/* With its NUL: "ab", "c" is not "a", "bc". */
static void add_word(struct btz_sha256 *h, const char *word)
{
    btz_sha256_add(h, btz_slice_of(word ? word : "", word ? strlen(word) + 1 : 1));
}

static void add_number(struct btz_sha256 *h, uint64_t number)
{
    btz_sha256_add(h, btz_slice_of(&number, sizeof number));
}

/* Everything that decides what is asked and what part of an answer is read. Keys and headers may be renewed between two
 * halves of a run; what is known of secrets decides verdicts, which are taken anew. */
static enum btz_err digest_plan(struct btz_campaign_plan *plan, uint64_t seed)
{
    const struct btz_target_conf *t = plan->target;
    const char *const words[] = { btz_version(),   t->name,        t->preset, t->url,
                                  t->model,        t->method,      t->body,   t->select,
                                  t->request_file, t->api_version, t->system, t->document_url };
    const char *const *command = t->command.items;
    struct btz_sha256 h;

    btz_sha256_init(&h);
    add_number(&h, seed);
    for (size_t i = 0; i < BTZ_COUNT(words); i++)
        add_word(&h, words[i]);
    add_number(&h, t->command.count);
    for (size_t i = 0; i < t->command.count; i++)
        add_word(&h, command[i]);
    add_number(&h, (uint64_t)t->max_tokens);
    btz_sha256_add(&h, btz_slice_of(&t->temperature, sizeof t->temperature));
    for (size_t i = 0; i < btz_control_count; i++)
        add_word(&h, btz_controls[i].text);
    for (size_t i = 0; i < plan->unit_count; i++) {
        const struct btz_unit *u = &plan->units[i];
        const struct btz_prompt *prompt = &u->probe->prompts[u->prompt];

        add_word(&h, u->probe->id);
        add_word(&h, u->transform ? u->transform->id : "plain");
        add_number(&h, u->prompt);
        add_number(&h, u->generation);
        add_number(&h, prompt->count);
        for (size_t turn = 0; turn < prompt->count; turn++) {
            add_number(&h, prompt->turns[turn].role);
            add_word(&h, prompt->turns[turn].text);
        }
        add_word(&h, prompt->document);
    }
    btz_sha256_end(&h, plan->digest);
    return BTZ_OK;
}

enum btz_err btz_campaign_plan(const struct btz_redteam_options *o,
                               const struct btz_target_conf *target, uint64_t seed,
                               struct btz_arena *arena, struct btz_campaign_plan *out)
{
    struct btz_campaign_plan plan = { .target = target, .requests = btz_control_count };
    struct builder b = { .options = o, .plan = &plan };
    size_t prompts = 0, probes = 0, cells, units;

    BTZ_TRY(check_names(&o->families, "families", true, arena));
    BTZ_TRY(check_names(&o->probes, "probes", false, arena));
    BTZ_TRY(check_names(&o->exclude, "exclude", false, arena));
    BTZ_TRY(pick_transforms(o, arena, &b.transforms, &b.transform_count));
    b.generations = o->generations > 0 ? (unsigned)o->generations : efforts[o->effort].generations;
    b.take = o->transforms.count > 0 ? b.transform_count : efforts[o->effort].transforms;
    if (b.take > b.transform_count)
        b.take = b.transform_count;
    for (size_t p = 0; btz_probes[p]; p++) {
        if (selected(btz_probes[p], o)) {
            prompts += btz_probes[p]->prompt_count;
            probes++;
        }
    }
    if (probes == 0)
        return btz_fail(BTZ_USAGE,
                        "redteam: families, probes and exclude leave no probe to run; a scan that "
                        "asks nothing proves nothing");
    if (!is_affordable(&b, plan.requests + 1))
        return btz_fail(BTZ_USAGE,
                        "redteam.max_requests: expected more than %zu, which the control prompts "
                        "take, found %" PRId64,
                        btz_control_count, o->max_requests);
    if (!btz_size_mul(prompts, (b.take + 1) * b.generations, &units) || units > UNITS_MAX)
        return btz_fail(BTZ_LIMIT,
                        "redteam: more than %d attacks planned; lower generations or transforms",
                        UNITS_MAX);
    cells = probes * (b.take + 1);
    plan.units = btz_arena_array(arena, units + 1, sizeof *plan.units);
    plan.cells = btz_arena_array(arena, cells + 1, sizeof *plan.cells);
    if (!plan.units || !plan.cells)
        return BTZ_LIMIT;
    add_cells(&b, seed);
    BTZ_TRY(leave_out(&plan, o, arena));
    plan.cost = forecast_cost(&plan);
    plan.address = shown_address(target, arena);
    if (!plan.address)
        return BTZ_LIMIT;
    BTZ_TRY(digest_plan(&plan, seed));
    *out = plan;
    return BTZ_OK;
}
