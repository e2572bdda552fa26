/* Two models, the same questions: whose answers differ. */
#include <math.h>
#include <stdlib.h>

#include "access/policy/conditions.h"
#include "access/policy/snapshot.h"
#include "access/policy/universe.h"
#include "access/policy_tools.h"

#define QUESTIONS_DEFAULT 20000000u
#define CHANGES_DEFAULT   10000u

/* People with the same bindings before and after are asked once. */
struct person {
    const char *id, *name;
    const char *signature;
};
struct diff {
    struct btz_arena *arena;
    const struct btz_policy_model *model[2];
    struct btz_snapshot *snapshot[2];
    struct btz_universe universe;
    struct person *people; /* by signature */
    size_t count;
    uint64_t questions, questions_max;
    size_t changes_max, changed, more, less;
    bool capped;
    json_t *changes;
};

static enum btz_err no_memory(void)
{
    return btz_fail(BTZ_LIMIT, "out of memory");
}

/* ---- people ---- */

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static int by_id(const void *a, const void *b)
{
    const struct person *x = a, *y = b;

    return strcmp(x->id, y->id);
}

static int by_signature(const void *a, const void *b)
{
    const struct person *x = a, *y = b;
    int c = strcmp(x->signature, y->signature);

    return c ? c : strcmp(x->name, y->name);
}

static bool owns(const struct btz_policy_model *m, const char *key, const char *id)
{
    for (size_t i = 0; i < m->key_count; i++)
        if (strcmp(m->keys[i].id, key) == 0)
            return strcmp(m->keys[i].principal, id) == 0;
    return false;
}

/* Is somebody, or a key of his, named in a rule or binding ("user/alice")? Then he is like nobody else. */
static bool is_named(const struct diff *d, const struct person *p)
{
    for (size_t i = 0; i < d->universe.resources.count; i++) {
        const char *text = d->universe.resources.list[i], *slash = strchr(text, '/');

        if (strncmp(text, "user/", 5) == 0 || strncmp(text, "service/", 8) == 0) {
            if (strcmp(slash + 1, p->name) == 0 || strcmp(slash + 1, p->id) == 0)
                return true;
        } else if (strncmp(text, "key/", 4) == 0 &&
                   (owns(d->model[0], slash + 1, p->id) || owns(d->model[1], slash + 1, p->id))) {
            return true;
        }
    }
    return false;
}

/* One model with the bindings of each principal as a chain of (binding, next). */
struct side {
    struct btz_model_index x;
    uint32_t *first;
    struct btz_buf links;
};

static enum btz_err chain_bindings(struct side *s, struct btz_arena *arena)
{
    const struct btz_policy_model *m = s->x.model;

    s->first = btz_arena_array(arena, m->principal_count + 1, sizeof *s->first);
    if (!s->first)
        return BTZ_LIMIT;
    for (size_t i = 0; i < m->principal_count; i++)
        s->first[i] = BTZ_NOBODY;
    for (uint32_t i = 0; i < m->binding_count; i++) {
        const uint32_t *list;
        uint32_t one;
        size_t count;

        btz_index_subjects(&s->x, &m->bindings[i], &one, &list, &count);
        for (size_t k = 0; k < count; k++) {
            uint32_t link[2] = { i, s->first[list[k]] };

            s->first[list[k]] = (uint32_t)(s->links.len / sizeof link);
            BTZ_TRY(btz_buf_add(&s->links, link, sizeof link));
        }
    }
    return BTZ_OK;
}

/* The bindings of one person in one model as text, sorted: equal texts, equal rights. */
static enum btz_err add_signature(const struct side *s, const char *id, struct btz_arena *arena,
                                  struct btz_buf *out)
{
    const uint32_t *links = (const uint32_t *)(const void *)s->links.ptr;
    uint32_t p = btz_index_principal(&s->x, id);
    const char **lines;
    size_t n = 0;

