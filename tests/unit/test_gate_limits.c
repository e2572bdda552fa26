/* `bartizan gate limits` over a table that was counted in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/json.h"
#include "cli/cli.h"
#include "limits_place.h"

extern const struct btz_command btz_command_gate_limits;

static const char yaml[] = "version: 1\n"
                           "gate:\n"
                           "  upstreams:\n"
                           "    - name: local\n"
                           "      url: http://127.0.0.1:11434\n"
                           "  limits:\n"
                           "    - each: principal\n"
                           "      requests_per_minute: 10\n"
                           "      budget: 2.5\n"
                           "    - each: everything\n"
                           "      tokens_per_minute: 1000\n";

struct shown {
    int status;
    char out[8192], err[1024];
};

static void read_back(FILE *f, char *out, size_t size)
{
    size_t n;

    rewind(f);
    n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
}

static void show(const char *folder, int format, struct shown *s)
{
    char config[128], state[128];
    struct btz_cli cli = { .out = tmpfile(), .err = tmpfile() };
    struct {
        int format;
    } args = { format };

    assert_non_null(cli.out);
    assert_non_null(cli.err);
    snprintf(config, sizeof config, "%s/bartizan.yaml", folder);
    snprintf(state, sizeof state, "%s/state", folder);
    cli.config_path = config;
    cli.state_dir = state;
    cli.command = &btz_command_gate_limits;
    s->status = btz_command_gate_limits.run(&cli, &args, NULL, 0);
    read_back(cli.out, s->out, sizeof s->out);
    read_back(cli.err, s->err, sizeof s->err);
}

static void count(const char *path)
{
    struct btz_limit_conf conf[2] = { no_limit(BTZ_LIMIT_PRINCIPAL, "*"),
                                      no_limit(BTZ_LIMIT_EVERYTHING, "*") };
    uint64_t now = btz_clock_unix_ms();
    struct btz_lease lease;
    struct btz_refusal why;
    struct btz_limits *l;

    conf[0].requests_per_minute = 10;
    conf[0].budget = 2.5;
    conf[1].tokens_per_minute = 1000;
    assert_int_equal(btz_limits_open(path, conf, 2, &l), BTZ_OK);
    assert_int_equal(ask(l, "ali\x1b[2J\"ce", 300, 1250000, now, &lease, &why), BTZ_OK);
    assert_int_equal(ask(l, "bob", 100, 0, now, &lease, &why), BTZ_OK);
    btz_limits_close(l);
}

static const json_t *find(const json_t *all, const char *kind, const char *name)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);

        if (strcmp(json_string_value(json_object_get(o, "kind")), kind) == 0 &&
            strcmp(json_string_value(json_object_get(o, "name")), name) == 0)
            return o;
    }
    return NULL;
}

static void test_command(void **state)
{
    char folder[] = "/tmp/btz-gate-limits-XXXXXX", path[128];
    BTZ_JSON json_t *all = NULL;
    struct shown s;
    const json_t *o;
    (void)state;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/bartizan.yaml", folder);
    assert_int_equal(btz_file_write(path, btz_str(yaml), 0600), BTZ_OK);
    show(folder, 0, &s); /* no gateway ran here */
    if (s.status != 0)
        fail_msg("%s", s.err);
    assert_non_null(strstr(s.out, "(nothing is in use)"));
    snprintf(path, sizeof path, "%s/state/gate", folder);
    assert_int_equal(btz_file_mkdirs(path, 0700), BTZ_OK);
    snprintf(path, sizeof path, "%s/state/gate/limits", folder);
    count(path);

    show(folder, 0, &s);
    assert_int_equal(s.status, 0);
    assert_null(strchr(s.out, '\x1b'));
    assert_non_null(strstr(s.out, "1.250000"));
    assert_non_null(strstr(s.out, "2.500000"));
    assert_true(strstr(s.out, "budget") <
                strstr(s.out, "requests-per-minute")); /* the fullest first */

    show(folder, 1, &s);
    assert_int_equal(s.status, 0);
    assert_int_equal(btz_json_parse(btz_str(s.out), 1 << 20, "limits", &all), BTZ_OK);
    assert_int_equal(json_array_size(all), 4);
    o = find(all, "budget", "ali\x1b[2J\"ce");
    assert_non_null(o);
    assert_true(json_real_value(json_object_get(o, "used")) > 1.2499 &&
                json_real_value(json_object_get(o, "used")) < 1.2501);
    assert_non_null(strstr(json_string_value(json_object_get(o, "window_ends")), "T00:00:00.000Z"));
    o = find(all, "tokens-per-minute", "");
    assert_non_null(o);
    assert_int_equal(json_integer_value(json_object_get(o, "used")), 400);
    assert_int_equal(json_integer_value(json_object_get(o, "limit")), 1000);
    assert_non_null(find(all, "requests-per-minute", "bob"));

    assert_int_equal(truncate(path, 5000), 0);
    show(folder, 0, &s);
    assert_int_equal(s.status, 3);
    assert_non_null(strstr(s.err, "no table of limits"));
    unlink(path);
    snprintf(path, sizeof path, "%s/state/gate", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/state", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/bartizan.yaml", folder);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_command) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
