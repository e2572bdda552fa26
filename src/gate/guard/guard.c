/* A guard compiled from its settings, and whole texts. */
#include <stdlib.h>

#include "gate/guard/inside.h"

const char *btz_guard_mode_name(int mode)
{
    return mode == BTZ_GUARD_MODE_HOLD    ? "hold"
           : mode == BTZ_GUARD_MODE_WATCH ? "observe"
                                          : "window";
}

/* Does a rule for `name` speak of the detector? Its id, "*", or the family that begins its id when none is called so. */
static bool speaks_of(const char *name, const struct btz_guard_detector *d, bool exact)
{
    size_t n = strlen(name);

    if (strcmp(name, "*") == 0 || strcmp(name, d->id) == 0)
        return true;
    return !exact && strncmp(d->id, name, n) == 0 && d->id[n] == '-';
}

static bool detector_find(const char *name, bool *exact)
{
    bool any = false;

    *exact = false;
    for (unsigned d = 0; btz_guard_detectors[d]; d++) {
        *exact = *exact || strcmp(btz_guard_detectors[d]->id, name) == 0;
        any = any || speaks_of(name, btz_guard_detectors[d], false);
    }
    return any;
}

static enum btz_err unknown_detector(const char *id)
{
    char families[BTZ_DETECTORS_MAX][32];
    const char *names[2 * BTZ_DETECTORS_MAX], *near;
    size_t count = 0;

    for (; btz_guard_detectors[count] && count < BTZ_DETECTORS_MAX; count++)
        names[count] = btz_guard_detectors[count]->id;
    for (size_t d = 0, ids = count; d < ids; d++)
        if (strchr(names[d], '-')) {
            snprintf(families[d], sizeof families[d], "%.*s", (int)strcspn(names[d], "-"),
                     names[d]);
            names[count++] = families[d];
        }
    near = btz_nearest(id, names, count);
    return btz_fail(BTZ_USAGE, "guard rule: unknown detector `%s`%s%s%s", id,
                    near ? "; did you mean `" : "; `bartizan gate check --detectors` lists them",
                    near ? near : "", near ? "`?" : "");
}

static enum btz_err channels_of(const struct btz_guard_rule_conf *rule, unsigned *bits)
{
    const char *const *name = rule->channels.items;

    *bits = rule->channels.count ? 0 : ~0u;
    for (size_t i = 0; i < rule->channels.count; i++) {
        enum btz_channel c;
        const char *names[BTZ_CHANNEL_COUNT], *near;

        if (btz_channel_find(btz_str(name[i]), &c)) {
            *bits |= 1u << c;
            continue;
        }
        for (unsigned k = 0; k < BTZ_CHANNEL_COUNT; k++)
            names[k] = btz_channel_name((enum btz_channel)k);
        near = btz_nearest(name[i], names, BTZ_CHANNEL_COUNT);
        return btz_fail(BTZ_USAGE, "guard rule for %s: unknown channel `%s`%s%s%s", rule->detector,
                        name[i], near ? "; did you mean `" : "", near ? near : "",
                        near ? "`?" : "");
    }
    return BTZ_OK;
}

static enum btz_guard_action built_in(const struct btz_guard_detector *d, enum btz_channel c)
{
    if (btz_channel_is_output(c))
        return d->output;
    return c == BTZ_CHANNEL_USER || c == BTZ_CHANNEL_SYSTEM || c == BTZ_CHANNEL_ASSISTANT
               ? d->user
               : d->untrusted;
}

/* What an action means for what a model says. */
static enum btz_guard_action in_output(enum btz_guard_action a)
{
    switch (a) {
    case BTZ_GUARD_PSEUDONYMISE:
        return BTZ_GUARD_MASK;
    case BTZ_GUARD_ROUTE:
        return BTZ_GUARD_OBSERVE;
    case BTZ_GUARD_STEP_UP:
        return BTZ_GUARD_BLOCK;
    default:
        return a;
    }
}

static void ways_built_in(struct btz_guard *g, const struct btz_calibration *calibration)
{
    for (unsigned d = 0; d < g->count; d++)
        for (unsigned c = 0; c < BTZ_CHANNEL_COUNT; c++) {
            const struct btz_guard_detector *detector = btz_guard_detectors[d];
            struct btz_guard_way *w = &g->way[d][c];
            double calibrated =
                btz_calibration_threshold(calibration, detector->id, (enum btz_channel)c);

            w->action = built_in(detector, (enum btz_channel)c);
            w->threshold = calibrated >= 0 ? calibrated : detector->threshold;
            w->on = (detector->channels >> c & 1) && (!detector->compile || g->setup[d]);
            if (w->on && detector->decoded)
                g->decoded[c] |= 1u << d;
        }
}

