/*
 * The disk of the audit trail is full. Durable mode refuses and says why; what is written down all the same waits in the
 * ring, and what finds no room there is lost, counted, and told by an alarm. With room again everything goes on by itself:
 * each record that was taken is in the ledger once.
 */
#include "disk_fixture.h"

#include <time.h>

#include "watch/sequencer.h"

#define WAIT_MS 60000 /* at most, for something that is sure to come */

static void nap(void)
{
    const struct timespec t = { .tv_nsec = 2000000 };

    nanosleep(&t, NULL);
}

static enum btz_err add(struct btz_journal *j, unsigned n, uint64_t *sequence)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    struct btz_call_record r = { .phase = "end",
                                 .verdict = "allow",
                                 .route = "chat",
                                 .name = "alice",
                                 .at_ms = btz_clock_unix_ms() };
    char id[24], reason[1000];

    snprintf(id, sizeof id, "r%u", n);
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    r.request = id;
    r.reason = reason;
    access_must(btz_record_write(&r, &text));
    return btz_journal_add(j, btz_buf_slice(&text), sequence);
}

/* Until it is no longer CONFLICT: "not yet". */
static enum btz_err settled(struct btz_journal *j, uint64_t sequence)
{
    enum btz_err err = btz_journal_durable(j, sequence);

    for (int i = 0; i < WAIT_MS / 2 && err == BTZ_CONFLICT; i++) {
        nap();
        err = btz_journal_durable(j, sequence);
    }
    return err;
}

struct seen {
    json_t *requests;
    size_t calls;
    char alarm[256];
};

static enum btz_err each(void *user, const struct btz_trail_record *r)
{
    const char *event = json_string_value(json_object_get(r->entry, "event"));
    const char *request = json_string_value(json_object_get(r->entry, "request"));
    struct seen *seen = user;

    /* On a slow machine there may be another one, of those that came late. */
    if (strcmp(event, "alarm") == 0 &&
        strstr(json_string_value(json_object_get(r->entry, "reason")), "were lost"))
        snprintf(seen->alarm, sizeof seen->alarm, "%s",
                 json_string_value(json_object_get(r->entry, "reason")));
    if (strcmp(event, "call") != 0)
        return BTZ_OK;
    assert_non_null(request);
    if (json_object_get(seen->requests, request))
        fail_msg("twice: %s", request);
    json_object_set_new(seen->requests, request, json_true());
    seen->calls++;
    return BTZ_OK;
}

static void look(struct access_fixture *f, const char *event, struct seen *seen)
{
    const struct btz_trail_filter all = { .event = event, .limit = SIZE_MAX };
    struct btz_store *s;

    access_must(btz_access_store(f->access, &s));
    access_must(btz_trail_read(btz_access_trail(f->access), s, &all, each, seen, NULL));
    btz_access_store_back(f->access, s);
}

static void test_full_disk(void **state)
{
    struct btz_sequencer_options o = { .gather_ms = 1 };
    struct seen seen = { .requests = json_object() };
    struct btz_sequencer_state now;
    struct access_fixture f;
    struct btz_sequencer *q;
    struct btz_journal *j;
    uint64_t sequence = 0, lost = 0;
    char folder[256], wanted[64];
    unsigned taken = 0;
    struct disk d;

    (void)state;
    disk_start(&f, &d, 24);
    snprintf(folder, sizeof folder, "%s/gate/journal", f.dir);
    access_must(btz_journal_open(folder, &j));
    o.access = f.access;
    o.state_dir = f.dir;
    access_must(btz_sequencer_start(&o, &q));
    access_must(add(j, taken++, &sequence));
    access_must(settled(j, sequence));
    disk_fill(&d);
    access_must(add(j, taken++, &sequence));
    assert_int_equal(settled(j, sequence), BTZ_IO);
    if (!strstr(btz_error_detail(), "disk full"))
        fail_msg("%s", btz_error_detail());
    assert_int_equal(btz_journal_ready(j), BTZ_IO);
    btz_sequencer_look(q, &now);
    assert_true(now.failing && strstr(now.reason, "disk full"));
    /* Who does not wait goes on until the ring is full. */
    while (lost < 3)
        if (add(j, taken, &sequence) == BTZ_OK)
            taken++;
        else
            lost++;
    disk_free(&d);
    for (int i = 0; i < WAIT_MS / 2 && btz_journal_ready(j) != BTZ_OK; i++)
        nap();
    access_must(btz_journal_ready(j));
    access_must(settled(j, sequence));
    access_must(add(j, taken++, &sequence));
    access_must(settled(j, sequence));
    btz_sequencer_look(q, &now);
    assert_false(now.failing);
    look(&f, "call", &seen);
    assert_int_equal(seen.calls, taken);
    for (int i = 0; i < WAIT_MS / 2 && seen.alarm[0] == '\0'; i++) {
        nap();
        look(&f, "alarm", &seen);
    }
    snprintf(wanted, sizeof wanted, "%u entries of requests were lost", (unsigned)lost);
    if (!strstr(seen.alarm, wanted))
        fail_msg("the alarm says: %s", seen.alarm);
    btz_sequencer_stop(q);
    btz_journal_close(j);
    json_decref(seen.requests);
    disk_stop(&f, &d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_full_disk) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
