/* JSON Web Signatures in the two JSON forms, RFC 7515 section 7.2. */
#include "access/federation/jws.h"

#define SIGNATURES_MAX 16
#define JSON_MAX       ((size_t)1 << 20)

static enum btz_err take_text(const json_t *object, const char *name, bool required,
                              struct btz_slice *out, bool *found)
{
    const json_t *value = json_object_get(object, name);

    *out = (struct btz_slice){ 0 };
    *found = value != NULL;
    if (!value && !required)
        return BTZ_OK;
    if (!json_is_string(value))
        return btz_fail(BTZ_INPUT, "signature: expected text in \"%s\"", name);
    *out = btz_slice_of(json_string_value(value), json_string_length(value));
    return BTZ_OK;
}

static enum btz_err take_part(const json_t *top, const json_t *one, struct btz_jws_part *part)
{
    bool found;

    *part = (struct btz_jws_part){ .unprotected = json_object_get(one, "header") };
    BTZ_TRY(take_text(top, "payload", false, &part->payload, &part->has_payload));
    BTZ_TRY(take_text(one, "protected", false, &part->protected_text, &found));
    BTZ_TRY(take_text(one, "signature", true, &part->signature, &found));
    if (part->unprotected && !json_is_object(part->unprotected))
        return btz_fail(BTZ_INPUT, "signature: \"header\" is not an object");
    return BTZ_OK;
}

/* Every one that could be ours is looked at before any is believed. */
static enum btz_err verify_all(const json_t *top, const json_t *list,
                               const struct btz_jws_rules *rules, struct btz_arena *arena,
                               struct btz_jws *out)
{
    struct btz_jws first = { 0 };
    const json_t *one;
    enum btz_err err = BTZ_OK;
    size_t i;

    json_array_foreach(list, i, one)
    {
        struct btz_jws jws = { 0 };
        struct btz_jws_part part;
        bool ours = false;

        err = json_is_object(one) ? take_part(top, one, &part)
                                  : btz_fail(BTZ_INPUT, "signature: expected an object");
        if (err == BTZ_OK)
            err = btz_jws_verify_part(&part, rules, arena, &ours, &jws);
        if (err == BTZ_DENIED && !ours)
            continue;
        if (err != BTZ_OK)
            break;
        if (first.header)
            btz_jws_release(&jws);
        else
            first = jws;
    }
    if ((err == BTZ_OK || err == BTZ_DENIED) && i == json_array_size(list)) {
        if (first.header) {
            *out = first;
            return BTZ_OK;
        }
        return btz_fail(BTZ_DENIED, "signature: none is of a key of ours");
    }
    btz_jws_release(&first);
    return err;
}

enum btz_err btz_jws_verify_json(struct btz_slice json, const struct btz_jws_rules *rules,
                                 struct btz_arena *arena, struct btz_jws *out)
{
    BTZ_JSON json_t *top = NULL;
    const json_t *list;
    struct btz_jws_part part;
    bool ours;

    BTZ_TRY(btz_jws_check_rules(rules));
    BTZ_TRY(btz_json_parse(json, JSON_MAX, "signature", &top));
    if (!json_is_object(top))
        return btz_fail(BTZ_INPUT, "signature: expected an object");
    list = json_object_get(top, "signatures");
    if (!list) {
        BTZ_TRY(take_part(top, top, &part));
        return btz_jws_verify_part(&part, rules, arena, &ours, out);
    }
    if (!json_is_array(list) || json_array_size(list) == 0 || json_object_get(top, "signature") ||
        json_object_get(top, "protected") || json_object_get(top, "header"))
        return btz_fail(BTZ_INPUT, "signature: \"signatures\" is a non-empty array, and stands "
                                   "without the members of the flattened form");
    if (json_array_size(list) > SIGNATURES_MAX)
        return btz_fail(BTZ_LIMIT, "signature: more than %d of them", SIGNATURES_MAX);
    return verify_all(top, list, rules, arena, out);
}