static enum btz_err rule_check(const struct btz_guard_rule_conf *rule, bool *exact, unsigned *bits)
{
    if (!detector_find(rule->detector, exact))
        return unknown_detector(rule->detector);
    if (rule->action < 0 || rule->action >= BTZ_GUARD_ACTION_COUNT)
        return btz_fail(BTZ_USAGE, "guard rule for %s: no action %d", rule->detector, rule->action);
    if (strcmp(rule->detector, btz_guard_detector_schema.id) == 0 &&
        rule->action != BTZ_GUARD_OBSERVE && rule->action != BTZ_GUARD_BLOCK)
        return btz_fail(BTZ_USAGE,
                        "guard rule for schema: a text of the wrong form cannot be mended: its "
                        "action is observe or block, not %s",
                        btz_guard_action_name((enum btz_guard_action)rule->action));
    if (rule->action == BTZ_GUARD_ROUTE && (!rule->route || !*rule->route))
        return btz_fail(BTZ_USAGE, "guard rule for %s: action route needs `route: MODEL`",
                        rule->detector);
    return channels_of(rule, bits);
}

/* A rule for everything that replaces what was found: of a text of the wrong form there is nothing to be replaced. */
static bool is_for_texts(const struct btz_guard_rule_conf *rule, const struct btz_guard_detector *d)
{
    return d == &btz_guard_detector_schema &&
           (rule->action == BTZ_GUARD_MASK || rule->action == BTZ_GUARD_PSEUDONYMISE);
}

static void take_rule(const struct btz_guard_rule_conf *rule, enum btz_channel c,
                      struct btz_guard_way *w)
{
    w->action = (enum btz_guard_action)rule->action;
    if (btz_channel_is_output(c))
        w->action = in_output(w->action);
    w->route = rule->route;
    if (rule->threshold >= 0)
        w->threshold = rule->threshold;
}

/* Behind those for groups that came before it. */
static enum btz_err add_special(struct btz_guard *g, const struct btz_guard_rule_conf *rule,
                                uint64_t bit, unsigned d, enum btz_channel c)
{
    struct btz_guard_special **end = &g->special[d][c], *s = calloc(1, sizeof *s);

    if (!s)
        return btz_fail(BTZ_LIMIT, "out of memory for a guard");
    while (*end)
        end = &(*end)->next;
    *end = s;
    s->rule = bit;
    s->way = g->way[d][c];
    take_rule(rule, c, &s->way);
    return BTZ_OK;
}

static enum btz_err rule_bit(const struct btz_guard_rule_conf *rule, unsigned *count, uint64_t *bit)
{
    *bit = 0;
    if (rule->groups.count == 0)
        return BTZ_OK;
    if (*count == BTZ_GUARD_GROUP_RULES_MAX)
        return btz_fail(BTZ_USAGE, "guard rule for %s: more than %d rules with `groups`",
                        rule->detector, BTZ_GUARD_GROUP_RULES_MAX);
    *bit = (uint64_t)1 << (*count)++;
    return BTZ_OK;
}

static enum btz_err ways(struct btz_guard *g)
{
    const struct btz_guard_rule_conf *rules = g->conf.rules.items;
    bool ruled[BTZ_DETECTORS_MAX][BTZ_CHANNEL_COUNT] = { { false } };
    unsigned for_groups = 0;

    for (unsigned d = 0; d < g->count; d++)
        for (unsigned c = 0; c < BTZ_CHANNEL_COUNT; c++)
            if (btz_channel_is_output((enum btz_channel)c))
                g->way[d][c].action = in_output(g->way[d][c].action);
    for (size_t r = 0; r < g->conf.rules.count; r++) {
        unsigned bits;
        uint64_t bit;
        bool exact;

        BTZ_TRY(rule_check(&rules[r], &exact, &bits));
        BTZ_TRY(rule_bit(&rules[r], &for_groups, &bit));
        for (unsigned d = 0; d < g->count; d++)
            for (unsigned c = 0; c < BTZ_CHANNEL_COUNT; c++) {
                if (!(bits >> c & 1) || ruled[d][c] ||
                    !speaks_of(rules[r].detector, btz_guard_detectors[d], exact) ||
                    is_for_texts(&rules[r], btz_guard_detectors[d]))
                    continue;
                if (bit) {
                    BTZ_TRY(add_special(g, &rules[r], bit, d, (enum btz_channel)c));
                    continue;
                }
                ruled[d][c] = true;
                take_rule(&rules[r], (enum btz_channel)c, &g->way[d][c]);
            }
    }
    return BTZ_OK;
}

