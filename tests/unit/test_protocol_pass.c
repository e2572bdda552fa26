/* Streams of declared routes: pieces at declared places are one text, and elsewhere what events spell together cuts. */
#include "protocol_fixture.h"

#define PIECE(i, text)                                                                             \
    "event: part\ndata: {\"candidates\":[{\"index\":" i                                            \
    ",\"content\":{\"parts\":[{\"text\":\"" text "\"}]}}],\"version\":\"v-2026\"}\n\n"

static const char *const gemini[] = { "/candidates/*/content/parts/*/text", "/a~1b/t~0" };

static struct btz_stream_options declared(void)
{
    return (struct btz_stream_options){ .from = BTZ_PROTOCOL_PASS,
                                        .to = BTZ_PROTOCOL_PASS,
                                        .texts = gemini,
                                        .text_count = BTZ_COUNT(gemini) };
}

/* What a client puts together: strings named `key`, in order, by jansson alone. */
static void collect(const json_t *value, const char *key, struct btz_buf *out)
{
    const json_t *one;
    const char *name;
    size_t i;

    if (json_is_array(value))
        json_array_foreach(value, i, one) collect(one, key, out);
    if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, name, one)
        {
            if (strcmp(name, key) == 0 && json_is_string(one))
                assert_int_equal(btz_buf_add_str(out, json_string_value(one)), BTZ_OK);
            else
                collect(one, key, out);
        }
}

static void gather(struct btz_slice stream, const char *key, struct btz_buf *out)
{
    struct btz_buf list = BTZ_BUF(1 << 22);
    struct btz_reader r;
    struct btz_slice line;

    btz_buf_clear(out);
    list_events(stream, &list);
    r = (struct btz_reader){ .in = btz_buf_slice(&list) };
    while (btz_read_line(&r, &line)) {
        size_t bar = btz_slice_find(line, btz_str("|"), 0);
        json_t *root = json_loadb((const char *)line.ptr + bar + 1, line.len - bar - 1, 0, NULL);

        assert_non_null(root);
        collect(root, key, out);
        json_decref(root);
    }
    btz_buf_release(&list);
}

static void check(const struct btz_stream_options *o, const char *in, enum btz_err err,
                  const char *has, const char *has_not)
{
    for (size_t cut = 0; cut <= strlen(in); cut += cut < 3 ? 1 : 7) {
        struct watcher w = { .lanes = 0 };
        struct run r = run_stream(o, btz_str(in), cut, &w);
        struct btz_slice out = btz_buf_slice(&r.out);

        if (r.err != err || (has && !btz_slice_has(out, has)) ||
            (has_not && btz_slice_has(out, has_not)))
            fail_msg("%s: cut at %zu: %d\n%.*s", in, cut, r.err, BTZ_SLICE_ARG(out));
        watcher_release(&w);
        btz_buf_release(&r.out);
    }
}

/* Every way to cut a text into pieces of events gives the same text, masked. */
static void test_all_splits(void **state)
{
    static const char text[] = "a secret, secre";
    const size_t n = sizeof text - 1;
    struct btz_stream_options o = declared();
    struct btz_buf in = BTZ_BUF(1 << 20), found = BTZ_BUF(1 << 20);

    (void)state;
    for (unsigned bits = 0; bits < 1u << (n - 1); bits += bits < 4096 ? 1 : 37) {
        struct watcher w = { .lanes = 0 };
        struct run r;

        btz_buf_clear(&in);
        for (size_t from = 0, to = 1; from < n; from = to, to++) {
            while (to < n && !(bits >> (to - 1) & 1))
                to++;
            assert_int_equal(btz_buf_printf(&in,
                                            "data: {\"candidates\":[{\"content\":{\"parts\":[{"
                                            "\"text\":\"%.*s\"}]}}]}\n\n",
                                            (int)(to - from), text + from),
                             BTZ_OK);
        }
        r = run_stream(&o, btz_buf_slice(&in), in.len / 2, &w);
        assert_int_equal(r.err, BTZ_OK);
        assert_true(r.ended);
        gather(btz_buf_slice(&r.out), "text", &found);
        if (!btz_slice_is(btz_buf_slice(&found), "a [x], secre"))
            fail_msg("%x: %.*s", bits, BTZ_SLICE_ARG(btz_buf_slice(&r.out)));
        watcher_release(&w);
        btz_buf_release(&r.out);
    }
    btz_buf_release(&in);
    btz_buf_release(&found);
}

