/*
 * One credential in several hands: used from several addresses by several programs, back and forth within minutes. Of a
 * person's sessions and of each key. Going from home to office is one change; hands that share alternate.
 */
#include "access/review/review.h"

#define SPAN_MS (10 * UINT64_C(60000))
#define TURNS   4 /* changes of address and program within the span */

static bool differs(const char *a, const char *b)
{
    return a && b && strcmp(a, b) != 0;
}

static bool is_of(const struct btz_review_use *u, const char *id, bool key)
{
    if (key)
        return u->key && strcmp(u->key, id) == 0;
    return !u->key && u->principal && strcmp(u->principal, id) == 0;
}

/* Most turns within the span: the use before came from another address and another program. */
static unsigned turns_of(const struct btz_review *r, const char *id, bool key, uint64_t *when)
{
    const struct btz_review_use *last = NULL;
    uint64_t at[TURNS] = { 0 };
    unsigned count = 0, most = 0;

    for (size_t i = 0; i < r->use_count; i++) {
        const struct btz_review_use *u = &r->uses[i];

        if (!u->allowed || !u->address || !is_of(u, id, key))
            continue;
        if (last && differs(last->address, u->address) && differs(last->agent, u->agent)) {
            memmove(at, at + 1, sizeof at - sizeof at[0]);
            at[TURNS - 1] = u->ms;
            count++;
            if (count >= TURNS && u->ms - at[0] <= SPAN_MS) {
                most = TURNS;
                *when = u->ms;
            }
        }
        last = u;
    }
    return most;
}

static enum btz_err look(const struct btz_review *r, struct btz_review_out *out, const char *id,
                         bool key, const char *what, const char *name)
{
    char text[BTZ_TIME_TEXT];
    uint64_t when = 0;

    out->looked_at++;
    if (turns_of(r, id, key, &when) < TURNS)
        return BTZ_OK;
    btz_time_format(when, text);
    return btz_review_fail(out, -1, id,
                           "%s %s changed between addresses and programs %d times within ten "
                           "minutes, last at %s: more than one seems to have it",
                           what, name, TURNS, text);
}

static enum btz_err check(const struct btz_review *r, struct btz_review_out *out)
{
    bool skipped;

    BTZ_TRY(btz_review_needs_window(r, out, &skipped));
    if (skipped)
        return BTZ_OK;
    for (size_t i = 0; i < r->person_count; i++)
        if (r->people[i].p->kind == BTZ_PRINCIPAL_USER)
            BTZ_TRY(look(r, out, r->people[i].p->id, false, "the account", r->people[i].p->name));
    for (size_t i = 0; i < r->key_count; i++)
        if (r->keys[i].active)
            BTZ_TRY(look(r, out, r->keys[i].id, true, "the key", r->keys[i].name));
    return BTZ_OK;
}

const struct btz_review_rule btz_review_rule_account_shared = { "account-shared", check };
