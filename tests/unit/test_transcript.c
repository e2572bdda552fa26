/* Transcripts: what comes back after a run was cut, and what must be refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/json.h"
#include "redteam/campaign.h"

#define SLOTS 4

struct stage {
    char dir[32], path[64];
    uint8_t digest[BTZ_SHA256_LEN];
    struct btz_arena arena;
};

static int stage_open(void **state)
{
    struct stage *s = calloc(1, sizeof *s);

    assert_non_null(s);
    snprintf(s->dir, sizeof s->dir, "/tmp/btz-transcript-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/t.jsonl", s->dir);
    btz_arena_init(&s->arena, (size_t)64 << 20);
    *state = s;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *s = *state;

    unlink(s->path);
    btz_arena_release(&s->arena);
    assert_int_equal(rmdir(s->dir), 0);
    free(s);
    return 0;
}

static enum btz_err try_open(struct stage *s, bool resume, struct btz_transcript **out)
{
    return btz_transcript_open(s->dir, "t", s->digest, SLOTS, resume, out);
}

static struct btz_transcript *opened(struct stage *s, bool resume)
{
    struct btz_transcript *t = NULL;

    if (try_open(s, resume, &t) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return t;
}

static void say(struct btz_transcript *t, size_t slot, unsigned turn, enum btz_reply_kind kind,
                const char *text)
{
    const struct btz_reply reply = { .kind = kind,
                                     .text = btz_str(text),
                                     .detail = kind == BTZ_REPLY_ERROR ? "broken" : NULL,
                                     .http_status = 200,
                                     .tries = 2,
                                     .seconds = 0.5,
                                     .tokens_in = 3,
                                     .tokens_out = 5 };

    assert_int_equal(btz_transcript_reply(t, slot, turn, "unit", btz_str("sent"), &reply), BTZ_OK);
}

static size_t lines_of(const struct stage *s, const char *with)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(1u << 20);
    struct btz_reader r = { .what = "transcript" };
    struct btz_slice line;
    size_t count = 0;

    assert_int_equal(btz_file_read(s->path, (1u << 20) - 1, &text), BTZ_OK);
    r.in = btz_buf_slice(&text);
    while (btz_read_line(&r, &line))
        count += btz_slice_has(line, with);
    return count;
}

static void append(const struct stage *s, const char *text)
{
    int fd = open(s->path, O_WRONLY | O_APPEND);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_takes_over(void **state)
{
    struct stage *s = *state;
    struct btz_transcript *t = opened(s, false);
    struct btz_reply reply;

    say(t, 0, 0, BTZ_REPLY_TEXT, "hostile \x1b[31m \xff text");
    say(t, 0, 1, BTZ_REPLY_EMPTY, "");
    say(t, 1, 0, BTZ_REPLY_ERROR, "");
    btz_transcript_close(t);
    append(s, "{\"type\":\"reply\",\"slot\":2,\"tu"); /* killed while it wrote */

    t = opened(s, true);
    assert_int_equal(btz_transcript_resumed(t), 2);
    assert_true(btz_transcript_has(t, 0, 0) && btz_transcript_has(t, 0, 1));
    assert_false(btz_transcript_has(t, 1, 0) || btz_transcript_has(t, 2, 0));
    assert_int_equal(btz_transcript_find(t, 0, 0, &s->arena, &reply), BTZ_OK);
    assert_int_equal(reply.kind, BTZ_REPLY_TEXT);
    assert_true(btz_slice_is(reply.text, "hostile \x1b[31m \xEF\xBF\xBD text"));
    assert_int_equal(reply.http_status, 200);
    assert_int_equal(reply.tries, 2);
    assert_true(reply.seconds == 0.5);
    assert_int_equal(reply.tokens_out, 5);
    assert_int_equal(btz_transcript_find(t, 0, 1, &s->arena, &reply), BTZ_OK);
    assert_int_equal(reply.kind, BTZ_REPLY_EMPTY);
    say(t, 2, 0, BTZ_REPLY_TEXT, "again");
    btz_transcript_close(t);

    t = opened(s, true);
    assert_int_equal(btz_transcript_resumed(t), 3);
    assert_int_equal(btz_transcript_find(t, 2, 0, &s->arena, &reply), BTZ_OK);
    assert_true(btz_slice_is(reply.text, "again"));
    btz_transcript_close(t);
}

