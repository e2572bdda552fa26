/* Tables of keys: loading, every refusal, what is shown, the commented file and the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/conf.h"

struct bot {
    const char *name, *url, *key;
    bool stream;
    int64_t retries, timeout;
    double rate;
    int mode;
    uint64_t expires;
    struct btz_conf_list command, headers, secrets;
};
struct inner {
    int64_t budget;
    const char *label;
};
struct outer {
    const char *title;
    struct btz_conf_list bots;
    struct inner inner;
};

static const char *const modes[] = { "fast", "careful", NULL };

#define AT(field) offsetof(struct bot, field)
static const struct btz_conf_key bot_keys[] = {
    { "name", BTZ_CONF_STRING, AT(name), .help = "Name of the bot.", .required = true },
    { "url", BTZ_CONF_STRING, AT(url), .fallback = "http://127.0.0.1:1",
      .help = "Where it listens." },
    { "key", BTZ_CONF_SECRET, AT(key), .help = "Credential." },
    { "stream", BTZ_CONF_BOOL, AT(stream), .fallback = "true", .help = "Ask for streams." },
    { "retries", BTZ_CONF_INT, AT(retries), .fallback = "3", .help = "Tries after the first.",
      .min = 0, .max = 10 },
    { "timeout", BTZ_CONF_DURATION, AT(timeout), .fallback = "30s", .help = "Of one try.", .min = 1,
      .max = 600000 },
    { "rate", BTZ_CONF_REAL, AT(rate), .fallback = "0.5", .help = "Requests per second.", .min = 0,
      .max = 100 },
    { "mode", BTZ_CONF_ENUM, AT(mode), .fallback = "careful", .help = "How.", .choices = modes },
    { "expires", BTZ_CONF_DATE, AT(expires), .help = "Last day." },
    { "command", BTZ_CONF_STRINGS, AT(command), .fallback = "[echo, \"a b\"]", .help = "Program." },
    { "headers", BTZ_CONF_PAIRS, AT(headers), .help = "HTTP headers." },
    { "known_secrets", BTZ_CONF_SECRETS, AT(secrets), .help = "What must not leak." },
};
static const struct btz_conf_struct bot_conf = { "bot", sizeof(struct bot), bot_keys,
                                                 BTZ_COUNT(bot_keys) };
static const struct btz_conf_key inner_keys[] = {
    { "budget", BTZ_CONF_INT, offsetof(struct inner, budget), .fallback = "100",
      .help = "Most requests." },
    { "label", BTZ_CONF_STRING, offsetof(struct inner, label), .help = "Says who.",
      .required = true },
};
static const struct btz_conf_struct inner_conf = { "inner", sizeof(struct inner), inner_keys, 2 };
static const struct btz_conf_key outer_keys[] = {
    { "title", BTZ_CONF_STRING, offsetof(struct outer, title), .fallback = "none",
      .help = "What it is | was." },
    { "bots", BTZ_CONF_STRUCTS, offsetof(struct outer, bots), .help = "Who.", .of = &bot_conf },
    { "inner", BTZ_CONF_STRUCT, offsetof(struct outer, inner), .help = "More.", .of = &inner_conf },
};
static const struct btz_conf_struct outer_conf = { "", sizeof(struct outer), outer_keys, 3 };

static const char *fake_env(void *user, const char *name)
{
    (void)user;
    if (strcmp(name, "TOKEN") == 0)
        return "s3cret ${HOME}";
    if (strcmp(name, "PORT") == 0)
        return "8";
    if (strcmp(name, "EMPTY") == 0)
        return "";
    return NULL;
}
static const struct btz_conf_env env = { fake_env, NULL };

static struct btz_arena arena;

static int setup(void **state)
{
    (void)state;
    btz_arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    btz_arena_release(&arena);
    return 0;
}

static const struct btz_yaml *parsed(const char *text)
{
    const struct btz_yaml *root = NULL;

    if (btz_yaml_parse(btz_str(text), "f", &arena, &root) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
    return root;
}

static void load(const char *text, struct outer *out)
{
    if (btz_conf_load(parsed(text), &outer_conf, "f", &env, &arena, out) != BTZ_OK)
        fail_msg("%s", btz_error_detail());
}

static void test_defaults(void **state)
{
    struct outer o;
    const struct bot *b;

    (void)state;
    load("", &o);
    assert_string_equal(o.title, "none");
    assert_int_equal(o.bots.count, 0);
    assert_int_equal(o.inner.budget, 100);
    assert_null(o.inner.label);
    load("bots: [{name: x}]\ntitle:\n", &o);
    b = o.bots.items;
    assert_int_equal(o.bots.count, 1);
    assert_string_equal(b->name, "x");
    assert_string_equal(b->url, "http://127.0.0.1:1");
    assert_null(b->key);
    assert_true(b->stream);
    assert_int_equal(b->retries, 3);
    assert_int_equal(b->timeout, 30000);
    assert_true(b->rate == 0.5);
    assert_int_equal(b->mode, 1);
    assert_int_equal(b->expires, 0);
    assert_int_equal(b->command.count, 2);
    assert_string_equal(((const char *const *)b->command.items)[1], "a b");
    assert_int_equal(b->headers.count, 0);
    assert_string_equal(o.title, "none");
}

static void test_values(void **state)
{
    struct outer o;
    const struct bot *b;
    const struct btz_conf_pair *pair;

    (void)state;
    load("title: 12\n"
         "bots:\n"
         "  - name: a\n"
         "    url: \"https://x/$${y}/${PORT}z\"\n"
         "    key: ${TOKEN}\n"
         "    stream: false\n"
         "    retries: \"${PORT}\"\n"
         "    timeout: 5m\n"
         "    rate: 1e1\n"
         "    mode: fast\n"
         "    expires: 2027-01-31\n"
         "    command: []\n"
         "    headers: {Authorization: 'Bearer ${TOKEN}', X-Y: 3}\n"
         "  - {name: b, known_secrets: [q]}\n"
         "inner: {label: \"\", budget: -7}\n",
         &o);
    b = o.bots.items;
    assert_string_equal(o.title, "12");
    assert_int_equal(o.bots.count, 2);
    assert_string_equal(b->url, "https://x/${y}/8z");
    /* What comes from the environment is not looked at again. */
    assert_string_equal(b->key, "s3cret ${HOME}");
    assert_false(b->stream);
    assert_int_equal(b->retries, 8);
    assert_int_equal(b->timeout, 300000);
    assert_true(b->rate == 10.0);
    assert_int_equal(b->mode, 0);
    assert_int_equal(b->expires, UINT64_C(1801353600000));
    assert_int_equal(b->command.count, 0);
    assert_int_equal(b->headers.count, 2);
    pair = b->headers.items;
    assert_string_equal(pair[0].value, "Bearer s3cret ${HOME}");
    assert_string_equal(pair[1].name, "X-Y");
    assert_string_equal(pair[1].value, "3");
    assert_string_equal(b[1].name, "b");
    assert_string_equal(((const char *const *)b[1].secrets.items)[0], "q");
    assert_string_equal(o.inner.label, "");
    assert_int_equal(o.inner.budget, -7);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *text, *detail;
    } cases[] = {
        { "titel: x", "f:1: unknown key `titel`; did you mean `title`?" },
        { "a: 1\n\nzzzz: x", "f:1: unknown key `a`; expected one of: title, bots, inner" },
        { "bots:\n  - name: a\n    urll: x",
          "f:3: unknown key `urll` in bot; did you mean `url`?" },
        { "bots:\n  - url: x", "f:2: bot: `name` is missing: Name of the bot." },
        { "inner:", "f:1: inner: `label` is missing: Says who." },
        { "title: [x]", "f:1: `title`: expected a single value, found a list" },
        { "bots: x",
          "f:1: `bots`: expected a list, each entry behind a dash, found a single value" },
        { "bots: [x]", "f:1: `bots`: expected a map of keys in the list, found a single value" },
        { "inner: [x]", "f:1: `inner`: expected a map of keys, found a list" },
        { "[x]", "f:1: expected a map of keys, found a list" },
        { "bots:\n- name: a\n- name: b\n- name: a",
          "f:4: a second bot has the name `a`; names are unique in `bots`" },
#define BOT(line) "bots:\n- name: a\n  " line
        { BOT("stream: yes"), "f:3: `stream` in bot: expected true or false, found `yes`" },
        { BOT("stream: \"true\""),
          "f:3: `stream` in bot: expected true or false, found `true` in quotes" },
        { BOT("retries: many"),
          "f:3: `retries` in bot: expected a whole number from 0 to 10, found `many`" },
        { BOT("retries: 11"),
          "f:3: `retries` in bot: expected a whole number from 0 to 10, found `11`" },
        { BOT("retries: 1.5"),
          "f:3: `retries` in bot: expected a whole number from 0 to 10, found `1.5`" },
        { BOT("retries: ${TOKEN}"), "f:3: `retries` in bot: expected a whole number from 0 to 10, "
                                    "found the value of `${TOKEN}`" },
        { BOT("retries: ${EMPTY}"), "f:3: `retries` in bot: expected a whole number from 0 to 10, "
                                    "found the value of `${EMPTY}`" },
        { "inner: {label: x, budget: 99999999999999999999}",
          "f:1: `budget` in inner: expected a whole number, found `99999999999999999999`" },
        { BOT("rate: -1"), "f:3: `rate` in bot: expected a number from 0 to 100, found `-1`" },
        { BOT("timeout: 30"), "f:3: `timeout` in bot: expected a duration such as 500ms, 30s, 5m, "
                              "2h or 7d, found `30`" },
        { BOT("timeout: 1d"),
          "f:3: `timeout` in bot: expected a duration from 1ms to 600000ms, found `1d`" },
        { BOT("mode: carefull"), "f:3: `mode` in bot: expected one of fast, careful, found "
                                 "`carefull`; did you mean `careful`?" },
        { BOT("mode: 77777"), "f:3: `mode` in bot: expected one of fast, careful, found `77777`" },
        { BOT("expires: 2027-02-30"),
          "f:3: `expires` in bot: expected a date such as 2027-01-31, found `2027-02-30`" },
        { BOT("command: echo"),
          "f:3: `command` in bot: expected a list such as [a, b], found a single value" },
        { BOT("command: [[a]]"), "f:3: `command` in bot: expected text in the list, found a list" },
        { BOT("headers: [a]"),
          "f:3: `headers` in bot: expected a map of names to text, found a list" },
        { BOT("headers: {a: {}}"),
          "f:3: `headers` in bot: expected text behind each name, found a map of keys" },
        { BOT("key: ${NOT_SET}"), "f:3: `key` in bot: the environment variable NOT_SET is not set; "
                                  "export it first" },
        { BOT("key: ${1x}"), "f:3: `key` in bot: expected ${NAME} of letters, digits and _; write "
                             "$${ for a literal ${" },
        { BOT("url: \"${PORT\""), "f:3: `url` in bot: expected ${NAME} of letters, digits and _; "
                                  "write $${ for a literal ${" },
    };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(cases); i++) {
        struct outer o;

        assert_int_equal(btz_conf_load(parsed(cases[i].text), &outer_conf, "f", &env, &arena, &o),
                         BTZ_USAGE);
        assert_string_equal(btz_error_detail(), cases[i].detail);
    }
}

