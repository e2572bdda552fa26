/*
 * policy_tools: what is done with policies before they are in force: unit tests in files, and the comparison of two models.
 */
#ifndef BTZ_ACCESS_POLICY_TOOLS_H
#define BTZ_ACCESS_POLICY_TOOLS_H

#include "access/policy.h"

/* ---- files (policy_files.c) ---------------------------------------------------------------------------------------- */

/* One request written in YAML or on a command line. */
struct btz_policy_case {
    const char *name; /* of a test, may be NULL */
    const char *principal, *key, *action, *resource, *model, *endpoint, *tool,
        *address; /* NULL: none */
    double cost;  /* NAN: none */
    uint64_t now_s;
    uint32_t mfa_age_s; /* UINT32_MAX: no second factor */
    bool client_cert;
    enum btz_verdict expect;
    const char *expect_rule; /* NULL: any */
    unsigned line;
};
struct btz_policy_file {
    const char *path;
    struct btz_policy_model model; /* ready roles, includes and the file's own */
    const struct btz_policy_case *cases;
    size_t case_count;
};
/* Reads a file of policies with its `include`s (paths from its folder, at most 32, no includes inside) on top of the ready
 * roles, checked. `tests` are read too; requests without a time get `now_s`. Errors: USAGE, IO, LIMIT. */
BTZ_CHECKED enum btz_err btz_policy_load(const char *path, uint64_t now_s, struct btz_arena *arena,
                                         struct btz_policy_file *out);
/* The same from bytes, without touching the disk: includes are refused. */
BTZ_CHECKED enum btz_err btz_policy_load_text(struct btz_slice yaml, const char *name,
                                              uint64_t now_s, struct btz_arena *arena,
                                              struct btz_policy_file *out);
/* Names to indices. USAGE names the nearest: a test about nobody is a slip. */
BTZ_CHECKED enum btz_err btz_policy_case_request(const struct btz_snapshot *s,
                                                 const struct btz_policy_case *c,
                                                 const struct btz_policy_model *model,
                                                 struct btz_request *out);
/* Compiles a model to a snapshot in memory. `bytes` must outlive it. */
BTZ_CHECKED enum btz_err btz_policy_snapshot(const struct btz_policy_model *model,
                                             struct btz_buf *bytes, struct btz_snapshot **out);

/* docs/access-roles.md, from the tables (roles_page.c). */
BTZ_CHECKED enum btz_err btz_policy_roles_page(struct btz_buf *out);

/* ---- unit tests (policy_test.c) --------------------------------------------------------------------------------------- */

/* Runs the tests of a file. JSON object: {"file","passed","failed","tests":[{"name","line","passed","principal","action",
 * "resource","expected","found","expected_rule","found_rule","why","unmet":[...]}]}. */
BTZ_CHECKED enum btz_err btz_policy_test(const struct btz_policy_file *file, size_t *failed,
                                         struct btz_buf *out);

/* ---- comparison (policy_diff.c) --------------------------------------------------------------------------------------- */

struct btz_policy_diff_limits {
    uint64_t questions; /* asked of each model at most, 0: 20,000,000 */
    size_t changes;     /* told at most, 0: 10,000 */
    uint64_t now_s;
};
/*
 * Every (principal, action, resource) whose answer differs between two models. The universe:
 * - principals of either model; who is known in one only is answered "deny" in the other. Principals with the same bindings
 *   in both are asked once and named together. Where neither model has principals, one holder of each role is made up.
 * - every action, on resources of its kind: those named in either model; for each pattern with a star one that it and no
 *   longer pattern matches, and for each kind one that no pattern but a star alone matches; the list of the kind; the
 *   caller's own. As patterns have a star only at the end, every other resource is answered as one of these.
 * - contexts: each value that a condition of either model tells apart (second factor, certificate, cost, address, time,
 *   model, endpoint, tool), all combinations while they are at most 512, otherwise each value alone against the most and
 *   the least favourable combination; "contexts_sampled" says so.
 * Keys narrow what their principals may do and are not asked. JSON object: {"changes":[{"principals":[...],"action",
 * "resource","before","after","contexts","of","context":{...}}],"changed","questions","principals","resources","contexts",
 * "contexts_sampled","capped"}; "more" and "less" count changes towards and away from allow.
 */
BTZ_CHECKED enum btz_err btz_policy_diff(const struct btz_policy_model *before,
                                         const struct btz_policy_model *after,
                                         const struct btz_policy_diff_limits *limits,
                                         size_t *changed, struct btz_buf *out);

#endif
