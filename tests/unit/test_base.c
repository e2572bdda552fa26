/* Arenas, buffers, slices, UTF-8, numbers, times, hashes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "base/json.h"

static void test_buf_limit(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(8);
    (void)state;
    assert_int_equal(btz_buf_add_str(&b, "12345678"), BTZ_OK);
    assert_int_equal(btz_buf_add_byte(&b, 'x'), BTZ_LIMIT);
    assert_int_equal(b.len, 8);
}

static void test_arena_limit(void **state)
{
    BTZ_ARENA_SCOPE struct btz_arena a;
    size_t given = 0;
    uint8_t *p;
    (void)state;
    btz_arena_init(&a, 65536);
    while ((p = btz_arena_alloc(&a, 1000)) != NULL) {
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        assert_int_equal(p[999], 0);
        memset(p, 0xFF, 1000);
        given += 1000;
    }
    assert_in_range(given, 32000, 65536);
    assert_null(btz_arena_array(&a, SIZE_MAX / 2, 16));
    assert_null(btz_arena_alloc(&a, SIZE_MAX));
}

static void test_sha256(void **state)
{
    uint8_t digest[BTZ_SHA256_LEN];
    char hex[65];
    (void)state;
    /* FIPS 180-4 example, "abc". */
    btz_sha256(btz_str("abc"), digest);
    btz_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    btz_sha256_2(btz_str("a"), btz_str("bc"), digest);
    btz_hex(digest, sizeof digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_utf8(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "a\xC2\xA9", "a\xC2\xA9" },
        /* Unicode 15, table 3-8: maximal subparts. */
        { "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
          "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
          "b\xEF\xBF\xBD"
          "c\xEF\xBF\xBD\xEF\xBF\xBD"
          "d" },
        { "\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
        { "\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD" },
    };
    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(100);
        assert_int_equal(btz_utf8_clean(btz_str(cases[i].in), &b), BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&b), cases[i].out));
        assert_int_equal(btz_is_utf8(btz_str(cases[i].in)), i == 0);
    }
    {
        BTZ_BUF_RELEASE struct btz_buf b = BTZ_BUF(100);
        assert_int_equal(btz_utf8_printable(btz_str("a\x1b[31m\n\xE2\x80\xAE!"), false, &b),
                         BTZ_OK);
        assert_true(btz_slice_is(btz_buf_slice(&b), "a\\x1b[31m\\n\\u202e!"));
    }
}

/* The empty slice has no address: nothing may be computed from it. */
static void test_empty_slice(void **state)
{
    struct btz_reader r = { .what = "nothing" };
    struct btz_slice line;
    size_t at = 0;
    uint32_t c;
    (void)state;
    assert_false(btz_utf8_next(btz_str(NULL), &at, &c));
    assert_true(btz_is_utf8(btz_str(NULL)));
    assert_true(btz_slice_find(btz_str(NULL), btz_str("x"), 0) == SIZE_MAX);
    assert_true(btz_slice_find(btz_str(NULL), btz_str(NULL), 0) == 0);
    assert_false(btz_read_line(&r, &line));
    assert_true(btz_slice_trim(btz_str(NULL)).len == 0);
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {
        "", "01", "-1", "1 ", "18446744073709551616", "99999999999999999999", "0x1"
    };
    uint64_t n;
    double d;
    (void)state;
    assert_int_equal(btz_parse_u64(btz_str("18446744073709551615"), &n), BTZ_OK);
    assert_true(n == UINT64_MAX);
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_parse_u64(btz_str(bad[i]), &n), BTZ_INPUT);
    assert_int_equal(btz_parse_double(btz_str("-1.5e3"), &d), BTZ_OK);
    assert_true(d == -1500);
    assert_int_equal(btz_parse_double(btz_str("1e999"), &d), BTZ_INPUT);
    assert_int_equal(btz_parse_double(btz_str("0x10"), &d), BTZ_INPUT);
    assert_int_equal(btz_parse_double(btz_str("nan"), &d), BTZ_INPUT);
}

