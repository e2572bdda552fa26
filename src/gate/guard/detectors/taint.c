/*
 * Arguments of tools that somebody else chose: an address, host or account number that neither user nor system named, but a
 * tool result or document did. That is how planted orders end; it is also how "answer this mail" works: so written down
 * unless a rule says more.
 */
#include "gate/guard/inside.h"

static enum btz_err scan(const void *setup, const struct btz_view *view,
                         struct btz_guard_session *session, struct btz_found *found)
{
    static const char *const kinds[] = { "", "tainted-email", "tainted-host", "tainted-number" };
    struct btz_atom atom;
    size_t at = 0;

    (void)setup;
    if (!session->atoms)
        return BTZ_OK;
    while (btz_atom_next(view, &at, &atom)) {
        if (atom.open)
            btz_found_wait(found, atom.from);
        else if (btz_atoms_tainted(session,
                                   btz_slice_of(view->folded + atom.from, atom.to - atom.from)))
            BTZ_TRY(btz_found_hit(found, atom.from, atom.to, kinds[atom.sort], 0.8));
    }
    return BTZ_OK;
}

const struct btz_guard_detector btz_guard_detector_taint = {
    .id = "taint",
    .summary =
        "Addresses and account numbers in a tool's arguments that only tools or documents named.",
    .channels = 1u << BTZ_CHANNEL_TOOL_ARGUMENTS,
    .user = BTZ_GUARD_OBSERVE,
    .untrusted = BTZ_GUARD_OBSERVE,
    .output = BTZ_GUARD_OBSERVE,
    .decoded = true,
    .scan = scan,
};
