/* What the daemon shows of the gateway: measurements as text that a strict reader takes, the last calls, readiness; each to
 * those who may see it. */
#include "access_fixture.h"
#include "prometheus_check.h"

#include <time.h>

#include "watch/traffic.h"

#define WAIT_MS 60000

static void write_call(const char *journal)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_JOURNAL_RECORD_MAX);
    const struct btz_call_record r = { .phase = "end",
                                       .verdict = "deny",
                                       .route = "chat",
                                       .request = "req_1",
                                       .name = "ali\"ce",
                                       .status = 403,
                                       .at_ms = btz_clock_unix_ms() };
    struct btz_journal *j;
    uint64_t sequence;

    access_must(btz_journal_open(journal, &j));
    access_must(btz_record_write(&r, &text));
    access_must(btz_journal_add(j, btz_buf_slice(&text), &sequence));
    for (int i = 0; i < WAIT_MS / 2 && btz_journal_durable(j, sequence) != BTZ_OK; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    access_must(btz_journal_durable(j, sequence));
    btz_journal_close(j);
}

static void check_text(struct access_fixture *f, const struct btz_caller *admin)
{
    json_t *page, *samples;

    /* Counts are looked at once a second. */
    for (int i = 0; i < WAIT_MS / 50; i++) {
        page = access_ok(f, admin, "metrics.show", json_object());
        samples = prometheus_read(btz_str(json_string_value(json_object_get(page, "document"))));
        json_decref(page);
        if (prometheus_value(samples, "bartizan_journal_records_total{}") == 1)
            break;
        json_decref(samples);
        samples = NULL;
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    assert_non_null(samples);
    assert_true(prometheus_value(samples, "bartizan_journal_lost_total{}") == 0);
    assert_true(prometheus_value(samples, "bartizan_journal_failing{}") == 0);
    assert_true(prometheus_value(samples, "bartizan_ledger_entries{}") > 0);
    json_decref(samples);
}

static void test_shown(void **state)
{
    const struct btz_access_live *live;
    struct btz_traffic_options o = { 0 };
    struct btz_caller admin, nobody;
    struct access_fixture f;
    struct btz_traffic *t;
    json_t *page, *call;
    char journal[256];
    bool ready;

    (void)state;
    access_prepare(&f);
    access_open(&f);
    admin = access_person(&f, "alice", "admin");
    nobody = access_person(&f, "mallory", NULL);
    /* Nobody serves it yet: nothing goes on. */
    page = access_ok(&f, &admin, "traffic.show", json_object());
    assert_int_equal(json_array_size(json_object_get(page, "seconds")), 0);
    json_decref(page);
    o.access = f.access;
    o.state_dir = f.dir;
    access_must(btz_traffic_start(&o, &t));
    snprintf(journal, sizeof journal, "%s/gate/journal", f.dir);
    write_call(journal);
    page = access_ok(&f, &admin, "traffic.calls", json_object());
    call = json_array_get(json_object_get(page, "items"), 0);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 1);
    assert_string_equal(json_string_value(json_object_get(call, "name")), "ali\"ce");
    assert_int_equal(json_integer_value(json_object_get(call, "status")), 403);
    json_decref(page);
    check_text(&f, &admin);
    page = access_ok(&f, &admin, "traffic.show", json_object());
    assert_int_equal(json_array_size(json_object_get(page, "seconds")), 60);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(page, "journal"), "written")), 1);
    json_decref(page);
    access_refused(&f, &nobody, "metrics.show", json_object(), BTZ_DENIED);
    access_refused(&f, &nobody, "traffic.show", json_object(), BTZ_DENIED);
    access_refused(&f, &nobody, "traffic.calls", json_object(), BTZ_DENIED);
    live = btz_access_get_live(f.access);
    access_must(live->ready(live->user, &ready, &page));
    assert_true(ready && json_is_true(json_object_get(page, "ledger")));
    json_decref(page);
    btz_traffic_stop(t);
    assert_null(btz_access_get_live(f.access));
    access_stop(&f);
}

/* The daemon's answers while the file of the limits is as it should be, or not. */
static void check_limits(struct access_fixture *f, const struct btz_caller *admin, bool readable)
{
    const struct btz_access_live *live = btz_access_get_live(f->access);
    json_t *page = access_ok(f, admin, "metrics.show", json_object()), *samples, *unreadable;
    bool ready;

    samples = prometheus_read(btz_str(json_string_value(json_object_get(page, "document"))));
    json_decref(page);
    assert_true(prometheus_value(samples, "bartizan_gate_state_unreadable{\"file\":\"limits\"}") ==
                !readable);
    assert_true(prometheus_value(samples, "bartizan_gate_state_unreadable{\"file\":\"metrics\"}") ==
                0);
    assert_true(prometheus_value(samples, "bartizan_gate_in_flight{}") == 0);
    assert_true(prometheus_value(samples, "bartizan_journal_failing{}") == 0);
    json_decref(samples);
    page = access_ok(f, admin, "traffic.show", json_object());
    unreadable = json_object_get(page, "unreadable");
    assert_int_equal(json_array_size(unreadable), !readable);
    if (!readable)
        assert_string_equal(json_string_value(json_array_get(unreadable, 0)), "limits");
    assert_int_equal(json_array_size(json_object_get(page, "seconds")), 60);
    json_decref(page);
    access_must(live->ready(live->user, &ready, &page));
    assert_int_equal(ready, readable);
    assert_int_equal(json_is_true(json_object_get(page, "limits")), readable);
    assert_true(json_is_true(json_object_get(page, "ledger")));
    json_decref(page);
}

static void test_limits_damaged(void **state)
{
    struct btz_limit_conf limit = { .name = "*",
                                    .requests_per_minute = 5,
                                    .tokens_per_minute = -1,
                                    .concurrency = -1,
                                    .request_bytes = -1,
                                    .response_bytes = -1,
                                    .budget = -1 };
    struct btz_gate_conf gate = { .limits = { .items = &limit, .count = 1 } };
    struct btz_traffic_options o = { 0 };
    struct btz_limits *limits;
    struct access_fixture f;
    struct btz_caller admin;
    struct btz_traffic *t;
    char path[256];

    (void)state;
    access_prepare(&f);
    access_open(&f);
    admin = access_person(&f, "alice", "admin");
    o.access = f.access;
    o.state_dir = f.dir;
    o.gate = &gate;
    access_must(btz_traffic_start(&o, &t));
    check_limits(&f, &admin, true); /* there is no file yet */
    snprintf(path, sizeof path, "%s/gate/limits", f.dir);
    access_must(btz_limits_open(path, &limit, 1, &limits));
    check_limits(&f, &admin, true);
    btz_limits_close(limits);
    access_must(btz_file_write(path, btz_str("no table of limits"), 0600));
    check_limits(&f, &admin, false);
    access_must(btz_file_write(path, btz_str(""), 0600));
    check_limits(&f, &admin, false);
    assert_int_equal(unlink(path), 0);
    check_limits(&f, &admin, true);
    btz_traffic_stop(t);
    access_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_shown),
                                        cmocka_unit_test(test_limits_damaged) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