static void test_duration(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = { { "0", 0 },        { "500ms", 500 },
                 { "30s", 30000 },  { "5m", 300000 },
                 { "2h", 7200000 }, { "7d", 604800000 },
                 { "0s", 0 },       { "999999999999ms", 999999999999 } };
    static const char *const bad[] = { "",   "5",   "s",    "-5s",   "1.5h",           "5 s",
                                       "5S", "05s", "5sec", "1h30m", "9999999999999s", " 5s",
                                       "5s " };
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(good); i++) {
        assert_int_equal(btz_conf_duration(good[i].text, &ms), BTZ_OK);
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < BTZ_COUNT(bad); i++)
        assert_int_equal(btz_conf_duration(bad[i], &ms), BTZ_USAGE);
}

static void expect_shown(const char *text, bool origin, const char *expected)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);
    const char *shown;

    assert_int_equal(btz_conf_show(parsed(text), &outer_conf, "f", origin, &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &shown), BTZ_OK);
    assert_string_equal(shown, expected);
}

static void test_show(void **state)
{
    (void)state;
    expect_shown("", true,
                 "title = none  # default\n"
                 "bots = []  # default\n"
                 "inner.budget = 100  # default\n"
                 "inner.label = (unset)  # default\n");
    expect_shown("title: \"a b\\e[2J\"\n"
                 "bots:\n"
                 "  - name: a\n"
                 "    url: https://me:pw@host/x@y\n"
                 "    key: sk-literal\n"
                 "    command: []\n"
                 "    headers:\n"
                 "      Authorization: Bearer ${TOKEN}\n"
                 "      X-Api-Key: literal\n"
                 "      Cookie: sid=1 ${TOKEN}\n"
                 "      Accept: x/y\n"
                 "    known_secrets: [one, \"${TOKEN}\"]\n"
                 "inner: {label: \"${TOKEN}\"}\n",
                 true,
                 "title = \"a b\\x1b[2J\"  # f:1\n"
                 "bots[0].name = a  # f:3\n"
                 "bots[0].url = https://(hidden)@host/x@y  # f:4\n"
                 "bots[0].key = (hidden)  # f:5\n"
                 "bots[0].stream = true  # default\n"
                 "bots[0].retries = 3  # default\n"
                 "bots[0].timeout = 30s  # default\n"
                 "bots[0].rate = 0.5  # default\n"
                 "bots[0].mode = careful  # default\n"
                 "bots[0].expires = (unset)  # default\n"
                 "bots[0].command = []  # f:6\n"
                 "bots[0].headers.Authorization = \"Bearer ${TOKEN}\"  # ${TOKEN} (f:8)\n"
                 "bots[0].headers.X-Api-Key = (hidden)  # f:9\n"
                 "bots[0].headers.Cookie = (hidden)  # ${TOKEN} (f:10)\n"
                 "bots[0].headers.Accept = x/y  # f:11\n"
                 "bots[0].known_secrets[0] = (hidden)  # f:12\n"
                 "bots[0].known_secrets[1] = ${TOKEN}  # ${TOKEN} (f:12)\n"
                 "inner.budget = 100  # default\n"
                 "inner.label = ${TOKEN}  # ${TOKEN} (f:13)\n");
    expect_shown("title: x", false,
                 "title = x\nbots = []\ninner.budget = 100\ninner.label = (unset)\n");
}

