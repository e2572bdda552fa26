/* Rules of the posture that look at the settings. */
#include "gate/posture.h"

#define EACH(type, item, list)                                                                     \
    for (const struct type *item = (list).items, *item##_end = item ? item + (list).count : NULL;  \
         item < item##_end; item++)

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- the guard ---- */

static enum btz_err guard_off(const struct btz_posture *p, struct btz_posture_out *out)
{
    out->looked_at++;
    if (p->conf->guard.enabled)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.guard.enabled",
                            "no text of requests or answers is looked at");
}

/* Is it a rule for everything, so that no built-in one behind it is ever asked? */
static bool observes_everything(const struct btz_guard_rule_conf *r)
{
    return r->action == BTZ_GUARD_OBSERVE && strcmp(r->detector, "*") == 0 &&
           r->channels.count == 0 && r->groups.count == 0;
}

static enum btz_err guard_observes(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->conf->guard.enabled)
        return btz_posture_skip(out, "the guard is off");
    out->looked_at++;
    if (p->conf->guard.mode == BTZ_GUARD_MODE_WATCH)
        BTZ_TRY(btz_posture_fail(out, -1, "gate.guard.mode",
                                 "answers are sent before they are judged: hits are written down "
                                 "and nothing is held back"));
    /* The first rule that fits is used. */
    EACH(btz_guard_rule_conf, r, p->conf->guard.rules)
    if (observes_everything(r))
        return btz_posture_fail(out, -1, "gate.guard.rules",
                                "a rule observes every detector in every channel: nothing "
                                "behind it is stopped");
    return BTZ_OK;
}

static enum btz_err uncalibrated(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->conf->guard.enabled)
        return btz_posture_skip(out, "the guard is off");
    out->looked_at++;
    if (p->conf->guard.calibration && p->conf->guard.calibration[0])
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.guard.calibration",
                            "thresholds are the built-in ones, not those of this traffic: how "
                            "often ordinary requests are stopped is not known");
}

/* ---- what is written down ---- */

static enum btz_err audit_async(const struct btz_posture *p, struct btz_posture_out *out)
{
    out->looked_at++;
    if (p->conf->audit.mode == BTZ_AUDIT_DURABLE)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.audit.mode",
                            "requests go on before their entry is on disk: a crash can lose the "
                            "last ones");
}

static enum btz_err audit_bodies(const struct btz_posture *p, struct btz_posture_out *out)
{
    out->looked_at++;
    if (p->conf->audit.bodies != BTZ_BODIES_ALL)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.audit.bodies",
                            "every text that people and models send is kept");
}

/* ---- upstreams ---- */

static enum btz_err tls_unverified(const struct btz_posture *p, struct btz_posture_out *out)
{
    EACH(btz_upstream_conf, u, p->conf->upstreams)
    {
        out->looked_at++;
        if (begins(u->url, "https://") && !u->tls_verify)
            BTZ_TRY(btz_posture_fail(out, -1, u->name,
                                     "whoever is between here and %s can read and change "
                                     "everything, and has its credential",
                                     u->name));
    }
    return BTZ_OK;
}

static enum btz_err upstream_plain(const struct btz_posture *p, struct btz_posture_out *out)
{
    EACH(btz_upstream_conf, u, p->conf->upstreams)
    {
        bool secret = u->credential && u->credential[0];

        out->looked_at++;
        if (begins(u->url, "http://") && !btz_posture_is_local(u->url))
            BTZ_TRY(btz_posture_fail(out, secret ? BTZ_SEVERITY_HIGH : -1, u->name,
                                     "requests to %s%s cross a network in clear", u->name,
                                     secret ? " and its credential" : ""));
    }
    return BTZ_OK;
}

static enum btz_err shared_plain(const struct btz_posture *p, struct btz_posture_out *out)
{
    const char *at = p->conf->shared_limits;

    out->looked_at++;
    if (!at || !begins(at, "redis://") || btz_posture_is_local(at))
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.shared_limits",
                            "counters are kept over a network in clear: whoever is on it can set "
                            "them back");
}

static enum btz_err telemetry_plain(const struct btz_posture *p, struct btz_posture_out *out)
{
    out->looked_at++;
    if (!p->conf->otlp || !begins(p->conf->otlp, "http://") || btz_posture_is_local(p->conf->otlp))
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.otlp", "traces cross a network in clear");
}

