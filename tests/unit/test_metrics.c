/* Counters: what is counted is shown, as text that a strict reader takes; names are bounded; workers add to one file and
 * leave nothing in flight when they die. */
#include "ledger_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "gate/journal/counters.h"
#include "prometheus_check.h"

static const char *const models[] = { "gpt", "claude-*", "a\"b\\c\n\xFF" };
static const char *const upstreams[] = { "east", "west" };

static struct btz_metrics *open_at(const char *folder)
{
    char *path = join(folder, "metrics");
    struct btz_metrics *m;

    assert_ok(btz_metrics_open(path, models, 3, upstreams, 2, &m));
    free(path);
    return m;
}

static json_t *samples(struct btz_metrics *m)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(16u << 20);

    assert_ok(btz_metrics_write(m, &out));
    return prometheus_read(btz_buf_slice(&out));
}

static struct btz_call_record chat(void)
{
    return (struct btz_call_record){ .route = "chat",
                                     .model = "gpt",
                                     .upstream = "east",
                                     .verdict = "allow",
                                     .guard = "passed",
                                     .status = 200,
                                     .upstream_status = 200,
                                     .took_us = 30000,
                                     .own_us = 45,
                                     .input_tokens = 5,
                                     .output_tokens = 70000000,
                                     .tokens_known = true,
                                     .cost = 0.25,
                                     .request_bytes = 100,
                                     .response_bytes = 900,
                                     .scanned_in = 90 };
}

#define CHAT                                                                                       \
    "\"gen_ai_operation_name\":\"chat\",\"gen_ai_provider_name\":\"east\",\"gen_ai_request_"       \
    "model\":\"gpt\""

static void test_counted(void **state)
{
    char *folder = make_folder();
    struct btz_metrics *m = open_at(folder);
    struct btz_call_record r = chat();
    json_t *s;

    (void)state;
    btz_metrics_begin(m);
    btz_metrics_begin(m);
    btz_metrics_end(m, &r);
    r.stream = true;
    r.first_token_us = 90000000; /* above the last bound */
    r.model = "claude-3";
    btz_metrics_begin(m);
    btz_metrics_end(m, &r);
    s = samples(m);
    assert_true(prometheus_value(
                    s, "bartizan_gate_requests_total{\"outcome\":\"ok\",\"route\":\"chat\"}") == 2);
    assert_true(prometheus_value(s, "bartizan_gate_in_flight{}") == 1);
    assert_true(prometheus_value(s, "bartizan_gate_bytes_total{\"direction\":\"out\"}") == 1800);
    assert_true(prometheus_value(s, "bartizan_gate_guard_total{\"verdict\":\"passed\"}") == 2);
    /* Buckets of the OpenTelemetry conventions. */
    assert_true(prometheus_value(s, "gen_ai_client_token_usage_bucket{" CHAT
                                    ",\"gen_ai_token_type\":\"input\",\"le\":\"4\"}") == 0);
    assert_true(prometheus_value(s, "gen_ai_client_token_usage_bucket{" CHAT
                                    ",\"gen_ai_token_type\":\"input\",\"le\":\"16\"}") == 1);
    assert_true(prometheus_value(s, "gen_ai_client_token_usage_bucket{" CHAT
                                    ",\"gen_ai_token_type\":\"output\",\"le\":\"67108864\"}") == 0);
    assert_true(prometheus_value(s, "gen_ai_client_token_usage_bucket{" CHAT
                                    ",\"gen_ai_token_type\":\"output\",\"le\":\"+Inf\"}") == 1);
    assert_true(prometheus_value(s, "gen_ai_client_token_usage_sum{" CHAT
                                    ",\"gen_ai_token_type\":\"output\"}") == 70000000);
    assert_true(prometheus_value(s, "gen_ai_client_operation_duration_seconds_bucket{" CHAT
                                    ",\"le\":\"0.02\"}") == 0);
    assert_true(prometheus_value(s, "gen_ai_client_operation_duration_seconds_bucket{" CHAT
                                    ",\"le\":\"0.04\"}") == 1);
    assert_true(fabs(prometheus_value(s, "gen_ai_client_operation_duration_seconds_sum{" CHAT "}") -
                     0.03) < 1e-9);
    assert_true(prometheus_value(s, "bartizan_gate_cost_total{" CHAT "}") == 0.25);
    assert_true(prometheus_value(s, "gen_ai_client_operation_time_to_first_chunk_seconds_count{"
                                    "\"gen_ai_operation_name\":\"chat\",\"gen_ai_provider_name\":"
                                    "\"east\",\"gen_ai_request_model\":\"claude-*\"}") == 1);
    json_decref(s);
    btz_metrics_close(m);
    remove_tree(folder);
    free(folder);
}

