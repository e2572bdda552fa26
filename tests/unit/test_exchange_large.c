/* Exchanges whose bodies or answers are large: threads read them while others go through the same gate. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exchange_talk.h"

static char *large_chat(const char *model, const char *word)
{
    size_t n = BTZ_WORK_MIN + 4096;
    char *s = malloc(n);
    int at;

    assert_non_null(s);
    at = snprintf(s, n, "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"%s ",
                  model, word);
    memset(s + at, 'a', n - (size_t)at);
    for (size_t i = (size_t)at + 7; i < n; i += 8)
        s[i] = ' ';
    memcpy(s + n - 5, "\"}]}", sizeof "\"}]}");
    return s;
}

static void *work(void *x)
{
    btz_exchange_work(x);
    return NULL;
}

/* Large bodies are read in threads, several at a time, while small requests go through the same gate. */
static void test_large_bodies(void **state)
{
    static const struct {
        const char *model, *word, *code; /* NULL: it may pass */
        unsigned status;
    } cases[] = {
        { "small", "hello", NULL, 0 },
        { "small", CANARY, "guard_blocked", 403 },
        { "secret-1", CANARY, "forbidden", 403 },
        { "", "hello", "invalid_request", 400 },
    };
    struct talk large[BTZ_COUNT(cases)], t;
    char *bodies[BTZ_COUNT(cases)];
    pthread_t threads[BTZ_COUNT(cases)];
    struct gate_place p;

    (void)state;
    gate_open(&p,
              ONE "  guard:\n    canaries: [" CANARY "]\n    rules: [{detector: canary, channels: "
                  "[user], action: block}]\n");
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        bodies[i] = large_chat(cases[i].model, cases[i].word);
        ask(&large[i], &p, "/v1/chat/completions", KEY_ALICE, bodies[i]);
        assert_int_equal(large[i].step, BTZ_STEP_WORK);
        assert_int_equal(pthread_create(&threads[i], NULL, work, large[i].x), 0);
    }
    for (size_t i = 0; i < 20; i++) {
        ask(&t, &p, "/v1/chat/completions", KEY_ALICE, i % 2 ? CHAT(CANARY) : CHAT("hi"));
        if (i % 2)
            refused(&t, 403, "guard_blocked");
        else
            finish(&t, BTZ_END_DONE);
    }
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        large[i].step = btz_exchange_worked(large[i].x);
        /* Only those who may ask come to the guard. */
        assert_int_equal(large[i].step == BTZ_STEP_WORK, i < 2);
        if (i < 2)
            assert_int_equal(pthread_create(&threads[i], NULL, work, large[i].x), 0);
    }
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        if (i < 2) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            large[i].step = btz_exchange_worked(large[i].x);
        }
        if (cases[i].code) {
            refused(&large[i], cases[i].status, cases[i].code);
        } else {
            assert_true(holds(forward(&large[i]).body, "hello"));
            finish(&large[i], BTZ_END_DONE);
        }
    }
    /* Its client went away in between. */
    ask(&t, &p, "/v1/chat/completions", KEY_ALICE, bodies[0]);
    btz_exchange_work(t.x);
    finish(&t, BTZ_END_CLIENT_GONE);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++)
        free(bodies[i]);
    gate_close(&p);
}

/* An answer of more than BTZ_WORK_MIN bytes with `word` at its end, which wants `tool` called. */
static char *large_answer(const char *word, const char *tool)
{
    size_t n = BTZ_WORK_MIN + 4096;
    char *s = malloc(n), *filler = malloc(BTZ_WORK_MIN + 1);

    assert_non_null(s);
    assert_non_null(filler);
    for (size_t i = 0; i < BTZ_WORK_MIN; i++)
        filler[i] = i % 8 == 7 ? ' ' : 'a';
    filler[BTZ_WORK_MIN] = 0;
    snprintf(
        s, n,
        "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"small\",\"choices\":[{\"index\":"
        "0,\"message\":{\"role\":\"assistant\",\"content\":\"%s %s\",\"tool_calls\":[{\"id\":"
        "\"1\",\"type\":\"function\",\"function\":{\"name\":\"%s\",\"arguments\":\"{}\"}}]},"
        "\"finish_reason\":\"stop\"}]}",
        filler, word, tool);
    free(filler);
    return s;
}

/* Large answers are read in threads, several at a time, while others go through the same gate. */
static void test_large_answers(void **state)
{
    static const struct {
        const char *word, *tool, *code; /* NULL: it may pass */
    } cases[] = {
        { "hello", "lookup", NULL },
        { CANARY, "lookup", "guard_blocked" },
        { "hello", "shell", "guard_blocked" }, /* forbidden by the policy */
        { "\"", "lookup", "upstream_answer" },
    };
    struct btz_response_head head = { .status = 200,
                                      .content_type = btz_str("application/json"),
                                      .content_length = -1 };
    struct talk large[BTZ_COUNT(cases)], t;
    char *bodies[BTZ_COUNT(cases)];
    pthread_t threads[BTZ_COUNT(cases)];
    enum btz_response_mode mode;
    struct gate_place p;

    (void)state;
    gate_open(&p, ONE CANARIES);
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        bodies[i] = large_answer(cases[i].word, cases[i].tool);
        ask(&large[i], &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
        (void)forward(&large[i]);
        assert_int_equal(btz_exchange_response(large[i].x, &head, &mode), BTZ_STEP_GO);
        assert_int_equal(btz_exchange_pieces(large[i].x, btz_str(bodies[i]), true, &large[i].out),
                         BTZ_STEP_WORK);
        assert_int_equal(large[i].out.len, 0);
        assert_int_equal(pthread_create(&threads[i], NULL, work, large[i].x), 0);
    }
    for (size_t i = 0; i < 20; i++) {
        ask(&t, &p, "/v1/chat/completions", KEY_ALICE, CHAT("hi"));
        (void)forward(&t);
        answer(&t, 200, "application/json", SAID("fine"));
        assert_int_equal(t.step, BTZ_STEP_GO);
        finish(&t, BTZ_END_DONE);
    }
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        large[i].step = btz_exchange_answered(large[i].x, &large[i].out);
        if (cases[i].code) {
            assert_int_equal(large[i].out.len, 0);
            refused(&large[i], strcmp(cases[i].code, "guard_blocked") == 0 ? 403 : 502,
                    cases[i].code);
        } else {
            assert_int_equal(large[i].step, BTZ_STEP_GO);
            assert_true(btz_slice_is(btz_buf_slice(&large[i].out), bodies[i]));
            finish(&large[i], BTZ_END_DONE);
        }
        free(bodies[i]);
    }
    gate_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_large_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