static void test_pieces(void **state)
{
    struct btz_stream_options o = declared();

    (void)state;
    check(&o, PIECE("0", "a sec") PIECE("0", "ret b"), BTZ_OK, PIECE("0", "[x] b"), "secret");
    check(&o, PIECE("0", "fine") PIECE("0", " too"), BTZ_OK, PIECE("0", "fine") PIECE("0", " too"),
          NULL);
    /* What is held at the end keeps the event's form and name. */
    check(&o, PIECE("0", "a sec"), BTZ_OK, PIECE("0", "a ") PIECE("0", "sec"), NULL);
    check(&o, PIECE("0", "a sec") "data: [DONE]\n\n", BTZ_OK,
          PIECE("0", "a ") PIECE("0", "sec") "data: [DONE]\n\n", NULL);
    /* Names with signs of pointers in them. */
    check(&o,
          "data: {\"a/b\":{\"t~\":\"a sec\"}}\n\n"
          "data: {\"a/b\":{\"t~\":\"ret b\"}}\n\n",
          BTZ_OK, "data: {\"a/b\":{\"t~\":\"[x] b\"}}\n\n", "secret");
    check(&o, PIECE("0", "a st") PIECE("0", "op! b"), BTZ_DENIED, PIECE("0", "a "), "op!");
    /* Other places are whole texts. */
    check(&o, "data: {\"text\":\"a sec\"}\n\ndata: {\"text\":\"ret b\"}\n\n", BTZ_OK,
          "{\"text\":\"a sec\"}\n\ndata: {\"text\":\"ret b\"}", NULL);
}

/* Events that are strings of JSON, without more. */
static void test_bare(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_PASS, .to = BTZ_PROTOCOL_PASS };

    (void)state;
    check(&o, "data: \"a sec\"\n\nevent: e\ndata: \"re\\u0074, se\"\n\n", BTZ_OK,
          "data: \"a \"\n\nevent: e\ndata: \"[x], \"\n\nevent: e\ndata: \"se\"\n\n", NULL);
    check(&o, "data: \"\"\n\ndata: \"st\"\n\ndata: \"op!\"\n\n", BTZ_DENIED, "data: \"\"\n\n",
          "op!");
    /* Text that only begins like one. */
    check(&o, "data: \"so\" sec\n\ndata: ret\n\n", BTZ_OK, "data: \"so\" \n\ndata: [x]\n\n", NULL);
}

/* Several texts at a time: nothing of any of them is lost, and none is mixed with another. */
static void test_several(void **state)
{
    static const char in[] =
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"one sec\"}]}},"
        "{\"content\":{\"parts\":[{\"text\":\"two se\"}]}}]}\n\n"
        "data: {\"candidates\":[{},{},{\"content\":{\"parts\":[{\"text\":\"three sto\"}]}}]}\n\n"
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ret s\"}]}}]}\n\n"
        "data: {\"done\":true}\n\n";
    struct btz_stream_options o = declared();
    struct watcher w = { .lanes = 0 };
    struct run r = run_stream(&o, btz_str(in), 100, &w);
    struct btz_slice out = btz_buf_slice(&r.out);
    struct btz_buf found = BTZ_BUF(1 << 20);

    (void)state;
    assert_int_equal(r.err, BTZ_OK);
    gather(out, "text", &found);
    assert_int_equal(found.len, strlen("one [x] stwo sethree sto"));
    assert_true(btz_slice_has(out, "{},{},{\"content\":{\"parts\":[{\"text\":\"three \"}]}}"));
    assert_true(btz_slice_has(out, "{},{},{\"content\":{\"parts\":[{\"text\":\"sto\"}]}}"));
    assert_true(btz_slice_has(out, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}},"
                                   "{\"content\":{\"parts\":[{\"text\":\"se\"}]}}]}"));
    assert_true(btz_slice_has(out, "\"text\":\"[x] \""));
    assert_false(btz_slice_has(out, "secret"));
    watcher_release(&w);
    btz_buf_release(&r.out);
    btz_buf_release(&found);
}