static void test_outcomes(void **state)
{
    static const struct {
        struct btz_call_record r;
        const char *outcome, *reason;
    } cases[] = {
        { { .verdict = "allow", .status = 200 }, "ok", NULL },
        { { .verdict = "deny", .status = 401 }, "denied", "identity" },
        { { .verdict = "deny", .status = 403 }, "denied", "policy" },
        { { .verdict = "deny", .status = 404 }, "denied", "route" },
        { { .verdict = "deny", .status = 413 }, "denied", "size" },
        { { .verdict = "deny", .status = 429 }, "limited", "limit" },
        { { .verdict = "deny", .status = 403, .guard = "blocked" }, "blocked", "guard" },
        { { .verdict = "error", .status = 503 }, "error", "unavailable" },
        { { .verdict = "error", .status = 502, .upstream = "east" },
          "upstream-error",
          "unavailable" },
        { { .verdict = "allow", .status = 500, .upstream = "east" }, "upstream-error", NULL },
        { { .verdict = "allow", .status = 400, .upstream = "east" }, "upstream-refused", NULL },
        { { .verdict = "allow", .status = 200, .client_gone = true }, "client-gone", NULL },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        char *folder = make_folder(), key[128];
        struct btz_metrics *m = open_at(folder);
        json_t *s;

        assert_string_equal(btz_call_outcome(&cases[i].r), cases[i].outcome);
        btz_metrics_end(m, &cases[i].r);
        s = samples(m);
        snprintf(key, sizeof key,
                 "bartizan_gate_requests_total{\"outcome\":\"%s\",\"route\":\"none\"}",
                 cases[i].outcome);
        assert_true(prometheus_value(s, key) == 1);
        snprintf(key, sizeof key, "bartizan_gate_refusals_total{\"reason\":\"%s\"}",
                 cases[i].reason ? cases[i].reason : "other");
        assert_true(prometheus_value(s, key) == (cases[i].reason != NULL));
        json_decref(s);
        btz_metrics_close(m);
        remove_tree(folder);
        free(folder);
    }
}

/* Whatever callers name: the number of series is bounded by the configuration. */
static void test_bounded(void **state)
{
    char *folder = make_folder();
    struct btz_metrics *m = open_at(folder);
    struct btz_call_record r = chat();
    size_t before, after;
    json_t *s;

    (void)state;
    r.model = r.upstream = "unknown";
    btz_metrics_end(m, &r);
    s = samples(m);
    before = json_object_size(s);
    json_decref(s);
    for (int i = 0; i < 2000; i++) {
        char name[32];

        snprintf(name, sizeof name, "m%d", i);
        r.model = name;
        r.upstream = name;
        btz_metrics_end(m, &r);
    }
    /* Hostile names that are configured stand in the text as labels. */
    r.model = models[2];
    r.upstream = "west";
    btz_metrics_end(m, &r);
    s = samples(m);
    after = json_object_size(s);
    assert_true(after < before + 80);
    assert_true(
        prometheus_value(
            s, "bartizan_gate_cost_total{\"gen_ai_operation_name\":\"chat\",\"gen_ai_provider_"
               "name\":\"west\",\"gen_ai_request_model\":\"a\\\"b\\\\c\\n\xEF\xBF\xBD\"}") == 0.25);
    json_decref(s);
    btz_metrics_close(m);
    remove_tree(folder);
    free(folder);
}

/* Another configuration adds its names; the numbers of the first stay. */
static void test_reload(void **state)
{
    static const char *const others[] = { "gpt", "new" };
    char *folder = make_folder(), *path = join(folder, "metrics");
    struct btz_metrics *old = open_at(folder), *fresh, *reader;
    struct btz_call_record r = chat();
    json_t *s;

    (void)state;
    btz_metrics_end(old, &r);
    assert_ok(btz_metrics_open(path, others, 2, upstreams, 1, &fresh));
    btz_metrics_end(fresh, &r);
    r.model = "new";
    btz_metrics_end(fresh, &r);
    btz_metrics_end(old, &r);
    assert_ok(btz_metrics_open(path, NULL, 0, NULL, 0, &reader));
    s = samples(reader);
    assert_true(prometheus_value(s, "bartizan_gate_cost_total{" CHAT "}") == 0.5);
    assert_true(
        prometheus_value(s, "bartizan_gate_cost_total{\"gen_ai_operation_name\":\"chat\",\"gen_ai_"
                            "provider_name\":\"east\",\"gen_ai_request_model\":\"new\"}") == 0.5);
    json_decref(s);
    btz_metrics_close(old);
    btz_metrics_close(fresh);
    btz_metrics_close(reader);
    /* A file of another version begins anew. */
    assert_int_equal(truncate(path, 100), 0);
    assert_ok(btz_metrics_open(path, NULL, 0, NULL, 0, &reader));
    btz_metrics_close(reader);
    free(path);
    remove_tree(folder);
    free(folder);
}

