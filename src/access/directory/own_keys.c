#include "access/directory/keys.h"

/* One's own keys. A key may rotate itself, so that services need nobody for it; it makes no others. */

/* A key sees and ends itself alone: a stolen one must not take the others away. */
static bool is_another(const struct btz_call *c)
{
    return c->caller->kind == BTZ_CALLER_KEY &&
           strcmp(c->caller->key, btz_call_text(c, "key")) != 0;
}

static enum btz_err list(struct btz_call *c)
{
    return btz_keys_list(c, c->caller->principal,
                         c->caller->kind == BTZ_CALLER_KEY ? c->caller->key : NULL);
}

/* A key outlives the session: whoever stole a cookie must not make it last. Who has no second factor cannot show one. */
static enum btz_err fresh_where_there_is(struct btz_call *c)
{
    bool has = c->caller->kind == BTZ_CALLER_SESSION && c->caller->second_factor_ms > 0;

    return has ? btz_call_fresh(c) : BTZ_OK;
}

static enum btz_err create(struct btz_call *c)
{
    struct btz_principal me;

    BTZ_TRY(fresh_where_there_is(c));
    BTZ_TRY(btz_principal_find(c, c->caller->principal, &me));
    return btz_keys_create(c, &me);
}

static enum btz_err rotate(struct btz_call *c)
{
    if (is_another(c))
        return btz_call_refuse(c, "a key rotates only itself");
    BTZ_TRY(fresh_where_there_is(c));
    return btz_keys_rotate(c, c->caller->principal);
}

static enum btz_err revoke(struct btz_call *c)
{
    if (is_another(c))
        return btz_call_refuse(c, "a key revokes only itself; sign in");
    return btz_keys_revoke(c, c->caller->principal);
}

static const struct btz_field list_fields[] = {
    { .name = "active",
      .kind = BTZ_FIELD_BOOL,
      .place = BTZ_IN_QUERY,
      .help = "Only those that can be used." },
    BTZ_PAGE_FIELDS,
};
static const struct btz_field path[] = { BTZ_KEY_PATH_FIELD };
static const struct btz_field rotate_fields[] = { BTZ_KEY_PATH_FIELD, BTZ_KEY_OVERLAP_FIELD };
static const struct btz_field create_fields[] = {
    { .name = "name",
      .kind = BTZ_FIELD_TEXT,
      .place = BTZ_IN_BODY,
      .required = true,
      .help = "What it is for.",
      .max = BTZ_KEY_NAME_MAX_ },
    BTZ_KEY_NEW_FIELDS,
};

const struct btz_operation btz_operation_me_key_list = {
    .id = "me.key.list",
    .method = "GET",
    .path = "/v1/me/keys",
    .summary = "List my keys.",
    .details = "A key sees itself alone.",
    .tag = "me",
    .needs = BTZ_NEEDS_CALLER,
    .fields = list_fields,
    .field_count = BTZ_COUNT(list_fields),
    .result = "key-list",
    .run = list,
};
const struct btz_operation btz_operation_me_key_create = {
    .id = "me.key.create",
    .method = "POST",
    .path = "/v1/me/keys",
    .summary = "Make a key of mine; the secret is shown once.",
    .details = "Whoever has a second factor shows it again; for a scope with an administrative "
               "action everybody does.",
    .tag = "me",
    .action = "key.own",
    .resource = "key/own",
    .needs = BTZ_NEEDS_PERMISSION | BTZ_NEEDS_SESSION,
    .fields = create_fields,
    .field_count = BTZ_COUNT(create_fields),
    .result = "new-key",
    .created = true,
    .run = create,
};
const struct btz_operation btz_operation_me_key_rotate = {
    .id = "me.key.rotate",
    .method = "POST",
    .path = "/v1/me/keys/{key}/rotate",
    .summary = "Make a new key with the same rights; the old one goes on for a while.",
    .details = "A key may rotate itself, and no other. A person shows a second factor as for a "
               "new key.",
    .tag = "me",
    .action = "key.own",
    .resource = "key/own",
    .needs = BTZ_NEEDS_PERMISSION,
    .fields = rotate_fields,
    .field_count = BTZ_COUNT(rotate_fields),
    .result = "new-key",
    .created = true,
    .run = rotate,
};
/* No permission is asked for: whoever lost a key must be able to end it. */
const struct btz_operation btz_operation_me_key_delete = {
    .id = "me.key.delete",
    .method = "DELETE",
    .path = "/v1/me/keys/{key}",
    .summary = "Revoke a key of mine at once.",
    .details = "A key may revoke itself, and no other.",
    .tag = "me",
    .needs = BTZ_NEEDS_CALLER,
    .fields = path,
    .field_count = BTZ_COUNT(path),
    .run = revoke,
};
