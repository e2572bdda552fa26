/* Forms: RFC 7578 as clients write them; whatever two readers could take differently is refused. */
#include "protocol_fixture.h"

#define TYPE     "multipart/form-data; boundary=XX"
#define FIELD(n) "--XX\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n"
#define FILE_(n, f, t)                                                                             \
    "--XX\r\nContent-Disposition: form-data; name=\"" n "\"; filename=\"" f                        \
    "\"\r\nContent-Type: " t "\r\n\r\n"
#define END "--XX--\r\n"

static enum btz_err read_form(enum btz_protocol p, const char *type, const char *in, size_t len,
                              struct btz_arena *arena, struct btz_message *m)
{
    btz_arena_init(arena, 1 << 20);
    return btz_request_read(p, btz_str(type), btz_slice_of(in, len), arena, m);
}

/* clang-format off: its layout of strings in macros is not stable */
static const char transcribe[] =
    FIELD("model") "whisper-1\r\n" FIELD("prompt") "Names: Ann\r\n" FIELD(
        "timestamp_granularities["
        "]") "word\r\n" FIELD("timestamp_granularities[]") "segment\r\n" FILE_("file", "a b.mp3",
                                                                               "audio/mpeg") "ID3\0"
                                                                                             "\xff"
                                                                                             "\r"
                                                                                             "\n" FIELD(
                                                                                                 "s"
                                                                                                 "t"
                                                                                                 "r"
                                                                                                 "e"
                                                                                                 "a"
                                                                                                 "m") "true\r\n" END;

/* clang-format on */
static void test_transcribe(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_buf text = BTZ_BUF(1 << 16);
    struct btz_message m;
    (void)state;

    assert_int_equal(
        read_form(BTZ_PROTOCOL_TRANSCRIBE, TYPE, transcribe, sizeof transcribe - 1, &arena, &m),
        BTZ_OK);
    assert_true(btz_slice_is(m.model, "whisper-1"));
    assert_true(m.stream);
    assert_int_equal(m.files, 1);
    assert_int_equal(m.part_count, 2);
    assert_int_equal(m.parts[0].channel, BTZ_CHANNEL_USER);
    assert_true(btz_slice_is(m.parts[0].text, "Names: Ann"));
    assert_true(btz_slice_is(m.parts[1].text, "a b.mp3"));
    assert_null(m.parts[1].holder);
    /* Changed in place: all other bytes stay. */
    assert_int_equal(btz_part_replace(&m, &m.parts[0], btz_str("Names: [person]")), BTZ_OK);
    assert_int_equal(btz_message_set_model(&m, "big"), BTZ_OK);
    assert_int_equal(btz_message_write(&m, &text), BTZ_OK);
    assert_int_equal(text.len, sizeof transcribe - 1 + 5 - 6);
    assert_true(btz_slice_has(btz_buf_slice(&text), "name=\"model\"\r\n\r\nbig\r\n--XX"));
    assert_true(btz_slice_has(btz_buf_slice(&text), "\r\n\r\nNames: [person]\r\n--XX"));
    btz_message_release(&m);
    btz_buf_release(&text);
}

static void test_upload(void **state)
{
    static const char upload[] = FIELD("purpose") "batch\r\n" FILE_(
        "file", "in.jsonl", "application/jsonl") "{\"custom_id\":\"1\",\"body\":{}}\r\n" END;
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_message m;
    (void)state;

    assert_int_equal(read_form(BTZ_PROTOCOL_FILES, TYPE, upload, sizeof upload - 1, &arena, &m),
                     BTZ_OK);
    assert_int_equal(m.part_count, 2);
    assert_int_equal(m.parts[1].channel, BTZ_CHANNEL_RAW);
    assert_true(btz_slice_is(m.parts[1].text, "{\"custom_id\":\"1\",\"body\":{}}"));
    btz_message_release(&m);
}

static void test_good(void **state)
{
    static const struct {
        const char *type, *in;
    } good[] = {
        { TYPE, FIELD("a") "\r\n" END },
        { TYPE, FIELD("a") "1\r\n--XX--" },
        { TYPE, END },
        { "Multipart/Form-Data; charset=utf-8; boundary=\"X X\"",
          "--X X\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--X X--\r\n" },
        { TYPE, FIELD("a") "--X\r\n--Y\r\nX--XX\r\n" END },
        { TYPE, FILE_("f", "\xc3\xa9 \\\"q\\\".txt", "text/plain") "x\r\n" END },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(good); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_message m;

        if (read_form(BTZ_PROTOCOL_FILES, good[i].type, good[i].in, strlen(good[i].in), &arena,
                      &m) != BTZ_OK)
            fail_msg("case %zu: %s", i, btz_error_detail());
        btz_message_release(&m);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *type, *in;
    } bad[] = {
        { "multipart/form-data", FIELD("a") "1\r\n" END },
        { "multipart/form-data; boundary=XX; boundary=YY", FIELD("a") "1\r\n" END },
        { "multipart/form-data; boundary=\"XX", FIELD("a") "1\r\n" END },
        { "multipart/form-data; boundary=", FIELD("a") "1\r\n" END },
        { TYPE, "" },
        { TYPE, "preamble\r\n" FIELD("a") "1\r\n" END },
        { TYPE, FIELD("a") "1\r\n" },
        { TYPE, FIELD("a") "1\r\n" END "epilogue" },
        { TYPE, FIELD("a") "1\r\n--XXjunk\r\n" END },
        { TYPE, FIELD("a") "1\n--XX\nb\r\n" END },           /* a reader of bare line feeds */
        { TYPE, FIELD("a") "--XX\r\n" END },                 /* a value that is a boundary */
        { TYPE, FIELD("a") "1\r\n" FIELD("a") "2\r\n" END }, /* which one counts? */
        { TYPE, "--XX\nContent-Disposition: form-data; name=\"a\"\n\n1\n--XX--\n" },
        { TYPE, "--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Type: text/plain\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"; name=\"b\"\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"; "
                "filename*=UTF-8''x\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Disposition: "
                "form-data; name=\"b\"\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: "
                "base64\r\n\r\nMQ==\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n folded\r\n\r\n1\r\n" END },
        { TYPE, "--XX\r\nContent-Disposition: form-data; name=\"a b\"\r\n\r\n1\r\n" END },
        { TYPE,
          "--XX\r\nX-Other: 1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n" END },
        { TYPE, FIELD("a") "\xff\r\n" END },
    };
    (void)state;

    for (size_t i = 0; i < BTZ_COUNT(bad); i++) {
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_message m;

        if (read_form(BTZ_PROTOCOL_FILES, bad[i].type, bad[i].in, strlen(bad[i].in), &arena, &m) !=
            BTZ_INPUT)
            fail_msg("case %zu was not refused", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcribe),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
