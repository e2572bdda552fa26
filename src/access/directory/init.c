#include "access/directory/directory.h"
#include "access/signin.h"

/* The first administrator of an installation. Only for whoever owns the state folder, and only while there is none. */

static enum btz_err check_none(struct btz_call *c)
{
    BTZ_ARENA_SCOPE struct btz_arena arena;
    struct btz_policy_model model;

    btz_arena_init(&arena, MODEL_MAX);
    BTZ_TRY(btz_access_model(c->access, c->store, &arena, &model));
    if (!btz_model_has_administrator(&model, c->now_ms / 1000))
        return BTZ_OK;
    return btz_fail(BTZ_CONFLICT, "there is an administrator already; `bartizan access user add`, "
                                  "`role give` and `user invite` make another");
}

static enum btz_err init(struct btz_call *c)
{
    const struct btz_operation *create = btz_operation_find("user.create");
    struct btz_new_binding b = { .role = "admin",
                                 .kind = "normal",
                                 .reason = "first administrator" };
    json_t *user = NULL, *link = json_object();
    char id[BTZ_ID_TEXT];
    enum btz_err err;

    if (!link || !create) {
        json_decref(link);
        return btz_fail(BTZ_LIMIT, "no memory");
    }
    err = check_none(c);
    if (err == BTZ_OK)
        err = create->run(c);
    user = c->out;
    json_decref(c->after);
    c->out = c->after = NULL;
    if (err == BTZ_OK) {
        b.subject = json_string_value(json_object_get(user, "id"));
        err = btz_binding_add(c, &b, id);
        json_decref(c->out);
        c->out = NULL;
    }
    if (err == BTZ_OK)
        err = btz_enrolment_new(c, b.subject, link);
    if (err == BTZ_OK)
        err = btz_json_set(link, "user", json_incref(user));
    if (err == BTZ_OK) {
        json_decref(c->after);
        c->after = json_incref(user);
        c->target = btz_arena_printf(c->arena, "user/%s", b.subject);
    }
    json_decref(user);
    if (err != BTZ_OK) {
        json_decref(link);
        return err;
    }
    c->out = link;
    return BTZ_OK;
}

static const struct btz_field fields[] = {
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .operand = true,
      .help = "Name of the administrator.",
      .max = NAME_LEN_MAX,
      .names = BTZ_NAMES_NEW },
    { .name = "display_name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .help = "As people write it." },
    { .name = "email", .kind = BTZ_FIELD_TEXT, .place = BTZ_IN_BODY, .help = "Address." },
};

const struct btz_operation btz_operation_access_init = {
    .id = "access.init",
    .method = "POST",
    .command = "init",
    .summary = "Make the first administrator and a link to enrol by, once.",
    .details = "Whoever opens the link sets a password and a second factor. It works once, and not "
               "for long; `bartizan access user invite` makes another.",
    .tag = "users",
    .needs = BTZ_NEEDS_LOCAL,
    .fields = fields,
    .field_count = BTZ_COUNT(fields),
    .result = "first-administrator",
    .created = true,
    .run = init,
};