static enum btz_err credential_clear(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->file_known)
        return btz_posture_skip(out, "the settings were not read from a file");
    out->looked_at++;
    for (size_t i = 0; i < p->clear_count; i++)
        BTZ_TRY(btz_posture_fail(out, p->file_is_open ? BTZ_SEVERITY_HIGH : -1, p->clear[i].what,
                                 "the secret stands in the file itself%s",
                                 p->file_is_open ? ", which others can read" : ""));
    return BTZ_OK;
}

/* ---- limits ---- */

static bool has_rate(const struct btz_limit_conf *l)
{
    return l->requests_per_minute >= 0 || l->tokens_per_minute >= 0 || l->concurrency >= 0;
}

/* Nobody is left out: keys and groups need not be had, everything and principals are. */
static bool is_for_everybody(const struct btz_limit_conf *l)
{
    return l->scope == BTZ_LIMIT_EVERYTHING ||
           (l->scope == BTZ_LIMIT_PRINCIPAL && strcmp(l->name, "*") == 0);
}

static enum btz_err no_limits(const struct btz_posture *p, struct btz_posture_out *out)
{
    size_t rates = 0;

    out->looked_at++;
    EACH(btz_limit_conf, l, p->conf->limits)
    {
        rates += has_rate(l);
        if (has_rate(l) && is_for_everybody(l))
            return BTZ_OK;
    }
    return btz_posture_fail(out, -1, "gate.limits",
                            rates ? "limits of rate are for some only: whoever meets none may "
                                    "ask without end"
                                  : "nothing limits how much anybody asks");
}

static enum btz_err no_budget(const struct btz_posture *p, struct btz_posture_out *out)
{
    bool costs = false;

    EACH(btz_model_conf, m, p->conf->models)
    costs = costs || m->input_price > 0 || m->output_price > 0;
    EACH(btz_upstream_conf, u, p->conf->upstreams)
    costs = costs || (u->credential && u->credential[0] && !btz_posture_is_local(u->url));
    if (!costs)
        return btz_posture_skip(out,
                                "no model has a price, and no upstream elsewhere a credential");
    out->looked_at++;
    EACH(btz_limit_conf, l, p->conf->limits)
    if (l->budget >= 0)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "gate.limits", "nothing limits what requests may cost");
}

/* ---- models and tools ---- */

static enum btz_err model_wildcard(const struct btz_posture *p, struct btz_posture_out *out)
{
    EACH(btz_model_conf, m, p->conf->models)
    {
        out->looked_at++;
        if (strcmp(m->name, "*") == 0)
            BTZ_TRY(btz_posture_fail(out, -1, "gate.models",
                                     "every name of a model is passed on, also of those that "
                                     "nobody has looked at"));
    }
    if (p->conf->models.count > 0)
        return BTZ_OK;
    EACH(btz_upstream_conf, u, p->conf->upstreams)
    {
        if (u->dialect == BTZ_UPSTREAM_MCP || u->dialect == BTZ_UPSTREAM_PLAIN)
            continue;
        out->looked_at++;
        return btz_posture_fail(out, -1, "gate.models",
                                "no models are named: every model of %s is served", u->name);
    }
    return BTZ_OK;
}

static enum btz_err mcp_unpinned(const struct btz_posture *p, struct btz_posture_out *out)
{
    EACH(btz_mcp_conf, m, p->conf->mcp)
    {
        out->looked_at++;
        if (!m->pinned)
            BTZ_TRY(btz_posture_fail(out, -1, m->name,
                                     "descriptions of tools of %s are believed when they are "
                                     "first seen",
                                     m->name));
    }
    return BTZ_OK;
}

const struct btz_posture_rule btz_posture_settings_rules[] = {
    { "guard-off", guard_off },
    { "guard-observes", guard_observes },
    { "uncalibrated", uncalibrated },
    { "audit-async", audit_async },
    { "audit-bodies", audit_bodies },
    { "tls-unverified", tls_unverified },
    { "upstream-plain", upstream_plain },
    { "shared-limits-plain", shared_plain },
    { "telemetry-plain", telemetry_plain },
    { "credential-clear", credential_clear },
    { "no-limits", no_limits },
    { "no-budget", no_budget },
    { "model-wildcard", model_wildcard },
    { "mcp-unpinned", mcp_unpinned },
    { NULL, NULL },
};