/* Thresholds of the operator's own traffic; they are for the classifier they were made with. */
static enum btz_err calibrated(struct btz_guard *g)
{
    struct btz_calibration *calibration = NULL;
    struct btz_guard_classifier *classifier;
    enum btz_err err;

    if (g->conf.calibration && *g->conf.calibration) {
        BTZ_TRY(btz_guard_classifier_open(g->conf.classifier, &classifier));
        err = btz_calibration_open(g->conf.calibration, classifier, &calibration);
        btz_guard_classifier_free(classifier);
        if (err != BTZ_OK)
            return err;
    }
    ways_built_in(g, calibration);
    btz_calibration_free(calibration);
    return BTZ_OK;
}

static enum btz_err compile(struct btz_guard *g)
{
    BTZ_TRY(btz_triggers_new(&g->triggers));
    for (; btz_guard_detectors[g->count]; g->count++) {
        const struct btz_guard_detector *d = btz_guard_detectors[g->count];

        if (g->count == BTZ_DETECTORS_MAX)
            return btz_fail(BTZ_INTERNAL, "more than %d detectors", BTZ_DETECTORS_MAX);
        if (d->compile)
            BTZ_TRY(d->compile(&g->conf, &g->setup[g->count]));
        btz_triggers_owner(g->triggers, g->count);
        if (d->triggers && (!d->compile || g->setup[g->count]))
            BTZ_TRY(d->triggers(g->setup[g->count], g->triggers));
    }
    BTZ_TRY(btz_triggers_build(g->triggers));
    BTZ_TRY(calibrated(g));
    return ways(g);
}

/* So that a stream holds less than `hold_max`, also when two pieces are masked as one. */
static void pieces_of_runs(struct btz_guard *g)
{
    enum { LEAST = 256, MOST = 16384 };
    size_t piece = g->conf.hold_max > 0 ? (size_t)g->conf.hold_max / 4 : 0;

    g->run_piece = piece < LEAST ? LEAST : piece > MOST ? MOST : piece;
    g->run_overlap = g->run_piece / 4;
}

enum btz_err btz_guard_new(const struct btz_guard_conf *conf, struct btz_guard **out)
{
    struct btz_guard *g = calloc(1, sizeof *g);
    enum btz_err err;

    if (!g)
        return btz_fail(BTZ_LIMIT, "out of memory for a guard");
    g->conf = *conf;
    pieces_of_runs(g);
    btz_random_bytes(&g->seed, sizeof g->seed);
    g->spare = calloc(1, sizeof *g->spare);
    err = g->spare ? compile(g) : btz_fail(BTZ_LIMIT, "out of memory for a guard");
    if (err != BTZ_OK) {
        btz_guard_free(g);
        return err;
    }
    *out = g;
    return BTZ_OK;
}

void btz_guard_free(struct btz_guard *g)
{
    if (!g)
        return;
    for (unsigned d = 0; d < g->count; d++)
        if (g->setup[d] && btz_guard_detectors[d]->release)
            btz_guard_detectors[d]->release(g->setup[d]);
    for (unsigned d = 0; d < g->count; d++)
        for (unsigned c = 0; c < BTZ_CHANNEL_COUNT; c++)
            for (struct btz_guard_special *s = g->special[d][c], *next; s; s = next) {
                next = s->next;
                free(s);
            }
    btz_triggers_free(g->triggers);
    if (g->spare)
        btz_scanning_free(g->spare->scanning);
    free(g->spare);
    free(g);
}

bool btz_guard_asks_groups(const struct btz_guard *g)
{
    const struct btz_guard_rule_conf *rules = g->conf.rules.items;

    for (size_t r = 0; r < g->conf.rules.count; r++)
        if (rules[r].groups.count > 0)
            return true;
    return false;
}

bool btz_guard_rule_fits(const struct btz_guard_rule_conf *rule, const struct btz_slice *groups,
                         size_t count)
{
    const char *const *names = rule->groups.items;

    for (size_t i = 0; i < rule->groups.count; i++)
        for (size_t k = 0; k < count; k++)
            if (btz_slice_is(groups[k], names[i]))
                return true;
    return rule->groups.count == 0;
}