struct lines {
    struct btz_log log;
    struct btz_buf text;
};

static void keep_line(struct btz_log *log, enum btz_log_level level, const char *line)
{
    struct lines *l = log->user;

    assert_int_equal(level, BTZ_LOG_WARN);
    assert_int_equal(btz_buf_printf(&l->text, "%s\n", line), BTZ_OK);
}

static void test_warn(void **state)
{
    struct lines l = { .log = { BTZ_LOG_WARN, keep_line, &l }, .text = BTZ_BUF(4096) };

    (void)state;
    btz_conf_warn(parsed("bots:\n- name: a\n  key: sk-literal\n- name: b\n  key: ${TOKEN}\n"
                         "- name: c\n  key:\n- x\ninner: 3\n"),
                  &outer_conf, "f", &l.log);
    assert_true(btz_slice_is(btz_buf_slice(&l.text),
                             "f:3: `key` in bot holds a secret in clear; write ${NAME} instead and "
                             "set NAME in the environment\n"));
    btz_buf_release(&l.text);
}

/* Removes the "#" of disabled keys, keeps comments ("# ..."). */
static const char *enable_all(struct btz_slice text, struct btz_buf *out)
{
    struct btz_reader r = { .in = text };
    struct btz_slice line;
    const char *all;

    while (btz_read_line(&r, &line)) {
        size_t hash = 0;

        while (hash < line.len && line.ptr[hash] == ' ')
            hash++;
        if (hash + 1 < line.len && line.ptr[hash] == '#' && line.ptr[hash + 1] != ' ') {
            assert_int_equal(btz_buf_add(out, line.ptr, hash), BTZ_OK);
            line = btz_slice_sub(line, hash + 1, line.len);
        }
        assert_int_equal(btz_buf_add_slice(out, line), BTZ_OK);
        assert_int_equal(btz_buf_add_byte(out, '\n'), BTZ_OK);
    }
    assert_int_equal(btz_buf_cstr(out, &all), BTZ_OK);
    return all;
}

