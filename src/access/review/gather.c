/* The state that rules look at: model, accounts, keys, roles given, emergencies, and the trail of the window. */
#include <stdlib.h>

#include "access/review/review.h"
#include "access/signin.h"

#define USES_MAX                                                                                   \
    400000 /* entries of the trail; with more the window begins later, and rules are told */
#define SLOTS (1u << 16)

struct gather {
    struct btz_access *a;
    struct btz_store *s;
    struct btz_review *r;
    void *items;
    size_t count, room, size;
    const char **texts; /* equal texts once */
    bool cut;
};

/* ---- texts ---- */

static const char *keep(struct gather *g, struct btz_slice text)
{
    uint64_t h = UINT64_C(14695981039346656037);
    char *copy;

    if (text.len == 0)
        return NULL;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ text.ptr[i]) * UINT64_C(1099511628211);
    for (size_t i = 0; i < 8; i++) {
        const char **slot = &g->texts[(h + i) % SLOTS];

        if (*slot && btz_slice_is(text, *slot))
            return *slot;
        if (*slot)
            continue;
        return *slot = btz_arena_str(g->r->arena, text);
    }
    copy = btz_arena_str(g->r->arena, text);
    return copy;
}

static const char *column(struct gather *g, const struct btz_value *v)
{
    return v->kind == BTZ_VALUE_TEXT ? keep(g, v->bytes) : NULL;
}

static uint64_t positive(const struct btz_value *v)
{
    return v->i > 0 ? (uint64_t)v->i : 0;
}

/* ---- tables ---- */

/* Room for one more, zeroed; a bigger array each time it is full. */
static void *one_more(struct gather *g)
{
    if (g->count == g->room) {
        size_t room = g->room ? 2 * g->room : 64;
        void *items = btz_arena_array(g->r->arena, room, g->size);

        if (!items)
            return NULL;
        if (g->count > 0)
            memcpy(items, g->items, g->count * g->size);
        g->items = items;
        g->room = room;
    }
    return (char *)g->items + g->size * g->count++;
}

static enum btz_err read_table(struct gather *g, const char *sql, size_t size, btz_row_fn *row)
{
    g->items = NULL;
    g->count = g->room = 0;
    g->size = size;
    return btz_store_query(g->s, sql, NULL, 0, row, g);
}

static enum btz_err person_row(void *user, const struct btz_value *v, size_t count)
{
    struct gather *g = user;
    uint32_t at = btz_index_principal(&g->r->index, column(g, &v[0]));

    (void)count;
    if (at == BTZ_NOBODY)
        return BTZ_OK;
    g->r->people[at].created_ms = positive(&v[1]);
    g->r->people[at].last_used_ms = positive(&v[2]);
    return BTZ_OK;
}

static enum btz_err password_row(void *user, const struct btz_value *v, size_t count)
{
    struct gather *g = user;
    const char *id = column(g, &v[0]);
    uint32_t at = id ? btz_index_principal(&g->r->index, id) : BTZ_NOBODY;

    (void)count;
    if (at != BTZ_NOBODY)
        g->r->people[at].has_password = true;
    return BTZ_OK;
}

static enum btz_err gather_people(struct gather *g)
{
    struct btz_review *r = g->r;

    r->person_count = r->model->principal_count;
    r->people = btz_arena_array(r->arena, r->person_count + 1, sizeof *r->people);
    if (!r->people)
        return BTZ_LIMIT;
    for (size_t i = 0; i < r->person_count; i++) {
        r->people[i].p = r->index.principals[i];
        BTZ_TRY(btz_has_second_factor(g->s, r->people[i].p->id, &r->people[i].has_factor));
    }
    BTZ_TRY(read_table(g, "SELECT id, created_ms, last_used_ms FROM principals", 1, person_row));
    return read_table(g, "SELECT principal FROM credentials", 1, password_row);
}

static enum btz_err key_row(void *user, const struct btz_value *v, size_t count)
{
    struct gather *g = user;
    struct btz_review_key *k = one_more(g);

