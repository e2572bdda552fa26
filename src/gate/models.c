/* The list of models: those of the settings that the caller may use, in a shape that OpenAI's and Anthropic's clients read. */
#include "gate/exchange.h"

#include <math.h>

static bool may_use(struct btz_exchange *x, const char *model)
{
    struct btz_decision d;
    const char *resource = btz_arena_printf(&x->arena, "model/%s", model);

    if (!resource)
        return false;
    x->model = model;
    btz_exchange_decide(x, x->gate->invoke, resource, (struct btz_slice){ 0 }, NAN, &d);
    x->model = NULL;
    return d.verdict == BTZ_VERDICT_ALLOW;
}

static json_t *describe(const char *name)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "id", name, "object", "model", "type",
                     "model", "created", 0, "owned_by", "bartizan", "display_name", name,
                     "created_at", "1970-01-01T00:00:00Z");
}

static json_t *list(struct btz_exchange *x)
{
    const struct btz_model_conf *models = x->gate->conf->models.items;
    json_t *data = json_array(), *out;

    for (size_t i = 0; data && i < x->gate->conf->models.count; i++) {
        size_t n = strlen(models[i].name);

        if (n == 0 || models[i].name[n - 1] == '*' || !may_use(x, models[i].name))
            continue;
        if (json_array_append_new(data, describe(models[i].name)) != 0) {
            json_decref(data);
            return NULL;
        }
    }
    out = json_pack("{s:s, s:b, s:o?}", "object", "list", "has_more", 0, "data", data);
    if (out && json_array_size(data) > 0) {
        json_object_set(out, "first_id", json_object_get(json_array_get(data, 0), "id"));
        json_object_set(out, "last_id",
                        json_object_get(json_array_get(data, json_array_size(data) - 1), "id"));
    }
    return out;
}

static json_t *one(struct btz_exchange *x)
{
    struct btz_slice path = x->in->path,
                     id = btz_slice_sub(path, sizeof "/v1/models/" - 1, path.len);
    const char *name = btz_arena_str(&x->arena, id);

    return name && btz_gate_model(x->gate->conf, id) && may_use(x, name) ? describe(name) : NULL;
}

enum btz_step btz_exchange_models(struct btz_exchange *x)
{
    bool whole = btz_slice_is(x->in->path, "/v1/models");
    BTZ_JSON json_t *out = whole ? list(x) : one(x);

    if (!out && whole)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    if (!out)
        return btz_exchange_refuse(x, 404, "model_not_found", "there is no such model for you");
    btz_buf_clear(&x->answer_body);
    if (btz_json_write(out, false, &x->answer_body) != BTZ_OK)
        return btz_exchange_refuse(x, 503, "out_of_memory", "no memory");
    x->answer = (struct btz_answer){ .status = 200,
                                     .content_type = "application/json",
                                     .body = btz_buf_slice(&x->answer_body) };
    return BTZ_STEP_ANSWER;
}