static void test_example(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16), enabled = BTZ_BUF(1 << 16);
    struct outer o;
    const struct bot *b;
    const char *text;

    (void)state;
    /* As it is, nothing is set. */
    assert_int_equal(btz_conf_example(&outer_conf, NULL, &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
    assert_null(parsed(text)->first);
    assert_non_null(strstr(text, "# How. One of fast, careful.\n    #mode: careful\n"));
    assert_non_null(strstr(text, "#bots:\n"));
    assert_non_null(strstr(text, "\n  #- name: name\n"));
    /* Without the marks every key is set and loads. */
    load(enable_all(btz_buf_slice(&out), &enabled), &o);
    assert_int_equal(o.bots.count, 1);
    b = o.bots.items;
    assert_string_equal(b->name, "name");
    assert_int_equal(b->timeout, 30000);
    assert_int_equal(b->command.count, 2);
    assert_string_equal(o.inner.label, "label");
}

static void test_example_given(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16), enabled = BTZ_BUF(1 << 16);
    struct outer o, back;
    const struct bot *b;
    const char *text;
    static const char given[] = "title: two\n\n  lines\n"
                                "bots:\n"
                                "  - {mode: fast, name: a, key: \"${TOKEN}\"}\n"
                                "  - {name: \"b\\n\\\"\", headers: {A: \"b, c\"}}\n"
                                "inner: {label: \"true\"}\n";

    (void)state;
    load(given, &o);
    assert_int_equal(btz_conf_example(&outer_conf, parsed(given), &out), BTZ_OK);
    assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
    load(text, &back);
    b = back.bots.items;
    assert_string_equal(back.title, o.title);
    assert_int_equal(back.bots.count, 2);
    assert_string_equal(b->name, "a");
    assert_int_equal(b->mode, 0);
    assert_string_equal(b->key, "s3cret ${HOME}");
    assert_string_equal(b[1].name, "b\n\"");
    assert_string_equal(((const struct btz_conf_pair *)b[1].headers.items)->value, "b, c");
    assert_string_equal(back.inner.label, "true");
    load(enable_all(btz_buf_slice(&out), &enabled), &back);
    assert_int_equal(back.bots.count, 2);
}