static void test_time(void **state)
{
    char text[BTZ_TIME_TEXT];
    uint64_t ms;
    (void)state;
    assert_int_equal(btz_time_parse(btz_str("2000-02-29T12:34:56.789Z"), &ms), BTZ_OK);
    assert_true(ms == 951827696789u);
    btz_time_format(ms, text);
    assert_string_equal(text, "2000-02-29T12:34:56.789Z");
    btz_time_format(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    assert_int_equal(btz_time_parse(btz_str("1970-01-01"), &ms), BTZ_OK);
    assert_true(ms == 0);
    assert_int_equal(btz_time_parse(btz_str("2001-02-29"), &ms), BTZ_INPUT);
    assert_int_equal(btz_time_parse(btz_str("2027-01-31T25:00:00Z"), &ms), BTZ_INPUT);
}

static void test_philox(void **state)
{
    /* Known answer of the Random123 distribution (kat_vectors, philox4x32 10 rounds, all zero). */
    static const uint32_t zero[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
    struct btz_rng r;
    (void)state;
    btz_rng_init(&r, 0, 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(btz_rng_u32(&r), zero[i]);
}

static void test_nearest(void **state)
{
    static const char *const names[] = { "targets", "state", "suppressions" };
    (void)state;
    assert_string_equal(btz_nearest("target", names, 3), "targets");
    assert_string_equal(btz_nearest("supressions", names, 3), "suppressions");
    assert_null(btz_nearest("zzzz", names, 3));
}

/* What some reader may take for JSON, however wrong it is. */
static void json_alike(void **state)
{
    static const char *const are[] = {
        "{}",
        " [1, 2.5e+3, -0.1E9] \n",
        "\"a \\\" b\"",
        "{\"a\":1,\"a\":{\"b\":[true,false,null]}}",
        "{\"a\":1e999,\"b\":NaN,\"c\":-Infinity}",
        "{\"a\":\"\\ud800\",}",
    };
    static const char *const are_not[] = {
        "",   "{",       "}",     "1",        "true",        "{name}",  "[INST]", "[1",
        "1]", "[1] and", "{} {}", "\"quoted", "\"a\" \"b\"", "{'a':1}", "[1]]",   "\"\\\"",
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(are); i++)
        assert_true(btz_json_is_alike(btz_str(are[i])));
    for (size_t i = 0; i < BTZ_COUNT(are_not); i++)
        assert_false(btz_json_is_alike(btz_str(are_not[i])));
    assert_false(btz_json_is_alike(btz_slice_of("[\0]", 3)));
}

static void test_json(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf deep = BTZ_BUF(1000), out = BTZ_BUF(1000);
    BTZ_JSON json_t *value = NULL;
    (void)state;
    assert_int_equal(btz_json_parse(btz_str("{\"a\":1,\"a\":2}"), 100, "x", &value), BTZ_INPUT);
    for (int i = 0; i < 200; i++)
        assert_int_equal(btz_buf_add_byte(&deep, '['), BTZ_OK);
    assert_int_equal(btz_json_parse(btz_buf_slice(&deep), 1000, "x", &value), BTZ_LIMIT);
    value = btz_json_text(btz_slice_of("a\0\xff", 3));
    assert_int_equal(btz_json_write(value, false, &out), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&out), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\""));
}

/* A detail may be told again with words around it. */
static void test_error_detail(void **state)
{
    char longest[2000];
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(btz_fail(BTZ_INPUT, "cause %d", 7), BTZ_INPUT);
    assert_int_equal(btz_fail(BTZ_IO, "first (%s), then %s", btz_error_detail(), "more"), BTZ_IO);
    assert_string_equal(btz_error_detail(), "first (cause 7), then more");
    assert_int_equal(btz_fail_context(BTZ_IO, "file %s", "a"), BTZ_IO);
    assert_string_equal(btz_error_detail(), "file a: first (cause 7), then more");
    errno = ENOENT;
    assert_int_equal(btz_fail_errno(BTZ_IO, "open %s", "a"), BTZ_IO);
    assert_string_equal(btz_error_detail(), "open a: No such file or directory");
    assert_int_equal(btz_fail(BTZ_IO, "%s", longest), BTZ_IO);
    assert_int_equal(strlen(btz_error_detail()), 1023);
}

/* What is too large leaves nothing of itself behind. */
static void test_json_all_or_nothing(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(64);
    BTZ_JSON json_t *value =
        json_pack("[s, s]", "short", "a string that is longer than the sixty-four bytes of room");
    (void)state;
    assert_int_equal(btz_buf_add_str(&out, "kept"), BTZ_OK);
    assert_int_equal(btz_json_write(value, false, &out), BTZ_LIMIT);
    assert_true(btz_slice_is(btz_buf_slice(&out), "kept"));
}

static void test_file_write(void **state)
{
    char dir[] = "/tmp/btz-base-XXXXXX", file[64], link[64], pipe[64];
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(100);
    struct stat st;
    mode_t before;
    DIR *folder;
    size_t entries = 0;
    int fd;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/file", dir);
    snprintf(link, sizeof link, "%s/link", dir);
    snprintf(pipe, sizeof pipe, "%s/pipe", dir);
    before = umask(027);
    assert_int_equal(btz_file_write(file, btz_str("one"), 0644), BTZ_OK);
    umask(before);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    /* A link is replaced: what it pointed to keeps its content. */
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(btz_file_write(link, btz_str("two"), 0600), BTZ_OK);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(btz_file_read(file, 99, &text), BTZ_OK);
    assert_true(btz_slice_is(btz_buf_slice(&text), "one"));
    /* A pipe is written to and stays one. */
    assert_int_equal(mkfifo(pipe, 0600), 0);
    fd = open(pipe, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(btz_file_write(pipe, btz_str("three"), 0600), BTZ_OK);
    btz_buf_clear(&text);
    assert_int_equal(btz_buf_reserve(&text, 64), BTZ_OK);
    assert_int_equal(read(fd, text.ptr, 64), 5);
    close(fd);
    assert_int_equal(stat(pipe, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    /* A folder cannot be replaced, and nothing is left beside it. */
    assert_int_equal(btz_file_write(dir, btz_str("four"), 0600), BTZ_IO);
    folder = opendir("/tmp");
    assert_non_null(folder);
    for (const struct dirent *e; (e = readdir(folder)) != NULL;)
        entries += strncmp(e->d_name, dir + 5, strlen(dir + 5)) == 0;
    closedir(folder);
    assert_int_equal(entries, 1);
    unlink(file);
    unlink(link);
    unlink(pipe);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_limit),
        cmocka_unit_test(test_arena_limit),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_empty_slice),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_json),
        cmocka_unit_test(json_alike),
        cmocka_unit_test(test_error_detail),
        cmocka_unit_test(test_json_all_or_nothing),
        cmocka_unit_test(test_file_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
