/* Option parsing, help, manual and completion, over tables of the test and over the real registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/options.h"

struct args {
    bool force, all;
    const char *output;
    struct btz_option_list probes, formats;
    int64_t threads, timeout;
    double rate;
    int fail_on, mode;
};

static const char *const levels[] = { "info", "low", "high", NULL };
static const char *const modes[] = { "fast", "slow", NULL };

#define AT(field) offsetof(struct args, field)
static const struct btz_option options[] = {
    { .name = "force", .letter = 'f', .kind = BTZ_OPTION_FLAG, .offset = AT(force), .help = "F." },
    { .name = "all", .letter = 'a', .kind = BTZ_OPTION_FLAG, .offset = AT(all), .help = "A." },
    { .name = "output",
      .letter = 'o',
      .kind = BTZ_OPTION_STRING,
      .offset = AT(output),
      .metavar = "FILE",
      .help = "Where to." },
    { .name = "probe", .kind = BTZ_OPTION_STRINGS, .offset = AT(probes), .help = "P." },
    { .name = "format",
      .kind = BTZ_OPTION_STRINGS,
      .offset = AT(formats),
      .help = "F.",
      .fallback = "text" },
    { .name = "threads",
      .letter = 't',
      .kind = BTZ_OPTION_INT,
      .offset = AT(threads),
      .help = "T.",
      .fallback = "4",
      .min = 1,
      .max = 64 },
    { .name = "timeout",
      .kind = BTZ_OPTION_DURATION,
      .offset = AT(timeout),
      .help = "T.",
      .fallback = "30s" },
    { .name = "rate",
      .kind = BTZ_OPTION_REAL,
      .offset = AT(rate),
      .help = "R.",
      .min = 0,
      .max = 0.5 },
    { .name = "fail-on",
      .kind = BTZ_OPTION_CHOICE,
      .offset = AT(fail_on),
      .help = "L.",
      .fallback = "high",
      .choices = levels },
    { .name = "mode",
      .kind = BTZ_OPTION_CHOICE,
      .offset = AT(mode),
      .help = "M.",
      .choices = modes },
};

static const struct btz_command command = {
    .noun = "thing",
    .verb = "do",
    .summary = "Do the thing.",
    .details = "A paragraph that is long enough that it has to be wrapped on a narrow terminal of "
               "forty columns.\n\nExamples:\n  bartizan thing do -fa",
    .operands = "FILE...",
    .max_operands = 2,
    .options = options,
    .option_count = BTZ_COUNT(options),
    .args_size = sizeof(struct args),
};

struct parse {
    struct btz_arena arena;
    struct btz_common_args common;
    struct btz_parsed parsed;
    enum btz_err err;
};

#define PARSE(p, ...)                                                                              \
    do {                                                                                           \
        static const char *const argv_[] = { __VA_ARGS__ };                                        \
        btz_arena_init(&(p)->arena, 1 << 16);                                                      \
        btz_common_init(&(p)->common);                                                             \
        (p)->err = btz_options_parse(&command, argv_, BTZ_COUNT(argv_), &(p)->arena, &(p)->common, \
                                     &(p)->parsed);                                                \
    } while (0)

static void test_defaults(void **state)
{
    struct parse p;
    const struct args *a;

    (void)state;
    PARSE(&p, "x");
    assert_int_equal(p.err, BTZ_OK);
    a = p.parsed.args;
    assert_int_equal(a->threads, 4);
    assert_int_equal(a->timeout, 30000);
    assert_int_equal(a->fail_on, 2);
    assert_int_equal(a->mode, -1);
    assert_int_equal(a->probes.count, 0);
    assert_int_equal(a->formats.count, 1);
    assert_string_equal(a->formats.items[0], "text");
    assert_null(a->output);
    assert_false(a->force);
    assert_string_equal(p.common.config, "bartizan.yaml");
    btz_arena_release(&p.arena);
}

static void test_values(void **state)
{
    struct parse p;
    const struct args *a;

    (void)state;
    PARSE(&p, "one", "-fao", "out", "--threads=64", "--timeout", "5m", "--rate", "5e-1",
          "--fail-on", "low", "--probe", "a", "--probe=b", "--probe", "-c", "--format", "json",
          "-q", "--state", "dir", "--", "--two");
    assert_int_equal(p.err, BTZ_OK);
    a = p.parsed.args;
    assert_true(a->force && a->all && p.common.quiet);
    assert_string_equal(a->output, "out");
    assert_int_equal(a->threads, 64);
    assert_int_equal(a->timeout, 300000);
    assert_true(a->rate == 0.5);
    assert_int_equal(a->fail_on, 1);
    assert_int_equal(a->probes.count, 3);
    assert_string_equal(a->probes.items[0], "a");
    assert_string_equal(a->probes.items[1], "b");
    assert_string_equal(a->probes.items[2], "-c");
    /* What is given replaces a list's default. */
    assert_int_equal(a->formats.count, 1);
    assert_string_equal(a->formats.items[0], "json");
    assert_string_equal(p.common.state, "dir");
    assert_int_equal(p.parsed.operand_count, 2);
    assert_string_equal(p.parsed.operands[0], "one");
    assert_string_equal(p.parsed.operands[1], "--two");
    btz_arena_release(&p.arena);
    PARSE(&p, "-ofile", "-", "-t2");
    assert_int_equal(p.err, BTZ_OK);
    a = p.parsed.args;
    assert_string_equal(a->output, "file");
    assert_int_equal(a->threads, 2);
    assert_string_equal(p.parsed.operands[0], "-");
    btz_arena_release(&p.arena);
    /* --help wins over what is missing or comes later. */
    PARSE(&p, "--help", "--bogus");
    assert_int_equal(p.err, BTZ_OK);
    assert_true(p.common.help);
    btz_arena_release(&p.arena);
}