    if (p == BTZ_NOBODY)
        return btz_buf_add_str(out, "nobody\n");
    for (uint32_t at = s->first[p]; at != BTZ_NOBODY; at = links[2 * at + 1])
        n++;
    lines = btz_arena_array(arena, n + 1, sizeof *lines);
    if (!lines)
        return BTZ_LIMIT;
    n = 0;
    for (uint32_t at = s->first[p]; at != BTZ_NOBODY; at = links[2 * at + 1], n++) {
        const struct btz_binding_model *b = &s->x.model->bindings[links[2 * at]];

        lines[n] = btz_arena_printf(arena, "%s %s %" PRIu64 " %" PRIu64, b->role,
                                    b->resource ? b->resource : "*", b->from_s, b->until_s);
        if (!lines[n])
            return BTZ_LIMIT;
    }
    qsort(lines, n, sizeof *lines, by_text);
    BTZ_TRY(btz_buf_printf(out, "%d %d\n", s->x.principals[p]->kind, s->x.principals[p]->disabled));
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(lines[i], lines[i - 1]) != 0)
            BTZ_TRY(btz_buf_printf(out, "%s\n", lines[i]));
    return BTZ_OK;
}

static enum btz_err sign(struct diff *d, struct side side[2])
{
    for (int i = 0; i < 2; i++) {
        side[i].links = BTZ_BUF((size_t)1 << 30);
        BTZ_TRY(btz_model_index(d->model[i], d->arena, &side[i].x));
        BTZ_TRY(chain_bindings(&side[i], d->arena));
    }
    for (size_t i = 0; i < d->count; i++) {
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF((size_t)1 << 28);
        const char *done;

        for (int k = 0; k < 2; k++)
            BTZ_TRY(add_signature(&side[k], d->people[i].id, d->arena, &text));
        if (is_named(d, &d->people[i]))
            BTZ_TRY(btz_buf_printf(&text, "only %s\n", d->people[i].id));
        BTZ_TRY(btz_buf_cstr(&text, &done));
        d->people[i].signature = btz_arena_str(d->arena, btz_str(done));
        if (!d->people[i].signature)
            return BTZ_LIMIT;
    }
    qsort(d->people, d->count, sizeof *d->people, by_signature);
    return BTZ_OK;
}

static enum btz_err gather_people(struct diff *d)
{
    size_t total = d->model[0]->principal_count + d->model[1]->principal_count, kept = 0;
    struct side side[2] = { 0 };
    enum btz_err err;

    d->people = btz_arena_array(d->arena, total + 1, sizeof *d->people);
    if (!d->people)
        return BTZ_LIMIT;
    for (int k = 1; k >= 0; k--)
        for (size_t i = 0; i < d->model[k]->principal_count; i++)
            d->people[d->count++] = (struct person){ d->model[k]->principals[i].id,
                                                     d->model[k]->principals[i].name, "" };
    qsort(d->people, d->count, sizeof *d->people, by_id);
    for (size_t i = 0; i < d->count; i++)
        if (kept == 0 || strcmp(d->people[i].id, d->people[kept - 1].id) != 0)
            d->people[kept++] = d->people[i];
    d->count = kept;
    err = sign(d, side);
    btz_buf_release(&side[0].links);
    btz_buf_release(&side[1].links);
    return err;
}

/* ---- asking ---- */

static json_t *context_json(const struct diff *d, const struct btz_request *r, size_t context)
{
    const struct btz_universe *u = &d->universe;
    const uint8_t *at = u->contexts[context];
    const char *age = r->mfa_age_s == UINT32_MAX ? "none"
                      : r->mfa_age_s == 0        ? "0s"
                                                 : btz_span_text(d->arena, r->mfa_age_s);
    const char *time = btz_second_text(d->arena, r->now_s);
    const char *address = u->dimensions[BTZ_FACT_ADDRESS].values[at[BTZ_FACT_ADDRESS]].text;
    json_t *j = json_object();
    int failed = 0;

#define SHOW(fact, key, value)                                                                     \
    if (u->dimensions[fact].count > 1)                                                             \
    failed |= json_object_set_new(j, key, value)
    SHOW(BTZ_FACT_TIME, "time", json_string(time ? time : ""));
    SHOW(BTZ_FACT_MFA, "mfa_age", json_string(age ? age : ""));
    SHOW(BTZ_FACT_CERT, "client_cert", json_boolean(r->client_cert));
    SHOW(BTZ_FACT_COST, "cost", isnan(r->cost) ? json_null() : json_real(r->cost));
    SHOW(BTZ_FACT_ADDRESS, "address", json_string(address));
    SHOW(BTZ_FACT_MODEL, "model", btz_json_text(r->model));
    SHOW(BTZ_FACT_ENDPOINT, "endpoint", btz_json_text(r->endpoint));
    SHOW(BTZ_FACT_TOOL, "tool", btz_json_text(r->tool));
#undef SHOW
    if (failed) {
        json_decref(j);
        return NULL;
    }
    return j;
}

