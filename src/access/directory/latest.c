#include "access/directory/directory.h"
#include "access/signin.h"

/*
 * Roles for a while and keys that expire must not come to life again because somebody sets the clock back. The latest
 * time is kept by signin; here it is looked at before anything is judged.
 */

uint64_t btz_latest_ms(const struct btz_access *a)
{
    uint64_t now = btz_access_now_ms(a), latest = atomic_load(&a->latest_ms);

    return now > latest ? now : latest;
}

/* Dates that people wrote stay; what was given for some hours has only what was left of them. */
enum btz_err btz_directory_set_back(struct btz_store *s, uint64_t now_ms, uint64_t high_ms)
{
    static const char *const end[] = {
        "UPDATE bindings SET until_s = ? WHERE until_s > ? AND until_s <= ?",
        "UPDATE keys SET until_s = ? WHERE until_s > ? AND until_s <= ?",
    };
    const struct btz_value now = btz_value_int((int64_t)(now_ms / 1000));
    const struct btz_value ended[] = { now, now, btz_value_int((int64_t)(high_ms / 1000)) };
    const struct btz_value left[] = { btz_value_int((int64_t)((high_ms - now_ms) / 1000)), now };
    uint64_t generation;

    for (size_t i = 0; i < BTZ_COUNT(end); i++)
        BTZ_TRY(btz_store_run(s, end[i], ended, 3, NULL));
    BTZ_TRY(btz_store_run(s,
                          "UPDATE bindings SET until_s = until_s - ? WHERE until_s > ? AND kind <> "
                          "'normal'",
                          left, 2, NULL));
    return btz_generation_next(s, 0, &generation);
}

static enum btz_err write_latest(struct btz_access *a, struct btz_store *s, uint64_t now,
                                 uint64_t latest)
{
    enum btz_err err = btz_store_begin(s);

    if (err == BTZ_OK)
        err = btz_signin_clock_raise(s, latest);
    if (err == BTZ_OK)
        err = btz_signin_clock(a, s, now);
    if (err == BTZ_OK)
        err = btz_store_commit(s);
    btz_store_rollback(s);
    return err;
}

enum btz_err btz_access_clock(struct btz_access *a, struct btz_store *s)
{
    uint64_t now = btz_access_now_ms(a), seen = atomic_load(&a->latest_ms), kept, latest;
    enum btz_err err = BTZ_OK;
    bool back;

    BTZ_TRY(btz_signin_clock_mark(s, &kept));
    /* What is kept is at most a step behind what was seen here. If it is more, another process has dealt with the clock. */
    latest = seen > kept && seen <= kept + BTZ_CLOCK_STEP_MS ? seen : kept;
    back = now + BTZ_CLOCK_SLACK_MS < latest;
    if (back || now > kept + BTZ_CLOCK_STEP_MS)
        err = write_latest(a, s, now, latest);
    if (err == BTZ_OK && back) {
        BTZ_TRY(btz_access_publish(a, s));
        latest = now;
    }
    /* A full disk stops nobody who reads; the latest time counts all the same. */
    if (err != BTZ_OK)
        btz_log(a->log, BTZ_LOG_WARN, "the latest time cannot be written: %s", btz_error_detail());
    atomic_store(&a->latest_ms, now > latest ? now : latest);
    return BTZ_OK;
}
