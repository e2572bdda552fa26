#include "access/directory/directory.h"

/*
 * Every refusal is in the trail, but nobody can fill the disk with them: of one principal or address the first of each
 * minute have an entry each, and those behind them one entry together, with their number. The same with decisions that
 * are asked for: whoever has a key may ask.
 */

#define EACH_MAX  10  /* entries a minute for one principal or address */
#define ALL_MAX   120 /* for everybody together */
#define ASKED_MAX 60  /* decisions a minute for one principal */
#define OTHERS    2   /* slots that count together what has none: refusals, decisions */
#define PROBES    8
#define AT_ONCE   64

static uint64_t mix(uint64_t h, struct btz_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.ptr[i]) * UINT64_C(1099511628211);
    return h;
}

/* A principal counts as himself wherever he comes from; strangers count by address, IPv6 by its /64. */
static uint64_t who_is(const struct btz_caller *caller, const struct btz_trail_entry *e)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    uint64_t h = UINT64_C(14695981039346656037);
    const char *principal = caller->principal[0] ? caller->principal : e->principal;

    if (principal)
        return mix(mix(h, btz_str("principal ")), btz_str(principal)) | 1;
    if (!caller->address.known)
        return mix(h, btz_str("nowhere")) | 1;
    return mix(mix(h, btz_str("address ")),
               btz_slice_of(caller->address.b,
                            memcmp(caller->address.b, mapped, sizeof mapped) == 0 ? 16 : 8)) |
           1;
}

static struct btz_refusal *slot_of(struct btz_access *a, uint64_t who, uint64_t minute, bool asked)
{
    struct btz_refusal *old = NULL;

    for (size_t i = 0; i < PROBES; i++) {
        struct btz_refusal *r = &a->refusals[OTHERS + (who + i) % (REFUSALS_MAX - OTHERS)];

        if (r->who == who && r->asked == asked)
            return r;
        if (!old && (r->who == 0 || (r->minute < minute && r->left_out == 0)))
            old = r;
    }
    /* More of them than there is room: one slot counts all others together. */
    return old ? old : &a->refusals[asked];
}

/* The slot is of this caller and this minute from now on. */
static void take_slot(struct btz_refusal *r, uint64_t who, uint64_t minute, bool asked,
                      const char *principal, const struct btz_caller *caller)
{
    uint32_t left_out = r->who == who && r->asked == asked ? r->left_out : 0;

    *r = (struct btz_refusal){ .who = who, .minute = minute, .left_out = left_out, .asked = asked };
    snprintf(r->principal, sizeof r->principal, "%s", principal ? principal : "");
    snprintf(r->address, sizeof r->address, "%s", caller->address_text ? caller->address_text : "");
}

bool btz_refusal_count(struct btz_access *a, const struct btz_caller *caller,
                       const struct btz_trail_entry *e)
{
    uint64_t who = who_is(caller, e), minute = btz_access_now_ms(a) / 60000;
    struct btz_refusal *r;
    bool own;

    pthread_mutex_lock(&a->refusal_lock);
    if (minute != a->sweep_minute)
        a->minute_entries = 0;
    /* A flood from everywhere: strangers are counted together, people each. */
    r = a->minute_entries >= ALL_MAX && !caller->principal[0] && !e->principal
            ? &a->refusals[0]
            : slot_of(a, who, minute, false);
    if (r == &a->refusals[0]) {
        r->minute = minute;
        r->count = EACH_MAX;
    } else if (r->who != who || r->minute != minute) {
        take_slot(r, who, minute, false, caller->principal[0] ? caller->principal : e->principal,
                  caller);
    }
    own = r->count < EACH_MAX && a->minute_entries < ALL_MAX;
    r->count++;
    if (own)
        a->minute_entries++;
    else
        r->left_out++;
    pthread_mutex_unlock(&a->refusal_lock);
    return own;
}

/* Of its owner everything has an entry of its own. */
bool btz_decision_count(struct btz_access *a, const struct btz_caller *caller)
{
    const struct btz_trail_entry nothing = { .event = NULL };
    uint64_t who = who_is(caller, &nothing), minute = btz_access_now_ms(a) / 60000;
    struct btz_refusal *r;
    bool own;

    if (caller->kind == BTZ_CALLER_LOCAL)
        return true;
    pthread_mutex_lock(&a->refusal_lock);
    r = slot_of(a, who, minute, true);
    if (r == &a->refusals[1]) {
        r->minute = minute;
        r->asked = true;
        r->count = ASKED_MAX;
    } else if (r->who != who || r->minute != minute) {
        take_slot(r, who, minute, true, caller->principal, caller);
    }
    own = r->count < ASKED_MAX;
    r->count++;
    r->left_out += !own;
    pthread_mutex_unlock(&a->refusal_lock);
    return own;
}