#define REFUSED(text, ...)                                                                         \
    do {                                                                                           \
        struct parse p_;                                                                           \
        PARSE(&p_, __VA_ARGS__);                                                                   \
        assert_int_equal(p_.err, BTZ_USAGE);                                                       \
        assert_string_equal(btz_error_detail(), text);                                             \
        btz_arena_release(&p_.arena);                                                              \
    } while (0)

static void test_errors(void **state)
{
    (void)state;
    REFUSED("unknown option --forse; did you mean --force?", "--forse");
    REFUSED("unknown option --quite; did you mean --quiet?", "--quite");
    REFUSED("unknown option --zzzzzz; `bartizan thing do --help` lists them", "--zzzzzz=1");
    REFUSED("unknown option -z in \"-fz\"; `bartizan thing do --help` lists them", "-fz");
    REFUSED("option --force takes no value, found \"yes\"", "--force=yes");
    REFUSED("option --output needs a value: --output FILE", "--output");
    REFUSED("option --output needs a value: --output FILE", "-fo");
    REFUSED("option --output needs a value, found \"--force\"; if that is meant, write "
            "--output=--force",
            "--output", "--force");
    REFUSED("option --threads: expected a whole number from 1 to 64, found \"0\"", "--threads",
            "0");
    REFUSED("option --threads: expected a whole number from 1 to 64, found \"3x\"", "-t3x");
    REFUSED("option --threads: expected a whole number from 1 to 64, found \" 3\"", "-t 3");
    REFUSED("option --threads: expected a whole number from 1 to 64, found "
            "\"99999999999999999999\"",
            "--threads=99999999999999999999");
    REFUSED("option --rate: expected a number from 0 to 0.5, found \"0.6\"", "--rate", "0.6");
    REFUSED("option --rate: expected a number from 0 to 0.5, found \"nan\"", "--rate", "nan");
    REFUSED("option --timeout: expected a duration such as 500ms, 30s, 5m, 2h or 7d, found \"5\"",
            "--timeout", "5");
    REFUSED("option --fail-on: expected one of info, low, high, found \"hihg\"; did you mean "
            "\"high\"?",
            "--fail-on", "hihg");
    REFUSED("option --fail-on: expected one of info, low, high, found \"9999\"", "--fail-on=9999");
    REFUSED("`bartizan thing do` takes at most 2 operands (FILE...), found \"c\" too", "a", "b",
            "c");
}

static void test_required(void **state)
{
    static const struct btz_option required[] = {
        { .name = "output", .kind = BTZ_OPTION_STRING, .offset = AT(output), .required = true },
    };
    static const struct btz_command strict = { .noun = "thing",
                                               .operands = "FILE",
                                               .min_operands = 1,
                                               .max_operands = 1,
                                               .options = required,
                                               .option_count = 1,
                                               .args_size = sizeof(struct args) };
    static const char *const none[] = { "x" }, *const bare[] = { "--output", "y" };
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_common_args common;
    struct btz_parsed parsed;

    (void)state;
    btz_arena_init(&arena, 1 << 16);
    btz_common_init(&common);
    assert_int_equal(btz_options_parse(&strict, none, 1, &arena, &common, &parsed), BTZ_USAGE);
    assert_string_equal(btz_error_detail(), "option --output is required: --output TEXT");
    assert_int_equal(btz_options_parse(&strict, bare, 2, &arena, &common, &parsed), BTZ_USAGE);
    assert_string_equal(btz_error_detail(),
                        "`bartizan thing` needs FILE; `bartizan thing --help` says more");
}

static size_t longest_line(struct btz_slice text)
{
    struct btz_reader r = { .in = text };
    struct btz_slice line;
    size_t longest = 0;

    while (btz_read_line(&r, &line))
        if (line.len > longest)
            longest = line.len;
    return longest;
}

