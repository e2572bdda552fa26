#include "access/directory/directory.h"

/*
 * Who is behind a caller. A program asks for what somebody made it ask for, and whoever hands out the means by which a
 * person proves who he is can be that person. Four eyes ask here whether there are two people at all.
 */

#define PEOPLE_MAX 256
#define WEEK_MS    (7 * UINT64_C(86400000))

/* By the command line and signed in it is one person, where the two names are the same. */
static enum btz_err person(struct btz_call *c, const char *id, const char **out)
{
    struct btz_value v[1];
    const struct btz_value *row;

    *out = btz_arena_str(c->arena, btz_str(id));
    if (*out && strncmp(id, "local:", 6) == 0) {
        v[0] = btz_value_str(id + 6);
        BTZ_TRY(btz_store_one(c->store, "SELECT id FROM principals WHERE name = ?", v, 1, c->arena,
                              1, &row));
        if (row)
            *out = btz_column_text(c->arena, &row[0]);
    }
    return *out ? BTZ_OK : BTZ_LIMIT;
}

bool btz_people_have(const struct btz_people *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->ids[i], id) == 0)
            return true;
    return false;
}

static enum btz_err add(struct btz_call *c, struct btz_people *p, const char *id)
{
    const char *who;

    BTZ_TRY(person(c, id, &who));
    if (btz_people_have(p, who))
        return BTZ_OK;
    if (p->count == PEOPLE_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d people are behind %s", PEOPLE_MAX, p->ids[0]);
    p->ids[p->count++] = who;
    return BTZ_OK;
}

struct makers {
    struct btz_call *call;
    const char **ids;
    size_t count;
};

static enum btz_err maker_row(void *user, const struct btz_value *v, size_t count)
{
    struct makers *m = user;

    (void)count;
    if (m->count == PEOPLE_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d people made a credential", PEOPLE_MAX);
    m->ids[m->count] = btz_column_text(m->call->arena, &v[0]);
    return m->ids[m->count++] ? BTZ_OK : BTZ_LIMIT;
}

/* `sql` gives those who made something of `id`, which it names `times` times. */
static enum btz_err add_makers(struct btz_call *c, struct btz_people *p, const char *sql,
                               const char *id, size_t times)
{
    const struct btz_value v[] = { btz_value_str(id), btz_value_str(id), btz_value_str(id) };
    struct makers m = { .call = c };

    m.ids = btz_arena_array(c->arena, PEOPLE_MAX, sizeof *m.ids);
    if (!m.ids)
        return BTZ_LIMIT;
    BTZ_TRY(btz_store_query(c->store, sql, v, times, maker_row, &m));
    for (size_t i = 0; i < m.count; i++)
        BTZ_TRY(add(c, p, m.ids[i]));
    return BTZ_OK;
}

#define OF_KEY                                                                                     \
    "WITH RECURSIVE chain (id) AS (SELECT id FROM keys WHERE id = ? UNION SELECT k.id FROM keys "  \
    "k JOIN chain ON k.rotated_to = chain.id) SELECT DISTINCT k.created_by FROM keys k JOIN "      \
    "chain ON chain.id = k.id"
#define OF_TOKENS "SELECT DISTINCT created_by FROM identities WHERE principal = ?"
#define OF_CERTS  "SELECT DISTINCT created_by FROM client_certs WHERE principal = ?"
#define OF_ALL    "SELECT created_by FROM keys WHERE principal = ? UNION " OF_TOKENS " UNION " OF_CERTS

/* What a program made, whoever made one of its credentials made. */
static enum btz_err add_behind_programs(struct btz_call *c, struct btz_people *p, size_t from)
{
    for (size_t i = from; i < p->count; i++) {
        const struct btz_value v[] = { btz_value_str(p->ids[i]) };
        const struct btz_value *row;

        BTZ_TRY(btz_store_one(c->store,
                              "SELECT id FROM principals WHERE id = ? AND kind = 'service'", v, 1,
                              c->arena, 1, &row));
        if (row)
            BTZ_TRY(add_makers(c, p, OF_ALL, p->ids[i], 3));
    }
    return BTZ_OK;
}

enum btz_err btz_behind(struct btz_call *c, const struct btz_caller *who, struct btz_people *out)
{
    *out = (struct btz_people){ .ids = btz_arena_array(c->arena, PEOPLE_MAX, sizeof *out->ids) };
    if (!out->ids)
        return BTZ_LIMIT;
    BTZ_TRY(add(c, out, who->principal));
    if (who->kind == BTZ_CALLER_KEY)
        BTZ_TRY(add_makers(c, out, OF_KEY, who->key, 1));
    else if (who->kind == BTZ_CALLER_TOKEN)
        BTZ_TRY(add_makers(c, out, OF_TOKENS, who->principal, 1));
    else if (who->kind == BTZ_CALLER_CERT)
        BTZ_TRY(add_makers(c, out, OF_CERTS, who->principal, 1));
    return add_behind_programs(c, out, 1);
}

/* ---- who had a hand in whose credentials ---- */

enum btz_err btz_call_touched(struct btz_call *c, const char *principal)
{
    struct btz_people people;

    BTZ_TRY(btz_behind(c, c->caller, &people));
    for (size_t i = 0; i < people.count; i++) {
        const struct btz_value v[] = { btz_value_str(principal), btz_value_str(people.ids[i]),
                                       btz_value_int((int64_t)c->now_ms) };

        /* The owner of the state folder is above this anyway, where he is nobody in it. */
        if (strcmp(people.ids[i], principal) == 0 || strncmp(people.ids[i], "local:", 6) == 0)
            continue;
        BTZ_TRY(btz_store_run(c->store,
                              "INSERT INTO touched (principal, by_whom, at_ms) VALUES (?, ?, ?) ON "
                              "CONFLICT (principal, by_whom) DO UPDATE SET at_ms = excluded.at_ms",
                              v, 3, NULL));
    }
    return BTZ_OK;
}

/* Could `from` be `to`, by what he did since, himself or through others whom he could be? */
static enum btz_err reaches(struct btz_call *c, const char *from, const char *to, uint64_t since_ms,
                            bool *out)
{
    const struct btz_value v[] = { btz_value_str(from), btz_value_int((int64_t)since_ms),
                                   btz_value_int((int64_t)since_ms), btz_value_str(to) };
    const struct btz_value *row;

    BTZ_TRY(btz_store_one(c->store,
                          "WITH RECURSIVE reach (id) AS (SELECT principal FROM touched WHERE "
                          "by_whom = ? AND at_ms >= ? UNION SELECT t.principal FROM touched t JOIN "
                          "reach ON t.by_whom = reach.id WHERE t.at_ms >= ?) SELECT id FROM reach "
                          "WHERE id = ?",
                          v, 4, c->arena, 1, &row));
    *out = row != NULL;
    return BTZ_OK;
}

enum btz_err btz_behind_touch(struct btz_call *c, const struct btz_people *one,
                              const struct btz_people *other, uint64_t asked_ms, bool *out)
{
    uint64_t since = asked_ms > WEEK_MS ? asked_ms - WEEK_MS : 0;

    *out = false;
    for (size_t i = 0; i < one->count; i++)
        for (size_t k = 0; k < other->count && !*out; k++) {
            BTZ_TRY(reaches(c, one->ids[i], other->ids[k], since, out));
            if (!*out)
                BTZ_TRY(reaches(c, other->ids[k], one->ids[i], since, out));
        }
    return BTZ_OK;
}