static void complain(struct btz_access *a, const char *what)
{
    btz_log(a->log, BTZ_LOG_ERROR, "%s cannot be written to the trail: %s", what,
            btz_error_detail());
}

static enum btz_err write_entries(struct btz_access *a, struct btz_store *s,
                                  const struct btz_trail_entry *entries, size_t count)
{
    enum btz_err err = BTZ_OK;

    BTZ_TRY(btz_store_begin(s));
    for (size_t i = 0; i < count && err == BTZ_OK; i++)
        err = btz_trail_add(a->trail, s, &entries[i], NULL);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    if (err != BTZ_OK) {
        btz_store_rollback(s);
        return err;
    }
    return btz_trail_flush(a->trail, s);
}

void btz_refusal_note(struct btz_access *a, struct btz_lane *lane, const struct btz_caller *caller,
                      const struct btz_trail_entry *e)
{
    btz_refusals_sweep(a, lane, false);
    if (btz_refusal_count(a, caller, e) && write_entries(a, lane->store, e, 1) != BTZ_OK)
        complain(a, "a refusal");
}

/* Takes up to AT_ONCE counts whose minute is over. */
static size_t collect(struct btz_access *a, uint64_t minute, bool all,
                      struct btz_refusal out[AT_ONCE])
{
    size_t count = 0;

    for (size_t i = 0; i < REFUSALS_MAX && count < AT_ONCE; i++) {
        struct btz_refusal *r = &a->refusals[i];

        if (r->left_out == 0 || (!all && r->minute >= minute))
            continue;
        out[count++] = *r;
        r->left_out = 0;
    }
    return count;
}

static void put_back(struct btz_access *a, const struct btz_refusal *list, size_t count)
{
    pthread_mutex_lock(&a->refusal_lock);
    for (size_t i = 0; i < count; i++) {
        struct btz_refusal *r = &a->refusals[list[i].asked];

        r->asked = list[i].asked;
        r->left_out += list[i].left_out;
    }
    pthread_mutex_unlock(&a->refusal_lock);
}

static enum btz_err write_counts(struct btz_access *a, struct btz_store *s,
                                 const struct btz_refusal *list, size_t count)
{
    struct btz_trail_entry entries[AT_ONCE];
    char reasons[AT_ONCE][96], when[BTZ_TIME_TEXT];

    for (size_t i = 0; i < count; i++) {
        const struct btz_refusal *r = &list[i];

        btz_time_format(r->minute * 60000, when);
        snprintf(reasons[i], sizeof reasons[i], "%" PRIu32 " more %s, the last in the minute of %s",
                 r->left_out, r->asked ? "decisions asked for" : "refusals", when);
        entries[i] = (struct btz_trail_entry){ .event = r->asked ? "decision" : "refusal",
                                               .verdict = r->asked ? "allow" : "deny",
                                               .principal = r->principal[0] ? r->principal : NULL,
                                               .address = r->address[0] ? r->address : NULL,
                                               .reason = reasons[i] };
    }
    return write_entries(a, s, entries, count);
}

void btz_refusals_sweep(struct btz_access *a, struct btz_lane *lane, bool all)
{
    uint64_t minute = btz_access_now_ms(a) / 60000;
    struct btz_refusal list[AT_ONCE];
    char detail[1024];
    size_t count;

    do {
        pthread_mutex_lock(&a->refusal_lock);
        if (!all && minute == a->sweep_minute) {
            pthread_mutex_unlock(&a->refusal_lock);
            return;
        }
        count = collect(a, minute, all, list);
        if (count < AT_ONCE) {
            a->sweep_minute = minute;
            a->minute_entries = 0;
        }
        pthread_mutex_unlock(&a->refusal_lock);
        if (count == 0)
            return;
        snprintf(detail, sizeof detail, "%s", btz_error_detail());
        if (write_counts(a, lane->store, list, count) != BTZ_OK) {
            complain(a, "a count of refusals");
            put_back(a, list, count);
            btz_error_set("%s", detail);
            return;
        }
        btz_error_set("%s", detail);
    } while (count == AT_ONCE);
}