/* Contexts that change an answer from one verdict to another, with the first of them. */
struct tally {
    size_t count[3][3], first[3][3];
};

static enum btz_err tell(struct diff *d, const struct person *people, size_t count,
                         struct btz_request *r, const struct tally *t, int before, int after)
{
    json_t *names = json_array(), *j, *context;
    int failed = !names;

    d->changed += count;
    *(after == BTZ_VERDICT_ALLOW || (after == BTZ_VERDICT_STEP_UP && before == BTZ_VERDICT_DENY)
          ? &d->more
          : &d->less) += count;
    if (json_array_size(d->changes) >= d->changes_max) {
        d->capped = true;
        json_decref(names);
        return BTZ_OK;
    }
    for (size_t i = 0; i < count && !failed; i++)
        failed |= json_array_append_new(names, json_string(people[i].name));
    btz_universe_apply(&d->universe, t->first[before][after], r);
    context = context_json(d, r, t->first[before][after]);
    j = json_pack("{s:o, s:s, s:o, s:s, s:s, s:I, s:I, s:o}", "principals", names, "action",
                  btz_actions[r->action].name, "resource", btz_json_text(r->resource), "before",
                  btz_verdict_name((enum btz_verdict)before), "after",
                  btz_verdict_name((enum btz_verdict)after), "contexts",
                  (json_int_t)t->count[before][after], "of", (json_int_t)d->universe.context_count,
                  "context", context);
    if (failed || !j || json_array_append_new(d->changes, j) != 0)
        return no_memory();
    return BTZ_OK;
}

static enum btz_err ask(struct diff *d, const struct person *people, size_t count, int action,
                        const char *resource)
{
    struct btz_request r = { .key = BTZ_NOBODY, .action = action, .resource = btz_str(resource) };
    uint32_t who[2] = { btz_snapshot_principal(d->snapshot[0], people->id),
                        btz_snapshot_principal(d->snapshot[1], people->id) };
    struct tally t = { 0 };

    for (size_t c = 0; c < d->universe.context_count; c++) {
        struct btz_decision answer[2];

        if (d->questions >= d->questions_max) {
            d->capped = true;
            break;
        }
        d->questions++;
        btz_universe_apply(&d->universe, c, &r);
        for (int i = 0; i < 2; i++) {
            r.principal = who[i];
            btz_decide(d->snapshot[i], &r, &answer[i]);
        }
        if (t.count[answer[0].verdict][answer[1].verdict]++ == 0)
            t.first[answer[0].verdict][answer[1].verdict] = c;
    }
    for (int before = 0; before < 3; before++)
        for (int after = 0; after < 3; after++)
            if (before != after && t.count[before][after] > 0)
                BTZ_TRY(tell(d, people, count, &r, &t, before, after));
    return BTZ_OK;
}

static enum btz_err ask_all(struct diff *d)
{
    for (size_t i = 0, next; i < d->count; i = next) {
        next = i + 1;
        while (next < d->count && strcmp(d->people[next].signature, d->people[i].signature) == 0)
            next++;
        for (size_t a = 0; a < btz_action_count; a++)
            for (size_t k = 0; k < d->universe.resources.count; k++)
                if (btz_resource_has_kind(btz_str(d->universe.resources.list[k]),
                                          btz_actions[a].resource))
                    BTZ_TRY(ask(d, &d->people[i], next - i, (int)a, d->universe.resources.list[k]));
    }
    return BTZ_OK;
}

