/* Rules of the posture that look at where the gateway stands: listeners, users, files. */
#include "gate/posture.h"

#define NOT_RUN "`bartizan gate run` has not written a front yet"

static enum btz_err listener_plain(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->front_known)
        return btz_posture_skip(out, NOT_RUN);
    out->looked_at++;
    for (size_t i = 0; i < p->plain_count; i++)
        BTZ_TRY(btz_posture_fail(out, -1, p->plain[i].what,
                                 "keys and texts can be read on the way to %s", p->plain[i].what));
    return BTZ_OK;
}

static enum btz_err self_signed(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->front_known)
        return btz_posture_skip(out, NOT_RUN);
    out->looked_at++;
    if (!p->beyond_loopback || !p->self_signed)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "certificate",
                            "other machines are served with a self-signed certificate: their users "
                            "learn to pass over warnings");
}

static enum btz_err client_ca(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->front_known)
        return btz_posture_skip(out, NOT_RUN);
    out->looked_at++;
    if (!p->beyond_loopback || p->asks_certificates)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "client-ca",
                            "other machines prove who they are by keys alone: whoever finds one "
                            "can use it from anywhere");
}

static enum btz_err root(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->front_known)
        return btz_posture_skip(out, NOT_RUN);
    out->looked_at++;
    if (!p->works_as_root)
        return BTZ_OK;
    return btz_posture_fail(out, -1, "workers",
                            "the processes that read what strangers send are root");
}

static enum btz_err state_open(const struct btz_posture *p, struct btz_posture_out *out)
{
    if (!p->state_known)
        return btz_posture_skip(out, "there is no state folder yet");
    out->looked_at++;
    for (size_t i = 0; i < p->loose_count; i++)
        BTZ_TRY(btz_posture_fail(out, -1, p->loose[i].what,
                                 "others than the owner of the state can reach it"));
    return BTZ_OK;
}

const struct btz_posture_rule btz_posture_place_rules[] = {
    { "listener-plain", listener_plain }, { "self-signed", self_signed },
    { "client-ca-missing", client_ca },   { "root-workers", root },
    { "state-open", state_open },         { NULL, NULL },
};