static void test_seams(void **state)
{
    struct btz_stream_options o = { .from = BTZ_PROTOCOL_PASS, .to = BTZ_PROTOCOL_PASS };

    (void)state;
    check(&o, "data: {\"t\":\"a stop-\"}\n\ndata: {\"t\":\"word b\"}\n\n", BTZ_DENIED,
          "guard_blocked", "word b");
    check(&o,
          "data: {\"t\":[{\"u\":\"a s\"}]}\n\ndata: {\"n\":1}\n\ndata: {\"t\":[{\"u\":\"top\"}]}"
          "\n\ndata: {\"t\":[{\"u\":\"-word\"}]}\n\n",
          BTZ_DENIED, "guard_blocked", "-word");
    /* Not at one place, or not one behind the other. */
    check(&o, "data: {\"t\":\"a stop-\",\"u\":\"word\"}\n\n", BTZ_OK, "word", "guard_blocked");
    check(&o, "data: {\"t\":\"a stop-\"}\n\ndata: {\"t\":\"!\"}\n\ndata: {\"t\":\"word\"}\n\n",
          BTZ_OK, "word", "guard_blocked");
    /* Said again is not said on; short strings may be either. */
    check(&o, "data: {\"t\":\"-wordstop\"}\n\ndata: {\"t\":\"-wordstop\"}\n\n", BTZ_OK,
          "\n\ndata: {\"t\":\"-wordstop\"}\n\n", NULL);
    check(&o, "data: {\"t\":\"rdstop\"}\n\ndata: {\"t\":\"-wo\"}\n\ndata: {\"t\":\"rdstop\"}\n\n",
          BTZ_DENIED, "-wo", "guard_blocked\"}\n");
    /* Declared places elsewhere change nothing. */
    o = declared();
    check(&o, "data: {\"t\":\"a stop-\"}\n\ndata: {\"t\":\"word b\"}\n\n", BTZ_DENIED, NULL,
          "word b");
}

static void test_lines(void **state)
{
    struct btz_stream_options o = declared();

    (void)state;
    o.lines = true;
    check(&o, "{\"a/b\":{\"t~\":\"a sec\"}}\n{\"a/b\":{\"t~\":\"ret\"}}\n\n{\"n\":1}\n", BTZ_OK,
          "{\"a/b\":{\"t~\":\"a \"}}\n{\"a/b\":{\"t~\":\"[x]\"}}\n{\"n\":1}\n", "data:");
    check(&o, "{\"t\":\"stop-\"}\n{\"t\":\"word\"}\n{\"t\":\"!\"}", BTZ_DENIED,
          "{\"t\":\"stop-\"}\n{\"type\":\"about:blank\",\"title\":\"guard_blocked\"", "\"word\"");
}

/* More places than are remembered, pointers longer than are followed, a tail that is longer than is kept. */
static void test_many(void **state)
{
    struct btz_stream_options o = declared();
    struct btz_buf in = BTZ_BUF(1 << 22);
    struct watcher w = { .lanes = 0 };
    struct run r;

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(btz_buf_add_str(&in, "data: {"), BTZ_OK);
        for (int i = 0; i < 700; i++)
            assert_int_equal(btz_buf_printf(&in, "%s\"k%d\":\"v\"", i ? "," : "", i), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&in, ",\"long\":{\""), BTZ_OK);
        for (int i = 0; i < 6000; i++)
            assert_int_equal(btz_buf_add_byte(&in, i % 3 ? 'k' : '/'), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&in, "\":\"x\"},\"t\":\""), BTZ_OK);
        for (int i = 0; i < 5000; i++)
            assert_int_equal(btz_buf_add_str(&in, i % 7 ? "z" : "\\u00e9"), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&in, turn == 2 ? "d\"}\n\n" : "stop-wor\"}\n\n"), BTZ_OK);
        if (turn == 1)
            assert_int_equal(btz_buf_add_str(&in, "data: {\"t\":\"\"}\n\n"), BTZ_OK);
    }
    assert_int_equal(btz_buf_add_str(&in, "data: {\"t\":\"stop-wor\"}\n\ndata: {\"t\":\"d\"}\n\n"),
                     BTZ_OK);
    r = run_stream(&o, btz_buf_slice(&in), 1000, &w);
    assert_int_equal(r.err, BTZ_DENIED);
    assert_true(btz_slice_has(btz_buf_slice(&r.out), "data: {\"t\":\"stop-wor\"}\n\nevent: error"));
    watcher_release(&w);
    btz_buf_release(&r.out);
    btz_buf_release(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_splits), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_several),    cmocka_unit_test(test_seams),
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_bare),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
