#include <math.h>

#include "access/policy/index.h"
#include "access/policy/parse.h"
#include "access/policy/snapshot.h"
#include "access/policy_tools.h"

#define FILE_MAX     (16u << 20)
#define INCLUDES_MAX 32
#define TESTS_MAX    100000

/* ---- tests ---- */

static enum btz_err parse_age(const struct btz_policy_reader *r, const struct btz_yaml *node,
                              uint32_t *out)
{
    const char *text;

    BTZ_TRY(btz_policy_text(r, node, &text));
    *out = UINT32_MAX;
    if (strcmp(text, "none") == 0)
        return BTZ_OK;
    if (strcmp(text, "0s") == 0) {
        *out = 0;
        return BTZ_OK;
    }
    return btz_policy_duration(r, node, out);
}

static enum btz_err parse_facts(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                struct btz_policy_case *c)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {
        { "name", &c->name },         { "principal", &c->principal }, { "key", &c->key },
        { "action", &c->action },     { "resource", &c->resource },   { "model", &c->model },
        { "endpoint", &c->endpoint }, { "tool", &c->tool },           { "address", &c->address },
        { "rule", &c->expect_rule },
    };
    const struct btz_yaml *n;
    struct btz_address address;

    for (size_t i = 0; i < BTZ_COUNT(texts); i++)
        if ((n = btz_yaml_get(node, texts[i].key)))
            BTZ_TRY(btz_policy_text(r, n, texts[i].out));
    if ((n = btz_yaml_get(node, "cost")))
        BTZ_TRY(btz_policy_real(r, n, &c->cost));
    if ((n = btz_yaml_get(node, "time")))
        BTZ_TRY(btz_policy_time(r, n, &c->now_s));
    if ((n = btz_yaml_get(node, "mfa_age")))
        BTZ_TRY(parse_age(r, n, &c->mfa_age_s));
    if ((n = btz_yaml_get(node, "client_cert")))
        BTZ_TRY(btz_policy_bool(r, n, &c->client_cert));
    if (c->address && btz_address_parse(c->address, &address) != BTZ_OK)
        return btz_policy_at(r, node->line, BTZ_USAGE);
    return BTZ_OK;
}

