/*
 * Clocks jump: a machine wakes up, a battery is empty, somebody types a wrong year. The latest time ever seen is kept.
 * Forward is like waiting. When the clock stands before it (by more than the slack between machines), it was set back:
 * then everything that had ended by that time ends for good, and what still lives is moved back by the same amount, so
 * that its age stays what it was.
 */
#include "access/signin/rows.h"

#define STEP_MS BTZ_CLOCK_STEP_MS

enum btz_err btz_signin_clock_raise(struct btz_store *s, uint64_t at_least)
{
    const struct btz_value v[] = { btz_value_int((int64_t)at_least),
                                   btz_value_int((int64_t)at_least) };

    return btz_store_run(s, "UPDATE signin_clock SET high_ms = ? WHERE one = 1 AND high_ms < ?", v,
                         2, NULL);
}

enum btz_err btz_signin_clock_mark(struct btz_store *s, uint64_t *out)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    const struct btz_value *row;

    btz_arena_init(&arena, 65536);
    BTZ_TRY(btz_store_one(s, "SELECT high_ms FROM signin_clock WHERE one = 1", NULL, 0, &arena, 1,
                          &row));
    *out = row ? (uint64_t)row[0].i : 0;
    return BTZ_OK;
}

enum btz_err btz_signin_clock_due(struct btz_store *s, uint64_t now_ms, bool *out)
{
    uint64_t high;

    BTZ_TRY(btz_signin_clock_mark(s, &high));
    *out = now_ms + CLOCK_SLACK_MS < high || now_ms > high + STEP_MS;
    return BTZ_OK;
}

static enum btz_err end_expired(struct btz_access *a, struct btz_store *s, uint64_t high,
                                uint64_t now_ms)
{
    const struct btz_access_conf *conf = btz_access_settings(a);
    const struct btz_value sessions[] = {
        btz_value_int((int64_t)now_ms),
        btz_value_int((int64_t)high - conf->session_absolute_ms),
        btz_value_int((int64_t)high - conf->session_idle_ms),
    };
    const struct btz_value tickets[] = { btz_value_int((int64_t)high) };

    BTZ_TRY(btz_store_run(s,
                          "UPDATE sessions SET ended_ms = ? WHERE ended_ms = 0 AND (created_ms < ? "
                          "OR seen_ms < ?)",
                          sessions, 3, NULL));
    return btz_store_run(s, "DELETE FROM tickets WHERE expires_ms < ? OR used > 0", tickets, 1,
                         NULL);
}

static enum btz_err move_back(struct btz_store *s, uint64_t by)
{
    static const char *const sql[] = {
        "UPDATE sessions SET created_ms = created_ms - ? WHERE ended_ms = 0",
        "UPDATE sessions SET seen_ms = seen_ms - ? WHERE ended_ms = 0",
        ("UPDATE sessions SET second_factor_ms = second_factor_ms - ? WHERE ended_ms = 0 AND "
         "second_factor_ms > 0"),
        "UPDATE tickets SET expires_ms = expires_ms - ?",
        "UPDATE throttle SET last_ms = last_ms - ?",
    };
    const struct btz_value amount[] = { btz_value_int((int64_t)by) };

    for (size_t i = 0; i < BTZ_COUNT(sql); i++)
        BTZ_TRY(btz_store_run(s, sql[i], amount, 1, NULL));
    return BTZ_OK;
}

enum btz_err btz_signin_clock(struct btz_access *a, struct btz_store *s, uint64_t now_ms)
{
    const struct btz_value now[] = { btz_value_int((int64_t)now_ms) };
    uint64_t high;

    BTZ_TRY(btz_signin_clock_mark(s, &high));
    if (now_ms + CLOCK_SLACK_MS < high) {
        for (size_t i = 0; btz_access_parts[i]; i++)
            if (btz_access_parts[i]->set_back)
                BTZ_TRY(btz_access_parts[i]->set_back(s, now_ms, high));
        BTZ_TRY(end_expired(a, s, high, now_ms));
        BTZ_TRY(move_back(s, high - now_ms));
    } else if (now_ms <= high + STEP_MS) {
        return BTZ_OK;
    }
    return btz_store_run(s, "UPDATE signin_clock SET high_ms = ? WHERE one = 1", now, 1, NULL);
}