/* ---- models without people ---- */

/* "holder-of-ROLE" for each role of either model, bound where there is such a role. */
static enum btz_err make_people(struct btz_arena *arena, const struct btz_policy_model *from,
                                const struct btz_policy_model *other, struct btz_policy_model *out)
{
    size_t most = from->role_count + other->role_count;
    struct btz_principal_model *people = btz_arena_array(arena, most + 1, sizeof *people);
    struct btz_binding_model *bindings = btz_arena_array(arena, most + 1, sizeof *bindings);
    struct btz_words names = { 0 };

    if (!people || !bindings)
        return BTZ_LIMIT;
    *out = *from;
    for (size_t i = 0; i < most; i++)
        BTZ_TRY(btz_words_add(&names, arena,
                              i < from->role_count ? from->roles[i].name
                                                   : other->roles[i - from->role_count].name));
    for (size_t i = 0; i < names.count; i++) {
        people[i].id = people[i].name = btz_arena_printf(arena, "holder-of-%s", names.list[i]);
        if (!people[i].id)
            return BTZ_LIMIT;
        if (i < from->role_count)
            bindings[i] = (struct btz_binding_model){ .id = people[i].id,
                                                      .role = names.list[i],
                                                      .subject = people[i].id };
    }
    out->principals = people;
    out->principal_count = names.count;
    out->bindings = bindings;
    out->binding_count = from->role_count;
    return BTZ_OK;
}

static enum btz_err write(struct diff *d, struct btz_buf *out)
{
    BTZ_JSON json_t *j = json_pack(
        "{s:O, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "changes", d->changes, "changed",
        (json_int_t)d->changed, "more", (json_int_t)d->more, "less", (json_int_t)d->less,
        "questions", (json_int_t)d->questions, "principals", (json_int_t)d->count, "resources",
        (json_int_t)d->universe.resources.count, "contexts", (json_int_t)d->universe.context_count,
        "contexts_sampled", d->universe.sampled, "capped", d->capped);

    return j ? btz_json_write(j, false, out) : no_memory();
}

static enum btz_err compare(struct diff *d, uint64_t now_s, struct btz_buf *out)
{
    struct btz_buf bytes[2] = { BTZ_BUF(0), BTZ_BUF(0) };
    enum btz_err err = BTZ_OK;

    for (int i = 0; i < 2 && err == BTZ_OK; i++)
        err = btz_policy_snapshot(d->model[i], &bytes[i], &d->snapshot[i]);
    if (err == BTZ_OK)
        err = btz_universe(d->model[0], d->model[1], now_s, d->arena, &d->universe);
    if (err == BTZ_OK)
        err = gather_people(d);
    if (err == BTZ_OK)
        err = ask_all(d);
    if (err == BTZ_OK)
        err = write(d, out);
    for (int i = 0; i < 2; i++) {
        btz_snapshot_close(d->snapshot[i]);
        btz_buf_release(&bytes[i]);
    }
    return err;
}

enum btz_err btz_policy_diff(const struct btz_policy_model *before,
                             const struct btz_policy_model *after,
                             const struct btz_policy_diff_limits *limits, size_t *changed,
                             struct btz_buf *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model made[2];
    struct diff d = { .arena = &arena,
                      .model = { before, after },
                      .questions_max = limits->questions ? limits->questions : QUESTIONS_DEFAULT,
                      .changes_max = limits->changes ? limits->changes : CHANGES_DEFAULT,
                      .changes = json_array() };
    enum btz_err err = BTZ_OK;

    btz_arena_init(&arena, (size_t)4 << 30);
    if (!d.changes)
        return no_memory();
    if (before->principal_count + after->principal_count == 0) {
        err = make_people(&arena, before, after, &made[0]);
        if (err == BTZ_OK)
            err = make_people(&arena, after, before, &made[1]);
        d.model[0] = &made[0];
        d.model[1] = &made[1];
    }
    if (err == BTZ_OK)
        err = compare(&d, limits->now_s, out);
    json_decref(d.changes);
    *changed = d.changed;
    return err;
}
