#include "access/directory/directory.h"
#include "access/policy_tools.h"

/* What a policy would change, before it is in force. */

#define DIFF_MAX (8u << 20)

/* The name that the text gives itself: that of its first rule. */
static enum btz_err own_name(struct btz_call *c, const char *text, const char **out)
{
    struct btz_policy_model model = { 0 };

    *out = "new";
    BTZ_TRY(btz_policy_parse(btz_str(text), "text", c->arena, &model));
    for (size_t i = 0; i < model.role_count; i++) {
        if (model.roles[i].rule_count == 0)
            continue;
        *out = btz_arena_printf(c->arena, "%.*s", (int)strcspn(model.roles[i].rules[0].id, "/"),
                                model.roles[i].rules[0].id);
        return *out ? BTZ_OK : BTZ_LIMIT;
    }
    return BTZ_OK;
}

static enum btz_err compare(struct btz_call *c)
{
    const char *text = btz_call_text(c, "text"), *name = btz_call_text(c, "policy");
    const struct btz_policy_diff_limits limits = { .questions = 2000000,
                                                   .changes = LIST_MAX_,
                                                   .now_s = c->now_ms / 1000 };
    BTZ_BUF_RELEASE struct btz_buf diff = BTZ_BUF(DIFF_MAX);
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model before, after, alone;
    size_t changed;

    btz_arena_init(&arena, MODEL_MAX);
    if (!name)
        BTZ_TRY(own_name(c, text, &name));
    BTZ_TRY(btz_policy_text_check(c, name, text, &alone));
    BTZ_TRY(btz_store_begin_read(c->store));
    BTZ_TRY(btz_access_model(c->access, c->store, &arena, &before));
    BTZ_TRY(btz_access_model_with(c->access, c->store, &arena, name, text, &after));
    btz_store_rollback(c->store);
    BTZ_TRY(btz_policy_check(&after));
    BTZ_TRY(btz_policy_diff(&before, &after, &limits, &changed, &diff));
    c->note.resource = btz_arena_printf(c->arena, "policy/%s", name);
    return btz_json_parse(btz_buf_slice(&diff), DIFF_MAX, "difference", &c->out);
}

/* It takes its time: others write meanwhile. */
static enum btz_err check_prepare(struct btz_call *c)
{
    enum btz_err err;

    BTZ_TRY(btz_heavy_begin(c));
    err = compare(c);
    btz_heavy_end(c->access);
    return err;
}

static enum btz_err check(struct btz_call *c)
{
    (void)c;
    return BTZ_OK;
}

static const struct btz_field fields[] = {
    { .name = "text",
      .kind = BTZ_FIELD_FILE,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "The policy, in YAML.",
      .max = POLICY_MAX },
    { .name = "policy",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "Name of the policy that it would replace; the text's own when not given.",
      .max = NAME_LEN_MAX,
      .names = BTZ_NAMES_NEW },
};

const struct btz_operation btz_operation_policy_check = {
    .id = "policy.check",
    .method = "POST",
    .path = "/v1/policies/check",
    .command = "policy check",
    .summary = "Check a policy with all others, and list every answer that it would change.",
    .tag = "policies",
    .action = "policy.read",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "policy-difference",
    .event = "decision",
    .prepare = check_prepare,
    .run = check,
};