/* A reply of nothing but control characters takes six times its size. */
static void test_large_reply(void **state)
{
    struct stage *s = *state;
    size_t size = (size_t)12 << 20;
    char *text = malloc(size + 1);
    struct btz_transcript *t = opened(s, false);
    struct btz_reply reply;

    assert_non_null(text);
    memset(text, 1, size);
    text[size] = '\0';
    say(t, 0, 0, BTZ_REPLY_TEXT, text);
    btz_transcript_close(t);
    t = opened(s, true);
    assert_int_equal(btz_transcript_find(t, 0, 0, &s->arena, &reply), BTZ_OK);
    assert_true(btz_slice_is(reply.text, text));
    btz_transcript_close(t);
    free(text);
}

/* Resuming ten times does not write every verdict ten times; one that was an error is written again. */
static void test_verdicts_once(void **state)
{
    struct stage *s = *state;

    for (int run = 0; run < 3; run++) {
        struct btz_transcript *t = opened(s, run > 0);
        const char *outcome = run == 0 ? "error" : "refused";

        assert_int_equal(
            btz_transcript_verdict(t, 0, "unit", "complied", true, "marker-joined", "why"), BTZ_OK);
        assert_int_equal(btz_transcript_verdict(t, 1, "unit", outcome, false, NULL, NULL), BTZ_OK);
        btz_transcript_close(t);
    }
    assert_int_equal(lines_of(s, "\"complied\""), 1);
    assert_int_equal(lines_of(s, "\"outcome\":\"error\""), 1);
    assert_int_equal(lines_of(s, "\"outcome\":\"refused\""), 1);
}

static void test_one_writer(void **state)
{
    struct stage *s = *state;
    struct btz_transcript *t = opened(s, false), *other;

    assert_int_equal(try_open(s, true, &other), BTZ_CONFLICT);
    assert_true(strstr(btz_error_detail(), "another process") != NULL);
    btz_transcript_close(t);
    assert_int_equal(try_open(s, false, &other), BTZ_CONFLICT);
    btz_transcript_close(opened(s, true));
}

static void test_refuses(void **state)
{
    static const char *const bad[] = {
        "not JSON\n",
        "{\"type\":\"reply\",\"kind\":\"text\",\"turn\":0,\"text\":\"x\"}\n",
        "{\"type\":\"reply\",\"kind\":\"text\",\"slot\":4,\"turn\":0}\n",
        "{\"type\":\"reply\",\"kind\":\"text\",\"slot\":-1,\"turn\":0}\n",
        "{\"type\":\"reply\",\"kind\":\"text\",\"slot\":1e0,\"turn\":0}\n",
        "{\"type\":\"reply\",\"kind\":\"text\",\"slot\":0,\"turn\":1000000}\n",
        "{\"type\":\"reply\",\"kind\":\"praise\",\"slot\":0,\"turn\":0}\n",
        "{\"type\":\"verdict\",\"slot\":99,\"outcome\":\"refused\"}\n",
    };
    struct stage *s = *state;
    struct btz_transcript *t;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        btz_transcript_close(opened(s, false));
        append(s, bad[i]);
        assert_int_equal(try_open(s, true, &t), BTZ_INPUT);
        assert_true(strstr(btz_error_detail(), "line 2") != NULL);
        unlink(s->path);
    }
    btz_transcript_close(opened(s, false));
    s->digest[0] ^= 1;
    assert_int_equal(try_open(s, true, &t), BTZ_CONFLICT);
    assert_true(strstr(btz_error_detail(), "another plan") != NULL);
    unlink(s->path);
    /* Not through a link that somebody laid in the way. */
    assert_int_equal(symlink("/dev/null", s->path), 0);
    assert_int_equal(try_open(s, true, &t), BTZ_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takes_over, stage_open, stage_close),
        cmocka_unit_test_setup_teardown(test_large_reply, stage_open, stage_close),
        cmocka_unit_test_setup_teardown(test_verdicts_once, stage_open, stage_close),
        cmocka_unit_test_setup_teardown(test_one_writer, stage_open, stage_close),
        cmocka_unit_test_setup_teardown(test_refuses, stage_open, stage_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