#define THREADS 4
#define EACH    3000

/* Workers that meet their first requests of a route at once: each name takes one place. */
static void test_named_at_once(void **state)
{
    char *folder = make_folder();
    json_t *s;

    (void)state;
    for (int turn = 0; turn < 20; turn++) {
        struct btz_metrics *m = open_at(folder);
        pid_t pids[2];
        struct {
            _Atomic int n;
        } *ready =
            mmap(NULL, sizeof *ready, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status;

        assert_true(ready != MAP_FAILED);
        for (size_t i = 0; i < BTZ_COUNT(pids); i++) {
            pids[i] = fork();
            if (pids[i] == 0) {
                struct btz_metrics *mine = open_at(folder);
                struct btz_call_record r = chat();
                char name[32];

                r.route = name;
                for (int n = 0; n < 5; n++) {
                    snprintf(name, sizeof name, "turn-%d-%d", turn, n);
                    atomic_fetch_add(&ready->n, 1);
                    while (atomic_load(&ready->n) < (int)BTZ_COUNT(pids) * (n + 1)) {
                    }
                    btz_metrics_end(mine, &r);
                }
                _exit(0);
            }
        }
        for (size_t i = 0; i < BTZ_COUNT(pids); i++) {
            waitpid(pids[i], &status, 0);
            assert_int_equal(status, 0);
        }
        s = samples(m); /* fails where a sample stands twice */
        for (int n = 0; n < 5; n++) {
            char sample[96];

            snprintf(sample, sizeof sample,
                     "bartizan_gate_requests_total{\"outcome\":\"ok\",\"route\":\"turn-%d-%d\"}",
                     turn, n);
            assert_true(prometheus_value(s, sample) == BTZ_COUNT(pids));
        }
        json_decref(s);
        btz_metrics_close(m);
        munmap(ready, sizeof *ready);
    }
    remove_tree(folder);
    free(folder);
}

static void *count_many(void *user)
{
    struct btz_call_record r = chat();

    for (int i = 0; i < EACH; i++) {
        btz_metrics_begin(user);
        btz_metrics_end(user, &r);
    }
    return NULL;
}

static void test_at_once(void **state)
{
    char *folder = make_folder();
    struct btz_metrics *m = open_at(folder);
    pthread_t thread[THREADS];
    int status;
    pid_t pid;
    json_t *s;

    (void)state;
    pid = fork();
    if (pid == 0) {
        struct btz_metrics *mine = open_at(folder);

        count_many(mine);
        btz_metrics_begin(mine);
        raise(SIGKILL);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_many, m), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    waitpid(pid, &status, 0);
    s = samples(m);
    assert_true(prometheus_value(
                    s, "bartizan_gate_requests_total{\"outcome\":\"ok\",\"route\":\"chat\"}") ==
                (THREADS + 1) * EACH);
    assert_true(prometheus_value(s, "gen_ai_client_operation_duration_seconds_count{" CHAT "}") ==
                (THREADS + 1) * EACH);
    assert_true(prometheus_value(s, "bartizan_gate_in_flight{}") == 0);
    json_decref(s);
    btz_metrics_close(m);
    remove_tree(folder);
    free(folder);
}

static void test_live(void **state)
{
    char *folder = make_folder();
    struct btz_metrics *m = open_at(folder);
    struct btz_call_record r = chat();
    json_int_t requests = 0;
    json_t *live, *second;
    size_t i;

    (void)state;
    for (int n = 0; n < 10; n++)
        btz_metrics_end(m, &r);
    /* The second at hand is not shown yet: it would look like a drop. */
    for (size_t k = 0; k < BTZ_SECONDS; k++) {
        struct btz_second *from = &m->c->second[k],
                          *to = &m->c->second[(k + BTZ_SECONDS - 5) % BTZ_SECONDS];

        if (from->second == 0)
            continue;
        to->second = from->second - 5;
        to->requests = (uint64_t)from->requests;
        for (size_t b = 0; b < BTZ_BUCKETS; b++)
            to->bucket[b] = (uint64_t)from->bucket[b];
        break;
    }
    assert_ok(btz_metrics_json(m, &live));
    assert_int_equal(json_array_size(json_object_get(live, "seconds")), 60);
    json_array_foreach(json_object_get(live, "seconds"), i, second) requests +=
        json_integer_value(json_object_get(second, "requests"));
    assert_true(requests > 0);
    /* 30 ms lie in the bucket from 20 to 40. */
    assert_true(json_number_value(json_object_get(live, "p50_ms")) > 20);
    assert_true(json_number_value(json_object_get(live, "p99_ms")) <= 40);
    json_decref(live);
    btz_metrics_close(m);
    remove_tree(folder);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted),       cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_bounded),       cmocka_unit_test(test_reload),
        cmocka_unit_test(test_named_at_once), cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
