/*
 * Files and batches: a caller sees and uses what he uploaded or started through the gateway. Whoever may change the endpoint
 * (`endpoint.write` on endpoint/files, endpoint/batches) sees everybody's.
 */
#include "gate/exchange.h"

#include <math.h>

static bool has_owners(const struct btz_exchange *x)
{
    return x->route->protocol == BTZ_PROTOCOL_FILES || x->route->protocol == BTZ_PROTOCOL_BATCHES;
}

static bool is_his(const struct btz_exchange *x, struct btz_slice id)
{
    const struct btz_upstream_conf *u = x->gate->conf->upstreams.items;

    for (size_t i = 0; i < x->candidate_count; i++)
        if (btz_owned_is(x->gate->owned, u[x->candidates[i].upstream].name, id, x->id))
            return true;
    return false;
}

static struct btz_slice text_of(const json_t *object, const char *member)
{
    const json_t *text = json_object_get(object, member);

    return btz_slice_of(json_string_value(text), json_string_length(text));
}

/* "/v1/files/{id}/content": the segment; empty: there is none. */
static struct btz_slice id_of_path(const struct btz_exchange *x)
{
    const char *brace = strchr(x->route->path, '{');
    struct btz_slice rest;
    size_t end;

    if (!brace)
        return btz_str("");
    rest = btz_slice_sub(x->in->path, (size_t)(brace - x->route->path), x->in->path.len);
    end = btz_slice_find(rest, btz_str("/"), 0);
    return btz_slice_sub(rest, 0, end == SIZE_MAX ? rest.len : end);
}

static bool sees_all(struct btz_exchange *x)
{
    const char *resource = has_owners(x) ? x->route->resource : "endpoint/files";
    struct btz_decision d;

    btz_exchange_decide(x, btz_action_find("endpoint.write"), resource, (struct btz_slice){ 0 },
                        NAN, &d);
    return d.verdict == BTZ_VERDICT_ALLOW;
}

static enum btz_step not_his(struct btz_exchange *x)
{
    return btz_exchange_refuse(x, 404, "not_found", "there is no such file or batch of yours");
}

static bool are_his(const struct btz_exchange *x, const json_t *ids)
{
    const json_t *one;
    size_t i;

    if (json_is_string(ids))
        return is_his(x, btz_slice_of(json_string_value(ids), json_string_length(ids)));
    json_array_foreach(ids, i, one)
    {
        if (!are_his(x, one))
            return false;
    }
    return true;
}

/* Every file that a request names, wherever that stands. */
static bool names_his_files(const struct btz_exchange *x, const json_t *value)
{
    static const char *const names[] = { "file_id", "file_ids", "input_file_id" };
    const char *key;
    const json_t *one;
    json_t *member;
    size_t i;

    json_array_foreach(value, i, one)
    {
        if (!names_his_files(x, one))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        for (i = 0; i < BTZ_COUNT(names); i++)
            if (strcmp(key, names[i]) == 0 && !are_his(x, member))
                return false;
        if (!names_his_files(x, member))
            return false;
    }
    return true;
}

enum btz_step btz_exchange_owns(struct btz_exchange *x)
{
    struct btz_slice id = has_owners(x) ? id_of_path(x) : btz_str("");
    /* Members may be written with escapes. */
    bool names = x->has_request && x->request.root &&
                 (btz_slice_has(x->body, "file_id") || btz_slice_has(x->body, "\\u"));
    bool his;

    if (!has_owners(x) && (!names || x->route->declared || x->route->mcp))
        return BTZ_STEP_GO;
    x->sees_all = sees_all(x);
    if (x->sees_all)
        return BTZ_STEP_GO;
    his = (id.len == 0 || is_his(x, id)) && (!names || names_his_files(x, x->request.root));
    /* Afterwards: only then is it known what the answer was worth. */
    if (btz_owned_check(x->gate->owned) != BTZ_OK)
        return btz_exchange_unavailable(x, "owners_unavailable",
                                        "whose files and batches these are cannot be told now");
    return his ? BTZ_STEP_GO : not_his(x);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static const char *upstream_of(const struct btz_exchange *x)
{
    const struct btz_upstream_conf *u = x->gate->conf->upstreams.items;

    return u[x->candidates[x->current].upstream].name;
}

static void note(struct btz_exchange *x, struct btz_slice id)
{
    if (id.len > 0)
        btz_owned_add(x->gate->owned, upstream_of(x), id, x->id, x->now_ms);
}

/* What a batch of his made is his. */
static void note_results(struct btz_exchange *x, const json_t *object)
{
    if (x->route->protocol != BTZ_PROTOCOL_BATCHES || !is_his(x, text_of(object, "id")))
        return;
    note(x, text_of(object, "output_file_id"));
    note(x, text_of(object, "error_file_id"));
}

static void set_ends(json_t *root, const json_t *data)
{
    size_t count = json_array_size(data);
    const json_t *first = json_array_get(data, 0);
    const json_t *last = count ? json_array_get(data, count - 1) : NULL;

    if (json_object_get(root, "first_id"))
        json_object_set(root, "first_id", first ? json_object_get(first, "id") : json_null());
    if (json_object_get(root, "last_id"))
        json_object_set(root, "last_id", last ? json_object_get(last, "id") : json_null());
}

/* Others' go out of lists. Ends the use of the message's parts, which may have been in them. */
static void filter(struct btz_exchange *x, struct btz_message *m, json_t *data)
{
    for (size_t i = json_array_size(data); i-- > 0;) {
        const json_t *one = json_array_get(data, i);

        note_results(x, one);
        if (x->sees_all || is_his(x, text_of(one, "id")))
            continue;
        json_array_remove(data, i);
        m->changed = true;
    }
    if (!m->changed)
        return;
    m->part_count = 0;
    set_ends(m->root, data);
}

void btz_exchange_note_owner(struct btz_exchange *x, struct btz_message *m)
{
    json_t *data = json_object_get(m->root, "data");

    if (!has_owners(x) || !json_is_object(m->root))
        return;
    if (strcmp(x->route->name, "files-upload") == 0 || strcmp(x->route->name, "batch-create") == 0)
        note(x, text_of(m->root, "id"));
    else if (strcmp(x->route->name, "file-delete") == 0 &&
             json_is_true(json_object_get(m->root, "deleted")))
        btz_owned_remove(x->gate->owned, upstream_of(x), id_of_path(x));
    if (json_is_array(data))
        filter(x, m, data);
    else
        note_results(x, m->root);
}