static enum btz_err parse_test(const struct btz_policy_reader *r, const struct btz_yaml *node,
                               uint64_t now_s, struct btz_policy_case *c)
{
    static const char *const keys[] = { "name",        "principal", "key",      "action",
                                        "resource",    "model",     "endpoint", "tool",
                                        "address",     "cost",      "time",     "mfa_age",
                                        "client_cert", "expect",    "rule",     NULL };
    static const char *const verdicts[] = { "deny", "allow", "step-up", NULL };
    const struct btz_yaml *expect;
    int verdict = 0;

    *c = (struct btz_policy_case){
        .cost = NAN, .now_s = now_s, .mfa_age_s = UINT32_MAX, .line = node->line
    };
    BTZ_TRY(btz_policy_keys(r, node, "test", keys));
    BTZ_TRY(parse_facts(r, node, c));
    expect = btz_yaml_get(node, "expect");
    if (!c->principal || !c->action || !c->resource || !expect) {
        btz_error_set("test: needs `principal`, `action`, `resource` and `expect`");
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    BTZ_TRY(btz_policy_choice(r, expect, verdicts, &verdict));
    c->expect = (enum btz_verdict)verdict;
    if (btz_action_find(c->action) < 0) {
        if (btz_action_pattern_check(c->action) == BTZ_OK)
            btz_error_set("`%s` is a pattern; a test asks for one action", c->action);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    return BTZ_OK;
}

static enum btz_err parse_tests(const struct btz_policy_reader *r, const struct btz_yaml *node,
                                uint64_t now_s, struct btz_policy_file *out)
{
    struct btz_policy_case *cases;
    size_t count = btz_policy_children(node), i = 0;

    if (node->kind != BTZ_YAML_LIST || count > TESTS_MAX) {
        btz_error_set("tests: expected a list of at most %d", TESTS_MAX);
        return btz_policy_at(r, node->line, BTZ_USAGE);
    }
    cases = btz_arena_array(r->arena, count + 1, sizeof *cases);
    if (!cases)
        return BTZ_LIMIT;
    for (const struct btz_yaml *c = node->first; c; c = c->next)
        BTZ_TRY(parse_test(r, c, now_s, &cases[i++]));
    out->cases = cases;
    out->case_count = count;
    return BTZ_OK;
}

/* ---- the file ---- */

static enum btz_err parse_yaml(struct btz_slice yaml, const char *name, struct btz_arena *arena,
                               const struct btz_yaml **out)
{
    enum btz_err err = btz_yaml_parse(yaml, name, arena, out);

    return err == BTZ_INPUT ? BTZ_USAGE : err;
}

static enum btz_err read_file(const char *path, struct btz_arena *arena,
                              const struct btz_yaml **out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(FILE_MAX);

    BTZ_TRY(btz_file_read(path, FILE_MAX, &text));
    return parse_yaml(btz_buf_slice(&text), path, arena, out);
}

/* From the folder of the file that includes. */
static enum btz_err include(const struct btz_policy_reader *r, const struct btz_yaml *node,
                            const char *word)
{
    const char *slash = strrchr(r->file, '/'), *path = word;
    const struct btz_yaml *root;

    if (word[0] != '/' && slash)
        path = btz_arena_printf(r->arena, "%.*s/%s", (int)(slash - r->file), r->file, word);
    if (!path)
        return BTZ_LIMIT;
    if (read_file(path, r->arena, &root) != BTZ_OK)
        return btz_policy_at(r, node->line, BTZ_USAGE);
    return btz_policy_read(root, path, false, r->arena, r->model);
}

static enum btz_err load(const struct btz_yaml *root, const char *path, bool disk, uint64_t now_s,
                         struct btz_arena *arena, struct btz_policy_file *out)
{
    struct btz_policy_file file = { .path = path };
    struct btz_policy_reader r = { .file = path, .arena = arena, .model = &file.model };
    const struct btz_yaml *n;
    const char *const *words;

    BTZ_TRY(btz_policy_parse(btz_str(btz_policy_ready), "ready.yaml", arena, &file.model));
    if ((n = btz_yaml_get(root, "include"))) {
        BTZ_TRY(btz_policy_texts(&r, n, INCLUDES_MAX, NULL, &words));
        if (!disk) {
            btz_error_set("include: only in files");
            return btz_policy_at(&r, n->line, BTZ_USAGE);
        }
        for (size_t i = 0; words[i]; i++)
            BTZ_TRY(include(&r, n, words[i]));
    }
    BTZ_TRY(btz_policy_read(root, path, true, arena, &file.model));
    if ((n = btz_yaml_get(root, "tests")))
        BTZ_TRY(parse_tests(&r, n, now_s, &file));
    BTZ_TRY(btz_policy_check(&file.model));
    *out = file;
    return BTZ_OK;
}

enum btz_err btz_policy_load(const char *path, uint64_t now_s, struct btz_arena *arena,
                             struct btz_policy_file *out)
{
    const struct btz_yaml *root;

    BTZ_TRY(read_file(path, arena, &root));
    return load(root, path, true, now_s, arena, out);
}

enum btz_err btz_policy_load_text(struct btz_slice yaml, const char *name, uint64_t now_s,
                                  struct btz_arena *arena, struct btz_policy_file *out)
{
    const struct btz_yaml *root;

    BTZ_TRY(parse_yaml(yaml, name, arena, &root));
    return load(root, name, false, now_s, arena, out);
}

/* ---- asking ---- */

static enum btz_err unknown(const struct btz_policy_model *m, bool keys, const char *word)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    size_t count = keys ? m->key_count : m->principal_count;
    const char **names, *near;

    btz_arena_init(&arena, 64 << 20);
    names = btz_arena_array(&arena, count + 1, sizeof *names);
    if (!names)
        return BTZ_LIMIT;
    for (size_t i = 0; i < count; i++)
        names[i] = keys ? m->keys[i].id : m->principals[i].name;
    near = btz_nearest(word, names, count);
    return btz_fail(BTZ_USAGE, "there is no %s `%.64s`%s%s%s", keys ? "key" : "principal", word,
                    near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
}

enum btz_err btz_policy_case_request(const struct btz_snapshot *s, const struct btz_policy_case *c,
                                     const struct btz_policy_model *model, struct btz_request *out)
{
    struct btz_request r = { .principal = btz_snapshot_principal(s, c->principal),
                             .key = BTZ_NOBODY,
                             .action = btz_action_find(c->action),
                             .resource = btz_str(c->resource),
                             .model = btz_str(c->model),
                             .endpoint = btz_str(c->endpoint),
                             .tool = btz_str(c->tool),
                             .cost = c->cost,
                             .now_s = c->now_s,
                             .mfa_age_s = c->mfa_age_s,
                             .client_cert = c->client_cert };

    if (r.principal == BTZ_NOBODY)
        return unknown(model, false, c->principal);
    if (r.action < 0)
        return btz_action_pattern_check(c->action) == BTZ_OK
                   ? btz_fail(BTZ_USAGE, "`%s` is a pattern; ask for one action", c->action)
                   : BTZ_USAGE;
    if (c->key) {
        r.key = btz_snapshot_key_named(s, c->key);
        if (r.key == BTZ_NOBODY)
            return unknown(model, true, c->key);
    }
    if (c->address)
        BTZ_TRY(btz_address_parse(c->address, &r.address));
    *out = r;
    return BTZ_OK;
}

enum btz_err btz_policy_snapshot(const struct btz_policy_model *model, struct btz_buf *bytes,
                                 struct btz_snapshot **out)
{
    static const uint8_t secret[32]; /* it stays in memory */

    *bytes = BTZ_BUF((size_t)BTZ_SNAP_MAX);
    BTZ_TRY(btz_snapshot_compile(model, 1, secret, bytes));
    return btz_snapshot_of(btz_slice_of(bytes->ptr, bytes->len - BTZ_SNAP_MAC), out);
}
