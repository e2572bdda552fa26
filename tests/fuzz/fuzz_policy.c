/* Any YAML as a policy: refused, or a model that compiles to bytes which a reader accepts; asking and explaining hold. */
#include <math.h>
#include <stdlib.h>

#include "access/policy/snapshot.h"

static const uint8_t secret[32];

static void ask(const struct btz_policy_model *m, const struct btz_snapshot *s, uint32_t principal)
{
    static const char *const resources[] = { "model/a", "user/self", "key/own", "tool/*" };
    static const char *const actions[] = { "model.invoke", "user.read", "key.own", "tool.call" };

    for (size_t i = 0; i < BTZ_COUNT(resources); i++) {
        struct btz_request r = { .principal = principal,
                                 .key = BTZ_NOBODY,
                                 .action = btz_action_find(actions[i]),
                                 .resource = btz_str(resources[i]),
                                 .cost = NAN,
                                 .now_s = 1800000000,
                                 .mfa_age_s = 60 };
        BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(16 << 20);
        struct btz_decision d;

        btz_decide(s, &r, &d);
        if (d.verdict == BTZ_VERDICT_ALLOW && btz_snapshot_rule_id(s, d.rule)[0] == 0)
            abort();
        if (m->role_count < 20 && btz_explain(m, s, &r, &text) != BTZ_OK)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    BTZ_BUF_RELEASE struct btz_buf bytes = BTZ_BUF(64 << 20);
    struct btz_policy_model m = { 0 };
    struct btz_snapshot *s;

    btz_arena_init(&arena, 64 << 20);
    if (btz_policy_parse(btz_slice_of(data, size), "f.yaml", &arena, &m) != BTZ_OK)
        return 0;
    if (btz_snapshot_compile(&m, 1, secret, &bytes) != BTZ_OK)
        return 0;
    if (btz_snapshot_of(btz_slice_of(bytes.ptr, bytes.len - BTZ_SNAP_MAC), &s) != BTZ_OK)
        abort(); /* what we write we read */
    for (uint32_t i = 0; i < m.principal_count && i < 4; i++)
        ask(&m, s, i);
    btz_snapshot_close(s);
    return 0;
}