    (void)count;
    if (!k)
        return BTZ_LIMIT;
    *k = (struct btz_review_key){ .id = column(g, &v[0]),
                                  .name = column(g, &v[1]),
                                  .principal = column(g, &v[2]),
                                  .rotated_to = column(g, &v[3]),
                                  .created_ms = positive(&v[4]),
                                  .last_used_ms = positive(&v[5]),
                                  .from_s = positive(&v[6]),
                                  .until_s = positive(&v[7]),
                                  .active = btz_slice_is(v[8].bytes, "active") };
    if (!k->name)
        k->name = "";
    return k->id && k->principal ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err binding_row(void *user, const struct btz_value *v, size_t count)
{
    struct gather *g = user;
    struct btz_review_binding *b = one_more(g);

    (void)count;
    if (!b)
        return BTZ_LIMIT;
    *b = (struct btz_review_binding){ .id = column(g, &v[0]),
                                      .role = column(g, &v[1]),
                                      .subject = column(g, &v[2]),
                                      .resource = column(g, &v[3]),
                                      .kind = column(g, &v[4]),
                                      .created_ms = positive(&v[5]),
                                      .from_s = positive(&v[6]),
                                      .until_s = positive(&v[7]) };
    return b->id && b->role && b->subject && b->kind ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err glass_row(void *user, const struct btz_value *v, size_t count)
{
    struct gather *g = user;
    struct btz_review_glass *b = one_more(g);

    (void)count;
    if (!b)
        return BTZ_LIMIT;
    *b = (struct btz_review_glass){ .id = column(g, &v[0]),
                                    .principal = column(g, &v[1]),
                                    .name = column(g, &v[2]),
                                    .reason = column(g, &v[3]),
                                    .at_ms = positive(&v[4]),
                                    .until_ms = positive(&v[5]),
                                    .reviewed_ms = positive(&v[6]) };
    if (!b->reason)
        b->reason = "";
    return b->id && b->name ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err gather_tables(struct gather *g)
{
    BTZ_TRY(read_table(g,
                       "SELECT id, name, principal, rotated_to, created_ms, last_used_ms, from_s, "
                       "until_s, status FROM keys ORDER BY id",
                       sizeof(struct btz_review_key), key_row));
    g->r->keys = g->items;
    g->r->key_count = g->count;
    BTZ_TRY(read_table(g,
                       "SELECT id, role, subject, resource, kind, created_ms, from_s, until_s FROM "
                       "bindings ORDER BY id",
                       sizeof(struct btz_review_binding), binding_row));
    g->r->bindings = g->items;
    g->r->binding_count = g->count;
    BTZ_TRY(read_table(g,
                       "SELECT id, principal, name, reason, at_ms, until_ms, reviewed_ms FROM "
                       "break_glass ORDER BY id",
                       sizeof(struct btz_review_glass), glass_row));
    g->r->glass = g->items;
    g->r->glass_count = g->count;
    return BTZ_OK;
}

/* ---- the trail ---- */

static const char *text_of(struct gather *g, const json_t *entry, const char *name)
{
    return keep(g, btz_str(json_string_value(json_object_get(entry, name))));
}

static uint64_t time_of(const json_t *entry)
{
    uint64_t ms;

    if (btz_time_parse(btz_str(json_string_value(json_object_get(entry, "time"))), &ms) != BTZ_OK)
        return 0;
    return ms;
}

static enum btz_err on_use(void *user, const struct btz_trail_record *record)
{
    struct gather *g = user;
    const json_t *e = record->entry;
    const char *content = json_string_value(json_object_get(e, "content"));
    const char *verdict = json_string_value(json_object_get(e, "verdict"));
    struct btz_review_use *u;

    /* What retention took is not known: the window begins behind it. */
    if (content && time_of(e) >= g->r->from_ms)
        g->r->from_ms = time_of(e) + 1;
    if (g->count == USES_MAX) {
        g->cut = true;
        return BTZ_OK;
    }
    u = one_more(g);
    if (!u)
        return BTZ_LIMIT;
    *u = (struct btz_review_use){ .ms = time_of(e),
                                  .event = text_of(g, e, "event"),
                                  .operation = text_of(g, e, "operation"),
                                  .principal = text_of(g, e, "principal"),
                                  .key = text_of(g, e, "key"),
                                  .session = text_of(g, e, "session"),
                                  .action = text_of(g, e, "action"),
                                  .resource = text_of(g, e, "resource"),
                                  .address = text_of(g, e, "address"),
                                  .agent = text_of(g, e, "user_agent"),
                                  .method = text_of(g, e, "method"),
                                  .allowed = verdict && strcmp(verdict, "allow") == 0 };
    return u->event ? BTZ_OK : BTZ_LIMIT;
}

static enum btz_err on_first(void *user, const struct btz_trail_record *record)
{
    *(uint64_t *)user = time_of(record->entry);
    return BTZ_OK;
}

static enum btz_err gather_trail(struct gather *g)
{
    struct btz_trail *trail = btz_access_trail(g->a);
    struct btz_review *r = g->r;
    const struct btz_trail_filter first = { .limit = 1 };
    const struct btz_trail_filter window = {
        .from_ms = r->now_ms > r->window_ms ? r->now_ms - r->window_ms : 0,
        .newest_first = true,
        .limit = USES_MAX + 1,
    };
    struct btz_review_use *uses;

    r->from_ms = r->now_ms;
    BTZ_TRY(btz_trail_read(trail, g->s, &first, on_first, &r->from_ms, NULL));
    g->items = NULL;
    g->count = g->room = 0;
    g->size = sizeof *uses;
    BTZ_TRY(btz_trail_read(trail, g->s, &window, on_use, g, NULL));
    uses = g->items;
    if (g->cut && uses[g->count - 1].ms > r->from_ms)
        r->from_ms = uses[g->count - 1].ms;
    for (size_t i = 0; i < g->count / 2; i++) {
        struct btz_review_use u = uses[i];

        uses[i] = uses[g->count - 1 - i];
        uses[g->count - 1 - i] = u;
    }
    r->uses = uses;
    r->use_count = g->count;
    return BTZ_OK;
}

enum btz_err btz_review_gather(struct btz_access *a, struct btz_store *s, struct btz_arena *arena,
                               uint64_t window_ms, struct btz_review *out)
{
    const struct btz_access_conf *conf = btz_access_settings(a);
    struct btz_review r = { .arena = arena,
                            .now_ms = btz_access_now_ms(a),
                            .window_ms = window_ms,
                            .key_max_age_ms = (uint64_t)conf->key_max_age_ms,
                            .dormant_ms = (uint64_t)conf->dormant_ms,
                            .elevation_max_ms = (uint64_t)conf->elevation_max_ms,
                            .mfa_required = conf->mfa_required };
    struct btz_policy_model *model = btz_arena_alloc(arena, sizeof *model);
    struct gather g = { .a = a, .s = s, .r = &r };

    g.texts = btz_arena_array(arena, SLOTS, sizeof *g.texts);
    if (!model || !g.texts)
        return BTZ_LIMIT;
    BTZ_TRY(btz_access_model(a, s, arena, model));
    r.model = model;
    BTZ_TRY(btz_model_index(model, arena, &r.index));
    BTZ_TRY(gather_people(&g));
    BTZ_TRY(gather_tables(&g));
    BTZ_TRY(gather_trail(&g));
    *out = r;
    return BTZ_OK;
}