static void test_reference(void **state)
{
    BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(1 << 16);
    struct btz_slice text;

    (void)state;
    assert_int_equal(btz_conf_reference(&outer_conf, &out), BTZ_OK);
    text = btz_buf_slice(&out);
    assert_true(btz_slice_has(text, "| `title` | text | `none` | What it is \\| was. |\n"));
    assert_true(btz_slice_has(text, "\n### `bots[]`\n\nWho.\n"));
    assert_true(btz_slice_has(text, "| `name` | text | required | Name of the bot. |\n"));
    assert_true(btz_slice_has(text, "| `retries` | whole number from 0 to 10 | `3` |"));
    assert_true(btz_slice_has(text, "| `mode` | one of `fast`, `careful` | `careful` |"));
}

static void test_write_text(void **state)
{
    static const char *const texts[] = { "...",      "---",
                                         ".",        ".5",
                                         "",         "plain",
                                         "true",     "No",
                                         "~",        "a b",
                                         "a: b",     "https://x:1/y",
                                         "-x",       "x-y",
                                         "#x",       "x #y",
                                         "\"q\\",    "a\nb",
                                         "\x01\x7F", "1",
                                         "[x",       "{{prompt}}",
                                         "*a",       "&a",
                                         "${NAME}",  "\xC3\xA4\xE2\x80\xA8",
                                         "a:",       "@x",
                                         "`x" };

    (void)state;
    for (size_t i = 0; i < BTZ_COUNT(texts); i++) {
        BTZ_BUF_RELEASE struct btz_buf out = BTZ_BUF(4096);
        const char *text;

        assert_int_equal(btz_buf_add_str(&out, "k: [ "), BTZ_OK);
        assert_int_equal(btz_yaml_write_text(texts[i], &out), BTZ_OK);
        assert_int_equal(btz_buf_add_str(&out, " ]"), BTZ_OK);
        assert_int_equal(btz_buf_cstr(&out, &text), BTZ_OK);
        assert_string_equal(parsed(text)->first->first->text, texts[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),  TEST(test_values),     TEST(test_refusals), TEST(test_duration),
        TEST(test_show),      TEST(test_warn),       TEST(test_example),  TEST(test_example_given),
        TEST(test_reference), TEST(test_write_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
