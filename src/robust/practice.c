/*
 * Attacks on classifiers as `scan` runs them: models of bartizan.yaml, with their samples.
 */
#include "robust/practice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "robust/constraint.h"

#define ATTACKS_MAX 32

struct unit {
    const struct btz_model_conf *conf;
    const char *left_out; /* why it is not attacked; NULL: it is */
};
struct plan {
    const struct btz_robust_conf *conf;
    struct unit *units;
    size_t count;
};

/* ---- plan -------------------------------------------------------------------------------------------------------------- */

static const struct btz_model_conf *find_model(const struct btz_robust_section *s, const char *name)
{
    const struct btz_model_conf *models = s->models.items;

    for (size_t i = 0; i < s->models.count; i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

static enum btz_err check_model(const struct btz_model_conf *m)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (!m->name[0] || m->name[0] == '.' || strlen(m->name) > 64 ||
        m->name[strspn(m->name, allowed)] != '\0')
        return btz_fail(
            BTZ_USAGE, "model name \"%s\": use 1 to 64 letters, digits, '.', '_' and '-'", m->name);
    if (!m->path && !m->url)
        return btz_fail(BTZ_USAGE, "model \"%s\" needs a `path` or a `url`", m->name);
    if (m->path && m->url)
        return btz_fail(BTZ_USAGE, "model \"%s\": `path` or `url`, not both", m->name);
    if (m->url && m->data)
        BTZ_TRY(btz_asked_check(m));
    if (m->constraints && m->norm != BTZ_NORM_L0)
        return btz_fail(BTZ_USAGE,
                        "model \"%s\": constraints are for norm l0, where eps is how many columns "
                        "may change",
                        m->name);
    if (!(m->low < m->high))
        return btz_fail(BTZ_USAGE, "model \"%s\": `low` %g is not below `high` %g", m->name, m->low,
                        m->high);
    return BTZ_OK;
}

static bool is_version(const char *name)
{
    enum btz_autoattack version;

    return btz_autoattack_parse(name, &version);
}

static enum btz_err check_attacks(const struct btz_robust_conf *c)
{
    const char *const *ids = c->attacks.items;
    const struct btz_conf_pair *pairs = c->set.items;

    for (size_t i = 0; i < c->attacks.count; i++)
        if (!is_version(ids[i]) && !btz_attack_find(ids[i])) {
            const char *near = btz_attack_nearest(ids[i]);

            return btz_fail(BTZ_USAGE, "robust.attacks: there is no attack \"%s\"%s%s%s", ids[i],
                            near ? "; did you mean \"" : ", see `bartizan robust list`",
                            near ? near : "", near ? "\"?" : "");
        }
    for (size_t i = 0; i < c->set.count; i++) {
        const char *dot = strchr(pairs[i].name, '.');
        char id[64] = "";
        const struct btz_attack *a;

        if (dot && (size_t)(dot - pairs[i].name) < sizeof id)
            memcpy(id, pairs[i].name, (size_t)(dot - pairs[i].name));
        a = btz_attack_find(id);
        if (!a || btz_attack_param_find(a, dot + 1) == SIZE_MAX)
            return btz_fail(BTZ_USAGE,
                            "robust.set: \"%s\" is no parameter; write ATTACK.PARAMETER as "
                            "`bartizan robust list` names them",
                            pairs[i].name);
    }
    return BTZ_OK;
}

static enum btz_err forecast_text(const struct plan *plan, struct btz_arena *arena,
                                  const char **out)
{
    struct btz_buf text = BTZ_BUF((size_t)1 << 20);
    enum btz_err err = BTZ_OK;

    for (size_t i = 0; i < plan->count && !err; i++) {
        const struct btz_model_conf *m = plan->units[i].conf;

        if (plan->units[i].left_out)
            err = btz_buf_printf(&text, "%s (%s): not attacked, %s\n", m->name,
                                 m->path ? m->path : m->url, plan->units[i].left_out);
        else if (plan->conf->samples)
            err = btz_buf_printf(&text, "%s (%s): at most %" PRId64 " samples of %s, %s %.6g\n",
                                 m->name, m->path ? m->path : m->url, plan->conf->samples, m->data,
                                 btz_norm_name((enum btz_norm)m->norm), m->eps);
        else
            err = btz_buf_printf(&text, "%s (%s): all samples of %s, %s %.6g\n", m->name,
                                 m->path ? m->path : m->url, m->data,
                                 btz_norm_name((enum btz_norm)m->norm), m->eps);
    }
    if (!err) {
        *out = btz_arena_str(arena, btz_buf_slice(&text));
        err = *out ? BTZ_OK : BTZ_LIMIT;
    }
    btz_buf_release(&text);
    return err;
}

static enum btz_err robust_plan(const void *conf, const struct btz_context *ctx,
                                struct btz_arena *arena, void **out, struct btz_forecast *forecast)
{
    const struct btz_robust_section *s = conf;
    const struct btz_model_conf *all = s->models.items;
    const char *const *names = s->robust.only.items;
    struct plan *plan = btz_arena_alloc(arena, sizeof *plan);
    struct btz_forecast f = { .seconds = NAN, .cost = NAN };

    (void)ctx;
    if (!s->models.count)
        return btz_fail(BTZ_USAGE, "robust: no model is configured; add one under models:");
    if (!plan)
        return BTZ_LIMIT;
    plan->conf = &s->robust;
    plan->count = s->robust.only.count ? s->robust.only.count : s->models.count;
    plan->units = btz_arena_array(arena, plan->count, sizeof *plan->units);
    if (!plan->units)
        return BTZ_LIMIT;
    BTZ_TRY(check_attacks(&s->robust));
    for (size_t i = 0; i < plan->count; i++) {
        struct unit *u = &plan->units[i];

        u->conf = s->robust.only.count ? find_model(s, names[i]) : &all[i];
        if (!u->conf)
            return btz_fail(BTZ_USAGE, "robust.models: no model is named \"%s\"", names[i]);
        BTZ_TRY(check_model(u->conf));
        u->left_out = u->conf->data ? NULL : "it has no `data` to be tested with";
    }
    BTZ_TRY(forecast_text(plan, arena, &f.text));
    *out = plan;
    *forecast = f;
    return BTZ_OK;
}

/* ---- one model ---------------------------------------------------------------------------------------------------------- */

struct work {
    const struct unit *unit;
    const struct btz_robust_conf *conf;
    const struct btz_context *ctx;
    struct btz_sink *sink;
    struct btz_model *model;
    struct btz_asked asked;
    bool gradients; /* the model has them; else it is asked */
    bool scores;
    struct btz_arena arena;
    struct btz_constraint constraint; /* of tables: norm l0 */
    struct btz_box box;
    struct btz_saved saved;
    struct btz_samples *samples;
    size_t *chosen; /* of the data; NULL: all */
    size_t count;
    struct btz_evaluate_attack attacks[ATTACKS_MAX];
    size_t attack_count;
    struct btz_gallery gallery;
    char state[4096];
};

static enum btz_err read_rows(void *user, uint64_t first, size_t count, float *x, uint32_t *y)
{
    const struct work *w = user;

    return w->chosen ? btz_samples_take(w->samples, w->chosen + first, count, x, y)
                     : btz_samples_rows(w->samples, (size_t)first, count, x, y);
}

static enum btz_err collect(void *user, const struct btz_evaluate_broken *b)
{
    struct work *w = user;

    struct btz_evaluate_broken in_data = *b;

    if (w->chosen)
        in_data.index = w->chosen[b->index];
    if (w->unit->conf->save)
        BTZ_TRY(btz_saved_add(&w->saved, w->gallery.features, &in_data));
    return btz_gallery_add(&w->gallery, b);
}

static enum btz_err open_samples(struct work *w)
{
    const struct btz_model_conf *m = w->unit->conf;
    const struct btz_samples_options options = {
        .data = m->data,
        .labels = m->labels,
        .label_column = m->label_column,
        .memory_max = (uint64_t)w->conf->memory_mib << 20,
    };
    const struct btz_samples_info *info;

    BTZ_TRY(btz_samples_open(&options, &w->samples));
    info = btz_samples_info(w->samples);
    if (!info->labelled)
        return btz_fail(BTZ_USAGE, "%s: there are no labels; say where they are", m->data);
    w->count = info->count;
    if (!w->conf->samples || (uint64_t)w->conf->samples >= info->count)
        return BTZ_OK;
    w->count = (size_t)w->conf->samples;
    w->chosen = calloc(w->count, sizeof *w->chosen);
    if (!w->chosen)
        return btz_fail(BTZ_LIMIT, "out of memory");
    return btz_samples_choose(info->count, BTZ_CHOOSE_STRIDE, w->ctx->seed, w->count, w->chosen);
}

static enum btz_err add_attack(struct work *w, const struct btz_evaluate_attack *a)
{
    if (w->attack_count == ATTACKS_MAX)
        return btz_fail(BTZ_LIMIT, "robust.attacks: more than %d", ATTACKS_MAX);
    w->attacks[w->attack_count++] = *a;
    return BTZ_OK;
}

/* The budget of `queries`, before what is said of single parameters. Square asks once more than it is told. */
static void set_budget(const struct btz_robust_conf *c, struct btz_evaluate_attack *a)
{
    size_t at = btz_attack_param_find(a->attack, "queries");
    double queries = (double)c->queries;

    if (!c->queries || at == SIZE_MAX || a->attack->access == BTZ_ATTACK_GRADIENT)
        return;
    if (strcmp(a->attack->id, "square") == 0)
        queries -= 1;
    a->param[at] = fmin(fmax(queries, a->attack->params[at].min), a->attack->params[at].max);
}

static enum btz_err set_params(const struct btz_robust_conf *c, struct btz_evaluate_attack *a)
{
    const struct btz_conf_pair *pairs = c->set.items;
    size_t length = strlen(a->attack->id);

    for (size_t i = 0; i < c->set.count; i++) {
        const struct btz_attack_param *p;
        char *end;
        size_t at;
        double value;

        if (strncmp(pairs[i].name, a->attack->id, length) != 0 || pairs[i].name[length] != '.')
            continue;
        at = btz_attack_param_find(a->attack, pairs[i].name + length + 1);
        p = &a->attack->params[at];
        value = strtod(pairs[i].value, &end);
        if (end == pairs[i].value || *end || !(value >= p->min && value <= p->max) ||
            (p->whole && value != floor(value)))
            return btz_fail(
                BTZ_USAGE, "robust.set: %s: expected a %snumber from %g to %g, found \"%s\"",
                pairs[i].name, p->whole ? "whole " : "", p->min, p->max, pairs[i].value);
        a->param[at] = value;
    }
    return BTZ_OK;
}

static enum btz_err add_with_params(struct work *w, struct btz_evaluate_attack *a)
{
    set_budget(w->conf, a);
    BTZ_TRY(set_params(w->conf, a));
    return add_attack(w, a);
}

/* What fits the model and the norm: on tables those that keep constraints, else those by questions, the cheapest first. */
static enum btz_err list_fitting(struct work *w)
{
    static const char *const known[] = { "tabular-gradient", "tabular", "square",
                                         "hopskipjump",      "geoda",   "sign-opt",
                                         "boundary" };
    unsigned norm = 1U << w->unit->conf->norm;

    for (size_t i = 0; i < BTZ_COUNT(known); i++) {
        struct btz_evaluate_attack a = { .attack = btz_attack_find(known[i]) };

        if (!(a.attack->norms & norm) ||
            (a.attack->access == BTZ_ATTACK_GRADIENT && !w->gradients) ||
            (strcmp(known[i], "square") == 0 && !w->scores))
            continue;
        btz_attack_defaults(a.attack, a.param);
        BTZ_TRY(add_with_params(w, &a));
    }
    if (!w->attack_count)
        return btz_fail(BTZ_USAGE, "no attack by %s knows the norm %s; take l2",
                        w->scores ? "scores" : "labels",
                        btz_norm_name((enum btz_norm)w->unit->conf->norm));
    return BTZ_OK;
}

/* The list of the configuration; versions of AutoAttack stand for their sequence. */
static enum btz_err list_attacks(struct work *w, size_t classes)
{
    static const char *const standard[] = { "standard" };
    const char *const *ids = w->conf->attacks.count ? w->conf->attacks.items : standard;
    size_t count = w->conf->attacks.count ? w->conf->attacks.count : 1;

    if (!w->conf->attacks.count && (!w->gradients || w->unit->conf->norm == BTZ_NORM_L0))
        return list_fitting(w);
    for (size_t i = 0; i < count; i++) {
        struct btz_evaluate_attack list[BTZ_AUTOATTACK_MAX];
        enum btz_autoattack version;
        size_t n = 1;

        if (btz_autoattack_parse(ids[i], &version))
            BTZ_TRY(btz_autoattack_list(version, (enum btz_norm)w->unit->conf->norm, classes, list,
                                        &n));
        else {
            list[0].attack = btz_attack_find(ids[i]);
            btz_attack_defaults(list[0].attack, list[0].param);
        }
        for (size_t k = 0; k < n; k++)
            BTZ_TRY(add_with_params(w, &list[k]));
    }
    return BTZ_OK;
}

/* What the model reads of a sample, where it leaves that open: the shape of the data. */
static void shape_of_data(const struct btz_samples_info *info, struct btz_shape *out)
{
    out->rank = info->shape.rank;
    for (uint32_t k = 0; k < out->rank; k++)
        out->dim[k] = info->shape.dim[k];
}

/* Shape of what the model reads. Gradients are there where a net with them can be planned. */
static enum btz_err look_at_file(struct work *w, struct btz_shape *shape)
{
    struct btz_classifier *c = NULL;
    size_t bytes;
    enum btz_err err;

    BTZ_TRY(btz_model_read(w->unit->conf->path, NULL, &w->model));
    err = btz_classifier_new(w->model, &(struct btz_classifier_options){ .batch = 1 }, &c);
    if (!err)
        err = btz_classifier_memory(c, true, &bytes);
    if (!err)
        *shape = c->shape;
    btz_classifier_free(c);
    w->gradients = !err;
    w->scores = !err;
    return err == BTZ_UNSUPPORTED ? BTZ_OK : err;
}

/* A model that only answers; what it reads and says is known once it is open. */
static enum btz_err look_at_answers(struct work *w, struct btz_shape *shape)
{
    struct btz_oracle *o = NULL;

    if (w->model)
        btz_log(w->ctx->log, BTZ_LOG_INFO, "%s: attacked by questions, it has no gradients: %s",
                w->unit->conf->name, btz_error_detail());
    BTZ_TRY(btz_asked_open(&w->asked, &o));
    *shape = o->shape;
    w->scores = o->has_scores;
    btz_oracle_free(o);
    return BTZ_OK;
}

static enum btz_err open_model(struct work *w)
{
    const struct btz_model_conf *m = w->unit->conf;
    const struct btz_samples_info *info = btz_samples_info(w->samples);
    struct btz_shape data, shape = { 0 };
    size_t features;

    shape_of_data(info, &data);
    w->asked = (struct btz_asked){ .conf = m,
                                   .shape = data,
                                   .classes = m->classes ? (size_t)m->classes : info->classes,
                                   .seed = w->ctx->seed,
                                   .stop = w->ctx->stop };
    if (m->path)
        BTZ_TRY(look_at_file(w, &shape));
    w->asked.model = w->model;
    BTZ_TRY(btz_asked_identify(&w->asked));
    if (!w->gradients)
        BTZ_TRY(look_at_answers(w, &shape));
    BTZ_TRY(btz_shape_count(&shape, &features));
    if (features != info->values) {
        char wants[BTZ_SHAPE_TEXT], has[BTZ_SAMPLE_SHAPE_TEXT];

        return btz_fail(BTZ_INPUT, "%s reads samples of %s, those of %s are %s",
                        m->path ? m->path : m->url, btz_shape_text(&shape, wants), m->data,
                        btz_sample_shape_text(&info->shape, has));
    }
    /* A table of pixels is shown as the picture the model sees. */
    w->gallery.shape = shape.rank > data.rank ? shape : data;
    w->gallery.features = features;
    return BTZ_OK;
}

static enum btz_err report(const struct work *w, const struct btz_evaluation *e)
{
    const struct btz_model_conf *m = w->unit->conf;
    const struct btz_samples_info *info = btz_samples_info(w->samples);
    const struct btz_coverage coverage = {
        .practice = BTZ_PRACTICE_REDTEAM,
        .asset = { .kind = "model", .name = m->name, .address = m->path ? m->path : m->url },
        .unit = "samples",
        .planned = w->count,
        .done = e->n,
    };
    struct btz_figures f;
    enum btz_err err;

    btz_figures_init(&f);
    err = btz_figures_of(e, &w->gallery, w->box,
                         info->classes >= e->classes ? info->class_names : NULL, &f);
    if (!err)
        err = btz_robust_findings(m, e, &f, w->sink);
    if (!err)
        err = w->sink->coverage(w->sink, &coverage);
    btz_figures_release(&f);
    return err;
}

/* Columns have ranges of their own where all attacks know of columns. */
static bool is_of_tables(const struct work *w)
{
    bool all = w->attack_count > 0;

    for (size_t i = 0; i < w->attack_count; i++)
        all = all && btz_attack_keeps_constraints(w->attacks[i].attack);
    return all || w->unit->conf->constraints;
}

/* Opens what is attacked, and what it is attacked with. */
static enum btz_err prepare(struct work *w, struct btz_evaluate_options *out)
{
    const struct btz_model_conf *m = w->unit->conf;
    struct btz_evaluate_options o = {
        .samples = { .read = read_rows, .user = w },
        .attacks = w->attacks,
        .alone = w->conf->alone,
        .signs = w->conf->signs,
        .norm = (enum btz_norm)m->norm,
        .eps = m->eps,
        .seed = w->ctx->seed,
        /* One engine asks an address, so that pace and number of requests are those that were said. */
        .threads = m->url ? 1 : w->ctx->threads,
        .memory_max = (size_t)w->conf->memory_mib << 20,
        .state = w->state[0] ? w->state : NULL,
        .stop = w->ctx->stop,
        .progress = w->sink,
        .broken = collect,
        .broken_user = w,
    };

    BTZ_TRY(open_samples(w));
    BTZ_TRY(open_model(w));
    BTZ_TRY(list_attacks(w, btz_samples_info(w->samples)->classes));
    w->box = (struct btz_box){ (float)m->low, (float)m->high };
    if (is_of_tables(w)) {
        BTZ_TRY(btz_columns_load(m->constraints, w->samples, &w->arena, &w->constraint, &w->box));
        o.constraint = &w->constraint;
    }
    o.box = w->box;
    o.samples.memory = (size_t)btz_samples_info(w->samples)->memory;
    if (w->gradients)
        o.model = w->model;
    else {
        o.oracle = btz_asked_open;
        o.oracle_user = &w->asked;
    }
    o.samples.n = w->count;
    o.attack_count = w->attack_count;
    o.identity = w->asked.identity;
    *out = o;
    return BTZ_OK;
}

static enum btz_err attack_model(struct work *w)
{
    const struct btz_model_conf *m = w->unit->conf;
    struct btz_evaluate_options o;
    struct btz_evaluation *e = NULL;
    enum btz_err err;

    BTZ_TRY(prepare(w, &o));
    BTZ_TRY(btz_evaluate(&o, &e));
    btz_log(w->ctx->log, BTZ_LOG_INFO,
            "%s: memory predicted %.1f MB for %u threads, %" PRId64
            " MiB allowed; the process took %.1f MB at its peak",
            m->name, (double)e->memory / 1e6, e->threads, w->conf->memory_mib,
            (double)e->peak / 1e6);
    err = report(w, e);
    if (!err && m->save && !e->stopped) /* of a part nothing is saved: --resume saves all */
        err = btz_saved_write(&w->saved, m->save, &btz_samples_info(w->samples)->shape);
    btz_evaluation_free(e);
    return err;
}

static enum btz_err left_out(const struct unit *u, struct btz_sink *sink)
{
    const struct btz_finding f = {
        .rule = btz_rule_find("redteam.evasion.gradient"),
        .asset = { .kind = "model",
                   .name = u->conf->name,
                   .address = u->conf->path ? u->conf->path : u->conf->url },
        .location = "worst case of all attacks",
        .outcome = BTZ_OUTCOME_NOT_EVALUATED,
        .severity = BTZ_SEVERITY_INFO,
        .reason = u->left_out,
        .ci_low = NAN,
        .ci_high = NAN,
    };

    return sink->finding(sink, &f);
}

/* Where the evaluation keeps what an interrupted run has found. */
static enum btz_err place_state(struct work *w)
{
    int n = snprintf(w->state, sizeof w->state, "%s/runs/%s", w->ctx->state_dir, w->ctx->run_id);
    size_t room = sizeof w->state - (size_t)n;

    if (n < 0 || (size_t)n >= sizeof w->state - 80)
        return btz_fail(BTZ_USAGE, "state folder: path is too long");
    BTZ_TRY(btz_file_mkdirs(w->state, 0700));
    snprintf(w->state + n, room, "/%s.robust", w->unit->conf->name);
    return BTZ_OK;
}

static struct work *work_new(const struct plan *plan, const struct unit *u,
                             const struct btz_context *ctx, struct btz_sink *sink)
{
    struct work *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->unit = u;
    w->conf = plan->conf;
    w->ctx = ctx;
    w->sink = sink;
    btz_arena_init(&w->arena, (size_t)256 << 20);
    btz_saved_init(&w->saved);
    return w;
}

static void work_free(struct work *w)
{
    btz_gallery_release(&w->gallery);
    btz_saved_release(&w->saved);
    btz_arena_release(&w->arena);
    free(w->chosen);
    btz_samples_close(w->samples);
    btz_model_free(w->model);
    free(w);
}

static enum btz_err run_unit(const struct plan *plan, const struct unit *u,
                             const struct btz_context *ctx, struct btz_sink *sink)
{
    struct work *w;
    enum btz_err err;

    if (u->left_out)
        return left_out(u, sink);
    w = work_new(plan, u, ctx, sink);
    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = place_state(w);
    if (!err)
        err = attack_model(w);
    work_free(w);
    return err;
}

/* A model that cannot be attacked does not keep the others from it; the first error is returned at the end. */
static enum btz_err robust_run(void *plan_ptr, const struct btz_context *ctx, struct btz_sink *sink)
{
    const struct plan *plan = plan_ptr;
    enum btz_err first = BTZ_OK;
    char detail[1024] = "";

    for (size_t i = 0; i < plan->count && !(ctx->stop && *ctx->stop); i++) {
        enum btz_err err = run_unit(plan, &plan->units[i], ctx, sink);

        if (err == BTZ_OK)
            continue;
        btz_log(ctx->log, BTZ_LOG_ERROR, "%s: %s", plan->units[i].conf->name, btz_error_detail());
        if (first == BTZ_OK) {
            first = err;
            snprintf(detail, sizeof detail, "%s: %s", plan->units[i].conf->name,
                     btz_error_detail());
        }
    }
    return first == BTZ_OK ? BTZ_OK : btz_fail(first, "%s", detail);
}

/* ---- a dry run ---------------------------------------------------------------------------------------------------------- */

/* What the attacks cost a sample at most, where that is known. */
static enum btz_err predict_attacks(const struct work *w, const struct btz_evaluate_plan *p,
                                    struct btz_buf *text, json_t *list)
{
    for (size_t i = 0; i < w->attack_count; i++) {
        const struct btz_attack *a = w->attacks[i].attack;
        struct btz_attack_job job = { .attack = a,
                                      .norm = (enum btz_norm)w->unit->conf->norm,
                                      .classes = p->classes };
        struct btz_attack_most most = { 0 };
        json_t *o = json_pack("{s:s}", "attack", a->id);

        memcpy(job.param, w->attacks[i].param, sizeof job.param);
        if (json_array_append_new(list, o))
            return btz_fail(BTZ_LIMIT, "out of memory");
        if (!a->most) {
            BTZ_TRY(btz_buf_printf(text, "  %s: passes depend on the model\n", a->id));
            continue;
        }
        most = a->most(&job);
        if (json_object_set_new(o, "questions", json_integer((json_int_t)most.questions)) ||
            json_object_set_new(o, "gradients", json_integer((json_int_t)most.gradients)))
            return btz_fail(BTZ_LIMIT, "out of memory");
        BTZ_TRY(btz_buf_printf(text, "  %s: at most %" PRIu64 " questions a sample", a->id,
                               most.questions));
        if (most.gradients)
            BTZ_TRY(btz_buf_printf(text, ", %" PRIu64 " of them for gradients", most.gradients));
        BTZ_TRY(btz_buf_add_byte(text, '\n'));
    }
    return BTZ_OK;
}

static enum btz_err predict_model(struct work *w, struct btz_buf *text, json_t *models)
{
    const struct btz_model_conf *m = w->unit->conf;
    const char *where = m->path ? m->path : m->url;
    BTZ_JSON json_t *attacks = json_array();
    struct btz_evaluate_options o;
    struct btz_evaluate_plan p;

    BTZ_TRY(prepare(w, &o));
    BTZ_TRY(btz_evaluate_plan(&o, &p));
    BTZ_TRY(btz_buf_printf(text,
                           "%s (%s): %zu samples of %s, %s %.6g\n"
                           "  memory predicted %.1f MB for %u threads, %" PRId64 " MiB allowed\n",
                           m->name, where, w->count, m->data, btz_norm_name(o.norm), m->eps,
                           (double)p.memory / 1e6, p.threads, w->conf->memory_mib));
    BTZ_TRY(predict_attacks(w, &p, text, attacks));
    return json_array_append_new(
               models,
               json_pack("{s:o, s:o, s:I, s:s, s:f, s:I, s:I, s:i, s:O}", "name",
                         btz_json_text(btz_str(m->name)), "model", btz_json_text(btz_str(where)),
                         "samples", (json_int_t)w->count, "norm", btz_norm_name(o.norm), "eps",
                         m->eps, "memory", (json_int_t)p.memory, "memory_allowed",
                         (json_int_t)o.memory_max, "threads", (int)p.threads, "attacks", attacks))
               ? btz_fail(BTZ_LIMIT, "out of memory")
               : BTZ_OK;
}

static enum btz_err predict_unit(const struct plan *plan, const struct unit *u,
                                 const struct btz_context *ctx, struct btz_buf *text,
                                 json_t *models)
{
    const char *where = u->conf->path ? u->conf->path : u->conf->url;
    struct work *w;
    enum btz_err err;

    if (u->left_out)
        return btz_buf_printf(text, "%s (%s): not attacked, %s\n", u->conf->name, where,
                              u->left_out);
    w = work_new(plan, u, ctx, NULL);
    if (!w)
        return btz_fail(BTZ_LIMIT, "out of memory");
    err = predict_model(w, text, models);
    if (err)
        err = btz_fail_context(err, "%s", u->conf->name);
    work_free(w);
    return err;
}

static enum btz_err robust_predict(void *plan_ptr, const struct btz_context *ctx,
                                   struct btz_arena *arena, struct btz_forecast *forecast)
{
    const struct plan *plan = plan_ptr;
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 20), json = BTZ_BUF((size_t)8 << 20);
    BTZ_JSON json_t *models = json_array(), *all = json_pack("{s:O}", "models", models);
    enum btz_err first = BTZ_OK;
    char detail[1024] = "";

    for (size_t i = 0; i < plan->count; i++) {
        enum btz_err err = predict_unit(plan, &plan->units[i], ctx, &text, models);

        if (err == BTZ_OK || first != BTZ_OK)
            continue;
        first = err;
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
    }
    if (!all)
        return btz_fail(BTZ_LIMIT, "out of memory");
    BTZ_TRY(btz_json_write(all, false, &json));
    forecast->text = btz_arena_str(arena, btz_buf_slice(&text));
    forecast->json = btz_arena_str(arena, btz_buf_slice(&json));
    if (!forecast->text || !forecast->json)
        return BTZ_LIMIT;
    return first == BTZ_OK ? BTZ_OK : btz_fail(first, "%s", detail);
}

const struct btz_practice_ops btz_practice_robust = {
    .name = "robust",
    .practice = BTZ_PRACTICE_REDTEAM,
    .keys = btz_robust_keys,
    .key_count = 2,
    .conf_size = sizeof(struct btz_robust_section),
    .plan = robust_plan,
    .predict = robust_predict,
    .run = robust_run,
};
