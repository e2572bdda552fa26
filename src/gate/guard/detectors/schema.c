/*
 * Answers and arguments of tools that are not of the form that was asked for. Whether a text conforms is known at its end, and
 * of the text as it goes out: so gates ask for it, when a text is whole, by btz_guard_conforms().
 */
#include <stdlib.h>

#include "gate/guard/inside.h"
#include "text/schema.h"

enum { FORMS_MAX = 256 };

struct form {
    const struct btz_guard_schema_conf *conf;
    struct btz_schema *schema;
};
struct forms {
    size_t count;
    struct form of[];
};

/* ---- from the settings ------------------------------------------------------------------------------------------------ */

static void release(void *setup)
{
    struct forms *f = setup;

    for (size_t i = 0; f && i < f->count; i++)
        btz_schema_free(f->of[i].schema);
    free(f);
}

static enum btz_err read_schema(const struct btz_guard_schema_conf *conf, struct form *out)
{
    BTZ_BUF_RELEASE struct btz_buf text = BTZ_BUF(BTZ_SCHEMA_BYTES_MAX);
    enum btz_err err = btz_file_read(conf->file, text.max, &text);

    out->conf = conf;
    if (err == BTZ_OK)
        err = btz_schema_parse(btz_buf_slice(&text), conf->file, &out->schema);
    return err == BTZ_OK ? BTZ_OK : btz_fail_context(err, "guard schema %s", conf->file);
}

static enum btz_err compile(const struct btz_guard_conf *conf, void **out)
{
    const struct btz_guard_schema_conf *schemas = conf->schemas.items;
    struct forms *f;

    *out = NULL;
    if (conf->schemas.count > FORMS_MAX)
        return btz_fail(BTZ_LIMIT, "more than %d schemas", FORMS_MAX);
    f = calloc(1, sizeof *f + conf->schemas.count * sizeof f->of[0]);
    if (!f)
        return btz_fail(BTZ_LIMIT, "out of memory for schemas");
    for (; f->count < conf->schemas.count; f->count++) {
        enum btz_err err = read_schema(&schemas[f->count], &f->of[f->count]);

        if (err != BTZ_OK) {
            release(f);
            return err;
        }
    }
    *out = f;
    return BTZ_OK;
}

static unsigned here(const struct btz_guard *g)
{
    unsigned d = 0;

    while (btz_guard_detectors[d] != &btz_guard_detector_schema && d + 1 < g->count)
        d++;
    return d;
}

/* Nothing, a name, or what begins it in front of a star. */
static bool is_meant(const char *pattern, struct btz_slice name)
{
    struct btz_slice p = btz_str(pattern);
    bool open = p.len > 0 && p.ptr[p.len - 1] == '*';

    p.len -= open;
    return (p.len == 0 && !open) ||
           (open ? btz_slice_has_prefix(name, p) : btz_slice_equal(name, p));
}

const struct btz_schema *btz_guard_schema(const struct btz_guard *g, struct btz_slice model,
                                          const char *route)
{
    const struct forms *f = g->setup[here(g)];

    for (size_t i = 0; i < f->count; i++)
        if (is_meant(f->of[i].conf->model, model) && is_meant(f->of[i].conf->route, btz_str(route)))
            return f->of[i].schema;
    return NULL;
}

/* ---- texts -------------------------------------------------------------------------------------------------------------- */

static enum btz_guard_action action_of(const struct btz_guard_session *s, enum btz_channel channel)
{
    return s->guard->conf.mode == BTZ_GUARD_MODE_WATCH
               ? BTZ_GUARD_OBSERVE
               : btz_session_way(s, here(s->guard), channel)->action;
}

bool btz_guard_schema_stops(const struct btz_guard_session *s, enum btz_channel channel)
{
    return action_of(s, channel) >= BTZ_GUARD_STEP_UP;
}

static bool note(struct btz_guard_session *s, enum btz_channel channel, size_t len,
                 const char *kind)
{
    struct btz_hit hit = { .detector = &btz_guard_detector_schema,
                           .to = len,
                           .score = 1,
                           .kind = kind,
                           .how = "plain",
                           .action = action_of(s, channel) };

    btz_session_note(s, &hit, channel, s->texts);
    return hit.action < BTZ_GUARD_STEP_UP;
}

static enum btz_err not_evaluated(struct btz_guard_session *s, enum btz_channel channel,
                                  struct btz_conformity *out)
{
    btz_session_count(s, 0, 1u << here(s->guard));
    return btz_guard_schema_stops(s, channel) ? btz_fail(BTZ_DENIED, "%s", out->why) : BTZ_OK;
}

enum btz_err btz_guard_conforms(struct btz_guard_session *s, enum btz_channel channel,
                                const struct btz_schema *schema, const char *why_none,
                                struct btz_slice text, struct btz_conformity *out)
{
    struct btz_schema_fault fault;

    *out = (struct btz_conformity){ .evaluated = false };
    if (!schema) {
        snprintf(out->why, sizeof out->why, "%s", why_none);
        return not_evaluated(s, channel, out);
    }
    if (btz_schema_check_text(schema, text, BTZ_GUARD_FORM_MAX, &out->conforms, &fault) != BTZ_OK) {
        out->conforms = false;
        snprintf(out->why, sizeof out->why, "%s", btz_error_detail());
        return not_evaluated(s, channel, out);
    }
    out->evaluated = true;
    btz_session_count(s, 1u << here(s->guard), 0);
    if (out->conforms)
        return BTZ_OK;
    snprintf(out->why, sizeof out->why, "%s%s%.24s: %s",
             fault.foreign ? "in a member without a name in it" : fault.where,
             fault.foreign || *fault.where ? ": " : "", fault.keyword, fault.expected);
    return note(s, channel, text.len, fault.keyword) ? BTZ_OK
                                                     : btz_fail(BTZ_DENIED, "%s", out->why);
}

bool btz_guard_offered_none(struct btz_guard_session *s)
{
    btz_session_count(s, 1u << here(s->guard), 0);
    return note(s, BTZ_CHANNEL_TOOL_ARGUMENTS, 0, "tool-not-offered");
}

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    (void)setup;
    (void)view;
    (void)session;
    (void)found;
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_schema = {
    .id = "schema",
    .summary = "Answers and arguments of tools that do not conform to the JSON schema asked for.",
    .channels = 0,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .scan = scan,
    .compile = compile,
    .release = release,
};
