/*
 * Forms that answers have to have: the schema that a request asks for, the one that the settings ask for, and for arguments
 * those that the request's tools declare. Nothing is read before a text needs it, so requests without schemas pay nothing.
 */
#include "gate/exchange.h"

#include "text/schema.h"

struct btz_form {
    const struct btz_schema *schema; /* NULL: it cannot be used, and `why` says why */
    struct btz_schema *own;          /* to be freed */
    const char *why;
};
struct btz_forms {
    bool looked;             /* for `asked` and `set` */
    struct btz_form *asked;  /* by the request */
    struct btz_form *set;    /* by the settings */
    struct btz_form **tools; /* for each of the request's, when it was called */
};

static struct btz_forms *forms_of(struct btz_exchange *x)
{
    if (!x->forms)
        x->forms = btz_arena_alloc(&x->arena, sizeof *x->forms);
    return x->forms;
}

/* What a header and a record can hold: it may quote the request. */
static const char *plain(struct btz_exchange *x, const char *text)
{
    char *copy = btz_arena_str(&x->arena, btz_slice_sub(btz_str(text), 0, 160));

    for (char *c = copy; c && *c; c++)
        if (*c < 0x20 || *c > 0x7E || *c == '"' || *c == '\\')
            *c = '?';
    return copy ? copy : "no memory";
}

/* NULL: no memory, and so no form: the caller is told by `*err`. */
static struct btz_form *compiled(struct btz_exchange *x, json_t *json, struct btz_slice text)
{
    struct btz_form *f = btz_arena_alloc(&x->arena, sizeof *f);
    enum btz_err err;

    if (!f)
        return NULL;
    err = json ? btz_schema_new(json, &f->own) : btz_schema_parse(text, "schema", &f->own);
    if (err != BTZ_OK)
        f->why = plain(x, btz_error_detail());
    f->schema = f->own;
    return f;
}

void btz_exchange_keep_schema(struct btz_exchange *x)
{
    const json_t *asked = x->has_request ? btz_request_schema(&x->request) : NULL;

    if (asked && !x->schema)
        x->schema = json_incref((json_t *)(uintptr_t)asked);
}

static enum btz_err look(struct btz_exchange *x, struct btz_forms *forms)
{
    const struct btz_schema *set =
        btz_guard_schema(x->gate->guard, btz_str(x->model), x->route ? x->route->name : "");

    forms->looked = true;
    if (x->schema) {
        forms->asked = compiled(x, x->schema, btz_str(""));
        if (!forms->asked)
            return BTZ_LIMIT;
    }
    if (set) {
        forms->set = btz_arena_alloc(&x->arena, sizeof *forms->set);
        if (!forms->set)
            return BTZ_LIMIT;
        forms->set->schema = set;
    }
    return BTZ_OK;
}

/* The declared schema of that tool; NULL: it has none. */
static enum btz_err tool_form(struct btz_exchange *x, struct btz_forms *forms,
                              struct btz_slice tool, struct btz_form **out)
{
    size_t i = 0;

    *out = NULL;
    while (i < x->request.tool_count && !btz_slice_equal(x->request.tools[i].name, tool))
        i++;
    if (i == x->request.tool_count || x->request.tools[i].schema.len == 0)
        return BTZ_OK;
    if (!forms->tools)
        forms->tools = btz_arena_array(&x->arena, x->request.tool_count, sizeof(struct btz_form *));
    if (!forms->tools)
        return BTZ_LIMIT;
    if (!forms->tools[i])
        forms->tools[i] = compiled(x, NULL, x->request.tools[i].schema);
    *out = forms->tools[i];
    return *out ? BTZ_OK : BTZ_LIMIT;
}

enum btz_err btz_exchange_forms(struct btz_exchange *x, bool answer, struct btz_slice tool,
                                const struct btz_form *out[2])
{
    struct btz_form *of_tool = NULL;
    struct btz_forms *forms;

    out[0] = out[1] = NULL;
    if (!x->gate->conf->guard.enabled || (!answer && (tool.len == 0 || !x->has_request)))
        return BTZ_OK;
    forms = forms_of(x);
    if (!forms)
        return BTZ_LIMIT;
    if (!answer) {
        BTZ_TRY(tool_form(x, forms, tool, &of_tool));
        out[0] = of_tool;
        return BTZ_OK;
    }
    if (!forms->looked)
        BTZ_TRY(look(x, forms));
    out[0] = forms->asked ? forms->asked : forms->set;
    out[1] = forms->asked ? forms->set : NULL;
    return BTZ_OK;
}

enum btz_err btz_exchange_conforms(struct btz_exchange *x, enum btz_channel channel,
                                   const struct btz_form *const forms[2], struct btz_slice text)
{
    /* Calls without arguments come with none, or with an empty object. */
    if (channel == BTZ_CHANNEL_TOOL_ARGUMENTS && btz_slice_trim(text).len == 0)
        text = btz_str("{}");
    BTZ_TRY(btz_exchange_guarding(x));
    for (size_t i = 0; i < 2 && forms[i]; i++) {
        struct btz_conformity said;
        enum btz_err err =
            btz_guard_conforms(x->session, channel, forms[i]->schema, forms[i]->why, text, &said);

        if (!said.evaluated && !x->not_evaluated)
            x->not_evaluated = plain(x, said.why);
        if (!said.conforms && !x->form_why)
            x->form_why = btz_arena_printf(
                &x->arena, "%s %s: %.180s",
                channel == BTZ_CHANNEL_TOOL_ARGUMENTS ? "a tool's arguments" : "the answer",
                said.evaluated ? "did not conform to the schema"
                               : "could not be held against the schema",
                said.why);
        BTZ_TRY(err);
    }
    return BTZ_OK;
}

enum btz_err btz_exchange_call_conforms(struct btz_exchange *x, struct btz_slice tool,
                                        struct btz_slice arguments)
{
    const struct btz_form *forms[2];

    BTZ_TRY(btz_exchange_forms(x, false, tool, forms));
    return forms[0] ? btz_exchange_conforms(x, BTZ_CHANNEL_TOOL_ARGUMENTS, forms, arguments)
                    : BTZ_OK;
}

enum btz_err btz_exchange_part_conforms(struct btz_exchange *x, const struct btz_message *m,
                                        const struct btz_part *part, struct btz_slice text)
{
    const struct btz_form *forms[2];

    if (!btz_part_is_answer(m, part))
        return btz_exchange_call_conforms(x, btz_part_tool(m, part), text);
    if (btz_slice_trim(text).len == 0)
        return BTZ_OK;
    BTZ_TRY(btz_exchange_forms(x, true, btz_str(""), forms));
    return forms[0] ? btz_exchange_conforms(x, BTZ_CHANNEL_OUTPUT, forms, text) : BTZ_OK;
}

void btz_exchange_forms_release(struct btz_exchange *x)
{
    struct btz_forms *forms = x->forms;

    json_decref(x->schema);
    if (!forms)
        return;
    if (forms->asked)
        btz_schema_free(forms->asked->own);
    for (size_t i = 0; forms->tools && i < x->request.tool_count; i++)
        if (forms->tools[i])
            btz_schema_free(forms->tools[i]->own);
}
