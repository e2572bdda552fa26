#include "access/policy_tools.h"
#include "base/json.h"

static enum btz_err no_memory(void)
{
    return btz_fail(BTZ_LIMIT, "out of memory");
}

/* What stood in the way, from the explanation: only of tests that fail, for it looks at every rule. */
static enum btz_err add_reasons(const struct btz_policy_file *file, const struct btz_snapshot *s,
                                const struct btz_request *r, json_t *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(16u << 20);
    BTZ_JSON json_t *e = NULL;
    json_t *nearest;

    BTZ_TRY(btz_explain(&file->model, s, r, &text));
    BTZ_TRY(btz_json_parse(btz_buf_slice(&text), 16u << 20, "explanation", &e));
    nearest = json_object_get(e, "nearest");
    if (json_is_object(nearest) &&
        (json_object_set(out, "nearest", json_object_get(nearest, "id")) != 0 ||
         json_object_set(out, "unmet", json_object_get(nearest, "unmet")) != 0))
        return no_memory();
    return BTZ_OK;
}

static enum btz_err run_case(const struct btz_policy_file *file, const struct btz_snapshot *s,
                             const struct btz_policy_case *c, json_t *tests, size_t *failed)
{
    struct btz_request r;
    struct btz_decision d;
    const char *rule;
    json_t *j;
    bool passed;
    enum btz_err err = btz_policy_case_request(s, c, &file->model, &r);

    if (err != BTZ_OK)
        return btz_fail_context(err, "%s:%u", file->path, c->line);
    btz_decide(s, &r, &d);
    rule = btz_snapshot_rule_id(s, d.rule);
    passed = d.verdict == c->expect && (!c->expect_rule || strcmp(rule, c->expect_rule) == 0);
    j = json_pack("{s:s?, s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:s?, s:s, s:s}", "name", c->name,
                  "line", (int)c->line, "passed", passed, "principal", c->principal, "action",
                  c->action, "resource", c->resource, "expected", btz_verdict_name(c->expect),
                  "found", btz_verdict_name(d.verdict), "expected_rule", c->expect_rule,
                  "found_rule", rule, "why", btz_why_text(d.why));
    if (!j || json_array_append_new(tests, j) != 0)
        return no_memory();
    if (passed)
        return BTZ_OK;
    (*failed)++;
    return add_reasons(file, s, &r, j);
}

static enum btz_err run_all(const struct btz_policy_file *file, const struct btz_snapshot *s,
                            size_t *failed, struct btz_buf *out)
{
    BTZ_JSON json_t *tests = json_array(), *whole = NULL;

    if (!tests)
        return no_memory();
    for (size_t i = 0; i < file->case_count; i++)
        BTZ_TRY(run_case(file, s, &file->cases[i], tests, failed));
    whole = json_pack("{s:s, s:I, s:I, s:O}", "file", file->path, "passed",
                      (json_int_t)(file->case_count - *failed), "failed", (json_int_t)*failed,
                      "tests", tests);
    return whole ? btz_json_write(whole, false, out) : no_memory();
}

enum btz_err btz_policy_test(const struct btz_policy_file *file, size_t *failed,
                             struct btz_buf *out)
{
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(0);
    struct btz_snapshot *s;
    enum btz_err err;

    *failed = 0;
    BTZ_TRY(btz_policy_snapshot(&file->model, &bytes, &s));
    err = run_all(file, s, failed, out);
    btz_snapshot_close(s);
    return err;
}
