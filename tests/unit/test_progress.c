/* The progress line: what it says, how wide it is, when it appears. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cli/progress.h"

static void expect_line(const struct btz_progress *p, unsigned columns, const char *line)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4096);
    const char *text;

    assert_int_equal(btz_progress_render(p, columns, &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
    assert_string_equal(text, line);
}

static void test_render(void **state)
{
    struct btz_progress p = {
        .stage = "probing", .done = 420, .total = 1000, .per_second = 12.34, .eta_s = 47.1
    };

    (void)state;
    expect_line(&p, 79, "probing  [############..................] 42% 420/1000  12.3/s  ETA 0:47");
    expect_line(&p, 50, "probing  [###.....] 42% 420/1000  12.3/s  ETA 0:47");
    expect_line(&p, 40, "probing  42% 420/1000  12.3/s  ETA 0:47");
    expect_line(&p, 12, "probing  42%");
    expect_line(&p, 0, "probing: 42% 420/1000  12.3/s  ETA 0:47");
    p.eta_s = 7325;
    expect_line(&p, 0, "probing: 42% 420/1000  12.3/s  ETA 2:02:05");
    p.eta_s = NAN;
    p.per_second = 1234.5;
    expect_line(&p, 0, "probing: 42% 420/1000  1234/s");
    /* More than was planned is never more than all. */
    p.done = 1001;
    p.per_second = 0;
    expect_line(&p, 0, "probing: 100% 1001/1000");
    p.total = 0;
    expect_line(&p, 60, "probing  1001");
    /* Names come from files: they do not steer the terminal. */
    p.stage = "a\033[2Jb";
    expect_line(&p, 0, "a\\x1b[2Jb: 1001");
}

static uint64_t now;

static uint64_t fake_now(void)
{
    return now;
}

struct screen {
    struct btz_cli cli;
    struct btz_progress_view view;
    char *text;
    size_t len;
};

static void screen_open(struct screen *s, bool terminal, bool quiet)
{
    *s = (struct screen){ .cli = { .terminal = terminal, .quiet = quiet } };
    s->cli.err = open_memstream(&s->text, &s->len);
    assert_non_null(s->cli.err);
    btz_progress_open(&s->view, &s->cli);
    s->view.now_ns = fake_now;
    s->view.columns = 80;
    s->view.started = now = 1000;
}

static void tick(struct screen *s, uint64_t ms)
{
    struct btz_progress p = { .stage = "x", .done = 1, .total = 2, .eta_s = NAN };

    now += ms * 1000000;
    s->view.sink.progress(&s->view.sink, &p);
}

static void screen_close(struct screen *s, const char *expected)
{
    btz_progress_close(&s->view);
    fclose(s->cli.err);
    assert_string_equal(s->text, expected);
    free(s->text);
}

static void test_terminal(void **state)
{
    struct screen s;

    (void)state;
    screen_open(&s, true, false);
    tick(&s, 1999);
    assert_false(s.cli.progress_shown);
    tick(&s, 1);
    assert_true(s.cli.progress_shown);
    tick(&s, 99);
    tick(&s, 1);
    screen_close(&s, "\rx  [###############...............] 50% 1/2\033[K"
                     "\rx  [###############...............] 50% 1/2\033[K\r\033[K");
    assert_false(s.cli.progress_shown);
}

static void test_plain(void **state)
{
    struct screen s;

    (void)state;
    screen_open(&s, false, false);
    tick(&s, 2000);
    tick(&s, 4999);
    tick(&s, 1);
    screen_close(&s, "bartizan: x: 50% 1/2\nbartizan: x: 50% 1/2\n");
    screen_open(&s, true, true);
    tick(&s, 9000);
    screen_close(&s, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