static void test_help_fits(void **state)
{
    (void)state;
    for (unsigned columns = 40; columns <= 120; columns += 8) {
        const struct btz_usage_style style = { .columns = columns };
        BTZ_BUF_RELEASE struct btz_buf one = BTZ_BUF(1 << 16), all = BTZ_BUF(1 << 16);

        assert_int_equal(btz_usage_command(&command, &style, &one), BTZ_OK);
        assert_in_range(longest_line(btz_buf_slice(&one)), 30, columns);
        assert_true(btz_slice_has(btz_buf_slice(&one), "  bartizan thing do -fa\n"));
        assert_int_equal(btz_usage_program(&style, &all), BTZ_OK);
        assert_in_range(longest_line(btz_buf_slice(&all)), 30, columns);
    }
}

/* A name as roff source has it. */
static void roff_name(const char *name, char *out)
{
    for (const char *p = name; *p; p++) {
        if (*p == '-')
            *out++ = '\\';
        *out++ = *p;
    }
    *out = '\0';
}

static void check_option(const struct btz_command *c, const struct btz_option *o,
                         struct btz_slice help, struct btz_slice man)
{
    char name[64], text[256], escaped[256];

    assert_true(o->help && o->help[0]);
    snprintf(name, sizeof name, "--%s", o->name);
    assert_true(btz_slice_has(help, name));
    roff_name(name, escaped);
    assert_true(btz_slice_has(man, escaped));
    for (size_t i = 0; btz_completion_shells[i]; i++) {
        BTZ_BUF_RELEASE struct btz_buf script = BTZ_BUF(4 << 20);

        assert_int_equal(btz_completion_script(btz_completion_shells[i], &script), BTZ_OK);
        if (strcmp(btz_completion_shells[i], "fish") == 0)
            snprintf(text, sizeof text, "__bartizan_is %s%s%s' -l %s", c->noun, c->verb ? " " : "",
                     c->verb ? c->verb : "", o->name);
        else
            snprintf(text, sizeof text, c->verb && strchr(c->verb, ' ') ? "%s/'%s')" : "%s/%s)",
                     c->noun, c->verb ? c->verb : "*");
        assert_true(btz_slice_has(btz_buf_slice(&script), text));
        assert_true(btz_slice_has(btz_buf_slice(&script), i < 2 ? name : o->name));
    }
}

/* Every option of every command stands in its help, its manual page and each completion script. */
static void test_documented(void **state)
{
    const struct btz_usage_style style = { .columns = 80 };

    (void)state;
    for (size_t i = 0; btz_commands()[i]; i++) {
        const struct btz_command *c = btz_commands()[i];
        BTZ_BUF_RELEASE struct btz_buf help = BTZ_BUF(1 << 20), man = BTZ_BUF(1 << 20);

        print_message("# bartizan %s %s\n", c->noun, c->verb ? c->verb : "");
        assert_int_equal(btz_usage_command(c, &style, &help), BTZ_OK);
        assert_int_equal(btz_manual_page(c->noun, &man), BTZ_OK);
        assert_non_null(c->summary);
        assert_true((c->operands != NULL) == (c->max_operands != 0));
        for (size_t k = 0; k < c->option_count; k++)
            check_option(c, &c->options[k], btz_buf_slice(&help), btz_buf_slice(&man));
        for (size_t k = 0; k < btz_common_option_count; k++)
            check_option(c, &btz_common_options[k], btz_buf_slice(&help), btz_buf_slice(&man));
    }
}

/* Names and letters of a command are its own, defaults parse, offsets stay inside the arguments. */
static void test_tables(void **state)
{
    static const char *const none[1] = { NULL };

    (void)state;
    for (size_t i = 0; btz_commands()[i]; i++) {
        const struct btz_command *c = btz_commands()[i];
        BTZ_ARENA_SCOPE struct btz_arena arena;
        struct btz_common_args common;
        struct btz_parsed parsed;

        btz_arena_init(&arena, 1 << 16);
        btz_common_init(&common);
        if (btz_options_parse(c, none, 0, &arena, &common, &parsed) != BTZ_OK)
            assert_true(strstr(btz_error_detail(), "required") ||
                        strstr(btz_error_detail(), "needs"));
        for (size_t k = 0; k < c->option_count; k++) {
            assert_true(c->options[k].offset < c->args_size);
            assert_true((c->options[k].kind == BTZ_OPTION_CHOICE) == !!c->options[k].choices);
            for (size_t m = 0; m < k + btz_common_option_count; m++) {
                const struct btz_option *o = m < k ? &c->options[m] : &btz_common_options[m - k];

                assert_string_not_equal(o->name, c->options[k].name);
                assert_true(!o->letter || o->letter != c->options[k].letter);
            }
        }
        assert_ptr_equal(btz_command_find(c->noun, c->verb), c);
    }
    assert_null(btz_command_find("nothing", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_values),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_required),
        cmocka_unit_test(test_help_fits), cmocka_unit_test(test_documented),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