void btz_guard_session_groups(struct btz_guard_session *s, const struct btz_slice *groups,
                              size_t count)
{
    const struct btz_guard_rule_conf *rules = s->guard->conf.rules.items;
    uint64_t bit = 1;

    s->rules = 0;
    for (size_t r = 0; r < s->guard->conf.rules.count; r++) {
        if (rules[r].groups.count == 0)
            continue;
        if (btz_guard_rule_fits(&rules[r], groups, count))
            s->rules |= bit;
        bit <<= 1;
    }
}

const struct btz_guard_way *btz_session_way(const struct btz_guard_session *s, unsigned detector,
                                            enum btz_channel channel)
{
    for (const struct btz_guard_special *p = s->guard->special[detector][channel]; p; p = p->next)
        if (s->rules & p->rule)
            return &p->way;
    return &s->guard->way[detector][channel];
}

void btz_session_count(struct btz_guard_session *s, uint32_t ran, uint32_t failed)
{
    for (unsigned d = 0; d < s->guard->count; d++) {
        s->counts[d].runs += ran >> d & 1;
        s->counts[d].failed += failed >> d & 1;
    }
}

uint32_t btz_guard_on(const struct btz_guard *g, enum btz_channel channel, bool with_whole)
{
    uint32_t bits = 0;

    for (unsigned d = 0; d < g->count; d++)
        if (g->way[d][channel].on && (with_whole || !btz_guard_detectors[d]->whole))
            bits |= 1u << d;
    return bits;
}

enum btz_err btz_guard_text(struct btz_guard_session *s, enum btz_channel channel,
                            struct btz_slice text, bool *changed, struct btz_buf *out)
{
    struct btz_scan scan = {
        .session = s, .channel = channel, .text = text, .final = true, .with_whole = true
    };
    struct btz_release release = { .session = s,
                                   .channel = channel,
                                   .text_index = s->texts++,
                                   .text = text,
                                   .to = text.len,
                                   .reverse = btz_channel_is_output(channel),
                                   .form = btz_release_form(channel) };
    size_t start = out->len;
    enum btz_err err = text.len > BTZ_GUARD_TEXT_MAX
                           ? btz_fail(BTZ_LIMIT, "a text of %zu bytes", text.len)
                           : BTZ_OK;

    *changed = false;
    if (text.len == 0)
        return BTZ_OK;
    if (err == BTZ_OK)
        err = btz_scanning_take(s);
    if (err == BTZ_OK)
        err = btz_scan_run(&scan);
    if (err == BTZ_OK && !btz_channel_is_output(channel))
        err = btz_atoms_learn(s, channel, &scan.plain);
    if (err != BTZ_OK) {
        btz_scanning_give(s);
        btz_session_count(s, 0, btz_guard_on(s->guard, channel, true));
        return err;
    }
    btz_session_count(s, scan.ran & ~scan.failed, scan.failed);
    for (size_t i = 0; i < s->scanning->hit_count; i++)
        btz_session_note(s, &s->scanning->hits[i], channel, release.text_index);
    err = btz_release_write(&release, out);
    btz_scanning_give(s);
    if (err != BTZ_OK || !release.changed || release.stop != SIZE_MAX)
        out->len = start;
    *changed = err == BTZ_OK && release.changed && release.stop == SIZE_MAX;
    return err;
}

enum btz_err btz_guard_words(struct btz_guard_session *s, struct btz_slice words)
{
    struct btz_scan scan = { .session = s,
                             .channel = BTZ_CHANNEL_OUTPUT,
                             .text = words,
                             .final = true,
                             .only_words = true,
                             .only_watch = s->guard->conf.mode == BTZ_GUARD_MODE_WATCH };
    uint32_t index = s->texts++;
    bool stop = false;
    enum btz_err err;

    if (words.len > BTZ_GUARD_TEXT_MAX)
        return btz_fail(BTZ_LIMIT, "words of %zu bytes", words.len);
    BTZ_TRY(btz_scanning_take(s));
    err = btz_scan_run(&scan);
    btz_session_count(s, scan.ran & ~scan.failed, scan.failed);
    for (size_t i = 0; err == BTZ_OK && i < s->scanning->hit_count; i++) {
        struct btz_hit *h = &s->scanning->hits[i];

        if (btz_guard_acts(h->action)) {
            h->action = BTZ_GUARD_BLOCK;
            stop = true;
        }
        btz_session_note(s, h, BTZ_CHANNEL_OUTPUT, index);
    }
    btz_scanning_give(s);
    return stop ? btz_fail(BTZ_DENIED, "a word that must not be seen") : err;
}
